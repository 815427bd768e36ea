//! Predicted drift of singular values against what steps do: a two-layer linear, a deep linear and
//! a two-layer ReLU network, several kinds of noise, every layer.

mod support;

use std::sync::Arc;

use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::activation::Activation;
use rankfall_nets::network::NetworkSpec;
use rankfall_nets::noise::Noise;
use rankfall_nets::predictions::{
    DriftEstimate, PredictedDrift, PredictionError, RealisedDrift, predict, realise,
};
use rankfall_nets::schedule::Shape;
use rankfall_nets::training::{Trainer, TrainingPlan};

use support::{network, regression, training};

/// A trainer some way into its run, where its steps become small: what the prediction leaves out is
/// of third order in them.
fn trained(network: NetworkSpec, noise: Vec<Noise>, seed: u64) -> Trainer<f64> {
    let mut spec = training(network, noise, 0.02, 400);
    spec.seed = seed;
    spec.schedule.shape = Shape::Piecewise {
        steps: vec![300],
        factors: vec![0.1],
    };
    let plan = Arc::new(TrainingPlan::new(&spec).expect("sound"));
    let data = plan.fit_training(regression(20, 3, 2)).expect("fits");
    let mut trainer = Trainer::new(plan, Arc::new(data), 0, 0, Instructions::best());
    for _ in 0..300 {
        trainer.step().expect("finite");
    }
    trainer
}

fn noises() -> Vec<Vec<Noise>> {
    let labels = Noise::LabelNoise {
        variance: 2.0,
        distribution: LabelNoise::Gaussian,
    };
    let batch = Noise::MiniBatch {
        batch_size: 4,
        sampling: Sampling::WithReplacement,
    };
    vec![
        vec![labels.clone()],
        vec![batch, labels],
        vec![Noise::GradientNoise { temperature: 2e-3 }],
    ]
}

fn networks() -> Vec<NetworkSpec> {
    vec![
        network(&[3, 5, 2], Activation::Linear, false),
        network(&[3, 4, 4, 2], Activation::Linear, false),
        network(&[3, 8, 2], Activation::Relu, true),
    ]
}

/// Weighted least squares of realised on predicted drift, through the origin.
fn slope(case: &[(PredictedDrift, DriftEstimate)], part: &dyn Fn(&PredictedDrift) -> f64) -> f64 {
    let (mut xy, mut xx) = (0.0, 0.0);
    for (predicted, realised) in case {
        let weight = 1.0 / (realised.error * realised.error);
        xy += weight * part(predicted) * realised.mean;
        xx += weight * part(predicted) * part(predicted);
    }
    xy / xx
}

/// Mean and standard error over cases, which share no random number.
fn slopes(
    cases: &[Vec<(PredictedDrift, DriftEstimate)>],
    part: &dyn Fn(&PredictedDrift) -> f64,
) -> (f64, f64) {
    let slopes: Vec<f64> = cases.iter().map(|case| slope(case, part)).collect();
    support::mean_and_error(&slopes)
}

/// Predicted and realised second-order drift of all layers, one case per network and noise.
fn cases() -> Vec<Vec<(PredictedDrift, DriftEstimate)>> {
    let mut cases = Vec::new();
    for network in networks() {
        for noise in noises() {
            let mut trainer = trained(network.clone(), noise.clone(), 100 + cases.len() as u64);
            let mut case = Vec::new();
            for layer in 1..network.layers.len() {
                let predicted = predict(&mut trainer, layer, 20_000).expect("a dense layer");
                let realised = realise(&mut trainer, layer, 20_000).expect("a dense layer");
                case.extend(predicted.into_iter().zip(realised.second_order));
            }
            cases.push(case);
        }
    }
    cases
}

#[test]
fn the_predicted_drift_is_the_realised_one() {
    for network in networks() {
        for noise in noises() {
            let mut trainer = trained(network.clone(), noise.clone(), 11);
            let before = trainer.state().clone();
            for layer in 1..network.layers.len() {
                let predicted = predict(&mut trainer, layer, 40_000).expect("a dense layer");
                let realised = realise(&mut trainer, layer, 40_000).expect("a dense layer");
                compare(&network, &noise, layer, &predicted, &realised);
            }
            assert_eq!(&before, trainer.state(), "looking moved the weights");
        }
    }
}

fn compare(
    network: &NetworkSpec,
    noise: &[Noise],
    layer: usize,
    predicted: &[PredictedDrift],
    realised: &RealisedDrift,
) {
    for (i, p) in predicted.iter().enumerate() {
        let (total, second) = (realised.total[i], realised.second_order[i]);
        println!(
            "{:?} {} layer {layer}, {}: gradient {:+.2e}, curvature {:+.1e}, own noise {:+.1e}, \
             repulsion {:+.1e}, growth {:+.1e}; second order {:+.3e} against {:+.3e} ± {:.0e}",
            network.layers,
            noise[noise.len() - 1].name(),
            i + 1,
            p.gradient,
            p.curvature,
            p.own_noise,
            p.repulsion,
            p.growth,
            p.second_order(),
            second.mean,
            second.error
        );
        // Both sides are estimates from as many draws; the mean gradient's error is the total's.
        let bound = 5.0 * 2f64.sqrt();
        assert!((p.total() - total.mean).abs() < bound * total.error);
        let slack = 0.02 * (p.own_noise.abs() + p.repulsion.abs() + p.growth);
        assert!((p.second_order() - second.mean).abs() < bound * second.error + slack);
    }
}

/// Slope 1 within its interval; without one of the forces of the noise it is far from it.
#[test]
fn realised_on_predicted_has_slope_one() {
    let cases = cases();
    let (slope, error) = slopes(&cases, &PredictedDrift::second_order);
    println!("slope {slope:.4} ± {error:.4} over {} cases", cases.len());
    // Student's t with eight degrees of freedom is within 5.04 with probability 0.999.
    assert!((slope - 1.0).abs() < 5.04 * error && error < 0.01);
    for part in [
        (|d: &PredictedDrift| d.second_order() - d.repulsion) as fn(&PredictedDrift) -> f64,
        |d| d.second_order() - d.own_noise,
        |d| d.second_order() - d.growth,
    ] {
        let (slope, error) = slopes(&cases, &part);
        println!("without one force: {slope:.3} ± {error:.3}");
        assert!((slope - 1.0).abs() > 0.05);
    }
}

#[test]
fn what_cannot_be_predicted_is_refused() {
    let mut trainer = trained(networks()[0].clone(), vec![], 11);
    assert_eq!(
        predict(&mut trainer, 3, 10),
        Err(PredictionError::Layer {
            layer: 3,
            layers: 2
        })
    );
    assert!(matches!(
        predict(&mut trainer, 0, 10),
        Err(PredictionError::Layer { .. })
    ));
    assert_eq!(predict(&mut trainer, 1, 1), Err(PredictionError::Draws(1)));
}

//! Two linear layers with squared loss against the exact engine of the core, path by path.

mod support;

use std::sync::Arc;

use faer::Mat;
use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::model::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use rankfall_core::model::gram::Gram;
use rankfall_core::model::network::{Initialisation, Weights};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::{Problem, Rows};
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::activation::Activation;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::initialisation;
use rankfall_nets::noise::Noise;

use support::{ensemble, network, regression, shared, training, values};

const SHAPE: [usize; 3] = [3, 6, 2];
const STEPS: u64 = 150;
const STEP_SIZE: f64 = 0.05;

fn problem(data: &Dataset<f64>) -> Problem {
    let Targets::Values { values: y, .. } = data.targets() else {
        panic!("values");
    };
    let (n, p, k) = (data.rows(), SHAPE[0], SHAPE[2]);
    let x = Mat::from_fn(n, p, |i, j| data.x()[i * p + j]);
    let labels = Mat::from_fn(n, k, |i, j| y[i * k + j]);
    let mean = |a: &Mat<f64>, b: &Mat<f64>| a.transpose() * b * faer::Scale(1.0 / n as f64);
    let gram = Gram {
        sxx: mean(&x, &x),
        sxy: mean(&x, &labels),
        syy: mean(&labels, &labels),
        n: n as u64,
        centred: None,
    };
    let rows = Rows {
        x: data.x().to_vec(),
        y: y.clone(),
        count: n,
    };
    Problem::new(&gram, Some(rows), None).expect("a sound problem")
}

/// The core's log singular values of W₁ and W₂, and its loss, for three trajectories at the end.
fn exact(
    data: &Dataset<f64>,
    parameters: &[f64],
    kind: Kind,
    label_noise: f64,
    optimizer: Optimizer,
) -> Vec<Vec<f64>> {
    let [p, l, k] = SHAPE;
    let (first, second) = parameters.split_at(p * l);
    let weights = Weights {
        w1: Mat::from_fn(p, l, |i, j| first[i * l + j]),
        w2: Mat::from_fn(l, k, |i, j| second[i * k + j]),
    };
    let setup = Setup {
        source: Source::Shared(Arc::new(problem(data))),
        initialisation: Initialisation::Given(weights),
        width: l,
        seed: 11,
        each_start: false,
    };
    let spec = EnsembleSpec {
        dynamics: Dynamics {
            kind,
            step_size: STEP_SIZE,
            label_noise,
            optimizer,
            classes: None,
        },
        stream: 0,
        trajectories: 3,
        save_steps: vec![0, STEPS],
        time_unit: STEP_SIZE,
        rank_tolerance: 1e-3,
        keep_trajectories: true,
        reductions: true,
        force_balance: None,
        account: None,
        own_observables: Vec::new(),
    };
    let outcome = spec
        .run(&setup, 1, None, &Unattended, Instructions::best())
        .expect("a sound run");
    let size = outcome.layout.observables.len();
    let place = |name: &str, i| size + outcome.layout.position(name, i).expect("measured");
    let mut places: Vec<usize> = (1..=3).map(|i| place("log_singular_value_w1", i)).collect();
    places.extend((1..=2).map(|i| place("log_singular_value_w2", i)));
    places.push(place("loss", 0));
    places.push(place("log_det", 0));
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    kept.iter()
        .map(|(_, v)| places.iter().map(|&i| v[i]).collect())
        .collect()
}

fn trained(
    data: &Dataset<f64>,
    parameters: &[f64],
    noise: Vec<Noise>,
    optimizer: Optimizer,
) -> Vec<Vec<f64>> {
    let mut training = training(
        network(&SHAPE, Activation::Linear, false),
        noise,
        STEP_SIZE,
        STEPS,
    );
    training.optimizer = optimizer;
    training.initialisation = initialisation::WeightInitialisation::Given(parameters.to_vec());
    let outcome = ensemble(training, 3, 1)
        .run(
            &shared(data.clone()),
            2,
            None,
            &Unattended,
            Instructions::best(),
        )
        .expect("a sound run");
    let mut columns: Vec<Vec<f64>> = (1..=3)
        .map(|i| values(&outcome, 1, "log_singular_value_layer_1", i))
        .collect();
    columns.extend((1..=2).map(|i| values(&outcome, 1, "log_singular_value_layer_2", i)));
    columns.push(values(&outcome, 1, "loss", 0));
    columns.push(values(&outcome, 1, "log_det_stack", 1));
    (0..columns[0].len())
        .map(|t| columns.iter().map(|c| c[t]).collect())
        .collect()
}

fn optimizer(momentum: f64, nesterov: bool, weight_decay: f64) -> Optimizer {
    Optimizer {
        momentum,
        nesterov,
        weight_decay,
    }
}

#[test]
fn two_linear_layers_follow_the_exact_engine_path_by_path() {
    let data = regression(20, 3, 2);
    let mut reader =
        rankfall_core::random::StreamKey::new(8, rankfall_core::random::Purpose::InitialWeights, 0)
            .reader(0, 0);
    let parameters: Vec<f64> = (0..3 * 6 + 6 * 2).map(|_| 0.6 * reader.normal()).collect();
    let mut compared = 0;
    let mut compare = |kind: Kind, label_noise: f64, noise: Vec<Noise>, optimizer: Optimizer| {
        let expected = exact(&data, &parameters, kind, label_noise, optimizer);
        let got = trained(&data, &parameters, noise, optimizer);
        assert_eq!(expected.len(), got.len());
        for (e, g) in expected.iter().flatten().zip(got.iter().flatten()) {
            assert!((e - g).abs() < 1e-10, "{e} {g}");
            compared += 1;
        }
    };
    let plain = Optimizer::default();
    let optimizers = [
        plain,
        optimizer(0.5, false, 0.0),
        optimizer(0.0, false, 0.1),
        optimizer(0.4, true, 0.05),
    ];
    for optimizer in optimizers {
        compare(Kind::GradientDescent, 0.0, vec![], optimizer);
    }
    for sampling in [
        Sampling::WithReplacement,
        Sampling::WithoutReplacement,
        Sampling::Epochs,
        Sampling::Sequential,
    ] {
        for (distribution, variance) in [
            (LabelNoise::Gaussian, 0.0),
            (LabelNoise::Gaussian, 0.2),
            (LabelNoise::Rademacher, 0.2),
        ] {
            let kind = Kind::StochasticGradientDescent {
                batch_size: 4,
                sampling,
                distribution,
            };
            let mut noise = vec![Noise::MiniBatch {
                batch_size: 4,
                sampling,
            }];
            if variance > 0.0 {
                noise.push(Noise::LabelNoise {
                    variance,
                    distribution,
                });
            }
            if sampling == Sampling::Sequential && variance == 0.0 {
                continue; // the core runs a deterministic dynamics once
            }
            let last = variance > 0.0 && sampling == Sampling::Epochs;
            for optimizer in &optimizers[..if last { 4 } else { 1 }] {
                compare(kind.clone(), variance, noise.clone(), *optimizer);
            }
        }
    }
    assert!(compared > 200);
}

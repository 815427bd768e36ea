//! Each kind of noise against its mean and variance, by many draws at fixed weights. Bounds are
//! five standard errors: a false alarm in 2·10⁶ draws of each number.

mod support;

use std::sync::Arc;

use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::activation::Activation;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::loss::Loss;
use rankfall_nets::noise::{Noise, NoiseSource};
use rankfall_nets::training::{Trainer, TrainingPlan};
use rankfall_nets::window::NoiseWindow;

use support::{classes, network, regression, training};

const DRAWS: u64 = 20_000;

/// Draws of the gradient at the initial weights, and the weights.
fn gradients(
    layers: &[usize],
    data: &Dataset<f64>,
    noise: Vec<Noise>,
) -> (Vec<Vec<f64>>, Vec<f64>) {
    let spec = training(
        network(layers, Activation::Linear, false),
        noise,
        0.1,
        DRAWS,
    );
    let plan = Arc::new(TrainingPlan::new(&spec).expect("sound"));
    let data = Arc::new(plan.fit_training(data.clone()).expect("fits"));
    let mut trainer = Trainer::new(plan, data, 0, 0, Instructions::best());
    let parameters = trainer.state().parameters.clone();
    let draws = 0..DRAWS;
    let gradient = |step| trainer.gradient_of_step(step).expect("finite").to_vec();
    (draws.map(gradient).collect(), parameters)
}

struct Moments {
    mean: Vec<f64>,
    variance: Vec<f64>,
    /// Σ over parameters of the variance, and its standard error.
    total: (f64, f64),
}

fn moments(draws: &[Vec<f64>]) -> Moments {
    let n = draws.len() as f64;
    let size = draws[0].len();
    let mean: Vec<f64> = (0..size)
        .map(|i| draws.iter().map(|d| d[i]).sum::<f64>() / n)
        .collect();
    let square = |d: &Vec<f64>, i: usize| (d[i] - mean[i]) * (d[i] - mean[i]);
    let variance = (0..size)
        .map(|i| draws.iter().map(|d| square(d, i)).sum::<f64>() / (n - 1.0))
        .collect();
    let totals: Vec<f64> = draws
        .iter()
        .map(|d| (0..size).map(|i| square(d, i)).sum())
        .collect();
    Moments {
        total: support::mean_and_error(&totals),
        mean,
        variance,
    }
}

impl Moments {
    /// The largest difference of the mean from `expected`, in standard errors.
    fn mean_distance(&self, expected: &[f64]) -> f64 {
        let z = |i: usize| {
            (self.mean[i] - expected[i]).abs() / (self.variance[i] / DRAWS as f64).sqrt()
        };
        (0..expected.len()).map(z).fold(0.0, f64::max)
    }

    fn total_distance(&self, expected: f64) -> f64 {
        (self.total.0 - expected).abs() / self.total.1
    }
}

/// S_xx, row-major, and tr S_xx.
fn second_moment(data: &Dataset<f64>) -> (Vec<f64>, f64) {
    let p = data.inputs();
    let mut s = vec![0.0; p * p];
    for row in data.x().chunks_exact(p) {
        for i in 0..p {
            for j in 0..p {
                s[i * p + j] += row[i] * row[j] / data.rows() as f64;
            }
        }
    }
    let trace = (0..p).map(|i| s[i * p + i]).sum();
    (s, trace)
}

fn clean(layers: &[usize], data: &Dataset<f64>) -> Vec<f64> {
    gradients(layers, data, vec![]).0.swap_remove(0)
}

#[test]
fn label_noise_leaves_the_mean_and_has_the_covariance_of_the_inputs() {
    let data = regression(12, 3, 2);
    let (s, trace) = second_moment(&data);
    let clean = clean(&[3, 2], &data);
    for distribution in [LabelNoise::Gaussian, LabelNoise::Rademacher] {
        let variance = 0.4;
        let noise = vec![Noise::LabelNoise {
            variance,
            distribution,
        }];
        let (draws, _) = gradients(&[3, 2], &data, noise);
        let got = moments(&draws);
        assert!(got.mean_distance(&clean) < 5.0);
        // Cov(G_ab, G_cd) = (δ/n) S_ac 1{b = d}: the total is δ k tr S/n.
        let expected = variance / 12.0 * 2.0 * trace;
        assert!(
            got.total_distance(expected) < 5.0,
            "{:?} {expected}",
            got.total
        );
        assert!(
            got.total_distance(1.05 * expected) > 5.0,
            "the test can fail"
        );
        let cross: Vec<f64> = draws
            .iter()
            .map(|d| (d[0] - clean[0]) * (d[2] - clean[2]))
            .collect();
        let (mean, error) = support::mean_and_error(&cross);
        assert!((mean - variance / 12.0 * s[1]).abs() < 5.0 * error);
    }
}

#[test]
fn mini_batches_have_the_variance_of_their_sampling() {
    let data = regression(12, 3, 2);
    let clean = clean(&[3, 2], &data);
    // The variance of one row's gradient, summed over parameters: exactly, row by row.
    let single = {
        let noise = vec![Noise::MiniBatch {
            batch_size: 1,
            sampling: Sampling::Sequential,
        }];
        let (draws, _) = gradients(&[3, 2], &data, noise);
        let distance =
            |d: &Vec<f64>| -> f64 { d.iter().zip(&clean).map(|(a, b)| (a - b) * (a - b)).sum() };
        draws[..12].iter().map(distance).sum::<f64>() / 12.0
    };
    for (sampling, expected) in [
        (Sampling::WithReplacement, single / 5.0),
        (
            Sampling::WithoutReplacement,
            single / 5.0 * (12.0 - 5.0) / 11.0,
        ),
    ] {
        let noise = vec![Noise::MiniBatch {
            batch_size: 5,
            sampling,
        }];
        let got = moments(&gradients(&[3, 2], &data, noise).0);
        assert!(got.mean_distance(&clean) < 5.0);
        assert!(got.total_distance(expected) < 5.0, "{sampling:?}");
        assert!(
            got.total_distance(single / 5.0 * 0.8) > 5.0,
            "the test can fail"
        );
    }
}

/// Squared loss on x + ξ is ridge on the map: ∇ = (S + vI)W − S_xy in the mean.
#[test]
fn input_noise_is_ridge_in_the_mean() {
    let data = regression(12, 3, 2);
    let v = 0.3;
    let (draws, w) = gradients(&[3, 2], &data, vec![Noise::InputNoise { variance: v }]);
    let clean = clean(&[3, 2], &data);
    let ridge: Vec<f64> = clean.iter().zip(&w).map(|(g, w)| g + v * w).collect();
    let got = moments(&draws);
    assert!(got.mean_distance(&ridge) < 5.0);
    assert!(got.mean_distance(&clean) > 20.0, "the test can fail");
}

/// Two linear layers at displaced weights: the mean gradient gains v k S W₁ and v tr(S) W₂.
#[test]
fn weight_noise_decays_two_linear_layers_by_the_ito_matrix() {
    let data = regression(12, 3, 2);
    let layers = [3, 4, 2];
    let v = 0.05;
    let (draws, w) = gradients(&layers, &data, vec![Noise::WeightNoise { variance: v }]);
    let (s, trace) = second_moment(&data);
    let mut expected = clean(&layers, &data);
    for i in 0..3 {
        for h in 0..4 {
            let sw: f64 = (0..3).map(|j| s[i * 3 + j] * w[j * 4 + h]).sum();
            expected[i * 4 + h] += v * 2.0 * sw;
        }
    }
    for i in 12..20 {
        expected[i] += v * trace * w[i];
    }
    let got = moments(&draws);
    assert!(got.mean_distance(&expected) < 5.0);
    assert!(
        got.mean_distance(&clean(&layers, &data)) > 10.0,
        "the test can fail"
    );
}

/// Dropped units: the mean gradient gains c |w₂ₕ|² S w₁ₕ and c (w₁ₕᵀ S w₁ₕ) w₂ₕ, c = q/(1 − q).
#[test]
fn dropout_decays_each_unit_by_what_it_carries() {
    let data = regression(12, 3, 2);
    let layers = [3, 4, 2];
    let q = 0.3;
    let (draws, w) = gradients(&layers, &data, vec![Noise::Dropout { probability: q }]);
    let (s, _) = second_moment(&data);
    let mut expected = clean(&layers, &data);
    let plain = expected.clone();
    let c = q / (1.0 - q);
    for h in 0..4 {
        let out: f64 = (0..2).map(|b| w[12 + h * 2 + b].powi(2)).sum();
        let sw: Vec<f64> = (0..3)
            .map(|i| (0..3).map(|j| s[i * 3 + j] * w[j * 4 + h]).sum())
            .collect();
        let into: f64 = (0..3).map(|i| w[i * 4 + h] * sw[i]).sum();
        for i in 0..3 {
            expected[i * 4 + h] += c * out * sw[i];
        }
        for b in 0..2 {
            expected[12 + h * 2 + b] += c * into * w[12 + h * 2 + b];
        }
    }
    let got = moments(&draws);
    assert!(got.mean_distance(&expected) < 5.0);
    assert!(got.mean_distance(&plain) > 10.0, "the test can fail");
}

#[test]
fn langevin_noise_has_its_temperature() {
    let data = regression(12, 3, 2);
    let spec = training(
        network(&[3, 2], Activation::Linear, false),
        vec![],
        0.1,
        DRAWS,
    );
    let plan = TrainingPlan::new(&spec).expect("sound");
    let noise = [Noise::GradientNoise { temperature: 0.2 }];
    let mut source = NoiseSource::new(&noise, &plan.network, &data, 3, 0, 0, Instructions::best());
    let draw = |step| {
        let mut gradient = vec![0.0; 6];
        source.shake(&mut gradient, 0.05, step);
        gradient
    };
    let got = moments(&(0..DRAWS).map(draw).collect::<Vec<_>>());
    assert!(got.mean_distance(&[0.0; 6]) < 5.0);
    // √(2T/η): six times 2 · 0.2/0.05.
    assert!(got.total_distance(48.0) < 5.0 && got.total_distance(50.0) > 5.0);
}

/// How often each class became each class.
fn flips(noise: Noise, data: &Dataset<f64>, loss: Loss, count: usize) -> Vec<Vec<f64>> {
    let mut spec = training(
        network(&[2, count], Activation::Linear, false),
        vec![],
        0.1,
        1,
    );
    spec.loss = loss;
    let plan = TrainingPlan::new(&spec).expect("sound");
    let data = plan.fit_training(data.clone()).expect("fits");
    let mut source = NoiseSource::new(
        &[noise],
        &plan.network,
        &data,
        3,
        0,
        0,
        Instructions::best(),
    );
    let class = |targets: &Targets<f64>, row: usize| match targets {
        Targets::Classes(classes) => classes[row] as usize,
        Targets::Values { columns: 1, values } => values[row] as usize,
        Targets::Values { columns, values } => {
            let row = &values[row * columns..(row + 1) * columns];
            assert_eq!(row.iter().sum::<f64>(), 1.0);
            row.iter().position(|&v| v == 1.0).expect("one-hot")
        }
    };
    let mut counts = vec![vec![0.0; count.max(2)]; count.max(2)];
    for step in 0..2000 {
        let batch = source.batch(&data, step);
        for row in 0..data.rows() {
            counts[class(data.targets(), row)][class(batch.targets(), row)] += 1.0;
        }
    }
    counts
}

#[test]
fn class_labels_flip_as_often_as_they_should() {
    let matrix = vec![
        vec![0.7, 0.2, 0.1],
        vec![0.0, 1.0, 0.0],
        vec![0.5, 0.0, 0.5],
    ];
    let symmetric = Noise::LabelFlips {
        probability: 0.3,
        matrix: None,
    };
    let given = Noise::LabelFlips {
        probability: 0.0,
        matrix: Some(matrix.clone()),
    };
    let thirds: Vec<Vec<f64>> = (0..3)
        .map(|i| (0..3).map(|j| if i == j { 0.7 } else { 0.15 }).collect())
        .collect();
    let halves = vec![vec![0.7, 0.3], vec![0.3, 0.7]];
    let three = classes(40, 2, 3);
    let two = classes(40, 2, 2);
    for (noise, data, loss, outputs, expected) in [
        (&symmetric, &three, Loss::SoftmaxCrossEntropy, 3, &thirds),
        (&given, &three, Loss::SoftmaxCrossEntropy, 3, &matrix),
        (&symmetric, &three, Loss::Squared, 3, &thirds),
        (&symmetric, &two, Loss::Logistic, 1, &halves),
    ] {
        let counts = flips(noise.clone(), data, loss, outputs);
        for (row, probabilities) in counts.iter().zip(expected) {
            let total: f64 = row.iter().sum();
            assert!(total > 1000.0);
            for (count, p) in row.iter().zip(probabilities) {
                let deviation = (total * p * (1.0 - p)).sqrt();
                assert!((count - total * p).abs() <= 5.0 * deviation, "{counts:?}");
            }
        }
    }
}

/// Flips would make one class of targets with several or with shares, and change them even with
/// probability 0.
#[test]
fn labels_flip_only_where_each_row_has_one_class() {
    let check = |columns: usize, values: Vec<f64>| {
        let rows = values.len() / columns;
        let targets = Targets::Values { columns, values };
        let data = Dataset::new(1, vec![1.0; rows], targets).expect("sound");
        let flips = Noise::LabelFlips {
            probability: 0.0,
            matrix: None,
        };
        let network = network(&[1, columns], Activation::Linear, false);
        let mut spec = training(network, vec![flips], 0.1, 1);
        spec.loss = Loss::Logistic;
        let plan = TrainingPlan::new(&spec).expect("sound");
        plan.fit_training(data)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(check(1, vec![0.0, 1.0]), Ok(()));
    assert_eq!(check(2, vec![0.0, 1.0, 1.0, 0.0]), Ok(()));
    for (columns, values) in [
        (1, vec![0.0, 0.3]),
        (2, vec![0.0, 1.0, 1.0, 1.0]),
        (2, vec![0.0, 1.0, 0.0, 0.0]),
        (2, vec![0.0, 1.0, 0.5, 0.5]),
    ] {
        let message = check(columns, values).expect_err("no class");
        assert!(
            message.contains("row 1 of the targets is no class"),
            "{message}"
        );
    }
}

#[test]
fn a_batch_that_cannot_be_is_refused_for_what_it_is() {
    let refusal = |batch_size: u64, sampling: Sampling| {
        let batches = Noise::MiniBatch {
            batch_size,
            sampling,
        };
        let network = network(&[3, 2], Activation::Linear, false);
        let plan = TrainingPlan::new(&training(network, vec![batches], 0.1, 1)).expect("sound");
        let fit = plan.fit_training(regression(12, 3, 2));
        fit.map_or_else(|error| error.to_string(), |_| String::new())
    };
    let beyond = "batch_size = 2147483649 must be 1 to 2147483648";
    assert!(refusal((1 << 31) + 1, Sampling::WithReplacement).contains(beyond));
    assert!(refusal(13, Sampling::WithoutReplacement).contains("more than the 12 rows there are"));
    assert_eq!(refusal(1 << 31, Sampling::WithReplacement), "");
}

/// A noise outside its window leaves every step as it is without it, and inside as it is with it;
/// the law of the stack moves inside alone.
#[test]
fn noise_acts_in_its_window_alone() {
    let data = regression(12, 3, 2);
    let all = [
        Noise::LabelNoise {
            variance: 0.5,
            distribution: LabelNoise::Gaussian,
        },
        Noise::MiniBatch {
            batch_size: 4,
            sampling: Sampling::WithReplacement,
        },
        Noise::GradientNoise { temperature: 0.1 },
        Noise::InputNoise { variance: 0.2 },
        Noise::WeightNoise { variance: 0.2 },
        Noise::Dropout { probability: 0.4 },
    ];
    let gradients = |noise: Vec<Noise>, windows: Vec<NoiseWindow>| {
        let network = network(&[3, 8, 2], Activation::Linear, false);
        let mut spec = training(network, noise, 0.01, 9);
        spec.windows = windows;
        let plan = Arc::new(TrainingPlan::new(&spec).expect("sound"));
        let data = Arc::new(plan.fit_training(data.clone()).expect("fits"));
        let mut trainer = Trainer::new(plan, data, 0, 0, Instructions::best());
        let gradient = |step| trainer.gradient_of_step(step).expect("finite").to_vec();
        let gradients: Vec<Vec<f64>> = (0..9).map(gradient).collect();
        let mut laws = vec![0.0];
        for _ in 0..9 {
            trainer.step().expect("small steps");
            laws.extend(trainer.state().law.first());
        }
        (gradients, laws)
    };
    let quiet = gradients(vec![], vec![]).0;
    for noise in all {
        let window = NoiseWindow {
            noise: 0,
            steps: 3..6,
        };
        let (always, _) = gradients(vec![noise.clone()], vec![]);
        let (timed, laws) = gradients(vec![noise.clone()], vec![window]);
        for step in 0..9 {
            let inside = (3..6).contains(&step);
            let expected = if inside { &always } else { &quiet };
            assert_eq!(timed[step], expected[step], "{} {step}", noise.name());
            assert_ne!(always[step], quiet[step], "{} {step}", noise.name());
            if let Some(after) = laws.get(step + 1) {
                assert_eq!(*after < laws[step], inside, "{} {step}", noise.name());
            }
        }
    }
}

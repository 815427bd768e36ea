//! What each noise does to log det M, M = ΘΘᵀ, Θ = [W₁; W₂ᵀ], in one step of two linear layers with
//! squared loss, from the formulas of `docs/networks.md`, against the mean over many draws at fixed
//! weights. Bounds are five standard errors.

mod support;

use std::sync::Arc;

use faer::Mat;
use rankfall_core::ensemble::Unattended;
use rankfall_core::linalg::dense::{product, thin_svd, transpose_product};
use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::activation::Activation;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::noise::Noise;
use rankfall_nets::training::{Trainer, TrainingPlan};

use support::{mean_and_error, network, regression, training, values};

const INPUTS: usize = 3;
const OUTPUTS: usize = 2;
const DRAWS: u64 = 40_000;

/// A problem and weights in matrices.
struct Setting {
    data: Dataset<f64>,
    parameters: Vec<f64>,
    w1: Mat<f64>,
    w2: Mat<f64>,
    x: Mat<f64>,
    s: Mat<f64>,
    /// A = S_xy − S_xx W₁W₂.
    a: Mat<f64>,
    /// Rows y − (W₁W₂)ᵀx.
    residuals: Mat<f64>,
}

fn setting(width: usize) -> Setting {
    let data = regression(12, INPUTS, OUTPUTS);
    let spec = training(
        network(&[INPUTS, width, OUTPUTS], Activation::Linear, false),
        vec![],
        0.1,
        1,
    );
    let plan = TrainingPlan::new(&spec).expect("sound");
    let parameters: Vec<f64> =
        WeightInitialisation::Gaussian { scale: 0.8 }.draw(&plan.network, 21, 0);
    let (w1, w2) = matrices(&parameters, width);
    let Targets::Values { values: y, .. } = data.targets() else {
        panic!("values");
    };
    let n = data.rows();
    let x = Mat::from_fn(n, INPUTS, |i, j| data.x()[i * INPUTS + j]);
    let y = Mat::from_fn(n, OUTPUTS, |i, b| y[i * OUTPUTS + b]);
    let residuals = &y - product(&x, &product(&w1, &w2));
    let mean = faer::Scale(1.0 / n as f64);
    Setting {
        s: transpose_product(&x, &x) * mean,
        a: transpose_product(&x, &residuals) * mean,
        data,
        parameters,
        w1,
        w2,
        x,
        residuals,
    }
}

fn matrices(parameters: &[f64], width: usize) -> (Mat<f64>, Mat<f64>) {
    let (first, second) = parameters.split_at(INPUTS * width);
    (
        Mat::from_fn(INPUTS, width, |i, h| first[i * width + h]),
        Mat::from_fn(width, OUTPUTS, |h, b| second[h * OUTPUTS + b]),
    )
}

/// Θᵀ, l × d.
fn theta_transpose(w1: &Mat<f64>, w2: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(w1.ncols(), INPUTS + OUTPUTS, |h, i| {
        if i < INPUTS {
            w1[(i, h)]
        } else {
            w2[(h, i - INPUTS)]
        }
    })
}

fn log_det(parameters: &[f64], width: usize) -> f64 {
    let (w1, w2) = matrices(parameters, width);
    thin_svd(&theta_transpose(&w1, &w2))
        .sigma
        .iter()
        .map(|s| 2.0 * s.ln())
        .sum()
}

/// M⁻¹Θ, d × l: the derivative of log det M by Θ is twice this.
fn inverse_times_theta(setting: &Setting) -> Mat<f64> {
    let svd = thin_svd(&theta_transpose(&setting.w1, &setting.w2));
    let scaled = Mat::from_fn(svd.v.nrows(), svd.sigma.len(), |i, j| {
        svd.v[(i, j)] / svd.sigma[j]
    });
    product(&scaled, &svd.u.transpose().to_owned())
}

/// Changes of log det M over one step of size `rate`, draw by draw, with the first-order change
/// −2η⟨M⁻¹Θ, ∇⟩ of the same draw.
fn changes(setting: &Setting, noise: Noise, rate: f64) -> Vec<(f64, f64)> {
    let width = setting.w1.ncols();
    let spec = training(
        network(&[INPUTS, width, OUTPUTS], Activation::Linear, false),
        vec![noise],
        rate,
        1,
    );
    let plan = Arc::new(TrainingPlan::new(&spec).expect("sound"));
    let data = Arc::new(plan.fit_training(setting.data.clone()).expect("fits"));
    let mut trainer = Trainer::new(plan, data, 0, 0, Instructions::best());
    trainer.set_parameters(&setting.parameters);
    let before = log_det(&setting.parameters, width);
    let derivative = inverse_times_theta(setting);
    let one = |draw: u64| {
        let gradient = trainer.gradient_of_step(draw).expect("finite");
        let after: Vec<f64> = setting
            .parameters
            .iter()
            .zip(gradient)
            .map(|(w, g)| w - rate * g)
            .collect();
        let (g1, g2) = matrices(gradient, width);
        let g = theta_transpose(&g1, &g2);
        let mut first = 0.0;
        for h in 0..width {
            for i in 0..INPUTS + OUTPUTS {
                first -= 2.0 * rate * derivative[(i, h)] * g[(h, i)];
            }
        }
        (log_det(&after, width) - before, first)
    };
    (0..DRAWS).map(one).collect()
}

fn square(a: &Mat<f64>) -> f64 {
    a.norm_l2() * a.norm_l2()
}

fn trace(a: &Mat<f64>) -> f64 {
    (0..a.nrows()).map(|i| a[(i, i)]).sum()
}

/// Mean of the changes, which must be `expected` to `slack` relative; and no other of `wrong`.
fn check(name: &str, changes: &[f64], expected: f64, slack: f64, wrong: f64) {
    let (mean, error) = mean_and_error(changes);
    println!("{name}: {mean:+.4e} ± {error:.1e}, formula {expected:+.4e}");
    assert!(
        (mean - expected).abs() < 5.0 * error + slack * expected.abs(),
        "{name}"
    );
    assert!(
        (mean - wrong).abs() > 5.0 * error + slack * wrong.abs(),
        "{name} cannot fail"
    );
}

fn totals(changes: Vec<(f64, f64)>) -> Vec<f64> {
    changes.into_iter().map(|(total, _)| total).collect()
}

/// Noise that acts from the left: E = −2η² E|G|², for every width from p + k.
#[test]
fn noise_from_the_left_lowers_log_det_at_any_width() {
    let rate = 0.01;
    for width in [5, 6, 9] {
        let setting = setting(width);
        let (n, k) = (12.0, OUTPUTS as f64);
        let gradient = square(&setting.a);
        let delta = 3.0;
        let label = gradient + delta * k * trace(&setting.s) / n;
        for distribution in [LabelNoise::Gaussian, LabelNoise::Rademacher] {
            let noise = Noise::LabelNoise {
                variance: delta,
                distribution,
            };
            let changes = totals(changes(&setting, noise, rate));
            let formula = -2.0 * rate * rate * label;
            check(
                "label noise",
                &changes,
                formula,
                0.01,
                -2.0 * rate * rate * gradient,
            );
        }
        // One row's gradient x rᵀ has square |x|²|r|².
        let row = |m: &Mat<f64>, i: usize| -> f64 { m.row(i).iter().map(|v| v * v).sum() };
        let single: f64 = (0..12)
            .map(|i| row(&setting.x, i) * row(&setting.residuals, i))
            .sum::<f64>()
            / n;
        let noise = Noise::MiniBatch {
            batch_size: 4,
            sampling: Sampling::WithReplacement,
        };
        let formula = -2.0 * rate * rate * (gradient + (single - gradient) / 4.0);
        let batches = totals(changes(&setting, noise, rate));
        check(
            "mini-batches",
            &batches,
            formula,
            0.01,
            -2.0 * rate * rate * gradient,
        );
        let v = 0.2;
        let map = product(&setting.w1, &setting.w2);
        let rho = square(&setting.residuals) / n;
        let cross: f64 = (0..OUTPUTS)
            .flat_map(|b| (0..INPUTS).map(move |a| (a, b)))
            .map(|i| map[i] * setting.a[i])
            .sum();
        let mean = square(&(&setting.a - &map * faer::Scale(v)));
        let p = INPUTS as f64;
        let covariance = v * trace(&setting.s) * square(&map) + v * p * rho - 2.0 * v * cross
            + v * v * (p + 1.0) * square(&map);
        let formula = -2.0 * rate * rate * (mean + covariance / n);
        let changes = totals(changes(&setting, Noise::InputNoise { variance: v }, rate));
        check(
            "input noise",
            &changes,
            formula,
            0.01,
            -2.0 * rate * rate * mean,
        );
    }
}

/// Isotropic gradient noise: E = −2η²|A|² + 2Tη(l − d − 1) tr M⁻¹: down at l = d, nothing at d + 1,
/// up beyond.
#[test]
fn isotropic_noise_lowers_or_raises_log_det_by_width() {
    let (rate, temperature) = (1e-3, 0.02);
    let mut signs = Vec::new();
    for width in [5, 6, 7, 10] {
        let setting = setting(width);
        let svd = thin_svd(&theta_transpose(&setting.w1, &setting.w2));
        let inverse: f64 = svd.sigma.iter().map(|s| 1.0 / (s * s)).sum();
        let excess = width as f64 - 6.0;
        let noise_part = 2.0 * temperature * rate * excess * inverse;
        let descent = -2.0 * rate * rate * square(&setting.a);
        // The first-order change of the noise has mean zero; that of the descent is zero too.
        let noise = Noise::GradientNoise { temperature };
        let changes = changes(&setting, noise, rate);
        let rest: Vec<f64> = changes.iter().map(|(total, first)| total - first).collect();
        let (mean, error) = mean_and_error(&rest);
        let expected = noise_part + descent;
        println!("l = {width}: {mean:+.3e} ± {error:.0e}, formula {expected:+.3e}");
        // The next order, measured by the terms it multiplies: (2Tη tr M⁻¹)².
        let next = (2.0 * temperature * rate * inverse).powi(2);
        assert!(
            (mean - expected).abs() < 5.0 * error + 30.0 * next,
            "l = {width}"
        );
        signs.push(((mean - descent) / (5.0 * error)).clamp(-1.0, 1.0));
    }
    assert!(signs[0] == -1.0 && signs[1].abs() < 1.0 && signs[2] == 1.0 && signs[3] == 1.0);
}

/// Weight noise: E = −4ηv k tr S to first order, at any width, beside the descent's −2η²|A|².
#[test]
fn weight_noise_lowers_log_det_at_first_order() {
    let (rate, v) = (1e-3, 0.03);
    for width in [5, 8] {
        let setting = setting(width);
        let descent = -2.0 * rate * rate * square(&setting.a);
        let formula = -4.0 * rate * v * OUTPUTS as f64 * trace(&setting.s) + descent;
        let changes = totals(changes(&setting, Noise::WeightNoise { variance: v }, rate));
        check("weight noise", &changes, formula, 0.015, 0.5 * formula);
    }
}

/// Dropout: E = −2ηc Σ_h θₕᵀ M⁻¹ diag(bₕS, aₕI) θₕ to first order, beside the descent's −2η²|A|².
#[test]
fn dropout_changes_log_det_at_first_order() {
    let (rate, q) = (1e-3, 0.2);
    for width in [5, 8] {
        let setting = setting(width);
        let derivative = inverse_times_theta(&setting);
        let sw = product(&setting.s, &setting.w1);
        let mut sum = 0.0;
        for h in 0..width {
            let out: f64 = (0..OUTPUTS).map(|b| setting.w2[(h, b)].powi(2)).sum();
            let into: f64 = (0..INPUTS).map(|i| setting.w1[(i, h)] * sw[(i, h)]).sum();
            sum += (0..INPUTS)
                .map(|i| derivative[(i, h)] * out * sw[(i, h)])
                .sum::<f64>();
            sum += (0..OUTPUTS)
                .map(|b| derivative[(INPUTS + b, h)] * into * setting.w2[(h, b)])
                .sum::<f64>();
        }
        let descent = -2.0 * rate * rate * square(&setting.a);
        let formula = -2.0 * rate * q / (1.0 - q) * sum + descent;
        let changes = totals(changes(&setting, Noise::Dropout { probability: q }, rate));
        check("dropout", &changes, formula, 0.015, 0.5 * formula);
    }
}

/// Weight decay lowers log det by 2d ln(1 − ηλ) per step beside what the descent does; momentum μ
/// with label noise lowers it at the rate of steps of size η/(1 − μ).
#[test]
fn weight_decay_and_momentum_change_the_rate() {
    let run = |momentum: f64, weight_decay: f64, rate: f64, steps: u64, noise: Vec<Noise>| {
        let network = network(&[INPUTS, 6, OUTPUTS], Activation::Linear, false);
        let mut training = training(network, noise, rate, steps);
        training.optimizer.momentum = momentum;
        training.optimizer.weight_decay = weight_decay;
        let source = support::shared(regression(12, INPUTS, OUTPUTS));
        let spec = support::ensemble(training, 128, 2);
        let outcome = spec
            .run(&source, 2, None, &Unattended, Instructions::best())
            .expect("a sound run");
        // The second half, when the descent has settled.
        let (middle, end) = (
            values(&outcome, 1, "log_det_stack", 1),
            values(&outcome, 2, "log_det_stack", 1),
        );
        let changes: Vec<f64> = end.iter().zip(&middle).map(|(e, m)| e - m).collect();
        mean_and_error(&changes)
    };
    let settle = 4000;
    let (change, _) = run(0.0, 1e-3, 0.01, settle, vec![]);
    let decay = 2.0 * 5.0 * f64::ln_1p(-0.01 * 1e-3) * settle as f64 / 2.0;
    println!("weight decay: {change:.5} against {decay:.5} by decay alone");
    assert!((change - decay).abs() < 1e-3 * decay.abs());
    let s = trace(&setting(6).s);
    let delta = 0.05;
    let label_noise = || {
        vec![Noise::LabelNoise {
            variance: delta,
            distribution: LabelNoise::Gaussian,
        }]
    };
    let rate = 0.002;
    let per_step = |eta: f64| -2.0 * eta * eta * delta / 12.0 * OUTPUTS as f64 * s;
    let mut rates = Vec::new();
    for momentum in [0.0, 0.5, 0.8] {
        let (mean, error) = run(momentum, 0.0, rate, 2 * settle, label_noise());
        let expected = per_step(rate / (1.0 - momentum)) * settle as f64;
        println!("momentum {momentum}: {mean:.5} ± {error:.5}, formula {expected:.5}");
        assert!(
            (mean - expected).abs() < 5.0 * error + 0.05 * expected.abs(),
            "μ = {momentum}"
        );
        rates.push(mean);
    }
    assert!(rates[2] < 4.0 * rates[1] && rates[1] < 3.0 * rates[0]);
}

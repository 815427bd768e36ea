//! The determinant in one discrete step: on every path, and in expectation.

use std::sync::Arc;

use faer::Mat;
use rankfall_core::measure::rates::Estimate;
use rankfall_core::model::dynamics::{Dynamics, Integrator, Kind, Sampling};
use rankfall_core::model::network::Start;
use rankfall_core::model::problem::{Problem, Rows};
use rankfall_core::simd::lanes::{BLOCK, Lanes};
use rankfall_core::step::inspector::StepInspector;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, unmeasured};
use crate::linear::log_det_of_step;
use crate::one_step::{OneStep, estimate, log_abs_det_of};
use crate::scales::{horizon, negative_gradient, product_of};
use crate::setting::{Setting, problem_of_rows};
use crate::simulation::{NOISY_LABELS, dynamics, flow, on_batches, sgd};

/// Rows and batch of the small problem in which sampling with and without replacement differ much.
const SMALL: usize = 20;

pub const PATH: Claim = Claim {
    suite: Suite::Exact,
    id: "step-determinant",
    title: "One discrete step, on every path",
    statement: "In one step Θ ← (I + ηH(G)) Θ, whatever G, log det M changes by exactly \
                2 log|det(I − η² GᵀG)|: gradient descent, label-noise gradient descent, SGD with and \
                without label noise, Euler–Maruyama.",
    provenance: Provenance::Beyond,
    strength: Strength::ExactIdentity,
    alternative: "the layers are updated one after the other, which would leave log det M as it is",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(64)?;
            setting.full_rank().map(|()| 0)
        },
        measure: path,
    },
};

pub const LABEL_NOISE: Claim = Claim {
    suite: Suite::Exact,
    id: "step-determinant-label-noise",
    title: "One step of label-noise gradient descent, on average",
    statement: "From a fixed state, with σ² = δ/n, E Δ log det M = −2η²(‖A‖² + σ²k tr S) \
                − η⁴ E tr((GᵀG)²) + O(η⁶), E tr((GᵀG)²) = ‖AᵀA‖² + σ²[2 tr S ‖A‖² + 2(k+1) tr(AᵀSA)] \
                + σ⁴[k(k+1) tr S² + k (tr S)²].",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "the law of the flow alone, −2η²σ²k tr S",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(16)?;
            setting.noisy()?;
            setting.full_rank().map(|()| 1)
        },
        measure: label_noise,
    },
};

pub const MINI_BATCH: Claim = Claim {
    suite: Suite::Exact,
    id: "step-determinant-sgd",
    title: "One step of SGD with label noise, on average",
    statement: "For batches of one row, g = |x|²|y − W₂ᵀW₁ᵀx + ε|² averaged over rows and noise, \
                E Δ log det M = −2η² E g − η⁴ E g² − (2/3)η⁶ E g³ + O(η⁸), where \
                E g = ‖A‖² + tr Cov(A_B) + δk tr S.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "the law of the flow alone, −2η²δk tr S",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(16)?;
            setting.noisy()?;
            setting.rows()?;
            setting.full_rank().map(|()| 1)
        },
        measure: mini_batch,
    },
};

pub const SAMPLING: Claim = Claim {
    suite: Suite::Exact,
    id: "step-determinant-sampling",
    title: "Sampling with and without replacement",
    statement: "Without label noise, E Δ log det M = −2η²(‖A‖² + (f/b) V) + O(η⁴) with V the variance of \
                a row's gradient; f = 1 with replacement, f = (n − b)/(n − 1) without.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "each kind of sampling has the factor of the other",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(16)?;
            if setting.rows()?.count < 4 {
                return Err("it needs four rows at least".into());
            }
            setting.full_rank().map(|()| 2)
        },
        measure: sampling,
    },
};

/// Everything that steps, in this setting.
fn stepping(setting: &Setting) -> Vec<(&'static str, Dynamics)> {
    let (eta, delta) = (setting.step_size, setting.label_noise);
    let n = setting.problem.samples;
    let mut all = vec![
        (
            "gradient descent",
            dynamics(Kind::GradientDescent, eta, 0.0),
        ),
        (
            "label-noise gradient descent",
            dynamics(NOISY_LABELS, eta, delta * n as f64),
        ),
        (
            "Euler–Maruyama",
            flow(Integrator::EulerMaruyama, setting.noise_intensity(), eta),
        ),
    ];
    if setting.rows().is_ok() {
        let batch = setting.batch_size;
        let several = n.min(10);
        all.push((
            "SGD with label noise",
            dynamics(on_batches(batch, Sampling::WithReplacement), eta, delta),
        ));
        all.push((
            "SGD without label noise",
            dynamics(on_batches(several, Sampling::WithoutReplacement), eta, 0.0),
        ));
    }
    all
}

fn path(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let steps = bench.level.pick(20, 200, 5000);
    let mut comparisons = Vec::new();
    for (stream, (name, dynamics)) in stepping(setting).into_iter().enumerate() {
        let seen = follow(bench, &dynamics, stream as u32, steps)?;
        let what = format!(
            "largest error of the identity, {name}, {} steps",
            seen.steps
        );
        comparisons.push(
            Comparison::exact(what, 0.0, seen.worst, seen.rounding)
                .against_range([seen.largest, f64::INFINITY]),
        );
    }
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!("the identity holds to rounding in each of {steps} steps of 8 paths"),
    })
}

/// What was seen along some paths.
struct NoiseEffect {
    steps: u64,
    /// The largest error of the identity.
    worst: f64,
    /// What rounding may make of it.
    rounding: f64,
    /// The largest change of log det M in a step.
    largest: f64,
}

/// Rounding: d² operations per determinant on columns of condition below 12, twice; near a singular
/// I − GᵀG amplified by the norm of its inverse, at most (1 + |G|²)^k/|det|.
fn follow(
    bench: &Bench,
    dynamics: &Dynamics,
    stream: u32,
    steps: u64,
) -> Result<NoiseEffect, Stop> {
    let setting = bench.setting;
    let (seed, k) = (setting.seed, setting.outputs());
    let start = setting.start()?;
    let walk = StepInspector::new(dynamics, &setting.problem, &start, seed, stream, 0);
    let mut walk = walk.ok_or_else(|| unmeasured("gradient flow takes no steps"))?;
    let d = setting.rows_of_theta() as f64;
    let unit = 16.0 * d * d * f64::EPSILON;
    let mut scratch = Vec::new();
    let mut seen = NoiseEffect {
        steps,
        worst: 0.0,
        rounding: unit,
        largest: 0.0,
    };
    for _ in 0..steps {
        bench.check()?;
        let before: [f64; BLOCK] =
            std::array::from_fn(|lane| log_abs_det_of(walk.state(), lane, &mut scratch));
        walk.advance(1);
        for (lane, before) in before.into_iter().enumerate() {
            if walk.state().diverged(lane).is_some() {
                continue;
            }
            let g: Vec<f64> = walk.increment().iter().map(|x| x.0[lane]).collect();
            let square: f64 = g.iter().map(|x| x * x).sum();
            let predicted = log_det_of_step(&g, k);
            let change = 2.0 * (log_abs_det_of(walk.state(), lane, &mut scratch) - before);
            let amplified = (1.0 + square).powi(k as i32) / libm::exp(0.5 * predicted);
            seen.worst = seen.worst.max((change - predicted).abs());
            seen.rounding = seen.rounding.max(unit * amplified);
            seen.largest = seen.largest.max(predicted.abs());
        }
    }
    Ok(seen)
}

/// The mean of Δ log det M over one step.
fn mean_change(
    bench: &Bench,
    problem: &Arc<Problem>,
    start: &Start,
    dynamics: &Dynamics,
    stream: u32,
    trajectories: u64,
) -> Result<Estimate, Stop> {
    let draw = OneStep {
        problem,
        start,
        dynamics,
        seed: bench.setting.seed,
        stream,
        trajectories,
    };
    let initial = StepInspector::new(dynamics, problem, start, bench.setting.seed, stream, 0);
    let initial = initial.ok_or_else(|| unmeasured("gradient flow takes no steps"))?;
    let before = log_abs_det_of(initial.state(), 0, &mut Vec::new());
    let change = |walk: &StepInspector, out: &mut [Lanes<BLOCK>]| {
        let mut scratch = Vec::new();
        out[0] = Lanes(std::array::from_fn(|lane| {
            2.0 * (log_abs_det_of(walk.state(), lane, &mut scratch) - before)
        }));
    };
    estimate(&draw.group_means(bench, 1, &change)?, 0, 1.0)
}

/// A state on the way to interpolation, where the gradient is small and the weights are not.
fn trained(bench: &Bench) -> Result<Start, Stop> {
    let setting = bench.setting;
    let setup = setting.setup(setting.width, false);
    let weights = bench.after_gradient_flow(&setup, 0.5 * horizon(setting))?;
    Ok(Start::of(&weights, &setting.problem))
}

fn label_noise(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let start = trained(bench)?;
    let variance = setting.label_noise / setting.batch_size as f64;
    let moments = Moments::of_label_noise(problem, &negative_gradient(problem, &start), variance);
    let eta = (0.03 * moments.second / moments.sixth).powf(0.25);
    let descent = dynamics(NOISY_LABELS, eta, variance * problem.samples as f64);
    let trajectories = bench.trajectories(4096, 400_000, 20_000_000);
    let measured = mean_change(bench, problem, &start, &descent, 0, trajectories)?;
    let prediction = -2.0 * eta.powi(2) * moments.second - eta.powi(4) * moments.fourth;
    // As much again for all later terms.
    let margin = 2.0 * (2.0 / 3.0) * eta.powi(6) * moments.sixth;
    let flow = -2.0 * eta.powi(2) * variance * setting.collapse_rate();
    let what = format!("E Δ log det M in one step, η = {eta:.4}, σ² = {variance}");
    let comparison = Comparison::statistical(what, prediction, measured, margin).against(flow);
    Ok(Evidence {
        comparisons: vec![comparison],
        figure: None,
        sentence: format!(
            "{trajectories} steps from one state; the margin is twice the bound of the term of order η⁶"
        ),
    })
}

/// E‖G‖², E tr((GᵀG)²), and a bound of E tr((GᵀG)³).
pub struct Moments {
    pub second: f64,
    pub fourth: f64,
    pub sixth: f64,
}

impl Moments {
    /// G = A + σ S^{1/2} Z. The bound: tr((GᵀG)³) ≤ ‖G‖⁶, by Minkowski at most
    /// (‖A‖ + σ (E Q³)^{1/6})⁶ with Q = ‖S^{1/2}Z‖², E Q³ = t₁³ + 6 t₁t₂ + 8 t₃, tⱼ = k tr Sʲ.
    fn of_label_noise(problem: &Problem, a: &Mat<f64>, variance: f64) -> Self {
        let (s, k) = (&problem.eigenvalues, problem.outputs as f64);
        let trace = |power: i32| -> f64 { s.iter().map(|x| x.powi(power)).sum() };
        let norm: f64 = (0..s.len()).map(|i| row_square(a, i)).sum();
        let weighted: f64 = (0..s.len()).map(|i| s[i] * row_square(a, i)).sum();
        let mut quartic = 0.0;
        for b in 0..a.ncols() {
            for c in 0..a.ncols() {
                let entry: f64 = (0..a.nrows()).map(|i| a[(i, b)] * a[(i, c)]).sum();
                quartic += entry * entry;
            }
        }
        let (t1, t2, t3) = (k * trace(1), k * trace(2), k * trace(3));
        let cubic = t1.powi(3) + 6.0 * t1 * t2 + 8.0 * t3;
        Self {
            second: norm + variance * t1,
            fourth: quartic
                + variance * (2.0 * trace(1) * norm + 2.0 * (k + 1.0) * weighted)
                + variance.powi(2) * (k * (k + 1.0) * trace(2) + k * trace(1).powi(2)),
            sixth: (norm.sqrt() + variance.sqrt() * cubic.powf(1.0 / 6.0)).powi(6),
        }
    }

    /// Of g = |x|²|r + ε|² for a random row, ε ~ N(0, δ I_k): |r + ε|² is δ times a noncentral χ²
    /// with cumulants δk + |r|², 2δ²k + 4δ|r|², 8δ³k + 24δ²|r|².
    pub fn of_rows(rows: &Rows, inputs: usize, map: &Mat<f64>, delta: f64) -> Self {
        let k = map.ncols() as f64;
        let (mut second, mut fourth, mut sixth) = (0.0, 0.0, 0.0);
        for (x, r) in residuals(rows, inputs, map) {
            let mean = delta * k + r;
            let variance = 2.0 * delta * delta * k + 4.0 * delta * r;
            let third = 8.0 * delta.powi(3) * k + 24.0 * delta * delta * r;
            second += x * mean;
            fourth += x * x * (variance + mean * mean);
            sixth += x.powi(3) * (third + 3.0 * variance * mean + mean.powi(3));
        }
        let n = rows.count as f64;
        Self {
            second: second / n,
            fourth: fourth / n,
            sixth: sixth / n,
        }
    }
}

fn row_square(a: &Mat<f64>, row: usize) -> f64 {
    (0..a.ncols()).map(|b| a[(row, b)] * a[(row, b)]).sum()
}

/// |x|² and |y − mapᵀx|² of every row.
fn residuals(rows: &Rows, inputs: usize, map: &Mat<f64>) -> Vec<(f64, f64)> {
    let pairs = rows
        .x
        .chunks_exact(inputs)
        .zip(rows.y.chunks_exact(map.ncols()));
    pairs
        .map(|(x, y)| {
            let residual = |b: usize| {
                let fit: f64 = x.iter().zip(map.col_as_slice(b)).map(|(u, v)| u * v).sum();
                y[b] - fit
            };
            let square: f64 = (0..y.len()).map(|b| residual(b).powi(2)).sum();
            (x.iter().map(|u| u * u).sum(), square)
        })
        .collect()
}

fn mini_batch(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let rows = setting.rows().map_err(Stop::Unmeasured)?;
    let start = trained(bench)?;
    let map = product_of(&start, problem.inputs);
    let delta = setting.label_noise;
    let moments = Moments::of_rows(rows, problem.inputs, &map, delta);
    let eta = (0.03 * 0.6 * moments.second / moments.sixth).powf(0.25);
    let descent = sgd(eta, delta);
    let trajectories = bench.trajectories(8192, 16_000_000, 40_000_000);
    let measured = mean_change(bench, problem, &start, &descent, 1, trajectories)?;
    let last = (2.0 / 3.0) * eta.powi(6) * moments.sixth;
    let prediction = -2.0 * eta.powi(2) * moments.second - eta.powi(4) * moments.fourth - last;
    let flow = -2.0 * eta.powi(2) * delta * setting.collapse_rate();
    let what = format!("E Δ log det M in one step, b = 1, η = {eta:.4}");
    Ok(Evidence {
        comparisons: vec![Comparison::statistical(what, prediction, measured, last).against(flow)],
        figure: None,
        sentence: format!(
            "{trajectories} steps from one state; the margin is the term of order η⁶"
        ),
    })
}

/// The start's weights for a problem whose inputs are in the eigenbasis of the start's.
fn moved(start: &Start, problem: &Problem) -> Start {
    let p = problem.inputs;
    let (d, m) = (start.left.nrows(), start.left.ncols());
    let left = Mat::from_fn(d, m, |i, j| {
        if i < p {
            (0..p)
                .map(|a| problem.basis[(a, i)] * start.left[(a, j)])
                .sum()
        } else {
            start.left[(i, j)]
        }
    });
    Start {
        left,
        right: start.right.clone(),
    }
}

fn sampling(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let (p, k) = (setting.inputs(), setting.outputs());
    let rows = setting.rows().map_err(Stop::Unmeasured)?;
    let count = rows.count.min(SMALL);
    let few = Rows {
        x: rows.x[..count * p].to_vec(),
        y: rows.y[..count * k].to_vec(),
        count,
    };
    let (problem, own) = problem_of_rows(few, p, k)?;
    let start = moved(&setting.start()?, &problem);
    let map = product_of(&start, p);
    let moments = Moments::of_rows(&own, p, &map, 0.0);
    let a = negative_gradient(&problem, &start);
    let drift: f64 = (0..p).map(|i| row_square(&a, i)).sum();
    let (n, b) = (count as f64, (count / 2) as f64);
    let expected = |factor: f64| drift + factor / b * (moments.second - drift);
    let factors = [1.0, (n - b) / (n - 1.0)];
    // The mean of fourth powers is at least the fourth power of the mean over a batch, and likewise
    // for sixth powers: the rows' moments bound those of any batch.
    let eta = (0.02 * expected(factors[1]) / moments.fourth).sqrt();
    let left_out = eta.powi(4) * moments.fourth + (2.0 / 3.0) * eta.powi(6) * moments.sixth * 2.0;
    let mut comparisons = Vec::new();
    for (place, (kind, name)) in [
        (Sampling::WithReplacement, "with"),
        (Sampling::WithoutReplacement, "without"),
    ]
    .into_iter()
    .enumerate()
    {
        let descent = dynamics(on_batches(b as u64, kind), eta, 0.0);
        let trajectories = bench.trajectories(4096, 800_000, 4_000_000);
        let measured = mean_change(
            bench,
            &problem,
            &start,
            &descent,
            2 + place as u32,
            trajectories,
        )?;
        let prediction = -2.0 * eta * eta * expected(factors[place]);
        let other = -2.0 * eta * eta * expected(factors[1 - place]);
        let what = format!("E Δ log det M, {count} rows, batches of {b} {name} replacement");
        comparisons
            .push(Comparison::statistical(what, prediction, measured, left_out).against(other));
    }
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: "the margin is a bound of the terms of order η⁴ and above".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row x = (1, 2), y = 3, map 0, δ = 0: g = 5 · 9.
    #[test]
    fn moments_of_rows_by_hand() {
        let rows = Rows {
            x: vec![1.0, 2.0],
            y: vec![3.0],
            count: 1,
        };
        let moments = Moments::of_rows(&rows, 2, &Mat::zeros(2, 1), 0.0);
        assert_eq!(
            (moments.second, moments.fourth, moments.sixth),
            (45.0, 2025.0, 91125.0)
        );
        // Without residual and with δ = 1, |ε|² is χ² on one degree: 1, 3, 15.
        let quiet = Rows {
            y: vec![0.0],
            ..rows
        };
        let moments = Moments::of_rows(&quiet, 2, &Mat::zeros(2, 1), 1.0);
        assert_eq!(
            (moments.second, moments.fourth, moments.sixth),
            (5.0, 75.0, 1875.0)
        );
    }
}

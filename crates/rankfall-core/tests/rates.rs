//! Measured decay rates of the stochastic gradient flow against their closed form.

#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/setups.rs"]
mod setups;

use std::sync::Arc;

use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::measure::layout::Layout;
use rankfall_core::measure::rates::{Estimate, RateSave, measure};
use rankfall_core::model::dynamics::{Dynamics, ForceScales, Integrator, Kind};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::Setup;
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::theory::{decay_rates, surviving_singular_values};

const NU: f64 = 0.01;
/// νt at the first and at the last save.
const NOISE_TIMES: [f64; 2] = [10.0, 40.0];
const TIME_STEP: f64 = 0.02;

/// 0.99999: about 1.7·10⁻⁴ false alarms over all the rates that are compared.
const CONFIDENCE: f64 = 0.99999;

fn problem(inputs: usize, outputs: usize, samples: u64) -> Arc<Problem> {
    let covariance = Covariance::PowerLaw(1.0);
    let teacher = Teacher::SingularValues(vec![2.0, 1.2][..inputs.min(outputs)].to_vec());
    let recipe = Synthetic {
        samples,
        inputs,
        outputs,
        covariance,
        teacher,
        residual_noise: 0.0,
    };
    setups::problem(&recipe, 5)
}

/// Over ν.
struct Measured {
    rates: Vec<Estimate>,
    sum: Estimate,
}

/// Rates of Θ and of W₁, from sixteen trajectories with a start each.
fn run(problem: &Arc<Problem>, nu: f64, integrator: Integrator) -> [Measured; 2] {
    let (p, k) = (problem.inputs, problem.outputs);
    let setup = Setup {
        each_start: true,
        ..setups::setup(problem.clone(), setups::gaussian(0.7), p + k, 5)
    };
    let kind = Kind::StochasticGradientFlow {
        integrator,
        time_step: TIME_STEP,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    };
    let [early, late] = NOISE_TIMES.map(|s| (s / nu / TIME_STEP).round() as u64);
    let dynamics = Dynamics {
        kind,
        step_size: nu / 2.0,
        label_noise: 2.0,
        optimizer: Optimizer::default(),
        classes: None,
    };
    let spec = EnsembleSpec {
        stream: (1.0 / nu) as u32,
        time_unit: TIME_STEP,
        ..ensembles::spec(dynamics, 16, &[0, early, late])
    };
    let outcome = ensembles::run(&spec, &setup, 2, Instructions::best());
    let totals = outcome.statistics.totals();
    let save = |index: usize| RateSave {
        index,
        time: spec.save_steps[index] as f64 * TIME_STEP,
    };
    let layout = Layout::new(p, k, p + k, true);
    ["theta", "w1"].map(|matrix| {
        let kept = totals.trajectories().expect("kept");
        let measured = measure(&layout, kept, matrix, save(1), save(2)).expect("rates");
        let rates = measured.rates.iter().map(|r| r.scaled(1.0 / nu)).collect();
        Measured {
            rates,
            sum: measured.sum.scaled(1.0 / nu),
        }
    })
}

/// Rates over ν, the part linear in ν taken off: 2 r(ν) − r(2ν), and how far that may be from the
/// limit besides its statistical error.
struct Limit {
    rate: Estimate,
    allowance: f64,
}

/// With r(ν) = r(0) + aν + bν² the combination leaves −2bν²; corrections that are a share x = aν/r
/// at first order are about x² at second, so 2bν² ≈ 2(aν)²/r. Two singular values whose rates
/// differ by g ν part like exp(−2g νt): at most that much of log σ is still to come after the
/// first save.
fn limits(single: &[Estimate], double: &[Estimate], closed: &[f64]) -> Vec<Limit> {
    let span = NOISE_TIMES[1] - NOISE_TIMES[0];
    let parting = |i: usize, j: Option<usize>| {
        let gap = j.and_then(|j| closed.get(j)).map(|c| (c - closed[i]).abs());
        // Equal rates that survive do not part; none of the others here are equal.
        gap.filter(|&g| g > 0.0)
            .map_or(0.0, |g| (-2.0 * g * NOISE_TIMES[0]).exp() / span)
    };
    (0..single.len())
        .map(|i| {
            let rate = Estimate::combination(&[(2.0, single[i]), (-1.0, double[i])]);
            let linear = double[i].value - single[i].value;
            let curvature = 2.0 * linear * linear / single[i].value.abs().max(0.1);
            let allowance = curvature + parting(i, i.checked_sub(1)) + parting(i, Some(i + 1));
            Limit { rate, allowance }
        })
        .collect()
}

fn agrees(limits: &[Limit], closed: &[f64]) -> bool {
    limits.iter().zip(closed).all(|(limit, &truth)| {
        (limit.rate.value - truth).abs() <= limit.rate.half_width(CONFIDENCE) + limit.allowance
    })
}

fn show(limits: &[Limit]) -> Vec<String> {
    let text = |l: &Limit| {
        let statistical = l.rate.half_width(CONFIDENCE);
        format!(
            "{:.4} ± {statistical:.4} ± {:.4}",
            l.rate.value, l.allowance
        )
    };
    limits.iter().map(text).collect()
}

fn law(problem: &Problem) -> f64 {
    -(problem.outputs as f64) * problem.trace()
}

/// Tall, wide, and singular S_xx: Θ has the rates of the closed form, W₁ the p largest of them,
/// and their sum is the determinant law to rounding.
#[test]
fn measured_rates_are_those_of_the_closed_form() {
    for (p, k, samples) in [(3, 2, 200), (2, 3, 200), (3, 2, 2)] {
        let problem = problem(p, k, samples);
        let closed = decay_rates(&problem.eigenvalues, &problem.optimum, 1.0).expect("full rank");
        let single = run(&problem, NU, Integrator::LieEuler);
        let double = run(&problem, 2.0 * NU, Integrator::LieEuler);
        for (a, b) in single.iter().zip(&double) {
            let limits = limits(&a.rates, &b.rates, &closed);
            // The margin is worth its name only where it is far below the rates.
            let widest = limits
                .iter()
                .map(|l| l.rate.half_width(CONFIDENCE) + l.allowance);
            assert!(
                widest.fold(0.0, f64::max) < 0.1,
                "{p} {k}: {:?}",
                show(&limits)
            );
            assert!(
                agrees(&limits, &closed),
                "{p} {k}: {:?} {closed:.4?}",
                show(&limits)
            );
        }
        let survivors = surviving_singular_values(&problem.eigenvalues, &problem.optimum);
        assert_eq!(
            survivors.ok(),
            Some(closed.iter().filter(|&&c| c == 0.0).count())
        );
        for theta in [&single[0], &double[0]] {
            let error = theta.sum.value / law(&problem) - 1.0;
            assert!(
                error.abs() < 1e-9 && theta.sum.standard_error < 1e-9,
                "{error:e}"
            );
        }
    }
}

/// The margins of the test above refuse what is wrong: the formula of p ≤ k, rates without the
/// alignment of S with β, those of isotropic inputs, and half the rates. The middle two have the
/// right sum.
#[test]
fn wrong_closed_forms_are_rejected() {
    let problem = problem(3, 2, 200);
    let closed = decay_rates(&problem.eigenvalues, &problem.optimum, 1.0).expect("full rank");
    let single = run(&problem, NU, Integrator::LieEuler);
    let double = run(&problem, 2.0 * NU, Integrator::LieEuler);
    let limits = limits(&single[0].rates, &double[0].rates, &closed);
    assert!(agrees(&limits, &closed));
    let (s, trace) = (&problem.eigenvalues, problem.trace());
    let swapped: Vec<f64> = [0.0; 2]
        .into_iter()
        .chain(s.iter().rev().map(|s| -0.5 * (trace + 2.0 * s)))
        .collect();
    // ŨŨᵀ replaced by the projector on the two leading directions of S.
    let unaligned = [
        0.0,
        0.0,
        -s[2],
        -0.5 * (trace + 2.0 * s[1]),
        -0.5 * (trace + 2.0 * s[0]),
    ];
    let isotropic = [
        0.0,
        0.0,
        -trace / 3.0,
        -trace * 5.0 / 6.0,
        -trace * 5.0 / 6.0,
    ];
    let halved: Vec<f64> = closed.iter().map(|c| 0.5 * c).collect();
    for wrong in [&swapped[..], &unaligned, &isotropic, &halved] {
        assert!(!agrees(&limits, wrong), "{wrong:.4?} {:?}", show(&limits));
    }
}

/// Euler–Maruyama misses the sum by a share of order h, far more than the error of the
/// measurement: the identity above can fail. To first order in ν the Lie–Euler rates are those of
/// its damping, whatever the noise; here it is the noise itself that gives the sum, within hλ.
#[test]
fn euler_maruyama_does_not_have_the_sum() {
    let problem = problem(3, 2, 200);
    let [theta, _] = run(&problem, NU, Integrator::EulerMaruyama);
    let excess = theta.sum.value / law(&problem) - 1.0;
    assert!(
        (1e-3..0.1).contains(&excess) && !theta.sum.holds(law(&problem), CONFIDENCE),
        "{excess:e}"
    );
}

//! Forces along a run, and runs with a force scaled.

#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/setups.rs"]
mod setups;

use std::sync::Arc;

use rankfall_core::ensemble::{EnsembleSpec, Outcome};
use rankfall_core::model::dynamics::{Dynamics, ForceScales, ForceSplit, Integrator, Kind};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::Setup;
use rankfall_core::model::synthetic::{Covariance, Synthetic};
use rankfall_core::simd::instructions::Instructions;

fn setup(inputs: usize, outputs: usize, width: usize) -> (Setup, Arc<Problem>) {
    let synthetic = Synthetic {
        inputs,
        outputs,
        covariance: Covariance::PowerLaw(0.5),
        ..setups::recipe()
    };
    let problem = setups::problem(&synthetic, 4);
    let setup = setups::setup(problem.clone(), setups::gaussian(0.7), width, 5);
    (setup, problem)
}

/// η = 0.1.
fn of_kind(kind: Kind, label_noise: f64) -> Dynamics {
    Dynamics {
        kind,
        step_size: 0.1,
        label_noise,
        optimizer: Optimizer::default(),
        classes: None,
    }
}

/// ν = 0.1 to t = `time`, with steps of 2^−`octave`, on one Brownian path whatever the step.
struct Run {
    octave: u32,
    time: f64,
    trajectories: u64,
    integrator: Integrator,
    forces: ForceScales,
    stride: Option<u64>,
}

const FINEST: u32 = 10;

impl Run {
    fn outcome(&self, setup: &Setup) -> Outcome {
        let h = 0.5_f64.powi(self.octave as i32);
        let steps = (self.time / h).round() as u64;
        let kind = Kind::StochasticGradientFlow {
            integrator: self.integrator,
            time_step: h,
            batch_size: 1,
            forces: self.forces,
            brownian_substeps: 1 << (FINEST - self.octave),
        };
        let saves = [0, steps / 2, steps];
        let spec = EnsembleSpec {
            time_unit: h,
            force_balance: self.stride,
            ..ensembles::spec(of_kind(kind, 1.0), self.trajectories, &saves)
        };
        ensembles::run(&spec, setup, 2, Instructions::best())
    }
}

impl Default for Run {
    fn default() -> Self {
        Self {
            octave: 8,
            time: 2.0,
            trajectories: 24,
            integrator: Integrator::LieEuler,
            forces: ForceScales::default(),
            stride: Some(1),
        }
    }
}

/// The last values of an observable, trajectory by trajectory, all indices.
fn last(outcome: &Outcome, name: &str) -> Vec<Vec<f64>> {
    let per_save = outcome.layout.observables.len();
    let places: Vec<usize> = (0..per_save)
        .filter(|&place| outcome.layout.observables[place].name == name)
        .collect();
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    kept.iter()
        .map(|(_, cells)| places.iter().map(|p| cells[2 * per_save + p]).collect())
        .collect()
}

fn root_mean_square(values: &[Vec<f64>]) -> f64 {
    let all: Vec<f64> = values.iter().flatten().copied().collect();
    (all.iter().map(|x| x * x).sum::<f64>() / all.len() as f64).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const FORCES: [&str; 4] = [
    "contribution_gradient",
    "contribution_own_noise",
    "contribution_common_growth",
    "contribution_repulsion",
];

/// The same of the antisymmetric split.
const ANTISYMMETRIC: [&str; 4] = [
    "contribution_gradient",
    "contribution_own_noise",
    "contribution_common_decay",
    "contribution_repulsion",
];

fn of_split(split: ForceSplit) -> ForceScales {
    ForceScales {
        split,
        ..ForceScales::default()
    }
}

/// All forces on all eigenvalues together are the determinant law, and the noises cancel.
#[test]
fn contributions_add_up_to_the_determinant_law() {
    let splits = [
        (ForceSplit::Regular, FORCES),
        (ForceSplit::Antisymmetric, ANTISYMMETRIC),
    ];
    for ((inputs, outputs), (split, names)) in [(3, 2), (2, 4)]
        .into_iter()
        .flat_map(|shape| splits.map(|split| (shape, split)))
    {
        let (setup, problem) = setup(inputs, outputs, 9);
        let outcome = Run {
            forces: of_split(split),
            ..Run::default()
        }
        .outcome(&setup);
        let law = -2.0 * 0.1 * outputs as f64 * problem.trace() * 2.0;
        let forces = names.map(|name| last(&outcome, name));
        let martingale = last(&outcome, "contribution_martingale");
        for trajectory in 0..24 {
            let sum: f64 = forces.iter().flat_map(|f| &f[trajectory]).sum();
            assert!((sum - law).abs() < 1e-10 * law.abs(), "{sum} {law}");
            let noise: f64 = martingale[trajectory].iter().sum();
            assert!(noise.abs() < 1e-11, "{noise}");
            if split == ForceSplit::Antisymmetric {
                let repulsion: f64 = forces[3][trajectory].iter().sum();
                let size: f64 = forces[3][trajectory].iter().map(|x| x.abs()).sum();
                assert!(repulsion.abs() < 1e-12 * size, "{repulsion}");
            }
        }
        let pairs = last(&outcome, "contribution_repulsion_pair");
        let m = inputs + outputs;
        for (pairs, repulsion) in pairs.iter().zip(&forces[3]) {
            for i in 0..m {
                let sum: f64 = pairs[i * m..(i + 1) * m].iter().sum();
                assert!((sum - repulsion[i]).abs() < 1e-10 * repulsion[i].abs().max(1.0));
            }
        }
    }
}

/// One flow in two splits: the same paths to the bit, decay is growth with its sign turned, and
/// repulsion makes up for it, with Θ of full rank and with more rows than columns.
#[test]
fn splits_tell_one_drift_in_two_ways() {
    for width in [6, 3] {
        let (setup, _) = setup(3, 2, width);
        let [regular, antisymmetric] =
            [ForceSplit::Regular, ForceSplit::Antisymmetric].map(|split| {
                Run {
                    forces: of_split(split),
                    ..Run::default()
                }
                .outcome(&setup)
            });
        for name in [
            "log_singular_value_theta",
            "contribution_gradient",
            "contribution_own_noise",
            "contribution_martingale",
        ] {
            assert_eq!(last(&regular, name), last(&antisymmetric, name), "{name}");
        }
        let growth = last(&regular, "contribution_common_growth");
        let decay = last(&antisymmetric, "contribution_common_decay");
        let [one, other] = [&regular, &antisymmetric].map(|o| last(o, "contribution_repulsion"));
        for path in 0..24 {
            for i in 0..growth[path].len() {
                let (growth, decay) = (growth[path][i], decay[path][i]);
                assert_eq!(growth, -decay);
                let (one, other) = (one[path][i], other[path][i]);
                let scale = one.abs() + growth.abs();
                assert!(
                    (one + 2.0 * growth - other).abs() < 1e-11 * scale,
                    "{one} {other}"
                );
            }
        }
    }
}

/// Without the antisymmetric repulsion, or with half or twice of it, or of the gradient, log det M
/// falls as the law says on every path, to rounding; without the regular repulsion, or without the
/// decay, it does not.
#[test]
fn forces_that_sum_to_zero_leave_the_determinant_law() {
    let (setup, problem) = setup(3, 2, 6);
    let law = -2.0 * 0.1 * 2.0 * problem.trace() * 2.0;
    let miss = |forces: ForceScales| {
        let run = Run {
            forces,
            stride: None,
            ..Run::default()
        };
        let change = last(&run.outcome(&setup), "log_singular_value_theta");
        let start = Run {
            time: 0.0,
            ..Run::default()
        };
        let start = last(&start.outcome(&setup), "log_singular_value_theta");
        let sum = |logs: &[f64]| 2.0 * logs.iter().sum::<f64>();
        let misses = change.iter().zip(&start);
        let misses = misses.map(|(end, start)| (sum(end) - sum(start) - law).abs());
        misses.fold(0.0_f64, f64::max)
    };
    let antisymmetric = |repulsion, gradient, common| ForceScales {
        split: ForceSplit::Antisymmetric,
        repulsion,
        gradient,
        common,
        ..ForceScales::default()
    };
    for forces in [(0.0, 1.0), (0.5, 1.0), (2.0, 1.0), (1.0, 0.5), (0.0, 0.0)] {
        let forces = antisymmetric(forces.0, forces.1, 1.0);
        assert!(forces.keep_the_determinant_law());
        let miss = miss(forces);
        assert!(miss < 1e-10, "{forces:?} {miss}");
    }
    let regular = ForceScales {
        repulsion: 0.0,
        ..ForceScales::default()
    };
    for forces in [regular, antisymmetric(1.0, 1.0, 0.5)] {
        assert!(!forces.keep_the_determinant_law());
        let miss = miss(forces);
        assert!(miss > 0.1, "{forces:?} {miss}");
    }
}

/// Where eigenvalues meet, reflections account for what no force does: they are a property of the
/// process, not of the steps (means over 512 paths at h = 2⁻⁸ and 2⁻¹⁰ within 5 % of their size and
/// four standard errors), the residual beside them is small, and with all forces there are none.
#[test]
fn reflections_are_told_from_the_residual() {
    let (setup, _) = setup(3, 2, 6);
    let run = |octave, split| {
        Run {
            octave,
            trajectories: 512,
            time: 4.0,
            forces: ForceScales {
                split,
                repulsion: 0.0,
                ..ForceScales::default()
            },
            ..Run::default()
        }
        .outcome(&setup)
    };
    let mean: Statistic = |v| v.iter().sum::<f64>() / v.len() as f64;
    for split in [ForceSplit::Regular, ForceSplit::Antisymmetric] {
        let (coarse, fine) = (run(8, split), run(10, split));
        let of = |outcome: &Outcome, name: &str, i: usize| -> Vec<f64> {
            last(outcome, name).iter().map(|v| v[i]).collect()
        };
        let largest = (0..5)
            .map(|i| mean(&of(&fine, "contribution_reflection", i)).abs())
            .fold(0.0_f64, f64::max);
        println!("{split:?}: largest {largest:.2}");
        let mut wrong = Vec::new();
        for i in 0..5 {
            let [x, y] = [&coarse, &fine].map(|o| of(o, "contribution_reflection", i));
            let (change, error) = difference(&x, &y, mean);
            let residual = mean(&of(&fine, "contribution_residual", i));
            println!(
                "log λ{}: reflection {:+.3}, from 2^-8 to 2^-10 {change:+.3} ± {error:.3}; residual {residual:+.3}",
                i + 1,
                mean(&y)
            );
            let of_the_process = change.abs() < 0.05 * largest + 4.0 * error;
            if !of_the_process || residual.abs() > 0.05 * largest {
                wrong.push(i + 1);
            }
        }
        assert!(largest > 0.5, "{largest}");
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    let outcome = Run::default().outcome(&setup);
    assert!(
        outcome
            .layout
            .position("contribution_reflection", 1)
            .is_none()
    );
}

/// Contributions, noise and residual are the change of log λ; the residual is that of a scheme of
/// strong order 1/2: on one Brownian path it halves where the step falls to a quarter. Medians, as
/// the few paths on which eigenvalues nearly meet rule a mean square; that of log(fine/coarse) is
/// known to 1.25 · 1.5/√256 = 0.12 or better, so that 0.6 allows five standard errors around log 2.
#[test]
fn the_residual_is_an_error_of_the_grid() {
    let (setup, _) = setup(3, 2, 6);
    let residual = |octave| {
        let run = Run {
            octave,
            trajectories: 256,
            ..Run::default()
        };
        let all = last(&run.outcome(&setup), "contribution_residual");
        median(all.into_iter().flatten().map(f64::abs).collect())
    };
    let (coarse, fine) = (residual(6), residual(8));
    let gain = (coarse / fine).ln();
    println!("residual {coarse:.4} at 2^-6, {fine:.4} at 2^-8, log of the ratio {gain:.3}");
    assert!((gain - f64::ln(2.0)).abs() < 0.6, "{coarse} {fine}");
}

/// The stated quadrature error is that of the trapezoidal sums: of strides 8 and 1 along one path.
#[test]
fn the_quadrature_error_is_stated_honestly() {
    let (setup, _) = setup(3, 2, 6);
    let with = |stride| {
        Run {
            octave: 10,
            stride: Some(stride),
            ..Run::default()
        }
        .outcome(&setup)
    };
    let (coarse, fine) = (with(16), with(1));
    let drift = |outcome: &Outcome, t: usize, i: usize| -> f64 {
        FORCES.iter().map(|name| last(outcome, name)[t][i]).sum()
    };
    let errors = last(&coarse, "contribution_quadrature_error");
    let mut ratios = Vec::new();
    for (t, errors) in errors.iter().enumerate() {
        for (i, error) in errors.iter().enumerate() {
            ratios.push(vec![(drift(&coarse, t, i) - drift(&fine, t, i)) / error]);
        }
    }
    // Standard normal if the estimate were exact; smooth parts make it smaller.
    let size = root_mean_square(&ratios);
    println!("difference over stated error: {size:.2}");
    assert!((0.3..1.5).contains(&size), "{size}");
}

/// Looking at the forces changes no path.
#[test]
fn a_force_balance_changes_nothing_else() {
    let (setup, _) = setup(3, 2, 6);
    let with = |stride| {
        let run = Run {
            stride,
            ..Run::default()
        };
        last(&run.outcome(&setup), "log_singular_value_theta")
    };
    assert_eq!(with(None), with(Some(7)));
}

/// Scaling the gradient of a run without noise is scaling its time.
#[test]
fn a_gradient_scaled_is_a_time_scaled() {
    let (setup, _) = setup(3, 2, 6);
    let end = |gradient: f64, time: f64| {
        let kind = Kind::StochasticGradientFlow {
            integrator: Integrator::LieEuler,
            time_step: 1.0 / 4096.0,
            batch_size: 1,
            forces: ForceScales {
                gradient,
                ..ForceScales::default()
            },
            brownian_substeps: 1,
        };
        let saves = [0, 0, (time * 4096.0) as u64];
        let spec = EnsembleSpec {
            time_unit: 1.0 / 4096.0,
            ..ensembles::spec(of_kind(kind, 0.0), 1, &saves)
        };
        let outcome = ensembles::run_alone(&spec, &setup);
        last(&outcome, "log_singular_value_theta")[0].clone()
    };
    // The gradient's own drift moves eigenvectors as ever, only singular values are slowed: equal
    // at first order in time.
    let (slow, half) = (end(0.5, 1.0 / 64.0), end(1.0, 1.0 / 128.0));
    let start = end(1.0, 0.0);
    for ((a, b), c) in slow.iter().zip(&half).zip(&start) {
        let moved = (b - c).abs();
        assert!((a - b).abs() < 0.1 * moved + 1e-4, "{a} {b} {c}");
    }
}

/// Repulsion is what kills the small eigenvalues: with it the sum of log λ falls by 2νk tr S t, and
/// without it, it rises, since Σ_{i≠j} q_ij outweighs Σ q_ii.
#[test]
fn without_repulsion_small_eigenvalues_live() {
    let (setup, _) = setup(3, 2, 6);
    let smallest = |repulsion| {
        let run = Run {
            time: 8.0,
            stride: None,
            forces: ForceScales {
                repulsion,
                ..ForceScales::default()
            },
            ..Run::default()
        };
        let values = last(&run.outcome(&setup), "log_singular_value_theta");
        let all: Vec<f64> = values.iter().map(|v| v[4]).collect();
        (all.iter().sum::<f64>() / all.len() as f64, all)
    };
    let (with, _) = smallest(1.0);
    let (without, values) = smallest(0.0);
    println!(
        "mean log of the smallest singular value: {with:.2} with repulsion, {without:.2} without"
    );
    assert!(without > with + 1.0);
    assert!(values.iter().all(|v| *v > with));
}

/// Trajectories of `outcome` on which two neighbouring log λ came within `gap` of each other at a
/// save.
fn close_encounters(outcome: &Outcome, gap: f64) -> usize {
    let per_save = outcome.layout.observables.len();
    let first = outcome
        .layout
        .position("log_singular_value_theta", 1)
        .expect("measured");
    let count = outcome
        .layout
        .observables
        .iter()
        .filter(|o| o.name == "log_singular_value_theta")
        .count();
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    let meets = |cells: &[f64]| {
        cells.chunks_exact(per_save).skip(1).any(|save| {
            let logs = &save[first..first + count];
            logs.windows(2).any(|pair| 2.0 * (pair[0] - pair[1]) < gap)
        })
    };
    kept.iter().filter(|(_, cells)| meets(cells)).count()
}

/// Of the values of a group.
type Statistic = fn(&[f64]) -> f64;

/// A difference of means with its standard error, or of medians and deciles with one from groups.
fn difference(a: &[f64], b: &[f64], statistic: Statistic) -> (f64, f64) {
    let groups = 32;
    let size = a.len() / groups;
    let parts: Vec<f64> = a
        .chunks_exact(size)
        .zip(b.chunks_exact(size))
        .map(|(a, b)| statistic(a) - statistic(b))
        .collect();
    let mean = parts.iter().sum::<f64>() / groups as f64;
    let squares: f64 = parts.iter().map(|d| (d - mean).powi(2)).sum();
    (mean, (squares / (groups * (groups - 1)) as f64).sqrt())
}

fn quantile(values: &[f64], of_ten: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * of_ten / 10]
}

/// Without repulsion eigenvalues meet, and a path depends on how the steps meet them; the law of
/// log σ does not: means, medians and deciles at h and h/4 come together as h falls, h = 2⁻⁶ to
/// 2⁻¹⁰, over 4096 paths, on hundreds of which two eigenvalues meet at one of two looks (log λ
/// within 0.1). Differences of the finest pair lie below 0.03, three hundredths of what repulsion
/// does, plus four standard errors: 20 comparisons, false alarm below 10⁻³ together.
#[test]
fn counterfactuals_are_refined_in_distribution() {
    let (setup, _) = setup(3, 2, 6);
    let run = |octave, repulsion| {
        Run {
            octave,
            trajectories: 4096,
            stride: None,
            forces: ForceScales {
                repulsion,
                ..ForceScales::default()
            },
            ..Run::default()
        }
        .outcome(&setup)
    };
    let [coarse, middle, fine] = [6, 8, 10].map(|octave| run(octave, 0.0));
    let met = close_encounters(&fine, 0.1);
    let logs = [&coarse, &middle, &fine].map(|o| last(o, "log_singular_value_theta"));
    let with = last(&run(8, 1.0), "log_singular_value_theta");
    println!("{met} of 4096 paths have two log λ within 0.1 at a save");
    assert!(met > 400, "{met}");
    let of = |all: &[Vec<f64>], i: usize| all.iter().map(|v| v[i]).collect::<Vec<f64>>();
    let statistics: [(&str, Statistic); 4] = [
        ("mean", |v| v.iter().sum::<f64>() / v.len() as f64),
        ("1st decile", |v| quantile(v, 1)),
        ("median", |v| quantile(v, 5)),
        ("9th decile", |v| quantile(v, 9)),
    ];
    for i in 0..with[0].len() {
        let [coarse, middle, fine] = [0, 1, 2].map(|run| of(&logs[run], i));
        for (name, statistic) in statistics {
            let first = difference(&coarse, &middle, statistic);
            let second = difference(&middle, &fine, statistic);
            let effect = difference(&of(&with, i), &middle, statistic).0;
            println!(
                "log σ{} {name}: 2^-6 to 2^-8 {:+.4} ± {:.4}, 2^-8 to 2^-10 {:+.4} ± {:.4}; repulsion {effect:+.3}",
                i + 1,
                first.0,
                first.1,
                second.0,
                second.1
            );
            assert!(second.0.abs() < 0.03 + 4.0 * second.1, "{name} {second:?}");
        }
    }
}

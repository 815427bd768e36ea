//! Ensembles: the same bits however they are run, and the laws they must meet.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rankfall_core::ensemble::{
    Checkpoint, Control, EnsembleSpec, Outcome, RunError, Unattended, trajectories_per_block,
};
use rankfall_core::measure::account::AccountGrid;
use rankfall_core::model::classification::{ClassLoss, Classification, Flips};
use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, ForceSplit, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::{BLOCK, HALF_BLOCK};

fn recipe() -> Synthetic {
    Synthetic {
        samples: 100,
        inputs: 5,
        outputs: 2,
        covariance: Covariance::Identity,
        teacher: Teacher::Gaussian,
        residual_noise: 0.0,
    }
}

fn shared_setup(initialisation: Initialisation, width: usize) -> Setup {
    let draw = recipe().draw(1, 0, true).expect("draws");
    let problem = Problem::new(&draw.gram, draw.rows, Some(draw.truth)).expect("a problem");
    Setup {
        source: Source::Shared(Arc::new(problem)),
        initialisation,
        width,
        seed: 1,
        each_start: false,
    }
}

fn gaussian(scale: f64) -> Initialisation {
    Initialisation::Gaussian {
        scale,
        smallest_singular_value: None,
    }
}

fn flow(integrator: Integrator) -> Dynamics {
    Dynamics {
        kind: Kind::StochasticGradientFlow {
            integrator,
            time_step: 0.01,
            batch_size: 1,
            forces: ForceScales::default(),
            brownian_substeps: 1,
        },
        step_size: 0.01,
        label_noise: 2.0,
        optimizer: Optimizer::default(),
        classes: None,
    }
}

/// Lie–Euler steps with the repulsion scaled, and the other forces a little.
fn counterfactual(split: ForceSplit, repulsion: f64) -> Dynamics {
    let mut dynamics = flow(Integrator::LieEuler);
    if let Kind::StochasticGradientFlow {
        forces,
        brownian_substeps,
        ..
    } = &mut dynamics.kind
    {
        *forces = ForceScales {
            split,
            gradient: 0.9,
            own_noise: 1.3,
            common: 0.7,
            repulsion,
        };
        *brownian_substeps = 3;
    }
    dynamics
}

fn sgd(sampling: Sampling, distribution: LabelNoise) -> Dynamics {
    Dynamics {
        kind: Kind::StochasticGradientDescent {
            batch_size: 3,
            sampling,
            distribution,
        },
        step_size: 0.01,
        label_noise: 2.0,
        optimizer: Optimizer::default(),
        classes: None,
    }
}

fn with_momentum(dynamics: Dynamics, momentum: f64, nesterov: bool, weight_decay: f64) -> Dynamics {
    Dynamics {
        optimizer: Optimizer {
            momentum,
            nesterov,
            weight_decay,
        },
        ..dynamics
    }
}

fn label_noise_descent(distribution: LabelNoise) -> Dynamics {
    let kind = Kind::LabelNoiseGradientDescent { distribution };
    Dynamics {
        kind,
        step_size: 0.01,
        label_noise: 200.0,
        optimizer: Optimizer::default(),
        classes: None,
    }
}

fn spec(dynamics: Dynamics, trajectories: u64, save_steps: &[u64]) -> EnsembleSpec {
    EnsembleSpec {
        dynamics,
        stream: 0,
        trajectories,
        save_steps: save_steps.to_vec(),
        time_unit: 0.01,
        rank_tolerance: 1e-3,
        keep_trajectories: true,
        reductions: true,
        force_balance: None,
        account: Some(AccountGrid::Stride(5)),
        own_observables: Vec::new(),
    }
}

fn run(spec: &EnsembleSpec, setup: &Setup, threads: usize, instructions: Instructions) -> Outcome {
    spec.run(setup, threads, None, &Unattended, instructions)
        .expect("runs")
}

/// Every kept value of every trajectory, as bits.
fn bits(outcome: &Outcome) -> Vec<(u64, Vec<u64>)> {
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    kept.iter()
        .map(|(t, v)| (*t, v.iter().map(|x| x.to_bits()).collect()))
        .collect()
}

fn all_dynamics() -> Vec<Dynamics> {
    vec![
        Dynamics {
            kind: Kind::GradientFlow,
            step_size: 0.01,
            label_noise: 0.0,
            optimizer: Optimizer::default(),
            classes: None,
        },
        flow(Integrator::LieEuler),
        flow(Integrator::LieEulerUnsplit),
        flow(Integrator::EulerMaruyama),
        flow(Integrator::LieStrang),
        counterfactual(ForceSplit::Regular, 0.0),
        counterfactual(ForceSplit::Antisymmetric, 0.0),
        Dynamics {
            kind: Kind::GradientDescent,
            step_size: 0.01,
            label_noise: 0.0,
            optimizer: Optimizer::default(),
            classes: None,
        },
        label_noise_descent(LabelNoise::Gaussian),
        label_noise_descent(LabelNoise::Rademacher),
        sgd(Sampling::WithReplacement, LabelNoise::Gaussian),
        sgd(Sampling::WithoutReplacement, LabelNoise::Rademacher),
        sgd(Sampling::Epochs, LabelNoise::Gaussian),
        with_momentum(label_noise_descent(LabelNoise::Gaussian), 0.5, false, 0.1),
        with_momentum(sgd(Sampling::Epochs, LabelNoise::Gaussian), 0.7, true, 0.0),
        with_momentum(
            sgd(Sampling::WithReplacement, LabelNoise::Gaussian),
            0.0,
            false,
            0.5,
        ),
        sgd(Sampling::Sequential, LabelNoise::Rademacher),
    ]
}

/// Three classes of 60 rows in five dimensions, none of which a linear map tells apart, or two in one output.
fn class_setup(outputs: usize, width: usize) -> Setup {
    let synthetic = Synthetic {
        samples: 60,
        outputs,
        residual_noise: 1.0,
        covariance: Covariance::PowerLaw(0.5),
        ..recipe()
    };
    let draw = synthetic.draw(4, 0, true).expect("draws");
    let mut rows = draw.rows.expect("rows");
    for row in rows.y.chunks_exact_mut(outputs) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for y in row.iter_mut() {
            *y = match outputs {
                1 => f64::from(u8::from(*y > 0.0)),
                _ => f64::from(u8::from(*y == largest)),
            };
        }
    }
    let problem = Problem::new(&draw.gram, Some(rows), None).expect("a problem");
    Setup {
        source: Source::Shared(Arc::new(problem)),
        each_start: true,
        ..shared_setup(gaussian(0.7), width)
    }
}

fn softmax(flips: f64, dynamics: Dynamics) -> Dynamics {
    let flips = (flips > 0.0).then_some(Flips::Symmetric(flips));
    let loss = ClassLoss::SoftmaxCrossEntropy;
    with_classes(Classification { loss, flips }, dynamics)
}

fn logistic(flips: Option<Flips>, dynamics: Dynamics) -> Dynamics {
    let loss = ClassLoss::Logistic;
    with_classes(Classification { loss, flips }, dynamics)
}

fn with_classes(classes: Classification, dynamics: Dynamics) -> Dynamics {
    Dynamics {
        label_noise: 0.0,
        classes: Some(classes),
        ..dynamics
    }
}

/// Every dynamics that there is with classes, for k outputs.
fn class_dynamics(outputs: usize) -> Vec<Dynamics> {
    let [flow_of_gradient, descent] =
        [Kind::GradientFlow, Kind::GradientDescent].map(|kind| Dynamics {
            kind,
            ..flow(Integrator::LieEuler)
        });
    let noisy = || label_noise_descent(LabelNoise::Gaussian);
    let sampled = |sampling| sgd(sampling, LabelNoise::Gaussian);
    let own = match outputs {
        1 => Flips::Matrix(vec![vec![0.9, 0.1], vec![0.4, 0.6]]),
        _ => Flips::Matrix(
            (0..outputs)
                .map(|c| {
                    let of = |to: usize| {
                        if to == c {
                            0.7
                        } else if to == (c + 1) % outputs {
                            0.3
                        } else {
                            0.0
                        }
                    };
                    (0..outputs).map(of).collect()
                })
                .collect(),
        ),
    };
    let mut all = vec![
        logistic(None, flow_of_gradient.clone()),
        logistic(Some(own.clone()), flow(Integrator::LieEuler)),
        logistic(Some(own.clone()), noisy()),
        logistic(Some(Flips::Symmetric(0.2)), sampled(Sampling::Epochs)),
        logistic(None, sampled(Sampling::WithReplacement)),
    ];
    if outputs > 1 {
        let mut substeps = flow(Integrator::EulerMaruyama);
        if let Kind::StochasticGradientFlow {
            brownian_substeps, ..
        } = &mut substeps.kind
        {
            *brownian_substeps = 3;
        }
        all.extend([
            softmax(0.0, flow_of_gradient),
            softmax(0.2, flow(Integrator::LieEuler)),
            softmax(0.0, flow(Integrator::LieEuler)),
            softmax(0.2, substeps),
            softmax(0.0, descent),
            softmax(0.2, noisy()),
            softmax(0.0, noisy()),
            softmax(0.2, sampled(Sampling::WithoutReplacement)),
            softmax(0.0, sampled(Sampling::Epochs)),
            softmax(
                0.1,
                with_momentum(sampled(Sampling::WithReplacement), 0.5, true, 0.1),
            ),
        ]);
    }
    all
}

#[test]
fn trajectories_with_classes_have_the_same_bits_in_any_company() {
    for outputs in [1, 3] {
        let setup = class_setup(outputs, 10);
        let all = class_dynamics(outputs);
        dynamics_have_the_same_bits_in_any_company(&all, &setup, &[0, 30, 60]);
    }
}

/// The gradients, flips, flow noise, its Itô correction, losses and accuracies of the exact engine against plain
/// matrices in the original basis, path by path.
#[test]
fn reductions_are_exact_with_classes() {
    for (outputs, width) in [(1, 4), (1, 9), (3, 2), (3, 8), (3, 15)] {
        let setup = class_setup(outputs, width);
        for dynamics in class_dynamics(outputs) {
            reductions_change_nothing(&setup, &dynamics, &[0, 50, 200]);
        }
    }
}

/// Under the flows log det M is on the law to rounding, on every path; the law falls with flips and is level
/// without. Euler–Maruyama misses it.
#[test]
fn the_determinant_law_holds_with_classes() {
    for outputs in [1, 3] {
        let setup = class_setup(outputs, 12);
        for dynamics in class_dynamics(outputs) {
            let continuous = dynamics.is_continuous();
            let euler = matches!(
                dynamics.kind,
                Kind::StochasticGradientFlow {
                    integrator: Integrator::EulerMaruyama,
                    ..
                }
            );
            let flips = dynamics.labels_flip();
            let outcome = run(
                &spec(dynamics, 3, &[0, 100, 20_000]),
                &setup,
                1,
                Instructions::best(),
            );
            let totals = outcome.statistics.totals();
            for (_, values) in totals.trajectories().expect("kept") {
                let count = outcome.layout.observables.len();
                let at = |name: &str, save: usize| {
                    values[save * count + outcome.layout.position(name, 0).expect("measured")]
                };
                for save in 0..3 {
                    let (law, found) = (at("log_det_law", save), at("log_det", save));
                    assert_eq!(law.is_nan(), !continuous);
                    let error = (found - law).abs();
                    let fine = error < 1e-9 * (1.0 + law.abs());
                    assert!(
                        !continuous || fine != (euler && save > 0),
                        "{error:e} {save}"
                    );
                }
                let fall = at("log_det_law", 0) - at("log_det_law", 2);
                assert!(!continuous || flips == (fall > 1.0), "{fall}");
            }
        }
    }
}

/// A start per trajectory, so that deterministic dynamics are ensembles too.
fn own_starts() -> Setup {
    Setup {
        each_start: true,
        ..shared_setup(gaussian(1.0), 10)
    }
}

#[test]
fn a_trajectory_has_the_same_bits_in_any_company() {
    bits_are_the_same_in_any_company(&own_starts(), &[0, 100, 300]);
}

#[test]
fn trajectories_of_middle_networks_have_the_same_bits_in_any_company() {
    let [whole, _, half, _] = middle_setups();
    for setup in [whole, half] {
        bits_are_the_same_in_any_company(&setup, &[0, 20, 40]);
    }
}

/// Each lane of gradient flow takes steps of its own, and waits for the others at every save.
#[test]
fn gradient_flow_saved_often_has_the_same_bits_in_any_company() {
    let save_steps: Vec<u64> = (0..20).map(|i| 50 * i).collect();
    for scale in [0.05, 0.1] {
        // Small starts, whose columns lose orthogonality and are rotated.
        let setup = Setup {
            initialisation: gaussian(scale),
            ..sized_setup(8, 4, 20)
        };
        dynamics_have_the_same_bits_in_any_company(&all_dynamics()[..1], &setup, &save_steps);
    }
}

fn bits_are_the_same_in_any_company(setup: &Setup, save_steps: &[u64]) {
    dynamics_have_the_same_bits_in_any_company(&all_dynamics(), setup, save_steps);
}

fn dynamics_have_the_same_bits_in_any_company(all: &[Dynamics], setup: &Setup, save_steps: &[u64]) {
    for dynamics in all {
        let of = |count, threads, instructions| {
            let spec = spec(dynamics.clone(), count, save_steps);
            bits(&run(&spec, setup, threads, instructions))
        };
        let best = Instructions::best();
        let many = of(19, 1, best);
        assert_eq!(many.len(), 19, "{dynamics:?}");
        for (count, threads) in [(1, 1), (8, 1), (9, 2), (19, 2), (19, 3)] {
            assert!(
                of(count, threads, best)[..] == many[..count as usize],
                "{count} {dynamics:?}"
            );
        }
        for (name, instructions) in Instructions::available() {
            assert!(
                of(3, 1, instructions)[..] == many[..3],
                "{name} {dynamics:?}"
            );
        }
    }
}

#[test]
fn a_trajectory_that_diverges_is_named_and_leaves_its_neighbours_alone() {
    let setup = own_starts();
    let mut dynamics = flow(Integrator::EulerMaruyama);
    if let Kind::StochasticGradientFlow { time_step, .. } = &mut dynamics.kind {
        *time_step = 0.1;
    }
    let mut spec = spec(dynamics, 40, &[0, 5, 50]);
    spec.time_unit = 0.1;
    let outcome = run(&spec, &setup, 2, Instructions::best());
    let totals = outcome.statistics.totals();
    let diverged: Vec<u64> = totals
        .divergences()
        .first
        .iter()
        .map(|d| d.trajectory)
        .collect();
    assert!(!diverged.is_empty() && diverged.len() < 40, "{diverged:?}");
    assert_eq!(totals.survivors() + diverged.len() as u64, 40);
    // A survivor next to a diverged one has the bits it has where it is computed alone.
    let neighbour = bits(&outcome)
        .into_iter()
        .find(|(t, _)| diverged.iter().any(|d| d / 8 == t / 8))
        .expect("a block with both");
    spec.trajectories = neighbour.0 + 1;
    let again = bits(&run(&spec, &setup, 1, Instructions::best()));
    assert_eq!(again.last(), Some(&neighbour));
    // Statistics are over survivors alone, and finite.
    let loss = outcome.layout.position("loss", 0).expect("measured");
    assert!(
        totals
            .cell(2 * outcome.layout.observables.len() + loss)
            .mean
            .is_finite()
    );
}

/// Interrupts itself after some reports, and keeps its last checkpoint.
struct Impatient {
    reports: AtomicU64,
    patience: u64,
    kept: Mutex<Option<Checkpoint>>,
}

impl Control for Impatient {
    fn interrupted(&self) -> bool {
        self.reports.load(Ordering::SeqCst) >= self.patience
    }
    fn progress(&self, _: u64, _: u64) {
        self.reports.fetch_add(1, Ordering::SeqCst);
    }
    fn checkpoint_interval(&self) -> Duration {
        Duration::ZERO
    }
    fn keep(&self, checkpoint: &Checkpoint) -> Result<(), String> {
        *self.kept.lock().expect("no panics") = Some(checkpoint.clone());
        Ok(())
    }
}

/// Ever longer runs are tried until one is not over before it is stopped.
#[test]
fn stopped_and_resumed_it_ends_with_the_same_bits() {
    let with_classes = class_dynamics(3)
        .into_iter()
        .map(|d| (d, class_setup(3, 10)));
    let all = all_dynamics().into_iter().map(|d| (d, own_starts()));
    for (dynamics, setup) in all.chain(with_classes) {
        let stopped = (0..8).any(|fourfold| {
            let first = if dynamics.classes.is_some() {
                1_500
            } else {
                12_000
            };
            let last = first << (2 * fourfold);
            let saves = [0, first / 12, first / 4, last];
            times_stopped(&spec(dynamics.clone(), 20, &saves), &setup) > 0
        });
        assert!(stopped, "{dynamics:?} was never stopped");
    }
}

/// How often the run was stopped and resumed; it must end as if it never had been.
fn times_stopped(spec: &EnsembleSpec, setup: &Setup) -> u64 {
    let mut checkpoint = None;
    let mut stops = 0;
    let ended = loop {
        let control = Impatient {
            reports: AtomicU64::new(0),
            patience: 1 + stops % 2,
            kept: Mutex::new(None),
        };
        let threads = 1 + stops as usize % 3;
        let resume = checkpoint.as_ref();
        match spec.run(setup, threads, resume, &control, Instructions::best()) {
            Ok(outcome) => break bits(&outcome),
            Err(RunError::Interrupted) => {
                stops += 1;
                checkpoint = control.kept.into_inner().expect("no panics").or(checkpoint);
            }
            Err(error) => panic!("{error}"),
        }
    };
    let whole = bits(&run(spec, setup, 2, Instructions::best()));
    assert!(ended == whole, "{:?} stopped {stops} times", spec.dynamics);
    stops
}

#[test]
fn a_foreign_checkpoint_is_refused() {
    let setup = own_starts();
    let endless = spec(flow(Integrator::LieEuler), 20, &[0, 1 << 40]);
    let control = Impatient {
        reports: AtomicU64::new(0),
        patience: 1,
        kept: Mutex::new(None),
    };
    let stopped = endless.run(&setup, 1, None, &control, Instructions::best());
    assert_eq!(stopped.err(), Some(RunError::Interrupted));
    let checkpoint = control.kept.into_inner().expect("no panics").expect("kept");
    let other = spec(flow(Integrator::LieEuler), 200, &[0, 10]);
    let refused = other.run(
        &setup,
        1,
        Some(&checkpoint),
        &Unattended,
        Instructions::best(),
    );
    assert!(matches!(
        refused.err(),
        Some(RunError::ForeignCheckpoint(_))
    ));
}

fn series(outcome: &Outcome, name: &str, save: usize) -> f64 {
    let place = outcome.layout.position(name, 0).expect("measured");
    outcome
        .statistics
        .totals()
        .cell(save * outcome.layout.observables.len() + place)
        .mean
}

/// |log det − law| < 10⁻⁸ (1 + |law|) to t = 2000 (two hundred thousand steps), both Lie–Euler
/// steps, five starts; log σ reaches −140, far below what plain doubles hold.
#[test]
fn lie_euler_meets_the_determinant_law() {
    let starts = [
        (gaussian(1.0), 10),
        (gaussian(0.1), 7),
        (gaussian(1.5), 12),
        (
            Initialisation::Gaussian {
                scale: 1.0,
                smallest_singular_value: Some(1e-10),
            },
            10,
        ),
        (
            Initialisation::Gaussian {
                scale: 0.5,
                smallest_singular_value: Some(1e-100),
            },
            30,
        ),
    ];
    for (initialisation, width) in starts {
        let setup = shared_setup(initialisation.clone(), width);
        for integrator in [Integrator::LieEuler, Integrator::LieEulerUnsplit] {
            let steps = if integrator == Integrator::LieEuler {
                200_000
            } else {
                20_000
            };
            let spec = spec(flow(integrator), 1, &[0, 100, 10_000, steps]);
            let outcome = run(&spec, &setup, 1, Instructions::best());
            for save in 0..4 {
                let law = series(&outcome, "log_det_law", save);
                let error = (series(&outcome, "log_det", save) - law).abs();
                assert!(
                    error < 1e-8 * (1.0 + law.abs()),
                    "{initialisation:?} {save}: {error:e} {law}"
                );
            }
        }
    }
}

/// The same to t = 10⁵ (ten million steps), where log det is below −3·10⁴ and the smallest
/// singular value below e⁻⁵⁰⁰⁰, from five starts, two of them nearly rank-deficient.
#[test]
fn lie_euler_meets_the_determinant_law_for_ten_million_steps() {
    let small = |scale, smallest| Initialisation::Gaussian {
        scale,
        smallest_singular_value: Some(smallest),
    };
    let starts = [
        gaussian(1.0),
        gaussian(0.1),
        gaussian(1.4),
        small(1.0, 1e-9),
        small(0.7, 1e-60),
    ];
    let saves: Vec<u64> = [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000].into();
    let check = |initialisation: Initialisation| {
        let setup = shared_setup(initialisation.clone(), 10);
        let spec = spec(flow(Integrator::LieEuler), 1, &saves);
        let outcome = run(&spec, &setup, 1, Instructions::best());
        let mut worst = 0.0_f64;
        for save in 0..saves.len() {
            let law = series(&outcome, "log_det_law", save);
            let error = (series(&outcome, "log_det", save) - law).abs() / (1.0 + law.abs());
            assert!(
                error < 1e-8,
                "{initialisation:?} at step {}: {error:e}",
                saves[save]
            );
            worst = worst.max(error);
        }
        assert!(series(&outcome, "log_det", saves.len() - 1) < -3e4);
        println!("{initialisation:?}: |log det − law| ≤ {worst:.1e} (1 + |law|)");
    };
    std::thread::scope(|scope| {
        for initialisation in starts {
            scope.spawn(|| check(initialisation));
        }
    });
}

/// Euler–Maruyama at the same step misses the law by far more than rounding: the test above can
/// fail.
#[test]
fn euler_maruyama_does_not_meet_the_determinant_law() {
    let spec = spec(flow(Integrator::EulerMaruyama), 1, &[0, 10_000]);
    let outcome = run(
        &spec,
        &shared_setup(gaussian(1.0), 10),
        1,
        Instructions::best(),
    );
    let error = series(&outcome, "log_det", 1) - series(&outcome, "log_det_law", 1);
    assert!(error.abs() > 1e-3, "{error:e}");
}

#[test]
fn gradient_flow_keeps_determinant_and_balance() {
    for (width, defined) in [(7, true), (10, true), (4, false)] {
        let dynamics = Dynamics {
            kind: Kind::GradientFlow,
            step_size: 0.01,
            label_noise: 0.0,
            optimizer: Optimizer::default(),
            classes: None,
        };
        let spec = spec(dynamics, 1, &[0, 100, 10_000, 100_000]);
        let outcome = run(
            &spec,
            &shared_setup(gaussian(1.0), width),
            1,
            Instructions::best(),
        );
        for save in 0..4 {
            let change = series(&outcome, "log_det", save) - series(&outcome, "log_det", 0);
            assert_eq!(series(&outcome, "log_det_law", save).is_nan(), !defined);
            // Below width p + k the determinant of ΘᵀΘ moves.
            assert_eq!(
                change.abs() < 1e-8,
                defined || save == 0,
                "{width} {save}: {change:e}"
            );
            assert!(series(&outcome, "balance_drift", save) < 1e-9);
        }
        assert!(series(&outcome, "excess_loss", 3) < 1e-20);
    }
}

/// Widths 10 and 10,000 with the same left factor: the same trajectory up to rounding.
#[test]
fn width_beyond_p_plus_k_changes_nothing() {
    use rankfall_core::linalg::dense::product;
    use rankfall_core::model::network::Weights;
    let narrow = shared_setup(gaussian(1.0), 10);
    let problem = narrow.problem(0).expect("a problem");
    let start = narrow.start(&problem, 0).expect("a start");
    // A wide network with the same L: Θ = L Q̃ᵀ with the Q̃ of another Gaussian draw.
    let wide_draw = gaussian(1.0)
        .start(&problem, 10_000, 8, 0)
        .expect("a start");
    let theta = product(&start.left, &wide_draw.right.transpose().to_owned());
    let rotated = theta.subrows(0, 5).to_owned();
    let weights = Weights {
        w1: product(&problem.basis, &rotated),
        w2: theta.subrows(5, 2).transpose().to_owned(),
    };
    let wide = shared_setup(Initialisation::Given(weights), 10_000);
    let spec = spec(flow(Integrator::LieEuler), 1, &[0, 1000, 5000]);
    let (a, b) = (
        run(&spec, &narrow, 1, Instructions::best()),
        run(&spec, &wide, 1, Instructions::best()),
    );
    let observables = a.layout.observables.len();
    let (x, y) = (a.statistics.totals(), b.statistics.totals());
    let mut worst = 0.0_f64;
    for (index, observable) in a.layout.observables.iter().enumerate() {
        if observable.name == "balance_drift" || observable.name.ends_with("_error") {
            continue;
        }
        let cell = 2 * observables + index;
        let (u, v) = (x.cell(cell).mean, y.cell(cell).mean);
        if u.is_finite() && v.abs() > 1e-12 {
            worst = worst.max((u - v).abs() / v.abs().max(1.0));
        }
    }
    println!("widths 10 and 10,000 agree to {worst:.1e}");
    assert!(worst < 1e-9, "{worst:e}");
}

/// Width, basis, sample and rank reductions against plain matrices in the original basis at full
/// width, path by path on the same noise, while rounding is harmless.
#[test]
fn reductions_are_exact() {
    let problem_with = |covariance| {
        let synthetic = Synthetic {
            covariance,
            ..recipe()
        };
        let draw = synthetic.draw(3, 0, true).expect("draws");
        Problem::new(&draw.gram, draw.rows, Some(draw.truth)).expect("a problem")
    };
    let problem = Arc::new(problem_with(Covariance::PowerLaw(0.7)));
    for width in [1, 4, 7, 15] {
        let setup = Setup {
            source: Source::Shared(problem.clone()),
            each_start: true,
            ..shared_setup(gaussian(0.6), width)
        };
        for dynamics in all_dynamics() {
            reductions_change_nothing(&setup, &dynamics, &[0, 50, 400]);
        }
    }
}

fn reductions_change_nothing(setup: &Setup, dynamics: &Dynamics, saves: &[u64]) {
    // The account is of reduced trajectories alone.
    let reduced = EnsembleSpec {
        reductions: true,
        account: None,
        ..spec(dynamics.clone(), 3, saves)
    };
    let plain = EnsembleSpec {
        reductions: false,
        ..reduced.clone()
    };
    let (a, b) = (
        run(&reduced, setup, 1, Instructions::best()),
        run(&plain, setup, 1, Instructions::best()),
    );
    let (x, y) = (a.statistics.totals(), b.statistics.totals());
    let (x, y) = (
        x.trajectories().expect("kept"),
        y.trajectories().expect("kept"),
    );
    let count = a.layout.observables.len();
    for (cell, (&u, &v)) in x
        .iter()
        .zip(y)
        .flat_map(|(s, t)| s.1.iter().zip(&t.1))
        .enumerate()
    {
        let name = a.layout.observables[cell % count].name;
        // Error bounds have no digits to compare, and the Runge–Kutta steps of order 4
        // that plain gradient flow takes are good to some 10⁻⁹.
        let error = (u - v).abs() / v.abs().max(1.0);
        let undefined = name.ends_with("_error") || (u.is_nan() && v.is_nan());
        let allowed = if dynamics.kind == Kind::GradientFlow {
            1e-8
        } else {
            1e-10
        };
        assert!(
            undefined || error < allowed,
            "{name} {u} {v} {} {dynamics:?}",
            setup.width
        );
    }
}

fn sized_setup(inputs: usize, outputs: usize, width: usize) -> Setup {
    let synthetic = Synthetic {
        samples: 400,
        inputs,
        outputs,
        covariance: Covariance::PowerLaw(1.0),
        ..recipe()
    };
    let draw = synthetic.draw(3, 0, true).expect("draws");
    let problem = Problem::new(&draw.gram, draw.rows, Some(draw.truth)).expect("a problem");
    Setup {
        source: Source::Shared(Arc::new(problem)),
        each_start: true,
        ..shared_setup(gaussian(0.1), width)
    }
}

/// Networks with more inputs than outputs or fewer, wider than p + k or narrower, their shorter side short
/// enough to be compiled or not; all but the first so large that they go in half blocks.
fn middle_setups() -> [Setup; 4] {
    let setups = [
        sized_setup(14, 6, 9),
        sized_setup(5, 77, 88),
        sized_setup(79, 3, 24),
        sized_setup(45, 36, 25),
    ];
    let side_by_side = setups
        .each_ref()
        .map(|setup| trajectories_per_block(setup.rows(), 100) as usize);
    assert_eq!(side_by_side, [BLOCK, HALF_BLOCK, HALF_BLOCK, HALF_BLOCK]);
    setups
}

/// Networks with rows enough to go one by one, with more inputs than outputs or fewer, wider than p + k
/// or narrower.
fn large_setups() -> [Setup; 3] {
    [
        sized_setup(191, 11, 24),
        sized_setup(3, 198, 9),
        sized_setup(199, 2, 204),
    ]
}

#[test]
fn middle_networks_follow_plain_ones() {
    // Few steps where plain matrices are slow.
    for (setup, steps) in middle_setups().iter().zip([30, 6, 6, 6]) {
        for dynamics in all_dynamics() {
            reductions_change_nothing(setup, &dynamics, &[0, steps]);
        }
    }
}

#[test]
fn large_networks_follow_plain_ones() {
    // Few steps: plain matrices of this size are slow.
    let noisy = label_noise_descent(LabelNoise::Gaussian);
    let dynamics = [
        flow(Integrator::LieEuler),
        flow(Integrator::EulerMaruyama),
        with_momentum(noisy, 0.5, true, 0.1),
        sgd(Sampling::Epochs, LabelNoise::Rademacher),
    ];
    for setup in large_setups() {
        for dynamics in &dynamics {
            reductions_change_nothing(&setup, dynamics, &[0, 4]);
        }
    }
}

#[test]
fn large_networks_have_the_same_bits_on_any_threads_and_instructions() {
    let setup = &large_setups()[0];
    for dynamics in [flow(Integrator::LieEuler), flow(Integrator::EulerMaruyama)] {
        let spec = spec(dynamics, 5, &[0, 40]);
        let expected = bits(&run(&spec, setup, 1, Instructions::best()));
        assert_eq!(expected, bits(&run(&spec, setup, 2, Instructions::best())));
        for (name, instructions) in Instructions::available() {
            assert!(
                expected == bits(&run(&spec, setup, 1, instructions)),
                "{name}"
            );
        }
    }
}

//! Ensembles have the same bits however they are run: alone or among others, on any threads and
//! instructions, stopped and resumed.

#[path = "support/dynamics.rs"]
mod dynamics;
#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/setups.rs"]
mod setups;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dynamics::{all_dynamics, class_dynamics, flow, gradient_flow};
use ensembles::{bits, run, run_alone, spec};
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, EnsembleSpec, RunError, Unattended};
use rankfall_core::model::dynamics::{Dynamics, Integrator, Kind};
use rankfall_core::model::setup::Setup;
use rankfall_core::simd::instructions::Instructions;
use setups::{class_setup, gaussian, large_setups, middle_setups, own_starts, sized_setup};

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
        dynamics_have_the_same_bits_in_any_company(&[gradient_flow()], &setup, &save_steps);
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
fn trajectories_with_classes_have_the_same_bits_in_any_company() {
    for outputs in [1, 3] {
        let setup = class_setup(outputs, 10);
        let all = class_dynamics(outputs);
        dynamics_have_the_same_bits_in_any_company(&all, &setup, &[0, 30, 60]);
    }
}

#[test]
fn large_networks_have_the_same_bits_on_any_threads_and_instructions() {
    let setup = &large_setups()[0];
    for dynamics in [flow(Integrator::LieEuler), flow(Integrator::EulerMaruyama)] {
        let spec = spec(dynamics, 5, &[0, 40]);
        let expected = bits(&run_alone(&spec, setup));
        assert_eq!(expected, bits(&run(&spec, setup, 2, Instructions::best())));
        for (name, instructions) in Instructions::available() {
            assert!(
                expected == bits(&run(&spec, setup, 1, instructions)),
                "{name}"
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
    let again = bits(&run_alone(&spec, &setup));
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
    kept: Mutex<Option<EnsembleCheckpoint>>,
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
    fn keep(&self, checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
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

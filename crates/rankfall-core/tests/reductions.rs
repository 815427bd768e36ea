//! Ensembles of the reduced engine against plain matrices without any reduction, path by path on
//! the same noise.

#[path = "support/dynamics.rs"]
mod dynamics;
#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/setups.rs"]
mod setups;

use dynamics::{all_dynamics, class_dynamics, flow, label_noise_descent, sgd, with_momentum};
use ensembles::{run_alone, spec};
use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::linalg::dense::product;
use rankfall_core::model::dynamics::{Dynamics, Integrator, Kind, LabelNoise, Sampling};
use rankfall_core::model::network::{Initialisation, Weights};
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic};
use setups::{class_setup, gaussian, large_setups, middle_setups, problem, recipe, shared_setup};

/// Widths 10 and 10,000 with the same left factor: the same trajectory up to rounding.
#[test]
fn width_beyond_p_plus_k_changes_nothing() {
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
    let (a, b) = (run_alone(&spec, &narrow), run_alone(&spec, &wide));
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
    let synthetic = Synthetic {
        covariance: Covariance::PowerLaw(0.7),
        ..recipe()
    };
    let problem = problem(&synthetic, 3);
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
    let (a, b) = (run_alone(&reduced, setup), run_alone(&plain, setup));
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

/// The gradients, flips, flow noise, its Itô correction, losses and accuracies of the exact engine
/// against plain matrices in the original basis, path by path.
#[test]
fn reductions_are_exact_with_classes() {
    for (outputs, width) in [(1, 4), (1, 9), (3, 2), (3, 8), (3, 15)] {
        let setup = class_setup(outputs, width);
        for dynamics in class_dynamics(outputs) {
            reductions_change_nothing(&setup, &dynamics, &[0, 50, 200]);
        }
    }
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

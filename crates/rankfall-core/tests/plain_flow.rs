//! Gradient flow without reductions chooses its own steps, however coarse the grid of save times
//! is.

use std::sync::Arc;

use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::model::dynamics::{Dynamics, Kind};
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::simd::instructions::Instructions;

/// Loss and log det M at the start and after `steps` steps of the grid.
fn measured(reductions: bool, time_unit: f64, steps: u64) -> [[f64; 2]; 2] {
    let recipe = Synthetic {
        samples: 100,
        inputs: 5,
        outputs: 2,
        covariance: Covariance::Identity,
        teacher: Teacher::Gaussian,
        residual_noise: 0.1,
    };
    let draw = recipe.draw(1, 0, false).expect("draws");
    let problem = Problem::new(&draw.gram, None, Some(draw.truth)).expect("a problem");
    let setup = Setup {
        source: Source::Shared(Arc::new(problem)),
        initialisation: Initialisation::Gaussian {
            scale: 1.0,
            smallest_singular_value: None,
        },
        width: 10,
        seed: 1,
        each_start: false,
    };
    let flow = EnsembleSpec {
        dynamics: Dynamics {
            kind: Kind::GradientFlow,
            step_size: time_unit,
            label_noise: 0.0,
            optimizer: Optimizer::default(),
            classes: None,
        },
        stream: 0,
        trajectories: 1,
        save_steps: vec![0, steps],
        time_unit,
        rank_tolerance: 1e-3,
        keep_trajectories: false,
        reductions,
        force_balance: None,
        account: None,
        own_observables: Vec::new(),
    };
    let outcome = flow.run(&setup, 1, None, &Unattended, Instructions::best());
    let outcome = outcome.expect("runs");
    let totals = outcome.statistics.totals();
    assert_eq!(totals.survivors(), 1);
    [0, 1].map(|save| {
        ["loss", "log_det"].map(|name| {
            let place = outcome.layout.position(name, 0).expect("measured");
            totals
                .cell(save * outcome.layout.observables.len() + place)
                .mean
        })
    })
}

/// log det M is conserved, and the loss is that of the reduced integrator, which keeps its errors
/// below 10⁻¹³. A step of the grid is here up to thirty times the time of the fastest motion.
#[test]
fn a_coarse_grid_of_save_times_is_no_step_of_the_integrator() {
    for (time_unit, steps) in [(0.01, 200), (0.5, 4), (2.0, 1)] {
        let [[_, start], [loss, end]] = measured(false, time_unit, steps);
        let [_, [expected, _]] = measured(true, time_unit, steps);
        assert!((end - start).abs() < 1e-5, "{time_unit}: {start} {end}");
        assert!(
            (loss / expected - 1.0).abs() < 1e-5,
            "{time_unit}: {loss} {expected}"
        );
    }
}

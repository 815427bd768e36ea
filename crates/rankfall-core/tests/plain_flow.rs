//! Gradient flow without reductions chooses its own steps, however coarse the grid of save times
//! is.

#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/setups.rs"]
mod setups;

use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::model::dynamics::{Dynamics, Kind};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::synthetic::Synthetic;

/// Loss and log det M at the start and after `steps` steps of the grid.
fn measured(reductions: bool, time_unit: f64, steps: u64) -> [[f64; 2]; 2] {
    let recipe = Synthetic {
        residual_noise: 0.1,
        ..setups::recipe()
    };
    let problem = setups::problem(&recipe, 1);
    let setup = setups::setup(problem, setups::gaussian(1.0), 10, 1);
    let flow = Dynamics {
        kind: Kind::GradientFlow,
        step_size: time_unit,
        label_noise: 0.0,
        optimizer: Optimizer::default(),
        classes: None,
    };
    let spec = EnsembleSpec {
        time_unit,
        reductions,
        ..ensembles::spec(flow, 1, &[0, steps])
    };
    let outcome = ensembles::run_alone(&spec, &setup);
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

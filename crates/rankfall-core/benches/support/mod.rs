//! The ensembles that benches and examples time.

use std::error::Error;
use std::sync::Arc;

use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::model::dynamics::{Dynamics, ForceScales, Integrator, Kind};
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};

/// Gaussian data from a teacher, and Gaussian weights of this width and scale, the same for all.
/// `hold_rows` is for dynamics that see rows.
pub fn gaussian_setup(
    samples: u64,
    [inputs, outputs, width]: [usize; 3],
    scale: f64,
    hold_rows: bool,
) -> Result<Setup, Box<dyn Error>> {
    let recipe = Synthetic {
        samples,
        inputs,
        outputs,
        covariance: Covariance::Identity,
        teacher: Teacher::Gaussian,
        residual_noise: 0.0,
    };
    let draw = recipe.draw(1, 0, hold_rows)?;
    let problem = Problem::new(&draw.gram, draw.rows, Some(draw.truth))?;
    Ok(Setup {
        source: Source::Shared(Arc::new(problem)),
        initialisation: Initialisation::Gaussian {
            scale,
            smallest_singular_value: None,
        },
        width,
        seed: 1,
        each_start: false,
    })
}

/// The stochastic gradient flow in steps of `time_step`.
pub fn flow(integrator: Integrator, time_step: f64) -> Kind {
    Kind::StochasticGradientFlow {
        integrator,
        time_step,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    }
}

/// An ensemble on the exact engine that saves everything at `save_steps`.
pub fn ensemble(
    kind: Kind,
    step_size: f64,
    label_noise: f64,
    trajectories: u64,
    save_steps: Vec<u64>,
) -> EnsembleSpec {
    EnsembleSpec {
        dynamics: Dynamics {
            kind,
            step_size,
            label_noise,
            optimizer: Optimizer::default(),
            classes: None,
        },
        stream: 0,
        trajectories,
        save_steps,
        time_unit: step_size,
        rank_tolerance: 1e-3,
        keep_trajectories: false,
        reductions: true,
        force_balance: None,
        account: None,
        own_observables: Vec::new(),
    }
}

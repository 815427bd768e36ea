//! One dynamics as the exact engine takes it.

use rankfall_core::model::dynamics::{Dynamics, Kind, Sampling};

/// One dynamics of the exact engine.
#[derive(Clone, Debug, PartialEq)]
pub struct ExactDynamics {
    /// What tables and figures call it; distinct from the others.
    pub label: String,
    /// What moves the weights.
    pub dynamics: Dynamics,
    /// The time between two steps on the axis: h for the flows, η for the descents.
    ///
    /// For gradient flow, which is integrated adaptively, it is only the grid of save times.
    pub time_step: f64,
    /// Whether `time_step` is still to be chosen from the data and the start ("auto"); until then it
    /// stands at the step size.
    pub automatic_time_step: bool,
}

impl ExactDynamics {
    /// Sets the time step, of the integrator as well.
    pub fn set_time_step(&mut self, step: f64) {
        self.time_step = step;
        self.automatic_time_step = false;
        if let Kind::StochasticGradientFlow { time_step, .. } = &mut self.dynamics.kind {
            *time_step = step;
        }
    }

    /// The batch size where no row may come twice in a batch.
    pub fn batch_without_replacement(&self) -> Option<u64> {
        match self.dynamics.kind {
            Kind::StochasticGradientDescent {
                batch_size,
                sampling,
                ..
            } if sampling != Sampling::WithReplacement => Some(batch_size),
            _ => None,
        }
    }
}

//! One dynamics as the exact engine takes it.

use rankfall_core::model::classification::{ClassLoss, Classification, Flips};
use rankfall_core::model::dynamics::{Dynamics, Kind, Sampling};
use rankfall_nets::loss::Loss;
use rankfall_nets::noise::Noise;

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
    /// Whether `time_step` is still to be chosen from the data and the start ("auto"); until then
    /// it stands at the step size.
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

/// The loss as the numerics take it, with these flips of labels; none for the squared one.
pub(super) fn classification(loss: Loss, flips: Option<Flips>) -> Option<Classification> {
    let loss = match loss {
        Loss::Squared => return None,
        Loss::SoftmaxCrossEntropy => ClassLoss::SoftmaxCrossEntropy,
        Loss::Logistic => ClassLoss::Logistic,
    };
    Some(Classification { loss, flips })
}

/// Flips of labels as the numerics take them.
pub(super) fn flips_of(noise: &Noise) -> Option<Flips> {
    match noise {
        Noise::LabelFlips {
            probability,
            matrix,
        } => Some(match matrix {
            Some(matrix) => Flips::Matrix(matrix.clone()),
            None => Flips::Symmetric(*probability),
        }),
        _ => None,
    }
}

/// The same as it is written.
pub(super) fn noise_of(flips: &Flips) -> Noise {
    match flips.clone() {
        Flips::Symmetric(probability) => Noise::LabelFlips {
            probability,
            matrix: None,
        },
        Flips::Matrix(matrix) => Noise::LabelFlips {
            probability: 0.0,
            matrix: Some(matrix),
        },
    }
}

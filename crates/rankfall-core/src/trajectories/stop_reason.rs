//! Why a trajectory ends before its last save time.

use serde::{Deserialize, Serialize};

/// Why a trajectory was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// Its weights left the range of numbers, or would have in the next step.
    OutOfRange,
    /// Adaptive integration reached its limit of steps: the equation is too stiff.
    StepLimit,
    /// A conserved quantity drifted farther than the tolerance of the integrator explains.
    NotConserved,
}

impl StopReason {
    /// Its name in `summary.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfRange => "out-of-range",
            Self::StepLimit => "step-limit",
            Self::NotConserved => "not-conserved",
        }
    }
}

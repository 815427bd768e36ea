//! What a descent does with its gradient beside following it: momentum and weight decay, as PyTorch
//! defines them.
//!
//! ```text
//! g ← ∇L + λ w,   v ← μ v + g,   w ← w − η v      (Nesterov: w ← w − η (g + μ v)).
//! ```

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Momentum and weight decay; plain descent by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    /// μ in \[0, 1).
    #[serde(default)]
    pub momentum: f64,
    /// Whether to look ahead by one step of momentum.
    #[serde(default)]
    pub nesterov: bool,
    /// λ ≥ 0, on weights and biases alike.
    #[serde(default)]
    pub weight_decay: f64,
}

/// Settings out of range.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum OptimizerError {
    /// μ.
    #[error("momentum = {0} must be at least 0 and below 1")]
    Momentum(f64),
    /// λ.
    #[error("weight_decay = {0} must be a finite number, zero or more")]
    WeightDecay(f64),
    /// Nesterov's step without momentum.
    #[error("nesterov = true needs momentum above 0")]
    Nesterov,
}

impl Optimizer {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// If they do not.
    pub fn check(&self) -> Result<(), OptimizerError> {
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(OptimizerError::Momentum(self.momentum));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(OptimizerError::WeightDecay(self.weight_decay));
        }
        match self.nesterov && self.momentum == 0.0 {
            true => Err(OptimizerError::Nesterov),
            false => Ok(()),
        }
    }

    /// Whether gradients are only followed.
    pub fn is_plain(&self) -> bool {
        self.momentum == 0.0 && self.weight_decay == 0.0
    }

    /// 1/(1 − μ): a gradient ends up moving the weights by so many times its own step.
    pub fn momentum_gain(&self) -> f64 {
        1.0 / (1.0 - self.momentum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        let check = |momentum, nesterov, weight_decay| {
            Optimizer {
                momentum,
                nesterov,
                weight_decay,
            }
            .check()
        };
        assert_eq!(check(0.9, true, 1e-4), Ok(()));
        assert_eq!(check(1.0, false, 0.0), Err(OptimizerError::Momentum(1.0)));
        assert_eq!(check(0.0, true, 0.0), Err(OptimizerError::Nesterov));
        assert_eq!(
            check(0.0, false, -1.0),
            Err(OptimizerError::WeightDecay(-1.0))
        );
        assert!(check(f64::NAN, false, 0.0).is_err());
    }
}

//! Stochastic gradient descent with momentum and weight decay, as PyTorch defines them:
//!
//! ```text
//! g ← ∇L + λ w,   v ← μ v + g,   w ← w − η v      (Nesterov: w ← w − η (g + μ v)).
//! ```

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scalar::Scalar;

/// What is done with a gradient.
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

    /// Takes a step of size `rate`; `velocity` holds v, zeros at first, and is empty without
    /// momentum.
    pub fn step<T: Scalar>(
        &self,
        rate: f64,
        gradient: &[T],
        parameters: &mut [T],
        velocity: &mut [T],
    ) {
        let (rate, decay, momentum) = (T::of(rate), T::of(self.weight_decay), T::of(self.momentum));
        let pairs = parameters.iter_mut().zip(gradient);
        if self.momentum == 0.0 && self.weight_decay == 0.0 {
            for (w, &g) in pairs {
                *w -= rate * g;
            }
        } else if self.momentum == 0.0 {
            for (w, &g) in pairs {
                *w -= rate * (g + decay * *w);
            }
        } else {
            for ((w, &g), v) in pairs.zip(velocity) {
                let g = g + decay * *w;
                *v = momentum * *v + g;
                *w -= rate * if self.nesterov { g + momentum * *v } else { *v };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps on L = w²/2 from w = 1, by hand.
    #[test]
    fn steps_by_hand() {
        let run = |optimizer: Optimizer| {
            let (mut w, mut v) = ([1.0], [0.0]);
            for _ in 0..2 {
                let g = w;
                optimizer.step(0.5, &g, &mut w, &mut v);
            }
            w[0]
        };
        let plain = Optimizer::default();
        assert_eq!(run(plain), 0.25);
        assert_eq!(
            run(Optimizer {
                weight_decay: 0.5,
                ..plain
            }),
            0.0625
        );
        // v = 1, w = ½; v = ½·1 + ½ = 1, w = 0.
        assert_eq!(
            run(Optimizer {
                momentum: 0.5,
                ..plain
            }),
            0.0
        );
        // v = 1, w = 1 − ½(1 + ½) = ¼; v = ½ + ¼, w = ¼ − ½(¼ + ⅜).
        let nesterov = Optimizer {
            momentum: 0.5,
            nesterov: true,
            weight_decay: 0.0,
        };
        assert_eq!(run(nesterov), -0.0625);
    }

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

//! A step on a list of parameters: stochastic gradient descent with momentum and weight decay, or
//! Adam.

use rankfall_core::model::optimizer::Optimizer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scalar::Real;

/// Adam (Kingma and Ba 2015) instead of following the gradient: with g the gradient and weight
/// decay, m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − η (m/(1 − β₁ᵗ))/(√(v/(1 − β₂ᵗ)) + ε)
/// in step t = 1, 2, ….
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// β₁ in \[0, 1).
    pub beta1: f64,
    /// β₂ in \[0, 1).
    pub beta2: f64,
    /// ε > 0.
    pub epsilon: f64,
}

/// Settings of Adam out of range.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum AdamError {
    /// β₁ or β₂.
    #[error("adam: beta1 = {0} and beta2 = {1} must be at least 0 and below 1")]
    Betas(f64, f64),
    /// ε.
    #[error("adam: epsilon = {0} must be a finite number above zero")]
    Epsilon(f64),
    /// Momentum of its own.
    #[error("adam has a momentum of its own, beta1; leave momentum and nesterov out")]
    Momentum,
}

impl Adam {
    /// Whether the settings make sense beside these of the descent.
    pub fn check(&self, optimizer: &Optimizer) -> Result<(), AdamError> {
        let share = |beta: f64| (0.0..1.0).contains(&beta);
        if !share(self.beta1) || !share(self.beta2) {
            return Err(AdamError::Betas(self.beta1, self.beta2));
        }
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return Err(AdamError::Epsilon(self.epsilon));
        }
        match optimizer.momentum > 0.0 {
            true => Err(AdamError::Momentum),
            false => Ok(()),
        }
    }

    /// Takes step number `step`, from 0, of size `rate`; `moments` hold m and then v, zeros at
    /// first.
    pub fn step<T: Real>(
        &self,
        weight_decay: f64,
        rate: f64,
        step: u64,
        gradient: &[T],
        parameters: &mut [T],
        moments: &mut [T],
    ) {
        let count = (step + 1) as f64;
        let correction = |beta: f64| 1.0 / (1.0 - libm::pow(beta, count));
        let (first, second) = (correction(self.beta1), correction(self.beta2));
        let (means, squares) = moments.split_at_mut(gradient.len());
        let moments = means.iter_mut().zip(squares);
        for ((w, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let g = g.to_f64() + weight_decay * w.to_f64();
            let mean = self.beta1 * m.to_f64() + (1.0 - self.beta1) * g;
            let square = self.beta2 * v.to_f64() + (1.0 - self.beta2) * g * g;
            (*m, *v) = (T::of(mean), T::of(square));
            let step = first * mean / ((second * square).sqrt() + self.epsilon);
            *w -= T::of(rate * step);
        }
    }
}

/// Takes a step of size `rate`; `velocity` holds v, zeros at first, and is empty without
/// momentum.
pub fn step<T: Real>(
    optimizer: &Optimizer,
    rate: f64,
    gradient: &[T],
    parameters: &mut [T],
    velocity: &mut [T],
) {
    let (rate, decay, momentum) = (
        T::of(rate),
        T::of(optimizer.weight_decay),
        T::of(optimizer.momentum),
    );
    let pairs = parameters.iter_mut().zip(gradient);
    if optimizer.momentum == 0.0 && optimizer.weight_decay == 0.0 {
        for (w, &g) in pairs {
            *w -= rate * g;
        }
    } else if optimizer.momentum == 0.0 {
        for (w, &g) in pairs {
            *w -= rate * (g + decay * *w);
        }
    } else {
        for ((w, &g), v) in pairs.zip(velocity) {
            let g = g + decay * *w;
            *v = momentum * *v + g;
            *w -= rate
                * if optimizer.nesterov {
                    g + momentum * *v
                } else {
                    *v
                };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps on L = w²/2 from w = 1: the first is of size η whatever the gradient; before the
    /// second, with β₁ = β₂ = ½, m = (¼ + ½·½)/¾ and v = (¼ + ½·¼)/¾.
    #[test]
    fn steps_of_adam_by_hand() {
        let adam = Adam {
            beta1: 0.5,
            beta2: 0.5,
            epsilon: 1e-12,
        };
        let (mut w, mut moments) = ([1.0], [0.0, 0.0]);
        adam.step(0.0, 0.5, 0, &[1.0], &mut w, &mut moments);
        assert!((w[0] - 0.5_f64).abs() < 1e-11);
        adam.step(0.0, 0.5, 1, &[0.5], &mut w, &mut moments);
        let expected = 0.5 - 0.5 * (0.5 / 0.75) / (0.375_f64 / 0.75).sqrt();
        assert!((w[0] - expected).abs() < 1e-11);
        let plain = Optimizer::default();
        assert_eq!(adam.check(&plain), Ok(()));
        let heavy = Optimizer {
            momentum: 0.9,
            ..plain
        };
        assert_eq!(adam.check(&heavy), Err(AdamError::Momentum));
        let wrong = Adam { beta2: 1.0, ..adam };
        assert_eq!(wrong.check(&plain), Err(AdamError::Betas(0.5, 1.0)));
    }

    /// Two steps on L = w²/2 from w = 1, by hand.
    #[test]
    fn steps_by_hand() {
        for (momentum, nesterov, weight_decay, expected) in [
            (0.0, false, 0.0, 0.25),
            (0.0, false, 0.5, 0.0625),
            // v = 1, w = ½; v = ½·1 + ½ = 1, w = 0.
            (0.5, false, 0.0, 0.0),
            // v = 1, w = 1 − ½(1 + ½) = ¼; v = ½ + ¼, w = ¼ − ½(¼ + ⅜).
            (0.5, true, 0.0, -0.0625),
        ] {
            let optimizer = Optimizer {
                momentum,
                nesterov,
                weight_decay,
            };
            let (mut w, mut v) = ([1.0], [0.0]);
            for _ in 0..2 {
                let g = w;
                step(&optimizer, 0.5, &g, &mut w, &mut v);
            }
            assert_eq!(w[0], expected, "{optimizer:?}");
        }
    }
}

//! A step of stochastic gradient descent with momentum and weight decay on a list of parameters.

use rankfall_core::model::optimizer::Optimizer;

use crate::scalar::Real;

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

    /// Two steps on L = w²/2 from w = 1, by hand.
    #[test]
    fn steps_by_hand() {
        let run = |optimizer: Optimizer| {
            let (mut w, mut v) = ([1.0], [0.0]);
            for _ in 0..2 {
                let g = w;
                step(&optimizer, 0.5, &g, &mut w, &mut v);
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
}

//! Activation functions and their derivatives.

use serde::{Deserialize, Serialize};

use crate::scalar::Real;

/// Slope of the leaky rectifier for negative arguments.
pub const LEAK: f64 = 0.01;

/// What a hidden unit does to its argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// z.
    #[default]
    Linear,
    /// max(z, 0); derivative 0 at 0.
    Relu,
    /// z for z > 0, else 0.01 z.
    LeakyRelu,
    /// z Φ(z) with Φ the normal distribution function, exactly (no approximation by tanh).
    Gelu,
    /// tanh z.
    Tanh,
    /// 1/(1 + e⁻ᶻ).
    Sigmoid,
}

impl Activation {
    /// All of them, for lists and tests.
    pub const ALL: [Self; 6] = [
        Self::Linear,
        Self::Relu,
        Self::LeakyRelu,
        Self::Gelu,
        Self::Tanh,
        Self::Sigmoid,
    ];

    /// Whether f(cz) = c f(z) for c > 0: then neighbouring layers of a unit stay balanced under
    /// gradient flow.
    pub fn is_homogeneous(self) -> bool {
        matches!(self, Self::Linear | Self::Relu | Self::LeakyRelu)
    }

    /// Writes f(z) for every z.
    pub fn apply<T: Real>(self, z: &[T], out: &mut [T]) {
        let leak = T::of(LEAK);
        let pairs = out.iter_mut().zip(z);
        match self {
            Self::Linear => out.copy_from_slice(z),
            Self::Relu => pairs.for_each(|(o, &z)| *o = if z > T::ZERO { z } else { T::ZERO }),
            Self::LeakyRelu => {
                pairs.for_each(|(o, &z)| *o = if z > T::ZERO { z } else { leak * z });
            }
            Self::Gelu => pairs.for_each(|(o, &z)| *o = z * normal_distribution(z)),
            Self::Tanh => pairs.for_each(|(o, &z)| *o = z.tanh()),
            Self::Sigmoid => pairs.for_each(|(o, &z)| *o = sigmoid(z)),
        }
    }

    /// Multiplies every entry of `delta` by f′(z).
    pub fn chain<T: Real>(self, z: &[T], delta: &mut [T]) {
        let leak = T::of(LEAK);
        let pairs = delta.iter_mut().zip(z);
        match self {
            Self::Linear => {}
            Self::Relu => pairs.for_each(|(d, &z)| {
                *d = if z > T::ZERO { *d } else { T::ZERO };
            }),
            Self::LeakyRelu => pairs.for_each(|(d, &z)| {
                *d = if z > T::ZERO { *d } else { leak * *d };
            }),
            Self::Gelu => pairs.for_each(|(d, &z)| {
                *d = *d * (normal_distribution(z) + z * normal_density(z));
            }),
            Self::Tanh => pairs.for_each(|(d, &z)| {
                let value = z.tanh();
                *d = *d * (T::ONE - value * value);
            }),
            Self::Sigmoid => pairs.for_each(|(d, &z)| {
                let value = sigmoid(z);
                *d = *d * value * (T::ONE - value);
            }),
        }
    }

    /// f″(z); 0 at the kinks of rectifiers.
    pub fn curvature(self, z: f64) -> f64 {
        match self {
            Self::Linear | Self::Relu | Self::LeakyRelu => 0.0,
            Self::Gelu => normal_density(z) * (2.0 - z * z),
            Self::Tanh => {
                let value = libm::tanh(z);
                -2.0 * value * (1.0 - value * value)
            }
            Self::Sigmoid => {
                let value = sigmoid(z);
                value * (1.0 - value) * (1.0 - 2.0 * value)
            }
        }
    }
}

/// 1/(1 + e⁻ᶻ) without overflow.
pub fn sigmoid<T: Real>(z: T) -> T {
    if z > T::ZERO {
        T::ONE / (T::ONE + (-z).exp())
    } else {
        let e = z.exp();
        e / (T::ONE + e)
    }
}

fn normal_distribution<T: Real>(z: T) -> T {
    T::of(0.5) * (T::ONE + (z * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

fn normal_density<T: Real>(z: T) -> T {
    const INVERSE_ROOT_TWO_PI: f64 = 0.398_942_280_401_432_7;
    T::of(INVERSE_ROOT_TWO_PI) * (T::of(-0.5) * z * z).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(activation: Activation, z: f64) -> f64 {
        let mut out = [0.0];
        activation.apply(&[z], &mut out);
        out[0]
    }

    /// Values from their definitions, to a few units in the last place.
    #[test]
    fn values_are_those_of_the_definitions() {
        for (activation, z, expected) in [
            (Activation::Linear, -1.5, -1.5),
            (Activation::Relu, -1.5, 0.0),
            (Activation::Relu, 1.5, 1.5),
            (Activation::LeakyRelu, -2.0, -0.02),
            (Activation::Gelu, 1.0, 0.841_344_746_068_542_9),
            (Activation::Gelu, -1.0, -0.158_655_253_931_457_05),
            (Activation::Tanh, 0.5, 0.462_117_157_260_009_8),
            (Activation::Sigmoid, 2.0, 0.880_797_077_977_882_3),
            (Activation::Sigmoid, -800.0, 0.0),
        ] {
            let error = (value(activation, z) - expected).abs();
            assert!(error < 3e-16, "{activation:?} at {z}: {error:e}");
        }
    }

    #[test]
    fn derivatives_agree_with_central_differences() {
        for activation in Activation::ALL {
            for i in -20..=20 {
                let z = f64::from(i) * 0.37 + 0.011;
                let h = 1e-5;
                let slope = (value(activation, z + h) - value(activation, z - h)) / (2.0 * h);
                let mut delta = [1.0];
                activation.chain(&[z], &mut delta);
                assert!((delta[0] - slope).abs() < 1e-9, "{activation:?} at {z}");
                let (mut above, mut below) = ([1.0], [1.0]);
                activation.chain(&[z + h], &mut above);
                activation.chain(&[z - h], &mut below);
                let second = (above[0] - below[0]) / (2.0 * h);
                let error = activation.curvature(z) - second;
                assert!(error.abs() < 1e-9, "{activation:?} at {z}");
            }
        }
    }
}

//! The two precisions a network can be trained in, and what differs between them.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use faer::{Accum, MatMut, MatRef, Par};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A precision, as experiment files name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision, ε = 2⁻²³.
    F32,
    /// Double precision, ε = 2⁻⁵².
    #[default]
    F64,
}

/// f32 or f64. Elementary functions come from `libm`: the same bits on every machine.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Serialize
    + DeserializeOwned
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// Which of the two.
    const PRECISION: Precision;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The spacing of numbers at 1.
    const EPSILON: f64;
    /// Outputs larger than this count as diverged: their squares would soon overflow.
    const DIVERGED: f64;

    /// The nearest number of this precision.
    fn of(value: f64) -> Self;
    /// Exactly.
    fn to_f64(self) -> f64;
    /// Whether this target was observed: one that was not is kept as NaN.
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_observed(self) -> bool {
        self == self
    }
    /// eˣ.
    fn exp(self) -> Self;
    /// tanh x.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;

    /// C ← A B, or C + A B; see [`crate::matrix`].
    fn multiply(
        into: MatMut<'_, Self>,
        accumulate: Accum,
        left: MatRef<'_, Self>,
        right: MatRef<'_, Self>,
    );
}

macro_rules! scalar {
    ($type:ty, $precision:expr, $diverged:expr, $exp:path, $tanh:path, $erf:path) => {
        impl Real for $type {
            const PRECISION: Precision = $precision;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: f64 = <$type>::EPSILON as f64;
            const DIVERGED: f64 = $diverged;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn exp(self) -> Self {
                $exp(self)
            }
            fn tanh(self) -> Self {
                $tanh(self)
            }
            fn erf(self) -> Self {
                $erf(self)
            }
            fn multiply(
                into: MatMut<'_, Self>,
                accumulate: Accum,
                left: MatRef<'_, Self>,
                right: MatRef<'_, Self>,
            ) {
                faer::linalg::matmul::matmul(into, accumulate, left, right, 1.0, Par::Seq);
            }
        }
    };
}

scalar!(
    f32,
    Precision::F32,
    1e15,
    libm::expf,
    libm::tanhf,
    libm::erff
);
scalar!(f64, Precision::F64, 1e100, libm::exp, libm::tanh, libm::erf);

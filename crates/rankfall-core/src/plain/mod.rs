//! The same dynamics with none of the reductions: full width, original inputs, plain double
//! precision, matrices as anyone would write them.
//!
//! It is the yardstick for the reductions, which must agree with it path by path while rounding is
//! harmless, and it shows what rounding does later: singular values below 10⁻¹⁵ of the largest
//! are noise here. It sees the same noise, since S_xx^{1/2} Z is taken with the square root
//! V diag(√s) of S_xx = V diag(s) Vᵀ.

mod classes;
mod counterfactual;
mod engine;
mod strang;

pub use engine::{NoiseOf, Plain, PlainWeights};

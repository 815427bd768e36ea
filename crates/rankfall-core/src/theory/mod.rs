//! What theory says, in closed form: one file per statement.
//!
//! May use `simd`, `random`, `kernels`, `linalg`, `model` and `trajectories`; knows no way to step
//! or to measure.

pub mod averaging;
mod decay;
mod determinant;
pub mod forces;
pub mod stability;
pub mod time_step;

pub use decay::{NoClosedForm, decay_rates, surviving_singular_values};
pub use determinant::{
    account_applies, determinant_law, determinant_law_applies, determinant_rate,
};

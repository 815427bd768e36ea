//! What theory says, in closed form: one file per statement.

mod decay;
mod determinant;

pub use decay::{NoClosedForm, decay_rates, surviving_singular_values};
pub use determinant::{determinant_law, determinant_law_applies};

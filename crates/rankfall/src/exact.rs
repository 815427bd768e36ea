//! The exact engine: two linear layers, in graded columns, with the reductions. Runs and results.

pub mod engine;
pub mod prediction;
pub mod record;

//! The dense engine: networks of any depth with any of the noises. Data, runs, results.

pub mod engine;
pub mod preparation;
pub mod record;
mod tables;

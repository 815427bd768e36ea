//! Experiments on networks given by their layers, in the dense engine: data, runs, results.

pub mod engine;
pub mod preparation;
pub mod results;
pub mod summarise;
mod tables;

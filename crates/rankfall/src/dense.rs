//! Experiments on networks given by their layers, in the dense engine: data, runs, results.

pub mod preparation;
pub mod run;
pub mod summarise;
mod tables;

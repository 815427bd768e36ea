//! Numerics of rankfall: two-layer linear networks under gradient noise.
//!
//! This crate knows no files, no plots and no terminal.

pub mod dense;
pub mod dynamics;
pub mod graded;
pub mod gram;
pub mod lane_math;
pub mod lanes;
pub mod network;
pub mod problem;
pub mod random;

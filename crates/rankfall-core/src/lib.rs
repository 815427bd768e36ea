//! Numerics of rankfall: two-layer linear networks under gradient noise.
//!
//! This crate knows no files, no plots and no terminal.

pub mod dynamics;
pub mod gram;

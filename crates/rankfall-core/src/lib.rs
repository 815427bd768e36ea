//! Numerics of rankfall: two-layer linear networks under gradient noise.
//!
//! This crate knows no files, no plots and no terminal.

pub mod batches;
pub mod block;
pub mod dense;
pub mod dynamics;
pub mod graded;
pub mod ensemble;
pub mod gradient_flow;
pub mod gram;
pub mod increment;
pub mod lane_math;
pub mod lane_problem;
pub mod lanes;
pub mod network;
pub mod observe;
pub mod problem;
pub mod random;
pub mod rates;
pub mod setup;
pub mod state;
pub mod statistics;
pub mod stepper;
pub mod synthetic;
pub mod theory;
pub mod update;

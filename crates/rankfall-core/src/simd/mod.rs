//! Vector arithmetic with the same bits on every processor: numbers of N trajectories side by side
//! ([`lanes`]), slices of them ([`lane_vec`]), single registers ([`registers`]), logarithm and
//! exponential ([`lane_math`]), and which instructions to compile for and choose at run time
//! ([`instructions`]).
//!
//! Uses no other folder.

pub mod instructions;
pub mod lane_math;
pub mod lane_vec;
pub mod lanes;
pub mod registers;

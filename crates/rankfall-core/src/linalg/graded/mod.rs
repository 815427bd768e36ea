//! The graded factor: columns with a power-of-two exponent each, kept orthogonal by rotations
//! from the right.
//!
//! Every update of the dynamics acts from the left, Θ ← (I + S) Θ, so any rotation of the columns
//! from the right changes no observable. One-sided Jacobi rotations make the columns orthogonal:
//! their norms are then the singular values. A small column is only ever rounded relative to its
//! own size, so its logarithm is right however far down it goes.
//!
//! Demmel and Veselić, SIAM J. Matrix Anal. Appl. 13 (1992); Drmač and Veselić, ibid. 29 (2008).

mod columns;
mod jacobi;
mod reflections;

pub use columns::GradedColumns;
pub use jacobi::{Rotate, Rotation, sorted_log_norms};

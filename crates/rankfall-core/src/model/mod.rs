//! What is simulated: data as second moments ([`gram`]), drawn ([`synthetic`]) or given; the
//! problem in the eigenbasis of S_xx ([`problem`]) and how its rows scatter ([`row_moments`], at
//! the optimum [`row_noise`]), or its rows under a loss of classes ([`classification`],
//! [`class_problem`]); initial weights and their reduction in width ([`network`]); the equations of
//! motion ([`dynamics`], [`optimizer`]); and all of it together ([`setup`]).
//!
//! May use `simd`, `random`, `kernels` and `linalg`. Nothing here knows of blocks of trajectories.

pub mod class_problem;
pub mod classification;
pub mod dynamics;
mod graded_moments;
pub mod gram;
pub mod network;
pub mod optimizer;
pub mod problem;
pub mod row_moments;
pub mod row_noise;
pub mod setup;
pub mod synthetic;

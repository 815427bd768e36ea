//! N trajectories side by side, as they are at one moment: their problems ([`lane_problem`]) and
//! the gradients of losses of classes ([`class_gradient`]), their weights and what became of them
//! ([`state`], [`stop_reason`]).
//!
//! May use `simd`, `random`, `kernels`, `linalg` and `model`.

pub mod class_gradient;
pub mod lane_problem;
pub mod state;
pub mod stop_reason;

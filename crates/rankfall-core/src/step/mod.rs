//! How trajectories move: the increment of a step ([`increment`], of losses of classes
//! `class_increment`, [`batches`]), what it does to the weights ([`update`], [`strang`],
//! [`velocity`], [`counterfactual`]), steps in a row ([`stepper`], `small`), adaptive gradient flow
//! ([`gradient_flow`]) and slow flow ([`slow_flow`], [`averaged_noise`]), and a block to be looked
//! at step by step ([`inspector`]).
//!
//! May use everything from `simd` to `theory`; measures nothing.

pub mod averaged_noise;
pub mod batches;
mod class_increment;
pub mod counterfactual;
pub mod gradient_flow;
pub mod increment;
pub mod inspector;
mod ito;
pub mod slow_flow;
mod small;
pub mod stepper;
pub mod strang;
pub mod update;
pub mod velocity;

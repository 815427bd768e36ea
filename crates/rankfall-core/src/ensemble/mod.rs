//! Many trajectories: a block of them from start to end ([`block`]), blocks over threads with progress and
//! checkpoints ([`runner`], [`threads`]), and their statistics ([`statistics`], [`histogram`]).
//!
//! May use everything but `deep`.

pub mod block;
pub mod histogram;
pub mod runner;
pub mod statistics;
pub mod threads;

pub use runner::{
    Checkpoint, Control, EnsembleSpec, GRACE, Outcome, RunError, Unattended, trajectories_per_block,
};

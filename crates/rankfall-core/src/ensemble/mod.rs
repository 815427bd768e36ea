//! Many trajectories: what an ensemble is ([`spec`], [`own`]), the trajectories of a block and what
//! moves them (`members`), a block from start to end ([`block`]), one without an end
//! ([`open_block`]) and a trajectory alone ([`single`]), blocks over threads with progress and
//! checkpoints ([`blocks`] of this engine in the [`runner`] of any, [`threads`]), and their
//! statistics ([`statistics`], [`histogram`]).
//!
//! May use everything but `deep`.

pub mod block;
pub mod blocks;
pub mod histogram;
mod members;
pub mod open_block;
pub mod own;
pub mod runner;
pub mod single;
pub mod small_noise;
pub mod spec;
pub mod statistics;
pub mod threads;

pub use blocks::Outcome;
pub use own::{OwnObservable, Snapshot};
pub use runner::checkpoint::{EnsembleCheckpoint, PartialStatistics};
pub use runner::control::{Control, GRACE, Unattended};
pub use runner::error::RunError;
pub use runner::trajectories::Trajectories;
pub use spec::{EnsembleSpec, trajectories_per_block};

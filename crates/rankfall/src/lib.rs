//! What gradient noise does to the rank of a network: experiments in, run folders out.
//!
//! The numerics are in `rankfall-core` and `rankfall-nets`, the readers of data in `rankfall-data`, the
//! figures in `rankfall-report`. Nothing here prints or asks: that is for `rankfall-cli`.

pub mod available;
pub mod bundled;
pub mod checkpoint;
pub mod dense;
pub mod doubts;
pub mod engine;
pub mod estimate;
pub mod exact;
pub mod experiment;
pub mod failure;
pub mod given_weights;
pub mod merge;
pub mod preparation;
pub mod results;
pub mod run;
pub mod run_folder;
pub mod save_plan;
pub mod session;
pub mod shard;
pub mod stability;
pub mod summarise;
pub mod survival;
pub mod sweep;
pub mod template;
pub mod watch;

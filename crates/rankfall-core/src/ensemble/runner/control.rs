//! Who watches over a run: is told of its progress, keeps its checkpoints, and may stop it.

use std::time::Duration;

use super::checkpoint::EnsembleCheckpoint;
use crate::ensemble::statistics::Statistics;

/// How long after an interruption workers are waited for, and how long a slice is at most after
/// which nothing is noted of how far a block is.
pub const GRACE: Duration = Duration::from_millis(1000);

/// Who watches over a run.
pub trait Control: Sync {
    /// Whether to stop, saving what there is.
    fn interrupted(&self) -> bool;
    /// Told now and then how many trajectory-steps are done.
    fn progress(&self, done: u64, total: u64);
    /// Told where the system refused some of the threads: `made` of `wanted` do the work, or this
    /// one alone where `made` is 0. Results are the same.
    fn fewer_threads(&self, _made: usize, _wanted: usize) {}
    /// Told after an interruption when workers do not end in time, being inside one long step, and
    /// a checkpoint of what there was before it has been kept. Ending the process now loses nothing
    /// else; whoever returns waits for the workers.
    fn abandon(&self) {}
    /// Handed what there is so far whenever a checkpoint is kept, just before it: a function that
    /// makes it, for those who want it.
    fn so_far(&self, _statistics: &dyn Fn() -> Statistics) {}
    /// How long between two checkpoints.
    fn checkpoint_interval(&self) -> Duration;
    /// Keeps a checkpoint.
    ///
    /// # Errors
    /// In words, when it could not be kept; the run then stops.
    fn keep(&self, checkpoint: &EnsembleCheckpoint) -> Result<(), String>;
}

/// Nobody watches: the run goes on to its end, without progress or checkpoints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unattended;

impl Control for Unattended {
    fn interrupted(&self) -> bool {
        false
    }
    fn progress(&self, _done: u64, _total: u64) {}
    fn checkpoint_interval(&self) -> Duration {
        Duration::MAX
    }
    fn keep(&self, _checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        Ok(())
    }
}

//! Blocks of trajectories over threads, with the same bits for any number of threads, for a run
//! that was stopped and resumed, and for one that was divided into shards.
//!
//! What a block is made of is an implementation of [`trajectories::Trajectories`]: the exact engine
//! ([`crate::ensemble::blocks`]) and networks of any depth (`rankfall-nets`) have one each.

pub mod checkpoint;
pub mod control;
mod coordinator;
pub mod error;
#[cfg(test)]
mod tests;
pub mod trajectories;
mod workers;

use std::ops::Range;

use crate::ensemble::statistics::Statistics;
use crate::ensemble::threads::start_workers;
use checkpoint::{EnsembleCheckpoint, Memory};
use control::Control;
use coordinator::Coordinator;
use error::RunError;
use trajectories::Trajectories;
use workers::{Present, Shared, lock};

/// The statistics of some blocks, and the final weights of trajectory 0 if it is among them and
/// survived.
pub type StatisticsAndWeights<W> = (Statistics, Option<W>);

/// Runs the blocks of a range on `threads` threads, from the start or from a checkpoint. Returns
/// their statistics, which absorb each other to those of the whole, and the final weights of
/// trajectory 0, unless it diverged or belongs to another range.
///
/// # Errors
/// A block that cannot be started; an interruption; a checkpoint that cannot be kept or does not
/// fit.
pub fn run<T: Trajectories>(
    ensemble: &T,
    blocks: Range<u64>,
    threads: usize,
    resume: Option<&EnsembleCheckpoint>,
    control: &dyn Control,
) -> Result<StatisticsAndWeights<T::Weights>, RunError<T::Error>> {
    let memory = match resume {
        Some(checkpoint) => Memory::decode(ensemble, checkpoint, &blocks)?,
        None => Memory::empty(ensemble, blocks.clone()),
    };
    let count = blocks.end.saturating_sub(blocks.start);
    let workers = threads.clamp(1, usize::try_from(count).unwrap_or(usize::MAX).max(1));
    let shared = Shared::new(ensemble, memory, workers);
    let work = |look_up: &mut dyn FnMut()| {
        let _present = Present(&shared);
        if let Err(error) = shared.work(look_up) {
            shared.fail(RunError::Start(error));
        }
    };
    let work = &work;
    std::thread::scope(|scope| {
        let made = start_workers(scope, workers, move || work(&mut || {}));
        let mut coordinator = Coordinator::new(&shared, control);
        *lock(&shared.working) -= workers - made.max(1);
        if made < workers {
            control.fewer_threads(made, workers);
        }
        if made == 0 {
            work(&mut || coordinator.look());
        }
        coordinator.wait();
    });
    if let Some(error) = lock(&shared.failure).take() {
        return Err(error);
    }
    let memory = shared.memory.into_inner();
    let memory = memory.unwrap_or_else(|poisoned| poisoned.into_inner());
    Ok((memory.statistics, memory.weights))
}

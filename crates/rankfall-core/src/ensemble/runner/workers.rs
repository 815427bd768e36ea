//! What the threads of a run do: take blocks, advance them a slice at a time, and note how far they
//! are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::checkpoint::Memory;
use super::control::{Control, GRACE};
use super::error::RunError;
use super::trajectories::Trajectories;
use crate::ensemble::statistics::CellLayout;

/// How long a worker computes between two looks at the world.
pub(super) const SLICE: Duration = Duration::from_millis(5);

/// A mutex whose holder panicked holds nothing half-changed here: every change is one call.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What workers and coordinator share.
pub(super) struct Shared<'a, T: Trajectories> {
    pub(super) ensemble: &'a T,
    pub(super) blocks: Range<u64>,
    form: CellLayout,
    pub(super) memory: Mutex<Memory<T>>,
    next: AtomicU64,
    /// Trajectory-steps of blocks under way.
    done: Mutex<BTreeMap<u64, u64>>,
    pub(super) stop: AtomicBool,
    /// Raised by one for every checkpoint asked for.
    pub(super) wanted: AtomicU64,
    /// How many workers there are, and the news that one ended.
    pub(super) working: Mutex<usize>,
    pub(super) ended: Condvar,
    pub(super) failure: Mutex<Option<RunError<T::Error>>>,
}

/// Counts a worker out when it ends, also by a panic: the coordinator must not wait for one that
/// ended.
pub(super) struct Present<'a, 'b, T: Trajectories>(pub(super) &'a Shared<'b, T>);

impl<T: Trajectories> Drop for Present<'_, '_, T> {
    fn drop(&mut self) {
        *lock(&self.0.working) -= 1;
        self.0.ended.notify_all();
    }
}

impl<'a, T: Trajectories> Shared<'a, T> {
    pub(super) fn new(ensemble: &'a T, memory: Memory<T>, workers: usize) -> Self {
        Self {
            ensemble,
            blocks: memory.finished.range.clone(),
            form: memory.statistics.form().clone(),
            next: AtomicU64::new(memory.finished.below),
            memory: Mutex::new(memory),
            done: Mutex::new(BTreeMap::new()),
            stop: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
            working: Mutex::new(workers),
            ended: Condvar::new(),
            failure: Mutex::new(None),
        }
    }

    pub(super) fn fail(&self, error: RunError<T::Error>) {
        lock(&self.failure).get_or_insert(error);
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_interrupted(&self) -> bool {
        *lock(&self.failure) == Some(RunError::Interrupted)
    }

    /// The next block nobody has taken, with how far it is.
    fn take_block(&self) -> Option<(u64, Option<T::Progress>)> {
        loop {
            let block = self.next.fetch_add(1, Ordering::SeqCst);
            if block >= self.blocks.end {
                return None;
            }
            let memory = lock(&self.memory);
            if !memory.finished.has(block) {
                return Some((block, memory.under_way.get(&block).cloned()));
            }
        }
    }

    pub(super) fn trajectory_steps(&self) -> u64 {
        let sum = |sum: u64, steps: &u64| sum.saturating_add(*steps);
        let running = lock(&self.done).values().fold(0, sum);
        let finished = lock(&self.memory).finished.trajectories;
        finished
            .saturating_mul(self.ensemble.steps())
            .saturating_add(running)
    }

    /// Takes blocks until none is left or the run stops; `look_up` is called between slices.
    pub(super) fn work(&self, look_up: &mut dyn FnMut()) -> Result<(), T::Error> {
        let ensemble = self.ensemble;
        // Slices only decide when to look up; they change no bit.
        let mut slice = 1;
        while !self.stop.load(Ordering::SeqCst) {
            let Some((number, progress)) = self.take_block() else {
                return Ok(());
            };
            let mut block = ensemble.start(number, progress)?;
            let mut answered = self.wanted.load(Ordering::SeqCst);
            loop {
                let clock = Instant::now();
                let finished = ensemble.advance(&mut block, slice);
                if finished {
                    self.finish(number, block);
                    break;
                }
                let steps = ensemble.trajectory_steps(&block);
                lock(&self.done).insert(number, steps);
                look_up();
                let stopping = self.stop.load(Ordering::SeqCst);
                let wanted = self.wanted.load(Ordering::SeqCst);
                if stopping || wanted != answered || clock.elapsed() > GRACE {
                    answered = wanted;
                    let progress = ensemble.progress(&block);
                    lock(&self.memory).under_way.insert(number, progress);
                }
                if stopping {
                    return Ok(());
                }
                slice = match clock.elapsed() < SLICE {
                    true => (slice * 2).min(1 << 40),
                    false => (slice / 2).max(1),
                };
            }
        }
        Ok(())
    }

    fn finish(&self, number: u64, block: T::Block) {
        let (leaf, weights) = self.ensemble.finish(block);
        let condensed = self.form.condense(leaf);
        let trajectories = self.ensemble.trajectories_in(&(number..number + 1));
        let mut memory = lock(&self.memory);
        memory.statistics.insert_condensed(condensed);
        memory.under_way.remove(&number);
        memory.finished.add(number, trajectories);
        memory.weights = match (weights, memory.weights.take()) {
            (Some(block), Some(others)) => Some(self.ensemble.join(block, others)),
            (block, others) => block.or(others),
        };
        drop(memory);
        lock(&self.done).remove(&number);
    }

    /// Hands a checkpoint to `control`. Blocks under way are as of their last answer: a little
    /// behind is as good as now, since they go on to the same bits from anywhere.
    pub(super) fn keep(&self, control: &dyn Control) {
        let memory = lock(&self.memory);
        control.so_far(&|| memory.partial_statistics(self.ensemble));
        let encoded = memory.encode();
        drop(memory);
        let kept = encoded.and_then(|c| control.keep(&c).map_err(RunError::Checkpoint));
        if let Err(error) = kept {
            *lock(&self.failure) = Some(error);
            self.stop.store(true, Ordering::SeqCst);
        }
    }
}

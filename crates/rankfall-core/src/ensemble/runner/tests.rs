//! The runner on trajectories that only count their steps: shards, interruptions, checkpoints.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::checkpoint::{EnsembleCheckpoint, Memory};
use super::control::{Control, Unattended};
use super::coordinator::Coordinator;
use super::error::RunError;
use super::run;
use super::trajectories::Trajectories;
use super::workers::{Shared, lock};
use crate::ensemble::statistics::{BlockSamples, Statistics};

/// Trajectories whose one number is the steps they took, three to a block.
struct Counters {
    trajectories: u64,
    steps: u64,
}

impl Trajectories for Counters {
    type Block = (u64, u64);
    type Progress = (u64, u64);
    type Weights = u64;
    type Error = Never;

    fn trajectories(&self) -> u64 {
        self.trajectories
    }
    fn per_block(&self) -> u64 {
        3
    }
    fn steps(&self) -> u64 {
        self.steps
    }
    fn empty_statistics(&self) -> Statistics {
        Statistics::new(self.trajectories, vec![false], false)
    }
    fn start(&self, block: u64, at: Option<(u64, u64)>) -> Result<(u64, u64), Never> {
        Ok(at.unwrap_or((block, 0)))
    }
    fn advance(&self, block: &mut (u64, u64), steps: u64) -> bool {
        block.1 = (block.1 + steps).min(self.steps);
        block.1 == self.steps
    }
    fn trajectory_steps(&self, block: &(u64, u64)) -> u64 {
        block.1 * 3
    }
    fn progress(&self, block: &(u64, u64)) -> (u64, u64) {
        *block
    }
    fn finish(&self, (block, steps): (u64, u64)) -> (BlockSamples, Option<u64>) {
        let all = self.trajectories_in(&(block..block + 1));
        let first = block * 3;
        let value = |trajectory| (trajectory, vec![(trajectory + steps) as f64]);
        let leaf = BlockSamples {
            block,
            survivors: (first..first + all).map(value).collect(),
            diverged: Vec::new(),
        };
        (leaf, (block == 0).then_some(steps))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("never")]
struct Never(Infallible);

#[test]
fn parts_absorb_each_other_to_the_bits_of_the_whole_on_any_number_of_threads() {
    let ensemble = Counters {
        trajectories: 100,
        steps: 1000,
    };
    let (whole, weights) = run(&ensemble, 0..34, 1, None, &Unattended).expect("runs");
    assert_eq!(weights, Some(1000));
    let mut folded = ensemble.empty_statistics();
    for (part, threads) in [(12..34, 3), (0..5, 2), (5..12, 40)] {
        let (statistics, _) = run(&ensemble, part, threads, None, &Unattended).expect("runs");
        folded.absorb(statistics).expect("fits");
    }
    assert_eq!(folded, whole);
    assert_eq!(whole.totals().survivors(), 100);
}

/// Interrupts when a given number of trajectory-steps is done, and keeps what there was.
struct Until {
    steps: u64,
    kept: Mutex<Option<Statistics>>,
    stop: AtomicBool,
}

impl Control for Until {
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
    fn progress(&self, done: u64, _total: u64) {
        self.stop.fetch_or(done >= self.steps, Ordering::SeqCst);
    }
    fn so_far(&self, statistics: &dyn Fn() -> Statistics) {
        *lock(&self.kept) = Some(statistics());
    }
    fn checkpoint_interval(&self) -> Duration {
        Duration::MAX
    }
    fn keep(&self, _checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn what_there_is_so_far_is_of_ended_trajectories_and_else_of_those_under_way() {
    let ensemble = Counters {
        trajectories: 9,
        steps: 1 << 60,
    };
    let mut memory = Memory::empty(&ensemble, 0..3);
    memory.under_way.insert(1, (1, 5));
    let started = memory.partial_statistics(&ensemble);
    assert!(started.blocks().into_iter().flatten().eq([1]));
    assert_eq!(started.totals().cell(0).mean, 9.0);
    memory.statistics.insert(ensemble.finish((0, 7)).0);
    let ended = memory.partial_statistics(&ensemble);
    assert!(ended.blocks().into_iter().flatten().eq([0]));
    assert_eq!(ended.totals().cell(0).mean, 8.0);
    let control = Until {
        steps: 1,
        kept: Mutex::default(),
        stop: AtomicBool::default(),
    };
    let ended = run(&ensemble, 0..3, 2, None, &control);
    assert_eq!(ended.map(drop), Err(RunError::Interrupted));
    let kept = control.kept.into_inner().expect("whole").expect("kept");
    assert!(!kept.blocks().is_empty());
}

#[test]
fn more_trajectory_steps_than_can_be_counted_are_the_most_that_can() {
    let ensemble = Counters {
        trajectories: 9,
        steps: 1 << 62,
    };
    let mut memory = Memory::empty(&ensemble, 0..3);
    memory.finished.trajectories = 9;
    let shared = Shared::new(&ensemble, memory, 0);
    assert_eq!(shared.trajectory_steps(), u64::MAX);
}

/// Interrupted from the start; counts what it is told, and ends the worker that never answers
/// only when the run gives it up.
struct Impatient<'a, 'b> {
    shared: &'a Shared<'b, Counters>,
    kept: AtomicU64,
    abandoned: AtomicU64,
}

impl Control for Impatient<'_, '_> {
    fn interrupted(&self) -> bool {
        true
    }
    fn progress(&self, _done: u64, _total: u64) {}
    fn checkpoint_interval(&self) -> Duration {
        Duration::MAX
    }
    fn keep(&self, _checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        self.kept.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    fn abandon(&self) {
        assert_eq!(self.kept.load(Ordering::SeqCst), 1, "kept before giving up");
        self.abandoned.fetch_add(1, Ordering::SeqCst);
        *lock(&self.shared.working) = 0;
    }
}

#[test]
fn a_worker_inside_a_long_step_is_given_up_with_a_checkpoint() {
    let ensemble = Counters {
        trajectories: 1,
        steps: 10,
    };
    let memory = Memory::empty(&ensemble, 0..1);
    // One worker that never ends by itself.
    let shared = Shared::new(&ensemble, memory, 1);
    let control = Impatient {
        shared: &shared,
        kept: AtomicU64::new(0),
        abandoned: AtomicU64::new(0),
    };
    Coordinator::new(&shared, &control).wait();
    assert_eq!(control.abandoned.into_inner(), 1);
    assert!(shared.stop.load(Ordering::SeqCst));
}

#[test]
fn a_checkpoint_of_other_blocks_or_other_quantities_is_foreign() {
    let of = |trajectories| Counters {
        trajectories,
        steps: 10,
    };
    let (small, large) = (of(9), of(9000));
    let checkpoint = Memory::empty(&small, 0..3).encode().expect("encodes");
    let foreign = |ensemble: &Counters, blocks: Range<u64>| {
        let ended = run(ensemble, blocks, 1, Some(&checkpoint), &Unattended);
        matches!(ended, Err(RunError::ForeignCheckpoint(_)))
    };
    assert!(!foreign(&small, 0..3));
    assert!(foreign(&small, 0..2), "other blocks");
    assert!(foreign(&large, 0..3), "histograms instead of values");
}

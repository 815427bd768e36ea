//! Blocks of trajectories over threads, with the same bits for any number of threads, for a run that
//! was stopped and resumed, and for one that was divided into shards.
//!
//! What a block is made of is an implementation of [`Trajectories`]: the exact engine
//! ([`crate::ensemble::blocks`]) and networks of any depth (`rankfall-nets`) have one each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ensemble::statistics::{BlockSamples, Form, Statistics};
use crate::ensemble::threads::start_workers;

/// How long a worker computes between two looks at the world.
const SLICE: Duration = Duration::from_millis(5);

/// How often the coordinator reports progress and looks for an interruption.
const TICK: Duration = Duration::from_millis(50);

/// How long after an interruption workers are waited for, and how long a slice is at most after which
/// nothing is noted of how far a block is.
pub const GRACE: Duration = Duration::from_millis(1000);

/// An ensemble as the runner sees it: blocks of trajectories that can be started, advanced for a while,
/// put down, and taken up again to the same bits.
pub trait Trajectories: Sync {
    /// A block under way.
    type Block;
    /// How far a block is: what a checkpoint holds of it.
    type Progress: Clone + Send + Serialize + DeserializeOwned;
    /// What is kept of weights: those of trajectory 0 at its end, and what [`Trajectories::join`] joins to them.
    type Weights: Clone + Send + Serialize + DeserializeOwned;
    /// Why a block cannot be started.
    type Error: Send + std::error::Error + PartialEq;

    /// Trajectories of the whole ensemble.
    fn trajectories(&self) -> u64;
    /// How many of them make a block; the last block may have fewer.
    fn per_block(&self) -> u64;
    /// Steps of each trajectory.
    fn steps(&self) -> u64;
    /// Statistics of this ensemble that have taken nothing in.
    fn empty_statistics(&self) -> Statistics;
    /// Block number `block` from its start, or from where `progress` left it.
    ///
    /// # Errors
    /// Data or weights that cannot be drawn, or do not fit.
    fn start(
        &self,
        block: u64,
        progress: Option<Self::Progress>,
    ) -> Result<Self::Block, Self::Error>;
    /// Takes at most about `steps` steps, measuring at save times; true when the block is done.
    fn advance(&self, block: &mut Self::Block, steps: u64) -> bool;
    /// Steps taken so far, over the trajectories of the block.
    fn trajectory_steps(&self, block: &Self::Block) -> u64;
    /// How far the block is.
    fn progress(&self, block: &Self::Block) -> Self::Progress;
    /// What was measured, and what is kept of its weights: the final ones of trajectory 0 if the block has it
    /// and it survived.
    fn finish(&self, block: Self::Block) -> (BlockSamples, Option<Self::Weights>);
    /// What is kept of one block and of others together; by default what is of the one.
    fn join(&self, block: Self::Weights, _others: Self::Weights) -> Self::Weights {
        block
    }
    /// Whether a block of this ensemble can be as far as that.
    fn fits(&self, _progress: &Self::Progress) -> bool {
        true
    }

    /// Blocks of the whole ensemble: the units that can be divided among threads and machines.
    fn blocks(&self) -> u64 {
        self.trajectories().div_ceil(self.per_block())
    }
    /// How many trajectories a range of blocks has.
    fn trajectories_in(&self, blocks: &Range<u64>) -> u64 {
        let all = self.trajectories();
        let first = |block: u64| block.saturating_mul(self.per_block()).min(all);
        first(blocks.end).saturating_sub(first(blocks.start))
    }
}

/// A checkpoint, opaque and serialisable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint(Vec<u8>);

/// What a checkpoint holds of blocks that are finished, whatever they are made of.
#[derive(Clone, Debug, Deserialize)]
pub struct SoFar {
    /// Of the finished blocks.
    pub statistics: Statistics,
    finished: FinishedBlocks,
}

impl SoFar {
    /// How many trajectories are finished.
    pub fn trajectories(&self) -> u64 {
        self.finished.trajectories
    }
}

impl Checkpoint {
    /// What of it is finished; none where it is damaged.
    pub fn so_far(&self) -> Option<SoFar> {
        // The first two fields of `Memory`, which do not depend on the ensemble.
        postcard::take_from_bytes(&self.0)
            .ok()
            .map(|(so_far, _)| so_far)
    }
}

/// Who watches over a run.
pub trait Control: Sync {
    /// Whether to stop, saving what there is.
    fn interrupted(&self) -> bool;
    /// Told now and then how many trajectory-steps are done.
    fn progress(&self, done: u64, total: u64);
    /// Told where the system refused some of the threads: `made` of `wanted` do the work, or this one
    /// alone where `made` is 0. Results are the same.
    fn fewer_threads(&self, _made: usize, _wanted: usize) {}
    /// Told after an interruption when workers do not end in time, being inside one long step, and a
    /// checkpoint of what there was before it has been kept. Ending the process now loses nothing else;
    /// whoever returns waits for the workers.
    fn abandon(&self) {}
    /// Handed what there is so far whenever a checkpoint is kept, just before it: a function that makes it, for
    /// those who want it.
    fn so_far(&self, _statistics: &dyn Fn() -> Statistics) {}
    /// How long between two checkpoints.
    fn checkpoint_interval(&self) -> Duration;
    /// Keeps a checkpoint.
    ///
    /// # Errors
    /// In words, when it could not be kept; the run then stops.
    fn keep(&self, checkpoint: &Checkpoint) -> Result<(), String>;
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
    fn keep(&self, _checkpoint: &Checkpoint) -> Result<(), String> {
        Ok(())
    }
}

/// How a run ended early; `E` says why a trajectory could not be started.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum RunError<E> {
    /// A trajectory could not be started.
    #[error(transparent)]
    Start(E),
    /// Interrupted; a checkpoint was kept.
    #[error("interrupted")]
    Interrupted,
    /// A checkpoint could not be kept.
    #[error("{0}")]
    Checkpoint(String),
    /// The checkpoint to resume from does not belong to this ensemble.
    #[error("the checkpoint is not one of this run: {0}")]
    ForeignCheckpoint(String),
}

impl<E> RunError<E> {
    /// The same end with another account of why a trajectory could not be started.
    pub fn map_start<F>(self, map: impl FnOnce(E) -> F) -> RunError<F> {
        match self {
            Self::Start(error) => RunError::Start(map(error)),
            Self::Interrupted => RunError::Interrupted,
            Self::Checkpoint(words) => RunError::Checkpoint(words),
            Self::ForeignCheckpoint(words) => RunError::ForeignCheckpoint(words),
        }
    }
}

/// The statistics of some blocks, and the final weights of trajectory 0 if it is among them and survived.
pub type StatisticsAndWeights<W> = (Statistics, Option<W>);

/// Runs the blocks of a range on `threads` threads, from the initial_condition or from a checkpoint. Returns
/// their statistics, which absorb each other to those of the whole, and the final weights of
/// trajectory 0, unless it diverged or belongs to another range.
///
/// # Errors
/// A block that cannot be started; an interruption; a checkpoint that cannot be kept or does not fit.
pub fn run<T: Trajectories>(
    ensemble: &T,
    blocks: Range<u64>,
    threads: usize,
    resume: Option<&Checkpoint>,
    control: &dyn Control,
) -> Result<StatisticsAndWeights<T::Weights>, RunError<T::Error>> {
    let memory = match resume {
        Some(checkpoint) => decode(ensemble, checkpoint, &blocks)?,
        None => Memory {
            statistics: ensemble.empty_statistics(),
            finished: FinishedBlocks::none_of(blocks.clone()),
            under_way: BTreeMap::new(),
            weights: None,
        },
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

/// Which blocks of a range are finished. Blocks are begun in order, so that those beyond the first
/// one that is not finished are few, however long the range is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FinishedBlocks {
    range: Range<u64>,
    /// Every block of the range below this is finished.
    below: u64,
    /// Finished blocks from there on.
    beyond: BTreeSet<u64>,
    trajectories: u64,
}

impl FinishedBlocks {
    fn none_of(range: Range<u64>) -> Self {
        Self {
            below: range.start,
            range,
            beyond: BTreeSet::new(),
            trajectories: 0,
        }
    }

    fn has(&self, block: u64) -> bool {
        block < self.below || self.beyond.contains(&block)
    }

    fn add(&mut self, block: u64, trajectories: u64) {
        self.trajectories += trajectories;
        self.beyond.insert(block);
        while self.beyond.remove(&self.below) {
            self.below += 1;
        }
    }
}

/// Everything needed to go on with an ensemble: finished blocks folded, others as far as they are.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Memory<T: Trajectories> {
    statistics: Statistics,
    finished: FinishedBlocks,
    under_way: BTreeMap<u64, T::Progress>,
    weights: Option<T::Weights>,
}

fn encode<T: Trajectories>(memory: &Memory<T>) -> Result<Checkpoint, RunError<T::Error>> {
    postcard::to_stdvec(memory)
        .map(Checkpoint)
        .map_err(|e| RunError::Checkpoint(e.to_string()))
}

fn decode<T: Trajectories>(
    ensemble: &T,
    checkpoint: &Checkpoint,
    blocks: &Range<u64>,
) -> Result<Memory<T>, RunError<T::Error>> {
    let foreign = |why: String| Err(RunError::ForeignCheckpoint(why));
    let mut memory: Memory<T> = match postcard::from_bytes(&checkpoint.0) {
        Ok(memory) => memory,
        Err(error) => return foreign(error.to_string()),
    };
    let finished = &memory.finished;
    if finished.range != *blocks {
        return foreign(format!(
            "it has blocks {:?}, not {blocks:?}",
            finished.range
        ));
    }
    // Into empty ones of this ensemble: those of another are found out.
    let mut statistics = ensemble.empty_statistics();
    if let Err(why) = statistics.absorb(memory.statistics) {
        return foreign(why);
    }
    memory.statistics = statistics;
    match memory
        .under_way
        .values()
        .all(|progress| ensemble.fits(progress))
    {
        true => Ok(memory),
        false => foreign("its network has another shape".to_owned()),
    }
}

/// The statistics of the trajectories that are at their end. As long as there is none, of those under way as far as
/// they are: what they have not reached is undefined.
fn so_far<T: Trajectories>(ensemble: &T, memory: &Memory<T>) -> Statistics {
    let mut statistics = memory.statistics.clone();
    if !statistics.blocks().is_empty() {
        return statistics;
    }
    let cells = statistics.form().cells();
    for (&number, progress) in &memory.under_way {
        // A block that was begun before can be begun again.
        let Ok(block) = ensemble.start(number, Some(progress.clone())) else {
            continue;
        };
        let (mut leaf, _) = ensemble.finish(block);
        for (_, values) in &mut leaf.survivors {
            values.resize(cells, f64::NAN);
        }
        statistics.insert(leaf);
    }
    statistics
}

/// A mutex whose holder panicked holds nothing half-changed here: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What workers and coordinator share.
struct Shared<'a, T: Trajectories> {
    ensemble: &'a T,
    blocks: Range<u64>,
    form: Form,
    memory: Mutex<Memory<T>>,
    next: AtomicU64,
    /// Trajectory-steps of blocks under way.
    done: Mutex<BTreeMap<u64, u64>>,
    stop: AtomicBool,
    /// Raised by one for every checkpoint asked for.
    wanted: AtomicU64,
    /// How many workers there are, and the news that one ended.
    working: Mutex<usize>,
    ended: Condvar,
    failure: Mutex<Option<RunError<T::Error>>>,
}

/// Counts a worker out when it ends, also by a panic: the coordinator must not wait for one that ended.
struct Present<'a, 'b, T: Trajectories>(&'a Shared<'b, T>);

impl<T: Trajectories> Drop for Present<'_, '_, T> {
    fn drop(&mut self) {
        *lock(&self.0.working) -= 1;
        self.0.ended.notify_all();
    }
}

impl<'a, T: Trajectories> Shared<'a, T> {
    fn new(ensemble: &'a T, memory: Memory<T>, workers: usize) -> Self {
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

    fn fail(&self, error: RunError<T::Error>) {
        lock(&self.failure).get_or_insert(error);
        self.stop.store(true, Ordering::SeqCst);
    }

    fn is_interrupted(&self) -> bool {
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

    fn trajectory_steps(&self) -> u64 {
        let running: u64 = lock(&self.done).values().sum();
        running + lock(&self.memory).finished.trajectories * self.ensemble.steps()
    }

    /// Takes blocks until none is left or the run stops; `look_up` is called between slices.
    fn work(&self, look_up: &mut dyn FnMut()) -> Result<(), T::Error> {
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

    /// Hands a checkpoint to `control`. Blocks under way are as of their last answer: a little behind
    /// is as good as now, since they go on to the same bits from anywhere.
    fn keep(&self, control: &dyn Control) {
        let memory = lock(&self.memory);
        control.so_far(&|| so_far(self.ensemble, &memory));
        let encoded = encode(&*memory);
        drop(memory);
        let kept = encoded.and_then(|c| control.keep(&c).map_err(RunError::Checkpoint));
        if let Err(error) = kept {
            *lock(&self.failure) = Some(error);
            self.stop.store(true, Ordering::SeqCst);
        }
    }
}

/// Reports progress, asks for checkpoints and passes an interruption on.
struct Coordinator<'a, 'b, T: Trajectories> {
    shared: &'a Shared<'b, T>,
    /// Trajectory-steps in all.
    total: u64,
    control: &'a dyn Control,
    last_checkpoint: Instant,
    asked: bool,
    /// When workers were told to stop.
    stopped: Option<Instant>,
}

impl<'a, 'b, T: Trajectories> Coordinator<'a, 'b, T> {
    fn new(shared: &'a Shared<'b, T>, control: &'a dyn Control) -> Self {
        let trajectories = shared.ensemble.trajectories_in(&shared.blocks);
        Self {
            shared,
            total: trajectories.saturating_mul(shared.ensemble.steps()),
            control,
            last_checkpoint: Instant::now(),
            asked: false,
            stopped: None,
        }
    }

    fn report(&self) {
        let done = self.shared.trajectory_steps();
        self.control.progress(done, self.total);
    }

    /// Looks once at everything there is to look at.
    fn look(&mut self) {
        let (shared, control) = (self.shared, self.control);
        self.report();
        if control.interrupted() && !shared.stop.load(Ordering::SeqCst) {
            shared.fail(RunError::Interrupted);
            self.stopped = Some(Instant::now());
        }
        if self.asked && self.last_checkpoint.elapsed() > SLICE * 8 {
            self.asked = false;
            shared.keep(control);
        } else if !self.asked && self.last_checkpoint.elapsed() >= control.checkpoint_interval() {
            self.asked = true;
            self.last_checkpoint = Instant::now();
            shared.wanted.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Once, when workers take too long to end: keeps what they noted last, and says so.
    fn give_up_late_workers(&mut self) {
        if self.stopped.is_none_or(|since| since.elapsed() < GRACE) {
            return;
        }
        self.stopped = None;
        if self.shared.is_interrupted() {
            self.shared.keep(self.control);
        }
        if self.shared.is_interrupted() {
            self.control.abandon();
        }
    }

    /// Looks now and then until all workers ended.
    fn wait(&mut self) {
        let shared = self.shared;
        loop {
            let working = lock(&shared.working);
            let waited = shared
                .ended
                .wait_timeout_while(working, TICK, |working| *working > 0);
            let (working, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
            if *working == 0 {
                break;
            }
            drop(working);
            self.look();
            self.give_up_late_workers();
        }
        self.report();
        if shared.is_interrupted() {
            shared.keep(self.control);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn finished_blocks_are_remembered_in_little_room() {
        let mut finished = FinishedBlocks::none_of(100..200);
        assert!(finished.has(99) && !finished.has(100));
        for block in [100, 102, 104, 103] {
            finished.add(block, 8);
        }
        assert!(finished.has(100) && !finished.has(101) && finished.has(104));
        assert_eq!((finished.below, finished.beyond.len()), (101, 3));
        finished.add(101, 5);
        assert_eq!((finished.below, finished.beyond.len()), (105, 0));
        assert_eq!(finished.trajectories, 37);
    }

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
        fn keep(&self, _checkpoint: &Checkpoint) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn what_there_is_so_far_is_of_ended_trajectories_and_else_of_those_under_way() {
        let ensemble = Counters {
            trajectories: 9,
            steps: 1 << 60,
        };
        let mut memory = Memory {
            statistics: ensemble.empty_statistics(),
            finished: FinishedBlocks::none_of(0..3),
            under_way: BTreeMap::from([(1, (1, 5))]),
            weights: None,
        };
        let started = so_far(&ensemble, &memory);
        assert!(started.blocks().into_iter().flatten().eq([1]));
        assert_eq!(started.totals().cell(0).mean, 9.0);
        memory.statistics.insert(ensemble.finish((0, 7)).0);
        let ended = so_far(&ensemble, &memory);
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

    /// Interrupted from the initial_condition; counts what it is told, and ends the worker that never answers
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
        fn keep(&self, _checkpoint: &Checkpoint) -> Result<(), String> {
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
        let memory = Memory {
            statistics: ensemble.empty_statistics(),
            finished: FinishedBlocks::none_of(0..1),
            under_way: BTreeMap::new(),
            weights: None,
        };
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
        let (small, large) = (
            Counters {
                trajectories: 9,
                steps: 10,
            },
            Counters {
                trajectories: 9000,
                steps: 10,
            },
        );
        let memory = Memory::<Counters> {
            statistics: small.empty_statistics(),
            finished: FinishedBlocks::none_of(0..3),
            under_way: BTreeMap::new(),
            weights: None,
        };
        let checkpoint = encode(&memory).expect("encodes");
        let foreign = |ensemble: &Counters, blocks: Range<u64>| {
            let ended = run(ensemble, blocks, 1, Some(&checkpoint), &Unattended);
            matches!(ended, Err(RunError::ForeignCheckpoint(_)))
        };
        assert!(!foreign(&small, 0..3));
        assert!(foreign(&small, 0..2), "other blocks");
        assert!(foreign(&large, 0..3), "histograms instead of values");
    }
}

//! Many trajectories of one dynamics, block by block over threads, with the same bits for any
//! number of threads and for a run that was stopped and resumed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ensemble::block::{Block, Progress};
use crate::ensemble::statistics::{Form, Statistics};
use crate::ensemble::threads::start_workers;
use crate::kernels::rowwise;
use crate::measure::force_balance::BalanceSettings;
use crate::measure::layout::Layout;
use crate::model::dynamics::{Dynamics, Kind};
use crate::model::network::Weights;
use crate::model::setup::{InitialCondition as Beginning, Setup, SetupError};
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{BLOCK, HALF_BLOCK};

/// How long a worker computes between two looks at the world.
const SLICE: Duration = Duration::from_millis(5);

/// How often the coordinator reports progress and looks for an interruption.
const TICK: Duration = Duration::from_millis(50);

/// How long after an interruption workers are waited for, and how long a slice is at most after which
/// nothing is noted of how far a block is.
pub const GRACE: Duration = Duration::from_millis(1000);

/// One dynamics of an ensemble, and what is to be saved of it.
#[derive(Clone, Debug)]
pub struct EnsembleSpec {
    /// What moves the weights.
    pub dynamics: Dynamics,
    /// Tells the noise of several dynamics apart; equal streams share their noise.
    pub stream: u32,
    /// How many trajectories.
    pub trajectories: u64,
    /// Steps at which everything is measured: 0 first, rising.
    pub save_steps: Vec<u64>,
    /// t per step.
    pub time_unit: f64,
    /// Relative tolerance of the numerical rank.
    pub rank_tolerance: f64,
    /// Whether every trajectory's measurements are kept.
    pub keep_trajectories: bool,
    /// Whether to use the exact reductions; without them everything is plain double precision at
    /// full width, slow, and wrong once singular values fall below rounding.
    pub reductions: bool,
    /// Steps between two points of the grid on which the forces on the eigenvalues are weighed, at
    /// least 1; none where they are not. Of the stochastic gradient flow, with reductions, only.
    pub force_balance: Option<u64>,
}

/// Networks with p + k of at least this go in blocks of [`HALF_BLOCK`]: from about here on the weights of
/// [`BLOCK`] trajectories, beside their rotations, leave the nearer caches. Where those hold two million bytes
/// eight were faster by a third to a half at 48 to 74 rows; where they hold less, four by a tenth to a sixth.
const HALF_FROM_ROWS: usize = 80;

/// How many trajectories with p + k = `rows` go side by side: a block or half of one, or one where it is
/// alone (it has the same bits, and wastes no lanes on nothing) or has rows enough for the registers by
/// itself.
pub fn trajectories_per_block(rows: usize, trajectories: u64) -> u64 {
    if trajectories == 1 || rowwise::applies::<1>(rows) {
        1
    } else if rows >= HALF_FROM_ROWS {
        HALF_BLOCK as u64
    } else {
        BLOCK as u64
    }
}

/// What a finished ensemble, or a finished part of one, leaves.
pub struct Outcome {
    /// What was measured, in the order of the cells of one save time.
    pub layout: Layout,
    /// Statistics; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Final weights of trajectory 0, unless it diverged or belongs to another part.
    pub final_weights: Option<Weights>,
}

/// Everything needed to go on with an ensemble: finished blocks folded, others as far as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = ""))]
struct Memory<const N: usize> {
    statistics: Statistics,
    finished: FinishedBlocks,
    under_way: BTreeMap<u64, Progress<N>>,
    final_weights: Option<[Vec<f64>; 2]>,
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

/// A checkpoint, opaque and serialisable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint(Vec<u8>);

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

/// How a run ended early.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum RunError {
    /// A trajectory could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
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

impl EnsembleSpec {
    /// Trajectories that are run: one where all would be the same.
    pub fn effective_trajectories(&self, setup: &Setup) -> u64 {
        if setup.is_shared() && self.dynamics.is_deterministic() {
            1
        } else {
            self.trajectories
        }
    }

    /// Blocks of trajectories: the units that can be divided among threads and machines.
    pub fn blocks(&self, setup: &Setup) -> u64 {
        let trajectories = self.effective_trajectories(setup);
        trajectories.div_ceil(trajectories_per_block(setup.rows(), trajectories))
    }

    /// How many trajectories a range of blocks has.
    pub fn trajectories_in(&self, setup: &Setup, blocks: &Range<u64>) -> u64 {
        let all = self.effective_trajectories(setup);
        let per_block = trajectories_per_block(setup.rows(), all);
        let first = |block: u64| block.saturating_mul(per_block).min(all);
        first(blocks.end).saturating_sub(first(blocks.start))
    }

    /// Statistics of this ensemble that have taken nothing in, to absorb those of its parts.
    pub fn empty_statistics(&self, layout: &Layout) -> Statistics {
        new_statistics(self, layout)
    }

    /// What is measured, in order, for p inputs, k outputs and m columns.
    pub fn layout(&self, inputs: usize, outputs: usize, columns: usize, truth: bool) -> Layout {
        let layout = Layout::new(inputs, outputs, columns, truth);
        // Any number of samples will do to tell whether there is a balance.
        match self.balance_settings(1) {
            Some(_) => layout.with_force_balance(),
            None => layout,
        }
    }

    /// How forces are weighed, where they are.
    pub(crate) fn balance_settings(&self, samples: u64) -> Option<BalanceSettings> {
        let stride = self.force_balance.filter(|_| self.reductions)?;
        match self.dynamics.kind {
            Kind::StochasticGradientFlow {
                time_step, forces, ..
            } => Some(BalanceSettings {
                scales: forces,
                nu: self.dynamics.noise_intensity(samples),
                time_step,
                stride: stride.max(1),
            }),
            _ => None,
        }
    }

    /// Runs the ensemble on `threads` threads, from the beginning or from a checkpoint.
    ///
    /// # Errors
    /// A trajectory that cannot be set up; an interruption; a checkpoint that cannot be kept or
    /// does not fit.
    pub fn run(
        &self,
        setup: &Setup,
        threads: usize,
        resume: Option<&Checkpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError> {
        let all = 0..self.blocks(setup);
        self.run_part(setup, all, threads, resume, control, instructions)
    }

    /// Runs some of the blocks: the statistics of parts absorb each other to those of the whole.
    ///
    /// # Errors
    /// As for [`EnsembleSpec::run`].
    pub fn run_part(
        &self,
        setup: &Setup,
        blocks: Range<u64>,
        threads: usize,
        resume: Option<&Checkpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError> {
        let mut spec = self.clone();
        spec.trajectories = self.effective_trajectories(setup);
        let part = Part {
            spec: &spec,
            setup,
            total: (self.trajectories_in(setup, &blocks)).saturating_mul(spec.last_step()),
            blocks,
            instructions,
        };
        const HALF: u64 = HALF_BLOCK as u64;
        match trajectories_per_block(setup.rows(), spec.trajectories) {
            1 => run_blocks::<1>(&part, threads, resume, control),
            HALF => run_blocks::<HALF_BLOCK>(&part, threads, resume, control),
            _ => run_blocks::<BLOCK>(&part, threads, resume, control),
        }
    }

    fn last_step(&self) -> u64 {
        self.save_steps.last().copied().unwrap_or(0)
    }
}

/// Some blocks of an ensemble.
struct Part<'a> {
    spec: &'a EnsembleSpec,
    setup: &'a Setup,
    blocks: Range<u64>,
    /// Trajectory-steps in all.
    total: u64,
    instructions: Instructions,
}

fn encode<const N: usize>(memory: &Memory<N>) -> Result<Checkpoint, RunError>
where
    Memory<N>: Serialize,
{
    postcard::to_stdvec(memory)
        .map(Checkpoint)
        .map_err(|e| RunError::Checkpoint(e.to_string()))
}

fn decode<const N: usize>(
    checkpoint: &Checkpoint,
    blocks: &Range<u64>,
) -> Result<Memory<N>, RunError>
where
    Memory<N>: DeserializeOwned,
{
    let foreign = |why: String| RunError::ForeignCheckpoint(why);
    let memory: Memory<N> =
        postcard::from_bytes(&checkpoint.0).map_err(|e| foreign(e.to_string()))?;
    if memory.finished.range != *blocks {
        return Err(foreign(format!(
            "it has blocks {:?}, not {blocks:?}",
            memory.finished.range
        )));
    }
    Ok(memory)
}

/// Counts a worker out when it ends, also by a panic: the coordinator must not wait for the dead.
struct Present<'a, const N: usize>(&'a Shared<N>);

impl<const N: usize> Drop for Present<'_, N> {
    fn drop(&mut self) {
        *lock(&self.0.working) -= 1;
        self.0.ended.notify_all();
    }
}

/// What workers and coordinator share.
struct Shared<const N: usize> {
    memory: Mutex<Memory<N>>,
    next: AtomicU64,
    /// Trajectory-steps of blocks under way.
    done: Mutex<BTreeMap<u64, u64>>,
    stop: AtomicBool,
    /// Raised by one for every checkpoint asked for.
    wanted: AtomicU64,
    /// How many workers there are, and the news that one ended.
    working: Mutex<usize>,
    ended: Condvar,
    failure: Mutex<Option<RunError>>,
}

fn run_blocks<const N: usize>(
    part: &Part<'_>,
    threads: usize,
    resume: Option<&Checkpoint>,
    control: &dyn Control,
) -> Result<Outcome, RunError> {
    let setup = part.setup;
    let Beginning { problem, start } = setup.beginning(0)?;
    let layout = part.spec.layout(
        problem.inputs,
        problem.outputs,
        start.reduced_width(),
        problem.truth.is_some(),
    );
    let beginning = setup.is_shared().then_some(Beginning { problem, start });
    let memory = match resume {
        Some(checkpoint) => decode::<N>(checkpoint, &part.blocks)?,
        None => Memory {
            statistics: new_statistics(part.spec, &layout),
            finished: FinishedBlocks::none_of(part.blocks.clone()),
            under_way: BTreeMap::new(),
            final_weights: None,
        },
    };
    let count = part.blocks.end.saturating_sub(part.blocks.start);
    let workers = threads.clamp(1, usize::try_from(count).unwrap_or(usize::MAX).max(1));
    let shared = Shared {
        next: AtomicU64::new(memory.finished.below),
        memory: Mutex::new(memory),
        done: Mutex::new(BTreeMap::new()),
        stop: AtomicBool::new(false),
        wanted: AtomicU64::new(0),
        working: Mutex::new(workers),
        ended: Condvar::new(),
        failure: Mutex::new(None),
    };
    let run = |look_up: &mut dyn FnMut()| {
        let _present = Present(&shared);
        if let Err(error) = work(&shared, part, beginning.as_ref(), look_up) {
            shared.fail(error);
        }
    };
    let run = &run;
    std::thread::scope(|scope| {
        let made = start_workers(scope, workers, move || run(&mut || {}));
        let mut coordinator = Coordinator::new(&shared, part, control);
        *lock(&shared.working) -= workers - made.max(1);
        if made < workers {
            control.fewer_threads(made, workers);
        }
        if made == 0 {
            run(&mut || coordinator.look());
        }
        coordinator.wait();
    });
    if let Some(error) = lock(&shared.failure).take() {
        return Err(error);
    }
    let memory = shared
        .memory
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let final_weights = memory
        .final_weights
        .map(|[w1, w2]| weights_from(w1, w2, setup.width));
    Ok(Outcome {
        layout,
        statistics: memory.statistics,
        final_weights,
    })
}

fn new_statistics(spec: &EnsembleSpec, layout: &Layout) -> Statistics {
    let of_save: Vec<bool> = layout
        .observables
        .iter()
        .map(|o| o.name.starts_with("log_") || o.name.starts_with("contribution_"))
        .collect();
    let cells = of_save.repeat(spec.save_steps.len());
    Statistics::new(spec.trajectories, cells, spec.keep_trajectories)
}

/// A mutex whose holder panicked holds nothing half-changed here: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl<const N: usize> Shared<N> {
    fn fail(&self, error: RunError) {
        lock(&self.failure).get_or_insert(error);
        self.stop.store(true, Ordering::SeqCst);
    }

    /// The next block nobody has taken, with how far it is.
    fn take_block(&self, blocks: &Range<u64>) -> Option<(u64, Option<Progress<N>>)> {
        loop {
            let block = self.next.fetch_add(1, Ordering::SeqCst);
            if block >= blocks.end {
                return None;
            }
            let memory = lock(&self.memory);
            if !memory.finished.has(block) {
                return Some((block, memory.under_way.get(&block).cloned()));
            }
        }
    }

    fn total_done(&self, steps: u64) -> u64 {
        let running: u64 = lock(&self.done).values().sum();
        running + lock(&self.memory).finished.trajectories * steps
    }
}

/// Takes blocks until none is left or the run stops.
/// `beginning` is where all trajectories begin, if they begin at one place; `look_up` is called
/// between slices.
fn work<const N: usize>(
    shared: &Shared<N>,
    part: &Part<'_>,
    beginning: Option<&Beginning>,
    look_up: &mut dyn FnMut(),
) -> Result<(), RunError> {
    let form = lock(&shared.memory).statistics.form().clone();
    while !shared.stop.load(Ordering::SeqCst) {
        let Some((number, progress)) = shared.take_block(&part.blocks) else {
            return Ok(());
        };
        let mut block = Block::<N>::new(
            part.spec,
            part.setup,
            beginning,
            number,
            progress,
            part.instructions,
        )?;
        let mut answered = shared.wanted.load(Ordering::SeqCst);
        let mut steps = 16;
        loop {
            let clock = Instant::now();
            let finished = block.advance(steps);
            lock(&shared.done).insert(number, block.trajectory_steps());
            if finished {
                finish(shared, part, &form, &mut block, number);
                break;
            }
            look_up();
            let stopping = shared.stop.load(Ordering::SeqCst);
            let wanted = shared.wanted.load(Ordering::SeqCst);
            if stopping || wanted != answered || clock.elapsed() > GRACE {
                answered = wanted;
                lock(&shared.memory)
                    .under_way
                    .insert(number, block.progress());
            }
            if stopping {
                return Ok(());
            }
            // Slices only decide when to look up; they change no bit.
            steps = if clock.elapsed() < SLICE {
                (steps * 2).min(1 << 40)
            } else {
                (steps / 2).max(1)
            };
        }
    }
    Ok(())
}

fn finish<const N: usize>(
    shared: &Shared<N>,
    part: &Part<'_>,
    form: &Form,
    block: &mut Block<'_, N>,
    number: u64,
) {
    let leaf = block.take_leaf();
    let weights = (number == 0 && leaf.survivors.first().is_some_and(|&(t, _)| t == 0))
        .then(|| weights_to(&block.weights(0)));
    let used = (part.spec.trajectories - number * N as u64).min(N as u64);
    let condensed = form.condense(leaf);
    let mut memory = lock(&shared.memory);
    memory.statistics.insert_condensed(condensed);
    memory.under_way.remove(&number);
    memory.finished.add(number, used);
    memory.final_weights = weights.or(memory.final_weights.take());
    drop(memory);
    lock(&shared.done).remove(&number);
}

/// Reports progress, asks for checkpoints and passes an interruption on.
struct Coordinator<'a, const N: usize> {
    shared: &'a Shared<N>,
    part: &'a Part<'a>,
    control: &'a dyn Control,
    last_checkpoint: Instant,
    asked: bool,
    /// When workers were told to stop.
    stopped: Option<Instant>,
}

impl<'a, const N: usize> Coordinator<'a, N> {
    fn new(shared: &'a Shared<N>, part: &'a Part<'a>, control: &'a dyn Control) -> Self {
        Self {
            shared,
            part,
            control,
            last_checkpoint: Instant::now(),
            asked: false,
            stopped: None,
        }
    }

    fn report(&self) {
        let done = self.shared.total_done(self.part.spec.last_step());
        self.control.progress(done, self.part.total);
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
            keep(shared, control);
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
        if *lock(&self.shared.failure) == Some(RunError::Interrupted) {
            keep(self.shared, self.control);
        }
        if *lock(&self.shared.failure) == Some(RunError::Interrupted) {
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
        if *lock(&shared.failure) == Some(RunError::Interrupted) {
            keep(shared, self.control);
        }
    }
}

/// Hands a checkpoint to `control`. Blocks under way are as of their last answer: a little behind
/// is as good as now, since they go on to the same bits from anywhere.
fn keep<const N: usize>(shared: &Shared<N>, control: &dyn Control) {
    let encoded = encode(&*lock(&shared.memory));
    let kept = encoded.and_then(|c| control.keep(&c).map_err(RunError::Checkpoint));
    if let Err(error) = kept {
        let mut failure = lock(&shared.failure);
        *failure = Some(error);
        shared.stop.store(true, Ordering::SeqCst);
    }
}

fn weights_to(weights: &Weights) -> [Vec<f64>; 2] {
    [&weights.w1, &weights.w2].map(|w| {
        (0..w.ncols())
            .flat_map(|j| w.col_as_slice(j).iter().copied())
            .collect()
    })
}

fn weights_from(w1: Vec<f64>, w2: Vec<f64>, width: usize) -> Weights {
    let (inputs, outputs) = (w1.len() / width, w2.len() / width);
    Weights {
        w1: faer::Mat::from_fn(inputs, width, |i, j| w1[j * inputs + i]),
        w2: faer::Mat::from_fn(width, outputs, |i, j| w2[j * width + i]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Initialisation;
    use crate::model::problem::Problem;
    use crate::model::setup::Source;
    use crate::model::synthetic::{Covariance, Synthetic, Teacher};
    use std::sync::Arc;

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

    fn small_setup() -> Setup {
        let recipe = Synthetic {
            samples: 10,
            inputs: 2,
            outputs: 1,
            covariance: Covariance::Identity,
            teacher: Teacher::Gaussian,
            residual_noise: 0.0,
        };
        let draw = recipe.draw(1, 0, false).expect("draws");
        let problem = Problem::new(&draw.gram, None, None).expect("a problem");
        Setup {
            source: Source::Shared(Arc::new(problem)),
            initialisation: Initialisation::Gaussian {
                scale: 1.0,
                smallest_singular_value: None,
            },
            width: 4,
            seed: 1,
            each_start: false,
        }
    }

    fn descent(steps: u64) -> EnsembleSpec {
        EnsembleSpec {
            dynamics: Dynamics {
                kind: Kind::GradientDescent,
                step_size: 1e-3,
                label_noise: 0.0,
                optimizer: Default::default(),
            },
            stream: 0,
            trajectories: 1,
            save_steps: vec![0, steps],
            time_unit: 1e-3,
            rank_tolerance: 1e-3,
            keep_trajectories: false,
            reductions: true,
            force_balance: None,
        }
    }

    /// Interrupted from the beginning; counts what it is told, and ends the worker that never answers
    /// only when the run gives it up.
    struct Impatient<'a> {
        shared: &'a Shared<1>,
        kept: AtomicU64,
        abandoned: AtomicU64,
    }

    impl Control for Impatient<'_> {
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
        let (setup, spec) = (small_setup(), descent(10));
        let part = Part {
            spec: &spec,
            setup: &setup,
            total: 10,
            blocks: 0..1,
            instructions: Instructions::best(),
        };
        let layout = spec.layout(2, 1, 3, false);
        let shared = Shared::<1> {
            memory: Mutex::new(Memory {
                statistics: new_statistics(&spec, &layout),
                finished: FinishedBlocks::none_of(0..1),
                under_way: BTreeMap::new(),
                final_weights: None,
            }),
            next: AtomicU64::new(0),
            done: Mutex::new(BTreeMap::new()),
            stop: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
            // One that never ends by itself.
            working: Mutex::new(1),
            ended: Condvar::new(),
            failure: Mutex::new(None),
        };
        let control = Impatient {
            shared: &shared,
            kept: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
        };
        Coordinator::new(&shared, &part, &control).wait();
        assert_eq!(control.abandoned.into_inner(), 1);
        assert!(shared.stop.load(Ordering::SeqCst));
    }
}

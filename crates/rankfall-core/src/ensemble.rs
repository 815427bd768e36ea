//! Many trajectories of one dynamics, block by block over threads, with the same bits for any
//! number of threads and for a run that was stopped and resumed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::block::{Block, Progress};
use crate::dynamics::{Dynamics, Kind};
use crate::force_balance::BalanceSettings;
use crate::lanes::{BLOCK, Instructions};
use crate::network::Weights;
use crate::observe::Layout;
use crate::setup::{Setup, SetupError};
use crate::statistics::Statistics;

/// How long a worker computes between two looks at the world.
const SLICE: Duration = Duration::from_millis(5);

/// How often the coordinator reports progress and looks for an interruption.
const TICK: Duration = Duration::from_millis(50);

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

/// What a finished ensemble leaves.
pub struct Outcome {
    /// What was measured, in the order of the cells of one save time.
    pub layout: Layout,
    /// Statistics; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Final weights of trajectory 0, unless it diverged.
    pub final_weights: Option<Weights>,
}

/// Everything needed to go on with an ensemble: finished blocks folded, others as far as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = ""))]
struct Memory<const N: usize> {
    statistics: Statistics,
    finished: Vec<bool>,
    under_way: BTreeMap<u64, Progress<N>>,
    final_weights: Option<[Vec<f64>; 2]>,
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
        let mut spec = self.clone();
        spec.trajectories = self.effective_trajectories(setup);
        // A trajectory has the same bits in a block of one, which wastes no lanes on nothing.
        if spec.trajectories == 1 {
            run_blocks::<1>(&spec, setup, threads, resume, control, instructions)
        } else {
            run_blocks::<BLOCK>(&spec, setup, threads, resume, control, instructions)
        }
    }
}

fn encode<const N: usize>(memory: &Memory<N>) -> Result<Checkpoint, RunError>
where
    Memory<N>: Serialize,
{
    postcard::to_stdvec(memory)
        .map(Checkpoint)
        .map_err(|e| RunError::Checkpoint(e.to_string()))
}

fn decode<const N: usize>(checkpoint: &Checkpoint, blocks: u64) -> Result<Memory<N>, RunError>
where
    Memory<N>: DeserializeOwned,
{
    let foreign = |why: String| RunError::ForeignCheckpoint(why);
    let memory: Memory<N> =
        postcard::from_bytes(&checkpoint.0).map_err(|e| foreign(e.to_string()))?;
    if memory.finished.len() as u64 != blocks {
        return Err(foreign(format!(
            "it has {} blocks, not {blocks}",
            memory.finished.len()
        )));
    }
    Ok(memory)
}

/// Counts a worker out when it ends, also by a panic: the coordinator must not wait for the dead.
struct Present<'a>(&'a AtomicU64);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What workers and coordinator share.
struct Shared<const N: usize> {
    memory: Mutex<Memory<N>>,
    next: AtomicU64,
    /// Trajectory-steps of finished blocks and of those under way, by block.
    done: Mutex<BTreeMap<u64, u64>>,
    stop: AtomicBool,
    /// Raised by one for every checkpoint asked for.
    wanted: AtomicU64,
    working: AtomicU64,
    failure: Mutex<Option<RunError>>,
}

fn run_blocks<const N: usize>(
    spec: &EnsembleSpec,
    setup: &Setup,
    threads: usize,
    resume: Option<&Checkpoint>,
    control: &dyn Control,
    instructions: Instructions,
) -> Result<Outcome, RunError> {
    let blocks = spec.trajectories.div_ceil(N as u64);
    let problem = setup.problem(0)?;
    let columns = setup.start(&problem, 0)?.reduced_width();
    let layout = spec.layout(
        problem.inputs,
        problem.outputs,
        columns,
        problem.truth.is_some(),
    );
    drop(problem);
    let memory = match resume {
        Some(checkpoint) => decode::<N>(checkpoint, blocks)?,
        None => Memory {
            statistics: new_statistics(spec, &layout),
            finished: vec![false; blocks as usize],
            under_way: BTreeMap::new(),
            final_weights: None,
        },
    };
    let shared = Shared {
        memory: Mutex::new(memory),
        next: AtomicU64::new(0),
        done: Mutex::new(BTreeMap::new()),
        stop: AtomicBool::new(false),
        wanted: AtomicU64::new(0),
        working: AtomicU64::new(0),
        failure: Mutex::new(None),
    };
    let workers = threads.clamp(1, blocks as usize);
    shared.working.store(workers as u64, Ordering::SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let _present = Present(&shared.working);
                if let Err(error) = work(&shared, spec, setup, instructions) {
                    shared.fail(error);
                }
            });
        }
        coordinate(&shared, spec, control);
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
    fn take_block(&self) -> Option<(u64, Option<Progress<N>>)> {
        loop {
            let block = self.next.fetch_add(1, Ordering::SeqCst);
            let memory = lock(&self.memory);
            if block as usize >= memory.finished.len() {
                return None;
            }
            if !memory.finished[block as usize] {
                return Some((block, memory.under_way.get(&block).cloned()));
            }
        }
    }

    fn total_done(&self, spec: &EnsembleSpec, steps: u64) -> u64 {
        let running: u64 = lock(&self.done).values().sum();
        let memory = lock(&self.memory);
        let finished = (0..memory.finished.len() as u64).filter(|&b| memory.finished[b as usize]);
        let lanes = |b: u64| (spec.trajectories - b * N as u64).min(N as u64);
        running + finished.map(|b| lanes(b) * steps).sum::<u64>()
    }
}

/// Takes blocks until none is left or the run stops.
fn work<const N: usize>(
    shared: &Shared<N>,
    spec: &EnsembleSpec,
    setup: &Setup,
    instructions: Instructions,
) -> Result<(), RunError> {
    while !shared.stop.load(Ordering::SeqCst) {
        let Some((number, progress)) = shared.take_block() else {
            return Ok(());
        };
        let mut block = Block::<N>::new(spec, setup, number, progress, instructions)?;
        let mut answered = shared.wanted.load(Ordering::SeqCst);
        let mut steps = 16;
        loop {
            let clock = Instant::now();
            let finished = block.advance(steps);
            lock(&shared.done).insert(number, block.trajectory_steps());
            if finished {
                finish(shared, &block, number);
                break;
            }
            let stopping = shared.stop.load(Ordering::SeqCst);
            let wanted = shared.wanted.load(Ordering::SeqCst);
            if stopping || wanted != answered {
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

fn finish<const N: usize>(shared: &Shared<N>, block: &Block<'_, N>, number: u64) {
    let leaf = block.leaf();
    let weights = (number == 0 && leaf.survivors.first().is_some_and(|&(t, _)| t == 0))
        .then(|| weights_to(&block.weights(0)));
    let mut memory = lock(&shared.memory);
    memory.statistics.insert(leaf);
    memory.under_way.remove(&number);
    memory.finished[number as usize] = true;
    memory.final_weights = weights.or(memory.final_weights.take());
    lock(&shared.done).remove(&number);
}

/// Reports progress, asks for checkpoints and passes an interruption on, until all workers ended.
fn coordinate<const N: usize>(shared: &Shared<N>, spec: &EnsembleSpec, control: &dyn Control) {
    let steps = spec.save_steps.last().copied().unwrap_or(0);
    let total = steps * spec.trajectories;
    let mut last_checkpoint = Instant::now();
    let mut asked = false;
    let mut pause = Duration::from_millis(1);
    while shared.working.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(pause);
        // Short runs end within a few milliseconds; long ones need not be watched so closely.
        pause = (pause * 2).min(TICK);
        control.progress(shared.total_done(spec, steps), total);
        if control.interrupted() && !shared.stop.load(Ordering::SeqCst) {
            shared.fail(RunError::Interrupted);
        }
        if asked && last_checkpoint.elapsed() > SLICE * 8 {
            asked = false;
            keep(shared, control);
        } else if !asked && last_checkpoint.elapsed() >= control.checkpoint_interval() {
            asked = true;
            last_checkpoint = Instant::now();
            shared.wanted.fetch_add(1, Ordering::SeqCst);
        }
    }
    control.progress(shared.total_done(spec, steps), total);
    if *lock(&shared.failure) == Some(RunError::Interrupted) {
        keep(shared, control);
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

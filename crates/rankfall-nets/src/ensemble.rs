//! Many trajectories of one training run over threads: the same bits for any number of threads and
//! for a run that was stopped and resumed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use rankfall_core::ensemble::statistics::{BlockSamples as Leaf, Divergence as Diverged, Statistics, StopReason};
use rankfall_core::ensemble::threads::start_workers;
use rankfall_core::ensemble::{Checkpoint, Control, GRACE};
use rankfall_core::simd::instructions::Instructions;

use crate::data::Dataset;
use crate::layout::{Layout, MeasureError, MeasureSpec};
use crate::observe::Observer;
use crate::scalar::Scalar;
use crate::teacher::{TeacherError, TeacherSpec};
use crate::training::{Plan, Trainer, TrainerState, TrainingError, TrainingSpec};

/// How long a worker computes between two looks at the world.
const SLICE: Duration = Duration::from_millis(5);

/// How often the coordinator reports progress and looks for an interruption.
const TICK: Duration = Duration::from_millis(50);

/// Where trajectories get their data.
#[derive(Clone, Debug)]
pub enum Source<T> {
    /// The same for all.
    Shared {
        /// To train on.
        train: Dataset<T>,
        /// Held out, if there is any.
        held_out: Option<Dataset<T>>,
    },
    /// A teacher; a new one, with new inputs, for each trajectory if `each`.
    Teacher {
        /// The recipe.
        spec: TeacherSpec,
        /// Whether each trajectory has its own.
        each: bool,
    },
}

/// An ensemble, and what is to be saved of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleSpec {
    /// The run.
    pub training: TrainingSpec,
    /// How many trajectories.
    pub trajectories: u64,
    /// Whether each has initial weights of its own.
    #[serde(default)]
    pub each_start: bool,
    /// What is measured, and when.
    pub measure: MeasureSpec,
    /// Whether every trajectory's measurements are kept.
    #[serde(default)]
    pub keep_trajectories: bool,
}

/// What a finished ensemble leaves.
#[derive(Clone, Debug)]
pub struct Outcome<T: Scalar> {
    /// What was measured, in the order of the cells of one save.
    pub layout: Layout,
    /// t = Σ η at each save.
    pub times: Vec<f64>,
    /// Trajectories that were run.
    pub trajectories: u64,
    /// Statistics; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Final weights of trajectory 0, unless it diverged.
    pub final_parameters: Option<Vec<T>>,
}

/// How a run ended early.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RunError {
    /// The description, or data that do not fit it.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// What was to be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// A teacher.
    #[error(transparent)]
    Teacher(#[from] TeacherError),
    /// No trajectories.
    #[error("trajectories = 0; there is nothing to run")]
    NoTrajectories,
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

/// A trajectory as far as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Progress<T: Scalar> {
    state: TrainerState<T>,
    /// Measurements so far, save by save.
    values: Vec<f64>,
    saved: usize,
    /// Log determinants of the stacks at the start.
    initial_stacks: Vec<f64>,
}

/// Everything needed to go on: finished trajectories folded, others as far as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Memory<T: Scalar> {
    statistics: Statistics,
    trajectories: u64,
    /// By trajectory; a checkpoint leaves it out, because the statistics know.
    #[serde(skip)]
    finished: Vec<bool>,
    under_way: BTreeMap<u64, Progress<T>>,
    final_parameters: Option<Vec<T>>,
}

/// Data as a trajectory sees them.
type Parts<T> = (Arc<Dataset<T>>, Option<Arc<Dataset<T>>>);

impl EnsembleSpec {
    /// Trajectories that are run: one where all would be the same.
    pub fn effective_trajectories<T: Scalar>(&self, source: &Source<T>) -> u64 {
        let own_data = matches!(source, Source::Teacher { each: true, .. });
        match self.training.noise.is_empty() && !self.each_start && !own_data {
            true => self.trajectories.min(1),
            false => self.trajectories,
        }
    }

    /// Runs the ensemble on `threads` threads, from the beginning or from a checkpoint.
    ///
    /// # Errors
    /// A description that cannot be run; an interruption; a checkpoint that cannot be kept or does
    /// not fit.
    pub fn run<T: Scalar>(
        &self,
        source: &Source<T>,
        threads: usize,
        resume: Option<&Checkpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome<T>, RunError> {
        let plan = Arc::new(Plan::new(&self.training)?);
        let trajectories = self.effective_trajectories(source);
        if trajectories == 0 {
            return Err(RunError::NoTrajectories);
        }
        let run = Run {
            spec: self,
            source,
            instructions,
            shared_data: match source {
                Source::Teacher { each: true, .. } => None,
                _ => Some(draw(&plan, source, &self.training, 0)?),
            },
            plan,
        };
        let first = run.data(0)?;
        self.measure.check(&run.plan, &first.0)?;
        let layout = run.observer(first).layout().clone();
        let memory = match resume {
            Some(checkpoint) => {
                let empty = self.new_statistics(&layout, trajectories);
                decode::<T>(checkpoint, trajectories, &run.plan, empty)?
            }
            None => Memory {
                statistics: self.new_statistics(&layout, trajectories),
                trajectories,
                finished: vec![false; trajectories as usize],
                under_way: BTreeMap::new(),
                final_parameters: None,
            },
        };
        let memory = run.to_the_end(memory, trajectories, threads, control)?;
        Ok(Outcome {
            times: run.plan.times(&self.measure.save_steps),
            trajectories,
            layout,
            statistics: memory.statistics,
            final_parameters: memory.final_parameters,
        })
    }

    fn new_statistics(&self, layout: &Layout, trajectories: u64) -> Statistics {
        let logarithmic = layout
            .observables
            .iter()
            .map(|o| o.name.starts_with("log_"));
        let of_save: Vec<bool> = logarithmic.collect();
        let cells = of_save.repeat(self.measure.save_steps.len());
        Statistics::new(trajectories, cells, self.keep_trajectories)
    }
}

fn draw<T: Scalar>(
    plan: &Plan,
    source: &Source<T>,
    training: &TrainingSpec,
    trajectory: u64,
) -> Result<Parts<T>, RunError> {
    let (train, held_out) = match source {
        Source::Shared { train, held_out } => (train.clone(), held_out.clone()),
        Source::Teacher { spec, .. } => {
            let data = spec.draw(training.seed, trajectory)?;
            (data.train, data.held_out)
        }
    };
    let held_out = held_out.map(|data| plan.fit(data)).transpose()?;
    Ok((Arc::new(plan.fit_training(train)?), held_out.map(Arc::new)))
}

fn encode<T: Scalar>(memory: &Memory<T>) -> Result<Checkpoint, RunError> {
    let failed = |e: postcard::Error| RunError::Checkpoint(e.to_string());
    let bytes = postcard::to_stdvec(memory).map_err(failed)?;
    // A checkpoint is bytes to everyone but its maker; this is its own encoding of them.
    let wrapped = postcard::to_stdvec(&bytes).map_err(failed)?;
    postcard::from_bytes(&wrapped).map_err(failed)
}

fn decode<T: Scalar>(
    checkpoint: &Checkpoint,
    trajectories: u64,
    plan: &Plan,
    mut statistics: Statistics,
) -> Result<Memory<T>, RunError> {
    let foreign = |why: String| RunError::ForeignCheckpoint(why);
    let failed = |e: postcard::Error| foreign(e.to_string());
    let wrapped = postcard::to_stdvec(checkpoint).map_err(failed)?;
    let bytes: Vec<u8> = postcard::from_bytes(&wrapped).map_err(failed)?;
    let mut memory: Memory<T> = postcard::from_bytes(&bytes).map_err(failed)?;
    let count = memory.trajectories;
    if count != trajectories {
        return Err(foreign(format!(
            "it has {count} trajectories, not {trajectories}"
        )));
    }
    // Into empty ones of this ensemble: those of another are found out.
    statistics.absorb(memory.statistics).map_err(foreign)?;
    memory.statistics = statistics;
    memory.finished = vec![false; trajectories as usize];
    for trajectory in memory.statistics.blocks().into_iter().flatten() {
        match memory.finished.get_mut(trajectory as usize) {
            Some(finished) => *finished = true,
            None => return Err(foreign(format!("it has a trajectory {trajectory}"))),
        }
    }
    let fits = |progress: &Progress<T>| progress.state.fits(plan);
    match memory.under_way.values().all(fits) {
        true => Ok(memory),
        false => Err(foreign("its network has another shape".to_owned())),
    }
}

/// A run and what its workers need to know.
struct Run<'a, T: Scalar> {
    spec: &'a EnsembleSpec,
    source: &'a Source<T>,
    instructions: Instructions,
    plan: Arc<Plan>,
    shared_data: Option<Parts<T>>,
}

/// What workers and coordinator share.
struct Shared<T: Scalar> {
    memory: Mutex<Memory<T>>,
    next: AtomicU64,
    /// Steps of finished trajectories, and of those under way.
    done: AtomicU64,
    stop: AtomicBool,
    /// Raised by one for every checkpoint asked for.
    wanted: AtomicU64,
    working: AtomicU64,
    failure: Mutex<Option<RunError>>,
}

/// Counts a worker out when it ends, also by a panic: the coordinator must not wait for the dead.
struct Present<'a>(&'a AtomicU64);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A mutex whose holder panicked holds nothing half-changed here: every change is one call.
fn lock<U>(mutex: &Mutex<U>) -> MutexGuard<'_, U> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl<T: Scalar> Shared<T> {
    fn fail(&self, error: RunError) {
        lock(&self.failure).get_or_insert(error);
        self.stop.store(true, Ordering::SeqCst);
    }

    /// The next trajectory nobody has taken, with how far it is.
    fn take(&self) -> Option<(u64, Option<Progress<T>>)> {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let memory = lock(&self.memory);
            match memory.finished.get(number as usize) {
                None => return None,
                Some(true) => {}
                Some(false) => return Some((number, memory.under_way.get(&number).cloned())),
            }
        }
    }
}

impl<T: Scalar> Run<'_, T> {
    fn data(&self, trajectory: u64) -> Result<Parts<T>, RunError> {
        match &self.shared_data {
            Some(data) => Ok(data.clone()),
            None => draw(&self.plan, self.source, &self.spec.training, trajectory),
        }
    }

    fn observer(&self, (train, held_out): Parts<T>) -> Observer<T> {
        Observer::new(self.plan.clone(), &self.spec.measure, train, held_out)
    }

    fn to_the_end(
        &self,
        memory: Memory<T>,
        trajectories: u64,
        threads: usize,
        control: &dyn Control,
    ) -> Result<Memory<T>, RunError> {
        let steps = self.spec.training.steps;
        let finished = memory.finished.iter().filter(|&&f| f).count() as u64 * steps;
        let begun: u64 = memory.under_way.values().map(|p| p.state.step).sum();
        let workers = threads.clamp(1, trajectories.min(1024) as usize);
        let shared = Shared {
            memory: Mutex::new(memory),
            next: AtomicU64::new(0),
            done: AtomicU64::new(finished + begun),
            stop: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
            working: AtomicU64::new(workers as u64),
            failure: Mutex::new(None),
        };
        let run = |look_up: &mut dyn FnMut()| {
            let _present = Present(&shared.working);
            if let Err(error) = self.work(&shared, look_up) {
                shared.fail(error);
            }
        };
        let run = &run;
        std::thread::scope(|scope| {
            let made = start_workers(scope, workers, move || run(&mut || {}));
            let mut coordinator = Coordinator {
                shared: &shared,
                total: trajectories.saturating_mul(steps),
                control,
                last_checkpoint: Instant::now(),
                asked: false,
                stopped: None,
            };
            let missing = (workers - made.max(1)) as u64;
            shared.working.fetch_sub(missing, Ordering::SeqCst);
            if made < workers {
                control.fewer_threads(made, workers);
            }
            if made == 0 {
                run(&mut || coordinator.look());
            }
            coordinator.wait();
        });
        match lock(&shared.failure).take() {
            Some(error) => Err(error),
            None => Ok(shared
                .memory
                .into_inner()
                .unwrap_or_else(|held| held.into_inner())),
        }
    }

    /// Takes trajectories until none is left or the run stops; `look_up` is called between slices.
    fn work(&self, shared: &Shared<T>, look_up: &mut dyn FnMut()) -> Result<(), RunError> {
        while !shared.stop.load(Ordering::SeqCst) {
            let Some((number, progress)) = shared.take() else {
                return Ok(());
            };
            let mut member = Member::new(self, number, progress)?;
            let mut answered = shared.wanted.load(Ordering::SeqCst);
            let mut steps = 1;
            loop {
                let clock = Instant::now();
                let before = member.trainer.state().step;
                let ended = member.advance(steps);
                let after = match ended {
                    Some(_) => self.spec.training.steps,
                    None => member.trainer.state().step,
                };
                shared.done.fetch_add(after - before, Ordering::SeqCst);
                if let Some(end) = ended {
                    finish(shared, member, end, number);
                    break;
                }
                look_up();
                let stopping = shared.stop.load(Ordering::SeqCst);
                let wanted = shared.wanted.load(Ordering::SeqCst);
                if stopping || wanted != answered || clock.elapsed() > GRACE {
                    answered = wanted;
                    lock(&shared.memory)
                        .under_way
                        .insert(number, member.progress());
                }
                if stopping {
                    return Ok(());
                }
                // Slices only decide when to look up; they change no bit.
                steps = match clock.elapsed() < SLICE {
                    true => (steps * 2).min(1 << 40),
                    false => (steps / 2).max(1),
                };
            }
        }
        Ok(())
    }
}

/// How a trajectory ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Survived,
    Diverged(u64),
}

/// A trajectory under way.
struct Member<T: Scalar> {
    trainer: Trainer<T>,
    observer: Observer<T>,
    save_steps: Vec<u64>,
    values: Vec<f64>,
    saved: usize,
    initial_stacks: Vec<f64>,
}

impl<T: Scalar> Member<T> {
    fn new(run: &Run<'_, T>, number: u64, progress: Option<Progress<T>>) -> Result<Self, RunError> {
        let data = run.data(number)?;
        let (plan, train) = (run.plan.clone(), data.0.clone());
        let observer = run.observer(data);
        let save_steps = run.spec.measure.save_steps.clone();
        Ok(match progress {
            Some(progress) => Self {
                trainer: Trainer::from_state(plan, train, number, progress.state, run.instructions),
                observer,
                save_steps,
                values: progress.values,
                saved: progress.saved,
                initial_stacks: progress.initial_stacks,
            },
            None => {
                let start = if run.spec.each_start { number } else { 0 };
                Self {
                    trainer: Trainer::new(plan, train, number, start, run.instructions),
                    observer,
                    save_steps,
                    values: Vec::new(),
                    saved: 0,
                    initial_stacks: Vec::new(),
                }
            }
        })
    }

    fn progress(&self) -> Progress<T> {
        Progress {
            state: self.trainer.state().clone(),
            values: self.values.clone(),
            saved: self.saved,
            initial_stacks: self.initial_stacks.clone(),
        }
    }

    /// Takes at most `steps` steps, saving on the way; Some once it has ended.
    fn advance(&mut self, steps: u64) -> Option<End> {
        let mut left = steps;
        loop {
            let step = self.trainer.state().step;
            if self.save_steps.get(self.saved) == Some(&step) {
                let state = self.trainer.state();
                let (initial, values) = (&mut self.initial_stacks, &mut self.values);
                if !self.observer.record(state, self.saved, initial, values) {
                    return Some(End::Diverged(step));
                }
                self.saved += 1;
            }
            if self.saved == self.save_steps.len() {
                return Some(End::Survived);
            }
            if left == 0 {
                return None;
            }
            if let Err(diverged) = self.trainer.step() {
                return Some(End::Diverged(diverged.step));
            }
            left -= 1;
        }
    }
}

fn finish<T: Scalar>(shared: &Shared<T>, member: Member<T>, end: End, number: u64) {
    let survived = end == End::Survived;
    let leaf = match end {
        End::Survived => Leaf {
            block: number,
            survivors: vec![(number, member.values)],
            diverged: Vec::new(),
        },
        End::Diverged(step) => Leaf {
            block: number,
            survivors: Vec::new(),
            diverged: vec![Diverged {
                trajectory: number,
                step,
                reason: StopReason::OutOfRange,
            }],
        },
    };
    let mut memory = lock(&shared.memory);
    memory.statistics.insert(leaf);
    memory.under_way.remove(&number);
    memory.finished[number as usize] = true;
    if number == 0 && survived {
        memory.final_parameters = Some(member.trainer.state().parameters.clone());
    }
}

/// Reports progress, asks for checkpoints and passes an interruption on.
struct Coordinator<'a, T: Scalar> {
    shared: &'a Shared<T>,
    /// Steps in all.
    total: u64,
    control: &'a dyn Control,
    last_checkpoint: Instant,
    asked: bool,
    /// When workers were told to stop.
    stopped: Option<Instant>,
}

impl<T: Scalar> Coordinator<'_, T> {
    fn report(&self) {
        let done = self.shared.done.load(Ordering::SeqCst);
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
        let mut pause = Duration::from_millis(1);
        while self.shared.working.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(pause);
            // Short runs end within a few milliseconds; long ones need not be watched so closely.
            pause = (pause * 2).min(TICK);
            self.look();
            self.give_up_late_workers();
        }
        self.report();
        if *lock(&self.shared.failure) == Some(RunError::Interrupted) {
            keep(self.shared, self.control);
        }
    }
}

/// Hands a checkpoint to `control`. Trajectories under way are as of their last answer: a little
/// behind is as good as now, since they go on to the same bits from anywhere.
fn keep<T: Scalar>(shared: &Shared<T>, control: &dyn Control) {
    let encoded = encode(&*lock(&shared.memory));
    let kept = encoded.and_then(|c| control.keep(&c).map_err(RunError::Checkpoint));
    if let Err(error) = kept {
        let mut failure = lock(&shared.failure);
        *failure = Some(error);
        shared.stop.store(true, Ordering::SeqCst);
    }
}

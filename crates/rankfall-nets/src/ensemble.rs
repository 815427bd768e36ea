//! Many trajectories of one training run over threads: the same bits for any number of threads and
//! for a run that was stopped and resumed.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use rankfall_core::ensemble::statistics::{BlockSamples, Divergence, Statistics, StopReason};
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, RunError, Trajectories, runner};
use rankfall_core::simd::instructions::Instructions;

use crate::data::Dataset;
use crate::layout::{MeasureError, MeasureSpec, MeasurementLayout};
use crate::observe::TrainingObserver;
use crate::scalar::Real;
use crate::teacher::{TeacherError, TeacherSpec};
use crate::training::{Trainer, TrainerState, TrainingError, TrainingPlan, TrainingSpec};

/// Where trajectories get their data.
#[derive(Clone, Debug)]
pub enum DataSource<T> {
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
pub struct TrainingEnsemble {
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
    /// Whose weights are kept, and when.
    #[serde(default)]
    pub weights: WeightMoments,
}

/// Weights that are kept on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightMoments {
    /// After so many steps.
    pub steps: Vec<u64>,
    /// Of these trajectories, where they are run and have not diverged by then.
    pub trajectories: Vec<u64>,
}

impl WeightMoments {
    fn has(&self, trajectory: u64, step: u64) -> bool {
        self.steps.contains(&step) && self.trajectories.contains(&trajectory)
    }
}

/// The weights of one trajectory at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct WeightsAtStep<T: Real> {
    /// Whose.
    pub trajectory: u64,
    /// After how many steps.
    pub step: u64,
    /// Weights and biases.
    pub parameters: Vec<T>,
}

/// What is kept of the weights of some trajectories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct RecordedWeights<T: Real> {
    /// Of trajectory 0 at the end.
    last: Option<Vec<T>>,
    /// In the order of trajectories and steps.
    then: Vec<WeightsAtStep<T>>,
}

/// What a finished ensemble leaves.
#[derive(Clone, Debug)]
pub struct TrainingOutcome<T: Real> {
    /// What was measured, in the order of the cells of one save.
    pub layout: MeasurementLayout,
    /// t = Σ η at each save.
    pub times: Vec<f64>,
    /// Trajectories that were run.
    pub trajectories: u64,
    /// Statistics; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Final weights of trajectory 0, unless it diverged.
    pub final_parameters: Option<Vec<T>>,
    /// Weights kept on the way, in the order of trajectories and steps.
    pub weights_then: Vec<WeightsAtStep<T>>,
}

/// An ensemble that cannot be run as it is described.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum EnsembleError {
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
}

/// A trajectory as far as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Progress<T: Real> {
    state: TrainerState<T>,
    seen: Seen<T>,
}

/// What was seen of a trajectory so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(bound = "")]
struct Seen<T: Real> {
    /// Measurements, save by save.
    values: Vec<f64>,
    saves: usize,
    /// Log determinants of the stacks at the start.
    initial_stacks: Vec<f64>,
    /// Weights that are kept.
    weights: Vec<WeightsAtStep<T>>,
}

/// Data as a trajectory sees them.
type Parts<T> = (Arc<Dataset<T>>, Option<Arc<Dataset<T>>>);

impl TrainingEnsemble {
    /// Trajectories that are run: one where all would be the same.
    pub fn effective_trajectories<T: Real>(&self, source: &DataSource<T>) -> u64 {
        let own_data = matches!(source, DataSource::Teacher { each: true, .. });
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
    pub fn run<T: Trained>(
        &self,
        source: &DataSource<T>,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<TrainingOutcome<T>, RunError<EnsembleError>> {
        let all = 0..self.effective_trajectories(source);
        T::run_part(self, source, all, threads, resume, control, instructions)
    }

    /// Statistics of `trajectories` in all that have taken nothing in, to absorb those of parts.
    pub fn empty_statistics(&self, layout: &MeasurementLayout, trajectories: u64) -> Statistics {
        let logarithmic = layout
            .observables
            .iter()
            .map(|o| o.name.starts_with("log_"));
        let of_save: Vec<bool> = logarithmic.collect();
        let cells = of_save.repeat(self.measure.save_steps.len());
        Statistics::new(trajectories, cells, self.keep_trajectories)
    }
}

/// A precision for which training is compiled in this crate, and so in full optimisation. Generic
/// code is compiled where it is called, and the programs around an engine are not optimised as it
/// is.
pub trait Trained: Real {
    /// Runs some of the trajectories: the statistics of parts absorb each other to those of the
    /// whole.
    ///
    /// # Errors
    /// As for [`TrainingEnsemble::run`].
    fn run_part(
        ensemble: &TrainingEnsemble,
        source: &DataSource<Self>,
        part: Range<u64>,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<TrainingOutcome<Self>, RunError<EnsembleError>>;
}

macro_rules! trained {
    ($($precision:ty),*) => {$(
        impl Trained for $precision {
            fn run_part(
                ensemble: &TrainingEnsemble,
                source: &DataSource<Self>,
                part: Range<u64>,
                threads: usize,
                resume: Option<&EnsembleCheckpoint>,
                control: &dyn Control,
                instructions: Instructions,
            ) -> Result<TrainingOutcome<Self>, RunError<EnsembleError>> {
                let training =
                    Training::new(ensemble, source, instructions).map_err(RunError::Start)?;
                let (statistics, kept) = runner::run(&training, part, threads, resume, control)?;
                let kept = kept.unwrap_or_default();
                Ok(TrainingOutcome {
                    times: training.plan.times(&ensemble.measure.save_steps),
                    trajectories: training.trajectories,
                    layout: training.layout,
                    statistics,
                    final_parameters: kept.last,
                    weights_then: kept.then,
                })
            }
        }
    )*};
}
trained!(f32, f64);

fn draw<T: Real>(
    plan: &TrainingPlan,
    source: &DataSource<T>,
    training: &TrainingSpec,
    trajectory: u64,
) -> Result<Parts<T>, EnsembleError> {
    let (train, held_out) = match source {
        DataSource::Shared { train, held_out } => (train.clone(), held_out.clone()),
        DataSource::Teacher { spec, .. } => {
            let data = spec.draw(training.seed, trajectory)?;
            (data.train, data.held_out)
        }
    };
    let held_out = held_out.map(|data| plan.fit(data)).transpose()?;
    Ok((Arc::new(plan.fit_training(train)?), held_out.map(Arc::new)))
}

/// The trajectories of a training run, one to a block, and what its workers need to know.
struct Training<'a, T: Real> {
    spec: &'a TrainingEnsemble,
    source: &'a DataSource<T>,
    instructions: Instructions,
    plan: Arc<TrainingPlan>,
    shared_data: Option<Parts<T>>,
    trajectories: u64,
    layout: MeasurementLayout,
}

impl<'a, T: Real> Training<'a, T> {
    fn new(
        spec: &'a TrainingEnsemble,
        source: &'a DataSource<T>,
        instructions: Instructions,
    ) -> Result<Self, EnsembleError> {
        let plan = Arc::new(TrainingPlan::new(&spec.training)?);
        let trajectories = spec.effective_trajectories(source);
        if trajectories == 0 {
            return Err(EnsembleError::NoTrajectories);
        }
        let first = draw(&plan, source, &spec.training, 0)?;
        spec.measure.check(&plan, &first.0)?;
        let (train, held_out) = first.clone();
        let observer = TrainingObserver::new(plan.clone(), &spec.measure, train, held_out);
        let own_data = matches!(source, DataSource::Teacher { each: true, .. });
        Ok(Self {
            spec,
            source,
            instructions,
            plan,
            shared_data: (!own_data).then_some(first),
            trajectories,
            layout: observer.layout().clone(),
        })
    }

    fn data(&self, trajectory: u64) -> Result<Parts<T>, EnsembleError> {
        match &self.shared_data {
            Some(data) => Ok(data.clone()),
            None => draw(&self.plan, self.source, &self.spec.training, trajectory),
        }
    }
}

impl<T: Real> Trajectories for Training<'_, T> {
    type Block = Member<T>;
    type Progress = Progress<T>;
    type Weights = RecordedWeights<T>;
    type Error = EnsembleError;

    fn trajectories(&self) -> u64 {
        self.trajectories
    }

    fn per_block(&self) -> u64 {
        1
    }

    fn steps(&self) -> u64 {
        self.spec.training.steps
    }

    fn empty_statistics(&self) -> Statistics {
        self.spec.empty_statistics(&self.layout, self.trajectories)
    }

    fn start(
        &self,
        number: u64,
        progress: Option<Progress<T>>,
    ) -> Result<Member<T>, EnsembleError> {
        let (train, held_out) = self.data(number)?;
        let observer = TrainingObserver::new(
            self.plan.clone(),
            &self.spec.measure,
            train.clone(),
            held_out,
        );
        let (plan, instructions) = (self.plan.clone(), self.instructions);
        let (trainer, seen) = match progress {
            Some(Progress { state, seen }) => {
                let trainer = Trainer::from_state(plan, train, number, state, instructions);
                (trainer, seen)
            }
            None => {
                let start = if self.spec.each_start { number } else { 0 };
                let trainer = Trainer::new(plan, train, number, start, instructions);
                (trainer, Seen::default())
            }
        };
        Ok(Member {
            number,
            trainer,
            observer,
            seen,
            diverged: None,
        })
    }

    fn advance(&self, member: &mut Member<T>, steps: u64) -> bool {
        member.advance(self.spec, steps)
    }

    fn trajectory_steps(&self, member: &Member<T>) -> u64 {
        member.trainer.state().step
    }

    fn progress(&self, member: &Member<T>) -> Progress<T> {
        Progress {
            state: member.trainer.state().clone(),
            seen: member.seen.clone(),
        }
    }

    fn join(&self, block: RecordedWeights<T>, others: RecordedWeights<T>) -> RecordedWeights<T> {
        let mut then = others.then;
        then.extend(block.then);
        then.sort_by_key(|weights| (weights.trajectory, weights.step));
        RecordedWeights {
            last: block.last.or(others.last),
            then,
        }
    }

    fn finish(&self, member: Member<T>) -> (BlockSamples, Option<RecordedWeights<T>>) {
        let number = member.number;
        let mut leaf = BlockSamples {
            block: number,
            survivors: Vec::new(),
            diverged: Vec::new(),
        };
        match member.diverged {
            None => leaf.survivors.push((number, member.seen.values)),
            Some(step) => leaf.diverged.push(Divergence {
                trajectory: number,
                step,
                reason: StopReason::OutOfRange,
            }),
        }
        let is_first = number == 0 && member.diverged.is_none();
        let kept = RecordedWeights {
            last: is_first.then(|| member.trainer.state().parameters.clone()),
            then: member.seen.weights,
        };
        let is_any = kept.last.is_some() || !kept.then.is_empty();
        (leaf, is_any.then_some(kept))
    }

    fn fits(&self, progress: &Progress<T>) -> bool {
        progress.state.fits(&self.plan)
    }
}

/// A trajectory under way.
struct Member<T: Real> {
    number: u64,
    trainer: Trainer<T>,
    observer: TrainingObserver<T>,
    seen: Seen<T>,
    /// The step at which it diverged.
    diverged: Option<u64>,
}

impl<T: Real> Member<T> {
    /// Keeps the weights at this step, once, if they are among `kept`.
    fn keep_weights(&mut self, kept: &WeightMoments, step: u64) {
        let known = self.seen.weights.last().is_some_and(|w| w.step >= step);
        if !known && kept.has(self.number, step) {
            self.seen.weights.push(WeightsAtStep {
                trajectory: self.number,
                step,
                parameters: self.trainer.state().parameters.clone(),
            });
        }
    }

    /// Takes at most `steps` steps, saving on the way; true once it has ended.
    fn advance(&mut self, spec: &TrainingEnsemble, steps: u64) -> bool {
        let save_steps = &spec.measure.save_steps;
        let mut left = steps;
        loop {
            let step = self.trainer.state().step;
            if save_steps.get(self.seen.saves) == Some(&step) {
                let (state, seen) = (self.trainer.state(), &mut self.seen);
                let (initial, values) = (&mut seen.initial_stacks, &mut seen.values);
                if !self.observer.record(state, seen.saves, initial, values) {
                    self.diverged = Some(step);
                    return true;
                }
                seen.saves += 1;
            }
            self.keep_weights(&spec.weights, step);
            if self.seen.saves == save_steps.len() {
                return true;
            }
            if left == 0 {
                return false;
            }
            if let Err(diverged) = self.trainer.step() {
                self.diverged = Some(diverged.step);
                return true;
            }
            left -= 1;
        }
    }
}

//! One run of training: a step, and everything needed to stop and go on to the same bits.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use rankfall_core::simd::instructions::Instructions;

use crate::data::{Dataset, DatasetError};
use crate::gradient::Workspace;
use crate::initialisation::{InitialisationError, WeightInitialisation};
use crate::loss::Loss;
use crate::network::{Network, NetworkError, NetworkSpec};
use crate::noise::{self, Noise, NoiseError, NoiseSource};
use crate::optimizer::{self, Adam, AdamError};
use crate::scalar::{Precision, Real};
use crate::schedule::{RateSchedule, ScheduleError};
use crate::stack_law::StackLawSum;
use crate::window::NoiseWindow;
use rankfall_core::model::optimizer::{Optimizer, OptimizerError};

/// A training run as an experiment describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSpec {
    /// The network.
    pub network: NetworkSpec,
    /// Its initial weights.
    pub initialisation: WeightInitialisation,
    /// What is minimised.
    #[serde(default)]
    pub loss: Loss,
    /// What is done with gradients.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// Adam in place of momentum; its steps are not those of a gradient.
    #[serde(default)]
    pub adam: Option<Adam>,
    /// η > 0.
    pub step_size: f64,
    /// How it changes.
    #[serde(default)]
    pub schedule: RateSchedule,
    /// Steps in all.
    pub steps: u64,
    /// What is random about a step.
    #[serde(default)]
    pub noise: Vec<Noise>,
    /// When those of them act that do not always.
    #[serde(default)]
    pub windows: Vec<NoiseWindow>,
    /// Whether some targets are not observed: then no law of log det is stated.
    #[serde(default)]
    pub masked: bool,
    /// The precision of weights and gradients.
    #[serde(default)]
    pub precision: Precision,
    /// The seed of weights and noise.
    pub seed: u64,
    /// Tells the noise of several dynamics under one seed apart.
    #[serde(default)]
    pub stream: u32,
}

impl TrainingSpec {
    /// Full-batch descent of the squared loss, in double precision and under seed 1.
    pub fn plain(
        network: NetworkSpec,
        initialisation: WeightInitialisation,
        step_size: f64,
        steps: u64,
    ) -> Self {
        Self {
            network,
            initialisation,
            loss: Loss::Squared,
            optimizer: Optimizer::default(),
            adam: None,
            step_size,
            schedule: RateSchedule::default(),
            steps,
            noise: Vec::new(),
            windows: Vec::new(),
            masked: false,
            precision: Precision::F64,
            seed: 1,
            stream: 0,
        }
    }

    /// Numbers that a step remembers of each parameter.
    fn remembered(&self) -> usize {
        match &self.adam {
            Some(_) => 2,
            None => usize::from(self.optimizer.momentum > 0.0),
        }
    }
}

/// A run that cannot be made.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TrainingError {
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Its initial weights.
    #[error(transparent)]
    WeightInitialisation(#[from] InitialisationError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// Momentum and weight decay.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// Adam.
    #[error(transparent)]
    Adam(#[from] AdamError),
    /// The schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The noise.
    #[error(transparent)]
    Noise(#[from] NoiseError),
    /// η.
    #[error("step_size = {0} must be a finite number above zero")]
    StepSize(f64),
    /// More than can be counted.
    #[error("steps = {0} must be at most 2^53")]
    Steps(u64),
    /// The numbers are of another precision than the run.
    #[error("the run is in {expected:?}, but was started in {got:?}")]
    Precision {
        /// The setting.
        expected: Precision,
        /// That of the numbers.
        got: Precision,
    },
}

/// Outputs or weights left the range of numbers, at this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diverged {
    /// From 0.
    pub step: u64,
}

/// What all trajectories of a run share.
#[derive(Clone, Debug)]
pub struct TrainingPlan {
    /// The description.
    pub spec: TrainingSpec,
    /// The network.
    pub network: Network,
    /// Which adjacent stacks have a law.
    pub stack_law: StackLawSum,
    /// The law without the noise on labels, and the steps in which that noise acts.
    quiet_law: StackLawSum,
    noisy_steps: Range<u64>,
}

impl TrainingPlan {
    /// Checks everything that does not need data.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn new(spec: &TrainingSpec) -> Result<Self, TrainingError> {
        let network = Network::new(&spec.network)?;
        spec.initialisation.check(&network)?;
        spec.optimizer.check()?;
        if let Some(adam) = &spec.adam {
            adam.check(&spec.optimizer)?;
        }
        if !(spec.step_size.is_finite() && spec.step_size > 0.0) {
            return Err(TrainingError::StepSize(spec.step_size));
        }
        if spec.steps > 1 << 53 {
            return Err(TrainingError::Steps(spec.steps));
        }
        spec.schedule.check(spec.steps)?;
        let stack_law = match spec.adam.is_some() || spec.masked {
            true => StackLawSum::default(),
            false => StackLawSum::new(&network, spec.loss, &spec.optimizer, &spec.noise),
        };
        let is_on_labels = |one: &Noise| matches!(one, Noise::LabelNoise { .. });
        let place = spec.noise.iter().position(is_on_labels);
        Ok(Self {
            spec: spec.clone(),
            network,
            quiet_law: stack_law.without_noise(),
            stack_law,
            noisy_steps: place.map_or(0..u64::MAX, |at| NoiseWindow::of(&spec.windows, at)),
        })
    }

    /// Data as the network and the loss want them.
    ///
    /// # Errors
    /// Data that do not fit.
    pub fn fit<T: Real>(&self, data: Dataset<T>) -> Result<Dataset<T>, TrainingError> {
        if T::PRECISION != self.spec.precision {
            return Err(TrainingError::Precision {
                expected: self.spec.precision,
                got: T::PRECISION,
            });
        }
        let (inputs, outputs) = (self.network.inputs(), self.network.outputs());
        Ok(data.fit(self.spec.loss, inputs, outputs)?)
    }

    /// Data to train on: [`Self::fit`], with the noise checked against them.
    ///
    /// # Errors
    /// Data that do not fit, or noise that cannot be had with them.
    pub fn fit_training<T: Real>(&self, data: Dataset<T>) -> Result<Dataset<T>, TrainingError> {
        let data = self.fit(data)?;
        noise::check(&self.spec.noise, &self.network, self.spec.loss, &data)?;
        Ok(data)
    }

    /// ηₘ of step m.
    pub fn rate(&self, step: u64) -> f64 {
        self.spec.step_size * self.spec.schedule.factor(step)
    }

    /// The law of the adjacent stacks in one step.
    fn law_of(&self, step: u64) -> &StackLawSum {
        match self.noisy_steps.contains(&step) {
            true => &self.stack_law,
            false => &self.quiet_law,
        }
    }

    /// t = Σ ηₘ at each of these rising steps.
    pub fn times(&self, steps: &[u64]) -> Vec<f64> {
        let (mut time, mut next) = (0.0, 0);
        let constant = self.spec.schedule == RateSchedule::default();
        let mut out = Vec::with_capacity(steps.len());
        for &step in steps {
            if constant {
                time = self.spec.step_size * step as f64;
            }
            while !constant && next < step {
                time += self.rate(next);
                next += 1;
            }
            out.push(time);
        }
        out
    }
}

/// What a checkpoint holds of one trajectory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct TrainerState<T: Real> {
    /// Steps taken.
    pub step: u64,
    /// Weights and biases.
    pub parameters: Vec<T>,
    /// The velocity, or both moments of Adam; empty without either.
    pub velocity: Vec<T>,
    /// What the laws of the adjacent stacks say so far of the change of log det.
    pub law: Vec<f64>,
}

impl<T: Real> TrainerState<T> {
    /// Whether this can be a state of a run of `plan`.
    pub fn fits(&self, plan: &TrainingPlan) -> bool {
        let parameters = plan.network.parameters();
        let velocity = plan.spec.remembered() * parameters;
        self.parameters.len() == parameters
            && self.velocity.len() == velocity
            && self.law.len() == plan.stack_law.stacks().len()
    }
}

/// One trajectory in training.
pub struct Trainer<T: Real> {
    plan: Arc<TrainingPlan>,
    data: Arc<Dataset<T>>,
    source: NoiseSource<T>,
    workspace: Workspace<T>,
    gradient: Vec<T>,
    displaced: Vec<T>,
    state: TrainerState<T>,
}

impl<T: Real> Trainer<T> {
    /// Trajectory `trajectory` from its initial weights, drawn for trajectory `start`; `data` must
    /// come from [`TrainingPlan::fit_training`].
    pub fn new(
        plan: Arc<TrainingPlan>,
        data: Arc<Dataset<T>>,
        trajectory: u64,
        start: u64,
        instructions: Instructions,
    ) -> Self {
        let spec = &plan.spec;
        let parameters = spec.initialisation.draw(&plan.network, spec.seed, start);
        let velocity = vec![T::ZERO; spec.remembered() * parameters.len()];
        let state = TrainerState {
            step: 0,
            velocity,
            law: vec![0.0; plan.stack_law.stacks().len()],
            parameters,
        };
        Self::from_state(plan, data, trajectory, state, instructions)
    }

    /// A trajectory that was stopped, from where it was.
    pub fn from_state(
        plan: Arc<TrainingPlan>,
        data: Arc<Dataset<T>>,
        trajectory: u64,
        state: TrainerState<T>,
        instructions: Instructions,
    ) -> Self {
        let spec = &plan.spec;
        Self {
            source: NoiseSource::new(
                &spec.noise,
                &plan.network,
                &data,
                spec.seed,
                spec.stream,
                trajectory,
                instructions,
            )
            .during(&spec.noise, &spec.windows),
            workspace: Workspace::new(&plan.network),
            gradient: vec![T::ZERO; plan.network.parameters()],
            displaced: Vec::new(),
            plan,
            data,
            state,
        }
    }

    /// Takes one step.
    pub fn step(&mut self) -> Result<(), Diverged> {
        let step = self.state.step;
        let rate = self.plan.rate(step);
        self.evaluate(step)?;
        if !self.state.law.is_empty() {
            self.plan.law_of(step).advance(
                &self.plan.network,
                &self.state.parameters,
                self.data.x(),
                &self.workspace,
                rate,
                &mut self.state.law,
            );
        }
        self.source.shake(&mut self.gradient, rate, step);
        let state = &mut self.state;
        let (spec, gradient) = (&self.plan.spec, &self.gradient[..]);
        let (parameters, velocity) = (&mut state.parameters, &mut state.velocity);
        match &spec.adam {
            Some(adam) => {
                let decay = spec.optimizer.weight_decay;
                adam.step(decay, rate, step, gradient, parameters, velocity);
            }
            None => optimizer::step(&spec.optimizer, rate, gradient, parameters, velocity),
        }
        state.step += 1;
        Ok(())
    }

    /// The gradient at the weights as they are with the noise of step number `step`, at the step
    /// size of the state's own step; weight decay and momentum left out.
    ///
    /// # Errors
    /// Outputs out of range.
    pub fn gradient_of_step(&mut self, step: u64) -> Result<&[T], Diverged> {
        self.evaluate(step)?;
        let rate = self.plan.rate(self.state.step);
        self.source.shake(&mut self.gradient, rate, step);
        Ok(&self.gradient)
    }

    fn evaluate(&mut self, step: u64) -> Result<(), Diverged> {
        let network = &self.plan.network;
        let moved = self
            .source
            .displace(&self.state.parameters, &mut self.displaced, step);
        let parameters = match moved {
            true => &self.displaced,
            false => &self.state.parameters,
        };
        let rows = self.source.batch_rows(&self.data, step);
        let masks = self.workspace.masks_mut();
        self.source.drop_units(network, rows, masks, step);
        let batch = self.source.batch(&self.data, step);
        self.workspace.forward(network, parameters, batch.x());
        let sound = |f: &T| f.to_f64().abs() <= T::DIVERGED;
        if !self.workspace.outputs().iter().all(sound) {
            return Err(Diverged { step });
        }
        self.workspace.backward(
            network,
            parameters,
            batch.x(),
            self.plan.spec.loss,
            batch.targets(),
            &mut self.gradient,
        );
        Ok(())
    }

    /// The state as it is, for a checkpoint or a measurement.
    pub fn state(&self) -> &TrainerState<T> {
        &self.state
    }

    /// Puts the weights somewhere else, for measurements around a state.
    pub fn set_parameters(&mut self, parameters: &[T]) {
        self.state.parameters.copy_from_slice(parameters);
    }

    /// What all trajectories share.
    pub fn plan(&self) -> &Arc<TrainingPlan> {
        &self.plan
    }
}

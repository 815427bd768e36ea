//! A block of an ensemble without a last save time: it can be looked at anywhere, and its dynamics
//! may change on the way. Left alone it takes the path of [`Block`](crate::ensemble::block::Block),
//! to the bit.
//!
//! Only of [`BLOCK`] trajectories, so that the vector code behind it is compiled once.

use std::sync::Arc;

use crate::ensemble::spec::EnsembleSpec;
use crate::ensemble::statistics::{BlockSamples, Divergence, StopReason};
use crate::measure::layout::Layout;
use crate::measure::observe::{Observer, Readings};
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::{Dynamics, Kind};
use crate::model::network::{Start, Weights};
use crate::model::problem::Problem;
use crate::model::row_noise::RowNoise;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::random::normals::Streams;
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{BLOCK, Lanes, Mask, Words};
use crate::step::gradient_flow::GradientFlow;
use crate::step::stepper::BlockStepper;
use crate::theory::forces::EigenvalueForces;
use crate::theory::{determinant_law_applies, determinant_rate};
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Attempted steps of the adaptive integrator between two looks at the budget.
const ATTEMPTS: u32 = 64;

/// What moves a block.
enum Mover {
    Steps(Box<BlockStepper<BLOCK>>),
    Adaptive(Box<GradientFlow<BLOCK>>),
}

/// A block that goes on for as long as it is asked to.
pub struct OpenBlock {
    spec: EnsembleSpec,
    block: u64,
    used: usize,
    seed: u64,
    width: usize,
    beginnings: Vec<InitialCondition>,
    problem: LaneProblem<BLOCK>,
    mover: Mover,
    observer: Observer<BLOCK>,
    state: State<BLOCK>,
    /// Time left to the target of the adaptive integrator; none before it set out for it.
    left: Option<Lanes<BLOCK>>,
    /// Averaged beside label noise, where this is the slow flow.
    rows: Option<RowNoise>,
    /// Step and time of the last change of dynamics.
    since: (u64, f64),
    instructions: Instructions,
}

impl OpenBlock {
    /// Block number `block` at its start. `spec.save_steps` and what is asked for beside the usual
    /// observables mean nothing here.
    ///
    /// # Errors
    /// A trajectory that cannot be set up; an ensemble without reductions, which goes alone.
    pub fn new(
        spec: &EnsembleSpec,
        setup: &Setup,
        shared: Option<&InitialCondition>,
        classes: Option<Arc<ClassProblem>>,
        block: u64,
    ) -> Result<Self, SetupError> {
        if !spec.reductions {
            let words = "a block without an end has no form without reductions";
            return Err(SetupError::Description(words.to_owned()));
        }
        let instructions = Instructions::best();
        let first = block * BLOCK as u64;
        let used = spec.trajectories.saturating_sub(first).min(BLOCK as u64);
        if used == 0 {
            let words = format!(
                "there is no block {block} of {} trajectories",
                spec.trajectories
            );
            return Err(SetupError::Description(words));
        }
        let beginnings: Vec<InitialCondition> = match shared {
            Some(beginning) => vec![beginning.clone(); used as usize],
            None => (first..first + used)
                .map(|trajectory| setup.initial_condition(trajectory))
                .collect::<Result<_, _>>()?,
        };
        let lanes: [Arc<Problem>; BLOCK] =
            std::array::from_fn(|lane| beginnings[lane.min(beginnings.len() - 1)].problem.clone());
        let problem = LaneProblem::new(&lanes, instructions).of_classes(classes);
        let starts: Vec<&Start> = beginnings.iter().map(|b| b.start.as_ref()).collect();
        let state = State::new(&starts, instructions);
        let spec = EnsembleSpec {
            force_balance: None,
            account: None,
            own_observables: Vec::new(),
            ..spec.clone()
        };
        let width = setup.width;
        let observer = observer(&spec, width, &problem, None, &state, instructions);
        let mut open = Self {
            block,
            used: used as usize,
            seed: setup.seed,
            width,
            beginnings,
            mover: Mover::Adaptive(Box::new(GradientFlow::new(&problem, &state, instructions))),
            problem,
            observer,
            state,
            left: None,
            rows: None,
            since: (0, 0.0),
            instructions,
            spec,
        };
        open.set_moving();
        Ok(open)
    }

    /// Blocks of so many trajectories, numbered from 0, each from where the first one here is: what
    /// becomes of one trajectory that all would have shared, once noise tells them apart.
    pub fn spread(&self, trajectories: u64) -> Vec<Self> {
        let blocks = trajectories.div_ceil(BLOCK as u64);
        let of_block = |block: u64| {
            let used = (trajectories - block * BLOCK as u64).min(BLOCK as u64) as usize;
            let beginnings = vec![self.beginnings[0].clone(); used];
            let lanes: [Arc<Problem>; BLOCK] =
                std::array::from_fn(|_| self.beginnings[0].problem.clone());
            let classes = self.problem.classes.clone();
            let problem = LaneProblem::new(&lanes, self.instructions).of_classes(classes);
            let spec = EnsembleSpec {
                trajectories,
                ..self.spec.clone()
            };
            let mut one = Self {
                block,
                used,
                seed: self.seed,
                width: self.width,
                beginnings,
                mover: Mover::Adaptive(Box::new(GradientFlow::new(
                    &problem,
                    &self.state,
                    self.instructions,
                ))),
                observer: observer(
                    &spec,
                    self.width,
                    &problem,
                    None,
                    &self.state,
                    self.instructions,
                ),
                problem,
                state: self.state.clone(),
                left: None,
                rows: None,
                since: self.since,
                instructions: self.instructions,
                spec,
            };
            one.change(&self.spec.dynamics.clone(), self.spec.time_unit);
            one
        };
        (0..blocks).map(of_block).collect()
    }

    /// From here on other dynamics, with steps of `time_unit`. The law of log det M, where there is
    /// one, and the drift of the balance are measured from here.
    pub fn change(&mut self, dynamics: &Dynamics, time_unit: f64) {
        let now = self.time();
        self.since = (self.state.step, now);
        if dynamics.optimizer.is_plain() {
            self.state.velocity = Default::default();
        }
        self.spec.dynamics = dynamics.clone();
        self.spec.time_unit = time_unit;
        self.begin_here();
    }

    /// From here on the slow flow averages the noise of rows as well, where it is given; other
    /// dynamics have no use for it. It must be of the problem that all trajectories share.
    pub fn average_rows(&mut self, rows: Option<RowNoise>) {
        self.since = (self.state.step, self.time());
        self.rows = rows;
        self.begin_here();
    }

    fn begin_here(&mut self) {
        self.left = None;
        self.set_moving();
        let mut orthogonal = self.state.clone();
        orthogonal.make_orthogonal(self.instructions);
        self.observer = observer(
            &self.spec,
            self.width,
            &self.problem,
            self.rows.as_ref(),
            &orthogonal,
            self.instructions,
        );
    }

    fn set_moving(&mut self) {
        let first = self.block * BLOCK as u64;
        let streams = Streams {
            seed: self.seed,
            dynamics: self.spec.stream,
            trajectories: Words(std::array::from_fn(|lane| first + lane as u64)),
            instructions: self.instructions,
        };
        let stepper = BlockStepper::new(&self.spec.dynamics, &self.problem, &streams);
        self.mover = match stepper {
            Some(stepper) => Mover::Steps(Box::new(stepper)),
            None => {
                let flow = GradientFlow::new(&self.problem, &self.state, self.instructions);
                let flow = match self.spec.dynamics.kind {
                    Kind::SlowFlow { .. } => {
                        let rows = self.rows.clone();
                        flow.with_noise(&self.problem, self.intensity(), rows)
                    }
                    _ => flow,
                };
                Mover::Adaptive(Box::new(flow))
            }
        };
    }

    /// ν.
    pub fn intensity(&self) -> f64 {
        self.spec.dynamics.noise_intensity(self.problem.samples)
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// t.
    pub fn time(&self) -> f64 {
        self.since.1 + self.since_change(self.state.step)
    }

    fn since_change(&self, step: u64) -> f64 {
        (step - self.since.0) as f64 * self.spec.time_unit
    }

    /// Moves towards step `target`, by about `budget` steps or tried steps; true when it is
    /// reached.
    pub fn advance(&mut self, target: u64, budget: u64) -> bool {
        if target <= self.state.step {
            return true;
        }
        let used = Mask::from_fn(|lane| lane < self.used);
        if !(self.state.alive() & used).any() {
            self.state.step = target;
            return true;
        }
        match &mut self.mover {
            Mover::Steps(stepper) => {
                let steps = (target - self.state.step).min(budget);
                stepper.advance(&mut self.state, &self.problem, steps);
                self.state.step == target
            }
            Mover::Adaptive(flow) => {
                let length = (target - self.state.step) as f64 * self.spec.time_unit;
                let mut left = self.left.unwrap_or(Lanes::splat(length));
                let mut tried = 0;
                let done = loop {
                    left = flow.advance(&mut self.state, &self.problem, left, ATTEMPTS);
                    tried += u64::from(ATTEMPTS);
                    let done = !(Lanes::ZERO.less_than(left) & self.state.alive()).any();
                    if done || tried >= budget {
                        break done;
                    }
                };
                self.left = (!done).then_some(left);
                if done {
                    self.state.step = target;
                }
                done
            }
        }
    }

    /// Everything that is measured, trajectory by trajectory, in the order of
    /// [`OpenBlock::layout`]. An adaptive flow that has left what it conserves is stopped, as at a
    /// save.
    pub fn measure(&mut self) -> BlockSamples {
        let time = self.since_change(self.state.step);
        let readings = self.observer.read(&self.state, &self.problem);
        if let Mover::Adaptive(_) = self.mover {
            let attempts = self.state.attempts;
            let lost = self.observer.not_conserved(&readings, time, attempts) & self.state.alive();
            self.state.stop(lost, StopReason::NotConserved);
        }
        self.samples(&readings, time)
    }

    /// What would be measured `steps` steps on, without going there; none if that takes more than
    /// about `budget` tried steps. An adaptive flow steps from one save to the next, so that
    /// stopping between them would change its last bits.
    pub fn glance(&mut self, steps: u64, budget: u64) -> Option<BlockSamples> {
        let (state, left) = (self.state.clone(), self.left.take());
        let arrived = self.advance(self.state.step + steps, budget);
        let time = self.since_change(self.state.step);
        let samples = arrived.then(|| {
            let readings = self.observer.read(&self.state, &self.problem);
            self.samples(&readings, time)
        });
        (self.state, self.left) = (state, left);
        samples
    }

    fn samples(&self, readings: &Readings<BLOCK>, time: f64) -> BlockSamples {
        let mut values = Vec::new();
        self.observer
            .record(readings, &self.problem, time, &mut values);
        let first = self.block * BLOCK as u64;
        let mut samples = BlockSamples {
            block: self.block,
            survivors: Vec::new(),
            diverged: Vec::new(),
        };
        for lane in 0..self.used {
            let trajectory = first + lane as u64;
            match self.state.stopped(lane) {
                Some((step, reason)) => samples.diverged.push(Divergence {
                    trajectory,
                    step,
                    reason,
                }),
                None => {
                    let of_lane = values.iter().map(|value| value.0[lane]).collect();
                    samples.survivors.push((trajectory, of_lane));
                }
            }
        }
        samples
    }

    /// What is measured, in order.
    pub fn layout(&self) -> &Layout {
        self.observer.layout()
    }

    /// How many trajectories it has.
    pub fn trajectories(&self) -> usize {
        self.used
    }

    /// The forces on the eigenvalues of M of one lane.
    pub fn forces(&self, lane: usize) -> EigenvalueForces {
        let nu = self.intensity();
        EigenvalueForces::new(&self.state, &self.problem, lane, nu, self.instructions)
    }

    /// The weights of one lane in the original basis and width.
    pub fn weights(&self, lane: usize) -> Weights {
        let beginning = &self.beginnings[lane];
        self.state
            .weights(lane, &beginning.start, &beginning.problem)
    }

    /// The data that one lane sees.
    pub fn problem(&self, lane: usize) -> &Arc<Problem> {
        &self.beginnings[lane].problem
    }
}

/// Measures from a state with orthogonal columns on.
fn observer(
    spec: &EnsembleSpec,
    width: usize,
    problem: &LaneProblem<BLOCK>,
    rows: Option<&RowNoise>,
    initial: &State<BLOCK>,
    instructions: Instructions,
) -> Observer<BLOCK> {
    let (p, k) = (problem.inputs, problem.outputs);
    let of_rows = Lanes::splat(rows.map_or(0.0, RowNoise::determinant_rate));
    let law = determinant_law_applies(&spec.dynamics, width, p, k)
        .then(|| determinant_rate(&spec.dynamics, problem) + of_rows);
    let layout = spec.layout(p, k, initial.factor.columns(), problem.truth.is_some());
    let conserves = spec.dynamics.kind == Kind::GradientFlow;
    Observer::new(
        layout,
        initial,
        spec.rank_tolerance,
        law,
        conserves,
        instructions,
    )
}

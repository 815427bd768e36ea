//! A block of an ensemble without a last save time: it can be looked at anywhere, and its dynamics
//! may change on the way. Left alone it takes the path of [`Block`](crate::ensemble::block::Block),
//! to the bit.
//!
//! Only of [`BLOCK`] trajectories, so that the vector code behind it is compiled once.

use std::sync::Arc;

use crate::ensemble::members::{ATTEMPTS, Members, Mover};
use crate::ensemble::spec::EnsembleSpec;
use crate::ensemble::statistics::{BlockSamples, StopReason};
use crate::measure::layout::Layout;
use crate::measure::observe::{Observer, Readings};
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::Dynamics;
use crate::model::network::Weights;
use crate::model::problem::Problem;
use crate::model::row_noise::RowNoise;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{BLOCK, Lanes};
use crate::theory::forces::EigenvalueForces;
use crate::trajectories::state::State;

/// A block that goes on for as long as it is asked to.
pub struct OpenBlock {
    spec: EnsembleSpec,
    members: Members<BLOCK>,
    mover: Mover<BLOCK>,
    observer: Observer<BLOCK>,
    state: State<BLOCK>,
    /// Time left to the target of the adaptive integrator; none before it set out for it.
    left: Option<Lanes<BLOCK>>,
    /// Averaged beside label noise, where this is the slow flow.
    rows: Option<RowNoise>,
    /// Step and time of the last change of dynamics.
    since: (u64, f64),
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
        let members = Members::new(spec, setup, shared, classes, block, Instructions::best())?;
        let spec = EnsembleSpec {
            force_balance: None,
            account: None,
            own_observables: Vec::new(),
            ..spec.clone()
        };
        let state = members.start();
        Ok(Self::at(members, spec, state, (0, 0.0)))
    }

    fn at(
        members: Members<BLOCK>,
        spec: EnsembleSpec,
        state: State<BLOCK>,
        since: (u64, f64),
    ) -> Self {
        Self {
            mover: members.mover(&spec, &state, None),
            observer: members.observer(&spec, &state, None),
            members,
            spec,
            state,
            left: None,
            rows: None,
            since,
        }
    }

    /// Blocks of so many trajectories, numbered from 0, each from where the first one here is: what
    /// becomes of one trajectory that all would have shared, once noise tells them apart.
    pub fn spread(&self, trajectories: u64) -> Vec<Self> {
        let of_block = |block: u64| {
            let count = (trajectories - block * BLOCK as u64).min(BLOCK as u64) as usize;
            let members = self.members.like_the_first(block, count);
            let spec = EnsembleSpec {
                trajectories,
                ..self.spec.clone()
            };
            let mut one = Self::at(members, spec, self.state.clone(), self.since);
            one.change(&self.spec.dynamics, self.spec.time_unit);
            one
        };
        let blocks = trajectories.div_ceil(BLOCK as u64);
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
        let rows = self.rows.as_ref();
        self.mover = self.members.mover(&self.spec, &self.state, rows);
        let mut orthogonal = self.state.clone();
        orthogonal.make_orthogonal(self.members.problem.instructions);
        self.observer = self.members.observer(&self.spec, &orthogonal, rows);
    }

    /// ν.
    pub fn intensity(&self) -> f64 {
        let samples = self.members.problem.samples;
        self.spec.dynamics.noise_intensity(samples)
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// t.
    pub fn time(&self) -> f64 {
        self.since.1 + self.since_change()
    }

    fn since_change(&self) -> f64 {
        (self.state.step - self.since.0) as f64 * self.spec.time_unit
    }

    /// Moves towards step `target`, by about `budget` steps or tried steps; true when it is
    /// reached.
    pub fn advance(&mut self, target: u64, budget: u64) -> bool {
        if target <= self.state.step {
            return true;
        }
        if !self.members.are_alive(&self.state) {
            self.state.step = target;
            return true;
        }
        let (members, state) = (&self.members, &mut self.state);
        match &mut self.mover {
            Mover::Steps(stepper) => {
                let steps = (target - state.step).min(budget);
                stepper.advance(state, &members.problem, steps);
                state.step == target
            }
            Mover::Adaptive(flow) => {
                let (left, unit) = (&mut self.left, self.spec.time_unit);
                let tries = budget.div_ceil(u64::from(ATTEMPTS)).max(1);
                (0..tries).any(|_| members.try_steps(flow, state, left, target, unit))
            }
        }
    }

    /// Everything that is measured, trajectory by trajectory, in the order of
    /// [`OpenBlock::layout`]. An adaptive flow that has left what it conserves is stopped, as at a
    /// save.
    pub fn measure(&mut self) -> BlockSamples {
        let time = self.since_change();
        let readings = self.observer.read(&self.state, &self.members.problem);
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
        let time = self.since_change();
        let samples = arrived.then(|| {
            let readings = self.observer.read(&self.state, &self.members.problem);
            self.samples(&readings, time)
        });
        (self.state, self.left) = (state, left);
        samples
    }

    fn samples(&self, readings: &Readings<BLOCK>, time: f64) -> BlockSamples {
        let mut values = Vec::new();
        let problem = &self.members.problem;
        self.observer.record(readings, problem, time, &mut values);
        let of_lane = |lane: usize| values.iter().map(|value| value.0[lane]).collect();
        let of_lanes = (0..self.members.count()).map(of_lane).collect();
        self.members.samples(&self.state, of_lanes)
    }

    /// What is measured, in order.
    pub fn layout(&self) -> &Layout {
        self.observer.layout()
    }

    /// How many trajectories it has.
    pub fn trajectories(&self) -> usize {
        self.members.count()
    }

    /// The forces on the eigenvalues of M of one lane.
    pub fn forces(&self, lane: usize) -> EigenvalueForces {
        EigenvalueForces::new(&self.state, &self.members.problem, lane, self.intensity())
    }

    /// The weights of one lane in the original basis and width.
    pub fn weights(&self, lane: usize) -> Weights {
        self.members.weights(&self.state, lane)
    }

    /// The data that one lane sees.
    pub fn problem(&self, lane: usize) -> &Arc<Problem> {
        &self.members.beginnings[lane].problem
    }
}

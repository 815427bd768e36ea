//! One block of an ensemble: up to N trajectories from their start to the last save time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ensemble::own::Snapshot;
use crate::ensemble::spec::EnsembleSpec;
use crate::ensemble::statistics::{BlockSamples, Divergence, StopReason};
use crate::measure::account::mean::StepMean;
use crate::measure::account::{Account, AccountGrid, AccountWork};
use crate::measure::force_balance::{BalanceSettings, ForceBalance};
use crate::measure::observe::{Observer, Readings};
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::Kind;
use crate::model::network::{Start, Weights};
use crate::model::problem::Problem;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::plain::{NoiseOf, Plain, PlainWeights};
use crate::random::normals::Streams;
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{Lanes, Mask, Words};
use crate::step::gradient_flow::GradientFlow;
use crate::step::stepper::BlockStepper;
use crate::theory::{determinant_law_applies, determinant_rate};
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Attempted steps of the adaptive integrator between two looks at the clock.
const ATTEMPTS: u32 = 64;

/// What moves a block.
enum Engine<const N: usize> {
    Steps(Box<BlockStepper<N>>),
    Adaptive(Box<GradientFlow<N>>),
    /// Without reductions, one plain trajectory per lane.
    Plain(Vec<Plain>),
}

/// A block under way. Everything that is not in `Progress` can be made again from the setup.
pub struct Block<'a, const N: usize> {
    spec: &'a EnsembleSpec,
    used: usize,
    initial_conditions: Vec<InitialCondition>,
    problem: LaneProblem<N>,
    engine: Engine<N>,
    observer: Observer<N>,
    balance: Option<BalanceSettings>,
    account: Option<AccountWork<N>>,
    /// What is measured at one save, before it is dealt out to the lanes.
    readings: Vec<Lanes<N>>,
    instructions: Instructions,
    progress: BlockProgress<N>,
}

/// How far a block is: what a checkpoint holds of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockProgress<const N: usize> {
    /// Index of the block.
    pub block: u64,
    state: State<N>,
    /// Time left to the next save, for the adaptive integrator; none before it set out for it.
    left: Option<Lanes<N>>,
    /// Measurements of each used lane so far, save by save; nothing that counts once it diverged.
    values: Vec<Vec<f64>>,
    saved: usize,
    /// What each force did so far, where that is asked for.
    forces: Option<ForceBalance<N>>,
    /// Where the fall of log det M went so far, where that is asked for.
    account: Option<Account<N>>,
    /// Weights of the plain trajectories, where those are used.
    plain: Vec<PlainWeights>,
}

impl<const N: usize> BlockProgress<N> {
    /// The number of steps taken.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// Whether the trajectory in a lane goes on: it has not diverged.
    pub fn is_alive(&self, lane: usize) -> bool {
        self.state.stopped(lane).is_none()
    }

    /// What was measured, lane by lane, taken out; it then counts as one save, so that the next
    /// ensemble to take it up may save where it likes.
    pub fn take_values(&mut self) -> Vec<Vec<f64>> {
        self.saved = self.saved.min(1);
        let empty = vec![Vec::new(); self.values.len()];
        std::mem::replace(&mut self.values, empty)
    }
}

impl<'a, const N: usize> Block<'a, N> {
    /// Block number `block`, from its start or from where `progress` left it. `shared` is where all
    /// trajectories of the setup begin, if they begin at one place, and `classes` their rows under
    /// a loss of classes, where there is one.
    ///
    /// # Errors
    /// A trajectory that cannot be set up.
    pub fn new(
        spec: &'a EnsembleSpec,
        setup: &Setup,
        shared: Option<&InitialCondition>,
        classes: Option<Arc<ClassProblem>>,
        block: u64,
        progress: Option<BlockProgress<N>>,
        instructions: Instructions,
    ) -> Result<Self, SetupError> {
        let first = block * N as u64;
        let used = (spec.trajectories - first).min(N as u64) as usize;
        let initial_conditions = match shared {
            Some(initial_condition) => vec![initial_condition.clone(); used],
            None => (first..first + used as u64)
                .map(|trajectory| setup.initial_condition(trajectory))
                .collect::<Result<_, _>>()?,
        };
        let lanes: [Arc<Problem>; N] =
            std::array::from_fn(|lane| initial_conditions[lane.min(used - 1)].problem.clone());
        let problem = LaneProblem::new(&lanes, instructions).of_classes(classes);
        let starts: Vec<&Start> = initial_conditions
            .iter()
            .map(|b| b.start.as_ref())
            .collect();
        let initial = State::new(&starts, instructions);
        let (p, k) = (problem.inputs, problem.outputs);
        let law = determinant_law_applies(&spec.dynamics, setup.width, p, k)
            .then(|| determinant_rate(&spec.dynamics, &problem));
        let layout = spec.layout(p, k, initial.factor.columns(), problem.truth.is_some());
        let balance = spec.balance_settings(problem.samples);
        let observer = Observer::new(
            layout,
            &initial,
            spec.rank_tolerance,
            law,
            spec.dynamics.kind == Kind::GradientFlow,
            instructions,
        );
        let trajectories = Words(std::array::from_fn(|lane| first + lane as u64));
        let streams = Streams {
            seed: setup.seed,
            dynamics: spec.stream,
            trajectories,
            instructions,
        };
        let stepper = BlockStepper::new(&spec.dynamics, &problem, &streams);
        let account = spec
            .account_grid(initial.factor.columns() == p + k)
            .and_then(|grid| {
                let mean = StepMean::new(
                    &spec.dynamics,
                    grid == AccountGrid::EveryStep,
                    &lanes,
                    &problem,
                    &streams,
                )?;
                Some(AccountWork::new(mean, grid))
            });
        let mut engine = match stepper {
            _ if !spec.reductions => Engine::Plain(plain_lanes(
                spec,
                setup,
                first,
                &initial_conditions,
                problem.classes.as_ref(),
            )),
            Some(stepper) => Engine::Steps(Box::new(stepper)),
            None => Engine::Adaptive(Box::new(adaptive(spec, &problem, &initial, instructions))),
        };
        let forces = balance
            .as_ref()
            .map(|settings| ForceBalance::new(&initial, &problem, settings, instructions));
        let fresh = BlockProgress {
            block,
            forces,
            account: account
                .as_ref()
                .map(|_| Account::new(observer.initial_log_det())),
            state: initial,
            left: None,
            values: vec![Vec::new(); used],
            saved: 0,
            plain: Vec::new(),
        };
        let mut progress = progress.unwrap_or(fresh);
        let all_values = spec.save_steps.len() * observer.layout().observables.len();
        for values in &mut progress.values {
            values.reserve_exact(all_values.saturating_sub(values.len()));
        }
        if let Engine::Plain(lanes) = &mut engine {
            for (lane, saved) in lanes.iter_mut().zip(&progress.plain) {
                lane.restore(saved);
            }
        }
        Ok(Self {
            spec,
            used,
            initial_conditions,
            problem,
            engine,
            observer,
            balance,
            account,
            readings: Vec::new(),
            instructions,
            progress,
        })
    }

    /// Steps taken, over all of the block's trajectories.
    pub fn trajectory_steps(&self) -> u64 {
        self.progress.state.step * self.used as u64 + self.steps_under_way()
    }

    /// What adaptive integration has done since the last save, in the steps of the grid.
    fn steps_under_way(&self) -> u64 {
        let BlockProgress {
            state, left, saved, ..
        } = &self.progress;
        let (Some(left), Some(target)) = (left, self.spec.save_steps.get(*saved)) else {
            return 0;
        };
        let of_lane = |lane: usize| {
            let all = (target - state.step) as f64;
            (all - left.0[lane] / self.spec.time_unit).clamp(0.0, all)
        };
        (0..self.used).map(of_lane).sum::<f64>() as u64
    }

    /// How far it is.
    pub fn progress(&self) -> BlockProgress<N> {
        let plain = match &self.engine {
            Engine::Plain(lanes) => lanes.iter().map(Plain::save).collect(),
            _ => Vec::new(),
        };
        BlockProgress {
            plain,
            ..self.progress.clone()
        }
    }

    /// Takes at most about `steps` steps, measuring where a save time is reached; true when the
    /// last one is done.
    pub fn advance(&mut self, steps: u64) -> bool {
        if self.progress.saved == 0 {
            self.save();
        }
        let mut budget = steps;
        while self.progress.saved < self.spec.save_steps.len() {
            let target = self.spec.save_steps[self.progress.saved];
            if !self.live() {
                self.progress.state.step = target;
                self.save();
            } else if self.approach(target, &mut budget) {
                self.save();
            } else if budget == 0 {
                return false;
            }
        }
        true
    }

    /// Moves towards step `target`; true when it is reached, false when the budget is used up.
    fn approach(&mut self, target: u64, budget: &mut u64) -> bool {
        let BlockProgress {
            state,
            left,
            forces,
            account,
            ..
        } = &mut self.progress;
        match &mut self.engine {
            Engine::Steps(stepper) => {
                let steps = (target - state.step).min(*budget);
                match (forces, &self.balance, account, &mut self.account) {
                    (_, _, Some(account), Some(work)) => {
                        account.advance(work, stepper, state, &self.problem, steps);
                    }
                    (Some(forces), Some(settings), ..) => Weighed {
                        stepper,
                        state,
                        problem: &self.problem,
                        forces,
                        settings,
                        instructions: self.instructions,
                    }
                    .advance(steps),
                    _ => stepper.advance(state, &self.problem, steps),
                }
                *budget -= steps;
                state.step == target
            }
            Engine::Plain(lanes) => {
                let steps = (target - state.step).min(*budget);
                for _ in 0..steps {
                    for (lane, plain) in lanes.iter_mut().enumerate() {
                        if state.alive().get(lane) && !plain.take_step(state.step) {
                            state.mark_diverged(Mask::from_fn(|other| other == lane));
                        }
                    }
                    state.step += 1;
                }
                *budget -= steps;
                state.step == target
            }
            Engine::Adaptive(flow) => {
                let length = (target - state.step) as f64 * self.spec.time_unit;
                let remaining = left.unwrap_or(Lanes::splat(length));
                let remaining = flow.advance(state, &self.problem, remaining, ATTEMPTS);
                *budget = budget.saturating_sub(u64::from(ATTEMPTS));
                let done = !(Lanes::ZERO.less_than(remaining) & state.alive()).any();
                *left = (!done).then_some(remaining);
                if done {
                    state.step = target;
                }
                done
            }
        }
    }

    fn live(&self) -> bool {
        let used = Mask::from_fn(|lane| lane < self.used);
        (self.progress.state.alive() & used).any()
    }

    fn save(&mut self) {
        let state = &mut self.progress.state;
        let time = state.step as f64 * self.spec.time_unit;
        let readings = match &self.engine {
            Engine::Plain(lanes) => {
                let readings: Vec<_> = lanes.iter().map(Plain::read).collect();
                Readings::side_by_side(&readings)
            }
            _ => self.observer.read(state, &self.problem),
        };
        if let Engine::Adaptive(_) = &self.engine {
            let lost = self.observer.not_conserved(&readings, time, state.attempts);
            let lost = lost & state.alive();
            state.stop(lost, StopReason::NotConserved);
        }
        let values = &mut self.readings;
        values.clear();
        self.observer.record(&readings, &self.problem, time, values);
        if let (Some(forces), Some(settings)) = (&mut self.progress.forces, &self.balance) {
            forces.add_point(state, &self.problem, settings, self.instructions);
            forces.record(values);
        }
        if let (Some(account), Some(work)) = (&mut self.progress.account, &mut self.account) {
            let log_det = readings.spectra.log_det();
            account.record(work, state, &self.problem, log_det, values);
        }
        for (lane, kept) in self.progress.values.iter_mut().enumerate() {
            kept.extend(values.iter().map(|value| value.0[lane]));
        }
        self.measure_own(time);
        self.progress.saved += 1;
    }

    /// Adds the quantities of one's own; undefined where a trajectory diverged.
    fn measure_own(&mut self, time: f64) {
        if self.spec.own_observables.is_empty() {
            return;
        }
        let first = self.progress.block * N as u64;
        let weights: Vec<Weights> = (0..self.used).map(|lane| self.weights(lane)).collect();
        let batch: Vec<Snapshot> = weights
            .iter()
            .zip(first..)
            .map(|(weights, trajectory)| Snapshot {
                trajectory,
                time,
                w1: weights.w1.as_ref(),
                w2: weights.w2.as_ref(),
            })
            .collect();
        for observable in &self.spec.own_observables {
            let values = observable.measure(&batch);
            for (kept, value) in self.progress.values.iter_mut().zip(values) {
                kept.push(value);
            }
        }
    }

    /// Hands what was measured to the statistics, once the block is finished.
    pub fn take_leaf(&mut self) -> BlockSamples {
        let first = self.progress.block * N as u64;
        let mut leaf = BlockSamples {
            block: self.progress.block,
            survivors: Vec::new(),
            diverged: Vec::new(),
        };
        let values = std::mem::take(&mut self.progress.values);
        for (lane, cells) in values.into_iter().enumerate() {
            let trajectory = first + lane as u64;
            match self.progress.state.stopped(lane) {
                Some((step, reason)) => leaf.diverged.push(Divergence {
                    trajectory,
                    step,
                    reason,
                }),
                None => leaf.survivors.push((trajectory, cells)),
            }
        }
        leaf
    }

    /// The weights of one lane as they are now, in the original basis and width.
    pub fn weights(&self, lane: usize) -> Weights {
        match &self.engine {
            Engine::Plain(lanes) => lanes[lane].weights().clone(),
            _ => self.progress.state.weights(
                lane,
                &self.initial_conditions[lane].start,
                &self.initial_conditions[lane].problem,
            ),
        }
    }
}

/// Gradient flow, or the slow flow.
fn adaptive<const N: usize>(
    spec: &EnsembleSpec,
    problem: &LaneProblem<N>,
    initial: &State<N>,
    instructions: Instructions,
) -> GradientFlow<N> {
    let flow = GradientFlow::new(problem, initial, instructions);
    match spec.dynamics.kind {
        Kind::SlowFlow { .. } => {
            let nu = spec.dynamics.noise_intensity(problem.samples);
            flow.with_noise(problem, nu, None)
        }
        _ => flow,
    }
}

/// Steps with a force balance beside them.
struct Weighed<'a, const N: usize> {
    stepper: &'a mut BlockStepper<N>,
    state: &'a mut State<N>,
    problem: &'a LaneProblem<N>,
    forces: &'a mut ForceBalance<N>,
    settings: &'a BalanceSettings,
    instructions: Instructions,
}

impl<const N: usize> Weighed<'_, N> {
    /// Takes `steps` steps, adding a point wherever the grid has one.
    fn advance(self, mut steps: u64) {
        let stride = self.settings.stride;
        while steps > 0 {
            let now = self.state.step;
            let next = steps.min(stride - now % stride);
            if let Some(noise) = self.stepper.noise() {
                self.forces.note_noise(noise, now, next, self.instructions);
            }
            self.stepper.advance(self.state, self.problem, next);
            steps -= next;
            if self.state.step.is_multiple_of(stride) {
                self.forces
                    .add_point(self.state, self.problem, self.settings, self.instructions);
            }
        }
    }
}

/// One plain trajectory per used lane.
fn plain_lanes(
    spec: &EnsembleSpec,
    setup: &Setup,
    first: u64,
    initial_conditions: &[InitialCondition],
    classes: Option<&Arc<ClassProblem>>,
) -> Vec<Plain> {
    let lanes = initial_conditions.iter().zip(first..);
    lanes
        .map(|(InitialCondition { problem, start }, trajectory)| {
            let noise = NoiseOf {
                seed: setup.seed,
                stream: spec.stream,
                trajectory,
            };
            Plain::new(
                &spec.dynamics,
                spec.time_unit,
                problem.clone(),
                start,
                noise,
                classes.cloned(),
            )
        })
        .collect()
}

//! One block of an ensemble: up to N trajectories from their start to the last save time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ensemble::members::{ATTEMPTS, Members, Mover};
use crate::ensemble::own::Snapshot;
use crate::ensemble::spec::EnsembleSpec;
use crate::ensemble::statistics::{BlockSamples, StopReason};
use crate::measure::account::mean::StepMean;
use crate::measure::account::{Account, AccountGrid, AccountWork};
use crate::measure::force_balance::{BalanceSettings, ForceBalance};
use crate::measure::observe::{Observer, Readings};
use crate::model::class_problem::ClassProblem;
use crate::model::network::Weights;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::plain::{NoiseOf, Plain, PlainWeights};
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{Lanes, Mask};
use crate::trajectories::state::State;

/// What moves a block.
enum Engine<const N: usize> {
    Reduced(Mover<N>),
    /// Without reductions, one plain trajectory per lane.
    Plain(Vec<Plain>),
}

/// A block under way. Everything that is not in `Progress` can be made again from the setup.
pub struct Block<'a, const N: usize> {
    spec: &'a EnsembleSpec,
    members: Members<N>,
    engine: Engine<N>,
    observer: Observer<N>,
    balance: Option<BalanceSettings>,
    account: Option<AccountWork<N>>,
    /// What is measured at one save, before it is dealt out to the lanes.
    readings: Vec<Lanes<N>>,
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
        let members = Members::new(spec, setup, shared, classes, block, instructions)?;
        let initial = members.start();
        let observer = members.observer(spec, &initial, None);
        let problem = &members.problem;
        let balance = spec.balance_settings(problem.samples);
        let wide = initial.factor.columns() == problem.inputs + problem.outputs;
        let account = spec.account_grid(wide).and_then(|grid| {
            let mean = StepMean::new(
                &spec.dynamics,
                grid == AccountGrid::EveryStep,
                &members.problems(),
                problem,
                &members.streams(spec.stream),
            )?;
            Some(AccountWork::new(mean, grid))
        });
        let mut engine = match spec.reductions {
            true => Engine::Reduced(members.mover(spec, &initial, None)),
            false => Engine::Plain(plain_lanes(spec, setup, &members)),
        };
        let forces = balance
            .as_ref()
            .map(|settings| ForceBalance::new(&initial, problem, settings));
        let fresh = BlockProgress {
            block,
            forces,
            account: account
                .as_ref()
                .map(|_| Account::new(observer.initial_log_det())),
            state: initial,
            left: None,
            values: vec![Vec::new(); members.count()],
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
            members,
            engine,
            observer,
            balance,
            account,
            readings: Vec::new(),
            progress,
        })
    }

    /// Steps taken, over all of the block's trajectories.
    pub fn trajectory_steps(&self) -> u64 {
        self.progress.state.step * self.members.count() as u64 + self.steps_under_way()
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
        (0..self.members.count()).map(of_lane).sum::<f64>() as u64
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
            if !self.members.are_alive(&self.progress.state) {
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
        let problem = &self.members.problem;
        match &mut self.engine {
            Engine::Reduced(Mover::Steps(stepper)) => {
                let steps = (target - state.step).min(*budget);
                match (forces, &self.balance, account, &mut self.account) {
                    (_, _, Some(account), Some(work)) => {
                        account.advance(work, stepper, state, problem, steps);
                    }
                    (Some(forces), Some(settings), ..) => {
                        forces.advance(settings, stepper, state, problem, steps);
                    }
                    _ => stepper.advance(state, problem, steps),
                }
                *budget -= steps;
                state.step == target
            }
            Engine::Reduced(Mover::Adaptive(flow)) => {
                *budget = budget.saturating_sub(u64::from(ATTEMPTS));
                let unit = self.spec.time_unit;
                self.members.try_steps(flow, state, left, target, unit)
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
        }
    }

    fn save(&mut self) {
        let (state, problem) = (&mut self.progress.state, &self.members.problem);
        let time = state.step as f64 * self.spec.time_unit;
        let readings = match &self.engine {
            Engine::Plain(lanes) => {
                let readings: Vec<_> = lanes.iter().map(Plain::read).collect();
                Readings::side_by_side(&readings)
            }
            Engine::Reduced(_) => self.observer.read(state, problem),
        };
        if let Engine::Reduced(Mover::Adaptive(_)) = &self.engine {
            let lost = self.observer.not_conserved(&readings, time, state.attempts);
            let lost = lost & state.alive();
            state.stop(lost, StopReason::NotConserved);
        }
        let values = &mut self.readings;
        values.clear();
        self.observer.record(&readings, problem, time, values);
        if let (Some(forces), Some(settings)) = (&mut self.progress.forces, &self.balance) {
            forces.add_point(state, problem, settings);
            forces.record(values);
        }
        if let (Some(account), Some(work)) = (&mut self.progress.account, &mut self.account) {
            let log_det = readings.spectra.log_det();
            account.record(work, state, problem, log_det, values);
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
        let members = 0..self.members.count();
        let weights: Vec<Weights> = members.map(|lane| self.weights(lane)).collect();
        let batch: Vec<Snapshot> = weights
            .iter()
            .zip(self.members.first()..)
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
        let values = std::mem::take(&mut self.progress.values);
        self.members.samples(&self.progress.state, values)
    }

    /// The weights of one lane as they are now, in the original basis and width.
    pub fn weights(&self, lane: usize) -> Weights {
        match &self.engine {
            Engine::Plain(lanes) => lanes[lane].weights().clone(),
            Engine::Reduced(_) => self.members.weights(&self.progress.state, lane),
        }
    }
}

/// One plain trajectory for each member.
fn plain_lanes<const N: usize>(
    spec: &EnsembleSpec,
    setup: &Setup,
    members: &Members<N>,
) -> Vec<Plain> {
    let beginnings = members.beginnings.iter().zip(members.first()..);
    beginnings
        .map(|(InitialCondition { problem, start }, trajectory)| {
            let noise = NoiseOf {
                seed: setup.seed,
                stream: spec.stream,
                trajectory,
            };
            let (problem, classes) = (problem.clone(), members.problem.classes.clone());
            Plain::new(
                &spec.dynamics,
                spec.time_unit,
                problem,
                start,
                noise,
                classes,
            )
        })
        .collect()
}

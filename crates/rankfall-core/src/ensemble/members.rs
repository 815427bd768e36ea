//! The trajectories of a block: what each sees and where it began, what moves them, and what is
//! measured of them.

use std::sync::Arc;

use crate::ensemble::spec::EnsembleSpec;
use crate::ensemble::statistics::{BlockSamples, Divergence};
use crate::measure::observe::Observer;
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::Kind;
use crate::model::network::{Start, Weights};
use crate::model::problem::Problem;
use crate::model::row_noise::RowNoise;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::random::normals::Streams;
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{Lanes, Mask, Words};
use crate::step::gradient_flow::GradientFlow;
use crate::step::stepper::BlockStepper;
use crate::theory::{determinant_law_applies, determinant_rate};
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Steps that an adaptive flow tries at once, between two looks at what else there is to do.
pub const ATTEMPTS: u32 = 64;

/// What moves them.
pub enum Mover<const N: usize> {
    /// Steps of one length.
    Steps(Box<BlockStepper<N>>),
    /// Steps that each trajectory chooses.
    Adaptive(Box<GradientFlow<N>>),
}

/// Up to N trajectories of an ensemble, each in a lane; the last one fills the lanes that are left.
pub struct Members<const N: usize> {
    /// Index of their block.
    pub block: u64,
    /// Where each of them began.
    pub beginnings: Vec<InitialCondition>,
    /// What they see, lane by lane.
    pub problem: LaneProblem<N>,
    seed: u64,
    width: usize,
}

impl<const N: usize> Members<N> {
    /// Those of block number `block`. `shared` is where all trajectories of the setup begin, if they
    /// begin at one place, and `classes` their rows under a loss of classes, where there is one.
    ///
    /// # Errors
    /// A trajectory that cannot be set up; a block that there is not.
    pub fn new(
        spec: &EnsembleSpec,
        setup: &Setup,
        shared: Option<&InitialCondition>,
        classes: Option<Arc<ClassProblem>>,
        block: u64,
        instructions: Instructions,
    ) -> Result<Self, SetupError> {
        let all = spec.trajectories;
        let first = block.saturating_mul(N as u64);
        let last = first.saturating_add(N as u64).min(all);
        if first >= last {
            let words = format!("there is no block {block} of {all} trajectories");
            return Err(SetupError::Description(words));
        }
        let beginnings = (first..last).map(|trajectory| match shared {
            Some(beginning) => Ok(beginning.clone()),
            None => setup.initial_condition(trajectory),
        });
        let beginnings: Vec<_> = beginnings.collect::<Result<_, _>>()?;
        Ok(Self {
            block,
            problem: LaneProblem::new(&side_by_side(&beginnings), instructions).of_classes(classes),
            beginnings,
            seed: setup.seed,
            width: setup.width,
        })
    }

    /// As many of another block, all of which see what the first one here does, from where it began.
    pub fn like_the_first(&self, block: u64, count: usize) -> Self {
        let beginnings = vec![self.beginnings[0].clone(); count];
        let problem = LaneProblem::new(&side_by_side(&beginnings), self.problem.instructions);
        Self {
            block,
            problem: problem.of_classes(self.problem.classes.clone()),
            beginnings,
            ..*self
        }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.beginnings.len()
    }

    /// The number of the first in the ensemble.
    pub fn first(&self) -> u64 {
        self.block * N as u64
    }

    /// The problem in each lane.
    pub fn problems(&self) -> [Arc<Problem>; N] {
        side_by_side(&self.beginnings)
    }

    /// Their state at the start.
    pub fn start(&self) -> State<N> {
        let starts: Vec<&Start> = self.beginnings.iter().map(|b| b.start.as_ref()).collect();
        State::new(&starts, self.problem.instructions)
    }

    /// Their noise in the streams of `stream`.
    pub fn streams(&self, stream: u32) -> Streams<N> {
        let first = self.first();
        Streams {
            seed: self.seed,
            dynamics: stream,
            trajectories: Words(std::array::from_fn(|lane| first + lane as u64)),
            instructions: self.problem.instructions,
        }
    }

    /// What moves them from `state` on; the slow flow averages the noise of `rows` as well, where
    /// that is given.
    pub fn mover(
        &self,
        spec: &EnsembleSpec,
        state: &State<N>,
        rows: Option<&RowNoise>,
    ) -> Mover<N> {
        let (dynamics, problem) = (&spec.dynamics, &self.problem);
        if let Some(stepper) = BlockStepper::new(dynamics, problem, &self.streams(spec.stream)) {
            return Mover::Steps(Box::new(stepper));
        }
        let mut flow = GradientFlow::new(problem, state);
        if let Kind::SlowFlow { .. } = dynamics.kind {
            let nu = dynamics.noise_intensity(problem.samples);
            flow = flow.with_noise(problem, nu, rows.cloned());
        }
        Mover::Adaptive(Box::new(flow))
    }

    /// Measures them from a state with orthogonal columns on, whose log det M is the first of the
    /// law; `rows` as for [`Self::mover`].
    pub fn observer(
        &self,
        spec: &EnsembleSpec,
        initial: &State<N>,
        rows: Option<&RowNoise>,
    ) -> Observer<N> {
        let problem = &self.problem;
        let (p, k) = (problem.inputs, problem.outputs);
        let of_rows = Lanes::splat(rows.map_or(0.0, RowNoise::determinant_rate));
        let law = determinant_law_applies(&spec.dynamics, self.width, p, k)
            .then(|| determinant_rate(&spec.dynamics, problem) + of_rows);
        Observer::new(
            spec.layout(p, k, initial.factor.columns(), problem.truth.is_some()),
            initial,
            spec.rank_tolerance,
            law,
            spec.dynamics.kind == Kind::GradientFlow,
            problem.instructions,
        )
    }

    /// Whether any of them goes on.
    pub fn are_alive(&self, state: &State<N>) -> bool {
        (state.alive() & Mask::from_fn(|lane| lane < self.count())).any()
    }

    /// Moves them by some tried steps of an adaptive flow towards step `target`, which is `left` of
    /// t away, `time_unit` a step where they did not set out for it yet; true when they are there.
    pub fn try_steps(
        &self,
        flow: &mut GradientFlow<N>,
        state: &mut State<N>,
        left: &mut Option<Lanes<N>>,
        target: u64,
        time_unit: f64,
    ) -> bool {
        let length = Lanes::splat((target - state.step) as f64 * time_unit);
        let still = flow.advance(state, &self.problem, left.unwrap_or(length), ATTEMPTS);
        let done = !(Lanes::ZERO.less_than(still) & state.alive()).any();
        *left = (!done).then_some(still);
        if done {
            state.step = target;
        }
        done
    }

    /// What was measured of each as a leaf of the statistics, where its trajectory did not diverge.
    pub fn samples(&self, state: &State<N>, values: Vec<Vec<f64>>) -> BlockSamples {
        let mut samples = BlockSamples {
            block: self.block,
            survivors: Vec::new(),
            diverged: Vec::new(),
        };
        for (lane, (trajectory, cells)) in (self.first()..).zip(values).enumerate() {
            match state.stopped(lane) {
                None => samples.survivors.push((trajectory, cells)),
                Some((step, reason)) => samples.diverged.push(Divergence {
                    trajectory,
                    step,
                    reason,
                }),
            }
        }
        samples
    }

    /// The weights of one lane in the original basis and width.
    pub fn weights(&self, state: &State<N>, lane: usize) -> Weights {
        let InitialCondition { problem, start } = &self.beginnings[lane];
        state.weights(lane, start, problem)
    }
}

/// The problem of each; of the last one in the lanes that are left.
fn side_by_side<const N: usize>(beginnings: &[InitialCondition]) -> [Arc<Problem>; N] {
    std::array::from_fn(|lane| beginnings[lane.min(beginnings.len() - 1)].problem.clone())
}

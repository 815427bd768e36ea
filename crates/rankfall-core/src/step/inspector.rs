//! A block of trajectories of one problem and one start, taken step by step, for whoever wants to
//! look at every step: the increment that moved it, the forces at a state, the spectrum after it.
//!
//! Everything here is for blocks of [`BLOCK`], so that the vector code behind it is compiled in
//! this crate once and not again in every crate that looks.

use std::sync::Arc;

use crate::linalg::graded::sorted_log_norms;
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::Dynamics;
use crate::model::network::{Start, Weights};
use crate::model::problem::Problem;
use crate::random::normals::Streams;
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{BLOCK, Lanes, Words};
use crate::step::stepper::BlockStepper;
use crate::theory::forces::EigenvalueForces;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// [`BLOCK`] trajectories from one start.
pub struct StepInspector {
    shared: Arc<Problem>,
    start: Start,
    dynamics: Dynamics,
    streams: Streams<BLOCK>,
    problem: LaneProblem<BLOCK>,
    initial: State<BLOCK>,
    state: State<BLOCK>,
    stepper: BlockStepper<BLOCK>,
}

impl StepInspector {
    /// Trajectories `first`, `first` + 1, … at their start, with the noise of these numbers; none
    /// for gradient flow, which takes no steps, and for a loss of classes that the problem does not
    /// fit.
    pub fn new(
        dynamics: &Dynamics,
        problem: &Arc<Problem>,
        start: &Start,
        seed: u64,
        stream: u32,
        first: u64,
    ) -> Option<Self> {
        let instructions = Instructions::best();
        let lanes: [Arc<Problem>; BLOCK] = std::array::from_fn(|_| problem.clone());
        let of = |classes| ClassProblem::new(problem, classes).map(Arc::new);
        let classes = dynamics.classes.as_ref().map(of).transpose().ok()?;
        let lane_problem = LaneProblem::new(&lanes, instructions).of_classes(classes);
        let initial = State::new(std::slice::from_ref(start), instructions);
        let streams = Streams {
            seed,
            dynamics: stream,
            trajectories: numbered(first),
            instructions,
        };
        let stepper = BlockStepper::new(dynamics, &lane_problem, &streams)?;
        Some(Self {
            shared: problem.clone(),
            start: start.clone(),
            dynamics: dynamics.clone(),
            streams,
            state: initial.clone(),
            initial,
            problem: lane_problem,
            stepper,
        })
    }

    /// Back to the start, with the noise of trajectories `first`, `first` + 1, ….
    pub fn start_over(&mut self, first: u64) {
        self.state = self.initial.clone();
        self.streams.trajectories = numbered(first);
        let stepper = BlockStepper::new(&self.dynamics, &self.problem, &self.streams);
        if let Some(stepper) = stepper {
            self.stepper = stepper;
        }
    }

    /// Takes `steps` steps.
    pub fn advance(&mut self, steps: u64) {
        self.stepper.advance(&mut self.state, &self.problem, steps);
    }

    /// ΔG of the last step taken, p × k row-major; that of the Lie–Strang step is not kept.
    pub fn increment(&self) -> &[Lanes<BLOCK>] {
        self.stepper.increment()
    }

    /// Where the trajectories are.
    pub fn state(&self) -> &State<BLOCK> {
        &self.state
    }

    /// log σᵢ of Θ, descending, lane by lane.
    pub fn log_singular_values(&self) -> Vec<Lanes<BLOCK>> {
        sorted_log_norms(&mut self.state.factor.clone(), self.streams.instructions)
    }

    /// The forces on the eigenvalues of M of one lane at noise intensity `nu`.
    pub fn forces(&self, lane: usize, nu: f64) -> EigenvalueForces {
        EigenvalueForces::new(&self.state, &self.problem, lane, nu)
    }

    /// The weights of one lane in the original basis and width.
    pub fn weights(&self, lane: usize) -> Weights {
        self.state.weights(lane, &self.start, &self.shared)
    }
}

fn numbered(first: u64) -> Words<BLOCK> {
    Words(std::array::from_fn(|lane| first + lane as u64))
}

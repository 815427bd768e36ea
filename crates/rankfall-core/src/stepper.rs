//! Takes N trajectories forward: increment, admission, update, upkeep.

use crate::dynamics::{Dynamics, Integrator, Kind};
use crate::increment::Increment;
use crate::lane_problem::LaneProblem;
use crate::lanes::{Instructions, LaneWork, Lanes, Words};
use crate::state::State;
use crate::update::Update;

/// How Θ is moved by ΔG.
enum Rule<const N: usize> {
    /// I + H(ΔG).
    Euler,
    /// exp(H(ΔG)) diag(damping).
    LieEuler(Vec<Lanes<N>>),
    /// exp(H(ΔG) + diag(rate)).
    LieEulerUnsplit(Vec<Lanes<N>>),
}

/// The steps of one of the dynamics with steps: all but gradient flow.
pub struct Stepper<const N: usize> {
    increment: Increment<N>,
    rule: Rule<N>,
    update: Update<N>,
    /// ΔG, p × k row-major.
    step: Vec<Lanes<N>>,
    trajectories: Words<N>,
    instructions: Instructions,
}

impl<const N: usize> Stepper<N> {
    /// None for gradient flow.
    pub fn new(
        dynamics: &Dynamics,
        problem: &LaneProblem<N>,
        seed: u64,
        stream: u32,
        trajectories: Words<N>,
        instructions: Instructions,
    ) -> Option<Self> {
        Some(Self {
            increment: Increment::new(dynamics, problem, seed, stream, trajectories)?,
            rule: Rule::of(dynamics, problem),
            update: Update::new(problem.inputs, problem.outputs),
            step: vec![Lanes::ZERO; problem.inputs * problem.outputs],
            trajectories,
            instructions,
        })
    }

    /// Takes `steps` steps.
    pub fn advance(&mut self, state: &mut State<N>, problem: &LaneProblem<N>, steps: u64) {
        let instructions = self.instructions;
        instructions.dispatch(Advance {
            stepper: self,
            state,
            problem,
            steps,
        });
    }

    #[inline(always)]
    fn take_step(&mut self, state: &mut State<N>, problem: &LaneProblem<N>) {
        self.increment
            .fill(state, problem, self.trajectories, &mut self.step);
        let mut square = Lanes::ZERO;
        for &entry in &self.step {
            square = entry.mul_add(entry, square);
        }
        let mask = state.admit(square);
        let columns = state.factor.mantissa_mut();
        match &self.rule {
            Rule::Euler => self.update.euler(&self.step, columns, mask),
            Rule::LieEuler(damping) => {
                self.update
                    .exponential(&self.step, square, damping, columns, mask);
            }
            Rule::LieEulerUnsplit(rate) => {
                self.update
                    .exponential_unsplit(&self.step, square, rate, columns, mask);
            }
        }
        state.step += 1;
        state.keep_up(self.instructions);
    }
}

impl<const N: usize> Rule<N> {
    fn of(dynamics: &Dynamics, problem: &LaneProblem<N>) -> Self {
        match dynamics.kind {
            Kind::StochasticGradientFlow {
                integrator,
                time_step,
                ..
            } => {
                let nu = dynamics.noise_intensity(problem.samples);
                match integrator {
                    Integrator::EulerMaruyama => Self::Euler,
                    Integrator::LieEuler => Self::LieEuler(
                        ito_rate(problem, nu, time_step)
                            .iter()
                            .map(|rate| Lanes(rate.0.map(libm::exp)))
                            .collect(),
                    ),
                    Integrator::LieEulerUnsplit => {
                        Self::LieEulerUnsplit(ito_rate(problem, nu, time_step))
                    }
                }
            }
            _ => Self::Euler,
        }
    }
}

/// −hνC/2 with C = diag(k S_xx, tr(S_xx) I_k), as E H(dG)² = νC dt: the Itô correction of the
/// exponential.
fn ito_rate<const N: usize>(problem: &LaneProblem<N>, nu: f64, h: f64) -> Vec<Lanes<N>> {
    let half = Lanes::splat(-0.5 * h * nu);
    let inputs = problem
        .eigenvalues
        .iter()
        .map(|&s| half * Lanes::splat(problem.outputs as f64) * s);
    let outputs = (0..problem.outputs).map(|_| half * problem.trace);
    inputs.chain(outputs).collect()
}

struct Advance<'a, const N: usize> {
    stepper: &'a mut Stepper<N>,
    state: &'a mut State<N>,
    problem: &'a LaneProblem<N>,
    steps: u64,
}

impl<const N: usize> LaneWork for Advance<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for _ in 0..self.steps {
            self.stepper.take_step(self.state, self.problem);
        }
    }
}

//! Takes N trajectories forward: increment, admission, update, upkeep.

use crate::kernels::Variant;
use crate::linalg::reorthogonalization::Reorthogonalizer;
use crate::model::dynamics::{Dynamics, Integrator, Kind};
use crate::random::normals::Streams;
use crate::simd::instructions::LaneWork;
use crate::simd::lane_vec::{LaneVec, zero_outside};
use crate::simd::lanes::{Lanes, Words};
use crate::step::counterfactual::Counterfactual;
use crate::step::increment::{GaussianNoise, Increment};
use crate::step::ito::{BlockDamping, ito_rate};
use crate::step::small::{SmallRule, SmallSteps};
use crate::step::strang::LieStrang;
use crate::step::update::Update;
use crate::step::velocity::VelocityRule;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// How Θ is moved by ΔG.
enum Rule<const N: usize> {
    /// I + H(ΔG), with momentum or weight decay where there is any.
    Euler(Option<VelocityRule<N>>),
    /// exp(H(ΔG)) diag(damping), and before it what the noise of labels that flip damps.
    LieEuler(LaneVec<N>, Option<BlockDamping<N>>),
    /// exp(H(ΔG) + diag(rate)).
    LieEulerUnsplit(LaneVec<N>),
    /// Drift, noise and drift apart.
    LieStrang(Box<LieStrang<N>>),
}

/// The steps of one of the dynamics with steps: all but gradient flow.
pub struct BlockStepper<const N: usize> {
    increment: Increment<N>,
    rule: Rule<N>,
    counterfactual: Option<Counterfactual<N>>,
    /// 1/(1 − μ).
    momentum_gain: f64,
    /// Whether there are runs of steps in registers for them.
    small: bool,
    update: Update<N>,
    reorthogonalizer: Reorthogonalizer<N>,
    /// ΔG, p × k row-major.
    step: LaneVec<N>,
    trajectories: Words<N>,
}

impl<const N: usize> BlockStepper<N> {
    /// None for gradient flow.
    pub fn new(
        dynamics: &Dynamics,
        problem: &LaneProblem<N>,
        streams: &Streams<N>,
    ) -> Option<Self> {
        let increment = Increment::new(dynamics, problem, streams)?;
        let rule = Rule::of(dynamics, problem, streams);
        let counterfactual = counterfactual(dynamics, problem);
        let small = problem.kernels == Variant::Small
            && counterfactual.is_none()
            && increment.is_of_one_pass()
            && matches!(rule, Rule::Euler(None) | Rule::LieEuler(_, None));
        Some(Self {
            increment,
            rule,
            counterfactual,
            small,
            momentum_gain: dynamics.optimizer.momentum_gain(),
            update: Update::new(problem.inputs, problem.outputs, streams.instructions),
            reorthogonalizer: Reorthogonalizer::default(),
            step: LaneVec::zeros(problem.inputs * problem.outputs),
            trajectories: streams.trajectories,
        })
    }

    /// ΔG of the last step taken, p × k row-major; zero in lanes that took none, and with the
    /// Lie–Strang step, which has several.
    pub fn increment(&self) -> &[Lanes<N>] {
        &self.step
    }

    /// What makes the increments.
    pub fn increments(&self) -> &Increment<N> {
        &self.increment
    }

    /// Takes `steps` steps.
    pub fn advance(&mut self, state: &mut State<N>, problem: &LaneProblem<N>, steps: u64) {
        let mut left = steps;
        while left > 0 {
            left -= match self.run_of_small(state, problem, left) {
                Some(0) => {
                    self.any_steps(state, problem, 1);
                    1
                }
                Some(taken) => {
                    state.reorthogonalize_due(&mut self.reorthogonalizer, problem.instructions);
                    taken
                }
                None => {
                    self.any_steps(state, problem, left);
                    left
                }
            };
        }
    }

    /// Up to `steps` steps of a small network, if it is one; how many, 0 if the next needs more
    /// care.
    fn run_of_small(
        &mut self,
        state: &mut State<N>,
        problem: &LaneProblem<N>,
        steps: u64,
    ) -> Option<u64> {
        // A constant first: small networks go in full blocks, and are not compiled for any other.
        if !Lanes::<N>::FULL || !self.small {
            return None;
        }
        let (drift, noise) = match &mut self.increment {
            Increment::GaussianNoise { drift, noise } => (drift, Some(noise)),
            Increment::Descent { drift } => (drift, None),
            _ => return None,
        };
        let rule = match &self.rule {
            Rule::LieEuler(damping, _) => SmallRule::LieEuler(damping),
            _ => SmallRule::Euler,
        };
        let run = SmallSteps {
            inputs: problem.inputs,
            outputs: problem.outputs,
            drift,
            noise,
            rule,
            increment: &mut self.step,
        };
        run.advance(state, steps, problem.instructions)
    }

    /// Takes `steps` steps of any kind and shape.
    fn any_steps(&mut self, state: &mut State<N>, problem: &LaneProblem<N>, steps: u64) {
        Advance {
            stepper: self,
            state,
            problem,
            steps,
        }
        .run_on(problem.instructions);
    }

    /// The noise of the step to come and of those after it, where the increment has Gaussian noise.
    pub fn noise(&mut self) -> Option<&mut GaussianNoise<N>> {
        match &mut self.increment {
            Increment::GaussianNoise { noise, .. } => Some(noise),
            _ => None,
        }
    }

    #[inline(always)]
    fn take_step(&mut self, state: &mut State<N>, problem: &LaneProblem<N>) {
        self.move_state(state, problem);
        state.step += 1;
        state.reorthogonalize_due(&mut self.reorthogonalizer, problem.instructions);
    }

    #[inline(always)]
    fn move_state(&mut self, state: &mut State<N>, problem: &LaneProblem<N>) {
        if let (Rule::LieStrang(strang), Increment::GaussianNoise { noise, .. }) =
            (&mut self.rule, &mut self.increment)
        {
            return strang.move_state(state, problem, noise, &mut self.update);
        }
        let square = self
            .increment
            .fill(state, problem, self.trajectories, &mut self.step);
        if let Some(counterfactual) = &mut self.counterfactual {
            counterfactual.apply(state, problem);
        }
        let mask = state.accept_step(square, self.momentum_gain);
        zero_outside(mask, &mut self.step);
        let columns = state.factor.mantissa_mut();
        match &mut self.rule {
            Rule::Euler(velocity) => {
                if let Some(rule) = velocity {
                    rule.remember(columns);
                }
                self.update.euler(&self.step, columns);
                if let Some(rule) = velocity {
                    rule.advance(columns, &mut state.velocity, mask);
                }
            }
            Rule::LieEuler(damping, blocks) => {
                if let Some(blocks) = blocks {
                    blocks.apply(columns, mask);
                }
                self.update
                    .exponential(&self.step, square, damping, columns, mask);
            }
            Rule::LieEulerUnsplit(rate) => {
                self.update
                    .exponential_unsplit(&self.step, square, rate, columns, mask);
            }
            // Handled above: it makes its increments itself.
            Rule::LieStrang(_) => {}
        }
    }
}

impl<const N: usize> Rule<N> {
    fn of(dynamics: &Dynamics, problem: &LaneProblem<N>, streams: &Streams<N>) -> Self {
        match dynamics.kind {
            Kind::StochasticGradientFlow {
                integrator,
                time_step,
                ..
            } => {
                let nu = dynamics.noise_intensity(problem.samples);
                let classes = problem.classes.as_ref();
                let flips = classes.and_then(|classes| classes.noise.as_ref());
                match integrator {
                    Integrator::EulerMaruyama => Self::Euler(None),
                    // Ensembles of classes are refused with any other integrator.
                    _ if classes.is_some() => {
                        let ones = LaneVec::filled(Lanes::ONE, problem.inputs + problem.outputs);
                        let blocks = flips.map(|noise| BlockDamping::new(noise, nu, time_step));
                        Self::LieEuler(ones, blocks)
                    }
                    Integrator::LieEuler => {
                        let rates = ito_rate(problem, nu, time_step);
                        let factors = rates.iter().map(|rate| Lanes(rate.0.map(libm::exp)));
                        Self::LieEuler(factors.collect(), None)
                    }
                    Integrator::LieEulerUnsplit => {
                        Self::LieEulerUnsplit(ito_rate(problem, nu, time_step))
                    }
                    Integrator::LieStrang => {
                        let strang = LieStrang::new(problem, nu, time_step, streams);
                        Self::LieStrang(Box::new(strang))
                    }
                }
            }
            _ => Self::Euler(VelocityRule::new(&dynamics.optimizer, dynamics.step_size)),
        }
    }
}

fn counterfactual<const N: usize>(
    dynamics: &Dynamics,
    problem: &LaneProblem<N>,
) -> Option<Counterfactual<N>> {
    let forces = dynamics.modified_forces()?;
    let Kind::StochasticGradientFlow { time_step, .. } = dynamics.kind else {
        return None;
    };
    let nu = dynamics.noise_intensity(problem.samples);
    Some(Counterfactual::new(forces, problem, nu, time_step))
}

struct Advance<'a, const N: usize> {
    stepper: &'a mut BlockStepper<N>,
    state: &'a mut State<N>,
    problem: &'a LaneProblem<N>,
    steps: u64,
}

impl<const N: usize> LaneWork for Advance<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        for _ in 0..self.steps {
            self.stepper.take_step(self.state, self.problem);
        }
    }
}

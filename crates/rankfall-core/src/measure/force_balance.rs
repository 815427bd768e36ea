//! How much each force did: contributions to the change of every log λ_i since the start of a run
//! of the stochastic gradient flow.
//!
//! On a grid of its own the rates of the chosen split of [`crate::theory::forces`] are summed by
//! the trapezoidal rule, and the martingale Σ 4 a_iᵀ ΔN b_i from the left ends of its intervals, ΔN
//! the noise √ν S^{1/2}ΔB of the interval. What is left of log λ_i(t) − log λ_i(0) is the residual:
//! the error of the grid, mostly of the stochastic integral (strong order 1/2), and of the
//! integrator.
//!
//! Where repulsion is scaled below 1, eigenvalues meet and, being told apart by size alone, are
//! reflected. That is a term of its own: what is left of the change of log λ_i over an interval
//! that begins with another eigenvalue so near that the noise of the interval may close the gap
//! ([`Forces::may_meet`]). There the first order of the noise no longer tells where the two go, and
//! what is left is what keeps them in order.
//!
//! The error of the trapezoidal rule is told from the difference to twice the spacing, taken pair
//! of intervals by pair: max(√(Σ difference²/3), |Σ difference|/√3). For integrands that move like
//! Brownian motion the first is its standard deviation; for smooth ones the second is √3 times it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::measure::layout::MOST_FOR_PAIRS;
use crate::model::dynamics::ForceScales;
use crate::simd::instructions::LaneWork;
use crate::simd::lanes::{Lanes, Mask};
use crate::step::increment::GaussianNoise;
use crate::step::stepper::BlockStepper;
use crate::theory::forces::Forces;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// What the balance needs to know of a run.
#[derive(Clone, Copy, Debug)]
pub struct BalanceSettings {
    /// Factors on the forces.
    pub scales: ForceScales,
    /// ν.
    pub nu: f64,
    /// The step h of the integrator.
    pub time_step: f64,
    /// Steps between two points of the grid.
    pub stride: u64,
}

/// The accumulated contributions of N trajectories.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForceBalance<const N: usize> {
    eigenvalues: usize,
    /// log λ_i at the start, and now.
    initial: Vec<Lanes<N>>,
    now: Vec<Lanes<N>>,
    /// The last point of the grid, and the one before where it is the middle of a pair.
    last: Sample<N>,
    before: Option<Sample<N>>,
    /// Gradient, own noise, common growth or decay, repulsion; eigenvalue by eigenvalue.
    forces: [Vec<Lanes<N>>; 4],
    pairs: Vec<Lanes<N>>,
    martingale: Vec<Lanes<N>>,
    /// What reflections did, where eigenvalues can meet.
    reflection: Option<Vec<Lanes<N>>>,
    /// Σ difference and Σ difference² of the two spacings.
    difference: Vec<Lanes<N>>,
    difference_squares: Vec<Lanes<N>>,
    /// √ν S^{1/2}ΔB since the last point, p × k row-major.
    noise: Vec<Lanes<N>>,
}

/// One point of the grid.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sample<const N: usize> {
    step: u64,
    rates: [Vec<Lanes<N>>; 4],
    pairs: Vec<Lanes<N>>,
    /// v_i, column by column.
    vectors: Vec<Lanes<N>>,
    /// 1 where λ_i may meet another until the next point, else 0; empty where none can.
    near: Vec<Lanes<N>>,
}

impl<const N: usize> ForceBalance<N> {
    /// Nothing contributed yet, at the state a run starts from.
    pub fn new(state: &State<N>, problem: &LaneProblem<N>, settings: &BalanceSettings) -> Self {
        let (last, initial) = sample(state, problem, settings);
        let m = initial.len();
        let zeros = |count| vec![Lanes::ZERO; count];
        Self {
            eigenvalues: m,
            now: initial.clone(),
            initial,
            before: None,
            forces: [zeros(m), zeros(m), zeros(m), zeros(m)],
            pairs: zeros(last.pairs.len()),
            last,
            martingale: zeros(m),
            reflection: settings.scales.let_eigenvalues_meet().then(|| zeros(m)),
            difference: zeros(m),
            difference_squares: zeros(m),
            noise: zeros(problem.inputs * problem.outputs),
        }
    }

    /// Takes `steps` steps, adding a point wherever the grid has one.
    pub fn advance(
        &mut self,
        settings: &BalanceSettings,
        stepper: &mut BlockStepper<N>,
        state: &mut State<N>,
        problem: &LaneProblem<N>,
        mut steps: u64,
    ) {
        let stride = settings.stride;
        while steps > 0 {
            let next = steps.min(stride - state.step % stride);
            if let Some(noise) = stepper.noise() {
                let steps = state.step..state.step + next;
                let sum = &mut self.noise;
                Gather { noise, steps, sum }.run_on(problem.instructions);
            }
            stepper.advance(state, problem, next);
            steps -= next;
            if state.step.is_multiple_of(stride) {
                self.add_point(state, problem, settings);
            }
        }
    }

    /// Adds the interval since the last point of the grid, which ends at this state.
    pub fn add_point(
        &mut self,
        state: &State<N>,
        problem: &LaneProblem<N>,
        settings: &BalanceSettings,
    ) {
        if state.step == self.last.step {
            return;
        }
        let (point, now) = sample(state, problem, settings);
        // The change of each log λ_i, less what accounts for it.
        let mut left: Vec<_> = now.iter().zip(&self.now).map(|(&x, &y)| x - y).collect();
        self.now = now;
        let length = (point.step - self.last.step) as f64 * settings.time_step;
        let half = Lanes::splat(0.5 * length);
        for (force, sum) in self.forces.iter_mut().enumerate() {
            let (start, end) = (&self.last.rates[force], &point.rates[force]);
            add_trapezoid(sum, half, start, end);
            add_trapezoid(&mut left, -half, start, end);
        }
        add_trapezoid(&mut self.pairs, half, &self.last.pairs, &point.pairs);
        self.add_martingale(problem.outputs, &mut left);
        let near = self.last.near.iter().zip(left);
        for (sum, (&near, left)) in self.reflection.iter_mut().flatten().zip(near) {
            *sum += left.select(Lanes::ZERO.less_than(near), Lanes::ZERO);
        }
        let last = std::mem::replace(&mut self.last, point);
        self.before = match self.before.take() {
            None => Some(last),
            Some(before) => {
                self.compare_spacings(&before, &last, settings.time_step);
                None
            }
        };
    }

    /// To the martingale, off what is left.
    fn add_martingale(&mut self, outputs: usize, left: &mut [Lanes<N>]) {
        let rows = self.last.vectors.len() / self.eigenvalues;
        for (i, vector) in self.last.vectors.chunks_exact(rows).enumerate() {
            let (a, b) = vector.split_at(rows - outputs);
            let mut sum = Lanes::ZERO;
            for (row, &x) in a.iter().enumerate() {
                for (column, &y) in b.iter().enumerate() {
                    sum = (x * y).mul_add(self.noise[row * outputs + column], sum);
                }
            }
            self.martingale[i] = Lanes::splat(4.0).mul_add(sum, self.martingale[i]);
            left[i] = Lanes::splat(-4.0).mul_add(sum, left[i]);
        }
        self.noise.fill(Lanes::ZERO);
    }

    /// One interval over both less the two that were added.
    fn compare_spacings(&mut self, first: &Sample<N>, middle: &Sample<N>, h: f64) {
        let end = &self.last;
        let length =
            |from: &Sample<N>, to: &Sample<N>| Lanes::splat(0.5 * h * (to.step - from.step) as f64);
        let (early, late) = (length(first, middle), length(middle, end));
        for i in 0..self.eigenvalues {
            let drift = |sample: &Sample<N>| {
                let rates = &sample.rates;
                rates[0][i] + rates[1][i] + rates[2][i] + rates[3][i]
            };
            let (x, y, z) = (drift(first), drift(middle), drift(end));
            let difference = (x + z) * (early + late) - (x + y) * early - (y + z) * late;
            self.difference[i] += difference;
            self.difference_squares[i] = difference.mul_add(difference, self.difference_squares[i]);
        }
    }

    /// Appends everything of a force balance, in the order of
    /// [`Layout`](crate::measure::layout::Layout); undefined for a zero eigenvalue.
    pub fn record(&self, out: &mut Vec<Lanes<N>>) {
        for force in &self.forces {
            out.extend(force);
        }
        out.extend(&self.martingale);
        for i in 0..self.eigenvalues {
            let mut left = self.now[i] - self.initial[i] - self.martingale[i];
            for force in &self.forces {
                left -= force[i];
            }
            if let Some(reflection) = &self.reflection {
                left -= reflection[i];
            }
            out.push(left);
        }
        let third = Lanes::splat(1.0 / 3.0);
        for (&sum, &squares) in self.difference.iter().zip(&self.difference_squares) {
            out.push((squares * third).sqrt().max(sum.abs() * third.sqrt()));
        }
        if self.eigenvalues <= MOST_FOR_PAIRS {
            out.extend(&self.pairs);
        }
        out.extend(self.reflection.iter().flatten());
    }
}

/// sum += half (left + right).
fn add_trapezoid<const N: usize>(
    sum: &mut [Lanes<N>],
    half: Lanes<N>,
    left: &[Lanes<N>],
    right: &[Lanes<N>],
) {
    for ((sum, &x), &y) in sum.iter_mut().zip(left).zip(right) {
        *sum = half.mul_add(x + y, *sum);
    }
}

/// The rates at a state, times the factors on the forces, and its log λ_i.
fn sample<const N: usize>(
    state: &State<N>,
    problem: &LaneProblem<N>,
    settings: &BalanceSettings,
) -> (Sample<N>, Vec<Lanes<N>>) {
    let scales = settings.scales;
    let smooth = (!scales.is_unmodified()).then_some(settings.time_step);
    let forces = Forces::of_state(state, problem, settings.nu, smooth);
    let (m, split) = (forces.count(), scales.split);
    let rates = |scale: f64, force: &dyn Fn(usize) -> Lanes<N>| -> Vec<Lanes<N>> {
        (0..m).map(|i| Lanes::splat(scale) * force(i)).collect()
    };
    let pair = |place: usize| {
        let (i, j) = (place / m, place % m);
        if i == j {
            Lanes::ZERO
        } else {
            Lanes::splat(scales.repulsion) * forces.repulsion_from(split, i, j)
        }
    };
    let pairs = if m <= MOST_FOR_PAIRS { m * m } else { 0 };
    let length = settings.time_step * settings.stride as f64;
    let near = |i: usize| {
        let of = |near: Mask<N>, j: usize| near | (forces.may_meet(i, j, length));
        let near = (0..m)
            .filter(|&j| j != i)
            .fold(Mask::from_fn(|_| false), of);
        Lanes::ONE.select(near, Lanes::ZERO)
    };
    let meeting = if scales.let_eigenvalues_meet() { m } else { 0 };
    let point = Sample {
        step: state.step,
        rates: [
            rates(scales.gradient, &|i| forces.gradient(i)),
            rates(scales.own_noise, &|i| forces.own_noise(i)),
            rates(scales.common, &|i| forces.common(split, i)),
            rates(scales.repulsion, &|i| forces.repulsion(split, i)),
        ],
        pairs: (0..pairs).map(pair).collect(),
        vectors: (0..m)
            .flat_map(|i| forces.vector(i).iter().copied())
            .collect(),
        near: (0..meeting).map(near).collect(),
    };
    let logs = (0..m).map(|i| forces.log_eigenvalue(i)).collect();
    (point, logs)
}

/// Adds the noise of these steps up.
struct Gather<'a, const N: usize> {
    noise: &'a mut GaussianNoise<N>,
    steps: Range<u64>,
    sum: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for Gather<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        for step in self.steps {
            self.noise.add(step, self.sum);
        }
    }
}

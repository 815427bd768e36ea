//! Gradient flow dΘ = H(A) Θ dt by the explicit Runge–Kutta method of order 8 of Dormand and
//! Prince, with its error estimates of orders 5 and 3.
//!
//! Each stage is a polynomial in H(A) acting on Θ from the left, so columns are only ever combined
//! with themselves and small ones keep their relative accuracy. The conserved quantities,
//! log det M and W₁ᵀW₁ − W₂W₂ᵀ, are not built in: they measure the error.
//!
//! Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", 2nd ed., §II.5, II.10.

use crate::linalg::reorthogonalization::Reorthogonalizer;
use crate::model::row_noise::RowNoise;
use crate::simd::instructions::LaneWork;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};
use crate::step::slow_flow::{SlowFlow, WeightedColumns};
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::{State, negative_gradient_of};
use crate::trajectories::stop_reason::StopReason;

/// The error of one step relative to the norm of each column.
pub const TOLERANCE: f64 = 1e-13;

/// Steps that are tried for one trajectory, at most: what needs more is too stiff for an explicit
/// method.
pub const MOST_ATTEMPTS: f64 = 1e7;

/// Nodes, of which only the consistency with [`STAGES`] matters here: the flow is autonomous.
#[cfg(test)]
const NODES: [f64; 12] = [
    0.0,
    0.05260015195876773,
    0.0789002279381516,
    0.1183503419072274,
    0.2816496580927726,
    0.3333333333333333,
    0.25,
    0.3076923076923077,
    0.6512820512820513,
    0.6,
    0.8571428571428571,
    1.0,
];

/// Coefficients (earlier stage, factor) of each stage.
const STAGES: [&[(usize, f64)]; 12] = [
    &[],
    &[(0, 0.05260015195876773)],
    &[(0, 0.0197250569845379), (1, 0.0591751709536137)],
    &[(0, 0.02958758547680685), (2, 0.08876275643042054)],
    &[
        (0, 0.2413651341592667),
        (2, -0.8845494793282861),
        (3, 0.924834003261792),
    ],
    &[
        (0, 0.037037037037037035),
        (3, 0.17082860872947386),
        (4, 0.12546768756682242),
    ],
    &[
        (0, 0.037109375),
        (3, 0.17025221101954405),
        (4, 0.06021653898045596),
        (5, -0.017578125),
    ],
    &[
        (0, 0.03709200011850479),
        (3, 0.17038392571223998),
        (4, 0.10726203044637328),
        (5, -0.015319437748624402),
        (6, 0.008273789163814023),
    ],
    &[
        (0, 0.6241109587160757),
        (3, -3.3608926294469414),
        (4, -0.868219346841726),
        (5, 27.59209969944671),
        (6, 20.154067550477894),
        (7, -43.48988418106996),
    ],
    &[
        (0, 0.47766253643826434),
        (3, -2.4881146199716677),
        (4, -0.590290826836843),
        (5, 21.230051448181193),
        (6, 15.279233632882423),
        (7, -33.28821096898486),
        (8, -0.020331201708508627),
    ],
    &[
        (0, -0.9371424300859873),
        (3, 5.186372428844064),
        (4, 1.0914373489967295),
        (5, -8.149787010746927),
        (6, -18.52006565999696),
        (7, 22.739487099350505),
        (8, 2.4936055526796523),
        (9, -3.0467644718982196),
    ],
    &[
        (0, 2.273310147516538),
        (3, -10.53449546673725),
        (4, -2.0008720582248625),
        (5, -17.9589318631188),
        (6, 27.94888452941996),
        (7, -2.8589982771350235),
        (8, -8.87285693353063),
        (9, 12.360567175794303),
        (10, 0.6433927460157636),
    ],
];

/// Weights of the result.
const WEIGHTS: [(usize, f64); 8] = [
    (0, 0.054293734116568765),
    (5, 4.450312892752409),
    (6, 1.8915178993145003),
    (7, -5.801203960010585),
    (8, 0.3111643669578199),
    (9, -0.1521609496625161),
    (10, 0.20136540080403034),
    (11, 0.04471061572777259),
];

/// Weights of the error estimate of order 5.
const ERROR_FIVE: [(usize, f64); 8] = [
    (0, 0.01312004499419488),
    (5, -1.2251564463762044),
    (6, -0.4957589496572502),
    (7, 1.6643771824549864),
    (8, -0.35032884874997366),
    (9, 0.3341791187130175),
    (10, 0.08192320648511571),
    (11, -0.022355307863886294),
];

/// Weights of the error estimate of order 3, which keeps the other honest.
const ERROR_THREE: [(usize, f64); 8] = [
    (0, -0.18980075407240762),
    (5, 4.450312892752409),
    (6, 1.8915178993145003),
    (7, -5.801203960010585),
    (8, -0.4226823213237919),
    (9, -0.1521609496625161),
    (10, 0.20136540080403034),
    (11, 0.02265179219836082),
];

/// Scratch of the integrator for N trajectories.
pub struct GradientFlow<const N: usize> {
    slopes: Vec<LaneVec<N>>,
    stage: LaneVec<N>,
    increment: LaneVec<N>,
    /// What label noise adds on average, where it is the slow flow.
    slow: Option<SlowFlow<N>>,
    reorthogonalizer: Reorthogonalizer<N>,
    most_attempts: f64,
}

impl<const N: usize> GradientFlow<N> {
    /// For states of this shape.
    pub fn new(problem: &LaneProblem<N>, state: &State<N>) -> Self {
        let size = state.factor.mantissa().len();
        Self {
            slopes: vec![LaneVec::zeros(size); STAGES.len()],
            stage: LaneVec::zeros(size),
            increment: LaneVec::zeros(problem.inputs * problem.outputs),
            slow: None,
            reorthogonalizer: Reorthogonalizer::default(),
            most_attempts: MOST_ATTEMPTS,
        }
    }

    /// The slow flow of label noise of intensity `nu` instead, with that of rows where it is given.
    #[must_use]
    pub fn with_noise(mut self, problem: &LaneProblem<N>, nu: f64, rows: Option<RowNoise>) -> Self {
        let slow = SlowFlow::new(problem, nu);
        self.slow = Some(match rows {
            Some(rows) => slow.with_rows(rows, problem),
            None => slow,
        });
        self
    }

    /// Stops after `attempts` steps that are tried, not only after [`MOST_ATTEMPTS`].
    #[must_use]
    pub fn with_most_attempts(mut self, attempts: f64) -> Self {
        self.most_attempts = attempts;
        self
    }

    /// Integrates over a time `length`, each lane with its own steps. At most `attempts` steps are
    /// tried; returns the time left per lane, zero when done. A lane that has tried
    /// [`MOST_ATTEMPTS`] in all is stopped.
    pub fn advance(
        &mut self,
        state: &mut State<N>,
        problem: &LaneProblem<N>,
        length: Lanes<N>,
        attempts: u32,
    ) -> Lanes<N> {
        Advance {
            flow: self,
            state,
            problem,
            left: length,
            attempts,
        }
        .run_on(problem.instructions)
    }

    /// dΘ/dt at `self.stage` into slope `index`.
    #[inline(always)]
    fn slope(&mut self, state: &State<N>, problem: &LaneProblem<N>, index: usize) {
        let (p, k) = (problem.inputs, problem.outputs);
        let rows = p + k;
        negative_gradient_of(&self.stage, &state.weight, problem, &mut self.increment);
        if let Some(slow) = &mut self.slow {
            let columns = WeightedColumns {
                mantissa: &self.stage,
                weight: &state.weight,
            };
            slow.hold_minimum(columns, problem, state.at_minimum, &mut self.increment);
        }
        let slope = &mut self.slopes[index];
        for (column, out) in self
            .stage
            .chunks_exact(rows)
            .zip(slope.chunks_exact_mut(rows))
        {
            let (w1, w2) = column.split_at(p);
            let (to_w1, to_w2) = out.split_at_mut(p);
            to_w2.fill(Lanes::ZERO);
            for ((target, &x), row) in to_w1.iter_mut().zip(w1).zip(self.increment.chunks_exact(k))
            {
                let mut sum = Lanes::ZERO;
                for ((&g, &y), back) in row.iter().zip(w2).zip(to_w2.iter_mut()) {
                    sum = g.mul_add(y, sum);
                    *back = g.mul_add(x, *back);
                }
                *target = sum;
            }
        }
        if let Some(slow) = &self.slow {
            slow.add_decay(&self.stage, slope);
        }
    }

    /// stage = Θ + h Σ coefficient · slope.
    #[inline(always)]
    fn set_stage(&mut self, state: &State<N>, h: Lanes<N>, coefficients: &[(usize, f64)]) {
        for (i, entry) in self.stage.iter_mut().enumerate() {
            let sum = combine(&self.slopes, coefficients, i);
            *entry = h.mul_add(sum, state.factor.mantissa()[i]);
        }
    }

    /// The largest over columns of (estimated error / (tolerance · norm))²; NaN where any is no
    /// number.
    #[inline(always)]
    fn error_square(&self, state: &State<N>, h: Lanes<N>) -> Lanes<N> {
        let rows = state.factor.rows();
        let mut largest = Lanes::ZERO;
        for (j, column) in state.factor.mantissa().chunks_exact(rows).enumerate() {
            let (mut five, mut three, mut norm) = (Lanes::ZERO, Lanes::ZERO, Lanes::ZERO);
            for (i, &entry) in column.iter().enumerate() {
                let (e5, e3) = (
                    combine(&self.slopes, &ERROR_FIVE, j * rows + i),
                    combine(&self.slopes, &ERROR_THREE, j * rows + i),
                );
                five = e5.mul_add(e5, five);
                three = e3.mul_add(e3, three);
                norm = entry.mul_add(entry, norm);
            }
            // |e₅|⁴ / (|e₅|² + 0.01 |e₃|²): of order 8 where both behave.
            let mixed = three.mul_add(Lanes::splat(0.01), five);
            // Comparisons with NaN are false: it stays NaN, and no step of it is taken.
            let square = Lanes::ZERO.select(five.at_most(Lanes::ZERO), five * five / mixed);
            let bound = norm * Lanes::splat(TOLERANCE * TOLERANCE);
            let relative = Lanes::ZERO.select(norm.at_most(Lanes::ZERO), h * h * square / bound);
            largest = largest.max_or_nan(relative);
        }
        largest
    }

    /// A first step, once the slope at the state is known: a hundredth of the time in which the
    /// weights would change by their size.
    #[inline(always)]
    fn first_step(&self) -> Lanes<N> {
        let mut square = Lanes::splat(1e-12);
        for &entry in &self.increment {
            square = entry.mul_add(entry, square);
        }
        Lanes::splat(0.01) / square.sqrt()
    }
}

/// Σ coefficient · slope\[i\].
#[inline(always)]
fn combine<const N: usize>(slopes: &[LaneVec<N>], terms: &[(usize, f64)], i: usize) -> Lanes<N> {
    let mut sum = Lanes::ZERO;
    for &(stage, factor) in terms {
        sum = slopes[stage][i].mul_add(Lanes::splat(factor), sum);
    }
    sum
}

struct Advance<'a, const N: usize> {
    flow: &'a mut GradientFlow<N>,
    state: &'a mut State<N>,
    problem: &'a LaneProblem<N>,
    left: Lanes<N>,
    attempts: u32,
}

impl<const N: usize> LaneWork for Advance<'_, N> {
    type Output = Lanes<N>;
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(mut self) -> Lanes<N> {
        for _ in 0..self.attempts {
            let going = Lanes::ZERO.less_than(self.left) & self.state.alive();
            if !going.any() {
                break;
            }
            attempt(self.flow, self.state, self.problem, &mut self.left, going);
        }
        self.left
    }
}

/// Tries one step in the lanes of `going`, and takes it where the error allows.
#[inline(always)]
fn attempt<const N: usize>(
    flow: &mut GradientFlow<N>,
    state: &mut State<N>,
    problem: &LaneProblem<N>,
    left: &mut Lanes<N>,
    going: Mask<N>,
) {
    let fresh = going & state.adaptive_step.at_most(Lanes::ZERO);
    for (index, coefficients) in STAGES.iter().enumerate() {
        let (h, _) = step_to_try(state, *left);
        flow.set_stage(state, h, coefficients);
        flow.slope(state, problem, index);
        // The first is at the state itself, whatever the step.
        if index == 0 && fresh.any() {
            state.adaptive_step = flow.first_step().select(fresh, state.adaptive_step);
        }
    }
    let (h, last) = step_to_try(state, *left);
    let error = flow.error_square(state, h);
    let accept = going & error.at_most(Lanes::ONE);
    flow.set_stage(state, h, &WEIGHTS);
    for (entry, &new) in state.factor.mantissa_mut().iter_mut().zip(&flow.stage) {
        *entry = new.select(accept, *entry);
    }
    *left = (Lanes::ZERO.select(last, *left - h)).select(accept, *left);
    let factor = step_factor(error);
    // A step cut short by the end of the interval says nothing against a longer one.
    let proposed = (h * factor).max(state.adaptive_step.select(accept & last, Lanes::ZERO));
    state.adaptive_step = proposed.select(going, state.adaptive_step);
    state.moved(Lanes::splat(0.25), accept);
    if let Some(slow) = &mut flow.slow {
        slow.look_for_minimum(state, problem);
    }
    let stuck = going & state.adaptive_step.at_most(Lanes::splat(1e-300));
    if stuck.any() {
        state.mark_diverged(stuck);
    }
    state.reorthogonalize_far(accept, &mut flow.reorthogonalizer, problem.instructions);
    state.attempts = (state.attempts + Lanes::ONE).select(going, state.attempts);
    let spent = Lanes::splat(flow.most_attempts).at_most(state.attempts);
    let spent = going & spent & Lanes::ZERO.less_than(*left);
    if spent.any() {
        state.stop(spent, StopReason::StepLimit);
    }
}

/// The length of the next step, and the lanes in which it is all that is left.
#[inline(always)]
fn step_to_try<const N: usize>(state: &State<N>, left: Lanes<N>) -> (Lanes<N>, Mask<N>) {
    let last = left.at_most(state.adaptive_step);
    (left.select(last, state.adaptive_step), last)
}

/// 0.9 · error^(−1/8), between 1/3 and 6, from error².
#[inline(always)]
fn step_factor<const N: usize>(error_square: Lanes<N>) -> Lanes<N> {
    let eighth = error_square.sqrt().sqrt().sqrt().sqrt();
    let factor = Lanes::splat(0.9) / eighth;
    // An error of zero allows anything, NaN nothing: max and min return their second argument
    // where the first is NaN.
    factor
        .min(Lanes::splat(6.0))
        .max(Lanes::splat(1.0 / 3.0))
        .select(
            error_square.at_most(Lanes::splat(f64::MAX)),
            Lanes::splat(1.0 / 3.0),
        )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use faer::Mat;

    use super::*;
    use crate::model::gram::Gram;
    use crate::model::network::{Initialisation, Weights};
    use crate::model::problem::Problem;
    use crate::simd::instructions::Instructions;

    /// p = k = l = 1: ẇ₁ = (g − s w₁w₂) w₂ and the same with w₁ and w₂ changed over.
    fn scalar(s: f64, g: f64, w: f64) -> (LaneProblem<1>, State<1>) {
        let matrix = |x: f64| Mat::from_fn(1, 1, |_, _| x);
        let gram = Gram {
            sxx: matrix(s),
            sxy: matrix(g),
            syy: matrix(1.0 + g * g / s),
            n: 10,
            centred: None,
        };
        let problem = Arc::new(Problem::new(&gram, None, None).expect("a problem"));
        let weights = Weights {
            w1: matrix(w),
            w2: matrix(w),
        };
        let start = Initialisation::Given(weights).start(&problem, 1, 0, 0);
        let start = start.expect("a start");
        let instructions = Instructions::portable();
        let state = State::new(&[&start], instructions);
        (LaneProblem::new(&[problem], instructions), state)
    }

    fn map(problem: &LaneProblem<1>, state: &State<1>) -> f64 {
        let mut out = [Lanes::ZERO];
        state.product(problem, &mut out);
        out[0].0[0]
    }

    /// With w₁ = w₂ and u = w₁w₂, u̇ = 2u(g − su): a logistic curve. Rates up to 10²⁰ overflow
    /// within the first step that is tried.
    #[test]
    fn a_stiff_flow_follows_its_closed_form() {
        for s in [1.0, 1e4, 1e10, 1e20] {
            let (problem, mut state) = scalar(s, 0.5 * s, 1.0);
            let time = 3.0 / s;
            let mut flow = GradientFlow::new(&problem, &state);
            let left = flow.advance(&mut state, &problem, Lanes([time]), 10_000);
            assert_eq!(left.0[0], 0.0, "{s:e}");
            // u = 1/2 / (1 − e^{−st}/2) from u(0) = 1.
            let exact = 0.5 / (1.0 - 0.5 * (-s * time).exp());
            let error = (map(&problem, &state) / exact - 1.0).abs();
            assert!(error < 1e-12, "{s:e}: {error:e}");
        }
    }

    /// No step whose stages are no numbers is taken: slopes beyond 10³⁰⁸ leave NaN beside finite
    /// columns.
    #[test]
    fn steps_that_are_no_number_are_not_taken() {
        let (problem, mut state) = scalar(1e200, 0.5e200, 1e60);
        let mut flow = GradientFlow::new(&problem, &state);
        flow.advance(&mut state, &problem, Lanes([1.0]), 2_000);
        let finite = state.factor.mantissa().iter().all(|x| x.0[0].is_finite());
        assert!(finite, "{:?}", state.factor.mantissa());
    }

    /// An error that is no number in one column is not forgotten over a small one in the next.
    #[test]
    fn one_column_without_a_number_spoils_the_step() {
        let (problem, state) = scalar(1.0, 0.5, 1.0);
        let rows = state.factor.rows();
        let mut two = state.clone();
        two.factor = crate::linalg::graded::GradedColumns::from_fn(rows, 2, |_, _, _| 1.0);
        let mut flow = GradientFlow::new(&problem, &two);
        for slope in &mut flow.slopes {
            slope[0] = Lanes([f64::NAN]);
        }
        let error = flow.error_square(&two, Lanes::ONE).0[0];
        assert!(error.is_nan(), "{error}");
    }

    /// sλ t = 10⁹ takes at least 10⁸ steps of an explicit method.
    #[test]
    fn what_is_too_stiff_is_stopped_and_says_so() {
        let (problem, mut state) = scalar(1e9, 0.5e9, 1.0);
        let mut flow = GradientFlow::new(&problem, &state);
        flow.most_attempts = 3_000.0;
        let mut left = Lanes([1.0]);
        for _ in 0..100 {
            left = flow.advance(&mut state, &problem, left, 64);
        }
        assert_eq!(state.stopped(0), Some((0, StopReason::StepLimit)));
        assert_eq!(state.attempts.0[0], 3_000.0);
        assert!(left.0[0] > 0.9);
    }

    fn sum(terms: &[(usize, f64)], weight: impl Fn(usize) -> f64) -> f64 {
        terms
            .iter()
            .map(|&(stage, factor)| factor * weight(stage))
            .sum()
    }

    #[test]
    fn stages_sum_to_their_nodes() {
        for (coefficients, node) in STAGES.iter().zip(NODES) {
            assert!((sum(coefficients, |_| 1.0) - node).abs() < 1e-14);
        }
    }

    /// Σ b_i c_iʲ = 1/(j+1) up to order 8, and the error estimates vanish up to theirs.
    #[test]
    fn quadrature_conditions_hold_to_order_eight() {
        for power in 0..8 {
            let moment = sum(&WEIGHTS, |i| NODES[i].powi(power));
            assert!(
                (moment - 1.0 / f64::from(power + 1)).abs() < 1e-14,
                "order {}",
                power + 1
            );
        }
        for power in 0..5 {
            assert!(sum(&ERROR_FIVE, |i| NODES[i].powi(power)).abs() < 1e-14);
        }
        for power in 0..3 {
            assert!(sum(&ERROR_THREE, |i| NODES[i].powi(power)).abs() < 1e-14);
        }
        assert!(sum(&WEIGHTS, |i| NODES[i].powi(8)) - 1.0 / 9.0 > 1e-9);
    }
}

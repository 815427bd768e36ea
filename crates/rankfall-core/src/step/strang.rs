//! The Lie–Strang step of the stochastic gradient flow: weak order 2, and the determinant law to
//! rounding at any step.
//!
//! With V_i = √ν H(S^{1/2}E_ab), one for each of the p k noise directions, and Σ V_i² = νC, the
//! flow in Stratonovich's form is dΘ = (H(A) − νC/2) Θ dt + Σ V_i Θ ∘ dB_i. Its two parts take
//! turns: the drift for h/2, the noise for h, the drift for h/2 (Strang), which is of weak order 2
//! if each part is.
//!
//! Drift over τ: exp(−τνC/4) exp(τ H(A*)) exp(−τνC/4), A* at the midpoint reached by half an Euler
//! step.
//!
//! Noise over h: exp of X + c[X, X̃] + (h/12) Σ_i [V_i, [V_i, X]], X = H(N), X̃ = H(Ñ), where N and
//! Ñ are independent increments √ν S^{1/2}ΔB and c² = 1/8. The mean of its exponential agrees with
//! that of the flow, exp((h/2) Σ V_i²), in all words of four V_i: the commutator stands for Lévy's
//! area, with its variance h²/4 but without its law. The double commutator is H(N′) − H(N) with
//! N′_ab = N_ab (1 + (hν/12)((k − 2) s_a + tr S)), and [X, X̃] is block diagonal, NÑᵀ − ÑNᵀ above
//! NᵀÑ − ÑᵀN. N′ serves in [X, X̃] as well, and exp(c[X, X̃]) exp(H(N′)) in place of the joint
//! exponential differs by terms odd in Ñ, which have no mean to the order that counts.
//!
//! Every factor but exp(−τνC/4) has determinant one, so the law holds exactly.

use crate::kernels::scalar_products::sum_of_squares;
use crate::random::normals::Streams;
use crate::random::philox::Purpose;
use crate::simd::instructions::LaneWork;
use crate::simd::lane_vec::{LaneVec, zero_outside};
use crate::simd::lanes::{Lanes, Mask};
use crate::step::increment::GaussianNoise;
use crate::step::ito::ito_rate;
use crate::step::update::Update;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::{State, negative_gradient_of};

/// Terms of the series of exp(c[X, X̃]): the first left out is below 0.02⁸/8! < 10⁻¹⁸.
const AREA_TERMS: usize = 7;

/// Norm of c[X, X̃] above which it is halved.
const AREA_BOUND: f64 = 0.02;

/// What takes its turn.
#[derive(Clone, Copy)]
enum Part {
    /// The drift over h/2.
    Drift,
    /// The noise over h.
    Noise,
}

/// Scratch and constants of the step.
pub struct LieStrang<const N: usize> {
    time_step: f64,
    /// exp(−hνC/8), p + k entries: a quarter of the step's damping.
    quarter_damping: LaneVec<N>,
    /// N′/N of each row.
    stretch: LaneVec<N>,
    area: GaussianNoise<N>,
    /// N′, Ñ, and τA*; p × k row-major.
    noise: LaneVec<N>,
    other: LaneVec<N>,
    drift: LaneVec<N>,
    /// The columns at the midpoint of the drift.
    middle: LaneVec<N>,
    ones: LaneVec<N>,
    /// Terms of the series for one column.
    term: LaneVec<N>,
    next: LaneVec<N>,
    /// Nᵀa, Ñᵀa and N b, Ñ b of a column (a; b).
    projections: [LaneVec<N>; 2],
}

impl<const N: usize> LieStrang<N> {
    /// Steps of length h = `time_step` at noise intensity `nu`.
    pub fn new(problem: &LaneProblem<N>, nu: f64, time_step: f64, streams: &Streams<N>) -> Self {
        let (p, k) = (problem.inputs, problem.outputs);
        let zeros = |count| LaneVec::zeros(count);
        let stretch = |&s: &Lanes<N>| {
            let bracket = Lanes::splat(k as f64 - 2.0).mul_add(s, problem.trace);
            Lanes::splat(time_step * nu / 12.0).mul_add(bracket, Lanes::ONE)
        };
        let quarter = ito_rate(problem, nu, 0.25 * time_step);
        Self {
            time_step,
            quarter_damping: quarter
                .iter()
                .map(|rate| Lanes(rate.0.map(libm::exp)))
                .collect(),
            stretch: problem.eigenvalues.iter().map(stretch).collect(),
            area: GaussianNoise::new(problem, nu * time_step, 1, streams, Purpose::LevyArea),
            noise: zeros(p * k),
            other: zeros(p * k),
            drift: zeros(p * k),
            middle: LaneVec::default(),
            ones: LaneVec::filled(Lanes::ONE, p + k),
            term: zeros(p + k),
            next: zeros(p + k),
            projections: [zeros(k), zeros(k)],
        }
    }

    /// Takes the state's next step, with the increments of `noise`. Step count and upkeep of the
    /// columns are left to the caller. Compiled by itself, as it is long.
    pub fn move_state(
        &mut self,
        state: &mut State<N>,
        problem: &LaneProblem<N>,
        noise: &mut GaussianNoise<N>,
        update: &mut Update<N>,
    ) {
        MoveState {
            strang: self,
            state,
            problem,
            noise,
            update,
        }
        .run_on(problem.instructions);
    }

    /// drift = (h/2) A*, A* at the midpoint.
    #[inline(always)]
    fn prepare_drift(
        &mut self,
        state: &State<N>,
        problem: &LaneProblem<N>,
        update: &mut Update<N>,
    ) {
        let alive = state.alive();
        self.middle.copy_of(state.factor.mantissa());
        // A loop, so that the product is compiled into it once.
        for at_middle in [false, true] {
            negative_gradient_of(&self.middle, &state.weight, problem, &mut self.drift);
            let share = if at_middle { 0.5 } else { 0.25 };
            for entry in &mut self.drift {
                *entry = *entry * Lanes::splat(share * self.time_step);
            }
            if !at_middle {
                zero_outside(alive, &mut self.drift);
                update.damp(&self.quarter_damping, &mut self.middle, alive);
                update.euler(&self.drift, &mut self.middle);
            }
        }
    }

    /// noise = N′ and other = Ñ of this step.
    #[inline(always)]
    fn prepare_noise(&mut self, step: u64, noise: &mut GaussianNoise<N>) {
        for (source, out) in [(noise, &mut self.noise), (&mut self.area, &mut self.other)] {
            out.fill(Lanes::ZERO);
            source.add(step, out);
        }
        let outputs = self.projections[0].len();
        for (row, &stretch) in self.noise.chunks_exact_mut(outputs).zip(&self.stretch) {
            for entry in row {
                *entry = *entry * stretch;
            }
        }
    }

    /// ‖c[X, X̃]‖ ≤ 2√2 c ‖N′‖ ‖Ñ‖ in Frobenius norms, c = 1/√8.
    #[inline(always)]
    fn area_bound(&self) -> Lanes<N> {
        let product = sum_of_squares(&self.noise) * sum_of_squares(&self.other);
        product.sqrt()
    }

    /// exp(c[X, X̃]) on every column: a rotation of the first p rows and one of the last k.
    #[inline(always)]
    fn turn(&mut self, columns: &mut [Lanes<N>], bound: Lanes<N>, mask: Mask<N>) {
        let mut repeats = Lanes::ONE;
        let mut left = bound.select(mask, Lanes::ZERO);
        while Lanes::splat(AREA_BOUND).less_than(left).any() {
            let above = Lanes::splat(AREA_BOUND).less_than(left);
            repeats = (repeats + repeats).select(above, repeats);
            left = (left * Lanes::splat(0.5)).select(above, left);
        }
        // c = 1/√8.
        let share = Lanes::splat(0.125f64.sqrt()) / repeats;
        let most = repeats.0.iter().fold(1.0_f64, |a, &b| a.max(b)) as u32;
        for repeat in 0..most {
            let going = Lanes::splat(f64::from(repeat)).less_than(repeats) & mask;
            let share = share.select(going, Lanes::ZERO);
            for column in columns.chunks_exact_mut(self.term.len()) {
                self.rotate(column, share);
            }
        }
    }

    /// exp(share [X, X̃]) on one column by its series.
    #[inline(always)]
    fn rotate(&mut self, column: &mut [Lanes<N>], share: Lanes<N>) {
        self.term.copy_from_slice(column);
        for j in 1..=AREA_TERMS {
            self.commutator();
            let factor = share * Lanes::splat(1.0 / j as f64);
            for ((sum, own), &new) in column
                .iter_mut()
                .zip(self.term.iter_mut())
                .zip(self.next.iter())
            {
                *own = new * factor;
                *sum += *own;
            }
        }
    }

    /// next = [X, X̃] term = (N(Ñᵀa) − Ñ(Nᵀa); Nᵀ(Ñ b) − Ñᵀ(N b)) for term = (a; b).
    #[inline(always)]
    fn commutator(&mut self) {
        let k = self.projections[0].len();
        let p = self.term.len() - k;
        let (a, b) = self.term.split_at(p);
        let [first, second] = &mut self.projections;
        first.fill(Lanes::ZERO);
        second.fill(Lanes::ZERO);
        for row in 0..p {
            for column in 0..k {
                let at = row * k + column;
                first[column] = self.noise[at].mul_add(a[row], first[column]);
                second[column] = self.other[at].mul_add(a[row], second[column]);
            }
        }
        self.next.fill(Lanes::ZERO);
        let (above, below) = self.next.split_at_mut(p);
        for row in 0..p {
            let (mut along, mut across, mut sum) = (Lanes::ZERO, Lanes::ZERO, Lanes::ZERO);
            for column in 0..k {
                let at = row * k + column;
                sum = self.noise[at].mul_add(second[column], sum);
                sum = (-self.other[at]).mul_add(first[column], sum);
                along = self.noise[at].mul_add(b[column], along);
                across = self.other[at].mul_add(b[column], across);
            }
            above[row] = sum;
            for column in 0..k {
                let at = row * k + column;
                below[column] = self.noise[at].mul_add(across, below[column]);
                below[column] = (-self.other[at]).mul_add(along, below[column]);
            }
        }
    }
}

/// The work of [`LieStrang::move_state`].
struct MoveState<'a, const N: usize> {
    strang: &'a mut LieStrang<N>,
    state: &'a mut State<N>,
    problem: &'a LaneProblem<N>,
    noise: &'a mut GaussianNoise<N>,
    update: &'a mut Update<N>,
}

impl<const N: usize> LaneWork for MoveState<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        let Self {
            strang,
            state,
            problem,
            noise,
            update,
        } = self;
        // One loop, so that the exponential is compiled into it once.
        for part in [Part::Drift, Part::Noise, Part::Drift] {
            match part {
                Part::Drift => strang.prepare_drift(state, problem, update),
                Part::Noise => strang.prepare_noise(state.step, noise),
            }
            let (increment, damping) = match part {
                Part::Drift => (&mut strang.drift, &strang.quarter_damping),
                Part::Noise => (&mut strang.noise, &strang.ones),
            };
            let square = sum_of_squares(increment);
            let mask = state.accept_step(square, 1.0);
            zero_outside(mask, increment);
            let columns = state.factor.mantissa_mut();
            update.exponential(increment, square, damping, columns, mask);
            match part {
                Part::Drift => update.damp(&strang.quarter_damping, columns, mask),
                Part::Noise => strang.turn(columns, strang.area_bound(), mask),
            }
        }
    }
}

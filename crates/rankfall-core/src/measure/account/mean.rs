//! The conditional mean of what a step of a descent adds to log det M, given the weights, and its
//! parts.
//!
//! A step is Θ ← ((1 − ηλ) I + η H(G)) Θ, with λ the weight decay, so that with η′ = η/(1 − ηλ) and
//! l ≥ p + k
//!
//! Δ log det M = 2 (p + k) log|1 − ηλ| + 2 log|det(I − η′²GᵀG)|,
//!
//! and to second order in η′ the mean of the last is −2η′² E|G|². E|G|² is |A|², A the full
//! gradient, plus the trace of the covariance of the label noise, plus that of the choice of rows.
//! What is left of the mean is the part of higher orders, 2 E[log|det(I − η′²GᵀG)| + η′²|G|²].
//!
//! **How each part is had.** |A|² and the label part in closed form; the rows' part from moments of
//! the rows where every batch is drawn from all of them. Where it is not (epochs), and for the part
//! of higher orders, by gradients that the step might have had instead, drawn from streams of their
//! own: their mean is the conditional mean, however large the residuals are, and no expansion is
//! used. Where every step is accounted for, steps on single rows have the mean itself: over the
//! rows, and over the law of each one's label noise
//! ([`label_law`](crate::measure::account::label_law)), or over what its class may become
//! ([`class_rows`](crate::measure::account::class_rows)). What gradients that are drawn scatter
//! about their mean is a martingale too: it adds to the noise of the account what the steps
//! themselves have in higher orders, and no bias.
//!
//! **Losses of classes.** All of this holds for any loss of the outputs. That of classes has no
//! moments of rows: |A|² and the rows' part take a pass over all of them. The noise of labels is
//! that of flips, whose covariance does not depend on the weights either.

use std::sync::Arc;

use crate::kernels::scalar_products::{dot, sum_of_squares};
use crate::measure::account::class_rows::{ClassRows, SingleClassRows};
use crate::measure::account::label_law::{MOST_SIGNS, excess};
use crate::measure::account::step_log_det::StepLogDet;
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use crate::model::problem::Problem;
use crate::model::row_moments::{RowMoments, Rows};
use crate::random::normals::Streams;
use crate::random::philox::Purpose;
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Words};
use crate::step::batches::{Batches, LaneBatches};
use crate::step::increment::Increment;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::{State, negative_gradient_at};

/// Full gradient, choice of rows, higher orders: what depends on the weights, in nats of a step.
pub type WeightTerms<const N: usize> = [Lanes<N>; 3];
/// Label noise and weight decay: what does not.
pub type FixedTerms<const N: usize> = [Lanes<N>; 2];

/// Gradients that are drawn at each point where the rows' part rests on them.
const DRAWS: u64 = 3;
/// Multiplications that the probability of one output takes, about.
const OF_OUTPUT: f64 = 25.0;
/// n p² up to which moments of the rows are worth their time.
const MOST_WORK: f64 = 1e9;

/// Works out the parts for N trajectories of one descent.
pub struct StepMean<const N: usize> {
    /// η′.
    step_size: f64,
    /// 1/(1 − ηλ).
    growth: f64,
    /// 2 (p + k) log|1 − ηλ|.
    decay: f64,
    /// The trace of the covariance of one row's label noise: δ k tr S_xx, or m of flips.
    label_trace: Lanes<N>,
    rows: RowsPart<N>,
    size: BatchSize,
    other: Increment<N>,
    draws: u64,
    /// How many steps take as long as a point, about, where it goes through all rows and a step
    /// does not; else 0.
    pub cost_of_point: f64,
    trajectories: Words<N>,
    instructions: Instructions,
    log_det: StepLogDet<N>,
    /// Steps on single rows, where every mean is taken over all of them.
    single: Option<Single<N>>,
    /// W₁W₂.
    map: LaneVec<N>,
    gradient: LaneVec<N>,
    scratch: LaneVec<N>,
}

/// How many rows a step averages over.
enum BatchSize {
    All(u64),
    Batch(Box<Batches>),
}

/// Where the part of the choice of rows comes from.
enum RowsPart<const N: usize> {
    /// There is no choice.
    None,
    /// Moments of all rows; the variance of a batch's mean is this share of that of a row.
    Moments { moments: LaneMoments<N>, share: f64 },
    /// The same from the rows themselves.
    Classes { rows: ClassRows<N>, share: f64 },
    /// Gradients that are drawn.
    Draws,
}

/// [`RowMoments`] in lanes.
struct LaneMoments<const N: usize> {
    residual: Lanes<N>,
    cross: LaneVec<N>,
    fourth: LaneVec<N>,
}

impl<const N: usize> StepMean<N> {
    /// None for flows, and with momentum, under which a step is not from the left of Θ alone.
    /// `exact` asks for means over all rows and the law of the label noise where steps are on
    /// single rows.
    pub fn new(
        dynamics: &Dynamics,
        exact: bool,
        problems: &[Arc<Problem>; N],
        problem: &LaneProblem<N>,
        streams: &Streams<N>,
    ) -> Option<Self> {
        let other = Increment::other(dynamics, problem, streams)?;
        if dynamics.optimizer.momentum != 0.0 {
            return None;
        }
        let (p, k) = (problem.inputs, problem.outputs);
        let left = 1.0 - dynamics.step_size * dynamics.optimizer.weight_decay;
        let (rows, size) = rows_part(dynamics, problems, problem, streams);
        let draws = match &rows {
            RowsPart::Draws if !dynamics.is_deterministic() => DRAWS,
            _ => 1,
        };
        Some(Self {
            step_size: dynamics.step_size / left,
            growth: 1.0 / left,
            decay: match dynamics.optimizer.weight_decay {
                0.0 => 0.0,
                _ => 2.0 * (p + k) as f64 * libm::log(left.abs()),
            },
            label_trace: match &problem.classes {
                None => Lanes::splat(dynamics.label_noise * k as f64) * problem.trace,
                Some(classes) => Lanes::splat(power_of_flips(classes, dynamics)),
            },
            rows,
            cost_of_point: cost_of_point(problem, &size, draws),
            size,
            other,
            draws,
            trajectories: streams.trajectories,
            instructions: streams.instructions,
            log_det: StepLogDet::new(p, k),
            single: exact
                .then(|| Single::new(dynamics, problem, streams))
                .flatten(),
            map: LaneVec::zeros(p * k),
            gradient: LaneVec::zeros(p * k),
            scratch: LaneVec::zeros(p * k),
        })
    }

    /// Takes over what is known of epochs from the increments that move the same trajectories.
    pub fn take_orders_of(&mut self, moving: &Increment<N>) {
        self.other.take_orders_of(moving);
    }

    /// Steps after which every row had its turn, where batches go through the rows; 1 where they do
    /// not.
    pub fn steps_per_epoch(&self) -> u64 {
        match (&self.rows, &self.size) {
            (RowsPart::Draws, BatchSize::Batch(batches)) => batches.steps_per_epoch(),
            _ => 1,
        }
    }

    /// The parts that do not depend on the weights, of all steps before `step`.
    pub fn fixed_before(&self, step: u64) -> FixedTerms<N> {
        let inverse_sizes = match &self.size {
            BatchSize::All(rows) => step as f64 / *rows as f64,
            BatchSize::Batch(batches) => batches.inverse_sizes_before(step),
        };
        let rate = -2.0 * self.step_size * self.step_size;
        [
            self.label_trace * Lanes::splat(rate * inverse_sizes),
            Lanes::splat(self.decay * step as f64),
        ]
    }

    /// The same of the step to come.
    #[inline(always)]
    fn labels(&self, step: u64) -> Lanes<N> {
        let size = match &self.size {
            BatchSize::All(rows) => *rows,
            BatchSize::Batch(batches) => batches.size(step),
        };
        let rate = -2.0 * self.step_size * self.step_size;
        self.label_trace * Lanes::splat(rate / size as f64)
    }

    /// What the parts of the step to come that do not depend on the weights add up to.
    pub fn fixed(&self, step: u64) -> Lanes<N> {
        self.labels(step) + Lanes::splat(self.decay)
    }

    /// The other parts of the step to come; point `point` of the account, which tells its draws
    /// from others'.
    pub fn at(&mut self, state: &State<N>, problem: &LaneProblem<N>, point: u64) -> WeightTerms<N> {
        let instructions = self.instructions;
        At {
            mean: self,
            state,
            problem,
            point,
        }
        .run_on(instructions)
    }

    /// What a step with this ΔG = ηG added to log det M.
    pub fn realised(&mut self, increment: &[Lanes<N>]) -> Lanes<N> {
        let instructions = self.instructions;
        Realised {
            mean: self,
            increment,
        }
        .run_on(instructions)
    }

    #[inline(always)]
    fn parts(&mut self, state: &State<N>, problem: &LaneProblem<N>, point: u64) -> WeightTerms<N> {
        // Once for all that needs it, since it is compiled into every place that asks.
        state.product(problem, &mut self.map);
        let [full_square, of_row] = self.squares(problem);
        let rate = Lanes::splat(-2.0 * self.step_size * self.step_size);
        let full = rate * full_square;
        let labels = self.labels(state.step);
        if let Some(single) = &mut self.single {
            let [square, excess] = single.means(problem, &self.map, state.step, self.step_size);
            let rows = Lanes::splat(-2.0) * square - full - labels;
            return [full, rows, excess + excess];
        }
        let (mut square, mut higher) = (Lanes::ZERO, Lanes::ZERO);
        for draw in 0..self.draws {
            let number = point * self.draws + draw;
            let increment = &mut self.gradient;
            self.other
                .fill_instead(state, number, problem, self.trajectories, increment);
            scale(self.growth, increment);
            let [log_det, own] = self.log_det.of(increment);
            square += own;
            higher += log_det + own + own;
        }
        let share = Lanes::splat(1.0 / self.draws as f64);
        let rows = match &self.rows {
            RowsPart::None => Lanes::ZERO,
            RowsPart::Draws => Lanes::splat(-2.0) * share * square - full - labels,
            RowsPart::Moments { share, .. } | RowsPart::Classes { share, .. } => {
                rate * Lanes::splat(*share) * (of_row - full_square)
            }
        };
        [full, rows, higher * share]
    }

    /// |A|², and mean |x|²|r|² where that is had from all rows.
    #[inline(always)]
    fn squares(&mut self, problem: &LaneProblem<N>) -> [Lanes<N>; 2] {
        self.gradient.copy_from_slice(&self.map);
        if let RowsPart::Classes { rows, .. } = &mut self.rows {
            return rows.squares(&mut self.gradient);
        }
        negative_gradient_at(problem, &mut self.gradient);
        let full_square = sum_of_squares(&self.gradient);
        let RowsPart::Moments { moments, .. } = &self.rows else {
            return [full_square, Lanes::ZERO];
        };
        self.gradient.copy_from_slice(&self.map);
        let of_row = moments.mean_square(problem, &mut self.gradient, &mut self.scratch);
        [full_square, of_row]
    }
}

fn cost_of_point<const N: usize>(problem: &LaneProblem<N>, size: &BatchSize, draws: u64) -> f64 {
    let (Some(_), BatchSize::Batch(batches)) = (&problem.classes, size) else {
        return 0.0;
    };
    let (p, k) = (problem.inputs as f64, problem.outputs as f64);
    let row = (2.0 * p + OF_OUTPUT) * k;
    let batch = batches.size(0) as f64 * row;
    let update = 2.0 * p * k * (p + k);
    (problem.samples as f64 * row + draws as f64 * batch) / (batch + update)
}

/// m of labels that flip, and 0 where none does or where steps see the labels that are expected.
fn power_of_flips(classes: &ClassProblem, dynamics: &Dynamics) -> f64 {
    match (&classes.noise, &dynamics.kind) {
        (None, _) | (_, Kind::GradientDescent) => 0.0,
        (Some(noise), _) => noise.power,
    }
}

/// Means over single rows.
enum Single<const N: usize> {
    Values(SingleRows),
    Classes(SingleClassRows<N>),
}

impl<const N: usize> Single<N> {
    /// None where steps are not on single rows, and where signs are too many to go through.
    fn new(dynamics: &Dynamics, problem: &LaneProblem<N>, streams: &Streams<N>) -> Option<Self> {
        let Kind::StochasticGradientDescent {
            batch_size: 1,
            distribution: law,
            ..
        } = dynamics.kind
        else {
            return None;
        };
        let batches = LaneBatches::new(dynamics, problem.samples, streams, false)?;
        if let Some(classes) = &problem.classes {
            let rows = ClassRows::new(classes.clone(), problem.inputs, problem.outputs);
            return Some(Self::Classes(SingleClassRows::new(rows, batches)));
        }
        let signs = law == LabelNoise::Rademacher && dynamics.label_noise > 0.0;
        let too_many = signs && problem.outputs > MOST_SIGNS;
        (problem.rows.is_some() && !too_many).then(|| {
            Self::Values(SingleRows {
                variance: dynamics.label_noise,
                law,
                batches,
                residual: vec![0.0; problem.outputs],
            })
        })
    }

    /// E|D|² and E[log|det(I − DᵀD)| + |D|²] at W₁W₂, D = η′G.
    #[inline(always)]
    fn means(
        &mut self,
        problem: &LaneProblem<N>,
        map: &[Lanes<N>],
        step: u64,
        step_size: f64,
    ) -> [Lanes<N>; 2] {
        match self {
            Self::Values(rows) => rows.means(problem, map, step, step_size),
            Self::Classes(rows) => rows.means(map, step, step_size),
        }
    }
}

/// Means over the rows from which single ones are drawn, and over the law of their label noise.
struct SingleRows {
    variance: f64,
    law: LabelNoise,
    batches: LaneBatches,
    residual: Vec<f64>,
}

impl SingleRows {
    /// E|D|² and E[log|det(I − DᵀD)| + |D|²] at W₁W₂, D = η′G.
    fn means<const N: usize>(
        &mut self,
        problem: &LaneProblem<N>,
        map: &[Lanes<N>],
        step: u64,
        step_size: f64,
    ) -> [Lanes<N>; 2] {
        let mut out = [Lanes::ZERO; 2];
        let pools = self.batches.pools(step);
        let lanes = problem.rows.iter().flatten().zip(pools).enumerate();
        for (lane, (rows, pool)) in lanes {
            let share = 1.0 / pool.len() as f64;
            for &row in pool {
                let map = |i: usize| map[i].0[lane];
                let c = step_size * step_size * residual_of(rows, row, map, &mut self.residual);
                let noise = self.residual.len() as f64 * self.variance;
                let square = self.residual.iter().fold(noise, |s, r| r.mul_add(*r, s));
                let excess = excess(c, &self.residual, self.variance, self.law);
                out[0].0[lane] += share * (c * square);
                out[1].0[lane] += share * excess;
            }
        }
        out
    }
}

/// The residual of a row at W₁W₂, p × k row-major; returns |x|².
fn residual_of(rows: &Rows, row: u32, map: impl Fn(usize) -> f64, residual: &mut [f64]) -> f64 {
    let (row, k) = (row as usize, residual.len());
    let p = rows.x.len() / rows.count;
    residual.copy_from_slice(&rows.y[row * k..(row + 1) * k]);
    let mut input = 0.0;
    for (a, &x) in rows.x[row * p..(row + 1) * p].iter().enumerate() {
        input = x.mul_add(x, input);
        for (b, r) in residual.iter_mut().enumerate() {
            *r = (-x).mul_add(map(a * k + b), *r);
        }
    }
    input
}

#[inline(always)]
fn scale<const N: usize>(factor: f64, values: &mut [Lanes<N>]) {
    if factor != 1.0 {
        for value in values {
            *value = *value * Lanes::splat(factor);
        }
    }
}

fn rows_part<const N: usize>(
    dynamics: &Dynamics,
    problems: &[Arc<Problem>; N],
    problem: &LaneProblem<N>,
    streams: &Streams<N>,
) -> (RowsPart<N>, BatchSize) {
    let n = problem.samples;
    let Kind::StochasticGradientDescent {
        batch_size,
        sampling,
        ..
    } = dynamics.kind
    else {
        return (RowsPart::None, BatchSize::All(n));
    };
    // Only its sizes are asked for, which no random number changes.
    let key = streams.key(Purpose::Batches);
    let batches = BatchSize::Batch(Box::new(Batches::new(sampling, n, batch_size, key, 0)));
    let b = batch_size as f64;
    let share = match sampling {
        Sampling::WithReplacement => 1.0 / b,
        Sampling::WithoutReplacement if n > 1 => (n as f64 - b) / ((n - 1) as f64 * b),
        Sampling::WithoutReplacement => 0.0,
        Sampling::Epochs | Sampling::Sequential => return (RowsPart::Draws, batches),
    };
    if let Some(classes) = &problem.classes {
        let rows = ClassRows::new(classes.clone(), problem.inputs, problem.outputs);
        return (RowsPart::Classes { rows, share }, batches);
    }
    let work = n as f64 * (problem.inputs as f64) * (problem.inputs as f64);
    let moments = (work <= MOST_WORK)
        .then(|| LaneMoments::of(problems))
        .flatten();
    let rows = match moments {
        Some(moments) => RowsPart::Moments { moments, share },
        None => RowsPart::Draws,
    };
    (rows, batches)
}

impl<const N: usize> LaneMoments<N> {
    /// None where a problem holds no rows.
    fn of(problems: &[Arc<Problem>; N]) -> Option<Self> {
        let all = problems.iter().map(|problem| problem.row_moments());
        let all: [&RowMoments; N] = all.collect::<Option<Vec<_>>>()?.try_into().ok()?;
        Some(Self {
            residual: Lanes(all.map(|m| m.residual)),
            cross: LaneVec::gather(&all, all[0].cross.len(), |m, i| m.cross[i]),
            fourth: LaneVec::gather(&all, all[0].fourth.len(), |m, i| m.fourth[i]),
        })
    }

    /// mean |x|²|r|² at W₁W₂, in whose place goes the error β̂ − W₁W₂.
    #[inline(always)]
    fn mean_square(
        &self,
        problem: &LaneProblem<N>,
        error: &mut [Lanes<N>],
        scratch: &mut LaneVec<N>,
    ) -> Lanes<N> {
        let (p, k) = (problem.inputs, problem.outputs);
        for (entry, &best) in error.iter_mut().zip(&problem.optimum) {
            *entry = best - *entry;
        }
        for a in 0..p {
            let out = &mut scratch[a * k..(a + 1) * k];
            for (b, entry) in out.iter_mut().enumerate() {
                *entry = self.cross[a * k + b] + self.cross[a * k + b];
            }
            for (row, &weight) in error.chunks_exact(k).zip(&self.fourth[a * p..(a + 1) * p]) {
                for (entry, &e) in out.iter_mut().zip(row) {
                    *entry = weight.mul_add(e, *entry);
                }
            }
        }
        self.residual + dot(error, scratch)
    }
}

struct At<'a, const N: usize> {
    mean: &'a mut StepMean<N>,
    state: &'a State<N>,
    problem: &'a LaneProblem<N>,
    point: u64,
}

impl<const N: usize> LaneWork for At<'_, N> {
    type Output = WeightTerms<N>;
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> WeightTerms<N> {
        self.mean.parts(self.state, self.problem, self.point)
    }
}

struct Realised<'a, const N: usize> {
    mean: &'a mut StepMean<N>,
    increment: &'a [Lanes<N>],
}

impl<const N: usize> LaneWork for Realised<'_, N> {
    type Output = Lanes<N>;
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) -> Lanes<N> {
        let mean = self.mean;
        mean.gradient.copy_from_slice(self.increment);
        scale(mean.growth, &mut mean.gradient);
        let [log_det, _] = mean.log_det.of(&mean.gradient);
        log_det + Lanes::splat(mean.decay)
    }
}

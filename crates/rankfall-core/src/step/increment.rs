//! The increment ΔG of one step for each dynamics: drift, label noise, mini-batches.
//!
//! Every dynamics moves Θ through H(ΔG) alone; this file says what ΔG is. Stochastic integrals are
//! Itô's.

use std::sync::Arc;

use crate::kernels::scalar_products::sum_of_squares;
use crate::model::dynamics::{Dynamics, Kind, LabelNoise};
use crate::model::problem::Rows;
use crate::random::normals::{Normals, StepNormals, Streams};
use crate::random::packed_normals::PackedNormals;
use crate::random::philox::{Purpose, Signs, StreamKey};
use crate::simd::instructions::LaneWork;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Words};
use crate::step::batches::LaneBatches;
use crate::step::class_increment::ClassIncrement;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Computes ΔG (p × k row-major) for N trajectories.
pub enum Increment<const N: usize> {
    /// ΔG = η A: gradient descent.
    Descent {
        /// η A.
        drift: Drift<N>,
    },
    /// ΔG = h A + scale_a Z_ab: the stochastic flow with scale = √(νh s_a), and label-noise
    /// gradient descent with Gaussian labels, h = η, scale = η√(δ s_a/n).
    GaussianNoise {
        /// h A, or η A.
        drift: Drift<N>,
        /// scale_a Z_ab.
        noise: GaussianNoise<N>,
    },
    /// ΔG = η (A + Xᵀε/n) with ε = ±√δ: label-noise gradient descent with Rademacher labels.
    RademacherLabels {
        /// η A.
        drift: Drift<N>,
        /// η√δ/n.
        share: f64,
        /// Whose signs.
        key: StreamKey,
    },
    /// ΔG = (η/b) X_Bᵀ(Y_B + ε − X_B W₁W₂): mini-batch SGD.
    MiniBatch(MiniBatch<N>),
    /// That of a loss of classes.
    Classes(Box<ClassIncrement<N>>),
}

/// S_xx^{1/2} times Gaussian increments, p × k, in the eigenbasis.
pub struct GaussianNoise<const N: usize> {
    /// One factor per entry, that of its row.
    scale: LaneVec<N>,
    /// Each increment is the sum of this many finer ones.
    pub(crate) substeps: u32,
    normals: PackedNormals<N>,
    /// Scratch for the sum of finer increments.
    sum: LaneVec<N>,
}

impl<const N: usize> GaussianNoise<N> {
    /// Increments of this variance per unit of S_xx, each the sum of `substeps` ≥ 1.
    pub fn new(
        problem: &LaneProblem<N>,
        variance: f64,
        substeps: u32,
        streams: &Streams<N>,
        purpose: Purpose,
    ) -> Self {
        let deviation = Lanes::splat((variance / f64::from(substeps)).sqrt());
        let count = problem.inputs * problem.outputs;
        Self {
            scale: problem
                .roots
                .iter()
                .flat_map(|&root| std::iter::repeat_n(deviation * root, problem.outputs))
                .collect(),
            substeps,
            normals: PackedNormals::new(streams, purpose, count),
            sum: LaneVec::zeros(count),
        }
    }

    /// The factors and the normal numbers of one step, p × k row-major both: the increment is their
    /// product, where there is one substep.
    #[inline(always)]
    pub fn of_step(&mut self, step: u64) -> (&[Lanes<N>], StepNormals<'_, N>) {
        let numbers = self.normals.of_step(step);
        (&self.scale, numbers)
    }

    /// Adds the increment of one step to `out`, p × k row-major.
    #[inline(always)]
    pub fn add(&mut self, step: u64, out: &mut [Lanes<N>]) {
        self.sum.fill(Lanes::ZERO);
        let substeps = u64::from(self.substeps);
        for fine in step * substeps..(step + 1) * substeps {
            let numbers = self.normals.of_step(fine);
            for i in 0..self.sum.len() {
                self.sum[i] += numbers.get(i);
            }
        }
        for i in 0..out.len() {
            out[i] = self.scale[i].mul_add(self.sum[i], out[i]);
        }
    }
}

/// h A = h (S_xy − S_xx W₁W₂), p × k row-major.
pub struct Drift<const N: usize> {
    /// −h S_xx as it acts on each entry.
    pub(crate) curvature: LaneVec<N>,
    /// h S_xy.
    pub(crate) target: LaneVec<N>,
}

impl<const N: usize> Drift<N> {
    fn new(problem: &LaneProblem<N>, h: f64) -> Self {
        let times_h = |values: &[Lanes<N>]| values.iter().map(|&x| x * Lanes::splat(h)).collect();
        Self {
            curvature: times_h(&problem.negative_curvature),
            target: times_h(&problem.sxy),
        }
    }

    /// From W₁W₂, in its place.
    #[inline(always)]
    fn apply(&self, product: &mut [Lanes<N>]) {
        let (curvature, target) = (&self.curvature[..product.len()], &self.target);
        for i in 0..product.len() {
            product[i] = curvature[i].mul_add(product[i], target[i]);
        }
    }

    /// With the noise of a step; returns the squared Frobenius norm of both together.
    #[inline(always)]
    fn apply_with_noise(
        &self,
        noise: &mut GaussianNoise<N>,
        step: u64,
        product: &mut [Lanes<N>],
    ) -> Lanes<N> {
        if noise.substeps > 1 {
            self.apply(product);
            noise.add(step, product);
            return sum_of_squares(product);
        }
        // All in one pass.
        let count = product.len();
        let (curvature, target) = (&self.curvature[..count], &self.target[..count]);
        let (scale, numbers) = noise.of_step(step);
        let scale = &scale[..count];
        // Two sums, which wait for each other half as long as one.
        let mut squares = [Lanes::ZERO; 2];
        for (pair, (&first, &second)) in numbers.firsts.iter().zip(numbers.seconds).enumerate() {
            for half in 0..2 {
                let i = 2 * pair + half;
                if i < count {
                    let number = Lanes::from_single(if half == 0 { first } else { second });
                    let drift = curvature[i].mul_add(product[i], target[i]);
                    let both = scale[i].mul_add(number, drift);
                    product[i] = both;
                    squares[half] = both.mul_add(both, squares[half]);
                }
            }
        }
        squares[0] + squares[1]
    }
}

/// Mini-batch SGD of N trajectories.
pub struct MiniBatch<const N: usize> {
    step_size: f64,
    deviation: f64,
    label_numbers: LabelNumbers<N>,
    batches: LaneBatches,
    product: LaneVec<N>,
    input: LaneVec<N>,
    residual: LaneVec<N>,
    /// ε/√δ of the batch: number `slot · k + b` of the step is that of output b.
    noise: LaneVec<N>,
}

/// Where the added label noise of mini-batches comes from, before its scale.
enum LabelNumbers<const N: usize> {
    Gaussian(Box<Normals<N>>),
    Rademacher(StreamKey),
}

impl<const N: usize> Increment<N> {
    /// The increment of `dynamics`, None for gradient flow, which takes no steps of its own.
    pub fn new(
        dynamics: &Dynamics,
        problem: &LaneProblem<N>,
        streams: &Streams<N>,
    ) -> Option<Self> {
        Self::drawn(dynamics, problem, streams, false)
    }

    /// Increments of a descent with other draws of its noise, for [`Self::fill_instead`]; None for
    /// flows.
    pub fn other(
        dynamics: &Dynamics,
        problem: &LaneProblem<N>,
        streams: &Streams<N>,
    ) -> Option<Self> {
        match dynamics.is_continuous() {
            true => None,
            false => Self::drawn(dynamics, problem, streams, true),
        }
    }

    fn drawn(
        dynamics: &Dynamics,
        problem: &LaneProblem<N>,
        streams: &Streams<N>,
        instead: bool,
    ) -> Option<Self> {
        if problem.classes.is_some() {
            let classes = ClassIncrement::new(dynamics, problem, streams, instead)?;
            return Some(Self::Classes(Box::new(classes)));
        }
        let labels = match instead {
            true => Purpose::OtherLabelNoise,
            false => Purpose::LabelNoise,
        };
        let eta = dynamics.step_size;
        let gaussian = |step_size: f64, variance: f64, substeps, purpose| Self::GaussianNoise {
            drift: Drift::new(problem, step_size),
            noise: GaussianNoise::new(problem, variance, substeps, streams, purpose),
        };
        Some(match dynamics.kind {
            Kind::GradientFlow | Kind::SlowFlow { .. } => return None,
            Kind::StochasticGradientFlow {
                time_step,
                brownian_substeps,
                ..
            } => {
                let variance = dynamics.noise_intensity(problem.samples) * time_step;
                let purpose = Purpose::BrownianMotion;
                gaussian(time_step, variance, brownian_substeps, purpose)
            }
            Kind::GradientDescent => Self::Descent {
                drift: Drift::new(problem, eta),
            },
            Kind::LabelNoiseGradientDescent {
                distribution: LabelNoise::Gaussian,
            } => {
                let variance = eta * eta * dynamics.label_noise / problem.samples as f64;
                gaussian(eta, variance, 1, labels)
            }
            Kind::LabelNoiseGradientDescent {
                distribution: LabelNoise::Rademacher,
            } => Self::RademacherLabels {
                drift: Drift::new(problem, eta),
                share: eta * dynamics.label_noise.sqrt() / problem.samples as f64,
                key: streams.key(labels),
            },
            Kind::StochasticGradientDescent {
                batch_size,
                distribution,
                ..
            } => {
                let count = match dynamics.label_noise > 0.0 {
                    true => problem.outputs * batch_size as usize,
                    false => 0,
                };
                Self::MiniBatch(MiniBatch {
                    step_size: eta,
                    deviation: dynamics.label_noise.sqrt(),
                    label_numbers: match distribution {
                        LabelNoise::Gaussian => {
                            LabelNumbers::Gaussian(Box::new(streams.normals(labels, count)))
                        }
                        LabelNoise::Rademacher => LabelNumbers::Rademacher(streams.key(labels)),
                    },
                    noise: LaneVec::zeros(count),
                    batches: LaneBatches::new(dynamics, problem.samples, streams, instead)?,
                    product: LaneVec::zeros(problem.inputs * problem.outputs),
                    input: LaneVec::zeros(problem.inputs),
                    residual: LaneVec::zeros(problem.outputs),
                })
            }
        })
    }

    /// Whether it is made entry by entry from W₁W₂ and one normal number, or none.
    pub fn is_of_one_pass(&self) -> bool {
        match self {
            Self::Descent { .. } => true,
            Self::GaussianNoise { noise, .. } => noise.substeps == 1,
            _ => false,
        }
    }

    /// Takes over the orders of epochs from the increments that move the same trajectories.
    pub fn take_orders_of(&mut self, moving: &Self) {
        match (self, moving) {
            (Self::MiniBatch(own), Self::MiniBatch(moving)) => {
                own.batches.take_orders_of(&moving.batches);
            }
            (Self::Classes(own), Self::Classes(moving)) => own.take_orders_of(moving),
            _ => {}
        }
    }

    /// Writes ΔG of the state's next step into `out`, and returns its squared Frobenius norm.
    #[inline(always)]
    pub fn fill(
        &mut self,
        state: &State<N>,
        problem: &LaneProblem<N>,
        trajectories: Words<N>,
        out: &mut [Lanes<N>],
    ) -> Lanes<N> {
        self.fill_instead(state, state.step, problem, trajectories, out)
    }

    /// The same with draw `number` of the noise, not that of the step: of [`Self::other`], an
    /// increment that the step might have had instead, given all that was before it.
    #[inline(always)]
    pub fn fill_instead(
        &mut self,
        state: &State<N>,
        number: u64,
        problem: &LaneProblem<N>,
        trajectories: Words<N>,
        out: &mut [Lanes<N>],
    ) -> Lanes<N> {
        // Asked for in one place, since it is compiled into every place that asks.
        state.product(problem, out);
        match self {
            Self::Descent { drift } => {
                drift.apply(out);
                sum_of_squares(out)
            }
            Self::GaussianNoise { drift, noise } => drift.apply_with_noise(noise, number, out),
            from_rows => FromRows {
                increment: from_rows,
                times: [state.step, number],
                problem,
                trajectories,
                out,
            }
            .run_on(problem.instructions),
        }
    }
}

/// The increments that are sums over rows. Compiled by themselves and not into every step that has
/// one: they are large, and take longer than it does to call them.
struct FromRows<'a, const N: usize> {
    increment: &'a mut Increment<N>,
    /// The step, and the number of the draw.
    times: [u64; 2],
    problem: &'a LaneProblem<N>,
    trajectories: Words<N>,
    out: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for FromRows<'_, N> {
    type Output = Lanes<N>;
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) -> Lanes<N> {
        let Self {
            times,
            problem,
            trajectories,
            out,
            ..
        } = self;
        match self.increment {
            Increment::RademacherLabels { drift, share, key } => {
                drift.apply(out);
                add_label_signs(times[1], problem, trajectories, *key, *share, out);
            }
            Increment::MiniBatch(batch) => batch.fill(times, problem, trajectories, out),
            Increment::Classes(classes) => classes.fill(times, problem, trajectories, out),
            // They need no rows.
            Increment::Descent { .. } | Increment::GaussianNoise { .. } => {}
        }
        sum_of_squares(out)
    }
}

/// out += share · Xᵀ(±1), one sign per row of data and output.
#[inline(always)]
fn add_label_signs<const N: usize>(
    step: u64,
    problem: &LaneProblem<N>,
    trajectories: Words<N>,
    key: StreamKey,
    share: f64,
    out: &mut [Lanes<N>],
) {
    let Some(rows) = &problem.rows else { return };
    let k = problem.outputs;
    let mut signs = Signs::new(key, trajectories, step);
    for row in 0..problem.samples as usize {
        for b in 0..k {
            let signed = signs.draw() * Lanes::splat(share);
            for a in 0..problem.inputs {
                let x = gather(rows, |r| r.x[row * problem.inputs + a]);
                out[a * k + b] = x.mul_add(signed, out[a * k + b]);
            }
        }
    }
}

#[inline(always)]
fn gather<const N: usize>(rows: &[Arc<Rows>], f: impl Fn(&Rows) -> f64) -> Lanes<N> {
    let mut out = Lanes::ZERO;
    for (value, own) in out.0.iter_mut().zip(rows) {
        *value = f(own);
    }
    out
}

impl<const N: usize> MiniBatch<N> {
    /// ΔG of a step, with a draw of the noise by its number, in the place of W₁W₂, which `out`
    /// holds.
    #[inline(always)]
    fn fill(
        &mut self,
        [step, number]: [u64; 2],
        problem: &LaneProblem<N>,
        trajectories: Words<N>,
        out: &mut [Lanes<N>],
    ) {
        self.product.copy_from_slice(out);
        out.fill(Lanes::ZERO);
        let Some(data) = &problem.rows else { return };
        self.batches.choose(step, number);
        let size = self.batches.rows[0].len();
        let share = Lanes::splat(self.step_size / size as f64);
        self.draw_label_noise(trajectories, number);
        for slot in 0..size {
            self.gather_row(data, slot);
            self.add_label_noise(slot);
            self.subtract_prediction();
            for (row, &x) in out.chunks_exact_mut(problem.outputs).zip(&self.input) {
                let scaled = x * share;
                for (entry, &r) in row.iter_mut().zip(&self.residual) {
                    *entry = scaled.mul_add(r, *entry);
                }
            }
        }
    }

    /// Each lane's own row: x into `input`, y into `residual`.
    #[inline(always)]
    fn gather_row(&mut self, data: &[Arc<Rows>], slot: usize) {
        let (p, k) = (self.input.len(), self.residual.len());
        for lane in 0..N {
            let row = self.batches.rows[lane][slot] as usize;
            let own = &data[lane];
            for (entry, &x) in self.input.iter_mut().zip(&own.x[row * p..(row + 1) * p]) {
                entry.0[lane] = x;
            }
            for (entry, &y) in self.residual.iter_mut().zip(&own.y[row * k..(row + 1) * k]) {
                entry.0[lane] = y;
            }
        }
    }

    /// Label noise of the whole batch.
    #[inline(always)]
    fn draw_label_noise(&mut self, trajectories: Words<N>, number: u64) {
        let noise = &mut self.noise;
        match &mut self.label_numbers {
            LabelNumbers::Gaussian(normals) => {
                let numbers = normals.of_step(number);
                for (i, entry) in noise.iter_mut().enumerate() {
                    *entry = numbers.get(i);
                }
            }
            LabelNumbers::Rademacher(key) => key.fill_signs(trajectories, number, noise),
        }
    }

    /// residual += ε.
    #[inline(always)]
    fn add_label_noise(&mut self, slot: usize) {
        if self.noise.is_empty() {
            return;
        }
        let k = self.residual.len();
        let deviation = Lanes::splat(self.deviation);
        let noise = &self.noise[slot * k..(slot + 1) * k];
        for (entry, &z) in self.residual.iter_mut().zip(noise) {
            *entry = deviation.mul_add(z, *entry);
        }
    }

    /// residual −= xᵀ W₁W₂.
    #[inline(always)]
    fn subtract_prediction(&mut self) {
        let k = self.residual.len();
        for (&x, row) in self.input.iter().zip(self.product.chunks_exact(k)) {
            for (entry, &weight) in self.residual.iter_mut().zip(row) {
                *entry = (-x).mul_add(weight, *entry);
            }
        }
    }
}

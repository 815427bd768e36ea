//! The increment ΔG of one step for each dynamics: drift, label noise, mini-batches.
//!
//! Every dynamics moves Θ through H(ΔG) alone; this file says what ΔG is. Stochastic integrals are
//! Itô's.

use std::sync::Arc;

use crate::batches::Batches;
use crate::dynamics::{Dynamics, Kind, LabelNoise};
use crate::lane_problem::LaneProblem;
use crate::lanes::{Lanes, Words};
use crate::problem::Rows;
use crate::random::{Purpose, Signs, StreamKey};
use crate::state::{State, negative_gradient_from_product};

/// Computes ΔG (p × k row-major) for N trajectories.
pub enum Increment<const N: usize> {
    /// ΔG = η A: gradient descent.
    Descent {
        /// η.
        step_size: f64,
    },
    /// ΔG = h A + scale_a Z_ab: the stochastic flow with scale = √(νh s_a), and label-noise
    /// gradient descent with Gaussian labels, h = η, scale = η√(δ s_a/n).
    GaussianNoise {
        /// h, or η.
        step_size: f64,
        /// scale_a Z_ab.
        noise: GaussianNoise<N>,
    },
    /// ΔG = η (A + Xᵀε/n) with ε = ±√δ: label-noise gradient descent with Rademacher labels.
    RademacherLabels {
        /// η.
        step_size: f64,
        /// √δ.
        deviation: f64,
        /// Whose signs.
        key: StreamKey,
    },
    /// ΔG = (η/b) X_Bᵀ(Y_B + ε − X_B W₁W₂): mini-batch SGD.
    MiniBatch(MiniBatch<N>),
}

/// S_xx^{1/2} times Gaussian increments, p × k, in the eigenbasis.
pub struct GaussianNoise<const N: usize> {
    /// One factor per entry, that of its row.
    scale: Vec<Lanes<N>>,
    key: StreamKey,
    /// Each increment is the sum of this many finer ones.
    substeps: u32,
    /// Scratch for the normals.
    normals: Vec<Lanes<N>>,
}

impl<const N: usize> GaussianNoise<N> {
    /// Increments of this variance per unit of S_xx, each the sum of `substeps` ≥ 1.
    pub fn new(problem: &LaneProblem<N>, variance: f64, substeps: u32, key: StreamKey) -> Self {
        let deviation = Lanes::splat((variance / f64::from(substeps)).sqrt());
        Self {
            scale: problem
                .roots
                .iter()
                .flat_map(|&root| std::iter::repeat_n(deviation * root, problem.outputs))
                .collect(),
            key,
            substeps,
            normals: vec![Lanes::ZERO; problem.inputs * problem.outputs],
        }
    }

    /// Adds the increment of one step to `out`, p × k row-major.
    #[inline(always)]
    pub fn add(&mut self, trajectories: Words<N>, step: u64, out: &mut [Lanes<N>]) {
        let substeps = u64::from(self.substeps);
        for fine in step * substeps..(step + 1) * substeps {
            self.key.fill_normals(trajectories, fine, &mut self.normals);
            for ((entry, &z), &factor) in out.iter_mut().zip(&self.normals).zip(&self.scale) {
                *entry = factor.mul_add(z, *entry);
            }
        }
    }
}

/// Mini-batch SGD of N trajectories.
pub struct MiniBatch<const N: usize> {
    step_size: f64,
    deviation: f64,
    distribution: LabelNoise,
    key: StreamKey,
    batches: Vec<Batches>,
    rows: Vec<Vec<u32>>,
    product: Vec<Lanes<N>>,
    input: Vec<Lanes<N>>,
    residual: Vec<Lanes<N>>,
    noise: Vec<Lanes<N>>,
}

impl<const N: usize> Increment<N> {
    /// The increment of `dynamics`, None for gradient flow, which takes no steps of its own.
    /// `stream` tells the noise of several dynamics apart.
    pub fn new(
        dynamics: &Dynamics,
        problem: &LaneProblem<N>,
        seed: u64,
        stream: u32,
        trajectories: Words<N>,
    ) -> Option<Self> {
        let eta = dynamics.step_size;
        let size = problem.inputs * problem.outputs;
        let gaussian = |step_size: f64, variance: f64, substeps, purpose| Self::GaussianNoise {
            step_size,
            noise: GaussianNoise::new(
                problem,
                variance,
                substeps,
                StreamKey::new(seed, purpose, stream),
            ),
        };
        Some(match dynamics.kind {
            Kind::GradientFlow => return None,
            Kind::StochasticGradientFlow {
                time_step,
                brownian_substeps,
                ..
            } => {
                let variance = dynamics.noise_intensity(problem.samples) * time_step;
                let purpose = Purpose::BrownianMotion;
                gaussian(time_step, variance, brownian_substeps, purpose)
            }
            Kind::GradientDescent => Self::Descent { step_size: eta },
            Kind::LabelNoiseGradientDescent {
                distribution: LabelNoise::Gaussian,
            } => {
                let variance = eta * eta * dynamics.label_noise / problem.samples as f64;
                gaussian(eta, variance, 1, Purpose::LabelNoise)
            }
            Kind::LabelNoiseGradientDescent {
                distribution: LabelNoise::Rademacher,
            } => Self::RademacherLabels {
                step_size: eta,
                deviation: dynamics.label_noise.sqrt(),
                key: StreamKey::new(seed, Purpose::LabelNoise, stream),
            },
            Kind::StochasticGradientDescent {
                batch_size,
                sampling,
                distribution,
            } => {
                let key = StreamKey::new(seed, Purpose::Batches, stream);
                let batches = trajectories.0.map(|trajectory| {
                    Batches::new(sampling, problem.samples, batch_size, key, trajectory)
                });
                let noisy = dynamics.label_noise > 0.0;
                let noise = if noisy {
                    problem.outputs * batch_size as usize
                } else {
                    0
                };
                Self::MiniBatch(MiniBatch {
                    step_size: eta,
                    deviation: dynamics.label_noise.sqrt(),
                    distribution,
                    key: StreamKey::new(seed, Purpose::LabelNoise, stream),
                    batches: batches.into(),
                    rows: vec![Vec::new(); N],
                    product: vec![Lanes::ZERO; size],
                    input: vec![Lanes::ZERO; problem.inputs],
                    residual: vec![Lanes::ZERO; problem.outputs],
                    noise: vec![Lanes::ZERO; noise],
                })
            }
        })
    }

    /// Writes ΔG of the state's next step into `out`.
    #[inline(always)]
    pub fn fill(
        &mut self,
        state: &State<N>,
        problem: &LaneProblem<N>,
        trajectories: Words<N>,
        out: &mut [Lanes<N>],
    ) {
        // Asked for in one place, since it is compiled into every place that asks.
        state.product(problem, out);
        match self {
            Self::MiniBatch(batch) => return batch.fill(state.step, problem, trajectories, out),
            Self::Descent { step_size }
            | Self::GaussianNoise { step_size, .. }
            | Self::RademacherLabels { step_size, .. } => {
                negative_gradient_from_product(problem, *step_size, out);
            }
        }
        match self {
            Self::GaussianNoise { noise, .. } => noise.add(trajectories, state.step, out),
            Self::RademacherLabels {
                step_size,
                deviation,
                key,
            } => {
                let share = *step_size * *deviation / problem.samples as f64;
                add_label_signs(state.step, problem, trajectories, *key, share, out);
            }
            Self::Descent { .. } | Self::MiniBatch(_) => {}
        }
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
    /// ΔG of a step in the place of W₁W₂, which `out` holds.
    #[inline(always)]
    fn fill(
        &mut self,
        step: u64,
        problem: &LaneProblem<N>,
        trajectories: Words<N>,
        out: &mut [Lanes<N>],
    ) {
        self.product.copy_from_slice(out);
        out.fill(Lanes::ZERO);
        let Some(data) = &problem.rows else { return };
        for (batches, rows) in self.batches.iter_mut().zip(&mut self.rows) {
            batches.choose(step, rows);
        }
        let size = self.rows[0].len();
        let share = Lanes::splat(self.step_size / size as f64);
        self.draw_label_noise(trajectories, step);
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
            let row = self.rows[lane][slot] as usize;
            let own = &data[lane];
            for (entry, &x) in self.input.iter_mut().zip(&own.x[row * p..(row + 1) * p]) {
                entry.0[lane] = x;
            }
            for (entry, &y) in self.residual.iter_mut().zip(&own.y[row * k..(row + 1) * k]) {
                entry.0[lane] = y;
            }
        }
    }

    /// Label noise of the whole batch: number `slot · k + b` of the step is that of output b.
    #[inline(always)]
    fn draw_label_noise(&mut self, trajectories: Words<N>, step: u64) {
        match self.distribution {
            LabelNoise::Gaussian => self.key.fill_normals(trajectories, step, &mut self.noise),
            LabelNoise::Rademacher => self.key.fill_signs(trajectories, step, &mut self.noise),
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

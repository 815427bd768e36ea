//! The increment ΔG of one step under a loss of classes: from the rows, with labels that flip.

use std::sync::Arc;

use crate::model::class_problem::{ClassProblem, LabelFlipNoise};
use crate::model::dynamics::{Dynamics, Kind};
use crate::random::normals::Streams;
use crate::random::packed_normals::PackedNormals;
use crate::random::philox::{Purpose, StreamKey};
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Words};
use crate::step::batches::LaneBatches;
use crate::trajectories::class_gradient::{FreshLabels, of_all_rows, probabilities};
use crate::trajectories::lane_problem::LaneProblem;

/// Computes ΔG (p × k row-major) of N trajectories on the same rows.
pub struct ClassIncrement<const N: usize> {
    problem: Arc<ClassProblem>,
    /// η, or h of a flow.
    step_size: Lanes<N>,
    rows: RowsOfStep<N>,
    scratch: LaneVec<N>,
}

/// Which rows a step sees, and with which labels.
enum RowsOfStep<const N: usize> {
    /// All, with the labels that are expected: gradient descent.
    All,
    /// All, with labels that are drawn: label-noise gradient descent.
    AllFresh(StreamKey),
    /// A mini-batch, with labels that are drawn where any flip: SGD.
    MiniBatch(MiniBatch<N>),
    /// All with expected labels, and Gaussian noise with the covariance of the flips: the
    /// stochastic flow.
    AllGaussian(FlowNoise<N>),
}

struct MiniBatch<const N: usize> {
    labels: StreamKey,
    batches: LaneBatches,
    map: LaneVec<N>,
    input: LaneVec<N>,
    residual: LaneVec<N>,
}

/// √(νh) Σ_c B_c Z_c R_cᵀ.
struct FlowNoise<const N: usize> {
    factors: Vec<Factors>,
    deviation: Lanes<N>,
    substeps: u32,
    normals: PackedNormals<N>,
    numbers: LaneVec<N>,
    /// Z_c R_cᵀ, r × k.
    half: LaneVec<N>,
}

/// B (p × r) and R (k × s), row-major.
struct Factors {
    inputs: Vec<f64>,
    outputs: Vec<f64>,
    ranks: [usize; 2],
}

impl<const N: usize> ClassIncrement<N> {
    /// None for gradient flow, which takes no steps of its own, and without rows of classes.
    /// `instead` asks for other draws of the flips and rows of a descent, by their number.
    pub fn new(
        dynamics: &Dynamics,
        problem: &LaneProblem<N>,
        streams: &Streams<N>,
        instead: bool,
    ) -> Option<Self> {
        let labels = streams.key(match instead {
            true => Purpose::OtherLabelFlips,
            false => Purpose::LabelFlips,
        });
        let classes = problem.classes.clone()?;
        let (p, k) = (problem.inputs, problem.outputs);
        let (step_size, rows) = match dynamics.kind {
            Kind::GradientFlow | Kind::SlowFlow { .. } => return None,
            Kind::StochasticGradientFlow {
                time_step,
                brownian_substeps,
                ..
            } => {
                let variance = dynamics.noise_intensity(problem.samples) * time_step;
                let rows = match &classes.noise {
                    Some(noise) => RowsOfStep::AllGaussian(FlowNoise::new(
                        noise,
                        variance,
                        brownian_substeps,
                        streams,
                    )),
                    None => RowsOfStep::All,
                };
                (time_step, rows)
            }
            Kind::GradientDescent => (dynamics.step_size, RowsOfStep::All),
            Kind::LabelNoiseGradientDescent { .. } => {
                let rows = match classes.flips {
                    Some(_) => RowsOfStep::AllFresh(labels),
                    None => RowsOfStep::All,
                };
                (dynamics.step_size, rows)
            }
            Kind::StochasticGradientDescent { .. } => {
                let batch = MiniBatch {
                    labels,
                    batches: LaneBatches::new(dynamics, problem.samples, streams, instead)?,
                    map: LaneVec::zeros(p * k),
                    input: LaneVec::zeros(p),
                    residual: LaneVec::zeros(k),
                };
                (dynamics.step_size, RowsOfStep::MiniBatch(batch))
            }
        };
        Some(Self {
            problem: classes,
            step_size: Lanes::splat(step_size),
            rows,
            scratch: LaneVec::default(),
        })
    }

    /// Takes over the orders of epochs from the increments that move the same trajectories.
    pub fn take_orders_of(&mut self, moving: &Self) {
        if let (RowsOfStep::MiniBatch(own), RowsOfStep::MiniBatch(moving)) =
            (&mut self.rows, &moving.rows)
        {
            own.batches.take_orders_of(&moving.batches);
        }
    }

    /// ΔG of a step, with a draw of the noise by its number, in the place of W₁W₂, which `out`
    /// holds.
    #[inline(always)]
    pub fn fill(
        &mut self,
        [step, number]: [u64; 2],
        problem: &LaneProblem<N>,
        trajectories: Words<N>,
        out: &mut [Lanes<N>],
    ) {
        let fresh = |key: &StreamKey| FreshLabels {
            key: *key,
            trajectories,
            step: number,
        };
        let fresh = match &mut self.rows {
            RowsOfStep::MiniBatch(batch) => {
                let fresh = fresh(&batch.labels);
                return batch.fill(step, &self.problem, &fresh, self.step_size, out);
            }
            RowsOfStep::AllFresh(key) => Some(fresh(key)),
            RowsOfStep::All | RowsOfStep::AllGaussian(_) => None,
        };
        of_all_rows(
            problem.instructions,
            &self.problem,
            fresh.as_ref(),
            &mut self.scratch,
            out,
        );
        for entry in out.iter_mut() {
            *entry = *entry * self.step_size;
        }
        if let RowsOfStep::AllGaussian(noise) = &mut self.rows {
            noise.add(number, problem.outputs, out);
        }
    }
}

impl<const N: usize> MiniBatch<N> {
    #[inline(always)]
    fn fill(
        &mut self,
        step: u64,
        problem: &ClassProblem,
        fresh: &FreshLabels<N>,
        step_size: Lanes<N>,
        out: &mut [Lanes<N>],
    ) {
        let k = self.residual.len();
        self.map.copy_from_slice(out);
        out.fill(Lanes::ZERO);
        self.batches.choose(step, fresh.step);
        let size = self.batches.rows[0].len();
        let share = step_size * Lanes::splat(1.0 / size as f64);
        for slot in 0..size {
            self.gather_row(problem, slot);
            self.predict(problem);
            self.subtract_from_labels(problem, fresh, slot);
            for (row, &x) in out.chunks_exact_mut(k).zip(&self.input) {
                let scaled = x * share;
                for b in 0..k {
                    row[b] = scaled.mul_add(self.residual[b], row[b]);
                }
            }
        }
    }

    /// Each lane's own row.
    #[inline(always)]
    fn gather_row(&mut self, problem: &ClassProblem, slot: usize) {
        let p = self.input.len();
        for lane in 0..N {
            let row = self.batches.rows[lane][slot] as usize;
            let own = &problem.rows.x[row * p..(row + 1) * p];
            for (entry, &x) in self.input.iter_mut().zip(own) {
                entry.0[lane] = x;
            }
        }
    }

    /// residual = π.
    #[inline(always)]
    fn predict(&mut self, problem: &ClassProblem) {
        let k = self.residual.len();
        self.residual.fill(Lanes::ZERO);
        for (&x, row) in self.input.iter().zip(self.map.chunks_exact(k)) {
            for b in 0..k {
                self.residual[b] = x.mul_add(row[b], self.residual[b]);
            }
        }
        probabilities(problem.loss, &mut self.residual);
    }

    /// residual = y − π, labels drawn where any flip.
    #[inline(always)]
    fn subtract_from_labels(
        &mut self,
        problem: &ClassProblem,
        fresh: &FreshLabels<N>,
        slot: usize,
    ) {
        let k = self.residual.len();
        if problem.flips.is_some() {
            for entry in &mut self.residual {
                *entry = -*entry;
            }
            let mut classes = [0; N];
            for lane in 0..N {
                classes[lane] = problem.class_of_row[self.batches.rows[lane][slot] as usize];
            }
            fresh.add_to(problem, slot, classes, &mut self.residual);
        } else {
            for lane in 0..N {
                let row = self.batches.rows[lane][slot] as usize;
                for b in 0..k {
                    let label = problem.rows.y[row * k + b];
                    self.residual[b].0[lane] = label - self.residual[b].0[lane];
                }
            }
        }
    }
}

impl<const N: usize> FlowNoise<N> {
    fn new(noise: &LabelFlipNoise, variance: f64, substeps: u32, streams: &Streams<N>) -> Self {
        let flat = |m: &faer::Mat<f64>| -> Vec<f64> {
            (0..m.nrows())
                .flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)]))
                .collect()
        };
        let factors: Vec<Factors> = noise
            .factors
            .iter()
            .map(|[inputs, outputs]| Factors {
                inputs: flat(inputs),
                outputs: flat(outputs),
                ranks: [inputs.ncols(), outputs.ncols()],
            })
            .collect();
        let count = factors.iter().map(|f| f.ranks[0] * f.ranks[1]).sum();
        Self {
            factors,
            deviation: Lanes::splat((variance / f64::from(substeps)).sqrt()),
            substeps,
            normals: PackedNormals::new(streams, Purpose::BrownianMotion, count),
            numbers: LaneVec::zeros(count),
            half: LaneVec::default(),
        }
    }

    /// Adds the increment of one step to `out`, p × k row-major.
    #[inline(always)]
    fn add(&mut self, step: u64, outputs: usize, out: &mut [Lanes<N>]) {
        self.numbers.fill(Lanes::ZERO);
        let substeps = u64::from(self.substeps);
        for fine in step * substeps..(step + 1) * substeps {
            let numbers = self.normals.of_step(fine);
            for i in 0..self.numbers.len() {
                self.numbers[i] += numbers.get(i);
            }
        }
        let mut first = 0;
        for factors in &self.factors {
            let [r, s] = factors.ranks;
            self.half.resize(r * outputs);
            for u in 0..r {
                for b in 0..outputs {
                    let mut sum = Lanes::ZERO;
                    for v in 0..s {
                        let root = Lanes::splat(factors.outputs[b * s + v]);
                        sum = root.mul_add(self.numbers[first + u * s + v], sum);
                    }
                    self.half[u * outputs + b] = sum * self.deviation;
                }
            }
            for (a, row) in out.chunks_exact_mut(outputs).enumerate() {
                for u in 0..r {
                    let root = Lanes::splat(factors.inputs[a * r + u]);
                    for b in 0..outputs {
                        row[b] = root.mul_add(self.half[u * outputs + b], row[b]);
                    }
                }
            }
            first += r * s;
        }
    }
}

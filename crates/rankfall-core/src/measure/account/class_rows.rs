//! What single rows with labels of classes do to the mean of a step: sums over all rows, and over
//! what a label may become where labels flip.

use std::sync::Arc;

use crate::kernels::scalar_products::sum_of_squares;
use crate::measure::account::step_log_det::log_of_one_minus;
use crate::model::class_problem::ClassProblem;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;
use crate::step::batches::LaneBatches;
use crate::trajectories::class_gradient::{apply_map, probabilities};

/// The rows, which all lanes share.
pub struct ClassRows<const N: usize> {
    problem: Arc<ClassProblem>,
    inputs: usize,
    /// |x|² of each.
    sizes: Vec<f64>,
    map: LaneVec<N>,
    residual: LaneVec<N>,
}

impl<const N: usize> ClassRows<N> {
    /// Of p inputs and k outputs.
    pub fn new(problem: Arc<ClassProblem>, inputs: usize, outputs: usize) -> Self {
        let square = |x: &[f64]| x.iter().fold(0.0, |sum: f64, x| x.mul_add(*x, sum));
        Self {
            sizes: problem.rows.x.chunks_exact(inputs).map(square).collect(),
            problem,
            inputs,
            map: LaneVec::zeros(inputs * outputs),
            residual: LaneVec::zeros(outputs),
        }
    }

    /// |A|² and mean |x|²|r|² at W₁W₂, p × k row-major, in whose place goes A: r is the residual of a row to the label
    /// that is expected of it.
    #[inline(always)]
    pub fn squares(&mut self, map: &mut [Lanes<N>]) -> [Lanes<N>; 2] {
        let k = self.residual.len();
        self.map.copy_from_slice(map);
        map.fill(Lanes::ZERO);
        let share = 1.0 / self.sizes.len() as f64;
        let mut of_row = Lanes::ZERO;
        for row in 0..self.sizes.len() {
            let x = &self.problem.rows.x[row * self.inputs..(row + 1) * self.inputs];
            apply_map(x, &self.map, &mut self.residual);
            probabilities(self.problem.loss, &mut self.residual);
            let label = &self.problem.expected[row * k..(row + 1) * k];
            for b in 0..k {
                self.residual[b] = Lanes::splat(label[b]) - self.residual[b];
            }
            let size = Lanes::splat(share * self.sizes[row]);
            of_row = size.mul_add(sum_of_squares(&self.residual), of_row);
            for a in 0..x.len() {
                let value = Lanes::splat(share * x[a]);
                let entries = &mut map[a * k..(a + 1) * k];
                for b in 0..k {
                    entries[b] = value.mul_add(self.residual[b], entries[b]);
                }
            }
        }
        [sum_of_squares(map), of_row]
    }
}

/// Means over the rows from which a single one is drawn, and over what its label becomes.
pub struct SingleClassRows<const N: usize> {
    rows: ClassRows<N>,
    /// Of each class: with which chance it becomes each. Empty where no label flips.
    chances: Vec<Vec<f64>>,
    batches: LaneBatches,
    /// The chance of each row to be drawn.
    weights: LaneVec<N>,
}

impl<const N: usize> SingleClassRows<N> {
    /// Of these batches, of one row each.
    pub fn new(rows: ClassRows<N>, batches: LaneBatches) -> Self {
        let chances = rows.problem.flips.iter().flat_map(|flips| {
            let classes = rows.problem.classes;
            (0..classes).map(move |class| flips.probabilities(class, classes))
        });
        Self {
            chances: chances.collect(),
            batches,
            weights: LaneVec::zeros(rows.sizes.len()),
            rows,
        }
    }

    /// E|D|² and E[log|det(I − DᵀD)| + |D|²] at W₁W₂, D = η′G, given all steps before `step`.
    #[inline(always)]
    pub fn means(&mut self, map: &[Lanes<N>], step: u64, step_size: f64) -> [Lanes<N>; 2] {
        self.weigh(step);
        let mut out = [Lanes::ZERO; 2];
        for row in 0..self.rows.sizes.len() {
            let p = self.rows.inputs;
            let x = &self.rows.problem.rows.x[row * p..(row + 1) * p];
            apply_map(x, map, &mut self.rows.residual);
            probabilities(self.rows.problem.loss, &mut self.rows.residual);
            let c = step_size * step_size * self.rows.sizes[row];
            let [square, excess] = self.of_labels(row, Lanes::splat(c));
            out[0] = self.weights[row].mul_add(square, out[0]);
            out[1] = self.weights[row].mul_add(excess, out[1]);
        }
        out
    }

    fn weigh(&mut self, step: u64) {
        self.weights.fill(Lanes::ZERO);
        for (lane, pool) in self.batches.pools(step).iter().enumerate() {
            let share = 1.0 / pool.len() as f64;
            for &row in pool {
                self.weights[row as usize].0[lane] = share;
            }
        }
    }

    /// The same means of one row, whose π are in the place of its residual; `c` is η′²|x|².
    #[inline(always)]
    fn of_labels(&self, row: usize, c: Lanes<N>) -> [Lanes<N>; 2] {
        let (problem, pi) = (&self.rows.problem, &self.rows.residual);
        let k = pi.len();
        if self.chances.is_empty() {
            let label = &problem.rows.y[row * k..(row + 1) * k];
            return of_square(c * square_distance(pi, |b| label[b]));
        }
        let mut out = [Lanes::ZERO; 2];
        let chances = &self.chances[problem.class_of_row[row] as usize];
        for (class, &chance) in chances.iter().enumerate() {
            if chance > 0.0 {
                let label = |b: usize| match k {
                    1 => class as f64,
                    _ => f64::from(u8::from(b == class)),
                };
                let means = of_square(c * square_distance(pi, label));
                for (sum, mean) in out.iter_mut().zip(means) {
                    *sum = Lanes::splat(chance).mul_add(mean, *sum);
                }
            }
        }
        out
    }
}

/// |D|² and log|1 − |D|²| + |D|².
#[inline(always)]
fn of_square<const N: usize>(square: Lanes<N>) -> [Lanes<N>; 2] {
    [square, log_of_one_minus(square) + square]
}

/// |y − π|².
#[inline(always)]
fn square_distance<const N: usize>(pi: &[Lanes<N>], label: impl Fn(usize) -> f64) -> Lanes<N> {
    let mut sum = Lanes::ZERO;
    for (b, &share) in pi.iter().enumerate() {
        let residual = Lanes::splat(label(b)) - share;
        sum = residual.mul_add(residual, sum);
    }
    sum
}

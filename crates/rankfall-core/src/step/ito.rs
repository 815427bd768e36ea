//! The Itô correction of exponential steps.

use faer::Mat;

use crate::linalg::dense::eigen_semidefinite;
use crate::model::class_problem::LabelFlipNoise;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};
use crate::trajectories::lane_problem::LaneProblem;

/// −hνC/2 with C = diag(k S_xx, tr(S_xx) I_k), as E H(dG)² = νC dt: the Itô correction of the
/// exponential.
pub fn ito_rate<const N: usize>(problem: &LaneProblem<N>, nu: f64, h: f64) -> LaneVec<N> {
    let half = Lanes::splat(-0.5 * h * nu);
    let inputs = problem
        .eigenvalues
        .iter()
        .map(|&s| half * Lanes::splat(problem.outputs as f64) * s);
    let outputs = (0..problem.outputs).map(|_| half * problem.trace);
    inputs.chain(outputs).collect()
}

/// exp(−hνC/2) with C = diag(E N Nᵀ, E NᵀN): the same for labels of classes that flip, where C is
/// not diagonal.
pub struct BlockDamping<const N: usize> {
    /// p × p and k × k, row-major, each with its size.
    blocks: [(usize, LaneVec<N>); 2],
    column: LaneVec<N>,
}

impl<const N: usize> BlockDamping<N> {
    /// Of a step of length `h` at the noise intensity `nu`.
    pub fn new(noise: &LabelFlipNoise, nu: f64, h: f64) -> Self {
        let sides = [&noise.of_inputs, &noise.of_outputs];
        Self {
            blocks: sides.map(|side| (side.nrows(), exponential(side, -0.5 * h * nu))),
            column: LaneVec::zeros(noise.of_inputs.nrows() + noise.of_outputs.nrows()),
        }
    }

    /// Multiplies every column of the lanes of `mask`.
    #[inline(always)]
    pub fn apply(&mut self, columns: &mut [Lanes<N>], mask: Mask<N>) {
        let rows = self.column.len();
        for column in columns.chunks_exact_mut(rows) {
            self.column.copy_from_slice(column);
            let mut first = 0;
            for (size, block) in &self.blocks {
                let size = *size;
                for i in 0..size {
                    let mut sum = Lanes::ZERO;
                    for j in 0..size {
                        sum = block[i * size + j].mul_add(self.column[first + j], sum);
                    }
                    column[first + i] = sum.select(mask, self.column[first + i]);
                }
                first += size;
            }
        }
    }
}

/// exp(share · S) of a symmetric positive semidefinite matrix, row-major.
fn exponential<const N: usize>(matrix: &Mat<f64>, share: f64) -> LaneVec<N> {
    let size = matrix.nrows();
    let (values, vectors) = eigen_semidefinite(matrix);
    let factors: Vec<f64> = values.iter().map(|v| libm::expm1(share * v)).collect();
    let entry = |i: usize, j: usize| {
        let mut sum = 0.0;
        for (c, factor) in factors.iter().enumerate() {
            sum += vectors[(i, c)] * factor * vectors[(j, c)];
        }
        sum + if i == j { 1.0 } else { 0.0 }
    };
    (0..size * size)
        .map(|at| Lanes::splat(entry(at / size, at % size)))
        .collect()
}

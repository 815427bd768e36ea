//! log|det| of one step of a descent: 2 log|det(I − DᵀD)|, what Θ ← (I + H(D)) Θ adds to log det M,
//! l ≥ p + k.

use faer::Mat;

use crate::linalg::dense::log_abs_det;
use crate::simd::lane_math::ln;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};

/// tr DᵀD above which pivots are chosen, as one may come near zero.
const LARGE: f64 = 0.5;

/// Works it out, with scratch.
pub struct StepLogDet<const N: usize> {
    inputs: usize,
    outputs: usize,
    /// DᵀD or DDᵀ, the smaller, lower triangle.
    gram: LaneVec<N>,
    first: LaneVec<N>,
}

impl<const N: usize> StepLogDet<N> {
    /// For p inputs and k outputs.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let side = inputs.min(outputs);
        Self {
            inputs,
            outputs,
            gram: LaneVec::zeros(side * side),
            first: LaneVec::zeros(side * side),
        }
    }

    /// 2 log|det(I − DᵀD)| and |D|² of D, p × k row-major.
    #[inline(always)]
    pub fn of(&mut self, d: &[Lanes<N>]) -> [Lanes<N>; 2] {
        let side = self.inputs.min(self.outputs);
        self.fill_gram(d);
        let mut trace = Lanes::ZERO;
        for i in 0..side {
            trace += self.gram[i * side + i];
        }
        let large = Lanes::splat(LARGE).less_than(trace);
        if large.any() {
            self.first.copy_of(&self.gram);
        }
        let mut sum = self.eliminate();
        if large.any() {
            sum = self.with_pivots(large, sum);
        }
        [sum + sum, trace]
    }

    #[inline(always)]
    fn fill_gram(&mut self, d: &[Lanes<N>]) {
        let (p, k) = (self.inputs, self.outputs);
        let side = p.min(k);
        // Entry (i, s) of the taller form of D: its shorter side is that of the matrix.
        let (along, across, long) = if k <= p { (1, k, p) } else { (k, 1, k) };
        for i in 0..side {
            for j in 0..=i {
                let mut sum = Lanes::ZERO;
                for s in 0..long {
                    sum = d[i * along + s * across].mul_add(d[j * along + s * across], sum);
                }
                self.gram[i * side + j] = sum;
            }
        }
    }

    /// log|det(I − K)| by elimination without pivots, K in the place of `gram`.
    #[inline(always)]
    fn eliminate(&mut self) -> Lanes<N> {
        let side = self.inputs.min(self.outputs);
        let gram = &mut self.gram;
        let mut sum = Lanes::ZERO;
        for i in 0..side {
            let taken = gram[i * side + i];
            sum += log_of_one_minus(taken);
            let inverse = Lanes::ONE / (Lanes::ONE - taken);
            for j in i + 1..side {
                let factor = gram[j * side + i] * inverse;
                for l in i + 1..=j {
                    gram[j * side + l] = factor.mul_add(gram[l * side + i], gram[j * side + l]);
                }
            }
        }
        sum
    }

    /// The same by elimination with pivots in the lanes of `mask`, `sum` in the others.
    #[cold]
    fn with_pivots(&self, mask: Mask<N>, mut sum: Lanes<N>) -> Lanes<N> {
        let side = self.inputs.min(self.outputs);
        for lane in 0..N {
            if !mask.get(lane) {
                continue;
            }
            let entry = |i: usize, j: usize| {
                let (i, j) = (i.max(j), i.min(j));
                f64::from(i == j) - self.first[i * side + j].0[lane]
            };
            sum.0[lane] = log_abs_det(Mat::from_fn(side, side, entry));
        }
        sum
    }
}

/// log|1 − x|, right to rounding however small x is.
#[inline(always)]
pub(super) fn log_of_one_minus<const N: usize>(x: Lanes<N>) -> Lanes<N> {
    let left = Lanes::ONE - x;
    let off = left - Lanes::ONE;
    let small = off.abs().at_most(Lanes::ZERO);
    // Kahan: what rounding does to 1 − x it does to the logarithm in proportion.
    let corrected = ln(left.abs()) * (x / (-off));
    (-x).select(small, corrected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::dense::thin_svd;

    /// Against the singular values of D, for tall and wide, tiny, small and beyond one.
    #[test]
    fn it_is_the_sum_over_singular_values() {
        for (p, k) in [(5, 2), (2, 5), (3, 3), (4, 1)] {
            for size in [1e-9, 1e-3, 0.3, 2.0, 40.0] {
                let entry =
                    |i: usize, lane: usize| size * libm::sin(1.3 * i as f64 + lane as f64 + 0.4);
                let d: Vec<Lanes<4>> = (0..p * k)
                    .map(|i| Lanes(std::array::from_fn(|lane| entry(i, lane))))
                    .collect();
                let [sum, square] = StepLogDet::new(p, k).of(&d);
                for lane in 0..4 {
                    let matrix = Mat::from_fn(p, k, |i, j| d[i * k + j].0[lane]);
                    let sigma = thin_svd(&matrix).sigma;
                    let logs = sigma.iter().map(|s| log_one(s * s));
                    let expected: f64 = 2.0 * logs.sum::<f64>();
                    let squares: f64 = sigma.iter().map(|s| s * s).sum();
                    let scale = expected.abs().max(squares).max(1e-300);
                    let got = sum.0[lane];
                    assert!(
                        (got - expected).abs() < 1e-12 * scale,
                        "{p} × {k}, {size}: {got} {expected}"
                    );
                    assert!((square.0[lane] - squares).abs() < 1e-12 * squares);
                }
            }
        }
    }

    fn log_one(x: f64) -> f64 {
        if x < 1.0 {
            libm::log1p(-x)
        } else {
            libm::log(x - 1.0)
        }
    }
}

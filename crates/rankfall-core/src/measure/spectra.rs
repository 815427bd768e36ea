//! Log singular values of Θ, W₁, W₂ and W₁W₂, right to the last digits however small they are.

use std::ops::Range;

use crate::linalg::graded::{GradedColumns, Rotate, sorted_log_norms};
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_math::exp;
use crate::simd::lanes::{Lanes, Mask};
use crate::trajectories::state::State;

/// Log singular values of Θ, W₁, W₂ and W₁W₂, descending.
pub struct Spectra<const N: usize> {
    /// Θ, W₁, W₂, W₁W₂.
    pub values: [Vec<Lanes<N>>; 4],
    /// Bound on the error of each log singular value of W₁W₂.
    pub product_error: Vec<Lanes<N>>,
}

impl<const N: usize> Spectra<N> {
    /// log det M where Θ has as many columns as rows, else log det ΘᵀΘ: 2 Σ log σ.
    pub fn log_det(&self) -> Lanes<N> {
        twice_the_sum(&self.values[0])
    }
}

/// 2 Σ log σ.
pub fn twice_the_sum<const N: usize>(log_sigma: &[Lanes<N>]) -> Lanes<N> {
    let add = |sum, &s: &Lanes<N>| sum + (s + s);
    log_sigma.iter().fold(Lanes::ZERO, add)
}

/// Takes spectra of states; holds nothing but scratch.
#[derive(Default)]
pub struct Spectrometer<const N: usize> {
    theta: GradedColumns<N>,
    block: GradedColumns<N>,
}

impl<const N: usize> Spectrometer<N> {
    /// Of the state; `inputs` rows of Θ belong to W₁.
    ///
    /// The block of W₁ or W₂ with fewer rows is the short one. Once the tall one is done, Θ is
    /// turned from the right so that its short block fills only q = min(rows of it, m) columns;
    /// W₁W₂ (or its transpose) is then tall · shortᵀ with q columns each, all graded.
    pub fn measure(
        &mut self,
        state: &State<N>,
        inputs: usize,
        instructions: Instructions,
    ) -> Spectra<N> {
        let rows = state.factor.rows();
        self.theta.copy_rows(&state.factor, 0..rows);
        let theta_values = sorted_log_norms(&mut self.theta, instructions);
        let (first, second) = (0..inputs, inputs..rows);
        let first_is_tall = second.len() <= first.len();
        let (short, tall) = if first_is_tall {
            (second, first)
        } else {
            (first, second)
        };
        let tall_values = self.block_spectrum(tall.clone(), instructions);
        self.theta.triangularise(short.clone(), instructions);
        let count = short.len().min(self.theta.columns());
        self.theta.keep_leading_columns(count);
        self.block.copy_rows(&self.theta, short.clone());
        let short_values = sorted_log_norms(&mut self.block, instructions);
        let (product, product_error) = self.product_spectrum(short, tall, instructions);
        let (w1, w2) = if first_is_tall {
            (tall_values, short_values)
        } else {
            (short_values, tall_values)
        };
        Spectra {
            values: [theta_values, w1, w2, product],
            product_error,
        }
    }

    /// Log singular values of a block of rows of Θ: triangularised first, so that no column is a
    /// combination of larger ones (Drmač and Veselić 2008).
    fn block_spectrum(&mut self, rows: Range<usize>, instructions: Instructions) -> Vec<Lanes<N>> {
        let count = rows.len();
        self.block.copy_rows(&self.theta, rows);
        self.block.triangularise(0..count, instructions);
        let filled = count.min(self.theta.columns());
        self.block.keep_leading_columns(filled);
        sorted_log_norms(&mut self.block, instructions)
    }

    /// With the tall block's columns made orthogonal, tall = U Σ and W₁W₂ = U (short Σ)ᵀ: its
    /// singular values are those of the short block with column j scaled by σ_j.
    ///
    /// Each column is known relative to its own size, so term j of Σ tall_j short_jᵀ carries an
    /// error of rounding times its size; where singular value i is smaller than the terms that
    /// make it up, as many digits are lost. The bound is rounding times the largest such ratio
    /// among the first i.
    fn product_spectrum(
        &mut self,
        short: Range<usize>,
        tall: Range<usize>,
        instructions: Instructions,
    ) -> (Vec<Lanes<N>>, Vec<Lanes<N>>) {
        let turned = &mut self.theta;
        let orthogonal = Rotate::to_orthogonality(tall.len());
        turned.orthogonalise(tall.clone(), orthogonal, Mask::ALL, None, instructions);
        let norms = turned.mantissa_norms(tall, instructions);
        let scaled = &mut self.block;
        scaled.copy_rows(turned, short);
        scaled.scale_columns(&norms, turned.exponent());
        let sizes = scaled.log_norms(0..scaled.rows(), instructions);
        let values = sorted_log_norms(scaled, instructions);
        let rounding = 16.0 * turned.rows() as f64 * f64::EPSILON;
        let errors = ProductErrors {
            sizes,
            values: &values,
            rounding,
        }
        .run_on(instructions);
        (values, errors)
    }
}

/// `rounding` times the largest ratio of a term to the singular value of its place, among the first
/// i.
struct ProductErrors<'a, const N: usize> {
    /// Log sizes of the terms, in any order.
    sizes: Vec<Lanes<N>>,
    /// Log singular values, descending.
    values: &'a [Lanes<N>],
    rounding: f64,
}

impl<const N: usize> LaneWork for ProductErrors<'_, N> {
    type Output = Vec<Lanes<N>>;
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> Vec<Lanes<N>> {
        let mut errors = self.sizes;
        sort_descending(&mut errors);
        let mut worst = Lanes::ZERO;
        for (error, &value) in errors.iter_mut().zip(self.values) {
            worst = worst.max(*error - value);
            *error = Lanes::splat(self.rounding) * exp(worst);
        }
        errors
    }
}

/// Every lane by itself.
#[inline(always)]
fn sort_descending<const N: usize>(all: &mut [Lanes<N>]) {
    for end in 1..all.len() {
        for i in (0..end).rev() {
            let (x, y) = (all[i], all[i + 1]);
            let rising = x.less_than(y);
            if !rising.any() {
                break;
            }
            all[i] = y.select(rising, x);
            all[i + 1] = x.select(rising, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::philox::{Purpose, StreamKey};

    #[test]
    fn every_lane_is_sorted_by_itself() {
        for count in 0..9 {
            let mut reader = StreamKey::new(1, Purpose::Inputs, 0).reader(count, 0);
            // Few values, so that some are equal; zeros have the logarithm −∞.
            let mut value = || (reader.below(5) as f64).ln();
            let mut all: Vec<Lanes<4>> = (0..count)
                .map(|_| Lanes(std::array::from_fn(|_| value())))
                .collect();
            let sorted: [Vec<f64>; 4] = std::array::from_fn(|lane| {
                let mut of_lane: Vec<f64> = all.iter().map(|x| x.0[lane]).collect();
                of_lane.sort_by(|a, b| b.total_cmp(a));
                of_lane
            });
            sort_descending(&mut all);
            for (lane, expected) in sorted.iter().enumerate() {
                let of_lane: Vec<f64> = all.iter().map(|x| x.0[lane]).collect();
                assert_eq!(&of_lane, expected);
            }
        }
    }
}

//! Reorthogonalises the columns of a graded factor between steps.
//!
//! Columns that lose their orthogonality lose accuracy, and rotating them costs as much as many
//! steps. So their angles are checked often and they are rotated seldom. With C the Gram matrix of
//! the m columns, each scaled to length one, tr C = m, so that
//!
//!   tr C⁻¹ − m = Σ_i (1 − λ_i)²/λ_i
//!
//! over the eigenvalues of C: each of them is held by it. Up to `largest_loss` nothing is done.

use crate::kernels::columns::Columns;
use crate::kernels::products::Products;
use crate::kernels::scalar_products::{dot, sum_of_squares};
use crate::linalg::graded::{GradedColumns, Rotate, Rotation};
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};

/// For up to so many columns, the largest tr C⁻¹ − m that is left alone. The condition number
/// √(λ_max/λ_min) is then below 12: half of it in each of λ_min ≥ 0.084 and λ_max ≤ 11.9.
const LARGEST_LOSS: f64 = 20.0;

/// The largest tr C⁻¹ − m that is left alone for m columns: of more, one each. The loss is then spread over
/// many eigenvalues, of which 1/λ is 2 in the mean, and the condition number at most 2 + m/2.
fn largest_loss(columns: usize) -> f64 {
    LARGEST_LOSS.max(columns as f64)
}

/// Up to this Σ_{i≠j} c_ij² = Σ(1 − λ)² the eigenvalues are within s = √0.9 of one, and tr C⁻¹ − m
/// is at most s²/(1 − s) < 18: no more need be known.
const SMALL_LOSS: f64 = 0.9;

/// A rotation leaves no |c_ij| above this over m: tr C⁻¹ − m is far below the most, so that it is
/// long until the next.
const LEFT: f64 = 0.8;

/// Reorthogonalises columns; holds nothing but scratch.
#[derive(Default)]
pub struct Reorthogonalizer<const N: usize> {
    inverse_norms: LaneVec<N>,
    /// The lower triangle of C row by row, with ones on its diagonal.
    cosines: LaneVec<N>,
    /// A few rows of C before they are scaled.
    products: LaneVec<N>,
    inverse_pivots: LaneVec<N>,
    /// L⁻¹ of C = L Lᵀ, column by column.
    inverse: LaneVec<N>,
}

impl<const N: usize> Reorthogonalizer<N> {
    /// Rotates the columns from the right in those lanes of `mask` where their loss of
    /// orthogonality is above `largest_loss`, `rotation` with them; gives all columns of `mask`
    /// norms in \[1, 2).
    pub fn reorthogonalize(
        &mut self,
        factor: &mut GradedColumns<N>,
        mask: Mask<N>,
        rotation: Rotation<'_, N>,
        instructions: Instructions,
    ) {
        let loss = OrthogonalityLoss {
            reorthogonalizer: self,
            factor,
            mask,
        };
        let lost = loss.run_on(instructions);
        if lost.any() {
            let when = Rotate::AboveCosine(LEFT / factor.columns() as f64);
            factor.orthogonalise(0..factor.rows(), when, lost, rotation, instructions);
        }
    }
}

/// Gives the columns of `mask` norms in \[1, 2), and returns the lanes in which too much
/// orthogonality is lost; a zero column is orthogonal to all.
struct OrthogonalityLoss<'a, const N: usize> {
    reorthogonalizer: &'a mut Reorthogonalizer<N>,
    factor: &'a mut GradedColumns<N>,
    mask: Mask<N>,
}

impl<const N: usize> LaneWork for OrthogonalityLoss<'_, N> {
    type Output = Mask<N>;
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) -> Mask<N> {
        let Self {
            reorthogonalizer,
            factor,
            mask,
        } = self;
        factor.normalise(mask);
        let square = reorthogonalizer.measure_cosines(factor);
        let much = mask & !square.at_most(Lanes::splat(SMALL_LOSS));
        if !much.any() {
            return much;
        }
        let count = factor.columns();
        reorthogonalizer.factorise(count);
        let excess = reorthogonalizer.trace_of_inverse(count) - Lanes::splat(count as f64);
        // Columns that are parallel to rounding leave a pivot of zero or no number at all.
        much & !excess.at_most(Lanes::splat(largest_loss(count)))
    }
}

/// Where row i of a lower triangle begins that is kept row by row.
#[inline(always)]
fn row(i: usize) -> usize {
    i * (i + 1) / 2
}

/// Rows of C that are worked out side by side.
const ROWS_AT_ONCE: usize = 8;

impl<const N: usize> Reorthogonalizer<N> {
    /// Fills the cosines, and returns Σ_{i≠j} c_ij².
    #[inline(always)]
    fn measure_cosines(&mut self, factor: &GradedColumns<N>) -> Lanes<N> {
        let (rows, count) = (factor.rows(), factor.columns());
        self.inverse_norms.resize(count);
        for (j, inverse) in self.inverse_norms.iter_mut().enumerate() {
            let square = sum_of_squares(factor.column(j));
            let nonzero = Lanes::ZERO.less_than(square);
            *inverse = (Lanes::ONE / square.sqrt()).select(nonzero, Lanes::ZERO);
        }
        self.cosines.resize(row(count));
        let mut sum = Lanes::ZERO;
        let entries = factor.mantissa();
        let mut first = 0;
        while first < count {
            let taken = ROWS_AT_ONCE.min(count - first);
            let others = first + taken;
            self.products.resize(taken * others);
            let own = Columns::whole(&entries[first * rows..others * rows], rows);
            let before = Columns::whole(&entries[..others * rows], rows);
            Products::of_rows(rows).scalar_products(own, before, &mut self.products);
            for i in first..others {
                let of_row = &self.products[(i - first) * others..][..i];
                let cosines = &mut self.cosines[row(i)..];
                for ((cosine, &product), &inverse) in
                    cosines.iter_mut().zip(of_row).zip(&self.inverse_norms)
                {
                    *cosine = product * self.inverse_norms[i] * inverse;
                    sum = cosine.mul_add(*cosine, sum);
                }
                cosines[i] = Lanes::ONE;
            }
            first += taken;
        }
        sum + sum
    }

    /// C = L Lᵀ in place, the diagonal aside, whose inverses go to `inverse_pivots`.
    ///
    /// A column of L at a time, since its entries do not wait for each other.
    #[inline(always)]
    fn factorise(&mut self, count: usize) {
        self.inverse_pivots.resize(count);
        for j in 0..count {
            let (head, below) = self.cosines.split_at_mut(row(j + 1));
            let own = &head[row(j)..row(j) + j];
            let inverse = Lanes::ONE / (head[row(j) + j] - dot(own, own)).sqrt();
            self.inverse_pivots[j] = inverse;
            for i in j + 1..count {
                let other = &mut below[row(i) - row(j + 1)..];
                other[j] = (other[j] - dot(&other[..j], own)) * inverse;
            }
        }
    }

    /// tr C⁻¹ = ‖L⁻¹‖_F².
    ///
    /// A row of L⁻¹ at a time, since its entries do not wait for each other.
    #[inline(always)]
    fn trace_of_inverse(&mut self, count: usize) -> Lanes<N> {
        let mut trace = Lanes::ZERO;
        self.inverse.resize(count * count);
        for (i, &pivot) in self.inverse_pivots.iter().enumerate() {
            let own = &self.cosines[row(i)..row(i) + i];
            for j in 0..i {
                let column = &mut self.inverse[j * count..(j + 1) * count];
                let entry = -(dot(&own[j..], &column[j..i]) * pivot);
                column[i] = entry;
                trace = entry.mul_add(entry, trace);
            }
            self.inverse[i * count + i] = pivot;
            trace = pivot.mul_add(pivot, trace);
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orthogonality_loss(factor: &GradedColumns<2>) -> [bool; 2] {
        let orthogonality_loss = OrthogonalityLoss {
            reorthogonalizer: &mut Reorthogonalizer::default(),
            factor: &mut factor.clone(),
            mask: Mask::ALL,
        };
        let found = orthogonality_loss.run_on(Instructions::portable());
        [found.get(0), found.get(1)]
    }

    /// Three columns of very different lengths; the cosine of the first two is `cosine` in lane 0,
    /// and in lane 1 one that is left alone but would be rotated away if that lane were rotated.
    fn columns(cosine: f64) -> GradedColumns<2> {
        GradedColumns::from_fn(4, 3, |lane, i, j| {
            let cosine = if lane == 0 { cosine } else { 0.5 };
            let direction = match (i, j) {
                (0, 1) => cosine,
                (1, 1) => (1.0 - cosine * cosine).sqrt(),
                _ => f64::from(u8::from(i == j)),
            };
            direction * 10.0_f64.powi(-3 * j as i32)
        })
    }

    /// With one cosine c, tr C⁻¹ − m = 2c²/(1 − c²).
    #[test]
    fn the_limit_is_that_of_the_trace_of_the_inverse() {
        let limit = (LARGEST_LOSS / (LARGEST_LOSS + 2.0)).sqrt();
        assert_eq!(orthogonality_loss(&columns(limit - 1e-12)), [false, false]);
        assert_eq!(orthogonality_loss(&columns(limit + 1e-12)), [true, false]);
        assert_eq!(orthogonality_loss(&columns(1.0)), [true, false]);
    }

    /// Thirty columns in pairs that share tr C⁻¹ − m: one each is the most, not twenty in all.
    #[test]
    fn many_columns_may_lose_more() {
        let in_pairs = |total: f64| {
            let share = total / 15.0;
            let cosine = (share / (2.0 + share)).sqrt();
            GradedColumns::from_fn(30, 30, |_, i, j| match (i == j, j % 2 == 1 && i + 1 == j) {
                (true, _) if j % 2 == 1 => (1.0 - cosine * cosine).sqrt(),
                (true, _) => 1.0,
                (_, true) => cosine,
                _ => 0.0,
            })
        };
        assert_eq!(orthogonality_loss(&in_pairs(29.999)), [false, false]);
        assert_eq!(orthogonality_loss(&in_pairs(30.001)), [true, true]);
    }

    #[test]
    fn the_trace_of_the_inverse_bounds_the_condition() {
        let mut most = 0.0_f64;
        for step in 1..1000 {
            // The two extreme eigenvalues share what is left; the rest is one.
            let share = LARGEST_LOSS * f64::from(step) / 1000.0;
            let eigenvalue = |t: f64, sign: f64| {
                let half = 1.0 + t / 2.0;
                half + sign * (half * half - 1.0).sqrt()
            };
            let condition = eigenvalue(share, 1.0) / eigenvalue(LARGEST_LOSS - share, -1.0);
            most = most.max(condition.sqrt());
        }
        assert!((11.0..12.0).contains(&most), "{most}");
    }

    #[test]
    fn columns_that_lost_orthogonality_are_rotated_in_their_lane_alone() {
        let mut factor = columns(0.99);
        let mut untouched = factor.clone();
        untouched.normalise(Mask::ALL);
        Reorthogonalizer::default().reorthogonalize(
            &mut factor,
            Mask::ALL,
            None,
            Instructions::portable(),
        );
        assert_eq!(orthogonality_loss(&factor), [false, false]);
        for (new, old) in factor.mantissa().iter().zip(untouched.mantissa()) {
            assert_eq!(new.0[1], old.0[1]);
        }
        assert_ne!(factor, untouched);
    }

    #[test]
    fn columns_far_enough_apart_keep_their_bits() {
        let mut factor = columns(0.9);
        let mut untouched = factor.clone();
        untouched.normalise(Mask::ALL);
        Reorthogonalizer::default().reorthogonalize(
            &mut factor,
            Mask::ALL,
            None,
            Instructions::portable(),
        );
        assert_eq!(factor, untouched);
    }

    #[test]
    fn a_zero_column_is_orthogonal_to_all() {
        let entry = |_, i: usize, j: usize| f64::from(u8::from(i == 0 && j == 0));
        assert_eq!(
            orthogonality_loss(&GradedColumns::from_fn(2, 2, entry)),
            [false, false]
        );
    }
}

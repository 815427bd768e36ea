//! Keeps the columns of a graded factor apart between steps.
//!
//! Columns that lean on each other lose accuracy, and rotating them costs as much as many steps. So
//! their angles are looked at often and rotated seldom: with cosines c_ij, the Gram matrix of the
//! columns, each scaled to length one, has its eigenvalues within max_i Σ_{j≠i} |c_ij| of one
//! (Gershgorin). Up to [`MOST_LEANING`] nothing is done.

use crate::graded::{GradedColumns, Rotate, Rotation, dot, sum_of_squares};
use crate::lanes::{Instructions, LaneWork, Lanes, Mask};

/// The largest Σ_{j≠i} |c_ij| that is left alone. It bounds the condition number of the columns,
/// each scaled to length one, by √((1 + ½)/(1 − ½)) = √3.
pub const MOST_LEANING: f64 = 0.5;

/// What a rotation leaves of it at most: far enough below for it to be long until the next.
const LEFT: f64 = MOST_LEANING / 16.0;

/// Rotates the columns from the right in those lanes of `mask` where they lean more than
/// [`MOST_LEANING`], `rotation` with them; gives all columns of `mask` norms in \[1, 2).
pub fn keep_apart<const N: usize>(
    factor: &mut GradedColumns<N>,
    mask: Mask<N>,
    rotation: Rotation<'_, N>,
    instructions: Instructions,
) {
    factor.normalise(mask);
    let leaning = instructions.dispatch(Leaning { factor });
    let apart = mask & Lanes::splat(MOST_LEANING).less_than(leaning);
    if apart.any() {
        let when = Rotate::AboveCosine(LEFT / factor.columns() as f64);
        factor.orthogonalise(0..factor.rows(), when, apart, rotation, instructions);
    }
}

/// max_i Σ_{j≠i} |c_ij| per lane; a zero column leans on none.
struct Leaning<'a, const N: usize> {
    factor: &'a GradedColumns<N>,
}

impl<const N: usize> LaneWork for Leaning<'_, N> {
    type Output = Lanes<N>;
    const SINGLE: bool = N == 1;

    #[inline(always)]
    fn run(self) -> Lanes<N> {
        let count = self.factor.columns();
        let mut inverse_norms = vec![Lanes::ZERO; count];
        for (j, inverse) in inverse_norms.iter_mut().enumerate() {
            let square = sum_of_squares(self.factor.column(j));
            let nonzero = Lanes::ZERO.less_than(square);
            *inverse = (Lanes::ONE / square.sqrt()).where_else(nonzero, Lanes::ZERO);
        }
        let mut sums = vec![Lanes::ZERO; count];
        for i in 0..count {
            for j in i + 1..count {
                let product = dot(self.factor.column(i), self.factor.column(j));
                let cosine = product.abs() * inverse_norms[i] * inverse_norms[j];
                sums[i] += cosine;
                sums[j] += cosine;
            }
        }
        let mut most = Lanes::ZERO;
        for sum in sums {
            most = sum.where_else(most.less_than(sum), most);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three columns in R⁴; the first two lean on each other by `lean` in lane 0 alone.
    fn columns(lean: f64) -> GradedColumns<2> {
        GradedColumns::from_fn(4, 3, |lane, i, j| {
            let diagonal = f64::from(u8::from(i == j)) * 10.0_f64.powi(-(3 * j as i32));
            let leans = lane == 0 && i == 0 && j == 1;
            diagonal + if leans { lean * 1e-3 } else { 0.0 }
        })
    }

    fn kept_apart(lean: f64) -> GradedColumns<2> {
        let mut factor = columns(lean);
        factor.normalise(Mask::ALL);
        keep_apart(&mut factor, Mask::ALL, None, Instructions::portable());
        factor
    }

    #[test]
    fn columns_far_enough_apart_keep_their_bits() {
        let mut untouched = columns(0.5);
        untouched.normalise(Mask::ALL);
        assert_eq!(kept_apart(0.5), untouched);
    }

    #[test]
    fn columns_that_lean_are_rotated_in_their_lane_alone() {
        let factor = kept_apart(0.8);
        let mut untouched = columns(0.8);
        untouched.normalise(Mask::ALL);
        let c = dot(factor.column(0), factor.column(1));
        let old = dot(untouched.column(0), untouched.column(1));
        assert!(c.0[0].abs() < 1e-15 && old.0[0].abs() > 0.1);
        for (new, old) in factor.mantissa().iter().zip(untouched.mantissa()) {
            assert_eq!(new.0[1], old.0[1]);
        }
    }

    #[test]
    fn a_zero_column_leans_on_none() {
        let zero =
            GradedColumns::<1>::from_fn(2, 2, |_, i, j| f64::from(u8::from(i == 0 && j == 0)));
        let leaning = Instructions::portable().dispatch(Leaning { factor: &zero });
        assert_eq!(leaning.0[0], 0.0);
    }
}

//! One-sided Jacobi rotations: graded columns made orthogonal from the right, and sorted.
//!
//! A pair of columns is rotated in the scale of the larger one, so that both stay accurate relative
//! to their own size.

use std::ops::Range;

use crate::kernels::scalar_products::{dot, sum_of_squares};
use crate::linalg::graded::columns::{GradedColumns, swap_where};
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_vec::Scratch;
use crate::simd::lanes::{Lanes, Mask};

/// A cyclic Jacobi method converges quadratically; well-conditioned columns need five sweeps.
const MOST_SWEEPS: usize = 40;

/// A squared norm that a rotation left less than this of is summed again: its digits are gone.
const MOST_LOST: f64 = 1e-3;

/// A rotation whose angle is smaller than one over this is none, and its square is no number.
const LARGEST_COTANGENT: f64 = 1e150;

/// When a pair of columns is rotated.
#[derive(Clone, Copy, Debug)]
pub enum Rotate {
    /// Where |cos| of their angle exceeds this.
    AboveCosine(f64),
    /// Where it would change either squared norm by more than rounding: singular values, whose
    /// errors are second order in the angles.
    ToRounding,
}

impl Rotate {
    /// Until columns of `rows` entries are orthogonal to rounding: singular vectors.
    pub fn to_orthogonality(rows: usize) -> Self {
        Self::AboveCosine(rows.max(4) as f64 * f64::EPSILON)
    }
}

/// The accumulated rotation V (columns × columns per lane, column-major), R₀ = R V.
pub type Rotation<'a, const N: usize> = Option<&'a mut [Lanes<N>]>;

impl<const N: usize> GradedColumns<N> {
    /// Rotates the columns from the right, in the lanes of `mask`, until those of the rows
    /// `active` are orthogonal, and sorts them by falling norm. The other rows come along, and
    /// so does `rotation`. Masked lanes are unchanged.
    pub fn orthogonalise(
        &mut self,
        active: Range<usize>,
        when: Rotate,
        mask: Mask<N>,
        rotation: Rotation<'_, N>,
        instructions: Instructions,
    ) {
        Orthogonalise {
            factor: self,
            active,
            when,
            mask,
            rotation,
        }
        .run_on(instructions);
    }

    /// Columns i < j, both mutable.
    #[inline(always)]
    fn pair(&mut self, i: usize, j: usize) -> (&mut [Lanes<N>], &mut [Lanes<N>]) {
        pair(&mut self.mantissa, self.rows, i, j)
    }
}

struct Orthogonalise<'a, const N: usize> {
    factor: &'a mut GradedColumns<N>,
    active: Range<usize>,
    when: Rotate,
    mask: Mask<N>,
    rotation: Rotation<'a, N>,
}

impl<const N: usize> LaneWork for Orthogonalise<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(mut self) {
        let count = self.factor.columns;
        let mut norms = Scratch::zeros(count);
        let norms = norms.lanes();
        for _ in 0..MOST_SWEEPS {
            // A loop, since closures inside iterators are not compiled for the chosen instructions.
            for (j, norm) in norms.iter_mut().enumerate() {
                *norm = self.factor.normalise_column(j, self.mask);
                if self.active.len() < self.factor.rows {
                    *norm = sum_of_squares(&self.factor.column(j)[self.active.clone()]);
                }
            }
            let mut changed = Mask::NONE;
            let (mut i, mut j) = (0, 1);
            while j < count {
                changed = changed | self.visit(i, j, norms);
                (i, j) = next_pair(i, j, count);
            }
            if !changed.any() {
                break;
            }
        }
        self.factor.normalise(self.mask);
    }
}

/// So few columns are all near.
const FEW_COLUMNS: usize = 16;

/// The pair after (i, j), i < j < `count`, of a sweep that begins with (0, 1); j = `count` after
/// the last.
///
/// Row by row, so that column i stays near; few columns along the diagonals i + j = 1, 2, …, where
/// no pair waits for the one before it. Both do the same to every pair, since (i, j) comes after
/// (i, j − 1) and (i − 1, j) in either.
#[inline(always)]
fn next_pair(i: usize, j: usize, count: usize) -> (usize, usize) {
    if count > FEW_COLUMNS {
        let within = j + 1 < count;
        return if within { (i, j + 1) } else { (i + 1, i + 2) };
    }
    if i + 1 < j - 1 {
        return (i + 1, j - 1);
    }
    let sum = i + j + 1;
    let first = (sum + 1).saturating_sub(count);
    let last = sum - first;
    if first < last {
        (first, last)
    } else {
        (first, count)
    }
}

impl<const N: usize> Orthogonalise<'_, N> {
    /// What rounding may leave of a squared norm.
    #[inline(always)]
    fn rounding(&self) -> Lanes<N> {
        Lanes::splat(self.active.len().max(4) as f64 * f64::EPSILON)
    }

    /// 2^(e_j − e_i): column j, in the scale of column i, is this times its mantissa.
    #[inline(always)]
    fn ratio(&self, i: usize, j: usize) -> Lanes<N> {
        (self.factor.exponent[j] - self.factor.exponent[i]).exp2_whole()
    }

    /// Sorts and rotates one pair; true in the lanes where it did.
    #[inline(always)]
    fn visit(&mut self, i: usize, j: usize, norms: &mut [Lanes<N>]) -> Mask<N> {
        let mut ratio = self.ratio(i, j);
        let swap = self.mask & norms[i].less_than(norms[j] * (ratio * ratio));
        if swap.any() {
            self.swap(swap, i, j, norms);
            ratio = self.ratio(i, j);
        }
        let (x, y) = self.factor.pair(i, j);
        let products = Products {
            a: norms[i],
            b: norms[j],
            c: dot(&x[self.active.clone()], &y[self.active.clone()]),
            ratio,
        };
        match self.angle(&products) {
            Some(angle) => {
                self.rotate(i, j, &products, &angle, norms);
                swap | angle.mask
            }
            None => swap,
        }
    }

    /// Swaps columns i and j, and all that belongs to them, in the lanes of `mask`.
    #[inline(always)]
    fn swap(&mut self, mask: Mask<N>, i: usize, j: usize, norms: &mut [Lanes<N>]) {
        swap_where(mask, norms, i, j);
        swap_where(mask, &mut self.factor.exponent, i, j);
        let (x, y) = self.factor.pair(i, j);
        swap_slices_where(mask, x, y);
        if let Some(rotation) = self.rotation.as_deref_mut() {
            let (x, y) = pair(rotation, self.factor.columns, i, j);
            swap_slices_where(mask, x, y);
        }
    }

    /// The angle that makes a pair orthogonal; `None` where no lane needs one.
    #[inline(always)]
    fn angle(&self, products: &Products<N>) -> Option<Angle<N>> {
        let &Products { a, b, c, ratio } = products;
        let square_ratio = ratio * ratio;
        let nonzero = Lanes::ZERO.less_than(b) & Lanes::ZERO.less_than(c.abs());
        let not_orthogonal = match self.when {
            Rotate::AboveCosine(cosine) => (Lanes::splat(cosine * cosine) * a * b).less_than(c * c),
            Rotate::ToRounding => nonzero,
        };
        let mut candidates = self.mask & nonzero & not_orthogonal;
        if !candidates.any() {
            return None;
        }
        let difference = a - b * square_ratio;
        if let Rotate::ToRounding = self.when {
            // |tau c| ≤ c²/|a − b ratio²|: half of what would be rounding needs no quotient to be seen.
            let bound = Lanes::splat(0.5) * self.rounding() * b * difference.abs();
            candidates = candidates & bound.less_than(c * c);
            if !candidates.any() {
                return None;
            }
        }
        // tau = 1/w stays finite where ratio underflows. With w = |z| + s and s² = z² + ratio²,
        // cos² = w/2s: one quotient does for both.
        let z = difference / (c + c);
        let size = z.abs().min(Lanes::splat(LARGEST_COTANGENT));
        let s = size.mul_add(size, square_ratio).sqrt();
        let w = size + s;
        let quotient = Lanes::ONE / ((s + s) * w);
        let tau = ((s + s) * quotient).copysign(z);
        let mask = match self.when {
            Rotate::AboveCosine(_) => candidates,
            Rotate::ToRounding => candidates & (self.rounding() * b).less_than((tau * c).abs()),
        };
        mask.any().then(|| Angle {
            mask,
            tau: tau.select(mask, Lanes::ZERO),
            cosine: w * quotient.sqrt(),
        })
    }

    /// Rotates columns i and j, and all that belongs to them.
    #[inline(always)]
    fn rotate(
        &mut self,
        i: usize,
        j: usize,
        products: &Products<N>,
        angle: &Angle<N>,
        norms: &mut [Lanes<N>],
    ) {
        let &Products { a, b, c, ratio } = products;
        let &Angle { mask, tau, cosine } = angle;
        let (x, y) = self.factor.pair(i, j);
        turn(mask, x, y, tau * (ratio * ratio), tau, cosine);
        // What one column gains the other loses, each in its own scale.
        norms[i] = (tau * (ratio * ratio)).mul_add(c, a);
        norms[j] = (-tau).mul_add(c, b);
        let lost = norms[j].less_than(b * Lanes::splat(MOST_LOST));
        if lost.any() {
            // In those lanes alone: what a lane does must not depend on its neighbours.
            norms[j] = sum_of_squares(&y[self.active.clone()]).select(lost, norms[j]);
        }
        if let Some(rotation) = self.rotation.as_deref_mut() {
            let (x, y) = pair(rotation, self.factor.columns, i, j);
            turn(mask, x, y, tau * ratio, tau * ratio, cosine);
        }
    }
}

/// The scalar products of a pair of columns, those of their mantissas.
struct Products<const N: usize> {
    /// |x|².
    a: Lanes<N>,
    /// |y|².
    b: Lanes<N>,
    /// x·y.
    c: Lanes<N>,
    /// What y is multiplied by to be in the scale of x.
    ratio: Lanes<N>,
}

/// The angle by which a pair of columns is rotated.
struct Angle<const N: usize> {
    /// The lanes that are rotated.
    mask: Mask<N>,
    /// The tangent over `ratio`; zero in the other lanes.
    tau: Lanes<N>,
    cosine: Lanes<N>,
}

/// x ← cosine (x + up · y), y ← cosine (y − down · x), in the lanes of `mask`.
#[inline(always)]
fn turn<const N: usize>(
    mask: Mask<N>,
    x: &mut [Lanes<N>],
    y: &mut [Lanes<N>],
    up: Lanes<N>,
    down: Lanes<N>,
    cosine: Lanes<N>,
) {
    for (a, b) in x.iter_mut().zip(y) {
        let (old_a, old_b) = (*a, *b);
        *a = (up.mul_add(old_b, old_a) * cosine).select(mask, old_a);
        *b = ((-down).mul_add(old_a, old_b) * cosine).select(mask, old_b);
    }
}

/// Two rows of a slice of rows of length `size`, i < j.
#[inline(always)]
fn pair<T>(all: &mut [T], size: usize, i: usize, j: usize) -> (&mut [T], &mut [T]) {
    let (head, tail) = all.split_at_mut(j * size);
    (&mut head[i * size..(i + 1) * size], &mut tail[..size])
}

#[inline(always)]
fn swap_slices_where<const N: usize>(mask: Mask<N>, x: &mut [Lanes<N>], y: &mut [Lanes<N>]) {
    for (a, b) in x.iter_mut().zip(y) {
        let (old_a, old_b) = (*a, *b);
        *a = old_b.select(mask, old_a);
        *b = old_a.select(mask, old_b);
    }
}

/// Log singular values of graded columns, descending; leaves the columns orthogonal.
pub fn sorted_log_norms<const N: usize>(
    factor: &mut GradedColumns<N>,
    instructions: Instructions,
) -> Vec<Lanes<N>> {
    let rows = factor.rows();
    factor.orthogonalise(0..rows, Rotate::ToRounding, Mask::ALL, None, instructions);
    factor.log_norms(0..rows, instructions)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair once, and after those that the same pair of rows waits for row by row.
    #[test]
    fn a_sweep_visits_every_pair_once_in_an_order_that_changes_nothing() {
        for count in [0, 1, 2, 3, 7, FEW_COLUMNS, FEW_COLUMNS + 1, 30] {
            let mut visited = Vec::new();
            let (mut i, mut j) = (0, 1);
            while j < count {
                assert!(i < j && !visited.contains(&(i, j)), "{i} {j} of {count}");
                for before in [(i, j.wrapping_sub(1)), (i.wrapping_sub(1), j)] {
                    let is_pair = before.0 < before.1 && before.1 < count;
                    assert!(!is_pair || visited.contains(&before), "{i} {j} of {count}");
                }
                visited.push((i, j));
                (i, j) = next_pair(i, j, count);
            }
            assert_eq!(visited.len(), count * count.saturating_sub(1) / 2);
        }
    }
}

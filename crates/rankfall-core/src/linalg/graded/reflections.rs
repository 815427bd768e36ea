//! Householder reflections of graded columns from the right: a block of rows made triangular.
//!
//! Rows are weighed in the scale of the column that they are reflected into; pivoting keeps every
//! column accurate relative to its own size.

use std::ops::Range;

use crate::linalg::graded::columns::{GradedColumns, swap_where};
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_vec::Scratch;
use crate::simd::lanes::Lanes;

impl<const N: usize> GradedColumns<N> {
    /// Reflects the columns from the right (graded Householder) so that the rows `pivots` become
    /// lower triangular after a permutation among them: they then fill only the first
    /// min(pivots, columns) columns. The largest remaining row comes first, lane by lane, which
    /// keeps every column accurate relative to its own size. Columns must be sorted by falling
    /// exponent, as [`Self::orthogonalise`] leaves them.
    pub fn triangularise(&mut self, pivots: Range<usize>, instructions: Instructions) {
        Triangularise {
            factor: self,
            pivots,
        }
        .run_on(instructions);
    }

    /// Brings the largest of the rows `candidates`, measured on the columns from `from` on, to
    /// the first of them, lane by lane; `sizes` is scratch, one number per row.
    #[inline(always)]
    fn bring_largest_row_first(
        &mut self,
        candidates: Range<usize>,
        from: usize,
        weight: &[Lanes<N>],
        sizes: &mut [Lanes<N>],
    ) {
        let first = candidates.start;
        let sizes = &mut sizes[candidates.clone()];
        sizes.fill(Lanes::ZERO);
        for j in from..self.columns {
            let column = &self.column(j)[candidates.clone()];
            for (size, &x) in sizes.iter_mut().zip(column) {
                *size = (x * x).mul_add(weight[j], *size);
            }
        }
        let mut largest = sizes[0];
        let mut which = Lanes::splat(first as f64);
        for row in candidates.clone().skip(1) {
            let square = sizes[row - first];
            let larger = largest.less_than(square);
            largest = square.select(larger, largest);
            which = Lanes::splat(row as f64).select(larger, which);
        }
        for row in candidates.skip(1) {
            let index = Lanes::splat(row as f64);
            let chosen = which.at_most(index) & index.at_most(which);
            if !chosen.any() {
                continue;
            }
            for j in 0..self.columns {
                let (a, b) = (j * self.rows + first, j * self.rows + row);
                swap_where(chosen, &mut self.mantissa, a, b);
            }
        }
    }
}

struct Triangularise<'a, const N: usize> {
    factor: &'a mut GradedColumns<N>,
    pivots: Range<usize>,
}

impl<const N: usize> LaneWork for Triangularise<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        let factor = self.factor;
        let steps = self.pivots.len().min(factor.columns);
        let mut weight = Scratch::zeros(factor.columns);
        let mut reflector = Scratch::zeros(factor.columns);
        let mut along = Scratch::zeros(factor.columns);
        let mut sizes = Scratch::zeros(factor.rows);
        let (weight, reflector) = (weight.lanes(), reflector.lanes());
        let (along, sizes) = (along.lanes(), sizes.lanes());
        for i in 0..steps {
            let pivot = self.pivots.start + i;
            for (w, &e) in weight.iter_mut().zip(&factor.exponent).skip(i) {
                let shift = e - factor.exponent[i];
                *w = (shift + shift).exp2_whole();
            }
            let candidates = pivot..self.pivots.end;
            factor.bring_largest_row_first(candidates, i, weight, sizes);
            let mut square = Lanes::ZERO;
            for j in i..factor.columns {
                reflector[j] = factor.mantissa[j * factor.rows + pivot];
                square = (reflector[j] * reflector[j]).mul_add(weight[j], square);
            }
            let nonzero = Lanes::ZERO.less_than(square);
            let length = square.sqrt();
            let head = reflector[i];
            reflector[i] = head + length.copysign(head);
            // 2 / |v|² = 1 / (|x|² + |x₁| |x|)
            let twice_over_square = Lanes::ONE / head.abs().mul_add(length, square);
            let scale = twice_over_square.select(nonzero, Lanes::ZERO);
            for j in i..factor.columns {
                along[j] = reflector[j] * weight[j];
            }
            let reflection = Reflection {
                from: i,
                reflector,
                along,
                scale,
            };
            // The pivots before this one have nothing left in these columns.
            reflection.apply(factor, 0..self.pivots.start);
            reflection.apply(factor, pivot..factor.rows);
            for j in i + 1..factor.columns {
                let entry = &mut factor.mantissa[j * factor.rows + pivot];
                *entry = Lanes::ZERO.select(nonzero, *entry);
            }
        }
    }
}

/// y ← y − scale (v·y) v for rows y, on the columns from `from` on.
struct Reflection<'a, const N: usize> {
    from: usize,
    /// v, in the scale of each column.
    reflector: &'a [Lanes<N>],
    /// v in the scale of the first column, times that of each.
    along: &'a [Lanes<N>],
    scale: Lanes<N>,
}

impl<const N: usize> Reflection<'_, N> {
    /// A few rows at a time, whose products stay in registers.
    #[inline(always)]
    fn apply(&self, factor: &mut GradedColumns<N>, rows: Range<usize>) {
        let mut row = rows.start;
        while row + 8 <= rows.end {
            self.apply_to::<8>(factor, row);
            row += 8;
        }
        if row + 4 <= rows.end {
            self.apply_to::<4>(factor, row);
            row += 4;
        }
        while row < rows.end {
            self.apply_to::<1>(factor, row);
            row += 1;
        }
    }

    /// To R rows from `row` on.
    #[inline(always)]
    fn apply_to<const R: usize>(&self, factor: &mut GradedColumns<N>, row: usize) {
        let mut amounts = [Lanes::ZERO; R];
        for j in self.from..factor.columns {
            let entries = &factor.column(j)[row..row + R];
            for r in 0..R {
                amounts[r] = self.along[j].mul_add(entries[r], amounts[r]);
            }
        }
        for r in 0..R {
            amounts[r] = -(amounts[r] * self.scale);
        }
        for j in self.from..factor.columns {
            let entries = &mut factor.mantissa[j * factor.rows + row..][..R];
            for r in 0..R {
                entries[r] = amounts[r].mul_add(self.reflector[j], entries[r]);
            }
        }
    }
}

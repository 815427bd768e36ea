//! Columns with a power-of-two exponent each.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::kernels::scalar_products::sum_of_squares;
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_math::ln;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};

/// Up to 2^±this, squares of entries, and sums and products of such squares, are numbers of full
/// accuracy.
const SAFE_EXPONENT: i32 = 200;

/// A matrix `rows` × `columns` per lane, column j scaled by 2^exponent\[j\].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradedColumns<const N: usize> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Column-major.
    pub(super) mantissa: LaneVec<N>,
    /// Whole numbers.
    pub(super) exponent: LaneVec<N>,
}

impl<const N: usize> GradedColumns<N> {
    /// The matrix with these entries, lane by lane: `entry(lane, row, column)`. Columns whose
    /// squares would leave the range of numbers begin with an exponent; the others with none.
    pub fn from_fn(
        rows: usize,
        columns: usize,
        entry: impl Fn(usize, usize, usize) -> f64,
    ) -> Self {
        let at = |index: usize| {
            Lanes(std::array::from_fn(|lane| {
                entry(lane, index % rows, index / rows)
            }))
        };
        let mut out = Self {
            rows,
            columns,
            mantissa: (0..rows * columns).map(at).collect(),
            exponent: LaneVec::zeros(columns),
        };
        for lane in 0..N {
            (0..columns).for_each(|j| out.bring_into_range(lane, j));
        }
        out
    }

    /// Moves the size of column j into its exponent where its square would not be a number of full
    /// accuracy.
    fn bring_into_range(&mut self, lane: usize, j: usize) {
        let column = &mut self.mantissa[j * self.rows..(j + 1) * self.rows];
        let largest = column.iter().fold(0.0_f64, |a, b| a.max(b.0[lane].abs()));
        let (_, exponent) = libm::frexp(largest);
        if largest == 0.0 || !largest.is_finite() || exponent.abs() <= SAFE_EXPONENT {
            return;
        }
        for entry in column {
            entry.0[lane] = libm::ldexp(entry.0[lane], -exponent);
        }
        self.exponent[j].0[lane] += f64::from(exponent);
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The mantissas, column-major.
    #[inline(always)]
    pub fn mantissa(&self) -> &[Lanes<N>] {
        &self.mantissa
    }

    /// The mantissas, column-major.
    #[inline(always)]
    pub fn mantissa_mut(&mut self) -> &mut [Lanes<N>] {
        &mut self.mantissa
    }

    /// The exponents of two.
    #[inline(always)]
    pub fn exponent(&self) -> &[Lanes<N>] {
        &self.exponent
    }

    /// The mantissas of column j.
    #[inline(always)]
    pub fn column(&self, j: usize) -> &[Lanes<N>] {
        &self.mantissa[j * self.rows..(j + 1) * self.rows]
    }

    /// Drops what was here and takes over a copy of the rows of `other` in `range`, all columns.
    pub fn copy_rows(&mut self, other: &Self, range: Range<usize>) {
        self.rows = range.len();
        self.columns = other.columns;
        self.mantissa.clear();
        for j in 0..other.columns {
            self.mantissa.append(&other.column(j)[range.clone()]);
        }
        self.exponent.copy_of(&other.exponent);
    }

    /// The columns with those of `below` under them, as many rows of the same exponents each.
    pub fn stacked_on(&self, below: &[Lanes<N>]) -> Self {
        let rows = self.rows;
        let mut mantissa = LaneVec::with_room(2 * self.mantissa.len());
        for (x, y) in self
            .mantissa
            .chunks_exact(rows)
            .zip(below.chunks_exact(rows))
        {
            mantissa.append(x);
            mantissa.append(y);
        }
        Self {
            rows: 2 * rows,
            columns: self.columns,
            mantissa,
            exponent: self.exponent.clone(),
        }
    }

    /// Takes `stacked` apart again: the upper rows here, the lower ones into `below`.
    pub fn take_apart(&mut self, stacked: &Self, below: &mut [Lanes<N>]) {
        let rows = self.rows;
        let upper = self.mantissa.chunks_exact_mut(rows);
        let pairs = upper.zip(below.chunks_exact_mut(rows));
        for ((x, y), both) in pairs.zip(stacked.mantissa.chunks_exact(2 * rows)) {
            x.copy_from_slice(&both[..rows]);
            y.copy_from_slice(&both[rows..]);
        }
        self.exponent.copy_from_slice(&stacked.exponent);
    }

    /// Drops all columns but the first `count`, of which there are as many.
    pub fn keep_leading_columns(&mut self, count: usize) {
        self.columns = count;
        self.mantissa.resize(count * self.rows);
        self.exponent.resize(count);
    }

    /// Gives every column in the lanes of `mask` a norm in \[1, 2), moving the rest into its
    /// exponent. Exact; a zero column stays as it is.
    #[inline(always)]
    pub fn normalise(&mut self, mask: Mask<N>) {
        for j in 0..self.columns {
            self.normalise_column(j, mask);
        }
    }

    /// The same of column j; returns its new squared norm.
    #[inline(always)]
    pub(super) fn normalise_column(&mut self, j: usize, mask: Mask<N>) -> Lanes<N> {
        let square = sum_of_squares(self.column(j));
        let shift = half_exponent(square);
        let shift = shift.select(mask & Lanes::ZERO.less_than(square), Lanes::ZERO);
        let scale = (-shift).exp2_whole();
        for entry in &mut self.mantissa[j * self.rows..(j + 1) * self.rows] {
            *entry = *entry * scale;
        }
        self.exponent[j] += shift;
        square * scale * scale
    }

    /// ln of the norm of the rows `active` of each column; −∞ for a zero column.
    pub fn log_norms(&self, active: Range<usize>, instructions: Instructions) -> Vec<Lanes<N>> {
        let squares = SquaredNorms {
            factor: self,
            active,
        };
        LogNorms { squares }.run_on(instructions)
    }

    /// Multiplies column j by `factor`\[j\] and by 2^`exponent`\[j\].
    pub fn scale_columns(&mut self, factor: &[Lanes<N>], exponent: &[Lanes<N>]) {
        for j in 0..self.columns {
            for entry in &mut self.mantissa[j * self.rows..(j + 1) * self.rows] {
                *entry = *entry * factor[j];
            }
            self.exponent[j] += exponent[j];
        }
    }

    /// The norms of the rows `active` of the mantissas of each column, without the exponents.
    pub fn mantissa_norms(
        &self,
        active: Range<usize>,
        instructions: Instructions,
    ) -> Vec<Lanes<N>> {
        let squares = SquaredNorms {
            factor: self,
            active,
        }
        .run_on(instructions);
        squares.into_iter().map(Lanes::sqrt).collect()
    }
}

/// ⌊log₂(x)/2⌋ for positive normal x: the exponent of √x.
#[inline(always)]
fn half_exponent<const N: usize>(x: Lanes<N>) -> Lanes<N> {
    let biased = x.to_bits().each(|b| ((b >> 52) & 0x7FF) + 1);
    let halved = biased.each(|b| (b >> 1) | 0x4330_0000_0000_0000).to_f64();
    halved - Lanes::splat(4_503_599_627_370_496.0 + 512.0)
}

/// Swaps entries i and j in the lanes of `mask`.
#[inline(always)]
pub(super) fn swap_where<const N: usize>(mask: Mask<N>, all: &mut [Lanes<N>], i: usize, j: usize) {
    let (a, b) = (all[i], all[j]);
    all[i] = b.select(mask, a);
    all[j] = a.select(mask, b);
}

/// Of the rows `active` of the mantissas of each column.
struct SquaredNorms<'a, const N: usize> {
    factor: &'a GradedColumns<N>,
    active: Range<usize>,
}

impl<const N: usize> LaneWork for SquaredNorms<'_, N> {
    type Output = Vec<Lanes<N>>;
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) -> Vec<Lanes<N>> {
        let mut out = Vec::with_capacity(self.factor.columns);
        for j in 0..self.factor.columns {
            out.push(sum_of_squares(&self.factor.column(j)[self.active.clone()]));
        }
        out
    }
}

struct LogNorms<'a, const N: usize> {
    squares: SquaredNorms<'a, N>,
}

impl<const N: usize> LaneWork for LogNorms<'_, N> {
    type Output = Vec<Lanes<N>>;
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) -> Vec<Lanes<N>> {
        let exponents = &self.squares.factor.exponent;
        let mut out = self.squares.run();
        for (log, &exponent) in out.iter_mut().zip(exponents) {
            let of_mantissa = Lanes::splat(0.5) * ln(*log);
            *log = exponent.mul_add(Lanes::splat(std::f64::consts::LN_2), of_mantissa);
        }
        out
    }
}

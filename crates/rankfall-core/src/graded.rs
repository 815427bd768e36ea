//! The graded factor: columns with a power-of-two exponent each, kept orthogonal by rotations
//! from the right.
//!
//! Every update of the dynamics acts from the left, Θ ← (I + S) Θ, so any rotation of the columns
//! from the right changes no observable. One-sided Jacobi rotations make the columns orthogonal:
//! their norms are then the singular values. A small column is only ever rounded relative to its
//! own size, so its logarithm is right however far down it goes.
//!
//! Demmel and Veselić, SIAM J. Matrix Anal. Appl. 13 (1992); Drmač and Veselić, ibid. 29 (2008).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::instructions::{Instructions, LaneWork};
use crate::lane_math::ln;
use crate::lane_vec::{LaneVec, Scratch};
use crate::lanes::{Lanes, Mask, total};
use crate::rowwise;

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

/// A matrix `rows` × `columns` per lane, column j scaled by 2^exponent\[j\].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradedColumns<const N: usize> {
    rows: usize,
    columns: usize,
    /// Column-major.
    mantissa: LaneVec<N>,
    /// Whole numbers.
    exponent: LaneVec<N>,
}

/// The accumulated rotation V (columns × columns per lane, column-major), R₀ = R V.
pub type Rotation<'a, const N: usize> = Option<&'a mut [Lanes<N>]>;

impl<const N: usize> GradedColumns<N> {
    /// The matrix with these entries, lane by lane: `entry(lane, row, column)`.
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
        Self {
            rows,
            columns,
            mantissa: (0..rows * columns).map(at).collect(),
            exponent: LaneVec::zeros(columns),
        }
    }

    /// The same with column j multiplied by 2^`exponent`\[j\], whole numbers of any size.
    pub fn times_powers_of_two(mut self, exponent: &[f64]) -> Self {
        for (own, &e) in self.exponent.iter_mut().zip(exponent) {
            *own += Lanes::splat(e);
        }
        self
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

    /// Columns i < j, both mutable.
    #[inline(always)]
    fn pair(&mut self, i: usize, j: usize) -> (&mut [Lanes<N>], &mut [Lanes<N>]) {
        pair(&mut self.mantissa, self.rows, i, j)
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
    fn normalise_column(&mut self, j: usize, mask: Mask<N>) -> Lanes<N> {
        let square = sum_of_squares(self.column(j));
        let shift = half_exponent(square);
        let shift = shift.where_else(mask & Lanes::ZERO.less_than(square), Lanes::ZERO);
        let scale = (-shift).exp2_whole();
        for entry in &mut self.mantissa[j * self.rows..(j + 1) * self.rows] {
            *entry = *entry * scale;
        }
        self.exponent[j] += shift;
        square * scale * scale
    }

    /// Rotates the columns from the right, in the lanes of `mask`, until those of the rows
    /// `active` are orthogonal, and sorts them by falling norm. The other rows come along, and
    /// so does `rotation`. A lane that needs nothing keeps its bits.
    pub fn orthogonalise(
        &mut self,
        active: Range<usize>,
        when: Rotate,
        mask: Mask<N>,
        rotation: Rotation<'_, N>,
        instructions: Instructions,
    ) {
        instructions.dispatch(Orthogonalise {
            factor: self,
            active,
            when,
            mask,
            rotation,
        });
    }

    /// ln of the norm of the rows `active` of each column; −∞ for a zero column.
    pub fn log_norms(&self, active: Range<usize>, instructions: Instructions) -> Vec<Lanes<N>> {
        let squares = SquaredNorms {
            factor: self,
            active,
        };
        instructions.dispatch(LogNorms { squares })
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
        let squares = instructions.dispatch(SquaredNorms {
            factor: self,
            active,
        });
        squares.into_iter().map(Lanes::sqrt).collect()
    }

    /// Reflects the columns from the right (graded Householder) so that the rows `pivots` become
    /// lower triangular after a permutation among them: they then fill only the first
    /// min(pivots, columns) columns. The largest remaining row comes first, lane by lane, which
    /// keeps every column accurate relative to its own size. Columns must be sorted by falling
    /// exponent, as [`Self::orthogonalise`] leaves them.
    pub fn triangularise(&mut self, pivots: Range<usize>, instructions: Instructions) {
        instructions.dispatch(Triangularise {
            factor: self,
            pivots,
        });
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
            largest = square.where_else(larger, largest);
            which = Lanes::splat(row as f64).where_else(larger, which);
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

/// Σ xᵢ² per lane.
#[inline(always)]
pub fn sum_of_squares<const N: usize>(x: &[Lanes<N>]) -> Lanes<N> {
    dot(x, x)
}

/// Σ xᵢ yᵢ per lane, in partial sums that need not wait for each other, and more of them where they fill
/// the registers of a single lane.
#[inline(always)]
pub fn dot<const N: usize>(x: &[Lanes<N>], y: &[Lanes<N>]) -> Lanes<N> {
    if Lanes::<N>::SINGLE && rowwise::applies::<N>(x.len()) {
        rowwise::scalar_product(x, y)
    } else if x.len() >= 8 {
        dot_in::<4, N>(x, y)
    } else {
        dot_in::<1, N>(x, y)
    }
}

#[inline(always)]
fn dot_in<const PARTS: usize, const N: usize>(x: &[Lanes<N>], y: &[Lanes<N>]) -> Lanes<N> {
    let (x, last_x) = x.as_chunks::<PARTS>();
    let (y, last_y) = y.as_chunks::<PARTS>();
    let mut sums = [Lanes::ZERO; PARTS];
    for (a, b) in x.iter().zip(y) {
        for i in 0..PARTS {
            sums[i] = a[i].mul_add(b[i], sums[i]);
        }
    }
    let mut sum = total(sums);
    for (&a, &b) in last_x.iter().zip(last_y) {
        sum = a.mul_add(b, sum);
    }
    sum
}

/// ⌊log₂(x)/2⌋ for positive normal x: the exponent of √x.
#[inline(always)]
fn half_exponent<const N: usize>(x: Lanes<N>) -> Lanes<N> {
    let biased = x.to_bits().each(|b| ((b >> 52) & 0x7FF) + 1);
    let halved = biased.each(|b| (b >> 1) | 0x4330_0000_0000_0000).to_f64();
    halved - Lanes::splat(4_503_599_627_370_496.0 + 512.0)
}

/// Two rows of a slice of rows of length `size`, i < j.
#[inline(always)]
fn pair<T>(all: &mut [T], size: usize, i: usize, j: usize) -> (&mut [T], &mut [T]) {
    let (head, tail) = all.split_at_mut(j * size);
    (&mut head[i * size..(i + 1) * size], &mut tail[..size])
}

#[inline(always)]
fn swap_where<const N: usize>(mask: Mask<N>, all: &mut [Lanes<N>], i: usize, j: usize) {
    let (a, b) = (all[i], all[j]);
    all[i] = b.where_else(mask, a);
    all[j] = a.where_else(mask, b);
}

#[inline(always)]
fn swap_slices_where<const N: usize>(mask: Mask<N>, x: &mut [Lanes<N>], y: &mut [Lanes<N>]) {
    for (a, b) in x.iter_mut().zip(y) {
        let (old_a, old_b) = (*a, *b);
        *a = old_b.where_else(mask, old_a);
        *b = old_a.where_else(mask, old_b);
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
    const NARROW: bool = Lanes::<N>::NARROW;

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

/// The pair after (i, j), i < j < `count`, of a sweep that begins with (0, 1); j = `count` after the last.
///
/// Row by row, so that column i stays near; few columns along the diagonals i + j = 1, 2, …, where no pair
/// waits for the one before it. Both do the same to every pair, since (i, j) comes after (i, j − 1) and
/// (i − 1, j) in either.
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
    fn rounding(&self) -> f64 {
        self.active.len().max(4) as f64 * f64::EPSILON
    }

    /// Sorts and rotates one pair; true in the lanes where it did.
    #[inline(always)]
    fn visit(&mut self, i: usize, j: usize, norms: &mut [Lanes<N>]) -> Mask<N> {
        // In the scale of column i: column j is 2^(e_j − e_i) = ratio times its mantissa.
        let mut ratio = (self.factor.exponent[j] - self.factor.exponent[i]).exp2_whole();
        let swap = self.mask & norms[i].less_than(norms[j] * (ratio * ratio));
        if swap.any() {
            swap_where(swap, norms, i, j);
            swap_where(swap, &mut self.factor.exponent, i, j);
            let (x, y) = self.factor.pair(i, j);
            swap_slices_where(swap, x, y);
            if let Some(rotation) = self.rotation.as_deref_mut() {
                let (x, y) = pair(rotation, self.factor.columns, i, j);
                swap_slices_where(swap, x, y);
            }
            ratio = (self.factor.exponent[j] - self.factor.exponent[i]).exp2_whole();
        }
        let square_ratio = ratio * ratio;
        let rounding = Lanes::splat(self.rounding());
        let (x, y) = self.factor.pair(i, j);
        let c = dot(&x[self.active.clone()], &y[self.active.clone()]);
        let (a, b) = (norms[i], norms[j]);
        let nonzero = Lanes::ZERO.less_than(b) & Lanes::ZERO.less_than(c.abs());
        let leaning = match self.when {
            Rotate::AboveCosine(cosine) => (Lanes::splat(cosine * cosine) * a * b).less_than(c * c),
            Rotate::ToRounding => nonzero,
        };
        let mut candidates = self.mask & nonzero & leaning;
        if !candidates.any() {
            return swap;
        }
        let difference = a - b * square_ratio;
        if let Rotate::ToRounding = self.when {
            // |tau c| ≤ c²/|a − b ratio²|: half of what would be rounding needs no quotient to be seen.
            let bound = Lanes::splat(0.5) * rounding * b * difference.abs();
            candidates = candidates & bound.less_than(c * c);
            if !candidates.any() {
                return swap;
            }
        }
        // t = ratio · tau is the tangent of the angle; tau = 1/w stays finite where ratio underflows. With
        // w = |z| + s and s² = z² + ratio², cos² = w/2s: one quotient does for both.
        let z = difference / (c + c);
        let size = z.abs().min(Lanes::splat(LARGEST_COTANGENT));
        let s = size.mul_add(size, square_ratio).sqrt();
        let w = size + s;
        let quotient = Lanes::ONE / ((s + s) * w);
        let tau = ((s + s) * quotient).copysign(z);
        let rotate = match self.when {
            Rotate::AboveCosine(_) => candidates,
            Rotate::ToRounding => candidates & (rounding * b).less_than((tau * c).abs()),
        };
        if !rotate.any() {
            return swap;
        }
        let tau = tau.where_else(rotate, Lanes::ZERO);
        let tangent = tau * ratio;
        let cosine = w * quotient.sqrt();
        turn(rotate, x, y, tau * square_ratio, tau, cosine);
        // What one column gains the other loses, each in its own scale.
        norms[i] = (tau * square_ratio).mul_add(c, a);
        norms[j] = (-tau).mul_add(c, b);
        let lost = norms[j].less_than(b * Lanes::splat(MOST_LOST));
        if lost.any() {
            // In those lanes alone: what a lane does must not depend on its neighbours.
            norms[j] = sum_of_squares(&y[self.active.clone()]).where_else(lost, norms[j]);
        }
        if let Some(rotation) = self.rotation.as_deref_mut() {
            let (x, y) = pair(rotation, self.factor.columns, i, j);
            turn(rotate, x, y, tangent, tangent, cosine);
        }
        swap | rotate
    }
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
        *a = (up.mul_add(old_b, old_a) * cosine).where_else(mask, old_a);
        *b = ((-down).mul_add(old_a, old_b) * cosine).where_else(mask, old_b);
    }
}

/// Of the rows `active` of the mantissas of each column.
struct SquaredNorms<'a, const N: usize> {
    factor: &'a GradedColumns<N>,
    active: Range<usize>,
}

impl<const N: usize> LaneWork for SquaredNorms<'_, N> {
    type Output = Vec<Lanes<N>>;
    const NARROW: bool = Lanes::<N>::NARROW;

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
    const NARROW: bool = Lanes::<N>::NARROW;

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

struct Triangularise<'a, const N: usize> {
    factor: &'a mut GradedColumns<N>,
    pivots: Range<usize>,
}

impl<const N: usize> LaneWork for Triangularise<'_, N> {
    type Output = ();
    const NARROW: bool = Lanes::<N>::NARROW;

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
            let scale = twice_over_square.where_else(nonzero, Lanes::ZERO);
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
                *entry = Lanes::ZERO.where_else(nonzero, *entry);
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

//! The products of a step for one trajectory at a time, with the rows of a column side by side in
//! the vector registers.
//!
//! From [`FROM_ROWS`] rows on, eight trajectories side by side no longer fit the nearer caches, and
//! a single one has rows enough to fill the registers.

use std::ops::Range;

use crate::kernels::columns::Columns;
use crate::kernels::operations::{GemmUpdate, OuterProducts, ScalarProducts};
use crate::simd::lanes::{Lanes, total};

/// Networks with p + k of at least this run one trajectory at a time; chosen by measurement.
pub const FROM_ROWS: usize = 200;

/// How many columns share a pass over what their multiples are added to, while there are so many
/// left.
const MOST: usize = 10;

/// And how many of the rest, before they go one by one.
const SOME: usize = 4;

/// Partial sums over rows.
const PARTS: usize = 16;

/// Whether blocks of N trajectories of this many rows are worked on row by row. Callers ask for
/// [`Lanes::SINGLE`] first, a constant, so that none of this is compiled for blocks of several.
#[inline(always)]
pub fn applies<const N: usize>(rows: usize) -> bool {
    Lanes::<N>::SINGLE && rows >= FROM_ROWS
}

/// A product that is worked out by rows.
pub trait ByRows<const N: usize> {
    /// All of it.
    fn by_rows(&mut self);
}

impl<const N: usize> ByRows<N> for OuterProducts<'_, N> {
    #[inline(always)]
    fn by_rows(&mut self) {
        let &mut Self { x, y, ref mut out } = self;
        out.fill(Lanes::ZERO);
        let mut j = 0;
        while j < x.count() {
            let taken = together(x.count() - j);
            for (b, sums) in out.chunks_exact_mut(x.length).enumerate() {
                let factors = &y.entries[j * y.stride + y.first + b..];
                add_multiples(x, j..j + taken, factors, y.stride, sums);
            }
            j += taken;
        }
    }
}

/// How many of so many columns go next.
#[inline(always)]
fn together(left: usize) -> usize {
    match left {
        MOST.. => MOST,
        SOME.. => SOME,
        _ => 1,
    }
}

/// sums += Σ_j x_j f_j for the columns j of a range as long as [`together`] says; their factors are
/// `stride` apart.
#[inline(always)]
fn add_multiples<const N: usize>(
    x: Columns<'_, N>,
    range: Range<usize>,
    factors: &[Lanes<N>],
    stride: usize,
    sums: &mut [Lanes<N>],
) {
    match range.len() {
        MOST => add_fixed::<MOST, N>(x, range.start, factors, stride, sums),
        SOME => add_fixed::<SOME, N>(x, range.start, factors, stride, sums),
        _ => add_fixed::<1, N>(x, range.start, factors, stride, sums),
    }
}

#[inline(always)]
fn add_fixed<const C: usize, const N: usize>(
    x: Columns<'_, N>,
    first: usize,
    factors: &[Lanes<N>],
    stride: usize,
    sums: &mut [Lanes<N>],
) {
    let columns: [&[Lanes<N>]; C] = std::array::from_fn(|i| x.get(first + i));
    let factors: [Lanes<N>; C] = std::array::from_fn(|i| factors[i * stride]);
    for (row, sum) in sums.iter_mut().enumerate() {
        let mut own = *sum;
        for i in 0..C {
            own = columns[i][row].mul_add(factors[i], own);
        }
        *sum = own;
    }
}

impl<const N: usize> ByRows<N> for ScalarProducts<'_, N> {
    #[inline(always)]
    fn by_rows(&mut self) {
        let &mut Self { x, g, ref mut out } = self;
        for (i, out) in out.chunks_exact_mut(g.count()).enumerate() {
            for (s, entry) in out.iter_mut().enumerate() {
                *entry = scalar_product(x.get(i), g.get(s));
            }
        }
    }
}

/// Σ xᵢ yᵢ in sixteen partial sums, and what is left over by itself.
#[inline(always)]
pub fn scalar_product<const N: usize>(x: &[Lanes<N>], y: &[Lanes<N>]) -> Lanes<N> {
    let (x, last_x) = x.as_chunks::<PARTS>();
    let (y, last_y) = y.as_chunks::<PARTS>();
    let mut sums = [Lanes::ZERO; PARTS];
    for (a, b) in x.iter().zip(y) {
        for part in 0..PARTS {
            sums[part] = a[part].mul_add(b[part], sums[part]);
        }
    }
    // Through memory, or the compiler would keep them in pieces of a register.
    let mut sum = total(std::hint::black_box(sums));
    for (&a, &b) in last_x.iter().zip(last_y) {
        sum = a.mul_add(b, sum);
    }
    sum
}

impl<const N: usize> ByRows<N> for GemmUpdate<'_, N> {
    #[inline(always)]
    fn by_rows(&mut self) {
        let g = self.g;
        for (j, column) in self.columns.chunks_mut(self.stride).enumerate() {
            let factors = self.factors.get(j);
            let column = &mut column[..g.length];
            if let Some(damping) = self.damping {
                for (entry, &factor) in column.iter_mut().zip(damping) {
                    *entry = *entry * factor;
                }
            }
            let mut s = 0;
            while s < g.count() {
                let taken = together(g.count() - s);
                add_multiples(g, s..s + taken, &factors[s..], 1, column);
                s += taken;
            }
        }
    }
}

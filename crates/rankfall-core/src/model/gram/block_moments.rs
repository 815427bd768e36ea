//! Means and centred co-moments of one block of rows, with the same bits on every processor.

use super::block_layout::{ROWS, packed};
use super::panel_products::large_products;
use crate::simd::instructions::Instructions;

/// Independent partial sums of a product; a multiple of every vector width met in practice.
const LANES: usize = 8;
/// Beyond so many columns, products of them are worked out in panels.
const SMALL: usize = 48;

/// A running sum kept as an unevaluated pair, so that adding many blocks loses nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompensatedSum {
    /// The sum, rounded.
    pub high: f64,
    /// What rounding left of it.
    pub low: f64,
}

impl CompensatedSum {
    /// Adds `value`; the rounding error of the addition is kept in `low` [Knuth's two-sum].
    #[inline(always)]
    pub fn add(&mut self, value: f64) {
        let total = self.high + value;
        let part = total - self.high;
        self.low += (self.high - (total - part)) + (value - part);
        self.high = total;
    }

    /// The sum.
    pub fn value(self) -> f64 {
        self.high + self.low
    }
}

/// The moments of one block of rows.
pub struct BlockComoments {
    /// The mean of each column.
    pub mean: Vec<CompensatedSum>,
    /// Σ (z − z̄)(z − z̄)ᵀ, a packed lower triangle.
    pub moment: Vec<f64>,
}

impl BlockComoments {
    /// Centres the first `rows` rows of a block in place and returns its moments.
    pub fn of(block: &mut [f64], columns: usize, rows: usize) -> Self {
        let mut mean = Vec::with_capacity(columns);
        for column in block.chunks_exact_mut(ROWS) {
            mean.push(centre(column, rows));
        }
        let mut moment = vec![0.0; packed(columns, 0)];
        if columns <= SMALL {
            let length = rows.next_multiple_of(LANES);
            pulp::Arch::new().dispatch(|| small_products(block, columns, length, &mut moment));
        } else {
            large_products(block, columns, rows, &mut moment, Instructions::best());
        }
        // The means were rounded; their remainders correct the co-moments.
        for i in 0..columns {
            for j in 0..=i {
                moment[packed(i, j)] -= rows as f64 * (mean[i].low * mean[j].low);
            }
        }
        Self { mean, moment }
    }
}

/// Takes the mean off the first `rows` values, zeroes the others, and returns the mean.
fn centre(column: &mut [f64], rows: usize) -> CompensatedSum {
    let count = rows as f64;
    // Taking the first value off before summing keeps a constant column exact at any offset.
    let first = column[0];
    let high = first + column[..rows].iter().map(|v| v - first).sum::<f64>() / count;
    for value in &mut column[..rows] {
        *value -= high;
    }
    column[rows..].fill(0.0);
    let low = column[..rows].iter().sum::<f64>() / count;
    CompensatedSum { high, low }
}

/// Products of all pairs of columns, four partners at a time so that each load is used twice.
#[inline(always)]
fn small_products(block: &[f64], columns: usize, length: usize, moment: &mut [f64]) {
    let column = |i: usize| &block[i * ROWS..i * ROWS + length];
    for i in 0..columns {
        let mut j = 0;
        while j + 4 <= i + 1 {
            let partners = [column(j), column(j + 1), column(j + 2), column(j + 3)];
            moment[packed(i, j)..packed(i, j) + 4].copy_from_slice(&dots(column(i), partners));
            j += 4;
        }
        while j <= i {
            moment[packed(i, j)] = dots(column(i), [column(j)])[0];
            j += 1;
        }
    }
}

/// Inner products of `a` with each of `b`; lengths are equal multiples of `LANES`.
///
/// No fused multiply-add, and a fixed tree at the end: every machine gets the same bits.
#[inline(always)]
fn dots<const N: usize>(a: &[f64], b: [&[f64]; N]) -> [f64; N] {
    let mut sums = [[0.0; LANES]; N];
    let (a, _) = a.as_chunks::<LANES>();
    let b = b.map(|b| b.as_chunks::<LANES>().0);
    for (r, a) in a.iter().enumerate() {
        for (sum, b) in sums.iter_mut().zip(&b) {
            for lane in 0..LANES {
                sum[lane] += a[lane] * b[r][lane];
            }
        }
    }
    sums.map(|s| ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])))
}

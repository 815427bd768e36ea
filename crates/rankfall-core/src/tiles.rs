//! The products of a step for a few trajectories side by side, in tiles whose sums stay in registers:
//! for sizes that are not known when compiled.
//!
//! Every entry is a sum in the order of its terms, each added with one rounding.

use crate::columns::Columns;
use crate::lanes::Lanes;

/// Rows of a tile.
const ROWS: usize = 4;

/// Columns of a tile for up to [`NARROW`] lanes: eight sums and what they need fill sixteen registers of
/// four doubles. With more lanes there is one.
const COLUMNS: usize = 2;

/// The most lanes that fit one register of four doubles.
const NARROW: usize = 4;

/// A product whose entries are worked out R × C at a time.
trait Product<const N: usize> {
    fn tile<const R: usize, const C: usize>(&mut self, row: usize, column: usize);
}

/// Calls for every entry of a product of so many rows and columns once.
#[inline(always)]
fn in_tiles<const N: usize>(rows: usize, columns: usize, product: &mut impl Product<N>) {
    let mut row = 0;
    while row + ROWS <= rows {
        strip::<ROWS, N>(row, columns, product);
        row += ROWS;
    }
    while row < rows {
        strip::<1, N>(row, columns, product);
        row += 1;
    }
}

#[inline(always)]
fn strip<const R: usize, const N: usize>(
    row: usize,
    columns: usize,
    product: &mut impl Product<N>,
) {
    let mut column = 0;
    if N <= NARROW {
        while column + COLUMNS <= columns {
            product.tile::<R, COLUMNS>(row, column);
            column += COLUMNS;
        }
    }
    while column < columns {
        product.tile::<R, 1>(row, column);
        column += 1;
    }
}

/// Σ_i left_i right_iᵀ.
#[inline(always)]
fn sums<const R: usize, const C: usize, const N: usize>(
    left: impl Iterator<Item = [Lanes<N>; R]>,
    right: impl Iterator<Item = [Lanes<N>; C]>,
) -> [[Lanes<N>; C]; R] {
    let mut sums = [[Lanes::ZERO; C]; R];
    for (x, y) in left.zip(right) {
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = x[r].mul_add(y[c], sums[r][c]);
            }
        }
    }
    sums
}

/// `out`\[b\] = Σ_j x_j y_j\[b\], column by column, over as many columns x_j as y_j.
#[inline(always)]
pub fn outer_products<const N: usize>(x: Columns<'_, N>, y: Columns<'_, N>, out: &mut [Lanes<N>]) {
    in_tiles(x.length, y.length, &mut OuterProducts { x, y, out });
}

struct OuterProducts<'a, const N: usize> {
    x: Columns<'a, N>,
    y: Columns<'a, N>,
    out: &'a mut [Lanes<N>],
}

impl<const N: usize> Product<N> for OuterProducts<'_, N> {
    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&mut self, row: usize, column: usize) {
        let sums = sums::<R, C, N>(self.x.across(row), self.y.across(column));
        for c in 0..C {
            for r in 0..R {
                self.out[(column + c) * self.x.length + row + r] = sums[r][c];
            }
        }
    }
}

/// `out`\[i, s\] = x_i · g_s, row-major.
#[inline(always)]
pub fn scalar_products<const N: usize>(x: Columns<'_, N>, g: Columns<'_, N>, out: &mut [Lanes<N>]) {
    in_tiles(x.count(), g.count(), &mut ScalarProducts { x, g, out });
}

struct ScalarProducts<'a, const N: usize> {
    x: Columns<'a, N>,
    g: Columns<'a, N>,
    out: &'a mut [Lanes<N>],
}

impl<const N: usize> Product<N> for ScalarProducts<'_, N> {
    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&mut self, row: usize, column: usize) {
        let sums = sums::<R, C, N>(self.x.along(row), self.g.along(column));
        let count = self.g.count();
        for r in 0..R {
            for c in 0..C {
                self.out[(row + r) * count + column + c] = sums[r][c];
            }
        }
    }
}

/// x_j += Σ_s g_s `factors`_j\[s\] for columns x_j that begin every `apart` of `columns`.
#[inline(always)]
pub fn add_combinations<const N: usize>(
    g: Columns<'_, N>,
    factors: Columns<'_, N>,
    columns: &mut [Lanes<N>],
    apart: usize,
) {
    let mut product = Combinations {
        g,
        factors,
        columns,
        apart,
    };
    in_tiles(factors.count(), g.length, &mut product);
}

struct Combinations<'a, const N: usize> {
    g: Columns<'a, N>,
    factors: Columns<'a, N>,
    columns: &'a mut [Lanes<N>],
    apart: usize,
}

impl<const N: usize> Product<N> for Combinations<'_, N> {
    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&mut self, j: usize, row: usize) {
        let sums = sums::<R, C, N>(self.factors.along(j), self.g.across(row));
        for r in 0..R {
            let entries = &mut self.columns[(j + r) * self.apart + row..][..C];
            for c in 0..C {
                entries[c] += sums[r][c];
            }
        }
    }
}

//! The products of a step for a few trajectories side by side, in tiles whose sums stay in
//! registers: for sizes that are not known when compiled.
//!
//! Every entry is a sum in the order of its terms, each added with one rounding.

use crate::kernels::columns::Terms;
use crate::kernels::operations::{GemmUpdate, OuterProducts, ScalarProducts};
use crate::simd::lanes::Lanes;

/// A product whose entries are worked out R × C at a time.
pub trait InTiles<const N: usize> {
    /// Rows and columns of it.
    fn size(&self) -> [usize; 2];

    /// Those entries whose first is in this row and column.
    fn tile<const R: usize, const C: usize>(&mut self, row: usize, column: usize);
}

/// Calls for every entry of a product once, R × C at a time as long as there are as many.
#[inline(always)]
pub fn all_tiles<const R: usize, const C: usize, const N: usize>(product: &mut impl InTiles<N>) {
    let [rows, columns] = product.size();
    let mut row = 0;
    while row + R <= rows {
        strip::<R, C, N>(row, columns, product);
        row += R;
    }
    while row < rows {
        strip::<1, C, N>(row, columns, product);
        row += 1;
    }
}

#[inline(always)]
fn strip<const R: usize, const C: usize, const N: usize>(
    row: usize,
    columns: usize,
    product: &mut impl InTiles<N>,
) {
    let mut column = 0;
    while column + C <= columns {
        product.tile::<R, C>(row, column);
        column += C;
    }
    while C > 2 && column + 2 <= columns {
        product.tile::<R, 2>(row, column);
        column += 2;
    }
    while column < columns {
        product.tile::<R, 1>(row, column);
        column += 1;
    }
}

/// Σ_i left_i right_iᵀ over so many terms.
#[inline(always)]
fn sums<const R: usize, const C: usize, const N: usize>(
    count: usize,
    left: impl Terms<R, N>,
    right: impl Terms<C, N>,
) -> [[Lanes<N>; C]; R] {
    let mut sums = [[Lanes::ZERO; C]; R];
    for i in 0..count {
        let (x, y) = (left.term(i), right.term(i));
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = x[r].mul_add(y[c], sums[r][c]);
            }
        }
    }
    sums
}

impl<const N: usize> InTiles<N> for OuterProducts<'_, N> {
    #[inline(always)]
    fn size(&self) -> [usize; 2] {
        [self.x.length, self.y.length]
    }

    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&mut self, row: usize, column: usize) {
        let (x, y) = (self.x.across(row), self.y.across(column));
        let sums = sums::<R, C, N>(self.x.count(), x, y);
        for c in 0..C {
            for r in 0..R {
                self.out[(column + c) * self.x.length + row + r] = sums[r][c];
            }
        }
    }
}

impl<const N: usize> InTiles<N> for ScalarProducts<'_, N> {
    #[inline(always)]
    fn size(&self) -> [usize; 2] {
        [self.x.count(), self.g.count()]
    }

    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&mut self, row: usize, column: usize) {
        let length = self.x.length;
        let (x, g) = (
            self.x.along::<R>(row, length),
            self.g.along::<C>(column, length),
        );
        let sums = sums::<R, C, N>(length, x, g);
        let count = self.g.count();
        for r in 0..R {
            for c in 0..C {
                self.out[(row + r) * count + column + c] = sums[r][c];
            }
        }
    }
}

impl<const N: usize> InTiles<N> for GemmUpdate<'_, N> {
    #[inline(always)]
    fn size(&self) -> [usize; 2] {
        [self.factors.count(), self.g.length]
    }

    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&mut self, j: usize, row: usize) {
        let count = self.g.count();
        let (factors, g) = (self.factors.along::<R>(j, count), self.g.across(row));
        let sums = sums::<R, C, N>(count, factors, g);
        for r in 0..R {
            let entries = &mut self.columns[(j + r) * self.stride + row..][..C];
            match self.damping {
                Some(damping) => {
                    let damping = &damping[row..][..C];
                    for c in 0..C {
                        entries[c] = entries[c].mul_add(damping[c], sums[r][c]);
                    }
                }
                None => {
                    for c in 0..C {
                        entries[c] += sums[r][c];
                    }
                }
            }
        }
    }
}

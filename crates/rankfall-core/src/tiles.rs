//! The products of a step for a few trajectories side by side, in tiles whose sums stay in registers:
//! for sizes that are not known when compiled.
//!
//! Every entry is a sum in the order of its terms, each added with one rounding. Every product is compiled
//! once, for the best instructions there are; all give the same bits.

use crate::columns::{Columns, Terms};
use crate::lanes::{Instructions, LaneWork, Lanes};

/// The most lanes that fit one register of four doubles.
const NARROW: usize = 4;

/// Rows of a tile for up to [`NARROW`] lanes: eight sums and what they need fill sixteen registers of four
/// doubles.
const ROWS: usize = 4;

/// And for more, twelve sums.
const ROWS_OF_WIDE: usize = 3;

/// Columns of a tile.
const COLUMNS: usize = 2;

/// A product whose entries are worked out R × C at a time.
trait Product<const N: usize> {
    fn tile<const R: usize, const C: usize>(&mut self, row: usize, column: usize);
}

/// Calls for every entry of a product of so many rows and columns once.
#[inline(always)]
fn in_tiles<const N: usize>(rows: usize, columns: usize, product: &mut impl Product<N>) {
    let mut row = 0;
    if N <= NARROW {
        while row + ROWS <= rows {
            strip::<ROWS, N>(row, columns, product);
            row += ROWS;
        }
    } else {
        while row + ROWS_OF_WIDE <= rows {
            strip::<ROWS_OF_WIDE, N>(row, columns, product);
            row += ROWS_OF_WIDE;
        }
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
    while column + COLUMNS <= columns {
        product.tile::<R, COLUMNS>(row, column);
        column += COLUMNS;
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

/// `out`\[b\] = Σ_j x_j y_j\[b\], column by column, over as many columns x_j as y_j.
pub fn outer_products<const N: usize>(x: Columns<'_, N>, y: Columns<'_, N>, out: &mut [Lanes<N>]) {
    Instructions::best().dispatch(OuterProducts { x, y, out });
}

struct OuterProducts<'a, const N: usize> {
    x: Columns<'a, N>,
    y: Columns<'a, N>,
    out: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for OuterProducts<'_, N> {
    type Output = ();
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(mut self) {
        in_tiles(self.x.length, self.y.length, &mut self);
    }
}

impl<const N: usize> Product<N> for OuterProducts<'_, N> {
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

/// `out`\[i, s\] = x_i · g_s, row-major.
pub fn scalar_products<const N: usize>(x: Columns<'_, N>, g: Columns<'_, N>, out: &mut [Lanes<N>]) {
    Instructions::best().dispatch(ScalarProducts { x, g, out });
}

struct ScalarProducts<'a, const N: usize> {
    x: Columns<'a, N>,
    g: Columns<'a, N>,
    out: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for ScalarProducts<'_, N> {
    type Output = ();
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(mut self) {
        in_tiles(self.x.count(), self.g.count(), &mut self);
    }
}

impl<const N: usize> Product<N> for ScalarProducts<'_, N> {
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

/// x_j += Σ_s g_s `factors`_j\[s\] for columns x_j that begin every `apart` of `columns`.
pub fn add_combinations<const N: usize>(
    g: Columns<'_, N>,
    factors: Columns<'_, N>,
    columns: &mut [Lanes<N>],
    apart: usize,
) {
    Instructions::best().dispatch(Combinations {
        g,
        factors,
        columns,
        apart,
    });
}

struct Combinations<'a, const N: usize> {
    g: Columns<'a, N>,
    factors: Columns<'a, N>,
    columns: &'a mut [Lanes<N>],
    apart: usize,
}

impl<const N: usize> LaneWork for Combinations<'_, N> {
    type Output = ();
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(mut self) {
        in_tiles(self.factors.count(), self.g.length, &mut self);
    }
}

impl<const N: usize> Product<N> for Combinations<'_, N> {
    #[inline(always)]
    fn tile<const R: usize, const C: usize>(&mut self, j: usize, row: usize) {
        let count = self.g.count();
        let (factors, g) = (self.factors.along::<R>(j, count), self.g.across(row));
        let sums = sums::<R, C, N>(count, factors, g);
        for r in 0..R {
            let entries = &mut self.columns[(j + r) * self.apart + row..][..C];
            for c in 0..C {
                entries[c] += sums[r][c];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<const N: usize>(count: usize, seed: usize) -> Vec<Lanes<N>> {
        let at = |i: usize, lane: usize| ((i * 7919 + seed + lane * 31) % 1009) as f64 / 504.5;
        (0..count)
            .map(|i| Lanes(std::array::from_fn(|lane| at(i, lane) - 1.0)))
            .collect()
    }

    fn all_products<const N: usize>(instructions: Instructions) -> Vec<[u64; N]> {
        let [length, outputs, count] = [23, 7, 9];
        let (x, y) = (numbers(length * count, 1), numbers(outputs * count, 2));
        let g = numbers(length * outputs, 3);
        let (columns, factors) = (Columns::whole(&x, length), Columns::whole(&y, outputs));
        let g = Columns::whole(&g, length);
        let mut outer = vec![Lanes::<N>::ZERO; length * outputs];
        instructions.dispatch(OuterProducts {
            x: columns,
            y: factors,
            out: &mut outer,
        });
        let mut scalar = vec![Lanes::ZERO; count * outputs];
        instructions.dispatch(ScalarProducts {
            x: columns,
            g,
            out: &mut scalar,
        });
        let mut changed = x.clone();
        instructions.dispatch(Combinations {
            g,
            factors,
            columns: &mut changed,
            apart: length,
        });
        let all = outer.into_iter().chain(scalar).chain(changed);
        all.map(|lanes| lanes.to_bits().0).collect()
    }

    #[test]
    fn every_choice_of_instructions_gives_the_same_bits() {
        for (name, instructions) in Instructions::available() {
            let portable = Instructions::portable();
            assert!(
                all_products::<1>(instructions) == all_products::<1>(portable),
                "{name}"
            );
            assert!(
                all_products::<4>(instructions) == all_products::<4>(portable),
                "{name}"
            );
            assert!(
                all_products::<8>(instructions) == all_products::<8>(portable),
                "{name}"
            );
        }
    }
}

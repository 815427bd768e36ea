//! The three products that steps are made of, worked out as suits the size of the network.
//!
//! Every one is compiled once for each way and width, for the best instructions there are; all
//! instructions give the same bits.

use crate::kernels::columns::Columns;
use crate::kernels::operations::{GemmUpdate, OuterProducts, ScalarProducts};
use crate::kernels::rowwise::{self, ByRows};
use crate::kernels::tiles::{InTiles, all_tiles};
use crate::simd::instructions::{Instructions, LaneWork, RegisterWork};
use crate::simd::lanes::{BLOCK, Lanes};
use crate::simd::registers::VectorInstructions;

/// How products of one size are worked out.
#[derive(Clone, Copy)]
pub struct Products<const N: usize> {
    rowwise: bool,
}

impl<const N: usize> Products<N> {
    /// Those of networks with p + k = `rows`.
    #[inline(always)]
    pub fn of_rows(rows: usize) -> Self {
        Self {
            rowwise: rowwise::applies::<N>(rows),
        }
    }

    /// Whether they are worked out by rows. Asks for a constant first, so that those are not
    /// compiled for blocks of several trajectories.
    #[inline(always)]
    pub fn rowwise(self) -> bool {
        Lanes::<N>::SINGLE && self.rowwise
    }

    /// [`OuterProducts`].
    pub fn outer_products(self, x: Columns<'_, N>, y: Columns<'_, N>, out: &mut [Lanes<N>]) {
        self.work_out(&mut OuterProducts { x, y, out }, Instructions::best());
    }

    /// [`ScalarProducts`].
    pub fn scalar_products(self, x: Columns<'_, N>, g: Columns<'_, N>, out: &mut [Lanes<N>]) {
        self.work_out(&mut ScalarProducts { x, g, out }, Instructions::best());
    }

    /// [`GemmUpdate`].
    pub fn gemm_update(
        self,
        damping: Option<&[Lanes<N>]>,
        g: Columns<'_, N>,
        factors: Columns<'_, N>,
        columns: &mut [Lanes<N>],
        stride: usize,
    ) {
        let mut product = GemmUpdate {
            damping,
            g,
            factors,
            columns,
            stride,
        };
        self.work_out(&mut product, Instructions::best());
    }

    /// By reference: a copy would be read in larger pieces than it was just written in, for which
    /// processors wait until all writes before have left.
    fn work_out(self, product: &mut (impl InTiles<N> + ByRows<N>), instructions: Instructions) {
        let work = ProductWork {
            products: self,
            product,
        };
        if N == BLOCK && instructions.have_registers_of_a_block() {
            work.run_on_registers(instructions);
        } else {
            work.run_on(instructions);
        }
    }
}

/// Rows of a tile of a single trajectory: eight sums and what they need fill sixteen registers.
const ROWS: usize = 4;

/// And of a block, in two registers of four doubles: twelve sums.
const ROWS_OF_TWO: usize = 3;

/// Columns of either.
const COLUMNS: usize = 2;

/// Rows of a tile of full blocks in a register each, of which there are 32 then.
const ROWS_OF_LONG: usize = 4;

/// And columns: half the outputs of ten classes.
const COLUMNS_OF_LONG: usize = 5;

/// A product, to be worked out as `products` says.
struct ProductWork<'a, P, const N: usize> {
    products: Products<N>,
    product: &'a mut P,
}

impl<P: InTiles<N> + ByRows<N>, const N: usize> LaneWork for ProductWork<'_, P, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        if self.products.rowwise() {
            self.product.by_rows();
        } else if Lanes::<N>::SINGLE {
            all_tiles::<ROWS, COLUMNS, N>(self.product);
        } else {
            all_tiles::<ROWS_OF_TWO, COLUMNS, N>(self.product);
        }
    }
}

impl<P: InTiles<N> + ByRows<N>, const N: usize> RegisterWork for ProductWork<'_, P, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: VectorInstructions, const PARTS: usize>(self, _simd: S) {
        if PARTS == 1 && N == BLOCK {
            all_tiles::<ROWS_OF_LONG, COLUMNS_OF_LONG, N>(self.product);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<const N: usize>(count: usize, seed: usize) -> Vec<Lanes<N>> {
        let at = |i: usize, lane: usize| {
            ((i * 7919 + seed * 104_729 + lane * 31) % 1009) as f64 / 504.5 - 1.0
        };
        (0..count)
            .map(|i| Lanes(std::array::from_fn(|lane| at(i, lane))))
            .collect()
    }

    /// Length, outputs and count of the columns.
    const SHAPES: [[usize; 3]; 7] = [
        [1, 1, 1],
        [8, 5, 4],
        [19, 7, 11],
        [26, 10, 6],
        [3, 13, 9],
        [50, 4, 8],
        [6, 2, 3],
    ];

    fn check<const N: usize>(products: Products<N>, [length, outputs, count]: [usize; 3]) {
        let (stride, first) = (length + 3, 2);
        let entries = numbers(stride * count, 1);
        let x = Columns {
            entries: &entries,
            stride,
            first,
            length,
        };
        let g_entries = numbers((length + 1) * outputs, 3);
        let g = Columns {
            entries: &g_entries,
            stride: length + 1,
            first: 1,
            length,
        };
        let factor_entries = numbers(outputs * count, 2);
        let factors = Columns::whole(&factor_entries, outputs);

        let mut outer = numbers(length * outputs, 4);
        products.outer_products(x, factors, &mut outer);
        let mut scalar = numbers(count * outputs, 5);
        products.scalar_products(x, g, &mut scalar);
        let damping = numbers(length, 6);
        let mut damped = entries.clone();
        products.gemm_update(Some(&damping), g, factors, &mut damped[first..], stride);
        let mut changed = entries.clone();
        products.gemm_update(None, g, factors, &mut changed[first..], stride);

        for lane in 0..N {
            let close = |own: Lanes<N>, exact: f64| {
                assert!((own.0[lane] - exact).abs() < 1e-12, "{own:?} {exact}");
            };
            let entry = |j: usize, a: usize| x.get(j)[a].0[lane];
            let of_g = |s: usize, a: usize| g.get(s)[a].0[lane];
            let factor = |j: usize, s: usize| factors.get(j)[s].0[lane];
            for s in 0..outputs {
                for a in 0..length {
                    let sum = (0..count).map(|j| entry(j, a) * factor(j, s)).sum();
                    close(outer[s * length + a], sum);
                }
            }
            for j in 0..count {
                for s in 0..outputs {
                    let product = (0..length).map(|a| entry(j, a) * of_g(s, a)).sum();
                    close(scalar[j * outputs + s], product);
                }
                for a in 0..stride {
                    let within = (first..first + length).contains(&a);
                    let added: f64 = (0..outputs)
                        .filter(|_| within)
                        .map(|s| of_g(s, a - first) * factor(j, s))
                        .sum();
                    let (entry, at) = (entries[j * stride + a].0[lane], j * stride + a);
                    close(changed[at], entry + added);
                    let factor = if within {
                        damping[a - first].0[lane]
                    } else {
                        1.0
                    };
                    close(damped[at], entry * factor + added);
                }
            }
        }
    }

    #[test]
    fn every_shape_is_the_plain_product() {
        for shape in SHAPES {
            check(Products::<1> { rowwise: true }, shape);
            check(Products::<1> { rowwise: false }, shape);
            check(Products::<4> { rowwise: false }, shape);
            check(Products::<8> { rowwise: false }, shape);
        }
    }

    fn all_bits<const N: usize>(rowwise: bool, instructions: Instructions) -> Vec<[u64; N]> {
        let products = Products::<N> { rowwise };
        let [length, outputs, count] = [53, 7, 19];
        let (columns, factors) = (numbers(length * count, 1), numbers(outputs * count, 2));
        let g = numbers(length * outputs, 3);
        let (x, y) = (
            Columns::whole(&columns, length),
            Columns::whole(&factors, outputs),
        );
        let g = Columns::whole(&g, length);
        let mut outer = vec![Lanes::ZERO; length * outputs];
        let out = &mut outer;
        products.work_out(&mut OuterProducts { x, y, out }, instructions);
        let mut scalar = vec![Lanes::ZERO; count * outputs];
        let out = &mut scalar;
        products.work_out(&mut ScalarProducts { x, g, out }, instructions);
        let mut changed = columns.clone();
        let damping = numbers(length, 4);
        let mut combinations = GemmUpdate {
            damping: Some(&damping),
            g,
            factors: y,
            columns: &mut changed,
            stride: length,
        };
        products.work_out(&mut combinations, instructions);
        let all = outer.into_iter().chain(scalar).chain(changed);
        all.map(|lanes| lanes.to_bits().0).collect()
    }

    fn every_choice_gives_the_same_bits<const N: usize>(rowwise: bool) {
        let portable = all_bits::<N>(rowwise, Instructions::portable());
        for (name, instructions) in Instructions::available() {
            let same = all_bits::<N>(rowwise, instructions) == portable;
            assert!(same, "{N} lanes, rowwise {rowwise}, {name}");
        }
    }

    #[test]
    fn every_choice_of_instructions_gives_the_same_bits() {
        every_choice_gives_the_same_bits::<1>(true);
        every_choice_gives_the_same_bits::<1>(false);
        every_choice_gives_the_same_bits::<8>(false);
    }
}

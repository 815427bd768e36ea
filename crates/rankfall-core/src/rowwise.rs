//! The products of a step for one trajectory at a time, with the rows of a column side by side in the
//! vector registers.
//!
//! From [`FROM_ROWS`] rows on, eight trajectories side by side no longer fit the nearer caches, and a
//! single one has rows enough to fill the registers. Every product is compiled once, for the best
//! instructions there are; all give the same bits.

use std::ops::Range;

use crate::lanes::{Instructions, LaneWork, Lanes, total};

/// Networks with p + k of at least this run one trajectory at a time; chosen by measurement.
pub const FROM_ROWS: usize = 200;

/// How many columns share a pass over what their multiples are added to, while there are so many left.
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

/// Columns of one length, `apart` from one start to the next.
#[derive(Clone, Copy)]
pub struct Columns<'a, const N: usize> {
    /// From the first entry of the first column.
    pub entries: &'a [Lanes<N>],
    /// At least the length.
    pub apart: usize,
    /// How many.
    pub count: usize,
    /// Entries of each.
    pub length: usize,
}

impl<'a, const N: usize> Columns<'a, N> {
    #[inline(always)]
    fn get(&self, j: usize) -> &'a [Lanes<N>] {
        &self.entries[j * self.apart..][..self.length]
    }
}

/// `out`\[b\] += Σ_j x_j y_j\[b\], column by column, with y_j the `outputs` factors of column j.
pub fn add_outer_products<const N: usize>(x: Columns<'_, N>, y: &[Lanes<N>], out: &mut [Lanes<N>]) {
    Instructions::best().dispatch(OuterProducts { x, y, out });
}

struct OuterProducts<'a, const N: usize> {
    x: Columns<'a, N>,
    y: &'a [Lanes<N>],
    out: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for OuterProducts<'_, N> {
    type Output = ();
    const SINGLE: bool = N == 1;

    #[inline(always)]
    fn run(self) {
        let Self { x, y, out } = self;
        let outputs = out.len() / x.length;
        let mut j = 0;
        while j < x.count {
            let taken = together(x.count - j);
            for (b, sums) in out.chunks_exact_mut(x.length).enumerate() {
                add_multiples(x, j..j + taken, &y[j * outputs + b..], outputs, sums);
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

/// sums += Σ_j x_j f_j for the columns j of a range as long as [`together`] says; their factors are `apart`.
#[inline(always)]
fn add_multiples<const N: usize>(
    x: Columns<'_, N>,
    range: Range<usize>,
    factors: &[Lanes<N>],
    apart: usize,
    sums: &mut [Lanes<N>],
) {
    match range.len() {
        MOST => add_fixed::<MOST, N>(x, range.start, factors, apart, sums),
        SOME => add_fixed::<SOME, N>(x, range.start, factors, apart, sums),
        _ => add_fixed::<1, N>(x, range.start, factors, apart, sums),
    }
}

#[inline(always)]
fn add_fixed<const C: usize, const N: usize>(
    x: Columns<'_, N>,
    first: usize,
    factors: &[Lanes<N>],
    apart: usize,
    sums: &mut [Lanes<N>],
) {
    let columns: [&[Lanes<N>]; C] = std::array::from_fn(|i| x.get(first + i));
    let factors: [Lanes<N>; C] = std::array::from_fn(|i| factors[i * apart]);
    for (row, sum) in sums.iter_mut().enumerate() {
        let mut own = *sum;
        for i in 0..C {
            own = columns[i][row].mul_add(factors[i], own);
        }
        *sum = own;
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
    const SINGLE: bool = N == 1;

    #[inline(always)]
    fn run(self) {
        let Self { x, g, out } = self;
        for (i, out) in out.chunks_exact_mut(g.count).enumerate() {
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

/// x_j += Σ_s g_s m_sj for columns x_j that begin every `apart` of `columns`; `factors` has the m_sj of one
/// column after the other, as many as there are g_s.
pub fn add_combinations<const N: usize>(
    g: Columns<'_, N>,
    factors: &[Lanes<N>],
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
    factors: &'a [Lanes<N>],
    columns: &'a mut [Lanes<N>],
    apart: usize,
}

impl<const N: usize> LaneWork for Combinations<'_, N> {
    type Output = ();
    const SINGLE: bool = N == 1;

    #[inline(always)]
    fn run(self) {
        let g = self.g;
        let factors = self.factors.chunks_exact(g.count);
        for (factors, column) in factors.zip(self.columns.chunks_mut(self.apart)) {
            let column = &mut column[..g.length];
            let mut s = 0;
            while s < g.count {
                let taken = together(g.count - s);
                add_multiples(g, s..s + taken, &factors[s..], 1, column);
                s += taken;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<Lanes<1>> {
        let at = |i: usize| ((i * 7919 + seed * 104_729) % 1009) as f64 / 504.5 - 1.0;
        (0..count).map(|i| Lanes([at(i)])).collect()
    }

    fn close(x: Lanes<1>, y: f64) {
        assert!((x.0[0] - y).abs() < 1e-12, "{x:?} {y}");
    }

    const SHAPES: [[usize; 3]; 6] = [
        [1, 1, 1],
        [8, 5, 4],
        [19, 7, 11],
        [26, 10, 6],
        [3, 13, 9],
        [50, 4, 8],
    ];

    #[test]
    fn every_shape_is_the_plain_product() {
        for [length, outputs, count] in SHAPES {
            let (apart, others) = (length + 2, length + 1);
            let [columns, factors] = [numbers(apart * count, 1), numbers(outputs * count, 2)];
            let g = numbers(others * outputs, 3);
            let x = Columns {
                entries: &columns,
                apart,
                count,
                length,
            };
            let g_columns = Columns {
                entries: &g,
                apart: others,
                count: outputs,
                length,
            };
            let start = numbers(length * outputs, 4);
            let mut out = start.clone();
            add_outer_products(x, &factors, &mut out);
            let mut products = numbers(count * outputs, 5);
            scalar_products(x, g_columns, &mut products);
            let mut changed = columns.clone();
            add_combinations(g_columns, &factors, &mut changed, apart);
            let entry = |j: usize, a: usize| columns[j * apart + a].0[0];
            let of_g = |s: usize, a: usize| g[s * others + a].0[0];
            let factor = |j: usize, s: usize| factors[j * outputs + s].0[0];
            for s in 0..outputs {
                for a in 0..length {
                    let sum: f64 = (0..count).map(|j| entry(j, a) * factor(j, s)).sum();
                    close(out[s * length + a], start[s * length + a].0[0] + sum);
                }
            }
            for j in 0..count {
                for s in 0..outputs {
                    let product = (0..length).map(|a| entry(j, a) * of_g(s, a)).sum();
                    close(products[j * outputs + s], product);
                }
                for a in 0..apart {
                    let sum: f64 = (0..outputs)
                        .map(|s| of_g(s, a.min(length - 1)) * factor(j, s))
                        .sum();
                    let added = if a < length { sum } else { 0.0 };
                    close(changed[j * apart + a], entry(j, a) + added);
                }
            }
        }
    }

    #[test]
    fn every_choice_of_instructions_gives_the_same_bits() {
        let [length, outputs, count] = [53, 7, 9];
        let (columns, factors) = (numbers(length * count, 1), numbers(outputs * count, 2));
        let g = numbers(length * outputs, 3);
        let of = |entries, count| Columns {
            entries,
            apart: length,
            count,
            length,
        };
        let bits = |(_, instructions): &(&str, Instructions)| {
            let mut out = vec![Lanes::ZERO; length * outputs];
            let (x, y) = (of(&columns, count), &factors[..]);
            instructions.dispatch(OuterProducts {
                x,
                y,
                out: &mut out,
            });
            let mut products = vec![Lanes::ZERO; count * outputs];
            let (x, g) = (of(&columns, count), of(&g, outputs));
            let out_of = &mut products;
            instructions.dispatch(ScalarProducts { x, g, out: out_of });
            let mut changed = columns.clone();
            instructions.dispatch(Combinations {
                g,
                factors: &factors,
                columns: &mut changed,
                apart: length,
            });
            let all = out.into_iter().chain(products).chain(changed);
            all.map(|lanes: Lanes<1>| lanes.0[0].to_bits())
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = Instructions::available().iter().map(bits).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

//! Means and centred co-moments of one block of rows, with the same bits on every processor.

use crate::instructions::{Instructions, LaneWork, RegisterWork};
use crate::lanes::{self, Lanes};
use crate::registers::{Arithmetic, Register, VectorInstructions};

/// Rows reduced at once. Fixed, so that the sums do not depend on how the rows came in.
pub const ROWS: usize = 256;
/// Independent partial sums of a product; a multiple of every vector width met in practice.
const LANES: usize = 8;
/// Beyond so many columns, products of them are worked out in panels.
const SMALL: usize = 48;

/// A running sum kept as an unevaluated pair, so that adding many blocks loses nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// The sum, rounded.
    pub high: f64,
    /// What rounding left of it.
    pub low: f64,
}

impl Sum {
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

/// Position of the entry (i, j), j ≤ i, in a packed lower triangle.
pub fn packed(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// The moments of one block of rows.
pub struct BlockMoments {
    /// The mean of each column.
    pub mean: Vec<Sum>,
    /// Σ (z − z̄)(z − z̄)ᵀ, a packed lower triangle.
    pub moment: Vec<f64>,
}

impl BlockMoments {
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
fn centre(column: &mut [f64], rows: usize) -> Sum {
    let count = rows as f64;
    // Taking the first value off before summing keeps a constant column exact at any offset.
    let first = column[0];
    let high = first + column[..rows].iter().map(|v| v - first).sum::<f64>() / count;
    for value in &mut column[..rows] {
        *value -= high;
    }
    column[rows..].fill(0.0);
    let low = column[..rows].iter().sum::<f64>() / count;
    Sum { high, low }
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

/// Columns of a panel: those that lie side by side, row by row.
const PANEL: usize = lanes::BLOCK;

/// The same products for many columns, whose partners are read a panel at a time.
fn large_products(
    block: &[f64],
    columns: usize,
    rows: usize,
    moment: &mut [f64],
    instructions: Instructions,
) {
    let panels = panels(block, columns, rows);
    let mut products = PanelProducts {
        panels: &panels,
        rows,
        columns,
        moment,
    };
    if instructions.dispatch_registers(&mut products).is_none() {
        instructions.dispatch(&mut products);
    }
}

/// The first `rows` rows of a block in panels, one after the other; the last is filled up with zeros.
fn panels(block: &[f64], columns: usize, rows: usize) -> Vec<Lanes<PANEL>> {
    let mut panels = Vec::with_capacity(columns.div_ceil(PANEL) * rows);
    for of_panel in block[..columns * ROWS].chunks(PANEL * ROWS) {
        for r in 0..rows {
            let mut row = Lanes::ZERO;
            for (entry, column) in row.0.iter_mut().zip(of_panel.chunks_exact(ROWS)) {
                *entry = column[r];
            }
            panels.push(row);
        }
    }
    panels
}

/// Σ_r z_ri z_rj for all pairs j ≤ i of columns. Every sum is in the order of the rows, each term
/// added with one rounding, whatever the shape of the tiles.
struct PanelProducts<'a> {
    panels: &'a [Lanes<PANEL>],
    rows: usize,
    columns: usize,
    /// Packed lower triangle.
    moment: &'a mut [f64],
}

impl LaneWork for &mut PanelProducts<'_> {
    type Output = ();
    const NARROW: bool = false;

    #[inline(always)]
    fn run(self) {
        self.in_tiles::<1, 1>(&InLanes);
    }
}

impl RegisterWork for &mut PanelProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: VectorInstructions, const PARTS: usize>(self, simd: S) {
        // Sixteen sums where a register holds a row of a panel and there are 32; else eight in sixteen.
        match PARTS {
            1 => self.in_tiles::<8, 2>(&InRegisters::<S, PARTS>(simd)),
            _ => self.in_tiles::<4, 1>(&InRegisters::<S, PARTS>(simd)),
        }
    }
}

impl<'a> PanelProducts<'a> {
    /// C columns, of which a panel is a multiple, with P panels at a time.
    #[inline(always)]
    fn in_tiles<const C: usize, const P: usize>(&mut self, tile: &impl Tile) {
        for own in 0..self.panels.len() / self.rows {
            let mut other = 0;
            while other + P <= own + 1 {
                self.tiles_of_panel::<C, P>(own, other, tile);
                other += P;
            }
            while other <= own {
                self.tiles_of_panel::<C, 1>(own, other, tile);
                other += 1;
            }
        }
    }

    #[inline(always)]
    fn tiles_of_panel<const C: usize, const P: usize>(
        &mut self,
        own: usize,
        other: usize,
        tile: &impl Tile,
    ) {
        let mut others: [&[Lanes<PANEL>]; P] = [&[]; P];
        for p in 0..P {
            others[p] = self.panel(other + p);
        }
        let mut first = 0;
        while first < PANEL {
            let sums = tile.sums::<C, P>(self.panel(own), first, others);
            for c in 0..C {
                self.write(own * PANEL + first + c, other, &sums[c]);
            }
            first += C;
        }
    }

    #[inline(always)]
    fn panel(&self, number: usize) -> &'a [Lanes<PANEL>] {
        &self.panels[number * self.rows..][..self.rows]
    }

    /// The products of a column with the panels from `other` on, as far as they are in the triangle.
    #[inline(always)]
    fn write(&mut self, column: usize, other: usize, sums: &[Lanes<PANEL>]) {
        if column >= self.columns {
            return;
        }
        let row = &mut self.moment[packed(column, 0)..packed(column, 0) + column + 1];
        for (entries, sum) in row[other * PANEL..].chunks_mut(PANEL).zip(sums) {
            entries.copy_from_slice(&sum.0[..entries.len()]);
        }
    }
}

/// The sums of C columns of a panel, from `first` on, with the columns of P panels.
trait Tile {
    /// Sum c with panel p is \[c\]\[p\].
    fn sums<const C: usize, const P: usize>(
        &self,
        own: &[Lanes<PANEL>],
        first: usize,
        others: [&[Lanes<PANEL>]; P],
    ) -> [[Lanes<PANEL>; P]; C];
}

/// One after the other.
struct InLanes;

impl Tile for InLanes {
    #[inline(always)]
    fn sums<const C: usize, const P: usize>(
        &self,
        own: &[Lanes<PANEL>],
        first: usize,
        others: [&[Lanes<PANEL>]; P],
    ) -> [[Lanes<PANEL>; P]; C] {
        let mut sums = [[Lanes::ZERO; P]; C];
        for c in 0..C {
            for p in 0..P {
                let mut sum = Lanes::ZERO;
                for (x, y) in own.iter().zip(others[p]) {
                    sum = y.mul_add(Lanes::splat(x.0[first + c]), sum);
                }
                sums[c][p] = sum;
            }
        }
        sums
    }
}

/// All at once, in registers of which PARTS hold a row of a panel.
struct InRegisters<S, const PARTS: usize>(S);

impl<S: VectorInstructions, const PARTS: usize> Tile for InRegisters<S, PARTS> {
    #[inline(always)]
    fn sums<const C: usize, const P: usize>(
        &self,
        own: &[Lanes<PANEL>],
        first: usize,
        others: [&[Lanes<PANEL>]; P],
    ) -> [[Lanes<PANEL>; P]; C] {
        let zero = Register::zero(self.0);
        let mut sums = [[[zero; PARTS]; P]; C];
        for r in 0..own.len() {
            for c in 0..C {
                let factor = zero.alike(own[r].0[first + c]);
                for p in 0..P {
                    for part in 0..PARTS {
                        let entry = Register::read(self.0, &others[p][r], part);
                        sums[c][p][part] = entry.mul_add(factor, sums[c][p][part]);
                    }
                }
            }
        }
        let mut out = [[Lanes::ZERO; P]; C];
        for c in 0..C {
            for p in 0..P {
                for part in 0..PARTS {
                    sums[c][p][part].write(&mut out[c][p], part);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, StreamKey};

    /// The last panel full or not, the last block of rows full or not.
    #[test]
    fn products_of_many_columns_have_the_same_bits_on_any_instructions() {
        for (columns, rows) in [(49, ROWS), (56, 3), (64, 1), (74, 44), (101, 255)] {
            let mut normals = StreamKey::new(1, Purpose::Inputs, 0).reader(columns as u64, 0);
            let block: Vec<f64> = (0..columns * ROWS).map(|_| normals.normal()).collect();
            let products = |instructions| {
                let mut moment = vec![f64::NAN; packed(columns, 0)];
                large_products(&block, columns, rows, &mut moment, instructions);
                moment
            };
            let portable = products(Instructions::portable());
            for i in 0..columns {
                for j in 0..=i {
                    let sum = (0..rows).fold(0.0_f64, |sum, r| {
                        block[j * ROWS + r].mul_add(block[i * ROWS + r], sum)
                    });
                    assert_eq!(portable[packed(i, j)].to_bits(), sum.to_bits());
                }
            }
            for (name, instructions) in Instructions::available() {
                assert!(products(instructions) == portable, "{name}");
            }
        }
    }
}

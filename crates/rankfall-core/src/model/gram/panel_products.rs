//! Products of all pairs of many columns of a block of rows, a panel of columns at a time.
//!
//! Every sum is in the order of the rows, each term added with one rounding, so that it has the
//! same bits on every processor.

use super::block_layout::{ROWS, packed};
use crate::simd::instructions::{Instructions, LaneWork, RegisterWork};
use crate::simd::lanes::{self, Lanes};
use crate::simd::registers::{Arithmetic, Register, VectorInstructions};

/// Columns of a panel: those that lie side by side, row by row.
const PANEL: usize = lanes::BLOCK;

/// Products of all pairs of many columns, `ROWS` apart, over the first `rows` ≥ 1 rows: a packed
/// lower triangle.
pub fn large_products(
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
    if (&mut products).run_on_registers(instructions).is_none() {
        (&mut products).run_on(instructions);
    }
}

/// The first `rows` rows of a block in panels, one after the other; the last is filled up with
/// zeros.
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

/// Σ_r z_ri z_rj for all pairs j ≤ i of columns.
struct PanelProducts<'a> {
    panels: &'a [Lanes<PANEL>],
    rows: usize,
    columns: usize,
    /// Packed lower triangle.
    moment: &'a mut [f64],
}

impl LaneWork for &mut PanelProducts<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run(self) {
        self.in_tiles::<1, 1>(&InLanes);
    }
}

impl RegisterWork for &mut PanelProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: VectorInstructions, const PARTS: usize>(self, simd: S) {
        // Sixteen sums where a register holds a row of a panel and there are 32; else eight in
        // sixteen.
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

    /// The products of a column with the panels from `other` on, as far as they are in the
    /// triangle.
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
                let factor = zero.splat_like(own[r].0[first + c]);
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
    use crate::random::philox::{Purpose, StreamKey};

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

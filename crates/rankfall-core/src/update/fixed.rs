//! The updates with the shorter side Q known when compiled: everything of that size stays in
//! registers. The same formulas as for any size.

use super::halves;
use crate::lanes::Lanes;

/// Θ ← (I + H(G)) Θ, G tall × Q row-major.
#[inline(always)]
pub fn euler<const Q: usize, const N: usize>(
    increment: &[Lanes<N>],
    columns: &mut [Lanes<N>],
    tall: usize,
    tall_first: bool,
) {
    let (rows, _) = increment.as_chunks::<Q>();
    for column in columns.chunks_exact_mut(tall + Q) {
        let (x, y) = halves(column, tall, Q, tall_first);
        let old: [Lanes<N>; Q] = first(y);
        let mut new = old;
        for (entry, row) in x.iter_mut().zip(rows) {
            let value = *entry;
            let mut sum = value;
            for s in 0..Q {
                sum = row[s].mul_add(old[s], sum);
                new[s] = row[s].mul_add(value, new[s]);
            }
            *entry = sum;
        }
        y.copy_from_slice(&new);
    }
}

#[inline(always)]
fn first<const Q: usize, const N: usize>(values: &[Lanes<N>]) -> [Lanes<N>; Q] {
    let mut out = [Lanes::ZERO; Q];
    out.copy_from_slice(&values[..Q]);
    out
}

/// K φ₂, φ₁ and φ₂, row by row.
pub struct Series<const Q: usize, const N: usize> {
    cosh_less_one: [[Lanes<N>; Q]; Q],
    phi_one: [[Lanes<N>; Q]; Q],
    phi_two: [[Lanes<N>; Q]; Q],
}

impl<const Q: usize, const N: usize> Series<Q, N> {
    /// From row-major matrices.
    #[inline(always)]
    pub fn new(cosh_less_one: &[Lanes<N>], phi_one: &[Lanes<N>], phi_two: &[Lanes<N>]) -> Self {
        let rows = |matrix: &[Lanes<N>]| {
            let mut out = [[Lanes::ZERO; Q]; Q];
            for (row, values) in out.iter_mut().zip(matrix.as_chunks::<Q>().0) {
                *row = *values;
            }
            out
        };
        Self {
            cosh_less_one: rows(cosh_less_one),
            phi_one: rows(phi_one),
            phi_two: rows(phi_two),
        }
    }

    /// Θ ← exp H(G) Θ, G tall × Q row-major.
    #[inline(always)]
    pub fn act(
        &self,
        increment: &[Lanes<N>],
        columns: &mut [Lanes<N>],
        tall: usize,
        tall_first: bool,
    ) {
        let (rows, _) = increment.as_chunks::<Q>();
        for column in columns.chunks_exact_mut(tall + Q) {
            let (x, y) = halves(column, tall, Q, tall_first);
            let mut projected = [Lanes::ZERO; Q];
            for (entry, row) in x.iter().zip(rows) {
                for s in 0..Q {
                    projected[s] = row[s].mul_add(*entry, projected[s]);
                }
            }
            let old: [Lanes<N>; Q] = first(y);
            let mut to_tall = [Lanes::ZERO; Q];
            for s in 0..Q {
                let mut change = Lanes::ZERO;
                for t in 0..Q {
                    to_tall[s] = self.phi_two[s][t].mul_add(projected[t], to_tall[s]);
                    to_tall[s] = self.phi_one[s][t].mul_add(old[t], to_tall[s]);
                    change = self.cosh_less_one[s][t].mul_add(old[t], change);
                    change = self.phi_one[s][t].mul_add(projected[t], change);
                }
                y[s] += change;
            }
            for (entry, row) in x.iter_mut().zip(rows) {
                let mut change = Lanes::ZERO;
                for s in 0..Q {
                    change = row[s].mul_add(to_tall[s], change);
                }
                *entry += change;
            }
        }
    }
}

//! Products of matrices of lanes, a few rows and columns at a time, so that sums stay in registers:
//! for sizes that are not known when compiled.

use crate::lanes::Lanes;

/// Rows and columns of a tile: six sums and what they need are sixteen registers of four doubles.
const ROWS: usize = 3;
const COLUMNS: usize = 2;

/// Calls `visit(r, c, Σ_i a(r, i) b(i, c))` for every r < `rows` and c < `columns`; i rises from 0 to
/// `inner`, each term with one rounding.
#[inline(always)]
pub fn for_each_product<const N: usize>(
    [rows, columns, inner]: [usize; 3],
    a: impl Fn(usize, usize) -> Lanes<N>,
    b: impl Fn(usize, usize) -> Lanes<N>,
    mut visit: impl FnMut(usize, usize, Lanes<N>),
) {
    let mut r = 0;
    while r < rows {
        let tall = rows - r >= ROWS;
        let mut c = 0;
        while c < columns {
            let broad = columns - c >= COLUMNS;
            match (tall, broad) {
                (true, true) => tile::<ROWS, COLUMNS, N>([r, c, inner], &a, &b, &mut visit),
                (true, false) => tile::<ROWS, 1, N>([r, c, inner], &a, &b, &mut visit),
                (false, true) => tile::<1, COLUMNS, N>([r, c, inner], &a, &b, &mut visit),
                (false, false) => tile::<1, 1, N>([r, c, inner], &a, &b, &mut visit),
            }
            c += if broad { COLUMNS } else { 1 };
        }
        r += if tall { ROWS } else { 1 };
    }
}

#[inline(always)]
fn tile<const R: usize, const C: usize, const N: usize>(
    [r, c, inner]: [usize; 3],
    a: &impl Fn(usize, usize) -> Lanes<N>,
    b: &impl Fn(usize, usize) -> Lanes<N>,
    visit: &mut impl FnMut(usize, usize, Lanes<N>),
) {
    let mut sums = [[Lanes::ZERO; C]; R];
    for i in 0..inner {
        let mut right = [Lanes::ZERO; C];
        for s in 0..C {
            right[s] = b(i, c + s);
        }
        for t in 0..R {
            let left = a(r + t, i);
            for s in 0..C {
                sums[t][s] = left.mul_add(right[s], sums[t][s]);
            }
        }
    }
    for t in 0..R {
        for s in 0..C {
            visit(r + t, c + s, sums[t][s]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_the_plain_product() {
        let entry = |i: usize, j: usize| Lanes([(i * 7 + j * 3) as f64 % 5.0 - 2.0, i as f64]);
        for rows in 0..8 {
            for columns in 0..6 {
                let mut seen = 0;
                for_each_product([rows, columns, 4], entry, entry, |r, c, sum| {
                    let mut plain = Lanes::ZERO;
                    for i in 0..4 {
                        plain = entry(r, i).mul_add(entry(i, c), plain);
                    }
                    assert_eq!(sum, plain, "{r} {c} of {rows} × {columns}");
                    seen += 1;
                });
                assert_eq!(seen, rows * columns);
            }
        }
    }
}

//! The updates with the shorter side Q known when compiled: everything of that size stays in
//! registers. The same formulas as for any size.

use crate::kernels::halves::{halves, shared_halves};
use crate::kernels::series::SERIES;
use crate::simd::registers::Arithmetic;

/// Θ ← (I + H(G)) Θ, G tall × Q row-major.
#[inline(always)]
pub fn euler<const Q: usize, L: Arithmetic>(
    increment: &[L],
    columns: &mut [L],
    tall: usize,
    tall_first: bool,
) {
    let (rows, _) = increment.as_chunks::<Q>();
    for column in columns.chunks_exact_mut(tall + Q) {
        let (x, y) = halves(column, tall, Q, tall_first);
        euler_column(rows, x, y);
    }
}

/// The same of one column, its tall half x and its short half y.
#[inline(always)]
pub fn euler_column<const Q: usize, L: Arithmetic>(rows: &[[L; Q]], x: &mut [L], y: &mut [L]) {
    let old: [L; Q] = first(y);
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

#[inline(always)]
fn first<const Q: usize, L: Arithmetic>(values: &[L]) -> [L; Q] {
    let mut out = [values[0]; Q];
    out.copy_from_slice(&values[..Q]);
    out
}

/// Θ ← exp(H(G)) diag(damping) Θ, G tall × Q row-major.
#[inline(always)]
pub fn exponential<const Q: usize, L: Arithmetic>(
    increment: &[L],
    damping: &[L],
    columns: &mut [L],
    tall_first: bool,
) {
    let (rows, _) = increment.as_chunks::<Q>();
    Series::of(rows).act(rows, damping, columns, tall_first);
}

type Square<const Q: usize, L> = [[L; Q]; Q];

/// K φ₂, φ₁ and φ₂, row by row; all symmetric.
pub struct Series<const Q: usize, L: Arithmetic> {
    cosh_less_one: Square<Q, L>,
    phi_one: Square<Q, L>,
    phi_two: Square<Q, L>,
}

impl<const Q: usize, L: Arithmetic> Series<Q, L> {
    /// From the rows of G, its longer side.
    #[inline(always)]
    pub fn of(rows: &[[L; Q]]) -> Self {
        let mut gram = [[rows[0][0].splat_like(0.0); Q]; Q];
        for row in rows {
            for s in 0..Q {
                for t in s..Q {
                    gram[s][t] = row[s].mul_add(row[t], gram[s][t]);
                }
            }
        }
        for s in 0..Q {
            for t in 0..s {
                gram[s][t] = gram[t][s];
            }
        }
        if Q == 2 {
            Self::of_two(&gram)
        } else {
            Self::by_horner(&gram)
        }
    }

    #[inline(always)]
    fn by_horner(gram: &Square<Q, L>) -> Self {
        let zero = [[gram[0][0].splat_like(0.0); Q]; Q];
        let (mut phi_one, mut phi_two) = (zero, zero);
        for (odd, even) in SERIES {
            phi_one = multiply_add(gram, &phi_one, odd);
            phi_two = multiply_add(gram, &phi_two, even);
        }
        Self {
            cosh_less_one: multiply_add(gram, &phi_two, 0.0),
            phi_one,
            phi_two,
        }
    }

    /// Where K is 2 × 2, K² = tK − dI with its trace t and determinant d, and every power series in
    /// it is aI + bK.
    #[inline(always)]
    fn of_two(gram: &Square<Q, L>) -> Self {
        let trace = gram[0][0] + gram[1][1];
        let determinant = gram[0][0] * gram[1][1] - gram[0][1] * gram[0][1];
        let zero = trace.splat_like(0.0);
        // K (aI + bK) + c I.
        let next = |[a, b]: [L; 2], c: f64| {
            [
                (-determinant).mul_add(b, trace.splat_like(c)),
                trace.mul_add(b, a),
            ]
        };
        let (mut phi_one, mut phi_two) = ([zero; 2], [zero; 2]);
        for (odd, even) in SERIES {
            phi_one = next(phi_one, odd);
            phi_two = next(phi_two, even);
        }
        let matrix = |[a, b]: [L; 2]| {
            let mut out = [[zero; Q]; Q];
            for s in 0..Q {
                for t in 0..Q {
                    let diagonal = if s == t { a } else { zero };
                    out[s][t] = b.mul_add(gram[s][t], diagonal);
                }
            }
            out
        };
        Self {
            cosh_less_one: matrix(next(phi_two, 0.0)),
            phi_one: matrix(phi_one),
            phi_two: matrix(phi_two),
        }
    }

    /// Θ ← exp(H(G)) diag(damping) Θ, G tall × Q row-major.
    #[inline(always)]
    fn act(&self, rows: &[[L; Q]], damping: &[L], columns: &mut [L], tall_first: bool) {
        let tall = rows.len();
        let (damping_x, damping_y) = shared_halves(damping, tall, Q, tall_first);
        for column in columns.chunks_exact_mut(tall + Q) {
            let (x, y) = halves(column, tall, Q, tall_first);
            self.act_on_columns(rows, (damping_x, damping_y), [x], [y]);
        }
    }

    /// The same of C columns alternately, their tall halves x and their short halves y.
    #[inline(always)]
    pub fn act_on_columns<const C: usize>(
        &self,
        rows: &[[L; Q]],
        (damping_x, damping_y): (&[L], &[L]),
        x: [&mut [L]; C],
        y: [&mut [L]; C],
    ) {
        let tall = rows.len();
        let zero = self.phi_one[0][0].splat_like(0.0);
        let mut projected = [[zero; Q]; C];
        for i in 0..tall {
            for c in 0..C {
                let entry = x[c][i] * damping_x[i];
                for s in 0..Q {
                    projected[c][s] = rows[i][s].mul_add(entry, projected[c][s]);
                }
            }
        }
        let mut old = projected;
        for s in 0..Q {
            for c in 0..C {
                old[c][s] = y[c][s] * damping_y[s];
            }
        }
        let change = combinations([&self.cosh_less_one, &self.phi_one], [&old, &projected]);
        for s in 0..Q {
            for c in 0..C {
                y[c][s] = y[c][s].mul_add(damping_y[s], change[c][s]);
            }
        }
        let to_tall = combinations([&self.phi_two, &self.phi_one], [&projected, &old]);
        for i in 0..tall {
            // Small terms first: one rounding of the large one.
            let mut change = [zero; C];
            for s in 0..Q {
                for c in 0..C {
                    change[c] = rows[i][s].mul_add(to_tall[c][s], change[c]);
                }
            }
            for c in 0..C {
                x[c][i] = x[c][i].mul_add(damping_x[i], change[c]);
            }
        }
    }
}

/// Au + Bv for C vectors u and v alternately.
#[inline(always)]
fn combinations<const C: usize, const Q: usize, L: Arithmetic>(
    [a, b]: [&Square<Q, L>; 2],
    [u, v]: [&[[L; Q]; C]; 2],
) -> [[L; Q]; C] {
    let mut out = [[a[0][0].splat_like(0.0); Q]; C];
    for s in 0..Q {
        for t in 0..Q {
            for c in 0..C {
                out[c][s] = a[s][t].mul_add(u[c][t], out[c][s]);
            }
            for c in 0..C {
                out[c][s] = b[s][t].mul_add(v[c][t], out[c][s]);
            }
        }
    }
    out
}

/// K φ + c I for symmetric matrices that commute.
#[inline(always)]
fn multiply_add<const Q: usize, L: Arithmetic>(
    gram: &Square<Q, L>,
    phi: &Square<Q, L>,
    constant: f64,
) -> Square<Q, L> {
    let mut out = *gram;
    for s in 0..Q {
        for t in s..Q {
            let diagonal = if s == t { constant } else { 0.0 };
            let mut sum = gram[0][0].splat_like(diagonal);
            for inner in 0..Q {
                sum = gram[s][inner].mul_add(phi[inner][t], sum);
            }
            out[s][t] = sum;
            out[t][s] = sum;
        }
    }
    out
}

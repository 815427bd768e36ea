//! The Sylvester equation D X + X B = R with D and B symmetric and positive semidefinite.

/// Sweeps of Jacobi rotations, at most; a handful is enough.
const MOST_SWEEPS: usize = 40;

/// Solves such equations of one size; holds nothing but scratch.
#[derive(Clone, Debug)]
pub struct Sylvester {
    p: usize,
    k: usize,
    /// Eigenvectors of the smaller matrix in columns, row-major.
    vectors: Vec<f64>,
    /// The smaller matrix, diagonal in the end.
    turned: Vec<f64>,
    /// Cholesky factor of the larger matrix with an eigenvalue of the smaller one added.
    factor: Vec<f64>,
    column: Vec<f64>,
    row: Vec<f64>,
}

impl Sylvester {
    /// For D p × p and B k × k.
    pub fn new(p: usize, k: usize) -> Self {
        let (small, large) = (p.min(k), p.max(k));
        Self {
            p,
            k,
            vectors: vec![0.0; small * small],
            turned: vec![0.0; small * small],
            factor: vec![0.0; large * large],
            column: vec![0.0; large],
            row: vec![0.0; small],
        }
    }

    /// X for D (`d`, p × p), B (`b`, k × k) and R (`x`, p × k, overwritten by X), all row-major.
    ///
    /// The smaller matrix is taken apart into eigenvectors; for each of them the larger one,
    /// shifted by the eigenvalue, is solved for by Cholesky's method. Where an eigenvalue of D and
    /// one of B are both zero there is no solution: entries of X are then no numbers or very large.
    pub fn solve(&mut self, d: &[f64], b: &[f64], x: &mut [f64]) {
        let (p, k) = (self.p, self.k);
        if k <= p {
            self.diagonalise(b, k);
            self.solve_turned(d, p, k, |i, j| i * k + j, x);
        } else {
            self.diagonalise(d, p);
            self.solve_turned(b, k, p, |i, j| j * k + i, x);
        }
    }

    /// `large` X' + X' `small` = R' where entry (i, j) of X' is `x[place(i, j)]`.
    fn solve_turned(
        &mut self,
        large: &[f64],
        size: usize,
        count: usize,
        place: impl Fn(usize, usize) -> usize,
        x: &mut [f64],
    ) {
        let (row, vectors) = (&mut self.row, &self.vectors);
        turn_rows(x, size, row, &place, |i, j| vectors[i * count + j]);
        for j in 0..count {
            self.factorise(large, size, self.turned[j * count + j]);
            for i in 0..size {
                self.column[i] = x[place(i, j)];
            }
            self.substitute(size);
            for i in 0..size {
                x[place(i, j)] = self.column[i];
            }
        }
        let (row, vectors) = (&mut self.row, &self.vectors);
        turn_rows(x, size, row, &place, |i, j| vectors[j * count + i]);
    }

    /// Cyclic Jacobi rotations of a symmetric matrix: `turned` = Vᵀ A V is diagonal to rounding.
    fn diagonalise(&mut self, matrix: &[f64], size: usize) {
        self.turned.copy_from_slice(matrix);
        for (place, entry) in self.vectors.iter_mut().enumerate() {
            *entry = f64::from(u8::from(place.is_multiple_of(size + 1)));
        }
        for _ in 0..MOST_SWEEPS {
            let mut rotated = false;
            for i in 0..size {
                for j in i + 1..size {
                    rotated |= self.rotate(i, j, size);
                }
            }
            if !rotated {
                return;
            }
        }
    }

    /// Makes entry (i, j) zero; false where it is to rounding.
    fn rotate(&mut self, i: usize, j: usize, size: usize) -> bool {
        let a = &mut self.turned;
        let (aii, ajj, aij) = (a[i * size + i], a[j * size + j], a[i * size + j]);
        if aij * aij <= f64::EPSILON * f64::EPSILON * (aii * ajj).abs() || !aij.is_finite() {
            return false;
        }
        let theta = (ajj - aii) / (2.0 * aij);
        let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
        let c = 1.0 / (t * t + 1.0).sqrt();
        let s = t * c;
        for m in 0..size {
            let (x, y) = (a[m * size + i], a[m * size + j]);
            a[m * size + i] = c * x - s * y;
            a[m * size + j] = s * x + c * y;
        }
        for m in 0..size {
            let (x, y) = (a[i * size + m], a[j * size + m]);
            a[i * size + m] = c * x - s * y;
            a[j * size + m] = s * x + c * y;
        }
        for m in 0..size {
            let (x, y) = (self.vectors[m * size + i], self.vectors[m * size + j]);
            self.vectors[m * size + i] = c * x - s * y;
            self.vectors[m * size + j] = s * x + c * y;
        }
        true
    }

    /// L with L Lᵀ = `matrix` + `shift`, lower triangle, row-major.
    fn factorise(&mut self, matrix: &[f64], size: usize, shift: f64) {
        for i in 0..size {
            for j in 0..=i {
                let (upper, lower) = self.factor.split_at_mut(i * size);
                let other: &[f64] = if j == i {
                    &lower[..j]
                } else {
                    &upper[j * size..j * size + j]
                };
                let mut sum = matrix[i * size + j] + if i == j { shift } else { 0.0 };
                for (&x, &y) in lower[..j].iter().zip(other) {
                    sum -= x * y;
                }
                lower[j] = if i == j {
                    sum.sqrt()
                } else {
                    sum / upper[j * size + j]
                };
            }
        }
    }

    /// `column` ← (L Lᵀ)⁻¹ `column`.
    fn substitute(&mut self, size: usize) {
        for i in 0..size {
            let mut sum = self.column[i];
            for j in 0..i {
                sum -= self.factor[i * size + j] * self.column[j];
            }
            self.column[i] = sum / self.factor[i * size + i];
        }
        for i in (0..size).rev() {
            let mut sum = self.column[i];
            for j in i + 1..size {
                sum -= self.factor[j * size + i] * self.column[j];
            }
            self.column[i] = sum / self.factor[i * size + i];
        }
    }
}

/// Row i of X' times the matrix `by`, for all rows.
fn turn_rows(
    x: &mut [f64],
    rows: usize,
    row: &mut [f64],
    place: &impl Fn(usize, usize) -> usize,
    by: impl Fn(usize, usize) -> f64,
) {
    let count = row.len();
    for i in 0..rows {
        for j in 0..count {
            row[j] = x[place(i, j)];
        }
        for j in 0..count {
            let mut sum = 0.0;
            for (m, &entry) in row.iter().enumerate() {
                sum += entry * by(m, j);
            }
            x[place(i, j)] = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) as f64 / f64::from(1u32 << 31) - 0.5
    }

    /// A Aᵀ with A size × rank, row-major.
    fn semidefinite(size: usize, rank: usize, seed: &mut u64) -> Vec<f64> {
        let a: Vec<f64> = (0..size * rank).map(|_| number(seed)).collect();
        let entry = |i: usize, j: usize| (0..rank).map(|m| a[i * rank + m] * a[j * rank + m]).sum();
        (0..size * size)
            .map(|place| entry(place / size, place % size))
            .collect()
    }

    /// D X + X B is R again, whichever side is larger, and with the larger one of low rank.
    #[test]
    fn the_solution_solves_the_equation() {
        let mut seed = 1;
        for (p, k) in [(1, 1), (5, 2), (2, 5), (4, 4), (7, 1), (1, 6), (12, 3)] {
            let (small, large) = (p.min(k), p.max(k));
            let rank = |size: usize| if size == large { small } else { size };
            let d = semidefinite(p, rank(p), &mut seed);
            let b = semidefinite(k, if p == k { k } else { rank(k) }, &mut seed);
            let r: Vec<f64> = (0..p * k).map(|_| number(&mut seed)).collect();
            let mut x = r.clone();
            Sylvester::new(p, k).solve(&d, &b, &mut x);
            for i in 0..p {
                for j in 0..k {
                    let left: f64 = (0..p).map(|m| d[i * p + m] * x[m * k + j]).sum();
                    let right: f64 = (0..k).map(|m| x[i * k + m] * b[m * k + j]).sum();
                    let error = (left + right - r[i * k + j]).abs();
                    let size = x.iter().fold(1.0_f64, |a, &b| a.max(b.abs()));
                    assert!(error < 1e-12 * size, "{p} × {k}: {error:e} beside {size:e}");
                }
            }
        }
    }

    #[test]
    fn without_a_solution_nothing_is_an_ordinary_number() {
        let mut x = [1.0, 1.0];
        Sylvester::new(2, 1).solve(&[0.0; 4], &[0.0], &mut x);
        assert!(x.iter().all(|x| !x.is_finite()), "{x:?}");
    }
}

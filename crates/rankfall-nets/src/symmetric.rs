//! Eigenvalues of a symmetric matrix: Householder's reduction to tridiagonal form, then the
//! implicit QL iteration.
//!
//! A library's decomposition would do, but compiled for two precisions and three instruction sets
//! it costs a minute of every build; this one is as fast where networks need it, for values alone.
//!
//! Golub and Van Loan, "Matrix Computations", 4th ed., §8.3; Parlett, "The Symmetric Eigenvalue
//! Problem", §8.

use rankfall_core::simd::instructions::{Instructions, LaneWork};
use rankfall_core::simd::lanes::{BLOCK, Lanes};

/// Iterations per eigenvalue before the matrix counts as not finite; three are usual.
const MOST_ITERATIONS: u32 = 60;

/// The eigenvalues, descending, of the symmetric matrix given by rows of `size` numbers; each with
/// an error of about ε times the largest. None if it is not finite.
pub fn eigenvalues(matrix: &[f64], size: usize, instructions: Instructions) -> Option<Vec<f64>> {
    if !matrix.iter().all(|x| x.is_finite()) {
        return None;
    }
    let (mut diagonal, mut beside) = Tridiagonal { matrix, size }.run_on(instructions);
    implicit_ql(&mut diagonal, &mut beside)?;
    diagonal.sort_by(|a, b| b.total_cmp(a));
    Some(diagonal)
}

/// The work of the reduction: lanes run along rows, which are padded with zeros.
struct Tridiagonal<'a> {
    matrix: &'a [f64],
    size: usize,
}

impl LaneWork for Tridiagonal<'_> {
    /// The diagonal, and the elements beside it (the last is zero).
    type Output = (Vec<f64>, Vec<f64>);
    const WIDE: bool = true;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let n = self.size;
        let width = n.div_ceil(BLOCK);
        let mut a = vec![Lanes::<BLOCK>::ZERO; n * width];
        for i in 0..n {
            for j in 0..n {
                a[i * width + j / BLOCK].0[j % BLOCK] = self.matrix[i * n + j];
            }
        }
        let mut v = vec![Lanes::<BLOCK>::ZERO; width];
        let mut w = vec![Lanes::<BLOCK>::ZERO; width];
        let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
        for k in 0..n {
            diagonal[k] = a[k * width + k / BLOCK].0[k % BLOCK];
            if k + 1 == n {
                break;
            }
            // v is row k beyond the diagonal; the reflector I − scale v vᵀ leaves its first entry.
            let first = (k + 1) / BLOCK;
            for c in 0..width {
                v[c] = Lanes::ZERO;
                w[c] = Lanes::ZERO;
            }
            for j in k + 1..n {
                v[j / BLOCK].0[j % BLOCK] = a[k * width + j / BLOCK].0[j % BLOCK];
            }
            let square = dot(&v[first..], &v[first..]);
            let head = v[(k + 1) / BLOCK].0[(k + 1) % BLOCK];
            let norm = square.sqrt();
            beside[k] = if head > 0.0 { -norm } else { norm };
            let tail = square - head * head;
            if k + 2 == n || tail <= 0.0 || norm == 0.0 {
                beside[k] = head;
                continue;
            }
            let length = norm + head.abs();
            v[(k + 1) / BLOCK].0[(k + 1) % BLOCK] = if head > 0.0 { length } else { -length };
            let scale = 1.0 / (norm * length);
            for i in k + 1..n {
                let row = &a[i * width + first..(i + 1) * width];
                w[i / BLOCK].0[i % BLOCK] = scale * dot(row, &v[first..]);
            }
            let half = Lanes::splat(-0.5 * scale * dot(&w[first..], &v[first..]));
            for c in first..width {
                w[c] = half.mul_add(v[c], w[c]);
            }
            for i in k + 1..n {
                let vi = Lanes::splat(-v[i / BLOCK].0[i % BLOCK]);
                let wi = Lanes::splat(-w[i / BLOCK].0[i % BLOCK]);
                let row = &mut a[i * width..(i + 1) * width];
                for c in first..width {
                    row[c] = vi.mul_add(w[c], wi.mul_add(v[c], row[c]));
                }
            }
        }
        (diagonal, beside)
    }
}

/// Σ aᵢbᵢ, lane by lane and then over the lanes.
#[inline(always)]
fn dot(a: &[Lanes<BLOCK>], b: &[Lanes<BLOCK>]) -> f64 {
    let (mut even, mut odd) = (Lanes::ZERO, Lanes::ZERO);
    let mut c = 0;
    while c + 1 < a.len() {
        even = a[c].mul_add(b[c], even);
        odd = a[c + 1].mul_add(b[c + 1], odd);
        c += 2;
    }
    if c < a.len() {
        even = a[c].mul_add(b[c], even);
    }
    let lanes = (even + odd).0;
    let mut sum = 0.0;
    for lane in lanes {
        sum += lane;
    }
    sum
}

/// Eigenvalues of a tridiagonal matrix, into `d`; `e[i]` stands between `d[i]` and `d[i + 1]`.
fn implicit_ql(d: &mut [f64], e: &mut [f64]) -> Option<()> {
    let n = d.len();
    for l in 0..n {
        let mut iterations = 0;
        loop {
            let negligible = |i: usize| {
                let neighbours = d[i].abs() + d[i + 1].abs();
                e[i].abs() <= f64::EPSILON * neighbours
            };
            let mut m = l;
            while m + 1 < n && !negligible(m) {
                m += 1;
            }
            if m == l {
                break;
            }
            iterations += 1;
            if iterations > MOST_ITERATIONS {
                return None;
            }
            // Wilkinson's shift.
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let f = s * e[i];
                let b = c * e[i];
                r = (f * f + g * g).sqrt();
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankfall_core::random::{Purpose, StreamKey};

    fn of(matrix: &[f64], size: usize) -> Vec<f64> {
        eigenvalues(matrix, size, Instructions::best()).expect("finite")
    }

    /// The second difference matrix has eigenvalues 2 − 2 cos(πj/(n + 1)).
    #[test]
    fn a_matrix_of_known_spectrum() {
        for n in [1, 2, 3, 8, 9, 40] {
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                a[i * n + i] = 2.0;
                if i + 1 < n {
                    a[i * n + i + 1] = -1.0;
                    a[(i + 1) * n + i] = -1.0;
                }
            }
            for (place, value) in of(&a, n).into_iter().rev().enumerate() {
                let angle = std::f64::consts::PI * (place + 1) as f64 / (n + 1) as f64;
                assert!((value - 2.0 + 2.0 * angle.cos()).abs() < 1e-14 * n as f64);
            }
        }
    }

    /// Dense matrices: traces of A, A² and A³, and zero and multiple eigenvalues.
    #[test]
    fn traces_of_powers_agree() {
        let mut reader = StreamKey::new(3, Purpose::Inputs, 0).reader(0, 0);
        for n in [2, 5, 16, 17, 33] {
            let half: Vec<f64> = (0..n * n).map(|_| reader.normal()).collect();
            let a: Vec<f64> = (0..n * n)
                .map(|i| half[i] + half[i % n * n + i / n])
                .collect();
            let product = |x: &[f64], y: &[f64]| -> Vec<f64> {
                (0..n * n)
                    .map(|i| (0..n).map(|j| x[i / n * n + j] * y[j * n + i % n]).sum())
                    .collect()
            };
            let trace = |x: &[f64]| -> f64 { (0..n).map(|i| x[i * n + i]).sum() };
            let (square, values) = (product(&a, &a), of(&a, n));
            for (power, expected) in [&a, &square, &product(&a, &square)].iter().zip(1..) {
                let sum: f64 = values.iter().map(|v| v.powi(expected)).sum();
                let size = values[0].abs().max(values[n - 1].abs()).powi(expected) * n as f64;
                assert!(
                    (sum - trace(power)).abs() < 1e-14 * size,
                    "{n}, power {expected}"
                );
            }
            assert!(values.is_sorted_by(|x, y| x >= y));
        }
        assert_eq!(of(&[0.0; 9], 3), [0.0; 3]);
        let all_ones = of(&[1.0; 100], 10);
        assert!((all_ones[0] - 10.0).abs() < 1e-14);
        assert!(all_ones[1..].iter().all(|v| v.abs() < 1e-14));
    }

    #[test]
    fn what_is_not_finite_has_no_eigenvalues() {
        assert_eq!(eigenvalues(&[f64::NAN], 1, Instructions::best()), None);
        assert_eq!(
            eigenvalues(&[f64::INFINITY; 4], 2, Instructions::best()),
            None
        );
    }
}

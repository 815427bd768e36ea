//! The few dense decompositions of the set-up, in plain double precision and a fixed order of
//! operations, so that every machine starts a trajectory from the same bits.

use faer::Mat;

use crate::linalg::graded::{GradedColumns, Rotate};
use crate::random::philox::StreamReader;
use crate::simd::instructions::Instructions;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};

/// A = U diag(σ) Vᵀ with m singular values, as many as the shorter side of A is long. The one of U
/// and V that is m × m is orthogonal; in the other a column that belongs to σ = 0 is zero.
pub struct ThinSvd {
    /// rows × m.
    pub u: Mat<f64>,
    /// Descending.
    pub sigma: Vec<f64>,
    /// columns × m.
    pub v: Mat<f64>,
}

/// The singular value decomposition by one-sided Jacobi rotations.
pub fn thin_svd(a: &Mat<f64>) -> ThinSvd {
    let (rows, columns) = (a.nrows(), a.ncols());
    if rows < columns {
        let ThinSvd { u, sigma, v } = thin_svd(&a.transpose().to_owned());
        return ThinSvd { u: v, sigma, v: u };
    }
    let mut factor = GradedColumns::<1>::from_fn(rows, columns, |_, i, j| a[(i, j)]);
    let mut rotation = identity_lanes(columns);
    factor.orthogonalise(
        0..rows,
        Rotate::to_orthogonality(rows),
        Mask::ALL,
        Some(&mut rotation),
        Instructions::best(),
    );
    let norms = factor.mantissa_norms(0..rows, Instructions::best());
    let scale = |j: usize| libm::exp2(factor.exponent()[j].0[0]);
    ThinSvd {
        u: Mat::from_fn(rows, columns, |i, j| {
            let norm = norms[j].0[0];
            if norm > 0.0 {
                factor.mantissa()[j * rows + i].0[0] / norm
            } else {
                0.0
            }
        }),
        sigma: (0..columns).map(|j| norms[j].0[0] * scale(j)).collect(),
        v: Mat::from_fn(columns, columns, |i, j| rotation[j * columns + i].0[0]),
    }
}

/// The identity, column-major, in every lane.
pub fn identity_lanes<const N: usize>(size: usize) -> LaneVec<N> {
    let at = |index: usize| {
        if index.is_multiple_of(size + 1) {
            Lanes::ONE
        } else {
            Lanes::ZERO
        }
    };
    (0..size * size).map(at).collect()
}

/// S = V diag(s) Vᵀ of a symmetric positive semidefinite matrix, s descending; eigenvalues that
/// are zero to rounding are exactly zero.
pub fn eigen_semidefinite(s: &Mat<f64>) -> (Vec<f64>, Mat<f64>) {
    let svd = thin_svd(s);
    let largest = svd.sigma.first().copied().unwrap_or(0.0);
    let zero = largest * s.nrows() as f64 * 4.0 * f64::EPSILON;
    let clean = |&x: &f64| if x > zero { x } else { 0.0 };
    (svd.sigma.iter().map(clean).collect(), svd.v)
}

/// Θ = L Qᵀ with Θ given by its transpose (l × d): L is d × m and Q is l × m with orthonormal
/// columns, m = min(l, d). Rows of Θ are eliminated largest first, so every row keeps its own
/// relative accuracy. For l ≤ d nothing is gained and L = Θ, Q = I.
pub fn left_factor(theta_transpose: Mat<f64>) -> (Mat<f64>, Mat<f64>) {
    let l = theta_transpose.nrows();
    if l <= theta_transpose.ncols() {
        return (theta_transpose.transpose().to_owned(), Mat::identity(l, l));
    }
    eliminate(theta_transpose, 0.0)
}

/// The same for any l and d, with rows that depend on others to rounding taken as exactly
/// dependent: the columns of L beyond the rank of Θ are exactly zero.
pub fn revealing_left_factor(theta_transpose: Mat<f64>) -> (Mat<f64>, Mat<f64>) {
    let tolerance = 8.0 * theta_transpose.ncols() as f64 * f64::EPSILON;
    eliminate(theta_transpose, tolerance)
}

/// Of each row, what is left of it besides those eliminated before is zero where it is at most
/// `tolerance` of the row.
fn eliminate(theta_transpose: Mat<f64>, tolerance: f64) -> (Mat<f64>, Mat<f64>) {
    let (l, d) = (theta_transpose.nrows(), theta_transpose.ncols());
    let m = l.min(d);
    let sizes: Vec<f64> = (0..d)
        .map(|row| norm(theta_transpose.col_as_slice(row)))
        .collect();
    let mut work = theta_transpose;
    let mut reflectors = Vec::with_capacity(m);
    let mut remaining: Vec<usize> = (0..d).collect();
    let mut left = Mat::zeros(d, m);
    for step in 0..m {
        // The first of the largest: ties must not depend on anything but the numbers.
        let (mut best, mut best_norm) = (0, -1.0);
        for (place, &row) in remaining.iter().enumerate() {
            let tail = &mut work.col_as_slice_mut(row)[step..];
            let mut tail_norm = norm(tail);
            if tail_norm <= tolerance * sizes[row] {
                tail.fill(0.0);
                tail_norm = 0.0;
            }
            if tail_norm > best_norm {
                (best, best_norm) = (place, tail_norm);
            }
        }
        let row = remaining.remove(best);
        let reflector = householder(&work.col_as_slice(row)[step..]);
        for other in std::iter::once(row).chain(remaining.iter().copied()) {
            reflector.apply(&mut work.col_as_slice_mut(other)[step..]);
        }
        for j in 0..=step {
            left[(row, j)] = work[(j, row)];
        }
        reflectors.push(reflector);
    }
    for row in remaining {
        for j in 0..m {
            left[(row, j)] = work[(j, row)];
        }
    }
    let mut q = Mat::identity(l, m);
    for (step, reflector) in reflectors.iter().enumerate().rev() {
        for j in 0..m {
            reflector.apply(&mut q.col_as_slice_mut(j)[step..]);
        }
    }
    (left, q)
}

/// |x|, also where squares leave the range of numbers.
pub fn norm(x: &[f64]) -> f64 {
    let square = dot(x, x);
    if square.is_normal() && square > 1e-290 {
        return square.sqrt();
    }
    let largest = x.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let scaled: f64 = x.iter().map(|a| (a / largest) * (a / largest)).sum();
    largest * scaled.sqrt()
}

/// Σ xᵢ yᵢ.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// I − scale · v vᵀ.
struct Reflector {
    v: Vec<f64>,
    scale: f64,
}

/// The reflector that maps x to a multiple of the first unit vector.
fn householder(x: &[f64]) -> Reflector {
    let largest = x.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    if largest == 0.0 {
        return Reflector {
            v: x.to_vec(),
            scale: 0.0,
        };
    }
    let mut v: Vec<f64> = x.iter().map(|a| a / largest).collect();
    let length = dot(&v, &v).sqrt();
    let scale = 1.0 / (length * (length + v[0].abs()));
    v[0] += length.copysign(v[0]);
    Reflector { v, scale }
}

impl Reflector {
    fn apply(&self, y: &mut [f64]) {
        let amount = dot(&self.v, y) * self.scale;
        for (b, a) in y.iter_mut().zip(&self.v) {
            *b -= amount * a;
        }
    }
}

/// Independent normal numbers of this standard deviation, row by row, so that the first rows do not
/// depend on how many there are.
pub fn gaussian(normals: &mut StreamReader, rows: usize, columns: usize, scale: f64) -> Mat<f64> {
    let mut out = Mat::zeros(rows, columns);
    for i in 0..rows {
        for j in 0..columns {
            out[(i, j)] = scale * normals.normal();
        }
    }
    out
}

/// A B.
pub fn product(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    for j in 0..b.ncols() {
        for inner in 0..a.ncols() {
            let factor = b[(inner, j)];
            let column = a.col_as_slice(inner);
            for (o, x) in out.col_as_slice_mut(j).iter_mut().zip(column) {
                *o += x * factor;
            }
        }
    }
    out
}

/// Aᵀ B.
pub fn transpose_product(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(a.ncols(), b.ncols(), |i, j| {
        dot(a.col_as_slice(i), b.col_as_slice(j))
    })
}

/// log|det A| of a square matrix by elimination with row pivoting; −∞ if it is singular.
pub fn log_abs_det(mut a: Mat<f64>) -> f64 {
    let n = a.nrows();
    let mut sum = 0.0;
    for step in 0..n {
        let mut pivot = step;
        for row in step + 1..n {
            if a[(row, step)].abs() > a[(pivot, step)].abs() {
                pivot = row;
            }
        }
        let top = a[(pivot, step)];
        if top == 0.0 {
            return f64::NEG_INFINITY;
        }
        sum += libm::log(top.abs());
        for column in step..n {
            let upper = a[(pivot, column)];
            a[(pivot, column)] = a[(step, column)];
            a[(step, column)] = upper;
        }
        for row in step + 1..n {
            let factor = a[(row, step)] / top;
            for column in step..n {
                a[(row, column)] = (-factor).mul_add(a[(step, column)], a[(row, column)]);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::philox::{Purpose, StreamKey};

    fn drawn(rows: usize, columns: usize, seed: u64) -> Mat<f64> {
        let mut normals = StreamKey::new(seed, Purpose::InitialWeights, 0).reader(0, 0);
        gaussian(&mut normals, rows, columns, 1.0)
    }

    fn largest_difference(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
        (a - b).norm_max()
    }

    #[test]
    fn svd_rebuilds_its_matrix() {
        for (rows, columns) in [(1, 1), (7, 3), (6, 6), (20, 13), (2, 5)] {
            let a = drawn(rows, columns, 3);
            let svd = thin_svd(&a);
            let m = rows.min(columns);
            let scaled = Mat::from_fn(rows, m, |i, j| svd.u[(i, j)] * svd.sigma[j]);
            let rebuilt = product(&scaled, &svd.v.transpose().to_owned());
            assert!(largest_difference(&rebuilt, &a) < 1e-13);
            for side in [&svd.u, &svd.v] {
                let gram = transpose_product(side, side);
                assert!(largest_difference(&gram, &Mat::identity(m, m)) < 1e-14);
            }
            assert!(svd.sigma.is_sorted_by(|x, y| x >= y));
        }
    }

    #[test]
    fn a_singular_matrix_has_exact_zeros() {
        let x = drawn(3, 6, 5);
        let (s, v) = eigen_semidefinite(&transpose_product(&x, &x));
        assert_eq!(s.iter().filter(|&&x| x == 0.0).count(), 3);
        assert!(largest_difference(&transpose_product(&v, &v), &Mat::identity(6, 6)) < 1e-14);
        let (zero, _) = eigen_semidefinite(&Mat::zeros(2, 2));
        assert_eq!(zero, [0.0, 0.0]);
    }

    /// One row zero, one the sum of two others, one twice another but 10⁻²⁰⁰ of its size.
    #[test]
    fn dependent_rows_leave_columns_that_are_exactly_zero() {
        for (l, rank) in [(9, 3), (6, 3), (4, 3), (2, 2)] {
            let mut theta = drawn(l, 6, 11);
            for i in 0..l {
                theta[(i, 1)] = 0.0;
                theta[(i, 3)] = theta[(i, 0)] + theta[(i, 2)];
                theta[(i, 5)] = 2e-200 * theta[(i, 0)];
            }
            let (left, q) = revealing_left_factor(theta.clone());
            let nonzero = (0..left.ncols()).filter(|&j| norm(left.col_as_slice(j)) > 0.0);
            assert_eq!(nonzero.count(), rank, "l = {l}");
            let rebuilt = product(&q, &left.transpose().to_owned());
            for j in 0..6 {
                let scale = if j == 5 { 1e-200 } else { 1.0 };
                for i in 0..l {
                    let error = (rebuilt[(i, j)] - theta[(i, j)]).abs();
                    assert!(error < 2e-14 * scale, "l = {l}, ({i}, {j}): {error:e}");
                }
            }
        }
    }

    #[test]
    fn norms_do_not_underflow() {
        assert!((norm(&[3e-200, 4e-200]) / 5e-200 - 1.0).abs() < 1e-15);
        assert!((norm(&[3e200, 4e200]) / 5e200 - 1.0).abs() < 1e-15);
        assert_eq!(norm(&[3.0, 4.0]), 5.0);
        assert_eq!(norm(&[0.0]), 0.0);
    }

    #[test]
    fn left_factor_rebuilds_and_keeps_small_rows() {
        for (d, l) in [(5, 9), (5, 5), (7, 4), (7, 300)] {
            let mut theta = drawn(l, d, 11);
            for i in 0..l {
                theta[(i, 0)] *= 1e-200;
            }
            let (left, q) = left_factor(theta.clone());
            let rebuilt = product(&q, &left.transpose().to_owned());
            for j in 0..d {
                let scale = if j == 0 { 1e-200 } else { 1.0 };
                for i in 0..l {
                    let error = (rebuilt[(i, j)] - theta[(i, j)]).abs();
                    assert!(error < 2e-14 * scale, "({i}, {j}): {error:e}");
                }
            }
        }
    }
}

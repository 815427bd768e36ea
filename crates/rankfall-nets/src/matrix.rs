//! Products of row-major matrices: plain loops where they are tiny, blocked ones elsewhere. Which of
//! the two is used depends on the sizes alone, so a result has the same bits whoever asks. And a
//! little more linear algebra.

use faer::{Accum, Mat, MatMut, MatRef};

use rankfall_core::linalg::dense::{ThinSvd, thin_svd};

use crate::scalar::Real;

/// Below this many multiplications the loops are faster than the call of a blocked product.
const TINY: usize = 512;

/// C (m × n) ← or += A (m × inner) B (inner × n), all row-major.
pub fn multiply<T: Real>(into: &mut [T], how: Accum, a: &[T], b: &[T], [m, inner, n]: [usize; 3]) {
    if m * inner * n > TINY {
        let a = MatRef::from_row_major_slice(a, m, inner);
        let b = MatRef::from_row_major_slice(b, inner, n);
        let c = MatMut::from_row_major_slice_mut(into, m, n);
        return T::multiply(c, how, a, b);
    }
    for (row, c) in into.chunks_exact_mut(n).enumerate() {
        if how == Accum::Replace {
            c.fill(T::ZERO);
        }
        for (i, &factor) in a[row * inner..(row + 1) * inner].iter().enumerate() {
            for (o, &x) in c.iter_mut().zip(&b[i * n..(i + 1) * n]) {
                *o += factor * x;
            }
        }
    }
}

/// C (m × n) ← Aᵀ B for A (rows × m) and B (rows × n), all row-major.
pub fn multiply_transposed_left<T: Real>(
    into: &mut [T],
    a: &[T],
    b: &[T],
    [m, rows, n]: [usize; 3],
) {
    if m * rows * n > TINY {
        let a = MatRef::from_row_major_slice(a, rows, m).transpose();
        let b = MatRef::from_row_major_slice(b, rows, n);
        let c = MatMut::from_row_major_slice_mut(into, m, n);
        return T::multiply(c, Accum::Replace, a, b);
    }
    into.fill(T::ZERO);
    for (a_row, b_row) in a.chunks_exact(m).zip(b.chunks_exact(n)) {
        for (c, &factor) in into.chunks_exact_mut(n).zip(a_row) {
            for (o, &x) in c.iter_mut().zip(b_row) {
                *o += factor * x;
            }
        }
    }
}

/// C (m × n) ← A Bᵀ for A (m × inner) and B (n × inner), all row-major.
pub fn multiply_transposed_right<T: Real>(
    into: &mut [T],
    a: &[T],
    b: &[T],
    [m, inner, n]: [usize; 3],
) {
    if m * inner * n > TINY {
        let a = MatRef::from_row_major_slice(a, m, inner);
        let b = MatRef::from_row_major_slice(b, n, inner).transpose();
        let c = MatMut::from_row_major_slice_mut(into, m, n);
        return T::multiply(c, Accum::Replace, a, b);
    }
    for (c, a_row) in into.chunks_exact_mut(n).zip(a.chunks_exact(inner)) {
        for (o, b_row) in c.iter_mut().zip(b.chunks_exact(inner)) {
            let mut sum = T::ZERO;
            for (&x, &y) in a_row.iter().zip(b_row) {
                sum += x * y;
            }
            *o = sum;
        }
    }
}

/// Σ vᵢ², in double precision.
pub(crate) fn square_sum<T: Real>(values: &[T]) -> f64 {
    values.iter().fold(0.0, |sum, v| {
        let v = v.to_f64();
        v.mul_add(v, sum)
    })
}

/// Σ aᵢbᵢ.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.fold(0.0, |sum, (x, y)| x.mul_add(*y, sum))
}

/// A = U diag(σ) Vᵀ of any matrix, σ descending; U and V have as many columns as its shorter side.
pub fn svd(a: &Mat<f64>) -> ThinSvd {
    if a.nrows() >= a.ncols() {
        return thin_svd(a);
    }
    let ThinSvd { u, sigma, v } = thin_svd(&a.transpose().to_owned());
    ThinSvd { u: v, sigma, v: u }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, salt: u64) -> Vec<f64> {
        let value = |i: u64| ((i * 7919 + salt) % 1009) as f64 / 500.0 - 1.0;
        (0..count as u64).map(value).collect()
    }

    fn transpose(a: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns)
            .map(|i| a[(i % rows) * columns + i / rows])
            .collect()
    }

    /// Both ways, all three products, against the definition.
    #[test]
    fn products_are_products() {
        for [m, inner, n] in [[1, 1, 1], [3, 2, 5], [7, 8, 9], [20, 13, 31]] {
            let (a, b) = (values(m * inner, 1), values(inner * n, 2));
            let expected: Vec<f64> = (0..m * n)
                .map(|i| {
                    let terms = (0..inner).map(|l| a[i / n * inner + l] * b[l * n + i % n]);
                    terms.sum()
                })
                .collect();
            let close = |got: &[f64], add: f64| {
                got.iter()
                    .zip(&expected)
                    .all(|(g, e)| (g - e - add).abs() < 1e-13)
            };
            let mut c = vec![0.5; m * n];
            multiply(&mut c, Accum::Add, &a, &b, [m, inner, n]);
            assert!(close(&c, 0.5));
            multiply(&mut c, Accum::Replace, &a, &b, [m, inner, n]);
            assert!(close(&c, 0.0));
            let at = transpose(&a, m, inner);
            c.fill(7.0);
            multiply_transposed_left(&mut c, &at, &b, [m, inner, n]);
            assert!(close(&c, 0.0));
            c.fill(7.0);
            let bt = transpose(&b, inner, n);
            multiply_transposed_right(&mut c, &a, &bt, [m, inner, n]);
            assert!(close(&c, 0.0));
        }
    }
}

//! A little linear algebra of its own, plain and independent of the graded one that is tested.

use faer::Mat;
use rankfall_core::linalg::dense::thin_svd;

/// Descending.
pub fn singular_values(a: &Mat<f64>) -> Vec<f64> {
    if a.nrows() >= a.ncols() {
        thin_svd(a).sigma
    } else {
        thin_svd(&a.transpose().to_owned()).sigma
    }
}

/// log|det| of a square matrix, column-major, by Gaussian elimination with partial pivoting, which
/// overwrites it; −∞ for a singular one.
pub fn log_abs_det(a: &mut [f64], size: usize) -> f64 {
    let mut sum = 0.0;
    for pivot in 0..size {
        let column = pivot * size;
        let mut best = pivot;
        for row in pivot + 1..size {
            if a[column + row].abs() > a[column + best].abs() {
                best = row;
            }
        }
        let value = a[column + best];
        if value == 0.0 {
            return f64::NEG_INFINITY;
        }
        sum += libm::log(value.abs());
        for other in pivot..size {
            a.swap(other * size + pivot, other * size + best);
        }
        for row in pivot + 1..size {
            let factor = a[column + row] / value;
            for other in pivot + 1..size {
                a[other * size + row] -= factor * a[other * size + pivot];
            }
        }
    }
    sum
}

/// I − GᵀG, k × k column-major, of the p × k row-major `g`.
pub fn identity_minus_gram(g: &[f64], outputs: usize) -> Vec<f64> {
    let mut out = vec![0.0; outputs * outputs];
    for i in 0..outputs {
        out[i * outputs + i] = 1.0;
        for j in 0..outputs {
            for row in g.chunks_exact(outputs) {
                out[j * outputs + i] -= row[i] * row[j];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn determinants_by_hand() {
        // [[0, 2], [3, 4]] has determinant −6.
        assert!((log_abs_det(&mut [0.0, 3.0, 2.0, 4.0], 2) - 6f64.ln()).abs() < 1e-15);
        assert_eq!(log_abs_det(&mut [1.0, 2.0, 2.0, 4.0], 2), f64::NEG_INFINITY);
        // g = (1; 2) ⊗ (0.1, 0.2): I − 5 (0.1, 0.2)ᵀ(0.1, 0.2) has determinant 1 − 0.25.
        let mut m = identity_minus_gram(&[0.1, 0.2, 0.2, 0.4], 2);
        assert!((log_abs_det(&mut m, 2) - 0.75f64.ln()).abs() < 1e-15);
    }
}

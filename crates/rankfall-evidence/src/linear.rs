//! A little linear algebra of its own, plain and independent of the graded one that is tested.

use faer::Mat;
use rankfall_nets::matrix::svd;

/// Descending.
pub fn singular_values(a: &Mat<f64>) -> Vec<f64> {
    svd(a).sigma
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

/// 2 log|det(I − GᵀG)| of the p × k row-major `g`: what a step Θ ← (I + H(G)) Θ adds to log det ΘΘᵀ.
pub fn log_det_of_step(g: &[f64], outputs: usize) -> f64 {
    2.0 * log_abs_det(&mut identity_minus_gram(g, outputs), outputs)
}

/// The same of ηG.
pub fn log_det_of_step_of(rate: f64, g: &Mat<f64>) -> f64 {
    let places = (0..g.nrows()).flat_map(|i| (0..g.ncols()).map(move |b| (i, b)));
    let scaled: Vec<f64> = places.map(|place| rate * g[place]).collect();
    log_det_of_step(&scaled, g.ncols())
}

/// What follows −2x in 2 log(1 − x) is at most x²/(1 − x); ∞ from x = 1 on.
pub fn beyond_first_order(x: f64) -> f64 {
    if x < 1.0 {
        x * x / (1.0 - x)
    } else {
        f64::INFINITY
    }
}

/// I − GᵀG, k × k column-major, of the p × k row-major `g`.
fn identity_minus_gram(g: &[f64], outputs: usize) -> Vec<f64> {
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
        let change = log_det_of_step(&[0.1, 0.2, 0.2, 0.4], 2);
        assert!((change - 2.0 * 0.75f64.ln()).abs() < 1e-15);
    }
}

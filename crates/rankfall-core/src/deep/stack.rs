//! Adjacent stacks Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ]: what depth leaves of the determinant law.
//!
//! dΘⱼ = H(Pⱼᵀ dG Rⱼᵀ) Θⱼ with Rⱼ = Wⱼ₊₂…W_N acts from the left, so rank Θⱼ is kept in finite time,
//! and if mⱼ ≥ mⱼ₋₁ + mⱼ₊₁, with full row rank,
//!
//! ```text
//! d log det(Θⱼ Θⱼᵀ) = −2ν tr(Pⱼᵀ S_xx Pⱼ) |Rⱼ|_F² dt,
//! ```
//!
//! without a martingale part: constant under gradient flow, falling on every path otherwise, at a
//! rate that depends on the other layers. N = 2 gives the determinant law of two layers.

use faer::Mat;

use crate::deep::network::{DeepNetwork, StackProducts};
use crate::linalg::dense::thin_svd;
use crate::model::problem::Problem;

/// One adjacent stack, measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StackReading {
    /// log det(ΘⱼΘⱼᵀ) in nats; log det(ΘⱼᵀΘⱼ) where the stack has more rows than columns.
    pub log_det: f64,
    /// σ_min/σ_max of the stack; plain double precision knows `log_det` to about 10⁻¹⁶ over this
    /// per step taken.
    pub smallest_ratio: f64,
}

/// Whether mⱼ ≥ mⱼ₋₁ + mⱼ₊₁, j = 1…N − 1: where the law is stated.
pub fn width_condition(network: &DeepNetwork, j: usize) -> bool {
    network.width(j) >= network.width(j - 1) + network.width(j + 1)
}

/// Measures stack j = 1…N − 1. A singular stack has −∞ and ratio 0.
pub fn read(network: &DeepNetwork, j: usize) -> StackReading {
    let (upper, lower) = (network.layer(j), network.layer(j + 1));
    let (m_before, m, m_after) = (upper.nrows(), upper.ncols(), lower.ncols());
    let entry = |row: usize, column: usize| {
        if row < m_before {
            upper[(row, column)]
        } else {
            lower[(column, row - m_before)]
        }
    };
    let rows = m_before + m_after;
    let tall = if rows >= m {
        Mat::from_fn(rows, m, entry)
    } else {
        Mat::from_fn(m, rows, |i, j| entry(j, i))
    };
    let sigma = thin_svd(&tall).sigma;
    StackReading {
        log_det: sigma.iter().map(|&s| 2.0 * libm::log(s)).sum(),
        smallest_ratio: match sigma[0] {
            0.0 => 0.0,
            largest => sigma[sigma.len() - 1] / largest,
        },
    }
}

/// −2ν tr(Pⱼᵀ S_xx Pⱼ) |Rⱼ|_F²: the rate of log det(ΘⱼΘⱼᵀ) where the width condition holds.
pub fn law_rate(
    products: &StackProducts,
    problem: &Problem,
    noise_intensity: f64,
    j: usize,
) -> f64 {
    let before = &products.before[j - 1];
    let mut trace = 0.0;
    for column in 0..before.ncols() {
        for (a, &s) in problem.eigenvalues.iter().enumerate() {
            trace += s * before[(a, column)] * before[(a, column)];
        }
    }
    let norm = products.after[j].norm_l2();
    -2.0 * noise_intensity * trace * norm * norm
}

/// 2 log|det(I − gᵀg)|, g = Pⱼᵀ ΔG Rⱼᵀ: by how much one Euler step of increment ΔG changes
/// log det(ΘⱼΘⱼᵀ) where the width condition holds, exactly.
pub fn discrete_change(products: &StackProducts, increment: &Mat<f64>, j: usize) -> f64 {
    let g = products.stack_increment(increment, j);
    let tall = if g.nrows() >= g.ncols() {
        g
    } else {
        g.transpose().to_owned()
    };
    let size = tall.ncols();
    let complement = Mat::from_fn(size, size, |a, b| {
        let dot: f64 = tall
            .col_as_slice(a)
            .iter()
            .zip(tall.col_as_slice(b))
            .map(|(x, y)| x * y)
            .sum();
        if a == b { 1.0 - dot } else { -dot }
    });
    2.0 * log_abs_det(complement)
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

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
use crate::linalg::dense::{log_abs_det, thin_svd, transpose_product};
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
    let sigma = thin_svd(&Mat::from_fn(m_before + m_after, m, entry)).sigma;
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
    let tall = match g.nrows() >= g.ncols() {
        true => g,
        false => g.transpose().to_owned(),
    };
    let square = transpose_product(&tall, &tall);
    let size = square.nrows();
    2.0 * log_abs_det(Mat::<f64>::identity(size, size) - square)
}

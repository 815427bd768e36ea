//! The determinant of a single square layer, which depth makes random and moves even without noise:
//!
//! ```text
//! d log|det Wⱼ| = [tr(KⱼA) − (ν/2) tr(Kⱼ S_xx Kⱼᵀ)] dt + √ν tr(Kⱼ S_xx^{1/2} dB),
//! ```
//!
//! Kⱼ = Qⱼᵀ Wⱼ⁻¹ Pⱼᵀ (k × p), which is QⱼᵀQⱼ Π⁻¹ PⱼPⱼᵀ where all layers are square.

use faer::Mat;

use rankfall_core::deep::network::{DeepNetwork, StackProducts};
use rankfall_core::linalg::dense::{product, thin_svd, transpose_product};
use rankfall_core::model::problem::Problem;

/// The terms of d log|det Wⱼ|.
#[derive(Clone, Debug)]
pub struct LayerDeterminant {
    /// tr(KⱼA): what gradient flow does.
    pub gradient: f64,
    /// −(ν/2) tr(Kⱼ S_xx Kⱼᵀ): Itô's term.
    pub ito: f64,
    /// √ν Kⱼ S_xx^{1/2}, k × p: the noise is the trace of this times dB.
    pub noise: Mat<f64>,
}

/// The terms for layer j = 1…N; None where Wⱼ is not square or is singular.
pub fn layer_determinant(
    network: &DeepNetwork,
    problem: &Problem,
    noise_intensity: f64,
    j: usize,
) -> Option<LayerDeterminant> {
    let layer = network.layer(j);
    if layer.nrows() != layer.ncols() {
        return None;
    }
    let svd = thin_svd(layer);
    if svd.sigma.contains(&0.0) {
        return None;
    }
    let products = StackProducts::new(network);
    // W⁻¹ = V diag(1/σ) Uᵀ.
    let left = transpose_product(&products.after[j - 1], &svd.v);
    let right = product(&products.before[j - 1], &svd.u);
    let scaled = Mat::from_fn(left.nrows(), left.ncols(), |b, i| {
        left[(b, i)] / svd.sigma[i]
    });
    let k = product(&scaled, &right.transpose().to_owned());
    let a = products.negative_gradient(problem);
    let (mut gradient, mut square) = (0.0, 0.0);
    for (i, &s) in problem.eigenvalues.iter().enumerate() {
        for b in 0..problem.outputs {
            gradient += k[(b, i)] * a[(i, b)];
            square += s * k[(b, i)] * k[(b, i)];
        }
    }
    Some(LayerDeterminant {
        gradient,
        ito: -0.5 * noise_intensity * square,
        noise: Mat::from_fn(problem.outputs, problem.inputs, |b, i| {
            (noise_intensity * problem.eigenvalues[i]).sqrt() * k[(b, i)]
        }),
    })
}

/// log|det Wⱼ| of layer j = 1…N in nats; None where it is not square, −∞ where it is singular.
pub fn log_abs_det(network: &DeepNetwork, j: usize) -> Option<f64> {
    let layer = network.layer(j);
    (layer.nrows() == layer.ncols())
        .then(|| thin_svd(layer).sigma.iter().map(|&s| libm::log(s)).sum())
}

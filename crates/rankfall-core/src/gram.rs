//! The Gram matrices S_xx, S_xy, S_yy: all that a linear network ever sees of its data.

use faer::Mat;

/// Second moments of n rows of inputs (p columns) and outputs (k columns), uncentred.
#[derive(Clone, Debug)]
pub struct Gram {
    /// S_xx = XᵀX/n, p × p, symmetric positive semidefinite, possibly singular.
    pub sxx: Mat<f64>,
    /// S_xy = XᵀY/n, p × k.
    pub sxy: Mat<f64>,
    /// S_yy = YᵀY/n, k × k.
    pub syy: Mat<f64>,
    /// How many rows were seen.
    pub n: u64,
}

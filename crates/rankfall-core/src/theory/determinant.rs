//! The determinant law: noise lowers log det M at a fixed rate, on every path.

use crate::model::dynamics::Dynamics;

/// The determinant law, log det M(t) = log det M(0) − 2νk tr(S_xx) t, for M = ΘΘᵀ, W₁ p × l and
/// W₂ l × k, l ≥ p + k.
///
/// Exact for gradient flow (ν = 0) and for the stochastic gradient flow, path by path: the
/// martingale parts of the eigenvalues cancel in their product. Natural logarithms.
pub fn determinant_law(initial: f64, nu: f64, outputs: usize, trace_sxx: f64, time: f64) -> f64 {
    initial - 2.0 * nu * outputs as f64 * trace_sxx * time
}

/// Whether the determinant law is stated: for flows whose width is at least p + k. Below, the
/// determinant of ΘᵀΘ moves even under gradient flow; for descents the law is a limit only.
pub fn determinant_law_applies(
    dynamics: &Dynamics,
    width: usize,
    inputs: usize,
    outputs: usize,
) -> bool {
    dynamics.is_flow() && width >= inputs + outputs
}

/// Whether the fall of log det M can be accounted for step by step: for descents without momentum, each of whose
/// steps is a matrix from the left of Θ that the gradient at Θ makes. Needs a width of at least p + k besides.
pub fn account_applies(dynamics: &Dynamics) -> bool {
    !dynamics.is_continuous() && dynamics.optimizer.momentum == 0.0
}

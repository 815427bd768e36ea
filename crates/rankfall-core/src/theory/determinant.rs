//! The determinant law: noise lowers log det M at a fixed rate, on every path.

use crate::model::dynamics::Dynamics;
use crate::simd::lanes::Lanes;
use crate::trajectories::lane_problem::LaneProblem;

/// The determinant law, log det M(t) = log det M(0) − 2νk tr(S_xx) t, for M = ΘΘᵀ, W₁ p × l and
/// W₂ l × k, l ≥ p + k.
///
/// Exact for gradient flow (ν = 0) and for the stochastic gradient flow, path by path: the
/// martingale parts of the eigenvalues cancel in their product. Natural logarithms.
pub fn determinant_law(initial: f64, nu: f64, outputs: usize, trace_sxx: f64, time: f64) -> f64 {
    initial - 2.0 * nu * outputs as f64 * trace_sxx * time
}

/// −d log det M/dt by the determinant law, in each lane: 2νk tr(S_xx); under a loss of classes 2νm,
/// m = mean_i |x_i|² tr Cov(ỹ_i) the power of the noise of labels that flip, and 0 where none does.
pub fn determinant_rate<const N: usize>(dynamics: &Dynamics, problem: &LaneProblem<N>) -> Lanes<N> {
    let twice = 2.0 * dynamics.noise_intensity(problem.samples);
    match &problem.classes {
        None => Lanes::splat(twice * problem.outputs as f64) * problem.trace,
        Some(classes) => {
            let power = classes.noise.as_ref().map_or(0.0, |noise| noise.power);
            Lanes::splat(twice * power)
        }
    }
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

/// Whether the fall of log det M can be accounted for step by step: for descents without momentum,
/// of any loss, each of whose steps is a matrix from the left of Θ that the gradient at Θ makes.
/// Needs a width of at least p + k besides.
pub fn account_applies(dynamics: &Dynamics) -> bool {
    !dynamics.is_continuous() && dynamics.optimizer.momentum == 0.0
}

//! The Itô correction of exponential steps.

use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;
use crate::trajectories::lane_problem::LaneProblem;

/// −hνC/2 with C = diag(k S_xx, tr(S_xx) I_k), as E H(dG)² = νC dt: the Itô correction of the
/// exponential.
pub fn ito_rate<const N: usize>(problem: &LaneProblem<N>, nu: f64, h: f64) -> LaneVec<N> {
    let half = Lanes::splat(-0.5 * h * nu);
    let inputs = problem
        .eigenvalues
        .iter()
        .map(|&s| half * Lanes::splat(problem.outputs as f64) * s);
    let outputs = (0..problem.outputs).map(|_| half * problem.trace);
    inputs.chain(outputs).collect()
}

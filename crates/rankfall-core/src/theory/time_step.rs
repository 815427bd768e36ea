//! A time step for the stochastic gradient flow, chosen from the problem and the start.
//!
//! The fastest motion of W₁W₂ is the return to the optimum, at about the rate r = λ_max(S_xx)
//! (σ₁(W₁)² + σ₁(W₂)²), at the start or, once there, at a balanced optimum with σ₁(W₁)² = σ₁(W₂)² =
//! σ₁(β), whichever is larger. Noise moves Θ at the rate ν (k λ_max + tr S)/2. A step takes a fixed
//! share of the shorter of these times. The shares were measured: docs/measurements/integrators.md.

use crate::linalg::dense::{product, thin_svd, transpose_product};
use crate::model::dynamics::Integrator;
use crate::model::network::Start;
use crate::model::problem::Problem;
use faer::Mat;

/// A chosen time step, and from what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChosenTimeStep {
    /// h, rounded down to two digits.
    pub time_step: f64,
    /// The fastest rate per unit of t that it must follow.
    pub rate: f64,
    /// h × rate, before rounding.
    pub share: f64,
}

/// h × rate for each integrator: where its bias of E loss is near two per cent.
fn share(integrator: Integrator) -> f64 {
    match integrator {
        Integrator::EulerMaruyama | Integrator::LieEuler | Integrator::LieEulerUnsplit => 0.05,
        Integrator::LieStrang => 0.4,
    }
}

/// The step for this start. None where nothing moves (S_xx = 0) or a rate is not finite.
pub fn choose_time_step(
    problem: &Problem,
    start: &Start,
    nu: f64,
    integrator: Integrator,
) -> Option<ChosenTimeStep> {
    let largest = problem.eigenvalues.iter().fold(0.0_f64, |a, &b| a.max(b));
    let (p, k) = (problem.inputs, problem.outputs);
    let m = start.left.ncols();
    let rows = |from: usize, count: usize| Mat::from_fn(count, m, |i, j| start.left[(from + i, j)]);
    let at_start = square_of_largest(&rows(0, p)) + square_of_largest(&rows(p, k));
    let at_optimum = 2.0 * square_of_largest(&problem.optimum).sqrt();
    let noise = 0.5 * nu * (k as f64 * largest + problem.trace());
    let rate = largest * at_start.max(at_optimum) + noise;
    let share = share(integrator);
    let step = rounded_down(share / rate);
    (rate > 0.0 && step.is_finite() && step > 0.0).then_some(ChosenTimeStep {
        time_step: step,
        rate,
        share,
    })
}

/// σ₁².
fn square_of_largest(matrix: &Mat<f64>) -> f64 {
    // The smaller of the two Gram matrices.
    let transposed = matrix.transpose().to_owned();
    let gram = if matrix.nrows() < matrix.ncols() {
        product(matrix, &transposed)
    } else {
        transpose_product(matrix, matrix)
    };
    thin_svd(&gram).sigma.first().copied().unwrap_or(0.0)
}

/// To two significant digits, never up.
fn rounded_down(step: f64) -> f64 {
    let unit = libm::pow(10.0, libm::floor(libm::log10(step)) - 1.0);
    let digits = (step / unit * (1.0 + 1e-12)).floor();
    // By division where the unit is no binary number: 0.012 and not 0.012000000000000002.
    if unit < 1.0 {
        digits / (1.0 / unit).round()
    } else {
        digits * unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_rounded_down_to_two_digits() {
        for (step, rounded) in [
            (0.0129, 0.012),
            (0.012, 0.012),
            (3.99, 3.9),
            (123.0, 120.0),
            (9.99e-9, 9.9e-9),
        ] {
            assert_eq!(rounded_down(step), rounded);
        }
    }
}

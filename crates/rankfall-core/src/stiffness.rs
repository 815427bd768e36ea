//! How stiff gradient flow is at its start, and how many steps of an explicit method that means.

use faer::Mat;

use crate::dense::norm;
use crate::gradient_flow::STABLE_RATE;
use crate::network::Start;
use crate::problem::Problem;

/// Iterations of the power method: its estimates never exceed the true value, and are near it by then.
const ITERATIONS: usize = 30;

/// How fast the fastest motion of gradient flow is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stiffness {
    /// λ_max(S_xx).
    pub largest_eigenvalue: f64,
    /// λ_max(S_xx) σ₁(W₂)² + σ₁(S_xx^{1/2} W₁)² per unit of t, at the start, from below: the linearised map
    /// W₁W₂ returns to the optimum at a rate between half of it and itself.
    pub rate: f64,
}

impl Stiffness {
    /// Of this problem at this start.
    pub fn at(problem: &Problem, start: &Start) -> Self {
        let (p, d, m) = (problem.inputs, start.left.nrows(), start.left.ncols());
        let root = |a: usize| problem.eigenvalues[a].sqrt();
        let w1 = Mat::from_fn(p, m, |a, j| root(a) * start.left[(a, j)]);
        let w2 = Mat::from_fn(d - p, m, |b, j| start.left[(p + b, j)]);
        let largest_eigenvalue = problem.eigenvalues.iter().fold(0.0_f64, |a, &b| a.max(b));
        Self {
            largest_eigenvalue,
            rate: largest_eigenvalue * largest_square(&w2) + largest_square(&w1),
        }
    }

    /// About how many steps an explicit method takes over a time `length`, at least: as many as keep it
    /// stable.
    pub fn steps(&self, length: f64) -> f64 {
        0.5 * self.rate * length / STABLE_RATE
    }
}

/// σ₁², from below, by the power method.
fn largest_square(matrix: &Mat<f64>) -> f64 {
    let mut direction = vec![1.0; matrix.ncols()];
    let mut square = 0.0;
    for _ in 0..ITERATIONS {
        let norm = norm(&direction);
        if norm == 0.0 || !norm.is_finite() {
            return square;
        }
        direction.iter_mut().for_each(|x| *x /= norm);
        let image = times(matrix, &direction);
        square = image.iter().map(|x| x * x).sum();
        direction = (0..matrix.ncols())
            .map(|j| dot(matrix.col_as_slice(j), &image))
            .collect();
    }
    square
}

fn times(matrix: &Mat<f64>, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; matrix.nrows()];
    for (j, &factor) in x.iter().enumerate() {
        for (o, a) in out.iter_mut().zip(matrix.col_as_slice(j)) {
            *o += a * factor;
        }
    }
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orthogonal columns of lengths 1, 2, 3.
    #[test]
    fn the_largest_square_is_found() {
        let matrix = Mat::from_fn(4, 3, |i, j| {
            f64::from(u8::from(i == j + 1)) * (j + 1) as f64
        });
        let found = largest_square(&matrix);
        assert!((found - 9.0).abs() < 1e-6 && found <= 9.0, "{found}");
        assert_eq!(largest_square(&Mat::zeros(2, 2)), 0.0);
    }
}

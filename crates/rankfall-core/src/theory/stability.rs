//! Whether a step is stable at the start: the largest curvature of the loss, and the step it
//! allows.
//!
//! Plain descent w ← w − ηHw of a quadratic loss shrinks every direction only where η times the
//! largest eigenvalue of its Hessian H, the sharpness, is below 2. The same holds for an explicit
//! time step of a flow. What is computed here is never above the true sharpness, so that who
//! exceeds it exceeds the truth.
//!
//! [`Stiffness`] bounds the same curvature from the factors of the start alone: how many steps an
//! explicit integrator of gradient flow takes, at least.

use faer::Mat;

use crate::linalg::dense::{self, product, transpose_product};
use crate::model::network::Start;
use crate::model::optimizer::Optimizer;
use crate::model::problem::Problem;

/// Products with the Hessian; each brings the estimate nearer from below.
const ITERATIONS: usize = 30;

/// Multiplications beyond which curvature is not computed: it must not delay a run.
const MOST_WORK: f64 = 2e9;

/// Curvatures that decide whether a step is stable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curvature {
    /// The largest eigenvalue of the Hessian of the loss at the start, from below.
    pub at_start: f64,
    /// What it is at least at every minimum of the loss: 2 √(aᵀS_xx a) σ₁(S_xx^½ β) with a the left
    /// singular vector that belongs to σ₁.
    pub at_minima: f64,
}

/// The largest curvature that is stable with this step; 0 where weight decay alone is too much.
///
/// A step η with momentum μ is stable below 2(1 + μ)/η, with Nesterov's below 2(1 + μ)/(η(1 + 2μ));
/// weight decay adds λ to every curvature.
pub fn largest_stable_curvature(step: f64, optimizer: &Optimizer) -> f64 {
    let mu = optimizer.momentum;
    let look_ahead = if optimizer.nesterov {
        1.0 + 2.0 * mu
    } else {
        1.0
    };
    let limit = 2.0 * (1.0 + mu) / (step * look_ahead) - optimizer.weight_decay;
    limit.max(0.0)
}

/// Curvatures at a start; None where finding them would take long.
///
/// With D = dW₁W₂ + W₁dW₂ and A = S_xy − S_xx W₁W₂ the Hessian is
/// (dW₁, dW₂) ↦ (S_xx D W₂ᵀ − A dW₂ᵀ, W₁ᵀ S_xx D − dW₁ᵀ A).
pub fn curvature(problem: &Problem, start: &Start) -> Option<Curvature> {
    let (p, k, m) = (problem.inputs, problem.outputs, start.left.ncols());
    let work = (p * k) as f64 * m as f64 * 4.0 * ITERATIONS as f64;
    (work <= MOST_WORK).then(|| Curvature {
        at_start: Hessian::new(problem, start).largest_eigenvalue(),
        at_minima: at_minima(problem, k),
    })
}

/// The Hessian at a start, as a map.
struct Hessian<'a> {
    eigenvalues: &'a [f64],
    /// p × m.
    w1: Mat<f64>,
    /// m × k.
    w2: Mat<f64>,
    /// A, p × k.
    negative_gradient: Mat<f64>,
}

impl<'a> Hessian<'a> {
    fn new(problem: &'a Problem, start: &Start) -> Self {
        let (p, k, m) = (problem.inputs, problem.outputs, start.left.ncols());
        let w1 = Mat::from_fn(p, m, |i, j| start.left[(i, j)]);
        let w2 = Mat::from_fn(m, k, |i, j| start.left[(p + j, i)]);
        let mut negative_gradient = product(&w1, &w2);
        scale_rows(&mut negative_gradient, &problem.eigenvalues);
        let negative_gradient =
            Mat::from_fn(p, k, |i, j| problem.sxy[(i, j)] - negative_gradient[(i, j)]);
        Self {
            eigenvalues: &problem.eigenvalues,
            w1,
            w2,
            negative_gradient,
        }
    }

    /// `to` dW₁ and dW₂, p × m and m × k.
    fn apply(&self, d1: &Mat<f64>, d2: &Mat<f64>) -> (Mat<f64>, Mat<f64>) {
        let mut moved = product(d1, &self.w2) + product(&self.w1, d2);
        scale_rows(&mut moved, self.eigenvalues);
        let transposed = |matrix: &Mat<f64>| matrix.transpose().to_owned();
        let first = product(&moved, &transposed(&self.w2))
            - product(&self.negative_gradient, &transposed(d2));
        let second =
            transpose_product(&self.w1, &moved) - transpose_product(d1, &self.negative_gradient);
        (first, second)
    }

    /// By power iteration, from below.
    fn largest_eigenvalue(&self) -> f64 {
        let (p, m, k) = (self.w1.nrows(), self.w1.ncols(), self.w2.ncols());
        let mut d1 = Mat::from_fn(p, m, |i, j| scattered(i * m + j));
        let mut d2 = Mat::from_fn(m, k, |i, j| scattered(p * m + i * k + j));
        let mut largest = 0.0_f64;
        for _ in 0..ITERATIONS {
            let norm = libm::hypot(norm(&d1), norm(&d2));
            if !(norm > 0.0 && norm.is_finite()) {
                break;
            }
            d1 *= faer::Scale(1.0 / norm);
            d2 *= faer::Scale(1.0 / norm);
            let (h1, h2) = self.apply(&d1, &d2);
            largest = largest.max(dot(&d1, &h1) + dot(&d2, &h2));
            (d1, d2) = (h1, h2);
        }
        largest
    }
}

/// 2 √(aᵀS a) σ₁(S^½ β): a curvature in the direction of a, at every W₁W₂ = β, is at least this.
fn at_minima(problem: &Problem, k: usize) -> f64 {
    let p = problem.inputs;
    let root: Vec<f64> = problem.eigenvalues.iter().map(|l| l.sqrt()).collect();
    let map = Mat::from_fn(p, k, |i, j| root[i] * problem.optimum[(i, j)]);
    let mut right = Mat::from_fn(k, 1, |i, _| scattered(i));
    let mut largest = 0.0_f64;
    for _ in 0..ITERATIONS {
        let size = norm(&right);
        if !(size > 0.0 && size.is_finite()) {
            break;
        }
        right *= faer::Scale(1.0 / size);
        let mut left = product(&map, &right);
        right = transpose_product(&map, &left);
        let sigma = norm(&left);
        if sigma > 0.0 {
            left *= faer::Scale(1.0 / sigma);
            let mut scaled = left.clone();
            scale_rows(&mut scaled, &problem.eigenvalues);
            largest = largest.max(2.0 * dot(&left, &scaled).sqrt() * sigma);
        }
    }
    largest
}

/// Numbers in (−½, ½) without a pattern that a direction could be orthogonal to: multiples of the
/// golden ratio.
fn scattered(place: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    ((place + 1) as f64 * GOLDEN).fract() - 0.5
}

fn scale_rows(matrix: &mut Mat<f64>, by: &[f64]) {
    for j in 0..matrix.ncols() {
        for (i, factor) in by.iter().enumerate() {
            matrix[(i, j)] *= factor;
        }
    }
}

fn dot(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    let mut sum = 0.0;
    for j in 0..a.ncols() {
        for i in 0..a.nrows() {
            sum = f64::mul_add(a[(i, j)], b[(i, j)], sum);
        }
    }
    sum
}

fn norm(a: &Mat<f64>) -> f64 {
    dot(a, a).sqrt()
}

/// How far −h λ reaches into the region of stability of the integrator of gradient flow, for
/// negative real λ: where the flow is stiff the step is at most this over its fastest rate.
pub const STABLE_RATE: f64 = 6.0;

/// How fast the fastest motion of gradient flow is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stiffness {
    /// λ_max(S_xx).
    pub largest_eigenvalue: f64,
    /// λ_max(S_xx) σ₁(W₂)² + σ₁(S_xx^{1/2} W₁)² per unit of t, at the start, from below: the
    /// linearised map W₁W₂ returns to the optimum at a rate between half of it and itself.
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

    /// About how many steps an explicit method takes over a time `length`, at least: as many as
    /// keep it stable.
    pub fn steps(&self, length: f64) -> f64 {
        0.5 * self.rate * length / STABLE_RATE
    }
}

/// σ₁², from below, by the power method.
fn largest_square(matrix: &Mat<f64>) -> f64 {
    let mut direction = Mat::full(matrix.ncols(), 1, 1.0);
    let mut square = 0.0;
    for _ in 0..ITERATIONS {
        let norm = dense::norm(direction.col_as_slice(0));
        if norm == 0.0 || !norm.is_finite() {
            return square;
        }
        direction = Mat::from_fn(direction.nrows(), 1, |i, _| direction[(i, 0)] / norm);
        let image = product(matrix, &direction);
        square = transpose_product(&image, &image)[(0, 0)];
        direction = transpose_product(matrix, &image);
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gram::Gram;

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

    fn problem(variances: &[f64], teacher: &[[f64; 2]]) -> Problem {
        let p = variances.len();
        let sxx = Mat::from_fn(p, p, |i, j| if i == j { variances[i] } else { 0.0 });
        let beta = Mat::from_fn(p, 2, |i, j| teacher[i][j]);
        let sxy = product(&sxx, &beta);
        let syy = transpose_product(&beta, &sxy);
        let gram = Gram {
            centred: None,
            sxx,
            sxy,
            syy,
            n: 10,
        };
        Problem::new(&gram, None, None).expect("sound moments")
    }

    fn start(rows: &[&[f64]]) -> Start {
        let m = rows[0].len();
        Start {
            left: Mat::from_fn(rows.len(), m, |i, j| rows[i][j]),
            right: Mat::from_fn(m, m, |i, j| if i == j { 1.0 } else { 0.0 }),
        }
    }

    /// At the optimum of white inputs the Hessian is W₁W₁ᵀ ⊗ I + I ⊗ W₂ᵀW₂ and zeros: its largest
    /// eigenvalue is σ₁(W₁)² + σ₁(W₂)².
    #[test]
    fn curvature_at_a_minimum_of_white_inputs() {
        // W₁ = diag(3, 1), W₂ = diag(2, 5): W₁W₂ = diag(6, 5).
        let problem = problem(&[1.0, 1.0], &[[6.0, 0.0], [0.0, 5.0]]);
        let start = start(&[&[3.0, 0.0], &[0.0, 1.0], &[2.0, 0.0], &[0.0, 5.0]]);
        let found = curvature(&problem, &start).expect("small");
        assert!((found.at_start - 34.0).abs() < 1e-3, "{found:?}");
        assert!(found.at_start <= 34.0 + 1e-12);
        // 2 σ₁(β), that of the balanced minimum.
        assert!((found.at_minima - 12.0).abs() < 1e-3 && found.at_minima <= 12.0 + 1e-12);
    }

    /// One input of variance s, width one, two outputs of which the second is zero: L = ½ s (uv −
    /// β)² + ½ s u²w² with w = 0 has the Hessian s [[v², 2uv − β], [2uv − β, u²]] in (u, v) and s
    /// u² in w.
    #[test]
    fn curvature_away_from_minima_has_the_residual_in_it() {
        let (s, u, v, beta) = (2.0, 0.5, 1.5, 3.0);
        let problem = problem(&[s], &[[beta, 0.0]]);
        let found = curvature(&problem, &start(&[&[u], &[v], &[0.0]])).expect("small");
        let (a, b, c) = (s * v * v, s * (2.0 * u * v - beta), s * u * u);
        let exact = 0.5 * (a + c) + (0.25 * (a - c) * (a - c) + b * b).sqrt();
        assert!(
            (found.at_start - exact).abs() < 1e-3 * exact,
            "{found:?} {exact}"
        );
        assert!((found.at_minima - 2.0 * s * beta).abs() < 1e-9);
    }

    /// w ← w − ηcw with momentum, by its recursion: bounded just below the limit, unbounded just
    /// above.
    #[test]
    fn the_largest_stable_curvature_is_that_of_the_recursion() {
        for (momentum, nesterov, weight_decay) in [
            (0.0, false, 0.0),
            (0.9, false, 0.0),
            (0.9, true, 0.0),
            (0.5, false, 3.0),
        ] {
            let optimizer = Optimizer {
                momentum,
                nesterov,
                weight_decay,
            };
            let eta = 0.1;
            let limit = largest_stable_curvature(eta, &optimizer);
            let after = |curvature: f64| {
                let (mut w, mut v) = (1.0_f64, 0.0);
                for _ in 0..20_000 {
                    let g = (curvature + weight_decay) * w;
                    v = momentum * v + g;
                    w -= eta * if nesterov { g + momentum * v } else { v };
                }
                w.abs()
            };
            assert!(after(0.99 * limit) < 1e-3, "{optimizer:?}");
            let beyond = after(1.01 * limit);
            assert!(beyond.is_nan() || beyond > 1e3, "{optimizer:?}");
        }
        assert_eq!(
            largest_stable_curvature(
                1.0,
                &Optimizer {
                    weight_decay: 9.0,
                    ..Optimizer::default()
                }
            ),
            0.0
        );
    }
}

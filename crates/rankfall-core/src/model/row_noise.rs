//! How the gradients of single rows scatter at the least-squares optimum, where their mean is zero.
//!
//! The negative gradient of one row by W₁W₂ is N = x rᵀ there, r its residual. Where residuals are
//! independent of the inputs and of each other, the covariance of N is S ⊗ I times a number, as
//! that of label noise is. In general it is not.

use faer::Mat;

use crate::model::problem::Problem;

/// Of the squared labels: residuals below are rounding of labels that are fitted.
const ROUNDING: f64 = 1e-24;

/// The covariance of the noise of rows at the optimum, times its intensity; in the basis of the
/// problem.
#[derive(Clone, Debug)]
pub struct RowNoise {
    /// μ E[S^{-1/2}N ⊗ S^{-1/2}N] over the inputs with positive eigenvalues, which are the first
    /// ones: entry (a k + b, c k + d) is that of (a, b) and (c, d).
    pub whitened: Mat<f64>,
    /// μ E N Nᵀ, p × p.
    pub of_inputs: Mat<f64>,
    /// μ E NᵀN, k × k.
    pub of_outputs: Mat<f64>,
}

impl RowNoise {
    /// Whether there is any: rows are held, and the optimum leaves residuals of them beyond
    /// rounding.
    pub fn exists(problem: &Problem) -> bool {
        problem.rows.as_ref().is_some_and(|rows| {
            let labels = 0.5 * square(&rows.y) / rows.count as f64;
            problem.loss_floor > ROUNDING * labels
        })
    }

    /// Multiplications that it takes to work it out, n (pk)².
    pub fn work(problem: &Problem) -> f64 {
        let side = (problem.inputs * problem.outputs) as f64;
        problem.samples as f64 * side * side
    }

    /// What it adds to −d log det M/dt: 2μ E|N|².
    pub fn determinant_rate(&self) -> f64 {
        let inputs = &self.of_inputs;
        2.0 * (0..inputs.nrows()).map(|a| inputs[(a, a)]).sum::<f64>()
    }

    /// That of the rows of a problem at `intensity` μ, η/b for batches of b rows drawn with
    /// replacement. None where no rows are held.
    pub fn new(problem: &Problem, intensity: f64) -> Option<Self> {
        let rows = problem.rows.as_ref()?;
        let (p, k) = (problem.inputs, problem.outputs);
        let positive = problem.eigenvalues.iter().take_while(|s| **s > 0.0);
        let roots: Vec<f64> = positive.map(|s| s.sqrt()).collect();
        let size = roots.len() * k;
        let mut out = Self {
            whitened: Mat::zeros(size, size),
            of_inputs: Mat::zeros(p, p),
            of_outputs: Mat::zeros(k, k),
        };
        let share = intensity / rows.count as f64;
        for (x, y) in rows.x.chunks_exact(p).zip(rows.y.chunks_exact(k)) {
            let fit = |b: usize| (0..p).map(|a| x[a] * problem.optimum[(a, b)]).sum::<f64>();
            let r: Vec<f64> = (0..k).map(|b| y[b] - fit(b)).collect();
            let gradient: Vec<f64> = (0..size)
                .map(|i| x[i / k] / roots[i / k] * r[i % k])
                .collect();
            add_square(&mut out.whitened, share, &gradient);
            add_square(&mut out.of_inputs, share * square(&r), x);
            add_square(&mut out.of_outputs, share * square(x), &r);
        }
        Some(out)
    }
}

fn square(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |sum, x| x.mul_add(*x, sum))
}

/// Adds `factor` x xᵀ.
fn add_square(out: &mut Mat<f64>, factor: f64, x: &[f64]) {
    for (j, &column) in x.iter().enumerate() {
        for (i, &row) in x.iter().enumerate() {
            out[(i, j)] += factor * row * column;
        }
    }
}

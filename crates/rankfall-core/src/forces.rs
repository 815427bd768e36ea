//! The forces on the eigenvalues of M = ΘΘᵀ under the stochastic gradient flow, and the repulsion
//! that pushes the small ones down.
//!
//! With λ_i > 0 simple, v_i = (a_i; b_i) its eigenvector (a_i ∈ R^p, b_i ∈ R^k), S = S_xx and
//! A = S_xy − S W₁W₂, Itô's formula for dΘ = H(dG) Θ gives
//!
//! q_ij = ν [(a_i'S a_i)(b_j'b_j) + (a_j'S a_j)(b_i'b_i) + 2 (a_i'S a_j)(b_i'b_j)],
//!
//! (a) dλ_i = [4 λ_i a_i'A b_i + Σ_j λ_j q_ij + Σ_{j≠i} (λ_i + λ_j)²/(λ_i − λ_j) q_ij] dt + noise,
//!
//! (b) d log λ_i = [4 a_i'A b_i − q_ii + Σ_{j≠i} q_ij + Σ_{j≠i} 4 q_ij λ_j/(λ_i − λ_j)] dt + noise.
//!
//! Split (a) is the paper's. Divided by λ_i its two noise terms grow like λ₁/λ_i and cancel; every
//! term of (b) stays bounded as λ_i → 0, so contributions are told with (b). The driving noises of
//! different eigenvalues are correlated: d⟨λ_i, λ_j⟩ = 16 ν λ_i λ_j (a_i'S a_j)(b_i'b_j) dt.
//!
//! Where Θ has fewer columns than rows, λ_j = 0 for the rest of the space: those j enter through
//! the projector on the null space of M, which every choice of its basis shares.

use crate::graded::{GradedColumns, Rotate};
use crate::lane_problem::LaneProblem;
use crate::lanes::{Instructions, Mask};
use crate::state::State;

/// Forces on the nonzero eigenvalues of one trajectory, by falling eigenvalue.
#[derive(Clone, Debug, PartialEq)]
pub struct EigenvalueForces {
    /// ln λ_i.
    pub log_eigenvalues: Vec<f64>,
    /// q_ij, row by row.
    pub q: Vec<Vec<f64>>,
    /// Σ q_ij over the null space of M; 0 where M has full rank.
    pub q_null: Vec<f64>,
    /// 4 a_i'A b_i.
    gradient: Vec<f64>,
    /// 4ν (a_i'S a_j)(b_i'b_j): a quarter of the covariation rate of log λ_i and log λ_j.
    coupling: Vec<Vec<f64>>,
}

/// Drift of λ_i, split (a): rates per unit of t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EigenvalueDrift {
    /// 4 λ_i a_i'A b_i.
    pub gradient: f64,
    /// Σ_j λ_j q_ij, j = i included.
    pub ito: f64,
    /// Σ_{j≠i} (λ_i + λ_j)²/(λ_i − λ_j) q_ij.
    pub repulsion: f64,
}

/// Drift of log λ_i, split (b): rates per unit of t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogEigenvalueDrift {
    /// 4 a_i'A b_i.
    pub gradient: f64,
    /// −q_ii.
    pub own_noise: f64,
    /// Σ_{j≠i} q_ij.
    pub common_growth: f64,
    /// Σ_{j≠i} 4 q_ij λ_j/(λ_i − λ_j).
    pub repulsion: f64,
}

impl EigenvalueDrift {
    /// The sum.
    pub fn total(&self) -> f64 {
        self.gradient + self.ito + self.repulsion
    }
}

impl LogEigenvalueDrift {
    /// The sum.
    pub fn total(&self) -> f64 {
        self.gradient + self.own_noise + self.common_growth + self.repulsion
    }
}

impl EigenvalueForces {
    /// At the present state of one lane, for noise intensity `nu`. Columns that are zero are left
    /// out. Two equal eigenvalues repel infinitely.
    pub fn new<const N: usize>(
        state: &State<N>,
        problem: &LaneProblem<N>,
        lane: usize,
        nu: f64,
        instructions: Instructions,
    ) -> Self {
        let mut theta = state.factor.clone();
        let rows = theta.rows();
        let orthogonal = Rotate::to_orthogonality(rows);
        theta.orthogonalise(0..rows, orthogonal, Mask::ALL, None, instructions);
        let vectors = unit_columns(&theta, lane);
        let logs = theta.log_norms(0..rows, instructions);
        let log_eigenvalues = logs
            .iter()
            .map(|l| 2.0 * l.0[lane])
            .take(vectors.len())
            .collect();
        let mut a = vec![crate::lanes::Lanes::ZERO; problem.inputs * problem.outputs];
        state.negative_gradient(problem, &mut a);
        let forms = Forms {
            vectors: &vectors,
            problem,
            lane,
        };
        let count = vectors.len();
        let table = |f: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            (0..count)
                .map(|i| (0..count).map(|j| f(i, j)).collect())
                .collect()
        };
        let (s, b) = (
            table(&|i, j| forms.inputs(i, j)),
            table(&|i, j| forms.outputs(i, j)),
        );
        let gradient = (0..count).map(|i| 4.0 * forms.gradient(i, &a)).collect();
        Self {
            q: table(&|i, j| {
                nu * (s[i][i] * b[j][j] + s[j][j] * b[i][i] + 2.0 * s[i][j] * b[i][j])
            }),
            q_null: (0..count).map(|i| nu * forms.null_sum(i, &s, &b)).collect(),
            coupling: table(&|i, j| 4.0 * nu * s[i][j] * b[i][j]),
            gradient,
            log_eigenvalues,
        }
    }

    /// Split (a) of eigenvalue `i`. Overflows to ±∞ where λ_i or λ_j leave double range.
    pub fn drift(&self, i: usize) -> EigenvalueDrift {
        let lambda = |j: usize| libm::exp(self.log_eigenvalues[j]);
        let own = lambda(i);
        let mut ito = 0.0;
        // For the null space λ_j = 0: nothing to Itô's term, λ_i q_ij to the repulsion.
        let mut repulsion = own * self.q_null[i];
        for (j, &q) in self.q[i].iter().enumerate() {
            ito += lambda(j) * q;
            if j != i {
                repulsion += (own + lambda(j)) * (own + lambda(j)) / (own - lambda(j)) * q;
            }
        }
        EigenvalueDrift {
            gradient: own * self.gradient[i],
            ito,
            repulsion,
        }
    }

    /// Split (b) of eigenvalue `i`.
    pub fn log_drift(&self, i: usize) -> LogEigenvalueDrift {
        let mut common_growth = self.q_null[i];
        let mut repulsion = 0.0;
        for (j, &q) in self.q[i].iter().enumerate().filter(|&(j, _)| j != i) {
            common_growth += q;
            repulsion += 4.0 * q * self.repulsion_weight(i, j);
        }
        LogEigenvalueDrift {
            gradient: self.gradient[i],
            own_noise: -self.q[i][i],
            common_growth,
            repulsion,
        }
    }

    /// λ_j/(λ_i − λ_j), from the logarithms: right however small the eigenvalues are.
    fn repulsion_weight(&self, i: usize, j: usize) -> f64 {
        1.0 / libm::expm1(self.log_eigenvalues[i] - self.log_eigenvalues[j])
    }

    /// d⟨log λ_i, log λ_j⟩/dt = 16 ν (a_i'S a_j)(b_i'b_j).
    pub fn log_covariation(&self, i: usize, j: usize) -> f64 {
        4.0 * self.coupling[i][j]
    }

    /// d⟨λ_i, λ_j⟩/dt = 16 ν λ_i λ_j (a_i'S a_j)(b_i'b_j).
    pub fn covariation(&self, i: usize, j: usize) -> f64 {
        libm::exp(self.log_eigenvalues[i] + self.log_eigenvalues[j]) * self.log_covariation(i, j)
    }
}

/// Columns of norm one of one lane, zero columns (which come last) left out.
fn unit_columns<const N: usize>(theta: &GradedColumns<N>, lane: usize) -> Vec<Vec<f64>> {
    let columns = theta.mantissa().chunks_exact(theta.rows());
    columns
        .map(|column| column.iter().map(|x| x.0[lane]).collect::<Vec<f64>>())
        .map(|column| {
            let norm = column.iter().map(|x| x * x).sum::<f64>().sqrt();
            (norm, column)
        })
        .take_while(|&(norm, _)| norm > 0.0)
        .map(|(norm, column)| column.iter().map(|x| x / norm).collect())
        .collect()
}

/// Quadratic forms of the eigenvectors.
struct Forms<'a, const N: usize> {
    vectors: &'a [Vec<f64>],
    problem: &'a LaneProblem<N>,
    lane: usize,
}

impl<const N: usize> Forms<'_, N> {
    fn eigenvalue_of_inputs(&self, a: usize) -> f64 {
        self.problem.eigenvalues[a].0[self.lane]
    }

    /// a_i'S a_j.
    fn inputs(&self, i: usize, j: usize) -> f64 {
        let term =
            |a: usize| self.vectors[i][a] * self.eigenvalue_of_inputs(a) * self.vectors[j][a];
        (0..self.problem.inputs).map(term).sum()
    }

    /// b_i'b_j.
    fn outputs(&self, i: usize, j: usize) -> f64 {
        let p = self.problem.inputs;
        self.vectors[i][p..]
            .iter()
            .zip(&self.vectors[j][p..])
            .map(|(x, y)| x * y)
            .sum()
    }

    /// a_i'A b_i.
    fn gradient(&self, i: usize, a: &[crate::lanes::Lanes<N>]) -> f64 {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let (w1, w2) = self.vectors[i].split_at(p);
        (0..p * k)
            .map(|entry| w1[entry / k] * a[entry].0[self.lane] * w2[entry % k])
            .sum()
    }

    /// Σ q_ij/ν over an orthonormal basis of the null space, whose projector is I − Σ v v'.
    fn null_sum(&self, i: usize, s: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let count = self.vectors.len();
        if count == p + k {
            return 0.0;
        }
        let trace: f64 = (0..p).map(|a| self.eigenvalue_of_inputs(a)).sum();
        let outputs_left = k as f64 - (0..count).map(|j| b[j][j]).sum::<f64>();
        let inputs_left = trace - (0..count).map(|j| s[j][j]).sum::<f64>();
        // Σ_j (a_i'S a_j)(b_i'b_j) over all of space is a_i'S (Σ a_j b_j') b_i = 0.
        let mixed: f64 = -(0..count).map(|j| s[i][j] * b[i][j]).sum::<f64>();
        s[i][i] * outputs_left + b[i][i] * inputs_left + 2.0 * mixed
    }
}

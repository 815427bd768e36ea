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
//! and for the logarithm d log λ_i = [4 a_i'A b_i − q_ii + Σ_{j≠i} q_ij (λ_i + 3λ_j)/(λ_i − λ_j)]
//! dt + noise. The fraction can be split in two ways that matter,
//!
//! (b) *regular*, 1 + 4 λ_j/(λ_i − λ_j): common growth Σ q_ij, and a repulsion that leaves the
//! larger of two alone;
//!
//! (c) *antisymmetric*, −1 + 2 (λ_i + λ_j)/(λ_i − λ_j): common decay −Σ q_ij, in which all of the
//! determinant law stands, and a repulsion that moves two eigenvalues by equal and opposite
//! amounts.
//!
//! Split (a) is the paper's. Divided by λ_i its two noise terms grow like λ₁/λ_i and cancel; every
//! term of (b) and (c) stays bounded as λ_i → 0, so contributions are told with these. The driving
//! noises of different eigenvalues are correlated: d⟨λ_i, λ_j⟩ = 16 ν λ_i λ_j (a_i'S a_j)(b_i'b_j)
//! dt.
//!
//! Where Θ has fewer columns than rows, λ_j = 0 for the rest of the space: those j enter through
//! the projector on the null space of M, which every choice of its basis shares. With λ_j = 0 they
//! repel nothing in (b), and by 2 q_ij in (c).

use crate::linalg::graded::{GradedColumns, Rotate};
use crate::model::dynamics::ForceSplit;
use crate::simd::instructions::LaneWork;
use crate::simd::lane_math::ln;
use crate::simd::lanes::{Lanes, Mask};
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Forces on the eigenvalues of N trajectories, one per column of Θ, by falling eigenvalue. A
/// zero eigenvalue has log −∞, q_ij = 0 and no forces.
#[derive(Clone, Debug)]
pub struct Forces<const N: usize> {
    columns: usize,
    /// Squared norms of the mantissas of the columns, and their exponents of two.
    squares: Vec<Lanes<N>>,
    exponents: Vec<Lanes<N>>,
    /// (a_i; b_i), column by column, of length p + k.
    vectors: Vec<Lanes<N>>,
    /// q_ij, row by row.
    q: Vec<Lanes<N>>,
    /// Σ q_ij over the null space of M; 0 where M has full rank.
    q_null: Vec<Lanes<N>>,
    /// 4 a_i'A b_i.
    gradient: Vec<Lanes<N>>,
    /// 4ν (a_i'S a_j)(b_i'b_j): a quarter of the covariation rate of log λ_i and log λ_j.
    coupling: Vec<Lanes<N>>,
    /// (1 − λ_j/λ_i) for i < j is never taken below √(this · q_ij).
    smoothing: f64,
}

/// Eigenvalues closer than what noise moves them in one step of length h repel as if they were
/// about that far apart: 1 − λ_j/λ_i becomes √((1 − λ_j/λ_i)² + 16 · this · q_ij h).
///
/// A gap that noise moves with variance s² = 16 q_ij per unit of t is a Bessel process of dimension
/// two, and without its repulsion one of dimension one. From a gap of 0, a step h takes them to √(π
/// h s²/2) and √(2 h s²/π) on average; the drift s²/(2 gap) that makes the difference has this
/// gap².
const ONE_STEP: f64 = 1.206;

/// Standard deviations of the noise of a step within which eigenvalues count as near.
const NEAR: f64 = 5.0;

impl<const N: usize> Forces<N> {
    /// At columns that are orthogonal and sorted by falling norm, as
    /// [`GradedColumns::orthogonalise`] leaves them. `a` is the negative gradient A, p × k
    /// row-major. With `time_step` the repulsion is that of a step of this length, smooth where
    /// eigenvalues meet; without it, the exact one, infinite there.
    pub fn new(
        theta: &GradedColumns<N>,
        a: &[Lanes<N>],
        problem: &LaneProblem<N>,
        nu: f64,
        time_step: Option<f64>,
    ) -> Self {
        Evaluate {
            theta,
            a,
            problem,
            nu,
            smoothing: time_step.map_or(0.0, |h| 16.0 * ONE_STEP * h),
        }
        .run_on(problem.instructions)
    }

    /// At the present state.
    pub fn of_state(
        state: &State<N>,
        problem: &LaneProblem<N>,
        nu: f64,
        time_step: Option<f64>,
    ) -> Self {
        let mut theta = state.factor.clone();
        let rows = theta.rows();
        let orthogonal = Rotate::to_orthogonality(rows);
        theta.orthogonalise(0..rows, orthogonal, Mask::ALL, None, problem.instructions);
        let mut a = vec![Lanes::ZERO; problem.inputs * problem.outputs];
        state.negative_gradient(problem, &mut a);
        Self::new(&theta, &a, problem, nu, time_step)
    }

    /// How many eigenvalues.
    pub fn count(&self) -> usize {
        self.columns
    }

    /// v_i = (a_i; b_i), of length p + k.
    #[inline(always)]
    pub fn vector(&self, i: usize) -> &[Lanes<N>] {
        let rows = self.vectors.len() / self.columns;
        &self.vectors[i * rows..(i + 1) * rows]
    }

    /// log λ_i; −∞ for a zero eigenvalue.
    #[inline(always)]
    pub fn log_eigenvalue(&self, i: usize) -> Lanes<N> {
        let exponent = self.exponents[i] + self.exponents[i];
        exponent.mul_add(Lanes::splat(std::f64::consts::LN_2), ln(self.squares[i]))
    }

    /// 4 a_i'A b_i.
    #[inline(always)]
    pub fn gradient(&self, i: usize) -> Lanes<N> {
        self.gradient[i]
    }

    /// −q_ii.
    #[inline(always)]
    pub fn own_noise(&self, i: usize) -> Lanes<N> {
        -self.q(i, i)
    }

    /// Σ_{j≠i} q_ij, the null space included; its negative in the antisymmetric split.
    #[inline(always)]
    pub fn common(&self, split: ForceSplit, i: usize) -> Lanes<N> {
        let mut sum = self.q_null[i];
        for j in 0..self.columns {
            if j != i {
                sum += self.q(i, j);
            }
        }
        match split {
            ForceSplit::Regular => sum,
            ForceSplit::Antisymmetric => -sum,
        }
    }

    /// What eigenvalue j's repulsion adds to the drift of log λ_i: 4 q_ij λ_j/(λ_i − λ_j), or in
    /// the antisymmetric split 2 q_ij (λ_i + λ_j)/(λ_i − λ_j). In the first the larger of two is
    /// pushed up a little, the smaller one down by at least 4 q_ij; in the second both by the same,
    /// at least 2 q_ij.
    #[inline(always)]
    pub fn repulsion_from(&self, split: ForceSplit, i: usize, j: usize) -> Lanes<N> {
        let (large, small) = (i.min(j), i.max(j));
        let ratio = self.ratio(large, small);
        let q = self.q(i, j);
        let gap = Lanes::ONE - ratio;
        let gap = gap.mul_add(gap, Lanes::splat(self.smoothing) * q).sqrt();
        let (up, down) = match split {
            ForceSplit::Regular => {
                let push = Lanes::splat(4.0) * q / gap;
                (push * ratio, push)
            }
            ForceSplit::Antisymmetric => {
                let push = Lanes::splat(2.0) * q * (Lanes::ONE + ratio) / gap;
                (push, push)
            }
        };
        if i < j { up } else { -down }
    }

    /// λ_small/λ_large, 0 where both are 0.
    #[inline(always)]
    fn ratio(&self, large: usize, small: usize) -> Lanes<N> {
        let shift = self.exponents[small] - self.exponents[large];
        let large_square = self.squares[large];
        let ratio = (self.squares[small] / large_square) * (shift + shift).exp2_whole();
        ratio.select(Lanes::ZERO.less_than(large_square), Lanes::ZERO)
    }

    /// Whether the noise of a time `time` may bring λ_i and λ_j together: whether 1 −
    /// λ_small/λ_large lies within five standard deviations of it. In the plane of the two
    /// eigenvectors that is of variance 4 (q_ii + q_jj) less twice the covariation along the gap,
    /// and 16 q_ij across it; the larger counts.
    #[inline(always)]
    pub fn may_meet(&self, i: usize, j: usize, time: f64) -> Mask<N> {
        let gap = Lanes::ONE - self.ratio(i.min(j), i.max(j));
        let coupling = self.coupling[i * self.columns + j];
        let own = self.q(i, i) + self.q(j, j) - (coupling + coupling);
        let four = Lanes::splat(4.0);
        let variance = (four * own).max(four * four * self.q(i, j));
        (gap * gap).less_than(Lanes::splat(NEAR * NEAR * time) * variance)
    }

    /// The repulsion of all others, the null space included.
    #[inline(always)]
    pub fn repulsion(&self, split: ForceSplit, i: usize) -> Lanes<N> {
        let mut sum = match split {
            ForceSplit::Regular => Lanes::ZERO,
            ForceSplit::Antisymmetric => self.q_null[i] + self.q_null[i],
        };
        for j in 0..self.columns {
            if j != i {
                sum += self.repulsion_from(split, i, j);
            }
        }
        sum
    }

    /// q_ij.
    #[inline(always)]
    pub fn q(&self, i: usize, j: usize) -> Lanes<N> {
        self.q[i * self.columns + j]
    }

    /// The forces of one lane.
    pub fn of_lane(&self, lane: usize) -> EigenvalueForces {
        let count = self
            .squares
            .iter()
            .take_while(|square| square.0[lane] > 0.0)
            .count();
        let table = |values: &[Lanes<N>]| -> Vec<Vec<f64>> {
            let row = |i: usize| {
                let start = i * self.columns;
                let row = &values[start..start + count];
                row.iter().map(|v| v.0[lane]).collect()
            };
            (0..count).map(row).collect()
        };
        let list = |values: &[Lanes<N>]| values[..count].iter().map(|v| v.0[lane]).collect();
        let log = |i: usize| self.log_eigenvalue(i).0[lane];
        EigenvalueForces {
            log_eigenvalues: (0..count).map(log).collect(),
            q: table(&self.q),
            q_null: list(&self.q_null),
            gradient: list(&self.gradient),
            coupling: table(&self.coupling),
        }
    }
}

struct Evaluate<'a, const N: usize> {
    theta: &'a GradedColumns<N>,
    a: &'a [Lanes<N>],
    problem: &'a LaneProblem<N>,
    nu: f64,
    smoothing: f64,
}

impl<const N: usize> LaneWork for Evaluate<'_, N> {
    type Output = Forces<N>;
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) -> Forces<N> {
        let (p, d, m) = (self.problem.inputs, self.theta.rows(), self.theta.columns());
        let (vectors, squares) = self.unit_columns();
        let column = |i: usize| &vectors[i * d..(i + 1) * d];
        let nu = Lanes::splat(self.nu);
        let zeros = vec![Lanes::ZERO; m * m];
        // a_i'S a_j and b_i'b_j.
        let (mut s, mut b) = (zeros.clone(), zeros.clone());
        for i in 0..m {
            for j in 0..=i {
                let (mut inputs, mut outputs) = (Lanes::ZERO, Lanes::ZERO);
                for row in 0..p {
                    let weighted = column(i)[row] * self.problem.eigenvalues[row];
                    inputs = weighted.mul_add(column(j)[row], inputs);
                }
                for row in p..d {
                    outputs = column(i)[row].mul_add(column(j)[row], outputs);
                }
                (s[i * m + j], s[j * m + i]) = (inputs, inputs);
                (b[i * m + j], b[j * m + i]) = (outputs, outputs);
            }
        }
        let (mut q, mut coupling) = (zeros.clone(), zeros);
        let (mut q_null, mut gradient) = (vec![Lanes::ZERO; m], vec![Lanes::ZERO; m]);
        let full_rank = Lanes::ZERO.less_than(squares[m - 1]) & Mask::from_fn(|_| m == d);
        for i in 0..m {
            let (s_i, b_i) = (s[i * m + i], b[i * m + i]);
            for j in 0..m {
                let mixed = s[i * m + j] * b[i * m + j];
                let squares = s_i.mul_add(b[j * m + j], s[j * m + j] * b_i);
                q[i * m + j] = nu * (squares + (mixed + mixed));
                coupling[i * m + j] = Lanes::splat(4.0) * nu * mixed;
            }
            gradient[i] = Lanes::splat(4.0) * self.along_gradient(column(i));
            if (!full_rank).any() {
                let sum = nu * self.null_sum(i, &s, &b);
                q_null[i] = Lanes::ZERO.select(full_rank, sum);
            }
        }
        Forces {
            columns: m,
            squares,
            exponents: self.theta.exponent().to_vec(),
            vectors,
            q,
            q_null,
            gradient,
            coupling,
            smoothing: self.smoothing,
        }
    }
}

impl<const N: usize> Evaluate<'_, N> {
    /// Columns of norm one, zero columns left zero, and the squared norms they had.
    #[inline(always)]
    fn unit_columns(&self) -> (Vec<Lanes<N>>, Vec<Lanes<N>>) {
        let mut vectors = self.theta.mantissa().to_vec();
        let mut squares = Vec::with_capacity(self.theta.columns());
        for column in vectors.chunks_exact_mut(self.theta.rows()) {
            let mut square = Lanes::ZERO;
            for &entry in column.iter() {
                square = entry.mul_add(entry, square);
            }
            let nonzero = Lanes::ZERO.less_than(square);
            let norm = square.sqrt().select(nonzero, Lanes::ONE);
            for entry in column {
                *entry = *entry / norm;
            }
            squares.push(square);
        }
        (vectors, squares)
    }

    /// a'A b of v = (a; b).
    #[inline(always)]
    fn along_gradient(&self, vector: &[Lanes<N>]) -> Lanes<N> {
        let (first, second) = vector.split_at(self.problem.inputs);
        let mut sum = Lanes::ZERO;
        for (row, &x) in first.iter().enumerate() {
            for (column, &y) in second.iter().enumerate() {
                sum = (x * y).mul_add(self.a[row * second.len() + column], sum);
            }
        }
        sum
    }

    /// Σ q_ij/ν over an orthonormal basis of the null space, whose projector is I − Σ v v'.
    #[inline(always)]
    fn null_sum(&self, i: usize, s: &[Lanes<N>], b: &[Lanes<N>]) -> Lanes<N> {
        let m = self.theta.columns();
        let mut outputs_left = Lanes::splat(self.problem.outputs as f64);
        let mut inputs_left = self.problem.trace;
        // Σ_j (a_i'S a_j)(b_i'b_j) over all of space is a_i'S (Σ a_j b_j') b_i = 0.
        let mut mixed = Lanes::ZERO;
        for j in 0..m {
            outputs_left -= b[j * m + j];
            inputs_left -= s[j * m + j];
            mixed -= s[i * m + j] * b[i * m + j];
        }
        let sum = s[i * m + i].mul_add(outputs_left, b[i * m + i] * inputs_left);
        sum + (mixed + mixed)
    }
}

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

/// Drift of log λ_i, split (b) or (c): rates per unit of t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogEigenvalueDrift {
    /// 4 a_i'A b_i.
    pub gradient: f64,
    /// −q_ii.
    pub own_noise: f64,
    /// Σ_{j≠i} q_ij, or −Σ_{j≠i} q_ij.
    pub common: f64,
    /// Σ_{j≠i} 4 q_ij λ_j/(λ_i − λ_j), or Σ_{j≠i} 2 q_ij (λ_i + λ_j)/(λ_i − λ_j).
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
        self.gradient + self.own_noise + self.common + self.repulsion
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
    ) -> Self {
        Forces::of_state(state, problem, nu, None).of_lane(lane)
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

    /// The forces on log λ_i of eigenvalue `i`.
    pub fn log_drift(&self, split: ForceSplit, i: usize) -> LogEigenvalueDrift {
        let mut growth = self.q_null[i];
        let mut repulsion = match split {
            ForceSplit::Regular => 0.0,
            ForceSplit::Antisymmetric => 2.0 * growth,
        };
        for (j, &q) in self.q[i].iter().enumerate().filter(|&(j, _)| j != i) {
            growth += q;
            repulsion += match split {
                ForceSplit::Regular => 4.0 * q * self.repulsion_weight(i, j),
                ForceSplit::Antisymmetric => 2.0 * q * self.antisymmetric_weight(i, j),
            };
        }
        LogEigenvalueDrift {
            gradient: self.gradient[i],
            own_noise: -self.q[i][i],
            common: match split {
                ForceSplit::Regular => growth,
                ForceSplit::Antisymmetric => -growth,
            },
            repulsion,
        }
    }

    /// λ_j/(λ_i − λ_j), from the logarithms: right however small the eigenvalues are.
    fn repulsion_weight(&self, i: usize, j: usize) -> f64 {
        1.0 / libm::expm1(self.log_eigenvalues[i] - self.log_eigenvalues[j])
    }

    /// (λ_i + λ_j)/(λ_i − λ_j), from the logarithms.
    fn antisymmetric_weight(&self, i: usize, j: usize) -> f64 {
        1.0 / libm::tanh(0.5 * (self.log_eigenvalues[i] - self.log_eigenvalues[j]))
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

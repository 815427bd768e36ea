//! The interpolating weights towards which noise moves any others, and what the linear theory
//! around them says: damping, the excess of mini-batch noise, the size of corrections in ν.
//!
//! With S^{1/2}β = Ũ D Ṽᵀ noise minimises k tr(W₁ᵀSW₁) + tr(S)|W₂|² over W₁W₂ = β: there
//! W₁ = (tr S/k)^{1/4} S^{−1/2} Ũ D^{1/2} Rᵀ and W₂ = (k/tr S)^{1/4} R D^{1/2} Ṽᵀ. Errors of W₁W₂
//! relax like dD = −K D dt + √ν K dB in the coordinates S^{1/2}(W₁W₂ − β), with the symmetric
//! K = S^{1/2}W₁W₁ᵀS^{1/2} ⊗ I + S ⊗ W₂ᵀW₂; their stationary covariance is (ν/2) K.

use faer::Mat;
use rankfall_core::linalg::dense::{ThinSvd, eigen_semidefinite, product};
use rankfall_core::model::network::Weights;
use rankfall_core::model::problem::{Problem, Rows};
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_nets::matrix::svd;

/// Trajectories number their starts from 0; what is drawn here is none of them.
const OWN_DRAW: u64 = 1 << 40;

/// The minimiser, in the eigenbasis of S_xx.
pub struct Optimum {
    /// W₁ of width r = rank, p × r.
    w1: Mat<f64>,
    /// W₂, r × k.
    w2: Mat<f64>,
    /// (tr S/k)^{1/2} Ũ D Ũᵀ = S^{1/2}W₁W₁ᵀS^{1/2}, p × p.
    inner: Mat<f64>,
}

impl Optimum {
    /// Of this problem.
    pub fn new(problem: &Problem) -> Self {
        let (p, k) = (problem.inputs, problem.outputs);
        let (s, beta) = (&problem.eigenvalues, &problem.optimum);
        let entry = |a: usize, b: usize| s[a].sqrt() * beta[(a, b)];
        let ThinSvd {
            u: left,
            sigma: d,
            v: right,
        } = svd(&Mat::from_fn(p, k, entry));
        let ratio = (problem.trace() / k as f64).sqrt();
        let rank = d.len();
        let inverse_root = |a: usize| if s[a] > 0.0 { 1.0 / s[a].sqrt() } else { 0.0 };
        Self {
            w1: Mat::from_fn(p, rank, |a, i| {
                inverse_root(a) * left[(a, i)] * (ratio * d[i]).sqrt()
            }),
            w2: Mat::from_fn(rank, k, |i, b| right[(b, i)] * (d[i] / ratio).sqrt()),
            inner: Mat::from_fn(p, p, |a, c| {
                let term = |i: usize| left[(a, i)] * d[i] * left[(c, i)];
                ratio * (0..rank).map(term).sum::<f64>()
            }),
        }
    }

    /// Weights of width l at the minimum, in the original basis, with N(0, `rest`²) added
    /// everywhere so that Θ has full rank.
    pub fn weights(&self, problem: &Problem, width: usize, rest: f64, seed: u64) -> Weights {
        let mut normals = StreamKey::new(seed, Purpose::InitialWeights, 0).reader(OWN_DRAW, 0);
        let rank = self.w1.ncols();
        let mut w1 = Mat::zeros(problem.inputs, width);
        let mut w2 = Mat::zeros(width, problem.outputs);
        for j in 0..width {
            for a in 0..problem.inputs {
                let own = if j < rank { self.w1[(a, j)] } else { 0.0 };
                w1[(a, j)] = own + rest * normals.normal();
            }
            for b in 0..problem.outputs {
                let own = if j < rank { self.w2[(j, b)] } else { 0.0 };
                w2[(j, b)] = own + rest * normals.normal();
            }
        }
        Weights {
            w1: product(&problem.basis, &w1),
            w2,
        }
    }

    /// The smallest positive and the largest eigenvalue of K.
    pub fn damping(&self, problem: &Problem) -> [f64; 2] {
        let (p, k) = (problem.inputs, problem.outputs);
        let gram = Mat::from_fn(k, k, |b, c| {
            (0..self.w2.nrows())
                .map(|i| self.w2[(i, b)] * self.w2[(i, c)])
                .sum()
        });
        let (outer, _) = eigen_semidefinite(&gram);
        let mut ends = [f64::INFINITY, 0.0_f64];
        for weight in outer {
            let block = Mat::from_fn(p, p, |a, c| {
                let own = if a == c {
                    problem.eigenvalues[a] * weight
                } else {
                    0.0
                };
                self.inner[(a, c)] + own
            });
            let values = eigen_semidefinite(&block).0;
            let floor = 1e-9 * values[0];
            for value in values.into_iter().filter(|&v| v > floor) {
                ends = [ends[0].min(value), ends[1].max(value)];
            }
        }
        ends
    }

    /// E |x|²|Dᵀx|² over ν, for a random row and the stationary error D of W₁W₂:
    /// ½ mean |x|² (k |W₁ᵀx|² + |W₂|² |x|²).
    pub fn batch_noise(&self, rows: &Rows) -> f64 {
        let (p, k) = (self.w1.nrows(), self.w2.ncols());
        let outer: f64 = (0..self.w2.nrows())
            .flat_map(|i| (0..k).map(move |b| (i, b)))
            .map(|(i, b)| self.w2[(i, b)].powi(2))
            .sum();
        let mut sum = 0.0;
        for x in rows.x.chunks_exact(p) {
            let square: f64 = x.iter().map(|u| u * u).sum();
            let mut seen = 0.0;
            for i in 0..self.w1.ncols() {
                let component: f64 = (0..p).map(|a| x[a] * self.w1[(a, i)]).sum();
                seen += component * component;
            }
            sum += square * (k as f64 * seen + outer * square);
        }
        0.5 * sum / rows.count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankfall_core::model::gram::Gram;

    /// p = 2, k = 1, S = diag(4, 1), β = (1, 1)ᵀ.
    fn problem() -> Problem {
        let gram = Gram {
            sxx: Mat::from_fn(2, 2, |i, j| if i == j { [4.0, 1.0][i] } else { 0.0 }),
            sxy: Mat::from_fn(2, 1, |i, _| [4.0, 1.0][i]),
            syy: Mat::from_fn(1, 1, |_, _| 5.0),
            n: 9,
            centred: None,
        };
        Problem::new(&gram, None, None).expect("a problem")
    }

    #[test]
    fn the_minimum_interpolates_and_balances() {
        let problem = problem();
        let optimum = Optimum::new(&problem);
        let map = product(&optimum.w1, &optimum.w2);
        for a in 0..2 {
            assert!((map[(a, 0)] - problem.optimum[(a, 0)]).abs() < 1e-14);
        }
        // k tr(W₁ᵀSW₁) = tr(S) |W₂|².
        let first: f64 = (0..2)
            .map(|a| problem.eigenvalues[a] * optimum.w1[(a, 0)].powi(2))
            .sum();
        assert!((first - 5.0 * optimum.w2[(0, 0)].powi(2)).abs() < 1e-13);
    }

    /// S^{1/2}β = (2, 1), D = √5, Ũ = (2, 1)/√5: K = √5 √5 ŨŨᵀ + (√5/√5) S = [[4 + 4, 2], [2, 1 +
    /// 1]].
    #[test]
    fn damping_by_hand() {
        let problem = problem();
        let ends = Optimum::new(&problem).damping(&problem);
        let root = (9.0_f64 + 4.0).sqrt();
        assert!((ends[0] - (5.0 - root)).abs() < 1e-12 && (ends[1] - (5.0 + root)).abs() < 1e-12);
    }
}

//! Noise of any covariance, averaged over the fast motion around a minimum.
//!
//! Let g be the sum of the gradients that act, fluctuations and pull together. W₁W₂ is off its
//! minimum by g B + D g =: K g, D = W₁W₁ᵀ and B = W₂ᵀW₂, so that g is pulled back at the rates of L
//! = (S ⊗ I) K and is stationary with covariance Σ, LΣ + ΣLᵀ = Q, Q the covariance of the noise. To
//! second order g moves Θ by ∫ H(dg) H(g). The symmetric part of that is −½ E H(N)²; the commutator
//! ½[H(dg), H(g)] has the mean
//!
//!   R = −½ E[H(Lg), H(g)] = −diag(Σ_b Ω_{ab,cb}, Σ_a Ω_{ab,ad}),  Ω = LΣ − Q/2,
//!
//! a rotation of inputs and one of outputs. Where Q is a multiple of S ⊗ I, as that of label noise,
//! Σ = K⁻¹/2 times that and Ω is zero.
//!
//! With T = S^{1/2} ⊗ I, L is T (TKT) T⁻¹: in the eigenvectors of the symmetric TKT, eigenvalues λ,
//! Ω is ½ (λᵢ − λⱼ)/(λᵢ + λⱼ) times an entry of T⁻¹QT⁻¹.

use faer::Mat;

use crate::linalg::dense::{eigen_semidefinite, product, transpose_product};

/// Noise of one covariance.
#[derive(Clone, Debug)]
pub struct AveragedNoise {
    outputs: usize,
    /// Roots of the positive eigenvalues of S.
    roots: Vec<f64>,
    /// T⁻¹QT⁻¹.
    whitened: Mat<f64>,
}

impl AveragedNoise {
    /// Of T⁻¹QT⁻¹, square of side pk over inputs with these positive roots of eigenvalues; entry
    /// (a k + b, c k + d) belongs to (a, b) and (c, d).
    pub fn new(outputs: usize, roots: Vec<f64>, whitened: Mat<f64>) -> Self {
        Self {
            outputs,
            roots,
            whitened,
        }
    }

    /// R at D (`d`, p × p, of the inputs with positive eigenvalues) and B (`b`, k × k): its blocks
    /// on inputs and on outputs. All row-major.
    pub fn rotation(&self, d: &[f64], b: &[f64]) -> [Vec<f64>; 2] {
        // Where neither is pulled back, both are left alone.
        let omega = self.weighted(d, b, |x, y| match x + y > 0.0 {
            true => 0.5 * (x - y) / (x + y),
            false => 0.0,
        });
        let (p, k) = (self.roots.len(), self.outputs);
        let of = |a: usize, b: usize, c: usize, d: usize| {
            self.roots[a] * self.roots[c] * omega[(a * k + b, c * k + d)]
        };
        let inputs = |a, c| -(0..k).map(|b| of(a, b, c, b)).sum::<f64>();
        let outputs = |b, d| -(0..p).map(|a| of(a, b, a, d)).sum::<f64>();
        [
            (0..p * p).map(|at| inputs(at / p, at % p)).collect(),
            (0..k * k).map(|at| outputs(at / k, at % k)).collect(),
        ]
    }

    /// The covariance of W₁W₂ around its minimum, KΣK, over inputs with positive eigenvalues: entry
    /// (a k + b, c k + d) is that of (a, b) and (c, d).
    pub fn covariance_of_map(&self, d: &[f64], b: &[f64]) -> Mat<f64> {
        let scaled = self.weighted(d, b, |x, y| match x + y > 0.0 {
            true => x * y / (x + y),
            false => 0.0,
        });
        let root = |i: usize| self.roots[i / self.outputs];
        Mat::from_fn(scaled.nrows(), scaled.ncols(), |i, j| {
            scaled[(i, j)] / (root(i) * root(j))
        })
    }

    /// T⁻¹QT⁻¹ with each of its entries in the eigenvectors of TKT times a weight of the two
    /// eigenvalues.
    fn weighted(&self, d: &[f64], b: &[f64], weight: impl Fn(f64, f64) -> f64) -> Mat<f64> {
        let (rates, turn) = eigen_semidefinite(&self.pull(d, b));
        let turned = transpose_product(&turn, &product(&self.whitened, &turn));
        let scaled = Mat::from_fn(rates.len(), rates.len(), |i, j| {
            weight(rates[i], rates[j]) * turned[(i, j)]
        });
        product(&product(&turn, &scaled), &turn.transpose().to_owned())
    }

    /// TKT.
    fn pull(&self, d: &[f64], b: &[f64]) -> Mat<f64> {
        let (p, k) = (self.roots.len(), self.outputs);
        Mat::from_fn(p * k, p * k, |i, j| {
            let [(a, own), (c, other)] = [(i / k, i % k), (j / k, j % k)];
            let outputs = if a == c { b[own * k + other] } else { 0.0 };
            let inputs = if own == other { d[a * p + c] } else { 0.0 };
            self.roots[a] * self.roots[c] * (outputs + inputs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(i: usize) -> f64 {
        libm::sin(2.3 * i as f64 + 0.7)
    }

    /// A Aᵀ with A size × size, row-major.
    fn definite(size: usize, first: usize) -> Vec<f64> {
        let a = |i: usize, j: usize| sample(first + i * size + j);
        let entry = |i: usize, j: usize| (0..size).map(|m| a(i, m) * a(j, m)).sum();
        (0..size * size)
            .map(|at| entry(at / size, at % size))
            .collect()
    }

    /// LΣ − Q/2 from the equation itself, solved as one linear system for Σ.
    #[test]
    fn it_is_the_commutator_of_the_stationary_motion() {
        let (p, k) = (3, 2);
        let size = p * k;
        let (d, b) = (definite(p, 1), definite(k, 50));
        let roots = vec![1.3, 0.9, 0.4];
        let whitened = definite(size, 100);
        let whitened = Mat::from_fn(size, size, |i, j| whitened[i * size + j]);
        let noise = AveragedNoise::new(k, roots.clone(), whitened.clone());
        let pull = noise.pull(&d, &b);
        let root = |i: usize| roots[i / k];
        let l = Mat::from_fn(size, size, |i, j| root(i) * pull[(i, j)] / root(j));
        let q = Mat::from_fn(size, size, |i, j| root(i) * whitened[(i, j)] * root(j));
        // LΣ + ΣLᵀ by the integral of e^{−Lt} Q e^{−Lᵀt}: doubling a short time.
        let steps = 40;
        let h = 1e-9;
        let mut decay = Mat::from_fn(size, size, |i, j| {
            f64::from(u8::from(i == j)) - h * l[(i, j)]
        });
        let mut sigma = &q * faer::Scale(h);
        for _ in 0..steps {
            let moved = &decay * &sigma * decay.transpose();
            sigma += moved;
            decay = &decay * &decay;
        }
        let left = &l * &sigma + &sigma * l.transpose() - &q;
        assert!(left.norm_l2() < 1e-6 * q.norm_l2(), "{}", left.norm_l2());
        let omega = &l * &sigma - &q * faer::Scale(0.5);
        let [inputs, outputs] = noise.rotation(&d, &b);
        for a in 0..p {
            for c in 0..p {
                let sum: f64 = (0..k).map(|b| omega[(a * k + b, c * k + b)]).sum();
                assert!((inputs[a * p + c] + sum).abs() < 1e-6, "{a} {c}");
            }
        }
        for b in 0..k {
            for d in 0..k {
                let sum: f64 = (0..p).map(|a| omega[(a * k + b, a * k + d)]).sum();
                assert!((outputs[b * k + d] + sum).abs() < 1e-6, "{b} {d}");
            }
        }
        assert!(inputs[1].abs() > 1e-3, "nothing turns: {inputs:?}");
        let k_of = |i: usize, j: usize| pull[(i, j)] / root(i) / root(j);
        let k_all = Mat::from_fn(size, size, k_of);
        let of_map = &k_all * &sigma * &k_all;
        let apart = (&of_map - noise.covariance_of_map(&d, &b)).norm_l2();
        assert!(apart < 1e-6 * of_map.norm_l2(), "{apart}");
    }

    /// Noise with the covariance of the pull turns nothing.
    #[test]
    fn label_noise_has_no_rotation() {
        let (p, k) = (3, 2);
        let identity = Mat::from_fn(p * k, p * k, |i, j| f64::from(u8::from(i == j)));
        let noise = AveragedNoise::new(k, vec![1.3, 0.9, 0.4], identity);
        let blocks = noise.rotation(&definite(p, 1), &definite(k, 50));
        let largest = blocks.iter().flatten().fold(0.0_f64, |a, b| a.max(b.abs()));
        assert!(largest < 1e-14, "{largest:e}");
    }
}

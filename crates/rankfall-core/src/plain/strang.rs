//! The Lie–Strang step with its matrices written out, commutators and all.

use faer::Mat;

use super::engine::{Plain, exponential, off_diagonal};
use crate::linalg::dense::product;
use crate::trajectories::state::DIVERGED;

impl Plain {
    /// Takes step number `step` of length `h`; false if it diverged instead.
    pub(super) fn lie_strang(&mut self, step: u64, h: f64) -> bool {
        let deviation = (self.dynamics.noise_intensity(self.problem.samples) * h).sqrt();
        let noise = self.brownian_increment(step, deviation);
        let other = self.gaussian_noise(self.area_noise, step, deviation);
        let x = off_diagonal(&noise);
        let brackets = &x + self.double_commutator(&x, h);
        let area = commutator(&brackets, &off_diagonal(&other)) * faer::Scale(0.125f64.sqrt());
        if !self.drift(0.5 * h) || noise.norm_l2() > DIVERGED {
            return false;
        }
        self.multiply(&exponential(&brackets));
        self.multiply(&exponential(&area));
        self.drift(0.5 * h)
    }

    /// The drift over `length`; false if it diverged instead.
    fn drift(&mut self, length: f64) -> bool {
        let damping = exponential(&(self.ito() * faer::Scale(0.5 * length / self.time_unit)));
        let start = self.weights.clone();
        let slope = self.negative_gradient(&start) * faer::Scale(0.5 * length);
        self.multiply(&damping);
        self.descend(&slope);
        let middle = std::mem::replace(&mut self.weights, start);
        let increment = self.negative_gradient(&middle) * faer::Scale(length);
        let size = increment.norm_l2();
        if size.is_nan() || size > DIVERGED {
            return false;
        }
        self.multiply(&damping);
        self.multiply(&exponential(&off_diagonal(&increment)));
        self.multiply(&damping);
        true
    }

    /// (h/12) Σ_ab [V_ab, [V_ab, X]], V_ab = √ν H(S^{1/2} E_ab).
    fn double_commutator(&self, x: &Mat<f64>, h: f64) -> Mat<f64> {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let nu = self.dynamics.noise_intensity(self.problem.samples);
        let mut sum = Mat::zeros(p + k, p + k);
        for a in 0..p {
            for b in 0..k {
                let column = |i, j| {
                    if j == b {
                        nu.sqrt() * self.root[(i, a)]
                    } else {
                        0.0
                    }
                };
                let v = off_diagonal(&Mat::from_fn(p, k, column));
                sum += commutator(&v, &commutator(&v, x));
            }
        }
        sum * faer::Scale(h / 12.0)
    }
}

/// [A, B] = AB − BA.
fn commutator(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    product(a, b) - product(b, a)
}

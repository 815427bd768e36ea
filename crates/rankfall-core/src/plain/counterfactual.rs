//! Scaled forces with the eigenvectors of M = ΘΘᵀ written out.

use faer::Mat;

use super::engine::{Plain, theta};
use crate::linalg::dense::{eigen_semidefinite, product};
use crate::model::dynamics::{ForceScales, ForceSplit};

impl Plain {
    /// Θ ← exp(½ h Σ_i x_i v_i v_iᵀ) Θ, x_i = Σ_F (c_F − 1) F_i, with the repulsion smoothed where
    /// eigenvalues meet as [`crate::theory::forces`] says.
    pub(super) fn scale_forces(&mut self, scales: ForceScales, h: f64) {
        let theta = theta(&self.weights);
        let m = product(&theta, &theta.transpose().to_owned());
        let (values, vectors) = eigen_semidefinite(&m);
        let rates: Vec<f64> = (0..values.len())
            .map(|i| self.extra_rate(scales, h, i, &values, &vectors))
            .collect();
        let d = values.len();
        let scaling = Mat::from_fn(d, d, |row, column| {
            (0..d)
                .map(|i| {
                    let factor = libm::exp(0.5 * h * rates[i]);
                    vectors[(row, i)] * factor * vectors[(column, i)]
                })
                .sum::<f64>()
        });
        self.multiply(&scaling);
    }

    /// x_i, eigenvalues in any order.
    fn extra_rate(
        &self,
        scales: ForceScales,
        h: f64,
        i: usize,
        values: &[f64],
        vectors: &Mat<f64>,
    ) -> f64 {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let a = self.negative_gradient(&self.weights);
        let top = |j: usize| Mat::from_fn(p, 1, |row, _| vectors[(row, j)]);
        let bottom = |j: usize| Mat::from_fn(k, 1, |row, _| vectors[(p + row, j)]);
        let form = |x: &Mat<f64>, matrix: &Mat<f64>, y: &Mat<f64>| {
            product(&x.transpose().to_owned(), &product(matrix, y))[(0, 0)]
        };
        let identity = Mat::<f64>::identity(k, k);
        let s = |x: usize, y: usize| form(&top(x), &self.sxx, &top(y));
        let b = |x: usize, y: usize| form(&bottom(x), &identity, &bottom(y));
        let nu = self.dynamics.noise_intensity(self.problem.samples);
        let q = |j: usize| nu * (s(i, i) * b(j, j) + s(j, j) * b(i, i) + 2.0 * s(i, j) * b(i, j));
        let (mut growth, mut repulsion) = (0.0, 0.0);
        for j in (0..values.len()).filter(|&j| j != i) {
            growth += q(j);
            let (large, small) = (values[i].max(values[j]), values[i].min(values[j]));
            let ratio = small / large;
            let gap = ((1.0 - ratio).powi(2) + 16.0 * 1.206 * h * q(j)).sqrt();
            let [up, down] = match scales.split {
                ForceSplit::Regular => [4.0 * ratio, 4.0],
                ForceSplit::Antisymmetric => [2.0 * (1.0 + ratio); 2],
            };
            let weight = if values[i] > values[j] { up } else { -down };
            repulsion += q(j) * weight / gap;
        }
        let common = match scales.split {
            ForceSplit::Regular => growth,
            ForceSplit::Antisymmetric => -growth,
        };
        (scales.gradient - 1.0) * 4.0 * form(&top(i), &a, &bottom(i))
            - (scales.own_noise - 1.0) * q(i)
            + (scales.common - 1.0) * common
            + (scales.repulsion - 1.0) * repulsion
    }
}

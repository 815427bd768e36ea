//! Synthetic regression data: Gaussian inputs of a chosen covariance, labels from a linear
//! teacher, Gaussian residuals.

use faer::Mat;
use thiserror::Error;

use crate::linalg::dense::{dot, eigen_semidefinite, gaussian, product, thin_svd};
use crate::model::gram::{Gram, GramAccumulator, GramError};
use crate::model::problem::{Rows, Truth};
use crate::random::philox::{Purpose, StreamKey, StreamReader};

/// Rows made and summed at a time.
const CHUNK: usize = 4096;

/// The covariance E x xᵀ of the inputs.
#[derive(Clone, Debug)]
pub enum Covariance {
    /// I.
    Identity,
    /// Diagonal, entry i (from 1) equal to i^(−exponent).
    PowerLaw(f64),
    /// This symmetric positive semidefinite p × p matrix.
    Matrix(Mat<f64>),
}

/// How the teacher β (p × k) is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Teacher {
    /// Independent N(0, 1) entries.
    Gaussian,
    /// A product of Gaussian p × r and r × k factors over √r: rank r, entries of variance 1.
    Rank(usize),
    /// Random orthonormal singular vectors and these singular values.
    SingularValues(Vec<f64>),
}

/// A recipe for synthetic data.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// n.
    pub samples: u64,
    /// p.
    pub inputs: usize,
    /// k.
    pub outputs: usize,
    /// Of the inputs.
    pub covariance: Covariance,
    /// The teacher.
    pub teacher: Teacher,
    /// Standard deviation of the Gaussian residual of each label.
    pub residual_noise: f64,
}

/// Data drawn from a recipe.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Its Gram matrices.
    pub gram: Gram,
    /// Its rows, where asked for.
    pub rows: Option<Rows>,
    /// What generated it.
    pub truth: Truth,
}

/// A recipe that cannot be followed.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SyntheticError {
    /// The covariance is not one.
    #[error("the covariance matrix is not symmetric positive semidefinite: {0}")]
    Covariance(&'static str),
    /// A teacher of impossible rank.
    #[error("a teacher of {inputs} inputs and {outputs} outputs cannot have rank {rank}")]
    Rank {
        /// What was asked for.
        rank: usize,
        /// p.
        inputs: usize,
        /// k.
        outputs: usize,
    },
    /// The rows could not be summed.
    #[error(transparent)]
    Gram(#[from] GramError),
}

impl Synthetic {
    /// Draws data number `trajectory` under `seed` (0 where all trajectories share one), with its
    /// rows if `keep_rows`.
    ///
    /// # Errors
    /// A covariance that is not one, a rank above min(p, k), rows beyond the range of numbers.
    pub fn draw(
        &self,
        seed: u64,
        trajectory: u64,
        keep_rows: bool,
    ) -> Result<Draw, SyntheticError> {
        let reader = |purpose| StreamKey::new(seed, purpose, 0).reader(trajectory, 0);
        let teacher = self.draw_teacher(&mut reader(Purpose::Teacher))?;
        let (root, covariance) = self.covariance_root()?;
        let mut inputs = reader(Purpose::Inputs);
        let mut residuals = reader(Purpose::Residuals);
        let mut sums = GramAccumulator::new(self.inputs, self.outputs);
        let mut kept = Rows {
            x: Vec::new(),
            y: Vec::new(),
            count: self.samples as usize,
        };
        let mut left = self.samples as usize;
        while left > 0 {
            let count = left.min(CHUNK);
            let x = self.draw_inputs(&mut inputs, &root, count);
            let y = self.label(&x, &teacher, &mut residuals);
            sums.add_rows(&x, &y)?;
            if keep_rows {
                kept.x.extend_from_slice(&x);
                kept.y.extend_from_slice(&y);
            }
            left -= count;
        }
        Ok(Draw {
            gram: sums.gram(),
            rows: keep_rows.then_some(kept),
            truth: Truth {
                teacher,
                covariance,
                residual_noise: self.residual_noise,
            },
        })
    }

    fn draw_teacher(&self, normals: &mut StreamReader) -> Result<Mat<f64>, SyntheticError> {
        let (p, k) = (self.inputs, self.outputs);
        let rank = match &self.teacher {
            Teacher::Gaussian => return Ok(gaussian(normals, p, k, 1.0)),
            Teacher::Rank(rank) => *rank,
            Teacher::SingularValues(values) => values.len(),
        };
        if rank > p.min(k) {
            return Err(SyntheticError::Rank {
                rank,
                inputs: p,
                outputs: k,
            });
        }
        let [left, right] = [p, k].map(|rows| gaussian(normals, rows, rank, 1.0));
        Ok(match &self.teacher {
            Teacher::SingularValues(values) => {
                let (u, v) = (thin_svd(&left).u, thin_svd(&right).u);
                let scaled = Mat::from_fn(p, rank, |i, j| u[(i, j)] * values[j]);
                product(&scaled, &v.transpose().to_owned())
            }
            _ => {
                let scale = 1.0 / (rank.max(1) as f64).sqrt();
                let scaled = Mat::from_fn(p, rank, |i, j| left[(i, j)] * scale);
                product(&scaled, &right.transpose().to_owned())
            }
        })
    }

    /// A square root F of the covariance, F Fᵀ = Σ, and Σ itself.
    fn covariance_root(&self) -> Result<(Mat<f64>, Mat<f64>), SyntheticError> {
        let p = self.inputs;
        let diagonal =
            |f: &dyn Fn(usize) -> f64| Mat::from_fn(p, p, |i, j| if i == j { f(i) } else { 0.0 });
        match &self.covariance {
            Covariance::Identity => Ok((diagonal(&|_| 1.0), diagonal(&|_| 1.0))),
            Covariance::PowerLaw(exponent) => {
                let variance = |i: usize| libm::pow(i as f64 + 1.0, -exponent);
                Ok((diagonal(&|i| variance(i).sqrt()), diagonal(&variance)))
            }
            Covariance::Matrix(sigma) => {
                check_covariance(sigma, p)?;
                let (values, basis) = eigen_semidefinite(sigma);
                let root = Mat::from_fn(p, p, |i, j| basis[(i, j)] * values[j].sqrt());
                // An indefinite matrix has the singular values of another one.
                let rebuilt = product(&root, &root.transpose().to_owned());
                if (&rebuilt - sigma).norm_max() > 1e-10 * sigma.norm_max() {
                    return Err(SyntheticError::Covariance("it has a negative eigenvalue"));
                }
                Ok((root, sigma.clone()))
            }
        }
    }

    fn draw_inputs(&self, normals: &mut StreamReader, root: &Mat<f64>, count: usize) -> Vec<f64> {
        let p = self.inputs;
        let mut x = Vec::with_capacity(count * p);
        let mut z = vec![0.0; p];
        let diagonal = !matches!(self.covariance, Covariance::Matrix(_));
        for _ in 0..count {
            z.fill_with(|| normals.normal());
            for i in 0..p {
                x.push(if diagonal {
                    root[(i, i)] * z[i]
                } else {
                    (0..p).map(|j| root[(i, j)] * z[j]).sum()
                });
            }
        }
        x
    }

    /// y = βᵀx + residual for each row of x.
    fn label(&self, x: &[f64], teacher: &Mat<f64>, residuals: &mut StreamReader) -> Vec<f64> {
        let mut y = Vec::with_capacity(x.len() / self.inputs * self.outputs);
        let noisy = self.residual_noise > 0.0;
        for row in x.chunks_exact(self.inputs) {
            for b in 0..self.outputs {
                let fit = dot(row, teacher.col_as_slice(b));
                y.push(match noisy {
                    true => fit + self.residual_noise * residuals.normal(),
                    false => fit,
                });
            }
        }
        y
    }
}

fn check_covariance(sigma: &Mat<f64>, inputs: usize) -> Result<(), SyntheticError> {
    let largest = sigma.norm_max();
    Err(SyntheticError::Covariance(
        if (sigma.nrows(), sigma.ncols()) != (inputs, inputs) {
            "it must have one row and column per input"
        } else if !largest.is_finite() {
            "it has entries that are not finite"
        } else if (sigma - sigma.transpose()).norm_max() > 1e-12 * largest {
            "it is not symmetric"
        } else {
            return Ok(());
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::dense::transpose_product;

    fn recipe(covariance: Covariance, teacher: Teacher) -> Synthetic {
        Synthetic {
            samples: 20_000,
            inputs: 3,
            outputs: 4,
            covariance,
            teacher,
            residual_noise: 0.5,
        }
    }

    /// Each entry of S_xx within six standard errors: false alarm below 10⁻⁷.
    #[test]
    fn inputs_have_their_covariance_and_labels_their_residuals() {
        let given = Mat::from_fn(3, 3, |i, j| {
            [[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 0.7]][i][j]
        });
        for covariance in [
            Covariance::Identity,
            Covariance::PowerLaw(1.5),
            Covariance::Matrix(given),
        ] {
            let draw = recipe(covariance, Teacher::Gaussian)
                .draw(4, 0, false)
                .expect("draws");
            let sigma = &draw.truth.covariance;
            for i in 0..3 {
                for j in 0..3 {
                    let variance = sigma[(i, i)] * sigma[(j, j)] + sigma[(i, j)].powi(2);
                    let error = draw.gram.sxx[(i, j)] - sigma[(i, j)];
                    assert!(
                        error.abs() < 6.0 * (variance / 20_000.0).sqrt(),
                        "({i}, {j}): {error}"
                    );
                }
            }
            // Mean squared residual of the first label: S_yy − 2 βᵀS_xy + βᵀS_xx β.
            let beta = &draw.truth.teacher;
            let fitted = transpose_product(&draw.gram.sxx, beta);
            let residual: f64 = draw.gram.syy[(0, 0)]
                + (0..3)
                    .map(|a| beta[(a, 0)] * (fitted[(a, 0)] - 2.0 * draw.gram.sxy[(a, 0)]))
                    .sum::<f64>();
            assert!((residual - 0.25).abs() < 6.0 * 0.25 * (2.0 / 20_000.0_f64).sqrt());
        }
    }

    #[test]
    fn teachers_have_their_rank_and_singular_values() {
        let sigma = |teacher| {
            let draw = recipe(Covariance::Identity, teacher)
                .draw(9, 2, false)
                .expect("draws");
            thin_svd(&draw.truth.teacher.transpose().to_owned()).sigma
        };
        assert!(sigma(Teacher::Rank(1))[1] < 1e-14);
        let chosen = sigma(Teacher::SingularValues(vec![3.0, 0.25]));
        for (got, want) in chosen.iter().zip([3.0, 0.25, 0.0]) {
            assert!((got - want).abs() < 1e-14);
        }
        let error = recipe(Covariance::Identity, Teacher::Rank(4))
            .draw(9, 0, false)
            .unwrap_err();
        assert_eq!(
            error,
            SyntheticError::Rank {
                rank: 4,
                inputs: 3,
                outputs: 4
            }
        );
    }

    #[test]
    fn what_is_no_covariance_is_refused() {
        let indefinite = Mat::from_fn(3, 3, |i, j| if i == j { 1.0 } else { -0.9 });
        let recipe = recipe(Covariance::Matrix(indefinite), Teacher::Gaussian);
        assert!(matches!(
            recipe.draw(1, 0, false),
            Err(SyntheticError::Covariance(_))
        ));
    }

    #[test]
    fn rows_are_the_ones_that_were_summed() {
        let draw = recipe(Covariance::Identity, Teacher::Gaussian)
            .draw(2, 7, true)
            .expect("draws");
        let rows = draw.rows.expect("asked for");
        let mut sums = GramAccumulator::new(3, 4);
        sums.add_rows(&rows.x, &rows.y).expect("sums");
        assert!((sums.gram().sxx - draw.gram.sxx).norm_max() < 1e-14);
    }
}

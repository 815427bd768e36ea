//! The two-layer linear network x ↦ W₂ᵀW₁ᵀx: weights, initialisations, and the exact reduction
//! of its width.
//!
//! Every update acts on Θ = [W₁; W₂ᵀ] from the left. With Θ₀ = L Qᵀ, Q orthonormal, Q never
//! changes: only L, with min(l, p + k) columns, has to be simulated.

use faer::Mat;
use thiserror::Error;

use crate::linalg::dense::{
    gaussian, left_factor, norm, product, revealing_left_factor, thin_svd, transpose_product,
};
use crate::model::problem::Problem;
use crate::random::philox::{Purpose, StreamKey, StreamReader};

/// Weights of the network: the product W₁W₂ (p × k) maps inputs to outputs.
#[derive(Clone, Debug)]
pub struct Weights {
    /// p × l.
    pub w1: Mat<f64>,
    /// l × k.
    pub w2: Mat<f64>,
}

impl Weights {
    /// The entries of W₁ and of W₂, column by column.
    pub fn columns(&self) -> [Vec<f64>; 2] {
        [&self.w1, &self.w2].map(|w| {
            let columns = (0..w.ncols()).flat_map(|j| w.col_as_slice(j));
            columns.copied().collect()
        })
    }

    /// The weights of a network of this width with these entries, as [`Self::columns`] lists them.
    pub fn from_columns([w1, w2]: [Vec<f64>; 2], width: usize) -> Self {
        let (inputs, outputs) = (w1.len() / width, w2.len() / width);
        Self {
            w1: Mat::from_fn(inputs, width, |i, j| w1[j * inputs + i]),
            w2: Mat::from_fn(width, outputs, |i, j| w2[j * width + i]),
        }
    }
}

/// How the initial weights are made.
#[derive(Clone, Debug)]
pub enum Initialisation {
    /// Independent N(0, scale²) entries.
    Gaussian {
        /// Standard deviation of each entry.
        scale: f64,
        /// If given, the smallest singular value of Θ₀ is replaced by this.
        smallest_singular_value: Option<f64>,
    },
    /// W₁ᵀW₁ = W₂W₂ᵀ, with W₁W₂ = scale² × a Gaussian matrix (of rank l where l < min(p, k)).
    Balanced {
        /// Standard deviation of W₁W₂ is scale².
        scale: f64,
    },
    /// These weights.
    Given(Weights),
}

/// Where a trajectory starts: Θ₀ = L Qᵀ in the eigenbasis of S_xx.
#[derive(Clone, Debug)]
pub struct Start {
    /// L, (p + k) × m with m = min(l, p + k).
    pub left: Mat<f64>,
    /// Q, l × m, orthonormal columns.
    pub right: Mat<f64>,
}

/// Weights that do not fit the problem.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum StartError {
    /// Wrong shapes.
    #[error(
        "w1 is {w1_rows} × {w1_columns} and w2 is {w2_rows} × {w2_columns}; \
         {inputs} inputs, width {width} and {outputs} outputs need w1 {inputs} × {width} \
         and w2 {width} × {outputs}"
    )]
    Shape {
        /// Rows of w1.
        w1_rows: usize,
        /// Columns of w1.
        w1_columns: usize,
        /// Rows of w2.
        w2_rows: usize,
        /// Columns of w2.
        w2_columns: usize,
        /// p.
        inputs: usize,
        /// l.
        width: usize,
        /// k.
        outputs: usize,
    },
    /// NaN or infinity among the weights.
    #[error("{matrix}[{row}, {column}] is not finite")]
    NotFinite {
        /// `w1` or `w2`.
        matrix: &'static str,
        /// Row from 0.
        row: usize,
        /// Column from 0.
        column: usize,
    },
    /// A smallest singular value was asked for where there is none to replace.
    #[error("smallest_singular_value needs width ≥ p + k = {needed}; the width is {width}")]
    TooNarrow {
        /// p + k.
        needed: usize,
        /// l.
        width: usize,
    },
}

impl Initialisation {
    /// Draws the start of `trajectory` (0 where all share one).
    ///
    /// # Errors
    /// Given weights of the wrong shape or not finite; a replaced singular value where l < p + k.
    pub fn start(
        &self,
        problem: &Problem,
        width: usize,
        seed: u64,
        trajectory: u64,
    ) -> Result<Start, StartError> {
        let weights = self.weights(problem, width, seed, trajectory);
        check(&weights, problem, width)?;
        match self {
            Self::Gaussian {
                smallest_singular_value: Some(smallest),
                ..
            } => Start::of(&weights, problem).with_smallest_singular_value(*smallest),
            Self::Gaussian { .. } => Ok(Start::of(&weights, problem)),
            Self::Balanced { .. } | Self::Given(_) => Ok(Start::revealing(&weights, problem)),
        }
    }

    fn weights(&self, problem: &Problem, width: usize, seed: u64, trajectory: u64) -> Weights {
        let (inputs, outputs) = (problem.inputs, problem.outputs);
        let mut normals = StreamKey::new(seed, Purpose::InitialWeights, 0).reader(trajectory, 0);
        match self {
            Self::Gaussian { scale, .. } => Weights {
                w1: gaussian(&mut normals, inputs, width, *scale),
                w2: gaussian(&mut normals, width, outputs, *scale),
            },
            Self::Balanced { scale } => {
                let map = gaussian(&mut normals, inputs, outputs, scale * scale);
                balanced(&map, width, &mut normals)
            }
            Self::Given(weights) => weights.clone(),
        }
    }
}

/// W₁ = U Σ^½ Rᵀ, W₂ = R Σ^½ Vᵀ for the map U Σ Vᵀ and random orthonormal columns R (l × r).
fn balanced(map: &Mat<f64>, width: usize, normals: &mut StreamReader) -> Weights {
    let svd = thin_svd(map);
    let rank = svd.sigma.len().min(width);
    let frame = thin_svd(&gaussian(normals, width, rank, 1.0)).u;
    let half = |matrix: &Mat<f64>| {
        Mat::from_fn(matrix.nrows(), rank, |i, j| {
            matrix[(i, j)] * svd.sigma[j].sqrt()
        })
    };
    let frame_transpose = frame.transpose().to_owned();
    Weights {
        w1: product(&half(&svd.u), &frame_transpose),
        w2: product(&frame, &half(&svd.v).transpose().to_owned()),
    }
}

fn check(weights: &Weights, problem: &Problem, width: usize) -> Result<(), StartError> {
    let Weights { w1, w2 } = weights;
    let (inputs, outputs) = (problem.inputs, problem.outputs);
    if (w1.nrows(), w1.ncols(), w2.nrows(), w2.ncols()) != (inputs, width, width, outputs) {
        return Err(StartError::Shape {
            w1_rows: w1.nrows(),
            w1_columns: w1.ncols(),
            w2_rows: w2.nrows(),
            w2_columns: w2.ncols(),
            inputs,
            width,
            outputs,
        });
    }
    for (matrix, name) in [(w1, "w1"), (w2, "w2")] {
        for column in 0..matrix.ncols() {
            if let Some(row) = matrix
                .col_as_slice(column)
                .iter()
                .position(|x| !x.is_finite())
            {
                return Err(StartError::NotFinite {
                    matrix: name,
                    row,
                    column,
                });
            }
        }
    }
    Ok(())
}

impl Start {
    /// The reduced start of these weights, which must fit the problem.
    pub fn of(weights: &Weights, problem: &Problem) -> Self {
        let rotated = transpose_product(&problem.basis, &weights.w1);
        let (left, right) = left_factor(stacked(&rotated, &weights.w2));
        Self { left, right }
    }

    /// The same for weights that may be singular, or have rows of very different sizes: rows of Θ
    /// that depend on others to the rounding of the weights are taken as exactly dependent, and the
    /// columns of `left` beyond the rank are exactly zero.
    ///
    /// Dependence is looked for before the inputs are rotated: rotated rows of W₁ are mixtures in
    /// which what was exactly zero, or small, is rounding.
    pub fn revealing(weights: &Weights, problem: &Problem) -> Self {
        let inputs = problem.inputs;
        let (left, right) = revealing_left_factor(stacked(&weights.w1, &weights.w2));
        let rotated = transpose_product(&problem.basis, &left.subrows(0, inputs).to_owned());
        let entry = |i: usize, j: usize| match i < inputs {
            true => rotated[(i, j)],
            false => left[(i, j)],
        };
        Self {
            left: Mat::from_fn(left.nrows(), left.ncols(), entry),
            right,
        }
    }

    /// How many columns of `left` are not zero: the rank of Θ₀ as far as it is known to be less
    /// than m.
    pub fn rank(&self) -> usize {
        let columns = 0..self.left.ncols();
        columns
            .filter(|&j| norm(self.left.col_as_slice(j)) > 0.0)
            .count()
    }

    fn with_smallest_singular_value(self, smallest: f64) -> Result<Self, StartError> {
        let (d, m) = (self.left.nrows(), self.left.ncols());
        if m < d {
            return Err(StartError::TooNarrow {
                needed: d,
                width: self.right.nrows(),
            });
        }
        let svd = thin_svd(&self.left);
        let sigma = |j: usize| if j + 1 == m { smallest } else { svd.sigma[j] };
        Ok(Self {
            left: Mat::from_fn(d, m, |i, j| svd.u[(i, j)] * sigma(j)),
            right: product(&self.right, &svd.v),
        })
    }

    /// The weights W₁ and W₂ in the original basis and width.
    pub fn weights(&self, problem: &Problem) -> Weights {
        lift_to_full_width(&self.left, &self.right, problem)
    }

    /// m = min(l, p + k).
    pub fn reduced_width(&self) -> usize {
        self.left.ncols()
    }
}

/// Θᵀ of Θ = [W₁; W₂ᵀ], l × (p + k).
pub fn stacked(w1: &Mat<f64>, w2: &Mat<f64>) -> Mat<f64> {
    let inputs = w1.nrows();
    Mat::from_fn(w1.ncols(), inputs + w2.ncols(), |j, i| match i < inputs {
        true => w1[(i, j)],
        false => w2[(j, i - inputs)],
    })
}

/// The weights of Θ = left · rightᵀ, given in the eigenbasis of S_xx, in the original basis.
pub fn lift_to_full_width(left: &Mat<f64>, right: &Mat<f64>, problem: &Problem) -> Weights {
    let theta = product(left, &right.transpose().to_owned());
    let p = problem.inputs;
    Weights {
        w1: product(&problem.basis, &theta.subrows(0, p).to_owned()),
        w2: theta.subrows(p, theta.nrows() - p).transpose().to_owned(),
    }
}

//! The regression problem a linear network sees: the Gram matrices, in the eigenbasis of S_xx.
//!
//! Rotating the inputs so that S_xx is diagonal (W₁ ← VᵀW₁) changes no singular value of W₁, Θ or
//! W₁W₂, and turns every product with S_xx and its square root into a scaling.

use std::sync::{Arc, OnceLock};

use faer::Mat;
use thiserror::Error;

use crate::linalg::dense::{dot, eigen_semidefinite, product, transpose_product};
use crate::model::graded_moments::{GradedMoments, decompose};
use crate::model::gram::Gram;
use crate::model::row_moments::RowMoments;
pub use crate::model::row_moments::Rows;

/// What generated synthetic data: y = βᵀx + residual, x of the given covariance.
#[derive(Clone, Debug)]
pub struct Truth {
    /// β, p × k.
    pub teacher: Mat<f64>,
    /// E x xᵀ, p × p.
    pub covariance: Mat<f64>,
    /// Standard deviation of each label's Gaussian residual.
    pub residual_noise: f64,
}

/// A problem in the eigenbasis of S_xx.
#[derive(Clone, Debug)]
pub struct Problem {
    /// p.
    pub inputs: usize,
    /// k.
    pub outputs: usize,
    /// n.
    pub samples: u64,
    /// Eigenvalues of S_xx, descending; those that are zero to rounding are exactly zero.
    pub eigenvalues: Vec<f64>,
    /// V with S_xx = V diag(eigenvalues) Vᵀ, p × p.
    pub basis: Mat<f64>,
    /// Vᵀ S_xy, p × k; zero where the eigenvalue is.
    pub sxy: Mat<f64>,
    /// VᵀS_xx⁺S_xy, p × k: the least-squares optimum of least norm.
    pub optimum: Mat<f64>,
    /// ½ tr(S_yy − S_xyᵀ S_xx⁺ S_xy) ≥ 0: the loss of the optimum.
    pub loss_floor: f64,
    /// In what the reported losses are, where not in the units of the outputs as they are fitted.
    pub loss_units: Option<LossUnits>,
    /// How many directions of inputs that are not zero have no second moment, to rounding: so many
    /// inputs are combinations of others.
    pub lost_directions: usize,
    /// Bound on the relative error of the least eigenvalue above zero, as far as rounding of S_xx
    /// goes.
    pub uncertainty: f64,
    /// The truth in this basis, where it is known.
    pub truth: Option<Truth>,
    /// The rows in this basis, where they are held.
    pub rows: Option<Arc<Rows>>,
    /// Worked out when first asked for.
    row_moments: OnceLock<RowMoments>,
}

/// The units of reported losses: ½ Σ weight_b · error_b², for outputs that were fitted scaled.
#[derive(Clone, Debug, PartialEq)]
pub struct LossUnits {
    /// The square of what each output was divided by, k of them.
    pub weights: Vec<f64>,
    /// The loss of the least-squares optimum in these units.
    pub floor: f64,
}

/// Why there is no problem to solve.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ProblemError {
    /// Shapes that do not fit each other.
    #[error("{what} is {got_rows} × {got_columns} where {rows} × {columns} was expected")]
    Shape {
        /// The matrix.
        what: &'static str,
        /// Its rows.
        got_rows: usize,
        /// Its columns.
        got_columns: usize,
        /// Rows expected.
        rows: usize,
        /// Columns expected.
        columns: usize,
    },
    /// Inputs that are zero throughout.
    #[error("every input is zero, so the weights never move; give inputs that vary")]
    NoSignal,
}

impl Problem {
    /// The problem of `gram`; `rows` and `truth` are in the original basis and are rotated here.
    ///
    /// # Errors
    /// Matrices that do not fit each other; inputs that are zero throughout.
    pub fn new(
        gram: &Gram,
        rows: Option<Rows>,
        truth: Option<Truth>,
    ) -> Result<Self, ProblemError> {
        let (inputs, outputs) = (gram.sxy.nrows(), gram.sxy.ncols());
        expect_shape("S_xx", &gram.sxx, inputs, inputs)?;
        expect_shape("S_yy", &gram.syy, outputs, outputs)?;
        let GradedMoments {
            eigenvalues,
            basis,
            sxy,
            optimum,
            loss_floor,
            rank,
            uncertainty,
        } = decomposed(gram);
        if rank == 0 {
            return Err(ProblemError::NoSignal);
        }
        let inputs_that_vary = (0..inputs).filter(|&i| gram.sxx[(i, i)] > 0.0).count();
        let rows = rows.map(|rows| rotate_rows(rows, &basis));
        let loss_floor = match &rows {
            Some(rows) => residual_loss(rows, &optimum),
            None => loss_floor,
        };
        let truth = truth.map(|truth| rotate_truth(truth, &basis, outputs));
        let truth = truth.transpose()?;
        Ok(Self {
            inputs,
            outputs,
            samples: gram.n,
            eigenvalues,
            basis,
            sxy,
            optimum,
            loss_floor,
            loss_units: None,
            lost_directions: inputs_that_vary.saturating_sub(rank),
            uncertainty,
            truth,
            rows: rows.map(Arc::new),
            row_moments: OnceLock::new(),
        })
    }

    /// The loss of the optimum in the units in which losses are reported.
    pub fn reported_loss_floor(&self) -> f64 {
        self.loss_units
            .as_ref()
            .map_or(self.loss_floor, |units| units.floor)
    }

    /// What the squared error of output `b` counts in reported losses.
    pub fn loss_weight(&self, b: usize) -> f64 {
        self.loss_units
            .as_ref()
            .map_or(1.0, |units| units.weights[b])
    }

    /// How the gradients of single rows scatter; none where no rows are held. Takes n p² operations
    /// the first time.
    pub fn row_moments(&self) -> Option<&RowMoments> {
        let rows = self.rows.as_ref()?;
        let work = || RowMoments::new(rows, &self.optimum);
        Some(self.row_moments.get_or_init(work))
    }

    /// tr S_xx.
    pub fn trace(&self) -> f64 {
        self.eigenvalues.iter().sum()
    }
}

/// Least eigenvalue, over the largest, up to which an eigensolver of S_xx itself is as good as any.
const WELL_SCALED: f64 = 1e-6;

/// By an eigensolver of S_xx where that loses nothing, and else from factors of the moments.
fn decomposed(gram: &Gram) -> GradedMoments {
    let inputs = gram.sxx.nrows();
    let (eigenvalues, basis) = eigen_semidefinite(&gram.sxx);
    let rank = eigenvalues.iter().filter(|&&s| s > 0.0).count();
    let largest = eigenvalues.first().copied().unwrap_or(0.0);
    let well_scaled = rank > 0 && eigenvalues[rank - 1] >= WELL_SCALED * largest;
    let nonzero = (0..inputs).filter(|&i| gram.sxx[(i, i)] > 0.0).count();
    if !well_scaled || rank < nonzero {
        let graded = decompose(gram);
        if !well_scaled || graded.rank != rank {
            return graded;
        }
    }
    well_scaled_moments(gram, eigenvalues, basis, rank)
}

fn well_scaled_moments(
    gram: &Gram,
    eigenvalues: Vec<f64>,
    basis: Mat<f64>,
    rank: usize,
) -> GradedMoments {
    let (inputs, outputs) = (gram.sxy.nrows(), gram.sxy.ncols());
    let mut sxy = transpose_product(&basis, &gram.sxy);
    let mut optimum = Mat::zeros(inputs, outputs);
    let mut explained = 0.0;
    for (a, &s) in eigenvalues.iter().enumerate() {
        for b in 0..outputs {
            if s == 0.0 {
                sxy[(a, b)] = 0.0;
            } else {
                optimum[(a, b)] = sxy[(a, b)] / s;
                explained += sxy[(a, b)] * optimum[(a, b)];
            }
        }
    }
    let total: f64 = (0..outputs).map(|b| gram.syy[(b, b)]).sum();
    let least = eigenvalues[..rank].last().copied().unwrap_or(0.0);
    let mut loss_floor = 0.5 * (total - explained);
    if loss_floor <= WELL_SCALED * total {
        // Outputs that the inputs explain nearly: the difference is rounding of their mean squares.
        loss_floor = decompose(gram).loss_floor;
    }
    GradedMoments {
        uncertainty: 4.0 * inputs as f64 * f64::EPSILON * eigenvalues[0] / least,
        eigenvalues,
        basis,
        sxy,
        optimum,
        loss_floor,
        rank,
    }
}

fn expect_shape(
    what: &'static str,
    matrix: &Mat<f64>,
    rows: usize,
    columns: usize,
) -> Result<(), ProblemError> {
    let (got_rows, got_columns) = (matrix.nrows(), matrix.ncols());
    if (got_rows, got_columns) == (rows, columns) {
        Ok(())
    } else {
        Err(ProblemError::Shape {
            what,
            got_rows,
            got_columns,
            rows,
            columns,
        })
    }
}

fn rotate_truth(truth: Truth, basis: &Mat<f64>, outputs: usize) -> Result<Truth, ProblemError> {
    let inputs = basis.nrows();
    expect_shape("the teacher", &truth.teacher, inputs, outputs)?;
    expect_shape("the covariance", &truth.covariance, inputs, inputs)?;
    Ok(Truth {
        teacher: transpose_product(basis, &truth.teacher),
        covariance: transpose_product(basis, &product(&truth.covariance, basis)),
        residual_noise: truth.residual_noise,
    })
}

/// Each row x becomes Vᵀx.
fn rotate_rows(rows: Rows, basis: &Mat<f64>) -> Rows {
    let inputs = basis.nrows();
    let mut x = Vec::with_capacity(rows.x.len());
    for row in rows.x.chunks_exact(inputs) {
        x.extend((0..inputs).map(|a| dot(row, basis.col_as_slice(a))));
    }
    Rows { x, ..rows }
}

/// Σ|y − Pᵀx|²/(2n), without cancellation.
fn residual_loss(rows: &Rows, optimum: &Mat<f64>) -> f64 {
    let (inputs, outputs) = (optimum.nrows(), optimum.ncols());
    let mut sum = 0.0;
    let labels = rows.y.chunks_exact(outputs);
    for (x, y) in rows.x.chunks_exact(inputs).zip(labels) {
        for (b, &label) in y.iter().enumerate() {
            let error = label - dot(x, optimum.col_as_slice(b));
            sum += error * error;
        }
    }
    0.5 * sum / rows.count as f64
}

//! The three moments, what belongs to them, and what may be wrong with them.

use faer::{Mat, MatRef, Side};

/// Second moments of n rows of inputs (p columns) and outputs (k columns), uncentred.
#[derive(Clone, Debug)]
pub struct Gram {
    /// S_xx = XᵀX/n, p × p, symmetric positive semidefinite, possibly singular.
    pub sxx: Mat<f64>,
    /// S_xy = XᵀY/n, p × k.
    pub sxy: Mat<f64>,
    /// S_yy = YᵀY/n, k × k.
    pub syy: Mat<f64>,
    /// How many rows were seen.
    pub n: u64,
    /// The same moments with the means apart, where rows were seen: they keep what a large mean
    /// would drown.
    pub centred: Option<CentredMoments>,
}

/// Second moments about the means.
#[derive(Clone, Debug)]
pub struct CentredMoments {
    /// Of the d = p + k columns, inputs first.
    pub means: Vec<f64>,
    /// Centred second moments, d × d.
    pub moments: Mat<f64>,
}

/// What is wrong with a Gram, or with the rows offered to an accumulator.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GramError {
    /// No row was seen, so there are no moments.
    #[error("the Gram has n = 0 rows; at least one is needed")]
    NoRows,
    /// No input or no output column.
    #[error("the Gram has {inputs} input and {outputs} output columns; each must be at least 1")]
    NoColumns {
        /// Input columns, p.
        inputs: usize,
        /// Output columns, k.
        outputs: usize,
    },
    /// Matrices whose shapes do not fit together.
    #[error(
        "{matrix} is {rows} x {cols} but must be {expected_rows} x {expected_cols} (sxx p x p, sxy p x k, syy k x k)"
    )]
    Shape {
        /// `sxx`, `sxy` or `syy`.
        matrix: &'static str,
        /// Rows found.
        rows: usize,
        /// Columns found.
        cols: usize,
        /// Rows that fit the others.
        expected_rows: usize,
        /// Columns that fit the others.
        expected_cols: usize,
    },
    /// An entry is NaN or infinite; from rows, it means that squares overflowed.
    #[error(
        "{matrix}[{row}, {col}] is {value}; every entry must be finite (values beyond 1e154 have squares that overflow: rescale that column)"
    )]
    NotFinite {
        /// `sxx`, `sxy` or `syy`.
        matrix: &'static str,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        col: usize,
        /// What stands there.
        value: f64,
    },
    /// `sxx` or `syy` differs from its transpose by more than rounding.
    #[error(
        "{matrix} is not symmetric: [{row}, {col}] is {value} but [{col}, {row}] is {mirrored}"
    )]
    NotSymmetric {
        /// `sxx` or `syy`.
        matrix: &'static str,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        col: usize,
        /// The entry.
        value: f64,
        /// Its mirror image.
        mirrored: f64,
    },
    /// A diagonal entry is negative, or is zero with something else in its row.
    #[error(
        "the diagonal entry {index} of [[sxx, sxy], [sxy', syy]] is {value}, which no data has: mean squares are positive, and zero only for a column of zeros"
    )]
    Diagonal {
        /// Joint index from 0: inputs first, then outputs.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// The joint matrix of inputs and outputs has a negative eigenvalue.
    #[error(
        "[[sxx, sxy], [sxy', syy]], scaled to unit diagonal, has the eigenvalue {eigenvalue:e}, below rounding ({tolerance:e}): no data has these moments"
    )]
    NotPositiveSemidefinite {
        /// The least eigenvalue of the scaled matrix.
        eigenvalue: f64,
        /// How far below zero rounding can reach.
        tolerance: f64,
    },
    /// The eigenvalues of the joint matrix did not converge.
    #[error("the eigenvalues of [[sxx, sxy], [sxy', syy]] did not converge")]
    Eigenvalues,
    /// Rows offered to an accumulator do not have its shape.
    #[error(
        "{inputs_given} input and {outputs_given} output values are not whole rows of {inputs} inputs and {outputs} outputs"
    )]
    RowShape {
        /// Length of the inputs given.
        inputs_given: usize,
        /// Length of the outputs given.
        outputs_given: usize,
        /// Inputs per row, p.
        inputs: usize,
        /// Outputs per row, k.
        outputs: usize,
    },
    /// Two accumulators of different shape were merged.
    #[error(
        "cannot merge moments of {other_inputs} inputs and {other_outputs} outputs into {inputs} and {outputs}"
    )]
    MergeShape {
        /// Inputs of the receiver, p.
        inputs: usize,
        /// Outputs of the receiver, k.
        outputs: usize,
        /// Inputs of the other.
        other_inputs: usize,
        /// Outputs of the other.
        other_outputs: usize,
    },
}

impl Gram {
    /// Whether some data could have these moments, up to double-precision rounding.
    ///
    /// Same as [`Gram::check_to`] with the unit roundoff of `f64`.
    ///
    /// # Errors
    /// See [`Gram::check_to`].
    pub fn check(&self) -> Result<(), GramError> {
        self.check_to(f64::EPSILON)
    }

    /// Whether some data could have these moments, when entries are good to `precision`.
    ///
    /// At least one row and column, shapes that fit, finite entries, symmetric S_xx and S_yy, and
    /// the joint [[S_xx, S_xy], [S_xyᵀ, S_yy]] positive semidefinite. The last is asked of the
    /// matrix scaled to unit diagonal, so that a small column counts as much as a large one; its
    /// least eigenvalue may reach −256 d · `precision`, d = p + k, which leaves room for the
    /// rounding of a long sum. Singular is not an error. Cost d³/3 when it passes.
    ///
    /// # Errors
    /// The first of those that does not hold, in that order.
    pub fn check_to(&self, precision: f64) -> Result<(), GramError> {
        self.check_shapes()?;
        self.check_finite()?;
        let slack = 256.0 * precision;
        check_symmetric("sxx", self.sxx.as_ref(), slack)?;
        check_symmetric("syy", self.syy.as_ref(), slack)?;
        let scaled = self.scaled_joint(slack)?;
        check_positive(&scaled, slack * scaled.nrows() as f64)
    }

    fn check_shapes(&self) -> Result<(), GramError> {
        let (p, k) = (self.sxx.nrows(), self.syy.nrows());
        if self.n == 0 {
            return Err(GramError::NoRows);
        }
        if p == 0 || k == 0 {
            return Err(GramError::NoColumns {
                inputs: p,
                outputs: k,
            });
        }
        let shapes = [
            ("sxx", &self.sxx, p, p),
            ("syy", &self.syy, k, k),
            ("sxy", &self.sxy, p, k),
        ];
        for (matrix, m, expected_rows, expected_cols) in shapes {
            if (m.nrows(), m.ncols()) != (expected_rows, expected_cols) {
                return Err(GramError::Shape {
                    matrix,
                    rows: m.nrows(),
                    cols: m.ncols(),
                    expected_rows,
                    expected_cols,
                });
            }
        }
        Ok(())
    }

    /// Whether every entry is finite.
    ///
    /// # Errors
    /// [`GramError::NotFinite`], the first entry that is not.
    pub fn check_finite(&self) -> Result<(), GramError> {
        for (matrix, m) in [("sxx", &self.sxx), ("sxy", &self.sxy), ("syy", &self.syy)] {
            for col in 0..m.ncols() {
                for row in 0..m.nrows() {
                    let value = m[(row, col)];
                    if !value.is_finite() {
                        return Err(GramError::NotFinite {
                            matrix,
                            row,
                            col,
                            value,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Entry (i, j) of [[S_xx, S_xy], [S_xyᵀ, S_yy]].
    pub(crate) fn joint(&self, i: usize, j: usize) -> f64 {
        let p = self.sxx.nrows();
        match (i < p, j < p) {
            (true, true) => self.sxx[(i, j)],
            (true, false) => self.sxy[(i, j - p)],
            (false, true) => self.sxy[(j, i - p)],
            (false, false) => self.syy[(i - p, j - p)],
        }
    }

    /// The joint matrix with unit diagonal; a column of zeros keeps a zero row.
    fn scaled_joint(&self, slack: f64) -> Result<Mat<f64>, GramError> {
        let d = self.sxx.nrows() + self.syy.nrows();
        let joint = |i, j| self.joint(i, j);
        let scale: Vec<f64> = (0..d).map(|i| joint(i, i).max(0.0).sqrt()).collect();
        let largest = scale.iter().fold(0.0_f64, |a, &b| a.max(b));
        for index in 0..d {
            // Beside an exact zero on the diagonal only what rounds to zero may stand.
            let stray = (0..d).any(|j| joint(index, j).abs() > slack * largest * scale[j]);
            let value = joint(index, index);
            if value < 0.0 || (value == 0.0 && stray) {
                return Err(GramError::Diagonal { index, value });
            }
        }
        Ok(Mat::from_fn(d, d, |i, j| {
            if scale[i] == 0.0 || scale[j] == 0.0 {
                0.0
            } else {
                joint(i, j) / scale[i] / scale[j]
            }
        }))
    }
}

fn check_symmetric(matrix: &'static str, m: MatRef<'_, f64>, slack: f64) -> Result<(), GramError> {
    for col in 0..m.ncols() {
        for row in 0..col {
            let (value, mirrored) = (m[(row, col)], m[(col, row)]);
            let size = m[(row, row)].abs().sqrt() * m[(col, col)].abs().sqrt();
            if (value - mirrored).abs() > slack * size.max(value.abs()) {
                return Err(GramError::NotSymmetric {
                    matrix,
                    row,
                    col,
                    value,
                    mirrored,
                });
            }
        }
    }
    Ok(())
}

fn check_positive(scaled: &Mat<f64>, tolerance: f64) -> Result<(), GramError> {
    // A Cholesky factor of the shifted matrix settles it at a fraction of the cost; only when
    // there is none are the eigenvalues needed.
    let d = scaled.nrows();
    let shifted = Mat::from_fn(d, d, |i, j| {
        scaled[(i, j)] + if i == j { 0.5 * tolerance } else { 0.0 }
    });
    if shifted.llt(Side::Lower).is_ok() {
        return Ok(());
    }
    let eigenvalues = scaled
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|_| GramError::Eigenvalues)?;
    let eigenvalue = eigenvalues.into_iter().fold(f64::INFINITY, f64::min);
    // An entry beyond ±1e308 after scaling would make this NaN: refuse it too.
    if eigenvalue >= -tolerance {
        return Ok(());
    }
    Err(GramError::NotPositiveSemidefinite {
        eigenvalue,
        tolerance,
    })
}

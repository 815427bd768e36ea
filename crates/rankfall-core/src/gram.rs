//! The Gram matrices S_xx, S_xy, S_yy: all that a linear network ever sees of its data.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

/// Rows reduced at once. Fixed, so that the sums do not depend on how the rows came in.
const BLOCK: usize = 256;
/// Independent partial sums of a product; a multiple of every vector width met in practice.
const LANES: usize = 8;
/// Up to this many columns the products are written here; beyond, faer's packing pays off.
const SMALL: usize = 48;

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

    /// The joint matrix with unit diagonal; a column of zeros keeps a zero row.
    fn scaled_joint(&self, slack: f64) -> Result<Mat<f64>, GramError> {
        let p = self.sxx.nrows();
        let d = p + self.syy.nrows();
        let joint = |i: usize, j: usize| match (i < p, j < p) {
            (true, true) => self.sxx[(i, j)],
            (true, false) => self.sxy[(i, j - p)],
            (false, true) => self.sxy[(j, i - p)],
            (false, false) => self.syy[(i - p, j - p)],
        };
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

/// A running sum kept as an unevaluated pair, so that adding many blocks loses nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// Adds `value`; the rounding error of the addition is kept in `low` [Knuth's two-sum].
    #[inline(always)]
    fn add(&mut self, value: f64) {
        let total = self.high + value;
        let part = total - self.high;
        self.low += (self.high - (total - part)) + (value - part);
        self.high = total;
    }

    fn value(self) -> f64 {
        self.high + self.low
    }
}

/// Position of the entry (i, j), j ≤ i, in a packed lower triangle.
fn packed(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// Sums rows into a [`Gram`] in one pass, stably.
///
/// Keeps the count, the means and the centred co-moments of inputs and outputs together, one
/// block of rows at a time, joined by the pairwise update of Chan, Golub and LeVeque (1983);
/// the running sums are compensated. So a column with a large offset, or a scale far from the
/// others', keeps its own relative accuracy, and standardising needs no second pass.
///
/// - memory: 16 bytes per pair of the d = p + k columns (8 d² in all) and 256 rows;
/// - the result depends on the order of the rows but not on how they are split over calls;
/// - up to 48 columns it has the same bits on every machine.
///
/// ```
/// use rankfall_core::gram::GramAccumulator;
/// let mut moments = GramAccumulator::new(2, 1);
/// moments.add_rows(&[1.0, 2.0, 3.0, 4.0], &[1.0, -1.0])?;
/// assert_eq!(moments.gram().sxx[(0, 1)], (1.0 * 2.0 + 3.0 * 4.0) / 2.0);
/// # Ok::<(), rankfall_core::gram::GramError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GramAccumulator {
    inputs: usize,
    outputs: usize,
    /// Rows in `mean` and `moment`; those waiting in `block` are not counted.
    rows: u64,
    mean: Vec<Sum>,
    /// Centred co-moments Σ (z − z̄)(z − z̄)ᵀ of z = (x, y), packed lower triangle.
    moment: Vec<Sum>,
    /// Rows not yet reduced, one column after the other, `BLOCK` apart.
    block: Vec<f64>,
    filled: usize,
}

/// The moments of one block of rows.
struct BlockMoments {
    mean: Vec<Sum>,
    /// Packed lower triangle, as in the accumulator.
    moment: Vec<f64>,
}

impl GramAccumulator {
    /// An empty accumulator for `inputs` = p and `outputs` = k columns.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let columns = inputs + outputs;
        Self {
            inputs,
            outputs,
            rows: 0,
            mean: vec![Sum::default(); columns],
            moment: vec![Sum::default(); packed(columns, 0)],
            block: vec![0.0; columns * BLOCK],
            filled: 0,
        }
    }

    /// Bytes that an accumulator of that shape takes, with the Gram made from it.
    ///
    /// For refusing what cannot fit before anything is allocated; saturates.
    pub fn bytes(inputs: usize, outputs: usize) -> u64 {
        let columns = (inputs as u64).saturating_add(outputs as u64);
        let pairs = columns.saturating_mul(columns).saturating_mul(8 + 8 + 8);
        pairs.saturating_add(columns.saturating_mul(2 * 8 * BLOCK as u64))
    }

    /// Rows added so far.
    pub fn rows(&self) -> u64 {
        self.rows + self.filled as u64
    }

    /// Adds rows: `x` is rows × p and `y` rows × k, both row-major; any number of rows.
    ///
    /// NaN and infinities are not looked for here: they reach the Gram, where
    /// [`Gram::check`] finds them.
    ///
    /// # Errors
    /// [`GramError::RowShape`] when `x` and `y` are not equally many whole rows; nothing is added.
    pub fn add_rows(&mut self, x: &[f64], y: &[f64]) -> Result<(), GramError> {
        let rows = self.whole_rows(x.len(), y.len())?;
        let mut done = 0;
        while done < rows {
            let take = (BLOCK - self.filled).min(rows - done);
            let (p, k, at) = (self.inputs, self.outputs, self.filled);
            let (inputs, outputs) = self.block.split_at_mut(p * BLOCK);
            transpose(&x[done * p..(done + take) * p], p, inputs, at);
            transpose(&y[done * k..(done + take) * k], k, outputs, at);
            self.filled += take;
            done += take;
            if self.filled == BLOCK {
                self.reduce_block();
            }
        }
        Ok(())
    }

    fn whole_rows(&self, x: usize, y: usize) -> Result<usize, GramError> {
        let rows = match (self.inputs, self.outputs) {
            (0, 0) => 0,
            (0, k) => y / k,
            (p, _) => x / p,
        };
        if rows * self.inputs == x && rows * self.outputs == y {
            return Ok(rows);
        }
        Err(GramError::RowShape {
            inputs_given: x,
            outputs_given: y,
            inputs: self.inputs,
            outputs: self.outputs,
        })
    }

    /// Adds all rows of `other`, as if they had come after the rows here.
    ///
    /// # Errors
    /// [`GramError::MergeShape`] when the columns differ in number; nothing is changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), GramError> {
        if (self.inputs, self.outputs) != (other.inputs, other.outputs) {
            return Err(GramError::MergeShape {
                inputs: self.inputs,
                outputs: self.outputs,
                other_inputs: other.inputs,
                other_outputs: other.outputs,
            });
        }
        self.reduce_block();
        let other = other.reduced();
        let lows = other.moment.iter().map(|s| s.low);
        for (sum, low) in self.moment.iter_mut().zip(lows) {
            sum.add(low);
        }
        let moment = other.moment.iter().map(|s| s.high).collect();
        let mean = other.mean;
        self.join(&BlockMoments { mean, moment }, other.rows);
        Ok(())
    }

    /// A copy in which no row waits in the block.
    fn reduced(&self) -> Self {
        let mut all = self.clone();
        all.reduce_block();
        all
    }

    /// Moves the waiting rows into the moments.
    fn reduce_block(&mut self) {
        if self.filled == 0 {
            return;
        }
        let rows = std::mem::take(&mut self.filled);
        let moments = block_moments(&mut self.block, self.mean.len(), rows);
        self.join(&moments, rows as u64);
    }

    /// Joins the moments of two sets of rows [Chan, Golub, LeVeque 1983].
    fn join(&mut self, other: &BlockMoments, rows: u64) {
        let total = self.rows + rows;
        if total == 0 {
            return;
        }
        let weight = rows as f64 / total as f64;
        let factor = self.rows as f64 * weight;
        let apart: Vec<f64> = (self.mean.iter().zip(&other.mean))
            .map(|(a, b)| (b.high - a.high) + (b.low - a.low))
            .collect();
        for i in 0..apart.len() {
            let step = factor * apart[i];
            let row = packed(i, 0)..packed(i, 0) + i + 1;
            let sums = self.moment[row.clone()].iter_mut();
            for ((sum, &moment), &shift) in sums.zip(&other.moment[row]).zip(&apart) {
                sum.add(moment);
                // Skipped for the first block, where 0 · ∞ would turn an overflow into NaN.
                if self.rows > 0 {
                    sum.add(step * shift);
                }
            }
        }
        for (i, mean) in self.mean.iter_mut().enumerate() {
            if self.rows == 0 {
                *mean = other.mean[i];
            } else {
                mean.add(apart[i] * weight);
            }
        }
        self.rows = total;
    }

    /// The uncentred second moments of all rows added, S = C/n + m mᵀ.
    ///
    /// Without rows every entry is zero and n = 0, which [`Gram::check`] refuses.
    pub fn gram(&self) -> Gram {
        let all = self.reduced();
        all.assemble(|i, j| all.raw_moment(i, j))
    }

    /// The second moments after centring and scaling, from the same single pass.
    ///
    /// Inputs are centred and divided by their standard deviation (over n, not n − 1). Targets
    /// are centred when `center_targets`, and never scaled. An input that is constant, to the
    /// rounding of its own value, is centred and left at zero instead of being blown up to noise.
    pub fn standardized_gram(&self, center_targets: bool) -> Standardized {
        let all = self.reduced();
        let standardization = all.standardization(center_targets);
        let scale = &standardization.input_scales;
        let p = all.inputs;
        let gram = all.assemble(|i, j| match (i < p, j < p) {
            (true, true) if i == j && scale[i] > 0.0 => 1.0,
            (true, true) => all.scaled(i, j, scale[i] * scale[j]),
            (true, false) => all.scaled(i, j, scale[i]),
            (false, true) => all.scaled(i, j, scale[j]),
            (false, false) if center_targets => all.centred_moment(i, j),
            (false, false) => all.raw_moment(i, j),
        });
        Standardized {
            gram,
            standardization,
        }
    }

    fn standardization(&self, center_targets: bool) -> Standardization {
        let (p, d) = (self.inputs, self.mean.len());
        let mean = |i: usize| self.mean[i].value();
        // A column that varies by less than a few units in the last place of its value is constant.
        let scale = |i: usize| {
            let deviation = self.centred_moment(i, i).max(0.0).sqrt();
            let rounding = 4.0 * f64::EPSILON * mean(i).abs();
            if deviation > rounding { deviation } else { 0.0 }
        };
        let input_scales: Vec<f64> = (0..p).map(scale).collect();
        let target_means = (p..d).map(|i| if center_targets { mean(i) } else { 0.0 });
        Standardization {
            input_means: (0..p).map(mean).collect(),
            target_means: target_means.collect(),
            constant: (0..p).filter(|&i| input_scales[i] == 0.0).collect(),
            input_scales,
        }
    }

    /// Entry (i, j) of the centred second moment, C/n; 0 without rows.
    fn centred_moment(&self, i: usize, j: usize) -> f64 {
        self.moment[packed(i.max(j), i.min(j))].value() / (self.rows.max(1)) as f64
    }

    /// The centred moment divided by `scale`; 0 for a constant column, whose scale is 0.
    fn scaled(&self, i: usize, j: usize, scale: f64) -> f64 {
        if scale == 0.0 {
            0.0
        } else {
            self.centred_moment(i, j) / scale
        }
    }

    /// Entry (i, j) of the raw second moment; the product of the means in twice the precision.
    fn raw_moment(&self, i: usize, j: usize) -> f64 {
        let (a, b) = (self.mean[i], self.mean[j]);
        let product = a.high * b.high;
        if !product.is_finite() {
            return product;
        }
        let rest = a.high.mul_add(b.high, -product) + (a.high * b.low + a.low * b.high);
        product + (self.centred_moment(i, j) + rest)
    }

    fn assemble(&self, entry: impl Fn(usize, usize) -> f64) -> Gram {
        let (p, k) = (self.inputs, self.outputs);
        Gram {
            sxx: Mat::from_fn(p, p, &entry),
            sxy: Mat::from_fn(p, k, |i, j| entry(i, p + j)),
            syy: Mat::from_fn(k, k, |i, j| entry(p + i, p + j)),
            n: self.rows,
        }
    }
}

/// What was taken off and divided out of the columns; makes rows fit a standardised Gram.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardization {
    /// The mean of each input, p of them, in the input's own units.
    pub input_means: Vec<f64>,
    /// The standard deviation (over n) of each input, p of them; 0 for a constant one.
    pub input_scales: Vec<f64>,
    /// What was taken off each target, k of them; zeros when targets were not centred.
    pub target_means: Vec<f64>,
    /// Positions, from 0 and rising, of the inputs that are constant.
    pub constant: Vec<usize>,
}

impl Standardization {
    /// The standardised value of input `column`; 0 when that input is constant.
    ///
    /// `column` is counted from 0; one that does not exist gives `value` back.
    pub fn input(&self, column: usize, value: f64) -> f64 {
        match (self.input_means.get(column), self.input_scales.get(column)) {
            (Some(_), Some(&0.0)) => 0.0,
            (Some(mean), Some(scale)) => (value - mean) / scale,
            _ => value,
        }
    }

    /// The value of target `column` less its mean, where targets were centred.
    pub fn target(&self, column: usize, value: f64) -> f64 {
        value - self.target_means.get(column).copied().unwrap_or(0.0)
    }
}

/// A Gram of standardised columns, and how they were standardised.
#[derive(Clone, Debug)]
pub struct Standardized {
    /// Moments of the standardised columns: unit diagonal in S_xx but for constant inputs.
    pub gram: Gram,
    /// The means and scales used.
    pub standardization: Standardization,
}

/// Writes row-major `rows` into columns `BLOCK` apart, from row `at` on.
fn transpose(rows: &[f64], width: usize, columns: &mut [f64], at: usize) {
    if width == 0 {
        return;
    }
    for (r, row) in rows.chunks_exact(width).enumerate() {
        for (column, &value) in columns.chunks_exact_mut(BLOCK).zip(row) {
            column[at + r] = value;
        }
    }
}

/// Centres the first `rows` rows of a block in place and returns its moments.
fn block_moments(block: &mut [f64], columns: usize, rows: usize) -> BlockMoments {
    let mut mean = Vec::with_capacity(columns);
    for column in block.chunks_exact_mut(BLOCK) {
        mean.push(centre(column, rows));
    }
    let mut moment = vec![0.0; packed(columns, 0)];
    if columns <= SMALL {
        let length = rows.next_multiple_of(LANES);
        pulp::Arch::new().dispatch(|| small_products(block, columns, length, &mut moment));
    } else {
        large_products(block, columns, rows, &mut moment);
    }
    // The means were rounded; their remainders correct the co-moments.
    for i in 0..columns {
        for j in 0..=i {
            moment[packed(i, j)] -= rows as f64 * (mean[i].low * mean[j].low);
        }
    }
    BlockMoments { mean, moment }
}

/// Takes the mean off the first `rows` values, zeroes the others, and returns the mean.
fn centre(column: &mut [f64], rows: usize) -> Sum {
    let count = rows as f64;
    // Taking the first value off before summing keeps a constant column exact at any offset.
    let first = column[0];
    let high = first + column[..rows].iter().map(|v| v - first).sum::<f64>() / count;
    for value in &mut column[..rows] {
        *value -= high;
    }
    column[rows..].fill(0.0);
    let low = column[..rows].iter().sum::<f64>() / count;
    Sum { high, low }
}

/// Products of all pairs of columns, four partners at a time so that each load is used twice.
#[inline(always)]
fn small_products(block: &[f64], columns: usize, length: usize, moment: &mut [f64]) {
    let column = |i: usize| &block[i * BLOCK..i * BLOCK + length];
    for i in 0..columns {
        let mut j = 0;
        while j + 4 <= i + 1 {
            let partners = [column(j), column(j + 1), column(j + 2), column(j + 3)];
            moment[packed(i, j)..packed(i, j) + 4].copy_from_slice(&dots(column(i), partners));
            j += 4;
        }
        while j <= i {
            moment[packed(i, j)] = dots(column(i), [column(j)])[0];
            j += 1;
        }
    }
}

/// Inner products of `a` with each of `b`; lengths are equal multiples of `LANES`.
///
/// No fused multiply-add, and a fixed tree at the end: every machine gets the same bits.
#[inline(always)]
fn dots<const N: usize>(a: &[f64], b: [&[f64]; N]) -> [f64; N] {
    let mut sums = [[0.0; LANES]; N];
    let (a, _) = a.as_chunks::<LANES>();
    let b = b.map(|b| b.as_chunks::<LANES>().0);
    for (r, a) in a.iter().enumerate() {
        for (sum, b) in sums.iter_mut().zip(&b) {
            for lane in 0..LANES {
                sum[lane] += a[lane] * b[r][lane];
            }
        }
    }
    sums.map(|s| ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])))
}

/// The same products through faer, for many columns.
fn large_products(block: &[f64], columns: usize, rows: usize, moment: &mut [f64]) {
    let z = MatRef::from_column_major_slice_with_stride(block, rows, columns, BLOCK);
    let mut dense = vec![0.0; columns * columns];
    triangular::matmul(
        // Column-major upper is row-major lower, which packs without strides.
        MatMut::from_column_major_slice_mut(&mut dense, columns, columns),
        BlockStructure::TriangularUpper,
        Accum::Replace,
        z.transpose(),
        BlockStructure::Rectangular,
        z,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    for i in 0..columns {
        let row = &dense[i * columns..i * columns + i + 1];
        moment[packed(i, 0)..packed(i, 0) + i + 1].copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests;

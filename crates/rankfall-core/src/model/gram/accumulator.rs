//! Rows summed into Gram matrices in one pass, as they are or standardised.

use faer::Mat;

use super::block_layout::{ROWS, packed};
use super::block_moments::{BlockComoments, CompensatedSum};
use super::moments::{CentredMoments, Gram, GramError};

/// Sums rows into a [`Gram`] in one pass, stably.
///
/// Keeps the count, the means and the centred co-moments of inputs and outputs together, one
/// block of rows at a time, joined by the pairwise update of Chan, Golub and LeVeque (1983);
/// the running sums are compensated. So a column with a large offset, or a scale far from the
/// others', keeps its own relative accuracy, and standardising needs no second pass.
///
/// - memory: 16 bytes per pair of the d = p + k columns (8 d² in all) and 256 rows;
/// - the result depends on the order of the rows but not on how they are split over calls;
/// - it has the same bits on every machine.
///
/// ```
/// use rankfall_core::model::gram::GramAccumulator;
/// let mut moments = GramAccumulator::new(2, 1);
/// moments.add_rows(&[1.0, 2.0, 3.0, 4.0], &[1.0, -1.0])?;
/// assert_eq!(moments.gram().sxx[(0, 1)], (1.0 * 2.0 + 3.0 * 4.0) / 2.0);
/// # Ok::<(), rankfall_core::model::gram::GramError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GramAccumulator {
    inputs: usize,
    outputs: usize,
    /// Rows in `mean` and `moment`; those waiting in `block` are not counted.
    rows: u64,
    mean: Vec<CompensatedSum>,
    /// Centred co-moments Σ (z − z̄)(z − z̄)ᵀ of z = (x, y), packed lower triangle.
    moment: Vec<CompensatedSum>,
    /// Rows not yet reduced, one column after the other, `ROWS` apart.
    block: Vec<f64>,
    filled: usize,
}

impl GramAccumulator {
    /// An empty accumulator for `inputs` = p and `outputs` = k columns.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let columns = inputs + outputs;
        Self {
            inputs,
            outputs,
            rows: 0,
            mean: vec![CompensatedSum::default(); columns],
            moment: vec![CompensatedSum::default(); packed(columns, 0)],
            block: vec![0.0; columns * ROWS],
            filled: 0,
        }
    }

    /// Bytes that an accumulator of that shape takes, with the Gram made from it.
    ///
    /// For refusing what cannot fit before anything is allocated; saturates.
    pub fn bytes(inputs: usize, outputs: usize) -> u64 {
        let columns = (inputs as u64).saturating_add(outputs as u64);
        let pairs = columns.saturating_mul(columns).saturating_mul(8 + 8 + 8);
        pairs.saturating_add(columns.saturating_mul(2 * 8 * ROWS as u64))
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
            let take = (ROWS - self.filled).min(rows - done);
            let (p, k, at) = (self.inputs, self.outputs, self.filled);
            let (inputs, outputs) = self.block.split_at_mut(p * ROWS);
            transpose(&x[done * p..(done + take) * p], p, inputs, at);
            transpose(&y[done * k..(done + take) * k], k, outputs, at);
            self.filled += take;
            done += take;
            if self.filled == ROWS {
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
        self.join(&BlockComoments { mean, moment }, other.rows);
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
        let moments = BlockComoments::of(&mut self.block, self.mean.len(), rows);
        self.join(&moments, rows as u64);
    }

    /// Joins the moments of two sets of rows [Chan, Golub, LeVeque 1983].
    fn join(&mut self, other: &BlockComoments, rows: u64) {
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
        let means = all.mean.iter().map(|sum| sum.value()).collect();
        all.assemble(
            means,
            |i, j| all.raw_moment(i, j),
            |i, j| all.centred_moment(i, j),
        )
    }

    /// The second moments after centring and scaling, from the same single pass.
    ///
    /// Inputs are centred and divided by their standard deviation (over n, not n − 1). Targets
    /// are centred when `center_targets`, and never scaled. An input that is constant, to the
    /// rounding of its own value, is centred and left at zero instead of being blown up to noise.
    pub fn standardized_gram(&self, center_targets: bool) -> StandardizedGram {
        let all = self.reduced();
        let standardization = all.standardization(center_targets);
        let scale = &standardization.input_scales;
        let p = all.inputs;
        let centred = |i: usize, j: usize| match (i < p, j < p) {
            (true, true) if i == j && scale[i] > 0.0 => 1.0,
            (true, true) => all.scaled(i, j, scale[i] * scale[j]),
            (true, false) => all.scaled(i, j, scale[i]),
            (false, true) => all.scaled(i, j, scale[j]),
            (false, false) => all.centred_moment(i, j),
        };
        let raw = |i: usize, j: usize| match i >= p && j >= p && !center_targets {
            true => all.raw_moment(i, j),
            false => centred(i, j),
        };
        // Inputs have no mean any more, targets one if it was left to them.
        let mean = |i: usize| match i < p || center_targets {
            true => 0.0,
            false => all.mean[i].value(),
        };
        let means = (0..all.mean.len()).map(mean).collect();
        let gram = all.assemble(means, raw, centred);
        StandardizedGram {
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
            target_scales: vec![1.0; d - p],
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

    /// From means, raw moments and centred moments of the columns.
    fn assemble(
        &self,
        means: Vec<f64>,
        entry: impl Fn(usize, usize) -> f64,
        centred: impl Fn(usize, usize) -> f64,
    ) -> Gram {
        let (p, k) = (self.inputs, self.outputs);
        Gram {
            sxx: Mat::from_fn(p, p, &entry),
            sxy: Mat::from_fn(p, k, |i, j| entry(i, p + j)),
            syy: Mat::from_fn(k, k, |i, j| entry(p + i, p + j)),
            n: self.rows,
            centred: Some(CentredMoments {
                means,
                moments: Mat::from_fn(p + k, p + k, centred),
            }),
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
    /// What each target was divided by, k of them; ones when targets were not scaled.
    pub target_scales: Vec<f64>,
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

    /// The value of target `column` less its mean, where targets were centred, in units of its
    /// scale, where they were scaled.
    pub fn target(&self, column: usize, value: f64) -> f64 {
        let centred = value - self.target_means.get(column).copied().unwrap_or(0.0);
        centred / self.target_scales.get(column).copied().unwrap_or(1.0)
    }
}

/// A Gram of standardised columns, and how they were standardised.
#[derive(Clone, Debug)]
pub struct StandardizedGram {
    /// Moments of the standardised columns: unit diagonal in S_xx but for constant inputs.
    pub gram: Gram,
    /// The means and scales used.
    pub standardization: Standardization,
}

impl StandardizedGram {
    /// Divides centred targets by their standard deviations (over n) as well.
    ///
    /// A target that is constant, to the rounding of its value, keeps the scale 1.
    pub fn scale_targets(&mut self) {
        let (gram, standardization) = (&mut self.gram, &mut self.standardization);
        let means = &standardization.target_means;
        let scale = |j: usize| {
            let deviation = gram.syy[(j, j)].max(0.0).sqrt();
            let rounding = 4.0 * f64::EPSILON * means[j].abs();
            if deviation > rounding { deviation } else { 1.0 }
        };
        let scales: Vec<f64> = (0..means.len()).map(scale).collect();
        for (j, &scale) in scales.iter().enumerate() {
            for i in 0..gram.sxy.nrows() {
                gram.sxy[(i, j)] /= scale;
            }
            for (i, &other) in scales.iter().enumerate() {
                gram.syy[(i, j)] /= scale * other;
            }
        }
        standardization.target_scales = scales;
    }
}

/// Writes row-major `rows` into columns `ROWS` apart, from row `at` on.
fn transpose(rows: &[f64], width: usize, columns: &mut [f64], at: usize) {
    if width == 0 {
        return;
    }
    for (r, row) in rows.chunks_exact(width).enumerate() {
        for (column, &value) in columns.chunks_exact_mut(ROWS).zip(row) {
            column[at + r] = value;
        }
    }
}

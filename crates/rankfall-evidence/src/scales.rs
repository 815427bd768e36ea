//! Scales of a setting that several claims measure on: widths, times, steps.

use faer::Mat;
use rankfall_core::model::network::Start;
use rankfall_core::model::problem::{Problem, Rows};

use crate::evidence::Stop;
use crate::setting::Setting;

/// Widths at which a law for l ≥ p + k is tested: the least, the setting's, and a large one; only
/// the setting's where weights are given.
pub fn widths(setting: &Setting) -> Vec<usize> {
    let d = setting.rows_of_theta();
    if !setting.any_width() {
        return vec![setting.width];
    }
    let mut widths = vec![d, setting.width, (d + 3).max(40)];
    widths.sort_unstable();
    widths.dedup();
    widths
}

/// So many starts where they can be drawn, else one.
pub fn starts(setting: &Setting, wanted: u64) -> u64 {
    if setting.any_width() { wanted } else { 1 }
}

/// A time on the scale of learning: 50/tr(S), about ten for the paper's data.
pub fn horizon(setting: &Setting) -> f64 {
    50.0 / setting.problem.eigenvalues.iter().sum::<f64>()
}

/// A step at which integrators are stable from the setting's start of this width: the step size,
/// but not above 0.4 over the stiffness.
pub fn stable_step(setting: &Setting, width: usize) -> Result<f64, Stop> {
    Ok(setting.step_size.min(0.4 / setting.stiffness(width)?))
}

/// What rounding makes of log det M, of d rows, in so many steps: the exponential multiplies d
/// columns by a series; its d + 8 rounded operations per entry, relative to each column, add up in
/// the worst case.
pub fn rounding(rows: usize, steps: u64) -> f64 {
    let d = rows as f64;
    2.0 * d * 1.733 * (d + 8.0) * f64::EPSILON * steps as f64
}

/// `index` in subscript digits.
pub fn subscript(index: usize) -> String {
    let digit = |c: char| char::from_u32(u32::from('₀') + c.to_digit(10)?);
    index.to_string().chars().filter_map(digit).collect()
}

/// W₁W₂ of a start, p × k in the eigenbasis of S_xx.
pub fn product_of(start: &Start, inputs: usize) -> Mat<f64> {
    let (d, m) = (start.left.nrows(), start.left.ncols());
    Mat::from_fn(inputs, d - inputs, |a, b| {
        let term = |j: usize| start.left[(a, j)] * start.left[(inputs + b, j)];
        (0..m).map(term).sum()
    })
}

/// A = S_xy − S W₁W₂ of a start, p × k in the eigenbasis of S_xx.
pub fn negative_gradient(problem: &Problem, start: &Start) -> Mat<f64> {
    let map = product_of(start, problem.inputs);
    Mat::from_fn(problem.inputs, problem.outputs, |a, b| {
        problem.sxy[(a, b)] - problem.eigenvalues[a] * map[(a, b)]
    })
}

/// The largest |x|² of the rows.
pub fn largest_square(rows: &Rows, inputs: usize) -> f64 {
    let square = |x: &[f64]| x.iter().map(|u| u * u).sum::<f64>();
    let squares = rows.x.chunks_exact(inputs).map(square);
    squares.fold(0.0, f64::max)
}

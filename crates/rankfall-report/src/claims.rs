//! What `verify` found: one record per claim, with prediction, measurement, interval and verdict.
//!
//! These are the types of `claims.json`; [`crate::claims_page()`] and [`crate::claims_text()`] show
//! them.

use serde::{Deserialize, Serialize};

/// The version of the layout of [`ClaimsRecord`]; raised when a field changes its meaning.
pub const CLAIMS_SCHEMA: u32 = 1;

/// The claim was tested, its interval lies inside the margin and the alternative is rejected.
pub const HOLDS: &str = "holds";
/// The interval lies outside the margin.
pub const FAILS: &str = "fails";
/// The measurement was not sharp enough for either.
pub const CANNOT_TELL: &str = "cannot tell";
/// The claim says nothing about this setting.
pub const DOES_NOT_APPLY: &str = "does not apply";

/// What is measured must not lie above the upper end of the margin.
pub const AT_MOST: &str = "at most";
/// What is measured must not lie below the lower end of the margin.
pub const AT_LEAST: &str = "at least";
/// What is measured must lie between the ends of the margin.
pub const WITHIN: &str = "within";

/// How a claim with this margin bounds what is measured; none where it does not.
#[must_use]
pub fn relation([low, high]: [f64; 2]) -> Option<&'static str> {
    match (low > -UNBOUNDED, high < UNBOUNDED) {
        (true, true) => Some(WITHIN),
        (true, false) => Some(AT_LEAST),
        (false, true) => Some(AT_MOST),
        (false, false) => None,
    }
}

/// Ends of margins beyond this are no bounds: JSON has no infinity.
pub(crate) const UNBOUNDED: f64 = 1e300;

/// Everything one run of `verify` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimsRecord {
    /// [`CLAIMS_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// The seed everything was drawn from.
    pub seed: u64,
    /// How much was spent: `quick` or `full`.
    pub level: String,
    /// What the claims were tested on, in words: the paper's setting, or the user's experiment.
    pub setting: String,
    /// The command line that repeats it.
    pub command: String,
    /// Upper bound on the probability that any true claim is called false, over all comparisons.
    pub family_wise_rate: f64,
    /// How many comparisons share that bound.
    pub comparisons: u64,
    /// Wall seconds of the whole run.
    pub seconds: f64,
    /// The claims, in the order they are read.
    pub claims: Vec<ClaimRecord>,
}

/// One claim. The numbers are those of its decisive comparison; null where there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// A short name without blanks, unique in the record.
    pub id: String,
    /// A heading.
    pub title: String,
    /// The claim in words and symbols.
    pub statement: String,
    /// Where it is claimed: the paper, or derived here.
    pub source: String,
    /// `exact identity`, `asymptotic` or `qualitative`.
    pub kind: String,
    /// The named alternative that [`HOLDS`] rejects.
    pub alternative: String,
    /// What theory says.
    pub prediction: Option<f64>,
    /// What was found.
    pub measured: Option<f64>,
    /// The confidence interval of what was found, lower end first.
    pub interval: Option<[f64; 2]>,
    /// How the claim bounds what was measured: [`AT_MOST`] the upper end of `margin`, [`AT_LEAST`]
    /// the lower one, or [`WITHIN`] both; null where there is no margin.
    #[serde(default)]
    pub relation: Option<String>,
    /// Where the interval must lie, lower end first. An end that is not finite is written as null
    /// and cannot be read back; a one-sided margin ends at ±[`f64::MAX`].
    pub margin: Option<[f64; 2]>,
    /// Of the hypothesis that the claim is true; null where nothing is left to chance.
    pub p_value: Option<f64>,
    /// [`HOLDS`], [`FAILS`], [`CANNOT_TELL`] or [`DOES_NOT_APPLY`].
    pub verdict: String,
    /// Why this verdict, in one sentence; what it would take, where it cannot be told.
    pub reason: String,
    /// Wall seconds spent on it.
    pub seconds: f64,
    /// Every comparison that was made for it.
    pub comparisons: Vec<ComparisonRecord>,
    /// Its picture, where it has one.
    pub figure: Option<ClaimFigure>,
}

/// One prediction beside one measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRecord {
    /// What is compared, in words and symbols.
    pub what: String,
    /// What theory says.
    pub prediction: Option<f64>,
    /// What was found.
    pub measured: Option<f64>,
    /// The confidence interval of what was found, lower end first.
    pub interval: Option<[f64; 2]>,
    /// As in [`ClaimRecord::relation`].
    #[serde(default)]
    pub relation: Option<String>,
    /// Where the interval must lie, lower end first; one-sided as in [`ClaimRecord::margin`].
    pub margin: Option<[f64; 2]>,
    /// Of the hypothesis that the claim is true; null where nothing is left to chance.
    pub p_value: Option<f64>,
    /// [`HOLDS`], [`FAILS`], [`CANNOT_TELL`] or [`DOES_NOT_APPLY`].
    pub verdict: String,
}

/// The picture of a claim, as numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimFigure {
    /// Written above it.
    pub title: String,
    /// What it shows.
    pub caption: String,
    /// What the horizontal axis measures, with its unit.
    pub x_label: String,
    /// What the vertical axis measures, with its unit.
    pub y_label: String,
    /// Whether the horizontal axis is logarithmic; values that are not positive are left out then.
    pub x_log: bool,
    /// Whether the vertical axis is logarithmic.
    pub y_log: bool,
    /// The curves, painted in order.
    pub curves: Vec<ClaimCurve>,
}

/// One curve of a [`ClaimFigure`]. Lists belong together entry by entry; entries beyond the
/// shortest of `x` and `y` are left out, and so is what is not finite (JSON has no way to write
/// it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimCurve {
    /// What the legend calls it.
    pub label: String,
    /// How it is drawn.
    pub style: CurveStyle,
    /// Horizontal values.
    pub x: Vec<f64>,
    /// Vertical values.
    pub y: Vec<f64>,
    /// Lower ends of the intervals around `y`: error bars of points, the lower edge of a line's
    /// band.
    pub low: Option<Vec<f64>>,
    /// Upper ends of the same intervals.
    pub high: Option<Vec<f64>>,
}

/// How a [`ClaimCurve`] is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveStyle {
    /// A measured curve.
    Line,
    /// Theory.
    Dashed,
    /// Single measurements, with error bars where intervals are given.
    Points,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_written_in_kebab_case() {
        for (style, name) in [
            (CurveStyle::Line, "\"line\""),
            (CurveStyle::Dashed, "\"dashed\""),
            (CurveStyle::Points, "\"points\""),
        ] {
            assert_eq!(serde_json::to_string(&style).expect("written"), name);
            assert_eq!(
                serde_json::from_str::<CurveStyle>(name).expect("read"),
                style
            );
        }
    }
}

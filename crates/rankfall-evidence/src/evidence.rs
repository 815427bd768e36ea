//! What measuring a claim leaves, or why nothing was measured.

use rankfall_core::measure::rates::Estimate;
use thiserror::Error;

use crate::decision::Comparison;
use crate::picture::Picture;

/// What a claim measured.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Predictions beside measurements.
    pub comparisons: Vec<Comparison>,
    /// A picture of them.
    pub figure: Option<Picture>,
    /// What was done and seen, in one sentence.
    pub sentence: String,
}

impl Evidence {
    /// Nothing was measured, for this reason.
    pub fn none(reason: String) -> Self {
        Self {
            comparisons: Vec::new(),
            figure: None,
            sentence: reason,
        }
    }
}

/// Why a claim was not measured.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Stop {
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// It cannot be told here; the reason.
    #[error("{0}")]
    Unmeasured(String),
}

/// An error in words.
pub fn unmeasured(error: impl std::fmt::Display) -> Stop {
    Stop::Unmeasured(error.to_string())
}

/// The mean of a sample, with its error.
///
/// # Errors
/// Fewer than two values.
pub fn mean_of(values: &[f64]) -> Result<Estimate, Stop> {
    Estimate::of_sample(values)
        .ok_or_else(|| unmeasured("there is too little to take an error from"))
}

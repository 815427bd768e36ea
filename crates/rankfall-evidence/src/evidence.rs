//! What measuring a claim leaves, or why nothing was measured.

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

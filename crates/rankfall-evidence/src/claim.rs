//! What a claim is: a statement with a prediction, a named alternative, and a way to measure.

use thiserror::Error;

use crate::bench::Bench;
use crate::decision::Comparison;
use crate::figure::Figure;
use crate::setting::Setting;

/// Where a claim was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the paper.
    Paper,
    /// Not in the paper, or only for another setting.
    Beyond,
}

impl Source {
    /// As it is written in tables and records.
    pub fn words(self) -> &'static str {
        match self {
            Self::Paper => "the paper",
            Self::Beyond => "beyond the paper",
        }
    }
}

/// What kind of statement it is; decides where its margin comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An equation between numbers: the margin is rounding, derived.
    ExactIdentity,
    /// The first terms of an expansion: the margin is what was left out, derived.
    Asymptotic,
    /// An inequality.
    Qualitative,
}

impl Kind {
    /// As it is written in tables and records.
    pub fn words(self) -> &'static str {
        match self {
            Self::ExactIdentity => "exact identity",
            Self::Asymptotic => "asymptotic",
            Self::Qualitative => "qualitative",
        }
    }
}

/// What is said of a claim wherever it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Its name on the command line: small letters and hyphens.
    pub id: &'static str,
    /// A heading.
    pub title: &'static str,
    /// In words and symbols.
    pub statement: &'static str,
    /// Where it was made.
    pub source: Source,
    /// What kind of statement it is.
    pub kind: Kind,
    /// What *holds* rejects.
    pub alternative: &'static str,
}

/// One claim about two linear layers.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What is said of it.
    pub heading: Heading,
    /// How many statistical comparisons it makes in a setting, at most, or why it does not apply
    /// there.
    pub comparisons: fn(&Setting) -> Result<usize, String>,
    /// Measures it.
    pub measure: fn(&Bench) -> Result<Evidence, Stop>,
}

/// What a claim measured.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Predictions beside measurements.
    pub comparisons: Vec<Comparison>,
    /// A picture of them.
    pub figure: Option<Figure>,
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

//! What a spectrum is: singular values, each with a bound of its error, and how they were found.

use rankfall_checkpoints::CheckpointError;
use serde::{Deserialize, Serialize};

/// Why there is no spectrum.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The numbers cannot be read.
    #[error("{}", .0.detail)]
    Read(#[from] CheckpointError),
    /// Some numbers are NaN or infinite.
    #[error("{0} of its numbers are NaN or infinite")]
    NotFinite(usize),
    /// The largest singular value is no double.
    #[error("its largest singular value is beyond double precision")]
    TooLarge,
    /// An iteration did not end.
    #[error("its singular values did not converge")]
    NotConverged,
    /// The person asked to stop.
    #[error("interrupted before it was its turn")]
    Interrupted,
}

/// How singular values were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Eigenvalues of the Gram matrix in double precision.
    Gram,
    /// Bidiagonal form in double precision.
    Bidiagonal,
}

impl Method {
    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gram => "gram",
            Self::Bidiagonal => "bidiagonal",
        }
    }
}

/// A singular value and the bound of its absolute error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sigma {
    /// The value.
    pub value: f64,
    /// |value − truth| is at most this.
    pub bound: f64,
}

impl Sigma {
    /// Whether it is told from zero.
    #[must_use]
    pub fn is_resolved(self) -> bool {
        self.value > self.bound
    }
}

/// The singular values of a matrix, or of several, pooled: descending.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// With their bounds.
    pub sigmas: Vec<Sigma>,
    /// How; of several matrices the more careful one.
    pub method: Method,
}

//! What a spectrum is: singular values, each with a bound of its error, and how they were found.

use rankfall_checkpoints::CheckpointError;

/// Why there is no spectrum.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The numbers cannot be read.
    #[error("{}", .0.detail)]
    Read(#[from] CheckpointError),
    /// Some numbers are NaN or infinite.
    #[error("{0} of its numbers are NaN or infinite")]
    NotFinite(usize),
    /// An iteration did not end.
    #[error("its singular values did not converge")]
    NotConverged,
    /// The person asked to stop.
    #[error("interrupted before it was its turn")]
    Interrupted,
}

/// Squares of singular values, descending, all with one bound of their absolute errors.
pub struct Squares {
    /// May be negative by as much as the bound.
    pub squares: Vec<f64>,
    /// Of each.
    pub bound: f64,
}

/// Singular values, descending, all with one bound of their absolute errors.
pub struct SingularValues {
    /// None is negative.
    pub values: Vec<f64>,
    /// Of each.
    pub bound: f64,
}

/// How singular values were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq)]
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

impl Squares {
    /// Roots: √s is wrong by at most √δ, and by at most δ/(√s + √(s − δ)).
    pub fn roots(&self) -> Vec<Sigma> {
        let root = |&square: &f64| {
            let value = square.max(0.0).sqrt();
            let least = (square - self.bound).max(0.0).sqrt();
            Sigma {
                value,
                bound: (self.bound / (value + least)).min(self.bound.sqrt()),
            }
        };
        self.squares.iter().map(root).collect()
    }

    /// Whether every one is well above its bound.
    pub fn are_resolved(&self) -> bool {
        self.squares
            .last()
            .is_none_or(|&smallest| smallest > 4.0 * self.bound)
    }
}

impl SingularValues {
    /// All with their bound.
    pub fn sigmas(&self) -> Vec<Sigma> {
        self.values
            .iter()
            .map(|&value| Sigma {
                value,
                bound: self.bound,
            })
            .collect()
    }
}

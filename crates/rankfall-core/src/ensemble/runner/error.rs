//! How a run ends early.

/// How a run ended early; `E` says why a trajectory could not be started.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum RunError<E> {
    /// A trajectory could not be started.
    #[error(transparent)]
    Start(E),
    /// Interrupted; a checkpoint was kept.
    #[error("interrupted")]
    Interrupted,
    /// A checkpoint could not be kept.
    #[error("{0}")]
    Checkpoint(String),
    /// The checkpoint to resume from does not belong to this ensemble.
    #[error("the checkpoint is not one of this run: {0}")]
    ForeignCheckpoint(String),
}

impl<E> RunError<E> {
    /// The same end with another account of why a trajectory could not be started.
    pub fn map_start<F>(self, map: impl FnOnce(E) -> F) -> RunError<F> {
        match self {
            Self::Start(error) => RunError::Start(map(error)),
            Self::Interrupted => RunError::Interrupted,
            Self::Checkpoint(words) => RunError::Checkpoint(words),
            Self::ForeignCheckpoint(words) => RunError::ForeignCheckpoint(words),
        }
    }
}

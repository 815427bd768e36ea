//! What goes wrong with a checkpoint: which file, what, and what to do.

use std::path::{Path, PathBuf};

/// Why a checkpoint, or a tensor of it, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", path.display())]
pub struct CheckpointError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, and where in the file.
    pub detail: String,
    /// What to do about it, where something is known.
    pub cure: Option<String>,
}

impl CheckpointError {
    pub(crate) fn new(path: &Path, detail: impl Into<String>) -> Self {
        let (path, detail) = (path.to_owned(), detail.into());
        Self {
            path,
            detail,
            cure: None,
        }
    }

    pub(crate) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    pub(crate) fn reading(path: &Path, error: &std::io::Error) -> Self {
        Self::new(path, format!("it cannot be read: {error}"))
    }
}

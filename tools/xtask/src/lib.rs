//! Tasks of the rankfall workspace: its one test command, and the numbers and pictures in its
//! documents that come from runs.

pub mod document;
pub mod figures;
pub mod measured;
pub mod number;
pub mod python;
pub mod test;

use std::path::PathBuf;

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

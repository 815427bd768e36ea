//! What can be wrong with a data file, said so that a person can mend it.

use std::fmt;
use std::path::{Path, PathBuf};

use rankfall_core::model::gram::GramError;

/// A file that could not be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct DataError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: DataErrorKind,
}

/// Why a file could not be read: what a program can act on, and a sentence for everything else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataErrorKind {
    /// There is no such file; what is there in its place, if anything is.
    #[error("no such file{0}")]
    Missing(String),
    /// The file changed while it was read, or since when.
    #[error("the file changed {0}; nothing computed from it can be trusted: run again")]
    Changed(&'static str),
    /// Moments that no data could have.
    #[error("{0}")]
    Gram(#[from] GramError),
    /// What else is wrong, where, and what to do.
    #[error("{0}")]
    Other(String),
}

impl DataErrorKind {
    /// Binds the error to a file.
    pub(crate) fn at(self, path: &Path) -> DataError {
        let path = path.to_owned();
        DataError { path, kind: self }
    }
}

/// A row of a file, and for text the line it stands on; both counted from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowPosition {
    /// The row of data; a header is not counted.
    pub row: u64,
    /// The line of the file, for text.
    pub line: Option<u64>,
}

impl fmt::Display for RowPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "row {} (line {line})", self.row),
            None => write!(f, "row {}", self.row),
        }
    }
}

/// What is wrong, in a sentence.
pub(crate) fn wrong(sentence: impl Into<String>) -> DataErrorKind {
    DataErrorKind::Other(sentence.into())
}

pub(crate) fn empty() -> DataErrorKind {
    wrong("the file is empty")
}

/// The file ends before it should.
pub(crate) fn truncated(detail: impl fmt::Display) -> DataErrorKind {
    wrong(format!(
        "the file ends early: {detail}; copy or write it again"
    ))
}

/// The bytes contradict their own format.
pub(crate) fn damaged(detail: impl fmt::Display) -> DataErrorKind {
    wrong(format!("the file is damaged: {detail}"))
}

/// More memory than allowed; `cure` is what can be done.
pub(crate) fn too_large(
    what: impl fmt::Display,
    bytes: u64,
    limit: u64,
    cure: &str,
) -> DataErrorKind {
    let (bytes, limit) = (human_bytes(bytes), human_bytes(limit));
    wrong(format!(
        "{what} would take {bytes}, more than the limit of {limit}; {cure}"
    ))
}

pub(crate) fn not_utf8(location: impl fmt::Display) -> DataErrorKind {
    wrong(format!(
        "{location} is not UTF-8 text; save the file as UTF-8"
    ))
}

/// What is wrong with a value, by its row and the name of its column.
pub(crate) fn wrong_value(
    place: RowPosition,
    column: &str,
    what: impl fmt::Display,
) -> DataErrorKind {
    wrong(format!("{place}, column {column:?}: {what}"))
}

/// An empty field or a null.
pub(crate) fn no_value(place: RowPosition, column: &str) -> DataErrorKind {
    let what = "no value; drop or fill in rows with missing values";
    wrong_value(place, column, what)
}

/// NaN or an infinity.
pub(crate) fn not_finite(
    place: RowPosition,
    column: &str,
    value: impl fmt::Display,
) -> DataErrorKind {
    let what = format!("{value} is not finite; drop or replace such rows");
    wrong_value(place, column, what)
}

/// Arrays of inputs and targets with different numbers of rows, each by its name.
pub(crate) fn rows_differ(inputs: (&str, u64), targets: (&str, u64)) -> DataErrorKind {
    wrong(format!(
        "the array {:?} has {} rows but {:?} has {}",
        inputs.0, inputs.1, targets.0, targets.1
    ))
}

/// Bytes in the largest binary unit that keeps the number above 1.
fn human_bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{size:.1} {}", units[unit])
    }
}

/// Text from a file, shortened so that a message stays one line.
pub(crate) fn shortened(text: &[u8]) -> String {
    const LONGEST: usize = 40;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * LONGEST)]);
    let mut short: String = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

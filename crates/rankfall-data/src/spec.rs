//! What to read: the file, its columns, and what to make of them.

use std::fmt;
use std::path::PathBuf;

/// Default of [`FileSpec::memory_limit`]: 4 GiB.
const MEMORY_LIMIT: u64 = 4 << 30;

/// A file of rows, and which of its columns are inputs and targets.
///
/// [`FileSpec::new`] fills in the defaults; change the fields that differ.
#[derive(Clone, Debug)]
pub struct FileSpec {
    /// The file. Must be a regular file: it is read more than once.
    pub path: PathBuf,
    /// Its format; `None` looks at the first bytes, and refuses a file whose name says otherwise.
    pub format: Option<TableFormat>,
    /// Input columns in this order; `None` means every column that is neither a target nor an
    /// index, which a note then says.
    pub inputs: Option<Vec<ColumnSelector>>,
    /// Target columns in this order. Required, but for an NPZ with an array of targets, where
    /// `None` means all columns of that array.
    pub targets: Option<Vec<ColumnSelector>>,
    /// Whether a text file starts with column names.
    pub header: HeaderRow,
    /// What separates the columns of a text file; `None` finds out from its first lines.
    pub delimiter: Option<Delimiter>,
    /// Whether targets are classes, each distinct value of which becomes a 0/1 output.
    pub one_hot: bool,
    /// Whether inputs are centred and scaled to unit variance, and targets centred (one-hot
    /// outputs are left as they are).
    pub standardize: bool,
    /// Whether targets are scaled to unit variance as well, where `standardize` centres them.
    pub standardize_targets: bool,
    /// Which arrays of an NPZ hold inputs and targets.
    pub arrays: ArrayNames,
    /// Bytes that reading may hold at once; beyond, the file is refused with the estimate.
    pub memory_limit: u64,
}

impl FileSpec {
    /// A spec for `path`: format and header found out, every column but the targets an input,
    /// no one-hot, no standardising, at most 4 GiB. Targets are still to be named.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            inputs: None,
            targets: None,
            header: HeaderRow::Auto,
            delimiter: None,
            one_hot: false,
            standardize: false,
            standardize_targets: false,
            arrays: ArrayNames::default(),
            memory_limit: MEMORY_LIMIT,
        }
    }
}

/// A file format that holds rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Text with one row per line: CSV, TSV, or columns apart by white space; gzip or not.
    Csv,
    /// One NumPy array, one- or two-dimensional; gzip or not.
    Npy,
    /// Several named NumPy arrays in a ZIP archive.
    Npz,
    /// Apache Parquet.
    Parquet,
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Parquet => "parquet",
        })
    }
}

/// One column, by its name or its position from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnSelector {
    /// The column with exactly this name.
    Name(String),
    /// The column at this position, counted from 0.
    Position(usize),
}

impl From<&str> for ColumnSelector {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for ColumnSelector {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for ColumnSelector {
    fn from(position: usize) -> Self {
        Self::Position(position)
    }
}

impl fmt::Display for ColumnSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?}"),
            Self::Position(position) => write!(f, "{position}"),
        }
    }
}

/// Whether a text file starts with column names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderRow {
    /// The first line is names.
    Yes,
    /// The first line is a row; columns are called `column 0`, `column 1`, ….
    No,
    /// Told by the columns of the lines after it: words over numbers are names, and so are
    /// consecutive whole numbers over measurements. What could be otherwise is noted or refused.
    #[default]
    Auto,
}

impl From<bool> for HeaderRow {
    fn from(header: bool) -> Self {
        if header { Self::Yes } else { Self::No }
    }
}

/// What separates the columns of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// One byte, such as `b','`, `b';'` or `b'\t'`.
    Byte(u8),
    /// Any run of blanks and tabs; those at the ends of a line do not count.
    Whitespace,
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(b'\t') => f.write_str("tabs"),
            Self::Byte(b',') => f.write_str("commas"),
            Self::Byte(b';') => f.write_str("semicolons"),
            Self::Byte(byte) => write!(f, "{:?}", char::from(*byte)),
            Self::Whitespace => f.write_str("blanks and tabs"),
        }
    }
}

impl Delimiter {
    /// What a byte is that shall separate columns; `None` for those with a meaning of their own or in
    /// numbers and words.
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            b' ' => Some(Self::Whitespace),
            b'"' | b'\n' | b'\r' | b'.' | b'+' | b'-' => None,
            _ if byte.is_ascii_alphanumeric() || !byte.is_ascii() => None,
            _ => Some(Self::Byte(byte)),
        }
    }
}

/// Names of the arrays of an NPZ, without `.npy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrayNames {
    /// The array of inputs, n × p; `None` looks for `x`, `X` or `inputs`.
    pub inputs: Option<String>,
    /// The array of targets, n × k or of length n; `None` looks for `y`, `Y` or `targets`.
    /// An NPZ with no such array is one table, whose columns `FileSpec::targets` names.
    pub targets: Option<String>,
}

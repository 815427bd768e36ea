//! What can be wrong with a data file, said so that a person can mend it.

use std::fmt;
use std::path::{Path, PathBuf};

use rankfall_core::model::gram::GramError;

use crate::spec::TableFormat;

/// A file that could not be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct DataError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: DataErrorKind,
}

impl DataError {
    pub(crate) fn new(path: &Path, kind: DataErrorKind) -> Self {
        Self {
            path: path.to_owned(),
            kind,
        }
    }
}

/// A row of a file, and for text the line it stands on; both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPosition {
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

/// The ways in which a data file can be wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataErrorKind {
    /// There is no such file.
    #[error("no such file{}", instead(nearest, folder))]
    Missing {
        /// The file of its folder with the most similar name, if one is similar.
        nearest: Option<String>,
        /// The first folder on the way to it that is not there either.
        folder: Option<PathBuf>,
    },
    /// Data in memory that nobody holds any more, or that are in another process.
    #[error(
        "these data were in the memory of a program, and are not in that of this one; write them to a file"
    )]
    NoLongerInMemory,
    /// A folder was named.
    #[error("this is a directory; name a file in it")]
    Directory,
    /// A pipe, socket or device was named.
    #[error("this is not a regular file; data is read more than once, so save it to a file first")]
    NotRegular,
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    /// The file could not be written.
    #[error("cannot be written: {0}")]
    Write(String),
    /// Zero bytes, or nothing but blank lines.
    #[error("the file is empty")]
    Empty,
    /// Nothing but comments.
    #[error("the file has no rows: everything up to line {line} is a comment, starting with #")]
    OnlyComments {
        /// The last comment.
        line: u64,
    },
    /// A first line that could be names or a row.
    #[error(
        "line {line} could be names or a row with a word for a missing value: {listed}; set header = true or header = false"
    )]
    HeaderUnclear {
        /// The line, from 1.
        line: u64,
        /// Its fields.
        listed: String,
    },
    /// Names of which there are more or fewer than columns.
    #[error(
        "the line taken as names has {fields} fields and the lines after it have {rows}, separated by {separator}; if it is a title, remove it, and set delimiter if something else separates"
    )]
    FirstLine {
        /// Fields of the line of names.
        fields: usize,
        /// Fields of the others.
        rows: usize,
        /// What was taken to separate them.
        separator: String,
    },
    /// Column names and not one row.
    #[error("the file has a header but no rows; if its first line is a row, set header = false")]
    HeaderOnly,
    /// An array or table without rows.
    #[error("{what} has no rows")]
    NoRows {
        /// The array or table.
        what: String,
    },
    /// The first bytes are those of something else.
    #[error("{found}, not {expected}")]
    WrongKind {
        /// What the bytes say, as a clause.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The file changed while it was read, or since.
    #[error("the file changed {since}; nothing computed from it can be trusted: run again")]
    Changed {
        /// Since when.
        since: &'static str,
    },
    /// The file ends before it should.
    #[error("the file ends early: {detail}; copy or write it again")]
    Truncated {
        /// What was expected and what was there.
        detail: String,
    },
    /// The bytes contradict their own format.
    #[error("the file is damaged: {detail}")]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// Text that is not UTF-8.
    #[error("{location} is not UTF-8 text; save the file as UTF-8")]
    NotUtf8 {
        /// A line, or the file.
        location: String,
    },
    /// A line too long to be a row of numbers.
    #[error("line {line} is longer than {limit} MiB; is this a table with one row per line?")]
    LineTooLong {
        /// The line, from 1.
        line: u64,
        /// The limit in MiB.
        limit: usize,
    },
    /// A quotation mark that is never closed.
    #[error("the quotation mark opened on line {line} is never closed")]
    OpenQuote {
        /// The line, from 1.
        line: u64,
    },
    /// A row with more or fewer fields than the first.
    #[error(
        "{place} has {got} {}, but {expected} are expected from the lines before it; they are separated by {separator}, or set delimiter",
        if *got == 1 { "field" } else { "fields" }
    )]
    Ragged {
        /// The row.
        place: RowPosition,
        /// Fields of the first line.
        expected: usize,
        /// Fields of this row.
        got: usize,
        /// What was taken to separate them.
        separator: String,
    },
    /// Text where a number must stand.
    #[error("{place}, column {column:?}: {text:?} is not a number{hint}")]
    NotANumber {
        /// The row.
        place: RowPosition,
        /// The column's name.
        column: String,
        /// What stands there, shortened.
        text: String,
        /// What to do, where that can be guessed.
        hint: &'static str,
    },
    /// An empty field or a null.
    #[error("{place}, column {column:?}: no value; drop or fill in rows with missing values")]
    NoValue {
        /// The row.
        place: RowPosition,
        /// The column's name.
        column: String,
    },
    /// A word for a missing value among labels that are numbers.
    #[error(
        "{place}, column {column:?}: {text:?} stands for a missing value among numbers; drop or fill in such rows"
    )]
    MissingLabel {
        /// The row.
        place: RowPosition,
        /// The column's name.
        column: String,
        /// What stands there.
        text: String,
    },
    /// NaN or an infinity.
    #[error("{place}, column {column:?}: {value} is not finite; drop or replace such rows")]
    NotFinite {
        /// The row.
        place: RowPosition,
        /// The column's name.
        column: String,
        /// NaN or an infinity, as read.
        value: String,
    },
    /// Values whose squares overflow.
    #[error(
        "columns {first:?} and {second:?} have a mean product too large for a double; rescale them"
    )]
    Overflow {
        /// One column.
        first: String,
        /// The other, or the same.
        second: String,
    },
    /// Two columns have one name.
    #[error("columns {first} and {second} are both called {name:?}; rename one of them")]
    DuplicateName {
        /// The name.
        name: String,
        /// Position of the first, from 0.
        first: usize,
        /// Position of the second, from 0.
        second: usize,
    },
    /// A column or array that is not there.
    #[error(
        "there is no {what} {name:?}{}; there are: {available}",
        did_you_mean(nearest)
    )]
    Unknown {
        /// `column` or `array`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The most similar name there is.
        nearest: Option<String>,
        /// The names there are.
        available: String,
    },
    /// A column was named in a file whose columns have no names.
    #[error(
        "the column {name:?} cannot be found, for the columns have no names; use positions from 0 to {last}, or set header = true if the first line is names"
    )]
    NoNames {
        /// What was asked for.
        name: String,
        /// The last position.
        last: usize,
    },
    /// A position beyond the last column.
    #[error("there is no column {position}: positions go from 0 to {last}")]
    NoPosition {
        /// What was asked for.
        position: usize,
        /// The last position.
        last: usize,
    },
    /// No target was named.
    #[error("no target columns are named; set targets to some of: {available}")]
    NoTargets {
        /// The names there are.
        available: String,
    },
    /// Nothing is left to be an input.
    #[error(
        "no input columns are left: every column is a target or an index; name inputs to use an index as one"
    )]
    NoInputs,
    /// A second file of the same table with other columns.
    #[error("its columns are not those of {}: {difference}; both files need the same columns, in any order, or name the inputs", other.display())]
    OtherColumns {
        /// The first file.
        other: PathBuf,
        /// What is here and not there, and the other way round.
        difference: String,
    },
    /// A column is input and target at once, or named twice.
    #[error("the column {name:?} is named twice, as {first} and as {second}; once is enough")]
    Repeated {
        /// The column.
        name: String,
        /// `an input` or `a target`.
        first: &'static str,
        /// `an input` or `a target`.
        second: &'static str,
    },
    /// A class column with very many values.
    #[error(
        "column {column:?} has more than {limit} distinct values; is it a class? Without one_hot = true it is one numeric output"
    )]
    TooManyClasses {
        /// The column.
        column: String,
        /// The limit.
        limit: usize,
    },
    /// Values that are not numbers, by their declared type.
    #[error("{column} holds {found}; {cure}")]
    Unsupported {
        /// The column or array.
        column: String,
        /// Its type.
        found: String,
        /// What can be done.
        cure: String,
    },
    /// Arrays of inputs and targets with different numbers of rows.
    #[error("the array {inputs:?} has {input_rows} rows but {targets:?} has {target_rows}")]
    RowsDiffer {
        /// Array of inputs.
        inputs: String,
        /// Its rows.
        input_rows: u64,
        /// Array of targets.
        targets: String,
        /// Its rows.
        target_rows: u64,
    },
    /// More memory than allowed.
    #[error("{what} would take {}, more than the limit of {}; {cure}", human_bytes(*bytes), human_bytes(*limit))]
    TooLarge {
        /// What would.
        what: String,
        /// The estimate in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
        /// What can be done.
        cure: &'static str,
    },
    /// A zstd Parquet, and a build without it.
    #[error(
        "column {column:?} is compressed with zstd, which this build leaves out; build with `cargo build --release --features zstd`, or write the file with snappy"
    )]
    ZstdNotBuilt {
        /// The column.
        column: String,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Options(String),
    /// A Gram file that no data could have.
    #[error("{0}")]
    Gram(#[from] GramError),
    /// A Gram file whose row count is not one.
    #[error("n is {value}, but must be a whole number of rows, at least 1")]
    RowCount {
        /// What stands there.
        value: f64,
    },
}

impl DataErrorKind {
    /// Binds the error to a file.
    pub(crate) fn at(self, path: &Path) -> DataError {
        DataError::new(path, self)
    }

    /// Format found against format asked for.
    pub(crate) fn wrong_kind(found: &str, expected: TableFormat) -> Self {
        Self::WrongKind {
            found: format!("the first bytes are those of {found}"),
            expected: match expected {
                TableFormat::Csv => "of a CSV or other text".to_owned(),
                TableFormat::Npy => "of an NPY array".to_owned(),
                TableFormat::Npz => "of an NPZ archive".to_owned(),
                TableFormat::Parquet => "of a Parquet file".to_owned(),
            },
        }
    }
}

fn instead(nearest: &Option<String>, folder: &Option<PathBuf>) -> String {
    match (nearest, folder) {
        (Some(name), _) => format!("; its folder has {name:?}"),
        (None, Some(folder)) => format!("; there is no folder {}", folder.display()),
        (None, None) => String::new(),
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!(" (did you mean {name:?}?)"),
        None => String::new(),
    }
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

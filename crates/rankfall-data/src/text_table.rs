//! CSV and its relatives: numbers as text, one row per line.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::classes::ClassCodes;
use crate::columns::Columns;
use crate::dialect::{Dialect, record_is_comment};
use crate::error::{
    DataError, DataErrorKind, RowPosition, no_value, not_finite, not_utf8, shortened, wrong,
    wrong_value,
};
use crate::read_rows::{Classes, Picked, ReadRows};
use crate::spec::{Delimiter, FileSpec};
use crate::text::{Record, Records, is_comment, split};

/// The name that pandas gives to a column without one, such as an index that it wrote before.
const UNNAMED: &str = "Unnamed: 0";

/// A text file whose first lines were looked at.
pub(crate) struct TextTable {
    pub columns: Columns,
    path: PathBuf,
    gzip: bool,
    dialect: Dialect,
}

impl TextTable {
    pub fn open(spec: &FileSpec, gzip: bool) -> Result<Self, DataError> {
        let path = spec.path.as_path();
        let dialect = Dialect::of(spec, gzip)?;
        let columns = match &dialect.names {
            Some(names) => {
                let texts = header_names(names).map_err(|kind| kind.at(path))?;
                let mut columns = Columns::named(path, texts)?;
                columns.index = index_columns(names);
                columns
            }
            None => Columns::unnamed(dialect.columns),
        };
        Ok(Self {
            columns,
            path: path.to_owned(),
            gzip,
            dialect,
        })
    }

    /// What of the file was taken for something that it need not be.
    pub fn notes(&self) -> &[String] {
        &self.dialect.notes
    }

    pub fn rows(&self, picked: Vec<Picked>) -> Result<Box<dyn ReadRows>, DataError> {
        let delimiter = self.dialect.delimiter;
        let records = Records::open(&self.path, self.gzip, delimiter)?;
        let mut plan = vec![Step::Skip; self.columns.names.len()];
        for (slot, picked) in picked.iter().enumerate() {
            plan[picked.column] = if picked.class {
                Step::Class(slot)
            } else {
                Step::Number(slot)
            };
        }
        Ok(Box::new(TextRows {
            path: self.path.clone(),
            records,
            first_line: self.dialect.first_line,
            parser: RowParser {
                delimiter,
                plan,
                tail: self.dialect.tail,
                picked,
            },
            rows: 0,
            remarks: Marked::default(),
            marked_rows: Marked::default(),
        }))
    }
}

fn header_names(fields: &[Vec<u8>]) -> Result<Vec<String>, DataErrorKind> {
    let name = |(position, field): (usize, &Vec<u8>)| match str::from_utf8(field) {
        Ok("") => Ok(format!("column {position}")),
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(not_utf8(format!(
            "the name of column {position} in the header"
        ))),
    };
    fields.iter().enumerate().map(name).collect()
}

/// Columns that number or name the rows: the first where only it has no name, as pandas and R
/// write it, and those that pandas called `Unnamed: 0` when it read such a file.
fn index_columns(names: &[Vec<u8>]) -> Vec<usize> {
    let nameless_first = names.first().is_some_and(Vec::is_empty) && names.len() > 1;
    let unnamed = |name: &[u8]| {
        let rest = name.strip_prefix(UNNAMED.as_bytes());
        rest.is_some_and(|rest| rest.iter().all(|byte| b".0123456789".contains(byte)))
    };
    let index = names.iter().enumerate();
    index
        .filter(|(column, name)| (*column == 0 && nameless_first) || unnamed(name))
        .map(|(column, _)| column)
        .collect()
}

/// How many lines start with `#`, and the first of them.
#[derive(Default)]
struct Marked {
    count: u64,
    first: u64,
}

impl Marked {
    fn add(&mut self, line: u64) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }

    /// A sentence about them, if there are any.
    fn note(&self, what: &str) -> Option<String> {
        let lines = match self.count {
            0 => return None,
            1 => format!("line {} starts with #:", self.first),
            count => format!("{count} lines start with #, line {} first:", self.first),
        };
        Some(format!("{lines} {what}"))
    }
}

/// What to do with one field of a row.
#[derive(Clone, Copy, Debug)]
enum Step {
    Skip,
    Number(usize),
    Class(usize),
}

/// Rows of a text file.
struct TextRows {
    path: PathBuf,
    records: Records,
    /// Lines before this one are no rows.
    first_line: u64,
    parser: RowParser,
    /// Rows read so far.
    rows: u64,
    /// Comments between the rows, and rows that start like one.
    remarks: Marked,
    marked_rows: Marked,
}

impl ReadRows for TextRows {
    fn read(
        &mut self,
        limit: usize,
        values: &mut Vec<f64>,
        classes: &mut Classes,
    ) -> Result<usize, DataError> {
        let width = self.parser.picked.len().max(1);
        values.resize(limit * width, 0.0);
        let mut rows = 0;
        while rows < limit {
            let Some(record) = self.records.next()? else {
                break;
            };
            if record.line < self.first_line {
                continue;
            }
            if is_comment(record.bytes, self.parser.delimiter) {
                if self.parser.is_remark(record) {
                    self.remarks.add(record.line);
                    continue;
                }
                self.marked_rows.add(record.line);
            }
            self.rows += 1;
            let row = &mut values[rows * width..(rows + 1) * width];
            (self.parser.parse(record, self.rows, row, classes))
                .map_err(|kind| kind.at(&self.path))?;
            rows += 1;
        }
        values.truncate(rows * width);
        Ok(rows)
    }

    fn notes(&self) -> Vec<String> {
        let remarks = self.remarks.note("taken as comments and skipped");
        let rows = self
            .marked_rows
            .note("taken as rows, for they have as many fields; remove them if they are comments");
        remarks.into_iter().chain(rows).collect()
    }
}

/// Turns records into numbers.
struct RowParser {
    delimiter: Delimiter,
    /// One step per column of the file.
    plan: Vec<Step>,
    /// Empty fields that may follow the columns.
    tail: usize,
    picked: Vec<Picked>,
}

impl RowParser {
    /// Whether a line that starts with `#` is no row: it has not as many fields as one.
    fn is_remark(&self, record: Record<'_>) -> bool {
        let fields = split(record, self.delimiter).len();
        let whole = (self.plan.len()..=self.plan.len() + self.tail).contains(&fields);
        !whole && record_is_comment(record, self.delimiter)
    }

    fn parse(
        &self,
        record: Record<'_>,
        row_number: u64,
        row: &mut [f64],
        classes: &mut Classes,
    ) -> Result<(), DataErrorKind> {
        let place = RowPosition {
            row: row_number,
            line: Some(record.line),
        };
        if !record.quoted {
            return self.parse_plain(record, place, row, classes);
        }
        let fields = split(record, self.delimiter);
        self.check_fields(&fields, place)?;
        for (step, field) in self.plan.iter().zip(&fields) {
            self.field(*step, field, place, row, classes)?;
        }
        Ok(())
    }

    /// The fast way, for a record without quotation marks: the number parser itself finds where
    /// a number ends, and no field is looked at twice.
    fn parse_plain(
        &self,
        record: Record<'_>,
        place: RowPosition,
        row: &mut [f64],
        classes: &mut Classes,
    ) -> Result<(), DataErrorKind> {
        let mut rest = Some(match self.delimiter {
            Delimiter::Byte(_) => record.bytes,
            Delimiter::Whitespace => record.bytes.trim_ascii(),
        });
        let ragged = || self.ragged(split(record, self.delimiter).len(), place);
        for step in &self.plan {
            let Some(bytes) = rest else {
                return Err(ragged());
            };
            if let Step::Number(slot) = *step
                && let Some((value, after)) = leading_number(bytes, self.delimiter)
            {
                row[slot] = value;
                rest = after;
                continue;
            }
            let end = match self.delimiter {
                Delimiter::Byte(delimiter) => memchr::memchr(delimiter, bytes),
                Delimiter::Whitespace => memchr::memchr2(b' ', b'\t', bytes),
            };
            let end = end.unwrap_or(bytes.len());
            self.field(*step, bytes[..end].trim_ascii(), place, row, classes)?;
            rest = after_separator(bytes, end, self.delimiter);
        }
        match rest {
            None => Ok(()),
            Some(_) if self.tail == 0 => Err(ragged()),
            Some(_) => self.check_fields(&split(record, self.delimiter), place),
        }
    }

    /// As many fields as columns, and after them no more than the empty ones that may follow.
    fn check_fields(
        &self,
        fields: &[Cow<'_, [u8]>],
        place: RowPosition,
    ) -> Result<(), DataErrorKind> {
        let expected = self.plan.len();
        let bare = |after: &[Cow<'_, [u8]>]| {
            after.len() <= self.tail && after.iter().all(|field| field.is_empty())
        };
        match fields.get(expected..) {
            Some(after) if bare(after) => Ok(()),
            _ => Err(self.ragged(fields.len(), place)),
        }
    }

    fn ragged(&self, got: usize, place: RowPosition) -> DataErrorKind {
        let fields = if got == 1 { "field" } else { "fields" };
        wrong(format!(
            "{place} has {got} {fields}, but {} are expected from the lines before it; they are separated by {}, \
             or set delimiter",
            self.plan.len(),
            self.delimiter
        ))
    }

    /// Takes in one trimmed field.
    fn field(
        &self,
        step: Step,
        field: &[u8],
        place: RowPosition,
        row: &mut [f64],
        classes: &mut Classes,
    ) -> Result<(), DataErrorKind> {
        match step {
            Step::Skip => Ok(()),
            Step::Number(slot) => {
                row[slot] = number(field, place, &self.picked[slot].name)?;
                Ok(())
            }
            Step::Class(slot) => {
                if let Some(codes) = &mut classes[slot] {
                    row[slot] = class(field, place, &self.picked[slot].name, codes)?;
                }
                Ok(())
            }
        }
    }
}

/// A finite number at the start of `bytes`, and what follows its separator (`None` at the end).
#[inline]
fn leading_number(bytes: &[u8], delimiter: Delimiter) -> Option<(f64, Option<&[u8]>)> {
    let mut at = 0;
    while bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    let (value, length) = fast_float2::parse_partial::<f64, _>(bytes.get(at..)?).ok()?;
    at += length;
    while bytes.get(at) == Some(&b' ') && !delimiter.separates(b' ') {
        at += 1;
    }
    // Anything else in the field: leave the message to the slow way.
    let whole = bytes.get(at).is_none_or(|&byte| delimiter.separates(byte));
    (whole && value.is_finite()).then(|| (value, after_separator(bytes, at, delimiter)))
}

/// What follows the separator at `at`; `None` when the record ends there.
#[inline]
fn after_separator(bytes: &[u8], at: usize, delimiter: Delimiter) -> Option<&[u8]> {
    let rest = bytes.get(at + 1..)?;
    Some(match delimiter {
        Delimiter::Byte(_) => rest,
        Delimiter::Whitespace => rest.trim_ascii_start(),
    })
}

fn number(field: &[u8], place: RowPosition, column: &str) -> Result<f64, DataErrorKind> {
    match fast_float2::parse::<f64, _>(field) {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(not_finite(place, column, shortened(field))),
        Err(_) if field.is_empty() => Err(no_value(place, column)),
        Err(_) => {
            let what = format!(
                "{:?} is not a number{}",
                shortened(field),
                hint(field, place)
            );
            Err(wrong_value(place, column, what))
        }
    }
}

/// A guess at why a field is not a number.
fn hint(field: &[u8], place: RowPosition) -> &'static str {
    let decimal_comma = field.contains(&b',')
        && (field.iter()).all(|byte| byte.is_ascii_digit() || b",.+-eE".contains(byte));
    if decimal_comma {
        "; write decimals with a point and no thousands separators"
    } else if place.row == 1 {
        "; if the first line is names, set header = true; if this column is a class, name it a target with one_hot = true"
    } else {
        "; leave the column out, or mend the row"
    }
}

fn class(
    field: &[u8],
    place: RowPosition,
    column: &str,
    codes: &mut ClassCodes,
) -> Result<f64, DataErrorKind> {
    match str::from_utf8(field) {
        Ok(text) => codes.text(text, place).map(|code| code as f64),
        Err(_) => Err(not_utf8(format!("{place}, column {column:?}"))),
    }
}

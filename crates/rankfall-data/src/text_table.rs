//! CSV and its relatives: numbers as text, one row per line.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::classes::ClassCodes;
use crate::columns::{Columns, MAX_COLUMNS};
use crate::error::{DataError, DataErrorKind, Place, shortened};
use crate::spec::{Delimiter, FileSpec, Header};
use crate::table::{Classes, Picked, ReadRows};
use crate::text::{Record, Records, guess_delimiter, split};

/// A text file whose first lines were looked at.
pub(crate) struct TextTable {
    pub columns: Columns,
    path: PathBuf,
    gzip: bool,
    delimiter: Delimiter,
    header: bool,
}

impl TextTable {
    pub fn open(spec: &FileSpec, gzip: bool) -> Result<Self, DataError> {
        let path = spec.path.as_path();
        let delimiter = match spec.delimiter {
            Some(delimiter) => delimiter,
            None => {
                // Which byte separates fields has no say in where an unquoted line ends.
                let mut records = Records::open(path, gzip, Delimiter::Byte(b','))?;
                let first = records.next()?;
                guess_delimiter(first.ok_or_else(|| DataErrorKind::Empty.at(path))?.bytes)
            }
        };
        let mut records = Records::open(path, gzip, delimiter)?;
        let Some(first) = records.next()? else {
            return Err(DataErrorKind::Empty.at(path));
        };
        let first = owned(split(first, delimiter));
        let second = records
            .next()?
            .map(|record| owned(split(record, delimiter)));
        if first.len() > MAX_COLUMNS {
            let message = format!(
                "the first line has {} fields, more than {MAX_COLUMNS}; is the delimiter right?",
                first.len()
            );
            return Err(DataErrorKind::Options(message).at(path));
        }
        let header = match spec.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => looks_like_header(&first, second.as_deref()),
        };
        if header && second.is_none() {
            return Err(DataErrorKind::HeaderOnly.at(path));
        }
        let columns = if header {
            Columns::named(path, header_names(&first).map_err(|kind| kind.at(path))?)?
        } else {
            Columns::unnamed(first.len())
        };
        Ok(Self {
            columns,
            path: path.to_owned(),
            gzip,
            delimiter,
            header,
        })
    }

    pub fn rows(&self, picked: Vec<Picked>) -> Result<Box<dyn ReadRows>, DataError> {
        let mut records = Records::open(&self.path, self.gzip, self.delimiter)?;
        if self.header {
            records.next()?;
        }
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
            parser: RowParser {
                delimiter: self.delimiter,
                plan,
                picked,
            },
            rows: 0,
        }))
    }
}

fn owned(fields: Vec<Cow<'_, [u8]>>) -> Vec<Vec<u8>> {
    fields.into_iter().map(Cow::into_owned).collect()
}

fn looks_like_header(first: &[Vec<u8>], second: Option<&[Vec<u8>]>) -> bool {
    let number = |field: &[u8]| fast_float2::parse::<f64, _>(field).is_ok();
    let all_words = !first.iter().any(|field| number(field));
    let turns_numeric = second.is_some_and(|second| {
        (first.iter().zip(second)).any(|(first, second)| !number(first) && number(second))
    });
    all_words || turns_numeric
}

fn header_names(fields: &[Vec<u8>]) -> Result<Vec<String>, DataErrorKind> {
    let name = |(position, field): (usize, &Vec<u8>)| match str::from_utf8(field) {
        // Index columns are often written without a name.
        Ok("") => Ok(format!("column {position}")),
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(DataErrorKind::NotUtf8 {
            location: format!("the name of column {position} in the header"),
        }),
    };
    fields.iter().enumerate().map(name).collect()
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
    parser: RowParser,
    /// Rows read so far.
    rows: u64,
}

impl ReadRows for TextRows {
    fn read(
        &mut self,
        limit: usize,
        values: &mut Vec<f64>,
        classes: &mut Classes,
    ) -> Result<usize, DataError> {
        let width = self.parser.picked.len();
        values.resize(limit * width, 0.0);
        let mut rows = 0;
        for row in values.chunks_exact_mut(width.max(1)) {
            let Some(record) = self.records.next()? else {
                break;
            };
            self.rows += 1;
            (self.parser.parse(record, self.rows, row, classes))
                .map_err(|kind| kind.at(&self.path))?;
            rows += 1;
        }
        values.truncate(rows * width);
        Ok(rows)
    }
}

/// Turns records into numbers.
struct RowParser {
    delimiter: Delimiter,
    /// One step per column of the file.
    plan: Vec<Step>,
    picked: Vec<Picked>,
}

impl RowParser {
    fn parse(
        &self,
        record: Record<'_>,
        row_number: u64,
        row: &mut [f64],
        classes: &mut Classes,
    ) -> Result<(), DataErrorKind> {
        let place = Place {
            row: row_number,
            line: Some(record.line),
        };
        if !record.quoted {
            return self.parse_plain(record, place, row, classes);
        }
        let fields = split(record, self.delimiter);
        self.check_count(fields.len(), place)?;
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
        place: Place,
        row: &mut [f64],
        classes: &mut Classes,
    ) -> Result<(), DataErrorKind> {
        let mut rest = Some(match self.delimiter {
            Delimiter::Byte(_) => record.bytes,
            Delimiter::Whitespace => record.bytes.trim_ascii(),
        });
        let ragged = || match self.check_count(split(record, self.delimiter).len(), place) {
            Err(kind) => kind,
            // Unreachable: the fields were just counted differently.
            Ok(()) => DataErrorKind::Empty,
        };
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
        if rest.is_some() {
            Err(ragged())
        } else {
            Ok(())
        }
    }

    fn check_count(&self, got: usize, place: Place) -> Result<(), DataErrorKind> {
        let expected = self.plan.len();
        if got == expected {
            return Ok(());
        }
        Err(DataErrorKind::Ragged {
            place,
            expected,
            got,
        })
    }

    /// Takes in one trimmed field.
    fn field(
        &self,
        step: Step,
        field: &[u8],
        place: Place,
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

fn number(field: &[u8], place: Place, column: &str) -> Result<f64, DataErrorKind> {
    let column = || column.to_owned();
    match fast_float2::parse::<f64, _>(field) {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(DataErrorKind::NotFinite {
            place,
            column: column(),
            value: shortened(field),
        }),
        Err(_) if field.is_empty() => Err(DataErrorKind::NoValue {
            place,
            column: column(),
        }),
        Err(_) => Err(DataErrorKind::NotANumber {
            place,
            column: column(),
            text: shortened(field),
            hint: hint(field, place),
        }),
    }
}

/// A guess at why a field is not a number.
fn hint(field: &[u8], place: Place) -> &'static str {
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
    place: Place,
    column: &str,
    codes: &mut ClassCodes,
) -> Result<f64, DataErrorKind> {
    let code = match fast_float2::parse::<f64, _>(field) {
        Ok(value) if value.is_finite() => codes.number(value)?,
        Ok(_) => number(field, place, column).map(|_| 0)?,
        Err(_) if field.is_empty() => {
            return Err(DataErrorKind::NoValue {
                place,
                column: column.to_owned(),
            });
        }
        Err(_) => match str::from_utf8(field) {
            Ok(text) => codes.text(text)?,
            Err(_) => {
                let location = format!("{place}, column {column:?}");
                return Err(DataErrorKind::NotUtf8 { location });
            }
        },
    };
    Ok(code as f64)
}

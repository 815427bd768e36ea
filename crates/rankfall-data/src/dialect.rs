//! How a text file is to be read: its separator, what stands above its rows, its names, and what at
//! its edges is no data. Found out from its first lines; what could be otherwise is said.

use std::collections::HashSet;
use std::path::Path;

use crate::columns::MAX_COLUMNS;
use crate::error::{DataError, DataErrorKind, empty, shortened, wrong};
use crate::header::{Content, Taken, content, decide};
use crate::spec::{Delimiter, FileSpec, HeaderRow};
use crate::text::{Record, Records, is_comment, split};

/// Lines looked at, and their bytes: the first line and two more, however long they are.
const LINES: usize = 64;
const BYTES: usize = 1 << 20;
/// How many names a note lists.
const LISTED: usize = 6;
/// Separators that are tried, the likelier first where several fit.
const CANDIDATES: [Delimiter; 5] = [
    Delimiter::Byte(b'\t'),
    Delimiter::Byte(b';'),
    Delimiter::Byte(b'|'),
    Delimiter::Byte(b','),
    Delimiter::Whitespace,
];

/// How to read a text file.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub delimiter: Delimiter,
    /// Lines before this one are no rows.
    pub first_line: u64,
    /// Columns of a row.
    pub columns: usize,
    /// Empty fields that may follow the columns: separators at the end of a line.
    pub tail: usize,
    /// A name for every column, empty where it has none.
    pub names: Option<Vec<Vec<u8>>>,
    /// What was taken for something that it need not be.
    pub notes: Vec<String>,
}

impl Dialect {
    /// Looks at the first lines of a file.
    ///
    /// # Errors
    /// Nothing in it, a header without rows, a first line that fits no row or could be either.
    pub fn of(spec: &FileSpec, gzip: bool) -> Result<Self, DataError> {
        let path = spec.path.as_path();
        let sample = match spec.delimiter {
            Some(delimiter) => Sample::read(path, gzip, delimiter)?,
            None => guess(path, gzip)?,
        };
        sample.dialect(spec.header).map_err(|kind| kind.at(path))
    }
}

/// One line of a sample, split.
struct Line {
    number: u64,
    fields: Vec<Vec<u8>>,
}

/// The first lines of a file, under one separator.
struct Sample {
    delimiter: Delimiter,
    /// The separator that a line `sep=;` on top names.
    named: Option<Delimiter>,
    /// The last comment above the table, without its mark: its fields, and those with the mark.
    comment: Option<(Line, Line)>,
    /// The first line that is no comment, and some after it.
    lines: Vec<Line>,
}

impl Sample {
    fn read(path: &Path, gzip: bool, delimiter: Delimiter) -> Result<Self, DataError> {
        let mut records = Records::open(path, gzip, delimiter)?;
        let mut sample = Self {
            delimiter,
            named: None,
            comment: None,
            lines: Vec::new(),
        };
        let (mut bytes, mut first) = (0, true);
        while sample.lines.len() < 3 || (sample.lines.len() < LINES && bytes < BYTES) {
            let Some(record) = records.next()? else { break };
            bytes += record.bytes.len();
            if std::mem::take(&mut first)
                && let Some(named) = sep_line(record.bytes)
            {
                sample.named = Some(named);
                continue;
            }
            let line = line(record, delimiter).map_err(|kind| kind.at(path))?;
            match record_is_comment(record, delimiter) {
                true if sample.lines.is_empty() => {
                    let without = Record {
                        bytes: without_mark(record.bytes),
                        ..record
                    };
                    let without = self::line(without, delimiter).map_err(|kind| kind.at(path))?;
                    sample.comment = Some((without, line));
                }
                true => {}
                false => sample.lines.push(line),
            }
        }
        Ok(sample)
    }

    /// How well the separator fits: the share of lines with the commonest number of fields, times
    /// how many of their fields are numbers; 0 where it separates nothing.
    fn score(&self) -> f64 {
        let rows = match &self.lines[..] {
            [] => return 0.0,
            [only] => std::slice::from_ref(only),
            [_, rows @ ..] => rows,
        };
        let columns = commonest(rows);
        if columns < 2 {
            return 0.0;
        }
        let alike = rows
            .iter()
            .filter(|row| row.fields.len() == columns)
            .count();
        let fields = rows.iter().flat_map(|row| &row.fields);
        let numbers = fields
            .clone()
            .filter(|f| content(f, self.delimiter) != Content::Text);
        let share = numbers.count() as f64 / fields.count() as f64;
        alike as f64 / rows.len() as f64 * (0.05 + share)
    }

    fn dialect(&self, header: HeaderRow) -> Result<Dialect, DataErrorKind> {
        let Some(first) = self.lines.first() else {
            return Err(self.comment.as_ref().map_or_else(empty, |(line, _)| {
                wrong(format!(
                    "the file has no rows: everything up to line {} is a comment, starting with #",
                    line.number
                ))
            }));
        };
        let rows: Vec<&[Vec<u8>]> = self.lines[1..].iter().map(|l| &l.fields[..]).collect();
        let taken = match header {
            HeaderRow::Yes => Taken::Names { said: false },
            HeaderRow::No => Taken::Row { said: false },
            HeaderRow::Auto => decide(&first.fields, &rows, self.delimiter),
        };
        let width = self.width(header);
        if let Some((names, note)) = self.comment_names(header, taken, width) {
            return self.with_names(names, first.number, width, vec![note]);
        }
        let listed = list(&first.fields);
        let number = first.number;
        match taken {
            Taken::Unclear => Err(wrong(format!(
                "line {number} could be names or a row with a word for a missing value: {listed}; \
                 set header = true or header = false"
            ))),
            Taken::Row { said } => {
                let note = format!(
                    "line {number} was taken as a row: {listed}; header = true reads it as names"
                );
                self.without_names(
                    first.number,
                    width,
                    said.then_some(note).into_iter().collect(),
                )
            }
            Taken::Names { said } => {
                if rows.is_empty() {
                    return Err(wrong(
                        "the file has a header but no rows; if its first line is a row, set header = false",
                    ));
                }
                let note = format!(
                    "line {number} was taken as names: {listed}; header = false reads it as a row"
                );
                let names = first.fields.clone();
                let after = first.number + 1;
                self.with_names(
                    names,
                    after,
                    width,
                    said.then_some(note).into_iter().collect(),
                )
            }
        }
    }

    /// Fields of a row: those of the first line where some line after it has as many, else the
    /// commonest number after it.
    fn width(&self, header: HeaderRow) -> usize {
        let first = self.lines[0].fields.len();
        let rows = &self.lines[1..];
        let fits = rows.iter().any(|row| row.fields.len() == first);
        match header == HeaderRow::No || rows.is_empty() || fits {
            true => first,
            false => commonest(rows),
        }
    }

    /// The names in a comment above the table, as `numpy.savetxt` writes them: as many words as
    /// there are columns, and no names below it.
    fn comment_names(
        &self,
        header: HeaderRow,
        taken: Taken,
        width: usize,
    ) -> Option<(Vec<Vec<u8>>, String)> {
        let (without, with) = self.comment.as_ref()?;
        let found_below = matches!(taken, Taken::Names { .. }) && header == HeaderRow::Auto;
        let words = |line: &Line| {
            let word = |f: &Vec<u8>| content(f, self.delimiter) == Content::Text;
            line.fields.len() == width && line.fields.iter().all(word)
        };
        if header == HeaderRow::No || found_below || width != self.lines[0].fields.len() {
            return None;
        }
        // With header = true the first line is names, if it can be.
        if header == HeaderRow::Yes && self.words_only() {
            return None;
        }
        let names = [without, with].into_iter().find(|line| words(line))?;
        let note = format!(
            "line {}, a comment, was taken as names: {}; header = false leaves the columns without",
            names.number,
            list(&names.fields)
        );
        Some((names.fields.clone(), note))
    }

    /// Whether the first line has no number in it.
    fn words_only(&self) -> bool {
        let number = |f: &Vec<u8>| content(f, self.delimiter) == Content::Number;
        !self.lines[0].fields.iter().any(number)
    }

    fn with_names(
        &self,
        mut names: Vec<Vec<u8>>,
        first_line: u64,
        width: usize,
        mut notes: Vec<String>,
    ) -> Result<Dialect, DataErrorKind> {
        let rows = &self.lines[self.lines.len().min(1)..];
        let tail = self.tail(width, |column| names.get(column).is_none_or(Vec::is_empty));
        let columns = width - tail;
        if names.len() + 1 == columns && has_row_names(rows, width) {
            names.insert(0, Vec::new());
            notes.push(
                "the names are one fewer than the columns, as R writes a table: they were taken to be \
                 those of all columns but the first"
                    .to_owned(),
            );
        }
        names.truncate(columns.max(1));
        if names.len() != columns {
            return Err(wrong(format!(
                "the line taken as names has {} fields and the lines after it have {columns}, separated by {}; \
                 if it is a title, remove it, and set delimiter if something else separates",
                names.len(),
                self.delimiter
            )));
        }
        notes.extend(tail_note(tail));
        Ok(Dialect {
            delimiter: self.delimiter,
            first_line,
            columns,
            tail,
            names: Some(names),
            notes,
        })
    }

    fn without_names(
        &self,
        first_line: u64,
        width: usize,
        mut notes: Vec<String>,
    ) -> Result<Dialect, DataErrorKind> {
        let empty = |column: usize| self.lines[0].fields.get(column).is_none_or(Vec::is_empty);
        let tail = match self.lines.len() {
            1 => 0,
            _ => self.tail(width, empty),
        };
        notes.extend(tail_note(tail));
        Ok(Dialect {
            delimiter: self.delimiter,
            first_line,
            columns: width - tail,
            tail,
            names: None,
            notes,
        })
    }

    /// How many columns at the end are nothing but separators: empty in every line after the first,
    /// and `empty` in it.
    fn tail(&self, width: usize, empty: impl Fn(usize) -> bool) -> usize {
        let rows = &self.lines[1..];
        let bare = |column: usize| {
            let field = |row: &Line| row.fields.get(column).is_none_or(Vec::is_empty);
            empty(column) && rows.iter().all(field)
        };
        if self.delimiter == Delimiter::Whitespace || rows.is_empty() {
            return 0;
        }
        (1..width).rev().take_while(|&column| bare(column)).count()
    }
}

/// Whether the first of `width` fields names its row: R's are distinct.
fn has_row_names(rows: &[Line], width: usize) -> bool {
    let whole = rows.iter().all(|row| row.fields.len() == width);
    let names: HashSet<_> = rows.iter().filter_map(|row| row.fields.first()).collect();
    whole && names.len() == rows.len()
}

fn tail_note(tail: usize) -> Option<String> {
    let what = match tail {
        0 => return None,
        1 => "a separator".to_owned(),
        more => format!("{more} separators"),
    };
    Some(format!(
        "lines end with {what} and nothing after; no column was made of that"
    ))
}

/// The sample under the separator that fits best.
fn guess(path: &Path, gzip: bool) -> Result<Sample, DataError> {
    let mut best: Option<(f64, Sample)> = None;
    let mut refused = None;
    for delimiter in CANDIDATES {
        let sample = match Sample::read(path, gzip, delimiter) {
            Ok(sample) => sample,
            // A mark that opens a field under one separator is a character under another.
            Err(error) => {
                refused = Some(error);
                continue;
            }
        };
        if let Some(named) = sample.named {
            return Sample::read(path, gzip, named);
        }
        let score = sample.score();
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, sample));
        }
    }
    match (best, refused) {
        // A single column has no separator; a comma is what numbers do not have in them.
        (Some((0.0, _)), _) => Sample::read(path, gzip, Delimiter::Byte(b',')),
        (Some((_, sample)), _) => Ok(sample),
        (None, Some(error)) => Err(error),
        (None, None) => Err(empty().at(path)),
    }
}

/// Splits a record, unless it has more fields than a table may.
fn line(record: Record<'_>, delimiter: Delimiter) -> Result<Line, DataErrorKind> {
    let separators = record
        .bytes
        .iter()
        .filter(|&&byte| delimiter.separates(byte))
        .count();
    if separators >= 8 * MAX_COLUMNS || (!record.quoted && separators >= MAX_COLUMNS) {
        // Blanks in a row separate once, so not all of them count.
        let fields = match delimiter {
            Delimiter::Byte(_) => separators + 1,
            Delimiter::Whitespace => record
                .bytes
                .split(|b| delimiter.separates(*b))
                .filter(|f| !f.is_empty())
                .count(),
        };
        if fields > MAX_COLUMNS {
            return Err(wrong(format!(
                "line {} has {fields} fields, more than {MAX_COLUMNS}; they were taken to be separated by {delimiter}: is the delimiter right?",
                record.line
            )));
        }
    }
    let fields = split(record, delimiter);
    Ok(Line {
        number: record.line,
        fields: fields.into_iter().map(|field| field.into_owned()).collect(),
    })
}

/// Whether a record is a comment. `#` alone in a first field is a name.
pub(crate) fn record_is_comment(record: Record<'_>, delimiter: Delimiter) -> bool {
    let after_mark = || {
        let line = record.bytes.trim_ascii_start();
        line.get(1).copied()
    };
    let own_field = matches!(delimiter, Delimiter::Byte(byte) if after_mark() == Some(byte));
    is_comment(record.bytes, delimiter) && !own_field
}

fn without_mark(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_start();
    let marks = line.iter().take_while(|&&byte| byte == b'#').count();
    &line[marks..]
}

/// The separator that Excel's line `sep=;` names.
fn sep_line(line: &[u8]) -> Option<Delimiter> {
    let line = line
        .strip_prefix(b"\"")
        .map_or(line, |l| l.strip_suffix(b"\"").unwrap_or(l));
    let named = line.to_ascii_lowercase();
    let &[byte] = named.strip_prefix(b"sep=")? else {
        return None;
    };
    Delimiter::of_byte(byte)
}

/// The number of fields that most lines have; the larger of equals.
fn commonest(lines: &[Line]) -> usize {
    let count = |size: usize| lines.iter().filter(|l| l.fields.len() == size).count();
    let sizes = lines.iter().map(|l| l.fields.len());
    sizes.max_by_key(|&size| (count(size), size)).unwrap_or(0)
}

/// The first few fields of a line, for a note.
fn list(fields: &[Vec<u8>]) -> String {
    let mut words: Vec<String> = fields
        .iter()
        .take(LISTED)
        .map(|field| match field.is_empty() {
            true => "nothing".to_owned(),
            false => format!("{:?}", shortened(field)),
        })
        .collect();
    if fields.len() > LISTED {
        words.push(format!("and {} more", fields.len() - LISTED));
    }
    words.join(", ")
}

//! Splitting text into records and fields: lines, quotation marks, separators.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::encoding::text_stream;
use crate::error::{DataError, wrong};
use crate::open;
use crate::spec::Delimiter;

/// Bytes asked of the file at once.
const READ: usize = 1 << 18;
/// A longer record is refused: what is on one line must be held in memory.
const LONGEST: usize = 64 << 20;

impl Delimiter {
    /// Whether `byte` separates fields.
    #[inline]
    pub(crate) fn separates(self, byte: u8) -> bool {
        match self {
            Self::Byte(delimiter) => byte == delimiter,
            Self::Whitespace => byte == b' ' || byte == b'\t',
        }
    }
}

/// A stream of records: lines, unless a quoted field goes over several.
pub(crate) struct Records {
    path: PathBuf,
    stream: Box<dyn Read + Send>,
    delimiter: Delimiter,
    buffer: Vec<u8>,
    /// What was read and not handed out: `buffer[start..end]`.
    start: usize,
    end: usize,
    ended: bool,
    /// What ends a line: a line feed, or a carriage return where there is no line feed.
    line_end: u8,
    /// Line number of the next record, from 1.
    next_line: u64,
}

/// One record, without its line ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub bytes: &'a [u8],
    /// The line it starts on, from 1.
    pub line: u64,
    /// Whether a quotation mark is in it; if not, splitting is plain.
    pub quoted: bool,
}

impl Records {
    /// Records of the text at `path`, from its start.
    pub fn open(path: &Path, gzip: bool, delimiter: Delimiter) -> Result<Self, DataError> {
        let mut records = Self {
            path: path.to_owned(),
            stream: text_stream(path, gzip)?,
            delimiter,
            buffer: vec![0; READ],
            start: 0,
            end: 0,
            ended: false,
            line_end: b'\n',
            next_line: 1,
        };
        records.fill()?;
        let head = &records.buffer[..records.end];
        // A return in the last place may be half of a line end.
        let returns = memchr::memchr(b'\r', head).is_some_and(|at| at + 1 < head.len());
        if returns && memchr::memchr(b'\n', head).is_none() {
            records.line_end = b'\r';
        }
        Ok(records)
    }

    /// The next record that is not blank; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, DataError> {
        loop {
            let line = self.next_line;
            let Some((length, quoted)) = self.find_record()? else {
                return Ok(None);
            };
            let start = self.start;
            self.start = (start + length + 1).min(self.end);
            self.next_line += 1;
            if quoted {
                let inner = &self.buffer[start..start + length];
                self.next_line += memchr::memchr_iter(self.line_end, inner).count() as u64;
            }
            let mut stop = start + length;
            if stop > start && self.buffer[stop - 1] == b'\r' {
                stop -= 1;
            }
            if !is_blank(&self.buffer[start..stop], self.delimiter) {
                let bytes = &self.buffer[start..stop];
                return Ok(Some(Record {
                    bytes,
                    line,
                    quoted,
                }));
            }
        }
    }

    /// Length of the record at `start`, and whether a quotation mark is in it.
    fn find_record(&mut self) -> Result<Option<(usize, bool)>, DataError> {
        // Bytes known to hold no line end, so that a long line is not searched again and again.
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start..self.end];
            // A comment ends with its line, whatever marks are in it.
            if is_comment(rest, self.delimiter) {
                let end = memchr::memchr(self.line_end, &rest[searched..]).map(|at| searched + at);
                if let Some(length) = end.or(self.ended.then_some(rest.len())) {
                    let marked = memchr::memchr(b'"', &rest[..length]).is_some();
                    return Ok(Some((length, marked)));
                }
                searched = rest.len();
                self.fill()?;
                continue;
            }
            match memchr::memchr2(self.line_end, b'"', &rest[searched..]) {
                Some(at) if rest[searched + at] == self.line_end => {
                    return Ok(Some((searched + at, false)));
                }
                Some(_) => return self.find_quoted_record(),
                None if self.ended => {
                    return Ok(if rest.is_empty() {
                        None
                    } else {
                        Some((rest.len(), false))
                    });
                }
                None => searched = rest.len(),
            }
            self.fill()?;
        }
    }

    /// The same for a record with a quotation mark in it, whose line ends may not be its end.
    fn find_quoted_record(&mut self) -> Result<Option<(usize, bool)>, DataError> {
        let mut quotes = Quotes::new(self.delimiter, self.line_end);
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start..self.end];
            for (at, &byte) in rest.iter().enumerate().skip(searched) {
                if quotes.pass(byte) == Meaning::LineEnd {
                    return Ok(Some((at, true)));
                }
            }
            if self.ended {
                if quotes.inside() {
                    return Err(wrong(format!(
                        "the quotation mark opened on line {} is never closed",
                        self.next_line
                    ))
                    .at(&self.path));
                }
                return Ok(Some((rest.len(), true)));
            }
            searched = rest.len();
            self.fill()?;
        }
    }

    /// Reads on, keeping what was not handed out.
    fn fill(&mut self) -> Result<(), DataError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end > LONGEST {
            return Err(wrong(format!(
                "line {} is longer than {} MiB; is this a table with one row per line?",
                self.next_line,
                LONGEST >> 20
            ))
            .at(&self.path));
        }
        if self.buffer.len() < self.end + READ {
            // Doubling keeps the copying of a long line linear in its length.
            self.buffer.resize((self.end + READ).max(2 * self.end), 0);
        }
        let got = open::fill(&mut self.stream, &mut self.buffer[self.end..]);
        let got = got.map_err(|e| open::io_error(&self.path, e))?;
        self.end += got;
        self.ended = self.end < self.buffer.len();
        Ok(())
    }
}

/// Whether a line is nothing but blanks (tabs are fields when they separate).
fn is_blank(line: &[u8], delimiter: Delimiter) -> bool {
    line.iter()
        .all(|&byte| byte == b' ' || (byte == b'\t' && delimiter != Delimiter::Byte(b'\t')))
}

/// Whether a line starts with `#`, after blanks.
pub(crate) fn is_comment(line: &[u8], delimiter: Delimiter) -> bool {
    let first = line.iter().find(|&&byte| byte != b' ' && byte != b'\t');
    first == Some(&b'#') && delimiter != Delimiter::Byte(b'#')
}

/// What a byte is, given those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Content,
    /// A quotation mark that opens or closes a field.
    Mark,
    Separator,
    LineEnd,
}

/// Follows quotation marks: one at the start of a field opens it, two inside stand for one.
struct Quotes {
    delimiter: Delimiter,
    line_end: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a mark inside a quoted field: the end, or the first of a pair.
    MarkInQuoted,
}

impl Quotes {
    fn new(delimiter: Delimiter, line_end: u8) -> Self {
        Self {
            delimiter,
            line_end,
            state: State::FieldStart,
        }
    }

    fn inside(&self) -> bool {
        self.state == State::Quoted
    }

    #[inline]
    fn pass(&mut self, byte: u8) -> Meaning {
        let (state, meaning) = match (self.state, byte) {
            (State::FieldStart, b'"') => (State::Quoted, Meaning::Mark),
            (State::MarkInQuoted, b'"') => (State::Quoted, Meaning::Content),
            (State::Quoted, b'"') => (State::MarkInQuoted, Meaning::Mark),
            (State::Quoted, _) => (State::Quoted, Meaning::Content),
            (_, byte) if byte == self.line_end => (State::FieldStart, Meaning::LineEnd),
            (_, byte) if self.delimiter.separates(byte) => (State::FieldStart, Meaning::Separator),
            (State::FieldStart, b' ') => (State::FieldStart, Meaning::Content),
            _ => (State::Plain, Meaning::Content),
        };
        self.state = state;
        meaning
    }
}

/// Splits a record into trimmed fields, quotation marks resolved.
pub(crate) fn split<'a>(record: Record<'a>, delimiter: Delimiter) -> Vec<Cow<'a, [u8]>> {
    if record.quoted {
        return split_quoted(record.bytes, delimiter);
    }
    let fields = record.bytes.split(|&byte| delimiter.separates(byte));
    let fields = fields.map(|field| Cow::Borrowed(field.trim_ascii()));
    match delimiter {
        Delimiter::Byte(_) => fields.collect(),
        Delimiter::Whitespace => fields.filter(|field| !field.is_empty()).collect(),
    }
}

fn split_quoted<'a>(record: &'a [u8], delimiter: Delimiter) -> Vec<Cow<'a, [u8]>> {
    // The record has its line end no more; what is left of one is in quotation marks.
    let mut quotes = Quotes::new(delimiter, b'\n');
    let mut fields = Vec::new();
    let mut field = Vec::new();
    let mut marked = false;
    let mut finish = |field: &mut Vec<u8>, marked: &mut bool| {
        // "" is an empty field even between blanks, but blanks alone are none.
        if *marked || !field.is_empty() || delimiter != Delimiter::Whitespace {
            fields.push(Cow::Owned(field.trim_ascii().to_vec()));
        }
        field.clear();
        *marked = false;
    };
    for &byte in record {
        match quotes.pass(byte) {
            Meaning::Content => field.push(byte),
            Meaning::Mark => marked = true,
            Meaning::Separator => finish(&mut field, &mut marked),
            // Not in a record: those end it.
            Meaning::LineEnd => {}
        }
    }
    finish(&mut field, &mut marked);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str, delimiter: Delimiter) -> Vec<String> {
        let record = Record {
            bytes: line.as_bytes(),
            line: 1,
            quoted: line.contains('"'),
        };
        let fields = split(record, delimiter);
        (fields.iter())
            .map(|f| String::from_utf8(f.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn fields_are_split_trimmed_and_unquoted() {
        let comma = Delimiter::Byte(b',');
        assert_eq!(fields("a, b ,,c", comma), ["a", "b", "", "c"]);
        assert_eq!(fields(r#""a,b", "c""d" ,e"#, comma), ["a,b", r#"c"d"#, "e"]);
        // A mark inside a plain field is a character like any other.
        assert_eq!(fields(r#"5" pipe,2"#, comma), [r#"5" pipe"#, "2"]);
        assert_eq!(fields("\"\",1", comma), ["", "1"]);
        let blank = Delimiter::Whitespace;
        assert_eq!(fields("  1   2\t3 ", blank), ["1", "2", "3"]);
        assert_eq!(fields(r#""a b"  "" c"#, blank), ["a b", "", "c"]);
    }
}

//! NPY: one NumPy array, streamed row by row in either memory order.

use std::cmp::Ordering;
use std::io::{self, Cursor, Read, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::columns::{Columns, MAX_COLUMNS};
use crate::error::{DataError, DataErrorKind, damaged, too_large, truncated, wrong};
use crate::open::{self, ReadSeek, io_error};
use crate::read_rows::{Classes, Picked, ReadRows, chunk_rows, finish_numbers};
use crate::spec::FileSpec;

/// A longer header is refused; NumPy's own limit is 10 000 bytes.
const LONGEST_HEADER: usize = 1 << 20;

/// The type of the numbers in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NpyDtype {
    kind: Kind,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    I1,
    I2,
    I4,
    I8,
    U1,
    U2,
    U4,
    U8,
    F2,
    F4,
    F8,
}

/// The kinds, with NumPy's letter and the bytes of each number.
const KINDS: [(Kind, &str); 12] = [
    (Kind::Bool, "b1"),
    (Kind::I1, "i1"),
    (Kind::I2, "i2"),
    (Kind::I4, "i4"),
    (Kind::I8, "i8"),
    (Kind::U1, "u1"),
    (Kind::U2, "u2"),
    (Kind::U4, "u4"),
    (Kind::U8, "u8"),
    (Kind::F2, "f2"),
    (Kind::F4, "f4"),
    (Kind::F8, "f8"),
];

impl NpyDtype {
    /// Reads a descriptor such as `<f8`.
    fn parse(descr: &str) -> Option<Self> {
        let code = descr.get(1..)?;
        let (kind, _) = *KINDS.iter().find(|(_, known)| *known == code)?;
        let big_endian = match &descr[..1] {
            "<" | "|" => false,
            ">" => true,
            "=" => cfg!(target_endian = "big"),
            _ => return None,
        };
        Some(Self { kind, big_endian })
    }

    /// NumPy's name of the type without its byte order: `f4`, `i8`, `b1`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        // In the order of the kinds.
        KINDS[self.kind as usize].1
    }

    /// Whether the most significant byte comes first.
    #[must_use]
    pub fn is_big_endian(self) -> bool {
        self.big_endian
    }

    /// Bytes per number.
    #[must_use]
    pub fn size(self) -> usize {
        usize::from(self.name().as_bytes()[1] - b'0')
    }

    /// Unit roundoff of the numbers, where they are floating: 2⁻⁵² for everything exact.
    pub fn precision(self) -> f64 {
        match self.kind {
            Kind::F2 => 2f64.powi(-10),
            Kind::F4 => f64::from(f32::EPSILON),
            _ => f64::EPSILON,
        }
    }

    /// The number in `bytes`, which are `size()` long; 64-bit integers beyond 2⁵³ are rounded.
    #[inline]
    fn decode(self, bytes: &[u8]) -> f64 {
        macro_rules! number {
            ($type:ty) => {{
                let mut raw = [0; size_of::<$type>()];
                raw.copy_from_slice(bytes);
                if self.big_endian {
                    <$type>::from_be_bytes(raw)
                } else {
                    <$type>::from_le_bytes(raw)
                }
            }};
        }
        match self.kind {
            Kind::Bool => f64::from(bytes[0] != 0),
            Kind::I1 => f64::from(number!(i8)),
            Kind::U1 => f64::from(bytes[0]),
            Kind::I2 => f64::from(number!(i16)),
            Kind::U2 => f64::from(number!(u16)),
            Kind::I4 => f64::from(number!(i32)),
            Kind::U4 => f64::from(number!(u32)),
            Kind::I8 => number!(i64) as f64,
            Kind::U8 => number!(u64) as f64,
            Kind::F2 => half(number!(u16)),
            Kind::F4 => f64::from(number!(f32)),
            Kind::F8 => number!(f64),
        }
    }
}

/// An IEEE half-precision number from its bits; exact.
pub fn half(bits: u16) -> f64 {
    ::half::f16::from_bits(bits).to_f64()
}

/// The header of an array.
#[derive(Clone, Debug)]
pub struct NpyHeader {
    /// The type of its numbers.
    pub dtype: NpyDtype,
    /// Column-major.
    pub fortran: bool,
    /// Its sizes, outermost first.
    pub shape: Vec<u64>,
    /// Bytes before the first number.
    pub offset: u64,
}

impl NpyHeader {
    /// Reads the header at the start of `stream`; `name` is the array's name in messages.
    ///
    /// # Errors
    /// What does not start like an array, or has a type that is not of numbers.
    pub fn read(path: &Path, name: &str, stream: &mut dyn Read) -> Result<Self, DataError> {
        let mut fixed = [0; 12];
        exactly(path, name, stream, &mut fixed[..8])?;
        if &fixed[..6] != b"\x93NUMPY" {
            let detail = format!("{name} does not start like an NPY array");
            return Err(damaged(detail).at(path));
        }
        let wide = fixed[6] >= 2;
        let length_bytes = if wide { 4 } else { 2 };
        exactly(path, name, stream, &mut fixed[8..8 + length_bytes])?;
        let length = if wide {
            u32::from_le_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]) as usize
        } else {
            usize::from(u16::from_le_bytes([fixed[8], fixed[9]]))
        };
        if length > LONGEST_HEADER {
            let detail = format!("{name} claims a header of {length} bytes");
            return Err(damaged(detail).at(path));
        }
        let mut text = vec![0; length];
        exactly(path, name, stream, &mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut header = Self::parse(name, &text).map_err(|kind| kind.at(path))?;
        header.offset = (8 + length_bytes + length) as u64;
        Ok(header)
    }

    /// Parses the dictionary `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(name: &str, text: &str) -> Result<Self, DataErrorKind> {
        let damaged = || damaged(format!("the header of {name} is {:?}", text.trim_end()));
        let after = |key: &str| {
            let key = [format!("'{key}'"), format!("\"{key}\"")];
            let at = (key.iter()).find_map(|key| text.find(key).map(|at| at + key.len()));
            let value = text.get(at?..)?.trim_start().strip_prefix(':')?;
            Some(value.trim_start())
        };
        // First: fields of records can have the names of what follows.
        let dtype = parse_descr(name, after("descr").ok_or_else(damaged)?)?;
        let fortran = after("fortran_order").ok_or_else(damaged)?;
        let shape = after("shape").ok_or_else(damaged)?;
        Ok(Self {
            dtype,
            fortran: match fortran {
                value if value.starts_with("True") => true,
                value if value.starts_with("False") => false,
                _ => return Err(damaged()),
            },
            shape: parse_shape(shape).ok_or_else(damaged)?,
            offset: 0,
        })
    }

    /// Numbers in the array; `None` when that overflows.
    pub fn count(&self) -> Option<u64> {
        self.shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d))
    }

    /// Bytes that the numbers take; `None` when that overflows.
    pub fn bytes(&self) -> Option<u64> {
        self.count()?.checked_mul(self.dtype.size() as u64)
    }

    /// Rows and columns of an array with one or two axes.
    ///
    /// # Errors
    /// Other shapes, no rows, and rows that are too long.
    pub(crate) fn rows_and_columns(&self, name: &str) -> Result<(u64, usize), DataErrorKind> {
        let shape = &self.shape;
        let (rows, columns) = match shape[..] {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => {
                return Err(wrong(format!(
                    "{name} holds an array of shape {shape:?}; reshape it to rows by columns, as in a.reshape(len(a), -1)"
                )));
            }
        };
        if columns > MAX_COLUMNS as u64 {
            return Err(wrong(format!(
                "{name} has {columns} columns, more than {MAX_COLUMNS}; is it transposed?"
            )));
        }
        if rows == 0 || columns == 0 {
            return Err(wrong(format!("{name}, of shape {shape:?}, has no rows")));
        }
        Ok((rows, columns as usize))
    }
}

fn parse_descr(name: &str, descr: &str) -> Result<NpyDtype, DataErrorKind> {
    let quote = descr.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else {
        return Err(wrong(format!(
            "{name} holds records with several fields; save plain columns, as in numpy.lib.recfunctions.structured_to_unstructured"
        )));
    };
    let code = descr[1..].split(quote).next().unwrap_or_default();
    NpyDtype::parse(code).ok_or_else(|| {
        wrong(match code {
            "|O" => format!("{name} holds Python objects; save numbers, as in a.astype(float)"),
            _ => format!(
                "{name} holds values of dtype {code:?}; save integers, booleans or floats of at most 64 bits, as in a.astype(float)"
            ),
        })
    })
}

fn parse_shape(text: &str) -> Option<Vec<u64>> {
    let inner = text.strip_prefix('(')?.split(')').next()?;
    let sizes = inner.split(',').map(str::trim).filter(|s| !s.is_empty());
    // Python 2 wrote long integers as 3L.
    sizes
        .map(|s| s.trim_end_matches('L').parse().ok())
        .collect()
}

fn exactly(
    path: &Path,
    name: &str,
    stream: &mut dyn Read,
    bytes: &mut [u8],
) -> Result<(), DataError> {
    let got = open::fill(stream, bytes).map_err(|e| io_error(path, e))?;
    if got == bytes.len() {
        return Ok(());
    }
    Err(truncated(format!("{name} stops inside its header")).at(path))
}

/// The two ways to the bytes of an array.
pub(crate) enum Bytes {
    /// From the first number to the last, once.
    Forward(Box<dyn Read + Send>),
    /// Anywhere: the first number is at this offset.
    Anywhere(Box<dyn ReadSeek>, u64),
}

/// What messages call the only array of a file.
const ONLY: &str = "the array";

/// An NPY file whose header was read.
pub(crate) struct NpyTable {
    pub columns: Columns,
    path: PathBuf,
    gzip: bool,
    header: NpyHeader,
    memory_limit: u64,
}

impl NpyTable {
    pub fn open(spec: &FileSpec, gzip: bool) -> Result<Self, DataError> {
        let path = spec.path.as_path();
        let header = NpyHeader::read(path, ONLY, &mut open::stream(path, gzip)?)?;
        let (_, columns) = (header.rows_and_columns(ONLY)).map_err(|kind| kind.at(path))?;
        if !gzip {
            let length = open::stamp(path)?.length;
            check_length(ONLY, &header, length).map_err(|kind| kind.at(path))?;
        }
        Ok(Self {
            columns: Columns::unnamed(columns),
            path: path.to_owned(),
            gzip,
            header,
            memory_limit: spec.memory_limit,
        })
    }

    pub fn rows(&self, picked: Vec<Picked>) -> Result<Box<dyn ReadRows>, DataError> {
        let path = &self.path;
        let bytes = if self.header.fortran && !self.gzip {
            Bytes::Anywhere(open::open(path)?, self.header.offset)
        } else {
            let mut stream = open::stream(path, self.gzip)?;
            NpyHeader::read(path, ONLY, &mut stream)?;
            forward(path, ONLY, &self.header, stream, self.memory_limit)?
        };
        let columns = 0..self.columns.names.len();
        let array = ArrayRows::new(ONLY, &self.header, bytes, &picked, columns);
        let array = array.map_err(|kind| kind.at(path))?;
        Ok(side_by_side(path, vec![array], picked))
    }
}

/// Whether header and numbers make up exactly `length` bytes.
pub(crate) fn check_length(
    name: &str,
    header: &NpyHeader,
    length: u64,
) -> Result<(), DataErrorKind> {
    let needed = header.bytes().and_then(|b| b.checked_add(header.offset));
    let claim = format!("{name} claims the shape {:?}", header.shape);
    let Some(needed) = needed else {
        return Err(damaged(format!("{claim}, which is larger than any file")));
    };
    let claim = format!("{claim}, {needed} bytes, but there are {length}");
    match needed.cmp(&length) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(damaged(claim)),
        Ordering::Greater => Err(truncated(claim)),
    }
}

/// The numbers of a stream that stands behind the header; a column-major array that cannot be
/// read out of order is brought into memory, if it may.
pub(crate) fn forward(
    path: &Path,
    name: &str,
    header: &NpyHeader,
    mut stream: Box<dyn Read + Send>,
    memory_limit: u64,
) -> Result<Bytes, DataError> {
    if !header.fortran {
        return Ok(Bytes::Forward(stream));
    }
    let needed = header.bytes().unwrap_or(u64::MAX);
    if needed > memory_limit {
        let what = format!("{name}, which is compressed and in Fortran order,");
        let cure = "save it in C order, as in numpy.ascontiguousarray(a)";
        return Err(too_large(what, needed, memory_limit, cure).at(path));
    }
    let numbers = whole(path, name, header, &mut stream)?;
    Ok(Bytes::Anywhere(Box::new(Cursor::new(numbers)), 0))
}

/// The bytes of all numbers, from a stream that stands behind the header.
fn whole(
    path: &Path,
    name: &str,
    header: &NpyHeader,
    stream: &mut dyn Read,
) -> Result<Vec<u8>, DataError> {
    let needed = header.bytes().unwrap_or(u64::MAX);
    // Nothing is set aside on the word of the header: memory grows with what really comes.
    let mut numbers = Vec::new();
    let read = stream.take(needed).read_to_end(&mut numbers);
    read.map_err(|e| io_error(path, e))?;
    let got = numbers.len() as u64;
    if got < needed {
        check_length(name, header, header.offset + got).map_err(|kind| kind.at(path))?;
    }
    end_of(stream, name).map_err(|e| io_error(path, e))?;
    Ok(numbers)
}

/// Reads past the end, which makes decompressors check their checksums.
fn end_of(stream: &mut dyn Read, name: &str) -> io::Result<()> {
    if open::fill(stream, &mut [0])? > 0 {
        let message = format!("{name} goes on after its last number");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(())
}

/// Some columns of one array, row after row.
pub(crate) struct ArrayRows {
    name: String,
    dtype: NpyDtype,
    bytes: Bytes,
    rows: u64,
    columns: usize,
    /// Wanted columns of the array and the slots they go to.
    wanted: Vec<(usize, usize)>,
    next_row: u64,
    buffer: Vec<u8>,
}

impl ArrayRows {
    /// Prepares to read those of the picked columns that the array has: `own` of the table.
    pub fn new(
        name: &str,
        header: &NpyHeader,
        bytes: Bytes,
        picked: &[Picked],
        own: Range<usize>,
    ) -> Result<Self, DataErrorKind> {
        let (rows, columns) = header.rows_and_columns(name)?;
        let wanted = (picked.iter().enumerate())
            .filter(|(_, picked)| own.contains(&picked.column))
            .map(|(slot, picked)| (picked.column - own.start, slot));
        Ok(Self {
            name: name.to_owned(),
            dtype: header.dtype,
            bytes,
            rows,
            columns,
            wanted: wanted.collect(),
            next_row: 0,
            buffer: Vec::new(),
        })
    }

    /// Writes up to `limit` rows into `values`, rows × `width`; returns how many.
    fn read(&mut self, limit: usize, values: &mut [f64], width: usize) -> io::Result<usize> {
        let left = self.rows - self.next_row;
        let rows = (limit as u64).min(left) as usize;
        match &mut self.bytes {
            Bytes::Forward(_) => self.read_forward(rows, values, width)?,
            Bytes::Anywhere(..) => self.read_anywhere(rows, values, width)?,
        }
        self.next_row += rows as u64;
        Ok(rows)
    }

    fn read_forward(&mut self, rows: usize, values: &mut [f64], width: usize) -> io::Result<()> {
        let Bytes::Forward(stream) = &mut self.bytes else {
            return Ok(());
        };
        let size = self.dtype.size();
        let stride = size * self.columns;
        self.buffer.resize(rows * stride, 0);
        if open::fill(stream, &mut self.buffer)? < self.buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the array is cut off",
            ));
        }
        for (row, bytes) in values
            .chunks_exact_mut(width)
            .zip(self.buffer.chunks_exact(stride))
        {
            for &(column, slot) in &self.wanted {
                row[slot] = self
                    .dtype
                    .decode(&bytes[column * size..(column + 1) * size]);
            }
        }
        if self.next_row + rows as u64 == self.rows {
            end_of(stream, &self.name)?;
        }
        Ok(())
    }

    fn read_anywhere(&mut self, rows: usize, values: &mut [f64], width: usize) -> io::Result<()> {
        let Bytes::Anywhere(bytes, start) = &mut self.bytes else {
            return Ok(());
        };
        let size = self.dtype.size();
        self.buffer.resize(rows * size, 0);
        for &(column, slot) in &self.wanted {
            // Cannot overflow: the bytes of the whole array were counted when it was opened.
            let at = *start + (column as u64 * self.rows + self.next_row) * size as u64;
            bytes.seek(SeekFrom::Start(at))?;
            bytes.read_exact(&mut self.buffer)?;
            for (row, number) in self.buffer.chunks_exact(size).enumerate() {
                values[row * width + slot] = self.dtype.decode(number);
            }
        }
        Ok(())
    }
}

/// Rows of arrays of equally many rows, beside each other.
struct SideBySide {
    path: PathBuf,
    arrays: Vec<ArrayRows>,
    picked: Vec<Picked>,
    rows: u64,
}

/// The picked columns, each of which is in one of the arrays.
pub(crate) fn side_by_side(
    path: &Path,
    arrays: Vec<ArrayRows>,
    picked: Vec<Picked>,
) -> Box<dyn ReadRows> {
    Box::new(SideBySide {
        path: path.to_owned(),
        arrays,
        picked,
        rows: 0,
    })
}

impl ReadRows for SideBySide {
    fn read(
        &mut self,
        limit: usize,
        values: &mut Vec<f64>,
        classes: &mut Classes,
    ) -> Result<usize, DataError> {
        let width = self.picked.len();
        // So that the bytes of the widest array stay few.
        let chunks = self.arrays.iter().map(|array| chunk_rows(array.columns));
        let limit = chunks.fold(limit, usize::min);
        values.resize(limit * width, 0.0);
        let mut rows = 0;
        for array in &mut self.arrays {
            let read = array.read(limit, values, width);
            rows = read.map_err(|e| io_error(&self.path, e))?;
        }
        values.truncate(rows * width);
        finish_numbers(values, &self.picked, classes, self.rows + 1)
            .map_err(|kind| kind.at(&self.path))?;
        self.rows += rows as u64;
        Ok(rows)
    }
}

/// All numbers of a small array, in C order.
///
/// # Errors
/// A truncated array; the caller has bounded its size.
pub(crate) fn read_all(
    path: &Path,
    name: &str,
    header: &NpyHeader,
    stream: &mut dyn Read,
) -> Result<Vec<f64>, DataError> {
    let bytes = whole(path, name, header, stream)?;
    let numbers = bytes.chunks_exact(header.dtype.size());
    let numbers: Vec<f64> = numbers.map(|b| header.dtype.decode(b)).collect();
    let (&[rows, columns], true) = (&header.shape[..], header.fortran) else {
        return Ok(numbers);
    };
    let (rows, columns) = (rows as usize, columns as usize);
    let transposed = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
    Ok(transposed.map(|(r, c)| numbers[c * rows + r]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_versions_are_understood() {
        let text = "{'descr': '>i2', 'fortran_order': True, 'shape': (3L, 4), }";
        let header = NpyHeader::parse("a", text).unwrap();
        assert_eq!(header.shape, [3, 4]);
        assert!(header.fortran);
        assert_eq!(header.dtype.decode(&[1, 2]), 258.0);
        for (descr, message) in [
            ("'|O'", "Python objects"),
            ("[('a', '<f8')]", "several fields"),
            ("[('shape', '<f8')]", "several fields"),
            ("'<U5'", "<U5"),
            ("'<f16'", "<f16"),
            ("'é8'", "é8"),
        ] {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}");
            let error = NpyHeader::parse("a", &text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        for text in [
            "",
            "{'descr': '<f8'}",
            "{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}",
        ] {
            assert!(NpyHeader::parse("a", text).is_err());
        }
    }
}

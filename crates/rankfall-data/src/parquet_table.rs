//! Parquet: row group by row group, a bounded number of rows at a time.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    AsBytes, BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::classes::ClassCodes;
use crate::columns::{Columns, MAX_COLUMNS};
use crate::error::{
    DataError, DataErrorKind, RowPosition, damaged, no_value, not_utf8, truncated, wrong,
};
use crate::guarded;
use crate::npy::half;
use crate::open;
use crate::read_rows::{Classes, Picked, ReadRows, finish_numbers};
use crate::spec::FileSpec;

/// A Parquet file whose schema was read.
pub(crate) struct ParquetTable {
    pub columns: Columns,
    path: PathBuf,
    file: Arc<SerializedFileReader<File>>,
}

impl ParquetTable {
    pub fn open(spec: &FileSpec) -> Result<Self, DataError> {
        let path = spec.path.as_path();
        let handle = open::open_on_disk(path)?;
        let file = guarded(|| SerializedFileReader::new(handle)).map_err(|kind| kind.at(path))?;
        let metadata = file.metadata().file_metadata();
        let schema = metadata.schema_descr();
        if schema.num_columns() > MAX_COLUMNS {
            let message = format!("it has {} columns, too many to use", schema.num_columns());
            return Err(wrong(message).at(path));
        }
        let names = schema.columns().iter().map(|c| c.path().string());
        let mut columns = Columns::named(path, names.collect())?;
        columns.index = index_columns(metadata, &columns.names);
        if metadata.num_rows() <= 0 {
            return Err(wrong("the table has no rows").at(path));
        }
        Ok(Self {
            columns,
            path: path.to_owned(),
            file: Arc::new(file),
        })
    }

    pub fn rows(&self, mut picked: Vec<Picked>) -> Result<Box<dyn ReadRows>, DataError> {
        let meanings = (picked.iter())
            .map(|picked| self.meaning(picked))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|kind| kind.at(&self.path))?;
        for (picked, meaning) in picked.iter_mut().zip(&meanings) {
            // Text is read as its codes at once.
            picked.class &= *meaning != Meaning::Text;
        }
        Ok(Box::new(ParquetRows {
            path: self.path.clone(),
            file: Arc::clone(&self.file),
            group: 0,
            left: 0,
            columns: Vec::new(),
            picked,
            meanings,
            rows: 0,
        }))
    }

    /// How a column is read as numbers, if it can be.
    fn meaning(&self, picked: &Picked) -> Result<Meaning, DataErrorKind> {
        for group in self.file.metadata().row_groups() {
            if let Some(column) = group.columns().get(picked.column) {
                check_compression(&picked.name, column.compression())?;
            }
        }
        let schema = self.file.metadata().file_metadata().schema_descr();
        meaning(&schema.column(picked.column), picked.class)
    }
}

/// Columns that pandas wrote as an index, as its note in the file says, or by the name that it
/// gives to an index without one.
fn index_columns(metadata: &FileMetaData, names: &[String]) -> Vec<usize> {
    let notes = metadata.key_value_metadata().into_iter().flatten();
    let pandas = notes
        .filter(|note| note.key == "pandas")
        .find_map(|note| note.value.as_ref());
    // Somebody's damaged note is no reason to refuse the table.
    let note: serde_json::Value = pandas
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let listed = note["index_columns"].as_array();
    let listed: Vec<&str> = listed
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .collect();
    let is_index = |name: &str| {
        let level = name
            .strip_prefix("__index_level_")
            .and_then(|n| n.strip_suffix("__"));
        listed.contains(&name) || level.is_some_and(|n| n.parse::<u32>().is_ok())
    };
    (names.iter().enumerate())
        .filter(|(_, name)| is_index(name))
        .map(|(column, _)| column)
        .collect()
}

/// Runs a piece of the Parquet reader; an error, or a panic over a damaged file, is a message. The
/// reader trusts some of the file's numbers (a negative offset, a missing dictionary), so that
/// flipped bits can make it panic.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, DataErrorKind> {
    match guarded::guarded(read) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(damaged(format!("{error}; it may be cut off"))),
        None => Err(damaged("its pages contradict its footer")),
    }
}

fn check_compression(column: &str, compression: Compression) -> Result<(), DataErrorKind> {
    match compression {
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) => Ok(()),
        Compression::ZSTD(_) if cfg!(feature = "zstd") => Ok(()),
        Compression::ZSTD(_) => Err(wrong(format!(
            "column {column:?} is compressed with zstd, which this build leaves out; \
             build with `cargo build --release --features zstd`, or write the file with snappy"
        ))),
        other => Err(wrong(format!(
            "column {column:?} holds data compressed with {other}; write the file with snappy"
        ))),
    }
}

/// How stored values become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Number,
    Unsigned,
    /// An integer divided by ten to this power.
    Decimal(i32),
    Half,
    /// Classes only.
    Text,
}

/// What a column's declared type says, which overrides how its values are stored.
fn meaning(column: &ColumnDescriptor, class: bool) -> Result<Meaning, DataErrorKind> {
    let name = column.path().string();
    let unsupported =
        |found: &str, cure: &str| wrong(format!("column {name:?} holds {found}; {cure}"));
    if column.max_rep_level() > 0 {
        return Err(unsupported("lists", "write one column per element"));
    }
    use ConvertedType as C;
    let stored = column.physical_type();
    let bytes = matches!(stored, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY);
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Decimal(_)), _) | (_, C::DECIMAL) => {
            Ok(Meaning::Decimal(column.type_scale().clamp(0, 300)))
        }
        (Some(LogicalType::Float16), _) if column.type_length() == 2 => Ok(Meaning::Half),
        (Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_)), _)
        | (_, C::DATE | C::TIME_MILLIS | C::TIME_MICROS | C::TIMESTAMP_MILLIS)
        | (_, C::TIMESTAMP_MICROS | C::INTERVAL) => Err(unsupported(
            "dates or times",
            "leave it out, or write it as a number",
        )),
        (_, C::UINT_8 | C::UINT_16 | C::UINT_32 | C::UINT_64) => Ok(Meaning::Unsigned),
        (Some(LogicalType::Integer(kind)), _) if !kind.is_signed => Ok(Meaning::Unsigned),
        _ if stored == Type::INT96 => Err(unsupported(
            "96-bit times",
            "leave it out, or write it as a number",
        )),
        _ if stored == Type::BYTE_ARRAY && class => Ok(Meaning::Text),
        _ if bytes => Err(unsupported(
            "text or bytes",
            "leave it out, or name it a target with one_hot = true if it is a class",
        )),
        _ => Ok(Meaning::Number),
    }
}

/// Where a column's values go: slot `slot` of rows of the picked columns.
struct Target<'a> {
    values: &'a mut [f64],
    picked: &'a [Picked],
    slot: usize,
    /// Rows that came before.
    rows: u64,
    codes: Option<&'a mut ClassCodes>,
}

/// One column of one row group.
trait ReadColumn: Send {
    /// Reads the next `rows` values.
    fn read(&mut self, rows: usize, target: Target<'_>) -> Result<(), DataErrorKind>;
}

/// A column and the way in which its values become numbers.
struct Column<T: DataType, F> {
    reader: ColumnReaderImpl<T>,
    /// Values and definition levels of one batch, reused.
    values: Vec<T::T>,
    levels: Vec<i16>,
    /// The level of a value that is there.
    present: i16,
    decode: F,
}

impl<T: DataType, F> ReadColumn for Column<T, F>
where
    F: Fn(&T::T, Option<&mut ClassCodes>, RowPosition) -> Result<f64, DataErrorKind> + Send,
    ColumnReaderImpl<T>: Send,
{
    fn read(&mut self, rows: usize, mut target: Target<'_>) -> Result<(), DataErrorKind> {
        let name = &target.picked[target.slot].name;
        let place = |offset: usize| RowPosition {
            row: target.rows + offset as u64 + 1,
            line: None,
        };
        self.values.clear();
        self.levels.clear();
        let levels = Some(&mut self.levels);
        let read = (self.reader).read_records(rows, levels, None, &mut self.values);
        let (records, _, _) = read.map_err(|error| damaged(format!("column {name:?}: {error}")))?;
        if let Some(offset) = self.levels.iter().position(|&level| level < self.present) {
            return Err(no_value(place(offset), name));
        }
        if records < rows || self.values.len() < rows {
            return Err(truncated(format!(
                "column {name:?} has fewer values than rows"
            )));
        }
        let places = (target.values.iter_mut())
            .skip(target.slot)
            .step_by(target.picked.len());
        for (offset, (out, value)) in places.zip(&self.values).enumerate() {
            *out = (self.decode)(value, target.codes.as_deref_mut(), place(offset))?;
        }
        Ok(())
    }
}

fn read_by<T: DataType>(
    reader: ColumnReaderImpl<T>,
    present: i16,
    decode: impl Fn(&T::T, Option<&mut ClassCodes>, RowPosition) -> Result<f64, DataErrorKind>
    + Send
    + 'static,
) -> Box<dyn ReadColumn>
where
    ColumnReaderImpl<T>: Send,
{
    Box::new(Column {
        reader,
        values: Vec::new(),
        levels: Vec::new(),
        present,
        decode,
    })
}

fn numbers<T: DataType>(
    reader: ColumnReaderImpl<T>,
    present: i16,
    decode: impl Fn(&T::T) -> f64 + Send + 'static,
) -> Box<dyn ReadColumn>
where
    ColumnReaderImpl<T>: Send,
{
    read_by(reader, present, move |value, _, _| Ok(decode(value)))
}

/// The code of a text that is a class.
fn code(
    value: &ByteArray,
    codes: Option<&mut ClassCodes>,
    place: RowPosition,
) -> Result<f64, DataErrorKind> {
    let Some(codes) = codes else { return Ok(0.0) };
    let text = str::from_utf8(value.data()).map_err(|_| not_utf8("a text of a class column"))?;
    codes.text(text, place).map(|code| code as f64)
}

/// A reader that turns the values of one column chunk into numbers.
fn column(reader: ColumnReader, present: i16, meaning: Meaning) -> Option<Box<dyn ReadColumn>> {
    use ColumnReader as R;
    let power = |scale: i32| 10f64.powi(scale);
    Some(match (reader, meaning) {
        (R::BoolColumnReader(r), _) => numbers::<BoolType>(r, present, |&v| f64::from(v)),
        (R::FloatColumnReader(r), _) => numbers::<FloatType>(r, present, |&v| f64::from(v)),
        (R::DoubleColumnReader(r), _) => numbers::<DoubleType>(r, present, |&v| v),
        (R::Int32ColumnReader(r), Meaning::Unsigned) => {
            numbers::<Int32Type>(r, present, |&v| f64::from(v.cast_unsigned()))
        }
        (R::Int64ColumnReader(r), Meaning::Unsigned) => {
            numbers::<Int64Type>(r, present, |&v| v.cast_unsigned() as f64)
        }
        (R::Int32ColumnReader(r), Meaning::Decimal(s)) => {
            numbers::<Int32Type>(r, present, move |&v| f64::from(v) / power(s))
        }
        (R::Int64ColumnReader(r), Meaning::Decimal(s)) => {
            numbers::<Int64Type>(r, present, move |&v| v as f64 / power(s))
        }
        (R::Int32ColumnReader(r), _) => numbers::<Int32Type>(r, present, |&v| f64::from(v)),
        (R::Int64ColumnReader(r), _) => numbers::<Int64Type>(r, present, |&v| v as f64),
        (R::FixedLenByteArrayColumnReader(r), Meaning::Half) => {
            numbers::<FixedLenByteArrayType>(r, present, |v| match v.as_bytes() {
                &[low, high] => half(u16::from_le_bytes([low, high])),
                _ => f64::NAN,
            })
        }
        (R::FixedLenByteArrayColumnReader(r), Meaning::Decimal(s)) => {
            numbers::<FixedLenByteArrayType>(r, present, move |v| integer(v.as_bytes()) / power(s))
        }
        (R::ByteArrayColumnReader(r), Meaning::Decimal(s)) => {
            numbers::<ByteArrayType>(r, present, move |v| integer(v.as_bytes()) / power(s))
        }
        (R::ByteArrayColumnReader(r), Meaning::Text) => read_by::<ByteArrayType>(r, present, code),
        _ => return None,
    })
}

/// A two's complement integer, most significant byte first; rounded once up to 16 bytes.
fn integer(bytes: &[u8]) -> f64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    let extra = bytes.len().saturating_sub(16);
    if bytes[..extra].iter().any(|&byte| byte != fill) {
        // Beyond 128 bits; no format of numbers in use is that wide.
        return f64::NAN;
    }
    let mut wide = [fill; 16];
    let low = &bytes[extra..];
    wide[16 - low.len()..].copy_from_slice(low);
    i128::from_be_bytes(wide) as f64
}

/// Rows of a Parquet file.
struct ParquetRows {
    path: PathBuf,
    file: Arc<SerializedFileReader<File>>,
    /// The next row group.
    group: usize,
    /// Rows left in the current one.
    left: usize,
    columns: Vec<Box<dyn ReadColumn>>,
    picked: Vec<Picked>,
    meanings: Vec<Meaning>,
    /// Rows read so far.
    rows: u64,
}

impl ParquetRows {
    /// Opens the next row group that has rows; `false` at the end.
    fn next_group(&mut self) -> Result<bool, DataErrorKind> {
        while self.left == 0 {
            if self.group >= self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.metadata().row_group(self.group);
            self.left = usize::try_from(group.num_rows())
                .map_err(|_| damaged(format!("a row group claims {} rows", group.num_rows())))?;
            self.columns = self.open_columns(self.group)?;
            self.group += 1;
        }
        Ok(true)
    }

    fn open_columns(&self, group: usize) -> Result<Vec<Box<dyn ReadColumn>>, DataErrorKind> {
        let reader = guarded(|| self.file.get_row_group(group))?;
        let schema = self.file.metadata().file_metadata().schema_descr();
        let open = |(picked, &meaning): (&Picked, &Meaning)| {
            let present = schema.column(picked.column).max_def_level();
            let pages = guarded(|| reader.get_column_reader(picked.column))?;
            column(pages, present, meaning)
                .ok_or_else(|| damaged(format!("column {:?} changes its type", picked.name)))
        };
        self.picked.iter().zip(&self.meanings).map(open).collect()
    }

    fn read_chunk(
        &mut self,
        limit: usize,
        values: &mut Vec<f64>,
        classes: &mut Classes,
    ) -> Result<usize, DataErrorKind> {
        values.clear();
        if !self.next_group()? {
            return Ok(0);
        }
        let rows = self.left.min(limit);
        values.resize(rows * self.picked.len(), 0.0);
        for (slot, column) in self.columns.iter_mut().enumerate() {
            let target = Target {
                values: &mut *values,
                picked: &self.picked,
                slot,
                rows: self.rows,
                codes: classes[slot].as_mut(),
            };
            guarded(|| Ok(column.read(rows, target)))??;
        }
        finish_numbers(values, &self.picked, classes, self.rows + 1)?;
        self.left -= rows;
        self.rows += rows as u64;
        Ok(rows)
    }
}

impl ReadRows for ParquetRows {
    fn read(
        &mut self,
        limit: usize,
        values: &mut Vec<f64>,
        classes: &mut Classes,
    ) -> Result<usize, DataError> {
        let read = self.read_chunk(limit, values, classes);
        read.map_err(|kind| kind.at(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_integers_keep_their_sign() {
        assert_eq!(integer(&[]), 0.0);
        assert_eq!(integer(&[0xff]), -1.0);
        assert_eq!(integer(&[0x01, 0x00]), 256.0);
        assert_eq!(integer(&[0xff; 20]), -1.0);
        assert!(integer(&[0x01; 20]).is_nan());
    }
}

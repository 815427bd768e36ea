//! Tables of named columns as Parquet: the same columns always give the same bytes.

use crate::guarded::guarded;
use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Row;
use parquet::schema::types::{Type, TypePtr};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Text in a column.
pub use parquet::data_type::ByteArray;
/// A value of a row that is read.
pub use parquet::record::Field;

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnContent {
    /// Text.
    Text,
    /// 32-bit whole numbers.
    Int32,
    /// 32-bit whole numbers, null where there is none.
    NullableInt32,
    /// 64-bit whole numbers.
    Int64,
    /// 64-bit whole numbers, null where there is none.
    NullableInt64,
    /// Text, null where there is none.
    NullableText,
    /// Double precision, never null.
    Double,
    /// Double precision, null where undefined.
    Nullable,
}

/// The values of one column for some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValues {
    /// Text.
    Text(Vec<ByteArray>),
    /// 32-bit whole numbers.
    Int32(Vec<i32>),
    /// 32-bit whole numbers, null where there is none.
    NullableInt32(Vec<Option<i32>>),
    /// 64-bit whole numbers.
    Int64(Vec<i64>),
    /// 64-bit whole numbers, null where there is none.
    NullableInt64(Vec<Option<i64>>),
    /// Text, null where there is none.
    NullableText(Vec<Option<ByteArray>>),
    /// Double precision, never null.
    Double(Vec<f64>),
    /// Double precision, null where undefined or not finite.
    Nullable(Vec<Option<f64>>),
}

impl ColumnValues {
    /// What they are values of.
    fn content(&self) -> ColumnContent {
        match self {
            Self::Text(_) => ColumnContent::Text,
            Self::Int32(_) => ColumnContent::Int32,
            Self::NullableInt32(_) => ColumnContent::NullableInt32,
            Self::Int64(_) => ColumnContent::Int64,
            Self::NullableInt64(_) => ColumnContent::NullableInt64,
            Self::NullableText(_) => ColumnContent::NullableText,
            Self::Double(_) => ColumnContent::Double,
            Self::Nullable(_) => ColumnContent::Nullable,
        }
    }
}

/// A column: its name and what is in it.
pub type TableColumn<'a> = (&'a str, ColumnContent);

/// A Parquet file written one group of rows after the other.
pub struct TableWriter<W: Write> {
    contents: Vec<ColumnContent>,
    writer: SerializedFileWriter<Pipe>,
    pipe: Pipe,
    out: W,
}

impl<W: Write> TableWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Columns that the format does not take.
    pub fn new(out: W, columns: &[TableColumn]) -> io::Result<Self> {
        let pipe = Pipe::default();
        Ok(TableWriter {
            contents: columns.iter().map(|(_, content)| *content).collect(),
            writer: begin(pipe.clone(), columns).map_err(io::Error::other)?,
            pipe,
            out,
        })
    }

    /// Appends rows, given as one [`ColumnValues`] per column in the order of the columns.
    ///
    /// # Errors
    /// Columns of other types or lengths, and the reason of `out`.
    pub fn append(&mut self, columns: &[ColumnValues]) -> io::Result<()> {
        let given = columns.iter().map(ColumnValues::content);
        if !given.eq(self.contents.iter().copied()) {
            return Err(io::Error::other("its columns are not those of the table"));
        }
        write_group(&mut self.writer, columns).map_err(io::Error::other)?;
        self.pipe.empty_into(&mut self.out)
    }

    /// Writes what belongs at the end of the file, and gives it back.
    ///
    /// # Errors
    /// The reason of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.close().map_err(io::Error::other)?;
        self.pipe.empty_into(&mut self.out)?;
        Ok(self.out)
    }
}

/// What was written and not passed on yet. The writer of Parquet writes to it and not to the file,
/// so that it is compiled once, here.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    fn empty_into(&self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(&std::mem::take(&mut *bytes))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn begin(pipe: Pipe, columns: &[TableColumn]) -> Result<SerializedFileWriter<Pipe>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(format!("rankfall {}", env!("CARGO_PKG_VERSION")))
        .build();
    SerializedFileWriter::new(pipe, schema(columns)?, Arc::new(properties))
}

fn write_group(
    writer: &mut SerializedFileWriter<Pipe>,
    columns: &[ColumnValues],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for values in columns {
        write_column(&mut group, values)?;
    }
    group.close().map(|_| ())
}

fn schema(columns: &[TableColumn]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let root = Type::group_type_builder("rankfall").with_fields(fields);
    root.build().map(Arc::new)
}

fn field((name, content): &TableColumn) -> Result<TypePtr, ParquetError> {
    let (physical, repetition) = match content {
        ColumnContent::Text => (Physical::BYTE_ARRAY, Repetition::REQUIRED),
        ColumnContent::Int32 => (Physical::INT32, Repetition::REQUIRED),
        ColumnContent::NullableInt32 => (Physical::INT32, Repetition::OPTIONAL),
        ColumnContent::Int64 => (Physical::INT64, Repetition::REQUIRED),
        ColumnContent::NullableInt64 => (Physical::INT64, Repetition::OPTIONAL),
        ColumnContent::NullableText => (Physical::BYTE_ARRAY, Repetition::OPTIONAL),
        ColumnContent::Double => (Physical::DOUBLE, Repetition::REQUIRED),
        ColumnContent::Nullable => (Physical::DOUBLE, Repetition::OPTIONAL),
    };
    let is_text = matches!(content, ColumnContent::Text | ColumnContent::NullableText);
    let text = is_text.then_some(LogicalType::String);
    Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(text)
        .build()
        .map(Arc::new)
}

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, Pipe>,
    values: &ColumnValues,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than declared".into()));
    };
    match values {
        ColumnValues::Text(v) => column.typed::<ByteArrayType>().write_batch(v, None, None)?,
        ColumnValues::Int32(v) => column.typed::<Int32Type>().write_batch(v, None, None)?,
        ColumnValues::Int64(v) => column.typed::<Int64Type>().write_batch(v, None, None)?,
        ColumnValues::Double(v) => column.typed::<DoubleType>().write_batch(v, None, None)?,
        ColumnValues::NullableInt32(v) => {
            write_nullable(column.typed::<Int32Type>(), v.iter().copied())?
        }
        ColumnValues::NullableInt64(v) => {
            write_nullable(column.typed::<Int64Type>(), v.iter().copied())?
        }
        ColumnValues::NullableText(v) => {
            write_nullable(column.typed::<ByteArrayType>(), v.iter().cloned())?
        }
        ColumnValues::Nullable(v) => {
            let finite = v.iter().map(|x| x.filter(|x| x.is_finite()));
            write_nullable(column.typed::<DoubleType>(), finite)?
        }
    };
    column.close()
}

fn write_nullable<T: DataType>(
    column: &mut ColumnWriterImpl<'_, T>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<usize, ParquetError> {
    let values: Vec<Option<T::T>> = values.collect();
    let levels: Vec<i16> = values.iter().map(|v| v.is_some().into()).collect();
    let present: Vec<T::T> = values.into_iter().flatten().collect();
    column.write_batch(&present, Some(&levels), None)
}

/// Reads all rows of a file that must have these columns, each through a function that gives none
/// for values of other types.
///
/// # Errors
/// Files that are damaged, have other columns, or such a value.
pub fn read<T>(
    bytes: Vec<u8>,
    columns: &[TableColumn],
    row: impl Fn(&[Field]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let mut out = Vec::new();
    let each = &mut |fields: &[Field]| row(fields).map(|row| out.push(row)).is_some();
    let whole = guarded(|| read_each(bytes, columns, each));
    whole.unwrap_or_else(|| Err(io::Error::other("the file is damaged")))?;
    Ok(out)
}

fn read_each(
    bytes: Vec<u8>,
    columns: &[TableColumn],
    each: &mut dyn FnMut(&[Field]) -> bool,
) -> io::Result<()> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(io::Error::other)?;
    check_columns(&reader, columns)?;
    let rows = reader.get_row_iter(None).map_err(io::Error::other)?;
    for (at, read) in rows.enumerate() {
        if !each(&fields_of(read.map_err(io::Error::other)?)) {
            let unexpected = format!("row {at} has a value of another type");
            return Err(io::Error::other(unexpected));
        }
    }
    Ok(())
}

fn check_columns(reader: &SerializedFileReader<Bytes>, columns: &[TableColumn]) -> io::Result<()> {
    let descriptor = reader.metadata().file_metadata().schema_descr_ptr();
    let found: Vec<&str> = descriptor.columns().iter().map(|c| c.name()).collect();
    let wanted: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    if found == wanted {
        return Ok(());
    }
    let (found, wanted) = (found.join(", "), wanted.join(", "));
    Err(io::Error::other(format!(
        "its columns are {found}, not {wanted}"
    )))
}

fn fields_of(row: Row) -> Vec<Field> {
    row.get_column_iter()
        .map(|(_, field)| field.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[TableColumn] = &[
        ("name", ColumnContent::Text),
        ("value", ColumnContent::Nullable),
    ];

    fn names(all: &[&str]) -> ColumnValues {
        ColumnValues::Text(all.iter().map(|name| ByteArray::from(*name)).collect())
    }

    fn refusal(columns: &[ColumnValues]) -> String {
        let mut table = TableWriter::new(Vec::new(), COLUMNS).unwrap();
        table.append(columns).unwrap_err().to_string()
    }

    #[test]
    fn groups_are_read_as_they_were_written_and_what_is_not_finite_is_null() {
        let mut table = TableWriter::new(Vec::new(), COLUMNS).unwrap();
        let values = |all: &[f64]| ColumnValues::Nullable(all.iter().map(|x| Some(*x)).collect());
        table
            .append(&[names(&["a", "b"]), values(&[0.5, f64::NAN])])
            .unwrap();
        table.append(&[names(&["c"]), values(&[-2.0])]).unwrap();
        let bytes = table.finish().unwrap();
        let read = read(bytes, COLUMNS, |fields| match fields {
            [Field::Str(name), Field::Double(value)] => Some((name.clone(), Some(*value))),
            [Field::Str(name), Field::Null] => Some((name.clone(), None)),
            _ => None,
        });
        let expected = [("a", Some(0.5)), ("b", None), ("c", Some(-2.0))];
        assert_eq!(
            read.unwrap(),
            expected.map(|(name, value)| (name.to_owned(), value))
        );
    }

    #[test]
    fn columns_of_another_type_number_or_length_are_refused() {
        let whole = ColumnValues::Int32(vec![1]);
        let real = ColumnValues::Nullable(vec![Some(1.0)]);
        let other = "its columns are not those of the table";
        assert_eq!(refusal(&[names(&["a"]), whole]), other);
        assert_eq!(refusal(&[names(&["a"])]), other);
        let longer = refusal(&[names(&["a", "b"]), real]);
        assert!(longer.contains("rows"), "{longer}");
    }
}

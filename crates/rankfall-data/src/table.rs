//! A table of any format: its columns, and a stream of the rows of some of them.

use crate::columns::Columns;
use crate::error::DataError;
use crate::npy::NpyTable;
use crate::npz::NpzTable;
use crate::parquet_table::ParquetTable;
use crate::read_rows::{Picked, ReadRows};
use crate::sniff::{Sniffed, sniff};
use crate::spec::{FileSpec, TableFormat};
use crate::text_table::TextTable;

/// A table whose columns are known and whose rows were not read yet.
pub(crate) enum Table {
    Text(TextTable),
    Npy(NpyTable),
    Npz(NpzTable),
    Parquet(ParquetTable),
}

impl Table {
    /// Opens the file far enough to know its columns.
    pub fn open(spec: &FileSpec) -> Result<Self, DataError> {
        let Sniffed { format, gzip } = sniff(spec)?;
        Ok(match format {
            TableFormat::Csv => Self::Text(TextTable::open(spec, gzip)?),
            TableFormat::Npy => Self::Npy(NpyTable::open(spec, gzip)?),
            TableFormat::Npz => Self::Npz(NpzTable::open(spec)?),
            TableFormat::Parquet => Self::Parquet(ParquetTable::open(spec)?),
        })
    }

    pub fn columns(&self) -> &Columns {
        match self {
            Self::Text(table) => &table.columns,
            Self::Npy(table) => &table.columns,
            Self::Npz(table) => &table.columns,
            Self::Parquet(table) => &table.columns,
        }
    }

    /// What of the file was taken for something that it need not be.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Text(table) => table.notes(),
            Self::Npy(_) | Self::Npz(_) | Self::Parquet(_) => &[],
        }
    }

    /// Starts reading the picked columns from the first row.
    pub fn rows(&self, picked: Vec<Picked>) -> Result<Box<dyn ReadRows>, DataError> {
        match self {
            Self::Text(table) => table.rows(picked),
            Self::Npy(table) => table.rows(picked),
            Self::Npz(table) => table.rows(picked),
            Self::Parquet(table) => table.rows(picked),
        }
    }
}

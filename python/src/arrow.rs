//! The series of a run as an Arrow stream: what pandas, Polars, PyArrow and DuckDB read without a
//! copy through text.

use arrow_array::builder::StringBuilder;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, RecordBatchIterator};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rankfall_report::record::SeriesRow;
use std::sync::Arc;

/// The columns of `series.parquet`, with the same types.
///
/// # Errors
/// Columns that do not fit together, which they do.
pub fn batch(rows: &[SeriesRow]) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&SeriesRow) -> &str| -> ArrayRef {
        let mut column = StringBuilder::new();
        rows.iter().for_each(|row| column.append_value(of(row)));
        Arc::new(column.finish())
    };
    let number = |of: fn(&SeriesRow) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(rows.iter().map(of)))
    };
    let whole = |x: u32| i32::try_from(x).unwrap_or(i32::MAX);
    let layers = Int32Array::from_iter(rows.iter().map(|row| row.layer.map(whole)));
    let indices = Int32Array::from_iter_values(rows.iter().map(|row| whole(row.index)));
    let times = Float64Array::from_iter_values(rows.iter().map(|row| row.time));
    let columns: [(&str, DataType, bool, ArrayRef); 13] = [
        ("dynamics", DataType::Utf8, false, text(|r| &r.dynamics)),
        ("observable", DataType::Utf8, false, text(|r| &r.observable)),
        ("layer", DataType::Int32, true, Arc::new(layers)),
        ("index", DataType::Int32, false, Arc::new(indices)),
        ("time", DataType::Float64, false, Arc::new(times)),
        ("mean", DataType::Float64, true, number(|r| r.mean)),
        (
            "std_error",
            DataType::Float64,
            true,
            number(|r| r.std_error),
        ),
        ("q05", DataType::Float64, true, number(|r| r.q05)),
        ("q25", DataType::Float64, true, number(|r| r.q25)),
        ("q50", DataType::Float64, true, number(|r| r.q50)),
        ("q75", DataType::Float64, true, number(|r| r.q75)),
        ("q95", DataType::Float64, true, number(|r| r.q95)),
        ("law", DataType::Float64, true, number(|r| r.law)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, kind, nullable, _)| Field::new(*name, kind.clone(), *nullable))
        .collect();
    let arrays = columns.into_iter().map(|column| column.3).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

/// A batch as the capsule that the Arrow PyCapsule interface asks for.
///
/// # Errors
/// Where the capsule cannot be made.
pub fn stream(py: Python<'_>, batch: RecordBatch) -> PyResult<Bound<'_, PyCapsule>> {
    let schema = batch.schema();
    let reader = RecordBatchIterator::new([Ok(batch)], schema);
    let stream = FFI_ArrowArrayStream::new(Box::new(reader));
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

/// An error of Arrow as an exception.
pub fn failed(error: ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

//! `sweep.parquet`: one row per point, dynamics, metric and index, with the point's coordinates.

use super::metrics::{Metric, MetricRow};
use super::plan::{SweepPlan, SweepPoint};
use super::schedule::UnitRows;
use crate::experiment::document;
use crate::failure::Failure;
use crate::run_folder::open::{self, unreadable};
use crate::run_folder::series::nullable;
use crate::run_folder::{RunFolder, SWEEP};
use rankfall_data::parquet_columns::{
    self, ByteArray, ColumnContent, ColumnValues, Field, TableColumn, TableWriter,
};
use std::io::{self, Write};
use std::path::Path;

/// Rows held in columns at a time, about.
const GROUP: usize = 1 << 17;

/// A row before it is put into columns: where it belongs, and its numbers.
type Row<'a> = (u64, u32, &'a MetricRow);

/// Writes `sweep.parquet` into the folder of a sweep.
///
/// # Errors
/// Exit code 1 where the file cannot be written.
pub fn write_into(folder: &RunFolder, plan: &SweepPlan, rows: &UnitRows) -> Result<(), Failure> {
    folder.write(SWEEP, |file| write(plan, rows, file))
}

/// Reads the table of a finished sweep.
///
/// # Errors
/// Exit code 2 where the file is missing, or is not the table of this sweep.
pub fn read_from(folder: &Path, plan: &SweepPlan) -> Result<UnitRows, Failure> {
    let path = folder.join(SWEEP);
    let bytes = open::bytes(&path).map_err(|error| unreadable(&path, &error))?;
    read(plan, bytes).map_err(|error| unreadable(&path, &error))
}

/// Writes the table; equal rows give equal bytes.
///
/// # Errors
/// The writer's reason.
fn write<W: Write>(plan: &SweepPlan, rows: &UnitRows, out: W) -> io::Result<()> {
    let columns = columns(plan);
    let mut table = TableWriter::new(out, &columns)?;
    let mut group: Vec<Row> = Vec::new();
    for (&(point, dynamics), unit) in rows {
        group.extend(unit.iter().map(|row| (point, dynamics, row)));
        if group.len() >= GROUP {
            table.append(&columns_of(plan, &columns, &group))?;
            group.clear();
        }
    }
    if !group.is_empty() {
        table.append(&columns_of(plan, &columns, &group))?;
    }
    table.finish()?.flush()
}

/// The columns, in order.
fn columns(plan: &SweepPlan) -> Vec<TableColumn<'_>> {
    let axes = plan.spec.axes.iter().enumerate();
    let coordinates: Vec<TableColumn> = axes
        .map(|(at, axis)| (axis.key.as_str(), content(plan, at)))
        .collect();
    [
        &[("point", ColumnContent::Int64)],
        &coordinates[..],
        &[
            ("dynamics", ColumnContent::Text),
            ("metric", ColumnContent::Text),
            ("index", ColumnContent::Int32),
            ("value", ColumnContent::Nullable),
            ("std_error", ColumnContent::Nullable),
            ("prediction", ColumnContent::Nullable),
        ],
    ]
    .concat()
}

/// Reads the table of a sweep back.
///
/// # Errors
/// What is wrong with the file.
fn read(plan: &SweepPlan, bytes: Vec<u8>) -> io::Result<UnitRows> {
    let all = parquet_columns::read(bytes, &columns(plan), |fields| row(plan, fields))?;
    let mut rows = UnitRows::new();
    for (key, row) in all {
        rows.entry(key).or_default().push(row);
    }
    Ok(rows)
}

/// A row, if every value has the type of its column and belongs to the sweep.
fn row(plan: &SweepPlan, fields: &[Field]) -> Option<((u64, u32), MetricRow)> {
    let Some(Field::Long(point)) = fields.first() else {
        return None;
    };
    let point = u64::try_from(*point).ok()?;
    let point_of = plan.points.get(usize::try_from(point).ok()?)?;
    let labels = point_of.experiment.labels();
    let [
        Field::Str(label),
        Field::Str(metric),
        Field::Int(index),
        numbers @ ..,
    ] = fields.get(plan.spec.axes.len() + 1..)?
    else {
        return None;
    };
    let number = |at: usize| nullable(numbers.get(at)?);
    let row = MetricRow {
        metric: Metric::named(metric)?,
        index: u32::try_from(*index).ok()?,
        value: number(0)?,
        std_error: number(1)?,
        prediction: number(2)?,
    };
    let place = labels.iter().position(|other| other == label)?;
    Some(((point, u32::try_from(place).ok()?), row))
}

/// Numbers where all values of an axis are numbers, else text.
fn content(plan: &SweepPlan, axis: usize) -> ColumnContent {
    let is_number = |p: &SweepPoint| document::number(&p.coordinates[axis]).is_some();
    if plan.points.iter().all(is_number) {
        ColumnContent::Double
    } else {
        ColumnContent::Text
    }
}

fn columns_of(
    plan: &SweepPlan,
    columns: &[(&str, ColumnContent)],
    rows: &[Row],
) -> Vec<ColumnValues> {
    let node = |row: &Row, axis: usize| &plan.points[row.0 as usize].coordinates[axis];
    let coordinate = |axis: usize| match columns[axis + 1].1 {
        ColumnContent::Double => {
            let number = |row: &Row| document::number(node(row, axis)).unwrap_or(f64::NAN);
            ColumnValues::Double(rows.iter().map(number).collect())
        }
        _ => {
            let text = |row: &Row| ByteArray::from(document::shown(node(row, axis)).as_str());
            ColumnValues::Text(rows.iter().map(text).collect())
        }
    };
    let label = |row: &Row| {
        let labels = plan.points[row.0 as usize].experiment.labels();
        ByteArray::from(labels[row.1 as usize])
    };
    let metric = |row: &Row| ByteArray::from(row.2.metric.name());
    let index = |row: &Row| i32::try_from(row.2.index).unwrap_or(i32::MAX);
    let mut values = vec![ColumnValues::Int64(
        rows.iter().map(|row| row.0 as i64).collect(),
    )];
    values.extend((0..plan.spec.axes.len()).map(coordinate));
    values.extend([
        ColumnValues::Text(rows.iter().map(label).collect()),
        ColumnValues::Text(rows.iter().map(metric).collect()),
        ColumnValues::Int32(rows.iter().map(index).collect()),
        ColumnValues::Nullable(rows.iter().map(|row| row.2.value).collect()),
        ColumnValues::Nullable(rows.iter().map(|row| row.2.std_error).collect()),
        ColumnValues::Nullable(rows.iter().map(|row| row.2.prediction).collect()),
    ]);
    values
}

//! `sweep.parquet`: one row per point, dynamics, metric and index, with the point's coordinates.

use super::columns::{self, Column, Content, TableWriter, Values};
use crate::experiment::sweep;
use crate::sweep::metrics::{Metric, MetricRow};
use crate::sweep::plan::Plan;
use crate::sweep::schedule::UnitRows;
use parquet::data_type::ByteArray;
use parquet::record::Field;
use std::io::{self, Write};

/// Rows held in columns at a time, about.
const GROUP: usize = 1 << 17;

/// A row before it is put into columns: where it belongs, and its numbers.
type Row<'a> = (u64, u32, &'a MetricRow);

/// Writes the table; equal rows give equal bytes.
///
/// # Errors
/// The writer's reason.
pub fn write<W: Write + Send>(plan: &Plan, rows: &UnitRows, out: W) -> io::Result<()> {
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
fn columns(plan: &Plan) -> Vec<Column<'_>> {
    let axes = plan.spec.axes.iter().enumerate();
    let coordinates: Vec<Column> = axes
        .map(|(at, axis)| (axis.key.as_str(), content(plan, at)))
        .collect();
    [
        &[("point", Content::Int64)],
        &coordinates[..],
        &[
            ("dynamics", Content::Text),
            ("metric", Content::Text),
            ("index", Content::Int32),
            ("value", Content::Nullable),
            ("std_error", Content::Nullable),
            ("prediction", Content::Nullable),
        ],
    ]
    .concat()
}

/// Reads the table of a sweep back.
///
/// # Errors
/// What is wrong with the file.
pub fn read(plan: &Plan, bytes: Vec<u8>) -> io::Result<UnitRows> {
    let all = columns::read(bytes, &columns(plan), |fields| row(plan, fields))?;
    let mut rows = UnitRows::new();
    for (key, row) in all {
        rows.entry(key).or_default().push(row);
    }
    Ok(rows)
}

/// A row, if every value has the type of its column and belongs to the sweep.
fn row(plan: &Plan, fields: &[Field]) -> Option<((u64, u32), MetricRow)> {
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
    let number = |at: usize| match numbers.get(at) {
        Some(Field::Double(x)) => Some(Some(*x)),
        Some(Field::Null) => Some(None),
        _ => None,
    };
    let row = MetricRow {
        metric: Metric::ALL.into_iter().find(|m| m.name() == metric)?,
        index: u32::try_from(*index).ok()?,
        value: number(0)?,
        std_error: number(1)?,
        prediction: number(2)?,
    };
    let place = labels.iter().position(|other| other == label)?;
    Some(((point, u32::try_from(place).ok()?), row))
}

/// Numbers where all values of an axis are numbers, else text.
fn content(plan: &Plan, axis: usize) -> Content {
    let is_number = |p: &crate::sweep::plan::Point| sweep::number(&p.coordinates[axis]).is_some();
    if plan.points.iter().all(is_number) {
        Content::Double
    } else {
        Content::Text
    }
}

fn columns_of(plan: &Plan, columns: &[(&str, Content)], rows: &[Row]) -> Vec<Values> {
    let node = |row: &Row, axis: usize| &plan.points[row.0 as usize].coordinates[axis];
    let coordinate = |axis: usize| match columns[axis + 1].1 {
        Content::Double => {
            let number = |row: &Row| sweep::number(node(row, axis)).unwrap_or(f64::NAN);
            Values::Double(rows.iter().map(number).collect())
        }
        _ => {
            let text = |row: &Row| ByteArray::from(sweep::shown(node(row, axis)).as_str());
            Values::Text(rows.iter().map(text).collect())
        }
    };
    let label = |row: &Row| {
        let labels = plan.points[row.0 as usize].experiment.labels();
        ByteArray::from(labels[row.1 as usize])
    };
    let metric = |row: &Row| ByteArray::from(row.2.metric.name());
    let index = |row: &Row| i32::try_from(row.2.index).unwrap_or(i32::MAX);
    let mut values = vec![Values::Int64(rows.iter().map(|row| row.0 as i64).collect())];
    values.extend((0..plan.spec.axes.len()).map(coordinate));
    values.extend([
        Values::Text(rows.iter().map(label).collect()),
        Values::Text(rows.iter().map(metric).collect()),
        Values::Int32(rows.iter().map(index).collect()),
        Values::Nullable(rows.iter().map(|row| row.2.value).collect()),
        Values::Nullable(rows.iter().map(|row| row.2.std_error).collect()),
        Values::Nullable(rows.iter().map(|row| row.2.prediction).collect()),
    ]);
    values
}

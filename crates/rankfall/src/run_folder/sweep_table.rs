//! `sweep.parquet`: one row per point, dynamics, metric and index, with the point's coordinates.

use super::columns::{Content, TableWriter, Values};
use crate::experiment::sweep;
use crate::sweep::plan::Plan;
use crate::sweep::schedule::UnitRows;
use parquet::data_type::ByteArray;
use std::io::{self, Write};

/// Rows held in columns at a time, about.
const GROUP: usize = 1 << 17;

/// A row before it is put into columns: where it belongs, and its numbers.
type Row<'a> = (u64, u32, &'a crate::sweep::metrics::MetricRow);

/// Writes the table; equal rows give equal bytes.
///
/// # Errors
/// The writer's reason.
pub fn write<W: Write + Send>(plan: &Plan, rows: &UnitRows, out: W) -> io::Result<()> {
    let coordinates: Vec<(&str, Content)> = (0..plan.spec.axes.len())
        .map(|axis| (plan.spec.axes[axis].key.as_str(), content(plan, axis)))
        .collect();
    let columns = [
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
    .concat();
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
        let dynamics = &plan.points[row.0 as usize].experiment.dynamics;
        ByteArray::from(dynamics[row.1 as usize].label.as_str())
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

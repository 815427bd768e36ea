//! `trajectories.parquet`: every observable of every trajectory, written as they come.

use super::atomic::AtomicFile;
use crate::failure::Failure;
use rankfall_data::parquet_columns::{
    ByteArray, ColumnContent, ColumnValues, TableColumn, TableWriter,
};
use rankfall_report::observable::Observable;
use std::path::{Path, PathBuf};

/// One value of one trajectory.
#[derive(Clone, Debug, PartialEq)]
pub struct TrajectoryRow<'a> {
    /// Label of the dynamics.
    pub dynamics: &'a str,
    /// Index of the trajectory, from 0.
    pub trajectory: u64,
    /// What it is a value of.
    pub observable: &'a Observable,
    /// t.
    pub time: f64,
    /// Its value; null where undefined.
    pub value: Option<f64>,
}

/// The columns, in order.
const COLUMNS: &[TableColumn] = &[
    ("dynamics", ColumnContent::Text),
    ("trajectory", ColumnContent::Int64),
    ("observable", ColumnContent::Text),
    ("layer", ColumnContent::NullableInt32),
    ("index", ColumnContent::Int32),
    ("time", ColumnContent::Double),
    ("value", ColumnContent::Nullable),
];

/// Writes the file; it is there only after [`TrajectoriesWriter::finish`].
pub struct TrajectoriesWriter {
    table: TableWriter<AtomicFile>,
    path: PathBuf,
}

impl TrajectoriesWriter {
    /// Begins the file at `path`.
    ///
    /// # Errors
    /// Exit code 1 where it cannot be made.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let table = AtomicFile::create(path).and_then(|file| TableWriter::new(file, COLUMNS));
        Ok(TrajectoriesWriter {
            table: table.map_err(|error| Failure::writing(path, &error))?,
            path: path.to_owned(),
        })
    }

    /// Appends rows as a group of their own: some 10⁵ at a time are best.
    ///
    /// # Errors
    /// Exit code 1 where they cannot be written.
    pub fn append(&mut self, rows: &[TrajectoryRow<'_>]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let appended = self.table.append(&columns_of(rows));
        appended.map_err(|error| Failure::writing(&self.path, &error))
    }

    /// Completes the file and puts it in its place; its checksum.
    ///
    /// # Errors
    /// Exit code 1 where it cannot be written.
    pub fn finish(self) -> Result<String, Failure> {
        let finished = self.table.finish().and_then(AtomicFile::commit);
        finished.map_err(|error| Failure::writing(&self.path, &error))
    }
}

fn columns_of(rows: &[TrajectoryRow<'_>]) -> Vec<ColumnValues> {
    let whole = |x: u32| i32::try_from(x).unwrap_or(i32::MAX);
    let layer = |r: &TrajectoryRow<'_>| r.observable.layer.map(whole);
    let index = |r: &TrajectoryRow<'_>| whole(r.observable.index);
    let trajectory = |r: &TrajectoryRow<'_>| i64::try_from(r.trajectory).unwrap_or(i64::MAX);
    let text =
        |of: fn(&TrajectoryRow<'_>) -> ByteArray| ColumnValues::Text(rows.iter().map(of).collect());
    vec![
        text(|r| r.dynamics.into()),
        ColumnValues::Int64(rows.iter().map(trajectory).collect()),
        text(|r| r.observable.name.as_str().into()),
        ColumnValues::NullableInt32(rows.iter().map(layer).collect()),
        ColumnValues::Int32(rows.iter().map(index).collect()),
        ColumnValues::Double(rows.iter().map(|r| r.time).collect()),
        ColumnValues::Nullable(rows.iter().map(|r| r.value).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankfall_data::parquet_columns::{self, Field};

    fn row(observable: &Observable, trajectory: u64, value: Option<f64>) -> TrajectoryRow<'_> {
        TrajectoryRow {
            dynamics: "SGD",
            trajectory,
            observable,
            time: 0.5,
            value,
        }
    }

    #[test]
    fn rows_of_all_groups_are_in_the_file_once_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trajectories.parquet");
        let mut writer = TrajectoriesWriter::create(&path).unwrap();
        let rank = Observable::measured("numerical_rank_w2", 0);
        let row = |trajectory, value| row(&rank, trajectory, value);
        writer.append(&[row(0, Some(1.5)), row(1, None)]).unwrap();
        writer.append(&[]).unwrap();
        writer.append(&[row(2, Some(2.5))]).unwrap();
        assert!(!path.exists());
        writer.finish().unwrap();
        let read = |fields: &[Field]| match (&fields[1], &fields[3], &fields[6]) {
            (Field::Long(trajectory), Field::Int(2), Field::Double(value)) => {
                Some((*trajectory, Some(*value)))
            }
            (Field::Long(trajectory), Field::Int(2), Field::Null) => Some((*trajectory, None)),
            _ => None,
        };
        let rows = parquet_columns::read(std::fs::read(&path).unwrap(), COLUMNS, read).unwrap();
        assert_eq!(rows, [(0, Some(1.5)), (1, None), (2, Some(2.5))]);
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TrajectoriesWriter::create(&folder.path().join("t")).unwrap();
        let loss = Observable::measured("loss", 0);
        writer.append(&[row(&loss, 0, None)]).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

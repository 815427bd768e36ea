//! `trajectories.parquet`: every observable of every trajectory, written as they come.

use super::atomic::AtomicFile;
use crate::failure::Failure;
use crate::grid::Grid;
use rankfall_data::parquet_columns::{
    ByteArray, ColumnContent, ColumnValues, TableColumn, TableWriter,
};
use rankfall_report::observable::Observable;
use std::path::{Path, PathBuf};

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

/// Places of the columns that differ from one trajectory to the next.
const TRAJECTORY: usize = 1;
const VALUE: usize = 6;

/// What the rows of all trajectories of one dynamics have in common.
pub struct CommonRows {
    /// The cell of the grid that each row is of.
    cells: Vec<usize>,
    /// All columns; trajectory and value are those of the one that was written last.
    columns: Vec<ColumnValues>,
}

impl CommonRows {
    /// Of the dynamics with this label, and what was measured of it.
    pub fn new(dynamics: &str, grid: &Grid) -> Self {
        let measured = |cell| Some((cell, grid.at(cell)?));
        let (cells, rows): (Vec<usize>, Vec<(&Observable, f64)>) =
            (0..grid.cells()).filter_map(measured).unzip();
        let whole = |x: u32| i32::try_from(x).unwrap_or(i32::MAX);
        let text = |of: &dyn Fn(&Observable) -> ByteArray| {
            ColumnValues::Text(rows.iter().map(|(observable, _)| of(observable)).collect())
        };
        let label = ByteArray::from(dynamics);
        let layers = rows.iter().map(|(o, _)| o.layer.map(whole)).collect();
        let indices = rows.iter().map(|(o, _)| whole(o.index)).collect();
        let columns = vec![
            text(&|_| label.clone()),
            ColumnValues::Int64(Vec::new()),
            text(&|observable| observable.name.as_str().into()),
            ColumnValues::NullableInt32(layers),
            ColumnValues::Int32(indices),
            ColumnValues::Double(rows.iter().map(|(_, time)| *time).collect()),
            ColumnValues::Nullable(Vec::new()),
        ];
        Self { cells, columns }
    }

    /// The columns of a trajectory with these values, one per cell of the grid.
    fn columns_of(&mut self, trajectory: u64, values: &[f64]) -> &[ColumnValues] {
        let trajectory = i64::try_from(trajectory).unwrap_or(i64::MAX);
        let value = |&cell: &usize| values.get(cell).copied();
        self.columns[TRAJECTORY] = ColumnValues::Int64(vec![trajectory; self.cells.len()]);
        self.columns[VALUE] = ColumnValues::Nullable(self.cells.iter().map(value).collect());
        &self.columns
    }
}

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

    /// Appends the rows of a trajectory of a dynamics as a group of their own; `values` has one per
    /// cell of the grid, and those that are not finite become null.
    ///
    /// # Errors
    /// Exit code 1 where they cannot be written.
    pub fn append(
        &mut self,
        common: &mut CommonRows,
        trajectory: u64,
        values: &[f64],
    ) -> Result<(), Failure> {
        if common.cells.is_empty() {
            return Ok(());
        }
        let appended = self.table.append(common.columns_of(trajectory, values));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{LAW, SaveTime};
    use rankfall_data::parquet_columns::{self, Field};

    fn common(name: &str) -> CommonRows {
        let saves = vec![SaveTime::full(0.0), SaveTime::full(0.5)];
        CommonRows::new("SGD", &Grid::new([(name, 0)].into_iter(), saves))
    }

    #[test]
    fn rows_of_all_groups_are_in_the_file_once_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trajectories.parquet");
        let mut writer = TrajectoriesWriter::create(&path).unwrap();
        let mut rank = common("numerical_rank_w2");
        writer.append(&mut rank, 0, &[1.5, f64::NAN]).unwrap();
        // A law is no observable, and has no rows.
        writer.append(&mut common(LAW), 0, &[1.0, 2.0]).unwrap();
        writer.append(&mut rank, 2, &[2.5, 3.5]).unwrap();
        assert!(!path.exists());
        writer.finish().unwrap();
        let read = |fields: &[Field]| match fields {
            [
                Field::Str(dynamics),
                Field::Long(trajectory),
                Field::Str(observable),
                Field::Int(2),
                Field::Int(0),
                Field::Double(time),
                value,
            ] if dynamics == "SGD" && observable == "numerical_rank" => match value {
                Field::Double(value) => Some((*trajectory, *time, Some(*value))),
                _ => Some((*trajectory, *time, None)),
            },
            _ => None,
        };
        let rows = parquet_columns::read(std::fs::read(&path).unwrap(), COLUMNS, read).unwrap();
        let expected = [
            (0, 0.0, Some(1.5)),
            (0, 0.5, None),
            (2, 0.0, Some(2.5)),
            (2, 0.5, Some(3.5)),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TrajectoriesWriter::create(&folder.path().join("t")).unwrap();
        writer.append(&mut common("loss"), 0, &[0.5, 0.25]).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

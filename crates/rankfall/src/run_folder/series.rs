//! `series.parquet`: statistics of every observable of every dynamics at every save time.

use super::schema_one;
use rankfall_data::parquet_columns::{
    self, ByteArray, ColumnContent, ColumnValues, Field, TableColumn, TableWriter,
};
use rankfall_report::record::SeriesRow;
use std::io::{self, Write};

/// The columns, in order.
const COLUMNS: &[TableColumn] = &[
    ("dynamics", ColumnContent::Text),
    ("observable", ColumnContent::Text),
    ("layer", ColumnContent::NullableInt32),
    ("index", ColumnContent::Int32),
    ("time", ColumnContent::Double),
    ("mean", ColumnContent::Nullable),
    ("std_error", ColumnContent::Nullable),
    ("q05", ColumnContent::Nullable),
    ("q25", ColumnContent::Nullable),
    ("q50", ColumnContent::Nullable),
    ("q75", ColumnContent::Nullable),
    ("q95", ColumnContent::Nullable),
    ("law", ColumnContent::Nullable),
];

/// Where the column stands that schema 1 had not.
const LAYER: usize = 2;

/// Rows held in columns at a time.
const GROUP: usize = 1 << 18;

/// Writes the table; equal rows give equal bytes.
///
/// # Errors
/// The writer's reason.
pub fn write<W: Write>(rows: &[SeriesRow], out: W) -> io::Result<()> {
    let mut table = TableWriter::new(out, COLUMNS)?;
    for group in rows.chunks(GROUP) {
        table.append(&columns_of(group))?;
    }
    table.finish()?.flush()
}

fn columns_of(rows: &[SeriesRow]) -> Vec<ColumnValues> {
    let text = |of: fn(&SeriesRow) -> &str| {
        ColumnValues::Text(rows.iter().map(|r| ByteArray::from(of(r))).collect())
    };
    let nullable =
        |of: fn(&SeriesRow) -> Option<f64>| ColumnValues::Nullable(rows.iter().map(of).collect());
    let whole = |x: u32| i32::try_from(x).unwrap_or(i32::MAX);
    vec![
        text(|r| &r.dynamics),
        text(|r| &r.observable),
        ColumnValues::NullableInt32(rows.iter().map(|r| r.layer.map(whole)).collect()),
        ColumnValues::Int32(rows.iter().map(|r| whole(r.index)).collect()),
        ColumnValues::Double(rows.iter().map(|r| r.time).collect()),
        nullable(|r| r.mean),
        nullable(|r| r.std_error),
        nullable(|r| r.q05),
        nullable(|r| r.q25),
        nullable(|r| r.q50),
        nullable(|r| r.q75),
        nullable(|r| r.q95),
        nullable(|r| r.law),
    ]
}

/// Reads the table back.
///
/// # Errors
/// What is wrong with the file.
pub fn read(bytes: Vec<u8>) -> io::Result<Vec<SeriesRow>> {
    parquet_columns::read(bytes, COLUMNS, row)
}

/// Reads the table of a folder of schema 1.
///
/// # Errors
/// What is wrong with the file.
pub fn read_schema_one(bytes: Vec<u8>) -> io::Result<Vec<SeriesRow>> {
    let old = [&COLUMNS[..LAYER], &COLUMNS[LAYER + 1..]].concat();
    parquet_columns::read(bytes, &old, |fields| {
        let mut fields = fields.to_vec();
        fields.insert(LAYER, Field::Null);
        row(&fields).map(schema_one::row)
    })
}

/// A row, if every value has the type of its column.
fn row(fields: &[Field]) -> Option<SeriesRow> {
    let [
        Field::Str(dynamics),
        Field::Str(observable),
        layer,
        Field::Int(index),
        Field::Double(time),
        numbers @ ..,
    ] = fields
    else {
        return None;
    };
    let layer = match layer {
        Field::Int(layer) => Some(u32::try_from(*layer).ok()?),
        Field::Null => None,
        _ => return None,
    };
    let double = |at: usize| nullable(numbers.get(at)?);
    Some(SeriesRow {
        dynamics: dynamics.clone(),
        observable: observable.clone(),
        layer,
        index: u32::try_from(*index).ok()?,
        time: *time,
        mean: double(0)?,
        std_error: double(1)?,
        q05: double(2)?,
        q25: double(3)?,
        q50: double(4)?,
        q75: double(5)?,
        q95: double(6)?,
        law: double(7)?,
    })
}

/// A number that may be missing; none where it is something else.
pub fn nullable(field: &Field) -> Option<Option<f64>> {
    match field {
        Field::Double(x) => Some(Some(*x)),
        Field::Null => Some(None),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Rows with every combination of present and missing values.
    pub fn rows() -> Vec<SeriesRow> {
        let value = |i: usize, bit: u32| (i >> bit & 1 == 0).then_some(i as f64 * 0.1 - 3.0);
        let row = |i: usize| SeriesRow {
            dynamics: ["gradient flow", "SGD, β = “½”"][i % 2].to_owned(),
            observable: "log_singular_value".to_owned(),
            layer: (!i.is_multiple_of(3)).then_some(i as u32),
            index: i as u32 % 7,
            time: i as f64 * 0.01,
            mean: value(i, 0),
            std_error: value(i, 1),
            q05: value(i, 2),
            q25: value(i, 3),
            q50: value(i, 4),
            q75: value(i, 5),
            q95: value(i, 6),
            law: value(i, 7),
        };
        (0..256).map(row).collect()
    }

    fn encoded(rows: &[SeriesRow]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(rows, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn rows_read_back_as_they_were() {
        assert_eq!(read(encoded(&rows())).unwrap(), rows());
        assert_eq!(read(encoded(&[])).unwrap(), []);
    }

    #[test]
    fn equal_rows_give_equal_bytes_and_other_rows_others() {
        assert_eq!(encoded(&rows()), encoded(&rows()));
        let mut other = rows();
        other[17].mean = Some(1.0);
        assert_ne!(encoded(&rows()), encoded(&other));
    }

    #[test]
    fn what_is_not_finite_becomes_null() {
        let mut bad = rows();
        bad[0].mean = Some(f64::NAN);
        bad[1].law = Some(f64::NEG_INFINITY);
        let back = read(encoded(&bad)).unwrap();
        assert_eq!((back[0].mean, back[1].law), (None, None));
    }

    #[test]
    fn more_rows_than_a_group_holds_keep_their_order() {
        let many: Vec<_> = rows().into_iter().cycle().take(GROUP + 10).collect();
        assert_eq!(read(encoded(&many)).unwrap(), many);
    }

    /// A writer on a disk with room for so many bytes.
    struct SmallDisk(usize);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let room = bytes.len().min(self.0);
            self.0 -= room;
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_called_that_wherever_it_happens() {
        let size = encoded(&rows()).len();
        for room in (0..size).step_by(97).chain([size - 1]) {
            let error = write(&rows(), SmallDisk(room)).unwrap_err();
            assert!(error.to_string().contains("no storage space"), "{error}");
        }
        assert!(write(&rows(), SmallDisk(size)).is_ok());
    }

    #[test]
    fn damaged_files_are_refused_not_panicked_on() {
        assert!(read(b"not parquet".to_vec()).is_err());
        let whole = encoded(&rows());
        assert!(read(whole[..whole.len() / 2].to_vec()).is_err());
        for at in (0..whole.len()).step_by(5) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            let _ = read(damaged); // may go unnoticed, must not panic
        }
    }

    #[test]
    fn another_table_is_refused() {
        let mut bytes = Vec::new();
        let mut table = TableWriter::new(&mut bytes, &COLUMNS[..1]).unwrap();
        table
            .append(&[ColumnValues::Text(vec!["x".into()])])
            .unwrap();
        table.finish().unwrap();
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains("its columns are dynamics, not"), "{error}");
    }
}

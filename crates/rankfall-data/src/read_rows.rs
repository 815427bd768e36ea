//! A stream of the rows of some columns, whatever the format.

use crate::classes::ClassCodes;
use crate::error::{DataError, DataErrorKind, RowPosition, not_finite};

/// Values that a chunk holds, about; a chunk has at least one row.
const CHUNK_VALUES: usize = 1 << 16;

/// A column to read; its slot is its place among the picked.
#[derive(Clone, Debug)]
pub(crate) struct Picked {
    /// Position in the table, from 0.
    pub column: usize,
    pub name: String,
    /// Whether its values are classes, which become their codes once they are read.
    pub class: bool,
}

/// A stream of rows.
pub(crate) trait ReadRows: Send {
    /// Replaces `values` by at most `limit` (not 0) next rows × picked, row-major; returns how many
    /// rows, 0 at the end.
    ///
    /// `classes` has one entry per picked column, and codes for those that are classes. Every
    /// value is finite.
    fn read(
        &mut self,
        limit: usize,
        values: &mut Vec<f64>,
        classes: &mut Classes,
    ) -> Result<usize, DataError>;

    /// What of the rows read so far was taken for something that it need not be.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The codes of class columns, one entry per picked column.
pub(crate) type Classes = Vec<Option<ClassCodes>>;

/// Rows that make a chunk of `width` columns.
pub(crate) fn chunk_rows(width: usize) -> usize {
    (CHUNK_VALUES / width.max(1)).clamp(1, 8192)
}

/// Refuses NaN and infinities, and replaces class values by their codes.
///
/// For formats whose values are numbers: `values` is rows × picked, and `first_row` the number
/// (from 1) of its first row.
pub(crate) fn finish_numbers(
    values: &mut [f64],
    picked: &[Picked],
    classes: &mut Classes,
    first_row: u64,
) -> Result<(), DataErrorKind> {
    // One pass without branches settles the usual case.
    if !values.iter().fold(true, |all, v| all & v.is_finite()) {
        for (r, row) in values.chunks_exact(picked.len()).enumerate() {
            if let Some(slot) = row.iter().position(|v| !v.is_finite()) {
                let place = RowPosition {
                    row: first_row + r as u64,
                    line: None,
                };
                return Err(not_finite(place, &picked[slot].name, row[slot]));
            }
        }
    }
    for (slot, (column, codes)) in picked.iter().zip(classes).enumerate() {
        if let Some(codes) = codes.as_mut().filter(|_| column.class) {
            for value in values.iter_mut().skip(slot).step_by(picked.len()) {
                *value = codes.number(*value)? as f64;
            }
        }
    }
    Ok(())
}

//! The numbers of one matrix in blocks of rows or columns, scaled, as the decompositions want them.

use crate::numbers::Numbers;
use crate::view::Slice;
use faer::MatRef;
use rankfall_checkpoints::CheckpointError;

/// Rows of a block: sums over them are of so many numbers.
pub const BLOCK: usize = 512;
/// Numbers that are looked at at once.
const PIECE: usize = 1 << 16;

/// What a first look at the numbers of a matrix tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scan {
    /// NaN and infinite ones.
    pub not_finite: usize,
    /// The largest absolute value of the others.
    pub largest: f64,
}

/// A matrix with at least as many rows as columns: the slice or its transpose.
#[derive(Clone, Copy, Debug)]
pub struct Tall<'a> {
    values: &'a dyn Numbers,
    slice: Slice,
    /// Every number is multiplied by this power of two.
    pub scale: f64,
}

impl<'a> Tall<'a> {
    /// The matrix of a slice; its numbers times `scale`.
    pub fn new(values: &'a dyn Numbers, slice: Slice, scale: f64) -> Self {
        Self {
            values,
            slice,
            scale,
        }
    }

    /// The larger side of the slice.
    pub fn rows(&self) -> usize {
        self.slice.sides().0
    }

    /// The smaller side.
    pub fn columns(&self) -> usize {
        self.slice.sides().1
    }

    fn is_transposed(&self) -> bool {
        self.slice.rows < self.slice.columns
    }

    /// Reads rows `first .. first + count` into a buffer; [`Self::block`] makes a matrix of it.
    pub fn read(
        &self,
        first: usize,
        count: usize,
        buffer: &mut Vec<f64>,
    ) -> Result<(), CheckpointError> {
        let Slice {
            start,
            rows,
            columns,
            row_stride,
            column_stride,
        } = self.slice;
        buffer.resize(count * self.columns(), 0.0);
        let mut span = Vec::new();
        // Rows of the slice as they are stored: some whole ones, or a stretch of each.
        let (from, lines, length) = match self.is_transposed() {
            false => (start + first * row_stride, count, columns),
            true => (start + first * column_stride, rows, count),
        };
        if column_stride == 1 && row_stride == length {
            self.values.read(from, buffer)?;
        } else {
            for (i, line) in buffer.chunks_mut(length).enumerate().take(lines) {
                let at = from + i * row_stride;
                if column_stride == 1 {
                    self.values.read(at, line)?;
                } else {
                    span.resize((length - 1) * column_stride + 1, 0.0);
                    self.values.read(at, &mut span)?;
                    let picked = span.iter().step_by(column_stride);
                    line.iter_mut()
                        .zip(picked)
                        .for_each(|(to, from)| *to = *from);
                }
            }
        }
        buffer.iter_mut().for_each(|x| *x *= self.scale);
        Ok(())
    }

    /// The matrix, count × columns, of what [`Self::read`] read.
    pub fn block<'b>(&self, count: usize, buffer: &'b [f64]) -> MatRef<'b, f64> {
        match self.is_transposed() {
            false => MatRef::from_row_major_slice(buffer, count, self.columns()),
            true => MatRef::from_row_major_slice(buffer, self.columns(), count).transpose(),
        }
    }

    /// Looks at every number once.
    pub fn look(&self) -> Result<Scan, CheckpointError> {
        let mut look = Scan::default();
        let mut buffer = Vec::new();
        let at_once = (PIECE / self.columns().max(1)).clamp(1, BLOCK);
        for first in (0..self.rows()).step_by(at_once) {
            self.read(first, at_once.min(self.rows() - first), &mut buffer)?;
            for &x in &buffer {
                match x.is_finite() {
                    true => look.largest = look.largest.max(x.abs()),
                    false => look.not_finite += 1,
                }
            }
        }
        Ok(look)
    }
}

//! Columns of lanes that lie in one slice, and the two ways to go through several at once.

use crate::simd::lanes::Lanes;

/// Columns of `stride` entries each, of which `length` count, from number `first` on.
#[derive(Clone, Copy)]
pub struct Columns<'a, const N: usize> {
    /// One column after the other.
    pub entries: &'a [Lanes<N>],
    /// From the start of one to that of the next.
    pub stride: usize,
    /// The first entry of each that counts.
    pub first: usize,
    /// How many count.
    pub length: usize,
}

impl<'a, const N: usize> Columns<'a, N> {
    /// Columns of which every entry counts.
    #[inline(always)]
    pub fn whole(entries: &'a [Lanes<N>], length: usize) -> Self {
        Self {
            entries,
            stride: length,
            first: 0,
            length,
        }
    }

    /// How many columns.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.entries.len() / self.stride
    }

    /// Column j.
    #[inline(always)]
    pub fn get(&self, j: usize) -> &'a [Lanes<N>] {
        &self.entries[j * self.stride + self.first..][..self.length]
    }

    /// Column by column, the entries from `row` on.
    #[inline(always)]
    pub fn across(&self, row: usize) -> Across<'a, N> {
        Across {
            entries: &self.entries[self.first + row..],
            stride: self.stride,
        }
    }

    /// Row by row, the first `length` entries of the T columns from j on.
    #[inline(always)]
    pub fn along<const T: usize>(&self, j: usize, length: usize) -> Along<'a, T, N> {
        let mut columns: [&[Lanes<N>]; T] = [&[]; T];
        for t in 0..T {
            columns[t] = &self.get(j + t)[..length];
        }
        Along(columns)
    }
}

/// T numbers at a time, one set after the other. Iterators would say the same, but the compiler
/// does not promise to compile their closures into the vector code that calls them.
pub trait Terms<const T: usize, const N: usize> {
    /// Set number i.
    fn term(&self, i: usize) -> [Lanes<N>; T];
}

/// Entries that are side by side in each column, column by column.
#[derive(Clone, Copy)]
pub struct Across<'a, const N: usize> {
    entries: &'a [Lanes<N>],
    stride: usize,
}

impl<const T: usize, const N: usize> Terms<T, N> for Across<'_, N> {
    #[inline(always)]
    fn term(&self, i: usize) -> [Lanes<N>; T] {
        let mut out = [Lanes::ZERO; T];
        out.copy_from_slice(&self.entries[i * self.stride..][..T]);
        out
    }
}

/// Entries of T columns, row by row.
#[derive(Clone, Copy)]
pub struct Along<'a, const T: usize, const N: usize>([&'a [Lanes<N>]; T]);

impl<const T: usize, const N: usize> Terms<T, N> for Along<'_, T, N> {
    #[inline(always)]
    fn term(&self, i: usize) -> [Lanes<N>; T] {
        let mut out = [Lanes::ZERO; T];
        for t in 0..T {
            out[t] = self.0[t][i];
        }
        out
    }
}

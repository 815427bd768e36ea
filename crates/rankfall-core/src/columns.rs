//! Columns of lanes that lie in one slice, and the two ways to go through several at once.

use crate::lanes::Lanes;

/// Columns of `apart` entries each, of which `length` count, from number `first` on.
#[derive(Clone, Copy)]
pub struct Columns<'a, const N: usize> {
    /// One column after the other.
    pub entries: &'a [Lanes<N>],
    /// From the start of one to that of the next.
    pub apart: usize,
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
            apart: length,
            first: 0,
            length,
        }
    }

    /// How many columns.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.entries.len() / self.apart
    }

    /// Column j.
    #[inline(always)]
    pub fn get(&self, j: usize) -> &'a [Lanes<N>] {
        &self.entries[j * self.apart + self.first..][..self.length]
    }

    /// Column by column, the T entries from `row` on.
    #[inline(always)]
    pub fn across<const T: usize>(&self, row: usize) -> impl Iterator<Item = [Lanes<N>; T]> + 'a {
        let from = self.first + row;
        self.entries.chunks_exact(self.apart).map(move |column| {
            let mut out = [Lanes::ZERO; T];
            out.copy_from_slice(&column[from..from + T]);
            out
        })
    }

    /// Row by row, the entries of the T columns from j on.
    #[inline(always)]
    pub fn along<const T: usize>(&self, j: usize) -> impl Iterator<Item = [Lanes<N>; T]> + 'a {
        let mut columns: [&[Lanes<N>]; T] = [&[]; T];
        for t in 0..T {
            columns[t] = self.get(j + t);
        }
        (0..self.length).map(move |row| {
            let mut out = [Lanes::ZERO; T];
            for t in 0..T {
                out[t] = columns[t][row];
            }
            out
        })
    }
}

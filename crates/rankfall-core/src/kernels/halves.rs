//! The two halves of a column of Θ = [W₁; W₂ᵀ]: the taller of W₁ and W₂ᵀ, and the shorter.

use crate::kernels::columns::Columns;
use crate::simd::lanes::Lanes;

/// Where the halves of a column of Θ are: the taller of W₁ and W₂ᵀ, and the shorter.
#[derive(Clone, Copy)]
pub struct Halves {
    /// Rows of the taller.
    pub tall: usize,
    /// Rows of the shorter.
    pub short: usize,
    /// Whether the taller comes first.
    pub tall_first: bool,
}

impl Halves {
    /// p + k.
    #[inline(always)]
    pub fn rows(self) -> usize {
        self.tall + self.short
    }

    /// x of every column.
    #[inline(always)]
    pub fn tall_of<const N: usize>(self, columns: &[Lanes<N>]) -> Columns<'_, N> {
        let [first, _] = self.starts();
        Columns {
            entries: columns,
            stride: self.rows(),
            first,
            length: self.tall,
        }
    }

    /// The first row of the taller and of the shorter.
    #[inline(always)]
    pub fn starts(self) -> [usize; 2] {
        if self.tall_first {
            [0, self.tall]
        } else {
            [self.short, 0]
        }
    }
}

/// The tall and the short half of a column (W₁ above W₂ᵀ).
#[inline(always)]
pub fn halves<T>(
    column: &mut [T],
    tall: usize,
    short: usize,
    tall_first: bool,
) -> (&mut [T], &mut [T]) {
    if tall_first {
        column.split_at_mut(tall)
    } else {
        let (y, x) = column.split_at_mut(short);
        (x, y)
    }
}

/// The same of what is only read.
#[inline(always)]
pub fn shared_halves<T>(column: &[T], tall: usize, short: usize, tall_first: bool) -> (&[T], &[T]) {
    if tall_first {
        column.split_at(tall)
    } else {
        let (y, x) = column.split_at(short);
        (x, y)
    }
}

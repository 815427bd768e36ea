//! The three products that steps are made of, as what goes in and where it goes.

use crate::kernels::columns::Columns;
use crate::simd::lanes::Lanes;

/// `out`\[b\] = Σ_j x_j y_j\[b\], column by column, over as many columns x_j as y_j.
pub struct OuterProducts<'a, const N: usize> {
    /// The x.
    pub x: Columns<'a, N>,
    /// The y, as long as `out` has columns.
    pub y: Columns<'a, N>,
    /// Where they go.
    pub out: &'a mut [Lanes<N>],
}

/// `out`\[i, s\] = x_i · g_s, row-major.
pub struct ScalarProducts<'a, const N: usize> {
    /// The x.
    pub x: Columns<'a, N>,
    /// The g.
    pub g: Columns<'a, N>,
    /// Where they go.
    pub out: &'a mut [Lanes<N>],
}

/// x_j ← D x_j + Σ_s g_s `factors`_j\[s\] for columns x_j that begin every `stride` of `columns`.
pub struct GemmUpdate<'a, const N: usize> {
    /// The diagonal of D; the identity where there is none.
    pub damping: Option<&'a [Lanes<N>]>,
    /// The g.
    pub g: Columns<'a, N>,
    /// As many for each column as there are g.
    pub factors: Columns<'a, N>,
    /// What they are added to.
    pub columns: &'a mut [Lanes<N>],
    /// Entries from one column to the next.
    pub stride: usize,
}

//! How the rows of a block and the pairs of its columns lie in memory.

/// Rows reduced at once. Fixed, so that the sums do not depend on how the rows came in.
pub const ROWS: usize = 256;

/// Position of the entry (i, j), j ≤ i, in a packed lower triangle.
pub fn packed(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

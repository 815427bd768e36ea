//! Where the numbers of a tensor are in a file.

use crate::file::Region;

/// Where the numbers of a tensor are.
#[derive(Clone, Debug)]
pub struct Place {
    /// The bytes.
    pub region: Region,
    /// The first number, counted in numbers.
    pub offset: u64,
    /// Numbers from one index to the next; the innermost last.
    pub strides: Vec<u64>,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

/// Strides of numbers that lie one after the other, the last index fastest.
pub fn contiguous(shape: &[u64]) -> Vec<u64> {
    let mut strides = vec![1u64; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i].max(1));
    }
    strides
}

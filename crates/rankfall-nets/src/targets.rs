//! What a network should answer: values or classes.

/// What the network should answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets<T> {
    /// Numbers, row-major rows × columns.
    Values {
        /// Columns.
        columns: usize,
        /// The numbers.
        values: Vec<T>,
    },
    /// One class per row, from 0.
    Classes(Vec<u32>),
}

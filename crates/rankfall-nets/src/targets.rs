//! What a network should answer: values or classes.

/// What the network should answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets<T> {
    /// Numbers, row-major rows × columns; NaN where a target was not observed, which the squared
    /// loss leaves out. Only [`crate::data::Dataset::observing`] makes such targets.
    Values {
        /// Columns.
        columns: usize,
        /// The numbers.
        values: Vec<T>,
    },
    /// One class per row, from 0.
    Classes(Vec<u32>),
}

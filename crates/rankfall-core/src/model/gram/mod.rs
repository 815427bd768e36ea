//! The Gram matrices S_xx, S_xy, S_yy: all that a linear network ever sees of its data.

mod accumulator;
mod block_layout;
mod block_moments;
mod moments;
mod panel_products;
#[cfg(test)]
mod tests;

pub use accumulator::{GramAccumulator, Standardization, StandardizedGram};
pub use moments::{CentredMoments, Gram, GramError};

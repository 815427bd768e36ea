//! What a step does to numbers in memory, in variants for small, middle and large networks.
//!
//! May use `simd` and `random`. Private: [`crate::step`] and [`crate::linalg`] are the way in.

pub mod action;
pub mod columns;
pub mod fixed;
pub mod halves;
pub mod operations;
pub mod products;
pub mod rowwise;
pub mod scalar_products;
pub mod series;
pub mod tiled;
pub mod tiles;

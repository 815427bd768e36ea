//! Random numbers without a state: Philox by key and counter ([`philox`]), normal numbers by Box
//! and Muller ([`box_muller`]), those of a step ([`normals`]), and of steps that share a draw
//! ([`packed_normals`]).
//!
//! May use `simd`.

pub mod box_muller;
pub mod normals;
pub mod packed_normals;
pub mod philox;

pub use philox::{Purpose, RoundKeys, SharedRounds, Signs, StreamKey, StreamReader};

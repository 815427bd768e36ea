//! What a step does to numbers in memory. Which way depends on the shape, p inputs and k outputs,
//! and on how many trajectories go side by side, which is decided by p + k ([`crate::ensemble`]).
//! It is decided once per block, by [`Variant::of`]; the bits of a lane are those of its variant,
//! whatever the instructions.
//!
//! | p + k | lanes N | shape | variant | ΔG and Θ | W₁W₂ | products |
//! |---|---|---|---|---|---|---|
//! | < 200 | 8 | k ≤ 3, k ≤ p ≤ 8 | [`Variant::Small`] | `step/small.rs`: runs of steps in registers, compiled for each shape; [`fixed`] where a step is out of the ordinary | with the step | |
//! | < 200 | 8 | shorter side ≤ 4 | [`Variant::Fixed`] | [`fixed`]: what has the size of the shorter side in registers | [`layer_product::by_rows`] for k ≤ 4 | |
//! | < 200 | 8 | any other | [`Variant::Tiled`] | [`tiled`]: as products of matrices | [`layer_product::by_columns`] | [`tiles`] |
//! | ≥ 200 | 1 | any | [`Variant::Rowwise`] | [`tiled`] | [`layer_product::by_columns`] | [`rowwise`]: the rows of a column side by side |
//!
//! A single trajectory has one lane whatever its size, and is then Fixed or Tiled below 200 rows.
//!
//! | instructions | small | products |
//! |---|---|---|
//! | AVX-512 | a block in one register | tiles of 4 × 5 for blocks, 4 × 2 for single trajectories |
//! | AVX2 | a block in two | tiles of 3 × 2 for blocks, 4 × 2 for single trajectories |
//! | others | not compiled: [`fixed`] | as with AVX2, as the compiler sees fit |
//!
//! May use `simd` and `random`. Private: [`crate::step`] and [`crate::linalg`] are the way in.

pub mod action;
pub mod columns;
pub mod fixed;
pub mod halves;
pub mod layer_product;
pub mod operations;
pub mod products;
pub mod rowwise;
pub mod scalar_products;
pub mod series;
pub mod tiled;
pub mod tiles;

use crate::simd::lanes::Lanes;

/// How steps of one shape are worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Runs of steps in registers, and [`Variant::Fixed`] where a step is out of the ordinary.
    Small,
    /// The shorter side is known when compiled.
    Fixed,
    /// Products in tiles.
    Tiled,
    /// One trajectory, the rows of a column side by side.
    Rowwise,
}

/// The longest shorter side that is known when compiled. Of so many outputs W₁W₂ is too narrow for
/// tiles.
const FEW: usize = 4;

/// The most inputs and outputs of [`Variant::Small`].
pub const SMALL: [usize; 2] = [8, 3];

impl Variant {
    /// That of p inputs and k outputs, with N trajectories side by side.
    pub fn of<const N: usize>(inputs: usize, outputs: usize) -> Self {
        let small = outputs <= inputs && inputs <= SMALL[0] && outputs <= SMALL[1];
        if rowwise::applies::<N>(inputs + outputs) {
            Self::Rowwise
        } else if Lanes::<N>::FULL && small {
            Self::Small
        } else if inputs.min(outputs) <= FEW {
            Self::Fixed
        } else {
            Self::Tiled
        }
    }

    /// Whether W₁W₂ with so many outputs goes by rows.
    #[inline(always)]
    pub fn narrow_map(self, outputs: usize) -> bool {
        matches!(self, Self::Small | Self::Fixed) && outputs <= FEW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variant_follows_from_the_shape_and_the_lanes() {
        for (variant, expected) in [
            (Variant::of::<8>(5, 2), Variant::Small),
            (Variant::of::<8>(2, 5), Variant::Fixed),
            (Variant::of::<8>(8, 4), Variant::Fixed),
            (Variant::of::<8>(9, 3), Variant::Fixed),
            (Variant::of::<1>(5, 2), Variant::Fixed),
            (Variant::of::<8>(60, 30), Variant::Tiled),
            (Variant::of::<8>(3, 90), Variant::Fixed),
            (Variant::of::<1>(60, 30), Variant::Tiled),
            (Variant::of::<1>(198, 2), Variant::Rowwise),
        ] {
            assert_eq!(variant, expected);
        }
    }
}

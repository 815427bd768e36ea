//! Deep linear networks, depth 2 to 5.

use super::inequality;
use crate::claim::Claim;
use crate::statement::{Observable, Quantity, Statement};

const DESCENT: &str = "gradient descent";
const SGD: &str = "SGD";
const NOISE: &str = "SGD, label noise";

const TWO: &str = "deep-linear-2";
const THREE: &str = "deep-linear-3";
const FOUR: &str = "deep-linear-4";
const FIVE: &str = "deep-linear-5";

const fn rank(run: &'static str, dynamics: &'static str, layer: u32) -> Quantity {
    Observable::new(run, "effective_rank_layer", layer).under(dynamics)
}

const fn log_det(run: &'static str, dynamics: &'static str) -> Quantity {
    Observable::new(run, "log_det_stack", 1).under(dynamics)
}

/// Of a network of `layers` layers, under label noise.
const fn outer(run: &'static str, layers: u32) -> [Statement; 5] {
    let (first, last) = (rank(run, NOISE, 1), rank(run, NOISE, layers));
    let descent = rank(run, DESCENT, 1);
    [
        first.below(descent, 2.0),
        first.below(descent.at_the_loss_of(NOISE), 2.0),
        first.below(rank(run, SGD, 1), 2.0),
        last.below(rank(run, DESCENT, layers), 0.5),
        log_det(run, NOISE).below(log_det(run, DESCENT), 5.0),
    ]
}

const STATEMENT: &str = "Under SGD with label noise the first layer ends with an effective rank lower by at least 2 than under \
     gradient descent (also where its training loss was first as low) and than under SGD without label noise; the \
     last layer's is lower by at least 0.5, and log det of the first two layers by at least 5, than under gradient \
     descent.";

pub const DEPTH_2: Claim = inequality(
    "deep-linear-2",
    "Label noise takes rank from two linear layers",
    STATEMENT,
    &outer(TWO, 2),
);

pub const DEPTH_3: Claim = inequality(
    "deep-linear-3",
    "Label noise takes rank from the outer of three linear layers",
    STATEMENT,
    &outer(THREE, 3),
);

pub const DEPTH_4: Claim = inequality(
    "deep-linear-4",
    "Label noise takes rank from the outer of four linear layers",
    STATEMENT,
    &outer(FOUR, 4),
);

pub const DEPTH_5: Claim = inequality(
    "deep-linear-5",
    "Label noise takes rank from the outer of five linear layers",
    STATEMENT,
    &outer(FIVE, 5),
);

pub const SQUARE: Claim = inequality(
    "deep-linear-square-layers",
    "Square layers keep their rank under label noise",
    "The effective rank of each square layer (12 × 12) of the networks of depth 3, 4 and 5 changes by less than 0.5 \
         under SGD with label noise.",
    &[
        rank(THREE, NOISE, 2).keeps(0.5),
        rank(FOUR, NOISE, 2).keeps(0.5),
        rank(FOUR, NOISE, 3).keeps(0.5),
        rank(FIVE, NOISE, 2).keeps(0.5),
        rank(FIVE, NOISE, 3).keeps(0.5),
        rank(FIVE, NOISE, 4).keeps(0.5),
    ],
);

pub const QUIET: Claim = inequality(
    "deep-linear-without-label-noise",
    "Without label noise the first layer nearly keeps its rank",
    "Under gradient descent and SGD without label noise the effective rank of the first layer changes by less than \
         1, at depth 2 to 5.",
    &[
        rank(TWO, DESCENT, 1).keeps(1.0),
        rank(TWO, SGD, 1).keeps(1.0),
        rank(THREE, DESCENT, 1).keeps(1.0),
        rank(THREE, SGD, 1).keeps(1.0),
        rank(FOUR, DESCENT, 1).keeps(1.0),
        rank(FOUR, SGD, 1).keeps(1.0),
        rank(FIVE, DESCENT, 1).keeps(1.0),
        rank(FIVE, SGD, 1).keeps(1.0),
    ],
);

pub const DEPTH: Claim = inequality(
    "depth-against-rank",
    "The deeper the network, the less rank label noise leaves",
    "Under SGD with label noise the effective rank of the first layer is lower by at least 0.1 at depth 3 than at \
         depth 2, at 4 than at 3, and at 5 than at 4, at the same time and noise.",
    &[
        rank(THREE, NOISE, 1).below(rank(TWO, NOISE, 1), 0.1),
        rank(FOUR, NOISE, 1).below(rank(THREE, NOISE, 1), 0.1),
        rank(FIVE, NOISE, 1).below(rank(FOUR, NOISE, 1), 0.1),
    ],
);

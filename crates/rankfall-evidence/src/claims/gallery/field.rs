//! What is known of noise and rank from other papers, in the experiments that are about them.

use super::inequality;
use crate::claim::Claim;
use crate::statement::{Of, Quantity};

const PHASES: Of = Of("label-noise-in-phases");
const QUIET: &str = "no noise";
const ALWAYS: &str = "always";
const FIRST: &str = "until t = 50";
const SECOND: &str = "from t = 50";

const fn share(dynamics: &'static str) -> Quantity {
    PHASES.end(dynamics, "teacher_share_layer", 1)
}

const fn size(dynamics: &'static str) -> Quantity {
    PHASES.end(dynamics, "nuclear_norm_layer", 1).log()
}

pub const LABEL_NOISE_IN_PHASES: Claim = inequality(
    "label-noise-in-phases",
    "Label noise makes the first layer smaller and turns it to the teacher, and that stays when it ends",
    "The share of |W₁|² in the direction of the teacher changes by less than 0.03 without label noise, and ends higher \
         than that by at least 0.05 with it, and by at least 0.02 where it was on in either half of the run; the nuclear \
         norm of W₁ is lower by at least a quarter (0.29 in its logarithm) with it and by at least a tenth (0.11) in \
         those; whether it was on in the first half or in the second changes the share by less than 0.04 and the norm by \
         less than 0.05 in its logarithm.",
    &[
        share(ALWAYS).above(share(QUIET), 0.05),
        share(QUIET).keeps(0.03),
        share(FIRST).above(share(QUIET), 0.02),
        share(SECOND).above(share(QUIET), 0.02),
        size(ALWAYS).below(size(QUIET), 0.29),
        size(FIRST).below(size(QUIET), 0.11),
        share(FIRST).near(share(SECOND), 0.04),
        size(FIRST).near(size(SECOND), 0.05),
    ],
);

const NEURONS: Of = Of("collapsing-neurons");
const DESCENT: &str = "gradient descent";
const SGD: &str = "SGD";
const NOISE: &str = "SGD, label noise";

const fn distinct(dynamics: &'static str) -> Quantity {
    NEURONS.end(dynamics, "distinct_neurons_layer", 1)
}

const fn sharpness(dynamics: &'static str) -> Quantity {
    NEURONS.end(dynamics, "sharpness", 0).log()
}

pub const COLLAPSING_NEURONS: Claim = inequality(
    "collapsing-neurons",
    "Label noise makes rectifiers vanish and the loss flatter, mini-batches alone do not",
    "Under SGD with label noise at least 10 of 32 neurons fewer are distinct at the end than under gradient descent and \
         than under SGD, and the largest eigenvalue of the Hessian is at most half (0.69 less in its logarithm) of that \
         under either; under gradient descent and SGD the number of distinct neurons changes by less than 3.",
    &[
        distinct(NOISE).below(distinct(DESCENT), 10.0),
        distinct(NOISE).below(distinct(SGD), 10.0),
        sharpness(NOISE).below(sharpness(DESCENT), std::f64::consts::LN_2),
        sharpness(NOISE).below(sharpness(SGD), std::f64::consts::LN_2),
        distinct(DESCENT).keeps(3.0),
        distinct(SGD).keeps(3.0),
    ],
);

const DECAY: Of = Of("rank-and-weight-decay");

const fn rank(dynamics: &'static str) -> Quantity {
    DECAY.end(dynamics, "effective_rank_layer", 2)
}

pub const RANK_AND_WEIGHT_DECAY: Claim = inequality(
    "rank-and-weight-decay",
    "Weight decay and large steps take the rank of a layer, the batch size does not matter",
    "After as many steps of SGD with momentum the effective rank of layer 2 has changed by less than 1 without weight \
         decay, is lower by at least 8 with a weight decay of 0.003 than without, lower by at least 5 more with one of \
         0.01, and by at least 2 more with steps three times as large; with batches of 2 it is within 3 of what it is with all 128 rows.",
    &[
        rank("b = 2, 0.003").below(rank("b = 2, none"), 8.0),
        rank("b = 2, none").keeps(1.0),
        rank("b = 16, 0.01").below(rank("b = 16, 0.003"), 5.0),
        rank("b = 16, 0.003, larger steps").below(rank("b = 16, 0.003"), 2.0),
        rank("b = 2, 0.003").near(rank("b = 128, 0.003"), 3.0),
    ],
);

const COMPLETION: Of = Of("matrix-completion");
const FULL: &str = "gradient descent";
const BATCHES: &str = "mini-batches for a while";
const JUMPS: &str = "label noise for a while";
const NO_DECAY: &str = "label noise, no weight decay";

const fn left(dynamics: &'static str) -> Quantity {
    COMPLETION.end(dynamics, "numerical_rank_product", 0)
}

const fn all_entries(dynamics: &'static str) -> Quantity {
    COMPLETION.end(dynamics, "held_out_loss", 0).log()
}

pub const MATRIX_COMPLETION: Claim = inequality(
    "matrix-completion",
    "Under weight decay label noise takes rank from a completed matrix, and it does not come back",
    "Where label noise was on for a while the map ends with a numerical rank lower by at least 3 than under full \
         gradients, long after it was switched off, and lower by at least 3 than under that noise without weight decay, \
         where rank has come back; \
         the loss on all entries is lower by at least a sixth (0.2 in its logarithm) than under full gradients; \
         mini-batches for a while leave the rank within 1 of that under full gradients.",
    &[
        left(JUMPS).below(left(FULL), 3.0),
        left(JUMPS).below(left(NO_DECAY), 3.0),
        all_entries(JUMPS).below(all_entries(FULL), 0.2),
        left(BATCHES).near(left(FULL), 1.0),
    ],
);

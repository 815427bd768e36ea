//! What is known of noise and rank from other papers, in the experiments that are about them.

use super::inequality;
use crate::claim::Claim;
use crate::statement::Observable;

const PHASES: &str = "label-noise-in-phases";
const QUIET: &str = "no noise";
const ALWAYS: &str = "always";
const FIRST: &str = "until t = 50";
const SECOND: &str = "from t = 50";

const SHARE: Observable = Observable::new(PHASES, "teacher_share_layer", 1);
const SIZE: Observable = Observable::new(PHASES, "nuclear_norm_layer", 1).log();

pub const LABEL_NOISE_IN_PHASES: Claim = inequality(
    "label-noise-in-phases",
    "Label noise makes the first layer smaller and turns it to the teacher, and that stays when it ends",
    "The share of |W₁|² in the direction of the teacher changes by less than 0.03 without label noise, and ends higher \
         than that by at least 0.05 with it, and by at least 0.02 where it was on in either half of the run; the nuclear \
         norm of W₁ is lower by at least a quarter (0.29 in its logarithm) with it and by at least a tenth (0.11) in \
         those; whether it was on in the first half or in the second changes the share by less than 0.04 and the norm by \
         less than 0.05 in its logarithm.",
    &[
        SHARE.under(ALWAYS).above(SHARE.under(QUIET), 0.05),
        SHARE.under(QUIET).keeps(0.03),
        SHARE.under(FIRST).above(SHARE.under(QUIET), 0.02),
        SHARE.under(SECOND).above(SHARE.under(QUIET), 0.02),
        SIZE.under(ALWAYS).below(SIZE.under(QUIET), 0.29),
        SIZE.under(FIRST).below(SIZE.under(QUIET), 0.11),
        SHARE.under(FIRST).near(SHARE.under(SECOND), 0.04),
        SIZE.under(FIRST).near(SIZE.under(SECOND), 0.05),
    ],
);

const NEURONS: &str = "collapsing-neurons";
const DESCENT: &str = "gradient descent";
const SGD: &str = "SGD";
const NOISE: &str = "SGD, label noise";

const DISTINCT: Observable = Observable::new(NEURONS, "distinct_neurons_layer", 1);
const SHARPNESS: Observable = Observable::new(NEURONS, "sharpness", 0).log();

pub const COLLAPSING_NEURONS: Claim = inequality(
    "collapsing-neurons",
    "Label noise makes rectifiers vanish and the loss flatter, mini-batches alone do not",
    "Under SGD with label noise at least 10 of 32 neurons fewer are distinct at the end than under gradient descent and \
         than under SGD, and the largest eigenvalue of the Hessian is at most half (0.69 less in its logarithm) of that \
         under either; under gradient descent and SGD the number of distinct neurons changes by less than 3.",
    &[
        DISTINCT.under(NOISE).below(DISTINCT.under(DESCENT), 10.0),
        DISTINCT.under(NOISE).below(DISTINCT.under(SGD), 10.0),
        SHARPNESS
            .under(NOISE)
            .below(SHARPNESS.under(DESCENT), std::f64::consts::LN_2),
        SHARPNESS
            .under(NOISE)
            .below(SHARPNESS.under(SGD), std::f64::consts::LN_2),
        DISTINCT.under(DESCENT).keeps(3.0),
        DISTINCT.under(SGD).keeps(3.0),
    ],
);

const DECAY: &str = "rank-and-weight-decay";

const RANK: Observable = Observable::new(DECAY, "effective_rank_layer", 2);

pub const RANK_AND_WEIGHT_DECAY: Claim = inequality(
    "rank-and-weight-decay",
    "Weight decay and large steps take the rank of a layer, the batch size does not matter",
    "After as many steps of SGD with momentum the effective rank of layer 2 has changed by less than 1 without weight \
         decay, is lower by at least 8 with a weight decay of 0.003 than without, lower by at least 5 more with one of \
         0.01, and by at least 2 more with steps three times as large; with batches of 2 it is within 3 of what it is with all 128 rows.",
    &[
        RANK.under("b = 2, 0.003")
            .below(RANK.under("b = 2, none"), 8.0),
        RANK.under("b = 2, none").keeps(1.0),
        RANK.under("b = 16, 0.01")
            .below(RANK.under("b = 16, 0.003"), 5.0),
        RANK.under("b = 16, 0.003, larger steps")
            .below(RANK.under("b = 16, 0.003"), 2.0),
        RANK.under("b = 2, 0.003")
            .near(RANK.under("b = 128, 0.003"), 3.0),
    ],
);

const COMPLETION: &str = "matrix-completion";
const FULL: &str = "gradient descent";
const BATCHES: &str = "mini-batches for a while";
const JUMPS: &str = "label noise for a while";
const NO_DECAY: &str = "label noise, no weight decay";

const LEFT: Observable = Observable::new(COMPLETION, "numerical_rank_product", 0);
const ALL_ENTRIES: Observable = Observable::new(COMPLETION, "held_out_loss", 0).log();

pub const MATRIX_COMPLETION: Claim = inequality(
    "matrix-completion",
    "Under weight decay label noise takes rank from a completed matrix, and it does not come back",
    "Where label noise was on for a while the map ends with a numerical rank lower by at least 3 than under full \
         gradients, long after it was switched off, and lower by at least 3 than under that noise without weight decay, \
         where rank has come back; \
         the loss on all entries is lower by at least a sixth (0.2 in its logarithm) than under full gradients; \
         mini-batches for a while leave the rank within 1 of that under full gradients.",
    &[
        LEFT.under(JUMPS).below(LEFT.under(FULL), 3.0),
        LEFT.under(JUMPS).below(LEFT.under(NO_DECAY), 3.0),
        ALL_ENTRIES.under(JUMPS).below(ALL_ENTRIES.under(FULL), 0.2),
        LEFT.under(BATCHES).near(LEFT.under(FULL), 1.0),
    ],
);

//! The noise zoo: one task under one kind of noise after the other.

use super::inequality;
use crate::claim::Claim;
use crate::statement::Observable;
use std::f64::consts::LN_2;

const RUN: &str = "noise-zoo";
const NONE: &str = "none";
const LABELS: &str = "label noise";
const BATCHES: &str = "mini-batches of 4";
const INPUTS: &str = "input noise";
const GRADIENT: &str = "gradient noise";
const SHAKEN: &str = "weight noise";
const DROPOUT: &str = "dropout";
const DECAY: &str = "weight decay";

const LAYER: Observable = Observable::new(RUN, "numerical_rank_layer", 2);
const RANK: Observable = Observable::new(RUN, "numerical_rank_features", 2);
const LOSS: Observable = Observable::new(RUN, "held_out_loss", 0).log();

pub const WEIGHTS: Claim = inequality(
    "noise-zoo-weights",
    "No noise of the zoo moves the rank of the weights, weight decay does",
    "The numerical rank of layer 2 ends within 1 of that without noise under each of label noise, mini-batches, input \
         noise, gradient noise, weight noise and dropout, and lower by at least 8 under weight decay.",
    &[
        LAYER.under(DECAY).below(LAYER.under(NONE), 8.0),
        LAYER.under(LABELS).near(LAYER.under(NONE), 1.0),
        LAYER.under(BATCHES).near(LAYER.under(NONE), 1.0),
        LAYER.under(INPUTS).near(LAYER.under(NONE), 1.0),
        LAYER.under(GRADIENT).near(LAYER.under(NONE), 1.0),
        LAYER.under(SHAKEN).near(LAYER.under(NONE), 1.0),
        LAYER.under(DROPOUT).near(LAYER.under(NONE), 1.0),
    ],
);

pub const FEATURES: Claim = inequality(
    "noise-zoo-features",
    "Weight noise and dropout lower the rank of features, label noise raises it",
    "The numerical rank of the features of layer 2 ends lower than without noise by at least 1 under weight noise and \
         dropout and by at least 0.3 under gradient noise, higher by at least 0.5 under label noise, and within 1 of it \
         under mini-batches and input noise.",
    &[
        RANK.under(SHAKEN).below(RANK.under(NONE), 1.0),
        RANK.under(DROPOUT).below(RANK.under(NONE), 1.0),
        RANK.under(GRADIENT).below(RANK.under(NONE), 0.3),
        RANK.under(LABELS).above(RANK.under(NONE), 0.5),
        RANK.under(BATCHES).near(RANK.under(NONE), 1.0),
        RANK.under(INPUTS).near(RANK.under(NONE), 1.0),
    ],
);

pub const HELD_OUT: Claim = inequality(
    "noise-zoo-held-out",
    "On rows held out noise does better than none, weight decay best",
    "The loss on rows held out ends lower than without noise by at least a tenth (0.1 in its logarithm) under label \
         noise, input noise, gradient noise, weight noise and dropout, is at most half (0.69) of it under weight decay, and \
         within a factor of 1.5 (0.4) of it under mini-batches.",
    &[
        LOSS.under(LABELS).below(LOSS.under(NONE), 0.1),
        LOSS.under(INPUTS).below(LOSS.under(NONE), 0.1),
        LOSS.under(GRADIENT).below(LOSS.under(NONE), 0.1),
        LOSS.under(SHAKEN).below(LOSS.under(NONE), 0.1),
        LOSS.under(DROPOUT).below(LOSS.under(NONE), 0.1),
        LOSS.under(DECAY).below(LOSS.under(NONE), LN_2),
        LOSS.under(BATCHES).near(LOSS.under(NONE), 0.4),
    ],
);

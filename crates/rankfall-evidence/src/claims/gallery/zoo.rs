//! The noise zoo: one task under one kind of noise after the other.

use super::inequality;
use crate::claim::Claim;
use crate::statement::{Of, Quantity};
use std::f64::consts::LN_2;

const RUN: Of = Of("noise-zoo");
const NONE: &str = "none";
const LABELS: &str = "label noise";
const BATCHES: &str = "mini-batches of 4";
const INPUTS: &str = "input noise";
const GRADIENT: &str = "gradient noise";
const SHAKEN: &str = "weight noise";
const DROPOUT: &str = "dropout";
const DECAY: &str = "weight decay";

const fn layer(dynamics: &'static str) -> Quantity {
    RUN.end(dynamics, "numerical_rank_layer", 2)
}

const fn features(dynamics: &'static str) -> Quantity {
    RUN.end(dynamics, "numerical_rank_features", 2)
}

const fn held_out(dynamics: &'static str) -> Quantity {
    RUN.end(dynamics, "held_out_loss", 0).log()
}

pub const WEIGHTS: Claim = inequality(
    "noise-zoo-weights",
    "No noise of the zoo moves the rank of the weights, weight decay does",
    "The numerical rank of layer 2 ends within 1 of that without noise under each of label noise, mini-batches, input \
         noise, gradient noise, weight noise and dropout, and lower by at least 8 under weight decay.",
    &[
        layer(DECAY).below(layer(NONE), 8.0),
        layer(LABELS).near(layer(NONE), 1.0),
        layer(BATCHES).near(layer(NONE), 1.0),
        layer(INPUTS).near(layer(NONE), 1.0),
        layer(GRADIENT).near(layer(NONE), 1.0),
        layer(SHAKEN).near(layer(NONE), 1.0),
        layer(DROPOUT).near(layer(NONE), 1.0),
    ],
);

pub const FEATURES: Claim = inequality(
    "noise-zoo-features",
    "Weight noise and dropout lower the rank of features, label noise raises it",
    "The numerical rank of the features of layer 2 ends lower than without noise by at least 1 under weight noise and \
         dropout and by at least 0.3 under gradient noise, higher by at least 0.5 under label noise, and within 1 of it \
         under mini-batches and input noise.",
    &[
        features(SHAKEN).below(features(NONE), 1.0),
        features(DROPOUT).below(features(NONE), 1.0),
        features(GRADIENT).below(features(NONE), 0.3),
        features(LABELS).above(features(NONE), 0.5),
        features(BATCHES).near(features(NONE), 1.0),
        features(INPUTS).near(features(NONE), 1.0),
    ],
);

pub const HELD_OUT: Claim = inequality(
    "noise-zoo-held-out",
    "On rows held out noise does better than none, weight decay best",
    "The loss on rows held out ends lower than without noise by at least a tenth (0.1 in its logarithm) under label \
         noise, input noise, gradient noise, weight noise and dropout, is at most half (0.69) of it under weight decay, and \
         within a factor of 1.5 (0.4) of it under mini-batches.",
    &[
        held_out(LABELS).below(held_out(NONE), 0.1),
        held_out(INPUTS).below(held_out(NONE), 0.1),
        held_out(GRADIENT).below(held_out(NONE), 0.1),
        held_out(SHAKEN).below(held_out(NONE), 0.1),
        held_out(DROPOUT).below(held_out(NONE), 0.1),
        held_out(DECAY).below(held_out(NONE), LN_2),
        held_out(BATCHES).near(held_out(NONE), 0.4),
    ],
);

//! Classifiers: digits, and Fashion-MNIST where its data are there.

use super::inequality;
use crate::claim::Claim;
use crate::statement::{Observable, Quantity};

const DESCENT: &str = "gradient descent";
const SGD: &str = "SGD";
const FLIPS: &str = "SGD, labels flipped";

const RUN: &str = "digits-network";
const IMAGES: &str = "fashion-mnist";

const FEATURES: Observable = Observable::new(RUN, "numerical_rank_features", 2);
const ACTIVE: Observable = Observable::new(RUN, "active_share_features", 2);
const ACCURACY: Observable = Observable::new(RUN, "held_out_accuracy", 0);
const IMAGE_ACCURACY: Observable = Observable::new(IMAGES, "held_out_accuracy", 0);
const IMAGE_LAYER: Observable = Observable::new(IMAGES, "numerical_rank_layer", 1);

const fn layer(dynamics: &'static str, layer: u32) -> Quantity {
    Observable::new(RUN, "effective_rank_layer", layer).under(dynamics)
}

pub const DIGITS: Claim = inequality(
    "digits-flipped-labels",
    "Flipped labels raise the rank of a classifier's features",
    "With a fifth of the labels flipped at every step the numerical rank of the features of layer 2 ends higher by at \
         least 3 than under SGD without flips, the effective rank of layers 1, 2 and 3 higher by at least 0.5, 0.5 and 0.1, \
         and the share of active units of layer 2 lower by at least 0.2.",
    &[
        FEATURES.under(FLIPS).above(FEATURES.under(SGD), 3.0),
        layer(FLIPS, 1).above(layer(SGD, 1), 0.5),
        layer(FLIPS, 2).above(layer(SGD, 2), 0.5),
        layer(FLIPS, 3).above(layer(SGD, 3), 0.1),
        ACTIVE.under(FLIPS).below(ACTIVE.under(SGD), 0.2),
    ],
);

pub const DIGITS_ALIKE: Claim = inequality(
    "digits-small-steps",
    "Over the same time SGD with small steps is hard to tell from gradient descent",
    "The numerical rank of the features of layer 2 under SGD ends within 1 of gradient descent's, and falls by at least 4 \
         under both.",
    &[
        FEATURES
            .under(DESCENT)
            .below(FEATURES.under(DESCENT).at_the_start(), 4.0),
        FEATURES
            .under(SGD)
            .below(FEATURES.under(SGD).at_the_start(), 4.0),
        FEATURES.under(SGD).near(FEATURES.under(DESCENT), 1.0),
    ],
);

pub const DIGITS_ACCURACY: Claim = inequality(
    "digits-accuracy",
    "Flipped labels cost no accuracy on digits held out",
    "The accuracy on rows held out with flipped labels ends within 0.02 of that of SGD, which is at least 0.95.",
    &[
        ACCURACY.under(FLIPS).near(ACCURACY.under(SGD), 0.02),
        ACCURACY.under(SGD).at_least(0.95),
    ],
);

pub const FASHION: Claim = inequality(
    "fashion-mnist",
    "Ten epochs of Fashion-MNIST: accuracy, and a first layer that keeps its numerical rank",
    "After ten epochs of SGD the accuracy on images held out is at least 0.87; the numerical rank of layer 1 changes by \
         less than 1 under SGD, with flipped labels and without.",
    &[
        IMAGE_ACCURACY.under(SGD).at_least(0.87),
        IMAGE_LAYER.under(SGD).keeps(1.0),
        IMAGE_LAYER.under(FLIPS).keeps(1.0),
    ],
);

//! Rectifiers: two and three layers with a teacher, and a hundred units through points on a line.

use super::inequality;
use crate::claim::Claim;
use crate::statement::{Observable, Quantity};

const DESCENT: &str = "gradient descent";
const SGD: &str = "SGD";
const LARGE: &str = "SGD, large steps for a half";
const NOISE: &str = "SGD, label noise";

const TWO: &str = "relu-teacher-student";
const THREE: &str = "relu-three-layers";
const LINE: &str = "relu-one-dimension";

const fn features(run: &'static str, dynamics: &'static str, layer: u32) -> Quantity {
    Observable::new(run, "effective_rank_features", layer).under(dynamics)
}

const fn counted(run: &'static str, dynamics: &'static str) -> Quantity {
    Observable::new(run, "numerical_rank_features", 1).under(dynamics)
}

const fn jacobian(run: &'static str, dynamics: &'static str) -> Quantity {
    Observable::new(run, "effective_rank_jacobian", 0).under(dynamics)
}

const fn layer(run: &'static str, dynamics: &'static str, layer: u32) -> Quantity {
    Observable::new(run, "effective_rank_layer", layer).under(dynamics)
}

const COUNTED_JACOBIAN: Observable = Observable::new(TWO, "numerical_rank_jacobian", 0);
const ACTIVE: Observable = Observable::new(LINE, "active_share_features", 1);
const HELD_OUT: Observable = Observable::new(THREE, "held_out_loss", 0).log();

pub const TWO_LAYERS: Claim = inequality(
    "relu-teacher-student",
    "Label noise lowers the rank of the features of two layers of rectifiers",
    "Under SGD with label noise the features end with an effective rank lower by at least 1, and a numerical rank \
         lower by at least 3, than under gradient descent and than under SGD, also than gradient descent's where its \
         training loss was first as low (effective rank); the Jacobian's numerical rank is lower by at least 2. Under \
         gradient descent and SGD the features' effective rank changes by less than 0.5.",
    &[
        features(TWO, NOISE, 1).below(features(TWO, DESCENT, 1), 1.0),
        features(TWO, NOISE, 1).below(features(TWO, DESCENT, 1).at_the_loss_of(NOISE), 1.0),
        features(TWO, NOISE, 1).below(features(TWO, SGD, 1), 1.0),
        counted(TWO, NOISE).below(counted(TWO, DESCENT), 3.0),
        counted(TWO, NOISE).below(counted(TWO, SGD), 3.0),
        COUNTED_JACOBIAN
            .under(NOISE)
            .below(COUNTED_JACOBIAN.under(DESCENT), 2.0),
        features(TWO, DESCENT, 1).keeps(0.5),
        features(TWO, SGD, 1).keeps(0.5),
    ],
);

pub const TWO_LAYERS_WEIGHTS: Claim = inequality(
    "relu-teacher-student-weights",
    "Layer 1 of two layers of rectifiers keeps its rank whatever is done",
    "The effective rank of layer 1 (2 × 20), which can be no more than 2, changes by less than 0.2 under gradient \
         descent, SGD, and SGD with label noise.",
    &[
        layer(TWO, DESCENT, 1).keeps(0.2),
        layer(TWO, SGD, 1).keeps(0.2),
        layer(TWO, NOISE, 1).keeps(0.2),
    ],
);

pub const TWO_LAYERS_LARGE_STEPS: Claim = inequality(
    "relu-teacher-student-large-steps",
    "Large steps lower the rank of the features of two layers of rectifiers",
    "After SGD with large steps for half of the run the features' effective rank is lower by at least 0.2 than under \
         SGD with small ones.",
    &[features(TWO, LARGE, 1).below(features(TWO, SGD, 1), 0.2)],
);

pub const THREE_LAYERS: Claim = inequality(
    "relu-three-layers",
    "Noise lowers the rank of features and Jacobian of three layers of rectifiers, label noise most",
    "The effective rank of the features of layer 2 is lower by at least 0.3 under SGD than under gradient descent, and \
         by at least 0.3 under SGD with label noise than under SGD; that of the Jacobian by at least 1 each. At gradient \
         descent's training loss as low as label noise's it is lower by at least 0.5 under label noise.",
    &[
        features(THREE, SGD, 2).below(features(THREE, DESCENT, 2), 0.3),
        features(THREE, NOISE, 2).below(features(THREE, SGD, 2), 0.3),
        features(THREE, NOISE, 2).below(features(THREE, DESCENT, 2).at_the_loss_of(NOISE), 0.5),
        jacobian(THREE, SGD).below(jacobian(THREE, DESCENT), 1.0),
        jacobian(THREE, NOISE).below(jacobian(THREE, SGD), 1.0),
    ],
);

pub const THREE_LAYERS_WEIGHTS: Claim = inequality(
    "relu-three-layers-weights",
    "The weights of three layers of rectifiers hardly show it",
    "Under SGD with label noise the effective rank of layer 1 changes by less than 1, and that of the square layer 2 by \
         less than 0.5.",
    &[
        layer(THREE, NOISE, 1).keeps(1.0),
        layer(THREE, NOISE, 2).keeps(0.5),
    ],
);

pub const THREE_LAYERS_HELD_OUT: Claim = inequality(
    "relu-three-layers-held-out",
    "Rows held out like the noise of sampling but not more of it",
    "The loss on rows held out is lower by at least a fifth (0.2 in its logarithm) under SGD than under gradient descent, \
         and higher by as much under SGD with label noise than under SGD.",
    &[
        HELD_OUT.under(SGD).below(HELD_OUT.under(DESCENT), 0.2),
        HELD_OUT.under(NOISE).above(HELD_OUT.under(SGD), 0.2),
    ],
);

pub const LINE_SPARSE: Claim = inequality(
    "relu-one-dimension-sparse",
    "Large steps and label noise make rectifiers on a line sparse",
    "The share of active units changes by less than 0.05 under gradient descent and SGD with small steps; it ends lower \
         than gradient descent's by at least 0.1 after large steps and under label noise.",
    &[
        ACTIVE.under(LARGE).below(ACTIVE.under(DESCENT), 0.1),
        ACTIVE.under(NOISE).below(ACTIVE.under(DESCENT), 0.1),
        ACTIVE.under(DESCENT).keeps(0.05),
        ACTIVE.under(SGD).keeps(0.05),
    ],
);

pub const LINE_RANK: Claim = inequality(
    "relu-one-dimension-rank",
    "On a line noise raises the rank of the features",
    "The numerical rank of the features ends higher by at least 0.5 than it started after large steps and under label \
         noise: sparsity is not low rank.",
    &[
        counted(LINE, LARGE).above(counted(LINE, LARGE).at_the_start(), 0.5),
        counted(LINE, NOISE).above(counted(LINE, NOISE).at_the_start(), 0.5),
    ],
);

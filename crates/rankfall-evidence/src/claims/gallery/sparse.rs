//! The diagonal linear network.

use super::inequality;
use crate::claim::Claim;
use crate::statement::Observable;
use std::f64::consts::LN_2;

const RUN: &str = "diagonal-linear";
const DESCENT: &str = "gradient descent";
const SGD: &str = "SGD";
const NOISE: &str = "SGD, label noise";

const ENTRIES: Observable = Observable::new(RUN, "numerical_rank_product", 0);
const HELD_OUT: Observable = Observable::new(RUN, "held_out_loss", 0).log();

pub const DIAGONAL: Claim = inequality(
    "diagonal-linear",
    "Label noise makes a diagonal linear network sparse",
    "Under SGD with label noise at least 40 entries fewer of u∘v are above a hundredth of the largest than under \
         gradient descent (also where its training loss was first as low) and than under SGD without label noise, and the \
         loss on rows held out is at most half (0.69 less in its logarithm) of that under either.",
    &[
        ENTRIES.under(NOISE).below(ENTRIES.under(DESCENT), 40.0),
        ENTRIES
            .under(NOISE)
            .below(ENTRIES.under(DESCENT).at_the_loss_of(NOISE), 40.0),
        ENTRIES.under(NOISE).below(ENTRIES.under(SGD), 40.0),
        HELD_OUT.under(NOISE).below(HELD_OUT.under(DESCENT), LN_2),
        HELD_OUT.under(NOISE).below(HELD_OUT.under(SGD), LN_2),
    ],
);

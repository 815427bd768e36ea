//! The diagonal linear network.

use super::inequality;
use crate::claim::Claim;
use crate::statement::{Of, Quantity};
use std::f64::consts::LN_2;

const RUN: Of = Of("diagonal-linear");
const DESCENT: &str = "gradient descent";
const SGD: &str = "SGD";
const NOISE: &str = "SGD, label noise";

const fn entries(dynamics: &'static str) -> Quantity {
    RUN.end(dynamics, "numerical_rank_product", 0)
}

const fn held_out(dynamics: &'static str) -> Quantity {
    RUN.end(dynamics, "held_out_loss", 0).log()
}

pub const DIAGONAL: Claim = inequality(
    "diagonal-linear",
    "Label noise makes a diagonal linear network sparse",
    "Under SGD with label noise at least 40 entries fewer of u∘v are above a hundredth of the largest than under \
         gradient descent (also where its training loss was first as low) and than under SGD without label noise, and the \
         loss on rows held out is at most half (0.69 less in its logarithm) of that under either.",
    &[
        entries(NOISE).below(entries(DESCENT), 40.0),
        entries(NOISE).below(entries(DESCENT).at_the_loss_of(NOISE), 40.0),
        entries(NOISE).below(entries(SGD), 40.0),
        held_out(NOISE).below(held_out(DESCENT), LN_2),
        held_out(NOISE).below(held_out(SGD), LN_2),
    ],
);

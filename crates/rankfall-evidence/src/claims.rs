//! The claims, one file per theme.

mod account;
mod classification;
mod decay;
mod depth;
mod determinant;
mod discrete_step;
pub mod drift;
mod eigenvalues;
mod gallery;
mod given;
mod gradient_flow;
mod interpolation;
mod limit;
pub mod log_det;
mod orders;
mod reductions;
mod repulsion;
mod step_size;

use crate::claim::{Claim, Suite};

/// All claims, in the order in which they are read.
pub static ALL: &[Claim] = &[
    gradient_flow::DETERMINANT,
    gradient_flow::RANK,
    determinant::LAW,
    discrete_step::PATH,
    discrete_step::LABEL_NOISE,
    discrete_step::MINI_BATCH,
    discrete_step::SAMPLING,
    eigenvalues::DRIFT,
    eigenvalues::COVARIATION,
    eigenvalues::ANISOTROPIC,
    repulsion::KILLS,
    repulsion::LEFT_OUT,
    step_size::STEP_SIZE,
    step_size::LABEL_NOISE,
    decay::SETTING,
    decay::ANISOTROPIC,
    decay::ONE_OUTPUT,
    decay::WIDE,
    decay::DEFICIENT,
    decay::EXTRA_SURVIVOR,
    interpolation::STOPS,
    interpolation::GOES_ON,
    account::LABEL_NOISE_DESCENT,
    account::SGD,
    limit::LIMIT,
    reductions::EXACT,
    reductions::ROUNDING,
    classification::LAW,
    classification::FULL_BATCH,
    classification::MINI_BATCH,
    depth::STACKS,
    orders::STRONG,
    gallery::deep::DEPTH_2,
    gallery::deep::DEPTH_3,
    gallery::deep::DEPTH_4,
    gallery::deep::DEPTH_5,
    gallery::deep::SQUARE,
    gallery::deep::QUIET,
    gallery::deep::DEPTH,
    gallery::sparse::DIAGONAL,
    gallery::rectifiers::TWO_LAYERS,
    gallery::rectifiers::TWO_LAYERS_WEIGHTS,
    gallery::rectifiers::TWO_LAYERS_LARGE_STEPS,
    gallery::rectifiers::THREE_LAYERS,
    gallery::rectifiers::THREE_LAYERS_WEIGHTS,
    gallery::rectifiers::THREE_LAYERS_HELD_OUT,
    gallery::rectifiers::LINE_SPARSE,
    gallery::rectifiers::LINE_RANK,
    gallery::classes::DIGITS,
    gallery::classes::DIGITS_ALIKE,
    gallery::classes::DIGITS_ACCURACY,
    gallery::zoo::WEIGHTS,
    gallery::zoo::FEATURES,
    gallery::zoo::HELD_OUT,
    gallery::field::LABEL_NOISE_IN_PHASES,
    gallery::field::COLLAPSING_NEURONS,
    gallery::field::RANK_AND_WEIGHT_DECAY,
    gallery::field::MATRIX_COMPLETION,
    gallery::classes::FASHION,
    drift::TWO_LAYER_LINEAR,
    drift::DEEP_LINEAR,
    drift::TWO_LAYER_RELU,
    log_det::LABEL_NOISE,
    log_det::GRADIENT_NOISE,
    log_det::MINI_BATCH,
    given::STEP,
    given::LAW,
    given::DRIFT,
];

/// The claim of that name.
pub fn named(id: &str) -> Option<&'static Claim> {
    ALL.iter().find(|claim| claim.id == id)
}

/// Those that share this family-wise rate.
pub fn of(suite: Suite) -> impl Iterator<Item = &'static Claim> {
    ALL.iter().filter(move |claim| claim.suite == suite)
}

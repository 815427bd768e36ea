//! What is refused, and what is warned of, once data and start are there.

use crate::experiment::{ExactData, ExactDynamics, ExactExperiment, ExactInit};
use crate::failure::{Failure, number_text, quoted, shown_path};
use rankfall_core::model::dynamics::Kind;
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, SetupError};
use rankfall_core::step::gradient_flow::MOST_ATTEMPTS;
use rankfall_core::theory::averaging::slow_flow_applies;
use rankfall_core::theory::stability::Stiffness;
use std::path::Path;

/// A start that cannot be made is wrong input.
pub fn of_setup(error: SetupError) -> Failure {
    Failure::input(error.to_string())
}

/// Refuses labels that fit neither the loss nor the flips.
pub(super) fn check_classes(
    experiment: &ExactExperiment,
    setup: &Setup,
    problem: &Problem,
) -> Result<(), Failure> {
    for index in 0..experiment.dynamics.len() {
        let fits = experiment
            .ensemble(index, &[0])
            .class_problem(setup, problem);
        fits.map_err(|error| Failure::input(format!("`network.loss`: {error}")))?;
    }
    Ok(())
}

/// Refuses what depends on p and k, which a file only tells now.
pub(super) fn check_width(experiment: &ExactExperiment, problem: &Problem) -> Result<(), Failure> {
    let needed = (problem.inputs + problem.outputs) as u64;
    let width = experiment.network.width;
    let replaced = matches!(
        experiment.network.init,
        ExactInit::Gaussian {
            smallest_singular_value: Some(_),
            ..
        }
    );
    if replaced && width < needed {
        let message = format!(
            "`network.init.smallest_singular_value` needs a width of at least p + k = {needed}; \
             the width is {width}"
        );
        return Err(Failure::input(message));
    }
    Ok(())
}

/// Weights from a file that do not fit are refused before a folder is made.
pub(super) fn check_given_weights(
    experiment: &ExactExperiment,
    setup: &Setup,
    problem: &Problem,
) -> Result<(), Failure> {
    let ExactInit::File { path, .. } = &experiment.network.init else {
        return Ok(());
    };
    let refuse = |error| {
        let shown = shown_path(path);
        Failure::input(format!("cannot use {shown} as initial weights: {error}"))
    };
    setup.start(problem, 0).map(drop).map_err(refuse)
}

/// Refuses a slow flow of noise that cannot be averaged.
pub(super) fn check_slow_flow(
    experiment: &ExactExperiment,
    setup: &Setup,
    problem: &Problem,
) -> Result<(), Failure> {
    for (i, spec) in experiment.dynamics.iter().enumerate() {
        let Kind::SlowFlow { .. } = spec.dynamics.kind else {
            continue;
        };
        let refuse =
            |why: String| Failure::input(format!("`dynamics.{i}` is a slow flow, but {why}"));
        if !experiment.run.reductions {
            return Err(refuse(
                "run.reductions is false, and it has no form without them".into(),
            ));
        }
        let nu = spec.dynamics.noise_intensity(problem.samples);
        let applies = slow_flow_applies(problem, setup.width, nu, None);
        applies.map_err(|error| {
            refuse(error.to_string())
                .hint("kind = \"stochastic-gradient-flow\" simulates the noise")
        })?;
    }
    Ok(())
}

/// What rounding of the second moments may hide is said beyond this relative error.
const UNCERTAIN: f64 = 1e-6;

/// Says so where second moments do not tell a direction of the inputs from zero, or hardly do.
pub(super) fn lost_in_moments(experiment: &ExactExperiment, problem: &Problem) -> Option<String> {
    // Drawn data have the rank that they were asked to have.
    if matches!(experiment.data, ExactData::Gaussian(_)) {
        return None;
    }
    let lost = problem.lost_directions as u64;
    let source = match &experiment.data {
        ExactData::Gram(_) => {
            "; if they are not exactly so, the loss floor could be lower, which Gram matrices in double precision \
             cannot tell: give the rows"
        }
        _ => "",
    };
    if lost > 0 && lost + problem.samples > problem.inputs as u64 {
        return Some(format!(
            "{lost} of {} inputs are, to rounding, combinations of others: S_xx is zero in as many directions, \
             which no gradient sees{source}",
            problem.inputs
        ));
    }
    (problem.uncertainty > UNCERTAIN).then(|| {
        format!(
            "inputs are nearly combinations of others: the least eigenvalue of S_xx above zero, {:.2e}, is known \
             to a relative {:.0e} only, and the loss floor to what it explains; drop or combine such columns",
            problem.eigenvalues.iter().rev().find(|&&s| s > 0.0).copied().unwrap_or(0.0),
            problem.uncertainty
        )
    })
}

/// Says so where Θ has no full rank at the start: its determinant is zero then, and stays zero.
pub(super) fn singular_start(setup: &Setup, problem: &Problem) -> Result<Option<String>, Failure> {
    let start = setup.start(problem, 0).map_err(of_setup)?;
    let (rank, most) = (start.rank(), start.reduced_width());
    let of = match setup.width >= setup.rows() {
        true => "M",
        false => "ΘᵀΘ",
    };
    let why = match setup.initialisation {
        Initialisation::Balanced { .. } => "a balanced start has no more",
        Initialisation::Gaussian { .. } => "the others are zero in double precision",
        Initialisation::Given(_) => {
            "the other rows of Θ = [W₁; W₂ᵀ] are zero, or combinations of these to the rounding of the weights"
        }
    };
    Ok((rank < most).then(|| {
        format!(
            "the start is singular: Θ has {rank} of {most} singular values above zero ({why}); rank is kept, so \
             log det {of} is minus infinity throughout, null in the results, and so is its law"
        )
    }))
}

/// So many steps of gradient flow are worth a note.
const MANY_STEPS: f64 = 1e6;

/// And so many are not begun: the estimate, which is from below, is this much beyond the limit.
const HOPELESS_STEPS: f64 = 10.0 * MOST_ATTEMPTS;

/// Refuses gradient flow that would never end, and notes where it is stiff.
pub(super) fn check_stiffness(
    experiment: &ExactExperiment,
    setup: &Setup,
    problem: &Problem,
) -> Result<Option<String>, Failure> {
    // Losses of classes flatten out; the estimate is of the squared one.
    let is_flow = |spec: &&ExactDynamics| {
        spec.dynamics.kind == Kind::GradientFlow && spec.dynamics.classes.is_none()
    };
    let Some(spec) = experiment.dynamics.iter().find(is_flow) else {
        return Ok(None);
    };
    let start = setup.start(problem, 0).map_err(of_setup)?;
    let stiffness = Stiffness::at(problem, &start);
    let time = experiment.time;
    let steps = stiffness.steps(time);
    if steps <= MANY_STEPS {
        return Ok(None);
    }
    let message = format!(
        "{} is stiff: with λ_max(S_xx) = {} its fastest rate is {} per unit of t, so that run.time = \
         {} takes {steps:.0e} steps of the integrator or more, which tries at most {MOST_ATTEMPTS:.0e}",
        quoted(&spec.label),
        two_digits(stiffness.largest_eigenvalue),
        two_digits(stiffness.rate),
        number_text(time)
    );
    let scaled = match &experiment.data {
        ExactData::File(file) if !file.standardize => "set data.standardize = true",
        _ => "scale the inputs to variances near one",
    };
    // An infinite or undefined estimate is hopeless too.
    if steps.is_nan() || steps > HOPELESS_STEPS {
        return Err(Failure::input(message).hint(format!(
            "{scaled}, shorten run.time, or start from smaller weights"
        )));
    }
    Ok(Some(format!(
        "{message}; {scaled}, shorten run.time, or start from smaller weights"
    )))
}

/// As a person writes it: 0.15 or 6.3, with an exponent only where there are many digits.
fn two_digits(value: f64) -> String {
    match value {
        v if !(1e-3..1e5).contains(&v.abs()) => format!("{v:.1e}"),
        v if v.abs() < 10.0 => format!("{v:.*}", (1.0 - v.abs().log10().floor()).max(0.0) as usize),
        v => format!("{v:.0}"),
    }
}

/// Refuses other data than those that an experiment was run on.
///
/// # Errors
/// Exit code 2, with both checksums.
pub fn expect_checksum(expected: Option<&str>, found: &str, path: &Path) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != found => Err(Failure::input(format!(
            "{} is not the file this experiment was run on: its checksum is {found}, not {expected}",
            shown_path(path)
        ))
        .hint("put the old file back, or remove `checksum` from the experiment to use this one")),
        _ => Ok(()),
    }
}

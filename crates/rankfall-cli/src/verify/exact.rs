//! The exact list: claims about two linear layers, in the paper's setting or the user's.

use super::{Interruptible, Task, level, threads};
use crate::arguments::VerifyArguments;
use rankfall::estimate;
use rankfall::experiment::{ExactData, ExactDynamics, ExactExperiment, Experiment};
use rankfall::failure::{Failure, quoted, shown_path};
use rankfall::preparation::{self, Prepared};
use rankfall_core::model::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_evidence::claim::{Claim, Heading};
use rankfall_evidence::{Setting, Suite, claims};

/// What is said of the claims.
pub fn headings() -> Vec<Heading> {
    claims::ALL.iter().map(|claim| claim.heading).collect()
}

/// The paper's setting, or the user's.
pub fn setting(arguments: &VerifyArguments) -> Result<Setting, Failure> {
    let Some(path) = &arguments.experiment else {
        let seed = arguments.seed.unwrap_or(1);
        return Setting::of_the_paper(seed).map_err(|stop| Failure::run(stop.to_string()));
    };
    let experiment = Experiment::load(path, &[])?.exact();
    let mut experiment = experiment.map_err(|problem| problem.in_file(&shown_path(path)))?;
    experiment.run.seed = arguments.seed.unwrap_or(experiment.run.seed);
    estimate::check_drawing(&experiment)?;
    let prepared = with_rows(&experiment)?;
    let problem = prepared.setup.problem(0).map_err(preparation::of_setup)?;
    let noisy = experiment
        .dynamics
        .iter()
        .find(|d| d.dynamics.noise_intensity(problem.samples) > 0.0);
    let Some(spec) = noisy.or(experiment.dynamics.first()) else {
        return Err(Failure::input("the experiment has no dynamics"));
    };
    let dynamics = &spec.dynamics;
    let batch_size = match dynamics.kind {
        Kind::StochasticGradientFlow { batch_size, .. }
        | Kind::StochasticGradientDescent { batch_size, .. } => batch_size,
        Kind::LabelNoiseGradientDescent { .. } => problem.samples,
        Kind::GradientFlow | Kind::GradientDescent => 1,
    };
    Ok(Setting {
        words: format!(
            "{}: {}, width {}, η = {}, δ = {}, b = {batch_size} as in {}",
            quoted(&experiment.name),
            prepared.known.problem.data,
            prepared.setup.width,
            dynamics.step_size,
            dynamics.label_noise,
            quoted(&spec.label)
        ),
        problem,
        initialisation: prepared.setup.initialisation,
        width: prepared.setup.width,
        seed: prepared.setup.seed,
        step_size: dynamics.step_size,
        label_noise: dynamics.label_noise,
        batch_size,
        of_the_paper: false,
    })
}

/// Reads or draws the data, with their rows where there are any and they fit into memory.
fn with_rows(experiment: &ExactExperiment) -> Result<Prepared, Failure> {
    let mut keeping = experiment.clone();
    keeping.dynamics.push(ExactDynamics {
        label: "rows".into(),
        dynamics: Dynamics {
            kind: Kind::StochasticGradientDescent {
                batch_size: 1,
                sampling: Sampling::WithReplacement,
                distribution: LabelNoise::Gaussian,
            },
            step_size: 1.0,
            label_noise: 0.0,
            optimizer: Optimizer::default(),
        },
        time_step: 1.0,
        automatic_time_step: false,
    });
    let reading_gram = matches!(experiment.data, ExactData::Gram(_));
    match preparation::prepare(&mut keeping) {
        Ok(prepared) if !reading_gram => Ok(prepared),
        _ => preparation::prepare(&mut experiment.clone()),
    }
}

/// The claims that were asked for, ready to be measured.
pub fn tasks<'a>(
    suite: &'a Suite<'a>,
    asked: &[Heading],
    arguments: &VerifyArguments,
) -> Vec<Task<'a>> {
    let (level, threads) = (level(arguments.level), threads(arguments));
    let chosen = claims::ALL.iter().filter(|c| asked.contains(&c.heading));
    let task = |claim: &'static Claim| Task {
        id: claim.heading.id,
        cost: cost(claim.heading.id),
        find: Box::new(move || suite.find(claim, level, threads, &Interruptible)),
    };
    chosen.map(task).collect()
}

/// Seconds of processor time at the quick level in the paper's setting, roughly.
fn cost(id: &str) -> f64 {
    match id {
        "step-determinant-sgd" | "extra-survivor" => 8.0,
        "repulsion" | "larger-step-size" | "larger-label-noise" | "label-noise-limit" => 3.0,
        "plain-doubles" | "strong-order" | "rank-deficient-teacher" => 2.0,
        id if id.starts_with("eigenvalue-") || id.starts_with("decay-rates") => 1.0,
        _ => 0.2,
    }
}

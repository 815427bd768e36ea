//! From a validated experiment to what the exact engine takes: data read or drawn, weights read,
//! and all of it checked against each other.

mod cache;
mod checks;
mod data;
pub mod gaussian;
pub mod table;

pub use cache::DataCache;
pub use checks::{expect_checksum, of_setup};

use crate::exact::prediction::SlowPrediction;
use crate::experiment::{ExactData, ExactExperiment, ExactInit};
use crate::failure::{Failure, quoted};
use crate::given_weights;
use crate::save_plan::step_count;
use gaussian::{gaussian_words, recipe};
use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::measure::layout::Layout;
use rankfall_core::model::dynamics::Kind;
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::theory::time_step::choose_time_step;
use rankfall_nets::loss::Loss;
use rankfall_report::record::ProblemSummary;
use serde::{Deserialize, Serialize};

/// An experiment ready to run.
pub struct ExactInputs {
    /// Data and starts.
    pub setup: Setup,
    /// What results need to know of them.
    pub known: ExactProblemInfo,
}

/// What is known of the data once they were read: all that is needed to make results of statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExactProblemInfo {
    /// What the summary says of them.
    pub problem: ProblemSummary,
    /// Whether the optimum is known besides the sample, and with it the population loss.
    pub truth_known: bool,
    /// What the slow flow predicts of each dynamics; none before it was asked.
    pub predictions: Vec<SlowPrediction>,
    /// Sentences a reader of the results must see.
    pub warnings: Vec<String>,
}

impl ExactProblemInfo {
    /// What an ensemble measures at every save time.
    pub fn layout(&self, ensemble: &EnsembleSpec) -> Layout {
        let (inputs, outputs) = (self.problem.inputs, self.problem.outputs);
        let columns = self.problem.width().min(inputs + outputs);
        ensemble.layout(inputs, outputs, columns, self.truth_known)
    }
}

/// Reads or draws the data and the weights, and notes the checksums of what was read in the
/// experiment.
///
/// # Errors
/// Exit code 2 for data or weights that cannot be used.
pub fn prepare(experiment: &mut ExactExperiment) -> Result<ExactInputs, Failure> {
    prepare_with(experiment, &DataCache::default())
}

/// Like [`prepare`], with data from the cache where it has them.
///
/// # Errors
/// Exit code 2 for data or weights that cannot be used.
pub fn prepare_with(
    experiment: &mut ExactExperiment,
    cache: &DataCache,
) -> Result<ExactInputs, Failure> {
    let (source, words, mut warnings) = source(experiment, cache)?;
    let (p, k) = match &source {
        Source::Shared(problem) => (problem.inputs, problem.outputs),
        Source::EachTrajectory { synthetic, .. } => (synthetic.inputs, synthetic.outputs),
    };
    let sizes = [p, experiment.network.width as usize, k];
    let (initialisation, note) = initialisation(&mut experiment.network.init, sizes)?;
    let setup = Setup {
        source,
        initialisation,
        width: experiment.network.width as usize,
        seed: experiment.run.seed,
        each_start: experiment.network.init.each_trajectory(),
    };
    let problem = setup.problem(0).map_err(of_setup)?;
    checks::check_width(experiment, &problem)?;
    experiment.check_sizes(problem.inputs, problem.outputs)?;
    checks::check_given_weights(experiment, &setup, &problem)?;
    checks::check_slow_flow(experiment, &setup, &problem)?;
    checks::check_classes(experiment, &setup, &problem)?;
    let widths = [problem.inputs, setup.width, problem.outputs];
    let squared = experiment.network.loss == Loss::Squared;
    let summary = ProblemSummary {
        trace_sxx: Some(problem.trace()),
        loss_floor: squared.then(|| problem.reported_loss_floor()),
        loss: experiment.network.loss.name().to_owned(),
        classes: !squared,
        data: words,
        ..ProblemSummary::two_layers(problem.samples, widths)
    };
    warnings.extend(note);
    warnings.extend(checks::lost_in_moments(experiment, &problem));
    warnings.extend(checks::singular_start(&setup, &problem)?);
    warnings.extend(choose_time_steps(experiment, &setup, &problem)?);
    warnings.extend(checks::check_stiffness(experiment, &setup, &problem)?);
    let known = ExactProblemInfo {
        problem: summary,
        truth_known: problem.truth.is_some() && squared,
        predictions: Vec::new(),
        warnings,
    };
    Ok(ExactInputs { setup, known })
}

/// Where trajectories get their data, in words too, and what a reader must know of them.
fn source(
    experiment: &mut ExactExperiment,
    cache: &DataCache,
) -> Result<(Source, String, Vec<String>), Failure> {
    let keep_rows = experiment.dynamics.iter().any(|d| d.dynamics.needs_rows());
    if let ExactData::Gaussian(data) = &experiment.data
        && data.each_trajectory
    {
        let words = format!("{}, drawn anew for each trajectory", gaussian_words(data));
        let synthetic = recipe(data);
        let source = Source::EachTrajectory {
            synthetic,
            keep_rows,
        };
        return Ok((source, words, Vec::new()));
    }
    let data = cache.get(experiment, keep_rows)?;
    experiment.check_samples(data.problem.samples)?;
    if let Some(checksum) = data.checksum {
        experiment.data.set_checksum(checksum);
    }
    Ok((Source::Shared(data.problem), data.words, data.warnings))
}

/// Fills in every `time_step = "auto"`, and says what was chosen.
fn choose_time_steps(
    experiment: &mut ExactExperiment,
    setup: &Setup,
    problem: &Problem,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    let time = experiment.time;
    for (i, spec) in experiment.dynamics.iter_mut().enumerate() {
        let Kind::StochasticGradientFlow { integrator, .. } = spec.dynamics.kind else {
            continue;
        };
        if !spec.automatic_time_step {
            continue;
        }
        let start = setup.start(problem, 0).map_err(of_setup)?;
        let nu = spec.dynamics.noise_intensity(problem.samples);
        let chosen = choose_time_step(problem, &start, nu, integrator).ok_or_else(|| {
            Failure::input(format!(
                "`dynamics.{i}.time_step` is \"auto\", but nothing moves: S_xx is zero or out of range"
            ))
            .hint("give a number")
        })?;
        let step = chosen.time_step.min(time);
        if step_count(time, step).is_none() {
            return Err(Failure::input(format!(
                "`dynamics.{i}.time_step` is \"auto\", which asks for {step} and more than 2^53 steps"
            ))
            .hint("shorten run.time, or give a number"));
        }
        spec.set_time_step(step);
        notes.push(format!(
            "the time step of {} was chosen as {step}: {} of 1/{:.4}, the time of the fastest motion at the start",
            quoted(&spec.label),
            chosen.share,
            chosen.rate
        ));
    }
    Ok(notes)
}

/// Initial weights of p inputs, width l and k outputs, and what was taken for them from a file.
fn initialisation(
    init: &mut ExactInit,
    sizes: [usize; 3],
) -> Result<(Initialisation, Option<String>), Failure> {
    let drawn = match init {
        ExactInit::Gaussian {
            scale,
            smallest_singular_value,
            ..
        } => Initialisation::Gaussian {
            scale: *scale,
            smallest_singular_value: *smallest_singular_value,
        },
        ExactInit::Balanced { scale, .. } => Initialisation::Balanced { scale: *scale },
        ExactInit::File { path, checksum } => {
            let given = given_weights::read_two(path, sizes)?;
            expect_checksum(checksum.as_deref(), &given.checksum, path)?;
            *checksum = Some(given.checksum);
            return Ok((Initialisation::Given(given.weights), given.note));
        }
    };
    Ok((drawn, None))
}

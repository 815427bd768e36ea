//! From a validated experiment to what the numerics take: data read or drawn, weights read.

use crate::exact::prediction::SlowPrediction;
use crate::experiment::{
    Column, CovarianceSpec, ExactData, ExactDynamics, ExactExperiment, ExactInit, FileData,
    GaussianData, GramData, LinearTeacher,
};
use crate::failure::{Failure, number_text, quoted, shown_path};
use crate::given_weights;
use crate::save_plan::step_count;
use faer::Mat;
use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::measure::layout::Layout;
use rankfall_core::model::dynamics::Kind;
use rankfall_core::model::gram::{Gram, GramAccumulator};
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::problem::{LossUnits, Problem, ProblemError, Rows, Truth};
use rankfall_core::model::setup::{Setup, SetupError, Source};
use rankfall_core::model::synthetic::{self, Synthetic};
use rankfall_core::step::gradient_flow::MOST_ATTEMPTS;
use rankfall_core::theory::averaging::slow_flow_applies;
use rankfall_core::theory::stability::Stiffness;
use rankfall_core::theory::time_step::choose_time_step;
use rankfall_data::{ArrayNames, ColumnSelector, Delimiter, FileSpec, Header, Loaded};
use rankfall_nets::loss::Loss;
use rankfall_report::record::ProblemSummary;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Rows held for the dynamics that need them may take this much memory.
const ROW_MEMORY: u64 = 4 << 30;

/// An experiment ready to run.
pub struct Prepared {
    /// Data and starts.
    pub setup: Setup,
    /// What results need to know of them.
    pub known: ExactProblemInfo,
}

/// Refuses labels that fit neither the loss nor the flips.
fn check_classes(
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

/// What data were found.
struct Data {
    gram: Gram,
    rows: Option<Rows>,
    truth: Option<Truth>,
    /// What targets were divided by, where they were scaled.
    target_scales: Option<Vec<f64>>,
    words: String,
    warnings: Vec<String>,
}

/// Data that were read or drawn, kept for other experiments on the same data.
#[derive(Default)]
pub struct DataCache(Mutex<VecDeque<(String, Kept)>>);

/// Most data that are kept.
const KEPT: usize = 4;

/// Data ready to run on.
#[derive(Clone)]
struct Kept {
    problem: Arc<Problem>,
    words: String,
    warnings: Vec<String>,
    checksum: Option<String>,
}

impl DataCache {
    /// One that has these moments for the data that an experiment names.
    ///
    /// # Errors
    /// Moments that are none of any data; dynamics that need rows.
    pub fn of_moments(experiment: &ExactExperiment, moments: &Gram) -> Result<Self, Failure> {
        if let Some(d) = experiment.dynamics.iter().find(|d| d.dynamics.needs_rows()) {
            let message = format!(
                "{} draws single rows, and moments have none",
                quoted(&d.label)
            );
            return Err(Failure::input(message).hint("a flow, or all rows at every step"));
        }
        let problem = Problem::new(moments, None, None);
        let problem = problem.map_err(|error| Failure::input(error.to_string()))?;
        let cache = Self::default();
        let kept = Kept {
            problem: Arc::new(problem),
            words: "second moments in memory".to_owned(),
            warnings: Vec::new(),
            checksum: None,
        };
        cache.keep(key_of(experiment, false), &kept);
        Ok(cache)
    }

    fn find(&self, key: &str) -> Option<Kept> {
        let kept = self.0.lock().ok()?;
        kept.iter()
            .find(|(k, _)| k == key)
            .map(|(_, kept)| kept.clone())
    }

    fn keep(&self, key: String, new: &Kept) {
        if let Ok(mut kept) = self.0.lock() {
            kept.truncate(KEPT - 1);
            kept.push_front((key, new.clone()));
        }
    }
}

/// Reads or draws the data and the weights, and notes the checksums of what was read in the
/// experiment.
///
/// # Errors
/// Exit code 2 for data or weights that cannot be used.
pub fn prepare(experiment: &mut ExactExperiment) -> Result<Prepared, Failure> {
    prepare_with(experiment, &DataCache::default())
}

/// Like [`prepare`], with data from the cache where it has them.
///
/// # Errors
/// Exit code 2 for data or weights that cannot be used.
pub fn prepare_with(
    experiment: &mut ExactExperiment,
    cache: &DataCache,
) -> Result<Prepared, Failure> {
    let keep_rows = experiment.dynamics.iter().any(|d| d.dynamics.needs_rows());
    let (source, words, warnings) = match &experiment.data {
        ExactData::Gaussian(data) if data.each_trajectory => {
            let synthetic = recipe(data);
            let words = format!("{}, drawn anew for each trajectory", gaussian_words(data));
            (
                Source::EachTrajectory {
                    synthetic,
                    keep_rows,
                },
                words,
                Vec::new(),
            )
        }
        _ => {
            let key = key_of(experiment, keep_rows);
            let data = match cache.find(&key) {
                Some(data) => data,
                None => {
                    let data = shared_problem(experiment, keep_rows)?;
                    cache.keep(key, &data);
                    data
                }
            };
            experiment.check_samples(data.problem.samples)?;
            if let Some(checksum) = data.checksum {
                experiment.data.set_checksum(checksum);
            }
            (Source::Shared(data.problem), data.words, data.warnings)
        }
    };
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
    check_width(experiment, &problem)?;
    experiment.check_sizes(problem.inputs, problem.outputs)?;
    check_given_weights(experiment, &setup, &problem)?;
    check_slow_flow(experiment, &setup, &problem)?;
    check_classes(experiment, &setup, &problem)?;
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
    let mut warnings = warnings;
    warnings.extend(note);
    warnings.extend(lost_in_moments(experiment, &problem));
    warnings.extend(singular_start(&setup, &problem)?);
    warnings.extend(choose_time_steps(experiment, &setup, &problem)?);
    warnings.extend(check_stiffness(experiment, &setup, &problem)?);
    let known = ExactProblemInfo {
        problem: summary,
        truth_known: problem.truth.is_some() && squared,
        predictions: Vec::new(),
        warnings,
    };
    Ok(Prepared { setup, known })
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

/// What rounding of the second moments may hide is said beyond this relative error.
const UNCERTAIN: f64 = 1e-6;

/// Says so where second moments do not tell a direction of the inputs from zero, or hardly do.
fn lost_in_moments(experiment: &ExactExperiment, problem: &Problem) -> Option<String> {
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
fn singular_start(setup: &Setup, problem: &Problem) -> Result<Option<String>, Failure> {
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
fn check_stiffness(
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

/// Refuses a slow flow of noise that cannot be averaged.
fn check_slow_flow(
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
        let applies = slow_flow_applies(problem, setup.width, nu);
        applies.map_err(|error| {
            refuse(error.to_string())
                .hint("kind = \"stochastic-gradient-flow\" simulates the noise")
        })?;
    }
    Ok(())
}

/// As a person writes it: 0.15 or 6.3, with an exponent only where there are many digits.
fn two_digits(value: f64) -> String {
    match value {
        v if !(1e-3..1e5).contains(&v.abs()) => format!("{v:.1e}"),
        v if v.abs() < 10.0 => format!("{v:.*}", (1.0 - v.abs().log10().floor()).max(0.0) as usize),
        v => format!("{v:.0}"),
    }
}

/// A start that cannot be made is wrong input.
pub fn of_setup(error: SetupError) -> Failure {
    Failure::input(error.to_string())
}

/// Refuses what depends on p and k, which a file only tells now.
fn check_width(experiment: &ExactExperiment, problem: &Problem) -> Result<(), Failure> {
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
fn check_given_weights(
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

/// What tells data apart. What is read from a file does not depend on the seed.
fn key_of(experiment: &ExactExperiment, keep_rows: bool) -> String {
    let is_drawn = matches!(experiment.data, ExactData::Gaussian(_));
    let seed = is_drawn.then_some(experiment.run.seed);
    format!("{:?} {seed:?} {keep_rows}", experiment.data)
}

fn shared_problem(experiment: &ExactExperiment, keep_rows: bool) -> Result<Kept, Failure> {
    let seed = experiment.run.seed;
    let (data, checksum) = match &experiment.data {
        ExactData::Gaussian(data) => (drawn(data, seed, keep_rows)?, None),
        ExactData::File(file) => {
            let (data, checksum) = from_file(file, keep_rows)?;
            expect_checksum(file.checksum.as_deref(), &checksum, &file.path)?;
            (data, Some(checksum))
        }
        ExactData::Gram(gram) => {
            let (data, checksum) = from_gram(gram)?;
            expect_checksum(gram.checksum.as_deref(), &checksum, &gram.path)?;
            (data, Some(checksum))
        }
    };
    let path = experiment.data.path();
    let from = path.map_or(String::new(), |path| format!("{}: ", shown_path(path)));
    let refused = |error: ProblemError| Failure::input(format!("{from}{error}"));
    let units = data.target_scales.as_deref();
    let units = units
        .map(|scales| loss_units(&data, scales))
        .transpose()
        .map_err(refused)?;
    let mut problem = Problem::new(&data.gram, data.rows, data.truth).map_err(refused)?;
    problem.loss_units = units;
    Ok(Kept {
        problem: Arc::new(problem),
        words: data.words,
        warnings: data.warnings,
        checksum,
    })
}

/// The units that targets had before they were divided by `scales`, with the loss of the optimum in
/// them: that of the same data with targets as they were.
fn loss_units(data: &Data, scales: &[f64]) -> Result<LossUnits, ProblemError> {
    let mut gram = data.gram.clone();
    let mut rows = data.rows.clone();
    for (b, &scale) in scales.iter().enumerate() {
        for a in 0..gram.sxy.nrows() {
            gram.sxy[(a, b)] *= scale;
        }
        for (other, &scale_of_other) in scales.iter().enumerate() {
            gram.syy[(b, other)] *= scale * scale_of_other;
        }
    }
    for row in rows
        .iter_mut()
        .flat_map(|rows| rows.y.chunks_exact_mut(scales.len()))
    {
        row.iter_mut()
            .zip(scales)
            .for_each(|(value, scale)| *value *= scale);
    }
    Ok(LossUnits {
        weights: scales.iter().map(|scale| scale * scale).collect(),
        floor: Problem::new(&gram, rows, None)?.loss_floor,
    })
}

/// A resolved copy names the checksum of what it was run on; other bytes are another experiment.
/// Refuses other data than those that an experiment was run on.
///
/// # Errors
/// Exit code 2, with both checksums.
pub fn expect_checksum(
    expected: Option<&str>,
    found: &str,
    path: &std::path::Path,
) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != found => Err(Failure::input(format!(
            "{} is not the file this experiment was run on: its checksum is {found}, not {expected}",
            shown_path(path)
        ))
        .hint("put the old file back, or remove `checksum` from the experiment to use this one")),
        _ => Ok(()),
    }
}

fn drawn(data: &GaussianData, seed: u64, keep_rows: bool) -> Result<Data, Failure> {
    let keep_rows = keep_rows || data.classes;
    let bytes = (data.samples * 8).saturating_mul((data.inputs + data.outputs) as u64);
    if keep_rows && bytes > ROW_MEMORY {
        let message = format!(
            "{} rows would take {:.1} GiB, and mini-batches, Rademacher labels and classes need them all",
            data.samples,
            bytes as f64 / (1u64 << 30) as f64
        );
        return Err(Failure::input(message)
            .hint("use fewer samples, or dynamics that need only the Gram matrices"));
    }
    let draw = recipe(data)
        .draw(seed, 0, keep_rows)
        .map_err(|error| of_setup(error.into()))?;
    let (mut gram, mut rows, mut truth) = (draw.gram, draw.rows, Some(draw.truth));
    if let Some(rows) = rows.as_mut().filter(|_| data.classes) {
        for row in rows.y.chunks_exact_mut(data.outputs) {
            let class = class_of_outputs(row);
            row.fill(0.0);
            match row {
                [one] => *one = class as f64,
                all => all[class] = 1.0,
            }
        }
        let mut sums = GramAccumulator::new(data.inputs, data.outputs);
        let added = sums.add_rows(&rows.x, &rows.y);
        added.map_err(|error| Failure::input(error.to_string()))?;
        (gram, truth) = (sums.gram(), None);
    }
    Ok(Data {
        gram,
        rows,
        truth,
        target_scales: None,
        words: gaussian_words(data),
        warnings: Vec::new(),
    })
}

/// The class that the outputs of a row stand for: the first of the largest, or of one whether it is above zero.
pub fn class_of_outputs(outputs: &[f64]) -> usize {
    match outputs {
        [one] => usize::from(*one > 0.0),
        all => {
            let larger =
                |best: usize, place: usize| if all[place] > all[best] { place } else { best };
            (0..all.len()).fold(0, larger)
        }
    }
}

/// The data in words.
pub fn gaussian_words(data: &GaussianData) -> String {
    let covariance = match &data.covariance {
        CovarianceSpec::Identity => "identity covariance".to_owned(),
        CovarianceSpec::PowerLaw(exponent) => {
            format!("power-law covariance of exponent {exponent}")
        }
        CovarianceSpec::Matrix(_) => "given covariance".to_owned(),
    };
    let teacher = match &data.teacher {
        LinearTeacher::Gaussian => "Gaussian teacher".to_owned(),
        LinearTeacher::Rank(rank) => format!("teacher of rank {rank}"),
        LinearTeacher::SingularValues(values) => format!("teacher of singular values {values:?}"),
    };
    let classes = match data.classes {
        true => ", the class of the largest output",
        false => "",
    };
    format!(
        "{} Gaussian samples of {}, {teacher}, residual noise {}{classes}",
        data.samples, covariance, data.residual_noise
    )
}

/// The recipe of drawn data.
pub fn recipe(data: &GaussianData) -> Synthetic {
    Synthetic {
        samples: data.samples,
        inputs: data.inputs,
        outputs: data.outputs,
        covariance: match &data.covariance {
            CovarianceSpec::Identity => synthetic::Covariance::Identity,
            CovarianceSpec::PowerLaw(exponent) => synthetic::Covariance::PowerLaw(*exponent),
            CovarianceSpec::Matrix(rows) => {
                let entry = |i: usize, j: usize| rows[i][j];
                synthetic::Covariance::Matrix(Mat::from_fn(rows.len(), rows.len(), entry))
            }
        },
        teacher: match &data.teacher {
            LinearTeacher::Gaussian => synthetic::Teacher::Gaussian,
            LinearTeacher::Rank(rank) => synthetic::Teacher::Rank(*rank),
            LinearTeacher::SingularValues(values) => {
                synthetic::Teacher::SingularValues(values.clone())
            }
        },
        residual_noise: data.residual_noise,
    }
}

/// How a table is read.
pub fn file_spec(file: &FileData) -> FileSpec {
    let selector = |column: &Column| match column {
        Column::Name(name) => ColumnSelector::Name(name.clone()),
        Column::Position(position) => ColumnSelector::Position(*position as usize),
    };
    let selectors = |columns: &[Column]| columns.iter().map(selector).collect::<Vec<_>>();
    FileSpec {
        inputs: file.inputs.as_deref().map(selectors),
        targets: (!file.targets.is_empty()).then(|| selectors(&file.targets)),
        header: file.header.map_or(Header::Auto, Header::from),
        delimiter: file.delimiter.map(|c| match c {
            ' ' => Delimiter::Whitespace,
            other => Delimiter::Byte(other as u8),
        }),
        one_hot: file.one_hot,
        standardize: file.standardize,
        standardize_targets: file.standardize_targets,
        arrays: ArrayNames {
            inputs: file.inputs_array.clone(),
            targets: file.targets_array.clone(),
        },
        ..FileSpec::new(&file.path)
    }
}

fn from_file(file: &FileData, keep_rows: bool) -> Result<(Data, String), Failure> {
    let spec = file_spec(file);
    let loaded = rankfall_data::load(&spec).map_err(of_data)?;
    let mut warnings = constant_warning(&loaded);
    warnings.extend(data_notes(&file.path, &loaded.notes));
    let scales = loaded
        .standardization
        .as_ref()
        .map(|s| s.target_scales.clone());
    let target_scales = scales.filter(|_| file.standardize_targets);
    if let Some(scales) = &target_scales {
        warnings.push(scaled_targets_note(&loaded.targets, scales));
    }

    let rows = if keep_rows {
        let (x, y) = rankfall_data::load_rows(&spec, &loaded, ROW_MEMORY).map_err(of_data)?;
        Some(row_major(&x, &y))
    } else {
        None
    };
    let data = Data {
        words: file_words(file, &loaded),
        warnings,
        gram: loaded.gram,
        rows,
        truth: None,
        target_scales,
    };
    Ok((data, loaded.sha256))
}

/// A file that cannot be used, in words.
pub fn of_data(error: rankfall_data::DataError) -> Failure {
    let missing = matches!(error.kind, rankfall_data::DataErrorKind::Missing { .. });
    let failure = Failure::input(error.to_string());
    match missing {
        true => failure.hint("paths in an experiment file start in the folder of that file"),
        false => failure,
    }
}

/// What a reader took for something that it need not be, with the file's name before it.
pub fn data_notes(path: &std::path::Path, notes: &[String]) -> Vec<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = quoted(&name);
    notes.iter().map(|note| format!("{name}: {note}")).collect()
}

/// How losses are to be read where targets were scaled.
pub fn scaled_targets_note(names: &[String], scales: &[f64]) -> String {
    const LISTED: usize = 6;
    let pairs = names.iter().zip(scales);
    let mut shown: Vec<String> = pairs
        .take(LISTED)
        .map(|(name, scale)| format!("{} by {scale}", quoted(name)))
        .collect();
    if names.len() > LISTED {
        shown.push(format!("{} more", names.len() - LISTED));
    }
    format!(
        "targets were divided by their standard deviations ({}), and so is what the network fits: \
         label noise is in these units; losses are sums over the targets in the units of the file",
        shown.join(", ")
    )
}

fn file_words(file: &FileData, loaded: &Loaded) -> String {
    let standardized = match (file.standardize, file.standardize_targets) {
        (true, true) => ", standardised, targets too",
        (true, false) => ", standardised",
        _ => "",
    };
    format!(
        "{} rows of {} ({} inputs, {} outputs{standardized})",
        loaded.rows,
        shown_path(&file.path),
        loaded.inputs.len(),
        loaded.targets.len()
    )
}

fn constant_warning(loaded: &Loaded) -> Vec<String> {
    if loaded.constant_columns.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = loaded
        .constant_columns
        .iter()
        .map(|name| quoted(name))
        .collect();
    vec![format!(
        "{} input column(s) are constant and were left at zero after centring: {}",
        names.len(),
        names.join(", ")
    )]
}

fn row_major(x: &Mat<f64>, y: &Mat<f64>) -> Rows {
    let flat = |m: &Mat<f64>| {
        (0..m.nrows())
            .flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)]))
            .collect()
    };
    Rows {
        x: flat(x),
        y: flat(y),
        count: x.nrows(),
    }
}

fn from_gram(gram: &GramData) -> Result<(Data, String), Failure> {
    let file = rankfall_data::read_gram(&gram.path).map_err(of_data)?;
    let words = format!(
        "Gram matrices of {} rows from {}",
        file.gram.n,
        shown_path(&gram.path)
    );
    let data = Data {
        gram: file.gram,
        rows: None,
        truth: None,
        target_scales: None,
        words,
        warnings: Vec::new(),
    };
    Ok((data, file.sha256))
}

/// Initial weights of p inputs, width l and k outputs, and what was taken for them from a file.
fn initialisation(
    init: &mut ExactInit,
    sizes: [usize; 3],
) -> Result<(Initialisation, Option<String>), Failure> {
    let given = match init {
        ExactInit::Gaussian {
            scale,
            smallest_singular_value,
            ..
        } => {
            let gaussian = Initialisation::Gaussian {
                scale: *scale,
                smallest_singular_value: *smallest_singular_value,
            };
            return Ok((gaussian, None));
        }
        ExactInit::Balanced { scale, .. } => {
            return Ok((Initialisation::Balanced { scale: *scale }, None));
        }
        ExactInit::File { path, checksum } => {
            let given = given_weights::read_two(path, sizes)?;
            expect_checksum(checksum.as_deref(), &given.checksum, path)?;
            given
        }
    };
    init.set_checksum(given.checksum);
    Ok((Initialisation::Given(given.weights), given.note))
}

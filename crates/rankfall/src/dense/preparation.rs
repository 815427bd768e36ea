//! From a validated experiment to what the dense engine takes: data, weights, ensembles, checked
//! against each other before anything runs.

use super::tables;
use crate::estimate;
use crate::experiment::{DenseExperiment, InitSpec, RowData};
use crate::failure::Failure;
use crate::given_weights::read_layers;
use crate::preparation::expect_checksum;
use rankfall_nets::data::{Dataset, DatasetError, Targets};
use rankfall_nets::ensemble::{DataSource, EnsembleError, TrainingEnsemble, WeightMoments};
use rankfall_nets::inert::constant_loss;
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::layout::{MeasureSpec, MeasurementLayout, NetworkQuantities};
use rankfall_nets::network::Network;
use rankfall_nets::noise;
use rankfall_nets::scalar::{Precision, Real};
use rankfall_nets::teacher::TeacherSpec;
use rankfall_nets::training::{TrainingError, TrainingPlan, TrainingSpec};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// An experiment ready to run.
pub struct DenseInputs {
    /// Where trajectories get their data.
    pub source: AnySource,
    /// What results need to know.
    pub known: DenseProblemInfo,
}

/// Data in the precision of the run.
pub enum AnySource {
    /// f32.
    Single(DataSource<f32>),
    /// f64.
    Double(DataSource<f64>),
}

/// What is known of the data once they were read: all that is needed to make results of
/// measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseProblemInfo {
    /// The network.
    pub network: Network,
    /// Rows trained on.
    pub samples: u64,
    /// Rows held out.
    pub held_out: u64,
    /// Whether the targets are classes.
    pub classes: bool,
    /// The training loss of the best constant prediction, unless every trajectory has its own data.
    pub constant_loss: Option<f64>,
    /// Where the data came from, in words.
    pub words: String,
    /// Sentences a reader of the results must see.
    pub warnings: Vec<String>,
    /// One ensemble per dynamics.
    pub ensembles: Vec<TrainingEnsemble>,
    /// Trajectories that are run of each: one where all would be the same.
    pub trajectories: Vec<u64>,
    /// t = Σ η at each save of each.
    pub times: Vec<Vec<f64>>,
    /// What each measures.
    pub layouts: Vec<MeasurementLayout>,
}

/// Reads or draws data and weights, notes the checksums of what was read in the experiment, and
/// refuses what does not fit together.
///
/// # Errors
/// Exit code 2, naming the section.
pub fn prepare(experiment: &mut DenseExperiment) -> Result<DenseInputs, Failure> {
    match experiment.network.precision {
        Precision::F32 => prepare_in(experiment, AnySource::Single),
        Precision::F64 => prepare_in(experiment, AnySource::Double),
    }
}

fn prepare_in<T: Real>(
    experiment: &mut DenseExperiment,
    wrap: impl Fn(DataSource<T>) -> AnySource,
) -> Result<DenseInputs, Failure> {
    let (source, words, mut warnings) = source::<T>(experiment)?;
    if let DataSource::Shared { train, held_out } = &source {
        let outputs = held_out.as_ref().map_or(0, outputs).max(outputs(train));
        experiment.set_sizes(train.inputs(), outputs);
    }
    let network = Network::new(&experiment.spec);
    let network = network.map_err(|error| Failure::input(format!("`network`: {error}")))?;
    let (initialisation, note) = initialisation(experiment, &network)?;
    warnings.extend(note);
    let (train, held_out) = first_data(&source, experiment)?;
    let ensembles = ensembles(experiment, &initialisation, &train)?;
    let plan = plan(&ensembles[0], 0)?;
    let train = fitted(&plan, train)?;
    let held_out = held_out.map(|data| fitted(&plan, data)).transpose()?;
    let (mut layouts, mut times) = (Vec::new(), Vec::new());
    for (index, ensemble) in ensembles.iter().enumerate() {
        let plan = self::plan(ensemble, index)?;
        times.push(plan.times(&ensemble.measure.save_steps));
        layouts.push(check(
            index,
            ensemble,
            &network,
            &train,
            held_out.is_some(),
        )?);
    }
    let known = DenseProblemInfo {
        network,
        samples: train.rows() as u64,
        held_out: held_out.as_ref().map_or(0, |data| data.rows() as u64),
        classes: train.has_classes(),
        constant_loss: match source {
            DataSource::Teacher { each: true, .. } => None,
            _ => Some(constant_loss(experiment.network.loss, &train)),
        },
        words,
        warnings,
        trajectories: ensembles
            .iter()
            .map(|ensemble| ensemble.effective_trajectories(&source))
            .collect(),
        ensembles,
        times,
        layouts,
    };
    let source = match source {
        DataSource::Shared { .. } => DataSource::Shared { train, held_out },
        teacher @ DataSource::Teacher { .. } => teacher,
    };
    Ok(DenseInputs {
        source: wrap(source),
        known,
    })
}

/// Columns of the targets, or classes.
fn outputs<T: Real>(data: &Dataset<T>) -> usize {
    match data.targets() {
        Targets::Values { columns, .. } => *columns,
        Targets::Classes(classes) => classes.iter().max().map_or(0, |last| *last as usize + 1),
    }
}

/// Initial weights, read where they come from a file, and what was taken for them.
fn initialisation(
    experiment: &mut DenseExperiment,
    network: &Network,
) -> Result<(WeightInitialisation, Option<String>), Failure> {
    match &mut experiment.network.init {
        InitSpec::Drawn(initialisation) => Ok((initialisation.clone(), None)),
        InitSpec::File { path, checksum } => {
            let given = read_layers(path, network)?;
            expect_checksum(checksum.as_deref(), &given.checksum, path)?;
            *checksum = Some(given.checksum);
            Ok((WeightInitialisation::Given(given.weights), given.note))
        }
    }
}

/// Where data come from, in words, with what a reader must know of them.
type Described<T> = (DataSource<T>, String, Vec<String>);

fn source<T: Real>(experiment: &mut DenseExperiment) -> Result<Described<T>, Failure> {
    if let RowData::Teacher(teacher) = &experiment.data {
        let spec = teacher.spec.clone();
        estimate::check_rows((spec.samples + spec.held_out) as u64, &spec.teacher.layers)?;
        let each = teacher.each_trajectory;
        let words = teacher_words(&spec, each);
        return Ok((DataSource::Teacher { spec, each }, words, Vec::new()));
    }
    let found = tables::find::<T>(&experiment.data, experiment.run.seed)?
        .ok_or_else(|| Failure::run("a teacher has no rows of its own"))?;
    if let Some(sum) = found.checksum {
        let recorded = experiment.data.checksum();
        expect_checksum(recorded, &sum, Path::new("what `data` names"))?;
        experiment.data.set_checksum(sum);
    }
    let source = DataSource::Shared {
        train: found.train,
        held_out: found.held_out,
    };
    Ok((source, found.words, found.warnings))
}

fn teacher_words(spec: &TeacherSpec, each: bool) -> String {
    let observed = match spec.observed {
        Some(share) => format!(", each target observed with probability {share}"),
        None => String::new(),
    };
    let often = if each {
        ", drawn anew for each trajectory"
    } else {
        ""
    };
    format!(
        "{} rows from a teacher network {}, residual noise {}{observed}{often}",
        spec.samples,
        widths(&spec.teacher.layers),
        spec.residual_noise
    )
}

/// The widths of a network, in words.
pub fn widths(layers: &[usize]) -> String {
    let widths: Vec<String> = layers.iter().map(ToString::to_string).collect();
    widths.join("–")
}

/// The training rows of the first trajectory, fitted to the plan; none where they cannot be drawn.
pub fn first_training<'a, T: Real>(
    source: &'a DataSource<T>,
    plan: &TrainingPlan,
) -> Option<Cow<'a, Dataset<T>>> {
    match source {
        DataSource::Shared { train, .. } => Some(Cow::Borrowed(train)),
        DataSource::Teacher { spec, .. } => {
            let drawn = spec.draw(plan.spec.seed, 0).ok()?;
            plan.fit(drawn.train).ok().map(Cow::Owned)
        }
    }
}

/// The data that all trajectories share, or those of the first.
fn first_data<T: Real>(
    source: &DataSource<T>,
    experiment: &DenseExperiment,
) -> Result<(Dataset<T>, Option<Dataset<T>>), Failure> {
    match source {
        DataSource::Shared { train, held_out } => Ok((train.clone(), held_out.clone())),
        DataSource::Teacher { spec, .. } => {
            let drawn = spec.draw(experiment.run.seed, 0);
            let drawn = drawn.map_err(|error| Failure::input(format!("`data`: {error}")))?;
            Ok((drawn.train, drawn.held_out))
        }
    }
}

fn ensembles(
    experiment: &DenseExperiment,
    initialisation: &WeightInitialisation,
    train: &Dataset<impl Real>,
) -> Result<Vec<TrainingEnsemble>, Failure> {
    let (rows, masked) = (train.rows() as u64, train.is_masked());
    let (network, run) = (&experiment.network, &experiment.run);
    let one = |(index, dynamics): (usize, &crate::experiment::Descent)| {
        let steps = experiment.steps(index, rows)?;
        let mut measure = MeasureSpec::at(experiment.save_steps(index, rows)?);
        measure.losses_every = run.measure.losses_every;
        measure.spectra_every = run.measure.spectra_every;
        measure.spectra = run.measure.spectra;
        measure.rank_tolerance = run.rank_tolerance;
        measure.probe_rows = run.measure.probe_rows;
        measure.jacobian = run.measure.jacobian;
        measure.jacobian_tolerance = run.measure.jacobian_tolerance;
        measure.neurons = run.measure.neurons;
        measure.alignment = run.measure.alignment;
        measure.sharpness = run.measure.sharpness;
        measure.trace_probes = run.measure.trace_probes;
        Ok(TrainingEnsemble {
            training: TrainingSpec {
                network: experiment.spec.clone(),
                initialisation: initialisation.clone(),
                loss: network.loss,
                optimizer: dynamics.optimizer,
                adam: dynamics.adam,
                masked,
                step_size: dynamics.step_size,
                schedule: dynamics.schedule.schedule(steps),
                steps,
                noise: dynamics.noise.clone(),
                windows: dynamics.windows(steps),
                precision: network.precision,
                seed: run.seed,
                stream: if run.common_noise { 0 } else { index as u32 },
            },
            trajectories: run.trajectories,
            each_start: network.each_trajectory,
            measure,
            keep_trajectories: run.keep_trajectories,
            weights: match &run.save_weights {
                None => WeightMoments::default(),
                Some(chosen) => WeightMoments {
                    steps: dynamics.steps_at(&chosen.times, steps),
                    trajectories: chosen.trajectories.clone(),
                },
            },
        })
    };
    experiment.dynamics.iter().enumerate().map(one).collect()
}

fn plan(ensemble: &TrainingEnsemble, index: usize) -> Result<TrainingPlan, Failure> {
    TrainingPlan::new(&ensemble.training).map_err(|error| of_training(&error, index))
}

fn fitted<T: Real>(plan: &TrainingPlan, data: Dataset<T>) -> Result<Dataset<T>, Failure> {
    plan.fit(data).map_err(|error| of_training(&error, 0))
}

/// Checks one dynamics against data and network; what it measures.
fn check<T: Real>(
    index: usize,
    ensemble: &TrainingEnsemble,
    network: &Network,
    train: &Dataset<T>,
    held_out: bool,
) -> Result<MeasurementLayout, Failure> {
    let plan = plan(ensemble, index)?;
    let training = &ensemble.training;
    noise::check(&training.noise, network, training.loss, train)
        .map_err(|error| of_training(&TrainingError::Noise(error), index))?;
    (ensemble.measure.check(&plan, train))
        .map_err(|error| of_ensemble(&EnsembleError::Measure(error), index))?;
    let measured = NetworkQuantities::new(network, &ensemble.measure);
    Ok(measured.layout(&plan, train.has_classes(), held_out))
}

/// A description that cannot be run is wrong input: says which section.
pub fn of_ensemble(error: &EnsembleError, index: usize) -> Failure {
    match error {
        EnsembleError::Training(error) => of_training(error, index),
        EnsembleError::Measure(error) => Failure::input(format!("`run.measure`: {error}")),
        EnsembleError::Teacher(error) => Failure::input(format!("`data`: {error}")),
        EnsembleError::NoTrajectories => Failure::run(error.to_string()),
    }
}

fn of_training(error: &TrainingError, index: usize) -> Failure {
    let section = match error {
        TrainingError::Network(_) | TrainingError::Precision { .. } => "network".to_owned(),
        TrainingError::WeightInitialisation(_) => "network.init".to_owned(),
        TrainingError::Data(
            DatasetError::Inputs { .. } | DatasetError::Outputs { .. } | DatasetError::Class { .. },
        ) => "network.layers".to_owned(),
        TrainingError::Data(
            DatasetError::NeedsClasses
            | DatasetError::OneClass
            | DatasetError::MaskedClasses
            | DatasetError::Probability { .. },
        ) => "network.loss".to_owned(),
        TrainingError::Data(_) => "data".to_owned(),
        TrainingError::Schedule(_) => format!("dynamics.{index}.schedule"),
        TrainingError::Noise(_) => format!("dynamics.{index}.noise"),
        TrainingError::Optimizer(_)
        | TrainingError::Adam(_)
        | TrainingError::StepSize(_)
        | TrainingError::Steps(_) => {
            format!("dynamics.{index}")
        }
    };
    Failure::input(format!("`{section}`: {error}"))
}

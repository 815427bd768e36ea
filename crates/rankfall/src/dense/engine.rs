//! The dense engine: networks of any depth with any of the noises, in the precision they are
//! trained in.

use super::preparation::{AnySource, DenseInputs, first_training, of_ensemble, prepare};
use super::record::DenseRecorder;
use crate::engine::{Engine, Measurements};
use crate::estimate;
use crate::experiment::DenseExperiment;
use crate::failure::Failure;
use crate::options::Options;
use crate::stability;
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, RunError};
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::ensemble::{
    DataSource, EnsembleError, Trained, TrainingEnsemble, WeightsAtStep,
};
use rankfall_nets::inert::inert;
use rankfall_nets::scalar::Real;
use rankfall_nets::training::TrainingPlan;
use rankfall_report::record::InertSummary;
use std::ops::Range;
use std::path::Path;

/// An experiment ready to run in the dense engine.
pub struct DenseEngine {
    source: AnySource,
    unstable: Vec<String>,
    recorder: DenseRecorder,
}

impl DenseEngine {
    /// Reads or draws data and weights, and refuses what cannot be run or does not fit; `why` the
    /// exact engine does not run it.
    ///
    /// # Errors
    /// Exit code 2 for what is wrong with the experiment, its data, or its cost.
    pub fn prepare(
        mut experiment: DenseExperiment,
        why: String,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Failure> {
        let mut prepared = prepare(&mut experiment)?;
        let share: Vec<TrainingEnsemble> = (prepared.known.ensembles.iter())
            .map(|ensemble| share_of(ensemble, options))
            .collect();
        estimate::check_dense(&share, &prepared.known, folder, options.threads)?;
        let labels: Vec<&str> = (experiment.dynamics.iter())
            .map(|d| d.label.as_str())
            .collect();
        let unstable = stability::of_dense(&prepared, &labels);
        prepared.known.warnings.extend(unstable.clone());
        let DenseInputs { source, known } = prepared;
        Ok(Self {
            source,
            unstable,
            recorder: DenseRecorder {
                experiment,
                known,
                why,
            },
        })
    }

    fn measure<T: Trained>(
        &self,
        dynamics: usize,
        source: &DataSource<T>,
        one: Share<'_>,
    ) -> Result<Measurements, RunError<Failure>> {
        let ensemble = &self.recorder.known.ensembles[dynamics];
        let outcome = T::run_part(
            ensemble,
            source,
            one.blocks,
            one.threads,
            one.resume,
            one.control,
            Instructions::best(),
        )
        .map_err(|error| error.map_start(|error| of_ensemble(&error, dynamics)))?;
        let weights = outcome.final_parameters;
        let in_double = |values: Vec<T>| values.into_iter().map(Real::to_f64).collect();
        Ok(Measurements {
            statistics: outcome.statistics,
            inert: weights
                .as_deref()
                .and_then(|weights| inert_of(source, ensemble, weights)),
            weights: weights.map(in_double),
            weights_then: (outcome.weights_then.into_iter())
                .map(|then| WeightsAtStep {
                    trajectory: then.trajectory,
                    step: then.step,
                    parameters: in_double(then.parameters),
                })
                .collect(),
        })
    }
}

/// The ensemble of one shard, where costs are estimated.
fn share_of(ensemble: &TrainingEnsemble, options: &Options) -> TrainingEnsemble {
    let mut share = ensemble.clone();
    if let Some(shard) = options.shard {
        let part = shard.range(share.trajectories);
        share.trajectories = part.end - part.start;
    }
    share
}

/// Which blocks are run, and how.
struct Share<'a> {
    blocks: Range<u64>,
    threads: usize,
    resume: Option<&'a EnsembleCheckpoint>,
    control: &'a dyn Control,
}

impl Engine for DenseEngine {
    type Recorder = DenseRecorder;

    fn recorder(&self) -> &DenseRecorder {
        &self.recorder
    }

    fn unstable(&self) -> &[String] {
        &self.unstable
    }

    fn run(
        &self,
        dynamics: usize,
        blocks: Range<u64>,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
    ) -> Result<Measurements, RunError<Failure>> {
        let share = Share {
            blocks,
            threads,
            resume,
            control,
        };
        match &self.source {
            AnySource::Single(source) => self.measure(dynamics, source, share),
            AnySource::Double(source) => self.measure(dynamics, source, share),
        }
    }
}

/// What of trajectory 0 can learn nothing more, by its weights at the end.
fn inert_of<T: Real>(
    source: &DataSource<T>,
    ensemble: &TrainingEnsemble,
    weights: &[T],
) -> Option<InertSummary> {
    let plan = TrainingPlan::new(&ensemble.training).ok()?;
    let train = first_training(source, &plan)?;
    let found = inert(&plan, &train, weights);
    Some(InertSummary {
        dead_units: found.dead_units,
        still_layers: found.still_layers,
    })
}

/// Names of observables in the order of the cells of one save, t at each save, and the statistics.
pub type SavedStatistics = (Vec<(String, u32)>, Vec<f64>, Statistics);

/// Runs a dynamics and measures it only at the steps that `save_steps` picks, given the last: what
/// a sweep asks of each of its points.
///
/// # Errors
/// As for [`Engine::run`].
pub fn at_ends(
    prepared: &DenseInputs,
    dynamics: usize,
    save_steps: impl Fn(u64) -> Vec<u64>,
    threads: usize,
    resume: Option<&EnsembleCheckpoint>,
    control: &dyn Control,
) -> Result<SavedStatistics, RunError<Failure>> {
    let mut ensemble = prepared.known.ensembles[dynamics].clone();
    ensemble.measure.save_steps = save_steps(ensemble.training.steps);
    ensemble.measure.losses_every = 1;
    ensemble.measure.spectra_every = 1;
    measured(&ensemble, &prepared.source, threads, resume, control)
        .map_err(|error| error.map_start(|error| of_ensemble(&error, dynamics)))
}

/// Runs an ensemble, to what is measured of it.
///
/// # Errors
/// As for [`Engine::run`].
pub fn measured(
    ensemble: &TrainingEnsemble,
    source: &AnySource,
    threads: usize,
    resume: Option<&EnsembleCheckpoint>,
    control: &dyn Control,
) -> Result<SavedStatistics, RunError<EnsembleError>> {
    let instructions = Instructions::best();
    let (layout, times, statistics) = match source {
        AnySource::Single(source) => {
            let outcome = ensemble.run(source, threads, resume, control, instructions)?;
            (outcome.layout, outcome.times, outcome.statistics)
        }
        AnySource::Double(source) => {
            let outcome = ensemble.run(source, threads, resume, control, instructions)?;
            (outcome.layout, outcome.times, outcome.statistics)
        }
    };
    let observables = layout.observables.into_iter();
    let observables = observables.map(|o| (o.name, o.index)).collect();
    Ok((observables, times, statistics))
}

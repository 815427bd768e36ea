//! Running an experiment in the dense engine, dynamics by dynamics, into its folder.

use super::preparation::{AnySource, Prepared, of_run, prepare};
use super::results::{Finished, Results, report_finished};
use crate::arguments::SharedArguments;
use crate::estimate;
use crate::experiment::DenseExperiment;
use crate::failure::Failure;
use crate::run::{existing, out_folder, threads};
use crate::run_folder::{self, Opened, RunFolder};
use crate::session::{Session, expect_same_experiment, foreign_checkpoint, interrupted};
use crate::shard::Shard;
use crate::stability;
use rankfall_core::ensemble::{Checkpoint, Control};
use rankfall_core::instructions::Instructions;
use rankfall_core::statistics::Statistics;
use rankfall_nets::ensemble::{Outcome, RunError, Source};
use rankfall_nets::scalar::Scalar;

/// What an ensemble leaves, in double precision whatever it was run in.
pub struct Ended {
    /// t = Σ η at each save.
    pub times: Vec<f64>,
    /// Trajectories that were run.
    pub trajectories: u64,
    /// Statistics; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Final weights of trajectory 0, unless it diverged.
    pub final_parameters: Option<Vec<f64>>,
}

impl<T: Scalar> From<Outcome<T>> for Ended {
    fn from(outcome: Outcome<T>) -> Self {
        let exact = |values: Vec<T>| values.into_iter().map(Scalar::to_f64).collect();
        Self {
            times: outcome.times,
            trajectories: outcome.trajectories,
            statistics: outcome.statistics,
            final_parameters: outcome.final_parameters.map(exact),
        }
    }
}

/// Runs the experiment; `why` the exact engine does not.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn execute(
    mut experiment: DenseExperiment,
    why: &str,
    shard: Option<Shard>,
    shared: &SharedArguments,
) -> Result<(), Failure> {
    if shard.is_some() {
        let message = "shards are for the exact engine, and this network runs in the dense one";
        return Err(Failure::input(format!("{message}: {why}")).hint("leave out --shard"));
    }
    let path = out_folder(&experiment.name, None, shared);
    run_folder::check(&path, existing(shared))?;
    let mut prepared = prepare(&mut experiment)?;
    let threads = threads(shared);
    estimate::check_dense(&prepared.ensembles, &prepared.known, &path, threads)?;
    let folder = match RunFolder::open(&path, existing(shared))? {
        Opened::Finished => {
            // What is done stays as it is; whoever asked for JSON still gets it.
            let summary = run_folder::read_network_summary(&path)?;
            let recorded = run_folder::read_experiment(&path)?;
            expect_same_experiment(&path, &recorded, &experiment.resolved_toml())?;
            return report_finished(&summary, &path, shared.json, None);
        }
        Opened::Fresh(folder) | Opened::Interrupted(folder) => folder,
    };
    let labels: Vec<&str> = (experiment.dynamics.iter())
        .map(|d| d.label.as_str())
        .collect();
    let unstable = stability::of_dense(&prepared, &labels);
    stability::print(&unstable);
    prepared.known.warnings.extend(unstable);
    let results = Results {
        experiment: &experiment,
        prepared: &prepared,
        why,
    };
    let session = Session {
        resolved: experiment.resolved_toml(),
        threads,
        shard: None,
        shared,
    };
    let finished = run_all(&session, &folder, &results)?;
    let mut summary = results.summary(&finished)?;
    let drawing = results.write(folder, &finished, &mut summary, &session.resolved)?;
    report_finished(&summary, &path, shared.json, Some(&drawing))?;
    super::results::all_diverged(&summary)
}

fn run_all(
    session: &Session,
    folder: &RunFolder,
    results: &Results,
) -> Result<Vec<Finished>, Failure> {
    let labels = results.experiment.dynamics.iter().map(|d| d.label.as_str());
    let labels: Vec<&str> = labels.collect();
    let Prepared {
        ensembles, source, ..
    } = results.prepared;
    let run = |index: usize, resume: Option<&Checkpoint>, watch: &dyn Control| {
        let one = Dynamics {
            ensemble: &ensembles[index],
            threads: session.threads,
            resume,
            watch,
        };
        let ended = match source {
            AnySource::Single(source) => one.run(source),
            AnySource::Double(source) => one.run(source),
        };
        ended.map_err(|error| match error {
            RunError::Interrupted => interrupted(folder),
            RunError::Checkpoint(words) => Failure::run(words),
            RunError::ForeignCheckpoint(words) => foreign_checkpoint(folder, &words),
            other => of_run(&other, index),
        })
    };
    session.run_all(folder, &labels, run, |index, ended, seconds| {
        results.finish(index, ended, seconds)
    })
}

/// One dynamics about to be run.
struct Dynamics<'a> {
    ensemble: &'a rankfall_nets::ensemble::EnsembleSpec,
    threads: usize,
    resume: Option<&'a Checkpoint>,
    watch: &'a dyn Control,
}

impl Dynamics<'_> {
    fn run<T: Scalar>(&self, source: &Source<T>) -> Result<Ended, RunError> {
        let (threads, instructions) = (self.threads, Instructions::best());
        let outcome = self
            .ensemble
            .run(source, threads, self.resume, self.watch, instructions);
        outcome.map(Ended::from)
    }
}

//! Running an experiment, or a shard of one, into its folder: read everything, compute dynamics by
//! dynamics, write. Nothing is printed: what came of it is returned.

use crate::dense::engine::DenseEngine;
use crate::engine::{Engine, Measurements, Recorder};
use crate::exact::engine::ExactEngine;
use crate::experiment::{EngineInput, Experiment};
use crate::failure::Failure;
pub use crate::finished_folder::{Content, FinishedFolder};
use crate::monitored;
pub use crate::options::Options;
use crate::part::PartToWrite;
use crate::results::{self, Drawing, draw};
use crate::run_folder::lock::FolderLock;
use crate::run_folder::partial::{PartRecord, SHARD_SCHEMA, ShardKind, ShardRecord};
use crate::run_folder::{self, OpenedFolder, RunFolder};
use crate::session::{RunContext, ended_early};
use crate::shard::Shard;
use crate::sweep;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint};
use rankfall_report::SeriesTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Runs an experiment, or a shard of one.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn execute(experiment: &Experiment, options: &Options) -> Result<FinishedFolder, Failure> {
    match experiment.engine()? {
        EngineInput::Exact(experiment) => {
            let path = checked_folder(&experiment.name, options)?;
            let engine = ExactEngine::prepare(*experiment, &path, options)?;
            execute_in(&engine, path, options)
        }
        EngineInput::Dense(experiment, why) => {
            let path = checked_folder(&experiment.name, options)?;
            let engine = DenseEngine::prepare(*experiment, why, &path, options)?;
            execute_in(&engine, path, options)
        }
    }
}

/// Refuses a folder that may not be written into before anything is read.
fn checked_folder(name: &str, options: &Options) -> Result<PathBuf, Failure> {
    let path = options.folder(name);
    run_folder::check(&path, options.existing)?;
    Ok(path)
}

fn execute_in<E: Engine>(
    engine: &E,
    path: PathBuf,
    options: &Options,
) -> Result<FinishedFolder, Failure> {
    let session = RunContext {
        resolved: engine.recorder().resolved_toml(),
        options,
    };
    let folder = match RunFolder::open(&path, options.existing)? {
        OpenedFolder::Finished => return finished_before(path, &session),
        OpenedFolder::Fresh(folder) | OpenedFolder::Interrupted(folder) => folder,
    };
    for words in engine.unstable() {
        log::warn!("{words}");
    }
    for words in engine.foreseen() {
        options.watch.foresee(&words);
    }
    let run = InFolder {
        engine,
        session,
        folder: &folder,
    };
    match options.shard {
        None => {
            let finished =
                run.all(|index, left, seconds| engine.recorder().finish(index, left, seconds))?;
            let resolved = run.session.resolved;
            let mut summary = engine.recorder().summary(&finished)?;
            let drawing = results::write(folder, &finished, &mut summary, &resolved)?;
            Ok(FinishedFolder {
                path,
                content: Content::Run(summary),
                drawing: Some(drawing),
                before: false,
            })
        }
        Some(shard) => {
            let parts =
                run.all(|index, left, seconds| run.write_part(shard, index, left, seconds))?;
            let record = run.shard_record(shard, parts);
            folder.finish_shard(&record)?;
            Ok(FinishedFolder {
                path,
                content: Content::Shard(record),
                drawing: None,
                before: false,
            })
        }
    }
}

/// What is done stays as it is, if it is what was asked for.
fn finished_before(path: PathBuf, session: &RunContext) -> Result<FinishedFolder, Failure> {
    match session.options.shard {
        Some(shard) => FinishedFolder::shard_before(path, shard, &session.resolved),
        None => {
            let content = Content::Run(run_folder::read_summary(&path)?);
            FinishedFolder::before(path, content, &session.resolved)
        }
    }
}

/// An experiment being run in its folder.
struct InFolder<'a, E> {
    engine: &'a E,
    session: RunContext<'a>,
    folder: &'a RunFolder,
}

impl<E: Engine> InFolder<'_, E> {
    /// Runs every dynamics, each to what `finish` makes of its place, what it left, and its
    /// seconds.
    fn all<F: Serialize + DeserializeOwned + Sync>(
        &self,
        finish: impl Fn(usize, &Measurements, f64) -> Result<F, Failure>,
    ) -> Result<Vec<F>, Failure> {
        let (recorder, options) = (self.engine.recorder(), self.session.options);
        let run = |dynamics: usize, resume: Option<&EnsembleCheckpoint>, control: &dyn Control| {
            let blocks = recorder.blocks(dynamics);
            let share = (options.shard).map_or(0..blocks, |shard| shard.range(blocks));
            self.engine
                .run(dynamics, share, options.threads, resume, control)
                .map_err(|error| ended_early(error, self.folder))
        };
        self.session
            .run_all(self.folder, &recorder.labels(), run, finish)
    }

    /// Keeps the statistics of a dynamics as a file of the shard.
    fn write_part(
        &self,
        shard: Shard,
        dynamics: usize,
        measurements: &Measurements,
        seconds: f64,
    ) -> Result<PartRecord, Failure> {
        let recorder = self.engine.recorder();
        let content = PartToWrite {
            shard,
            dynamics,
            known: recorder.known(),
            measurements,
        };
        let resolved = &self.session.resolved;
        let (file, sha256) = self.folder.write_part(dynamics, resolved, &content)?;
        let totals = measurements.statistics.totals();
        let diverged = totals.divergences().count;
        Ok(PartRecord {
            label: recorder.labels()[dynamics].to_owned(),
            file,
            sha256,
            count: totals.survivors() + diverged,
            diverged,
            seconds,
        })
    }

    fn shard_record(&self, shard: Shard, parts: Vec<PartRecord>) -> ShardRecord {
        ShardRecord {
            schema: SHARD_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            of: ShardKind::Run,
            experiment: self.engine.recorder().name().to_owned(),
            experiment_sha256: rankfall_data::sha256_of(self.session.resolved.as_bytes()),
            shard: shard.index,
            shards: shard.count,
            parts,
        }
    }
}

/// Draws the figures and the report of a finished run or sweep again; nothing is written yet. The
/// folder is held against others until what is returned is dropped.
///
/// # Errors
/// Exit code 2 for a folder that cannot be read.
pub fn redraw(folder: &Path) -> Result<(Drawing, Option<FolderLock>), Failure> {
    if monitored::is_open(folder) {
        return Ok((monitored::recover(folder)?, None));
    }
    let held = run_folder::hold_finished(folder)?;
    if run_folder::is_finished_sweep(folder)? {
        return Ok((sweep::redraw(folder)?, held));
    }
    let summary = run_folder::read_summary(folder)?;
    let series = SeriesTable::from_rows(run_folder::read_series(folder, summary.schema)?);
    let experiment = run_folder::read_experiment(folder)?;
    Ok((draw(&summary, &series, &experiment, folder), held))
}

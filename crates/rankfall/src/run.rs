//! Running an experiment, or a shard of one, into its folder: read everything, compute dynamics by
//! dynamics, write. Nothing is printed: what came of it is returned.

use crate::dense::engine::DenseEngine;
use crate::engine::{Engine, Recorder};
use crate::exact::engine::ExactEngine;
use crate::experiment::{EngineInput, Experiment};
use crate::failure::Failure;
pub use crate::finished_folder::{Content, FinishedFolder};
use crate::monitored;
pub use crate::options::Options;
use crate::part::Part;
use crate::results::{Drawing, draw};
use crate::run_folder::lock::FolderLock;
use crate::run_folder::partial::{PartRecord, ShardKind};
use crate::run_folder::{self, OpenedFolder, RunFolder};
use crate::session::{RunContext, ended_early};
use crate::sweep;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint};
use rankfall_report::SeriesTable;
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
    let recorder = engine.recorder();
    let resolved = recorder.resolved_toml();
    let folder = match RunFolder::open(&path, options.existing)? {
        OpenedFolder::Finished => {
            return FinishedFolder::before(path, options.shard, &resolved, |path| {
                run_folder::read_summary(path).map(Content::Run)
            });
        }
        OpenedFolder::Fresh(folder) | OpenedFolder::Interrupted(folder) => folder,
    };
    for words in engine.unstable() {
        log::warn!("{words}");
    }
    for words in engine.foreseen() {
        options.watch.foresee(&words);
    }
    let run = |dynamics: usize, resume: Option<&EnsembleCheckpoint>, control: &dyn Control| {
        let blocks = recorder.blocks(dynamics);
        let share = (options.shard).map_or(0..blocks, |shard| shard.range(blocks));
        engine
            .run(dynamics, share, options.threads, resume, control)
            .map_err(|error| ended_early(error, &folder))
    };
    let labels = recorder.labels();
    let session = RunContext {
        resolved: &resolved,
        options,
        folder: &folder,
    };
    let Some(shard) = options.shard else {
        let finished = session.run_all(&labels, run, |dynamics, left, seconds| {
            recorder.finish(dynamics, left, seconds)
        })?;
        return FinishedFolder::run(folder, recorder, &finished, &resolved);
    };
    // Statistics of a dynamics are a file of the shard.
    let parts = session.run_all(&labels, run, |dynamics, left, seconds| {
        let content = Part {
            shard,
            dynamics,
            known: recorder.known(),
            measurements: left,
        };
        let (file, sha256) = folder.write_part(dynamics, &resolved, &content)?;
        let totals = left.statistics.totals();
        let diverged = totals.divergences().count;
        Ok(PartRecord {
            label: labels[dynamics].to_owned(),
            file,
            sha256,
            count: totals.survivors() + diverged,
            diverged,
            seconds,
        })
    })?;
    let (of, name) = (ShardKind::Run, recorder.name());
    FinishedFolder::shard(folder, of, name, &resolved, shard, parts)
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

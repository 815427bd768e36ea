//! One folder: which file in it says how far it is, and what it holds so far.

use super::experiments::{ExperimentCache, FolderExperiment, Reader};
use super::series::of_dynamics;
use super::sweeps::SweepPoints;
use crate::protocol::{SweepChoice, WatchedDynamics, WatchedFolder, WatchedSweep};
use rankfall::Failure;
use rankfall::checkpoint::{self, CheckpointContents, RunCheckpoint};
use rankfall::finished::DynamicsOutcome;
use rankfall::monitored;
use rankfall::run_folder::partial::{PartRecord, ShardKind, read_shard};
use rankfall::run_folder::{
    self, CHECKPOINT, EXPERIMENT, MONITOR, RUNNING, SHARD, SUMMARY, SWEEP, is_finished_sweep,
};
use rankfall::shard::Shard;
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_report::record::{SeriesRow, Summary};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What is not written for so long, by whom says that it runs, has been left.
const ABANDONED: Duration = Duration::from_secs(90);

/// What is known of a folder from earlier looks.
#[derive(Default)]
pub struct Folder {
    /// Of the experiment with this text; finished dynamics do not change.
    finished: (String, Vec<WatchedDynamics>),
    /// What was found when the deciding file had this age.
    last: Option<(&'static str, SystemTime, FolderContents)>,
}

/// What a look at a folder finds.
#[derive(Clone)]
pub struct FolderContents {
    /// As a page is told.
    pub picture: WatchedFolder,
    /// When the deciding file was written.
    pub changed: Option<SystemTime>,
    /// Which part it is, where it is one of a whole.
    pub part: Option<PartOf>,
    /// The numbers of a sweep.
    pub swept: Option<SweepPoints>,
}

/// A shard, and of what.
#[derive(Clone)]
pub struct PartOf {
    /// Which.
    pub shard: Shard,
    /// The experiment, resolved.
    pub experiment: String,
}

/// The file that says how far the run in a folder is, and when it was written; none where there is
/// no run.
pub fn deciding(path: &Path) -> Option<(&'static str, SystemTime)> {
    [SUMMARY, SHARD, CHECKPOINT, MONITOR, RUNNING, EXPERIMENT]
        .into_iter()
        .find_map(|name| {
            let meta = path.join(name).symlink_metadata().ok()?;
            let changed = meta.is_file().then(|| meta.modified().ok()).flatten()?;
            Some((name, changed))
        })
}

impl Folder {
    /// What the folder holds now.
    pub fn look(&mut self, path: &Path, experiments: &mut ExperimentCache) -> FolderContents {
        let Some((name, changed)) = deciding(path) else {
            *self = Self::default();
            let trouble = Some("there is no run in this folder yet".to_owned());
            return FolderContents::of(empty(path, "waiting", trouble));
        };
        let state = match (name, changed.elapsed().unwrap_or_default() < ABANDONED) {
            (SUMMARY | SHARD, _) => "finished",
            (_, true) => "running",
            (_, false) => "stopped",
        };
        if let Some((before, when, found)) = &mut self.last
            && (*before, *when) == (name, changed)
        {
            state.clone_into(&mut found.picture.state);
            return found.clone();
        }
        let found = match name {
            SUMMARY if path.join(SWEEP).exists() => sweep(path, state, experiments),
            SUMMARY => finished(path),
            SHARD => shard(path, experiments),
            CHECKPOINT => self.under_way(path, state, experiments),
            MONITOR => monitored(path, state),
            _ => {
                let nothing = "nothing is measured yet".to_owned();
                Ok(FolderContents::of(empty(path, state, Some(nothing))))
            }
        };
        // A file that is just being replaced is looked at again.
        let mut found = found.unwrap_or_else(|failure| {
            FolderContents::of(empty(path, "waiting", Some(failure.message)))
        });
        found.changed = Some(changed);
        let whole = found.picture.trouble.is_none();
        self.last = whole.then(|| (name, changed, found.clone()));
        found
    }

    fn under_way(
        &mut self,
        path: &Path,
        state: &str,
        experiments: &mut ExperimentCache,
    ) -> Result<FolderContents, Failure> {
        let text = run_folder::read_experiment(path)?;
        let reader = match experiments.ready(&text, path)? {
            FolderExperiment::Run(reader) => reader,
            FolderExperiment::Sweep(_) => return sweep(path, state, experiments),
        };
        let CheckpointContents {
            shard,
            content: progress,
        } = checkpoint::seen::<RunCheckpoint>(path)?;
        let labels = reader.labels();
        let count = progress.finished.min(labels.len() as u64);
        let mut dynamics = self.finished_dynamics(path, &text, shard, count)?;
        let (part, now) = of_current(reader.as_ref(), shard, &progress)?;
        dynamics.extend(now);
        let left = (part > 0.0).then(|| progress.seconds * (1.0 - part) / part);
        let picture = WatchedFolder {
            name: reader.name().to_owned(),
            done: ((progress.finished as f64 + part) / labels.len().max(1) as f64).min(1.0),
            // Of the dynamics under way; what the next ones take nothing tells.
            seconds_left: left
                .filter(|_| progress.finished >= (labels.len() as u64).saturating_sub(1)),
            dynamics,
            ..empty(path, state, None)
        };
        Ok(FolderContents::of(picture).part_of(shard, text))
    }

    /// What the first `count` dynamics left, each read once.
    fn finished_dynamics(
        &mut self,
        path: &Path,
        experiment: &str,
        shard: Option<Shard>,
        count: u64,
    ) -> Result<Vec<WatchedDynamics>, Failure> {
        if self.finished.0 != experiment {
            self.finished = (experiment.to_owned(), Vec::new());
        }
        let known = &mut self.finished.1;
        for index in known.len() as u64..count {
            known.push(left(path, index, shard)?);
        }
        Ok(known.iter().take(count as usize).cloned().collect())
    }
}

impl FolderContents {
    /// Of this picture, and no part of anything.
    pub fn of(picture: WatchedFolder) -> Self {
        Self {
            picture,
            changed: None,
            part: None,
            swept: None,
        }
    }

    fn part_of(mut self, shard: Option<Shard>, experiment: String) -> Self {
        self.picture.note = shard.map(|shard| format!("shard {} of {}", shard.index, shard.count));
        self.part = shard.map(|shard| PartOf { shard, experiment });
        self
    }

    /// The numbers that are asked for, if it is this sweep.
    pub fn swept(&self, choice: &SweepChoice) -> Option<WatchedSweep> {
        let swept = self.swept.as_ref()?;
        (self.picture.folder == choice.folder).then(|| swept.told(choice))
    }
}

/// A folder of which nothing more is known.
pub fn empty(path: &Path, state: &str, trouble: Option<String>) -> WatchedFolder {
    WatchedFolder {
        folder: path.display().to_string(),
        state: state.to_owned(),
        trouble,
        counts: "trajectories".to_owned(),
        ..WatchedFolder::default()
    }
}

fn finished(path: &Path) -> Result<FolderContents, Failure> {
    let summary = run_folder::read_summary(path)?;
    let rows = run_folder::read_series(path, summary.schema)?;
    Ok(FolderContents::of(WatchedFolder {
        done: 1.0,
        seconds_left: Some(0.0),
        ..of_record(path, "finished", &summary, &rows)
    }))
}

/// A training run elsewhere: what its monitor measured so far. How far it will go nobody knows.
fn monitored(path: &Path, state: &str) -> Result<FolderContents, Failure> {
    let record = monitored::of_folder(path)?;
    let picture = of_record(path, state, &record.summary(), &record.rows());
    Ok(FolderContents::of(picture))
}

fn of_record(path: &Path, state: &str, summary: &Summary, rows: &[SeriesRow]) -> WatchedFolder {
    let dynamics = summary.dynamics.iter();
    WatchedFolder {
        name: summary.experiment.clone(),
        dynamics: dynamics.map(|one| of_dynamics(one, rows)).collect(),
        ..empty(path, state, None)
    }
}

/// A finished shard.
fn shard(path: &Path, experiments: &mut ExperimentCache) -> Result<FolderContents, Failure> {
    let (record, text) = read_shard(path)?;
    if record.of == ShardKind::Sweep {
        return sweep(path, "finished", experiments);
    }
    let picture = WatchedFolder {
        name: record.experiment.clone(),
        done: 1.0,
        seconds_left: Some(0.0),
        dynamics: record.parts.iter().map(of_part).collect(),
        ..empty(path, "finished", None)
    };
    Ok(FolderContents::of(picture).part_of(Some(record.which()), text))
}

/// A sweep or a shard of one, finished or not.
fn sweep(
    path: &Path,
    state: &str,
    experiments: &mut ExperimentCache,
) -> Result<FolderContents, Failure> {
    if state == "finished" && path.join(SUMMARY).exists() && !is_finished_sweep(path)? {
        return Err(Failure::input("the sweep is just being finished"));
    }
    let text = run_folder::read_experiment(path)?;
    let FolderExperiment::Sweep(plan) = experiments.ready(&text, path)? else {
        return Err(Failure::input(
            "the experiment beside it is none of a sweep",
        ));
    };
    let (swept, shard, done, seconds) = SweepPoints::seen(path, plan)?;
    let left = (done > 0.0).then(|| seconds * (1.0 - done) / done);
    let picture = WatchedFolder {
        done,
        seconds_left: left,
        ..swept.picture(empty(path, state, None), shard)
    };
    let mut found = FolderContents::of(picture).part_of(shard, text);
    found.swept = Some(swept);
    Ok(found)
}

/// What a finished dynamics left; a shard keeps statistics, which are told of the whole.
fn left(path: &Path, index: u64, shard: Option<Shard>) -> Result<WatchedDynamics, Failure> {
    if shard.is_some() {
        let part: PartRecord = checkpoint::seen_finished(path, index)?;
        return Ok(of_part(&part));
    }
    let left: DynamicsOutcome = checkpoint::seen_finished(path, index)?;
    Ok(of_dynamics(&left.summary()?, &left.series))
}

fn of_part(part: &PartRecord) -> WatchedDynamics {
    WatchedDynamics {
        label: part.label.clone(),
        done: part.count,
        of: part.count,
        diverged: part.diverged,
        ..WatchedDynamics::default()
    }
}

/// How much of the dynamics under way is finished, and what is measured of it.
fn of_current(
    reader: &dyn Reader,
    shard: Option<Shard>,
    progress: &RunCheckpoint,
) -> Result<(f64, Option<WatchedDynamics>), Failure> {
    let index = progress.finished as usize;
    let labels = reader.labels();
    let (Some((statistics, done)), Some(label)) = (current(progress), labels.get(index)) else {
        return Ok((0.0, None));
    };
    let of = reader.trajectories(index, shard);
    let made = reader.results(index, &mut std::iter::once(Ok(statistics)))?;
    let mut now = of_dynamics(&made.summary()?, &made.series);
    if shard.is_some() {
        // They are told of the whole.
        now.curves.clear();
    }
    now.label.clone_from(label);
    (now.done, now.of) = (done, of);
    Ok(((done as f64 / of.max(1) as f64).min(1.0), Some(now)))
}

/// What is measured of the finished trajectories of the dynamics under way, and how many these are.
pub fn current(progress: &RunCheckpoint) -> Option<(Statistics, u64)> {
    let so_far = progress.current.as_ref()?.so_far()?;
    let count = so_far.trajectories();
    (count > 0).then_some((so_far.statistics, count))
}

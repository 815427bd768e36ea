//! Run folders that another process writes, or wrote: what they hold so far.

use crate::protocol::{Curve, Watched, WatchedDynamics, WatchedFolder, defined};
use rankfall::Failure;
use rankfall::checkpoint::{self, RunCheckpoint};
use rankfall::dense::engine::DenseEngine;
use rankfall::engine::{Engine, Measurements, Recorder};
use rankfall::exact::engine::ExactEngine;
use rankfall::experiment::{EngineInput, Experiment};
use rankfall::finished::Finished;
use rankfall::monitored;
use rankfall::options::Options;
use rankfall::run_folder::{self, CHECKPOINT, EXPERIMENT, Existing, MONITOR, RUNNING, SUMMARY};
use rankfall::watch::Silent;
use rankfall_report::record::{DynamicsSummary, SeriesRow};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// What is not written for so long, by whom says that it runs, has been left.
const ABANDONED: Duration = Duration::from_secs(90);

/// Points of a curve that a page is told, at most about.
const MOST_POINTS: usize = 400;

/// Folders that are looked at again and again.
pub struct Watcher {
    folders: Vec<Mutex<Folder>>,
}

struct Folder {
    path: PathBuf,
    /// Of the experiment with this text.
    reader: Option<(String, Box<dyn Reader>)>,
    /// Finished dynamics do not change.
    finished: BTreeMap<u64, WatchedDynamics>,
    /// The last whole picture, by the time at which the deciding file was written.
    last: Option<(SystemTime, WatchedFolder)>,
}

/// Makes results of a checkpoint.
trait Reader: Send {
    fn labels(&self) -> Vec<String>;
    fn trajectories(&self, dynamics: usize, measured: &Measurements) -> Result<Finished, Failure>;
    fn of(&self, dynamics: usize) -> u64;
}

struct Of<E: Engine> {
    engine: E,
    trajectories: Vec<u64>,
}

impl<E: Engine + Send> Reader for Of<E> {
    fn labels(&self) -> Vec<String> {
        let labels = self.engine.recorder().labels();
        labels.into_iter().map(str::to_owned).collect()
    }

    fn trajectories(&self, dynamics: usize, measured: &Measurements) -> Result<Finished, Failure> {
        self.engine.recorder().finish(dynamics, measured, 0.0)
    }

    fn of(&self, dynamics: usize) -> u64 {
        self.trajectories.get(dynamics).copied().unwrap_or(1)
    }
}

impl Watcher {
    /// Of these folders, which need not be there yet.
    pub fn new(folders: &[PathBuf]) -> Self {
        let folder = |path: &PathBuf| {
            Mutex::new(Folder {
                path: path.clone(),
                reader: None,
                finished: BTreeMap::new(),
                last: None,
            })
        };
        Self {
            folders: folders.iter().map(folder).collect(),
        }
    }

    /// What they hold now.
    pub fn look(&self) -> Watched {
        let look = |folder: &Mutex<Folder>| {
            let mut folder = folder
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            folder.look()
        };
        Watched {
            folders: self.folders.iter().map(look).collect(),
        }
    }
}

impl Folder {
    fn look(&mut self) -> WatchedFolder {
        let deciding = [SUMMARY, CHECKPOINT, MONITOR, RUNNING, EXPERIMENT]
            .iter()
            .find_map(|name| {
                let changed = self
                    .path
                    .join(name)
                    .metadata()
                    .and_then(|m| m.modified())
                    .ok()?;
                Some((*name, changed))
            });
        let Some((name, changed)) = deciding else {
            self.forget();
            let trouble = Some("there is no run in this folder yet".to_owned());
            return self.empty("waiting", trouble);
        };
        let idle = changed.elapsed().unwrap_or_default();
        if let Some((when, picture)) = &self.last
            && *when == changed
            && (picture.state == "finished" || idle < ABANDONED)
        {
            return picture.clone();
        }
        let picture = match name {
            SUMMARY => self.finished(),
            CHECKPOINT => self.under_way(idle),
            MONITOR => self.monitored(idle),
            _ => Ok(self.empty("running", Some("nothing is measured yet".to_owned()))),
        };
        // A file that is just being replaced is looked at again.
        let picture =
            picture.unwrap_or_else(|failure| self.empty("waiting", Some(failure.message)));
        self.last = picture
            .trouble
            .is_none()
            .then(|| (changed, picture.clone()));
        picture
    }

    fn forget(&mut self) {
        self.finished.clear();
        self.last = None;
    }

    fn empty(&self, state: &str, trouble: Option<String>) -> WatchedFolder {
        WatchedFolder {
            folder: self.path.display().to_string(),
            name: String::new(),
            state: state.to_owned(),
            trouble,
            done: 0.0,
            seconds_left: None,
            dynamics: Vec::new(),
        }
    }

    fn finished(&mut self) -> Result<WatchedFolder, Failure> {
        let summary = run_folder::read_summary(&self.path)?;
        let rows = run_folder::read_series(&self.path, summary.schema)?;
        let dynamics = summary.dynamics.iter();
        Ok(WatchedFolder {
            name: summary.experiment.clone(),
            done: 1.0,
            seconds_left: Some(0.0),
            dynamics: dynamics.map(|one| watched(one, &rows)).collect(),
            ..self.empty("finished", None)
        })
    }

    /// A training run elsewhere: what its monitor measured so far. How far it will go nobody knows.
    fn monitored(&self, idle: Duration) -> Result<WatchedFolder, Failure> {
        let record = monitored::of_folder(&self.path)?;
        let (summary, rows) = (record.summary(), record.rows());
        let state = match idle < ABANDONED {
            true => "running",
            false => "stopped",
        };
        Ok(WatchedFolder {
            name: summary.experiment.clone(),
            dynamics: summary
                .dynamics
                .iter()
                .map(|one| watched(one, &rows))
                .collect(),
            ..self.empty(state, None)
        })
    }

    fn under_way(&mut self, idle: Duration) -> Result<WatchedFolder, Failure> {
        let progress = checkpoint::seen(&self.path)?;
        let text = run_folder::read_experiment(&self.path)?;
        if self.reader.as_ref().is_none_or(|(known, _)| *known != text) {
            self.finished.clear();
            self.reader = Some((text.clone(), reader(&text, &self.path)?));
        }
        let Some((_, reader)) = &self.reader else {
            return Ok(self.empty("running", None));
        };
        let labels = reader.labels();
        for index in 0..progress.finished {
            if !self.finished.contains_key(&index) {
                let left: Finished = checkpoint::seen_finished(&self.path, index)?;
                self.finished
                    .insert(index, watched(&left.summary()?, &left.series));
            }
        }
        let mut dynamics: Vec<WatchedDynamics> = self.finished.values().cloned().collect();
        let (part, now) = of_current(reader.as_ref(), &labels, &progress)?;
        dynamics.extend(now);
        let experiment = Experiment::from_toml(&text, "experiment.toml", &self.path, &[])?;
        let state = match idle < ABANDONED {
            true => "running",
            false => "stopped",
        };
        let left = (part > 0.0).then(|| progress.seconds * (1.0 - part) / part);
        Ok(WatchedFolder {
            name: experiment.name,
            done: (progress.finished as f64 + part) / labels.len().max(1) as f64,
            // Of the dynamics under way; what the next ones take nothing tells.
            seconds_left: left.filter(|_| progress.finished + 1 == labels.len() as u64),
            dynamics,
            ..self.empty(state, None)
        })
    }
}

/// How much of the dynamics under way is finished, and what is measured of it.
fn of_current(
    reader: &dyn Reader,
    labels: &[String],
    progress: &RunCheckpoint,
) -> Result<(f64, Option<WatchedDynamics>), Failure> {
    let index = progress.finished as usize;
    let so_far = progress
        .current
        .as_ref()
        .and_then(|current| current.so_far());
    let (Some(so_far), Some(label)) = (so_far, labels.get(index)) else {
        return Ok((0.0, None));
    };
    let (count, of) = (so_far.trajectories(), reader.of(index));
    if count == 0 {
        return Ok((0.0, None));
    }
    let measured = Measurements {
        statistics: so_far.statistics,
        weights: None,
        weights_then: Vec::new(),
        inert: None,
    };
    let made = reader.trajectories(index, &measured)?;
    let mut now = watched(&made.summary()?, &made.series);
    now.label.clone_from(label);
    (now.trajectories, now.of) = (count, of);
    Ok((count as f64 / of.max(1) as f64, Some(now)))
}

fn reader(text: &str, folder: &Path) -> Result<Box<dyn Reader>, Failure> {
    let experiment = Experiment::from_toml(text, "experiment.toml", folder, &[])?;
    let options = Options {
        out: None,
        existing: Existing::Refuse,
        threads: 1,
        shard: None,
        checkpoint_interval: Duration::MAX,
        watch: &Silent,
    };
    let all = experiment.run.trajectories;
    Ok(match experiment.engine()? {
        EngineInput::Exact(exact) => {
            let trajectories = exact
                .dynamics
                .iter()
                .map(|d| exact.trajectories_of(d))
                .collect();
            let engine = ExactEngine::prepare(*exact, Path::new("."), &options)?;
            Box::new(Of {
                engine,
                trajectories,
            })
        }
        EngineInput::Dense(dense, why) => {
            let trajectories = vec![all; experiment.dynamics.len()];
            let engine = DenseEngine::prepare(*dense, why, Path::new("."), &options)?;
            Box::new(Of {
                engine,
                trajectories,
            })
        }
    })
}

/// One dynamics as a page is told of it.
fn watched(summary: &DynamicsSummary, rows: &[SeriesRow]) -> WatchedDynamics {
    let mut curves: Vec<Curve> = Vec::new();
    let of_it = rows
        .iter()
        .filter(|row| row.dynamics == summary.label && is_shown(row));
    for row in of_it {
        let same = |curve: &Curve| {
            (&curve.observable, curve.layer, curve.index) == (&row.observable, row.layer, row.index)
        };
        let place = curves.iter().rposition(same).unwrap_or_else(|| {
            curves.push(Curve {
                observable: row.observable.clone(),
                layer: row.layer,
                index: row.index,
                times: Vec::new(),
                mean: Vec::new(),
                low: Vec::new(),
                high: Vec::new(),
                law: Vec::new(),
            });
            curves.len() - 1
        });
        let curve = &mut curves[place];
        curve.times.push(row.time);
        let of = |value: Option<f64>| value.and_then(defined);
        curve.mean.push(of(row.mean));
        curve.low.push(of(row.q05));
        curve.high.push(of(row.q95));
        curve.law.push(of(row.law));
    }
    curves.iter_mut().for_each(thin);
    WatchedDynamics {
        label: summary.label.clone(),
        trajectories: summary.trajectories,
        of: summary.trajectories,
        diverged: summary.diverged,
        curves,
    }
}

/// Losses, ranks, log det and singular values.
fn is_shown(row: &SeriesRow) -> bool {
    let name = row.observable.as_str();
    matches!(name, "loss" | "log_det" | "population_loss" | "accuracy")
        || name.starts_with("effective_rank")
        || name.starts_with("numerical_rank")
        || (name.starts_with("log_singular_value") && !name.ends_with("error") && row.index <= 32)
}

/// Keeps every so manyth point, and the last.
fn thin(curve: &mut Curve) {
    let count = curve.times.len();
    let every = count.div_ceil(MOST_POINTS).max(1);
    let keep = |place: &usize| place.is_multiple_of(every) || place + 1 == count;
    let places: Vec<usize> = (0..count).filter(keep).collect();
    let of = |values: &[Option<f64>]| places.iter().map(|&at| values[at]).collect();
    (curve.mean, curve.low) = (of(&curve.mean), of(&curve.low));
    (curve.high, curve.law) = (of(&curve.high), of(&curve.law));
    curve.times = places.iter().map(|&at| curve.times[at]).collect();
}

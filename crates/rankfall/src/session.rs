//! Running the dynamics of an experiment one after the other in its folder: checkpoints, progress,
//! interruption and going on, whatever the engine.

use crate::checkpoint::{self, Owner, RunCheckpoint};
use crate::failure::{Failure, shown_path};
use crate::options::Options;
use crate::run_folder::{CHECKPOINT, RunFolder};
use crate::watch::{Watch, warn_of_threads};
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, RunError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// What a run needs besides its experiment.
pub struct RunContext<'a> {
    /// The resolved copy of the experiment.
    pub resolved: &'a str,
    /// How it is to go.
    pub options: &'a Options<'a>,
    /// Where it is run.
    pub folder: &'a RunFolder,
}

impl RunContext<'_> {
    /// Whom its checkpoints belong to.
    fn owner(&self) -> Owner<'_> {
        Owner {
            experiment: self.resolved,
            shard: self.options.shard,
        }
    }

    /// Runs the dynamics that the checkpoint has not finished, each to what `finish` makes of what
    /// `run` left: given the place of the dynamics, where to go on from, and who watches; then the
    /// place, the outcome and its wall seconds.
    ///
    /// # Errors
    /// Those of `run` and `finish`; a checkpoint of another experiment; a folder that cannot be
    /// written.
    pub fn run_all<O, F: Serialize + DeserializeOwned + Sync>(
        &self,
        labels: &[&str],
        run: impl Fn(usize, Option<&EnsembleCheckpoint>, &dyn Control) -> Result<O, Failure>,
        finish: impl Fn(usize, &O, f64) -> Result<F, Failure>,
    ) -> Result<Vec<F>, Failure> {
        let (folder, mut checkpoint) = (self.folder, RunCheckpoint::default());
        if folder.file(CHECKPOINT).exists() {
            checkpoint = checkpoint::read(folder, self.owner())?;
        }
        folder.write_experiment(self.resolved)?;
        let mut finished = Vec::with_capacity(labels.len());
        for (place, label) in labels.iter().enumerate() {
            let index = place as u64;
            if index < checkpoint.finished {
                finished.push(checkpoint::read_finished(folder, index, self.owner())?);
                continue;
            }
            let (outcome, seconds) = self.run_one(&checkpoint, label, |resume, watch| {
                run(place, resume, watch)
            })?;
            let left = finish(place, &outcome, seconds)?;
            checkpoint::write_finished(folder, index, self.owner(), &left)?;
            finished.push(left);
            checkpoint = RunCheckpoint {
                finished: index + 1,
                ..RunCheckpoint::default()
            };
            checkpoint::write(folder, self.owner(), &checkpoint)?;
        }
        self.options.watch.let_finish();
        Ok(finished)
    }

    fn run_one<O>(
        &self,
        checkpoint: &RunCheckpoint,
        label: &str,
        run: impl Fn(Option<&EnsembleCheckpoint>, &dyn Control) -> Result<O, Failure>,
    ) -> Result<(O, f64), Failure> {
        let before = checkpoint.seconds;
        let started = Instant::now();
        let seconds = || before + started.elapsed().as_secs_f64();
        let watch = self.options.watch;
        let control = OfDynamics {
            folder: self.folder,
            watch,
            checkpoint_interval: self.options.checkpoint_interval,
            keep: |current: &EnsembleCheckpoint| {
                let snapshot = RunCheckpoint {
                    finished: checkpoint.finished,
                    current: Some(Cow::Borrowed(current)),
                    seconds: seconds(),
                };
                checkpoint::write(self.folder, self.owner(), &snapshot)
            },
        };
        watch.begin(label);
        let outcome = run(checkpoint.current.as_deref(), &control);
        watch.end();
        Ok((outcome?, seconds()))
    }
}

/// What to say of a run that ended early.
pub fn ended_early(error: RunError<Failure>, folder: &RunFolder) -> Failure {
    match error {
        RunError::Interrupted => interrupted(folder),
        RunError::Start(failure) => failure,
        RunError::Checkpoint(words) => Failure::run(words),
        RunError::ForeignCheckpoint(words) => foreign_checkpoint(folder, &words),
    }
}

/// How a run or a sweep ends that was told to stop.
pub fn interrupted(folder: &RunFolder) -> Failure {
    let shown = shown_path(folder.path());
    Failure::interrupted(format!("interrupted; everything so far is in {shown}"))
        .hint("the same command with --resume continues it")
}

/// A checkpoint that this run cannot go on from.
fn foreign_checkpoint(folder: &RunFolder, words: &str) -> Failure {
    Failure::input(format!(
        "the checkpoint in {} is not of this run: {words}",
        shown_path(folder.path())
    ))
    .hint("--force starts the run again from the beginning")
}

/// Watches over one dynamics, and keeps its checkpoints.
struct OfDynamics<'a, K> {
    folder: &'a RunFolder,
    watch: &'a dyn Watch,
    checkpoint_interval: Duration,
    keep: K,
}

impl<K> Control for OfDynamics<'_, K>
where
    K: Fn(&EnsembleCheckpoint) -> Result<(), Failure> + Sync,
{
    fn interrupted(&self) -> bool {
        self.watch.interrupted()
    }

    fn progress(&self, done: u64, total: u64) {
        self.watch.progress(done, total);
    }

    fn abandon(&self) {
        self.watch.end();
        self.watch.abandon(&interrupted(self.folder));
    }

    fn fewer_threads(&self, made: usize, wanted: usize) {
        warn_of_threads(made, wanted);
    }

    fn checkpoint_interval(&self) -> Duration {
        self.checkpoint_interval
    }

    fn keep(&self, current: &EnsembleCheckpoint) -> Result<(), String> {
        (self.keep)(current).map_err(|failure| failure.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_folder::Existing;
    use crate::watch::Silent;

    /// What is written grows with the number of dynamics, not with its square: a checkpoint does
    /// not hold what those before it left.
    #[test]
    fn checkpoints_do_not_grow_with_the_dynamics_before_them() {
        let keep = tempfile::tempdir().unwrap();
        let folder = RunFolder::fresh(keep.path(), Existing::Refuse).unwrap();
        let session = RunContext {
            resolved: "name = \"x\"",
            options: &Options {
                out: None,
                existing: Existing::Refuse,
                threads: 1,
                shard: None,
                checkpoint_interval: Duration::MAX,
                watch: &Silent,
            },
            folder: &folder,
        };
        let labels = ["one"; 40];
        let finish = |place: usize, _: &(), _: f64| {
            if place > 0 {
                let size = std::fs::metadata(folder.file(CHECKPOINT)).unwrap().len();
                assert!(size < 500, "{size} bytes after {place} dynamics");
            }
            Ok(vec![place as u8; 10_000])
        };
        let run = |from: usize| {
            session.run_all(
                &labels,
                |place, _, _| {
                    assert!(place >= from, "dynamics {place} is run twice");
                    Ok(())
                },
                finish,
            )
        };
        let first = run(0).unwrap();
        assert_eq!(run(40).unwrap(), first, "resumed when all were finished");
        assert_eq!(first[39], vec![39; 10_000]);
    }
}

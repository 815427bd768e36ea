//! Running the dynamics of an experiment one after the other in its folder: checkpoints, progress,
//! interruption and going on, whatever the engine.

use crate::arguments::SharedArguments;
use crate::checkpoint::{self, RunCheckpoint, Snapshot};
use crate::failure::{Failure, quoted, shown_path};
use crate::interruption;
use crate::progress::{Progress, warn_of_threads};
use crate::run_folder::{CHECKPOINT, RunFolder};
use crate::shard::Shard;
use rankfall_core::ensemble::{self, Control};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a run needs besides its experiment.
pub struct Session<'a> {
    /// The resolved copy of the experiment.
    pub resolved: String,
    /// How many threads to use.
    pub threads: usize,
    /// Which part of the work, where it is not all.
    pub shard: Option<Shard>,
    /// Options of the command.
    pub shared: &'a SharedArguments,
}

impl Session<'_> {
    /// Runs the dynamics that the checkpoint has not finished, each to what `finish` makes of what
    /// `run` left: given the place of the dynamics, where to go on from, and who watches; then the
    /// place, the outcome and its wall seconds.
    ///
    /// # Errors
    /// Those of `run` and `finish`; a checkpoint of another experiment; a folder that cannot be
    /// written.
    pub fn run_all<O, F: Serialize + DeserializeOwned + Sync>(
        &self,
        folder: &RunFolder,
        labels: &[&str],
        run: impl Fn(usize, Option<&ensemble::Checkpoint>, &dyn Control) -> Result<O, Failure>,
        finish: impl Fn(usize, &O, f64) -> Result<F, Failure>,
    ) -> Result<Vec<F>, Failure> {
        let mut checkpoint = RunCheckpoint::default();
        if folder.file(CHECKPOINT).exists() {
            let recorded = folder.recorded_experiment()?;
            let recorded = recorded.as_deref().unwrap_or(&self.resolved);
            expect_same_experiment(folder.path(), recorded, &self.resolved)?;
            checkpoint = checkpoint::read(folder, self.shard)?;
        }
        folder.write_experiment(&self.resolved)?;
        interruption::listen()?;
        for (index, label) in labels.iter().enumerate() {
            if index < checkpoint.finished.len() {
                continue;
            }
            let (outcome, seconds) =
                self.run_one(folder, &checkpoint, label, |resume, watch| {
                    run(index, resume, watch)
                })?;
            checkpoint.finished.push(finish(index, &outcome, seconds)?);
            checkpoint.current = None;
            checkpoint.seconds = 0.0;
            checkpoint.snapshot().write(folder, self.shard)?;
        }
        interruption::let_finish();
        Ok(checkpoint.finished)
    }

    fn run_one<O, F: Serialize + Sync>(
        &self,
        folder: &RunFolder,
        checkpoint: &RunCheckpoint<F>,
        label: &str,
        run: impl Fn(Option<&ensemble::Checkpoint>, &dyn Control) -> Result<O, Failure>,
    ) -> Result<(O, f64), Failure> {
        let before = checkpoint.seconds;
        let started = Instant::now();
        let seconds = || before + started.elapsed().as_secs_f64();
        let watch = Watch {
            folder,
            progress: Progress::new(label, self.shared.quiet),
            checkpoint_interval: self.shared.checkpoint_seconds,
            keep: |current: &ensemble::Checkpoint| {
                let snapshot = Snapshot {
                    current: Some(current),
                    seconds: seconds(),
                    ..checkpoint.snapshot()
                };
                snapshot.write(folder, self.shard)
            },
        };
        let outcome = run(checkpoint.current.as_ref(), &watch);
        watch.progress.finish();
        Ok((outcome?, seconds()))
    }
}

/// How a run ends that was told to stop.
pub fn interrupted(folder: &RunFolder) -> Failure {
    let shown = shown_path(folder.path());
    Failure::interrupted(format!("interrupted; everything so far is in {shown}"))
        .hint("the same command with --resume continues it")
}

/// A checkpoint that this run cannot go on from.
pub fn foreign_checkpoint(folder: &RunFolder, words: &str) -> Failure {
    Failure::input(format!(
        "the checkpoint in {} is not of this run: {words}",
        shown_path(folder.path())
    ))
    .hint("--force starts the run again from the beginning")
}

/// Refuses to go on in a folder with another experiment in it.
///
/// # Errors
/// Exit code 2, with the first line that differs.
pub fn expect_same_experiment(
    folder: &Path,
    recorded: &str,
    resolved: &str,
) -> Result<(), Failure> {
    if recorded == resolved {
        return Ok(());
    }
    let message = format!(
        "the run in {} is of another experiment: {}",
        shown_path(folder),
        first_difference(recorded, resolved, ["there", "here"])
    );
    Err(Failure::input(message).hint("--force replaces it, --out DIR writes elsewhere"))
}

/// The first line in which two experiments differ; `places` are what to call them.
pub fn first_difference(one: &str, other: &str, places: [&str; 2]) -> String {
    let pair = one.lines().zip(other.lines()).find(|(a, b)| a != b);
    match pair {
        Some((a, b)) => format!(
            "{} it says {}, {} {}",
            places[0],
            quoted(a),
            places[1],
            quoted(b)
        ),
        None => "one has more lines than the other".to_owned(),
    }
}

/// Watches over one dynamics.
struct Watch<'a, K> {
    folder: &'a RunFolder,
    progress: Progress,
    checkpoint_interval: Duration,
    keep: K,
}

impl<K> Control for Watch<'_, K>
where
    K: Fn(&ensemble::Checkpoint) -> Result<(), Failure> + Sync,
{
    fn interrupted(&self) -> bool {
        interruption::requested()
    }

    fn progress(&self, done: u64, total: u64) {
        self.progress.update(done, total);
    }

    fn abandon(&self) {
        self.progress.finish();
        interruption::end(&interrupted(self.folder));
    }

    fn fewer_threads(&self, made: usize, wanted: usize) {
        warn_of_threads(made, wanted);
    }

    fn checkpoint_interval(&self) -> Duration {
        self.checkpoint_interval
    }

    fn keep(&self, current: &ensemble::Checkpoint) -> Result<(), String> {
        (self.keep)(current).map_err(|failure| failure.message)
    }
}

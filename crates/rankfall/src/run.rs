//! The commands that run an experiment, or a shard of one, or draw it again: read everything, compute
//! dynamics by dynamics, write the folder.

use crate::arguments::{PlotArguments, ReproduceArguments, RunArguments, SharedArguments};
use crate::bundled;
use crate::checkpoint::{self, RunCheckpoint, Snapshot};
use crate::estimate;
use crate::experiment::sweep::SweepArgumentsRead;
use crate::experiment::{Experiment, read_text, tree};
use crate::failure::{Failure, quoted, shown_path};
use crate::interruption;
use crate::merge::PartToWrite;
use crate::preparation::{self, Prepared};
use crate::progress::Progress;
use crate::results::{Results, all_diverged, draw, report_finished, rows_first};
use crate::run_folder::partial::{
    PartRecord, SHARD_SCHEMA, ShardRecord, Sharded, read_shard, shard_json,
};
use crate::run_folder::{self, CHECKPOINT, Existing, Opened, RunFolder};
use crate::shard::Shard;
use crate::sweep;
use rankfall_core::ensemble::{self, Control, Outcome, RunError};
use rankfall_core::lanes::Instructions;
use rankfall_report::SeriesTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `rankfall reproduce`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn reproduce(arguments: &ReproduceArguments) -> Result<(), Failure> {
    let bundled = bundled::named(&arguments.name)?;
    let source = format!("{}.toml (bundled)", bundled.name);
    let sets = &arguments.shared.sets;
    if bundled.is_sweep {
        let given = SweepArgumentsRead::default();
        let plan = sweep::plan_of(bundled.toml, &source, Path::new(""), sets, &given)?;
        return sweep::execute(plan, arguments.part.shard, &arguments.shared);
    }
    let experiment = Experiment::from_toml(bundled.toml, &source, Path::new(""), sets)?;
    execute(experiment, arguments.part.shard, &arguments.shared)
}

/// `rankfall run`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let (path, sets) = (&arguments.experiment, &arguments.shared.sets);
    let (text, shown) = (read_text(path)?, shown_path(path));
    let root = tree(&text, sets).map_err(|problem| problem.in_file(&shown))?;
    if sweep::is_sweep(&root) {
        let message = format!("{shown} has a [sweep] table: it is many runs, not one");
        return Err(Failure::input(message).hint(format!("rankfall sweep {shown} runs them")));
    }
    let experiment = Experiment::load(path, sets)?;
    execute(experiment, arguments.part.shard, &arguments.shared)
}

/// `rankfall plot`: draws figures and report again.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn plot(arguments: &PlotArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    if run_folder::is_finished_sweep(folder)? {
        return sweep::plot(folder);
    }
    let summary = run_folder::read_summary(folder)?;
    let series = SeriesTable::from_rows(run_folder::read_series(folder)?);
    let experiment = run_folder::read_experiment(folder)?;
    let pages = draw(&summary, &series, &experiment, folder)?;
    for (name, bytes) in &pages.files {
        run_folder::write_into(&folder.join(name), bytes)?;
    }
    crate::print(&pages.listing(folder))
}

/// Where the results go: `--out`, or `runs/NAME`, or `runs/NAME-i-of-m` for a shard.
pub fn out_folder(
    experiment: &Experiment,
    shard: Option<Shard>,
    shared: &SharedArguments,
) -> PathBuf {
    let name = match shard {
        Some(Shard { index, count }) => format!("{}-{index}-of-{count}", experiment.name),
        None => experiment.name.clone(),
    };
    let default = || Path::new("runs").join(name);
    shared.out.clone().unwrap_or_else(default)
}

/// What `--resume` and `--force` ask to do with a folder that has something in it.
pub fn existing(shared: &SharedArguments) -> Existing {
    match (shared.resume, shared.force) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Replace,
        _ => Existing::Refuse,
    }
}

fn execute(
    mut experiment: Experiment,
    shard: Option<Shard>,
    shared: &SharedArguments,
) -> Result<(), Failure> {
    let path = out_folder(&experiment, shard, shared);
    run_folder::check(&path, existing(shared))?;
    estimate::check_drawing(&experiment)?;
    let prepared = preparation::prepare(&mut experiment)?;
    let threads = threads(shared);
    estimate::check(&experiment, &prepared.known, &path, threads, shard)?;
    let context = Context {
        experiment: &experiment,
        resolved: experiment.resolved_toml(),
        prepared: &prepared,
        threads,
        shard,
        shared,
    };
    match (RunFolder::open(&path, existing(shared))?, shard) {
        (Opened::Finished, None) => {
            // What is done stays as it is; whoever asked for JSON still gets it.
            let summary = run_folder::read_summary(&path)?;
            report_finished(&summary, &path, shared.json, None)
        }
        (Opened::Finished, Some(shard)) => context.report_finished_shard(&path, shard),
        (Opened::Fresh(folder) | Opened::Interrupted(folder), None) => context.run_whole(folder),
        (Opened::Fresh(folder) | Opened::Interrupted(folder), Some(shard)) => {
            context.run_shard(folder, shard)
        }
    }
}

/// How many threads to use.
pub fn threads(shared: &SharedArguments) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    shared.threads.map_or_else(available, usize::from)
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

/// One experiment being run.
struct Context<'a> {
    experiment: &'a Experiment,
    /// The resolved copy of it.
    resolved: String,
    prepared: &'a Prepared,
    threads: usize,
    shard: Option<Shard>,
    shared: &'a SharedArguments,
}

/// What a dynamics left when it had been run: where it is in the file, and how long it took.
struct Ended<'a> {
    index: usize,
    save_steps: &'a [u64],
    outcome: &'a Outcome,
    seconds: f64,
}

impl Context<'_> {
    fn run_whole(&self, folder: RunFolder) -> Result<(), Failure> {
        let results = Results {
            experiment: self.experiment,
            known: &self.prepared.known,
        };
        let finished = self.run_all(&folder, |ended| {
            results.finish(ended.index, ended.save_steps, ended.outcome, ended.seconds)
        })?;
        let summary = results.summary(&finished)?;
        let path = folder.path().to_owned();
        let drawing = results.write(folder, &finished, &summary, &self.resolved)?;
        report_finished(&summary, &path, self.shared.json, Some(&drawing))?;
        all_diverged(&summary)
    }

    fn run_shard(&self, folder: RunFolder, shard: Shard) -> Result<(), Failure> {
        let parts = self.run_all(&folder, |ended| self.write_part(&folder, shard, &ended))?;
        let record = ShardRecord {
            schema: SHARD_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            of: Sharded::Run,
            experiment: self.experiment.name.clone(),
            experiment_sha256: rankfall_data::sha256_of(self.resolved.as_bytes()),
            shard: shard.index,
            shards: shard.count,
            parts,
        };
        let path = folder.path().to_owned();
        folder.finish_shard(&record)?;
        report_shard(&record, &path, self.shared.json, true)
    }

    /// Keeps the statistics of a dynamics as a file of the shard.
    fn write_part(
        &self,
        folder: &RunFolder,
        shard: Shard,
        ended: &Ended,
    ) -> Result<PartRecord, Failure> {
        let Ended {
            index,
            outcome,
            seconds,
            ..
        } = *ended;
        let content = PartToWrite {
            shard,
            dynamics: index,
            known: &self.prepared.known,
            statistics: &outcome.statistics,
            weights: outcome.final_weights.as_ref().map(rows_first),
        };
        let (file, sha256) = folder.write_part(index, &content)?;
        let totals = outcome.statistics.totals();
        let diverged = totals.divergences().count;
        Ok(PartRecord {
            label: self.experiment.dynamics[index].label.clone(),
            file,
            sha256,
            count: totals.survivors() + diverged,
            diverged,
            seconds,
        })
    }

    /// A finished shard stays as it is, if it is the one that was asked for.
    fn report_finished_shard(&self, path: &Path, shard: Shard) -> Result<(), Failure> {
        let (record, recorded) = read_shard(path)?;
        expect_same_experiment(path, &recorded, &self.resolved)?;
        record.expect(shard, path)?;
        report_shard(&record, path, self.shared.json, false)
    }

    /// Runs the dynamics that the checkpoint has not finished, each to what `finish` makes of it.
    fn run_all<F: Serialize + DeserializeOwned + Sync>(
        &self,
        folder: &RunFolder,
        finish: impl Fn(Ended) -> Result<F, Failure>,
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
        let save_steps = self.experiment.save_steps();
        for (index, save_steps) in save_steps.iter().enumerate() {
            if index < checkpoint.finished.len() {
                continue;
            }
            let (outcome, seconds) = self.run_one(folder, &checkpoint, index, save_steps)?;
            checkpoint.finished.push(finish(Ended {
                index,
                save_steps,
                outcome: &outcome,
                seconds,
            })?);
            checkpoint.current = None;
            checkpoint.seconds = 0.0;
            checkpoint.snapshot().write(folder, self.shard)?;
        }
        Ok(checkpoint.finished)
    }

    fn run_one<F: Serialize + Sync>(
        &self,
        folder: &RunFolder,
        checkpoint: &RunCheckpoint<F>,
        index: usize,
        save_steps: &[u64],
    ) -> Result<(Outcome, f64), Failure> {
        let spec = &self.experiment.dynamics[index];
        let ensemble = self.experiment.ensemble(index, save_steps);
        let setup = &self.prepared.setup;
        let blocks = ensemble.blocks(setup);
        let part = self.shard.map_or(0..blocks, |shard| shard.range(blocks));
        let before = checkpoint.seconds;
        let started = Instant::now();
        let seconds = || before + started.elapsed().as_secs_f64();
        let watch = Watch {
            progress: Progress::new(&spec.label, self.shared.quiet),
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
        let resume = checkpoint.current.as_ref();
        let instructions = Instructions::best();
        let outcome = ensemble.run_part(setup, part, self.threads, resume, &watch, instructions);
        watch.progress.finish();
        let outcome = outcome.map_err(|error| of_run(error, folder))?;
        Ok((outcome, seconds()))
    }
}

/// Prints what there is to say of a finished shard.
fn report_shard(
    record: &ShardRecord,
    path: &Path,
    json: bool,
    is_new: bool,
) -> Result<(), Failure> {
    if json {
        return crate::print(&shard_json(record)?);
    }
    let shown = shown_path(path);
    let which = record.which();
    let end = if is_new {
        format!(
            "is in {shown}; rankfall merge makes the run of all {}",
            which.count
        )
    } else {
        format!("was finished in {shown} already; nothing was changed")
    };
    let mut text = String::new();
    for part in &record.parts {
        text += &format!(
            "{}: {} trajectories, {} diverged, {:.1} s\n",
            part.label, part.count, part.diverged, part.seconds
        );
    }
    crate::print(&format!("{text}shard {which} {end}\n"))
}

fn of_run(error: RunError, folder: &RunFolder) -> Failure {
    match error {
        RunError::Interrupted => {
            let shown = shown_path(folder.path());
            Failure::interrupted(format!("interrupted; everything so far is in {shown}"))
                .hint("the same command with --resume continues it")
        }
        RunError::Setup(error) => preparation::of_setup(error),
        RunError::Checkpoint(words) => Failure::run(words),
        RunError::ForeignCheckpoint(words) => Failure::input(format!(
            "the checkpoint in {} is not of this run: {words}",
            shown_path(folder.path())
        ))
        .hint("--force starts the run again from the beginning"),
    }
}

/// Watches over one dynamics.
struct Watch<K> {
    progress: Progress,
    checkpoint_interval: Duration,
    keep: K,
}

impl<K> Control for Watch<K>
where
    K: Fn(&ensemble::Checkpoint) -> Result<(), Failure> + Sync,
{
    fn interrupted(&self) -> bool {
        interruption::requested()
    }

    fn progress(&self, done: u64, total: u64) {
        self.progress.update(done, total);
    }

    fn checkpoint_interval(&self) -> Duration {
        self.checkpoint_interval
    }

    fn keep(&self, current: &ensemble::Checkpoint) -> Result<(), String> {
        (self.keep)(current).map_err(|failure| failure.message)
    }
}

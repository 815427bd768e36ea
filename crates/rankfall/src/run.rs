//! The commands that run an experiment, or a shard of one, or draw it again: read everything, compute
//! dynamics by dynamics, write the folder.

use crate::arguments::{PlotArguments, ReproduceArguments, RunArguments, SharedArguments};
use crate::bundled;
use crate::dense;
use crate::estimate;
use crate::experiment::sweep::SweepArgumentsRead;
use crate::experiment::{Engine, ExactExperiment, Experiment, read_text, tree};
use crate::failure::{Failure, FailureKind, shown_path};
use crate::merge::PartToWrite;
use crate::preparation::{self, Prepared};
use crate::results::{Results, all_diverged, draw, report_finished, rows_first};
use crate::run_folder::partial::{
    PartRecord, SHARD_SCHEMA, ShardRecord, Sharded, read_shard, shard_json,
};
use crate::run_folder::{self, AnySummary, Existing, Opened, RunFolder};
use crate::session::{Session, expect_same_experiment, foreign_checkpoint, interrupted};
use crate::shard::Shard;
use crate::stability;
use crate::sweep;
use rankfall_core::ensemble::{self, Control, Outcome, RunError};
use rankfall_core::instructions::Instructions;
use rankfall_report::SeriesTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// `rankfall reproduce`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn reproduce(arguments: &ReproduceArguments) -> Result<(), Failure> {
    let bundled = bundled::named(&arguments.name)?;
    reproduce_one(bundled, arguments.part.shard, &arguments.shared)
}

/// `rankfall reproduce --all`: one after the other; what fails is named at the end.
///
/// # Errors
/// An interruption at once; after all others, exit code 1 if one of them failed.
pub fn reproduce_all(arguments: &ReproduceArguments) -> Result<(), Failure> {
    let mut failed = Vec::new();
    let root = arguments
        .shared
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs"));
    for bundled in bundled::ALL {
        if let Err(why) = bundled::has_data(bundled) {
            crate::print(&format!("== {}: left out, {why}\n", bundled.name))?;
            continue;
        }
        crate::print(&format!("== {}: {}\n", bundled.name, bundled.shows))?;
        let shared = SharedArguments {
            out: Some(root.join(bundled.name)),
            ..arguments.shared.clone()
        };
        match reproduce_one(bundled, None, &shared) {
            Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
            Err(failure) => {
                crate::print(&format!("{failure}\n"))?;
                failed.push(bundled.name);
            }
            Ok(()) => crate::print("\n")?,
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::run(format!("failed: {}", failed.join(", ")))),
    }
}

fn reproduce_one(
    bundled: &bundled::Bundled,
    shard: Option<Shard>,
    shared: &SharedArguments,
) -> Result<(), Failure> {
    let source = format!("{}.toml (bundled)", bundled.name);
    let sets = &shared.sets;
    if bundled.is_sweep {
        let given = SweepArgumentsRead::default();
        let plan = sweep::plan_of(bundled.toml, &source, Path::new(""), sets, &given)?;
        return sweep::execute(plan, shard, shared);
    }
    let experiment = Experiment::from_toml(bundled.toml, &source, Path::new(""), sets)?;
    execute_in_engine(experiment.engine()?, shard, shared)
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
    let folder = path.parent().unwrap_or(Path::new(""));
    let experiment = Experiment::from_tree(&root, folder);
    let experiment = experiment.map_err(|problem| problem.in_file(&shown))?;
    execute_in_engine(
        experiment.engine()?,
        arguments.part.shard,
        &arguments.shared,
    )
}

fn execute_in_engine(
    engine: Engine,
    shard: Option<Shard>,
    shared: &SharedArguments,
) -> Result<(), Failure> {
    match engine {
        Engine::Exact(experiment) => execute(*experiment, shard, shared),
        Engine::Dense(experiment, why) => dense::run::execute(*experiment, &why, shard, shared),
    }
}

/// `rankfall plot`: draws figures and report again.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn plot(arguments: &PlotArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let _held = run_folder::hold_finished(folder)?;
    if run_folder::is_finished_sweep(folder)? {
        return sweep::plot(folder);
    }
    let summary = run_folder::read_any_summary(folder)?;
    let series = SeriesTable::from_rows(run_folder::read_series(folder)?);
    let experiment = run_folder::read_experiment(folder)?;
    let pages = match &summary {
        AnySummary::Exact(summary) => draw(summary, &series, &experiment, folder),
        AnySummary::Dense(summary) => dense::results::draw(summary, &series, &experiment, folder),
    };
    pages.write_alone(folder)
}

/// Where the results go: `--out`, or `runs/NAME`, or `runs/NAME-i-of-m` for a shard.
pub fn out_folder(experiment: &str, shard: Option<Shard>, shared: &SharedArguments) -> PathBuf {
    let name = match shard {
        Some(Shard { index, count }) => format!("{experiment}-{index}-of-{count}"),
        None => experiment.to_owned(),
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
    mut experiment: ExactExperiment,
    shard: Option<Shard>,
    shared: &SharedArguments,
) -> Result<(), Failure> {
    let path = out_folder(&experiment.name, shard, shared);
    run_folder::check(&path, existing(shared))?;
    estimate::check_drawing(&experiment)?;
    let mut prepared = preparation::prepare(&mut experiment)?;
    prepared.known.warnings.extend(experiment.engine_note());
    let threads = threads(shared);
    estimate::check(&experiment, &prepared.known, &path, threads, shard)?;
    let unstable = stability::of_exact(&experiment, &prepared)?;
    prepared.known.warnings.extend(unstable.clone());
    let context = Context {
        unstable,
        experiment: &experiment,
        prepared: &prepared,
        session: Session {
            resolved: experiment.resolved_toml(),
            threads,
            shard,
            shared,
        },
    };
    match (RunFolder::open(&path, existing(shared))?, shard) {
        (Opened::Finished, None) => {
            // What is done stays as it is; whoever asked for JSON still gets it.
            let summary = run_folder::read_summary(&path)?;
            let recorded = run_folder::read_experiment(&path)?;
            expect_same_experiment(&path, &recorded, &context.session.resolved)?;
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

/// One experiment being run.
struct Context<'a> {
    /// What to say before it begins.
    unstable: Vec<String>,
    experiment: &'a ExactExperiment,
    prepared: &'a Prepared,
    session: Session<'a>,
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
        let mut summary = results.summary(&finished)?;
        let path = folder.path().to_owned();
        let drawing = results.write(folder, &finished, &mut summary, &self.session.resolved)?;
        report_finished(&summary, &path, self.session.shared.json, Some(&drawing))?;
        all_diverged(&summary)
    }

    fn run_shard(&self, folder: RunFolder, shard: Shard) -> Result<(), Failure> {
        let parts = self.run_all(&folder, |ended| self.write_part(&folder, shard, &ended))?;
        let record = ShardRecord {
            schema: SHARD_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            of: Sharded::Run,
            experiment: self.experiment.name.clone(),
            experiment_sha256: rankfall_data::sha256_of(self.session.resolved.as_bytes()),
            shard: shard.index,
            shards: shard.count,
            parts,
        };
        let path = folder.path().to_owned();
        folder.finish_shard(&record)?;
        report_shard(&record, &path, self.session.shared.json, true)
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
        let (file, sha256) = folder.write_part(index, &self.session.resolved, &content)?;
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
        expect_same_experiment(path, &recorded, &self.session.resolved)?;
        record.expect(shard, path)?;
        report_shard(&record, path, self.session.shared.json, false)
    }

    /// Runs every dynamics, each to what `finish` makes of it.
    fn run_all<F: Serialize + DeserializeOwned + Sync>(
        &self,
        folder: &RunFolder,
        finish: impl Fn(Ended) -> Result<F, Failure>,
    ) -> Result<Vec<F>, Failure> {
        stability::print(&self.unstable);
        let save_steps = self.experiment.save_steps();
        let dynamics = self.experiment.dynamics.iter();
        let labels: Vec<&str> = dynamics.map(|spec| spec.label.as_str()).collect();
        let setup = &self.prepared.setup;
        let run = |index: usize, resume: Option<&ensemble::Checkpoint>, watch: &dyn Control| {
            let ensemble = self.experiment.ensemble(index, &save_steps[index]);
            let blocks = ensemble.blocks(setup);
            let part = (self.session.shard).map_or(0..blocks, |shard| shard.range(blocks));
            let (threads, instructions) = (self.session.threads, Instructions::best());
            let outcome = ensemble.run_part(setup, part, threads, resume, watch, instructions);
            outcome.map_err(|error| of_run(error, folder))
        };
        self.session
            .run_all(folder, &labels, run, |index, outcome, seconds| {
                finish(Ended {
                    index,
                    save_steps: &save_steps[index],
                    outcome,
                    seconds,
                })
            })
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
        return crate::print_json(&shard_json(record)?);
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
        RunError::Interrupted => interrupted(folder),
        RunError::Setup(error) => preparation::of_setup(error),
        RunError::Checkpoint(words) => Failure::run(words),
        RunError::ForeignCheckpoint(words) => foreign_checkpoint(folder, &words),
    }
}

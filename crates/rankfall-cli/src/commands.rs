//! The commands that run something, put it together or draw it again: arguments in, results
//! printed.

use crate::arguments::PlotArguments;
use crate::arguments::running::{
    DesignArgument, MergeArguments, ReproduceArguments, RunArguments, SharedArguments,
    SweepArguments,
};
use crate::reports;
use crate::terminal::Terminal;
use rankfall::bundled::{self, BundledExperiment};
use rankfall::experiment::sweep::SweepOptions;
use rankfall::experiment::{Experiment, read_text, tree};
use rankfall::failure::{Failure, FailureKind, shown_path};
use rankfall::run::{self, FinishedFolder, Options};
use rankfall::run_folder::Existing;
use rankfall::shard::Shard;
use rankfall::{merge, sweep};
use std::path::{Path, PathBuf};

/// `rankfall reproduce`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn reproduce(arguments: &ReproduceArguments) -> Result<(), Failure> {
    if arguments.list {
        return crate::print(&bundled::list());
    }
    if arguments.all {
        return reproduce_all(arguments);
    }
    let bundled = bundled::named(&arguments.name)?;
    reproduce_one(bundled, arguments.part.shard, &arguments.shared)
}

/// One after the other; what fails is named at the end, an interruption ends it at once.
fn reproduce_all(arguments: &ReproduceArguments) -> Result<(), Failure> {
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
    bundled: &BundledExperiment,
    shard: Option<Shard>,
    shared: &SharedArguments,
) -> Result<(), Failure> {
    let source = format!("{}.toml (bundled)", bundled.name);
    let (sets, nowhere) = (&shared.sets, Path::new(""));
    if bundled.is_sweep {
        let given = SweepOptions::default();
        let plan = sweep::plan_of(bundled.toml, &source, nowhere, sets, &given)?;
        return with_options(shard, shared, |options| sweep::execute(plan, options));
    }
    let experiment = Experiment::from_toml(bundled.toml, &source, nowhere, sets)?;
    with_options(shard, shared, |options| run::execute(&experiment, options))
}

/// `rankfall run`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let (path, shared) = (&arguments.experiment, &arguments.shared);
    let (text, shown) = (read_text(path)?, shown_path(path));
    let root = tree(&text, &shared.sets).map_err(|problem| problem.in_file(&shown))?;
    if sweep::is_sweep(&root) {
        let message = format!("{shown} has a [sweep] table: it is many runs, not one");
        return Err(Failure::input(message).hint(format!("rankfall sweep {shown} runs them")));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let experiment = Experiment::from_tree(&root, folder);
    let experiment = experiment.map_err(|problem| problem.in_file(&shown))?;
    let shard = arguments.part.shard;
    with_options(shard, shared, |options| run::execute(&experiment, options))
}

/// `rankfall sweep`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn sweep(arguments: &SweepArguments) -> Result<(), Failure> {
    let (path, shared) = (&arguments.experiment, &arguments.shared);
    let text = read_text(path)?;
    let given = SweepOptions {
        over: arguments.over.clone(),
        random: arguments.design.map(|one| one == DesignArgument::Random),
        points: arguments.points,
        vary_seed: arguments.vary_seed,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let plan = sweep::plan_of(&text, &shown_path(path), folder, &shared.sets, &given)?;
    let shard = arguments.part.shard;
    with_options(shard, shared, |options| sweep::execute(plan, options))
}

/// `rankfall merge`.
///
/// # Errors
/// Exit code 2 for shards that are missing, doubled, damaged or do not belong together.
pub fn merge(arguments: &MergeArguments) -> Result<(), Failure> {
    let existing = match arguments.force {
        true => Existing::Replace,
        false => Existing::Refuse,
    };
    let done = merge::merge(&arguments.folders, arguments.out.as_deref(), existing)?;
    reports::print(&done, arguments.json)?;
    if !arguments.json {
        crate::print(&format!(
            "note: merged from {} shard(s); seconds are the sum over them\n",
            arguments.folders.len()
        ))?;
    }
    done.expect_survivors()
}

/// `rankfall plot`: draws figures and report again.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn plot(arguments: &PlotArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let (drawing, _held) = run::redraw(folder)?;
    drawing.write(folder)?;
    crate::print(&drawing.listing(folder))?;
    drawing.expect_whole()
}

/// Runs something with the options of the command line, and prints what came of it.
fn with_options(
    shard: Option<Shard>,
    shared: &SharedArguments,
    run: impl FnOnce(&Options) -> Result<FinishedFolder, Failure>,
) -> Result<(), Failure> {
    let terminal = Terminal::new(shared.quiet, Some("trajectory-steps"))?;
    let done = run(&Options {
        out: shared.out.clone(),
        existing: match (shared.resume, shared.force) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        },
        threads: crate::threads(shared.threads),
        shard,
        checkpoint_interval: shared.checkpoint_seconds,
        watch: &terminal,
    })?;
    reports::print(&done, shared.json)?;
    done.expect_survivors()
}

//! The commands that run or redraw something: load and check all input, then hand over.

use crate::arguments::{PlotArguments, ReproduceArguments, RunArguments, SharedArguments};
use crate::bundled;
use crate::experiment::Experiment;
use crate::failure::{Failure, shown_path};
use crate::run_folder::{self, Existing};
use std::path::{Path, PathBuf};

/// `rankfall reproduce`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn reproduce(arguments: &ReproduceArguments) -> Result<(), Failure> {
    let bundled = bundled::named(&arguments.name)?;
    let source = format!("{}.toml (bundled)", bundled.name);
    let sets = &arguments.shared.sets;
    let experiment = Experiment::from_toml(bundled.toml, &source, Path::new(""), sets)?;
    hand_over(&experiment, &arguments.shared)
}

/// `rankfall run`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let experiment = Experiment::load(&arguments.experiment, &arguments.shared.sets)?;
    hand_over(&experiment, &arguments.shared)
}

/// `rankfall plot`.
///
/// # Errors
/// A [`Failure`] with the exit code of its kind.
pub fn plot(arguments: &PlotArguments) -> Result<(), Failure> {
    run_folder::read_summary(&arguments.folder)?;
    run_folder::read_series(&arguments.folder)?;
    Err(not_wired(&arguments.folder))
}

/// Where the results go: `--out`, or `runs/NAME`.
pub fn out_folder(experiment: &Experiment, shared: &SharedArguments) -> PathBuf {
    let default = || Path::new("runs").join(&experiment.name);
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

fn hand_over(experiment: &Experiment, shared: &SharedArguments) -> Result<(), Failure> {
    Err(not_wired(&out_folder(experiment, shared)))
}

/// The one place where the numerics are missing.
fn not_wired(folder: &Path) -> Failure {
    Failure::run(format!(
        "the input is valid, but the numerics are not wired yet: nothing was written to {}",
        shown_path(folder)
    ))
}

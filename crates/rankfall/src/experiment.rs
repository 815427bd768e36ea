//! An experiment: what a person asked for, validated, with every default filled in.
//!
//! The way from text to [`Experiment`]: TOML with places (`document`), `--set` (`overrides`),
//! then one reader per section, each checking its keys (`keys`) and values (`section`).

mod data;
pub mod document;
pub mod dynamics;
mod encoding;
mod intended;
pub mod keys;
pub mod layered;
mod network;
mod overrides;
mod resolved;
mod run;
mod section;
mod suggest;
pub mod sweep;

pub use data::{Column, Covariance, DataSpec, FileData, GaussianData, GramData, Teacher};
pub use dynamics::DynamicsSpec;
pub use network::{InitSpec, NetworkSpec};
pub use overrides::set;
pub use run::{ForceBalanceSpec, RunSpec};
pub use suggest::{meaning, nearest};

use crate::failure::{Failure, quoted, shown_path};
use crate::save_plan::save_steps;
use document::Problem;
use rankfall_core::ensemble::{EnsembleSpec, trajectories_per_block};
use rankfall_core::model::dynamics::Kind;
use section::{Field, Section};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A validated experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// A label, safe as the name of a folder.
    pub name: String,
    /// Where the data come from.
    pub data: DataSpec,
    /// The network and its start.
    pub network: NetworkSpec,
    /// The dynamics, in file order, with distinct labels.
    pub dynamics: Vec<DynamicsSpec>,
    /// How long, how often, and what is kept.
    pub run: RunSpec,
}

/// What an experiment file asks for, by the engine that runs it.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Two linear layers in the exact engine; with a note where the file gave them as layers.
    Exact(Box<Experiment>, Option<String>),
    /// Any network in the dense engine, and why it is not for the exact one.
    Dense(Box<layered::LayeredExperiment>, String),
}

impl Asked {
    /// Validates an experiment given as text, as [`Experiment::from_toml`] does.
    ///
    /// # Errors
    /// A [`Failure`] with exit code 2 that says what is wrong and where.
    pub fn from_toml(
        text: &str,
        source: &str,
        folder: &Path,
        sets: &[String],
    ) -> Result<Self, Failure> {
        tree(text, sets)
            .and_then(|root| Self::from_tree(&root, folder))
            .map_err(|problem| problem.in_file(source))
    }

    /// Validates an experiment given as a tree of values.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_tree(root: &document::Node, folder: &Path) -> Result<Self, Problem> {
        if !layered::is_layered(root) {
            return Ok(Self::Exact(Box::new(read(root, folder)?), None));
        }
        let layered = layered::read(root, folder)?;
        Ok(match layered::to_exact(&layered) {
            Ok(exact) => {
                let note = "two linear layers with squared loss, and every update acts on them from \
                            the left: the exact engine runs them, as network.width would";
                Self::Exact(Box::new(exact), Some(note.to_owned()))
            }
            Err(why) => Self::Dense(Box::new(layered), why),
        })
    }
}

/// The longest experiment file that is read: enough for a covariance matrix of some 1500 inputs.
const LONGEST_FILE: u64 = 64 << 20;

impl Experiment {
    /// Reads and validates an experiment file, with `--set` arguments applied.
    ///
    /// # Errors
    /// A [`Failure`] with exit code 2 that says what is wrong and where.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self, Failure> {
        let text = read_text(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::from_toml(&text, &shown_path(path), folder, sets)
    }

    /// Validates an experiment given as text.
    ///
    /// `source` names it in messages; relative paths in it are taken from `folder`.
    ///
    /// # Errors
    /// A [`Failure`] with exit code 2 that says what is wrong and where.
    pub fn from_toml(
        text: &str,
        source: &str,
        folder: &Path,
        sets: &[String],
    ) -> Result<Self, Failure> {
        tree(text, sets)
            .and_then(|root| read(&root, folder))
            .map_err(|problem| problem.in_file(source))
    }

    /// Validates an experiment given as a tree of values.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_tree(root: &document::Node, folder: &Path) -> Result<Self, Problem> {
        read(root, folder)
    }

    /// The resolved copy: every default written out, paths absolute; it reads back as `self`.
    pub fn resolved_toml(&self) -> String {
        resolved::toml(self)
    }

    /// Trajectories to run for one dynamics: one where they would all be equal.
    pub fn trajectories_of(&self, dynamics: &DynamicsSpec) -> u64 {
        if !dynamics.dynamics.is_deterministic() || self.has_own_starts() {
            self.run.trajectories
        } else {
            1
        }
    }

    /// Blocks of trajectories to run for one dynamics, with p + k = `rows`.
    pub fn blocks_of(&self, dynamics: &DynamicsSpec, rows: usize) -> u64 {
        let trajectories = self.trajectories_of(dynamics);
        trajectories.div_ceil(trajectories_per_block(rows, trajectories))
    }

    /// About how much work one step of one trajectory is, to compare units of work with each other.
    pub fn step_cost(&self, dynamics: &DynamicsSpec) -> f64 {
        // Only drawn data say their size before they are read; elsewhere all points have the same.
        let (p, k) = match &self.data {
            DataSpec::Gaussian(data) => (data.inputs as f64, data.outputs as f64),
            _ => (1.0, 1.0),
        };
        let columns = (p + k).min(self.network.width as f64);
        let rows = match dynamics.dynamics.kind {
            Kind::StochasticGradientDescent { batch_size, .. } => batch_size as f64 * (p + k),
            _ => 0.0,
        };
        // Products with the columns, and a part that does not depend on sizes.
        2.0 * p * k * columns + rows + 20.0
    }

    /// The `index`-th dynamics as the numerics take it, saving at these steps.
    pub fn ensemble(&self, index: usize, save_steps: &[u64]) -> EnsembleSpec {
        let (run, spec) = (&self.run, &self.dynamics[index]);
        EnsembleSpec {
            dynamics: spec.dynamics.clone(),
            stream: if run.common_noise { 0 } else { index as u32 },
            trajectories: run.trajectories,
            save_steps: save_steps.to_vec(),
            time_unit: spec.time_step,
            rank_tolerance: run.rank_tolerance,
            keep_trajectories: run.keep_trajectories,
            reductions: run.reductions,
            force_balance: run.force_balance.map(|balance| {
                let steps = save_steps.last().copied().unwrap_or(0);
                balance.stride_for(steps)
            }),
            own_observables: Vec::new(),
        }
    }

    /// Whether trajectories differ before their first step: own data or own initial weights.
    pub fn has_own_starts(&self) -> bool {
        self.data.each_trajectory() || self.network.init.each_trajectory()
    }

    /// The steps at which each dynamics saves, in the order of `dynamics`: 0 first, N last.
    pub fn save_steps(&self) -> Vec<Vec<u64>> {
        let first = longest_step(&self.dynamics);
        let steps_of = |d: &DynamicsSpec| {
            // The number of steps was checked when the file was read.
            save_steps(&self.run.save, self.run.time, d.time_step, first).unwrap_or_default()
        };
        self.dynamics.iter().map(steps_of).collect()
    }

    /// Checks what depends on the number of rows, once it is known: mini-batches must fit.
    ///
    /// # Errors
    /// A [`Failure`] with exit code 2 that names the dynamics.
    pub fn check_samples(&self, samples: u64) -> Result<(), Failure> {
        let too_large = self.dynamics.iter().enumerate().find_map(|(i, d)| {
            let size = d.batch_without_replacement()?;
            (size > samples).then(|| too_large_batch(i, d, size, samples))
        });
        too_large.map_or(Ok(()), Err)
    }
}

fn longest_step(dynamics: &[DynamicsSpec]) -> f64 {
    dynamics.iter().map(|d| d.time_step).fold(0.0, f64::max)
}

fn too_large_batch(i: usize, d: &DynamicsSpec, size: u64, samples: u64) -> Failure {
    Failure::input(format!(
        "`dynamics.{i}.batch_size` of {} is {size}, but there are only {samples} rows",
        quoted(&d.label)
    ))
    .hint("only sampling = \"with-replacement\" can draw more rows than there are")
}

/// The text of an experiment file.
///
/// # Errors
/// A [`Failure`] with exit code 2 for what is no text file.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let shown = shown_path(path);
    let cannot = |error: std::io::Error| unreadable(path, &error);
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(
            Failure::input(format!("{shown} is a folder, not an experiment file"))
                .hint("give the file in it, for instance experiment.toml"),
        );
    }
    let mut bytes = Vec::new();
    let mut limited = file.take(LONGEST_FILE + 1);
    limited.read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(Failure::input(format!(
            "{shown} is longer than {} MiB, which no experiment file needs to be",
            LONGEST_FILE >> 20
        ))
        .hint("data belong in a file of their own, named by data.path"));
    }
    encoding::text_of(bytes).map_err(|why| not_text(&shown, &why))
}

fn not_text(shown: &str, why: &str) -> Failure {
    Failure::input(format!("{shown} is not a text file: {why}"))
        .hint("an experiment is a TOML file in UTF-8; rankfall new prints one to start from")
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let shown = shown_path(path);
    let failure = Failure::input(format!("cannot read the experiment file {shown}: {error}"));
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
    if error.kind() != std::io::ErrorKind::NotFound {
        failure
    } else if crate::bundled::find(stem).is_some() {
        failure.hint(format!(
            "{stem} is a bundled experiment: rankfall reproduce {stem}"
        ))
    } else {
        failure.hint(
            "rankfall new prints one to start from; rankfall reproduce --list shows those bundled",
        )
    }
}

/// Parses an experiment file and applies `--set` arguments, and does not validate it.
///
/// # Errors
/// Text that is not TOML; arguments that cannot be applied.
pub fn tree(text: &str, sets: &[String]) -> Result<document::Node, Problem> {
    let mut root = document::parse(text)?;
    overrides::apply(&mut root, sets)?;
    Ok(root)
}

fn read(root: &document::Node, folder: &Path) -> Result<Experiment, Problem> {
    if layered::is_layered(root) {
        let layered = layered::read(root, folder)?;
        return layered::to_exact(&layered).map_err(|why| {
            let message = format!("this needs a network for the exact engine, and {why}");
            Problem::new(&document::Origin::Whole, message)
                .hint("give the network by `network.width`: two linear layers, squared loss")
        });
    }
    let top = Section::open(root, "", &keys::TOP)?;
    let name = name(&top.required("name", "name = \"two-layer\"")?)?;
    let data = top.required("data", "[data] with kind = \"gaussian\"")?;
    let data = data::read(&data.section(&keys::DATA)?, folder)?;
    let network = top.required("network", "[network] with width = 10")?;
    let network = network::read(&network.section(&keys::NETWORK)?, folder, &data)?;
    let dynamics = top.required("dynamics", "[[dynamics]] with kind = \"gradient-flow\"")?;
    let dynamics = dynamics::read_all(&dynamics, &data)?;
    let run = top.required("run", "[run] with time = 100.0")?;
    let run = run::read(&run.section(&keys::RUN)?, &dynamics)?;
    Ok(Experiment {
        name,
        data,
        network,
        dynamics,
        run,
    })
}

fn name(field: &Field) -> Result<String, Problem> {
    let name = field.text()?;
    label_text(field, &name)?;
    let as_path = name.contains(['/', '\\', ':']) || name.contains("..") || name == ".";
    if as_path {
        let message = format!("is {}, but it is a label, not a path", quoted(&name));
        let hint = "leave out / \\ : and ..; --out says where the results go";
        return Err(field.problem(message).hint(hint));
    }
    Ok(name)
}

/// Checks what labels and the name have in common: short, visible, no blanks at the ends.
fn label_text(field: &Field, text: &str) -> Result<(), Problem> {
    let wrong = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if text.chars().count() > 100 || text.len() > 200 {
        format!(
            "is {} characters long, at most 100 (200 bytes) are allowed",
            text.chars().count()
        )
    } else if text.chars().any(char::is_control) {
        format!("is {}, which has control characters in it", quoted(text))
    } else if text.trim() != text {
        format!("is {}, with a blank at an end", quoted(text))
    } else {
        return Ok(());
    };
    Err(field.problem(wrong))
}

/// A path as given in the file, made absolute from the folder of the file.
fn absolute_path(field: &Field, folder: &Path) -> Result<PathBuf, Problem> {
    let given = field.text()?;
    if given.trim().is_empty() {
        return Err(field.problem("is empty"));
    }
    let joined = folder.join(&given);
    let absolute = std::path::absolute(&joined)
        .map_err(|error| field.problem(format!("cannot be made absolute: {error}")))?;
    if absolute.to_str().is_none() || given.contains('\0') {
        let message = "leads through a folder whose name is not UTF-8, which TOML cannot hold";
        return Err(field.problem(message));
    }
    Ok(absolute)
}

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;

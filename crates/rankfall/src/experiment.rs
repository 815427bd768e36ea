//! An experiment: what a person asked for, validated, with every default filled in.
//!
//! The way from text to [`Experiment`]: TOML with places (`document`), `--set` (`overrides`), then
//! one reader per section, each checking its keys ([`keys`]) and values (`section`). Which engine
//! runs it is derived (`engine`), and so is the form in which that engine takes it.

mod data;
mod dense;
mod descent;
pub mod document;
mod dynamics;
mod encoding;
mod engine;
mod exact;
mod exact_dynamics;
mod intended;
pub mod keys;
mod label;
mod layers;
mod network;
mod overrides;
mod resolved;
mod run;
pub mod schema;
mod section;
mod spec;
pub(crate) mod suggest;
pub mod sweep;

pub use data::{
    BundledTable, CovarianceSpec, DataSpec, FileData, GaussianData, GramData, HeldOut, ImageData,
    ImageSource, InlineRows, LinearTeacher, NetworkTeacher, RowData,
};
pub use dense::DenseExperiment;
pub use descent::{Descent, NoiseHours, SchedulePlaces, SchedulePlan};
pub use dynamics::DynamicsSpec;
pub use engine::EngineInput;
pub use exact::{ExactData, ExactExperiment, ExactInit, ExactNetwork};
pub use exact_dynamics::ExactDynamics;
pub use network::{EngineChoice, InitSpec, NetworkSection, NetworkShape};
pub use overrides::set;
pub use run::{AccountSpec, ForceBalanceSpec, Length, MeasureChoice, RunSpec, SaveWeights};
pub use spec::Experiment;
pub use suggest::{meaning, nearest};

use crate::bundled;
use crate::failure::{Failure, shown_path};
use document::InputProblem;
use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_nets::loss::Loss;
use rankfall_nets::noise::Noise;
use section::{Field, Section};
use std::fs::File;
use std::io::Read;
use std::path::Path;

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

    /// An experiment that comes with rankfall, such as `"paper"`; sweeps are none.
    ///
    /// # Errors
    /// A name that is not one of them, with the nearest that is.
    pub fn bundled(name: &str) -> Result<Self, Failure> {
        let bundled = bundled::named(name)?;
        let source = format!("{name}.toml (bundled)");
        Self::from_toml(bundled.toml, &source, Path::new(""), &[])
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
            .and_then(|root| Self::from_tree(&root, folder))
            .map_err(|problem| problem.in_file(source))
    }

    /// Validates an experiment given as a tree of values.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_tree(root: &document::TomlNode, folder: &Path) -> Result<Self, InputProblem> {
        let experiment = read(root, folder)?;
        experiment.engine_at(root)?;
        Ok(experiment)
    }

    /// The experiment for the exact engine.
    ///
    /// # Errors
    /// Why the exact engine does not run it.
    pub fn exact(&self) -> Result<ExactExperiment, InputProblem> {
        let why = match self.engine() {
            Ok(EngineInput::Exact(exact)) => return Ok(*exact),
            Ok(EngineInput::Dense(_, why)) => why,
            Err(failure) => failure.message,
        };
        let message = format!("this needs a network for the exact engine, and {why}");
        Err(InputProblem::new(&document::Origin::Whole, message)
            .hint("it takes two linear layers with squared loss, as network.width = 10 gives"))
    }

    /// The resolved copy: every default written out, paths absolute; it reads back as `self`.
    pub fn resolved_toml(&self) -> String {
        resolved::toml(self)
    }
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
    } else if bundled::find(stem).is_some() {
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
pub fn tree(text: &str, sets: &[String]) -> Result<document::TomlNode, InputProblem> {
    let mut root = document::parse(text)?;
    overrides::apply(&mut root, sets)?;
    Ok(root)
}

fn read(root: &document::TomlNode, folder: &Path) -> Result<Experiment, InputProblem> {
    let top = Section::open(root, "", &keys::TOP)?;
    let name = label::name(&top.required("name")?)?;
    let data = data::read(&top.required("data")?.section()?, folder)?;
    let network = network::read(&top.required("network")?.section()?, folder, &data)?;
    if let DataSpec::Rows(rows) = &data
        && rows.scales_targets()
        && network.loss != Loss::Squared
    {
        let message =
            "`data.standardize_targets` is true, and only the squared loss fits scaled targets";
        return Err(top
            .problem(message)
            .hint("leave it out, or set network.loss = \"squared\""));
    }
    if matches!(data, DataSpec::Gram(_)) && network.loss != Loss::Squared {
        return Err(top
            .problem(
                "`network.loss` is one of classes, which needs the rows: second moments (data.kind = \"gram\") \
                 determine the gradients of the squared loss alone",
            )
            .hint("read the rows with data.kind = \"file\""));
    }
    let entries = top.required("dynamics")?;
    let dynamics = dynamics::read_all(&entries, network.loss)?;
    for (item, one) in entries.list()?.iter().zip(&dynamics) {
        check_rows(item, one, &data)?;
    }
    let run = run::read(&top.required("run")?.section()?, &dynamics)?;
    if run.force_balance.is_some() && network.loss != Loss::Squared {
        return Err(top
            .problem("`run.force_balance` weighs the forces of the squared loss")
            .hint("leave it out"));
    }
    Ok(Experiment {
        name,
        data,
        network,
        dynamics,
        run,
    })
}

/// Refuses what needs rows, or more rows, than the data have.
fn check_rows(item: &Field, one: &DynamicsSpec, data: &DataSpec) -> Result<(), InputProblem> {
    let DynamicsSpec::Descent(descent) = one else {
        return Ok(());
    };
    let is_gram = matches!(data, DataSpec::Gram(_));
    let samples = match data {
        DataSpec::Rows(RowData::Gaussian { data, .. }) => data.samples,
        _ => u64::MAX,
    };
    for noise in &descent.noise {
        match noise {
            Noise::MiniBatch { .. } if is_gram => {
                return Err(item
                    .problem(format!(
                        "of kind \"{}\" draws mini-batches of rows, and data.kind = \"gram\" has no rows",
                        descent.kind
                    ))
                    .hint(WITHOUT_ROWS));
            }
            Noise::LabelNoise {
                distribution: LabelNoise::Rademacher,
                ..
            } if is_gram => {
                return Err(item
                    .problem("has label noise of \"rademacher\", which needs the rows, and data.kind = \"gram\" has none")
                    .hint(WITHOUT_ROWS));
            }
            Noise::MiniBatch {
                batch_size,
                sampling,
            } if *batch_size > samples && *sampling != Sampling::WithReplacement => {
                return Err(item
                    .problem(format!(
                        "draws too many rows: `batch_size` is {batch_size}, but there are only {samples} rows (data.samples)"
                    ))
                    .hint(exact::REPLACED));
            }
            _ => {}
        }
    }
    Ok(())
}

const WITHOUT_ROWS: &str = "read the rows with data.kind = \"file\", or use \
     \"label-noise-gradient-descent\" (Gaussian) or \"stochastic-gradient-flow\"";

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;

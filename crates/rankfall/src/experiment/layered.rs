//! An experiment whose network is given by `layers`: any depth, activation, loss and noise.
//!
//! It has sections of its own ([`keys`]), and readers like those of the other experiments. Two
//! linear layers that the exact engine can take become one of those ([`reducible`]).

mod data;
mod dynamics;
pub mod keys;
mod network;
mod reducible;
mod resolved;
mod run;

pub use data::{HeldOut, LayeredData, Pictures, PicturesFrom, TeacherData, WrittenRows};
pub use dynamics::{LayeredDynamics, SchedulePlaces, SchedulePlan};
pub use network::{Engine, InitChoice, LayeredNetwork};
pub use reducible::to_exact;
pub use run::{LayeredRun, Length, MeasureChoice};

use super::document::{Node, Problem, Value};
use super::section::{Field, Section};
use crate::failure::Failure;
use crate::save_plan::{save_steps, step_count};
use std::path::Path;

/// A validated experiment on a network given by its layers.
#[derive(Clone, Debug, PartialEq)]
pub struct LayeredExperiment {
    /// A label, safe as the name of a folder.
    pub name: String,
    /// Where the data come from.
    pub data: LayeredData,
    /// The network, its start and its loss.
    pub network: LayeredNetwork,
    /// The descents, in file order, with distinct labels.
    pub dynamics: Vec<LayeredDynamics>,
    /// How long, how often, and what is measured.
    pub run: LayeredRun,
}

/// Whether the network of a file is given by `layers`.
pub fn is_layered(root: &Node) -> bool {
    let field = |node: &Node, name: &str| match &node.value {
        Value::Table(entries) => entries
            .iter()
            .find(|e| e.key == name)
            .map(|e| e.node.clone()),
        _ => None,
    };
    let network = field(root, "network");
    network.is_some_and(|network| field(&network, "layers").is_some())
}

/// Validates an experiment given as a tree of values.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(root: &Node, folder: &Path) -> Result<LayeredExperiment, Problem> {
    refuse_sweep(root)?;
    let top = Section::open(root, "", &keys::TOP)?;
    let name = super::name(&top.required("name", "name = \"deep\"")?)?;
    let data = top.required("data", "[data] with kind = \"gaussian\"")?;
    let data = data::read(&data, folder)?;
    let network = top.required("network", "[network] with layers = [5, 10, 2]")?;
    let network = network::read(&network.section(&keys::NETWORK)?, folder)?;
    if data.scales_targets() && network.loss != rankfall_nets::loss::Loss::Squared {
        let message =
            "`data.standardize_targets` is true, and only the squared loss fits scaled targets";
        return Err(top
            .problem(message)
            .hint("leave it out, or set network.loss = \"squared\""));
    }
    let dynamics = top.required("dynamics", "[[dynamics]] with kind = \"sgd\"")?;
    let dynamics = dynamics::read_all(&dynamics)?;
    let run = top.required("run", "[run] with steps = 1000")?;
    let run = run::read(&run.section(&keys::RUN)?)?;
    run.length.check(&top, &dynamics)?;
    Ok(LayeredExperiment {
        name,
        data,
        network,
        dynamics,
        run,
    })
}

/// Sweeps are for the exact engine.
fn refuse_sweep(root: &Node) -> Result<(), Problem> {
    let Value::Table(entries) = &root.value else {
        return Ok(());
    };
    match entries.iter().find(|e| e.key == "sweep") {
        None => Ok(()),
        Some(entry) => Err(Problem::new(
            &entry.origin,
            "sweeps are for networks given by `network.width`, not by `network.layers`",
        )
        .hint("leave [sweep] out, and run the file once for each value with --set")),
    }
}

impl LayeredExperiment {
    /// The resolved copy: every default written out, paths absolute; it reads back as `self`.
    pub fn resolved_toml(&self) -> String {
        resolved::toml(self)
    }

    /// Steps of the `index`-th dynamics on `rows` rows of training data.
    ///
    /// # Errors
    /// Exit code 2 for more steps than can be counted.
    pub fn steps(&self, index: usize, rows: u64) -> Result<u64, Failure> {
        let dynamics = &self.dynamics[index];
        let steps = match self.run.length {
            Length::Steps(steps) => Some(steps),
            Length::Time(time) => step_count(time, dynamics.step_size),
            Length::Epochs(epochs) => {
                let batch = dynamics.batch_size().unwrap_or(rows).max(1);
                let per_epoch = rows.div_ceil(batch).max(1);
                epochs.checked_mul(per_epoch).filter(|&n| n <= 1 << 53)
            }
        };
        steps.ok_or_else(|| {
            Failure::input(format!("dynamics.{index} would take more than 2^53 steps"))
                .hint("shorten the run")
        })
    }

    /// The steps at which the `index`-th dynamics saves on `rows` rows: 0 first, the last step last.
    ///
    /// # Errors
    /// Exit code 2 for more steps than can be counted.
    pub fn save_steps(&self, index: usize, rows: u64) -> Result<Vec<u64>, Failure> {
        let steps = self.steps(index, rows)?;
        let plan = &self.run.save;
        let found = match self.run.length {
            Length::Time(time) => {
                let sizes = self.dynamics.iter().map(|d| d.step_size);
                let longest = sizes.fold(0.0, f64::max);
                save_steps(plan, time, self.dynamics[index].step_size, longest)
            }
            _ => save_steps(plan, steps as f64, 1.0, 1.0),
        };
        Ok(found.unwrap_or_else(|| vec![0, steps]))
    }
}

/// One of the values that belong to the known names, in their order.
fn pick<T: Copy>(field: &Field, names: &'static [&'static str], all: &[T]) -> Result<T, Problem> {
    let chosen = field.choice(names)?;
    let place = names.iter().position(|name| *name == chosen);
    place
        .and_then(|place| all.get(place).copied())
        .ok_or_else(|| field.problem("is not known"))
}

/// The name of a value: the inverse of [`pick`].
fn name_of<T: PartialEq>(names: &'static [&'static str], all: &[T], value: &T) -> &'static str {
    let place = all.iter().position(|one| one == value);
    place
        .and_then(|place| names.get(place))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;

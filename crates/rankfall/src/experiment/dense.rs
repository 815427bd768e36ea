//! An experiment as the dense engine takes it: any network, moved by descents.

use super::data::{DataSpec, RowData};
use super::descent::Descent;
use super::dynamics::DynamicsSpec;
use super::network::NetworkSection;
use super::resolved;
use super::run::{Length, RunSpec};
use super::spec::Experiment;
use crate::failure::Failure;
use crate::save_plan::{save_steps, step_count};
use rankfall_nets::network as nets;

/// An experiment for the dense engine.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseExperiment {
    /// A label, safe as the name of a folder.
    pub name: String,
    /// Where the rows come from.
    pub data: RowData,
    /// The network, what it minimises, and how it starts.
    pub network: NetworkSection,
    /// The network with all its widths; inputs and outputs of data that are not read yet are 0
    /// until [`DenseExperiment::set_sizes`].
    pub spec: nets::NetworkSpec,
    /// The descents, in file order, with distinct labels.
    pub dynamics: Vec<Descent>,
    /// How long, how often, and what is measured.
    pub run: RunSpec,
}

impl From<&DenseExperiment> for Experiment {
    fn from(dense: &DenseExperiment) -> Self {
        let dynamics = dense.dynamics.iter().cloned();
        Experiment {
            name: dense.name.clone(),
            data: DataSpec::Rows(dense.data.clone()),
            network: dense.network.clone(),
            dynamics: dynamics.map(DynamicsSpec::Descent).collect(),
            run: dense.run.clone(),
        }
    }
}

impl DenseExperiment {
    /// The resolved copy: every default written out, paths absolute; it reads back as the same
    /// experiment.
    pub fn resolved_toml(&self) -> String {
        resolved::toml(&self.into())
    }

    /// Completes a network of which only the hidden width was given, once the data are read.
    pub fn set_sizes(&mut self, inputs: usize, outputs: usize) {
        self.spec = self.network.spec(Some([inputs, outputs]));
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
            Length::Epochs(epochs) => steps_of(epochs, dynamics.batch_size(), rows),
        };
        steps.ok_or_else(|| {
            Failure::input(format!("dynamics.{index} would take more than 2^53 steps"))
                .hint("shorten the run")
        })
    }

    /// The steps at which the `index`-th dynamics saves on `rows` rows: 0 first, the last step
    /// last.
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

/// Steps in so many passes through `rows` rows, by mini-batches or by all of them; none beyond 2⁵³.
pub(super) fn steps_of(epochs: u64, batch_size: Option<u64>, rows: u64) -> Option<u64> {
    let batch = batch_size.unwrap_or(rows).max(1);
    let per_epoch = rows.div_ceil(batch).max(1);
    epochs.checked_mul(per_epoch).filter(|&n| n <= 1 << 53)
}

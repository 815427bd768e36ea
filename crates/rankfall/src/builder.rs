//! Experiments from Rust: keys and values as in an experiment file, with names for the most common
//! ones.
//!
//! What is built goes through the one reader of experiment files, so that defaults, checks and
//! messages are those of a file.

use crate::experiment::Experiment;
use crate::failure::Failure;
use std::path::Path;
use toml::{Table, Value};

/// An experiment in the making.
#[derive(Clone, Debug)]
pub struct ExperimentBuilder {
    root: Table,
    /// `run.seed`, which may be larger than the numbers of a table of TOML.
    seed: Option<u64>,
}

/// One dynamics in the making.
#[derive(Clone, Debug)]
pub struct DynamicsBuilder {
    table: Table,
}

impl Experiment {
    /// An experiment of this name in the making, which is also its folder's below `runs/` where it
    /// is saved.
    pub fn builder(name: &str) -> ExperimentBuilder {
        let mut root = Table::new();
        root.insert("name".to_owned(), name.into());
        ExperimentBuilder { root, seed: None }
    }
}

impl ExperimentBuilder {
    /// Drawn data: `samples` rows of `inputs` standard normal inputs, and `outputs` from a linear
    /// teacher with standard normal entries.
    #[must_use]
    pub fn gaussian(self, samples: u64, inputs: u64, outputs: u64) -> Self {
        self.set("data.kind", "gaussian")
            .set("data.samples", samples as i64)
            .set("data.inputs", inputs as i64)
            .set("data.outputs", outputs as i64)
    }

    /// A table in a file, CSV, NPY, NPZ or Parquet, and its columns to predict.
    #[must_use]
    pub fn file(self, path: &str, targets: &[&str]) -> Self {
        let targets: Vec<Value> = targets.iter().map(|&name| name.into()).collect();
        self.set("data.kind", "file")
            .set("data.path", path)
            .set("data.targets", targets)
    }

    /// Two linear layers with this many hidden units.
    #[must_use]
    pub fn width(self, width: u64) -> Self {
        self.set("network.width", width as i64)
    }

    /// A network of these widths, inputs first.
    #[must_use]
    pub fn layers(self, widths: &[u64]) -> Self {
        let widths: Vec<Value> = widths.iter().map(|&width| (width as i64).into()).collect();
        self.set("network.layers", widths)
    }

    /// One more dynamics.
    #[must_use]
    pub fn dynamics(mut self, dynamics: DynamicsBuilder) -> Self {
        let list = self.root.entry("dynamics").or_insert(Value::Array(vec![]));
        if let Value::Array(list) = list {
            list.push(Value::Table(dynamics.table));
        }
        self
    }

    /// The end of the time axis, t.
    #[must_use]
    pub fn time(self, time: f64) -> Self {
        self.set("run.time", time)
    }

    /// Steps of each dynamics, in place of a time.
    #[must_use]
    pub fn steps(self, steps: u64) -> Self {
        self.set("run.steps", steps as i64)
    }

    /// How many trajectories of each dynamics.
    #[must_use]
    pub fn trajectories(self, trajectories: u64) -> Self {
        self.set("run.trajectories", trajectories as i64)
    }

    /// What all random draws are keyed by.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many times things are measured, after t = 0.
    #[must_use]
    pub fn save_points(self, points: u64) -> Self {
        self.set("run.save.points", points as i64)
    }

    /// Any key of an experiment file by its dotted path, such as `network.init.kind`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        if ["run", "run.seed"].contains(&key) {
            self.seed = None;
        }
        put(&mut self.root, key, value.into());
        self
    }

    /// The experiment, checked as a file would be. Relative paths start in the current folder.
    ///
    /// # Errors
    /// What is wrong with it, by its key, and what to do.
    pub fn build(&self) -> Result<Experiment, Failure> {
        let text = toml::to_string(&self.root).map_err(|error| {
            Failure::input(format!("the experiment cannot be written: {error}"))
        })?;
        let seed = self.seed.map(|seed| format!("run.seed={seed}"));
        let sets: Vec<String> = seed.into_iter().collect();
        Experiment::from_toml(&text, "the experiment", Path::new(""), &sets)
    }
}

impl DynamicsBuilder {
    fn of(label: &str, kind: &str) -> Self {
        let mut table = Table::new();
        table.insert("label".to_owned(), label.into());
        table.insert("kind".to_owned(), kind.into());
        Self { table }
    }

    /// Gradient flow.
    #[must_use]
    pub fn gradient_flow(label: &str) -> Self {
        Self::of(label, "gradient-flow")
    }

    /// Stochastic gradient flow.
    #[must_use]
    pub fn stochastic_gradient_flow(label: &str) -> Self {
        Self::of(label, "stochastic-gradient-flow")
    }

    /// Gradient descent on all rows.
    #[must_use]
    pub fn gradient_descent(label: &str) -> Self {
        Self::of(label, "gradient-descent")
    }

    /// Gradient descent on all rows with noise on the labels.
    #[must_use]
    pub fn label_noise_gradient_descent(label: &str) -> Self {
        Self::of(label, "label-noise-gradient-descent")
    }

    /// Stochastic gradient descent.
    #[must_use]
    pub fn sgd(label: &str) -> Self {
        Self::of(label, "sgd")
    }

    /// η.
    #[must_use]
    pub fn step_size(self, step_size: f64) -> Self {
        self.set("step_size", step_size)
    }

    /// δ, a variance.
    #[must_use]
    pub fn label_noise(self, variance: f64) -> Self {
        self.set("label_noise", variance)
    }

    /// Rows of a mini-batch.
    #[must_use]
    pub fn batch_size(self, rows: u64) -> Self {
        self.set("batch_size", rows as i64)
    }

    /// What a force on the logarithms of the eigenvalues is multiplied by: `"repulsion"`,
    /// `"gradient"`, `"own_noise"`, `"common_growth"` or `"common_decay"`.
    #[must_use]
    pub fn force(self, force: &str, scale: f64) -> Self {
        self.set(&format!("forces.{force}"), scale)
    }

    /// How the forces are split: `"regular"` (the default), into common growth and a repulsion that
    /// leaves large eigenvalues alone, or `"antisymmetric"`, into common decay and a repulsion that
    /// sums to zero.
    #[must_use]
    pub fn force_split(self, split: &str) -> Self {
        self.set("forces.split", split)
    }

    /// Any key of `[[dynamics]]` by its dotted path.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        put(&mut self.table, key, value.into());
        self
    }
}

/// Puts a value where a dotted path says, making tables on the way. What is in the way and no table
/// is replaced; the reader refuses keys that are not known.
fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((first, rest)) => {
            let below = table.entry(first).or_insert(Value::Table(Table::new()));
            if !below.is_table() {
                *below = Value::Table(Table::new());
            }
            if let Value::Table(below) = below {
                put(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_can_be_given_and_the_last_counts() {
        let builder = Experiment::builder("seeds")
            .gaussian(10, 3, 2)
            .width(4)
            .dynamics(DynamicsBuilder::gradient_flow("GF"))
            .time(1.0);
        let seed = |builder: ExperimentBuilder| builder.build().unwrap().run.seed;
        let largest = builder.seed(u64::MAX);
        assert_eq!(seed(largest.clone()), u64::MAX);
        assert_eq!(seed(largest.clone().set("run.seed", 5)), 5);
        assert_eq!(seed(largest.set("run.seed", 5).seed(7)), 7);
    }
}

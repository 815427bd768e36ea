//! Which engine runs an experiment, and why not the other.

use super::data::{DataSpec, HeldOut, RowData};
use super::dense::{DenseExperiment, steps_of};
use super::descent::Descent;
use super::document::{InputProblem, Origin, TomlNode, as_toml};
use super::dynamics::DynamicsSpec;
use super::exact::{ExactData, ExactExperiment, ExactInit, ExactNetwork};
use super::exact_dynamics::{ExactDynamics, classification, flips_of};
use super::keys::MOST_ROWS;
use super::network::{EngineChoice, InitSpec, NetworkSection, NetworkShape};
use super::resolved;
use super::run::{AccountSpec, Length, RunSpec};
use super::spec::Experiment;
use crate::failure::Failure;
use rankfall_core::model::dynamics::{Dynamics, Kind};
use rankfall_nets::activation::Activation;
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::Architecture;
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Precision;

/// The engine that runs an experiment, and the experiment as it takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineInput {
    /// Two linear layers and updates that act on them from the left: no approximation.
    Exact(Box<ExactExperiment>),
    /// Any network, and why it is not for the exact engine.
    Dense(Box<DenseExperiment>, String),
}

impl EngineInput {
    /// The name of the experiment.
    pub fn name(&self) -> &str {
        match self {
            Self::Exact(exact) => &exact.name,
            Self::Dense(dense, _) => &dense.name,
        }
    }

    /// Labels of the dynamics, in file order.
    pub fn labels(&self) -> Vec<&str> {
        match self {
            Self::Exact(exact) => exact.dynamics.iter().map(|d| d.label.as_str()).collect(),
            Self::Dense(dense, _) => dense.dynamics.iter().map(|d| d.label.as_str()).collect(),
        }
    }

    /// How long, how often, and what is measured and kept.
    pub fn run(&self) -> &RunSpec {
        match self {
            Self::Exact(exact) => &exact.run,
            Self::Dense(dense, _) => &dense.run,
        }
    }

    /// The same, to be changed.
    pub fn run_mut(&mut self) -> &mut RunSpec {
        match self {
            Self::Exact(exact) => &mut exact.run,
            Self::Dense(dense, _) => &mut dense.run,
        }
    }

    /// The resolved copy: every default written out, paths absolute; it reads back as the same
    /// experiment.
    pub fn resolved_toml(&self) -> String {
        match self {
            Self::Exact(exact) => exact.resolved_toml(),
            Self::Dense(dense, _) => dense.resolved_toml(),
        }
    }
}

/// A key with a value that one of the engines does not have.
struct Obstacle {
    /// Its dotted path.
    key: String,
    /// What of its value it is, as TOML; none for all of it.
    value: Option<String>,
    /// Why, as a clause.
    why: String,
    /// What to do.
    hint: &'static str,
}

impl Obstacle {
    fn new(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: None,
            why: why.into(),
            hint: "leave it out",
        }
    }

    /// Of this part of its value alone.
    fn of_value(self, value: String) -> Self {
        let value = Some(value);
        Self { value, ..self }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }
}

/// Batches of the dense engine are held in memory.
const MOST_BATCH: u64 = 1 << 31;

impl Experiment {
    /// The engine that runs it: the exact one where it can, unless `network.engine` says otherwise.
    ///
    /// # Errors
    /// Exit code 2 where something is for the exact engine alone, and something else is not for it.
    pub fn engine(&self) -> Result<EngineInput, Failure> {
        self.engine_or_conflict()
            .map_err(|(_, problem)| problem.in_file("the experiment"))
    }

    /// The same for an experiment that was read from a tree of values.
    pub(crate) fn engine_at(&self, root: &TomlNode) -> Result<EngineInput, InputProblem> {
        self.engine_or_conflict()
            .map_err(|(key, problem)| InputProblem {
                origin: root.at(&key).origin.clone(),
                ..problem
            })
    }

    fn engine_or_conflict(&self) -> Result<EngineInput, (String, InputProblem)> {
        let (exact, obstacles) = self.to_exact();
        let [first, others @ ..] = &obstacles[..] else {
            return exact
                .map(|exact| EngineInput::Exact(Box::new(exact)))
                .ok_or_else(unknown);
        };
        let value = |of: &Obstacle| match &of.value {
            Some(value) => value.clone(),
            None => as_toml(resolved::tree(self).at(&of.key)),
        };
        if let Some(needs) = self.beyond_dense() {
            let message = format!(
                "`{}` is {}, {}; the exact engine cannot run this network: {} ({} = {})",
                needs.key,
                value(&needs),
                needs.why,
                first.why,
                first.key,
                value(first)
            );
            let problem = InputProblem::new(&Origin::Whole, message).hint(needs.hint);
            return Err((needs.key, problem));
        }
        let is_only =
            others.is_empty() && !["network.layers", "network.engine"].contains(&&*first.key);
        let why = match is_only {
            true => format!(
                "{}; the exact engine would run it but for {} = {}",
                first.why,
                first.key,
                value(first)
            ),
            false => first.why.clone(),
        };
        let dense = self.to_dense().ok_or_else(unknown)?;
        Ok(EngineInput::Dense(Box::new(dense), why))
    }

    /// The experiment for the exact engine, or what is in the way.
    fn to_exact(&self) -> (Option<ExactExperiment>, Vec<Obstacle>) {
        let mut obstacles = Vec::new();
        let network = exact_network(&self.network, &mut obstacles);
        let data = exact_data(&self.data, &mut obstacles);
        if self.has_one_output_for_two() {
            let why = "its one output stands for two classes";
            obstacles.push(Obstacle::new("network.layers", why));
        }
        let loss = self.network.loss;
        let dynamics = self.dynamics.iter().enumerate();
        let dynamics: Vec<ExactDynamics> = dynamics
            .filter_map(|(i, one)| match one {
                DynamicsSpec::Flow(flow) => Some(flow.clone()),
                DynamicsSpec::Descent(descent) => exact_descent(i, descent, loss, &mut obstacles),
            })
            .collect();
        if let Some(more) = resolved::more_measured(&self.run.measure) {
            let why = "run.measure asks for what only it measures";
            obstacles.push(Obstacle::new("run.measure", why).of_value(more));
        }
        if self.run.save_weights.is_some() {
            let why = "only the dense engine saves weights on the way";
            obstacles.push(Obstacle::new("run.save_weights", why));
        }
        let time = self.time();
        if time.is_none() {
            let key = match self.run.length {
                Length::Epochs(_) => "run.epochs",
                Length::Steps(_) => "run.steps",
                Length::Time(_) => "run.time",
            };
            let why = "its dynamics have no time in common that is known before the data are read";
            obstacles.push(Obstacle::new(key, why));
        }
        let exact = || {
            Some(ExactExperiment {
                name: self.name.clone(),
                data: data?,
                network: network?,
                dynamics,
                time: time?,
                run: self.run.clone(),
            })
        };
        (exact(), obstacles)
    }

    /// Whether one output stands for the two classes of a table; the exact engine has one for each.
    fn has_one_output_for_two(&self) -> bool {
        matches!(&self.data, DataSpec::Rows(RowData::File { table, .. }) if table.one_hot)
            && matches!(&self.network.shape, NetworkShape::Layers(layers) if layers.last() == Some(&1))
            && self.network.loss == Loss::Logistic
    }

    /// The end of the time axis, where all dynamics have one that is known.
    fn time(&self) -> Option<f64> {
        let samples = match &self.data {
            DataSpec::Rows(rows) => rows.samples(),
            DataSpec::Gram(_) => None,
        };
        let end = |one: &DynamicsSpec| {
            let steps = match self.run.length {
                Length::Time(time) => return Some(time),
                Length::Steps(steps) => steps,
                Length::Epochs(epochs) => steps_of(epochs, one.batch_size(), samples?)?,
            };
            Some(steps as f64 * one.time_step()?)
        };
        let first = end(self.dynamics.first()?)?;
        let is_same = |one: &DynamicsSpec| end(one) == Some(first);
        self.dynamics.iter().all(is_same).then_some(first)
    }

    /// What the dense engine does not have, if anything.
    fn beyond_dense(&self) -> Option<Obstacle> {
        let no = |key: &str, why: &str| Some(Obstacle::new(key, why));
        for (i, one) in self.dynamics.iter().enumerate() {
            if let DynamicsSpec::Flow(_) = one {
                let why = "and flows are there for two linear layers (as network.width = 10 gives)";
                let hint = "of other networks a descent with a small step_size comes near it";
                return Some(Obstacle::new(format!("dynamics.{i}.kind"), why).hint(hint));
            }
            if one.batch_size() > Some(MOST_BATCH) {
                let why = "and the dense engine holds batches in memory";
                let key = format!("dynamics.{i}.batch_size");
                return Some(Obstacle::new(key, why).hint("at most 2^31 rows"));
            }
        }
        match &self.data {
            DataSpec::Gram(_) => {
                let no = Obstacle::new("data.kind", "and the dense engine needs the rows");
                return Some(no.hint("read the rows with kind = \"file\""));
            }
            DataSpec::Rows(RowData::Gaussian { data, .. }) if data.each_trajectory => {
                let why = "and the dense engine has it for a teacher network alone";
                let hint = "kind = \"teacher\" with teacher = { layers = [5, 2], init = { kind = \"gaussian\" } }";
                return Some(Obstacle::new("data.each_trajectory", why).hint(hint));
            }
            DataSpec::Rows(RowData::Gaussian { data, .. }) if data.samples > MOST_ROWS => {
                let why = "and the dense engine holds rows in memory";
                return Some(Obstacle::new("data.samples", why).hint("at most 2^32 rows"));
            }
            DataSpec::Rows(_) => {}
        }
        if self.network.smallest_singular_value.is_some() {
            let key = "network.init.smallest_singular_value";
            return no(key, "and only the exact engine sets singular values");
        }
        if !self.run.reductions {
            return no("run.reductions", "and the dense engine makes none");
        }
        if self.run.force_balance.is_some() {
            let why = "and it weighs forces of the stochastic gradient flow";
            return no("run.force_balance", why);
        }
        match self.run.account {
            AccountSpec::Off | AccountSpec::Grid(None) => None,
            _ => {
                let why = "and it accounts for the log det of two linear layers";
                no("run.account", why)
            }
        }
    }

    fn to_dense(&self) -> Option<DenseExperiment> {
        let DataSpec::Rows(data) = &self.data else {
            return None;
        };
        let descents = self.dynamics.iter().map(|one| match one {
            DynamicsSpec::Flow(_) => None,
            DynamicsSpec::Descent(descent) => Some(descent.clone()),
        });
        Some(DenseExperiment {
            name: self.name.clone(),
            data: data.clone(),
            network: self.network.clone(),
            spec: self.network.spec(data.sizes()),
            dynamics: descents.collect::<Option<_>>()?,
            run: self.run.clone(),
        })
    }
}

/// What cannot be: something is in the way of each engine that has a form.
fn unknown() -> (String, InputProblem) {
    let message = "no engine runs this experiment";
    (String::new(), InputProblem::new(&Origin::Whole, message))
}

fn exact_network(network: &NetworkSection, obstacles: &mut Vec<Obstacle>) -> Option<ExactNetwork> {
    let width = network.shape.hidden();
    let each_trajectory = network.each_trajectory;
    let init = match &network.init {
        InitSpec::Drawn(WeightInitialisation::Gaussian { scale }) => Some(ExactInit::Gaussian {
            scale: *scale,
            smallest_singular_value: network.smallest_singular_value,
            each_trajectory,
        }),
        InitSpec::Drawn(WeightInitialisation::Balanced { scale }) => Some(ExactInit::Balanced {
            scale: *scale,
            each_trajectory,
        }),
        InitSpec::File { path, checksum } => Some(ExactInit::File {
            path: path.clone(),
            checksum: checksum.clone(),
        }),
        InitSpec::Drawn(_) => None,
    };
    let mut no = |key: &str, why: &str| obstacles.push(Obstacle::new(key, why));
    if width.is_none() {
        no("network.layers", "it has not two layers");
    }
    if network.engine == EngineChoice::Dense {
        no("network.engine", "network.engine asks for it");
    }
    if network.activation != Activation::Linear {
        no("network.activation", "its layers are not linear");
    }
    if network.bias {
        no("network.bias", "its layers have biases");
    }
    if network.kind != Architecture::Dense {
        no("network.kind", "its layers are diagonal");
    }
    if network.precision != Precision::F64 {
        no("network.precision", "it is in single precision");
    }
    match init {
        Some(ExactInit::Gaussian { scale, .. } | ExactInit::Balanced { scale, .. })
            if scale <= 0.0 =>
        {
            no("network.init.scale", "its weights start at zero");
        }
        None => no("network.init.kind", "its weights do not start Gaussian"),
        _ => {}
    }
    Some(ExactNetwork {
        width: width?,
        loss: network.loss,
        init: init?,
        shape: network.shape.clone(),
    })
}

fn exact_data(data: &DataSpec, obstacles: &mut Vec<Obstacle>) -> Option<ExactData> {
    let is_out = "a part of its data is held out";
    let (key, why) = match data {
        DataSpec::Gram(gram) => return Some(ExactData::Gram(gram.clone())),
        DataSpec::Rows(RowData::Gaussian { data, held_out: 0 }) => {
            return Some(ExactData::Gaussian(data.clone()));
        }
        DataSpec::Rows(RowData::File {
            table,
            held_out: HeldOut::Rows(0),
        }) => return Some(ExactData::File(table.clone())),
        DataSpec::Rows(RowData::File {
            held_out: HeldOut::File(_),
            ..
        }) => ("data.test_path", is_out),
        DataSpec::Rows(RowData::Gaussian { .. } | RowData::File { .. }) => {
            ("data.held_out", is_out)
        }
        DataSpec::Rows(_) => ("data.kind", "only the dense engine has data of this kind"),
    };
    obstacles.push(Obstacle::new(key, why));
    None
}

/// The same descent, if each of its steps acts on Θ from the left and the exact engine has it.
fn exact_descent(
    index: usize,
    one: &Descent,
    loss: Loss,
    obstacles: &mut Vec<Obstacle>,
) -> Option<ExactDynamics> {
    let label = &one.label;
    let before = obstacles.len();
    let of = |key: &str, why: String| Obstacle::new(format!("dynamics.{index}.{key}"), why);
    if !one.schedule.is_constant() {
        obstacles.push(of("schedule", format!("the step size of {label} changes")));
    }
    if one.adam.is_some() {
        let why = format!("{label} is Adam, which does not act on the layers from the left");
        obstacles.push(of("adam", why));
    }
    if let Some(hours) = one.hours.first() {
        let why = format!("a noise of {label} is switched on or off");
        let shown = resolved::one_noise(&one.noise[hours.noise], Some(hours));
        obstacles.push(of("noise", why).of_value(shown));
    }
    let (mut batches, mut labels, mut flips) = (None, None, None);
    let is_squared = loss == Loss::Squared;
    for noise in &one.noise {
        match noise {
            Noise::MiniBatch {
                batch_size,
                sampling,
            } => batches = Some((*batch_size, *sampling)),
            Noise::LabelNoise {
                variance,
                distribution,
            } if is_squared => labels = Some((*variance, *distribution)),
            Noise::LabelFlips { .. } if !is_squared => flips = flips_of(noise),
            other => {
                let with = match other {
                    Noise::LabelNoise { .. } => " with classes",
                    Noise::LabelFlips { .. } => " with the squared loss",
                    _ => "",
                };
                let why = format!(
                    "{} of {label} is not among the noises that the exact engine has{with}",
                    other.name()
                );
                obstacles.push(of("noise", why).of_value(resolved::one_noise(other, None)));
            }
        }
    }
    let (label_noise, distribution) = labels.unwrap_or_default();
    let is_noisy =
        label_noise > 0.0 || flips.is_some() || one.kind == "label-noise-gradient-descent";
    let kind = match batches {
        Some((batch_size, sampling)) => Kind::StochasticGradientDescent {
            batch_size,
            sampling,
            distribution,
        },
        None if is_noisy => Kind::LabelNoiseGradientDescent { distribution },
        None => Kind::GradientDescent,
    };
    (obstacles.len() == before).then(|| ExactDynamics {
        label: label.clone(),
        dynamics: Dynamics {
            kind,
            step_size: one.step_size,
            label_noise,
            optimizer: one.optimizer,
            classes: classification(loss, flips),
        },
        time_step: one.step_size,
        automatic_time_step: false,
    })
}

//! Which engine runs an experiment, and why not the other.

use super::data::{DataSpec, HeldOut, RowData};
use super::dense::{DenseExperiment, steps_of};
use super::descent::Descent;
use super::document::{InputProblem, TomlNode};
use super::dynamics::DynamicsSpec;
use super::exact::{ExactData, ExactExperiment, ExactInit, ExactNetwork};
use super::exact_dynamics::{ExactDynamics, classification, flips_of};
use super::keys::{self, MOST_ROWS};
use super::network::{EngineChoice, InitSpec, NetworkSection, NetworkShape};

use super::resolved;
use super::run::{AccountSpec, Length, MeasureChoice, RunSpec};
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
    /// Its value, as TOML.
    value: String,
    /// Why, as a clause.
    why: String,
    /// What to do.
    hint: &'static str,
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
        let is_only =
            others.is_empty() && !["network.layers", "network.engine"].contains(&&*first.key);
        let only = match is_only {
            true => format!(
                "; the exact engine would run it but for {} = {}",
                first.key, first.value
            ),
            false => String::new(),
        };
        if let Some(needs) = self.beyond_dense().into_iter().next() {
            let message = format!(
                "`{}` is {}, {}; the exact engine cannot run this network: {} ({} = {})",
                needs.key, needs.value, needs.why, first.why, first.key, first.value
            );
            let problem =
                InputProblem::new(&super::document::Origin::Whole, message).hint(needs.hint);
            return Err((needs.key, problem));
        }
        let dense = self.to_dense().ok_or_else(unknown)?;
        Ok(EngineInput::Dense(
            Box::new(dense),
            format!("{}{only}", first.why),
        ))
    }

    /// The experiment for the exact engine, or what is in the way.
    fn to_exact(&self) -> (Option<ExactExperiment>, Vec<Obstacle>) {
        let mut obstacles = Vec::new();
        let network = exact_network(&self.network, &mut obstacles);
        let data = exact_data(&self.data, &mut obstacles);
        one_output_for_two(&self.data, &self.network, &mut obstacles);
        let dynamics = self.dynamics.iter().enumerate();
        let dynamics: Vec<ExactDynamics> = dynamics
            .filter_map(|(i, one)| match one {
                DynamicsSpec::Flow(flow) => Some(flow.clone()),
                DynamicsSpec::Descent(descent) => {
                    exact_descent(i, descent, self.network.loss, &mut obstacles)
                }
            })
            .collect();
        measured_by_both(&self.run.measure, &mut obstacles);
        if let Some(weights) = &self.run.save_weights {
            let why = "only the dense engine saves weights on the way";
            let shown = resolved::save_weights(weights);
            obstacles.push(obstacle("run.save_weights", shown, why));
        }
        let time = self.time();
        if time.is_none() {
            let (key, value) = match self.run.length {
                Length::Epochs(epochs) => ("epochs", epochs.to_string()),
                Length::Steps(steps) => ("steps", steps.to_string()),
                Length::Time(time) => ("time", resolved::float(time)),
            };
            let why = "its dynamics have no time in common that is known before the data are read";
            obstacles.push(obstacle(&format!("run.{key}"), value, why));
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

    /// What the dense engine does not have.
    fn beyond_dense(&self) -> Vec<Obstacle> {
        let mut found = Vec::new();
        let mut add = |key: &str, value: String, why: &str, hint| {
            found.push(Obstacle {
                hint,
                ..obstacle(key, value, why)
            });
        };
        for (i, one) in self.dynamics.iter().enumerate() {
            let key = |name: &str| format!("dynamics.{i}.{name}");
            match one {
                DynamicsSpec::Flow(_) => add(
                    &key("kind"),
                    resolved::text(one.kind()),
                    "and flows are there for two linear layers (as network.width = 10 gives)",
                    "of other networks a descent with a small step_size comes near it",
                ),
                DynamicsSpec::Descent(descent) => {
                    let batch = descent.batch_size().filter(|size| *size > MOST_BATCH);
                    if let Some(size) = batch {
                        let why = "and the dense engine holds batches in memory";
                        add(
                            &key("batch_size"),
                            size.to_string(),
                            why,
                            "at most 2^31 rows",
                        );
                    }
                }
            }
        }
        match &self.data {
            DataSpec::Gram(_) => add(
                "data.kind",
                resolved::text("gram"),
                "and the dense engine needs the rows",
                "read the rows with kind = \"file\"",
            ),
            DataSpec::Rows(RowData::Gaussian { data, .. }) => {
                if data.each_trajectory {
                    let why = "and the dense engine has it for a teacher network alone";
                    let hint = "kind = \"teacher\" with teacher = { layers = [5, 2], init = { kind = \"gaussian\" } }";
                    add("data.each_trajectory", "true".to_owned(), why, hint);
                }
                if data.samples > MOST_ROWS {
                    let why = "and the dense engine holds rows in memory";
                    add(
                        "data.samples",
                        data.samples.to_string(),
                        why,
                        "at most 2^32 rows",
                    );
                }
            }
            DataSpec::Rows(_) => {}
        }
        if let Some(smallest) = self.network.smallest_singular_value {
            let why = "and only the exact engine sets singular values";
            let key = "network.init.smallest_singular_value";
            add(key, resolved::float(smallest), why, "leave it out");
        }
        if !self.run.reductions {
            let why = "and the dense engine makes none";
            add("run.reductions", "false".to_owned(), why, "leave it out");
        }
        if self.run.force_balance.is_some() {
            let why = "and it weighs forces of the stochastic gradient flow";
            add("run.force_balance", "true".to_owned(), why, "leave it out");
        }
        let asked = match self.run.account {
            AccountSpec::Off | AccountSpec::Grid(None) => None,
            AccountSpec::Grid(Some(stride)) => Some(format!("{{ stride = {stride} }}")),
            AccountSpec::Exact => Some(resolved::text("exact")),
        };
        if let Some(asked) = asked {
            let why = "and it accounts for the log det of two linear layers";
            add("run.account", asked, why, "leave it out");
        }
        found
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

fn obstacle(key: &str, value: String, why: &str) -> Obstacle {
    Obstacle {
        key: key.to_owned(),
        value,
        why: why.to_owned(),
        hint: "",
    }
}

/// What cannot be: something is in the way of each engine that has a form.
fn unknown() -> (String, InputProblem) {
    let message = "no engine runs this experiment";
    let origin = super::document::Origin::Whole;
    (String::new(), InputProblem::new(&origin, message))
}

fn exact_network(network: &NetworkSection, obstacles: &mut Vec<Obstacle>) -> Option<ExactNetwork> {
    let mut no = |key: &str, value: String, why: &str| obstacles.push(obstacle(key, value, why));
    let width = network.shape.hidden();
    if let (None, NetworkShape::Layers(layers)) = (width, &network.shape) {
        let shown = resolved::list(layers, ToString::to_string);
        no("network.layers", shown, "it has not two layers");
    }
    if network.engine == EngineChoice::Dense {
        let why = "network.engine asks for it";
        no("network.engine", resolved::text("dense"), why);
    }
    if network.activation != Activation::Linear {
        let name = resolved::name_of(keys::ACTIVATIONS, &Activation::ALL, &network.activation);
        let why = "its layers are not linear";
        no("network.activation", resolved::text(name), why);
    }
    if network.bias {
        no("network.bias", "true".to_owned(), "its layers have biases");
    }
    if network.kind != Architecture::Dense {
        let why = "its layers are diagonal";
        no("network.kind", resolved::text("diagonal-linear"), why);
    }
    if network.precision != Precision::F64 {
        let why = "it is in single precision";
        no("network.precision", resolved::text("f32"), why);
    }
    let each_trajectory = network.each_trajectory;
    let init = match &network.init {
        InitSpec::Drawn(WeightInitialisation::Gaussian { scale }) if *scale > 0.0 => {
            Some(ExactInit::Gaussian {
                scale: *scale,
                smallest_singular_value: network.smallest_singular_value,
                each_trajectory,
            })
        }
        InitSpec::Drawn(WeightInitialisation::Balanced { scale }) if *scale > 0.0 => {
            Some(ExactInit::Balanced {
                scale: *scale,
                each_trajectory,
            })
        }
        InitSpec::File { path, checksum } => Some(ExactInit::File {
            path: path.clone(),
            checksum: checksum.clone(),
        }),
        InitSpec::Drawn(
            WeightInitialisation::Gaussian { .. } | WeightInitialisation::Balanced { .. },
        ) => {
            no(
                "network.init.scale",
                "0.0".to_owned(),
                "its weights start at zero",
            );
            None
        }
        InitSpec::Drawn(drawn) => {
            let kind = resolved::text(resolved::init_kind(drawn));
            no(
                "network.init.kind",
                kind,
                "its weights do not start Gaussian",
            );
            None
        }
    };
    Some(ExactNetwork {
        width: width?,
        loss: network.loss,
        init: init?,
        shape: network.shape.clone(),
    })
}

fn exact_data(data: &DataSpec, obstacles: &mut Vec<Obstacle>) -> Option<ExactData> {
    let mut no = |key: &str, value: String, why: &str| obstacles.push(obstacle(key, value, why));
    let is_out = "a part of its data is held out";
    match data {
        DataSpec::Gram(gram) => return Some(ExactData::Gram(gram.clone())),
        DataSpec::Rows(RowData::Gaussian { data, held_out: 0 }) => {
            return Some(ExactData::Gaussian(data.clone()));
        }
        DataSpec::Rows(RowData::File {
            table,
            held_out: HeldOut::Rows(0),
        }) => return Some(ExactData::File(table.clone())),
        DataSpec::Rows(
            RowData::Gaussian { held_out, .. }
            | RowData::File {
                held_out: HeldOut::Rows(held_out),
                ..
            },
        ) => no("data.held_out", held_out.to_string(), is_out),
        DataSpec::Rows(RowData::File {
            held_out: HeldOut::File(path),
            ..
        }) => no("data.test_path", resolved::path(path), is_out),
        DataSpec::Rows(rows) => {
            let why = "only the dense engine has data of this kind";
            no("data.kind", resolved::text(rows.kind()), why);
        }
    }
    None
}

/// What only the dense engine measures is in the way of the exact one.
fn measured_by_both(measure: &MeasureChoice, obstacles: &mut Vec<Obstacle>) {
    let default = resolved::measure_parts(&MeasureChoice::default());
    let asked = resolved::measure_parts(measure).into_iter();
    let more: Vec<String> = asked.filter(|part| !default.contains(part)).collect();
    if !more.is_empty() {
        let why = "run.measure asks for what only it measures";
        let shown = format!("{{ {} }}", more.join(", "));
        obstacles.push(obstacle("run.measure", shown, why));
    }
}

/// One output for two classes of a table is in the way of the exact engine, which has one for each.
fn one_output_for_two(data: &DataSpec, network: &NetworkSection, obstacles: &mut Vec<Obstacle>) {
    let DataSpec::Rows(RowData::File { table, .. }) = data else {
        return;
    };
    if let NetworkShape::Layers(layers) = &network.shape
        && layers.last() == Some(&1)
        && table.one_hot
        && network.loss == Loss::Logistic
    {
        let shown = resolved::list(layers, ToString::to_string);
        let why = "its one output stands for two classes";
        obstacles.push(obstacle("network.layers", shown, why));
    }
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
    if !one.schedule.is_constant() {
        let why = format!("the step size of {label} changes");
        let shown = resolved::schedule(&one.schedule);
        obstacles.push(obstacle(&format!("dynamics.{index}.schedule"), shown, &why));
    }
    let (mut batches, mut labels, mut flips) = (None, None, None);
    let is_squared = loss == Loss::Squared;
    if let Some(adam) = &one.adam {
        let why = format!("{label} is Adam, which does not act on the layers from the left");
        let shown = resolved::adam(adam);
        obstacles.push(obstacle(&format!("dynamics.{index}.adam"), shown, &why));
    }
    if let Some(hours) = one.hours.first() {
        let why = format!("a noise of {label} is switched on or off");
        let shown = format!(
            "[{}]",
            resolved::noise(&one.noise[hours.noise], Some(hours))
        );
        obstacles.push(obstacle(&format!("dynamics.{index}.noise"), shown, &why));
    }
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
                let name = other.name();
                let with = match other {
                    Noise::LabelNoise { .. } => " with classes",
                    Noise::LabelFlips { .. } => " with the squared loss",
                    _ => "",
                };
                let why = format!(
                    "{name} of {label} is not among the noises that the exact engine has{with}"
                );
                let shown = format!("[{}]", resolved::noise(other, None));
                obstacles.push(obstacle(&format!("dynamics.{index}.noise"), shown, &why));
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

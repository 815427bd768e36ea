//! The resolved copy of an experiment: as TOML with every default written out.

use super::data::{
    DataSpec, FileData, GaussianData, HeldOut, ImageData, ImageSource, LinearTeacher,
    NetworkTeacher, RowData,
};
use super::descent::{Descent, NoiseHours};
use super::document::{self, Origin, TableEntry, TomlNode, Value};
use super::dynamics::DynamicsSpec;
use super::exact_dynamics::{ExactDynamics, noise_of};
use super::network::{InitSpec, NetworkSection, NetworkShape};
use super::run::{AccountSpec, ForceBalanceSpec, Length, MeasureChoice, RunSpec};
use super::spec::Experiment;
use rankfall_core::model::dynamics::{ForceScales, ForceSplit, Kind};
use rankfall_data::{CifarLabels, ColumnSelector};
use rankfall_nets::noise::Noise;
use serde::Serialize;
use toml::ser::ValueSerializer;

/// The first line of every copy.
const HEAD: &str = "# The experiment as it was run: defaults written out, paths absolute.\n\n";

/// The rule for what starts the weights where nothing does.
const STARTS: &str = "\
# Where init is left out, two linear layers without biases and with squared loss start N(0, 1), and all other
# networks as PyTorch does.
";

/// The whole file.
pub fn toml(experiment: &Experiment) -> String {
    let line = |e: &TableEntry| format!("{} = {}\n", e.key, document::as_toml(&e.node));
    let lines = |node: &TomlNode| node.entries().iter().map(line).collect::<String>();
    let mut file = HEAD.to_owned();
    for entry in tree(experiment).entries() {
        let key = &entry.key;
        let starts = if key == "network" { STARTS } else { "" };
        file += &match &entry.node.value {
            Value::Table(_) => format!("\n{starts}[{key}]\n{}", lines(&entry.node)),
            Value::List(items) => {
                let table = |item: &TomlNode| format!("\n[[{key}]]\n{}", lines(item));
                items.iter().map(table).collect()
            }
            _ => line(entry),
        };
    }
    file
}

/// All of it as values.
pub(super) fn tree(experiment: &Experiment) -> TomlNode {
    let dynamics: Value = experiment.dynamics.iter().map(dynamics).collect();
    let file = Table::default()
        .with("name", experiment.name.as_str())
        .with("data", data(&experiment.data))
        .with("network", network(&experiment.network))
        .with("dynamics", dynamics)
        .with("run", run(&experiment.run));
    Value::from(file).into()
}

/// A table in the making.
#[derive(Default)]
struct Table(Vec<TableEntry>);

impl Table {
    /// One that begins with this kind.
    fn of_kind(kind: &str) -> Self {
        Self::default().with("kind", kind)
    }

    /// One with the keys of a value.
    fn of(value: &impl Serialize) -> Self {
        match value_of(value) {
            Value::Table(entries) => Self(entries),
            _ => Self::default(),
        }
    }

    /// With one more key.
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (key, value): (String, Value) = (key.to_owned(), value.into());
        let (node, origin) = (TomlNode::from(value), Origin::Whole);
        self.0.push(TableEntry { key, origin, node });
        self
    }

    /// With one more key, where it has a value.
    fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Self {
        Self::Table(table.0)
    }
}

/// A value in the words of its type: of an enum its name, of a struct a table.
fn value_of(value: &impl Serialize) -> Value {
    let mut text = String::new();
    // What is in an experiment was read from TOML, and can be written as that.
    let _ = value.serialize(ValueSerializer::new(&mut text));
    document::parse_value(&text, &|_| Origin::Whole).map_or(Value::from(""), |node| node.value)
}

fn data(data: &DataSpec) -> Table {
    let data = match data {
        DataSpec::Rows(data) => data,
        DataSpec::Gram(gram) => {
            return Table::of_kind("gram")
                .with("path", value_of(&gram.path))
                .with_some("checksum", gram.checksum.as_deref());
        }
    };
    let table = Table::of_kind(data.kind());
    match data {
        RowData::Gaussian { data, held_out } => gaussian(table, data).with("held_out", *held_out),
        RowData::Teacher(teacher) => network_teacher(table, teacher),
        RowData::Rows(written) => table
            .with("x", value_of(&written.x))
            .with("y", value_of(&written.y)),
        RowData::File {
            table: data,
            held_out,
        } => match held_out {
            HeldOut::Rows(rows) => file(table, data).with("held_out", *rows),
            HeldOut::File(other) => file(table, data).with("test_path", value_of(other)),
        },
        RowData::Bundled(data) => table
            .with("dataset", data.name)
            .with("standardize", data.standardize)
            .with("standardize_targets", data.standardize_targets)
            .with("held_out", data.held_out)
            .with_some("checksum", data.checksum.as_deref()),
        RowData::Images(data) => images(table, data),
    }
}

fn gaussian(table: Table, data: &GaussianData) -> Table {
    let table = table
        .with("samples", data.samples)
        .with("inputs", data.inputs as u64)
        .with("outputs", data.outputs as u64);
    let table = match &data.teacher {
        LinearTeacher::Gaussian => table,
        LinearTeacher::Rank(rank) => table.with("teacher_rank", *rank as u64),
        LinearTeacher::SingularValues(values) => {
            table.with("teacher_singular_values", value_of(values))
        }
    };
    table
        .with("covariance", value_of(&data.covariance))
        .with("residual_noise", data.residual_noise)
        .with_some("classes", data.classes.then_some(true))
        .with("each_trajectory", data.each_trajectory)
}

fn file(table: Table, data: &FileData) -> Table {
    let targets = (!data.targets.is_empty()).then(|| columns(&data.targets));
    let delimiter = data.delimiter.map(String::from);
    table
        .with("path", value_of(&data.path))
        .with_some("inputs", data.inputs.as_deref().map(columns))
        .with_some("targets", targets)
        .with_some("header", data.header)
        .with_some("delimiter", delimiter.as_deref())
        .with("one_hot", data.one_hot)
        .with("standardize", data.standardize)
        .with("standardize_targets", data.standardize_targets)
        .with_some("inputs_array", data.inputs_array.as_deref())
        .with_some("targets_array", data.targets_array.as_deref())
        .with_some("checksum", data.checksum.as_deref())
}

fn columns(columns: &[ColumnSelector]) -> Value {
    let column = |column: &ColumnSelector| match column {
        ColumnSelector::Name(name) => Value::from(name.as_str()),
        ColumnSelector::Position(at) => Value::from(*at as u64),
    };
    columns.iter().map(column).collect()
}

fn network_teacher(table: Table, teacher: &NetworkTeacher) -> Table {
    let spec = &teacher.spec;
    let network = Table::default()
        .with("layers", value_of(&spec.teacher.layers))
        .with("activation", value_of(&spec.teacher.activation))
        .with("bias", spec.teacher.bias)
        .with("unit_norm", spec.unit_norm)
        .with_some("relevant_inputs", spec.relevant_inputs.map(|n| n as u64))
        .with("init", value_of(&spec.weights));
    table
        .with("samples", spec.samples as u64)
        .with("held_out", spec.held_out as u64)
        .with("input_law", value_of(&spec.inputs))
        .with("residual_noise", spec.residual_noise)
        .with_some("observed", spec.observed)
        .with("each_trajectory", teacher.each_trajectory)
        .with("teacher", network)
}

fn images(table: Table, images: &ImageData) -> Table {
    let table = match &images.from {
        ImageSource::Packaged(name) => table.with("dataset", *name),
        ImageSource::Folder(folder) => table.with("folder", value_of(folder)),
        ImageSource::Idx { train, test } => {
            let [test_images, test_labels] = [0, 1].map(|at| Some(value_of(&test.as_ref()?[at])));
            table
                .with("images", value_of(&train[0]))
                .with("labels", value_of(&train[1]))
                .with_some("test_images", test_images)
                .with_some("test_labels", test_labels)
        }
        ImageSource::Cifar {
            files,
            test_files,
            labels,
        } => {
            let labels = match labels {
                CifarLabels::Ten => "ten",
                CifarLabels::Coarse => "coarse",
                CifarLabels::Fine => "fine",
            };
            table
                .with("files", value_of(files))
                .with("test_files", value_of(test_files))
                .with("labels", labels)
        }
    };
    table
        .with("standardize", images.standardize)
        .with_some("train_rows", images.train_rows)
        .with_some("test_rows", images.test_rows)
        .with_some("checksum", images.checksum.as_deref())
}

fn network(network: &NetworkSection) -> Table {
    let table = match &network.shape {
        NetworkShape::Width(width) => Table::default().with("width", *width),
        NetworkShape::Layers(layers) => Table::default().with("layers", value_of(layers)),
    };
    let init = match &network.init {
        InitSpec::Drawn(init) => Table::of(init)
            .with_some("smallest_singular_value", network.smallest_singular_value)
            .with("each_trajectory", network.each_trajectory),
        InitSpec::File {
            path: from,
            checksum,
        } => Table::of_kind("file")
            .with("path", value_of(from))
            .with_some("checksum", checksum.as_deref()),
    };
    table
        .with("kind", value_of(&network.kind))
        .with("activation", value_of(&network.activation))
        .with("bias", network.bias)
        .with("loss", value_of(&network.loss))
        .with("precision", value_of(&network.precision))
        .with("engine", value_of(&network.engine))
        .with("init", init)
}

fn dynamics(dynamics: &DynamicsSpec) -> Table {
    let table = Table::default()
        .with("label", dynamics.label())
        .with("kind", dynamics.kind());
    match dynamics {
        DynamicsSpec::Flow(flow) => self::flow(table, flow),
        DynamicsSpec::Descent(descent) => self::descent(table, descent),
    }
}

fn flow(table: Table, flow: &ExactDynamics) -> Table {
    let time_step = match flow.automatic_time_step {
        true => Value::from("auto"),
        false => Value::from(flow.time_step),
    };
    let table = table
        .with("step_size", flow.dynamics.step_size)
        .with("label_noise", flow.dynamics.label_noise)
        .with("time_step", time_step);
    let Kind::StochasticGradientFlow {
        integrator,
        batch_size,
        forces,
        brownian_substeps,
        ..
    } = &flow.dynamics.kind
    else {
        return table;
    };
    let scaled = (*forces != ForceScales::default()).then(|| force_table(forces));
    let classes = flow.dynamics.classes.as_ref();
    let flips = classes.and_then(|classes| classes.flips.as_ref());
    let noise = flips.map(|flips| {
        [noise(&noise_of(flips), None)]
            .into_iter()
            .collect::<Value>()
    });
    table
        .with("batch_size", *batch_size)
        .with("integrator", value_of(integrator))
        .with_some("forces", scaled)
        .with("brownian_substeps", u64::from(*brownian_substeps))
        .with_some("noise", noise)
}

fn descent(mut table: Table, one: &Descent) -> Table {
    table = table.with("step_size", one.step_size);
    // What stands at the beginning has keys of its own, and the others follow in their order.
    let mut first = 0;
    if let (
        "sgd",
        Some(Noise::MiniBatch {
            batch_size,
            sampling,
        }),
        None,
    ) = (one.kind, one.noise.first(), one.hours_of(0))
    {
        table = table
            .with("batch_size", *batch_size)
            .with("sampling", value_of(sampling));
        first = 1;
    }
    match one.noise.get(first) {
        Some(Noise::LabelNoise {
            variance,
            distribution,
        }) if one.kind != "gradient-descent"
            && *variance > 0.0
            && one.hours_of(first).is_none() =>
        {
            table = table
                .with("label_noise", *variance)
                .with("label_noise_distribution", value_of(distribution));
            first += 1;
        }
        _ => table = table.with("label_noise", 0.0),
    }
    let places = first..one.noise.len();
    let listed: Value = places
        .map(|place| noise(&one.noise[place], one.hours_of(place)))
        .collect();
    let schedule = Table::of(&one.schedule.shape).with("warm_up", one.schedule.warm_up);
    table
        .with("momentum", one.optimizer.momentum)
        .with("nesterov", one.optimizer.nesterov)
        .with("weight_decay", one.optimizer.weight_decay)
        .with_some("adam", one.adam.as_ref().map(value_of))
        .with("schedule", schedule)
        .with("noise", listed)
}

fn force_table(forces: &ForceScales) -> Table {
    let (split, common) = match forces.split {
        ForceSplit::Regular => (None, "common_growth"),
        ForceSplit::Antisymmetric => (Some("antisymmetric"), "common_decay"),
    };
    Table::default()
        .with_some("split", split)
        .with("gradient", forces.gradient)
        .with("own_noise", forces.own_noise)
        .with(common, forces.common)
        .with("repulsion", forces.repulsion)
}

/// A noise, and when it acts.
fn noise(noise: &Noise, hours: Option<&NoiseHours>) -> Table {
    let table = match noise {
        Noise::LabelFlips {
            matrix: Some(matrix),
            ..
        } => Table::of_kind(noise.name()).with("matrix", value_of(matrix)),
        _ => Table::of(noise),
    };
    table
        .with_some("from", hours.map(|hours| hours.from))
        .with_some("until", hours.and_then(|hours| hours.until))
}

/// A list of one noise as TOML.
pub(super) fn one_noise(one: &Noise, hours: Option<&NoiseHours>) -> String {
    let list: Value = [noise(one, hours)].into_iter().collect();
    document::as_toml(&list.into())
}

fn run(run: &RunSpec) -> Table {
    let (length, value) = match run.length {
        Length::Time(time) => ("time", Value::from(time)),
        Length::Steps(steps) => ("steps", Value::from(steps)),
        Length::Epochs(epochs) => ("epochs", Value::from(epochs)),
    };
    let on_a_grid = |stride: Option<u64>| match stride {
        Some(stride) => Table::default().with("stride", stride).into(),
        None => Value::from(true),
    };
    let balance = match run.force_balance {
        None => Value::from(false),
        Some(ForceBalanceSpec { stride }) => on_a_grid(stride),
    };
    let account = match run.account {
        AccountSpec::Off => Value::from(false),
        AccountSpec::Grid(stride) => on_a_grid(stride),
        AccountSpec::Exact => Value::from("exact"),
    };
    Table::default()
        .with("seed", run.seed)
        .with(length, value)
        .with("trajectories", run.trajectories)
        .with("save", value_of(&run.save))
        .with("rank_tolerance", run.rank_tolerance)
        .with("keep_trajectories", run.keep_trajectories)
        .with_some("save_weights", run.save_weights.as_ref().map(value_of))
        .with("common_noise", run.common_noise)
        .with("reductions", run.reductions)
        .with("force_balance", balance)
        .with("account", account)
        .with("measure", measure(&run.measure))
}

/// What is measured, the later keys only where they are not the default.
fn measure(measure: &MeasureChoice) -> Table {
    let mut table = Table::of(measure);
    let default = Table::of(&MeasureChoice::default()).0;
    let later = ["neurons", "alignment", "sharpness", "trace_probes"];
    (table.0).retain(|entry| !later.contains(&&*entry.key) || !default.contains(entry));
    table
}

/// The keys of `[run.measure]` that are not as they are where nothing is said, as TOML; none where
/// all are.
pub(super) fn more_measured(choice: &MeasureChoice) -> Option<String> {
    let default = measure(&MeasureChoice::default()).0;
    let mut asked = measure(choice);
    asked.0.retain(|key| !default.contains(key));
    (!asked.0.is_empty()).then(|| document::as_toml(&Value::from(asked).into()))
}

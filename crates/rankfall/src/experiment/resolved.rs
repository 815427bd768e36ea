//! The resolved copy of an experiment: as TOML with every default written out.

use super::data::{
    CIFAR_LABELS, CovarianceSpec, DataSpec, FileData, GaussianData, HeldOut, INPUT_LAWS, ImageData,
    ImageSource, LinearTeacher, NetworkTeacher, RowData,
};
use super::descent::{DISTRIBUTIONS, Descent, NoiseHours, SAMPLINGS, SchedulePlaces, SchedulePlan};
use super::dynamics::{DynamicsSpec, INTEGRATORS};
use super::exact_dynamics::{ExactDynamics, noise_of};
use super::keys;
use super::network::{ENGINES, InitSpec, NetworkSection, NetworkShape, PRECISIONS};
use super::run::{
    AccountSpec, ForceBalanceSpec, Length, METHODS, MeasureChoice, RunSpec, SPACINGS, SaveWeights,
};
use super::spec::Experiment;
use rankfall_core::model::dynamics::{ForceScales, ForceSplit, Kind};
use rankfall_data::ColumnSelector;
use rankfall_nets::activation::Activation;
use rankfall_nets::initialisation::{Law, WeightInitialisation};
use rankfall_nets::loss::Loss;
use rankfall_nets::network::Architecture;
use rankfall_nets::noise::Noise;
use rankfall_nets::optimizer::Adam;
use std::fmt::Write;
use std::path::Path;

/// The whole file.
pub fn toml(experiment: &Experiment) -> String {
    let mut file = Lines::default();
    file.raw(HEAD);
    file.put("name", text(&experiment.name));
    file.raw("\n[data]\n");
    match &experiment.data {
        DataSpec::Rows(rows) => put_rows(&mut file, rows),
        DataSpec::Gram(gram) => {
            file.put("kind", text("gram"));
            file.put("path", path(&gram.path));
            file.put_if("checksum", gram.checksum.as_deref().map(text));
        }
    }
    file.raw(NETWORK);
    put_network(&mut file, &experiment.network);
    for dynamics in &experiment.dynamics {
        file.raw("\n[[dynamics]]\n");
        file.put("label", text(dynamics.label()));
        file.put("kind", text(dynamics.kind()));
        match dynamics {
            DynamicsSpec::Flow(flow) => put_flow(&mut file, flow),
            DynamicsSpec::Descent(descent) => put_descent(&mut file, descent),
        }
    }
    file.raw("\n[run]\n");
    put_run(&mut file, &experiment.run);
    file.0
}

/// The first line of every copy.
const HEAD: &str = "# The experiment as it was run: defaults written out, paths absolute.\n\n";

/// The rule for what starts the weights where nothing does.
const NETWORK: &str = "
# Where init is left out, two linear layers without biases and with squared loss start N(0, 1), and all other
# networks as PyTorch does.
[network]
";

/// The name of a value, where names and values have the same order.
pub(super) fn name_of<T: PartialEq>(
    names: &'static [&'static str],
    all: &[T],
    value: &T,
) -> &'static str {
    let place = all.iter().position(|one| one == value);
    place
        .and_then(|place| names.get(place))
        .copied()
        .unwrap_or_default()
}

/// A value of a list of names, as TOML.
fn named<T: PartialEq>(names: &'static [&'static str], all: &[T], value: &T) -> String {
    text(name_of(names, all, value))
}

/// `key = value` lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Text as it is.
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// One key.
    fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{key} = {value}");
    }

    /// One key, where it has a value.
    fn put_if(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
}

/// A TOML string with everything escaped that needs it.
pub(super) fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The shortest decimal that reads back as the same double, always with a point or an exponent.
pub(super) fn float(number: f64) -> String {
    format!("{number:?}")
}

/// A path as TOML.
pub(super) fn path(path: &Path) -> String {
    text(&path.to_string_lossy())
}

fn numbers(values: &[impl ToString]) -> String {
    list(values, ToString::to_string)
}

/// A list as TOML.
pub(super) fn list<T>(items: &[T], shown: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(shown).collect();
    format!("[{}]", items.join(", "))
}

fn floats(numbers: &[f64]) -> String {
    list(numbers, |x| float(*x))
}

fn put_gaussian(file: &mut Lines, data: &GaussianData) {
    file.put("samples", data.samples);
    file.put("inputs", data.inputs);
    file.put("outputs", data.outputs);
    match &data.teacher {
        LinearTeacher::Gaussian => {}
        LinearTeacher::Rank(rank) => file.put("teacher_rank", rank),
        LinearTeacher::SingularValues(values) => {
            file.put("teacher_singular_values", floats(values))
        }
    }
    let covariance = match &data.covariance {
        CovarianceSpec::Identity => text("identity"),
        CovarianceSpec::PowerLaw(exponent) => format!("{{ power_law = {} }}", float(*exponent)),
        CovarianceSpec::Matrix(rows) => format!("{{ matrix = {} }}", list(rows, |r| floats(r))),
    };
    file.put("covariance", covariance);
    file.put("residual_noise", float(data.residual_noise));
    if data.classes {
        file.put("classes", true);
    }
    file.put("each_trajectory", data.each_trajectory);
}

fn put_file(file: &mut Lines, data: &FileData) {
    file.put("path", path(&data.path));
    file.put_if("inputs", data.inputs.as_deref().map(columns));
    if !data.targets.is_empty() {
        file.put("targets", columns(&data.targets));
    }
    file.put_if("header", data.header);
    file.put_if("delimiter", data.delimiter.map(|c| text(&c.to_string())));
    file.put("one_hot", data.one_hot);
    file.put("standardize", data.standardize);
    file.put("standardize_targets", data.standardize_targets);
    file.put_if("inputs_array", data.inputs_array.as_deref().map(text));
    file.put_if("targets_array", data.targets_array.as_deref().map(text));
    file.put_if("checksum", data.checksum.as_deref().map(text));
}

fn columns(columns: &[ColumnSelector]) -> String {
    list(columns, |column| match column {
        ColumnSelector::Name(name) => text(name),
        ColumnSelector::Position(at) => at.to_string(),
    })
}

fn put_rows(file: &mut Lines, data: &RowData) {
    file.put("kind", text(data.kind()));
    match data {
        RowData::Gaussian { data, held_out } => {
            put_gaussian(file, data);
            file.put("held_out", held_out);
        }
        RowData::Teacher(teacher) => put_teacher(file, teacher),
        RowData::Rows(rows) => {
            file.put("x", list(&rows.x, |row| floats(row)));
            file.put("y", list(&rows.y, |row| floats(row)));
        }
        RowData::File { table, held_out } => {
            put_file(file, table);
            match held_out {
                HeldOut::Rows(rows) => file.put("held_out", rows),
                HeldOut::File(other) => file.put("test_path", path(other)),
            }
        }
        RowData::Bundled(table) => {
            file.put("dataset", text(table.name));
            file.put("standardize", table.standardize);
            file.put("standardize_targets", table.standardize_targets);
            file.put("held_out", table.held_out);
            file.put_if("checksum", table.checksum.as_deref().map(text));
        }
        RowData::Images(images) => put_images(file, images),
    }
}

fn put_teacher(file: &mut Lines, teacher: &NetworkTeacher) {
    let spec = &teacher.spec;
    file.put("samples", spec.samples);
    file.put("held_out", spec.held_out);
    file.put(
        "input_law",
        named(keys::INPUT_LAWS, &INPUT_LAWS, &spec.inputs),
    );
    file.put("residual_noise", float(spec.residual_noise));
    file.put_if("observed", spec.observed.map(float));
    file.put("each_trajectory", teacher.each_trajectory);
    let relevant = spec
        .relevant_inputs
        .map(|n| format!(", relevant_inputs = {n}"));
    let relevant = relevant.unwrap_or_default();
    file.put(
        "teacher",
        format!(
            "{{ layers = {}, activation = {}, bias = {}, unit_norm = {}{relevant}, init = {{ {} }} }}",
            numbers(&spec.teacher.layers),
            named(keys::ACTIVATIONS, &Activation::ALL, &spec.teacher.activation),
            spec.teacher.bias,
            spec.unit_norm,
            drawn(&spec.weights),
        ),
    );
}

fn put_images(file: &mut Lines, images: &ImageData) {
    match &images.from {
        ImageSource::Packaged(name) => file.put("dataset", text(name)),
        ImageSource::Folder(folder) => file.put("folder", path(folder)),
        ImageSource::Idx { train, test } => {
            file.put("images", path(&train[0]));
            file.put("labels", path(&train[1]));
            if let Some(test) = test {
                file.put("test_images", path(&test[0]));
                file.put("test_labels", path(&test[1]));
            }
        }
        ImageSource::Cifar {
            files,
            test_files,
            labels,
        } => {
            file.put("files", list(files, |f| path(f)));
            file.put("test_files", list(test_files, |f| path(f)));
            file.put("labels", named(keys::CIFAR_LABELS, &CIFAR_LABELS, labels));
        }
    }
    file.put("standardize", images.standardize);
    file.put_if("train_rows", images.train_rows);
    file.put_if("test_rows", images.test_rows);
    file.put_if("checksum", images.checksum.as_deref().map(text));
}

fn put_network(file: &mut Lines, network: &NetworkSection) {
    match &network.shape {
        NetworkShape::Width(width) => file.put("width", width),
        NetworkShape::Layers(layers) => file.put("layers", numbers(layers)),
    }
    let kind = match network.kind {
        Architecture::Dense => "dense",
        Architecture::DiagonalLinear => "diagonal-linear",
    };
    file.put("kind", text(kind));
    let activation = named(keys::ACTIVATIONS, &Activation::ALL, &network.activation);
    file.put("activation", activation);
    file.put("bias", network.bias);
    file.put("loss", named(keys::LOSSES, &Loss::ALL, &network.loss));
    let precision = named(keys::PRECISIONS, &PRECISIONS, &network.precision);
    file.put("precision", precision);
    file.put("engine", named(keys::ENGINES, &ENGINES, &network.engine));
    let init = match &network.init {
        InitSpec::Drawn(init) => {
            let smallest = network
                .smallest_singular_value
                .map(|s| format!(", smallest_singular_value = {}", float(s)));
            format!(
                "{}{}, each_trajectory = {}",
                drawn(init),
                smallest.unwrap_or_default(),
                network.each_trajectory
            )
        }
        InitSpec::File {
            path: from,
            checksum,
        } => {
            let sum = checksum
                .as_deref()
                .map(|sum| format!(", checksum = {}", text(sum)));
            let from = path(from);
            format!("kind = \"file\", path = {from}{}", sum.unwrap_or_default())
        }
    };
    file.put("init", format!("{{ {init} }}"));
}

/// The kind of initial weights that are drawn. Weights that are given come from a file, and are
/// written as that.
pub(super) fn init_kind(init: &WeightInitialisation) -> &'static str {
    match init {
        WeightInitialisation::Gaussian { .. } => "gaussian",
        WeightInitialisation::Balanced { .. } => "balanced",
        WeightInitialisation::Orthogonal { .. } => "orthogonal",
        WeightInitialisation::He => "he",
        WeightInitialisation::Glorot => "glorot",
        WeightInitialisation::Layers { .. } => "layers",
        WeightInitialisation::PytorchDefault | WeightInitialisation::Given(_) => "pytorch-default",
    }
}

fn drawn(init: &WeightInitialisation) -> String {
    let law = |law: &Law| match law {
        Law::Constant(value) => format!("{{ constant = {} }}", float(*value)),
        Law::Gaussian(value) => format!("{{ gaussian = {} }}", float(*value)),
        Law::Uniform(value) => format!("{{ uniform = {} }}", float(*value)),
        Law::Signs(value) => format!("{{ signs = {} }}", float(*value)),
    };
    let settings = match init {
        WeightInitialisation::Gaussian { scale } | WeightInitialisation::Balanced { scale } => {
            format!(", scale = {}", float(*scale))
        }
        WeightInitialisation::Orthogonal { gain } => format!(", gain = {}", float(*gain)),
        WeightInitialisation::Layers { weights, biases } => format!(
            ", weights = {}, biases = {}",
            list(weights, law),
            list(biases, law)
        ),
        WeightInitialisation::He
        | WeightInitialisation::Glorot
        | WeightInitialisation::PytorchDefault
        | WeightInitialisation::Given(_) => String::new(),
    };
    format!("kind = {}{settings}", text(init_kind(init)))
}

fn put_flow(file: &mut Lines, flow: &ExactDynamics) {
    file.put("step_size", float(flow.dynamics.step_size));
    file.put("label_noise", float(flow.dynamics.label_noise));
    let time_step = match flow.automatic_time_step {
        true => text("auto"),
        false => float(flow.time_step),
    };
    file.put("time_step", time_step);
    let Kind::StochasticGradientFlow {
        integrator,
        batch_size,
        forces,
        brownian_substeps,
        ..
    } = &flow.dynamics.kind
    else {
        return;
    };
    file.put("batch_size", batch_size);
    file.put(
        "integrator",
        named(keys::INTEGRATORS, &INTEGRATORS, integrator),
    );
    if *forces != ForceScales::default() {
        file.put("forces", force_table(forces));
    }
    file.put("brownian_substeps", brownian_substeps);
    let classes = flow.dynamics.classes.as_ref();
    if let Some(flips) = classes.and_then(|classes| classes.flips.as_ref()) {
        file.put(
            "noise",
            list(&[noise_of(flips)], |flips| noise(flips, None)),
        );
    }
}

fn put_descent(file: &mut Lines, one: &Descent) {
    file.put("step_size", float(one.step_size));
    // What stands at the beginning has keys of its own, and the others follow in their order.
    let mut rest = &one.noise[..];
    if let (
        "sgd",
        [
            Noise::MiniBatch {
                batch_size,
                sampling,
            },
            others @ ..,
        ],
        None,
    ) = (one.kind, rest, one.hours_of(0))
    {
        file.put("batch_size", batch_size);
        file.put("sampling", named(keys::SAMPLINGS, &SAMPLINGS, sampling));
        rest = others;
    }
    let always = one.hours_of(one.noise.len() - rest.len()).is_none();
    match rest {
        [
            Noise::LabelNoise {
                variance,
                distribution,
            },
            others @ ..,
        ] if one.kind != "gradient-descent" && *variance > 0.0 && always => {
            file.put("label_noise", float(*variance));
            let name = named(keys::DISTRIBUTIONS, &DISTRIBUTIONS, distribution);
            file.put("label_noise_distribution", name);
            rest = others;
        }
        _ => file.put("label_noise", float(0.0)),
    }
    file.put("momentum", float(one.optimizer.momentum));
    file.put("nesterov", one.optimizer.nesterov);
    file.put("weight_decay", float(one.optimizer.weight_decay));
    file.put_if("adam", one.adam.as_ref().map(adam));
    file.put("schedule", schedule(&one.schedule));
    let first = one.noise.len() - rest.len();
    let listed = |place: usize| noise(&one.noise[place], one.hours_of(place));
    let places: Vec<usize> = (first..one.noise.len()).collect();
    file.put("noise", list(&places, |place| listed(*place)));
}

fn force_table(forces: &ForceScales) -> String {
    let (split, common) = match forces.split {
        ForceSplit::Regular => ("", "common_growth"),
        ForceSplit::Antisymmetric => ("split = \"antisymmetric\", ", "common_decay"),
    };
    format!(
        "{{ {split}gradient = {}, own_noise = {}, {common} = {}, repulsion = {} }}",
        float(forces.gradient),
        float(forces.own_noise),
        float(forces.common),
        float(forces.repulsion)
    )
}

/// The settings of Adam as TOML.
pub(super) fn adam(adam: &Adam) -> String {
    let [beta1, beta2, epsilon] = [adam.beta1, adam.beta2, adam.epsilon].map(float);
    format!("{{ beta1 = {beta1}, beta2 = {beta2}, epsilon = {epsilon} }}")
}

/// A schedule as TOML.
pub(super) fn schedule(plan: &SchedulePlan) -> String {
    let shape = match &plan.shape {
        SchedulePlaces::Constant => "kind = \"constant\"".to_owned(),
        SchedulePlaces::Steps { steps, factors } => format!(
            "kind = \"piecewise\", steps = {}, factors = {}",
            numbers(steps),
            floats(factors)
        ),
        SchedulePlaces::Shares { shares, factors } => format!(
            "kind = \"piecewise\", shares = {}, factors = {}",
            floats(shares),
            floats(factors)
        ),
        SchedulePlaces::Cosine { steps, last } => {
            let steps = steps.map(|steps| format!(", steps = {steps}"));
            format!(
                "kind = \"cosine\", last = {}{}",
                float(*last),
                steps.unwrap_or_default()
            )
        }
    };
    format!("{{ {shape}, warm_up = {} }}", plan.warm_up)
}

/// A noise as TOML, and when it acts.
pub(super) fn noise(noise: &Noise, hours: Option<&NoiseHours>) -> String {
    let settings = match noise {
        Noise::LabelNoise {
            variance,
            distribution,
        } => format!(
            "variance = {}, distribution = {}",
            float(*variance),
            named(keys::DISTRIBUTIONS, &DISTRIBUTIONS, distribution)
        ),
        Noise::LabelFlips {
            matrix: Some(matrix),
            ..
        } => format!("matrix = {}", list(matrix, |row| floats(row))),
        Noise::LabelFlips { probability, .. } | Noise::Dropout { probability } => {
            format!("probability = {}", float(*probability))
        }
        Noise::MiniBatch {
            batch_size,
            sampling,
        } => format!(
            "batch_size = {batch_size}, sampling = {}",
            named(keys::SAMPLINGS, &SAMPLINGS, sampling)
        ),
        Noise::GradientNoise { temperature } => format!("temperature = {}", float(*temperature)),
        Noise::InputNoise { variance } | Noise::WeightNoise { variance } => {
            format!("variance = {}", float(*variance))
        }
    };
    let until = |until: f64| format!(", until = {}", float(until));
    let hours = hours.map(|hours| {
        let until = hours.until.map(until).unwrap_or_default();
        format!(", from = {}{until}", float(hours.from))
    });
    let hours = hours.unwrap_or_default();
    format!("{{ kind = {}, {settings}{hours} }}", text(noise.name()))
}

fn put_run(file: &mut Lines, run: &RunSpec) {
    file.put("seed", run.seed);
    match run.length {
        Length::Time(time) => file.put("time", float(time)),
        Length::Steps(steps) => file.put("steps", steps),
        Length::Epochs(epochs) => file.put("epochs", epochs),
    }
    file.put("trajectories", run.trajectories);
    let spacing = named(keys::SPACINGS, &SPACINGS, &run.save.spacing);
    let points = run.save.points;
    file.put(
        "save",
        format!("{{ points = {points}, spacing = {spacing} }}"),
    );
    file.put("rank_tolerance", float(run.rank_tolerance));
    file.put("keep_trajectories", run.keep_trajectories);
    file.put_if("save_weights", run.save_weights.as_ref().map(save_weights));
    file.put("common_noise", run.common_noise);
    file.put("reductions", run.reductions);
    let balance = match run.force_balance {
        None => "false".to_owned(),
        Some(ForceBalanceSpec { stride: None }) => "true".to_owned(),
        Some(ForceBalanceSpec {
            stride: Some(stride),
        }) => format!("{{ stride = {stride} }}"),
    };
    file.put("force_balance", balance);
    let account = match run.account {
        AccountSpec::Off => "false".to_owned(),
        AccountSpec::Grid(None) => "true".to_owned(),
        AccountSpec::Grid(Some(stride)) => format!("{{ stride = {stride} }}"),
        AccountSpec::Exact => text(keys::ACCOUNTS[0]),
    };
    file.put("account", account);
    let measure = measure_parts(&run.measure).join(", ");
    file.put("measure", format!("{{ {measure} }}"));
}

/// Whose weights are written, and when, as TOML.
pub(super) fn save_weights(weights: &SaveWeights) -> String {
    let times = floats(&weights.times);
    let trajectories = list(&weights.trajectories, ToString::to_string);
    format!("{{ times = {times}, trajectories = {trajectories} }}")
}

/// What is measured: keys with their values, the later ones only where they are not the default.
pub(super) fn measure_parts(measure: &MeasureChoice) -> Vec<String> {
    let spectra = named(keys::SPECTRA, &METHODS, &measure.spectra);
    let tolerance = float(measure.jacobian_tolerance);
    let default = MeasureChoice::default();
    let mut parts = vec![
        format!("losses_every = {}", measure.losses_every),
        format!("spectra_every = {}", measure.spectra_every),
        format!("spectra = {spectra}"),
        format!("probe_rows = {}", measure.probe_rows),
        format!("jacobian = {}", measure.jacobian),
        format!("jacobian_tolerance = {tolerance}"),
    ];
    let flags = [
        ("neurons", measure.neurons),
        ("alignment", measure.alignment),
        ("sharpness", measure.sharpness),
    ];
    let set = flags.into_iter().filter(|(_, is_set)| *is_set);
    parts.extend(set.map(|(name, _)| format!("{name} = true")));
    if measure.trace_probes != default.trace_probes {
        parts.push(format!("trace_probes = {}", measure.trace_probes));
    }
    parts
}

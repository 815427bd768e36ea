//! The resolved copy of an experiment: as TOML with every default written out.

use super::{
    Column, Covariance, DataSpec, DynamicsSpec, Experiment, FileData, ForceBalanceSpec,
    GaussianData, InitSpec, RunSpec, Teacher,
};
use crate::save_plan::{SavePlan, Spacing};
use rankfall_core::model::dynamics::{ForceScales, Integrator, Kind, LabelNoise, Sampling};
use rankfall_core::model::optimizer::Optimizer;
use std::fmt::Write;

/// The whole file.
pub fn toml(experiment: &Experiment) -> String {
    let mut file = Lines::default();
    file.0.push_str(HEAD);
    file.put("name", text(&experiment.name));
    file.0.push_str("\n[data]\n");
    match &experiment.data {
        DataSpec::Gaussian(gaussian) => put_gaussian(&mut file, gaussian),
        DataSpec::File(table) => put_file(&mut file, table),
        DataSpec::Gram(gram) => {
            file.put("kind", text("gram"));
            file.put("path", text(&gram.path.to_string_lossy()));
            file.put_if("checksum", gram.checksum.as_deref().map(text));
        }
    }
    file.0.push_str("\n[network]\n");
    file.put("width", experiment.network.width);
    file.put("init", init(&experiment.network.init));
    for dynamics in &experiment.dynamics {
        file.0.push_str("\n[[dynamics]]\n");
        put_dynamics(&mut file, dynamics);
    }
    file.0.push_str("\n[run]\n");
    put_run(&mut file, &experiment.run);
    file.0
}

/// The first line of every copy.
pub(super) const HEAD: &str =
    "# The experiment as it was run: defaults written out, paths absolute.\n\n";

/// `key = value` lines.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Text as it is.
    pub fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// The whole.
    pub fn into_text(self) -> String {
        self.0
    }

    /// One key.
    pub fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{key} = {value}");
    }

    /// One key, where it has a value.
    pub fn put_if(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
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

pub(super) fn list<T>(items: &[T], shown: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(shown).collect();
    format!("[{}]", items.join(", "))
}

pub(super) fn floats(numbers: &[f64]) -> String {
    list(numbers, |x| float(*x))
}

pub(super) fn put_gaussian(file: &mut Lines, data: &GaussianData) {
    file.put("kind", text("gaussian"));
    file.put("samples", data.samples);
    file.put("inputs", data.inputs);
    file.put("outputs", data.outputs);
    match &data.teacher {
        Teacher::Gaussian => {}
        Teacher::Rank(rank) => file.put("teacher_rank", rank),
        Teacher::SingularValues(values) => file.put("teacher_singular_values", floats(values)),
    }
    let covariance = match &data.covariance {
        Covariance::Identity => text("identity"),
        Covariance::PowerLaw(exponent) => format!("{{ power_law = {} }}", float(*exponent)),
        Covariance::Matrix(rows) => format!("{{ matrix = {} }}", list(rows, |r| floats(r))),
    };
    file.put("covariance", covariance);
    file.put("residual_noise", float(data.residual_noise));
    file.put("each_trajectory", data.each_trajectory);
}

pub(super) fn put_file(file: &mut Lines, data: &FileData) {
    file.put("kind", text("file"));
    file.put("path", text(&data.path.to_string_lossy()));
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

fn columns(columns: &[Column]) -> String {
    list(columns, |column| match column {
        Column::Name(name) => text(name),
        Column::Position(at) => at.to_string(),
    })
}

fn init(init: &InitSpec) -> String {
    let inside = match init {
        InitSpec::Gaussian {
            scale,
            smallest_singular_value,
            each_trajectory,
        } => {
            let smallest = smallest_singular_value
                .map(|s| format!(", smallest_singular_value = {}", float(s)))
                .unwrap_or_default();
            format!(
                "kind = \"gaussian\", scale = {}{smallest}, each_trajectory = {each_trajectory}",
                float(*scale)
            )
        }
        InitSpec::Balanced {
            scale,
            each_trajectory,
        } => format!(
            "kind = \"balanced\", scale = {}, each_trajectory = {each_trajectory}",
            float(*scale)
        ),
        InitSpec::File { path, checksum } => {
            let path = text(&path.to_string_lossy());
            let checksum = checksum
                .as_deref()
                .map(|sum| format!(", checksum = {}", text(sum)))
                .unwrap_or_default();
            format!("kind = \"file\", path = {path}{checksum}")
        }
    };
    format!("{{ {inside} }}")
}

fn put_dynamics(file: &mut Lines, spec: &DynamicsSpec) {
    file.put("label", text(&spec.label));
    file.put("kind", text(spec.dynamics.kind_name()));
    file.put("step_size", float(spec.dynamics.step_size));
    file.put("label_noise", float(spec.dynamics.label_noise));
    match &spec.dynamics.kind {
        Kind::GradientFlow => file.put("time_step", float(spec.time_step)),
        Kind::StochasticGradientFlow {
            integrator,
            time_step,
            batch_size,
            forces,
            brownian_substeps,
        } => {
            file.put("batch_size", batch_size);
            file.put("integrator", text(integrator_name(*integrator)));
            file.put("time_step", float(*time_step));
            if !forces.is_unmodified() {
                file.put("forces", force_table(forces));
            }
            if *brownian_substeps > 1 {
                file.put("brownian_substeps", brownian_substeps);
            }
        }
        Kind::GradientDescent => {}
        Kind::LabelNoiseGradientDescent { distribution } => {
            let name = distribution_name(*distribution);
            file.put("label_noise_distribution", text(name));
        }
        Kind::StochasticGradientDescent {
            batch_size,
            sampling,
            distribution,
        } => {
            file.put("batch_size", batch_size);
            file.put("sampling", text(sampling_name(*sampling)));
            let name = distribution_name(*distribution);
            file.put("label_noise_distribution", text(name));
        }
    }
    if !spec.dynamics.is_continuous() {
        put_optimizer(file, &spec.dynamics.optimizer);
    }
}

pub(super) fn put_optimizer(file: &mut Lines, optimizer: &Optimizer) {
    file.put("momentum", float(optimizer.momentum));
    file.put("nesterov", optimizer.nesterov);
    file.put("weight_decay", float(optimizer.weight_decay));
}

fn force_table(forces: &ForceScales) -> String {
    format!(
        "{{ gradient = {}, own_noise = {}, common_growth = {}, repulsion = {} }}",
        float(forces.gradient),
        float(forces.own_noise),
        float(forces.common_growth),
        float(forces.repulsion)
    )
}

fn integrator_name(integrator: Integrator) -> &'static str {
    match integrator {
        Integrator::LieEuler => "lie-euler",
        Integrator::EulerMaruyama => "euler-maruyama",
        Integrator::LieEulerUnsplit => "lie-euler-unsplit",
        Integrator::LieStrang => "lie-strang",
    }
}

pub(super) fn distribution_name(distribution: LabelNoise) -> &'static str {
    match distribution {
        LabelNoise::Gaussian => "gaussian",
        LabelNoise::Rademacher => "rademacher",
    }
}

pub(super) fn sampling_name(sampling: Sampling) -> &'static str {
    match sampling {
        Sampling::WithReplacement => "with-replacement",
        Sampling::WithoutReplacement => "without-replacement",
        Sampling::Epochs => "epochs",
        Sampling::Sequential => "sequential",
    }
}

/// When to save.
pub(super) fn put_save(file: &mut Lines, save: &SavePlan) {
    let spacing = match save.spacing {
        Spacing::Linear => "linear",
        Spacing::Log => "log",
    };
    let points = save.points;
    file.put(
        "save",
        format!("{{ points = {points}, spacing = {} }}", text(spacing)),
    );
}

fn put_run(file: &mut Lines, run: &RunSpec) {
    file.put("seed", run.seed);
    file.put("time", float(run.time));
    file.put("trajectories", run.trajectories);
    put_save(file, &run.save);
    file.put("rank_tolerance", float(run.rank_tolerance));
    file.put("keep_trajectories", run.keep_trajectories);
    file.put("common_noise", run.common_noise);
    file.put("reductions", run.reductions);
    match run.force_balance {
        None => {}
        Some(ForceBalanceSpec { stride: None }) => file.put("force_balance", true),
        Some(ForceBalanceSpec {
            stride: Some(stride),
        }) => file.put("force_balance", format!("{{ stride = {stride} }}")),
    }
}

//! The resolved copy of an experiment on layers: as TOML with every default written out.

use super::data::{CIFAR_LABELS, INPUT_LAWS};
use super::network::{ENGINES, PRECISIONS, activation_name};
use super::run::METHODS;
use super::{
    HeldOut, InitChoice, LayeredData, LayeredDynamics, LayeredExperiment, LayeredNetwork,
    LayeredRun, Length, Pictures, PicturesFrom, SchedulePlaces, SchedulePlan, TeacherData, keys,
    name_of,
};
use crate::experiment::resolved::{
    HEAD, Lines, distribution_name, float, floats, list, put_file, put_gaussian, put_optimizer,
    put_save, sampling_name, text,
};
use rankfall_nets::initialisation::{Initialisation, Law};
use rankfall_nets::loss::Loss;
use rankfall_nets::network::Architecture;
use rankfall_nets::noise::Noise;
use std::path::Path;

/// The whole file.
pub fn toml(experiment: &LayeredExperiment) -> String {
    let mut file = Lines::default();
    file.raw(HEAD);
    file.put("name", text(&experiment.name));
    file.raw("\n[data]\n");
    put_data(&mut file, &experiment.data);
    file.raw("\n[network]\n");
    put_network(&mut file, &experiment.network);
    for dynamics in &experiment.dynamics {
        file.raw("\n[[dynamics]]\n");
        put_dynamics(&mut file, dynamics);
    }
    file.raw("\n[run]\n");
    put_run(&mut file, &experiment.run);
    file.into_text()
}

fn path(path: &Path) -> String {
    text(&path.to_string_lossy())
}

fn numbers(values: &[impl ToString]) -> String {
    list(values, ToString::to_string)
}

fn put_data(file: &mut Lines, data: &LayeredData) {
    match data {
        LayeredData::Gaussian { data, held_out } => {
            put_gaussian(file, data);
            file.put("held_out", held_out);
        }
        LayeredData::Teacher(teacher) => put_teacher(file, teacher),
        LayeredData::Rows(rows) => {
            file.put("kind", text("rows"));
            file.put("x", list(&rows.x, |row| floats(row)));
            file.put("y", list(&rows.y, |row| floats(row)));
        }
        LayeredData::File { table, held_out } => {
            put_file(file, table);
            match held_out {
                HeldOut::Rows(rows) => file.put("held_out", rows),
                HeldOut::File(other) => file.put("test_path", path(other)),
            }
        }
        LayeredData::Bundled {
            name,
            standardize,
            standardize_targets,
            held_out,
            checksum,
        } => {
            file.put("kind", text("bundled"));
            file.put("dataset", text(name));
            file.put("standardize", standardize);
            file.put("standardize_targets", standardize_targets);
            file.put("held_out", held_out);
            file.put_if("checksum", checksum.as_deref().map(text));
        }
        LayeredData::Pictures(pictures) => put_pictures(file, pictures),
    }
}

fn put_teacher(file: &mut Lines, teacher: &TeacherData) {
    let spec = &teacher.spec;
    file.put("kind", text("teacher"));
    file.put("samples", spec.samples);
    file.put("held_out", spec.held_out);
    file.put(
        "input_law",
        text(name_of(keys::INPUT_LAWS, &INPUT_LAWS, &spec.inputs)),
    );
    file.put("residual_noise", float(spec.residual_noise));
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
            text(activation_name(spec.teacher.activation)),
            spec.teacher.bias,
            spec.unit_norm,
            drawn(&spec.weights),
        ),
    );
}

fn put_pictures(file: &mut Lines, pictures: &Pictures) {
    let kind = match pictures.from {
        PicturesFrom::Cifar { .. } => "cifar",
        _ => "idx",
    };
    file.put("kind", text(kind));
    match &pictures.from {
        PicturesFrom::Packaged(name) => file.put("dataset", text(name)),
        PicturesFrom::Folder(folder) => file.put("folder", path(folder)),
        PicturesFrom::Idx { train, test } => {
            file.put("images", path(&train[0]));
            file.put("labels", path(&train[1]));
            if let Some(test) = test {
                file.put("test_images", path(&test[0]));
                file.put("test_labels", path(&test[1]));
            }
        }
        PicturesFrom::Cifar {
            files,
            test_files,
            labels,
        } => {
            file.put("files", list(files, |f| path(f)));
            file.put("test_files", list(test_files, |f| path(f)));
            file.put(
                "labels",
                text(name_of(keys::CIFAR_LABELS, &CIFAR_LABELS, labels)),
            );
        }
    }
    file.put("standardize", pictures.standardize);
    file.put_if("train_rows", pictures.train_rows);
    file.put_if("test_rows", pictures.test_rows);
    file.put_if("checksum", pictures.checksum.as_deref().map(text));
}

fn put_network(file: &mut Lines, network: &LayeredNetwork) {
    let kind = match network.spec.kind {
        Architecture::Dense => "dense",
        Architecture::DiagonalLinear => "diagonal-linear",
    };
    file.put("layers", numbers(&network.spec.layers));
    file.put("kind", text(kind));
    file.put("activation", text(activation_name(network.spec.activation)));
    file.put("bias", network.spec.bias);
    file.put(
        "loss",
        text(name_of(keys::LOSSES, &Loss::ALL, &network.loss)),
    );
    file.put(
        "precision",
        text(name_of(keys::PRECISIONS, &PRECISIONS, &network.precision)),
    );
    file.put(
        "engine",
        text(name_of(keys::ENGINES, &ENGINES, &network.engine)),
    );
    let init = match &network.init {
        InitChoice::Drawn(init) => {
            format!(
                "{}, each_trajectory = {}",
                drawn(init),
                network.each_trajectory
            )
        }
        InitChoice::File {
            path: from,
            checksum,
        } => {
            let sum = checksum
                .as_deref()
                .map(|sum| format!(", checksum = {}", text(sum)));
            format!(
                "kind = \"file\", path = {}{}",
                path(from),
                sum.unwrap_or_default()
            )
        }
    };
    file.put("init", format!("{{ {init} }}"));
}

fn drawn(init: &Initialisation) -> String {
    let law = |law: &Law| match law {
        Law::Constant(value) => format!("{{ constant = {} }}", float(*value)),
        Law::Gaussian(value) => format!("{{ gaussian = {} }}", float(*value)),
        Law::Uniform(value) => format!("{{ uniform = {} }}", float(*value)),
        Law::Signs(value) => format!("{{ signs = {} }}", float(*value)),
    };
    match init {
        Initialisation::Gaussian { scale } => {
            format!("kind = \"gaussian\", scale = {}", float(*scale))
        }
        Initialisation::Balanced { scale } => {
            format!("kind = \"balanced\", scale = {}", float(*scale))
        }
        Initialisation::Orthogonal { gain } => {
            format!("kind = \"orthogonal\", gain = {}", float(*gain))
        }
        Initialisation::He => "kind = \"he\"".to_owned(),
        Initialisation::Glorot => "kind = \"glorot\"".to_owned(),
        Initialisation::Layers { weights, biases } => format!(
            "kind = \"layers\", weights = {}, biases = {}",
            list(weights, law),
            list(biases, law)
        ),
        // Weights that are given come from a file, and are written as that.
        Initialisation::PytorchDefault | Initialisation::Given(_) => {
            "kind = \"pytorch-default\"".to_owned()
        }
    }
}

fn put_dynamics(file: &mut Lines, one: &LayeredDynamics) {
    file.put("label", text(&one.label));
    file.put("kind", text(one.kind));
    file.put("step_size", float(one.step_size));
    put_optimizer(file, &one.optimizer);
    file.put("schedule", schedule(&one.schedule));
    file.put("noise", list(&one.noise, noise));
}

fn schedule(plan: &SchedulePlan) -> String {
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

fn noise(noise: &Noise) -> String {
    let settings = match noise {
        Noise::LabelNoise {
            variance,
            distribution,
        } => format!(
            "variance = {}, distribution = {}",
            float(*variance),
            text(distribution_name(*distribution))
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
            text(sampling_name(*sampling))
        ),
        Noise::GradientNoise { temperature } => format!("temperature = {}", float(*temperature)),
        Noise::InputNoise { variance } | Noise::WeightNoise { variance } => {
            format!("variance = {}", float(*variance))
        }
    };
    format!("{{ kind = {}, {settings} }}", text(noise.name()))
}

fn put_run(file: &mut Lines, run: &LayeredRun) {
    file.put("seed", run.seed);
    match run.length {
        Length::Time(time) => file.put("time", float(time)),
        Length::Steps(steps) => file.put("steps", steps),
        Length::Epochs(epochs) => file.put("epochs", epochs),
    }
    file.put("trajectories", run.trajectories);
    put_save(file, &run.save);
    file.put("rank_tolerance", float(run.rank_tolerance));
    file.put("keep_trajectories", run.keep_trajectories);
    file.put("common_noise", run.common_noise);
    let measure = &run.measure;
    file.put(
        "measure",
        format!(
            "{{ losses_every = {}, spectra_every = {}, spectra = {}, probe_rows = {}, jacobian = {}, \
             jacobian_tolerance = {} }}",
            measure.losses_every,
            measure.spectra_every,
            text(name_of(keys::SPECTRA, &METHODS, &measure.spectra)),
            measure.probe_rows,
            measure.jacobian,
            float(measure.jacobian_tolerance)
        ),
    );
}

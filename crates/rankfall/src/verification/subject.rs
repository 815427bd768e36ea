//! What claims are tested on: the paper's setting, two linear layers of an experiment file, or a
//! network that one gives by its layers.

use crate::dense::preparation::{self as dense_preparation, AnySource, first_training};
use crate::estimate;
use crate::experiment::{
    DenseExperiment, EngineInput, ExactData, ExactDynamics, ExactExperiment, Experiment,
};
use crate::failure::{Failure, quoted};
use crate::preparation::{self, ExactInputs};
use rankfall_core::model::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_evidence::network_setting::NoisyDescent;
use rankfall_evidence::{NetworkSetting, Setting, Subject};
use rankfall_nets::scalar::Precision;
use rankfall_nets::training::TrainingPlan;
use std::sync::Arc;

/// What claims are tested on: the paper's setting where there is no experiment. `seed` is used
/// instead of the experiment's, and instead of 1 in the paper's setting.
///
/// # Errors
/// Data that cannot be read or drawn; an experiment about which there are no claims.
pub fn subject(experiment: Option<&Experiment>, seed: Option<u64>) -> Result<Subject, Failure> {
    let Some(experiment) = experiment else {
        let paper = Setting::of_the_paper(seed.unwrap_or(1));
        let paper = paper.map_err(|stop| Failure::run(stop.to_string()))?;
        return Ok(Subject::TwoLayers(paper));
    };
    match experiment.engine()? {
        EngineInput::Exact(mut exact) => {
            exact.run.seed = seed.unwrap_or(exact.run.seed);
            two_layers(&exact).map(Subject::TwoLayers)
        }
        EngineInput::Dense(mut dense, _) => {
            dense.run.seed = seed.unwrap_or(dense.run.seed);
            network(&mut dense).map(Subject::Network)
        }
    }
}

fn two_layers(experiment: &ExactExperiment) -> Result<Setting, Failure> {
    estimate::check_drawing(experiment)?;
    let prepared = with_rows(experiment)?;
    let problem = prepared.setup.problem(0).map_err(preparation::of_setup)?;
    let noisy = experiment
        .dynamics
        .iter()
        .find(|d| d.dynamics.noise_intensity(problem.samples) > 0.0);
    let Some(spec) = noisy.or(experiment.dynamics.first()) else {
        return Err(Failure::input("the experiment has no dynamics"));
    };
    let dynamics = &spec.dynamics;
    let batch_size = match dynamics.kind {
        Kind::StochasticGradientFlow { batch_size, .. }
        | Kind::SlowFlow { batch_size }
        | Kind::StochasticGradientDescent { batch_size, .. } => batch_size,
        Kind::LabelNoiseGradientDescent { .. } => problem.samples,
        Kind::GradientFlow | Kind::GradientDescent => 1,
    };
    Ok(Setting {
        words: format!(
            "{}: {}, width {}, η = {}, δ = {}, b = {batch_size} as in {}",
            quoted(&experiment.name),
            prepared.known.problem.data,
            prepared.setup.width,
            dynamics.step_size,
            dynamics.label_noise,
            quoted(&spec.label)
        ),
        problem,
        initialisation: prepared.setup.initialisation,
        width: prepared.setup.width,
        seed: prepared.setup.seed,
        step_size: dynamics.step_size,
        label_noise: dynamics.label_noise,
        batch_size,
        of_the_paper: false,
    })
}

/// In double precision: what is measured are changes in single steps.
fn network(experiment: &mut DenseExperiment) -> Result<NetworkSetting, Failure> {
    experiment.network.precision = Precision::F64;
    let prepared = dense_preparation::prepare(experiment)?;
    let known = &prepared.known;
    let AnySource::Double(source) = &prepared.source else {
        return Err(Failure::run("the data are not in double precision"));
    };
    let wrong = |error: String| Failure::input(format!("{}: {error}", quoted(&experiment.name)));
    let training = &known.ensembles[0].training;
    if training.masked {
        return Err(wrong(
            "there are no claims about targets of which some are not observed".into(),
        ));
    }
    let plan = TrainingPlan::new(training).map_err(|error| wrong(error.to_string()))?;
    let data = first_training(source, &plan)
        .ok_or_else(|| wrong("its data cannot be drawn".to_owned()))?
        .into_owned();
    let descents = experiment.dynamics.iter().zip(&known.ensembles);
    Ok(NetworkSetting {
        words: format!(
            "{}: {}, layers {}, at weights along its own descents, in double precision",
            quoted(&experiment.name),
            known.words,
            dense_preparation::widths(&training.network.layers)
        ),
        network: known.network.clone(),
        data: Arc::new(data),
        descents: descents
            .map(|(descent, ensemble)| NoisyDescent {
                label: descent.label.clone(),
                training: ensemble.training.clone(),
            })
            .collect(),
        each_start: known.ensembles[0].each_start,
        seed: experiment.run.seed,
    })
}

/// Reads or draws the data, with their rows where there are any and they fit into memory.
fn with_rows(experiment: &ExactExperiment) -> Result<ExactInputs, Failure> {
    let mut keeping = experiment.clone();
    keeping.dynamics.push(ExactDynamics {
        label: "rows".into(),
        dynamics: Dynamics {
            kind: Kind::StochasticGradientDescent {
                batch_size: 1,
                sampling: Sampling::WithReplacement,
                distribution: LabelNoise::Gaussian,
            },
            step_size: 1.0,
            label_noise: 0.0,
            optimizer: Optimizer::default(),
            classes: None,
        },
        time_step: 1.0,
        automatic_time_step: false,
    });
    let reading_gram = matches!(experiment.data, ExactData::Gram(_));
    match preparation::prepare(&mut keeping) {
        Ok(prepared) if !reading_gram => Ok(prepared),
        _ => preparation::prepare(&mut experiment.clone()),
    }
}

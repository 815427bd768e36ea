//! Two linear layers that the exact engine takes: which, and why not the others.

use super::{
    Engine, HeldOut, InitChoice, LayeredData, LayeredDynamics, LayeredExperiment, Length,
    MeasureChoice,
};
use crate::experiment::{DataSpec, DynamicsSpec, Experiment, InitSpec, NetworkSpec, RunSpec};
use rankfall_core::model::dynamics::{Dynamics, Kind};
use rankfall_nets::activation::Activation;
use rankfall_nets::initialisation::Initialisation;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::Architecture;
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Precision;

/// The same experiment for the exact engine.
///
/// # Errors
/// In a clause, why the dense engine runs it.
pub fn to_exact(experiment: &LayeredExperiment) -> Result<Experiment, String> {
    let no = |why: &str| Err(why.to_owned());
    let network = &experiment.network;
    let &[inputs, width, outputs] = &network.spec.layers[..] else {
        return no("it has not two layers");
    };
    if network.engine == Engine::Dense {
        return no("network.engine asks for it");
    }
    if network.spec.activation != Activation::Linear || network.spec.bias {
        return no("its layers are not linear, or have biases");
    }
    if network.spec.kind != Architecture::Dense {
        return no("its layers are diagonal");
    }
    if network.loss != Loss::Squared {
        return no("its loss is not the squared one");
    }
    if network.precision != Precision::F64 {
        return no("it is in single precision");
    }
    let init = match network.init {
        InitChoice::Drawn(Initialisation::Gaussian { scale }) if scale > 0.0 => {
            InitSpec::Gaussian {
                scale,
                smallest_singular_value: None,
                each_trajectory: network.each_trajectory,
            }
        }
        _ => return no("its weights do not start Gaussian"),
    };
    let data = match &experiment.data {
        LayeredData::Gaussian { data, held_out: 0 }
            if (data.inputs, data.outputs) == (inputs, outputs) =>
        {
            DataSpec::Gaussian(data.clone())
        }
        LayeredData::File {
            table,
            held_out: HeldOut::Rows(0),
        } if !table.one_hot => DataSpec::File(table.clone()),
        _ => return no("its data have classes or a part held out, or fit only the dense engine"),
    };
    if experiment.run.measure != MeasureChoice::default() {
        return no("run.measure asks for what only it measures");
    }
    let dynamics: Vec<DynamicsSpec> = experiment
        .dynamics
        .iter()
        .map(exact_dynamics)
        .collect::<Result<_, _>>()?;
    let run = &experiment.run;
    let step = dynamics[0].time_step;
    let time = match run.length {
        Length::Time(time) => time,
        Length::Steps(steps) if dynamics.iter().all(|d| d.time_step == step) => steps as f64 * step,
        _ => return no("its dynamics have no time in common"),
    };
    Ok(Experiment {
        name: experiment.name.clone(),
        data,
        network: NetworkSpec {
            width: width as u64,
            init,
        },
        dynamics,
        run: RunSpec {
            seed: run.seed,
            time,
            trajectories: run.trajectories,
            save: run.save,
            rank_tolerance: run.rank_tolerance,
            keep_trajectories: run.keep_trajectories,
            common_noise: run.common_noise,
            reductions: true,
            force_balance: None,
        },
    })
}

/// The same descent, if each of its steps acts on Θ from the left and the exact engine has it.
fn exact_dynamics(one: &LayeredDynamics) -> Result<DynamicsSpec, String> {
    let label = &one.label;
    if !one.schedule.is_constant() {
        return Err(format!("the step size of {label} changes"));
    }
    let (mut batches, mut labels) = (None, None);
    for noise in &one.noise {
        match noise {
            Noise::MiniBatch {
                batch_size,
                sampling,
            } => batches = Some((*batch_size, *sampling)),
            Noise::LabelNoise {
                variance,
                distribution,
            } => labels = Some((*variance, *distribution)),
            other => {
                return Err(format!(
                    "{} of {label} is not among the noises that the exact engine has",
                    other.name()
                ));
            }
        }
    }
    let (label_noise, distribution) = labels.unwrap_or_default();
    let kind = match batches {
        Some((batch_size, sampling)) => Kind::StochasticGradientDescent {
            batch_size,
            sampling,
            distribution,
        },
        None if label_noise > 0.0 => Kind::LabelNoiseGradientDescent { distribution },
        None => Kind::GradientDescent,
    };
    Ok(DynamicsSpec {
        label: label.clone(),
        dynamics: Dynamics {
            kind,
            step_size: one.step_size,
            label_noise,
            optimizer: one.optimizer,
        },
        time_step: one.step_size,
        automatic_time_step: false,
    })
}

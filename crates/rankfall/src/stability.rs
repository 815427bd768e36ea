//! Steps that are far from stable at the start, said before a run: by the largest curvature of the
//! loss there.
//!
//! A step up to 2 over the largest curvature is stable for a quadratic loss. Beyond, weights grow
//! until they have found a flatter place, or forever. Two linear layers find none from about 4 over
//! the curvature on, networks of rectifiers from about 12 on (Lewkowycz and others 2020): only
//! beyond that is a warning no false alarm. Losses of classes have bounded gradients, under which
//! nothing grows forever.

use crate::dense::preparation as dense;
use crate::experiment::ExactExperiment;
use crate::failure::{Failure, quoted};
use crate::preparation::{ExactInputs, of_setup};
use rankfall_core::model::dynamics::{Dynamics, Kind};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::theory::stability::{Curvature, curvature, largest_stable_curvature};
use rankfall_nets::activation::Activation;
use rankfall_nets::ensemble::DataSource;
use rankfall_nets::loss::Loss;
use rankfall_nets::scalar::Real;
use rankfall_nets::sharpness::sharpness;
use rankfall_nets::training::TrainingPlan;

/// Says of each dynamics of two linear layers whose step is not stable at the start, or at no
/// minimum of the loss, and what would be.
///
/// # Errors
/// Exit code 2 for a start that cannot be made.
pub fn of_exact(
    experiment: &ExactExperiment,
    prepared: &ExactInputs,
) -> Result<Vec<String>, Failure> {
    if experiment.network.loss != Loss::Squared {
        return Ok(Vec::new());
    }
    let beginning = prepared.setup.initial_condition(0).map_err(of_setup)?;
    let Some(curvature) = curvature(&beginning.problem, &beginning.start) else {
        return Ok(Vec::new());
    };
    let words = experiment.dynamics.iter().filter_map(|spec| {
        let key = match spec.dynamics.kind {
            Kind::GradientFlow | Kind::SlowFlow { .. } => return None,
            Kind::StochasticGradientFlow { .. } => "time_step",
            _ => "step_size",
        };
        if spec.dynamics.modified_forces().is_some() {
            return None;
        }
        let step = Step {
            label: &spec.label,
            key,
            size: spec.time_step,
            optimizer: &spec.dynamics.optimizer,
        };
        let at_start = curvature.at_start * of_batches(&spec.dynamics, &beginning.problem);
        step.unstable_at_start(at_start, LINEAR)
            .or_else(|| step.unstable_at_minima(curvature.at_minima))
    });
    Ok(words.collect())
}

/// The largest step of a descent that is stable at the start and at minima, as far as these
/// curvatures tell; none where none is.
pub fn largest_stable_step(
    dynamics: &Dynamics,
    problem: &Problem,
    curvature: &Curvature,
) -> Option<f64> {
    let decay = dynamics.optimizer.weight_decay;
    // What a step bears falls as one over the step.
    let borne = largest_stable_curvature(
        1.0,
        &Optimizer {
            weight_decay: 0.0,
            ..dynamics.optimizer
        },
    );
    let at_start = curvature.at_start * of_batches(dynamics, problem);
    let largest = at_start.max(curvature.at_minima) + decay;
    (largest > 0.0)
        .then(|| borne / largest)
        .filter(|step| step.is_finite())
}

/// How many times the stable step two linear layers bear.
const LINEAR: f64 = 2.0;

/// The same of networks of rectifiers.
const NONLINEAR: f64 = 6.0;

/// What batches of b rows make of a curvature: with E H_b² = S²(1 − 1/b) + E‖x‖²xxᵀ/b steps of a
/// batch shrink mean squares below 2 over λ_max(1 − 1/b) + tr S/b, for rows whose length and
/// direction are independent.
fn of_batches(dynamics: &Dynamics, problem: &Problem) -> f64 {
    let Kind::StochasticGradientDescent { batch_size, .. } = dynamics.kind else {
        return 1.0;
    };
    let largest = problem.eigenvalues.iter().fold(0.0_f64, |a, &b| a.max(b));
    match batch_size < problem.samples && largest > 0.0 {
        true => 1.0 + (problem.trace() / largest - 1.0) / batch_size as f64,
        false => 1.0,
    }
}

/// The same of networks in the dense engine, at the first step of the first trajectory.
pub fn of_dense(prepared: &dense::DenseInputs, labels: &[&str]) -> Vec<String> {
    match &prepared.source {
        dense::AnySource::Single(source) => of_source(prepared, source, labels),
        dense::AnySource::Double(source) => of_source(prepared, source, labels),
    }
}

fn of_source<T: Real>(
    prepared: &dense::DenseInputs,
    source: &DataSource<T>,
    labels: &[&str],
) -> Vec<String> {
    let Some(curvature) = curvature_of(prepared, source) else {
        return Vec::new();
    };
    let dynamics = prepared.known.ensembles.iter().zip(labels);
    let words = dynamics.filter_map(|(ensemble, label)| {
        let training = &ensemble.training;
        // Steps of Adam are of size η whatever the curvature.
        if training.adam.is_some() {
            return None;
        }
        let linear = training.network.activation == Activation::Linear;
        let step = Step {
            label,
            key: "step_size",
            size: training.step_size * training.schedule.factor(0),
            optimizer: &training.optimizer,
        };
        step.unstable_at_start(curvature, if linear { LINEAR } else { NONLINEAR })
    });
    words.collect()
}

/// The largest curvature of the first trajectory at the start. All dynamics share network, loss and
/// start.
fn curvature_of<T: Real>(prepared: &dense::DenseInputs, source: &DataSource<T>) -> Option<f64> {
    let training = &prepared.known.ensembles.first()?.training;
    if training.loss != Loss::Squared {
        return None;
    }
    let plan = TrainingPlan::new(training).ok()?;
    let train = dense::first_training(source, &plan)?;
    let weights = training
        .initialisation
        .draw::<T>(&plan.network, training.seed, 0);
    sharpness(&plan, &train, &weights)
}

/// The step of one dynamics.
struct Step<'a> {
    label: &'a str,
    /// The key that sets it.
    key: &'static str,
    size: f64,
    optimizer: &'a Optimizer,
}

impl Step<'_> {
    /// What is said of a step more than `borne` times as large as this curvature allows.
    fn unstable_at_start(&self, curvature: f64, borne: f64) -> Option<String> {
        let stable = self.stable_below(curvature)?;
        (self.size > borne * stable).then(|| {
            format!(
                "{} will probably diverge: {} = {} is far beyond what is stable at the start, where the largest \
                 curvature of the loss asks for less than {}; set that, or smaller initial weights",
                quoted(self.label),
                self.key,
                self.size,
                rounded(stable)
            )
        })
    }

    fn unstable_at_minima(&self, curvature: f64) -> Option<String> {
        let stable = self.stable_below(curvature)?;
        Some(format!(
            "{} is stable at no minimum of the loss: {} = {} is beyond what the curvature there allows, less than \
             {}; set that, or targets and inputs of smaller scale",
            quoted(self.label),
            self.key,
            self.size,
            rounded(stable)
        ))
    }

    /// The step that this curvature allows, if it is less than the step taken.
    fn stable_below(&self, curvature: f64) -> Option<f64> {
        let allowed = largest_stable_curvature(self.size, self.optimizer);
        let total = curvature + self.optimizer.weight_decay;
        let stable = self.size * (allowed + self.optimizer.weight_decay) / total;
        (curvature > allowed && stable.is_finite()).then_some(stable)
    }
}

/// Two digits.
fn rounded(value: f64) -> String {
    match (1e-3..1e4).contains(&value) {
        true => {
            let decimals = (1.0 - value.log10().floor()).max(0.0) as usize;
            format!("{value:.decimals$}")
        }
        false => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{EngineInput, Experiment};
    use crate::{bundled, preparation};
    use std::path::Path;

    /// None of the experiments that come with the program diverges at once, and none is warned of.
    #[test]
    fn no_bundled_experiment_is_warned_of() {
        for bundled in bundled::ALL.iter().filter(|b| !b.is_sweep) {
            if bundled::has_data(bundled).is_err() {
                continue;
            }
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../experiments");
            let read = Experiment::from_toml(bundled.toml, bundled.name, Path::new(root), &[]);
            let read = read.unwrap_or_else(|failure| panic!("{failure}"));
            let warnings = match read.engine().unwrap() {
                EngineInput::Exact(mut experiment) => {
                    let prepared = preparation::prepare(&mut experiment).unwrap();
                    of_exact(&experiment, &prepared).unwrap()
                }
                EngineInput::Dense(mut experiment, _) => {
                    let prepared = dense::prepare(&mut experiment).unwrap();
                    let labels: Vec<&str> = (experiment.dynamics.iter())
                        .map(|d| d.label.as_str())
                        .collect();
                    of_dense(&prepared, &labels)
                }
            };
            assert!(warnings.is_empty(), "{}: {warnings:?}", bundled.name);
        }
    }

    #[test]
    fn the_step_that_is_named_is_stable() {
        let optimizer = Optimizer {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 1.0,
        };
        let step = |size| Step {
            label: "x",
            key: "step_size",
            size,
            optimizer: &optimizer,
        };
        // 2 (1 + 0.9)/η − 1 = 37 at η = 0.1.
        assert_eq!(step(0.1).stable_below(36.9), None);
        let stable = step(0.1).stable_below(75.0).unwrap();
        assert!((stable - 0.05).abs() < 1e-12, "{stable}");
        assert_eq!(step(0.999 * stable).stable_below(75.0), None);
    }

    #[test]
    fn numbers_have_two_digits() {
        let written = [
            (12.34, "12"),
            (0.1234, "0.12"),
            (1.0, "1.0"),
            (123.4, "123"),
            (2.0e4, "2.0e4"),
        ];
        for (value, words) in written {
            assert_eq!(rounded(value), words);
        }
    }
}

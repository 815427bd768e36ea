//! What the slow flow predicts beside each noisy dynamics of a run, or why nothing is.

use crate::experiment::{ExactDynamics, ExactExperiment};
use crate::failure::{number_text, quoted};
use rankfall_core::ensemble::small_noise::{MOST_WORK, Predicted, SmallNoise};
use rankfall_core::model::dynamics::{Dynamics, Kind, Sampling};
use rankfall_core::model::setup::Setup;
use rankfall_report::observable::Observable;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Starts that are averaged over at most, where trajectories have their own.
const MOST_STARTS: u64 = 64;

/// Work spent on the predictions of a run, all dynamics together.
const MOST_WORK_BESIDE_A_RUN: f64 = MOST_WORK / 4.0;

/// What is predicted of the means of one dynamics, save by save.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlowPrediction {
    /// What is predicted.
    observables: Vec<Observable>,
    /// Save by save; null where undefined.
    values: Vec<Option<f64>>,
    /// Of what order relative errors are; null without a prediction.
    pub separation: Option<f64>,
    /// Why nothing is predicted; null where something is.
    pub reason: Option<String>,
}

impl SlowPrediction {
    fn none(reason: String) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }

    fn of(predicted: &Predicted) -> Self {
        let all = &predicted.layout.observables;
        let defined = |value: &f64| value.is_finite().then_some(*value);
        Self {
            observables: all
                .iter()
                .map(|o| Observable::measured(o.name, o.index))
                .collect(),
            values: predicted.values.iter().map(defined).collect(),
            separation: Some(predicted.separation),
            reason: None,
        }
    }
}

/// A prediction, to be asked for one mean after the other.
pub struct PredictedMeans<'a> {
    prediction: &'a SlowPrediction,
    places: HashMap<&'a Observable, usize>,
}

impl<'a> PredictedMeans<'a> {
    /// Of this prediction.
    pub fn of(prediction: &'a SlowPrediction) -> Self {
        let observables = prediction.observables.iter().enumerate();
        Self {
            prediction,
            places: observables.map(|(place, o)| (o, place)).collect(),
        }
    }

    /// The predicted mean of an observable at a save; none where none is predicted or it is
    /// undefined.
    pub fn at(&self, save: usize, observable: &Observable) -> Option<f64> {
        let count = self.prediction.observables.len();
        let place = self.places.get(observable)?;
        *self.prediction.values.get(save * count + place)?
    }

    /// The last save; none without a prediction.
    fn last(&self) -> Option<usize> {
        let count = self.prediction.observables.len();
        self.prediction
            .values
            .len()
            .checked_div(count)?
            .checked_sub(1)
    }
}

/// Of each dynamics, in their order, at its saves.
pub fn of_run(experiment: &ExactExperiment, setup: &Setup, samples: u64) -> Vec<SlowPrediction> {
    let is_noisy = |spec: &&ExactDynamics| why_none(&spec.dynamics, samples).is_none();
    let noisy = experiment.dynamics.iter().filter(is_noisy).count();
    let most_work = MOST_WORK_BESIDE_A_RUN / noisy.max(1) as f64;
    let saves = experiment.save_steps();
    let pairs = experiment.dynamics.iter().zip(&saves);
    pairs
        .map(|(spec, saves)| of_dynamics(experiment, spec, setup, samples, saves, most_work))
        .collect()
}

/// Of one dynamics at the steps `saves`, with `most_work` multiplications.
pub fn of_dynamics(
    experiment: &ExactExperiment,
    spec: &ExactDynamics,
    setup: &Setup,
    samples: u64,
    saves: &[u64],
    most_work: f64,
) -> SlowPrediction {
    if let Some(reason) = why_none(&spec.dynamics, samples) {
        return SlowPrediction::none(format!("not stated: {reason}"));
    }
    let times: Vec<f64> = saves
        .iter()
        .map(|&step| step as f64 * spec.time_step)
        .collect();
    let request = SmallNoise {
        setup,
        nu: spec.dynamics.noise_intensity(samples),
        times: &times,
        rank_tolerance: experiment.run.rank_tolerance,
        trajectories: experiment.run.trajectories.min(MOST_STARTS),
        most_work,
    };
    match request.predict(spec.dynamics.row_noise_intensity(samples)) {
        Ok(predicted) => SlowPrediction::of(&predicted),
        Err(error) => SlowPrediction::none(format!("does not apply: {error}")),
    }
}

/// What is foreseen of a run, a line for each dynamics of which something is: ranks at its start
/// and end, and how far that is to be trusted.
pub fn in_words(experiment: &ExactExperiment, predictions: &[SlowPrediction]) -> Vec<String> {
    let of_one = |(spec, prediction): (&ExactDynamics, &SlowPrediction)| {
        let foreseen = PredictedMeans::of(prediction);
        let last = foreseen.last()?;
        let rank = |save, layer: &str| {
            let observable = Observable::measured(&format!("numerical_rank_{layer}"), 0);
            foreseen.at(save, &observable).map(f64::round)
        };
        let of = |layer| Some((rank(0, layer)?, rank(last, layer)?));
        let ((first, first_end), (second, second_end)) = (of("w1")?, of("w2")?);
        let order = prediction.separation?;
        Some(format!(
            "predicted of {}: until t = {} the numerical rank of W₁ goes from {first} to {first_end}, of W₂ from \
             {second} to {second_end} (limit of small noise, relative error of order {order:.1})",
            quoted(&spec.label),
            number_text(experiment.time)
        ))
    };
    let pairs = experiment.dynamics.iter().zip(predictions);
    pairs.filter_map(of_one).collect()
}

/// Why no slow flow is followed beside a dynamics, whatever the data: that of label noise, and of
/// rows where they are drawn.
pub fn why_none(dynamics: &Dynamics, samples: u64) -> Option<&'static str> {
    let drawn = dynamics.row_noise_intensity(samples).is_some();
    if dynamics.classes.is_none() && dynamics.label_noise == 0.0 && !drawn {
        return Some("the slow flow is that of label noise, and there is none");
    }
    if dynamics.classes.is_some() {
        return Some("the slow flow is that of the squared loss");
    }
    if dynamics.modified_forces().is_some() {
        return Some("the slow flow is that of forces that are not scaled");
    }
    if !dynamics.optimizer.is_plain() {
        return Some("the slow flow is that of plain steps, without momentum and weight decay");
    }
    match dynamics.kind {
        Kind::SlowFlow { .. } => Some("it is the slow flow itself"),
        Kind::StochasticGradientDescent {
            sampling: Sampling::Sequential,
            ..
        } => Some("the slow flow is that of noise without memory, which rows in order do not give"),
        _ => None,
    }
}

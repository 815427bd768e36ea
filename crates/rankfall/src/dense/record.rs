//! Results of networks given by their layers, which the dense engine runs.

use super::preparation::DenseProblemInfo;
use crate::engine::{Measurements, Recorder};
use crate::exact::record::optimizer_record;
use crate::experiment::{DenseExperiment, NoiseHours};
use crate::failure::Failure;
use crate::finished::{DynamicsOutcome, WeightSnapshot};
use crate::grid::{Grid, SaveTime};
use crate::results;
use crate::run_folder::weights::layer_tensors;
use crate::summarise::{RecordInputs, one_for_many};
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_nets::ensemble::{TrainingEnsemble, WeightsAtStep};
use rankfall_nets::network::{Architecture, Network};
use rankfall_nets::noise::Noise;
use rankfall_nets::optimizer::Adam;
use rankfall_nets::schedule::{RateSchedule, Shape};
use rankfall_nets::training::TrainingSpec;
use rankfall_report::record::{
    ACCOUNT, AdamRecord, DENSE, DynamicsSummary, ProblemSummary, Summary,
};

/// Makes results of what the dense engine measured.
pub struct DenseRecorder {
    /// The experiment.
    pub experiment: DenseExperiment,
    /// What is known of its data.
    pub known: DenseProblemInfo,
    /// Why the exact engine does not run it.
    pub why: String,
}

impl Recorder for DenseRecorder {
    type Known = DenseProblemInfo;

    fn name(&self) -> &str {
        &self.experiment.name
    }

    fn resolved_toml(&self) -> String {
        self.experiment.resolved_toml()
    }

    fn labels(&self) -> Vec<&str> {
        let dynamics = self.experiment.dynamics.iter();
        dynamics.map(|d| d.label.as_str()).collect()
    }

    fn blocks(&self, dynamics: usize) -> u64 {
        self.known.trajectories[dynamics]
    }

    fn empty_statistics(&self, dynamics: usize) -> Statistics {
        let known = &self.known;
        known.ensembles[dynamics]
            .empty_statistics(&known.layouts[dynamics], known.trajectories[dynamics])
    }

    fn known(&self) -> &DenseProblemInfo {
        &self.known
    }

    fn knows_the_same(&self, other: &DenseProblemInfo) -> bool {
        let mut other = other.clone();
        other.words.clone_from(&self.known.words);
        other == self.known
    }

    fn finish(
        &self,
        index: usize,
        measurements: &Measurements,
        seconds: f64,
    ) -> Result<DynamicsOutcome, Failure> {
        let (experiment, known) = (&self.experiment, &self.known);
        let (spec, ensemble) = (&experiment.dynamics[index], &known.ensembles[index]);
        let (training, measure) = (&ensemble.training, &ensemble.measure);
        let (layout, layers) = (&known.layouts[index], &experiment.spec.layers);
        let names = layout
            .observables
            .iter()
            .map(|o| (o.name.as_str(), o.index));
        let save = |(save, &time): (usize, &f64)| SaveTime {
            time,
            losses: measure.takes_losses(save),
            others: measure.takes_spectra(save),
        };
        let batch = spec.batch_size();
        let mut reductions = vec![format!("none: every layer at full width, for {}", self.why)];
        reductions.extend(one_for_many(
            known.trajectories[index],
            ensemble.trajectories,
        ));
        let about = DynamicsSummary {
            label: spec.label.clone(),
            kind: spec.kind.to_owned(),
            noise_intensity: spec.step_size * spec.label_noise()
                / batch.unwrap_or(known.samples) as f64,
            noise: (spec.noise.iter().enumerate())
                .map(|(place, noise)| noise_words(noise) + &hours_words(spec.hours_of(place)))
                .collect(),
            step_size: spec.step_size,
            schedule: schedule_words(&training.schedule),
            label_noise: spec.label_noise(),
            batch_size: batch,
            optimizer: optimizer_record(&spec.optimizer, spec.adam.as_ref().map(adam_record)),
            steps: training.steps,
            trajectories: known.trajectories[index],
            reductions,
            seconds,
            inert: measurements.inert.clone(),
            ..DynamicsSummary::default()
        };
        let lawless = |layer: Option<u32>| {
            match layer {
            Some(j) if layout.position("log_det_stack_law", j).is_some() => None,
            Some(_) => Some(
                "not stated: a law of log det is known of hidden layers as wide as their neighbours together, under \
                 the squared loss of all targets, without momentum or Adam, and without noise but on labels"
                    .to_owned(),
            ),
            None => Some("does not apply: log det is of adjacent layers of a linear network".to_owned()),
        }
        };
        let totals = measurements.statistics.totals();
        let measured = RecordInputs {
            grid: Grid::new(
                names,
                known.times[index].iter().enumerate().map(save).collect(),
            ),
            statistics: &measurements.statistics,
            totals: &totals,
            layers,
            rank_tolerance: measure.rank_tolerance,
            jacobian_tolerance: measure.jacobian_tolerance,
            time_of: &|step| time_of(training, step),
            law: ACCOUNT,
            predicted: &|_, _| None,
            lawless: &lawless,
        };
        let prefix = match experiment.dynamics.len() {
            1 => String::new(),
            _ => format!("dynamics.{index}."),
        };
        let whole = |values: &[f64]| values.len() == known.network.parameters();
        let weights = measurements.weights.as_deref().filter(|all| whole(all));
        let tensors = weights.map(|values| layer_tensors(&known.network, values, &prefix));
        let keep = experiment.run.keep_trajectories;
        let mut finished = measured.finish(about, keep, tensors.unwrap_or_default())?;
        let snapshot = |then: &WeightsAtStep<f64>| WeightSnapshot {
            trajectory: then.trajectory,
            time: time_of(training, then.step),
            tensors: layer_tensors(&known.network, &then.parameters, ""),
        };
        let then = measurements.weights_then.iter();
        let then = then.filter(|then| whole(&then.parameters));
        finished.snapshots = then.map(snapshot).collect();
        Ok(finished)
    }

    fn summary(&self, finished: &[DynamicsOutcome]) -> Result<Summary, Failure> {
        let known = Summary {
            experiment: self.experiment.name.clone(),
            seed: self.experiment.run.seed,
            engine: DENSE.to_owned(),
            engine_reason: self.why.clone(),
            problem: self.problem(),
            warnings: self.known.warnings.clone(),
            ..Summary::default()
        };
        results::summary(known, finished)
    }
}

impl DenseRecorder {
    /// With what another process says that it knows of the data; none where that cannot be of this
    /// experiment.
    pub fn of_known(
        experiment: DenseExperiment,
        known: DenseProblemInfo,
        why: String,
    ) -> Option<Self> {
        let all = [
            known.ensembles.len(),
            known.trajectories.len(),
            known.times.len(),
            known.layouts.len(),
        ];
        let is_sound = |(one, times): (&TrainingEnsemble, &Vec<f64>)| {
            let measure = &one.measure;
            times.len() == measure.save_steps.len()
                && measure.losses_every > 0
                && measure.spectra_every > 0
                && Network::new(&one.training.network).is_ok_and(|network| network == known.network)
        };
        let fits = known.samples > 0
            && all == [experiment.dynamics.len(); 4]
            && known.ensembles.iter().zip(&known.times).all(is_sound);
        fits.then_some(Self {
            experiment,
            known,
            why,
        })
    }

    fn problem(&self) -> ProblemSummary {
        let (known, experiment) = (&self.known, &self.experiment);
        let network = &experiment.network;
        let name = |value: serde_json::Result<String>| {
            value
                .map(|text| text.trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        ProblemSummary {
            samples: known.samples,
            held_out: known.held_out,
            inputs: experiment.spec.layers.first().copied().unwrap_or(0),
            outputs: experiment.spec.layers.last().copied().unwrap_or(0),
            layers: experiment.spec.layers.clone(),
            kind: match experiment.spec.kind {
                Architecture::Dense => "dense".to_owned(),
                Architecture::DiagonalLinear => "diagonal-linear".to_owned(),
            },
            activation: name(serde_json::to_string(&experiment.spec.activation)),
            bias: experiment.spec.bias,
            parameters: known.network.parameters() as u64,
            loss: name(serde_json::to_string(&network.loss)),
            precision: name(serde_json::to_string(&network.precision)),
            classes: known.classes,
            trace_sxx: None,
            loss_floor: None,
            constant_loss: known.constant_loss,
            data: known.words.clone(),
        }
    }
}

fn adam_record(adam: &Adam) -> AdamRecord {
    AdamRecord {
        beta1: adam.beta1,
        beta2: adam.beta2,
        epsilon: adam.epsilon,
    }
}

/// t = Σ η up to a step.
pub fn time_of(training: &TrainingSpec, step: u64) -> f64 {
    if training.schedule == RateSchedule::default() {
        return training.step_size * step as f64;
    }
    let factors = (0..step).map(|m| training.schedule.factor(m));
    training.step_size * factors.sum::<f64>()
}

/// How the step size changes, in words.
fn schedule_words(schedule: &RateSchedule) -> String {
    let shape = match &schedule.shape {
        Shape::Constant => "constant".to_owned(),
        Shape::Piecewise { steps, factors } => {
            let pieces = steps.iter().zip(factors);
            let pieces: Vec<String> = pieces
                .map(|(s, f)| format!("× {f} from step {s}"))
                .collect();
            pieces.join(", ")
        }
        Shape::Cosine { steps, last } => format!("cosine to × {last} over {steps} steps"),
    };
    match schedule.warm_up {
        0 => shape,
        steps => format!("warm-up over {steps} steps, then {shape}"),
    }
}

/// When a noise acts, in words; nothing where it always does.
fn hours_words(hours: Option<&NoiseHours>) -> String {
    match hours {
        None => String::new(),
        Some(NoiseHours {
            from, until: None, ..
        }) => format!(" from t = {from} on"),
        Some(NoiseHours {
            from,
            until: Some(until),
            ..
        }) => {
            format!(" from t = {from} until {until}")
        }
    }
}

/// A kind of noise in words.
fn noise_words(noise: &Noise) -> String {
    match noise {
        Noise::LabelNoise {
            variance,
            distribution,
        } => {
            let law = format!("{distribution:?}");
            format!("{law} label noise of variance {variance}")
        }
        Noise::LabelFlips {
            matrix: Some(_), ..
        } => "label flips by a matrix".to_owned(),
        Noise::LabelFlips { probability, .. } => {
            format!("label flips with probability {probability}")
        }
        Noise::MiniBatch { batch_size, .. } => match batch_size {
            1 => "single rows".to_owned(),
            rows => format!("mini-batches of {rows} rows"),
        },
        Noise::GradientNoise { temperature } => {
            format!("gradient noise of temperature {temperature}")
        }
        Noise::InputNoise { variance } => format!("input noise of variance {variance}"),
        Noise::WeightNoise { variance } => format!("weight noise of variance {variance}"),
        Noise::Dropout { probability } => format!("dropout with probability {probability}"),
    }
}

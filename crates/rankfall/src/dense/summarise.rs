//! Results of networks given by their layers, which the dense engine runs.

use super::preparation::{AnySource, Prepared, first_training};
use super::run::Ended;
use crate::checkpoint::Finished;
use crate::exact::optimizer_record;
use crate::experiment::layered::LayeredExperiment;
use crate::failure::Failure;
use crate::results::Heading;
use crate::run_folder::weights::layer_tensors;
use crate::summarise::{Grid, Measured, Save, one_for_many};
use rankfall_nets::ensemble::Source;
use rankfall_nets::inert::inert;
use rankfall_nets::network::Architecture;
use rankfall_nets::noise::Noise;
use rankfall_nets::scalar::Scalar;
use rankfall_nets::schedule::{Schedule, Shape};
use rankfall_nets::training::{Plan, TrainingSpec};
use rankfall_report::record::{
    ACCOUNT, DENSE, DynamicsSummary, InertSummary, ProblemSummary, Summary,
};

/// What results are made from, besides the dynamics themselves.
pub struct Results<'a> {
    /// The experiment.
    pub experiment: &'a LayeredExperiment,
    /// What was run.
    pub prepared: &'a Prepared,
    /// Why the exact engine does not run it.
    pub why: &'a str,
}

impl Results<'_> {
    /// Summary, series and weights of one dynamics, the `index`-th.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be encoded.
    pub fn finish(&self, index: usize, ended: &Ended, seconds: f64) -> Result<Finished, Failure> {
        let (experiment, known) = (self.experiment, &self.prepared.known);
        let (spec, ensemble) = (&experiment.dynamics[index], &self.prepared.ensembles[index]);
        let (training, measure) = (&ensemble.training, &ensemble.measure);
        let (layout, layers) = (&known.layouts[index], &experiment.network.spec.layers);
        let names = layout
            .observables
            .iter()
            .map(|o| (o.name.as_str(), o.index));
        let save = |(save, &time): (usize, &f64)| Save {
            time,
            losses: measure.takes_losses(save),
            others: measure.takes_spectra(save),
        };
        let batch = spec.batch_size();
        let mut reductions = vec![format!("none: every layer at full width, for {}", self.why)];
        reductions.extend(one_for_many(ended.trajectories, ensemble.trajectories));
        let about = DynamicsSummary {
            label: spec.label.clone(),
            kind: spec.kind.to_owned(),
            noise_intensity: spec.step_size * spec.label_noise()
                / batch.unwrap_or(known.samples) as f64,
            noise: spec.noise.iter().map(noise_words).collect(),
            step_size: spec.step_size,
            schedule: schedule_words(&training.schedule),
            label_noise: spec.label_noise(),
            batch_size: batch,
            optimizer: optimizer_record(&spec.optimizer),
            steps: training.steps,
            trajectories: ended.trajectories,
            reductions,
            seconds,
            inert: self.inert(index, ended),
            ..DynamicsSummary::default()
        };
        let lawless = |layer: Option<u32>| {
            match layer {
            Some(j) if layout.position("log_det_stack_law", j).is_some() => None,
            Some(_) => Some(
                "not stated: a law of log det is known of hidden layers as wide as their neighbours together, under \
                 the squared loss, without momentum and without noise but on labels"
                    .to_owned(),
            ),
            None => Some("does not apply: log det is of adjacent layers of a linear network".to_owned()),
        }
        };
        let totals = ended.statistics.totals();
        let measured = Measured {
            grid: Grid::new(names, ended.times.iter().enumerate().map(save).collect()),
            statistics: &ended.statistics,
            totals: &totals,
            layers,
            rank_tolerance: measure.rank_tolerance,
            jacobian_tolerance: measure.jacobian_tolerance,
            time_of: &|step| time_of(training, step),
            law: ACCOUNT,
            lawless: &lawless,
        };
        let prefix = match experiment.dynamics.len() {
            1 => String::new(),
            _ => format!("dynamics.{index}."),
        };
        let weights = ended.final_parameters.as_ref();
        let tensors = weights.map(|values| layer_tensors(&known.network, values, &prefix));
        let keep = experiment.run.keep_trajectories;
        measured.finish(about, keep, tensors.unwrap_or_default())
    }

    /// What of trajectory 0 can learn nothing more, by its weights at the end.
    fn inert(&self, index: usize, ended: &Ended) -> Option<InertSummary> {
        let weights = ended.final_parameters.as_ref()?;
        let plan = Plan::new(&self.prepared.ensembles[index].training).ok()?;
        match &self.prepared.source {
            AnySource::Single(source) => inert_of(source, &plan, weights),
            AnySource::Double(source) => inert_of(source, &plan, weights),
        }
    }

    /// What the run says of itself.
    ///
    /// # Errors
    /// Exit code 1 for a dynamics that cannot be decoded.
    pub fn summary(&self, finished: &[Finished]) -> Result<Summary, Failure> {
        let heading = Heading {
            experiment: &self.experiment.name,
            seed: self.experiment.run.seed,
            engine: DENSE,
            engine_reason: self.why,
            problem: self.problem(),
            warnings: &self.prepared.known.warnings,
        };
        heading.summary(finished)
    }

    fn problem(&self) -> ProblemSummary {
        let (known, network) = (&self.prepared.known, &self.experiment.network);
        let name = |value: serde_json::Result<String>| {
            value
                .map(|text| text.trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        ProblemSummary {
            samples: known.samples,
            held_out: known.held_out,
            layers: network.spec.layers.clone(),
            kind: match network.spec.kind {
                Architecture::Dense => "dense".to_owned(),
                Architecture::DiagonalLinear => "diagonal-linear".to_owned(),
            },
            activation: name(serde_json::to_string(&network.spec.activation)),
            bias: network.spec.bias,
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

fn inert_of<T: Scalar>(source: &Source<T>, plan: &Plan, weights: &[f64]) -> Option<InertSummary> {
    let train = first_training(source, plan)?;
    let weights: Vec<T> = weights.iter().map(|&w| T::of(w)).collect();
    let found = inert(plan, &train, &weights);
    Some(InertSummary {
        dead_units: found.dead_units,
        still_layers: found.still_layers,
    })
}

/// t = Σ η up to a step.
fn time_of(training: &TrainingSpec, step: u64) -> f64 {
    if training.schedule == Schedule::default() {
        return training.step_size * step as f64;
    }
    let factors = (0..step).map(|m| training.schedule.factor(m));
    training.step_size * factors.sum::<f64>()
}

/// How the step size changes, in words.
fn schedule_words(schedule: &Schedule) -> String {
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

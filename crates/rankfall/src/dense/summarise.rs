//! From the statistics of an ensemble of networks to its summary and its rows of `series.parquet`.

use super::preparation::Known;
use super::run::Ended;
use crate::experiment::Descent;
use rankfall_core::statistics::{Cell, HISTOGRAM_BIN, Totals};
use rankfall_nets::ensemble::EnsembleSpec;
use rankfall_nets::layout::Layout;
use rankfall_nets::noise::Noise;
use rankfall_nets::schedule::Shape;
use rankfall_report::network_record::{
    InertSummary, MatrixSummary, NetworkDynamics, StackSummary, TolerantRank,
};
use rankfall_report::record::{Divergence, LossSummary, Scalar, SeriesRow, Spectrum};

/// The law of a stack is a column of `log_det_stack`, not an observable.
const STACK: &str = "log_det_stack";
const STACK_LAW: &str = "log_det_stack_law";

/// What the summary of one dynamics is made from.
pub struct Material<'a> {
    /// The dynamics as asked for.
    pub spec: &'a Descent,
    /// The same as it was run.
    pub ensemble: &'a EnsembleSpec,
    /// What it left.
    pub ended: &'a Ended,
    /// Its statistics.
    pub totals: &'a Totals<'a>,
    /// What was measured.
    pub layout: &'a Layout,
    /// What is known of the data.
    pub known: &'a Known,
    /// What of trajectory 0 can learn nothing more at the end.
    pub inert: Option<InertSummary>,
    /// Why the exact engine does not run it.
    pub why: &'a str,
    /// Wall seconds.
    pub seconds: f64,
}

/// Null for what is undefined.
fn defined(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Whether an observable is taken with the losses, and not with the spectra.
pub fn is_loss(name: &str) -> bool {
    ["loss", "accuracy", "held_out_loss", "held_out_accuracy"].contains(&name)
}

impl Material<'_> {
    fn cell(&self, save: usize, name: &str, index: u32) -> Option<Cell> {
        let place = self.layout.position(name, index)?;
        Some(
            self.totals
                .cell(save * self.layout.observables.len() + place),
        )
    }

    fn mean(&self, save: usize, name: &str, index: u32) -> Option<f64> {
        self.cell(save, name, index)
            .and_then(|cell| defined(cell.mean))
    }

    fn last(&self) -> usize {
        self.ended.times.len() - 1
    }

    fn scalar(&self, name: &str, index: u32) -> Scalar {
        Scalar {
            initial: self.mean(0, name, index),
            final_mean: self.mean(self.last(), name, index),
        }
    }

    fn ends(&self, name: &str, index: u32) -> Option<LossSummary> {
        self.layout.position(name, index)?;
        let last = self.cell(self.last(), name, index);
        Some(LossSummary {
            initial: self.mean(0, name, index),
            final_mean: last.and_then(|cell| defined(cell.mean)),
            final_std: last.and_then(|cell| defined(cell.deviation)),
        })
    }

    fn spectrum(&self, name: &str) -> Option<Spectrum> {
        let size = self
            .layout
            .observables
            .iter()
            .filter(|o| o.name == name)
            .count() as u32;
        let at = |save| {
            (1..=size)
                .map(|index| self.mean(save, name, index))
                .collect()
        };
        (size > 0).then(|| Spectrum {
            initial: at(0),
            final_mean: at(self.last()),
        })
    }

    /// Ranks whose names end in `suffix`, and the spectrum of that name.
    fn matrix(&self, suffix: &str, index: u32, spectrum: &str, tolerance: f64) -> MatrixSummary {
        let rank = |kind: &str| self.scalar(&format!("{kind}_{suffix}"), index);
        let optional = |name: &str| {
            let there = self.layout.position(name, index).is_some();
            there.then(|| self.scalar(name, index))
        };
        MatrixSummary {
            log_singular_values: self.spectrum(spectrum),
            numerical_rank: TolerantRank {
                rank: rank("numerical_rank"),
                tolerance,
            },
            machine_rank: rank("machine_rank"),
            effective_rank: rank("effective_rank"),
            stable_rank: rank("stable_rank"),
            nuclear_norm: rank("nuclear_norm"),
            log_abs_det: optional(&format!("log_abs_det_{suffix}")),
            active_share: optional(&format!("active_share_{suffix}")),
        }
    }

    /// The entry of `summary.json`.
    pub fn summary(&self) -> NetworkDynamics {
        let (spec, measure) = (self.spec, &self.ensemble.measure);
        let steps = self.ensemble.training.steps;
        let diverged = self.totals.divergences();
        let step_times = |step: u64| self.time_of(step);
        let layers = self.known.network.layers().len() as u32;
        let indices = |name: &str| {
            let name = name.to_owned();
            let here = self
                .layout
                .observables
                .iter()
                .filter(move |o| o.name == name);
            here.map(|o| o.index)
        };
        let layer = |j: u32| {
            let spectrum = format!("log_singular_value_layer_{j}");
            self.matrix("layer", j, &spectrum, measure.rank_tolerance)
        };
        let product = |_: u32| {
            let diagonal = self.spectrum("log_row_norm_product").is_some();
            let name = if diagonal {
                "log_row_norm_product"
            } else {
                "log_singular_value_product"
            };
            self.matrix("product", 0, name, measure.rank_tolerance)
        };
        NetworkDynamics {
            label: spec.label.clone(),
            kind: spec.kind.to_owned(),
            noise_intensity: self.noise_intensity(),
            noise: spec.noise.iter().map(noise_words).collect(),
            step_size: spec.step_size,
            schedule: self.schedule_words(),
            momentum: spec.optimizer.momentum,
            weight_decay: spec.optimizer.weight_decay,
            steps,
            trajectories: self.ended.trajectories,
            diverged: diverged.count,
            divergences: (diverged.first.iter())
                .map(|d| Divergence {
                    trajectory: d.trajectory,
                    step: d.step,
                    time: step_times(d.step),
                    reason: d.reason.name().to_owned(),
                })
                .collect(),
            reductions: self.reductions(),
            seconds: self.seconds,
            trajectory_steps_per_second: steps as f64 * self.ended.trajectories as f64
                / self.seconds.max(1e-9),
            loss: self.ends("loss", 0).unwrap_or_default(),
            accuracy: self.ends("accuracy", 0),
            held_out_loss: self.ends("held_out_loss", 0),
            held_out_accuracy: self.ends("held_out_accuracy", 0),
            layers: (1..=layers).map(layer).collect(),
            product: indices("numerical_rank_product").next().map(product),
            features: indices("numerical_rank_features")
                .map(|j| self.matrix("features", j, "", measure.rank_tolerance))
                .collect(),
            jacobian: indices("numerical_rank_jacobian")
                .next()
                .map(|_| self.matrix("jacobian", 0, "", measure.jacobian_tolerance)),
            log_det_stacks: indices(STACK).map(|j| self.stack(j)).collect(),
            inert: self.inert.clone(),
            quantiles: self.quantiles(),
        }
    }

    fn stack(&self, index: u32) -> StackSummary {
        StackSummary {
            log_det: self.ends(STACK, index).unwrap_or_default(),
            law_final: self.mean(self.last(), STACK_LAW, index),
        }
    }

    /// t = Σ η up to a step.
    fn time_of(&self, step: u64) -> f64 {
        let training = &self.ensemble.training;
        if training.schedule == rankfall_nets::schedule::Schedule::default() {
            return training.step_size * step as f64;
        }
        let factors = (0..step).map(|m| training.schedule.factor(m));
        training.step_size * factors.sum::<f64>()
    }

    fn noise_intensity(&self) -> f64 {
        let batch = self.spec.batch_size().unwrap_or(self.known.samples);
        self.spec.step_size * self.spec.label_noise() / batch as f64
    }

    fn schedule_words(&self) -> String {
        let schedule = &self.ensemble.training.schedule;
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

    fn quantiles(&self) -> String {
        if self.ended.statistics.is_exact() {
            return "type 7, from every trajectory".to_owned();
        }
        format!(
            "from histograms with bins of {HISTOGRAM_BIN} in the natural logarithm: at most {} off \
             for logarithmic quantities, that relative error for the others",
            HISTOGRAM_BIN / 2.0
        )
    }

    fn reductions(&self) -> Vec<String> {
        let mut all = vec![format!("none: every layer at full width, for {}", self.why)];
        if self.ended.trajectories < self.ensemble.trajectories {
            let requested = self.ensemble.trajectories;
            all.push(format!(
                "trajectories: one stands for {requested}, which would all be equal"
            ));
        }
        all
    }

    /// The rows of `series.parquet`: every observable at the saves at which it was taken.
    pub fn series(&self) -> Vec<SeriesRow> {
        let measure = &self.ensemble.measure;
        let mut rows = Vec::new();
        for observable in self
            .layout
            .observables
            .iter()
            .filter(|o| o.name != STACK_LAW)
        {
            let taken = |&save: &usize| match is_loss(&observable.name) {
                true => measure.takes_losses(save),
                false => measure.takes_spectra(save),
            };
            for save in (0..self.ended.times.len()).filter(taken) {
                rows.extend(self.row(&observable.name, observable.index, save));
            }
        }
        rows
    }

    fn row(&self, name: &str, index: u32, save: usize) -> Option<SeriesRow> {
        let cell = self.cell(save, name, index)?;
        let survivors = self.totals.survivors() as f64;
        let [q05, q25, q50, q75, q95] = cell.quantiles.map(defined);
        Some(SeriesRow {
            dynamics: self.spec.label.clone(),
            observable: name.to_owned(),
            index,
            time: self.ended.times[save],
            mean: defined(cell.mean),
            std_error: defined(cell.deviation / survivors.sqrt()),
            q05,
            q25,
            q50,
            q75,
            q95,
            law: match name {
                STACK => self.mean(save, STACK_LAW, index),
                _ => None,
            },
        })
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

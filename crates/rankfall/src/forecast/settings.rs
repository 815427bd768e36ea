//! Which label noise, step size or batch size leaves a rank after so many steps.

use super::{DynamicsForecast, Forecast, MatrixForecast};
use crate::experiment::{ExactDynamics, ExactExperiment};
use crate::failure::quoted;
use rankfall_core::model::dynamics::{Kind, Sampling};
use rankfall_core::theory::averaging::MOST_SEPARATION;
use serde::Serialize;

/// The settings of a dynamics that leave a rank.
#[derive(Clone, Debug, Serialize)]
pub struct RankSetting {
    /// Of the dynamics.
    pub label: String,
    /// Of the matrix: `w1` or `w2`.
    pub matrix: String,
    /// What varies: `label_noise`, `step_size` or `batch_size`.
    pub key: String,
    /// From this value on the rank is reached; null where no value does.
    pub from: Option<f64>,
    /// Up to this value it is not yet lower; null where it never is.
    pub until: Option<f64>,
    /// What stands against it; null where nothing does.
    pub reason: Option<String>,
}

impl Forecast {
    /// The label noise, step size or batch size of each noisy dynamics with which the falling layer
    /// has rank `rank` after `steps` steps, all else as it is: the slow flow depends on (η/b) t
    /// alone.
    pub fn settings_for_rank(
        &self,
        experiment: &ExactExperiment,
        rank: usize,
        steps: f64,
    ) -> Vec<RankSetting> {
        let layer = match self.layers[0] >= self.layers[self.layers.len() - 1] {
            true => "w1",
            false => "w2",
        };
        let is_noisy =
            |one: &DynamicsForecast| one.noise_intensity > 0.0 || one.row_noise_intensity.is_some();
        let pairs = self.dynamics.iter().zip(&experiment.dynamics);
        pairs
            .filter(|(one, _)| is_noisy(one))
            .flat_map(|(forecast, spec)| {
                Question {
                    forecast,
                    spec,
                    samples: self.samples,
                    layer,
                    steps,
                }
                .settings(rank)
            })
            .collect()
    }
}

/// Which settings of one dynamics are looked for.
struct Question<'a> {
    forecast: &'a DynamicsForecast,
    spec: &'a ExactDynamics,
    samples: u64,
    layer: &'a str,
    steps: f64,
}

impl Question<'_> {
    fn settings(&self, rank: usize) -> Vec<RankSetting> {
        let named = |matrix: &&MatrixForecast| matrix.name == self.layer;
        let Some(matrix) = self.forecast.matrices.iter().find(named) else {
            let reason = self.forecast.reason.clone();
            return vec![self.nothing(
                "label_noise",
                reason.unwrap_or_else(|| "nothing is predicted".into()),
            )];
        };
        let (least, most) = (matrix.survivors, matrix.survivors + matrix.falls.len());
        if rank < least || rank > most {
            let name = quoted(&self.forecast.label);
            let words = format!("the rank of {name} is from {least} to {most} at any time");
            return vec![self.nothing("label_noise", words)];
        }
        // Noise has lowered the rank to `rank` once σ_{rank + 1} has fallen, and below it once
        // σ_rank has.
        let falls_at = |index: usize| {
            let fall = matrix.falls.iter().find(|fall| fall.index == index)?;
            Some(fall.time)
        };
        let reached = match rank == most {
            true => Some(0.0),
            false => falls_at(rank + 1),
        };
        let times = [reached, falls_at(rank)];
        let mut all = vec![self.label_noise(times), self.step_size(times)];
        let kind = &self.spec.dynamics.kind;
        if !matches!(kind, Kind::LabelNoiseGradientDescent { .. }) {
            all.push(self.batch_size(times));
        }
        all
    }

    /// ν grows with δ; what falls at t now falls after `steps` steps of η with δ t/(η steps).
    fn label_noise(&self, times: [Option<f64>; 2]) -> RankSetting {
        if self.forecast.row_noise_intensity.is_some() {
            let words = "the noise of rows, which it does not change, lowers the rank as well";
            return self.nothing("label_noise", words.to_owned());
        }
        let dynamics = &self.spec.dynamics;
        let (delta, end) = (dynamics.label_noise, dynamics.step_size * self.steps);
        let mut setting = self.between("label_noise", times, |t| delta * t / end);
        setting.reason = self.too_noisy(setting.from.map(|value| value / delta));
        setting
    }

    /// Both kinds of noise grow with η, and so does t: with η², all in all.
    fn step_size(&self, times: [Option<f64>; 2]) -> RankSetting {
        let eta = self.spec.dynamics.step_size;
        let of = |t: f64| (eta * t / self.steps).sqrt();
        let mut setting = self.between("step_size", times, of);
        let stable = self.forecast.largest_stable_step;
        setting.reason = match setting.from.zip(stable) {
            Some((from, stable)) if from > stable => {
                Some(format!("steps above {stable:.2} are not stable"))
            }
            _ => self.too_noisy(setting.from.map(|value| value / eta)),
        };
        setting
    }

    /// Noise falls with b: that of labels as 1/b, that of rows drawn without replacement as (n −
    /// b)/((n − 1) b).
    fn batch_size(&self, [reached, lost]: [Option<f64>; 2]) -> RankSetting {
        let dynamics = &self.spec.dynamics;
        let n = self.samples as f64;
        let b = dynamics.rows_per_step(self.samples) as f64;
        let without_replacement = matches!(
            dynamics.kind,
            Kind::StochasticGradientDescent {
                sampling: Sampling::WithoutReplacement,
                ..
            }
        ) && self.forecast.row_noise_intensity.is_some();
        if without_replacement && self.forecast.noise_intensity > 0.0 {
            let words =
                "without replacement the noise of rows and that of labels fall differently with it";
            return self.nothing("batch_size", words.to_owned());
        }
        // How much of the noise of single rows is left.
        let share = |b: f64| match without_replacement {
            true => (n - b) / ((n - 1.0) * b),
            false => 1.0 / b,
        };
        let with_share = |share: f64| match without_replacement {
            true => n / (1.0 + (n - 1.0) * share),
            false => 1.0 / share,
        };
        let of = |t: f64| with_share(share(b) * t / (dynamics.step_size * self.steps));
        let mut setting = self.between("batch_size", [lost, reached], of);
        setting.reason = match setting.until {
            Some(most) if most < 1.0 => Some("a batch has at least one row".into()),
            most => self.too_noisy(most.map(|value| share(value) / share(b))),
        };
        setting
    }

    /// Whether so many times the noise is too much for the prediction.
    fn too_noisy(&self, factor: Option<f64>) -> Option<String> {
        let order = self.forecast.error_order? * factor?;
        (order > MOST_SEPARATION).then(|| {
            format!(
                "that is too much noise for the prediction: relative errors of order {order:.1}"
            )
        })
    }

    fn nothing(&self, key: &str, reason: String) -> RankSetting {
        RankSetting {
            reason: Some(reason),
            ..self.between(key, [None; 2], |t| t)
        }
    }

    /// Between what `of` makes of two times of falls.
    fn between(&self, key: &str, times: [Option<f64>; 2], of: impl Fn(f64) -> f64) -> RankSetting {
        let finite = |time: Option<f64>| time.map(&of).filter(|value| value.is_finite());
        RankSetting {
            label: self.forecast.label.clone(),
            matrix: self.layer.to_owned(),
            key: key.to_owned(),
            from: finite(times[0]),
            until: finite(times[1]),
            reason: None,
        }
    }
}

//! `rankfall predict`: what will happen, without simulating it. Which singular values survive, when
//! the others fall below the rank tolerance, what the noise costs, and which step is stable.

pub mod figure;
pub mod settings;

use crate::exact::prediction::why_none;
use crate::experiment::{ExactDynamics, ExactExperiment};
use crate::failure::Failure;
use crate::preparation::{self, ExactInputs, of_setup};
use crate::stability;
use rankfall_core::ensemble::small_noise::{MOST_WORK, Predicted, SmallNoise};
use rankfall_core::model::dynamics::Kind;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::row_noise::RowNoise;
use rankfall_core::theory::decay_rates;
use rankfall_core::theory::stability::{Curvature, curvature};
use rankfall_nets::loss::Loss;
use serde::Serialize;

/// Times at which the slow flow is looked at.
const TIMES: usize = 400;

/// How often the time is doubled until all that falls under the noise of rows has fallen.
const MOST_DOUBLINGS: u32 = 12;

/// The matrices of two layers, by their names in observables.
pub const MATRICES: [&str; 4] = ["theta", "w1", "w2", "product"];

/// What is predicted of an experiment.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    /// Of this format.
    pub schema: u32,
    /// Its name.
    pub experiment: String,
    /// p, l and k.
    pub layers: Vec<usize>,
    /// n.
    pub samples: u64,
    /// A singular value counts as long as it is above this share of the largest.
    pub rank_tolerance: f64,
    /// Where the run ends, t.
    pub time: f64,
    /// In file order.
    pub dynamics: Vec<DynamicsForecast>,
    /// What a reader must know: data, start, steps that are not stable.
    pub warnings: Vec<String>,
}

/// What is predicted of one dynamics.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DynamicsForecast {
    /// The label given in the experiment file.
    pub label: String,
    /// The kind of dynamics.
    pub kind: String,
    /// ν.
    pub noise_intensity: f64,
    /// What the covariance of the gradients of single rows is multiplied by; null where rows are
    /// not drawn or leave no residuals at the optimum.
    pub row_noise_intensity: Option<f64>,
    /// Why nothing falls, or why nothing can be said; null where something is.
    pub reason: Option<String>,
    /// Of what order relative errors are, of times and of falls of log σ: the fastest rate of the
    /// slow flow over the weakest pull to the minimum.
    pub error_order: Option<f64>,
    /// 1 over the fastest rate of decay, in t: until then noise does next to nothing.
    pub quiet_until: Option<f64>,
    /// Rates of log σᵢ(Θ) in t, in the end, from the largest: in closed form, with the noise of
    /// rows as measured there.
    pub rates: Vec<f64>,
    /// Of each matrix.
    pub matrices: Vec<MatrixForecast>,
    /// log det M at the start and at the end of the run; null where the network is too narrow for
    /// one.
    pub log_det: Option<[f64; 2]>,
    /// What the noise costs: the training loss above the least-squares optimum at the end of the
    /// run.
    pub excess_loss: Option<f64>,
    /// Times that [`MatrixForecast::curves`] are at, from 0 on.
    #[serde(skip)]
    pub times: Vec<f64>,
    /// The largest step that is stable at the start and at minima, as far as curvature tells; null
    /// for flows.
    pub largest_stable_step: Option<f64>,
}

impl DynamicsForecast {
    /// The layers, whose falls are shown: W₁ and W₂, and not what they add up to.
    pub fn layers(&self) -> impl Iterator<Item = &MatrixForecast> {
        let is_layer = |m: &&MatrixForecast| m.name == "w1" || m.name == "w2";
        self.matrices.iter().filter(is_layer)
    }
}

impl MatrixForecast {
    /// How it is written: Θ, W₁, W₂ or W₁W₂.
    pub fn symbol(&self) -> &'static str {
        match self.name.as_str() {
            "theta" => "Θ",
            "w1" => "W₁",
            "w2" => "W₂",
            _ => "W₁W₂",
        }
    }
}

/// What is predicted of one matrix.
#[derive(Clone, Debug, Serialize)]
pub struct MatrixForecast {
    /// `theta`, `w1`, `w2` or `product`.
    pub name: String,
    /// How many singular values stay above the tolerance.
    pub survivors: usize,
    /// Numerical rank at the end of the run.
    pub rank_at_end: usize,
    /// Its singular values at the end of the run, natural logarithms.
    pub log_singular_values: Vec<f64>,
    /// When the others fall below the tolerance, the first to fall first.
    pub falls: Vec<Fall>,
    /// Its singular values at each of [`DynamicsForecast::times`], natural logarithms.
    #[serde(skip)]
    pub curves: Vec<Vec<f64>>,
}

/// A singular value that falls below the tolerance.
#[derive(Clone, Debug, Serialize)]
pub struct Fall {
    /// From 1.
    pub index: usize,
    /// t.
    pub time: f64,
    /// Steps of the step size.
    pub steps: f64,
    /// Passes over the data.
    pub epochs: f64,
}

/// What is predicted of an experiment.
///
/// # Errors
/// Exit code 2 for data and weights that cannot be used.
pub fn forecast(mut experiment: ExactExperiment) -> Result<Forecast, Failure> {
    let mut prepared = preparation::prepare(&mut experiment)?;
    let unstable = stability::of_exact(&experiment, &prepared)?;
    prepared.known.warnings.extend(unstable);
    let initial = prepared.setup.initial_condition(0).map_err(of_setup)?;
    let squared = experiment.network.loss == Loss::Squared;
    let curvature = curvature(&initial.problem, &initial.start).filter(|_| squared);
    let of_one = |spec: &ExactDynamics| {
        Forecaster {
            experiment: &experiment,
            prepared: &prepared,
            problem: &initial.problem,
            spec,
        }
        .forecast(curvature)
    };
    let dynamics: Vec<DynamicsForecast> = experiment.dynamics.iter().map(of_one).collect();
    Ok(Forecast {
        schema: 1,
        experiment: experiment.name.clone(),
        layers: prepared.known.problem.layers.clone(),
        samples: prepared.known.problem.samples,
        rank_tolerance: experiment.run.rank_tolerance,
        time: experiment.time,
        dynamics,
        warnings: prepared.known.warnings.clone(),
    })
}

struct Forecaster<'a> {
    experiment: &'a ExactExperiment,
    prepared: &'a ExactInputs,
    problem: &'a Problem,
    spec: &'a ExactDynamics,
}

impl Forecaster<'_> {
    fn forecast(&self, curvature: Option<Curvature>) -> DynamicsForecast {
        let dynamics = &self.spec.dynamics;
        let samples = self.problem.samples;
        let drawn = dynamics.row_noise_intensity(samples);
        let mut out = DynamicsForecast {
            label: self.spec.label.clone(),
            kind: dynamics.kind_name().to_owned(),
            noise_intensity: dynamics.noise_intensity(samples),
            row_noise_intensity: drawn.filter(|_| RowNoise::exists(self.problem)),
            largest_stable_step: curvature
                .filter(|_| !dynamics.is_continuous())
                .and_then(|c| stability::largest_stable_step(dynamics, self.problem, &c)),
            ..DynamicsForecast::default()
        };
        let is_slow_flow = matches!(dynamics.kind, Kind::SlowFlow { .. });
        if let Some(why) = why_none(dynamics, samples).filter(|_| !is_slow_flow) {
            out.reason = Some(why.to_owned());
            return out;
        }
        let followed = match out.row_noise_intensity {
            None => self.follow_label_noise(out.noise_intensity),
            Some(rows) => self.follow_rows(out.noise_intensity, rows),
        };
        match followed {
            Ok(followed) => self.fill(&mut out, &followed),
            Err(why) => out.reason = Some(why),
        }
        out
    }

    /// The slow flow of label noise until all that falls has fallen, and at the end of the run.
    fn follow_label_noise(&self, nu: f64) -> Result<SlowFlowPath, String> {
        let rates = self.rates(nu)?;
        let mut followed = self.follow_until(self.time_of_fall(&rates, nu), nu, None)?;
        followed.rates = rates;
        Ok(followed)
    }

    /// The same with the noise of rows, whose rates have no closed form: for twice as long until
    /// all that falls has fallen.
    fn follow_rows(&self, nu: f64, rows: f64) -> Result<SlowFlowPath, String> {
        // Residuals that do not depend on the inputs are as good as label noise of their variance.
        let alike = nu + rows * 2.0 * self.problem.loss_floor / self.problem.outputs as f64;
        let rates = self.rates(alike)?;
        let survivors = rates.len() - self.falling(&rates, alike).count();
        let mut last = self.time_of_fall(&rates, alike);
        for _ in 0..MOST_DOUBLINGS {
            let followed = self.follow_until(last, nu, Some(rows))?;
            if self.matrix("theta", &followed, 0).survivors <= survivors {
                return Ok(followed);
            }
            last *= 2.0;
        }
        Err("some of what falls takes too long to be followed".to_owned())
    }

    /// Rates of log σᵢ(Θ) under label noise ν, as many as Θ has columns at most.
    fn rates(&self, nu: f64) -> Result<Vec<f64>, String> {
        let all = decay_rates(&self.problem.eigenvalues, &self.problem.optimum, nu);
        let mut rates = all.map_err(|error| error.to_string())?;
        rates.truncate(self.prepared.setup.width);
        Ok(rates)
    }

    /// How fast those fall that do.
    fn falling<'a>(&self, rates: &'a [f64], nu: f64) -> impl Iterator<Item = f64> + use<'a> {
        let zero = 1e-9 * nu * self.problem.trace();
        rates.iter().map(|r| -r).filter(move |r| *r > zero)
    }

    /// How long the slowest of those that fall takes to the tolerance, with room for what the start
    /// adds.
    fn time_of_fall(&self, rates: &[f64], nu: f64) -> f64 {
        let rate = self.falling(rates, nu).fold(f64::INFINITY, f64::min);
        (12.0 - libm::log(self.experiment.run.rank_tolerance)) / rate
    }

    /// The slow flow until `last`, or the end of the run where that is later or the first is
    /// infinite.
    fn follow_until(&self, last: f64, nu: f64, rows: Option<f64>) -> Result<SlowFlowPath, String> {
        let end = self.experiment.time;
        let last = if last.is_finite() { last.max(end) } else { end };
        let place = |i: usize| last * libm::pow(1e-5, 1.0 - i as f64 / (TIMES - 1) as f64);
        let mut times: Vec<f64> = (0..TIMES).map(place).chain([0.0, end]).collect();
        times.sort_by(f64::total_cmp);
        let request = SmallNoise {
            setup: &self.prepared.setup,
            nu,
            times: &times,
            rank_tolerance: self.experiment.run.rank_tolerance,
            trajectories: 1,
            most_work: MOST_WORK,
        };
        let predicted = request.predict(rows).map_err(|error| error.to_string())?;
        let rates = last_rates(&times, &predicted);
        Ok(SlowFlowPath {
            times,
            predicted,
            rates,
        })
    }

    fn fill(&self, out: &mut DynamicsForecast, followed: &SlowFlowPath) {
        let end = followed
            .times
            .iter()
            .position(|&t| t == self.experiment.time)
            .unwrap_or(0);
        out.error_order = Some(followed.predicted.separation);
        out.times.clone_from(&followed.times);
        let fastest = followed.rates.iter().fold(0.0_f64, |a, r| a.max(-r));
        out.quiet_until = (fastest > 0.0).then(|| 1.0 / fastest);
        out.rates.clone_from(&followed.rates);
        out.excess_loss = followed.predicted.at(end, "excess_loss", 0);
        out.matrices = MATRICES
            .iter()
            .map(|name| self.matrix(name, followed, end))
            .collect();
        let known = &self.prepared.known.problem;
        let log_det = |time| followed.predicted.at(time, "log_det", 0);
        out.log_det = (log_det(0).zip(log_det(end)))
            .filter(|_| known.width() >= known.inputs + known.outputs)
            .map(|(start, end)| [start, end]);
    }

    fn matrix(&self, name: &str, followed: &SlowFlowPath, end: usize) -> MatrixForecast {
        let observable = format!("log_singular_value_{name}");
        let tolerance = libm::log(self.experiment.run.rank_tolerance);
        let count = followed.predicted.layout.spectrum_size(name);
        let at = |save: usize, index: usize| {
            followed
                .predicted
                .at(save, &observable, index as u32)
                .unwrap_or(f64::NEG_INFINITY)
        };
        let share = |save: usize, index: usize| at(save, index) - at(save, 1);
        let mut falls: Vec<Fall> = (1..=count)
            .filter_map(|index| {
                let time = crossing(&followed.times, tolerance, |save| share(save, index))?;
                Some(self.fall(index, time))
            })
            .collect();
        falls.sort_by(|a, b| a.time.total_cmp(&b.time));
        MatrixForecast {
            name: name.to_owned(),
            survivors: count - falls.len(),
            rank_at_end: (1..=count).filter(|&i| share(end, i) > tolerance).count(),
            log_singular_values: (1..=count).map(|i| at(end, i)).collect(),
            falls,
            curves: (0..followed.times.len())
                .map(|save| (1..=count).map(|i| at(save, i)).collect())
                .collect(),
        }
    }

    fn fall(&self, index: usize, time: f64) -> Fall {
        let steps = time / self.spec.dynamics.step_size;
        let samples = self.problem.samples;
        let rows = self.spec.dynamics.rows_per_step(samples);
        Fall {
            index,
            time,
            steps,
            epochs: steps * rows as f64 / samples as f64,
        }
    }
}

/// The slow flow at its times.
struct SlowFlowPath {
    times: Vec<f64>,
    predicted: Predicted,
    rates: Vec<f64>,
}

/// Rates of log σᵢ(Θ) over the last part of these times.
fn last_rates(times: &[f64], predicted: &Predicted) -> Vec<f64> {
    let last = times.len() - 1;
    let before = times.iter().rposition(|&t| t < 0.9 * times[last]);
    let before = before.unwrap_or(0);
    let rate = |index: usize| {
        let at = |time| predicted.at(time, "log_singular_value_theta", index as u32);
        Some((at(last)? - at(before)?) / (times[last] - times[before]))
    };
    (1..=predicted.layout.spectrum_size("theta"))
        .filter_map(rate)
        .collect()
}

/// When `value` is last found to fall below `level`: interpolated between the times; none where it
/// ends above.
fn crossing(times: &[f64], level: f64, value: impl Fn(usize) -> f64) -> Option<f64> {
    let last = times.len() - 1;
    if value(last) > level {
        return None;
    }
    let before = (0..last).rev().find(|&save| value(save) > level);
    let Some(before) = before else {
        return Some(times[0]);
    };
    let (above, below) = (value(before), value(before + 1));
    let share = match below.is_finite() {
        true => (above - level) / (above - below),
        false => 1.0,
    };
    Some(times[before] + share * (times[before + 1] - times[before]))
}

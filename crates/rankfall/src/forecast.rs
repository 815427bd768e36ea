//! `rankfall predict`: what will happen, without simulating it. Which singular values survive, when the others
//! fall below the rank tolerance, what the noise costs, and which step is stable.

pub mod figure;

use crate::exact::prediction::why_none;
use crate::experiment::{ExactDynamics, ExactExperiment};
use crate::failure::{Failure, quoted};
use crate::preparation::{self, ExactInputs, of_setup};
use crate::stability;
use rankfall_core::ensemble::small_noise::{MOST_WORK, Predicted, SmallNoise};
use rankfall_core::model::dynamics::Kind;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::row_noise::RowNoise;
use rankfall_core::theory::stability::{Curvature, curvature};
use rankfall_core::theory::{decay_rates, determinant_law};
use rankfall_nets::loss::Loss;
use serde::Serialize;

/// Times at which the slow flow is looked at.
const TIMES: usize = 400;

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
    /// Why nothing falls, or why nothing can be said; null where something is.
    pub reason: Option<String>,
    /// Of what order relative errors are, of times and of falls of log σ: the fastest rate of the slow flow over the weakest pull to the minimum.
    pub error_order: Option<f64>,
    /// 1 over the fastest rate of decay, in t: until then noise does next to nothing.
    pub quiet_until: Option<f64>,
    /// Rates of log σᵢ(Θ) in t, in the end, from the largest.
    pub rates: Vec<f64>,
    /// Of each matrix.
    pub matrices: Vec<MatrixForecast>,
    /// log det M at the start and at the end of the run, by its law; null where there is none.
    pub log_det: Option<[f64; 2]>,
    /// What the noise costs: the training loss above the least-squares optimum at the end of the run.
    pub excess_loss: Option<f64>,
    /// Times that [`MatrixForecast::curves`] are at, from 0 on.
    #[serde(skip)]
    pub times: Vec<f64>,
    /// The largest step that is stable at the start and at minima, as far as curvature tells; null for flows.
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
    let mut warnings = prepared.known.warnings.clone();
    for spec in &experiment.dynamics {
        let drawn = spec.dynamics.row_noise_intensity(initial.problem.samples);
        if drawn.is_some() && RowNoise::exists(&initial.problem) {
            warnings.push(format!(
                "{}: its rows leave residuals, whose noise is not in this prediction; it is in the one beside a run",
                quoted(&spec.label)
            ));
        }
    }
    Ok(Forecast {
        schema: 1,
        experiment: experiment.name.clone(),
        layers: prepared.known.problem.layers.clone(),
        samples: prepared.known.problem.samples,
        rank_tolerance: experiment.run.rank_tolerance,
        time: experiment.time,
        dynamics,
        warnings,
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
        let nu = dynamics.noise_intensity(self.problem.samples);
        let mut out = DynamicsForecast {
            label: self.spec.label.clone(),
            kind: dynamics.kind_name().to_owned(),
            noise_intensity: nu,
            largest_stable_step: curvature
                .filter(|_| !dynamics.is_continuous())
                .and_then(|c| stability::largest_stable_step(dynamics, self.problem, &c)),
            ..DynamicsForecast::default()
        };
        let is_slow_flow = matches!(dynamics.kind, Kind::SlowFlow { .. });
        if let Some(why) = why_none(self.spec).filter(|_| !is_slow_flow) {
            out.reason = Some(why.to_owned());
            return out;
        }
        match self.follow(nu) {
            Ok(followed) => self.fill(&mut out, &followed),
            Err(why) => out.reason = Some(why),
        }
        out
    }

    /// The slow flow until all that falls has fallen, and at the end of the run.
    fn follow(&self, nu: f64) -> Result<Followed, String> {
        let all = decay_rates(&self.problem.eigenvalues, &self.problem.optimum, nu);
        let mut rates = all.map_err(|error| error.to_string())?;
        rates.truncate(self.prepared.setup.width);
        let zero = 1e-9 * nu * self.problem.trace();
        let slowest = rates
            .iter()
            .map(|r| -r)
            .filter(|r| *r > zero)
            .fold(f64::INFINITY, f64::min);
        let fastest = rates.iter().fold(0.0_f64, |a, r| a.max(-r));
        // The tolerance, and room for what the start adds.
        let falls = (12.0 - libm::log(self.experiment.run.rank_tolerance)) / slowest;
        let end = self.experiment.time;
        let last = if falls.is_finite() {
            falls.max(end)
        } else {
            end
        };
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
        let predicted = request.predict().map_err(|error| error.to_string())?;
        Ok(Followed {
            times,
            predicted,
            rates,
            fastest,
        })
    }

    fn fill(&self, out: &mut DynamicsForecast, followed: &Followed) {
        let end = followed
            .times
            .iter()
            .position(|&t| t == self.experiment.time)
            .unwrap_or(0);
        out.error_order = Some(followed.predicted.separation);
        out.times.clone_from(&followed.times);
        out.quiet_until = (followed.fastest > 0.0).then(|| 1.0 / followed.fastest);
        out.rates.clone_from(&followed.rates);
        out.excess_loss = followed.predicted.at(end, "excess_loss", 0);
        out.matrices = MATRICES
            .iter()
            .map(|name| self.matrix(name, followed, end))
            .collect();
        let known = &self.prepared.known.problem;
        let start = followed.predicted.at(0, "log_det", 0);
        out.log_det = start
            .filter(|_| known.width() >= known.inputs + known.outputs)
            .map(|start| {
                let trace = self.problem.trace();
                let nu = out.noise_intensity;
                [
                    start,
                    determinant_law(start, nu, known.outputs, trace, self.experiment.time),
                ]
            });
    }

    fn matrix(&self, name: &str, followed: &Followed, end: usize) -> MatrixForecast {
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
        let share = match self.spec.dynamics.kind {
            Kind::StochasticGradientFlow { batch_size, .. }
            | Kind::SlowFlow { batch_size }
            | Kind::StochasticGradientDescent { batch_size, .. } => {
                batch_size as f64 / self.problem.samples as f64
            }
            _ => 1.0,
        };
        Fall {
            index,
            time,
            steps,
            epochs: steps * share,
        }
    }
}

/// The slow flow at its times.
struct Followed {
    times: Vec<f64>,
    predicted: Predicted,
    rates: Vec<f64>,
    fastest: f64,
}

/// When `value` is last found to fall below `level`: interpolated between the times; none where it ends above.
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

impl Forecast {
    /// The label noise, step size or batch size of each noisy dynamics with which the falling layer has rank `rank` after
    /// `steps` steps, all else as it is: the slow flow depends on νt alone.
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
        let pairs = self.dynamics.iter().zip(&experiment.dynamics);
        pairs
            .filter(|(one, _)| one.noise_intensity > 0.0)
            .flat_map(|(one, spec)| self.of_dynamics(one, spec, layer, rank, steps))
            .collect()
    }

    fn of_dynamics(
        &self,
        one: &DynamicsForecast,
        spec: &ExactDynamics,
        layer: &str,
        rank: usize,
        steps: f64,
    ) -> Vec<RankSetting> {
        let nothing = |reason: String| RankSetting {
            label: one.label.clone(),
            matrix: layer.to_owned(),
            key: "label_noise".to_owned(),
            from: None,
            until: None,
            reason: Some(reason),
        };
        let Some(matrix) = one.matrices.iter().find(|m| m.name == layer) else {
            let reason = one
                .reason
                .clone()
                .unwrap_or_else(|| "nothing is predicted".into());
            return vec![nothing(reason)];
        };
        let count = matrix.survivors + matrix.falls.len();
        if rank < matrix.survivors || rank > count {
            let (least, name) = (matrix.survivors, quoted(&one.label));
            return vec![nothing(format!(
                "the rank of {name} is from {least} to {count} at any time"
            ))];
        }
        // Noise has lowered the rank to `rank` once σ_{rank + 1} has fallen, and below it once σ_rank has.
        let time_of = |index: usize| {
            matrix
                .falls
                .iter()
                .find(|f| f.index == index)
                .map(|f| f.time)
        };
        let nu = one.noise_intensity;
        let reached = match rank == count {
            true => Some(0.0),
            false => time_of(rank + 1).map(|t| nu * t),
        };
        let lost = time_of(rank).map(|t| nu * t);
        let dynamics = &spec.dynamics;
        let (eta, delta) = (dynamics.step_size, dynamics.label_noise);
        let batch = eta * delta / nu;
        let setting = |key: &str, value: &dyn Fn(f64) -> f64, falling: bool| {
            let (a, b) = (reached.map(value), lost.map(value));
            let (from, until) = if falling { (b, a) } else { (a, b) };
            let finite = |v: f64| v.is_finite().then_some(v);
            RankSetting {
                label: one.label.clone(),
                matrix: layer.to_owned(),
                key: key.to_owned(),
                from: from.and_then(finite),
                until: until.and_then(finite),
                reason: None,
            }
        };
        let mut all = vec![
            setting(
                "label_noise",
                &|tau| tau * batch / (eta * eta * steps),
                false,
            ),
            setting(
                "step_size",
                &|tau| (tau * batch / (delta * steps)).sqrt(),
                false,
            ),
        ];
        if !matches!(dynamics.kind, Kind::LabelNoiseGradientDescent { .. }) {
            all.push(setting(
                "batch_size",
                &|tau| eta * eta * delta * steps / tau,
                true,
            ));
        }
        for setting in &mut all {
            setting.reason = self.against(one, setting, eta, delta, batch);
        }
        all
    }

    /// What stands against the least value of a setting.
    fn against(
        &self,
        one: &DynamicsForecast,
        setting: &RankSetting,
        eta: f64,
        delta: f64,
        batch: f64,
    ) -> Option<String> {
        let needed = match setting.key.as_str() {
            "batch_size" => setting.until.map(|b| eta * delta / b),
            "step_size" => setting.from.map(|eta| eta * delta / batch),
            _ => setting.from.map(|delta| eta * delta / batch),
        }?;
        let order = one.error_order? * needed / one.noise_intensity;
        let stable = one.largest_stable_step;
        match (
            setting.key.as_str(),
            setting.from.zip(stable),
            setting.until,
        ) {
            ("step_size", Some((from, stable)), _) if from > stable => {
                Some(format!("steps above {stable:.2} are not stable"))
            }
            ("batch_size", _, Some(most)) if most < 1.0 => {
                Some("a batch has at least one row".into())
            }
            _ if order > rankfall_core::theory::averaging::MOST_SEPARATION => Some(format!(
                "ν = {needed:.2} is too much noise for the prediction: relative errors of order {order:.1}"
            )),
            _ => None,
        }
    }
}

//! What a sweep keeps of each point: numbers at the end of the run and rates over its second half,
//! with what theory says of them.

use crate::dense::record::time_of;
use crate::exact::prediction::{self, PredictedMeans, SlowPrediction};
use crate::experiment::ExactExperiment;
use crate::preparation::ExactInputs;
use rankfall_core::ensemble::small_noise::MOST_WORK;
use rankfall_core::ensemble::statistics::{Statistics, Totals};
use rankfall_core::ensemble::{EnsembleSpec, Outcome};
use rankfall_core::measure::layout::LAW;
use rankfall_core::model::dynamics::Kind;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::Source;
use rankfall_core::theory::{decay_rates, determinant_law, surviving_singular_values};
use rankfall_nets::training::TrainingSpec;
use rankfall_report::observable::Observable;
use serde::{Deserialize, Serialize};

/// A quantity that a sweep reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// Effective rank of Θ at the end.
    EffectiveRankTheta,
    /// Effective rank of W₁ at the end.
    EffectiveRankW1,
    /// Effective rank of W₂ at the end.
    EffectiveRankW2,
    /// #{σᵢ > tolerance · σ₁} of Θ at the end.
    NumericalRankTheta,
    /// The same of W₁.
    NumericalRankW1,
    /// The same of W₂.
    NumericalRankW2,
    /// Singular values of Θ that survive: the numerical rank of Θ, beside what theory says of t →
    /// ∞.
    SurvivingSingularValues,
    /// d log σᵢ(Θ)/dt over the second half.
    DecayRateTheta,
    /// The same of W₁.
    DecayRateW1,
    /// The same of W₂.
    DecayRateW2,
    /// d log det/dt over the second half.
    LogDetSlope,
    /// Training loss at the end.
    Loss,
    /// Training loss above the least-squares optimum at the end.
    ExcessLoss,
    /// Expected loss on a fresh sample at the end, where the truth is known.
    PopulationLoss,
    /// Share of the trajectories that diverged.
    FractionDiverged,
    /// t at which the first of them did.
    FirstDivergenceTime,
    /// Effective rank of the weights of each layer, by its number, at the end.
    EffectiveRankLayer,
    /// #{σᵢ > tolerance · σ₁} of the same.
    NumericalRankLayer,
    /// Effective rank of the map of a linear network at the end.
    EffectiveRankProduct,
    /// #{σᵢ > tolerance · σ₁} of the same.
    NumericalRankProduct,
    /// Effective rank of the features of each hidden layer at the end.
    EffectiveRankFeatures,
    /// #{σᵢ > tolerance · σ₁} of the same.
    NumericalRankFeatures,
    /// d log det/dt of each two adjacent layers of a linear network over the second half.
    LogDetStackSlope,
    /// Loss on rows held out, at the end.
    HeldOutLoss,
    /// Share of training rows classified rightly, at the end.
    Accuracy,
    /// The same of rows held out.
    HeldOutAccuracy,
}

impl Metric {
    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Metric> {
        NAMES.iter().map(|(metric, _)| *metric)
    }

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The metric of this name.
    pub fn named(name: &str) -> Option<Metric> {
        Metric::all().find(|metric| metric.name() == name)
    }

    /// The observable whose mean at the end it is, or whose rate over the second half.
    fn observable(self) -> Option<Reading> {
        Some(match self {
            Metric::FractionDiverged | Metric::FirstDivergenceTime => return None,
            Metric::SurvivingSingularValues => Reading::End("numerical_rank_theta"),
            Metric::DecayRateTheta => Reading::Rate("log_singular_value_theta"),
            Metric::DecayRateW1 => Reading::Rate("log_singular_value_w1"),
            Metric::DecayRateW2 => Reading::Rate("log_singular_value_w2"),
            Metric::LogDetSlope => Reading::Rate("log_det"),
            Metric::LogDetStackSlope => Reading::Rate("log_det_stack"),
            _ => Reading::End(self.name()),
        })
    }
}

/// Every metric at its place, with its name.
const NAMES: [(Metric, &str); 26] = [
    (Metric::EffectiveRankTheta, "effective_rank_theta"),
    (Metric::EffectiveRankW1, "effective_rank_w1"),
    (Metric::EffectiveRankW2, "effective_rank_w2"),
    (Metric::NumericalRankTheta, "numerical_rank_theta"),
    (Metric::NumericalRankW1, "numerical_rank_w1"),
    (Metric::NumericalRankW2, "numerical_rank_w2"),
    (Metric::SurvivingSingularValues, "surviving_singular_values"),
    (Metric::DecayRateTheta, "decay_rate_theta"),
    (Metric::DecayRateW1, "decay_rate_w1"),
    (Metric::DecayRateW2, "decay_rate_w2"),
    (Metric::LogDetSlope, "log_det_slope"),
    (Metric::Loss, "loss"),
    (Metric::ExcessLoss, "excess_loss"),
    (Metric::PopulationLoss, "population_loss"),
    (Metric::FractionDiverged, "fraction_diverged"),
    (Metric::FirstDivergenceTime, "first_divergence_time"),
    (Metric::EffectiveRankLayer, "effective_rank_layer"),
    (Metric::NumericalRankLayer, "numerical_rank_layer"),
    (Metric::EffectiveRankProduct, "effective_rank_product"),
    (Metric::NumericalRankProduct, "numerical_rank_product"),
    (Metric::EffectiveRankFeatures, "effective_rank_features"),
    (Metric::NumericalRankFeatures, "numerical_rank_features"),
    (Metric::LogDetStackSlope, "log_det_stack_slope"),
    (Metric::HeldOutLoss, "held_out_loss"),
    (Metric::Accuracy, "accuracy"),
    (Metric::HeldOutAccuracy, "held_out_accuracy"),
];

/// How a metric is read off the statistics.
enum Reading {
    /// The mean of an observable at the end, of every index it has.
    End(&'static str),
    /// Its rate, of every index it has.
    Rate(&'static str),
}

/// One number of one dynamics at one point; undefined ones are none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// What it is.
    pub metric: Metric,
    /// 1, 2, … for singular values, descending; 0 for scalars.
    pub index: u32,
    /// Mean over the trajectories that survived.
    pub value: Option<f64>,
    /// Its standard error; none for fewer than two, and for rates of more than 1024 trajectories.
    pub std_error: Option<f64>,
    /// What theory says.
    pub prediction: Option<f64>,
}

/// The steps a sweep needs to see: the start, the middle and the end.
pub fn save_steps(last: u64) -> Vec<u64> {
    let mut steps = vec![0, last / 2, last];
    steps.dedup();
    steps
}

/// Metrics of two linear layers. A product of theirs has no metric of its own: Θ has.
const OF_EXACT: fn(Metric) -> bool = |metric| metric <= Metric::FirstDivergenceTime;

/// The rows of one dynamics at one point in the exact engine.
pub fn rows_of_exact(
    ensemble: &EnsembleSpec,
    outcome: &Outcome,
    predictions: &Predictions,
) -> Vec<MetricRow> {
    let observables = outcome.layout.observables.iter();
    let observables: Vec<(&str, u32)> = observables.map(|o| (o.name, o.index)).collect();
    let time_of = |step: u64| step as f64 * ensemble.time_unit;
    let steps = &ensemble.save_steps;
    let last = steps.len() - 1;
    let reader = Reader {
        observables: &observables,
        saves: steps.len(),
        // From a whole number of steps: a difference of two times would be rounded twice.
        half: time_of(steps[last] - steps[last.saturating_sub(1)]),
        time_of: &time_of,
        totals: &outcome.statistics.totals(),
    };
    let mut rows = reader.rows(OF_EXACT);
    let foreseen = PredictedMeans::of(&predictions.slow);
    for row in &mut rows {
        let stated = predictions.of(row, &reader);
        row.prediction = stated.or_else(|| reader.foreseen(row, &foreseen));
    }
    rows
}

/// The rows of one dynamics at one point in the dense engine.
pub fn rows_of_dense(
    training: &TrainingSpec,
    observables: &[(String, u32)],
    times: &[f64],
    statistics: &Statistics,
) -> Vec<MetricRow> {
    let named = observables
        .iter()
        .map(|(name, index)| (name.as_str(), *index));
    let observables: Vec<(&str, u32)> = named.collect();
    let last = times.len() - 1;
    let reader = Reader {
        observables: &observables,
        saves: times.len(),
        half: times[last] - times[last.saturating_sub(1)],
        time_of: &|step| time_of(training, step),
        totals: &statistics.totals(),
    };
    let mut rows = reader.rows(|_| true);
    for row in &mut rows {
        if row.metric == Metric::LogDetStackSlope {
            let law = reader.rate(row.metric, "log_det_stack_law", row.index);
            row.prediction = law.and_then(|law| law.value);
        }
    }
    rows
}

/// Reads metrics off the statistics of one ensemble.
struct Reader<'a> {
    /// Of one save, in the order of its cells.
    observables: &'a [(&'a str, u32)],
    /// How many saves: the start, the middle and the end, or fewer of a short run.
    saves: usize,
    /// t from the middle to the end.
    half: f64,
    /// t of any step.
    time_of: &'a dyn Fn(u64) -> f64,
    totals: &'a Totals<'a>,
}

fn defined(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Reader<'_> {
    /// All metrics that `wanted` picks and that were measured.
    fn rows(&self, wanted: impl Fn(Metric) -> bool) -> Vec<MetricRow> {
        let mut rows = Vec::new();
        for metric in Metric::all().filter(|&metric| wanted(metric)) {
            match metric.observable() {
                Some(Reading::End(name)) => {
                    let indices = self.indices(name);
                    rows.extend(indices.filter_map(|i| self.end(metric, name, i)));
                }
                Some(Reading::Rate(name)) => {
                    let indices = self.indices(name);
                    rows.extend(indices.filter_map(|i| self.rate(metric, name, i)));
                }
                None => rows.push(self.divergence(metric)),
            }
        }
        rows
    }

    fn indices(&self, name: &str) -> impl Iterator<Item = u32> {
        let here = self.observables.iter().filter(move |o| o.0 == name);
        here.map(|o| o.1)
    }

    fn place(&self, save: usize, name: &str, index: u32) -> Option<usize> {
        let mut all = self.observables.iter();
        let place = all.position(|&o| o == (name, index))?;
        Some(save * self.observables.len() + place)
    }

    fn last(&self) -> usize {
        self.saves - 1
    }

    fn end(&self, metric: Metric, name: &str, index: u32) -> Option<MetricRow> {
        let cell = self.totals.cell(self.place(self.last(), name, index)?);
        let survivors = self.totals.survivors() as f64;
        Some(MetricRow {
            metric,
            index,
            value: defined(cell.mean),
            std_error: defined(cell.deviation / survivors.sqrt()),
            prediction: None,
        })
    }

    /// The slope between the middle and the end: of a random walk with drift, which log σᵢ is in
    /// the long run, that is the best estimate of the drift, better than a fitted line.
    fn rate(&self, metric: Metric, name: &str, index: u32) -> Option<MetricRow> {
        let last = self.last().max(1);
        let (from, to) = (
            self.place(last - 1, name, index)?,
            self.place(last, name, index)?,
        );
        let elapsed = self.half;
        let means = [from, to].map(|cell| self.totals.cell(cell).mean);
        Some(MetricRow {
            metric,
            index,
            value: defined((means[1] - means[0]) / elapsed),
            std_error: self.error_of_difference(from, to).map(|e| e / elapsed),
            prediction: None,
        })
    }

    /// Standard error of the mean difference of two cells, from every trajectory.
    fn error_of_difference(&self, from: usize, to: usize) -> Option<f64> {
        let values = self.totals.trajectories()?;
        let differences = || values.iter().map(|(_, cells)| cells[to] - cells[from]);
        let count = values.len() as f64;
        let mean = differences().sum::<f64>() / count;
        let squares: f64 = differences().map(|d| (d - mean) * (d - mean)).sum();
        defined((squares / (count - 1.0) / count).sqrt())
    }

    fn divergence(&self, metric: Metric) -> MetricRow {
        let diverged = self.totals.divergences();
        let count = (self.totals.survivors() + diverged.count) as f64;
        let share = diverged.count as f64 / count;
        let (value, std_error) = match metric {
            Metric::FractionDiverged => (
                defined(share),
                defined((share * (1.0 - share) / count).sqrt()),
            ),
            _ => (diverged.earliest.map(|step| (self.time_of)(step)), None),
        };
        MetricRow {
            metric,
            index: 0,
            value,
            std_error,
            prediction: None,
        }
    }

    /// What the slow flow says of a row, where it is of a mean at the end or of its rate.
    fn foreseen(&self, row: &MetricRow, slow: &PredictedMeans) -> Option<f64> {
        let at = |name, save| slow.at(save, &Observable::measured(name, row.index));
        match row.metric {
            // These are of t → ∞, and of the law.
            Metric::SurvivingSingularValues | Metric::LogDetSlope => None,
            metric => match metric.observable()? {
                Reading::End(name) => at(name, self.last()),
                Reading::Rate(name) => {
                    let last = self.last().max(1);
                    Some((at(name, last)? - at(name, last - 1)?) / self.half)
                }
            },
        }
    }

    /// The slope of the determinant law, where it is stated.
    fn slope_of_law(&self) -> Option<f64> {
        self.rate(Metric::LogDetSlope, LAW, 0)?.value
    }
}

/// Work spent on the slow flow beside one dynamics at one point: tens of milliseconds.
const MOST_WORK_OF_A_POINT: f64 = MOST_WORK / 50.0;

/// What theory says of one dynamics at one point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// −2νk tr S_xx; where trajectories have their own data, flows have the law measured beside
    /// them.
    slope: Option<f64>,
    /// Of log σᵢ(Θ), descending.
    rates: Vec<f64>,
    survivors: Option<usize>,
    /// Of everything else.
    slow: SlowPrediction,
}

impl Predictions {
    /// For the `index`-th dynamics of an experiment, with the slow flow at these saves.
    pub fn new(
        experiment: &ExactExperiment,
        index: usize,
        prepared: &ExactInputs,
        saves: &[u64],
    ) -> Self {
        let samples = prepared.known.problem.samples;
        let spec = &experiment.dynamics[index];
        let setup = &prepared.setup;
        let slow = prediction::of_dynamics(
            experiment,
            spec,
            setup,
            samples,
            saves,
            MOST_WORK_OF_A_POINT,
        );
        Self {
            slow,
            ..Self::in_closed_form(experiment, index, prepared)
        }
    }

    /// What needs no slow flow.
    ///
    /// Stated where all trajectories share their data, l ≥ p + k, no force is scaled and weights do
    /// not decay. Decay rates and survivors need noise, ν > 0. Of descents they are what holds in
    /// the limit of small step sizes, and of SGD only where the labels are noisy far beyond what a
    /// linear map leaves of them: its own noise has another law.
    fn in_closed_form(experiment: &ExactExperiment, index: usize, prepared: &ExactInputs) -> Self {
        let dynamics = &experiment.dynamics[index].dynamics;
        let Source::Shared(problem) = &prepared.setup.source else {
            return Self::default();
        };
        let (p, k) = (problem.inputs, problem.outputs);
        let own_noise = matches!(dynamics.kind, Kind::StochasticGradientDescent { .. })
            && 2.0 * problem.loss_floor > 1e-6 * k as f64 * dynamics.label_noise;
        let narrow = prepared.setup.width < p + k;
        let changed = dynamics.modified_forces().is_some() || dynamics.optimizer.weight_decay > 0.0;
        if narrow || own_noise || changed {
            return Self::default();
        }
        // With momentum it is in the limit the flow of step size η/(1 − μ), whose time is t/(1 −
        // μ).
        let pace = dynamics.optimizer.momentum_gain();
        let nu = pace * dynamics.noise_intensity(problem.samples);
        let slope = Some(determinant_law(0.0, nu, k, problem.trace(), pace));
        if nu > 0.0 {
            Self::with_noise(problem, nu, pace, slope)
        } else {
            Self {
                slope,
                ..Self::default()
            }
        }
    }

    fn with_noise(problem: &Problem, nu: f64, pace: f64, slope: Option<f64>) -> Self {
        let (eigenvalues, optimum) = (&problem.eigenvalues, &problem.optimum);
        let rates = decay_rates(eigenvalues, optimum, nu).unwrap_or_default();
        Self {
            slope,
            rates: rates.into_iter().map(|rate| pace * rate).collect(),
            survivors: surviving_singular_values(eigenvalues, optimum).ok(),
            ..Self::default()
        }
    }

    fn of(&self, row: &MetricRow, reader: &Reader) -> Option<f64> {
        match row.metric {
            Metric::LogDetSlope => self.slope.or_else(|| reader.slope_of_law()),
            Metric::DecayRateTheta => self.rates.get(row.index as usize - 1).copied(),
            Metric::SurvivingSingularValues => self.survivors.map(|n| n as f64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_once_under_a_name_of_its_own() {
        for (place, metric) in Metric::all().enumerate() {
            assert_eq!(metric as usize, place);
            assert_eq!(Metric::named(metric.name()), Some(metric));
        }
        assert_eq!(Metric::all().last(), Some(Metric::HeldOutAccuracy));
    }

    #[test]
    fn start_middle_and_end_are_saved() {
        assert_eq!(save_steps(1000), [0, 500, 1000]);
        assert_eq!(save_steps(3), [0, 1, 3]);
        assert_eq!(save_steps(1), [0, 1]);
    }
}

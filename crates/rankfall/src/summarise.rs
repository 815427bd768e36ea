//! From the statistics of an ensemble of either engine to its summary and its rows of
//! `series.parquet`.

use crate::failure::Failure;
use crate::finished::{DynamicsOutcome, TrajectoryValues};
use crate::grid::{Grid, LAW};
use crate::run_folder::weights::NamedArray;
use rankfall_core::ensemble::statistics::{CellStatistics, HISTOGRAM_BIN, Statistics, Totals};
use rankfall_core::measure::layout::{ACCOUNT_LEFT, ACCOUNT_PARTS};
use rankfall_report::observable::Observable;
use rankfall_report::record::{
    ACCOUNT, DivergenceRecord, DynamicsSummary, Ends, LogDetSummary, LossSummary, MatrixSummary,
    Prediction, RankSummary, SMALL_NOISE_LIMIT, SeriesRow, SpectrumEnds, weights_name,
};

/// What the summary of one dynamics is made from, besides what its engine knows of it.
pub struct RecordInputs<'a> {
    /// What was measured and when.
    pub grid: Grid,
    /// The measurements.
    pub statistics: &'a Statistics,
    /// Folded over all blocks.
    pub totals: &'a Totals<'a>,
    /// Widths of the network, inputs first.
    pub layers: &'a [usize],
    /// Relative tolerance of the numerical rank.
    pub rank_tolerance: f64,
    /// The same for the Jacobian.
    pub jacobian_tolerance: f64,
    /// t of a step.
    pub time_of: &'a dyn Fn(u64) -> f64,
    /// Of what kind the law of log det is.
    pub law: &'static str,
    /// What theory says of the mean of anything else: at a save, of an observable.
    pub predicted: &'a dyn Fn(usize, &Observable) -> Option<f64>,
    /// Why no law is stated of log det of a stack, or of a network that has none; none where one
    /// is.
    pub lawless: &'a dyn Fn(Option<u32>) -> Option<String>,
}

/// Null for what is undefined.
fn defined(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl RecordInputs<'_> {
    /// What a dynamics leaves, with what its engine knows of it.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be encoded.
    pub fn finish(
        self,
        known: DynamicsSummary,
        keep_trajectories: bool,
        tensors: Vec<NamedArray>,
    ) -> Result<DynamicsOutcome, Failure> {
        let series = self.series(&known.label);
        let summary = self.summary(known);
        let values = self.totals.trajectories().filter(|_| keep_trajectories);
        let values = values.map(<[_]>::to_vec);
        let kept = values.map(|values| TrajectoryValues {
            grid: self.grid,
            values,
        });
        DynamicsOutcome::new(&summary, series, kept, tensors)
    }

    fn last(&self) -> usize {
        self.grid.saves.len().saturating_sub(1)
    }

    fn at(&self, save: usize, name: &str, layer: Option<u32>) -> Option<CellStatistics> {
        let cell = self.grid.cell(save, name, layer)?;
        Some(self.totals.cell(cell))
    }

    fn mean(&self, save: usize, name: &str, layer: Option<u32>) -> Option<f64> {
        self.at(save, name, layer)
            .and_then(|cell| defined(cell.mean))
    }

    /// `None` where it was not measured.
    fn scalar(&self, (name, layer): &(String, Option<u32>)) -> Option<Ends> {
        self.grid.cell(0, name, *layer)?;
        Some(Ends {
            initial: self.mean(0, name, *layer),
            final_mean: self.mean(self.last(), name, *layer),
        })
    }

    fn ends(&self, name: &str, layer: Option<u32>) -> Option<LossSummary> {
        let last = self.at(self.last(), name, layer)?;
        Some(LossSummary {
            initial: self.mean(0, name, layer),
            final_mean: defined(last.mean),
            final_std: defined(last.deviation),
        })
    }

    fn spectrum(&self, (name, layer): &(String, Option<u32>)) -> Option<SpectrumEnds> {
        let all = self.grid.observables.iter().enumerate();
        let places: Vec<usize> = all
            .filter(|(_, o)| o.name == *name && o.layer == *layer)
            .map(|(place, _)| place)
            .collect();
        let at = |save: usize| {
            let cells = places
                .iter()
                .map(|place| save * self.grid.observables.len() + place);
            cells
                .map(|cell| defined(self.totals.cell(cell).mean))
                .collect()
        };
        (!places.is_empty()).then(|| SpectrumEnds {
            initial: at(0),
            final_mean: at(self.last()),
        })
    }

    /// Every matrix whose numerical rank was measured, in that order.
    fn matrices(&self) -> Vec<MatrixSummary> {
        let ranks = self.grid.observables.iter();
        let ranks = ranks.filter_map(|o| Some((o.name.strip_prefix("numerical_rank")?, o.layer)));
        ranks
            .map(|(rest, layer)| match (rest.strip_prefix('_'), layer) {
                (Some(name), _) => self.matrix(name.to_owned(), layer),
                (None, layer) => self.matrix(weights_name(layer.unwrap_or(0)), layer),
            })
            .collect()
    }

    fn matrix(&self, name: String, layer: Option<u32>) -> MatrixSummary {
        let known = MatrixSummary {
            name,
            layer,
            ..MatrixSummary::default()
        };
        let of = |quantity: &str| self.scalar(&known.observable(quantity));
        let spectrum = |quantity: &str| self.spectrum(&known.observable(quantity));
        let tolerance = match known.name.as_str() {
            "jacobian" => self.jacobian_tolerance,
            _ => self.rank_tolerance,
        };
        MatrixSummary {
            log_singular_values: spectrum("log_singular_value")
                .or_else(|| spectrum("log_row_norm")),
            numerical_rank: RankSummary {
                rank: of("numerical_rank").unwrap_or_default(),
                tolerance: Some(tolerance),
            },
            machine_rank: of("machine_rank"),
            effective_rank: of("effective_rank").unwrap_or_default(),
            stable_rank: of("stable_rank").unwrap_or_default(),
            nuclear_norm: of("nuclear_norm"),
            log_abs_det: of("log_abs_det"),
            active_share: of("active_share"),
            ..known
        }
    }

    fn log_det(&self, layer: Option<u32>) -> Option<LogDetSummary> {
        let ends = self.ends("log_det", layer)?;
        let stack = layer.unwrap_or(1) as usize;
        let wide = match self.layers.get(stack - 1..=stack + 1) {
            Some(widths) => widths[1] >= widths[0] + widths[2],
            None => false,
        };
        Some(LogDetSummary {
            of: if wide { "M" } else { "theta_transpose_theta" }.to_owned(),
            layer,
            initial: ends.initial,
            final_mean: ends.final_mean,
            final_std: ends.final_std,
            law_final: self.mean(self.last(), LAW, layer),
        })
    }

    fn prediction(&self, log_det: &LogDetSummary) -> Prediction {
        let undefined = || match self.totals.survivors() {
            0 => "all diverged: no trajectory is left to hold against the law".to_owned(),
            _ => "not computed: log det is undefined at the start".to_owned(),
        };
        let why_not = (self.lawless)(log_det.layer).unwrap_or_else(undefined);
        let law = log_det.prediction(self.law, &why_not);
        match (law.predicted, log_det.layer) {
            (None, None) => self.account(log_det).unwrap_or(law),
            _ => law,
        }
    }

    /// What the account of log det says, where there is one: its parts, with the standard error of
    /// what is left.
    fn account(&self, log_det: &LogDetSummary) -> Option<Prediction> {
        let mut predicted = log_det.initial?;
        for part in ACCOUNT_PARTS {
            predicted += self.mean(self.last(), part, None)?;
        }
        let left = self.at(self.last(), ACCOUNT_LEFT, None)?;
        let survivors = self.totals.survivors() as f64;
        Some(Prediction {
            predicted: Some(predicted),
            kind: Some(ACCOUNT.to_owned()),
            reason: None,
            difference_std_error: defined(left.deviation / survivors.sqrt()),
            ..log_det.prediction(ACCOUNT, "")
        })
    }

    /// What is predicted besides determinants: the spectrum of Θ and what noise costs.
    fn other_predictions(&self) -> impl Iterator<Item = Prediction> {
        const PREDICTED: [&str; 2] = ["log_singular_value_theta", "excess_loss"];
        let last = self.last();
        let observables = self.grid.observables.iter().enumerate();
        observables.filter_map(move |(place, o)| {
            if !PREDICTED.contains(&o.name.as_str()) {
                return None;
            }
            let predicted = (self.predicted)(last, o)?;
            let cell = self.totals.cell(last * self.grid.observables.len() + place);
            Some(Prediction {
                quantity: o.name.clone(),
                layer: o.layer,
                index: o.index,
                predicted: Some(predicted),
                kind: Some(SMALL_NOISE_LIMIT.to_owned()),
                reason: None,
                measured: defined(cell.mean),
                std: defined(cell.deviation),
                difference_std_error: None,
            })
        })
    }

    /// The entry of `summary.json`.
    fn summary(&self, known: DynamicsSummary) -> DynamicsSummary {
        let diverged = self.totals.divergences();
        let divergences = diverged.first.iter().map(|d| DivergenceRecord {
            trajectory: d.trajectory,
            step: d.step,
            time: (self.time_of)(d.step),
            reason: d.reason.name().to_owned(),
        });
        let log_det = self.log_det(None);
        let stacks = (1..self.layers.len() as u32).filter_map(|j| self.log_det(Some(j)));
        let log_det_stacks: Vec<LogDetSummary> = stacks.collect();
        let all = log_det.iter().chain(&log_det_stacks);
        let mut predictions: Vec<Prediction> = all.map(|one| self.prediction(one)).collect();
        if predictions.is_empty() {
            predictions.push(self.prediction(&LogDetSummary::default()));
        }
        predictions.extend(self.other_predictions());
        let done = known.steps as f64 * known.trajectories as f64;
        let mut summary = DynamicsSummary {
            diverged: diverged.count,
            divergences: divergences.collect(),
            trajectory_steps_per_second: done / known.seconds.max(1e-9),
            quantiles: self.quantiles(),
            loss: self.ends("loss", None).unwrap_or_default(),
            excess_loss: self.ends("excess_loss", None),
            population_loss: self.ends("population_loss", None),
            held_out_loss: self.ends("held_out_loss", None),
            accuracy: self.ends("accuracy", None),
            held_out_accuracy: self.ends("held_out_accuracy", None),
            matrices: self.matrices(),
            log_det,
            log_det_stacks,
            predictions,
            ..known
        };
        summary.name_two_layers();
        summary
    }

    fn quantiles(&self) -> String {
        if self.statistics.is_exact() {
            return "type 7, from every trajectory".to_owned();
        }
        format!(
            "from histograms with bins of {HISTOGRAM_BIN} in the natural logarithm: at most {} off \
             for logarithmic quantities, that relative error for the others",
            HISTOGRAM_BIN / 2.0
        )
    }

    /// The rows of `series.parquet`: every observable at the saves at which it was taken.
    fn series(&self, label: &str) -> Vec<SeriesRow> {
        let Grid { observables, saves } = &self.grid;
        let survivors = self.totals.survivors();
        let mut rows = Vec::new();
        for place in 0..observables.len() {
            for save in 0..saves.len() {
                let at = save * observables.len() + place;
                let Some((observable, time)) = self.grid.at(at) else {
                    continue;
                };
                let law = match observable.name.as_str() {
                    "log_det" => self.mean(save, LAW, observable.layer),
                    _ => (self.predicted)(save, observable),
                };
                let cell = self.totals.cell(at);
                rows.push(series_row(label, observable, time, &cell, survivors, law));
            }
        }
        rows
    }
}

/// A row of `series.parquet`: what `survivors` trajectories have of an observable at one time.
pub fn series_row(
    dynamics: &str,
    observable: &Observable,
    time: f64,
    cell: &CellStatistics,
    survivors: u64,
    law: Option<f64>,
) -> SeriesRow {
    let [q05, q25, q50, q75, q95] = cell.quantiles.map(defined);
    SeriesRow {
        dynamics: dynamics.to_owned(),
        observable: observable.name.clone(),
        layer: observable.layer,
        index: observable.index,
        time,
        mean: defined(cell.mean),
        std_error: defined(cell.deviation / (survivors as f64).sqrt()),
        q05,
        q25,
        q50,
        q75,
        q95,
        law,
    }
}

/// What is said where one trajectory was run of many that would all be equal.
pub fn one_for_many(trajectories: u64, requested: u64) -> Option<String> {
    (trajectories < requested)
        .then(|| format!("trajectories: one stands for {requested}, which would all be equal"))
}

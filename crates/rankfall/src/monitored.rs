//! The record of a training run elsewhere, as its monitor sees it: a log of one line of JSON for
//! each measurement, from which summary and series are made, whenever and by whomever.
//!
//! A line is in the file when its measurement is done: what was killed is there up to the last one.

use crate::failure::Failure;
use crate::results::{self, Drawing};
use crate::run_folder::{self, Existing, MONITOR as LOG, RunFolder, SUMMARY, open};
use rankfall_report::SeriesTable;
use rankfall_report::record::{
    DivergenceRecord, DynamicsSummary, Ends, LossSummary, MONITOR, MatrixSummary, MonitorSummary,
    ProblemSummary, RankSummary, SUMMARY_SCHEMA, SeriesRow, SkippedParameter, SpectrumEnds,
    Summary, weights_name,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The label of the one dynamics of such a record.
pub const LABEL: &str = "training";
/// The version of the layout of the log.
pub const LOG_SCHEMA: u32 = 1;

/// A line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum LogLine {
    /// The first.
    Head(Head),
    /// Of a step.
    Measurement(StepMeasurement),
    /// What is predicted of the steps after one.
    Forces(SingularValueDrift),
    /// The last, where the monitor was closed.
    End(End),
}

/// What is measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Head {
    /// [`LOG_SCHEMA`].
    pub schema: u32,
    /// Of the program.
    pub version: String,
    /// Of the run.
    pub name: String,
    /// The class of the model.
    pub model: String,
    /// How many parameters it has.
    pub parameters: u64,
    /// The type of most of them.
    pub precision: String,
    /// Steps from a measurement to the next.
    pub every: u64,
    /// What is measured; the first is layer 1.
    pub layers: Vec<LayerHead>,
    /// What is not, and why.
    pub skipped: Vec<SkippedParameter>,
    /// Layers whose inputs are measured on a probe batch, by their names.
    #[serde(default)]
    pub features: Vec<String>,
}

/// A layer as it is measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LayerHead {
    /// Its name in the model.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<u64>,
    /// The type of its numbers.
    pub dtype: String,
    /// How it is made a matrix, in words.
    pub matrix: String,
    /// max(rows, columns) · ε.
    pub tolerance: f64,
    /// Which of its singular values are kept, from 1.
    pub kept: Vec<u32>,
    /// How many it has.
    pub values: u32,
}

/// What was measured after a step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StepMeasurement {
    /// Steps taken.
    pub step: u64,
    /// The loss that was handed in.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Other numbers that were handed in, by name.
    #[serde(default)]
    pub scalars: BTreeMap<String, Option<f64>>,
    /// Layers whose turn it was.
    #[serde(default)]
    pub layers: Vec<LayerLine>,
    /// Features on the probe batch.
    #[serde(default)]
    pub features: Vec<FeatureLine>,
    /// What is wrong with numbers that are not finite, in words.
    #[serde(default)]
    pub diverged: Option<String>,
}

/// A layer after a step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LayerLine {
    /// Which, from 1.
    pub layer: u32,
    /// Natural logarithms of those kept; null below the bound of their error.
    pub log_singular_values: Vec<Option<f64>>,
    /// #{σᵢ > tolerance · σ₁}.
    pub numerical_rank: u64,
    /// exp of the entropy of σᵢ/Σσ; null for a zero matrix.
    pub effective_rank: Option<f64>,
    /// Σσᵢ²/σ₁²; likewise.
    pub stable_rank: Option<f64>,
    /// Σσᵢ.
    pub nuclear_norm: f64,
    /// ln |det| of square ones, where every singular value is told from zero.
    pub log_abs_det: Option<f64>,
    /// The largest bound of the error of a singular value.
    pub error_bound: f64,
    /// `gram` or `bidiagonal`.
    pub method: String,
}

/// Features after a step: the inputs of a layer on the probe batch, rows × units.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FeatureLine {
    /// Which of [`Head::features`], from 1.
    pub layer: u32,
    /// As of layers.
    pub numerical_rank: u64,
    /// As of layers.
    pub effective_rank: Option<f64>,
    /// As of layers.
    pub stable_rank: Option<f64>,
    /// Units that are zero on every row.
    pub dead_units: u64,
    /// Share of numbers that are not zero.
    pub active_share: f64,
}

/// The drift of singular values that is predicted at a step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SingularValueDrift {
    /// Steps taken.
    pub step: u64,
    /// Each layer.
    pub layers: Vec<LayerForces>,
}

/// The predicted drift of log σᵢ in a step, by its parts, with standard errors; null where it is
/// not defined.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LayerForces {
    /// Which, from 1.
    pub layer: u32,
    /// Which singular values, from 1.
    pub indices: Vec<u32>,
    /// By the name of the part, with `total`: values and standard errors.
    pub parts: BTreeMap<String, Vec<[Option<f64>; 2]>>,
}

/// How it ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct End {
    /// `closed`, or what was raised.
    pub end: String,
    /// Steps taken.
    pub step: u64,
    /// Seconds of the training thread in the monitor.
    pub training_thread_seconds: f64,
    /// Processor seconds of the analysis.
    pub analysis_seconds: f64,
    /// Seconds from the start to the end.
    pub wall_seconds: f64,
}

/// A log that was read.
#[derive(Clone, Debug, Default)]
pub struct MonitorRecord {
    head: Head,
    measurements: Vec<StepMeasurement>,
    forces: Vec<SingularValueDrift>,
    end: Option<End>,
}

impl MonitorRecord {
    /// Reads a log; a last line that was cut is left out.
    ///
    /// # Errors
    /// Exit code 2 for text that is no such log, and lines inside of it that are none.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |number: usize, why: &dyn std::fmt::Display| {
            Failure::input(format!(
                "line {} of the log of a monitor: {why}",
                number + 1
            ))
        };
        let mut record = Self::default();
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_cut = number + 1 == lines.len() && !text.ends_with('\n');
            match serde_json::from_str(line) {
                Ok(LogLine::Head(head)) if head.schema == LOG_SCHEMA => record.head = head,
                Ok(LogLine::Head(head)) => {
                    let why = format!(
                        "it has schema {}; this version reads {LOG_SCHEMA}",
                        head.schema
                    );
                    return Err(wrong(number, &why));
                }
                Ok(LogLine::Measurement(one)) => record.add(one),
                Ok(LogLine::Forces(forces)) => record.forces.push(forces),
                Ok(LogLine::End(end)) => record.end = Some(end),
                Err(_) if is_cut => {}
                Err(error) => return Err(wrong(number, &error)),
            }
        }
        match record.head.schema {
            0 => Err(wrong(0, &"it does not say what is measured")),
            _ => Ok(record),
        }
    }

    /// At the end a step is measured again, for those whose turn it was not.
    fn add(&mut self, one: StepMeasurement) {
        match self.measurements.last_mut() {
            Some(last) if last.step == one.step => {
                last.loss = last.loss.or(one.loss);
                last.layers.extend(one.layers);
                last.diverged = last.diverged.take().or(one.diverged);
            }
            _ => self.measurements.push(one),
        }
    }

    /// The rows of `series.parquet`: time is the step.
    #[must_use]
    pub fn rows(&self) -> Vec<SeriesRow> {
        let mut rows = Vec::new();
        for one in &self.measurements {
            let mut add = |observable: &str, layer: Option<u32>, index: u32, value: Option<f64>| {
                rows.push(row(observable, layer, index, one.step, value));
            };
            add("loss", None, 0, one.loss);
            for (name, value) in &one.scalars {
                add(name, None, 0, *value);
            }
            for l in &one.layers {
                let layer = Some(l.layer);
                let kept = self.layer(l.layer).map_or(&[][..], |head| &head.kept);
                for (index, value) in kept.iter().zip(&l.log_singular_values) {
                    add("log_singular_value", layer, *index, *value);
                }
                add("numerical_rank", layer, 0, Some(l.numerical_rank as f64));
                add("effective_rank", layer, 0, l.effective_rank);
                add("stable_rank", layer, 0, l.stable_rank);
                add("nuclear_norm", layer, 0, Some(l.nuclear_norm));
                if self.layer(l.layer).is_some_and(LayerHead::is_square) {
                    add("log_abs_det", layer, 0, l.log_abs_det);
                }
                add("error_bound", layer, 0, Some(l.error_bound));
            }
            for f in &one.features {
                let layer = Some(f.layer);
                add(
                    "numerical_rank_features",
                    layer,
                    0,
                    Some(f.numerical_rank as f64),
                );
                add("effective_rank_features", layer, 0, f.effective_rank);
                add("stable_rank_features", layer, 0, f.stable_rank);
                add("dead_units_features", layer, 0, Some(f.dead_units as f64));
                add("active_share_features", layer, 0, Some(f.active_share));
            }
        }
        rows.extend(self.forces.iter().flat_map(drift_rows));
        // One curve after the other, as in every series.
        let mut order: BTreeMap<(String, Option<u32>, u32), usize> = BTreeMap::new();
        for row in &rows {
            let count = order.len();
            order.entry(curve(row)).or_insert(count);
        }
        rows.sort_by_cached_key(|row| order.get(&curve(row)).copied());
        rows
    }

    fn layer(&self, layer: u32) -> Option<&LayerHead> {
        self.head.layers.get((layer as usize).checked_sub(1)?)
    }

    /// What the run says of itself.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let head = &self.head;
        Summary {
            schema: SUMMARY_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: MONITOR.to_owned(),
            engine_reason: "a training run elsewhere, whose weights were measured on the way"
                .into(),
            experiment: head.name.clone(),
            problem: ProblemSummary {
                kind: head.model.clone(),
                parameters: head.parameters,
                precision: head.precision.clone(),
                data: "of the training run".into(),
                ..ProblemSummary::default()
            },
            dynamics: vec![self.dynamics()],
            warnings: self.warnings(),
            monitor: Some(Box::new(self.monitor())),
            ..Summary::default()
        }
    }

    fn dynamics(&self) -> DynamicsSummary {
        let steps = self.measurements.last().map_or(0, |one| one.step);
        let divergences: Vec<DivergenceRecord> = self
            .diverged()
            .into_iter()
            .map(|(one, _)| DivergenceRecord {
                trajectory: 0,
                step: one.step,
                time: one.step as f64,
                reason: "out-of-range".into(),
            })
            .collect();
        let seconds = self.end.as_ref().map_or(0.0, |end| end.wall_seconds);
        let steps = self.end.as_ref().map_or(steps, |end| end.step);
        let losses = || self.measurements.iter().filter_map(|one| one.loss);
        DynamicsSummary {
            label: LABEL.into(),
            kind: "monitored".into(),
            steps,
            trajectories: 1,
            diverged: divergences.len() as u64,
            divergences,
            seconds,
            trajectory_steps_per_second: if seconds > 0.0 {
                steps as f64 / seconds
            } else {
                0.0
            },
            quantiles: "of one run: its value".into(),
            loss: LossSummary {
                initial: losses().next(),
                final_mean: losses().next_back(),
                final_std: None,
            },
            matrices: self.matrices(),
            ..DynamicsSummary::default()
        }
    }

    /// The first measurement with numbers that are not finite, and what it says.
    fn diverged(&self) -> Option<(&StepMeasurement, &str)> {
        let said = |one: &'_ StepMeasurement| one.diverged.is_some();
        let one = self.measurements.iter().find(|one| said(one))?;
        Some((one, one.diverged.as_deref()?))
    }

    fn matrices(&self) -> Vec<MatrixSummary> {
        let layers = self.head.layers.iter().zip(1..).map(|(head, layer)| {
            let measured = self.measurements.iter();
            let lines: Vec<&LayerLine> = measured
                .filter_map(|one| one.layers.iter().find(|l| l.layer == layer))
                .collect();
            let spectrum = |line: Option<&&LayerLine>| {
                line.map_or_else(Vec::new, |l| l.log_singular_values.clone())
            };
            MatrixSummary {
                name: weights_name(layer),
                layer: Some(layer),
                called: Some(head.name.clone()),
                log_singular_values: Some(SpectrumEnds {
                    initial: spectrum(lines.first()),
                    final_mean: spectrum(lines.last()),
                }),
                numerical_rank: RankSummary {
                    rank: ends(&lines, |l| Some(l.numerical_rank as f64)),
                    tolerance: Some(head.tolerance),
                },
                effective_rank: ends(&lines, |l| l.effective_rank),
                stable_rank: ends(&lines, |l| l.stable_rank),
                nuclear_norm: Some(ends(&lines, |l| Some(l.nuclear_norm))),
                log_abs_det: head.is_square().then(|| ends(&lines, |l| l.log_abs_det)),
                ..MatrixSummary::default()
            }
        });
        let features = self.head.features.iter().zip(1..).map(|(name, layer)| {
            let measured = self.measurements.iter();
            let lines: Vec<&FeatureLine> = measured
                .filter_map(|one| one.features.iter().find(|f| f.layer == layer))
                .collect();
            MatrixSummary {
                name: "features".into(),
                layer: Some(layer),
                called: Some(format!("inputs of {name}")),
                numerical_rank: RankSummary {
                    rank: ends(&lines, |f| Some(f.numerical_rank as f64)),
                    tolerance: None,
                },
                effective_rank: ends(&lines, |f| f.effective_rank),
                stable_rank: ends(&lines, |f| f.stable_rank),
                active_share: Some(ends(&lines, |f| Some(f.active_share))),
                ..MatrixSummary::default()
            }
        });
        layers.chain(features).collect()
    }

    /// How often each layer was measured.
    fn measured(&self) -> Vec<u64> {
        let mut counts = vec![0; self.head.layers.len()];
        for line in self.measurements.iter().flat_map(|one| &one.layers) {
            if let Some(count) = counts.get_mut((line.layer as usize).wrapping_sub(1)) {
                *count += 1;
            }
        }
        counts
    }

    fn monitor(&self) -> MonitorSummary {
        MonitorSummary {
            model: self.head.model.clone(),
            every: self.head.every,
            measurements: self.measurements.len() as u64,
            measured: self.measured(),
            skipped: self.head.skipped.clone(),
            end: self.end.as_ref().map(|end| end.end.clone()),
            training_thread_seconds: self.end.as_ref().map(|end| end.training_thread_seconds),
            analysis_seconds: self.end.as_ref().map(|end| end.analysis_seconds),
            wall_seconds: self.end.as_ref().map(|end| end.wall_seconds),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut said = Vec::new();
        if let Some((one, why)) = self.diverged() {
            said.push(format!(
                "the training diverged: {why} at step {}, or since the measurement before it; nothing of its weights is \
                 measured from then on",
                one.step
            ));
        }
        match &self.end {
            None => said.push("the monitor was not closed: the training was still going, or its process was ended".into()),
            Some(end) if end.end != "closed" => said.push(format!("the training ended with {}", end.end)),
            Some(_) => {}
        }
        let whole = self.measurements.iter();
        let whole = whole.filter(|one| one.diverged.is_none()).count() as u64;
        let layers = &self.head.layers;
        let fewer: Vec<String> = (layers.iter().zip(self.measured()))
            .filter(|(_, count)| *count < whole)
            .map(|(layer, count)| format!("{} {count}", layer.name))
            .collect();
        if !fewer.is_empty() {
            said.push(format!(
                "of {whole} measurements some layers have fewer, as they took turns to keep within the budget: {}",
                fewer.join(", ")
            ));
        }
        let thinned: Vec<String> = (layers.iter())
            .filter(|l| (l.kept.len() as u32) < l.values)
            .map(|l| format!("{} {} of {}", l.name, l.kept.len(), l.values))
            .collect();
        if !thinned.is_empty() {
            said.push(format!(
                "ranks and norms are of all singular values; recorded are, spread over their order: {}",
                thinned.join(", ")
            ));
        }
        said
    }
}

impl LayerHead {
    /// Whether it has a determinant.
    fn is_square(&self) -> bool {
        self.shape.len() == 2 && self.shape[0] == self.shape[1]
    }
}

/// The first and the last of what was measured.
fn ends<T>(measured: &[&T], of: fn(&T) -> Option<f64>) -> Ends {
    Ends {
        initial: measured.first().and_then(|one| of(one)),
        final_mean: measured.last().and_then(|one| of(one)),
    }
}

/// The rows of predicted drifts: `drift_gradient` and so on, with their standard errors.
fn drift_rows(forces: &SingularValueDrift) -> Vec<SeriesRow> {
    let mut rows = Vec::new();
    for of in &forces.layers {
        for (part, values) in &of.parts {
            for (index, [value, error]) in of.indices.iter().zip(values) {
                let plain = row(
                    &format!("drift_{part}"),
                    Some(of.layer),
                    *index,
                    forces.step,
                    *value,
                );
                rows.push(SeriesRow {
                    std_error: *error,
                    ..plain
                });
            }
        }
    }
    rows
}

fn curve(row: &SeriesRow) -> (String, Option<u32>, u32) {
    (row.observable.clone(), row.layer, row.index)
}

fn row(
    observable: &str,
    layer: Option<u32>,
    index: u32,
    step: u64,
    value: Option<f64>,
) -> SeriesRow {
    let value = value.filter(|v| v.is_finite());
    SeriesRow {
        dynamics: LABEL.to_owned(),
        observable: observable.to_owned(),
        layer,
        index,
        time: step as f64,
        mean: value,
        std_error: None,
        q05: value,
        q25: value,
        q50: value,
        q75: value,
        q95: value,
        law: None,
    }
}

/// A run folder that a monitor writes into.
#[derive(Debug)]
pub struct MonitorFolder {
    folder: RunFolder,
    log: File,
}

impl MonitorFolder {
    /// Makes the folder, which must be new, or is replaced where `replace` says so.
    ///
    /// # Errors
    /// As of [`RunFolder::open`].
    pub fn create(path: &Path, replace: bool) -> Result<Self, Failure> {
        let existing = match replace {
            true => Existing::Replace,
            false => Existing::Refuse,
        };
        let folder = RunFolder::fresh(path, existing)?;
        let place = folder.file(LOG);
        let log = open::or_create(&place).map_err(|error| Failure::writing(&place, &error))?;
        Ok(Self { folder, log })
    }

    /// Adds a line; it is in the file when this returns.
    ///
    /// # Errors
    /// Exit code 1 where it cannot be written.
    pub fn append(&mut self, line: &str) -> Result<(), Failure> {
        let whole = format!("{line}\n");
        self.log
            .write_all(whole.as_bytes())
            .map_err(|error| Failure::writing(&self.folder.file(LOG), &error))
    }

    /// Makes series, summary, figures and report of the log: the run is then finished.
    ///
    /// # Errors
    /// Exit code 1 where a file cannot be written.
    pub fn finish(self) -> Result<(), Failure> {
        finish(self.folder).map(drop)
    }
}

fn finish(folder: RunFolder) -> Result<Drawing, Failure> {
    let record = of_folder(folder.path())?;
    let rows = record.rows();
    folder.write_series(&rows)?;
    let mut summary = record.summary();
    let drawing = results::draw(&summary, &SeriesTable::from_rows(rows), "", folder.path());
    results::finish_drawn(folder, drawing, &mut summary, |s| &mut s.warnings)
}

/// Whether a folder has the log of a monitor.
#[must_use]
pub fn is_monitored(folder: &Path) -> bool {
    folder.join(LOG).exists()
}

/// Whether it has one that was not made a finished run of: its process goes on, or was ended.
#[must_use]
pub fn is_open(folder: &Path) -> bool {
    is_monitored(folder)
        && (folder.join(run_folder::RUNNING).exists() || !folder.join(SUMMARY).exists())
}

/// What the log of a folder holds so far.
///
/// # Errors
/// Exit code 2 where there is none, or it cannot be read.
pub fn of_folder(folder: &Path) -> Result<MonitorRecord, Failure> {
    let path = folder.join(LOG);
    let text = open::log(&path).map_err(|error| open::unreadable(&path, &error))?;
    MonitorRecord::read(&text)
}

/// Makes a finished run of what a monitor left whose process was ended.
///
/// # Errors
/// Exit code 2 where the process goes on, 1 where a file cannot be written.
pub fn recover(folder: &Path) -> Result<Drawing, Failure> {
    finish(RunFolder::adopt(folder)?)
}

#[cfg(test)]
mod tests;

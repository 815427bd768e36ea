//! The figures and the report of a sweep, from its plan and its rows.

use super::metrics::{Metric, MetricRow};
use super::plan::SweepPlan;
use super::record::SweepSummary;
use super::schedule::UnitRows;
use super::settings::{GridSettings, Mean};
use crate::experiment::document::{self, TomlNode};
use crate::experiment::sweep::{AxisRange, Design, SweepAxisSpec};
use crate::failure::shell_word;
use crate::results::Drawing;
use crate::run_folder::{EXPERIMENT, REPORT};
use rankfall_report::sweep::{SweepAxis, SweepMetric, SweepTable};
use rankfall_report::{SweepPart, SweepReport, figures, sweep_page};
use std::path::Path;

/// Draws figures and report, and notes why what is not drawn is not.
pub fn draw(
    plan: &SweepPlan,
    rows: &UnitRows,
    summary: &SweepSummary,
    resolved: &str,
    folder: &Path,
) -> Drawing {
    let again = folder.join(EXPERIMENT);
    let settings = GridSettings::of(plan);
    let part = |(dynamics, label): (usize, &str)| SweepPart {
        dynamics: label.to_owned(),
        table: table(plan, &settings, rows, dynamics as u32),
    };
    let reason = why_not_drawn(plan, &settings);
    let labels = summary.dynamics.iter().map(|d| d.label.as_str());
    let labels = labels.filter(|_| reason.is_none());
    let report = SweepReport {
        experiment: summary.experiment.clone(),
        seed: summary.seed,
        version: summary.version.clone(),
        problem: summary.problem.clone(),
        command: format!("rankfall sweep {} --out runs/again", shell_word(&again)),
        experiment_toml: resolved.to_owned(),
        warnings: summary
            .warnings
            .iter()
            .cloned()
            .chain(reason.clone())
            .collect(),
        parts: labels.enumerate().map(part).collect(),
    };
    let mut drawing = Drawing::default();
    drawing.not_drawn.extend(reason);
    for (index, part) in report.parts.iter().enumerate() {
        for figure in figures::sweep::figures(&part.table, &report.origin(part)) {
            let scene = match figure.outcome {
                Ok(scene) => scene,
                Err(skipped) => {
                    let why = format!("{} is not drawn: {}", figure.name, skipped.reason);
                    if !drawing.not_drawn.contains(&why) {
                        drawing.not_drawn.push(why);
                    }
                    continue;
                }
            };
            let number = if report.parts.len() == 1 {
                String::new()
            } else {
                format!("_{index}")
            };
            drawing.add(&format!("{}{number}", figure.name), &scene);
        }
    }
    let page = sweep_page(&report).into_bytes();
    drawing.files.push((REPORT.to_owned(), page));
    drawing
}

/// More values of an axis than this are more than a figure can show.
const MOST_DRAWN: usize = 1000;

/// Why there is no figure of a sweep, where there is none.
fn why_not_drawn(plan: &SweepPlan, settings: &GridSettings) -> Option<String> {
    let values = |axis: &SweepAxisSpec| axis.values().map_or(0, |values| values.len());
    if plan.spec.design != Design::Grid {
        let words = "the points are drawn at random and no grid: all numbers are in sweep.parquet";
        return Some(words.to_owned());
    }
    let axes = settings.axes(plan);
    let long = axes.into_iter().find(|a| values(a) > MOST_DRAWN)?;
    Some(format!(
        "{} has more than {MOST_DRAWN} values, too many to draw: all numbers are in sweep.parquet",
        long.key
    ))
}

/// What one dynamics did over the grid.
fn table(plan: &SweepPlan, settings: &GridSettings, rows: &UnitRows, dynamics: u32) -> SweepTable {
    let axes = settings.axes(plan);
    SweepTable {
        axes: axes.iter().map(|a| axis(a, &axes)).collect(),
        metrics: metrics(settings, rows, dynamics),
        seeds: settings.seeds,
        notes: axes.iter().filter_map(|axis| numbered_note(axis)).collect(),
    }
}

/// What figures show of one dynamics: a number for each setting.
pub fn metrics(settings: &GridSettings, rows: &UnitRows, dynamics: u32) -> Vec<SweepMetric> {
    let of_all = SHOWN
        .iter()
        .map(|&shown| metric(shown, settings, rows, dynamics));
    let mut all = rows.values().flatten();
    let by_layer = all.any(|row| row.metric == Metric::EffectiveRankLayer);
    let layers = if by_layer { MOST_LAYERS } else { 0 };
    let of_layers = (1..=layers).map(|j| of_layer(j, settings, rows, dynamics));
    of_all.chain(of_layers).filter(has_values).collect()
}

fn has_values(metric: &SweepMetric) -> bool {
    metric.values.iter().any(Option::is_some)
}

/// An axis of a grid as figures have it, among all that there are.
pub fn axis(axis: &SweepAxisSpec, all: &[&SweepAxisSpec]) -> SweepAxis {
    let nodes = axis.values().unwrap_or_default();
    let numbers: Option<Vec<f64>> = nodes.iter().map(document::number).collect();
    let name = label(axis);
    let name = if all.iter().filter(|other| label(other) == name).count() > 1 {
        axis.key.clone()
    } else {
        name
    };
    match numbers {
        Some(values) => SweepAxis {
            name: axis.key.clone(),
            label: name,
            log: is_log(axis, &values),
            values,
        },
        None => SweepAxis {
            name: axis.key.clone(),
            label: format!("{name} (numbered)"),
            log: false,
            values: (1..=nodes.len()).map(|i| i as f64).collect(),
        },
    }
}

/// What the numbers stand for on an axis whose values are none.
fn numbered_note(axis: &SweepAxisSpec) -> Option<String> {
    let nodes = axis.values().unwrap_or_default();
    let numbers = nodes.iter().all(|node| document::number(node).is_some());
    (!numbers).then(|| format!("{}: {}.", label(axis), numbered(&nodes)))
}

/// Values that are no numbers, numbered from 1.
fn numbered(nodes: &[TomlNode]) -> String {
    let one = |(i, node): (usize, &TomlNode)| format!("{} = {}", i + 1, document::shown(node));
    let all: Vec<String> = nodes.iter().enumerate().map(one).collect();
    all.join(", ")
}

/// Logarithmic ranges, and lists that span two decades.
fn is_log(axis: &SweepAxisSpec, values: &[f64]) -> bool {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    match axis.range {
        AxisRange::Between { log, .. } => log,
        AxisRange::List(_) => low > 0.0 && high >= 100.0 * low,
    }
}

/// What figures call an axis.
fn label(axis: &SweepAxisSpec) -> String {
    let name = axis.key.rsplit('.').next().unwrap_or_default();
    let words = match name {
        "step_size" => "step size η",
        "label_noise" => "label noise δ",
        "batch_size" => "batch size b",
        "time_step" => "time step h",
        "width" => "width l",
        "inputs" => "inputs p",
        "outputs" => "outputs k",
        "samples" => "samples n",
        "teacher_rank" => "rank of the teacher",
        "scale" => "scale of the initial weights",
        "residual_noise" => "residual noise",
        "power_law" => "exponent of the input spectrum",
        "time" => "time t",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

/// The metrics of the figures, with what they are called there.
const SHOWN: [(Metric, &str); 11] = [
    (Metric::EffectiveRankTheta, "effective rank of Θ"),
    (
        Metric::SurvivingSingularValues,
        "surviving singular values of Θ",
    ),
    (Metric::FractionDiverged, "share that diverged"),
    (Metric::LogDetSlope, "rate of fall of log det"),
    (Metric::DecayRateTheta, "decay rate of σ_min(Θ)"),
    (Metric::EffectiveRankProduct, "effective rank of the map"),
    (
        Metric::LogDetStackSlope,
        "rate of fall of log det of the last two layers",
    ),
    (Metric::Accuracy, "training accuracy"),
    (Metric::HeldOutAccuracy, "held-out accuracy"),
    (Metric::HeldOutLoss, "held-out loss"),
    (Metric::ExcessLoss, "excess loss"),
];

/// Layers whose rank is drawn.
const MOST_LAYERS: u32 = 8;

/// The effective rank of the weights of layer j.
fn of_layer(j: u32, settings: &GridSettings, rows: &UnitRows, dynamics: u32) -> SweepMetric {
    let means = settings.means(rows, dynamics, |unit| {
        // A sweep over layers may have points with two of them, which the exact engine measures by
        // name.
        let is_it = |row: &&MetricRow| match row.metric {
            Metric::EffectiveRankLayer => row.index == j,
            Metric::EffectiveRankW1 => j == 1,
            Metric::EffectiveRankW2 => j == 2,
            _ => false,
        };
        unit.iter().find(is_it)
    });
    SweepMetric {
        prediction: None,
        ..drawn(
            &format!("effective_rank_layer_{j}"),
            &format!("effective rank of layer {j}"),
            &means,
            1.0,
        )
    }
}

/// A metric of [`SHOWN`].
fn metric(
    (metric, label): (Metric, &str),
    settings: &GridSettings,
    rows: &UnitRows,
    dynamics: u32,
) -> SweepMetric {
    // Falls are shown as positive numbers.
    let (name, sign) = match metric {
        Metric::LogDetSlope => ("log_det_fall", -1.0),
        Metric::DecayRateTheta => ("decay_rate_smallest", -1.0),
        Metric::LogDetStackSlope => ("log_det_stack_fall", -1.0),
        _ => (metric.name(), 1.0),
    };
    // The last index is that of the smallest singular value.
    let means = settings.means(rows, dynamics, |unit| {
        unit.iter().rev().find(|row| row.metric == metric)
    });
    let all = drawn(name, label, &means, sign);
    let is_loss = matches!(metric, Metric::HeldOutLoss | Metric::ExcessLoss);
    // What is predicted of survivors is of t → ∞.
    let is_of_the_end = metric != Metric::SurvivingSingularValues;
    SweepMetric {
        log: sign < 0.0 || is_loss,
        prediction: all.prediction.filter(|_| is_of_the_end),
        ..all
    }
}

fn drawn(name: &str, label: &str, means: &[Mean], sign: f64) -> SweepMetric {
    let column = |of: fn(&Mean) -> Option<f64>, sign: f64| -> Vec<Option<f64>> {
        let values = means.iter().map(of);
        values.map(|value| value.map(|x| sign * x)).collect()
    };
    let predictions = column(|mean| mean.prediction, sign);
    SweepMetric {
        name: name.to_owned(),
        label: label.to_owned(),
        log: false,
        values: column(|mean| mean.value, sign),
        std_error: column(|mean| mean.std_error, 1.0),
        prediction: predictions
            .iter()
            .any(Option::is_some)
            .then_some(predictions),
    }
}

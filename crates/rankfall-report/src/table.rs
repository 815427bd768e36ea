//! What theory predicted and what was measured, at the start and the end of a run, for page and
//! terminal.

use crate::figures::ranks::matrices;
use crate::figures::{falling_layer, matrix_symbol, name};
use crate::number::{compact, dash, from_natural_log, or_dash, significant, subscript};
use crate::record::{DynamicsSummary, Ends, LossSummary, Prediction, Summary};
use crate::terminal;

/// One long label must not push every other column off the screen.
const LONGEST: usize = 28;
/// What a terminal holds side by side.
const WIDTH: usize = 80;
/// Stacks of adjacent layers that a table holds of each dynamics.
const MOST_STACKS: usize = 9;

/// A table: its headings and its rows of cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Over the columns; the first is that of the dynamics.
    pub headings: Vec<String>,
    /// One row for every dynamics, or several.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The table for a terminal, in as many pieces one below the other as its width takes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![self.headings.clone()];
        lines.extend(self.rows.iter().cloned());
        terminal::pieces(&lines, LONGEST, WIDTH).join("\n")
    }
}

/// A column: its heading, and its cell in the row of a dynamics.
type Column<'a> = (String, Box<dyn Fn(&DynamicsSummary) -> String + 'a>);

fn table(summary: &Summary, columns: Vec<Column<'_>>) -> Table {
    let mut table = Table {
        headings: vec!["dynamics".to_owned()],
        rows: summary
            .dynamics
            .iter()
            .map(|d| vec![name(d).to_owned()])
            .collect(),
    };
    for (heading, cell) in columns {
        table.headings.push(heading);
        for (row, one) in table.rows.iter_mut().zip(&summary.dynamics) {
            row.push(cell(one));
        }
    }
    table
}

/// Every table of a run, one below the other, no line longer than 80 characters.
#[must_use]
pub fn to_text(summary: &Summary) -> String {
    let tables = [predicted(summary), Some(ends(summary))];
    let tables: Vec<String> = tables.iter().flatten().map(Table::to_text).collect();
    tables.join("\n")
}

/// The predictions of a dynamics that are shown beside what was measured.
pub fn shown(one: &DynamicsSummary) -> impl Iterator<Item = &Prediction> {
    let defined = |p: &&Prediction| {
        p.quantity == "log_det"
            && (p.measured.is_some() || p.predicted.is_some() || one.all_diverged())
    };
    one.predictions.iter().filter(defined).take(MOST_STACKS)
}

/// log det at the end as it was predicted and measured, a row for every determinant; none where no
/// dynamics has one.
#[must_use]
pub fn predicted(summary: &Summary) -> Option<Table> {
    let stacks = summary
        .dynamics
        .iter()
        .flat_map(shown)
        .any(|p| p.layer.is_some());
    let mut headings = vec![
        "dynamics",
        "predicted log det",
        "measured ± std",
        "difference",
    ];
    if stacks {
        headings.insert(1, "of");
    }
    let mut rows = Vec::new();
    for one in &summary.dynamics {
        for prediction in shown(one) {
            let mut row = vec![name(one).to_owned()];
            row.extend(stacks.then(|| stack(prediction)));
            row.push(match prediction.predicted {
                Some(value) => compact(value, 6),
                None => prediction.why_not().to_owned(),
            });
            row.push(measured(prediction.measured, prediction.std));
            row.push(difference(prediction));
            rows.push(row);
        }
    }
    (!rows.is_empty()).then(|| Table {
        headings: headings.into_iter().map(str::to_owned).collect(),
        rows,
    })
}

/// With its standard error where that is known.
fn difference(prediction: &Prediction) -> String {
    let difference = or_dash(prediction.difference(), 2);
    match prediction.difference_std_error {
        Some(error) => format!("{difference} ± {}", significant(error, 1)),
        None => difference,
    }
}

fn stack(prediction: &Prediction) -> String {
    let layer = prediction.layer.map(|j| subscript(j as usize));
    format!("Θ{}", layer.unwrap_or_default())
}

/// ν, losses, accuracies and ranks at the start and the end, and how many trajectories diverged.
#[must_use]
pub fn ends(summary: &Summary) -> Table {
    let mut columns = settings(summary);
    columns.extend(ranks(summary));
    columns.extend(losses(summary));
    if summary.dynamics.iter().any(|d| d.diverged > 0) {
        let diverged = |d: &DynamicsSummary| format!("{} of {}", d.diverged, d.trajectories);
        columns.push(("diverged".into(), Box::new(diverged)));
    }
    table(summary, columns)
}

/// ν, and log det at the start.
fn settings(summary: &Summary) -> Vec<Column<'_>> {
    let any = |there: fn(&DynamicsSummary) -> bool| summary.dynamics.iter().any(there);
    let mut columns: Vec<Column<'_>> = Vec::new();
    if any(|d| d.noise_intensity > 0.0) {
        columns.push(("ν".into(), Box::new(|d| compact(d.noise_intensity, 3))));
    }
    if any(|d| d.log_det.is_some()) {
        let start = |d: &DynamicsSummary| d.log_det.as_ref().and_then(|det| det.initial);
        let cell = move |d: &DynamicsSummary| start(d).map_or_else(dash, |v| compact(v, 6));
        columns.push(("log det at start".into(), Box::new(cell)));
    }
    columns
}

/// Losses and accuracies. Where the loss of the optimum is known, the training loss is that above
/// it.
fn losses(summary: &Summary) -> Vec<Column<'_>> {
    type Of = fn(&DynamicsSummary) -> Option<&LossSummary>;
    const LOSSES: [(&str, Of); 6] = [
        ("excess loss", |d| d.excess_loss.as_ref()),
        ("training loss", |d| match d.excess_loss {
            Some(_) => None,
            None => Some(&d.loss),
        }),
        ("population loss", |d| d.population_loss.as_ref()),
        ("held-out loss", |d| d.held_out_loss.as_ref()),
        ("training accuracy", |d| d.accuracy.as_ref()),
        ("held-out accuracy", |d| d.held_out_accuracy.as_ref()),
    ];
    let there = |of: &Of| summary.dynamics.iter().any(|d| of(d).is_some());
    let shown = LOSSES.into_iter().filter(|(_, of)| there(of));
    let cell = |of: Of| move |d: &DynamicsSummary| of(d).map_or_else(dash, from_to);
    shown
        .map(|(heading, of)| (heading.to_owned(), Box::new(cell(of)) as Box<_>))
        .collect()
}

/// The numerical rank of every matrix that can lose it, and of the layer of two that does the
/// effective rank and the smallest singular value.
fn ranks(summary: &Summary) -> Vec<Column<'_>> {
    let mut columns: Vec<Column<'_>> = Vec::new();
    for matrix in matrices(summary) {
        let of = |d: &DynamicsSummary| rank(d.like(matrix).map(|m| m.numerical_rank.rank));
        let heading = format!("rank of {}", matrix_symbol(matrix, &summary.problem));
        columns.push((heading, Box::new(of)));
    }
    if let Some((layer, symbol)) = falling_layer(summary) {
        let effective = move |d: &DynamicsSummary| rank(d.layer(layer).map(|m| m.effective_rank));
        let smallest = move |d: &DynamicsSummary| {
            let spectrum = d.layer(layer).and_then(|m| m.log_singular_values.as_ref());
            let last = |values: &[Option<f64>]| match values.last().copied().flatten() {
                Some(log) => from_natural_log(log, 2),
                None => dash(),
            };
            spectrum.map_or_else(dash, |s| {
                format!("{} → {}", last(&s.initial), last(&s.final_mean))
            })
        };
        columns.push(("effective rank".into(), Box::new(effective)));
        columns.push((format!("smallest σ of {symbol}"), Box::new(smallest)));
    }
    columns
}

fn rank(ends: Option<Ends>) -> String {
    ends.map_or_else(dash, |ends| arrow(ends.initial, ends.final_mean, 3))
}

fn from_to(loss: &LossSummary) -> String {
    let end = arrow(loss.initial, loss.final_mean, 3);
    match loss.final_std {
        Some(std) => format!("{end} ± {}", significant(std, 2)),
        None => end,
    }
}

fn arrow(start: Option<f64>, end: Option<f64>, digits: usize) -> String {
    // Whole ranks are written whole.
    let show = |v: Option<f64>| match v {
        Some(v) if v.fract() == 0.0 && v.abs() < 1e6 => format!("{v}").replace('-', "−"),
        _ => or_dash(v, digits),
    };
    format!("{} → {}", show(start), show(end))
}

fn measured(mean: Option<f64>, std: Option<f64>) -> String {
    match (mean, std) {
        (Some(mean), Some(std)) => format!("{} ± {}", compact(mean, 6), significant(std, 1)),
        _ => mean.map_or_else(dash, |v| compact(v, 6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LogDetSummary, MatrixSummary, ProblemSummary, RankSummary, SpectrumEnds};

    fn run(labels: &[&str]) -> Summary {
        let of = |label: &&str| {
            let log_det = LogDetSummary {
                initial: Some(1.5),
                final_mean: Some(-196.666),
                final_std: Some(2e-13),
                law_final: Some(-196.666),
                ..LogDetSummary::default()
            };
            let layer = MatrixSummary {
                name: "w1".into(),
                layer: Some(1),
                numerical_rank: RankSummary {
                    rank: Ends {
                        initial: Some(5.0),
                        final_mean: Some(2.0),
                    },
                    tolerance: Some(1e-3),
                },
                effective_rank: Ends {
                    initial: Some(4.25),
                    final_mean: None,
                },
                log_singular_values: Some(SpectrumEnds {
                    initial: vec![Some(0.0)],
                    final_mean: vec![Some(-2_302.585_092_994)],
                }),
                ..MatrixSummary::default()
            };
            let theta = MatrixSummary {
                name: "theta".into(),
                ..MatrixSummary::default()
            };
            DynamicsSummary {
                label: (*label).into(),
                noise_intensity: 0.02,
                trajectories: 2,
                predictions: vec![log_det.prediction("exact", "")],
                log_det: Some(log_det),
                matrices: vec![theta, layer],
                ..DynamicsSummary::default()
            }
        };
        Summary {
            problem: ProblemSummary::two_layers(10, [5, 10, 2]),
            dynamics: labels.iter().map(of).collect(),
            ..Summary::default()
        }
    }

    #[test]
    fn lines_fit_a_terminal_whatever_the_labels_and_obey_nothing_in_them() {
        let text = to_text(&run(&[
            "gradient flow",
            "\u{1b}[31mσ",
            &"näme ".repeat(100),
        ]));
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(!text.contains('\u{1b}') && text.contains('…'), "{text}");
        for said in ["5 → 2", "4.25 → —", "×10⁻¹⁰⁰⁰", "−196.666 ± 2×10⁻¹³"]
        {
            assert!(text.contains(said), "{said} in {text}");
        }
    }

    #[test]
    fn why_nothing_is_predicted_is_said_not_guessed() {
        let mut run = run(&["sgd"]);
        let prediction = &mut run.dynamics[0].predictions[0];
        (prediction.predicted, prediction.kind) = (None, None);
        for (reason, said) in [
            (Some("not stated: no law of it is known"), "not stated"),
            (Some("not computed: for want of rows"), "not computed"),
            (Some("all diverged: nothing is left"), "all diverged"),
            (None, "not stated"),
        ] {
            run.dynamics[0].predictions[0].reason = reason.map(str::to_owned);
            let table = predicted(&run).expect("measured");
            assert_eq!(table.rows[0][1..], [said, "−196.666 ± 2×10⁻¹³", "—"]);
        }
        // What has no determinant has no table of it.
        run.dynamics[0].predictions[0].measured = None;
        assert_eq!(predicted(&run), None);
    }

    #[test]
    fn a_run_of_nothing_has_headings() {
        let nothing = Summary::default();
        assert_eq!(ends(&nothing).headings, ["dynamics"]);
        assert_eq!(to_text(&nothing).lines().count(), 2);
    }
}

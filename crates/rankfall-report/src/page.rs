//! The report: one HTML page that needs nothing beside it.

use std::fmt::Write as _;

use crate::figures::{Figure, draw_all, name};
use crate::html;
use crate::markup::escape;
use crate::number::{compact, count, significant};
use crate::record::{DynamicsSummary, Summary};
use crate::series::SeriesTable;
use crate::table::{Comparison, falling_layer, headings, predicted_and_measured};

/// What a report is written from.
#[derive(Clone, Copy, Debug)]
pub struct ReportInput<'a> {
    /// What the run says of itself.
    pub summary: &'a Summary,
    /// Its curves.
    pub table: &'a SeriesTable,
    /// The resolved experiment file, word for word.
    pub experiment_toml: &'a str,
    /// The command line that repeats the run.
    pub command: &'a str,
}

/// The whole page. Everything that comes from the run is escaped; the page loads nothing.
#[must_use]
pub fn report_page(input: &ReportInput<'_>) -> String {
    let figures = draw_all(input.summary, input.table);
    let mut page = String::new();
    page.push_str(&html::open(&input.summary.experiment));
    page.push_str(&opening(input.summary, &figures));
    page.push_str(&warnings(input.summary));
    page.push_str(&comparison_section(input.summary));
    page.push_str("<h2>Figures</h2>\n");
    figures
        .iter()
        .for_each(|figure| page.push_str(&html::figure_or_reason(figure.name, figure)));
    page.push_str(&settings_section(input.summary));
    page.push_str(&repeat_section(input));
    page.push_str(html::CLOSE);
    page
}

fn opening(summary: &Summary, figures: &[Figure]) -> String {
    let p = &summary.problem;
    let mut html = format!("<h1>{}</h1>\n", escape(&summary.experiment));
    let _ = writeln!(
        html,
        "<p class=\"origin\">rankfall {} · seed {} · n = {} samples, p = {} inputs, k = {} outputs, l = {} hidden · \
         tr S = {} · optimal loss {}<br>{}</p>",
        escape(&summary.version),
        summary.seed,
        count(p.samples),
        p.inputs,
        p.outputs,
        p.width,
        significant(p.trace_sxx, 4),
        significant(p.loss_floor, 3),
        escape(&p.data),
    );
    html.push_str("<nav>");
    for figure in figures.iter().filter(|f| f.outcome.is_ok()) {
        let _ = write!(
            html,
            "<a href=\"#{}\">{}</a> ",
            escape(figure.name),
            escape(&figure.title)
        );
    }
    html.push_str(
        "<a href=\"#settings\">Settings</a> <a href=\"#repeat\">Repeat this run</a></nav>\n",
    );
    html
}

fn warnings(summary: &Summary) -> String {
    let mut all: Vec<String> = summary.warnings.clone();
    let lost = summary.dynamics.iter().filter(|d| d.diverged > 0);
    all.extend(lost.map(|d| {
        let (lost, of) = (count(d.diverged), count(d.trajectories));
        format!(
            "{}: {lost} of {of} trajectories diverged; its statistics are over the others.",
            name(d)
        )
    }));
    all.dedup();
    html::warnings(&all)
}

fn comparison_section(summary: &Summary) -> String {
    let rows = predicted_and_measured(summary);
    let body: String = rows.iter().map(|row| html::row(&row.cells())).collect();
    let sentences: String = rows
        .iter()
        .filter_map(verdict)
        .map(|s| format!("<p>{}</p>\n", escape(&s)))
        .collect();
    let tolerance = summary
        .dynamics
        .iter()
        .find_map(|d| d.numerical_rank.tolerance);
    let tolerance = tolerance.map_or_else(String::new, |t| {
        format!(
            " The rank counts singular values above {} of the largest.",
            significant(t, 1)
        )
    });
    format!(
        "<h2 id=\"comparison\">Predicted and measured</h2>\n{sentences}{}<p class=\"note\">Predicted is the law log det M(0) − 2νk tr(S) t at the end of the run, for the flows where \
         l ≥ p + k; measured is the mean over trajectories with their standard deviation. Arrows lead from the start \
         to the mean at the end.{tolerance}</p>\n",
        html::table(&headings(falling_layer(summary)), &body),
    )
}

/// The comparison of one dynamics in a sentence.
fn verdict(row: &Comparison) -> Option<String> {
    let (predicted, difference) = (row.log_det_predicted?, row.difference()?);
    let fall = row
        .log_det_initial
        .map_or(0.0, |start| (predicted - start).abs());
    let relative = difference.abs() / fall;
    let share = if relative.is_finite() && fall > 1e-9 * predicted.abs() {
        format!(", {} of the predicted change", percent(relative))
    } else {
        String::new()
    };
    Some(format!(
        "Under {}, {} is predicted to end at {} and was measured at {}: a difference of {}{share}.",
        row.dynamics,
        row.determinant,
        compact(predicted, 6),
        compact(row.log_det_measured?, 6),
        significant(difference.abs(), 2),
    ))
}

fn percent(share: f64) -> String {
    if share < 1e-4 {
        "less than 0.01 %".into()
    } else {
        format!("{} %", significant(100.0 * share, 2))
    }
}

fn settings_section(summary: &Summary) -> String {
    const NAMES: [&str; 10] = [
        "dynamics",
        "kind",
        "η",
        "δ",
        "b",
        "ν",
        "steps",
        "trajectories",
        "diverged",
        "steps × trajectories / s",
    ];
    let body: String = summary
        .dynamics
        .iter()
        .map(|d| html::row(&settings(d, summary.problem.samples)))
        .collect();
    let reductions: String = summary.dynamics.iter().map(notes).collect();
    format!(
        "<h2 id=\"settings\">Settings</h2>\n{}{reductions}",
        html::table(&NAMES, &body),
    )
}

fn settings(one: &DynamicsSummary, samples: u64) -> Vec<String> {
    vec![
        name(one).to_owned(),
        one.kind.clone(),
        compact(one.step_size, 4),
        compact(one.label_noise, 4),
        batch(one, samples),
        compact(one.noise_intensity, 4),
        count(one.steps),
        count(one.trajectories),
        count(one.diverged),
        significant(one.trajectory_steps_per_second, 3),
    ]
}

/// The batch size, from ν = ηδ/b; without label noise the summary does not tell it.
fn batch(one: &DynamicsSummary, samples: u64) -> String {
    match one.kind.as_str() {
        "gradient-flow" => "—".into(),
        "gradient-descent" | "label-noise-gradient-descent" => format!("n = {}", count(samples)),
        _ if one.noise_intensity > 0.0 => {
            let size = one.step_size * one.label_noise / one.noise_intensity;
            let whole = (size - size.round()).abs() < 1e-6 * size && size < 1e15;
            if whole {
                count(size.round() as u64)
            } else {
                significant(size, 4)
            }
        }
        _ => "see the experiment file".into(),
    }
}

fn notes(one: &DynamicsSummary) -> String {
    let sentence = |s: &String| format!("<li>{}</li>", escape(s));
    let mut items: String = one.reductions.iter().map(sentence).collect();
    if let Some(optimizer) = one.optimizer {
        let kind = if optimizer.nesterov {
            "Nesterov momentum"
        } else {
            "Momentum"
        };
        let _ = write!(
            items,
            "<li>{kind} μ = {}, weight decay λ = {}; ν is that of its steps without momentum.</li>",
            compact(optimizer.momentum, 4),
            compact(optimizer.weight_decay, 4),
        );
    }
    if !one.quantiles.is_empty() {
        let _ = write!(items, "<li>Quantiles: {}</li>", escape(&one.quantiles));
    }
    if let Some(first) = one.divergences.first() {
        let _ = write!(
            items,
            "<li>The first to diverge was trajectory {} at step {} (t = {}).</li>",
            first.trajectory,
            count(first.step),
            significant(first.time, 4),
        );
    }
    if items.is_empty() {
        String::new()
    } else {
        format!("<h3>{}</h3>\n<ul>{items}</ul>\n", escape(name(one)))
    }
}

fn repeat_section(input: &ReportInput<'_>) -> String {
    format!(
        "<h2 id=\"repeat\">Repeat this run</h2>\n<pre>{}</pre>\n<p class=\"note\">rankfall {}, seed {}, \
         layout {} of summary.json.</p>\n<details><summary>The experiment file</summary>\n<pre>{}</pre></details>\n",
        escape(input.command),
        escape(&input.summary.version),
        input.summary.seed,
        input.summary.schema,
        escape(input.experiment_toml),
    )
}

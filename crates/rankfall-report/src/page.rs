//! The report: one HTML page that needs nothing beside it.

use std::fmt::Write as _;

use crate::figures::{Figure, capitalised, determinant_name, draw_all, name, network_words};
use crate::forces;
use crate::html;
use crate::markup::escape;
use crate::number::{compact, count, or_dash, significant};
use crate::record::{ACCOUNT, DynamicsSummary, EXACT_LAW, MonitorSummary, Prediction, Summary};
use crate::series::SeriesTable;
use crate::table;

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
    for figure in &figures {
        page.push_str(&html::figure_or_reason(figure.name, figure));
    }
    match &input.summary.monitor {
        Some(monitor) => page.push_str(&monitor_section(input.summary, monitor)),
        None => {
            page.push_str(&settings_section(input.summary));
            page.push_str(&repeat_section(input));
        }
    }
    page.push_str(html::CLOSE);
    page
}

fn opening(summary: &Summary, figures: &[Figure]) -> String {
    let p = &summary.problem;
    let mut html = format!("<h1>{}</h1>\n", escape(&summary.experiment));
    if let Some(monitor) = &summary.monitor {
        let _ = writeln!(
            html,
            "<p class=\"origin\">rankfall {} · {} · {} parameters in {} · measured every {} steps<br>{}.</p>",
            escape(&summary.version),
            escape(&monitor.model),
            count(p.parameters),
            escape(&p.precision),
            count(monitor.every),
            escape(&capitalised(&summary.engine_reason)),
        );
        let measured = "<a href=\"#monitor\">What was measured</a>";
        return html + &html::navigation(figures, measured);
    }
    let _ = write!(
        html,
        "<p class=\"origin\">rankfall {} · seed {} · n = {} samples",
        escape(&summary.version),
        summary.seed,
        count(p.samples),
    );
    if p.held_out > 0 {
        let _ = write!(html, ", {} held out", count(p.held_out));
    }
    let _ = write!(
        html,
        " · {} network {}{} · {} loss · {} parameters in {}",
        escape(&p.kind),
        escape(&network_words(p)),
        if p.bias { " with biases" } else { "" },
        escape(&p.loss),
        count(p.parameters),
        escape(&p.precision),
    );
    for (words, value) in [("tr S =", p.trace_sxx), ("optimal loss", p.loss_floor)] {
        let shown = value.map(|value| format!(" · {words} {}", significant(value, 4)));
        html.push_str(&shown.unwrap_or_default());
    }
    let _ = writeln!(
        html,
        "<br>{}<br>{} engine: {}.</p>",
        escape(&p.data),
        escape(&capitalised(&summary.engine)),
        escape(&summary.engine_reason),
    );
    let more = "<a href=\"#settings\">Settings</a> <a href=\"#repeat\">Repeat this run</a>";
    html + &html::navigation(figures, more)
}

/// Layers with how often they were measured, what was left alone and why, and what it cost.
fn monitor_section(summary: &Summary, monitor: &MonitorSummary) -> String {
    let weights = summary.dynamics.iter().flat_map(|d| &d.matrices);
    let weights = weights.filter(|m| m.name != "features");
    let measured = weights.zip(&monitor.measured).map(|(matrix, times)| {
        let name = matrix.called.clone().unwrap_or_default();
        vec![name, count(*times), String::new()]
    });
    let skipped = monitor.skipped.iter();
    let skipped = skipped.map(|one| vec![one.name.clone(), "0".into(), one.reason.clone()]);
    let rows: Vec<Vec<String>> = measured.chain(skipped).collect();
    let cost = match (monitor.training_thread_seconds, monitor.analysis_seconds) {
        (Some(thread), Some(analysis)) => format!(
            "The monitor took {} s of the training thread and {} s of processor time on a thread of its own, of {} s.",
            significant(thread, 3),
            significant(analysis, 3),
            or_dash(monitor.wall_seconds, 3),
        ),
        _ => "What the monitor took is not known: the process ended before it said so.".to_owned(),
    };
    format!(
        "<h2 id=\"monitor\">What was measured</h2>\n{}<p class=\"note\">{cost}</p>\n",
        html::table(&["parameter", "measured", "why not"], &rows)
    )
}

fn warnings(summary: &Summary) -> String {
    let mut all: Vec<String> = summary.warnings.clone();
    let is_run = summary.monitor.is_none();
    let lost = summary.dynamics.iter().filter(|d| is_run && d.diverged > 0);
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
    let mut html = String::new();
    if let Some(predicted) = table::predicted(summary) {
        html.push_str("<h2 id=\"comparison\">Predicted and measured</h2>\n");
        for one in &summary.dynamics {
            for sentence in table::shown(one).filter_map(|prediction| verdict(one, prediction)) {
                let _ = writeln!(html, "<p>{}</p>", escape(&sentence));
            }
        }
        html.push_str(&html::table(&predicted.headings, &predicted.rows));
        html.push_str(&reasons(summary));
    }
    html.push_str("<h2 id=\"ends\">At the start and at the end</h2>\n");
    let ends = table::ends(summary);
    html.push_str(&html::table(&ends.headings, &ends.rows));
    html.push_str(&tolerances(summary));
    html
}

/// What the predictions of a run are, and why there are no others: each sentence once.
fn reasons(summary: &Summary) -> String {
    let mut all: Vec<String> = Vec::new();
    for prediction in summary.dynamics.iter().flat_map(table::shown) {
        let said = match prediction.kind.as_deref() {
            Some(EXACT_LAW) => format!(
                "Predicted is the law log det M(0) − {} t at the end of the run, which holds on every path.",
                summary.problem.law_rate()
            ),
            Some(ACCOUNT) if prediction.layer.is_some() => {
                "Predicted is what label noise and weight decay take along the path of each trajectory, added up step \
                 by step, in the mean over trajectories."
                    .to_owned()
            }
            Some(ACCOUNT) => "Predicted of a descent is its account: along the path of each trajectory, the mean of \
                              what each step does to log det given the weights before it, added up. What is left is a \
                              martingale: nothing on average, and ± is the standard error of its mean."
                .to_owned(),
            Some(other) => format!("The kind of a prediction is: {other}."),
            None => prediction.reason.iter().map(|why| format!("{}.", capitalised(why))).collect(),
        };
        if !all.contains(&said) {
            all.push(said);
        }
    }
    let measured = "Measured is the mean over trajectories with their standard deviation.";
    format!(
        "<p class=\"note\">{} {measured}</p>\n",
        escape(&all.join(" "))
    )
}

/// At what the ranks of the table were counted.
fn tolerances(summary: &Summary) -> String {
    let matrices = summary.dynamics.first().map_or(&[][..], |d| &d.matrices);
    let of = |jacobian: bool| {
        let found = matrices.iter().find(|m| (m.name == "jacobian") == jacobian);
        found.and_then(|m| m.numerical_rank.tolerance)
    };
    if summary.monitor.is_some() {
        return "<p class=\"note\">Arrows lead from the first measurement to the last. The rank counts singular values \
                above max(rows, columns) · ε of the largest, ε of the precision of storage.</p>\n"
            .to_owned();
    }
    let mut note = String::from(
        "Arrows lead from the start to the mean at the end; ± is the standard deviation over trajectories.",
    );
    if let Some(layers) = of(false) {
        let layers = significant(layers, 2);
        let _ = write!(
            note,
            " The rank counts singular values above {layers} of the largest"
        );
        let jacobian = of(true).map(|t| significant(t, 2));
        let jacobian = jacobian.map(|t| format!(", that of the Jacobian those above {t}"));
        let _ = write!(note, "{}.", jacobian.unwrap_or_default());
    }
    format!("<p class=\"note\">{note}</p>\n")
}

/// A prediction beside its measurement in a sentence.
fn verdict(one: &DynamicsSummary, prediction: &Prediction) -> Option<String> {
    if prediction.layer.is_some() {
        return None;
    }
    let (predicted, difference) = (prediction.predicted?, prediction.difference()?);
    let start = one.log_det.as_ref().and_then(|log_det| log_det.initial);
    let fall = start.map_or(0.0, |start| (predicted - start).abs());
    let relative = difference.abs() / fall;
    let share = if relative.is_finite() && fall > 1e-9 * predicted.abs() {
        format!(", {} of the predicted change", percent(relative))
    } else {
        String::new()
    };
    Some(format!(
        "Under {}, {} is predicted to end at {} and was measured at {}: a difference of {}{share}.",
        name(one),
        determinant_name(one),
        compact(predicted, 6),
        compact(prediction.measured?, 6),
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
    let dynamics = summary.dynamics.iter();
    let rows = dynamics.map(|d| settings(d, summary.problem.samples));
    let table = html::table(&SETTINGS, &rows.collect::<Vec<_>>());
    let notes: String = summary.dynamics.iter().map(notes).collect();
    format!("<h2 id=\"settings\">Settings</h2>\n{table}{notes}")
}

/// Over the cells of [`settings`].
const SETTINGS: [&str; 12] = [
    "dynamics",
    "kind",
    "η",
    "schedule",
    "δ",
    "b",
    "ν",
    "noise",
    "forces",
    "steps",
    "trajectories",
    "steps × trajectories / s",
];

fn settings(one: &DynamicsSummary, samples: u64) -> Vec<String> {
    let noise = match one.noise.is_empty() {
        true => "none".to_owned(),
        false => one.noise.join("; "),
    };
    let batch = match one.batch_size {
        Some(rows) => count(rows),
        None if one.kind == "gradient-flow" => "—".to_owned(),
        None => format!("n = {}", count(samples)),
    };
    vec![
        name(one).to_owned(),
        one.kind.clone(),
        compact(one.step_size, 4),
        one.schedule.clone(),
        compact(one.label_noise, 4),
        batch,
        compact(one.noise_intensity, 4),
        noise,
        match &one.force_split {
            Some(split) => format!("{} ({split} split)", forces::words(one)),
            None => "—".to_owned(),
        },
        count(one.steps),
        count(one.trajectories),
        significant(one.trajectory_steps_per_second, 3),
    ]
}

fn notes(one: &DynamicsSummary) -> String {
    let sentence = |s: &String| format!("<li>{}</li>", escape(s));
    let mut items: String = one.reductions.iter().map(sentence).collect();
    if let Some(optimizer) = one.optimizer {
        let momentum = compact(optimizer.momentum, 4);
        let (kind, without) = match (optimizer.adam, optimizer.nesterov) {
            (Some(adam), _) => {
                let (beta1, beta2) = (compact(adam.beta1, 4), compact(adam.beta2, 6));
                (format!("Adam with β₁ = {beta1}, β₂ = {beta2}"), "Adam")
            }
            (None, true) => (format!("Nesterov momentum μ = {momentum}"), "momentum"),
            (None, false) => (format!("Momentum μ = {momentum}"), "momentum"),
        };
        let _ = write!(
            items,
            "<li>{kind}, weight decay λ = {}; ν is that of its steps without {without}.</li>",
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

//! The report of a run of the dense engine: one HTML page that needs nothing beside it.

use std::fmt::Write as _;

use crate::figures::network::draw_network;
use crate::html;
use crate::markup::escape;
use crate::network_record::{NetworkDynamics, NetworkSummary};
use crate::network_table::{NetworkTable, quality, ranks};
use crate::number::{compact, count, significant};
use crate::series::SeriesTable;

/// What a report is written from.
#[derive(Clone, Copy, Debug)]
pub struct NetworkReport<'a> {
    /// What the run says of itself.
    pub summary: &'a NetworkSummary,
    /// Its curves.
    pub table: &'a SeriesTable,
    /// The resolved experiment file, word for word.
    pub experiment_toml: &'a str,
    /// The command line that repeats the run.
    pub command: &'a str,
}

/// The whole page. Everything that comes from the run is escaped; the page loads nothing.
#[must_use]
pub fn network_page(input: &NetworkReport<'_>) -> String {
    let summary = input.summary;
    let figures = draw_network(summary, input.table);
    let mut page = html::open(&summary.experiment);
    page.push_str(&opening(summary));
    page.push_str("<nav>");
    for figure in figures.iter().filter(|f| f.outcome.is_ok()) {
        let _ = write!(
            page,
            "<a href=\"#{}\">{}</a> ",
            escape(figure.name),
            escape(&figure.title)
        );
    }
    page.push_str(
        "<a href=\"#settings\">Settings</a> <a href=\"#repeat\">Repeat this run</a></nav>\n",
    );
    page.push_str(&html::warnings(&summary.warnings));
    page.push_str("<h2>At the start and at the end</h2>\n");
    page.push_str(&table(&quality(summary)));
    page.push_str(&table(&ranks(summary)));
    page.push_str(&tolerances(summary));
    page.push_str("<h2>Figures</h2>\n");
    for figure in &figures {
        page.push_str(&html::figure_or_reason(figure.name, figure));
    }
    page.push_str(&settings(summary));
    page.push_str(&repeat(input));
    page.push_str(html::CLOSE);
    page
}

fn opening(summary: &NetworkSummary) -> String {
    let p = &summary.problem;
    let widths: Vec<String> = p.layers.iter().map(ToString::to_string).collect();
    format!(
        "<h1>{}</h1>\n<p class=\"origin\">rankfall {} · seed {} · n = {} rows, {} held out · {} network {}, {}{} · \
         {} loss · {} · {} parameters<br>{}<br>Dense engine: {}.</p>",
        escape(&summary.experiment),
        escape(&summary.version),
        summary.seed,
        count(p.samples),
        count(p.held_out),
        escape(&p.kind),
        widths.join("–"),
        escape(&p.activation),
        if p.bias { " with biases" } else { "" },
        escape(&p.loss),
        escape(&p.precision),
        count(p.parameters as u64),
        escape(&p.data),
        escape(&summary.engine_reason),
    )
}

fn table(table: &NetworkTable) -> String {
    let body: String = table.rows.iter().map(|row| html::row(row)).collect();
    html::table(&table.headings, &body)
}

fn tolerances(summary: &NetworkSummary) -> String {
    let Some(first) = summary.dynamics.first() else {
        return String::new();
    };
    let of = |matrix: Option<&crate::network_record::MatrixSummary>| {
        matrix.map(|m| significant(m.numerical_rank.tolerance, 2))
    };
    let layers = of(first.layers.first()).unwrap_or_default();
    let jacobian = of(first.jacobian.as_ref())
        .map(|t| format!(", that of the Jacobian those above {t}"))
        .unwrap_or_default();
    format!(
        "<p class=\"note\">The rank counts singular values above {layers} of the largest{jacobian}. Arrows lead from \
         the start to the mean at the end; ± is the standard deviation over trajectories.</p>\n"
    )
}

fn settings(summary: &NetworkSummary) -> String {
    const NAMES: [&str; 10] = [
        "dynamics",
        "kind",
        "η",
        "schedule",
        "momentum",
        "weight decay",
        "noise",
        "steps",
        "trajectories",
        "steps × trajectories / s",
    ];
    let body: String = summary
        .dynamics
        .iter()
        .map(|d| html::row(&cells(d)))
        .collect();
    let notes: String = summary.dynamics.iter().map(notes).collect();
    format!(
        "<h2 id=\"settings\">Settings</h2>\n{}{notes}",
        html::table(&NAMES, &body)
    )
}

fn cells(one: &NetworkDynamics) -> Vec<String> {
    let noise = match one.noise.is_empty() {
        true => "none".to_owned(),
        false => one.noise.join("; "),
    };
    vec![
        one.label.clone(),
        one.kind.clone(),
        compact(one.step_size, 4),
        one.schedule.clone(),
        compact(one.momentum, 4),
        compact(one.weight_decay, 4),
        noise,
        count(one.steps),
        count(one.trajectories),
        significant(one.trajectory_steps_per_second, 3),
    ]
}

fn notes(one: &NetworkDynamics) -> String {
    let sentence = |s: &String| format!("<li>{}</li>", escape(s));
    let mut items: String = one.reductions.iter().map(sentence).collect();
    let _ = write!(items, "<li>Quantiles: {}</li>", escape(&one.quantiles));
    if let Some(first) = one.divergences.first() {
        let _ = write!(
            items,
            "<li>The first to diverge was trajectory {} at step {} (t = {}).</li>",
            first.trajectory,
            count(first.step),
            significant(first.time, 4),
        );
    }
    format!("<h3>{}</h3>\n<ul>{items}</ul>\n", escape(&one.label))
}

fn repeat(input: &NetworkReport<'_>) -> String {
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

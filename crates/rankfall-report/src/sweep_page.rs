//! The report of a sweep: one HTML page that needs nothing beside it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::figures::sweep;
use crate::html;
use crate::markup::escape;
use crate::number::{compact, count, dash};
use crate::sweep::{SweepAxis, SweepMetric, SweepTable};

/// More points than this are left to the Parquet file.
const MOST_ROWS: usize = 1024;

/// What a sweep's report is written from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// The experiment's name.
    pub experiment: String,
    /// The seed everything was drawn from.
    pub seed: u64,
    /// Version of the program.
    pub version: String,
    /// Sizes and data, in words.
    pub problem: String,
    /// The command line that repeats it.
    pub command: String,
    /// The resolved experiment file, word for word.
    pub experiment_toml: String,
    /// Sentences a reader of the results must see.
    pub warnings: Vec<String>,
    /// One table per dynamics.
    pub parts: Vec<SweepPart>,
}

/// What one dynamics did over the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepPart {
    /// Label of the dynamics.
    pub dynamics: String,
    /// Its results.
    pub table: SweepTable,
}

impl SweepReport {
    /// What is written under the titles of the figures of a part.
    #[must_use]
    pub fn origin(&self, part: &SweepPart) -> String {
        format!(
            "{} · {} · {} · rankfall {}",
            self.experiment,
            part.dynamics,
            self.seeds(),
            self.version
        )
    }

    /// What the numbers were drawn from: one seed, or so many that they are means over.
    fn seeds(&self) -> String {
        match self.parts.iter().find_map(|part| part.table.seeds) {
            Some(seeds) => format!("mean over {} seeds", count(seeds)),
            None => format!("seed {}", self.seed),
        }
    }
}

/// The whole page. Everything that comes from the sweep is escaped; the page loads nothing.
#[must_use]
pub fn sweep_page(report: &SweepReport) -> String {
    let mut page = html::open(&report.experiment);
    let _ = write!(
        page,
        "<h1>{}</h1>\n<p class=\"origin\">A sweep · rankfall {} · {}<br>{}</p>\n\
         <nav><a href=\"#repeat\">Repeat this sweep</a></nav>\n",
        escape(&report.experiment),
        escape(&report.version),
        report.seeds(),
        escape(&report.problem),
    );
    page.push_str(&html::warnings(&report.warnings));
    for (i, part) in report.parts.iter().enumerate() {
        page.push_str(&section(report, part, i + 1));
    }
    let _ = write!(
        page,
        "<h2 id=\"repeat\">Repeat this sweep</h2>\n<pre>{}</pre>\n\
         <details><summary>The experiment file</summary>\n<pre>{}</pre></details>\n",
        escape(&report.command),
        escape(&report.experiment_toml),
    );
    page.push_str(html::CLOSE);
    page
}

fn section(report: &SweepReport, part: &SweepPart, number: usize) -> String {
    let mut block = format!("<h2>{}</h2>\n", escape(&part.dynamics));
    block.push_str(&grid(&part.table));
    for figure in sweep::figures(&part.table, &report.origin(part)) {
        let id = format!("{}-{number}", figure.name);
        block.push_str(&html::figure_or_reason(&id, &figure));
    }
    block.push_str(&points(&part.table));
    block
}

/// What was varied.
fn grid(table: &SweepTable) -> String {
    let range = |values: &[f64]| match (values.first(), values.last()) {
        (Some(first), Some(last)) if values.len() > 1 => {
            format!("{} … {}", compact(*first, 3), compact(*last, 3))
        }
        (Some(only), _) => compact(*only, 3),
        _ => dash(),
    };
    let row = |axis: &SweepAxis| {
        vec![
            axis.label.clone(),
            axis.name.clone(),
            count(axis.values.len() as u64),
            range(&axis.values),
        ]
    };
    let rows: Vec<Vec<String>> = table.axes.iter().map(row).collect();
    let of = match table.seeds {
        Some(seeds) => format!("settings, each the mean over {} seeds", count(seeds)),
        None => "points in all".to_owned(),
    };
    let points = count(table.points() as u64);
    html::table(&["varied", "key", "values", "from … to"], &rows)
        + &format!("<p class=\"note\">{points} {of}.</p>\n")
}

fn has_errors(metric: &SweepMetric) -> bool {
    metric.std_error.iter().any(Option::is_some)
}

/// What the column of standard errors is called: over what they are.
fn error_name(table: &SweepTable) -> &'static str {
    match table.seeds {
        Some(_) => "± (standard error over seeds)",
        None => "± (standard error over trajectories)",
    }
}

/// Every point with every metric, folded away.
fn points(table: &SweepTable) -> String {
    let count_of_points = table.points();
    if count_of_points == 0 || count_of_points > MOST_ROWS {
        return String::new();
    }
    let mut names: Vec<String> = table.axes.iter().map(|a| a.label.clone()).collect();
    for metric in &table.metrics {
        names.push(metric.label.clone());
        if has_errors(metric) {
            names.push(error_name(table).to_owned());
        }
        if metric.prediction.is_some() {
            names.push(format!("{}, predicted", metric.label));
        }
    }
    let cell = |v: Option<f64>, digits| v.map_or_else(dash, |v| compact(v, digits));
    let row = |at: usize| {
        let setting = table.setting(at).unwrap_or_default();
        let mut cells: Vec<String> = setting.iter().map(|v| compact(*v, 4)).collect();
        for metric in &table.metrics {
            cells.push(cell(metric.value(at), 5));
            if has_errors(metric) {
                cells.push(cell(metric.error(at), 2));
            }
            if metric.prediction.is_some() {
                cells.push(cell(metric.predicted(at), 5));
            }
        }
        cells
    };
    let rows: Vec<Vec<String>> = (0..count_of_points).map(row).collect();
    format!(
        "<details><summary>All {} points</summary>\n{}</details>\n",
        count(count_of_points as u64),
        html::table(&names, &rows)
    )
}

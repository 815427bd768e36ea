//! What became of loss, accuracy and rank under each dynamics of a network, for page and terminal.

use crate::network_record::{NetworkDynamics, NetworkSummary};
use crate::number::significant;
use crate::record::LossSummary;
use crate::terminal::{self, cut, plain};

/// One long label must not push every other column off the screen.
const MOST: usize = 40;

/// A table: its headings and one row per dynamics.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkTable {
    /// Over the columns.
    pub headings: Vec<String>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

impl NetworkTable {
    /// The table for a terminal, aligned.
    #[must_use]
    pub fn to_text(&self) -> String {
        let cell = |cell: &String| cut(&plain(cell), MOST);
        let lines = std::iter::once(&self.headings).chain(&self.rows);
        let lines: Vec<Vec<String>> = lines.map(|l| l.iter().map(cell).collect()).collect();
        terminal::columns(&lines, 1)
    }
}

/// Both tables for a terminal.
#[must_use]
pub fn network_text(summary: &NetworkSummary) -> String {
    format!(
        "{}\n{}",
        quality(summary).to_text(),
        ranks(summary).to_text()
    )
}

/// Loss and accuracy at the start and the end, in training and held out.
#[must_use]
pub fn quality(summary: &NetworkSummary) -> NetworkTable {
    type Of = fn(&NetworkDynamics) -> Option<&LossSummary>;
    let columns: [(&str, Of); 4] = [
        ("training loss", |d| Some(&d.loss)),
        ("held-out loss", |d| d.held_out_loss.as_ref()),
        ("training accuracy", |d| d.accuracy.as_ref()),
        ("held-out accuracy", |d| d.held_out_accuracy.as_ref()),
    ];
    let there = |of: &Of| summary.dynamics.iter().any(|d| of(d).is_some());
    let columns: Vec<_> = columns.iter().filter(|(_, of)| there(of)).collect();
    let mut headings = vec!["dynamics".to_owned()];
    headings.extend(columns.iter().map(|(name, _)| (*name).to_owned()));
    headings.push("diverged".to_owned());
    let row = |one: &NetworkDynamics| {
        let mut cells = vec![one.label.clone()];
        cells.extend(
            columns
                .iter()
                .map(|(_, of)| of(one).map_or_else(dash, from_to)),
        );
        cells.push(format!("{} of {}", one.diverged, one.trajectories));
        cells
    };
    NetworkTable {
        headings,
        rows: summary.dynamics.iter().map(row).collect(),
    }
}

/// The numerical rank of every layer, of the features and of the Jacobian, start and end.
#[must_use]
pub fn ranks(summary: &NetworkSummary) -> NetworkTable {
    let mut headings = vec!["dynamics".to_owned()];
    if let Some(first) = summary.dynamics.first() {
        headings.extend((1..=first.layers.len()).map(|j| format!("rank of layer {j}")));
        headings.extend(first.product.iter().map(|_| "of the map".to_owned()));
        headings.extend((1..=first.features.len()).map(|j| format!("of features {j}")));
        headings.extend(first.jacobian.iter().map(|_| "of the Jacobian".to_owned()));
    }
    let row = |one: &NetworkDynamics| {
        let matrices = one.layers.iter().chain(&one.product);
        let matrices = matrices.chain(&one.features).chain(&one.jacobian);
        let rank = |m: &crate::network_record::MatrixSummary| {
            let rank = &m.numerical_rank.rank;
            arrow(rank.initial, rank.final_mean)
        };
        std::iter::once(one.label.clone())
            .chain(matrices.map(rank))
            .collect()
    };
    NetworkTable {
        headings,
        rows: summary.dynamics.iter().map(row).collect(),
    }
}

fn dash() -> String {
    "—".to_owned()
}

fn from_to(loss: &LossSummary) -> String {
    let end = arrow(loss.initial, loss.final_mean);
    match loss.final_std {
        Some(std) => format!("{end} ± {}", significant(std, 2)),
        None => end,
    }
}

fn arrow(start: Option<f64>, end: Option<f64>) -> String {
    // Whole ranks are written whole.
    let show = |v: Option<f64>| match v {
        Some(v) if v.fract() == 0.0 && v.abs() < 1e6 => format!("{v}").replace('-', "−"),
        Some(v) => significant(v, 3),
        None => dash(),
    };
    format!("{} → {}", show(start), show(end))
}

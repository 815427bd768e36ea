//! The figures of a run, each in a file of its own, drawn from its summary and series.

pub mod conservation;
pub mod counterfactual;
pub mod curves;
pub mod eigenvalues;
pub mod force_balance;
pub mod generalisation;
pub mod loss;
pub mod network;
pub mod orders;
pub mod pushes;
pub mod ranks;
pub mod rates;
pub mod seed_figure;
pub mod singular_values;
mod spectrum;
pub mod style;
pub mod sweep;
pub mod time;

use crate::legend::Entry;
use crate::number::count;
use crate::record::{DynamicsSummary, Summary};
use crate::scene::{Scene, Stroke};
use crate::series::SeriesTable;
use crate::sheet::Skipped;
use time::TimeAxis;

/// A run of more dynamics than this has figures of the first so many.
pub const MOST_DYNAMICS: usize = 16;
/// What Θ is, wherever a figure shows it.
pub const THETA: &str = "Θ = [W₁; W₂ᵀ], the layers stacked.";

/// A figure with what is said about it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its file name without extension.
    pub name: &'static str,
    /// Its heading.
    pub title: String,
    /// What it shows and what the law says, with the run's numbers.
    pub caption: String,
    /// What a reader should look for.
    pub look_for: &'static str,
    /// The picture, or why there is none.
    pub outcome: Result<Scene, Skipped>,
}

/// All figures of a run, in the order of the report. Those of the forces are left out where the run
/// did not ask for them; all others give a picture or say why there is none.
#[must_use]
pub fn draw_all(summary: &Summary, table: &SeriesTable) -> Vec<Figure> {
    let shown = Summary {
        dynamics: summary
            .dynamics
            .iter()
            .take(MOST_DYNAMICS)
            .cloned()
            .collect(),
        warnings: Vec::new(),
        ..summary.clone()
    };
    let run = Run {
        left_out: summary.dynamics.len() - shown.dynamics.len(),
        ..Run::of(&shown, table)
    };
    let mut figures = vec![
        seed_figure::figure(&run),
        singular_values::of_theta(&run),
        singular_values::of_layer(&run),
        eigenvalues::figure(&run),
    ];
    figures.extend(counterfactual::figure(&run));
    figures.extend(force_balance::figure(&run));
    figures.extend(pushes::figure(&run));
    figures.extend([
        ranks::figure(&run),
        loss::figure(&run),
        generalisation::figure(&run),
        conservation::figure(&run),
    ]);
    figures
}

/// What every figure is drawn from.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// What the run says of itself.
    pub summary: &'a Summary,
    /// Its curves.
    pub table: &'a SeriesTable,
    /// The time axis of all figures.
    pub time: TimeAxis,
    /// The pen of each dynamics.
    pub pens: Vec<Stroke>,
    /// How many dynamics of the run are in no figure.
    pub left_out: usize,
}

impl<'a> Run<'a> {
    /// The run with a time axis and pens chosen for it.
    #[must_use]
    pub fn of(summary: &'a Summary, table: &'a SeriesTable) -> Self {
        Self {
            summary,
            table,
            time: TimeAxis::of(&table.times()),
            pens: style::pens(&summary.dynamics),
            left_out: 0,
        }
    }

    /// Each dynamics with its pen.
    pub fn dynamics(&self) -> impl Iterator<Item = (&'a DynamicsSummary, Stroke)> {
        self.summary.dynamics.iter().zip(self.pens.iter().copied())
    }

    /// Each dynamics as a line of the legend.
    #[must_use]
    pub fn legend(&self) -> Vec<Entry> {
        self.dynamics()
            .map(|(one, pen)| Entry::line(name(one), pen))
            .collect()
    }

    /// Where the numbers come from, under every title.
    #[must_use]
    pub fn origin(&self) -> String {
        let Summary {
            experiment,
            seed,
            problem,
            version,
            ..
        } = self.summary;
        format!(
            "{experiment} · n = {}, p = {}, k = {}, l = {} · seed {seed} · rankfall {version}",
            count(problem.samples),
            problem.inputs,
            problem.outputs,
            problem.width,
        )
    }

    /// What stands below every figure: which dynamics are not drawn, then what `more` says.
    #[must_use]
    pub fn notes(&self, more: &[&str]) -> Vec<String> {
        let left_out = left_out_note(self.summary.dynamics.len(), self.left_out);
        let more = more.iter().map(ToString::to_string);
        left_out.into_iter().chain(more).collect()
    }

    /// The layer whose rank noise lowers, as observables and figures call it: W₁ where there are at
    /// least as many inputs as outputs, else W₂.
    #[must_use]
    pub fn falling_layer(&self) -> (&'static str, &'static str) {
        if self.summary.problem.inputs >= self.summary.problem.outputs {
            ("w1", "W₁")
        } else {
            ("w2", "W₂")
        }
    }
}

/// Says that dynamics are missing, where there are any.
fn left_out_note(shown: usize, left_out: usize) -> Option<String> {
    let all = shown + left_out;
    (left_out > 0).then(|| {
        format!(
            "Drawn are the first {shown} of {all} dynamics; the others are in summary.json and series.parquet."
        )
    })
}

/// The label of a dynamics, or its kind where the label is empty.
#[must_use]
pub fn name(one: &DynamicsSummary) -> &str {
    if one.label.trim().is_empty() {
        &one.kind
    } else {
        &one.label
    }
}

/// `text` with its first letter in upper case, to start a sentence.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// At most `most` of `count` positions, evenly spread, the first and the last among them.
fn evenly(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(most);
    (0..shown).map(move |i| i * count.saturating_sub(1) / shown.saturating_sub(1).max(1))
}

/// Whether it is drawn as a dynamics with noise: ν > 0, or batches that make some.
#[must_use]
pub fn is_noisy(one: &DynamicsSummary) -> bool {
    style::is_noisy(&one.kind, one.noise_intensity > 0.0)
}

/// What its determinant is of, in symbols.
#[must_use]
pub fn determinant_name(one: &DynamicsSummary) -> &'static str {
    if one.log_det.of == "M" {
        "log det M"
    } else {
        "log det ΘᵀΘ"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_are_among_those_spread_evenly() {
        let all = |count| evenly(count, 5).collect::<Vec<usize>>();
        assert!(all(0).is_empty());
        assert_eq!(all(1), [0]);
        assert_eq!(all(3), [0, 1, 2]);
        assert_eq!(all(5), [0, 1, 2, 3, 4]);
        assert_eq!(all(64), [0, 15, 31, 47, 63]);
        assert_eq!(evenly(9, 1).collect::<Vec<usize>>(), [0]);
    }
}

//! What every figure is drawn from, and the words and numbers that figures share.

use super::curves::{Bands, CurveDrawing, CurveValues, Middle, above, has_law, rounding_floor};
use super::style;
use super::time::{STEPS, TimeAxis};
use crate::legend::LegendEntry;
use crate::number::{count, subscript};
use crate::plot::{Plot, Side};
use crate::record::{DynamicsSummary, MatrixSummary, ProblemSummary, Summary};
use crate::scene::{Scene, Stroke};
use crate::series::{Curve, ObservableKey, SeriesTable};
use crate::sheet::{Sharing, Sheet, SkipReason};

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
    pub outcome: Result<Scene, SkipReason>,
}

/// What every figure is drawn from.
#[derive(Clone, Debug)]
pub struct RecordedRun<'a> {
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

impl<'a> RecordedRun<'a> {
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
    pub fn legend(&self) -> Vec<LegendEntry> {
        self.dynamics()
            .map(|(one, pen)| LegendEntry::line(name(one), pen))
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
            dynamics,
            ..
        } = self.summary;
        if let Some(monitor) = &self.summary.monitor {
            return format!(
                "{experiment} · {} · {} parameters · measured every {} steps · rankfall {version}",
                monitor.model,
                count(problem.parameters),
                count(monitor.every),
            );
        }
        let trajectories = match dynamics.iter().map(|d| d.trajectories).max().unwrap_or(0) {
            1 => "1 trajectory".to_owned(),
            many => format!("{} trajectories", count(many)),
        };
        format!(
            "{experiment} · {} · n = {} · {trajectories} · seed {seed} · rankfall {version}",
            network_words(problem),
            count(problem.samples),
        )
    }

    /// The horizontal side of a plot over time.
    #[must_use]
    pub fn time_side(&self) -> Side {
        let side = self.time.side();
        match self.summary.monitor {
            Some(_) => Side {
                label: STEPS.into(),
                ..side
            },
            None => side,
        }
    }

    /// How curves are drawn.
    #[must_use]
    pub fn drawing(&self, values: CurveValues, middle: Middle, bands: Bands) -> CurveDrawing {
        CurveDrawing {
            time: self.time,
            values,
            middle,
            bands,
        }
    }

    /// The curves of an observable with their pens, and where rounding begins for them: 0 where
    /// they are not on a logarithmic axis.
    #[must_use]
    pub fn curves<'b>(
        &self,
        values: CurveValues,
        observable: impl Into<ObservableKey<'b>>,
        index: u32,
    ) -> (Vec<(&'a Curve, Stroke)>, f64) {
        let observable = observable.into();
        let curve = |(one, pen): (&DynamicsSummary, Stroke)| {
            Some((self.table.curve(&one.label, observable, index)?, pen))
        };
        let curves: Vec<_> = self.dynamics().filter_map(curve).collect();
        let floor = match values {
            CurveValues::Positive => rounding_floor(curves.iter().map(|(curve, _)| *curve)),
            _ => 0.0,
        };
        (curves, floor)
    }

    /// One curve per dynamics, with its law where it has one.
    #[must_use]
    pub fn plot<'b>(
        &self,
        title: &str,
        label: &str,
        drawing: &CurveDrawing,
        observable: impl Into<ObservableKey<'b>>,
        index: u32,
    ) -> Plot {
        let side = Side::new(drawing.values.scale(), label);
        let mut plot = Plot::new(title, self.time_side(), side);
        let (curves, floor) = self.curves(drawing.values, observable, index);
        for (curve, pen) in curves {
            let curve = above(curve, floor);
            drawing.add(&mut plot, &curve, pen, None);
            drawing.add_law(&mut plot, &curve);
        }
        plot
    }

    /// Plots of curves of all dynamics in `columns`, each on its own axis; `texts` are title and
    /// description.
    ///
    /// # Errors
    /// [`SkipReason`] where there is nothing to draw.
    pub fn sheet(
        &self,
        [title, description]: [&str; 2],
        plots: Vec<Plot>,
        columns: usize,
        drawing: &CurveDrawing,
        notes: &[&str],
    ) -> Result<Scene, SkipReason> {
        let mut legend = self.legend();
        if has_law(&plots) {
            let words = "prediction: law or slow flow";
            legend.push(LegendEntry::line(words, style::LAW));
        }
        legend.extend(drawing.band_entry(&plots));
        Sheet {
            title: title.into(),
            subtitle: self.origin(),
            description: description.into(),
            plots,
            columns,
            sharing: Sharing::Alike,
            legend,
        }
        .draw_with_notes(&self.notes(notes))
    }

    /// What stands below every figure: which dynamics are not drawn, then what `more` says.
    #[must_use]
    pub fn notes<S: AsRef<str>>(&self, more: &[S]) -> Vec<String> {
        let (shown, left_out) = (self.summary.dynamics.len(), self.left_out);
        let all = shown + left_out;
        let left_out = (left_out > 0).then(|| {
            format!(
                "Drawn are the first {shown} of {all} dynamics; the others are in summary.json and series.parquet."
            )
        });
        let more = more.iter().map(|note| note.as_ref().to_owned());
        left_out.into_iter().chain(more).collect()
    }

    /// The layer whose rank noise lowers, and its symbol: W₁ where there are at least as many
    /// inputs as outputs, else W₂.
    #[must_use]
    pub fn falling_layer(&self) -> (u32, &'static str) {
        falling(&self.summary.problem)
    }
}

/// The layer of two whose rank noise lowers, and its symbol; none where the run did not stack two
/// layers.
#[must_use]
pub fn falling_layer(summary: &Summary) -> Option<(u32, &'static str)> {
    let stacked = summary.dynamics.iter().any(|d| d.matrix("theta").is_some());
    stacked.then(|| falling(&summary.problem))
}

fn falling(problem: &ProblemSummary) -> (u32, &'static str) {
    match problem.inputs >= problem.outputs {
        true => (1, "W₁"),
        false => (2, "W₂"),
    }
}

/// What a matrix is called in tables and figures.
#[must_use]
pub fn matrix_symbol(matrix: &MatrixSummary, problem: &ProblemSummary) -> String {
    match (matrix.name.as_str(), matrix.layer) {
        _ if matrix.called.is_some() => matrix.called.clone().unwrap_or_default(),
        ("theta", _) => "Θ".into(),
        ("product", _) if problem.layers.len() == 3 => "W₁W₂".into(),
        ("product", _) => "the map".into(),
        ("features", Some(layer)) => format!("features {layer}"),
        ("jacobian", _) => "the Jacobian".into(),
        (_, Some(layer)) => format!("W{}", subscript(layer as usize)),
        (name, None) => name.into(),
    }
}

/// Widths and activation of a network: "64–32–10 relu".
#[must_use]
pub fn network_words(problem: &ProblemSummary) -> String {
    let widths: Vec<String> = problem.layers.iter().map(ToString::to_string).collect();
    format!("{} {}", widths.join("–"), problem.activation)
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
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// `name` with its beginning cut where it has more than `most` characters: the end of a long name
/// says more.
#[must_use]
pub fn short(name: &str, most: usize) -> String {
    match name.chars().count() {
        count if count > most => {
            let end: String = name.chars().skip(count - most + 1).collect();
            format!("…{end}")
        }
        _ => name.to_owned(),
    }
}

/// At most `most` of `count` positions, evenly spread, the first and the last among them.
pub fn evenly(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(most);
    (0..shown).map(move |i| i * count.saturating_sub(1) / shown.saturating_sub(1).max(1))
}

/// What its determinant is of, in symbols.
#[must_use]
pub fn determinant_name(one: &DynamicsSummary) -> &'static str {
    match &one.log_det {
        Some(log_det) if log_det.of != "M" => "log det ΘᵀΘ",
        _ => "log det M",
    }
}

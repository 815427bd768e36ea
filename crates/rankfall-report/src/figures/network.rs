//! The figures of a run of the dense engine: losses and accuracies, singular values and ranks per
//! layer, and the determinants of stacks where they have a law.

use crate::color::Color;
use crate::figures::curves::{
    BELOW_ROUNDING, Bands, Drawing, Middle, Values, above, reaches_rounding, rounding_floor,
};
use crate::figures::style::pens_of;
use crate::figures::time::TimeAxis;
use crate::figures::{Figure, MOST_DYNAMICS, capitalised, evenly, left_out_note};
use crate::legend::Entry;
use crate::network_record::{MatrixSummary, NetworkDynamics, NetworkSummary};
use crate::number::{compact, count, significant, subscript};
use crate::plot::{Plot, Side};
use crate::record::LossSummary;
use crate::scene::{Scene, Stroke};
use crate::series::{Curve, SeriesTable};
use crate::sheet::{Sharing, Sheet, Skipped};

/// Singular values drawn in a panel: more would be a grey mass.
const MOST_VALUES: usize = 12;
/// Panels of singular values in a file; a page of more would not fit a screen or a sheet of paper.
const PAGE_PANELS: usize = 12;
/// Layers whose singular values are drawn.
const MOST_LAYERS: usize = 7;
/// Layers of features whose ranks are drawn.
const MOST_FEATURES: usize = 4;
/// Stacks whose determinants are drawn.
const MOST_STACKS: usize = 9;
/// The files of singular values, in order: as many as [`MOST_DYNAMICS`] of one page each need.
const PAGES: [&str; MOST_DYNAMICS] = [
    "singular_values",
    "singular_values_2",
    "singular_values_3",
    "singular_values_4",
    "singular_values_5",
    "singular_values_6",
    "singular_values_7",
    "singular_values_8",
    "singular_values_9",
    "singular_values_10",
    "singular_values_11",
    "singular_values_12",
    "singular_values_13",
    "singular_values_14",
    "singular_values_15",
    "singular_values_16",
];

/// All figures, in the order of the report; each gives a picture or says why there is none, but for
/// determinants, which only linear networks have.
#[must_use]
pub fn draw_network(summary: &NetworkSummary, table: &SeriesTable) -> Vec<Figure> {
    let shown = NetworkSummary {
        dynamics: summary
            .dynamics
            .iter()
            .take(MOST_DYNAMICS)
            .cloned()
            .collect(),
        warnings: Vec::new(),
        ..summary.clone()
    };
    let kinds: Vec<(&str, bool)> = shown
        .dynamics
        .iter()
        .map(|d| {
            (
                d.kind.as_str(),
                d.noise_intensity > 0.0 || !d.noise.is_empty(),
            )
        })
        .collect();
    let run = NetworkRun {
        summary: &shown,
        table,
        time: TimeAxis::of(&table.times()),
        pens: pens_of(&kinds),
        left_out: summary.dynamics.len() - shown.dynamics.len(),
    };
    let mut figures = vec![run.loss()];
    figures.extend(run.singular_values());
    figures.push(run.ranks());
    if summary
        .dynamics
        .iter()
        .any(|d| !d.log_det_stacks.is_empty())
    {
        figures.push(run.determinants());
    }
    figures
}

/// What every figure is drawn from.
struct NetworkRun<'a> {
    summary: &'a NetworkSummary,
    table: &'a SeriesTable,
    time: TimeAxis,
    pens: Vec<Stroke>,
    left_out: usize,
}

impl<'a> NetworkRun<'a> {
    fn dynamics(&self) -> impl Iterator<Item = (&'a NetworkDynamics, Stroke)> {
        self.summary.dynamics.iter().zip(self.pens.iter().copied())
    }

    fn origin(&self) -> String {
        let NetworkSummary {
            experiment,
            seed,
            problem,
            version,
            ..
        } = self.summary;
        let widths: Vec<String> = problem.layers.iter().map(ToString::to_string).collect();
        let trajectories = self.summary.dynamics.iter().map(|d| d.trajectories).max();
        let trajectories = match trajectories.unwrap_or(0) {
            1 => "1 trajectory".to_owned(),
            many => format!("{} trajectories", count(many)),
        };
        format!(
            "{experiment} · {}, {} · n = {} · {trajectories} · seed {seed} · rankfall {version}",
            widths.join("–"),
            problem.activation,
            count(problem.samples),
        )
    }

    /// One curve per dynamics.
    fn plot(
        &self,
        title: &str,
        label: &str,
        drawing: &Drawing,
        observable: &str,
        index: u32,
    ) -> Plot {
        let side = Side::new(drawing.values.scale(), label);
        let mut plot = Plot::new(title, self.time.side(), side);
        let (curves, floor) = self.curves(drawing.values, observable, index);
        for (curve, pen) in curves {
            let curve = above(curve, floor);
            drawing.add(&mut plot, &curve, pen, None);
            drawing.add_law(&mut plot, &curve);
        }
        plot
    }

    /// The curves of an observable with their pens, and where rounding begins for them: 0 where they
    /// are not on a logarithmic axis.
    fn curves(
        &self,
        values: Values,
        observable: &str,
        index: u32,
    ) -> (Vec<(&'a Curve, Stroke)>, f64) {
        let curve = |(one, pen): (&NetworkDynamics, Stroke)| {
            Some((self.table.curve(&one.label, observable, index)?, pen))
        };
        let curves: Vec<_> = self.dynamics().filter_map(curve).collect();
        let floor = match values {
            Values::Positive => rounding_floor(curves.iter().map(|(curve, _)| *curve)),
            _ => 0.0,
        };
        (curves, floor)
    }

    fn sheet(
        &self,
        [title, description]: [&str; 2],
        plots: Vec<Plot>,
        columns: usize,
        sharing: Sharing,
        band: Option<Entry>,
        notes: &[&str],
    ) -> Result<Scene, Skipped> {
        let lines = self
            .dynamics()
            .map(|(one, pen)| Entry::line(&one.label, pen));
        Sheet {
            title: title.into(),
            subtitle: self.origin(),
            description: description.into(),
            plots,
            columns,
            sharing,
            legend: lines.chain(band).collect(),
        }
        .draw_with_notes(&self.notes(notes))
    }

    /// What stands below every figure: which dynamics are not drawn, then what `more` says.
    fn notes(&self, more: &[&str]) -> Vec<String> {
        let left_out = left_out_note(self.summary.dynamics.len(), self.left_out);
        let more = more.iter().map(ToString::to_string);
        left_out.into_iter().chain(more).collect()
    }

    fn drawing(&self, values: Values, middle: Middle, bands: Bands) -> Drawing {
        Drawing {
            time: self.time,
            values,
            middle,
            bands,
        }
    }

    fn loss(&self) -> Figure {
        let bands = Bands::among(self.summary.dynamics.len());
        let loss = self.drawing(Values::Positive, Middle::Median, bands);
        let share = self.drawing(Values::Plain, Middle::Median, bands);
        let words = format!("{} loss", self.summary.problem.loss);
        let plots = vec![
            self.plot("Training loss", &words, &loss, "loss", 0),
            self.plot("Held-out loss", &words, &loss, "held_out_loss", 0),
            self.plot("Training accuracy", "share of rows", &share, "accuracy", 0),
            self.plot(
                "Held-out accuracy",
                "share of rows",
                &share,
                "held_out_accuracy",
                0,
            ),
        ];
        let shown = plots.iter().filter(|p| !p.is_blank()).count();
        let classes = self.summary.problem.classes;
        let title = if classes {
            "Loss and accuracy over time"
        } else {
            "Loss over time"
        };
        let falls = |observable: &&str| {
            let (curves, floor) = self.curves(Values::Positive, observable, 0);
            curves
                .iter()
                .any(|(curve, _)| reaches_rounding(curve, floor))
        };
        let rounding = ["loss", "held_out_loss"].iter().any(falls);
        let rounding = rounding.then_some(BELOW_ROUNDING);
        let band = loss.band_entry(&plots);
        let mut caption = String::from("Losses are means over rows and sums over outputs.");
        for one in &self.summary.dynamics {
            caption.extend(loss_sentence(one));
        }
        Figure {
            name: "loss",
            title: title.into(),
            caption,
            look_for: "Whether noise keeps the training loss up, and whether what it does to the rows held out is worth \
                       that.",
            outcome: self.sheet(
                [title, "Training and held-out loss, and accuracy where targets are classes, of every dynamics over time."],
                plots,
                shown.min(2),
                Sharing::Alike,
                band,
                rounding.as_slice(),
            ),
        }
    }

    /// Layers side by side, one row of panels per dynamics, in as many files as that takes.
    fn singular_values(&self) -> Vec<Figure> {
        let matrices = self.spectra();
        let per_page = (PAGE_PANELS / matrices.len().max(1)).max(1);
        let pages: Vec<&[NetworkDynamics]> = self.summary.dynamics.chunks(per_page).collect();
        if pages.is_empty() {
            return vec![self.singular_value_page(&[], &matrices, (0, 1))];
        }
        let page = |(i, shown): (usize, &&[NetworkDynamics])| {
            self.singular_value_page(shown, &matrices, (i, pages.len()))
        };
        pages.iter().enumerate().map(page).collect()
    }

    /// Page `i` of `pages`.
    fn singular_value_page(
        &self,
        shown: &[NetworkDynamics],
        matrices: &[(String, String)],
        (i, pages): (usize, usize),
    ) -> Figure {
        let mut title = String::from("Singular values of every layer");
        if pages > 1 {
            title.push_str(&format!(", {} of {pages}", i + 1));
        }
        let drawing = self.drawing(Values::Logarithms, Middle::Median, Bands::Both);
        let plots: Vec<Plot> = shown
            .iter()
            .flat_map(|one| matrices.iter().map(move |matrix| (one, matrix)))
            .map(|(one, matrix)| self.spectrum(one, matrix, &drawing))
            .collect();
        let band: Vec<Entry> = drawing.band_entry(&plots).into_iter().collect();
        let left_out = self.spectra_note(shown);
        let outcome = Sheet {
            title: title.clone(),
            subtitle: self.origin(),
            description: "One panel per layer and dynamics: singular values over time.".into(),
            plots,
            columns: matrices.len().clamp(1, 4),
            sharing: Sharing::All,
            legend: band,
        }
        .draw_with_notes(&self.notes(&left_out.iter().map(String::as_str).collect::<Vec<_>>()));
        Figure {
            name: PAGES[i.min(PAGES.len() - 1)],
            title,
            caption: format!(
                "Singular values on one logarithmic axis for all panels, largest darkest; where a layer has more than \
                 {MOST_VALUES}, that many are drawn, evenly spread over their order."
            ),
            look_for: "Lines that part: some directions grow with the signal, the others are left behind or pushed down \
                       by the noise. Bands show how far trajectories differ.",
            outcome,
        }
    }

    /// Which layers and which singular values are not drawn.
    fn spectra_note(&self, shown: &[NetworkDynamics]) -> Vec<String> {
        let mut notes = Vec::new();
        let layers = self.layers();
        if layers > MOST_LAYERS {
            notes.push(format!(
                "Drawn are {MOST_LAYERS} of {layers} layers, evenly spread, the first and the last among them."
            ));
        }
        let count = |one: &NetworkDynamics, observable: &str| {
            self.table.parts(&one.label, observable).count()
        };
        let matrices = self.spectra();
        let most = shown
            .iter()
            .flat_map(|one| {
                matrices
                    .iter()
                    .map(|(observable, _)| count(one, observable))
            })
            .max();
        if let Some(most) = most.filter(|most| *most > MOST_VALUES) {
            notes.push(format!(
                "Of up to {most} singular values {MOST_VALUES} are drawn, evenly spread over their order."
            ));
        }
        notes
    }

    fn layers(&self) -> usize {
        self.summary.problem.layers.len().saturating_sub(1)
    }

    /// Whose spectra are drawn: the layers, and the map of a linear network.
    fn spectra(&self) -> Vec<(String, String)> {
        let layer = |j: usize| {
            (
                format!("log_singular_value_layer_{j}"),
                format!("layer {j}"),
            )
        };
        let mut all: Vec<(String, String)> = evenly(self.layers(), MOST_LAYERS)
            .map(|place| layer(place + 1))
            .collect();
        if self.summary.dynamics.iter().any(|d| d.product.is_some()) {
            let name = match self.summary.problem.kind.as_str() {
                "diagonal-linear" => "log_row_norm_product",
                _ => "log_singular_value_product",
            };
            all.push((name.to_owned(), "the map".to_owned()));
        }
        all
    }

    fn spectrum(
        &self,
        one: &NetworkDynamics,
        (observable, words): &(String, String),
        drawing: &Drawing,
    ) -> Plot {
        // The first panel of a row says it for the whole row; titles say of which matrix.
        let what = match self.summary.problem.kind.as_str() {
            "diagonal-linear" => "singular values, and sizes of the map's entries",
            _ => "singular values",
        };
        let side = Side::new(drawing.values.scale(), what);
        let title = format!("{}, {words}", one.label);
        let mut plot = Plot::new(title, self.time.side(), side);
        let parts = self.table.parts(&one.label, observable);
        let parts: Vec<_> = parts.filter(|(_, c)| !c.is_blank()).collect();
        let chosen: Vec<usize> = evenly(parts.len(), MOST_VALUES).collect();
        // The largest is painted last: where all run together, it is the one to see.
        for (position, &place) in chosen.iter().enumerate().rev() {
            let (index, curve) = parts[place];
            let stroke = Stroke::solid(Color::of_part(position, chosen.len()), 2.0);
            let label = format!("σ{}", subscript(index as usize));
            drawing.add(&mut plot, curve, stroke, Some(label));
        }
        plot
    }

    fn ranks(&self) -> Figure {
        let title = "Rank over time";
        let bands = Bands::quartiles_among(self.summary.dynamics.len());
        let drawing = self.drawing(Values::Ranks, Middle::Mean, bands);
        // Quantiles of whole numbers jump; their bands would be blocks that hide one another.
        let bare = self.drawing(Values::Ranks, Middle::Mean, Bands::None);
        let mut plots = Vec::new();
        for (suffix, index, words) in self.matrices() {
            for (notion, drawing) in [("numerical_rank", &bare), ("effective_rank", &drawing)] {
                let title = capitalised(&format!("{}, {words}", notion.replace('_', " ")));
                let observable = format!("{notion}_{suffix}");
                plots.push(self.plot(&title, "rank", drawing, &observable, index));
            }
        }
        let features = self
            .summary
            .dynamics
            .first()
            .map_or(0, |d| d.features.len());
        for j in 1..=features.min(MOST_FEATURES) {
            let title = format!("Active share, features {j}");
            let plain = self.drawing(Values::Plain, Middle::Mean, bands);
            let observable = "active_share_features";
            plots.push(self.plot(
                &title,
                "share of units not zero",
                &plain,
                observable,
                j as u32,
            ));
        }
        let columns = match plots.len() {
            0..=2 => plots.len().max(1),
            3..=4 => 2,
            _ => 4,
        };
        let band = drawing.band_entry(&plots);
        let mut caption = String::from(
            "Numerical rank: singular values above the tolerance times the largest. Effective rank: exponential of the \
             entropy of the normalised singular values.",
        );
        for one in &self.summary.dynamics {
            caption.extend(rank_sentence(one));
        }
        Figure {
            name: "ranks",
            title: title.into(),
            caption,
            look_for: "Which layer loses rank, and whether the features and the Jacobian do too: weights can lose rank \
                       that the function never used.",
            outcome: self.sheet(
                [
                    title,
                    "Numerical and effective rank of layers, features and Jacobian over time.",
                ],
                plots,
                columns,
                Sharing::Own,
                band,
                &[],
            ),
        }
    }

    /// Whose ranks are drawn: the end of the observable's name, its index, and what it is.
    fn matrices(&self) -> Vec<(&'static str, u32, String)> {
        let Some(first) = self.summary.dynamics.first() else {
            return Vec::new();
        };
        // A layer with one input or one output has rank 1, whatever happens.
        let widths = &self.summary.problem.layers;
        let can_lose = |j: &usize| widths[j - 1].min(widths[*j]) > 1;
        let layer = |j: usize| ("layer", j as u32, format!("layer {j}"));
        let layers = (1..widths.len()).filter(can_lose).take(MOST_LAYERS);
        let mut all: Vec<_> = layers.map(layer).collect();
        all.extend(
            first
                .product
                .iter()
                .map(|_| ("product", 0, "the map".to_owned())),
        );
        let features = |j: usize| ("features", j as u32, format!("features {j}"));
        all.extend((1..=first.features.len().min(MOST_FEATURES)).map(features));
        all.extend(
            first
                .jacobian
                .iter()
                .map(|_| ("jacobian", 0, "Jacobian".to_owned())),
        );
        all
    }

    fn determinants(&self) -> Figure {
        let title = "Determinants of adjacent layers";
        let stacks = self
            .summary
            .dynamics
            .iter()
            .map(|d| d.log_det_stacks.len())
            .max();
        let bands = Bands::among(self.summary.dynamics.len());
        let drawing = self.drawing(Values::Plain, Middle::Mean, bands);
        let plots: Vec<Plot> = (1..=stacks.unwrap_or(0).min(MOST_STACKS))
            .map(|j| {
                let title = format!("Layers {j} and {}", j + 1);
                self.plot(&title, "log det ΘⱼΘⱼᵀ", &drawing, "log_det_stack", j as u32)
            })
            .collect();
        let band = drawing.band_entry(&plots);
        let law = Entry::line("law", crate::figures::style::LAW);
        let has_law = self
            .dynamics()
            .any(|(d, _)| d.log_det_stacks.iter().any(|s| s.law_final.is_some()));
        let extra = has_law.then_some(law);
        let lines = self
            .dynamics()
            .map(|(one, pen)| Entry::line(&one.label, pen));
        let outcome = Sheet {
            title: title.into(),
            subtitle: self.origin(),
            description: "log det of the stacks of adjacent layers over time, with its law.".into(),
            columns: plots.len().min(3),
            plots,
            sharing: Sharing::Own,
            legend: lines.chain(extra).chain(band).collect(),
        }
        .draw_with_notes(&self.notes(&["Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ], adjacent layers stacked."]));
        Figure {
            name: "determinants",
            title: title.into(),
            caption: "Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ], or ΘⱼᵀΘⱼ where it has more rows than columns. Where it has no more, small \
                      steps without noise keep log det, and label noise lowers it on every path, at a rate that depends \
                      on the path: dashed, its mean over trajectories."
                .into(),
            look_for: "Falls under label noise, hardly any change without once the data are fitted.",
            outcome,
        }
    }
}

fn loss_sentence(one: &NetworkDynamics) -> Option<String> {
    let (start, end) = one.loss.ends()?;
    let held_out = one.held_out_accuracy.as_ref().and_then(LossSummary::ends);
    let held_out = held_out
        .map(|(_, end)| format!(", and {} of the rows held out are right", compact(end, 3)));
    Some(format!(
        " Under {} the mean training loss goes from {} to {}{}.",
        one.label,
        significant(start, 2),
        significant(end, 2),
        held_out.unwrap_or_default(),
    ))
}

fn rank_sentence(one: &NetworkDynamics) -> Option<String> {
    let part = |(j, layer): (usize, &MatrixSummary)| {
        let end = layer.numerical_rank.rank.final_mean?;
        let start = layer.numerical_rank.rank.initial?;
        Some(format!(
            "{} to {} in layer {}",
            compact(start, 3),
            compact(end, 3),
            j + 1
        ))
    };
    let parts: Option<Vec<String>> = one.layers.iter().enumerate().take(3).map(part).collect();
    Some(format!(
        " Under {} the numerical rank goes from {}.",
        one.label,
        parts?.join(", from ")
    ))
}

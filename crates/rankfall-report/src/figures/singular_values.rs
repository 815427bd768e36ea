//! Singular values over time: of Θ and of the layer that loses rank, one panel per dynamics, or of
//! every layer.

use crate::figures::recorded_run::{
    Figure, MOST_DYNAMICS, RecordedRun, evenly, matrix_symbol, name,
};
use crate::figures::spectrum::{self, SpectrumPanel};
use crate::plot::Plot;
use crate::record::{DynamicsSummary, MatrixSummary};
use crate::sheet::{Sharing, Sheet};

/// Singular values drawn in a panel of many: more would be a grey mass.
const MOST_VALUES: usize = 12;
/// Panels in a file; a page of more would not fit a screen or a sheet of paper.
const PAGE_PANELS: usize = 12;
/// Layers that are drawn.
const MOST_LAYERS: usize = 7;
/// The files of every layer, in order: as many as [`MOST_DYNAMICS`] of one page each need.
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

/// All singular values of Θ = [W₁; W₂ᵀ].
#[must_use]
pub fn of_theta(run: &RecordedRun<'_>) -> Figure {
    figure(run, "singular_values_theta", "theta", "Θ")
}

/// Those of W₁, or of W₂ where there are more outputs than inputs.
#[must_use]
pub fn of_layer(run: &RecordedRun<'_>) -> Figure {
    match run.falling_layer() {
        (1, symbol) => figure(run, "singular_values_w1", "w1", symbol),
        (_, symbol) => figure(run, "singular_values_w2", "w2", symbol),
    }
}

fn figure(run: &RecordedRun<'_>, file: &'static str, matrix: &str, symbol: &str) -> Figure {
    let title = format!("Singular values of {symbol} over time");
    let of = MatrixSummary {
        name: matrix.to_owned(),
        layer: (matrix != "theta").then(|| run.falling_layer().0),
        ..MatrixSummary::default()
    };
    let spectrum = SpectrumPanel::singular_values(of.observable("log_singular_value"), symbol);
    let description =
        format!("One panel per dynamics: every singular value of {symbol} on a logarithmic axis.");
    let mut caption = format!(
        "Singular values of {symbol}, largest darkest, on one logarithmic axis for all panels."
    );
    for one in &run.summary.dynamics {
        let words = spectrum::smallest(one, matrix);
        caption.extend(words.map(|words| format!(" Under {} {words}", name(one))));
    }
    Figure {
        name: file,
        outcome: spectrum::scene(run, &spectrum, &title, &description),
        title,
        caption,
        look_for: "Horizontal lines keep their rank. Lines that fall straight vanish exponentially, each at its own \
                   rate; the bands show how far trajectories part.",
    }
}

/// A matrix whose spectrum is drawn, and what its panels are called.
type Shown = (SpectrumPanel, String);

/// Layers side by side, one row of panels per dynamics, in as many files as that takes.
#[must_use]
pub fn of_every_layer(run: &RecordedRun<'_>) -> Vec<Figure> {
    let (matrices, layers) = spectra(run);
    let per_page = (PAGE_PANELS / matrices.len().max(1)).max(1);
    let dynamics = &run.summary.dynamics;
    let pages = dynamics.len().div_ceil(per_page).max(1);
    let of_page = |i: usize| dynamics.chunks(per_page).nth(i).unwrap_or(&[]);
    (0..pages)
        .map(|i| page(run, of_page(i), &matrices, layers, (i, pages)))
        .collect()
}

/// Page `i` of `pages`.
fn page(
    run: &RecordedRun<'_>,
    shown: &[DynamicsSummary],
    matrices: &[Shown],
    layers: usize,
    (i, pages): (usize, usize),
) -> Figure {
    let mut title = String::from("Singular values of every layer");
    if pages > 1 {
        title.push_str(&format!(", {} of {pages}", i + 1));
    }
    let panel = |one: &DynamicsSummary, (spectrum, words): &Shown| {
        let mut plot = spectrum::plot(run, spectrum, one);
        plot.title = format!("{}, {words}", name(one));
        plot
    };
    let plots: Vec<Plot> = shown
        .iter()
        .flat_map(|one| matrices.iter().map(move |matrix| panel(one, matrix)))
        .collect();
    let notes = notes(run, shown, matrices, layers);
    let outcome = Sheet {
        title: title.clone(),
        subtitle: run.origin(),
        description: "One panel per layer and dynamics: singular values over time.".into(),
        legend: spectrum::legend(run, &plots),
        plots,
        columns: matrices.len().clamp(1, 4),
        sharing: Sharing::All,
    }
    .draw_with_notes(&run.notes(&notes));
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
fn notes(
    run: &RecordedRun<'_>,
    shown: &[DynamicsSummary],
    matrices: &[Shown],
    layers: usize,
) -> Vec<String> {
    let mut notes = Vec::new();
    if layers > MOST_LAYERS {
        notes.push(format!(
            "Drawn are {MOST_LAYERS} of {layers} layers, evenly spread, the first and the last among them."
        ));
    }
    let count = |one: &DynamicsSummary, (spectrum, _): &Shown| {
        run.table.parts(&one.label, &spectrum.observable).count()
    };
    let of = |one| matrices.iter().map(move |matrix| count(one, matrix));
    let most = shown.iter().flat_map(of).max().unwrap_or(0);
    if most > MOST_VALUES {
        notes.push(format!(
            "Of up to {most} singular values {MOST_VALUES} are drawn, evenly spread over their order."
        ));
    }
    notes
}

/// Whose spectra are drawn, the layers and the map of a linear network, and how many layers there
/// are.
fn spectra(run: &RecordedRun<'_>) -> (Vec<Shown>, usize) {
    let problem = &run.summary.problem;
    let diagonal = problem.kind == "diagonal-linear";
    let first = run.summary.dynamics.first();
    let all = first.map_or(&[][..], |d| &d.matrices);
    let is_layer = |m: &&MatrixSummary| m.layer.is_some() && m.name != "features";
    let layers: Vec<&MatrixSummary> = all.iter().filter(is_layer).collect();
    let product = all.iter().filter(|m| m.name == "product");
    let shown = evenly(layers.len(), MOST_LAYERS)
        .map(|place| layers[place])
        .chain(product);
    let spectrum = |m: &MatrixSummary| {
        let quantity = match diagonal && m.name == "product" {
            true => "log_row_norm",
            false => "log_singular_value",
        };
        // The first panel of a row says it for the whole row; titles say of which matrix.
        let label = match diagonal {
            true => "singular values, and sizes of the map's entries",
            false => "singular values",
        };
        let spectrum = SpectrumPanel {
            observable: m.observable(quantity),
            label: label.into(),
            letter: 'σ',
            most: MOST_VALUES,
        };
        (spectrum, matrix_symbol(m, problem))
    };
    (shown.map(spectrum).collect(), layers.len())
}

//! Pictures of an inspection: spectra by depth, a heat map of layers and singular values, ranks and
//! tails by depth; over training where there are several steps.

use crate::record::{Inspection, Row};
use crate::tail::FEWEST;
use rankfall_report::axis::Scale;
use rankfall_report::color::Color;
use rankfall_report::figures::{Figure, evenly, short};
use rankfall_report::gradient::Gradient;
use rankfall_report::heatmap::{HeatAxis, HeatCell, HeatMap};
use rankfall_report::legend::LegendEntry;
use rankfall_report::plot::{Line, Marker, Plot, Side};
use rankfall_report::scene::Stroke;
use rankfall_report::sheet::{Sharing, Sheet, SkipReason};
use rankfall_report::symbol::Symbol;
use std::collections::HashMap;

/// More spectra than this in one panel would be a grey mass.
const MOST_LINES: usize = 24;
/// Rows of the heat map.
const MOST_ROWS: usize = 60;
/// Columns of the heat map: stretches of the order of singular values.
const COLUMNS: usize = 50;
/// Places of a curve.
const MOST_PLACES: usize = 400;
/// Characters of a layer's name.
const LONGEST: usize = 34;

/// All figures, in the order of the report.
#[must_use]
pub fn all(inspection: &Inspection) -> Vec<Figure> {
    let steps = inspection.steps();
    let origin = origin(inspection);
    let last = last_step(inspection);
    // These are of one checkpoint, whatever comes before it.
    let of_last = match (last.first(), files(inspection).len() > 1) {
        (Some(row), true) => format!("{} · the last of {origin}", name_of(&row.file)),
        _ => origin.clone(),
    };
    let mut figures = vec![
        spectra(&last, &of_last),
        heat_map(&last, &of_last),
        by_depth(&last, &of_last),
    ];
    if steps.len() > 1 {
        figures.insert(0, over_training(inspection, &steps, &origin));
    }
    figures
}

/// What was inspected: the name of the file, or how many checkpoints.
#[must_use]
pub fn subject(inspection: &Inspection) -> String {
    match &files(inspection)[..] {
        [one] => name_of(one).to_owned(),
        many => format!("{} checkpoints", many.len()),
    }
}

/// The checkpoints, in their order.
fn files(inspection: &Inspection) -> Vec<&str> {
    let rows = inspection.tensors.iter();
    let mut files: Vec<&str> = rows.map(|row| row.file.as_str()).collect();
    files.dedup();
    files
}

fn name_of(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Where the numbers come from.
fn origin(inspection: &Inspection) -> String {
    format!(
        "{} · {} matrices · rankfall {}",
        subject(inspection),
        inspection.analysed().count(),
        env!("CARGO_PKG_VERSION")
    )
}

/// The analysed rows of the last checkpoint; of convolutions the unfolded way.
fn last_step(inspection: &Inspection) -> Vec<&Row> {
    let file = inspection.tensors.last().map(|row| row.file.as_str());
    let is_shown = |row: &&Row| Some(row.file.as_str()) == file && !is_pooled_twin(inspection, row);
    inspection.analysed().filter(is_shown).collect()
}

/// Whether a row is the second way to take a tensor that has another row.
fn is_pooled_twin(inspection: &Inspection, row: &Row) -> bool {
    let pooled = row
        .matrix
        .as_deref()
        .is_some_and(|words| words.contains("slices"));
    pooled
        && inspection
            .tensors
            .iter()
            .any(|r| r.name == row.name && r.file == row.file && r.matrix != row.matrix)
}

/// Evenly spread over `rows`, the first and the last among them.
fn chosen<'a>(rows: &[&'a Row], most: usize) -> Vec<&'a Row> {
    evenly(rows.len(), most).map(|i| rows[i]).collect()
}

/// Which layers are dark and which light.
fn from_to(words: &str, shown: &[&Row]) -> String {
    match (shown.first(), shown.last()) {
        (Some(first), Some(last)) => {
            format!("{words} dark, {}, to light, {}.", first.name, last.name)
        }
        _ => String::new(),
    }
}

fn sigmas(row: &Row) -> Vec<f64> {
    row.spectrum
        .iter()
        .flat_map(|s| &s.sigmas)
        .map(|s| s.value)
        .collect()
}

fn figure(
    name: &'static str,
    title: &str,
    caption: &str,
    look_for: &'static str,
    outcome: Result<rankfall_report::Scene, SkipReason>,
) -> Figure {
    Figure {
        name,
        title: title.into(),
        caption: caption.into(),
        look_for,
        outcome,
    }
}

fn sheet(
    title: &str,
    origin: &str,
    plots: Vec<Plot>,
    columns: usize,
    legend: Vec<LegendEntry>,
) -> Sheet {
    Sheet {
        title: title.into(),
        subtitle: origin.into(),
        description: format!("{title}: {} panels.", plots.len()),
        plots,
        columns,
        sharing: Sharing::Own,
        legend,
    }
}

fn spectra(rows: &[&Row], origin: &str) -> Figure {
    let title = "Spectra by depth";
    let rows = with_curves(rows);
    let shown = chosen(&rows, MOST_LINES);
    let side = |label: &str| Side::new(Scale::Decades, label);
    let x = Side {
        start: Some(0.0),
        ..Side::new(Scale::Linear, "place in the order, share of all")
    };
    let mut plain = Plot::new("Singular values", x.clone(), side("σ"));
    let mut relative = Plot::new("Relative to the largest of the layer", x, side("σ / σ₁"));
    for (i, row) in shown.iter().enumerate().rev() {
        let values = sigmas(row);
        let stroke = Stroke::solid(Color::of_part(i, shown.len()), 1.6);
        let label = match i {
            0 => Some("first"),
            _ => (i + 1 == shown.len()).then_some("last"),
        };
        let bound = row.error_bound.unwrap_or(0.0);
        let first = values.first().copied().unwrap_or(0.0);
        let line = |divisor: f64| Line {
            places: places(&values, bound, divisor),
            stroke,
            end_label: label.filter(|_| divisor != 1.0).map(str::to_owned),
        };
        plain.lines.push(line(1.0));
        relative.lines.push(line(first));
    }
    let names = from_to("From", &shown);
    let more = match rows.len() > shown.len() {
        true => format!(
            " Drawn are {} of {} layers, evenly spread over the depth.",
            shown.len(),
            rows.len()
        ),
        false => String::new(),
    };
    let outcome = sheet(title, origin, vec![plain, relative], 2, Vec::new())
        .draw_with_notes(&[names + &more]);
    let caption = "Singular values of every layer in descending order. The horizontal axis is the place in that order \
                   as a share of all, so that layers of any size can be compared. Values below the bound of their \
                   error are not drawn.";
    figure(
        "spectra",
        title,
        caption,
        "A layer that has lost rank falls off a cliff; one that trains towards low rank bends down early, long before \
         its numerical rank changes.",
        outcome,
    )
}

/// The rows whose spectra are curves: at least [`FEWEST`] values, or, where no row has as many, the
/// most there are.
fn with_curves<'a>(rows: &[&'a Row]) -> Vec<&'a Row> {
    let most = rows.iter().map(|row| size(row)).max().unwrap_or(0);
    let enough = FEWEST.min(most).max(1);
    let long = rows.iter().filter(|row| size(row) >= enough);
    long.copied().collect()
}

/// A curve through some of the values, those at both ends among them.
fn places(values: &[f64], bound: f64, divisor: f64) -> Vec<Option<(f64, f64)>> {
    let n = values.len();
    let at = |i: usize| {
        let resolved = Some(values[i]).filter(|v| *v > bound)?;
        let y = Scale::Decades.place(resolved / divisor)?;
        Some(((i as f64 + 0.5) / n as f64, y))
    };
    evenly(n, MOST_PLACES).map(at).collect()
}

fn heat_map(rows: &[&Row], origin: &str) -> Figure {
    let title = "Layers and their singular values";
    let shown = chosen(rows, MOST_ROWS);
    let mut cells = Vec::new();
    for row in &shown {
        let values = sigmas(row);
        let first = values.first().copied().unwrap_or(0.0);
        for column in 0..COLUMNS {
            // The value in the middle of the stretch.
            let at = ((column as f64 + 0.5) / COLUMNS as f64 * values.len() as f64) as usize;
            let value = values.get(at.min(values.len().saturating_sub(1))).copied();
            let resolved = value.filter(|v| *v > row.error_bound.unwrap_or(0.0));
            cells.push(resolved.map(|v| v / first).into());
        }
    }
    let names = shown.iter().map(|row| short(&row.name, LONGEST)).collect();
    let map = HeatMap {
        title: "σ relative to the largest of the layer".into(),
        x: HeatAxis::Values {
            places: (0..COLUMNS)
                .map(|i| (i as f64 + 0.5) / COLUMNS as f64)
                .collect(),
            scale: Scale::Linear,
        },
        x_label: "place in the order, share of all".into(),
        y: HeatAxis::Categories {
            names,
            top_down: true,
        },
        y_label: String::new(),
        cells,
        log: true,
        gradient: Gradient::Sequential,
        value_label: "σ / σ₁".into(),
        printed: false,
    };
    let hatched = map.cells.contains(&HeatCell::Missing);
    let legend = hatched
        .then(|| LegendEntry::hatched("not told from zero"))
        .into_iter()
        .collect();
    let outcome = match shown.is_empty() {
        true => Err(SkipReason::because("no matrix was analysed")),
        false => sheet(title, origin, vec![map.plot()], 1, legend).draw(),
    };
    figure(
        "heat-map",
        title,
        "One row for each layer, from the first at the top to the last; along it the singular values in descending \
         order, relative to the largest, on a logarithmic scale of colours.",
        "Rows that darken early, and where in the network they are.",
        outcome,
    )
}

/// How many values the spectrum of a row has.
fn size(row: &Row) -> usize {
    row.spectrum.as_ref().map_or(0, |s| s.sigmas.len())
}

/// A sign for each row that has the value, over its place in the file.
fn marks(rows: &[&Row], symbol: Symbol, value: impl Fn(&Row) -> Option<f64>) -> Vec<Marker> {
    let mark = |(depth, row): (usize, &&Row)| {
        let at = (depth as f64 + 1.0, value(row)?);
        Some(Marker { at, symbol })
    };
    rows.iter().enumerate().filter_map(mark).collect()
}

fn by_depth(rows: &[&Row], origin: &str) -> Figure {
    let title = "Ranks and tails by depth";
    let plot = |title: &str, label: &str| {
        let x = Side::new(Scale::Linear, "layer, in the order of the file");
        Plot::new(title, x, Side::new(Scale::Linear, label))
    };
    let mut ranks = plot("Ranks as a share of the full one", "rank / full rank");
    let mut alphas = plot("Exponent α of the tail", "α");
    let mut above = plot("Above the Marchenko–Pastur edge", "share of Σσ²");
    type Notion = fn(&Row) -> Option<f64>;
    let notions: [(&str, Notion); 3] = [
        ("numerical", |r| r.numerical_rank.map(|n| n as f64)),
        ("effective", |r| r.effective_rank),
        ("stable", |r| r.stable_rank),
    ];
    let mut legend = Vec::new();
    for (i, (name, value)) in notions.iter().enumerate() {
        let symbol = Symbol::of_series(i);
        legend.push(LegendEntry::symbol(format!("{name} rank"), symbol));
        let share = |row: &Row| Some(value(row)? / size(row).max(1) as f64);
        ranks.marks.extend(marks(rows, symbol, share));
    }
    let symbol = Symbol::of_series(0);
    // Beyond this no tail is a power law, and the others would be pressed flat.
    alphas.marks = marks(rows, symbol, |row| row.alpha.filter(|a| *a < 20.0));
    above.marks = marks(rows, symbol, |row| row.mp_share);
    let mut plots = vec![ranks, alphas, above];
    plots.retain(|p| !p.is_blank());
    let columns = plots.len().max(1);
    let outcome = sheet(title, origin, plots, columns, legend).draw();
    figure(
        "by-depth",
        title,
        "Left: three notions of rank as shares of the smaller side. Middle: the exponent of the power law that fits \
         the upper end of σ² best, up to 20. Right: the share of Σσ² in singular values above the edge that a random \
         matrix with entries of the same variance would have.",
        "Layers that stand out from their neighbours. A numerical rank below one is rank lost beyond the rounding of \
         storage.",
        outcome,
    )
}

/// Where a row is looked for among those of other steps.
fn place(step: Option<u64>, row: &Row) -> (Option<u64>, &str, Option<&str>) {
    (step, &row.name, row.matrix.as_deref())
}

fn over_training(inspection: &Inspection, steps: &[u64], origin: &str) -> Figure {
    let title = "Over training";
    let last = last_step(inspection);
    let shown = chosen(&last, MOST_LINES);
    let mut found: HashMap<(Option<u64>, &str, Option<&str>), &Row> = HashMap::new();
    for row in inspection.analysed() {
        found.entry(place(row.step, row)).or_insert(row);
    }
    let x = || Side {
        start: Some(steps[0] as f64),
        ..Side::new(Scale::Linear, "step")
    };
    type Quantity = fn(&Row) -> Option<f64>;
    let quantities: [(&str, &str, Scale, Quantity); 6] = [
        ("Numerical rank", "numerical rank", Scale::Linear, |r| {
            r.numerical_rank.map(|n| n as f64)
        }),
        ("Effective rank", "effective rank", Scale::Linear, |r| {
            r.effective_rank
        }),
        ("Stable rank", "stable rank", Scale::Linear, |r| {
            r.stable_rank
        }),
        ("Exponent α of the tail", "α", Scale::Linear, |r| r.alpha),
        ("Largest singular value", "σ₁", Scale::Decades, |r| {
            r.sigma_max
        }),
        (
            "Smallest singular value",
            "smallest σ",
            Scale::Decades,
            |r| r.sigma_min.filter(|s| Some(*s) > r.error_bound),
        ),
    ];
    let plot = |(title, label, scale, value): &(&str, &str, Scale, Quantity)| {
        let mut plot = Plot::new(*title, x(), Side::new(*scale, *label));
        for (i, row) in shown.iter().enumerate().rev() {
            let at = |step: &u64| {
                let there = found.get(&place(Some(*step), row))?;
                Some((*step as f64, scale.place(value(there)?)?))
            };
            plot.lines.push(Line {
                places: steps.iter().map(at).collect(),
                stroke: Stroke::solid(Color::of_part(i, shown.len()), 1.8),
                end_label: (shown.len() <= 6).then(|| short(&row.name, LONGEST)),
            });
        }
        plot
    };
    let plots = quantities.iter().map(plot).collect();
    let names = from_to("Layers from", &shown);
    let outcome = sheet(title, origin, plots, 2, Vec::new()).draw_with_notes(&[names]);
    figure(
        "over-training",
        title,
        "Ranks, tails and the two ends of the spectrum of every layer at the steps of the checkpoints.",
        "Whether a rank falls, in which layer, and since when.",
        outcome,
    )
}

//! The figures of a sweep: heat maps over two settings, and lines over one for each value of
//! another.

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::curves::has_law;
use crate::figures::recorded_run::{Figure, capitalised, evenly};
use crate::figures::style::LAW;
use crate::gradient::Gradient;
use crate::heatmap::{HeatAxis, HeatCell, HeatMap};
use crate::legend::LegendEntry;
use crate::number::{compact, significant};
use crate::plot::{LabelPlace, Line, Marker, Plot, Side};
use crate::scene::{Scene, Stroke};
use crate::sheet::{Sharing, Sheet, SkipReason};
use crate::sweep::{SweepAxis, SweepMetric, SweepTable};
use crate::symbol::Symbol;

/// More values than this on an axis would be no cells but a blur, and a file of many megabytes.
const MOST_CELLS: usize = 128;
/// Up to this many values on both axes the numbers are printed into the cells.
const PRINTED: usize = 8;
/// At most this many lines share a panel, evenly chosen.
const MOST_LINES: usize = 8;

/// Panels of a figure whose settings beyond the second have panels of their own.
const MOST_PANELS: usize = 24;
/// Up to this many of them stand side by side.
const MOST_SIDE_BY_SIDE: usize = 4;

/// The figures of a sweep; `origin` is written under their titles. Axes of one value are named
/// there; the first two of several values are drawn, and every value of the others has a panel of
/// its own.
#[must_use]
pub fn figures(table: &SweepTable, origin: &str) -> Vec<Figure> {
    let sliced = Sliced::of(table, origin);
    let mut figures = Vec::new();
    if sliced.axes.len() != 1 {
        figures.push(heat_maps(&sliced));
    }
    figures.push(line_families(&sliced));
    figures
}

/// A sweep as tables of two settings at most.
struct Sliced {
    /// The settings that are drawn.
    axes: Vec<SweepAxis>,
    /// One table over them for each setting of the other axes, and that setting in words.
    slices: Vec<(String, SweepTable)>,
    /// How many such tables there are, drawn or not.
    all: usize,
    /// The line under the title.
    origin: String,
}

impl Sliced {
    fn of(table: &SweepTable, origin: &str) -> Self {
        let several = |i: &usize| table.axes[*i].values.len() != 1;
        let varied: Vec<usize> = (0..table.axes.len()).filter(several).collect();
        let drawn: Vec<usize> = match &varied[..] {
            [] => (0..table.axes.len().min(1)).collect(),
            some => some.iter().copied().take(2).collect(),
        };
        let others: Vec<usize> = varied.into_iter().skip(2).collect();
        let fixed = (0..table.axes.len()).filter(|i| !several(i) && !drawn.contains(i));
        let fixed = fixed.map(|i| setting(&table.axes[i], 0));
        let lengths = others.iter().map(|i| table.axes[*i].values.len());
        let all = lengths.fold(1, usize::saturating_mul);
        let predicted = table.metrics.iter().filter(|m| m.prediction.is_some());
        let rows = table.metrics.len() + predicted.count();
        let most = (MOST_PANELS / rows.max(1)).clamp(2, MOST_SIDE_BY_SIDE);
        let slices = evenly(all, if others.is_empty() { 1 } else { most })
            .map(|at| slice(table, &drawn, &others, at))
            .collect();
        let front = fixed.chain([origin.to_owned()]);
        Self {
            axes: drawn.iter().map(|i| table.axes[*i].clone()).collect(),
            slices,
            all,
            origin: front.collect::<Vec<_>>().join(" · "),
        }
    }

    /// Says that settings are missing, where there are any.
    fn notes(&self) -> Vec<String> {
        let shown = self.slices.len();
        let missing = (shown < self.all).then(|| {
            format!(
                "Drawn are {shown} of {} settings of the other axes, evenly chosen; all numbers are in sweep.parquet.",
                self.all
            )
        });
        let of_table = self.slices.first().map(|(_, table)| table.notes.clone());
        missing
            .into_iter()
            .chain(of_table.into_iter().flatten())
            .collect()
    }

    /// How many metrics there are.
    fn metrics(&self) -> usize {
        let first = self.slices.first();
        first.map_or(0, |(_, table)| table.metrics.len())
    }

    /// How many panels stand side by side: the slices, where there are several.
    fn columns(&self, panels: usize) -> usize {
        match self.slices.len() {
            0 | 1 => columns(panels),
            several => several,
        }
    }
}

/// `title` with the setting of a slice, where there are several.
fn titled(title: &str, held: &str) -> String {
    match held {
        "" => title.to_owned(),
        held => format!("{title}, {held}"),
    }
}

fn setting(axis: &SweepAxis, i: usize) -> String {
    let value = axis.values.get(i).copied().unwrap_or(f64::NAN);
    format!("{} = {}", axis.label, compact(value, 3))
}

/// The table over the `drawn` axes, the `others` held at their `at`-th combination, the last of
/// them running fastest, and every axis of one value at it.
fn slice(table: &SweepTable, drawn: &[usize], others: &[usize], at: usize) -> (String, SweepTable) {
    // Sets the indices of some axes to their `at`-th combination.
    let set = |indices: &mut [usize], axes: &[usize], mut at: usize| {
        for &i in axes.iter().rev() {
            let count = table.axes[i].values.len().max(1);
            (indices[i], at) = (at % count, at / count);
        }
    };
    let mut held = vec![0; table.axes.len()];
    set(&mut held, others, at);
    let words = others.iter().map(|&i| setting(&table.axes[i], held[i]));
    let words: Vec<String> = words.collect();
    let axes: Vec<SweepAxis> = drawn.iter().map(|&i| table.axes[i].clone()).collect();
    let mut part = SweepTable {
        axes,
        metrics: Vec::new(),
        seeds: table.seeds,
        notes: table.notes.clone(),
    };
    let position = |point: usize| {
        let mut indices = held.clone();
        set(&mut indices, drawn, point);
        table.position(&indices)
    };
    let positions: Vec<Option<usize>> = (0..part.points()).map(position).collect();
    let pick = |values: &[Option<f64>]| {
        let value = |at: &Option<usize>| values.get((*at)?).copied().flatten();
        positions.iter().map(value).collect()
    };
    part.metrics = table
        .metrics
        .iter()
        .map(|metric| SweepMetric {
            values: pick(&metric.values),
            std_error: pick(&metric.std_error),
            prediction: metric.prediction.as_deref().map(pick),
            ..metric.clone()
        })
        .collect();
    (words.join(", "), part)
}

fn heat_maps(sliced: &Sliced) -> Figure {
    Figure {
        name: "heat_maps",
        title: "The plane of settings".into(),
        caption: heat_caption(sliced),
        look_for: "Colours grow lighter with the number, also in grey. Where a prediction exists, a second map shows what \
                   was measured divided by it: 1 is agreement. The border of the hatched region is where steps become \
                   too large for the start they meet.",
        outcome: heat_scene(sliced),
    }
}

fn heat_scene(sliced: &Sliced) -> Result<Scene, SkipReason> {
    let [first, second] = &sliced.axes[..] else {
        return Err(SkipReason::because(
            "a heat map has two settings, and none was varied",
        ));
    };
    for axis in [first, second] {
        if axis.values.len() > MOST_CELLS {
            return Err(SkipReason::because(format!(
                "{} has {} values, and a heat map shows at most {MOST_CELLS}",
                axis.label,
                axis.values.len()
            )));
        }
    }
    let rows = heat_rows(sliced, first, second);
    let plots: Vec<Plot> = rows
        .iter()
        .flat_map(|maps| HeatMap::plots_alike(maps))
        .collect();
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    let mut notes = sliced.notes();
    if rows.iter().flatten().any(HeatMap::has_blank) {
        notes.push("White: nothing is predicted there, or the prediction is 0.".into());
    }
    if rows.iter().any(|maps| HeatMap::has_negligible(maps)) {
        notes.push(
            "Numbers far below the others, as zeros are after rounding, have the darkest colour."
                .into(),
        );
    }
    let mut legend = Vec::new();
    if rows.iter().flatten().any(HeatMap::has_missing) {
        legend.push(LegendEntry::hatched(
            "no value: not measured there, every trajectory diverged, or the scale cannot show it",
        ));
    }
    Sheet {
        title: "The plane of settings".into(),
        subtitle: sliced.origin.clone(),
        description: format!(
            "One heat map per metric over {} and {}.",
            first.label, second.label
        ),
        plots,
        columns: sliced.columns(shown),
        sharing: Sharing::Own,
        legend,
    }
    .draw_with_notes(&notes)
}

/// The maps of each metric, and of its ratio to the prediction, one per slice.
fn heat_rows(sliced: &Sliced, x: &SweepAxis, y: &SweepAxis) -> Vec<Vec<HeatMap>> {
    let row = |m: usize, of: MapOf| -> Vec<HeatMap> {
        let slice = |(held, table): &(String, SweepTable)| {
            let map = of(table, &table.metrics[m], x, y);
            HeatMap {
                title: titled(&map.title, held),
                ..map
            }
        };
        sliced.slices.iter().map(slice).collect()
    };
    let mut rows = Vec::new();
    for m in 0..sliced.metrics() {
        rows.push(row(m, map));
        if sliced.slices[0].1.metrics[m].prediction.is_some() {
            rows.push(row(m, ratio_map));
        }
    }
    rows
}

/// A map of a metric over two settings.
type MapOf = fn(&SweepTable, &SweepMetric, &SweepAxis, &SweepAxis) -> HeatMap;

fn columns(panels: usize) -> usize {
    match panels {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    }
}

fn map(table: &SweepTable, metric: &SweepMetric, x: &SweepAxis, y: &SweepAxis) -> HeatMap {
    let cells = cells(table, x, y, |at| match metric.values.get(at) {
        Some(_) => HeatCell::from(metric.value(at)),
        None => HeatCell::Blank,
    });
    HeatMap {
        title: metric.label.clone(),
        x: HeatAxis::of_cells(&x.values, x.log),
        x_label: x.label.clone(),
        y: HeatAxis::of_cells(&y.values, y.log),
        y_label: y.label.clone(),
        cells,
        log: metric.log,
        gradient: Gradient::Sequential,
        // The title says it already.
        value_label: String::new(),
        printed: x.values.len().max(y.values.len()) <= PRINTED,
    }
}

/// Measured over predicted; blank where nothing is predicted.
fn ratio_map(table: &SweepTable, metric: &SweepMetric, x: &SweepAxis, y: &SweepAxis) -> HeatMap {
    let cells = cells(table, x, y, |at| match metric.predicted(at) {
        None | Some(0.0) => HeatCell::Blank,
        Some(predicted) => HeatCell::from(metric.value(at).map(|measured| measured / predicted)),
    });
    HeatMap {
        title: format!("{} / predicted", metric.label),
        cells,
        log: false,
        ..map(table, metric, x, y)
    }
}

fn cells(
    table: &SweepTable,
    x: &SweepAxis,
    y: &SweepAxis,
    cell: impl Fn(usize) -> HeatCell,
) -> Vec<HeatCell> {
    let mut cells = Vec::new();
    for j in 0..y.values.len() {
        for i in 0..x.values.len() {
            cells.push(table.position(&[i, j]).map_or(HeatCell::Blank, &cell));
        }
    }
    cells
}

fn heat_caption(sliced: &Sliced) -> String {
    let names: Vec<&str> = sliced.axes.iter().map(|a| a.label.as_str()).collect();
    let mut caption = format!("Every metric over {}.", names.join(" and "));
    for (held, table) in &sliced.slices {
        if !held.is_empty() {
            caption.push_str(&format!(" At {held}:"));
        }
        for metric in &table.metrics {
            caption.extend(sentence(table, metric));
        }
    }
    caption
}

/// The range of a metric, and how far it is from its prediction.
fn sentence(table: &SweepTable, metric: &SweepMetric) -> Option<String> {
    let values: Vec<f64> = (0..table.points().min(metric.values.len()))
        .filter_map(|at| metric.value(at))
        .collect();
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    let mut sentence = format!(
        " {} runs from {} to {}",
        capitalised(&metric.label),
        compact(low, 3),
        compact(high, 3)
    );
    let ratios: Vec<f64> = (0..metric.values.len())
        .filter_map(|at| Some(metric.value(at)? / metric.predicted(at)?))
        .filter(|r| r.is_finite())
        .collect();
    let least = ratios.iter().copied().reduce(f64::min);
    let most = ratios.iter().copied().reduce(f64::max);
    if let (Some(least), Some(most)) = (least, most) {
        sentence.push_str(&format!(
            ", between {} and {} times its prediction",
            significant(least, 4),
            significant(most, 4)
        ));
    }
    Some(format!("{sentence}."))
}

fn line_families(sliced: &Sliced) -> Figure {
    let (title, caption) = match &sliced.axes[..] {
        [x] => (
            format!("Over {}", x.label),
            format!("Every metric over {}.", x.label),
        ),
        [x, family, ..] => (
            format!("Over {}, for each {}", x.label, family.label),
            format!(
                "Every metric over {}, one line for each value of {} (at most {MOST_LINES}, evenly chosen), the first \
                 darkest.",
                x.label, family.label
            ),
        ),
        [] => ("Lines".into(), String::new()),
    };
    let mut metrics = sliced.slices.iter().flat_map(|(_, table)| &table.metrics);
    let predicted = metrics.any(|m| m.prediction.is_some());
    let dashed = if predicted {
        " Predictions are dashed."
    } else {
        ""
    };
    Figure {
        name: "line_families",
        outcome: line_scene(sliced, &title),
        title,
        caption: caption + dashed,
        look_for: "Measured lines should run under their dashed predictions; where a line ends, every trajectory diverged.",
    }
}

fn line_scene(sliced: &Sliced, title: &str) -> Result<Scene, SkipReason> {
    if sliced.axes.is_empty() {
        return Err(SkipReason::because("no setting was varied"));
    }
    let panel = |m: usize, (held, table): &(String, SweepTable)| {
        let mut plot = family(table, &table.metrics[m]);
        plot.title = titled(&plot.title, held);
        plot
    };
    let plots: Vec<Plot> = (0..sliced.metrics())
        .flat_map(|m| sliced.slices.iter().map(move |slice| panel(m, slice)))
        .collect();
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    let mut legend = Vec::new();
    if let [_, second] = &sliced.axes[..] {
        let pen = Stroke::solid(Color::of_part(0, 2), 2.2);
        let words = format!("one line per value of {}", second.label);
        legend.push(LegendEntry::line(words, pen));
    }
    if let Some(seeds) = sliced.slices.first().and_then(|(_, table)| table.seeds) {
        let pen = Stroke::solid(Color::of_part(0, 2), 1.2);
        let words = format!("means over {seeds} seeds; bars: ± their standard error");
        legend.push(LegendEntry::line(words, pen));
    }
    if has_law(&plots) {
        legend.push(LegendEntry::line("predicted", LAW));
    }
    Sheet {
        title: title.into(),
        subtitle: sliced.origin.clone(),
        description: "One panel per metric; lines over the first setting.".into(),
        plots,
        columns: sliced.columns(shown),
        sharing: Sharing::Alike,
        legend,
    }
    .draw_with_notes(&sliced.notes())
}

fn family(table: &SweepTable, metric: &SweepMetric) -> Plot {
    let first = &table.axes[0];
    let places = HeatAxis::of_values(&first.values, first.log);
    let scale = if metric.log {
        Scale::Decades
    } else {
        Scale::Linear
    };
    let y = Side::new(scale, &metric.label);
    let mut plot = Plot::new(&metric.label, places.side(&first.label), y);
    let members = table.axes.get(1).map_or(1, |axis| axis.values.len());
    let chosen: Vec<usize> = evenly(members, MOST_LINES).collect();
    let at = |i: usize, j: usize| table.position(&[i, j][..table.axes.len()]);
    let line = |j: usize, value: &dyn Fn(usize) -> Option<f64>| -> Vec<Option<LabelPlace>> {
        (0..first.values.len())
            .map(|i| Some((places.place(i), scale.place(value(at(i, j)?)?)?)))
            .collect()
    };
    for (position, j) in chosen.iter().enumerate() {
        let color = Color::of_part(position, chosen.len());
        let run = line(*j, &|at| metric.value(at));
        if table.axes.len() == 1 {
            let symbol = Symbol::disc(color, true);
            plot.marks
                .extend(run.iter().flatten().map(|at| Marker { at: *at, symbol }));
        }
        if table.seeds.is_some() {
            let bar = |i: usize| {
                let at = at(i, *j)?;
                let (mean, error) = (metric.value(at)?, metric.error(at)?);
                error_bar(places.place(i), mean, error, scale, color)
            };
            plot.lines.extend((0..first.values.len()).filter_map(bar));
        }
        plot.lines.push(Line {
            places: run,
            stroke: Stroke::solid(color, 2.2),
            end_label: table.axes.get(1).map(|axis| compact(axis.values[*j], 3)),
        });
    }
    for j in &chosen {
        let places = line(*j, &|at| metric.predicted(at));
        if places.iter().any(Option::is_some) {
            plot.lines.push(Line::new(places, LAW));
        }
    }
    plot
}

/// From one standard error below a mean to one above; from the mean where below has no place.
fn error_bar(x: f64, mean: f64, error: f64, scale: Scale, color: Color) -> Option<Line> {
    let low = scale.place(mean - error).or_else(|| scale.place(mean))?;
    let high = scale.place(mean + error)?;
    let places = vec![Some((x, low)), Some((x, high))];
    Some(Line::new(places, Stroke::solid(color, 1.2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_one_standard_error_to_both_sides_where_the_scale_has_room() {
        let ends = |mean: f64, error: f64, scale: Scale| {
            let bar = error_bar(3.0, mean, error, scale, Color::of_part(0, 2))?;
            let end = |place: &Option<LabelPlace>| place.map(|(x, y)| (x, y));
            Some((end(&bar.places[0])?, end(&bar.places[1])?))
        };
        assert_eq!(
            ends(2.0, 0.5, Scale::Linear),
            Some(((3.0, 1.5), (3.0, 2.5)))
        );
        assert_eq!(
            ends(55.0, 45.0, Scale::Decades),
            Some(((3.0, 1.0), (3.0, 2.0)))
        );
        // One standard error below 1 is below zero, which a logarithmic axis does not have.
        assert_eq!(
            ends(1.0, 9.0, Scale::Decades),
            Some(((3.0, 0.0), (3.0, 1.0)))
        );
        assert_eq!(ends(-1.0, 0.5, Scale::Decades), None);
    }

    fn axis(label: &str, values: &[f64]) -> SweepAxis {
        SweepAxis {
            name: label.into(),
            label: label.into(),
            values: values.to_vec(),
            log: false,
        }
    }

    /// A metric whose value at every point is the sum of the settings there.
    fn sums(axes: Vec<SweepAxis>) -> SweepTable {
        let mut table = SweepTable {
            axes,
            ..SweepTable::default()
        };
        let sum = |at: usize| Some(table.setting(at)?.iter().sum());
        let values = (0..table.points()).map(sum).collect();
        table.metrics = vec![SweepMetric {
            name: "sum".into(),
            label: "sum".into(),
            log: false,
            values,
            std_error: Vec::new(),
            prediction: None,
        }];
        table
    }

    fn texts(figure: &Figure) -> Vec<String> {
        let scene = figure.outcome.as_ref().expect("drawn");
        let text = |item: &crate::scene::Item| match item {
            crate::scene::Item::Text(text) => Some(text.content.clone()),
            _ => None,
        };
        scene.items.iter().filter_map(text).collect()
    }

    #[test]
    fn an_axis_of_one_value_is_named_and_not_drawn() {
        for place in 0..3 {
            let mut axes = vec![axis("η", &[1.0, 2.0, 3.0]), axis("δ", &[10.0, 20.0])];
            axes.insert(place, axis("width", &[500.0]));
            let figures = figures(&sums(axes), "origin");
            assert_eq!(figures.len(), 2);
            for figure in &figures {
                let texts = texts(figure);
                assert!(
                    texts.contains(&"width = 500 · origin".to_owned()),
                    "{texts:?}"
                );
            }
            let cells = texts(&figures[0]);
            for sum in ["511", "512", "513", "521", "522", "523"] {
                assert!(cells.iter().any(|t| t == sum), "{sum} in {cells:?}");
            }
        }
    }

    #[test]
    fn a_third_axis_has_a_panel_for_each_value() {
        let axes = || {
            vec![
                axis("η", &[1.0, 2.0]),
                axis("δ", &[10.0, 20.0]),
                axis("width", &[100.0, 300.0, 500.0]),
            ]
        };
        let sliced = Sliced::of(&sums(axes()), "");
        let values: Vec<_> = sliced
            .slices
            .iter()
            .map(|(_, t)| t.metrics[0].values.clone())
            .collect();
        let at = |width: f64| {
            [111.0, 121.0, 112.0, 122.0]
                .map(|v| Some(v - 100.0 + width))
                .to_vec()
        };
        assert_eq!(values, [at(100.0), at(300.0), at(500.0)]);
        for figure in figures(&sums(axes()), "origin") {
            let texts = texts(&figure);
            for title in ["sum, width = 100", "sum, width = 300", "sum, width = 500"] {
                assert!(
                    texts.iter().any(|t| t == title),
                    "{}: {texts:?}",
                    figure.name
                );
            }
        }
    }

    #[test]
    fn many_values_of_further_axes_are_bounded_and_that_is_said() {
        let many: Vec<f64> = (0..50).map(f64::from).collect();
        let axes = vec![
            axis("a", &[1.0, 2.0]),
            axis("b", &many),
            axis("c", &many),
            axis("d", &[1.0, 2.0]),
        ];
        for figure in figures(&sums(axes), "") {
            let words = texts(&figure).join(" ");
            assert!(
                words.contains("4 of 100 settings of the other axes"),
                "{words}"
            );
            let scene = figure.outcome.expect("drawn");
            assert!(scene.width < 1600.0 && scene.height < 3000.0);
        }
    }

    #[test]
    fn a_sweep_over_single_values_draws_a_point() {
        let figures = figures(&sums(vec![axis("η", &[1.0]), axis("δ", &[2.0])]), "");
        assert_eq!(figures.len(), 1);
        assert!(figures[0].outcome.is_ok());
    }
}

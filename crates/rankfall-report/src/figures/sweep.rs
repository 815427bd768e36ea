//! The figures of a sweep: heat maps over two settings, and lines over one for each value of another.

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::style::LAW;
use crate::figures::{Figure, capitalised, evenly};
use crate::gradient::Gradient;
use crate::heatmap::{Cell, HeatAxis, HeatMap};
use crate::legend::Entry;
use crate::number::{compact, significant};
use crate::plot::{Line, Mark, Place, Plot, Side};
use crate::scene::{Scene, Stroke};
use crate::sheet::{Sharing, Sheet, Skipped};
use crate::sweep::{SweepAxis, SweepMetric, SweepTable};
use crate::symbol::Symbol;

/// More values than this on an axis would be no cells but a blur, and a file of many megabytes.
const MOST_CELLS: usize = 128;
/// Up to this many values on both axes the numbers are printed into the cells.
const PRINTED: usize = 8;
/// At most this many lines share a panel, evenly chosen.
const MOST_LINES: usize = 8;

/// The figures of a sweep over one or two settings; `origin` is written under their titles.
#[must_use]
pub fn figures(table: &SweepTable, origin: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    if table.axes.len() != 1 {
        figures.push(heat_maps(table, origin));
    }
    figures.push(line_families(table, origin));
    figures
}

fn heat_maps(table: &SweepTable, origin: &str) -> Figure {
    Figure {
        name: "heat_maps",
        title: "The plane of settings".into(),
        caption: heat_caption(table),
        look_for: "Colours grow lighter with the number, also in grey. Where a prediction exists, a second map shows what \
                   was measured divided by it: 1 is agreement. The border of the hatched region is where steps become \
                   too large for the start they meet.",
        outcome: heat_scene(table, origin),
    }
}

fn heat_scene(table: &SweepTable, origin: &str) -> Result<Scene, Skipped> {
    let [first, second] = &table.axes[..] else {
        return Err(Skipped::because(format!(
            "a heat map has two settings, and {} were varied",
            table.axes.len()
        )));
    };
    for axis in [first, second] {
        if axis.values.len() > MOST_CELLS {
            return Err(Skipped::because(format!(
                "{} has {} values, and a heat map shows at most {MOST_CELLS}",
                axis.label,
                axis.values.len()
            )));
        }
    }
    let maps: Vec<HeatMap> = table
        .metrics
        .iter()
        .flat_map(|metric| {
            let measured = map(table, metric, first, second);
            let ratio = metric.prediction.is_some();
            let ratio = ratio.then(|| ratio_map(table, metric, first, second));
            std::iter::once(measured).chain(ratio)
        })
        .collect();
    let missing = maps.iter().any(HeatMap::has_missing);
    let plots: Vec<Plot> = maps.iter().map(HeatMap::plot).collect();
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    let mut legend = Vec::new();
    if missing {
        legend.push(Entry::hatched(
            "no value: every trajectory diverged, or the scale cannot show it",
        ));
    }
    Sheet {
        title: "The plane of settings".into(),
        subtitle: origin.into(),
        description: format!(
            "One heat map per metric over {} and {}.",
            first.label, second.label
        ),
        plots,
        columns: columns(shown),
        sharing: Sharing::Own,
        legend,
    }
    .draw()
}

fn columns(panels: usize) -> usize {
    match panels {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    }
}

fn map(table: &SweepTable, metric: &SweepMetric, x: &SweepAxis, y: &SweepAxis) -> HeatMap {
    let cells = cells(table, x, y, |at| match metric.values.get(at) {
        Some(_) => Cell::from(metric.value(at)),
        None => Cell::Blank,
    });
    HeatMap {
        title: metric.label.clone(),
        x: HeatAxis::of_values(&x.values, x.log),
        x_label: x.label.clone(),
        y: HeatAxis::of_values(&y.values, y.log),
        y_label: y.label.clone(),
        cells,
        log: metric.log,
        gradient: Gradient::Sequential,
        // The title says it already.
        value_label: String::new(),
        printed: x.values.len().max(y.values.len()) <= PRINTED,
        overlay: vec![],
    }
}

/// Measured over predicted; blank where nothing is predicted.
fn ratio_map(table: &SweepTable, metric: &SweepMetric, x: &SweepAxis, y: &SweepAxis) -> HeatMap {
    let cells = cells(table, x, y, |at| {
        match (metric.value(at), metric.predicted(at)) {
            (_, None) => Cell::Blank,
            (_, Some(0.0)) => Cell::Blank,
            (None, _) => Cell::Missing,
            (Some(measured), Some(predicted)) => Cell::Value(measured / predicted),
        }
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
    cell: impl Fn(usize) -> Cell,
) -> Vec<Cell> {
    let mut cells = Vec::new();
    for j in 0..y.values.len() {
        for i in 0..x.values.len() {
            cells.push(table.position(&[i, j]).map_or(Cell::Blank, &cell));
        }
    }
    cells
}

fn heat_caption(table: &SweepTable) -> String {
    let names: Vec<&str> = table.axes.iter().map(|a| a.label.as_str()).collect();
    let mut caption = format!("Every metric over {}.", names.join(" and "));
    for metric in &table.metrics {
        caption.extend(sentence(table, metric));
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

fn line_families(table: &SweepTable, origin: &str) -> Figure {
    let (title, caption) = match &table.axes[..] {
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
    let predicted = table.metrics.iter().any(|m| m.prediction.is_some());
    let dashed = if predicted {
        " Predictions are dashed."
    } else {
        ""
    };
    Figure {
        name: "line_families",
        outcome: line_scene(table, origin, &title),
        title,
        caption: caption + dashed,
        look_for: "Measured lines should run under their dashed predictions; where a line ends, every trajectory diverged.",
    }
}

fn line_scene(table: &SweepTable, origin: &str, title: &str) -> Result<Scene, Skipped> {
    if !(1..=2).contains(&table.axes.len()) {
        return Err(Skipped::because(format!(
            "lines show one or two settings, and {} were varied",
            table.axes.len()
        )));
    }
    let plots: Vec<Plot> = table.metrics.iter().map(|m| family(table, m)).collect();
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    let mut legend = Vec::new();
    if let [_, second] = &table.axes[..] {
        let pen = Stroke::solid(Color::of_part(0, 2), 2.2);
        legend.push(Entry::line(
            format!("one line per value of {}", second.label),
            pen,
        ));
    }
    if let Some(seeds) = table.seeds {
        let pen = Stroke::solid(Color::of_part(0, 2), 1.2);
        let words = format!("means over {seeds} seeds; bars: ± their standard error");
        legend.push(Entry::line(words, pen));
    }
    let predicted = |p: &Plot| p.lines.iter().any(|l| l.stroke == LAW);
    if plots.iter().any(predicted) {
        legend.push(Entry::line("predicted", LAW));
    }
    Sheet {
        title: title.into(),
        subtitle: origin.into(),
        description: "One panel per metric; lines over the first setting.".into(),
        plots,
        columns: columns(shown),
        sharing: Sharing::Own,
        legend,
    }
    .draw()
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
    let at = |i: usize, j: usize| match table.axes.len() {
        1 => table.position(&[i]),
        _ => table.position(&[i, j]),
    };
    let line = |j: usize, value: &dyn Fn(usize) -> Option<f64>| -> Vec<Option<Place>> {
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
                .extend(run.iter().flatten().map(|at| Mark { at: *at, symbol }));
        }
        let value = |i: usize| Some((metric.value(at(i, *j)?)?, metric.error(at(i, *j)?)?));
        if table.seeds.is_some() {
            let bars = (0..first.values.len()).filter_map(|i| {
                let (mean, error) = value(i)?;
                error_bar(places.place(i), mean, error, scale, color)
            });
            plot.lines.extend(bars);
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
            plot.lines.push(Line {
                places,
                stroke: LAW,
                end_label: None,
            });
        }
    }
    plot
}

/// From one standard error below a mean to one above; from the mean where below has no place.
fn error_bar(x: f64, mean: f64, error: f64, scale: Scale, color: Color) -> Option<Line> {
    let low = scale.place(mean - error).or_else(|| scale.place(mean))?;
    let high = scale.place(mean + error)?;
    Some(Line {
        places: vec![Some((x, low)), Some((x, high))],
        stroke: Stroke::solid(color, 1.2),
        end_label: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_one_standard_error_to_both_sides_where_the_scale_has_room() {
        let ends = |mean: f64, error: f64, scale: Scale| {
            let bar = error_bar(3.0, mean, error, scale, Color::of_part(0, 2))?;
            let end = |place: &Option<Place>| place.map(|(x, y)| (x, y));
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
}

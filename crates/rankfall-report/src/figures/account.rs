//! Where the fall of log det M of each descent went: the parts of its account, one below the other,
//! and what is left.

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::curves::{Bands, CurveDrawing, CurveValues, Middle};
use crate::figures::recorded_run::{Figure, RecordedRun, THETA, name};
use crate::figures::style::LAW;
use crate::legend::LegendEntry;
use crate::number::{compact, significant};
use crate::plot::{Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Dash, Scene, Stroke};
use crate::series::Curve;
use crate::sheet::{Sharing, Sheet, SkipReason};

const TITLE: &str = "Where did the rank go?";
/// Up to this many descents are drawn.
const MOST: usize = 4;
/// The martingale.
const LEFT: &str = "account_martingale";
/// Of areas.
const OPACITY: f64 = 0.55;
/// Of the band of two standard errors.
const ERRORS: f64 = 0.25;

/// One part of the account.
struct Part {
    observable: &'static str,
    name: &'static str,
    pen: Stroke,
}

const fn part(
    observable: &'static str,
    name: &'static str,
    color: usize,
    width: f64,
    dash: Dash,
) -> Part {
    let color = Color::Series(color);
    let pen = Stroke { color, width, dash };
    Part {
        observable,
        name,
        pen,
    }
}

/// From the top down; colours differ in how dark they are, and edges in their dash.
const PARTS: [Part; 5] = [
    part("account_full_gradient", "full gradient", 0, 1.8, Dash::Long),
    part("account_label_noise", "label noise", 3, 1.8, Dash::Solid),
    part("account_rows", "choice of rows", 4, 2.2, Dash::DashDot),
    part("account_weight_decay", "weight decay", 5, 1.8, Dash::Long),
    part(
        "account_higher_orders",
        "higher orders",
        6,
        2.2,
        Dash::Dotted,
    ),
];

/// The pen of what was measured: wide and pale, so that the dashes of the parts together show on
/// it.
const MEASURED: Stroke = Stroke {
    color: Color::Muted,
    width: 5.0,
    dash: Dash::Solid,
};

/// The pen of what is left.
const REST: Stroke = Stroke {
    color: Color::Ink,
    width: 2.2,
    dash: Dash::Solid,
};

/// The figure, where a descent was accounted for.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    let accounted = |d: &&DynamicsSummary| part_of(run, d, LEFT).is_some_and(|c| !c.is_blank());
    let all: Vec<&DynamicsSummary> = run.summary.dynamics.iter().filter(accounted).collect();
    let shown = &all[..all.len().min(MOST)];
    if shown.is_empty() {
        return None;
    }
    Some(Figure {
        name: "account",
        title: TITLE.into(),
        caption: caption(run, shown),
        look_for: "The areas, one below the other, reach the measured line: nothing is missing. Label noise takes a share \
                   that grows in proportion to time, and so does the choice of rows where rows have residuals that no \
                   network fits; where every row can be fitted, its area ends to grow once they are. What is left, below, \
                   is within two standard errors of zero in nineteen of twenty runs; in the first steps of SGD single paths \
                   can lose very much at once, and few paths do not tell their spread.",
        outcome: scene(run, shown, all.len() - shown.len()),
    })
}

fn part_of<'a>(run: &RecordedRun<'a>, one: &DynamicsSummary, part: &str) -> Option<&'a Curve> {
    run.table.curve(&one.label, part, 0)
}

fn scene(
    run: &RecordedRun<'_>,
    shown: &[&DynamicsSummary],
    left_out: usize,
) -> Result<Scene, SkipReason> {
    let drawing = run.drawing(CurveValues::Plain, Middle::Mean, Bands::None);
    let stacks = shown.iter().map(|one| stack(run, &drawing, one));
    let left = shown.iter().map(|one| what_is_left(run, &drawing, one));
    let plots: Vec<Plot> = stacks.chain(left).collect();
    let mut legend = vec![LegendEntry::line("measured change", MEASURED)];
    legend.push(LegendEntry::line("the parts together", LAW));
    for part in PARTS {
        if shown.iter().any(|one| values(run, one, &part).is_some()) {
            legend.push(LegendEntry {
                bands: vec![(part.pen.color, OPACITY)],
                ..LegendEntry::line(part.name, part.pen)
            });
        }
    }
    legend.push(LegendEntry {
        bands: vec![(Color::Muted, ERRORS)],
        ..LegendEntry::line("what is left, ± 2 standard errors", REST)
    });
    let more =
        format!("Drawn are the first {MOST} descents; {left_out} more are in series.parquet.");
    let notes = [THETA, &more];
    let notes = &notes[..if left_out > 0 { 2 } else { 1 }];
    Sheet {
        title: TITLE.into(),
        subtitle: run.origin(),
        description: "For each descent, above, areas one below the other: what the full gradient, label noise, the choice \
                      of rows, weight decay and higher orders took from log det M, over time, with the measured change. \
                      Below, the measured change less all of them."
            .into(),
        columns: shown.len(),
        plots,
        sharing: Sharing::Own,
        legend,
    }
    .draw_with_notes(&run.notes(notes))
}

/// A part over time, where it is not nothing throughout.
fn values<'a>(
    run: &RecordedRun<'a>,
    one: &DynamicsSummary,
    part: &Part,
) -> Option<&'a [Option<f64>]> {
    let curve = part_of(run, one, part.observable)?;
    let something = curve.mean.iter().flatten().any(|v| *v != 0.0);
    something.then_some(&curve.mean)
}

/// Areas from zero: what lowers log det M by the end one below the other, what raises it one above
/// the other.
fn stack(run: &RecordedRun<'_>, drawing: &CurveDrawing, one: &DynamicsSummary) -> Plot {
    let side = Side::new(Scale::Linear, "added to log det M since the start (nats)");
    let mut plot = Plot::new(name(one), run.time.side(), side);
    let Some(log_det) = part_of(run, one, "log_det") else {
        return plot;
    };
    let times = &log_det.times;
    let mut reached = vec![[0.0_f64; 2]; times.len()];
    for part in &PARTS {
        let Some(values) = values(run, one, part) else {
            continue;
        };
        let last = values.iter().flatten().next_back();
        let up = last.is_some_and(|v| *v > 0.0);
        let mut low = vec![None; times.len()];
        let (mut high, mut edge) = (low.clone(), low.clone());
        for (at, value) in values.iter().enumerate().take(times.len()) {
            let Some(value) = value else { continue };
            let reached = &mut reached[at][usize::from(up)];
            let from = *reached;
            *reached += value;
            (low[at], high[at]) = (Some(from.min(*reached)), Some(from.max(*reached)));
            edge[at] = Some(*reached);
        }
        let area = drawing.area(times, [&low, &high], part.pen.color, OPACITY);
        plot.bands.push(area);
        plot.lines.push(drawing.line(times, &edge, part.pen));
    }
    let together: Vec<Option<f64>> = reached.iter().map(|[down, up]| Some(down + up)).collect();
    for (values, stroke) in [(log_det.change(), MEASURED), (together, LAW)] {
        plot.lines.push(drawing.line(times, &values, stroke));
    }
    plot
}

/// The mean of the martingale with two standard errors.
fn what_is_left(run: &RecordedRun<'_>, drawing: &CurveDrawing, one: &DynamicsSummary) -> Plot {
    let side = Side::new(Scale::Linear, "measured less the parts (nats)");
    let mut plot = Plot::new("What is left", run.time.side(), side);
    let Some(curve) = part_of(run, one, LEFT) else {
        return plot;
    };
    let off = |sign: f64| -> Vec<Option<f64>> {
        let values = curve.mean.iter().zip(&curve.std_error);
        values
            .map(|(m, e)| Some((*m)? + sign * 2.0 * (*e)?))
            .collect()
    };
    let errors = [&off(-1.0)[..], &off(1.0)];
    let band = drawing.area(&curve.times, errors, Color::Muted, ERRORS);
    plot.bands.push(band);
    plot.lines
        .push(drawing.line(&curve.times, &curve.mean, REST));
    plot
}

fn caption(run: &RecordedRun<'_>, shown: &[&DynamicsSummary]) -> String {
    let mut caption = String::from(
        "Means over trajectories. A step of a descent is a matrix from the left of Θ, so that it changes log det M by \
         2 log|det(I − η²GᵀG)|, G its gradient. The mean of that, given the weights, is −2η²|A|² of the full gradient A, \
         −2η² times the variance that label noise adds to the gradient, the same for the choice of rows, and what is of \
         higher order in η; added up along every path. What is left is a martingale, zero on average.",
    );
    for one in shown {
        caption.extend(sentence(run, one));
    }
    caption
}

/// The account at the end in numbers.
fn sentence(run: &RecordedRun<'_>, one: &DynamicsSummary) -> Option<String> {
    let log_det = one.log_det.as_ref()?;
    let change = log_det.final_mean? - log_det.initial?;
    let terms: Vec<String> = PARTS
        .iter()
        .filter_map(|part| {
            let at_end = values(run, one, part)?.last().copied().flatten()?;
            Some(format!("{} {}", part.name, significant(at_end, 3)))
        })
        .collect();
    let left = part_of(run, one, LEFT)?;
    let mean = left.end()?;
    let error = match left.std_error.last().copied().flatten() {
        Some(error) => format!(" ± {}", significant(error, 1)),
        None => String::new(),
    };
    Some(format!(
        " {}: log det M changed by {}, that is {}; left are {}{error}.",
        name(one),
        compact(change, 5),
        terms.join(", "),
        significant(mean, 2),
    ))
}

//! The figure to show first: log det M over time, and the singular values that pay for it.

use crate::figures::curves::{Bands, CurveDrawing, CurveValues, Middle, has_law};
use crate::figures::recorded_run::{Figure, RecordedRun, THETA, determinant_name, evenly, name};
use crate::figures::style::{LAW, SLOW_FLOW, is_noisy};
use crate::font;
use crate::frame::SMALL;
use crate::legend::LegendEntry;
use crate::number::{compact, significant, subscript};
use crate::plot::{Marker, Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Scene, Stroke};
use crate::series::Curve;
use crate::sheet::{Sharing, Sheet, SkipReason};
use crate::symbol::Symbol;

/// Up to this many singular values are all followed.
const ALL: usize = 8;
/// Of more than [`ALL`] the largest so many, and the smallest.
const LARGEST: usize = 5;
/// Up to this many dynamics share a panel of singular values.
const MOST_TOGETHER: usize = 3;
/// Discs along each line of a dynamics with noise, to tell it from those without where there is no
/// colour.
const DISCS: usize = 5;
/// The widest name of a dynamics in the legend, before its parameters.
const WIDEST_NAME: f64 = 330.0;

/// log det M for every dynamics, its law over it; singular values without and with noise.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Figure {
    let (_, layer) = run.falling_layer();
    Figure {
        name: "seed",
        title: "What gradient noise does to rank".into(),
        caption: caption(run, layer),
        look_for: "On the left, measured lines should run under their dashed laws. On the right, values that keep \
                   falling vanish, exponentially where the line is straight over a linear time axis; those that stay \
                   are the rank that remains.",
        outcome: scene(run, layer),
    }
}

fn scene(run: &RecordedRun<'_>, layer: &str) -> Result<Scene, SkipReason> {
    let mut plots = vec![determinant_plot(run)];
    for (noise, words) in [(false, "without noise"), (true, "with noise")] {
        plots.push(singular_value_plot(run, layer, noise, words));
    }
    let mut legend: Vec<LegendEntry> = run.dynamics().map(entry).collect();
    if has_law(&plots[..1]) {
        let rate = run.summary.problem.law_rate();
        let words = format!("law: log det M(0) − {rate} t");
        legend.push(LegendEntry::line(words, LAW));
    }
    if has_law(&plots[1..]) {
        legend.push(LegendEntry::line(SLOW_FLOW, LAW));
    }
    legend.extend(drawing(run, CurveValues::Logarithms).band_entry(&plots));
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    let notes = run.notes(&notes(run, layer));
    Sheet {
        title: "What gradient noise does to rank".into(),
        subtitle: run.origin(),
        description: format!(
            "Left: the logarithm of the determinant over time for every dynamics. Right of it: singular values of {layer} \
             without and with gradient noise, on one logarithmic axis."
        ),
        plots,
        columns: shown,
        sharing: Sharing::Alike,
        legend,
    }
    .draw_with_notes(&notes)
}

/// A dynamics in the legend, with the parameters of its noise.
fn entry((one, pen): (&DynamicsSummary, Stroke)) -> LegendEntry {
    let name = font::fit(name(one), SMALL, false, WIDEST_NAME);
    let noise = if one.noise_intensity > 0.0 {
        let delta = match one.label_noise > 0.0 {
            true => format!("δ = {}, ", compact(one.label_noise, 3)),
            false => String::new(),
        };
        let nu = compact(one.noise_intensity, 3);
        format!(": η = {}, {delta}ν = {nu}", compact(one.step_size, 3))
    } else {
        String::new()
    };
    LegendEntry {
        symbol: is_noisy(one).then(|| Symbol::disc(pen.color, true)),
        ..LegendEntry::line(format!("{name}{noise}"), pen)
    }
}

/// What the symbols mean, and what is not drawn.
fn notes(run: &RecordedRun<'_>, layer: &str) -> Vec<String> {
    let mut notes = vec![THETA.to_owned()];
    if run.dynamics().any(|(one, _)| is_noisy(one)) {
        notes.push("Lines with discs have noise.".into());
    }
    let places = followed(most_parts(run));
    if most_parts(run) > places.len() {
        notes.push(format!(
            "Of the {} singular values of {layer} the largest {LARGEST} and the smallest are drawn.",
            most_parts(run)
        ));
    }
    let untold: Vec<&str> = [false, true]
        .into_iter()
        .flat_map(|noise| of_sort(run, noise).skip(MOST_TOGETHER))
        .map(|(one, _)| name(one))
        .collect();
    if !untold.is_empty() {
        let file = format!("singular_values_w{}", run.falling_layer().0);
        notes.push(format!(
            "On the left alone, with singular values in the figure {file}: {}.",
            untold.join(", ")
        ));
    }
    notes
}

fn drawing(run: &RecordedRun<'_>, values: CurveValues) -> CurveDrawing {
    // The wider bands of five neighbouring singular values would cover one another.
    run.drawing(values, Middle::Median, Bands::Narrow)
}

fn determinant_plot(run: &RecordedRun<'_>) -> Plot {
    let symbol = run
        .summary
        .dynamics
        .first()
        .map_or("log det M", determinant_name);
    let side = Side::new(CurveValues::Plain.scale(), format!("{symbol}(t)"));
    let title = if symbol == "log det M" {
        "Determinant of M = ΘΘᵀ"
    } else {
        "Determinant of ΘᵀΘ"
    };
    let mut plot = Plot::new(title, run.time.side(), side);
    let bands = Bands::quartiles_among(run.summary.dynamics.len());
    let drawing = CurveDrawing {
        bands,
        ..drawing(run, CurveValues::Plain)
    };
    let curves: Vec<_> = run
        .dynamics()
        .filter_map(|(d, pen)| {
            let curve = run.table.curve(&d.label, "log_det", 0)?;
            Some((is_noisy(d), curve, pen))
        })
        .collect();
    for (rank, (noisy, curve, pen)) in curves.iter().enumerate() {
        drawing.add(&mut plot, curve, *pen, None);
        add_discs(&mut plot, *noisy, rank % MOST_TOGETHER);
    }
    for (_, curve, _) in &curves {
        drawing.add_law(&mut plot, curve);
    }
    plot
}

fn singular_value_plot(run: &RecordedRun<'_>, layer: &str, noise: bool, words: &str) -> Plot {
    let side = Side::new(
        CurveValues::Logarithms.scale(),
        format!("singular values of {layer}"),
    );
    let title = format!("{} of {layer}, {words}", range(most_parts(run)));
    let mut plot = Plot::new(title, run.time.side(), side);
    let drawing = drawing(run, CurveValues::Logarithms);
    for (rank, (one, pen)) in of_sort(run, noise).take(MOST_TOGETHER).enumerate() {
        let pen = Stroke {
            width: pen.width.min(2.0),
            ..pen
        };
        for (index, curve) in followed_parts(run, one) {
            // One dynamics of a panel is named: names of the others would stand on the same places.
            let label = (rank == 0).then(|| format!("σ{}", subscript(index as usize)));
            drawing.add(&mut plot, curve, pen, label);
            add_discs(&mut plot, noise, rank);
        }
    }
    // Predictions of one dynamics: those of the others lie beside them, and would hide what was
    // measured.
    let predicted =
        of_sort(run, noise).find(|(one, _)| parts(run, one).iter().any(|(_, c)| c.has_law()));
    if let Some((one, _)) = predicted {
        for (_, curve) in followed_parts(run, one) {
            drawing.add_law(&mut plot, curve);
        }
    }
    plot
}

/// Discs along the line added last, where it has noise; those of the `rank`-th dynamics between
/// those of the one before.
fn add_discs(plot: &mut Plot, noisy: bool, rank: usize) {
    let Some(line) = plot.lines.last().filter(|_| noisy) else {
        return;
    };
    let symbol = Symbol::disc(line.stroke.color, true);
    let count = line.places.len();
    let shift = rank * count / (DISCS * (MOST_TOGETHER + 1));
    let places = evenly(count, DISCS).map(|place| (place + shift).min(count - 1));
    let marks = places.filter_map(|place| {
        let at = line.places[place]?;
        Some(Marker { at, symbol })
    });
    plot.marks.extend(marks);
}

/// The dynamics with or without noise, with their pens.
fn of_sort<'a>(
    run: &RecordedRun<'a>,
    noise: bool,
) -> impl Iterator<Item = (&'a DynamicsSummary, Stroke)> {
    run.dynamics()
        .filter(move |(one, _)| is_noisy(one) == noise)
}

/// The singular values of the layer with their indices, from the largest.
fn parts<'a>(run: &RecordedRun<'a>, one: &DynamicsSummary) -> Vec<(u32, &'a Curve)> {
    let observable = ("log_singular_value", run.falling_layer().0);
    run.table.parts(&one.label, observable).collect()
}

/// Those that are followed.
fn followed_parts<'a>(run: &RecordedRun<'a>, one: &DynamicsSummary) -> Vec<(u32, &'a Curve)> {
    let parts = parts(run, one);
    let followed = followed(parts.len()).into_iter();
    followed.map(|place| parts[place]).collect()
}

fn most_parts(run: &RecordedRun<'_>) -> usize {
    let counts = run.dynamics().map(|(one, _)| parts(run, one).len());
    counts.max().unwrap_or(0)
}

/// The positions that are followed of `count` singular values.
fn followed(count: usize) -> Vec<usize> {
    if count <= ALL {
        return (0..count).collect();
    }
    (0..LARGEST).chain([count - 1]).collect()
}

/// Which singular values are followed, as the title of a panel: "σ₁ … σ₅ and σ₆₄".
fn range(count: usize) -> String {
    let sigma = |i: usize| format!("σ{}", subscript(i));
    match count {
        0 | 1 => sigma(1),
        count if count <= ALL => format!("σ₁ … {}", sigma(count)),
        count => format!("σ₁ … {} and {}", sigma(LARGEST), sigma(count)),
    }
}

/// The dynamics whose noise is shown: the stochastic flow where there is one.
fn noisy<'a>(run: &RecordedRun<'a>) -> Option<&'a DynamicsSummary> {
    let all = &run.summary.dynamics;
    let flow = all
        .iter()
        .find(|d| d.kind == "stochastic-gradient-flow" && is_noisy(d));
    flow.or_else(|| all.iter().find(|d| is_noisy(d)))
        .or_else(|| all.iter().find(|d| d.kind == "sgd"))
}

/// The dynamics it is held against: gradient flow where there is one.
fn quiet<'a>(run: &RecordedRun<'a>) -> Option<&'a DynamicsSummary> {
    let of_kind = |kind: &str| run.summary.dynamics.iter().find(|d| d.kind == kind);
    of_kind("gradient-flow").or_else(|| of_kind("gradient-descent"))
}

fn caption(run: &RecordedRun<'_>, layer: &str) -> String {
    let mut sentences = vec![format!(
        "Left, the logarithm of the determinant over time; right of it, {} of {layer} without and with noise, on one \
         logarithmic axis.",
        range(most_parts(run)),
    )];
    sentences.extend(quiet(run).and_then(quiet_sentence));
    sentences.extend(noisy(run).and_then(|one| noisy_sentence(run, one)));
    let law = |d: &DynamicsSummary| d.log_det.as_ref().and_then(|log_det| log_det.law_final);
    let lawless = |d: &DynamicsSummary| law(d).is_none();
    if run.summary.dynamics.iter().any(lawless) {
        sentences
            .push("Dynamics without a dashed line have no exact law for this determinant.".into());
    }
    sentences.join(" ")
}

fn quiet_sentence(one: &DynamicsSummary) -> Option<String> {
    let log_det = one.log_det.as_ref()?;
    let (start, end) = (log_det.initial?, log_det.final_mean?);
    let symbol = determinant_name(one);
    Some(format!(
        "Under {} {symbol} goes from {} to {}.",
        name(one),
        significant(start, 4),
        significant(end, 4)
    ))
}

fn noisy_sentence(run: &RecordedRun<'_>, one: &DynamicsSummary) -> Option<String> {
    let log_det = one.log_det.as_ref()?;
    let (start, end) = (log_det.initial?, log_det.final_mean?);
    let spread = log_det
        .final_std
        .map_or(String::new(), |std| format!(" ± {}", significant(std, 2)));
    let symbol = determinant_name(one);
    let measured = format!(
        "Under {} it goes from {} to {}{spread}",
        name(one),
        significant(start, 4),
        significant(end, 4)
    );
    let Some((law, trace)) = log_det.law_final.zip(run.summary.problem.trace_sxx) else {
        return Some(format!("{measured}."));
    };
    if run.summary.problem.loss != "squared" {
        return Some(format!(
            "{measured}, where the law, {symbol} falling by 2νm per unit of time on every path, says {}.",
            significant(law, 4)
        ));
    }
    let rate = 2.0 * one.noise_intensity * run.summary.problem.outputs as f64 * trace;
    Some(format!(
        "{measured}, where the law, {symbol} falling by 2νk tr(S) = {} per unit of time on every path, says {}.",
        significant(rate, 4),
        significant(law, 4),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_few_singular_values_are_followed_and_of_many_the_largest_five_and_the_smallest() {
        assert_eq!(followed(5), [0, 1, 2, 3, 4]);
        assert_eq!(followed(8), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(followed(64), [0, 1, 2, 3, 4, 63]);
        assert_eq!(range(8), "σ₁ … σ₈");
        assert_eq!(range(64), "σ₁ … σ₅ and σ₆₄");
        assert!(followed(0).is_empty());
    }
}

//! The figure to show first: log det M over time, and the singular values that pay for it.

use crate::figures::curves::{Bands, Drawing, Middle, Values};
use crate::figures::style::LAW;
use crate::figures::{Figure, Run, determinant_name, evenly, is_noisy, name};
use crate::legend::Entry;
use crate::number::{significant, subscript};
use crate::plot::{Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Scene, Stroke};
use crate::sheet::{Sharing, Sheet, Skipped};

/// How many singular values the right panel follows, from the largest to the smallest.
const FOLLOWED: usize = 5;

/// log det M for every dynamics, its law over it; singular values without and with noise.
#[must_use]
pub fn figure(run: &Run<'_>) -> Figure {
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

fn scene(run: &Run<'_>, layer: &str) -> Result<Scene, Skipped> {
    let plots = vec![determinant_plot(run), singular_value_plot(run, layer)];
    let mut legend = run.legend();
    let lawful = plots[0].lines.iter().any(|l| l.stroke == LAW);
    if lawful {
        legend.push(Entry::line("law: log det M(0) − 2νk tr(S) t", LAW));
    }
    legend.extend(drawing(run, Values::Logarithms).band_entry(&plots));
    Sheet {
        title: "What gradient noise does to rank".into(),
        subtitle: run.origin(),
        description: format!(
            "Left: the logarithm of the determinant over time for every dynamics. Right: singular values of {layer} \
             without and with gradient noise, on a logarithmic axis."
        ),
        plots,
        columns: 2,
        sharing: Sharing::Own,
        legend,
    }
    .draw()
}

fn drawing(run: &Run<'_>, values: Values) -> Drawing {
    Drawing {
        time: run.time,
        values,
        middle: Middle::Median,
        // The wider bands of five neighbouring singular values would cover one another.
        bands: Bands::Narrow,
    }
}

fn determinant_plot(run: &Run<'_>) -> Plot {
    let symbol = run
        .summary
        .dynamics
        .first()
        .map_or("log det M", determinant_name);
    let side = Side::new(Values::Plain.scale(), format!("{symbol}(t)"));
    let title = if symbol == "log det M" {
        "Determinant of M = ΘΘᵀ"
    } else {
        "Determinant of ΘᵀΘ"
    };
    let mut plot = Plot::new(title, run.time.side(), side);
    let bands = Bands::quartiles_among(run.summary.dynamics.len());
    let drawing = Drawing {
        bands,
        ..drawing(run, Values::Plain)
    };
    let curves: Vec<_> = run
        .dynamics()
        .filter_map(|(d, pen)| Some((run.table.curve(&d.label, "log_det", 0)?, pen)))
        .collect();
    for (curve, pen) in &curves {
        drawing.add(&mut plot, curve, *pen, None);
    }
    for (curve, _) in &curves {
        drawing.add_law(&mut plot, curve);
    }
    plot
}

fn singular_value_plot(run: &Run<'_>, layer: &str) -> Plot {
    let observable = format!("log_singular_value_{}", run.falling_layer().0);
    let side = Side::new(
        Values::Logarithms.scale(),
        format!("singular values of {layer}"),
    );
    let mut plot = Plot::new(format!("Singular values of {layer}"), run.time.side(), side);
    let shown = [quiet(run), noisy(run)];
    // Only the falling ones are named: the others lie so close that names would collide.
    let named = shown.iter().flatten().last().map(|d| &d.label);
    for (one, pen) in run.dynamics() {
        if !shown.iter().flatten().any(|d| d.label == one.label) {
            continue;
        }
        let pen = Stroke { width: 2.0, ..pen };
        let parts: Vec<_> = run.table.parts(&one.label, &observable).collect();
        // It is the small ones that noise makes fall.
        for (index, curve) in evenly(parts.len(), FOLLOWED).map(|place| parts[place]) {
            let label = format!("σ{}", subscript(index as usize));
            let label = (named == Some(&one.label)).then_some(label);
            drawing(run, Values::Logarithms).add(&mut plot, curve, pen, label);
        }
    }
    plot
}

/// The dynamics whose noise is shown: the stochastic flow where there is one.
fn noisy<'a>(run: &Run<'a>) -> Option<&'a DynamicsSummary> {
    let all = &run.summary.dynamics;
    let flow = all
        .iter()
        .find(|d| d.kind == "stochastic-gradient-flow" && is_noisy(d));
    flow.or_else(|| all.iter().find(|d| is_noisy(d)))
        .or_else(|| all.iter().find(|d| d.kind == "sgd"))
}

/// The dynamics it is held against: gradient flow where there is one.
fn quiet<'a>(run: &Run<'a>) -> Option<&'a DynamicsSummary> {
    let of_kind = |kind: &str| run.summary.dynamics.iter().find(|d| d.kind == kind);
    of_kind("gradient-flow").or_else(|| of_kind("gradient-descent"))
}

fn caption(run: &Run<'_>, layer: &str) -> String {
    let shown: Vec<&str> = [quiet(run), noisy(run)]
        .into_iter()
        .flatten()
        .map(name)
        .collect();
    let mut sentences = vec![format!(
        "Left, the logarithm of the determinant over time; right, singular values of {layer} (at most {FOLLOWED}, from \
         the largest to the smallest) under {}, on a logarithmic axis.",
        shown.join(" and under "),
    )];
    sentences.extend(quiet(run).and_then(quiet_sentence));
    sentences.extend(noisy(run).and_then(|one| noisy_sentence(run, one)));
    let lawless = |d: &DynamicsSummary| d.log_det.law_final.is_none();
    if run.summary.dynamics.iter().any(lawless) {
        sentences
            .push("Dynamics without a dashed line have no exact law for this determinant.".into());
    }
    sentences.join(" ")
}

fn quiet_sentence(one: &DynamicsSummary) -> Option<String> {
    let (start, end) = (one.log_det.initial?, one.log_det.final_mean?);
    let symbol = determinant_name(one);
    Some(format!(
        "Under {} {symbol} goes from {} to {}.",
        name(one),
        significant(start, 4),
        significant(end, 4)
    ))
}

fn noisy_sentence(run: &Run<'_>, one: &DynamicsSummary) -> Option<String> {
    let (start, end) = (one.log_det.initial?, one.log_det.final_mean?);
    let spread = one
        .log_det
        .final_std
        .map_or(String::new(), |std| format!(" ± {}", significant(std, 2)));
    let symbol = determinant_name(one);
    let measured = format!(
        "Under {} it goes from {} to {}{spread}",
        name(one),
        significant(start, 4),
        significant(end, 4)
    );
    let Some(law) = one.log_det.law_final else {
        return Some(format!("{measured}."));
    };
    let rate = 2.0
        * one.noise_intensity
        * run.summary.problem.outputs as f64
        * run.summary.problem.trace_sxx;
    Some(format!(
        "{measured}, where the law, {symbol} falling by 2νk tr(S) = {} per unit of time on every path, says {}.",
        significant(rate, 4),
        significant(law, 4),
    ))
}

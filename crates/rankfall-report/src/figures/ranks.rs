//! Three notions of rank over time, of the layer that loses it and of the product.

use crate::figures::curves::{Bands, Drawing, Middle, Values};
use crate::figures::{Figure, Run, capitalised, name};
use crate::number::compact;
use crate::plot::{Plot, Side};
use crate::record::{DynamicsSummary, RankSummary};
use crate::scene::Scene;
use crate::sheet::{Sharing, Sheet, Skipped};

const NOTIONS: [(&str, &str); 3] = [
    ("numerical_rank", "numerical rank"),
    ("effective_rank", "effective rank"),
    ("stable_rank", "stable rank"),
];

/// Numerical, effective and stable rank.
#[must_use]
pub fn figure(run: &Run<'_>) -> Figure {
    let (_, symbol) = run.falling_layer();
    Figure {
        name: "ranks",
        title: "Rank over time, by three measures".into(),
        caption: caption(run, symbol),
        look_for: "The numerical rank falls in steps, one singular value at a time, and depends on its tolerance; the \
                   other two fall smoothly. Upper row: the layer. Lower row: what the network computes.",
        outcome: scene(run),
    }
}

fn scene(run: &Run<'_>) -> Result<Scene, Skipped> {
    let drawing = Drawing {
        time: run.time,
        values: Values::Ranks,
        middle: Middle::Mean,
        bands: Bands::quartiles_among(run.summary.dynamics.len()),
    };
    let mut plots = Vec::new();
    for (matrix, symbol) in [run.falling_layer(), ("product", "W₁W₂")] {
        for (observable, words) in NOTIONS {
            plots.push(plot(
                run,
                &drawing,
                &format!("{observable}_{matrix}"),
                &format!("{words} of {symbol}"),
                symbol,
            ));
        }
    }
    let mut legend = run.legend();
    legend.extend(drawing.band_entry(&plots));
    Sheet {
        title: "Rank over time, by three measures".into(),
        subtitle: run.origin(),
        description: "Numerical, effective and stable rank of a layer and of the product, for every dynamics.".into(),
        plots,
        columns: 3,
        sharing: Sharing::Rows,
        legend,
    }
    .draw_with_notes(&run.notes(&[]))
}

fn plot(run: &Run<'_>, drawing: &Drawing, observable: &str, title: &str, symbol: &str) -> Plot {
    let side = Side::new(drawing.values.scale(), format!("rank of {symbol}"));
    let mut plot = Plot::new(capitalised(title), run.time.side(), side);
    // Quantiles of whole numbers jump; their bands would be blocks that hide one another.
    let whole = observable.starts_with("numerical");
    let bands = if whole { Bands::None } else { drawing.bands };
    let drawing = Drawing { bands, ..*drawing };
    for (one, pen) in run.dynamics() {
        if let Some(curve) = run.table.curve(&one.label, observable, 0) {
            drawing.add(&mut plot, curve, pen, None);
        }
    }
    plot
}

fn caption(run: &Run<'_>, symbol: &str) -> String {
    let tolerance = run
        .summary
        .dynamics
        .iter()
        .find_map(|d| d.numerical_rank.tolerance);
    let mut caption = format!(
        "Numerical rank (singular values above {} of the largest), effective rank (exponential of the entropy of the \
         normalised singular values) and stable rank (Σσᵢ²/σ₁²).",
        tolerance.map_or_else(|| "the tolerance".into(), |t| compact(t, 2)),
    );
    for one in &run.summary.dynamics {
        caption.extend(sentence(run, one, symbol));
    }
    caption
}

fn sentence(run: &Run<'_>, one: &DynamicsSummary, symbol: &str) -> Option<String> {
    let of = |rank: &RankSummary| {
        let scalar = if run.falling_layer().0 == "w1" {
            &rank.w1
        } else {
            &rank.w2
        };
        Some((scalar.initial?, scalar.final_mean?))
    };
    let (start, end) = of(&one.numerical_rank)?;
    let effective = of(&one.effective_rank).map_or_else(String::new, |(start, end)| {
        format!(
            ", the effective from {} to {}",
            compact(start, 3),
            compact(end, 3)
        )
    });
    Some(format!(
        " Under {} the numerical rank of {symbol} goes from {} to {}{effective}.",
        name(one),
        compact(start, 3),
        compact(end, 3),
    ))
}

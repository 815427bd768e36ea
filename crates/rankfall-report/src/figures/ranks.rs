//! Notions of rank over time: of layers, of what the network computes, of features and Jacobian.

use crate::figures::curves::{Bands, CurveValues, Middle};
use crate::figures::recorded_run::{
    Figure, RecordedRun, capitalised, falling_layer, matrix_symbol, name,
};
use crate::number::compact;
use crate::plot::Plot;
use crate::record::{DynamicsSummary, MatrixSummary, Summary, weights_name};

/// Layers whose ranks are drawn.
const MOST_LAYERS: usize = 7;
/// Layers of features whose ranks are drawn.
const MOST_FEATURES: usize = 4;
/// Of so many matrices all three notions are drawn, of more the first two.
const FEW: usize = 2;
const NOTIONS: [&str; 3] = ["numerical_rank", "effective_rank", "stable_rank"];

/// Numerical, effective and stable rank.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Figure {
    let title = "Rank over time";
    let bands = Bands::quartiles_among(run.summary.dynamics.len());
    let drawing = run.drawing(CurveValues::Ranks, Middle::Mean, bands);
    // Quantiles of whole numbers jump; their bands would be blocks that hide one another.
    let bare = run.drawing(CurveValues::Ranks, Middle::Mean, Bands::None);
    let shares = run.drawing(CurveValues::Plain, Middle::Mean, bands);
    let matrices = matrices(run.summary);
    let notions = if matrices.len() <= FEW { 3 } else { 2 };
    let mut plots: Vec<Plot> = Vec::new();
    for matrix in &matrices {
        let symbol = matrix_symbol(matrix, &run.summary.problem);
        for notion in &NOTIONS[..notions] {
            let title = capitalised(&format!("{} of {symbol}", notion.replace('_', " ")));
            let drawing = if *notion == NOTIONS[0] {
                &bare
            } else {
                &drawing
            };
            let label = format!("rank of {symbol}");
            plots.push(run.plot(&title, &label, drawing, &matrix.observable(notion), 0));
        }
    }
    for matrix in matrices.iter().filter(|m| m.name == "features") {
        let title = format!(
            "Active share, {}",
            matrix_symbol(matrix, &run.summary.problem)
        );
        let of = matrix.observable("active_share");
        plots.push(run.plot(&title, "share of units not zero", &shares, &of, 0));
    }
    let columns = match (notions, plots.len()) {
        (3, _) => 3,
        (_, 0..=4) => 2,
        _ => 4,
    };
    Figure {
        name: "ranks",
        title: title.into(),
        caption: caption(run, &matrices, notions),
        look_for: "The numerical rank falls in steps, one singular value at a time, and depends on its tolerance; others \
                   fall smoothly. Which layer loses rank, and whether what the network computes does too: weights can \
                   lose rank that the function never used.",
        outcome: run.sheet(
            [title, "Notions of rank over time, for every dynamics."],
            plots,
            columns,
            &drawing,
            &[],
        ),
    }
}

/// Whose ranks are shown: of two layers the one that loses rank and the product, of others all that
/// can.
#[must_use]
pub fn matrices(summary: &Summary) -> Vec<&MatrixSummary> {
    let all = summary.dynamics.first().map_or(&[][..], |d| &d.matrices);
    if let Some((layer, _)) = falling_layer(summary) {
        let shown = [weights_name(layer), "product".to_owned()];
        return all.iter().filter(|m| shown.contains(&m.name)).collect();
    }
    let widths = &summary.problem.layers;
    let (mut layers, mut features) = (0, 0);
    let wanted = |m: &&MatrixSummary| match m.layer.map(|j| j as usize) {
        Some(_) if m.name == "features" => {
            features += 1;
            features <= MOST_FEATURES
        }
        // A layer with one input or one output has rank 1, whatever happens.
        Some(j)
            if widths
                .get(j.wrapping_sub(1)..=j)
                .is_some_and(|w| w.contains(&1)) =>
        {
            false
        }
        Some(_) => {
            layers += 1;
            layers <= MOST_LAYERS
        }
        None => true,
    };
    all.iter().filter(wanted).collect()
}

fn caption(run: &RecordedRun<'_>, matrices: &[&MatrixSummary], notions: usize) -> String {
    let tolerance = matrices.first().and_then(|m| m.numerical_rank.tolerance);
    let mut caption = format!(
        "Numerical rank: singular values above {} of the largest. Effective rank: exponential of the entropy of the \
         normalised singular values.",
        match (&run.summary.monitor, tolerance) {
            (Some(_), _) =>
                "max(rows, columns) · ε of the precision of storage, relative to the size".into(),
            (None, Some(t)) => compact(t, 2),
            (None, None) => "the tolerance".into(),
        },
    );
    if notions == 3 {
        caption.push_str(" Stable rank: Σσᵢ²/σ₁².");
    }
    for one in &run.summary.dynamics {
        caption.extend(sentence(run, one, matrices));
    }
    caption
}

/// How the ranks of the first few of these changed.
fn sentence(
    run: &RecordedRun<'_>,
    one: &DynamicsSummary,
    shown: &[&MatrixSummary],
) -> Option<String> {
    let part = |shown: &&MatrixSummary| {
        let rank = one.like(shown)?.numerical_rank.rank;
        let (start, end) = (compact(rank.initial?, 3), compact(rank.final_mean?, 3));
        let symbol = matrix_symbol(shown, &run.summary.problem);
        Some(format!("of {symbol} from {start} to {end}"))
    };
    let parts: Vec<String> = shown.iter().take(3).filter_map(part).collect();
    let name = name(one);
    (!parts.is_empty()).then(|| {
        format!(
            " Under {name} the numerical rank goes {}.",
            parts.join(", ")
        )
    })
}

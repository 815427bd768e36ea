//! What a run was asked to measure besides: neurons, alignment with the teacher, sharpness.

use crate::figures::curves::{Bands, CurveValues, Middle};
use crate::figures::recorded_run::{Figure, RecordedRun, capitalised};
use crate::plot::Plot;

/// Hidden layers whose neurons are drawn.
const MOST_LAYERS: u32 = 2;

/// Scalars: observable, title, what the axis says, whether on a logarithmic scale.
const SCALARS: [(&str, &str, &str, bool); 4] = [
    (
        "teacher_alignment_inputs",
        "Map and teacher, inputs",
        "alignment",
        false,
    ),
    (
        "teacher_alignment_outputs",
        "Map and teacher, outputs",
        "alignment",
        false,
    ),
    (
        "sharpness",
        "Sharpness",
        "largest eigenvalue of the Hessian",
        true,
    ),
    (
        "hessian_trace",
        "Trace of the Hessian",
        "sum of its eigenvalues",
        true,
    ),
];

/// Neurons, alignment and sharpness over time; none where a run measured none of them.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    let bands = Bands::quartiles_among(run.summary.dynamics.len());
    let of = |values| run.drawing(values, Middle::Mean, bands);
    let counts = run.drawing(CurveValues::Ranks, Middle::Mean, Bands::None);
    let (plain, positive) = (of(CurveValues::Plain), of(CurveValues::Positive));
    let layers = run.summary.problem.layers.len() as u32;
    let mut plots: Vec<Plot> = Vec::new();
    for layer in 1..layers.saturating_sub(1).min(MOST_LAYERS + 1) {
        for kind in ["distinct", "vanished", "duplicate"] {
            let title = format!("{kind} neurons of layer {layer}");
            let title = capitalised(&title);
            let observable = format!("{kind}_neurons");
            plots.push(run.plot(&title, "neurons", &counts, (observable.as_str(), layer), 0));
        }
    }
    // Where there is one output, everything looks its way.
    let has_outputs = run.summary.problem.layers.last().is_some_and(|k| *k > 1);
    for layer in [1, layers.saturating_sub(1)] {
        if layer > 1 && !has_outputs {
            continue;
        }
        let title = format!("Teacher's share of layer {layer}");
        plots.push(run.plot(&title, "share of |W|²", &plain, ("teacher_share", layer), 0));
    }
    for (observable, title, label, is_log) in SCALARS {
        if observable == "teacher_alignment_outputs" && !has_outputs {
            continue;
        }
        let drawing = if is_log { &positive } else { &plain };
        plots.push(run.plot(title, label, drawing, observable, 0));
    }
    plots.retain(|plot| !plot.is_blank());
    if plots.is_empty() {
        return None;
    }
    let title = "Neurons, alignment and sharpness";
    let columns = crate::figures::style::columns(plots.len());
    Some(Figure {
        name: "structure",
        title: title.into(),
        caption: "Distinct neurons are those that have neither vanished (size, |weights in| · |weights out|, below a \
                  hundredth of the largest) nor point the way another does (cosine above 0.999). Alignment with the \
                  teacher is that of leading singular subspaces, 1 where they are the same."
            .into(),
        look_for: "Which dynamics leave a smaller network inside the network, whether layers come to look where the \
                   teacher looks, and whether the loss becomes flatter as they do.",
        outcome: run.sheet(
            [title, "What the run measured besides spectra and losses, over time."],
            plots,
            columns,
            &plain,
            &[],
        ),
    })
}

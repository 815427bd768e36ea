//! Loss, loss above the optimum, and loss on fresh samples over time.

use crate::figures::curves::{Bands, Drawing, Middle, Values};
use crate::figures::{Figure, Run, name};
use crate::number::{or_dash, significant};
use crate::plot::{Plot, Side};
use crate::scene::Scene;
use crate::sheet::{Sharing, Sheet, Skipped};

const LOSSES: [(&str, &str, &str); 3] = [
    ("loss", "Training loss", "|Y − X W₁W₂|² / (2n)"),
    ("excess_loss", "Excess loss", "loss − least-squares optimum"),
    (
        "population_loss",
        "Population loss",
        "expected loss on a fresh sample",
    ),
];

/// Every loss that the run recorded.
#[must_use]
pub fn figure(run: &Run<'_>) -> Figure {
    let mut caption = format!(
        "The least-squares optimum has loss {}.",
        significant(run.summary.problem.loss_floor, 3)
    );
    for one in &run.summary.dynamics {
        caption.push_str(&format!(
            " {}: excess loss {} → {}.",
            name(one),
            or_dash(one.excess_loss.initial, 2),
            or_dash(one.excess_loss.final_mean, 2),
        ));
    }
    Figure {
        name: "loss",
        title: "Loss over time".into(),
        caption,
        look_for: "All dynamics fit the data equally fast at first. Without noise the excess keeps falling; with noise it \
                   settles at a level set by ν, and the weights go on moving while the loss stands still.",
        outcome: scene(run),
    }
}

fn scene(run: &Run<'_>) -> Result<Scene, Skipped> {
    let bands = if run.summary.dynamics.len() > 2 {
        Bands::Narrow
    } else {
        Bands::Both
    };
    let drawing = Drawing {
        time: run.time,
        values: Values::Positive,
        middle: Middle::Median,
        bands,
    };
    let plots: Vec<Plot> = LOSSES
        .iter()
        .map(|loss| plot(run, &drawing, loss))
        .collect();
    let mut legend = run.legend();
    legend.extend(drawing.band_entry(&plots));
    Sheet {
        title: "Loss over time".into(),
        subtitle: run.origin(),
        description: "The losses of every dynamics over time, on logarithmic axes.".into(),
        columns: plots.iter().filter(|p| !p.is_blank()).count(),
        plots,
        sharing: Sharing::Own,
        legend,
    }
    .draw()
}

fn plot(run: &Run<'_>, drawing: &Drawing, (observable, title, label): &(&str, &str, &str)) -> Plot {
    let mut plot = Plot::new(
        *title,
        run.time.side(),
        Side::new(drawing.values.scale(), *label),
    );
    for (one, pen) in run.dynamics() {
        if let Some(curve) = run.table.curve(&one.label, observable, 0) {
            drawing.add(&mut plot, curve, pen, None);
        }
    }
    plot
}

//! Loss, loss above the optimum, and loss on fresh samples over time.

use crate::figures::curves::{
    BELOW_ROUNDING, Bands, Drawing, Middle, Values, above, reaches_rounding, rounding_floor,
};
use crate::figures::{Figure, Run, name};
use crate::number::significant;
use crate::plot::{Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Scene, Stroke};
use crate::series::Curve;
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
        caption.extend(sentence(one));
    }
    Figure {
        name: "loss",
        title: "Loss over time".into(),
        caption,
        look_for: "Without noise the excess should fall until rounding stops it. With noise it should settle at a \
                   level set by ν, while the weights go on moving.",
        outcome: scene(run),
    }
}

fn sentence(one: &DynamicsSummary) -> Option<String> {
    let (start, end) = (one.excess_loss.initial?, one.excess_loss.final_mean?);
    let (start, end) = (significant(start, 2), significant(end, 2));
    Some(format!(
        " Under {} the mean excess goes from {start} to {end}.",
        name(one)
    ))
}

fn scene(run: &Run<'_>) -> Result<Scene, Skipped> {
    let bands = Bands::among(run.summary.dynamics.len());
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
    let rounding = LOSSES
        .iter()
        .any(|(observable, ..)| some_below_rounding(run, observable))
        .then_some(BELOW_ROUNDING);
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
    .draw_with_notes(&run.notes(rounding.as_slice()))
}

/// The curves of a loss with their pens, and where rounding begins for them.
fn curves<'a>(run: &Run<'a>, observable: &str) -> (Vec<(&'a Curve, Stroke)>, f64) {
    let curves: Vec<_> = run
        .dynamics()
        .filter_map(|(one, pen)| Some((run.table.curve(&one.label, observable, 0)?, pen)))
        .collect();
    let floor = rounding_floor(curves.iter().map(|(curve, _)| *curve));
    (curves, floor)
}

fn some_below_rounding(run: &Run<'_>, observable: &str) -> bool {
    let (curves, floor) = curves(run, observable);
    curves
        .iter()
        .any(|(curve, _)| reaches_rounding(curve, floor))
}

fn plot(run: &Run<'_>, drawing: &Drawing, (observable, title, label): &(&str, &str, &str)) -> Plot {
    let mut plot = Plot::new(
        *title,
        run.time.side(),
        Side::new(drawing.values.scale(), *label),
    );
    let (curves, floor) = curves(run, observable);
    for (curve, pen) in curves {
        drawing.add(&mut plot, &above(curve, floor), pen, None);
    }
    plot
}

//! Every loss and accuracy that the run recorded, over time.

use crate::figures::curves::{BELOW_ROUNDING, Bands, CurveValues, Middle, reaches_rounding};
use crate::figures::recorded_run::{Figure, RecordedRun, name};
use crate::number::{compact, significant};
use crate::plot::Plot;
use crate::record::{DynamicsSummary, LossSummary};

/// Observables, titles of their panels, and what their axes say where it is not the loss.
const LOSSES: [(&str, &str, Option<&str>); 4] = [
    ("loss", "Training loss", None),
    (
        "excess_loss",
        "Excess loss",
        Some("loss − least-squares optimum"),
    ),
    (
        "population_loss",
        "Population loss",
        Some("expected loss on a fresh sample"),
    ),
    ("held_out_loss", "Held-out loss", None),
];
const ACCURACIES: [(&str, &str); 2] = [
    ("accuracy", "Training accuracy"),
    ("held_out_accuracy", "Held-out accuracy"),
];

/// Losses and accuracies.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Figure {
    let problem = &run.summary.problem;
    let title = match problem.classes {
        true => "Loss and accuracy over time",
        false => "Loss over time",
    };
    let bands = Bands::among(run.summary.dynamics.len());
    let drawing = run.drawing(CurveValues::Positive, Middle::Median, bands);
    let share = run.drawing(CurveValues::Plain, Middle::Median, bands);
    let usual = format!("{} loss", problem.loss);
    let losses = LOSSES.iter().map(|(observable, title, label)| {
        run.plot(title, label.unwrap_or(&usual), &drawing, *observable, 0)
    });
    let accuracies = ACCURACIES
        .iter()
        .map(|(observable, title)| run.plot(title, "share of rows", &share, *observable, 0));
    let plots: Vec<Plot> = losses.chain(accuracies).collect();
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    let falls = |observable: &str| {
        let (curves, floor) = run.curves(CurveValues::Positive, observable, 0);
        curves
            .iter()
            .any(|(curve, _)| reaches_rounding(curve, floor))
    };
    let rounding = LOSSES.iter().any(|(observable, ..)| falls(observable));
    Figure {
        name: "loss",
        title: title.into(),
        caption: caption(run),
        look_for: "Whether noise keeps the training loss up, at a level set by ν while the weights go on moving, and \
                   whether what it does to rows that were not trained on is worth that. Without noise the loss above \
                   the optimum should fall until rounding stops it.",
        outcome: run.sheet(
            [title, "Every loss, and accuracies where targets are classes, of every dynamics over time."],
            plots,
            if shown == 4 { 2 } else { shown.min(3) },
            &drawing,
            rounding.then_some(BELOW_ROUNDING).as_slice(),
        ),
    }
}

fn caption(run: &RecordedRun<'_>) -> String {
    let mut caption = String::from("Losses are means over rows and sums over outputs.");
    if let Some(floor) = run.summary.problem.loss_floor {
        let floor = significant(floor, 3);
        caption.push_str(&format!(" The least-squares optimum has loss {floor}."));
    }
    for one in &run.summary.dynamics {
        caption.extend(sentence(one));
    }
    caption
}

fn sentence(one: &DynamicsSummary) -> Option<String> {
    let (what, (start, end)) = match one.excess_loss.as_ref().and_then(LossSummary::ends) {
        Some(ends) => ("mean excess", ends),
        None => ("mean training loss", one.loss.ends()?),
    };
    let held_out = one.held_out_accuracy.as_ref().and_then(LossSummary::ends);
    let held_out = held_out
        .map(|(_, end)| format!(", and {} of the rows held out are right", compact(end, 3)));
    Some(format!(
        " Under {} the {what} goes from {} to {}{}.",
        name(one),
        significant(start, 2),
        significant(end, 2),
        held_out.unwrap_or_default(),
    ))
}

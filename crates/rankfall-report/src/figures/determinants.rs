//! log det of adjacent layers of a linear network over time, with its law where it has one.

use crate::figures::curves::{Bands, CurveValues, Middle};
use crate::figures::recorded_run::{Figure, RecordedRun};
use crate::number::subscript;
use crate::plot::Plot;

/// Stacks whose determinants are drawn.
const MOST_STACKS: usize = 9;

/// The determinants; none where the run has none of adjacent layers.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    let dynamics = &run.summary.dynamics;
    let stacks = dynamics.iter().map(|d| d.log_det_stacks.len()).max()?;
    if stacks == 0 {
        return None;
    }
    let title = "Determinants of adjacent layers";
    let drawing = run.drawing(
        CurveValues::Plain,
        Middle::Mean,
        Bands::among(dynamics.len()),
    );
    let plots: Vec<Plot> = (1..=stacks.min(MOST_STACKS) as u32)
        .map(|j| {
            let title = format!("Layers {j} and {}", j + 1);
            let theta = format!("Θ{}", subscript(j as usize));
            let of = dynamics
                .iter()
                .find_map(|d| d.log_det_stacks.get(j as usize - 1));
            let label = match of.is_some_and(|stack| stack.of == "theta_transpose_theta") {
                true => format!("log det {theta}ᵀ{theta}"),
                false => format!("log det {theta}{theta}ᵀ"),
            };
            run.plot(&title, &label, &drawing, ("log_det", j), 0)
        })
        .collect();
    Some(Figure {
        name: "determinants",
        title: title.into(),
        caption: "Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ], or ΘⱼᵀΘⱼ where it has more rows than columns. Where it has no more, small \
                  steps without noise keep log det, and label noise lowers it on every path, at a rate that depends \
                  on the path: dashed, its mean over trajectories."
            .into(),
        look_for: "Falls under label noise, hardly any change without once the data are fitted.",
        outcome: run.sheet(
            [title, "log det of the stacks of adjacent layers over time, with its law."],
            plots,
            3,
            &drawing,
            &["Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ], adjacent layers stacked."],
        ),
    })
}

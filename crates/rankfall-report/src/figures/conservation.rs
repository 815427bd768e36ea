//! How well the laws are kept: distance of log det M from its law, and drift of the balance.

use crate::axis::Scale;
use crate::figures::curves::{Bands, CurveDrawing, CurveValues, Middle};
use crate::figures::recorded_run::{Figure, RecordedRun, name};
use crate::number::significant;
use crate::plot::{Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Scene, Stroke};
use crate::series::Curve;
use crate::sheet::SkipReason;

const TITLE: &str = "How well the laws are kept";
/// Distances below this are drawn at it: a logarithmic axis has no place for zero.
const FLOOR: f64 = 1e-16;

/// |log det M − law| and the drift of W₁ᵀW₁ − W₂W₂ᵀ.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Figure {
    let mut caption = format!(
        "Left, the distance of the mean log det M from log det M(0) − {} t; right, how far W₁ᵀW₁ − W₂W₂ᵀ, \
         which gradient flow conserves, has moved. Differences below 10⁻¹⁶ are drawn at 10⁻¹⁶.",
        run.summary.problem.law_rate()
    );
    for one in &run.summary.dynamics {
        caption.extend(sentence(one));
    }
    Figure {
        name: "conservation",
        title: TITLE.into(),
        caption,
        look_for: "Distances near rounding error mean that the integrator keeps the law exactly, whatever its step; \
                   distances that grow with the step size are discretisation error. Gradient noise does not conserve \
                   the balance: its drift is physics, not error.",
        outcome: scene(run),
    }
}

fn sentence(one: &DynamicsSummary) -> Option<String> {
    let log_det = one.log_det.as_ref()?;
    let distance = (log_det.final_mean? - log_det.law_final?).abs();
    Some(format!(
        " Under {} it ends {} from the law.",
        name(one),
        significant(distance, 2)
    ))
}

fn scene(run: &RecordedRun<'_>) -> Result<Scene, SkipReason> {
    let bands = Bands::among(run.summary.dynamics.len());
    let drawing = run.drawing(CurveValues::Positive, Middle::Median, bands);
    let plots = vec![distance_plot(run, &drawing), balance_plot(run, &drawing)];
    if plots.iter().all(Plot::is_blank) {
        return Err(SkipReason::because(
            "no dynamics has a law for its determinant or a recorded balance",
        ));
    }
    let description =
        "Distance of log det M from its law, and drift of the balance of the layers, over time.";
    run.sheet([TITLE, description], plots, 2, &drawing, &[])
}

fn distance_plot(run: &RecordedRun<'_>, drawing: &CurveDrawing) -> Plot {
    let side = Side::new(Scale::Decades, "|mean log det M − law|");
    let mut plot = Plot::new("Distance from the determinant law", run.time.side(), side);
    for (one, pen) in run.dynamics() {
        // Rounding errors jump; thin lines keep several of them apart.
        let stroke = Stroke { width: 1.4, ..pen };
        if let Some(curve) = run
            .table
            .curve(&one.label, "log_det", 0)
            .filter(|c| c.has_law())
        {
            let line = drawing.line(&curve.times, &distance(curve), stroke);
            plot.lines.push(line);
        }
    }
    plot
}

fn balance_plot(run: &RecordedRun<'_>, drawing: &CurveDrawing) -> Plot {
    let side = Side::new(Scale::Decades, "drift of W₁ᵀW₁ − W₂W₂ᵀ");
    let mut plot = Plot::new("Drift of the balance of the layers", run.time.side(), side);
    for (one, pen) in run.dynamics() {
        if let Some(curve) = run.table.curve(&one.label, "balance_drift", 0) {
            drawing.add(&mut plot, &floored(curve), pen, None);
        }
    }
    plot
}

/// |mean − law|; undefined at t = 0, where it is zero by definition.
fn distance(curve: &Curve) -> Vec<Option<f64>> {
    let apart = |((t, mean), law): ((&f64, &Option<f64>), &Option<f64>)| {
        let distance = ((*mean)? - (*law)?).abs().max(FLOOR);
        (*t > 0.0).then_some(distance)
    };
    let values = curve.times.iter().zip(&curve.mean).zip(&curve.law);
    values.map(apart).collect()
}

fn floored(curve: &Curve) -> Curve {
    curve.map(|t, v| (t > 0.0).then_some(v.max(FLOOR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_distances_get_a_place_and_the_start_none() {
        let values = |v: [f64; 3]| v.map(Some).to_vec();
        let curve = Curve {
            times: vec![0.0, 1.0, 2.0],
            mean: values([1.0, 0.5, -1.0]),
            law: values([1.0, 0.5, -0.5]),
            ..Curve::default()
        };
        assert_eq!(distance(&curve), [None, Some(FLOOR), Some(0.5)]);
        assert_eq!(floored(&curve).mean, [None, Some(0.5), Some(FLOOR)]);
    }
}

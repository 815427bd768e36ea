//! Of a training run elsewhere: the effective rank of every layer over the steps, as a heat map.

use crate::axis::Scale;
use crate::figures::recorded_run::{Figure, RecordedRun, evenly, matrix_symbol, short};
use crate::figures::time::STEPS;
use crate::gradient::Gradient;
use crate::heatmap::{HeatAxis, HeatMap};
use crate::legend::LegendEntry;
use crate::record::MatrixSummary;
use crate::scene::Scene;
use crate::series::Curve;
use crate::sheet::{Sharing, Sheet, SkipReason};

const TITLE: &str = "Layers over the steps";
/// Rows that are drawn.
const MOST_ROWS: usize = 60;
/// Steps that are drawn.
const MOST_STEPS: usize = 100;
/// Characters of a layer's name.
const LONGEST: usize = 30;

/// The figure, of a run that was watched.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    run.summary.monitor.as_ref()?;
    let one = run.summary.dynamics.first()?;
    let curve = |matrix: &MatrixSummary| {
        let name = matrix_symbol(matrix, &run.summary.problem);
        let of = matrix.observable("effective_rank");
        let curve = run.table.curve(&one.label, &of, 0)?;
        Some((short(&name, LONGEST), curve))
    };
    let weights = one.matrices.iter().filter(|m| m.name != "features");
    let curves: Vec<(String, &Curve)> = weights.filter_map(curve).collect();
    let rows: Vec<&(String, &Curve)> = evenly(curves.len(), MOST_ROWS)
        .map(|i| &curves[i])
        .collect();
    let mut times: Vec<f64> = rows.iter().flat_map(|(_, c)| c.times.clone()).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let shown: Vec<f64> = evenly(times.len(), MOST_STEPS).map(|i| times[i]).collect();
    let outcome = match shown.len() < 2 {
        true => Err(SkipReason::because("fewer than two measurements are there")),
        false => scene(run, &rows, &shown),
    };
    Some(Figure {
        name: "layers",
        title: TITLE.into(),
        caption: "A row for each layer, from the first at the top to the last: its effective rank, the exponential of \
                  the entropy of the normalised singular values, relative to that at the first measurement. Between \
                  two measurements of a layer the earlier one is shown."
            .into(),
        look_for: "Which layer loses rank, and since when.",
        outcome,
    })
}

fn scene(
    run: &RecordedRun<'_>,
    rows: &[&(String, &Curve)],
    times: &[f64],
) -> Result<Scene, SkipReason> {
    let mut cells = Vec::new();
    for (_, curve) in rows {
        let first = curve.mean.iter().copied().flatten().next();
        for time in times {
            let until = curve.times.partition_point(|t| t <= time);
            let last = curve.mean[..until].iter().rev().copied().flatten().next();
            let relative = last.zip(first).map(|(last, first)| last / first);
            cells.push(relative.into());
        }
    }
    let map = HeatMap {
        title: "Effective rank relative to the start".into(),
        x: HeatAxis::Values {
            places: times.to_vec(),
            scale: Scale::Linear,
        },
        x_label: STEPS.into(),
        y: HeatAxis::Categories {
            names: rows.iter().map(|(name, _)| name.clone()).collect(),
            top_down: true,
        },
        y_label: String::new(),
        cells,
        log: false,
        gradient: Gradient::Sequential,
        value_label: "effective rank / at the start".into(),
        printed: false,
    };
    let unmeasured = map
        .has_missing()
        .then(|| LegendEntry::hatched("not measured yet, or without a rank"));
    Sheet {
        title: TITLE.into(),
        subtitle: run.origin(),
        description: "The effective rank of every layer over the steps.".into(),
        plots: vec![map.plot()],
        columns: 1,
        sharing: Sharing::Own,
        legend: unmeasured.into_iter().collect(),
    }
    .draw()
}

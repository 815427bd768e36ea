//! The series of one dynamics as a page is told of them.

use crate::protocol::{TimeSeries, WatchedDynamics, defined};
use rankfall_report::record::{DynamicsSummary, SeriesRow};

/// Points of a curve that a page is told, at most about.
const MOST_POINTS: usize = 400;

/// One dynamics of a run that is finished, or of the trajectories that are.
pub fn of_dynamics(summary: &DynamicsSummary, rows: &[SeriesRow]) -> WatchedDynamics {
    let mut curves: Vec<TimeSeries> = Vec::new();
    let of_it = rows
        .iter()
        .filter(|row| row.dynamics == summary.label && is_shown(row));
    for row in of_it {
        let same = |curve: &TimeSeries| {
            (&curve.observable, curve.layer, curve.index) == (&row.observable, row.layer, row.index)
        };
        let place = curves.iter().rposition(same).unwrap_or_else(|| {
            curves.push(TimeSeries {
                observable: row.observable.clone(),
                layer: row.layer,
                index: row.index,
                ..TimeSeries::default()
            });
            curves.len() - 1
        });
        let curve = &mut curves[place];
        curve.times.push(row.time);
        let of = |value: Option<f64>| value.and_then(defined);
        curve.mean.push(of(row.mean));
        curve.low.push(of(row.q05));
        curve.high.push(of(row.q95));
        curve.law.push(of(row.law));
    }
    curves.iter_mut().for_each(thin);
    WatchedDynamics {
        label: summary.label.clone(),
        done: summary.trajectories,
        of: summary.trajectories,
        diverged: summary.diverged,
        curves,
    }
}

/// Losses, ranks, log det and singular values.
fn is_shown(row: &SeriesRow) -> bool {
    let name = row.observable.as_str();
    matches!(name, "loss" | "log_det" | "population_loss" | "accuracy")
        || name.starts_with("effective_rank")
        || name.starts_with("numerical_rank")
        || (name.starts_with("log_singular_value") && !name.ends_with("error") && row.index <= 32)
}

/// Keeps every so manyth point, and the last.
fn thin(curve: &mut TimeSeries) {
    let count = curve.times.len();
    let every = count.div_ceil(MOST_POINTS).max(1);
    let keep = |place: &usize| place.is_multiple_of(every) || place + 1 == count;
    let places: Vec<usize> = (0..count).filter(keep).collect();
    let of = |values: &[Option<f64>]| places.iter().map(|&at| values[at]).collect();
    (curve.mean, curve.low) = (of(&curve.mean), of(&curve.low));
    (curve.high, curve.law) = (of(&curve.high), of(&curve.law));
    curve.times = places.iter().map(|&at| curve.times[at]).collect();
}

//! Whether the rank that noise removes is the rank that hurts: population loss against rank.

use crate::axis::Scale;
use crate::figures::curves::{BELOW_ROUNDING, Bands, CurveValues, Middle, above, reaches_rounding};
use crate::figures::recorded_run::{Figure, RecordedRun, name};
use crate::number::or_dash;
use crate::plot::{Line, Marker, Plot, Side};
use crate::scene::{Scene, Stroke};
use crate::series::Curve;
use crate::sheet::SkipReason;
use crate::symbol::Symbol;

const TITLE: &str = "Population loss and rank";
const LOSS: &str = "population_loss";
const LABEL: &str = "population loss";

/// Population loss over time, and against the effective rank of the product.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Figure {
    let mut caption = String::from(
        "Left, the expected loss on a fresh sample over time; right, the same against the effective rank of W₁W₂, from \
         the start (ring) to the end (dot) of the run.",
    );
    for one in &run.summary.dynamics {
        if let Some(loss) = &one.population_loss {
            let (start, end) = (or_dash(loss.initial, 3), or_dash(loss.final_mean, 3));
            let name = name(one);
            caption.push_str(&format!(
                " Under {name} its mean goes from {start} to {end}."
            ));
        }
    }
    Figure {
        name: "generalisation",
        title: TITLE.into(),
        caption,
        look_for: "Two dynamics that end at the same height generalise equally well, whatever their rank. Paths \
                   that go left lose rank in what the network computes, not only in its layers.",
        outcome: scene(run),
    }
}

fn scene(run: &RecordedRun<'_>) -> Result<Scene, SkipReason> {
    let bands = Bands::among(run.summary.dynamics.len());
    let drawing = run.drawing(CurveValues::Positive, Middle::Median, bands);
    let (curves, floor) = run.curves(CurveValues::Positive, LOSS, 0);
    let mut over_time = Plot::new(
        "Over time",
        run.time.side(),
        Side::new(Scale::Decades, LABEL),
    );
    for (curve, pen) in &curves {
        drawing.add(&mut over_time, &above(curve, floor), *pen, None);
    }
    if over_time.is_blank() {
        return Err(SkipReason::because(
            "the population loss is not known for these data",
        ));
    }
    let falls = curves.iter().any(|(c, _)| reaches_rounding(c, floor));
    run.sheet(
        [
            TITLE,
            "The expected loss on fresh samples over time, and against the effective rank of the product.",
        ],
        vec![over_time, against_rank(run, floor)],
        2,
        &drawing,
        falls.then_some(BELOW_ROUNDING).as_slice(),
    )
}

fn against_rank(run: &RecordedRun<'_>, floor: f64) -> Plot {
    let rank = Side::new(Scale::Linear, "effective rank of W₁W₂");
    let mut plot = Plot::new(
        "Against effective rank",
        rank,
        Side::new(Scale::Decades, LABEL),
    );
    for (one, pen) in run.dynamics() {
        let curve = |observable: &str| run.table.curve(&one.label, observable, 0);
        if let (Some(rank), Some(loss)) = (curve("effective_rank_product"), curve(LOSS)) {
            add_path(&mut plot, rank, &above(loss, floor), pen);
        }
    }
    plot
}

fn add_path(plot: &mut Plot, rank: &Curve, loss: &Curve, stroke: Stroke) {
    let places = path(rank, loss);
    let all = || places.iter().flatten().copied();
    for (end, is_filled) in [(all().next(), false), (all().next_back(), true)] {
        let symbol = Symbol::disc(stroke.color, is_filled);
        plot.marks.extend(end.map(|at| Marker { at, symbol }));
    }
    plot.lines.push(Line::new(places, stroke));
}

/// Median rank and loss at the times both were saved.
fn path(rank: &Curve, loss: &Curve) -> Vec<Option<(f64, f64)>> {
    let (ranks, losses) = (rank.middle(), loss.middle());
    let rank_at = |t: f64| {
        let i = rank
            .times
            .binary_search_by(|other| other.total_cmp(&t))
            .ok()?;
        Scale::Linear.place((*ranks.get(i)?)?)
    };
    let place = |(t, loss): (&f64, &Option<f64>)| {
        rank_at(*t).zip(loss.and_then(|l| Scale::Decades.place(l)))
    };
    loss.times.iter().zip(&losses).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_that_both_have_are_joined() {
        let curve = |times: &[f64], values: &[f64]| Curve {
            times: times.to_vec(),
            mean: values.iter().copied().map(Some).collect(),
            q50: vec![None; times.len()],
            ..Curve::default()
        };
        let rank = curve(&[0.0, 1.0, 3.0], &[2.0, 1.5, 1.0]);
        let loss = curve(&[0.0, 2.0, 3.0], &[10.0, 1.0, 0.1]);
        assert_eq!(
            path(&rank, &loss),
            [Some((2.0, 1.0)), None, Some((1.0, -1.0))]
        );
    }
}

//! Whether the rank that noise removes is the rank that hurts: population loss against rank.

use crate::axis::Scale;
use crate::figures::curves::{
    BELOW_ROUNDING, Bands, CurveDrawing, CurveValues, Middle, above, reaches_rounding,
    rounding_floor,
};
use crate::figures::recorded_run::{Figure, RecordedRun, name};
use crate::number::or_dash;
use crate::plot::{Line, Marker, Plot, Side};
use crate::scene::{Scene, Stroke};
use crate::series::Curve;
use crate::sheet::{Sharing, Sheet, SkipReason};
use crate::symbol::Symbol;

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
        title: "Population loss and rank".into(),
        caption,
        look_for: "Two dynamics that end at the same height generalise equally well, whatever their rank. Paths \
                   that go left lose rank in what the network computes, not only in its layers.",
        outcome: scene(run),
    }
}

fn scene(run: &RecordedRun<'_>) -> Result<Scene, SkipReason> {
    let bands = Bands::among(run.summary.dynamics.len());
    let drawing = CurveDrawing {
        time: run.time,
        values: CurveValues::Positive,
        middle: Middle::Median,
        bands,
    };
    let floor = rounding_floor(losses(run));
    let rounding = losses(run)
        .any(|curve| reaches_rounding(curve, floor))
        .then_some(BELOW_ROUNDING);
    let plots = vec![over_time(run, &drawing, floor), against_rank(run, floor)];
    if plots[0].is_blank() {
        return Err(SkipReason::because(
            "the population loss is not known for these data",
        ));
    }
    let mut legend = run.legend();
    legend.extend(drawing.band_entry(&plots));
    Sheet {
        title: "Population loss and rank".into(),
        subtitle: run.origin(),
        description: "The expected loss on fresh samples over time, and against the effective rank of the product.".into(),
        plots,
        columns: 2,
        sharing: Sharing::All,
        legend,
    }
    .draw_with_notes(&run.notes(rounding.as_slice()))
}

/// The population loss of every dynamics that has one.
fn losses<'a>(run: &RecordedRun<'a>) -> impl Iterator<Item = &'a Curve> {
    let table = run.table;
    run.dynamics()
        .filter_map(|(one, _)| table.curve(&one.label, "population_loss", 0))
}

fn over_time(run: &RecordedRun<'_>, drawing: &CurveDrawing, floor: f64) -> Plot {
    let mut plot = Plot::new(
        "Over time",
        run.time.side(),
        Side::new(Scale::Decades, LABEL),
    );
    for (one, pen) in run.dynamics() {
        if let Some(curve) = run.table.curve(&one.label, "population_loss", 0) {
            drawing.add(&mut plot, &above(curve, floor), pen, None);
        }
    }
    plot
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
        if let (Some(rank), Some(loss)) =
            (curve("effective_rank_product"), curve("population_loss"))
        {
            add_path(&mut plot, rank, &above(loss, floor), pen);
        }
    }
    plot
}

fn add_path(plot: &mut Plot, rank: &Curve, loss: &Curve, stroke: Stroke) {
    let places = path(rank, loss);
    let ends = (
        places.iter().flatten().next().copied(),
        places.iter().flatten().next_back().copied(),
    );
    plot.marks.extend(ends.0.map(|at| Marker {
        at,
        symbol: Symbol::disc(stroke.color, false),
    }));
    plot.marks.extend(ends.1.map(|at| Marker {
        at,
        symbol: Symbol::disc(stroke.color, true),
    }));
    plot.lines.push(Line {
        places,
        stroke,
        end_label: None,
    });
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

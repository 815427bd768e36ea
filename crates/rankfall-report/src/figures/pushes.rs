//! Who pushes whom: eigenvalues over time, and what each one's repulsion added to each other.

use crate::figures::recorded_run::{Figure, RecordedRun, THETA, name};
use crate::figures::spectrum::{self, SpectrumPanel};
use crate::forces::Split;
use crate::gradient::Gradient;
use crate::heatmap::{HeatAxis, HeatCell, HeatMap};
use crate::number::{significant, subscript};
use crate::plot::Plot;
use crate::record::DynamicsSummary;
use crate::scene::Scene;
use crate::sheet::{Sharing, Sheet, SkipReason};

const TITLE: &str = "Who pushes whom";
/// Index (i − 1) d + j: what eigenvalue j's repulsion added to log λᵢ since t = 0.
const OBSERVABLE: &str = "contribution_repulsion_pair";

/// The figure of the first dynamics, unmodified where there is one, whose pairs were recorded.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    let recorded = |d: &&DynamicsSummary| pairs(run, d).is_some();
    let mut all = run.summary.dynamics.iter().filter(recorded);
    let unmodified = all.clone().find(|d| d.forces.is_none());
    let one = unmodified.or_else(|| all.next())?;
    let pairs = pairs(run, one)?;
    Some(Figure {
        name: "pushes",
        title: TITLE.into(),
        caption: caption(one, &pairs),
        look_for: "Every eigenvalue pushes the smaller ones down and the larger ones up. A push is strong where the pusher \
                   is large: a small eigenvalue hardly moves a large one, so that what is small is pushed further down \
                   and the large stay.",
        outcome: scene(run, one, &pairs),
    })
}

/// Means of a d × d table at the last save, row by row.
struct Pairs {
    size: usize,
    values: Vec<Option<f64>>,
}

impl Pairs {
    fn at(&self, i: usize, j: usize) -> Option<f64> {
        self.values.get(i * self.size + j).copied().flatten()
    }
}

/// `None` where nothing was recorded, or not a square table.
fn pairs(run: &RecordedRun<'_>, one: &DynamicsSummary) -> Option<Pairs> {
    let last = run.table.parts(&one.label, OBSERVABLE).last()?.0 as usize;
    let size = last.isqrt() + usize::from(last.isqrt().pow(2) < last);
    // Larger tables are not recorded; an index beyond is a mistake, not a picture.
    if !(2..=64).contains(&size) {
        return None;
    }
    let mut values = vec![None; size * size];
    for (index, curve) in run.table.parts(&one.label, OBSERVABLE) {
        if let Some(value) = values.get_mut((index as usize).wrapping_sub(1)) {
            *value = curve.end();
        }
    }
    let known = values.iter().any(Option::is_some);
    known.then_some(Pairs { size, values })
}

fn scene(run: &RecordedRun<'_>, one: &DynamicsSummary, pairs: &Pairs) -> Result<Scene, SkipReason> {
    let mut left = spectrum::plot(run, &SpectrumPanel::eigenvalues(), one);
    left.title = format!("Eigenvalues under {}", name(one));
    let legend = spectrum::legend(run, std::slice::from_ref(&left));
    Sheet {
        title: TITLE.into(),
        subtitle: run.origin(),
        description: "Left: eigenvalues of M over time. Right: a table of what the repulsion of every eigenvalue added \
                      to the logarithm of every other until the end."
            .into(),
        plots: vec![left, matrix(Split::of(one), pairs)],
        columns: 2,
        sharing: Sharing::Own,
        legend,
    }
    .draw_with_notes(&run.notes(&[THETA, "White: no eigenvalue pushes itself."]))
}

fn matrix(split: Split, pairs: &Pairs) -> Plot {
    let names: Vec<String> = (1..=pairs.size)
        .map(|i| format!("λ{}", subscript(i)))
        .collect();
    let cells = (0..pairs.size * pairs.size).map(|at| {
        let (i, j) = (at / pairs.size, at % pairs.size);
        match pairs.at(i, j) {
            // Nothing pushes itself.
            _ if i == j => HeatCell::Blank,
            value => HeatCell::from(value),
        }
    });
    HeatMap {
        title: format!("Repulsion of the {} split until the end", split.name),
        x: HeatAxis::Categories {
            names: names.clone(),
            top_down: false,
        },
        x_label: "pushing eigenvalue λⱼ".into(),
        y: HeatAxis::Categories {
            names,
            top_down: true,
        },
        y_label: "pushed eigenvalue λᵢ".into(),
        cells: cells.collect(),
        log: false,
        gradient: Gradient::Diverging,
        value_label: "added to log λᵢ by λⱼ (nats)".into(),
        printed: true,
    }
    .plot()
}

fn caption(one: &DynamicsSummary, pairs: &Pairs) -> String {
    let split = Split::of(one);
    let mut caption = format!(
        "Left, eigenvalues of M under {}; right, what the repulsion of λⱼ (column), {} dt in the {} split, added to \
         log λᵢ (row) from the start to the end, in the mean over trajectories and in nats.",
        name(one),
        split.repulsion,
        split.name
    );
    let all = (0..pairs.size).flat_map(|i| (0..pairs.size).map(move |j| (i, j)));
    let off = all.filter(|(i, j)| i != j);
    let strongest = off
        .filter_map(|(i, j)| Some((i, j, pairs.at(i, j)?)))
        .max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()));
    if let Some((i, j, push)) = strongest {
        caption.push_str(&format!(
            " The strongest push is that of λ{} on log λ{}: {}.",
            subscript(j + 1),
            subscript(i + 1),
            significant(push, 3)
        ));
    }
    caption
}

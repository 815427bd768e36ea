//! What each force added to log λᵢ since the start, beside the change that came of it.

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::curves::{Bands, CurveDrawing, CurveValues, Middle};
use crate::figures::recorded_run::{Figure, RecordedRun, THETA, name};
use crate::figures::style::dynamics_is_noisy;
use crate::legend::LegendEntry;
use crate::number::{significant, subscript};
use crate::plot::{Line, Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Dash, Scene, Stroke};
use crate::series::Curve;
use crate::sheet::{Sharing, Sheet, Skipped};

const TITLE: &str = "The forces on the eigenvalues";
/// Up to this many eigenvalues all have a panel.
const ALL: usize = 7;
/// Up to this many dynamics have a row of panels.
const ROWS: usize = 4;

/// One part of the balance.
struct Part {
    observable: &'static str,
    name: &'static str,
    formula: &'static str,
    pen: Stroke,
}

const fn part(
    observable: &'static str,
    [name, formula]: [&'static str; 2],
    color: Color,
    width: f64,
    dash: Dash,
) -> Part {
    let pen = Stroke { color, width, dash };
    Part {
        observable,
        name,
        formula,
        pen,
    }
}

/// The forces first, in the order of their definition; the realised change is drawn over all.
const PARTS: [Part; 6] = [
    part(
        "contribution_gradient",
        ["gradient", "4 aᵢᵀAbᵢ"],
        Color::Series(0),
        2.2,
        Dash::Long,
    ),
    part(
        "contribution_own_noise",
        ["own noise", "−qᵢᵢ"],
        Color::Series(3),
        2.2,
        Dash::DashDot,
    ),
    part(
        "contribution_common_growth",
        ["common growth", "Σ qᵢⱼ"],
        Color::Series(2),
        2.2,
        Dash::Solid,
    ),
    part(
        "contribution_repulsion",
        ["repulsion", "Σ 4qᵢⱼλⱼ/(λᵢ − λⱼ)"],
        Color::Series(1),
        2.8,
        Dash::Solid,
    ),
    part(
        "contribution_martingale",
        ["martingale", "(noise)"],
        Color::Series(5),
        1.8,
        Dash::Dotted,
    ),
    part(
        "contribution_residual",
        ["residual", ""],
        Color::Muted,
        1.4,
        Dash::DashDot,
    ),
];

/// The pen of the change itself.
const CHANGE: Stroke = Stroke {
    color: Color::Ink,
    width: 2.4,
    dash: Dash::Solid,
};

/// The figure, where contributions were recorded.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    let shown: Vec<&DynamicsSummary> = run
        .summary
        .dynamics
        .iter()
        .filter(|d| dynamics_is_noisy(d) && !indices(run, d).is_empty())
        .take(ROWS)
        .collect();
    if shown.is_empty() {
        return None;
    }
    Some(Figure {
        name: "force_balance",
        title: TITLE.into(),
        caption: caption(run, &shown),
        look_for: "Common growth lifts every eigenvalue, repulsion pulls the small ones down, and the change is what is \
                   left of large terms that nearly cancel. The residual is what the sum of all parts misses of the \
                   change: it comes from the step of the integrator and from the grid on which contributions are added \
                   up, and should be small beside them.",
        outcome: scene(run, &shown),
    })
}

fn scene(run: &RecordedRun<'_>, shown: &[&DynamicsSummary]) -> Result<Scene, Skipped> {
    let drawing = CurveDrawing {
        time: run.time,
        values: CurveValues::Plain,
        middle: Middle::Mean,
        bands: Bands::Narrow,
    };
    let mut plots = Vec::new();
    for one in shown {
        for index in chosen(&indices(run, one), shown.len()) {
            plots.push(plot(run, &drawing, one, index, shown.len() > 1));
        }
    }
    let panels = plots.iter().filter(|p| !p.is_blank()).count();
    let mut legend = vec![LegendEntry::line("change of log λᵢ", CHANGE)];
    legend.extend(PARTS.iter().map(|p| {
        let words = format!("{} {}", p.name, p.formula);
        LegendEntry::line(words.trim_end(), p.pen)
    }));
    legend.extend(drawing.band_entry(&plots));
    Sheet {
        title: TITLE.into(),
        subtitle: run.origin(),
        description: "For single eigenvalues of M, what gradient, own noise, common growth, repulsion and the noise \
                      itself added to the logarithm since the start, over time, with the realised change."
            .into(),
        columns: panels.div_ceil(shown.len()).clamp(1, 4),
        plots,
        sharing: Sharing::Own,
        legend,
    }
    .draw_with_notes(&run.notes(&[THETA]))
}

/// The indices of the eigenvalues whose repulsion was recorded, descending eigenvalues.
fn indices(run: &RecordedRun<'_>, one: &DynamicsSummary) -> Vec<u32> {
    run.table
        .parts(&one.label, "contribution_repulsion")
        .filter(|(_, curve)| !curve.is_blank())
        .map(|(index, _)| index)
        .collect()
}

/// All if they are few and one dynamics is shown; else the largest, the middle one and the smallest
/// two.
fn chosen(indices: &[u32], dynamics: usize) -> Vec<u32> {
    let count = indices.len();
    if count <= 4 || (count <= ALL && dynamics == 1) {
        return indices.to_vec();
    }
    [0, (count - 1) / 2, count - 2, count - 1]
        .map(|i| indices[i])
        .to_vec()
}

fn plot(
    run: &RecordedRun<'_>,
    drawing: &CurveDrawing,
    one: &DynamicsSummary,
    index: u32,
    several: bool,
) -> Plot {
    let symbol = format!("λ{}", subscript(index as usize));
    let title = if several {
        format!("{symbol}, {}", name(one))
    } else {
        format!("log {symbol}")
    };
    let side = Side::new(Scale::Linear, format!("added to log {symbol} (nats)"));
    let mut plot = Plot::new(title, run.time.side(), side);
    for part in &PARTS {
        if let Some(curve) = run.table.curve(&one.label, part.observable, index) {
            drawing.add(&mut plot, curve, part.pen, None);
        }
    }
    if let Some(curve) = run.table.curve(&one.label, "log_eigenvalue_m", index) {
        plot.lines.push(Line {
            places: drawing.places(&curve.times, &change(curve)),
            stroke: CHANGE,
            end_label: None,
        });
    }
    plot
}

/// Mean change since the first save.
fn change(curve: &Curve) -> Vec<Option<f64>> {
    let start = curve.mean.first().copied().flatten();
    curve.mean.iter().map(|v| Some((*v)? - start?)).collect()
}

fn caption(run: &RecordedRun<'_>, shown: &[&DynamicsSummary]) -> String {
    let mut caption = String::from(
        "Means over trajectories of what each force added to log λᵢ since t = 0, in the split that stays bounded as \
         λᵢ → 0: d log λᵢ = (gradient + own noise + common growth + repulsion) dt + noise.",
    );
    for one in shown {
        let all = indices(run, one);
        caption.extend(all.last().and_then(|last| sentence(run, one, *last)));
        caption.extend(accuracy(run, one, &all));
    }
    if shown
        .iter()
        .any(|d| d.forces.is_some_and(|f| f.repulsion < 1.0))
    {
        caption.push_str(
            " With repulsion below 1 eigenvalues can meet; what reflects them there is in no force, but in the residual.",
        );
    }
    caption
}

/// The balance of the smallest eigenvalue at the end, in numbers.
fn sentence(run: &RecordedRun<'_>, one: &DynamicsSummary, index: u32) -> Option<String> {
    let eigenvalue = run.table.curve(&one.label, "log_eigenvalue_m", index)?;
    let change = change(eigenvalue).last().copied().flatten()?;
    let mut terms = Vec::new();
    for part in &PARTS {
        let at_end = end(run, one, part.observable, index)?;
        terms.push(format!("{} {}", part.name, significant(at_end, 3)));
    }
    Some(format!(
        " {}: log λ{} changed by {}, that is {}.",
        name(one),
        subscript(index as usize),
        significant(change, 3),
        terms.join(", "),
    ))
}

/// How far to trust the sums: the largest quadrature error at the end.
fn accuracy(run: &RecordedRun<'_>, one: &DynamicsSummary, indices: &[u32]) -> Option<String> {
    let errors = indices
        .iter()
        .filter_map(|i| end(run, one, "contribution_quadrature_error", *i));
    let largest = errors.map(f64::abs).reduce(f64::max)?;
    Some(format!(
        " The largest estimated quadrature error at the end is {}.",
        significant(largest, 2)
    ))
}

fn end(run: &RecordedRun<'_>, one: &DynamicsSummary, observable: &str, index: u32) -> Option<f64> {
    let curve = run.table.curve(&one.label, observable, index)?;
    curve.mean.last().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_a_middle_and_the_smallest_two_stand_for_many() {
        let all: Vec<u32> = (1..=74).collect();
        assert_eq!(chosen(&all, 1), [1, 37, 73, 74]);
        assert_eq!(chosen(&all[..7], 1), all[..7]);
        assert_eq!(chosen(&all[..7], 2), [1, 4, 6, 7]);
        assert_eq!(chosen(&all[..3], 2), all[..3]);
        assert!(chosen(&[], 1).is_empty());
    }

    #[test]
    fn change_starts_at_zero_and_keeps_gaps() {
        let curve = Curve {
            times: vec![0.0, 1.0, 2.0],
            mean: vec![Some(3.0), None, Some(1.0)],
            ..Curve::default()
        };
        assert_eq!(change(&curve), [Some(0.0), None, Some(-2.0)]);
        assert!(change(&Curve::default()).is_empty());
    }
}

//! What each force added to log λᵢ since the start, beside the change that came of it.

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::curves::{Bands, CurveDrawing, CurveValues, Middle};
use crate::figures::recorded_run::{Figure, RecordedRun, THETA, evenly, name};
use crate::figures::spectrum::MOST_PARTS;
use crate::figures::style::is_noisy;
use crate::forces::{self, Split};
use crate::legend::LegendEntry;
use crate::number::{significant, subscript};
use crate::plot::{Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Dash, Scene, Stroke};
use crate::series::Curve;
use crate::sheet::{Sharing, Sheet, SkipReason};

/// Up to this many eigenvalues all have a panel.
const ALL: usize = 7;
/// Up to this many dynamics have a row of panels.
const ROWS: usize = 4;

/// The reflections where eigenvalues meet, where they can.
const REFLECTION: &str = "contribution_reflection";

/// One part of the balance.
struct Part {
    observable: &'static str,
    name: String,
    formula: String,
    pen: Stroke,
}

/// The forces of a split first, in the order of their definition; the realised change is drawn over
/// all.
fn parts(split: Split) -> [Part; 6] {
    let (common, repulsion) = match split == Split::REGULAR {
        true => (Color::Series(2), Color::Series(1)),
        false => (Color::Series(4), Color::Series(6)),
    };
    let blue = (Color::Series(0), 2.2, Dash::Long);
    let orange = (Color::Series(3), 2.2, Dash::DashDot);
    let common = (common, 2.2, Dash::Solid);
    let repulsion = (repulsion, 2.8, Dash::Solid);
    let purple = (Color::Series(5), 1.8, Dash::Dotted);
    let grey = (Color::Muted, 1.4, Dash::DashDot);
    let repels = format!("{} repulsion", split.name);
    let by = format!("Σ {}", split.repulsion);
    [
        ("contribution_gradient", "gradient", "4 aᵢᵀAbᵢ", blue),
        ("contribution_own_noise", "own noise", "−qᵢᵢ", orange),
        (
            split.common_observable,
            split.common,
            split.common_formula,
            common,
        ),
        ("contribution_repulsion", &repels, &by, repulsion),
        ("contribution_martingale", "martingale", "(noise)", purple),
        ("contribution_residual", "residual", "", grey),
    ]
    .map(|(observable, name, formula, (color, width, dash))| Part {
        observable,
        name: name.to_owned(),
        formula: formula.to_owned(),
        pen: Stroke { color, width, dash },
    })
}

/// The pen of the change itself.
const CHANGE: Stroke = Stroke {
    color: Color::Ink,
    width: 2.4,
    dash: Dash::Solid,
};

/// The figure, where contributions were recorded.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    let all = run.summary.dynamics.iter();
    let recorded = all.filter(|d| is_noisy(d) && !indices(run, d).is_empty());
    let shown: Vec<&DynamicsSummary> = recorded.take(ROWS).collect();
    if shown.is_empty() {
        return None;
    }
    let title = title(&shown);
    Some(Figure {
        name: "force_balance",
        caption: caption(run, &shown),
        look_for: "The change is what is left of large terms that nearly cancel. In the regular split common growth lifts \
                   every eigenvalue and repulsion pulls the small ones down; in the antisymmetric one common decay takes \
                   all down and repulsion shares it out, from the large to the small. The residual is what the sum of all \
                   parts misses of the change: it comes from the step of the integrator and from the grid on which \
                   contributions are added up, and should be small beside them.",
        outcome: scene(run, &shown, &title),
        title,
    })
}

/// With the split, where all have one.
fn title(shown: &[&DynamicsSummary]) -> String {
    let split = Split::of(shown[0]);
    if shown.iter().all(|d| Split::of(d) == split) {
        format!("The forces on the eigenvalues, {} split", split.name)
    } else {
        "The forces on the eigenvalues, in two splits".into()
    }
}

fn scene(
    run: &RecordedRun<'_>,
    shown: &[&DynamicsSummary],
    title: &str,
) -> Result<Scene, SkipReason> {
    let drawing = run.drawing(CurveValues::Plain, Middle::Mean, Bands::Narrow);
    let mut plots = Vec::new();
    for one in shown {
        for index in chosen(&indices(run, one), shown.len()) {
            plots.push(plot(run, &drawing, one, index, shown.len() > 1));
        }
    }
    let panels = plots.iter().filter(|p| !p.is_blank()).count();
    let reflected: Vec<Plot> = shown
        .iter()
        .filter_map(|one| reflections(run, &drawing, one))
        .collect();
    let mut legend = legend(shown, !reflected.is_empty());
    legend.extend(drawing.band_entry(&plots));
    plots.extend(reflected);
    Sheet {
        title: title.into(),
        subtitle: run.origin(),
        description: "For single eigenvalues of M, what gradient, own noise, common growth or decay, repulsion and the \
                      noise itself added to the logarithm since the start, over time, with the realised change; last, \
                      what reflections added where eigenvalues meet."
            .into(),
        columns: panels.div_ceil(shown.len()).clamp(1, 4),
        plots,
        sharing: Sharing::Own,
        legend,
    }
    .draw_with_notes(&run.notes(&[THETA]))
}

/// Every part once, those of two splits by name.
fn legend(shown: &[&DynamicsSummary], reflected: bool) -> Vec<LegendEntry> {
    let mut legend = vec![LegendEntry::line("change of log λᵢ", CHANGE)];
    for one in shown {
        for part in parts(Split::of(one)) {
            let mut words = format!("{} {}", part.name, part.formula);
            if reflected && part.observable == "contribution_gradient" {
                words.push_str(" (with reflections, where eigenvalues meet)");
            }
            let entry = LegendEntry::line(words.trim_end(), part.pen);
            if !legend.contains(&entry) {
                legend.push(entry);
            }
        }
    }
    legend
}

/// What reflections added to every log λᵢ, where eigenvalues can meet.
fn reflections(
    run: &RecordedRun<'_>,
    drawing: &CurveDrawing,
    one: &DynamicsSummary,
) -> Option<Plot> {
    let all: Vec<(u32, &Curve)> = run.table.parts(&one.label, REFLECTION).collect();
    let all: Vec<_> = evenly(all.len(), MOST_PARTS).map(|i| all[i]).collect();
    let side = Side::new(Scale::Linear, "added by reflections (nats)");
    let mut plot = Plot::new(name(one), run.time.side(), side);
    for (place, (index, curve)) in all.iter().enumerate() {
        let pen = Stroke::solid(Color::of_part(place, all.len()), 2.0);
        let label = format!("λ{}", subscript(*index as usize));
        drawing.add(&mut plot, curve, pen, Some(label));
    }
    (!plot.is_blank()).then_some(plot)
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
    for part in parts(Split::of(one)) {
        let Some(curve) = run.table.curve(&one.label, part.observable, index) else {
            continue;
        };
        // Where eigenvalues meet, the gradient drives them together and reflections keep them
        // apart, by terms that grow without bound and cancel: only their sum lets the others be
        // read.
        let reflection = run.table.curve(&one.label, REFLECTION, index);
        match reflection.filter(|_| part.observable == "contribution_gradient") {
            Some(reflection) => drawing.add(&mut plot, &sum(curve, reflection), part.pen, None),
            None => drawing.add(&mut plot, curve, part.pen, None),
        }
    }
    if let Some(curve) = run.table.curve(&one.label, "log_eigenvalue_m", index) {
        let line = drawing.line(&curve.times, &curve.change(), CHANGE);
        plot.lines.push(line);
    }
    plot
}

/// Of means alone: quantiles of a sum are not those of its parts.
fn sum(one: &Curve, other: &Curve) -> Curve {
    let add = |(x, y): (&Option<f64>, &Option<f64>)| Some((*x)? + (*y)?);
    Curve {
        times: one.times.clone(),
        mean: one.mean.iter().zip(&other.mean).map(add).collect(),
        ..Curve::default()
    }
}

fn caption(run: &RecordedRun<'_>, shown: &[&DynamicsSummary]) -> String {
    let mut caption =
        String::from("Means over trajectories of what each force added to log λᵢ since t = 0.");
    for split in [Split::REGULAR, Split::ANTISYMMETRIC] {
        if shown.iter().any(|d| Split::of(d) == split) {
            let words = format!(
                " In the {} split d log λᵢ = (gradient + own noise + {} + repulsion) dt + noise.",
                split.name, split.common
            );
            caption.push_str(&words);
        }
    }
    for one in shown {
        let all = indices(run, one);
        caption.extend(all.last().and_then(|last| sentence(run, one, *last)));
        caption.extend(accuracy(run, one, &all));
    }
    if shown.iter().any(|d| forces::meet(d)) {
        caption.push_str(
            " With repulsion below 1 eigenvalues can meet and are reflected, as they are told apart by size alone. The \
             gradient drives them together as fast as reflections part them, so that the two are drawn as their sum; the \
             last panels have the reflections alone.",
        );
    }
    caption
}

/// The balance of the smallest eigenvalue at the end, in numbers.
fn sentence(run: &RecordedRun<'_>, one: &DynamicsSummary, index: u32) -> Option<String> {
    let eigenvalue = run.table.curve(&one.label, "log_eigenvalue_m", index)?;
    let change = eigenvalue.change().last().copied().flatten()?;
    let mut terms = Vec::new();
    for part in parts(Split::of(one)) {
        let at_end = end(run, one, part.observable, index)?;
        terms.push(format!("{} {}", part.name, significant(at_end, 3)));
    }
    if let Some(reflection) = end(run, one, REFLECTION, index) {
        terms.push(format!("reflections {}", significant(reflection, 3)));
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
    run.table.curve(&one.label, observable, index)?.end()
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
}

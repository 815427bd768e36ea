//! The same flow with a force scaled: singular values side by side with those of its unmodified twin.

use crate::figures::recorded_run::{Figure, RecordedRun, THETA, name};
use crate::figures::spectrum::{self, Spectrum};
use crate::number::{compact, from_natural_log};
use crate::plot::Plot;
use crate::record::{DynamicsSummary, ForceScalesRecord};
use crate::scene::Scene;
use crate::sheet::{Sharing, Sheet, Skipped};

/// At most this many modified dynamics stand beside their twin.
const MOST: usize = 3;

/// The figure, where the run has a dynamics with scaled forces and one without, alike in kind and
/// noise intensity.
#[must_use]
pub fn figure(run: &RecordedRun<'_>) -> Option<Figure> {
    let all = &run.summary.dynamics;
    let modified = || all.iter().filter(|d| d.forces.is_some());
    let twin = modified().find_map(|m| all.iter().find(|d| d.forces.is_none() && alike(d, m)))?;
    let others = modified().filter(|m| alike(twin, m)).take(MOST);
    let shown: Vec<&DynamicsSummary> = std::iter::once(twin).chain(others).collect();
    let title = title(&shown);
    Some(Figure {
        name: "counterfactual",
        caption: caption(&shown),
        look_for: "The noise is the same on both sides, path by path; only the force differs. Lines that fall straight on \
                   one side and stay on the other are the work of that force.",
        outcome: scene(run, &shown, &title),
        title,
    })
}

fn alike(one: &DynamicsSummary, other: &DynamicsSummary) -> bool {
    let difference = (one.noise_intensity - other.noise_intensity).abs();
    one.kind == other.kind && difference <= 1e-12 * other.noise_intensity.abs()
}

fn title(shown: &[&DynamicsSummary]) -> String {
    let scaled = shown.iter().filter_map(|d| d.forces);
    let only_repulsion = |f: &ForceScalesRecord| {
        [f.gradient, f.own_noise, f.common_growth] == [1.0; 3] && f.repulsion == 0.0
    };
    if scaled.clone().count() == 1 && scaled.clone().all(|f| only_repulsion(&f)) {
        "Singular values with and without repulsion".into()
    } else {
        "Singular values with forces scaled".into()
    }
}

fn scene(run: &RecordedRun<'_>, shown: &[&DynamicsSummary], title: &str) -> Result<Scene, Skipped> {
    let spectrum = Spectrum {
        observable: ("log_singular_value_theta".into(), None),
        label: "singular values of Θ".into(),
        letter: 'σ',
        most: spectrum::MOST_PARTS,
    };
    let plots: Vec<Plot> = shown
        .iter()
        .map(|one| {
            let mut plot = spectrum::plot(run, &spectrum, one);
            plot.title = panel_title(one);
            plot
        })
        .collect();
    // A flow beside nothing would be taken for the comparison that its title promises.
    if plots[0].is_blank() || plots.iter().skip(1).all(Plot::is_blank) {
        return Err(Skipped::because(
            "every trajectory of one of its sides diverged, so that there is nothing to compare; a shorter run may help",
        ));
    }
    let legend = spectrum::drawing(run)
        .band_entry(&plots)
        .into_iter()
        .collect();
    Sheet {
        title: title.into(),
        subtitle: run.origin(),
        description: "All singular values of Θ over time on a logarithmic axis, for the flow itself and with one or \
                      more of the forces on them scaled."
            .into(),
        columns: shown.len().min(4),
        plots,
        sharing: Sharing::All,
        legend,
    }
    .draw_with_notes(&run.notes(&[THETA]))
}

fn panel_title(one: &DynamicsSummary) -> String {
    match one.forces {
        Some(forces) => format!("{} ({})", name(one), words(&forces)),
        None => format!("{} (all forces)", name(one)),
    }
}

/// The scaled forces and their factors.
fn words(forces: &ForceScalesRecord) -> String {
    let all = [
        ("gradient", forces.gradient),
        ("own noise", forces.own_noise),
        ("common growth", forces.common_growth),
        ("repulsion", forces.repulsion),
    ];
    let scaled = all.iter().filter(|(_, factor)| *factor != 1.0);
    let words: Vec<String> = scaled
        .map(|(force, factor)| format!("{force} × {}", compact(*factor, 3)))
        .collect();
    if words.is_empty() {
        "all forces".into()
    } else {
        words.join(", ")
    }
}

fn caption(shown: &[&DynamicsSummary]) -> String {
    let mut caption = String::from(
        "All singular values of Θ, largest darkest: medians with bands over trajectories, on one logarithmic axis. Right \
         of the flow itself, the equation d log λᵢ = Σ c·F dt + noise with forces F on log λᵢ multiplied by c, driven by \
         the same noise.",
    );
    for one in shown {
        caption.extend(sentence(one));
    }
    if shown
        .iter()
        .any(|d| d.forces.is_some_and(|f| f.repulsion < 1.0))
    {
        caption.push_str(
            " With repulsion below 1 eigenvalues can meet; they are told apart by size alone, so that where two meet \
             they are reflected.",
        );
    }
    caption
}

fn sentence(one: &DynamicsSummary) -> Option<String> {
    let recorded = one.matrix("theta")?.log_singular_values.as_ref()?;
    let last = |values: &[Option<f64>]| values.last().copied().flatten();
    Some(format!(
        " {}: the smallest goes from {} to {} (geometric mean over trajectories).",
        panel_title(one),
        from_natural_log(last(&recorded.initial)?, 2),
        from_natural_log(last(&recorded.final_mean)?, 2),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: ForceScalesRecord = ForceScalesRecord {
        gradient: 1.0,
        own_noise: 1.0,
        common_growth: 1.0,
        repulsion: 1.0,
    };

    #[test]
    fn only_scaled_forces_are_named() {
        assert_eq!(words(&NONE), "all forces");
        let some = ForceScalesRecord {
            repulsion: 0.0,
            gradient: 0.5,
            ..NONE
        };
        assert_eq!(words(&some), "gradient × 0.5, repulsion × 0");
    }
}

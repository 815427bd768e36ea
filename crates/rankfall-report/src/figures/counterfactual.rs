//! The same flow with a force scaled: singular values side by side with those of its unmodified
//! twin.

use crate::figures::recorded_run::{Figure, RecordedRun, THETA, name};
use crate::figures::spectrum::{self, SpectrumPanel};
use crate::forces::{self, Split};
use crate::plot::Plot;
use crate::record::{DynamicsSummary, ForceScalesRecord};
use crate::scene::Scene;
use crate::sheet::{Sharing, Sheet, SkipReason};

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
        look_for: "The noise is the same in all panels, path by path; only the force differs. Lines that fall straight in \
                   one panel and stay in the other are the work of that force.",
        outcome: scene(run, &shown, &title),
        title,
    })
}

fn alike(one: &DynamicsSummary, other: &DynamicsSummary) -> bool {
    let difference = (one.noise_intensity - other.noise_intensity).abs();
    one.kind == other.kind && difference <= 1e-12 * other.noise_intensity.abs()
}

fn title(shown: &[&DynamicsSummary]) -> String {
    let mut scaled = shown.iter().filter_map(|d| d.forces);
    let only_repulsion = |f: ForceScalesRecord| {
        [f.gradient, f.own_noise, f.common()] == [1.0; 3] && f.repulsion == 0.0
    };
    if scaled.all(only_repulsion) {
        "Singular values with and without repulsion".into()
    } else {
        "Singular values with forces scaled".into()
    }
}

fn scene(
    run: &RecordedRun<'_>,
    shown: &[&DynamicsSummary],
    title: &str,
) -> Result<Scene, SkipReason> {
    let theta = ("log_singular_value_theta".to_owned(), None);
    let spectrum = SpectrumPanel::singular_values(theta, "Θ");
    let plots: Vec<Plot> = shown
        .iter()
        .map(|one| {
            let mut plot = spectrum::plot(run, &spectrum, one);
            plot.title = panel_title(one, shown);
            plot
        })
        .collect();
    // A flow beside nothing would be taken for the comparison that its title promises.
    if plots[0].is_blank() || plots.iter().skip(1).all(Plot::is_blank) {
        return Err(SkipReason::because(
            "every trajectory of one of its sides diverged, so that there is nothing to compare; a shorter run may help",
        ));
    }
    let legend = spectrum::legend(run, &plots);
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

/// What is done to the forces; the name of the dynamics where others do the same.
fn panel_title(one: &DynamicsSummary, shown: &[&DynamicsSummary]) -> String {
    let words = forces::words(one);
    let same = shown.iter().filter(|d| forces::words(d) == words).count();
    if same == 1 { words } else { name(one).into() }
}

fn caption(shown: &[&DynamicsSummary]) -> String {
    let mut caption = String::from(
        "All singular values of Θ, largest darkest: medians with bands over trajectories, on one logarithmic axis. Right \
         of the flow itself, the equation d log λᵢ = Σ c·F dt + noise with forces F on log λᵢ multiplied by c, driven by \
         the same noise.",
    );
    caption.push_str(&repulsions(shown));
    for one in shown {
        let words = spectrum::smallest(one, "theta");
        let forces = forces::words(one);
        caption.extend(words.map(|words| format!(" {} ({forces}): {words}", name(one))));
    }
    if shown.iter().any(|d| forces::meet(d)) {
        caption.push_str(
            " With repulsion below 1 eigenvalues can meet; they are told apart by size alone, so that where two meet \
             they are reflected.",
        );
    }
    caption
}

/// What the repulsion is that is scaled; two splits have two.
fn repulsions(shown: &[&DynamicsSummary]) -> String {
    let scaled = |split: Split| {
        let scales = |d: &DynamicsSummary| d.forces.is_some_and(|f| f.repulsion != 1.0);
        shown.iter().any(|d| Split::of(d) == split && scales(d))
    };
    let [regular, antisymmetric] = [Split::REGULAR, Split::ANTISYMMETRIC].map(scaled);
    let one = |split: Split| {
        format!(
            " In the {} split the drift of log λᵢ from noise is own noise −qᵢᵢ, {} {} and repulsion Σ {}.",
            split.name, split.common, split.common_formula, split.repulsion
        )
    };
    match (regular, antisymmetric) {
        (true, true) => format!(
            " What is called repulsion depends on the split.{}{} The sum is the same.",
            one(Split::REGULAR),
            one(Split::ANTISYMMETRIC)
        ),
        (true, false) => one(Split::REGULAR),
        (false, true) => one(Split::ANTISYMMETRIC),
        (false, false) => String::new(),
    }
}

//! One panel of a spectrum over time, dark for the largest value, lighter further down.

use crate::color::Color;
use crate::figures::curves::{Bands, CurveDrawing, CurveValues, Middle, has_law};
use crate::figures::recorded_run::{RecordedRun, THETA, evenly, name};
use crate::figures::style::{LAW, SLOW_FLOW};
use crate::legend::LegendEntry;
use crate::number::{from_natural_log, subscript};
use crate::plot::{Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::{Scene, Stroke};
use crate::sheet::{Sharing, Sheet, SkipReason};

/// More parts than this would be a grey mass.
pub const MOST_PARTS: usize = 24;

/// A spectrum in words and symbols.
pub struct SpectrumPanel {
    /// Its observable with its layer, natural logarithms with indices from 1.
    pub observable: (String, Option<u32>),
    /// What the vertical axis says.
    pub label: String,
    /// The letter of its parts.
    pub letter: char,
    /// How many of its parts are drawn.
    pub most: usize,
}

impl SpectrumPanel {
    /// The eigenvalues of M.
    pub fn eigenvalues() -> Self {
        Self {
            observable: ("log_eigenvalue_m".into(), None),
            label: "eigenvalues of M".into(),
            letter: 'λ',
            most: MOST_PARTS,
        }
    }

    /// The singular values under this observable, of what the symbol is.
    pub fn singular_values(observable: (String, Option<u32>), symbol: &str) -> Self {
        Self {
            observable,
            label: format!("singular values of {symbol}"),
            letter: 'σ',
            most: MOST_PARTS,
        }
    }
}

/// How spectra are drawn.
pub fn drawing(run: &RecordedRun<'_>) -> CurveDrawing {
    run.drawing(CurveValues::Logarithms, Middle::Median, Bands::Both)
}

/// A figure with one panel per dynamics, all on one vertical axis.
pub fn scene(
    run: &RecordedRun<'_>,
    spectrum: &SpectrumPanel,
    title: &str,
    description: &str,
) -> Result<Scene, SkipReason> {
    let dynamics = run.summary.dynamics.iter();
    let plots: Vec<Plot> = dynamics.map(|one| plot(run, spectrum, one)).collect();
    let legend = legend(run, &plots);
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    Sheet {
        title: title.into(),
        subtitle: run.origin(),
        description: description.into(),
        columns: crate::figures::style::columns(shown),
        plots,
        sharing: Sharing::All,
        legend,
    }
    .draw_with_notes(&notes(run, spectrum))
}

/// From where to where the smallest singular value of a matrix went.
pub fn smallest(one: &DynamicsSummary, matrix: &str) -> Option<String> {
    let recorded = one.matrix(matrix)?.log_singular_values.as_ref()?;
    let last = |values: &[Option<f64>]| values.last().copied().flatten();
    Some(format!(
        "the smallest goes from {} to {} (geometric mean over trajectories).",
        from_natural_log(last(&recorded.initial)?, 2),
        from_natural_log(last(&recorded.final_mean)?, 2),
    ))
}

/// What bands and dashes of these panels are.
pub fn legend(run: &RecordedRun<'_>, plots: &[Plot]) -> Vec<LegendEntry> {
    let mut legend: Vec<LegendEntry> = drawing(run).band_entry(plots).into_iter().collect();
    if has_law(plots) {
        legend.push(LegendEntry::line(SLOW_FLOW, LAW));
    }
    legend
}

/// What the symbols mean, and which parts are drawn where not all are.
fn notes(run: &RecordedRun<'_>, spectrum: &SpectrumPanel) -> Vec<String> {
    let stacked = spectrum.label.contains('Θ') || spectrum.letter == 'λ';
    let mut notes = run.notes(if stacked { &[THETA] } else { &[] });
    let parts = |one: &DynamicsSummary| run.table.parts(&one.label, &spectrum.observable).count();
    let most = run.summary.dynamics.iter().map(parts).max().unwrap_or(0);
    if most > spectrum.most {
        notes.push(format!(
            "Drawn are {} of {most} {}, evenly spread over their order, the largest and the smallest among \
             them.",
            spectrum.most, spectrum.label
        ));
    }
    notes
}

/// One panel.
pub fn plot(run: &RecordedRun<'_>, spectrum: &SpectrumPanel, one: &DynamicsSummary) -> Plot {
    let side = Side::new(CurveValues::Logarithms.scale(), &spectrum.label);
    let mut plot = Plot::new(name(one), run.time_side(), side);
    let parts = run.table.parts(&one.label, &spectrum.observable);
    let parts: Vec<_> = parts.filter(|(_, curve)| !curve.is_blank()).collect();
    let parts: Vec<_> = evenly(parts.len(), spectrum.most)
        .map(|place| parts[place])
        .collect();
    // The largest is painted last: where all run together, it is the one to see.
    for (position, (index, curve)) in parts.iter().enumerate().rev() {
        let stroke = Stroke::solid(Color::of_part(position, parts.len()), 2.0);
        let label = format!("{}{}", spectrum.letter, subscript(*index as usize));
        drawing(run).add(&mut plot, curve, stroke, Some(label));
    }
    for (_, curve) in &parts {
        drawing(run).add_law(&mut plot, curve);
    }
    plot
}

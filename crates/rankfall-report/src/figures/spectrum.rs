//! One panel of a spectrum over time, dark for the largest value, lighter further down.

use crate::color::Color;
use crate::figures::curves::{Bands, CurveDrawing, CurveValues, Middle};
use crate::figures::recorded_run::{RecordedRun, THETA, evenly, name};
use crate::figures::style::{LAW, SLOW_FLOW};
use crate::legend::LegendEntry;
use crate::number::subscript;
use crate::plot::{Plot, Side};
use crate::record::DynamicsSummary;
use crate::scene::Scene;
use crate::scene::Stroke;
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

/// How spectra are drawn.
pub fn drawing(run: &RecordedRun<'_>) -> CurveDrawing {
    CurveDrawing {
        time: run.time,
        values: CurveValues::Logarithms,
        middle: Middle::Median,
        bands: Bands::Both,
    }
}

/// A figure with one panel per dynamics, all on one vertical axis.
pub fn scene(
    run: &RecordedRun<'_>,
    spectrum: &SpectrumPanel,
    title: &str,
    description: &str,
) -> Result<Scene, SkipReason> {
    let plots: Vec<Plot> = run
        .summary
        .dynamics
        .iter()
        .map(|one| plot(run, spectrum, one))
        .collect();
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

/// What bands and dashes of these panels are.
pub fn legend(run: &RecordedRun<'_>, plots: &[Plot]) -> Vec<LegendEntry> {
    let mut legend: Vec<LegendEntry> = drawing(run).band_entry(plots).into_iter().collect();
    if plots.iter().flat_map(|p| &p.lines).any(|l| l.stroke == LAW) {
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
    let parts: Vec<_> = run
        .table
        .parts(&one.label, &spectrum.observable)
        .filter(|(_, c)| !c.is_blank())
        .collect();
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

//! From the finished dynamics of an experiment to the files of its run folder, figures included,
//! whatever the engine.

use crate::doubts;
use crate::failure::{Failure, shell_word, shown_path};
use crate::finished::DynamicsOutcome;
use crate::run_folder::trajectories::{CommonRows, TrajectoriesWriter};
use crate::run_folder::weights::NamedArray;
use crate::run_folder::{self, FINAL, REPORT, RunFolder, TRAJECTORIES};
use crate::survival::{expect_survivors, warning};
use rankfall_report::record::{EXACT, SUMMARY_SCHEMA, SeriesRow, Summary};
use rankfall_report::scene::Scene;
use rankfall_report::{Figure, ReportInput, SeriesTable, draw_all, png, report_page, svg};
use serde::Serialize;
use std::path::Path;

/// The summary of a run with these dynamics, from what it says of itself besides.
///
/// # Errors
/// Exit code 1 for a dynamics that cannot be decoded.
pub fn summary(known: Summary, finished: &[DynamicsOutcome]) -> Result<Summary, Failure> {
    let dynamics = finished.iter().map(DynamicsOutcome::summary);
    let dynamics = dynamics.collect::<Result<Vec<_>, _>>()?;
    let mut warnings = known.warnings;
    warnings.extend(dynamics.iter().filter_map(warning));
    let doubts = dynamics.iter().flat_map(|d| doubts::of(d, &known.problem));
    warnings.extend(doubts);
    Ok(Summary {
        schema: SUMMARY_SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dynamics,
        warnings,
        ..known
    })
}

/// Writes everything but the summary, and then the summary: the run is then finished. Pictures
/// come last, and what goes wrong with them is a warning of the summary.
///
/// # Errors
/// Exit code 1 where a file of results cannot be written.
pub fn write(
    folder: RunFolder,
    finished: &[DynamicsOutcome],
    summary: &mut Summary,
    resolved: &str,
) -> Result<Drawing, Failure> {
    let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
    folder.write_series(&rows)?;
    write_trajectories(&folder, finished, summary)?;
    let tensors: Vec<NamedArray> = finished.iter().flat_map(|f| f.tensors.clone()).collect();
    folder.write_weights(FINAL, &tensors)?;
    for (dynamics, done) in finished.iter().enumerate() {
        for snapshot in &done.snapshots {
            folder.write_weights(&snapshot.file(dynamics), &snapshot.tensors)?;
        }
    }
    let table = SeriesTable::from_rows(rows);
    let path = folder.path().to_owned();
    let drawing = draw(summary, &table, resolved, &path);
    finish_drawn(folder, drawing, summary, |s| &mut s.warnings)
}

/// Writes the trajectories, where they are kept.
fn write_trajectories(
    folder: &RunFolder,
    finished: &[DynamicsOutcome],
    summary: &Summary,
) -> Result<(), Failure> {
    if finished.iter().all(|done| done.trajectories.is_none()) {
        return Ok(());
    }
    let mut writer = TrajectoriesWriter::create(&folder.file(TRAJECTORIES))?;
    for (done, one) in finished.iter().zip(&summary.dynamics) {
        let Some(kept) = &done.trajectories else {
            continue;
        };
        let mut common = CommonRows::new(&one.label, &kept.grid);
        for (trajectory, values) in &kept.values {
            writer.append(&mut common, *trajectory, values)?;
        }
    }
    folder.note(TRAJECTORIES, writer.finish()?);
    Ok(())
}

/// A dynamics without a survivor is a failed run, though its record is kept.
///
/// # Errors
/// Exit code 1, naming all of them.
pub fn all_diverged(summary: &Summary) -> Result<(), Failure> {
    let hint = match summary.engine.as_str() {
        EXACT => {
            "a smaller step_size (or time_step) or smaller initial weights; stable steps have \
             step × λ_max(S_xx) × (σ₁(W₁)² + σ₁(W₂)²) below 1"
        }
        _ => "a smaller step_size, or smaller initial weights",
    };
    expect_survivors(&summary.dynamics, hint)
}

/// Figures and report of a run. Results do not depend on them: what fails is said, and no error.
#[derive(Debug, Default)]
pub struct Drawing {
    /// Names relative to the run folder, and contents; once written, those that are there.
    pub files: Vec<(String, Vec<u8>)>,
    /// What could not be drawn or written, and why.
    pub warnings: Vec<String>,
    /// What has nothing to draw, and why, where the report does not say so.
    pub not_drawn: Vec<String>,
}

/// Ends a run whose numbers are written: pictures, then the summary, and it counts as finished. A
/// picture that cannot be drawn is one of the `warnings` of the summary.
///
/// # Errors
/// Exit code 1 where a file cannot be written, for want of room perhaps; the folder then still
/// counts as unfinished, and the same command with `--resume` ends it without computing anything
/// again.
pub fn finish_drawn<S: Serialize>(
    folder: RunFolder,
    drawing: Drawing,
    summary: &mut S,
    warnings: impl Fn(&mut S) -> &mut Vec<String>,
) -> Result<Drawing, Failure> {
    drawing.write(folder.path())?;
    warnings(summary).extend(drawing.warnings.iter().cloned());
    folder.finish(summary)?;
    Ok(drawing)
}

impl Drawing {
    /// The pictures of figures, each as SVG and PNG; what has nothing to draw says why in the
    /// report.
    pub fn of(figures: Vec<Figure>) -> Self {
        let mut drawing = Self::default();
        for figure in figures {
            if let Ok(scene) = &figure.outcome {
                drawing.add(figure.name, scene);
            }
        }
        drawing
    }

    /// Adds one picture as SVG and PNG.
    pub fn add(&mut self, name: &str, scene: &Scene) {
        let vector = svg::render(scene).into_bytes();
        self.files.push((format!("figures/{name}.svg"), vector));
        match png::render(scene) {
            Ok(raster) => self.files.push((format!("figures/{name}.png"), raster)),
            Err(error) => self
                .warnings
                .push(format!("the figure {name} is there as SVG alone: {error}")),
        }
    }

    /// Writes all files into a folder.
    ///
    /// # Errors
    /// Exit code 1 for the first that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let mut files = self.files.iter();
        files.try_for_each(|(name, bytes)| run_folder::write_into(folder, name, bytes))
    }

    /// How many there are, and where.
    pub fn listing(&self, folder: &Path) -> String {
        let pictures = self.files.iter().filter(|(name, _)| name.ends_with(".svg"));
        let shown = shown_path(folder);
        let notes = self.not_drawn.iter().map(|why| format!("note: {why}\n"));
        let notes: String = notes.collect();
        let count = pictures.count();
        format!("{notes}{count} figures in {shown}/figures; the report is {shown}/{REPORT}\n")
    }

    /// A failed run where a picture could not be drawn.
    ///
    /// # Errors
    /// Exit code 1 with what could not be drawn, and why.
    pub fn expect_whole(&self) -> Result<(), Failure> {
        match self.warnings.is_empty() {
            true => Ok(()),
            false => Err(Failure::run(self.warnings.join("; "))),
        }
    }
}

/// Draws figures and report.
pub fn draw(
    summary: &Summary,
    table: &SeriesTable,
    experiment_toml: &str,
    folder: &Path,
) -> Drawing {
    let mut drawing = Drawing::of(draw_all(summary, table));
    let again = folder.join(run_folder::EXPERIMENT);
    let command = format!("rankfall run {} --out runs/again", shell_word(&again));
    let page = report_page(&ReportInput {
        summary,
        table,
        experiment_toml,
        command: &command,
    });
    drawing.files.push((REPORT.to_owned(), page.into_bytes()));
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(height: f64) -> Scene {
        Scene {
            width: 100.0,
            height,
            title: String::new(),
            description: String::new(),
            items: Vec::new(),
        }
    }

    #[test]
    fn a_picture_that_cannot_be_drawn_is_a_warning_and_the_others_are_drawn() {
        let mut drawing = Drawing::default();
        drawing.add("tall", &scene(83_040.0));
        drawing.add("small", &scene(50.0));
        let names: Vec<&str> = drawing
            .files
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let expected = ["figures/tall.svg", "figures/small.svg", "figures/small.png"];
        assert_eq!(names, expected);
        let [warning] = &drawing.warnings[..] else {
            panic!("{:?}", drawing.warnings)
        };
        assert!(
            warning.contains("tall") && warning.contains("83040"),
            "{warning}"
        );
    }
}

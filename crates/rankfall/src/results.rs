//! From the finished dynamics of an experiment to the files of its run folder, figures included.

use crate::checkpoint::Finished;
use crate::doubts;
use crate::experiment::ExactExperiment;
use crate::failure::{Failure, quoted, shown_path};
use crate::preparation::Known;
use crate::run_folder::trajectories::{TrajectoriesWriter, TrajectoryRow};
use crate::run_folder::weights::Tensor;
use crate::run_folder::{self, REPORT, RunFolder, TRAJECTORIES};
use crate::summarise::Material;
use crate::survival::{Survival, expect_survivors};
use rankfall_core::ensemble::Outcome;
use rankfall_core::network::Weights;
use rankfall_core::observe::LAW;
use rankfall_report::record::{DynamicsSummary, SUMMARY_SCHEMA, SeriesRow, Summary};
use rankfall_report::scene::Scene;
use rankfall_report::{Figure, ReportInput, SeriesTable, draw_all, png, report_page, svg, table};
use serde::Serialize;
use std::path::Path;

/// What results are made from, besides the dynamics themselves.
pub struct Results<'a> {
    /// The experiment.
    pub experiment: &'a ExactExperiment,
    /// What is known of its data.
    pub known: &'a Known,
}

impl Results<'_> {
    /// Summary, series and weights of one dynamics, the `index`-th.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be encoded.
    pub fn finish(
        &self,
        index: usize,
        save_steps: &[u64],
        outcome: &Outcome,
        seconds: f64,
    ) -> Result<Finished, Failure> {
        let run = &self.experiment.run;
        let spec = &self.experiment.dynamics[index];
        let totals = outcome.statistics.totals();
        let material = Material {
            spec,
            outcome,
            totals: &totals,
            save_steps,
            trajectories: self.experiment.trajectories_of(spec),
            requested: run.trajectories,
            problem: &self.known.problem,
            rank_tolerance: run.rank_tolerance,
            reduce: run.reductions,
            seconds,
        };
        Finished::new(
            &material.summary(),
            material.series(),
            totals
                .trajectories()
                .filter(|_| run.keep_trajectories)
                .map(<[_]>::to_vec),
            outcome.final_weights.as_ref().map(rows_first),
        )
    }

    /// What the run says of itself.
    ///
    /// # Errors
    /// Exit code 1 for a dynamics that cannot be decoded.
    pub fn summary(&self, finished: &[Finished]) -> Result<Summary, Failure> {
        let dynamics = finished
            .iter()
            .map(Finished::summary)
            .collect::<Result<Vec<_>, _>>()?;
        let mut warnings = self.known.warnings.clone();
        warnings.extend(dynamics.iter().filter_map(|d| survival(d).warning()));
        warnings.extend(dynamics.iter().filter_map(doubts::of_exact));
        warnings.extend(self.width_warning());
        warnings.extend(matched_noise_note(&dynamics, self.known.problem.samples));
        Ok(Summary {
            schema: SUMMARY_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            experiment: self.experiment.name.clone(),
            seed: self.experiment.run.seed,
            problem: self.known.problem.clone(),
            dynamics,
            warnings,
        })
    }

    fn width_warning(&self) -> Option<String> {
        let problem = &self.known.problem;
        let (d, l) = (problem.inputs + problem.outputs, problem.width);
        (l < d).then(|| {
            format!(
                "the width {l} is below p + k = {d}: log det is that of ΘᵀΘ, which no law holds \
                 constant, not even under gradient flow"
            )
        })
    }

    /// Writes everything but the summary, and then the summary: the run is then finished. Pictures
    /// come last, and what goes wrong with them is a warning of the summary.
    ///
    /// # Errors
    /// Exit code 1 where a file of results cannot be written.
    pub fn write(
        &self,
        folder: RunFolder,
        finished: &[Finished],
        summary: &mut Summary,
        resolved: &str,
    ) -> Result<Drawing, Failure> {
        let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
        folder.write_series(&rows)?;
        self.write_trajectories(&folder, finished)?;
        folder.write_weights(&self.tensors(finished))?;
        let table = SeriesTable::from_rows(rows);
        let path = folder.path().to_owned();
        let drawing = draw(summary, &table, resolved, &path);
        finish_drawn(folder, drawing, summary, |s| &mut s.warnings)
    }

    fn tensors(&self, finished: &[Finished]) -> Vec<Tensor> {
        let problem = &self.known.problem;
        let mut tensors = Vec::new();
        for (index, [w1, w2]) in finished
            .iter()
            .enumerate()
            .filter_map(|(i, f)| Some((i, f.weights.as_ref()?)))
        {
            let prefix = if finished.len() == 1 {
                String::new()
            } else {
                format!("dynamics.{index}.")
            };
            let mut push = |name: &str, shape: [usize; 2], values: &[f64]| {
                tensors.push(Tensor {
                    name: format!("{prefix}{name}"),
                    shape: shape.to_vec(),
                    values: values.to_vec(),
                });
            };
            push("w1", [problem.inputs, problem.width], w1);
            push("w2", [problem.width, problem.outputs], w2);
        }
        tensors
    }

    fn write_trajectories(&self, folder: &RunFolder, finished: &[Finished]) -> Result<(), Failure> {
        if !self.experiment.run.keep_trajectories {
            return Ok(());
        }
        let mut writer = TrajectoriesWriter::create(&folder.file(TRAJECTORIES))?;
        let save_steps = self.experiment.save_steps();
        for (index, (steps, done)) in save_steps.iter().zip(finished).enumerate() {
            let spec = &self.experiment.dynamics[index];
            let layout = self.known.layout(&self.experiment.ensemble(index, steps));
            let observables = layout.observables.len();
            for (trajectory, values) in done.trajectories.iter().flatten() {
                let row = |(cell, &value): (usize, &f64)| {
                    let observable = layout.observables[cell % observables];
                    (observable.name != LAW).then(|| TrajectoryRow {
                        dynamics: &spec.label,
                        trajectory: *trajectory,
                        observable: observable.name,
                        index: observable.index,
                        time: steps[cell / observables] as f64 * spec.time_step,
                        value: value.is_finite().then_some(value),
                    })
                };
                let rows: Vec<TrajectoryRow> = values.iter().enumerate().filter_map(row).collect();
                writer.append(&rows)?;
            }
        }
        folder.note(TRAJECTORIES, writer.finish()?);
        Ok(())
    }
}

/// `w1` and `w2`, rows first.
pub fn rows_first(weights: &Weights) -> [Vec<f64>; 2] {
    [&weights.w1, &weights.w2].map(|w| {
        (0..w.nrows())
            .flat_map(|i| (0..w.ncols()).map(move |j| w[(i, j)]))
            .collect()
    })
}

fn survival(dynamics: &DynamicsSummary) -> Survival<'_> {
    Survival {
        label: &dynamics.label,
        trajectories: dynamics.trajectories,
        diverged: dynamics.diverged,
        first: dynamics.divergences.first(),
    }
}

/// Full-batch label noise averages over n rows: says so where its ν is made equal to a flow's.
fn matched_noise_note(dynamics: &[DynamicsSummary], samples: u64) -> Option<String> {
    let flow = dynamics
        .iter()
        .find(|d| d.kind == "stochastic-gradient-flow" && d.noise_intensity > 0.0)?;
    let descent = dynamics.iter().find(|d| {
        d.kind == "label-noise-gradient-descent"
            && d.optimizer.is_none()
            && (d.noise_intensity / flow.noise_intensity - 1.0).abs() < 1e-12
    })?;
    Some(format!(
        "{} averages its label noise over all n = {samples} rows, ν = ηδ/n; its label variance \
         δ = {} makes ν = {} equal to that of {}",
        quoted(&descent.label),
        descent.label_noise,
        descent.noise_intensity,
        quoted(&flow.label)
    ))
}

/// Prints what a person or a program wants to see at the end.
///
/// # Errors
/// Exit code 1 where standard output cannot be written.
pub fn report_finished(
    summary: &Summary,
    path: &Path,
    json: bool,
    drawing: Option<&Drawing>,
) -> Result<(), Failure> {
    if json {
        return run_folder::print_summary(path);
    }
    let compared = table::predicted_and_measured(summary);
    let mut text = table::to_text(&compared, table::falling_layer(summary));
    text.push('\n');
    for warning in &summary.warnings {
        text += &format!("note: {warning}\n");
    }
    match drawing {
        Some(drawing) => text += &drawing.listing(path),
        None => {
            text += &finished_before(path);
        }
    }
    crate::print(&text)
}

/// A dynamics without a survivor is a failed run, though its record is kept.
///
/// # Errors
/// Exit code 1, naming all of them.
pub fn all_diverged(summary: &Summary) -> Result<(), Failure> {
    let all: Vec<Survival> = summary.dynamics.iter().map(survival).collect();
    expect_survivors(
        &all,
        "a smaller step_size (or time_step) or smaller initial weights; stable steps have \
         step × λ_max(S_xx) × (σ₁(W₁)² + σ₁(W₂)²) below 1",
    )
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

/// Ends a run whose numbers are written: pictures, then the summary, and it counts as finished. A picture
/// that cannot be drawn is one of the `warnings` of the summary.
///
/// # Errors
/// Exit code 1 where a file cannot be written, for want of room perhaps; the folder then still counts as
/// unfinished, and the same command with `--resume` ends it without computing anything again.
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
    /// The pictures of figures, each as SVG and PNG; what has nothing to draw says why in the report.
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

    /// Writes and prints, where drawing is all there is to do.
    ///
    /// # Errors
    /// Exit code 1 where a picture could not be drawn, or a file not be written.
    pub fn write_alone(self, folder: &Path) -> Result<(), Failure> {
        self.write(folder)?;
        crate::print(&self.listing(folder))?;
        match self.warnings.is_empty() {
            true => Ok(()),
            false => Err(Failure::run(self.warnings.join("; "))),
        }
    }
}

/// What is said of a folder in which everything was done before.
pub fn finished_before(folder: &Path) -> String {
    let shown = shown_path(folder);
    let mut text = format!("{shown} was finished already; nothing was changed\n");
    if !folder.join(REPORT).exists() {
        text += &format!("note: it has no report; rankfall plot {shown} draws it\n");
    }
    text
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
    let command = format!("rankfall run {} --out runs/again", again.display());
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

//! From the finished dynamics of an experiment to the files of its run folder, figures included.

use crate::checkpoint::Finished;
use crate::doubts;
use crate::engine::{Measurements, Recorder};
use crate::experiment::Experiment;
use crate::failure::{Failure, quoted, shown_path};
use crate::preparation::Known;
use crate::run_folder::trajectories::{TrajectoriesWriter, TrajectoryRow};
use crate::run_folder::weights::Tensor;
use crate::run_folder::{self, AnySummary, REPORT, RunFolder, TRAJECTORIES};
use crate::summarise::Material;
use crate::survival::{Survival, expect_survivors};
use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_core::measure::layout::LAW;
use rankfall_core::model::network::Weights;
use rankfall_report::record::{DynamicsSummary, SUMMARY_SCHEMA, SeriesRow, Summary};
use rankfall_report::scene::Scene;
use rankfall_report::{Figure, ReportInput, SeriesTable, draw_all, png, report_page, svg};
use serde::Serialize;
use std::path::Path;

/// Makes results of what the exact engine measured.
pub struct Results {
    /// The experiment.
    pub experiment: Experiment,
    /// What is known of its data.
    pub known: Known,
}

impl Recorder for Results {
    type Known = Known;
    type Finished = Finished;

    fn name(&self) -> &str {
        &self.experiment.name
    }

    fn resolved_toml(&self) -> String {
        self.experiment.resolved_toml()
    }

    fn labels(&self) -> Vec<&str> {
        let dynamics = self.experiment.dynamics.iter();
        dynamics.map(|spec| spec.label.as_str()).collect()
    }

    fn blocks(&self, dynamics: usize) -> u64 {
        let problem = &self.known.problem;
        let rows = problem.inputs + problem.outputs;
        let spec = &self.experiment.dynamics[dynamics];
        self.experiment.blocks_of(spec, rows)
    }

    fn empty_statistics(&self, dynamics: usize) -> Statistics {
        let mut ensemble = self.ensemble(dynamics);
        ensemble.trajectories =
            (self.experiment).trajectories_of(&self.experiment.dynamics[dynamics]);
        ensemble.empty_statistics(&self.known.layout(&ensemble))
    }

    fn known(&self) -> &Known {
        &self.known
    }

    fn finish(
        &self,
        index: usize,
        measurements: &Measurements,
        seconds: f64,
    ) -> Result<Finished, Failure> {
        let run = &self.experiment.run;
        let spec = &self.experiment.dynamics[index];
        let statistics = &measurements.statistics;
        let totals = statistics.totals();
        let ensemble = self.ensemble(index);
        let material = Material {
            spec,
            layout: &self.known.layout(&ensemble),
            statistics,
            totals: &totals,
            save_steps: &ensemble.save_steps,
            trajectories: self.experiment.trajectories_of(spec),
            requested: run.trajectories,
            problem: &self.known.problem,
            rank_tolerance: run.rank_tolerance,
            reduce: run.reductions,
            seconds,
        };
        let first = self.known.problem.inputs * self.known.problem.width;
        let two = |weights: &Vec<f64>| {
            let (w1, w2) = weights.split_at(first.min(weights.len()));
            [w1.to_vec(), w2.to_vec()]
        };
        Finished::new(
            &material.summary(),
            material.series(),
            totals
                .trajectories()
                .filter(|_| run.keep_trajectories)
                .map(<[_]>::to_vec),
            measurements.weights.as_ref().map(two),
        )
    }

    fn write(
        &self,
        folder: RunFolder,
        finished: &[Finished],
        resolved: &str,
    ) -> Result<(AnySummary, Drawing), Failure> {
        let mut summary = self.summary(finished)?;
        let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
        folder.write_series(&rows)?;
        self.write_trajectories(&folder, finished)?;
        folder.write_weights(&self.tensors(finished))?;
        let table = SeriesTable::from_rows(rows);
        let path = folder.path().to_owned();
        let drawing = draw(&summary, &table, resolved, &path);
        let drawing = finish_drawn(folder, drawing, &mut summary, |s| &mut s.warnings)?;
        Ok((AnySummary::Exact(Box::new(summary)), drawing))
    }
}

impl Results {
    fn ensemble(&self, dynamics: usize) -> EnsembleSpec {
        let save_steps = self.experiment.save_steps().swap_remove(dynamics);
        self.experiment.ensemble(dynamics, &save_steps)
    }

    fn summary(&self, finished: &[Finished]) -> Result<Summary, Failure> {
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

/// `w1` and then `w2`, rows first.
pub fn rows_first(weights: &Weights) -> Vec<f64> {
    let rows = |w: &faer::Mat<f64>| -> Vec<f64> {
        (0..w.nrows())
            .flat_map(|i| (0..w.ncols()).map(move |j| w[(i, j)]))
            .collect()
    };
    [rows(&weights.w1), rows(&weights.w2)].concat()
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

/// A dynamics without a survivor is a failed run, though its record is kept.
///
/// # Errors
/// Exit code 1, naming all of them.
pub fn expect_survivors_of(summary: &Summary) -> Result<(), Failure> {
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

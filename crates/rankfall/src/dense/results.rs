//! From the finished dynamics of a network to the files of its run folder, figures included.

use super::preparation::{AnySource, Prepared, first_training};
use super::run::Ended;
use super::summarise::{Material, is_loss};
use crate::doubts;
use crate::experiment::DenseExperiment;
use crate::failure::Failure;
use crate::results::{Drawing, finish_drawn, finished_before};
use crate::run_folder::trajectories::{TrajectoriesWriter, TrajectoryRow};
use crate::run_folder::weights::{Tensor, layer_tensors};
use crate::run_folder::{self, REPORT, RunFolder, TRAJECTORIES};
use crate::survival::{Survival, expect_survivors};
use rankfall_nets::ensemble::Source;
use rankfall_nets::inert::inert;
use rankfall_nets::network::Architecture;
use rankfall_nets::scalar::Scalar;
use rankfall_nets::training::Plan;
use rankfall_report::network_record::{
    DENSE, InertSummary, NetworkDynamics, NetworkProblem, NetworkSummary,
};
use rankfall_report::network_table::network_text;
use rankfall_report::record::{SUMMARY_SCHEMA, SeriesRow};
use rankfall_report::{NetworkReport, SeriesTable, draw_network, network_page};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A finished dynamics, as a checkpoint keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// As JSON: its own format leaves fields out, which a checkpoint cannot.
    summary: String,
    series: Vec<SeriesRow>,
    times: Vec<f64>,
    trajectories: Option<Vec<(u64, Vec<f64>)>>,
    tensors: Vec<Tensor>,
}

/// What results are made from, besides the dynamics themselves.
pub struct Results<'a> {
    /// The experiment.
    pub experiment: &'a DenseExperiment,
    /// What was run.
    pub prepared: &'a Prepared,
    /// Why the exact engine does not run it.
    pub why: &'a str,
}

impl Results<'_> {
    /// Summary, series and weights of one dynamics, the `index`-th.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be encoded.
    pub fn finish(&self, index: usize, ended: &Ended, seconds: f64) -> Result<Finished, Failure> {
        let known = &self.prepared.known;
        let totals = ended.statistics.totals();
        let material = Material {
            spec: &self.experiment.dynamics[index],
            ensemble: &self.prepared.ensembles[index],
            ended,
            totals: &totals,
            layout: &known.layouts[index],
            known,
            inert: self.inert(index, ended),
            why: self.why,
            seconds,
        };
        let summary = serde_json::to_string(&material.summary())
            .map_err(|error| Failure::run(format!("cannot encode a summary: {error}")))?;
        let prefix = match self.experiment.dynamics.len() {
            1 => String::new(),
            _ => format!("dynamics.{index}."),
        };
        let tensors = |values: &Vec<f64>| layer_tensors(&known.network, values, &prefix);
        Ok(Finished {
            summary,
            series: material.series(),
            times: ended.times.clone(),
            trajectories: totals
                .trajectories()
                .filter(|_| self.experiment.run.keep_trajectories)
                .map(<[_]>::to_vec),
            tensors: ended
                .final_parameters
                .as_ref()
                .map(tensors)
                .unwrap_or_default(),
        })
    }

    /// What of trajectory 0 can learn nothing more, by its weights at the end.
    fn inert(&self, index: usize, ended: &Ended) -> Option<InertSummary> {
        let weights = ended.final_parameters.as_ref()?;
        let plan = Plan::new(&self.prepared.ensembles[index].training).ok()?;
        match &self.prepared.source {
            AnySource::Single(source) => inert_of(source, &plan, weights),
            AnySource::Double(source) => inert_of(source, &plan, weights),
        }
    }

    /// What the run says of itself.
    ///
    /// # Errors
    /// Exit code 1 for a dynamics that cannot be decoded.
    pub fn summary(&self, finished: &[Finished]) -> Result<NetworkSummary, Failure> {
        let decode = |one: &Finished| serde_json::from_str(&one.summary);
        let dynamics: Result<Vec<NetworkDynamics>, _> = finished.iter().map(decode).collect();
        let dynamics = dynamics
            .map_err(|error| Failure::run(format!("the checkpoint is damaged: {error}")))?;
        let known = &self.prepared.known;
        let mut warnings = known.warnings.clone();
        warnings.extend(dynamics.iter().filter_map(|d| survival(d).warning()));
        let problem = self.problem();
        warnings.extend(
            dynamics
                .iter()
                .flat_map(|d| doubts::of_network(d, &problem)),
        );
        Ok(NetworkSummary {
            schema: SUMMARY_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: DENSE.to_owned(),
            engine_reason: self.why.to_owned(),
            experiment: self.experiment.name.clone(),
            seed: self.experiment.run.seed,
            problem,
            dynamics,
            warnings,
        })
    }

    fn problem(&self) -> NetworkProblem {
        let (known, network) = (&self.prepared.known, &self.experiment.network);
        let spec = &self.experiment.spec;
        let name = |value: serde_json::Result<String>| {
            value
                .map(|text| text.trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        NetworkProblem {
            samples: known.samples,
            held_out: known.held_out,
            layers: spec.layers.clone(),
            kind: match spec.kind {
                Architecture::Dense => "dense".to_owned(),
                Architecture::DiagonalLinear => "diagonal-linear".to_owned(),
            },
            activation: name(serde_json::to_string(&spec.activation)),
            bias: spec.bias,
            parameters: known.network.parameters(),
            loss: name(serde_json::to_string(&network.loss)),
            precision: name(serde_json::to_string(&network.precision)),
            classes: known.classes,
            constant_loss: known.constant_loss,
            data: known.words.clone(),
        }
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
        summary: &mut NetworkSummary,
        resolved: &str,
    ) -> Result<Drawing, Failure> {
        let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
        folder.write_series(&rows)?;
        self.write_trajectories(&folder, finished)?;
        let tensors: Vec<Tensor> = finished.iter().flat_map(|f| f.tensors.clone()).collect();
        folder.write_weights(&tensors)?;
        let table = SeriesTable::from_rows(rows);
        let path = folder.path().to_owned();
        let drawing = draw(summary, &table, resolved, &path);
        finish_drawn(folder, drawing, summary, |s| &mut s.warnings)
    }

    fn write_trajectories(&self, folder: &RunFolder, finished: &[Finished]) -> Result<(), Failure> {
        if !self.experiment.run.keep_trajectories {
            return Ok(());
        }
        let mut writer = TrajectoriesWriter::create(&folder.file(TRAJECTORIES))?;
        for (index, done) in finished.iter().enumerate() {
            let layout = &self.prepared.known.layouts[index];
            let measure = &self.prepared.ensembles[index].measure;
            let observables = layout.observables.len();
            for (trajectory, values) in done.trajectories.iter().flatten() {
                let row = |(cell, &value): (usize, &f64)| {
                    let (save, observable) =
                        (cell / observables, &layout.observables[cell % observables]);
                    let taken = match is_loss(&observable.name) {
                        true => measure.takes_losses(save),
                        false => measure.takes_spectra(save),
                    };
                    taken.then(|| TrajectoryRow {
                        dynamics: &self.experiment.dynamics[index].label,
                        trajectory: *trajectory,
                        observable: &observable.name,
                        index: observable.index,
                        time: done.times[save],
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

fn inert_of<T: Scalar>(source: &Source<T>, plan: &Plan, weights: &[f64]) -> Option<InertSummary> {
    let train = first_training(source, plan)?;
    let weights: Vec<T> = weights.iter().map(|&w| T::of(w)).collect();
    let found = inert(plan, &train, &weights);
    Some(InertSummary {
        dead_units: found.dead_units,
        still_layers: found.still_layers,
    })
}

fn survival(dynamics: &NetworkDynamics) -> Survival<'_> {
    Survival {
        label: &dynamics.label,
        trajectories: dynamics.trajectories,
        diverged: dynamics.diverged,
        first: dynamics.divergences.first(),
    }
}

/// Prints what a person or a program wants to see at the end.
///
/// # Errors
/// Exit code 1 where standard output cannot be written.
pub fn report_finished(
    summary: &NetworkSummary,
    path: &Path,
    json: bool,
    drawing: Option<&Drawing>,
) -> Result<(), Failure> {
    if json {
        return run_folder::print_summary(path);
    }
    let mut text = network_text(summary);
    text.push('\n');
    text += &format!("dense engine: {}\n", summary.engine_reason);
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
pub fn all_diverged(summary: &NetworkSummary) -> Result<(), Failure> {
    let all: Vec<Survival> = summary.dynamics.iter().map(survival).collect();
    expect_survivors(&all, "a smaller step_size, or smaller initial weights")
}

/// Draws figures and report.
pub fn draw(
    summary: &NetworkSummary,
    table: &SeriesTable,
    experiment_toml: &str,
    folder: &Path,
) -> Drawing {
    let mut drawing = Drawing::of(draw_network(summary, table));
    let again = folder.join(run_folder::EXPERIMENT);
    let command = format!("rankfall run {} --out runs/again", again.display());
    let page = network_page(&NetworkReport {
        summary,
        table,
        experiment_toml,
        command: &command,
    });
    drawing.files.push((REPORT.to_owned(), page.into_bytes()));
    drawing
}

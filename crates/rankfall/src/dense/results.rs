//! From the finished dynamics of a network to the files of its run folder, figures included.

use super::preparation::Known;
use super::summarise::{Material, is_loss};
use crate::doubts;
use crate::engine::{Measurements, Recorder};
use crate::experiment::layered::LayeredExperiment;
use crate::failure::Failure;
use crate::results::{Drawing, finish_drawn};
use crate::run_folder::trajectories::{TrajectoriesWriter, TrajectoryRow};
use crate::run_folder::weights::{Tensor, layer_tensors};
use crate::run_folder::{self, AnySummary, REPORT, RunFolder, TRAJECTORIES};
use crate::survival::{Survival, expect_survivors};
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_nets::network::Architecture;
use rankfall_report::network_record::{DENSE, NetworkDynamics, NetworkProblem, NetworkSummary};
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
    trajectories: Option<Vec<(u64, Vec<f64>)>>,
    tensors: Vec<Tensor>,
}

/// Makes results of what the dense engine measured.
pub struct Results {
    /// The experiment.
    pub experiment: LayeredExperiment,
    /// What is known of its data.
    pub known: Known,
    /// Why the exact engine does not run it.
    pub why: String,
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
        dynamics.map(|d| d.label.as_str()).collect()
    }

    fn blocks(&self, dynamics: usize) -> u64 {
        self.known.trajectories[dynamics]
    }

    fn empty_statistics(&self, dynamics: usize) -> Statistics {
        let known = &self.known;
        known.ensembles[dynamics]
            .empty_statistics(&known.layouts[dynamics], known.trajectories[dynamics])
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
        let known = &self.known;
        let statistics = &measurements.statistics;
        let totals = statistics.totals();
        let material = Material {
            spec: &self.experiment.dynamics[index],
            ensemble: &known.ensembles[index],
            statistics,
            totals: &totals,
            times: &known.times[index],
            trajectories: known.trajectories[index],
            layout: &known.layouts[index],
            known,
            inert: measurements.inert.clone(),
            why: &self.why,
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
            trajectories: totals
                .trajectories()
                .filter(|_| self.experiment.run.keep_trajectories)
                .map(<[_]>::to_vec),
            tensors: measurements
                .weights
                .as_ref()
                .map(tensors)
                .unwrap_or_default(),
        })
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
        let tensors: Vec<Tensor> = finished.iter().flat_map(|f| f.tensors.clone()).collect();
        folder.write_weights(&tensors)?;
        let table = SeriesTable::from_rows(rows);
        let path = folder.path().to_owned();
        let drawing = draw(&summary, &table, resolved, &path);
        let drawing = finish_drawn(folder, drawing, &mut summary, |s| &mut s.warnings)?;
        Ok((AnySummary::Dense(Box::new(summary)), drawing))
    }
}

impl Results {
    fn summary(&self, finished: &[Finished]) -> Result<NetworkSummary, Failure> {
        let decode = |one: &Finished| serde_json::from_str(&one.summary);
        let dynamics: Result<Vec<NetworkDynamics>, _> = finished.iter().map(decode).collect();
        let dynamics = dynamics
            .map_err(|error| Failure::run(format!("the checkpoint is damaged: {error}")))?;
        let known = &self.known;
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
            engine_reason: self.why.clone(),
            experiment: self.experiment.name.clone(),
            seed: self.experiment.run.seed,
            problem,
            dynamics,
            warnings,
        })
    }

    fn problem(&self) -> NetworkProblem {
        let (known, network) = (&self.known, &self.experiment.network);
        let name = |value: serde_json::Result<String>| {
            value
                .map(|text| text.trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        NetworkProblem {
            samples: known.samples,
            held_out: known.held_out,
            layers: network.spec.layers.clone(),
            kind: match network.spec.kind {
                Architecture::Dense => "dense".to_owned(),
                Architecture::DiagonalLinear => "diagonal-linear".to_owned(),
            },
            activation: name(serde_json::to_string(&network.spec.activation)),
            bias: network.spec.bias,
            parameters: known.network.parameters(),
            loss: name(serde_json::to_string(&network.loss)),
            precision: name(serde_json::to_string(&network.precision)),
            classes: known.classes,
            constant_loss: known.constant_loss,
            data: known.words.clone(),
        }
    }

    fn write_trajectories(&self, folder: &RunFolder, finished: &[Finished]) -> Result<(), Failure> {
        if !self.experiment.run.keep_trajectories {
            return Ok(());
        }
        let mut writer = TrajectoriesWriter::create(&folder.file(TRAJECTORIES))?;
        for (index, done) in finished.iter().enumerate() {
            let layout = &self.known.layouts[index];
            let measure = &self.known.ensembles[index].measure;
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
                        time: self.known.times[index][save],
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

fn survival(dynamics: &NetworkDynamics) -> Survival<'_> {
    Survival {
        label: &dynamics.label,
        trajectories: dynamics.trajectories,
        diverged: dynamics.diverged,
        first: dynamics.divergences.first(),
    }
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

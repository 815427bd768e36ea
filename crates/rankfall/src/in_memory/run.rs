//! What a run in memory left: its summary, its curves by name, and where to go on from if it was
//! stopped.

use crate::engine::Recorder;
use crate::failure::{Failure, quoted};
use crate::finished::{DynamicsOutcome, TrajectoryValues};
use crate::results;
use crate::run_folder::weights::NamedArray;
use crate::run_folder::{Existing, OpenedFolder, RunFolder};
use rankfall_core::ensemble::EnsembleCheckpoint;
use rankfall_report::SeriesTable;
use rankfall_report::record::{DynamicsSummary, SeriesRow, Summary};
use rankfall_report::series::Curve;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a run that was stopped left, to go on from: [`Runner::from`](super::Runner::from).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterruptedRun {
    pub(super) resolved: String,
    pub(super) finished: Vec<DynamicsOutcome>,
    pub(super) checkpoint: Option<EnsembleCheckpoint>,
    pub(super) seconds: f64,
}

impl InterruptedRun {
    pub(super) fn expect(&self, resolved: &str, labels: &[&str]) -> Result<(), Failure> {
        if self.resolved == resolved && self.finished.len() <= labels.len() {
            return Ok(());
        }
        let names = ["the run that was stopped", "this one"];
        let difference = crate::difference::first_difference(&self.resolved, resolved, names);
        let message = format!("this is not the experiment that was stopped: {difference}");
        Err(Failure::input(message).hint("run it from the beginning"))
    }
}

/// What an experiment left.
pub struct Run {
    /// What the run says of itself: the contents of `summary.json`.
    pub summary: Summary,
    /// Whether it was stopped early: the last dynamics is there as far as it came, those after it
    /// are missing.
    pub interrupted: bool,
    /// Where to go on from, where it was stopped.
    pub left: Option<InterruptedRun>,
    table: SeriesTable,
    /// The resolved experiment; none where its data were moments in memory.
    resolved: Option<String>,
    finished: Vec<DynamicsOutcome>,
}

impl Run {
    /// Of dynamics that are finished.
    pub(crate) fn of<R: Recorder>(
        recorder: &R,
        finished: Vec<DynamicsOutcome>,
        can_be_saved: bool,
    ) -> Result<Self, Failure> {
        let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
        Ok(Self {
            summary: recorder.summary(&finished)?,
            table: SeriesTable::from_rows(rows),
            resolved: can_be_saved.then(|| recorder.resolved_toml()),
            finished,
            interrupted: false,
            left: None,
        })
    }

    /// The dynamics of this label.
    ///
    /// # Errors
    /// Where there is none, with the labels that there are.
    pub fn dynamics(&self, label: &str) -> Result<DynamicsResult<'_>, Failure> {
        let all = &self.summary.dynamics;
        if let Some(summary) = all.iter().find(|one| one.label == label) {
            let table = &self.table;
            return Ok(DynamicsResult { summary, table });
        }
        let labels: Vec<String> = all.iter().map(|one| quoted(&one.label)).collect();
        let message = format!("there is no dynamics {}", quoted(label));
        Err(Failure::input(message).hint(format!("there are {}", labels.join(", "))))
    }

    /// The rows of `series.parquet`, in its order.
    pub fn rows(&self) -> impl Iterator<Item = &SeriesRow> {
        self.finished.iter().flat_map(|one| &one.series)
    }

    /// The weights of trajectory 0 at the end, of all dynamics, as in `final.safetensors`.
    pub fn weights(&self) -> impl Iterator<Item = &NamedArray> {
        self.finished.iter().flat_map(|one| &one.tensors)
    }

    /// Every trajectory of the dynamics at a place, where they were kept.
    pub fn kept(&self, dynamics: usize) -> Option<&TrajectoryValues> {
        self.finished.get(dynamics)?.trajectories.as_ref()
    }

    /// The experiment with every default written out and the checksums of its data; none where the
    /// data were moments in memory.
    pub fn resolved_toml(&self) -> Option<&str> {
        self.resolved.as_deref()
    }

    /// Everything that was measured, as in `series.parquet`.
    pub fn series(&self) -> &SeriesTable {
        &self.table
    }

    /// Writes it as a run folder, figures and report included, which must be new.
    ///
    /// # Errors
    /// A folder with something in it; a file that cannot be written; a run that was interrupted;
    /// one on moments in memory, of which no experiment file can say where they are.
    pub fn save(&self, folder: &Path) -> Result<(), Failure> {
        let Some(resolved) = &self.resolved else {
            let message = "this run was on moments in memory, which an experiment file cannot name";
            let hint = "write them to an NPZ file and run on data.kind = \"gram\"";
            return Err(Failure::input(message).hint(hint));
        };
        self.save_as(folder, resolved)
    }

    /// The same with another text as its experiment file, where data are found elsewhere than they
    /// were read from.
    ///
    /// # Errors
    /// As for [`Run::save`].
    pub fn save_as(&self, folder: &Path, resolved: &str) -> Result<(), Failure> {
        if self.interrupted {
            let message = "this run was stopped before its end, and a folder would look whole";
            return Err(Failure::run(message).hint("run it again, into a folder from the start"));
        }
        let OpenedFolder::Fresh(folder) = RunFolder::open(folder, Existing::Refuse)? else {
            return Err(Failure::run("the folder changed while it was opened"));
        };
        folder.write_experiment(resolved)?;
        let mut summary = self.summary.clone();
        results::write(folder, &self.finished, &mut summary, resolved).map(drop)
    }
}

/// One dynamics of a run: what was measured, by name. A [`Curve`] has `times`, `mean`, `std_error`,
/// the quantiles `q05` to `q95`, and the `law`.
#[derive(Clone, Copy)]
pub struct DynamicsResult<'a> {
    summary: &'a DynamicsSummary,
    table: &'a SeriesTable,
}

impl<'a> DynamicsResult<'a> {
    /// Its entry of `summary.json`.
    pub fn summary(&self) -> &'a DynamicsSummary {
        self.summary
    }

    /// log det of two linear layers over time, with the determinant law.
    ///
    /// # Errors
    /// Networks of which it is not measured.
    pub fn log_det(&self) -> Result<&'a Curve, Failure> {
        self.observable("log_det")
    }

    /// The training loss over time.
    ///
    /// # Errors
    /// None: every run has it.
    pub fn loss(&self) -> Result<&'a Curve, Failure> {
        self.observable("loss")
    }

    /// The logarithm of the `index`-th largest singular value, from 1, of `"w1"`, `"w2"`, …,
    /// `"theta"` or `"product"`.
    ///
    /// # Errors
    /// A matrix or an index that there is not.
    pub fn log_singular_value(&self, matrix: &str, index: u32) -> Result<&'a Curve, Failure> {
        self.of_matrix("log_singular_value", matrix, index)
    }

    /// Its effective rank: the exponential of the entropy of σᵢ/Σσ.
    ///
    /// # Errors
    /// A matrix that there is not.
    pub fn effective_rank(&self, matrix: &str) -> Result<&'a Curve, Failure> {
        self.of_matrix("effective_rank", matrix, 0)
    }

    /// #{σᵢ > tolerance · σ₁}.
    ///
    /// # Errors
    /// A matrix that there is not.
    pub fn numerical_rank(&self, matrix: &str) -> Result<&'a Curve, Failure> {
        self.of_matrix("numerical_rank", matrix, 0)
    }

    /// Any scalar without a layer, quantities of one's own among them.
    ///
    /// # Errors
    /// A name under which nothing was measured.
    pub fn observable(&self, name: &str) -> Result<&'a Curve, Failure> {
        let curve = self.table.curve(&self.summary.label, name, 0);
        curve.ok_or_else(|| self.unmeasured(name))
    }

    fn of_matrix(&self, quantity: &str, matrix: &str, index: u32) -> Result<&'a Curve, Failure> {
        let label = &self.summary.label;
        let layer = matrix
            .strip_prefix('w')
            .and_then(|layer| layer.parse().ok());
        let curve = match layer {
            Some(layer) => self.table.curve(label, (quantity, layer), index),
            None => {
                let name = format!("{quantity}_{matrix}");
                self.table.curve(label, name.as_str(), index)
            }
        };
        let what = match index {
            0 => format!("{quantity} of {matrix}"),
            _ => format!("{quantity} {index} of {matrix}"),
        };
        curve.ok_or_else(|| self.unmeasured(&what))
    }

    fn unmeasured(&self, what: &str) -> Failure {
        let (what, label) = (quoted(what), quoted(&self.summary.label));
        Failure::input(format!("{what} was not measured of {label}"))
            .hint("docs/run-folder.md lists what is measured of which network")
    }
}

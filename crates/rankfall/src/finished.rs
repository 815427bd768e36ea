//! What a finished dynamics leaves: its part of every file of results.

use crate::failure::{Failure, number_text};
use crate::grid::Grid;
use crate::run_folder::names::WEIGHTS;
use crate::run_folder::weights::NamedArray;
use rankfall_report::record::{DynamicsSummary, SeriesRow};
use serde::{Deserialize, Serialize};

/// A finished dynamics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DynamicsOutcome {
    /// As JSON: its own format leaves fields out, which this file's cannot.
    summary: String,
    /// Its rows of `series.parquet`.
    pub series: Vec<SeriesRow>,
    /// Every trajectory, where kept.
    pub trajectories: Option<TrajectoryValues>,
    /// The weights of trajectory 0 at the end; none where it diverged.
    pub tensors: Vec<NamedArray>,
    /// Weights kept on the way.
    pub snapshots: Vec<WeightSnapshot>,
}

/// The weights of one trajectory at one time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightSnapshot {
    /// Whose, from 0.
    pub trajectory: u64,
    /// t.
    pub time: f64,
    /// Under the names that initial weights are read by.
    pub tensors: Vec<NamedArray>,
}

impl WeightSnapshot {
    /// The name of its file in the run folder, for the dynamics at this place.
    pub fn file(&self, dynamics: usize) -> String {
        let (trajectory, time) = (self.trajectory, self.time);
        format!(
            "{WEIGHTS}/dynamics-{dynamics}-trajectory-{trajectory}-time-{}.safetensors",
            number_text(time)
        )
    }
}

/// The values of every trajectory of a dynamics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrajectoryValues {
    /// What was measured and when.
    pub grid: Grid,
    /// Of each trajectory by its index, in the order of the grid.
    pub values: Vec<(u64, Vec<f64>)>,
}

impl DynamicsOutcome {
    /// With its summary encoded.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be written as JSON.
    pub fn new(
        summary: &DynamicsSummary,
        series: Vec<SeriesRow>,
        trajectories: Option<TrajectoryValues>,
        tensors: Vec<NamedArray>,
    ) -> Result<Self, Failure> {
        let summary = serde_json::to_string(summary)
            .map_err(|error| Failure::run(format!("cannot encode a summary: {error}")))?;
        Ok(Self {
            summary,
            series,
            trajectories,
            tensors,
            snapshots: Vec::new(),
        })
    }

    /// Its summary.
    ///
    /// # Errors
    /// Exit code 1 for a checkpoint that was tampered with.
    pub fn summary(&self) -> Result<DynamicsSummary, Failure> {
        serde_json::from_str(&self.summary)
            .map_err(|error| Failure::run(format!("the checkpoint is damaged: {error}")))
    }
}

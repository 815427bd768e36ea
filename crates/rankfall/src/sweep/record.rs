//! What a finished sweep says of itself: the `summary.json` of its folder.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};

/// The version of the layout of [`SweepSummary`]; raised when a field changes its meaning.
pub const SWEEP_SCHEMA: u32 = 1;

/// The whole of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepSummary {
    /// [`SWEEP_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// `"sweep"`: the summary of a run has none.
    pub kind: String,
    /// Version of the program that wrote it.
    pub version: String,
    /// The experiment's name.
    pub experiment: String,
    /// The seed of the experiment.
    pub seed: u64,
    /// Whether every point had a seed of its own, the experiment's plus the number of the point.
    pub vary_seed: bool,
    /// `"grid"` or `"random"`.
    pub design: String,
    /// What varied, in order: columns of `sweep.parquet`.
    pub axes: Vec<AxisRecord>,
    /// Sizes and data of the first point, in words.
    pub problem: String,
    /// How many points.
    pub points: u64,
    /// Over how many values of `run.seed` the ranges below, the figures and the tables of the page
    /// are means; null where it does not vary, or the design is no grid.
    #[serde(default)]
    pub seeds: Option<u64>,
    /// Entries of `[[dynamics]]`, in file order.
    pub dynamics: Vec<SweptDynamics>,
    /// Wall seconds; of a merged sweep their sum over the shards.
    pub seconds: f64,
    /// Sentences a reader of the results must see.
    pub warnings: Vec<String>,
}

/// One thing that varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisRecord {
    /// The dotted path of the key.
    pub key: String,
    /// What it varied over, as written.
    pub over: String,
    /// Its values in a grid, in order; empty for a random design.
    pub values: Vec<serde_json::Value>,
}

/// One dynamics over all points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweptDynamics {
    /// Its label at the first point.
    pub label: String,
    /// Points at which a trajectory diverged.
    pub points_with_divergence: u64,
    /// Points at which all of them did, so that there is no other number.
    pub points_without_survivors: u64,
    /// Smallest and largest effective rank of Θ at the end over all settings; null where no point
    /// has one.
    pub effective_rank_theta: Option<[f64; 2]>,
    /// Smallest and largest number of surviving singular values of Θ; null where no point has one.
    pub surviving_singular_values: Option<[f64; 2]>,
    /// Ranges over all settings of the ranks and accuracies that its network has, at the end.
    #[serde(default)]
    pub ranges: Vec<MetricRange>,
}

/// The smallest and the largest value of a metric over all settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRange {
    /// Its name in `sweep.parquet`.
    pub metric: String,
    /// Its index there: a layer, for instance.
    pub index: u32,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

/// A sweep without a survivor at any point is a failed run, though its record is kept.
///
/// # Errors
/// Exit code 1 where no trajectory survived anywhere.
pub fn expect_survivors(summary: &SweepSummary) -> Result<(), Failure> {
    let lost = |d: &SweptDynamics| d.points_without_survivors == summary.points;
    match summary.dynamics.iter().all(lost) {
        true => Err(
            Failure::run("every trajectory diverged at every point; the record is kept")
                .hint("smaller values of step_size (or time_step), or smaller initial weights"),
        ),
        false => Ok(()),
    }
}

//! What runs an experiment: the exact engine for two linear layers ([`crate::exact`]), the dense
//! one for any network ([`crate::dense`]). Runs, shards and merging know them by these two traits
//! alone.

use crate::failure::Failure;
use crate::finished::DynamicsOutcome;
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, RunError};
use rankfall_nets::ensemble::WeightsAtStep;
use rankfall_report::record::{InertSummary, Summary};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a dynamics leaves when it has been run, or a shard of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurements {
    /// Statistics over its trajectories; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Weights of trajectory 0 at the end, unless it diverged or is in another shard: W₁ and then
    /// W₂, rows first, of the exact engine; weights and biases in the order of the network of the
    /// dense one.
    pub weights: Option<Vec<f64>>,
    /// Weights kept on the way, in the dense engine.
    pub weights_then: Vec<WeightsAtStep<f64>>,
    /// What of trajectory 0 can learn nothing more at the end, in the dense engine.
    pub inert: Option<InertSummary>,
}

/// An experiment ready to run: data read or drawn, weights read, costs estimated.
pub trait Engine: Sync {
    /// What makes its results.
    type Recorder: Recorder;

    /// What makes its results.
    fn recorder(&self) -> &Self::Recorder;

    /// Sentences to say before anything is run: steps that are not stable.
    fn unstable(&self) -> &[String];

    /// Sentences on what theory predicts of the run; none where it predicts nothing.
    fn foreseen(&self) -> Vec<String> {
        Vec::new()
    }

    /// Runs a range of the blocks of a dynamics, from their beginning or from a checkpoint.
    ///
    /// # Errors
    /// An interruption; a trajectory that cannot be started; a checkpoint that cannot be kept or
    /// does not fit.
    fn run(
        &self,
        dynamics: usize,
        blocks: Range<u64>,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
    ) -> Result<Measurements, RunError<Failure>>;
}

/// Makes results of measurements. It needs the experiment and what is known of its data, not the
/// data.
pub trait Recorder: Sync {
    /// What is known of the data: all that is needed to make results of measurements.
    type Known: Clone + PartialEq + Serialize + DeserializeOwned;
    /// The name of the experiment.
    fn name(&self) -> &str;
    /// The resolved copy of the experiment, with the checksums of its data.
    fn resolved_toml(&self) -> String;
    /// Labels of the dynamics, in file order.
    fn labels(&self) -> Vec<&str>;
    /// Blocks of trajectories of a dynamics: the units that shards are made of.
    fn blocks(&self, dynamics: usize) -> u64;
    /// Statistics of a dynamics that have taken nothing in.
    fn empty_statistics(&self, dynamics: usize) -> Statistics;
    /// What is known of the data.
    fn known(&self) -> &Self::Known;
    /// Whether another process knows the same of its data, wherever the files lie.
    fn knows_the_same(&self, other: &Self::Known) -> bool;
    /// Summary, series and weights of a dynamics that took `seconds`.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be encoded.
    fn finish(
        &self,
        dynamics: usize,
        measurements: &Measurements,
        seconds: f64,
    ) -> Result<DynamicsOutcome, Failure>;
    /// What a run with these dynamics says of itself.
    ///
    /// # Errors
    /// Exit code 1 for a dynamics that cannot be decoded.
    fn summary(&self, finished: &[DynamicsOutcome]) -> Result<Summary, Failure>;
}

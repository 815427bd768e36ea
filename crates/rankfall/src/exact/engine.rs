//! Running two linear layers.

use super::prediction;
use super::record::{ExactRecorder, rows_first};
use crate::engine::{Engine, Measurements};
use crate::estimate;
use crate::experiment::ExactExperiment;
use crate::failure::Failure;
use crate::options::Options;
use crate::preparation::{self, DataCache, of_setup};
use crate::stability;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, OwnObservable, RunError};
use rankfall_core::model::setup::Setup;
use rankfall_core::simd::instructions::Instructions;
use std::ops::Range;
use std::path::Path;

/// An experiment ready to run in the exact engine.
pub struct ExactEngine {
    setup: Setup,
    unstable: Vec<String>,
    recorder: ExactRecorder,
}

impl ExactEngine {
    /// Reads or draws data and weights, and refuses what cannot be run or does not fit.
    ///
    /// # Errors
    /// Exit code 2 for what is wrong with the experiment, its data, or its cost.
    pub fn prepare(
        experiment: ExactExperiment,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Failure> {
        Self::prepare_with(experiment, &DataCache::default(), folder, options)
    }

    /// Like [`ExactEngine::prepare`], with data from the cache where it has them.
    ///
    /// # Errors
    /// As there.
    pub fn prepare_with(
        mut experiment: ExactExperiment,
        cache: &DataCache,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Failure> {
        estimate::check_drawing(&experiment)?;
        let mut prepared = preparation::prepare_with(&mut experiment, cache)?;
        prepared.known.warnings.extend(experiment.engine_note());
        estimate::check(
            &experiment,
            &prepared.known,
            folder,
            options.threads,
            options.shard,
        )?;
        let unstable = stability::of_exact(&experiment, &prepared)?;
        prepared.known.warnings.extend(unstable.clone());
        prepared.known.predictions =
            prediction::of_run(&experiment, &prepared.setup, prepared.known.problem.samples);
        Ok(Self {
            setup: prepared.setup,
            unstable,
            recorder: ExactRecorder {
                experiment,
                known: prepared.known,
                own: Vec::new(),
            },
        })
    }

    /// Data and starts.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Adds quantities of one's own to what is measured.
    pub fn observe(&mut self, own: Vec<OwnObservable>) {
        self.recorder.own.extend(own);
    }
}

impl Engine for ExactEngine {
    type Recorder = ExactRecorder;

    fn recorder(&self) -> &ExactRecorder {
        &self.recorder
    }

    fn unstable(&self) -> &[String] {
        &self.unstable
    }

    fn foreseen(&self) -> Vec<String> {
        let recorder = &self.recorder;
        prediction::in_words(&recorder.experiment, &recorder.known.predictions)
    }

    fn run(
        &self,
        dynamics: usize,
        blocks: Range<u64>,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
    ) -> Result<Measurements, RunError<Failure>> {
        let ensemble = self.recorder.ensemble(dynamics);
        let instructions = Instructions::best();
        let outcome =
            ensemble.run_part(&self.setup, blocks, threads, resume, control, instructions);
        let outcome = outcome.map_err(|error| error.map_start(of_setup))?;
        Ok(Measurements {
            weights_then: Vec::new(),
            statistics: outcome.statistics,
            weights: outcome.final_weights.as_ref().map(rows_first),
            inert: None,
        })
    }
}

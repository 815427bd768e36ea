//! Running two linear layers.

use super::record::{ExactRecorder, rows_first};
use crate::engine::{Engine, Measurements};
use crate::estimate;
use crate::experiment::ExactExperiment;
use crate::failure::Failure;
use crate::preparation::{self, of_setup};
use crate::run::Options;
use crate::stability;
use rankfall_core::ensemble::{Checkpoint, Control, RunError};
use rankfall_core::model::setup::Setup;
use rankfall_core::simd::instructions::Instructions;
use std::ops::Range;
use std::path::Path;

/// An experiment ready to run in the exact engine.
pub struct ExactEngine {
    setup: Setup,
    save_steps: Vec<Vec<u64>>,
    unstable: Vec<String>,
    recorder: ExactRecorder,
}

impl ExactEngine {
    /// Reads or draws data and weights, and refuses what cannot be run or does not fit.
    ///
    /// # Errors
    /// Exit code 2 for what is wrong with the experiment, its data, or its cost.
    pub fn prepare(
        mut experiment: ExactExperiment,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Failure> {
        estimate::check_drawing(&experiment)?;
        let mut prepared = preparation::prepare(&mut experiment)?;
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
        Ok(Self {
            setup: prepared.setup,
            save_steps: experiment.save_steps(),
            unstable,
            recorder: ExactRecorder {
                experiment,
                known: prepared.known,
            },
        })
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

    fn run(
        &self,
        dynamics: usize,
        blocks: Range<u64>,
        threads: usize,
        resume: Option<&Checkpoint>,
        control: &dyn Control,
    ) -> Result<Measurements, RunError<Failure>> {
        let experiment = &self.recorder.experiment;
        let ensemble = experiment.ensemble(dynamics, &self.save_steps[dynamics]);
        let instructions = Instructions::best();
        let outcome =
            ensemble.run_part(&self.setup, blocks, threads, resume, control, instructions);
        let outcome = outcome.map_err(|error| error.map_start(of_setup))?;
        Ok(Measurements {
            statistics: outcome.statistics,
            weights: outcome.final_weights.as_ref().map(rows_first),
            inert: None,
        })
    }
}

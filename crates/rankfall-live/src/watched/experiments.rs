//! Experiments of watched folders, made ready to read what their runs left; shards of one share it.

use rankfall::Failure;
use rankfall::dense::engine::DenseEngine;
use rankfall::engine::{Engine, Measurements, Recorder};
use rankfall::exact::engine::ExactEngine;
use rankfall::experiment::{EngineInput, Experiment};
use rankfall::finished::DynamicsOutcome;
use rankfall::options::Options;
use rankfall::part::Part;
use rankfall::run_folder::Existing;
use rankfall::run_folder::partial::seen_part;
use rankfall::shard::Shard;
use rankfall::sweep;
use rankfall::sweep::plan::SweepPlan;
use rankfall::watch::Silent;
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_core::ensemble::trajectories_per_block;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Most experiments that are kept ready.
const MOST_KEPT: usize = 32;

/// Experiments by their text.
#[derive(Default)]
pub struct ExperimentCache {
    ready: BTreeMap<String, FolderExperiment>,
}

/// An experiment that a folder is of.
#[derive(Clone)]
pub enum FolderExperiment {
    /// Of a run.
    Run(Arc<dyn Reader>),
    /// Of a sweep.
    Sweep(Arc<SweepPlan>),
}

/// Statistics of some of the trajectories of a dynamics.
pub type Parts<'a> = dyn Iterator<Item = Result<Statistics, Failure>> + 'a;

/// Makes results of what a run left so far.
pub trait Reader: Send + Sync {
    /// Of the experiment.
    fn name(&self) -> &str;
    /// Of the dynamics, in file order.
    fn labels(&self) -> Vec<String>;
    /// How many trajectories a dynamics has, or a shard has of it.
    fn trajectories(&self, dynamics: usize, shard: Option<Shard>) -> u64;
    /// What a shard in this folder kept of a dynamics that it finished.
    ///
    /// # Errors
    /// Exit code 2 where there is nothing, or it cannot be read.
    fn kept(&self, folder: &Path, dynamics: usize) -> Result<Statistics, Failure>;
    /// What a dynamics came to on the trajectories in `parts`, which are taken in one after the
    /// other.
    ///
    /// # Errors
    /// Exit code 2 for statistics that are not of this dynamics, or of trajectories that are there
    /// twice.
    fn results(&self, dynamics: usize, parts: &mut Parts) -> Result<DynamicsOutcome, Failure>;
}

impl ExperimentCache {
    /// The experiment with this text, resolved as it is in a folder.
    ///
    /// # Errors
    /// Exit code 2 for what is none, or whose data are not there.
    pub fn ready(&mut self, text: &str, folder: &Path) -> Result<FolderExperiment, Failure> {
        if let Some(ready) = self.ready.get(text) {
            return Ok(ready.clone());
        }
        let ready = match sweep::seen::plan(text, "experiment.toml")? {
            Some(plan) => FolderExperiment::Sweep(Arc::new(plan)),
            None => FolderExperiment::Run(reader(text, folder)?),
        };
        if self.ready.len() >= MOST_KEPT {
            self.ready.clear();
        }
        self.ready.insert(text.to_owned(), ready.clone());
        Ok(ready)
    }
}

fn reader(text: &str, folder: &Path) -> Result<Arc<dyn Reader>, Failure> {
    let experiment = Experiment::from_toml(text, "experiment.toml", folder, &[])?;
    let options = Options {
        out: None,
        existing: Existing::Refuse,
        threads: 1,
        shard: None,
        checkpoint_interval: Duration::MAX,
        watch: &Silent,
    };
    let here = Path::new(".");
    Ok(match experiment.engine()? {
        EngineInput::Exact(exact) => {
            let trajectories: Vec<u64> = exact
                .dynamics
                .iter()
                .map(|dynamics| exact.trajectories_of(dynamics))
                .collect();
            let engine = ExactEngine::prepare(*exact, here, &options)?;
            let problem = &engine.recorder().known.problem;
            let rows = problem.inputs + problem.outputs;
            let sizes = trajectories
                .into_iter()
                .map(|all| (all, trajectories_per_block(rows, all)))
                .collect();
            Arc::new(Of { engine, sizes })
        }
        EngineInput::Dense(dense, why) => {
            let engine = DenseEngine::prepare(*dense, why, here, &options)?;
            let recorder = engine.recorder();
            let dynamics = 0..recorder.labels().len();
            let sizes = dynamics.map(|of| (recorder.blocks(of), 1)).collect();
            Arc::new(Of { engine, sizes })
        }
    })
}

struct Of<E> {
    engine: E,
    /// Trajectories of each dynamics, and how many go in a block.
    sizes: Vec<(u64, u64)>,
}

impl<E: Engine + Send> Reader for Of<E> {
    fn name(&self) -> &str {
        self.engine.recorder().name()
    }

    fn labels(&self) -> Vec<String> {
        let labels = self.engine.recorder().labels();
        labels.into_iter().map(str::to_owned).collect()
    }

    fn trajectories(&self, dynamics: usize, shard: Option<Shard>) -> u64 {
        let Some(&(all, per_block)) = self.sizes.get(dynamics) else {
            return 0;
        };
        let blocks = self.engine.recorder().blocks(dynamics);
        let share = shard.map_or(0..blocks, |shard| shard.range(blocks));
        let before = |block: u64| block.saturating_mul(per_block).min(all);
        before(share.end) - before(share.start)
    }

    fn kept(&self, folder: &Path, dynamics: usize) -> Result<Statistics, Failure> {
        let part: Part<<E::Recorder as Recorder>::Known> = seen_part(folder, dynamics)?;
        Ok(part.measurements.statistics)
    }

    fn results(&self, dynamics: usize, parts: &mut Parts) -> Result<DynamicsOutcome, Failure> {
        let recorder = self.engine.recorder();
        let mut statistics = recorder.empty_statistics(dynamics);
        for part in parts {
            statistics.absorb(part?).map_err(Failure::input)?;
        }
        let measured = Measurements {
            statistics,
            weights: None,
            weights_then: Vec::new(),
            inert: None,
        };
        recorder.finish(dynamics, &measured, 0.0)
    }
}

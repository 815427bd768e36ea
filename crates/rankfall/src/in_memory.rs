//! Runs and sweeps in memory: no folder, nothing printed. How they are asked for; what they leave
//! is in files below.

mod execution;
mod run;
mod sweep;
#[cfg(test)]
mod tests;

pub(crate) use execution::EngineVisitor;
pub use execution::Onlooker;
pub use run::{DynamicsResult, InterruptedRun, Run};
pub use sweep::Sweep;

use crate::dense::engine::DenseEngine;
use crate::exact::engine::ExactEngine;
use crate::experiment::sweep::SweepOptions;
use crate::experiment::{EngineInput, Experiment};
use crate::failure::Failure;
use crate::options::Options;
use crate::preparation::DataCache;
use crate::run_folder::Existing;
use crate::sweep::{in_memory, plan_of};
use crate::watch::{Silent, Watch};
use execution::Whole;
use rankfall_core::ensemble::{OwnObservable, Snapshot};
use rankfall_core::model::gram::Gram;
use std::path::Path;
use std::time::Duration;

/// How an experiment is run in memory.
pub struct Runner<'a> {
    experiment: &'a Experiment,
    threads: usize,
    watch: &'a dyn Watch,
    own: Vec<OwnObservable>,
    moments: Option<&'a Gram>,
    left: Option<&'a InterruptedRun>,
    onlooker: Option<&'a dyn Onlooker>,
}

impl Experiment {
    /// Runs it in memory, on all cores.
    ///
    /// # Errors
    /// Data or weights that cannot be read or do not fit; a cost beyond this machine.
    pub fn run(&self) -> Result<Run, Failure> {
        self.runner().run()
    }

    /// Runs it in memory, with choices.
    pub fn runner(&self) -> Runner<'_> {
        Runner {
            experiment: self,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            watch: &Silent,
            own: Vec::new(),
            moments: None,
            left: None,
            onlooker: None,
        }
    }

    /// Runs it at every combination of values, in memory. Each of `over` is a key and its values,
    /// as `rankfall sweep --over` takes them: `dynamics.0.label_noise=0.5,1,2`,
    /// `network.width=log(7,1000,8)`.
    ///
    /// # Errors
    /// Values that cannot vary so, and what is wrong with a point, which is named.
    pub fn sweep(&self, over: &[&str]) -> Result<Sweep, Failure> {
        self.sweep_with(over, &self.runner().options())
    }

    /// The same with choices; of a shard only its own points have metrics. Folders among the
    /// choices mean nothing.
    ///
    /// # Errors
    /// As for [`Experiment::sweep`].
    pub fn sweep_with(&self, over: &[&str], options: &Options) -> Result<Sweep, Failure> {
        let given = SweepOptions {
            over: over.iter().map(|&one| one.to_owned()).collect(),
            ..SweepOptions::default()
        };
        let (text, nowhere) = (self.resolved_toml(), Path::new(""));
        let plan = plan_of(&text, "the experiment", nowhere, &[], &given)?;
        let (plan, rows) = in_memory(plan, options)?;
        Ok(Sweep { plan, rows })
    }
}

impl<'a> Runner<'a> {
    /// On so many threads. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Watched: told of progress, and asked whether to stop.
    #[must_use]
    pub fn watch(mut self, watch: &'a dyn Watch) -> Self {
        self.watch = watch;
        self
    }

    /// With a quantity of one's own, measured at every save of the exact engine under `name`. The
    /// function is called from many threads; for the same bits on any number of them it must depend
    /// on its argument alone.
    #[must_use]
    pub fn observe(
        mut self,
        name: &str,
        measure: impl Fn(&Snapshot) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.own.push(OwnObservable::new(name, measure));
        self
    }

    /// With such a quantity that takes the trajectories of a block at once.
    #[must_use]
    pub fn observe_batches(
        mut self,
        name: &str,
        measure: impl Fn(&[Snapshot]) -> Vec<f64> + Send + Sync + 'static,
    ) -> Self {
        self.own.push(OwnObservable::of_batches(name, measure));
        self
    }

    /// Going on from where a run of the same experiment was stopped, to the bits of one that was
    /// not.
    #[must_use]
    pub fn from(mut self, left: &'a InterruptedRun) -> Self {
        self.left = Some(left);
        self
    }

    /// Looked at by somebody on the way.
    #[must_use]
    pub fn onlooker(mut self, onlooker: &'a dyn Onlooker) -> Self {
        self.onlooker = Some(onlooker);
        self
    }

    /// On second moments in memory in place of the data that the experiment names, whose sizes they
    /// must have. Mini-batches need rows, and are refused.
    #[must_use]
    pub fn on_moments(mut self, moments: &'a Gram) -> Self {
        self.moments = Some(moments);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// As for [`Experiment::run`]; quantities of one's own or moments where the dense engine runs
    /// the network.
    pub fn run(self) -> Result<Run, Failure> {
        let (options, onlooker, left) = (self.options(), self.onlooker, self.left);
        self.with_engine(Whole {
            options,
            onlooker,
            left,
        })
    }

    /// Does `work` with the engine of the experiment.
    pub(crate) fn with_engine<W: EngineVisitor>(self, work: W) -> Result<W::Output, Failure> {
        let options = self.options();
        match self.experiment.engine()? {
            EngineInput::Exact(exact) => {
                let cache = match self.moments {
                    Some(moments) => DataCache::of_moments(&exact, moments)?,
                    None => DataCache::default(),
                };
                let is_nameable = self.moments.is_none();
                let mut engine =
                    ExactEngine::prepare_with(*exact, &cache, Path::new("."), &options)?;
                engine.observe(self.own);
                work.visit(&engine, is_nameable)
            }
            EngineInput::Dense(..) if !self.own.is_empty() || self.moments.is_some() => {
                let message =
                    "quantities of one's own and moments in memory are for two linear layers";
                Err(Failure::input(message))
            }
            EngineInput::Dense(dense, why) => {
                let engine = DenseEngine::prepare(*dense, why, Path::new("."), &options)?;
                work.visit(&engine, true)
            }
        }
    }

    /// The names of quantities of one's own.
    pub(crate) fn own_names(&self) -> Vec<String> {
        self.own.iter().map(|own| own.name().to_owned()).collect()
    }

    pub(crate) fn options(&self) -> Options<'a> {
        Options {
            out: None,
            existing: Existing::Refuse,
            threads: self.threads,
            shard: None,
            checkpoint_interval: Duration::MAX,
            watch: self.watch,
        }
    }
}

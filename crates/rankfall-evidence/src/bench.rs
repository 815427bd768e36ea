//! What a claim is measured with: where, how much may be spent, who watches, and runs of the
//! bundled experiments.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rankfall_core::ensemble::{Control, EnsembleCheckpoint};

use crate::evidence::Stop;
use crate::experiments::{Experiments, Trajectory, tasks};
use crate::setting::{Level, Setting};

/// Who may stop the measuring.
pub trait Supervisor: Sync {
    /// Whether to stop.
    fn interrupted(&self) -> bool;
}

/// Nobody does.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSupervisor;

impl Supervisor for NoSupervisor {
    fn interrupted(&self) -> bool {
        false
    }
}

/// Runs an ensemble until its supervisor stops it, and keeps nothing.
pub struct Supervised<'a>(pub &'a dyn Supervisor);

impl Control for Supervised<'_> {
    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
    fn progress(&self, _done: u64, _total: u64) {}
    fn checkpoint_interval(&self) -> Duration {
        Duration::MAX
    }
    fn keep(&self, _checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        Ok(())
    }
}

/// What one claim is measured with.
pub struct Bench<'a, S = Setting> {
    /// On what.
    pub setting: &'a S,
    /// Of everything that is drawn.
    pub seed: u64,
    /// How much is spent.
    pub level: Level,
    /// At least 1; results do not depend on it.
    pub threads: usize,
    /// Who may stop it.
    pub supervisor: &'a dyn Supervisor,
    /// The bundled experiments.
    pub gallery: &'a Gallery<'a>,
    /// Which look it is.
    pub look: Look,
}

/// A claim that the first look cannot tell gets a second one: with noise of its own, and with as
/// many more trajectories as the first look says that it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// From 0; tells the noise of looks apart.
    pub number: u32,
    /// How many times the trajectories of the level.
    pub times: f64,
}

impl Look {
    /// With the trajectories of the level.
    pub const FIRST: Self = Self {
        number: 0,
        times: 1.0,
    };
}

/// The runs of one experiment: for every task one trajectory of each dynamics.
type Runs = Arc<Vec<Vec<Trajectory>>>;

/// Bundled experiments, each of which is run once.
pub struct Gallery<'a> {
    /// Who runs them.
    pub experiments: &'a dyn Experiments,
    kept: Mutex<BTreeMap<&'static str, Runs>>,
}

impl<'a> Gallery<'a> {
    /// None of which has been run yet.
    pub fn new(experiments: &'a dyn Experiments) -> Self {
        Self {
            experiments,
            kept: Mutex::default(),
        }
    }
}

impl<S: Sync> Bench<'_, S> {
    /// How many trajectories to run, from one number per level for the first look.
    pub fn trajectories(&self, smallest: u64, quick: u64, full: u64) -> u64 {
        let first = self.level.pick(smallest, quick, full);
        (first as f64 * self.look.times).ceil() as u64
    }

    /// The stream of noise of this look, from that of the first; those of a claim are all below
    /// 2¹⁶.
    pub fn stream(&self, of_the_first: u32) -> u32 {
        of_the_first + (self.look.number << 16)
    }

    /// The same at the first look: for states that are the same whatever look is taken at them.
    pub fn at_first(&self) -> Self {
        Self {
            look: Look::FIRST,
            ..*self
        }
    }

    /// The seed of task or state number `unit`: never 1, from which the numbers in the gallery are.
    pub fn seed_of(&self, unit: usize) -> u64 {
        seed_of(self.seed, unit)
    }

    /// Stops if somebody asked to.
    pub fn check(&self) -> Result<(), Stop> {
        if self.supervisor.interrupted() {
            Err(Stop::Interrupted)
        } else {
            Ok(())
        }
    }

    /// The runs of a bundled experiment, which are run once.
    ///
    /// # Errors
    /// An interruption; an experiment that cannot be run.
    pub fn runs(&self, experiment: &'static str) -> Result<Runs, Stop> {
        let kept = &self.gallery.kept;
        let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = lock().get(experiment) {
            return Ok(kept.clone());
        }
        let tasks = tasks(experiment, self.level);
        let runs = self.each(tasks, &|task| {
            let seed = self.seed_of(task);
            self.gallery.experiments.run(experiment, seed)
        })?;
        let runs = Arc::new(runs);
        lock().insert(experiment, runs.clone());
        Ok(runs)
    }

    /// `work` of 0, 1, …, `count` − 1, in this order, by all threads.
    ///
    /// # Errors
    /// The first that `work` ends with; an interruption.
    pub fn each<T: Send>(
        &self,
        count: usize,
        work: &(dyn Fn(usize) -> Result<T, Stop> + Sync),
    ) -> Result<Vec<T>, Stop> {
        let next = AtomicUsize::new(0);
        let results: Mutex<BTreeMap<usize, Result<T, Stop>>> = Mutex::default();
        let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
        rankfall_core::ensemble::threads::on_threads(self.threads.clamp(1, count.max(1)), || {
            loop {
                let place = next.fetch_add(1, Ordering::SeqCst);
                if place >= count {
                    return;
                }
                let result = self.check().and_then(|()| work(place));
                let stop = result.is_err();
                lock().insert(place, result);
                if stop {
                    next.store(count, Ordering::SeqCst);
                }
            }
        });
        self.check()?;
        let results = results.into_inner();
        results
            .unwrap_or_else(PoisonError::into_inner)
            .into_values()
            .collect()
    }
}

/// The seed of task or state number `unit` under `seed`: never 1, from which the numbers in the
/// gallery are.
pub fn seed_of(seed: u64, unit: usize) -> u64 {
    let first = seed.wrapping_mul(1000).wrapping_add(2);
    first.wrapping_add(unit as u64).max(2)
}

impl<'a> Bench<'a, ()> {
    /// For claims on problems of their own, at the first look.
    pub fn of_seed(
        seed: u64,
        level: Level,
        threads: usize,
        supervisor: &'a dyn Supervisor,
        gallery: &'a Gallery<'a>,
    ) -> Self {
        Self {
            setting: &(),
            seed,
            level,
            threads,
            supervisor,
            gallery,
            look: Look::FIRST,
        }
    }
}

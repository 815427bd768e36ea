//! Claims about networks beyond two linear layers, apart from the exact list: what the figures of
//! the gallery say, the predicted drift of singular values, and what three kinds of noise do to
//! log det M.
//!
//! A claim about a bundled experiment gets values of observables, trajectory by trajectory, from
//! whoever can run it ([`Experiments`]); the other claims train small networks of their own. All of
//! them are judged as the exact list is, by [`crate::decision`], with a family-wise rate of their own.

pub mod drift;
mod gallery;
pub mod log_det;
pub mod record;
mod small;
mod statement;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::bench::Watch;
use crate::claim::{Evidence, Heading, Stop};
use crate::decision::Verdict;
use crate::setting::Level;
use crate::suite::Finding;

pub use gallery::tasks;
pub use record::{Experiments, NoExperiments, Trajectory};
pub use statement::{Statement, Value};

/// All claims of this list, in the order in which they are read.
pub static ALL: &[Claim] = &[
    gallery::deep::DEPTH_2,
    gallery::deep::DEPTH_3,
    gallery::deep::DEPTH_4,
    gallery::deep::DEPTH_5,
    gallery::deep::SQUARE,
    gallery::deep::QUIET,
    gallery::deep::DEPTH,
    gallery::sparse::DIAGONAL,
    gallery::rectifiers::TWO_LAYERS,
    gallery::rectifiers::TWO_LAYERS_WEIGHTS,
    gallery::rectifiers::TWO_LAYERS_LARGE_STEPS,
    gallery::rectifiers::THREE_LAYERS,
    gallery::rectifiers::THREE_LAYERS_WEIGHTS,
    gallery::rectifiers::THREE_LAYERS_HELD_OUT,
    gallery::rectifiers::LINE_SPARSE,
    gallery::rectifiers::LINE_RANK,
    gallery::classes::DIGITS,
    gallery::classes::DIGITS_ALIKE,
    gallery::classes::DIGITS_ACCURACY,
    gallery::zoo::WEIGHTS,
    gallery::zoo::FEATURES,
    gallery::zoo::HELD_OUT,
    gallery::classes::FASHION,
    drift::TWO_LAYER_LINEAR,
    drift::DEEP_LINEAR,
    drift::TWO_LAYER_RELU,
    log_det::LABEL_NOISE,
    log_det::GRADIENT_NOISE,
    log_det::MINI_BATCH,
];

/// The claim of that name.
pub fn named(id: &str) -> Option<&'static Claim> {
    ALL.iter().find(|claim| claim.heading.id == id)
}

/// One claim about networks.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What is said of it.
    pub heading: Heading,
    /// How it is tested.
    pub test: Test,
}

/// How a claim about networks is tested.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// By the values that bundled experiments leave.
    Gallery(&'static [Statement]),
    /// On networks of its own.
    Own {
        /// How many statistical comparisons it makes, at most.
        comparisons: usize,
        /// Measures it.
        measure: fn(&Bench) -> Result<Evidence, Stop>,
    },
}

impl Claim {
    /// How many statistical comparisons it makes, at most.
    pub fn comparisons(&self) -> usize {
        match self.test {
            Test::Gallery(statements) => statements.len(),
            Test::Own { comparisons, .. } => comparisons,
        }
    }

    /// The bundled experiments it is about, each once.
    pub fn experiments(&self) -> Vec<&'static str> {
        let Test::Gallery(statements) = self.test else {
            return Vec::new();
        };
        let mut names: Vec<&str> = statements.iter().flat_map(Statement::experiments).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// How many comparisons share the family-wise rate: those of the whole list, whichever claims are
/// asked for.
pub fn comparisons() -> usize {
    ALL.iter().map(Claim::comparisons).sum::<usize>().max(1)
}

/// Where claims about networks are measured.
pub struct Bench<'a> {
    /// Of everything that is drawn.
    pub seed: u64,
    /// How much is spent.
    pub level: Level,
    /// At least 1; results do not depend on it.
    pub threads: usize,
    /// Who may stop it.
    pub watch: &'a dyn Watch,
    /// Who runs bundled experiments.
    pub experiments: &'a dyn Experiments,
    kept: Mutex<BTreeMap<&'static str, Runs>>,
}

/// The runs of one experiment: for every task one trajectory of each dynamics.
type Runs = Arc<Vec<Vec<Trajectory>>>;

impl<'a> Bench<'a> {
    /// On which nothing has been run yet.
    pub fn new(
        seed: u64,
        level: Level,
        threads: usize,
        watch: &'a dyn Watch,
        experiments: &'a dyn Experiments,
    ) -> Self {
        Self {
            seed,
            level,
            threads,
            watch,
            experiments,
            kept: Mutex::default(),
        }
    }

    /// The seed of task or state number `unit`: never 1, from which the numbers in the gallery are.
    pub fn seed_of(&self, unit: usize) -> u64 {
        self.seed
            .wrapping_mul(1000)
            .wrapping_add(2)
            .wrapping_add(unit as u64)
            .max(2)
    }

    /// Stops if somebody asked to.
    ///
    /// # Errors
    /// [`Stop::Interrupted`].
    pub fn check(&self) -> Result<(), Stop> {
        if self.watch.interrupted() {
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
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = lock().get(experiment) {
            return Ok(kept.clone());
        }
        let tasks = tasks(experiment, self.level);
        let runs = self.each(tasks, &|task| {
            self.experiments.run(experiment, self.seed_of(task))
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

/// Measures a claim and judges it.
///
/// # Errors
/// Only an interruption; whatever else prevents a measurement becomes the reason of *cannot tell*,
/// and data that are not there that of *does not apply*.
pub fn find(claim: &Claim, bench: &Bench) -> Result<Finding, Stop> {
    for experiment in claim.experiments() {
        if let Err(reason) = bench.experiments.available(experiment) {
            let verdict = Verdict::DoesNotApply;
            return Ok(Finding::without_evidence(
                claim.heading,
                verdict,
                reason,
                0.0,
            ));
        }
    }
    let clock = Instant::now();
    let outcome = match claim.test {
        Test::Gallery(statements) => statement::measure(statements, bench),
        Test::Own { measure, .. } => measure(bench),
    };
    Finding::of(claim.heading, outcome, comparisons(), clock)
}

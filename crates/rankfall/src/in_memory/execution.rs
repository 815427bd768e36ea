//! The run itself: one dynamics after the other on an engine, with what there is handed over on the
//! way.

use super::run::{InterruptedRun, Run};
use crate::engine::{Engine, Measurements, Recorder};
use crate::failure::{Failure, quoted};
use crate::finished::DynamicsOutcome;
use crate::options::Options;
use crate::watch::warn_of_threads;
use rankfall_core::ensemble::statistics::Statistics;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, RunError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Looks at what there is while a run goes on.
pub trait Onlooker: Sync {
    /// Whether it wants to look now.
    fn wants(&self) -> bool;
    /// What there is: dynamics that are finished, and the one under way as far as it is. Called
    /// from any thread.
    fn look(&self, run: Run);
}

/// What is done with an engine, whichever it is.
pub(crate) trait EngineVisitor {
    /// What comes of it.
    type Output;
    /// Does it; `is_nameable` says whether an experiment file can name the data.
    fn visit<E: Engine>(self, engine: &E, is_nameable: bool) -> Result<Self::Output, Failure>;
}

/// Runs all of it.
pub(super) struct Whole<'a> {
    pub(super) options: Options<'a>,
    pub(super) onlooker: Option<&'a dyn Onlooker>,
    pub(super) left: Option<&'a InterruptedRun>,
}

impl EngineVisitor for Whole<'_> {
    type Output = Run;

    fn visit<E: Engine>(self, engine: &E, is_nameable: bool) -> Result<Run, Failure> {
        let can_be_saved = is_nameable;
        let asked = &self;
        InMemory {
            engine,
            asked,
            can_be_saved,
        }
        .run()
    }
}

/// An experiment being run in memory.
struct InMemory<'a, E: Engine> {
    engine: &'a E,
    asked: &'a Whole<'a>,
    can_be_saved: bool,
}

impl<E: Engine> InMemory<'_, E> {
    fn run(&self) -> Result<Run, Failure> {
        let (options, left) = (&self.asked.options, self.asked.left);
        let recorder = self.engine.recorder();
        for words in self.engine.unstable() {
            log::warn!("{words}");
        }
        let labels = recorder.labels();
        let mut finished = Vec::new();
        let mut resume = None;
        if let Some(left) = left {
            left.expect(&recorder.resolved_toml(), &labels)?;
            finished.clone_from(&left.finished);
            resume = left.checkpoint.as_ref();
        }
        for (dynamics, label) in labels.iter().enumerate().skip(finished.len()) {
            let started = std::time::Instant::now();
            let before = left.filter(|_| resume.is_some()).map_or(0.0, |l| l.seconds);
            let seconds = || before + started.elapsed().as_secs_f64();
            options.watch.begin(label);
            let blocks = 0..recorder.blocks(dynamics);
            let control = Watching {
                of: self,
                dynamics,
                finished: &finished,
                seconds: &seconds,
                so_far: Mutex::default(),
                checkpoint: Mutex::default(),
            };
            let (engine, threads) = (self.engine, options.threads);
            let outcome = engine.run(dynamics, blocks, threads, resume.take(), &control);
            options.watch.end();
            match outcome {
                Ok(measured) => finished.push(recorder.finish(dynamics, &measured, seconds())?),
                Err(RunError::Interrupted) => return control.stopped(),
                Err(RunError::Start(failure)) => return Err(failure),
                Err(error) => return Err(Failure::run(error.to_string())),
            }
        }
        self.collect(finished)
    }

    fn collect(&self, finished: Vec<DynamicsOutcome>) -> Result<Run, Failure> {
        Run::of(self.engine.recorder(), finished, self.can_be_saved)
    }

    /// What there is when `finished` dynamics are, and `statistics` of the next.
    fn partial(
        &self,
        finished: &[DynamicsOutcome],
        statistics: Statistics,
        seconds: f64,
    ) -> Result<Run, Failure> {
        let recorder = self.engine.recorder();
        let dynamics = finished.len();
        let mut all = finished.to_vec();
        let mut note = None;
        let blocks = statistics.blocks();
        if !blocks.is_empty() {
            let totals = statistics.totals();
            let taken = totals.survivors() + totals.divergences().count;
            note = Some(format!(
                "{} was stopped: its statistics are those of {taken} trajectories, as far as they came",
                quoted(recorder.labels()[dynamics])
            ));
            let measured = Measurements {
                statistics,
                weights: None,
                weights_then: Vec::new(),
                inert: None,
            };
            all.push(recorder.finish(dynamics, &measured, seconds)?);
        }
        let mut run = self.collect(all)?;
        run.summary.warnings.extend(note);
        run.interrupted = true;
        Ok(run)
    }
}

/// Watches over one dynamics, and remembers where it was stopped.
struct Watching<'a, E: Engine> {
    of: &'a InMemory<'a, E>,
    dynamics: usize,
    finished: &'a [DynamicsOutcome],
    seconds: &'a (dyn Fn() -> f64 + Sync),
    so_far: Mutex<Option<Statistics>>,
    checkpoint: Mutex<Option<EnsembleCheckpoint>>,
}

/// What is in a mutex that no panic can leave half-changed.
fn inside<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E: Engine> Watching<'_, E> {
    fn stopped(&self) -> Result<Run, Failure> {
        let statistics = inside(&self.so_far).take();
        let statistics =
            statistics.unwrap_or_else(|| self.of.engine.recorder().empty_statistics(self.dynamics));
        let mut run = (self.of).partial(self.finished, statistics, (self.seconds)())?;
        run.left = Some(InterruptedRun {
            resolved: self.of.engine.recorder().resolved_toml(),
            finished: self.finished.to_vec(),
            checkpoint: inside(&self.checkpoint).take(),
            seconds: (self.seconds)(),
        });
        Ok(run)
    }
}

impl<E: Engine> Control for Watching<'_, E> {
    fn interrupted(&self) -> bool {
        self.of.asked.options.watch.interrupted()
    }
    fn progress(&self, done: u64, total: u64) {
        self.of.asked.options.watch.progress(done, total);
    }
    fn fewer_threads(&self, made: usize, wanted: usize) {
        warn_of_threads(made, wanted);
    }
    fn so_far(&self, statistics: &dyn Fn() -> Statistics) {
        *inside(&self.so_far) = Some(statistics());
    }
    /// Now, where an onlooker wants to look.
    fn checkpoint_interval(&self) -> Duration {
        match self.of.asked.onlooker {
            Some(onlooker) if onlooker.wants() => Duration::ZERO,
            _ => Duration::MAX,
        }
    }
    fn keep(&self, checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        if let Some(onlooker) = self.of.asked.onlooker.filter(|one| one.wants()) {
            let statistics = inside(&self.so_far).clone();
            if let Some(statistics) = statistics {
                let partial = (self.of).partial(self.finished, statistics, (self.seconds)());
                onlooker.look(partial.map_err(|failure| failure.message)?);
            }
        }
        *inside(&self.checkpoint) = Some(checkpoint.clone());
        Ok(())
    }
}

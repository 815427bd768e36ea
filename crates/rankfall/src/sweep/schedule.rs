//! The work of a sweep over cores: every dynamics of every point is a unit; the dear ones go first,
//! and those that are more than one core's share of all get several.

use super::metrics::{self, MetricRow, Predictions};
use super::plan::{SweepPlan, Work};
use crate::checkpoint::{self, Owner};
use crate::dense;
use crate::experiment::EngineInput;
use crate::failure::{Failure, FailureKind};
use crate::options::Options;
use crate::preparation::{DataCache, of_setup, prepare_with};
use crate::run_folder::RunFolder;
use crate::save_plan::step_count;
use crate::session;
use crate::watch::warn_of_threads;
use rankfall_core::ensemble::threads::start_workers;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, GRACE, RunError};
use rankfall_core::simd::instructions::Instructions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often progress is shown and an interruption looked for.
const TICK: Duration = Duration::from_millis(50);

/// Rows of finished units, by point and dynamics.
pub type UnitRows = BTreeMap<(u64, u32), Vec<MetricRow>>;

/// How far a sweep is: what its checkpoint holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SweepCheckpoint {
    /// Finished units.
    pub finished: UnitRows,
    /// Others, as far as they are.
    under_way: BTreeMap<(u64, u32), EnsembleCheckpoint>,
    /// Wall seconds spent.
    pub seconds: f64,
}

impl SweepCheckpoint {
    /// How many trajectories are finished of each unit that is under way.
    pub fn trajectories_under_way(&self) -> BTreeMap<(u64, u32), u64> {
        let finished =
            |one: &EnsembleCheckpoint| one.so_far().map_or(0, |so_far| so_far.trajectories());
        let units = self.under_way.iter();
        units.map(|(&key, one)| (key, finished(one))).collect()
    }
}

/// One dynamics of one point.
#[derive(Clone, Copy, Debug)]
struct Unit {
    point: usize,
    dynamics: usize,
    work: Work,
    /// Threads it gets.
    threads: usize,
}

impl Unit {
    fn key(&self) -> (u64, u32) {
        (self.point as u64, self.dynamics as u32)
    }
}

/// A sweep being run.
pub struct SweepSchedule<'a> {
    /// Its points.
    pub plan: &'a SweepPlan,
    /// Its data.
    pub cache: &'a DataCache,
    /// Where its checkpoint goes, and whom it belongs to; none where it is run in memory.
    pub kept_in: Option<(&'a RunFolder, Owner<'a>)>,
    /// How it is to go.
    pub options: &'a Options<'a>,
}

/// What workers share.
struct Board {
    state: Mutex<State>,
    /// Told when threads are free again, or a worker ended.
    news: Condvar,
}

struct State {
    units: Vec<Unit>,
    next: usize,
    free: usize,
    working: usize,
    kept: SweepCheckpoint,
    /// Trajectory-steps of finished units, and of those that run.
    done: u64,
    running: BTreeMap<(u64, u32), u64>,
    failure: Option<Failure>,
}

impl Board {
    /// A worker that panicked has changed nothing by halves: every change is one statement.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn fail(&self, failure: Failure) {
        self.lock().failure.get_or_insert(failure);
        self.news.notify_all();
    }

    /// The next unit, once there are threads for it.
    fn take(&self) -> Option<(Unit, Option<EnsembleCheckpoint>)> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return None;
            }
            let unit = *state.units.get(state.next)?;
            if unit.threads <= state.free {
                state.next += 1;
                state.free -= unit.threads;
                let resume = state.kept.under_way.get(&unit.key()).cloned();
                return Some((unit, resume));
            }
            state = self
                .news
                .wait(state)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

/// Counts a worker out when it ends, also by a panic: nobody must wait for one that ended.
struct Present<'a>(&'a Board);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.working -= 1;
        if std::thread::panicking() {
            // Its threads are not free again: whoever waits for them must hear of it.
            let failure = || Failure::run("a worker of the sweep failed");
            state.failure.get_or_insert_with(failure);
        }
        drop(state);
        self.0.news.notify_all();
    }
}

impl SweepSchedule<'_> {
    /// Runs what the checkpoint has not finished; rows of all units and wall seconds.
    ///
    /// # Errors
    /// A point that cannot be set up, a checkpoint that cannot be written, an interruption.
    pub fn run(&self, from: SweepCheckpoint) -> Result<(UnitRows, f64), Failure> {
        let (mut units, done) = self.units(&from.finished);
        let total = done + units.iter().map(|u| u.work.steps).sum::<u64>();
        self.share_threads(&mut units);
        let before = from.seconds;
        let workers = self.options.threads.clamp(1, units.len().max(1));
        let board = Board {
            state: Mutex::new(State {
                units,
                next: 0,
                free: self.options.threads.max(1),
                working: workers,
                kept: from,
                done,
                running: BTreeMap::new(),
                failure: None,
            }),
            news: Condvar::new(),
        };
        let started = Instant::now();
        let seconds = || before + started.elapsed().as_secs_f64();
        std::thread::scope(|scope| {
            let made = start_workers(scope, workers, || {
                let _present = Present(&board);
                while let Some((unit, resume)) = board.take() {
                    self.work(&board, unit, resume.as_ref());
                }
            });
            board.lock().working -= workers - made;
            if made < workers {
                warn_of_threads(made, workers);
            }
            if made == 0 {
                self.work_alone(&board, &seconds);
            }
            self.watch(&board, total, &seconds);
        });
        let failure = board.lock().failure.take();
        if let Some(failure) = failure {
            if failure.kind == FailureKind::Interrupted {
                self.keep(&board, seconds())?;
            }
            return Err(failure);
        }
        self.options.watch.let_finish();
        let finished = std::mem::take(&mut board.lock().kept.finished);
        Ok((finished, seconds()))
    }

    /// What is left to do, dear units first, and the trajectory-steps that are done.
    fn units(&self, finished: &UnitRows) -> (Vec<Unit>, u64) {
        let mut units = Vec::new();
        let mut done = 0;
        for point in self.plan.points_of(self.options.shard) {
            for (dynamics, &work) in self.plan.points[point].work.iter().enumerate() {
                let unit = Unit {
                    point,
                    dynamics,
                    work,
                    threads: 1,
                };
                if finished.contains_key(&unit.key()) {
                    done += work.steps;
                } else {
                    units.push(unit);
                }
            }
        }
        units.sort_by(|a, b| b.work.cost.total_cmp(&a.work.cost));
        (units, done)
    }

    /// A unit that is more than one thread's share of the work gets as many as that.
    fn share_threads(&self, units: &mut [Unit]) {
        let share =
            units.iter().map(|u| u.work.cost).sum::<f64>() / self.options.threads.max(1) as f64;
        for unit in units {
            let threads = (unit.work.cost / share.max(f64::MIN_POSITIVE)).ceil();
            unit.threads = (threads as usize).clamp(1, self.options.threads.max(1));
        }
    }

    fn work(&self, board: &Board, unit: Unit, resume: Option<&EnsembleCheckpoint>) {
        let outcome = self.run_unit(board, unit, resume);
        let mut state = board.lock();
        state.free += unit.threads;
        state.running.remove(&unit.key());
        match outcome {
            Ok(rows) => {
                state.done += unit.work.steps;
                state.kept.under_way.remove(&unit.key());
                state.kept.finished.insert(unit.key(), rows);
            }
            Err(failure) => {
                state.failure.get_or_insert(failure);
            }
        }
        drop(state);
        board.news.notify_all();
    }

    /// Does the work of all workers on this thread, with a checkpoint after each unit.
    fn work_alone(&self, board: &Board, seconds: &impl Fn() -> f64) {
        while let Some((unit, resume)) = board.take() {
            self.work(board, unit, resume.as_ref());
            if let Err(failure) = self.keep(board, seconds()) {
                board.fail(failure);
            }
        }
    }

    fn run_unit(
        &self,
        board: &Board,
        unit: Unit,
        resume: Option<&EnsembleCheckpoint>,
    ) -> Result<Vec<MetricRow>, Failure> {
        let named = |mut failure: Failure| {
            failure.message = format!("{}: {}", self.plan.named(unit.point), failure.message);
            failure
        };
        let control = OfUnit {
            board,
            unit,
            options: self.options,
        };
        let ended = |error: RunError<Failure>| match error {
            RunError::Interrupted => self.interrupted(),
            RunError::ForeignCheckpoint(words) => {
                Failure::input(format!("the checkpoint is not of this sweep: {words}"))
                    .hint("--force starts the sweep again from the beginning")
            }
            RunError::Start(failure) => named(failure),
            RunError::Checkpoint(words) => named(Failure::run(words)),
        };
        match self.plan.points[unit.point].experiment.clone() {
            EngineInput::Exact(mut experiment) => {
                let prepared = prepare_with(&mut experiment, self.cache).map_err(named)?;
                let spec = &experiment.dynamics[unit.dynamics];
                let last = step_count(experiment.time, spec.time_step).unwrap_or(1);
                let ensemble = experiment.ensemble(unit.dynamics, &metrics::save_steps(last));
                let (setup, instructions) = (&prepared.setup, Instructions::best());
                let outcome = ensemble
                    .run(setup, unit.threads, resume, &control, instructions)
                    .map_err(|error| ended(error.map_start(of_setup)))?;
                let saves = &ensemble.save_steps;
                let predictions = Predictions::new(&experiment, unit.dynamics, &prepared, saves);
                Ok(metrics::rows_of_exact(&ensemble, &outcome, &predictions))
            }
            EngineInput::Dense(mut experiment, _) => {
                let prepared = dense::preparation::prepare(&mut experiment).map_err(named)?;
                let measured = dense::engine::at_ends(
                    &prepared,
                    unit.dynamics,
                    metrics::save_steps,
                    unit.threads,
                    resume,
                    &control,
                );
                let (observables, times, statistics) = measured.map_err(ended)?;
                let training = &prepared.known.ensembles[unit.dynamics].training;
                Ok(metrics::rows_of_dense(
                    training,
                    &observables,
                    &times,
                    &statistics,
                ))
            }
        }
    }

    fn interrupted(&self) -> Failure {
        match self.kept_in {
            Some((folder, _)) => session::interrupted(folder),
            None => Failure::interrupted("interrupted"),
        }
    }

    /// Shows progress, keeps checkpoints and passes an interruption on, until all workers ended.
    fn watch(&self, board: &Board, total: u64, seconds: &impl Fn() -> f64) {
        let watch = self.options.watch;
        watch.begin("sweep");
        let mut last_checkpoint = Instant::now();
        let mut stopped = None;
        loop {
            let state = board.lock();
            let waited = board
                .news
                .wait_timeout_while(state, TICK, |state| state.working > 0);
            let (state, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
            watch.progress(state.done + state.running.values().sum::<u64>(), total);
            if state.working == 0 {
                break;
            }
            drop(state);
            if watch.interrupted() {
                board.fail(self.interrupted());
                let since = *stopped.get_or_insert_with(Instant::now);
                // Units first keep their own states; one inside a long step is not waited for.
                if since.elapsed() > 2 * GRACE {
                    watch.end();
                    let kept = self.keep(board, seconds());
                    watch.abandon(&kept.err().unwrap_or_else(|| self.interrupted()));
                }
            }
            if last_checkpoint.elapsed() >= self.options.checkpoint_interval {
                last_checkpoint = Instant::now();
                if let Err(failure) = self.keep(board, seconds()) {
                    board.fail(failure);
                }
            }
        }
        watch.end();
    }

    fn keep(&self, board: &Board, seconds: f64) -> Result<(), Failure> {
        let Some((folder, owner)) = self.kept_in else {
            return Ok(());
        };
        let mut state = board.lock();
        state.kept.seconds = seconds;
        checkpoint::write(folder, owner, &state.kept)
    }
}

/// Watches over one unit.
struct OfUnit<'a> {
    board: &'a Board,
    unit: Unit,
    options: &'a Options<'a>,
}

impl Control for OfUnit<'_> {
    fn interrupted(&self) -> bool {
        self.options.watch.interrupted() || self.board.lock().failure.is_some()
    }

    fn progress(&self, done: u64, _total: u64) {
        self.board.lock().running.insert(self.unit.key(), done);
    }

    fn fewer_threads(&self, made: usize, wanted: usize) {
        warn_of_threads(made, wanted);
    }

    fn checkpoint_interval(&self) -> Duration {
        self.options.checkpoint_interval
    }

    fn keep(&self, checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        let mut state = self.board.lock();
        let under_way = &mut state.kept.under_way;
        under_way.insert(self.unit.key(), checkpoint.clone());
        Ok(())
    }
}

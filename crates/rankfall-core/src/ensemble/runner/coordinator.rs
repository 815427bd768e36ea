//! What one thread of a run does beside its workers: reports progress, asks for checkpoints, and
//! passes an interruption on.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::control::{Control, GRACE};
use super::error::RunError;
use super::trajectories::Trajectories;
use super::workers::{SLICE, Shared, lock};

/// How often the coordinator reports progress and looks for an interruption.
const TICK: Duration = Duration::from_millis(50);

/// Reports progress, asks for checkpoints and passes an interruption on.
pub(super) struct Coordinator<'a, 'b, T: Trajectories> {
    shared: &'a Shared<'b, T>,
    /// Trajectory-steps in all.
    total: u64,
    control: &'a dyn Control,
    last_checkpoint: Instant,
    asked: bool,
    /// When workers were told to stop.
    stopped: Option<Instant>,
}

impl<'a, 'b, T: Trajectories> Coordinator<'a, 'b, T> {
    pub(super) fn new(shared: &'a Shared<'b, T>, control: &'a dyn Control) -> Self {
        let trajectories = shared.ensemble.trajectories_in(&shared.blocks);
        Self {
            shared,
            total: trajectories.saturating_mul(shared.ensemble.steps()),
            control,
            last_checkpoint: Instant::now(),
            asked: false,
            stopped: None,
        }
    }

    fn report(&self) {
        let done = self.shared.trajectory_steps();
        self.control.progress(done, self.total);
    }

    /// Looks once at everything there is to look at.
    pub(super) fn look(&mut self) {
        let (shared, control) = (self.shared, self.control);
        self.report();
        if control.interrupted() && !shared.stop.load(Ordering::SeqCst) {
            shared.fail(RunError::Interrupted);
            self.stopped = Some(Instant::now());
        }
        if self.asked && self.last_checkpoint.elapsed() > SLICE * 8 {
            self.asked = false;
            shared.keep(control);
        } else if !self.asked && self.last_checkpoint.elapsed() >= control.checkpoint_interval() {
            self.asked = true;
            self.last_checkpoint = Instant::now();
            shared.wanted.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Once, when workers take too long to end: keeps what they noted last, and says so.
    fn give_up_late_workers(&mut self) {
        if self.stopped.is_none_or(|since| since.elapsed() < GRACE) {
            return;
        }
        self.stopped = None;
        if self.shared.is_interrupted() {
            self.shared.keep(self.control);
        }
        if self.shared.is_interrupted() {
            self.control.abandon();
        }
    }

    /// Looks now and then until all workers ended.
    pub(super) fn wait(&mut self) {
        let shared = self.shared;
        loop {
            let working = lock(&shared.working);
            let waited = shared
                .ended
                .wait_timeout_while(working, TICK, |working| *working > 0);
            let (working, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
            if *working == 0 {
                break;
            }
            drop(working);
            self.look();
            self.give_up_late_workers();
        }
        self.report();
        if shared.is_interrupted() {
            shared.keep(self.control);
        }
    }
}

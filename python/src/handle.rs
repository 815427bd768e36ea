//! A run in the background, from outside: how far it is, what there is so far, and a way to stop
//! it.

use crate::run::PyRun;
use crate::watch::Shared;
use pyo3::prelude::*;
use rankfall::in_memory::{self, Onlooker};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a run in the background and those outside share.
#[pyclass(frozen, module = "rankfall._rankfall")]
#[derive(Default)]
pub struct Handle {
    shared: Arc<Shared>,
    wanted: AtomicBool,
    ended: AtomicBool,
    seen: Mutex<Option<in_memory::Run>>,
    news: Condvar,
}

impl Handle {
    /// What its run is watched by.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }
}

impl Onlooker for Handle {
    fn wants(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    fn look(&self, run: in_memory::Run) {
        self.wanted.store(false, Ordering::SeqCst);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
        self.news.notify_all();
    }
}

#[pymethods]
impl Handle {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Stops the run, which keeps what there is.
    fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }

    /// To be said when the run has ended.
    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.news.notify_all();
    }

    /// The dynamics under way, its trajectory-steps done, and of how many.
    fn progress(&self) -> (String, u64, u64) {
        let (done, total) = (&self.shared.done, &self.shared.total);
        (
            self.shared.label(),
            done.load(Ordering::SeqCst),
            total.load(Ordering::SeqCst),
        )
    }

    /// What there is so far; none where the run ended before, or gave no answer within so many
    /// seconds.
    fn snapshot(&self, py: Python<'_>, seconds: f64) -> Option<PyRun> {
        let run = py.detach(|| {
            let until = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
            self.wanted.store(true, Ordering::SeqCst);
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            while seen.is_none() && !self.ended.load(Ordering::SeqCst) && Instant::now() < until {
                let waited = self.news.wait_timeout(seen, Duration::from_millis(50));
                seen = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            seen.take()
        });
        run.map(PyRun::in_memory)
    }
}

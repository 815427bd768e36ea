//! Who watches a run from Python: progress now and then, Ctrl-C, and a flag that stops it.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use rankfall::watch::Watch;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often progress is told.
const EVERY: Duration = Duration::from_millis(100);

/// What a run and those outside it share.
#[derive(Default)]
pub struct Shared {
    /// Raised to stop the run.
    pub stop: AtomicBool,
    /// Trajectory-steps done of the dynamics under way.
    pub done: AtomicU64,
    /// Of so many.
    pub total: AtomicU64,
    /// Its label.
    pub label: Mutex<String>,
    /// What a callback raised, which is raised again when the run has stopped.
    pub raised: Mutex<Option<PyErr>>,
}

impl Shared {
    /// Stops the run because of an exception; the first one counts.
    pub fn fail(&self, error: PyErr) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.get_or_insert(error);
        self.stop.store(true, Ordering::SeqCst);
    }

    /// What was raised, once.
    pub fn take_raised(&self) -> Option<PyErr> {
        self.raised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The label of the dynamics under way.
    pub fn label(&self) -> String {
        self.label
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Watches one run.
pub struct PythonWatch {
    /// What it shares with those outside.
    pub shared: Arc<Shared>,
    /// Called with the label, what is done and of how much.
    pub progress: Option<Py<PyAny>>,
    /// Whether Ctrl-C stops it: where it runs on the main thread.
    pub signals: bool,
    told: Mutex<Option<Instant>>,
}

impl PythonWatch {
    /// Watches over a run that shares this.
    pub fn new(shared: Arc<Shared>, progress: Option<Py<PyAny>>, signals: bool) -> Self {
        Self {
            shared,
            progress,
            signals,
            told: Mutex::default(),
        }
    }

    fn tell(&self, done: u64, total: u64) {
        let Some(progress) = &self.progress else {
            return;
        };
        let label = self.shared.label();
        Python::attach(|py| {
            if let Err(error) = progress.call1(py, (label, done, total)) {
                self.heed(py, error);
            }
        });
    }

    /// KeyboardInterrupt, wherever Ctrl-C met Python, stops the run and is not raised; what else is
    /// raised there is.
    fn heed(&self, py: Python<'_>, error: PyErr) {
        match self.signals && error.is_instance_of::<PyKeyboardInterrupt>(py) {
            true => self.shared.stop.store(true, Ordering::SeqCst),
            false => self.shared.fail(error),
        }
    }

    /// Whether it is time to tell again.
    fn is_due(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|then| then.elapsed() >= EVERY);
        if due {
            *told = Some(Instant::now());
        }
        due
    }
}

impl Watch for PythonWatch {
    fn begin(&self, label: &str) {
        *self
            .shared
            .label
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = label.to_owned();
        self.shared.done.store(0, Ordering::SeqCst);
        self.shared.total.store(0, Ordering::SeqCst);
    }

    fn progress(&self, done: u64, total: u64) {
        self.shared.done.store(done, Ordering::SeqCst);
        self.shared.total.store(total, Ordering::SeqCst);
        if self.progress.is_some() && (self.is_due() || done == total) {
            self.tell(done, total);
        }
    }

    fn interrupted(&self) -> bool {
        if self.signals && !self.shared.stop.load(Ordering::SeqCst) {
            Python::attach(|py| {
                if let Err(error) = py.check_signals() {
                    self.heed(py, error);
                }
            });
        }
        self.shared.stop.load(Ordering::SeqCst)
    }
}

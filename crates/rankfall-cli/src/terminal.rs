//! A person at a terminal watches: a bar, Ctrl-C, and warnings on standard error.

use crate::interruption;
use crate::progress::ProgressReport;
use log::{LevelFilter, Log, Metadata, Record};
use rankfall::failure::Failure;
use rankfall::watch::Watch;
use std::sync::{Mutex, MutexGuard};

/// Shows how far runs are on standard error, and stops them at a signal.
pub struct Terminal {
    quiet: bool,
    /// What rates are of.
    unit: Option<&'static str>,
    shown: Mutex<Option<ProgressReport>>,
}

impl Terminal {
    /// Listens for signals from now on; without progress where `quiet`. Rates are of `unit`; none
    /// where they say nothing.
    ///
    /// # Errors
    /// Exit code 1 where the system does not let us.
    pub fn new(quiet: bool, unit: Option<&'static str>) -> Result<Self, Failure> {
        interruption::listen()?;
        Ok(Self {
            quiet,
            unit,
            shown: Mutex::new(None),
        })
    }

    /// A bar lost to a thread that panicked is no reason to panic as well.
    fn shown(&self) -> MutexGuard<'_, Option<ProgressReport>> {
        let shown = self.shown.lock();
        shown.unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Watch for Terminal {
    fn foresee(&self, sentence: &str) {
        if !self.quiet {
            crate::complain(&format!("rankfall: {sentence}"));
        }
    }

    fn begin(&self, label: &str) {
        *self.shown() = Some(ProgressReport::new(label, self.quiet, self.unit));
    }

    fn progress(&self, done: u64, total: u64) {
        if let Some(progress) = &*self.shown() {
            progress.update(done, total);
        }
    }

    fn end(&self) {
        if let Some(progress) = self.shown().take() {
            progress.finish();
        }
    }

    fn interrupted(&self) -> bool {
        interruption::requested()
    }

    fn abandon(&self, failure: &Failure) {
        interruption::end(failure);
    }

    fn let_finish(&self) {
        interruption::let_finish();
    }
}

/// Warnings of the library go to standard error from now on.
pub fn show_warnings() {
    static WARNINGS: Warnings = Warnings;
    // Set already where a test calls the command line twice: then they are shown already.
    if log::set_logger(&WARNINGS).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

struct Warnings;

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("rankfall")
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            crate::complain(&format!("rankfall: warning: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

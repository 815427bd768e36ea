//! What the library logs, handed to Python's `logging` under the name `rankfall`.

use log::{LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

struct ToPython;

static TO_PYTHON: ToPython = ToPython;

/// Once per process; a logger that is there already stays.
pub fn install() {
    if log::set_logger(&TO_PYTHON).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl Log for ToPython {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("rankfall")
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // What logging raises is nothing that a computation could answer.
        let _ = Python::try_attach(|py| -> PyResult<()> {
            let logger = py
                .import("logging")?
                .call_method1("getLogger", ("rankfall",))?;
            logger.call_method1("warning", ("%s", record.args().to_string()))?;
            Ok(())
        });
    }

    fn flush(&self) {}
}

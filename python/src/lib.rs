//! The compiled part of the Python package `rankfall`: the library crate, without a word printed
//! and with the interpreter free while it computes.
//!
//! Everything here is private to the package; `python/rankfall/` is what people see.

mod arrow;
mod errors;
mod experiment;
mod handle;
mod inspection;
mod logging;
mod memory;
mod monitor;
mod own;
mod run;
mod stepper;
mod sweep;
mod theory;
mod verification;
mod watch;

use pyo3::prelude::*;

/// The compiled part of the package `rankfall`.
#[pymodule]
mod _rankfall {
    #[pymodule_export]
    use super::experiment::{PyExperiment, bundled_names, sections};
    #[pymodule_export]
    use super::handle::Handle;
    #[pymodule_export]
    use super::inspection::inspect;
    #[pymodule_export]
    use super::memory::PyMemoryFile;
    #[pymodule_export]
    use super::monitor::{PyMonitorFolder, dense_drift, matches, matrix_of, measure, monitored};
    #[pymodule_export]
    use super::run::{PyRun, load, merge_shards};
    #[pymodule_export]
    use super::stepper::PyStepper;
    #[pymodule_export]
    use super::sweep::PySweep;
    #[pymodule_export]
    use super::theory::{decay_rates, forces, slow_flow};
    #[pymodule_export]
    use super::verification::{asked_claims, claims_text, list_claims, verify};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::logging::install();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

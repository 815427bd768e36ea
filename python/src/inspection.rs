//! Spectra of the layers of checkpoints.

use crate::errors::{Operation, detached};
use crate::watch::{PythonWatch, Shared};
use pyo3::prelude::*;
use rankfall::inspection::{self, InspectionRequest};
use rankfall_inspect::plan::Choice;
use std::sync::Arc;

/// Inspects checkpoints: the record as JSON.
#[pyfunction]
#[pyo3(signature = (paths, layers, optimizer, threads, progress, signals))]
pub fn inspect(
    py: Python<'_>,
    paths: Vec<String>,
    layers: Vec<String>,
    optimizer: bool,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
    signals: bool,
) -> PyResult<String> {
    let shared: Arc<Shared> = Arc::default();
    let watch = PythonWatch::new(shared.clone(), progress, signals);
    let json = detached(py, Operation::Checkpoint, || {
        let request = InspectionRequest {
            paths: paths.into_iter().map(Into::into).collect(),
            choice: Choice {
                layers,
                optimizer,
                ..Choice::default()
            },
            threads: threads
                .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            out: None,
            resume: false,
        };
        inspection::json(&inspection::run(&request, &watch)?)
    });
    match shared.take_raised() {
        Some(error) => Err(error),
        None => json,
    }
}

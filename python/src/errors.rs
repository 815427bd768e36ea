//! Failures of the library as exceptions of the package, and panics as failures.

use pyo3::prelude::*;
use rankfall::Failure;
use rankfall::failure::FailureKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What was being done, which decides the class of the exception.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// Reading an experiment, or running it.
    Experiment,
    /// Reading or writing a folder.
    Folder,
    /// Reading checkpoints.
    Checkpoint,
}

/// The exception that stands for a failure.
pub fn exception(py: Python<'_>, failure: &Failure, doing: Operation) -> PyErr {
    let kind = match failure.kind {
        FailureKind::Run => "run",
        FailureKind::Input => "input",
        FailureKind::Interrupted => "interrupted",
    };
    let doing = match doing {
        Operation::Experiment => "experiment",
        Operation::Folder => "folder",
        Operation::Checkpoint => "checkpoint",
    };
    let given = (
        kind,
        doing,
        &failure.message,
        &failure.excerpt,
        failure.hints.clone(),
    );
    let made = py
        .import("rankfall._errors")
        .and_then(|module| module.getattr("of_failure"))
        .and_then(|of_failure| of_failure.call1(given));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Runs `work` with the interpreter free. A panic, which is a fault of the program, is a failure
/// that says so.
///
/// # Errors
/// The exception that stands for its failure.
pub fn detached<T: Send>(
    py: Python<'_>,
    doing: Operation,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> PyResult<T> {
    let outcome = py.detach(|| {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(of_panic(&*panic)))
    });
    outcome.map_err(|failure| exception(py, &failure, doing))
}

/// What to say of a panic.
pub fn of_panic(panic: &(dyn std::any::Any + Send)) -> Failure {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let words = words.unwrap_or("no message");
    Failure::run(format!("an error inside rankfall: {words}"))
        .hint("please report it with the experiment that led to it")
}

//! Observables of one's own: Python functions of batches of states, called by the workers at save times.

use crate::watch::Shared;
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use rankfall::in_memory::Runner;
use rankfall_core::ensemble::Snapshot;
use std::sync::Arc;

/// A runner with these quantities. The first exception of a function stops the run, and is raised then.
pub fn observed<'a>(
    runner: Runner<'a>,
    own: Vec<(String, Py<PyAny>)>,
    shared: &Arc<Shared>,
) -> Runner<'a> {
    own.into_iter().fold(runner, |runner, (name, measure)| {
        let shared = shared.clone();
        runner.observe_batches(&name, move |batch| {
            let values = Python::attach(|py| call(py, &measure, batch));
            values.unwrap_or_else(|error| {
                shared.fail(error);
                Vec::new()
            })
        })
    })
}

fn call(py: Python<'_>, measure: &Py<PyAny>, batch: &[Snapshot]) -> PyResult<Vec<f64>> {
    let Some(first) = batch.first() else {
        return Ok(Vec::new());
    };
    let flat = |of: fn(&Snapshot) -> faer::MatRef<'_, f64>| {
        let (rows, columns) = (of(first).nrows(), of(first).ncols());
        let mut values = Vec::with_capacity(batch.len() * rows * columns);
        for one in batch {
            let matrix = of(one);
            values.extend((0..rows).flat_map(|i| (0..columns).map(move |j| matrix[(i, j)])));
        }
        PyArray1::from_vec(py, values).reshape([batch.len(), rows, columns])
    };
    let (w1, w2) = (flat(|one| one.w1)?, flat(|one| one.w2)?);
    let values = measure.call1(py, (first.time, first.trajectory, w1, w2))?;
    let values: PyReadonlyArray1<'_, f64> = values.extract(py)?;
    Ok(values.to_vec()?)
}

//! Observables of one's own: Python functions of batches of states, called by the workers at save
//! times.

use crate::watch::Shared;
use faer::MatRef;
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use rankfall::in_memory::Runner;
use rankfall_core::ensemble::Snapshot;
use std::sync::Arc;

/// A runner with these quantities. The first exception of a function stops the run, and is raised
/// then.
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
    let w1 = stacked(py, batch.iter().map(|one| one.w1))?;
    let w2 = stacked(py, batch.iter().map(|one| one.w2))?;
    let values = measure.call1(py, (first.time, first.trajectory, w1, w2))?;
    let values: PyReadonlyArray1<'_, f64> = values.extract(py)?;
    Ok(values.to_vec()?)
}

/// Matrices of one shape as one array, the first index counting them.
fn stacked<'py, 'a>(
    py: Python<'py>,
    matrices: impl ExactSizeIterator<Item = MatRef<'a, f64>>,
) -> PyResult<Bound<'py, PyArray3<f64>>> {
    let (count, mut rows, mut columns) = (matrices.len(), 0, 0);
    let mut values = Vec::new();
    for matrix in matrices {
        (rows, columns) = (matrix.nrows(), matrix.ncols());
        for i in 0..rows {
            values.extend((0..columns).map(|j| matrix[(i, j)]));
        }
    }
    PyArray1::from_vec(py, values).reshape([count, rows, columns])
}

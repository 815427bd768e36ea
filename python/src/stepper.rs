//! Trajectories step by step.

use crate::errors::{Operation, detached};
use crate::experiment::PyExperiment;
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rankfall::{Failure, stepping};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Some trajectories of one dynamics.
#[pyclass(frozen, name = "Stepper", module = "rankfall._rankfall")]
pub struct PyStepper(Mutex<stepping::Stepper>);

impl PyStepper {
    /// Held by one thread at a time; another is told so.
    fn hold(&self) -> PyResult<MutexGuard<'_, stepping::Stepper>> {
        match self.0.try_lock() {
            Ok(held) => Ok(held),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "another thread is advancing this stepper",
            )),
        }
    }
}

#[pymethods]
impl PyStepper {
    #[new]
    fn new(py: Python<'_>, experiment: Py<PyExperiment>, label: String) -> PyResult<Self> {
        let experiment = experiment.get();
        detached(py, Operation::Experiment, || experiment.0.stepper(&label))
            .map(|stepper| Self(Mutex::new(stepper)))
    }

    fn advance(&self, py: Python<'_>, steps: u64) -> PyResult<()> {
        detached(py, Operation::Experiment, || match self.0.try_lock() {
            Ok(mut stepper) => stepper.advance(steps),
            Err(_) => Err(Failure::run("another thread is advancing this stepper")),
        })
    }

    #[getter]
    fn step(&self) -> PyResult<u64> {
        Ok(self.hold()?.step())
    }

    #[getter]
    fn time(&self) -> PyResult<f64> {
        Ok(self.hold()?.time())
    }

    #[getter]
    fn alive(&self) -> PyResult<Vec<bool>> {
        Ok(self.hold()?.alive())
    }

    /// W₁ (trajectories × p × l) and W₂ (trajectories × l × k).
    #[allow(clippy::type_complexity)]
    fn weights<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyArray3<f64>>, Bound<'py, PyArray3<f64>>)> {
        let all = detached(py, Operation::Experiment, || match self.0.try_lock() {
            Ok(stepper) => stepper.weights(),
            Err(_) => Err(Failure::run("another thread is advancing this stepper")),
        })?;
        let stacked = |matrices: Vec<&faer::Mat<f64>>| {
            let shape = matrices.first().map_or([0, 0], |m| [m.nrows(), m.ncols()]);
            let mut values = Vec::new();
            for matrix in &matrices {
                for i in 0..shape[0] {
                    values.extend((0..shape[1]).map(|j| matrix[(i, j)]));
                }
            }
            PyArray1::from_vec(py, values).reshape([matrices.len(), shape[0], shape[1]])
        };
        let w1 = stacked(all.iter().map(|weights| &weights.w1).collect())?;
        Ok((
            w1,
            stacked(all.iter().map(|weights| &weights.w2).collect())?,
        ))
    }

    /// Names and indices of what is measured, and values, trajectories × names.
    #[allow(clippy::type_complexity)]
    fn observables<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Vec<(String, u32)>, Bound<'py, PyArray2<f64>>)> {
        let stepper = self.hold()?;
        let names: Vec<(String, u32)> = stepper
            .names()
            .map(|(name, index)| (name.to_owned(), index))
            .collect();
        let rows: Vec<Vec<f64>> = stepper
            .values()
            .map(|values| values[..names.len()].to_vec())
            .collect();
        let values = PyArray2::from_vec2(py, &rows)?;
        Ok((names, values))
    }
}

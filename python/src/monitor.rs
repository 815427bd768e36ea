//! Monitors of training runs elsewhere: how tensors become matrices, their spectra, and the record.

use crate::errors::{Operation, detached};
use crate::run::PyRun;
use numpy::{PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rankfall::Failure;
use rankfall::monitored::{MonitorFolder as Folder, MonitorRecord};
use rankfall_core::model::dynamics::Sampling;
use rankfall_core::simd::instructions::Instructions;
use rankfall_inspect::decompose::spectrum;
use rankfall_inspect::measures;
use rankfall_inspect::numbers::InMemory;
use rankfall_inspect::plan::LARGEST_SIDE;
use rankfall_inspect::spectrum::Failed;
use rankfall_inspect::view::{self, Fused, Slice};
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::noise::Noise;
use rankfall_nets::predictions::{PredictedDrift, predict};
use rankfall_nets::training::{Trainer, TrainingPlan, TrainingSpec};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How a parameter of this name and shape is made a matrix: in words, rows and columns.
///
/// # Errors
/// `ValueError` with the reason why it is none.
#[pyfunction]
pub fn matrix_of(name: &str, shape: Vec<usize>) -> PyResult<(String, usize, usize)> {
    let views = view::views(name, &shape, Fused::Whole).map_err(PyValueError::new_err)?;
    // Several slices are pooled; a monitor follows one matrix: the unfolded one.
    let single = views.into_iter().find(|view| view.slices.len() == 1);
    let view = single.ok_or_else(|| PyValueError::new_err("it is a stack of matrices"))?;
    let Slice { rows, columns, .. } = view.slices[0];
    match rows.min(columns) {
        side if side > LARGEST_SIDE => Err(PyValueError::new_err(format!(
            "its smaller side is {side}, more than {LARGEST_SIDE}: too much to compute"
        ))),
        _ => Ok((view.words, rows, columns)),
    }
}

/// Whether a name matches a pattern with `*` and `?`.
#[pyfunction]
pub fn matches(pattern: &str, name: &str) -> bool {
    rankfall_checkpoints::matches(pattern, name)
}

/// The spectrum of a matrix, rows first, stored with this ε: a mapping of its measures and all
/// singular values, with the interpreter free; None where numbers are not finite, with how many.
#[pyfunction]
pub fn measure<'py>(
    py: Python<'py>,
    values: &Bound<'py, PyAny>,
    rows: usize,
    columns: usize,
    epsilon: f64,
) -> PyResult<(Option<Bound<'py, PyDict>>, usize)> {
    let slice = Slice {
        start: 0,
        rows,
        columns,
        row_stride: columns,
        column_stride: 1,
    };
    let outcome = if let Ok(single) = values.extract::<PyReadonlyArray1<'py, f32>>() {
        of_numbers(py, InMemory::Single(single.as_slice()?), slice, epsilon)
    } else {
        let double = values.extract::<PyReadonlyArray1<'py, f64>>()?;
        of_numbers(py, InMemory::Double(double.as_slice()?), slice, epsilon)
    }?;
    let (spectrum, m) = match outcome {
        Ok(found) => found,
        Err(not_finite) => return Ok((None, not_finite)),
    };
    let of = PyDict::new(py);
    let sigmas: Vec<f64> = spectrum.sigmas.iter().map(|s| s.value).collect();
    of.set_item("singular_values", sigmas)?;
    of.set_item("numerical_rank", m.numerical_rank)?;
    of.set_item("tolerance", m.tolerance)?;
    of.set_item("effective_rank", m.effective_rank.map(|v| v.0))?;
    of.set_item("stable_rank", m.stable_rank.map(|v| v.0))?;
    of.set_item("nuclear_norm", m.nuclear_norm.0)?;
    of.set_item("log_abs_det", m.log_abs_det.map(|v| v.0))?;
    of.set_item("error_bound", m.error_bound)?;
    of.set_item("method", spectrum.method.name())?;
    Ok((Some(of), 0))
}

type Found = Result<(rankfall_inspect::spectrum::Spectrum, measures::Measures), usize>;

fn of_numbers(
    py: Python<'_>,
    numbers: InMemory<'_>,
    slice: Slice,
    epsilon: f64,
) -> PyResult<Found> {
    let held = match numbers {
        InMemory::Single(values) => values.len(),
        InMemory::Double(values) => values.len(),
    };
    if held != slice.rows * slice.columns || held == 0 {
        let (rows, columns) = (slice.rows, slice.columns);
        let message = format!("{held} numbers are no matrix of {rows} × {columns}");
        return Err(PyValueError::new_err(message));
    }
    detached(py, Operation::Experiment, || {
        match spectrum(&numbers, &[slice], epsilon, 1) {
            Ok(found) => {
                let measures = measures::of(&found, &[slice], epsilon);
                Ok(Ok((found, measures)))
            }
            Err(Failed::NotFinite(count)) => Ok(Err(count)),
            Err(other) => Err(Failure::run(other.to_string())),
        }
    })
}

/// A run folder that a monitor writes into, line by line.
#[pyclass(frozen, name = "MonitorFolder", module = "rankfall._rankfall")]
pub struct PyMonitorFolder {
    folder: Mutex<Option<Folder>>,
}

#[pymethods]
impl PyMonitorFolder {
    /// Makes the folder, which must be new or is replaced.
    #[new]
    fn new(py: Python<'_>, folder: String, replace: bool) -> PyResult<Self> {
        let made = detached(py, Operation::Folder, || {
            Folder::create(Path::new(&folder), replace)
        })?;
        Ok(Self {
            folder: Mutex::new(Some(made)),
        })
    }

    /// Adds a line of the log.
    fn append(&self, py: Python<'_>, line: String) -> PyResult<()> {
        detached(py, Operation::Folder, || {
            let mut held = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
            match held.as_mut() {
                Some(folder) => folder.append(&line),
                None => Err(Failure::run("the monitor is closed")),
            }
        })
    }

    /// Makes series, summary, figures and report.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, Operation::Folder, || {
            let mut held = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
            held.take().map_or(Ok(()), Folder::finish)
        })
    }
}

/// What the log of a monitor holds, as a run.
#[pyfunction]
pub fn monitored(py: Python<'_>, log: String) -> PyResult<PyRun> {
    let record = detached(py, Operation::Folder, || MonitorRecord::read(&log))?;
    Ok(PyRun::monitored(&record))
}

/// The predicted drift of each log σᵢ of a layer (from 1) in a step on one row that is drawn, by
/// the dense engine: `spec` is a training as JSON, `parameters` are those of the network, and every
/// row is drawn once. Gradient, curvature, own noise, repulsion and growth, each a list.
#[pyfunction]
pub fn dense_drift(
    py: Python<'_>,
    spec: &str,
    parameters: PyReadonlyArray1<'_, f64>,
    x: PyReadonlyArray2<'_, f64>,
    targets: &Bound<'_, PyAny>,
    layer: usize,
) -> PyResult<[Vec<f64>; 5]> {
    let wrong = |why: &dyn std::fmt::Display| PyValueError::new_err(why.to_string());
    let mut spec: TrainingSpec = serde_json::from_str(spec).map_err(|e| wrong(&e))?;
    spec.noise = vec![Noise::MiniBatch {
        batch_size: 1,
        sampling: Sampling::Sequential,
    }];
    let targets = match targets.extract::<PyReadonlyArray2<'_, f64>>() {
        Ok(values) => Targets::Values {
            columns: values.shape()[1],
            values: values.to_vec()?,
        },
        Err(_) => Targets::Classes(targets.extract()?),
    };
    let (rows, inputs) = (x.shape()[0], x.shape()[1]);
    let data = Dataset::new(inputs, x.to_vec()?, targets).map_err(|e| wrong(&e))?;
    let plan = Arc::new(TrainingPlan::new(&spec).map_err(|e| wrong(&e))?);
    let data = Arc::new(plan.fit_training(data).map_err(|e| wrong(&e))?);
    let parameters = parameters.to_vec()?;
    if parameters.len() != plan.network.parameters() {
        let message = format!(
            "the network has {} parameters, not {}",
            plan.network.parameters(),
            parameters.len()
        );
        return Err(PyValueError::new_err(message));
    }
    let parts = detached(py, Operation::Experiment, || {
        let mut trainer = Trainer::new(plan, data, 0, 0, Instructions::best());
        trainer.set_parameters(&parameters);
        predict(&mut trainer, layer, rows as u64).map_err(|e| Failure::input(e.to_string()))
    })?;
    let of = |part: fn(&PredictedDrift) -> f64| parts.iter().map(part).collect();
    Ok([
        of(|d| d.gradient),
        of(|d| d.curvature),
        of(|d| d.own_noise),
        of(|d| d.repulsion),
        of(|d| d.growth),
    ])
}

//! Sweeps: metrics at every combination of values.

use crate::errors::{Operation, detached};
use crate::experiment::PyExperiment;
use crate::watch::{PythonWatch, Shared};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rankfall::Failure;
use rankfall::in_memory;
use rankfall::options::Options;
use rankfall::run_folder::Existing;
use rankfall::shard::Shard;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A sweep, or a shard of one.
#[pyclass(frozen, name = "Sweep", module = "rankfall._rankfall")]
pub struct PySweep(Mutex<in_memory::Sweep>);

/// Point, dynamics, metric, index, value, standard error and prediction.
type Row = (
    u64,
    u32,
    &'static str,
    u32,
    Option<f64>,
    Option<f64>,
    Option<f64>,
);

#[pymethods]
impl PySweep {
    /// Runs the points of a shard, or all. Each of `over` is `key=values`.
    #[new]
    #[pyo3(signature = (experiment, over, shard, threads, progress, signals))]
    fn new(
        py: Python<'_>,
        experiment: Py<PyExperiment>,
        over: Vec<String>,
        shard: Option<(u64, u64)>,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
        signals: bool,
    ) -> PyResult<Self> {
        let shared: Arc<Shared> = Arc::default();
        let watch = PythonWatch::new(shared.clone(), progress, signals);
        let experiment = experiment.get();
        let sweep = detached(py, Operation::Experiment, || {
            let over: Vec<&str> = over.iter().map(String::as_str).collect();
            let parse = |(index, count): (u64, u64)| {
                let parsed = format!("{index}/{count}").parse::<Shard>();
                parsed.map_err(|why| Failure::input(format!("shards: {why}")))
            };
            let options = Options {
                out: None,
                existing: Existing::Refuse,
                threads: threads
                    .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
                shard: shard.map(parse).transpose()?,
                checkpoint_interval: Duration::MAX,
                watch: &watch,
            };
            experiment.0.sweep_with(&over, &options)
        });
        match shared.take_raised() {
            Some(error) => Err(error),
            None => Ok(Self(Mutex::new(sweep?))),
        }
    }

    /// The values of the axes at every point, as TOML.
    fn coordinates(&self) -> Vec<Vec<String>> {
        let sweep = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (0..sweep.points())
            .map(|point| sweep.coordinates(point))
            .collect()
    }

    /// All metrics.
    fn rows(&self) -> Vec<Row> {
        let sweep = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sweep
            .metrics()
            .map(|(point, dynamics, row)| {
                let name = row.metric.name();
                (
                    point,
                    dynamics,
                    name,
                    row.index,
                    row.value,
                    row.std_error,
                    row.prediction,
                )
            })
            .collect()
    }

    /// The metrics, for `absorb` elsewhere.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = detached(py, Operation::Experiment, || {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .to_bytes()
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Takes in the metrics of another shard of the same sweep.
    fn absorb(&self, py: Python<'_>, bytes: Vec<u8>) -> PyResult<()> {
        detached(py, Operation::Experiment, || {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .absorb(&bytes)
        })
    }
}

//! An experiment: made of text or of a table of values, checked by the one reader of experiment
//! files.

use crate::errors::{Operation, detached, exception};
use crate::handle::Handle;
use crate::own;
use crate::run::PyRun;
use crate::watch::{PythonWatch, Shared};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRecursionError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use rankfall::experiment::{EngineInput, keys};
use rankfall::failure::FailureKind;
use rankfall::in_memory::Runner;
use rankfall::options::Options;
use rankfall::run_folder::Existing;
use rankfall::shard::Shard;
use rankfall::{Failure, forecast};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use toml::{Table, Value};

/// A checked experiment.
#[pyclass(frozen, name = "Experiment", module = "rankfall._rankfall")]
pub struct PyExperiment(pub rankfall::experiment::Experiment);

/// Deeper values than experiments have are refused.
const DEEPEST: usize = 32;

#[pymethods]
impl PyExperiment {
    /// Of the text of an experiment file, called `source` in messages; relative paths start in
    /// `folder`.
    #[staticmethod]
    fn of_text(
        py: Python<'_>,
        text: String,
        source: String,
        folder: String,
        sets: Vec<String>,
    ) -> PyResult<Self> {
        detached(py, Operation::Experiment, || {
            rankfall::experiment::Experiment::from_toml(&text, &source, Path::new(&folder), &sets)
        })
        .map(Self)
    }

    /// Of a file.
    #[staticmethod]
    fn of_file(py: Python<'_>, path: String, sets: Vec<String>) -> PyResult<Self> {
        detached(py, Operation::Experiment, || {
            rankfall::experiment::Experiment::load(Path::new(&path), &sets)
        })
        .map(Self)
    }

    /// Of one that comes with rankfall.
    #[staticmethod]
    fn bundled(py: Python<'_>, name: String) -> PyResult<Self> {
        detached(py, Operation::Experiment, || {
            rankfall::experiment::Experiment::bundled(&name)
        })
        .map(Self)
    }

    /// Of a table with the keys of an experiment file.
    #[staticmethod]
    fn of_table(py: Python<'_>, table: &Bound<'_, PyDict>) -> PyResult<Self> {
        let text = text_of(table)?;
        Self::of_text(py, text, "the experiment".into(), String::new(), Vec::new())
    }

    /// Every default written out, paths absolute.
    fn resolved(&self) -> String {
        self.0.resolved_toml()
    }

    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        let resolved: Table = self.0.resolved_toml().parse().unwrap_or_default();
        let dynamics = resolved.get("dynamics").and_then(Value::as_array);
        let label = |one: &Value| one.get("label")?.as_str().map(str::to_owned);
        dynamics.into_iter().flatten().filter_map(label).collect()
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.0.run.seed
    }

    /// `exact` or `dense`, and why.
    fn engine(&self, py: Python<'_>) -> PyResult<(&'static str, String)> {
        match self.0.engine() {
            Ok(EngineInput::Exact(_)) => Ok(("exact", String::new())),
            Ok(EngineInput::Dense(_, why)) => Ok(("dense", why)),
            Err(failure) => Err(exception(py, &failure, Operation::Experiment)),
        }
    }

    /// What theory predicts, as JSON.
    fn predict(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, Operation::Experiment, || {
            let exact = self
                .0
                .exact()
                .map_err(|problem| problem.in_file("predict"))?;
            let forecast = forecast::forecast(exact)?;
            serde_json::to_string(&forecast)
                .map_err(|error| Failure::run(format!("cannot encode the forecast: {error}")))
        })
    }

    /// Runs it in memory. `own` are names with functions of batches.
    #[pyo3(signature = (threads, progress, signals, left, own, handle))]
    #[allow(clippy::too_many_arguments)]
    fn run(
        &self,
        py: Python<'_>,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
        signals: bool,
        left: Option<Py<PyRun>>,
        own: Vec<(String, Py<PyAny>)>,
        handle: Option<Py<Handle>>,
    ) -> PyResult<PyRun> {
        let handle = handle.as_ref().map(Py::get);
        let shared = handle.map_or_else(Arc::default, Handle::shared);
        let watch = PythonWatch::new(shared.clone(), progress, signals);
        let left = left.as_ref().map(Py::get);
        let run = detached(py, Operation::Experiment, || {
            let runner = with_threads(self.0.runner(), threads).watch(&watch);
            let mut runner = own::observed(runner, own, &shared);
            if let Some(left) = left.and_then(PyRun::left) {
                runner = runner.from(left);
            }
            if let Some(handle) = handle {
                runner = runner.onlooker(handle);
            }
            runner.run()
        });
        if signals {
            too_late(py)?;
        }
        match shared.take_raised() {
            Some(error) => Err(error),
            None => Ok(PyRun::in_memory(run?)),
        }
    }

    /// Runs one shard of it, to bytes.
    #[pyo3(signature = (index, count, threads, signals, own))]
    fn run_shard<'py>(
        &self,
        py: Python<'py>,
        index: u64,
        count: u64,
        threads: Option<usize>,
        signals: bool,
        own: Vec<(String, Py<PyAny>)>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let shared: Arc<Shared> = Arc::default();
        let watch = PythonWatch::new(shared.clone(), None, signals);
        let bytes = detached(py, Operation::Experiment, || {
            let shard: Shard = format!("{index}/{count}")
                .parse()
                .map_err(|why: String| Failure::input(format!("shards: {why}")))?;
            let runner = with_threads(self.0.runner(), threads).watch(&watch);
            own::observed(runner, own, &shared).shard(shard)
        });
        match shared.take_raised() {
            Some(error) => Err(error),
            None => Ok(PyBytes::new(py, &bytes?)),
        }
    }

    /// Runs it into a folder, with checkpoints; whether it had been done before, and whether it was
    /// interrupted.
    #[pyo3(signature = (folder, resume, threads, progress, signals))]
    fn run_into(
        &self,
        py: Python<'_>,
        folder: String,
        resume: bool,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
        signals: bool,
    ) -> PyResult<bool> {
        let shared: Arc<Shared> = Arc::default();
        let watch = PythonWatch::new(shared.clone(), progress, signals);
        let done = detached(py, Operation::Folder, || {
            let options = Options {
                out: Some(folder.into()),
                existing: match resume {
                    true => Existing::Resume,
                    false => Existing::Refuse,
                },
                threads: threads
                    .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
                shard: None,
                checkpoint_interval: CHECKPOINT_INTERVAL,
                watch: &watch,
            };
            match rankfall::run::execute(&self.0, &options) {
                Ok(_) => Ok(false),
                Err(failure) if failure.kind == FailureKind::Interrupted => Ok(true),
                Err(failure) => Err(failure),
            }
        });
        match shared.take_raised() {
            Some(error) => Err(error),
            None => done,
        }
    }
}

/// Ctrl-C that came when all was computed is answered by what was computed; what other handlers
/// raise is raised.
fn too_late(py: Python<'_>) -> PyResult<()> {
    match py.check_signals() {
        Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => Ok(()),
        other => other,
    }
}

/// Time between two checkpoints in a folder.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);

/// On so many threads, or on all cores.
pub fn with_threads(runner: Runner<'_>, threads: Option<usize>) -> Runner<'_> {
    match threads {
        Some(threads) => runner.threads(threads),
        None => runner,
    }
}

/// The text of an experiment file with these keys and values.
fn text_of(table: &Bound<'_, PyDict>) -> PyResult<String> {
    let table = table_of(table, DEEPEST)?;
    toml::to_string(&table)
        .map_err(|error| PyTypeError::new_err(format!("the experiment cannot be written: {error}")))
}

fn table_of(given: &Bound<'_, PyDict>, depth: usize) -> PyResult<Table> {
    let mut table = Table::new();
    for (key, value) in given {
        let Ok(key) = key.cast::<PyString>() else {
            let kind = key.get_type().name()?.to_string();
            return Err(PyTypeError::new_err(format!(
                "keys of an experiment are text, and one is of type {kind}"
            )));
        };
        let key = key.to_str()?.to_owned();
        let value = value_of(&value, depth).map_err(|error| {
            match error.is_instance_of::<PyTypeError>(value.py()) {
                true => PyTypeError::new_err(format!("{key}: {}", error.value(value.py()))),
                false => error,
            }
        })?;
        table.insert(key, value);
    }
    Ok(table)
}

fn value_of(given: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(PyRecursionError::new_err(
            "the values of an experiment are nested too deeply",
        ));
    };
    if let Ok(flag) = given.cast::<PyBool>() {
        return Ok(Value::Boolean(flag.is_true()));
    }
    if given.is_instance_of::<PyInt>() {
        // A whole number too long for TOML is refused by the reader as the number that it is.
        return given.extract::<i64>().map_or_else(
            |_| given.extract::<f64>().map(Value::Float),
            |i| Ok(Value::Integer(i)),
        );
    }
    if let Ok(number) = given.cast::<PyFloat>() {
        return Ok(Value::Float(number.value()));
    }
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(Value::String(text.to_str()?.to_owned()));
    }
    if let Ok(table) = given.cast::<PyDict>() {
        return table_of(table, depth).map(Value::Table);
    }
    if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() {
        let items = given.try_iter()?;
        let items = items.map(|item| value_of(&item?, depth));
        return items.collect::<PyResult<_>>().map(Value::Array);
    }
    if !given.is_instance_of::<PyBytes>() && given.hasattr("item")? && given.hasattr("dtype")? {
        return value_of(&given.call_method0("item")?, depth);
    }
    let kind = given.get_type().name()?.to_string();
    Err(PyTypeError::new_err(format!(
        "a value of type {kind} has no place in an experiment"
    )))
}

/// Names of the experiments that come with rankfall.
#[pyfunction]
pub fn bundled_names() -> Vec<(String, String)> {
    let all = rankfall::bundled::ALL.iter();
    all.map(|one| (one.name.to_owned(), one.shows.to_owned()))
        .collect()
}

/// Every section of an experiment file with its keys: path, kinds, and of each key its name,
/// default, meaning and kinds.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn sections() -> Vec<(
    &'static str,
    Vec<&'static str>,
    Vec<(&'static str, &'static str, &'static str, Vec<&'static str>)>,
)> {
    let all = keys::SECTIONS.iter();
    all.map(|section| {
        let of_key = |key: &keys::Key| (key.name, key.default, key.about, key.kinds.to_vec());
        let keys = section.keys.iter().map(of_key).collect();
        (section.path, section.kinds.to_vec(), keys)
    })
    .collect()
}

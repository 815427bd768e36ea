//! What a run left, in memory or in a folder.

use crate::arrow;
use crate::errors::{Operation, detached};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rankfall::in_memory::{self, InterruptedRun};
use rankfall::monitored::{self, MonitorRecord};
use rankfall::{Failure, run_folder};
use rankfall_report::record::{SeriesRow, Summary};
use rankfall_report::{SeriesTable, draw_all, png, svg};
use std::path::Path;

/// What a run left.
#[pyclass(frozen, name = "Run", module = "rankfall._rankfall")]
pub struct PyRun {
    summary: Summary,
    rows: Vec<SeriesRow>,
    table: SeriesTable,
    resolved: String,
    /// Where it was run in memory.
    memory: Option<in_memory::Run>,
}

/// Names a curve: dynamics, observable, layer and index.
type CurveName = (String, String, Option<u32>, u32);

/// Weights: names, shapes and values, rows first.
type NamedArrays = Vec<(String, Vec<usize>, Vec<f64>)>;

impl PyRun {
    /// Of a run in memory.
    pub fn in_memory(run: in_memory::Run) -> Self {
        let rows: Vec<SeriesRow> = run.rows().cloned().collect();
        Self {
            summary: run.summary.clone(),
            table: run.series().clone(),
            rows,
            resolved: run.resolved_toml().unwrap_or_default().to_owned(),
            memory: Some(run),
        }
    }

    /// Of a training run elsewhere that was watched.
    pub fn monitored(record: &MonitorRecord) -> Self {
        let rows = record.rows();
        Self {
            summary: record.summary(),
            table: SeriesTable::from_rows(rows.clone()),
            rows,
            resolved: String::new(),
            memory: None,
        }
    }

    /// Where to go on from, where it was stopped.
    pub fn left(&self) -> Option<&InterruptedRun> {
        self.memory.as_ref()?.left.as_ref()
    }

    fn expect_memory(&self) -> Result<&in_memory::Run, Failure> {
        self.memory
            .as_ref()
            .ok_or_else(|| Failure::run("this run is in a folder already"))
    }
}

#[pymethods]
impl PyRun {
    /// `summary.json`.
    fn summary(&self) -> String {
        serde_json::to_string(&self.summary).unwrap_or_default()
    }

    /// The experiment with every default written out and the checksums of its data.
    #[getter]
    fn resolved(&self) -> &str {
        &self.resolved
    }

    #[getter]
    fn interrupted(&self) -> bool {
        let left = self
            .summary
            .monitor
            .as_ref()
            .is_some_and(|m| m.end.is_none());
        left || self.memory.as_ref().is_some_and(|run| run.interrupted)
    }

    /// The curves there are, in the order of the table.
    fn curves(&self) -> Vec<CurveName> {
        let mut all: Vec<CurveName> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for row in &self.rows {
            let name = (
                row.dynamics.clone(),
                row.observable.clone(),
                row.layer,
                row.index,
            );
            if seen.insert(name.clone()) {
                all.push(name);
            }
        }
        all
    }

    /// A curve: time, mean, std_error, q05, q25, q50, q75, q95 and law, NaN where undefined.
    fn curve<'py>(
        &self,
        py: Python<'py>,
        name: CurveName,
    ) -> Option<Vec<Bound<'py, PyArray1<f64>>>> {
        let (dynamics, observable, layer, index) = name;
        let curve = self.table.curve(&dynamics, &(observable, layer), index)?;
        let numbers = |values: &[Option<f64>]| {
            PyArray1::from_iter(py, values.iter().map(|value| value.unwrap_or(f64::NAN)))
        };
        let mut all = vec![PyArray1::from_slice(py, &curve.times)];
        all.extend(
            [
                &curve.mean,
                &curve.std_error,
                &curve.q05,
                &curve.q25,
                &curve.q50,
                &curve.q75,
                &curve.q95,
                &curve.law,
            ]
            .map(|values| numbers(values)),
        );
        Some(all)
    }

    /// The whole series, as the Arrow PyCapsule interface has it.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A request is best effort, and there is one form.
        drop(requested_schema);
        arrow::stream(py, arrow::batch(&self.rows).map_err(arrow::failed)?)
    }

    /// Weights of trajectory 0 at the end: of a run in memory.
    fn weights(&self) -> NamedArrays {
        let Some(run) = &self.memory else {
            return Vec::new();
        };
        let all = run.weights();
        all.map(|tensor| {
            (
                tensor.name.clone(),
                tensor.shape.clone(),
                tensor.values.clone(),
            )
        })
        .collect()
    }

    /// Kept trajectories of the dynamics at a place: their numbers, values (trajectories × cells),
    /// and of each cell observable, layer, index and time.
    #[allow(clippy::type_complexity)]
    fn trajectories<'py>(
        &self,
        py: Python<'py>,
        dynamics: usize,
    ) -> PyResult<
        Option<(
            Vec<u64>,
            Bound<'py, PyArray2<f64>>,
            Vec<(String, Option<u32>, u32, f64)>,
        )>,
    > {
        let Some(kept) = self.memory.as_ref().and_then(|run| run.kept(dynamics)) else {
            return Ok(None);
        };
        let cells = kept.values.first().map_or(0, |(_, values)| values.len());
        let taken: Vec<(usize, (String, Option<u32>, u32, f64))> = (0..cells)
            .filter_map(|cell| {
                let (observable, time) = kept.grid.at(cell)?;
                let name = observable.name.clone();
                Some((cell, (name, observable.layer, observable.index, time)))
            })
            .collect();
        let rows: Vec<Vec<f64>> = kept
            .values
            .iter()
            .map(|(_, values)| taken.iter().map(|(cell, _)| values[*cell]).collect())
            .collect();
        let numbers = kept.values.iter().map(|(number, _)| *number).collect();
        let values = PyArray2::from_vec2(py, &rows)?;
        let names = taken.into_iter().map(|(_, name)| name).collect();
        Ok(Some((numbers, values, names)))
    }

    /// Writes a run in memory as a run folder, which must be new, with this text as its experiment
    /// file.
    fn save(&self, py: Python<'_>, folder: String, experiment: String) -> PyResult<()> {
        detached(py, Operation::Folder, || {
            self.expect_memory()?
                .save_as(Path::new(&folder), &experiment)
        })
    }

    /// Names of the figures, and why there is none where there is none.
    fn figures(&self, py: Python<'_>) -> PyResult<Vec<(String, Option<String>)>> {
        detached(py, Operation::Folder, || {
            let all = draw_all(&self.summary, &self.table).into_iter();
            Ok(all
                .map(|figure| {
                    (
                        figure.name.to_owned(),
                        figure.outcome.err().map(|why| why.to_string()),
                    )
                })
                .collect())
        })
    }

    /// A figure as SVG, or none of that name.
    fn figure_svg(&self, py: Python<'_>, name: String) -> PyResult<Option<String>> {
        detached(py, Operation::Folder, || {
            let all = draw_all(&self.summary, &self.table).into_iter();
            let mut drawn = all.filter(|figure| figure.name == name);
            let scene = drawn.next().and_then(|figure| figure.outcome.ok());
            Ok(scene.map(|scene| svg::render(&scene)))
        })
    }

    /// A figure as PNG, or none of that name.
    fn figure_png(&self, py: Python<'_>, name: String) -> PyResult<Option<Vec<u8>>> {
        detached(py, Operation::Folder, || {
            let all = draw_all(&self.summary, &self.table).into_iter();
            let mut drawn = all.filter(|figure| figure.name == name);
            let scene = drawn.next().and_then(|figure| figure.outcome.ok());
            let picture = scene.map(|scene| png::render(&scene));
            picture
                .transpose()
                .map_err(|error| Failure::run(error.to_string()))
        })
    }
}

/// Puts shards together to the bits of the run that was never divided.
#[pyfunction]
pub fn merge_shards(py: Python<'_>, shards: Vec<Vec<u8>>) -> PyResult<PyRun> {
    let run = detached(py, Operation::Experiment, || {
        rankfall::shard_bytes::merge(&shards)
    });
    run.map(PyRun::in_memory)
}

/// Reads a run folder.
#[pyfunction]
pub fn load(py: Python<'_>, folder: String) -> PyResult<PyRun> {
    detached(py, Operation::Folder, || {
        let folder = Path::new(&folder);
        if monitored::is_open(folder) {
            return Ok(PyRun::monitored(&monitored::of_folder(folder)?));
        }
        let summary = run_folder::read_summary(folder)?;
        let rows = run_folder::read_series(folder, summary.schema)?;
        let resolved = run_folder::read_experiment(folder)?;
        Ok(PyRun {
            table: SeriesTable::from_rows(rows.clone()),
            summary,
            rows,
            resolved,
            memory: None,
        })
    })
}

//! Claims: which there are, and what became of them on an experiment.

use crate::errors::{Operation, detached};
use crate::experiment::PyExperiment;
use crate::watch::{PythonWatch, Shared};
use pyo3::prelude::*;
use rankfall::{Failure, verification};
use rankfall_evidence::{Level, Suite, claims};
use rankfall_report::claims::ClaimsRecord;
use std::sync::Arc;

/// Columns of a table in text.
const TABLE_WIDTH: usize = 100;

/// Of each claim: name, suite, heading, statement, alternative, whose it is, and what kind of
/// claim.
#[pyfunction]
pub fn list_claims() -> Vec<[&'static str; 7]> {
    let all = claims::ALL.iter();
    all.map(|claim| {
        [
            claim.id,
            claim.suite.name(),
            claim.title,
            claim.statement,
            claim.alternative,
            claim.provenance.words(),
            claim.strength.words(),
        ]
    })
    .collect()
}

/// Names of the claims that are to be measured, in the order of the list.
#[pyfunction]
#[pyo3(signature = (experiment, only, suite, seed))]
pub fn asked_claims(
    py: Python<'_>,
    experiment: Option<Py<PyExperiment>>,
    only: Vec<String>,
    suite: Option<String>,
    seed: Option<u64>,
) -> PyResult<Vec<&'static str>> {
    detached(py, Operation::Experiment, || {
        let suite = suite.as_deref().map(suite_of).transpose()?;
        let experiment = experiment.as_ref().map(|given| &given.get().0);
        let subject = verification::subject(experiment, seed)?;
        let asked = verification::asked(&subject, &only, suite)?;
        Ok(asked.iter().map(|claim| claim.id).collect())
    })
}

/// The table that the command line prints of a record.
#[pyfunction]
pub fn claims_text(py: Python<'_>, record: String) -> PyResult<String> {
    detached(py, Operation::Experiment, || {
        let record: ClaimsRecord = serde_json::from_str(&record)
            .map_err(|error| Failure::input(format!("not a record of claims: {error}")))?;
        Ok(rankfall_report::claims_text(&record, TABLE_WIDTH))
    })
}

/// Measures claims, in the paper's setting where there is no experiment: the record as JSON, and
/// whether it was stopped.
#[pyfunction]
#[pyo3(signature = (experiment, only, suite, full, seed, threads, progress, signals))]
#[allow(clippy::too_many_arguments)]
pub fn verify(
    py: Python<'_>,
    experiment: Option<Py<PyExperiment>>,
    only: Vec<String>,
    suite: Option<String>,
    full: bool,
    seed: Option<u64>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
    signals: bool,
) -> PyResult<(String, bool)> {
    let shared: Arc<Shared> = Arc::default();
    let watch = PythonWatch::new(shared.clone(), progress, signals);
    let found = detached(py, Operation::Experiment, || {
        let suite = suite.as_deref().map(suite_of).transpose()?;
        let experiment = experiment.as_ref().map(|given| &given.get().0);
        let subject = verification::subject(experiment, seed)?;
        let asked = verification::asked(&subject, &only, suite)?;
        let level = if full { Level::Full } else { Level::Quick };
        let threads = threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
            .max(1);
        let (record, stopped) = verification::verify(&subject, &asked, level, threads, &watch);
        let json = serde_json::to_string(&record)
            .map_err(|error| Failure::run(format!("cannot encode the claims: {error}")))?;
        Ok((json, stopped))
    });
    match shared.take_raised() {
        Some(error) => Err(error),
        None => found,
    }
}

fn suite_of(name: &str) -> Result<Suite, Failure> {
    let all = [Suite::Exact, Suite::Networks];
    all.into_iter()
        .find(|suite| suite.name() == name)
        .ok_or_else(|| {
            Failure::input(format!("there is no suite {name:?}"))
                .hint("there are \"exact\" and \"networks\"")
        })
}

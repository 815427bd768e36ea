//! Data that were read or drawn, kept for other experiments on the same data.

use super::data::{ProblemData, read};
use crate::experiment::{ExactData, ExactExperiment};
use crate::failure::{Failure, quoted};
use rankfall_core::model::gram::Gram;
use rankfall_core::model::problem::Problem;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Data that were read or drawn, kept for other experiments on the same data.
#[derive(Default)]
pub struct DataCache(Mutex<VecDeque<(String, ProblemData)>>);

/// Most data that are kept.
const KEPT: usize = 4;

impl DataCache {
    /// One that has these moments for the data that an experiment names.
    ///
    /// # Errors
    /// Moments that are none of any data; dynamics that need rows.
    pub fn of_moments(experiment: &ExactExperiment, moments: &Gram) -> Result<Self, Failure> {
        if let Some(d) = experiment.dynamics.iter().find(|d| d.dynamics.needs_rows()) {
            let message = format!(
                "{} draws single rows, and moments have none",
                quoted(&d.label)
            );
            return Err(Failure::input(message).hint("a flow, or all rows at every step"));
        }
        let problem = Problem::new(moments, None, None);
        let problem = problem.map_err(|error| Failure::input(error.to_string()))?;
        let cache = Self::default();
        let kept = ProblemData {
            problem: Arc::new(problem),
            words: "second moments in memory".to_owned(),
            warnings: Vec::new(),
            checksum: None,
        };
        cache.keep(key_of(experiment, false), &kept);
        Ok(cache)
    }

    /// The data that an experiment names, read or drawn where they are not there yet.
    pub(super) fn get(
        &self,
        experiment: &ExactExperiment,
        keep_rows: bool,
    ) -> Result<ProblemData, Failure> {
        let key = key_of(experiment, keep_rows);
        if let Some(data) = self.find(&key) {
            return Ok(data);
        }
        let data = read(experiment, keep_rows)?;
        self.keep(key, &data);
        Ok(data)
    }

    fn find(&self, key: &str) -> Option<ProblemData> {
        let kept = self.0.lock().ok()?;
        kept.iter()
            .find(|(k, _)| k == key)
            .map(|(_, kept)| kept.clone())
    }

    fn keep(&self, key: String, new: &ProblemData) {
        if let Ok(mut kept) = self.0.lock() {
            kept.truncate(KEPT - 1);
            kept.push_front((key, new.clone()));
        }
    }
}

/// What tells data apart. What is read from a file does not depend on the seed.
fn key_of(experiment: &ExactExperiment, keep_rows: bool) -> String {
    let is_drawn = matches!(experiment.data, ExactData::Gaussian(_));
    let seed = is_drawn.then_some(experiment.run.seed);
    format!("{:?} {seed:?} {keep_rows}", experiment.data)
}

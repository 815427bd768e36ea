//! What a sweep in memory left: metrics by point and dynamics.

use crate::difference::{first_difference, same_but_for_places};
use crate::experiment::document::shown;
use crate::failure::Failure;
use crate::sweep::metrics::MetricRow;
use crate::sweep::plan::SweepPlan;
use crate::sweep::schedule::UnitRows;

/// What a sweep left: numbers at the end of each point.
pub struct Sweep {
    pub(super) plan: SweepPlan,
    pub(super) rows: UnitRows,
}

impl Sweep {
    /// How many points there are.
    pub fn points(&self) -> usize {
        self.plan.points.len()
    }

    /// The values of the axes at a point, in their order, as TOML.
    pub fn coordinates(&self, point: usize) -> Vec<String> {
        let at = self.plan.points.get(point);
        let shown = at.map(|at| at.coordinates.iter().map(shown));
        shown.into_iter().flatten().collect()
    }

    /// All metrics: point, dynamics and metric.
    pub fn metrics(&self) -> impl Iterator<Item = (u64, u32, &MetricRow)> {
        let all = self.rows.iter();
        all.flat_map(|((point, dynamics), rows)| rows.iter().map(|row| (*point, *dynamics, row)))
    }

    /// Its metrics, to be taken in elsewhere.
    ///
    /// # Errors
    /// Exit code 1 where they cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        postcard::to_stdvec(&(self.plan.resolved_toml()?, &self.rows))
            .map_err(|error| Failure::run(format!("cannot encode the metrics: {error}")))
    }

    /// Takes in the metrics of a shard of the same sweep.
    ///
    /// # Errors
    /// Exit code 2 for bytes that are none, and for those of another sweep.
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let (resolved, rows): (String, UnitRows) = postcard::from_bytes(bytes)
            .map_err(|error| Failure::input(format!("these are no metrics of a sweep: {error}")))?;
        let own = self.plan.resolved_toml()?;
        if !same_but_for_places(&own, &resolved) {
            let difference = first_difference(&own, &resolved, ["here", "there"]);
            let message = format!("these are metrics of another sweep: {difference}");
            return Err(Failure::input(message));
        }
        self.rows.extend(rows);
        Ok(())
    }

    /// A metric of a dynamics at a point, by its name in `sweep.parquet`, with its standard error
    /// and what theory says; `index` is 0 for scalars, else a layer or a place in a spectrum, from
    /// 1.
    pub fn metric(
        &self,
        point: usize,
        dynamics: u32,
        metric: &str,
        index: u32,
    ) -> Option<&MetricRow> {
        let rows = self.rows.get(&(point as u64, dynamics))?;
        let is_it = |row: &&MetricRow| row.metric.name() == metric && row.index == index;
        rows.iter().find(is_it)
    }
}

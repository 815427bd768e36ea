//! The numbers of a sweep, as a page is told of them.

use crate::protocol::{
    SweepChoice, SweptAxis, SweptQuantity, WatchedDynamics, WatchedFolder, WatchedSweep, defined,
};
use rankfall::Failure;
use rankfall::experiment::sweep::Design;
use rankfall::shard::Shard;
use rankfall::sweep::drawing;
use rankfall::sweep::plan::SweepPlan;
use rankfall::sweep::schedule::UnitRows;
use rankfall::sweep::seen::{self, AxisValues};
use rankfall::sweep::settings::GridSettings;
use rankfall_report::sweep::SweepMetric;
use std::path::Path;
use std::sync::Arc;

/// Most settings whose numbers a page is told.
const MOST_TOLD: usize = 10_000;

/// The points of a sweep and their rows so far.
#[derive(Clone)]
pub struct SweepPoints {
    plan: Arc<SweepPlan>,
    rows: Arc<UnitRows>,
}

impl SweepPoints {
    /// What a folder holds: the numbers, which shard they are of, how much is done and in how many
    /// seconds.
    ///
    /// # Errors
    /// Exit code 2 where nothing is there, or it cannot be read.
    pub fn seen(
        folder: &Path,
        plan: Arc<SweepPlan>,
    ) -> Result<(Self, Option<Shard>, f64, f64), Failure> {
        let seen = seen::so_far(folder, &plan)?;
        let (shard, seconds) = (seen.shard, seen.seconds);
        let done = seen.share_done(&plan);
        let rows = Arc::new(seen.rows);
        Ok((Self { plan, rows }, shard, done, seconds))
    }

    /// Of all shards together.
    pub fn together<'a>(mut shards: impl Iterator<Item = &'a SweepPoints>) -> Option<SweepPoints> {
        let first = shards.next()?;
        let mut rows = (*first.rows).clone();
        for other in shards {
            let others = other.rows.iter();
            rows.extend(others.map(|(key, unit)| (*key, unit.clone())));
        }
        Some(SweepPoints {
            plan: first.plan.clone(),
            rows: Arc::new(rows),
        })
    }

    /// A picture with the name of the sweep, and each dynamics with the points that it, or its
    /// shard, has.
    pub fn picture(&self, empty: WatchedFolder, shard: Option<Shard>) -> WatchedFolder {
        let labels = self.plan.points.first().map(|p| p.experiment.labels());
        let of = self.plan.points_of(shard).count() as u64;
        let one = |(place, label): (usize, &str)| {
            let (done, diverged) = seen::counts(&self.rows, place as u32);
            WatchedDynamics {
                label: label.to_owned(),
                done,
                of,
                diverged,
                ..WatchedDynamics::default()
            }
        };
        let dynamics = labels.unwrap_or_default().into_iter().enumerate();
        WatchedFolder {
            name: (self.plan.first()).map_or(String::new(), |first| first.name().to_owned()),
            counts: "points".to_owned(),
            dynamics: dynamics.map(one).collect(),
            ..empty
        }
    }

    /// The quantity that is asked for; the first where it is not there.
    pub fn told(&self, choice: &SweepChoice) -> WatchedSweep {
        let settings = GridSettings::of(&self.plan);
        let nothing = WatchedSweep {
            folder: choice.folder.clone(),
            dynamics: choice.dynamics,
            is_grid: self.plan.spec.design == Design::Grid,
            seeds: settings.seeds,
            ..WatchedSweep::default()
        };
        if settings.members.len() > MOST_TOLD {
            let trouble = format!(
                "more than {MOST_TOLD} settings: their numbers are in sweep.parquet once all are there"
            );
            return WatchedSweep {
                trouble: Some(trouble),
                ..nothing
            };
        }
        let metrics = drawing::metrics(&settings, &self.rows, choice.dynamics);
        let named = metrics.iter().find(|m| m.name == choice.quantity);
        let has = |point: &usize| self.rows.contains_key(&(*point as u64, choice.dynamics));
        let members = settings.members.iter();
        let told = WatchedSweep {
            axes: seen::axes(&self.plan, &settings)
                .into_iter()
                .map(told_axis)
                .collect(),
            quantities: metrics.iter().map(told_quantity).collect(),
            finished: members.map(|points| points.iter().all(has)).collect(),
            ..nothing
        };
        let Some(metric) = named.or(metrics.first()) else {
            return told;
        };
        let column = |values: &[Option<f64>]| -> Vec<Option<f64>> {
            let values = values.iter();
            values.map(|value| value.and_then(defined)).collect()
        };
        WatchedSweep {
            quantity: metric.name.clone(),
            values: column(&metric.values),
            std_error: column(&metric.std_error),
            prediction: column(metric.prediction.as_deref().unwrap_or_default()),
            ..told
        }
    }
}

fn told_axis(seen: AxisValues) -> SweptAxis {
    SweptAxis {
        key: seen.axis.name,
        label: seen.axis.label,
        is_log: seen.axis.log,
        values: seen.axis.values,
        names: seen.names,
    }
}

fn told_quantity(metric: &SweepMetric) -> SweptQuantity {
    SweptQuantity {
        name: metric.name.clone(),
        label: metric.label.clone(),
        is_log: metric.log,
    }
}

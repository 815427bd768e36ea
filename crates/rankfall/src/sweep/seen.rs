//! What the folder of a sweep, or of a shard of one, holds so far, for whoever watches: another
//! process may be writing there, or may have been killed.

use super::plan::SweepPlan;
use super::schedule::{SweepCheckpoint, UnitRows};
use super::settings::GridSettings;
use super::{SweepPart, drawing, fraction_diverged, rows};
use crate::checkpoint::{self, CheckpointContents};
use crate::experiment::EngineInput;
use crate::experiment::document::{self, TomlNode};
use crate::experiment::sweep::{Design, SweepAxisSpec, SweepOptions};
use crate::failure::Failure;
use crate::run_folder::partial::seen_part;
use crate::run_folder::{SHARD, SUMMARY};
use crate::save_plan::step_count;
use crate::shard::Shard;
use rankfall_report::sweep::SweepAxis;
use std::collections::BTreeMap;
use std::path::Path;

/// How far a sweep is.
pub struct SweepProgress {
    /// Which shard it is of; none of a whole sweep.
    pub shard: Option<Shard>,
    /// Rows of the finished units.
    pub rows: UnitRows,
    /// Wall seconds spent on them, where they are not finished.
    pub seconds: f64,
    /// Of units under way, how many trajectories are finished.
    under_way: BTreeMap<(u64, u32), u64>,
}

/// What an axis is: as figures have it, and each of its values as it is written. Of a random design
/// it has a value for every point.
pub struct AxisValues {
    /// As figures have it.
    pub axis: SweepAxis,
    /// As values are written.
    pub names: Vec<String>,
}

/// The points of the sweep whose resolved copy this is; none where it is that of a run.
///
/// # Errors
/// Exit code 2 where it is not the copy of anything.
pub fn plan(resolved: &str, source: &str) -> Result<Option<SweepPlan>, Failure> {
    let tree = crate::experiment::tree(resolved, &[]);
    let root = tree.map_err(|problem| problem.in_file(source))?;
    if !super::is_sweep(&root) {
        return Ok(None);
    }
    let given = SweepOptions::default();
    SweepPlan::new(&root, source, Path::new(""), &given).map(Some)
}

/// What a folder holds of this sweep.
///
/// # Errors
/// Exit code 2 where it holds nothing yet, or what cannot be read.
pub fn so_far(folder: &Path, plan: &SweepPlan) -> Result<SweepProgress, Failure> {
    let ended = |shard: Option<Shard>, rows: UnitRows| SweepProgress {
        shard,
        rows,
        seconds: 0.0,
        under_way: BTreeMap::new(),
    };
    if folder.join(SUMMARY).exists() {
        return Ok(ended(None, rows::read_from(folder, plan)?));
    }
    if folder.join(SHARD).exists() {
        let part: SweepPart = seen_part(folder, 0)?;
        if !checkpoint::is_one(part.shard) {
            return Err(Failure::input(
                "the shard is damaged: there is no such shard",
            ));
        }
        return Ok(ended(Some(part.shard), part.rows));
    }
    let CheckpointContents { shard, content } = checkpoint::seen::<SweepCheckpoint>(folder)?;
    Ok(SweepProgress {
        shard,
        under_way: content.trajectories_under_way(),
        seconds: content.seconds,
        rows: content.finished,
    })
}

impl SweepProgress {
    /// How much of its work is done, from 0 to 1, by about what each unit costs.
    pub fn share_done(&self, plan: &SweepPlan) -> f64 {
        let (mut done, mut all) = (0.0, 0.0);
        for point in plan.points_of(self.shard) {
            let experiment = &plan.points[point].experiment;
            for dynamics in 0..experiment.labels().len() {
                let cost = cost(experiment, dynamics);
                all += cost;
                done += cost * self.of_unit((point as u64, dynamics as u32), experiment);
            }
        }
        if all > 0.0 { done / all } else { 0.0 }
    }

    fn of_unit(&self, key: (u64, u32), experiment: &EngineInput) -> f64 {
        if self.rows.contains_key(&key) {
            return 1.0;
        }
        let finished = self.under_way.get(&key).copied().unwrap_or(0);
        (finished as f64 / trajectories(experiment, key.1 as usize).max(1) as f64).min(1.0)
    }
}

/// How many points have their numbers for one dynamics, and at how many of them a trajectory
/// diverged.
pub fn counts(rows: &UnitRows, dynamics: u32) -> (u64, u64) {
    let units = rows.iter().filter(|((_, of), _)| *of == dynamics);
    let diverged = units
        .clone()
        .filter(|(_, rows)| fraction_diverged(rows) > 0.0);
    (units.count() as u64, diverged.count() as u64)
}

/// What varies, in the order of the plan, without the seeds that are averaged over.
pub fn axes(plan: &SweepPlan, settings: &GridSettings) -> Vec<AxisValues> {
    let all = settings.axes(plan);
    let of_grid = |axis: &SweepAxisSpec| axis.values().unwrap_or_default();
    let at_points = |place: usize| -> Vec<TomlNode> {
        let points = plan.points.iter();
        points.map(|p| p.coordinates[place].clone()).collect()
    };
    let seen = |(place, spec): (usize, &&SweepAxisSpec)| {
        let nodes = match plan.spec.design {
            Design::Grid => of_grid(spec),
            Design::Random { .. } => at_points(place),
        };
        let mut axis = drawing::axis(spec, &all);
        if plan.spec.design != Design::Grid {
            let numbers: Option<Vec<f64>> = nodes.iter().map(document::number).collect();
            axis.values = numbers.unwrap_or_else(|| (1..=nodes.len()).map(|i| i as f64).collect());
        }
        AxisValues {
            axis,
            names: nodes.iter().map(document::shown).collect(),
        }
    };
    all.iter().enumerate().map(seen).collect()
}

fn trajectories(experiment: &EngineInput, dynamics: usize) -> u64 {
    match experiment {
        EngineInput::Exact(exact) => exact.trajectories_of(&exact.dynamics[dynamics]),
        EngineInput::Dense(dense, _) => dense.run.trajectories,
    }
}

/// About how long a unit takes, in units of its own, before any data are read.
fn cost(experiment: &EngineInput, dynamics: usize) -> f64 {
    /// Of data whose number of rows is not known yet.
    const ROWS: u64 = 1000;
    let steps = match experiment {
        EngineInput::Exact(exact) => {
            let spec = &exact.dynamics[dynamics];
            let steps = step_count(exact.time, spec.time_step).unwrap_or(1);
            steps as f64 * exact.step_cost(spec)
        }
        EngineInput::Dense(dense, _) => {
            let rows = dense.dynamics[dynamics].batch_size().unwrap_or(ROWS);
            let layers = dense.spec.layers.windows(2);
            let entries: usize = layers.map(|pair| pair[0].max(1) * pair[1].max(1)).sum();
            dense.steps(dynamics, ROWS).unwrap_or(1) as f64 * rows as f64 * entries as f64
        }
    };
    steps * trajectories(experiment, dynamics) as f64
}

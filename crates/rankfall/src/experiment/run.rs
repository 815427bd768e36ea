//! The `[run]` section: how long, how many trajectories, what is saved.

use super::data::flag_or;
use super::document::{Problem, Value};
use super::dynamics::DynamicsSpec;
use super::keys;
use super::section::{Field, Section};
use crate::failure::number_text;
use crate::save_plan::{SavePlan, Spacing, step_count};
use rankfall_core::model::dynamics::Kind;

/// How long an experiment runs, how many trajectories, and what is saved.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// What all random draws are keyed by.
    pub seed: u64,
    /// The end of the time axis, t.
    pub time: f64,
    /// Trajectories of each dynamics.
    pub trajectories: u64,
    /// When to save.
    pub save: SavePlan,
    /// Numerical rank counts σᵢ > tolerance · σ₁.
    pub rank_tolerance: f64,
    /// Also write every trajectory's scalars.
    pub keep_trajectories: bool,
    /// All dynamics see the same noise.
    pub common_noise: bool,
    /// Use the exact reductions; without them, full width in the original basis, for comparison.
    pub reductions: bool,
    /// Weigh the forces on the eigenvalues along stochastic gradient flows.
    pub force_balance: Option<ForceBalanceSpec>,
}

/// How forces are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForceBalanceSpec {
    /// Steps between two points of its grid; none leaves the choice to the run.
    pub stride: Option<u64>,
}

/// Points of the grid of a force balance where its stride is not given.
const BALANCE_POINTS: u64 = 10_000;

impl ForceBalanceSpec {
    /// Steps between two points for a run of this many steps.
    pub fn stride_for(&self, steps: u64) -> u64 {
        self.stride.unwrap_or((steps / BALANCE_POINTS).max(1))
    }
}

/// Most trajectories of one dynamics.
const MOST_TRAJECTORIES: u64 = 1_000_000_000;
/// Most save points.
const MOST_POINTS: u64 = 1_000_000;

/// Reads the section.
pub fn read(section: &Section, dynamics: &[DynamicsSpec]) -> Result<RunSpec, Problem> {
    let time = section.required("time", "time = 100.0")?;
    let seed = section.field("seed");
    let trajectories = section.field("trajectories");
    Ok(RunSpec {
        seed: seed.map_or(Ok(1), |f| f.integer(0..=u64::MAX))?,
        time: checked_time(&time, dynamics)?,
        trajectories: trajectories.map_or(Ok(1), |f| f.integer(1..=MOST_TRAJECTORIES))?,
        save: save_plan(section.field("save"), &keys::SAVE)?,
        rank_tolerance: match section.field("rank_tolerance") {
            Some(field) => between_0_and_1(&field)?,
            None => 1e-3,
        },
        keep_trajectories: flag_or(section, "keep_trajectories", false)?,
        common_noise: flag_or(section, "common_noise", false)?,
        reductions: flag_or(section, "reductions", true)?,
        force_balance: force_balance(section, dynamics)?,
    })
}

fn force_balance(
    section: &Section,
    dynamics: &[DynamicsSpec],
) -> Result<Option<ForceBalanceSpec>, Problem> {
    let Some(field) = section.field("force_balance") else {
        return Ok(None);
    };
    let spec = match field.node.value {
        Value::Flag(false) => return Ok(None),
        Value::Flag(true) => ForceBalanceSpec { stride: None },
        Value::Table(_) => {
            let stride = field.section(&keys::FORCE_BALANCE)?.field("stride");
            let stride = stride.map(|f| f.integer(1..=u64::MAX)).transpose()?;
            ForceBalanceSpec { stride }
        }
        _ => {
            let hint = "write force_balance = true, or { stride = 10 } for every tenth step";
            return Err(field.wrong_type("true, false or a table").hint(hint));
        }
    };
    if !flag_or(section, "reductions", true)? {
        return Err(field
            .problem("needs the reductions, and run.reductions is false")
            .hint("leave one of them out"));
    }
    let flow = |d: &DynamicsSpec| matches!(d.dynamics.kind, Kind::StochasticGradientFlow { .. });
    if !dynamics.iter().any(flow) {
        return Err(field
            .problem("weighs the forces of the stochastic gradient flow, and there is none")
            .hint("add [[dynamics]] with kind = \"stochastic-gradient-flow\""));
    }
    Ok(Some(spec))
}

fn checked_time(field: &Field, dynamics: &[DynamicsSpec]) -> Result<f64, Problem> {
    let time = field.positive()?;
    let endless = dynamics
        .iter()
        .position(|d| step_count(time, d.time_step).is_none());
    match endless {
        None => Ok(time),
        Some(i) => Err(field
            .problem(format!(
                "is {}, which is more than 2^53 steps of {} for dynamics.{i}",
                number_text(time),
                number_text(dynamics[i].time_step)
            ))
            .hint("shorten the time or lengthen the step")),
    }
}

/// When to save; 200 linear points where nothing is said.
pub(super) fn save_plan(
    field: Option<Field>,
    known: &'static keys::SectionKeys,
) -> Result<SavePlan, Problem> {
    let mut plan = SavePlan {
        points: 200,
        spacing: Spacing::Linear,
    };
    let Some(field) = field else { return Ok(plan) };
    if !matches!(field.node.value, Value::Table(_)) {
        let hint = "write save = { points = 200, spacing = \"linear\" }";
        return Err(field.wrong_type("a table").hint(hint));
    }
    let section = field.section(known)?;
    if let Some(points) = section.field("points") {
        plan.points = points.integer(1..=MOST_POINTS)?;
    }
    if let Some(spacing) = section.field("spacing") {
        plan.spacing = match spacing.choice(keys::SPACINGS)? {
            "log" => Spacing::Log,
            _ => Spacing::Linear,
        };
    }
    Ok(plan)
}

/// A number between 0 and 1, both left out.
pub(super) fn between_0_and_1(field: &Field) -> Result<f64, Problem> {
    let number = field.number()?;
    if number > 0.0 && number < 1.0 {
        Ok(number)
    } else {
        Err(field.problem(format!(
            "is {}, but must be between 0 and 1",
            number_text(number)
        )))
    }
}

//! The `[run]` section: how long, how many trajectories, what is measured and saved.

use super::document::{InputProblem, Value};
use super::dynamics::DynamicsSpec;
use super::section::{Field, Section};
use crate::failure::number_text;
use crate::save_plan::{SavePlan, Spacing, step_count};
use rankfall_core::measure::account::AccountGrid;
use rankfall_core::model::dynamics::Kind;
use rankfall_nets::spectra::SpectrumMethod;
use serde::Serialize;

/// How long an experiment runs, how many trajectories, and what is measured and saved.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// What all random draws are keyed by.
    pub seed: u64,
    /// Its length.
    pub length: Length,
    /// Trajectories of each dynamics.
    pub trajectories: u64,
    /// When to save.
    pub save: SavePlan,
    /// Numerical rank counts σᵢ > tolerance · σ₁.
    pub rank_tolerance: f64,
    /// Also write every trajectory.
    pub keep_trajectories: bool,
    /// Also write the weights on the way.
    pub save_weights: Option<SaveWeights>,
    /// All dynamics see the same noise.
    pub common_noise: bool,
    /// Use the exact reductions; without them, full width in the original basis, for comparison.
    pub reductions: bool,
    /// Weigh the forces on the eigenvalues along stochastic gradient flows.
    pub force_balance: Option<ForceBalanceSpec>,
    /// Account for log det along descents.
    pub account: AccountSpec,
    /// What is measured besides.
    pub measure: MeasureChoice,
}

/// Whose weights are written on the way, and when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SaveWeights {
    /// By the time axis, rising.
    pub times: Vec<f64>,
    /// Rising.
    pub trajectories: Vec<u64>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// To this time t = Σ η.
    Time(f64),
    /// So many steps of each dynamics.
    Steps(u64),
    /// So many passes through the training rows; a step of all rows is a pass.
    Epochs(u64),
}

/// How forces are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForceBalanceSpec {
    /// Steps between two points of its grid; none leaves the choice to the run.
    pub stride: Option<u64>,
}

/// Whether and where the fall of log det is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountSpec {
    /// Not.
    Off,
    /// On a grid with at most so many steps between two points; none leaves the choice to the run.
    Grid(Option<u64>),
    /// At every step.
    Exact,
}

/// What is measured at a save.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeasureChoice {
    /// Losses at every so many saves.
    pub losses_every: u64,
    /// Everything else at every so many saves.
    pub spectra_every: u64,
    /// How singular values are taken.
    pub spectra: SpectrumMethod,
    /// Rows for features and Jacobian.
    pub probe_rows: u64,
    /// Whether to measure the Jacobian.
    pub jacobian: bool,
    /// Its numerical rank counts σᵢ > tolerance · σ₁.
    pub jacobian_tolerance: f64,
    /// Whether to measure hidden neurons.
    pub neurons: bool,
    /// Whether to measure the alignment with a linear teacher.
    pub alignment: bool,
    /// Whether to measure the Hessian.
    pub sharpness: bool,
    /// Vectors of signs that its trace is estimated by.
    pub trace_probes: u64,
}

impl Default for MeasureChoice {
    /// Losses and spectra of the weights at every save.
    fn default() -> Self {
        Self {
            losses_every: 1,
            spectra_every: 1,
            spectra: SpectrumMethod::Fast,
            probe_rows: 0,
            jacobian: false,
            jacobian_tolerance: 1e-4,
            neurons: false,
            alignment: false,
            sharpness: false,
            trace_probes: 16,
        }
    }
}

/// Points of the grid of a force balance where its stride is not given.
const BALANCE_POINTS: u64 = 10_000;

impl AccountSpec {
    /// At which steps.
    pub fn grid(self) -> Option<AccountGrid> {
        match self {
            Self::Off => None,
            Self::Exact => Some(AccountGrid::EveryStep),
            Self::Grid(None) => Some(AccountGrid::Auto),
            Self::Grid(Some(stride)) => Some(AccountGrid::Stride(stride)),
        }
    }
}

impl ForceBalanceSpec {
    /// Steps between two points for a run of this many steps.
    pub fn stride_for(&self, steps: u64) -> u64 {
        self.stride.unwrap_or((steps / BALANCE_POINTS).max(1))
    }
}

/// Reads the section.
pub fn read(section: &Section, dynamics: &[DynamicsSpec]) -> Result<RunSpec, InputProblem> {
    let save = section.optional("save", |field| {
        let table = field.section()?;
        Ok(SavePlan {
            points: table.whole("points")?,
            spacing: table.pick("spacing")?,
        })
    })?;
    Ok(RunSpec {
        seed: section.whole("seed")?,
        length: length(section, dynamics)?,
        trajectories: section.whole("trajectories")?,
        save: save.unwrap_or(SavePlan {
            points: 200,
            spacing: Spacing::Linear,
        }),
        rank_tolerance: section.number("rank_tolerance")?,
        keep_trajectories: section.flag("keep_trajectories")?,
        save_weights: section.optional("save_weights", |field| {
            save_weights(field, section.whole("trajectories")?)
        })?,
        common_noise: section.flag("common_noise")?,
        reductions: section.flag("reductions")?,
        force_balance: force_balance(section, dynamics)?,
        account: account(section)?,
        measure: section.optional("measure", measure)?.unwrap_or_default(),
    })
}

fn length(section: &Section, dynamics: &[DynamicsSpec]) -> Result<Length, InputProblem> {
    let given = ["time", "steps", "epochs"].map(|name| section.field(name));
    match given {
        [Some(time), None, None] => checked_time(&time, dynamics).map(Length::Time),
        [None, Some(steps), None] => steps.whole().map(Length::Steps),
        [None, None, Some(epochs)] => epochs.whole().map(Length::Epochs),
        [None, None, None] => {
            Err(section.missing_as("time", "time = 100.0, steps = 1000 or epochs = 10"))
        }
        _ => Err(section
            .problem("[run] must have exactly one of `time`, `steps` and `epochs`")
            .hint("time is step size × step; a pass through the training rows is an epoch")),
    }
}

/// A time that can be turned into steps of every dynamics.
fn checked_time(field: &Field, dynamics: &[DynamicsSpec]) -> Result<f64, InputProblem> {
    let time = field.number()?;
    for (i, one) in dynamics.iter().enumerate() {
        let step = match one {
            DynamicsSpec::Descent(descent) if !descent.schedule.is_constant() => {
                return Err(field
                    .problem(format!(
                        "does not say how many steps dynamics.{i} takes, whose step size changes"
                    ))
                    .hint("give run.steps or run.epochs instead"));
            }
            DynamicsSpec::Descent(descent) => descent.step_size,
            DynamicsSpec::Flow(flow) => flow.time_step,
        };
        if step_count(time, step).is_none() {
            return Err(field
                .problem(format!(
                    "is {}, which is more than 2^53 steps of {} for dynamics.{i}",
                    number_text(time),
                    number_text(step)
                ))
                .hint("shorten the time or lengthen the step"));
        }
    }
    Ok(time)
}

fn force_balance(
    section: &Section,
    dynamics: &[DynamicsSpec],
) -> Result<Option<ForceBalanceSpec>, InputProblem> {
    let Some(field) = section.field("force_balance") else {
        return Ok(None);
    };
    let spec = match field.node.value {
        Value::Flag(false) => return Ok(None),
        Value::Flag(true) => ForceBalanceSpec { stride: None },
        Value::Table(_) => ForceBalanceSpec {
            stride: field.section()?.optional("stride", Field::whole)?,
        },
        _ => {
            let hint = "write force_balance = true, or { stride = 10 } for every tenth step";
            return Err(field.wrong_type("true, false or a table").hint(hint));
        }
    };
    needs_reductions(section, &field)?;
    let is_noisy_flow = |one: &DynamicsSpec| matches!(one, DynamicsSpec::Flow(flow) if flow.dynamics.kind != Kind::GradientFlow);
    if !dynamics.iter().any(is_noisy_flow) {
        return Err(field
            .problem("weighs the forces of the stochastic gradient flow, and there is none")
            .hint("add [[dynamics]] with kind = \"stochastic-gradient-flow\""));
    }
    Ok(Some(spec))
}

fn save_weights(field: &Field, count: u64) -> Result<SaveWeights, InputProblem> {
    let section = field.section()?;
    let mut times = section.required("times")?.numbers()?;
    times.sort_by(f64::total_cmp);
    times.dedup();
    let chosen = section.field("trajectories");
    let mut trajectories = match &chosen {
        Some(field) => field.whole_numbers()?,
        None => vec![0],
    };
    trajectories.sort_unstable();
    trajectories.dedup();
    match (chosen, trajectories.last()) {
        (Some(field), Some(last)) if *last >= count => Err(field
            .problem(format!(
                "has trajectory {last}, but there are {count}, counted from 0"
            ))
            .hint("run.trajectories says how many there are")),
        _ => Ok(SaveWeights {
            times,
            trajectories,
        }),
    }
}

fn account(section: &Section) -> Result<AccountSpec, InputProblem> {
    let Some(field) = section.field("account") else {
        return Ok(AccountSpec::Grid(None));
    };
    let spec = match &field.node.value {
        Value::Flag(false) => return Ok(AccountSpec::Off),
        Value::Flag(true) => return Ok(AccountSpec::Grid(None)),
        Value::Text(text) if text == "exact" => AccountSpec::Exact,
        Value::Table(_) => AccountSpec::Grid(field.section()?.optional("stride", Field::whole)?),
        _ => {
            let hint =
                "write account = \"exact\" for every step, or { stride = 10 } for every tenth";
            return Err(field
                .wrong_type("true, false, \"exact\" or a table")
                .hint(hint));
        }
    };
    needs_reductions(section, &field)?;
    Ok(spec)
}

fn needs_reductions(section: &Section, field: &Field) -> Result<(), InputProblem> {
    match section.flag("reductions")? {
        true => Ok(()),
        false => Err(field
            .problem("needs the reductions, and run.reductions is false")
            .hint("leave one of them out")),
    }
}

fn measure(field: &Field) -> Result<MeasureChoice, InputProblem> {
    let section = field.section()?;
    let measure = MeasureChoice {
        losses_every: section.whole("losses_every")?,
        spectra_every: section.whole("spectra_every")?,
        spectra: section.pick("spectra")?,
        probe_rows: section.whole("probe_rows")?,
        jacobian: section.flag("jacobian")?,
        jacobian_tolerance: section.number("jacobian_tolerance")?,
        neurons: section.flag("neurons")?,
        alignment: section.flag("alignment")?,
        sharpness: section.flag("sharpness")?,
        trace_probes: section.whole("trace_probes")?,
    };
    if measure.jacobian && measure.probe_rows == 0 {
        return Err(section
            .problem("`run.measure.jacobian` is true, but there are no rows to take it on")
            .hint("add probe_rows = 100"));
    }
    Ok(measure)
}

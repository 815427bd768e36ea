//! The `[run]` section: how long, how many trajectories, what is measured and saved.

use super::dynamics::LayeredDynamics;
use super::{keys, pick};
use crate::experiment::data::flag_or;
use crate::experiment::document::{Problem, Value};
use crate::experiment::run::{between_0_and_1, save_plan};
use crate::experiment::section::{LARGEST_EXACT, Section};
use crate::failure::number_text;
use crate::save_plan::{SavePlan, step_count};
use rankfall_nets::spectra::Method;

/// How long an experiment runs, how many trajectories, and what is saved.
#[derive(Clone, Debug, PartialEq)]
pub struct LayeredRun {
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
    /// All dynamics see the same noise.
    pub common_noise: bool,
    /// What is measured at a save.
    pub measure: MeasureChoice,
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

/// What is measured at a save.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasureChoice {
    /// Losses at every so many saves.
    pub losses_every: u64,
    /// Everything else at every so many saves.
    pub spectra_every: u64,
    /// How singular values are taken.
    pub spectra: Method,
    /// Rows for features and Jacobian.
    pub probe_rows: u64,
    /// Whether to measure the Jacobian.
    pub jacobian: bool,
    /// Its numerical rank counts σᵢ > tolerance · σ₁.
    pub jacobian_tolerance: f64,
}

impl Default for MeasureChoice {
    /// Losses and spectra of the weights at every save.
    fn default() -> Self {
        Self {
            losses_every: 1,
            spectra_every: 1,
            spectra: Method::Fast,
            probe_rows: 0,
            jacobian: false,
            jacobian_tolerance: 1e-4,
        }
    }
}

/// The values of [`keys::SPECTRA`].
pub(super) const METHODS: [Method; 2] = [Method::Fast, Method::Exact];
const MOST_TRAJECTORIES: u64 = 1_000_000_000;

/// Reads the section.
pub fn read(section: &Section) -> Result<LayeredRun, Problem> {
    let seed = section.field("seed");
    let trajectories = section.field("trajectories");
    let tolerance = section.field("rank_tolerance");
    Ok(LayeredRun {
        seed: seed.map_or(Ok(1), |f| f.integer(0..=u64::MAX))?,
        length: length(section)?,
        trajectories: trajectories.map_or(Ok(1), |f| f.integer(1..=MOST_TRAJECTORIES))?,
        save: save_plan(section.field("save"), &keys::SAVE)?,
        rank_tolerance: tolerance.map_or(Ok(1e-3), |f| between_0_and_1(&f))?,
        keep_trajectories: flag_or(section, "keep_trajectories", false)?,
        common_noise: flag_or(section, "common_noise", false)?,
        measure: measure(section)?,
    })
}

fn length(section: &Section) -> Result<Length, Problem> {
    let given = ["time", "steps", "epochs"].map(|name| section.field(name));
    match given {
        [Some(time), None, None] => time.positive().map(Length::Time),
        [None, Some(steps), None] => steps.integer(1..=LARGEST_EXACT).map(Length::Steps),
        [None, None, Some(epochs)] => epochs.integer(1..=LARGEST_EXACT).map(Length::Epochs),
        [None, None, None] => {
            Err(section.missing("steps", "steps = 1000, epochs = 10 or time = 100.0"))
        }
        _ => Err(section
            .problem("[run] must have exactly one of `time`, `steps` and `epochs`")
            .hint("time is step size × step; a pass through the training rows is an epoch")),
    }
}

impl Length {
    /// Refuses a time that cannot be turned into steps.
    pub fn check(&self, top: &Section, dynamics: &[LayeredDynamics]) -> Result<(), Problem> {
        let Length::Time(time) = *self else {
            return Ok(());
        };
        for (i, one) in dynamics.iter().enumerate() {
            if !one.schedule.is_constant() {
                return Err(top
                    .problem(format!(
                        "`run.time` does not say how many steps dynamics.{i} takes, whose step size changes"
                    ))
                    .hint("give run.steps or run.epochs instead"));
            }
            if step_count(time, one.step_size).is_none() {
                return Err(top.problem(format!(
                    "`run.time` is {}, which is more than 2^53 steps of {} for dynamics.{i}",
                    number_text(time),
                    number_text(one.step_size)
                )));
            }
        }
        Ok(())
    }
}

fn measure(run: &Section) -> Result<MeasureChoice, Problem> {
    let mut choice = MeasureChoice::default();
    let Some(field) = run.field("measure") else {
        return Ok(choice);
    };
    if !matches!(field.node.value, Value::Table(_)) {
        let hint = "write measure = { probe_rows = 100, jacobian = true }";
        return Err(field.wrong_type("a table").hint(hint));
    }
    let section = field.section(&keys::MEASURE)?;
    for (name, value, least) in [
        ("losses_every", &mut choice.losses_every, 1),
        ("spectra_every", &mut choice.spectra_every, 1),
        ("probe_rows", &mut choice.probe_rows, 0),
    ] {
        if let Some(field) = section.field(name) {
            *value = field.integer(least..=LARGEST_EXACT)?;
        }
    }
    if let Some(field) = section.field("spectra") {
        choice.spectra = pick(&field, keys::SPECTRA, &METHODS)?;
    }
    choice.jacobian = flag_or(&section, "jacobian", false)?;
    if let Some(field) = section.field("jacobian_tolerance") {
        choice.jacobian_tolerance = between_0_and_1(&field)?;
    }
    if choice.jacobian && choice.probe_rows == 0 {
        return Err(section
            .problem("`run.measure.jacobian` is true, but there are no rows to take it on")
            .hint("add probe_rows = 100"));
    }
    Ok(choice)
}

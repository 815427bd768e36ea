//! What a run of a bundled experiment leaves, and who can run one.

use crate::evidence::Stop;
use crate::setting::Level;

/// Runs bundled experiments.
pub trait Experiments: Sync {
    /// Whether its data are there; else in words why not.
    fn available(&self, experiment: &str) -> Result<(), String>;

    /// One trajectory of every dynamics, with data, start and noise of this seed.
    ///
    /// # Errors
    /// An interruption; an experiment that cannot be run.
    fn run(&self, experiment: &str, seed: u64) -> Result<Vec<Trajectory>, Stop>;
}

/// Nobody runs experiments: for claims on networks of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoExperiments;

impl Experiments for NoExperiments {
    fn available(&self, _experiment: &str) -> Result<(), String> {
        Ok(())
    }

    fn run(&self, experiment: &str, _seed: u64) -> Result<Vec<Trajectory>, Stop> {
        Err(Stop::Unmeasured(format!("{experiment} cannot be run here")))
    }
}

/// One trajectory of one dynamics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trajectory {
    /// The name of the dynamics.
    pub dynamics: String,
    /// t at each save.
    pub times: Vec<f64>,
    /// Name and index of what was measured.
    pub observables: Vec<(String, u32)>,
    /// Save by save, in the order of the observables; none where it diverged.
    pub values: Option<Vec<f64>>,
}

impl Trajectory {
    /// One observable at every save; none where the trajectory diverged.
    ///
    /// # Errors
    /// It is not measured.
    pub fn series(&self, name: &str, index: u32) -> Result<Option<Vec<f64>>, Stop> {
        let here = |(own, place): &(String, u32)| own == name && *place == index;
        let missing = || {
            let message = format!("{name} {index} is not measured of {}", self.dynamics);
            Stop::Unmeasured(message)
        };
        let place = self.observables.iter().position(here).ok_or_else(missing)?;
        let stride = self.observables.len();
        let of = |v: &Vec<f64>| v.iter().skip(place).step_by(stride).copied().collect();
        Ok(self.values.as_ref().map(of))
    }
}

/// The trajectory of that dynamics.
///
/// # Errors
/// There is none.
pub fn of<'a>(unit: &'a [Trajectory], dynamics: &str) -> Result<&'a Trajectory, Stop> {
    unit.iter()
        .find(|t| t.dynamics == dynamics)
        .ok_or_else(|| Stop::Unmeasured(format!("there is no dynamics {dynamics}")))
}

/// In how many tasks a bundled experiment is run. A *task* is one trajectory of each dynamics, with
/// data, start and noise of a seed of its own.
pub fn tasks(experiment: &str, level: Level) -> usize {
    match experiment {
        "fashion-mnist" => level.pick(2, 3, 6),
        "digits-network" => level.pick(3, 8, 24),
        "noise-zoo" => level.pick(4, 12, 64),
        "diagonal-linear" => level.pick(4, 16, 64),
        "label-noise-in-phases" => level.pick(3, 12, 64),
        "collapsing-neurons" => level.pick(3, 20, 64),
        "rank-and-weight-decay" => level.pick(3, 16, 32),
        "matrix-completion" => level.pick(3, 24, 64),
        "relu-teacher-student" => level.pick(6, 48, 128),
        _ => level.pick(6, 24, 64),
    }
}

//! Where the trajectories of an ensemble start and what data they see.

use std::sync::Arc;

use thiserror::Error;

use crate::model::network::{Initialisation, Start, StartError};
use crate::model::problem::{Problem, ProblemError};
use crate::model::synthetic::{Synthetic, SyntheticError};

/// The data of an ensemble.
#[derive(Clone, Debug)]
pub enum Source {
    /// One problem for all trajectories.
    Shared(Arc<Problem>),
    /// Data and teacher drawn anew for each trajectory.
    EachTrajectory {
        /// The recipe.
        synthetic: Synthetic,
        /// Whether to hold the rows.
        keep_rows: bool,
    },
}

/// Data and starts of an ensemble.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The data.
    pub source: Source,
    /// How initial weights are made.
    pub initialisation: Initialisation,
    /// l.
    pub width: usize,
    /// The seed of data and weights.
    pub seed: u64,
    /// Whether each trajectory has initial weights of its own.
    pub each_start: bool,
}

/// Problem and start of one trajectory; cheap to clone, however wide.
#[derive(Clone, Debug)]
pub struct InitialCondition {
    /// The data.
    pub problem: Arc<Problem>,
    /// The weights.
    pub start: Arc<Start>,
}

/// A trajectory that cannot be set up.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SetupError {
    /// Synthetic data.
    #[error(transparent)]
    Synthetic(#[from] SyntheticError),
    /// The problem.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// The weights.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What was asked for contradicts itself, in words.
    #[error("{0}")]
    Description(String),
}

impl Setup {
    /// Whether every trajectory has the same data and the same start.
    pub fn is_shared(&self) -> bool {
        !self.each_start && matches!(self.source, Source::Shared(_))
    }

    /// p + k.
    pub fn rows(&self) -> usize {
        match &self.source {
            Source::Shared(problem) => problem.inputs + problem.outputs,
            Source::EachTrajectory { synthetic, .. } => synthetic.inputs + synthetic.outputs,
        }
    }

    /// The problem of a trajectory.
    ///
    /// # Errors
    /// Synthetic data that cannot be drawn.
    pub fn problem(&self, trajectory: u64) -> Result<Arc<Problem>, SetupError> {
        match &self.source {
            Source::Shared(problem) => Ok(problem.clone()),
            Source::EachTrajectory {
                synthetic,
                keep_rows,
            } => {
                let draw = synthetic.draw(self.seed, trajectory, *keep_rows)?;
                Ok(Arc::new(Problem::new(
                    &draw.gram,
                    draw.rows,
                    Some(draw.truth),
                )?))
            }
        }
    }

    /// Problem and start of a trajectory.
    ///
    /// # Errors
    /// Data that cannot be drawn; weights that do not fit.
    pub fn initial_condition(&self, trajectory: u64) -> Result<InitialCondition, SetupError> {
        let problem = self.problem(trajectory)?;
        let start = Arc::new(self.start(&problem, trajectory)?);
        Ok(InitialCondition { problem, start })
    }

    /// The start of a trajectory in its problem.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn start(&self, problem: &Problem, trajectory: u64) -> Result<Start, SetupError> {
        let draw = if self.each_start { trajectory } else { 0 };
        Ok(self
            .initialisation
            .start(problem, self.width, self.seed, draw)?)
    }
}

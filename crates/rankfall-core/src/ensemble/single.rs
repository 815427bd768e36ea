//! A trajectory alone, moved as far as somebody asks: the same bits as in a run that saves where
//! this stops.
//!
//! Its block has one lane. Nothing here is generic, so that those who use it do not compile the
//! engine again.

use std::sync::Arc;

use crate::ensemble::block::{Block, BlockProgress};
use crate::ensemble::spec::EnsembleSpec;
use crate::model::class_problem::ClassProblem;
use crate::model::network::Weights;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::simd::instructions::Instructions;

/// What a trajectory is of.
pub struct SingleSpec<'a> {
    /// The ensemble; the last of its save steps is where the trajectory is moved to.
    pub ensemble: &'a EnsembleSpec,
    /// Where it begins.
    pub setup: &'a Setup,
    /// The same worked out, where all trajectories begin at one place.
    pub shared: Option<&'a InitialCondition>,
    /// Their rows under a loss of classes, where there is one.
    pub classes: Option<Arc<ClassProblem>>,
}

/// A trajectory as far as it is.
#[derive(Clone)]
pub struct SingleTrajectory {
    progress: BlockProgress<1>,
    values: Vec<f64>,
}

impl SingleTrajectory {
    /// Trajectory `number`, moved to the last save step from its start or from where `from` is.
    ///
    /// # Errors
    /// A trajectory that cannot be set up.
    pub fn moved(
        spec: &SingleSpec<'_>,
        number: u64,
        from: Option<&Self>,
    ) -> Result<Self, SetupError> {
        let mut block = block(spec, number, from)?;
        while !block.advance(u64::MAX) {}
        let mut progress = block.progress();
        let values = progress.take_values().swap_remove(0);
        Ok(Self { progress, values })
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.progress.step()
    }

    /// Whether it has not diverged.
    pub fn is_alive(&self) -> bool {
        self.progress.is_alive(0)
    }

    /// What was measured where it stopped; NaN where undefined.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Its weights, in the original basis and width.
    ///
    /// # Errors
    /// As for [`SingleTrajectory::moved`].
    pub fn weights(&self, spec: &SingleSpec<'_>) -> Result<Weights, SetupError> {
        Ok(block(spec, self.progress.block, Some(self))?.weights(0))
    }
}

fn block<'a>(
    spec: &SingleSpec<'a>,
    number: u64,
    from: Option<&SingleTrajectory>,
) -> Result<Block<'a, 1>, SetupError> {
    let progress = from.map(|one| one.progress.clone());
    let (classes, instructions) = (spec.classes.clone(), Instructions::best());
    Block::new(
        spec.ensemble,
        spec.setup,
        spec.shared,
        classes,
        number,
        progress,
        instructions,
    )
}

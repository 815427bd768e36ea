//! What the runner asks of an ensemble: blocks of trajectories that can be started, advanced and
//! put down.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ensemble::statistics::{BlockSamples, Statistics};

/// An ensemble as the runner sees it: blocks of trajectories that can be started, advanced for a
/// while, put down, and taken up again to the same bits.
pub trait Trajectories: Sync {
    /// A block under way.
    type Block;
    /// How far a block is: what a checkpoint holds of it.
    type Progress: Clone + Send + Serialize + DeserializeOwned;
    /// What is kept of weights: those of trajectory 0 at its end, and what [`Trajectories::join`]
    /// joins to them.
    type Weights: Clone + Send + Serialize + DeserializeOwned;
    /// Why a block cannot be started.
    type Error: Send + std::error::Error + PartialEq;

    /// Trajectories of the whole ensemble.
    fn trajectories(&self) -> u64;
    /// How many of them make a block; the last block may have fewer.
    fn per_block(&self) -> u64;
    /// Steps of each trajectory.
    fn steps(&self) -> u64;
    /// Statistics of this ensemble that have taken nothing in.
    fn empty_statistics(&self) -> Statistics;
    /// Block number `block` from its start, or from where `progress` left it.
    ///
    /// # Errors
    /// Data or weights that cannot be drawn, or do not fit.
    fn start(
        &self,
        block: u64,
        progress: Option<Self::Progress>,
    ) -> Result<Self::Block, Self::Error>;
    /// Takes at most about `steps` steps, measuring at save times; true when the block is done.
    fn advance(&self, block: &mut Self::Block, steps: u64) -> bool;
    /// Steps taken so far, over the trajectories of the block.
    fn trajectory_steps(&self, block: &Self::Block) -> u64;
    /// How far the block is.
    fn progress(&self, block: &Self::Block) -> Self::Progress;
    /// What was measured, and what is kept of its weights: the final ones of trajectory 0 if the
    /// block has it and it survived.
    fn finish(&self, block: Self::Block) -> (BlockSamples, Option<Self::Weights>);
    /// What is kept of one block and of others together; by default what is of the one.
    fn join(&self, block: Self::Weights, _others: Self::Weights) -> Self::Weights {
        block
    }
    /// Whether a block of this ensemble can be as far as that.
    fn fits(&self, _progress: &Self::Progress) -> bool {
        true
    }

    /// Blocks of the whole ensemble: the units that can be divided among threads and machines.
    fn blocks(&self) -> u64 {
        self.trajectories().div_ceil(self.per_block())
    }
    /// How many trajectories a range of blocks has.
    fn trajectories_in(&self, blocks: &Range<u64>) -> u64 {
        trajectories_in(blocks, self.trajectories(), self.per_block())
    }
}

/// How many of `all` trajectories a range of blocks has, of `per_block` each.
pub(crate) fn trajectories_in(blocks: &Range<u64>, all: u64, per_block: u64) -> u64 {
    let first = |block: u64| block.saturating_mul(per_block).min(all);
    first(blocks.end).saturating_sub(first(blocks.start))
}

//! What is needed to go on with an ensemble, and its encoding: finished blocks folded, others as
//! far as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::trajectories::Trajectories;
use crate::ensemble::statistics::Statistics;

/// A checkpoint, opaque and serialisable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnsembleCheckpoint(Vec<u8>);

/// What a checkpoint holds of blocks that are finished, whatever they are made of.
#[derive(Clone, Debug, Deserialize)]
pub struct PartialStatistics {
    /// Of the finished blocks.
    pub statistics: Statistics,
    finished: FinishedBlocks,
}

impl PartialStatistics {
    /// How many trajectories are finished.
    pub fn trajectories(&self) -> u64 {
        self.finished.trajectories
    }
}

impl EnsembleCheckpoint {
    /// What of it is finished; none where it is damaged.
    pub fn so_far(&self) -> Option<PartialStatistics> {
        // The first two fields of `Memory`, which do not depend on the ensemble.
        postcard::take_from_bytes(&self.0)
            .ok()
            .map(|(so_far, _)| so_far)
    }
}

/// Which blocks of a range are finished. Blocks are begun in order, so that those beyond the first
/// one that is not finished are few, however long the range is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FinishedBlocks {
    pub(super) range: Range<u64>,
    /// Every block of the range below this is finished.
    pub(super) below: u64,
    /// Finished blocks from there on.
    beyond: BTreeSet<u64>,
    pub(super) trajectories: u64,
}

impl FinishedBlocks {
    pub(super) fn none_of(range: Range<u64>) -> Self {
        Self {
            below: range.start,
            range,
            beyond: BTreeSet::new(),
            trajectories: 0,
        }
    }

    pub(super) fn has(&self, block: u64) -> bool {
        block < self.below || self.beyond.contains(&block)
    }

    pub(super) fn add(&mut self, block: u64, trajectories: u64) {
        self.trajectories += trajectories;
        self.beyond.insert(block);
        while self.beyond.remove(&self.below) {
            self.below += 1;
        }
    }
}

/// Everything needed to go on with an ensemble: finished blocks folded, others as far as they are.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Memory<T: Trajectories> {
    pub(super) statistics: Statistics,
    pub(super) finished: FinishedBlocks,
    pub(super) under_way: BTreeMap<u64, T::Progress>,
    pub(super) weights: Option<T::Weights>,
}

impl<T: Trajectories> Memory<T> {
    /// Of a range of blocks of which none was begun.
    pub(super) fn empty(ensemble: &T, blocks: Range<u64>) -> Self {
        Self {
            statistics: ensemble.empty_statistics(),
            finished: FinishedBlocks::none_of(blocks),
            under_way: BTreeMap::new(),
            weights: None,
        }
    }

    pub(super) fn encode(&self) -> Result<EnsembleCheckpoint, RunError<T::Error>> {
        postcard::to_stdvec(self)
            .map(EnsembleCheckpoint)
            .map_err(|e| RunError::Checkpoint(e.to_string()))
    }

    /// Of a checkpoint of these blocks of this ensemble; any other is refused.
    pub(super) fn decode(
        ensemble: &T,
        checkpoint: &EnsembleCheckpoint,
        blocks: &Range<u64>,
    ) -> Result<Self, RunError<T::Error>> {
        let foreign = |why: String| Err(RunError::ForeignCheckpoint(why));
        let mut memory: Self = match postcard::from_bytes(&checkpoint.0) {
            Ok(memory) => memory,
            Err(error) => return foreign(error.to_string()),
        };
        let range = &memory.finished.range;
        if range != blocks {
            return foreign(format!("it has blocks {range:?}, not {blocks:?}"));
        }
        // Into empty ones of this ensemble: those of another are found out.
        let mut statistics = ensemble.empty_statistics();
        if let Err(why) = statistics.absorb(memory.statistics) {
            return foreign(why);
        }
        memory.statistics = statistics;
        if !memory.under_way.values().all(|at| ensemble.fits(at)) {
            return foreign("its network has another shape".to_owned());
        }
        Ok(memory)
    }

    /// The statistics of the trajectories that are at their end. As long as there is none, of those
    /// under way as far as they are: what they have not reached is undefined.
    pub(super) fn partial_statistics(&self, ensemble: &T) -> Statistics {
        let mut statistics = self.statistics.clone();
        if !statistics.blocks().is_empty() {
            return statistics;
        }
        let cells = statistics.form().cells();
        for (&number, progress) in &self.under_way {
            // A block that was begun before can be begun again.
            let Ok(block) = ensemble.start(number, Some(progress.clone())) else {
                continue;
            };
            let (mut leaf, _) = ensemble.finish(block);
            for (_, values) in &mut leaf.survivors {
                values.resize(cells, f64::NAN);
            }
            statistics.insert(leaf);
        }
        statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_blocks_are_remembered_in_little_room() {
        let mut finished = FinishedBlocks::none_of(100..200);
        assert!(finished.has(99) && !finished.has(100));
        for block in [100, 102, 104, 103] {
            finished.add(block, 8);
        }
        assert!(finished.has(100) && !finished.has(101) && finished.has(104));
        assert_eq!((finished.below, finished.beyond.len()), (101, 3));
        finished.add(101, 5);
        assert_eq!((finished.below, finished.beyond.len()), (105, 0));
        assert_eq!(finished.trajectories, 37);
    }
}

//! What came of a run, a shard or a sweep in its folder.

use crate::difference::expect_same_experiment;
use crate::failure::Failure;
use crate::results::{self, Drawing};
use crate::run_folder;
use crate::run_folder::partial::{ShardRecord, read_shard};
use crate::shard::Shard;
use crate::sweep::record::{self, SweepSummary};
use rankfall_report::record::Summary;
use std::path::PathBuf;

/// A folder in which everything asked for is done.
pub struct FinishedFolder {
    /// The folder.
    pub path: PathBuf,
    /// What is in it.
    pub content: Content,
    /// What was drawn; none of a shard, nor where everything had been done before.
    pub drawing: Option<Drawing>,
    /// Whether it had been done before: nothing was changed.
    pub before: bool,
}

/// What a finished folder has.
pub enum Content {
    /// A run.
    Run(Summary),
    /// A shard of a run or of a sweep.
    Shard(ShardRecord),
    /// A sweep.
    Sweep(SweepSummary),
}

impl FinishedFolder {
    /// A folder in which this had been done before, by the experiment that is asked for now.
    ///
    /// # Errors
    /// Exit code 2, with the first key that differs, where it was another experiment.
    pub fn before(path: PathBuf, content: Content, resolved: &str) -> Result<Self, Failure> {
        let recorded = run_folder::read_experiment(&path)?;
        expect_same_experiment(&path, &recorded, resolved)?;
        Ok(Self {
            path,
            content,
            drawing: None,
            before: true,
        })
    }

    /// A folder with this shard, done before.
    ///
    /// # Errors
    /// Exit code 2 where it is of another experiment, or another shard.
    pub fn shard_before(path: PathBuf, shard: Shard, resolved: &str) -> Result<Self, Failure> {
        let (record, _) = read_shard(&path)?;
        let done = Self::before(path, Content::Shard(record.clone()), resolved)?;
        record.expect(shard, &done.path)?;
        Ok(done)
    }

    /// A run of which no trajectory of some dynamics survived has failed, though its record is
    /// kept.
    ///
    /// # Errors
    /// Exit code 1, naming all such dynamics.
    pub fn expect_survivors(&self) -> Result<(), Failure> {
        match &self.content {
            Content::Run(summary) => results::all_diverged(summary),
            Content::Sweep(summary) => record::expect_survivors(summary),
            Content::Shard(_) => Ok(()),
        }
    }
}

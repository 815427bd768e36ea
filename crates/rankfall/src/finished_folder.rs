//! What came of a run, a shard or a sweep in its folder.

use crate::difference::expect_same_experiment;
use crate::engine::Recorder;
use crate::failure::Failure;
use crate::finished::DynamicsOutcome;
use crate::results::{self, Drawing};
use crate::run_folder::partial::{PartRecord, SHARD_SCHEMA, ShardKind, ShardRecord, read_shard};
use crate::run_folder::{self, RunFolder};
use crate::shard::Shard;
use crate::sweep::record::{self, SweepSummary};
use rankfall_report::record::Summary;
use std::path::{Path, PathBuf};

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
    /// A folder in which this has been done now.
    pub fn now(path: PathBuf, content: Content, drawing: Option<Drawing>) -> Self {
        Self {
            path,
            content,
            drawing,
            before: false,
        }
    }

    /// Finishes a run: writes what its dynamics left.
    ///
    /// # Errors
    /// Exit code 1 where a file cannot be written.
    pub fn run(
        folder: RunFolder,
        recorder: &impl Recorder,
        finished: &[DynamicsOutcome],
        resolved: &str,
    ) -> Result<Self, Failure> {
        let mut summary = recorder.summary(finished)?;
        let path = folder.path().to_owned();
        let drawing = results::write(folder, finished, &mut summary, resolved)?;
        Ok(Self::now(path, Content::Run(summary), Some(drawing)))
    }

    /// Finishes a shard whose files of statistics are written.
    ///
    /// # Errors
    /// Exit code 1 where `shard.json` cannot be written.
    pub fn shard(
        folder: RunFolder,
        of: ShardKind,
        experiment: &str,
        resolved: &str,
        shard: Shard,
        parts: Vec<PartRecord>,
    ) -> Result<Self, Failure> {
        let record = ShardRecord {
            schema: SHARD_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            of,
            experiment: experiment.to_owned(),
            experiment_sha256: rankfall_data::sha256_of(resolved.as_bytes()),
            shard: shard.index,
            shards: shard.count,
            parts,
        };
        let path = folder.path().to_owned();
        folder.finish_shard(&record)?;
        Ok(Self::now(path, Content::Shard(record), None))
    }

    /// A folder in which this had been done before: it stays as it is, if it is of the experiment
    /// and the shard that are asked for now. `whole` reads what is in it where no shard is.
    ///
    /// # Errors
    /// Exit code 2, with the first key that differs, where it was another experiment; where it was
    /// another shard.
    pub fn before(
        path: PathBuf,
        shard: Option<Shard>,
        resolved: &str,
        whole: impl FnOnce(&Path) -> Result<Content, Failure>,
    ) -> Result<Self, Failure> {
        let content = match shard {
            Some(_) => Content::Shard(read_shard(&path)?.0),
            None => whole(&path)?,
        };
        let recorded = run_folder::read_experiment(&path)?;
        expect_same_experiment(&path, &recorded, resolved)?;
        if let (Some(shard), Content::Shard(record)) = (shard, &content) {
            record.expect(shard, &path)?;
        }
        Ok(Self {
            before: true,
            ..Self::now(path, content, None)
        })
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

//! How a run, a shard or a sweep is to go.

use crate::run_folder::Existing;
use crate::shard::Shard;
use crate::watch::Watch;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a run is to go.
#[derive(Clone)]
pub struct Options<'a> {
    /// Folder for the results; `runs/NAME`, or `runs/NAME-i-of-m` for a shard, where there is none.
    pub out: Option<PathBuf>,
    /// What to do with a folder that has something in it.
    pub existing: Existing,
    /// Threads to use; results do not depend on it.
    pub threads: usize,
    /// Which part of the work, where it is not all.
    pub shard: Option<Shard>,
    /// Time between two checkpoints.
    pub checkpoint_interval: Duration,
    /// Who watches.
    pub watch: &'a dyn Watch,
}

impl Options<'_> {
    /// The folder for the results of an experiment of this name.
    pub fn folder(&self, experiment: &str) -> PathBuf {
        let name = match self.shard {
            Some(Shard { index, count }) => format!("{experiment}-{index}-of-{count}"),
            None => experiment.to_owned(),
        };
        let default = || Path::new("runs").join(name);
        self.out.clone().unwrap_or_else(default)
    }
}

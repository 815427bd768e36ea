//! What a finished shard leaves in its folder: `shard.json`, which says what it is, and one binary
//! file per part of its results. It has no `summary.json`: a shard is not a whole run.

use super::names::{EXPERIMENT, SHARD, STATISTICS};
use super::open::{self, unreadable};
use super::{RunFolder, State, json, read_experiment};
use crate::checkpoint::checked;
use crate::failure::{Failure, shown_path};
use crate::shard::Shard;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of the layout of `shard.json` and of the files beside it.
pub const SHARD_SCHEMA: u32 = 1;

/// First line of a file of statistics.
const HEADER: &str = concat!("rankfall statistics ", env!("CARGO_PKG_VERSION"), "\n");

/// What was sharded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardKind {
    /// The trajectories of a run.
    Run,
    /// The points of a sweep.
    Sweep,
}

/// The whole of `shard.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// [`SHARD_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of the program that wrote it: others may compute other bits.
    pub version: String,
    /// Whether it is a part of a run or of a sweep.
    pub of: ShardKind,
    /// The experiment's name.
    pub experiment: String,
    /// Checksum of `experiment.toml` beside it.
    pub experiment_sha256: String,
    /// Which shard, from 1.
    pub shard: u64,
    /// Of how many.
    pub shards: u64,
    /// The files of statistics, in order.
    pub parts: Vec<PartRecord>,
}

/// One file of statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Which dynamics, or that they are the points of a sweep.
    pub label: String,
    /// Its name, relative to the folder.
    pub file: String,
    /// Checksum of the whole file.
    pub sha256: String,
    /// Trajectories (or points of a sweep) in it.
    pub count: u64,
    /// How many of the trajectories diverged (or points had one that did).
    pub diverged: u64,
    /// Wall seconds spent on them.
    pub seconds: f64,
}

/// Name of the `index`-th file of statistics.
fn part_name(index: usize) -> String {
    format!("{STATISTICS}/{index}.bin")
}

impl RunFolder {
    /// Writes the `index`-th file of statistics of a shard of an experiment (resolved); its name
    /// and checksum.
    ///
    /// # Errors
    /// Exit code 1 where it cannot be written.
    pub fn write_part(
        &self,
        index: usize,
        experiment: &str,
        content: &impl Serialize,
    ) -> Result<(String, String), Failure> {
        let name = part_name(index);
        let experiment = rankfall_data::sha256_of(experiment.as_bytes());
        let checksum = self.write_sealed(&name, HEADER, "statistics", &(experiment, content))?;
        Ok((name, checksum))
    }

    /// Writes `shard.json` and takes the marker away: the shard is finished.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written; the folder then still counts as unfinished.
    pub fn finish_shard(self, record: &ShardRecord) -> Result<(), Failure> {
        self.write_bytes(SHARD, json("the shard", record)?.as_bytes())?;
        self.close()
    }
}

impl ShardRecord {
    /// Which one of how many.
    pub fn which(&self) -> Shard {
        Shard {
            index: self.shard,
            count: self.shards,
        }
    }

    /// Refuses another shard than the one that was asked for.
    ///
    /// # Errors
    /// Exit code 2, naming both.
    pub fn expect(&self, shard: Shard, folder: &Path) -> Result<(), Failure> {
        if self.which() == shard {
            return Ok(());
        }
        let (shown, which) = (shown_path(folder), self.which());
        Err(
            Failure::input(format!("{shown} is shard {which}, not {shard}"))
                .hint("--force replaces it, --out DIR writes elsewhere"),
        )
    }
}

/// Reads what a finished shard says of itself, and its experiment.
///
/// # Errors
/// Exit code 2 for a folder that is none, is not finished, was written by another version, or does
/// not hold together.
pub fn read_shard(folder: &Path) -> Result<(ShardRecord, String), Failure> {
    let shown = shown_path(folder);
    match State::of(folder)? {
        State::Shard => {}
        State::Finished => {
            let message = format!("{shown} is a whole run, not a shard of one");
            return Err(Failure::input(message));
        }
        State::Interrupted => {
            let message = format!("the shard in {shown} is not finished");
            return Err(Failure::input(message).hint("continue it: the same command with --resume"));
        }
        _ => {
            let message = format!("{shown} is not the folder of a shard: no {SHARD}");
            return Err(Failure::input(message).hint("rankfall run … --shard i/m makes one"));
        }
    }
    let path = folder.join(SHARD);
    let text = open::text(&path).map_err(|error| unreadable(&path, &error))?;
    check_version(&path, &text)?;
    let record: ShardRecord =
        serde_json::from_str(&text).map_err(|error| unreadable(&path, &error))?;
    let experiment = read_experiment(folder)?;
    let sound = record.shard >= 1 && record.shard <= record.shards;
    if !sound || rankfall_data::sha256_of(experiment.as_bytes()) != record.experiment_sha256 {
        let message = format!("the shard in {shown} is damaged: {SHARD} and {EXPERIMENT} disagree");
        return Err(Failure::input(message).hint("run this shard again with --force"));
    }
    Ok((record, experiment))
}

/// Says so when a shard was written by another version, before fields are missed.
fn check_version(path: &Path, text: &str) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
        version: String,
    }
    let found: Version = serde_json::from_str(text).map_err(|error| unreadable(path, &error))?;
    let ours = env!("CARGO_PKG_VERSION");
    if found.version == ours && found.schema == SHARD_SCHEMA {
        return Ok(());
    }
    let message = format!(
        "{} was written by version {} (schema {}), and this is version {ours} (schema \
         {SHARD_SCHEMA}); versions may differ in the last bits, so their shards do not mix",
        shown_path(path),
        found.version,
        found.schema
    );
    Err(Failure::input(message).hint("run all shards with one version"))
}

/// Reads the `index`-th file of statistics of a shard.
///
/// # Errors
/// Exit code 2 where it is missing, of another version, or not the file that was written.
pub fn read_part<T: DeserializeOwned>(
    folder: &Path,
    index: usize,
    shard: &ShardRecord,
) -> Result<T, Failure> {
    let part = PartFile::read(folder, index)?;
    let expected = shard.parts.get(index).map(|part| part.sha256.as_str());
    if expected != Some(&rankfall_data::sha256_of(&part.encoded)) {
        return Err(part.damaged("it is not the file that the shard wrote"));
    }
    let (experiment, content): (String, T) = part.decoded()?;
    match experiment == shard.experiment_sha256 {
        true => Ok(content),
        false => Err(part.damaged("it is of another experiment")),
    }
}

/// Reads the `index`-th file of statistics of a shard that need not be finished, for who only
/// watches.
///
/// # Errors
/// Exit code 2 where it is missing, of another version or damaged.
pub fn seen_part<T: DeserializeOwned>(folder: &Path, index: usize) -> Result<T, Failure> {
    let (_, content): (String, T) = PartFile::read(folder, index)?.decoded()?;
    Ok(content)
}

/// A file of statistics whose checksum is right.
struct PartFile {
    path: PathBuf,
    encoded: Vec<u8>,
}

impl PartFile {
    fn read(folder: &Path, index: usize) -> Result<Self, Failure> {
        let path = folder.join(part_name(index));
        let statistics = folder.join(STATISTICS);
        open::expect_folder(&statistics).map_err(|error| unreadable(&statistics, &error))?;
        let bytes = open::bytes(&path).map_err(|error| unreadable(&path, &error))?;
        let mut part = Self {
            path,
            encoded: Vec::new(),
        };
        let body = bytes
            .strip_prefix(HEADER.as_bytes())
            .ok_or_else(|| part.damaged("it does not begin as statistics of this version do"))?;
        part.encoded = checked(body)
            .ok_or_else(|| part.damaged("its checksum is wrong"))?
            .to_vec();
        Ok(part)
    }

    fn decoded<T: DeserializeOwned>(&self) -> Result<(String, T), Failure> {
        postcard::from_bytes(&self.encoded).map_err(|error| self.damaged(&error.to_string()))
    }

    fn damaged(&self, why: &str) -> Failure {
        Failure::input(format!("{} is damaged: {why}", shown_path(&self.path)))
            .hint("run this shard again with --force")
    }
}

//! Shards where they lie, and what one of a run keeps of each dynamics.

use crate::engine::Measurements;
use crate::failure::{Failure, shown_path};
use crate::run_folder::partial::{PartRecord, ShardRecord};
use crate::shard::Shard;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A value inside another format, as JSON: what is known of data leaves fields out, which the
/// format of these files cannot.
mod as_json {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, S: Serializer>(known: &K, out: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(known).map_err(S::Error::custom)?;
        out.serialize_str(&text)
    }

    pub fn deserialize<'de, K, D>(from: D) -> Result<K, D::Error>
    where
        K: DeserializeOwned,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        serde_json::from_str(&text).map_err(D::Error::custom)
    }
}

/// What a shard of a run keeps of one dynamics: owned where it is read, borrowed where it is
/// written.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, M: Serialize",
    deserialize = "K: DeserializeOwned, M: DeserializeOwned"
))]
pub struct Part<K, M = Measurements> {
    /// Which shard: a file in the wrong folder is found out.
    pub shard: Shard,
    /// Which dynamics, from 0.
    pub dynamics: usize,
    /// What is known of the data.
    #[serde(with = "as_json")]
    pub known: K,
    /// What the shard measured.
    pub measurements: M,
}

/// A shard and where it is.
pub struct ShardFolder {
    /// Its folder.
    pub folder: PathBuf,
    /// What it says of itself.
    pub record: ShardRecord,
    /// Its experiment, resolved.
    pub experiment: String,
}

impl ShardFolder {
    /// The record of the `index`-th file of statistics.
    ///
    /// # Errors
    /// Exit code 2 where there is none.
    pub fn part(&self, index: usize) -> Result<&PartRecord, Failure> {
        self.record.parts.get(index).ok_or_else(|| {
            let shown = shown_path(&self.folder);
            Failure::input(format!("the shard in {shown} is damaged: it lacks a part"))
                .hint("run this shard again with --force")
        })
    }
}

//! An index over several files, `*.index.json`: which tensor is in which.

use crate::contents::Contents;
use crate::error::CheckpointError;
use crate::file::PositionedFile;
use crate::json;
use crate::tensor::Tensor;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// The limit of an index; those of the largest models have a tenth of it.
const LONGEST_INDEX: u64 = 100_000_000;

/// Reads an index and the files that it names; `open` reads one of them.
pub fn read(
    path: &Path,
    open: impl Fn(&Path) -> Result<Contents, CheckpointError>,
) -> Result<Contents, CheckpointError> {
    let file = PositionedFile::open(path)?;
    let text = file.bytes(0, file.length, LONGEST_INDEX)?;
    let wrong = |what: String| CheckpointError::new(path, what);
    let index: Value = json::read(&text).map_err(wrong)?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| {
        wrong("it has no weight_map: it is no index of a sharded checkpoint".into())
    })?;
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tensor, shard) in map {
        let shard = shard.as_str().filter(|name| is_plain(name));
        let shard = shard.ok_or_else(|| {
            wrong(format!(
                "the file of {tensor:?} is not a name beside the index"
            ))
        })?;
        wanted.entry(shard).or_default().push(tensor);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut whole = Contents::default();
    for (shard, names) in wanted {
        let opened = open(&folder.join(shard));
        let (mut found, reason) = match opened {
            Ok(contents) => {
                whole.step = whole.step.or(contents.step);
                whole.inert.extend(contents.inert);
                (
                    contents.tensors,
                    format!("{shard} has no tensor of this name"),
                )
            }
            Err(error) => (Vec::new(), format!("{shard}: {}", error.detail)),
        };
        let asked: HashSet<&str> = names.iter().copied().collect();
        found.retain(|tensor| asked.contains(tensor.name.as_str()));
        let there: HashSet<&str> = found.iter().map(|tensor| tensor.name.as_str()).collect();
        let missing = names.iter().filter(|name| !there.contains(**name));
        let missing = missing.map(|name| Tensor::unreadable((*name).to_owned(), &reason));
        let missing: Vec<Tensor> = missing.collect();
        whole.tensors.append(&mut found);
        whole.tensors.extend(missing);
    }
    Ok(whole)
}

/// A file name, and no way to another folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\', ':']) && name != "." && name != ".."
}

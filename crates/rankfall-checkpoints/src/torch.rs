//! PyTorch files: a ZIP archive with a pickle and a file for each storage, or the older sequence of
//! pickles with the storages behind them.

use crate::archive::Entries;
use crate::contents::Contents;
use crate::error::CheckpointError;
use crate::file::{PositionedFile, Region};
use crate::pickle::{self, MOST_NODES, Node, Nodes, Pickle};
use crate::place::Place;
use crate::tensor::{Tensor, sizes_of};
use crate::walk;
use std::collections::HashMap;
use std::sync::Arc;

/// The pickle of a checkpoint names its tensors and has no numbers; those of the largest models
/// have a few megabytes.
const LONGEST_PICKLE: u64 = 1 << 26;
/// The first pickle of the older format.
const LEGACY_MAGIC: &[u8] = &[
    0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
];

/// Whether the entries of an archive are those of PyTorch.
pub fn is_archive(entries: &Entries) -> bool {
    pickle_of(entries).is_some()
}

fn pickle_of(entries: &Entries) -> Option<(&str, &Region)> {
    entries
        .iter()
        .find_map(|(name, region)| match name.strip_suffix("data.pkl")? {
            prefix if prefix.is_empty() || prefix.ends_with('/') => Some((prefix, region)),
            _ => None,
        })
}

/// Reads the list of tensors of an archive.
pub fn archived(
    file: &Arc<PositionedFile>,
    entries: &Entries,
) -> Result<Contents, CheckpointError> {
    let wrong = |what: String| CheckpointError::new(&file.path, what);
    let (prefix, region) = pickle_of(entries).ok_or_else(|| wrong("it has no data.pkl".into()))?;
    let loaded = pickle::load(&region.bytes(LONGEST_PICKLE)?, MOST_NODES).map_err(wrong)?;
    let order = entries
        .get(&format!("{prefix}byteorder"))
        .map(|r| r.bytes(64))
        .transpose()?;
    let big_endian = order.is_some_and(|bytes| bytes.starts_with(b"big"));
    let region = |key: &str| entries.get(&format!("{prefix}data/{key}")).cloned();
    contents(&loaded, big_endian, region).map_err(wrong)
}

/// Whether a file begins like one of the older format: a pickle of a certain number.
pub fn is_legacy(head: &[u8]) -> bool {
    head.len() > 14 && head[0] == 0x80 && head[2..].starts_with(LEGACY_MAGIC)
}

/// Whether a file begins like any pickle of protocol 2 or later.
pub fn is_pickle(head: &[u8]) -> bool {
    head.len() > 2 && head[0] == 0x80 && (2..=5).contains(&head[1])
}

/// A pickle without storages: objects, but no numbers.
pub fn bare(file: &Arc<PositionedFile>) -> Result<Contents, CheckpointError> {
    let bytes = file.bytes(0, file.length, LONGEST_PICKLE)?;
    let wrong = |what: String| CheckpointError::new(&file.path, what);
    let loaded = pickle::load(&bytes, MOST_NODES).map_err(wrong)?;
    contents(&loaded, false, |_| None).map_err(wrong)
}

/// Reads the list of tensors of a file of the older format: a magic number, a version, a
/// description of the machine, the object, the keys of the storages; then each storage behind its
/// length.
pub fn legacy(file: &Arc<PositionedFile>) -> Result<Contents, CheckpointError> {
    let wrong = |what: String| CheckpointError::new(&file.path, what);
    // Pickles come first; how long they are only they say.
    let head = file.bytes(0, file.length.min(LONGEST_PICKLE), LONGEST_PICKLE)?;
    let (mut at, mut left) = (0, MOST_NODES);
    let mut next = || -> Result<Pickle, CheckpointError> {
        let loaded = pickle::load(&head[at..], left).map_err(wrong)?;
        at += loaded.length;
        // All of them are in memory at once.
        left -= loaded.nodes.len();
        Ok(loaded)
    };
    let (_magic, _version, machine, object, keys) = (next()?, next()?, next()?, next()?, next()?);
    let little = machine.nodes.entry(machine.root, "little_endian");
    let big_endian = little.is_some_and(|id| *machine.nodes.get(id) == Node::Bool(false));
    let keys =
        keys_in_order(&keys).ok_or_else(|| wrong("its list of storages is damaged".into()))?;
    let sizes = sizes(&object.nodes);
    let mut regions = HashMap::new();
    let mut start = at as u64;
    for key in keys {
        // Storages that no tensor uses have no type, so what follows cannot be found.
        let Some(&size) = sizes.get(&key) else { break };
        let Ok(count) = file.bytes(start, 8, 8) else {
            break;
        };
        let count = count.try_into().map_or(0, u64::from_le_bytes);
        let length = count.saturating_mul(size);
        start += 8;
        // What is cut off is a problem of the tensors in it.
        let there = length.min(file.length.saturating_sub(start));
        regions.insert(key, Region::stored(file, start, there));
        start = start.saturating_add(length);
        if start > file.length {
            break;
        }
    }
    contents(&object, big_endian, |key| regions.get(key).cloned()).map_err(wrong)
}

fn keys_in_order(loaded: &Pickle) -> Option<Vec<String>> {
    let items = loaded.nodes.list(loaded.root)?;
    items
        .iter()
        .map(|&id| loaded.nodes.text(id).map(str::to_owned))
        .collect()
}

/// Bytes of the numbers of each storage.
fn sizes(nodes: &Nodes) -> HashMap<String, u64> {
    let storage = |id| match nodes.get(id) {
        Node::Storage(storage) => Some((storage.key.clone(), storage.dtype.size()? as u64)),
        _ => None,
    };
    (0..nodes.len()).filter_map(storage).collect()
}

fn contents(
    loaded: &Pickle,
    big_endian: bool,
    region: impl Fn(&str) -> Option<Region>,
) -> Result<Contents, String> {
    walk::walk(&loaded.nodes, loaded.root, |name, view| {
        let Node::Storage(storage) = loaded.nodes.get(view.storage) else {
            return Tensor::unreadable(name, "it has no storage");
        };
        let dtype = view.dtype.as_ref().unwrap_or(&storage.dtype).clone();
        let Some(region) = region(&storage.key) else {
            let problem = format!("its storage {:?} is not in the file", storage.key);
            return Tensor {
                shape: sizes_of(&view.shape),
                dtype,
                ..Tensor::unreadable(name, problem)
            };
        };
        let place = Place {
            region,
            offset: storage.offset.saturating_add(view.offset),
            strides: view.strides.clone(),
            big_endian,
        };
        Tensor::at(name, &view.shape, dtype, place)
    })
}

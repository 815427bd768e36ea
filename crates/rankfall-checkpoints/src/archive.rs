//! ZIP archives: which entries they have, and where.

use crate::error::CheckpointError;
use crate::file::{PositionedFile, Region};
use rankfall_data::zip_entries;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The entries of an archive by name.
pub type Entries = BTreeMap<String, Region>;

/// What an archive holds. Entries that are packed in other ways than by deflate, or encrypted, are
/// left out.
pub fn entries(file: &Arc<PositionedFile>) -> Result<Entries, CheckpointError> {
    let damaged = |detail: String| CheckpointError::new(&file.path, detail);
    let mut all = Entries::new();
    for entry in zip_entries(file.whole()).map_err(damaged)? {
        let Some(deflated) = entry.deflated else {
            continue;
        };
        let end = entry.start.checked_add(entry.packed);
        if entry.is_lying() || end.is_none_or(|end| end > file.length) {
            return Err(damaged(format!(
                "the ZIP archive cannot be read ({:?} claims {} bytes, packed into {}); it may be cut off",
                entry.name, entry.length, entry.packed
            )));
        }
        let region = Region {
            file: file.clone(),
            start: entry.start,
            packed: entry.packed,
            length: entry.length,
            deflated,
        };
        all.insert(entry.name, region);
    }
    Ok(all)
}

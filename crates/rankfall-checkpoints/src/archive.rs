//! ZIP archives: which entries they have, and where.

use crate::error::CheckpointError;
use crate::file::{PositionedFile, Region};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use zip::{CompressionMethod, ZipArchive};

/// Deflate cannot pack better than this, so an entry that claims more is lying.
const DEFLATE_LIMIT: u64 = 1040;
/// The list of entries is held in memory; no checkpoint comes near.
const MOST_ENTRIES: usize = 1_000_000;

/// The entries of an archive by name.
pub type Entries = BTreeMap<String, Region>;

/// A file from front to back, with seeking, as the ZIP reader wants it.
struct Seekable {
    file: Arc<PositionedFile>,
    at: u64,
}

impl Read for Seekable {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.file.stream(self.at, self.file.length).read(out)?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.file.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// What an archive holds. Entries that are packed in other ways than by deflate, or encrypted, are
/// left out.
pub fn entries(file: &Arc<PositionedFile>) -> Result<Entries, CheckpointError> {
    let damaged = |detail: String| {
        let detail = format!("the ZIP archive cannot be read ({detail}); it may be cut off");
        CheckpointError::new(&file.path, detail)
    };
    let stream = BufReader::new(Seekable {
        file: file.clone(),
        at: 0,
    });
    let mut zip = ZipArchive::new(stream).map_err(|e| damaged(e.to_string()))?;
    if zip.len() > MOST_ENTRIES {
        return Err(damaged(format!("it claims {} entries", zip.len())));
    }
    let mut all = Entries::new();
    for index in 0..zip.len() {
        let entry = zip
            .by_index_raw(index)
            .map_err(|e| damaged(e.to_string()))?;
        let name = entry
            .name()
            .map_err(|e| damaged(e.to_string()))?
            .into_owned();
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => continue,
        };
        let (packed, length) = (entry.compressed_size(), entry.size());
        let lying = match deflated {
            true => length / DEFLATE_LIMIT > packed,
            false => packed != length,
        };
        let start = entry.data_start().unwrap_or_default();
        let outside = start
            .checked_add(packed)
            .is_none_or(|end| end > file.length);
        if lying || outside {
            return Err(damaged(format!(
                "{name:?} claims {length} bytes, packed into {packed}"
            )));
        }
        if entry.encrypted() {
            continue;
        }
        let file = file.clone();
        all.insert(
            name,
            Region {
                file,
                start,
                packed,
                length,
                deflated,
            },
        );
    }
    Ok(all)
}

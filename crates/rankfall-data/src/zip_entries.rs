//! Where the bytes of each entry of a ZIP archive are.

use std::io::{BufReader, Read, Seek};

use zip::{CompressionMethod, ZipArchive};

/// Deflate cannot pack better than this, so an entry that claims more is lying.
const DEFLATE_LIMIT: u64 = 1040;
/// The list of entries is held in memory; no archive of arrays or tensors comes near.
const MOST_ENTRIES: usize = 1_000_000;

/// An entry of a ZIP archive.
#[derive(Clone, Debug)]
pub struct ZipEntry {
    /// Its name.
    pub name: String,
    /// Its first byte in the file.
    pub start: u64,
    /// Bytes in the file.
    pub packed: u64,
    /// Bytes when unpacked.
    pub length: u64,
    /// Whether it is packed by deflate; `None` where it is packed otherwise, or encrypted.
    pub deflated: Option<bool>,
    /// The checksum of the unpacked bytes.
    pub crc: u32,
}

impl ZipEntry {
    /// Whether its lengths contradict each other.
    #[must_use]
    pub fn is_lying(&self) -> bool {
        match self.deflated {
            Some(true) => self.length / DEFLATE_LIMIT > self.packed,
            _ => self.packed != self.length,
        }
    }
}

/// The entries of an archive, in its order.
///
/// # Errors
/// A sentence: what is no archive, or a damaged one.
pub fn zip_entries(file: impl Read + Seek) -> Result<Vec<ZipEntry>, String> {
    let damaged = |what: &dyn std::fmt::Display| {
        format!("the ZIP archive cannot be read ({what}); it may be cut off")
    };
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&e))?;
    if zip.len() > MOST_ENTRIES {
        return Err(damaged(&format_args!("it claims {} entries", zip.len())));
    }
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(|e| damaged(&e))?;
        let deflated = match entry.compression() {
            _ if entry.encrypted() => None,
            CompressionMethod::Stored => Some(false),
            CompressionMethod::Deflated => Some(true),
            _ => None,
        };
        entries.push(ZipEntry {
            name: entry.name().map_err(|e| damaged(&e))?.into_owned(),
            start: entry.data_start().unwrap_or_default(),
            packed: entry.compressed_size(),
            length: entry.size(),
            deflated,
            crc: entry.crc32(),
        });
    }
    Ok(entries)
}

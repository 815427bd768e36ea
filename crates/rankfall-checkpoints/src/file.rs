//! Files read at positions, and stretches of them, packed or not.

use crate::error::CheckpointError;
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file that any thread may read from, at any position.
#[derive(Debug)]
pub struct PositionedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length when it was opened.
    pub length: u64,
    file: File,
}

impl PositionedFile {
    /// Opens a file for reading.
    pub fn open(path: &Path) -> Result<Arc<Self>, CheckpointError> {
        let reading = |e: io::Error| CheckpointError::reading(path, &e);
        // Before it is opened: a named pipe would wait for someone to write.
        if !std::fs::metadata(path).map_err(reading)?.is_file() {
            return Err(CheckpointError::new(path, "it is not a file"));
        }
        let file = File::open(path).map_err(reading)?;
        let length = file.metadata().map_err(reading)?.len();
        let path = path.to_owned();
        Ok(Arc::new(Self { path, length, file }))
    }

    /// Fills `out` with the bytes from `start` on.
    pub fn read(&self, start: u64, out: &mut [u8]) -> Result<(), CheckpointError> {
        read_exact_at(&self.file, out, start).map_err(|e| CheckpointError::reading(&self.path, &e))
    }

    /// The bytes of a stretch; not more than `limit`.
    pub fn bytes(&self, start: u64, length: u64, limit: u64) -> Result<Vec<u8>, CheckpointError> {
        if start
            .checked_add(length)
            .is_none_or(|end| end > self.length)
        {
            let detail = format!(
                "it ends before byte {}: it may be cut off",
                start.saturating_add(length)
            );
            return Err(CheckpointError::new(&self.path, detail));
        }
        if length > limit {
            let detail = format!("its list of tensors claims {length} bytes, more than any has");
            return Err(CheckpointError::new(&self.path, detail));
        }
        let mut out = vec![0; length as usize];
        self.read(start, &mut out)?;
        Ok(out)
    }

    /// The first bytes, fewer in a short file.
    pub fn head<const N: usize>(&self) -> Result<Vec<u8>, CheckpointError> {
        self.bytes(0, self.length.min(N as u64), N as u64)
    }

    /// A reader from the start, for whoever goes through a file before it is shared.
    pub fn whole(&self) -> impl Read + Seek {
        &self.file
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, start)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut start: u64) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                out = &mut out[got..];
                start += got as u64;
            }
        }
    }
    Ok(())
}

/// Reads a stretch of a file from front to back.
struct FileStream {
    file: Arc<PositionedFile>,
    /// The next byte.
    at: u64,
    end: u64,
}

impl Read for FileStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.end.min(self.file.length).saturating_sub(self.at);
        let length = left.min(out.len() as u64) as usize;
        read_exact_at(&self.file.file, &mut out[..length], self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// A stretch of a file whose bytes are numbers, or pack numbers.
#[derive(Clone, Debug)]
pub struct Region {
    /// The file.
    pub file: Arc<PositionedFile>,
    /// Its first byte.
    pub start: u64,
    /// Bytes in the file.
    pub packed: u64,
    /// Bytes when unpacked.
    pub length: u64,
    /// Whether it is packed by deflate.
    pub deflated: bool,
}

impl Region {
    /// A stretch that is not packed.
    pub fn stored(file: &Arc<PositionedFile>, start: u64, length: u64) -> Self {
        let file = file.clone();
        Self {
            file,
            start,
            packed: length,
            length,
            deflated: false,
        }
    }

    /// Fills `out` with unpacked bytes from `start` of the stretch on. From a packed one,
    /// everything before has to be unpacked: read it once, from its start.
    pub fn read(&self, start: u64, out: &mut [u8]) -> Result<(), CheckpointError> {
        let end = start.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            let detail = format!(
                "a tensor ends beyond the {} bytes that are there for it",
                self.length
            );
            return Err(CheckpointError::new(&self.file.path, detail));
        }
        if !self.deflated {
            return self.file.read(self.start + start, out);
        }
        let mut stream = self.unpacked();
        let skipped = io::copy(&mut (&mut stream).take(start), &mut io::sink());
        let read = skipped.and_then(|_| stream.read_exact(out));
        read.map_err(|e| CheckpointError::reading(&self.file.path, &e))
    }

    fn unpacked(&self) -> impl Read {
        let packed = FileStream {
            file: self.file.clone(),
            at: self.start,
            end: self.start + self.packed,
        };
        DeflateDecoder::new(BufReader::with_capacity(1 << 16, packed))
    }

    /// All of it; not more than `limit`.
    pub fn bytes(&self, limit: u64) -> Result<Vec<u8>, CheckpointError> {
        if !self.deflated {
            return self.file.bytes(self.start, self.length, limit);
        }
        let mut out = Vec::new();
        // Whatever it claims: no more is unpacked than may be.
        let read = self.unpacked().take(limit + 1).read_to_end(&mut out);
        read.map_err(|e| CheckpointError::reading(&self.file.path, &e))?;
        if out.len() as u64 > limit {
            let detail = format!("an entry unpacks to more than {limit} bytes");
            return Err(CheckpointError::new(&self.file.path, detail));
        }
        Ok(out)
    }
}

//! Opening files: what may be opened, gzip, and the system's errors in words.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;

use crate::error::{DataError, DataErrorKind, damaged, truncated, wrong};
use crate::memory;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub length: u64,
    modified: Option<SystemTime>,
}

/// Looks at a file without opening it, so that a pipe does not block.
///
/// # Errors
/// Missing, a directory, or not a regular file.
pub(crate) fn stamp(path: &Path) -> Result<Stamp, DataError> {
    if memory::is_in_memory(path) {
        let length = in_memory(path)?.len() as u64;
        let modified = None;
        return Ok(Stamp { length, modified });
    }
    let metadata = std::fs::metadata(path).map_err(|e| io_error(path, e))?;
    if metadata.is_dir() {
        return Err(wrong("this is a directory; name a file in it").at(path));
    }
    if !metadata.is_file() {
        let what =
            "this is not a regular file; data is read more than once, so save it to a file first";
        return Err(wrong(what).at(path));
    }
    Ok(Stamp {
        length: metadata.len(),
        modified: metadata.modified().ok(),
    })
}

fn in_memory(path: &Path) -> Result<Arc<Vec<u8>>, DataError> {
    memory::find(path).ok_or_else(|| {
        let what = "these data were in the memory of a program, and are not in that of this one; write them to a file";
        wrong(what).at(path)
    })
}

/// What can be read from any place.
pub(crate) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// Bytes that are shared with whoever holds the file.
struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Opens a file, on a disk or in memory.
pub(crate) fn open(path: &Path) -> Result<Box<dyn ReadSeek>, DataError> {
    if memory::is_in_memory(path) {
        return Ok(Box::new(Cursor::new(SharedBytes(in_memory(path)?))));
    }
    Ok(Box::new(open_on_disk(path)?))
}

/// Opens a file whose reader takes none in memory.
pub(crate) fn open_on_disk(path: &Path) -> Result<File, DataError> {
    stamp(path)?;
    File::open(path).map_err(|e| io_error(path, e))
}

/// The bytes of a file from its start, unpacked when `gzip`.
pub(crate) fn stream(path: &Path, gzip: bool) -> Result<Box<dyn Read + Send>, DataError> {
    let file = open(path)?;
    if gzip {
        let packed = BufReader::with_capacity(1 << 16, file);
        return Ok(Box::new(MultiGzDecoder::new(packed)));
    }
    Ok(Box::new(file))
}

/// The first bytes, at most `count`, unpacked when `gzip`.
pub(crate) fn head(path: &Path, gzip: bool, count: usize) -> Result<Vec<u8>, DataError> {
    let mut head = vec![0; count];
    let got = fill(&mut stream(path, gzip)?, &mut head).map_err(|e| io_error(path, e))?;
    head.truncate(got);
    Ok(head)
}

/// Whether a file is packed by gzip, by its first bytes.
pub(crate) fn is_gzip(path: &Path) -> Result<bool, DataError> {
    Ok(head(path, false, 2)? == b"\x1f\x8b")
}

/// Fills `buffer` as far as the stream goes; returns how many bytes it got.
pub(crate) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// An error of the system or of a decompressor, in words.
pub(crate) fn io_error(path: &Path, error: io::Error) -> DataError {
    let kind = match error.kind() {
        ErrorKind::NotFound => missing(path),
        ErrorKind::UnexpectedEof => truncated("its compressed data stops in the middle"),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => damaged(error),
        _ => wrong(format!("cannot be read: {error}")),
    };
    kind.at(path)
}

/// Entries of a folder that are looked through for a similar name.
const MOST_ENTRIES: usize = 10_000;

/// What is there in place of a file that is not.
fn missing(path: &Path) -> DataErrorKind {
    let folder = (path.parent())
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    let wanted = wanted.to_lowercase();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries
        .take(MOST_ENTRIES)
        .map(|e| e.file_name().to_string_lossy().into_owned());
    let similar = names.map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name));
    // The order of a folder is nobody's: of equally similar names the first by letter.
    let best = similar.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
    let missing = folder
        .ancestors()
        .filter(|f| !f.as_os_str().is_empty() && !f.exists())
        .last();
    DataErrorKind::Missing(match (best.filter(|b| b.0 > 0.85), missing) {
        (Some((_, name)), _) => format!("; its folder has {name:?}"),
        (None, Some(folder)) => format!("; there is no folder {}", folder.display()),
        (None, None) => String::new(),
    })
}

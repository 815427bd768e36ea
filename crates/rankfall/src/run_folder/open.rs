//! Opening files of a folder that may come from anybody: links are not followed out of it, and what
//! is no file (a pipe would make us wait for ever) is not read.

use crate::available;
use crate::failure::{Failure, shown_path};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The largest text that is read: no summary or experiment comes near it.
const LARGEST_TEXT: u64 = 256 << 20;

/// A file in its place, opened for reading.
///
/// # Errors
/// The system's reason; a link; something that is no file.
pub fn file(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true))
}

/// The marker or lock file in its place, made if it is not there.
///
/// # Errors
/// As for [`file()`].
pub fn or_create(path: &Path) -> io::Result<File> {
    open(path, File::options().create(true).append(true))
}

/// All bytes of a file.
///
/// # Errors
/// As for [`file()`].
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of a text file.
///
/// # Errors
/// As for [`file()`], and a file that is too large or not UTF-8.
pub fn text(path: &Path) -> io::Result<String> {
    text_up_to(path, LARGEST_TEXT, "larger than any that is written")
}

/// The text of a log, which grows as long as somebody measures: up to a quarter of the memory that
/// can be had, where that is more than other texts may have.
///
/// # Errors
/// As for [`text`].
pub fn log(path: &Path) -> io::Result<String> {
    let quarter = available::memory().map_or(0, |memory| (memory.bytes / 4.0) as u64);
    let most = quarter.max(LARGEST_TEXT);
    text_up_to(path, most, "larger than a quarter of the memory there is")
}

fn text_up_to(path: &Path, most: u64, too_large: &str) -> io::Result<String> {
    let mut text = String::new();
    let mut file = file(path)?.take(most.saturating_add(1));
    file.read_to_string(&mut text)?;
    match text.len() as u64 > most {
        true => Err(io::Error::other(format!("it is {too_large}"))),
        false => Ok(text),
    }
}

/// Refuses a folder inside a run folder that is a link or no folder; one that is missing is none.
///
/// # Errors
/// What it is instead.
pub fn expect_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => Err(is_link()),
        Ok(meta) if !meta.is_dir() => Err(ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
        return Err(is_link());
    }
    // Whoever puts a link there after the look above is stopped by the system.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a file")),
    }
}

fn is_link() -> io::Error {
    io::Error::other("it is a link, and links in a run folder are not followed")
}

/// What to say of a file that cannot be read.
pub fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::input(format!("cannot read {}: {error}", shown_path(path)))
}

//! Files that are there whole or not at all: written beside their place, then renamed into it.

use super::checksums::hexadecimal;
use super::lock;
use crate::failure::Failure;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file being written, invisible under its name until [`AtomicFile::commit`].
///
/// Dropped without it, nothing is left, and an older file of the name is untouched.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
    hash: Sha256,
}

const PREFIX: &str = ".rankfall-";
const SUFFIX: &str = ".tmp";

/// Whether a file name is one that a crash may have left behind.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

impl AtomicFile {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// The system's reason.
    pub fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (file, temporary) = create_new(path, &name)?;
        Ok(AtomicFile {
            file: BufWriter::new(file),
            temporary,
            path: path.to_owned(),
            committed: false,
            hash: Sha256::new(),
        })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file in its place, once its bytes are on the disk; its checksum.
    ///
    /// # Errors
    /// The system's reason; the file is then not there.
    pub fn commit(mut self) -> io::Result<String> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        sync_folder(&self.path);
        Ok(hexadecimal(std::mem::take(&mut self.hash)))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes the rename last through a power cut where folders can be synced; elsewhere no harm.
fn sync_folder(path: &Path) {
    if let Some(Ok(folder)) = path.parent().map(File::open) {
        let _ = folder.sync_all();
    }
}

/// A file beside `path` under a name that nobody has: never one that is there, nor through a link.
fn create_new(path: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = std::process::id();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!("{PREFIX}{name}-{process}-{count}{SUFFIX}"));
        match File::create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (file, temporary)),
        }
    }
}

/// Deletes what a crash left in a folder that no other process writes into.
///
/// What cannot be deleted, or a folder that cannot be read, is no harm.
pub fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_temporary(&name) && name != lock::HELD {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a whole file through a function; its checksum.
///
/// # Errors
/// Exit code 1 with the path and the reason; an older file of the name is then still whole.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut AtomicFile) -> io::Result<()>,
) -> Result<String, Failure> {
    let written = AtomicFile::create(path).and_then(|mut file| {
        write(&mut file)?;
        file.commit()
    });
    written.map_err(|error| Failure::writing(path, &error))
}

/// Writes a whole file in one go.
///
/// # Errors
/// As for [`write_atomically`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_atomically(path, |file| file.write_all(bytes)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        write_atomically(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_writer_that_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        let failure = write_atomically(&path, |file| {
            file.write_all(&[b'x'; 100_000])?;
            assert_eq!(names(folder.path()).len(), 2);
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(failure.kind.code(), 1);
        assert!(failure.message.contains(path.to_str().unwrap()));
        assert!(failure.message.contains("no storage space"), "{failure}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_missing_folder_is_reported_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a");
        let failure = write_atomically(&path, |_| Ok(())).unwrap_err();
        assert!(failure.message.contains("none/a"));
    }

    #[test]
    fn temporary_names_are_recognised() {
        let file = AtomicFile::create(&tempfile::tempdir().unwrap().path().join("a")).unwrap();
        let name = file.temporary.file_name().unwrap().to_str().unwrap();
        assert!(is_temporary(name));
        assert!(!is_temporary("summary.json"));
    }
}

//! One process at a time in a folder, whoever comes and goes meanwhile.

use super::open;
use crate::failure::{Failure, shown_path};
use same_file::Handle;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The lock of commands that write into a folder without a run in it; named as temporary files are,
/// so that one left by a kill is no obstacle.
pub const HELD: &str = ".rankfall-lock.tmp";

/// Locks a file of the folder, made if it is not there; `None` where another process has it.
///
/// # Errors
/// Exit code 1 where the system refuses; exit code 2 for a link or something that is no file.
pub fn take(path: &Path) -> Result<Option<File>, Failure> {
    // A lock outlives its holder by a moment where a child of it is between fork and exec.
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(5);
    let mut refused = 0;
    loop {
        let file = open::or_create(path).map_err(|error| cannot_lock(path, &error))?;
        match lock_in_place(file, path).map_err(|error| Failure::writing(path, &error))? {
            Taken::Here(file) => return Ok(Some(file)),
            Taken::ByAnother if refused == TRIES => return Ok(None),
            Taken::ByAnother => {
                refused += 1;
                std::thread::sleep(PAUSE);
            }
            Taken::Elsewhere => {}
        }
    }
}

/// What came of locking an open file.
enum Taken {
    /// It is locked, and it is the file of that path.
    Here(File),
    /// Another process has it.
    ByAnother,
    /// Its lock guards nothing: it was removed, or another one was put in its place.
    Elsewhere,
}

fn lock_in_place(file: File, path: &Path) -> io::Result<Taken> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Taken::ByAnother),
        Err(TryLockError::Error(error)) if has_no_locks(&error) => {
            let shown = shown_path(path.parent().unwrap_or(path));
            log::warn!("the file system has no locks: nothing guards {shown} against a second run");
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let there = match Handle::from_path(path) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Taken::Elsewhere),
        Err(error) => return Err(error),
    };
    match Handle::from_file(file.try_clone()?)? == there {
        true => Ok(Taken::Here(file)),
        false => Ok(Taken::Elsewhere),
    }
}

/// Some network file systems have no locks, or no server for them; a run there is better than none.
fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::ENOLCK) {
        return true;
    }
    error.kind() == ErrorKind::Unsupported
}

fn cannot_lock(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::writing(path, error);
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => {
            Failure::input(failure.message).hint("delete it, or name another folder with --out")
        }
        _ => failure,
    }
}

/// A folder held by a command that is no run; free again when dropped.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Holds a folder that is there.
    ///
    /// # Errors
    /// Exit code 2 where another command holds it, exit code 1 where the system refuses.
    pub fn take(folder: &Path) -> Result<FolderLock, Failure> {
        let path = folder.join(HELD);
        match take(&path)? {
            Some(file) => Ok(FolderLock { path, _file: file }),
            None => {
                let shown = shown_path(folder);
                let message = format!("another command of rankfall is writing into {shown}");
                Err(Failure::input(message).hint("wait for it, or name another folder with --out"))
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Removed while it is still locked: whoever opened it meanwhile sees that it is gone.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_on_a_file_that_was_replaced_guards_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("running");
        let waiting = open::or_create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let gone = lock_in_place(waiting.try_clone().unwrap(), &path).unwrap();
        assert!(matches!(gone, Taken::Elsewhere), "removed");
        let second = take(&path).unwrap().unwrap();
        let late = lock_in_place(waiting, &path).unwrap();
        assert!(
            matches!(late, Taken::Elsewhere),
            "made anew by another process"
        );
        assert!(take(&path).unwrap().is_none());
        drop(second);
        assert!(take(&path).unwrap().is_some());
    }

    #[test]
    fn a_folder_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        let refused = FolderLock::take(folder.path()).unwrap_err();
        assert_eq!(refused.kind.code(), 2);
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        FolderLock::take(folder.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_system_without_a_lock_server_is_no_obstacle() {
        assert!(has_no_locks(&io::Error::from_raw_os_error(libc::ENOLCK)));
        assert!(!has_no_locks(&io::Error::from_raw_os_error(libc::EIO)));
    }
}

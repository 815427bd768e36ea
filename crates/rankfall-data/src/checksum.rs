//! The SHA-256 of a file, taken on a second thread while the file is being read.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::digest::hexadecimal;
use crate::error::{DataError, DataErrorKind};
use crate::open;

/// Runs `read` and hashes the file beside it; what `sha256sum` prints is in the result.
///
/// The file must be the same before and after, or neither result is worth anything.
///
/// # Errors
/// Those of `read`, and a file that changed meanwhile.
pub fn while_hashing<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, DataError>,
) -> Result<(T, String), DataError> {
    let before = open::stamp(path)?;
    let cancelled = AtomicBool::new(false);
    let (value, sum) = std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new().spawn_scoped(scope, || sha256(path, &cancelled));
        let value = read();
        // Where the system refuses a thread, one comes after the other.
        let Ok(hashing) = spawned else {
            let value = value?;
            return Ok((value, sha256(path, &cancelled)?));
        };
        if value.is_err() {
            // The error should not wait for the rest of a large file.
            cancelled.store(true, Ordering::Relaxed);
        }
        let sum = hashing.join().unwrap_or_else(|_| {
            let error = std::io::Error::other("the hashing thread failed");
            Err(open::io_error(path, error))
        });
        Ok((value?, sum?))
    })?;
    if open::stamp(path)? != before {
        return Err(DataErrorKind::Changed("while it was being read").at(path));
    }
    Ok((value, sum))
}

fn sha256(path: &Path, cancelled: &AtomicBool) -> Result<String, DataError> {
    let mut file = open::stream(path, false)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    while !cancelled.load(Ordering::Relaxed) {
        let got = open::fill(&mut file, &mut buffer).map_err(|e| open::io_error(path, e))?;
        hash.update(&buffer[..got]);
        if got < buffer.len() {
            break;
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

//! Checksums of the files of a finished folder, kept in its `summary.json` under `files`.

use super::names::{EXPERIMENT, FINAL, SERIES, SUMMARY, SWEEP, TRAJECTORIES};
use super::open::{self, unreadable};
use crate::failure::{Failure, shown_path};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

/// Files that have one: those that numbers are read from. Figures and report can be drawn again.
pub const CHECKED: &[&str] = &[EXPERIMENT, SERIES, TRAJECTORIES, FINAL, SWEEP];

/// SHA-256 of each file, by name.
pub type Checksums = BTreeMap<String, String>;

/// A summary as it is written.
#[derive(Serialize)]
pub struct WithChecksums<'a, S> {
    /// What the run says of itself.
    #[serde(flatten)]
    pub summary: &'a S,
    /// Of the files beside it.
    pub files: &'a Checksums,
}

/// Compares the files of a folder with the checksums in its summary.
///
/// A summary without checksums is of an older version: that is said, and nothing compared.
///
/// # Errors
/// Exit code 2 for a file that is missing or not the one that was written.
pub fn check(folder: &Path, summary: &str) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Files {
        files: Option<Checksums>,
    }
    let path = folder.join(SUMMARY);
    let shown = shown_path(&path);
    let files: Files = serde_json::from_str(summary).map_err(|e| unreadable(&path, &e))?;
    let Some(files) = files.files else {
        log::warn!("{shown} has no checksums: whether the files beside it are whole is not known");
        return Ok(());
    };
    for name in CHECKED {
        let path = folder.join(name);
        let Some(expected) = files.get(*name) else {
            continue;
        };
        let found = of_file(&path).map_err(|error| unreadable(&path, &error))?;
        if found != *expected {
            let message = format!(
                "{} is damaged: its checksum is not the one in {shown}",
                shown_path(&path)
            );
            return Err(Failure::input(message)
                .hint("run the experiment again with --force, or take the file from a backup"));
        }
    }
    Ok(())
}

fn of_file(path: &Path) -> io::Result<String> {
    let mut file = open::file(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(hash)),
            got => hash.update(&buffer[..got]),
        }
    }
}

/// A finished hash, as `sha256sum` prints it.
pub fn hexadecimal(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

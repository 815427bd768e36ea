//! Spectra that are done, in a file: an inspection that was stopped goes on from there.
//!
//! One line of JSON for each. A line belongs to a file of a certain length and time of change, a
//! tensor and a way to take it; the last line of a process that was killed may be half, and is left
//! out.

use crate::record::Row;
use crate::spectrum::{Method, Sigma, Spectrum};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

/// The file in the folder of results, until all of them are written.
pub const PARTIAL: &str = "inspection.partial";

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    bounds: Vec<f64>,
    key: String,
    method: Method,
    values: Vec<f64>,
}

impl Line {
    fn spectrum(self) -> Option<(String, Spectrum)> {
        let all = self.values.iter().zip(&self.bounds);
        let spectrum = Spectrum {
            sigmas: all.map(|(&value, &bound)| Sigma { value, bound }).collect(),
            method: self.method,
        };
        (self.values.len() == self.bounds.len()).then_some((self.key, spectrum))
    }
}

/// Spectra by what they are of.
pub struct Saved {
    file: Mutex<File>,
    before: HashMap<String, Spectrum>,
}

impl Saved {
    /// Opens the file of a folder; what is in it is used where `resume` says so, and dropped
    /// otherwise.
    ///
    /// # Errors
    /// The system's reason.
    pub fn open(folder: &Path, resume: bool) -> io::Result<Self> {
        let path = folder.join(PARTIAL);
        let before = match resume {
            true => std::fs::read(&path)
                .map(|bytes| read(&bytes))
                .unwrap_or_default(),
            false => HashMap::new(),
        };
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        match resume {
            // The last line may have been cut.
            true => file.write_all(b"\n")?,
            false => file.set_len(0)?,
        }
        Ok(Self {
            file: Mutex::new(file),
            before,
        })
    }

    /// How many spectra are there from before.
    #[must_use]
    pub fn len(&self) -> usize {
        self.before.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    /// What a row is kept under: its file with length and time of change, name and way.
    #[must_use]
    pub fn key(&self, row: &Row) -> String {
        let about = std::fs::metadata(&row.file).ok();
        let changed = about
            .as_ref()
            .and_then(|a| a.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        let of = json!([
            row.file,
            about.map(|a| a.len()),
            changed.map(|d| d.as_nanos().to_string()),
            row.name,
            row.matrix,
            row.shape,
            row.dtype,
        ]);
        let digest = Sha256::digest(of.to_string());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The spectrum of that key, where it is there from before.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Spectrum> {
        self.before.get(key).cloned()
    }

    /// Keeps a spectrum. A file that cannot be written costs only the time to compute it again.
    pub fn add(&self, key: String, spectrum: &Spectrum) {
        let line = Line {
            bounds: spectrum.sigmas.iter().map(|s| s.bound).collect(),
            key,
            method: spectrum.method,
            values: spectrum.sigmas.iter().map(|s| s.value).collect(),
        };
        if let (Ok(line), Ok(mut file)) = (serde_json::to_string(&line), self.file.lock()) {
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// Everything that was made of the spectra is in the folder: their file is not needed any more.
pub fn remove(folder: &Path) {
    let _ = std::fs::remove_file(folder.join(PARTIAL));
}

fn read(bytes: &[u8]) -> HashMap<String, Spectrum> {
    let lines = bytes.split(|&b| b == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok()?.spectrum())
        .collect()
}

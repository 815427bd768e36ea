//! The checkpoint of a run: dynamics that are finished, and how far the current one is.

use crate::failure::{Failure, shown_path};
use crate::run_folder::{CHECKPOINT, RunFolder};
use rankfall_core::ensemble;
use rankfall_report::record::{DynamicsSummary, SeriesRow};
use serde::{Deserialize, Serialize};
use std::fs;

/// First line of the file, with the version of the program that wrote it: programs of other versions
/// may compute other bits, so they do not go on with it. The checksum of the rest follows.
const HEADER: &str = concat!("rankfall checkpoint ", env!("CARGO_PKG_VERSION"), "\n");

/// What follows the line with the checksum, if the checksum is right: a changed bit would otherwise
/// become a changed result.
fn checked(body: &[u8]) -> Option<&[u8]> {
    let (line, encoded) =
        body.split_at_checked(body.iter().position(|&byte| byte == b'\n')? + 1)?;
    let expected = format!("{}\n", rankfall_data::sha256_of(encoded));
    (line == expected.as_bytes()).then_some(encoded)
}

/// A finished dynamics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// As JSON: its own format leaves fields out, which this file's cannot.
    summary: String,
    /// Its rows of `series.parquet`.
    pub series: Vec<SeriesRow>,
    /// Values of each trajectory, where kept.
    pub trajectories: Option<Vec<(u64, Vec<f64>)>>,
    /// `w1` and `w2` of trajectory 0 at the end, rows first.
    pub weights: Option<[Vec<f64>; 2]>,
}

/// The whole checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunCheckpoint {
    /// Finished dynamics, in file order.
    pub finished: Vec<Finished>,
    /// How far the next one is.
    pub current: Option<ensemble::Checkpoint>,
    /// Wall seconds already spent on it.
    pub seconds: f64,
}

impl Finished {
    /// With its summary encoded.
    ///
    /// # Errors
    /// Exit code 1 if the summary cannot be written as JSON.
    pub fn new(
        summary: &DynamicsSummary,
        series: Vec<SeriesRow>,
        trajectories: Option<Vec<(u64, Vec<f64>)>>,
        weights: Option<[Vec<f64>; 2]>,
    ) -> Result<Self, Failure> {
        let summary = serde_json::to_string(summary)
            .map_err(|error| Failure::run(format!("cannot encode a summary: {error}")))?;
        Ok(Self {
            summary,
            series,
            trajectories,
            weights,
        })
    }

    /// Its summary.
    ///
    /// # Errors
    /// Exit code 1 for a checkpoint that was tampered with.
    pub fn summary(&self) -> Result<DynamicsSummary, Failure> {
        serde_json::from_str(&self.summary)
            .map_err(|error| Failure::run(format!("the checkpoint is damaged: {error}")))
    }
}

impl RunCheckpoint {
    /// Writes it into the folder, atomically.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written; the last one is then still whole.
    pub fn write(&self, folder: &RunFolder) -> Result<(), Failure> {
        let encoded = postcard::to_stdvec(self)
            .map_err(|error| Failure::run(format!("cannot encode the checkpoint: {error}")))?;
        let mut bytes = format!("{HEADER}{}\n", rankfall_data::sha256_of(&encoded)).into_bytes();
        bytes.extend(encoded);
        folder.write_bytes(CHECKPOINT, &bytes)
    }

    /// Reads it.
    ///
    /// # Errors
    /// Exit code 2 where it is of another version, or damaged.
    pub fn read(folder: &RunFolder) -> Result<Self, Failure> {
        let path = folder.file(CHECKPOINT);
        let shown = shown_path(&path);
        let bytes = fs::read(&path)
            .map_err(|error| Failure::input(format!("cannot read {shown}: {error}")))?;
        let hint = "--force starts the run again from the beginning";
        let Some(body) = bytes.strip_prefix(HEADER.as_bytes()) else {
            let message = format!(
                "{shown} was not written by version {}",
                env!("CARGO_PKG_VERSION")
            );
            return Err(Failure::input(message).hint(hint));
        };
        let damaged = |why: &str| Failure::input(format!("{shown} is damaged: {why}")).hint(hint);
        let encoded = checked(body).ok_or_else(|| damaged("its checksum is wrong"))?;
        postcard::from_bytes(encoded).map_err(|error| damaged(&error.to_string()))
    }
}

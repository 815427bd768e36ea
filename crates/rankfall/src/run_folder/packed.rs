//! The files of a finished run folder that numbers are read from, in memory: for who keeps them
//! elsewhere.

use super::checksums::{Checksums, WithChecksums};
use super::names::{EXPERIMENT, FINAL, SERIES, SUMMARY};
use super::{json, series, weights};
use crate::failure::Failure;
use crate::finished::DynamicsOutcome;
use rankfall_report::record::{SeriesRow, Summary};
use weights::NamedArray;

/// Their names and contents; unpacked into a folder of their own, `rankfall plot` draws them.
///
/// # Errors
/// Exit code 1 for what cannot be encoded.
pub fn files(
    finished: &[DynamicsOutcome],
    summary: &Summary,
    resolved: &str,
) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::run(format!("cannot encode: {error}"));
    let rows: Vec<SeriesRow> = finished.iter().flat_map(|f| f.series.clone()).collect();
    let mut table = Vec::new();
    series::write(&rows, &mut table).map_err(|error| cannot(&error))?;
    let tensors: Vec<NamedArray> = finished.iter().flat_map(|f| f.tensors.clone()).collect();
    let mut files = vec![
        (EXPERIMENT, resolved.as_bytes().to_vec()),
        (SERIES, table),
        (
            FINAL,
            weights::encode(&tensors).map_err(|error| cannot(&error))?,
        ),
    ];
    let checksum =
        |(name, bytes): &(&str, Vec<u8>)| ((*name).to_owned(), rankfall_data::sha256_of(bytes));
    let checksums: Checksums = files.iter().map(checksum).collect();
    let whole = WithChecksums {
        summary,
        files: &checksums,
    };
    files.push((SUMMARY, json("the summary", &whole)?.into_bytes()));
    Ok(files)
}

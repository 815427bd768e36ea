//! The binary format of CIFAR-10 and CIFAR-100: one record per image, labels first.

use std::io::Read;
use std::path::Path;

use crate::checksum::while_hashing;
use crate::error::{DataError, damaged, empty, too_large, truncated, wrong};
use crate::images::Images;
use crate::open;
use crate::sniff::other_kind;

/// Red, green and blue planes of 32 × 32 pixels.
const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;
/// More bytes than this are refused: 4 GiB.
const LARGEST: u64 = 4 << 30;

/// Which labels a record has, and which of them is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CifarLabels {
    /// CIFAR-10: one label, 0 to 9.
    Ten,
    /// CIFAR-100: the coarse label, 0 to 19, of two.
    Coarse,
    /// CIFAR-100: the fine label, 0 to 99, of two.
    Fine,
}

impl CifarLabels {
    /// Bytes before the pixels.
    fn bytes(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Coarse | Self::Fine => 2,
        }
    }

    /// Where the wanted one stands, and how many classes there are.
    fn wanted(self) -> (usize, usize) {
        match self {
            Self::Ten => (0, 10),
            Self::Coarse => (0, 20),
            Self::Fine => (1, 100),
        }
    }
}

/// Reads files of records, gzipped or not, one after the other.
///
/// # Errors
/// Files that are missing, cut, or hold labels that CIFAR does not have (of the other kind, most
/// likely).
pub fn read_cifar(files: &[impl AsRef<Path>], labels: CifarLabels) -> Result<Images, DataError> {
    let mut images = Images {
        shape: SHAPE.to_vec(),
        pixels: Vec::new(),
        labels: Vec::new(),
        sha256: Vec::new(),
    };
    for file in files {
        let path = file.as_ref();
        let ((), sum) = while_hashing(path, || read_file(path, labels, &mut images))?;
        images.sha256.push(sum);
    }
    Ok(images)
}

fn read_file(path: &Path, labels: CifarLabels, images: &mut Images) -> Result<(), DataError> {
    let stream = open::stream(path, open::is_gzip(path)?)?;
    let mut bytes = Vec::new();
    let read = stream.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|e| open::io_error(path, e))?;
    if bytes.is_empty() {
        return Err(empty().at(path));
    }
    let length = bytes.len() as u64;
    if length > LARGEST {
        return Err(too_large("the file", length, LARGEST, "split it").at(path));
    }
    if let Some(name) = other_kind(&bytes[..bytes.len().min(64)]) {
        let what = format!("the first bytes are those of {name}, not of CIFAR records");
        return Err(wrong(what).at(path));
    }
    let record = labels.bytes() + PIXELS;
    if !bytes.len().is_multiple_of(record) {
        let detail = format!(
            "{} bytes are not a whole number of records of {record}; is it the {} format?",
            bytes.len(),
            match labels {
                CifarLabels::Ten => "CIFAR-10",
                CifarLabels::Coarse | CifarLabels::Fine => "CIFAR-100",
            }
        );
        return Err(truncated(detail).at(path));
    }
    let (place, classes) = labels.wanted();
    for (row, record) in bytes.chunks_exact(record).enumerate() {
        let label = record[place];
        if usize::from(label) >= classes {
            let detail = format!("image {row} has the label {label}, but there are {classes}");
            return Err(damaged(detail).at(path));
        }
        images.labels.push(label);
        images.pixels.extend_from_slice(&record[labels.bytes()..]);
    }
    Ok(())
}

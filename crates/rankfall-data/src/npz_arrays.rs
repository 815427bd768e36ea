//! The arrays of an NPZ by name, read whole: for matrices that are no table, such as weights.

use std::path::Path;

use crate::error::DataError;
use crate::npz::Archive;
use crate::open;

/// The arrays of an NPZ file.
pub struct NpzArrays(Archive);

impl NpzArrays {
    /// Whether the first bytes of a file are those of a ZIP archive, as an NPZ is.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn are_in(path: &Path) -> Result<bool, DataError> {
        let head = open::head(path, false, 4)?;
        Ok(head == b"PK\x03\x04" || head == b"PK\x05\x06")
    }

    /// Reads what arrays there are.
    ///
    /// # Errors
    /// A file that is no NPZ.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Ok(Self(Archive::open(path)?))
    }

    /// Names and shapes, in the order of the archive.
    ///
    /// # Errors
    /// An array that is damaged or not of numbers.
    pub fn shapes(&self) -> Result<Vec<(String, Vec<u64>)>, DataError> {
        let shape = |entry| {
            let (header, _) = self.0.array(entry)?;
            Ok((entry.name.clone(), header.shape))
        };
        self.0.entries.iter().map(shape).collect()
    }

    /// All numbers of an array of at most `limit` bytes as doubles, the last index running fastest
    /// whatever the order in the file.
    ///
    /// # Errors
    /// No such array, a larger one, a damaged one.
    pub fn numbers(&self, name: &str, limit: u64) -> Result<Vec<f64>, DataError> {
        self.0.numbers(name, limit).map(|(_, numbers)| numbers)
    }
}

//! NPZ: named NumPy arrays in a ZIP archive, stored or deflated, streamed.

use std::io::{self, BufReader, Read, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::columns::{Columns, Naming, unknown};
use crate::error::{DataError, DataErrorKind, damaged, rows_differ, too_large, wrong};
use crate::npy::{self, ArrayRows, Bytes, NpyHeader, side_by_side};
use crate::open::{self, io_error};
use crate::read_rows::{Picked, ReadRows};
use crate::spec::FileSpec;
use crate::zip_entries::{ZipEntry, zip_entries};

/// The arrays of an archive.
pub(crate) struct Archive {
    path: PathBuf,
    /// By name, without `.npy`.
    pub entries: Vec<ZipEntry>,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let found = zip_entries(open::open(path)?).map_err(|what| damaged(what).at(path))?;
        let mut entries = Vec::new();
        let mut others = Vec::new();
        for entry in found {
            let Some(name) = entry.name.strip_suffix(".npy") else {
                others.push(entry.name);
                continue;
            };
            if entry.deflated.is_none() {
                return Err(wrong(format!(
                    "the entry {:?} holds data that is encrypted or packed by neither store nor deflate; \
                     save it with numpy.savez or numpy.savez_compressed",
                    entry.name
                ))
                .at(path));
            }
            let name = name.to_owned();
            entries.push(ZipEntry { name, ..entry });
        }
        if entries.is_empty() {
            return Err(not_arrays(&others).at(path));
        }
        let has = |name: &str| entries.iter().any(|entry: &ZipEntry| entry.name == name);
        if has("format") && has("shape") && has("data") {
            // What `scipy.sparse.save_npz` writes.
            return Err(wrong(
                "this is a sparse matrix of SciPy (format, shape and data in an archive), not dense arrays; save m.toarray() with numpy.savez",
            )
            .at(path));
        }
        let path = path.to_owned();
        Ok(Self { path, entries })
    }

    /// The array of that name.
    pub fn find(&self, name: &str) -> Result<&ZipEntry, DataError> {
        let name = name.strip_suffix(".npy").unwrap_or(name);
        let found = self.entries.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| unknown("array", name, &self.names()).at(&self.path))
    }

    pub fn names(&self) -> Vec<String> {
        self.entries.iter().map(|e| e.name.clone()).collect()
    }

    /// The unpacked bytes of an entry, whose length and checksum are verified at the end.
    fn stream(&self, entry: &ZipEntry) -> Result<Box<dyn Read + Send>, DataError> {
        if entry.is_lying() {
            let detail = format!(
                "{} claims {} bytes packed into {}",
                entry.name, entry.length, entry.packed
            );
            return Err(damaged(detail).at(&self.path));
        }
        let mut file = open::open(&self.path)?;
        (file.seek(SeekFrom::Start(entry.start))).map_err(|e| io_error(&self.path, e))?;
        let packed = BufReader::with_capacity(1 << 16, file).take(entry.packed);
        let stream: Box<dyn Read + Send> = if entry.deflated == Some(true) {
            Box::new(DeflateDecoder::new(packed))
        } else {
            Box::new(packed)
        };
        Ok(Box::new(Verified {
            stream,
            sum: Crc::new(),
            expected: entry.crc,
            length: 0,
            expected_length: entry.length,
        }))
    }

    /// The header of an array and the stream behind it; sizes that contradict are refused.
    pub fn array(&self, entry: &ZipEntry) -> Result<(NpyHeader, Box<dyn Read + Send>), DataError> {
        let mut stream = self.stream(entry)?;
        let header = NpyHeader::read(&self.path, &entry.name, &mut stream)?;
        npy::check_length(&entry.name, &header, entry.length)
            .map_err(|kind| kind.at(&self.path))?;
        Ok((header, stream))
    }

    /// All numbers of an array of at most `limit` bytes, in C order.
    pub fn numbers(&self, name: &str, limit: u64) -> Result<(NpyHeader, Vec<f64>), DataError> {
        let entry = self.find(name)?;
        let (header, mut stream) = self.array(entry)?;
        let bytes = (header.count().unwrap_or(u64::MAX)).saturating_mul(8);
        if bytes > limit {
            let what = format!("the array {name:?} of shape {:?}", header.shape);
            return Err(too_large(what, bytes, limit, "is it the right file?").at(&self.path));
        }
        let numbers = npy::read_all(&self.path, name, &header, &mut stream)?;
        Ok((header, numbers))
    }

    /// The bytes of an array for reading rows.
    fn bytes(&self, entry: &ZipEntry, memory_limit: u64) -> Result<(NpyHeader, Bytes), DataError> {
        let (header, stream) = self.array(entry)?;
        if header.fortran && entry.deflated == Some(false) {
            let file = open::open(&self.path)?;
            let start = entry.start + header.offset;
            return Ok((header, Bytes::Anywhere(file, start)));
        }
        let bytes = npy::forward(&self.path, &entry.name, &header, stream, memory_limit)?;
        Ok((header, bytes))
    }
}

/// What a ZIP archive without arrays probably is.
fn not_arrays(names: &[String]) -> DataErrorKind {
    let has = |part: &str| names.iter().any(|name| name.contains(part));
    let found = if has("xl/workbook") {
        "a spreadsheet (save it as CSV)"
    } else if has("data.pkl") {
        "a PyTorch checkpoint"
    } else {
        "a ZIP archive without NPY arrays in it"
    };
    wrong(format!("this is {found}, not an NPZ archive"))
}

/// Passes bytes on and compares their checksum and number at the end.
struct Verified {
    stream: Box<dyn Read + Send>,
    sum: Crc,
    expected: u32,
    length: u64,
    expected_length: u64,
}

impl Read for Verified {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.stream.read(buffer)?;
        self.sum.update(&buffer[..got]);
        self.length += got as u64;
        let end = got == 0 && !buffer.is_empty();
        let wrong = |message| Err(io::Error::new(io::ErrorKind::InvalidData, message));
        if self.length > self.expected_length {
            return wrong("an array is longer than its archive says");
        }
        if end && self.length < self.expected_length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if end && self.sum.sum() != self.expected {
            return wrong("the checksum of an array does not match");
        }
        Ok(got)
    }
}

/// An NPZ whose arrays of inputs and targets were found.
pub(crate) struct NpzTable {
    pub columns: Columns,
    archive: Archive,
    /// Inputs and targets, or one array that is a whole table.
    arrays: Vec<Array>,
    memory_limit: u64,
}

/// An array in use, and the table columns that are its own.
struct Array {
    entry: ZipEntry,
    columns: std::ops::Range<usize>,
    rows: u64,
}

impl NpzTable {
    pub fn open(spec: &FileSpec) -> Result<Self, DataError> {
        let path = spec.path.as_path();
        let archive = Archive::open(path)?;
        let names = array_names(spec, &archive)?;
        let mut arrays: Vec<Array> = Vec::new();
        let mut columns = Columns::unnamed(0);
        for name in &names {
            let entry = archive.find(name)?.clone();
            let (header, _) = archive.array(&entry)?;
            let (rows, count) =
                (header.rows_and_columns(&entry.name)).map_err(|kind| kind.at(path))?;
            let start = columns.names.len();
            match header.shape.len() {
                1 => columns.names.push(entry.name.clone()),
                _ => (columns.names).extend((0..count).map(|c| format!("{}[{c}]", entry.name))),
            }
            arrays.push(Array {
                entry,
                columns: start..start + count,
                rows,
            });
        }
        columns.naming = Naming::Arrays;
        if let [inputs, targets] = &arrays[..] {
            columns.split = Some(inputs.columns.end);
            if inputs.rows != targets.rows {
                let [inputs, targets] = [inputs, targets].map(|a| (a.entry.name.as_str(), a.rows));
                return Err(rows_differ(inputs, targets).at(path));
            }
        }
        Ok(Self {
            columns,
            archive,
            arrays,
            memory_limit: spec.memory_limit,
        })
    }

    pub fn rows(&self, picked: Vec<Picked>) -> Result<Box<dyn ReadRows>, DataError> {
        let mut arrays = Vec::new();
        for array in &self.arrays {
            if !picked.iter().any(|p| array.columns.contains(&p.column)) {
                continue;
            }
            let (name, path) = (&array.entry.name, &self.archive.path);
            let (header, bytes) = self.archive.bytes(&array.entry, self.memory_limit)?;
            let rows = ArrayRows::new(name, &header, bytes, &picked, array.columns.clone());
            arrays.push(rows.map_err(|kind| kind.at(path))?);
        }
        Ok(side_by_side(&self.archive.path, arrays, picked))
    }
}

/// Names of the arrays to read: inputs and targets, or a single table.
fn array_names(spec: &FileSpec, archive: &Archive) -> Result<Vec<String>, DataError> {
    let usual = |candidates: [&str; 3]| {
        let mut found = candidates.iter();
        let found = found.find(|&&c| archive.entries.iter().any(|e| e.name == c));
        found.map(|name| (*name).to_owned())
    };
    let chosen = spec.arrays.clone();
    let inputs = chosen.inputs.or_else(|| usual(["x", "X", "inputs"]));
    let targets = chosen.targets.or_else(|| usual(["y", "Y", "targets"]));
    match (inputs, targets, &archive.entries[..]) {
        (Some(inputs), Some(targets), _) if inputs == targets => {
            let message = format!(
                "the array {inputs:?} is named for inputs and for targets; leave targets_array out and name the target columns in targets"
            );
            Err(wrong(message).at(&spec.path))
        }
        (Some(inputs), Some(targets), _) => Ok(vec![inputs, targets]),
        (Some(table), None, _) => Ok(vec![table]),
        (None, _, [only]) => Ok(vec![only.name.clone()]),
        (None, _, _) => {
            let message = format!(
                "which arrays hold inputs and targets? Set inputs_array and targets_array to some of: {}",
                crate::columns::list(&archive.names())
            );
            Err(wrong(message).at(&spec.path))
        }
    }
}

//! IDX, the format of MNIST: a header with the sizes of all axes, then bytes; gzipped or not.

use std::io::Read;
use std::path::Path;

use crate::checksum::while_hashing;
use crate::error::{DataError, damaged, empty, rows_differ, too_large, truncated, wrong};
use crate::images::Images;
use crate::open;
use crate::sniff::other_kind;

/// More bytes than this are refused before they are read: 4 GiB.
const LARGEST: u64 = 4 << 30;
/// Arrays with more axes are refused: images have three, labels one.
const MOST_AXES: usize = 4;
/// The code of unsigned bytes, the only numbers that images and labels come in.
const UNSIGNED_BYTES: u8 = 8;

/// An array of bytes.
struct Array {
    sizes: Vec<usize>,
    bytes: Vec<u8>,
}

/// Reads a file of images and the file of their labels.
///
/// # Errors
/// Files that are missing, cut, longer than they say, of another format or of other numbers than
/// bytes; images and labels that differ in number.
pub fn read_idx(images: &Path, labels: &Path) -> Result<Images, DataError> {
    let (pixels, pixel_sum) = while_hashing(images, || read_array(images, "images", 2))?;
    let (classes, label_sum) = while_hashing(labels, || read_array(labels, "labels", 1))?;
    if classes.sizes.len() != 1 {
        return Err(axes(labels, "labels have one axis", &classes.sizes));
    }
    let (rows, label_rows) = (pixels.sizes[0] as u64, classes.sizes[0] as u64);
    if rows != label_rows {
        let [inputs, targets] = [images, labels].map(|path| path.display().to_string());
        return Err(rows_differ((&inputs, rows), (&targets, label_rows)).at(labels));
    }
    Ok(Images {
        shape: pixels.sizes[1..].to_vec(),
        pixels: pixels.bytes,
        labels: classes.bytes,
        sha256: vec![pixel_sum, label_sum],
    })
}

fn axes(path: &Path, expected: &str, sizes: &[usize]) -> DataError {
    wrong(format!(
        "an array of shape {sizes:?}, where {expected}; are images and labels the wrong way round?"
    ))
    .at(path)
}

fn read_array(path: &Path, what: &str, least_axes: usize) -> Result<Array, DataError> {
    let mut magic = [0; 4];
    let mut stream = open::stream(path, open::is_gzip(path)?)?;
    let got = open::fill(&mut stream, &mut magic).map_err(|e| open::io_error(path, e))?;
    if got == 0 {
        return Err(empty().at(path));
    }
    if got < 4 || magic[..2] != [0, 0] {
        let mut head = magic[..got].to_vec();
        let more = stream.as_mut().take(60).read_to_end(&mut head);
        more.map_err(|e| open::io_error(path, e))?;
        let found = match other_kind(&head) {
            Some(name) => format!("those of {name}"),
            None => format!("{:02x?}", &magic[..got]),
        };
        return Err(wrong(format!(
            "the first bytes are {found}, not those of an IDX file, 00 00 08 and the number of axes"
        ))
        .at(path));
    }
    if magic[2] != UNSIGNED_BYTES {
        return Err(wrong(format!(
            "the file of {what} holds numbers of type 0x{:02x}; write unsigned bytes (type 0x08)",
            magic[2]
        ))
        .at(path));
    }
    let sizes = read_sizes(path, &mut stream, usize::from(magic[3]))?;
    if sizes.len() < least_axes {
        return Err(axes(path, "images have two axes or more", &sizes));
    }
    if sizes.contains(&0) {
        return Err(wrong(format!(
            "the array of {what}, of shape {sizes:?}, has no rows"
        ))
        .at(path));
    }
    let bytes = read_bytes(path, what, &mut stream, &sizes)?;
    Ok(Array { sizes, bytes })
}

fn read_sizes(path: &Path, stream: &mut dyn Read, count: usize) -> Result<Vec<usize>, DataError> {
    if count == 0 || count > MOST_AXES {
        return Err(damaged(format!("its header says that it has {count} axes")).at(path));
    }
    let mut raw = [0; 4 * MOST_AXES];
    let raw = &mut raw[..4 * count];
    let got = open::fill(stream, raw).map_err(|e| open::io_error(path, e))?;
    if got < raw.len() {
        return Err(truncated("it stops inside its header").at(path));
    }
    let size = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize;
    Ok(raw.chunks_exact(4).map(size).collect())
}

fn read_bytes(
    path: &Path,
    what: &str,
    stream: &mut dyn Read,
    sizes: &[usize],
) -> Result<Vec<u8>, DataError> {
    let product = |n: u64, &d: &usize| n.checked_mul(d as u64);
    let bytes = sizes.iter().try_fold(1, product).unwrap_or(u64::MAX);
    if bytes > LARGEST {
        let what = format!("the array of {what}, of shape {sizes:?},");
        return Err(too_large(what, bytes, LARGEST, "write fewer of them").at(path));
    }
    // One byte more than there should be: whatever follows would be a sign of damage. The buffer
    // grows with what arrives, so a header cannot claim memory.
    let mut values = Vec::new();
    let read = stream.take(bytes + 1).read_to_end(&mut values);
    read.map_err(|e| open::io_error(path, e))?;
    let got = values.len() as u64;
    if got < bytes {
        let detail = format!("its header says {sizes:?}, {bytes} bytes, but there are {got}");
        return Err(truncated(detail).at(path));
    }
    if got > bytes {
        let detail = format!("its header says {sizes:?}, but more bytes follow");
        return Err(damaged(detail).at(path));
    }
    Ok(values)
}

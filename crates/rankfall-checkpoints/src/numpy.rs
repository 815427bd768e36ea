//! NPY arrays, alone or in an NPZ archive. Their headers are read by `rankfall-data`.

use crate::archive::Entries;
use crate::dtype::Dtype;
use crate::error::CheckpointError;
use crate::file::{PositionedFile, Region};
use crate::place::{Place, contiguous};
use crate::tensor::Tensor;
use rankfall_data::NpyHeader;
use std::sync::Arc;

/// The first bytes of an array.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Longer headers are refused where they are read.
const LONGEST_HEADER: u64 = 1 << 21;

/// The tensor of an NPY file, named like the file.
pub fn single(file: &Arc<PositionedFile>) -> Result<Vec<Tensor>, CheckpointError> {
    let name = file
        .path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(vec![tensor(name, &Region::stored(file, 0, file.length))?])
}

/// The arrays of an NPZ archive.
pub fn archived(entries: &Entries) -> Result<Vec<Tensor>, CheckpointError> {
    let arrays = entries
        .iter()
        .filter_map(|(name, region)| Some((name.strip_suffix(".npy")?, region)));
    let read = |(name, region): (&str, &Region)| {
        let broken = |error: CheckpointError| Tensor::unreadable(name.to_owned(), error.detail);
        tensor(name.to_owned(), region).unwrap_or_else(broken)
    };
    Ok(arrays.map(read).collect())
}

fn tensor(name: String, region: &Region) -> Result<Tensor, CheckpointError> {
    let length = region.length.min(LONGEST_HEADER) as usize;
    // The header is short; a packed entry is unpacked no further than it may reach.
    let mut head = vec![0; length.min(1 << 12)];
    region.read(0, &mut head)?;
    let path = &region.file.path;
    let read = |head: &[u8]| NpyHeader::read(path, &name, &mut &head[..]);
    let header = match read(&head) {
        Err(_) if head.len() < length => {
            head.resize(length, 0);
            region.read(0, &mut head)?;
            read(&head)
        }
        other => other,
    };
    let header = header.map_err(|error| CheckpointError::new(path, error.to_string()))?;
    let mut strides = contiguous(&header.shape);
    if header.fortran {
        let turned: Vec<u64> = header.shape.iter().rev().copied().collect();
        strides = contiguous(&turned);
        strides.reverse();
    }
    let dtype = dtype(header.dtype.name());
    let size = dtype.size().unwrap_or(1) as u64;
    if region.length < header.offset {
        let detail = format!("{name} ends within its header");
        return Err(CheckpointError::new(path, detail));
    }
    let (region, offset) = if !region.deflated {
        let (start, length) = (region.start + header.offset, region.length - header.offset);
        (Region::stored(&region.file, start, length), 0)
    } else if header.offset.is_multiple_of(size) {
        // Counted in numbers: what is packed can only be entered at its start.
        (region.clone(), header.offset / size)
    } else {
        let problem = "its numbers are packed behind a header of an odd length";
        return Ok(Tensor {
            dtype,
            ..Tensor::unreadable(name, problem)
        });
    };
    let place = Place {
        region,
        offset,
        strides,
        big_endian: header.dtype.is_big_endian(),
    };
    Ok(Tensor::at(name, &header.shape, dtype, place))
}

fn dtype(name: &str) -> Dtype {
    match name {
        "f8" => Dtype::F64,
        "f4" => Dtype::F32,
        "f2" => Dtype::F16,
        "b1" => Dtype::Bool,
        _ => {
            let bytes = name
                .get(1..)
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(1);
            Dtype::Int {
                bytes,
                signed: name.starts_with('i'),
            }
        }
    }
}

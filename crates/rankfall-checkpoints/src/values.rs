//! The numbers of one tensor, read from any place on as doubles.

use crate::dtype::Dtype;
use crate::error::CheckpointError;
use crate::file::Region;
use crate::place::{Place, contiguous};

/// Bytes that are read at once.
const PIECE: usize = 1 << 16;

/// The numbers of a tensor in the order of its indices, the last fastest, whatever the order in the
/// file.
///
/// Those that lie one after the other in a file are read where they are, and take no memory; packed
/// or scattered ones are held, as many bytes as the file has for them.
#[derive(Debug)]
pub struct Values {
    shape: Vec<u64>,
    strides: Vec<u64>,
    dtype: Dtype,
    big_endian: bool,
    size: usize,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    InFile { region: Region, start: u64 },
    Held(Vec<u8>),
}

impl Values {
    pub(crate) fn open(
        shape: &[usize],
        dtype: &Dtype,
        place: &Place,
    ) -> Result<Self, CheckpointError> {
        let region = &place.region;
        let size = dtype.size().ok_or_else(|| {
            CheckpointError::new(
                &region.file.path,
                format!("numbers of type {} are not read", dtype.name()),
            )
        })?;
        let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        // Of a tensor without numbers the place means nothing.
        let start = place.offset.saturating_mul(size as u64);
        let in_order =
            place.strides == contiguous(&shape) || shape.iter().filter(|n| **n > 1).count() == 0;
        let bytes = if in_order && !region.deflated {
            Bytes::InFile {
                region: region.clone(),
                start,
            }
        } else {
            Bytes::Held(held(region, start, size, &shape, &place.strides)?)
        };
        Ok(Self {
            strides: place.strides.clone(),
            dtype: dtype.clone(),
            big_endian: place.big_endian,
            shape,
            size,
            bytes,
        })
    }

    /// Fills `out` with the numbers from the `start`-th on. Types that are not floating give NaN.
    ///
    /// # Errors
    /// A file that cannot be read, or has become shorter.
    ///
    /// # Panics
    /// Where the tensor has fewer numbers than that.
    pub fn read(&self, start: usize, out: &mut [f64]) -> Result<(), CheckpointError> {
        let count: u64 = self.shape.iter().product();
        assert!(
            (start + out.len()) as u64 <= count,
            "numbers beyond the end of a tensor"
        );
        // No larger than what is read: short lines of a wide matrix would spend their time on
        // clearing it.
        let mut buffer = vec![0u8; PIECE.min(out.len() * self.size)];
        let at_once = PIECE / self.size;
        for (i, piece) in out.chunks_mut(at_once).enumerate() {
            let first = (start + i * at_once) as u64;
            let bytes = &mut buffer[..piece.len() * self.size];
            self.fill(first, bytes)?;
            if self.big_endian {
                bytes.chunks_mut(self.size).for_each(<[u8]>::reverse);
            }
            self.dtype.decode(bytes, piece);
        }
        Ok(())
    }

    /// The bytes of the numbers from `first` on.
    fn fill(&self, first: u64, out: &mut [u8]) -> Result<(), CheckpointError> {
        match &self.bytes {
            Bytes::InFile { region, start } => region.read(start + first * self.size as u64, out),
            Bytes::Held(held) => {
                for (i, number) in out.chunks_mut(self.size).enumerate() {
                    let at = self.position(first + i as u64) as usize * self.size;
                    number.copy_from_slice(&held[at..at + self.size]);
                }
                Ok(())
            }
        }
    }

    /// Where the number with this flat index is, counted in numbers.
    fn position(&self, mut index: u64) -> u64 {
        let mut at = 0;
        for (&n, &stride) in self.shape.iter().zip(&self.strides).rev() {
            at += index % n * stride;
            index /= n;
        }
        at
    }
}

/// From the first to the last byte that a tensor uses.
fn held(
    region: &Region,
    start: u64,
    size: usize,
    shape: &[u64],
    strides: &[u64],
) -> Result<Vec<u8>, CheckpointError> {
    if shape.contains(&0) {
        return Ok(Vec::new());
    }
    let last: u64 = shape
        .iter()
        .zip(strides)
        .map(|(n, stride)| (n - 1) * stride)
        .sum();
    let span = (last + 1) * size as u64;
    let mut bytes = Vec::new();
    let room = usize::try_from(span)
        .ok()
        .and_then(|span| bytes.try_reserve_exact(span).ok());
    if room.is_none() {
        let detail = format!("a tensor needs {span} bytes of memory, which are not to be had");
        return Err(CheckpointError::new(&region.file.path, detail));
    }
    bytes.resize(span as usize, 0);
    region.read(start, &mut bytes)?;
    Ok(bytes)
}

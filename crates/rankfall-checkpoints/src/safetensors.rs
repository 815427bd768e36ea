//! Safetensors: a length, a header in JSON, and the numbers behind it.

use crate::contents::Contents;
use crate::dtype::Dtype;
use crate::error::CheckpointError;
use crate::file::{PositionedFile, Region};
use crate::json;
use crate::place::{Place, contiguous};
use crate::tensor::Tensor;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The limit of the format itself.
const LONGEST_HEADER: u64 = 100_000_000;

/// Whether a file begins like one: a length that fits the file, and a brace.
pub fn looks_like(head: &[u8], length: u64) -> bool {
    let Some((size, rest)) = head.split_first_chunk::<8>() else {
        return false;
    };
    let size = u64::from_le_bytes(*size);
    rest.first() == Some(&b'{') && size <= LONGEST_HEADER.max(length)
}

/// Reads the header of a file.
pub fn read(file: &Arc<PositionedFile>) -> Result<Contents, CheckpointError> {
    let size = file.bytes(0, 8, 8)?;
    let size = u64::from_le_bytes(size.try_into().unwrap_or_default());
    let text = file.bytes(8, size, LONGEST_HEADER)?;
    let header: Map<String, Value> = json::read(&text)
        .map_err(|what| CheckpointError::new(&file.path, format!("its header: {what}")))?;
    let mut step = None;
    let mut tensors = Vec::new();
    for (name, value) in header {
        if name == "__metadata__" {
            let mut texts = ["global_step", "step"].iter().map(|key| &value[key]);
            step = texts.find_map(|text| text.as_str()?.parse().ok());
            continue;
        }
        let problem = "its entry in the header has no dtype, shape and data_offsets that fit";
        let placed = tensor(file, 8 + size, name.clone(), &value);
        tensors.push(placed.unwrap_or_else(|| (0, Tensor::unreadable(name, problem))));
    }
    tensors.sort_by_key(|(begin, _)| *begin);
    Ok(Contents {
        tensors: tensors.into_iter().map(|(_, tensor)| tensor).collect(),
        step,
        ..Contents::default()
    })
}

/// Where it begins behind the header, and the tensor; `None` where the header does not say.
fn tensor(
    file: &Arc<PositionedFile>,
    start: u64,
    name: String,
    value: &Value,
) -> Option<(u64, Tensor)> {
    let numbers = |key: &str| -> Option<Vec<u64>> {
        let all = value.get(key)?.as_array()?.iter();
        all.map(Value::as_u64).collect()
    };
    let dtype = dtype(value.get("dtype")?.as_str()?);
    let shape = numbers("shape")?;
    let offsets = numbers("data_offsets")?;
    let &[begin, end] = &offsets[..] else {
        return None;
    };
    let first = start.checked_add(begin)?;
    let length = end
        .checked_sub(begin)?
        .min(file.length.saturating_sub(first));
    let region = Region::stored(file, first, length);
    let place = Place {
        region,
        offset: 0,
        strides: contiguous(&shape),
        big_endian: false,
    };
    Some((begin, Tensor::at(name, &shape, dtype, place)))
}

fn dtype(name: &str) -> Dtype {
    match name {
        "F64" => Dtype::F64,
        "F32" => Dtype::F32,
        "F16" => Dtype::F16,
        "BF16" => Dtype::Bf16,
        "F8_E4M3" => Dtype::F8E4m3,
        "F8_E5M2" => Dtype::F8E5m2,
        "BOOL" => Dtype::Bool,
        "C64" => Dtype::Complex { bytes: 8 },
        "I8" | "I16" | "I32" | "I64" | "U8" | "U16" | "U32" | "U64" => {
            let bits: u8 = name[1..].parse().unwrap_or(8);
            Dtype::Int {
                bytes: bits / 8,
                signed: name.starts_with('I'),
            }
        }
        other => Dtype::Other(other.to_lowercase()),
    }
}

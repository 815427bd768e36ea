//! A checkpoint of any kind, told apart by its first bytes and not by its name.

use crate::contents::{Contents, OpaqueObject};
use crate::error::CheckpointError;
use crate::file::PositionedFile;
use crate::tensor::{Role, Tensor};
use crate::{archive, numpy, roles, safetensors, sharded, step, torch};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What kind of file a checkpoint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Safetensors, one file.
    #[default]
    Safetensors,
    /// Several files and their index.
    Sharded,
    /// PyTorch since version 1.6: a ZIP archive.
    TorchArchive,
    /// PyTorch before.
    TorchLegacy,
    /// A pickle without storages of numbers.
    Pickle,
    /// One NumPy array.
    Npy,
    /// NumPy arrays in an archive.
    Npz,
}

/// What a file says of its tensors.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The file, or the index of several.
    pub path: PathBuf,
    /// What kind of file it is.
    pub format: Format,
    /// All tensors, in the order of the file.
    pub tensors: Vec<Tensor>,
    /// Objects of a pickle that have no meaning here. They were not executed.
    pub inert: Vec<OpaqueObject>,
    /// The step of training: what the file says of itself, else what its name says.
    pub step: Option<u64>,
}

impl Checkpoint {
    /// Reads what a file says of its tensors: names, shapes, types and places, no numbers.
    ///
    /// Memory and time are bounded by the size of the list of tensors, whatever the file claims. A
    /// tensor whose numbers cannot be read is listed with its [`problem`](Tensor::problem).
    ///
    /// # Errors
    /// A file that is no checkpoint, of a format that is not read (named, with a cure), or damaged
    /// in its list of tensors.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let is_index = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let (format, mut contents) = if is_index {
            let contents = sharded::read(path, |shard| Ok(read_file(shard)?.1))?;
            (Format::Sharded, contents)
        } else {
            read_file(path)?
        };
        for tensor in &mut contents.tensors {
            if tensor.role == Role::Weight {
                tensor.role = roles::of_name(&tensor.name);
            }
        }
        tie(&mut contents.tensors);
        Ok(Self {
            path: path.to_owned(),
            format,
            tensors: contents.tensors,
            inert: contents.inert,
            step: contents.step.or_else(|| step::of_path(path)),
        })
    }
}

fn read_file(path: &Path) -> Result<(Format, Contents), CheckpointError> {
    let file = PositionedFile::open(path)?;
    let head = file.head::<64>()?;
    let tensors = |tensors| Contents {
        tensors,
        ..Contents::default()
    };
    if head.is_empty() {
        return Err(CheckpointError::new(path, "it is empty"));
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        let entries = archive::entries(&file)?;
        if torch::is_archive(&entries) {
            return Ok((Format::TorchArchive, torch::archived(&file, &entries)?));
        }
        let arrays = numpy::archived(&entries)?;
        if arrays.is_empty() {
            let detail =
                "it is a ZIP archive with neither a PyTorch checkpoint nor NumPy arrays in it";
            return Err(CheckpointError::new(path, detail));
        }
        return Ok((Format::Npz, tensors(arrays)));
    }
    if head.starts_with(numpy::MAGIC) {
        return Ok((Format::Npy, tensors(numpy::single(&file)?)));
    }
    if let Some(error) = known_but_not_read(path, &head) {
        return Err(error);
    }
    if torch::is_legacy(&head) {
        return Ok((Format::TorchLegacy, torch::legacy(&file)?));
    }
    if safetensors::looks_like(&head, file.length) {
        return Ok((Format::Safetensors, safetensors::read(&file)?));
    }
    if torch::is_pickle(&head) || head.starts_with(b"(") {
        return Ok((Format::Pickle, torch::bare(&file)?));
    }
    let detail = "it is none of the formats that are read: safetensors, PyTorch, NPY, NPZ";
    Err(CheckpointError::new(path, detail))
}

/// Formats that are told by their first bytes and refused by name.
fn known_but_not_read(path: &Path, head: &[u8]) -> Option<CheckpointError> {
    let is_tar = head
        .get(..64)
        .is_some_and(|h| h.starts_with(b"./") || h.starts_with(b"storages"));
    let onnx = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    let (name, cure) = match head {
        h if h.starts_with(b"GGUF") => (
            "GGUF",
            "most are quantised; inspect the safetensors file it was made from",
        ),
        h if h.starts_with(b"\x89HDF") => {
            ("HDF5", "save the weights with numpy.savez or safetensors")
        }
        h if h.starts_with(b"\x1f\x8b") => ("gzip", "unpack it first"),
        _ if onnx => (
            "ONNX",
            "save its initialisers with numpy.savez or safetensors",
        ),
        _ if is_tar => (
            "tar (of PyTorch before 0.1.10)",
            "load and save it with a newer PyTorch",
        ),
        _ => return None,
    };
    Some(CheckpointError::new(path, format!("files of the format {name} are not read")).cure(cure))
}

/// Names, for each tensor that is the same stretch of the same file as an earlier one, that one.
fn tie(tensors: &mut [Tensor]) {
    let mut first = HashMap::new();
    for tensor in tensors {
        if tensor.is_empty() {
            continue;
        }
        if let Some(identity) = tensor.identity() {
            match first.get(&identity) {
                Some(name) => tensor.tied_to = Some(String::clone(name)),
                None => drop(first.insert(identity, tensor.name.clone())),
            }
        }
    }
}

//! Readers of checkpoints: which tensors a file holds, and their numbers one tensor at a time.
//!
//! [`Checkpoint::open`] reads what a file says of its tensors, never their numbers: safetensors
//! (single, or sharded by an index), PyTorch files (ZIP and the older format), NPY and NPZ. Pickles
//! are never executed: an interpreter of their opcodes knows tensors, containers, numbers and
//! texts, and keeps everything else as an inert object with a name. [`Tensor::values`] then reads
//! numbers by position, in bounded memory.
//!
//! ```
//! use rankfall_checkpoints::Checkpoint;
//! # let folder = std::env::temp_dir().join(format!("rankfall-checkpoints-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("model.safetensors");
//! let header = br#"{"fc.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
//! let mut file = (header.len() as u64).to_le_bytes().to_vec();
//! file.extend_from_slice(header);
//! file.extend_from_slice(&[1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat());
//! std::fs::write(&path, file)?;
//! let checkpoint = Checkpoint::open(&path)?;
//! let tensor = &checkpoint.tensors[0];
//! let mut numbers = [0.0; 2];
//! tensor.values()?.read(0, &mut numbers)?;
//! assert_eq!((tensor.name.as_str(), numbers), ("fc.weight", [1.5, -2.0]));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod checkpoint;
mod contents;
mod dtype;
mod error;
mod file;
mod find;
mod json;
mod numpy;
mod pickle;
mod place;
mod roles;
mod safetensors;
mod sharded;
mod step;
mod tensor;
mod torch;
mod values;
mod walk;

pub use checkpoint::{Checkpoint, Format};
pub use contents::OpaqueObject;
pub use dtype::Dtype;
pub use error::CheckpointError;
pub use find::{find, matches};
pub use tensor::{Role, Tensor};
pub use values::Values;

//! Spectra of the layers of any checkpoint.
//!
//! A [`plan::Plan`] lists every tensor, and what is not analysed says why; [`inspect::inspect`]
//! computes singular values with bounds of their errors, and from them ranks, norms, determinants
//! and tails; [`compare::compare`] holds two checkpoints against each other.
//!
//! ```
//! use rankfall_checkpoints::Checkpoint;
//! use rankfall_inspect::{inspect::{Unwatched, inspect}, plan::{Choice, Plan}};
//! # let folder = std::env::temp_dir().join(format!("rankfall-inspect-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("m.safetensors");
//! # let header = br#"{"w":{"dtype":"F64","shape":[2,2],"data_offsets":[0,32]}}"#;
//! # let mut file = (header.len() as u64).to_le_bytes().to_vec();
//! # file.extend_from_slice(header);
//! # for x in [3.0f64, 0.0, 0.0, 4.0] { file.extend_from_slice(&x.to_le_bytes()); }
//! # std::fs::write(&path, file)?;
//! let mut plan = Plan::default();
//! plan.add(&Checkpoint::open(&path)?, &Choice::default());
//! let inspection = inspect(plan, 1, None, &Unwatched);
//! let row = &inspection.tensors[0];
//! assert!((row.sigma_max.unwrap() - 4.0).abs() <= row.error_bound.unwrap());
//! assert_eq!(row.numerical_rank, Some(2));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bidiagonal;
pub mod columns;
pub mod compare;
pub mod decompose;
pub mod estimate;
pub mod figures;
mod gram;
pub mod inspect;
pub mod measures;
pub mod numbers;
pub mod plan;
pub mod record;
mod same;
pub mod saved;
mod source;
pub mod spectrum;
pub mod table;
pub mod tail;
pub mod view;
mod workers;

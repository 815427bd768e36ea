//! Data readers, streamed into Gram matrices.
//!
//! A [`FileSpec`] says which file and which of its columns; [`load`] reads it once, with bounded
//! memory, into the second moments that a linear network sees; [`load_rows`] brings the rows
//! themselves for the dynamics that need them; [`RowSource`] hands them out chunk by chunk.
//! [`read_gram`] reads moments that someone else summed.
//!
//! ```
//! use rankfall_data::{ColumnSelector, FileSpec, load};
//! # let folder = std::env::temp_dir().join(format!("rankfall-data-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("houses.csv");
//! std::fs::write(&path, "area,rooms,price\n70,3,210\n90,4,260\n")?;
//! let mut spec = FileSpec::new(&path);
//! spec.targets = Some(vec![ColumnSelector::from("price")]);
//! let loaded = load(&spec)?;
//! assert_eq!(loaded.inputs, ["area", "rooms"]);
//! assert_eq!(loaded.gram.sxx[(0, 1)], (70.0 * 3.0 + 90.0 * 4.0) / 2.0);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundled;
mod checksum;
mod cifar;
mod classes;
mod columns;
mod dialect;
mod digest;
mod encoding;
mod error;
mod gram_file;
mod guarded;
mod header;
mod idx;
mod images;
mod load;
mod memory;
mod npy;
mod npz;
mod npz_arrays;
mod open;
pub mod parquet_columns;
mod parquet_table;
mod read_rows;
mod rows;
mod sniff;
mod spec;
mod table;
mod text;
mod text_table;
mod zip_entries;

pub use bundled::{BUNDLED, Bundled, BundledRows, DATA_FOLDER, MnistFiles, PACKAGED, Packaged};
pub use checksum::while_hashing;
pub use cifar::{CifarLabels, read_cifar};
pub use digest::sha256_of;
pub use error::{DataError, DataErrorKind};
pub use gram_file::{GramFile, read_gram};
pub use idx::read_idx;
pub use images::Images;
pub use load::{TableMoments, load, load_rows};
pub use memory::{MemoryFile, is_in_memory};
pub use npy::{NpyDtype, NpyHeader, half};
pub use npz_arrays::NpzArrays;
pub use rows::{Chunk, RowSource};
pub use spec::{ArrayNames, ColumnSelector, Delimiter, FileSpec, HeaderRow, TableFormat};
pub use zip_entries::{ZipEntry, zip_entries};

//! Files in memory: bytes under a name that stands for a path, for data that nobody wrote to a
//! disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::digest::sha256_of;

/// What the name of a file in memory begins with.
const PREFIX: &str = "memory:";

type Files = HashMap<PathBuf, Weak<Vec<u8>>>;

static FILES: Mutex<Option<Files>> = Mutex::new(None);

fn files() -> MutexGuard<'static, Option<Files>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that readers find under [`MemoryFile::path`] as long as this or a clone of it is there.
///
/// The name is made of the checksum of the bytes and of what files of their kind end with: equal
/// bytes have the same name in every process. NPY, NPZ and text can be read so, Parquet cannot.
///
/// ```
/// use rankfall_data::{ColumnSelector, FileSpec, MemoryFile, load};
/// let table = MemoryFile::new(b"area,price\n70,210\n90,260\n".to_vec(), "csv");
/// let mut spec = FileSpec::new(table.path());
/// spec.targets = Some(vec![ColumnSelector::from("price")]);
/// assert_eq!(load(&spec)?.rows, 2);
/// drop(table);
/// assert!(load(&spec).is_err());
/// # Ok::<(), rankfall_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryFile {
    path: PathBuf,
    bytes: Arc<Vec<u8>>,
}

impl MemoryFile {
    /// A file of these bytes, whose name ends with `.extension`.
    #[must_use]
    pub fn new(bytes: Vec<u8>, extension: &str) -> Self {
        let path = PathBuf::from(format!("{PREFIX}{}.{extension}", sha256_of(&bytes)));
        let mut files = files();
        let files = files.get_or_insert_default();
        files.retain(|_, bytes| bytes.strong_count() > 0);
        if let Some(bytes) = files.get(&path).and_then(Weak::upgrade) {
            return Self { path, bytes };
        }
        let bytes = Arc::new(bytes);
        files.insert(path.clone(), Arc::downgrade(&bytes));
        Self { path, bytes }
    }

    /// The name that stands for its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether a path is the name of a file in memory, there or not.
#[must_use]
pub fn is_in_memory(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.starts_with(PREFIX))
}

/// The bytes under a name, if somebody holds them.
pub(crate) fn find(path: &Path) -> Option<Arc<Vec<u8>>> {
    files().as_ref()?.get(path)?.upgrade()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_one_file_and_are_gone_with_the_last_who_holds_them() {
        let one = MemoryFile::new(vec![1, 2, 250], "npy");
        let two = MemoryFile::new(vec![1, 2, 250], "npy");
        assert!(Arc::ptr_eq(&one.bytes, &two.bytes));
        assert!(is_in_memory(one.path()) && !is_in_memory(Path::new("a/memory:b")));
        let path = one.path().to_owned();
        drop(one);
        assert_eq!(find(&path).as_deref(), Some(&vec![1, 2, 250]));
        drop(two);
        assert_eq!(find(&path), None);
    }
}

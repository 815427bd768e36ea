//! A folder of its own for each test, and the few things all tests do with files.
#![allow(dead_code)]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rankfall_data::{ColumnSelector, DataError, FileSpec, load};

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

/// A folder that is removed at the end of the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("rankfall-data-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file kept with the tests.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

pub fn spec<S: Into<ColumnSelector>>(
    path: impl Into<PathBuf>,
    targets: impl IntoIterator<Item = S>,
) -> FileSpec {
    let mut spec = FileSpec::new(path);
    spec.targets = Some(targets.into_iter().map(Into::into).collect());
    spec
}

/// The message of the error that `load` must give.
pub fn message(spec: &FileSpec) -> String {
    let error: DataError = load(spec).expect_err("this file must be refused");
    let text = error.to_string();
    assert!(text.starts_with(&spec.path.display().to_string()), "{text}");
    text
}

pub fn assert_says(spec: &FileSpec, parts: &[&str]) {
    let text = message(spec);
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

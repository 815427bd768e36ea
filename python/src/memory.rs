//! Bytes that an experiment reads like a file.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An NPZ under a name that stands for a path as long as this object is there.
#[pyclass(frozen, name = "MemoryFile", module = "rankfall._rankfall")]
pub struct PyMemoryFile(rankfall_data::MemoryFile);

#[pymethods]
impl PyMemoryFile {
    #[new]
    fn new(bytes: Vec<u8>) -> Self {
        Self(rankfall_data::MemoryFile::new(bytes, "npz"))
    }

    /// The name.
    #[getter]
    fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    /// What is in it.
    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }
}

//! What a reader of one format gives.

use crate::tensor::Tensor;

/// What a reader of one format gives.
#[derive(Debug, Default)]
pub struct Contents {
    /// In the order of the file.
    pub tensors: Vec<Tensor>,
    /// Objects that were left as they are.
    pub inert: Vec<OpaqueObject>,
    /// At which step it was written, where it says so.
    pub step: Option<u64>,
}

/// An object of a pickle that rankfall has no meaning for. It was not executed, and does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaqueObject {
    /// Where it is.
    pub path: String,
    /// What it would have been made by, such as `torch.device` or `os.system`.
    pub class: String,
}

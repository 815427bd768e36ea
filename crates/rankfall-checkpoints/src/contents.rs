//! What a reader of one format gives.

use crate::tensor::Tensor;
use crate::walk::OpaqueObject;

/// What a reader of one format gives.
#[derive(Debug, Default)]
pub struct Contents {
    pub tensors: Vec<Tensor>,
    pub inert: Vec<OpaqueObject>,
    pub step: Option<u64>,
}

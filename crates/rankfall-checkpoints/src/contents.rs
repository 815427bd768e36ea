//! What a reader of one format gives.

use crate::tensor::Tensor;
use crate::walk::Inert;

/// What a reader of one format gives.
#[derive(Debug, Default)]
pub struct Contents {
    pub tensors: Vec<Tensor>,
    pub inert: Vec<Inert>,
    pub step: Option<u64>,
}

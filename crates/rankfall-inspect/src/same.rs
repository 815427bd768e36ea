//! Which tensors of a checkpoint are copies of others, number by number.

use rankfall_checkpoints::{CheckpointError, Tensor, Values};
use std::collections::HashMap;

/// So many numbers at the start tell most tensors apart.
const START: usize = 256;
/// Numbers compared at once.
const PIECE: usize = 1 << 16;

/// For each tensor the name of an earlier one with the same shape, type and numbers, where there is
/// one.
///
/// Only matrices and what has more sizes are compared: many vectors are all ones.
pub fn copies(tensors: &[Tensor]) -> Vec<Option<String>> {
    let mut seen: HashMap<(Vec<usize>, String, Vec<u64>), Vec<usize>> = HashMap::new();
    let mut all = vec![None; tensors.len()];
    for (i, tensor) in tensors.iter().enumerate() {
        let matters =
            tensor.shape.len() > 1 && tensor.tied_to.is_none() && tensor.dtype.epsilon().is_some();
        // What cannot be read is no copy; its own row says why.
        let Some(start) = matters.then(|| start(tensor).ok()).flatten() else {
            continue;
        };
        let alike = seen
            .entry((tensor.shape.clone(), tensor.dtype.name(), start))
            .or_default();
        let same = alike
            .iter()
            .find(|&&j| are_equal(&tensors[j], tensor).unwrap_or(false));
        match same {
            Some(&j) => all[i] = Some(tensors[j].name.clone()),
            None => alike.push(i),
        }
    }
    all
}

fn start(tensor: &Tensor) -> Result<Vec<u64>, CheckpointError> {
    let mut numbers = vec![0.0; START.min(tensor.len().unwrap_or(0))];
    tensor.values()?.read(0, &mut numbers)?;
    Ok(numbers.into_iter().map(f64::to_bits).collect())
}

fn are_equal(a: &Tensor, b: &Tensor) -> Result<bool, CheckpointError> {
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    side_by_side(&a.values()?, &b.values()?, a.len().unwrap_or(0), same)
}

/// Looks at `count` numbers of both, a piece at a time, until a piece is not liked; whether all
/// were.
pub fn side_by_side(
    a: &Values,
    b: &Values,
    count: usize,
    mut look: impl FnMut(&[f64], &[f64]) -> bool,
) -> Result<bool, CheckpointError> {
    let (mut x, mut y) = (vec![0.0; PIECE], vec![0.0; PIECE]);
    for at in (0..count).step_by(PIECE) {
        let length = PIECE.min(count - at);
        a.read(at, &mut x[..length])?;
        b.read(at, &mut y[..length])?;
        if !look(&x[..length], &y[..length]) {
            return Ok(false);
        }
    }
    Ok(true)
}

//! `final.safetensors`: matrices by name, in double precision.

use rankfall_nets::network::Network;
use safetensors::{Dtype, SafeTensorError, tensor::TensorView};
use serde::{Deserialize, Serialize};

/// A named array of doubles, rows first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedArray {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, the last index running fastest.
    pub values: Vec<f64>,
}

/// The bytes of a safetensors file.
///
/// # Errors
/// A shape that does not fit its values.
pub fn encode(tensors: &[NamedArray]) -> Result<Vec<u8>, SafeTensorError> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| little_endian(&t.values)).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (tensor, bytes) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F64, tensor.shape.clone(), bytes)?;
        views.push((tensor.name.as_str(), view));
    }
    safetensors::serialize(views, None)
}

/// The weights of a network under PyTorch's names, each with `prefix` in front.
pub fn layer_tensors(network: &Network, parameters: &[f64], prefix: &str) -> Vec<NamedArray> {
    let mut tensors = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let weights = &parameters[layer.weights.clone()];
        let (shape, values) = match layer.diagonal {
            true => (vec![layer.inputs], weights.to_vec()),
            false => {
                let (rows, columns) = (layer.outputs, layer.inputs);
                let transposed =
                    (0..rows * columns).map(|i| weights[i % columns * rows + i / columns]);
                (vec![rows, columns], transposed.collect())
            }
        };
        tensors.push(NamedArray {
            name: format!("{prefix}layers.{index}.weight"),
            shape,
            values,
        });
        if !layer.biases.is_empty() {
            tensors.push(NamedArray {
                name: format!("{prefix}layers.{index}.bias"),
                shape: vec![layer.outputs],
                values: parameters[layer.biases.clone()].to_vec(),
            });
        }
    }
    tensors
}

fn little_endian(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], values: &[f64]) -> NamedArray {
        NamedArray {
            name: name.to_owned(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn tensors_read_back_as_they_were() {
        let w1 = tensor("w1", &[2, 3], &[1.0, -2.0, 3.5, 0.0, 1e-300, f64::MAX]);
        let w2 = tensor("w2", &[3, 1], &[0.1, 0.2, 0.3]);
        let bytes = encode(&[w1.clone(), w2]).unwrap();
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let view = read.tensor("w1").unwrap();
        assert_eq!(view.shape(), [2, 3]);
        assert_eq!(view.dtype(), Dtype::F64);
        assert_eq!(view.data(), little_endian(&w1.values));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_shape_that_does_not_fit_is_refused() {
        assert!(encode(&[tensor("w1", &[2, 2], &[1.0])]).is_err());
    }
}

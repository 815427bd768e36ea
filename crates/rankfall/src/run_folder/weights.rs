//! `final.safetensors`: matrices by name, in double precision.

use crate::failure::{Failure, quoted, shown_path};
use faer::Mat;
use rankfall_core::network::Weights;
use rankfall_nets::network::Network;
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A named array of doubles, rows first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
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
pub fn encode(tensors: &[Tensor]) -> Result<Vec<u8>, SafeTensorError> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| little_endian(&t.values)).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (tensor, bytes) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F64, tensor.shape.clone(), bytes)?;
        views.push((tensor.name.as_str(), view));
    }
    safetensors::serialize(views, None)
}

/// Weights larger than this are not read: no network this program runs has them.
const LARGEST_FILE: u64 = 16 << 30;

/// Reads `w1` (p × l) and `w2` (l × k) of a safetensors file, in single or double precision, and
/// the file's checksum.
///
/// # Errors
/// Exit code 2: no such file, not safetensors, a tensor missing, of another type, or no matrix.
pub fn read(path: &Path) -> Result<(Weights, String), Failure> {
    let shown = shown_path(path);
    let wrong =
        |why: String| Failure::input(format!("cannot use {shown} as initial weights: {why}"));
    let bytes = read_bytes(path).map_err(wrong)?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong(format!("it is not a safetensors file ({error})")))?;
    let weights = Weights {
        w1: matrix(&tensors, "w1").map_err(wrong)?,
        w2: matrix(&tensors, "w2").map_err(wrong)?,
    };
    Ok((weights, rankfall_data::sha256_of(&bytes)))
}

/// Reads the weights of a network under PyTorch's names, `layers.0.weight` (outputs × inputs, a list
/// for a diagonal layer) and `layers.0.bias`, numbered as the network numbers its parameters, and
/// the file's checksum.
///
/// # Errors
/// Exit code 2: no such file, not safetensors, a tensor missing or one too many, or of another shape
/// or type.
pub fn read_layers(path: &Path, network: &Network) -> Result<(Vec<f64>, String), Failure> {
    let wrong = |why: String| {
        let shown = shown_path(path);
        Failure::input(format!("cannot use {shown} as initial weights: {why}"))
    };
    let bytes = read_bytes(path).map_err(wrong)?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong(format!("it is not a safetensors file ({error})")))?;
    let mut parameters = vec![0.0; network.parameters()];
    let mut expected = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let name = format!("layers.{index}.weight");
        if layer.diagonal {
            let values = numbers(&tensors, &name, &[layer.inputs]).map_err(wrong)?;
            parameters[layer.weights.clone()].copy_from_slice(&values);
        } else {
            let shape = [layer.outputs, layer.inputs];
            let values = numbers(&tensors, &name, &shape).map_err(wrong)?;
            for (place, weight) in parameters[layer.weights.clone()].iter_mut().enumerate() {
                let (input, output) = (place / layer.outputs, place % layer.outputs);
                *weight = values[output * layer.inputs + input];
            }
        }
        expected.push(name);
        if !layer.biases.is_empty() {
            let name = format!("layers.{index}.bias");
            let values = numbers(&tensors, &name, &[layer.outputs]).map_err(wrong)?;
            parameters[layer.biases.clone()].copy_from_slice(&values);
            expected.push(name);
        }
    }
    if let Some(more) = tensors
        .names()
        .into_iter()
        .find(|n| !expected.iter().any(|e| e == n))
    {
        let message = format!("it has a tensor {}, and the network has none", quoted(more));
        return Err(wrong(message));
    }
    Ok((parameters, rankfall_data::sha256_of(&bytes)))
}

/// The weights of a network under PyTorch's names, each with `prefix` in front.
pub fn layer_tensors(network: &Network, parameters: &[f64], prefix: &str) -> Vec<Tensor> {
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
        tensors.push(Tensor {
            name: format!("{prefix}layers.{index}.weight"),
            shape,
            values,
        });
        if !layer.biases.is_empty() {
            tensors.push(Tensor {
                name: format!("{prefix}layers.{index}.bias"),
                shape: vec![layer.outputs],
                values: parameters[layer.biases.clone()].to_vec(),
            });
        }
    }
    tensors
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE {
        return Err("it is not a file of at most 16 GiB".to_owned());
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

/// The numbers of a tensor of a known shape.
fn numbers(tensors: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f64>, String> {
    let view = tensor(tensors, name)?;
    if view.shape() != shape {
        return Err(format!(
            "{} has shape {:?}, but the network needs {shape:?}",
            quoted(name),
            view.shape()
        ));
    }
    let count = shape.iter().product();
    let values: Option<Vec<f64>> = (0..count).map(|index| value_at(&view, index)).collect();
    values.ok_or_else(|| wrong_type(name, &view))
}

fn tensor<'a>(tensors: &'a SafeTensors, name: &str) -> Result<TensorView<'a>, String> {
    tensors.tensor(name).map_err(|_| {
        let names: Vec<String> = tensors.names().into_iter().map(quoted).collect();
        format!(
            "it has no tensor {}; it has {}",
            quoted(name),
            names.join(", ")
        )
    })
}

fn value_at(view: &TensorView, index: usize) -> Option<f64> {
    let data = view.data();
    match view.dtype() {
        Dtype::F64 => read_at::<8>(data, index).map(f64::from_le_bytes),
        Dtype::F32 => read_at::<4>(data, index).map(|b| f64::from(f32::from_le_bytes(b))),
        _ => None,
    }
}

fn wrong_type(name: &str, view: &TensorView) -> String {
    format!(
        "{} is of type {:?}; F32 or F64 is needed",
        quoted(name),
        view.dtype()
    )
}

fn matrix(tensors: &SafeTensors, name: &str) -> Result<Mat<f64>, String> {
    let view = tensor(tensors, name)?;
    let &[rows, columns] = view.shape() else {
        return Err(format!(
            "{} has shape {:?}, not that of a matrix",
            quoted(name),
            view.shape()
        ));
    };
    if rows * columns > 0 && value_at(&view, 0).is_none() {
        return Err(wrong_type(name, &view));
    }
    Ok(Mat::from_fn(rows, columns, |i, j| {
        value_at(&view, i * columns + j).unwrap_or(f64::NAN)
    }))
}

fn read_at<const N: usize>(data: &[u8], index: usize) -> Option<[u8; N]> {
    data.get(index * N..(index + 1) * N)?.try_into().ok()
}

fn little_endian(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], values: &[f64]) -> Tensor {
        Tensor {
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

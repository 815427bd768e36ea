//! One side of `benches/peers/networks/compare.py`: trains from the weights and data that the
//! script wrote, and writes the trained weights and the time it took.
//!
//! `compare_torch FOLDER` reads `spec.json` (a `TrainingSpec`) and `start.safetensors` (`x`, `y`,
//! and PyTorch's `0.weight`, `0.bias`, `1.weight`, …, outputs × inputs) in FOLDER, writes
//! `trained.safetensors` there, and prints seconds per step. Mini-batches are taken in order.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::Network;
use rankfall_nets::scalar::{Precision, Real};
use rankfall_nets::training::{Trainer, TrainingPlan, TrainingSpec};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("usage: compare_torch FOLDER")?;
    let folder = Path::new(&folder);
    let spec: TrainingSpec = serde_json::from_str(&fs::read_to_string(folder.join("spec.json"))?)?;
    match spec.precision {
        Precision::F32 => train::<f32>(spec, folder),
        Precision::F64 => train::<f64>(spec, folder),
    }
}

/// The numbers of a tensor, whatever its type.
fn numbers(tensor: &TensorView<'_>) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F64 => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b))
            .collect(),
        Dtype::F32 => {
            let singles = bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b));
            singles.map(f64::from).collect()
        }
        Dtype::I64 => {
            let whole = bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| i64::from_le_bytes(*b));
            whole.map(|v| v as f64).collect()
        }
        other => return Err(format!("{other:?} is not read here").into()),
    })
}

fn train<T: Real>(mut spec: TrainingSpec, folder: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(folder.join("start.safetensors"))?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let network = Network::new(&spec.network)?;
    let mut parameters = vec![0.0; network.parameters()];
    for (index, layer) in network.layers().iter().enumerate() {
        let weights = numbers(&tensors.tensor(&format!("{index}.weight"))?)?;
        for i in 0..layer.inputs {
            for j in 0..layer.outputs {
                parameters[layer.weights.start + i * layer.outputs + j] =
                    weights[j * layer.inputs + i];
            }
        }
        if !layer.biases.is_empty() {
            let biases = numbers(&tensors.tensor(&format!("{index}.bias"))?)?;
            parameters[layer.biases.clone()].copy_from_slice(&biases);
        }
    }
    spec.initialisation = WeightInitialisation::Given(parameters);
    let convert = |values: Vec<f64>| values.into_iter().map(T::of).collect();
    let y = numbers(&tensors.tensor("y")?)?;
    let targets = match spec.loss {
        Loss::SoftmaxCrossEntropy => Targets::Classes(y.into_iter().map(|v| v as u32).collect()),
        Loss::Squared | Loss::Logistic => Targets::Values {
            columns: network.outputs(),
            values: convert(y),
        },
    };
    let x = convert(numbers(&tensors.tensor("x")?)?);
    let plan = Arc::new(TrainingPlan::new(&spec)?);
    let data = plan.fit_training(Dataset::new(network.inputs(), x, targets)?)?;
    let mut trainer = Trainer::new(plan, Arc::new(data), 0, 0, Instructions::best());
    let clock = Instant::now();
    for _ in 0..spec.steps {
        trainer
            .step()
            .map_err(|d| format!("diverged at step {}", d.step))?;
    }
    let seconds = clock.elapsed().as_secs_f64();
    write::<T>(&network, &trainer.state().parameters, folder)?;
    println!("{:e}", seconds / spec.steps as f64);
    Ok(())
}

fn write<T: Real>(network: &Network, p: &[T], folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut all: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let bytes = |values: &mut dyn Iterator<Item = T>| -> Vec<u8> {
        values.flat_map(|v| v.to_f64().to_le_bytes()).collect()
    };
    for (index, layer) in network.layers().iter().enumerate() {
        let (m, n) = (layer.inputs, layer.outputs);
        let transposed = (0..m * n).map(|e| p[layer.weights.start + e % m * n + e / m]);
        let data = bytes(&mut transposed.into_iter());
        all.push((format!("{index}.weight"), vec![n, m], data));
        if !layer.biases.is_empty() {
            let data = bytes(&mut p[layer.biases.clone()].iter().copied());
            all.push((format!("{index}.bias"), vec![n], data));
        }
    }
    let views: Result<Vec<_>, _> = all
        .iter()
        .map(|(name, shape, data)| {
            TensorView::new(Dtype::F64, shape.clone(), data).map(|view| (name.clone(), view))
        })
        .collect();
    safetensors::serialize_to_file(views?, None, &folder.join("trained.safetensors"))?;
    Ok(())
}

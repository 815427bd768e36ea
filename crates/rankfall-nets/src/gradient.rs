//! Forward and backward passes over a batch.
//!
//! With rows h₀ = x, zⱼ = hⱼ₋₁Wⱼ + bⱼ and hⱼ = f(zⱼ) ∘ maskⱼ, the derivatives δⱼ of the loss by zⱼ
//! go backwards, δⱼ₋₁ = (δⱼWⱼᵀ) ∘ maskⱼ₋₁ ∘ f′(zⱼ₋₁), and ∂Wⱼ = hⱼ₋₁ᵀδⱼ, ∂bⱼ = Σ_rows δⱼ.

use faer::Accum;

use crate::data::Targets;
use crate::loss::Loss;
use crate::matrix::{multiply, multiply_transposed_left, multiply_transposed_right};
use crate::network::{Layer, Network};
use crate::scalar::Real;

/// Room for the passes over a batch, grown as needed and reused from step to step.
#[derive(Clone, Debug)]
pub struct Workspace<T> {
    /// zⱼ, layer by layer.
    arguments: Vec<Vec<T>>,
    /// hⱼ of the hidden layers.
    hidden: Vec<Vec<T>>,
    /// What hidden units are multiplied with; empty where nothing is dropped.
    masks: Vec<Vec<T>>,
    delta: Vec<T>,
    previous_delta: Vec<T>,
    rows: usize,
}

impl<T: Real> Workspace<T> {
    /// For a network.
    pub fn new(network: &Network) -> Self {
        let depth = network.layers().len();
        Self {
            arguments: vec![Vec::new(); depth],
            hidden: vec![Vec::new(); depth - 1],
            masks: vec![Vec::new(); depth - 1],
            delta: Vec::new(),
            previous_delta: Vec::new(),
            rows: 0,
        }
    }

    /// The outputs of the last forward pass, rows × k.
    pub fn outputs(&self) -> &[T] {
        &self.arguments[self.arguments.len() - 1]
    }

    /// The arguments zⱼ of layer j = 1…N in the last forward pass, rows × mⱼ.
    pub fn arguments(&self, j: usize) -> &[T] {
        &self.arguments[j - 1]
    }

    /// Activations of hidden layer j = 1…N − 1 in the last forward pass, rows × mⱼ.
    pub fn hidden(&self, j: usize) -> &[T] {
        &self.hidden[j - 1]
    }

    /// The masks of the hidden layers, to be filled before a pass and cleared after; an empty mask
    /// drops nothing.
    pub fn masks_mut(&mut self) -> &mut [Vec<T>] {
        &mut self.masks
    }

    /// Runs `network` on the rows of `x`.
    pub fn forward(&mut self, network: &Network, parameters: &[T], x: &[T]) {
        let layers = network.layers();
        self.rows = x.len() / network.inputs();
        for (index, layer) in layers.iter().enumerate() {
            let size = self.rows * layer.outputs;
            let (before, from) = self.hidden.split_at_mut(index.min(layers.len() - 1));
            let input: &[T] = before.last().map_or(x, |h| h);
            let z = &mut self.arguments[index];
            z.resize(size, T::ZERO);
            affine(layer, parameters, input, z);
            if let Some(h) = from.first_mut() {
                h.resize(size, T::ZERO);
                layer.activation.apply(z, h);
                for (value, &factor) in h.iter_mut().zip(&self.masks[index]) {
                    *value = *value * factor;
                }
            }
        }
    }

    /// Writes the gradient of the mean loss at the last forward pass to `gradient`, one number per
    /// parameter. `x` must be the rows of that pass.
    pub fn backward(
        &mut self,
        network: &Network,
        parameters: &[T],
        x: &[T],
        loss: Loss,
        targets: &Targets<T>,
        gradient: &mut [T],
    ) {
        let outputs = self.rows * network.outputs();
        let mut delta = std::mem::take(&mut self.delta);
        delta.resize(outputs, T::ZERO);
        loss.derivative(self.outputs(), network.outputs(), targets, &mut delta);
        self.delta = delta;
        self.propagate(network, parameters, x, gradient);
    }

    /// Writes the gradient of Σ weightᵣᵦ f(xᵣ)ᵦ to `gradient`; `weights` are rows × k.
    pub fn backward_outputs(
        &mut self,
        network: &Network,
        parameters: &[T],
        x: &[T],
        weights: &[T],
        gradient: &mut [T],
    ) {
        self.delta.clear();
        self.delta.extend_from_slice(weights);
        self.propagate(network, parameters, x, gradient);
    }

    fn propagate(&mut self, network: &Network, parameters: &[T], x: &[T], gradient: &mut [T]) {
        let layers = network.layers();
        for (index, layer) in layers.iter().enumerate().rev() {
            let input: &[T] = match index.checked_sub(1) {
                None => x,
                Some(below) => &self.hidden[below],
            };
            layer_gradient(layer, input, &self.delta, gradient);
            let Some(below) = index.checked_sub(1) else {
                return;
            };
            self.previous_delta
                .resize(self.rows * layer.inputs, T::ZERO);
            pull_back(layer, parameters, &self.delta, &mut self.previous_delta);
            for (d, &factor) in self.previous_delta.iter_mut().zip(&self.masks[below]) {
                *d = *d * factor;
            }
            let activation = layers[below].activation;
            activation.chain(&self.arguments[below], &mut self.previous_delta);
            std::mem::swap(&mut self.delta, &mut self.previous_delta);
        }
    }
}

/// z ← input W + b.
pub(crate) fn affine<T: Real>(layer: &Layer, parameters: &[T], input: &[T], z: &mut [T]) {
    let weights = &parameters[layer.weights.clone()];
    let (rows, n) = (z.len() / layer.outputs, layer.outputs);
    if layer.diagonal {
        for (z_row, row) in z.chunks_exact_mut(n).zip(input.chunks_exact(n)) {
            for ((o, &h), &w) in z_row.iter_mut().zip(row).zip(weights) {
                *o = h * w;
            }
        }
        return;
    }
    let biases = &parameters[layer.biases.clone()];
    let how = if biases.is_empty() {
        Accum::Replace
    } else {
        z.chunks_exact_mut(n)
            .for_each(|row| row.copy_from_slice(biases));
        Accum::Add
    };
    multiply(z, how, input, weights, [rows, layer.inputs, n]);
}

/// ∂W = inputᵀδ, ∂b = Σδ.
pub(crate) fn layer_gradient<T: Real>(layer: &Layer, input: &[T], delta: &[T], gradient: &mut [T]) {
    let n = layer.outputs;
    let rows = delta.len() / n;
    let weights = &mut gradient[layer.weights.clone()];
    if layer.diagonal {
        weights.fill(T::ZERO);
        for (d_row, row) in delta.chunks_exact(n).zip(input.chunks_exact(n)) {
            for ((g, &d), &h) in weights.iter_mut().zip(d_row).zip(row) {
                *g += d * h;
            }
        }
    } else {
        multiply_transposed_left(weights, input, delta, [layer.inputs, rows, n]);
    }
    let biases = &mut gradient[layer.biases.clone()];
    biases.fill(T::ZERO);
    if !biases.is_empty() {
        for d_row in delta.chunks_exact(n) {
            for (g, &d) in biases.iter_mut().zip(d_row) {
                *g += d;
            }
        }
    }
}

/// below ← δ Wᵀ.
pub(crate) fn pull_back<T: Real>(layer: &Layer, parameters: &[T], delta: &[T], below: &mut [T]) {
    let weights = &parameters[layer.weights.clone()];
    let n = layer.outputs;
    if layer.diagonal {
        for (row, d_row) in below.chunks_exact_mut(n).zip(delta.chunks_exact(n)) {
            for ((o, &d), &w) in row.iter_mut().zip(d_row).zip(weights) {
                *o = d * w;
            }
        }
        return;
    }
    let rows = delta.len() / n;
    multiply_transposed_right(below, delta, weights, [rows, n, layer.inputs]);
}

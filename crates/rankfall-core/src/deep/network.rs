//! The layers of a deep linear network and their products.

use faer::Mat;
use thiserror::Error;

use crate::linalg::dense::{gaussian, product, transpose_product};
use crate::model::problem::Problem;
use crate::random::philox::{Purpose, StreamKey};

/// The layers W₁, …, W_N in the eigenbasis of S_xx; Wⱼ is mⱼ₋₁ × mⱼ, m₀ = p and m_N = k.
#[derive(Clone, Debug, PartialEq)]
pub struct DeepNetwork {
    layers: Vec<Mat<f64>>,
}

/// Layers that make no network, or not one of this problem.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DeepNetworkError {
    /// Fewer than two widths, or a width of zero.
    #[error("widths {0:?} make no network: give at least two, all of them 1 or more")]
    Widths(Vec<usize>),
    /// Neighbouring layers that do not fit each other.
    #[error("layer {layer} has {rows} rows, but the layer before it has {columns} columns")]
    Chain {
        /// From 1.
        layer: usize,
        /// Its rows.
        rows: usize,
        /// Columns of the layer before.
        columns: usize,
    },
    /// First and last width against the problem.
    #[error(
        "the network maps {from} inputs to {to} outputs, the problem {inputs} inputs to {outputs} outputs"
    )]
    Problem {
        /// m₀.
        from: usize,
        /// m_N.
        to: usize,
        /// p.
        inputs: usize,
        /// k.
        outputs: usize,
    },
    /// NaN or infinity among the weights.
    #[error("layer {layer} holds a number that is not finite")]
    NotFinite {
        /// From 1.
        layer: usize,
    },
}

impl DeepNetwork {
    /// The network of these layers, first to last.
    ///
    /// # Errors
    /// No layer, an empty one, shapes that do not chain, numbers that are not finite.
    pub fn new(layers: Vec<Mat<f64>>) -> Result<Self, DeepNetworkError> {
        let mut widths: Vec<usize> = layers.first().map(|w| w.nrows()).into_iter().collect();
        widths.extend(layers.iter().map(|w| w.ncols()));
        if widths.len() < 2 || widths.contains(&0) {
            return Err(DeepNetworkError::Widths(widths));
        }
        for (index, pair) in layers.windows(2).enumerate() {
            if pair[0].ncols() != pair[1].nrows() {
                return Err(DeepNetworkError::Chain {
                    layer: index + 2,
                    rows: pair[1].nrows(),
                    columns: pair[0].ncols(),
                });
            }
        }
        let network = Self { layers };
        match network.layers.iter().position(|w| !is_finite(w)) {
            Some(index) => Err(DeepNetworkError::NotFinite { layer: index + 1 }),
            None => Ok(network),
        }
    }

    /// Layers of independent N(0, scale²) entries for the widths m₀, …, m_N, drawn for
    /// `trajectory` under `seed`, row by row.
    ///
    /// # Errors
    /// Fewer than two widths, or a width of zero.
    pub fn gaussian(
        widths: &[usize],
        scale: f64,
        seed: u64,
        trajectory: u64,
    ) -> Result<Self, DeepNetworkError> {
        if widths.len() < 2 {
            return Err(DeepNetworkError::Widths(widths.to_vec()));
        }
        let mut normals = StreamKey::new(seed, Purpose::InitialWeights, 0).reader(trajectory, 0);
        let layer = |pair: &[usize]| gaussian(&mut normals, pair[0], pair[1], scale);
        Self::new(widths.windows(2).map(layer).collect())
    }

    /// Whether it maps the problem's inputs to its outputs.
    ///
    /// # Errors
    /// If it does not.
    pub fn fits(&self, problem: &Problem) -> Result<(), DeepNetworkError> {
        let (from, to) = (self.width(0), self.width(self.depth()));
        if (from, to) == (problem.inputs, problem.outputs) {
            return Ok(());
        }
        Err(DeepNetworkError::Problem {
            from,
            to,
            inputs: problem.inputs,
            outputs: problem.outputs,
        })
    }

    /// N ≥ 1.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// mⱼ, j = 0…N.
    pub fn width(&self, j: usize) -> usize {
        match j.checked_sub(1) {
            None => self.layers[0].nrows(),
            Some(index) => self.layers[index].ncols(),
        }
    }

    /// Wⱼ, j = 1…N.
    pub fn layer(&self, j: usize) -> &Mat<f64> {
        &self.layers[j - 1]
    }

    /// W₁, …, W_N.
    pub fn layers(&self) -> &[Mat<f64>] {
        &self.layers
    }

    /// The weights one after the other: layer by layer, each column-major.
    pub fn to_flat(&self) -> Vec<f64> {
        let columns = |w: &Mat<f64>| -> Vec<f64> {
            (0..w.ncols())
                .flat_map(|j| w.col_as_slice(j).to_vec())
                .collect()
        };
        self.layers.iter().flat_map(columns).collect()
    }

    /// Takes the weights from a list as [`Self::to_flat`] makes it.
    pub fn set_flat(&mut self, flat: &[f64]) {
        let mut rest = flat;
        for layer in &mut self.layers {
            for j in 0..layer.ncols() {
                let (column, after) = rest.split_at(layer.nrows());
                layer.col_as_slice_mut(j).copy_from_slice(column);
                rest = after;
            }
        }
    }

    /// Adds `updates`, one matrix per layer.
    pub fn add(&mut self, updates: &[Mat<f64>]) {
        for (layer, update) in self.layers.iter_mut().zip(updates) {
            *layer += update;
        }
    }

    /// Whether all weights are finite.
    pub fn is_finite(&self) -> bool {
        self.layers.iter().all(is_finite)
    }

    /// The training loss above its least-squares optimum, ½ Σ_a s_a |Π_a − Π*_a|².
    pub fn excess_loss(&self, problem: &Problem) -> f64 {
        let map = StackProducts::new(self).map;
        let mut sum = 0.0;
        for b in 0..problem.outputs {
            for (a, &s) in problem.eigenvalues.iter().enumerate() {
                let error = map[(a, b)] - problem.optimum[(a, b)];
                sum += 0.5 * s * error * error;
            }
        }
        sum
    }
}

fn is_finite(matrix: &Mat<f64>) -> bool {
    (0..matrix.ncols()).all(|j| matrix.col_as_slice(j).iter().all(|x| x.is_finite()))
}

/// The partial products of a network's layers.
#[derive(Clone, Debug)]
pub struct StackProducts {
    /// Pⱼ = W₁…Wⱼ₋₁ at index j − 1, j = 1…N (P₁ = I, p × p).
    pub before: Vec<Mat<f64>>,
    /// Qⱼ = Wⱼ₊₁…W_N at index j − 1, j = 1…N (Q_N = I, k × k).
    pub after: Vec<Mat<f64>>,
    /// Π = W₁…W_N, p × k.
    pub map: Mat<f64>,
}

impl StackProducts {
    /// Of the layers as they are.
    pub fn new(network: &DeepNetwork) -> Self {
        let (depth, layers) = (network.depth(), network.layers());
        let (p, k) = (network.width(0), network.width(depth));
        let mut before = vec![Mat::identity(p, p)];
        for layer in &layers[..depth - 1] {
            before.push(product(&before[before.len() - 1], layer));
        }
        let mut after = vec![Mat::identity(k, k)];
        for layer in layers[1..].iter().rev() {
            after.push(product(layer, &after[after.len() - 1]));
        }
        after.reverse();
        Self {
            map: product(&layers[0], &after[0]),
            before,
            after,
        }
    }

    /// A = S_xy − S_xx Π in the eigenbasis, p × k.
    pub fn negative_gradient(&self, problem: &Problem) -> Mat<f64> {
        Mat::from_fn(problem.inputs, problem.outputs, |a, b| {
            (-problem.eigenvalues[a]).mul_add(self.map[(a, b)], problem.sxy[(a, b)])
        })
    }

    /// Pⱼᵀ G Qⱼᵀ for every layer: how an increment G of the map's gradient moves it.
    pub fn layer_updates(&self, g: &Mat<f64>) -> Vec<Mat<f64>> {
        let layers = self.before.iter().zip(&self.after);
        layers
            .map(|(before, after)| between(before, g, after))
            .collect()
    }

    /// Pⱼᵀ G Rⱼᵀ, Rⱼ = Wⱼ₊₂…W_N: the block that moves adjacent stack j = 1…N − 1.
    pub fn stack_increment(&self, g: &Mat<f64>, j: usize) -> Mat<f64> {
        between(&self.before[j - 1], g, &self.after[j])
    }
}

/// Pᵀ G Qᵀ.
fn between(before: &Mat<f64>, g: &Mat<f64>, after: &Mat<f64>) -> Mat<f64> {
    let left = transpose_product(before, g);
    product(&left, &after.transpose().to_owned())
}

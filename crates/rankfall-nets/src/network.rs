//! The shape of a network: layers, where each keeps its numbers, and what it does between them.
//!
//! A batch is a matrix of rows; a layer maps rows h to f(h Wⱼ + bⱼ), Wⱼ being mⱼ₋₁ × mⱼ as in the
//! theory. (PyTorch keeps the transpose, outputs × inputs.) The last layer has no activation.

use std::ops::Range;

use faer::{Accum, Mat};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::activation::Activation;
use crate::matrix::multiply;
use crate::scalar::Real;

/// Most parameters a network may have.
pub const MOST_PARAMETERS: usize = 1 << 30;

/// How layers are wired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Every unit sees all of the layer before.
    #[default]
    Dense,
    /// Hidden layers multiply each input by a weight of its own, x ↦ W_Nᵀ(u ∘ … ∘ x): all hidden
    /// widths equal the number of inputs; linear and without biases.
    DiagonalLinear,
}

/// A network as an experiment describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Widths m₀ (inputs), m₁, …, m_N (outputs).
    pub layers: Vec<usize>,
    /// Of the hidden units.
    #[serde(default)]
    pub activation: Activation,
    /// Whether layers have biases.
    #[serde(default)]
    pub bias: bool,
    /// How layers are wired.
    #[serde(default)]
    pub kind: Architecture,
}

impl NetworkSpec {
    /// Dense layers of these widths.
    pub fn dense(layers: &[usize], activation: Activation, bias: bool) -> Self {
        Self {
            layers: layers.to_vec(),
            activation,
            bias,
            kind: Architecture::Dense,
        }
    }
}

/// A description that makes no network.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NetworkError {
    /// Fewer than two widths, or a width of zero.
    #[error("layers = {0:?}: give at least inputs and outputs, all of them 1 or more")]
    Widths(Vec<usize>),
    /// More than [`MOST_PARAMETERS`].
    #[error("layers = {0:?} have more than {MOST_PARAMETERS} parameters; take narrower layers")]
    TooLarge(Vec<usize>),
    /// A diagonal network whose hidden widths are not its number of inputs.
    #[error(
        "layers = {0:?}: in a diagonal-linear network every hidden layer is as wide as the inputs, \
         for example [{inputs}, {inputs}, 1]",
        inputs = .0[0]
    )]
    Diagonal(Vec<usize>),
    /// A diagonal network is linear and has no biases.
    #[error("a diagonal-linear network has activation = \"linear\" and bias = false")]
    DiagonalSettings,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// mⱼ₋₁.
    pub inputs: usize,
    /// mⱼ.
    pub outputs: usize,
    /// Wⱼ among the parameters, row-major mⱼ₋₁ × mⱼ; mⱼ numbers where the layer is diagonal.
    pub weights: Range<usize>,
    /// bⱼ among the parameters; empty without biases.
    pub biases: Range<usize>,
    /// Whether Wⱼ is diagonal and only its diagonal is kept.
    pub diagonal: bool,
    /// What follows.
    pub activation: Activation,
}

impl Layer {
    /// Among `values`, those of all parameters: Wⱼ of a dense layer, in double precision.
    pub fn matrix<T: Real>(&self, values: &[T]) -> Mat<f64> {
        let own = &values[self.weights.clone()];
        Mat::from_fn(self.inputs, self.outputs, |i, j| {
            own[i * self.outputs + j].to_f64()
        })
    }
}

/// The product of the weights of consecutive dense layers, row-major; `None` of no layers.
pub fn product_of<T: Real>(layers: &[Layer], parameters: &[T]) -> Option<Vec<T>> {
    let (first, others) = layers.split_first()?;
    let mut product = parameters[first.weights.clone()].to_vec();
    for layer in others {
        let mut next = vec![T::ZERO; first.inputs * layer.outputs];
        let weights = &parameters[layer.weights.clone()];
        let sizes = [first.inputs, layer.inputs, layer.outputs];
        multiply(&mut next, Accum::Replace, &product, weights, sizes);
        product = next;
    }
    Some(product)
}

/// A network: its layers, and how many parameters they share out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    layers: Vec<Layer>,
    parameters: usize,
}

impl Network {
    /// The network of a description. Parameters are numbered layer by layer, weights first.
    ///
    /// # Errors
    /// Widths that make no network.
    pub fn new(spec: &NetworkSpec) -> Result<Self, NetworkError> {
        let widths = &spec.layers;
        if widths.len() < 2 || widths.contains(&0) {
            return Err(NetworkError::Widths(widths.clone()));
        }
        let diagonal = spec.kind == Architecture::DiagonalLinear;
        if diagonal {
            if widths[..widths.len() - 1].iter().any(|&m| m != widths[0]) {
                return Err(NetworkError::Diagonal(widths.clone()));
            }
            if spec.activation != Activation::Linear || spec.bias {
                return Err(NetworkError::DiagonalSettings);
            }
        }
        let too_large = || NetworkError::TooLarge(widths.clone());
        let mut layers = Vec::with_capacity(widths.len() - 1);
        let mut next = 0_usize;
        for (index, pair) in widths.windows(2).enumerate() {
            let last = index + 2 == widths.len();
            let weights = match diagonal && !last {
                true => pair[1],
                false => pair[0].checked_mul(pair[1]).ok_or_else(too_large)?,
            };
            let biases = if spec.bias { pair[1] } else { 0 };
            let middle = next.checked_add(weights).ok_or_else(too_large)?;
            let end = middle.checked_add(biases).ok_or_else(too_large)?;
            if end > MOST_PARAMETERS {
                return Err(too_large());
            }
            layers.push(Layer {
                inputs: pair[0],
                outputs: pair[1],
                weights: next..middle,
                biases: middle..end,
                diagonal: diagonal && !last,
                activation: if last {
                    Activation::Linear
                } else {
                    spec.activation
                },
            });
            next = end;
        }
        Ok(Self {
            layers,
            parameters: next,
        })
    }

    /// First to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How many numbers.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// m₀.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// m_N.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Whether the network is a product of dense matrices: linear, without biases.
    pub fn is_product(&self) -> bool {
        let product =
            |l: &Layer| l.activation == Activation::Linear && l.biases.is_empty() && !l.diagonal;
        self.layers.iter().all(product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(layers: &[usize]) -> NetworkSpec {
        NetworkSpec::dense(layers, Activation::Linear, false)
    }

    #[test]
    fn parameters_are_shared_out_without_gaps() {
        let network = NetworkSpec::dense(&[3, 4, 2], Activation::Tanh, true);
        let network = Network::new(&network).expect("a network");
        let ranges: Vec<_> = network
            .layers()
            .iter()
            .flat_map(|l| [l.weights.clone(), l.biases.clone()])
            .collect();
        assert_eq!(ranges, [0..12, 12..16, 16..24, 24..26]);
        assert_eq!(
            (network.parameters(), network.inputs(), network.outputs()),
            (26, 3, 2)
        );
        assert!(
            !network.is_product() && Network::new(&spec(&[3, 4, 2])).expect("one").is_product()
        );
        let activations: Vec<_> = network.layers().iter().map(|l| l.activation).collect();
        assert_eq!(activations, [Activation::Tanh, Activation::Linear]);
    }

    #[test]
    fn what_makes_no_network_is_refused() {
        let diagonal = |layers: &[usize]| NetworkSpec {
            kind: Architecture::DiagonalLinear,
            ..spec(layers)
        };
        let biased = NetworkSpec {
            bias: true,
            ..diagonal(&[3, 3, 1])
        };
        for (wrong, says) in [
            (spec(&[3]), "at least inputs and outputs"),
            (spec(&[3, 0, 1]), "all of them 1 or more"),
            (spec(&[usize::MAX / 2, 4, 1]), "take narrower layers"),
            (diagonal(&[3, 4, 1]), "for example [3, 3, 1]"),
            (biased, "bias = false"),
        ] {
            let message = Network::new(&wrong).expect_err(says).to_string();
            assert!(message.contains(says), "{message}");
        }
        let sound = Network::new(&diagonal(&[3, 3, 2])).expect("a network");
        assert_eq!(sound.parameters(), 9);
    }
}

//! Initial weights: the laws people use, drawn from the seed.

use faer::Mat;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use rankfall_core::linalg::dense::{product, thin_svd};
use rankfall_core::random::{Purpose, StreamKey, StreamReader};

use crate::matrix::svd;
use crate::network::{Layer, Network};
use crate::scalar::Real;

/// The law of one layer's entries, independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// All equal to this.
    Constant(f64),
    /// N(0, deviation²).
    Gaussian(f64),
    /// Uniform between −bound and bound.
    Uniform(f64),
    /// ±size with equal probability.
    Signs(f64),
}

/// How initial weights are made. Biases start at zero unless something else is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum WeightInitialisation {
    /// N(0, scale²) entries.
    Gaussian {
        /// Standard deviation.
        scale: f64,
    },
    /// N(0, 2/mⱼ₋₁) entries (He and others 2015).
    He,
    /// N(0, 2/(mⱼ₋₁ + mⱼ)) entries (Glorot and Bengio 2010).
    Glorot,
    /// `gain` times a uniformly drawn matrix with orthonormal rows or columns.
    Orthogonal {
        /// Every singular value.
        gain: f64,
    },
    /// What PyTorch's linear layer starts from: weights and biases uniform between ±1/√mⱼ₋₁.
    PytorchDefault,
    /// WⱼᵀWⱼ = Wⱼ₊₁Wⱼ₊₁ᵀ for all j with W₁…W_N = scale^N × a Gaussian matrix, cut down to the rank
    /// of the narrowest layer; for linear networks without biases.
    Balanced {
        /// The map's entries have standard deviation scale^N.
        scale: f64,
    },
    /// A law for each layer's weights, and one for each layer's biases.
    Layers {
        /// One per layer.
        weights: Vec<Law>,
        /// One per layer; empty for zeros.
        #[serde(default)]
        biases: Vec<Law>,
    },
    /// These parameters, numbered as in [`Network`].
    #[serde(skip)]
    Given(Vec<f64>),
}

/// Initial weights that cannot be made.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum InitialisationError {
    /// A wrong number of parameters.
    #[error("{got} initial parameters were given; the network has {expected}")]
    Count {
        /// Given.
        got: usize,
        /// Needed.
        expected: usize,
    },
    /// A wrong number of laws.
    #[error("{got} laws for the {what} of {layers} layers; give one per layer")]
    Laws {
        /// weights or biases
        what: &'static str,
        /// Given.
        got: usize,
        /// Layers.
        layers: usize,
    },
    /// Balanced where balance means nothing.
    #[error("balanced initial weights are for dense linear networks without biases")]
    NotLinear,
    /// Orthogonal where there are no matrices.
    #[error("orthogonal initial weights are for dense layers; give laws for a diagonal network")]
    NotDense,
    /// NaN, infinity, or a negative scale.
    #[error("initial weights need finite numbers, scales of zero or more; {0} is not")]
    Scale(f64),
}

impl WeightInitialisation {
    /// Whether it can be drawn for `network`.
    pub fn check(&self, network: &Network) -> Result<(), InitialisationError> {
        let layers = network.layers();
        let scale = |value: f64, sign: bool| match value.is_finite() && (sign || value >= 0.0) {
            true => Ok(()),
            false => Err(InitialisationError::Scale(value)),
        };
        let laws = |what, laws: &[Law]| {
            for law in laws {
                match *law {
                    Law::Constant(value) => scale(value, true)?,
                    Law::Gaussian(value) | Law::Uniform(value) | Law::Signs(value) => {
                        scale(value, false)?;
                    }
                }
            }
            if laws.len() == layers.len() {
                return Ok(());
            }
            Err(InitialisationError::Laws {
                what,
                got: laws.len(),
                layers: layers.len(),
            })
        };
        match self {
            Self::He | Self::Glorot | Self::PytorchDefault => Ok(()),
            Self::Gaussian { scale: value } => scale(*value, false),
            Self::Balanced { scale: value } => {
                scale(*value, false)?;
                match network.is_product() {
                    true => Ok(()),
                    false => Err(InitialisationError::NotLinear),
                }
            }
            Self::Orthogonal { gain } => {
                scale(*gain, false)?;
                match layers.iter().any(|l| l.diagonal) {
                    true => Err(InitialisationError::NotDense),
                    false => Ok(()),
                }
            }
            Self::Layers { weights, biases } => {
                laws("weights", weights)?;
                match biases.is_empty() {
                    true => Ok(()),
                    false => laws("biases", biases),
                }
            }
            Self::Given(values) if values.len() != network.parameters() => {
                Err(InitialisationError::Count {
                    got: values.len(),
                    expected: network.parameters(),
                })
            }
            Self::Given(values) => values.iter().try_for_each(|&v| scale(v, true)),
        }
    }

    /// The parameters of `trajectory` under `seed`; [`Self::check`] must hold.
    pub fn draw<T: Real>(&self, network: &Network, seed: u64, trajectory: u64) -> Vec<T> {
        let layers = network.layers();
        let mut reader = StreamKey::new(seed, Purpose::InitialWeights, 0).reader(trajectory, 0);
        let mut values = vec![0.0; network.parameters()];
        match self {
            Self::Given(given) => values.copy_from_slice(given),
            Self::Balanced { scale } => balanced(layers, *scale, &mut reader, &mut values),
            _ => {
                for (index, layer) in layers.iter().enumerate() {
                    self.draw_layer(index, layer, &mut reader, &mut values);
                }
            }
        }
        values.into_iter().map(T::of).collect()
    }

    fn draw_layer(
        &self,
        index: usize,
        layer: &Layer,
        reader: &mut StreamReader,
        values: &mut [f64],
    ) {
        // A diagonal entry sees one input and feeds one output.
        let (inputs, outputs) = match layer.diagonal {
            true => (1.0, 1.0),
            false => (layer.inputs as f64, layer.outputs as f64),
        };
        let (weights, biases) = match self {
            Self::Gaussian { scale } => (Law::Gaussian(*scale), Law::Constant(0.0)),
            Self::He => (Law::Gaussian((2.0 / inputs).sqrt()), Law::Constant(0.0)),
            Self::Glorot => {
                let deviation = (2.0 / (inputs + outputs)).sqrt();
                (Law::Gaussian(deviation), Law::Constant(0.0))
            }
            Self::PytorchDefault => {
                let law = Law::Uniform(1.0 / inputs.sqrt());
                (law, law)
            }
            Self::Layers { weights, biases } => {
                let bias = biases.get(index).copied();
                (weights[index], bias.unwrap_or(Law::Constant(0.0)))
            }
            Self::Orthogonal { gain } => {
                orthogonal(layer, *gain, reader, &mut values[layer.weights.clone()]);
                return;
            }
            Self::Balanced { .. } | Self::Given(_) => return,
        };
        weights.fill(reader, &mut values[layer.weights.clone()]);
        biases.fill(reader, &mut values[layer.biases.clone()]);
    }
}

impl Law {
    fn fill(self, reader: &mut StreamReader, out: &mut [f64]) {
        for value in out {
            *value = match self {
                Self::Constant(constant) => constant,
                Self::Gaussian(deviation) => deviation * reader.normal(),
                Self::Uniform(bound) => bound * (2.0 * unit(reader.word()) - 1.0),
                Self::Signs(size) => {
                    if reader.word() >> 63 == 1 {
                        -size
                    } else {
                        size
                    }
                }
            };
        }
    }
}

/// Uniform on [0, 1) from the upper 53 bits.
fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * 2f64.powi(-53)
}

/// A frame of `columns` orthonormal columns, uniform over all such frames: U Vᵀ of a Gaussian
/// matrix, whose law no rotation changes.
fn frame(rows: usize, columns: usize, reader: &mut StreamReader) -> Mat<f64> {
    let svd = thin_svd(&gaussian(rows, columns, 1.0, reader));
    product(&svd.u, &svd.v.transpose().to_owned())
}

/// Entries N(0, deviation²), drawn row by row.
fn gaussian(rows: usize, columns: usize, deviation: f64, reader: &mut StreamReader) -> Mat<f64> {
    let mut out = Mat::zeros(rows, columns);
    for i in 0..rows {
        for j in 0..columns {
            out[(i, j)] = deviation * reader.normal();
        }
    }
    out
}

fn orthogonal(layer: &Layer, gain: f64, reader: &mut StreamReader, out: &mut [f64]) {
    let (m, n) = (layer.inputs, layer.outputs);
    let frame = frame(m.max(n), m.min(n), reader);
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = gain * if m >= n { frame[(i, j)] } else { frame[(j, i)] };
        }
    }
}

/// W₁ = U Σ^{1/N} R₁ᵀ, Wⱼ = Rⱼ₋₁ Σ^{1/N} Rⱼᵀ, W_N = R_{N−1} Σ^{1/N} Vᵀ for the map U Σ Vᵀ, cut to
/// the rank of the narrowest layer, with random frames Rⱼ.
fn balanced(layers: &[Layer], scale: f64, reader: &mut StreamReader, values: &mut [f64]) {
    let depth = layers.len();
    let (p, k) = (layers[0].inputs, layers[depth - 1].outputs);
    let deviation = libm::pow(scale, depth as f64);
    let svd = svd(&gaussian(p, k, deviation, reader));
    let narrowest = layers.iter().map(|l| l.outputs).min().unwrap_or(k);
    let rank = p.min(narrowest);
    let root: Vec<f64> = (0..rank)
        .map(|i| libm::pow(svd.sigma[i], 1.0 / depth as f64))
        .collect();
    let mut before = svd.u;
    for (index, layer) in layers.iter().enumerate() {
        let after = match index + 1 == depth {
            true => svd.v.clone(),
            false => frame(layer.outputs, rank, reader),
        };
        let weights = &mut values[layer.weights.clone()];
        for i in 0..layer.inputs {
            for j in 0..layer.outputs {
                let terms = (0..rank).map(|r| before[(i, r)] * root[r] * after[(j, r)]);
                weights[i * layer.outputs + j] = terms.sum();
            }
        }
        before = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::network::NetworkSpec;

    fn network(layers: &[usize], bias: bool) -> Network {
        Network::new(&NetworkSpec::dense(layers, Activation::Linear, bias)).expect("a network")
    }

    /// Mean and variance of 120 000 entries within five standard errors.
    #[test]
    fn laws_have_their_moments() {
        let network = network(&[300, 400, 2], true);
        for (initialisation, variance, fourth) in [
            (WeightInitialisation::Gaussian { scale: 0.3 }, 0.09, 3.0),
            (WeightInitialisation::He, 2.0 / 300.0, 3.0),
            (WeightInitialisation::Glorot, 2.0 / 700.0, 3.0),
            (WeightInitialisation::PytorchDefault, 1.0 / 900.0, 1.8),
            (
                WeightInitialisation::Layers {
                    weights: vec![Law::Signs(2.5), Law::Constant(0.0)],
                    biases: vec![],
                },
                6.25,
                1.0,
            ),
        ] {
            initialisation.check(&network).expect("sound");
            let values: Vec<f64> = initialisation.draw(&network, 3, 0);
            let first = &values[network.layers()[0].weights.clone()];
            let n = first.len() as f64;
            let mean = first.iter().sum::<f64>() / n;
            let square = first.iter().map(|v| v * v).sum::<f64>() / n;
            assert!(
                mean.abs() < 5.0 * (variance / n).sqrt(),
                "{initialisation:?}"
            );
            let error = variance * ((fourth - 1.0_f64) / n).sqrt();
            assert!(
                (square - variance).abs() < 5.0 * error + 1e-12,
                "{initialisation:?}"
            );
            let biases = &values[network.layers()[0].biases.clone()];
            let zero = biases.iter().all(|&b| b == 0.0);
            assert_eq!(zero, initialisation != WeightInitialisation::PytorchDefault);
        }
    }

    #[test]
    fn orthogonal_layers_have_one_singular_value() {
        let network = network(&[5, 9, 4], false);
        let values = WeightInitialisation::Orthogonal { gain: 1.5 }.draw::<f64>(&network, 3, 1);
        for layer in network.layers() {
            let sigma = svd(&layer.matrix(&values)).sigma;
            assert!(sigma.iter().all(|s| (s - 1.5).abs() < 1e-14));
        }
    }

    #[test]
    fn balanced_layers_are_balanced_and_multiply_to_a_map_of_the_right_rank() {
        for layers in [&[4, 6, 5, 3][..], &[4, 2, 3], &[3, 7], &[2, 6, 6, 6, 5]] {
            let network = network(layers, false);
            let values = WeightInitialisation::Balanced { scale: 0.7 }.draw::<f64>(&network, 5, 0);
            let all: Vec<_> = (network.layers().iter())
                .map(|layer| layer.matrix(&values))
                .collect();
            for pair in all.windows(2) {
                let difference = pair[0].transpose() * &pair[0] - &pair[1] * pair[1].transpose();
                assert!(difference.norm_max() < 1e-14);
            }
            let map = all.iter().skip(1).fold(all[0].clone(), |m, w| &m * w);
            let rank = layers.iter().min().copied().expect("layers");
            let sigma = svd(&map).sigma;
            assert!(sigma[rank - 1] > 1e-3 && sigma.iter().skip(rank).all(|&s| s < 1e-14));
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let network = network(&[2, 3, 1], false);
        let one = WeightInitialisation::Layers {
            weights: vec![Law::Constant(1.0)],
            biases: vec![],
        };
        for (wrong, says) in [
            (
                WeightInitialisation::Given(vec![0.0; 8]),
                "8 initial parameters were given; the network has 9",
            ),
            (WeightInitialisation::Given(vec![f64::NAN; 9]), "NaN is not"),
            (WeightInitialisation::Gaussian { scale: -1.0 }, "-1 is not"),
            (one, "1 laws for the weights of 2 layers"),
        ] {
            let message = wrong.check(&network).expect_err(says).to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}

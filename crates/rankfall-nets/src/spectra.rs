//! Singular values of weights, products, stacks, features and Jacobians, and the ranks they give.

use faer::{Accum, Mat, MatMut, MatRef};
use serde::{Deserialize, Serialize};

use rankfall_core::linalg::dense::thin_svd;
use rankfall_core::linalg::ranks::Ranks;
use rankfall_core::simd::instructions::Instructions;

use crate::matrix::square_sum;
use crate::network::{Layer, Network};
use crate::scalar::Real;
use crate::symmetric::eigenvalues;

/// Natural logarithms of singular values, descending, and how many of them are above rounding.
#[derive(Clone, Debug, PartialEq)]
pub struct SingularSpectrum {
    /// −∞ for zero; NaN throughout if the matrix is not finite.
    pub logs: Vec<f64>,
    /// max(rows, columns) · ε of the precision the numbers came in: what the largest singular
    /// value's rounding can hide, relative to it. More where the method knows less.
    pub rounding: f64,
}

/// Up to this many multiplications a round of Jacobi's rotations is affordable at every save.
const SMALL: usize = 4_000_000;

/// How the singular values of a large matrix are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpectrumMethod {
    /// Small matrices by one-sided Jacobi rotations, each value with its own relative accuracy;
    /// large ones from the eigenvalues of their Gram matrix in double precision, which knows values
    /// down to √(n ε) of the largest: less than single precision leaves, but not what double
    /// precision holds. Values below that are reported as that.
    #[default]
    Fast,
    /// Jacobi rotations whatever the size: a second or two for 784 × 256.
    Exact,
}

impl SingularSpectrum {
    /// Of a matrix, by [`SpectrumMethod::Fast`].
    pub fn of<T: Real>(matrix: MatRef<'_, T>) -> Self {
        Self::by(SpectrumMethod::Fast, matrix)
    }

    /// Of a matrix.
    pub fn by<T: Real>(method: SpectrumMethod, matrix: MatRef<'_, T>) -> Self {
        let (rows, columns) = (matrix.nrows(), matrix.ncols());
        let (long, short) = (rows.max(columns), rows.min(columns));
        let tall = Mat::from_fn(long, short, |i, j| match rows >= columns {
            true => matrix[(i, j)].to_f64(),
            false => matrix[(j, i)].to_f64(),
        });
        let finite = (0..short).all(|j| tall.col_as_slice(j).iter().all(|x| x.is_finite()));
        if !finite {
            return Self {
                logs: vec![f64::NAN; short],
                rounding: f64::NAN,
            };
        }
        if method == SpectrumMethod::Exact || long.saturating_mul(short * short) <= SMALL {
            return Self::of_values::<T>(thin_svd(&tall).sigma, long);
        }
        Self::from_gram::<T>(&tall)
    }

    /// Of a tall matrix, from its Gram matrix.
    fn from_gram<T: Real>(tall: &Mat<f64>) -> Self {
        let (long, short) = (tall.nrows(), tall.ncols());
        let mut gram = vec![0.0; short * short];
        let into = MatMut::from_row_major_slice_mut(&mut gram, short, short);
        f64::multiply(into, Accum::Replace, tall.transpose(), tall.as_ref());
        let values = eigenvalues(&gram, short, Instructions::best())
            .unwrap_or_else(|| vec![f64::NAN; short]);
        let known = (short as f64 * f64::EPSILON).sqrt();
        let floor = known * values[0].max(0.0).sqrt();
        let sigma = values
            .into_iter()
            .map(|v| v.max(0.0).sqrt().max(floor))
            .collect();
        let spectrum = Self::of_values::<T>(sigma, long);
        Self {
            rounding: spectrum.rounding.max(known),
            ..spectrum
        }
    }

    /// Of magnitudes in any order, for a matrix of at most `size` rows or columns.
    pub fn of_values<T: Real>(mut values: Vec<f64>, size: usize) -> Self {
        values.sort_by(|a, b| b.total_cmp(a));
        Self {
            logs: values.into_iter().map(libm::log).collect(),
            rounding: size as f64 * T::EPSILON,
        }
    }

    /// Numerical rank at `tolerance`, numerical rank at rounding, effective rank, stable rank,
    /// nuclear norm; the order of [`crate::layout::RANKS`].
    pub fn ranks(&self, tolerance: f64) -> [f64; 5] {
        if self.logs.iter().any(|x| x.is_nan()) {
            return [f64::NAN; 5];
        }
        let at = |tolerance: f64| Ranks::new(self.logs.iter().copied(), libm::log(tolerance));
        let ranks = at(tolerance.max(self.rounding));
        [
            ranks.numerical,
            at(self.rounding).numerical,
            ranks.effective,
            ranks.stable,
            ranks.nuclear_norm,
        ]
    }

    /// Σ log σ: log|det| of a square matrix.
    pub fn log_abs_det(&self) -> f64 {
        self.logs.iter().sum()
    }
}

/// Wⱼ of a dense layer.
fn weights<'a, T: Real>(layer: &Layer, parameters: &'a [T]) -> MatRef<'a, T> {
    let values = &parameters[layer.weights.clone()];
    MatRef::from_row_major_slice(values, layer.inputs, layer.outputs)
}

/// The spectrum of one layer.
pub fn of_layer<T: Real>(
    layer: &Layer,
    parameters: &[T],
    method: SpectrumMethod,
) -> SingularSpectrum {
    if layer.diagonal {
        let values = &parameters[layer.weights.clone()];
        let sizes = values.iter().map(|v| v.to_f64().abs()).collect();
        return SingularSpectrum::of_values::<T>(sizes, layer.inputs);
    }
    SingularSpectrum::by(method, weights(layer, parameters))
}

/// The spectrum of the map of a linear network: singular values of W₁…W_N (as many as its
/// narrowest layer has), or the norms of the rows for a diagonal network.
pub fn of_product<T: Real>(network: &Network, parameters: &[T], size: usize) -> SingularSpectrum {
    if network.layers()[0].diagonal {
        return SingularSpectrum::of_values::<T>(row_norms(network, parameters), network.inputs());
    }
    let mut spectrum = SingularSpectrum::of(map_of(network, parameters).as_ref());
    spectrum.logs.truncate(size);
    spectrum.rounding = spectrum.rounding.max(network.inputs() as f64 * T::EPSILON);
    spectrum
}

/// W₁…W_N of a network that is a product of dense matrices, in double precision: each factor's
/// smallest direction multiplies.
pub fn map_of<T: Real>(network: &Network, parameters: &[T]) -> Mat<f64> {
    let (first, others) = network.layers().split_at(1);
    let start = first[0].matrix(parameters);
    let times = |map: Mat<f64>, layer: &Layer| &map * &layer.matrix(parameters);
    others.iter().fold(start, times)
}

fn row_norms<T: Real>(network: &Network, parameters: &[T]) -> Vec<f64> {
    let mut norms = vec![1.0; network.inputs()];
    for layer in network.layers() {
        let values = &parameters[layer.weights.clone()];
        let width = if layer.diagonal { 1 } else { layer.outputs };
        for (norm, row) in norms.iter_mut().zip(values.chunks_exact(width)) {
            *norm *= square_sum(row).sqrt();
        }
    }
    norms
}

/// The spectrum of stack j = 1…N − 1, Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ], whose log det is twice its log|det|.
pub fn of_stack<T: Real>(network: &Network, parameters: &[T], j: usize) -> SingularSpectrum {
    let (upper, lower) = (&network.layers()[j - 1], &network.layers()[j]);
    let (top, bottom) = (weights(upper, parameters), weights(lower, parameters));
    let stack = Mat::from_fn(upper.inputs + lower.outputs, upper.outputs, |i, c| {
        if i < upper.inputs {
            top[(i, c)]
        } else {
            bottom[(c, i - upper.inputs)]
        }
    });
    SingularSpectrum::of(stack.as_ref())
}

/// Distance from balance at hidden layer j = 1…N − 1: ‖WⱼᵀWⱼ − Wⱼ₊₁Wⱼ₊₁ᵀ‖_F of a linear network,
/// else the norm over its units of |weights in|² + bias² − |weights out|².
pub fn balance_distance<T: Real>(network: &Network, parameters: &[T], j: usize) -> f64 {
    let (before, after) = (&network.layers()[j - 1], &network.layers()[j]);
    if network.is_product() {
        let (below, above) = (before.matrix(parameters), after.matrix(parameters));
        return (below.transpose() * &below - &above * above.transpose()).norm_l2();
    }
    let square = |v: T| v.to_f64() * v.to_f64();
    let unit = |u: usize| {
        let stride = before.outputs;
        let first = before.weights.start + u;
        let last = before.weights.end;
        let inside: f64 = (first..last)
            .step_by(stride)
            .map(|i| square(parameters[i]))
            .sum();
        let bias = match before.biases.is_empty() {
            true => 0.0,
            false => square(parameters[before.biases.start + u]),
        };
        let width = if after.diagonal { 1 } else { after.outputs };
        let start = after.weights.start + u * width;
        let outside: f64 = parameters[start..start + width]
            .iter()
            .map(|&v| square(v))
            .sum();
        inside + bias - outside
    };
    let sum: f64 = (0..before.outputs).map(|u| unit(u) * unit(u)).sum();
    sum.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::network::{Architecture, NetworkSpec};

    fn network(layers: &[usize], activation: Activation, kind: Architecture) -> Network {
        Network::new(&NetworkSpec {
            layers: layers.to_vec(),
            activation,
            bias: activation != Activation::Linear,
            kind,
        })
        .expect("a network")
    }

    fn assert_close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-13 * (1.0 + b.abs()), "{a} {b}");
    }

    #[test]
    fn spectra_by_hand() {
        let linear = network(&[2, 2, 1], Activation::Linear, Architecture::Dense);
        // W₁ = [[3, 0], [0, 4]], W₂ = [1, 2]ᵀ: W₁W₂ = [3, 8]ᵀ.
        let parameters = [3.0, 0.0, 0.0, 4.0, 1.0, 2.0];
        let first = of_layer(&linear.layers()[0], &parameters, SpectrumMethod::Fast);
        assert_close(first.logs[0], 4f64.ln());
        assert_close(first.logs[1], 3f64.ln());
        assert_close(first.log_abs_det(), 12f64.ln());
        let map = of_product(&linear, &parameters, 1);
        assert_eq!(map.logs.len(), 1);
        assert_close(map.logs[0], 73f64.sqrt().ln());
        // ΘᵀΘ = diag(9, 16) + [1, 2]ᵀ[1, 2] has determinant 10·20 − 4.
        let stack = of_stack(&linear, &parameters, 1);
        assert_close(2.0 * stack.log_abs_det(), 196f64.ln());
        // diag(9, 16) − [1, 2]ᵀ[1, 2] = [[8, −2], [−2, 12]].
        assert_close(balance_distance(&linear, &parameters, 1), 216f64.sqrt());
        let ranks = first.ranks(0.8);
        assert_eq!(ranks[0..2], [1.0, 2.0]);
        assert_close(ranks[3], 25.0 / 16.0);
        assert_close(ranks[4], 7.0);
    }

    #[test]
    fn diagonal_and_rectified_networks_by_hand() {
        let diagonal = network(&[2, 2, 1], Activation::Linear, Architecture::DiagonalLinear);
        let parameters = [3.0, -4.0, 1.0, 2.0];
        let logs = of_product(&diagonal, &parameters, 2).logs;
        assert_close(logs[0], 8f64.ln());
        assert_close(logs[1], 3f64.ln());
        assert_close(
            balance_distance(&diagonal, &parameters, 1),
            8f64.hypot(12.0),
        );
        let relu = network(&[2, 2, 1], Activation::Relu, Architecture::Dense);
        // Columns of W₁ (3, 0) and (0, 4), biases 1 and 2, W₂ = [1, 2], last bias 9.
        let parameters = [3.0, 0.0, 0.0, 4.0, 1.0, 2.0, 1.0, 2.0, 9.0];
        assert_close(balance_distance(&relu, &parameters, 1), 9f64.hypot(16.0));
    }

    /// A rank-3 matrix in single precision has machine rank 3 by the tolerance of single precision
    /// and more by that of double precision.
    #[test]
    fn the_machine_rank_knows_its_precision() {
        let value = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f32 / 7.0 - 1.5;
        let (left, right) = (Mat::from_fn(40, 3, value), Mat::from_fn(3, 30, value));
        let product = &left * &right;
        let spectrum = SingularSpectrum::of(product.as_ref());
        assert_eq!(spectrum.ranks(1e-3)[1], 3.0);
        let wrong = SingularSpectrum {
            rounding: 40.0 * f64::EPSILON,
            ..spectrum
        };
        assert!(wrong.ranks(1e-3)[1] > 3.0);
    }

    /// Both methods agree as far as the Gram matrix reaches, in both precisions, and its floor
    /// holds below that.
    #[test]
    fn large_matrices_agree_with_exact_ones() {
        let (rows, columns) = (230, 150);
        let value =
            |i: usize, j: usize| ((i * 7919 + j * j * 31 + i * j * 17) % 1009) as f64 / 500.0;
        let graded = Mat::from_fn(rows, columns, |i, j| {
            (value(i, j) - 1.0) * 10f64.powf(-(j as f64) * 12.0 / columns as f64)
        });
        let (fast, exact) = (
            SingularSpectrum::of(graded.as_ref()),
            SingularSpectrum::by(SpectrumMethod::Exact, graded.as_ref()),
        );
        let floor = (columns as f64 * f64::EPSILON).sqrt().ln();
        for (a, b) in fast.logs.iter().zip(&exact.logs) {
            let relative = b - exact.logs[0];
            if relative > floor + 4.0 {
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            } else if relative < floor - 1.0 {
                assert!((a - fast.logs[0] - floor).abs() < 2.0);
            }
        }
        assert!(exact.logs[columns - 1] - exact.logs[0] < -24.0);
        let single = Mat::from_fn(rows, columns, |i, j| graded[(i, j)] as f32);
        let wide = SingularSpectrum::of(single.transpose());
        assert!((wide.logs[0] - exact.logs[0]).abs() < 1e-6 && wide.logs.len() == columns);
        assert_eq!(wide.rounding, 230.0 * f64::from(f32::EPSILON));
        let broken = Mat::from_fn(3, 2, |i, _| if i == 1 { f64::NAN } else { 1.0 });
        let ranks = SingularSpectrum::of(broken.as_ref()).ranks(0.1);
        assert!(ranks.iter().all(|r| r.is_nan()));
    }
}

//! What a network makes of probe rows: the rank and sparsity of its features, and its Jacobian.

use faer::{Mat, MatRef};

use rankfall_core::random::{Purpose, StreamKey};

use crate::data::Dataset;
use crate::gradient::Workspace;
use crate::matrix::{dot, square_sum};
use crate::network::Network;
use crate::scalar::Real;

/// Features whose activations correlate more than this count as one.
const SAME_FEATURE: f64 = 0.95;

/// `count` distinct rows of `data`, drawn from the seed, in their order; all if there are no more.
pub fn probe_rows<T: Real>(data: &Dataset<T>, count: u64, seed: u64) -> Vec<u32> {
    let rows = data.rows() as u32;
    if count >= u64::from(rows) {
        return (0..rows).collect();
    }
    // A partial shuffle (Fisher–Yates).
    let mut all: Vec<u32> = (0..rows).collect();
    let mut reader = StreamKey::new(seed, Purpose::ProbeRows, 0).reader(0, 0);
    for place in 0..count as usize {
        let other = place + reader.below(all.len() as u64 - place as u64) as usize;
        all.swap(place, other);
    }
    all.truncate(count as usize);
    all.sort_unstable();
    all
}

/// Sparsity of one hidden layer on the probe rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparsity {
    /// Mean share of units that are not zero.
    pub active: f64,
    /// The same when units whose activations correlate by more than 0.95 with a unit before them
    /// are left out (Andriushchenko and others 2023).
    pub distinct_active: f64,
}

/// The sparsity of the features `h` (rows × width).
pub fn sparsity<T: Real>(h: &[T], width: usize) -> Sparsity {
    let rows = h.len() / width;
    let column = |u: usize| h.iter().skip(u).step_by(width).map(|v| v.to_f64());
    let active = |u: usize| column(u).filter(|&v| v != 0.0).count();
    let mut kept: Vec<Vec<f64>> = Vec::new();
    let (mut all, mut distinct) = (0, 0);
    for u in 0..width {
        let count = active(u);
        all += count;
        if count == 0 {
            continue;
        }
        let standard = standardised(column(u).collect());
        let same = |other: &Vec<f64>| dot(&standard, other) > SAME_FEATURE;
        if !kept.iter().any(same) {
            distinct += count;
            kept.push(standard);
        }
    }
    let total = (rows * width) as f64;
    Sparsity {
        active: all as f64 / total,
        distinct_active: distinct as f64 / total,
    }
}

/// Minus its mean, with norm 1; zeros where constant.
fn standardised(mut values: Vec<f64>) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|v| *v -= mean);
    let norm = square_sum(&values).sqrt();
    // Rounding of a constant column is no variation.
    let scale = if norm > 1e-12 * mean.abs() {
        1.0 / norm
    } else {
        0.0
    };
    values.iter_mut().for_each(|v| *v *= scale);
    values
}

/// The Jacobian of all outputs on the rows of `x` by the parameters: (rows · k) × parameters.
pub fn jacobian<T: Real>(network: &Network, parameters: &[T], x: &[T]) -> Mat<T> {
    let k = network.outputs();
    let rows = x.len() / network.inputs();
    let mut values = vec![T::ZERO; rows * k * network.parameters()];
    let mut workspace = Workspace::new(network);
    let mut weights = vec![T::ZERO; k];
    let mut gradients = values.chunks_exact_mut(network.parameters());
    for row in x.chunks_exact(network.inputs()) {
        for output in 0..k {
            weights.fill(T::ZERO);
            weights[output] = T::ONE;
            if let Some(gradient) = gradients.next() {
                workspace.forward(network, parameters, row);
                workspace.backward_outputs(network, parameters, row, &weights, gradient);
            }
        }
    }
    let all = MatRef::from_row_major_slice(&values, rows * k, network.parameters());
    Mat::from_fn(all.nrows(), all.ncols(), |i, j| all[(i, j)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::data::Targets;
    use crate::network::NetworkSpec;

    #[test]
    fn probe_rows_are_distinct_and_uniform() {
        let data = Dataset::new(1, vec![0.0; 10], Targets::Classes(vec![0; 10])).expect("sound");
        assert_eq!(probe_rows(&data, 10, 1), (0..10).collect::<Vec<_>>());
        let mut counts = [0.0; 10];
        for seed in 0..5000 {
            let rows = probe_rows(&data, 3, seed);
            assert!(rows.len() == 3 && rows.windows(2).all(|w| w[0] < w[1]));
            rows.iter().for_each(|&r| counts[r as usize] += 1.0);
        }
        // Each count is binomial(5000, 0.3), deviation 32: five of them.
        assert!(
            counts.iter().all(|c| (c - 1500.0_f64).abs() < 162.0),
            "{counts:?}"
        );
    }

    #[test]
    fn sparsity_by_hand() {
        // Units: half active; twice the first; dead; independent of the first, always active.
        let h = [
            1.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0, 3.0, 6.0, 0.0, 3.0,
        ];
        let sparsity = sparsity(&h, 4);
        assert_eq!(sparsity.active, 8.0 / 16.0);
        assert_eq!(sparsity.distinct_active, 6.0 / 16.0);
    }

    /// A linear map's Jacobian by its entries is the input itself, one block per output.
    #[test]
    fn jacobian_of_one_layer() {
        let network = NetworkSpec::dense(&[2, 2], Activation::Linear, true);
        let network = Network::new(&network).expect("a network");
        let jacobian = jacobian(&network, &[0.3; 6], &[5.0, 7.0, 1.0, 2.0]);
        let expected = [
            [5.0, 0.0, 7.0, 0.0, 1.0, 0.0],
            [0.0, 5.0, 0.0, 7.0, 0.0, 1.0],
            [1.0, 0.0, 2.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 0.0, 2.0, 0.0, 1.0],
        ];
        for (i, row) in expected.iter().enumerate() {
            for (j, &value) in row.iter().enumerate() {
                assert_eq!(jacobian[(i, j)], value);
            }
        }
    }
}

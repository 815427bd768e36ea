//! Hidden neurons: how large each is, which have vanished, which are duplicates of one another.
//!
//! A neuron is its incoming weights with its bias, and its outgoing weights. Rectifiers with the
//! same incoming direction make up one neuron with the sum of their outgoing weights: then a
//! smaller network does the same.

use crate::activation::Activation;
use crate::matrix::{dot, square_sum};
use crate::network::Network;
use crate::scalar::Real;

/// A neuron has vanished where its size is below this share of the largest.
const VANISHED: f64 = 1e-2;

/// Neurons are duplicates where the cosine between their incoming weights is above this: 2.6
/// degrees.
const DUPLICATE: f64 = 0.999;

/// The neurons of one hidden layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Neurons {
    /// Natural logarithms of |incoming weights and bias| · |outgoing weights|, descending: a size
    /// that does not change when a factor moves from one to the other. −∞ for zero.
    pub log_sizes: Vec<f64>,
    /// How many have a size below a hundredth of the largest; all where that is zero.
    pub vanished: usize,
    /// How many of the others point the same way (of odd activations: or the opposite way), to a
    /// cosine of 0.999, as one before them that is not a duplicate itself, in descending order of
    /// size.
    pub duplicates: usize,
}

impl Neurons {
    /// Of hidden layer j = 1…N − 1.
    pub fn of_layer<T: Real>(network: &Network, parameters: &[T], j: usize) -> Self {
        let (before, after) = (&network.layers()[j - 1], &network.layers()[j]);
        let number = |place: usize| parameters[place].to_f64();
        let incoming = |u: usize| -> Vec<f64> {
            let weights = match before.diagonal {
                true => before.weights.start + u..before.weights.start + u + 1,
                false => before.weights.start + u..before.weights.end,
            };
            let bias = before.biases.clone().skip(u).take(1);
            let step = if before.diagonal { 1 } else { before.outputs };
            weights.step_by(step).chain(bias).map(number).collect()
        };
        let outgoing = |u: usize| -> f64 {
            let width = if after.diagonal { 1 } else { after.outputs };
            let start = after.weights.start + u * width;
            norm(&(start..start + width).map(number).collect::<Vec<_>>())
        };
        let mut all: Vec<(f64, Vec<f64>)> = (0..before.outputs)
            .map(|u| {
                let weights = incoming(u);
                (norm(&weights) * outgoing(u), weights)
            })
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let largest = all[0].0;
        let is_there = |size: f64| size > 0.0 && size >= VANISHED * largest;
        let is_odd = matches!(before.activation, Activation::Linear | Activation::Tanh);
        let mut distinct: Vec<Vec<f64>> = Vec::new();
        let mut duplicates = 0;
        for (_, weights) in all.iter().filter(|(size, _)| is_there(*size)) {
            let length = norm(weights);
            let direction: Vec<f64> = weights.iter().map(|w| w / length).collect();
            let same = |other: &Vec<f64>| {
                let cosine = dot(other, &direction);
                cosine > DUPLICATE || is_odd && -cosine > DUPLICATE
            };
            match distinct.iter().any(same) {
                true => duplicates += 1,
                false => distinct.push(direction),
            }
        }
        Self {
            vanished: all.iter().filter(|(size, _)| !is_there(*size)).count(),
            log_sizes: all.into_iter().map(|(size, _)| libm::log(size)).collect(),
            duplicates,
        }
    }

    /// Neurons that have neither vanished nor are duplicates.
    pub fn distinct(&self) -> usize {
        self.log_sizes.len() - self.vanished - self.duplicates
    }
}

fn norm(a: &[f64]) -> f64 {
    square_sum(a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkSpec;

    fn neurons(activation: Activation) -> Neurons {
        let network = NetworkSpec::dense(&[2, 5, 1], activation, true);
        let network = Network::new(&network).expect("a network");
        // Units (3, 0, 4), its double, its opposite, a tiny one, one of its own; then outgoing
        // weights.
        let rows = [
            [3.0, 6.0, -3.0, 1e-3, 0.0],
            [0.0, 0.0, 0.0, 0.0, 1.0],
            [4.0, 8.0, -4.0, 0.0, 0.0],
        ];
        let parameters = [rows.concat(), vec![1.0, 2.0, -1.0, 1.0, 7.0, 0.5]].concat();
        Neurons::of_layer(&network, &parameters, 1)
    }

    #[test]
    fn neurons_by_hand() {
        let found = neurons(Activation::Relu);
        let sizes: Vec<f64> = found.log_sizes.iter().map(|s| s.exp()).collect();
        for (size, expected) in sizes.iter().zip([20.0, 7.0, 5.0, 5.0, 1e-3]) {
            assert!((size - expected).abs() < 1e-12, "{sizes:?}");
        }
        assert_eq!(
            (found.vanished, found.duplicates, found.distinct()),
            (1, 1, 3)
        );
        let odd = neurons(Activation::Tanh);
        assert_eq!((odd.vanished, odd.duplicates, odd.distinct()), (1, 2, 2));
    }

    #[test]
    fn all_neurons_of_zero_weights_have_vanished() {
        let network = NetworkSpec::dense(&[2, 3, 1], Activation::Relu, false);
        let network = Network::new(&network).expect("a network");
        let found = Neurons::of_layer(&network, &[0.0_f32; 9], 1);
        assert_eq!((found.vanished, found.duplicates), (3, 0));
    }
}

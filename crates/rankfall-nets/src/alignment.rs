//! How far the weights of a linear network look where its linear teacher looks.
//!
//! Of a teacher B of rank r with left and right singular subspaces U, V (r-dimensional) and a map A
//! with its leading r singular vectors U_A, V_A, the alignments are |UᵀU_A|²/r and |VᵀV_A|²/r, 1
//! where the subspaces are the same and about r/p and r/k where they have nothing to do with each
//! other.

use faer::Mat;

use crate::matrix::svd;
use crate::network::Network;
use crate::scalar::Real;
use crate::spectra::map_of;

/// A singular value of the teacher below this share of the largest is zero.
const ZERO: f64 = 1e-10;

/// The singular subspaces of a teacher.
#[derive(Clone, Debug)]
pub struct TeacherSubspaces {
    /// Inputs × rank.
    left: Mat<f64>,
    /// Outputs × rank.
    right: Mat<f64>,
}

impl TeacherSubspaces {
    /// Of a map with so many inputs, by rows. None for one that is zero.
    pub fn of(map: &[f64], inputs: usize) -> Option<Self> {
        let outputs = map.len() / inputs;
        let found = svd(&Mat::from_fn(inputs, outputs, |i, j| map[i * outputs + j]));
        let is_there = |s: &&f64| **s > ZERO * found.sigma[0];
        let rank = found.sigma.iter().filter(is_there).count();
        (rank > 0).then(|| Self {
            left: found.u.subcols(0, rank).to_owned(),
            right: found.v.subcols(0, rank).to_owned(),
        })
    }

    /// r.
    pub fn rank(&self) -> usize {
        self.left.ncols()
    }

    /// The alignments of the map W₁…W_N on the side of the inputs and of the outputs.
    pub fn of_product<T: Real>(&self, network: &Network, parameters: &[T]) -> [f64; 2] {
        let found = svd(&map_of(network, parameters));
        let of = |own: &Mat<f64>, other: &Mat<f64>| {
            let leading = other.subcols(0, self.rank().min(other.ncols()));
            let norm = (own.transpose() * leading).norm_l2();
            norm * norm / self.rank() as f64
        };
        [of(&self.left, &found.u), of(&self.right, &found.v)]
    }

    /// The share of |W₁|² in the left subspace, and of |W_N|² in the right one.
    pub fn shares<T: Real>(&self, network: &Network, parameters: &[T]) -> [f64; 2] {
        let layers = network.layers();
        let (first, last) = (&layers[0], &layers[layers.len() - 1]);
        let square = |m: Mat<f64>| m.norm_l2() * m.norm_l2();
        let (w1, wn) = (first.matrix(parameters), last.matrix(parameters));
        [
            square(self.left.transpose() * &w1) / square(w1),
            square(&wn * &self.right) / square(wn),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::network::NetworkSpec;

    fn network(layers: &[usize]) -> Network {
        Network::new(&NetworkSpec::dense(layers, Activation::Linear, false)).expect("a network")
    }

    /// A teacher that looks at the first of three inputs and moves the second of two outputs.
    #[test]
    fn alignments_by_hand() {
        let teacher = TeacherSubspaces::of(&[0.0, 5.0, 0.0, 0.0, 0.0, 0.0], 3).expect("not zero");
        assert_eq!(teacher.rank(), 1);
        let network = network(&[3, 1, 2]);
        // W₁ = (3, 4, 0)ᵀ, W₂ = (5, 12): the map is their product.
        let [inputs, outputs] = teacher.of_product(&network, &[3.0, 4.0, 0.0, 5.0, 12.0]);
        assert!((inputs - 9.0 / 25.0).abs() < 1e-14);
        assert!((outputs - 144.0 / 169.0).abs() < 1e-14);
        let shares = teacher.shares(&network, &[3.0_f64, 4.0, 0.0, 5.0, 12.0]);
        assert!(
            (shares[0] - 9.0 / 25.0).abs() < 1e-14 && (shares[1] - 144.0 / 169.0).abs() < 1e-14
        );
        assert!(TeacherSubspaces::of(&[0.0; 6], 3).is_none());
    }

    /// A teacher of full rank on the side of the outputs is aligned with everything there.
    #[test]
    fn a_wide_map_and_a_teacher_of_full_rank() {
        let map: Vec<f64> = (0..6).map(|i| f64::from(i * i % 5) - 1.3).collect();
        let teacher = TeacherSubspaces::of(&map, 2).expect("not zero");
        assert_eq!(teacher.rank(), 2);
        let [inputs, outputs] = teacher.of_product(&network(&[2, 3]), &map);
        assert!((inputs - 1.0).abs() < 1e-13 && (outputs - 1.0).abs() < 1e-13);
    }
}

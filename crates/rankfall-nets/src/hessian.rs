//! The Hessian of the training loss at given weights: its product with a direction, its largest
//! eigenvalue, its trace.
//!
//! Products are exact derivatives of the gradient along the direction, not differences: with R for
//! the derivative along V, R zⱼ = R hⱼ₋₁ Wⱼ + hⱼ₋₁Vⱼ (biases alike), R hⱼ = f′(zⱼ) ∘ R zⱼ, and back
//! R ∂Wⱼ = R hⱼ₋₁ᵀδⱼ + hⱼ₋₁ᵀ R δⱼ, R δⱼ₋₁ = (R δⱼ Wⱼᵀ + δⱼVⱼᵀ) ∘ f′ + δⱼWⱼᵀ ∘ f″ ∘ R zⱼ₋₁
//! (Pearlmutter 1994). Kinks of rectifiers have no second derivative here. All of it is in double
//! precision.

use crate::data::Dataset;
use crate::gradient::{affine, layer_gradient, pull_back};
use crate::loss::Loss;
use crate::matrix::{dot, square_sum};
use crate::network::{Layer, Network};
use rankfall_core::random::{Purpose, StreamKey};

/// Most steps of Lanczos' iteration.
const MOST_STEPS: usize = 60;

/// The iteration ends where the largest eigenvalue changes by less than this share.
const SETTLED: f64 = 1e-9;

/// The Hessian of the mean loss on some rows at some weights.
pub struct Hessian<'a> {
    network: &'a Network,
    loss: Loss,
    data: Dataset<f64>,
    parameters: Vec<f64>,
    /// Layers without their biases, for products with weights alone.
    unbiased: Vec<Layer>,
    /// zⱼ.
    arguments: Vec<Vec<f64>>,
    /// hⱼ₋₁, the inputs of layer j.
    inputs: Vec<Vec<f64>>,
    /// δⱼ.
    deltas: Vec<Vec<f64>>,
    /// δⱼWⱼᵀ; empty for the first layer.
    pulled: Vec<Vec<f64>>,
}

impl<'a> Hessian<'a> {
    /// At `parameters`, on all rows of `data`, which must fit the network and the loss.
    pub fn new(network: &'a Network, loss: Loss, data: Dataset<f64>, parameters: Vec<f64>) -> Self {
        let layers = network.layers();
        let (mut arguments, mut inputs) = (Vec::new(), vec![data.x().to_vec()]);
        for layer in layers {
            let input = &inputs[inputs.len() - 1];
            let mut z = vec![0.0; data.rows() * layer.outputs];
            affine(layer, &parameters, input, &mut z);
            let mut h = vec![0.0; z.len()];
            layer.activation.apply(&z, &mut h);
            arguments.push(z);
            inputs.push(h);
        }
        let mut deltas = vec![Vec::new(); layers.len()];
        let mut pulled = vec![Vec::new(); layers.len()];
        let mut delta = vec![0.0; data.rows() * network.outputs()];
        let outputs = &arguments[layers.len() - 1];
        loss.derivative(outputs, network.outputs(), data.targets(), &mut delta);
        for (index, layer) in layers.iter().enumerate().rev() {
            deltas[index] = delta;
            delta = Vec::new();
            if let Some(below) = index.checked_sub(1) {
                let mut back = vec![0.0; data.rows() * layer.inputs];
                pull_back(layer, &parameters, &deltas[index], &mut back);
                delta = back.clone();
                layers[below]
                    .activation
                    .chain(&arguments[below], &mut delta);
                pulled[index] = back;
            }
        }
        let without_biases = |layer: &Layer| Layer {
            biases: 0..0,
            ..layer.clone()
        };
        Self {
            network,
            loss,
            data,
            parameters,
            unbiased: layers.iter().map(without_biases).collect(),
            arguments,
            inputs,
            deltas,
            pulled,
        }
    }

    /// H v.
    pub fn product(&self, direction: &[f64]) -> Vec<f64> {
        let tangents = self.tangents(direction);
        let layers = self.network.layers();
        let (rows, k) = (self.data.rows(), self.network.outputs());
        let last = layers.len() - 1;
        let mut r_delta = vec![0.0; rows * k];
        let (outputs, targets) = (&self.arguments[last], self.data.targets());
        (self.loss).curvature(outputs, k, targets, &tangents[last], &mut r_delta);
        let mut product = vec![0.0; self.parameters.len()];
        let mut other = vec![0.0; self.parameters.len()];
        for (index, layer) in layers.iter().enumerate().rev() {
            layer_gradient(layer, &self.inputs[index], &r_delta, &mut product);
            let Some(below) = index.checked_sub(1) else {
                break;
            };
            let z = &self.arguments[below];
            let activation = layers[below].activation;
            let mut r_input = tangents[below].clone();
            activation.chain(z, &mut r_input);
            layer_gradient(
                &self.unbiased[index],
                &r_input,
                &self.deltas[index],
                &mut other,
            );
            for place in layer.weights.clone() {
                product[place] += other[place];
            }
            let mut back = vec![0.0; rows * layer.inputs];
            let mut along = vec![0.0; rows * layer.inputs];
            pull_back(layer, &self.parameters, &r_delta, &mut back);
            pull_back(layer, direction, &self.deltas[index], &mut along);
            back.iter_mut().zip(&along).for_each(|(b, a)| *b += a);
            activation.chain(z, &mut back);
            let bends = z.iter().zip(&tangents[below]).zip(&self.pulled[index]);
            for (b, ((&z, tangent), pulled)) in back.iter_mut().zip(bends) {
                *b += pulled * activation.curvature(z) * tangent;
            }
            r_delta = back;
        }
        product
    }

    /// R zⱼ of every layer along a direction.
    fn tangents(&self, direction: &[f64]) -> Vec<Vec<f64>> {
        let mut tangents: Vec<Vec<f64>> = Vec::new();
        for (index, layer) in self.network.layers().iter().enumerate() {
            let mut tangent = vec![0.0; self.arguments[index].len()];
            affine(layer, direction, &self.inputs[index], &mut tangent);
            if let Some(below) = index.checked_sub(1) {
                let mut input = tangents[below].clone();
                let activation = self.network.layers()[below].activation;
                activation.chain(&self.arguments[below], &mut input);
                let mut through = vec![0.0; tangent.len()];
                let unbiased = &self.unbiased[index];
                affine(unbiased, &self.parameters, &input, &mut through);
                tangent.iter_mut().zip(&through).for_each(|(t, o)| *t += o);
            }
            tangents.push(tangent);
        }
        tangents
    }

    /// The largest eigenvalue (not the largest in size), by Lanczos' iteration with every direction
    /// kept orthogonal to those before it; from below, to about nine digits where the iteration
    /// settles, which 60 steps allow for almost always. NaN where the Hessian is not finite.
    pub fn largest_eigenvalue(&self) -> f64 {
        let size = self.parameters.len();
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
        let mut next: Vec<f64> = (0..size).map(scattered).collect();
        let mut length = norm(&next);
        let mut largest = f64::NEG_INFINITY;
        for _ in 0..MOST_STEPS.min(size) {
            next.iter_mut().for_each(|v| *v /= length);
            let product = self.product(&next);
            diagonal.push(dot(&next, &product));
            basis.push(std::mem::replace(&mut next, product));
            // Twice is enough (Parlett).
            for _ in 0..2 {
                for known in &basis {
                    let share = dot(known, &next);
                    next.iter_mut()
                        .zip(known)
                        .for_each(|(v, k)| *v -= share * k);
                }
            }
            let before = largest;
            largest = largest_of_tridiagonal(&diagonal, &beside);
            length = norm(&next);
            let scale = diagonal.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
            if !largest.is_finite() {
                return f64::NAN;
            }
            if length <= 1e-12 * scale || (largest - before) <= SETTLED * largest.abs() {
                break;
            }
            beside.push(length);
        }
        largest
    }

    /// The trace: exact where there are no more parameters than `probes`, else Hutchinson's mean of
    /// zᵀHz over so many vectors of signs, the same for every Hessian of the seed. Its variance is
    /// 2/probes times the sum of squares off the diagonal of H.
    pub fn trace(&self, probes: u64, seed: u64) -> f64 {
        let size = self.parameters.len();
        if size as u64 <= probes {
            let entry = |place: usize| {
                let mut unit = vec![0.0; size];
                unit[place] = 1.0;
                self.product(&unit)[place]
            };
            return (0..size).map(entry).fold(0.0, |sum, h| sum + h);
        }
        let mut sum = 0.0;
        for probe in 0..probes {
            let mut reader = StreamKey::new(seed, Purpose::ProbeRows, 1).reader(probe, 0);
            let sign = |_| match reader.word() & 1 {
                0 => 1.0,
                _ => -1.0,
            };
            let signs: Vec<f64> = (0..size).map(sign).collect();
            sum += dot(&signs, &self.product(&signs));
        }
        sum / probes as f64
    }
}

/// The largest eigenvalue of a symmetric tridiagonal matrix, by bisection with Sturm's sequence.
fn largest_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> f64 {
    let of = |place: Option<usize>| place.and_then(|p| beside.get(p)).copied().unwrap_or(0.0);
    let radius = |i: usize| of(i.checked_sub(1)).abs() + of(Some(i)).abs();
    let ends = diagonal.iter().enumerate();
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (i, d)| {
        (low.min(d - radius(i)), high.max(d + radius(i)))
    });
    let (mut low, mut high) = (low, high);
    // Whether all eigenvalues are below x.
    let all_below = |x: f64| {
        let mut pivot = 1.0;
        for (i, d) in diagonal.iter().enumerate() {
            let coupling = of(i.checked_sub(1));
            pivot = d - x - coupling * coupling / pivot;
            if pivot >= 0.0 {
                return false;
            }
        }
        true
    };
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        match all_below(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    0.5 * (low + high)
}

/// Numbers in (−½, ½) without a pattern: multiples of the golden ratio.
fn scattered(place: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    ((place + 1) as f64 * GOLDEN).fract() - 0.5
}

fn norm(a: &[f64]) -> f64 {
    square_sum(a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::data::Targets;
    use crate::gradient::Workspace;
    use crate::network::{Architecture, NetworkSpec};
    use crate::symmetric::eigenvalues;
    use rankfall_core::simd::instructions::Instructions;

    fn network(layers: &[usize], activation: Activation, kind: Architecture) -> Network {
        let spec = NetworkSpec {
            layers: layers.to_vec(),
            activation,
            bias: activation != Activation::Linear,
            kind,
        };
        Network::new(&spec).expect("a network")
    }

    fn normals(count: usize, draw: u64) -> Vec<f64> {
        let mut reader = StreamKey::new(7, Purpose::Inputs, 0).reader(draw, 0);
        (0..count).map(|_| reader.normal()).collect()
    }

    /// Every column against differences of gradients, each loss with every activation; then the
    /// trace and the largest eigenvalue of the matrix they make.
    #[test]
    fn products_agree_with_differences_of_gradients() {
        let rows = 9;
        let one_hot = [0.0, 1.0, 1.0, 0.0].repeat(5)[..2 * rows].to_vec();
        let mut half_observed = normals(2 * rows, 3);
        half_observed
            .iter_mut()
            .step_by(3)
            .for_each(|y| *y = f64::NAN);
        let values = |values: Vec<f64>| Targets::Values { columns: 2, values };
        let classes = Targets::Classes([0, 1, 1].repeat(3));
        let (dense, diagonal) = (Architecture::Dense, Architecture::DiagonalLinear);
        let squared = values(normals(2 * rows, 1));
        let mut cases = vec![
            (
                Loss::Squared,
                values(half_observed),
                Activation::Tanh,
                dense,
            ),
            (Loss::Logistic, values(one_hot), Activation::Sigmoid, dense),
            (Loss::SoftmaxCrossEntropy, classes, Activation::Gelu, dense),
            (Loss::Squared, squared.clone(), Activation::Linear, diagonal),
        ];
        for activation in Activation::ALL {
            cases.push((Loss::Squared, squared.clone(), activation, dense));
        }
        for (loss, targets, activation, kind) in cases {
            let hidden = if kind == dense { 4 } else { 3 };
            let network = network(&[3, hidden, hidden, 2], activation, kind);
            let mut data =
                Dataset::new(3, normals(3 * rows, 0), values(vec![0.0; 2 * rows])).expect("sound");
            *data.parts_mut().1 = targets;
            let weights = normals(network.parameters(), 2);
            let gradient = |weights: &[f64]| {
                let mut workspace = Workspace::new(&network);
                let mut gradient = vec![0.0; weights.len()];
                workspace.forward(&network, weights, data.x());
                workspace.backward(
                    &network,
                    weights,
                    data.x(),
                    loss,
                    data.targets(),
                    &mut gradient,
                );
                gradient
            };
            let hessian = Hessian::new(&network, loss, data.clone(), weights.clone());
            let size = weights.len();
            let mut matrix = Vec::new();
            for place in 0..size {
                let mut unit = vec![0.0; size];
                unit[place] = 1.0;
                let column = hessian.product(&unit);
                let h = 1e-6;
                let moved = |by: f64| {
                    let mut weights = weights.clone();
                    weights[place] += by;
                    gradient(&weights)
                };
                for ((ahead, behind), exact) in moved(h).iter().zip(&moved(-h)).zip(&column) {
                    let difference = (ahead - behind) / (2.0 * h);
                    let error = (difference - exact).abs();
                    assert!(
                        error < 1e-7 * (1.0 + exact.abs()),
                        "{loss:?} {activation:?}: {difference} {exact}"
                    );
                }
                matrix.extend(column);
            }
            let all = eigenvalues(&matrix, size, Instructions::best()).expect("finite");
            let (largest, found) = (all[0], hessian.largest_eigenvalue());
            assert!(
                (found - largest).abs() < 1e-6 * largest,
                "{loss:?} {activation:?}: {found} {largest}"
            );
            let trace: f64 = all.iter().sum();
            let exact = hessian.trace(size as u64, 1);
            assert!((exact - trace).abs() < 1e-9 * (1.0 + trace.abs()));
            // Hutchinson's mean within five of its standard errors.
            let probes = 24;
            let off: f64 = matrix
                .iter()
                .enumerate()
                .filter(|(i, _)| i / size != i % size)
                .map(|(_, h)| h * h)
                .sum();
            let error = (2.0 * off / probes as f64).sqrt();
            let estimate = hessian.trace(probes, 1);
            assert!(
                error > 0.0 && (estimate - trace).abs() < 5.0 * error,
                "{estimate} {trace} {error}"
            );
        }
    }

    #[test]
    fn tridiagonal_matrices_by_hand() {
        assert!((largest_of_tridiagonal(&[2.0, 2.0], &[1.0]) - 3.0).abs() < 1e-12);
        assert!((largest_of_tridiagonal(&[-4.0], &[]) + 4.0).abs() < 1e-12);
        let chain = largest_of_tridiagonal(&[0.0; 4], &[1.0; 3]);
        assert!((chain - 2.0 * (std::f64::consts::PI / 5.0).cos()).abs() < 1e-12);
    }
}

//! What the noise does to the singular values of any layer: their drift, predicted from the
//! gradient and its noise at the current weights.
//!
//! A step moves a layer W (m × n, W = Σ σᵢ uᵢvᵢᵀ) by E = −η(ḡ + ξ): ḡ the mean of the noisy
//! gradient (with weight decay λW), ξ what is left, of any covariance. With αᵢⱼ = uᵢᵀEvⱼ,
//! second-order perturbation of a simple singular value σᵢ > 0 gives
//!
//! ```text
//! Δ log σᵢ = αᵢᵢ/σᵢ − ½ αᵢᵢ²/σᵢ²
//!          + ½ Σ_{j≠i} [αᵢⱼ² + αⱼᵢ² + 2 (σⱼ/σᵢ) αᵢⱼαⱼᵢ] / (σᵢ² − σⱼ²)
//!          + ½ Σ_a (u_aᵀEvᵢ)²/σᵢ² + ½ Σ_b (uᵢᵀEv_b)²/σᵢ² + O(E³),
//! ```
//!
//! a over the left and b over the right singular vectors that belong to no σⱼ, j ≤ min(m, n). Its
//! mean splits into the *gradient* (first order in ḡ), its *curvature* (second order in ḡ, the part
//! that finite steps have without noise), and of the covariance of ξ the *own noise* (−½ αᵢᵢ²),
//! the *repulsion* of the other singular values, and the *growth* out of the directions that have
//! none. For isotropic noise of intensity s² the last two are, per unit of time,
//! (s²/2σᵢ)[Σ_{j≠i} (1/(σᵢ − σⱼ) + 1/(σᵢ + σⱼ)) + |m − n|/σᵢ].

use faer::Mat;
use thiserror::Error;

use rankfall_core::linalg::dense::{ThinSvd, product, transpose_product};

use crate::matrix::{square_sum, svd};
use crate::network::Layer;
use crate::scalar::Real;
use crate::spectra;
use crate::training::{Diverged, Trainer};

/// Draws are numbered from here, far beyond the steps of any run.
const FIRST_DRAW: u64 = 1 << 60;

/// The parts of the expected change of one log σᵢ in one step, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PredictedDrift {
    /// −η uᵢᵀḡvᵢ/σᵢ.
    pub gradient: f64,
    /// All second-order terms of ḡ.
    pub curvature: f64,
    /// −½ E αᵢᵢ²/σᵢ² of the noise.
    pub own_noise: f64,
    /// What the other singular values add.
    pub repulsion: f64,
    /// What directions without a singular value add; never negative.
    pub growth: f64,
}

impl PredictedDrift {
    /// All second-order terms.
    pub fn second_order(&self) -> f64 {
        self.curvature + self.own_noise + self.repulsion + self.growth
    }

    /// The whole.
    pub fn total(&self) -> f64 {
        self.gradient + self.second_order()
    }
}

/// A prediction that cannot be made.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PredictionError {
    /// No such layer.
    #[error("the network has {layers} layers; there is no layer {layer}")]
    Layer {
        /// Asked for, from 1.
        layer: usize,
        /// Layers there are.
        layers: usize,
    },
    /// Singular values of a diagonal are its entries; the equation is for dense layers.
    #[error("layer {0} is diagonal; predictions are for dense layers")]
    Diagonal(usize),
    /// With momentum the next step depends on the velocity, not on the gradient alone.
    #[error("with momentum a step is not the gradient's alone; predictions need momentum = 0")]
    Momentum,
    /// A covariance from fewer than two draws.
    #[error("{0} draws tell nothing of the noise; take 2 or more")]
    Draws(u64),
    /// Outputs out of range.
    #[error("the network diverged")]
    Diverged,
}

impl From<Diverged> for PredictionError {
    fn from(_: Diverged) -> Self {
        Self::Diverged
    }
}

/// The singular value decomposition of a layer, and the moments of its gradient seen so far.
struct Moments {
    /// m × r.
    u: Mat<f64>,
    sigma: Vec<f64>,
    /// n × r.
    v: Mat<f64>,
    count: f64,
    /// Σ g, m × n.
    sum: Mat<f64>,
    /// Σ αᵢⱼ², Σ αᵢⱼαⱼᵢ, r × r, of g itself.
    squares: Mat<f64>,
    products: Mat<f64>,
    /// Σ |g vᵢ|², Σ |gᵀuᵢ|².
    left: Vec<f64>,
    right: Vec<f64>,
}

/// r × r: αᵢⱼ = uᵢᵀgvⱼ; and |g vᵢ|², |gᵀuᵢ|².
struct Projection {
    alpha: Mat<f64>,
    left: Vec<f64>,
    right: Vec<f64>,
}

impl Moments {
    fn new(weights: &Mat<f64>) -> Self {
        let (m, n) = (weights.nrows(), weights.ncols());
        let ThinSvd { u, sigma, v } = svd(weights);
        let r = sigma.len();
        Self {
            u,
            v,
            sigma,
            count: 0.0,
            sum: Mat::zeros(m, n),
            squares: Mat::zeros(r, r),
            products: Mat::zeros(r, r),
            left: vec![0.0; r],
            right: vec![0.0; r],
        }
    }

    fn project(&self, g: &Mat<f64>) -> Projection {
        let gv = product(g, &self.v);
        let gu = transpose_product(g, &self.u);
        let squares = |a: &Mat<f64>| -> Vec<f64> {
            let columns = 0..a.ncols();
            columns.map(|i| square_sum(a.col_as_slice(i))).collect()
        };
        Projection {
            alpha: transpose_product(&self.u, &gv),
            left: squares(&gv),
            right: squares(&gu),
        }
    }

    fn add(&mut self, g: &Mat<f64>) {
        let p = self.project(g);
        self.count += 1.0;
        self.sum += g;
        for i in 0..self.sigma.len() {
            self.left[i] += p.left[i];
            self.right[i] += p.right[i];
            for j in 0..self.sigma.len() {
                self.squares[(i, j)] += p.alpha[(i, j)] * p.alpha[(i, j)];
                self.products[(i, j)] += p.alpha[(i, j)] * p.alpha[(j, i)];
            }
        }
    }

    /// The drift of each log σᵢ for steps of size `rate`.
    fn drift(&self, rate: f64) -> Vec<PredictedDrift> {
        let n = self.count;
        let mean = self.project(&(&self.sum * faer::Scale(1.0 / n)));
        let mean_of = |sum: f64| sum / n;
        // Unbiased covariances, of the noise alone.
        let noise = |sum: f64, mean: f64| (sum - n * mean) / (n - 1.0);
        let r = self.sigma.len();
        let matrix = |f: &dyn Fn(usize, usize) -> f64| Mat::from_fn(r, r, f);
        let of_mean = SecondMoments {
            squares: matrix(&|i, j| mean.alpha[(i, j)] * mean.alpha[(i, j)]),
            products: matrix(&|i, j| mean.alpha[(i, j)] * mean.alpha[(j, i)]),
            left: mean.left.clone(),
            right: mean.right.clone(),
        };
        let of_noise = SecondMoments {
            squares: matrix(&|i, j| noise(self.squares[(i, j)], of_mean.squares[(i, j)])),
            products: matrix(&|i, j| noise(self.products[(i, j)], of_mean.products[(i, j)])),
            left: (0..r).map(|i| noise(self.left[i], mean.left[i])).collect(),
            right: (0..r)
                .map(|i| noise(self.right[i], mean.right[i]))
                .collect(),
        };
        let square = rate * rate;
        let one = |i: usize| {
            let [own, others, growth] = of_noise.terms(&self.sigma, i);
            // The square of a mean of n draws holds 1/n of the noise.
            let bias = mean_of(own + others + growth);
            let of_mean: f64 = of_mean.terms(&self.sigma, i).iter().sum();
            PredictedDrift {
                gradient: -rate * mean.alpha[(i, i)] / self.sigma[i],
                curvature: square * (of_mean - bias),
                own_noise: square * own,
                repulsion: square * others,
                growth: square * growth,
            }
        };
        (0..r).map(one).collect()
    }
}

/// Second moments of one part of the gradient.
struct SecondMoments {
    squares: Mat<f64>,
    products: Mat<f64>,
    left: Vec<f64>,
    right: Vec<f64>,
}

impl SecondMoments {
    /// Own, others and growth of log σᵢ, for steps of size 1.
    fn terms(&self, sigma: &[f64], i: usize) -> [f64; 3] {
        let own = -0.5 * self.squares[(i, i)] / (sigma[i] * sigma[i]);
        let (mut others, mut left, mut right) = (0.0, self.left[i], self.right[i]);
        for j in 0..sigma.len() {
            left -= self.squares[(j, i)];
            right -= self.squares[(i, j)];
            if j != i {
                let gap = (sigma[i] - sigma[j]) * (sigma[i] + sigma[j]);
                let both = self.squares[(i, j)] + self.squares[(j, i)];
                others += 0.5 * (both + 2.0 * sigma[j] / sigma[i] * self.products[(i, j)]) / gap;
            }
        }
        // What rounding leaves of directions that do not exist is nothing.
        let growth = 0.5 * (left.max(0.0) + right.max(0.0)) / (sigma[i] * sigma[i]);
        [own, others, growth]
    }
}

/// Layer `layer` (from 1) of a descent whose steps can be predicted from so many draws.
fn predictable<T: Real>(
    trainer: &Trainer<T>,
    layer: usize,
    draws: u64,
) -> Result<Layer, PredictionError> {
    let layers = trainer.plan().network.layers();
    let found = layer.checked_sub(1).and_then(|index| layers.get(index));
    let found = found.ok_or(PredictionError::Layer {
        layer,
        layers: layers.len(),
    })?;
    if found.diagonal {
        return Err(PredictionError::Diagonal(layer));
    }
    let spec = &trainer.plan().spec;
    if spec.optimizer.momentum > 0.0 || spec.adam.is_some() {
        return Err(PredictionError::Momentum);
    }
    if draws < 2 {
        return Err(PredictionError::Draws(draws));
    }
    Ok(found.clone())
}

/// The predicted drift of each singular value of layer `layer` (from 1), largest first, in one step
/// from the trainer's state: from `draws` gradients at its weights. The trainer moves nowhere.
///
/// Mini-batches should be drawn independently of each other (with or without replacement): batches
/// that go through the data in order are not noise of a fixed covariance.
///
/// # Errors
/// No such layer, a diagonal one, momentum, fewer than two draws, outputs out of range.
pub fn predict<T: Real>(
    trainer: &mut Trainer<T>,
    layer: usize,
    draws: u64,
) -> Result<Vec<PredictedDrift>, PredictionError> {
    let layer = predictable(trainer, layer, draws)?;
    let weights = layer.matrix(&trainer.state().parameters);
    let decay = &weights * faer::Scale(trainer.plan().spec.optimizer.weight_decay);
    let mut moments = Moments::new(&weights);
    for draw in 0..draws {
        let gradient = layer.matrix(trainer.gradient_of_step(FIRST_DRAW + draw)?);
        moments.add(&(gradient + &decay));
    }
    Ok(moments.drift(trainer.plan().rate(trainer.state().step)))
}

/// What one step did to each log σᵢ, over many draws of its noise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RealisedDrift {
    /// Mean change.
    pub total: Vec<DriftEstimate>,
    /// Mean of what the step's own gradient does not explain at first order, Δ log σᵢ + η
    /// uᵢᵀgvᵢ/σᵢ: known far more sharply, to be held against [`PredictedDrift::second_order`].
    pub second_order: Vec<DriftEstimate>,
}

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DriftEstimate {
    /// Over the draws.
    pub mean: f64,
    /// Of the mean.
    pub error: f64,
}

impl DriftEstimate {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        Self {
            mean,
            error: (square / (n - 1.0) / n).sqrt(),
        }
    }
}

/// Takes one step from the trainer's state for each of `draws` draws of the noise, none of which
/// [`predict`] has seen, and measures singular values after it. The trainer moves nowhere.
///
/// # Errors
/// As [`predict`].
pub fn realise<T: Real>(
    trainer: &mut Trainer<T>,
    layer: usize,
    draws: u64,
) -> Result<RealisedDrift, PredictionError> {
    let layer = predictable(trainer, layer, draws)?;
    let rate = trainer.plan().rate(trainer.state().step);
    let weights = layer.matrix(&trainer.state().parameters);
    let decay = &weights * faer::Scale(trainer.plan().spec.optimizer.weight_decay);
    let start = Moments::new(&weights);
    let r = start.sigma.len();
    let (mut total, mut second) = (vec![Vec::new(); r], vec![Vec::new(); r]);
    for draw in 0..draws {
        let gradient = layer.matrix(trainer.gradient_of_step(2 * FIRST_DRAW + draw)?) + &decay;
        let after = Mat::from_fn(weights.nrows(), weights.ncols(), |i, j| {
            (-rate).mul_add(gradient[(i, j)], weights[(i, j)])
        });
        let spectrum = spectra::SingularSpectrum::of(after.as_ref());
        let alpha = start.project(&gradient).alpha;
        for i in 0..r {
            let change = spectrum.logs[i] - libm::log(start.sigma[i]);
            total[i].push(change);
            second[i].push(change + rate * alpha[(i, i)] / start.sigma[i]);
        }
    }
    Ok(RealisedDrift {
        total: total.iter().map(|v| DriftEstimate::of(v)).collect(),
        second_order: second.iter().map(|v| DriftEstimate::of(v)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankfall_core::random::{Purpose, StreamKey};

    fn gaussian(rows: usize, columns: usize, seed: u64) -> Mat<f64> {
        let mut reader = StreamKey::new(seed, Purpose::GradientNoise, 0).reader(0, 0);
        Mat::from_fn(rows, columns, |_, _| reader.normal())
    }

    /// All second derivatives of log σᵢ along random directions, against five-point differences.
    #[test]
    fn second_order_terms_agree_with_differences() {
        for (m, n) in [(4, 4), (5, 3), (3, 5), (4, 1)] {
            let weights = gaussian(m, n, 3);
            let direction = gaussian(m, n, 4);
            let mut moments = Moments::new(&weights);
            moments.add(&direction);
            let p = moments.project(&direction);
            let second = SecondMoments {
                squares: moments.squares.clone(),
                products: moments.products.clone(),
                left: p.left.clone(),
                right: p.right.clone(),
            };
            let h = 1e-3;
            let at = |step: f64| {
                let moved = &weights + &direction * faer::Scale(step * h);
                Moments::new(&moved)
                    .sigma
                    .iter()
                    .map(|&s| libm::log(s))
                    .collect::<Vec<_>>()
            };
            let values = [at(-2.0), at(-1.0), at(0.0), at(1.0), at(2.0)];
            for i in 0..m.min(n) {
                let f = |s: usize| values[s][i];
                let slope = (8.0 * (f(3) - f(1)) - (f(4) - f(0))) / (12.0 * h);
                let curve = (16.0 * (f(3) + f(1)) - (f(4) + f(0)) - 30.0 * f(2)) / (12.0 * h * h);
                let first = p.alpha[(i, i)] / moments.sigma[i];
                let half: f64 = second.terms(&moments.sigma, i).iter().sum();
                assert!(
                    (first - slope).abs() < 1e-8 * (1.0 + slope.abs()),
                    "{m} × {n}, {i}"
                );
                assert!(
                    (2.0 * half - curve).abs() < 1e-6 * (1.0 + curve.abs()),
                    "{m} × {n}, {i}"
                );
            }
        }
    }

    /// Isotropic noise: the closed form of the terms.
    #[test]
    fn isotropic_noise_has_the_closed_form() {
        let (m, n, draws) = (5, 3, 200_000_u64);
        let mut moments = Moments::new(&gaussian(m, n, 3));
        let key = StreamKey::new(9, Purpose::GradientNoise, 0);
        let mut z = vec![0.0; m * n];
        for draw in 0..draws {
            let instructions = rankfall_core::simd::instructions::Instructions::best();
            key.fill_normals(0, draw, &mut z, instructions);
            moments.add(&Mat::from_fn(m, n, |i, j| z[i * n + j]));
        }
        let s = moments.sigma.clone();
        for (i, drift) in moments.drift(1.0).iter().enumerate() {
            let repulsion: f64 = (0..n)
                .filter(|&j| j != i)
                .map(|j| (1.0 / (s[i] - s[j]) + 1.0 / (s[i] + s[j])) / (2.0 * s[i]))
                .sum();
            let growth = (m - n) as f64 / (2.0 * s[i] * s[i]);
            let own = -0.5 / (s[i] * s[i]);
            // Variances of 200 000 squares of normals are known to √(2/200 000), 0.3 %, each.
            for (got, expected) in [
                (drift.repulsion, repulsion),
                (drift.growth, growth),
                (drift.own_noise, own),
            ] {
                assert!(
                    (got - expected).abs() < 0.02 * expected.abs(),
                    "{got} {expected}"
                );
            }
        }
    }
}

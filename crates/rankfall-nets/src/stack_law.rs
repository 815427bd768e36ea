//! The law of adjacent stacks along a descent with label noise, accumulated step by step.
//!
//! For a linear network with squared loss the expected change of log det(ΘⱼΘⱼᵀ) in one step of
//! label noise of variance δ on n rows is −2η²(δ/n) tr(Pⱼᵀ S_xx Pⱼ)|Rⱼ|_F² up to the part that
//! needs no noise and higher orders of η; weight decay λ adds 2(mⱼ₋₁ + mⱼ₊₁) ln(1 − ηλ) exactly.

use rankfall_core::model::dynamics::LabelNoise;

use crate::gradient::Workspace;
use crate::loss::Loss;
use crate::matrix::square_sum;
use crate::network::{Network, product_of};
use crate::noise::Noise;
use crate::scalar::Real;
use rankfall_core::model::optimizer::Optimizer;

/// Which stacks have a law, and its rate; none by default.
#[derive(Clone, Debug, Default)]
pub struct StackLawSum {
    /// Stacks j = 1…N − 1 with mⱼ ≥ mⱼ₋₁ + mⱼ₊₁.
    stacks: Vec<usize>,
    /// δ.
    variance: f64,
    /// λ.
    weight_decay: f64,
}

impl StackLawSum {
    /// The law of a descent; no stacks where it is not stated: other losses, activations or
    /// biases, noise other than on labels, momentum.
    pub fn new(network: &Network, loss: Loss, optimizer: &Optimizer, noise: &[Noise]) -> Self {
        let mut variance = 0.0;
        let mut stated = network.is_product() && loss == Loss::Squared && optimizer.momentum == 0.0;
        for one in noise {
            match one {
                Noise::LabelNoise {
                    variance: delta,
                    distribution: LabelNoise::Gaussian | LabelNoise::Rademacher,
                } => variance = *delta,
                _ => stated = false,
            }
        }
        let layers = network.layers();
        let wide = |j: &usize| layers[j - 1].outputs >= layers[j - 1].inputs + layers[*j].outputs;
        Self {
            stacks: (1..layers.len()).filter(|j| stated && wide(j)).collect(),
            variance,
            weight_decay: optimizer.weight_decay,
        }
    }

    /// The same while the noise on labels is switched off.
    pub fn without_noise(&self) -> Self {
        Self {
            variance: 0.0,
            ..self.clone()
        }
    }

    /// The stacks that have a law, j from 1.
    pub fn stacks(&self) -> &[usize] {
        &self.stacks
    }

    /// What the step of size `rate` from `parameters` adds to the law of each stack; the last
    /// forward pass of `workspace` must be that of all rows `x` at these parameters.
    pub fn advance<T: Real>(
        &self,
        network: &Network,
        parameters: &[T],
        x: &[T],
        workspace: &Workspace<T>,
        rate: f64,
        law: &mut [f64],
    ) {
        let rows = (x.len() / network.inputs()) as f64;
        let layers = network.layers();
        for (place, &j) in self.stacks.iter().enumerate() {
            if self.variance > 0.0 {
                // X Pⱼ are the activations below layer j: tr(Pⱼᵀ S_xx Pⱼ) = |X Pⱼ|²/n.
                let below = if j == 1 { x } else { workspace.hidden(j - 1) };
                let trace = square_sum(below) / rows;
                // |W_{j+2} … W_N|², k where there are no such layers.
                let after = product_of(&layers[j + 1..], parameters)
                    .map_or(network.outputs() as f64, |product| square_sum(&product));
                law[place] -= 2.0 * rate * rate * self.variance / rows * trace * after;
            }
            if self.weight_decay > 0.0 {
                let rows_of_stack = (layers[j - 1].inputs + layers[j].outputs) as f64;
                law[place] += 2.0 * rows_of_stack * libm::log1p(-rate * self.weight_decay);
            }
        }
    }
}

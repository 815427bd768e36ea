//! Stochastic gradient flow of a deep linear network by Euler–Maruyama steps (Itô), with the laws
//! of its adjacent stacks accumulated along the path.

use faer::Mat;

use crate::deep::network::{DeepNetwork, StackProducts};
use crate::deep::stack;
use crate::model::problem::Problem;

/// Norm of the increment beyond which a path counts as diverged.
const DIVERGED: f64 = 1e100;

/// One path under way.
#[derive(Clone, Debug)]
pub struct StochasticFlow<'a> {
    problem: &'a Problem,
    noise_intensity: f64,
    time_step: f64,
    network: DeepNetwork,
    steps: u64,
    laws: Vec<StackLaw>,
}

/// What a path says about one adjacent stack's law so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StackLaw {
    /// −2ν ∫ tr(Pⱼᵀ S_xx Pⱼ)|Rⱼ|_F² dt along the path, by the trapezoidal rule over all steps.
    pub continuous: f64,
    /// The same by the trapezoidal rule over every other step, minus `continuous`: an estimate of
    /// the size of its error, which is O(h) in root mean square. None after an odd number of steps.
    pub quadrature_error: Option<f64>,
    /// Σ 2 log|det(I − gᵀg)| over the steps: what the Euler steps did to log det exactly.
    pub discrete: f64,
    coarse: f64,
    last_rate: f64,
    last_even_rate: f64,
}

impl<'a> StochasticFlow<'a> {
    /// From `network`, which must fit the problem, in steps of `time_step` = h with noise ν.
    pub fn new(
        network: DeepNetwork,
        problem: &'a Problem,
        noise_intensity: f64,
        time_step: f64,
    ) -> Self {
        let products = StackProducts::new(&network);
        let law = |j| {
            let rate = stack::law_rate(&products, problem, noise_intensity, j);
            StackLaw {
                last_rate: rate,
                last_even_rate: rate,
                ..StackLaw::default()
            }
        };
        Self {
            laws: (1..network.depth()).map(law).collect(),
            problem,
            noise_intensity,
            time_step,
            network,
            steps: 0,
        }
    }

    /// Wⱼ ← Wⱼ + Pⱼᵀ ΔG Qⱼᵀ, all layers from the old weights, ΔG = h A + √ν S_xx^{1/2} ΔB with
    /// `brownian` = ΔB (p × k). False, and nothing changed, if the path diverges.
    pub fn step(&mut self, brownian: &Mat<f64>) -> bool {
        let products = StackProducts::new(&self.network);
        let mut increment = products.negative_gradient(self.problem);
        for b in 0..self.problem.outputs {
            for (a, &s) in self.problem.eigenvalues.iter().enumerate() {
                let drift = self.time_step * increment[(a, b)];
                increment[(a, b)] = (self.noise_intensity * s)
                    .sqrt()
                    .mul_add(brownian[(a, b)], drift);
            }
        }
        let size = increment.norm_l2();
        let mut next = self.network.clone();
        next.add(&products.layer_updates(&increment));
        if size.is_nan() || size > DIVERGED || !next.is_finite() {
            return false;
        }
        self.network = next;
        self.steps += 1;
        let after = StackProducts::new(&self.network);
        for (index, law) in self.laws.iter_mut().enumerate() {
            law.discrete += stack::discrete_change(&products, &increment, index + 1);
            let rate = stack::law_rate(&after, self.problem, self.noise_intensity, index + 1);
            law.advance(rate, self.time_step, self.steps);
        }
        true
    }

    /// The layers as they are now.
    pub fn network(&self) -> &DeepNetwork {
        &self.network
    }

    /// The laws of the stacks j = 1…N − 1 so far, at index j − 1. They are stated where
    /// [`stack::width_condition`] holds.
    pub fn laws(&self) -> &[StackLaw] {
        &self.laws
    }
}

impl StackLaw {
    fn advance(&mut self, rate: f64, h: f64, steps: u64) {
        self.continuous += 0.5 * h * (self.last_rate + rate);
        self.last_rate = rate;
        if steps.is_multiple_of(2) {
            self.coarse += h * (self.last_even_rate + rate);
            self.last_even_rate = rate;
            self.quadrature_error = Some(self.coarse - self.continuous);
        } else {
            self.quadrature_error = None;
        }
    }
}

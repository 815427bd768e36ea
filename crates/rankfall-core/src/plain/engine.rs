//! One trajectory at full width, in plain double precision.

use std::sync::Arc;

use faer::Mat;
use serde::{Deserialize, Serialize};

use crate::linalg::dense::{product, thin_svd, transpose_product};
use crate::measure::observe::Readings;
use crate::measure::spectra::Spectra;
use crate::model::class_problem::ClassProblem;
use crate::model::dynamics::{Dynamics, Integrator, Kind, LabelNoise};
use crate::model::network::{Start, Weights, stacked};
use crate::model::optimizer::Optimizer;
use crate::model::problem::Problem;
use crate::plain::classes::PlainClasses;
use crate::random::philox::{Purpose, Signs, StreamKey};
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{Lanes, Words};
use crate::step::batches::Batches;
use crate::step::gradient_flow::MOST_ATTEMPTS;
use crate::trajectories::state::DIVERGED;

/// Runge–Kutta steps of gradient flow per step of the grid of save times, at least.
const FLOW_STEPS: u32 = 8;

/// No such step is longer than this share of the time of the fastest motion.
const FLOW_SHARE: f64 = 0.1;

/// One trajectory in plain double precision.
pub struct Plain {
    pub(super) dynamics: Dynamics,
    pub(super) time_unit: f64,
    pub(super) problem: Arc<Problem>,
    /// S_xx and S_xy in the original basis.
    pub(super) sxx: Mat<f64>,
    sxy: Mat<f64>,
    /// V diag(√s), p × p.
    pub(super) root: Mat<f64>,
    /// The inputs of the rows in the original basis, p numbers each.
    inputs: Option<Vec<f64>>,
    flow_noise: StreamKey,
    pub(super) area_noise: StreamKey,
    label_noise: StreamKey,
    batches: Option<Batches>,
    /// Under a loss of classes.
    classes: Option<PlainClasses>,
    trajectory: u64,
    pub(super) weights: Weights,
    /// What momentum added to the weights last.
    velocity: Weights,
    initial_balance: Mat<f64>,
}

/// What a checkpoint holds of it: w1 and w2, and what momentum added to them last, column by
/// column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlainWeights {
    weights: [Vec<f64>; 2],
    velocity: [Vec<f64>; 2],
}

/// Whose noise a trajectory sees: that of the reduced engine with the same three numbers.
#[derive(Clone, Copy, Debug)]
pub struct NoiseOf {
    /// The seed.
    pub seed: u64,
    /// The stream of the dynamics.
    pub stream: u32,
    /// The trajectory.
    pub trajectory: u64,
}

impl Plain {
    /// The trajectory at its start; steps are `time_unit` apart. `classes` are the rows of
    /// `problem` under a loss of classes, where there is one.
    pub fn new(
        dynamics: &Dynamics,
        time_unit: f64,
        problem: Arc<Problem>,
        start: &Start,
        noise: NoiseOf,
        classes: Option<Arc<ClassProblem>>,
    ) -> Self {
        let NoiseOf {
            seed,
            stream,
            trajectory,
        } = noise;
        let (p, basis) = (problem.inputs, &problem.basis);
        let scaled = |f: &dyn Fn(f64) -> f64| {
            Mat::from_fn(p, p, |i, j| basis[(i, j)] * f(problem.eigenvalues[j]))
        };
        let weights = start.weights(&problem);
        let key = |purpose| StreamKey::new(seed, purpose, stream);
        let batches = match dynamics.kind {
            Kind::StochasticGradientDescent {
                batch_size,
                sampling,
                ..
            } => {
                let (rows, key) = (problem.samples, key(Purpose::Batches));
                Some(Batches::new(sampling, rows, batch_size, key, trajectory))
            }
            _ => None,
        };
        let inputs = original_inputs(&problem);
        let classes = classes.zip(inputs.as_ref());
        let classes = classes.map(|(problem, x)| PlainClasses {
            problem,
            x: x.clone(),
            basis: basis.clone(),
            labels: key(Purpose::LabelFlips),
            trajectory,
        });
        Self {
            classes,
            dynamics: dynamics.clone(),
            time_unit,
            sxx: product(&scaled(&|s| s), &basis.transpose().to_owned()),
            sxy: product(basis, &problem.sxy),
            root: scaled(&f64::sqrt),
            inputs,
            flow_noise: key(Purpose::BrownianMotion),
            area_noise: key(Purpose::LevyArea),
            label_noise: key(Purpose::LabelNoise),
            batches,
            trajectory,
            initial_balance: balance(&weights),
            velocity: Weights {
                w1: Mat::zeros(weights.w1.nrows(), weights.w1.ncols()),
                w2: Mat::zeros(weights.w2.nrows(), weights.w2.ncols()),
            },
            weights,
            problem,
        }
    }

    /// Takes step number `step`; false if it diverged instead.
    pub fn take_step(&mut self, step: u64) -> bool {
        if self.dynamics.kind == Kind::GradientFlow {
            let length = self.time_unit / f64::from(FLOW_STEPS);
            return (0..FLOW_STEPS).all(|_| self.flow(length));
        }
        if let Kind::StochasticGradientFlow {
            integrator: Integrator::LieStrang,
            time_step,
            ..
        } = self.dynamics.kind
        {
            return self.lie_strang(step, time_step);
        }
        let increment = self.increment(step);
        let size = increment.norm_l2();
        if size.is_nan() || size > DIVERGED {
            return false;
        }
        if let Some(forces) = self.dynamics.modified_forces() {
            self.scale_forces(forces, self.time_unit);
        }
        match self.dynamics.kind {
            Kind::StochasticGradientFlow {
                integrator: Integrator::LieEuler,
                ..
            } => {
                self.multiply(&exponential(&self.ito()));
                self.multiply(&exponential(&off_diagonal(&increment)));
            }
            Kind::StochasticGradientFlow {
                integrator: Integrator::LieEulerUnsplit,
                ..
            } => {
                self.multiply(&exponential(&(off_diagonal(&increment) + self.ito())));
            }
            _ => self.descend(&increment),
        }
        true
    }

    /// The weights as they are now.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// For a checkpoint.
    pub fn save(&self) -> PlainWeights {
        PlainWeights {
            weights: self.weights.columns(),
            velocity: self.velocity.columns(),
        }
    }

    /// From a checkpoint of the same trajectory; other shapes are ignored.
    pub fn restore(&mut self, saved: &PlainWeights) {
        let width = self.weights.w1.ncols();
        let sizes = |columns: &[Vec<f64>; 2]| columns.each_ref().map(Vec::len);
        let own = sizes(&self.weights.columns());
        if [&saved.weights, &saved.velocity].map(sizes) == [own; 2] {
            self.weights = Weights::from_columns(saved.weights.clone(), width);
            self.velocity = Weights::from_columns(saved.velocity.clone(), width);
        }
    }

    /// A: S_xy − S_xx W₁W₂ under the squared loss.
    pub(super) fn negative_gradient(&self, weights: &Weights) -> Mat<f64> {
        if let Some(classes) = &self.classes {
            return classes.negative_gradient(&product(&weights.w1, &weights.w2));
        }
        &self.sxy - product(&self.sxx, &product(&weights.w1, &weights.w2))
    }

    /// ΔG of step number `step`.
    fn increment(&mut self, step: u64) -> Mat<f64> {
        let eta = self.dynamics.step_size;
        let n = self.problem.samples;
        match self.dynamics.kind {
            Kind::StochasticGradientFlow { time_step, .. } => {
                let variance = self.dynamics.noise_intensity(n) * time_step;
                let noise = self.brownian_increment(step, variance.sqrt());
                self.negative_gradient(&self.weights) * faer::Scale(time_step) + noise
            }
            Kind::LabelNoiseGradientDescent { distribution } => {
                let drift = self.negative_gradient(&self.weights) * faer::Scale(eta);
                let deviation = self.dynamics.label_noise.sqrt();
                match (&self.classes, distribution) {
                    (Some(classes), _) if classes.problem.flips.is_none() => drift,
                    (Some(classes), _) => {
                        let map = product(&self.weights.w1, &self.weights.w2);
                        classes.fresh_gradient(&map, step) * faer::Scale(eta)
                    }
                    (None, LabelNoise::Gaussian) => {
                        let scale = eta * deviation / (n as f64).sqrt();
                        drift + self.gaussian_noise(self.label_noise, step, scale)
                    }
                    (None, LabelNoise::Rademacher) => {
                        drift + self.sign_noise(step, eta * deviation / n as f64)
                    }
                }
            }
            Kind::StochasticGradientDescent { distribution, .. } => self.batch(step, distribution),
            Kind::GradientDescent | Kind::GradientFlow | Kind::SlowFlow { .. } => {
                self.negative_gradient(&self.weights) * faer::Scale(eta)
            }
        }
    }

    /// The increment of one step of the flow, the sum of its finer ones; `deviation` is √(νh).
    pub(super) fn brownian_increment(&self, step: u64, deviation: f64) -> Mat<f64> {
        let substeps = match self.dynamics.kind {
            Kind::StochasticGradientFlow {
                brownian_substeps, ..
            } => u64::from(brownian_substeps),
            _ => 1,
        };
        let scale = deviation / (substeps as f64).sqrt();
        if let Some(classes) = &self.classes {
            let fine = step * substeps..(step + 1) * substeps;
            let shape = [self.problem.inputs, self.problem.outputs];
            return classes.flow_noise(self.flow_noise, fine, scale, shape);
        }
        let mut sum = Mat::zeros(self.problem.inputs, self.problem.outputs);
        for fine in step * substeps..(step + 1) * substeps {
            sum += self.gaussian_noise(self.flow_noise, fine, scale);
        }
        sum
    }

    /// scale · V diag(√s) Z.
    pub(super) fn gaussian_noise(&self, key: StreamKey, step: u64, scale: f64) -> Mat<f64> {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let mut normals = vec![0.0; p * k];
        key.fill_increment(self.trajectory, step, &mut normals, Instructions::best());
        let z = Mat::from_fn(p, k, |a, b| scale * normals[a * k + b]);
        product(&self.root, &z)
    }

    /// share · Xᵀ(±1).
    fn sign_noise(&self, step: u64, share: f64) -> Mat<f64> {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let mut out = Mat::zeros(p, k);
        let Some(x) = &self.inputs else { return out };
        let mut signs = Signs::new(self.label_noise, Words([self.trajectory]), step);
        for input in x.chunks_exact(p) {
            for b in 0..k {
                let sign = signs.draw().0[0];
                for (a, &value) in input.iter().enumerate() {
                    out[(a, b)] += sign * share * value;
                }
            }
        }
        out
    }

    /// (η/b) X_Bᵀ(Y_B + ε − X_B W₁W₂).
    fn batch(&mut self, step: u64, distribution: LabelNoise) -> Mat<f64> {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let mut out = Mat::zeros(p, k);
        let (Some(batches), Some(x), Some(rows)) =
            (&mut self.batches, &self.inputs, &self.problem.rows)
        else {
            return out;
        };
        let mut chosen = Vec::new();
        batches.choose(step, &mut chosen);
        let map = product(&self.weights.w1, &self.weights.w2);
        if let Some(classes) = &self.classes {
            return classes.of_batch(&map, &chosen, step) * faer::Scale(self.dynamics.step_size);
        }
        let share = self.dynamics.step_size / chosen.len() as f64;
        let deviation = self.dynamics.label_noise.sqrt();
        let count = if deviation > 0.0 { chosen.len() * k } else { 0 };
        let mut noise = vec![0.0; count];
        let (key, trajectory) = (self.label_noise, self.trajectory);
        match distribution {
            LabelNoise::Gaussian => {
                key.fill_normals(trajectory, step, &mut noise, Instructions::best());
            }
            LabelNoise::Rademacher => {
                let mut signs = Signs::new(key, Words([trajectory]), step);
                noise.fill_with(|| signs.draw().0[0]);
            }
        }
        for (slot, &row) in chosen.iter().enumerate() {
            let input = &x[row as usize * p..(row as usize + 1) * p];
            for b in 0..k {
                let noise = noise.get(slot * k + b).map_or(0.0, |z| deviation * z);
                let fit: f64 = (0..p).map(|a| input[a] * map[(a, b)]).sum();
                let residual = rows.y[row as usize * k + b] + noise - fit;
                for (a, &value) in input.iter().enumerate() {
                    out[(a, b)] += share * value * residual;
                }
            }
        }
        out
    }

    /// D₁ = ΔG W₂ᵀ − ηλ W₁ and D₂ = W₁ᵀΔG − ηλ W₂, from the old weights; then U ← μU + D and W ← W + U, or
    /// W + D + μU with Nesterov's step.
    pub(super) fn descend(&mut self, increment: &Mat<f64>) {
        let Optimizer {
            momentum,
            nesterov,
            weight_decay,
        } = self.dynamics.optimizer;
        let Weights { w1, w2 } = &self.weights;
        let decay = faer::Scale(self.dynamics.step_size * weight_decay);
        let momentum = faer::Scale(momentum);
        let ahead = |weights: &Mat<f64>, lasting: &mut Mat<f64>, added: Mat<f64>| {
            *lasting = &*lasting * momentum + &added;
            match nesterov {
                true => weights + added + &*lasting * momentum,
                false => weights + &*lasting,
            }
        };
        let added_to_w1 = product(increment, &w2.transpose().to_owned()) - w1 * decay;
        let added_to_w2 = transpose_product(w1, increment) - w2 * decay;
        self.weights = Weights {
            w1: ahead(w1, &mut self.velocity.w1, added_to_w1),
            w2: ahead(w2, &mut self.velocity.w2, added_to_w2),
        };
    }

    /// Gradient flow over a time `length`, in steps as short as the motion asks for; false if it
    /// left the range of numbers, or asks for more steps than the reduced integrator tries.
    fn flow(&mut self, length: f64) -> bool {
        let mut left = length;
        loop {
            let steps = (left * self.fastest_rate() / FLOW_SHARE).ceil().max(1.0);
            if steps.is_nan() || steps > MOST_ATTEMPTS || !self.runge_kutta(left / steps) {
                return false;
            }
            if steps == 1.0 {
                return true;
            }
            left -= left / steps;
        }
    }

    /// A bound on the rates of gradient flow here: λ_max(S_xx) (‖W₁‖² + ‖W₂‖²) + ‖A‖, norms of
    /// Frobenius.
    fn fastest_rate(&self) -> f64 {
        let largest = self.problem.eigenvalues.first().copied().unwrap_or(0.0);
        let (one, two) = (self.weights.w1.norm_l2(), self.weights.w2.norm_l2());
        largest * (one * one + two * two) + self.negative_gradient(&self.weights).norm_l2()
    }

    /// One classical Runge–Kutta step of order 4 of gradient flow; false if it left the range of
    /// numbers.
    fn runge_kutta(&mut self, h: f64) -> bool {
        let slope = |w: &Weights| {
            let a = self.negative_gradient(w);
            let w1 = product(&a, &w.w2.transpose().to_owned());
            Weights {
                w1,
                w2: transpose_product(&w.w1, &a),
            }
        };
        let ahead = |slope: &Weights, length: f64| Weights {
            w1: &self.weights.w1 + &slope.w1 * faer::Scale(length),
            w2: &self.weights.w2 + &slope.w2 * faer::Scale(length),
        };
        let first = slope(&self.weights);
        let second = slope(&ahead(&first, 0.5 * h));
        let third = slope(&ahead(&second, 0.5 * h));
        let fourth = slope(&ahead(&third, h));
        let mean = |a: &Mat<f64>, b: &Mat<f64>, c: &Mat<f64>, d: &Mat<f64>| {
            (a + b * faer::Scale(2.0) + c * faer::Scale(2.0) + d) * faer::Scale(1.0 / 6.0)
        };
        let mean = Weights {
            w1: mean(&first.w1, &second.w1, &third.w1, &fourth.w1),
            w2: mean(&first.w2, &second.w2, &third.w2, &fourth.w2),
        };
        let next = ahead(&mean, h);
        let size = next.w1.norm_l2() + next.w2.norm_l2();
        if size.is_finite() {
            self.weights = next;
        }
        size.is_finite()
    }

    /// −hνC/2, (p + k) × (p + k).
    pub(super) fn ito(&self) -> Mat<f64> {
        let (p, k) = (self.problem.inputs, self.problem.outputs);
        let half = -0.5 * self.time_unit * self.dynamics.noise_intensity(self.problem.samples);
        if let Some(classes) = &self.classes {
            let [inputs, outputs] = classes.noise_blocks([p, k]);
            return Mat::from_fn(p + k, p + k, |i, j| match (i < p, j < p) {
                (true, true) => half * inputs[(i, j)],
                (false, false) => half * outputs[(i - p, j - p)],
                _ => 0.0,
            });
        }
        Mat::from_fn(p + k, p + k, |i, j| match (i < p, j < p) {
            (true, true) => half * k as f64 * self.sxx[(i, j)],
            (false, false) if i == j => half * self.problem.trace(),
            _ => 0.0,
        })
    }

    /// Θ ← factor Θ.
    pub(super) fn multiply(&mut self, factor: &Mat<f64>) {
        let theta = product(factor, &theta(&self.weights));
        let p = self.problem.inputs;
        self.weights = Weights {
            w1: theta.subrows(0, p).to_owned(),
            w2: theta.subrows(p, theta.nrows() - p).transpose().to_owned(),
        };
    }

    /// Everything that is measured, by ordinary decompositions of the weights.
    pub fn read(&self) -> Readings<1> {
        let problem = &*self.problem;
        let map = product(&self.weights.w1, &self.weights.w2);
        let rotated = transpose_product(&problem.basis, &map);
        let error = &rotated - &problem.optimum;
        let mut excess = 0.0;
        for b in 0..problem.outputs {
            for (a, &s) in problem.eigenvalues.iter().enumerate() {
                excess += 0.5 * s * problem.loss_weight(b) * error[(a, b)] * error[(a, b)];
            }
        }
        let population = problem.truth.as_ref().map(|truth| {
            let error = &rotated - &truth.teacher;
            let weighted = product(&truth.covariance, &error);
            let noise = truth.residual_noise * truth.residual_noise * problem.outputs as f64;
            let sum: f64 = (0..error.ncols())
                .flat_map(|b| (0..error.nrows()).map(move |a| (a, b)))
                .map(|(a, b)| error[(a, b)] * weighted[(a, b)])
                .sum();
            Lanes([0.5 * (sum + noise)])
        });
        let mut product_values = log_singular_values(&map);
        // W₁W₂ has rank l at most: further singular values of the map are rounding.
        product_values.truncate(self.weights.w1.ncols());
        let largest = product_values[0].0[0];
        let lost =
            |value: &Lanes<1>| Lanes([16.0 * f64::EPSILON * libm::exp(largest - value.0[0])]);
        let classes = self.classes.as_ref().map(|classes| classes.read(&map));
        Readings {
            excess_loss: Lanes([excess]),
            population_loss: population.filter(|_| classes.is_none()),
            classes,
            balance_drift: Lanes([(balance(&self.weights) - &self.initial_balance).norm_l2()]),
            spectra: Spectra {
                product_error: product_values.iter().map(lost).collect(),
                values: [
                    log_singular_values(&theta(&self.weights)),
                    log_singular_values(&self.weights.w1),
                    log_singular_values(&self.weights.w2),
                    product_values,
                ],
            },
        }
    }
}

/// [W₁; W₂ᵀ].
pub(super) fn theta(weights: &Weights) -> Mat<f64> {
    stacked(&weights.w1, &weights.w2).transpose().to_owned()
}

fn balance(weights: &Weights) -> Mat<f64> {
    let w2_transpose = weights.w2.transpose().to_owned();
    transpose_product(&weights.w1, &weights.w1) - transpose_product(&w2_transpose, &w2_transpose)
}

fn log_singular_values(matrix: &Mat<f64>) -> Vec<Lanes<1>> {
    let log = |sigma| Lanes([libm::log(sigma)]);
    thin_svd(matrix).sigma.into_iter().map(log).collect()
}

/// The inputs of the rows before they were rotated.
fn original_inputs(problem: &Problem) -> Option<Vec<f64>> {
    let rows = problem.rows.as_ref()?;
    let p = problem.inputs;
    let mut x = Vec::with_capacity(rows.x.len());
    for row in rows.x.chunks_exact(p) {
        for i in 0..p {
            x.push((0..p).map(|a| problem.basis[(i, a)] * row[a]).sum());
        }
    }
    Some(x)
}

/// H(G).
pub(super) fn off_diagonal(g: &Mat<f64>) -> Mat<f64> {
    let (p, k) = (g.nrows(), g.ncols());
    Mat::from_fn(p + k, p + k, |i, j| match (i < p, j < p) {
        (true, false) => g[(i, j - p)],
        (false, true) => g[(j, i - p)],
        _ => 0.0,
    })
}

/// exp by Taylor's series after halving, and squaring back.
pub(super) fn exponential(a: &Mat<f64>) -> Mat<f64> {
    let size = a.nrows();
    let mut halvings = 0;
    while a.norm_l2() * 0.5_f64.powi(halvings) > 0.5 {
        halvings += 1;
    }
    let scaled = a * faer::Scale(0.5_f64.powi(halvings));
    let mut sum = Mat::<f64>::identity(size, size);
    let mut term = Mat::<f64>::identity(size, size);
    for j in 1..=18 {
        term = product(&term, &scaled) * faer::Scale(1.0 / f64::from(j));
        sum += &term;
    }
    for _ in 0..halvings {
        sum = product(&sum, &sum);
    }
    sum
}

//! Many paths of stochastic gradient flow, each at several step sizes driven by one Brownian path.
//!
//! A coarse step's increment is the sum of the fine ones it spans, so differences between step
//! sizes are differences of the method alone. Paths are numbered; a path has the same bits for any
//! number of threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use faer::Mat;
use thiserror::Error;

use crate::deep::network::{DeepNetwork, DeepNetworkError};
use crate::deep::stack::{self, StackReading};
use crate::deep::stochastic_flow::{StackLaw, StochasticFlow};
use crate::ensemble::threads::on_threads;
use crate::model::problem::Problem;
use crate::random::philox::{Purpose, StreamKey};
use crate::simd::instructions::Instructions;

/// What to run.
#[derive(Clone, Debug)]
pub struct SharedPaths {
    /// ν.
    pub noise_intensity: f64,
    /// T.
    pub duration: f64,
    /// Steps over T at the finest level; a multiple of 2^(largest of `levels`).
    pub finest_steps: u64,
    /// Level r takes `finest_steps` / 2^r steps.
    pub levels: Vec<u32>,
    /// How many paths.
    pub paths: u64,
    /// The seed of the Brownian paths.
    pub seed: u64,
    /// Tells several studies under one seed apart.
    pub stream: u32,
}

/// A study that cannot be run.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SharedPathsError {
    /// The network.
    #[error(transparent)]
    Network(#[from] DeepNetworkError),
    /// No network to start from.
    #[error("no start was given; give at least one network")]
    NoStart,
    /// Steps that cannot be halved that often.
    #[error("{finest_steps} steps cannot be divided by 2^{level}; take a multiple of it")]
    Levels {
        /// Steps of the finest level.
        finest_steps: u64,
        /// The level that does not fit.
        level: u32,
    },
    /// ν or T.
    #[error("{what} = {value} must be a finite number, {bound}")]
    Number {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        bound: &'static str,
    },
}

/// One level of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelOutcome {
    /// h.
    pub time_step: f64,
    /// By path; None where it diverged at this step size.
    pub paths: Vec<Option<PathReading>>,
}

/// What one path ended with.
#[derive(Clone, Debug, PartialEq)]
pub struct PathReading {
    /// Stacks j = 1…N − 1.
    pub stacks: Vec<StackChange>,
    /// Training loss above its optimum at the end.
    pub excess_loss: f64,
}

/// What became of one adjacent stack over a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StackChange {
    /// Whether the law is stated for it: mⱼ ≥ mⱼ₋₁ + mⱼ₊₁.
    pub width_condition: bool,
    /// Change of log det(ΘⱼΘⱼᵀ) (of log det(ΘⱼᵀΘⱼ) where the stack is taller than wide), nats.
    pub log_det: f64,
    /// What the law of the flow says of it along this path.
    pub law: f64,
    /// Estimated error of `law` by quadrature; None after an odd number of steps.
    pub law_error: Option<f64>,
    /// What the exact law of the Euler steps says of it.
    pub discrete_law: f64,
    /// σ_min/σ_max of the stack at the end.
    pub smallest_ratio: f64,
}

impl StackChange {
    /// What the law does not explain: discretisation alone where the width condition holds.
    pub fn difference(&self) -> f64 {
        self.log_det - self.law
    }
}

impl SharedPaths {
    /// Runs the study; path i starts from `starts[i mod len]`. One outcome per level, in order.
    ///
    /// # Errors
    /// A start that does not fit the problem; settings out of range.
    pub fn run(
        &self,
        problem: &Problem,
        starts: &[DeepNetwork],
        threads: usize,
    ) -> Result<Vec<LevelOutcome>, SharedPathsError> {
        self.check(problem, starts)?;
        let next = AtomicU64::new(0);
        let done: Mutex<Vec<(u64, Vec<Option<PathReading>>)>> = Mutex::new(Vec::new());
        let workers = (threads as u64).clamp(1, self.paths.max(1)) as usize;
        on_threads(workers, || {
            loop {
                let path = next.fetch_add(1, Ordering::Relaxed);
                if path >= self.paths {
                    return;
                }
                let start = &starts[(path % starts.len() as u64) as usize];
                let readings = self.path(problem, start, path);
                let mut done = done.lock().unwrap_or_else(|held| held.into_inner());
                done.push((path, readings));
            }
        });
        let mut all = done.into_inner().unwrap_or_else(|held| held.into_inner());
        all.sort_by_key(|(path, _)| *path);
        let level = |(index, &level): (usize, &u32)| LevelOutcome {
            time_step: self.time_step(level),
            paths: all.iter().map(|(_, r)| r[index].clone()).collect(),
        };
        Ok(self.levels.iter().enumerate().map(level).collect())
    }

    fn time_step(&self, level: u32) -> f64 {
        self.duration / (self.finest_steps >> level) as f64
    }

    fn check(&self, problem: &Problem, starts: &[DeepNetwork]) -> Result<(), SharedPathsError> {
        if starts.is_empty() {
            return Err(SharedPathsError::NoStart);
        }
        for start in starts {
            start.fits(problem)?;
        }
        for &level in &self.levels {
            if level > 62 || self.finest_steps == 0 || !self.finest_steps.is_multiple_of(1 << level)
            {
                return Err(SharedPathsError::Levels {
                    finest_steps: self.finest_steps,
                    level,
                });
            }
        }
        let number = |what, value: f64, sound: bool, bound| {
            if sound && value.is_finite() {
                Ok(())
            } else {
                Err(SharedPathsError::Number { what, value, bound })
            }
        };
        let (nu, duration) = (self.noise_intensity, self.duration);
        number("noise_intensity", nu, nu >= 0.0, "zero or more")?;
        number("duration", duration, duration > 0.0, "above zero")
    }

    /// All levels of one path, advanced together over its finest increments.
    fn path(&self, problem: &Problem, start: &DeepNetwork, path: u64) -> Vec<Option<PathReading>> {
        let (p, k) = (problem.inputs, problem.outputs);
        let key = StreamKey::new(self.seed, Purpose::BrownianMotion, self.stream);
        let mut normals = vec![0.0; p * k];
        let root = (self.duration / self.finest_steps as f64).sqrt();
        let mut flows: Vec<_> = self
            .levels
            .iter()
            .map(|&level| {
                let h = self.time_step(level);
                let flow = StochasticFlow::new(start.clone(), problem, self.noise_intensity, h);
                (1_u64 << level, Some(flow), Mat::zeros(p, k))
            })
            .collect();
        for step in 0..self.finest_steps {
            key.fill_increment(path, step, &mut normals, Instructions::best());
            for (span, flow, sum) in &mut flows {
                for a in 0..p {
                    for b in 0..k {
                        sum[(a, b)] += root * normals[a * k + b];
                    }
                }
                if (step + 1) % *span == 0 {
                    if flow.as_mut().is_some_and(|flow| !flow.step(sum)) {
                        *flow = None;
                    }
                    *sum = Mat::zeros(p, k);
                }
            }
        }
        let before = stacks(start);
        let read = |(_, flow, _): &(_, Option<StochasticFlow<'_>>, _)| {
            let flow = flow.as_ref()?;
            Some(reading(flow, &before, problem))
        };
        flows.iter().map(read).collect()
    }
}

fn stacks(network: &DeepNetwork) -> Vec<StackReading> {
    (1..network.depth())
        .map(|j| stack::read(network, j))
        .collect()
}

/// What became of a network whose stacks were `before`.
fn reading(flow: &StochasticFlow<'_>, before: &[StackReading], problem: &Problem) -> PathReading {
    let network = flow.network();
    let now = stacks(network);
    let change = |(index, law): (usize, &StackLaw)| StackChange {
        width_condition: stack::width_condition(network, index + 1),
        log_det: now[index].log_det - before[index].log_det,
        law: law.continuous,
        law_error: law.quadrature_error,
        discrete_law: law.discrete,
        smallest_ratio: now[index].smallest_ratio,
    };
    PathReading {
        stacks: flow.laws().iter().enumerate().map(change).collect(),
        excess_loss: network.excess_loss(problem),
    }
}

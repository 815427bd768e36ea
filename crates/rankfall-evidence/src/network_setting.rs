//! A network of any depth as an experiment file gives it: its data, its start, and the noise of its
//! dynamics, in double precision.

use std::sync::Arc;

use rankfall_core::model::dynamics::Sampling;
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::data::Dataset;
use rankfall_nets::network::Network;
use rankfall_nets::noise::Noise;
use rankfall_nets::schedule::RateSchedule;
use rankfall_nets::training::{Trainer, TrainingPlan, TrainingSpec};

use crate::evidence::{Stop, unmeasured};

/// What claims about a given network are tested on.
#[derive(Clone, Debug)]
pub struct NetworkSetting {
    /// In words.
    pub words: String,
    /// The network.
    pub network: Network,
    /// The rows it is trained on.
    pub data: Arc<Dataset<f64>>,
    /// Its descents.
    pub descents: Vec<NoisyDescent>,
    /// Whether each trajectory has initial weights of its own.
    pub each_start: bool,
    /// Of everything that is drawn.
    pub seed: u64,
}

/// One dynamics of the file.
#[derive(Clone, Debug)]
pub struct NoisyDescent {
    /// Its name.
    pub label: String,
    /// What it does.
    pub training: TrainingSpec,
}

impl NoisyDescent {
    /// Whether its steps are those of the gradient alone, on rows that are drawn.
    pub fn is_plain(&self) -> bool {
        let optimizer = &self.training.optimizer;
        let in_order = |noise: &Noise| {
            let Noise::MiniBatch { sampling, .. } = noise else {
                return false;
            };
            *sampling == Sampling::Sequential
        };
        optimizer.momentum == 0.0
            && self.training.adam.is_none()
            && optimizer.weight_decay == 0.0
            && !self.training.noise.iter().any(in_order)
    }

    /// The noise of one of its steps taken by itself, of size `rate`: batches of an epoch are drawn
    /// without replacement, and gradient noise is as large as in its own steps.
    pub fn noise_of_a_step(&self, rate: f64) -> Vec<Noise> {
        let one = |noise: &Noise| match noise {
            Noise::GradientNoise { temperature } => Noise::GradientNoise {
                temperature: temperature * rate / self.training.step_size,
            },
            Noise::MiniBatch {
                batch_size,
                sampling: Sampling::Epochs,
            } => Noise::MiniBatch {
                batch_size: *batch_size,
                sampling: Sampling::WithoutReplacement,
            },
            other => other.clone(),
        };
        self.training.noise.iter().map(one).collect()
    }

    /// Rows of one step.
    pub fn rows(&self, all: usize) -> usize {
        let of = |noise: &Noise| match noise {
            Noise::MiniBatch { batch_size, .. } => Some(*batch_size as usize),
            _ => None,
        };
        self.training.noise.iter().find_map(of).unwrap_or(all)
    }
}

impl NetworkSetting {
    /// A trainer of this descent at the start of a trajectory, with steps of size `rate`
    /// throughout.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn trainer(
        &self,
        descent: &NoisyDescent,
        noise: Vec<Noise>,
        rate: f64,
        trajectory: u64,
    ) -> Result<Trainer<f64>, Stop> {
        let spec = TrainingSpec {
            step_size: rate,
            schedule: RateSchedule::default(),
            steps: 1 << 40,
            noise,
            windows: Vec::new(),
            ..descent.training.clone()
        };
        let start = if self.each_start { trajectory } else { 0 };
        Ok(Trainer::new(
            Arc::new(TrainingPlan::new(&spec).map_err(unmeasured)?),
            self.data.clone(),
            trajectory,
            start,
            Instructions::best(),
        ))
    }

    /// The same at these weights.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn trainer_at(
        &self,
        weights: &[f64],
        descent: &NoisyDescent,
        noise: Vec<Noise>,
        rate: f64,
        trajectory: u64,
    ) -> Result<Trainer<f64>, Stop> {
        let mut trainer = self.trainer(descent, noise, rate, trajectory)?;
        trainer.set_parameters(weights);
        Ok(trainer)
    }

    /// The weights to which this descent comes in so many steps.
    ///
    /// # Errors
    /// A descent that diverged.
    pub fn weights(
        &self,
        descent: &NoisyDescent,
        steps: u64,
        trajectory: u64,
    ) -> Result<Vec<f64>, Stop> {
        let training = &descent.training;
        let noise = training.noise.clone();
        let mut trainer = self.trainer(descent, noise, training.step_size, trajectory)?;
        for _ in 0..steps {
            let diverged = |_| unmeasured(format!("{} diverged", descent.label));
            trainer.step().map_err(diverged)?;
        }
        Ok(trainer.state().parameters.clone())
    }

    /// j of the adjacent layers Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ], from 1, of a linear network that have a
    /// determinant: mⱼ ≥ mⱼ₋₁ + mⱼ₊₁; else in words why not.
    pub fn stacks(&self) -> Result<Vec<usize>, String> {
        if !self.network.is_product() {
            return Err("it is about linear layers without biases".into());
        }
        let layers = self.network.layers();
        let wide = |j: &usize| layers[j - 1].outputs >= layers[j - 1].inputs + layers[*j].outputs;
        let stacks: Vec<usize> = (1..layers.len()).filter(wide).collect();
        match stacks.is_empty() {
            true => {
                Err("no hidden layer is as wide as its neighbours together: log det is −∞".into())
            }
            false => Ok(stacks),
        }
    }
}

//! Small regressions and networks that some claims train for themselves.

use std::sync::Arc;

use faer::Mat;
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_core::simd::instructions::Instructions;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::initialisation::WeightInitialisation;
use rankfall_nets::network::NetworkSpec;
use rankfall_nets::noise::Noise;
use rankfall_nets::training::{Trainer, TrainingPlan, TrainingSpec};

use crate::evidence::{Stop, unmeasured};

/// Rows x ~ N(0, I) with labels xβ + `residual` N(0, I), β Gaussian.
pub struct Regression {
    /// n × p.
    pub x: Mat<f64>,
    /// n × k.
    pub y: Mat<f64>,
}

impl Regression {
    /// Drawn from this seed.
    pub fn draw(seed: u64, rows: usize, inputs: usize, outputs: usize, residual: f64) -> Self {
        let matrix = |purpose, rows, columns| {
            let mut reader = StreamKey::new(seed, purpose, 0).reader(0, 0);
            Mat::from_fn(rows, columns, |_, _| reader.normal())
        };
        let x = matrix(Purpose::Inputs, rows, inputs);
        let teacher = matrix(Purpose::Teacher, inputs, outputs);
        let noise = matrix(Purpose::Residuals, rows, outputs);
        let y = &x * &teacher + &noise * faer::Scale(residual);
        Self { x, y }
    }

    fn dataset(&self) -> Result<Dataset<f64>, Stop> {
        let rows = |a: &Mat<f64>| -> Vec<f64> {
            let of = |i: usize| (0..a.ncols()).map(move |j| a[(i, j)]);
            (0..a.nrows()).flat_map(of).collect()
        };
        let targets = Targets::Values {
            columns: self.y.ncols(),
            values: rows(&self.y),
        };
        Dataset::new(self.x.ncols(), rows(&self.x), targets).map_err(unmeasured)
    }

    /// A trainer of this network on these rows, under `noise` of one trajectory, with steps of size
    /// `rate`.
    pub fn trainer(
        &self,
        network: &NetworkSpec,
        noise: Vec<Noise>,
        rate: f64,
        seed: u64,
        trajectory: u64,
    ) -> Result<Trainer<f64>, Stop> {
        let start = WeightInitialisation::Gaussian { scale: 0.6 };
        let spec = TrainingSpec {
            noise,
            seed,
            ..TrainingSpec::plain(network.clone(), start, rate, 1 << 40)
        };
        let plan = Arc::new(TrainingPlan::new(&spec).map_err(unmeasured)?);
        let data = plan.fit_training(self.dataset()?).map_err(unmeasured)?;
        let instructions = Instructions::best();
        Ok(Trainer::new(
            plan,
            Arc::new(data),
            trajectory,
            0,
            instructions,
        ))
    }
}

/// The weights of this layer, from 0, among `values`: those of all parameters.
pub fn layer(trainer: &Trainer<f64>, index: usize, values: &[f64]) -> Mat<f64> {
    trainer.plan().network.layers()[index].matrix(values)
}

/// Among `values`, those of all parameters: Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ] of a linear network, j from 1.
pub fn stack(trainer: &Trainer<f64>, j: usize, values: &[f64]) -> Mat<f64> {
    let (first, second) = (layer(trainer, j - 1, values), layer(trainer, j, values));
    let rows = first.nrows();
    Mat::from_fn(rows + second.ncols(), first.ncols(), |i, h| {
        match i < rows {
            true => first[(i, h)],
            false => second[(h, i - rows)],
        }
    })
}

/// The gradient at the trainer's weights with the noise of this step.
///
/// # Errors
/// Outputs out of range.
pub fn gradient(trainer: &mut Trainer<f64>, step: u64) -> Result<Vec<f64>, Stop> {
    let gradient = trainer.gradient_of_step(step).map(<[f64]>::to_vec);
    gradient.map_err(|_| unmeasured("the network diverged"))
}

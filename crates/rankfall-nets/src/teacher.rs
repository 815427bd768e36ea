//! Synthetic data from a teacher network: inputs from a law, targets y = teacher(x) + residual.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use rankfall_core::random::{Purpose, StreamKey};

use crate::data::{Dataset, DatasetError, Targets};
use crate::gradient::Workspace;
use crate::initialisation::{InitialisationError, WeightInitialisation};
use crate::matrix::square_sum;
use crate::network::{Network, NetworkError, NetworkSpec, product_of};
use crate::scalar::Real;

/// The law of the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputLaw {
    /// N(0, I).
    #[default]
    Gaussian,
    /// Uniform on the unit sphere.
    Sphere,
    /// Row i is the unit vector of input i mod p: of p rows each input has its own, and targets are
    /// the rows of a matrix.
    OneHot,
}

/// A recipe for teacher–student data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherSpec {
    /// Rows to train on.
    pub samples: usize,
    /// Rows held out, without residual noise.
    #[serde(default)]
    pub held_out: usize,
    /// The law of the inputs.
    #[serde(default)]
    pub inputs: InputLaw,
    /// The teacher.
    pub teacher: NetworkSpec,
    /// Its weights.
    pub weights: WeightInitialisation,
    /// Whether each row of the teacher's first layer is scaled to norm 1 per unit.
    #[serde(default)]
    pub unit_norm: bool,
    /// Whether only so many of the first inputs matter to the teacher: the weights of the others
    /// are zero.
    #[serde(default)]
    pub relevant_inputs: Option<usize>,
    /// Standard deviation of Gaussian noise on the training targets, drawn once.
    #[serde(default)]
    pub residual_noise: f64,
    /// The share of training targets that are observed, each by a draw of its own; all where there
    /// is none.
    #[serde(default)]
    pub observed: Option<f64>,
}

/// Data that cannot be drawn.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TeacherError {
    /// The teacher.
    #[error("the teacher: {0}")]
    Network(#[from] NetworkError),
    /// Its weights.
    #[error("the teacher's weights: {0}")]
    Weights(#[from] InitialisationError),
    /// Weights into a unit, counted from 1, that cannot be scaled to norm 1.
    #[error(
        "unit_norm: the weights into unit {0} of the teacher's first layer have a norm that is zero or no number; draw \
         larger ones"
    )]
    NoDirection(usize),
    /// A residual out of range.
    #[error("residual_noise = {0} must be a finite number, zero or more")]
    Residual(f64),
    /// No rows, or weights so large that targets overflow.
    #[error("the teacher's data: {0}")]
    Data(#[from] DatasetError),
}

/// Drawn data.
#[derive(Clone, Debug)]
pub struct TeacherRows<T> {
    /// To train on.
    pub train: Dataset<T>,
    /// Held out, if asked for.
    pub held_out: Option<Dataset<T>>,
}

impl TeacherSpec {
    /// The data of `draw` under `seed`. Teachers have weights of their own for each draw, unlike
    /// any student's.
    ///
    /// # Errors
    /// A recipe that makes no data.
    pub fn draw<T: Real>(&self, seed: u64, draw: u64) -> Result<TeacherRows<T>, TeacherError> {
        let network = Network::new(&self.teacher)?;
        self.weights.check(&network)?;
        if !(self.residual_noise.is_finite() && self.residual_noise >= 0.0) {
            return Err(TeacherError::Residual(self.residual_noise));
        }
        // Students draw from the seed itself.
        let teacher_seed = StreamKey::new(seed, Purpose::Teacher, 0)
            .reader(draw, 0)
            .word();
        let mut weights: Vec<f64> = self.weights.draw(&network, teacher_seed, draw);
        if let Some(relevant) = self.relevant_inputs {
            forget_inputs(&network, relevant, &mut weights);
        }
        if self.unit_norm {
            scale_to_unit_norm(&network, &mut weights)?;
        }
        let p = network.inputs();
        let mut normals = StreamKey::new(seed, Purpose::Inputs, 0).reader(draw, 0);
        let count = |rows: usize| (rows + self.held_out).saturating_mul(p);
        let mut x: Vec<f64> = (0..count(self.samples)).map(|_| normals.normal()).collect();
        match self.inputs {
            InputLaw::Gaussian => {}
            InputLaw::Sphere => x.chunks_exact_mut(p).for_each(normalise),
            InputLaw::OneHot => {
                for (row, values) in x.chunks_exact_mut(p).enumerate() {
                    values.fill(0.0);
                    values[row % p] = 1.0;
                }
            }
        }
        let mut workspace = Workspace::new(&network);
        workspace.forward(&network, &weights, &x);
        let mut y = workspace.outputs().to_vec();
        let k = network.outputs();
        let mut noise = StreamKey::new(seed, Purpose::Residuals, 0).reader(draw, 0);
        for value in &mut y[..self.samples * k] {
            *value += self.residual_noise * noise.normal();
        }
        let map = match network.is_product() {
            true => product_of(network.layers(), &weights),
            false => None,
        };
        let dataset = |x: &[f64], y: &[f64]| {
            let convert = |values: &[f64]| values.iter().map(|&v| T::of(v)).collect();
            let targets = Targets::Values {
                columns: k,
                values: convert(y),
            };
            let data = Dataset::new(p, convert(x), targets)?;
            Ok::<_, DatasetError>(match &map {
                Some(map) => data.with_linear_teacher(map.clone()),
                None => data,
            })
        };

        let (train_x, held_x) = x.split_at(self.samples * p);
        let (train_y, held_y) = y.split_at(self.samples * k);
        let held_out = match self.held_out {
            0 => None,
            _ => Some(dataset(held_x, held_y)?),
        };
        let train = dataset(train_x, train_y)?;
        Ok(TeacherRows {
            train: match self.observed {
                None => train,
                Some(share) => {
                    let key = StreamKey::new(seed, Purpose::Residuals, OBSERVED);
                    train.observing(share, key, draw)?
                }
            },
            held_out,
        })
    }
}

/// The stream of the draws of what is observed, beside that of the residuals.
const OBSERVED: u32 = 1;

fn normalise(row: &mut [f64]) {
    let norm = square_sum(row).sqrt();
    row.iter_mut().for_each(|v| *v /= norm);
}

/// Sets the weights of all inputs but the first `relevant` to zero.
fn forget_inputs(network: &Network, relevant: usize, weights: &mut [f64]) {
    let layer = &network.layers()[0];
    let per_input = if layer.diagonal { 1 } else { layer.outputs };
    let first = layer.weights.len().min(relevant.saturating_mul(per_input));
    weights[layer.weights.clone()][first..].fill(0.0);
}

/// Scales the incoming weights of each first-layer unit to norm 1.
fn scale_to_unit_norm(network: &Network, weights: &mut [f64]) -> Result<(), TeacherError> {
    let layer = &network.layers()[0];
    if layer.diagonal {
        return Ok(());
    }
    for unit in 0..layer.outputs {
        let places = (layer.weights.start + unit..layer.weights.end).step_by(layer.outputs);
        let square: f64 = places.clone().map(|i| weights[i] * weights[i]).sum();
        if !square.is_normal() {
            return Err(TeacherError::NoDirection(unit + 1));
        }
        places.for_each(|i| weights[i] /= square.sqrt());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::initialisation::Law;

    fn spec() -> TeacherSpec {
        TeacherSpec {
            samples: 15,
            held_out: 4,
            inputs: InputLaw::Sphere,
            teacher: NetworkSpec::dense(&[2, 3, 1], Activation::Relu, false),
            weights: WeightInitialisation::Layers {
                weights: vec![Law::Gaussian(1.0), Law::Signs(1.0)],
                biases: vec![],
            },
            unit_norm: true,
            relevant_inputs: None,
            residual_noise: 0.0,
            observed: None,
        }
    }

    fn values(data: &Dataset<f64>) -> Vec<f64> {
        match data.targets() {
            Targets::Values { values, .. } => values.clone(),
            Targets::Classes(_) => Vec::new(),
        }
    }

    #[test]
    fn inputs_lie_on_the_sphere_and_targets_are_the_teachers() {
        let data = spec().draw::<f64>(1, 0).expect("sound");
        let held_out = data.held_out.expect("asked for");
        assert_eq!((data.train.rows(), held_out.rows()), (15, 4));
        for row in data.train.x().chunks_exact(2) {
            assert!((row[0].hypot(row[1]) - 1.0).abs() < 1e-15);
        }
        // Units of norm 1 and signs: |y| ≤ 3, and a residual changes training targets alone.
        assert!(values(&data.train).iter().all(|y| y.abs() <= 3.0));
        let noisy = TeacherSpec {
            residual_noise: 0.5,
            ..spec()
        }
        .draw::<f64>(1, 0)
        .expect("sound");
        assert_ne!(values(&noisy.train), values(&data.train));
        assert_eq!(noisy.held_out.map(|d| values(&d)), Some(values(&held_out)));
        let other = spec().draw::<f64>(1, 1).expect("sound");
        assert_ne!(values(&other.train), values(&data.train));
    }

    #[test]
    fn a_unit_without_weights_has_no_norm_to_scale() {
        let zero = TeacherSpec {
            weights: WeightInitialisation::Layers {
                weights: vec![Law::Constant(0.0), Law::Signs(1.0)],
                biases: vec![],
            },
            ..spec()
        };
        assert_eq!(
            zero.draw::<f64>(1, 0).map(|_| ()),
            Err(TeacherError::NoDirection(1))
        );
    }

    #[test]
    fn inputs_that_are_not_relevant_change_no_target() {
        let sparse = TeacherSpec {
            relevant_inputs: Some(1),
            ..spec()
        };
        let data = sparse.draw::<f64>(1, 0).expect("sound").train;
        let values = values(&data);
        // Units of one relevant input of weight ±1: |y| is a multiple of |x₁|, at most threefold.
        for (x, y) in data.x().chunks_exact(2).zip(&values) {
            let multiple = y / x[0];
            assert!((multiple - multiple.round()).abs() < 1e-12 && multiple.abs() <= 3.0);
        }
        assert!(values.iter().any(|y| *y != 0.0));
    }

    /// Half of the entries of a matrix of rank two: those observed are those of all, and the
    /// teacher is known.
    #[test]
    fn a_matrix_of_which_a_part_is_observed() {
        let all = TeacherSpec {
            samples: 40,
            held_out: 40,
            inputs: InputLaw::OneHot,
            teacher: NetworkSpec::dense(&[40, 2, 30], Activation::Linear, false),
            weights: WeightInitialisation::Gaussian { scale: 1.0 },
            unit_norm: false,
            ..spec()
        };
        let half = TeacherSpec {
            observed: Some(0.5),
            ..all.clone()
        };
        let (all, half) = (all.draw::<f64>(1, 0), half.draw::<f64>(1, 0));
        let (all, half) = (all.expect("sound").train, half.expect("sound"));
        assert!(half.train.is_masked() && !all.is_masked());
        assert_eq!(all.linear_teacher(), Some(&values(&all)[..]));
        let (whole, part) = (values(&all), values(&half.train));
        let observed = part.iter().filter(|v| !v.is_nan()).count();
        // Binomial(1200, ½), deviation 17: five of them.
        assert!((515..=685).contains(&observed), "{observed}");
        let same = |(a, b): (&f64, &f64)| b.is_nan() || a == b;
        assert!(whole.iter().zip(&part).all(same));
        assert_eq!(half.held_out.map(|d| values(&d)), Some(whole));
    }

    #[test]
    fn recipes_without_data_are_refused() {
        let none = TeacherSpec {
            samples: 0,
            ..spec()
        };
        let wild = TeacherSpec {
            residual_noise: f64::NAN,
            ..spec()
        };
        let error = |spec: TeacherSpec| spec.draw::<f64>(1, 0).err();
        assert!(matches!(error(none), Some(TeacherError::Data(_))));
        assert!(matches!(error(wild), Some(TeacherError::Residual(_))));
    }
}

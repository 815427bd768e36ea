//! The noise zoo: everything random about a step, each kind with a stream of its own.
//!
//! Kinds combine. They act in this order: rows are chosen, labels and inputs of that batch are
//! disturbed, weights are displaced for the length of one gradient, units are dropped, and the
//! gradient gets noise of its own.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use rankfall_core::model::classification::Flips;
use rankfall_core::model::dynamics::{LabelNoise, Sampling};
use rankfall_core::random::{Purpose, Signs, StreamKey};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::Words;
use rankfall_core::step::batches::Batches;

use crate::data::{Dataset, Targets};
use crate::loss::Loss;
use crate::network::Network;
use crate::scalar::Real;
use crate::window::NoiseWindow;

/// One kind of noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Noise {
    /// Fresh noise of this variance on every target of every step.
    LabelNoise {
        /// δ.
        variance: f64,
        /// The law of one entry.
        #[serde(default)]
        distribution: LabelNoise,
    },
    /// Fresh flips of class labels at every step.
    LabelFlips {
        /// The probability of a flip, to any other class alike; unused with a matrix.
        #[serde(default)]
        probability: f64,
        /// Row c: the probabilities with which class c becomes each class.
        #[serde(default)]
        matrix: Option<Vec<Vec<f64>>>,
    },
    /// Each step sees some of the rows.
    MiniBatch {
        /// Rows per step.
        batch_size: u64,
        /// How they are chosen.
        #[serde(default)]
        sampling: Sampling,
    },
    /// √(2T/η) N(0, I) added to the gradient: with plain steps Langevin's equation at this
    /// temperature, dw = −∇L dt + √(2T) dB.
    GradientNoise {
        /// T.
        temperature: f64,
    },
    /// N(0, variance) added to every input of every step.
    InputNoise {
        /// Of each entry.
        variance: f64,
    },
    /// The gradient is taken at weights displaced by N(0, variance), fresh at every step.
    WeightNoise {
        /// Of each parameter.
        variance: f64,
    },
    /// Hidden units are left out with this probability, the others scaled up to make up for it.
    Dropout {
        /// Below 1.
        probability: f64,
    },
}

/// Noise that cannot be had.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NoiseError {
    /// A number out of range.
    #[error("{kind}: {name} = {value} must be {bound}")]
    Number {
        /// Which noise.
        kind: &'static str,
        /// Which setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        bound: &'static str,
    },
    /// Two of one kind.
    #[error("{0} is given twice; give it once")]
    Twice(&'static str),
    /// Noise on values where there are classes.
    #[error("label-noise adds to numbers; for softmax-cross-entropy use label-flips")]
    LabelsAreClasses,
    /// Flips where there are values.
    #[error("label-flips need classes as targets; these are values, use label-noise")]
    LabelsAreValues,
    /// Flips where a row, from 0, is of no class or of several.
    #[error(
        "label-flips need one class for each row, 0 or 1, or a 1 among zeros; row {0} of the targets is no class"
    )]
    NoClass(usize),
    /// A matrix of flips that is none.
    #[error(
        "label-flips: matrix must have {classes} rows of {classes} probabilities that sum to 1; row {row} does not"
    )]
    Matrix {
        /// How many classes.
        classes: usize,
        /// The first wrong row, from 0.
        row: usize,
    },
    /// A batch larger than the data.
    #[error("mini-batch: batch_size = {batch_size} is more than the {rows} rows there are")]
    Batch {
        /// As given.
        batch_size: u64,
        /// Rows of the data.
        rows: usize,
    },
    /// Dropout without hidden units.
    #[error("dropout needs hidden units; this network has none")]
    NothingToDrop,
}

impl Noise {
    /// Its name in experiment files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LabelNoise { .. } => "label-noise",
            Self::LabelFlips { .. } => "label-flips",
            Self::MiniBatch { .. } => "mini-batch",
            Self::GradientNoise { .. } => "gradient-noise",
            Self::InputNoise { .. } => "input-noise",
            Self::WeightNoise { .. } => "weight-noise",
            Self::Dropout { .. } => "dropout",
        }
    }

    fn check<T: Real>(
        &self,
        network: &Network,
        loss: Loss,
        data: &Dataset<T>,
    ) -> Result<(), NoiseError> {
        let kind = self.name();
        let number = |name, value: f64, sound: bool, bound| match sound && value.is_finite() {
            true => Ok(()),
            false => Err(NoiseError::Number {
                kind,
                name,
                value,
                bound,
            }),
        };
        let at_least_zero = |name, value: f64| number(name, value, value >= 0.0, "zero or more");
        match self {
            Self::LabelNoise { variance, .. } => {
                at_least_zero("variance", *variance)?;
                match loss {
                    Loss::SoftmaxCrossEntropy => Err(NoiseError::LabelsAreClasses),
                    _ => Ok(()),
                }
            }
            Self::LabelFlips {
                probability,
                matrix,
            } => {
                let within = (0.0..=1.0).contains(probability);
                number("probability", *probability, within, "between 0 and 1")?;
                if !data.has_classes() {
                    return Err(NoiseError::LabelsAreValues);
                }
                if let Some(row) = without_class(data.targets()) {
                    return Err(NoiseError::NoClass(row));
                }
                match matrix {
                    None => Ok(()),
                    Some(matrix) => check_flips(matrix, network.outputs().max(2)),
                }
            }
            Self::MiniBatch {
                batch_size,
                sampling,
            } => {
                let size = *batch_size;
                let countable = (1..=1 << 31).contains(&size);
                number("batch_size", size as f64, countable, "1 to 2147483648")?;
                let bounded = *sampling != Sampling::WithReplacement;
                match bounded && size > data.rows() as u64 {
                    true => Err(NoiseError::Batch {
                        batch_size: size,
                        rows: data.rows(),
                    }),
                    false => Ok(()),
                }
            }
            Self::GradientNoise { temperature } => at_least_zero("temperature", *temperature),
            Self::InputNoise { variance } | Self::WeightNoise { variance } => {
                at_least_zero("variance", *variance)
            }
            Self::Dropout { probability } => {
                let within = (0.0..1.0).contains(probability);
                number(
                    "probability",
                    *probability,
                    within,
                    "at least 0 and below 1",
                )?;
                match network.layers().len() {
                    1 => Err(NoiseError::NothingToDrop),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// The first row of the targets that is no class.
fn without_class<T: Real>(targets: &Targets<T>) -> Option<usize> {
    let Targets::Values { columns, values } = targets else {
        return None;
    };
    let is_class = |row: &[T]| {
        let count = |value: T| row.iter().filter(|v| **v == value).count();
        let (zeros, ones) = (count(T::ZERO), count(T::ONE));
        zeros + ones == *columns && (ones == 1 || *columns == 1)
    };
    let mut rows = values.chunks_exact(*columns);
    rows.position(|row| !is_class(row))
}

fn check_flips(matrix: &[Vec<f64>], classes: usize) -> Result<(), NoiseError> {
    let sound = |row: &Vec<f64>| {
        row.len() == classes
            && row.iter().all(|p| (0.0..=1.0).contains(p))
            && (row.iter().sum::<f64>() - 1.0).abs() < 1e-9
    };
    let wrong = match matrix.iter().position(|row| !sound(row)) {
        Some(row) => row,
        None if matrix.len() == classes => return Ok(()),
        None => matrix.len().min(classes),
    };
    Err(NoiseError::Matrix {
        classes,
        row: wrong,
    })
}

/// Whether all these kinds of noise can be had together.
pub fn check<T: Real>(
    noise: &[Noise],
    network: &Network,
    loss: Loss,
    data: &Dataset<T>,
) -> Result<(), NoiseError> {
    for (place, one) in noise.iter().enumerate() {
        if noise[..place]
            .iter()
            .any(|other| other.name() == one.name())
        {
            return Err(NoiseError::Twice(one.name()));
        }
        one.check(network, loss, data)?;
    }
    Ok(())
}

/// The noise of one trajectory. It holds nothing that cannot be made again from the step number.
pub struct NoiseSource<T> {
    trajectory: u64,
    instructions: Instructions,
    /// Names of the noises that do not act in every step, and the steps in which they do.
    windows: Vec<(&'static str, Range<u64>)>,
    batches: Option<Batches>,
    chosen: Vec<u32>,
    label_noise: Option<(StreamKey, f64, LabelNoise)>,
    flips: Option<(StreamKey, Flips)>,
    input_noise: Option<(StreamKey, f64)>,
    weight_noise: Option<(StreamKey, f64)>,
    dropout: Option<(StreamKey, f64)>,
    gradient_noise: Option<(StreamKey, f64)>,
    classes: usize,
    batch: Dataset<T>,
    normals: Vec<f64>,
}

impl<T: Real> NoiseSource<T> {
    /// For noise that passed [`check`]. `stream` tells several dynamics under one seed apart.
    pub fn new(
        noise: &[Noise],
        network: &Network,
        data: &Dataset<T>,
        seed: u64,
        stream: u32,
        trajectory: u64,
        instructions: Instructions,
    ) -> Self {
        let key = |purpose| StreamKey::new(seed, purpose, stream);
        let mut source = Self {
            trajectory,
            instructions,
            windows: Vec::new(),
            batches: None,
            chosen: Vec::new(),
            label_noise: None,
            flips: None,
            input_noise: None,
            weight_noise: None,
            dropout: None,
            gradient_noise: None,
            classes: network.outputs(),
            batch: data.empty_like(),
            normals: Vec::new(),
        };
        for one in noise {
            match one.clone() {
                Noise::LabelNoise {
                    variance,
                    distribution,
                } => {
                    let key = key(Purpose::LabelNoise);
                    source.label_noise = Some((key, variance.sqrt(), distribution));
                }
                Noise::LabelFlips {
                    probability,
                    matrix,
                } => {
                    let flips = matrix.map_or(Flips::Symmetric(probability), Flips::Matrix);
                    source.flips = Some((key(Purpose::LabelFlips), flips));
                }
                Noise::MiniBatch {
                    batch_size,
                    sampling,
                } => {
                    let key = key(Purpose::Batches);
                    let rows = data.rows() as u64;
                    let batches = Batches::new(sampling, rows, batch_size, key, trajectory);
                    source.batches = Some(batches);
                }
                Noise::GradientNoise { temperature } => {
                    source.gradient_noise = Some((key(Purpose::GradientNoise), temperature));
                }
                Noise::InputNoise { variance } => {
                    source.input_noise = Some((key(Purpose::InputNoise), variance.sqrt()));
                }
                Noise::WeightNoise { variance } => {
                    source.weight_noise = Some((key(Purpose::WeightNoise), variance.sqrt()));
                }
                Noise::Dropout { probability } => {
                    source.dropout = Some((key(Purpose::Dropout), probability));
                }
            }
        }
        source
    }

    /// Lets some of the noises act in some of the steps only; `noise` is the list that this was
    /// made of.
    pub fn during(mut self, noise: &[Noise], windows: &[NoiseWindow]) -> Self {
        let named = windows.iter().filter_map(|window| {
            let name = noise.get(window.noise)?.name();
            Some((name, window.steps.clone()))
        });
        self.windows = named.collect();
        self
    }

    fn acts(&self, name: &str, step: u64) -> bool {
        let mut windows = self.windows.iter();
        windows.all(|(own, steps)| *own != name || steps.contains(&step))
    }

    /// Whether `step` sees all rows as they are.
    fn keeps_data(&self, step: u64) -> bool {
        let acts = |is_there: bool, name: &str| is_there && self.acts(name, step);
        !(acts(self.batches.is_some(), "mini-batch")
            || acts(self.label_noise.is_some(), "label-noise")
            || acts(self.flips.is_some(), "label-flips")
            || acts(self.input_noise.is_some(), "input-noise"))
    }

    /// How many rows the batch of `step` has.
    pub fn batch_rows(&self, data: &Dataset<T>, step: u64) -> usize {
        match &self.batches {
            Some(batches) if self.acts("mini-batch", step) => batches.size(step) as usize,
            _ => data.rows(),
        }
    }

    /// The batch of `step`: rows of `data`, disturbed.
    pub fn batch<'a>(&'a mut self, data: &'a Dataset<T>, step: u64) -> &'a Dataset<T> {
        if self.keeps_data(step) {
            return data;
        }
        let mut batch = std::mem::replace(&mut self.batch, data.empty_like());
        let drawn = self.acts("mini-batch", step);
        match &mut self.batches {
            Some(batches) if drawn => {
                batches.choose(step, &mut self.chosen);
                data.gather(&self.chosen, &mut batch);
            }
            _ => batch.clone_from(data),
        }
        let (inputs, targets) = batch.parts_mut();
        if self.acts("label-noise", step) {
            self.disturb_labels(targets, step);
        }
        if self.acts("label-flips", step) {
            self.flip_classes(targets, step);
        }
        if self.acts("input-noise", step) {
            self.add_normals(inputs, step, self.input_noise);
        }
        self.batch = batch;
        &self.batch
    }

    /// Displaces a copy of the weights for the length of one gradient; false if there is no such
    /// noise and nothing was copied.
    pub fn displace(&mut self, weights: &[T], into: &mut Vec<T>, step: u64) -> bool {
        let Some(noise) = self.weight_noise else {
            return false;
        };
        if !self.acts("weight-noise", step) {
            return false;
        }
        into.clear();
        into.extend_from_slice(weights);
        self.add_normals(into, step, Some(noise));
        true
    }

    /// Fills the masks of the hidden layers, or leaves them empty.
    pub fn drop_units(&self, network: &Network, rows: usize, masks: &mut [Vec<T>], step: u64) {
        let Some((key, probability)) = self.dropout else {
            return;
        };
        if !self.acts("dropout", step) {
            masks.iter_mut().for_each(Vec::clear);
            return;
        }
        // Kept where 64 random bits, read as a number in [0, 1), are at least the probability.
        let threshold = (probability * 2f64.powi(64)) as u64;
        let kept = T::of(1.0 / (1.0 - probability));
        let mut reader = key.reader(self.trajectory, step);
        for (mask, layer) in masks.iter_mut().zip(network.layers()) {
            mask.clear();
            mask.extend((0..rows * layer.outputs).map(|_| {
                if reader.word() >= threshold {
                    kept
                } else {
                    T::ZERO
                }
            }));
        }
    }

    /// Adds Langevin's noise for a step of size `rate` to a gradient.
    pub fn shake(&mut self, gradient: &mut [T], rate: f64, step: u64) {
        if let Some((key, temperature)) = self.gradient_noise
            && rate > 0.0
            && self.acts("gradient-noise", step)
        {
            let deviation = (2.0 * temperature / rate).sqrt();
            self.add_normals(gradient, step, Some((key, deviation)));
        }
    }

    fn add_normals(&mut self, values: &mut [T], step: u64, noise: Option<(StreamKey, f64)>) {
        let Some((key, deviation)) = noise else {
            return;
        };
        self.normals.resize(values.len(), 0.0);
        key.fill_normals(self.trajectory, step, &mut self.normals, self.instructions);
        for (value, z) in values.iter_mut().zip(&self.normals) {
            *value += T::of(deviation * z);
        }
    }

    /// The numbers of the two-layer engine: row r of the batch, output b has number r k + b.
    fn disturb_labels(&mut self, targets: &mut Targets<T>, step: u64) {
        let (Some((key, deviation, distribution)), Targets::Values { values, .. }) =
            (self.label_noise, targets)
        else {
            return;
        };
        match distribution {
            LabelNoise::Gaussian => self.add_normals(values, step, Some((key, deviation))),
            LabelNoise::Rademacher => {
                let mut signs = Signs::new(key, Words([self.trajectory]), step);
                for value in values {
                    *value += T::of(deviation * signs.draw().0[0]);
                }
            }
        }
    }

    fn flip_classes(&self, targets: &mut Targets<T>, step: u64) {
        let Some((key, flips)) = &self.flips else {
            return;
        };
        let flip = |row: usize, class: usize, classes: usize| {
            let [first, second] = key.words(Words([self.trajectory]), step, row as u32);
            flips.apply(class, classes, first.0[0], second.0[0])
        };
        match targets {
            Targets::Classes(labels) => {
                for (row, label) in labels.iter_mut().enumerate() {
                    *label = flip(row, *label as usize, self.classes) as u32;
                }
            }
            Targets::Values { columns: 1, values } => {
                for (row, value) in values.iter_mut().enumerate() {
                    let class = usize::from(*value > T::of(0.5));
                    *value = T::of(flip(row, class, 2) as f64);
                }
            }
            Targets::Values { columns, values } => {
                for (row, values) in values.chunks_exact_mut(*columns).enumerate() {
                    let class = values.iter().position(|v| *v > T::of(0.5)).unwrap_or(0);
                    let flipped = flip(row, class, values.len());
                    values.fill(T::ZERO);
                    values[flipped] = T::ONE;
                }
            }
        }
    }
}

//! Losses, their derivatives by the network's outputs, and accuracy. All are means over the rows.

use serde::{Deserialize, Serialize};

use crate::activation::sigmoid;
use crate::scalar::Real;
use crate::targets::Targets;

/// What is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// ½|f(x) − y|² summed over the outputs whose target is observed.
    #[default]
    Squared,
    /// −log softmax(f(x))_class.
    SoftmaxCrossEntropy,
    /// Σ over outputs of log(1 + e^f) − y f, y ∈ \[0, 1\]: −log σ(f) for y = 1.
    Logistic,
}

impl Loss {
    /// All of them, for lists and tests.
    pub const ALL: [Self; 3] = [Self::Squared, Self::SoftmaxCrossEntropy, Self::Logistic];

    /// Its name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squared => "squared",
            Self::SoftmaxCrossEntropy => "softmax-cross-entropy",
            Self::Logistic => "logistic",
        }
    }

    /// The mean loss of `outputs` (rows × k, row-major). Targets must fit
    /// ([`crate::data::Dataset::fit`]); others give NaN.
    pub fn value<T: Real>(self, outputs: &[T], k: usize, targets: &Targets<T>) -> f64 {
        let rows = outputs.chunks_exact(k);
        let count = rows.len() as f64;
        let sum: f64 = match (self, targets) {
            (Self::Squared, Targets::Values { values, .. }) => {
                let pairs = outputs.iter().zip(values);
                pairs.fold(0.0, |sum, (f, y)| match y.is_observed() {
                    true => {
                        let error = f.to_f64() - y.to_f64();
                        sum + 0.5 * error * error
                    }
                    false => sum,
                })
            }
            (Self::Logistic, Targets::Values { values, .. }) => {
                let pairs = outputs.iter().zip(values);
                pairs.fold(0.0, |sum, (f, y)| {
                    let f = f.to_f64();
                    sum + f.max(0.0) + libm::log1p(libm::exp(-f.abs())) - y.to_f64() * f
                })
            }
            (Self::SoftmaxCrossEntropy, Targets::Classes(classes)) => {
                rows.zip(classes).fold(0.0, |sum, (row, &class)| {
                    sum + log_sum_exp(row) - row[class as usize].to_f64()
                })
            }
            _ => f64::NAN,
        };
        sum / count
    }

    /// [`Self::Squared`] with each output's error multiplied by its scale: the loss in the units
    /// that targets had before they were divided by these. NaN for targets that are classes.
    pub fn squared_in_units<T: Real>(outputs: &[T], scales: &[f64], targets: &Targets<T>) -> f64 {
        let Targets::Values { values, .. } = targets else {
            return f64::NAN;
        };
        let pairs = outputs.iter().zip(values).zip(scales.iter().cycle());
        let observed = pairs.filter(|((_, y), _)| y.is_observed());
        let sum = observed.fold(0.0, |sum, ((f, y), scale)| {
            let error = scale * (f.to_f64() - y.to_f64());
            sum + 0.5 * error * error
        });
        sum / (outputs.len() / scales.len()) as f64
    }

    /// The derivative of the mean loss by each output, written to `delta`.
    pub fn derivative<T: Real>(
        self,
        outputs: &[T],
        k: usize,
        targets: &Targets<T>,
        delta: &mut [T],
    ) {
        let share = T::ONE / T::of((outputs.len() / k) as f64);
        match (self, targets) {
            (Self::Squared, Targets::Values { values, .. }) => {
                for ((d, &f), &y) in delta.iter_mut().zip(outputs).zip(values) {
                    *d = match y.is_observed() {
                        true => (f - y) * share,
                        false => T::ZERO,
                    };
                }
            }
            (Self::Logistic, Targets::Values { values, .. }) => {
                for ((d, &f), &y) in delta.iter_mut().zip(outputs).zip(values) {
                    *d = (sigmoid(f) - y) * share;
                }
            }
            (Self::SoftmaxCrossEntropy, Targets::Classes(classes)) => {
                let rows = delta.chunks_exact_mut(k).zip(outputs.chunks_exact(k));
                for ((d, row), &class) in rows.zip(classes) {
                    softmax(row, d);
                    d[class as usize] -= T::ONE;
                    d.iter_mut().for_each(|x| *x = *x * share);
                }
            }
            _ => delta.fill(T::of(f64::NAN)),
        }
    }

    /// The second derivative of the mean loss by the outputs times `tangent` (rows × k), written to
    /// `out`.
    pub fn curvature(
        self,
        outputs: &[f64],
        k: usize,
        targets: &Targets<f64>,
        tangent: &[f64],
        out: &mut [f64],
    ) {
        let share = 1.0 / (outputs.len() / k) as f64;
        let triples = out.iter_mut().zip(outputs).zip(tangent);
        match (self, targets) {
            (Self::Squared, Targets::Values { values, .. }) => {
                for ((o, t), y) in out.iter_mut().zip(tangent).zip(values) {
                    *o = if y.is_nan() { 0.0 } else { t * share };
                }
            }
            (Self::Logistic, Targets::Values { .. }) => {
                for ((o, f), t) in triples {
                    let chance = sigmoid(*f);
                    *o = chance * (1.0 - chance) * t * share;
                }
            }
            (Self::SoftmaxCrossEntropy, Targets::Classes(_)) => {
                let rows = outputs.chunks_exact(k).zip(tangent.chunks_exact(k));
                for (o, (row, t)) in out.chunks_exact_mut(k).zip(rows) {
                    softmax(row, o);
                    let mean = o.iter().zip(t).fold(0.0, |sum, (p, t)| p.mul_add(*t, sum));
                    for (o, t) in o.iter_mut().zip(t) {
                        *o = *o * (t - mean) * share;
                    }
                }
            }
            _ => out.fill(f64::NAN),
        }
    }
}

/// log Σ eᶠ without overflow.
fn log_sum_exp<T: Real>(row: &[T]) -> f64 {
    let largest = row.iter().fold(f64::NEG_INFINITY, |m, f| m.max(f.to_f64()));
    let sum = row
        .iter()
        .fold(0.0, |s, f| s + libm::exp(f.to_f64() - largest));
    largest + libm::log(sum)
}

fn softmax<T: Real>(row: &[T], out: &mut [T]) {
    let mut largest = row[0];
    for &f in row {
        largest = if f > largest { f } else { largest };
    }
    let mut sum = T::ZERO;
    for (o, &f) in out.iter_mut().zip(row) {
        *o = (f - largest).exp();
        sum += *o;
    }
    out.iter_mut().for_each(|o| *o = *o / sum);
}

/// The share of rows whose largest output is that of the target: class, or largest value of a
/// one-hot row; with one output, whether it is on the target's side of zero (logistic) or of ½.
pub fn accuracy<T: Real>(loss: Loss, outputs: &[T], k: usize, targets: &Targets<T>) -> f64 {
    let rows = outputs.chunks_exact(k);
    let count = rows.len();
    let right = match targets {
        Targets::Classes(classes) => {
            let hits = rows
                .zip(classes)
                .filter(|(row, class)| largest(row) == **class as usize);
            hits.count()
        }
        Targets::Values { values, .. } if k == 1 => {
            let border = T::of(if loss == Loss::Logistic { 0.0 } else { 0.5 });
            let half = T::of(0.5);
            let hits = outputs
                .iter()
                .zip(values)
                .filter(|(f, y)| (**f > border) == (**y > half));
            hits.count()
        }
        Targets::Values { values, .. } => {
            let hits = rows.zip(values.chunks_exact(k));
            hits.filter(|(row, y)| largest(row) == largest(y)).count()
        }
    };
    right as f64 / count as f64
}

/// The first of the largest entries.
fn largest<T: Real>(row: &[T]) -> usize {
    let mut best = 0;
    for (place, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_hand() {
        let y = Targets::Values {
            columns: 2,
            values: vec![1.0, 0.0, 0.0, 1.0],
        };
        let f = [0.5, 0.0, 2.0, -1.0];
        // ½(¼ + 4 + 4)/2.
        assert!((Loss::Squared.value(&f, 2, &y) - 2.0625).abs() < 1e-15);
        // log(1 + e^−½) + log 2 + log(1 + e²) + log(1 + e), halved.
        let logistic = (0.474_076_984_180_106_9
            + std::f64::consts::LN_2
            + 2.126_928_011_042_972_6
            + 1.313_261_687_518_222_8)
            / 2.0;
        assert!((Loss::Logistic.value(&f, 2, &y) - logistic).abs() < 1e-15);
        let classes = Targets::Classes(vec![0, 1]);
        // log(1 + e^−½) and log(1 + e³), halved.
        let softmax = (0.474_076_984_180_106_9 + 3.048_587_351_573_742) / 2.0;
        assert!((Loss::SoftmaxCrossEntropy.value(&f, 2, &classes) - softmax).abs() < 1e-15);
        assert_eq!(accuracy(Loss::Squared, &f, 2, &y), 0.5);
        assert_eq!(accuracy(Loss::SoftmaxCrossEntropy, &f, 2, &classes), 0.5);
        let signs = Targets::Values {
            columns: 1,
            values: vec![1.0, 0.0, 1.0, 1.0],
        };
        assert_eq!(accuracy(Loss::Logistic, &f, 1, &signs), 0.75);
        assert_eq!(accuracy(Loss::Squared, &f, 1, &signs), 0.5);
    }

    #[test]
    fn large_outputs_do_not_overflow() {
        let f = [1000.0_f32, -1000.0];
        let classes = Targets::Classes(vec![1]);
        assert_eq!(Loss::SoftmaxCrossEntropy.value(&f, 2, &classes), 2000.0);
        let mut delta = [0.0; 2];
        Loss::SoftmaxCrossEntropy.derivative(&f, 2, &classes, &mut delta);
        assert_eq!(delta, [1.0, -1.0]);
        let y = Targets::Values {
            columns: 2,
            values: vec![0.0, 1.0],
        };
        assert_eq!(Loss::Logistic.value(&f, 2, &y), 2000.0);
    }
}

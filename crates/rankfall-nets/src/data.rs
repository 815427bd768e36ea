//! Rows to learn from: inputs with values or classes as targets.

use std::sync::Arc;

use rankfall_core::random::StreamKey;
use thiserror::Error;

use crate::loss::Loss;
use crate::scalar::Real;
pub use crate::targets::Targets;

/// Rows of inputs and their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<T> {
    inputs: usize,
    x: Vec<T>,
    targets: Targets<T>,
    /// Whether the targets stand for classes, so that accuracy means something.
    classes: bool,
    /// What values of each target were divided by; empty where they are in their own units.
    target_scales: Vec<f64>,
    /// The linear map that the targets were drawn from, inputs × targets by rows, where there is
    /// one.
    linear_teacher: Option<Arc<Vec<f64>>>,
}

/// Data that do not fit together, or not a network.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DatasetError {
    /// No rows or no columns.
    #[error("there are {rows} rows of {columns} {what}; at least one of each is needed")]
    Empty {
        /// inputs or targets
        what: &'static str,
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// Inputs and targets of different length.
    #[error("{inputs} rows of inputs and {targets} rows of targets do not belong together")]
    Rows {
        /// Rows of inputs.
        inputs: usize,
        /// Rows of targets.
        targets: usize,
    },
    /// NaN or infinity.
    #[error("row {row} of the {what} holds a number that is not finite")]
    NotFinite {
        /// inputs or targets
        what: &'static str,
        /// From 0.
        row: usize,
    },
    /// The first layer against the data.
    #[error(
        "the data have {columns} inputs and the first layer takes {layer}; set layers[0] = {columns}"
    )]
    Inputs {
        /// Columns of the data.
        columns: usize,
        /// m₀.
        layer: usize,
    },
    /// The last layer against the data.
    #[error(
        "the data have {columns} targets and the last layer gives {layer}; let layers end with {columns}"
    )]
    Outputs {
        /// Columns of the data.
        columns: usize,
        /// m_N.
        layer: usize,
    },
    /// A class the network has no output for.
    #[error(
        "row {row} is of class {class}, but the last layer gives {outputs} outputs, for classes 0 to {last}",
        last = outputs - 1
    )]
    Class {
        /// From 0.
        row: usize,
        /// Its class.
        class: u32,
        /// m_N.
        outputs: usize,
    },
    /// Scales of targets that are classes.
    #[error("classes have no scale; only targets that are values can be scaled")]
    ScaledClasses,
    /// Classes of which some would not be observed, or another loss than the squared one.
    #[error("only targets that are values can be observed in part, under the squared loss")]
    MaskedClasses,
    /// Softmax cross-entropy without classes.
    #[error(
        "softmax-cross-entropy needs classes as targets, whole numbers from 0; these are values"
    )]
    NeedsClasses,
    /// Softmax over one output is constant.
    #[error("softmax-cross-entropy over one output learns nothing; use logistic, or two outputs")]
    OneClass,
    /// Logistic targets that are no probabilities.
    #[error("row {row}: the logistic loss needs targets between 0 and 1, not {value}")]
    Probability {
        /// From 0.
        row: usize,
        /// The target.
        value: f64,
    },
}

impl<T: Real> Dataset<T> {
    /// Rows of `inputs` numbers each, row-major.
    ///
    /// # Errors
    /// Nothing in it, lengths that differ, numbers that are not finite.
    pub fn new(inputs: usize, x: Vec<T>, targets: Targets<T>) -> Result<Self, DatasetError> {
        let rows = x.len().checked_div(inputs).unwrap_or(0);
        let empty = |what, rows, columns| DatasetError::Empty {
            what,
            rows,
            columns,
        };
        if rows == 0 {
            return Err(empty("inputs", rows, inputs));
        }
        let (target_rows, left_over) = match &targets {
            Targets::Classes(classes) => (classes.len(), 0),
            Targets::Values { columns: 0, .. } => return Err(empty("targets", rows, 0)),
            Targets::Values { columns, values } => (values.len() / columns, values.len() % columns),
        };
        if target_rows != rows || left_over > 0 || x.len() != rows * inputs {
            return Err(DatasetError::Rows {
                inputs: rows,
                targets: target_rows,
            });
        }
        let check = |what, values: &[T], columns: usize| {
            let bad = values.iter().position(|v| !v.to_f64().is_finite());
            let row = bad.map(|place| place / columns);
            row.map_or(Ok(()), |row| Err(DatasetError::NotFinite { what, row }))
        };
        check("inputs", &x, inputs)?;
        if let Targets::Values { columns, values } = &targets {
            check("targets", values, *columns)?;
        }
        let classes = matches!(targets, Targets::Classes(_));
        Ok(Self {
            inputs,
            x,
            targets,
            classes,
            target_scales: Vec::new(),
            linear_teacher: None,
        })
    }

    /// Says that values were divided by these scales, one for each target: a squared loss is then
    /// reported in the units from before.
    ///
    /// # Errors
    /// Targets that are classes, or of another number.
    pub fn with_target_scales(mut self, scales: Vec<f64>) -> Result<Self, DatasetError> {
        match self.targets {
            Targets::Values { columns, .. } if columns == scales.len() => {
                self.target_scales = scales;
                Ok(self)
            }
            Targets::Values { columns, .. } => Err(DatasetError::Outputs {
                columns,
                layer: scales.len(),
            }),
            Targets::Classes(_) => Err(DatasetError::ScaledClasses),
        }
    }

    /// Says that the targets were drawn from this linear map, inputs × targets by rows.
    pub fn with_linear_teacher(self, map: Vec<f64>) -> Self {
        Self {
            linear_teacher: Some(Arc::new(map)),
            ..self
        }
    }

    /// The linear map that the targets were drawn from, inputs × targets by rows, where it is
    /// known.
    pub fn linear_teacher(&self) -> Option<&[f64]> {
        self.linear_teacher.as_ref().map(|map| &map[..])
    }

    /// These data with each target observed with probability `share`, drawn from `key` for number
    /// `draw`: the squared loss leaves the others out.
    ///
    /// # Errors
    /// Targets that are classes.
    pub fn observing(
        mut self,
        share: f64,
        key: StreamKey,
        draw: u64,
    ) -> Result<Self, DatasetError> {
        let Targets::Values { values, .. } = &mut self.targets else {
            return Err(DatasetError::MaskedClasses);
        };
        let mut reader = key.reader(draw, 0);
        for value in values {
            let uniform = (reader.word() >> 11) as f64 * 2f64.powi(-53);
            if uniform >= share {
                *value = T::of(f64::NAN);
            }
        }
        Ok(self)
    }

    /// Whether some targets are not observed.
    pub fn is_masked(&self) -> bool {
        match &self.targets {
            Targets::Values { values, .. } => values.iter().any(|v| !v.is_observed()),
            Targets::Classes(_) => false,
        }
    }

    /// What values of each target were divided by; empty where they are in their own units.
    pub fn target_scales(&self) -> &[f64] {
        &self.target_scales
    }

    /// These data as `loss` wants them from a network with `inputs` and `outputs`: classes become
    /// one-hot rows (0 and 1 for a single logistic output) where the loss takes values.
    ///
    /// # Errors
    /// Data that do not fit the network or the loss.
    pub fn fit(self, loss: Loss, inputs: usize, outputs: usize) -> Result<Self, DatasetError> {
        if self.inputs != inputs {
            return Err(DatasetError::Inputs {
                columns: self.inputs,
                layer: inputs,
            });
        }
        let targets = match self.targets {
            Targets::Classes(classes) => {
                let one_output = loss == Loss::Logistic && outputs == 1;
                let count = if one_output { 2 } else { outputs };
                check_classes(&classes, count)?;
                match loss {
                    Loss::SoftmaxCrossEntropy if outputs == 1 => {
                        return Err(DatasetError::OneClass);
                    }
                    Loss::SoftmaxCrossEntropy => Targets::Classes(classes),
                    Loss::Squared | Loss::Logistic => one_hot(&classes, outputs, one_output),
                }
            }
            Targets::Values { .. } if loss == Loss::SoftmaxCrossEntropy => {
                return Err(DatasetError::NeedsClasses);
            }
            Targets::Values { columns, values } => {
                if columns != outputs {
                    return Err(DatasetError::Outputs {
                        columns,
                        layer: outputs,
                    });
                }
                if loss == Loss::Logistic {
                    if values.iter().any(|v| !v.is_observed()) {
                        return Err(DatasetError::MaskedClasses);
                    }
                    check_probabilities(&values, columns)?;
                }
                Targets::Values { columns, values }
            }
        };
        Ok(Self {
            classes: self.classes || loss == Loss::Logistic,
            targets,
            ..self
        })
    }

    /// n.
    pub fn rows(&self) -> usize {
        self.x.len() / self.inputs
    }

    /// Numbers per row of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The inputs, row-major.
    pub fn x(&self) -> &[T] {
        &self.x
    }

    /// The targets.
    pub fn targets(&self) -> &Targets<T> {
        &self.targets
    }

    /// Whether the targets stand for classes.
    pub fn has_classes(&self) -> bool {
        self.classes
    }

    /// No rows, of the same columns: for [`Self::gather`].
    pub fn empty_like(&self) -> Self {
        let targets = match &self.targets {
            Targets::Classes(_) => Targets::Classes(Vec::new()),
            Targets::Values { columns, .. } => Targets::Values {
                columns: *columns,
                values: Vec::new(),
            },
        };
        Self {
            inputs: self.inputs,
            x: Vec::new(),
            targets,
            classes: self.classes,
            target_scales: self.target_scales.clone(),
            linear_teacher: self.linear_teacher.clone(),
        }
    }

    /// Copies `rows` of these data into `into`, which must be made for the same columns.
    pub fn gather(&self, rows: &[u32], into: &mut Self) {
        into.x.clear();
        for &row in rows {
            let start = row as usize * self.inputs;
            into.x
                .extend_from_slice(&self.x[start..start + self.inputs]);
        }
        match (&self.targets, &mut into.targets) {
            (Targets::Values { columns, values }, Targets::Values { values: out, .. }) => {
                out.clear();
                for &row in rows {
                    let start = row as usize * columns;
                    out.extend_from_slice(&values[start..start + columns]);
                }
            }
            (Targets::Classes(classes), Targets::Classes(out)) => {
                out.clear();
                out.extend(rows.iter().map(|&row| classes[row as usize]));
            }
            (own, other) => *other = own.clone(),
        }
    }

    /// Mutable inputs and targets, for noise on a copy.
    pub fn parts_mut(&mut self) -> (&mut [T], &mut Targets<T>) {
        (&mut self.x, &mut self.targets)
    }

    /// The same data in another precision.
    pub fn converted<U: Real>(&self) -> Dataset<U> {
        let convert = |values: &[T]| values.iter().map(|v| U::of(v.to_f64())).collect();
        Dataset {
            inputs: self.inputs,
            x: convert(&self.x),
            targets: match &self.targets {
                Targets::Classes(classes) => Targets::Classes(classes.clone()),
                Targets::Values { columns, values } => Targets::Values {
                    columns: *columns,
                    values: convert(values),
                },
            },
            classes: self.classes,
            target_scales: self.target_scales.clone(),
            linear_teacher: self.linear_teacher.clone(),
        }
    }
}

fn check_classes(classes: &[u32], outputs: usize) -> Result<(), DatasetError> {
    match classes.iter().position(|&c| c as usize >= outputs) {
        None => Ok(()),
        Some(row) => Err(DatasetError::Class {
            row,
            class: classes[row],
            outputs,
        }),
    }
}

fn check_probabilities<T: Real>(values: &[T], columns: usize) -> Result<(), DatasetError> {
    let outside = |v: &T| !(0.0..=1.0).contains(&v.to_f64());
    match values.iter().position(outside) {
        None => Ok(()),
        Some(place) => Err(DatasetError::Probability {
            row: place / columns,
            value: values[place].to_f64(),
        }),
    }
}

fn one_hot<T: Real>(classes: &[u32], outputs: usize, one_output: bool) -> Targets<T> {
    let mut values = vec![T::ZERO; classes.len() * outputs];
    for (row, &class) in values.chunks_exact_mut(outputs).zip(classes) {
        if one_output {
            row[0] = T::of(f64::from(class));
        } else {
            row[class as usize] = T::ONE;
        }
    }
    Targets::Values {
        columns: outputs,
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(columns: usize, values: &[f64]) -> Targets<f64> {
        Targets::Values {
            columns,
            values: values.to_vec(),
        }
    }

    #[test]
    fn data_that_do_not_fit_are_refused_in_words() {
        let classes =
            |c: &[u32]| Dataset::new(1, vec![0.5; c.len()], Targets::<f64>::Classes(c.to_vec()));
        let fit = |loss, outputs| classes(&[0, 1]).expect("sound").fit(loss, 1, outputs);
        let softmax = fit(Loss::SoftmaxCrossEntropy, 2).expect("classes");
        assert!(softmax.has_classes());
        let logistic = fit(Loss::Logistic, 1).expect("0 and 1");
        assert_eq!(logistic.targets(), &values(1, &[0.0, 1.0]));
        let squared = fit(Loss::Squared, 2).expect("one-hot");
        assert_eq!(squared.targets(), &values(2, &[1.0, 0.0, 0.0, 1.0]));
        assert!(squared.has_classes());
        let regression = Dataset::new(1, vec![1.0, 2.0], values(1, &[0.3, 1.4])).expect("sound");
        assert!(!regression.has_classes());
        let fitted = |loss, inputs, outputs| regression.clone().fit(loss, inputs, outputs);
        let three = classes(&[0, 3]).expect("sound");
        for (found, says) in [
            (
                three.fit(Loss::SoftmaxCrossEntropy, 1, 3),
                "row 1 is of class 3, but the last layer gives 3 outputs, for classes 0 to 2",
            ),
            (fit(Loss::SoftmaxCrossEntropy, 1), "row 1 is of class 1"),
            (fitted(Loss::Logistic, 1, 1), "row 1: the logistic loss"),
            (
                fitted(Loss::SoftmaxCrossEntropy, 1, 1),
                "needs classes as targets",
            ),
            (fitted(Loss::Squared, 2, 1), "set layers[0] = 1"),
            (fitted(Loss::Squared, 1, 2), "let layers end with 1"),
            (
                Dataset::new(2, vec![1.0; 4], values(1, &[f64::NAN, 0.0])),
                "row 0 of the targets",
            ),
            (
                Dataset::new(2, vec![1.0; 5], values(1, &[0.0, 0.0])),
                "do not belong together",
            ),
            (
                Dataset::new(2, vec![1.0; 4], values(2, &[0.0, 0.0, 0.0])),
                "2 rows of inputs and 1 rows of targets",
            ),
            (
                Dataset::new(2, vec![], values(1, &[0.0])),
                "0 rows of 2 inputs",
            ),
            (
                Dataset::new(0, vec![1.0], values(1, &[0.0])),
                "0 rows of 0 inputs",
            ),
        ] {
            let message = found.expect_err(says).to_string();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn gathering_copies_rows() {
        let all = Dataset::new(
            2,
            (0..6).map(f64::from).collect(),
            values(1, &[7.0, 8.0, 9.0]),
        )
        .expect("sound");
        let mut batch = all.clone();
        all.gather(&[2, 0, 2], &mut batch);
        assert_eq!(batch.x(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        assert_eq!(batch.targets(), &values(1, &[9.0, 7.0, 9.0]));
    }
}

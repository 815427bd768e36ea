//! Rows and their labels as a loss of classes sees them, and the noise of labels that flip.
//!
//! Gradients of softmax cross-entropy and of the logistic loss are linear in the labels: with
//! labels ỹ drawn afresh, the negative gradient by W₁W₂ is G = Xᵀ(Eỹ − π)/b + N, N = Xᵀ(ỹ − Eỹ)/b,
//! π the probabilities that the network gives. N does not depend on the weights, and neither does
//! its covariance, E N_ab N_a'b' = (1/n) Σ_i x_ia x_ia' Cov(ỹ_i)_bb' for one row. The covariance of
//! a label depends on its class alone, so N is a sum over classes of B_c Z R_cᵀ, with B_c B_cᵀ the
//! second moment of the inputs of the class, R_c R_cᵀ the covariance of its label, and Z standard
//! normal in the flow limit.

use std::sync::Arc;

use faer::Mat;
use thiserror::Error;

use crate::linalg::dense::eigen_semidefinite;
use crate::model::classification::{ClassLoss, Classification, Flips};
use crate::model::problem::{Problem, Rows};

/// Rows with labels of classes.
#[derive(Clone, Debug)]
pub struct ClassProblem {
    /// What is minimised.
    pub loss: ClassLoss,
    /// How labels flip; none where they stay.
    pub flips: Option<Flips>,
    /// The rows, inputs in the eigenbasis of S_xx, and labels as they are: n × k indicators or
    /// shares.
    pub rows: Arc<Rows>,
    /// How many classes there are: k, or two for one output.
    pub classes: usize,
    /// The class of each row; empty where labels are shares that stand for no class.
    pub class_of_row: Vec<u32>,
    /// Eỹ, n × k row-major: the labels themselves where none flips.
    pub expected: Vec<f64>,
    /// The noise of flips; none where no label flips.
    pub noise: Option<LabelFlipNoise>,
}

/// The covariance of N for batches of one row.
#[derive(Clone, Debug)]
pub struct LabelFlipNoise {
    /// B_c and R_c for each class that has any noise: p × r and k × s.
    pub factors: Vec<[Mat<f64>; 2]>,
    /// E N Nᵀ, p × p.
    pub of_inputs: Mat<f64>,
    /// E NᵀN, k × k.
    pub of_outputs: Mat<f64>,
    /// m = E|N|² = mean_i |x_i|² tr Cov(ỹ_i).
    pub power: f64,
}

/// Why there is no such problem.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ClassError {
    /// Second moments alone.
    #[error(
        "a loss of classes needs the rows: second moments do not determine its gradients, as they do those of \
         the squared loss"
    )]
    NoRows,
    /// Softmax over one output is constant.
    #[error("softmax-cross-entropy over one output learns nothing; use logistic, or two outputs")]
    OneClass,
    /// Targets that are no classes.
    #[error(
        "row {row}: targets must be classes, one of them 1 and the others 0 (a column of classes becomes so with one_hot)"
    )]
    NoClass {
        /// From 0.
        row: usize,
    },
    /// Logistic targets that are no probabilities.
    #[error("row {row}: the logistic loss needs targets between 0 and 1, not {value}")]
    Share {
        /// From 0.
        row: usize,
        /// The target.
        value: f64,
    },
    /// Probabilities that are none.
    #[error(
        "label-flips need a probability from 0 to 1, or {classes} rows of {classes} probabilities that sum to 1"
    )]
    Flips {
        /// How many classes there are.
        classes: usize,
    },
}

impl ClassProblem {
    /// The rows of `problem` under a loss of classes.
    ///
    /// # Errors
    /// No rows; targets that do not fit the loss or the flips; probabilities that are none.
    pub fn new(problem: &Problem, classification: &Classification) -> Result<Self, ClassError> {
        let rows = problem.rows.clone().ok_or(ClassError::NoRows)?;
        let (loss, k) = (classification.loss, problem.outputs);
        if loss == ClassLoss::SoftmaxCrossEntropy && k == 1 {
            return Err(ClassError::OneClass);
        }
        let classes = k.max(2);
        let sound = |flips: &Flips| flips.are_sound(classes);
        if classification.flips.as_ref().is_some_and(|f| !sound(f)) {
            return Err(ClassError::Flips { classes });
        }
        let flips = classification.flips.clone().filter(|f| !f.are_none());
        let is_share = |y: &f64| (0.0..=1.0).contains(y);
        if let Some(place) = rows.y.iter().position(|y| !is_share(y)) {
            let (row, value) = (place / k, rows.y[place]);
            return Err(match loss {
                ClassLoss::SoftmaxCrossEntropy => ClassError::NoClass { row },
                ClassLoss::Logistic => ClassError::Share { row, value },
            });
        }
        let found: Vec<Option<u32>> = rows.y.chunks_exact(k).map(class_of).collect();
        let without = found.iter().position(Option::is_none);
        let needed = loss == ClassLoss::SoftmaxCrossEntropy || flips.is_some();
        let class_of_row = match without {
            Some(row) if needed => return Err(ClassError::NoClass { row }),
            Some(_) => Vec::new(),
            None => found.into_iter().flatten().collect(),
        };
        let mut this = Self {
            loss,
            expected: rows.y.clone(),
            rows,
            classes,
            class_of_row,
            flips: None,
            noise: None,
        };
        if let Some(flips) = flips {
            this.flip(flips, problem.inputs, k);
        }
        Ok(this)
    }

    fn flip(&mut self, flips: Flips, inputs: usize, outputs: usize) {
        let labels: Vec<ClassLabel> = (0..self.classes)
            .map(|class| ClassLabel::new(&flips, class, outputs))
            .collect();
        for (row, &class) in self
            .expected
            .chunks_exact_mut(outputs)
            .zip(&self.class_of_row)
        {
            row.copy_from_slice(&labels[class as usize].mean);
        }
        self.noise = Some(LabelFlipNoise::new(self, &labels, inputs, outputs));
        self.flips = Some(flips);
    }

    /// Σ x xᵀ/n over the rows of a class, p × p.
    fn moment_of_class(&self, class: usize, inputs: usize) -> Mat<f64> {
        let mut sum = Mat::zeros(inputs, inputs);
        let share = 1.0 / self.rows.count as f64;
        for (x, &own) in self.rows.x.chunks_exact(inputs).zip(&self.class_of_row) {
            if own as usize == class {
                for a in 0..inputs {
                    for b in 0..inputs {
                        sum[(a, b)] += share * x[a] * x[b];
                    }
                }
            }
        }
        sum
    }
}

/// The class of a row of indicators, or of one number that is 0 or 1.
fn class_of(row: &[f64]) -> Option<u32> {
    let ones = row.iter().filter(|&&y| y == 1.0).count();
    let zeros = row.iter().filter(|&&y| y == 0.0).count();
    let place = row.iter().position(|&y| y == 1.0);
    match row.len() {
        1 if ones + zeros == 1 => Some(ones as u32),
        k if k > 1 && ones == 1 && zeros == k - 1 => place.map(|c| c as u32),
        _ => None,
    }
}

/// The label of one class.
struct ClassLabel {
    mean: Vec<f64>,
    covariance: Mat<f64>,
}

impl ClassLabel {
    fn new(flips: &Flips, class: usize, outputs: usize) -> Self {
        let all = flips.probabilities(class, outputs.max(2));
        // One output is the indicator of class 1.
        let mean = if outputs == 1 { vec![all[1]] } else { all };
        let covariance = Mat::from_fn(outputs, outputs, |i, j| match i == j {
            true => mean[i] * (1.0 - mean[i]),
            false => -mean[i] * mean[j],
        });
        Self { mean, covariance }
    }
}

impl LabelFlipNoise {
    fn new(problem: &ClassProblem, labels: &[ClassLabel], inputs: usize, outputs: usize) -> Self {
        let mut this = Self {
            factors: Vec::new(),
            of_inputs: Mat::zeros(inputs, inputs),
            of_outputs: Mat::zeros(outputs, outputs),
            power: 0.0,
        };
        let trace = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
        for (class, label) in labels.iter().enumerate() {
            let moment = problem.moment_of_class(class, inputs);
            let (size, variance) = (trace(&moment), trace(&label.covariance));
            this.of_inputs += &moment * faer::Scale(variance);
            this.of_outputs += &label.covariance * faer::Scale(size);
            this.power += size * variance;
            if size > 0.0 && variance > 0.0 {
                this.factors
                    .push([square_root(&moment), square_root(&label.covariance)]);
            }
        }
        this
    }
}

/// F with F Fᵀ the matrix, as many columns as it has rank.
fn square_root(matrix: &Mat<f64>) -> Mat<f64> {
    let (values, vectors) = eigen_semidefinite(matrix);
    let rank = values.iter().filter(|&&v| v > 0.0).count();
    Mat::from_fn(matrix.nrows(), rank, |i, j| {
        vectors[(i, j)] * values[j].sqrt()
    })
}

//! A loss of classes at full width in plain double precision.

use std::sync::Arc;

use faer::Mat;

use crate::linalg::dense::product;
use crate::measure::class_losses::ClassReadings;
use crate::model::class_problem::ClassProblem;
use crate::model::classification::ClassLoss;
use crate::random::philox::StreamKey;
use crate::simd::instructions::Instructions;
use crate::simd::lanes::{Lanes, Words};

/// The rows in the original basis, and whose labels flip how.
pub(super) struct PlainClasses {
    pub(super) problem: Arc<ClassProblem>,
    /// n × p, row-major.
    pub(super) x: Vec<f64>,
    /// Leads back to the original basis.
    pub(super) basis: Mat<f64>,
    pub(super) labels: StreamKey,
    pub(super) trajectory: u64,
}

impl PlainClasses {
    /// (1/n) Xᵀ(y − π) with the labels that are expected.
    pub(super) fn negative_gradient(&self, map: &Mat<f64>) -> Mat<f64> {
        let k = map.ncols();
        let label = |_: usize, row: usize| self.problem.expected[row * k..(row + 1) * k].to_vec();
        self.of_rows(map, &self.all_rows(), &label)
    }

    /// (1/n) Xᵀ(y − π) with the labels of a step.
    pub(super) fn fresh_gradient(&self, map: &Mat<f64>, step: u64) -> Mat<f64> {
        self.of_batch(map, &self.all_rows(), step)
    }

    fn all_rows(&self) -> Vec<u32> {
        (0..self.problem.rows.count as u32).collect()
    }

    /// (1/b) X_Bᵀ(y_B − π_B) with the labels of a step.
    pub(super) fn of_batch(&self, map: &Mat<f64>, chosen: &[u32], step: u64) -> Mat<f64> {
        let (k, problem) = (map.ncols(), &*self.problem);
        let label = |slot: usize, row: usize| {
            let Some(flips) = &problem.flips else {
                return problem.rows.y[row * k..(row + 1) * k].to_vec();
            };
            let words = self
                .labels
                .words(Words([self.trajectory]), step, slot as u32);
            let class = problem.class_of_row[row] as usize;
            let [first, second] = words.map(|word| word.0[0]);
            let drawn = flips.apply(class, problem.classes, first, second);
            match k {
                1 => vec![drawn as f64],
                _ => (0..k).map(|b| f64::from(u8::from(b == drawn))).collect(),
            }
        };
        self.of_rows(map, chosen, &label)
    }

    fn of_rows(
        &self,
        map: &Mat<f64>,
        chosen: &[u32],
        label: &dyn Fn(usize, usize) -> Vec<f64>,
    ) -> Mat<f64> {
        let (p, k) = (map.nrows(), map.ncols());
        let mut out = Mat::zeros(p, k);
        let share = 1.0 / chosen.len() as f64;
        for (slot, &row) in chosen.iter().enumerate() {
            let row = row as usize;
            let x = &self.x[row * p..(row + 1) * p];
            let (y, pi) = (label(slot, row), self.probabilities(&outputs(x, map)));
            for b in 0..k {
                for a in 0..p {
                    out[(a, b)] += share * x[a] * (y[b] - pi[b]);
                }
            }
        }
        out
    }

    fn probabilities(&self, f: &[f64]) -> Vec<f64> {
        match self.problem.loss {
            ClassLoss::SoftmaxCrossEntropy => {
                let largest = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let raised: Vec<f64> = f.iter().map(|x| libm::exp(x - largest)).collect();
                let sum: f64 = raised.iter().sum();
                raised.iter().map(|x| x / sum).collect()
            }
            ClassLoss::Logistic => f.iter().map(|x| 1.0 / (1.0 + libm::exp(-x))).collect(),
        }
    }

    /// deviation · Σ_c B_c Z_c R_cᵀ, the numbers of so many finer steps added up.
    pub(super) fn flow_noise(
        &self,
        key: StreamKey,
        fine: std::ops::Range<u64>,
        deviation: f64,
        shape: [usize; 2],
    ) -> Mat<f64> {
        let mut sum = Mat::zeros(shape[0], shape[1]);
        let Some(noise) = &self.problem.noise else {
            return sum;
        };
        let sizes = noise.factors.iter().map(|[b, r]| b.ncols() * r.ncols());
        let mut numbers = vec![0.0; sizes.sum()];
        let mut drawn = numbers.clone();
        for step in fine {
            key.fill_increment(self.trajectory, step, &mut drawn, Instructions::best());
            for (total, z) in numbers.iter_mut().zip(&drawn) {
                *total += z;
            }
        }
        let mut rest = &numbers[..];
        for [b, r] in &noise.factors {
            let (own, others) = rest.split_at(b.ncols() * r.ncols());
            rest = others;
            let z = Mat::from_fn(b.ncols(), r.ncols(), |u, v| {
                deviation * own[u * r.ncols() + v]
            });
            sum += product(b, &product(&z, &r.transpose().to_owned()));
        }
        product(&self.basis, &sum)
    }

    /// E N Nᵀ in the original basis, and E NᵀN; zero where no label flips.
    pub(super) fn noise_blocks(&self, shape: [usize; 2]) -> [Mat<f64>; 2] {
        match &self.problem.noise {
            None => shape.map(|size| Mat::zeros(size, size)),
            Some(noise) => {
                let back = self.basis.transpose().to_owned();
                let turned = product(&self.basis, &product(&noise.of_inputs, &back));
                [turned, noise.of_outputs.clone()]
            }
        }
    }

    /// Loss and accuracy on the labels as they are.
    pub(super) fn read(&self, map: &Mat<f64>) -> ClassReadings<1> {
        let (p, k) = (map.nrows(), map.ncols());
        let (mut loss, mut right) = (0.0, 0.0);
        let rows = self.x.chunks_exact(p);
        for (x, y) in rows.zip(self.problem.rows.y.chunks_exact(k)) {
            let f = outputs(x, map);
            let of_label: f64 = f.iter().zip(y).map(|(f, y)| f * y).sum();
            let all: f64 = match self.problem.loss {
                ClassLoss::SoftmaxCrossEntropy => {
                    let largest = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = f.iter().map(|x| libm::exp(x - largest)).sum();
                    largest + libm::log(sum)
                }
                ClassLoss::Logistic => {
                    let one = |x: &f64| x.max(0.0) + libm::log1p(libm::exp(-x.abs()));
                    f.iter().map(one).sum()
                }
            };
            loss += all - of_label;
            let hit = match k {
                1 => (f[0] > 0.0) == (y[0] > 0.5),
                _ => first_largest(&f) == first_largest(y),
            };
            right += f64::from(u8::from(hit));
        }
        let share = 1.0 / self.problem.rows.count as f64;
        ClassReadings {
            loss: Lanes([loss * share]),
            accuracy: Lanes([right * share]),
        }
    }
}

fn outputs(x: &[f64], map: &Mat<f64>) -> Vec<f64> {
    let of = |b| x.iter().enumerate().map(|(a, x)| x * map[(a, b)]).sum();
    (0..map.ncols()).map(of).collect()
}

fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}

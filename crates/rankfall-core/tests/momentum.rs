//! Descents with momentum and weight decay far beyond what doubles hold: log det of Θ against an
//! accumulation that knows nothing of graded columns.
//!
//! (Θ, U) is moved from the left by a matrix at each step. Orthonormalised after every step it
//! never shrinks, and what it shrank by is kept as logarithms: log|det Θ| is their sum and log|det|
//! of the upper half. That Θ has full rank is all it needs.

#[path = "support/setups.rs"]
mod setups;

use std::sync::Arc;

use rankfall_core::model::dynamics::{Dynamics, Kind, LabelNoise};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::synthetic::{Covariance, Synthetic};
use rankfall_core::simd::lanes::Lanes;
use rankfall_core::step::inspector::StepInspector;

const INPUTS: usize = 3;
const OUTPUTS: usize = 2;
const ROWS: usize = INPUTS + OUTPUTS;
const STEP_SIZE: f64 = 0.02;

type Vector = [f64; ROWS];

/// The columns of Θ over those of U, orthonormal, and the logarithm of the volume taken out of
/// them.
struct Accumulated {
    columns: Vec<[Vector; 2]>,
    log_volume: f64,
}

impl Accumulated {
    fn new(theta: Vec<Vector>) -> Self {
        let columns = theta.into_iter().map(|column| [column, [0.0; ROWS]]);
        let mut start = Self {
            columns: columns.collect(),
            log_volume: 0.0,
        };
        start.orthonormalise();
        start
    }

    /// One step with ΔG, 3 × 2 row-major.
    fn take_step(&mut self, increment: &[f64], optimizer: &Optimizer) {
        let decay = STEP_SIZE * optimizer.weight_decay;
        for [theta, lasting] in &mut self.columns {
            let mut added = theta.map(|x| -decay * x);
            for a in 0..INPUTS {
                for b in 0..OUTPUTS {
                    let g = increment[a * OUTPUTS + b];
                    added[a] += g * theta[INPUTS + b];
                    added[INPUTS + b] += g * theta[a];
                }
            }
            for i in 0..ROWS {
                lasting[i] = optimizer.momentum * lasting[i] + added[i];
                theta[i] += match optimizer.nesterov {
                    true => added[i] + optimizer.momentum * lasting[i],
                    false => lasting[i],
                };
            }
        }
        self.orthonormalise();
    }

    /// Gram and Schmidt, twice, since once is not enough for columns that lean.
    fn orthonormalise(&mut self) {
        let product = |x: &[Vector; 2], y: &[Vector; 2]| -> f64 {
            x.as_flattened()
                .iter()
                .zip(y.as_flattened())
                .map(|(a, b)| a * b)
                .sum()
        };
        for _ in 0..2 {
            for j in 0..self.columns.len() {
                let (before, rest) = self.columns.split_at_mut(j);
                let own = &mut rest[0];
                for other in before {
                    let share = product(other, own);
                    for (x, y) in own.as_flattened_mut().iter_mut().zip(other.as_flattened()) {
                        *x -= share * y;
                    }
                }
                let norm = product(own, own).sqrt();
                self.log_volume += norm.ln();
                own.as_flattened_mut().iter_mut().for_each(|x| *x /= norm);
            }
        }
    }

    /// log|det Θ|, by elimination with pivots.
    fn log_det(&self) -> f64 {
        let mut rows: Vec<Vector> = self.columns.iter().map(|[theta, _]| *theta).collect();
        let mut sum = self.log_volume;
        for j in 0..ROWS {
            let pivot = (j..ROWS).max_by(|&a, &b| rows[a][j].abs().total_cmp(&rows[b][j].abs()));
            rows.swap(j, pivot.expect("a row is left"));
            sum += rows[j][j].abs().ln();
            let own = rows[j];
            for row in &mut rows[j + 1..] {
                let share = row[j] / own[j];
                row.iter_mut().zip(own).for_each(|(x, y)| *x -= share * y);
            }
        }
        sum
    }
}

fn problem() -> Arc<Problem> {
    let recipe = Synthetic {
        samples: 20,
        inputs: INPUTS,
        outputs: OUTPUTS,
        covariance: Covariance::PowerLaw(1.0),
        residual_noise: 0.1,
        ..setups::recipe()
    };
    setups::problem(&recipe, 4)
}

/// Twelve thousand steps, log det looked at every 500: as the columns collapse the exponents part
/// by hundreds, and the displacements must follow every rotation.
#[test]
fn log_det_far_below_the_smallest_double() {
    let problem = problem();
    let start = setups::gaussian(0.5).start(&problem, ROWS, 2, 0);
    let start = start.expect("a start");
    let kind = Kind::LabelNoiseGradientDescent {
        distribution: LabelNoise::Gaussian,
    };
    for (momentum, nesterov, weight_decay) in
        [(0.9, false, 0.0), (0.6, true, 0.2), (0.0, false, 0.3)]
    {
        let optimizer = Optimizer {
            momentum,
            nesterov,
            weight_decay,
        };
        let dynamics = Dynamics {
            kind: kind.clone(),
            step_size: STEP_SIZE,
            label_noise: 2000.0 * (1.0 - momentum) * (1.0 - momentum),
            optimizer,
            classes: None,
        };
        let mut walk =
            StepInspector::new(&dynamics, &problem, &start, 3, 0, 0).expect("takes steps");
        let columns = walk.state().factor.mantissa().chunks_exact(ROWS);
        let scales = walk.state().factor.exponent();
        let theta = columns.zip(scales).map(|(column, exponent)| {
            std::array::from_fn(|i| column[i].0[0] * libm::exp2(exponent.0[0]))
        });
        let mut accumulated = Accumulated::new(theta.collect());
        let mut last = 0.0;
        for step in 1..=12_000 {
            walk.advance(1);
            assert!(walk.state().alive().get(0), "step {step}");
            let increment: Vec<f64> = walk.increment().iter().map(first).collect();
            accumulated.take_step(&increment, &optimizer);
            if step % 500 == 0 {
                let values = walk.log_singular_values();
                let (got, expected) =
                    (values.iter().map(first).sum::<f64>(), accumulated.log_det());
                println!("{optimizer:?} {step}: {got} {expected}");
                assert!((got - expected).abs() < 1e-9 * expected.abs().max(1.0));
                last = got;
            }
        }
        assert!(last < f64::from_bits(1).ln(), "{last}");
    }
}

fn first<const N: usize>(lanes: &Lanes<N>) -> f64 {
    lanes.0[0]
}

//! Problems and starts of ensembles: small, middle and large networks on regressions, and classes.
#![allow(dead_code)] // each test file uses a part

use std::sync::Arc;

use rankfall_core::ensemble::trajectories_per_block;
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::simd::lanes::BLOCK;

pub fn recipe() -> Synthetic {
    Synthetic {
        samples: 100,
        inputs: 5,
        outputs: 2,
        covariance: Covariance::Identity,
        teacher: Teacher::Gaussian,
        residual_noise: 0.0,
    }
}

/// Drawn under a seed.
pub fn problem(synthetic: &Synthetic, seed: u64) -> Arc<Problem> {
    let draw = synthetic.draw(seed, 0, true).expect("draws");
    let problem = Problem::new(&draw.gram, draw.rows, Some(draw.truth));
    Arc::new(problem.expect("a problem"))
}

/// The same with labels that are the class of the largest output, or of one, whether it is positive.
pub fn class_problem(synthetic: &Synthetic, seed: u64) -> Arc<Problem> {
    let draw = synthetic.draw(seed, 0, true).expect("draws");
    let mut rows = draw.rows.expect("rows");
    for row in rows.y.chunks_exact_mut(synthetic.outputs) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for y in row.iter_mut() {
            *y = match synthetic.outputs {
                1 => f64::from(u8::from(*y > 0.0)),
                _ => f64::from(u8::from(*y == largest)),
            };
        }
    }
    Arc::new(Problem::new(&draw.gram, Some(rows), None).expect("a problem"))
}

/// One start for all.
pub fn setup(
    problem: Arc<Problem>,
    initialisation: Initialisation,
    width: usize,
    seed: u64,
) -> Setup {
    Setup {
        source: Source::Shared(problem),
        initialisation,
        width,
        seed,
        each_start: false,
    }
}

pub fn shared_setup(initialisation: Initialisation, width: usize) -> Setup {
    setup(problem(&recipe(), 1), initialisation, width, 1)
}

pub fn gaussian(scale: f64) -> Initialisation {
    Initialisation::Gaussian {
        scale,
        smallest_singular_value: None,
    }
}

/// A start per trajectory, so that deterministic dynamics are ensembles too.
pub fn own_starts() -> Setup {
    Setup {
        each_start: true,
        ..shared_setup(gaussian(1.0), 10)
    }
}

/// Three classes of 60 rows in five dimensions, none of which a linear map tells apart, or two in
/// one output.
pub fn class_setup(outputs: usize, width: usize) -> Setup {
    let synthetic = Synthetic {
        samples: 60,
        outputs,
        residual_noise: 1.0,
        covariance: Covariance::PowerLaw(0.5),
        ..recipe()
    };
    Setup {
        each_start: true,
        ..setup(class_problem(&synthetic, 4), gaussian(0.7), width, 1)
    }
}

pub fn sized_setup(inputs: usize, outputs: usize, width: usize) -> Setup {
    let synthetic = Synthetic {
        samples: 400,
        inputs,
        outputs,
        covariance: Covariance::PowerLaw(1.0),
        ..recipe()
    };
    Setup {
        each_start: true,
        ..setup(problem(&synthetic, 3), gaussian(0.1), width, 1)
    }
}

/// Networks with more inputs than outputs or fewer, wider than p + k or narrower, their shorter
/// side short enough to be compiled or not; they go in blocks.
pub fn middle_setups() -> [Setup; 4] {
    let setups = [
        sized_setup(14, 6, 9),
        sized_setup(5, 77, 88),
        sized_setup(79, 3, 24),
        sized_setup(45, 36, 25),
    ];
    let side_by_side = setups
        .each_ref()
        .map(|setup| trajectories_per_block(setup.rows(), 100) as usize);
    assert_eq!(side_by_side, [BLOCK; 4]);
    setups
}

/// Networks with rows enough to go one by one, with more inputs than outputs or fewer, wider than p + k
/// or narrower.
pub fn large_setups() -> [Setup; 3] {
    [
        sized_setup(191, 11, 24),
        sized_setup(3, 198, 9),
        sized_setup(199, 2, 204),
    ]
}

//! Reading cases of decimal strings, and single-trajectory states made from them.
#![allow(dead_code)] // each test file uses a part

use std::sync::Arc;

use faer::Mat;
use rankfall_core::model::gram::Gram;
use rankfall_core::model::network::{Initialisation, Start, Weights};
use rankfall_core::model::problem::Problem;
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::{Lanes, Mask};
use rankfall_core::step::update::Update;
use rankfall_core::trajectories::lane_problem::LaneProblem;
use rankfall_core::trajectories::state::State;
use serde_json::Value;

pub fn number(value: &Value) -> f64 {
    value
        .as_str()
        .and_then(|s| s.parse().ok())
        .expect("a decimal string")
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

pub fn matrix(value: &Value) -> Mat<f64> {
    let rows: Vec<Vec<f64>> = value
        .as_array()
        .expect("rows")
        .iter()
        .map(numbers)
        .collect();
    Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

/// The case's Gram matrices; of S_yy only the trace matters.
pub fn gram(case: &Value) -> Gram {
    let (sxx, sxy) = (matrix(&case["S_xx"]), matrix(&case["S_xy"]));
    let k = sxy.ncols();
    let trace = case.get("Syy_trace").map_or(100.0, number);
    let syy = Mat::from_fn(k, k, |i, j| if i == j { trace / k as f64 } else { 0.0 });
    Gram {
        sxx,
        sxy,
        syy,
        n: 1000,
        centred: None,
    }
}

/// One trajectory of one problem.
pub struct Case {
    pub problem: Arc<Problem>,
    pub lanes: LaneProblem<1>,
    pub start: Start,
    pub state: State<1>,
}

impl Case {
    pub fn new(gram: &Gram, weights: Weights) -> Self {
        let problem = Arc::new(Problem::new(gram, None, None).expect("a sound problem"));
        let width = weights.w1.ncols();
        let given = Initialisation::Given(weights);
        let start = given.start(&problem, width, 0, 0).expect("fitting weights");
        let instructions = Instructions::best();
        Self {
            lanes: LaneProblem::new(&std::array::from_fn(|_| problem.clone()), instructions),
            state: State::new(std::slice::from_ref(&start), instructions),
            start,
            problem,
        }
    }

    pub fn read(value: &Value, w1: &str, w2: &str) -> Self {
        Self::new(
            &gram(value),
            Weights {
                w1: matrix(&value[w1]),
                w2: matrix(&value[w2]),
            },
        )
    }

    pub fn weights(&self) -> Weights {
        self.state.weights(0, &self.start, &self.problem)
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    Euler,
    Split,
    Unsplit,
}

/// The weights after one step for the increment `dG_total` of the case, in the original basis.
pub fn step(value: &Value, step: Step) -> Weights {
    let mut case = Case::read(value, "W1", "W2");
    let (p, k) = (case.problem.inputs, case.problem.outputs);
    let rotated = case.problem.basis.transpose() * matrix(&value["dG_total"]);
    let increment: Vec<Lanes<1>> = (0..p * k)
        .map(|i| Lanes([rotated[(i / k, i % k)]]))
        .collect();
    let mut square = Lanes::ZERO;
    for &g in &increment {
        square += g * g;
    }
    let half = -0.5 * number(&value["nu"]) * number(&value["h"]);
    let rate: Vec<Lanes<1>> = (0..p)
        .map(|a| Lanes([half * k as f64 * case.problem.eigenvalues[a]]))
        .chain((0..k).map(|_| Lanes([half * case.problem.trace()])))
        .collect();
    let damping: Vec<Lanes<1>> = rate.iter().map(|r| Lanes([r.0[0].exp()])).collect();
    let mut update = Update::new(p, k, Instructions::best());
    let columns = case.state.factor.mantissa_mut();
    match step {
        Step::Euler => update.euler(&increment, columns),
        Step::Split => update.exponential(&increment, square, &damping, columns, Mask::ALL),
        Step::Unsplit => update.exponential_unsplit(&increment, square, &rate, columns, Mask::ALL),
    }
    case.weights()
}

/// The largest difference relative to the largest entry.
pub fn relative_difference(got: &Mat<f64>, expected: &Mat<f64>) -> f64 {
    (got - expected).norm_max() / expected.norm_max()
}

//! The core against `data/reference.json`: cases computed with 50-digit arithmetic.

use std::sync::Arc;

use faer::Mat;
use rankfall_core::gradient_flow::GradientFlow;
use rankfall_core::gram::Gram;
use rankfall_core::lane_problem::LaneProblem;
use rankfall_core::lanes::{Instructions, Lanes, Mask};
use rankfall_core::network::{Initialisation, Start, Weights};
use rankfall_core::observe::{Layout, Observer};
use rankfall_core::problem::Problem;
use rankfall_core::state::State;
use rankfall_core::update::Update;
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reference.json")).expect("the reference file is JSON")
}

fn number(value: &Value) -> f64 {
    value.as_str().and_then(|s| s.parse().ok()).expect("a decimal string")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

fn matrix(value: &Value) -> Mat<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().expect("rows").iter().map(numbers).collect();
    Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

/// S_yy with the given trace that makes the joint matrix semidefinite: only its trace matters.
fn gram(case: &Value) -> Gram {
    let (sxx, sxy) = (matrix(&case["S_xx"]), matrix(&case["S_xy"]));
    let k = sxy.ncols();
    let trace = case.get("Syy_trace").map_or(100.0, number);
    Gram { sxx, sxy, syy: Mat::from_fn(k, k, |i, j| if i == j { trace / k as f64 } else { 0.0 }), n: 1000 }
}

struct Case {
    problem: Arc<Problem>,
    lanes: LaneProblem<1>,
    start: Start,
    state: State<1>,
}

fn case(value: &Value, w1: &str, w2: &str) -> Case {
    let problem = Arc::new(Problem::new(&gram(value), None, None).expect("a sound problem"));
    let weights = Weights { w1: matrix(&value[w1]), w2: matrix(&value[w2]) };
    let width = weights.w1.ncols();
    let start = Initialisation::Given(weights).start(&problem, width, 0, 0).expect("fitting weights");
    Case {
        lanes: LaneProblem::new(&[problem.clone()]),
        state: State::new(std::slice::from_ref(&start), Instructions::best()),
        start,
        problem,
    }
}

/// The largest difference relative to the largest entry.
fn relative_difference(got: &Mat<f64>, expected: &Mat<f64>) -> f64 {
    (got - expected).norm_max() / expected.norm_max()
}

fn measure(observer: &Observer<1>, case: &Case) -> impl Fn(&str, u32) -> f64 {
    let mut out = Vec::new();
    observer.measure(&case.state, &case.lanes, &mut out);
    let layout = observer.layout().clone();
    move |name, index| out[layout.position(name, index).expect("measured")].0[0]
}

#[test]
fn gradient_flow_matches_fifty_digits() {
    for value in reference()["gradient_flow"].as_array().expect("cases") {
        let mut case = case(value, "W1_0", "W2_0");
        let (p, k) = (case.problem.inputs, case.problem.outputs);
        let layout = Layout::new(p, k, case.start.reduced_width(), false);
        let observer = Observer::new(layout, &case.state, 1e-3, Instructions::best());
        let mut flow = GradientFlow::new(&case.lanes, &case.state, Instructions::best());
        let mut now = 0.0;
        for time in ["0.5", "2", "10"] {
            let expected = &value["at"][time];
            let target: f64 = time.parse().expect("a time");
            let left = flow.advance(&mut case.state, &case.lanes, Lanes([target - now]), 100_000);
            assert_eq!(left.0[0], 0.0);
            now = target;
            let weights = case.state.weights(0, &case.start, &case.problem);
            assert!(relative_difference(&weights.w1, &matrix(&expected["W1"])) < 1e-10);
            assert!(relative_difference(&weights.w2, &matrix(&expected["W2"])) < 1e-10);
            let at = measure(&observer, &case);
            for (i, sigma) in numbers(&expected["sv_W1"]).into_iter().enumerate() {
                let got = at("log_singular_value_w1", i as u32 + 1);
                assert!((got - sigma.ln()).abs() < 1e-10, "singular value {i} at {time}");
            }
            for (i, lambda) in numbers(&expected["eig_M"]).into_iter().filter(|&x| x > 1e-12).enumerate() {
                let got = at("log_eigenvalue_m", i as u32 + 1);
                assert!((got - lambda.ln()).abs() < 1e-10, "eigenvalue {i} at {time}");
            }
            let log_det = expected.get("logdet_M").or(expected.get("logdet_ThetaT_Theta"));
            let log_det = number(log_det.expect("a log determinant"));
            assert!((at("log_det", 0) / log_det - 1.0).abs() < 1e-10, "log det at {time}");
            let loss = number(&expected["loss"]);
            assert!((at("loss", 0) / loss - 1.0).abs() < 1e-10, "loss at {time}");
            assert!(at("balance_drift", 0) < 1e-11);
        }
    }
}

enum Step {
    Euler,
    Unsplit,
}

/// One step for the given increment, in the original basis and width.
fn step(value: &Value, step: &Step) -> Weights {
    let mut case = case(value, "W1", "W2");
    let (p, k) = (case.problem.inputs, case.problem.outputs);
    let rotated = case.problem.basis.transpose() * matrix(&value["dG_total"]);
    let increment: Vec<Lanes<1>> =
        (0..p * k).map(|i| Lanes([rotated[(i / k, i % k)]])).collect();
    let mut square = Lanes::ZERO;
    for &g in &increment {
        square += g * g;
    }
    let mut update = Update::new(p, k);
    let columns = case.state.factor.mantissa_mut();
    match step {
        Step::Euler => update.euler(&increment, columns, Mask::ALL),
        Step::Unsplit => {
            let half = -0.5 * number(&value["nu"]) * number(&value["h"]);
            let rate: Vec<Lanes<1>> = (0..p)
                .map(|a| Lanes([half * k as f64 * case.problem.eigenvalues[a]]))
                .chain((0..k).map(|_| Lanes([half * case.problem.trace()])))
                .collect();
            update.exponential_unsplit(&increment, square, &rate, columns, Mask::ALL);
        }
    }
    case.state.weights(0, &case.start, &case.problem)
}

#[test]
fn one_step_of_each_kind_matches_fifty_digits() {
    for value in reference()["steps"].as_array().expect("cases") {
        for (kind, name) in [(Step::Euler, "euler_maruyama"), (Step::Unsplit, "lie_euler")] {
            let got = step(value, &kind);
            for (weights, key) in [(&got.w1, "W1"), (&got.w2, "W2")] {
                let error = relative_difference(weights, &matrix(&value[name][key]));
                assert!(error < 1e-13, "{name} {key}: {error:e}");
            }
        }
    }
}

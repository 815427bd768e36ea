//! The core against `data/reference.json`: cases computed with 50-digit arithmetic.

mod support;

use rankfall_core::gradient_flow::GradientFlow;
use rankfall_core::lanes::{Instructions, Lanes, Mask};
use rankfall_core::observe::{Layout, Observer};
use serde_json::Value;
use support::{Case, Step, matrix, number, numbers, relative_difference, step};

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reference.json")).expect("the reference file is JSON")
}

fn measure(observer: &Observer<1>, case: &Case) -> impl Fn(&str, u32) -> f64 {
    let mut out = Vec::new();
    let readings = observer.read(&case.state, &case.lanes);
    observer.record(&readings, &case.lanes, 0.0, Mask::ALL, &mut out);
    let layout = observer.layout().clone();
    move |name, index| out[layout.position(name, index).expect("measured")].0[0]
}

#[test]
fn gradient_flow_matches_fifty_digits() {
    for value in reference()["gradient_flow"].as_array().expect("cases") {
        let mut case = Case::read(value, "W1_0", "W2_0");
        let (p, k) = (case.problem.inputs, case.problem.outputs);
        let layout = Layout::new(p, k, case.start.reduced_width(), false);
        let observer = Observer::new(layout, &case.state, 1e-3, None, Instructions::best());
        let mut flow = GradientFlow::new(&case.lanes, &case.state, Instructions::best());
        let mut now = 0.0;
        for time in ["0.5", "2", "10"] {
            let expected = &value["at"][time];
            let target: f64 = time.parse().expect("a time");
            let left = flow.advance(&mut case.state, &case.lanes, Lanes([target - now]), 100_000);
            assert_eq!(left.0[0], 0.0);
            now = target;
            let weights = case.weights();
            assert!(relative_difference(&weights.w1, &matrix(&expected["W1"])) < 1e-10);
            assert!(relative_difference(&weights.w2, &matrix(&expected["W2"])) < 1e-10);
            let at = measure(&observer, &case);
            for (i, sigma) in numbers(&expected["sv_W1"]).into_iter().enumerate() {
                let got = at("log_singular_value_w1", i as u32 + 1);
                assert!((got - sigma.ln()).abs() < 1e-10, "singular value {i} at {time}");
            }
            let nonzero = numbers(&expected["eig_M"]).into_iter().filter(|&x| x > 1e-12);
            for (i, lambda) in nonzero.enumerate() {
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

#[test]
fn one_step_of_each_kind_matches_fifty_digits() {
    for value in reference()["steps"].as_array().expect("cases") {
        for (kind, name) in [(Step::Euler, "euler_maruyama"), (Step::Unsplit, "lie_euler")] {
            let got = step(value, kind);
            for (weights, key) in [(&got.w1, "W1"), (&got.w2, "W2")] {
                let error = relative_difference(weights, &matrix(&value[name][key]));
                assert!(error < 1e-13, "{name} {key}: {error:e}");
            }
        }
    }
}

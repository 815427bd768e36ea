//! The core against `data/reference.json`: cases computed with 50-digit arithmetic.

mod support;

use rankfall_core::measure::layout::Layout;
use rankfall_core::measure::observe::Observer;
use rankfall_core::model::dynamics::ForceSplit;
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::Lanes;
use rankfall_core::step::gradient_flow::GradientFlow;
use rankfall_core::theory::forces::EigenvalueForces;
use serde_json::Value;
use support::{Case, Step, matrix, number, numbers, relative_difference, step};

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reference.json")).expect("the reference file is JSON")
}

fn measure(observer: &mut Observer<1>, case: &Case) -> impl Fn(&str, u32) -> f64 {
    let mut out = Vec::new();
    let readings = observer.read(&case.state, &case.lanes);
    observer.record(&readings, &case.lanes, 0.0, &mut out);
    let layout = observer.layout().clone();
    move |name, index| out[layout.position(name, index).expect("measured")].0[0]
}

#[test]
fn gradient_flow_matches_fifty_digits() {
    for value in reference()["gradient_flow"].as_array().expect("cases") {
        let mut case = Case::read(value, "W1_0", "W2_0");
        let (p, k) = (case.problem.inputs, case.problem.outputs);
        let layout = Layout::new(p, k, case.start.reduced_width(), false);
        let mut observer =
            Observer::new(layout, &case.state, 1e-3, None, true, Instructions::best());
        let mut flow = GradientFlow::new(&case.lanes, &case.state);
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
            let at = measure(&mut observer, &case);
            for (i, sigma) in numbers(&expected["sv_W1"]).into_iter().enumerate() {
                let got = at("log_singular_value_w1", i as u32 + 1);
                assert!(
                    (got - sigma.ln()).abs() < 1e-10,
                    "singular value {i} at {time}"
                );
            }
            let nonzero = numbers(&expected["eig_M"])
                .into_iter()
                .filter(|&x| x > 1e-12);
            for (i, lambda) in nonzero.enumerate() {
                let got = at("log_eigenvalue_m", i as u32 + 1);
                assert!(
                    (got - lambda.ln()).abs() < 1e-10,
                    "eigenvalue {i} at {time}"
                );
            }
            let log_det = expected
                .get("logdet_M")
                .or(expected.get("logdet_ThetaT_Theta"));
            let log_det = number(log_det.expect("a log determinant"));
            assert!(
                (at("log_det", 0) / log_det - 1.0).abs() < 1e-10,
                "log det at {time}"
            );
            let loss = number(&expected["loss"]);
            assert!((at("loss", 0) / loss - 1.0).abs() < 1e-10, "loss at {time}");
            assert!(at("balance_drift", 0) < 1e-11);
        }
    }
}

#[test]
fn one_step_of_each_kind_matches_fifty_digits() {
    for value in reference()["steps"].as_array().expect("cases") {
        for (kind, name) in [
            (Step::Euler, "euler_maruyama"),
            (Step::Unsplit, "lie_euler"),
        ] {
            let got = step(value, kind);
            for (weights, key) in [(&got.w1, "W1"), (&got.w2, "W2")] {
                let error = relative_difference(weights, &matrix(&value[name][key]));
                assert!(error < 1e-13, "{name} {key}: {error:e}");
            }
        }
    }
}

/// Within 10⁻¹¹ of the largest entry of the same kind.
fn assert_close(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    for (g, e) in got.iter().zip(expected) {
        let error = (g - e).abs() / e.abs().max(1e-3 * scale);
        assert!(error < 1e-11, "{what}: {g} for {e}, {error:e}");
    }
}

#[test]
fn eigenvalue_forces_match_fifty_digits() {
    for value in reference()["sde_terms"].as_array().expect("cases") {
        let case = Case::read(value, "W1", "W2");
        let nu = number(&value["nu"]);
        let forces = EigenvalueForces::new(&case.state, &case.lanes, 0, nu);
        let count = forces.log_eigenvalues.len();
        let each = |f: &dyn Fn(usize) -> f64| (0..count).map(f).collect::<Vec<_>>();
        let q = value.get("q").or(value.get("q_nonzero_block")).expect("q");
        for i in 0..count {
            assert_close("q", &forces.q[i], &numbers(&q[i]));
            let rates = each(&|j| forces.covariation(i, j));
            assert_close(
                "covariation",
                &rates,
                &numbers(&value["covariation_rate_lambda"][i]),
            );
        }
        if let Some(null) = value.get("q_sum_over_null_j") {
            assert_close("q over the null space", &forces.q_null, &numbers(null));
        }
        let drift = |f: &dyn Fn(usize) -> f64, name: &str| {
            assert_close(name, &each(f), &numbers(&value[name]));
        };
        drift(&|i| forces.drift(i).gradient, "gradient_drift");
        drift(
            &|i| forces.drift(i).ito,
            "ito_square_drift_sum_j_lambda_j_q_ij",
        );
        drift(&|i| forces.drift(i).repulsion, "repulsion_drift");
        drift(
            &|i| forces.drift(i).ito + forces.drift(i).repulsion,
            "noise_drift_combined",
        );
        // The drift of log λ: splits (b) and (c), and (a) through Itô's formula, −½ d⟨log λ⟩.
        let splits = [ForceSplit::Regular, ForceSplit::Antisymmetric];
        for split in splits {
            drift(&|i| forces.log_drift(split, i).total(), "log_lambda_drift");
        }
        let through_ito = |i: usize| {
            let lambda = forces.log_eigenvalues[i].exp();
            forces.drift(i).total() / lambda - 0.5 * forces.log_covariation(i, i)
        };
        drift(&through_ito, "log_lambda_drift");
        let expected = number(&value["sum_log_lambda_drift"]);
        for split in splits {
            let sum: f64 = each(&|i| forces.log_drift(split, i).total()).iter().sum();
            assert!((sum / expected - 1.0).abs() < 1e-11, "{sum} {expected}");
        }
    }
}

//! The core against `data/multiprecision.json`, made by the script beside it.

mod support;

use faer::Mat;
use rankfall_core::linalg::graded::GradedColumns;
use rankfall_core::measure::spectra::Spectrometer;
use rankfall_core::model::network::Start;
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::Lanes;
use rankfall_core::trajectories::state::State;
use serde_json::Value;
use support::{Step, matrix, numbers, relative_difference, step};

fn cases(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("data/multiprecision.json")).expect("JSON");
    all[kind].as_array().expect("cases").clone()
}

/// Relative to the largest entry, and relative to how much the step itself magnifies: with
/// ‖ΔG‖ of 12 to 40 the exponential multiplies rounding by its own condition.
#[test]
fn split_lie_euler_steps_match_their_product() {
    for value in cases("steps") {
        let size = matrix(&value["dG_total"]).norm_l2();
        let allowed = 1e-13 * size.max(1.0);
        let got = step(&value, Step::Split);
        for (weights, key) in [(&got.w1, "W1"), (&got.w2, "W2")] {
            let error = relative_difference(weights, &matrix(&value["split"][key]));
            assert!(error < allowed, "{key} at size {size}: {error:e}");
        }
    }
}

fn graded_state(case: &Value) -> (State<1>, usize) {
    let floats = |v: &Value| -> Vec<f64> {
        v.as_array()
            .expect("numbers")
            .iter()
            .map(|x| x.as_f64().expect("a number"))
            .collect()
    };
    let rows: Vec<Vec<f64>> = case["mantissa"]
        .as_array()
        .expect("rows")
        .iter()
        .map(floats)
        .collect();
    let (d, m) = (rows.len(), rows[0].len());
    let start = Start {
        left: Mat::from_fn(d, m, |i, j| rows[i][j]),
        right: Mat::identity(m, m),
    };
    let mut state = State::new(std::slice::from_ref(&start), Instructions::best());
    let exponents = floats(&case["exponent"]).into_iter().map(Lanes::splat);
    let exponents: Vec<_> = exponents.collect();
    state.factor = GradedColumns::from_fn(d, m, |_, i, j| rows[i][j]);
    state.factor.scale_columns(&vec![Lanes::ONE; m], &exponents);
    (state, case["p"].as_u64().expect("p") as usize)
}

#[test]
fn spectra_of_graded_factors_match() {
    let mut worst = [0.0_f64; 4];
    let mut tightest = f64::INFINITY;
    for case in cases("graded") {
        let (state, p) = graded_state(&case);
        let spectra = Spectrometer::default().measure(&state, p, Instructions::best());
        for (which, name) in ["theta", "w1", "w2", "product"].into_iter().enumerate() {
            let expected = numbers(&case[name]);
            assert_eq!(expected.len(), spectra.values[which].len());
            for (i, (got, want)) in spectra.values[which].iter().zip(expected).enumerate() {
                let error = (got.0[0] - want).abs();
                let exponents = &case["exponent"];
                if which == 3 {
                    let bound = spectra.product_error[i].0[0];
                    let scale = want.abs().max(1.0) * f64::EPSILON;
                    assert!(
                        error <= bound + 4.0 * scale,
                        "product {i}: {error:e} > {bound:e} {exponents}"
                    );
                    tightest = tightest.min(bound);
                } else {
                    let relative = error / want.abs().max(1.0);
                    assert!(
                        relative < 1e-12,
                        "{name} {i}: {got:?} for {want}, {exponents}"
                    );
                    worst[which] = worst[which].max(relative);
                }
            }
        }
    }
    // The bound must say something: on the easiest spectrum it is a few units of rounding.
    assert!(tightest < 1e-13, "{tightest:e}");
}

//! Starts whose determinant is zero, or far below the smallest double.

#[path = "support/dynamics.rs"]
mod dynamics;
#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/setups.rs"]
mod setups;

use std::f64::consts::LN_10;
use std::sync::Arc;

use faer::Mat;
use rankfall_core::model::dynamics::Integrator;
use rankfall_core::model::network::{Initialisation, Weights};
use rankfall_core::model::problem::Problem;
use rankfall_core::model::synthetic::{Covariance, Synthetic};

const WIDTH: usize = 12;

fn problem() -> Arc<Problem> {
    let recipe = Synthetic {
        samples: 40,
        inputs: 3,
        covariance: Covariance::PowerLaw(1.0),
        residual_noise: 0.1,
        ..setups::recipe()
    };
    setups::problem(&recipe, 4)
}

/// log det M and what the law says, at the start and after a time of 1.
fn log_det(problem: Arc<Problem>, initialisation: Initialisation) -> [[f64; 2]; 2] {
    let setup = setups::setup(problem, initialisation, WIDTH, 1);
    let flow = dynamics::flow(Integrator::LieEuler);
    let outcome = ensembles::run_alone(&ensembles::spec(flow, 2, &[0, 100]), &setup);
    let totals = outcome.statistics.totals();
    assert_eq!(totals.survivors(), 2);
    [0, 1].map(|save| {
        ["log_det", "log_det_law"].map(|name| {
            let place = outcome.layout.position(name, 0).expect("measured");
            totals
                .cell(save * outcome.layout.observables.len() + place)
                .mean
        })
    })
}

/// Weights of full rank: sines of whole numbers, each row of Θ with a frequency of its own.
fn weights() -> Weights {
    let sine = |row: usize, column: usize| (((5 * row + 3) * column * column + 1) as f64).sin();
    Weights {
        w1: Mat::from_fn(3, WIDTH, sine),
        w2: Mat::from_fn(WIDTH, 2, |i, j| sine(3 + j, i)),
    }
}

#[test]
fn a_start_without_determinant_has_none_and_no_law() {
    let mut zero_rows = weights();
    let mut doubled = weights();
    let mut mixed = weights();
    for j in 0..WIDTH {
        (zero_rows.w1[(1, j)], zero_rows.w1[(2, j)]) = (0.0, 0.0);
        doubled.w1[(2, j)] = doubled.w1[(0, j)];
        // A row of W₂ᵀ that is a mixture of rows of W₁, rounded.
        mixed.w2[(j, 1)] = 0.3 * mixed.w1[(0, j)] - 1.7 * mixed.w1[(2, j)];
    }
    let given = [zero_rows, doubled, mixed].map(Initialisation::Given);
    let balanced = Initialisation::Balanced { scale: 1.0 };
    for initialisation in given.into_iter().chain([balanced]) {
        let shown = format!("{initialisation:?}");
        for values in log_det(problem(), initialisation) {
            assert!(values.iter().all(|x| !x.is_finite()), "{values:?}: {shown}");
        }
    }
    for [measured, law] in log_det(problem(), Initialisation::Given(weights())) {
        assert!((measured - law).abs() < 1e-10, "{measured} {law}");
    }
}

/// A row of W₁ times 10⁻ᶜ lowers log det M by 2c ln 10, however the inputs are rotated.
#[test]
fn a_small_row_of_given_weights_keeps_its_size() {
    let [[whole, _], _] = log_det(problem(), Initialisation::Given(weights()));
    for power in [20, 150, 200, 290] {
        let mut small = weights();
        for j in 0..WIDTH {
            small.w1[(1, j)] *= 10f64.powi(-power);
        }
        let expected = whole - 2.0 * f64::from(power) * LN_10;
        let [[start, _], [end, law]] = log_det(problem(), Initialisation::Given(small));
        assert!(
            (start - expected).abs() < 1e-10,
            "{power}: {start} {expected}"
        );
        assert!((end - law).abs() < 1e-10, "{power}: {end} {law}");
    }
}

/// Replaced by 10⁻ᶜ, the smallest singular value counts −2c ln 10 in log det M, and the law goes on
/// from there.
#[test]
fn the_smallest_singular_value_may_be_any_number() {
    let with = |smallest: f64| Initialisation::Gaussian {
        scale: 1.0,
        smallest_singular_value: Some(smallest),
    };
    let [[at_one_thousandth, _], _] = log_det(problem(), with(1e-3));
    for power in [150, 170, 300] {
        let expected = at_one_thousandth - 2.0 * f64::from(power - 3) * LN_10;
        let [[start, _], [end, law]] = log_det(problem(), with(10f64.powi(-power)));
        assert!(
            (start - expected).abs() < 1e-9,
            "{power}: {start} {expected}"
        );
        assert!((end - law).abs() < 1e-10, "{power}: {end} {law}");
    }
}

/// A start of scale 10⁻¹⁷⁰ is no zero: log det M is that of scale 1, less 2 · 5 · 170 ln 10.
#[test]
fn a_start_may_be_small_altogether() {
    let with = |scale: f64| Initialisation::Gaussian {
        scale,
        smallest_singular_value: None,
    };
    let [[at_one, _], _] = log_det(problem(), with(1.0));
    let [[start, _], [end, law]] = log_det(problem(), with(1e-170));
    let expected = at_one - 2.0 * 5.0 * 170.0 * LN_10;
    assert!((start - expected).abs() < 1e-9, "{start} {expected}");
    assert!((end - law).abs() < 1e-9, "{end} {law}");
}

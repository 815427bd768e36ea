//! The slow flow of the noise of single rows, against ensembles of SGD on labels that cannot be
//! fitted.

#[path = "support/means.rs"]
mod means;
#[path = "support/setups.rs"]
mod setups;

use std::sync::Arc;

use faer::Mat;
use means::{Ensemble, single_rows};
use rankfall_core::ensemble::small_noise::{MOST_WORK, NoPrediction, SmallNoise};
use rankfall_core::linalg::dense::thin_svd;
use rankfall_core::model::gram::Gram;
use rankfall_core::model::network::stacked;
use rankfall_core::model::problem::{Problem, Rows};
use rankfall_core::model::row_noise::RowNoise;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::Lanes;
use rankfall_core::step::gradient_flow::GradientFlow;
use rankfall_core::theory::averaging::NoSlowFlow;
use rankfall_core::trajectories::lane_problem::LaneProblem;
use rankfall_core::trajectories::state::State;

const SCALE: [f64; 2] = [1.2, 0.3];

/// 100 rows whose residuals grow with the first input, in one output more than in the other: their
/// noise is far from that of labels.
fn setup() -> Setup {
    let (p, k) = (3, 2);
    let of = |residual_noise| {
        let data = Synthetic {
            samples: 100,
            inputs: p,
            outputs: k,
            covariance: Covariance::PowerLaw(0.5),
            teacher: Teacher::Gaussian,
            residual_noise,
        };
        data.draw(3, 0, true).expect("draws")
    };
    let (clean, noisy) = (of(0.0), of(1.0));
    let (mut rows, noisy) = (clean.rows.expect("rows"), noisy.rows.expect("rows"));
    for i in 0..rows.count {
        let growth = rows.x[i * p].abs();
        for b in 0..k {
            let residual = noisy.y[i * k + b] - rows.y[i * k + b];
            rows.y[i * k + b] += SCALE[b] * growth * residual;
        }
    }
    let problem = Problem::new(&gram(&rows, p, k), Some(rows), None).expect("a problem");
    setups::setup(Arc::new(problem), setups::gaussian(0.7), 6, 5)
}

fn gram(rows: &Rows, p: usize, k: usize) -> Gram {
    let n = rows.count;
    let mean = |left: &[f64], right: &[f64], a: usize, b: usize| {
        Mat::from_fn(a, b, |i, j| {
            (0..n)
                .map(|row| left[row * a + i] * right[row * b + j])
                .sum::<f64>()
                / n as f64
        })
    };
    Gram {
        sxx: mean(&rows.x, &rows.x, p, p),
        sxy: mean(&rows.x, &rows.y, p, k),
        syy: mean(&rows.y, &rows.y, k, k),
        n: n as u64,
        centred: None,
    }
}

const THETA: &str = "log_singular_value_theta";
const COLUMNS: usize = 5;
/// η t.
const PLACES: [f64; 3] = [0.25, 0.5, 1.0];

/// Means of log σᵢ(Θ) over 64 trajectories of SGD at each place, and their standard errors.
fn measured(setup: &Setup, eta: f64) -> Vec<[f64; 2]> {
    let of_sgd = Ensemble {
        setup,
        dynamics: single_rows(eta),
        trajectories: 64,
        unit: eta,
        times: &PLACES.map(|place| place / eta),
        own: Vec::new(),
    };
    of_sgd.means(THETA, COLUMNS).pairs()
}

/// What the slow flow says of them, of label noise of intensity `nu` and of rows at the intensity
/// `rows`.
fn predicted(setup: &Setup, eta: f64, nu: f64, rows: Option<f64>) -> Vec<f64> {
    let times: Vec<f64> = PLACES.iter().map(|place| place / eta).collect();
    let request = SmallNoise {
        setup,
        nu,
        times: &times,
        rank_tolerance: 1e-3,
        trajectories: 1,
        most_work: MOST_WORK,
    };
    let predicted = request.predict(rows).expect("predicts");
    let places = (0..PLACES.len()).flat_map(|time| (1..=COLUMNS as u32).map(move |i| (time, i)));
    places
        .map(|(time, i)| predicted.at(time, THETA, i).expect("predicted"))
        .collect()
}

/// The same from the equation itself, without what turns inputs and outputs.
fn without_rotation(setup: &Setup, eta: f64) -> Vec<f64> {
    let initial = setup.initial_condition(0).expect("a start");
    let mut rows = RowNoise::new(&initial.problem, eta).expect("rows");
    let side = rows.whitened.nrows();
    rows.whitened = Mat::from_fn(side, side, |i, j| f64::from(u8::from(i == j)));
    let instructions = Instructions::best();
    let problem = LaneProblem::new(std::array::from_ref(&initial.problem), instructions);
    let mut state = State::<1>::new(&[initial.start.as_ref()], instructions);
    let mut flow = GradientFlow::new(&problem, &state).with_noise(&problem, 0.0, Some(rows));
    let (mut now, mut out) = (0.0, Vec::new());
    for place in PLACES {
        let mut left = Lanes([place / eta - now]);
        while left.0[0] > 0.0 {
            left = flow.advance(&mut state, &problem, left, u32::MAX);
        }
        now = place / eta;
        let weights = state.weights(0, &initial.start, &initial.problem);
        let theta = stacked(&weights.w1, &weights.w2);
        out.extend(thin_svd(&theta).sigma.iter().map(|s| s.ln()));
    }
    out
}

/// The largest |slow flow − mean of SGD| beyond 4.5 standard errors, over log σᵢ(Θ) and places. 60
/// comparisons of a slow flow that is right in all: one of them is beyond with chance 4·10⁻⁴.
fn worst(measured: &[[f64; 2]], predicted: &[f64]) -> f64 {
    let pairs = measured.iter().zip(predicted);
    let beyond = pairs.map(|([mean, error], value)| (mean - value).abs() - 4.5 * error);
    beyond.fold(f64::NEG_INFINITY, f64::max)
}

/// What the slow flow neglects, in multiples of η, is at most this.
const TIMES_ETA: f64 = 10.0;

/// The error of the slow flow is of first order in η.
#[test]
fn sgd_tends_to_the_slow_flow_of_its_rows_at_first_order() {
    let setup = setup();
    for eta in [0.01, 0.005, 0.0025, 0.00125] {
        let (measured, of_rows) = (
            measured(&setup, eta),
            predicted(&setup, eta, 0.0, Some(eta)),
        );
        let misses = measured
            .iter()
            .zip(&of_rows)
            .map(|([mean, _], value)| (mean - value).abs());
        println!("η = {eta}: largest miss {:.4}", misses.fold(0.0, f64::max));
        let worst = worst(&measured, &of_rows);
        assert!(
            worst < TIMES_ETA * eta,
            "η = {eta}: {worst} beyond 4.5 standard errors"
        );
    }
}

/// The comparison can fail: label noise of the same power is told from it, and so is a slow flow
/// that turns nothing, both of which have the same law of log det M.
#[test]
fn other_slow_flows_are_told_from_it() {
    let (setup, eta) = (setup(), 0.00125);
    let measured = measured(&setup, eta);
    let problem = setup.initial_condition(0).expect("a start").problem;
    let rows = RowNoise::new(&problem, eta).expect("rows");
    let power = rows.of_outputs[(0, 0)] + rows.of_outputs[(1, 1)];
    let of_labels = predicted(&setup, eta, power / (2.0 * problem.trace()), None);
    for (name, other) in [
        ("labels", of_labels),
        ("unturned", without_rotation(&setup, eta)),
    ] {
        let worst = worst(&measured, &other);
        println!("{name}: {worst:.3} beyond 4.5 standard errors");
        assert!(worst > 3.0 * TIMES_ETA * eta, "{name}: {worst}");
    }
}

/// log det M falls at twice the power of the noise, and W₁W₂ stays at the optimum.
#[test]
fn log_det_falls_by_the_power_of_the_noise() {
    let (setup, eta) = (setup(), 0.005);
    let problem = setup.initial_condition(0).expect("a start").problem;
    let rows = RowNoise::new(&problem, eta).expect("rows");
    let power = rows.of_outputs[(0, 0)] + rows.of_outputs[(1, 1)];
    let log_dets = predicted(&setup, eta, 0.0, Some(eta));
    let of = |place: usize| 2.0 * log_dets[place * COLUMNS..][..COLUMNS].iter().sum::<f64>();
    let span = (PLACES[2] - PLACES[1]) / eta;
    let rate = (of(2) - of(1)) / span;
    assert!(
        (rate / (-2.0 * power) - 1.0).abs() < 1e-9,
        "{rate} for {}",
        -2.0 * power
    );
}

/// Rows that are fitted have no noise at the minimum.
#[test]
fn at_interpolation_there_is_nothing_to_average() {
    let data = Synthetic {
        samples: 40,
        inputs: 3,
        ..setups::recipe()
    };
    let problem = setups::problem(&data, 3);
    assert!(!RowNoise::exists(&problem));
    let setup = Setup {
        source: Source::Shared(problem),
        ..setup()
    };
    let request = SmallNoise {
        setup: &setup,
        nu: 0.0,
        times: &[0.0, 1.0],
        rank_tolerance: 1e-3,
        trajectories: 1,
        most_work: MOST_WORK,
    };
    let refused = request.predict(Some(0.01)).expect_err("no noise");
    assert_eq!(refused, NoPrediction::NoSlowFlow(NoSlowFlow::NoNoise));
}

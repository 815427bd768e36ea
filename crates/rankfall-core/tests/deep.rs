//! Deep linear flows against the laws of their adjacent stacks and of their square layers.

#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/layer_determinant.rs"]
mod layer_determinant;

use std::sync::Arc;

use faer::Mat;
use layer_determinant::{layer_determinant, log_abs_det};
use rankfall_core::deep::gradient_flow::gradient_flow;
use rankfall_core::deep::network::{DeepNetwork, DeepNetworkError};
use rankfall_core::deep::shared_paths::{LevelOutcome, SharedPaths, SharedPathsError};
use rankfall_core::deep::stack;
use rankfall_core::deep::stochastic_flow::StochasticFlow;
use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::model::dynamics::{Dynamics, ForceScales, Integrator, Kind};
use rankfall_core::model::gram::Gram;
use rankfall_core::model::network::{Initialisation, Weights};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_core::simd::instructions::Instructions;

/// S_xx with eigenvalues 1.6, 0.7, …, S_xy of a teacher with entries of order 1.
fn problem(inputs: usize, outputs: usize) -> Problem {
    let mut normals = StreamKey::new(20, Purpose::Teacher, 0).reader(0, 0);
    let teacher = Mat::from_fn(inputs, outputs, |_, _| normals.normal());
    let eigenvalue = |i: usize| 1.6 / (1.0 + 1.3 * i as f64);
    let gram = Gram {
        sxx: Mat::from_fn(
            inputs,
            inputs,
            |i, j| {
                if i == j { eigenvalue(i) } else { 0.0 }
            },
        ),
        sxy: Mat::from_fn(inputs, outputs, |i, b| eigenvalue(i) * teacher[(i, b)]),
        syy: Mat::from_fn(outputs, outputs, |a, b| if a == b { 10.0 } else { 0.0 }),
        n: 100,
        centred: None,
    };
    Problem::new(&gram, None, None).expect("a sound problem")
}

fn network(widths: &[usize], seed: u64) -> DeepNetwork {
    DeepNetwork::gaussian(widths, 0.8, seed, 0).expect("widths of one or more")
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (square / (n - 1.0)).sqrt())
}

/// Every depth: the stacks whose width condition holds stay, the others move.
#[test]
fn gradient_flow_keeps_the_determinant_of_wide_stacks_and_only_of_those() {
    for (widths, kept) in [
        (&[2, 6, 4, 2][..], &[1][..]),
        (&[2, 3, 5, 2], &[2]),
        (&[3, 5, 2], &[1]),
        (&[2, 5, 3, 6, 2], &[1, 3]),
        (&[2, 3, 6, 3, 5, 2], &[2, 4]),
    ] {
        let problem = problem(widths[0], widths[widths.len() - 1]);
        let before = network(widths, 3);
        let mut after = before.clone();
        gradient_flow(&mut after, &problem, 4.0).expect("a tame flow");
        assert!(after.excess_loss(&problem) < 0.2 * before.excess_loss(&problem));
        for j in 1..before.depth() {
            let change = stack::read(&after, j).log_det - stack::read(&before, j).log_det;
            println!("{widths:?} stack {j}: {change:e}");
            assert_eq!(stack::width_condition(&before, j), kept.contains(&j));
            if kept.contains(&j) {
                assert!(change.abs() < 1e-10, "{widths:?} stack {j}: {change:e}");
            } else {
                assert!(change.abs() > 1e-3, "{widths:?} stack {j}: {change:e}");
            }
        }
    }
}

/// One layer has no stack; its flow is linear, with the solution in closed form.
#[test]
fn one_layer_relaxes_exponentially() {
    let problem = problem(3, 2);
    let start = network(&[3, 2], 4);
    let mut end = start.clone();
    gradient_flow(&mut end, &problem, 1.5).expect("a linear flow");
    for b in 0..2 {
        for (a, s) in problem.eigenvalues.iter().enumerate() {
            let optimum = problem.optimum[(a, b)];
            let exact = optimum + (start.layer(1)[(a, b)] - optimum) * (-s * 1.5).exp();
            assert!((end.layer(1)[(a, b)] - exact).abs() < 1e-12);
        }
    }
}

fn study(paths: u64) -> SharedPaths {
    SharedPaths {
        noise_intensity: 0.1,
        duration: 0.5,
        finest_steps: 1 << 12,
        levels: vec![6, 4, 2, 0],
        paths,
        seed: 9,
        stream: 0,
    }
}

fn differences(level: &LevelOutcome, j: usize) -> Vec<f64> {
    let paths = level.paths.iter().flatten();
    paths.map(|p| p.stacks[j - 1].difference()).collect()
}

/// The law of the flow is met in the limit of small steps: the mean difference is O(h), the spread
/// O(√h), and the law itself is far from zero and different from path to path.
#[test]
fn stochastic_flow_meets_the_law_of_wide_stacks_as_steps_shrink() {
    for (widths, j) in [([2, 6, 4, 2], 1), ([2, 3, 5, 2], 2)] {
        let problem = problem(2, 2);
        let levels = study(256)
            .run(&problem, &[network(&widths, 3)], 2)
            .expect("a sound study");
        let mut spreads = Vec::new();
        for level in &levels {
            let (mean, deviation) = mean_and_deviation(&differences(level, j));
            let laws: Vec<f64> = level
                .paths
                .iter()
                .flatten()
                .map(|p| p.stacks[j - 1].law)
                .collect();
            let (law, law_spread) = mean_and_deviation(&laws);
            let quadrature = level
                .paths
                .iter()
                .flatten()
                .map(|p| p.stacks[j - 1].law_error.expect("even").abs());
            let quadrature = quadrature.fold(0.0, f64::max);
            println!(
                "{widths:?} stack {j}: h {:.1e}: difference {mean:+.4} ± {:.4}, spread \
                 {deviation:.4}, law {law:.4} (spread {law_spread:.4}), quadrature {quadrature:.1e}",
                level.time_step,
                deviation / 16.0
            );
            assert_eq!(level.paths.iter().flatten().count(), 256);
            assert!(law < -0.1 && law_spread > 0.01 && quadrature < 0.2 * deviation);
            spreads.push((deviation, mean, law));
        }
        // √4 = 2 per level; a sample deviation of 256 values is known to 4.4 %, so a ratio of two
        // on the same paths to less than 7 %, and coarse steps add terms of higher order.
        let slope = (spreads[1].0 / spreads[3].0).log2() / 4.0;
        assert!((slope - 0.5).abs() < 0.08, "spread falls like h^{slope}");
        let (deviation, mean, law) = spreads[3];
        let error = deviation / 16.0;
        let bias = 0.02 * law.abs();
        assert!(mean.abs() < 4.0 * error + bias, "{mean} ± {error}");
        // The test can fail: 5 % more noise in the law is far outside, and no noise farther still.
        assert!((mean + 0.05 * law).abs() > 0.03 * law.abs() + 4.0 * error);
    }
}

/// Euler steps meet their own law to rounding where the width condition holds, and only there.
#[test]
fn euler_steps_meet_the_discrete_law_on_every_path() {
    for (widths, kept) in [
        (&[2, 6, 4, 2][..], 1),
        (&[2, 3, 5, 2], 2),
        (&[2, 2, 4, 2, 2], 2),
    ] {
        let problem = problem(2, 2);
        let levels = study(8)
            .run(&problem, &[network(widths, 3)], 2)
            .expect("a sound study");
        for reading in levels.iter().flat_map(|level| level.paths.iter().flatten()) {
            for (index, change) in reading.stacks.iter().enumerate() {
                let error = (change.log_det - change.discrete_law).abs();
                if index + 1 == kept {
                    assert!(change.width_condition && error < 1e-10, "{error:e}");
                } else {
                    assert!(!change.width_condition && error > 1e-3, "{error:e}");
                }
            }
        }
    }
}

/// Two layers: the paths of the two-layer engine, and its law 2νk tr(S_xx) t to rounding.
#[test]
fn depth_two_is_the_two_layer_engine_path_by_path() {
    let problem = problem(3, 2);
    let (nu, h, steps, seed) = (0.05, 0.004, 256_u64, 12);
    let start = network(&[3, 6, 2], 5);
    let weights = Weights {
        w1: start.layer(1).clone(),
        w2: start.layer(2).clone(),
    };
    let setup = Setup {
        source: Source::Shared(Arc::new(problem.clone())),
        initialisation: Initialisation::Given(weights),
        width: 6,
        seed,
        each_start: false,
    };
    let kind = Kind::StochasticGradientFlow {
        integrator: Integrator::EulerMaruyama,
        time_step: h,
        batch_size: 1,
        forces: ForceScales::default(),
        brownian_substeps: 1,
    };
    let dynamics = Dynamics {
        kind,
        step_size: nu,
        label_noise: 1.0,
        optimizer: Optimizer::default(),
        classes: None,
    };
    let spec = EnsembleSpec {
        time_unit: h,
        ..ensembles::spec(dynamics, 3, &[0, steps])
    };
    let outcome = ensembles::run_alone(&spec, &setup);
    let totals = outcome.statistics.totals();
    let size = outcome.layout.observables.len();
    let cell = |save: usize, name: &str| {
        save * size + outcome.layout.position(name, 0).expect("always measured")
    };
    let deep = SharedPaths {
        noise_intensity: nu,
        duration: h * steps as f64,
        finest_steps: steps,
        levels: vec![0],
        paths: 3,
        seed,
        stream: 0,
    };
    let levels = deep.run(&problem, &[start], 2).expect("a sound study");
    for (path, values) in totals.trajectories().expect("kept") {
        let change = values[cell(1, "log_det")] - values[cell(0, "log_det")];
        let reading = levels[0].paths[*path as usize].as_ref().expect("finite");
        let stack = reading.stacks[0];
        assert!((stack.log_det - change).abs() < 1e-11);
        let loss = values[cell(1, "excess_loss")];
        assert!((reading.excess_loss - loss).abs() < 1e-11 * (1.0 + loss));
        let law = -2.0 * nu * 2.0 * problem.trace() * h * steps as f64;
        assert!((stack.law - law).abs() < 1e-12 && stack.law_error.expect("even").abs() < 1e-12);
    }
}

/// d log|det Wⱼ|: the noise term path by path, then drift and Itô's term as the mean of what is
/// left over many single steps; without Itô's term the same test rejects.
#[test]
fn single_layers_follow_their_own_equation() {
    let (widths, nu, h, draws) = ([3, 3, 3, 3], 0.2, 1e-4, 20_000_u64);
    let problem = problem(3, 3);
    let start = network(&widths, 8);
    let key = StreamKey::new(31, Purpose::BrownianMotion, 4);
    let mut normals = vec![0.0; 9];
    let mut left: Vec<Vec<f64>> = vec![Vec::new(); 3];
    let terms: Vec<_> = (1..=3)
        .map(|j| layer_determinant(&start, &problem, nu, j).expect("square and regular"))
        .collect();
    for draw in 0..draws {
        key.fill_normals(0, draw, &mut normals, Instructions::best());
        let brownian = Mat::from_fn(3, 3, |a, b| f64::sqrt(h) * normals[a * 3 + b]);
        let mut flow = StochasticFlow::new(start.clone(), &problem, nu, h);
        assert!(flow.step(&brownian));
        for (j, terms) in terms.iter().enumerate() {
            let change = log_abs_det(flow.network(), j + 1).expect("square")
                - log_abs_det(&start, j + 1).expect("square");
            let mut martingale = 0.0;
            for a in 0..3 {
                for b in 0..3 {
                    martingale += terms.noise[(b, a)] * brownian[(a, b)];
                }
            }
            left[j].push((change - martingale) / h);
        }
    }
    for (terms, values) in terms.iter().zip(&left) {
        let (mean, deviation) = mean_and_deviation(values);
        let error = deviation / (draws as f64).sqrt();
        let drift = terms.gradient + terms.ito;
        println!(
            "drift {mean:.4} ± {error:.4}, predicted {drift:.4} = {:.4} + Itô {:.4}",
            terms.gradient, terms.ito
        );
        // False alarm 6·10⁻⁷ each; terms of order h are below 0.1 % here.
        assert!((mean - drift).abs() < 5.0 * error + 1e-3 * drift.abs());
        assert!((mean - terms.gradient).abs() > 10.0 * error);
    }
}

/// The determinants of single layers move under gradient flow too, at the predicted rate.
#[test]
fn gradient_flow_moves_single_layers_at_the_predicted_rate() {
    let problem = problem(3, 3);
    let start = network(&[3, 3, 3, 3], 8);
    let at = |time: f64| {
        let mut network = start.clone();
        gradient_flow(&mut network, &problem, time).expect("a tame flow");
        network
    };
    let (early, middle, late) = (at(0.099), at(0.1), at(0.101));
    for j in 1..=3 {
        let slope = (log_abs_det(&late, j).expect("square")
            - log_abs_det(&early, j).expect("square"))
            / 0.002;
        let terms = layer_determinant(&middle, &problem, 0.0, j).expect("square and regular");
        assert_eq!(terms.ito, 0.0);
        assert!((slope - terms.gradient).abs() < 1e-4 * terms.gradient.abs().max(1.0));
    }
}

#[test]
fn threads_change_no_bit_and_seeds_do() {
    let problem = problem(2, 2);
    let starts = [network(&[2, 6, 4, 2], 3), network(&[2, 6, 4, 2], 4)];
    let mut study = study(7);
    study.finest_steps = 256;
    let one = study.run(&problem, &starts, 1).expect("a sound study");
    for threads in [2, 3, 100] {
        assert_eq!(
            one,
            study
                .run(&problem, &starts, threads)
                .expect("a sound study")
        );
    }
    study.seed += 1;
    assert_ne!(one, study.run(&problem, &starts, 1).expect("a sound study"));
}

#[test]
fn what_cannot_be_run_is_refused_in_words() {
    assert!(matches!(
        DeepNetwork::gaussian(&[3], 1.0, 0, 0),
        Err(DeepNetworkError::Widths(_))
    ));
    assert!(matches!(
        DeepNetwork::gaussian(&[3, 0, 2], 1.0, 0, 0),
        Err(DeepNetworkError::Widths(_))
    ));
    let chain = DeepNetwork::new(vec![Mat::zeros(2, 3), Mat::zeros(4, 2)]);
    assert_eq!(
        chain.expect_err("3 is not 4").to_string(),
        "layer 2 has 4 rows, but the layer before it has 3 columns"
    );
    let problem = problem(2, 2);
    let run = |study: SharedPaths, widths: &[usize]| study.run(&problem, &[network(widths, 1)], 1);
    assert!(matches!(
        run(study(1), &[3, 2]),
        Err(SharedPathsError::Network(DeepNetworkError::Problem { .. }))
    ));
    let mut odd = study(1);
    odd.finest_steps = 100;
    assert!(matches!(
        run(odd, &[2, 2]),
        Err(SharedPathsError::Levels { .. })
    ));
    let mut endless = study(1);
    endless.duration = f64::INFINITY;
    assert!(matches!(
        run(endless, &[2, 2]),
        Err(SharedPathsError::Number { .. })
    ));
}

/// A path that explodes is left out and says so; the others stay.
#[test]
fn a_diverged_path_is_none() {
    let problem = problem(2, 2);
    let mut wild = study(2);
    wild.duration = 4000.0;
    wild.finest_steps = 512;
    wild.levels = vec![0];
    let levels = wild
        .run(&problem, &[network(&[2, 6, 4, 2], 3)], 1)
        .expect("a sound study");
    assert!(levels[0].paths.iter().all(Option::is_none));
}

//! The account of log det M, of values and of classes: an identity on every path, a martingale in
//! the mean, the same on a grid.

#[path = "support/ensembles.rs"]
mod ensembles;
#[path = "support/setups.rs"]
mod setups;

use rankfall_core::ensemble::{EnsembleSpec, Outcome};
use rankfall_core::measure::account::AccountGrid;
use rankfall_core::model::classification::{ClassLoss, Classification, Flips};
use rankfall_core::model::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::setup::Setup;
use rankfall_core::model::synthetic::{Covariance, Synthetic};
use rankfall_core::simd::instructions::Instructions;
use setups::{class_problem, gaussian, problem, recipe};

fn setup(inputs: usize, outputs: usize, width: usize, residual_noise: f64) -> Setup {
    setup_of(inputs, outputs, width, residual_noise, false)
}

/// Rows whose labels are numbers or classes.
fn setup_of(
    inputs: usize,
    outputs: usize,
    width: usize,
    residual_noise: f64,
    classes: bool,
) -> Setup {
    let synthetic = Synthetic {
        samples: 30,
        inputs,
        outputs,
        covariance: Covariance::PowerLaw(0.5),
        residual_noise,
        ..recipe()
    };
    let problem = match classes {
        true => class_problem(&synthetic, 4),
        false => problem(&synthetic, 4),
    };
    setups::setup(problem, gaussian(0.7), width, 5)
}

fn descent(kind: Kind, label_noise: f64) -> Dynamics {
    Dynamics {
        kind,
        step_size: 0.02,
        label_noise,
        optimizer: Optimizer::default(),
        classes: None,
    }
}

fn sgd(batch_size: u64, sampling: Sampling, distribution: LabelNoise, noise: f64) -> Dynamics {
    let kind = Kind::StochasticGradientDescent {
        batch_size,
        sampling,
        distribution,
    };
    descent(kind, noise)
}

fn label_noise(distribution: LabelNoise) -> Dynamics {
    descent(Kind::LabelNoiseGradientDescent { distribution }, 40.0)
}

fn decaying(mut dynamics: Dynamics) -> Dynamics {
    dynamics.optimizer.weight_decay = 0.03;
    dynamics
}

/// Every kind of descent, sampling and law of label noise there is.
fn descents() -> Vec<(&'static str, Dynamics)> {
    use LabelNoise::{Gaussian, Rademacher};
    use Sampling::{Epochs, Sequential, WithReplacement, WithoutReplacement};
    vec![
        ("gradient descent", descent(Kind::GradientDescent, 0.0)),
        ("labels", label_noise(Gaussian)),
        ("signs", label_noise(Rademacher)),
        ("single", sgd(1, WithReplacement, Gaussian, 1.0)),
        ("quiet", sgd(1, WithReplacement, Gaussian, 0.0)),
        ("batches", sgd(4, WithReplacement, Rademacher, 1.0)),
        ("distinct", sgd(7, WithoutReplacement, Gaussian, 0.5)),
        ("epochs", sgd(4, Epochs, Gaussian, 0.5)),
        ("single epochs", sgd(1, Epochs, Gaussian, 0.0)),
        ("in order", sgd(7, Sequential, Rademacher, 0.5)),
        ("certain", sgd(7, Sequential, Gaussian, 0.0)),
        ("decay", decaying(sgd(2, WithReplacement, Gaussian, 1.0))),
        ("decay alone", decaying(descent(Kind::GradientDescent, 0.0))),
    ]
}

/// Descents of losses of classes, with flips and without, for one output or several.
fn class_descents(outputs: usize) -> Vec<(&'static str, Dynamics)> {
    use Sampling::{Epochs, Sequential, WithReplacement, WithoutReplacement};
    let uneven = Flips::Matrix(match outputs {
        1 => vec![vec![0.9, 0.1], vec![0.4, 0.6]],
        _ => vec![
            vec![0.7, 0.3, 0.0],
            vec![0.0, 1.0, 0.0],
            vec![0.2, 0.2, 0.6],
        ],
    });
    let of = |loss, flips: Option<Flips>, mut dynamics: Dynamics| {
        dynamics.step_size = 0.2;
        dynamics.label_noise = 0.0;
        dynamics.classes = Some(Classification { loss, flips });
        dynamics
    };
    let rows = |batch, sampling| sgd(batch, sampling, LabelNoise::Gaussian, 0.0);
    let all = || label_noise(LabelNoise::Gaussian);
    let even = || Some(Flips::Symmetric(0.2));
    let logistic = |flips, dynamics| of(ClassLoss::Logistic, flips, dynamics);
    let mut cases = vec![
        ("logistic, labels", logistic(even(), all())),
        (
            "logistic, single",
            logistic(Some(uneven.clone()), rows(1, WithReplacement)),
        ),
        ("logistic, quiet", logistic(None, rows(1, WithReplacement))),
        ("logistic, epochs", logistic(even(), rows(4, Epochs))),
    ];
    if outputs > 1 {
        let softmax = |flips, dynamics| of(ClassLoss::SoftmaxCrossEntropy, flips, dynamics);
        cases.extend([
            (
                "softmax",
                softmax(None, descent(Kind::GradientDescent, 0.0)),
            ),
            (
                "softmax, expected",
                softmax(even(), descent(Kind::GradientDescent, 0.0)),
            ),
            ("softmax, labels", softmax(Some(uneven.clone()), all())),
            ("softmax, single", softmax(even(), rows(1, WithReplacement))),
            ("softmax, quiet", softmax(None, rows(1, WithReplacement))),
            (
                "softmax, batches",
                softmax(Some(uneven), rows(4, WithReplacement)),
            ),
            (
                "softmax, distinct",
                softmax(even(), rows(7, WithoutReplacement)),
            ),
            ("softmax, single epochs", softmax(even(), rows(1, Epochs))),
            ("softmax, in order", softmax(even(), rows(7, Sequential))),
            (
                "softmax, decay",
                softmax(even(), decaying(rows(2, WithReplacement))),
            ),
        ]);
    }
    cases
}

/// Data with what descends on them: values, classes.
fn all_cases(values: Vec<Setup>) -> Vec<(Setup, Vec<(&'static str, Dynamics)>)> {
    let of_values = values.into_iter().map(|setup| (setup, descents()));
    let of_classes = [1, 3].map(|k| (setup_of(4, k, 6 + k, 1.0, true), class_descents(k)));
    of_values.chain(of_classes).collect()
}

fn run(setup: &Setup, dynamics: &Dynamics, grid: AccountGrid, paths: u64, steps: u64) -> Outcome {
    let spec = EnsembleSpec {
        time_unit: dynamics.step_size,
        account: Some(grid),
        ..ensembles::spec(dynamics.clone(), paths, &[0, steps / 3, steps])
    };
    ensembles::run(&spec, setup, 2, Instructions::best())
}

/// An observable of every trajectory at a save.
fn at(outcome: &Outcome, save: usize, name: &str) -> Vec<f64> {
    let place = outcome.layout.position(name, 0).expect("measured");
    let all = outcome.layout.observables.len();
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    kept.iter()
        .map(|(_, cells)| cells[save * all + place])
        .collect()
}

const PARTS: [&str; 5] = [
    "account_full_gradient",
    "account_label_noise",
    "account_rows",
    "account_weight_decay",
    "account_higher_orders",
];

fn parts(outcome: &Outcome, save: usize) -> Vec<f64> {
    let all = PARTS.map(|name| at(outcome, save, name));
    let paths = all[0].len();
    (0..paths)
        .map(|t| all.iter().map(|part| part[t]).sum())
        .collect()
}

/// Mean and its standard error.
fn estimate(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (square / (n - 1.0) / n).sqrt())
}

fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Parts and martingale, each summed by itself, are the change of log det M: to the rounding of so
/// many steps on seven columns.
#[test]
fn parts_and_martingale_are_the_change_on_every_path() {
    for (setup, descents) in all_cases(vec![setup(5, 2, 9, 0.4), setup(2, 4, 9, 0.4)]) {
        for (name, dynamics) in descents {
            let steps = 3000;
            let outcome = run(&setup, &dynamics, AccountGrid::EveryStep, 8, steps);
            let rows = setup.rows();
            let tolerance = 1e-14 * rows as f64 * steps as f64;
            for save in [1, 2] {
                let (start, end) = (at(&outcome, 0, "log_det"), at(&outcome, save, "log_det"));
                let (sums, martingale) = (
                    parts(&outcome, save),
                    at(&outcome, save, "account_martingale"),
                );
                let residual = at(&outcome, save, "account_residual");
                for t in 0..sums.len() {
                    let left = end[t] - start[t] - sums[t] - martingale[t];
                    assert!(left.abs() < tolerance, "{name}, p + k = {rows}: {left}");
                    assert!(
                        (left - residual[t]).abs() < 1e-10,
                        "{name}: {}",
                        residual[t]
                    );
                    // What is certain has no martingale.
                    let certain = dynamics.is_deterministic();
                    assert_eq!(
                        martingale[t].abs() < tolerance,
                        certain,
                        "{name}: {}",
                        martingale[t]
                    );
                }
            }
        }
    }
}

/// The martingale has mean zero, from the first steps with their large residuals on. 48 tests at
/// 4.5 standard errors: a false alarm in 3000. The control leaves out the part of second order that
/// noise adds.
#[test]
fn what_is_left_has_mean_zero() {
    for (setup, descents) in all_cases(vec![setup(3, 2, 6, 0.8)]) {
        for (name, dynamics) in descents {
            if !dynamics.is_deterministic() {
                has_mean_zero(&setup, name, &dynamics);
            }
        }
    }
}

fn has_mean_zero(setup: &Setup, name: &str, dynamics: &Dynamics) {
    let outcome = run(setup, dynamics, AccountGrid::EveryStep, 2048, 300);
    for save in [1, 2] {
        let martingale = at(&outcome, save, "account_martingale");
        let (mean, error) = estimate(&martingale);
        println!("{name} {save}: {mean:.5} ± {error:.5}");
        assert!(mean.abs() < 4.5 * error, "{name}: {mean} ± {error}");
        let noise = [
            at(&outcome, save, "account_label_noise"),
            at(&outcome, save, "account_rows"),
        ];
        let left_out: Vec<f64> = (0..martingale.len())
            .map(|t| martingale[t] + noise[0][t] + noise[1][t])
            .collect();
        let (mean, error) = estimate(&left_out);
        assert!(
            mean.abs() > 8.0 * error,
            "the control: {name}: {mean} ± {error}"
        );
    }
}

/// On a grid: the same paths, and sums that differ by what the grid does.
#[test]
fn a_grid_has_the_same_sums() {
    for (setup, descents) in all_cases(vec![setup(3, 2, 6, 0.4)]) {
        for (name, dynamics) in descents {
            has_the_same_sums_on_a_grid(&setup, name, &dynamics);
        }
    }
}

fn has_the_same_sums_on_a_grid(setup: &Setup, name: &str, dynamics: &Dynamics) {
    let steps = if dynamics.classes.is_some() {
        2000
    } else {
        6000
    };
    let whole = run(setup, dynamics, AccountGrid::EveryStep, 512, steps);
    let grid = run(setup, dynamics, AccountGrid::Stride(64), 512, steps);
    assert_eq!(at(&whole, 2, "log_det"), at(&grid, 2, "log_det"), "{name}");
    for part in PARTS {
        let (exact, summed) = (at(&whole, 2, part), at(&grid, 2, part));
        let differences: Vec<f64> = exact.iter().zip(&summed).map(|(a, b)| a - b).collect();
        let (mean, error) = match differences.len() {
            1 => (differences[0], 0.0),
            _ => estimate(&differences),
        };
        // All paths share the error of the trapezoidal rule, and the places of epochs that points
        // fall on.
        let stated = mean_of(&at(&grid, 2, "account_quadrature_error"));
        let shared = 3.0 * stated + 1e-12;
        assert!(
            mean.abs() < 4.5 * error + shared,
            "{name} {part}: {mean} ± {error} of {}",
            exact[0]
        );
    }
}

/// Gradient descent loses what its gradients say, and a grid knows how far it is off.
#[test]
fn a_grid_states_its_error() {
    let setup = setup(3, 2, 6, 0.4);
    let dynamics = descent(Kind::GradientDescent, 0.0);
    let outcome = run(&setup, &dynamics, AccountGrid::Stride(200), 1, 20_000);
    let (left, stated) = (
        at(&outcome, 2, "account_martingale")[0],
        at(&outcome, 2, "account_quadrature_error")[0],
    );
    let fall = at(&outcome, 2, "account_full_gradient")[0];
    println!("left {left:.2e}, stated {stated:.2e}, fall {fall:.4}");
    assert!(left.abs() < 3.0 * stated && stated < 0.05 * fall.abs());
}

/// It is of descents without momentum from full row rank with l ≥ p + k.
#[test]
fn there_is_no_account_where_steps_are_not_from_the_left() {
    let mut momentum = label_noise(LabelNoise::Gaussian);
    momentum.optimizer.momentum = 0.9;
    for (dynamics, width) in [(momentum, 9), (label_noise(LabelNoise::Gaussian), 6)] {
        let outcome = run(
            &setup(5, 2, width, 0.4),
            &dynamics,
            AccountGrid::Stride(9),
            2,
            20,
        );
        assert_eq!(outcome.layout.position("account_rows", 0), None);
    }
}

/// The identity over a million steps of SGD, of values and of classes, to the rounding of so many
/// steps. Takes a minute or two: `cargo test --release -p rankfall-core --test account -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a minute or two"]
fn parts_and_martingale_are_the_change_over_a_million_steps() {
    let single = sgd(1, Sampling::WithReplacement, LabelNoise::Gaussian, 1.0);
    let all = class_descents(3).into_iter();
    let mut flipped = all.filter(|(name, _)| *name == "softmax, single");
    let (_, flipped) = flipped.next().expect("single rows that flip");
    let cases = [
        ("values", setup(3, 2, 7, 0.4), single),
        ("classes", setup_of(4, 3, 9, 1.0, true), flipped),
    ];
    for (name, setup, mut dynamics) in cases {
        dynamics.step_size = 0.01;
        let steps = 1_000_000;
        let outcome = run(&setup, &dynamics, AccountGrid::EveryStep, 8, steps);
        let (start, end) = (at(&outcome, 0, "log_det"), at(&outcome, 2, "log_det"));
        let (sums, martingale) = (parts(&outcome, 2), at(&outcome, 2, "account_martingale"));
        let left = (0..sums.len()).map(|t| (end[t] - start[t] - sums[t] - martingale[t]).abs());
        let largest = left.fold(0.0, f64::max);
        let fall = mean_of(&end) - mean_of(&start);
        println!(
            "{name}: log det M changes by {fall:.2}, the identity is off by {largest:.1e} at most"
        );
        assert!(
            largest < 1e-14 * setup.rows() as f64 * steps as f64,
            "{name}: {largest}"
        );
    }
}

/// The grid that is taken by default is that of 64 steps for values; for single rows of classes,
/// where a point takes the time of many steps, it is wider, and its sums differ by what it states.
#[test]
fn the_default_grid_is_wider_where_points_are_dear() {
    let part = "account_rows";
    let values = (
        setup(3, 2, 7, 0.4),
        sgd(1, Sampling::WithReplacement, LabelNoise::Gaussian, 1.0),
    );
    let of_values = |grid| at(&run(&values.0, &values.1, grid, 8, 3000), 2, part);
    assert_eq!(
        of_values(AccountGrid::Auto),
        of_values(AccountGrid::Stride(64))
    );
    let setup = setup_of(4, 3, 9, 1.0, true);
    let mut single = class_descents(3)
        .into_iter()
        .filter(|(name, _)| *name == "softmax, single");
    let (_, dynamics) = single.next().expect("single rows that flip");
    let of = |grid| run(&setup, &dynamics, grid, 256, 3000);
    let (wide, dense) = (of(AccountGrid::Auto), of(AccountGrid::Stride(64)));
    let (first, second) = (at(&wide, 2, part), at(&dense, 2, part));
    assert_ne!(first, second);
    let differences: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a - b).collect();
    let (mean, error) = estimate(&differences);
    let stated = mean_of(&at(&wide, 2, "account_quadrature_error"));
    assert!(
        mean.abs() < 4.5 * error + stated,
        "{mean} ± {error}, stated {stated}"
    );
}

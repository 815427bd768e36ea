//! Classes in place of values: labels that flip lower log det M under softmax and logistic losses
//! as label noise does under the squared one.

use std::sync::Arc;

use faer::Mat;
use rankfall_core::ensemble::OwnObservable;
use rankfall_core::model::classification::{ClassLoss, Classification, Flips};
use rankfall_core::model::dynamics::{Dynamics, Integrator, Kind, Sampling};
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::problem::{Problem, Rows};
use rankfall_core::model::setup::{Setup, Source};

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::picture::{Picture, Style};
use crate::setting::problem_of_rows;
use crate::simulation::{NOISY_LABELS, Simulation, dynamics, even_saves, flow, on_batches};
use crate::small::Regression;

pub const LAW: Claim = Claim {
    suite: Suite::Exact,
    id: "classification-law",
    title: "Flipped labels lower the determinant at a fixed rate, on every path alike",
    statement: "Under the stochastic gradient flow of softmax cross-entropy or of the logistic loss, with labels that \
                flip with probability q, log det M(t) = log det M(0) − 2νm t on every path, ν = η/b, \
                m = mean|x|² (1 − (1 − q)² − q²/(K − 1)); under gradient flow it stays.",
    provenance: Provenance::Beyond,
    strength: Strength::ExactIdentity,
    alternative: "a rate that is 5 % off; without flips, a fall at 5 % of that rate",
    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 0),
        measure: law,
    },
};

pub const FULL_BATCH: Claim = Claim {
    suite: Suite::Exact,
    id: "classification-full-batch",
    title: "Flips lower log det M under gradient descent by their law, beside what gradients do",
    statement: "Under full-batch descent with flipped labels, softmax or logistic, log det M falls per unit of t by \
                2η|A|² for the gradient A and by 2ηm/n for the flips, up to O(η³), at three step sizes.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "flips add nothing to what gradients do",
    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 6),
        measure: |bench| descent(bench, Batch::All),
    },
};

pub const MINI_BATCH: Claim = Claim {
    suite: Suite::Exact,
    id: "classification-mini-batch",
    title: "Flips lower log det M under SGD by their law, beside what rows and gradients do",
    statement: "Under SGD with b = 1 and flipped labels, softmax or logistic, the mean change of log det M in a step \
                is that of 2 log|1 − η²|x|²|ỹ − π|²| over rows and flips, at three step sizes: 2ηm per unit of t is \
                the share of the flips.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "flips add nothing to what rows and gradients do",
    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 6),
        measure: |bench| descent(bench, Batch::One),
    },
};

const ROWS: usize = 40;
const INPUTS: usize = 4;
const CLASSES: usize = 3;
const WIDTH: usize = 9;
const FLIPS: f64 = 0.2;
/// Slopes are taken between these times.
const WINDOW: [f64; 2] = [10.0, 40.0];
/// Times within it at which the expected rate is taken.
const POINTS: u64 = 30;
/// Of the law, besides what is of higher order in η: the sum over times for the mean.
const MARGIN: f64 = 0.04;

/// Which rows a step sees.
#[derive(Clone, Copy, PartialEq)]
enum Batch {
    All,
    One,
}

/// Rows and the classes that a teacher gives them, with residuals, so that no linear map tells them
/// apart.
struct Task {
    /// Rows in the basis of the problem.
    rows: Arc<Rows>,
    classes: Vec<usize>,
    problem: Arc<Problem>,
    seed: u64,
    /// m.
    power: f64,
}

impl Task {
    fn draw(seed: u64) -> Result<Self, Stop> {
        let Regression { x, y } = Regression::draw(seed, ROWS, INPUTS, CLASSES, 2.0);
        let largest = |i: usize| {
            (0..CLASSES).fold(0, |best, c| if y[(i, c)] > y[(i, best)] { c } else { best })
        };
        let classes: Vec<usize> = (0..ROWS).map(largest).collect();
        let of = |i: usize| (0..INPUTS).map(move |a| (i, a));
        let indicator = |c: usize| (0..CLASSES).map(move |b| f64::from(u8::from(b == c)));
        let rows = Rows {
            x: (0..ROWS).flat_map(of).map(|at| x[at]).collect(),
            y: classes.iter().flat_map(|&c| indicator(c)).collect(),
            count: ROWS,
        };
        let squares: f64 = rows.x.iter().map(|x| x * x).sum();
        let others = CLASSES as f64 - 1.0;
        let variance = 1.0 - (1.0 - FLIPS) * (1.0 - FLIPS) - FLIPS * FLIPS / others;
        let (problem, rows) = problem_of_rows(rows, INPUTS, CLASSES)?;
        Ok(Self {
            rows,
            classes,
            problem,
            seed,
            power: squares / ROWS as f64 * variance,
        })
    }

    fn setup(&self) -> Setup {
        Setup {
            source: Source::Shared(self.problem.clone()),
            initialisation: Initialisation::Gaussian {
                scale: 0.5,
                smallest_singular_value: None,
            },
            width: WIDTH,
            seed: self.seed,
            each_start: true,
        }
    }

    /// The mean of d log det M/dt given W₁W₂, in the basis of the problem.
    fn expected_rate(&self, loss: ClassLoss, eta: f64, batch: Batch, map: &Mat<f64>) -> f64 {
        let mut gradient = Mat::<f64>::zeros(INPUTS, CLASSES);
        let mut of_steps = 0.0;
        for (x, &class) in self.rows.x.chunks_exact(INPUTS).zip(&self.classes) {
            let share = probabilities(loss, x, map);
            let square: f64 = x.iter().map(|x| x * x).sum();
            for label in 0..CLASSES {
                let chance = match label == class {
                    true => 1.0 - FLIPS,
                    false => FLIPS / (CLASSES as f64 - 1.0),
                };
                let residual = |b: usize| f64::from(u8::from(b == label)) - share[b];
                let size: f64 = (0..CLASSES).map(|b| residual(b) * residual(b)).sum();
                of_steps += chance * 2.0 * (1.0 - eta * eta * square * size).abs().ln();
                for (a, &value) in x.iter().enumerate() {
                    for b in 0..CLASSES {
                        gradient[(a, b)] += chance * value * residual(b) / ROWS as f64;
                    }
                }
            }
        }
        match batch {
            Batch::One => of_steps / ROWS as f64 / eta,
            Batch::All => {
                let square = gradient.norm_l2() * gradient.norm_l2();
                -2.0 * eta * (square + self.power / ROWS as f64)
            }
        }
    }
}

fn probabilities(loss: ClassLoss, x: &[f64], map: &Mat<f64>) -> Vec<f64> {
    let f: Vec<f64> = (0..CLASSES)
        .map(|b| x.iter().enumerate().map(|(a, x)| x * map[(a, b)]).sum())
        .collect();
    match loss {
        ClassLoss::Logistic => f.iter().map(|f| 1.0 / (1.0 + (-f).exp())).collect(),
        ClassLoss::SoftmaxCrossEntropy => {
            let largest = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let raised: Vec<f64> = f.iter().map(|f| (f - largest).exp()).collect();
            let sum: f64 = raised.iter().sum();
            raised.iter().map(|r| r / sum).collect()
        }
    }
}

const LOSSES: [(ClassLoss, &str); 2] = [
    (ClassLoss::SoftmaxCrossEntropy, "softmax"),
    (ClassLoss::Logistic, "logistic"),
];

fn with_flips(dynamics: Dynamics, loss: ClassLoss, probability: f64) -> Dynamics {
    let flips = (probability > 0.0).then_some(Flips::Symmetric(probability));
    Dynamics {
        label_noise: 0.0,
        classes: Some(Classification { loss, flips }),
        ..dynamics
    }
}

fn law(bench: &Bench) -> Result<Evidence, Stop> {
    let task = Task::draw(bench.seed)?;
    let (nu, h, time) = (0.05, 0.05, 400.0);
    let steps = (time / h) as u64;
    let d = (INPUTS + CLASSES) as f64;
    // As of the determinant law of the squared loss, with blocks of the damping in the place of its
    // diagonal.
    let rounding = 2.0 * d * 1.733 * (2.0 * d + 8.0) * f64::EPSILON * steps as f64;
    let rate = 2.0 * nu * task.power;
    let paths = bench.level.pick(8, 16, 256);
    let mut comparisons = Vec::new();
    let mut figure = Picture::new(
        "The determinant law with classes",
        "log det M of one path of the stochastic flow of each loss (lines), less its value at t = 0, and the law \
         (dashed).",
        "time t",
        "log det M(t) − log det M(0)",
    );
    for (loss, name) in LOSSES {
        // ν = η/b with b = 1.
        let noisy = Dynamics {
            step_size: nu,
            ..flow(Integrator::LieEuler, nu, h)
        };
        let quiet = Dynamics {
            kind: Kind::GradientFlow,
            step_size: h,
            ..noisy.clone()
        };
        for (dynamics, flips, rate) in [(noisy, FLIPS, rate), (quiet, 0.0, 0.0)] {
            let saves = even_saves(steps, 20);
            let plan = Simulation::of(with_flips(dynamics, loss, flips), paths, saves);
            let run = bench.run(&task.setup(), &plan)?;
            let worst = run.misses(rate)?;
            let (what, margin) = match flips > 0.0 {
                true => ("largest |log det M − law|", rounding),
                // The integrator's tolerance in each of its steps, of which there are no more than
                // of the other's.
                false => (
                    "largest change of log det M without flips",
                    rounding + d * (24.0 + d) * 1e-13 * steps as f64,
                ),
            };
            let fall = 2.0 * nu * task.power * time;
            let what = format!("{name}: {what}");
            comparisons.push(
                Comparison::exact(what, 0.0, worst, margin)
                    .against_range([0.05 * fall, f64::INFINITY]),
            );
            if flips > 0.0 {
                let path = &run.observable("log_det", 0)?[0];
                let change = path.iter().map(|v| v - path[0]).collect();
                figure = figure.with(name, Style::Line, run.times.clone(), change);
            }
        }
    }
    let times = vec![0.0, time];
    let line = times.iter().map(|t| -rate * t).collect();
    Ok(Evidence {
        comparisons,
        figure: Some(figure.with("law, −2νm t", Style::Dashed, times, line)),
        sentence: format!(
            "{paths} paths of each loss, {ROWS} rows of {CLASSES} classes, q = {FLIPS}; at t = {time} the law is at \
             {:.2}",
            -rate * time
        ),
    })
}

/// What one descent left: the share of the law that is found once everything else that is expected
/// is taken away, path by path, and the mean slopes.
struct Slopes {
    shares: Vec<f64>,
    measured: f64,
    expected: f64,
    law: f64,
}

fn slopes(
    bench: &Bench,
    task: &Arc<Task>,
    loss: ClassLoss,
    eta: f64,
    batch: Batch,
    stream: u32,
) -> Result<Slopes, Stop> {
    let [first, last] = WINDOW.map(|t| (t / eta).round() as u64);
    let saves: Vec<u64> = (0..=POINTS)
        .map(|i| first + (last - first) * i / POINTS)
        .collect();
    let kind = match batch {
        Batch::All => NOISY_LABELS,
        Batch::One => on_batches(1, Sampling::WithReplacement),
    };
    let own = task.clone();
    let rate = OwnObservable::new("expected rate", move |state| {
        let map = own.problem.basis.transpose() * (state.w1 * state.w2);
        own.expected_rate(loss, eta, batch, &map)
    });
    let paths = bench.trajectories(64, 512, 8192);
    let dynamics = with_flips(dynamics(kind, eta, 0.0), loss, FLIPS);
    let plan = Simulation {
        own: vec![rate],
        ..Simulation::of(dynamics, paths, [vec![0], saves].concat()).stream(stream)
    };
    let run = bench.run(&task.setup(), &plan)?;
    let log_det = run.observable("log_det", 0)?;
    let rates = run.observable(rankfall_core::measure::layout::OWN, 1)?;
    let times = &run.times[1..];
    let span = times[times.len() - 1] - times[0];
    let rows = match batch {
        Batch::All => ROWS as f64,
        Batch::One => 1.0,
    };
    let law = -2.0 * eta * task.power / rows;
    let mut out = Slopes {
        shares: Vec::new(),
        measured: 0.0,
        expected: 0.0,
        law,
    };
    for (path, rate) in log_det.iter().zip(&rates) {
        let measured = (path[path.len() - 1] - path[1]) / span;
        let rate = &rate[1..];
        let trapezoids =
            (1..times.len()).map(|i| 0.5 * (rate[i] + rate[i - 1]) * (times[i] - times[i - 1]));
        let expected = trapezoids.sum::<f64>() / span;
        out.shares.push((measured - (expected - law)) / law);
        out.measured += measured / log_det.len() as f64;
        out.expected += expected / log_det.len() as f64;
    }
    Ok(out)
}

fn descent(bench: &Bench, batch: Batch) -> Result<Evidence, Stop> {
    let task = Arc::new(Task::draw(bench.seed)?);
    let (etas, first) = match batch {
        Batch::All => ([0.1, 0.2, 0.4], 200),
        Batch::One => ([0.025, 0.05, 0.1], 210),
    };
    let (title, caption) = match batch {
        Batch::All => (
            "Flips under full-batch descent",
            "How fast log det M falls (points) at three step sizes, what is expected from gradients and flips \
             (dashed), and the law of the flips alone (line).",
        ),
        Batch::One => (
            "Flips under SGD",
            "How fast log det M falls (points) at three step sizes, what is expected from gradients, rows and flips \
             (dashed), and the law of the flips alone (line).",
        ),
    };
    let mut figure = Picture::new(title, caption, "step size η", "−d log det M/dt");
    let mut comparisons = Vec::new();
    let mut said = Vec::new();
    for (place, (loss, name)) in LOSSES.into_iter().enumerate() {
        let (mut measured, mut expected, mut law) = (Vec::new(), Vec::new(), Vec::new());
        for (i, eta) in etas.into_iter().enumerate() {
            let stream = first + (3 * place + i) as u32;
            let found = slopes(bench, &task, loss, eta, batch, stream)?;
            let share = mean_of(&found.shares)?;
            // log|det(I − η²GᵀG)| to the next order, twice: η⁴|G|⁴, as a share of the law.
            let next = match batch {
                Batch::All => eta * found.expected * found.expected / found.law.abs(),
                Batch::One => 0.0,
            };
            let what = format!("{name}, η = {eta}: share of the flips in the fall, over the law's");
            comparisons.push(Comparison::statistical(what, 1.0, share, MARGIN + next).against(0.0));
            said.push(format!(
                "{name} {eta}: {:.5} ({:.5})",
                found.measured, found.expected
            ));
            measured.push(-found.measured);
            expected.push(-found.expected);
            law.push(-found.law);
        }
        figure = figure
            .with(format!("{name}, law"), Style::Line, etas.to_vec(), law)
            .with(
                format!("{name}, expected"),
                Style::Dashed,
                etas.to_vec(),
                expected,
            )
            .with_intervals(name, etas.to_vec(), measured, vec![0.0; 3]);
    }
    Ok(Evidence {
        comparisons,
        figure: Some(figure),
        sentence: format!("slopes measured (expected): {}", said.join(", ")),
    })
}

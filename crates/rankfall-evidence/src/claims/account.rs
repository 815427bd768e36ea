//! The account of log det M along descents: what the mean of each step takes, and that nothing else
//! is left.
//!
//! **Margins.** The account leaves nothing out, and its claims could be held to any margin that
//! enough trajectories resolve. They are held to [`SHARE`] of the part that the alternative denies.
//! Parts and martingale are summed step by step beside the measured change; the identity is held to
//! rounding.

use rankfall_core::measure::account::AccountGrid;
use rankfall_core::measure::layout::{ACCOUNT_LEFT, ACCOUNT_PARTS};
use rankfall_core::model::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use rankfall_core::model::setup::Setup;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::claims::interpolation::noisy_rows;
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::picture::{Picture, Style};
use crate::scales::{horizon, rounding, stable_step};
use crate::setting::problem_of_rows;
use crate::simulation::{NOISY_LABELS, Paths, Simulation, dynamics, even_saves, started_at};

/// Of the part in question.
const SHARE: f64 = 0.05;

pub const LABEL_NOISE_DESCENT: Claim = Claim {
    suite: Suite::Exact,
    id: "account-label-noise",
    title: "Nothing is missing in the account of label-noise gradient descent",
    statement: "Along label-noise gradient descent, from its first step on, log det M falls by the sum of the means of its \
                steps given the weights: −2η²‖A‖², −2η²(δ/n)k tr S, higher orders. What is left is a martingale.",
    provenance: Provenance::Beyond,
    strength: Strength::ExactIdentity,
    alternative: "label noise takes nothing beside what the gradients take",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(32)?;
            setting.noisy()?;
            setting.full_rank().map(|()| 1)
        },
        measure: label_noise,
    },
};

pub const SGD: Claim = Claim {
    suite: Suite::Exact,
    id: "account-sgd",
    title: "Nothing is missing in the account of SGD",
    statement: "Along SGD on labels that cannot be fitted, with one row and label noise, with several distinct rows, and in \
                epochs, log det M falls by the sum of the means of its steps given what went before. What is left is a \
                martingale.",
    provenance: Provenance::Beyond,
    strength: Strength::ExactIdentity,
    alternative: "the choice of rows takes nothing beside what gradients and label noise take",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(32)?;
            if setting.rows()?.count < 8 {
                return Err("it needs eight rows at least".into());
            }
            setting.full_rank().map(|()| 3)
        },
        measure: sgd,
    },
};

/// A descent whose account is held against what it did.
struct Case<'a> {
    name: &'a str,
    dynamics: Dynamics,
    /// The part that the alternative denies.
    part: &'a str,
    stream: u32,
}

/// Two comparisons: that what is left is nothing on average, and that parts and martingale are the
/// change.
fn compare(
    bench: &Bench,
    setup: &Setup,
    case: &Case<'_>,
) -> Result<([Comparison; 2], Paths), Stop> {
    let setting = bench.setting;
    let steps = (horizon(setting) / case.dynamics.step_size).ceil() as u64;
    let paths = bench.trajectories(16, 48, 256);
    let saves = even_saves(steps, 40);
    let plan = Simulation {
        account: Some(AccountGrid::EveryStep),
        ..Simulation::of(case.dynamics.clone(), paths, saves).stream(case.stream)
    };
    let run = bench.run(setup, &plan)?;
    let at_end = |name: &str| -> Result<Vec<f64>, Stop> {
        let all = run.observable(name, 0)?;
        Ok(all.iter().filter_map(|v| v.last().copied()).collect())
    };
    let log_det = run.observable("log_det", 0)?;
    let ends = log_det.iter().filter_map(|v| Some(v.last()? - v.first()?));
    let mut left: Vec<f64> = ends.collect();
    for part in ACCOUNT_PARTS {
        for (left, part) in left.iter_mut().zip(at_end(part)?) {
            *left -= part;
        }
    }
    let martingale = at_end(ACCOUNT_LEFT)?;
    let apart = left.iter().zip(&martingale).map(|(a, b)| (a - b).abs());
    let largest = apart.fold(0.0, f64::max);
    let part = at_end(case.part)?;
    let taken = part.iter().sum::<f64>() / part.len() as f64;
    let mean = mean_of(&left)?;
    // The measured log det, and as much again for the sums beside it.
    let rounding = 2.0 * rounding(setting.rows_of_theta(), steps);
    let what = format!("change of log det M less its account, {}", case.name);
    let nothing = Comparison::statistical(what, 0.0, mean, SHARE * taken.abs()).against(taken);
    let what = format!("parts and martingale less the change, {}", case.name);
    let whole = Comparison::exact(what, 0.0, largest, rounding)
        .against_range([1e-3 * taken.abs(), f64::INFINITY]);
    Ok(([nothing, whole], run))
}

fn label_noise(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let setup = setting.setup(setting.width, false);
    let per_row = setting.problem.samples as f64 / setting.batch_size as f64;
    let eta = stable_step(setting, setting.width)?;
    let case = Case {
        name: "label-noise gradient descent",
        dynamics: dynamics(NOISY_LABELS, eta, setting.label_noise * per_row),
        part: "account_label_noise",
        stream: 70,
    };
    let (comparisons, run) = compare(bench, &setup, &case)?;
    Ok(Evidence {
        comparisons: comparisons.into(),
        figure: Some(picture(&run, case.name)?),
        sentence: format!("η = {eta:.4}, from the first step on"),
    })
}

fn sgd(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let (p, k) = (setting.inputs(), setting.outputs());
    let rows = setting.rows().map_err(Stop::Unmeasured)?;
    let (problem, _) = problem_of_rows(noisy_rows(setting, rows), p, k)?;
    // Near the start, residuals of single rows are large enough for SGD to diverge where descent
    // does not.
    let weights = bench.after_gradient_flow(
        &setting.setup(setting.width, false),
        0.05 * horizon(setting),
    )?;
    let setup = started_at(&problem, weights, setting.seed);
    let eta = (0.1 / setting.stiffness(setting.width)?).min(setting.step_size);
    let of = |batch_size: u64, sampling, label_noise| {
        let kind = Kind::StochasticGradientDescent {
            batch_size,
            sampling,
            distribution: LabelNoise::Rademacher,
        };
        dynamics(kind, eta, label_noise)
    };
    let several = (rows.count as u64 / 4).min(4);
    let cases = [
        (
            "single rows",
            of(1, Sampling::WithReplacement, setting.label_noise),
        ),
        (
            "distinct rows",
            of(several, Sampling::WithoutReplacement, 0.0),
        ),
        ("epochs", of(several, Sampling::Epochs, 0.0)),
    ];
    let mut comparisons = Vec::new();
    let mut figure = None;
    for (stream, (name, dynamics)) in (71..).zip(cases) {
        let case = Case {
            name,
            dynamics,
            part: "account_rows",
            stream,
        };
        let (made, run) = compare(bench, &setup, &case)?;
        comparisons.extend(made);
        if figure.is_none() {
            figure = Some(picture(&run, name)?);
        }
    }
    Ok(Evidence {
        comparisons,
        figure,
        sentence: format!("η = {eta:.4}; batches of {several} where rows are distinct"),
    })
}

/// Mean of log det M and its account over time.
fn picture(run: &Paths, name: &str) -> Result<Picture, Stop> {
    let log_det = run.mean("log_det", 0)?;
    let measured = log_det.iter().map(|v| v - log_det[0]).collect();
    let mut account = vec![0.0; log_det.len()];
    for part in ACCOUNT_PARTS {
        for (sum, value) in account.iter_mut().zip(run.mean(part, 0)?) {
            *sum += value;
        }
    }
    Ok(Picture::new(
        "The account",
        &format!("Mean of log det M under {name} (line), and its account (dashed)."),
        "time t",
        "log det M(t) − log det M(0)",
    )
    .with("measured", Style::Line, run.times.clone(), measured)
    .with("account", Style::Dashed, run.times.clone(), account))
}

//! What keeps the collapse going: noise in the gradient at the optimum, not label noise as such.

use rankfall_core::model::dynamics::Sampling;
use rankfall_core::model::problem::Rows;
use rankfall_core::random::{Purpose, StreamKey};

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::claims::discrete_step::Moments;
use crate::claims::step_size::{EXCESS, ratio};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::optimum::Optimum;
use crate::picture::{Picture, Style};
use crate::scales::{horizon, largest_square, rounding};
use crate::setting::{Setting, problem_of_rows};
use crate::simulation::{Simulation, dynamics, even_saves, on_batches, sgd, started_at};

pub const STOPS: Claim = Claim {
    suite: Suite::Exact,
    id: "interpolation-stops",
    title: "At interpolation, mini-batch noise alone stops",
    statement: "Without label noise and with labels that can be fitted, SGD lowers log det M by a finite amount \
                and then not at all: the change in a step is quadratic in the batch gradient, which decays \
                geometrically.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "it goes on as with label noise, at the rate 2νk tr S",
    test: Test::Setting {
        comparisons: |setting| {
            setting.rows()?;
            setting.small(64)?;
            setting.full_rank()?;
            if setting.problem.loss_floor > 1e-20 {
                return Err("the labels cannot be fitted exactly".into());
            }
            Ok(0)
        },
        measure: stops,
    },
};

pub const GOES_ON: Claim = Claim {
    suite: Suite::Exact,
    id: "residuals-go-on",
    title: "Residuals in the labels keep it going, linearly",
    statement: "Without any added noise, but with labels that cannot be fitted (residuals r of the optimum), \
                SGD with b = 1 lowers log det M forever at the rate 2η V/(1 − e), up to O(e²), \
                V = mean |x|²|r|², e = η mean|r|²/k · mean|x|²(k|W₁'x|² + |W₂|²|x|²)/(2V).",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "it stops, since no label noise is added",
    test: Test::Setting {
        comparisons: |setting| {
            setting.rows()?;
            setting.small(32)?;
            setting.relaxes()?;
            setting.full_rank().map(|()| 2)
        },
        measure: goes_on,
    },
};

fn stops(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let setup = setting.setup(setting.width, false);
    let weights = bench.after_gradient_flow(&setup, 0.2 * horizon(setting))?;
    let eta = (0.5 / setting.stiffness(setting.width)?).min(setting.step_size);
    let rows_of_a_step = setting.batch_size.min(problem.samples);
    let kind = on_batches(rows_of_a_step, Sampling::WithReplacement);
    let half = (4.0 * horizon(setting) / eta).ceil() as u64;
    let paths = bench.level.pick(8, 32, 256);
    let saves: Vec<u64> = even_saves(2 * half, 100);
    let plan = Simulation::of(dynamics(kind, eta, 0.0), paths, saves).stream(60);
    let run = bench.run(&started_at(problem, weights, setting.seed), &plan)?;
    let (log_det, loss) = (
        run.observable("log_det", 0)?,
        run.observable("excess_loss", 0)?,
    );
    let last = run.times.len() - 1;
    let middle = last / 2;
    let moved = log_det
        .iter()
        .map(|v| (v[last] - v[middle]).abs())
        .fold(0.0, f64::max);
    let left = loss.iter().map(|l| l[middle]).fold(0.0, f64::max);
    // |G|² ≤ |x|²|r|² ≤ max|x|² · 2n · loss in every step that is still to come, and rounding.
    let rows = setting.rows().map_err(Stop::Unmeasured)?;
    let largest = largest_square(rows, problem.inputs);
    let rounding = rounding(setting.rows_of_theta(), half);
    let to_come = 4.0 * eta * eta * largest * 2.0 * rows.count as f64 * left * half as f64;
    let span = run.times[last] - run.times[middle];
    let fall = 2.0 * setting.noise_intensity().max(1e-3) * setting.collapse_rate() * span;
    let what = format!(
        "largest change of log det M between t = {:.1} and {:.1}",
        run.times[middle], run.times[last]
    );
    let comparison = Comparison::exact(what, 0.0, moved, rounding + to_come)
        .against_range([0.05 * fall, f64::INFINITY]);
    let figure = Picture::new(
        "At interpolation it stops",
        "log det M of one path of SGD without label noise (line), and the law with label noise (dashed).",
        "time t",
        "log det M(t) − log det M(0)",
    )
    .with(
        "SGD without label noise",
        Style::Line,
        run.times.clone(),
        log_det[0].iter().map(|v| v - log_det[0][0]).collect(),
    )
    .with(
        "law with label noise",
        Style::Dashed,
        run.times.clone(),
        run.times.iter().map(|t| -fall * t / span).collect(),
    );
    Ok(Evidence {
        comparisons: vec![comparison],
        figure: Some(figure),
        sentence: format!("{paths} paths; the excess loss in the middle is {left:.1e} at most"),
    })
}

/// The setting's rows with N(0, δ) added to every label once and for all, δ = 1 where there is
/// none.
pub(super) fn noisy_rows(setting: &Setting, rows: &Rows) -> Rows {
    let variance = if setting.label_noise > 0.0 {
        setting.label_noise
    } else {
        1.0
    };
    // A stream that no trajectory reads: steps are numbered from 0.
    let mut normals = StreamKey::new(setting.seed, Purpose::Residuals, 1).reader(0, 0);
    Rows {
        y: rows
            .y
            .iter()
            .map(|y| y + variance.sqrt() * normals.normal())
            .collect(),
        ..rows.clone()
    }
}

fn goes_on(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let (p, k) = (setting.inputs(), setting.outputs());
    let rows = setting.rows().map_err(Stop::Unmeasured)?;
    let (problem, own) = problem_of_rows(noisy_rows(setting, rows), p, k)?;
    let moments = Moments::of_rows(&own, p, &problem.optimum, 0.0);
    let optimum = Optimum::new(&problem);
    // Residuals act like label noise of their own variance.
    let variance = 2.0 * problem.loss_floor / k as f64;
    let per_step = variance * optimum.batch_noise(&own) / moments.second;
    let eta = EXCESS / per_step;
    let excess = eta * per_step;
    let predicted = -2.0 * eta * moments.second / (1.0 - excess) - eta.powi(3) * moments.fourth;
    let [slowest, stiffness] = optimum.damping(&problem);
    let relaxed = (8.0 / (slowest * eta)).ceil() as u64;
    let window = bench.level.pick(500, 8000, 40_000);
    let saves = vec![0, relaxed, relaxed + window, relaxed + 2 * window];
    let weights = optimum.weights(&problem, p + k, 1e-3, setting.seed);
    let plan = Simulation::of(sgd(eta, 0.0), bench.trajectories(32, 128, 512), saves).stream(61);
    let run = bench.run(&started_at(&problem, weights, setting.seed), &plan)?;
    let values = run.observable("log_det", 0)?;
    let slope = |from: usize, to: usize| {
        let span = run.times[to] - run.times[from];
        let slopes: Vec<f64> = values.iter().map(|v| (v[to] - v[from]) / span).collect();
        mean_of(&slopes)
    };
    // As for label noise; and the residuals of a finite sample are not quite noise of one variance,
    // which a quarter of the excess allows for.
    let margin = excess * (excess + 0.5 * eta * stiffness + 0.25);
    let what = format!("slope of log det M, η = {eta:.4}");
    let whole = Comparison::statistical(what, predicted, slope(1, 3)?, margin * predicted.abs());
    let what = "slope in the second half over that in the first";
    let steady = Comparison::statistical(what, 1.0, ratio(slope(2, 3)?, slope(1, 2)?), margin);
    let comparisons = vec![whole.against(0.0), steady.against(0.0)];
    let mean =
        |save: usize| values.iter().map(|v| v[save] - v[0]).sum::<f64>() / values.len() as f64;
    let measured = (0..4).map(mean).collect();
    let theory = run.times.iter().map(|t| predicted * t).collect();
    let figure = Picture::new(
        "Residuals keep it going",
        "Mean of log det M under SGD with residuals in the labels and no added noise (line), and the predicted \
         slope (dashed).",
        "time t",
        "log det M(t) − log det M(0)",
    )
    .with("measured", Style::Line, run.times.clone(), measured)
    .with("predicted slope", Style::Dashed, run.times.clone(), theory);
    Ok(Evidence {
        comparisons,
        figure: Some(figure),
        sentence: format!(
            "residual variance {variance:.3}, e = {excess:.3}; the margin is e/4 + e² + eηκ/2"
        ),
    })
}

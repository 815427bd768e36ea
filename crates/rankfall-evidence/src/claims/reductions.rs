//! The exact reductions, and what plain double precision makes of small singular values.

use rankfall_core::model::dynamics::{Kind, Sampling};
use rankfall_core::model::setup::Setup;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop};
use crate::optimum::Optimum;
use crate::picture::{Picture, Style};
use crate::scales::{largest_square, rounding};
use crate::setting::Setting;
use crate::simulation::{Paths, Simulation, dynamics, even_saves, on_batches, sgd, started_at};

pub const EXACT: Claim = Claim {
    suite: Suite::Exact,
    id: "reductions",
    title: "Fewer columns, another basis and fewer numbers than rows change nothing",
    statement: "Every update acts on Θ from the left: with Θ₀ = LQᵀ only L (p + k columns) need be followed, in the \
                eigenbasis of S, and full gradients need only the Gram matrices. Path by path all singular values \
                are those of plain matrices of full width, in the original inputs, with all rows.",
    provenance: Provenance::Beyond,
    strength: Strength::ExactIdentity,
    alternative: "they are equal in law only: as far apart as two paths of one ensemble, or as the start from the end",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(32)?;
            setting.relaxes()?;
            setting.full_rank().map(|()| 0)
        },
        measure: reductions,
    },
};

pub const ROUNDING: Claim = Claim {
    suite: Suite::Exact,
    id: "plain-doubles",
    title: "Plain double precision is wrong, and from when",
    statement: "Plain products of matrices in double precision lose log det M for good once the smallest singular \
                value of Θ is about rounding times the largest, with no warning; graded columns \
                keep it to rounding.",
    provenance: Provenance::Beyond,
    strength: Strength::Qualitative,
    alternative: "plain double precision gives log det M to within 1 at all times",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(16)?;
            setting.relaxes()?;
            setting.noisy()?;
            setting.full_rank().map(|()| 0)
        },
        measure: plain_doubles,
    },
};

/// The largest difference of log σᵢ(Θ) between two runs over trajectories and saves, and between
/// the paths (or, for a single one, the ends) of the first.
fn difference(one: &Paths, other: &Paths, count: usize) -> Result<(f64, f64), Stop> {
    let (mut worst, mut apart) = (0.0_f64, 0.0_f64);
    let last = one.times.len() - 1;
    for save in 0..=last {
        let a = one.spectrum("log_singular_value_theta", count, save)?;
        let b = other.spectrum("log_singular_value_theta", count, save)?;
        for (x, y) in a.iter().flatten().zip(b.iter().flatten()) {
            worst = worst.max((x - y).abs());
        }
    }
    let end = one.spectrum("log_singular_value_theta", count, last)?;
    let rival = match end.get(1) {
        Some(second) => second.clone(),
        None => one.spectrum("log_singular_value_theta", count, 0)?[0].clone(),
    };
    for (x, y) in end[0].iter().zip(&rival) {
        apart = apart.max((x - y).abs());
    }
    Ok((worst, apart))
}

/// Plain doubles round by d operations of relative size ε per step and entry; the smallest of d
/// singular values feels it by the ratio of the largest to it.
fn rounding_of(run: &Paths, count: usize, steps: u64) -> Result<f64, Stop> {
    let mut ratio = 1.0_f64;
    for save in 0..run.times.len() {
        for path in run.spectrum("log_singular_value_theta", count, save)? {
            ratio = ratio.max(libm::exp(path[0] - path[count - 1]));
        }
    }
    Ok(16.0 * (count * count) as f64 * f64::EPSILON * steps as f64 * ratio)
}

fn reductions(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let d = setting.rows_of_theta();
    let steps = bench.level.pick(20, 200, 2000);
    let problem = &setting.problem;
    let optimum = Optimum::new(problem);
    let h = 0.2 / (optimum.damping(problem)[1] * largest_row(setting));
    let saves = even_saves(steps, 4);
    let width = (d + 3).max(40);
    let weights = optimum.weights(problem, width, 0.3, setting.seed);
    let setup = started_at(problem, weights, setting.seed);
    let nu = setting.noise_intensity();
    let mut pairs = vec![(
        format!("stochastic gradient flow, width {width} → {d}"),
        Simulation::flow(nu, h, 2, saves.clone()),
    )];
    if setting.rows().is_ok() {
        let plan = Simulation::of(sgd(h, setting.label_noise), 2, saves.clone());
        pairs.push((format!("SGD, width {width} → {d}"), plan));
    }
    let mut comparisons = Vec::new();
    for (name, plan) in pairs {
        let (reduced, plain) = (
            bench.run(&setup, &plan)?,
            bench.run(&setup, &plan.clone().plain())?,
        );
        let (worst, apart) = difference(&reduced, &plain, d)?;
        let margin = rounding_of(&reduced, d, steps)?;
        let what = format!("largest difference of log σᵢ(Θ), {name}");
        let found = Comparison::exact(what, 0.0, worst, margin);
        comparisons.push(found.against_range([apart, f64::INFINITY]));
    }
    comparisons.extend(rows_against_gram(bench, &setup, h, &saves)?);
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!("{steps} steps with and without the reductions, the same noise"),
    })
}

/// The largest |x|² over λ_max(S): how much stiffer a single row is than all of them; 1 where rows
/// are not known.
fn largest_row(setting: &Setting) -> f64 {
    let Ok(rows) = setting.rows() else { return 1.0 };
    (largest_square(rows, setting.inputs()) / setting.problem.eigenvalues[0]).max(1.0)
}

/// Gradient descent by the Gram matrices, and by passing over all rows in every step.
fn rows_against_gram(
    bench: &Bench,
    setup: &Setup,
    h: f64,
    saves: &[u64],
) -> Result<Option<Comparison>, Stop> {
    let setting = bench.setting;
    let n = setting.problem.samples;
    if setting.rows().is_err() || n > 100_000 {
        return Ok(None);
    }
    let d = setting.rows_of_theta();
    let steps = saves.last().copied().unwrap_or(0);
    let run = |kind| {
        let plan = Simulation::of(dynamics(kind, h, 0.0), 1, saves.to_vec());
        bench.run(setup, &plan)
    };
    let gram = run(Kind::GradientDescent)?;
    let rows = run(on_batches(n, Sampling::Sequential))?;
    let (worst, apart) = difference(&gram, &rows, d)?;
    // A sum over n rows rounds n times as much as one over p.
    let margin = rounding_of(&gram, d, steps)? * n as f64;
    let what = format!("largest difference of log σᵢ(Θ), gradient descent, {n} rows → Gram");
    Ok(Some(
        Comparison::exact(what, 0.0, worst, margin).against_range([apart, f64::INFINITY]),
    ))
}

/// Five times the setting's noise, so that it is soon over; the law holds at any.
fn plain_doubles(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let d = setting.rows_of_theta();
    let optimum = Optimum::new(problem);
    let h = 0.2 / optimum.damping(problem)[1];
    let nu = 5.0 * setting.noise_intensity();
    // The smallest falls at least at the mean rate of all d.
    let time = 60.0 * d as f64 / (nu * setting.collapse_rate());
    let steps = (time / h).ceil() as u64;
    let weights = optimum.weights(problem, setting.width, 0.1, setting.seed);
    let setup = started_at(problem, weights, setting.seed);
    let plan =
        Simulation::flow(nu, h, bench.level.pick(2, 4, 32), even_saves(steps, 400)).stream(80);
    let graded = bench.run(&setup, &plan)?;
    let plain = bench.run(&setup, &plan.clone().plain())?;
    let rate = 2.0 * nu * setting.collapse_rate();
    let error = |run: &Paths| -> Result<Vec<Vec<f64>>, Stop> {
        let paths = run.observable("log_det", 0)?;
        let of = |v: &Vec<f64>| {
            let points = v.iter().zip(&run.times);
            points.map(|(x, t)| (x - v[0] + rate * t).abs()).collect()
        };
        Ok(paths.iter().map(of).collect())
    };
    let (wrong, right) = (error(&plain)?, error(&graded)?);
    let mut comparisons = onsets(&graded, &wrong, d, steps)?;
    let what = "largest |log det M − law|, graded columns";
    let found = Comparison::exact(what, 0.0, graded.misses(rate)?, rounding(d, steps));
    comparisons.push(found.against_range([1.0, f64::INFINITY]));
    let last = plain.times.len() - 1;
    let least = wrong.iter().map(|e| e[last]).fold(f64::INFINITY, f64::min);
    let what = "least |log det M − law| at the end, plain doubles";
    let found = Comparison::exact(what, f64::INFINITY, least, 0.0).within([1.0, f64::INFINITY]);
    comparisons.push(found.against_range([0.0, 1.0]));
    let shown = |e: &Vec<f64>| e.iter().map(|x| x.max(1e-17)).collect::<Vec<f64>>();
    let figure = Picture::new(
        "Plain double precision is wrong",
        "Error of log det M against the law on one path: plain doubles, and graded columns.",
        "time t",
        "|log det M − law|",
    )
    .log(false, true)
    .with(
        "plain doubles",
        Style::Line,
        plain.times.clone(),
        shown(&wrong[0]),
    )
    .with(
        "graded columns",
        Style::Line,
        graded.times.clone(),
        shown(&right[0]),
    )
    .with(
        "error of 1",
        Style::Dashed,
        vec![0.0, plain.times[last]],
        vec![1.0, 1.0],
    );
    Ok(Evidence {
        comparisons,
        figure: Some(figure),
        sentence: format!("{} paths at ν = {nu:.3} up to t = {time:.1}", wrong.len()),
    })
}

/// How often chance may hide the rounding of plain doubles on some path for longer than the margin.
const FALSE_ALARM: f64 = 1e-4;

/// Where on the scale log(σ_min/σ₁) plain doubles are first wrong by 1, earliest and latest path.
///
/// Above: rounding adds up like a random walk over the steps, at most ε · 16d √steps. Below: one
/// rounding of every entry, of root mean square ε/(2√12) of an entry or more, and entries of
/// σ₁/√(dl) or more, seen along a singular vector through l entries, is ε σ₁/(2√(12d)); log σ is
/// off by ½ log(1 + floor²/σ²), which for log det to be off by 1 wants σ below 1.31 floors; and the
/// look may come one save late. But what is seen along the vector is near normal and may happen to
/// be small: where σ is e⁻ᵘ of that, it goes unnoticed with probability ½e⁻ᵘ at most, and on one
/// path of many with the false-alarm rate at u = log(paths/2) − log of the rate.
fn onsets(
    graded: &Paths,
    wrong: &[Vec<f64>],
    d: usize,
    steps: u64,
) -> Result<Vec<Comparison>, Stop> {
    let largest = graded.observable("log_singular_value_theta", 1)?;
    let smallest = graded.observable("log_singular_value_theta", d as u32)?;
    let mut onsets = Vec::new();
    let mut late = 0.0_f64;
    for (path, errors) in wrong.iter().enumerate() {
        if let Some(save) = errors.iter().position(|&e| e > 1.0) {
            let ratio = |save: usize| smallest[path][save] - largest[path][save];
            onsets.push(ratio(save));
            late = late.max(ratio(save.saturating_sub(1)) - ratio(save));
        }
    }
    let unit = libm::log(f64::EPSILON);
    let floor = libm::log(2.0 * (12.0 * d as f64).sqrt() * 1.31);
    let luck = libm::log(0.5 * wrong.len() as f64 / FALSE_ALARM);
    let margin = [
        unit - floor - late - luck,
        unit + libm::log(16.0 * d as f64 * (steps as f64).sqrt()),
    ];
    let of = |name: &str, value: f64| {
        let what = format!("log(σ_min/σ₁) where plain doubles are wrong by 1, {name} path");
        Comparison::exact(what, unit, value, 0.0).within(margin)
    };
    let earliest = onsets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let latest = onsets.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(vec![of("earliest", earliest), of("latest", latest)])
}

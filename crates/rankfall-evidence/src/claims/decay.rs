//! Decay rates of the singular values, and which of them survive.

use std::sync::Arc;

use faer::Mat;
use rankfall_core::measure::rates::Estimate;
use rankfall_core::model::gram::Gram;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::theory::decay_rates;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of, unmeasured};
use crate::optimum::Optimum;
use crate::picture::{Picture, Style};
use crate::scales::{rounding, subscript};
use crate::setting::Setting;
use crate::simulation::{Simulation, started_at};

const STATEMENT: &str = "As ν → 0 the singular values of Θ decay like exp(−r t): with S^{1/2}β = Ũ D Ṽᵀ \
     of rank min(p, k), k ≤ p: r = 0 (k times) and (ν/2) eig(k S + tr(S) ŨŨᵀ); p ≤ k: r = 0 (p times), \
     (ν/2)(tr S + k sᵢ), (ν/2) tr S (k − p times). Together νk tr S, exactly.";
const ALTERNATIVE: &str =
    "all that die do so at one common rate, νk tr(S) over their number; and none survives";

/// A claim about them in the setting, or on a problem of its own.
const fn claim(
    id: &'static str,
    title: &'static str,
    comparisons: fn(&Setting) -> Result<usize, String>,
    measure: fn(&Bench) -> Result<Evidence, Stop>,
) -> Claim {
    Claim {
        suite: Suite::Exact,
        id,
        title,
        statement: STATEMENT,
        provenance: Provenance::Beyond,
        strength: Strength::Asymptotic,
        alternative: ALTERNATIVE,
        test: Test::Setting {
            comparisons,
            measure,
        },
    }
}

pub const SETTING: Claim = claim(
    "decay-rates",
    "Decay rates, their sum, and who survives",
    |setting| {
        setting.small(32)?;
        setting.relaxes()?;
        let problem = &setting.problem;
        closed(problem).map(|c| c.len()).map_err(|e| e.to_string())
    },
    |bench| of_problem(bench, &bench.setting.problem, 50),
);

pub const ANISOTROPIC: Claim = claim(
    "decay-rates-anisotropic",
    "Decay rates with a power-law spectrum, p > k",
    |setting| setting.own_problem().map(|()| 7),
    |bench| of_problem(bench, &drawn(bench.setting, 4, 3)?, 51),
);

pub const ONE_OUTPUT: Claim = claim(
    "decay-rates-one-output",
    "Decay rates with one output",
    |setting| setting.own_problem().map(|()| 5),
    |bench| of_problem(bench, &drawn(bench.setting, 4, 1)?, 52),
);

pub const WIDE: Claim = claim(
    "decay-rates-wide",
    "Decay rates with more outputs than inputs",
    |setting| setting.own_problem().map(|()| 6),
    |bench| of_problem(bench, &drawn(bench.setting, 2, 4)?, 53),
);

pub const DEFICIENT: Claim = Claim {
    statement: "For p = k = 3, S = I and rank β = 1 (r > (p − 2)/2) noise leaves one singular value; the \
                others decay at ν/2, 3ν/2 (twice), 5ν/2 and 3ν: the noise on the complement of β is free, a \
                Brownian motion on SO(2, 2).",
    ..claim(
        "rank-deficient-teacher",
        "A teacher of low rank that does attract",
        |setting| setting.own_problem().map(|()| 6),
        deficient,
    )
};

pub const EXTRA_SURVIVOR: Claim = Claim {
    suite: Suite::Exact,
    id: "extra-survivor",
    title: "A teacher of low rank that leaves a network of higher rank",
    statement: "For p = k = 5, S = I and rank β = 1 the rank does not fall to that of the teacher: noise keeps a \
                second singular value alive, and the others decay as for a teacher of rank 2 \
                (r > (p − 2)/2 is needed to attract).",
    provenance: Provenance::Beyond,
    strength: Strength::Qualitative,
    alternative: "the rank falls to that of the teacher: the second singular value decays as fast as the third",
    test: Test::Setting {
        comparisons: |setting| setting.own_problem().map(|()| 10),
        measure: extra_survivor,
    },
};

/// νt at the first and at the last look.
#[derive(Clone, Copy)]
struct Times {
    first: f64,
    last: f64,
}

/// Rates over ν, largest first.
fn closed(problem: &Problem) -> Result<Vec<f64>, rankfall_core::theory::NoClosedForm> {
    decay_rates(&problem.eigenvalues, &problem.optimum, 1.0)
}

/// 1000 rows of variances 1/i and a teacher of well separated singular values.
pub fn drawn(setting: &Setting, inputs: usize, outputs: usize) -> Result<Arc<Problem>, Stop> {
    let recipe = Synthetic {
        samples: 1000,
        inputs,
        outputs,
        covariance: Covariance::PowerLaw(1.0),
        teacher: Teacher::SingularValues(vec![3.0, 2.5, 2.0][..inputs.min(outputs)].to_vec()),
        residual_noise: 0.0,
    };
    let draw = recipe.draw(setting.seed, 0, false).map_err(unmeasured)?;
    let problem = Problem::new(&draw.gram, None, Some(draw.truth)).map_err(unmeasured)?;
    Ok(Arc::new(problem))
}

/// The largest in size.
fn fastest(rates: &[f64]) -> f64 {
    rates.iter().fold(0.0, |a, r| r.abs().max(a))
}

/// Places whose rates are too close to part by the first look, compared in their mean.
fn groups(closed: &[f64], times: &Times) -> Vec<std::ops::Range<usize>> {
    // Two that differ by g part like exp(−2g νt).
    let together = |a: f64, b: f64| 2.0 * (a - b) * times.first < 8.0;
    let mut out = Vec::new();
    let mut first = 0;
    for place in 1..=closed.len() {
        if place == closed.len() || !together(closed[place - 1], closed[place]) {
            out.push(first..place);
            first = place;
        }
    }
    out
}

/// Slopes of log σᵢ over ν, trajectory by trajectory.
struct Slopes {
    nu: f64,
    of_path: Vec<Vec<f64>>,
    /// Largest deviation of Σ log σᵢ from its law.
    law_error: f64,
    steps: u64,
}

/// Runs the flow from the optimum at noise ν, with steps of 0.2 over the stiffness.
fn slopes(
    bench: &Bench,
    problem: &Arc<Problem>,
    nu: f64,
    times: &Times,
    trajectories: u64,
    stream: u32,
) -> Result<Slopes, Stop> {
    let optimum = Optimum::new(problem);
    let h = 0.2 / optimum.damping(problem)[1];
    let d = problem.inputs + problem.outputs;
    let weights = optimum.weights(problem, d, 0.1, bench.setting.seed);
    let saves: Vec<u64> = [0.0, times.first, times.last]
        .iter()
        .map(|t| (t / nu / h).ceil() as u64)
        .collect();
    let steps = saves[2];
    let setup = started_at(problem, weights, bench.setting.seed);
    let plan = Simulation::flow(nu, h, trajectories, saves).stream(stream);
    let run = bench.run(&setup, &plan)?;
    let (early, late) = (
        run.spectrum("log_singular_value_theta", d, 1)?,
        run.spectrum("log_singular_value_theta", d, 2)?,
    );
    let span = nu * (run.times[2] - run.times[1]);
    let of_path: Vec<Vec<f64>> = early
        .iter()
        .zip(&late)
        .map(|(x, y)| x.iter().zip(y).map(|(x, y)| (y - x) / span).collect())
        .collect();
    let law = -(problem.outputs as f64) * problem.eigenvalues.iter().sum::<f64>();
    let law_error = of_path
        .iter()
        .map(|slopes: &Vec<f64>| (slopes.iter().sum::<f64>() - law).abs() * span)
        .fold(0.0, f64::max);
    Ok(Slopes {
        nu,
        of_path,
        law_error,
        steps,
    })
}

impl Slopes {
    fn mean(&self, places: std::ops::Range<usize>) -> Result<Estimate, Stop> {
        let count = places.len() as f64;
        let means: Vec<f64> = self
            .of_path
            .iter()
            .map(|s| s[places.clone()].iter().sum::<f64>() / count)
            .collect();
        mean_of(&means)
    }
}

/// Σ log σᵢ against its law, to rounding as in the determinant law.
fn sum_comparison(problem: &Problem, slopes: &Slopes) -> Comparison {
    let margin = 0.5 * rounding(problem.inputs + problem.outputs, slopes.steps);
    let law = problem.outputs as f64 * problem.eigenvalues.iter().sum::<f64>();
    Comparison::exact("largest |Σ log σᵢ − law|", 0.0, slopes.law_error, margin)
        .against_range([0.05 * law, f64::INFINITY])
}

fn name(places: &std::ops::Range<usize>) -> String {
    if places.len() == 1 {
        format!("rate of log σ{} over ν", subscript(places.end))
    } else {
        format!(
            "mean rate of log σ{} … σ{} over ν",
            subscript(places.start + 1),
            subscript(places.end)
        )
    }
}

/// ν is chosen so that x = ν · largest rate over slowest damping is a few percent. To first order
/// in ν the rates are the eigenvalues of a symmetric matrix, and the next order perturbs it by
/// about x times its norm: by Weyl's inequality no rate moves by more than x times the largest.
/// That is the margin.
fn of_problem(bench: &Bench, problem: &Arc<Problem>, stream: u32) -> Result<Evidence, Stop> {
    let rates = closed(problem).map_err(unmeasured)?;
    let fastest = fastest(&rates);
    let correction = bench.level.pick(0.1, 0.03, 0.015);
    let [slowest, _] = Optimum::new(problem).damping(problem);
    // In units of the fastest decay.
    let [first, last] = bench.level.pick([20.0, 50.0], [50.0, 150.0], [50.0, 250.0]);
    let times = Times {
        first: first / fastest,
        last: last / fastest,
    };
    let nu = correction * slowest / fastest;
    let trajectories = bench.trajectories(16, 32, 128);
    let slopes = slopes(bench, problem, nu, &times, trajectories, stream)?;
    compare(problem, &rates, &slopes, &times, correction)
}

fn compare(
    problem: &Problem,
    rates: &[f64],
    slopes: &Slopes,
    times: &Times,
    correction: f64,
) -> Result<Evidence, Stop> {
    let dying = rates.iter().filter(|&&r| r < 0.0).count().max(1) as f64;
    let total: f64 = rates.iter().sum();
    let margin = correction * fastest(rates);
    let mut comparisons = Vec::new();
    let mut measured = Vec::new();
    for places in groups(rates, times) {
        let prediction = rates[places.clone()].iter().sum::<f64>() / places.len() as f64;
        let estimate = slopes.mean(places.clone())?;
        let rival = if prediction == 0.0 {
            total / rates.len() as f64
        } else {
            total / dying
        };
        let comparison = Comparison::statistical(name(&places), prediction, estimate, margin);
        let told = (rival - prediction).abs() > 2.0 * margin;
        comparisons.push(comparison.against_if(told, rival));
        measured.push((places, estimate));
    }
    comparisons.push(sum_comparison(problem, slopes));
    Ok(Evidence {
        figure: Some(figure(rates, &measured, slopes.nu)),
        comparisons,
        sentence: format!(
            "{} paths at ν = {:.4}, from νt = {:.1} to {:.1}; the margin is the first correction in ν, {:.1} % of the largest rate",
            slopes.of_path.len(),
            slopes.nu,
            times.first,
            times.last,
            100.0 * correction
        ),
    })
}

fn figure(rates: &[f64], measured: &[(std::ops::Range<usize>, Estimate)], nu: f64) -> Picture {
    let index: Vec<f64> = (1..=rates.len()).map(|i| i as f64).collect();
    let middle = |p: &std::ops::Range<usize>| 0.5 * (p.start + p.end + 1) as f64;
    let x = measured.iter().map(|(p, _)| middle(p)).collect();
    let y = measured.iter().map(|(_, e)| e.value).collect();
    let half = measured
        .iter()
        .map(|(_, e)| 4.0 * e.standard_error)
        .collect();
    Picture::new(
        "Decay rates of the singular values",
        &format!(
            "Rates of log σᵢ(Θ) over ν at ν = {nu:.4}: measured with four standard errors (points; singular values \
             of nearly equal rate in their mean) and the closed form (dashed)."
        ),
        "i, by falling singular value",
        "rate of log σᵢ over ν",
    )
    .with("closed form", Style::Dashed, index, rates.to_vec())
    .with_intervals("measured", x, y, half)
}

/// p = k = `size`, S = I exactly, β of rank `rank` with singular values 2.
fn isotropic(size: usize, rank: usize) -> Result<Arc<Problem>, Stop> {
    let identity = Mat::<f64>::identity(size, size);
    let beta = Mat::from_fn(
        size,
        size,
        |i, j| if i == j && i < rank { 2.0 } else { 0.0 },
    );
    let gram = Gram {
        sxx: identity,
        syy: &beta * &beta,
        sxy: beta,
        n: 1000,
        centred: None,
    };
    Problem::new(&gram, None, None)
        .map(Arc::new)
        .map_err(unmeasured)
}

/// The noise intensity at which x is 3 %, and the slopes there.
fn deficient_slopes(
    bench: &Bench,
    problem: &Arc<Problem>,
    rates: &[f64],
    trajectories: u64,
    stream: u32,
) -> Result<(Slopes, Times), Stop> {
    let [first, last] = bench.level.pick([8.0, 20.0], [20.0, 80.0], [20.0, 120.0]);
    let times = Times { first, last };
    let nu = FREE_CORRECTION * Optimum::new(problem).damping(problem)[0] / fastest(rates);
    let trajectories = bench.trajectories(16, trajectories, 512);
    let slopes = slopes(bench, problem, nu, &times, trajectories, stream)?;
    Ok((slopes, times))
}

/// x where a part of the noise is free.
const FREE_CORRECTION: f64 = 0.03;

fn deficient(bench: &Bench) -> Result<Evidence, Stop> {
    let problem = isotropic(3, 1)?;
    let rates = closed(&problem).map_err(unmeasured)?;
    let (slopes, times) = deficient_slopes(bench, &problem, &rates, 160, 54)?;
    compare(&problem, &rates, &slopes, &times, FREE_CORRECTION)
}

/// The margin is half the gap between survivors and the slowest of those that die.
fn extra_survivor(bench: &Bench) -> Result<Evidence, Stop> {
    let (size, rank) = (5, 1);
    let problem = isotropic(size, rank)?;
    let rates = closed(&*isotropic(size, rank + 1)?).map_err(unmeasured)?;
    let (slopes, times) = deficient_slopes(bench, &problem, &rates, 32, 55)?;
    let slowest = rates
        .iter()
        .copied()
        .filter(|&r| r < 0.0)
        .fold(f64::NEG_INFINITY, f64::max);
    let margin = 0.5 * slowest.abs();
    let mut comparisons = Vec::new();
    let mut measured = Vec::new();
    for places in groups(&rates, &times) {
        // The second singular value is compared alone: it is what this is about.
        let split = if places.start == 0 {
            vec![0..1, 1..places.end]
        } else {
            vec![places]
        };
        for places in split {
            let prediction = rates[places.clone()].iter().sum::<f64>() / places.len() as f64;
            let estimate = slopes.mean(places.clone())?;
            let comparison = Comparison::statistical(name(&places), prediction, estimate, margin);
            comparisons.push(comparison.against_if(places.start == 1, slowest));
            measured.push((places, estimate));
        }
    }
    Ok(Evidence {
        figure: Some(figure(&rates, &measured, slopes.nu)),
        comparisons,
        sentence: format!(
            "{} paths at ν = {:.4} up to νt = {}; the margin is half the gap between survivors and the rest",
            slopes.of_path.len(),
            slopes.nu,
            times.last
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_rates_are_grouped() {
        let times = Times {
            first: 10.0,
            last: 40.0,
        };
        let ranges = groups(&[0.0, 0.0, -0.9, -1.0, -1.1, -3.4], &times);
        assert_eq!(ranges, [0..2, 2..5, 5..6]);
    }
}

//! Label-noise gradient descent tends to the stochastic gradient flow.

use rankfall_core::measure::rates::Estimate;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::one_step::GROUPS;
use crate::optimum::Optimum;
use crate::picture::{Picture, Style};
use crate::scales::horizon;
use crate::simulation::{NOISY_LABELS, Simulation, dynamics, started_at};

pub const LIMIT: Claim = Claim {
    suite: Suite::Exact,
    id: "label-noise-limit",
    title: "Label-noise gradient descent tends to the flow",
    statement: "As η → 0 at fixed ν = ηδ/n, log det M under full-batch label-noise gradient descent tends to the law \
                of the stochastic gradient flow: its mean error is of order η, its spread from path to path of order \
                η^{1/2}.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "it does not tend to it (order 0), or the orders are exchanged",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(32)?;
            setting.relaxes()?;
            setting.noisy()?;
            setting.full_rank().map(|()| 2)
        },
        measure: limit,
    },
};

/// What the descent with one η did.
struct Errors {
    eta: f64,
    /// E (log det M − law).
    mean: Estimate,
    /// Its standard deviation between paths, from groups.
    spread: Estimate,
}

fn errors(bench: &Bench, eta: f64, steps: u64, stream: u32) -> Result<Errors, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let nu = setting.noise_intensity();
    let label_noise = nu * problem.samples as f64 / eta;
    let descent = dynamics(NOISY_LABELS, eta, label_noise);
    let d = setting.rows_of_theta();
    let weights = Optimum::new(problem).weights(problem, d, 1e-2, setting.seed);
    let trajectories = bench.trajectories(512, 32_768, 131_072);
    let plan = Simulation::of(descent, trajectories, vec![0, steps]).stream(stream);
    let run = bench.run(&started_at(problem, weights, setting.seed), &plan)?;
    let law = 2.0 * nu * setting.collapse_rate() * run.times[1];
    let values = run.observable("log_det", 0)?;
    let errors: Vec<f64> = values.iter().map(|v| v[1] - v[0] + law).collect();
    Ok(Errors {
        eta,
        mean: mean_of(&errors)?,
        spread: spread(&errors)?,
    })
}

/// The variance from 64 groups, each about its own mean, and the root of it.
fn spread(values: &[f64]) -> Result<Estimate, Stop> {
    let size = values.len() / GROUPS as usize;
    let variances: Vec<f64> = values
        .chunks_exact(size.max(2))
        .filter_map(|group| {
            let own = Estimate::of_sample(group)?;
            Some(own.standard_error.powi(2) * group.len() as f64)
        })
        .collect();
    let variance = mean_of(&variances)?;
    let root = variance.value.sqrt();
    Ok(Estimate {
        value: root,
        standard_error: variance.standard_error / (2.0 * root),
        degrees: variance.degrees,
    })
}

/// log₂ of x/y to first order in their errors.
fn order(x: Estimate, y: Estimate) -> Estimate {
    let unit = std::f64::consts::LN_2;
    let linear =
        Estimate::combination(&[(1.0 / (x.value * unit), x), (-1.0 / (y.value * unit), y)]);
    Estimate {
        value: libm::log2(x.value / y.value),
        ..linear
    }
}

fn limit(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let stiff = Optimum::new(&setting.problem).damping(&setting.problem)[1];
    let finest = 0.1 / stiff;
    let steps = (2.0 * horizon(setting) / finest).ceil() as u64;
    let of =
        |factor: u64, stream: u32| errors(bench, finest * factor as f64, steps / factor, stream);
    let (coarse, fine) = (of(2, 71)?, of(1, 72)?);
    let widest = of(4, 70)?;
    // The error of a step of Euler's method is off by a share ηκ/2, κ the stiffness: orders from
    // the two finest η by the logarithm of that.
    let margin = libm::log2(1.0 + 0.5 * coarse.eta * stiff);
    let compare = |of: &str, claimed: f64, order: Estimate| {
        Comparison::statistical(
            format!("order of the {of} of log det M"),
            claimed,
            order,
            margin,
        )
    };
    let comparisons = vec![
        compare("mean error", 1.0, order(coarse.mean, fine.mean)).against(0.5),
        compare("spread", 0.5, order(coarse.spread, fine.spread)).against(1.0),
    ];
    let all = [&fine, &coarse, &widest];
    Ok(Evidence {
        figure: Some(figure(&all)),
        comparisons,
        sentence: format!(
            "η = {:.4} and half of it; the margin is log₂(1 + ηκ/2), κ the stiffness",
            coarse.eta
        ),
    })
}

fn figure(all: &[&Errors]) -> Picture {
    let etas: Vec<f64> = all.iter().map(|e| e.eta).collect();
    let of = |f: &dyn Fn(&Errors) -> f64| all.iter().map(|e| f(e)).collect::<Vec<f64>>();
    let means = of(&|e| e.mean.value.abs());
    let spreads = of(&|e| e.spread.value);
    let first = etas.iter().map(|e| means[0] * e / etas[0]).collect();
    let half = etas
        .iter()
        .map(|e| spreads[0] * (e / etas[0]).sqrt())
        .collect();
    Picture::new(
        "Label-noise gradient descent tends to the flow",
        "Mean error of log det M against the law, and its standard deviation between paths, by step size at fixed ν; \
         dashed: order 1 and order 1/2 through the finest.",
        "step size η",
        "error of log det M",
    )
    .log(true, true)
    .with("order 1", Style::Dashed, etas.clone(), first)
    .with("order 1/2", Style::Dashed, etas.clone(), half)
    .with_intervals("mean error", etas.clone(), means, of(&|e| 4.0 * e.mean.standard_error))
    .with_intervals("spread", etas, spreads, of(&|e| 4.0 * e.spread.standard_error))
}

//! The determinant law of the stochastic gradient flow.

use rankfall_core::model::dynamics::Integrator;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop};
use crate::picture::{Picture, Style};
use crate::scales::{horizon, rounding, stable_step, starts, widths};
use crate::simulation::{Simulation, even_saves, flow};

pub const LAW: Claim = Claim {
    suite: Suite::Exact,
    id: "determinant-law",
    title: "Noise lowers the determinant at a fixed rate, on every path alike",
    statement: "Under the stochastic gradient flow with l ≥ p + k and Θ₀ of full row rank, \
                log det M(t) = log det M(0) − 2νk tr(S) t on every path, ν = ηδ/b, S = XᵀX/n: from \
                every start, for every width, with no spread from path to path.",
    provenance: Provenance::Paper,
    strength: Strength::ExactIdentity,
    alternative: "a rate that is 5 % off; a spread as large as that of Euler–Maruyama, \
                  ν √(8 h k tr(S²) t)",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(64)?;
            setting.noisy()?;
            setting.full_rank().map(|()| 0)
        },
        measure: law,
    },
};

fn law(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let nu = setting.noise_intensity();
    let time = horizon(setting);
    let rate = 2.0 * nu * setting.collapse_rate();
    let paths = bench.level.pick(8, 16, 256);
    let mut comparisons = Vec::new();
    let mut figure = Picture::new(
        "The determinant law",
        "log det M of paths from different starts at different widths (lines), less its value at \
         t = 0, and the law (dashed).",
        "time t",
        "log det M(t) − log det M(0)",
    );
    for width in widths(setting) {
        let h = stable_step(setting, width)?;
        let steps = (time / h).ceil() as u64;
        let margin = rounding(setting.rows_of_theta(), steps);
        let count = starts(setting, paths).max(2);
        let each = setting.any_width();
        let mut worst = 0.0_f64;
        for (stream, integrator) in [Integrator::LieEuler, Integrator::LieEulerUnsplit]
            .into_iter()
            .enumerate()
        {
            let dynamics = flow(integrator, nu, h);
            let plan = Simulation::of(dynamics, count, even_saves(steps, 50)).stream(stream as u32);
            let run = bench.run(&setting.setup(width, each), &plan)?;
            worst = worst.max(run.misses(rate)?);
            if stream == 0 {
                let path = &run.observable("log_det", 0)?[0];
                let change = path.iter().map(|v| v - path[0]).collect();
                figure = figure.with(format!("width {width}"), Style::Line, run.times, change);
            }
        }
        let what =
            format!("largest |log det M − law|, width {width}, {count} starts, two integrators");
        let found = Comparison::exact(what, 0.0, worst, margin);
        comparisons.push(found.against_range([0.05 * rate * time, f64::INFINITY]));
    }
    comparisons.push(spread(bench, time)?);
    let times = vec![0.0, time];
    let line = times.iter().map(|t| -rate * t).collect();
    Ok(Evidence {
        comparisons,
        figure: Some(figure.with("law, −2νk tr(S) t", Style::Dashed, times, line)),
        sentence: format!(
            "the law holds to rounding up to t = {time:.3}, where it is at {:.3}",
            -rate * time
        ),
    })
}

/// max − min of log det M over paths from one start.
fn spread(bench: &Bench, time: f64) -> Result<Comparison, Stop> {
    let setting = bench.setting;
    let h = stable_step(setting, setting.width)?;
    let steps = (time / h).ceil() as u64;
    let margin = rounding(setting.rows_of_theta(), steps);
    let nu = setting.noise_intensity();
    let plan = Simulation::flow(nu, h, bench.level.pick(8, 16, 256), vec![0, steps]).stream(2);
    let run = bench.run(&setting.setup(setting.width, false), &plan)?;
    let ends: Vec<f64> = run.observable("log_det", 0)?.iter().map(|v| v[1]).collect();
    let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let squares: f64 = setting.problem.eigenvalues.iter().map(|s| s * s).sum();
    let rough = nu * (8.0 * h * setting.outputs() as f64 * squares * time).sqrt();
    let what = format!(
        "spread of log det M over {} paths from one start",
        ends.len()
    );
    Ok(
        Comparison::exact(what, 0.0, high - low, 2.0 * margin)
            .against_range([rough, f64::INFINITY]),
    )
}

//! Repulsion is what kills the small eigenvalues: the same noise with and without it.

use rankfall_core::measure::rates::Estimate;
use rankfall_core::model::dynamics::{ForceScales, Kind};

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop};
use crate::optimum::Optimum;
use crate::picture::{Picture, Style};
use crate::scales::subscript;
use crate::simulation::{Paths, Simulation, even_saves, started_at};

pub const KILLS: Claim = Claim {
    suite: Suite::Exact,
    id: "repulsion",
    title: "Repulsion is what kills the small eigenvalues",
    statement: "With the same noise but without the repulsion Σ 4 qᵢⱼ λⱼ/(λᵢ − λⱼ) in d log λᵢ the smallest eigenvalue \
                of M does not fall: E log λ_d does not decrease. With it, it falls.",
    provenance: Provenance::Paper,
    strength: Strength::Qualitative,
    alternative: "without repulsion the smallest eigenvalue falls as it does with it",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(16)?;
            setting.relaxes()?;
            if setting.noise_intensity() == 0.0 {
                return Err("there is no label noise".into());
            }
            setting.full_rank().map(|()| 2)
        },
        measure: kills,
    },
};

fn kills(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let problem = &setting.problem;
    let d = setting.rows_of_theta();
    let nu = setting.noise_intensity();
    let optimum = Optimum::new(problem);
    let h = 0.1 / optimum.damping(problem)[1];
    // As long as the mean of log λ takes to fall by two.
    let time = d as f64 / (nu * setting.collapse_rate());
    let steps = (time / h).ceil() as u64;
    let weights = optimum.weights(problem, d, 0.3, setting.seed);
    let setup = started_at(problem, weights, setting.seed);
    let with = Simulation::flow(
        nu,
        h,
        bench.trajectories(32, 512, 4096),
        even_saves(steps, 40),
    )
    .stream(95);
    let mut without = with.clone();
    if let Kind::StochasticGradientFlow { forces, .. } = &mut without.dynamics.kind {
        *forces = ForceScales {
            repulsion: 0.0,
            ..ForceScales::default()
        };
    }
    let (with, without) = (bench.run(&setup, &with)?, bench.run(&setup, &without)?);
    let (falls, stays) = (change(&with, d)?, change(&without, d)?);
    let comparisons = vec![
        Comparison::statistical(
            "change of E log λ_d with repulsion",
            f64::NEG_INFINITY,
            falls,
            0.0,
        )
        .within([f64::NEG_INFINITY, 0.0]),
        Comparison::statistical(
            "change of E log λ_d without repulsion",
            f64::INFINITY,
            stays,
            0.0,
        )
        .within([0.0, f64::INFINITY])
        .against(falls.value),
    ];
    Ok(Evidence {
        comparisons,
        figure: Some(figure(&with, &without, d)?),
        sentence: format!(
            "the same Brownian paths up to t = {time:.1}, with and without repulsion"
        ),
    })
}

/// Of log λ_d over the run.
fn change(run: &Paths, d: usize) -> Result<Estimate, Stop> {
    let last = run.times.len() - 1;
    let values = run.observable("log_eigenvalue_m", d as u32)?;
    let changes: Vec<f64> = values.iter().map(|v| v[last] - v[0]).collect();
    Estimate::of_sample(&changes).ok_or_else(|| Stop::Unmeasured("too few trajectories".into()))
}

fn figure(with: &Paths, without: &Paths, d: usize) -> Result<Picture, Stop> {
    let mut figure = Picture::new(
        "With and without repulsion",
        "Mean of log λᵢ over trajectories that share their noise: with repulsion (lines), without it (dashed).",
        "time t",
        "E log λᵢ",
    );
    let shown = [1, d / 2 + 1, d];
    let names = shown.map(|i| format!("λ{}", subscript(i)));
    for (place, &index) in shown.iter().enumerate() {
        let label = format!("{} with repulsion", names[place]);
        figure = figure.with(label, Style::Line, with.times.clone(), mean(with, index)?);
    }
    for &index in &shown {
        let label = format!("{} without it", names.join(", "));
        figure = figure.with(
            label,
            Style::Dashed,
            without.times.clone(),
            mean(without, index)?,
        );
    }
    Ok(figure)
}

/// E log λᵢ over the trajectories, at every save.
fn mean(run: &Paths, index: usize) -> Result<Vec<f64>, Stop> {
    let values = run.observable("log_eigenvalue_m", index as u32)?;
    let at = |save: usize| values.iter().map(|v| v[save]).sum::<f64>() / values.len() as f64;
    Ok((0..run.times.len()).map(at).collect())
}

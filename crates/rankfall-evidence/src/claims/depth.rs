//! Adjacent stacks: what is left of the determinant law in depth three.

use rankfall_core::deep::gradient_flow::gradient_flow;
use rankfall_core::deep::network::DeepNetwork;
use rankfall_core::deep::shared_paths::{SharedPaths, StackChange};
use rankfall_core::deep::stack;
use rankfall_core::measure::rates::Estimate;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::claims::orders::jackknife;
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of, unmeasured};
use crate::picture::{Picture, Style};
use crate::scales::horizon;
use crate::setting::Setting;

pub const STACKS: Claim = Claim {
    suite: Suite::Exact,
    id: "adjacent-stacks",
    title: "Depth three: the determinant of adjacent layers",
    statement: "In a linear network of three layers, Θ₁ = [W₁; W₂ᵀ] with m₁ ≥ p + m₂ obeys \
                d log det(Θ₁Θ₁ᵀ) = −2ν tr(S) |W₃|² dt: constant under gradient flow, and under the stochastic \
                gradient flow falling on every path, without a martingale part, at a rate that depends on the state.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "noise leaves a martingale part: paths stay apart from their law, however small the step",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(12)?;
            setting.noisy().map(|()| 2)
        },
        measure: stacks,
    },
};

/// Half-way to orders 0 and 1.
const ORDER_MARGIN: f64 = 0.25;

/// p → p + 3 → 3 → k: the first stack meets the width condition, the second does not.
fn network(setting: &Setting, trajectory: u64) -> Result<DeepNetwork, Stop> {
    let (p, k) = (setting.inputs(), setting.outputs());
    DeepNetwork::gaussian(&[p, p + 3, 3, k], 0.5, setting.seed, trajectory).map_err(unmeasured)
}

fn stacks(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let mut comparisons = vec![under_gradient_flow(setting)?];
    let duration = 0.02 * horizon(setting);
    let finest = bench.level.pick(64, 128, 2048);
    let study = SharedPaths {
        noise_intensity: 5.0 * setting.noise_intensity(),
        duration,
        finest_steps: finest,
        levels: vec![2, 1, 0],
        paths: bench.trajectories(256, 2048, 8192),
        seed: setting.seed,
        stream: bench.stream(90),
    };
    let starts = vec![network(setting, 0)?];
    bench.check()?;
    let levels = study
        .run(&setting.problem, &starts, bench.threads)
        .map_err(unmeasured)?;
    bench.check()?;
    let mut all = Vec::new();
    for level in &levels {
        let changes: Option<Vec<StackChange>> = level
            .paths
            .iter()
            .map(|path| path.as_ref().and_then(|p| p.stacks.first().copied()))
            .collect();
        let changes = changes.ok_or_else(|| unmeasured("a path diverged"))?;
        all.push((level.time_step, changes));
    }
    let [coarse, middle, fine] = all.as_slice() else {
        return Err(unmeasured("three step sizes are needed"));
    };
    comparisons.push(identity(setting, &fine.1, finest));
    comparisons.push(never_rises(&fine.1));
    let order = jackknife(&squares(&middle.1), &squares(&fine.1))?;
    let what = "order of the spread of log det − law";
    comparisons.push(Comparison::statistical(what, 0.5, order, ORDER_MARGIN).against(0.0));
    comparisons.push(extrapolated(&[middle, fine])?);
    let figure = figure(&[coarse, middle, fine])?;
    Ok(Evidence {
        comparisons,
        figure: Some(figure),
        sentence: format!(
            "{} paths up to t = {duration:.2} with {finest} steps and fewer, on shared Brownian paths",
            fine.1.len()
        ),
    })
}

/// Tolerance 10⁻¹³ of all weights in each of at most so many steps, times the condition of the
/// stack.
fn under_gradient_flow(setting: &Setting) -> Result<Comparison, Stop> {
    let mut net = network(setting, 0)?;
    let before = stack::read(&net, 1);
    let time = horizon(setting);
    gradient_flow(&mut net, &setting.problem, time).map_err(unmeasured)?;
    let after = stack::read(&net, 1);
    let condition = 1.0 / before.smallest_ratio.min(after.smallest_ratio);
    let rows = (setting.inputs() + 3) as f64;
    let margin = 2.0 * rows * 1e-13 * 10_000.0 * condition;
    let what = "change of log det(Θ₁Θ₁ᵀ) under gradient flow";
    let moved = (after.log_det - before.log_det).abs();
    let fall = 2.0 * setting.noise_intensity() * setting.problem.trace() * time;
    Ok(Comparison::exact(what, 0.0, moved, margin).against_range([fall, f64::INFINITY]))
}

/// Each Euler step changes log det by 2 log|det(I − gᵀg)| exactly.
fn identity(setting: &Setting, changes: &[StackChange], steps: u64) -> Comparison {
    let errors = changes.iter().map(|c| (c.log_det - c.discrete_law).abs());
    let worst = errors.fold(0.0, f64::max);
    let least = changes
        .iter()
        .map(|c| c.smallest_ratio)
        .fold(f64::INFINITY, f64::min);
    let rows = (setting.inputs() + 3) as f64;
    let margin = 16.0 * rows * rows * f64::EPSILON * steps as f64 / least;
    let typical = changes
        .iter()
        .map(|c| c.log_det.abs())
        .fold(f64::INFINITY, f64::min);
    let what = "largest error of the identity of Euler steps";
    Comparison::exact(what, 0.0, worst, margin).against_range([typical, f64::INFINITY])
}

/// The largest change over all paths is below zero.
fn never_rises(changes: &[StackChange]) -> Comparison {
    let highest = changes
        .iter()
        .map(|c| c.log_det)
        .fold(f64::NEG_INFINITY, f64::max);
    let mean = changes.iter().map(|c| c.law).sum::<f64>() / changes.len() as f64;
    let what = "largest change of log det(Θ₁Θ₁ᵀ) over all paths";
    Comparison::exact(what, mean, highest, 0.0)
        .within([f64::NEG_INFINITY, 0.0])
        .against_range([0.0, f64::INFINITY])
}

/// (log det − law − its mean)², path by path.
fn squares(changes: &[StackChange]) -> Vec<f64> {
    let mean = changes.iter().map(StackChange::difference).sum::<f64>() / changes.len() as f64;
    changes
        .iter()
        .map(|c| (c.difference() - mean).powi(2))
        .collect()
}

/// √ mean (log det − law)², from groups.
fn rms(changes: &[StackChange]) -> Result<Estimate, Stop> {
    let size = (changes.len() / 32).max(1);
    let squares: Vec<f64> = changes
        .chunks(size)
        .map(|g| g.iter().map(|c| c.difference().powi(2)).sum::<f64>() / g.len() as f64)
        .collect();
    let mean = mean_of(&squares)?;
    let root = mean.value.sqrt();
    Ok(Estimate {
        value: root,
        standard_error: mean.standard_error / (2.0 * root),
        degrees: mean.degrees,
    })
}

/// 2 E(h/2) − E(h) of the difference: what is left at h = 0, a hundredth of the law at most, which
/// the second order of the step leaves.
fn extrapolated(levels: &[&(f64, Vec<StackChange>); 2]) -> Result<Comparison, Stop> {
    let pairs = levels[0].1.iter().zip(&levels[1].1);
    let values: Vec<f64> = pairs
        .map(|(c, f)| 2.0 * f.difference() - c.difference())
        .collect();
    let estimate = mean_of(&values)?;
    let law = levels[1].1.iter().map(|c| c.law).sum::<f64>() / values.len() as f64;
    let what = "mean of log det − law, extrapolated to h = 0";
    Ok(Comparison::statistical(what, 0.0, estimate, 0.02 * law.abs()).against(law))
}

fn figure(levels: &[&(f64, Vec<StackChange>)]) -> Result<Picture, Stop> {
    let mut errors = Vec::new();
    for level in levels {
        errors.push(rms(&level.1)?);
    }
    let steps: Vec<f64> = levels.iter().map(|l| l.0).collect();
    let last = levels.len() - 1;
    let line = steps
        .iter()
        .map(|h| errors[last].value * (h / steps[last]).sqrt())
        .collect();
    let figure = Picture::new(
        "The law of adjacent stacks in depth three",
        "Root mean square of log det(Θ₁Θ₁ᵀ) less its law along each path, by step of Euler–Maruyama (points, four \
         standard errors); dashed: order 1/2.",
        "step h",
        "rms of log det − law",
    );
    Ok(figure
        .log(true, true)
        .with("order 1/2", Style::Dashed, steps.clone(), line)
        .with_intervals(
            "measured",
            steps,
            errors.iter().map(|e| e.value).collect(),
            errors.iter().map(|e| 4.0 * e.standard_error).collect(),
        ))
}

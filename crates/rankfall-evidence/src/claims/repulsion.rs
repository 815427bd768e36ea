//! What repulsion does to the small eigenvalues, in both splits of the forces: the same noise with
//! all forces, without the repulsion of the regular split, and without that of the antisymmetric
//! one.

use rankfall_core::model::dynamics::{Dynamics, ForceScales, ForceSplit, Kind};
use rankfall_core::simd::lanes::{BLOCK, Lanes};
use rankfall_core::step::inspector::StepInspector;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::claims::eigenvalues::{Local, RESOLUTION, applies};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop, mean_of};
use crate::one_step::estimate;
use crate::optimum::Optimum;
use crate::picture::{Picture, Style};
use crate::scales::{rounding, subscript};
use crate::simulation::{Paths, Simulation, even_saves, started_at};

pub const KILLS: Claim = Claim {
    suite: Suite::Exact,
    id: "repulsion",
    title: "Repulsion is what takes the smallest eigenvalue down in one split, and not in the other",
    statement: "The same noise, three times. With all forces the smallest eigenvalue of M falls. Without the repulsion \
                Σ 4 qᵢⱼ λⱼ/(λᵢ − λⱼ) of the regular split, beside which noise makes all grow, E log λ_d does not decrease. \
                Without the repulsion Σ 2 qᵢⱼ (λᵢ + λⱼ)/(λᵢ − λⱼ) of the antisymmetric split, beside which noise makes all \
                decay, it still falls, and log det M falls as the law says, on every path.",
    provenance: Provenance::Beyond,
    strength: Strength::Qualitative,
    alternative: "without the regular repulsion the smallest eigenvalue falls as it does with it; without the \
                  antisymmetric one it stays as it does without the regular one, and log det M misses the law by 5 %",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(16)?;
            setting.relaxes()?;
            setting.noisy()?;
            setting.full_rank().map(|()| 3)
        },
        measure: both_splits,
    },
};

pub const LEFT_OUT: Claim = Claim {
    suite: Suite::Exact,
    id: "repulsion-left-out",
    title: "What a step without repulsion leaves out, in both splits",
    statement: "A short step of length h without repulsion leaves h Σ 4 qᵢⱼ λⱼ/(λᵢ − λⱼ) of the change of log λᵢ out in the \
                regular split, and h Σ 2 qᵢⱼ (λᵢ + λⱼ)/(λᵢ − λⱼ) in the antisymmetric one, of the largest λ as of the \
                smallest, by the same noise.",
    provenance: Provenance::Beyond,
    strength: Strength::Asymptotic,
    alternative: "it leaves nothing out",
    test: Test::Setting {
        comparisons: |setting| applies(setting).map(|_| 4),
        measure: steps_without_it,
    },
};

fn steps_without_it(bench: &Bench) -> Result<Evidence, Stop> {
    let local = Local::new(bench)?;
    let mut comparisons = left_out(bench, &local, ForceSplit::Regular)?;
    comparisons.extend(left_out(bench, &local, ForceSplit::Antisymmetric)?);
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!(
            "steps of length {:.1e} from one state with repulsion and without it; the margin is 3 % of what is left out",
            local.length
        ),
    })
}

fn both_splits(bench: &Bench) -> Result<Evidence, Stop> {
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
    let without = |split: ForceSplit| {
        let mut plan = with.clone();
        plan.dynamics = without_repulsion(&plan.dynamics, split);
        bench.run(&setup, &plan)
    };
    let all = bench.run(&setup, &with)?;
    let regular = without(ForceSplit::Regular)?;
    let antisymmetric = without(ForceSplit::Antisymmetric)?;
    let falls = mean_of(&changes(&all, d)?)?;
    let stays = mean_of(&changes(&regular, d)?)?;
    let rate = 2.0 * nu * setting.collapse_rate();
    let still_falls = mean_of(&changes(&antisymmetric, d)?)?;
    let change = |of: &str, estimate, [low, high]: [f64; 2]| {
        // Where it is claimed to be without bound.
        let end = if low == 0.0 { high } else { low };
        let what = format!("change of E log λ_d {of}");
        Comparison::statistical(what, end, estimate, 0.0).within([low, high])
    };
    let (below, above) = ([f64::NEG_INFINITY, 0.0], [0.0, f64::INFINITY]);
    let what = "largest |log det M − law| without the antisymmetric repulsion";
    let margin = rounding(d, steps) + rotations(d, steps);
    let comparisons = vec![
        change("with all forces", falls, below),
        change("without the regular repulsion", stays, above).against(falls.value),
        Comparison::exact(what, 0.0, antisymmetric.misses(rate)?, margin)
            .against_range([0.05 * rate * time, f64::INFINITY]),
        change("without the antisymmetric repulsion", still_falls, below).against(stays.value),
    ];
    Ok(Evidence {
        comparisons,
        figure: Some(figure(&all, &regular, &antisymmetric, d)?),
        sentence: format!(
            "the same Brownian paths up to t = {time:.1}, with all forces and without either repulsion"
        ),
    })
}

fn without_repulsion(dynamics: &Dynamics, split: ForceSplit) -> Dynamics {
    let mut out = dynamics.clone();
    if let Kind::StochasticGradientFlow { forces, .. } = &mut out.kind {
        *forces = ForceScales {
            split,
            repulsion: 0.0,
            ..ForceScales::default()
        };
    }
    out
}

/// Of the largest and of the smallest log λ, by the same noise with repulsion and without it.
fn left_out(bench: &Bench, local: &Local, split: ForceSplit) -> Result<Vec<Comparison>, Stop> {
    let setting = bench.setting;
    let d = local.before.len();
    let trajectories = bench.trajectories(512, 4096, 65_536);
    let means = |dynamics: &Dynamics| {
        let measure = |walk: &StepInspector, out: &mut [Lanes<BLOCK>]| {
            out.copy_from_slice(&local.change(walk));
        };
        let draw = local.draw(setting, dynamics, 96, trajectories);
        draw.group_means(bench, d, &measure)
    };
    let all = local.dynamics(setting);
    let (with, without) = (means(&all)?, means(&without_repulsion(&all, split))?);
    let less = |(x, y): (&Vec<f64>, &Vec<f64>)| x.iter().zip(y).map(|(x, y)| x - y).collect();
    let missing: Vec<Vec<f64>> = with.iter().zip(&without).map(less).collect();
    let mut comparisons = Vec::new();
    for i in [0, d - 1] {
        let repulsion = repulsion(bench, local, split, i);
        let estimate = estimate(&missing, i, 1.0 / local.length)?;
        let what = format!(
            "{} repulsion of log λ{}, as left out",
            split.name(),
            subscript(i + 1)
        );
        let margin = RESOLUTION * repulsion.abs();
        comparisons.push(Comparison::statistical(what, repulsion, estimate, margin).against(0.0));
    }
    Ok(comparisons)
}

/// The sum over j of what is claimed to be the repulsion of λᵢ, from the eigenvectors alone.
fn repulsion(bench: &Bench, local: &Local, split: ForceSplit, i: usize) -> f64 {
    let problem = &bench.setting.problem;
    let p = problem.inputs;
    let inputs = |i: usize, j: usize| -> f64 {
        let (a, b) = (&local.vectors[i], &local.vectors[j]);
        (0..p).map(|r| a[r] * problem.eigenvalues[r] * b[r]).sum()
    };
    let outputs = |i: usize, j: usize| -> f64 {
        let (a, b) = (&local.vectors[i][p..], &local.vectors[j][p..]);
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    };
    let of_pair = |j: usize| {
        let q = inputs(i, i) * outputs(j, j)
            + inputs(j, j) * outputs(i, i)
            + 2.0 * inputs(i, j) * outputs(i, j);
        let (own, other) = (local.before[i].exp(), local.before[j].exp());
        let numerator = match split {
            ForceSplit::Regular => 4.0 * other,
            ForceSplit::Antisymmetric => 2.0 * (own + other),
        };
        q * numerator / (own - other)
    };
    let others = (0..local.before.len()).filter(|&j| j != i);
    bench.setting.noise_intensity() * others.map(of_pair).sum::<f64>()
}

/// Scaling a force takes orthogonal columns: in every step two sweeps of d²/2 rotations at most,
/// each with six rounded operations on either of its columns.
fn rotations(d: usize, steps: u64) -> f64 {
    12.0 * (d * d) as f64 * f64::EPSILON * steps as f64
}

/// Of log λ_d over the run, path by path.
fn changes(run: &Paths, d: usize) -> Result<Vec<f64>, Stop> {
    let last = run.times.len() - 1;
    let values = run.observable("log_eigenvalue_m", d as u32)?;
    Ok(values.iter().map(|v| v[last] - v[0]).collect())
}

fn figure(all: &Paths, regular: &Paths, antisymmetric: &Paths, d: usize) -> Result<Picture, Stop> {
    let mut figure = Picture::new(
        "With and without repulsion, in two splits",
        "Mean of log λᵢ over trajectories that share their noise: with all forces (lines), without the repulsion of the \
         regular split (dashed), without that of the antisymmetric split (dots).",
        "time t",
        "E log λᵢ",
    );
    // E log λᵢ over the trajectories, at every save.
    let mean = |run: &Paths, index: usize| run.mean("log_eigenvalue_m", index as u32);
    let shown = [1, d / 2 + 1, d];
    let names = shown.map(|i| format!("λ{}", subscript(i)));
    for (place, &index) in shown.iter().enumerate() {
        let label = format!("{}, all forces", names[place]);
        figure = figure.with(label, Style::Line, all.times.clone(), mean(all, index)?);
    }
    let without = [
        (regular, "regular", Style::Dashed),
        (antisymmetric, "antisymmetric", Style::Points),
    ];
    for (run, split, style) in without {
        for &index in &shown {
            let label = format!("{}, {split} repulsion off", names.join(", "));
            figure = figure.with(label, style, run.times.clone(), mean(run, index)?);
        }
    }
    Ok(figure)
}

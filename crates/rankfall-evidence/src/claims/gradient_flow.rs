//! Gradient flow keeps log det M and the rank.

use rankfall_core::model::dynamics::{Dynamics, Kind};
use rankfall_core::model::network::Initialisation;

use crate::bench::Bench;
use crate::claim::{Claim, Provenance, Strength, Suite, Test};
use crate::decision::Comparison;
use crate::evidence::{Evidence, Stop};
use crate::picture::{Picture, Style};
use crate::scales::{horizon, starts, subscript, widths};
use crate::setting::Setting;
use crate::simulation::{Simulation, dynamics, even_saves};

/// Error of the integrator in one step, relative to each column of Θ.
const STEP_ERROR: f64 = 1e-13;
/// The longest step that meets it, times the stiffness: an integrator of order eight leaves
/// (step · stiffness)⁹/9! at least.
const LONGEST_STEP: f64 = 0.15;
/// The largest condition number of columns that are left as they are, each scaled to length one.
const CONDITION: f64 = 12.0;

pub const DETERMINANT: Claim = Claim {
    suite: Suite::Exact,
    id: "gradient-flow-determinant",
    title: "Gradient flow keeps the determinant",
    statement: "Under gradient flow, log det M(t) = log det M(0) for M = ΘΘᵀ, Θ = [W₁; W₂ᵀ], at \
                every time, from every start of full row rank.",
    provenance: Provenance::Paper,
    strength: Strength::ExactIdentity,
    alternative: "the determinant falls without noise too, as fast as with it: by 2νk tr(S) t \
                  (with ν at δ = 1 where the setting has no label noise)",
    test: Test::Setting {
        comparisons: |setting| {
            setting.small(64)?;
            setting.full_rank().map(|()| 0)
        },
        measure: determinant,
    },
};

pub const RANK: Claim = Claim {
    suite: Suite::Exact,
    id: "gradient-flow-rank",
    title: "Gradient flow keeps the rank",
    statement: "Under gradient flow the rank of Θ never changes in finite time: no singular value \
                falls or rises by more than |log σᵢ(t) − log σᵢ(0)| ≤ ∫‖A‖ds, A = S_xy − S W₁W₂, \
                and those that are zero stay zero.",
    provenance: Provenance::Paper,
    strength: Strength::Qualitative,
    alternative: "gradient flow changes the rank",
    test: Test::Setting {
        comparisons: |setting| setting.small(64).map(|()| 0),
        measure: rank,
    },
};

fn flow(time: f64) -> Dynamics {
    dynamics(Kind::GradientFlow, time, 0.0)
}

/// So many adaptive steps are taken at most up to `time`: the stiffness at the start is not
/// exceeded by much later, so twice it is allowed.
fn most_steps(setting: &Setting, width: usize, time: f64, saves: u64) -> Result<f64, Stop> {
    Ok(saves as f64 + time * 2.0 * setting.stiffness(width)? / LONGEST_STEP)
}

/// Each step is right to `STEP_ERROR` in each of d columns; log det = 2 log|det Θ| moves by the sum
/// of relative errors times the condition of the columns.
fn rounding(setting: &Setting, width: usize, time: f64, saves: u64) -> Result<f64, Stop> {
    let d = setting.rows_of_theta() as f64;
    Ok(2.0 * d * CONDITION * STEP_ERROR * most_steps(setting, width, time, saves)?)
}

/// ν of the alternative: the setting's, or that of δ = 1 where it has none, so that there is always
/// something to be told apart.
fn alternative_noise(setting: &Setting) -> f64 {
    if setting.label_noise > 0.0 {
        setting.noise_intensity()
    } else {
        setting.step_size / setting.batch_size as f64
    }
}

fn determinant(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let time = horizon(setting);
    let saves = 20;
    let fall = 2.0 * alternative_noise(setting) * setting.collapse_rate() * time;
    let mut comparisons = Vec::new();
    let mut figure = Picture::new(
        "Gradient flow keeps log det M",
        "Largest change of log det M over all starts (line), and what label noise would have made of \
         it (dashed).",
        "time t",
        "|log det M(t) − log det M(0)|",
    )
    .log(false, true);
    for width in widths(setting) {
        let margin = rounding(setting, width, time, saves)?;
        let count = starts(setting, bench.level.pick(2, 8, 64));
        let plan = Simulation::of(flow(time / saves as f64), count, (0..=saves).collect());
        let run = bench.run(&setting.setup(width, count > 1), &plan)?;
        let values = run.observable("log_det", 0)?;
        let change: Vec<f64> = (0..run.times.len())
            .map(|save| {
                let moved = values.iter().map(|v| (v[save] - v[0]).abs());
                moved.fold(0.0, f64::max)
            })
            .collect();
        let worst = change.iter().copied().fold(0.0, f64::max);
        let what = format!("largest change of log det M, width {width}, {count} start(s)");
        let found = Comparison::exact(what, 0.0, worst, margin);
        comparisons.push(found.against_range([fall, f64::INFINITY]));
        // Zero has no place on a logarithmic axis; below rounding nothing is to be seen.
        let shown = change.iter().map(|c| c.max(1e-17)).collect();
        figure = figure.with(format!("width {width}"), Style::Line, run.times, shown);
    }
    let times: Vec<f64> = even_saves(saves, saves)
        .iter()
        .map(|&s| s as f64 * time / saves as f64)
        .collect();
    let noise = times.iter().map(|t| fall * t / time).collect();
    Ok(Evidence {
        comparisons,
        figure: Some(figure.with("with label noise, 2νk tr(S) t", Style::Dashed, times, noise)),
        sentence: format!("log det M stays to rounding up to t = {time:.3}"),
    })
}

fn rank(bench: &Bench) -> Result<Evidence, Stop> {
    let setting = bench.setting;
    let time = horizon(setting);
    let full = full_start(bench, time)?;
    let mut comparisons = vec![full];
    if setting.any_width() {
        comparisons.push(deficient_start(bench, time)?);
    }
    Ok(Evidence {
        comparisons,
        figure: None,
        sentence: format!(
            "up to t = {time:.3} every singular value stays within the bound, and those at rounding stay there"
        ),
    })
}

/// An upper bound of ∫‖A‖ for each trajectory: ‖A‖ ≤ √λ_max(S) √(2 excess loss), which falls, so
/// that the value at the left end of each interval bounds it.
fn bounds(setting: &Setting, times: &[f64], losses: &[Vec<f64>]) -> Vec<f64> {
    let largest = setting.problem.eigenvalues[0];
    let of = |loss: &Vec<f64>| {
        let pieces = times.windows(2).zip(loss);
        pieces
            .map(|(t, l)| (t[1] - t[0]) * (2.0 * largest * l).sqrt())
            .sum()
    };
    losses.iter().map(of).collect()
}

/// Dense in the beginning, where the loss falls fast.
fn dense_saves(steps: u64) -> Vec<u64> {
    let mut saves: Vec<u64> = (0..=200)
        .map(|i| (steps as f64 * (f64::from(i) / 200.0).powi(3)).round() as u64)
        .collect();
    saves.dedup();
    saves
}

fn full_start(bench: &Bench, time: f64) -> Result<Comparison, Stop> {
    let setting = bench.setting;
    let count = starts(setting, bench.level.pick(2, 8, 64));
    let steps = 20_000;
    let plan = Simulation::of(flow(time / steps as f64), count, dense_saves(steps));
    let run = bench.run(&setting.setup(setting.width, count > 1), &plan)?;
    let bounds = bounds(setting, &run.times, &run.observable("excess_loss", 0)?);
    let size = setting.rows_of_theta().min(setting.width);
    let last = run.times.len() - 1;
    let (first, last) = (
        run.spectrum("log_singular_value_theta", size, 0)?,
        run.spectrum("log_singular_value_theta", size, last)?,
    );
    let mut worst = 0.0_f64;
    for ((before, after), bound) in first.iter().zip(&last).zip(bounds) {
        for (x, y) in before.iter().zip(after) {
            worst = worst.max((y - x).abs() / bound);
        }
    }
    let what = "largest |log σᵢ(t) − log σᵢ(0)| over ∫‖A‖ds";
    Ok(Comparison::exact(what, 0.0, worst, 1.0)
        .within([0.0, 1.0])
        .against_range([1.0, f64::INFINITY]))
}

/// A balanced start has rank min(p, k) and no more. Its next singular value is zero, to the
/// rounding of the start, and stays so: far below any tolerance of a numerical rank.
fn deficient_start(bench: &Bench, time: f64) -> Result<Comparison, Stop> {
    let setting = bench.setting;
    let (d, width) = (setting.rows_of_theta(), setting.width);
    let rank = setting.inputs().min(setting.outputs()).min(width);
    if rank >= d.min(width) {
        let what = "σ beyond the rank of the start";
        return Ok(Comparison::exact(what, 0.0, 0.0, f64::EPSILON));
    }
    let mut setup = setting.setup(width, false);
    setup.initialisation = Initialisation::Balanced { scale: 1.0 };
    let steps = 20_000;
    let plan = Simulation::of(flow(time / steps as f64), 1, dense_saves(steps));
    let run = bench.run(&setup, &plan)?;
    let bound = bounds(setting, &run.times, &run.observable("excess_loss", 0)?)[0];
    let last = run.times.len() - 1;
    let spectrum = &run.spectrum("log_singular_value_theta", rank + 1, last)?[0];
    let measured = spectrum[rank] - spectrum[0];
    // Rounding of the start in each of d rows, grown by the bound above and below.
    let most = libm::log(16.0 * d as f64 * f64::EPSILON) + 2.0 * bound;
    let what = format!(
        "log σ{}/σ₁ from a start of rank {rank}",
        subscript(rank + 1)
    );
    Ok(Comparison::exact(what, f64::NEG_INFINITY, measured, 0.0)
        .within([f64::NEG_INFINITY, most])
        .against_range([libm::log(1e-3), f64::INFINITY]))
}

//! Strong and weak orders of the integrators of the stochastic gradient flow, and what a step of
//! each costs: the tables of docs/measurements/integrators.md and
//! docs/figures/integrator-orders.png.
//!
//! `cargo run --release -p rankfall --example integrator_orders` prints and draws them; a number
//! after `--` divides all numbers of paths, for a quick look.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use faer::Mat;
use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::model::dynamics::{Dynamics, ForceScales, Integrator, Kind};
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::BLOCK;
use rankfall_core::step::inspector::StepInspector;
use rankfall_report::figures::orders::{OrderCurve, OrderPanel, scene};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// ν, and the end of every run.
const NU: f64 = 0.3;
const TIME: f64 = 1.0;

/// Octaves h = 2^−o of the strong errors, each against the next finer one.
const STRONG: std::ops::RangeInclusive<u32> = 4..=12;
const STRONG_PATHS: usize = 4096;

/// Octaves and paths of the weak errors; paths of an octave are those of both its steps.
const WEAK: [(u32, usize); 7] = [
    (2, 1 << 19),
    (3, 1 << 19),
    (4, 1 << 19),
    (5, 1 << 19),
    (6, 1 << 19),
    (7, 1 << 19),
    (8, 1 << 19),
];

/// Paths of one ensemble; more come in batches with seeds of their own.
const BATCH: usize = 1 << 14;

/// Groups of paths for means and their bootstrap.
const GROUPS: usize = 64;
const RESAMPLES: u64 = 2000;

const INTEGRATORS: [(&str, Integrator); 4] = [
    ("Euler–Maruyama", Integrator::EulerMaruyama),
    ("Lie–Euler", Integrator::LieEuler),
    ("Lie–Euler, unsplit", Integrator::LieEulerUnsplit),
    ("Lie–Strang", Integrator::LieStrang),
];

fn main() -> Outcome<()> {
    let fewer: usize = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let setup = setup()?;
    println!("p = 2, k = 1, l = 3, ν = {NU}, T = {TIME}");
    let mut panels = vec![strong(&setup, STRONG_PATHS / fewer)?];
    panels.extend(weak(&setup, fewer)?);
    let names = INTEGRATORS.map(|(name, _)| name);
    let origin = format!("p = 2, k = 1, l = 3, ν = {NU}, T = {TIME}; bars are two standard errors");
    let picture = scene(&names, &panels, &origin).map_err(|skipped| skipped.reason)?;
    std::fs::write(
        "docs/figures/integrator-orders.png",
        rankfall_report::png::render(&picture)?,
    )?;
    Ok(())
}

/// h = 2^−o.
fn step(octave: u32) -> f64 {
    0.5_f64.powi(octave as i32)
}

fn setup() -> Outcome<Setup> {
    let synthetic = Synthetic {
        samples: 1000,
        inputs: 2,
        outputs: 1,
        covariance: Covariance::PowerLaw(0.5),
        teacher: Teacher::Gaussian,
        residual_noise: 0.0,
    };
    let draw = synthetic.draw(1, 0, false)?;
    let problem = Problem::new(&draw.gram, None, None)?;
    let gaussian = Initialisation::Gaussian {
        scale: 0.7,
        smallest_singular_value: None,
    };
    // Drawn once: seeds of batches must not move the start.
    let start = gaussian.start(&problem, 3, 1, 0)?.weights(&problem);
    Ok(Setup {
        source: Source::Shared(Arc::new(problem)),
        initialisation: Initialisation::Given(start),
        width: 3,
        seed: 1,
        each_start: false,
    })
}

/// Steps of 2^−octave that follow the Brownian path of steps 2^−finest.
fn spec(integrator: Integrator, octave: u32, finest: u32, paths: usize) -> EnsembleSpec {
    let h = 0.5_f64.powi(octave as i32);
    let steps = (TIME / h) as u64;
    EnsembleSpec {
        dynamics: Dynamics {
            kind: Kind::StochasticGradientFlow {
                integrator,
                time_step: h,
                batch_size: 1,
                forces: ForceScales::default(),
                brownian_substeps: 1 << (finest - octave),
            },
            step_size: NU,
            label_noise: 1.0,
            optimizer: Optimizer::default(),
            classes: None,
        },
        stream: 0,
        trajectories: paths as u64,
        save_steps: vec![0, steps],
        time_unit: h,
        rank_tolerance: 1e-3,
        keep_trajectories: true,
        reductions: true,
        force_balance: None,
        account: None,
        own_observables: Vec::new(),
    }
}

/// RMS of ‖Θ_h − Θ_{h/2}‖_F at T, one Brownian path for all steps of a path.
fn strong(setup: &Setup, paths: usize) -> Outcome<OrderPanel> {
    let mut curves = Vec::new();
    println!("\nstrong errors, {paths} paths: RMS of |Θ_h − Θ_(h/2)| at T");
    let finest = *STRONG.end() + 1;
    for (name, integrator) in INTEGRATORS {
        let mut coarse = ends(setup, integrator, *STRONG.start(), finest, paths)?;
        // Mean square of each group of paths, octave by octave.
        let mut groups: Vec<Vec<f64>> = Vec::new();
        for octave in STRONG {
            let fine = ends(setup, integrator, octave + 1, finest, paths)?;
            let squares: Vec<f64> = coarse
                .iter()
                .zip(&fine)
                .map(|(a, b)| (a - b).squared_norm_l2())
                .collect();
            groups.push(group_means(&squares));
            coarse = fine;
        }
        curves.push(OrderCurve {
            x: STRONG.map(step).collect(),
            y: groups.iter().map(|g| mean(g).sqrt()).collect(),
            half: groups
                .iter()
                .map(|g| error_of_mean(g) / mean(g).sqrt())
                .collect(),
        });
        print!("{name:20}");
        for octave in &groups {
            print!(" {:.3e}", mean(octave).sqrt());
        }
        for from in [4, 8] {
            let first = from - *STRONG.start() as usize;
            let (slope, error) = slope(&groups[first..], |m| 0.5 * m.abs().log2());
            print!("  order from 2^-{from}: {slope:.3} ± {error:.3}");
        }
        println!();
    }
    Ok(OrderPanel {
        title: "Strong error".into(),
        x: "step h".into(),
        y: "RMS of |Θ(h) − Θ(h/2)| at T".into(),
        curves,
        slopes: vec![0.5],
    })
}

/// Θ at T of every path.
fn ends(
    setup: &Setup,
    integrator: Integrator,
    octave: u32,
    finest: u32,
    paths: usize,
) -> Outcome<Vec<Mat<f64>>> {
    let spec = spec(integrator, octave, finest, paths);
    let blocks = paths.div_ceil(BLOCK) as u64;
    let Source::Shared(problem) = &setup.source else {
        return Err("one problem for all".into());
    };
    let start = setup.start(problem, 0)?;
    let half = |range: std::ops::Range<u64>| -> Result<Vec<Mat<f64>>, String> {
        let (dynamics, steps) = (&spec.dynamics, spec.save_steps[1]);
        let walk = StepInspector::new(dynamics, problem, &start, setup.seed, 0, 0);
        let mut walk = walk.ok_or("gradient flow takes no steps")?;
        let mut out = Vec::new();
        for block in range {
            walk.start_over(block * BLOCK as u64);
            walk.advance(steps);
            out.extend((0..BLOCK).map(|lane| {
                let weights = walk.weights(lane);
                Mat::from_fn(3, 3, |i, j| match i {
                    2 => weights.w2[(j, 0)],
                    _ => weights.w1[(i, j)],
                })
            }));
        }
        Ok(out)
    };
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| half(0..blocks / 2));
        let second = half(blocks / 2..blocks);
        (first.join(), second)
    });
    let mut all = first.map_err(|_| "a thread ended early")??;
    all.extend(second?);
    Ok(all)
}

/// What the weak errors are of.
const MEASURED: [(&str, u32); 3] = [
    ("loss", 0),
    ("log_singular_value_theta", 1),
    ("log_singular_value_theta", 3),
];

/// Against the step, and for the loss and the smallest singular value against the cost of a path.
fn weak(setup: &Setup, fewer: usize) -> Outcome<Vec<OrderPanel>> {
    println!("\nweak errors: E f(h) − E f(h/2)");
    let names = ["loss", "log σ₁", "log σ₃"];
    let panel = |i: usize, x: &str, slopes: &[f64]| OrderPanel {
        title: format!("Weak error of the {}", names[i]),
        x: x.into(),
        y: format!("|E f(h) − E f(h/2)|, f = {}", names[i]),
        curves: Vec::new(),
        slopes: slopes.into(),
    };
    let mut by_step: Vec<OrderPanel> = (0..3).map(|i| panel(i, "step h", &[1.0, 2.0])).collect();
    let mut by_cost: Vec<OrderPanel> = [0, 2]
        .map(|i| panel(i, "time of one path on one thread [µs]", &[]))
        .into();
    for (name, integrator) in INTEGRATORS {
        let cost = nanoseconds_a_step(setup, integrator)?;
        println!("{name}: {cost:.0} ns a step");
        let mut by_measured: Vec<Vec<Vec<f64>>> = vec![Vec::new(); MEASURED.len()];
        for (octave, paths) in WEAK {
            let mut sums: Vec<Vec<f64>> = vec![Vec::new(); MEASURED.len()];
            let batches = (paths / fewer).div_ceil(BATCH);
            for batch in 0..batches {
                let setup = Setup {
                    seed: 1000 + batch as u64,
                    ..setup.clone()
                };
                let coarse = measure(&setup, integrator, octave, octave + 1)?;
                let fine = measure(&setup, integrator, octave + 1, octave + 1)?;
                let (Some(coarse), Some(fine)) = (coarse, fine) else {
                    sums.iter_mut().for_each(Vec::clear);
                    break;
                };
                for ((sum, a), b) in sums.iter_mut().zip(coarse).zip(fine) {
                    sum.extend(a.iter().zip(b).map(|(x, y)| x - y));
                }
            }
            for (octaves, sum) in by_measured.iter_mut().zip(&sums) {
                octaves.push(group_means(sum));
            }
        }
        for (place, octaves) in by_measured.iter().enumerate() {
            let curve = weak_curve(octaves);
            let mut costs = curve.clone();
            for h in &mut costs.x {
                *h = 1e-3 * cost * TIME / *h;
            }
            by_step[place].curves.push(curve);
            match place {
                0 => by_cost[0].curves.push(costs),
                2 => by_cost[1].curves.push(costs),
                _ => {}
            }
        }
        for ((what, index), octaves) in MEASURED.iter().zip(&by_measured) {
            print!("  {what:26}{index:2}");
            for groups in octaves {
                if groups.is_empty() {
                    print!(" {:>19}", "paths diverge");
                    continue;
                }
                print!(" {:>+10.2e} ±{:.1e}", mean(groups), error_of_mean(groups));
            }
            let clear = |groups: &&Vec<f64>| {
                !groups.is_empty() && mean(groups).abs() > 5.0 * error_of_mean(groups)
            };
            let finest: Vec<Vec<f64>> = octaves
                .iter()
                .rev()
                .skip_while(|groups| !clear(groups))
                .take_while(clear)
                .take(4)
                .cloned()
                .collect();
            let finest: Vec<Vec<f64>> = finest.into_iter().rev().collect();
            if finest.len() > 1 {
                let (slope, error) = slope(&finest, |m| m.abs().log2());
                print!(
                    "  order over {} octaves: {slope:.2} ± {error:.2}",
                    finest.len()
                );
            }
            println!();
        }
    }
    by_step.append(&mut by_cost);
    Ok(by_step)
}

/// Errors that exceed two standard errors, octave by octave.
fn weak_curve(octaves: &[Vec<f64>]) -> OrderCurve {
    let mut curve = OrderCurve::default();
    for ((octave, _), groups) in WEAK.iter().zip(octaves) {
        let half = if groups.is_empty() {
            continue;
        } else {
            2.0 * error_of_mean(groups)
        };
        if mean(groups).abs() > half {
            curve.x.push(step(*octave));
            curve.y.push(mean(groups).abs());
            curve.half.push(half);
        }
    }
    curve
}

/// Of one path on one thread, its noise included: the median of five runs of 2¹⁴ steps by 64 paths.
fn nanoseconds_a_step(setup: &Setup, integrator: Integrator) -> Outcome<f64> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let spec = EnsembleSpec {
            keep_trajectories: false,
            ..spec(integrator, 14, 14, 64)
        };
        let clock = Instant::now();
        spec.run(setup, 1, None, &Unattended, Instructions::best())?;
        times.push(clock.elapsed().as_secs_f64() * 1e9 / f64::from(64 << 14));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[2])
}

/// The measured values of one batch at T, path by path; none if a path diverged.
fn measure(
    setup: &Setup,
    integrator: Integrator,
    octave: u32,
    finest: u32,
) -> Outcome<Option<Vec<Vec<f64>>>> {
    let spec = spec(integrator, octave, finest, BATCH);
    let outcome = spec.run(setup, 2, None, &Unattended, Instructions::best())?;
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().ok_or("nothing was kept")?;
    let per_save = outcome.layout.observables.len();
    if kept.len() != BATCH {
        return Ok(None);
    }
    let values: Outcome<Vec<Vec<f64>>> = MEASURED
        .iter()
        .map(|&(name, index)| {
            let place = outcome.layout.position(name, index).ok_or("not measured")?;
            Ok(kept
                .iter()
                .map(|(_, cells)| cells[per_save + place])
                .collect())
        })
        .collect();
    values.map(Some)
}

fn group_means(values: &[f64]) -> Vec<f64> {
    values
        .chunks(values.len().div_ceil(GROUPS).max(1))
        .map(mean)
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn error_of_mean(values: &[f64]) -> f64 {
    let m = mean(values);
    let squares: f64 = values.iter().map(|v| (v - m) * (v - m)).sum();
    (squares / (values.len() as f64 * (values.len() as f64 - 1.0))).sqrt()
}

/// Slope of `log`₂ of the mean against log₂ h by least squares, octave by octave, with the standard
/// deviation over bootstrap samples of the groups (the same groups in every octave).
fn slope(octaves: &[Vec<f64>], log: impl Fn(f64) -> f64) -> (f64, f64) {
    let fit = |pick: &dyn Fn(&[f64]) -> f64| {
        let n = octaves.len() as f64;
        let centre = (n - 1.0) / 2.0;
        let (mut above, mut below) = (0.0, 0.0);
        for (place, groups) in octaves.iter().enumerate() {
            let x = place as f64 - centre;
            above -= x * log(pick(groups));
            below += x * x;
        }
        above / below
    };
    let estimate = fit(&|groups| mean(groups));
    let count = octaves[0].len();
    let mut reader = StreamKey::new(7, Purpose::Batches, 0).reader(0, 0);
    let resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let chosen: Vec<usize> = (0..count)
                .map(|_| reader.below(count as u64) as usize)
                .collect();
            fit(&|groups| chosen.iter().map(|&g| groups[g]).sum::<f64>() / count as f64)
        })
        .collect();
    let centre = mean(&resampled);
    let squares: f64 = resampled.iter().map(|s| (s - centre) * (s - centre)).sum();
    (estimate, (squares / (RESAMPLES as f64 - 1.0)).sqrt())
}

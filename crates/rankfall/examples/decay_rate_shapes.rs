//! Decay rates of the singular values of Θ for networks of many shapes, isotropic and anisotropic:
//! measured, extrapolated to ν = 0 and held against the closed form.
//!
//! `cargo run --release -p rankfall --example decay_rate_shapes` prints what
//! docs/measurements/decay-rates.md has of them and draws docs/figures/decay-rates.png; a number
//! after `--` makes every run so many times shorter.

use std::error::Error;
use std::sync::Arc;

use faer::Mat;
use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::linalg::dense::transpose_product;
use rankfall_core::measure::rates::{Estimate, MeasuredRates, RateSave, extrapolate, measure};
use rankfall_core::model::dynamics::{Dynamics, ForceScales, Integrator, Kind};
use rankfall_core::model::gram::Gram;
use rankfall_core::model::network::Initialisation;
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::theory::decay_rates;
use rankfall_report::figures::rates::{RatesCase, scene};

const SEED: u64 = 1;
const TRAJECTORIES: u64 = 16;
const CONFIDENCE: f64 = 0.95;
const TIME_STEP: f64 = 0.02;

/// Every run lasts νt = this, and is measured over the last three quarters.
const NOISE_TIME: f64 = 120.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One network.
struct Case {
    inputs: usize,
    outputs: usize,
    isotropic: bool,
    teacher: Teacher,
    /// The rank that is left, where it is not that of the teacher.
    sustained: Option<usize>,
    intensities: [f64; 2],
}

impl Case {
    fn full(inputs: usize, outputs: usize, isotropic: bool) -> Self {
        Self {
            inputs,
            outputs,
            isotropic,
            teacher: Teacher::Gaussian,
            sustained: None,
            intensities: [0.01, 0.0025],
        }
    }

    fn title(&self) -> String {
        let inputs = if self.isotropic {
            "S = I"
        } else {
            "power-law S"
        };
        let rank = match self.teacher {
            Teacher::Rank(rank) => format!(", teacher of rank {rank}"),
            _ => String::new(),
        };
        format!("p = {}, k = {}, {inputs}{rank}", self.inputs, self.outputs)
    }

    fn recipe(&self) -> Synthetic {
        Synthetic {
            samples: 1000,
            inputs: self.inputs,
            outputs: self.outputs,
            covariance: Covariance::PowerLaw(0.5),
            teacher: self.teacher.clone(),
            residual_noise: 0.0,
        }
    }

    fn problem(&self) -> Outcome<Problem> {
        let draw = self.recipe().draw(SEED, 0, false)?;
        if !self.isotropic {
            return Ok(Problem::new(&draw.gram, None, None)?);
        }
        let teacher = draw.truth.teacher;
        let gram = Gram {
            n: 1000,
            centred: None,
            sxx: Mat::identity(self.inputs, self.inputs),
            syy: transpose_product(&teacher, &teacher),
            sxy: teacher,
        };
        Ok(Problem::new(&gram, None, None)?)
    }

    /// Rates over ν, where there is a closed form; for noise-sustained ranks that of a teacher of
    /// the rank that is left.
    fn closed_form(&self, problem: &Problem) -> Outcome<Option<Vec<f64>>> {
        let Some(rank) = self.sustained else {
            return Ok(decay_rates(&problem.eigenvalues, &problem.optimum, 1.0).ok());
        };
        let other = Case {
            teacher: Teacher::Rank(rank),
            sustained: None,
            ..Case::full(self.inputs, self.outputs, self.isotropic)
        };
        let problem = other.problem()?;
        Ok(decay_rates(&problem.eigenvalues, &problem.optimum, 1.0).ok())
    }
}

fn main() -> Outcome<()> {
    let shorter: f64 = std::env::args()
        .nth(1)
        .map_or(Ok(1.0), |text| text.parse())?;
    let mut cases = Vec::new();
    for (inputs, outputs) in [(5, 2), (2, 4), (4, 3), (4, 1)] {
        for isotropic in [true, false] {
            cases.push(Case::full(inputs, outputs, isotropic));
        }
    }
    for isotropic in [true, false] {
        cases.push(Case {
            teacher: Teacher::Rank(1),
            sustained: Some(2),
            intensities: [0.02, 0.005],
            ..Case::full(5, 5, isotropic)
        });
    }
    let mut drawn = Vec::new();
    for case in &cases {
        drawn.extend(run(case, NOISE_TIME / shorter)?);
    }
    let origin =
        format!("Lie–Euler, h = {TIME_STEP}, {TRAJECTORIES} trajectories, extrapolated to ν = 0");
    let picture = scene(&drawn, &origin).map_err(|skipped| skipped.reason)?;
    std::fs::write(
        "docs/figures/decay-rates.png",
        rankfall_report::png::render(&picture)?,
    )?;
    Ok(())
}

/// Prints the table of a case; its panel, if there is a closed form.
fn run(case: &Case, noise_time: f64) -> Outcome<Option<RatesCase>> {
    let problem = Arc::new(case.problem()?);
    let closed_form = case.closed_form(&problem)?;
    let law = -(case.outputs as f64) * problem.trace();
    let mut runs = Vec::new();
    for (stream, nu) in case.intensities.into_iter().enumerate() {
        runs.push((nu, rates(case, &problem, nu, stream as u32, noise_time)?));
    }
    println!("{}:\n", case.title());
    let heads = case.intensities.map(|nu| format!("ν = {nu}")).join(" | ");
    println!("| i | {heads} | ν → 0 | closed form | in |\n|---|---|---|---|---|---|");
    let mut panel = RatesCase {
        title: case.title(),
        ..RatesCase::default()
    };
    let count = problem.inputs + problem.outputs;
    let mut first = 0;
    while first < count {
        let last = last_of_group(closed_form.as_deref(), first);
        let mean =
            |(nu, r): &(f64, MeasuredRates)| Some((*nu, r.mean_of(first..=last)?.scaled(1.0 / nu)));
        let points: Vec<(f64, Estimate)> = runs.iter().filter_map(mean).collect();
        let end = extrapolate(&points, 1).map(|fit| fit.intercept());
        let truth = closed_form.as_ref().map(|rates| rates[first]);
        let places: Vec<String> = (first..=last).map(|i| (i + 1).to_string()).collect();
        let cells: Vec<String> = points.iter().map(|(_, e)| show(e)).collect();
        println!(
            "| {} | {} | {} | {} | {} |",
            places.join(", "),
            cells.join(" | "),
            end.map_or("no fit".into(), |e| show(&e)),
            truth.map_or("none".into(), |t| format!("{t:.4}")),
            match (truth, end) {
                (Some(t), Some(e)) if e.holds(t, CONFIDENCE) => "yes",
                (Some(_), Some(_)) => "no",
                _ => "",
            }
        );
        if let (Some(truth), Some(end)) = (truth, end) {
            let half = end.half_width(CONFIDENCE);
            panel.predicted.push(truth);
            panel.measured.push(end.value);
            panel.low.push(end.value - half);
            panel.high.push(end.value + half);
        }
        first = last + 1;
    }
    let worst = runs
        .iter()
        .map(|(nu, r)| (r.sum.value / nu - law).abs())
        .fold(0.0, f64::max);
    println!("\nsum/ν: law {law:.6}; measured, largest difference {worst:.1e}\n");
    Ok(closed_form.map(|_| panel))
}

/// Equal rates are compared in their mean; those that survive do not part and stay alone.
fn last_of_group(rates: Option<&[f64]>, first: usize) -> usize {
    let Some(rates) = rates else { return first };
    let same = |&i: &usize| rates[first] < 0.0 && rates[i] > rates[first] * (1.0 + 1e-9);
    (first..rates.len())
        .take_while(same)
        .last()
        .unwrap_or(first)
}

fn rates(
    case: &Case,
    problem: &Arc<Problem>,
    nu: f64,
    stream: u32,
    noise_time: f64,
) -> Outcome<MeasuredRates> {
    let setup = Setup {
        source: Source::Shared(problem.clone()),
        initialisation: Initialisation::Gaussian {
            scale: 0.5,
            smallest_singular_value: None,
        },
        width: case.inputs + case.outputs,
        seed: SEED,
        each_start: true,
    };
    let steps = (noise_time / nu / TIME_STEP).round() as u64;
    let spec = EnsembleSpec {
        dynamics: Dynamics {
            kind: Kind::StochasticGradientFlow {
                integrator: Integrator::LieEuler,
                time_step: TIME_STEP,
                batch_size: 1,
                forces: ForceScales::default(),
                brownian_substeps: 1,
            },
            step_size: nu,
            label_noise: 1.0,
            optimizer: Optimizer::default(),
            classes: None,
        },
        stream,
        trajectories: TRAJECTORIES,
        save_steps: vec![0, steps / 4, steps],
        time_unit: TIME_STEP,
        rank_tolerance: 1e-3,
        keep_trajectories: true,
        reductions: true,
        force_balance: None,
        account: None,
        own_observables: Vec::new(),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcome = spec.run(&setup, threads, None, &Unattended, Instructions::best())?;
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().ok_or("every value is kept")?;
    if kept.len() as u64 != TRAJECTORIES {
        return Err(format!("trajectories of {} diverged", case.title()).into());
    }
    let save = |index: usize| RateSave {
        index,
        time: spec.save_steps[index] as f64 * TIME_STEP,
    };
    Ok(measure(&outcome.layout, kept, "theta", save(1), save(2))?)
}

/// `value ± half width`.
fn show(estimate: &Estimate) -> String {
    format!(
        "{:.4} ± {:.4}",
        estimate.value,
        estimate.half_width(CONFIDENCE)
    )
}

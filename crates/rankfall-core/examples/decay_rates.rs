//! Decay rates of the singular values of Θ on seeded data, p = 5 and k = 2: the stochastic
//! gradient flow and label-noise SGD, measured and extrapolated, against the closed form; then
//! other integrators and other shapes.
//!
//! `cargo run --release -p rankfall-core --example decay_rates` prints the tables of
//! docs/measurements/decay-rates.md; `-- 10` makes every run ten times shorter.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use faer::Mat;
use rankfall_core::ensemble::block::Block;
use rankfall_core::ensemble::threads::on_threads;
use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::linalg::dense::{product, transpose_product};
use rankfall_core::measure::layout::Layout;
use rankfall_core::measure::rates::{
    Estimate, Extrapolation, MeasuredRates, RateSave, extrapolate, measure,
};
use rankfall_core::model::dynamics::{
    Dynamics, ForceScales, Integrator, Kind, LabelNoise, Sampling,
};
use rankfall_core::model::gram::Gram;
use rankfall_core::model::network::{Initialisation, Weights};
use rankfall_core::model::optimizer::Optimizer;
use rankfall_core::model::problem::{Problem, Rows};
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};
use rankfall_core::random::{Purpose, StreamKey, StreamReader};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lanes::BLOCK;
use rankfall_core::theory::decay_rates;

const SEED: u64 = 1;
const THREADS: usize = 2;
const TRAJECTORIES: u64 = 16;
const CONFIDENCE: f64 = 0.95;

/// h of the flow. Rates of the Lie–Euler step do not depend on it to first order in ν.
const TIME_STEP: f64 = 0.01;

/// δ.
const LABEL_NOISE: f64 = 2.0;

/// Every run lasts νt = this, and is measured over the last three quarters. Neighbouring rates
/// differ by 0.058 ν and more; what is left of their parting after the first quarter, about
/// exp(−2 · 0.058 · 30) = 0.03 in log σ, moves a rate by 0.0003 ν.
const NOISE_TIME: f64 = 120.0;

/// Steps between two looks at the weights of SGD, and rows drawn at each.
const LOOK_EVERY: u64 = 200;
const ROWS_PER_LOOK: u64 = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Cells of each trajectory.
type Kept = Vec<(u64, Vec<f64>)>;

fn main() -> Outcome<()> {
    let clock = Instant::now();
    let shorter: f64 = std::env::args()
        .nth(1)
        .map_or(Ok(1.0), |text| text.parse())?;
    let noise_time = NOISE_TIME / shorter;
    let study = Study::new(&seeded(5, 2, 1000, Teacher::Gaussian), noise_time)?;
    let problem = &study.problem;
    println!(
        "data: n = {}, p = {}, k = {}, seed {SEED}",
        problem.samples, problem.inputs, problem.outputs
    );
    println!(
        "eigenvalues of S_xx: {:.4?}, trace {:.6}",
        problem.eigenvalues,
        problem.trace()
    );
    println!("{TRAJECTORIES} trajectories, νt = {noise_time}, intervals of 95 %\n");
    study.flow()?;
    study.descent()?;
    study.time_steps()?;
    other_shapes(noise_time)?;
    println!("{:.0} s", clock.elapsed().as_secs_f64());
    Ok(())
}

fn seeded(inputs: usize, outputs: usize, samples: u64, teacher: Teacher) -> Synthetic {
    let covariance = Covariance::PowerLaw(0.5);
    Synthetic {
        samples,
        inputs,
        outputs,
        covariance,
        teacher,
        residual_noise: 0.0,
    }
}

/// p ≤ k, a singular S_xx, and an optimum of lower rank.
fn other_shapes(noise_time: f64) -> Outcome<()> {
    let wide = Study::new(&seeded(2, 4, 1000, Teacher::Gaussian), noise_time)?;
    wide.flow_at("p = 2, k = 4", &[0.01, 0.0025])?;
    let singular = Study::new(&seeded(4, 2, 3, Teacher::Gaussian), noise_time)?;
    singular.flow_at("p = 4, k = 2, n = 3: S_xx is singular", &[0.01, 0.0025])?;
    let teacher = seeded(3, 3, 1000, Teacher::Rank(1))
        .draw(SEED, 0, false)?
        .truth
        .teacher;
    let syy = transpose_product(&teacher, &teacher);
    // S_xx = I exactly.
    let gram = Gram {
        n: 1000,
        centred: None,
        sxx: Mat::identity(3, 3),
        sxy: teacher,
        syy,
    };
    let deficient = Study::of_problem(Problem::new(&gram, None, None)?, None, noise_time)?;
    deficient.flow_at("p = k = 3, S_xx = I, optimum of rank 1", &[0.01, 0.0025])
}

struct Study {
    problem: Arc<Problem>,
    rows: Option<Rows>,
    setup: Setup,
    layout: Layout,
    /// Rates over ν.
    closed_form: Vec<f64>,
    noise_time: f64,
}

impl Study {
    fn new(recipe: &Synthetic, noise_time: f64) -> Outcome<Self> {
        let draw = recipe.draw(SEED, 0, true)?;
        let rows = draw.rows.clone();
        Self::of_problem(
            Problem::new(&draw.gram, draw.rows, Some(draw.truth))?,
            rows,
            noise_time,
        )
    }

    /// `rows` in the original basis.
    fn of_problem(problem: Problem, rows: Option<Rows>, noise_time: f64) -> Outcome<Self> {
        let problem = Arc::new(problem);
        let (p, k) = (problem.inputs, problem.outputs);
        let setup = Setup {
            source: Source::Shared(problem.clone()),
            initialisation: Initialisation::Gaussian {
                scale: 0.5,
                smallest_singular_value: None,
            },
            width: p + k,
            seed: SEED,
            each_start: true,
        };
        let closed_form = decay_rates(&problem.eigenvalues, &problem.optimum, 1.0)?;
        let layout = Layout::new(p, k, p + k, problem.truth.is_some());
        Ok(Self {
            problem,
            rows,
            setup,
            layout,
            closed_form,
            noise_time,
        })
    }

    fn flow(&self) -> Outcome<()> {
        self.flow_at("p = 5, k = 2", &[0.02, 0.01, 0.005, 0.00125])
    }

    fn flow_at(&self, name: &str, intensities: &[f64]) -> Outcome<()> {
        let mut runs = Vec::new();
        for (stream, &nu) in intensities.iter().enumerate() {
            runs.push((
                nu,
                self.flow_rates(nu, Integrator::LieEuler, TIME_STEP, stream as u32)?,
            ));
        }
        println!("Stochastic gradient flow, {name}, Lie–Euler, h = {TIME_STEP}: rate/ν");
        self.print_rates(&runs);
        let law = -(self.problem.outputs as f64) * self.problem.trace();
        let misses = runs.iter().map(|(nu, r)| (r.sum.value / nu - law).abs());
        println!(
            "sum/ν: law {law:.9}; measured, largest difference {:.1e}\n",
            misses.fold(0.0, f64::max)
        );
        Ok(())
    }

    fn flow_rates(
        &self,
        nu: f64,
        integrator: Integrator,
        h: f64,
        stream: u32,
    ) -> Outcome<MeasuredRates> {
        let kind = Kind::StochasticGradientFlow {
            integrator,
            time_step: h,
            batch_size: 1,
            forces: ForceScales::default(),
            brownian_substeps: 1,
        };
        let dynamics = Dynamics {
            kind,
            step_size: nu / LABEL_NOISE,
            label_noise: LABEL_NOISE,
            optimizer: Optimizer::default(),
            classes: None,
        };
        let spec = self.spec(dynamics, stream, h);
        let outcome = spec.run(
            &self.setup,
            THREADS,
            None,
            &Unattended,
            Instructions::best(),
        )?;
        let totals = outcome.statistics.totals();
        self.rates(totals.trajectories().ok_or("every value is kept")?, &spec)
    }

    /// The rates at one ν by both integrators at several h.
    fn time_steps(&self) -> Outcome<()> {
        let nu = 0.005;
        println!("The integrator at ν = {nu}: rate/ν");
        let heads: Vec<String> = (1..=self.closed_form.len())
            .map(|i| i.to_string())
            .collect();
        println!("| | h | {} | sum |", heads.join(" | "));
        println!("|---|---|{}---|", "---|".repeat(heads.len()));
        let mut stream = 20;
        for (name, integrator) in [
            ("Lie–Euler", Integrator::LieEuler),
            ("Euler–Maruyama", Integrator::EulerMaruyama),
        ] {
            for h in [0.01, 0.02, 0.04] {
                let rates = self.flow_rates(nu, integrator, h, stream)?;
                stream += 1;
                let all = rates.rates.iter().chain([&rates.sum]);
                let cells: Vec<String> = all.map(|r| show(&r.scaled(1.0 / nu))).collect();
                println!("| {name} | {h} | {} |", cells.join(" | "));
            }
        }
        println!();
        Ok(())
    }

    fn descent(&self) -> Outcome<()> {
        let mut runs = Vec::new();
        let mut expectations = Vec::new();
        for (stream, eta) in [0.01, 0.005, 0.0025, 0.00125].into_iter().enumerate() {
            let kind = Kind::StochasticGradientDescent {
                batch_size: 1,
                sampling: Sampling::WithReplacement,
                distribution: LabelNoise::Gaussian,
            };
            let dynamics = Dynamics {
                kind,
                step_size: eta,
                label_noise: LABEL_NOISE,
                optimizer: Optimizer::default(),
                classes: None,
            };
            let spec = self.spec(dynamics, 8 + stream as u32, eta);
            let (kept, expectation) = self.run_descent(&spec)?;
            runs.push((eta * LABEL_NOISE, self.rates(&kept, &spec)?));
            expectations.push(expectation);
        }
        println!("SGD, b = 1, δ = {LABEL_NOISE}: rate/ν with ν = ηδ; extrapolated to η = 0");
        self.print_rates(&runs);
        self.print_sums(&runs, &expectations);
        Ok(())
    }

    fn spec(&self, dynamics: Dynamics, stream: u32, time_unit: f64) -> EnsembleSpec {
        let nu = dynamics.noise_intensity(self.problem.samples);
        let steps = (self.noise_time / nu / time_unit).round() as u64;
        EnsembleSpec {
            dynamics,
            stream,
            trajectories: TRAJECTORIES,
            save_steps: vec![0, steps / 4, steps],
            time_unit,
            rank_tolerance: 1e-3,
            keep_trajectories: true,
            reductions: true,
            force_balance: None,
            account: None,
            own_observables: Vec::new(),
        }
    }

    fn rates(&self, kept: &[(u64, Vec<f64>)], spec: &EnsembleSpec) -> Outcome<MeasuredRates> {
        let save = |index: usize| RateSave {
            index,
            time: spec.save_steps[index] as f64 * spec.time_unit,
        };
        Ok(measure(&self.layout, kept, "theta", save(1), save(2))?)
    }

    /// Runs the blocks, and on the way draws fresh rows and label noise at the weights of the time
    /// to average log|1 − η²|x|²|g|²|/η: an estimate of the sum of rates that shares no noise with
    /// the steps.
    fn run_descent(&self, spec: &EnsembleSpec) -> Outcome<(Kept, Estimate)> {
        let next = AtomicU64::new(0);
        let done = Mutex::new(Vec::new());
        let failed = Mutex::new(None);
        let blocks = spec.trajectories.div_ceil(BLOCK as u64);
        let take = || Some(next.fetch_add(1, Ordering::SeqCst)).filter(|&block| block < blocks);
        on_threads(THREADS, || {
            while let Some(block) = take() {
                match self.run_block(spec, block) {
                    Ok(of_block) => lock(&done).extend(of_block),
                    Err(error) => *lock(&failed) = Some(error.to_string()),
                }
            }
        });
        if let Some(error) = lock(&failed).take() {
            return Err(error.into());
        }
        let mut done = std::mem::take(&mut *lock(&done));
        done.sort_by_key(|(trajectory, _, _)| *trajectory);
        let means: Vec<f64> = done.iter().map(|d| d.2).collect();
        let kept = done
            .into_iter()
            .map(|(trajectory, cells, _)| (trajectory, cells))
            .collect();
        Ok((
            kept,
            Estimate::of_sample(&means).ok_or("too few trajectories")?,
        ))
    }

    /// Trajectory, its kept values and its mean of log|1 − η²|x|²|g|²|/η, for each of the block.
    fn run_block(&self, spec: &EnsembleSpec, number: u64) -> Outcome<Vec<(u64, Vec<f64>, f64)>> {
        let mut block = Block::<BLOCK>::new(
            spec,
            &self.setup,
            None,
            None,
            number,
            None,
            Instructions::best(),
        )?;
        let rows = self.rows.as_ref().ok_or("SGD needs rows")?;
        let first = number * BLOCK as u64;
        let used = (spec.trajectories - first).min(BLOCK as u64);
        // Streams of the runs are below 100.
        let fresh = StreamKey::new(SEED, Purpose::LabelNoise, 100 + spec.stream);
        let mut readers: Vec<StreamReader> = (first..first + used)
            .map(|trajectory| fresh.reader(trajectory, 0))
            .collect();
        let mut sums = vec![0.0; used as usize];
        let mut looks = 0;
        block.advance(spec.save_steps[1]);
        loop {
            for (lane, (reader, sum)) in readers.iter_mut().zip(&mut sums).enumerate() {
                *sum += self.mean_log(rows, &block.weights(lane), spec.dynamics.step_size, reader);
            }
            looks += 1;
            if block.advance(LOOK_EVERY) {
                break;
            }
        }
        let leaf = block.take_leaf();
        if let Some(diverged) = leaf.diverged.first() {
            return Err(format!("trajectory {} diverged", diverged.trajectory).into());
        }
        let means = sums.into_iter().map(|sum| sum / f64::from(looks));
        Ok(leaf
            .survivors
            .into_iter()
            .zip(means)
            .map(|((t, cells), mean)| (t, cells, mean))
            .collect())
    }

    fn mean_log(&self, rows: &Rows, weights: &Weights, eta: f64, reader: &mut StreamReader) -> f64 {
        let map = product(&weights.w1, &weights.w2);
        let (p, k) = (map.nrows(), map.ncols());
        let mut sum = 0.0;
        for _ in 0..ROWS_PER_LOOK {
            let row = reader.below(rows.count as u64) as usize;
            let x = &rows.x[row * p..(row + 1) * p];
            let y = &rows.y[row * k..(row + 1) * k];
            let square = residual_square(&map, x, y, reader);
            let length: f64 = x.iter().map(|v| v * v).sum();
            sum += (1.0 - eta * eta * length * square).abs().ln() / eta;
        }
        sum / ROWS_PER_LOOK as f64
    }

    fn print_rates(&self, runs: &[(f64, MeasuredRates)]) {
        let heads: Vec<String> = runs.iter().map(|(nu, _)| format!("ν = {nu}")).collect();
        println!(
            "| i | {} | ν → 0 | closed form | in | misfit |",
            heads.join(" | ")
        );
        println!("|---|{}---|---|---|---|", "---|".repeat(runs.len()));
        let mut first = 0;
        while let Some(&truth) = self.closed_form.get(first) {
            let last = self.last_of_group(first);
            let of_group = |(nu, r): &(f64, MeasuredRates)| {
                Some((*nu, r.mean_of(first..=last)?.scaled(1.0 / nu)))
            };
            let points: Vec<(f64, Estimate)> = runs.iter().filter_map(of_group).collect();
            let cells: Vec<String> = points.iter().map(|(_, e)| show(e)).collect();
            let end = extrapolate_all(&points).map_or("no fit".into(), |fit| show_fit(&fit, truth));
            let places: Vec<String> = (first..=last).map(|i| (i + 1).to_string()).collect();
            println!("| {} | {} | {end} |", places.join(", "), cells.join(" | "));
            first = last + 1;
        }
    }

    /// Equal rates are compared in their mean; those that survive do not part and stay alone.
    fn last_of_group(&self, first: usize) -> usize {
        let rate = self.closed_form[first];
        let same = |&i: &usize| rate < 0.0 && self.closed_form[i] > rate * (1.0 + 1e-9);
        (first..self.closed_form.len())
            .take_while(same)
            .last()
            .unwrap_or(first)
    }

    fn print_sums(&self, runs: &[(f64, MeasuredRates)], expectations: &[Estimate]) {
        let law = -(self.problem.outputs as f64) * self.problem.trace();
        println!("\nSum of rates over ν; the flow's is −k tr S_xx = {law:.4}");
        println!(
            "| η | measured | E log abs(1 − η²·x²·g²)/η | difference | excess over the flow |"
        );
        println!("|---|---|---|---|---|");
        let mut points = Vec::new();
        for ((nu, rates), expectation) in runs.iter().zip(expectations) {
            let (sum, expected) = (rates.sum.scaled(1.0 / nu), expectation.scaled(1.0 / nu));
            let difference = Estimate::combination(&[(1.0, sum), (-1.0, expected)]);
            let excess = 100.0 * (sum.value / law - 1.0);
            let eta = nu / LABEL_NOISE;
            println!(
                "| {eta} | {} | {} | {} | {excess:.2} % |",
                show(&sum),
                show(&expected),
                show(&difference)
            );
            points.push((*nu, sum));
        }
        if let Some(fit) = extrapolate_all(&points) {
            println!(
                "\nextrapolated to η = 0: {} (misfit {:.1})\n",
                show(&fit.intercept()),
                fit.misfit
            );
        }
    }
}

/// |y + ε − mapᵀx|² with fresh Gaussian label noise ε.
fn residual_square(map: &Mat<f64>, x: &[f64], y: &[f64], reader: &mut StreamReader) -> f64 {
    let residual = |(b, label): (usize, &f64)| {
        let fit: f64 = x.iter().zip(map.col_as_slice(b)).map(|(u, v)| u * v).sum();
        label + LABEL_NOISE.sqrt() * reader.normal() - fit
    };
    y.iter().enumerate().map(residual).map(|g| g * g).sum()
}

/// By a parabola in ν where there are points to spare, else by a line.
fn extrapolate_all(points: &[(f64, Estimate)]) -> Option<Extrapolation> {
    extrapolate(points, if points.len() > 3 { 2 } else { 1 })
}

/// `value ± half width`.
fn show(estimate: &Estimate) -> String {
    format!(
        "{:.4} ± {:.4}",
        estimate.value,
        estimate.half_width(CONFIDENCE)
    )
}

fn show_fit(fit: &Extrapolation, truth: f64) -> String {
    let inside = if fit.intercept().holds(truth, CONFIDENCE) {
        "yes"
    } else {
        "no"
    };
    format!(
        "{} | {truth:.4} | {inside} | {:.1}",
        show(&fit.intercept()),
        fit.misfit
    )
}

/// Nothing is left half-changed by a panic here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

//! What the cost of a run depends on, and what it does not: rows of data, width, number of
//! trajectories, threads, saves. `cargo run --release -p rankfall-core --example scaling`, alone on
//! the machine; each pair is run in turn, and ratios are taken round by round.

use std::error::Error;
use std::time::Instant;

use rankfall_core::ensemble::{EnsembleSpec, Unattended};
use rankfall_core::model::dynamics::Integrator;
use rankfall_core::model::setup::Setup;
use rankfall_core::simd::instructions::Instructions;

#[path = "../benches/support/mod.rs"]
mod support;

use support::{ensemble, flow, gaussian_setup};

const ROUNDS: usize = 9;

/// One run: its size, and what is saved.
#[derive(Clone)]
struct Case {
    setup: Setup,
    trajectories: u64,
    steps: u64,
    saves: u64,
    force_stride: Option<u64>,
    threads: usize,
    /// What the run takes beyond one of a single step.
    without_start: bool,
}

impl Case {
    fn seconds(&self) -> Result<f64, Box<dyn Error>> {
        let whole = self.seconds_of(self.steps)?;
        Ok(if self.without_start {
            whole - self.seconds_of(1)?
        } else {
            whole
        })
    }

    fn seconds_of(&self, steps: u64) -> Result<f64, Box<dyn Error>> {
        let saves = self.saves;
        let save_steps = (0..=saves).map(|s| s * steps / saves).collect();
        // The stochastic gradient flow of the paper's headline figure.
        let kind = flow(Integrator::LieEuler, 0.01);
        let spec = EnsembleSpec {
            force_balance: self.force_stride,
            account: None,
            ..ensemble(kind, 0.01, 2.0, self.trajectories, save_steps)
        };
        let clock = Instant::now();
        spec.run(
            &self.setup,
            self.threads,
            None,
            &Unattended,
            Instructions::best(),
        )?;
        Ok(clock.elapsed().as_secs_f64())
    }
}

/// The paper's data with this many rows, and weights of this width whose product does not depend on
/// it.
fn setup(samples: u64, width: usize) -> Result<Setup, Box<dyn Error>> {
    gaussian_setup(samples, [5, 2, width], (10.0 / width as f64).sqrt(), false)
}

/// Median and range of `a.seconds() / b.seconds()`, per unit of `scale`, and the ratio of the least
/// of both: on a machine that others load, the runs that were disturbed least.
fn compare(what: &str, a: &Case, b: &Case, scale: f64) -> Result<(), Box<dyn Error>> {
    let mut ratios = Vec::new();
    let mut seconds = Vec::new();
    let mut least = [f64::INFINITY; 2];
    for round in 0..=ROUNDS {
        let (long, short) = (a.seconds()?, b.seconds()?);
        // The first round warms up.
        if round > 0 {
            ratios.push(long / short / scale);
            seconds.push(short);
            least = [least[0].min(long), least[1].min(short)];
        }
    }
    ratios.sort_by(f64::total_cmp);
    seconds.sort_by(f64::total_cmp);
    println!(
        "| {what} | {:.3} ({:.3} to {:.3}) | {:.3} | {:.2} s |",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1],
        least[0] / least[1] / scale,
        seconds[ROUNDS / 2]
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let base = Case {
        setup: setup(1000, 10)?,
        trajectories: 256,
        steps: 100_000,
        saves: 1,
        force_stride: None,
        threads: 1,
        without_start: false,
    };
    let with = |change: &dyn Fn(&mut Case)| {
        let mut case = base.clone();
        change(&mut case);
        case
    };
    println!("| ratio of times | median (range) | of the least | of |");
    println!("|---|---|---|---|");
    let rows = setup(10_000_000, 10)?;
    let rows = with(&|case| case.setup = rows.clone());
    compare("10⁷ rows over 10³", &rows, &base, 1.0)?;
    let wide = setup(1000, 100_000)?;
    let wide = with(&|case| case.setup = wide.clone());
    compare("width 10⁵ over 10, the start included", &wide, &base, 1.0)?;
    let alone = |case: &Case| Case {
        without_start: true,
        ..case.clone()
    };
    compare("the steps alone", &alone(&wide), &alone(&base), 1.0)?;
    let many = with(&|case| case.trajectories *= 8);
    compare("8 times the trajectories, over 8", &many, &base, 8.0)?;
    let both = with(&|case| case.threads = 2);
    compare("one thread over two", &base, &both, 1.0)?;
    let long = |saves, stride| {
        with(&|case| {
            case.trajectories = 64;
            case.steps = 100_000;
            case.saves = saves;
            case.force_stride = stride;
        })
    };
    let bare = long(1, None);
    compare(
        "10⁵ steps with 200 saves over 1",
        &long(200, None),
        &bare,
        1.0,
    )?;
    compare(
        "the same with forces weighed every 10 steps",
        &long(200, Some(10)),
        &bare,
        1.0,
    )?;
    Ok(())
}

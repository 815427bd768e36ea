//! How far the steps are from what this processor could do: the floating-point and integer
//! operations of a step, counted, at the rates at which the processor can issue them, measured.
//!
//! `cargo run --release -p rankfall-core --example machine_limit`, alone on the machine. One
//! thread.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use rankfall_core::ensemble::Unattended;
use rankfall_core::model::dynamics::Integrator;
use rankfall_core::simd::instructions::{Instructions, LaneWork};
use rankfall_core::simd::lanes::{BLOCK, Lanes, Words};

#[path = "../benches/support/mod.rs"]
mod support;

use support::{ensemble, flow, gaussian_setup};

/// Inputs p, outputs k, width l; trajectories and steps of a run, so many that its start and end
/// cost little beside them.
const SIZES: [([usize; 3], u64, u64); 3] = [
    ([5, 2, 10], 64, 20_000),
    ([20, 5, 50], 32, 5_000),
    ([64, 10, 128], 8, 3_000),
];

const STEP_SIZE: f64 = 0.002;

const ROUNDS: usize = 9;

fn main() -> Result<(), Box<dyn Error>> {
    let multiply_adds =
        peak(|| rate_of(|| MultiplyAdds::<6>.run_on(Instructions::best()))).max(peak(|| {
            rate_of(|| MultiplyAdds::<12>.run_on(Instructions::best()))
        }));
    let integers =
        peak(|| rate_of(|| Integers::<6>.run_on(Instructions::best()))).max(peak(|| {
            rate_of(|| Integers::<12>.run_on(Instructions::best()))
        }));
    println!(
        "multiply-adds: {:.2} G numbers a second",
        multiply_adds / 1e9
    );
    println!(
        "integer operations: {:.2} G numbers a second\n",
        integers / 1e9
    );
    println!(
        "| p, k, l | integrator | flops | integer operations | limit, M steps/s | measured | share |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (sizes, trajectories, steps) in SIZES {
        let [inputs, outputs, width] = sizes;
        for (name, integrator) in [
            ("Euler–Maruyama", Integrator::EulerMaruyama),
            ("Lie–Euler", Integrator::LieEuler),
        ] {
            let [flops, words] = operations(inputs, outputs, integrator);
            let limit = 1.0 / (flops / multiply_adds + words / integers);
            let measured = steps_a_second(sizes, trajectories, steps, integrator)?;
            println!(
                "| {inputs}, {outputs}, {width} | {name} | {flops:.0} | {words:.0} | {:.3} | {:.3} | {:.0} % |",
                limit / 1e6,
                measured / 1e6,
                100.0 * measured / limit
            );
        }
    }
    Ok(())
}

/// The median of a few rounds after one that warms up.
fn median(mut once: impl FnMut() -> f64) -> f64 {
    once();
    let mut all: Vec<f64> = (0..ROUNDS).map(|_| once()).collect();
    all.sort_by(f64::total_cmp);
    all[ROUNDS / 2]
}

/// The best of them: a limit.
fn peak(mut once: impl FnMut() -> f64) -> f64 {
    (0..ROUNDS).map(|_| once()).fold(0.0, f64::max)
}

/// Operations per second of work that returns how many it did.
fn rate_of(work: impl FnOnce() -> f64) -> f64 {
    let clock = Instant::now();
    let count = work();
    count / clock.elapsed().as_secs_f64()
}

const TURNS: usize = 1_000_000;

/// Chains of multiply-adds that do not wait for each other.
struct MultiplyAdds<const CHAINS: usize>;

impl<const CHAINS: usize> LaneWork for MultiplyAdds<CHAINS> {
    type Output = f64;
    const WIDE: bool = true;

    #[inline(always)]
    fn run(self) -> f64 {
        let factor = black_box(Lanes::<BLOCK>::splat(0.999));
        let mut sums = [factor; CHAINS];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, factor);
            }
        }
        black_box(sums);
        (TURNS * CHAINS * BLOCK) as f64
    }
}

/// The same with additions and exclusive ors of words.
struct Integers<const CHAINS: usize>;

impl<const CHAINS: usize> LaneWork for Integers<CHAINS> {
    type Output = f64;
    const WIDE: bool = true;

    #[inline(always)]
    fn run(self) -> f64 {
        let other = black_box(Words::<BLOCK>::splat(0x1234_5678_9ABC));
        let mut words = [other; CHAINS];
        for _ in 0..TURNS / 2 {
            for word in &mut words {
                *word = word.with(other, |w, o| w.wrapping_add(o));
            }
            for word in &mut words {
                *word = word.with(other, |w, o| w ^ o);
            }
        }
        black_box(words);
        (TURNS / 2 * 2 * CHAINS * BLOCK) as f64
    }
}

/// Floating-point and integer operations of one step of one trajectory, with m = p + k columns, in
/// numbers of 64 bits: those of 32 count half. A multiply-add, a quotient and a root count as one.
/// What keeps the columns apart is left out.
fn operations(inputs: usize, outputs: usize, integrator: Integrator) -> [f64; 2] {
    let (p, k) = (inputs as f64, outputs as f64);
    let m = p + k;
    let q = p.min(k);
    let pairs = (p * k / 2.0).ceil();
    // In single precision: uniform, logarithm, root; angle, its square, sine, cosine; two products.
    let normals = 0.5 * (12.0 + 14.0) * pairs;
    let drift = p * k * m + k * m + p * k;
    let noise = 2.0 * p * k;
    let update = match integrator {
        Integrator::EulerMaruyama => 2.0 * p * k * m,
        // K, twelve products for the two series and one more; then four small products for each
        // column, which is damped.
        _ => p * k * q + 13.0 * q * q * q + (2.0 * p * k + 4.0 * q * q + 2.0 * (p + k)) * m,
    };
    // Per draw of two pairs, which steps share where theirs are odd, 65 for the generator; of each
    // pair, 18 for its bits, of 32, and four to narrow words and widen numbers.
    let words = 65.0 * pairs / 2.0 + (0.5 * 18.0 + 4.0) * pairs;
    [normals + drift + noise + update, words]
}

fn steps_a_second(
    sizes: [usize; 3],
    trajectories: u64,
    steps: u64,
    integrator: Integrator,
) -> Result<f64, Box<dyn Error>> {
    let scale = 0.5 / (sizes[2] as f64).sqrt();
    let setup = gaussian_setup(1000, sizes, scale, false)?;
    let kind = flow(integrator, STEP_SIZE);
    let spec = ensemble(kind, STEP_SIZE, 1.0, trajectories, vec![0, steps]);
    let run = || spec.run(&setup, 1, None, &Unattended, Instructions::best());
    run()?;
    Ok(median(|| {
        rate_of(|| {
            let done = run();
            done.map_or(0.0, |_| (trajectories * steps) as f64)
        })
    }))
}

//! Scratch: one block at a time, the rates in turn.
use rankfall_core::dynamics::Integrator;
use rankfall_core::ensemble::Unattended;
use rankfall_core::lanes::Instructions;
use std::time::Instant;
#[path = "../benches/support/mod.rs"]
mod support;
use support::{ensemble, flow, gaussian_setup};

fn main() {
    let setup = gaussian_setup(1000, [5, 2, 10], 0.5 / 10f64.sqrt(), false).unwrap();
    let spec = ensemble(
        flow(Integrator::EulerMaruyama, 0.002),
        0.002,
        1.0,
        8,
        vec![0, 200_000],
    );
    for _ in 0..40 {
        let clock = Instant::now();
        spec.run(&setup, 1, None, &Unattended, Instructions::best())
            .unwrap();
        print!("{:.1} ", 1.6 / clock.elapsed().as_secs_f64());
    }
    println!();
}

//! Scratch: times one setting under each choice of instructions.
use rankfall_core::dynamics::Integrator;
use rankfall_core::ensemble::Unattended;
use rankfall_core::lanes::Instructions;
use std::time::Instant;
#[path = "../benches/support/mod.rs"]
mod support;
use support::{ensemble, flow, gaussian_setup};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n = |i: usize, d: u64| args.get(i).and_then(|s| s.parse().ok()).unwrap_or(d);
    let sizes = [n(1, 5) as usize, n(2, 2) as usize, n(3, 10) as usize];
    let trajectories = n(4, 64);
    let steps = n(5, 20000);
    let rounds = n(6, 7);
    let only = args.get(7).cloned();
    let which = args.get(8).cloned();
    let scale = 0.5 / (sizes[2] as f64).sqrt();
    let setup = gaussian_setup(1000, sizes, scale, false).unwrap();
    for (name, integrator) in [
        ("EM", Integrator::EulerMaruyama),
        ("LE", Integrator::LieEuler),
    ] {
        if which.as_deref().is_some_and(|w| w != name) {
            continue;
        }
        let spec = ensemble(
            flow(integrator, 0.002),
            0.002,
            1.0,
            trajectories,
            vec![0, steps],
        );
        for (iname, instructions) in Instructions::available() {
            if iname == "portable" && only.as_deref() != Some("portable") {
                continue;
            }
            if only.as_deref().is_some_and(|o| o != iname) {
                continue;
            }
            let mut all: Vec<f64> = (0..rounds)
                .map(|_| {
                    let clock = Instant::now();
                    spec.run(&setup, 1, None, &Unattended, instructions)
                        .unwrap();
                    (trajectories * steps) as f64 / clock.elapsed().as_secs_f64() / 1e6
                })
                .collect();
            all.sort_by(f64::total_cmp);
            println!(
                "{name} {iname}: {:.3} M (best {:.3})",
                all[all.len() / 2],
                all[all.len() - 1]
            );
        }
    }
}

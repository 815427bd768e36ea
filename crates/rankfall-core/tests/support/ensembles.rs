//! Ensembles that keep every trajectory: run, and read.
#![allow(dead_code)] // each test file uses a part

use rankfall_core::ensemble::{EnsembleSpec, Outcome, Unattended};
use rankfall_core::measure::account::AccountGrid;
use rankfall_core::model::dynamics::Dynamics;
use rankfall_core::model::setup::Setup;
use rankfall_core::simd::instructions::Instructions;

pub fn spec(dynamics: Dynamics, trajectories: u64, save_steps: &[u64]) -> EnsembleSpec {
    EnsembleSpec {
        dynamics,
        stream: 0,
        trajectories,
        save_steps: save_steps.to_vec(),
        time_unit: 0.01,
        rank_tolerance: 1e-3,
        keep_trajectories: true,
        reductions: true,
        force_balance: None,
        account: Some(AccountGrid::Stride(5)),
        own_observables: Vec::new(),
    }
}

pub fn run(
    spec: &EnsembleSpec,
    setup: &Setup,
    threads: usize,
    instructions: Instructions,
) -> Outcome {
    spec.run(setup, threads, None, &Unattended, instructions)
        .expect("runs")
}

/// On one thread, with the best instructions that there are.
pub fn run_alone(spec: &EnsembleSpec, setup: &Setup) -> Outcome {
    run(spec, setup, 1, Instructions::best())
}

/// Every kept value of every trajectory, as bits.
pub fn bits(outcome: &Outcome) -> Vec<(u64, Vec<u64>)> {
    let totals = outcome.statistics.totals();
    let kept = totals.trajectories().expect("kept");
    kept.iter()
        .map(|(t, v)| (*t, v.iter().map(|x| x.to_bits()).collect()))
        .collect()
}

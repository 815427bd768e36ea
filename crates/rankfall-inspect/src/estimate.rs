//! How long an inspection will take, from a small product and a small decomposition on this
//! machine.

use crate::plan::{Job, Plan};
use faer::{Mat, Side};
use std::time::Instant;

/// Side of the sample.
const SAMPLE: usize = 256;

/// Seconds that the jobs of a plan will take, about: within a factor of two or three.
#[must_use]
pub fn seconds(plan: &Plan, threads: usize) -> f64 {
    let total: f64 = plan.jobs.iter().map(Job::cost).sum();
    let largest = plan.jobs.iter().map(Job::cost).fold(0.0, f64::max);
    let n = SAMPLE;
    let sample = Mat::from_fn(n, n, |i, j| ((i * 31 + j * 17) % 101) as f64 / 101.0 - 0.5);
    let start = Instant::now();
    let gram = sample.transpose() * &sample;
    // Kept from being optimised away by its use below.
    let values = gram
        .self_adjoint_eigenvalues(Side::Lower)
        .map_or(0, |v| v.len());
    let cost = 5.0 * (n * n * n) as f64;
    let rate = cost / start.elapsed().as_secs_f64().max(1e-6) * if values == n { 1.0 } else { 0.5 };
    // Threads help layers side by side; the largest one alone takes its time.
    let parallel = (total / threads.max(1) as f64).max(0.7 * largest);
    parallel / rate
}

//! Are the p-values of true claims what they should be? Every statistical claim in the paper's
//! setting, at the smallest level, over many seeds: `calibration [SEEDS] [THREADS] [ID]...`.
//!
//! For each claim: how often its joint p-value was at most 1, 5, 10, 25 and 50 %, the probability
//! of as many or more if it were uniform (binomial, the smallest of the five, times five), the
//! one-sided Kolmogorov–Smirnov statistic D⁺ with its bound exp(−2nD²), and how often the claim
//! failed. A claim whose p-value is not stochastically smaller than uniform has no small number in
//! either column. Beside them: how often a 95 % interval of a single comparison missed the
//! prediction itself, whatever the margin.

use rankfall_core::measure::rates::Estimate;
use rankfall_evidence::bench::NoSupervisor;
use rankfall_evidence::decision::{Measurement, two_sided_quantile};
use rankfall_evidence::experiments::NoExperiments;
use rankfall_evidence::{Level, Setting, Subject, Suite, Verdict, Verification, claims};
use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const THRESHOLDS: [f64; 5] = [0.01, 0.05, 0.1, 0.25, 0.5];

/// One claim under one seed.
struct Outcome {
    claim: usize,
    p_value: Option<f64>,
    verdict: Verdict,
    /// Statistical comparisons with a prediction, and how many 95 % intervals missed it.
    points: (u64, u64),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seeds: u64 = arguments.first().map_or(Ok(200), |s| s.parse())?;
    let threads: u64 = arguments.get(1).map_or(Ok(2), |s| s.parse())?;
    let only = arguments.get(2..).unwrap_or_default();
    let next = AtomicU64::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let of_seed = of_seed(seed + 1, only);
                    if let Ok(mut all) = outcomes.lock() {
                        all.extend(of_seed);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().map_err(|_| "a thread panicked")?;
    report(&outcomes);
    Ok(())
}

fn of_seed(seed: u64, only: &[String]) -> Vec<Outcome> {
    let Ok(setting) = Setting::of_the_paper(seed) else {
        return Vec::new();
    };
    let subject = Subject::TwoLayers(setting);
    let verification =
        Verification::new(&subject, Level::Smallest, 1, &NoSupervisor, &NoExperiments);
    let mut out = Vec::new();
    for (place, claim) in claims::of(Suite::Exact).enumerate() {
        let statistical = subject.comparisons(claim).is_ok_and(|c| c > 0);
        let asked = only.is_empty() || only.iter().any(|id| id == claim.id);
        if !statistical || !asked {
            continue;
        }
        let Ok(found) = verification.find(claim) else {
            continue;
        };
        let estimates: Vec<(f64, Estimate)> = found
            .comparisons
            .iter()
            .filter_map(|j| match j.comparison.measured {
                Measurement::Statistical(e) if j.comparison.prediction.is_finite() => {
                    Some((j.comparison.prediction, e))
                }
                _ => None,
            })
            .collect();
        let missed = estimates.iter().filter(|(prediction, e)| {
            (e.value - prediction).abs() > two_sided_quantile(0.05, e.degrees) * e.standard_error
        });
        out.push(Outcome {
            claim: place,
            p_value: found.p_value,
            verdict: found.verdict,
            points: (estimates.len() as u64, missed.count() as u64),
        });
    }
    out
}

fn report(outcomes: &[Outcome]) {
    println!(
        "| claim | seeds | p ≤ 1 % | 5 % | 10 % | 25 % | 50 % | binomial | D⁺ | bound | fails | 95 % missed |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let (mut fails, mut total) = (0, 0);
    for (place, claim) in claims::of(Suite::Exact).enumerate() {
        let own: Vec<&Outcome> = outcomes.iter().filter(|o| o.claim == place).collect();
        let mut values: Vec<f64> = own.iter().filter_map(|o| o.p_value).collect();
        if values.is_empty() {
            continue;
        }
        values.sort_by(f64::total_cmp);
        let n = values.len() as u64;
        let counts = THRESHOLDS.map(|t| values.partition_point(|&p| p <= t) as u64);
        let tail = THRESHOLDS
            .iter()
            .zip(counts)
            .map(|(&t, c)| at_least(c, n, t));
        let binomial = (5.0 * tail.fold(1.0, f64::min)).min(1.0);
        let excess = values
            .iter()
            .enumerate()
            .map(|(i, p)| (i + 1) as f64 / n as f64 - p)
            .fold(0.0, f64::max);
        let bound = (-2.0 * n as f64 * excess * excess).exp();
        let failed = own.iter().filter(|o| o.verdict == Verdict::Fails).count() as u64;
        let points = own
            .iter()
            .fold((0, 0), |(a, b), o| (a + o.points.0, b + o.points.1));
        println!(
            "| `{}` | {n} | {} | {} | {} | {} | {} | {binomial:.3} | {excess:.3} | {bound:.3} | {failed} | {:.1} % of {} |",
            claim.id,
            counts[0],
            counts[1],
            counts[2],
            counts[3],
            counts[4],
            100.0 * points.1 as f64 / points.0.max(1) as f64,
            points.0
        );
        fails += failed;
        total += n;
    }
    let [low, high] = clopper_pearson(fails, total, 0.95);
    println!("\nfalse fails: {fails} of {total}, exact 95 % interval [{low:.2e}, {high:.2e}]");
    let seeds = total.min(
        outcomes
            .iter()
            .filter(|o| o.claim == outcomes[0].claim)
            .count() as u64,
    );
    println!("seeds: {seeds}");
}

/// P(X ≥ count) for X binomial.
fn at_least(count: u64, n: u64, probability: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    Binomial::new(probability, n).map_or(f64::NAN, |law| law.sf(count - 1))
}

/// The exact interval of a proportion.
fn clopper_pearson(count: u64, n: u64, confidence: f64) -> [f64; 2] {
    let tail = 0.5 * (1.0 - confidence);
    let quantile =
        |a: f64, b: f64, q: f64| Beta::new(a, b).map_or(f64::NAN, |law| law.inverse_cdf(q));
    let (x, n) = (count as f64, n as f64);
    let low = if count == 0 {
        0.0
    } else {
        quantile(x, n - x + 1.0, tail)
    };
    let high = if x == n {
        1.0
    } else {
        quantile(x + 1.0, n - x, 1.0 - tail)
    };
    [low, high]
}

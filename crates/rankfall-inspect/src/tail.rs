//! The power law that the upper end of the eigenvalues λ = σ² follows, as WeightWatcher fits it.
//!
//! For each λ as the lower end x_min, with the n eigenvalues from there on: α = 1 + n / Σ
//! ln(λ/x_min), and the distance D is the largest difference between 1 − (λ/x_min)^(1−α) and the
//! share of them below. The x_min of least distance is taken. Clauset, Shalizi and Newman, SIAM
//! Review 51 (2009), 661–703.

use crate::spectrum::Sigma;

/// With fewer eigenvalues than this a tail says nothing.
pub const FEWEST: usize = 10;

/// A fitted power law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// The exponent of the density of λ.
    pub alpha: f64,
    /// What errors of the singular values can change it by, x_min being the same one.
    pub alpha_error: f64,
    /// The Kolmogorov–Smirnov distance of the fit.
    pub distance: f64,
    /// From this eigenvalue on.
    pub xmin: f64,
}

/// The fit to the squares of singular values that are told from zero, given descending; `None` for
/// fewer than [`FEWEST`] of them, or where all are equal.
#[must_use]
pub fn fit(sigmas: &[Sigma]) -> Option<Tail> {
    let resolved: Vec<Sigma> = sigmas.iter().copied().filter(|s| s.is_resolved()).collect();
    if resolved.len() < FEWEST {
        return None;
    }
    // Ascending logarithms of λ.
    let logs: Vec<f64> = resolved
        .iter()
        .rev()
        .map(|s| 2.0 * libm::log(s.value))
        .collect();
    let mut best: Option<(f64, f64, usize)> = None;
    // Sums of the logarithms from each place on.
    let mut sums = vec![0.0; logs.len() + 1];
    for i in (0..logs.len()).rev() {
        sums[i] = sums[i + 1] + logs[i];
    }
    for i in 0..logs.len() - 1 {
        let n = (logs.len() - i) as f64;
        let alpha = 1.0 + n / (sums[i] - n * logs[i]);
        if !(alpha.is_finite() && alpha > 1.0) {
            continue;
        }
        let closest = best.map_or(f64::INFINITY, |b| b.0);
        if let Some(distance) = distance(&logs[i..], alpha, closest) {
            best = Some((distance, alpha, i));
        }
    }
    let (distance, alpha, i) = best?;
    let relative = |s: &Sigma| s.bound / s.value;
    let tail = &resolved[..resolved.len() - i];
    let lowest = tail.last().map_or(0.0, relative);
    let shift: f64 = tail.iter().map(|s| 2.0 * (relative(s) + lowest)).sum();
    Some(Tail {
        alpha,
        alpha_error: (alpha - 1.0) * (alpha - 1.0) * shift / tail.len() as f64,
        distance,
        xmin: libm::exp(logs[i]),
    })
}

/// The distance, where it is below `closest`: it is left as soon as it cannot be.
fn distance(logs: &[f64], alpha: f64, closest: f64) -> Option<f64> {
    let n = logs.len() as f64;
    let mut largest = 0.0f64;
    for (j, log) in logs.iter().enumerate() {
        let expected = 1.0 - libm::exp((1.0 - alpha) * (log - logs[0]));
        largest = largest.max((expected - j as f64 / n).abs());
        if largest >= closest {
            return None;
        }
    }
    Some(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sigmas(values: impl Iterator<Item = f64>) -> Vec<Sigma> {
        let mut all: Vec<Sigma> = values
            .map(|v| Sigma {
                value: v,
                bound: 1e-15,
            })
            .collect();
        all.sort_by(|a, b| b.value.total_cmp(&a.value));
        all
    }

    #[test]
    fn the_exponent_of_a_power_law_is_found() {
        // Quantiles of the density λ^(−3) from 1 on: λ = (1 − q)^(−1/2), σ = √λ.
        let n = 4000;
        let quantile = |i: usize| (1.0 - (i as f64 + 0.5) / n as f64).powf(-0.25);
        let tail = fit(&sigmas((0..n).map(quantile))).unwrap();
        assert!(
            (tail.alpha - 3.0).abs() < 0.05 && tail.distance < 1e-3,
            "{tail:?}"
        );
    }

    #[test]
    fn an_exponential_spectrum_is_far_from_a_power_law() {
        let n = 4000;
        let quantile = |i: usize| (1.0 - ((i as f64 + 0.5) / n as f64)).ln().abs().sqrt();
        let all = fit(&sigmas((0..n).map(quantile))).unwrap();
        assert!(all.distance > 5e-3, "{all:?}");
    }

    #[test]
    fn few_or_equal_values_have_no_tail() {
        assert_eq!(fit(&sigmas((1..9).map(f64::from))), None);
        assert_eq!(fit(&sigmas([2.0; 20].into_iter())), None);
    }
}

//! The mean of log|1 − c|r + ε|²| over the law of the label noise ε of one row, exactly: what a
//! step on a single row does to log det M.
//!
//! By the series −Σ cʲ E|r + ε|²ʲ/j, with the moments of a noncentral χ², where its terms fall
//! below rounding before they grow. Where residuals are too large for that, by quadrature against
//! the noncentral χ² itself, over both sides of the singularity. Where ε = ±√δ, over all signs.

use crate::model::dynamics::LabelNoise;

/// Up to this many outputs all signs are gone through.
pub const MOST_SIGNS: usize = 8;

/// Terms of the series, at most.
const TERMS: usize = 16;
/// Nats below which a term is nothing: rounding of log det M itself.
const NOTHING: f64 = 1e-17;
/// Standard deviations from the mean of the root of a noncentral χ² beyond which there is nothing.
const FARTHEST: f64 = 12.0;
/// Points of the quadrature on either side of zero, and between them.
const POINTS: i32 = 256;
const SPACING: f64 = 1.0 / 64.0;
/// √(λy) from which the Bessel function is its asymptotic series.
const FAR: f64 = 1e4;

/// E[log|1 − c|r + ε|²|] + c E|r + ε|², for entries of ε of this variance.
pub fn excess(c: f64, residual: &[f64], variance: f64, law: LabelNoise) -> f64 {
    let square = residual.iter().fold(0.0, |s: f64, r| r.mul_add(*r, s));
    if variance == 0.0 {
        return beyond_first(c * square);
    }
    match law {
        LabelNoise::Rademacher => over_signs(c, residual, variance),
        LabelNoise::Gaussian => {
            let k = residual.len();
            by_series(c, square, variance, k).unwrap_or_else(|| {
                by_quadrature(c * variance, square / variance, k)
                    + c * (square + k as f64 * variance)
            })
        }
    }
}

/// log|1 − x| + x.
fn beyond_first(x: f64) -> f64 {
    if x < 0.5 {
        libm::log1p(-x) + x
    } else {
        libm::log((1.0 - x).abs()) + x
    }
}

fn over_signs(c: f64, residual: &[f64], variance: f64) -> f64 {
    let deviation = variance.sqrt();
    let all = 1_u32 << residual.len();
    let mut sum = 0.0;
    for signs in 0..all {
        let mut square = 0.0_f64;
        for (b, r) in residual.iter().enumerate() {
            let sign = if signs >> b & 1 == 1 {
                deviation
            } else {
                -deviation
            };
            square = (r + sign).mul_add(r + sign, square);
        }
        sum += beyond_first(c * square);
    }
    sum / f64::from(all)
}

/// None where the terms do not fall below rounding.
fn by_series(c: f64, square: f64, variance: f64, outputs: usize) -> Option<f64> {
    // Moments of c|r + ε|² from its cumulants 2ᵐ⁻¹ (m − 1)! cᵐ (k δᵐ + m |r|² δᵐ⁻¹).
    let mut cumulants = [0.0; TERMS + 1];
    let mut moments = [1.0; TERMS + 1];
    let (mut factor, mut power) = (c, 1.0);
    let mut sum = 0.0;
    for m in 1..=TERMS {
        let (k, order) = (outputs as f64, m as f64);
        cumulants[m] = factor * power * k.mul_add(variance, order * square);
        factor *= 2.0 * order * c;
        power *= variance;
        let mut binomial = 1.0;
        let mut moment = 0.0;
        for i in 0..m {
            moment += binomial * cumulants[m - i] * moments[i];
            binomial *= (m - 1 - i) as f64 / (i + 1) as f64;
        }
        moments[m] = moment;
        if m > 1 {
            let term = moment / order;
            sum -= term;
            if term < NOTHING {
                return Some(sum);
            }
        }
    }
    None
}

/// E log|1 − s y| of a noncentral χ² y with `outputs` degrees of freedom: over the root of y.
fn by_quadrature(s: f64, noncentrality: f64, outputs: usize) -> f64 {
    let (centre, k) = (noncentrality.sqrt(), outputs as f64);
    let low = (centre - FARTHEST).max(0.0);
    let high = centre + k.sqrt() + FARTHEST;
    let singular = 1.0 / s.sqrt();
    let weight = |root: f64| 2.0 * root * density(root * root, noncentrality, outputs);
    // log|1 − root²/singular²| from the distance to the singularity, which rounding must not make
    // zero.
    let log =
        |distance: f64, root: f64| libm::log(distance * (singular + root) / singular / singular);
    if singular <= low || singular >= high {
        let of = |root: f64, _: f64, _: f64| weight(root) * log((singular - root).abs(), root);
        return tanh_sinh(low, high, of);
    }
    tanh_sinh(low, singular, |root, _, from_high| {
        weight(root) * log(from_high, root)
    }) + tanh_sinh(singular, high, |root, from_low, _| {
        weight(root) * log(from_low, root)
    })
}

/// ∫ of a function of the place and its distances from both ends (Takahasi and Mori 1974).
fn tanh_sinh(low: f64, high: f64, f: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let half = 0.5 * (high - low);
    let mut sum = 0.0;
    for i in -POINTS..=POINTS {
        let t = f64::from(i) * SPACING;
        let bent = std::f64::consts::FRAC_PI_2 * libm::sinh(t);
        // 1 ∓ tanh, each without cancellation.
        let (far, near) = (
            2.0 / (1.0 + libm::exp(2.0 * bent)),
            2.0 / (1.0 + libm::exp(-2.0 * bent)),
        );
        let (from_high, from_low) = (half * far, half * near);
        let slope = std::f64::consts::FRAC_PI_2 * libm::cosh(t) * far * near;
        let place = if t < 0.0 {
            low + from_low
        } else {
            high - from_high
        };
        if from_high > f64::MIN_POSITIVE && from_low > f64::MIN_POSITIVE {
            sum += half * slope * f(place, from_low, from_high);
        }
    }
    sum * SPACING
}

/// The density of a noncentral χ² at y > 0.
fn density(y: f64, noncentrality: f64, outputs: usize) -> f64 {
    let half = 0.5 * outputs as f64;
    let x = (noncentrality * y).sqrt();
    if x > FAR.max(10.0 * half * half) {
        let order = 4.0 * (half - 1.0) * (half - 1.0);
        let correction =
            1.0 - (order - 1.0) / (8.0 * x) + (order - 1.0) * (order - 9.0) / (128.0 * x * x);
        let apart = y.sqrt() - noncentrality.sqrt();
        let tilt = 0.5 * (half - 1.0) * libm::log(y / noncentrality);
        let root = (2.0 * std::f64::consts::PI * x).sqrt();
        return 0.5 * libm::exp(tilt - 0.5 * apart * apart) * correction / root;
    }
    // Σ over j of Poisson(j; λ/2) χ²_{k+2j}(y), from its largest term outwards.
    let ratio = 0.25 * x * x;
    let peak = (ratio.sqrt() - 0.5 * half).max(0.0).floor();
    let log_term = |j: f64| {
        let powers = match noncentrality {
            0.0 => 0.0,
            _ => j * libm::log(0.5 * noncentrality),
        };
        powers + (half + j - 1.0) * libm::log(0.5 * y)
            - libm::lgamma(j + 1.0)
            - libm::lgamma(half + j)
    };
    let (mut sum, mut term, mut j) = (1.0, 1.0, peak);
    while term > 1e-17 * sum {
        term *= ratio / ((j + 1.0) * (half + j));
        sum += term;
        j += 1.0;
    }
    (term, j) = (1.0, peak);
    while j > 0.0 && term > 1e-17 * sum {
        term *= j * (half + j - 1.0) / ratio;
        sum += term;
        j -= 1.0;
    }
    0.5 * sum * libm::exp(log_term(peak) - 0.5 * (y + noncentrality))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E log|1 − y/2a| of χ² with two degrees of freedom is −e⁻ᵃ Ei(a), Ei(1) = 1.8951178163559368.
    #[test]
    fn the_singular_mean_has_its_closed_form() {
        let expected = -libm::exp(-1.0) * 1.895_117_816_355_936_8;
        let got = by_quadrature(0.5, 0.0, 2);
        assert!((got - expected).abs() < 1e-11, "{got} {expected}");
    }

    /// Series and quadrature, where both hold: central and not, far and near.
    #[test]
    fn series_and_quadrature_agree() {
        for outputs in [1, 2, 5] {
            for (square, variance) in [
                (0.0, 2.0),
                (3.0, 1.0),
                (50.0, 0.1),
                (900.0, 0.01),
                (40_000.0, 1.0),
            ] {
                let size: f64 = square + outputs as f64 * variance;
                let c = 2e-3 / size;
                let series = by_series(c, square, variance, outputs);
                let Some(series) = series else {
                    panic!("{outputs} {square} {variance}")
                };
                let whole = by_quadrature(c * variance, square / variance, outputs) + c * size;
                assert!(
                    (series - whole).abs() < 1e-13,
                    "{outputs} {square} {variance}: {series} {whole}"
                );
            }
        }
    }

    /// Against a fine sum over normal numbers, with the singularity in the midst.
    #[test]
    fn one_output_agrees_with_a_sum() {
        let (c, r, variance) = (0.7, 0.9, 0.5_f64);
        let (count, far) = (4_000_001, 9.0);
        let width = 2.0 * far / f64::from(count);
        let mut sum = 0.0;
        for i in 0..count {
            let z = (f64::from(i) + 0.5).mul_add(width, -far);
            let y = r + variance.sqrt() * z;
            let weight = libm::exp(-0.5 * z * z) / (2.0 * std::f64::consts::PI).sqrt();
            sum += width * weight * (libm::log((1.0 - c * y * y).abs()) + c * y * y);
        }
        let got = excess(c, &[r], variance, LabelNoise::Gaussian);
        assert!((got - sum).abs() < 3e-6, "{got} {sum}");
    }

    #[test]
    fn signs_and_no_noise_are_sums() {
        let got = excess(0.1, &[1.0], 0.25, LabelNoise::Rademacher);
        let of = |y: f64| libm::log1p(-0.1 * y * y) + 0.1 * y * y;
        assert!((got - 0.5 * (of(1.5) + of(0.5))).abs() < 1e-16);
        let quiet = excess(0.1, &[1.0, 2.0], 0.0, LabelNoise::Gaussian);
        assert!((quiet - (libm::log(0.5) + 0.5)).abs() < 1e-15);
    }
}

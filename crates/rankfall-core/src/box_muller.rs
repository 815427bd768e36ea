//! Standard normal numbers over lanes: two from 64 random bits, after Box and Muller.
//!
//! 40 bits give the radius, 23 an angle in a half turn and one the other half. Each lies in the
//! middle of its cell, so that the law is symmetric and nothing is infinite: |z| ≤ 7.54. The
//! polynomials interpolate at Chebyshev nodes; a number is within 10⁻¹¹ of the exact transform of its
//! bits, far below what the cells of the angle leave open.

use crate::lane_math::polynomial;
use crate::lanes::{Lanes, Words};

/// The bits of 1.0: with a fraction below it, a number in \[1, 2).
const ONE: u64 = 0x3FF0_0000_0000_0000;

/// −4 artanh(s)/s = −2 ln((1 + s)/(1 − s))/s in powers of s², |s| ≤ 0.1716.
const LOG: [f64; 6] = [
    -3.9999999999998943,
    -1.3333333335917161,
    -0.7999998977949997,
    -0.5714433274498931,
    -0.4434848000753181,
    -0.3921649061140815,
];

/// sin(πv)/v in powers of v², |v| ≤ ½.
const SINE: [f64; 7] = [
    3.141592653589635,
    -5.167712779987959,
    2.550164035906745,
    -0.5992644339357286,
    0.08214479467064854,
    -0.007364005472115722,
    0.0004474920849077101,
];

/// cos(πv) in powers of v², |v| ≤ ½.
const COSINE: [f64; 7] = [
    0.9999999999992479,
    -4.93480220024985,
    4.0587121075374375,
    -1.33526231526157,
    0.2353254365877112,
    -0.02577631642731586,
    0.001839989437269404,
];

/// Two independent standard normal numbers per lane from the low 32 bits of two words.
#[inline(always)]
pub fn two_normals<const N: usize>(low: Words<N>, high: Words<N>) -> [Lanes<N>; 2] {
    let length = radius_square(low, high).sqrt();
    let (sine, cosine) = direction(high);
    [length * cosine, length * sine]
}

/// −2 ln u for u uniform in (0, 1), in the middle of one of 2⁴⁰ cells.
#[inline(always)]
fn radius_square<const N: usize>(low: Words<N>, high: Words<N>) -> Lanes<N> {
    const HALF_CELL: u64 = 1 << 11;
    // u = 2^e m with m in [√½, √2); e + 64 is positive, so that a shift without sign reads it.
    const SQRT_HALF: u64 = 0x3FE6_A09E_0000_0000;
    const SHIFTED: u64 = SQRT_HALF - (64 << 52);
    const FRACTION: u64 = (1 << 52) - 1;
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    let bits = low.with(high, |l, h| {
        ((l << 20) & FRACTION) | ((h >> 12) & 0xF_F000) | (ONE | HALF_CELL)
    });
    let uniform = Lanes::splat(2.0) - bits.to_f64();
    let shifted = uniform.to_bits().each(|b| b.wrapping_sub(SHIFTED));
    let m = shifted.each(|s| (s & FRACTION) + SQRT_HALF).to_f64();
    let exponent =
        shifted.each(|s| (s >> 52) | WHOLE.to_bits()).to_f64() - Lanes::splat(WHOLE + 64.0);
    let f = m - Lanes::ONE;
    let s = f / (f + Lanes::splat(2.0));
    let log_m = s * polynomial(s * s, &LOG);
    exponent.mul_add(Lanes::splat(-2.0 * std::f64::consts::LN_2), log_m)
}

/// Sine and cosine of an angle uniform in the circle, in the middle of one of 2²⁴ cells.
#[inline(always)]
fn direction<const N: usize>(high: Words<N>) -> (Lanes<N>, Lanes<N>) {
    const HALF_CELL: u64 = 1 << 28;
    const FRACTION: u64 = ((1 << 23) - 1) << 29;
    let bits = high.each(|h| ((h << 29) & FRACTION) | (ONE | HALF_CELL));
    let half_turns = bits.to_f64() - Lanes::splat(1.5);
    let square = half_turns * half_turns;
    let sine = half_turns * polynomial(square, &SINE);
    let cosine = polynomial(square, &COSINE).to_bits();
    // The other half of the circle has the other sign of the cosine.
    let cosine = cosine.with(high, |c, h| c ^ ((h << 40) & (1 << 63)));
    (sine, cosine.to_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, StreamKey};

    /// The transform of the middle of the cells, by the system's functions.
    fn exact(low: u64, high: u64) -> [f64; 2] {
        let cell = (low << 8) | (high >> 24);
        let uniform = 1.0 - (cell as f64 + 0.5) * 0.5_f64.powi(40);
        let half_turns = ((high & 0x7F_FFFF) as f64 + 0.5) * 0.5_f64.powi(23) - 0.5;
        let sign = if high & 0x80_0000 == 0 { 1.0 } else { -1.0 };
        let length = (-2.0 * uniform.ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::PI * half_turns).sin_cos();
        [sign * length * cosine, length * sine]
    }

    #[test]
    fn numbers_are_the_transform_of_their_bits() {
        let key = StreamKey::new(1, Purpose::BrownianMotion, 0);
        let ends = [0, 1, 0x7F_FFFF, 0x80_0000, 0xFF_FFFF, u64::from(u32::MAX)];
        let random = (0..20_000).map(|draw| key.words(Words([3]), 0, draw)[0].0[0]);
        let pairs = ends
            .iter()
            .flat_map(|&low| ends.map(|high| (low, high)))
            .chain(random.map(|word| (word & 0xFFFF_FFFF, word >> 32)));
        for (low, high) in pairs {
            let got = two_normals(Words([low]), Words([high]));
            for (ours, exact) in got.iter().zip(exact(low, high)) {
                let error = (ours.0[0] - exact).abs();
                assert!(error < 1e-11, "{low:x} {high:x}: {} {exact}", ours.0[0]);
            }
        }
    }

    #[test]
    fn what_is_above_the_low_halves_does_not_matter() {
        let clean = two_normals(Words([0x1234_5678]), Words([0x9ABC_DEF0]));
        let dirty = two_normals(
            Words([0xFFFF_1111_1234_5678]),
            Words([0x7777_2222_9ABC_DEF0]),
        );
        assert_eq!(clean, dirty);
    }
}

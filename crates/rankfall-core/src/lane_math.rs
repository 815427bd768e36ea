//! Logarithm, sine and cosine over lanes, from additions, products and quotients alone.
//!
//! The system's mathematical library differs from machine to machine; these do not.
//! Polynomials are those of fdlibm (Sun Microsystems 1993); errors stay below one unit in the
//! last place on the ranges stated.

use crate::lanes::{Lanes, Words};

/// 1.5 · 2⁵²: adding and subtracting it rounds to a whole number, found in the low bits meanwhile.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Evaluates Σ coefficients\[i\] xⁱ by Horner's rule.
#[inline(always)]
fn polynomial<const N: usize>(x: Lanes<N>, coefficients: &[f64]) -> Lanes<N> {
    let mut sum = Lanes::splat(coefficients[coefficients.len() - 1]);
    for &c in coefficients[..coefficients.len() - 1].iter().rev() {
        sum = sum.mul_add(x, Lanes::splat(c));
    }
    sum
}

/// ln x for positive normal x; −∞ at zero. Anything else gives garbage, never a panic.
#[inline(always)]
pub fn ln<const N: usize>(x: Lanes<N>) -> Lanes<N> {
    const LN2_HI: f64 = 6.931_471_803_691_238e-1;
    const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
    const COEFFICIENTS: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    // x = 2^e m with m in [√½, √2): moving the threshold of the exponent to √½ is one addition.
    const SQRT_HALF_BITS: u64 = 0x3FE6_A09E_0000_0000;
    let bits = x.to_bits();
    let shifted = bits.each(|b| b.wrapping_sub(SQRT_HALF_BITS));
    let mantissa = bits
        .with(shifted, |b, s| b.wrapping_sub(s & 0xFFF0_0000_0000_0000))
        .to_f64();
    // The exponent as a double: sign-extended by an offset that keeps it positive.
    let exponent = shifted
        .each(|s| (s.wrapping_add(2048 << 52) >> 52) | 0x4330_0000_0000_0000)
        .to_f64()
        - Lanes::splat(4_503_599_627_370_496.0 + 2048.0);
    let f = mantissa - Lanes::ONE;
    let s = f / (f + Lanes::splat(2.0));
    let z = s * s;
    let r = z * polynomial(z, &COEFFICIENTS);
    let half_square = Lanes::splat(0.5) * f * f;
    let correction = exponent.mul_add(Lanes::splat(LN2_LO), s * (half_square + r));
    let value = exponent.mul_add(Lanes::splat(LN2_HI), f - (half_square - correction));
    Lanes::splat(f64::NEG_INFINITY).where_else(x.at_most(Lanes::ZERO), value)
}

/// sin 2πv and cos 2πv for |v| ≤ ½.
#[inline(always)]
pub fn sin_cos_turns<const N: usize>(v: Lanes<N>) -> (Lanes<N>, Lanes<N>) {
    const SINE: [f64; 6] = [
        -1.666_666_666_666_663_2e-1,
        8.333_333_333_322_49e-3,
        -1.984_126_982_985_795e-4,
        2.755_731_370_707_006_8e-6,
        -2.505_076_025_340_686_3e-8,
        1.589_690_995_211_55e-10,
    ];
    const COSINE: [f64; 6] = [
        4.166_666_666_666_66e-2,
        -1.388_888_888_887_411e-3,
        2.480_158_728_947_673e-5,
        -2.755_731_435_139_066_3e-7,
        2.087_572_321_298_175e-9,
        -1.135_964_755_778_819_5e-11,
    ];
    let rounded = v.mul_add(Lanes::splat(4.0), Lanes::splat(ROUND));
    let quadrant = rounded.to_bits();
    let remainder = (rounded - Lanes::splat(ROUND)).mul_add(Lanes::splat(-0.25), v);
    let x = remainder * Lanes::splat(std::f64::consts::TAU);
    let z = x * x;
    let sine = (z * x).mul_add(polynomial(z, &SINE), x);
    let cosine = (z * z).mul_add(
        polynomial(z, &COSINE),
        z.mul_add(Lanes::splat(-0.5), Lanes::ONE),
    );
    // Odd quadrants exchange the two; quadrants 2, 3 negate the sine, 1, 2 the cosine.
    let odd = crate::lanes::Mask(quadrant.each(|q| (q & 1).wrapping_neg()).0);
    let sine_sign = quadrant.each(|q| (q & 2) << 62);
    let cosine_sign = quadrant.each(|q| (q.wrapping_add(1) & 2) << 62);
    let flip = |value: Lanes<N>, sign: Words<N>| value.to_bits().with(sign, |b, s| b ^ s).to_f64();
    (
        flip(cosine.where_else(odd, sine), sine_sign),
        flip(sine.where_else(odd, cosine), cosine_sign),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(a: f64, b: f64) -> u64 {
        (a.to_bits() as i64).abs_diff(b.to_bits() as i64)
    }

    #[test]
    fn logarithm_agrees_with_libm_within_two_units() {
        let mut x = 1e-300_f64;
        while x < 1e300 {
            let ours = ln(Lanes([x, 1.0 + x.fract() * 1e-3])).0;
            assert!(
                ulps(ours[0], libm::log(x)) <= 2,
                "ln {x}: {} {}",
                ours[0],
                libm::log(x)
            );
            let near_one = 1.0 + x.fract() * 1e-3;
            assert!(ulps(ours[1], libm::log(near_one)) <= 2, "ln {near_one}");
            x *= 1.000_73;
        }
        assert_eq!(ln(Lanes([1.0])).0[0], 0.0);
        assert_eq!(ln(Lanes([0.0])).0[0], f64::NEG_INFINITY);
    }

    #[test]
    fn sine_and_cosine_agree_with_libm() {
        for i in -50_000..=50_000 {
            let v = f64::from(i) / 100_000.0;
            let (sine, cosine) = sin_cos_turns(Lanes([v]));
            // The argument is reduced before it meets 2π, so whole quarters are exact.
            let exact = |shift: f64| {
                let r = v - (v * 4.0).round() / 4.0;
                let (s, c) = libm::sincos(r * std::f64::consts::TAU);
                let q = ((v + shift) * 4.0).round() as i64;
                match q.rem_euclid(4) {
                    0 => s,
                    1 => c,
                    2 => -s,
                    _ => -c,
                }
            };
            assert!((sine.0[0] - exact(0.0)).abs() < 2.3e-16, "sin at {v}");
            assert!((cosine.0[0] - exact(0.25)).abs() < 2.3e-16, "cos at {v}");
        }
    }
}

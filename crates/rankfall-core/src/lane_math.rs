//! The logarithm over lanes, from additions, products and quotients alone.
//!
//! The system's mathematical library differs from machine to machine; this does not.
//! The polynomial is that of fdlibm (Sun Microsystems 1993); errors stay below two units in the last
//! place.

use crate::lanes::Lanes;

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
}

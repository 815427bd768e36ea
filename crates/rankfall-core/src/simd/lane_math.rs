//! Logarithm and exponential over lanes, from additions, products and quotients alone.
//!
//! The system's mathematical library differs from machine to machine; this does not. The
//! polynomials are those of fdlibm (Sun Microsystems 1993); errors stay below two units in the last
//! place.

use crate::simd::lanes::Lanes;

/// Evaluates Σ coefficients\[i\] xⁱ by Horner's rule.
#[inline(always)]
fn polynomial<const N: usize>(x: Lanes<N>, coefficients: &[f64]) -> Lanes<N> {
    let mut sum = Lanes::splat(coefficients[coefficients.len() - 1]);
    for &c in coefficients[..coefficients.len() - 1].iter().rev() {
        sum = sum.mul_add(x, Lanes::splat(c));
    }
    sum
}

const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;

/// 1.5 · 2^52: adding it and taking it away rounds to whole numbers.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// eˣ for x ≤ 0; zero below −690, where no sum with one would see it, and for NaN.
#[inline(always)]
pub fn exp_of_negative<const N: usize>(x: Lanes<N>) -> Lanes<N> {
    const LOWEST: f64 = -690.0;
    let (mantissa, k) = exp_parts(x.max(Lanes::splat(LOWEST)));
    let value = mantissa * k.exp2_whole();
    value.select(Lanes::splat(LOWEST).at_most(x), Lanes::ZERO)
}

/// eˣ; infinite above 709.78, zero below −745.13, NaN for NaN.
#[inline(always)]
pub fn exp<const N: usize>(x: Lanes<N>) -> Lanes<N> {
    const FARTHEST: f64 = 800.0;
    let bounded = x.max(Lanes::splat(-FARTHEST)).min(Lanes::splat(FARTHEST));
    let (mantissa, k) = exp_parts(bounded);
    // In two factors, each of which is a double of full precision.
    let half = k.mul_add(Lanes::splat(0.5), Lanes::splat(SHIFT)) - Lanes::splat(SHIFT);
    let value = mantissa * half.exp2_whole() * (k - half).exp2_whole();
    value.select(x.at_most(x), x)
}

/// eˣ = mantissa · 2ᵏ with a mantissa near one, for finite x.
#[inline(always)]
fn exp_parts<const N: usize>(x: Lanes<N>) -> (Lanes<N>, Lanes<N>) {
    const COEFFICIENTS: [f64; 5] = [
        1.666_666_666_666_660_2e-1,
        -2.777_777_777_701_559_3e-3,
        6.613_756_321_437_934e-5,
        -1.653_390_220_546_525_2e-6,
        4.138_136_797_057_238_5e-8,
    ];
    // x = k ln 2 + r with |r| ≤ ½ ln 2.
    let k = x.mul_add(Lanes::splat(std::f64::consts::LOG2_E), Lanes::splat(SHIFT))
        - Lanes::splat(SHIFT);
    let high = k.mul_add(Lanes::splat(-LN2_HI), x);
    let low = k * Lanes::splat(LN2_LO);
    let r = high - low;
    let z = r * r;
    let c = r - z * polynomial(z, &COEFFICIENTS);
    let beyond_one = high - (low - r * c / (Lanes::splat(2.0) - c));
    (Lanes::ONE + beyond_one, k)
}

/// ln x for positive normal x; −∞ at zero. Anything else gives garbage, never a panic.
#[inline(always)]
pub fn ln<const N: usize>(x: Lanes<N>) -> Lanes<N> {
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
    Lanes::splat(f64::NEG_INFINITY).select(x.at_most(Lanes::ZERO), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(a: f64, b: f64) -> u64 {
        (a.to_bits() as i64).abs_diff(b.to_bits() as i64)
    }

    #[test]
    fn exponential_agrees_with_libm_within_two_units() {
        let mut x = 1e-20_f64;
        while x < 690.0 {
            let ours = exp_of_negative(Lanes([-x])).0[0];
            let theirs = libm::exp(-x);
            assert!(ulps(ours, theirs) <= 2, "exp −{x}: {ours} {theirs}");
            for x in [x, -x] {
                let (ours, theirs) = (exp(Lanes([x])).0[0], libm::exp(x));
                assert!(ulps(ours, theirs) <= 2, "exp {x}: {ours} {theirs}");
            }
            x *= 1.000_73;
        }
        assert_eq!(exp_of_negative(Lanes([0.0])).0[0], 1.0);
        for nothing in [-691.0, -1e300, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(exp_of_negative(Lanes([nothing])).0[0], 0.0);
        }
        for x in [-744.0, -720.0, -708.5, -700.0, 700.0, 709.7] {
            let (ours, theirs) = (exp(Lanes([x])).0[0], libm::exp(x));
            assert!(ulps(ours, theirs) <= 2, "exp {x}: {ours} {theirs}");
        }
        for far in [800.0, f64::INFINITY] {
            assert_eq!(exp(Lanes([far, -far])).0, [f64::INFINITY, 0.0]);
        }
        assert!(exp(Lanes([f64::NAN])).0[0].is_nan());
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

//! Standard normal numbers, two from 64 random bits, after Box and Muller, in single precision.
//!
//! 40 bits give the radius, 23 an angle in a half turn and one the other half. Each lies in the
//! middle of its cell, so that the law is symmetric and nothing is infinite: |z| ≤ 7.54.
//!
//! The 24 bits of the angle leave 4·10⁻⁷ of a number open, so that more than single precision would
//! be digits without meaning; twice as many numbers fit a register then. Rounding moves the
//! variance by 3·10⁻⁹.

/// −4 artanh(s)/s = −2 ln((1 + s)/(1 − s))/s in powers of s², |s| ≤ 0.1716; to 10⁻⁹.
const LOG: [f32; 4] = [-4.0, -1.333_335_5, -0.799_551_67, -0.597_415_9];

/// sin(πv)/v in powers of v², |v| ≤ ½; to 10⁻⁸.
const SINE: [f32; 5] = [
    std::f32::consts::PI,
    -5.167_714,
    2.550_125_8,
    -0.598_517,
    0.078_020_41,
];

/// cos(πv) in powers of v², |v| ≤ ½; to 10⁻⁹.
const COSINE: [f32; 6] = [
    1.0,
    -4.934_802,
    4.058_705_3,
    -1.335_161_6,
    0.234_683_72,
    -0.023_963_654,
];

/// Two independent standard normal numbers from each 64 bits: `first[i]` and `second[i]` from
/// `low[i]` and `high[i]`. All four are of one length.
///
/// Loops over numbers of one width are what compilers turn into vector instructions whole; two of
/// them, since more of a shorter chain of operations is under way at once.
#[inline(always)]
pub fn pairs_of_normals(low: &[u32], high: &[u32], first: &mut [f32], second: &mut [f32]) {
    let count = low.len();
    let (high, first, second) = (&high[..count], &mut first[..count], &mut second[..count]);
    for i in 0..count {
        first[i] = radius_square(low[i], high[i]);
    }
    for i in 0..count {
        let length = first[i].sqrt();
        let [cosine, sine] = direction(high[i]);
        [first[i], second[i]] = [length * cosine, length * sine];
    }
}

/// −2 ln u for u uniform in (0, 1), in the middle of one of 2⁴⁰ cells, rounded to 24 bits.
#[inline(always)]
fn radius_square(low: u32, high: u32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    const FRACTION: u32 = (1 << 23) - 1;
    // 16 and 24 bits, each a whole number that is exact; signed, since processors convert no
    // others.
    let upper = (low >> 16) as i32 as f32;
    let lower = (((low << 8) | (high >> 24)) & 0xFF_FFFF) as i32 as f32;
    let cells = upper.mul_add(16_777_216.0, lower + 0.5);
    // u = 2⁻⁴⁰ cells = 2^e m with m in [√½, √2).
    let shifted = cells.to_bits().wrapping_sub(SQRT_HALF + (40 << 23));
    let exponent = ((shifted as i32) >> 23) as f32;
    let m = f32::from_bits((shifted & FRACTION).wrapping_add(SQRT_HALF));
    let s = (m - 1.0) / (m + 1.0);
    exponent.mul_add(-2.0 * std::f32::consts::LN_2, s * polynomial(s * s, &LOG))
}

/// Cosine and sine of an angle uniform in the circle, in the middle of one of 2²⁴ cells.
#[inline(always)]
fn direction(high: u32) -> [f32; 2] {
    const HALF_CELL: u32 = 1 << 8;
    let half_turns = ((high << 9) | HALF_CELL) as i32 as f32 * 2.0_f32.powi(-32);
    let square = half_turns * half_turns;
    // The other half of the circle has the other sign of the cosine.
    let sign = (high << 8) & (1 << 31);
    let cosine = f32::from_bits(polynomial(square, &COSINE).to_bits() ^ sign);
    [cosine, half_turns * polynomial(square, &SINE)]
}

/// Evaluates Σ coefficients\[i\] xⁱ by Horner's rule.
#[inline(always)]
fn polynomial(x: f32, coefficients: &[f32]) -> f32 {
    let mut sum = coefficients[coefficients.len() - 1];
    for &c in coefficients[..coefficients.len() - 1].iter().rev() {
        sum = sum.mul_add(x, c);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::philox::{Purpose, StreamKey};
    use crate::simd::lanes::Words;

    /// The transform of the middle of the cells, by the system's functions, and the radius.
    fn exact(low: u32, high: u32) -> ([f64; 2], f64) {
        let cell = (u64::from(low) << 8) | u64::from(high >> 24);
        let uniform = (cell as f64 + 0.5) * 0.5_f64.powi(40);
        let half_turns = f64::from((high << 9) as i32 + 256) * 0.5_f64.powi(32);
        let sign = if high & 0x80_0000 == 0 { 1.0 } else { -1.0 };
        let length = (-2.0 * uniform.ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::PI * half_turns).sin_cos();
        ([sign * length * cosine, length * sine], length)
    }

    fn one_pair(low: u32, high: u32) -> [f32; 2] {
        let (mut first, mut second) = ([0.0], [0.0]);
        pairs_of_normals(&[low], &[high], &mut first, &mut second);
        [first[0], second[0]]
    }

    /// Errors of a radius r are 2⁻²⁴ of it, and of r², where u is rounded near one.
    #[test]
    fn numbers_are_the_transform_of_their_bits() {
        let key = StreamKey::new(1, Purpose::BrownianMotion, 0);
        let ends = [
            0,
            1,
            0x7F_FFFF,
            0x80_0000,
            0xFF_FFFF,
            u32::MAX - 1,
            u32::MAX,
        ];
        let random = (0..20_000).map(|draw| key.words(Words([3]), 0, draw)[0].0[0]);
        let pairs = ends
            .iter()
            .flat_map(|&low| ends.map(|high| (low, high)))
            .chain(random.map(|word| (word as u32, (word >> 32) as u32)));
        for (low, high) in pairs {
            let (exact, length) = exact(low, high);
            let unit = 2.0_f64.powi(-24);
            let allowed = (8.0 * unit * length).max(unit / length).max(8.0 * unit);
            for (ours, exact) in one_pair(low, high).iter().zip(exact) {
                let error = (f64::from(*ours) - exact).abs();
                assert!(error < allowed, "{low:x} {high:x}: {ours} {exact}");
            }
        }
    }

    #[test]
    fn every_length_gives_the_same_bits() {
        let bits: Vec<u32> = (0..67_u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
        let (low, high) = (&bits[..33], &bits[34..]);
        for count in 0..=33 {
            let (mut first, mut second) = (vec![0.0; count], vec![0.0; count]);
            pairs_of_normals(&low[..count], &high[..count], &mut first, &mut second);
            for i in 0..count {
                assert_eq!([first[i], second[i]], one_pair(low[i], high[i]));
            }
        }
    }

    /// Every angle has its mirror images, and half the square is in each direction.
    #[test]
    fn directions_are_symmetric() {
        let mut squares = [0.0; 2];
        for high in 0..1_u32 << 24 {
            let [cosine, sine] = direction(high);
            assert_eq!(direction(high ^ 0x80_0000)[0], -cosine);
            assert_eq!(direction(high ^ 0x7F_FFFF)[1], -sine);
            squares[0] += f64::from(cosine) * f64::from(cosine);
            squares[1] += f64::from(sine) * f64::from(sine);
        }
        for square in squares {
            assert!((square / f64::from(1 << 24) - 0.5).abs() < 1e-9, "{square}");
        }
    }
}

//! Lanes: N numbers that go through the same arithmetic side by side, one trajectory each.
//!
//! Every operation is elementwise IEEE double arithmetic in a fixed order, with fused
//! multiply-adds where they are written, so a lane has the same bits whatever N is, whatever its
//! neighbours hold, and whichever vector instructions the processor has.

use std::ops::{Add, AddAssign, BitAnd, BitOr, Div, Mul, Neg, Not, Sub, SubAssign};

/// How many trajectories a full block carries.
pub const BLOCK: usize = 8;

/// N double-precision numbers, one per trajectory.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(transparent)]
pub struct Lanes<const N: usize>(pub [f64; N]);

/// N truth values, all bits set where true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Mask<const N: usize>(pub [u64; N]);

/// N 64-bit words, for the random generator and for bit manipulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Words<const N: usize>(pub [u64; N]);

/// `body` for each lane, written out: loops that are unrolled by the compiler take it several times
/// as long.
macro_rules! for_each_lane {
    ($lane:ident, $lanes:ident, $body:expr) => {
        for_each_lane!($lane, $lanes, $body, 0 1 2 3 4 5 6 7);
        if const { $lanes > BLOCK } {
            for $lane in BLOCK..$lanes {
                $body
            }
        }
    };
    ($lane:ident, $lanes:ident, $body:expr, $($number:literal)*) => {$(
        if const { $number < $lanes } {
            let $lane = $number;
            $body
        }
    )*};
}

/// Applies `f` to each lane.
#[inline(always)]
fn map<A: Copy, B: Copy + Default, const N: usize>(a: [A; N], f: impl Fn(A) -> B) -> [B; N] {
    let mut out = [B::default(); N];
    for_each_lane!(lane, N, out[lane] = f(a[lane]));
    out
}

/// Applies `f` to each pair of lanes.
#[inline(always)]
fn zip<A: Copy, B: Copy + Default, const N: usize>(
    a: [A; N],
    b: [A; N],
    f: impl Fn(A, A) -> B,
) -> [B; N] {
    let mut out = [B::default(); N];
    for_each_lane!(lane, N, out[lane] = f(a[lane], b[lane]));
    out
}

impl<const N: usize> Lanes<N> {
    /// 0 in every lane.
    pub const ZERO: Self = Self([0.0; N]);
    /// Whether there is one lane only: a constant, so that what needs it is compiled for nothing
    /// else.
    pub const SINGLE: bool = N == 1;
    /// Whether they are a full block, likewise.
    pub const FULL: bool = N == BLOCK;
    /// 1 in every lane.
    pub const ONE: Self = Self([1.0; N]);

    /// The same number in every lane.
    #[inline(always)]
    pub fn splat(value: f64) -> Self {
        Self([value; N])
    }

    /// Numbers of single precision, which are exact.
    #[inline(always)]
    pub fn from_single(values: [f32; N]) -> Self {
        Self(map(values, f64::from))
    }

    /// self · factor + term, rounded once.
    #[inline(always)]
    pub fn mul_add(self, factor: Self, term: Self) -> Self {
        let mut out = [0.0; N];
        for_each_lane!(
            lane,
            N,
            out[lane] = self.0[lane].mul_add(factor.0[lane], term.0[lane])
        );
        Self(out)
    }

    /// The correctly rounded square root; NaN for negative numbers.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self(map(self.0, f64::sqrt))
    }

    /// The absolute value.
    #[inline(always)]
    pub fn abs(self) -> Self {
        Self(map(self.0, f64::abs))
    }

    /// |self| with the sign of `sign`.
    #[inline(always)]
    pub fn copysign(self, sign: Self) -> Self {
        Self(zip(self.0, sign.0, f64::copysign))
    }

    /// The larger of the two; the second if either is NaN.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        Self(zip(self.0, other.0, |a, b| if a > b { a } else { b }))
    }

    /// The larger of the two; NaN if either is NaN.
    #[inline(always)]
    pub fn max_or_nan(self, other: Self) -> Self {
        Self(zip(self.0, other.0, |a, b| {
            if a > b || a.is_nan() { a } else { b }
        }))
    }

    /// The smaller of the two; the second if either is NaN.
    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        Self(zip(self.0, other.0, |a, b| if a < b { a } else { b }))
    }

    /// Where self < other; false with NaN.
    #[inline(always)]
    pub fn less_than(self, other: Self) -> Mask<N> {
        Mask(zip(
            self.0,
            other.0,
            |a, b| if a < b { u64::MAX } else { 0 },
        ))
    }

    /// Where self ≤ other; false with NaN.
    #[inline(always)]
    pub fn at_most(self, other: Self) -> Mask<N> {
        Mask(zip(
            self.0,
            other.0,
            |a, b| if a <= b { u64::MAX } else { 0 },
        ))
    }

    /// `self` where `mask`, else `other`.
    #[inline(always)]
    pub fn select(self, mask: Mask<N>, other: Self) -> Self {
        let mut out = [0.0; N];
        for_each_lane!(lane, N, {
            let bits =
                (self.0[lane].to_bits() & mask.0[lane]) | (other.0[lane].to_bits() & !mask.0[lane]);
            out[lane] = f64::from_bits(bits);
        });
        Self(out)
    }

    /// The bits of each number.
    #[inline(always)]
    pub fn to_bits(self) -> Words<N> {
        Words(map(self.0, f64::to_bits))
    }

    /// 2^e for whole e, clamped to e ∈ [−1000, 1000].
    #[inline(always)]
    pub fn exp2_whole(self) -> Self {
        const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5 · 2^52: the whole part lands in the low bits
        let clamped = self.max(Self::splat(-1000.0)).min(Self::splat(1000.0));
        let whole = (clamped + Self::splat(SHIFT)).to_bits();
        Words(map(whole.0, |bits| bits.wrapping_add(1023) << 52)).to_f64()
    }
}

impl<const N: usize> Words<N> {
    /// The same word in every lane.
    #[inline(always)]
    pub fn splat(value: u64) -> Self {
        Self([value; N])
    }

    /// The numbers with these bits.
    #[inline(always)]
    pub fn to_f64(self) -> Lanes<N> {
        Lanes(map(self.0, f64::from_bits))
    }

    /// The low 32 bits of each word.
    #[inline(always)]
    pub fn low_halves(self) -> [u32; N] {
        map(self.0, |word| word as u32)
    }

    /// Applies `f` to each word.
    #[inline(always)]
    pub fn each(self, f: impl Fn(u64) -> u64) -> Self {
        Self(map(self.0, f))
    }

    /// Applies `f` to each pair of words.
    #[inline(always)]
    pub fn with(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(zip(self.0, other.0, f))
    }
}

impl<const N: usize> Mask<N> {
    /// False in every lane.
    pub const NONE: Self = Self([0; N]);
    /// True in every lane.
    pub const ALL: Self = Self([u64::MAX; N]);

    /// Whether any lane is true.
    #[inline(always)]
    pub fn any(self) -> bool {
        let mut all = 0;
        for_each_lane!(lane, N, all |= self.0[lane]);
        all != 0
    }

    /// Whether this lane is true.
    #[inline(always)]
    pub fn get(self, lane: usize) -> bool {
        self.0[lane] != 0
    }

    /// A mask that is true where `f` says so.
    pub fn from_fn(f: impl Fn(usize) -> bool) -> Self {
        Self(std::array::from_fn(
            |lane| if f(lane) { u64::MAX } else { 0 },
        ))
    }
}

macro_rules! elementwise {
    ($($trait:ident $method:ident $op:tt),*) => {$(
        impl<const N: usize> $trait for Lanes<N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let mut out = [0.0; N];
                for_each_lane!(lane, N, out[lane] = self.0[lane] $op other.0[lane]);
                Self(out)
            }
        }
    )*};
}
elementwise!(Add add +, Sub sub -, Mul mul *, Div div /);

impl<const N: usize> AddAssign for Lanes<N> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<const N: usize> SubAssign for Lanes<N> {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl<const N: usize> Neg for Lanes<N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(map(self.0, |a: f64| -a))
    }
}

impl<const N: usize> BitAnd for Mask<N> {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(zip(self.0, other.0, |a, b| a & b))
    }
}

impl<const N: usize> BitOr for Mask<N> {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(zip(self.0, other.0, |a, b| a | b))
    }
}

impl<const N: usize> Not for Mask<N> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(map(self.0, |a: u64| !a))
    }
}

/// The sum of a power of two of partial sums, halves added to halves.
#[inline(always)]
pub fn total<const PARTS: usize, const N: usize>(mut sums: [Lanes<N>; PARTS]) -> Lanes<N> {
    let mut half = PARTS / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

impl<const N: usize> serde::Serialize for Lanes<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de, const N: usize> serde::Deserialize<'de> for Lanes<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<f64>::deserialize(deserializer)?;
        let count = values.len();
        let wrong = |_| serde::de::Error::invalid_length(count, &"one number per lane");
        values.try_into().map(Self).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_exact_and_clamped() {
        for e in [-1000, -537, -1, 0, 1, 52, 999, 1000] {
            let power = Lanes::<3>::splat(f64::from(e)).exp2_whole();
            assert_eq!(power.0, [2f64.powi(e); 3]);
        }
        assert_eq!(Lanes::<1>::splat(-1e6).exp2_whole().0[0], 2f64.powi(-1000));
        assert_eq!(Lanes::<1>::splat(1e6).exp2_whole().0[0], 2f64.powi(1000));
    }

    #[test]
    fn the_larger_of_two_is_nan_where_either_is() {
        let (a, b) = (
            Lanes([1.0, f64::NAN, 1.0, f64::INFINITY]),
            Lanes([2.0, 2.0, f64::NAN, 3.0]),
        );
        let largest = a.max_or_nan(b).0;
        assert!(largest[1].is_nan() && largest[2].is_nan());
        assert_eq!((largest[0], largest[3]), (2.0, f64::INFINITY));
    }

    #[test]
    fn selection_keeps_bits() {
        let mask = Mask::from_fn(|lane| lane % 2 == 0);
        let chosen = Lanes([-0.0, 1.0, f64::NAN]).select(mask, Lanes([5.0, -0.0, 7.0]));
        assert_eq!(chosen.0[0].to_bits(), (-0.0f64).to_bits());
        assert_eq!(chosen.0[1].to_bits(), (-0.0f64).to_bits());
        assert!(chosen.0[2].is_nan());
    }
}

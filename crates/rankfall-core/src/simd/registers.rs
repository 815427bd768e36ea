//! Arithmetic on lanes in memory and on single registers of them, so that a formula is written
//! once.
//!
//! [`Lanes`] and [`Words`] leave it to the compiler to fill registers, which it does well in loops
//! over memory. Where numbers are to stay in registers, or what is done to them in the order
//! written, it has to be told: [`Register`] and [`WordRegister`].

use std::ops::{Add, Mul, Neg, Sub};

use pulp::Simd;

use crate::simd::lanes::{Lanes, Words};

/// Vector instructions, with what the random generator needs beside [`Simd`].
pub trait VectorInstructions: Simd {
    /// The 64-bit products of the low halves.
    fn multiply_low_halves(self, a: Self::u64s, b: Self::u64s) -> Self::u64s;
    /// The high half of each word.
    fn high_halves(self, words: Self::u64s) -> Self::u64s;
    /// Writes the low half of each word.
    fn write_low_halves(self, words: Self::u64s, out: &mut [u32]);
}

/// Numbers that go through the same elementwise IEEE double arithmetic side by side.
pub trait Arithmetic:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    /// The same number everywhere, as many as there are in `self`.
    fn splat_like(self, value: f64) -> Self;
    /// self · factor + term, rounded once.
    fn mul_add(self, factor: Self, term: Self) -> Self;
}

impl<const N: usize> Arithmetic for Lanes<N> {
    #[inline(always)]
    fn splat_like(self, value: f64) -> Self {
        Self::splat(value)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        Lanes::mul_add(self, factor, term)
    }
}

/// As many lanes of a block as a register of `S` holds.
#[derive(Clone, Copy)]
pub struct Register<S: Simd> {
    simd: S,
    values: S::f64s,
}

impl<S: Simd> Register<S> {
    /// Zeros.
    #[inline(always)]
    pub fn zero(simd: S) -> Self {
        let values = simd.splat_f64s(0.0);
        Self { simd, values }
    }

    /// The lanes of part `part` of those that fill a register each.
    #[inline(always)]
    pub fn read<const N: usize>(simd: S, lanes: &Lanes<N>, part: usize) -> Self {
        let values = S::as_simd_f64s(&lanes.0).0[part];
        Self { simd, values }
    }

    /// Replaces that part of `lanes`.
    #[inline(always)]
    pub fn write<const N: usize>(self, lanes: &mut Lanes<N>, part: usize) {
        S::as_mut_simd_f64s(&mut lanes.0).0[part] = self.values;
    }
}

impl<S: Simd> Arithmetic for Register<S> {
    #[inline(always)]
    fn splat_like(self, value: f64) -> Self {
        let values = self.simd.splat_f64s(value);
        Self { values, ..self }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        let values = (self.simd).mul_add_f64s(self.values, factor.values, term.values);
        Self { values, ..self }
    }
}

impl<S: Simd> Add for Register<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let values = self.simd.add_f64s(self.values, other.values);
        Self { values, ..self }
    }
}

impl<S: Simd> Sub for Register<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let values = self.simd.sub_f64s(self.values, other.values);
        Self { values, ..self }
    }
}

impl<S: Simd> Mul for Register<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let values = self.simd.mul_f64s(self.values, other.values);
        Self { values, ..self }
    }
}

impl<S: Simd> Neg for Register<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        let values = self.simd.neg_f64s(self.values);
        Self { values, ..self }
    }
}

/// Words of a counter that go through the rounds of the generator side by side.
pub trait CounterWord: Copy {
    /// The same word everywhere, as many as there are in `self`.
    fn splat_like(self, word: u64) -> Self;
    /// The 64-bit product of the low half of each word with `multiplier`, of 32 bits.
    fn times(self, multiplier: u64) -> Self;
    /// The high half of each word, xor the other, xor the key.
    fn high_xor(self, other: Self, key: u64) -> Self;
    /// Each word xor the key.
    fn xor(self, key: u64) -> Self;
}

impl<const N: usize> CounterWord for Words<N> {
    #[inline(always)]
    fn splat_like(self, word: u64) -> Self {
        Self::splat(word)
    }

    #[inline(always)]
    fn times(self, multiplier: u64) -> Self {
        // The mask tells the compiler that one 32 × 32 product will do.
        self.each(|word| (word & 0xFFFF_FFFF).wrapping_mul(multiplier))
    }

    #[inline(always)]
    fn high_xor(self, other: Self, key: u64) -> Self {
        self.with(other, |word, other| (word >> 32) ^ (other ^ key))
    }

    #[inline(always)]
    fn xor(self, key: u64) -> Self {
        self.each(|word| word ^ key)
    }
}

/// As many words as a register of `S` holds.
#[derive(Clone, Copy)]
pub struct WordRegister<S: Simd> {
    simd: S,
    words: S::u64s,
}

impl<S: VectorInstructions> WordRegister<S> {
    /// The words of part `part` of those that fill a register each.
    #[inline(always)]
    pub fn read<const N: usize>(simd: S, words: &Words<N>, part: usize) -> Self {
        let words = S::as_simd_u64s(&words.0).0[part];
        Self { simd, words }
    }

    /// Writes the low half of each word to that part of `out`.
    #[inline(always)]
    pub fn write_low_halves<const N: usize>(self, out: &mut [u32; N], part: usize) {
        let out = &mut out[part * S::U64_LANES..(part + 1) * S::U64_LANES];
        self.simd.write_low_halves(self.words, out);
    }
}

impl<S: VectorInstructions> CounterWord for WordRegister<S> {
    #[inline(always)]
    fn splat_like(self, word: u64) -> Self {
        let words = self.simd.splat_u64s(word);
        Self { words, ..self }
    }

    #[inline(always)]
    fn times(self, multiplier: u64) -> Self {
        let words = (self.simd).multiply_low_halves(self.words, self.splat_like(multiplier).words);
        Self { words, ..self }
    }

    #[inline(always)]
    fn high_xor(self, other: Self, key: u64) -> Self {
        let high = self.simd.high_halves(self.words);
        let words = self.simd.xor_u64s(high, other.xor(key).words);
        Self { words, ..self }
    }

    #[inline(always)]
    fn xor(self, key: u64) -> Self {
        let words = self.simd.xor_u64s(self.words, self.splat_like(key).words);
        Self { words, ..self }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use pulp::x86::{V3, V4};
    use pulp::{cast, u32x4, u32x8, u64x4, u64x8};

    use super::VectorInstructions;

    impl VectorInstructions for V3 {
        #[inline(always)]
        fn multiply_low_halves(self, a: u64x4, b: u64x4) -> u64x4 {
            cast(self.avx2._mm256_mul_epu32(cast(a), cast(b)))
        }

        #[inline(always)]
        fn high_halves(self, words: u64x4) -> u64x4 {
            cast(self.avx2._mm256_srli_epi64::<32>(cast(words)))
        }

        #[inline(always)]
        fn write_low_halves(self, words: u64x4, out: &mut [u32]) {
            let even = cast(u32x8(0, 2, 4, 6, 0, 2, 4, 6));
            let low = cast::<_, u32x8>(self.avx2._mm256_permutevar8x32_epi32(cast(words), even));
            out.copy_from_slice(&cast::<_, [u32; 4]>(u32x4(low.0, low.1, low.2, low.3)));
        }
    }

    impl VectorInstructions for V4 {
        #[inline(always)]
        fn multiply_low_halves(self, a: u64x8, b: u64x8) -> u64x8 {
            cast(self.avx512f._mm512_mul_epu32(cast(a), cast(b)))
        }

        #[inline(always)]
        fn high_halves(self, words: u64x8) -> u64x8 {
            cast(self.avx512f._mm512_srli_epi64::<32>(cast(words)))
        }

        #[inline(always)]
        fn write_low_halves(self, words: u64x8, out: &mut [u32]) {
            let low: u32x8 = cast(self.avx512f._mm512_cvtepi64_epi32(cast(words)));
            out.copy_from_slice(&cast::<_, [u32; 8]>(low));
        }
    }
}

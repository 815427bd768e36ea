//! Arithmetic on lanes in memory and on single registers of them, so that a formula is written once.
//!
//! [`Lanes`] leave it to the compiler to fill registers, which it does well in loops over memory. Where numbers
//! are to stay in registers, it has to be told: [`Register`].

use std::ops::{Add, Mul, Neg, Sub};

use pulp::Simd;

use crate::lanes::{BLOCK, Lanes};

/// Numbers that go through the same elementwise IEEE double arithmetic side by side.
pub trait Arithmetic:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    /// The same number everywhere, as many as there are in `self`.
    fn alike(self, value: f64) -> Self;
    /// self · factor + term, rounded once.
    fn mul_add(self, factor: Self, term: Self) -> Self;
}

impl<const N: usize> Arithmetic for Lanes<N> {
    #[inline(always)]
    fn alike(self, value: f64) -> Self {
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
    pub fn read(simd: S, lanes: &Lanes<BLOCK>, part: usize) -> Self {
        let values = S::as_simd_f64s(&lanes.0).0[part];
        Self { simd, values }
    }

    /// Replaces that part of `lanes`.
    #[inline(always)]
    pub fn write(self, lanes: &mut Lanes<BLOCK>, part: usize) {
        S::as_mut_simd_f64s(&mut lanes.0).0[part] = self.values;
    }
}

impl<S: Simd> Arithmetic for Register<S> {
    #[inline(always)]
    fn alike(self, value: f64) -> Self {
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

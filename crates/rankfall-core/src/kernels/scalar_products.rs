//! Sums over the entries of columns, lane by lane, each in one order for every choice of
//! instructions.

use crate::kernels::rowwise;
use crate::simd::lanes::{Lanes, total};

/// Σ xᵢ² per lane.
#[inline(always)]
pub fn sum_of_squares<const N: usize>(x: &[Lanes<N>]) -> Lanes<N> {
    dot(x, x)
}

/// Σ xᵢ yᵢ per lane, in partial sums that need not wait for each other, and more of them where they
/// fill the registers of a single lane.
#[inline(always)]
pub fn dot<const N: usize>(x: &[Lanes<N>], y: &[Lanes<N>]) -> Lanes<N> {
    if Lanes::<N>::SINGLE && rowwise::applies::<N>(x.len()) {
        rowwise::scalar_product(x, y)
    } else if x.len() >= 8 {
        dot_in::<4, N>(x, y)
    } else {
        dot_in::<1, N>(x, y)
    }
}

#[inline(always)]
fn dot_in<const PARTS: usize, const N: usize>(x: &[Lanes<N>], y: &[Lanes<N>]) -> Lanes<N> {
    let (x, last_x) = x.as_chunks::<PARTS>();
    let (y, last_y) = y.as_chunks::<PARTS>();
    let mut sums = [Lanes::ZERO; PARTS];
    for (a, b) in x.iter().zip(y) {
        for i in 0..PARTS {
            sums[i] = a[i].mul_add(b[i], sums[i]);
        }
    }
    let mut sum = total(sums);
    for (&a, &b) in last_x.iter().zip(last_y) {
        sum = a.mul_add(b, sum);
    }
    sum
}

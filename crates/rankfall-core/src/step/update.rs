//! One step Θ ← (left factor) Θ, given the increment ΔG: Euler–Maruyama and the two Lie–Euler
//! steps.
//!
//! H(G) = [[0, G], [Gᵀ, 0]] is never formed. With K = GᵀG,
//! exp H(G) = [[I + G φ₂ Gᵀ, G φ₁], [φ₁ Gᵀ, I + K φ₂]],
//! φ₁ = Σ Kʲ/(2j+1)!, φ₂ = Σ Kʲ/(2j+2)!, so only k × k series are needed (p × p where p < k).

use crate::kernels::Variant;
use crate::kernels::action::Action;
use crate::kernels::halves::{Halves, halves, shared_halves};
use crate::kernels::series::SERIES_BOUND;
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};

/// 0.45¹⁵/15! < 10⁻¹⁷, for the exponential of H(G) plus a small diagonal.
const TAYLOR_TERMS: usize = 15;

/// Shapes and scratch of the updates of N trajectories.
pub struct Update<const N: usize> {
    inputs: usize,
    outputs: usize,
    halves: Halves,
    /// The increment, tall × short row-major, where it is not the one that was given.
    increment: LaneVec<N>,
    /// The damping, where not all lanes have it.
    damping: LaneVec<N>,
    ones: LaneVec<N>,
    column: [LaneVec<N>; 2],
    action: Action<N>,
    instructions: Instructions,
}

impl<const N: usize> Update<N> {
    /// For p inputs and k outputs.
    pub fn new(inputs: usize, outputs: usize, instructions: Instructions) -> Self {
        let (tall, short) = (inputs.max(outputs), inputs.min(outputs));
        let zeros = |count| LaneVec::zeros(count);
        let halves = Halves {
            tall,
            short,
            tall_first: inputs >= outputs,
        };
        Self {
            inputs,
            outputs,
            halves,
            increment: zeros(tall * short),
            damping: zeros(tall + short),
            ones: LaneVec::filled(Lanes::ONE, tall + short),
            column: [zeros(tall + short), zeros(tall + short)],
            action: Action::new(halves, Variant::of::<N>(inputs, outputs), instructions),
            instructions,
        }
    }

    /// I + H(ΔG): Euler–Maruyama, and one step of any descent. `increment` is p × k row-major, zero
    /// in lanes that are to stay as they are; `columns` the columns of Θ, each of length p + k.
    #[inline(always)]
    pub fn euler(&mut self, increment: &[Lanes<N>], columns: &mut [Lanes<N>]) {
        let g = if self.halves.tall_first {
            increment
        } else {
            self.take_increment(increment);
            &self.increment
        };
        self.action.euler(g, columns);
    }

    /// exp(H(ΔG)) diag(damping): the split Lie–Euler step. `increment` is zero outside `mask`;
    /// `damping` has p + k entries, and is applied in the lanes of `mask`.
    #[inline(always)]
    pub fn exponential(
        &mut self,
        increment: &[Lanes<N>],
        square: Lanes<N>,
        damping: &[Lanes<N>],
        columns: &mut [Lanes<N>],
        mask: Mask<N>,
    ) {
        let large = Lanes::splat(SERIES_BOUND).less_than(square) & mask;
        let as_given = self.halves.tall_first && !large.any();
        if !as_given {
            self.take_increment(increment);
        }
        let repeats = self.halve(square, large);
        let most = largest(repeats);
        for repeat in 0..most {
            let going = Lanes::splat(f64::from(repeat)).less_than(repeats);
            if repeat > 0 && (mask & !going).any() {
                self.zero_outside(going);
            }
            let g = if as_given { increment } else { &self.increment };
            let damping = match repeat {
                0 => damping_of(mask, damping, &mut self.damping),
                _ => &self.ones,
            };
            self.action.exponential(g, damping, columns);
        }
    }

    /// exp(H(ΔG) + diag(rate)): the unsplit Lie–Euler step. `increment` is zero outside `mask`;
    /// `rate` has p + k entries. Compiled by itself, as it is long and rare.
    pub fn exponential_unsplit(
        &mut self,
        increment: &[Lanes<N>],
        square: Lanes<N>,
        rate: &[Lanes<N>],
        columns: &mut [Lanes<N>],
        mask: Mask<N>,
    ) {
        let instructions = self.instructions;
        Unsplit {
            update: self,
            increment,
            square,
            rate,
            columns,
            mask,
        }
        .run_on(instructions);
    }

    /// Copies ΔG with the longer side first.
    #[inline(always)]
    fn take_increment(&mut self, increment: &[Lanes<N>]) {
        if self.halves.tall_first {
            self.increment.copy_from_slice(increment);
        } else {
            for a in 0..self.inputs {
                for b in 0..self.outputs {
                    let given = increment[a * self.outputs + b];
                    self.increment[b * self.halves.short + a] = given;
                }
            }
        }
    }

    #[inline(always)]
    fn zero_outside(&mut self, mask: Mask<N>) {
        for entry in &mut self.increment {
            *entry = entry.select(mask, Lanes::ZERO);
        }
    }

    /// diag(damping).
    #[inline(always)]
    pub fn damp(&mut self, damping: &[Lanes<N>], columns: &mut [Lanes<N>], mask: Mask<N>) {
        damp(damping_of(mask, damping, &mut self.damping), columns);
    }

    /// Divides the increment of the lanes of `large` by the power of two that brings `square` under
    /// the bound of the series, and returns it: so many times the step has to be applied.
    #[inline(always)]
    fn halve(&mut self, square: Lanes<N>, large: Mask<N>) -> Lanes<N> {
        if !large.any() {
            return Lanes::ONE;
        }
        let bound = Lanes::splat(SERIES_BOUND);
        let mut repeats = Lanes::ONE;
        let mut left = square.select(large, Lanes::ZERO);
        loop {
            let above = bound.less_than(left);
            if !above.any() {
                break;
            }
            repeats = (repeats + repeats).select(above, repeats);
            left = (left * Lanes::splat(0.25)).select(above, left);
        }
        let share = Lanes::ONE / repeats;
        for entry in &mut self.increment {
            *entry = *entry * share;
        }
        repeats
    }

    /// exp(H(G) + share · diag(rate)) on one column by its Taylor series.
    #[inline(always)]
    fn taylor(&mut self, column: &mut [Lanes<N>], rate: &[Lanes<N>], share: Lanes<N>) {
        let Halves {
            short, tall_first, ..
        } = self.halves;
        let [term, next] = &mut self.column;
        term.copy_from_slice(column);
        for j in 1..=TAYLOR_TERMS {
            for ((out, &own), &r) in next.iter_mut().zip(term.iter()).zip(rate) {
                *out = own * r * share;
            }
            multiply_symmetric(&self.increment, short, term, next, tall_first);
            let factor = Lanes::splat(1.0 / j as f64);
            for ((sum, own), &new) in column.iter_mut().zip(term.iter_mut()).zip(next.iter()) {
                *own = new * factor;
                *sum += *own;
            }
        }
    }
}

/// The work of [`Update::exponential_unsplit`].
struct Unsplit<'a, const N: usize> {
    update: &'a mut Update<N>,
    increment: &'a [Lanes<N>],
    square: Lanes<N>,
    rate: &'a [Lanes<N>],
    columns: &'a mut [Lanes<N>],
    mask: Mask<N>,
}

impl<const N: usize> LaneWork for Unsplit<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        let Self {
            update,
            increment,
            square,
            rate,
            columns,
            mask,
        } = self;
        update.take_increment(increment);
        let steepest = rate.iter().fold(Lanes::ZERO, |a, b| a.max(b.abs()));
        let bound = square.sqrt() + steepest;
        let square = bound * bound;
        let repeats = update.halve(square, Lanes::splat(SERIES_BOUND).less_than(square) & mask);
        let share = Lanes::ONE / repeats;
        for repeat in 0..largest(repeats) {
            let going = Lanes::splat(f64::from(repeat)).less_than(repeats) & mask;
            if (mask & !going).any() {
                update.zero_outside(going);
            }
            for column in columns.chunks_exact_mut(update.inputs + update.outputs) {
                update.taylor(column, rate, share.select(going, Lanes::ZERO));
            }
        }
    }
}

/// The largest of whole numbers of at least one.
#[inline(always)]
fn largest<const N: usize>(repeats: Lanes<N>) -> u32 {
    repeats
        .0
        .iter()
        .fold(1.0_f64, |a, &b| if b > a { b } else { a }) as u32
}

/// `damping` in the lanes of `mask`, 1 in the others.
#[inline(always)]
fn damping_of<'a, const N: usize>(
    mask: Mask<N>,
    damping: &'a [Lanes<N>],
    scratch: &'a mut [Lanes<N>],
) -> &'a [Lanes<N>] {
    if !(!mask).any() {
        return damping;
    }
    for (own, factor) in scratch.iter_mut().zip(damping) {
        *own = factor.select(mask, Lanes::ONE);
    }
    scratch
}

/// diag(damping) on every column.
#[inline(always)]
fn damp<const N: usize>(damping: &[Lanes<N>], columns: &mut [Lanes<N>]) {
    for column in columns.chunks_exact_mut(damping.len()) {
        for i in 0..damping.len() {
            column[i] = column[i] * damping[i];
        }
    }
}

/// out += H(G) from, with G tall × short row-major.
#[inline(always)]
fn multiply_symmetric<const N: usize>(
    increment: &[Lanes<N>],
    short: usize,
    from: &[Lanes<N>],
    out: &mut [Lanes<N>],
    tall_first: bool,
) {
    let tall = from.len() - short;
    let (from_tall, from_short) = shared_halves(from, tall, short, tall_first);
    let (out_tall, out_short) = halves(out, tall, short, tall_first);
    for ((entry, &x), row) in out_tall
        .iter_mut()
        .zip(from_tall)
        .zip(increment.chunks_exact(short))
    {
        let mut sum = *entry;
        for ((&g, &y), target) in row.iter().zip(from_short).zip(out_short.iter_mut()) {
            sum = g.mul_add(y, sum);
            *target = g.mul_add(x, *target);
        }
        *entry = sum;
    }
}

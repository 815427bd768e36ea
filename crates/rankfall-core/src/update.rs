//! One step Θ ← (left factor) Θ, given the increment ΔG: Euler–Maruyama and the two Lie–Euler
//! steps.
//!
//! H(G) = [[0, G], [Gᵀ, 0]] is never formed. With K = GᵀG,
//! exp H(G) = [[I + G φ₂ Gᵀ, G φ₁], [φ₁ Gᵀ, I + K φ₂]],
//! φ₁ = Σ Kʲ/(2j+1)!, φ₂ = Σ Kʲ/(2j+2)!, so only k × k series are needed (p × p where p < k).

use crate::columns::Columns;
use crate::lanes::{Lanes, Mask};
use crate::products::Products;

mod fixed;
mod tiled;

use tiled::{Halves, Tiled};

/// Series are summed where ‖G‖²_F is at most this; larger increments are halved first.
const SERIES_BOUND: f64 = 0.2;

/// 0.2⁷/15! < 10⁻¹⁷: the first term left out.
const SERIES_TERMS: usize = 7;

/// 1/(2j + 1)! and 1/(2j + 2)! from the highest j to 0.
const SERIES: [(f64, f64); SERIES_TERMS] = series();

const fn series() -> [(f64, f64); SERIES_TERMS] {
    let mut out = [(0.0, 0.0); SERIES_TERMS];
    let (mut factorial, mut j) = (1.0, 0);
    while j < SERIES_TERMS {
        let odd = factorial * if j == 0 { 1.0 } else { (2 * j + 1) as f64 };
        let even = odd * (2 * j + 2) as f64;
        out[SERIES_TERMS - 1 - j] = (1.0 / odd, 1.0 / even);
        factorial = even;
        j += 1;
    }
    out
}

/// 0.45¹⁵/15! < 10⁻¹⁷, for the exponential of H(G) plus a small diagonal.
const TAYLOR_TERMS: usize = 15;

/// Shapes and scratch of the updates of N trajectories.
pub struct Update<const N: usize> {
    inputs: usize,
    outputs: usize,
    halves: Halves,
    /// The increment, tall × short row-major.
    increment: Vec<Lanes<N>>,
    /// K, and after the series K φ₂ = cosh − I.
    gram: Vec<Lanes<N>>,
    phi_one: Vec<Lanes<N>>,
    phi_two: Vec<Lanes<N>>,
    scratch: Vec<Lanes<N>>,
    spare: Vec<Lanes<N>>,
    column: [Vec<Lanes<N>>; 2],
    tiled: Tiled<N>,
}

impl<const N: usize> Update<N> {
    /// For p inputs and k outputs.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let (tall, short) = (inputs.max(outputs), inputs.min(outputs));
        let zeros = |count| vec![Lanes::ZERO; count];
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
            gram: zeros(short * short),
            phi_one: zeros(short * short),
            phi_two: zeros(short * short),
            scratch: zeros(short * short),
            spare: zeros(short * short),
            column: [zeros(inputs + outputs), zeros(inputs + outputs)],
            tiled: Tiled::new(halves),
        }
    }

    /// I + H(ΔG): Euler–Maruyama, and one step of any descent. `increment` is p × k row-major,
    /// `columns` the columns of Θ, each of length p + k; lanes outside `mask` stay as they are.
    #[inline(always)]
    pub fn euler(&mut self, increment: &[Lanes<N>], columns: &mut [Lanes<N>], mask: Mask<N>) {
        self.take_increment(increment, mask);
        let Halves {
            tall,
            short,
            tall_first,
        } = self.halves;
        let g = &self.increment;
        let rowwise = Products::<N>::of_rows(self.halves.rows()).rowwise();
        match short {
            1 if !rowwise => fixed::euler::<1, N>(g, columns, tall, tall_first),
            2 if !rowwise => fixed::euler::<2, N>(g, columns, tall, tall_first),
            3 if !rowwise => fixed::euler::<3, N>(g, columns, tall, tall_first),
            4 if !rowwise => fixed::euler::<4, N>(g, columns, tall, tall_first),
            _ => {
                self.tiled.take_increment(g);
                self.tiled.euler(columns);
            }
        }
    }

    /// exp(H(ΔG)) diag(damping): the split Lie–Euler step. `damping` has p + k entries.
    #[inline(always)]
    pub fn exponential(
        &mut self,
        increment: &[Lanes<N>],
        square: Lanes<N>,
        damping: &[Lanes<N>],
        columns: &mut [Lanes<N>],
        mask: Mask<N>,
    ) {
        self.take_increment(increment, mask);
        self.damp(damping, columns, mask);
        let repeats = self.halve(square, mask);
        let most = repeats
            .0
            .iter()
            .fold(1.0_f64, |a, &b| if b > a { b } else { a }) as u32;
        for repeat in 0..most {
            let going = Lanes::splat(f64::from(repeat)).less_than(repeats);
            if repeat > 0 && (mask & !going).any() {
                self.zero_outside(going);
            }
            self.apply_exponential(columns);
        }
    }

    /// exp H(G) on every column.
    #[inline(always)]
    fn apply_exponential(&mut self, columns: &mut [Lanes<N>]) {
        let Halves {
            tall,
            short,
            tall_first,
        } = self.halves;
        let g = &self.increment;
        let rowwise = Products::<N>::of_rows(self.halves.rows()).rowwise();
        match short {
            1 if !rowwise => fixed::exponential::<1, N>(g, columns, tall, tall_first),
            2 if !rowwise => fixed::exponential::<2, N>(g, columns, tall, tall_first),
            3 if !rowwise => fixed::exponential::<3, N>(g, columns, tall, tall_first),
            4 if !rowwise => fixed::exponential::<4, N>(g, columns, tall, tall_first),
            _ => {
                self.tiled.take_increment(g);
                self.sum_series();
                let series = [&self.gram[..], &self.phi_one, &self.phi_two];
                self.tiled.exponential(series, columns);
            }
        }
    }

    /// exp(H(ΔG) + diag(rate)): the unsplit Lie–Euler step. `rate` has p + k entries.
    #[inline(always)]
    pub fn exponential_unsplit(
        &mut self,
        increment: &[Lanes<N>],
        square: Lanes<N>,
        rate: &[Lanes<N>],
        columns: &mut [Lanes<N>],
        mask: Mask<N>,
    ) {
        self.take_increment(increment, mask);
        let largest = rate.iter().fold(Lanes::ZERO, |a, b| a.max(b.abs()));
        let bound = square.sqrt() + largest;
        let repeats = self.halve(bound * bound, mask);
        let most = repeats
            .0
            .iter()
            .fold(1.0_f64, |a, &b| if b > a { b } else { a }) as u32;
        let share = Lanes::ONE / repeats;
        for repeat in 0..most {
            let going = Lanes::splat(f64::from(repeat)).less_than(repeats) & mask;
            if (mask & !going).any() {
                self.zero_outside(going);
            }
            for column in columns.chunks_exact_mut(self.inputs + self.outputs) {
                self.taylor(column, rate, share.where_else(going, Lanes::ZERO));
            }
        }
    }

    /// Copies ΔG with the longer side first; zero in the lanes that do not move.
    #[inline(always)]
    fn take_increment(&mut self, increment: &[Lanes<N>], mask: Mask<N>) {
        if self.halves.tall_first {
            for (own, &given) in self.increment.iter_mut().zip(increment) {
                *own = given.where_else(mask, Lanes::ZERO);
            }
        } else {
            for a in 0..self.inputs {
                for b in 0..self.outputs {
                    let given = increment[a * self.outputs + b];
                    self.increment[b * self.halves.short + a] = given.where_else(mask, Lanes::ZERO);
                }
            }
        }
    }

    #[inline(always)]
    fn zero_outside(&mut self, mask: Mask<N>) {
        for entry in &mut self.increment {
            *entry = entry.where_else(mask, Lanes::ZERO);
        }
    }

    /// diag(damping).
    #[inline(always)]
    pub fn damp(&self, damping: &[Lanes<N>], columns: &mut [Lanes<N>], mask: Mask<N>) {
        for column in columns.chunks_exact_mut(damping.len()) {
            for (entry, &factor) in column.iter_mut().zip(damping) {
                *entry = *entry * factor.where_else(mask, Lanes::ONE);
            }
        }
    }

    /// Divides each lane's increment by the power of two that brings `square` under the bound of
    /// the series, and returns it: so many times the step has to be applied.
    #[inline(always)]
    fn halve(&mut self, square: Lanes<N>, mask: Mask<N>) -> Lanes<N> {
        let bound = Lanes::splat(SERIES_BOUND);
        let large = bound.less_than(square) & mask;
        if !large.any() {
            return Lanes::ONE;
        }
        let mut repeats = Lanes::ONE;
        let mut left = square.where_else(large, Lanes::ZERO);
        loop {
            let above = bound.less_than(left);
            if !above.any() {
                break;
            }
            repeats = (repeats + repeats).where_else(above, repeats);
            left = (left * Lanes::splat(0.25)).where_else(above, left);
        }
        let share = Lanes::ONE / repeats;
        for entry in &mut self.increment {
            *entry = *entry * share;
        }
        repeats
    }

    /// K, φ₁(K) and φ₂(K) by Horner's rule.
    #[inline(always)]
    fn sum_series(&mut self) {
        let q = self.halves.short;
        let sizes = [q, self.halves.rows()];
        self.tiled.gram(&mut self.gram);
        let [(odd, even), lower @ ..] = &SERIES;
        set_identity(&mut self.phi_one, q, Lanes::splat(*odd));
        set_identity(&mut self.phi_two, q, Lanes::splat(*even));
        for &(odd, even) in lower {
            horner(&self.gram, &mut self.phi_one, &mut self.scratch, sizes, odd);
            horner(
                &self.gram,
                &mut self.phi_two,
                &mut self.scratch,
                sizes,
                even,
            );
        }
        self.scratch.copy_from_slice(&self.phi_two);
        horner(&self.gram, &mut self.scratch, &mut self.spare, sizes, 0.0);
        self.gram.copy_from_slice(&self.scratch);
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

/// The tall and the short half of a column (W₁ above W₂ᵀ).
#[inline(always)]
fn halves<T>(
    column: &mut [T],
    tall: usize,
    short: usize,
    tall_first: bool,
) -> (&mut [T], &mut [T]) {
    if tall_first {
        column.split_at_mut(tall)
    } else {
        let (y, x) = column.split_at_mut(short);
        (x, y)
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
    let (from_tall, from_short) = if tall_first {
        from.split_at(tall)
    } else {
        let (y, x) = from.split_at(short);
        (x, y)
    };
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

#[inline(always)]
fn set_identity<const N: usize>(matrix: &mut [Lanes<N>], size: usize, value: Lanes<N>) {
    matrix.fill(Lanes::ZERO);
    for s in 0..size {
        matrix[s * size + s] = value;
    }
}

/// φ ← K φ + c I, both symmetric, for Θ of so many rows.
#[inline(always)]
fn horner<const N: usize>(
    gram: &[Lanes<N>],
    phi: &mut [Lanes<N>],
    scratch: &mut [Lanes<N>],
    [size, rows]: [usize; 2],
    constant: f64,
) {
    set_identity(scratch, size, Lanes::splat(constant));
    let [gram, factors] = [gram, phi].map(|matrix| Columns::whole(&matrix[..size * size], size));
    Products::of_rows(rows).add_combinations(gram, factors, &mut scratch[..size * size], size);
    phi.copy_from_slice(&scratch[..size * size]);
}

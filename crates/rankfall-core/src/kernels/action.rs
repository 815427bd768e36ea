//! What a step does to columns, given the increment with its longer side first: compiled for shapes
//! with a short side of up to four, by products for all others.

use crate::kernels::Variant;
use crate::kernels::columns::Columns;
use crate::kernels::fixed;
use crate::kernels::halves::Halves;
use crate::kernels::products::Products;
use crate::kernels::series::SERIES;
use crate::kernels::tiled::TiledUpdate;
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;

/// Shapes, and scratch of those that are not compiled.
pub struct Action<const N: usize> {
    halves: Halves,
    variant: Variant,
    instructions: Instructions,
    /// K, and after the series K φ₂ = cosh − I.
    gram: LaneVec<N>,
    phi_one: LaneVec<N>,
    phi_two: LaneVec<N>,
    scratch: LaneVec<N>,
    spare: LaneVec<N>,
    tiled: TiledUpdate<N>,
}

impl<const N: usize> Action<N> {
    pub fn new(halves: Halves, variant: Variant, instructions: Instructions) -> Self {
        let square = || LaneVec::zeros(halves.short * halves.short);
        Self {
            halves,
            variant,
            instructions,
            gram: square(),
            phi_one: square(),
            phi_two: square(),
            scratch: square(),
            spare: square(),
            tiled: TiledUpdate::new(halves),
        }
    }

    /// I + H(G) on every column; G tall × short row-major.
    ///
    /// Compiled by itself and not into every step that has one, as it is large; of one trajectory
    /// it is so short that a call would be felt.
    #[inline(always)]
    pub fn euler(&mut self, g: &[Lanes<N>], columns: &mut [Lanes<N>]) {
        if Lanes::<N>::SINGLE {
            return self.euler_here(g, columns);
        }
        let instructions = self.instructions;
        Euler {
            action: self,
            g,
            columns,
        }
        .run_on(instructions);
    }

    #[inline(always)]
    fn euler_here(&mut self, g: &[Lanes<N>], columns: &mut [Lanes<N>]) {
        let Halves {
            tall,
            short,
            tall_first,
        } = self.halves;
        match short {
            1 if self.fixed() => fixed::euler::<1, _>(g, columns, tall, tall_first),
            2 if self.fixed() => fixed::euler::<2, _>(g, columns, tall, tall_first),
            3 if self.fixed() => fixed::euler::<3, _>(g, columns, tall, tall_first),
            4 if self.fixed() => fixed::euler::<4, _>(g, columns, tall, tall_first),
            _ => {
                self.tiled.take_increment(g);
                self.tiled.euler(columns);
            }
        }
    }

    /// exp(H(G)) diag(damping) on every column; compiled by itself likewise.
    #[inline(always)]
    pub fn exponential(&mut self, g: &[Lanes<N>], damping: &[Lanes<N>], columns: &mut [Lanes<N>]) {
        let instructions = self.instructions;
        Exponential {
            action: self,
            g,
            damping,
            columns,
        }
        .run_on(instructions);
    }

    #[inline(always)]
    fn exponential_here(&mut self, g: &[Lanes<N>], damping: &[Lanes<N>], columns: &mut [Lanes<N>]) {
        let first = self.halves.tall_first;
        match self.halves.short {
            1 if self.fixed() => fixed::exponential::<1, _>(g, damping, columns, first),
            2 if self.fixed() => fixed::exponential::<2, _>(g, damping, columns, first),
            3 if self.fixed() => fixed::exponential::<3, _>(g, damping, columns, first),
            4 if self.fixed() => fixed::exponential::<4, _>(g, damping, columns, first),
            _ => {
                self.tiled.take_increment(g);
                self.sum_series();
                let series = [&self.gram[..], &self.phi_one, &self.phi_two];
                self.tiled.exponential(series, damping, columns);
            }
        }
    }

    #[inline(always)]
    fn fixed(&self) -> bool {
        matches!(self.variant, Variant::Small | Variant::Fixed)
    }

    /// K, φ₁(K) and φ₂(K) by Horner's rule.
    #[inline(always)]
    fn sum_series(&mut self) {
        let q = self.halves.short;
        let products = self.tiled.products();
        self.tiled.gram(&mut self.gram);
        let [(odd, even), lower @ ..] = &SERIES;
        set_identity(&mut self.phi_one, q, Lanes::splat(*odd));
        set_identity(&mut self.phi_two, q, Lanes::splat(*even));
        let (gram, scratch) = (&mut self.gram, &mut self.scratch);
        for &(odd, even) in lower {
            horner(products, gram, &mut self.phi_one, scratch, q, odd);
            horner(products, gram, &mut self.phi_two, scratch, q, even);
        }
        scratch.copy_from_slice(&self.phi_two);
        horner(products, gram, scratch, &mut self.spare, q, 0.0);
        gram.copy_from_slice(scratch);
    }
}

/// [`Action::euler`], for the best instructions there are.
struct Euler<'a, const N: usize> {
    action: &'a mut Action<N>,
    g: &'a [Lanes<N>],
    columns: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for Euler<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        self.action.euler_here(self.g, self.columns);
    }
}

/// [`Action::exponential`], likewise.
struct Exponential<'a, const N: usize> {
    action: &'a mut Action<N>,
    g: &'a [Lanes<N>],
    damping: &'a [Lanes<N>],
    columns: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for Exponential<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        self.action
            .exponential_here(self.g, self.damping, self.columns);
    }
}

#[inline(always)]
fn set_identity<const N: usize>(matrix: &mut [Lanes<N>], size: usize, value: Lanes<N>) {
    matrix.fill(Lanes::ZERO);
    for s in 0..size {
        matrix[s * size + s] = value;
    }
}

/// φ ← K φ + c I, both symmetric.
#[inline(always)]
fn horner<const N: usize>(
    products: Products<N>,
    gram: &[Lanes<N>],
    phi: &mut [Lanes<N>],
    scratch: &mut [Lanes<N>],
    size: usize,
    constant: f64,
) {
    set_identity(scratch, size, Lanes::splat(constant));
    let [gram, factors] = [gram, phi].map(|matrix| Columns::whole(&matrix[..size * size], size));
    let scratch_used = &mut scratch[..size * size];
    products.gemm_update(None, gram, factors, scratch_used, size);
    phi.copy_from_slice(&scratch[..size * size]);
}

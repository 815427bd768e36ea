//! The updates for a shorter side of any size, as products of matrices.

use crate::kernels::columns::Columns;
use crate::kernels::halves::Halves;
use crate::kernels::products::Products;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;

/// The increment G and scratch, q numbers per column of Θ each, q the shorter side; x and y are the
/// two halves of a column.
pub struct TiledUpdate<const N: usize> {
    halves: Halves,
    products: Products<N>,
    /// G column by column.
    increment: LaneVec<N>,
    /// D G, the same way.
    damped: LaneVec<N>,
    /// y before the update, damped.
    old: LaneVec<N>,
    /// Gᵀx, of x damped.
    projected: LaneVec<N>,
    /// What G takes to x.
    mixed: LaneVec<N>,
    /// What is added to y.
    change: LaneVec<N>,
}

impl<const N: usize> TiledUpdate<N> {
    /// Scratch for columns of these halves.
    pub fn new(halves: Halves) -> Self {
        Self {
            halves,
            products: Products::of_rows(halves.rows()),
            increment: LaneVec::zeros(halves.tall * halves.short),
            damped: LaneVec::zeros(halves.tall * halves.short),
            old: LaneVec::default(),
            projected: LaneVec::default(),
            mixed: LaneVec::default(),
            change: LaneVec::default(),
        }
    }

    /// How products of this size are worked out.
    #[inline(always)]
    pub fn products(&self) -> Products<N> {
        self.products
    }

    /// Takes over G, tall × q row-major.
    #[inline(always)]
    pub fn take_increment(&mut self, increment: &[Lanes<N>]) {
        let Halves { tall, short, .. } = self.halves;
        for (a, row) in increment.chunks_exact(short).enumerate() {
            for (s, &entry) in row.iter().enumerate() {
                self.increment[s * tall + a] = entry;
            }
        }
    }

    /// The q columns of G.
    #[inline(always)]
    fn increment(&self) -> Columns<'_, N> {
        Columns::whole(&self.increment, self.halves.tall)
    }

    /// GᵀG.
    #[inline(always)]
    pub fn gram(&self, out: &mut [Lanes<N>]) {
        let g = self.increment();
        self.products.scalar_products(g, g, out);
    }

    /// Θ ← (I + H(G)) Θ.
    #[inline(always)]
    pub fn euler(&mut self, columns: &mut [Lanes<N>]) {
        self.take_short(columns, None);
        let x = self.halves.tall_of(columns);
        let g = Columns::whole(&self.increment, self.halves.tall);
        self.products.scalar_products(x, g, &mut self.projected);
        self.add_spread(&self.old, None, columns);
        self.replace_short(&self.projected, columns);
    }

    /// Θ ← exp H(G) D Θ by the series K φ₂, φ₁ and φ₂, q × q each and symmetric; D = diag(damping).
    ///
    /// Θ is large: it is never scaled by itself. Gᵀ(D x) = (D G)ᵀ x, and D x is formed where x
    /// changes anyway.
    #[inline(always)]
    pub fn exponential(
        &mut self,
        series: [&[Lanes<N>]; 3],
        damping: &[Lanes<N>],
        columns: &mut [Lanes<N>],
    ) {
        let tall = self.halves.tall;
        let [of_tall, of_short] = self.halves.starts().map(|start| &damping[start..]);
        self.take_short(columns, Some(of_short));
        self.damp_increment(of_tall);
        let x = self.halves.tall_of(columns);
        let g = Columns::whole(&self.damped, tall);
        self.products.scalar_products(x, g, &mut self.projected);
        self.mix(series);
        self.add_spread(&self.mixed, Some(&of_tall[..tall]), columns);
        self.replace_short(&self.change, columns);
    }

    /// D G, with the damping of x.
    #[inline(always)]
    fn damp_increment(&mut self, damping: &[Lanes<N>]) {
        let tall = self.halves.tall;
        let columns = self.increment.chunks_exact(tall);
        for (damped, column) in self.damped.chunks_exact_mut(tall).zip(columns) {
            for a in 0..tall {
                damped[a] = column[a] * damping[a];
            }
        }
    }

    /// From y and Gᵀx of every column what G takes to x, and what is added to y.
    #[inline(always)]
    fn mix(&mut self, [cosh_less_one, phi_one, phi_two]: [&[Lanes<N>]; 3]) {
        let q = self.halves.short;
        let (y, projected) = (&self.old, &self.projected);
        for (out, terms) in [
            (&mut self.mixed, [(phi_two, projected), (phi_one, y)]),
            (&mut self.change, [(cosh_less_one, y), (phi_one, projected)]),
        ] {
            out.resize(y.len());
            out.fill(Lanes::ZERO);
            for (symmetric, factors) in terms {
                let [symmetric, factors] = [symmetric, factors].map(|m| Columns::whole(m, q));
                self.products.gemm_update(None, symmetric, factors, out, q);
            }
        }
    }

    /// Takes y of every column, times the damping.
    #[inline(always)]
    fn take_short(&mut self, columns: &[Lanes<N>], damping: Option<&[Lanes<N>]>) {
        let (q, rows) = (self.halves.short, self.halves.rows());
        let [_, short] = self.halves.starts();
        let size = columns.len() / rows * q;
        self.old.resize(size);
        self.projected.resize(size);
        for (own, column) in self.old.chunks_exact_mut(q).zip(columns.chunks_exact(rows)) {
            own.copy_from_slice(&column[short..short + q]);
            if let Some(damping) = damping {
                for (entry, &factor) in own.iter_mut().zip(damping) {
                    *entry = *entry * factor;
                }
            }
        }
    }

    /// x ← D x + G m for every column, q numbers m each.
    #[inline(always)]
    fn add_spread(
        &self,
        of_columns: &[Lanes<N>],
        damping: Option<&[Lanes<N>]>,
        columns: &mut [Lanes<N>],
    ) {
        let [tall, _] = self.halves.starts();
        let factors = Columns::whole(of_columns, self.halves.short);
        let (g, columns) = (self.increment(), &mut columns[tall..]);
        self.products
            .gemm_update(damping, g, factors, columns, self.halves.rows());
    }

    /// y of every column becomes what was taken plus the change.
    #[inline(always)]
    fn replace_short(&self, change: &[Lanes<N>], columns: &mut [Lanes<N>]) {
        let (q, [_, short]) = (self.halves.short, self.halves.starts());
        let taken = self.old.chunks_exact(q).zip(change.chunks_exact(q));
        for (column, (old, change)) in columns.chunks_exact_mut(self.halves.rows()).zip(taken) {
            for i in 0..q {
                column[short + i] = old[i] + change[i];
            }
        }
    }
}

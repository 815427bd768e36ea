//! The updates for a shorter side of any size, as products in tiles.

use crate::lanes::Lanes;
use crate::rowwise::{self, Columns};
use crate::tiles::for_each_product;

/// Where the halves of a column of Θ are: the taller of W₁ and W₂ᵀ, and the shorter.
#[derive(Clone, Copy)]
pub struct Halves {
    /// Rows of the taller.
    pub tall: usize,
    /// Rows of the shorter.
    pub short: usize,
    /// Whether the taller comes first.
    pub tall_first: bool,
}

impl Halves {
    #[inline(always)]
    fn rows(self) -> usize {
        self.tall + self.short
    }

    /// The first row of the taller and of the shorter.
    #[inline(always)]
    fn starts(self) -> [usize; 2] {
        if self.tall_first {
            [0, self.tall]
        } else {
            [self.short, 0]
        }
    }
}

/// Scratch, q numbers per column of Θ each, q the shorter side; x and y are the two halves of a column.
#[derive(Default)]
pub struct Tiled<const N: usize> {
    /// y before the update.
    old: Vec<Lanes<N>>,
    /// Gᵀx.
    projected: Vec<Lanes<N>>,
    /// What G takes to x.
    mixed: Vec<Lanes<N>>,
    /// What is added to y.
    change: Vec<Lanes<N>>,
    /// G column by column, where rows are side by side.
    increment: Vec<Lanes<N>>,
}

impl<const N: usize> Tiled<N> {
    /// Θ ← (I + H(G)) Θ, G tall × q row-major.
    #[inline(always)]
    pub fn euler(&mut self, increment: &[Lanes<N>], columns: &mut [Lanes<N>], halves: Halves) {
        self.look(increment, columns, halves);
        add_spread([increment, &self.increment], &self.old, columns, halves);
        add_to_short(&self.projected, columns, halves);
    }

    /// Θ ← exp H(G) Θ by the series K φ₂, φ₁ and φ₂, q × q each and symmetric.
    #[inline(always)]
    pub fn exponential(
        &mut self,
        increment: &[Lanes<N>],
        [cosh_less_one, phi_one, phi_two]: [&[Lanes<N>]; 3],
        columns: &mut [Lanes<N>],
        halves: Halves,
    ) {
        self.look(increment, columns, halves);
        self.mixed.fill(Lanes::ZERO);
        self.change.fill(Lanes::ZERO);
        let rows = halves.rows();
        add_product(&self.projected, phi_two, rows, &mut self.mixed);
        add_product(&self.old, phi_one, rows, &mut self.mixed);
        add_product(&self.old, cosh_less_one, rows, &mut self.change);
        add_product(&self.projected, phi_one, rows, &mut self.change);
        add_spread([increment, &self.increment], &self.mixed, columns, halves);
        add_to_short(&self.change, columns, halves);
    }

    /// Takes y and Gᵀx of every column.
    #[inline(always)]
    fn look(&mut self, increment: &[Lanes<N>], columns: &[Lanes<N>], halves: Halves) {
        let (q, rows) = (halves.short, halves.rows());
        let count = columns.len() / rows;
        for own in [
            &mut self.old,
            &mut self.projected,
            &mut self.mixed,
            &mut self.change,
        ] {
            own.resize(count * q, Lanes::ZERO);
        }
        let [tall, short] = halves.starts();
        for (own, column) in self.old.chunks_exact_mut(q).zip(columns.chunks_exact(rows)) {
            own.copy_from_slice(&column[short..short + q]);
        }
        let projected = &mut self.projected;
        if Lanes::<N>::SINGLE && rowwise::applies::<N>(rows) {
            self.increment.resize(increment.len(), Lanes::ZERO);
            for (a, row) in increment.chunks_exact(q).enumerate() {
                for (s, &entry) in row.iter().enumerate() {
                    self.increment[s * halves.tall + a] = entry;
                }
            }
            let x = Columns {
                entries: &columns[tall..],
                apart: rows,
                count,
                length: halves.tall,
            };
            let g = of_increment(&self.increment, halves);
            return rowwise::scalar_products(x, g, projected);
        }
        for_each_product(
            [count, q, halves.tall],
            |j, a| columns[j * rows + tall + a],
            |a, s| increment[a * q + s],
            |j, s, sum| projected[j * q + s] = sum,
        );
    }
}

/// The q columns of G.
#[inline(always)]
fn of_increment<const N: usize>(increment: &[Lanes<N>], halves: Halves) -> Columns<'_, N> {
    Columns {
        entries: increment,
        apart: halves.tall,
        count: halves.short,
        length: halves.tall,
    }
}

/// out += M S for M of q numbers per column of Θ, which has so many rows, and S q × q and symmetric.
#[inline(always)]
fn add_product<const N: usize>(
    of_columns: &[Lanes<N>],
    symmetric: &[Lanes<N>],
    rows: usize,
    out: &mut [Lanes<N>],
) {
    let q = symmetric.len().isqrt();
    if Lanes::<N>::SINGLE && rowwise::applies::<N>(rows) {
        let s = Columns {
            entries: symmetric,
            apart: q,
            count: q,
            length: q,
        };
        return rowwise::add_combinations(s, of_columns, out, q);
    }
    for_each_product(
        [of_columns.len() / q, q, q],
        |j, t| of_columns[j * q + t],
        |t, s| symmetric[t * q + s],
        |j, s, sum| out[j * q + s] += sum,
    );
}

/// x += G m for every column; G is there row by row, and column by column where rows are side by side.
#[inline(always)]
fn add_spread<const N: usize>(
    [increment, its_columns]: [&[Lanes<N>]; 2],
    of_columns: &[Lanes<N>],
    columns: &mut [Lanes<N>],
    halves: Halves,
) {
    let (q, rows) = (halves.short, halves.rows());
    let [tall, _] = halves.starts();
    if Lanes::<N>::SINGLE && rowwise::applies::<N>(rows) {
        let g = of_increment(its_columns, halves);
        return rowwise::add_combinations(g, of_columns, &mut columns[tall..], rows);
    }
    for_each_product(
        [halves.tall, of_columns.len() / q, q],
        |a, s| increment[a * q + s],
        |s, j| of_columns[j * q + s],
        |a, j, sum| columns[j * rows + tall + a] += sum,
    );
}

/// y += change for every column.
#[inline(always)]
fn add_to_short<const N: usize>(change: &[Lanes<N>], columns: &mut [Lanes<N>], halves: Halves) {
    let [_, short] = halves.starts();
    let all = columns.chunks_exact_mut(halves.rows());
    for (column, change) in all.zip(change.chunks_exact(halves.short)) {
        for (entry, &delta) in column[short..].iter_mut().zip(change) {
            *entry += delta;
        }
    }
}

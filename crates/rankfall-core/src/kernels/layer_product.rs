//! W₁W₂ = Σ_j weight_j w1_j w2_jᵀ over the columns (w1_j; w2_j) of Θ, p × k row-major.

use crate::kernels::columns::Columns;
use crate::kernels::products::Products;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;

/// Entries of one column of W₁W₂ that are summed side by side, at most: with them a full block
/// fills the registers.
const ROWS_AT_ONCE: usize = 6;

/// With a few entries of one output at a time in registers.
#[inline(always)]
pub fn by_rows<const N: usize>(
    columns: &[Lanes<N>],
    weights: &[Lanes<N>],
    inputs: usize,
    out: &mut [Lanes<N>],
) {
    let rows = columns.len() / weights.len();
    let parts = inputs.div_ceil(ROWS_AT_ONCE);
    let mut first = 0;
    for part in 0..parts {
        let taken = (inputs - first).div_ceil(parts - part);
        for output in inputs..rows {
            let place = [rows, inputs, first, output];
            match taken {
                1 => product_of_rows::<1, N>(columns, weights, place, out),
                2 => product_of_rows::<2, N>(columns, weights, place, out),
                3 => product_of_rows::<3, N>(columns, weights, place, out),
                4 => product_of_rows::<4, N>(columns, weights, place, out),
                5 => product_of_rows::<5, N>(columns, weights, place, out),
                _ => product_of_rows::<ROWS_AT_ONCE, N>(columns, weights, place, out),
            }
        }
        first += taken;
    }
}

/// R of its entries: those of input rows from `first` on, with the output in row `output` of Θ.
#[inline(always)]
fn product_of_rows<const R: usize, const N: usize>(
    columns: &[Lanes<N>],
    weights: &[Lanes<N>],
    [rows, inputs, first, output]: [usize; 4],
    out: &mut [Lanes<N>],
) {
    let mut sums = [Lanes::ZERO; R];
    for (column, &weight) in columns.chunks_exact(rows).zip(weights) {
        let w1 = &column[first..first + R];
        let scaled = column[output] * weight;
        for a in 0..R {
            sums[a] = w1[a].mul_add(scaled, sums[a]);
        }
    }
    // The rows of Θ below the inputs are the outputs.
    let outputs = rows - inputs;
    for a in 0..R {
        out[(first + a) * outputs + output - inputs] = sums[a];
    }
}

/// With as many products at once as tiles or registers take.
#[inline(always)]
pub fn by_columns<const N: usize>(
    columns: &[Lanes<N>],
    weights: &[Lanes<N>],
    inputs: usize,
    scratch: &mut LaneVec<N>,
    out: &mut [Lanes<N>],
) {
    let (rows, outputs) = (columns.len() / weights.len(), out.len() / inputs);
    scratch.resize(weights.len() * outputs + out.len());
    let (factors, by_column) = scratch.split_at_mut(weights.len() * outputs);
    weigh(columns, weights, inputs, factors);
    let w1 = Columns {
        entries: columns,
        stride: rows,
        first: 0,
        length: inputs,
    };
    let factors = Columns::whole(factors, outputs);
    Products::of_rows(rows).outer_products(w1, factors, by_column);
    for (b, column) in by_column.chunks_exact(inputs).enumerate() {
        for (a, &entry) in column.iter().enumerate() {
            out[a * outputs + b] = entry;
        }
    }
}

/// The rows of each column from `inputs` on, times its weight, one column after the other.
#[inline(always)]
fn weigh<const N: usize>(
    columns: &[Lanes<N>],
    weights: &[Lanes<N>],
    inputs: usize,
    out: &mut [Lanes<N>],
) {
    let (rows, outputs) = (columns.len() / weights.len(), out.len() / weights.len());
    let all = columns.chunks_exact(rows).zip(weights);
    for ((column, &weight), out) in all.zip(out.chunks_exact_mut(outputs)) {
        for (entry, &y) in out.iter_mut().zip(&column[inputs..]) {
            *entry = y * weight;
        }
    }
}

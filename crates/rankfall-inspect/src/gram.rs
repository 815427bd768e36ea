//! Singular values by the Gram matrix AᵀA in double precision and its eigenvalues.
//!
//! Numbers of single precision and below have exact squares in double precision, so the squares σ²
//! come out to about 10⁻¹³ of the largest, and every σ above about 10⁻⁶ of the largest to more
//! digits than the numbers were stored with. What lies below is known by its bound only, and
//! [`crate::bidiagonal`] is asked instead.

use crate::source::{BLOCK, Tall};
use crate::spectrum::{Failed, Sigma};
use crate::workers;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side};

/// Side of the tiles that the Gram matrix is summed in: small, as half of those on the diagonal is
/// not needed, and a multiple of the 12 rows that a product takes at once.
const TILE: usize = 96;
/// Half the distance of 1 to the next number.
const UNIT: f64 = f64::EPSILON / 2.0;

struct Tile {
    row: usize,
    column: usize,
    sum: Mat<f64>,
}

/// The lower triangle of AᵀA; the same bits on any number of threads.
pub fn matrix(tall: &Tall<'_>, threads: usize) -> Result<Mat<f64>, Failed> {
    let n = tall.columns();
    let places = || (0..n).step_by(TILE);
    let mut tiles: Vec<Tile> = Vec::new();
    for row in places() {
        for column in places().take_while(|&column| column <= row) {
            let sum = Mat::zeros(TILE.min(n - row), TILE.min(n - column));
            tiles.push(Tile { row, column, sum });
        }
    }
    let mut buffer = Vec::new();
    for first in (0..tall.rows()).step_by(BLOCK) {
        let count = BLOCK.min(tall.rows() - first);
        tall.read(first, count, &mut buffer)?;
        let block = tall.block(count, &buffer);
        workers::each(threads, &mut tiles, |tile| {
            let of = |from: usize, size: usize| block.subcols(from, size);
            let left = of(tile.row, tile.sum.nrows()).transpose();
            let right = of(tile.column, tile.sum.ncols());
            matmul(tile.sum.as_mut(), Accum::Add, left, right, 1.0, Par::Seq);
        });
    }
    let mut whole = Mat::zeros(n, n);
    for tile in &tiles {
        let (rows, columns) = tile.sum.shape();
        whole
            .as_mut()
            .submatrix_mut(tile.row, tile.column, rows, columns)
            .copy_from(&tile.sum);
    }
    Ok(whole)
}

/// The singular values, descending; `None` where the smallest square is not well above the bound of
/// its error.
///
/// Sums of up to [`BLOCK`] numbers and then of blocks are wrong by at most γ = k u / (1 − k u) of
/// the sum of absolute values, k = rows of a block + blocks; over all entries that is at most γ
/// ‖A‖²_F. To it comes what the eigenvalues of a matrix of size n are wrong by, 4 n u times the
/// largest.
pub fn sigmas(tall: &Tall<'_>, threads: usize) -> Result<Option<Vec<Sigma>>, Failed> {
    let gram = matrix(tall, threads)?;
    let n = gram.nrows();
    let frobenius_squared: f64 = (0..n).map(|i| gram[(i, i)]).sum();
    let mut squares = gram
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|_| Failed::NotConverged)?;
    squares.reverse();
    let largest = squares.first().copied().unwrap_or(0.0).max(0.0);
    let terms = (tall.rows().min(BLOCK) + tall.rows().div_ceil(BLOCK)) as f64;
    let sums = terms * UNIT / (1.0 - terms * UNIT) * frobenius_squared;
    let bound = sums + 4.0 * n as f64 * UNIT * largest;
    let resolved = squares.last().is_none_or(|&least| least > 4.0 * bound);
    // A root √s is wrong by at most δ/(√s + √(s − δ)).
    let root = |square: f64| {
        let value = square.sqrt();
        Sigma {
            value,
            bound: bound / (value + (square - bound).sqrt()),
        }
    };
    Ok(resolved.then(|| squares.into_iter().map(root).collect()))
}

//! Singular values without squares: Householder's triangular form where one side is longer, then
//! bidiagonal form.

use crate::source::Tall;
use crate::spectrum::{Failed, Sigma};
use crate::workers;
use faer::{Mat, MatRef};

const UNIT: f64 = f64::EPSILON / 2.0;
/// Into so many parts rows are divided at most; each has a triangular form of its own first.
const MOST_PARTS: usize = 8;

/// A stretch of rows and its triangular form.
struct Part {
    rows: std::ops::Range<usize>,
    triangle: Result<Mat<f64>, Failed>,
}

/// The singular values, descending; the same bits on any number of threads.
///
/// Each step is backward stable: the values are those of a matrix that differs from A by at most
/// the bound, 8 √n u ‖A‖_F + 8 n u σ₁.
pub fn sigmas(tall: &Tall<'_>, threads: usize) -> Result<Vec<Sigma>, Failed> {
    let n = tall.columns();
    let count = (tall.rows() / (2 * n)).clamp(1, MOST_PARTS);
    let size = tall.rows().div_ceil(count);
    let ranges = (0..tall.rows())
        .step_by(size)
        .map(|first| first..(first + size).min(tall.rows()));
    let part = |rows| Part {
        rows,
        triangle: Ok(Mat::new()),
    };
    let mut parts: Vec<Part> = ranges.map(part).collect();
    workers::each(threads, &mut parts, |part| {
        part.triangle = triangle(tall, part.rows.clone())
    });
    let mut whole: Option<Mat<f64>> = None;
    for part in parts {
        let next = part.triangle?;
        whole = Some(match whole {
            None => next,
            Some(above) => stacked(above.as_ref(), next.as_ref())
                .qr()
                .thin_R()
                .to_owned(),
        });
    }
    let whole = whole.unwrap_or_else(Mat::new);
    let values = whole.singular_values().map_err(|_| Failed::NotConverged)?;
    let largest = values.first().copied().unwrap_or(0.0);
    let bound = 8.0 * UNIT * ((n as f64).sqrt() * whole.norm_l2() + n as f64 * largest);
    let sigma = |value| Sigma { value, bound };
    Ok(values.into_iter().map(sigma).collect())
}

/// A triangular matrix, or one of few rows, with the singular values of some rows: they are added
/// block by block.
fn triangle(tall: &Tall<'_>, rows: std::ops::Range<usize>) -> Result<Mat<f64>, Failed> {
    let n = tall.columns();
    let at_once = (2 * n).max(256);
    let mut buffer = Vec::new();
    let mut whole: Option<Mat<f64>> = None;
    for first in rows.clone().step_by(at_once) {
        let count = at_once.min(rows.end - first);
        tall.read(first, count, &mut buffer)?;
        let block = tall.block(count, &buffer);
        let stack = match &whole {
            None => block.to_owned(),
            Some(above) => stacked(above.as_ref(), block),
        };
        // A square or small one gains nothing.
        whole = Some(match stack.nrows() > n + n / 4 {
            true => stack.qr().thin_R().to_owned(),
            false => stack,
        });
    }
    Ok(whole.unwrap_or_else(Mat::new))
}

fn stacked(above: MatRef<'_, f64>, below: MatRef<'_, f64>) -> Mat<f64> {
    let mut stack = Mat::zeros(above.nrows() + below.nrows(), below.ncols());
    stack
        .as_mut()
        .subrows_mut(0, above.nrows())
        .copy_from(above);
    stack
        .as_mut()
        .subrows_mut(above.nrows(), below.nrows())
        .copy_from(below);
    stack
}

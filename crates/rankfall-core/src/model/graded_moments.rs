//! Eigenbasis and least-squares optimum of second moments whose columns differ much in scale, or
//! have means far larger than their spread.
//!
//! An eigensolver of S_xx knows every eigenvalue to rounding of the largest, so small columns are
//! lost beside large ones. Here S_xx = F Fᵀ is never multiplied out: the columns of F are those of
//! a Cholesky factor of the centred moments, with the largest pivot first, and the means. Rows of F
//! are eliminated largest first, and one-sided Jacobi rotations give its singular values, each
//! right relative to itself as far as the scaled moments determine it.
//!
//! Demmel and Veselić, SIAM J. Matrix Anal. Appl. 13 (1992); Drmač and Veselić, ibid. 29 (2008).

use faer::Mat;

use crate::linalg::dense::{
    dot, norm, product, revealing_left_factor, thin_svd, transpose_product,
};
use crate::model::gram::Gram;

/// What [`decompose`] finds.
pub struct GradedMoments {
    /// Eigenvalues of S_xx, descending; those of directions that are zero to rounding are exactly
    /// zero.
    pub eigenvalues: Vec<f64>,
    /// V, p × p.
    pub basis: Mat<f64>,
    /// VᵀS_xy, p × k.
    pub sxy: Mat<f64>,
    /// VᵀS_xx⁺S_xy, p × k.
    pub optimum: Mat<f64>,
    /// ½ tr(S_yy − S_xyᵀ S_xx⁺ S_xy).
    pub loss_floor: f64,
    /// How many eigenvalues are above zero.
    pub rank: usize,
    /// Bound on the relative error of the least of them.
    pub uncertainty: f64,
}

/// Decomposes the moments of sound shape.
pub fn decompose(gram: &Gram) -> GradedMoments {
    let (p, k) = (gram.sxy.nrows(), gram.sxy.ncols());
    let factor = Factor::of(gram);
    // F = L Qᵀ, L = U Σ Wᵀ: S_xx = U Σ² Uᵀ, and Q W turns what F is made of to the eigenbasis.
    let (left, q) = revealing_left_factor(factor.inputs.transpose().to_owned());
    let svd = thin_svd(&left);
    let rank = svd.sigma.iter().filter(|&&s| s > 0.0).count();
    let turned = product(&q, &svd.v);
    let coordinates = transpose_product(&turned, &factor.outputs.transpose().to_owned());
    let mut out = GradedMoments {
        eigenvalues: vec![0.0; p],
        basis: completed(&svd.u, rank, p),
        sxy: Mat::zeros(p, k),
        optimum: Mat::zeros(p, k),
        loss_floor: 0.0,
        rank,
        uncertainty: factor.uncertainty,
    };
    for a in 0..rank {
        out.eigenvalues[a] = svd.sigma[a] * svd.sigma[a];
        for b in 0..k {
            out.sxy[(a, b)] = svd.sigma[a] * coordinates[(a, b)];
            out.optimum[(a, b)] = coordinates[(a, b)] / svd.sigma[a];
        }
    }
    let mut unexplained = factor.unexplained;
    for b in 0..k {
        for place in 0..turned.nrows() {
            let fit: f64 = (0..rank)
                .map(|a| turned[(place, a)] * coordinates[(a, b)])
                .sum();
            let rest = factor.outputs[(b, place)] - fit;
            unexplained += rest * rest;
        }
    }
    out.loss_floor = 0.5 * unexplained;
    out
}

/// S_xx = F Fᵀ, S_xy = F Hᵀ.
struct Factor {
    /// F, p × m.
    inputs: Mat<f64>,
    /// H, k × m.
    outputs: Mat<f64>,
    /// tr(S_yy − H Hᵀ).
    unexplained: f64,
    uncertainty: f64,
}

impl Factor {
    /// Cholesky's factor of the centred moments, with the means as a last column.
    fn of(gram: &Gram) -> Self {
        let (p, k) = (gram.sxy.nrows(), gram.sxy.ncols());
        let d = p + k;
        let mean = |i: usize| gram.centred.as_ref().map_or(0.0, |c| c.means[i]);
        let mut rest = match &gram.centred {
            Some(centred) => centred.moments.clone(),
            None => Mat::from_fn(d, d, |i, j| gram.joint(i, j)),
        };
        // What is left of a column once others are taken off is known to rounding of the column.
        let rounding = 4.0 * d as f64 * f64::EPSILON;
        let whole: Vec<f64> = (0..d).map(|i| rest[(i, i)]).collect();
        // A column that varies by no more than the rounding of its own value is constant.
        let varies = |i: usize| whole[i].max(0.0).sqrt() > 4.0 * f64::EPSILON * mean(i).abs();
        let mut waiting: Vec<usize> = (0..p).filter(|&i| varies(i)).collect();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut least: f64 = 1.0;
        loop {
            waiting.retain(|&i| rest[(i, i)] > rounding * whole[i]);
            // The first of the largest.
            let by_size = |i: &usize, j: &usize| rest[(*i, *i)].total_cmp(&rest[(*j, *j)]);
            let Some(pivot) = waiting.iter().copied().rev().max_by(by_size) else {
                break;
            };
            waiting.retain(|&i| i != pivot);
            least = least.min(rest[(pivot, pivot)] / whole[pivot]);
            let root = rest[(pivot, pivot)].sqrt();
            let column: Vec<f64> = (0..d).map(|i| rest[(i, pivot)] / root).collect();
            for j in 0..d {
                for (entry, &x) in rest.col_as_slice_mut(j).iter_mut().zip(&column) {
                    *entry -= x * column[j];
                }
            }
            columns.push(column);
        }
        columns.push((0..d).map(mean).collect());
        let unexplained = (p..d).map(|i| rest[(i, i)].max(0.0)).sum();
        Self {
            inputs: Mat::from_fn(p, columns.len(), |i, j| columns[j][i]),
            outputs: Mat::from_fn(k, columns.len(), |i, j| columns[j][p + i]),
            unexplained,
            uncertainty: rounding / least,
        }
    }
}

/// The first `rank` columns of `u`, which are orthonormal, and a basis of what is orthogonal to
/// them.
fn completed(u: &Mat<f64>, rank: usize, p: usize) -> Mat<f64> {
    let mut basis = Mat::from_fn(p, p, |i, j| if j < rank { u[(i, j)] } else { 0.0 });
    for next in rank..p {
        let part = |i: usize| -> f64 { (0..next).map(|j| basis[(i, j)] * basis[(i, j)]).sum() };
        // The unit vector that the columns so far hold least of.
        let parts = (0..p).map(part).enumerate();
        let least = parts.min_by(|(_, x), (_, y)| x.total_cmp(y));
        let is_unit = |i: usize| least.is_some_and(|(unit, _)| i == unit);
        let mut vector: Vec<f64> = (0..p).map(|i| f64::from(u8::from(is_unit(i)))).collect();
        // Twice is enough.
        for _ in 0..2 {
            for j in 0..next {
                let column = basis.col_as_slice(j);
                let along = dot(column, &vector);
                for (x, a) in vector.iter_mut().zip(column) {
                    *x -= along * a;
                }
            }
        }
        let length = norm(&vector);
        for (i, x) in vector.into_iter().enumerate() {
            basis[(i, next)] = x / length;
        }
    }
    basis
}

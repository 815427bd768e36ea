//! The rows of the data, and the moments of them that say how far the gradients of single rows
//! scatter.
//!
//! With x a row's inputs, r* its residual at the least-squares optimum β̂ and E = β̂ − W₁W₂, the
//! residual at W₁W₂ is r = r* + Eᵀx, and
//!
//! mean |x|²|r|² = mean |x|²|r*|² + 2⟨mean |x|² x r*ᵀ, E⟩ + ⟨(mean |x|² xxᵀ) E, E⟩.

use faer::Mat;

/// Rows of data, for the dynamics that need more than the Gram matrices.
#[derive(Clone, Debug)]
pub struct Rows {
    /// n × p, row-major.
    pub x: Vec<f64>,
    /// n × k, row-major.
    pub y: Vec<f64>,
    /// n.
    pub count: usize,
}

/// The three moments, in the basis of the problem.
#[derive(Clone, Debug)]
pub struct RowMoments {
    /// mean |x|²|r*|².
    pub residual: f64,
    /// mean |x|² x r*ᵀ, p × k row-major.
    pub cross: Vec<f64>,
    /// mean |x|² xxᵀ, p × p row-major.
    pub fourth: Vec<f64>,
}

impl RowMoments {
    /// Of these rows around this optimum, p × k.
    pub fn new(rows: &Rows, optimum: &Mat<f64>) -> Self {
        let (p, k) = (optimum.nrows(), optimum.ncols());
        let (mut residual, mut cross, mut fourth) = (0.0, vec![0.0; p * k], vec![0.0; p * p]);
        let mut left = vec![0.0; k];
        for (x, y) in rows.x.chunks_exact(p).zip(rows.y.chunks_exact(k)) {
            for (b, (left, &y)) in left.iter_mut().zip(y).enumerate() {
                *left = x
                    .iter()
                    .enumerate()
                    .fold(y, |sum, (a, &x)| (-x).mul_add(optimum[(a, b)], sum));
            }
            let square = |v: &[f64]| v.iter().fold(0.0, |sum: f64, &u| u.mul_add(u, sum));
            let weight = square(x) / rows.count as f64;
            residual += weight * square(&left);
            for (a, &own) in x.iter().enumerate() {
                let own = weight * own;
                for (sum, &r) in cross[a * k..(a + 1) * k].iter_mut().zip(&left) {
                    *sum = own.mul_add(r, *sum);
                }
                for (sum, &other) in fourth[a * p..(a + 1) * p].iter_mut().zip(x) {
                    *sum = own.mul_add(other, *sum);
                }
            }
        }
        Self {
            residual,
            cross,
            fourth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_give_the_mean_of_squared_gradients_anywhere() {
        let (p, k, n) = (3, 2, 5);
        let value = |i: usize| libm::sin(1.7 * i as f64 + 0.3);
        let rows = Rows {
            x: (0..n * p).map(value).collect(),
            y: (0..n * k).map(|i| value(i + 40)).collect(),
            count: n,
        };
        let optimum = Mat::from_fn(p, k, |i, j| value(7 * i + j));
        let moments = RowMoments::new(&rows, &optimum);
        let error = Mat::from_fn(p, k, |i, j| value(11 * i + 3 * j + 5));
        let mut direct = 0.0;
        for row in 0..n {
            let x = &rows.x[row * p..(row + 1) * p];
            let of = |b: usize| {
                let map = |a: usize| optimum[(a, b)] - error[(a, b)];
                rows.y[row * k + b] - (0..p).map(|a| x[a] * map(a)).sum::<f64>()
            };
            let squares = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
            direct += squares(x) * squares(&[of(0), of(1)]) / n as f64;
        }
        let mut sum = moments.residual;
        for a in 0..p {
            for b in 0..k {
                sum += 2.0 * moments.cross[a * k + b] * error[(a, b)];
                for c in 0..p {
                    sum += moments.fourth[a * p + c] * error[(c, b)] * error[(a, b)];
                }
            }
        }
        assert!((sum - direct).abs() < 1e-13 * direct, "{sum} {direct}");
    }
}

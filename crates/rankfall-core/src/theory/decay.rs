//! Decay rates of the singular values of Θ under the stochastic gradient flow, as ν → 0.
//!
//! Near interpolation, W₁W₂ ≈ β, all p k noise directions are pulled back, and their second-order
//! effect has no rotational part. Averaged over them the flow is linear,
//! Θ' = (H(Γ) − νC/2) Θ with C = diag(k S, tr(S) I_k) and Γ the multiplier that holds W₁W₂ at β;
//! its matrix is symmetric and negative semidefinite, and its eigenvalues are the rates.

use faer::Mat;
use thiserror::Error;

use crate::linalg::dense::{eigen_semidefinite, thin_svd};

/// Singular values of S^{1/2}β below this share of the largest count as zero, as do differences
/// between eigenvalues of S: a least-squares fit in doubles leaves no less.
const ZERO: f64 = 1e-10;

/// Why no decay rates can be stated.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NoClosedForm {
    /// A number out of range.
    #[error("{what} is {value}; it must be finite and not negative")]
    Range {
        /// What it is.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// β with an entry that is not finite.
    #[error("entry ({row}, {column}) of the optimum is not finite")]
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
    },
    /// β of another size than S.
    #[error("the optimum has {got} rows where S has {expected} eigenvalues")]
    Shape {
        /// Rows of β.
        got: usize,
        /// Eigenvalues of S.
        expected: usize,
    },
    /// rank β < min(p, k), and S is not a multiple of the identity.
    #[error(
        "the optimum has rank {rank}, below {full}, so some noise is not pulled back; its rates are \
         known only where all positive eigenvalues of S are equal"
    )]
    Anisotropic {
        /// rank S^{1/2}β.
        rank: usize,
        /// min(p, k), p counting the positive eigenvalues of S.
        full: usize,
    },
    /// rank β < min(p, k), and what noise is free to do is not square.
    #[error(
        "{inputs} × {outputs} of the noise is not pulled back; the rates of free noise are known only \
         for squares"
    )]
    FreeNoise {
        /// p − rank.
        inputs: usize,
        /// k − rank.
        outputs: usize,
    },
    /// Noise lifts at least one more singular value than β has, so the state that the rates
    /// belong to is left again.
    #[error(
        "rank {rank} does not attract for p = k = {size}: noise keeps more singular values alive \
         unless 2 rank > p − 2"
    )]
    NotAttracting {
        /// rank β.
        rank: usize,
        /// p = k, p counting the positive eigenvalues of S.
        size: usize,
    },
}

/// Exponents of log σᵢ(Θ) in t under the stochastic gradient flow, descending, p + k of them, as
/// ν → 0 (relative corrections of order ν).
///
/// `eigenvalues` are the p of S = S_xx, `beta` is the optimum (p × k) in the eigenbasis of S, and
/// l ≥ p + k with Θ₀ of full row rank. With S^{1/2}β = Ũ D Ṽᵀ of rank r:
/// - r = k ≤ p: 0 (k times) and −(ν/2) eig(k S + tr(S) ŨŨᵀ);
/// - r = p ≤ k: 0 (p times), −(ν/2)(tr S + k sᵢ), and −(ν/2) tr S (k − p times);
/// - r < min(p, k), S = s I, p − r = k − r = m: 0 (r times), −νs(p + k)/2 (r times), and
///   νs (±(m − i) − m/2 − r/2), i = 1, …, m, provided that these are negative.
///
/// Null directions of S feel neither gradient nor noise: their rows of W₁ stay, each adds one
/// exponent 0, and the rest is the problem without them (their rows of `beta` are not read).
/// The sum is −νk tr S in every case, which is the determinant law. For label-noise SGD the rates
/// are those of ν = ηδ/b in the limit of small η.
///
/// # Errors
/// Arguments out of range; the cases without a closed form.
pub fn decay_rates(
    eigenvalues: &[f64],
    beta: &Mat<f64>,
    nu: f64,
) -> Result<Vec<f64>, NoClosedForm> {
    not_negative("nu", nu)?;
    let seen = VisibleProblem::new(eigenvalues, beta)?;
    let mut rates = seen.rates(nu)?;
    rates.resize(eigenvalues.len() + beta.ncols(), 0.0);
    rates.sort_by(|a, b| b.total_cmp(a));
    Ok(rates)
}

/// How many singular values of Θ, the largest ones, survive when ν > 0: rank S^{1/2}β and one for
/// every null direction of S. Arguments as for [`decay_rates`].
///
/// # Errors
/// As for [`decay_rates`].
pub fn surviving_singular_values(
    eigenvalues: &[f64],
    beta: &Mat<f64>,
) -> Result<usize, NoClosedForm> {
    let seen = VisibleProblem::new(eigenvalues, beta)?;
    seen.rates(1.0)?;
    // With S = 0 nothing moves, W₂ included.
    let still = if seen.values.is_empty() {
        beta.ncols()
    } else {
        0
    };
    Ok(seen.rank + eigenvalues.len() - seen.values.len() + still)
}

/// The problem without the null directions of S.
struct VisibleProblem {
    /// Positive eigenvalues of S.
    values: Vec<f64>,
    outputs: usize,
    /// rank S^{1/2}β.
    rank: usize,
    /// Ũ, one row per positive eigenvalue.
    left: Mat<f64>,
}

impl VisibleProblem {
    fn new(eigenvalues: &[f64], beta: &Mat<f64>) -> Result<Self, NoClosedForm> {
        check(eigenvalues, beta)?;
        let places: Vec<usize> = (0..eigenvalues.len())
            .filter(|&a| eigenvalues[a] > 0.0)
            .collect();
        let values: Vec<f64> = places.iter().map(|&a| eigenvalues[a]).collect();
        let (p, k) = (values.len(), beta.ncols());
        let entry = |a: usize, b: usize| values[a].sqrt() * beta[(places[a], b)];
        let svd = thin_svd(&Mat::from_fn(p, k, entry));
        let zero = ZERO * svd.sigma.first().copied().unwrap_or(0.0);
        let rank = svd.sigma.iter().filter(|&&x| x > zero).count();
        Ok(Self {
            values,
            outputs: k,
            rank,
            left: svd.u,
        })
    }

    fn trace(&self) -> f64 {
        self.values.iter().sum()
    }

    /// In no order; zeros of null directions left out.
    fn rates(&self, nu: f64) -> Result<Vec<f64>, NoClosedForm> {
        let (p, k) = (self.values.len(), self.outputs);
        if self.rank < p.min(k) {
            self.deficient(nu)
        } else if k <= p {
            Ok(self.tall(nu))
        } else {
            Ok(self.wide(nu))
        }
    }

    /// r = k ≤ p.
    fn tall(&self, nu: f64) -> Vec<f64> {
        let (p, k) = (self.values.len(), self.outputs);
        let trace = self.trace();
        let damped = Mat::from_fn(p, p, |i, j| {
            let overlap: f64 = (0..k).map(|b| self.left[(i, b)] * self.left[(j, b)]).sum();
            trace * overlap
                + if i == j {
                    k as f64 * self.values[i]
                } else {
                    0.0
                }
        });
        let mut rates = vec![0.0; k];
        rates.extend(eigen_semidefinite(&damped).0.iter().map(|e| -0.5 * nu * e));
        rates
    }

    /// r = p < k.
    fn wide(&self, nu: f64) -> Vec<f64> {
        let (p, k) = (self.values.len(), self.outputs);
        let trace = self.trace();
        let mut rates = vec![0.0; p];
        rates.extend(
            self.values
                .iter()
                .map(|s| -0.5 * nu * (trace + k as f64 * s)),
        );
        rates.resize(p + k, -0.5 * nu * trace);
        rates
    }

    /// r < min(p, k): on the complement of β, noise acts freely, as Brownian motion on SO(m, m).
    fn deficient(&self, nu: f64) -> Result<Vec<f64>, NoClosedForm> {
        let (p, k, rank) = (self.values.len(), self.outputs, self.rank);
        let largest = self.values.iter().fold(0.0_f64, |a, &b| a.max(b));
        if self.values.iter().any(|&s| largest - s > ZERO * largest) {
            return Err(NoClosedForm::Anisotropic {
                rank,
                full: p.min(k),
            });
        }
        if p != k {
            return Err(NoClosedForm::FreeNoise {
                inputs: p - rank,
                outputs: k - rank,
            });
        }
        if 2 * rank + 2 <= p {
            return Err(NoClosedForm::NotAttracting { rank, size: p });
        }
        let rate = nu * largest;
        let mut rates = vec![0.0; rank];
        rates.resize(2 * rank, -0.5 * rate * (p + k) as f64);
        let common = -0.5 * p as f64;
        for place in 0..p - rank {
            rates.push(rate * (common + place as f64));
            rates.push(rate * (common - place as f64));
        }
        Ok(rates)
    }
}

fn not_negative(what: &'static str, value: f64) -> Result<(), NoClosedForm> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(NoClosedForm::Range { what, value })
    }
}

fn check(eigenvalues: &[f64], beta: &Mat<f64>) -> Result<(), NoClosedForm> {
    if beta.nrows() != eigenvalues.len() {
        return Err(NoClosedForm::Shape {
            got: beta.nrows(),
            expected: eigenvalues.len(),
        });
    }
    for &value in eigenvalues {
        not_negative("an eigenvalue of S", value)?;
    }
    for column in 0..beta.ncols() {
        if let Some(row) = beta
            .col_as_slice(column)
            .iter()
            .position(|x| !x.is_finite())
        {
            return Err(NoClosedForm::NotFinite { row, column });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::philox::{Purpose, StreamKey};

    fn gaussian(rows: usize, columns: usize) -> Mat<f64> {
        let mut reader = StreamKey::new(3, Purpose::Teacher, 0).reader(0, 0);
        Mat::from_fn(rows, columns, |_, _| reader.normal())
    }

    fn assert_rates(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len(), "{got:?}");
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() < 1e-12, "{got:?} {want:?}");
        }
    }

    const SPECTRUM: [f64; 6] = [2.0, 1.3, 0.8, 0.5, 0.2, 0.07];

    /// The determinant law: Σ rates = −νk tr S, whatever p, k, S and β.
    #[test]
    fn rates_sum_to_the_determinant_law() {
        for p in 1..=6 {
            for k in 1..=6 {
                let rates = decay_rates(&SPECTRUM[..p], &gaussian(p, k), 0.3).expect("full rank");
                assert_eq!(rates.len(), p + k);
                assert!(rates.is_sorted_by(|a, b| a >= b));
                assert_eq!(rates.iter().filter(|&&r| r == 0.0).count(), p.min(k));
                let law = 0.3 * k as f64 * SPECTRUM[..p].iter().sum::<f64>();
                let sum: f64 = rates.iter().sum();
                assert!((sum + law).abs() < 1e-13 * law, "{p} {k}: {sum} {law}");
            }
        }
    }

    /// At S = I: 0 (r), −k/2 (p − r), −p/2 (k − r), −(p + k)/2 (r), r = min(p, k).
    #[test]
    fn isotropic_rates() {
        let rates = |p, k| decay_rates(&vec![1.0; p], &gaussian(p, k), 1.0).expect("full rank");
        assert_rates(&rates(4, 2), &[0.0, 0.0, -1.0, -1.0, -3.0, -3.0]);
        assert_rates(&rates(2, 4), &[0.0, 0.0, -1.0, -1.0, -3.0, -3.0]);
        assert_rates(&rates(2, 2), &[0.0, 0.0, -2.0, -2.0]);
    }

    /// k = 1, S = diag(2, 1), S^{1/2}β along (1, 1)/√2: eig [[2 + 3/2, 3/2], [3/2, 1 + 3/2]] is
    /// 3 ± √10/2, by hand.
    #[test]
    fn one_output_by_hand() {
        let beta = Mat::from_fn(2, 1, |i, _| [1.0 / 2f64.sqrt(), 1.0][i]);
        let half = 0.5 * 10f64.sqrt();
        let rates = decay_rates(&[2.0, 1.0], &beta, 2.0).expect("full rank");
        assert_rates(&rates, &[0.0, -(3.0 - half), -(3.0 + half)]);
    }

    /// The two formulas meet at p = k, where ŨŨᵀ = I.
    #[test]
    fn tall_and_wide_agree_on_squares() {
        let seen = VisibleProblem::new(&SPECTRUM[..4], &gaussian(4, 4)).expect("a problem");
        let (mut tall, mut wide) = (seen.tall(0.7), seen.wide(0.7));
        tall.sort_by(f64::total_cmp);
        wide.sort_by(f64::total_cmp);
        assert_rates(&tall, &wide);
    }

    /// A null direction is the limit of a small eigenvalue, with one exponent that tends to 0.
    #[test]
    fn null_directions_stay_and_are_limits() {
        for (p, k) in [(4, 2), (3, 3), (2, 4)] {
            let beta = gaussian(p, k);
            let with = |last| {
                let mut s = SPECTRUM[..p].to_vec();
                s[p - 1] = last;
                s
            };
            let null = decay_rates(&with(0.0), &beta, 1.0).expect("a closed form");
            assert_eq!(null.iter().filter(|&&r| r == 0.0).count(), k.min(p - 1) + 1);
            assert_eq!(
                surviving_singular_values(&with(0.0), &beta),
                Ok(k.min(p - 1) + 1)
            );
            if k < p {
                assert_rates(
                    &null,
                    &decay_rates(&with(1e-14), &beta, 1.0).expect("a closed form"),
                );
            }
        }
        assert_eq!(
            decay_rates(&[0.0, 0.0], &gaussian(2, 1), 1.0),
            Ok(vec![0.0; 3])
        );
        assert_eq!(
            surviving_singular_values(&[0.0, 0.0], &gaussian(2, 1)),
            Ok(3)
        );
    }

    /// p = k = 5, rank 2, ν = 0.02, S = 1, by hand from the exponents of Brownian motion on
    /// SO(3, 3): ½(3, 1, −1) and −½(3, 5, 7), less r/2.
    #[test]
    fn deficient_rates() {
        let wide = gaussian(5, 5);
        let beta = Mat::from_fn(5, 5, |i, j| {
            (0..2).map(|c| wide[(i, c)] * wide[(c + 2, j)]).sum()
        });
        let rates = decay_rates(&[1.0; 5], &beta, 0.02).expect("attracting");
        let want = [
            0.0, 0.0, -0.01, -0.03, -0.05, -0.05, -0.07, -0.09, -0.1, -0.1,
        ];
        assert_rates(&rates, &want);
        assert_eq!(surviving_singular_values(&[1.0; 5], &beta), Ok(2));
    }

    #[test]
    fn what_has_no_closed_form_says_why() {
        let zero = |p, k| Mat::<f64>::zeros(p, k);
        let refused = |s: &[f64], beta: &Mat<f64>| decay_rates(s, beta, 1.0).expect_err("refused");
        assert_eq!(
            refused(&[1.0; 3], &zero(3, 3)),
            NoClosedForm::NotAttracting { rank: 0, size: 3 }
        );
        // At p = k = 2, β = 0 the top exponent is 0: neither attracting nor repelling.
        assert_eq!(
            refused(&[1.0; 2], &zero(2, 2)),
            NoClosedForm::NotAttracting { rank: 0, size: 2 }
        );
        assert_eq!(
            refused(&[1.0; 3], &zero(3, 2)),
            NoClosedForm::FreeNoise {
                inputs: 3,
                outputs: 2
            }
        );
        assert_eq!(
            refused(&[2.0, 1.0], &zero(2, 2)),
            NoClosedForm::Anisotropic { rank: 0, full: 2 }
        );
        assert_eq!(
            refused(&[1.0], &zero(2, 2)),
            NoClosedForm::Shape {
                got: 2,
                expected: 1
            }
        );
        assert!(matches!(
            refused(&[1.0, -1.0], &zero(2, 2)),
            NoClosedForm::Range { .. }
        ));
        let mut bad = gaussian(2, 2);
        bad[(1, 0)] = f64::NAN;
        assert_eq!(
            refused(&[1.0; 2], &bad),
            NoClosedForm::NotFinite { row: 1, column: 0 }
        );
        assert!(matches!(
            decay_rates(&[1.0], &gaussian(1, 1), f64::NAN),
            Err(NoClosedForm::Range { .. })
        ));
    }
}

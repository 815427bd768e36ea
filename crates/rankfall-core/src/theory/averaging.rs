//! Where noise of labels and of rows can be averaged over the fast motion around the minimum, and
//! what that motion costs.
//!
//! At W₁W₂ = β the map is pulled back at the rates of S(E B + D E), D = W₁W₁ᵀ and B = W₂ᵀW₂, while
//! noise moves the weights along the minima at rates of order ν. The slow flow is the limit in
//! which the first are far faster.

use thiserror::Error;

use crate::linalg::dense::{eigen_semidefinite, thin_svd};
use crate::model::problem::Problem;
use crate::model::row_noise::RowNoise;

/// Singular values of S^{1/2}β below this share of the largest count as zero.
const ZERO: f64 = 1e-10;

/// Beyond this [`separation`] the two motions are not told apart.
pub const MOST_SEPARATION: f64 = 0.5;

/// Why noise is not averaged.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NoSlowFlow {
    /// No noise.
    #[error("there is no noise on labels, and none of rows at the minimum")]
    NoNoise,
    /// rank β below min(p, k): nothing pulls back the rest of the noise.
    #[error(
        "the least-squares optimum has rank {rank}, below {full}: some noise is not pulled back, and keeps \
         singular values alive"
    )]
    RankDeficient {
        /// rank S^{1/2}β.
        rank: usize,
        /// min(p, k), p counting the positive eigenvalues of S.
        full: usize,
    },
    /// A network that cannot reach the optimum.
    #[error("a width of {width} cannot reach the least-squares optimum, of rank {rank}")]
    Narrow {
        /// l.
        width: usize,
        /// rank S^{1/2}β.
        rank: usize,
    },
    /// ν of the order of the pull.
    #[error(
        "the noise is too large (that of labels has ν = {nu}): it moves the weights {separation:.1} times as fast as the \
         weakest pull back to the minimum; averaging needs less than {MOST_SEPARATION}"
    )]
    TooMuchNoise {
        /// ν.
        nu: f64,
        /// [`separation`].
        separation: f64,
    },
}

/// Whether the slow flow of label noise of intensity `nu`, and of rows where that is given,
/// describes a network of width `width`; its [`separation`] if so.
///
/// # Errors
/// Why it does not.
pub fn slow_flow_applies(
    problem: &Problem,
    width: usize,
    nu: f64,
    rows: Option<&RowNoise>,
) -> Result<f64, NoSlowFlow> {
    if nu <= 0.0 && rows.is_none() {
        return Err(NoSlowFlow::NoNoise);
    }
    let sigma = scaled_singular_values(problem);
    let zero = ZERO * sigma.first().copied().unwrap_or(0.0);
    let (rank, full) = (sigma.iter().filter(|&&d| d > zero).count(), sigma.len());
    if rank < full {
        return Err(NoSlowFlow::RankDeficient { rank, full });
    }
    if width < rank {
        return Err(NoSlowFlow::Narrow { width, rank });
    }
    let separation = separation(problem, nu, rows);
    if separation > MOST_SEPARATION {
        return Err(NoSlowFlow::TooMuchNoise { nu, separation });
    }
    Ok(separation)
}

/// The fastest rate of the slow flow over the weakest pull to the minimum, where the noise leads in
/// the end: ν (k s₁ + tr S)/2 over s_p d √(k/tr S), with s₁ and s_p the largest and smallest
/// positive eigenvalue of S and d the smallest singular value of S^{1/2}β. The noise of rows adds
/// its own second moments to ν k S and ν tr(S) I. What the slow flow neglects is of this order,
/// relative to how far log σ falls.
pub fn separation(problem: &Problem, nu: f64, rows: Option<&RowNoise>) -> f64 {
    let positive: Vec<f64> = problem
        .eigenvalues
        .iter()
        .copied()
        .filter(|&s| s > 0.0)
        .collect();
    let (Some(&largest), Some(&smallest)) = (positive.first(), positive.last()) else {
        return f64::INFINITY;
    };
    let (k, trace) = (problem.outputs as f64, problem.trace());
    let least = scaled_singular_values(problem)
        .last()
        .copied()
        .unwrap_or(0.0);
    let pull = smallest * least * (k / trace).sqrt();
    let fastest = match rows {
        None => nu * (k * largest + trace),
        Some(rows) => {
            let mut inputs = rows.of_inputs.clone();
            let mut outputs = rows.of_outputs.clone();
            for (a, s) in problem.eigenvalues.iter().enumerate() {
                inputs[(a, a)] += nu * k * s;
            }
            for b in 0..problem.outputs {
                outputs[(b, b)] += nu * trace;
            }
            [inputs, outputs]
                .iter()
                .map(|m| eigen_semidefinite(m).0[0])
                .sum()
        }
    };
    0.5 * fastest / pull
}

/// Singular values of S^{1/2}β, descending, min(p, k) of them, p counting the positive eigenvalues
/// of S.
fn scaled_singular_values(problem: &Problem) -> Vec<f64> {
    let p = problem.eigenvalues.iter().filter(|&&s| s > 0.0).count();
    let k = problem.outputs;
    let entry = |a: usize, b: usize| problem.eigenvalues[a].sqrt() * problem.optimum[(a, b)];
    thin_svd(&faer::Mat::from_fn(p, k, entry)).sigma
}

/// The loss that noise of intensity ν costs at a minimum, on average: fluctuations of W₁W₂ around β
/// have covariance (ν/2)(I ⊗ B + D ⊗ I), so that ½ tr EᵀΣE is (ν/4)[tr(Σ) tr(B) + k tr(ΣD)], here
/// for any Σ on the inputs and weights w on the outputs. All matrices row-major: D (`d`) and Σ
/// (`on_inputs`) p × p, B (`b`) k × k.
pub fn loss_of_fluctuations(
    nu: f64,
    d: &[f64],
    b: &[f64],
    on_inputs: &[f64],
    on_outputs: &[f64],
) -> f64 {
    let k = on_outputs.len();
    let p = libm::sqrt(d.len() as f64) as usize;
    let trace: f64 = (0..p).map(|a| on_inputs[a * p + a]).sum();
    let turned: f64 = d.iter().zip(on_inputs).map(|(x, s)| x * s).sum();
    let of_output = |(c, weight): (usize, &f64)| weight * (trace * b[c * k + c] + turned);
    0.25 * nu * on_outputs.iter().enumerate().map(of_output).sum::<f64>()
}

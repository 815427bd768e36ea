//! The dynamics of a two-layer linear network, as settings: what moves the weights.
//!
//! All run on one time axis, t = step size × step, so that a descent and the flow it
//! approximates can be compared save time by save time.

use serde::{Deserialize, Serialize};

use crate::model::classification::Classification;
use crate::model::optimizer::Optimizer;

/// Which dynamics, with the settings that only it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Kind {
    /// dΘ = H(A) Θ dt, A = S_xy − S_xx W₁W₂; integrated adaptively.
    GradientFlow,
    /// dΘ = H(dG) Θ (Itô), dG = A dt + √ν S_xx^{1/2} dB, ν = ηδ/b.
    StochasticGradientFlow {
        /// How a step of length `time_step` is taken.
        integrator: Integrator,
        /// The step h of the integrator, in units of t.
        time_step: f64,
        /// The batch size b in ν = ηδ/b.
        batch_size: u64,
        /// How the forces on the eigenvalues of M are split, and factors on them: 1 each for the
        /// flow itself.
        #[serde(default)]
        forces: ForceScales,
        /// Each Brownian increment is the sum of this many finer ones, so that steps h and h/2 of
        /// the same seed can follow one Brownian path: with r and 2r of these, say. At least 1.
        #[serde(default = "one")]
        brownian_substeps: u32,
    },
    /// What the stochastic gradient flow and the descents with label noise tend to as ν → 0:
    /// gradient flow to the minimum, then dΘ = [H(Γ) − (ν/2) C] Θ dt with W₁W₂ held there;
    /// integrated adaptively.
    SlowFlow {
        /// The batch size b in ν = ηδ/b.
        batch_size: u64,
    },
    /// Θ ← (I + η H(A)) Θ.
    GradientDescent,
    /// Θ ← (I + η H(A + Xᵀε/n)) Θ, fresh label noise ε of variance δ at every step; ν = ηδ/n.
    LabelNoiseGradientDescent {
        /// The law of the entries of ε.
        distribution: LabelNoise,
    },
    /// Θ ← (I + η H(G)) Θ with G the gradient on a mini-batch, with label noise if δ > 0.
    StochasticGradientDescent {
        /// Rows per step, b.
        batch_size: u64,
        /// How the rows are chosen.
        sampling: Sampling,
        /// The law of the added label noise.
        distribution: LabelNoise,
    },
}

fn one() -> u32 {
    1
}

/// Into which forces the noise part of the drift of log λ_i is split: [`crate::theory::forces`] has
/// both. The sum is the same; what is called repulsion is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForceSplit {
    /// Common growth Σ_{j≠i} q_ij, and a repulsion that leaves a large eigenvalue alone.
    #[default]
    Regular,
    /// Common decay −Σ_{j≠i} q_ij, and a repulsion that sums to zero over the eigenvalues.
    Antisymmetric,
}

impl ForceSplit {
    /// Its name in experiment files and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Antisymmetric => "antisymmetric",
        }
    }
}

/// A split of the forces of [`crate::theory::forces`] and factors on them, for counterfactuals:
/// what would have happened, with the same noise, had a force been weaker or absent?
///
/// With F_i the force F on log λ_i and c_F its factor, the run solves the Itô equation
///
/// dΘ = [H(dG) + ½ Σ_F (c_F − 1) Σ_i F_i v_i v_iᵀ dt] Θ,
///
/// whose eigenvalues of M obey d log λ_i = Σ_F c_F F_i dt + the same noise, with the same motion of
/// eigenvectors. Repulsion below 1 lets eigenvalues meet; eigenvalues are told apart by size alone,
/// so where two meet they are reflected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForceScales {
    /// What the forces are.
    pub split: ForceSplit,
    /// On 4 a_i'A b_i.
    pub gradient: f64,
    /// On −q_ii.
    pub own_noise: f64,
    /// On the common growth of the regular split, Σ_{j≠i} q_ij, or the common decay of the
    /// antisymmetric one.
    pub common: f64,
    /// On Σ_{j≠i} 4 q_ij λ_j/(λ_i − λ_j), or Σ_{j≠i} 2 q_ij (λ_i + λ_j)/(λ_i − λ_j).
    pub repulsion: f64,
}

impl Default for ForceScales {
    fn default() -> Self {
        Self {
            split: ForceSplit::Regular,
            gradient: 1.0,
            own_noise: 1.0,
            common: 1.0,
            repulsion: 1.0,
        }
    }
}

impl ForceScales {
    /// Whether nothing is scaled: the flow itself, whatever the split.
    pub fn is_unmodified(&self) -> bool {
        [self.gradient, self.own_noise, self.common, self.repulsion] == [1.0; 4]
    }

    /// Whether the scaled forces sum to zero over all eigenvalues, so that the determinant law
    /// holds as it does for the flow: the gradient's does, 2 tr H(A), and so does the antisymmetric
    /// repulsion.
    pub fn keep_the_determinant_law(&self) -> bool {
        [self.own_noise, self.common] == [1.0; 2]
            && (self.repulsion == 1.0 || self.split == ForceSplit::Antisymmetric)
    }

    /// Whether eigenvalues can meet, and are reflected where they do.
    pub fn let_eigenvalues_meet(&self) -> bool {
        self.repulsion < 1.0
    }
}

/// Integrators of the stochastic gradient flow (Itô). Strong order 1/2 all; weak order 1 but for
/// [`Integrator::LieStrang`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrator {
    /// exp(H(ΔG)) · exp(−hνC/2): meets the determinant law to rounding at any step.
    #[default]
    LieEuler,
    /// exp(H(ΔG) − hνC/2), one exponential: meets the law to rounding as well.
    LieEulerUnsplit,
    /// Drift over h/2, noise over h, drift over h/2, all by exponentials: weak order 2 at five
    /// times the cost of [`Integrator::LieEuler`] or more, and meets the law to rounding as well.
    LieStrang,
    /// I + H(ΔG): with h = η the noise of label-noise gradient descent.
    EulerMaruyama,
}

/// The law of one added label-noise entry; mean 0 and variance δ in both cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelNoise {
    /// N(0, δ).
    #[default]
    Gaussian,
    /// ±√δ with equal probability.
    Rademacher,
}

/// How mini-batch SGD chooses its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// b independent uniform rows.
    #[default]
    WithReplacement,
    /// b distinct rows, fresh at every step.
    WithoutReplacement,
    /// A fresh uniform permutation per epoch, taken b rows at a time; a last partial batch is kept
    /// (its gradient is the mean over the rows it has).
    Epochs,
    /// Rows in file order, b at a time, starting over at the end like `Epochs`.
    Sequential,
}

/// One dynamics with its step size and label noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dynamics {
    /// Which dynamics.
    #[serde(flatten)]
    pub kind: Kind,
    /// η > 0. Flows see it only through ν; descents take steps of it.
    pub step_size: f64,
    /// δ ≥ 0, the variance of the added label noise.
    pub label_noise: f64,
    /// Momentum and weight decay of the descents; flows have none.
    #[serde(default, skip_serializing_if = "Optimizer::is_plain")]
    pub optimizer: Optimizer,
    /// The loss and the flips of labels, where targets are classes; none for the squared loss.
    /// Noise on labels is then that of the flips, and δ is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classification>,
}

impl Dynamics {
    /// ν: ηδ/b for the stochastic flow and SGD, ηδ/n for label-noise gradient descent, else 0. Of
    /// labels that flip, whose covariance is no multiple of one, it is that with δ = 1.
    pub fn noise_intensity(&self, samples: u64) -> f64 {
        let total = match &self.classes {
            None => self.step_size * self.label_noise,
            Some(_) if self.labels_flip() => self.step_size,
            Some(_) => 0.0,
        };
        match self.kind {
            Kind::GradientFlow | Kind::GradientDescent => 0.0,
            _ => total / self.rows_per_step(samples) as f64,
        }
    }

    /// b, or n where a step takes all rows.
    pub fn rows_per_step(&self, samples: u64) -> u64 {
        match self.kind {
            Kind::StochasticGradientFlow { batch_size, .. }
            | Kind::SlowFlow { batch_size }
            | Kind::StochasticGradientDescent { batch_size, .. } => batch_size,
            _ => samples,
        }
    }

    /// What the covariance of the gradient of a single row is multiplied by in the noise of drawing
    /// rows, per unit of t: η/b with replacement, and η (n − b)/((n − 1) b) without. None where
    /// rows are not drawn, or drawn with a memory: what is left of an epoch depends on what was
    /// taken.
    pub fn row_noise_intensity(&self, samples: u64) -> Option<f64> {
        let Kind::StochasticGradientDescent {
            batch_size,
            sampling,
            ..
        } = self.kind
        else {
            return None;
        };
        let (n, b) = (samples as f64, batch_size as f64);
        match sampling {
            Sampling::WithReplacement => Some(self.step_size / b),
            Sampling::WithoutReplacement if n > b => {
                Some(self.step_size * (n - b) / ((n - 1.0) * b))
            }
            _ => None,
        }
    }

    /// Whether labels are classes that flip.
    pub fn labels_flip(&self) -> bool {
        let flips = self
            .classes
            .as_ref()
            .and_then(|classes| classes.flips.as_ref());
        flips.is_some_and(|flips| !flips.are_none())
    }

    /// Whether labels are the same at every step.
    fn has_fixed_labels(&self) -> bool {
        self.label_noise == 0.0 && !self.labels_flip()
    }

    /// The name of the kind in experiment files and summaries.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::GradientFlow => "gradient-flow",
            Kind::StochasticGradientFlow { .. } => "stochastic-gradient-flow",
            Kind::SlowFlow { .. } => "slow-flow",
            Kind::GradientDescent => "gradient-descent",
            Kind::LabelNoiseGradientDescent { .. } => "label-noise-gradient-descent",
            Kind::StochasticGradientDescent { .. } => "sgd",
        }
    }

    /// Whether two trajectories from one start are the same trajectory.
    pub fn is_deterministic(&self) -> bool {
        match self.kind {
            Kind::GradientFlow | Kind::SlowFlow { .. } | Kind::GradientDescent => true,
            Kind::StochasticGradientDescent { sampling, .. } => {
                self.has_fixed_labels() && sampling == Sampling::Sequential
            }
            Kind::StochasticGradientFlow { .. } | Kind::LabelNoiseGradientDescent { .. } => {
                self.has_fixed_labels()
            }
        }
    }

    /// The factors on the forces where any of them is not 1.
    pub fn modified_forces(&self) -> Option<ForceScales> {
        match self.kind {
            Kind::StochasticGradientFlow { forces, .. } if !forces.is_unmodified() => Some(forces),
            _ => None,
        }
    }

    /// Whether it is a flow in continuous time, not a descent.
    pub fn is_continuous(&self) -> bool {
        matches!(
            self.kind,
            Kind::GradientFlow | Kind::SlowFlow { .. } | Kind::StochasticGradientFlow { .. }
        )
    }

    /// Whether an adaptive integrator runs it, which chooses its steps itself.
    pub fn is_adaptive(&self) -> bool {
        matches!(self.kind, Kind::GradientFlow | Kind::SlowFlow { .. })
    }

    /// Whether the determinant law is stated for it: log det M(t) = log det M(0) − 2νk tr(S_xx) t,
    /// and with classes that flip − 2νm t, m of [`crate::model::class_problem::LabelFlipNoise`].
    pub fn is_flow(&self) -> bool {
        self.is_continuous()
            && self
                .modified_forces()
                .is_none_or(|forces| forces.keep_the_determinant_law())
    }

    /// Whether the Gram matrices are not enough and the rows of the data are needed.
    pub fn needs_rows(&self) -> bool {
        self.classes.is_some()
            || matches!(
                self.kind,
                Kind::StochasticGradientDescent { .. }
                    | Kind::LabelNoiseGradientDescent {
                        distribution: LabelNoise::Rademacher
                    }
            )
    }
}

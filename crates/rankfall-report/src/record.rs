//! What a finished run says of itself: `summary.json` and the rows of `series.parquet`.
//!
//! These are the types people's scripts rely on; `docs/run-folder.md` describes them in words.

use serde::{Deserialize, Serialize};

/// The version of the layout of [`Summary`]; raised when a field changes its meaning.
pub const SUMMARY_SCHEMA: u32 = 1;

/// The whole of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SUMMARY_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// The experiment's name.
    pub experiment: String,
    /// The seed everything was drawn from.
    pub seed: u64,
    /// Sizes and Gram figures that all dynamics share.
    pub problem: ProblemSummary,
    /// One entry per `[[dynamics]]`, in file order.
    pub dynamics: Vec<DynamicsSummary>,
    /// Sentences a reader of the results must see: conditioning on survival, constant columns, …
    pub warnings: Vec<String>,
}

/// Sizes and figures of the data and the network that all dynamics of a run share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProblemSummary {
    /// Rows of data.
    pub samples: u64,
    /// p.
    pub inputs: usize,
    /// k.
    pub outputs: usize,
    /// l.
    pub width: usize,
    /// tr S_xx (of the first data draw where every trajectory has its own).
    pub trace_sxx: f64,
    /// ½ tr(S_yy − S_xyᵀ S_xx⁺ S_xy): the loss of the least-squares optimum.
    pub loss_floor: f64,
    /// Where the data came from, in words.
    pub data: String,
}

/// One dynamics of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DynamicsSummary {
    /// The label given in the experiment file.
    pub label: String,
    /// `gradient-flow`, `stochastic-gradient-flow`, `gradient-descent`,
    /// `label-noise-gradient-descent` or `sgd`.
    pub kind: String,
    /// ν: ηδ/b for the stochastic flow and SGD, ηδ/n for label-noise gradient descent, else 0.
    pub noise_intensity: f64,
    /// η.
    pub step_size: f64,
    /// δ.
    pub label_noise: f64,
    /// The scales of the forces on log λᵢ, where they are not all 1: a counterfactual.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forces: Option<ForceScalesRecord>,
    /// Momentum and weight decay, where there is any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub optimizer: Option<OptimizerRecord>,
    /// Steps per trajectory.
    pub steps: u64,
    /// How many trajectories were run.
    pub trajectories: u64,
    /// How many of them diverged; statistics are over the others.
    pub diverged: u64,
    /// The first few that diverged (at most 100): index, step and time.
    pub divergences: Vec<Divergence>,
    /// Exact reductions used, and why not the others, one sentence each.
    pub reductions: Vec<String>,
    /// Wall seconds of this dynamics alone, saves included.
    pub seconds: f64,
    /// steps × trajectories / seconds.
    pub trajectory_steps_per_second: f64,
    /// log det M where l ≥ p + k, else log det ΘᵀΘ.
    pub log_det: LogDetSummary,
    /// Natural logarithms of singular values, descending.
    pub log_singular_values: SpectraSummary,
    /// #{σᵢ > tolerance · σ₁}.
    pub numerical_rank: RankSummary,
    /// exp of the entropy of σᵢ/Σσ (Roy and Vetterli 2007).
    pub effective_rank: RankSummary,
    /// Σσᵢ²/σ₁².
    pub stable_rank: RankSummary,
    /// |Y − X W₁W₂|²/(2n).
    pub loss: LossSummary,
    /// Loss above the least-squares optimum.
    pub excess_loss: LossSummary,
    /// Expected loss on a fresh sample, where the truth is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub population_loss: Option<LossSummary>,
    /// How quantiles were formed, and their error where they come from histograms.
    pub quantiles: String,
}

/// What a descent does with its gradient beside following it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerRecord {
    /// μ.
    pub momentum: f64,
    /// Whether steps look ahead by one step of momentum.
    pub nesterov: bool,
    /// λ.
    pub weight_decay: f64,
}

/// What each force on log λᵢ was multiplied by; 1 leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForceScalesRecord {
    /// 4 aᵢᵀA bᵢ.
    pub gradient: f64,
    /// −qᵢᵢ.
    pub own_noise: f64,
    /// Σ_{j≠i} qᵢⱼ.
    pub common_growth: f64,
    /// Σ_{j≠i} 4 qᵢⱼ λⱼ/(λᵢ − λⱼ).
    pub repulsion: f64,
}

/// A trajectory that was stopped because its weights left the range of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// Index of the trajectory.
    pub trajectory: u64,
    /// The step at which it was stopped.
    pub step: u64,
    /// The time t of that step.
    pub time: f64,
    /// `"out-of-range"`: its weights left the range of numbers. `"step-limit"`: adaptive integration reached
    /// its limit of steps. `"not-conserved"`: a conserved quantity drifted farther than the tolerance explains.
    #[serde(default = "out_of_range")]
    pub reason: String,
}

/// The reason in summaries that name none.
fn out_of_range() -> String {
    "out-of-range".to_owned()
}

/// log det of M (or of ΘᵀΘ), natural logarithm; null where undefined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogDetSummary {
    /// `"M"` where l ≥ p + k, else `"theta_transpose_theta"`.
    pub of: String,
    /// At t = 0.
    pub initial: Option<f64>,
    /// Mean over the trajectories that survived, at the last save time.
    pub final_mean: Option<f64>,
    /// Sample standard deviation over them; null for one trajectory.
    pub final_std: Option<f64>,
    /// log det M(0) − 2νk tr(S_xx) t: both flows where l ≥ p + k; else null.
    pub law_final: Option<f64>,
}

/// Initial and final mean of a list of values, descending at t = 0; null where undefined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// At t = 0.
    pub initial: Vec<Option<f64>>,
    /// At the last save time.
    pub final_mean: Vec<Option<f64>>,
}

/// Spectra of the four matrices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpectraSummary {
    /// Θ = [W₁; W₂ᵀ], min(l, p + k) values.
    pub theta: Spectrum,
    /// W₁, min(p, l) values.
    pub w1: Spectrum,
    /// W₂, min(l, k) values.
    pub w2: Spectrum,
    /// W₁W₂, min(p, k, l) values.
    pub product: Spectrum,
}

/// Initial and final mean of a scalar; null where undefined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scalar {
    /// At t = 0.
    pub initial: Option<f64>,
    /// At the last save time.
    pub final_mean: Option<f64>,
}

/// A notion of rank: of Θ at the top level, of the other matrices by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankSummary {
    /// Of Θ.
    #[serde(flatten)]
    pub theta: Scalar,
    /// The relative tolerance; null for the ranks that need none.
    pub tolerance: Option<f64>,
    /// Of W₁.
    pub w1: Scalar,
    /// Of W₂.
    pub w2: Scalar,
    /// Of W₁W₂.
    pub product: Scalar,
}

/// A loss at the start and the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossSummary {
    /// At t = 0.
    pub initial: Option<f64>,
    /// Mean at the last save time.
    pub final_mean: Option<f64>,
    /// Sample standard deviation there; null for one trajectory.
    pub final_std: Option<f64>,
}

impl LossSummary {
    /// Start and mean at the end, where both are defined.
    #[must_use]
    pub fn ends(&self) -> Option<(f64, f64)> {
        Some((self.initial?, self.final_mean?))
    }
}

/// One row of `series.parquet`. Undefined values are null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesRow {
    /// Label of the dynamics.
    pub dynamics: String,
    /// Name of the observable, e.g. `log_det`, `loss`, `log_singular_value_w1`.
    pub observable: String,
    /// 1, 2, … for the parts of a spectrum, descending; 0 for scalars.
    pub index: u32,
    /// t.
    pub time: f64,
    /// Mean over the trajectories that survived.
    pub mean: Option<f64>,
    /// Sample standard deviation / √(survivors); null for fewer than two.
    pub std_error: Option<f64>,
    /// Quantiles of type 7.
    pub q05: Option<f64>,
    /// The lower quartile.
    pub q25: Option<f64>,
    /// The median.
    pub q50: Option<f64>,
    /// The upper quartile.
    pub q75: Option<f64>,
    /// The 95 % quantile.
    pub q95: Option<f64>,
    /// What theory says it is at that time; null where no law applies.
    pub law: Option<f64>,
}

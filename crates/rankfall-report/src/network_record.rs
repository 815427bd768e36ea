//! What a finished run of the dense engine says of itself: its `summary.json`.
//!
//! It has the fields of [`crate::record`] where they mean something for any network, and lists per
//! layer in place of W₁ and W₂. `docs/run-folder.md` describes both in words.

use serde::{Deserialize, Serialize};

use crate::record::{Divergence, LossSummary, Scalar, Spectrum};

/// The value of `engine` in these summaries; the others have no such field.
pub const DENSE: &str = "dense";

/// The whole of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkSummary {
    /// [`crate::record::SUMMARY_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// [`DENSE`].
    pub engine: String,
    /// Why not the exact engine, in a clause.
    pub engine_reason: String,
    /// The experiment's name.
    pub experiment: String,
    /// The seed everything was drawn from.
    pub seed: u64,
    /// What all dynamics share.
    pub problem: NetworkProblem,
    /// One entry per `[[dynamics]]`, in file order.
    pub dynamics: Vec<NetworkDynamics>,
    /// Sentences a reader of the results must see.
    pub warnings: Vec<String>,
}

/// Data and network that all dynamics of a run share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkProblem {
    /// Rows trained on.
    pub samples: u64,
    /// Rows held out.
    pub held_out: u64,
    /// Widths, inputs first.
    pub layers: Vec<usize>,
    /// `dense` or `diagonal-linear`.
    pub kind: String,
    /// Of the hidden units.
    pub activation: String,
    /// Whether layers have biases.
    pub bias: bool,
    /// How many weights and biases.
    pub parameters: usize,
    /// What is minimised.
    pub loss: String,
    /// `f64` or `f32`.
    pub precision: String,
    /// Whether the targets are classes.
    pub classes: bool,
    /// The training loss of the best prediction that is the same for every row; none where every trajectory
    /// has its own data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub constant_loss: Option<f64>,
    /// Where the data came from, in words.
    pub data: String,
}

/// One dynamics of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkDynamics {
    /// The label given in the experiment file.
    pub label: String,
    /// `gradient-descent`, `label-noise-gradient-descent` or `sgd`.
    pub kind: String,
    /// ν: ηδ over the batch size, δ the variance of the label noise; 0 without any.
    pub noise_intensity: f64,
    /// Every kind of noise, in words.
    pub noise: Vec<String>,
    /// η, before its schedule.
    pub step_size: f64,
    /// How the step size changes, in words.
    pub schedule: String,
    /// μ.
    pub momentum: f64,
    /// λ.
    pub weight_decay: f64,
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
    /// The training loss.
    pub loss: LossSummary,
    /// Share of training rows classified rightly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<LossSummary>,
    /// The loss on rows held out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out_loss: Option<LossSummary>,
    /// The accuracy on rows held out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out_accuracy: Option<LossSummary>,
    /// Every layer, first to last.
    pub layers: Vec<MatrixSummary>,
    /// The product of all layers of a linear network; what a diagonal one multiplies inputs by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product: Option<MatrixSummary>,
    /// The features of every hidden layer on the probe rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub features: Vec<MatrixSummary>,
    /// The Jacobian of the outputs by the parameters on the probe rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jacobian: Option<MatrixSummary>,
    /// log det ΘⱼΘⱼᵀ of adjacent stacks of a linear network.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub log_det_stacks: Vec<StackSummary>,
    /// What of trajectory 0 can learn nothing more at the end; none where it diverged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inert: Option<InertSummary>,
    /// How quantiles were formed, and their error where they come from histograms.
    pub quantiles: String,
}

/// Units and layers that can learn nothing from the training rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InertSummary {
    /// Of each hidden layer, how many units have a derivative of at most a thousandth of its largest value on
    /// every training row: rectifiers that are zero, tanh and sigmoid that are saturated.
    pub dead_units: Vec<usize>,
    /// Layers, from 1, whose weights have a gradient of exactly zero, or one that is, relative to the norm
    /// of the weights, below 10⁻⁸ of the largest of all layers.
    pub still_layers: Vec<usize>,
}

/// Spectrum and ranks of a matrix; null where undefined or not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MatrixSummary {
    /// Natural logarithms of singular values, descending; left out for features and Jacobian.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log_singular_values: Option<Spectrum>,
    /// #{σᵢ > tolerance · σ₁}.
    pub numerical_rank: TolerantRank,
    /// Singular values above rounding in the precision of the weights.
    pub machine_rank: Scalar,
    /// exp of the entropy of σᵢ/Σσ.
    pub effective_rank: Scalar,
    /// Σσᵢ²/σ₁².
    pub stable_rank: Scalar,
    /// Σσᵢ.
    pub nuclear_norm: Scalar,
    /// log|det|, of square layers alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log_abs_det: Option<Scalar>,
    /// Mean share of hidden units that are not zero, of features alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub active_share: Option<Scalar>,
}

/// A rank with the tolerance it was counted at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TolerantRank {
    /// At the start and the end.
    #[serde(flatten)]
    pub rank: Scalar,
    /// Relative to the largest singular value.
    pub tolerance: f64,
}

/// log det of a stack, with its law where it has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackSummary {
    /// At the start and the end.
    #[serde(flatten)]
    pub log_det: LossSummary,
    /// What the law says of the mean at the end.
    pub law_final: Option<f64>,
}

//! What a finished run says of itself: `summary.json` and the rows of `series.parquet`, of either
//! engine.
//!
//! These are the types people's scripts rely on; `docs/run-folder.md` describes them in words. What
//! means nothing for a run is null, or an empty list.

use serde::{Deserialize, Serialize};

/// The version of the layout of [`Summary`]; raised when a field changes its meaning.
pub const SUMMARY_SCHEMA: u32 = 2;
/// The value of [`Summary::engine`] for two linear layers.
pub const EXACT: &str = "exact";
/// The value of [`Summary::engine`] for any other network.
pub const DENSE: &str = "dense";
/// The value of [`Summary::engine`] of a training run elsewhere that was watched.
pub const MONITOR: &str = "monitor";

/// The whole of `summary.json`, but for the checksums of the files beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SUMMARY_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// [`EXACT`] or [`DENSE`].
    pub engine: String,
    /// Why this engine, in a clause.
    pub engine_reason: String,
    /// The experiment's name.
    pub experiment: String,
    /// The seed everything was drawn from.
    pub seed: u64,
    /// What all dynamics share.
    pub problem: ProblemSummary,
    /// One entry per `[[dynamics]]`, in file order.
    pub dynamics: Vec<DynamicsSummary>,
    /// Sentences a reader of the results must see: conditioning on survival, constant columns, …
    pub warnings: Vec<String>,
    /// Of a training run elsewhere that was watched; absent for runs of an experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Box<MonitorSummary>>,
}

/// What the monitor of a training run says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MonitorSummary {
    /// The class of the model.
    pub model: String,
    /// Steps from a measurement to the next.
    pub every: u64,
    /// How many measurements there are, that of the start included.
    pub measurements: u64,
    /// How often each layer was measured, by its place.
    pub measured: Vec<u64>,
    /// Parameters that are not measured, each with the reason.
    pub skipped: Vec<SkippedParameter>,
    /// How it ended: `closed`, what was raised, or null where the process ended without a word.
    pub end: Option<String>,
    /// Seconds the training thread spent in the monitor.
    pub training_thread_seconds: Option<f64>,
    /// Seconds of processor time of the analysis, on a thread of its own.
    pub analysis_seconds: Option<f64>,
    /// Seconds from the first to the last step.
    pub wall_seconds: Option<f64>,
}

/// A parameter that a monitor leaves alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkippedParameter {
    /// Its name in the model.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Data and network that all dynamics of a run share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProblemSummary {
    /// Rows trained on.
    pub samples: u64,
    /// Rows held out.
    pub held_out: u64,
    /// p.
    #[serde(default)]
    pub inputs: usize,
    /// k.
    #[serde(default)]
    pub outputs: usize,
    /// Widths, inputs first: [p, l, k] of two layers.
    pub layers: Vec<usize>,
    /// `dense` or `diagonal-linear`.
    pub kind: String,
    /// Of the hidden units.
    pub activation: String,
    /// Whether layers have biases.
    pub bias: bool,
    /// How many weights and biases.
    pub parameters: u64,
    /// What is minimised.
    pub loss: String,
    /// `f64` or `f32`.
    pub precision: String,
    /// Whether the targets are classes.
    pub classes: bool,
    /// tr S_xx, exact engine alone (of the first data draw where every trajectory has its own).
    pub trace_sxx: Option<f64>,
    /// ½ tr(S_yy − S_xyᵀ S_xx⁺ S_xy), the loss of the least-squares optimum; likewise.
    pub loss_floor: Option<f64>,
    /// The training loss of the best prediction that is the same for every row; dense engine alone,
    /// null where every trajectory has its own data.
    pub constant_loss: Option<f64>,
    /// Where the data came from, in words.
    pub data: String,
}

impl ProblemSummary {
    /// Of two linear layers without biases and the squared loss, in double precision.
    #[must_use]
    pub fn two_layers(samples: u64, [inputs, width, outputs]: [usize; 3]) -> Self {
        Self {
            samples,
            inputs,
            outputs,
            layers: vec![inputs, width, outputs],
            kind: "dense".into(),
            activation: "linear".into(),
            parameters: (inputs as u64 + outputs as u64).saturating_mul(width as u64),
            loss: "squared".into(),
            precision: "f64".into(),
            ..Self::default()
        }
    }

    /// By how much log det M falls per unit of time where the determinant law is stated, as a
    /// formula.
    #[must_use]
    pub fn law_rate(&self) -> &'static str {
        match self.loss.as_str() {
            "squared" | "" => "2νk tr(S)",
            _ => "2νm",
        }
    }

    /// l: the width of the first hidden layer.
    #[must_use]
    pub fn width(&self) -> usize {
        self.layers.get(1).copied().unwrap_or(0)
    }
}

/// One dynamics of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DynamicsSummary {
    /// The label given in the experiment file.
    pub label: String,
    /// `gradient-flow`, `stochastic-gradient-flow`, `gradient-descent`,
    /// `label-noise-gradient-descent` or `sgd`.
    pub kind: String,
    /// ν: ηδ/b for the stochastic flow and SGD, ηδ/n for a descent on all rows, 0 without label
    /// noise.
    pub noise_intensity: f64,
    /// Every kind of noise, in words.
    pub noise: Vec<String>,
    /// η, before its schedule.
    pub step_size: f64,
    /// How the step size changes, in words.
    pub schedule: String,
    /// δ.
    pub label_noise: f64,
    /// b; null where a step takes all rows.
    pub batch_size: Option<u64>,
    /// Momentum and weight decay, where there is any.
    pub optimizer: Option<OptimizerRecord>,
    /// The scales of the forces on log λᵢ, where they are not all 1: a counterfactual.
    pub forces: Option<ForceScalesRecord>,
    /// The split of these forces, `regular` or `antisymmetric`, where they are scaled or weighed.
    #[serde(default)]
    pub force_split: Option<String>,
    /// Steps per trajectory.
    pub steps: u64,
    /// How many trajectories were run.
    pub trajectories: u64,
    /// How many of them diverged; statistics are over the others.
    pub diverged: u64,
    /// The first few that diverged (at most 100): index, step and time.
    pub divergences: Vec<DivergenceRecord>,
    /// Exact reductions used, and why not the others, one sentence each.
    pub reductions: Vec<String>,
    /// Wall seconds of this dynamics alone, saves included.
    pub seconds: f64,
    /// steps × trajectories / seconds.
    pub trajectory_steps_per_second: f64,
    /// How quantiles were formed, and their error where they come from histograms.
    pub quantiles: String,
    /// The training loss.
    pub loss: LossSummary,
    /// Training loss above the least-squares optimum, where that is known.
    pub excess_loss: Option<LossSummary>,
    /// Expected loss on a fresh sample, where the truth is known.
    pub population_loss: Option<LossSummary>,
    /// The loss on rows held out.
    pub held_out_loss: Option<LossSummary>,
    /// Share of training rows classified rightly.
    pub accuracy: Option<LossSummary>,
    /// The accuracy on rows held out.
    pub held_out_accuracy: Option<LossSummary>,
    /// Every matrix whose spectrum or ranks were taken: the stacked layers, each layer, their
    /// product, features and Jacobian.
    pub matrices: Vec<MatrixSummary>,
    /// Of the two layers stacked, exact engine alone.
    pub log_det: Option<LogDetSummary>,
    /// Of adjacent layers of a linear network stacked, dense engine alone.
    pub log_det_stacks: Vec<LogDetSummary>,
    /// What theory says beside what was measured at the end, or why it says nothing.
    pub predictions: Vec<Prediction>,
    /// What of trajectory 0 can learn nothing more at the end; null where it diverged, and for two
    /// linear layers.
    pub inert: Option<InertSummary>,
    /// The spectra of [`Self::matrices`] by the names of two layers, exact engine alone.
    pub log_singular_values: Option<SpectraSummary>,
    /// The ranks of [`Self::matrices`] likewise.
    pub numerical_rank: Option<RanksSummary>,
    /// Likewise.
    pub effective_rank: Option<RanksSummary>,
    /// Likewise.
    pub stable_rank: Option<RanksSummary>,
}

impl DynamicsSummary {
    /// The matrix of that name.
    #[must_use]
    pub fn matrix(&self, name: &str) -> Option<&MatrixSummary> {
        self.matrices.iter().find(|m| m.name == name)
    }

    /// The same matrix of this dynamics.
    #[must_use]
    pub fn like(&self, other: &MatrixSummary) -> Option<&MatrixSummary> {
        let same = |m: &&MatrixSummary| m.name == other.name && m.layer == other.layer;
        self.matrices.iter().find(same)
    }

    /// The weights of a layer, from 1.
    #[must_use]
    pub fn layer(&self, layer: u32) -> Option<&MatrixSummary> {
        self.matrix(&weights_name(layer))
    }

    /// Whether no trajectory is left.
    #[must_use]
    pub fn all_diverged(&self) -> bool {
        self.trajectories > 0 && self.diverged == self.trajectories
    }

    /// Fills in what two layers have by the names `theta`, `w1`, `w2` and `product`, where there is
    /// `theta`.
    pub fn name_two_layers(&mut self) {
        if self.matrix("theta").is_none() {
            return;
        }
        let named = |name: &str| self.matrix(name).cloned().unwrap_or_default();
        let [theta, w1, w2, product] = ["theta", "w1", "w2", "product"].map(named);
        let ranks = |tolerance: Option<f64>, of: fn(&MatrixSummary) -> Ends| {
            Some(RanksSummary {
                theta: of(&theta),
                tolerance,
                w1: of(&w1),
                w2: of(&w2),
                product: of(&product),
            })
        };
        self.numerical_rank = ranks(theta.numerical_rank.tolerance, |m| m.numerical_rank.rank);
        self.effective_rank = ranks(None, |m| m.effective_rank);
        self.stable_rank = ranks(None, |m| m.stable_rank);
        let spectrum = |m: MatrixSummary| m.log_singular_values.unwrap_or_default();
        self.log_singular_values = Some(SpectraSummary {
            theta: spectrum(theta),
            w1: spectrum(w1),
            w2: spectrum(w2),
            product: spectrum(product),
        });
    }
}

/// The name of the weights of a layer among [`DynamicsSummary::matrices`].
#[must_use]
pub fn weights_name(layer: u32) -> String {
    format!("w{layer}")
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
    /// Adam's settings, where it takes the place of momentum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adam: Option<AdamRecord>,
}

/// The settings of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamRecord {
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
}

/// What each force on log λᵢ was multiplied by; 1 leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForceScalesRecord {
    /// 4 aᵢᵀA bᵢ.
    pub gradient: f64,
    /// −qᵢᵢ.
    pub own_noise: f64,
    /// Σ_{j≠i} qᵢⱼ of the regular split; null in the other.
    pub common_growth: Option<f64>,
    /// −Σ_{j≠i} qᵢⱼ of the antisymmetric split; null in the other.
    #[serde(default)]
    pub common_decay: Option<f64>,
    /// Σ_{j≠i} 4 qᵢⱼ λⱼ/(λᵢ − λⱼ), or Σ_{j≠i} 2 qᵢⱼ (λᵢ + λⱼ)/(λᵢ − λⱼ).
    pub repulsion: f64,
}

impl ForceScalesRecord {
    /// That on the common growth or the common decay, whichever the split has.
    #[must_use]
    pub fn common(&self) -> f64 {
        self.common_growth.or(self.common_decay).unwrap_or(1.0)
    }
}

/// A trajectory that was stopped because its weights left the range of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DivergenceRecord {
    /// Index of the trajectory.
    pub trajectory: u64,
    /// The step at which it was stopped.
    pub step: u64,
    /// The time t of that step.
    pub time: f64,
    /// `"out-of-range"`: its weights left the range of numbers. `"step-limit"`: adaptive
    /// integration reached its limit of steps. `"not-conserved"`: a conserved quantity drifted
    /// farther than the tolerance explains.
    #[serde(default = "out_of_range")]
    pub reason: String,
}

/// The reason in summaries that name none.
fn out_of_range() -> String {
    "out-of-range".to_owned()
}

/// Units and layers that can learn nothing from the training rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InertSummary {
    /// Of each hidden layer, how many units have a derivative of at most a thousandth of its
    /// largest value on every training row: rectifiers that are zero, tanh and sigmoid that are
    /// saturated.
    pub dead_units: Vec<usize>,
    /// Layers, from 1, whose weights have a gradient of exactly zero, or one that is, relative to
    /// the norm of the weights, below 10⁻⁸ of the largest of all layers.
    pub still_layers: Vec<usize>,
}

/// Initial and final mean of a list of values, descending at t = 0; null where undefined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpectrumEnds {
    /// At t = 0.
    pub initial: Vec<Option<f64>>,
    /// At the last save time.
    pub final_mean: Vec<Option<f64>>,
}

/// Initial and final mean of a scalar; null where undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ends {
    /// At t = 0.
    pub initial: Option<f64>,
    /// At the last save time.
    pub final_mean: Option<f64>,
}

/// A loss, or a share, at the start and the end.
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

/// A numerical rank with the tolerance it was counted at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankSummary {
    /// At the start and the end.
    #[serde(flatten)]
    pub rank: Ends,
    /// Relative to the largest singular value.
    pub tolerance: Option<f64>,
}

/// Spectrum and ranks of a matrix; null where undefined or not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MatrixSummary {
    /// `w1`, `w2`, … of the layers; `theta`, [W₁; W₂ᵀ]; `product`, W₁W₂… of a linear network, or
    /// what a diagonal one multiplies inputs by; `features` of a hidden layer and `jacobian` of the
    /// outputs by the parameters, on the probe rows.
    pub name: String,
    /// The layer, from 1, of weights and features; null for the others.
    pub layer: Option<u32>,
    /// What it is called in a model that was watched; absent for runs of an experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// Natural logarithms of singular values, descending; null for features and Jacobian. Of the
    /// product of a diagonal network, of its entries.
    pub log_singular_values: Option<SpectrumEnds>,
    /// #{σᵢ > tolerance · σ₁}.
    pub numerical_rank: RankSummary,
    /// Singular values above rounding in the precision of the weights; dense engine alone.
    pub machine_rank: Option<Ends>,
    /// exp of the entropy of σᵢ/Σσ (Roy and Vetterli 2007).
    pub effective_rank: Ends,
    /// Σσᵢ²/σ₁².
    pub stable_rank: Ends,
    /// Σσᵢ.
    pub nuclear_norm: Option<Ends>,
    /// log|det|, of square layers alone; dense engine alone.
    pub log_abs_det: Option<Ends>,
    /// Mean share of hidden units that are not zero, of features alone.
    pub active_share: Option<Ends>,
}

impl MatrixSummary {
    /// The observable of a quantity of it, such as `numerical_rank`: name and layer in
    /// `series.parquet`.
    #[must_use]
    pub fn observable(&self, quantity: &str) -> (String, Option<u32>) {
        match self.layer {
            Some(layer) if self.name == weights_name(layer) => (quantity.to_owned(), self.layer),
            _ => (format!("{quantity}_{}", self.name), self.layer),
        }
    }
}

/// log det of stacked layers, natural logarithm; null where undefined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogDetSummary {
    /// `"M"`, ΘΘᵀ, where the hidden layer is as wide as its neighbours together, else
    /// `"theta_transpose_theta"`.
    pub of: String,
    /// j of Θⱼ = [Wⱼ; Wⱼ₊₁ᵀ]; null for two layers, which make one Θ.
    pub layer: Option<u32>,
    /// At t = 0.
    pub initial: Option<f64>,
    /// Mean over the trajectories that survived, at the last save time.
    pub final_mean: Option<f64>,
    /// Sample standard deviation over them; null for one trajectory.
    pub final_std: Option<f64>,
    /// What the law says of the mean at the end, as in [`DynamicsSummary::predictions`].
    pub law_final: Option<f64>,
}

impl LogDetSummary {
    /// What its law, of that kind, says; `why_not` where it says nothing.
    #[must_use]
    pub fn prediction(&self, kind: &str, why_not: &str) -> Prediction {
        let stated = self.law_final.is_some();
        Prediction {
            quantity: "log_det".to_owned(),
            layer: self.layer,
            index: 0,
            predicted: self.law_final,
            kind: stated.then(|| kind.to_owned()),
            reason: (!stated).then(|| why_not.to_owned()),
            measured: self.final_mean,
            std: self.final_std,
            difference_std_error: None,
        }
    }
}

/// [`Prediction::kind`] of what holds for the dynamics itself.
pub const EXACT_LAW: &str = "exact";
/// [`Prediction::kind`] of what holds as steps and noise become small.
pub const SMALL_NOISE_LIMIT: &str = "small-noise limit";
/// [`Prediction::kind`] of what is added up along the path that was taken.
pub const ACCOUNT: &str = "account";

/// What theory says of a quantity at the end of the run, beside what was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// An observable of `series.parquet`: `log_det`.
    pub quantity: String,
    /// Its layer, where it has one.
    pub layer: Option<u32>,
    /// 1, 2, … for the parts of a spectrum; 0 for scalars.
    pub index: u32,
    /// What theory says of the mean; null where it says nothing.
    pub predicted: Option<f64>,
    /// `"exact"`: holds for this dynamics itself. `"small-noise limit"`: holds as steps and noise
    /// become small. `"account"`: added up along the path that was taken. Null where nothing is
    /// predicted.
    pub kind: Option<String>,
    /// Why nothing is predicted: `not stated`, `not computed`, `does not apply` or `all diverged`,
    /// a colon, and what is meant; null where something is.
    pub reason: Option<String>,
    /// The mean over the trajectories that survived.
    pub measured: Option<f64>,
    /// Sample standard deviation over them; null for one trajectory.
    pub std: Option<f64>,
    /// Standard error of the mean of measured minus predicted; null for one trajectory, and where
    /// nothing is predicted path by path.
    #[serde(default)]
    pub difference_std_error: Option<f64>,
}

impl Prediction {
    /// Measured minus predicted.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        Some(self.measured? - self.predicted?)
    }

    /// Why nothing is predicted, in a word or two.
    #[must_use]
    pub fn why_not(&self) -> &str {
        let reason = self.reason.as_deref().unwrap_or("not stated");
        reason.split(':').next().unwrap_or(reason)
    }
}

/// Spectra of the four matrices of two layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpectraSummary {
    /// Θ = [W₁; W₂ᵀ], min(l, p + k) values.
    pub theta: SpectrumEnds,
    /// W₁, min(p, l) values.
    pub w1: SpectrumEnds,
    /// W₂, min(l, k) values.
    pub w2: SpectrumEnds,
    /// W₁W₂, min(p, k, l) values.
    pub product: SpectrumEnds,
}

/// A notion of rank of two layers: of Θ at the top level, of the other matrices by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RanksSummary {
    /// Of Θ.
    #[serde(flatten)]
    pub theta: Ends,
    /// What the numerical rank was counted at, relative to the largest singular value; null for the
    /// others.
    pub tolerance: Option<f64>,
    /// Of W₁.
    pub w1: Ends,
    /// Of W₂.
    pub w2: Ends,
    /// Of W₁W₂.
    pub product: Ends,
}

/// One row of `series.parquet`. Undefined values are null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesRow {
    /// Label of the dynamics.
    pub dynamics: String,
    /// Name of the observable, e.g. `log_det`, `loss`, `log_singular_value`.
    pub observable: String,
    /// The layer it is of, from 1; null where it is of none.
    pub layer: Option<u32>,
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

//! What page and server say to each other. Everything is JSON; undefined numbers are null.
//!
//! The page sends [`Settings`] to `/begin` and is answered with [`Messages`]: a [`Beginning`] and
//! the first [`Frame`]. From then on it sends [`Request`]s to `/go`, each answered with what
//! happened since the last: a simulation goes on only as it is asked, so that a closed tab costs
//! nothing and a slow one holds up itself.

use crate::wire::wire;

wire! {
    /// What a session is asked to simulate.
    pub struct Settings {
        /// What all random draws are keyed by.
        pub seed: u64,
        /// How many trajectories.
        pub trajectories: u32,
        /// l.
        pub width: u32,
        /// p.
        pub inputs: u32,
        /// k.
        pub outputs: u32,
        /// Rank of the teacher; null for the one of the experiment.
        pub teacher_rank: Option<u32>,
        /// What moves the weights.
        pub first: Motion,
        /// A second run beside it, on the same noise.
        pub second: Option<Motion>,
        /// t per second; null for as fast as it goes.
        pub speed: Option<f64>,
        /// Whose weights and eigenvalues are shown, from 0.
        pub shown: u32,
        /// Whether time stands still at first.
        pub paused: bool,
    }

    /// What moves the weights.
    pub struct Motion {
        /// Which dynamics of the experiment it began as, from 0: its noise is that one's.
        pub of: u32,
        /// `gradient-flow`, `stochastic-gradient-flow`, `gradient-descent`,
        /// `label-noise-gradient-descent` or `sgd`.
        pub kind: String,
        /// η.
        pub step_size: f64,
        /// δ, a variance.
        pub label_noise: f64,
        /// b.
        pub batch_size: u32,
        /// What the forces are multiplied by.
        pub forces: Scales,
    }

    /// Factors on the forces on log λ, in one of their two splits.
    pub struct Scales {
        /// `regular` or `antisymmetric`.
        pub split: String,
        /// On 4 a_i'A b_i.
        pub gradient: f64,
        /// On −q_ii.
        pub own_noise: f64,
        /// On the common growth Σ_{j≠i} q_ij, or the common decay −Σ_{j≠i} q_ij.
        pub common: f64,
        /// On Σ_{j≠i} 4 q_ij λ_j/(λ_i − λ_j), or Σ_{j≠i} 2 q_ij (λ_i + λ_j)/(λ_i − λ_j).
        pub repulsion: f64,
    }

    /// Asks a session to go on, and tells it what to change; null leaves a thing as it is.
    pub struct Request {
        /// Which session.
        pub session: String,
        /// What moves the first run from here on.
        pub first: Option<Motion>,
        /// What moves the second.
        pub second: Option<Motion>,
        /// Whether time stands still.
        pub paused: Option<bool>,
        /// t per second, 0 for as fast as it goes.
        pub speed: Option<f64>,
        /// How many single frames to go on by, while time stands still.
        pub frames: Option<u32>,
        /// Whose weights are shown.
        pub shown: Option<u32>,
        /// Whether nobody will ask any more.
        pub ends: Option<bool>,
    }

    /// Asks `/folder` for the run of a session so far, as an archive.
    pub struct FolderOf {
        /// Which session.
        pub session: String,
    }

    /// An answer.
    pub struct Messages {
        /// In their order.
        pub messages: Vec<Message>,
    }

    /// One of these is not null.
    pub struct Message {
        /// The first message.
        pub beginning: Option<Beginning>,
        /// What is measured now.
        pub frame: Option<Frame>,
        /// Other dynamics from here on.
        pub mark: Option<Mark>,
        /// Why a change was not made.
        pub refusal: Option<Refusal>,
    }

    /// How a session begins.
    pub struct Beginning {
        /// For `/go`.
        pub session: String,
        /// Name of the experiment.
        pub name: String,
        /// What is simulated, with what was filled in.
        pub settings: Settings,
        /// What may be set, and what not.
        pub choices: Choices,
        /// min(l, p + k), p, k.
        pub sizes: Vec<u32>,
        /// n.
        pub samples: u64,
        /// The data, in words.
        pub data: String,
        /// The rank tolerance.
        pub rank_tolerance: f64,
    }

    /// Other dynamics of one of the runs.
    pub struct Mark {
        /// t.
        pub time: f64,
        /// 0 or 1.
        pub run: u32,
        /// In words.
        pub words: String,
        /// What moves it from here on.
        pub motion: Motion,
    }

    /// A request that is not carried out.
    pub struct Refusal {
        /// Why.
        pub message: String,
        /// What to do; empty where nothing helps.
        pub hint: String,
    }

    /// What may be set.
    pub struct Choices {
        /// By name of the setting.
        pub settings: Vec<SettingChoice>,
        /// The kinds of dynamics.
        pub kinds: Vec<KindChoice>,
    }

    /// A setting that may be made.
    pub struct SettingChoice {
        /// As in `Settings` or `Motion`.
        pub name: String,
        /// The least value.
        pub least: f64,
        /// The greatest.
        pub greatest: f64,
        /// Why it cannot be set; null where it can.
        pub why_not: Option<String>,
    }

    /// One of the kinds of dynamics.
    pub struct KindChoice {
        /// As in experiment files.
        pub kind: String,
        /// For people.
        pub label: String,
        /// Why it cannot be chosen; null where it can.
        pub why_not: Option<String>,
        /// Why the label noise cannot be set under it.
        pub no_label_noise: Option<String>,
        /// Why the batch size cannot be set under it.
        pub no_batch_size: Option<String>,
        /// Why forces cannot be scaled under it.
        pub no_forces: Option<String>,
        /// The largest step that is stable at the start and at minima, as far as curvatures tell;
        /// null where steps are chosen by the integrator.
        pub stable_step: Option<f64>,
    }

    /// What is measured at one time.
    pub struct Frame {
        /// t.
        pub time: f64,
        /// t per second of late; null while time stands still.
        pub pace: Option<f64>,
        /// One or two.
        pub runs: Vec<RunFrame>,
    }

    /// What is measured of a run. Logarithms are natural.
    pub struct RunFrame {
        /// Steps taken.
        pub step: u64,
        /// ν.
        pub intensity: f64,
        /// How many trajectories go on, and how many diverged.
        pub trajectories: u32,
        /// How many diverged.
        pub diverged: u32,
        /// log det M.
        pub log_det: Band,
        /// What the determinant law says of it; null where there is none.
        pub law: Option<f64>,
        /// The training loss.
        pub loss: Band,
        /// The training loss above its optimum, or the accuracy under a loss of classes.
        pub excess_loss: Band,
        /// The expected loss on a fresh sample; null where the truth is not known.
        pub population_loss: Option<Band>,
        /// Of Θ, W₁, W₂ and W₁W₂.
        pub matrices: Vec<MatrixFrame>,
        /// What the slow flow says; null where it says nothing.
        pub slow: Option<SlowFrame>,
        /// Why it says nothing; null where it does.
        pub why_not_slow: Option<String>,
        /// The split in which forces are told: `regular` or `antisymmetric`.
        pub split: String,
        /// The eigenvalues of M of the trajectory shown, falling.
        pub particles: Vec<Particle>,
        /// Matrices of the trajectory shown; null in most frames.
        pub weights: Option<WeightMatrices>,
    }

    /// Mean and 5 and 95 % quantiles over the trajectories.
    pub struct Band {
        /// The mean.
        pub mean: Option<f64>,
        /// The 5 % quantile.
        pub low: Option<f64>,
        /// The 95 % quantile.
        pub high: Option<f64>,
    }

    /// Spectrum and ranks of one matrix.
    pub struct MatrixFrame {
        /// log σ, falling.
        pub log_sigma: Vec<Band>,
        /// The mean effective rank.
        pub effective_rank: Option<f64>,
        /// The mean numerical rank.
        pub numerical_rank: Option<f64>,
    }

    /// What the slow flow says.
    pub struct SlowFrame {
        /// log det M.
        pub log_det: Option<f64>,
        /// log σ of Θ, W₁, W₂ and W₁W₂.
        pub log_sigma: Vec<Vec<Option<f64>>>,
    }

    /// One eigenvalue of M and the forces on log λ, per unit of t, scaled as the run has them.
    pub struct Particle {
        /// log λ.
        pub log: Option<f64>,
        /// 4 a_i'A b_i.
        pub gradient: f64,
        /// −q_ii.
        pub own_noise: f64,
        /// Common growth or common decay.
        pub common: f64,
        /// Repulsion.
        pub repulsion: f64,
        /// Its parts, by eigenvalue; empty where there are many.
        pub pairs: Vec<f32>,
    }

    /// Matrices of one trajectory, rows first.
    pub struct WeightMatrices {
        /// p × l, at most the first columns.
        pub w1: Vec<Vec<f32>>,
        /// l × k, at most the first rows.
        pub w2: Vec<Vec<f32>>,
        /// p × k.
        pub product: Vec<Vec<f32>>,
        /// p × k, the least-squares optimum.
        pub optimum: Vec<Vec<f32>>,
        /// |cos| of the angles between left singular vectors of W₁ (rows) and of the optimum (columns).
        pub alignment: Vec<Vec<f32>>,
    }

    /// An experiment in three forms.
    pub struct Files {
        /// An experiment file.
        pub toml: String,
        /// A command line that runs that file.
        pub command: String,
        /// A program in Python that runs it.
        pub python: String,
    }

    /// Asks what folders hold.
    pub struct WatchRequest {
        /// The numbers of a sweep that are wanted with it; null for none.
        pub sweep: Option<SweepChoice>,
    }

    /// Which numbers of which sweep.
    pub struct SweepChoice {
        /// As its folder is told.
        pub folder: String,
        /// Which dynamics, from 0.
        pub dynamics: u32,
        /// Which quantity; the first where there is none of that name.
        pub quantity: String,
    }

    /// What folders hold so far.
    pub struct WatchReply {
        /// One per folder; shards come after their whole.
        pub folders: Vec<WatchedFolder>,
        /// The numbers of a sweep that were asked for; null where there is no such sweep.
        pub sweep: Option<WatchedSweep>,
    }

    /// What one folder holds so far, or all shards of a whole.
    pub struct WatchedFolder {
        /// Its path as it was given.
        pub folder: String,
        /// The name of the experiment; empty before there is any.
        pub name: String,
        /// Which shard it is, or which shards there are; null of a whole run.
        pub note: Option<String>,
        /// `waiting`, `running`, `stopped` or `finished`.
        pub state: String,
        /// Why there is nothing to see; null where there is.
        pub trouble: Option<String>,
        /// What is counted of each dynamics: `trajectories` of a run, `points` of a sweep.
        pub counts: String,
        /// How much of the work is done, from 0 to 1.
        pub done: f64,
        /// Seconds that are left, about; null where nothing tells.
        pub seconds_left: Option<f64>,
        /// Dynamics that are there so far.
        pub dynamics: Vec<WatchedDynamics>,
    }

    /// What there is of one dynamics.
    pub struct WatchedDynamics {
        /// Its label.
        pub label: String,
        /// How many trajectories or points are finished.
        pub done: u64,
        /// Of how many.
        pub of: u64,
        /// How many trajectories diverged, or at how many points one did.
        pub diverged: u64,
        /// What was measured; nothing of a shard, whose measurements are told of the whole, and of
        /// a sweep.
        pub curves: Vec<TimeSeries>,
    }

    /// One quantity of one dynamics over the settings of a sweep.
    pub struct WatchedSweep {
        /// As it was asked for.
        pub folder: String,
        /// As it was asked for.
        pub dynamics: u32,
        /// Why there is nothing to see; null where there is.
        pub trouble: Option<String>,
        /// What varies.
        pub axes: Vec<SweptAxis>,
        /// Whether settings are all combinations of the values of the axes, the last of which
        /// varies fastest. Else every axis has a value for each setting.
        pub is_grid: bool,
        /// Over how many seeds numbers are means; null for one.
        pub seeds: Option<u64>,
        /// What can be asked for.
        pub quantities: Vec<SweptQuantity>,
        /// The one that is told.
        pub quantity: String,
        /// Of each setting; null where it is not finished, and where every trajectory diverged.
        pub values: Vec<Option<f64>>,
        /// Their standard errors.
        pub std_error: Vec<Option<f64>>,
        /// What theory says; empty where it says nothing.
        pub prediction: Vec<Option<f64>>,
        /// Whether each setting is finished.
        pub finished: Vec<bool>,
    }

    /// What varies in a sweep.
    pub struct SweptAxis {
        /// As in experiment files.
        pub key: String,
        /// For people.
        pub label: String,
        /// Whether it is drawn on a logarithmic axis.
        pub is_log: bool,
        /// Its values, or numbers that stand for them.
        pub values: Vec<f64>,
        /// The same as they are written.
        pub names: Vec<String>,
    }

    /// What a sweep measures at every point.
    pub struct SweptQuantity {
        /// For asking.
        pub name: String,
        /// For people.
        pub label: String,
        /// Whether it is drawn on a logarithmic scale.
        pub is_log: bool,
    }

    /// One quantity over time.
    pub struct TimeSeries {
        /// As in `series.parquet`.
        pub observable: String,
        /// The layer; null where it is of none.
        pub layer: Option<u32>,
        /// From 1; 0 for scalars.
        pub index: u32,
        /// t.
        pub times: Vec<f64>,
        /// Mean.
        pub mean: Vec<Option<f64>>,
        /// 5 % quantile.
        pub low: Vec<Option<f64>>,
        /// 95 % quantile.
        pub high: Vec<Option<f64>>,
        /// The law.
        pub law: Vec<Option<f64>>,
    }

    /// A recorded run, for a page without a server.
    pub struct Recording {
        /// For people.
        pub title: String,
        /// How it began.
        pub beginning: Beginning,
        /// Changes on the way.
        pub marks: Vec<Mark>,
        /// Frame by frame.
        pub frames: Vec<Frame>,
    }

    /// What a page is told when it is loaded.
    pub struct PageState {
        /// `live`, `watch` or `recorded`.
        pub mode: String,
        /// For every request; empty without a server.
        pub token: String,
        /// What to simulate first.
        pub settings: Option<Settings>,
        /// Runs to play.
        pub recordings: Vec<Recording>,
    }
}

/// As JSON has it: null where undefined.
pub fn defined(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

// Generated from crates/rankfall-live/src/protocol.rs: BLESS=1 cargo test -p rankfall-live --test protocol

// What a session is asked to simulate.
export interface Settings {
  // What all random draws are keyed by.
  seed: number;
  // How many trajectories.
  trajectories: number;
  // l.
  width: number;
  // p.
  inputs: number;
  // k.
  outputs: number;
  // Rank of the teacher; null for the one of the experiment.
  teacher_rank: number | null;
  // What moves the weights.
  first: Motion;
  // A second run beside it, on the same noise.
  second: Motion | null;
  // t per second; null for as fast as it goes.
  speed: number | null;
  // Whose weights and eigenvalues are shown, from 0.
  shown: number;
  // Whether time stands still at first.
  paused: boolean;
}

// What moves the weights.
export interface Motion {
  // Which dynamics of the experiment it began as, from 0: its noise is that one's.
  of: number;
  // `gradient-flow`, `stochastic-gradient-flow`, `gradient-descent`,
  // `label-noise-gradient-descent` or `sgd`.
  kind: string;
  // η.
  step_size: number;
  // δ, a variance.
  label_noise: number;
  // b.
  batch_size: number;
  // What the forces are multiplied by.
  forces: Scales;
}

// Factors on the forces on log λ, in one of their two splits.
export interface Scales {
  // `regular` or `antisymmetric`.
  split: string;
  // On 4 a_i'A b_i.
  gradient: number;
  // On −q_ii.
  own_noise: number;
  // On the common growth Σ_{j≠i} q_ij, or the common decay −Σ_{j≠i} q_ij.
  common: number;
  // On Σ_{j≠i} 4 q_ij λ_j/(λ_i − λ_j), or Σ_{j≠i} 2 q_ij (λ_i + λ_j)/(λ_i − λ_j).
  repulsion: number;
}

// Asks a session to go on, and tells it what to change; null leaves a thing as it is.
export interface Request {
  // Which session.
  session: string;
  // What moves the first run from here on.
  first: Motion | null;
  // What moves the second.
  second: Motion | null;
  // Whether time stands still.
  paused: boolean | null;
  // t per second, 0 for as fast as it goes.
  speed: number | null;
  // How many single frames to go on by, while time stands still.
  frames: number | null;
  // Whose weights are shown.
  shown: number | null;
  // Whether nobody will ask any more.
  ends: boolean | null;
}

// Asks `/folder` for the run of a session so far, as an archive.
export interface FolderOf {
  // Which session.
  session: string;
}

// An answer.
export interface Messages {
  // In their order.
  messages: Message[];
}

// One of these is not null.
export interface Message {
  // The first message.
  beginning: Beginning | null;
  // What is measured now.
  frame: Frame | null;
  // Other dynamics from here on.
  mark: Mark | null;
  // Why a change was not made.
  refusal: Refusal | null;
}

// How a session begins.
export interface Beginning {
  // For `/go`.
  session: string;
  // Name of the experiment.
  name: string;
  // What is simulated, with what was filled in.
  settings: Settings;
  // What may be set, and what not.
  choices: Choices;
  // min(l, p + k), p, k.
  sizes: number[];
  // n.
  samples: number;
  // The data, in words.
  data: string;
  // The rank tolerance.
  rank_tolerance: number;
}

// Other dynamics of one of the runs.
export interface Mark {
  // t.
  time: number;
  // 0 or 1.
  run: number;
  // In words.
  words: string;
  // What moves it from here on.
  motion: Motion;
}

// A request that is not carried out.
export interface Refusal {
  // Why.
  message: string;
  // What to do; empty where nothing helps.
  hint: string;
}

// What may be set.
export interface Choices {
  // By name of the setting.
  settings: SettingChoice[];
  // The kinds of dynamics.
  kinds: KindChoice[];
}

// A setting that may be made.
export interface SettingChoice {
  // As in `Settings` or `Motion`.
  name: string;
  // The least value.
  least: number;
  // The greatest.
  greatest: number;
  // Why it cannot be set; null where it can.
  why_not: string | null;
}

// One of the kinds of dynamics.
export interface KindChoice {
  // As in experiment files.
  kind: string;
  // For people.
  label: string;
  // Why it cannot be chosen; null where it can.
  why_not: string | null;
  // Why the label noise cannot be set under it.
  no_label_noise: string | null;
  // Why the batch size cannot be set under it.
  no_batch_size: string | null;
  // Why forces cannot be scaled under it.
  no_forces: string | null;
  // The largest step that is stable at the start and at minima, as far as curvatures tell;
  // null where steps are chosen by the integrator.
  stable_step: number | null;
}

// What is measured at one time.
export interface Frame {
  // t.
  time: number;
  // t per second of late; null while time stands still.
  pace: number | null;
  // One or two.
  runs: RunFrame[];
}

// What is measured of a run. Logarithms are natural.
export interface RunFrame {
  // Steps taken.
  step: number;
  // ν.
  intensity: number;
  // How many trajectories go on, and how many diverged.
  trajectories: number;
  // How many diverged.
  diverged: number;
  // log det M.
  log_det: Band;
  // What the determinant law says of it; null where there is none.
  law: number | null;
  // The training loss.
  loss: Band;
  // The training loss above its optimum, or the accuracy under a loss of classes.
  excess_loss: Band;
  // The expected loss on a fresh sample; null where the truth is not known.
  population_loss: Band | null;
  // Of Θ, W₁, W₂ and W₁W₂.
  matrices: MatrixFrame[];
  // What the slow flow says; null where it says nothing.
  slow: SlowFrame | null;
  // Why it says nothing; null where it does.
  why_not_slow: string | null;
  // The split in which forces are told: `regular` or `antisymmetric`.
  split: string;
  // The eigenvalues of M of the trajectory shown, falling.
  particles: Particle[];
  // Matrices of the trajectory shown; null in most frames.
  weights: WeightMatrices | null;
}

// Mean and 5 and 95 % quantiles over the trajectories.
export interface Band {
  // The mean.
  mean: number | null;
  // The 5 % quantile.
  low: number | null;
  // The 95 % quantile.
  high: number | null;
}

// Spectrum and ranks of one matrix.
export interface MatrixFrame {
  // log σ, falling.
  log_sigma: Band[];
  // The mean effective rank.
  effective_rank: number | null;
  // The mean numerical rank.
  numerical_rank: number | null;
}

// What the slow flow says.
export interface SlowFrame {
  // log det M.
  log_det: number | null;
  // log σ of Θ, W₁, W₂ and W₁W₂.
  log_sigma: ((number | null)[])[];
}

// One eigenvalue of M and the forces on log λ, per unit of t, scaled as the run has them.
export interface Particle {
  // log λ.
  log: number | null;
  // 4 a_i'A b_i.
  gradient: number;
  // −q_ii.
  own_noise: number;
  // Common growth or common decay.
  common: number;
  // Repulsion.
  repulsion: number;
  // Its parts, by eigenvalue; empty where there are many.
  pairs: number[];
}

// Matrices of one trajectory, rows first.
export interface WeightMatrices {
  // p × l, at most the first columns.
  w1: number[][];
  // l × k, at most the first rows.
  w2: number[][];
  // p × k.
  product: number[][];
  // p × k, the least-squares optimum.
  optimum: number[][];
  // |cos| of the angles between left singular vectors of W₁ (rows) and of the optimum (columns).
  alignment: number[][];
}

// An experiment in three forms.
export interface Files {
  // An experiment file.
  toml: string;
  // A command line that runs that file.
  command: string;
  // A program in Python that runs it.
  python: string;
}

// Asks what folders hold.
export interface WatchRequest {
  // The numbers of a sweep that are wanted with it; null for none.
  sweep: SweepChoice | null;
}

// Which numbers of which sweep.
export interface SweepChoice {
  // As its folder is told.
  folder: string;
  // Which dynamics, from 0.
  dynamics: number;
  // Which quantity; the first where there is none of that name.
  quantity: string;
}

// What folders hold so far.
export interface WatchReply {
  // One per folder; shards come after their whole.
  folders: WatchedFolder[];
  // The numbers of a sweep that were asked for; null where there is no such sweep.
  sweep: WatchedSweep | null;
}

// What one folder holds so far, or all shards of a whole.
export interface WatchedFolder {
  // Its path as it was given.
  folder: string;
  // The name of the experiment; empty before there is any.
  name: string;
  // Which shard it is, or which shards there are; null of a whole run.
  note: string | null;
  // `waiting`, `running`, `stopped` or `finished`.
  state: string;
  // Why there is nothing to see; null where there is.
  trouble: string | null;
  // What is counted of each dynamics: `trajectories` of a run, `points` of a sweep.
  counts: string;
  // How much of the work is done, from 0 to 1.
  done: number;
  // Seconds that are left, about; null where nothing tells.
  seconds_left: number | null;
  // Dynamics that are there so far.
  dynamics: WatchedDynamics[];
}

// What there is of one dynamics.
export interface WatchedDynamics {
  // Its label.
  label: string;
  // How many trajectories or points are finished.
  done: number;
  // Of how many.
  of: number;
  // How many trajectories diverged, or at how many points one did.
  diverged: number;
  // What was measured; nothing of a shard, whose measurements are told of the whole, and of
  // a sweep.
  curves: TimeSeries[];
}

// One quantity of one dynamics over the settings of a sweep.
export interface WatchedSweep {
  // As it was asked for.
  folder: string;
  // As it was asked for.
  dynamics: number;
  // Why there is nothing to see; null where there is.
  trouble: string | null;
  // What varies.
  axes: SweptAxis[];
  // Whether settings are all combinations of the values of the axes, the last of which
  // varies fastest. Else every axis has a value for each setting.
  is_grid: boolean;
  // Over how many seeds numbers are means; null for one.
  seeds: number | null;
  // What can be asked for.
  quantities: SweptQuantity[];
  // The one that is told.
  quantity: string;
  // Of each setting; null where it is not finished, and where every trajectory diverged.
  values: (number | null)[];
  // Their standard errors.
  std_error: (number | null)[];
  // What theory says; empty where it says nothing.
  prediction: (number | null)[];
  // Whether each setting is finished.
  finished: boolean[];
}

// What varies in a sweep.
export interface SweptAxis {
  // As in experiment files.
  key: string;
  // For people.
  label: string;
  // Whether it is drawn on a logarithmic axis.
  is_log: boolean;
  // Its values, or numbers that stand for them.
  values: number[];
  // The same as they are written.
  names: string[];
}

// What a sweep measures at every point.
export interface SweptQuantity {
  // For asking.
  name: string;
  // For people.
  label: string;
  // Whether it is drawn on a logarithmic scale.
  is_log: boolean;
}

// One quantity over time.
export interface TimeSeries {
  // As in `series.parquet`.
  observable: string;
  // The layer; null where it is of none.
  layer: number | null;
  // From 1; 0 for scalars.
  index: number;
  // t.
  times: number[];
  // Mean.
  mean: (number | null)[];
  // 5 % quantile.
  low: (number | null)[];
  // 95 % quantile.
  high: (number | null)[];
  // The law.
  law: (number | null)[];
}

// A recorded run, for a page without a server.
export interface Recording {
  // For people.
  title: string;
  // How it began.
  beginning: Beginning;
  // Changes on the way.
  marks: Mark[];
  // Frame by frame.
  frames: Frame[];
}

// What a page is told when it is loaded.
export interface PageState {
  // `live`, `watch` or `recorded`.
  mode: string;
  // For every request; empty without a server.
  token: string;
  // What to simulate first.
  settings: Settings | null;
  // Runs to play.
  recordings: Recording[];
}

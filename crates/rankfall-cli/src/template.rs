//! The commented experiment file that `rankfall new` prints.

mod layers;

use crate::arguments::DataKind;

/// A complete experiment file with every key explained; valid as it stands.
pub fn experiment(kind: DataKind) -> String {
    let data = match kind {
        DataKind::Layers => return layers::TEMPLATE.to_owned(),
        DataKind::Gaussian => GAUSSIAN,
        DataKind::File => FILE,
        DataKind::Gram => GRAM,
    };
    let rows = if kind == DataKind::Gram { "" } else { SGD };
    let text = [TOP, data, NETWORK, DYNAMICS, rows, RUN].concat();
    match kind {
        DataKind::Gaussian => text,
        _ => (FOR_FILES.iter()).fold(text, |text, (drawn, given)| text.replace(drawn, given)),
    }
}

/// What the common parts say of drawn data, uncorrelated and of variance 1, and what they say of those of a
/// file, of which nobody knows the number of rows and columns: weights that are small for correlated inputs,
/// batches that bound what a single row does, more time and a coarser rank for directions of small variance.
const FOR_FILES: [(&str, &str); 6] = [
    (
        "width = 10                     # l",
        "width = 50                     # l; p + k or more",
    ),
    (
        "gaussian\", scale = 1.0, each",
        "gaussian\", scale = 0.3, each",
    ),
    (
        "label_noise = 2000.0\n",
        "label_noise = 200.0            # 2 n: the intensity of the flow\n",
    ),
    (
        "label_noise = 2.0\nbatch_size = 1\nsampling",
        "label_noise = 8.0\nbatch_size = 4\nsampling",
    ),
    ("time = 500.0 ", "time = 1000.0"),
    ("rank_tolerance = 1e-3", "rank_tolerance = 1e-2"),
];

const TOP: &str = "\
# An experiment file for rankfall. Lines that are commented out show an alternative, or a default.
# Run it with `rankfall run FILE`; change single values with `--set run.seed=2`.

# A label, never a path. The results go to runs/NAME unless --out says otherwise.
name = \"my-experiment\"

";

const GAUSSIAN: &str = "\
# The data: drawn from a Gaussian law, once for all trajectories, with a linear teacher,
# targets = inputs · teacher + residuals. Other kinds: \"file\" and \"gram\" (rankfall new --kind).
[data]
kind = \"gaussian\"
samples = 1000                 # n, rows
inputs = 5                     # p, columns of the inputs
outputs = 2                    # k, columns of the targets
# The teacher has entries N(0, 1), unless one of these says otherwise:
# teacher_rank = 1
# teacher_singular_values = [3.0, 1.0]
covariance = \"identity\"        # of the inputs, or { power_law = 1.0 }: variance j^(-1) of input j,
                               # or { matrix = [[1.0, 0.5], [0.5, 1.0]] } with `inputs` rows
residual_noise = 0.0           # standard deviation of the Gaussian residuals
each_trajectory = false        # true: every trajectory has its own data and teacher

";

const FILE: &str = "\
# The data: a table in a file. Other kinds: \"gaussian\" and \"gram\" (rankfall new --kind).
[data]
kind = \"file\"
path = \"table.csv\"             # relative to this file; CSV, NPY, NPZ or Parquet
targets = [\"target\"]           # columns by name, or by position from 0
# inputs = [\"a\", \"b\"]          # default: every column that is not a target
# header = true                # whether the first line names the columns; default: found out
# delimiter = \",\"              # default: found out
# inputs_array = \"x\"           # in an NPZ file: the array with the inputs
# targets_array = \"y\"          # in an NPZ file: the array with the targets
one_hot = false                # true: the target is a class label, one indicator per class
standardize = true             # centre and scale the inputs, centre the targets; default: false
standardize_targets = false    # true: scale the targets too; losses stay in their units
# checksum = \"…\"               # written into the copy in the run folder; a run stops if it differs

";

const GRAM: &str = "\
# The data: Gram matrices, all that full gradients see of them. Mini-batches (kind = \"sgd\") and
# Rademacher label noise need the rows. Other kinds: \"gaussian\" and \"file\" (rankfall new --kind).
[data]
kind = \"gram\"
path = \"gram.npz\"              # relative to this file; arrays sxx (p x p) = X'X/n,
                               # sxy (p x k) = X'Y/n, syy (k x k) = Y'Y/n and n
# checksum = \"…\"               # written into the copy in the run folder; a run stops if it differs

";

const NETWORK: &str = "\
# The network: inputs · W1 · W2, with W1 (p x l) and W2 (l x k).
[network]
width = 10                     # l
# How the weights start, drawn once for all dynamics and trajectories:
#   scale                      standard deviation of the entries
#   each_trajectory            true: every trajectory has its own start
#   smallest_singular_value    replaces the smallest singular value of [W1; W2'], for l >= p + k
init = { kind = \"gaussian\", scale = 1.0, each_trajectory = false }
# init = { kind = \"gaussian\", scale = 1.0, smallest_singular_value = 1e-8 }
# init = { kind = \"balanced\", scale = 1.0 }         # W1'W1 = W2W2'
# init = { kind = \"file\", path = \"start.safetensors\" }      # w1 and w2; or NPZ

";

const DYNAMICS: &str = "\
# The dynamics, one [[dynamics]] each, as many as you like. All share one time axis,
# t = step_size x step. Label noise is Gaussian or Rademacher noise added to the targets, fresh at
# every step; label_noise is its variance.

[[dynamics]]
label = \"gradient flow\"        # what tables and figures call it; default: the kind in words
kind = \"gradient-flow\"         # deterministic, integrated adaptively
step_size = 0.01               # eta; here only the grid of save times
# time_step = 0.01             # the grid of save times, if it is not step_size

[[dynamics]]
label = \"stochastic gradient flow\"
kind = \"stochastic-gradient-flow\"
step_size = 0.01               # eta, in the noise intensity eta x label_noise / batch_size
label_noise = 2.0              # default 0
batch_size = 1
integrator = \"lie-euler\"       # or \"lie-euler-unsplit\", \"lie-strang\", \"euler-maruyama\"
time_step = 0.01               # step of the integrator; default: step_size
brownian_substeps = 1          # 2 with time_step = 0.02: the path of 0.01 (with common_noise)
# What would have happened with a force on the eigenvalues scaled? Default: all 1.
# forces = { gradient = 1.0, own_noise = 1.0, common_growth = 1.0, repulsion = 0.0 }

[[dynamics]]
label = \"gradient descent\"
kind = \"gradient-descent\"      # all rows at every step
step_size = 0.01

[[dynamics]]
label = \"label-noise gradient descent\"
kind = \"label-noise-gradient-descent\"   # all rows, noisy labels: intensity eta x label_noise / n
step_size = 0.01
label_noise = 2000.0
label_noise_distribution = \"gaussian\"   # or \"rademacher\"
momentum = 0.0                 # mu: v <- mu v + g, w <- w - eta v; of any descent
nesterov = false               # true: look ahead by one step of momentum
weight_decay = 0.0             # lambda: g <- g + lambda w

";

const SGD: &str = "\
[[dynamics]]
label = \"SGD\"
kind = \"sgd\"                   # mini-batches, with noisy labels if label_noise > 0
step_size = 0.01
label_noise = 2.0
batch_size = 1
sampling = \"with-replacement\"  # or \"without-replacement\", \"epochs\", \"sequential\"
label_noise_distribution = \"gaussian\"

";

const RUN: &str = "\
[run]
seed = 1                       # the same seed gives the same results, on any number of threads
time = 500.0                   # the end of the time axis; how far noise lowers the rank grows with it
trajectories = 16              # of each dynamics; default 1
save = { points = 200, spacing = \"linear\" }   # or \"log\"; t = 0 is saved besides
rank_tolerance = 1e-3          # numerical rank counts singular values above tolerance x largest
keep_trajectories = false      # true: also write every trajectory to trajectories.parquet
common_noise = false           # true: all dynamics see the same noise
force_balance = false          # true: weigh the forces on the eigenvalues along the flows,
                               # or { stride = 10 } for every tenth step
reductions = true              # false: full width in the original basis, slower, for comparison

# With this table the file is a sweep, many runs at once, for `rankfall sweep FILE`:
# [sweep]
# design = \"grid\"              # every combination; or \"random\" with points = 200
# vary_seed = false            # true: every point has a seed of its own
# over = { \"dynamics.1.step_size\" = \"log(1e-3,1e-1,5)\", \"dynamics.1.label_noise\" = [0.5, 2.0] }
";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use rankfall::experiment::{Asked, keys};
    use std::path::Path;

    #[test]
    fn every_template_is_a_valid_experiment() {
        for kind in DataKind::value_variants() {
            let read = Asked::from_toml(&experiment(*kind), "new", Path::new("/"), &[]);
            assert!(read.is_ok(), "{kind:?}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn templates_for_files_differ_in_every_place_they_should() {
        let drawn = experiment(DataKind::Gaussian);
        for (from, to) in FOR_FILES {
            assert_eq!(drawn.matches(from).count(), 1, "{from}");
            assert!(experiment(DataKind::File).contains(to), "{to}");
        }
    }

    #[test]
    fn every_key_and_value_is_in_the_guide() {
        let guide = include_str!("../../../docs/experiment-file.md");
        for name in keys::every_name_and_value() {
            let quoted = [format!("`{name}`"), format!("`\"{name}\"`")];
            assert!(quoted.iter().any(|q| guide.contains(q)), "{name}");
        }
    }

    #[test]
    fn the_examples_of_the_guide_are_valid() {
        let guide = include_str!("../../../docs/experiment-file.md");
        let blocks: Vec<&str> = guide.split("```toml\n").skip(1).collect();
        assert!(!blocks.is_empty());
        for block in blocks {
            let text = block.split("```").next().unwrap_or_default();
            let read = Asked::from_toml(text, "guide", Path::new("/"), &[]);
            assert!(read.is_ok(), "{}", read.unwrap_err());
        }
    }

    #[test]
    fn every_key_and_value_is_in_a_template() {
        let kinds = DataKind::value_variants().iter();
        let all: String = kinds.map(|kind| experiment(*kind)).collect();
        for name in keys::every_name_and_value() {
            assert!(all.contains(name), "{name} is not explained");
        }
    }
}

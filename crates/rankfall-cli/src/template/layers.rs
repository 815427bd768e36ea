//! The commented experiment file for a network given by its layers.

/// Valid as it stands.
pub const TEMPLATE: &str = "\
# An experiment file for rankfall: a network given by its layers. Lines that are commented out show an
# alternative, or a default. Run it with `rankfall run FILE`.

# A label, never a path. The results go to runs/NAME unless --out says otherwise.
name = \"my-network\"

# The data: drawn, with a linear teacher. The other kinds:
#   kind = \"teacher\"             samples, residual_noise, each_trajectory, input_law = \"gaussian\" or
#                                \"sphere\", teacher = { layers = [2, 3, 1], activation = \"relu\",
#                                bias = false, unit_norm = true,
#                                relevant_inputs = 1, init = { kind = \"gaussian\" } }
#   kind = \"bundled\"             dataset = \"digits\", a table inside the program (rankfall data lists them)
#   kind = \"rows\"                x = [[0.0, 1.0], [1.0, 0.0]], y = [1.0, 0.0]
#   kind = \"file\"                path, targets, inputs, header, delimiter, one_hot, inputs_array,
#                                targets_array, test_path (or held_out)
#   kind = \"idx\"                 dataset = \"mnist\" or \"fashion-mnist\" where a package has put it,
#                                or folder, or images, labels, test_images, test_labels;
#                                train_rows, test_rows
#   kind = \"cifar\"               files, test_files, labels = \"ten\", \"coarse\" or \"fine\"
# Of the tables, pictures and bundled data, standardize = true centres and scales the inputs by the
# training rows, standardize_targets = true scales targets that are values too (losses stay in their
# units), and checksum = \"…\", written into the copy in the run folder, stops a run on others.
[data]
kind = \"gaussian\"
samples = 40
inputs = 6
outputs = 3
teacher_rank = 1               # or teacher_singular_values = [2.0, 1.0]; default: entries N(0, 1)
covariance = \"identity\"        # or { power_law = 1.0 }, or { matrix = … }
residual_noise = 0.1
held_out = 200                 # rows held out, chosen by the seed

[network]
layers = [6, 12, 12, 3]        # widths, inputs first
kind = \"dense\"                 # or \"diagonal-linear\" with layers = [d, d, 1]
activation = \"linear\"          # or relu, leaky-relu, gelu, tanh, sigmoid
bias = false
loss = \"squared\"               # or softmax-cross-entropy, logistic
precision = \"f64\"              # or f32
engine = \"auto\"                # or \"dense\", also where the exact engine could
# How the weights start: \"pytorch-default\", \"he\", \"glorot\", { kind = \"gaussian\", scale = 1.0 },
# { kind = \"orthogonal\", gain = 1.0 }, { kind = \"balanced\", scale = 1.0 }, { kind = \"file\", path = … },
# { kind = \"layers\", weights = [{ gaussian = 0.5 }, { signs = 1.0 }], biases = [{ uniform = 1.0 }, { constant = 0.0 }] }
init = { kind = \"gaussian\", scale = 0.3, each_trajectory = true }

# One or more dynamics: \"gradient-descent\", \"label-noise-gradient-descent\" (label_noise,
# label_noise_distribution = \"gaussian\" or \"rademacher\") or \"sgd\".
[[dynamics]]
kind = \"gradient-descent\"
step_size = 0.01

[[dynamics]]
label = \"SGD\"
kind = \"sgd\"
step_size = 0.01
batch_size = 4
sampling = \"epochs\"            # or with-replacement, without-replacement, sequential
momentum = 0.0
nesterov = false
weight_decay = 0.0
schedule = { kind = \"constant\" }
# schedule = { kind = \"cosine\", last = 0.1, warm_up = 10 }
# schedule = { kind = \"piecewise\", shares = [0.5, 0.8], factors = [0.3, 0.1] }   or steps = [500, 800]

# Any noise comes on top: kind = \"label-noise\" (variance, distribution), \"label-flips\" (probability or
# matrix), \"mini-batch\" (batch_size, sampling), \"gradient-noise\" (temperature), \"input-noise\" (variance),
# \"weight-noise\" (variance), \"dropout\" (probability).
[[dynamics]]
label = \"SGD, label noise\"
kind = \"sgd\"
step_size = 0.01
batch_size = 4
[[dynamics.noise]]
kind = \"label-noise\"
variance = 1.5

[run]
seed = 1
steps = 20000                  # or epochs = 20, or time = 100.0 with constant step sizes
trajectories = 8
save = { points = 50, spacing = \"linear\" }   # or \"log\"
rank_tolerance = 1e-1          # the numerical rank counts singular values above this share of the largest
keep_trajectories = false
common_noise = false
measure = { losses_every = 1, spectra_every = 1, spectra = \"fast\", probe_rows = 0, jacobian = false, jacobian_tolerance = 1e-4 }
";

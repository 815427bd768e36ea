//! The keys of files whose network is given by `layers`.

use crate::experiment::keys::{
    DISTRIBUTIONS, Family, Key, SAMPLINGS, SPACINGS, SectionKeys, key, of,
};

const fn section(
    place: &'static str,
    kinds: &'static [&'static str],
    keys: &'static [Key],
) -> SectionKeys {
    SectionKeys {
        place,
        keys,
        kinds,
        family: Family::Layers,
    }
}

/// The top level of the file.
pub const TOP: SectionKeys = section(
    "the top level of the file",
    &[],
    &[
        key("name"),
        key("data"),
        key("network"),
        key("dynamics"),
        key("run"),
    ],
);

const DRAWN: &str = "the others are read, and say themselves how many there are";
const LINEAR: &str = "only Gaussian data have a linear teacher";
const TABLE: &str = "only a table has columns";
const FILES: &str = "the others are drawn, written out or inside the program";
const SPLIT: &str = "image sets have a test part of their own";
const IMAGES: &str = "it names a file of images";

/// `[data]`.
pub const DATA: SectionKeys = section(
    "[data]",
    &[
        "gaussian", "teacher", "rows", "file", "bundled", "idx", "cifar",
    ],
    &[
        key("kind"),
        of("samples", &["gaussian", "teacher"], DRAWN),
        of(
            "inputs",
            &["gaussian", "file"],
            "the others have all their inputs in them",
        ),
        of("outputs", &["gaussian"], DRAWN),
        of("teacher_rank", &["gaussian"], LINEAR),
        of("teacher_singular_values", &["gaussian"], LINEAR),
        of("covariance", &["gaussian"], LINEAR),
        of("residual_noise", &["gaussian", "teacher"], DRAWN),
        of(
            "input_law",
            &["teacher"],
            "it is the law of a network teacher's inputs",
        ),
        of("teacher", &["teacher"], "it is a network"),
        of(
            "each_trajectory",
            &["gaussian", "teacher"],
            "only drawn data can be drawn again",
        ),
        of("x", &["rows"], "it holds the inputs themselves"),
        of("y", &["rows"], "it holds the targets themselves"),
        of("path", &["file"], "only a table is one file"),
        of("test_path", &["file"], "only a table is one file"),
        of("targets", &["file"], TABLE),
        of("header", &["file"], TABLE),
        of("delimiter", &["file"], TABLE),
        of(
            "one_hot",
            &["file"],
            "only a table has to say that its target is a class",
        ),
        of(
            "inputs_array",
            &["file"],
            "it names an array of an NPZ file",
        ),
        of(
            "targets_array",
            &["file"],
            "it names an array of an NPZ file",
        ),
        of(
            "dataset",
            &["bundled", "idx"],
            "it names a data set that is known",
        ),
        of("folder", &["idx"], "it holds the four files of MNIST"),
        of("images", &["idx"], IMAGES),
        of(
            "labels",
            &["idx", "cifar"],
            "it is about the labels of images",
        ),
        of("test_images", &["idx"], IMAGES),
        of("test_labels", &["idx"], IMAGES),
        of("files", &["cifar"], IMAGES),
        of("test_files", &["cifar"], IMAGES),
        of(
            "train_rows",
            &["idx", "cifar"],
            "the others have no more rows than asked for",
        ),
        of(
            "test_rows",
            &["idx", "cifar"],
            "the others say how many with held_out",
        ),
        of(
            "held_out",
            &["gaussian", "teacher", "file", "bundled"],
            SPLIT,
        ),
        of(
            "standardize",
            &["file", "bundled", "idx", "cifar"],
            "drawn data are what they were drawn to be",
        ),
        of(
            "standardize_targets",
            &["file", "bundled"],
            "the others have classes, or are drawn",
        ),
        of("checksum", &["file", "bundled", "idx", "cifar"], FILES),
    ],
);

/// `data.teacher`.
pub const TEACHER: SectionKeys = section(
    "data.teacher",
    &[],
    &[
        key("layers"),
        key("activation"),
        key("bias"),
        key("init"),
        key("unit_norm"),
        key("relevant_inputs"),
    ],
);

/// `[network]`.
pub const NETWORK: SectionKeys = section(
    "[network]",
    &["dense", "diagonal-linear"],
    &[
        key("layers"),
        key("kind"),
        key("activation"),
        key("bias"),
        key("loss"),
        key("precision"),
        key("engine"),
        key("init"),
    ],
);

/// `network.init` and `data.teacher.init`.
pub const INIT: SectionKeys = section(
    "network.init",
    &[
        "pytorch-default",
        "gaussian",
        "he",
        "glorot",
        "orthogonal",
        "balanced",
        "layers",
        "file",
    ],
    &[
        key("kind"),
        of(
            "scale",
            &["gaussian", "balanced"],
            "the others have a size of their own",
        ),
        of(
            "gain",
            &["orthogonal"],
            "it is every singular value of an orthogonal start",
        ),
        of("weights", &["layers"], "it has a law for each layer"),
        of("biases", &["layers"], "it has a law for each layer"),
        of("path", &["file"], "the others are drawn, not read"),
        of("checksum", &["file"], "the others are drawn, not read"),
        key("each_trajectory"),
    ],
);

/// One law in `network.init.weights` or `biases`.
pub const LAW: SectionKeys = section(
    "a law of initial weights",
    &[],
    &[
        key("constant"),
        key("gaussian"),
        key("uniform"),
        key("signs"),
    ],
);

const BATCHES: &str =
    "the others use all rows; add a noise of kind \"mini-batch\" where you want it";

/// One `[[dynamics]]`.
pub const DYNAMICS: SectionKeys = section(
    "[[dynamics]]",
    &["gradient-descent", "label-noise-gradient-descent", "sgd"],
    &[
        key("label"),
        key("kind"),
        key("step_size"),
        key("label_noise"),
        of("batch_size", &["sgd"], BATCHES),
        of("sampling", &["sgd"], BATCHES),
        of(
            "label_noise_distribution",
            &["label-noise-gradient-descent", "sgd"],
            "gradient descent has no label noise",
        ),
        key("momentum"),
        key("nesterov"),
        key("weight_decay"),
        key("schedule"),
        key("noise"),
    ],
);

/// One `[[dynamics.noise]]`.
pub const NOISE: SectionKeys = section(
    "[[dynamics.noise]]",
    &[
        "label-noise",
        "label-flips",
        "mini-batch",
        "gradient-noise",
        "input-noise",
        "weight-noise",
        "dropout",
    ],
    &[
        key("kind"),
        of(
            "variance",
            &["label-noise", "input-noise", "weight-noise"],
            "the others have another size",
        ),
        of("distribution", &["label-noise"], "the others have one law"),
        of(
            "probability",
            &["label-flips", "dropout"],
            "the others happen at every step",
        ),
        of("matrix", &["label-flips"], "only classes flip"),
        of("batch_size", &["mini-batch"], "only it draws rows"),
        of("sampling", &["mini-batch"], "only it draws rows"),
        of(
            "temperature",
            &["gradient-noise"],
            "it is that of Langevin's equation",
        ),
    ],
);

/// `dynamics.schedule`.
pub const SCHEDULE: SectionKeys = section(
    "dynamics.schedule",
    &["constant", "piecewise", "cosine"],
    &[
        key("kind"),
        key("warm_up"),
        of(
            "steps",
            &["piecewise", "cosine"],
            "a constant has no length",
        ),
        of("shares", &["piecewise"], "only it changes at given places"),
        of("factors", &["piecewise"], "only it changes at given places"),
        of("last", &["cosine"], "only it falls to an end"),
    ],
);

/// `[run]`.
pub const RUN: SectionKeys = section(
    "[run]",
    &[],
    &[
        key("seed"),
        key("time"),
        key("steps"),
        key("epochs"),
        key("trajectories"),
        key("save"),
        key("rank_tolerance"),
        key("keep_trajectories"),
        key("common_noise"),
        key("measure"),
    ],
);

/// `run.measure`.
pub const MEASURE: SectionKeys = section(
    "run.measure",
    &[],
    &[
        key("losses_every"),
        key("spectra_every"),
        key("spectra"),
        key("probe_rows"),
        key("jacobian"),
        key("jacobian_tolerance"),
    ],
);

/// All sections of such files, in their order.
pub const SECTIONS: &[&SectionKeys] = &[
    &TOP, &DATA, &TEACHER, &NETWORK, &INIT, &LAW, &DYNAMICS, &NOISE, &SCHEDULE, &RUN, &MEASURE,
    &SAVE,
];

/// `run.save`.
pub const SAVE: SectionKeys = section("run.save", &[], &[key("points"), key("spacing")]);

/// The values of `activation`, in the order of [`rankfall_nets::activation::Activation::ALL`].
pub const ACTIVATIONS: &[&str] = &["linear", "relu", "leaky-relu", "gelu", "tanh", "sigmoid"];
/// The values of `loss`, in the order of [`rankfall_nets::loss::Loss::ALL`].
pub const LOSSES: &[&str] = &["squared", "softmax-cross-entropy", "logistic"];
/// The values of `precision`.
pub const PRECISIONS: &[&str] = &["f64", "f32"];
/// The values of `engine`.
pub const ENGINES: &[&str] = &["auto", "dense"];
/// The values of `input_law`.
pub const INPUT_LAWS: &[&str] = &["gaussian", "sphere"];
/// The values of `spectra`.
pub const SPECTRA: &[&str] = &["fast", "exact"];
/// The values of `labels` for CIFAR.
pub const CIFAR_LABELS: &[&str] = &["ten", "coarse", "fine"];

/// Every list of values.
pub const VALUES: &[&[&str]] = &[
    ACTIVATIONS,
    LOSSES,
    PRECISIONS,
    ENGINES,
    INPUT_LAWS,
    SPECTRA,
    CIFAR_LABELS,
    DISTRIBUTIONS,
    SAMPLINGS,
    SPACINGS,
];

//! The keys of `[network]`.

use super::key::Bound::{Any, NonNegative, Positive};
use super::key::ValueType::{Choice, Flag, Kind, List, Number, Table, Text, Whole};
use super::key::{SectionKeys, ValueType, key, keys};

pub(super) const ACTIVATIONS: &[&str] =
    &["linear", "relu", "leaky-relu", "gelu", "tanh", "sigmoid"];

/// Widths of layers.
pub(super) const WIDTHS: ValueType =
    List(&Whole(1, rankfall_nets::network::MOST_PARAMETERS as u64));

const DRAWN: &[&str] = &[
    "gaussian",
    "balanced",
    "he",
    "glorot",
    "orthogonal",
    "layers",
    "pytorch-default",
];

/// `[network]`.
pub static NETWORK: SectionKeys = SectionKeys {
    place: "[network]",
    path: "network",
    kinds: &["dense", "diagonal-linear"],
    keys: keys! {
        key("width", Whole(1, 100_000_000),
            "l: one hidden layer of this width between the inputs and outputs of the data")
            .example("10").otherwise("`layers` says it")
            .of(&["dense"],
                "hidden layers of a diagonal network have a unit for each input: write layers"),
        key("layers", WIDTHS, "Instead of width: the widths of all layers, inputs first")
            .example("[5, 10, 2]").otherwise("`width` says it"),
        key("kind", Kind,
            "Or hidden layers multiply each input by a weight of its own: layers = [d, d, 1]")
            .default("\"dense\""),
        key("activation", Choice(ACTIVATIONS),
            "Of all layers but the last; leaky-relu has the slope 0.01, gelu is exact")
            .default("\"linear\""),
        key("bias", Flag, "Whether layers have biases").default("false"),
        key("loss", Choice(&["squared", "softmax-cross-entropy", "logistic"]),
            "|f - y|^2 / 2, or for classes, or for targets from 0 to 1")
            .default("\"squared\""),
        key("precision", Choice(&["f64", "f32"]), "Of weights and gradients").default("\"f64\""),
        key("engine", Choice(&["auto", "dense"]),
            "\"dense\": the dense engine also where the exact one could")
            .default("\"auto\""),
        key("init", Table(&INIT), "How the weights start")
            .example("{ kind = \"gaussian\", scale = 1.0 }")
            .otherwise(
                "two linear layers without biases and with squared loss N(0, 1), all others as \
                PyTorch does"),
    },
};

/// `network.init` and `data.teacher.init`.
pub static INIT: SectionKeys = SectionKeys {
    place: "network.init",
    path: "network.init",
    kinds: &[
        "gaussian",
        "balanced",
        "file",
        "pytorch-default",
        "he",
        "glorot",
        "orthogonal",
        "layers",
    ],
    keys: keys! {
        key("kind", Kind,
            "The law of the weights; he and glorot are Gaussian, pytorch-default uniform between \
            +-1/sqrt(inputs)")
            .otherwise("as without init"),
        key("scale", Number(NonNegative),
            "Standard deviation of the Gaussian entries (that a balanced start is made of)")
            .default("1.0").of(&["gaussian", "balanced"], "the others have a size of their own"),
        key("smallest_singular_value", Number(Positive),
            "Replaces the smallest singular value of [W1; W2'] at the start, for a width of p + k \
            or more")
            .example("1e-8").of(&["gaussian"], "the spectrum of the others is given otherwise")
            .exact(),
        key("gain", Number(NonNegative), "Times orthonormal rows or columns")
            .default("1.0")
            .of(&["orthogonal"], "it is every singular value of an orthogonal start"),
        key("weights", List(&Table(&LAW)), "A law for each layer")
            .required("[{ gaussian = 0.5 }, { signs = 1.0 }]")
            .of(&["layers"], "it has a law for each layer"),
        key("biases", List(&Table(&LAW)), "A law for the biases of each layer")
            .default("[]").otherwise("zero").of(&["layers"], "it has a law for each layer"),
        key("path", Text, "A safetensors or NPZ file, from the folder of this one")
            .required("\"start.safetensors\"").of(&["file"], "the others are drawn, not read"),
        key("checksum", Text,
            "Written into the copy in the run folder; a run on other weights stops")
            .example("\"…\"").of(&["file"], "the others are drawn, not read"),
        key("each_trajectory", Flag, "Every trajectory draws its own start; else all share one")
            .default("false").of(DRAWN, "a file has one start for all trajectories"),
    },
};

/// One law in `network.init.weights` or `biases`.
pub static LAW: SectionKeys = SectionKeys {
    place: "a law of initial weights",
    path: "network.init.weights.0",
    kinds: &[],
    keys: keys! {
        key("constant", Number(Any), "All are this").example("0.0"),
        key("gaussian", Number(NonNegative), "N(0, this squared)").example("0.5"),
        key("uniform", Number(NonNegative), "Uniform between - and + this").example("1.0"),
        key("signs", Number(NonNegative), "+ or - this").example("1.0"),
    },
};

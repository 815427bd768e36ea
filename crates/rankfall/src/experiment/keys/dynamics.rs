//! The keys of `[[dynamics]]`.

use super::key::Bound::{Any, NonNegative, Positive};
use super::key::ValueType::{Choice, Either, Flag, Kind, List, Number, Table, Text, Whole};
use super::key::{LARGEST_EXACT, SIZES, SectionKeys, key, keys};

const DISTRIBUTIONS: &[&str] = &["gaussian", "rademacher"];
const SAMPLINGS: &[&str] = &[
    "with-replacement",
    "without-replacement",
    "epochs",
    "sequential",
];

const FLOWS: &[&str] = &["gradient-flow", "stochastic-gradient-flow", "slow-flow"];
const DESCENTS: &[&str] = &["gradient-descent", "label-noise-gradient-descent", "sgd"];
const STOCHASTIC_FLOW: &[&str] = &["stochastic-gradient-flow"];
const NOISY: &[&str] = &[
    "stochastic-gradient-flow",
    "gradient-descent",
    "label-noise-gradient-descent",
    "sgd",
];
const A_FLOW_FOLLOWS: &str = "a flow follows its gradient as it is";

/// One `[[dynamics]]`.
pub static DYNAMICS: SectionKeys = SectionKeys {
    place: "[[dynamics]]",
    path: "dynamics.0",
    kinds: &[
        "gradient-flow",
        "stochastic-gradient-flow",
        "slow-flow",
        "gradient-descent",
        "label-noise-gradient-descent",
        "sgd",
    ],
    keys: keys! {
        key("label", Text, "What tables and figures call it; distinct from the others")
            .example("\"with noise\"").otherwise("the kind in words"),
        key("kind", Kind, "What one step is; the flows are there for two linear layers alone")
            .required("\"gradient-flow\""),
        key("step_size", Number(Positive), "eta; a flow sees it only through its noise")
            .default("0.01"),
        key("label_noise", Number(NonNegative), "delta, the variance of the noise on the labels")
            .default("0.0"),
        key("batch_size", Whole(1, LARGEST_EXACT), "b, rows of a mini-batch")
            .default("1")
            .of(&["stochastic-gradient-flow", "slow-flow", "sgd"],
                "the other dynamics use all rows at every step; a noise of kind \"mini-batch\" \
                draws them"),
        key("integrator",
            Choice(&["lie-euler", "lie-euler-unsplit", "lie-strang", "euler-maruyama"]),
            "lie-strang is of weak order 2; all but euler-maruyama meet the determinant law")
            .default("\"lie-euler\"")
            .of(STOCHASTIC_FLOW,
                "gradient flow and slow flow are integrated adaptively and a descent is a map, \
                with nothing to integrate").exact(),
        key("time_step", Either(&[Number(Positive), Choice(&["auto"])]),
            "Of the integrator, or \"auto\"; for gradient flow and slow flow only the grid of save \
            times")
            .example("0.01").otherwise("step_size")
            .of(FLOWS, "a descent takes steps of its step_size").exact(),
        key("label_noise_distribution", Choice(DISTRIBUTIONS), "Of the noise on the labels")
            .default("\"gaussian\"")
            .of(&["label-noise-gradient-descent", "sgd"],
                "the noise of the stochastic flow is Brownian, that of the slow flow is averaged, \
                and gradient flow and gradient descent have none"),
        key("sampling", Choice(SAMPLINGS),
            "How rows are drawn; epochs: a permutation a pass, sequential: in file order")
            .default("\"with-replacement\"").of(&["sgd"], "only it draws mini-batches"),
        key("momentum", Number(NonNegative), "mu in [0, 1): v <- mu v + g, w <- w - eta v")
            .default("0.0").of(DESCENTS, A_FLOW_FOLLOWS),
        key("nesterov", Flag, "Look ahead by one step of momentum")
            .default("false").of(DESCENTS, A_FLOW_FOLLOWS),
        key("weight_decay", Number(NonNegative), "lambda: g <- g + lambda w, of biases too")
            .default("0.0").of(DESCENTS, A_FLOW_FOLLOWS),
        key("adam", Table(&ADAM),
            "Adam instead: steps of size eta by running means of the gradient and its square; {} \
            has its usual settings")
            .example("{ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }")
            .otherwise("the gradient is followed").of(DESCENTS, A_FLOW_FOLLOWS).dense(),
        key("forces", Table(&FORCES),
            "How forces on the eigenvalues are split, and factors on them: what would have \
            happened without one")
            .example("{ repulsion = 0.0 }").otherwise("all 1")
            .of(STOCHASTIC_FLOW, "the forces are those of its equation for the eigenvalues")
            .exact(),
        key("brownian_substeps", Whole(1, 1 << 20),
            "Finer increments in each: 2 with time_step = 0.02 follows the path of 0.01, with \
            common_noise")
            .default("1").of(STOCHASTIC_FLOW, "only it follows a Brownian path").exact(),
        key("schedule", Table(&SCHEDULE), "How the step size changes")
            .example("{ kind = \"cosine\" }").otherwise("constant")
            .of(DESCENTS, "a flow has no steps that could change").dense(),
        key("noise", List(&Table(&NOISE)),
            "Any noise on top: [[dynamics.noise]], each kind at most once; of a flow label-flips")
            .example("[{ kind = \"label-flips\", probability = 0.1 }]").otherwise("none")
            .of(NOISY, "gradient flow has no noise"),
    },
};

/// `forces` of one `[[dynamics]]`.
pub static FORCES: SectionKeys = SectionKeys {
    place: "dynamics.forces",
    path: "dynamics.0.forces",
    kinds: &[],
    keys: keys! {
        key("split", Choice(&["regular", "antisymmetric"]),
            "What is called common growth or decay, and what repulsion")
            .default("\"regular\""),
        key("gradient", Number(Any), "On the force of the gradient, -1000 to 1000").default("1.0"),
        key("own_noise", Number(Any), "On the noise of its own of each eigenvalue").default("1.0"),
        key("common_growth", Number(Any), "On the growth of the regular split").default("1.0"),
        key("common_decay", Number(Any), "On the decay of the antisymmetric split").default("1.0"),
        key("repulsion", Number(Any), "On the repulsion of eigenvalues by each other")
            .default("1.0"),
    },
};

/// `adam` of one `[[dynamics]]`.
pub static ADAM: SectionKeys = SectionKeys {
    place: "dynamics.adam",
    path: "dynamics.0.adam",
    kinds: &[],
    keys: keys! {
        key("beta1", Number(NonNegative),
            "In [0, 1): how much of its mean of gradients a step keeps")
            .default("0.9"),
        key("beta2", Number(NonNegative), "In [0, 1): how much of its mean of their squares")
            .default("0.999"),
        key("epsilon", Number(Positive), "Added to the root of that mean").default("1e-8"),
    },
};

/// `dynamics.schedule`.
pub static SCHEDULE: SectionKeys = SectionKeys {
    place: "dynamics.schedule",
    path: "dynamics.0.schedule",
    kinds: &["constant", "piecewise", "cosine"],
    keys: keys! {
        key("kind", Kind, "Constant, multiplied by factors at given places, or half a cosine")
            .required("\"cosine\""),
        key("warm_up", Whole(0, LARGEST_EXACT), "Steps over which it first rises").default("0"),
        key("steps", Either(&[Whole(1, LARGEST_EXACT), List(&Whole(0, LARGEST_EXACT))]),
            "Of piecewise: at which steps; of cosine: its length")
            .example("1000").otherwise("of cosine the run")
            .of(&["piecewise", "cosine"], "a constant has no length"),
        key("shares", SIZES, "Instead of steps: at which shares of the run")
            .example("[0.5, 0.8]").of(&["piecewise"], "only it changes at given places"),
        key("factors", SIZES, "The step size from there on, as a share of the first")
            .required("[0.3, 0.1]").of(&["piecewise"], "only it changes at given places"),
        key("last", Number(NonNegative), "The share it falls to")
            .default("0.0").of(&["cosine"], "only it falls to an end"),
    },
};

/// One `[[dynamics.noise]]`.
pub static NOISE: SectionKeys = SectionKeys {
    place: "[[dynamics.noise]]",
    path: "dynamics.0.noise.0",
    kinds: &[
        "label-noise",
        "label-flips",
        "mini-batch",
        "gradient-noise",
        "input-noise",
        "weight-noise",
        "dropout",
    ],
    keys: keys! {
        key("kind", Kind, "label-noise and mini-batch are what label_noise and batch_size ask for")
            .required("\"dropout\""),
        key("variance", Number(NonNegative),
            "Of every target or input at every step, or of the weights a gradient is taken at")
            .required("0.1")
            .of(&["label-noise", "input-noise", "weight-noise"], "the others have another size"),
        key("distribution", Choice(DISTRIBUTIONS), "Of the noise on the labels")
            .default("\"gaussian\"").of(&["label-noise"], "the others have one law"),
        key("probability", Number(NonNegative),
            "That a class turns into another, or that a hidden unit is left out")
            .example("0.1").of(&["label-flips", "dropout"], "the others happen at every step"),
        key("matrix", List(&SIZES), "Instead of probability: row c says into what class c turns")
            .example("[[0.9, 0.1], [0.0, 1.0]]").of(&["label-flips"], "only classes flip"),
        key("batch_size", Whole(1, 1 << 31), "Rows of a mini-batch")
            .default("1").of(&["mini-batch"], "only it draws rows"),
        key("sampling", Choice(SAMPLINGS), "How they are drawn")
            .default("\"with-replacement\"").of(&["mini-batch"], "only it draws rows"),
        key("temperature", Number(NonNegative),
            "T: sqrt(2T/eta) N(0, I) on the gradient, Langevin's equation")
            .required("1e-4").of(&["gradient-noise"], "it is that of Langevin's equation"),
        key("from", Number(NonNegative),
            "The time at which it is switched on; moved to the nearest step")
            .default("0.0").dense(),
        key("until", Number(Positive), "The time at which it is switched off")
            .example("50.0").otherwise("the end").dense(),
    },
};

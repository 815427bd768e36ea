//! Every key an experiment file may have: what it takes, its default, what it is about, and to which
//! kinds it applies. Readers, messages, the JSON Schema, the tables of the documentation and the files that
//! `rankfall new` prints are all made of this.

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub takes: Takes,
    /// The value that stands for a missing one, as TOML; empty where there is none.
    pub default: &'static str,
    /// What a missing value means where no one value says it.
    pub otherwise: &'static str,
    /// A value to show, as TOML; empty where the default is one.
    pub example: &'static str,
    /// Whether it must be there, in the kinds it applies to.
    pub required: bool,
    /// What it is about, in one line.
    pub about: &'static str,
    /// The kinds it applies to; empty for all.
    pub kinds: &'static [&'static str],
    /// Why it applies to no other kind; empty where there is nothing to say.
    pub why: &'static str,
    /// The engine that alone has what it asks for: `exact`, `dense`, or empty for both.
    pub engine: &'static str,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// A finite number.
    Number(Bound),
    /// Text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// One of the kinds of its section.
    Kind,
    /// A list.
    List(&'static Takes),
    /// A table.
    Table(&'static SectionKeys),
    /// A table with whatever keys.
    AnyTable,
    /// One of these.
    Either(&'static [Takes]),
}

/// Which numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// All.
    Any,
    /// Above zero.
    Positive,
    /// Zero and above.
    NonNegative,
    /// Above zero and below one.
    Share,
}

/// One section of the file with its keys, and its kinds if it has a `kind`.
#[derive(Debug)]
pub struct SectionKeys {
    /// How messages name the place, e.g. `[run]`.
    pub place: &'static str,
    /// Its dotted path, as `--set` takes it, with 0 for positions; empty for the top level.
    pub path: &'static str,
    /// The values of its `kind` key; empty where it has none.
    pub kinds: &'static [&'static str],
    /// The keys.
    pub keys: &'static [Key],
}

/// A list of keys; in braces, so that each stays on the few lines it is written on.
macro_rules! keys {
    ($($key:expr),* $(,)?) => {
        &[$($key),*]
    };
}

/// A key of every kind, without a default.
const fn key(name: &'static str, takes: Takes, about: &'static str) -> Key {
    Key {
        name,
        takes,
        default: "",
        otherwise: "",
        example: "",
        required: false,
        about,
        kinds: &[],
        why: "",
        engine: "",
    }
}

impl Key {
    const fn required(self, example: &'static str) -> Key {
        Key {
            required: true,
            example,
            ..self
        }
    }

    const fn default(self, default: &'static str) -> Key {
        Key { default, ..self }
    }

    const fn example(self, example: &'static str) -> Key {
        Key { example, ..self }
    }

    const fn otherwise(self, otherwise: &'static str) -> Key {
        Key { otherwise, ..self }
    }

    /// Of some kinds, and why of no others.
    const fn of(self, kinds: &'static [&'static str], why: &'static str) -> Key {
        Key { kinds, why, ..self }
    }

    const fn exact(self) -> Key {
        Key {
            engine: "exact",
            ..self
        }
    }

    const fn dense(self) -> Key {
        Key {
            engine: "dense",
            ..self
        }
    }

    /// A value to show: the example, else the default.
    pub fn shown(&self) -> &'static str {
        match self.example {
            "" => self.default,
            example => example,
        }
    }
}

impl Takes {
    /// This, or the alternatives it is made of.
    pub fn alternatives(&self) -> &[Takes] {
        match self {
            Takes::Either(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// The keys of the table it takes, if it takes one.
    pub fn table(&self) -> Option<&'static SectionKeys> {
        self.alternatives().iter().find_map(|one| match one {
            Takes::Table(keys) => Some(*keys),
            _ => None,
        })
    }

    /// The texts it takes, if it takes some only.
    pub fn choices(&self) -> &'static [&'static str] {
        let choices = self.alternatives().iter().find_map(|one| match one {
            Takes::Choice(texts) => Some(*texts),
            _ => None,
        });
        choices.unwrap_or_default()
    }

    /// Which numbers it takes.
    pub fn bound(&self) -> Bound {
        let bound = self.alternatives().iter().find_map(|one| match one {
            Takes::Number(bound) => Some(*bound),
            _ => None,
        });
        bound.unwrap_or(Bound::Any)
    }

    /// What an item of the list it takes takes.
    pub fn item(&self) -> Takes {
        let item = self.alternatives().iter().find_map(|one| match one {
            Takes::List(item) => Some(**item),
            _ => None,
        });
        item.unwrap_or(*self)
    }
}

use Bound::{Any, NonNegative, Positive, Share};
use Takes::{AnyTable, Choice, Either, Flag, Kind, List, Number, Table, Text, Whole};

/// The largest whole number that every double can hold exactly.
pub const LARGEST_EXACT: u64 = 1 << 53;
/// Most points of one sweep.
pub const MOST_POINTS: u64 = 100_000;
/// Most rows that are held in memory.
pub const MOST_ROWS: u64 = 1 << 32;

const NUMBERS: Takes = List(&Number(Any));
const SIZES: Takes = List(&Number(NonNegative));
const ROWS: Takes = List(&Either(&[Number(Any), NUMBERS]));
const PATHS: Takes = List(&Text);
const COLUMN: Takes = Either(&[Text, Whole(0, u32::MAX as u64)]);
const COLUMNS: Takes = Either(&[Text, Whole(0, u32::MAX as u64), List(&COLUMN)]);

/// The top level of the file.
pub static TOP: SectionKeys = SectionKeys {
    place: "the top level of the file",
    path: "",
    kinds: &[],
    keys: keys! {
        key("name", Text, "A label for tables, figures and the folder runs/NAME; not a path")
            .required("\"two-layer\""),
        key("data", Table(&DATA), "What there is to learn from").required("{ kind = \"gaussian\", samples = 1000, inputs = 5, outputs = 2 }"),
        key("network", Table(&NETWORK), "What learns it, and how its weights start").required("{ width = 10 }"),
        key("dynamics", List(&Table(&DYNAMICS)), "What moves the weights: [[dynamics]], once for each")
            .required("[{ kind = \"gradient-flow\" }]"),
        key("run", Table(&RUN), "How long, how often, and what is measured").required("{ time = 100.0 }"),
        key("sweep", Table(&SWEEP), "Makes the file many runs, for `rankfall sweep`"),
    },
};

const READ: &[&str] = &["file", "bundled", "idx", "cifar"];
const COUNTED: &str = "the others say themselves how many there are";
const LINEAR: &str = "only Gaussian data have a linear teacher and a law";
const TABLE: &str = "only a table has columns";
const ARRAY: &str = "it names an array of an NPZ file";
const IMAGES: &str = "it names a file of images";
const WRITTEN: &str = "it is a list of rows in the file itself";

/// `[data]`.
pub static DATA: SectionKeys = SectionKeys {
    place: "[data]",
    path: "data",
    kinds: &[
        "gaussian", "teacher", "rows", "file", "gram", "bundled", "idx", "cifar",
    ],
    keys: keys! {
        key("kind", Kind, "Drawn with a linear teacher or by a teacher network, written here, or read")
            .required("\"gaussian\""),
        key("samples", Whole(1, 1_000_000_000_000), "n, the number of rows to train on").required("1000")
            .of(&["gaussian", "teacher"], COUNTED),
        key("inputs", Either(&[Whole(1, 100_000), Text, List(&COLUMN)]),
            "p, the number of inputs; of a table the input columns, by name or by position from 0").example("5")
            .otherwise("of a table all that are neither targets nor an index")
            .of(&["gaussian", "file"], "the others have all their inputs in them"),
        key("outputs", Whole(1, 100_000), "k, the number of outputs").required("2").of(&["gaussian"], COUNTED),
        key("teacher_rank", Whole(0, 100_000), "The teacher has this rank, 0 to min(p, k)").example("1")
            .otherwise("entries N(0, 1)").of(&["gaussian"], LINEAR),
        key("teacher_singular_values", SIZES,
            "Singular values of the teacher, 1 to min(p, k) of them; the others are zero").example("[3.0, 1.0]")
            .of(&["gaussian"], LINEAR),
        key("covariance", Either(&[Choice(&["identity"]), Table(&COVARIANCE)]),
            "Of the inputs: \"identity\", { power_law = 1.0 } or { matrix = [[1.0, 0.5], [0.5, 1.0]] }")
            .default("\"identity\"").of(&["gaussian"], LINEAR),
        key("residual_noise", Number(NonNegative), "Standard deviation of the Gaussian residuals").default("0.0")
            .of(&["gaussian", "teacher"], "only drawn data have residuals that can be chosen"),
        key("input_law", Choice(INPUT_LAWS), "N(0, I), uniform on the unit sphere, or row i is the unit vector of input i mod p").default("\"gaussian\"")
            .of(&["teacher"], "it is the law of a network teacher's inputs").dense(),
        key("teacher", Table(&TEACHER), "The network that says what the targets are")
            .required("{ layers = [2, 3, 1], activation = \"relu\", init = { kind = \"gaussian\" } }")
            .of(&["teacher"], "it is a network").dense(),
        key("classes", Flag, "The label is the class of the largest output: classification").default("false")
            .of(&["gaussian"], "the others have the targets they have"),
        key("observed", Number(Share), "The share of the training targets that are observed; the squared loss leaves the others out")
            .example("0.3").otherwise("all").of(&["teacher"], "only drawn targets can be drawn as not observed").dense(),
        key("each_trajectory", Flag, "Every trajectory draws its own data and teacher").default("false")
            .of(&["gaussian", "teacher"], "only drawn data can be drawn again"),
        key("x", ROWS, "The inputs, a list of rows; a row of one number needs no brackets")
            .required("[[0.0, 1.0], [1.0, 0.0]]").of(&["rows"], WRITTEN).dense(),
        key("y", ROWS, "The targets, as many rows").required("[[1.0], [0.0]]").of(&["rows"], WRITTEN).dense(),
        key("path", Text, "The file, from the folder of this one: CSV, NPY, NPZ or Parquet; of Gram matrices NPZ with sxx, sxy, syy, n")
            .required("\"table.csv\"")
            .of(&["file", "gram"], "the others are drawn, written out, or more than one file"),
        key("targets", COLUMNS, "Target columns, one or a list, by name or by position from 0")
            .example("[\"target\"]").otherwise("targets_array says it").of(&["file"], TABLE),
        key("header", Flag, "Text files: whether the first line names the columns").example("true")
            .otherwise("found out").of(&["file"], TABLE),
        key("delimiter", Text, "Text files: what stands between columns, one ASCII character").example("\";\"")
            .otherwise("found out").of(&["file"], TABLE),
        key("one_hot", Flag, "The target is a class, and becomes one indicator column per class").default("false")
            .of(&["file"], "only a table has to say that its target is a class"),
        key("standardize", Flag, "Centre and scale the inputs, and centre targets that are values").default("false")
            .of(READ, "the others are what they were made to be"),
        key("standardize_targets", Flag, "Scale the targets too; losses stay in the units of the table")
            .default("false").of(&["file", "bundled"], "the others have classes, or are what they were made to be"),
        key("inputs_array", Text, "NPZ files: the array that holds the inputs").example("\"x\"").of(&["file"], ARRAY),
        key("targets_array", Text, "NPZ files: the array that holds the targets").example("\"y\"")
            .of(&["file"], ARRAY),
        key("dataset", Choice(&["digits", "linnerud", "mnist", "fashion-mnist"]), "Which; rankfall data lists them")
            .example("\"digits\"").of(&["bundled", "idx"], "it names a data set that is known").dense(),
        key("folder", Text, "Instead of dataset: a folder with the four files of MNIST, gzipped or not")
            .example("\"mnist\"").of(&["idx"], "it holds the four files of MNIST").dense(),
        key("images", Text, "Instead of either: the file of images to train on").example("\"images.gz\"")
            .of(&["idx"], IMAGES).dense(),
        key("labels", Either(&[Choice(CIFAR_LABELS), Text]), "The file of their labels; of CIFAR \"ten\", \"coarse\" (20 classes) or \"fine\" (100)")
            .example("\"ten\"").otherwise("of CIFAR \"ten\"")
            .of(&["idx", "cifar"], "it is about the labels of images").dense(),
        key("test_images", Text, "The file of images held out").example("\"test-images.gz\"").of(&["idx"], IMAGES)
            .dense(),
        key("test_labels", Text, "The file of their labels").example("\"test-labels.gz\"").of(&["idx"], IMAGES)
            .dense(),
        key("files", PATHS, "The files to train on").required("[\"data_batch_1.bin\"]").of(&["cifar"], IMAGES)
            .dense(),
        key("test_files", PATHS, "The files held out").default("[]").of(&["cifar"], IMAGES).dense(),
        key("train_rows", Whole(1, MOST_ROWS), "Only so many of the first images to train on").example("1000")
            .otherwise("all").of(&["idx", "cifar"], "the others have no more rows than asked for").dense(),
        key("test_rows", Whole(1, MOST_ROWS), "Only so many of the first images held out").example("1000")
            .otherwise("all").of(&["idx", "cifar"], "the others say how many with held_out").dense(),
        key("held_out", Whole(0, MOST_ROWS), "Rows held out: drawn after the others, or chosen from a table by the seed")
            .default("0").of(&["gaussian", "teacher", "file", "bundled"],
            "image sets have a test part of their own, and the others have none").dense(),
        key("test_path", Text, "Instead of held_out: a table held out, with the same columns").example("\"test.csv\"")
            .of(&["file"], "only a table is one file").dense(),
        key("checksum", Text, "Written into the copy in the run folder; a run on other data stops").example("\"…\"")
            .of(&["file", "gram", "bundled", "idx", "cifar"], "the others are drawn or written out, not read"),
    },
};

/// `data.covariance` when it is a table.
pub static COVARIANCE: SectionKeys = SectionKeys {
    place: "data.covariance",
    path: "data.covariance",
    kinds: &[],
    keys: keys! {
        key("power_law", Number(NonNegative), "Diagonal, the variance j^(-a) for input j = 1, ..., p").example("1.0"),
        key("matrix", List(&NUMBERS), "Symmetric and positive semidefinite, p x p").example("[[1.0, 0.5], [0.5, 1.0]]"),
    },
};

/// `data.teacher`.
pub static TEACHER: SectionKeys = SectionKeys {
    place: "data.teacher",
    path: "data.teacher",
    kinds: &[],
    keys: keys! {
        key("layers", WIDTHS, "Its widths, inputs first").required("[2, 3, 1]"),
        key("activation", Choice(ACTIVATIONS), "As of [network]").default("\"linear\""),
        key("bias", Flag, "As of [network]").default("false"),
        key("init", Table(&INIT), "How its weights are drawn: as network.init, but not from a file")
            .required("{ kind = \"gaussian\" }"),
        key("unit_norm", Flag, "Scale the incoming weights of each unit of its first layer to norm 1").default("false"),
        key("relevant_inputs", Whole(1, u32::MAX as u64), "How many of the first inputs matter to it").example("1")
            .otherwise("all"),
    },
};

const WIDTHS: Takes = List(&Whole(1, rankfall_nets::network::MOST_PARAMETERS as u64));

/// `[network]`.
pub static NETWORK: SectionKeys = SectionKeys {
    place: "[network]",
    path: "network",
    kinds: &["dense", "diagonal-linear"],
    keys: keys! {
        key("width", Whole(1, 100_000_000), "l: one hidden layer of this width between the inputs and outputs of the data")
            .example("10").otherwise("`layers` says it")
            .of(&["dense"], "hidden layers of a diagonal network have a unit for each input: write layers"),
        key("layers", WIDTHS, "Instead of width: the widths of all layers, inputs first").example("[5, 10, 2]")
            .otherwise("`width` says it"),
        key("kind", Kind, "Or hidden layers multiply each input by a weight of its own: layers = [d, d, 1]")
            .default("\"dense\""),
        key("activation", Choice(ACTIVATIONS), "Of all layers but the last; leaky-relu has the slope 0.01, gelu is exact")
            .default("\"linear\""),
        key("bias", Flag, "Whether layers have biases").default("false"),
        key("loss", Choice(LOSSES), "|f - y|^2 / 2, or for classes, or for targets from 0 to 1").default("\"squared\""),
        key("precision", Choice(PRECISIONS), "Of weights and gradients").default("\"f64\""),
        key("engine", Choice(ENGINES), "\"dense\": the dense engine also where the exact one could").default("\"auto\""),
        key("init", Table(&INIT), "How the weights start").example("{ kind = \"gaussian\", scale = 1.0 }")
            .otherwise("two linear layers without biases and with squared loss N(0, 1), all others as PyTorch does"),
    },
};

const DRAWN: &[&str] = &[
    "gaussian",
    "balanced",
    "he",
    "glorot",
    "orthogonal",
    "layers",
    "pytorch-default",
];

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
            "The law of the weights; he and glorot are Gaussian, pytorch-default uniform between +-1/sqrt(inputs)")
            .otherwise("as without init"),
        key("scale", Number(NonNegative), "Standard deviation of the Gaussian entries (that a balanced start is made of)")
            .default("1.0").of(&["gaussian", "balanced"], "the others have a size of their own"),
        key("smallest_singular_value", Number(Positive),
            "Replaces the smallest singular value of [W1; W2'] at the start, for a width of p + k or more")
            .example("1e-8").of(&["gaussian"], "the spectrum of the others is given otherwise").exact(),
        key("gain", Number(NonNegative), "Times orthonormal rows or columns").default("1.0")
            .of(&["orthogonal"], "it is every singular value of an orthogonal start"),
        key("weights", List(&Table(&LAW)), "A law for each layer").required("[{ gaussian = 0.5 }, { signs = 1.0 }]")
            .of(&["layers"], "it has a law for each layer"),
        key("biases", List(&Table(&LAW)), "A law for the biases of each layer").default("[]").otherwise("zero")
            .of(&["layers"], "it has a law for each layer"),
        key("path", Text, "A safetensors or NPZ file, from the folder of this one").required("\"start.safetensors\"")
            .of(&["file"], "the others are drawn, not read"),
        key("checksum", Text, "Written into the copy in the run folder; a run on other weights stops")
            .example("\"…\"").of(&["file"], "the others are drawn, not read"),
        key("each_trajectory", Flag, "Every trajectory draws its own start; else all share one").default("false")
            .of(DRAWN, "a file has one start for all trajectories"),
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
        key("label", Text, "What tables and figures call it; distinct from the others").example("\"with noise\"")
            .otherwise("the kind in words"),
        key("kind", Kind, "What one step is; the flows are there for two linear layers alone")
            .required("\"gradient-flow\""),
        key("step_size", Number(Positive), "eta; a flow sees it only through its noise").default("0.01"),
        key("label_noise", Number(NonNegative), "delta, the variance of the noise on the labels").default("0.0"),
        key("batch_size", Whole(1, LARGEST_EXACT), "b, rows of a mini-batch").default("1").of(
            &["stochastic-gradient-flow", "slow-flow", "sgd"],
            "the other dynamics use all rows at every step; a noise of kind \"mini-batch\" draws them"),
        key("integrator", Choice(INTEGRATORS), "lie-strang is of weak order 2; all but euler-maruyama meet the determinant law")
            .default("\"lie-euler\"").of(STOCHASTIC_FLOW,
            "gradient flow and slow flow are integrated adaptively and a descent is a map, with nothing to integrate").exact(),
        key("time_step", Either(&[Number(Positive), Choice(&["auto"])]),
            "Of the integrator, or \"auto\"; for gradient flow and slow flow only the grid of save times").example("0.01")
            .otherwise("step_size").of(FLOWS, "a descent takes steps of its step_size").exact(),
        key("label_noise_distribution", Choice(DISTRIBUTIONS), "Of the noise on the labels").default("\"gaussian\"")
            .of(&["label-noise-gradient-descent", "sgd"],
            "the noise of the stochastic flow is Brownian, that of the slow flow is averaged, and gradient flow and gradient descent have none"),
        key("sampling", Choice(SAMPLINGS), "How rows are drawn; epochs: a permutation a pass, sequential: in file order")
            .default("\"with-replacement\"").of(&["sgd"], "only it draws mini-batches"),
        key("momentum", Number(NonNegative), "mu in [0, 1): v <- mu v + g, w <- w - eta v").default("0.0")
            .of(DESCENTS, A_FLOW_FOLLOWS),
        key("nesterov", Flag, "Look ahead by one step of momentum").default("false").of(DESCENTS, A_FLOW_FOLLOWS),
        key("weight_decay", Number(NonNegative), "lambda: g <- g + lambda w, of biases too").default("0.0")
            .of(DESCENTS, A_FLOW_FOLLOWS),
        key("adam", Table(&ADAM), "Adam instead: steps of size eta by running means of the gradient and its square; {} has its usual settings")
            .example("{ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }").otherwise("the gradient is followed")
            .of(DESCENTS, A_FLOW_FOLLOWS).dense(),
        key("forces", Table(&FORCES),
            "How forces on the eigenvalues are split, and factors on them: what would have happened without one")
            .example("{ repulsion = 0.0 }").otherwise("all 1")
            .of(STOCHASTIC_FLOW, "the forces are those of its equation for the eigenvalues").exact(),
        key("brownian_substeps", Whole(1, 1 << 20),
            "Finer increments in each: 2 with time_step = 0.02 follows the path of 0.01, with common_noise")
            .default("1").of(STOCHASTIC_FLOW, "only it follows a Brownian path").exact(),
        key("schedule", Table(&SCHEDULE), "How the step size changes").example("{ kind = \"cosine\" }")
            .otherwise("constant").of(DESCENTS, "a flow has no steps that could change").dense(),
        key("noise", List(&Table(&NOISE)), "Any noise on top: [[dynamics.noise]], each kind at most once; of a flow label-flips")
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
        key("split", Choice(SPLITS), "What is called common growth or decay, and what repulsion").default("\"regular\""),
        key("gradient", Number(Any), "On the force of the gradient, -1000 to 1000").default("1.0"),
        key("own_noise", Number(Any), "On the noise of its own of each eigenvalue").default("1.0"),
        key("common_growth", Number(Any), "On the growth of the regular split").default("1.0"),
        key("common_decay", Number(Any), "On the decay of the antisymmetric split").default("1.0"),
        key("repulsion", Number(Any), "On the repulsion of eigenvalues by each other").default("1.0"),
    },
};

/// `adam` of one `[[dynamics]]`.
pub static ADAM: SectionKeys = SectionKeys {
    place: "dynamics.adam",
    path: "dynamics.0.adam",
    kinds: &[],
    keys: keys! {
        key("beta1", Number(NonNegative), "In [0, 1): how much of its mean of gradients a step keeps").default("0.9"),
        key("beta2", Number(NonNegative), "In [0, 1): how much of its mean of their squares").default("0.999"),
        key("epsilon", Number(Positive), "Added to the root of that mean").default("1e-8"),
    },
};

/// `dynamics.schedule`.
pub static SCHEDULE: SectionKeys = SectionKeys {
    place: "dynamics.schedule",
    path: "dynamics.0.schedule",
    kinds: &["constant", "piecewise", "cosine"],
    keys: keys! {
        key("kind", Kind, "Constant, multiplied by factors at given places, or half a cosine").required("\"cosine\""),
        key("warm_up", Whole(0, LARGEST_EXACT), "Steps over which it first rises").default("0"),
        key("steps", Either(&[Whole(1, LARGEST_EXACT), List(&Whole(0, LARGEST_EXACT))]),
            "Of piecewise: at which steps; of cosine: its length").example("1000").otherwise("of cosine the run")
            .of(&["piecewise", "cosine"], "a constant has no length"),
        key("shares", SIZES, "Instead of steps: at which shares of the run").example("[0.5, 0.8]")
            .of(&["piecewise"], "only it changes at given places"),
        key("factors", SIZES, "The step size from there on, as a share of the first").required("[0.3, 0.1]")
            .of(&["piecewise"], "only it changes at given places"),
        key("last", Number(NonNegative), "The share it falls to").default("0.0")
            .of(&["cosine"], "only it falls to an end"),
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
        key("kind", Kind, "label-noise and mini-batch are what label_noise and batch_size ask for").required("\"dropout\""),
        key("variance", Number(NonNegative), "Of every target or input at every step, or of the weights a gradient is taken at")
            .required("0.1").of(&["label-noise", "input-noise", "weight-noise"], "the others have another size"),
        key("distribution", Choice(DISTRIBUTIONS), "Of the noise on the labels").default("\"gaussian\"")
            .of(&["label-noise"], "the others have one law"),
        key("probability", Number(NonNegative), "That a class turns into another, or that a hidden unit is left out")
            .example("0.1").of(&["label-flips", "dropout"], "the others happen at every step"),
        key("matrix", List(&SIZES), "Instead of probability: row c says into what class c turns")
            .example("[[0.9, 0.1], [0.0, 1.0]]").of(&["label-flips"], "only classes flip"),
        key("batch_size", Whole(1, 1 << 31), "Rows of a mini-batch").default("1").of(&["mini-batch"], "only it draws rows"),
        key("sampling", Choice(SAMPLINGS), "How they are drawn").default("\"with-replacement\"")
            .of(&["mini-batch"], "only it draws rows"),
        key("temperature", Number(NonNegative), "T: sqrt(2T/eta) N(0, I) on the gradient, Langevin's equation")
            .required("1e-4").of(&["gradient-noise"], "it is that of Langevin's equation"),
        key("from", Number(NonNegative), "The time at which it is switched on; moved to the nearest step").default("0.0").dense(),
        key("until", Number(Positive), "The time at which it is switched off").example("50.0").otherwise("the end").dense(),
    },
};

/// `[run]`.
pub static RUN: SectionKeys = SectionKeys {
    place: "[run]",
    path: "run",
    kinds: &[],
    keys: keys! {
        key("seed", Whole(0, u64::MAX), "All that is drawn depends on it; results do not depend on threads").default("1"),
        key("time", Number(Positive), "The end of the time axis, t = step size x step, with constant step sizes")
            .example("100.0").otherwise("one of time, steps and epochs says it"),
        key("steps", Whole(1, LARGEST_EXACT), "Instead of time: so many steps of each dynamics").example("1000"),
        key("epochs", Whole(1, LARGEST_EXACT), "Instead of either: passes through the training rows; a step of all rows is one")
            .example("10"),
        key("trajectories", Whole(1, 1_000_000_000), "Of each dynamics; equal ones are run once").default("1"),
        key("save", Table(&SAVE), "When to save, besides t = 0").example("{ points = 200, spacing = \"linear\" }")
            .otherwise("200 linear points"),
        key("rank_tolerance", Number(Share), "Numerical rank counts singular values above this share of the largest").default("1e-3"),
        key("keep_trajectories", Flag, "Also write every trajectory, to trajectories.parquet").default("false"),
        key("save_weights", Table(&SAVE_WEIGHTS), "Also write the weights at chosen times of chosen trajectories, to weights/")
            .example("{ times = [0.0, 10.0], trajectories = [0] }").otherwise("those of trajectory 0 at the end").dense(),
        key("common_noise", Flag, "All dynamics see the same noise").default("false"),
        key("reductions", Flag, "false: full width and original basis in plain doubles, slower, for comparison")
            .default("true").exact(),
        key("force_balance", Either(&[Flag, Table(&FORCE_BALANCE)]),
            "What each force added to each log eigenvalue along stochastic gradient flows").default("false").exact(),
        key("account", Either(&[Flag, Choice(ACCOUNTS), Table(&ACCOUNT)]),
            "Where the log det of each descent without momentum goes: on a grid, or \"exact\", at every step")
            .default("true").exact(),
        key("measure", Table(&MEASURE), "What is measured besides").example("{ probe_rows = 100, jacobian = true }")
            .dense(),
    },
};

/// `run.save`.
pub static SAVE: SectionKeys = SectionKeys {
    place: "run.save",
    path: "run.save",
    kinds: &[],
    keys: keys! {
        key("points", Whole(1, 1_000_000), "How many; each is moved to the nearest step").default("200"),
        key("spacing", Choice(SPACINGS), "\"log\": from the longest step to the end").default("\"linear\""),
    },
};

/// `run.save_weights`.
pub static SAVE_WEIGHTS: SectionKeys = SectionKeys {
    place: "run.save_weights",
    path: "run.save_weights",
    kinds: &[],
    keys: keys! {
        key("times", SIZES, "When, by the time axis; each is moved to the nearest step").required("[0.0, 10.0]"),
        key("trajectories", List(&Whole(0, 1_000_000_000)), "Whose, from 0").default("[0]"),
    },
};

/// `run.force_balance` when it is a table.
pub static FORCE_BALANCE: SectionKeys = SectionKeys {
    place: "run.force_balance",
    path: "run.force_balance",
    kinds: &[],
    keys: keys! {
        key("stride", Whole(1, u64::MAX), "Steps between two points of its grid").example("10")
            .otherwise("such that there are 10,000"),
    },
};

/// `run.account` when it is a table.
pub static ACCOUNT: SectionKeys = SectionKeys {
    place: "run.account",
    path: "run.account",
    kinds: &[],
    keys: keys! {
        key("stride", Whole(1, u64::MAX), "Steps between two points of its grid, once the first 32 strides are over")
            .example("10").otherwise("64; more where points go through all rows of classes"),
    },
};

/// `run.measure`.
pub static MEASURE: SectionKeys = SectionKeys {
    place: "run.measure",
    path: "run.measure",
    kinds: &[],
    keys: keys! {
        key("losses_every", Whole(1, LARGEST_EXACT), "Losses and accuracies at every so many saves").default("1"),
        key("spectra_every", Whole(1, LARGEST_EXACT), "Everything else at every so many saves").default("1"),
        key("spectra", Choice(SPECTRA), "How singular values are taken").default("\"fast\""),
        key("probe_rows", Whole(0, LARGEST_EXACT), "Training rows, chosen by the seed, on which features and Jacobian are taken")
            .default("0"),
        key("jacobian", Flag, "Singular values of the outputs' derivatives by all parameters, on the probe rows").default("false"),
        key("jacobian_tolerance", Number(Share), "Of its numerical rank").default("1e-4"),
        key("neurons", Flag, "Sizes of hidden neurons, and how many vanished or are duplicates").default("false"),
        key("alignment", Flag, "Of linear layers with their linear teacher: leading singular subspaces").default("false"),
        key("sharpness", Flag, "Largest eigenvalue and trace of the Hessian of the training loss, on up to 512 rows").default("false"),
        key("trace_probes", Whole(1, 1 << 20), "Vectors of signs that the trace is estimated by; exact for as few parameters")
            .default("16"),
    },
};

/// `[sweep]`.
pub static SWEEP: SectionKeys = SectionKeys {
    place: "[sweep]",
    path: "sweep",
    kinds: &[],
    keys: keys! {
        key("over", AnyTable, "Keys as --set takes them, each with its values: a list, or \"log(1e-4,1e-1,16)\"")
            .example("{ \"dynamics.1.step_size\" = \"log(1e-3,1e-1,5)\" }").otherwise("--over says it"),
        key("design", Choice(DESIGNS), "Every combination of the values, or points drawn at random").default("\"grid\""),
        key("points", Whole(1, MOST_POINTS), "Random designs: how many points").example("200"),
        key("vary_seed", Flag, "Point i, counted from 0, has the seed run.seed + i").default("false"),
    },
};

/// All sections, in the order of the file.
pub static SECTIONS: [&SectionKeys; 19] = [
    &TOP,
    &DATA,
    &COVARIANCE,
    &TEACHER,
    &NETWORK,
    &INIT,
    &LAW,
    &DYNAMICS,
    &FORCES,
    &ADAM,
    &SCHEDULE,
    &NOISE,
    &RUN,
    &SAVE,
    &SAVE_WEIGHTS,
    &FORCE_BALANCE,
    &ACCOUNT,
    &MEASURE,
    &SWEEP,
];

/// The values of `design`.
pub const DESIGNS: &[&str] = &["grid", "random"];
/// The values of `integrator`, in the order of [`super::dynamics::INTEGRATORS`].
pub const INTEGRATORS: &[&str] = &[
    "lie-euler",
    "lie-euler-unsplit",
    "lie-strang",
    "euler-maruyama",
];
/// `forces.split`.
pub const SPLITS: &[&str] = &["regular", "antisymmetric"];
/// The values of `label_noise_distribution`.
pub const DISTRIBUTIONS: &[&str] = &["gaussian", "rademacher"];
/// The values of `sampling`.
pub const SAMPLINGS: &[&str] = &[
    "with-replacement",
    "without-replacement",
    "epochs",
    "sequential",
];
/// The values of `spacing`.
pub const SPACINGS: &[&str] = &["linear", "log"];
/// The values of `activation`, in the order of [`rankfall_nets::activation::Activation::ALL`].
pub const ACTIVATIONS: &[&str] = &["linear", "relu", "leaky-relu", "gelu", "tanh", "sigmoid"];
/// The values of `loss`, in the order of [`rankfall_nets::loss::Loss::ALL`].
pub const LOSSES: &[&str] = &["squared", "softmax-cross-entropy", "logistic"];
/// The values of `precision`.
pub const PRECISIONS: &[&str] = &["f64", "f32"];
/// The values of `engine`.
pub const ENGINES: &[&str] = &["auto", "dense"];
/// The values of `input_law`.
pub const INPUT_LAWS: &[&str] = &["gaussian", "sphere", "one-hot"];
/// The texts of `account`.
pub const ACCOUNTS: &[&str] = &["exact"];
/// The values of `spectra`.
pub const SPECTRA: &[&str] = &["fast", "exact"];
/// The values of `labels` for CIFAR.
pub const CIFAR_LABELS: &[&str] = &["ten", "coarse", "fine"];

impl SectionKeys {
    /// The names of the keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|k| k.name).collect()
    }

    /// The key of that name.
    pub fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

/// The places where a key of that name belongs, e.g. `[run]` for `seed`.
pub fn elsewhere(name: &str) -> Vec<&'static str> {
    let has = |s: &&&SectionKeys| s.find(name).is_some();
    SECTIONS.iter().filter(has).map(|s| s.place).collect()
}

/// The dotted paths, as `--set` takes them, at which files have a key of that name; none for a name of the
/// top level or of `[sweep]`.
pub fn settable(name: &str) -> Vec<String> {
    let is_set = |s: &&&SectionKeys| !["", SWEEP.path].contains(&s.path) && s.find(name).is_some();
    let path = |s: &&SectionKeys| format!("{}.{name}", s.path);
    SECTIONS.iter().filter(is_set).map(path).collect()
}

/// Whether a key of that name takes whole numbers, so that ranges of a sweep are rounded.
pub fn is_whole(name: &str) -> bool {
    let all = SECTIONS.iter().filter_map(|s| s.find(name));
    all.flat_map(|key| key.takes.alternatives())
        .any(|one| matches!(one, Whole(..) | List(Whole(..))))
}

/// Every key and every listed value, for checks that run over all of them.
pub fn every_name_and_value() -> impl Iterator<Item = &'static str> {
    let values = |key: &'static Key| {
        let all = key.takes.alternatives().iter();
        all.flat_map(|one| match one {
            Choice(values) => *values,
            _ => &[],
        })
    };
    SECTIONS.iter().flat_map(move |section| {
        let keys = section.keys.iter();
        let named = keys.flat_map(move |key| std::iter::once(key.name).chain(values(key).copied()));
        named.chain(section.kinds.iter().copied())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_key() -> impl Iterator<Item = (&'static SectionKeys, &'static Key)> {
        SECTIONS.iter().flat_map(|s| s.keys.iter().map(|k| (*s, k)))
    }

    #[test]
    fn keys_apply_only_to_kinds_that_exist_and_say_why() {
        for (section, key) in every_key() {
            for kind in key.kinds {
                assert!(section.kinds.contains(kind), "{} {kind}", key.name);
            }
            assert_eq!(key.kinds.is_empty(), key.why.is_empty(), "{}", key.name);
            assert!(
                key.about.is_ascii() && !key.about.ends_with('.'),
                "{}",
                key.about
            );
        }
    }

    #[test]
    fn every_value_that_is_shown_is_toml() {
        for (_, key) in every_key().filter(|(s, _)| !s.path.is_empty()) {
            let shown = if key.default.is_empty() {
                key.shown()
            } else {
                key.default
            };
            if !shown.is_empty() {
                let read = toml::from_str::<toml::Table>(&format!("x = {shown}"));
                assert!(read.is_ok(), "{}: {shown}", key.name);
            }
        }
    }

    #[test]
    fn a_key_has_the_path_that_set_takes() {
        assert_eq!(settable("seed"), ["run.seed"]);
        assert_eq!(settable("step_size"), ["dynamics.0.step_size"]);
        assert_eq!(settable("temperature"), ["dynamics.0.noise.0.temperature"]);
        assert!(settable("nonsense").is_empty());
    }

    #[test]
    fn a_key_is_found_where_it_belongs() {
        assert_eq!(elsewhere("seed"), ["[run]"]);
        assert_eq!(elsewhere("each_trajectory"), ["[data]", "network.init"]);
        assert!(elsewhere("nonsense").is_empty());
    }

    #[test]
    fn whole_numbers_are_known() {
        for name in [
            "width",
            "layers",
            "samples",
            "batch_size",
            "steps",
            "stride",
        ] {
            assert!(is_whole(name), "{name}");
        }
        for name in ["step_size", "time", "scale", "nonsense"] {
            assert!(!is_whole(name), "{name}");
        }
    }
}

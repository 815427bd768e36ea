//! The keys of `[data]`.

use super::key::Bound::{Any, NonNegative, Share};
use super::key::ValueType::{Choice, Either, Flag, Kind, List, Number, Table, Text, Whole};
use super::key::{MOST_ROWS, SIZES, SectionKeys, ValueType, key, keys};
use super::network::{ACTIVATIONS, INIT, WIDTHS};

const NUMBERS: ValueType = List(&Number(Any));
const ROWS: ValueType = List(&Either(&[Number(Any), NUMBERS]));
const PATHS: ValueType = List(&Text);
const COLUMN: ValueType = Either(&[Text, Whole(0, u32::MAX as u64)]);
const COLUMNS: ValueType = Either(&[Text, Whole(0, u32::MAX as u64), List(&COLUMN)]);

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
        key("kind", Kind,
            "Drawn with a linear teacher or by a teacher network, written here, or read")
            .required("\"gaussian\""),
        key("samples", Whole(1, 1_000_000_000_000), "n, the number of rows to train on")
            .required("1000").of(&["gaussian", "teacher"], COUNTED),
        key("inputs", Either(&[Whole(1, 100_000), Text, List(&COLUMN)]),
            "p, the number of inputs; of a table the input columns, by name or by position from 0")
            .example("5").otherwise("of a table all that are neither targets nor an index")
            .of(&["gaussian", "file"], "the others have all their inputs in them"),
        key("outputs", Whole(1, 100_000), "k, the number of outputs")
            .required("2").of(&["gaussian"], COUNTED),
        key("teacher_rank", Whole(0, 100_000), "The teacher has this rank, 0 to min(p, k)")
            .example("1").otherwise("entries N(0, 1)").of(&["gaussian"], LINEAR),
        key("teacher_singular_values", SIZES,
            "Singular values of the teacher, 1 to min(p, k) of them; the others are zero")
            .example("[3.0, 1.0]").of(&["gaussian"], LINEAR),
        key("covariance", Either(&[Choice(&["identity"]), Table(&COVARIANCE)]),
            "Of the inputs: \"identity\", { power_law = 1.0 } or { matrix = [[1.0, 0.5], [0.5, \
            1.0]] }")
            .default("\"identity\"").of(&["gaussian"], LINEAR),
        key("residual_noise", Number(NonNegative), "Standard deviation of the Gaussian residuals")
            .default("0.0")
            .of(&["gaussian", "teacher"], "only drawn data have residuals that can be chosen"),
        key("input_law", Choice(&["gaussian", "sphere", "one-hot"]),
            "N(0, I), uniform on the unit sphere, or row i is the unit vector of input i mod p")
            .default("\"gaussian\"").of(&["teacher"], "it is the law of a network teacher's inputs")
            .dense(),
        key("teacher", Table(&TEACHER), "The network that says what the targets are")
            .required(
                "{ layers = [2, 3, 1], activation = \"relu\", init = { kind = \"gaussian\" } }")
            .of(&["teacher"], "it is a network").dense(),
        key("classes", Flag, "The label is the class of the largest output: classification")
            .default("false").of(&["gaussian"], "the others have the targets they have"),
        key("observed", Number(Share),
            "The share of the training targets that are observed; the squared loss leaves the \
            others out")
            .example("0.3").otherwise("all")
            .of(&["teacher"], "only drawn targets can be drawn as not observed").dense(),
        key("each_trajectory", Flag, "Every trajectory draws its own data and teacher")
            .default("false").of(&["gaussian", "teacher"], "only drawn data can be drawn again"),
        key("x", ROWS, "The inputs, a list of rows; a row of one number needs no brackets")
            .required("[[0.0, 1.0], [1.0, 0.0]]").of(&["rows"], WRITTEN).dense(),
        key("y", ROWS, "The targets, as many rows")
            .required("[[1.0], [0.0]]").of(&["rows"], WRITTEN).dense(),
        key("path", Text,
            "The file, from the folder of this one: CSV, NPY, NPZ or Parquet; of Gram matrices NPZ \
            with sxx, sxy, syy, n")
            .required("\"table.csv\"")
            .of(&["file", "gram"], "the others are drawn, written out, or more than one file"),
        key("targets", COLUMNS, "Target columns, one or a list, by name or by position from 0")
            .example("[\"target\"]").otherwise("targets_array says it").of(&["file"], TABLE),
        key("header", Flag, "Text files: whether the first line names the columns")
            .example("true").otherwise("found out").of(&["file"], TABLE),
        key("delimiter", Text, "Text files: what stands between columns, one ASCII character")
            .example("\";\"").otherwise("found out").of(&["file"], TABLE),
        key("one_hot", Flag, "The target is a class, and becomes one indicator column per class")
            .default("false").of(&["file"], "only a table has to say that its target is a class"),
        key("standardize", Flag, "Centre and scale the inputs, and centre targets that are values")
            .default("false").of(READ, "the others are what they were made to be"),
        key("standardize_targets", Flag,
            "Scale the targets too; losses stay in the units of the table")
            .default("false")
            .of(&["file", "bundled"], "the others have classes, or are what they were made to be"),
        key("inputs_array", Text, "NPZ files: the array that holds the inputs")
            .example("\"x\"").of(&["file"], ARRAY),
        key("targets_array", Text, "NPZ files: the array that holds the targets")
            .example("\"y\"").of(&["file"], ARRAY),
        key("dataset", Choice(&["digits", "linnerud", "mnist", "fashion-mnist"]),
            "Which; rankfall data lists them")
            .example("\"digits\"").of(&["bundled", "idx"], "it names a data set that is known")
            .dense(),
        key("folder", Text,
            "Instead of dataset: a folder with the four files of MNIST, gzipped or not")
            .example("\"mnist\"").of(&["idx"], "it holds the four files of MNIST").dense(),
        key("images", Text, "Instead of either: the file of images to train on")
            .example("\"images.gz\"").of(&["idx"], IMAGES).dense(),
        key("labels", Either(&[Choice(&["ten", "coarse", "fine"]), Text]),
            "The file of their labels; of CIFAR \"ten\", \"coarse\" (20 classes) or \"fine\" (100)")
            .example("\"ten\"").otherwise("of CIFAR \"ten\"")
            .of(&["idx", "cifar"], "it is about the labels of images").dense(),
        key("test_images", Text, "The file of images held out")
            .example("\"test-images.gz\"").of(&["idx"], IMAGES).dense(),
        key("test_labels", Text, "The file of their labels")
            .example("\"test-labels.gz\"").of(&["idx"], IMAGES).dense(),
        key("files", PATHS, "The files to train on")
            .required("[\"data_batch_1.bin\"]").of(&["cifar"], IMAGES).dense(),
        key("test_files", PATHS, "The files held out").default("[]").of(&["cifar"], IMAGES).dense(),
        key("train_rows", Whole(1, MOST_ROWS), "Only so many of the first images to train on")
            .example("1000").otherwise("all")
            .of(&["idx", "cifar"], "the others have no more rows than asked for").dense(),
        key("test_rows", Whole(1, MOST_ROWS), "Only so many of the first images held out")
            .example("1000").otherwise("all")
            .of(&["idx", "cifar"], "the others say how many with held_out").dense(),
        key("held_out", Whole(0, MOST_ROWS),
            "Rows held out: drawn after the others, or chosen from a table by the seed")
            .default("0")
            .of(&["gaussian", "teacher", "file", "bundled"],
                "image sets have a test part of their own, and the others have none").dense(),
        key("test_path", Text, "Instead of held_out: a table held out, with the same columns")
            .example("\"test.csv\"").of(&["file"], "only a table is one file").dense(),
        key("checksum", Text, "Written into the copy in the run folder; a run on other data stops")
            .example("\"…\"")
            .of(&["file", "gram", "bundled", "idx", "cifar"],
                "the others are drawn or written out, not read"),
    },
};

/// `data.covariance` when it is a table.
pub static COVARIANCE: SectionKeys = SectionKeys {
    place: "data.covariance",
    path: "data.covariance",
    kinds: &[],
    keys: keys! {
        key("power_law", Number(NonNegative),
            "Diagonal, the variance j^(-a) for input j = 1, ..., p")
            .example("1.0"),
        key("matrix", List(&NUMBERS), "Symmetric and positive semidefinite, p x p")
            .example("[[1.0, 0.5], [0.5, 1.0]]"),
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
        key("unit_norm", Flag,
            "Scale the incoming weights of each unit of its first layer to norm 1")
            .default("false"),
        key("relevant_inputs", Whole(1, u32::MAX as u64),
            "How many of the first inputs matter to it")
            .example("1").otherwise("all"),
    },
};

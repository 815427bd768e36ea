//! The keys of `[run]`.

use super::key::Bound::{Positive, Share};
use super::key::ValueType::{Choice, Either, Flag, List, Number, Table, Whole};
use super::key::{LARGEST_EXACT, SIZES, SectionKeys, key, keys};

/// `[run]`.
pub static RUN: SectionKeys = SectionKeys {
    place: "[run]",
    path: "run",
    kinds: &[],
    keys: keys! {
        key("seed", Whole(0, u64::MAX),
            "All that is drawn depends on it; results do not depend on threads")
            .default("1"),
        key("time", Number(Positive),
            "The end of the time axis, t = step size x step, with constant step sizes")
            .example("100.0").otherwise("one of time, steps and epochs says it"),
        key("steps", Whole(1, LARGEST_EXACT), "Instead of time: so many steps of each dynamics")
            .example("1000"),
        key("epochs", Whole(1, LARGEST_EXACT),
            "Instead of either: passes through the training rows; a step of all rows is one")
            .example("10"),
        key("trajectories", Whole(1, 1_000_000_000), "Of each dynamics; equal ones are run once")
            .default("1"),
        key("save", Table(&SAVE), "When to save, besides t = 0")
            .example("{ points = 200, spacing = \"linear\" }").otherwise("200 linear points"),
        key("rank_tolerance", Number(Share),
            "Numerical rank counts singular values above this share of the largest")
            .default("1e-3"),
        key("keep_trajectories", Flag, "Also write every trajectory, to trajectories.parquet")
            .default("false"),
        key("save_weights", Table(&SAVE_WEIGHTS),
            "Also write the weights at chosen times of chosen trajectories, to weights/")
            .example("{ times = [0.0, 10.0], trajectories = [0] }")
            .otherwise("those of trajectory 0 at the end").dense(),
        key("common_noise", Flag, "All dynamics see the same noise").default("false"),
        key("reductions", Flag,
            "false: full width and original basis in plain doubles, slower, for comparison")
            .default("true").exact(),
        key("force_balance", Either(&[Flag, Table(&FORCE_BALANCE)]),
            "What each force added to each log eigenvalue along stochastic gradient flows")
            .default("false").exact(),
        key("account", Either(&[Flag, Choice(&["exact"]), Table(&ACCOUNT)]),
            "Where the log det of each descent without momentum goes: on a grid, or \"exact\", at \
            every step")
            .default("true").exact(),
        key("measure", Table(&MEASURE), "What is measured besides")
            .example("{ probe_rows = 100, jacobian = true }").dense(),
    },
};

/// `run.save`.
pub static SAVE: SectionKeys = SectionKeys {
    place: "run.save",
    path: "run.save",
    kinds: &[],
    keys: keys! {
        key("points", Whole(1, 1_000_000), "How many; each is moved to the nearest step")
            .default("200"),
        key("spacing", Choice(&["linear", "log"]), "\"log\": from the longest step to the end")
            .default("\"linear\""),
    },
};

/// `run.save_weights`.
pub static SAVE_WEIGHTS: SectionKeys = SectionKeys {
    place: "run.save_weights",
    path: "run.save_weights",
    kinds: &[],
    keys: keys! {
        key("times", SIZES, "When, by the time axis; each is moved to the nearest step")
            .required("[0.0, 10.0]"),
        key("trajectories", List(&Whole(0, 1_000_000_000)), "Whose, from 0").default("[0]"),
    },
};

/// `run.force_balance` when it is a table.
pub static FORCE_BALANCE: SectionKeys = SectionKeys {
    place: "run.force_balance",
    path: "run.force_balance",
    kinds: &[],
    keys: keys! {
        key("stride", Whole(1, u64::MAX), "Steps between two points of its grid")
            .example("10").otherwise("such that there are 10,000"),
    },
};

/// `run.account` when it is a table.
pub static ACCOUNT: SectionKeys = SectionKeys {
    place: "run.account",
    path: "run.account",
    kinds: &[],
    keys: keys! {
        key("stride", Whole(1, u64::MAX),
            "Steps between two points of its grid, once the first 32 strides are over")
            .example("10").otherwise("64; more where points go through all rows of classes"),
    },
};

/// `run.measure`.
pub static MEASURE: SectionKeys = SectionKeys {
    place: "run.measure",
    path: "run.measure",
    kinds: &[],
    keys: keys! {
        key("losses_every", Whole(1, LARGEST_EXACT), "Losses and accuracies at every so many saves")
            .default("1"),
        key("spectra_every", Whole(1, LARGEST_EXACT), "Everything else at every so many saves")
            .default("1"),
        key("spectra", Choice(&["fast", "exact"]), "How singular values are taken")
            .default("\"fast\""),
        key("probe_rows", Whole(0, LARGEST_EXACT),
            "Training rows, chosen by the seed, on which features and Jacobian are taken")
            .default("0"),
        key("jacobian", Flag,
            "Singular values of the outputs' derivatives by all parameters, on the probe rows")
            .default("false"),
        key("jacobian_tolerance", Number(Share), "Of its numerical rank").default("1e-4"),
        key("neurons", Flag, "Sizes of hidden neurons, and how many vanished or are duplicates")
            .default("false"),
        key("alignment", Flag,
            "Of linear layers with their linear teacher: leading singular subspaces")
            .default("false"),
        key("sharpness", Flag,
            "Largest eigenvalue and trace of the Hessian of the training loss, on up to 512 rows")
            .default("false"),
        key("trace_probes", Whole(1, 1 << 20),
            "Vectors of signs that the trace is estimated by; exact for as few parameters")
            .default("16"),
    },
};

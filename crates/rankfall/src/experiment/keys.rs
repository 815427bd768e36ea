//! Every key an experiment file may have, where it belongs, and to which kinds it applies.

use super::layered::keys as layered;

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The kinds it applies to; empty for all.
    pub kinds: &'static [&'static str],
    /// Why it applies to no other kind; empty where there is nothing to say.
    pub why: &'static str,
}

/// One section of the file with its keys, and its kinds if it has a `kind`.
#[derive(Debug)]
pub struct SectionKeys {
    /// How messages name the place, e.g. `[run]`.
    pub place: &'static str,
    /// The keys.
    pub keys: &'static [Key],
    /// The values of its `kind` key; empty where it has none.
    pub kinds: &'static [&'static str],
    /// For which networks it is.
    pub family: Family,
}

/// The two ways to give a network, each with sections of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// By `network.width`: two linear layers in the exact engine.
    Width,
    /// By `network.layers`: any network.
    Layers,
}

impl Family {
    /// The key that makes a file one of it.
    pub fn key(self) -> &'static str {
        match self {
            Family::Width => "network.width",
            Family::Layers => "network.layers",
        }
    }
}

/// A key of every kind.
pub(super) const fn key(name: &'static str) -> Key {
    of(name, &[], "")
}

/// A key of some kinds, and why of no others.
pub(super) const fn of(
    name: &'static str,
    kinds: &'static [&'static str],
    why: &'static str,
) -> Key {
    Key { name, kinds, why }
}

/// The top level of the file.
pub const TOP: SectionKeys = SectionKeys {
    place: "the top level of the file",
    family: Family::Width,
    kinds: &[],
    keys: &[
        key("name"),
        key("data"),
        key("network"),
        key("dynamics"),
        key("run"),
        key("sweep"),
    ],
};

/// `[sweep]`.
pub const SWEEP: SectionKeys = SectionKeys {
    place: "[sweep]",
    family: Family::Width,
    kinds: &[],
    keys: &[key("over"), key("design"), key("points"), key("vary_seed")],
};

/// `[data]`.
pub const DATA: SectionKeys = SectionKeys {
    place: "[data]",
    family: Family::Width,
    kinds: &["gaussian", "file", "gram"],
    keys: &[
        key("kind"),
        of("samples", &["gaussian"], COUNTED),
        of(
            "inputs",
            &["gaussian", "file"],
            "a Gram matrix has all its inputs in it",
        ),
        of("outputs", &["gaussian"], COUNTED),
        of("teacher_rank", &["gaussian"], TEACHER),
        of("teacher_singular_values", &["gaussian"], TEACHER),
        of("covariance", &["gaussian"], TEACHER),
        of("residual_noise", &["gaussian"], TEACHER),
        of(
            "each_trajectory",
            &["gaussian"],
            "only drawn data can be drawn again",
        ),
        of(
            "path",
            &["file", "gram"],
            "Gaussian data are drawn, not read",
        ),
        of("targets", &["file"], "only a table has columns"),
        of("header", &["file"], "only a table has a header"),
        of("delimiter", &["file"], "only a table has one"),
        of("one_hot", &["file"], "only a table has class labels"),
        of("standardize", &["file"], "only a table can be standardised"),
        of(
            "standardize_targets",
            &["file"],
            "only a table can be standardised",
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
            "checksum",
            &["file", "gram"],
            "Gaussian data are drawn, not read",
        ),
    ],
};

const COUNTED: &str = "files say themselves how many there are";
const TEACHER: &str = "only drawn data have a teacher and a law";

/// `[network]`.
pub const NETWORK: SectionKeys = SectionKeys {
    place: "[network]",
    family: Family::Width,
    kinds: &[],
    keys: &[key("width"), key("init")],
};

/// `network.init`.
pub const INIT: SectionKeys = SectionKeys {
    place: "network.init",
    family: Family::Width,
    kinds: &["gaussian", "balanced", "file"],
    keys: &[
        key("kind"),
        of(
            "scale",
            &["gaussian", "balanced"],
            "a file has the weights as they are",
        ),
        of(
            "smallest_singular_value",
            &["gaussian"],
            "the spectrum of the others is given otherwise",
        ),
        of(
            "each_trajectory",
            &["gaussian", "balanced"],
            "a file has one start for all trajectories",
        ),
        of("path", &["file"], "the others are drawn, not read"),
        of("checksum", &["file"], "the others are drawn, not read"),
    ],
};

/// One `[[dynamics]]`.
pub const DYNAMICS: SectionKeys = SectionKeys {
    place: "[[dynamics]]",
    family: Family::Width,
    kinds: &[
        "gradient-flow",
        "stochastic-gradient-flow",
        "gradient-descent",
        "label-noise-gradient-descent",
        "sgd",
    ],
    keys: &[
        key("label"),
        key("kind"),
        key("step_size"),
        key("label_noise"),
        of(
            "batch_size",
            &["stochastic-gradient-flow", "sgd"],
            "the other dynamics use all rows at every step",
        ),
        of(
            "integrator",
            &["stochastic-gradient-flow"],
            "gradient flow is integrated adaptively and a descent is a map, with nothing to integrate",
        ),
        of(
            "time_step",
            &["gradient-flow", "stochastic-gradient-flow"],
            "a descent takes steps of its step_size",
        ),
        of(
            "label_noise_distribution",
            &["label-noise-gradient-descent", "sgd"],
            "the noise of the stochastic flow is Brownian, and gradient flow and gradient descent have none",
        ),
        of("sampling", &["sgd"], "only it draws mini-batches"),
        of("momentum", DESCENTS, A_FLOW_FOLLOWS),
        of("nesterov", DESCENTS, A_FLOW_FOLLOWS),
        of("weight_decay", DESCENTS, A_FLOW_FOLLOWS),
        of("forces", &["stochastic-gradient-flow"], ONLY_ITS_FORCES),
        of(
            "brownian_substeps",
            &["stochastic-gradient-flow"],
            "only it follows a Brownian path",
        ),
    ],
};

const DESCENTS: &[&str] = &["gradient-descent", "label-noise-gradient-descent", "sgd"];

const A_FLOW_FOLLOWS: &str = "a flow follows its gradient as it is";

const ONLY_ITS_FORCES: &str = "the forces are those of its equation for the eigenvalues";

/// `forces` of one `[[dynamics]]`.
pub const FORCES: SectionKeys = SectionKeys {
    place: "dynamics.forces",
    family: Family::Width,
    kinds: &[],
    keys: &[
        key("gradient"),
        key("own_noise"),
        key("common_growth"),
        key("repulsion"),
    ],
};

/// `run.force_balance` when it is a table.
pub const FORCE_BALANCE: SectionKeys = SectionKeys {
    place: "run.force_balance",
    family: Family::Width,
    kinds: &[],
    keys: &[key("stride")],
};

/// `[run]`.
pub const RUN: SectionKeys = SectionKeys {
    place: "[run]",
    family: Family::Width,
    kinds: &[],
    keys: &[
        key("seed"),
        key("time"),
        key("trajectories"),
        key("save"),
        key("rank_tolerance"),
        key("keep_trajectories"),
        key("common_noise"),
        key("reductions"),
        key("force_balance"),
    ],
};

/// `run.save`.
pub const SAVE: SectionKeys = SectionKeys {
    place: "run.save",
    family: Family::Width,
    kinds: &[],
    keys: &[key("points"), key("spacing")],
};

/// `data.covariance` when it is a table.
pub const COVARIANCE: SectionKeys = SectionKeys {
    place: "data.covariance",
    family: Family::Width,
    kinds: &[],
    keys: &[key("power_law"), key("matrix")],
};

/// All sections, in the order of the file.
pub const SECTIONS: &[&SectionKeys] = &[
    &TOP,
    &DATA,
    &COVARIANCE,
    &NETWORK,
    &INIT,
    &DYNAMICS,
    &FORCES,
    &RUN,
    &FORCE_BALANCE,
    &SAVE,
    &SWEEP,
];

/// Keys that take whole numbers, for ranges of a sweep.
pub const WHOLE_NUMBERS: &[&str] = &[
    "samples",
    "inputs",
    "outputs",
    "teacher_rank",
    "width",
    "batch_size",
    "brownian_substeps",
    "seed",
    "trajectories",
    "points",
    "stride",
];

/// The values of `design`.
pub const DESIGNS: &[&str] = &["grid", "random"];
/// The values of `integrator`.
pub const INTEGRATORS: &[&str] = &[
    "lie-euler",
    "euler-maruyama",
    "lie-euler-unsplit",
    "lie-strang",
];
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

impl SectionKeys {
    /// The names of the keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|k| k.name).collect()
    }

    /// The dotted path of the section, as `--set` takes it, with 0 for the position in lists; empty
    /// for the top level.
    fn path(&self) -> String {
        let name = self.place.trim_matches(['[', ']']);
        if name.contains(' ') {
            return String::new();
        }
        match name.strip_prefix("dynamics") {
            Some(".noise") => "dynamics.0.noise.0".to_owned(),
            Some(rest) => format!("dynamics.0{rest}"),
            None => name.to_owned(),
        }
    }

    /// The key of that name.
    pub fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

/// The other places where a key of that name belongs in files of a family, e.g. `[run]` for `seed`.
pub fn elsewhere(name: &str, family: Family) -> Vec<&'static str> {
    every_section()
        .filter(|s| s.family == family && s.find(name).is_some())
        .map(|s| s.place)
        .collect()
}

/// The dotted paths, as `--set` takes them, at which files have a key of that name, and whether only
/// networks given by their layers have it; empty for a name of the top level or of `[sweep]`.
pub fn settable(name: &str) -> (Vec<String>, bool) {
    let paths = |family: Family| -> Vec<String> {
        let holds = |s: &&&SectionKeys| s.family == family && s.find(name).is_some();
        let all = [SECTIONS, layered::SECTIONS].into_iter().flatten();
        let all = all.filter(|s| s.place != SWEEP.place);
        let dotted =
            |s: &&SectionKeys| (!s.path().is_empty()).then(|| format!("{}.{name}", s.path()));
        all.filter(holds).filter_map(dotted).collect()
    };
    match paths(Family::Width) {
        none if none.is_empty() => (paths(Family::Layers), true),
        some => (some, false),
    }
}

/// Whether files of the other family have a key of that name.
pub fn other_family(name: &str, family: Family) -> Option<Family> {
    let other = match family {
        Family::Width => Family::Layers,
        Family::Layers => Family::Width,
    };
    (!elsewhere(name, other).is_empty()).then_some(other)
}

fn every_section() -> impl Iterator<Item = &'static SectionKeys> {
    let all = [SECTIONS, layered::SECTIONS];
    all.into_iter().flatten().copied()
}

/// Every key and every listed value, for checks that run over all of them.
pub fn every_name_and_value() -> impl Iterator<Item = &'static str> {
    let named = every_section().flat_map(|s| s.names().into_iter().chain(s.kinds.iter().copied()));
    let values = [INTEGRATORS, DISTRIBUTIONS, SAMPLINGS, SPACINGS, DESIGNS];
    let values = values.into_iter().chain(layered::VALUES.iter().copied());
    named.chain(values.flatten().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_apply_only_to_kinds_that_exist() {
        for section in every_section() {
            for key in section.keys {
                for kind in key.kinds {
                    assert!(section.kinds.contains(kind), "{} {kind}", key.name);
                }
            }
        }
    }

    #[test]
    fn a_key_has_the_path_that_set_takes() {
        assert_eq!(settable("seed"), (vec!["run.seed".to_owned()], false));
        let of_one = vec!["dynamics.0.step_size".to_owned()];
        assert_eq!(settable("step_size"), (of_one, false));
        let (paths, only_layers) = settable("temperature");
        assert_eq!(
            (&paths[..], only_layers),
            (&["dynamics.0.noise.0.temperature".to_owned()][..], true)
        );
        assert!(settable("nonsense").0.is_empty());
    }

    #[test]
    fn a_key_is_found_where_it_belongs() {
        assert_eq!(elsewhere("seed", Family::Width), ["[run]"]);
        assert_eq!(
            elsewhere("each_trajectory", Family::Width),
            ["[data]", "network.init"]
        );
        assert!(elsewhere("nonsense", Family::Width).is_empty());
        assert_eq!(
            other_family("schedule", Family::Width),
            Some(Family::Layers)
        );
        assert_eq!(
            other_family("integrator", Family::Layers),
            Some(Family::Width)
        );
        assert_eq!(other_family("nonsense", Family::Layers), None);
    }
}

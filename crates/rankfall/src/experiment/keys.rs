//! Every key an experiment file may have: what it takes, its default, what it is about, and to
//! which kinds it applies. Readers, messages, the JSON Schema, the tables of the documentation and
//! the files that `rankfall new` prints are all made of this.

mod data;
mod dynamics;
mod key;
mod network;
mod run;

pub use dynamics::DYNAMICS;
pub use key::{Bound, Key, LARGEST_EXACT, MOST_ROWS, SectionKeys, ValueType};

use data::{COVARIANCE, DATA, TEACHER};
use dynamics::{ADAM, FORCES, NOISE, SCHEDULE};
use key::ValueType::{AnyTable, Choice, Flag, List, Table, Text, Whole};
use key::{key, keys};
use network::{INIT, LAW, NETWORK};
use run::{ACCOUNT, FORCE_BALANCE, MEASURE, RUN, SAVE, SAVE_WEIGHTS};

/// The top level of the file.
pub static TOP: SectionKeys = SectionKeys {
    place: "the top level of the file",
    path: "",
    kinds: &[],
    keys: keys! {
        key("name", Text, "A label for tables, figures and the folder runs/NAME; not a path")
            .required("\"two-layer\""),
        key("data", Table(&DATA), "What there is to learn from")
            .required("{ kind = \"gaussian\", samples = 1000, inputs = 5, outputs = 2 }"),
        key("network", Table(&NETWORK), "What learns it, and how its weights start")
            .required("{ width = 10 }"),
        key("dynamics", List(&Table(&DYNAMICS)),
            "What moves the weights: [[dynamics]], once for each")
            .required("[{ kind = \"gradient-flow\" }]"),
        key("run", Table(&RUN), "How long, how often, and what is measured")
            .required("{ time = 100.0 }"),
        key("sweep", Table(&SWEEP), "Makes the file many runs, for `rankfall sweep`"),
    },
};

/// Most points of one sweep.
pub const MOST_POINTS: u64 = 100_000;

/// `[sweep]`.
pub static SWEEP: SectionKeys = SectionKeys {
    place: "[sweep]",
    path: "sweep",
    kinds: &[],
    keys: keys! {
        key("over", AnyTable,
            "Keys as --set takes them, each with its values: a list, or \"log(1e-4,1e-1,16)\"")
            .example("{ \"dynamics.1.step_size\" = \"log(1e-3,1e-1,5)\" }")
            .otherwise("--over says it"),
        key("design", Choice(&["grid", "random"]),
            "Every combination of the values, or points drawn at random")
            .default("\"grid\""),
        key("points", Whole(1, MOST_POINTS), "Random designs: how many points").example("200"),
        key("vary_seed", Flag, "Point i, counted from 0, has the seed run.seed + i")
            .default("false"),
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

/// The places where a key of that name belongs, e.g. `[run]` for `seed`.
pub fn elsewhere(name: &str) -> Vec<&'static str> {
    let has = |s: &&&SectionKeys| s.find(name).is_some();
    SECTIONS.iter().filter(has).map(|s| s.place).collect()
}

/// The dotted paths, as `--set` takes them, at which files have a key of that name; none for a name
/// of the top level or of `[sweep]`.
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

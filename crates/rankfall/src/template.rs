//! The commented experiment file that `rankfall new` prints: a short one, with what the table of
//! keys says of each key beside it, and the other keys that would do there.

use crate::experiment::document::{self, TomlNode, Value};
use crate::experiment::keys::{Key, SectionKeys, TOP};
use crate::experiment::{schema, tree};
use std::collections::HashSet;

/// What an experiment file to start from is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    /// Drawn data: Gaussian inputs and a linear teacher.
    Gaussian,
    /// A table in a file.
    File,
    /// Gram matrices in a file.
    Gram,
    /// A network given by its layers.
    Layers,
}

impl TemplateKind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Gaussian, Self::File, Self::Gram, Self::Layers];
}

/// A complete experiment file with every key explained; valid as it stands.
pub fn experiment(kind: TemplateKind) -> String {
    let with_sgd = format!("{TWO_LAYERS}{SGD}");
    let (text, sets) = match kind {
        TemplateKind::Gaussian => (with_sgd, Vec::new()),
        TemplateKind::File => (with_sgd, [OF_TABLE, OF_FILE].concat()),
        TemplateKind::Gram => (TWO_LAYERS.to_owned(), [OF_GRAM, OF_FILE].concat()),
        TemplateKind::Layers => (LAYERS.to_owned(), Vec::new()),
    };
    let sets: Vec<String> = sets.into_iter().map(str::to_owned).collect();
    // The files are valid, as a test sees to.
    tree(&text, &sets).map_or(text, |root| annotated(&root))
}

/// What is otherwise for a table. Batches of four bound what a single row does.
const OF_TABLE: &[&str] = &[
    r#"data={ kind = "file", path = "table.csv", targets = ["target"], standardize = true }"#,
    "dynamics.4.label_noise=8.0",
    "dynamics.4.batch_size=4",
];

/// What is otherwise for Gram matrices.
const OF_GRAM: &[&str] = &[r#"data={ kind = "gram", path = "gram.npz" }"#];

/// What is otherwise for a file, of which nobody knows the number of rows and columns: weights that
/// are small for correlated inputs, more time and a coarser rank for directions of small variance.
/// The label noise is twice the rows that a file may have, for the intensity of the flow.
const OF_FILE: &[&str] = &[
    "network={ width = 50, init = { kind = \"gaussian\", scale = 0.3 } }",
    "dynamics.3.label_noise=200.0",
    "run.time=1000.0",
    "run.rank_tolerance=1e-2",
];

const HEAD: &str = "\
#:schema ./rankfall.schema.json
# An experiment file for rankfall. Run it with `rankfall run FILE`; change single values with --set run.seed=2.
# Lines that are commented out show other keys that would do there, with their default or another value.
# Editors that know the first line (Even Better TOML, taplo) complete and check keys once there is
# `rankfall schema > rankfall.schema.json` beside this file.
";

/// The dynamics of two linear layers but SGD, for drawn data that are uncorrelated and of variance 1.
const TWO_LAYERS: &str = r#"
name = "my-experiment"
[data]
kind = "gaussian"
samples = 1000
inputs = 5
outputs = 2
[network]
width = 10
init = { kind = "gaussian", scale = 1.0 }
[run]
time = 500.0
trajectories = 16
save = { points = 200, spacing = "linear" }
rank_tolerance = 1e-3
[[dynamics]]
label = "gradient flow"
kind = "gradient-flow"
step_size = 0.01
[[dynamics]]
label = "stochastic gradient flow"
kind = "stochastic-gradient-flow"
step_size = 0.01
label_noise = 2.0
batch_size = 1
[[dynamics]]
label = "gradient descent"
kind = "gradient-descent"
[[dynamics]]
label = "label-noise gradient descent"
kind = "label-noise-gradient-descent"
label_noise = 2000.0
"#;

const SGD: &str = r#"
[[dynamics]]
label = "SGD"
kind = "sgd"
label_noise = 2.0
batch_size = 1
"#;

const LAYERS: &str = r#"
name = "my-network"
[data]
kind = "gaussian"
samples = 40
inputs = 6
outputs = 3
teacher_rank = 1
residual_noise = 0.1
held_out = 200
[network]
layers = [6, 12, 12, 3]
init = { kind = "gaussian", scale = 0.3, each_trajectory = true }
[[dynamics]]
kind = "gradient-descent"
step_size = 0.01
[[dynamics]]
label = "SGD"
kind = "sgd"
batch_size = 4
sampling = "epochs"
[[dynamics]]
label = "SGD, label noise"
kind = "sgd"
batch_size = 4
noise = [{ kind = "label-noise", variance = 1.5 }]
[run]
steps = 20000
trajectories = 8
save = { points = 50, spacing = "linear" }
rank_tolerance = 1e-1
"#;

/// Comments stand behind keys from here on, as far as these are shorter.
const COLUMN: usize = 34;
/// Lines are at most this long, if words allow it.
const WIDTH: usize = 110;

/// A file with what there is to say of its keys, and of those it has not.
fn annotated(root: &TomlNode) -> String {
    let mut file = HEAD.to_owned();
    let mut said = HashSet::new();
    for key in TOP.keys {
        let node = root.get(key.name);
        let items = match node.map(|node| &node.value) {
            Some(Value::List(items)) => Some(items),
            _ => None,
        };
        match (key.takes.table(), key.takes.item().table(), items) {
            (_, Some(keys), Some(items)) => {
                comment(&mut file, &format!("\n# {}.", key.about));
                for item in items {
                    file += &format!("\n[[{}]]\n", key.name);
                    section(&mut file, keys, item, &mut said);
                }
            }
            (Some(keys), ..) => {
                let mark = if node.is_some() { "" } else { "# " };
                file += &format!("\n# {}.\n{mark}[{}]\n", key.about, key.name);
                let empty = TomlNode::from(Value::Table(Vec::new()));
                section(&mut file, keys, node.unwrap_or(&empty), &mut said);
            }
            _ => line(&mut file, key, &TOP, node, true),
        }
    }
    file
}

/// The keys of a section that apply to its kind: those that are there, and once each of the others.
fn section(
    file: &mut String,
    keys: &'static SectionKeys,
    node: &TomlNode,
    said: &mut HashSet<(&'static str, &'static str)>,
) {
    let kind = match node.get("kind").map(|kind| &kind.value) {
        Some(Value::Text(kind)) => kind.as_str(),
        _ => keys.kinds.first().copied().unwrap_or_default(),
    };
    for key in keys.keys {
        let value = node.get(key.name);
        let applies = key.kinds.is_empty() || key.kinds.contains(&kind);
        if !applies || value.is_none() && said.contains(&(keys.place, key.name)) {
            continue;
        }
        let is_new = said.insert((keys.place, key.name));
        line(file, key, keys, value, is_new);
    }
    let others = keys.keys.iter();
    let others = others.filter(|key| !said.contains(&(keys.place, key.name)));
    let others: Vec<String> = others.map(brief).collect();
    if !others.is_empty() && keys.place == "[data]" {
        let names = others.join(", ");
        comment(file, &format!("# Other kinds have other keys: {names}."));
    }
}

/// A key by its name, with the names and texts that may be in its value.
fn brief(key: &Key) -> String {
    let table = key.takes.table().or(key.takes.item().table());
    match (table, key.takes.choices()) {
        (Some(table), _) => format!("{} ({})", key.name, table.names().join(", ")),
        (_, []) => key.name.to_owned(),
        (_, texts) => format!("{} (\"{}\")", key.name, texts.join("\", \"")),
    }
}

/// One key with its value, or commented out with one to show, and what there is to say of it.
fn line(file: &mut String, key: &Key, keys: &SectionKeys, value: Option<&TomlNode>, is_new: bool) {
    let setting = match value {
        Some(value) => format!("{} = {}", key.name, document::as_toml(value)),
        None => format!("# {} = {}", key.name, key.shown()),
    };
    if !is_new {
        *file += &format!("{setting}\n");
        return;
    }
    let mut about = key.about.to_owned();
    if !matches!(key.takes.choices(), [] | ["identity" | "auto"]) || key.name == "kind" {
        about += &format!(": {}", schema::words(&key.takes, keys).replace('`', ""));
    }
    if !key.engine.is_empty() {
        about += &format!(" ({} engine)", key.engine);
    }
    let is_shown = value.is_none() && key.example.is_empty();
    match (key.otherwise, key.default) {
        _ if key.required || is_shown => {}
        ("", "") => {}
        ("", default) => about += &format!("; default {default}"),
        (otherwise, _) => about += &format!("; default: {otherwise}"),
    }
    let mut left = setting;
    if left.len() >= COLUMN {
        *file += &format!("{left}\n");
        left.clear();
    }
    for words in wrapped(&about, WIDTH - COLUMN) {
        *file += &format!("{left:COLUMN$}# {words}\n");
        left.clear();
    }
    let table = key.takes.table().or(key.takes.item().table());
    for inner in table.iter().flat_map(|table| table.keys) {
        let values = match inner.takes.table().or(inner.takes.item().table()) {
            Some(_) => brief(inner),
            None => schema::words(&inner.takes, table.unwrap_or(keys)).replace('`', ""),
        };
        let mut left = format!("#     {}", inner.name);
        for words in wrapped(&format!("{} ({values})", inner.about), WIDTH - COLUMN) {
            *file += &format!("{left:COLUMN$}{words}\n");
            left = "#".to_owned();
        }
    }
}

/// A comment in lines that are not too long.
fn comment(file: &mut String, text: &str) {
    for (i, words) in wrapped(text, WIDTH).into_iter().enumerate() {
        let mark = if i > 0 { "# " } else { "" };
        *file += &format!("{mark}{words}\n");
    }
}

/// Text in lines of at most so many characters, where words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            *line = word.to_owned();
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Experiment, keys};
    use std::path::Path;

    #[test]
    fn every_template_is_a_valid_experiment() {
        for kind in TemplateKind::ALL {
            let read = Experiment::from_toml(&experiment(*kind), "new", Path::new("/"), &[]);
            assert!(read.is_ok(), "{kind:?}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn what_is_commented_out_would_be_valid_there() {
        for kind in TemplateKind::ALL {
            for line in experiment(*kind).lines() {
                let Some(setting) = line
                    .strip_prefix("# ")
                    .filter(|line| line.contains(" = ") && !line.starts_with(' '))
                else {
                    continue;
                };
                let text = setting.replace('…', "x");
                assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn the_examples_of_the_guide_are_valid() {
        let guide = include_str!("../../../docs/experiment-file.md");
        let blocks: Vec<&str> = guide.split("```toml\n").skip(1).collect();
        assert!(!blocks.is_empty());
        for block in blocks {
            let text = block.split("```").next().unwrap_or_default();
            let read = Experiment::from_toml(text, "guide", Path::new("/"), &[]);
            assert!(read.is_ok(), "{}", read.unwrap_err());
        }
    }

    #[test]
    fn every_key_and_value_is_in_a_template() {
        let kinds = TemplateKind::ALL.iter();
        let all: String = kinds.map(|kind| experiment(*kind)).collect();
        for name in keys::every_name_and_value() {
            assert!(all.contains(name), "{name} is not explained");
        }
        assert!(all.lines().all(|line| line.chars().count() < 140), "{all}");
    }
}

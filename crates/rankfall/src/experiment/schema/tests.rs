//! The schema against every experiment there is, and the tables of the documentation against the
//! keys.

use super::*;
use crate::experiment::keys::{SECTIONS, every_name_and_value};
use crate::template::TemplateKind;
use crate::{bundled, template};
use std::path::PathBuf;

const GUIDE: &str = "../../docs/experiment-file.md";

fn guide() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(GUIDE);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// What a schema has against a value; of draft 7 what [`schema`] uses.
fn faults(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    if *schema == json!(false) {
        return vec![format!("{path} must not be there")];
    }
    let rules = schema.as_object().unwrap();
    let list = |rule: &Value| rule.as_array().unwrap().clone();
    for (name, rule) in rules {
        let number = |is: fn(f64, f64) -> bool| {
            let pair = value.as_f64().zip(rule.as_f64());
            pair.is_none_or(|(value, limit)| is(value, limit))
        };
        let holds = match name.as_str() {
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "number" => value.is_number(),
                "integer" => value.as_f64().is_some_and(|x| x.fract() == 0.0),
                other => panic!("{other}"),
            },
            "enum" => list(rule).contains(value),
            "const" => rule == value,
            "minimum" => number(|value, limit| value >= limit),
            "maximum" => number(|value, limit| value <= limit),
            "exclusiveMinimum" => number(|value, limit| value > limit),
            "exclusiveMaximum" => number(|value, limit| value < limit),
            "anyOf" => list(rule)
                .iter()
                .any(|one| faults(one, value, path).is_empty()),
            "allOf" => {
                found.extend(list(rule).iter().flat_map(|one| faults(one, value, path)));
                true
            }
            "if" => {
                if faults(rule, value, path).is_empty() {
                    found.extend(faults(&rules["then"], value, path));
                }
                true
            }
            "required" => list(rule)
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "items" => {
                let items = value.as_array().into_iter().flatten();
                found.extend(items.flat_map(|item| faults(rule, item, path)));
                true
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let rule = rule.get(key).into_iter();
                    found.extend(
                        rule.flat_map(|rule| faults(rule, value, &format!("{path}.{key}"))),
                    );
                }
                true
            }
            "additionalProperties" => {
                let known = rules["properties"].as_object().unwrap();
                let unknown = value.as_object().into_iter().flatten();
                let unknown = unknown.filter(|(key, _)| !known.contains_key(*key));
                found.extend(unknown.map(|(key, _)| format!("{path}.{key} is unknown")));
                true
            }
            "then" | "description" | "default" | "title" | "$schema" => true,
            other => panic!("{other} is not a rule of this checker"),
        };
        if !holds {
            found.push(format!("{path}: {value} is against {name}: {rule}"));
        }
    }
    found
}

fn faults_of(text: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let table: toml::Table = toml::from_str(text).unwrap();
    faults(&schema, &serde_json::to_value(table).unwrap(), "")
}

/// Every file that is bundled, printed or in the guide.
fn every_file() -> Vec<String> {
    let (_, guide) = guide();
    let examples = guide.split("```toml\n").skip(1);
    let examples = examples.filter_map(|block| block.split("```").next().map(str::to_owned));
    let templates = TemplateKind::ALL.iter();
    let templates = templates.map(|kind| template::experiment(*kind));
    let bundled = bundled::ALL.iter().map(|b| b.toml.to_owned());
    examples.chain(templates).chain(bundled).collect()
}

#[test]
fn every_experiment_there_is_meets_the_schema() {
    for text in every_file() {
        assert_eq!(faults_of(&text), [""; 0], "{text}");
    }
}

#[test]
fn resolved_copies_meet_the_schema() {
    for bundled in bundled::ALL.iter().filter(|b| !b.is_sweep) {
        let folder = std::path::Path::new("/");
        let read = crate::experiment::Experiment::from_toml(bundled.toml, "", folder, &[]);
        assert_eq!(faults_of(&read.unwrap().resolved_toml()), [""; 0]);
    }
}

#[test]
fn the_schema_refuses_what_is_not_there() {
    let good = bundled::ALL[0].toml;
    for (from, to, words) in [
        ("width", "widht", ".network.widht is unknown"),
        ("seed", "sede", ".run.sede is unknown"),
        ("\"gradient-flow\"", "\"gradient-flwo\"", "enum"),
        ("samples = 1000", "samples = 0", "minimum"),
        ("samples = 1000", "", "required"),
        (
            "samples = 1000",
            "samples = 1000\npath = \"x\"",
            ".data.path must not be there",
        ),
        ("name = ", "nmae = ", ".nmae is unknown"),
    ] {
        assert!(good.contains(from), "{from}");
        let found = faults_of(&good.replacen(from, to, 1));
        assert!(found.iter().any(|f| f.contains(words)), "{to}: {found:?}");
    }
}

/// The tables between `<!-- keys of PLACE -->` and `<!-- end -->` are those of the keys; with
/// UPDATE_DOCS set they are written.
#[test]
fn the_tables_of_the_guide_are_those_of_the_keys() {
    let (path, old) = guide();
    let mut new = old.clone();
    for section in SECTIONS {
        let begin = format!("<!-- keys of {} -->\n", section.place);
        let (before, rest) = new
            .split_once(&begin)
            .unwrap_or_else(|| panic!("no {begin}"));
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        new = format!("{before}{begin}{}<!-- end -->{after}", markdown(section));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &new).unwrap();
    } else {
        assert!(
            old == new,
            "run UPDATE_DOCS=1 cargo test -p rankfall --lib tables_of_the_guide"
        );
    }
}

#[test]
fn every_key_and_value_is_in_the_guide() {
    let (_, guide) = guide();
    for name in every_name_and_value() {
        let quoted = [format!("`{name}`"), format!("`\"{name}\"`")];
        assert!(quoted.iter().any(|q| guide.contains(q)), "{name}");
    }
}

//! What the table of keys becomes: a JSON Schema for editors, and the tables of the documentation.

use super::keys::{Bound, Key, SectionKeys, TOP, ValueType};
use serde_json::{Map, Value, json};

/// Numbers up to here are the same in every reader of JSON.
const MOST: u64 = 1 << 53;

/// The JSON Schema of experiment files, from which editors complete and by which they check.
pub fn schema() -> String {
    let mut root = object(&TOP);
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("An experiment of rankfall");
    format!("{root:#}\n")
}

/// A table of TOML with its keys.
fn object(section: &SectionKeys) -> Value {
    let properties: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key, section)))
        .collect();
    let mut object = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required(section, |key| key.kinds.is_empty()),
    });
    if !section.kinds.is_empty() {
        object["allOf"] = section
            .kinds
            .iter()
            .map(|kind| of_kind(section, kind))
            .collect();
    }
    object
}

fn required(section: &SectionKeys, is_meant: impl Fn(&Key) -> bool) -> Vec<&'static str> {
    let keys = section
        .keys
        .iter()
        .filter(|key| key.required && is_meant(key));
    keys.map(|key| key.name).collect()
}

/// What a table of one kind must have, and must not.
fn of_kind(section: &SectionKeys, kind: &str) -> Value {
    let applies = |key: &Key| key.kinds.contains(&kind);
    let others = section
        .keys
        .iter()
        .filter(|key| !key.kinds.is_empty() && !applies(key));
    let none: Map<String, Value> = others
        .map(|key| (key.name.to_owned(), json!(false)))
        .collect();
    json!({
        "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
        "then": { "properties": none, "required": required(section, applies) },
    })
}

fn property(key: &Key, section: &SectionKeys) -> Value {
    let mut property = values(&key.takes, section);
    let mut description = format!("{}.", key.about);
    if !key.kinds.is_empty() {
        description += &format!("\n\nOf kind {}.", key.kinds.join(", "));
    }
    if !key.otherwise.is_empty() {
        description += &format!("\n\nDefault: {}.", key.otherwise);
    }
    if !key.engine.is_empty() {
        description += &format!("\n\nThe {} engine has it.", key.engine);
    }
    property["description"] = json!(description);
    if let Some(default) = default(key) {
        property["default"] = default;
    }
    property
}

/// The default of a key as JSON.
fn default(key: &Key) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("x = {}", key.default)).ok()?;
    serde_json::to_value(table.get("x")?).ok()
}

fn values(takes: &ValueType, section: &SectionKeys) -> Value {
    match takes {
        ValueType::Flag => json!({ "type": "boolean" }),
        ValueType::Whole(least, most) if *most <= MOST => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        ValueType::Whole(least, _) => json!({ "type": "integer", "minimum": least }),
        ValueType::Number(bound) => match bound {
            Bound::Any => json!({ "type": "number" }),
            Bound::Positive => json!({ "type": "number", "exclusiveMinimum": 0 }),
            Bound::NonNegative => json!({ "type": "number", "minimum": 0 }),
            Bound::Share => {
                json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 })
            }
        },
        ValueType::Text => json!({ "type": "string" }),
        ValueType::Choice(texts) => json!({ "enum": texts }),
        ValueType::Kind => json!({ "enum": section.kinds }),
        ValueType::List(item) => json!({ "type": "array", "items": values(item, section) }),
        ValueType::Table(keys) => object(keys),
        ValueType::AnyTable => json!({ "type": "object" }),
        ValueType::Either(all) => {
            let all: Vec<Value> = all.iter().map(|one| values(one, section)).collect();
            json!({ "anyOf": all })
        }
    }
}

/// The keys of a section as a table of Markdown.
pub fn markdown(section: &SectionKeys) -> String {
    let has_kinds = section.keys.iter().any(|key| !key.kinds.is_empty());
    let (kinds, line) = if has_kinds {
        ("kinds | ", "---|")
    } else {
        ("", "")
    };
    let mut table = format!("| key | {kinds}takes | default | |\n|---|{line}---|---|---|\n");
    for key in section.keys {
        let kinds = match (has_kinds, key.kinds) {
            (false, _) => String::new(),
            (true, []) => "all | ".to_owned(),
            (true, kinds) => format!("{} | ", kinds.join(", ")),
        };
        let default = match (key.required, key.otherwise, key.default) {
            (true, ..) => "required".to_owned(),
            (_, "", "") => "—".to_owned(),
            (_, "", default) => format!("`{default}`"),
            (_, otherwise, _) => otherwise.to_owned(),
        };
        let engine = match key.engine {
            "" => String::new(),
            engine => format!(" *{engine} engine*"),
        };
        table += &format!(
            "| `{}` | {kinds}{} | {default} | {}.{engine} |\n",
            key.name,
            words(&key.takes, section),
            key.about.replace('|', "\\|").replace('*', "\\*")
        );
    }
    table
}

/// What values a key takes, for people.
pub fn words(takes: &ValueType, section: &SectionKeys) -> String {
    let quoted = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| format!("`\"{text}\"`")).collect();
        texts.join(", ")
    };
    match takes {
        ValueType::Flag => "true or false".to_owned(),
        ValueType::Whole(least, most) if *most < u64::from(u32::MAX) => {
            format!("whole number, {least} to {most}")
        }
        ValueType::Whole(least, _) => format!("whole number from {least}"),
        ValueType::Number(Bound::Any) => "number".to_owned(),
        ValueType::Number(Bound::Positive) => "number above 0".to_owned(),
        ValueType::Number(Bound::NonNegative) => "number from 0".to_owned(),
        ValueType::Number(Bound::Share) => "number between 0 and 1".to_owned(),
        ValueType::Text => "text".to_owned(),
        ValueType::Choice(texts) => quoted(texts),
        ValueType::Kind => quoted(section.kinds),
        ValueType::List(item) => match item {
            ValueType::Number(_) => "list of numbers".to_owned(),
            ValueType::Whole(..) => "list of whole numbers".to_owned(),
            ValueType::Text => "list of texts".to_owned(),
            ValueType::List(_) => "list of lists".to_owned(),
            ValueType::Table(_) => "list of tables".to_owned(),
            _ => "list".to_owned(),
        },
        ValueType::Table(_) | ValueType::AnyTable => "table".to_owned(),
        ValueType::Either(all) => {
            let all: Vec<String> = all.iter().map(|one| words(one, section)).collect();
            all.join(", or ")
        }
    }
}

#[cfg(test)]
mod tests;

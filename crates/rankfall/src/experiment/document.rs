//! A TOML text as a tree of values that remember where they were written.

use super::intended;
use crate::failure::{Failure, number_text, quoted};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The file as a whole, for what is missing at its top level.
    Whole,
    /// A place in the file, both counted from 1; the column counts characters.
    File {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// Characters from there to its end, or to the end of the line.
        length: usize,
        /// The text of the line.
        text: Arc<str>,
    },
    /// A `--set key=value` argument.
    Set {
        /// The argument as given.
        argument: String,
        /// The part after `=`, as given.
        value: String,
    },
    /// A `--over key=spec` argument.
    Over {
        /// The argument as given.
        argument: String,
    },
}

/// A value and its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct TomlNode {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

/// The values of TOML.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent, or a whole one too long for 128 bits.
    Float(f64),
    /// Text.
    Text(String),
    /// A date or a time, which no key asks for.
    Date(String),
    /// A list.
    List(Vec<TomlNode>),
    /// A table, in the order of the text.
    Table(Vec<TableEntry>),
}

/// A key of a table with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct TableEntry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub origin: Origin,
    /// The value.
    pub node: TomlNode,
}

/// What is wrong with an experiment, and where: a [`Failure`] that does not know the file's name.
#[derive(Clone, Debug, PartialEq)]
pub struct InputProblem {
    /// The place.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl InputProblem {
    /// A problem at a place.
    pub fn new(origin: &Origin, message: impl Into<String>) -> Self {
        InputProblem {
            origin: origin.clone(),
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The failure of the command, with the name of the file in front and the place below.
    pub fn in_file(self, source: &str) -> Failure {
        let place = match &self.origin {
            Origin::Whole => source.to_owned(),
            Origin::File { line, column, .. } => format!("{source}:{line}:{column}"),
            Origin::Set { argument, .. } => format!("--set {}", quoted(argument)),
            Origin::Over { argument } => format!("--over {}", quoted(argument)),
        };
        let mut failure = Failure::input(format!("{place}: {}", self.message));
        failure.excerpt = self.origin.excerpt();
        match self.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl TomlNode {
    /// The value at a dotted path, or the last that is there on the way.
    pub fn at(&self, path: &str) -> &TomlNode {
        path.split('.')
            .try_fold(self, |node, part| {
                let next = match &node.value {
                    Value::Table(entries) => {
                        entries.iter().find(|e| e.key == part).map(|e| &e.node)
                    }
                    Value::List(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)),
                    _ => None,
                };
                next.ok_or(node)
            })
            .unwrap_or_else(|last| last)
    }
}

impl Origin {
    /// The line, or the argument, with carets under the place.
    fn excerpt(&self) -> Option<String> {
        match self {
            Origin::Whole => None,
            Origin::File {
                line,
                column,
                length,
                text,
            } => Some(excerpt(&line.to_string(), text, column - 1, *length)),
            Origin::Set { argument, value } => Some(of_argument("--set ", argument, value)),
            Origin::Over { argument } => Some(of_argument("--over ", argument, "")),
        }
    }
}

/// An argument with carets under its value, or under its key where no value is meant.
fn of_argument(option: &str, argument: &str, value: &str) -> String {
    let (before, length) = match argument.strip_suffix(value) {
        Some(key) if !value.is_empty() => (key.chars().count(), usize::MAX),
        _ => (
            0,
            argument
                .split('=')
                .next()
                .map_or(0, |key| key.chars().count()),
        ),
    };
    let text = format!("{option}{argument}");
    excerpt("", &text, option.chars().count() + before, length)
}

/// Characters of a line that are shown, the place among them.
const SHOWN: usize = 96;

/// A line with its number, and carets under `length` characters after the first `before`.
fn excerpt(number: &str, text: &str, before: usize, length: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let all: Vec<char> = text.trim_end().chars().map(plain).collect();
    let first = match all.len() > SHOWN {
        true => before.saturating_sub(SHOWN / 2).min(all.len()),
        false => 0,
    };
    let last = (first + SHOWN).min(all.len());
    let cut = |range: Range<usize>| all.get(range).map_or(String::new(), |c| c.iter().collect());
    let more = |is_cut: bool| if is_cut { "…" } else { "" };
    let (start, end) = (more(first > 0), more(last < all.len()));
    let at = before.clamp(first, last);
    let marked = at.saturating_add(length).min(last) - at;
    let indent = start.chars().count() + at - first;
    let blank = " ".repeat(number.len());
    format!(
        "{blank} |\n{number} | {start}{}{end}\n{blank} | {}{}",
        cut(first..last),
        " ".repeat(indent),
        "^".repeat(marked.max(1))
    )
}

impl Value {
    /// What kind of value it is, for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Value::Flag(_) => "a flag",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::Date(_) => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A value as tables and messages show it.
pub fn shown(node: &TomlNode) -> String {
    match &node.value {
        Value::Flag(flag) => flag.to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Float(x) => number_text(*x),
        Value::Text(text) | Value::Date(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entry = |e: &TableEntry| format!("{} = {}", e.key, shown(&e.node));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A value as TOML.
pub fn as_toml(node: &TomlNode) -> String {
    match &node.value {
        Value::Text(text) | Value::Date(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(as_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let key = |key: &str| match !key.is_empty() && key.chars().all(is_bare) {
                true => key.to_owned(),
                false => toml::Value::from(key).to_string(),
            };
            let entry = |e: &TableEntry| format!("{} = {}", key(&e.key), as_toml(&e.node));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Flag(_) | Value::Integer(_) => shown(node),
    }
}

/// The number a value is, if it is one.
pub fn number(node: &TomlNode) -> Option<f64> {
    match node.value {
        Value::Integer(i) => Some(i as f64),
        Value::Float(x) => Some(x),
        _ => None,
    }
}

/// Parses a TOML text; the root is a [`Value::Table`].
pub fn parse(text: &str) -> Result<TomlNode, InputProblem> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| syntax_problem(&error, &lines))?;
    let origin_of = |at: Range<usize>| lines.origin(at);
    let mut root = table_node(table.get_ref(), Origin::Whole, &origin_of);
    root.origin = Origin::Whole;
    Ok(root)
}

/// Parses the value of `--set key=value`: TOML if it is TOML, else text.
pub fn parse_set_value(argument: &str, value: &str) -> TomlNode {
    let origin = Origin::Set {
        argument: argument.to_owned(),
        value: value.to_owned(),
    };
    let text = format!("x = {value}");
    let parsed = DeTable::parse(&text).ok().and_then(|table| {
        let table = table.get_ref();
        let only = (table.len() == 1).then(|| table.get("x")).flatten()?;
        Some(node(only, &|_| origin.clone()))
    });
    parsed.unwrap_or_else(|| TomlNode {
        value: Value::Text(value.to_owned()),
        origin,
    })
}

fn syntax_problem(error: &toml::de::Error, lines: &Lines) -> InputProblem {
    let origin = error
        .span()
        .map_or(Origin::Whole, |span| lines.origin(span));
    let said: Vec<&str> = error.message().split_whitespace().collect();
    let problem = InputProblem::new(&origin, format!("this is not TOML: {}", said.join(" ")));
    let hint = error.span().and_then(|span| lines.hint(span.start));
    problem.hint(hint.unwrap_or_else(|| {
        "rankfall new prints a complete experiment file to start from".to_owned()
    }))
}

fn node(value: &Spanned<DeValue<'_>>, origin_of: &impl Fn(Range<usize>) -> Origin) -> TomlNode {
    let origin = origin_of(value.span());
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(i) => integer(i.as_str(), i.radix()),
        DeValue::Float(f) => Value::Float(f.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(list) => Value::List(list.iter().map(|v| node(v, origin_of)).collect()),
        DeValue::Table(table) => return table_node(table, origin, origin_of),
    };
    TomlNode { value, origin }
}

fn integer(digits: &str, radix: u32) -> Value {
    match i128::from_str_radix(digits, radix) {
        Ok(i) => Value::Integer(i),
        Err(_) => Value::Float(digits.parse().unwrap_or(f64::INFINITY)),
    }
}

fn table_node(
    table: &DeTable<'_>,
    origin: Origin,
    origin_of: &impl Fn(Range<usize>) -> Origin,
) -> TomlNode {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries
        .into_iter()
        .map(|(key, value)| TableEntry {
            key: key.get_ref().to_string(),
            origin: origin_of(key.span()),
            node: node(value, origin_of),
        })
        .collect();
    TomlNode {
        value: Value::Table(entries),
        origin,
    }
}

/// The lines of a text, to turn byte positions into lines and columns.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    lines: Vec<Arc<str>>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(after_newlines).collect();
        let lines = text.split('\n').map(Arc::from).collect();
        Lines {
            text,
            starts,
            lines,
        }
    }

    fn origin(&self, at: Range<usize>) -> Origin {
        let line = self
            .starts
            .partition_point(|&start| start <= at.start)
            .max(1);
        let start = self.starts[line - 1];
        let text = self.lines[line - 1].clone();
        let count = |range: Range<usize>| text.get(range).map_or(0, |part| part.chars().count());
        let end = at.end.saturating_sub(start).min(text.len());
        let begin = (at.start - start).min(end);
        Origin::File {
            line,
            column: count(0..begin) + 1,
            length: count(begin..end),
            text,
        }
    }

    /// How to write the `key = value` of the line at a position, where it is clear what was meant.
    fn hint(&self, at: usize) -> Option<String> {
        let line = self.starts.partition_point(|&start| start <= at).max(1);
        let start = self.starts[line - 1];
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..end)?.trim();
        let Some((key, value)) = text.split_once('=') else {
            let (key, value) = text.split_once(':')?;
            return is_key(key).then(|| format!("write it with =, as in {key} = {}", value.trim()));
        };
        let key = key.trim();
        // A comment behind the value is not part of it.
        let value = value.split(" #").next().unwrap_or_default();
        is_key(key)
            .then(|| intended::hint_in_file(&self.dotted(key, start), value))
            .flatten()
    }

    /// The dotted path of a key that stands at a position, from the headers above it.
    fn dotted(&self, key: &str, at: usize) -> String {
        let mut path = String::new();
        let mut items: Vec<&str> = Vec::new();
        for line in self.text[..at].lines().map(str::trim) {
            if let Some(name) = header(line, "[[", "]]") {
                let position = items.iter().filter(|other| **other == name).count();
                items.push(name);
                path = format!("{name}.{position}.");
            } else if let Some(name) = header(line, "[", "]") {
                path = format!("{name}.");
            }
        }
        path + key
    }
}

fn header<'l>(line: &'l str, open: &str, close: &str) -> Option<&'l str> {
    let name = line.strip_prefix(open)?.split(close).next()?;
    is_key(name).then_some(name)
}

/// Whether it is a key without quotes.
fn is_key(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&c);
    !text.is_empty() && text.len() < 100 && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_line_and_column() {
        let root = parse("a = 1\n[b]\n  \"ü\" = \"x\"\n").unwrap();
        let Value::Table(entries) = root.value else {
            panic!("the root is a table")
        };
        let Value::Table(inner) = &entries[1].node.value else {
            panic!("b is a table")
        };
        let place = |origin: &Origin| match origin {
            Origin::File {
                line,
                column,
                length,
                ..
            } => (*line, *column, *length),
            other => panic!("{other:?}"),
        };
        assert_eq!(place(&inner[0].origin), (3, 3, 3));
        assert_eq!(place(&inner[0].node.origin), (3, 9, 3));
    }

    #[test]
    fn a_problem_shows_its_line_and_its_place() {
        let root = parse("a = 1\n\t\"é\" = \"漢\" # why\n").unwrap();
        let Value::Table(entries) = root.value else {
            panic!("the root is a table")
        };
        let shown = |origin: &Origin| InputProblem::new(origin, "x").in_file("f").to_string();
        assert_eq!(
            shown(&entries[1].node.origin),
            "rankfall: f:2:8: x\n  |\n2 |  \"é\" = \"漢\" # why\n  |        ^^^"
        );
        let set = parse_set_value("run.time=soon", "soon").origin;
        assert!(shown(&set).ends_with("\n | --set run.time=soon\n |                ^^^^"));
        let long = format!("a = [{}]", "1, ".repeat(1000));
        let root = parse(&long).unwrap();
        let Value::Table(entries) = root.value else {
            panic!("the root is a table")
        };
        let Value::List(items) = &entries[0].node.value else {
            panic!("a is a list")
        };
        let lines = shown(&items[500].origin);
        assert!(
            lines.lines().all(|line| line.chars().count() < 110),
            "{lines}"
        );
        let place = lines.lines().last().unwrap().find('^').unwrap();
        assert_eq!(lines.lines().nth(2).unwrap().chars().nth(place), Some('1'));
    }

    #[test]
    fn entries_keep_the_order_of_the_text() {
        let Value::Table(entries) = parse("b = 1\na = 2").unwrap().value else {
            panic!("the root is a table")
        };
        let keys: Vec<_> = entries.iter().map(|e| e.key.as_str()).collect();
        assert_eq!(keys, ["b", "a"]);
    }

    #[test]
    fn integers_beyond_64_bits_are_kept() {
        let node = parse_set_value("", "18446744073709551615");
        assert_eq!(node.value, Value::Integer(18_446_744_073_709_551_615));
        assert_eq!(
            parse_set_value("", "0x_1").value,
            Value::Text("0x_1".into())
        );
        assert_eq!(parse_set_value("", "0x1f").value, Value::Integer(31));
    }

    #[test]
    fn set_values_that_are_not_toml_are_text() {
        assert_eq!(parse_set_value("", "abc").value, Value::Text("abc".into()));
        assert_eq!(
            parse_set_value("", "1\ny = 2").value,
            Value::Text("1\ny = 2".into())
        );
        assert_eq!(parse_set_value("", "\"a\"").value, Value::Text("a".into()));
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let deep = format!("a = {}", "[".repeat(100_000));
        assert!(parse(&deep).is_err());
        let closed = format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000));
        let _ = parse(&closed);
    }
}

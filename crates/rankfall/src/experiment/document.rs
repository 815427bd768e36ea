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
    /// A place in the file.
    File {
        /// The line, counted from 1.
        line: usize,
        /// The bytes of the line that are meant, as far as they are on it.
        at: Range<usize>,
        /// The text of the line.
        text: Arc<str>,
    },
    /// A `--set key=value` argument.
    Set {
        /// The argument as given, which all values in it share.
        argument: Arc<str>,
        /// The part after `=`, or what of it is meant, as given.
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
            Origin::File { line, at, text } => {
                format!("{source}:{line}:{}", characters(text, 0..at.start) + 1)
            }
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
    /// The keys of a table; none of another value.
    pub fn entries(&self) -> &[TableEntry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key of a table.
    pub fn get(&self, key: &str) -> Option<&TomlNode> {
        let entry = self.entries().iter().find(|e| e.key == key)?;
        Some(&entry.node)
    }

    /// The value at a dotted path, or the last that is there on the way.
    pub fn at(&self, path: &str) -> &TomlNode {
        path.split('.')
            .try_fold(self, |node, part| {
                let next = match &node.value {
                    Value::List(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)),
                    _ => node.get(part),
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
            Origin::File { line, at, text } => {
                let (before, length) =
                    (characters(text, 0..at.start), characters(text, at.clone()));
                Some(excerpt(&line.to_string(), text, before, length))
            }
            Origin::Set { argument, value } => Some(of_argument("--set ", argument, value)),
            Origin::Over { argument } => Some(of_argument("--over ", argument, "")),
        }
    }
}

/// An argument with carets under its value, or under its key where no value is meant.
fn of_argument(option: &str, argument: &str, value: &str) -> String {
    let (key, rest) = argument.split_once('=').unwrap_or((argument, ""));
    let (before, length) = match argument.strip_suffix(value) {
        _ if value.is_empty() => (0, key.chars().count()),
        Some(before) => (before.chars().count(), usize::MAX),
        // A part of the value: all of it.
        None => (
            argument.chars().count() - rest.trim_start().chars().count(),
            usize::MAX,
        ),
    };
    let text = format!("{option}{argument}");
    excerpt("", &text, option.chars().count() + before, length)
}

/// How many characters are in these bytes of a line.
fn characters(line: &str, bytes: Range<usize>) -> usize {
    line.get(bytes).map_or(0, |part| part.chars().count())
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

impl From<Value> for TomlNode {
    /// A value that nobody wrote.
    fn from(value: Value) -> Self {
        let origin = Origin::Whole;
        Self { value, origin }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<V: Into<Value>> FromIterator<V> for Value {
    fn from_iter<I: IntoIterator<Item = V>>(items: I) -> Self {
        let values = items.into_iter().map(V::into);
        Self::List(values.map(TomlNode::from).collect())
    }
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
    written(node, false)
}

/// A value as TOML.
pub fn as_toml(node: &TomlNode) -> String {
    written(node, true)
}

fn written(node: &TomlNode, as_toml: bool) -> String {
    let in_quotes = |text: &str| toml::Value::from(text).to_string();
    let key = |key: &str| match as_toml && !is_bare(key) {
        true => in_quotes(key),
        false => key.to_owned(),
    };
    match &node.value {
        Value::Flag(flag) => flag.to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Float(x) if as_toml => format!("{x:?}"),
        Value::Float(x) => number_text(*x),
        Value::Text(text) | Value::Date(text) if as_toml => in_quotes(text),
        Value::Text(text) | Value::Date(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| written(item, as_toml)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entry = |e: &TableEntry| format!("{} = {}", key(&e.key), written(&e.node, as_toml));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
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
    Ok(table_node(table.get_ref(), Origin::Whole, &origin_of))
}

/// Parses the value of `--set key=value`: TOML if it is TOML, else text.
pub fn parse_set_value(argument: &str, value: &str) -> TomlNode {
    let argument: Arc<str> = argument.into();
    let origin = |value: &str| Origin::Set {
        argument: Arc::clone(&argument),
        value: value.to_owned(),
    };
    let parsed = parse_value(value, &origin).map(|node| node.value);
    TomlNode {
        value: parsed.unwrap_or_else(|| Value::from(value)),
        origin: origin(value),
    }
}

/// Parses a value alone; `origin_of` says where a part of the text comes from. None of what is no
/// TOML.
pub fn parse_value(value: &str, origin_of: &impl Fn(&str) -> Origin) -> Option<TomlNode> {
    let text = format!("x = {value}");
    let table = DeTable::parse(&text).ok()?;
    let table = table.get_ref();
    let only = (table.len() == 1).then(|| table.get("x")).flatten()?;
    Some(node(only, &|at| {
        origin_of(text.get(at).unwrap_or_default())
    }))
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

    /// The line in which a position is, from 1.
    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at).max(1)
    }

    fn origin(&self, at: Range<usize>) -> Origin {
        let line = self.line_of(at.start);
        let start = self.starts[line - 1];
        let text = self.lines[line - 1].clone();
        let end = at.end.saturating_sub(start).min(text.len());
        let at = (at.start - start).min(end)..end;
        Origin::File { line, at, text }
    }

    /// How to write the `key = value` of the line at a position, where it is clear what was meant.
    fn hint(&self, at: usize) -> Option<String> {
        let line = self.line_of(at);
        let (start, text) = (self.starts[line - 1], self.lines[line - 1].trim());
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

/// Whether it is a key without quotes, dotted or not.
fn is_key(text: &str) -> bool {
    text.len() < 100 && is_bare(&text.replace('.', "-"))
}

/// Whether a key needs no quotes.
fn is_bare(key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !key.is_empty() && key.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_line_and_column() {
        let root = parse("a = 1\n[b]\n  \"ü\" = \"x\"\n").unwrap();
        let inner = root.entries()[1].node.entries();
        let place = |origin: &Origin| match origin {
            Origin::File { line, at, text } => (*line, text[at.clone()].to_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(place(&inner[0].origin), (3, "\"ü\"".to_owned()));
        assert_eq!(place(&inner[0].node.origin), (3, "\"x\"".to_owned()));
    }

    #[test]
    fn a_problem_shows_its_line_and_its_place() {
        let root = parse("a = 1\n\t\"é\" = \"漢\" # why\n").unwrap();
        let shown = |origin: &Origin| InputProblem::new(origin, "x").in_file("f").to_string();
        assert_eq!(
            shown(&root.entries()[1].node.origin),
            "rankfall: f:2:8: x\n  |\n2 |  \"é\" = \"漢\" # why\n  |        ^^^"
        );
        let set = parse_set_value("run.time=soon", "soon").origin;
        assert!(shown(&set).ends_with("\n | --set run.time=soon\n |                ^^^^"));
        let long = format!("a = [{}]", "1, ".repeat(1000));
        let lines = shown(&parse(&long).unwrap().at("a.500").origin);
        assert!(
            lines.lines().all(|line| line.chars().count() < 110),
            "{lines}"
        );
        let place = lines.lines().last().unwrap().find('^').unwrap();
        assert_eq!(lines.lines().nth(2).unwrap().chars().nth(place), Some('1'));
    }

    /// Copies of an experiment have a covariance on one line: reading must not take its square.
    #[test]
    fn a_line_of_many_values_is_read() {
        let many = 300_000;
        let root = parse(&format!("a = [{}]", "1.5, ".repeat(many))).unwrap();
        assert!(matches!(&root.at("a").value, Value::List(items) if items.len() == many));
    }

    #[test]
    fn entries_keep_the_order_of_the_text() {
        let root = parse("b = 1\na = 2").unwrap();
        let keys: Vec<_> = root.entries().iter().map(|e| e.key.as_str()).collect();
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

//! Reading one table of an experiment file: known keys only, each value checked where it stands.

use super::document::{self, InputProblem, Origin, TableEntry, TomlNode, Value};
use super::intended;
use super::keys::{self, Bound, Key, LARGEST_EXACT, SectionKeys, ValueType};
use super::suggest::{nearest, not_here};
use crate::failure::{number_text, quoted};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NamedError, StrDeserializer};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A table whose keys have been checked against those known there.
pub struct Section<'a> {
    path: String,
    keys: &'static SectionKeys,
    origin: &'a Origin,
    entries: &'a [TableEntry],
}

/// A value with the path of its key.
#[derive(Clone)]
pub struct Field<'a> {
    /// The dotted path, as `--set` takes it.
    pub path: String,
    /// The value.
    pub node: &'a TomlNode,
    /// What values there are.
    takes: ValueType,
    /// A value to show.
    example: &'static str,
}

impl<'a> Section<'a> {
    /// Opens the table at `path` (empty for the top level); unknown keys are refused.
    pub fn open(
        node: &'a TomlNode,
        path: impl Into<String>,
        keys: &'static SectionKeys,
    ) -> Result<Self, InputProblem> {
        let path = path.into();
        let Value::Table(entries) = &node.value else {
            return Err(wrong_type(&path, node, "a table"));
        };
        let section = Section {
            path,
            keys,
            origin: &node.origin,
            entries,
        };
        match entries.iter().find(|e| keys.find(&e.key).is_none()) {
            Some(unknown) => Err(section.unknown_key(unknown)),
            None => Ok(section),
        }
    }

    /// The value of a key, if it is there.
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|e| e.key == name)?;
        let key = self.keys.find(name)?;
        Some(Field {
            path: self.path_of(name),
            node: &entry.node,
            takes: key.takes,
            example: key.shown(),
        })
    }

    /// The value of a key that must be there.
    pub fn required(&self, name: &str) -> Result<Field<'a>, InputProblem> {
        self.field(name).ok_or_else(|| self.missing(name))
    }

    /// The problem of a missing key, with a value to show.
    pub fn missing(&self, name: &str) -> InputProblem {
        let example = self.keys.find(name).map_or("…", Key::shown);
        self.missing_as(name, &format!("{name} = {example}"))
    }

    /// The problem of a missing key, with what to add.
    pub fn missing_as(&self, name: &str, example: &str) -> InputProblem {
        let message = format!("`{}` is missing", self.path_of(name));
        InputProblem::new(self.origin, message).hint(format!("add it, for instance: {example}"))
    }

    /// What `read` makes of a value, or its default.
    fn or_default<T: FromStr + Default>(
        &self,
        name: &str,
        read: impl Fn(&Field<'a>) -> Result<T, InputProblem>,
    ) -> Result<T, InputProblem> {
        let default = || self.keys.find(name)?.default.parse().ok();
        match self.field(name) {
            Some(field) => read(&field),
            None => Ok(default().unwrap_or_default()),
        }
    }

    /// What `read` makes of a value, if it is there.
    pub fn optional<T>(
        &self,
        name: &str,
        read: impl Fn(&Field<'a>) -> Result<T, InputProblem>,
    ) -> Result<Option<T>, InputProblem> {
        self.field(name).map(|field| read(&field)).transpose()
    }

    /// `true` or `false`, or the default.
    pub fn flag(&self, name: &str) -> Result<bool, InputProblem> {
        self.or_default(name, Field::flag)
    }

    /// A number, or the default.
    pub fn number(&self, name: &str) -> Result<f64, InputProblem> {
        self.or_default(name, Field::number)
    }

    /// A whole number, or the default.
    pub fn whole(&self, name: &str) -> Result<u64, InputProblem> {
        self.or_default(name, Field::whole)
    }

    /// The value of one of the known names, or the default.
    pub fn pick<T: Deserialize<'static>>(&self, name: &str) -> Result<T, InputProblem> {
        let chosen = match self.field(name) {
            Some(field) => field.chosen()?,
            None => (self.keys.find(name)).map_or("", |key| key.default.trim_matches('"')),
        };
        let chosen: StrDeserializer<'static, NamedError> = chosen.into_deserializer();
        T::deserialize(chosen)
            .map_err(|error| self.problem(format!("`{}`: {error}", self.path_of(name))))
    }

    /// A problem with this section as a whole.
    pub fn problem(&self, message: impl Into<String>) -> InputProblem {
        InputProblem::new(self.origin, message)
    }

    /// The `kind` of this section, after checking that every key applies to it.
    pub fn kind(&self, default: Option<&'static str>) -> Result<&'static str, InputProblem> {
        let kind = match (self.field("kind"), default) {
            (Some(field), _) => field.choice(self.keys.kinds)?,
            (None, Some(default)) => default,
            (None, None) => {
                let kinds = self.keys.kinds;
                let example = format!("kind = \"{}\" (known: {})", kinds[0], kinds.join(", "));
                return Err(self.missing_as("kind", &example));
            }
        };
        let misplaced = self.entries.iter().find_map(|entry| {
            let key = self.keys.find(&entry.key)?;
            let applies = key.kinds.is_empty() || key.kinds.contains(&kind);
            (!applies).then(|| self.not_for_kind(entry, key, kind))
        });
        misplaced.map_or(Ok(kind), Err)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn not_for_kind(&self, entry: &TableEntry, key: &Key, kind: &str) -> InputProblem {
        let belongs = match key.kinds {
            [others @ .., last] if !others.is_empty() => {
                format!("{} and {last}", others.join(", "))
            }
            kinds => kinds.concat(),
        };
        let message = format!(
            "`{}` does not apply to kind \"{kind}\", only to {belongs}: {}",
            self.path_of(&entry.key),
            key.why
        );
        InputProblem::new(&entry.origin, message).hint("remove the key, or choose another kind")
    }

    fn unknown_key(&self, entry: &TableEntry) -> InputProblem {
        let names = self.keys.names();
        let shown = quoted(&entry.key);
        let place = self.keys.place;
        let known = format!("known there: {}", names.join(", "));
        let elsewhere = keys::elsewhere(&entry.key);
        let message = match nearest(&entry.key, &names) {
            _ if !elsewhere.is_empty() => format!(
                "unknown key {shown} in {place}; it belongs in {}",
                elsewhere.join(" or ")
            ),
            Some(near) => format!("unknown key {shown} in {place}; did you mean `{near}`?"),
            None => format!("unknown key {shown} in {place}"),
        };
        InputProblem::new(&entry.origin, message).hint(known)
    }
}

impl<'a> Field<'a> {
    /// A problem at this value, its path in front.
    pub fn problem(&self, message: impl AsRef<str>) -> InputProblem {
        let message = format!("`{}` {}", self.path, message.as_ref());
        InputProblem::new(&self.node.origin, message)
    }

    /// `true` or `false`.
    pub fn flag(&self) -> Result<bool, InputProblem> {
        let hint = match &self.node.value {
            Value::Flag(flag) => return Ok(*flag),
            Value::Text(text) => intended::flag_hint(text),
            _ => None,
        };
        let problem = self.wrong_type("true or false");
        Err(InputProblem { hint, ..problem })
    }

    /// Text; a `--set` value is text as it stands, quotes or not.
    pub fn text(&self) -> Result<String, InputProblem> {
        match (&self.node.value, &self.node.origin) {
            (Value::Text(text), _) => Ok(text.clone()),
            (Value::List(_) | Value::Table(_), _) => Err(self.wrong_type("text")),
            (_, Origin::Set { value, .. }) => Ok(value.clone()),
            _ => Err(self.wrong_type("text").hint("put it in quotes")),
        }
    }

    /// One of the texts that the key takes.
    pub fn chosen(&self) -> Result<&'static str, InputProblem> {
        self.choice(self.takes.choices())
    }

    /// One of the known values; the nearest is named otherwise.
    pub fn choice(&self, known: &'static [&'static str]) -> Result<&'static str, InputProblem> {
        let text = self.text()?;
        if let Some(found) = known.iter().find(|k| **k == text) {
            return Ok(found);
        }
        let shown = quoted(&text);
        let message = match (not_here(&text), nearest(&text, known)) {
            (Some(why), _) => format!("is {shown}, which is not here: {why}"),
            (None, Some(near)) => format!("is {shown}; did you mean \"{near}\"?"),
            (None, None) => format!("is {shown}, which is none of its values"),
        };
        Err(self
            .problem(message)
            .hint(format!("known values: {}", known.join(", "))))
    }

    /// Text that is not empty.
    pub fn word(&self) -> Result<String, InputProblem> {
        let text = self.text()?;
        match text.is_empty() {
            true => Err(self.problem("is empty")),
            false => Ok(text),
        }
    }

    /// A path, made absolute from a folder; the name of a file in memory stays as it is.
    pub fn path_from(&self, folder: &Path) -> Result<PathBuf, InputProblem> {
        let given = self.text()?;
        if given.trim().is_empty() {
            return Err(self.problem("is empty"));
        }
        if rankfall_data::is_in_memory(Path::new(&given)) {
            return Ok(PathBuf::from(given));
        }
        let absolute = std::path::absolute(folder.join(&given))
            .map_err(|error| self.problem(format!("cannot be made absolute: {error}")))?;
        if absolute.to_str().is_none() || given.contains('\0') {
            let message = "leads through a folder whose name is not UTF-8, which TOML cannot hold";
            return Err(self.problem(message));
        }
        Ok(absolute)
    }

    /// A finite number, of those that the key takes.
    pub fn number(&self) -> Result<f64, InputProblem> {
        let number = match &self.node.value {
            Value::Integer(i) => *i as f64,
            Value::Float(f) => *f,
            _ => return Err(self.not_a_number("a number")),
        };
        let must_be = match self.takes.bound() {
            _ if !number.is_finite() => "a finite number",
            Bound::Positive if number <= 0.0 => "greater than 0",
            Bound::NonNegative if number < 0.0 => {
                let shown = number_text(number);
                return Err(self.problem(format!("is {shown}, but must not be negative")));
            }
            Bound::Share if number <= 0.0 || number >= 1.0 => "between 0 and 1",
            Bound::NonNegative => return Ok(number.abs()), // −0.0 becomes 0.0
            _ => return Ok(number),
        };
        let shown = number_text(number);
        Err(self.problem(format!("is {shown}, but must be {must_be}")))
    }

    /// A number that is at most, or below, another.
    pub fn number_to(&self, most: f64, included: bool) -> Result<f64, InputProblem> {
        let number = self.number()?;
        if number < most || included && number == most {
            return Ok(number);
        }
        let must_be = if included { "at most" } else { "below" };
        let shown = number_text(number);
        Err(self.problem(format!("is {shown}, but must be {must_be} {most}")))
    }

    /// A whole number, of those that the key takes.
    pub fn whole(&self) -> Result<u64, InputProblem> {
        let range = self.takes.alternatives().iter().find_map(|one| match one {
            ValueType::Whole(least, most) => Some(*least..=*most),
            _ => None,
        });
        self.integer(range.unwrap_or(0..=u64::MAX))
    }

    /// Whole numbers, of those that the key takes.
    pub fn whole_numbers(&self) -> Result<Vec<u64>, InputProblem> {
        self.list()?.iter().map(Field::whole).collect()
    }

    /// Numbers, of those that the key takes.
    pub fn numbers(&self) -> Result<Vec<f64>, InputProblem> {
        self.list()?.iter().map(Field::number).collect()
    }

    /// A whole number in a range; 10.0 and 1e3 count as whole, as far as every double is exact.
    pub fn integer(&self, range: RangeInclusive<u64>) -> Result<u64, InputProblem> {
        let number = match &self.node.value {
            Value::Integer(i) => *i,
            Value::Float(f) if f.fract() == 0.0 && f.abs() <= LARGEST_EXACT as f64 => *f as i128,
            Value::Float(f) if f.fract() == 0.0 => return Err(self.inexact(*f, &range)),
            Value::Float(f) => {
                let shown = number_text(*f);
                return Err(self.problem(format!("is {shown}, but must be a whole number")));
            }
            _ => return Err(self.not_a_number("a whole number")),
        };
        match u64::try_from(number) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(self.beyond(&number.to_string(), &range)),
        }
    }

    /// The items of a list, each with its position in its path.
    pub fn list(&self) -> Result<Vec<Field<'a>>, InputProblem> {
        let Value::List(items) = &self.node.value else {
            return Err(self.wrong_type("a list"));
        };
        let item = |(i, node)| Field {
            path: format!("{}.{i}", self.path),
            node,
            takes: self.takes.item(),
            example: self.example,
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The table at this key.
    pub fn section(&self) -> Result<Section<'a>, InputProblem> {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        let hint = format!("write {name} = {}", self.example);
        match (&self.node.value, self.takes.table()) {
            (Value::Table(_), Some(keys)) => Section::open(self.node, self.path.clone(), keys),
            _ => Err(self.wrong_type("a table").hint(hint)),
        }
    }

    /// The problem of a value of the wrong type.
    pub fn wrong_type(&self, wanted: &str) -> InputProblem {
        wrong_type(&self.path, self.node, wanted)
    }

    /// The problem of a value that should have been a number, and how to write it where that is
    /// clear.
    fn not_a_number(&self, wanted: &str) -> InputProblem {
        let hint = match (&self.node.value, &self.node.origin) {
            (_, Origin::Set { value, .. }) => intended::hint(&self.path, value),
            (Value::Text(text), _) => intended::hint(&self.path, text),
            (Value::List(items), _) => hint_for_list(&self.path, items),
            _ => None,
        };
        let problem = self.wrong_type(wanted);
        InputProblem { hint, ..problem }
    }

    /// A whole number beyond 2^53 with a point or an exponent: a double cannot hold each of them.
    fn inexact(&self, number: f64, range: &RangeInclusive<u64>) -> InputProblem {
        let shown = number_text(number);
        if number < *range.start() as f64 || number >= *range.end() as f64 {
            return self.beyond(&shown, range);
        }
        self.problem(format!(
            "is {shown}, but whole numbers beyond 2^53 must be written with all their digits"
        ))
        .hint(format!("write {number:.0}"))
    }

    fn beyond(&self, number: &str, range: &RangeInclusive<u64>) -> InputProblem {
        let (low, high) = (range.start(), range.end());
        self.problem(format!(
            "is {number}, but must be a whole number from {low} to {high}"
        ))
    }
}

fn wrong_type(path: &str, node: &TomlNode, wanted: &str) -> InputProblem {
    let what = match &node.value {
        Value::Text(text) => format!("the text {}", quoted(text)),
        Value::Integer(i) => format!("the number {i}"),
        Value::Float(f) => format!("the number {}", number_text(*f)),
        other => other.noun().to_owned(),
    };
    InputProblem::new(
        &node.origin,
        format!("`{path}` is {what}, but must be {wanted}"),
    )
}

/// [`intended::hint`] for a list of numbers where one is wanted.
fn hint_for_list(key: &str, items: &[TomlNode]) -> Option<String> {
    let numbers = items.iter().all(|item| document::number(item).is_some());
    let values: Vec<String> = items.iter().take(20).map(document::shown).collect();
    (numbers && !items.is_empty()).then(|| intended::one_value_only(key, &values.join(",")))
}

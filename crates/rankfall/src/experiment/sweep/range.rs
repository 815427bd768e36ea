//! What a value of a sweep varies over: a list of values, or numbers between two others.

use crate::experiment::document::{Origin, TomlNode, Value, as_toml, parse_value, shown};
use crate::experiment::intended;
use crate::experiment::keys::MOST_POINTS;
use crate::failure::quoted;

/// What a value varies over.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisRange {
    /// These values.
    List(Vec<TomlNode>),
    /// Numbers between two others.
    Between {
        /// Whether ratios, not differences, are equal.
        log: bool,
        /// The first.
        from: f64,
        /// The last.
        to: f64,
        /// How many; a random design needs none.
        count: Option<u64>,
    },
}

impl AxisRange {
    /// Reads a SPEC: `0,0.5,1`, `log(1e-4,1e-1,16)` or `linear(0,2,5)`.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let call = written
            .split_once('(')
            .and_then(|(name, rest)| Some((name.trim(), rest.strip_suffix(')')?)));
        match call {
            Some(("log", arguments)) => between(true, arguments),
            Some(("linear" | "lin", arguments)) => between(false, arguments),
            Some((name, _)) if is_function(name) => Err(format!(
                "{} is not known; known are log(a,b,n) and linear(a,b,n)",
                quoted(name)
            )),
            _ if written.contains("..") && intended::range(written).is_some() => Err(format!(
                "a range is written {}, the last number being how many",
                intended::range(written).unwrap_or_default()
            )),
            _ => list(written),
        }
    }

    /// In one form of writing: values with commas between them, `log(a,b,n)` or `linear(a,b,n)`.
    pub(super) fn written(&self) -> String {
        match self {
            AxisRange::List(nodes) => joined(nodes, ",", shown),
            AxisRange::Between {
                log,
                from,
                to,
                count,
            } => {
                let name = if *log { "log" } else { "linear" };
                let count = count.map_or(String::new(), |n| format!(",{n}"));
                format!("{name}({from:?},{to:?}{count})")
            }
        }
    }

    /// As the value of a key in TOML.
    pub(super) fn as_toml(&self) -> String {
        match self {
            AxisRange::List(nodes) => format!("[{}]", joined(nodes, ", ", as_toml)),
            AxisRange::Between { .. } => format!("\"{}\"", self.written()),
        }
    }
}

fn joined(nodes: &[TomlNode], comma: &str, written: fn(&TomlNode) -> String) -> String {
    let all: Vec<String> = nodes.iter().map(written).collect();
    all.join(comma)
}

fn is_function(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '.' || c == '_')
}

fn between(log: bool, arguments: &str) -> Result<AxisRange, String> {
    let numbers: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let (&[from, to] | &[from, to, _]) = &numbers[..] else {
        return Err("two ends and a number of values are needed".to_owned());
    };
    let end = |text: &str| {
        let number: Option<f64> = text.parse().ok().filter(|x: &f64| x.is_finite());
        number.ok_or_else(|| format!("{} is not a finite number", quoted(text)))
    };
    let (from, to) = (end(from)?, end(to)?);
    if log && (from <= 0.0 || to <= 0.0) {
        return Err("the ends of a logarithmic range must be greater than 0".to_owned());
    }
    if !(to - from).is_finite() || log && !(to / from).is_finite() {
        return Err("its ends are too far apart".to_owned());
    }
    let count = match numbers.get(2) {
        None => None,
        Some(text) => {
            let count: Option<u64> = text.parse().ok();
            let count = count.filter(|count| (1..=MOST_POINTS).contains(count));
            Some(count.ok_or_else(|| {
                format!(
                    "{} is not a whole number from 1 to {MOST_POINTS}",
                    quoted(text)
                )
            })?)
        }
    };
    Ok(AxisRange::Between {
        log,
        from,
        to,
        count,
    })
}

/// Values with commas between them: TOML as far as they are, else text.
fn list(written: &str) -> Result<AxisRange, String> {
    let parsed = |text: &str| parse_value(text, &|_| Origin::Whole);
    let nodes = match parsed(&format!("[{written}]")).map(|list| list.value) {
        Some(Value::List(nodes)) => nodes,
        _ => {
            let pieces = written.split(',').map(str::trim);
            let node = |piece| parsed(piece).unwrap_or_else(|| Value::from(piece).into());
            pieces.map(node).collect()
        }
    };
    let is_empty = |node: &TomlNode| matches!(&node.value, Value::Text(text) if text.is_empty());
    if nodes.is_empty() || nodes.iter().any(is_empty) {
        return Err("a value is missing".to_owned());
    }
    if nodes.len() as u64 > MOST_POINTS {
        return Err(format!("more than {MOST_POINTS} values"));
    }
    Ok(AxisRange::List(nodes))
}

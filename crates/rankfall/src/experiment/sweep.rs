//! The `[sweep]` table and `--over`: which values vary, and over what.

use super::document::{InputProblem, Node, Origin, TableEntry, Value, parse_set_value};
pub use super::document::{number, shown};
use super::intended;
use super::keys;
pub use super::keys::MOST_POINTS;
use super::section::{Field, Section};
use crate::failure::quoted;
use std::collections::HashSet;

/// What varies, and how points are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepSpec {
    /// One axis per value that varies, in order.
    pub axes: Vec<SweepAxisSpec>,
    /// How points are chosen.
    pub design: Design,
    /// Whether every point has a seed of its own; all share the experiment's otherwise.
    pub vary_seed: bool,
}

/// How the points of a sweep are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// Every combination of the values of the axes; the last axis varies fastest.
    Grid,
    /// So many points, each axis drawn independently.
    Random {
        /// How many.
        points: u64,
    },
}

/// A value that varies.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepAxisSpec {
    /// The dotted path of the key, as `--set` takes it; `*` stands for every item of a list.
    pub key: String,
    /// What it varies over, in one form of writing.
    pub written: String,
    /// What it varies over.
    pub range: AxisRange,
    /// Where it was written.
    origin: Origin,
}

/// What a value varies over.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisRange {
    /// These values.
    List(Vec<Node>),
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

impl SweepAxisSpec {
    /// Reads `KEY=SPEC`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_argument(argument: &str) -> Result<Self, InputProblem> {
        let origin = Origin::Over {
            argument: argument.to_owned(),
        };
        let Some((key, spec)) = argument.split_once('=') else {
            return Err(InputProblem::new(&origin, "there is no `=` in it").hint(EXAMPLE));
        };
        Self::new(key.trim(), spec.trim(), origin)
    }

    fn new(key: &str, written: &str, origin: Origin) -> Result<Self, InputProblem> {
        let range = range(written).map_err(|why| {
            InputProblem::new(&origin, format!("{}: {why}", quoted(written))).hint(EXAMPLE)
        })?;
        let written = match &range {
            AxisRange::List(nodes) => nodes.iter().map(shown).collect::<Vec<_>>().join(","),
            AxisRange::Between { .. } => between_in_words(&range),
        };
        Self::with_range(key, written, range, origin)
    }

    fn with_range(
        key: &str,
        written: String,
        range: AxisRange,
        origin: Origin,
    ) -> Result<Self, InputProblem> {
        let segments: Vec<&str> = key.split('.').map(str::trim).collect();
        if segments.len() < 2 || segments.iter().any(|s| s.is_empty()) {
            let message = format!("{} is not the dotted key of a value", quoted(key));
            return Err(InputProblem::new(&origin, message).hint(EXAMPLE));
        }
        if segments[0] == "sweep" {
            let message = "a sweep cannot vary itself";
            return Err(InputProblem::new(&origin, message).hint(EXAMPLE));
        }
        Ok(SweepAxisSpec {
            key: canonical(&segments),
            written,
            range,
            origin,
        })
    }

    /// Whether setting this axis also sets the value at the dotted path `key`, or all of it.
    pub fn sets(&self, key: &str) -> bool {
        let (own, other): (Vec<&str>, Vec<&str>) =
            (self.key.split('.').collect(), key.split('.').collect());
        let same = |(a, b): (&&str, &&str)| {
            let is_item = |s: &str| s == "*" || s.parse::<usize>().is_ok();
            let numbers = (a.parse::<usize>(), b.parse::<usize>());
            a == b
                || (*a == "*" && is_item(b))
                || (*b == "*" && is_item(a))
                || matches!(numbers, (Ok(a), Ok(b)) if a == b)
        };
        own.len() <= other.len() && own.iter().zip(&other).all(same)
    }

    /// The problem of two axes that set the same value, so that one of them would not vary.
    fn overlap(&self, other: &SweepAxisSpec) -> InputProblem {
        let message = format!(
            "`{}` and `{}` both set {}, so one would vary in name only",
            self.key,
            other.key,
            if self.key == other.key {
                "the same value"
            } else {
                "some of the same values"
            }
        );
        InputProblem::new(&other.origin, message)
            .hint("keep one of them, or name the items one by one: dynamics.0.…, dynamics.1.…")
    }

    /// A problem with this axis.
    pub fn problem(&self, message: impl Into<String>) -> InputProblem {
        InputProblem::new(&self.origin, format!("`{}` {}", self.key, message.into()))
    }

    /// Whether the key takes whole numbers, so that numbers between others are rounded.
    pub fn is_whole(&self) -> bool {
        let is_name = |part: &&str| *part != "*" && part.parse::<usize>().is_err();
        let name = self.key.rsplit('.').find(is_name);
        name.is_some_and(keys::is_whole)
    }

    /// The values of a grid, in order.
    ///
    /// # Errors
    /// A range without a count; a value that is there twice.
    pub fn values(&self) -> Result<Vec<Node>, InputProblem> {
        match &self.range {
            AxisRange::List(nodes) => {
                let mut seen = HashSet::new();
                let twice = nodes.iter().find(|node| !seen.insert(shown(node)));
                match twice {
                    Some(node) => Err(self.problem(format!("has {} twice", shown(node)))),
                    None => Ok(nodes.clone()),
                }
            }
            AxisRange::Between { count: None, .. } => Err(self
                .problem("has no number of values, which a grid needs")
                .hint("write log(a,b,n) or linear(a,b,n), or choose design = \"random\"")),
            AxisRange::Between { count, .. } => {
                let count = count.unwrap_or(1);
                let share = |i: u64| i as f64 / (count.max(2) - 1) as f64;
                let mut values: Vec<f64> = (0..count).map(|i| self.number(share(i))).collect();
                values.dedup();
                Ok(values.into_iter().map(|x| self.node(x)).collect())
            }
        }
    }

    /// The value at a share of the way, 0 to 1, for a random design.
    pub fn value_at(&self, share: f64) -> Node {
        match &self.range {
            AxisRange::List(nodes) => {
                let at = (share * nodes.len() as f64) as usize;
                nodes[at.min(nodes.len() - 1)].clone()
            }
            AxisRange::Between { .. } => self.node(self.number(share)),
        }
    }

    /// The number at a share of the way of a range; its ends are met exactly, others have twelve
    /// digits: enough to tell them apart, and 0.1 is 0.1.
    fn number(&self, share: f64) -> f64 {
        let AxisRange::Between { log, from, to, .. } = self.range else {
            return f64::NAN;
        };
        let number = match share {
            0.0 => from,
            1.0 => to,
            _ if log => from * libm::pow(to / from, share),
            _ => from + (to - from) * share,
        };
        if self.is_whole() {
            number.round()
        } else {
            rounded(number)
        }
    }

    fn node(&self, number: f64) -> Node {
        Node {
            value: Value::Float(number),
            origin: self.origin.clone(),
        }
    }
}

/// A dotted key in one spelling: positions as `0`, not `00`.
fn canonical(segments: &[&str]) -> String {
    let spelled = |s: &&str| match s.parse::<usize>() {
        Ok(position) => position.to_string(),
        Err(_) => (*s).to_owned(),
    };
    segments.iter().map(spelled).collect::<Vec<_>>().join(".")
}

/// Refuses axes of which one sets what another sets.
fn refuse_overlaps(axes: &[SweepAxisSpec]) -> Result<(), InputProblem> {
    for (position, axis) in axes.iter().enumerate() {
        let clash = axes[..position]
            .iter()
            .find(|other| other.sets(&axis.key) || axis.sets(&other.key));
        if let Some(other) = clash {
            return Err(other.overlap(axis));
        }
    }
    Ok(())
}

const EXAMPLE: &str = "write KEY=SPEC with values like 0,0.5,1, or log(1e-4,1e-1,16), or \
     linear(0,2,5), for instance dynamics.0.step_size=log(1e-4,1e-1,16)";

/// A number with twelve significant digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

/// Reads a SPEC.
fn range(written: &str) -> Result<AxisRange, String> {
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
    let whole = parse_set_value(written, &format!("[{written}]"));
    let nodes = match whole.value {
        Value::List(nodes) => nodes,
        _ => written
            .split(',')
            .map(|piece| parse_set_value(written, piece.trim()))
            .collect(),
    };
    let is_empty = |node: &Node| matches!(&node.value, Value::Text(text) if text.is_empty());
    if nodes.is_empty() || nodes.iter().any(is_empty) {
        return Err("a value is missing".to_owned());
    }
    if nodes.len() as u64 > MOST_POINTS {
        return Err(format!("more than {MOST_POINTS} values"));
    }
    Ok(AxisRange::List(nodes))
}

/// What the command line says of a sweep.
#[derive(Clone, Debug, Default)]
pub struct SweepArgumentsRead {
    /// `--over`, as given.
    pub over: Vec<String>,
    /// `--design`.
    pub random: Option<bool>,
    /// `--points`.
    pub points: Option<u64>,
    /// `--vary-seed`.
    pub vary_seed: bool,
}

/// Reads the `[sweep]` table of a file, if it has one, and what the command line says on top of it:
/// `--over` replaces the axis of that key, or adds one.
pub fn read(root: &Node, given: &SweepArgumentsRead) -> Result<SweepSpec, InputProblem> {
    let mut axes = Vec::new();
    let (mut random, mut points, mut vary_seed) = (false, None, false);
    if let Some(table) = table_of(root) {
        let section = Section::open(table, "sweep", &keys::SWEEP)?;
        if let Some(over) = section.field("over") {
            read_over(&over, &over.node.clone(), "", &mut axes)?;
        }
        if let Some(design) = section.field("design") {
            random = design.chosen()? == "random";
        }
        if let Some(field) = section.field("points") {
            points = Some(field.whole()?);
        }
        if let Some(field) = section.field("vary_seed") {
            vary_seed = field.flag()?;
        }
    }
    let over = given
        .over
        .iter()
        .map(|argument| SweepAxisSpec::from_argument(argument));
    let over = over.collect::<Result<Vec<_>, _>>()?;
    refuse_overlaps(&axes)?;
    refuse_overlaps(&over)?;
    for axis in over {
        match axes.iter_mut().find(|a| a.key == axis.key) {
            Some(old) => *old = axis,
            None => axes.push(axis),
        }
    }
    refuse_overlaps(&axes)?;
    random = given.random.unwrap_or(random);
    points = given.points.or(points);
    let origin = table_of(root).map_or(Origin::Whole, |table| table.origin.clone());
    if axes.is_empty() {
        let message = "nothing varies: there is neither --over nor a [sweep] table with `over`";
        return Err(InputProblem::new(&origin, message).hint(EXAMPLE));
    }
    let design = match (random, points) {
        (true, Some(points)) => Design::Random { points },
        (true, None) => {
            let message = "a random design needs its number of points";
            return Err(
                InputProblem::new(&origin, message).hint("add points = 100, or --points 100")
            );
        }
        (false, Some(_)) => {
            let message = "`points` is for a random design; a grid has all combinations";
            let hint = "leave it out, or choose design = \"random\" (--design random)";
            return Err(InputProblem::new(&origin, message).hint(hint));
        }
        (false, None) => Design::Grid,
    };
    Ok(SweepSpec {
        axes,
        design,
        vary_seed: vary_seed || given.vary_seed,
    })
}

/// The `[sweep]` table of a file.
fn table_of(root: &Node) -> Option<&Node> {
    let Value::Table(entries) = &root.value else {
        return None;
    };
    entries.iter().find(|e| e.key == "sweep").map(|e| &e.node)
}

/// Reads `over`: keys in quotes, or tables within tables.
fn read_over(
    over: &Field,
    node: &Node,
    path: &str,
    axes: &mut Vec<SweepAxisSpec>,
) -> Result<(), InputProblem> {
    let Value::Table(entries) = &node.value else {
        return Err(over
            .wrong_type("a table")
            .hint("write over = { \"dynamics.0.step_size\" = \"log(1e-4,1e-1,16)\" }"));
    };
    for entry in entries {
        let key = if path.is_empty() {
            entry.key.clone()
        } else {
            format!("{path}.{}", entry.key)
        };
        let origin = entry.origin.clone();
        let axis = match &entry.node.value {
            Value::Table(_) => {
                read_over(over, &entry.node, &key, axes)?;
                continue;
            }
            Value::Text(text) => SweepAxisSpec::new(&key, text.trim(), origin)?,
            Value::List(items) if items.is_empty() => {
                return Err(InputProblem::new(&origin, format!("`{key}` has no values")));
            }
            Value::List(items) => {
                let written: Vec<String> = items.iter().map(shown).collect();
                let range = AxisRange::List(items.clone());
                SweepAxisSpec::with_range(&key, written.join(","), range, origin)?
            }
            _ => {
                let range = AxisRange::List(vec![entry.node.clone()]);
                SweepAxisSpec::with_range(&key, shown(&entry.node), range, origin)?
            }
        };
        axes.push(axis);
    }
    Ok(())
}

/// The `[sweep]` table of the resolved copy.
pub fn resolved(spec: &SweepSpec) -> String {
    let text = |text: &str| toml::Value::from(text).to_string();
    let mut lines = "\n[sweep]\n".to_owned();
    match spec.design {
        Design::Grid => lines += "design = \"grid\"\n",
        Design::Random { points } => {
            lines += &format!("design = \"random\"\npoints = {points}\n");
        }
    }
    lines += &format!("vary_seed = {}\n\n[sweep.over]\n", spec.vary_seed);
    for axis in &spec.axes {
        lines += &format!("{} = {}\n", text(&axis.key), resolved_values(axis));
    }
    lines
}

fn resolved_values(axis: &SweepAxisSpec) -> String {
    match &axis.range {
        AxisRange::List(nodes) => {
            let values: Vec<String> = nodes.iter().map(as_toml).collect();
            format!("[{}]", values.join(", "))
        }
        AxisRange::Between { .. } => format!("\"{}\"", between_in_words(&axis.range)),
    }
}

/// `log(a,b,n)` or `linear(a,b,n)`; empty for a list.
fn between_in_words(range: &AxisRange) -> String {
    let AxisRange::Between {
        log,
        from,
        to,
        count,
    } = range
    else {
        return String::new();
    };
    let name = if *log { "log" } else { "linear" };
    let count = count.map_or(String::new(), |n| format!(",{n}"));
    format!("{name}({from:?},{to:?}{count})")
}

/// A value as TOML.
pub fn as_toml(node: &Node) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::document::parse;
    use super::*;

    fn numbers(argument: &str) -> Vec<f64> {
        let axis = SweepAxisSpec::from_argument(argument).unwrap();
        let values = axis.values().unwrap();
        values.iter().map(|node| number(node).unwrap()).collect()
    }

    fn refused(argument: &str) -> String {
        let axis = SweepAxisSpec::from_argument(argument);
        axis.and_then(|axis| axis.values().map(drop))
            .unwrap_err()
            .message
    }

    #[test]
    fn lists_and_ranges_have_the_values_they_say() {
        assert_eq!(numbers("d.0.x=0,0.5,1"), [0.0, 0.5, 1.0]);
        assert_eq!(numbers("d.0.x = 3"), [3.0]);
        assert_eq!(numbers("d.0.x=linear(0,2,5)"), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(numbers("d.0.x=linear(2, 0, 2)"), [2.0, 0.0]);
        let decades = numbers("d.0.x=log(1e-4,1e-1,4)");
        assert_eq!((decades[0], decades[3]), (1e-4, 1e-1));
        assert_eq!((decades[1], decades[2]), (1e-3, 1e-2));
        assert_eq!(numbers("d.0.x=log(1,1,1)"), [1.0]);
    }

    #[test]
    fn whole_numbers_stay_whole_and_are_there_once() {
        assert_eq!(numbers("d.0.batch_size=log(1,8,4)"), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!(numbers("d.0.step_size=log(1,1024,11)")[7], 128.0);
        assert_eq!(numbers("network.width=log(1,4,9)"), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(numbers("network.width=linear(1,2,2)"), [1.0, 2.0]);
    }

    #[test]
    fn texts_lists_and_tables_are_values_too() {
        let values = |argument: &str| -> Vec<String> {
            let axis = SweepAxisSpec::from_argument(argument).unwrap();
            axis.values().unwrap().iter().map(shown).collect()
        };
        assert_eq!(
            values("d.0.x=lie-euler,euler-maruyama"),
            ["lie-euler", "euler-maruyama"]
        );
        assert_eq!(values("d.0.x=\"a,b\",\"c\""), ["a,b", "c"]);
        assert_eq!(values("d.x=[1,2],[3]"), ["[1, 2]", "[3]"]);
        assert_eq!(values("d.x=identity,{ power_law = 1.0 }").len(), 2);
        assert_eq!(values("d.x=true,false"), ["true", "false"]);
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (argument, why) in [
            ("d.x", "no `=`"),
            ("x=1,2", "not the dotted key"),
            ("d..x=1,2", "not the dotted key"),
            ("sweep.points=1,2", "cannot vary itself"),
            ("d.x=log(0,1,3)", "greater than 0"),
            ("d.x=log(1,2)", "no number of values"),
            ("d.x=log(1,2,0)", "from 1 to 100000"),
            ("d.x=log(1,2,1000000)", "from 1 to 100000"),
            ("d.x=log(1,2,3.5)", "from 1 to 100000"),
            ("d.x=log(1)", "two ends"),
            ("d.x=log(1,2,3,4)", "two ends"),
            ("d.x=log(a,2,3)", "\"a\" is not a finite number"),
            ("d.x=linear(-1e308,1e308,3)", "too far apart"),
            ("d.x=log(1e-300,1e300,3)", "too far apart"),
            ("d.x=linear(0,inf,3)", "not a finite number"),
            ("d.x=geom(1,2,3)", "\"geom\" is not known"),
            ("d.x=np.logspace(1,2,3)", "\"np.logspace\" is not known"),
            ("d.x=1e-3..1e-1", "a range is written log(1e-3,1e-1,16)"),
            ("d.x=", "missing"),
            ("d.x=1,,2", "missing"),
            ("d.x=1,2,1", "has 1 twice"),
        ] {
            let message = refused(argument);
            assert!(message.contains(why), "{argument}: {message}");
        }
    }

    #[test]
    fn tables_and_arguments_say_the_same() {
        let given = |over: &[&str]| SweepArgumentsRead {
            over: over.iter().map(|s| (*s).to_owned()).collect(),
            ..SweepArgumentsRead::default()
        };
        let read_text = |text: &str, over: &[&str]| read(&parse(text).unwrap(), &given(over));
        let keys_and_values = |spec: &SweepSpec| -> Vec<(String, Vec<String>)> {
            let values = |a: &SweepAxisSpec| a.values().unwrap().iter().map(shown).collect();
            spec.axes
                .iter()
                .map(|a| (a.key.clone(), values(a)))
                .collect()
        };
        let arguments = read_text("", &["d.0.x=log(1,4,3)", "n.w=1,2"]).unwrap();
        for text in [
            "[sweep]\nover = { \"d.0.x\" = \"log(1,4,3)\", \"n.w\" = [1, 2] }",
            "[sweep.over]\n\"d.0.x\" = [1, 2, 4]\nn.w = \"1,2\"",
            "[sweep.over]\nd.0.x = \"1,2,4\"\nn.w = \"linear(1,2,2)\"",
        ] {
            let table = read_text(text, &[]).unwrap();
            assert_eq!(
                keys_and_values(&table),
                keys_and_values(&arguments),
                "{text}"
            );
            let again = read_text(&resolved(&table), &[]).unwrap();
            assert_eq!(keys_and_values(&again), keys_and_values(&table));
        }
        let replaced = read_text("[sweep.over]\n\"n.w\" = [7]", &["n.w=1", "d.x=2"]).unwrap();
        assert_eq!(replaced.axes.len(), 2);
        assert_eq!(replaced.axes[0].written, "1");
    }

    #[test]
    fn axes_that_set_the_same_value_are_refused_and_both_named() {
        let read_both = |table: &str, over: &[&str]| {
            let over = over.iter().map(|s| (*s).to_owned()).collect();
            let given = SweepArgumentsRead {
                over,
                ..SweepArgumentsRead::default()
            };
            read(&parse(table).unwrap(), &given)
        };
        for (table, over, named) in [
            ("", &["d.*.k=1,2", "d.0.k=3,4"][..], ["`d.*.k`", "`d.0.k`"]),
            ("", &["d.0.k=1,2", "d.*.k=3,4"], ["`d.*.k`", "`d.0.k`"]),
            (
                "",
                &["n.init={a=1},{a=2}", "n.init.a=3"],
                ["`n.init`", "`n.init.a`"],
            ),
            ("", &["n.w=1,2", "n.w=3"], ["`n.w`", "same value"]),
            ("", &["d.00.k=1,2", "d.0.k=3"], ["`d.0.k`", "same value"]),
            ("", &["d.*.k=1,2", "d . 1 . k=3"], ["`d.*.k`", "`d.1.k`"]),
            (
                "[sweep.over]\n\"n.w\" = [1]\nn.w = [2]",
                &[],
                ["`n.w`", "same value"],
            ),
            (
                "[sweep.over]\n\"d.0.k\" = [1]",
                &["d.*.k=2"],
                ["`d.0.k`", "`d.*.k`"],
            ),
        ] {
            let message = read_both(table, over).unwrap_err().message;
            assert!(
                named.iter().all(|n| message.contains(n)),
                "{over:?}: {message}"
            );
        }
        for over in [
            ["d.0.k=1,2", "d.1.k=3"],
            ["d.*.k=1", "d.*.j=2"],
            ["n.w=1", "n.width=2"],
        ] {
            assert_eq!(read_both("", &over).unwrap().axes.len(), 2, "{over:?}");
        }
        // A key of the table in another spelling is that key, and --over replaces its values.
        let replaced = read_both("[sweep.over]\n\"d.0.k\" = [1]", &["d.00.k=2"]).unwrap();
        assert_eq!(
            (replaced.axes.len(), &replaced.axes[0].written[..]),
            (1, "2")
        );
    }

    #[test]
    fn designs_need_what_they_need() {
        let refused = |text: &str| {
            let root = parse(text).unwrap();
            read(&root, &SweepArgumentsRead::default())
                .unwrap_err()
                .message
        };
        assert!(refused("").contains("nothing varies"));
        assert!(refused("[sweep]\nover = 3").contains("must be a table"));
        let axis = "over = { \"n.w\" = [1] }";
        assert!(refused(&format!("[sweep]\n{axis}\ndesign = \"random\"")).contains("number of"));
        assert!(refused(&format!("[sweep]\n{axis}\npoints = 3")).contains("random design"));
        assert!(refused(&format!("[sweep]\n{axis}\ndesgin = 3")).contains("`design`"));
        assert!(refused(&format!("[sweep]\n{axis}\ndesign = \"gird\"")).contains("grid"));
    }
}

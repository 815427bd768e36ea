//! One value that varies in a sweep: its key, and its values in a grid or in a random design.

use super::range::AxisRange;
use crate::experiment::document::{InputProblem, Origin, TomlNode, Value, shown};
use crate::experiment::keys;
use crate::failure::quoted;
use std::collections::HashSet;

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

pub(super) const EXAMPLE: &str = "write KEY=SPEC with values like 0,0.5,1, or log(1e-4,1e-1,16), or \
     linear(0,2,5), for instance dynamics.0.step_size=log(1e-4,1e-1,16)";

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

    pub(super) fn new(key: &str, written: &str, origin: Origin) -> Result<Self, InputProblem> {
        let range = AxisRange::parse(written).map_err(|why| {
            InputProblem::new(&origin, format!("{}: {why}", quoted(written))).hint(EXAMPLE)
        })?;
        Self::with_range(key, range, origin)
    }

    pub(super) fn with_range(
        key: &str,
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
            written: range.written(),
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
    pub(super) fn overlap(&self, other: &SweepAxisSpec) -> InputProblem {
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
    pub fn values(&self) -> Result<Vec<TomlNode>, InputProblem> {
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
    pub fn value_at(&self, share: f64) -> TomlNode {
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

    fn node(&self, number: f64) -> TomlNode {
        TomlNode {
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

/// A number with twelve significant digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::document::number;

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
        // As many as there may be, none of which may hold all of the argument.
        let most: Vec<String> = (0..100_000).map(|i| i.to_string()).collect();
        assert_eq!(numbers(&format!("d.0.x={}", most.join(","))).len(), 100_000);
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
}

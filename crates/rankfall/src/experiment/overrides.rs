//! `--set key=value`: replacing single values of an experiment before it is read.

use super::document::{InputProblem, Origin, TableEntry, TomlNode, Value, parse_set_value};
use crate::failure::quoted;

/// Applies `key=value` arguments in order; later ones win.
///
/// A key is a dotted path in which lists count from 0 (`dynamics.0.step_size`). Tables that are
/// not there are made, so that a wrong name is caught where all unknown keys are.
pub fn apply(root: &mut TomlNode, arguments: &[String]) -> Result<(), InputProblem> {
    arguments.iter().try_for_each(|a| apply_one(root, a))
}

fn apply_one(root: &mut TomlNode, argument: &str) -> Result<(), InputProblem> {
    let origin = Origin::Set {
        argument: argument.into(),
        value: String::new(),
    };
    let Some((path, value)) = argument.split_once('=') else {
        return Err(InputProblem::new(&origin, "there is no `=` in it").hint(EXAMPLE));
    };
    let segments: Vec<&str> = path.trim().split('.').map(str::trim).collect();
    if segments.iter().any(|s| s.is_empty()) {
        let message = format!("{} is not a dotted key", quoted(path));
        return Err(InputProblem::new(&origin, message).hint(EXAMPLE));
    }
    let new = parse_set_value(argument, value.trim());
    let target = locate(root, &segments, &new.origin)?;
    *target = new;
    Ok(())
}

const EXAMPLE: &str = "write it as --set key=value, for instance --set dynamics.0.step_size=0.02";

/// Replaces the value of a dotted key, in which `*` stands for every item of a list.
pub fn set(root: &mut TomlNode, key: &str, new: &TomlNode) -> Result<(), InputProblem> {
    let segments: Vec<&str> = key.split('.').collect();
    set_all(root, &segments, new)
}

fn set_all(root: &mut TomlNode, segments: &[&str], new: &TomlNode) -> Result<(), InputProblem> {
    let Some(star) = segments.iter().position(|s| *s == "*") else {
        *locate(root, segments, &new.origin)? = new.clone();
        return Ok(());
    };
    let list = locate(root, &segments[..star], &new.origin)?;
    let Value::List(items) = &mut list.value else {
        let message = format!("`{}` is not a list", segments[..star].join("."));
        return Err(InputProblem::new(&new.origin, message).hint("* stands for every item of one"));
    };
    let rest = &segments[star + 1..];
    items.iter_mut().try_for_each(|item| match rest {
        [] => {
            *item = new.clone();
            Ok(())
        }
        rest => set_all(item, rest, new),
    })
}

/// Longer paths lead nowhere, and tables within tables are taken apart one within the other.
const DEEPEST: usize = 100;

/// The node at the path, made on the way where a table lacks it.
fn locate<'n>(
    root: &'n mut TomlNode,
    segments: &[&str],
    origin: &Origin,
) -> Result<&'n mut TomlNode, InputProblem> {
    if segments.len() > DEEPEST {
        let message = format!(
            "a key has at most {DEEPEST} parts, and this one has {}",
            segments.len()
        );
        return Err(InputProblem::new(origin, message).hint(EXAMPLE));
    }
    let mut node = root;
    for (depth, segment) in segments.iter().enumerate() {
        let so_far = segments[..depth].join(".");
        node = match &mut node.value {
            Value::Table(entries) => entry(entries, segment, origin),
            Value::List(items) => item(items, segment, &so_far, origin)?,
            other => {
                let message = format!("`{so_far}` is {}, so it has no `{segment}`", other.noun());
                return Err(InputProblem::new(origin, message).hint(format!(
                    "set it as a whole: --set '{so_far}={{ {segment} = … }}'"
                )));
            }
        };
    }
    Ok(node)
}

fn entry<'n>(entries: &'n mut Vec<TableEntry>, key: &str, origin: &Origin) -> &'n mut TomlNode {
    let at = entries.iter().position(|e| e.key == key);
    let at = at.unwrap_or_else(|| {
        let of_key = match origin {
            Origin::Set { argument, .. } => Origin::Set {
                argument: argument.clone(),
                value: String::new(),
            },
            other => other.clone(),
        };
        entries.push(TableEntry {
            key: key.to_owned(),
            origin: of_key,
            node: TomlNode {
                value: Value::Table(Vec::new()),
                origin: origin.clone(),
            },
        });
        entries.len() - 1
    });
    &mut entries[at].node
}

fn item<'n>(
    items: &'n mut [TomlNode],
    segment: &str,
    list: &str,
    origin: &Origin,
) -> Result<&'n mut TomlNode, InputProblem> {
    let count = items.len();
    let positions = match count {
        0 => format!("`{list}` is empty"),
        1 => format!("`{list}` has one item, at position 0"),
        _ => format!(
            "`{list}` has {count} items, at positions 0 to {}",
            count - 1
        ),
    };
    let Ok(at) = segment.parse::<usize>() else {
        let message = format!("{} is not a position: {positions}", quoted(segment));
        return Err(InputProblem::new(origin, message).hint(EXAMPLE));
    };
    let beyond = format!("there is no `{list}.{segment}`: {positions}");
    items
        .get_mut(at)
        .ok_or_else(|| InputProblem::new(origin, beyond))
}

#[cfg(test)]
mod tests {
    use super::super::document::parse;
    use super::*;

    fn set(text: &str, argument: &str) -> Result<TomlNode, InputProblem> {
        let mut root = parse(text).unwrap();
        apply(&mut root, &[argument.to_owned()])?;
        Ok(root)
    }

    fn value_at<'n>(root: &'n mut TomlNode, path: &[&str]) -> &'n Value {
        &locate(root, path, &Origin::Whole).unwrap().value
    }

    #[test]
    fn replaces_inside_lists_and_makes_missing_tables() {
        let mut root = set("[[d]]\nx = 1\n[[d]]\nx = 2", "d.1.x=3").unwrap();
        assert_eq!(*value_at(&mut root, &["d", "0", "x"]), Value::Integer(1));
        assert_eq!(*value_at(&mut root, &["d", "1", "x"]), Value::Integer(3));
        let mut root = set("", "a.b.c = hello = you").unwrap();
        let text = Value::Text("hello = you".into());
        assert_eq!(*value_at(&mut root, &["a", "b", "c"]), text);
    }

    #[test]
    fn says_how_many_items_there_are() {
        let problem = set("[[d]]\n[[d]]", "d.2.x=3").unwrap_err();
        assert!(problem.message.contains("2 items, at positions 0 to 1"));
        let problem = set("[[d]]\n[[d]]", "d.first.x=3").unwrap_err();
        assert!(problem.message.contains("\"first\" is not a position"));
    }

    #[test]
    fn refuses_what_is_not_an_assignment() {
        assert!(set("", "a").unwrap_err().message.contains("no `=`"));
        assert!(set("", "=1").unwrap_err().message.contains("dotted key"));
        assert!(
            set("", "a..b=1")
                .unwrap_err()
                .message
                .contains("dotted key")
        );
        let deep = format!("{}a=1", "a.".repeat(60_000));
        assert!(set("", &deep).unwrap_err().message.contains("at most 100"));
        let problem = set("c = \"identity\"", "c.power_law=1").unwrap_err();
        assert!(problem.message.contains("`c` is text"));
    }
}

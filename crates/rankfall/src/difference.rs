//! In what two resolved experiments differ.

use crate::failure::{Failure, shown_path};
use std::collections::BTreeMap;
use std::path::Path;

/// Refuses to go on in a folder with another experiment in it.
///
/// # Errors
/// Exit code 2, with the first key that differs.
pub fn expect_same_experiment(
    folder: &Path,
    recorded: &str,
    resolved: &str,
) -> Result<(), Failure> {
    if recorded == resolved {
        return Ok(());
    }
    let message = format!(
        "the run in {} is of another experiment: {}",
        shown_path(folder),
        first_difference(recorded, resolved, ["there", "here"])
    );
    Err(Failure::input(message).hint("--force replaces it, --out DIR writes elsewhere"))
}

/// The first key, in alphabetical order, in which two experiments differ, with both values;
/// `places` are what to call them.
pub fn first_difference(one: &str, other: &str, places: [&str; 2]) -> String {
    let (Some(one), Some(other)) = (values_of(one), values_of(other)) else {
        return "one of the two cannot be read as an experiment".to_owned();
    };
    let differs = |key: &&String| one.get(*key) != other.get(*key);
    let Some(key) = one.keys().chain(other.keys()).filter(differs).min() else {
        return "the files that its points read, or how it is written".to_owned();
    };
    let said = |values: &BTreeMap<String, String>| match values.get(key) {
        Some(value) => format!("{} = {}", shortened(key), shortened(value)),
        None => format!("{} is not given", shortened(key)),
    };
    let [here, there] = [said(&one), said(&other)];
    format!("{} {here}, {} {there}", places[0], places[1])
}

/// Whether two experiments are one, wherever the files lie whose checksums they note: machines have
/// folders of their own.
pub fn same_but_for_places(one: &str, other: &str) -> bool {
    one == other
        || match (without_places(one), without_places(other)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        }
}

/// The values of an experiment without the places of files whose checksums are among them.
fn without_places(text: &str) -> Option<BTreeMap<String, String>> {
    let mut values = values_of(text)?;
    for section in ["data", "network.init"] {
        // Of a table held out there is no checksum.
        let is_known = values.contains_key(&format!("{section}.checksum"))
            && !values.contains_key(&format!("{section}.test_path"));
        if is_known {
            values.remove(&format!("{section}.path"));
        }
    }
    Some(values)
}

/// Every value of an experiment as it is written, by its dotted key; `None` if it is no TOML.
fn values_of(text: &str) -> Option<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    flatten("", &toml::Value::Table(text.parse().ok()?), &mut values);
    Some(values)
}

fn flatten(key: &str, value: &toml::Value, values: &mut BTreeMap<String, String>) {
    let below = |name: &str| match key {
        "" => name.to_owned(),
        _ => format!("{key}.{name}"),
    };
    match value {
        toml::Value::Table(entries) => entries
            .iter()
            .for_each(|(name, value)| flatten(&below(name), value, values)),
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => items
            .iter()
            .enumerate()
            .for_each(|(place, value)| flatten(&below(&place.to_string()), value, values)),
        _ => {
            values.insert(key.to_owned(), value.to_string());
        }
    }
}

/// Cut to a length that fits a message: a checksum or a long path has its beginning.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_has_its_key_and_both_values() {
        let [one, other] = ["1", "2"].map(|seed| {
            format!(
                "name = \"a\"\n[[dynamics]]\nkind = \"sgd\"\n[run]\nseed = {seed}\ntime = 3.0\n"
            )
        });
        let said = first_difference(&one, &other, ["there", "here"]);
        assert_eq!(said, "there run.seed = 1, here run.seed = 2");
        let more = one.replace("sgd\"", "sgd\"\nbatch_size = 2");
        let said = first_difference(&one, &more, ["there", "here"]);
        assert_eq!(
            said,
            "there dynamics.0.batch_size is not given, here dynamics.0.batch_size = 2"
        );
    }

    #[test]
    fn files_with_checksums_may_lie_anywhere() {
        let of = |path: &str, checksum: &str| {
            format!(
                "name = \"a\"\n[data]\nkind = \"file\"\npath = \"{path}\"\nchecksum = \"{checksum}\"\n"
            )
        };
        assert!(same_but_for_places(
            &of("/a/x.csv", "12"),
            &of("/b/x.csv", "12")
        ));
        assert!(!same_but_for_places(
            &of("/a/x.csv", "12"),
            &of("/a/x.csv", "13")
        ));
        let unread = |path: &str| of(path, "").replace("checksum = \"\"\n", "");
        assert!(!same_but_for_places(&unread("/a"), &unread("/b")));
    }
}

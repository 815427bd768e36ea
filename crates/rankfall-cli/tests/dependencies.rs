//! Dependencies: none that is known to be unmaintained without a reason in `deny.toml`, and no
//! crate of the workspace that could hold unsafe code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Unmaintained crates that are, or were, common below the dependencies here, and their advisories
/// of the RustSec database. `cargo deny check` knows all of them, where it can reach that database.
const UNMAINTAINED: &[(&str, &str)] = &[
    ("adler", "RUSTSEC-2025-0056"),
    ("ansi_term", "RUSTSEC-2021-0139"),
    ("atomic-polyfill", "RUSTSEC-2023-0089"),
    ("bincode", "RUSTSEC-2025-0141"),
    ("derivative", "RUSTSEC-2024-0388"),
    ("fxhash", "RUSTSEC-2025-0057"),
    ("instant", "RUSTSEC-2024-0384"),
    ("number_prefix", "RUSTSEC-2025-0119"),
    ("paste", "RUSTSEC-2024-0436"),
    ("proc-macro-error", "RUSTSEC-2024-0370"),
    ("tempdir", "RUSTSEC-2018-0017"),
    ("ttf-parser", "RUSTSEC-2026-0192"),
    ("yaml-rust", "RUSTSEC-2024-0320"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse()
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every advisory that applies to one of these crates and is not ignored, and every one that is
/// ignored and applies to none.
fn complaints(crates: &BTreeSet<String>, ignored: &BTreeSet<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, id) in UNMAINTAINED {
        match (crates.contains(*name), ignored.contains(*id)) {
            (true, false) => complaints.push(format!(
                "{name} is unmaintained ({id}): replace it, or say in deny.toml why not"
            )),
            (false, true) => complaints.push(format!(
                "{name} is not in Cargo.lock: take {id} out of deny.toml"
            )),
            _ => {}
        }
    }
    complaints
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn no_crate_is_unmaintained_without_a_reason() {
    let lock = table(&root().join("Cargo.lock"));
    let packages = lock["package"].as_array().unwrap().iter();
    let crates = packages.map(|p| p["name"].as_str().unwrap().to_owned());
    let deny = table(&root().join("deny.toml"));
    let ignored = deny["advisories"]["ignore"].as_array().unwrap();
    for one in ignored {
        assert!(
            one["reason"].as_str().is_some_and(|why| why.len() > 20),
            "{one}"
        );
    }
    let ids = ignored
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned());
    let found = complaints(&crates.collect(), &ids.collect());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_missing_and_a_stale_reason_are_noticed() {
    let missing = complaints(&set(&["serde", "instant"]), &set(&[]));
    assert!(missing[0].contains("RUSTSEC-2024-0384") && missing.len() == 1);
    let stale = complaints(&set(&["serde"]), &set(&["RUSTSEC-2024-0384"]));
    assert!(stale[0].contains("instant is not in Cargo.lock") && stale.len() == 1);
    assert!(complaints(&set(&["instant"]), &set(&["RUSTSEC-2024-0384"])).is_empty());
}

#[test]
fn every_crate_of_the_workspace_forbids_unsafe_code() {
    let workspace = table(&root().join("Cargo.toml"));
    let lint = &workspace["workspace"]["lints"]["rust"]["unsafe_code"];
    assert_eq!(lint.as_str(), Some("forbid"));
    for folder in ["crates", "tools"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let manifest = entry.unwrap().path().join("Cargo.toml");
            let lints = table(&manifest).get("lints").cloned();
            let inherits = lints.and_then(|l| l.get("workspace").and_then(Value::as_bool));
            assert_eq!(inherits, Some(true), "{}", manifest.display());
        }
    }
}

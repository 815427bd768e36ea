//! Which files of a crate use which, read from the `use` lines and paths of its sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which files each file uses. A page uses what it takes from the files below it.
pub type Uses = BTreeMap<String, BTreeSet<String>>;

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Without comments and without what stands in `mod tests`.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path below `prefix` that is named: `a::{b, c::d}` gives a::b and a::c::d.
fn paths(code: &str, prefix: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            expand(&code[at + prefix.len()..], Vec::new(), &mut out);
        }
    }
    out
}

/// Reads one path, or a group of them, at the beginning of `text`; returns what follows.
fn expand<'a>(text: &'a str, mut path: Vec<String>, out: &mut Vec<Vec<String>>) -> &'a str {
    let mut text = text.trim_start();
    if let Some(inside) = text.strip_prefix('{') {
        text = inside;
        loop {
            text = expand(text, path.clone(), out).trim_start();
            match text.chars().next() {
                Some(',') => text = &text[1..],
                Some('}') => return &text[1..],
                _ => {
                    // `a as b`, or the end of a group after a comma.
                    let end = text.find([',', '}']).unwrap_or(text.len());
                    text = &text[end..];
                    if text.is_empty() {
                        return text;
                    }
                }
            }
        }
    }
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return rest;
    }
    path.push(name.to_owned());
    match rest.strip_prefix("::") {
        Some(rest) if !rest.starts_with('<') => expand(rest, path, out),
        _ => {
            out.push(path);
            rest
        }
    }
}

/// What a page uses of the files below it.
fn below(own: &str, code: &str) -> Vec<Vec<String>> {
    let page = own.strip_suffix("/mod.rs").or(own.strip_suffix(".rs"));
    let page: Vec<String> = page.unwrap_or(own).split('/').map(str::to_owned).collect();
    let declared = code.lines().filter_map(|line| {
        let (_, name) = line.strip_suffix(';')?.split_once("mod ")?;
        Some(name.to_owned())
    });
    let of = |name: String| {
        let folder = [&page[..], std::slice::from_ref(&name)].concat();
        let named = paths(code, &format!("{name}::"));
        named
            .into_iter()
            .map(move |path| [&folder[..], &path[..]].concat())
    };
    declared.flat_map(of).collect()
}

/// The longest beginning of a path that is a file.
fn file_of(path: &[String], all: &BTreeSet<String>) -> Option<String> {
    (1..=path.len()).rev().find_map(|length| {
        let stem = path[..length].join("/");
        let found = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
        found.into_iter().find(|name| all.contains(name))
    })
}

/// Of the sources in the folder `root`.
pub fn uses(root: &Path) -> Uses {
    let mut paths_of_files = Vec::new();
    files(root, &mut paths_of_files);
    let name = |path: &Path| {
        let relative = path.strip_prefix(root).expect("below the root");
        relative.to_string_lossy().replace('\\', "/")
    };
    let all: BTreeSet<String> = paths_of_files.iter().map(|path| name(path)).collect();
    let mut out = Uses::new();
    for path in &paths_of_files {
        let own = name(path);
        let is_test = own.ends_with("tests.rs") || own.contains("/tests/");
        if own == "lib.rs" || own == "main.rs" || is_test {
            continue;
        }
        let code = code(&fs::read_to_string(path).expect("a source"));
        let folder: Vec<String> = own.split('/').map(str::to_owned).collect();
        let folder = &folder[..folder.len() - 1];
        let mut named = paths(&code, "crate::");
        let relative = |path: Vec<String>| [folder, &path[..]].concat();
        if !own.ends_with("/mod.rs") {
            named.extend(paths(&code, "super::").into_iter().map(relative));
        }
        named.extend(below(&own, &code));
        let mut used: BTreeSet<String> = named.iter().filter_map(|p| file_of(p, &all)).collect();
        used.remove(&own);
        out.insert(own, used);
    }
    out
}

/// That no file is used by what it uses, not even by a detour.
pub fn assert_no_circles(mut uses: Uses) {
    // Files that use none of the remaining ones are done; a circle is what is left.
    while !uses.is_empty() {
        let remaining: BTreeSet<String> = uses.keys().cloned().collect();
        let before = uses.len();
        uses.retain(|_, used| used.iter().any(|other| remaining.contains(other)));
        assert!(uses.len() < before, "in circles: {uses:#?}");
    }
}

/// That a file uses only those whose folder, or which themselves, stand no later in `order`.
pub fn assert_order(uses: &Uses, order: &[&str]) {
    let place = |file: &str| {
        let name = file.split('/').next().unwrap_or("");
        let name = name.strip_suffix(".rs").unwrap_or(name);
        let found = order.iter().position(|&one| one == name);
        found.unwrap_or_else(|| panic!("{file} is nowhere in the order"))
    };
    for (file, used) in uses {
        for other in used {
            assert!(place(other) <= place(file), "{file} uses {other}");
        }
    }
}

//! The map in `docs/architecture.md` leads somewhere: every file and folder is there, and every
//! name is in one of the files of its row.

use std::fs;
use std::path::{Path, PathBuf};
use xtask::root;

/// Words in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Where the paths of a row lie: below the base of the table, or beside the one before.
fn places(cell: &str, base: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in quoted(cell) {
        let folder = found
            .last()
            .and_then(|last| Some(last.parent()?.join(path)));
        let candidates = [Some(base.join(path)), folder];
        let place = candidates
            .into_iter()
            .flatten()
            .find(|place| place.exists());
        found.push(place.ok_or_else(|| format!("{path} is not there"))?);
    }
    Ok(found)
}

/// All text of a file, or of a folder and those in it.
fn text(place: &Path) -> String {
    if place.is_dir() {
        let entries = fs::read_dir(place).expect("a folder");
        let texts = entries.map(|entry| text(&entry.expect("an entry").path()));
        return texts.collect();
    }
    fs::read_to_string(place).unwrap_or_default()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// What is wrong with a row of a table whose paths are below `base`.
fn wrong(row: &str, base: &Path) -> Vec<String> {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [question, paths, names] = cells[..] else {
        return vec![format!("not a row: {row}")];
    };
    let places = match places(paths, base) {
        Ok(places) => places,
        Err(why) => return vec![format!("{question}: {why}")],
    };
    let text: String = places.iter().map(|place| text(place)).collect();
    let last = |name: &str| name.rsplit([':', '.']).next().unwrap_or(name).to_owned();
    let lost = quoted(names).filter(|name| !has_word(&text, &last(name)));
    lost.map(|name| format!("{question}: {name} is in none of its files"))
        .collect()
}

#[test]
fn the_map_leads_somewhere() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("a page");
    let mut base = None;
    let mut rows = 0;
    let mut all = Vec::new();
    for line in page.lines() {
        if !line.starts_with('|') {
            base = None;
        } else if line.starts_with("| question | file in `crates/` |") {
            base = Some(root().join("crates"));
        } else if line.starts_with("| question | file |") {
            base = Some(root().join("crates/rankfall-core/src"));
        } else if let (Some(base), false) = (&base, line.starts_with("|-")) {
            rows += 1;
            all.extend(wrong(line, base));
        }
    }
    assert!(rows > 50, "{rows} rows");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_wrong_row_is_noticed() {
    let crates = root().join("crates");
    let wrong = |row| wrong(row, &crates).len();
    assert_eq!(wrong("| a | `rankfall/src/watch.rs` | `Watch` |"), 0);
    assert_eq!(wrong("| a | `rankfall/src/watchers.rs` | `Watch` |"), 1);
    assert_eq!(wrong("| a | `rankfall/src/watch.rs` | `Watcher` |"), 1);
}

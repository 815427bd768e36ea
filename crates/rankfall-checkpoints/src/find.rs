//! Which checkpoints a path means: a file, a folder of them, or a pattern of names.

use crate::error::CheckpointError;
use std::path::{Path, PathBuf};

/// Ends of names of files that are checkpoints.
const ENDINGS: &[&str] = &[
    ".safetensors",
    ".pt",
    ".pth",
    ".bin",
    ".ckpt",
    ".npz",
    ".npy",
    ".pth.tar",
    ".jit",
    ".pkl",
];
/// What lies beside weights in many folders and is none.
const NO_WEIGHTS: &[&str] = &[
    "training_args.bin",
    "scheduler.pt",
    "optimizer.pt",
    "optimizer.bin",
];
/// Folders in folders that are looked into.
const DEEPEST: usize = 2;
/// More entries of a folder than this are not looked through.
const MOST_ENTRIES: usize = 100_000;

/// The checkpoints that a path means, in the order of the numbers in their names.
///
/// A file is itself. Of a folder it is the index of a sharded checkpoint, or `final.safetensors` of
/// a run of rankfall, or every file with the ending of a checkpoint, there and in folders up to two
/// levels below. A path with `*` or `?` in its last part is a pattern.
///
/// # Errors
/// Nothing there.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    if path.is_dir() {
        look_into(path, 0, &mut found);
    } else if let Some(pattern) = path
        .file_name()
        .and_then(|n| n.to_str())
        .filter(|n| n.contains(['*', '?']))
    {
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        for entry in entries(folder) {
            if entry
                .file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|name| matches(pattern, name))
            {
                match entry.is_dir() {
                    true => look_into(&entry, 1, &mut found),
                    false => found.push(entry),
                }
            }
        }
    } else {
        return Err(CheckpointError::new(
            path,
            "there is no such file or folder",
        ));
    }
    if found.is_empty() {
        let endings = ENDINGS.join(", ");
        let detail = format!("there is no checkpoint: no file that ends in one of {endings}");
        return Err(CheckpointError::new(path, detail));
    }
    found.sort_by_key(|path| natural(&path.to_string_lossy()));
    Ok(found)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = read.take(MOST_ENTRIES).map(|entry| entry.path()).collect();
    all.sort();
    all
}

fn look_into(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let entries = entries(folder);
    let ends = |path: &Path, ending: &str| path.to_string_lossy().to_lowercase().ends_with(ending);
    let index = entries.iter().find(|path| ends(path, ".index.json"));
    let own = folder.join("final.safetensors");
    if let Some(index) = index {
        found.push(index.clone());
    } else if own.is_file() && folder.join("summary.json").is_file() {
        found.push(own);
        return;
    } else {
        let is_checkpoint = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.is_file()
                && !NO_WEIGHTS.contains(&&*name)
                && ENDINGS.iter().any(|ending| ends(path, ending))
        };
        found.extend(entries.iter().filter(is_checkpoint).cloned());
    }
    if depth < DEEPEST {
        for inner in entries
            .iter()
            .filter(|path| path.is_dir() && !path.is_symlink())
        {
            look_into(inner, depth + 1, found);
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for anything and `?` for one character.
///
/// Time is at most the product of the lengths.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Digits padded, so that 10 comes after 9.
fn natural(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            out.push_str(&format!("{digits:0>20}"));
            digits.clear();
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        assert!(
            matches("*.pt", "step_1.pt")
                && matches("step_?.pt", "step_1.pt")
                && matches("*attn*q*", "h.0.attn.q.weight")
        );
        assert!(!matches("*.pt", "a.pth") && !matches("?", "") && matches("*", ""));
    }

    #[test]
    fn ten_comes_after_nine() {
        assert!(natural("step_9.pt") < natural("step_10.pt"));
    }
}

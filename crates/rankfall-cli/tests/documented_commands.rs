//! The commands of the documents are commands: what `rankfall` is given there is understood, and
//! what `cargo` is to build or install is there.

use clap::Parser;
use clap::error::ErrorKind;
use rankfall_cli::arguments::Arguments;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages of the documentation.
fn pages() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/measurements", "lessons"].map(|folder| root().join(folder));
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let paths = files.map(|file| file.expect("a file").path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect()
}

/// A command in a page.
#[derive(Debug)]
struct Documented {
    words: Vec<String>,
    /// Whether it is named in a sentence, where it need not be whole.
    in_passing: bool,
}

/// The words of a command as a shell has them, up to a comment, a pipe or what stands apart.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.split("  ").next().unwrap_or_default().chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter == ' ' => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    let end = |word: &String| ["|", ">", "&&", "#", "&", ";"].contains(&word.as_str());
    let length = words.iter().position(end).unwrap_or(words.len());
    words.truncate(length);
    words.retain(|word| !word.is_empty());
    words
}

/// The commands of a page: lines of its blocks, and what stands in backticks in its sentences.
fn commands(page: &str) -> Vec<Documented> {
    let mut all = Vec::new();
    let mut sentences = String::new();
    let mut fenced = false;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            let mut command = line.trim().trim_start_matches("$ ").to_owned();
            while command.ends_with('\\') {
                command.pop();
                command = command.trim_end().to_owned() + " " + lines.next().unwrap_or("").trim();
            }
            all.push(Documented {
                words: words(&command),
                in_passing: false,
            });
        } else {
            sentences += line.trim();
            sentences.push(' ');
        }
    }
    let passing = sentences.split('`').skip(1).step_by(2);
    all.extend(passing.map(|code| Documented {
        words: words(code),
        in_passing: true,
    }));
    let is_ours =
        |words: &[String]| words.len() > 1 && ["rankfall", "cargo"].contains(&words[0].as_str());
    all.retain(|command| is_ours(&command.words));
    all
}

/// What is wrong with the arguments of `rankfall`.
fn refused(arguments: &[String], in_passing: bool) -> Option<String> {
    let error = Arguments::try_parse_from(arguments).err()?;
    let unfinished = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        kind => in_passing && unfinished.contains(&kind),
    };
    (!fine).then(|| error.to_string())
}

/// The folders of the packages of the workspace.
fn packages() -> Vec<PathBuf> {
    let folders = ["crates", "tools"].map(|folder| root().join(folder));
    let inside = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let mut all: Vec<PathBuf> = inside
        .map(|entry| entry.expect("a folder").path())
        .collect();
    all.push(root().join("python"));
    all
}

fn manifest(package: &Path) -> String {
    fs::read_to_string(package.join("Cargo.toml")).unwrap_or_default()
}

/// What is wrong with what `cargo` is given.
fn not_there(arguments: &[String]) -> Option<String> {
    let after = |flag: &str| {
        let at = arguments.iter().position(|word| word == flag)?;
        arguments.get(at + 1)
    };
    if let Some(path) = after("--path") {
        let has_program = root().join(path).join("src/main.rs").exists();
        return (!has_program).then(|| format!("{path} has no program"));
    }
    let all = packages();
    let package = match after("-p") {
        Some(name) => {
            let line = format!("\nname = \"{name}\"\n");
            let found = all.iter().find(|package| manifest(package).contains(&line));
            match found {
                Some(found) => found.clone(),
                None => return Some(format!("there is no package {name}")),
            }
        }
        None => root().join("crates/rankfall-cli"),
    };
    for (flag, folder) in [
        ("--test", "tests"),
        ("--example", "examples"),
        ("--bench", "benches"),
    ] {
        let Some(name) = after(flag) else { continue };
        let target = package.join(folder).join(format!("{name}.rs"));
        if !target.exists() {
            return Some(format!("{} is not there", target.display()));
        }
    }
    let feature = after("--features")?;
    let line = format!("\n{feature} = [");
    (!manifest(&package).contains(&line)).then(|| format!("there is no feature {feature}"))
}

/// What is wrong with a command.
fn wrong(command: &Documented) -> Option<String> {
    let ours = command.words.iter().position(|word| word == "--");
    let words = &command.words;
    match (words[0].as_str(), ours) {
        ("rankfall", _) => refused(words, command.in_passing),
        // What is said to the program, which is one of others' where a target is named.
        ("cargo", Some(at)) if words[1] == "run" && !words[..at].iter().any(|w| w == "-p") => {
            let mut given = vec!["rankfall".to_owned()];
            given.extend_from_slice(&words[at + 1..]);
            not_there(&words[..at]).or_else(|| refused(&given, command.in_passing))
        }
        (_, at) => not_there(&words[..at.unwrap_or(words.len())]),
    }
}

#[test]
fn every_documented_command_is_understood() {
    let mut count = 0;
    let mut all = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for command in commands(&text) {
            count += 1;
            let said = command.words.join(" ");
            let line = |why| format!("{}: {said}: {why}", page.display());
            all.extend(wrong(&command).map(line));
        }
    }
    assert!(count > 150, "{count} commands were found");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn wrong_commands_are_noticed() {
    for line in [
        "    rankfall run mine.toml --sett run.seed=2",
        "    rankfall draw runs/mine",
        "    rankfall run",
        "    cargo run --release -- runn mine.toml",
        "    cargo install --path crates/rankfall",
        "    cargo test -p rankfall-kore",
        "    cargo bench -p rankfall-core --bench stairs",
        "    cargo build --release --features zst",
        "said in passing: `rankfall verify --suit networks`.",
    ] {
        let found = commands(line);
        assert_eq!(found.len(), 1, "{line}");
        assert!(wrong(&found[0]).is_some(), "{line}");
    }
}

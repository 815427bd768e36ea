//! `cargo xtask figures`: the numbers and pictures of documents that come from runs, made again or
//! compared.
//!
//! `numbers.toml` beside this crate says which: for each run, sentences of documents with `{}` for
//! each number and where in the record of the run its value is, and pictures.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::{document, measured, root};

/// The table of all numbers.
const NUMBERS: &str = include_str!("../numbers.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    run: Vec<DocumentedRun>,
}

/// One run, and what documents say of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentedRun {
    /// The arguments of `rankfall`; `--out` is added.
    pub command: String,
    /// Whether it takes seconds, so that a test can run it.
    #[serde(default)]
    pub small: bool,
    /// Why it may not be able to run, where it needs what is not here.
    needs: Option<String>,
    #[serde(default)]
    say: Vec<Saying>,
    #[serde(default)]
    picture: Vec<Picture>,
}

/// A sentence of documents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saying {
    documents: Vec<String>,
    sentence: String,
    /// What each `{}` is, as [`measured::value`] reads it.
    values: Vec<String>,
}

/// A picture of the run that a document shows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picture {
    figure: String,
    document: String,
}

/// What `figures` is asked for.
struct Asked {
    check: bool,
    small: bool,
    names: Vec<String>,
}

/// The task.
///
/// # Errors
/// What is stale with `--check`; what is missing or could not be run.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut asked = Asked {
        check: false,
        small: false,
        names: Vec::new(),
    };
    for argument in arguments {
        match argument.as_str() {
            "--check" => asked.check = true,
            "--small" => asked.small = true,
            option if option.starts_with('-') => return Err(format!("no option {option}")),
            name => asked.names.push(name.into()),
        }
    }
    let root = root();
    let mut stale = Vec::new();
    for run in chosen(&asked)? {
        println!("== rankfall {}", run.command);
        match (run.results(), &run.needs) {
            (Ok(folder), _) => {
                let folder = folder.path();
                stale.extend(run.numbers(folder, &root, !asked.check)?);
                stale.extend(run.pictures(folder, &root, !asked.check)?);
            }
            (Err(_), Some(needs)) => println!("left out, it needs {needs}"),
            (Err(message), None) => return Err(message),
        }
    }
    stale.iter().for_each(|line| println!("{line}"));
    match (stale.is_empty(), asked.check) {
        (true, _) => {
            println!("everything is as it was run");
            Ok(())
        }
        (false, true) => Err("stale; `cargo xtask figures` writes it anew".into()),
        (false, false) => Ok(()),
    }
}

fn chosen(asked: &Asked) -> Result<Vec<DocumentedRun>, String> {
    let mut all = runs()?;
    let named = |run: &DocumentedRun| {
        asked
            .names
            .iter()
            .any(|name| run.command.contains(name.as_str()))
    };
    all.retain(|run| (run.small || !asked.small) && (asked.names.is_empty() || named(run)));
    match all.is_empty() {
        true => Err("no run has that in its command".into()),
        false => Ok(all),
    }
}

/// All runs that documents speak of.
///
/// # Errors
/// What is wrong with the table.
pub fn runs() -> Result<Vec<DocumentedRun>, String> {
    let numbers: Numbers =
        toml::from_str(NUMBERS).map_err(|error| format!("numbers.toml: {error}"))?;
    Ok(numbers.run)
}

impl DocumentedRun {
    /// Runs it, into a folder that is gone with what is returned.
    ///
    /// # Errors
    /// A run that left no record.
    pub fn results(&self) -> Result<tempfile::TempDir, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let out = folder.path().join("out");
        let mut words: Vec<OsString> = vec!["rankfall".into()];
        words.extend(self.command.split(' ').map(Into::into));
        words.extend(["--quiet".into(), "--out".into(), out.into()]);
        let _ = rankfall_cli::execute(words);
        match record(folder.path()) {
            Some(_) => Ok(folder),
            None => Err(format!("`rankfall {}` left no record", self.command)),
        }
    }

    /// Numbers in documents under `root` that are not what came out, a line each; rewritten if
    /// `write`.
    ///
    /// # Errors
    /// A sentence that a document does not have, a value that the record does not have, files that
    /// cannot be read or written.
    pub fn numbers(&self, folder: &Path, root: &Path, write: bool) -> Result<Vec<String>, String> {
        let record = record(folder).ok_or("no record")?;
        let mut stale = Vec::new();
        for saying in &self.say {
            let values: Vec<f64> = saying
                .values
                .iter()
                .map(|path| measured::value(&record, path))
                .collect::<Result<_, _>>()
                .map_err(|why| format!("{}: {why}", self.command))?;
            for name in &saying.documents {
                stale.extend(saying.compare(&values, name, &root.join(name), write)?);
            }
        }
        Ok(stale)
    }

    /// Pictures that are not those that were drawn, likewise. The rasteriser need not give the same
    /// bytes on every processor.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn pictures(&self, folder: &Path, root: &Path, write: bool) -> Result<Vec<String>, String> {
        let mut stale = Vec::new();
        for picture in &self.picture {
            let made = folder
                .join("out/figures")
                .join(&picture.figure)
                .with_extension("png");
            stale.extend(picture.compare(&made, &root.join(&picture.document), write)?);
        }
        Ok(stale)
    }

    /// The sentences that documents under `root` do not have, or not once; without running
    /// anything.
    #[must_use]
    pub fn lost(&self, root: &Path) -> Vec<String> {
        let places = |saying: &Saying, name: &String| -> Result<(), String> {
            let text = read(&root.join(name))?;
            let found = document::find(&text, &saying.sentence)?.len();
            let named = saying.values.len();
            (found == named).then_some(()).ok_or(format!(
                "has {named} values for {found} numbers: {}",
                saying.sentence
            ))
        };
        self.say
            .iter()
            .flat_map(|saying| saying.documents.iter().map(move |name| (saying, name)))
            .filter_map(|(saying, name)| Some(format!("{name} {}", places(saying, name).err()?)))
            .collect()
    }
}

impl Saying {
    fn compare(
        &self,
        values: &[f64],
        name: &str,
        path: &Path,
        write: bool,
    ) -> Result<Vec<String>, String> {
        let mut text = read(path)?;
        let places =
            document::find(&text, &self.sentence).map_err(|why| format!("{name} {why}"))?;
        if places.len() != values.len() {
            return Err(format!(
                "{name}: not a value for each number of: {}",
                self.sentence
            ));
        }
        let mut stale = Vec::new();
        // From the end, so that the places before stay right.
        for ((range, form), value) in places.into_iter().zip(values).rev() {
            let (now, then) = (form.write(*value), text[range.clone()].to_owned());
            if now != then {
                stale.push(format!(
                    "{name}: {then} is {now} ({}), in: {}",
                    value, self.sentence
                ));
                text.replace_range(range, &now);
            }
        }
        if write && !stale.is_empty() {
            fs::write(path, text).map_err(|error| format!("{name}: {error}"))?;
        }
        stale.reverse();
        Ok(stale)
    }
}

impl Picture {
    fn compare(&self, made: &Path, shown: &Path, write: bool) -> Result<Option<String>, String> {
        let name = &self.document;
        let new = fs::read(made).map_err(|error| format!("{}: {error}", made.display()))?;
        if fs::read(shown).is_ok_and(|old| old == new) {
            return Ok(None);
        }
        if write {
            fs::write(shown, new).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(Some(format!("{name}: another picture is drawn now")))
    }
}

/// The record that a run or `verify` leaves.
fn record(folder: &Path) -> Option<Value> {
    ["summary.json", "claims.json"].iter().find_map(|name| {
        let text = fs::read_to_string(folder.join("out").join(name)).ok()?;
        serde_json::from_str(&text).ok()
    })
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
        [[run]]
        command = "reproduce nothing"
        say = [{ documents = ["a.md", "b.toml"], sentence = "from {} to {}.", values = ["x", "100 list/one/y"] }]
        picture = [{ figure = "seed", document = "seed.png" }]
    "#;
    const RECORD: &str = r#"{"x": -1.237, "list": [{"name": "one", "y": 0.5}]}"#;

    fn place(a: &str, b: &str) -> tempfile::TempDir {
        let place = tempfile::tempdir().expect("a folder");
        let files = [
            ("out/summary.json", RECORD),
            ("out/figures/seed.png", "new"),
            ("a.md", a),
            ("b.toml", b),
            ("seed.png", "old"),
        ];
        fs::create_dir_all(place.path().join("out/figures")).expect("a folder");
        for (name, text) in files {
            fs::write(place.path().join(name), text).expect("written");
        }
        place
    }

    fn run() -> DocumentedRun {
        let mut table: Numbers = toml::from_str(TABLE).expect("a table");
        table.run.remove(0)
    }

    #[test]
    fn stale_numbers_and_pictures_are_noticed_and_written_anew() {
        let place = place("It went from −1.24\nto 51.", "# from 3.0 to\n# 50.\n");
        let place = place.path();
        let compare = |write| {
            let mut stale = run().numbers(place, place, write).expect("compares");
            stale.extend(run().pictures(place, place, write).expect("compares"));
            stale
        };
        assert_eq!(compare(false).len(), 3);
        assert_eq!(compare(true).len(), 3);
        assert!(compare(false).is_empty());
        let now = |name: &str| fs::read_to_string(place.join(name)).expect("read");
        assert_eq!(now("a.md"), "It went from −1.24\nto 50.");
        assert_eq!(now("b.toml"), "# from −1.2 to\n# 50.\n");
        assert_eq!(now("seed.png"), "new");
    }

    #[test]
    fn a_sentence_that_is_gone_is_an_error() {
        let place = place("It went from −1.24 to 50.", "# nothing");
        let place = place.path();
        assert_eq!(run().lost(place).len(), 1);
        assert!(run().numbers(place, place, true).is_err());
    }

    #[test]
    fn the_table_can_be_read() {
        assert!(!runs().expect("a table").is_empty());
    }
}

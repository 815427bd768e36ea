//! A run folder: made, locked, filled file by file, and never looking finished when it is not.
//!
//! While a run is going its folder holds the marker `running`, which is also the lock against a
//! second run. `summary.json` is written last, then the marker goes: a folder is finished exactly
//! when it has a summary and no marker. A finished shard has `shard.json` instead.

pub mod atomic;
pub mod checksums;
pub mod lock;
pub mod names;
pub mod open;
pub mod packed;
pub mod partial;
mod schema_one;
pub mod series;
pub mod trajectories;
pub mod weights;

use crate::failure::{Failure, shown_path};
use atomic::{remove_leftovers, write_atomically, write_whole};
use checksums::{CHECKED, Checksums, WithChecksums};
use lock::FolderLock;
use names::OURS;
pub use names::{
    CHECKPOINT, EXPERIMENT, FIGURES, FINAL, FINISHED, MONITOR, REPORT, RUNNING, SERIES, SHARD,
    STATISTICS, SUMMARY, SWEEP, TRAJECTORIES,
};
use open::unreadable;
use rankfall_report::record::{SUMMARY_SCHEMA, SeriesRow, Summary};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use weights::NamedArray;

/// What to do with a folder that has something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    Refuse,
    /// Continue the run in it (`--resume`).
    Resume,
    /// Delete the run in it (`--force`).
    Replace,
}

/// How a folder stood when it was opened.
#[derive(Debug)]
pub enum OpenedFolder {
    /// Nothing to continue: start from the beginning.
    Fresh(RunFolder),
    /// There is a checkpoint to continue from.
    Interrupted(RunFolder),
    /// The run, or the shard, was finished; nothing is to be done (only for [`Existing::Resume`]).
    Finished,
}

/// A folder that this run alone writes into.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Holds the lock on the marker until the folder is dropped.
    _lock: File,
    /// Of what was written so far.
    checksums: Mutex<Checksums>,
}

impl RunFolder {
    /// Makes the folder, or opens it if it is there, to begin in it what is not gone on with.
    ///
    /// # Errors
    /// As for [`RunFolder::open`], and for [`Existing::Resume`] where there is something to go on
    /// with.
    pub fn fresh(path: &Path, existing: Existing) -> Result<Self, Failure> {
        match Self::open(path, existing)? {
            OpenedFolder::Fresh(folder) => Ok(folder),
            _ => Err(Failure::run("the folder changed while it was opened")),
        }
    }

    /// Makes the folder, or opens it if it is there, and locks it.
    ///
    /// # Errors
    /// Exit code 2 where the folder may not be used: not empty, not a run folder, not a folder at
    /// all, or in use by another run; exit code 1 where the system refuses.
    pub fn open(path: &Path, existing: Existing) -> Result<OpenedFolder, Failure> {
        let before = State::of(path)?;
        before.check(path, existing)?;
        if matches!(before, State::Finished | State::Shard) && existing == Existing::Resume {
            return Ok(OpenedFolder::Finished);
        }
        fs::create_dir_all(path).map_err(|error| cannot_make(path, &error))?;
        // Nobody draws in a folder while its marker is made, nor once it is there.
        let held = FolderLock::take(path)?;
        let folder = Self::locked(path)?;
        drop(held);
        // Another run may have come between the first look and the lock.
        let now = State::of(path)?;
        let unchanged = now == before || before == State::Empty && now == State::Interrupted;
        if !unchanged {
            now.check(path, existing)?;
        }
        if existing == Existing::Resume && folder.file(CHECKPOINT).exists() {
            remove_leftovers(path);
            return Ok(OpenedFolder::Interrupted(folder));
        }
        folder.clear()?;
        Ok(OpenedFolder::Fresh(folder))
    }

    /// Takes over the folder of a run that was not finished, as it is.
    ///
    /// # Errors
    /// Exit code 2 where there is none, or another process writes into it; exit code 1 where the
    /// system refuses.
    pub fn adopt(path: &Path) -> Result<Self, Failure> {
        if State::of(path)? != State::Interrupted {
            let message = format!(
                "{} has no run in it that was not finished",
                shown_path(path)
            );
            return Err(Failure::input(message));
        }
        Self::locked(path)
    }

    /// Makes the marker and locks it.
    fn locked(path: &Path) -> Result<Self, Failure> {
        let Some(mut marker) = lock::take(&path.join(RUNNING))? else {
            let message = format!("another run is writing into {}", shown_path(path));
            let hint = "wait for it, or name another folder with --out";
            return Err(Failure::input(message).hint(hint));
        };
        let _ = marker.set_len(0);
        let _ = marker.write_all(b"a run is going on here, or was interrupted\n");
        Ok(Self {
            path: path.to_owned(),
            _lock: marker,
            checksums: Mutex::default(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes the resolved experiment.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written; an older one is then still whole.
    pub fn write_experiment(&self, toml: &str) -> Result<(), Failure> {
        self.write_bytes(EXPERIMENT, toml.as_bytes())
    }

    /// The resolved experiment of the run that was interrupted here, if it got that far.
    ///
    /// # Errors
    /// Exit code 1 where the file is there but cannot be read.
    pub fn recorded_experiment(&self) -> Result<Option<String>, Failure> {
        let path = self.file(EXPERIMENT);
        match open::text(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let message = format!("cannot read {}: {error}", shown_path(&path));
                Err(Failure::run(message))
            }
        }
    }

    /// Writes `series.parquet`.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written.
    pub fn write_series(&self, rows: &[SeriesRow]) -> Result<(), Failure> {
        self.write(SERIES, |file| series::write(rows, file))
    }

    /// Writes weights, `final.safetensors` or some of the way.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written, or a shape does not fit its values.
    pub fn write_weights(&self, name: &str, tensors: &[NamedArray]) -> Result<(), Failure> {
        let bytes =
            weights::encode(tensors).map_err(|error| Failure::writing(&self.file(name), &error))?;
        self.write_bytes(name, &bytes)
    }

    /// Writes any other file of the folder in one go: report, figures, checkpoint.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written; an older one is then still whole.
    pub fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.write(name, |file| file.write_all(bytes))
    }

    /// Writes a binary file: a header, a line with the checksum of what follows, and the content;
    /// that checksum. `what` it is, in an error.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written; an older one is then still whole.
    pub fn write_sealed(
        &self,
        name: &str,
        header: &str,
        what: &str,
        content: &impl Serialize,
    ) -> Result<String, Failure> {
        let encoded = postcard::to_stdvec(content)
            .map_err(|error| Failure::run(format!("cannot encode {what}: {error}")))?;
        let checksum = rankfall_data::sha256_of(&encoded);
        self.write(name, |file| {
            writeln!(file, "{header}{checksum}")?;
            file.write_all(&encoded)
        })?;
        Ok(checksum)
    }

    /// Writes a file through a function, and makes the folder that its name says it is in.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written; an older one is then still whole.
    pub fn write(
        &self,
        name: &str,
        write: impl FnOnce(&mut atomic::AtomicFile) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        make_inner(&self.path, name)?;
        let checksum = write_atomically(&self.file(name), write)?;
        self.note(name, checksum);
        Ok(())
    }

    /// Takes down the checksum of a file that was written into the folder.
    pub fn note(&self, name: &str, checksum: String) {
        if CHECKED.contains(&name) {
            self.checksums().insert(name.to_owned(), checksum);
        }
    }

    /// Every change is one call: a thread that panicked left nothing half done.
    fn checksums(&self) -> MutexGuard<'_, Checksums> {
        let checksums = self.checksums.lock();
        checksums.unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `summary.json`, with the checksums of the files of numbers that were written, and
    /// takes the marker away: the run is finished.
    ///
    /// # Errors
    /// Exit code 1 where the file cannot be written; the folder then still counts as unfinished.
    pub fn finish(self, summary: &impl Serialize) -> Result<(), Failure> {
        let whole = |files: &Checksums| json("the summary", &WithChecksums { summary, files });
        let text = whole(&self.checksums())?;
        self.write_bytes(SUMMARY, text.as_bytes())?;
        self.close()
    }

    /// Takes checkpoint and marker away: the run is finished.
    fn close(self) -> Result<(), Failure> {
        // In this order: a checkpoint needs the files of the dynamics that it counts as finished.
        remove(&self.file(CHECKPOINT))?;
        remove(&self.file(FINISHED))?;
        remove(&self.file(RUNNING))
    }

    /// Deletes what an earlier run left, except for the marker.
    fn clear(&self) -> Result<(), Failure> {
        let names = names_in(&self.path)?.unwrap_or_default();
        clearing_order(&names)
            .into_iter()
            .try_for_each(|name| remove(&self.file(name)))
    }
}

/// The text of a JSON file, such as `summary.json`; `what` it is, in an error.
///
/// # Errors
/// Exit code 1 if it cannot be written as JSON.
pub fn json(what: &str, content: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(content)
        .map(|text| text + "\n")
        .map_err(|error| Failure::run(format!("cannot write {what} as JSON: {error}")))
}

/// Reads the summary of a finished run; one of schema 1 as this version has it.
///
/// # Errors
/// Exit code 2 where the folder has none, an unfinished run, or one that cannot be understood.
pub fn read_summary(folder: &Path) -> Result<Summary, Failure> {
    match State::of(folder)? {
        State::Finished => {}
        State::Shard => {
            let message = format!("{} has one shard of a run", shown_path(folder));
            return Err(
                Failure::input(message).hint("rankfall merge makes the run of all its shards")
            );
        }
        State::Interrupted => {
            let message = format!("the run in {} is not finished", shown_path(folder));
            return Err(Failure::input(message).hint("continue it: rankfall run … --resume"));
        }
        _ => {
            let message = format!("{} is not a run folder: no {SUMMARY}", shown_path(folder));
            return Err(Failure::input(message)
                .hint("rankfall run and rankfall reproduce make one, by default runs/NAME"));
        }
    }
    if folder.join(SWEEP).exists() {
        let message = format!("{} has a sweep, not a run", shown_path(folder));
        return Err(Failure::input(message).hint("rankfall sweep goes on with it"));
    }
    let path = folder.join(SUMMARY);
    let text = open::text(&path).map_err(|error| unreadable(&path, &error))?;
    let schema = check_schema(&path, &text)?;
    checksums::check(folder, &text)?;
    let summary = match schema {
        schema_one::SCHEMA => schema_one::summary(&text),
        _ => serde_json::from_str(&text),
    };
    summary.map_err(|error| unreadable(&path, &error))
}

/// Reads the statistics of a finished run whose summary has that schema.
///
/// # Errors
/// Exit code 2 where the file is missing, or is not such a table.
pub fn read_series(folder: &Path, schema: u32) -> Result<Vec<SeriesRow>, Failure> {
    let path = folder.join(SERIES);
    let bytes = open::bytes(&path).map_err(|error| unreadable(&path, &error))?;
    let rows = match schema {
        schema_one::SCHEMA => series::read_schema_one(bytes),
        _ => series::read(bytes),
    };
    rows.map_err(|error| unreadable(&path, &error))
}

/// Whether there is a finished sweep in a folder.
///
/// # Errors
/// Exit code 2 where the folder cannot be read.
pub fn is_finished_sweep(folder: &Path) -> Result<bool, Failure> {
    Ok(State::of(folder)? == State::Finished && folder.join(SWEEP).exists())
}

/// Says so when a summary was written by a version with another layout, before fields are missed.
fn check_schema(path: &Path, text: &str) -> Result<u32, Failure> {
    #[derive(serde::Deserialize)]
    struct Schema {
        schema: u32,
    }
    let Schema { schema } = serde_json::from_str(text).map_err(|e| unreadable(path, &e))?;
    if (schema_one::SCHEMA..=SUMMARY_SCHEMA).contains(&schema) {
        return Ok(schema);
    }
    let shown = shown_path(path);
    let message = format!("{shown} has schema {schema}; this version reads 1 to {SUMMARY_SCHEMA}");
    Err(Failure::input(message).hint("run the experiment again: experiment.toml is beside it"))
}

/// Refuses a folder that may not be written into, before anything long is done.
///
/// # Errors
/// Exit code 2 where the folder may not be used, as for [`RunFolder::open`].
pub fn check(path: &Path, existing: Existing) -> Result<(), Failure> {
    State::of(path)?.check(path, existing)
}

/// Reads the resolved experiment of a run; empty of a training run elsewhere, which has none.
///
/// # Errors
/// Exit code 2 where it is missing or not text.
pub fn read_experiment(folder: &Path) -> Result<String, Failure> {
    if folder.join(MONITOR).exists() {
        return Ok(String::new());
    }
    let path = folder.join(EXPERIMENT);
    open::text(&path).map_err(|error| unreadable(&path, &error))
}

/// The summary of a finished run or sweep as it is in its file.
///
/// # Errors
/// Exit code 2 where it cannot be read.
pub fn summary_as_written(folder: &Path) -> Result<String, Failure> {
    let path = folder.join(SUMMARY);
    open::text(&path).map_err(|error| unreadable(&path, &error))
}

/// Holds a finished folder against others that would write into it; `None` where it is not
/// finished.
///
/// # Errors
/// Exit code 2 where another command writes into it, 1 where the system refuses.
pub fn hold_finished(folder: &Path) -> Result<Option<FolderLock>, Failure> {
    if State::of(folder)? != State::Finished {
        return Ok(None);
    }
    let held = FolderLock::take(folder)?;
    remove_leftovers(folder);
    Ok(Some(held))
}

/// Writes a figure, the report or another file into a folder.
///
/// # Errors
/// Exit code 1 where it cannot be written; an older one is then still whole.
pub fn write_into(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    make_inner(folder, name)?;
    write_whole(&folder.join(name), bytes)
}

/// Makes the folder inside of it that a file is in, and deletes what a crash left there.
fn make_inner(folder: &Path, file: &str) -> Result<(), Failure> {
    let Some((inner, _)) = file.split_once('/') else {
        return Ok(());
    };
    let path = folder.join(inner);
    open::expect_folder(&path).map_err(|error| Failure::writing(&path, &error))?;
    fs::create_dir_all(&path).map_err(|error| cannot_make(&path, &error))?;
    remove_leftovers(&path);
    Ok(())
}

/// What is in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Nothing, or no folder yet.
    Empty,
    /// A run that was not finished.
    Interrupted,
    /// A finished run.
    Finished,
    /// A finished shard of a run.
    Shard,
    /// Something else, for instance this.
    Foreign(String),
}

impl State {
    fn of(path: &Path) -> Result<State, Failure> {
        Ok(match names_in(path)? {
            Some(names) => State::of_names(&names),
            None => State::Empty,
        })
    }

    fn of_names(names: &[String]) -> State {
        let has = |name: &str| names.iter().any(|n| n == name);
        let mut names = names.iter().filter(|name| !atomic::is_temporary(name));
        if let Some(other) = names.clone().find(|name| !is_ours(name)) {
            State::Foreign(other.clone())
        } else if has(RUNNING) {
            State::Interrupted
        } else if has(SUMMARY) && (has(EXPERIMENT) || has(MONITOR)) {
            State::Finished
        } else if has(SHARD) && has(EXPERIMENT) {
            State::Shard
        } else {
            names.next().cloned().map_or(State::Empty, State::Foreign)
        }
    }

    /// Refuses a folder that may not be written into.
    fn check(&self, path: &Path, existing: Existing) -> Result<(), Failure> {
        let shown = shown_path(path);
        match (self, existing) {
            (State::Empty, _) => Ok(()),
            (State::Foreign(name), _) => Err(Failure::input(format!(
                "{shown} is not empty and not a run folder: there is {} in it",
                crate::failure::quoted(name)
            ))
            .hint("name another one with --out; only runs of rankfall are replaced or continued")),
            (State::Finished | State::Shard, Existing::Refuse) => {
                let what = if *self == State::Shard {
                    "shard"
                } else {
                    "run"
                };
                Err(
                    Failure::input(format!("{shown} has a finished {what} in it"))
                        .hint("--force replaces it, --out DIR writes elsewhere"),
                )
            }
            (State::Interrupted, Existing::Refuse) => Err(Failure::input(format!(
                "{shown} has a run in it that is not finished"
            ))
            .hint("--resume continues it, --force replaces it, --out DIR writes elsewhere")),
            (State::Finished | State::Shard | State::Interrupted, _) => Ok(()),
        }
    }
}

/// What a new run deletes of what an earlier one left, in this order: wherever it is cut short, no
/// state is left without the experiment that it belongs to. The marker stays.
fn clearing_order(names: &[String]) -> Vec<&str> {
    let old = names.iter().map(String::as_str);
    let mut old: Vec<&str> = old
        .filter(|name| is_ours(name) && *name != RUNNING)
        .collect();
    old.sort_by_key(|name| match *name {
        CHECKPOINT => 0,
        EXPERIMENT => 2,
        _ => 1,
    });
    old
}

/// Whether a run leaves files of that name.
fn is_ours(name: &str) -> bool {
    OURS.contains(&name) || atomic::is_temporary(name)
}

/// The names of what is in a folder; `None` if there is no folder.
fn names_in(path: &Path) -> Result<Option<Vec<String>>, Failure> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            let message = format!("{} is not a folder", shown_path(path));
            return Err(Failure::input(message).hint("name another one with --out"));
        }
        Err(error) => return Err(unreadable(path, &error)),
    };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.map_err(|error| unreadable(path, &error))?;
        Ok(entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect::<Result<_, _>>().map(Some)
}

/// Deletes a file or a folder if it is there; a link is deleted, never what it leads to.
fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::run(format!(
            "cannot delete {}: {error}",
            shown_path(path)
        ))),
        _ => Ok(()),
    }
}

fn cannot_make(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot make the folder {}: {error}", shown_path(path));
    Failure::input(message).hint("name another one with --out")
}

#[cfg(test)]
mod tests;

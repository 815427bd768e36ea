//! The checkpoint of a run: dynamics that are finished, and how far the current one is.

use crate::difference::expect_same_experiment;
use crate::failure::{Failure, shown_path};
use crate::run_folder::{CHECKPOINT, FINISHED, RunFolder, open};
use crate::shard::Shard;
use rankfall_core::ensemble::EnsembleCheckpoint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// First line of the file, with the version of the program that wrote it: programs of other
/// versions may compute other bits, so they do not go on with it. The checksum of the rest follows.
const HEADER: &str = concat!("rankfall checkpoint ", env!("CARGO_PKG_VERSION"), "\n");

/// What follows the line with the checksum, if the checksum is right: a changed bit would otherwise
/// become a changed result.
pub fn checked(body: &[u8]) -> Option<&[u8]> {
    let (line, encoded) =
        body.split_at_checked(body.iter().position(|&byte| byte == b'\n')? + 1)?;
    let expected = format!("{}\n", rankfall_data::sha256_of(encoded));
    (line == expected.as_bytes()).then_some(encoded)
}

/// Whom a checkpoint belongs to: nobody else goes on from it.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The resolved experiment, in which the data have their checksums.
    pub experiment: &'a str,
    /// Which part of it, where it is not all.
    pub shard: Option<Shard>,
}

/// How far a run is. What its finished dynamics left is in files of their own, each written once,
/// so that a checkpoint is no larger for those before it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunCheckpoint<'a> {
    /// How many dynamics are finished, in file order.
    pub finished: u64,
    /// How far the next one is.
    pub current: Option<Cow<'a, EnsembleCheckpoint>>,
    /// Wall seconds already spent on it.
    pub seconds: f64,
}

/// Writes what its owner needs to go on into the folder, atomically, bound to it.
///
/// # Errors
/// Exit code 1 where the file cannot be written; the last one is then still whole.
pub fn write(folder: &RunFolder, owner: Owner, content: &impl Serialize) -> Result<(), Failure> {
    write_to(folder, CHECKPOINT, owner, content)
}

/// Reads what [`write()`] wrote, for the one it belongs to.
///
/// # Errors
/// Exit code 2 where it is of another version, another experiment or another shard, or damaged.
pub fn read<T: DeserializeOwned>(folder: &RunFolder, owner: Owner) -> Result<T, Failure> {
    // What is recorded names the first difference; the checkpoint itself decides, also where the
    // experiment beside it is missing or of another run.
    if let Some(recorded) = folder.recorded_experiment()? {
        expect_same_experiment(folder.path(), &recorded, owner.experiment)?;
    }
    read_from(folder, CHECKPOINT, owner)
}

/// Writes what the `index`-th dynamics, which is finished, left.
///
/// # Errors
/// Exit code 1 where the file cannot be written.
pub fn write_finished(
    folder: &RunFolder,
    index: u64,
    owner: Owner,
    content: &impl Serialize,
) -> Result<(), Failure> {
    write_to(folder, &finished_name(index), owner, &(index, content))
}

/// Reads what the `index`-th dynamics left.
///
/// # Errors
/// Exit code 2 where the file is missing, of another run or another dynamics, or damaged.
pub fn read_finished<T: DeserializeOwned>(
    folder: &RunFolder,
    index: u64,
    owner: Owner,
) -> Result<T, Failure> {
    let name = finished_name(index);
    let (found, content): (u64, T) = read_from(folder, &name, owner)?;
    if found == index {
        return Ok(content);
    }
    let message = format!("{} is of another dynamics", shown_path(&folder.file(&name)));
    Err(Failure::input(message).hint(FROM_THE_BEGINNING))
}

fn finished_name(index: u64) -> String {
    format!("{FINISHED}/{index}.bin")
}

const FROM_THE_BEGINNING: &str = "--force starts the run again from the beginning";

fn write_to(
    folder: &RunFolder,
    name: &str,
    owner: Owner,
    content: &impl Serialize,
) -> Result<(), Failure> {
    let experiment = rankfall_data::sha256_of(owner.experiment.as_bytes());
    let whole = (owner.shard, experiment, content);
    let written = folder.write_sealed(name, HEADER, "the checkpoint", &whole);
    written.map(drop)
}

fn read_from<T: DeserializeOwned>(
    folder: &RunFolder,
    name: &str,
    owner: Owner,
) -> Result<T, Failure> {
    let path = folder.file(name);
    if let Some((inner, _)) = name.split_once('/') {
        open::expect_folder(&folder.file(inner)).map_err(|error| unreadable(&path, &error))?;
    }
    let bytes = open::bytes(&path).map_err(|error| unreadable(&path, &error))?;
    let (shard, experiment, content) = unpack(&path, &bytes)?;
    expect_owner(&shown_path(&path), folder, owner, shard, &experiment)?;
    postcard::from_bytes(content).map_err(|error| damaged(&path, &error.to_string()))
}

/// What a checkpoint says, whoever it belongs to.
pub struct CheckpointContents<T> {
    /// Which shard it is of; none of a whole run.
    pub shard: Option<Shard>,
    /// How far it is.
    pub content: T,
}

/// What the checkpoint in this folder says: of a run a [`RunCheckpoint`], of a sweep its own. The
/// folder may be another process's, which is writing there.
///
/// # Errors
/// Exit code 2 where there is none, or it is of another version, of another kind or damaged.
pub fn seen<T: DeserializeOwned>(folder: &Path) -> Result<CheckpointContents<T>, Failure> {
    seen_in(&folder.join(CHECKPOINT))
}

/// What the `index`-th dynamics of a run in this folder left, whoever the run belongs to.
///
/// # Errors
/// As for [`seen`].
pub fn seen_finished<T: DeserializeOwned>(folder: &Path, index: u64) -> Result<T, Failure> {
    let seen: CheckpointContents<(u64, T)> = seen_in(&folder.join(finished_name(index)))?;
    Ok(seen.content.1)
}

fn seen_in<T: DeserializeOwned>(path: &Path) -> Result<CheckpointContents<T>, Failure> {
    let bytes = open::bytes(path).map_err(|error| unreadable(path, &error))?;
    let (shard, _, content) = unpack(path, &bytes)?;
    let content =
        postcard::from_bytes(content).map_err(|error| damaged(path, &error.to_string()))?;
    match shard.is_none_or(is_one) {
        true => Ok(CheckpointContents { shard, content }),
        false => Err(damaged(path, "there is no such shard")),
    }
}

/// Whether there can be such a shard: a file may say anything.
pub fn is_one(shard: Shard) -> bool {
    (1..=shard.count).contains(&shard.index)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    open::unreadable(path, error).hint(FROM_THE_BEGINNING)
}

fn damaged(path: &Path, why: &str) -> Failure {
    let message = format!("{} is damaged: {why}", shown_path(path));
    Failure::input(message).hint(FROM_THE_BEGINNING)
}

/// Shard, checksum of the experiment, and content of a file that [`write_to`] wrote.
fn unpack<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Option<Shard>, String, &'a [u8]), Failure> {
    let Some(body) = bytes.strip_prefix(HEADER.as_bytes()) else {
        let (shown, version) = (shown_path(path), env!("CARGO_PKG_VERSION"));
        let message = format!("{shown} was not written by version {version}");
        return Err(Failure::input(message).hint(FROM_THE_BEGINNING));
    };
    let encoded = checked(body).ok_or_else(|| damaged(path, "its checksum is wrong"))?;
    let ((shard, experiment), content) =
        postcard::take_from_bytes(encoded).map_err(|error| damaged(path, &error.to_string()))?;
    Ok((shard, experiment, content))
}

fn expect_owner(
    shown: &str,
    folder: &RunFolder,
    owner: Owner,
    shard: Option<Shard>,
    experiment: &str,
) -> Result<(), Failure> {
    let hint = "--force replaces it, --out DIR writes elsewhere";
    if experiment != rankfall_data::sha256_of(owner.experiment.as_bytes()) {
        let message = format!("{shown} is of another experiment than this one");
        return Err(Failure::input(message).hint(hint));
    }
    if shard != owner.shard {
        let (found, asked) = (named(shard), named(owner.shard));
        let where_found = shown_path(folder.path());
        let message = format!("the run in {where_found} is {found}, not {asked}");
        return Err(Failure::input(message).hint(hint));
    }
    Ok(())
}

fn named(shard: Option<Shard>) -> String {
    shard.map_or("a whole run".to_owned(), |shard| format!("shard {shard}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_folder::{EXPERIMENT, Existing};
    use std::fs;

    fn owner(experiment: &str) -> Owner<'_> {
        Owner {
            experiment,
            shard: None,
        }
    }

    /// The states in which a `--force` that was killed could leave a folder.
    #[test]
    fn a_checkpoint_is_never_continued_under_another_experiment() {
        let keep = tempfile::tempdir().unwrap();
        let folder = RunFolder::fresh(keep.path(), Existing::Refuse).unwrap();
        let (old, new) = ("[run]\nseed = 1\n", "[run]\nseed = 9\n");
        write(&folder, owner(old), &7_u64).unwrap();
        let refused = |recorded: Option<&str>| {
            match recorded {
                Some(text) => folder.write_experiment(text).unwrap(),
                None => drop(fs::remove_file(folder.file(EXPERIMENT))),
            }
            let failure = read::<u64>(&folder, owner(new)).unwrap_err();
            assert_eq!(failure.kind.code(), 2);
            assert!(
                failure.message.contains("of another experiment"),
                "{failure}"
            );
            failure.message
        };
        assert!(refused(Some(old)).contains("run.seed = 1"));
        refused(None);
        refused(Some(new));
        folder.write_experiment(old).unwrap();
        assert_eq!(read::<u64>(&folder, owner(old)).unwrap(), 7);
        fs::remove_file(folder.file(EXPERIMENT)).unwrap();
        assert_eq!(read::<u64>(&folder, owner(old)).unwrap(), 7);
    }

    #[test]
    fn a_shard_that_cannot_be_is_seen_as_damage() {
        let keep = tempfile::tempdir().unwrap();
        let folder = RunFolder::fresh(keep.path(), Existing::Refuse).unwrap();
        for (index, count, is_right) in [
            (1, 2, true),
            (2, 2, true),
            (0, 2, false),
            (3, 2, false),
            (0, 0, false),
        ] {
            let shard = Some(Shard { index, count });
            let experiment = "a = 1";
            write(&folder, Owner { experiment, shard }, &7_u64).unwrap();
            let seen = seen::<u64>(keep.path());
            assert_eq!(seen.is_ok(), is_right, "{index}/{count}");
            assert!(
                seen.is_err() || seen.is_ok_and(|seen| seen.content == 7 && seen.shard == shard)
            );
        }
    }

    #[test]
    fn what_a_finished_dynamics_left_is_taken_by_its_run_and_place_alone() {
        let keep = tempfile::tempdir().unwrap();
        let folder = RunFolder::fresh(keep.path(), Existing::Refuse).unwrap();
        write_finished(&folder, 0, owner("a = 1"), &"zero").unwrap();
        write_finished(&folder, 1, owner("a = 1"), &"one").unwrap();
        let read = |index, of| read_finished::<String>(&folder, index, owner(of));
        assert_eq!(read(1, "a = 1").unwrap(), "one");
        assert!(
            read(1, "a = 2")
                .unwrap_err()
                .message
                .contains("another experiment")
        );
        assert_eq!(read(2, "a = 1").unwrap_err().kind.code(), 2);
        let at = |index| folder.file(&finished_name(index));
        fs::rename(at(1), at(0)).unwrap();
        assert!(
            read(0, "a = 1")
                .unwrap_err()
                .message
                .contains("another dynamics")
        );
    }
}

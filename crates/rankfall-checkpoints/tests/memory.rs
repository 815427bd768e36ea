//! Small files that would take all memory: each is refused, or read, within a bound that is
//! measured.
//!
//! One test, so that nothing else is in memory at the same time.
#![cfg(target_os = "linux")]

mod support;

use rankfall_checkpoints::Checkpoint;
use std::fs;
use support::{Pickle, peak_megabytes, safetensors, torch};

/// Opcodes that a short stretch of the file repeats.
const MANY: usize = 20_000_000;
/// Megabytes that opening may take beside the file itself. Four million values of 56 bytes, in a
/// list that has just grown, and the stack beside it.
const MOST: usize = 400;

/// The first pickle of the older format.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Starts [`peak_megabytes`] anew.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// A pickle that ends in as many copies of some opcodes as fit into the longest that is read.
fn repeated(start: Pickle, opcodes: &[u8]) -> Vec<u8> {
    let count = MANY / opcodes.len();
    start.raw(&opcodes.repeat(count)).stop()
}

/// Name, file, and what the message says; `None` where it may be read.
fn bombs() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let two = || Pickle::of_protocol(4);
    let pickles = [
        ("values", repeated(two(), b"N"), Some("more than")),
        ("marks", repeated(two(), b"("), Some("more than")),
        (
            "places of the memo",
            repeated(two().raw(b"N"), b"\x94"),
            Some("more than"),
        ),
        ("stack", repeated(two().raw(b"N"), b"2"), Some("more than")),
        // A name of a megabyte, imported again and again.
        (
            "names",
            repeated(
                two().text(&"a".repeat(1 << 20)).raw(b"\x94"),
                b"h\x00h\x00\x930",
            ),
            Some("more than"),
        ),
        // The same for the class of a storage.
        (
            "classes of storages",
            repeated(
                two()
                    .raw(b"(")
                    .text("storage")
                    .global("torch", &"b".repeat(1 << 19))
                    .text("0")
                    .raw(b"t\x94"),
                b"h\x00Q0",
            ),
            Some("more than"),
        ),
        // One tensor under a million names of a thousand characters, with sixty dimensions.
        (
            "names of one tensor",
            tensor_of_many_names(),
            Some("names and shapes"),
        ),
    ];
    // Five pickles, each of as many values as one may have.
    let many = two().raw(&b"N0".repeat(3_900_000)).raw(b"N").stop();
    let five = [MAGIC, &many.repeat(4)].concat();
    let mut all: Vec<_> = pickles
        .into_iter()
        .map(|(name, pickle, says)| (name, torch(&pickle, &[]), says))
        .collect();
    all.push(("pickles of the older format", five, Some("more than")));
    let header = |values: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(values));
    all.push(("header", safetensors(&header(10_000_000), &[]), None));
    all.push((
        "long header",
        safetensors(&header(40_000_000), &[]),
        Some("more than"),
    ));
    all
}

fn tensor_of_many_names() -> Vec<u8> {
    let pickle = Pickle::of_protocol(2)
        .raw(b"}")
        .text(&"n".repeat(990))
        .raw(b"}(");
    let pickle = pickle
        .text("w")
        .tensor("FloatStorage", "0", 1, 0, &[1; 60], &[1; 60]);
    // The tensor has place 9 of the memo.
    let pickle = pickle.raw(b"q\x09");
    let named = (0..1_000_000).fold(pickle, |pickle, i| pickle.int(i).raw(b"h\x09"));
    named.raw(b"us").stop()
}

#[test]
fn no_file_takes_more_memory_than_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.bin");
    for (name, bytes, says) in bombs() {
        fs::write(&path, bytes).unwrap();
        forget_peak();
        let before = peak_megabytes();
        let outcome = Checkpoint::open(&path);
        let taken = peak_megabytes() - before;
        assert!(taken < MOST, "{name}: {taken} MB");
        match says {
            Some(says) => {
                let message = outcome.unwrap_err().detail;
                assert!(message.contains(says), "{name}: {message}");
            }
            None => assert_eq!(outcome.unwrap().tensors.len(), 1, "{name}"),
        }
        println!("{name}: {taken} MB");
    }
}

//! Pickles that would run something, or take all memory, if they were executed: none is. Each is
//! inert, with a message or an object that has a name, in bounded memory.
//!
//! The marker file that several of them would write is never there.

mod support;

use rankfall_checkpoints::{Checkpoint, CheckpointError};
use std::fs;
use std::path::PathBuf;
use support::{Pickle, f32s, legacy, torch};

struct Tried {
    outcome: Result<Checkpoint, CheckpointError>,
    marker: PathBuf,
    _folder: tempfile::TempDir,
}

/// Writes an archive with a pickle made for a marker file, and opens it.
fn open(make: impl Fn(&str) -> Vec<u8>) -> Tried {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("executed");
    let pickle = make(&format!("touch {}", marker.display()));
    let path = folder.path().join("m.pt");
    fs::write(&path, torch(&pickle, &[("0", &f32s(&[1.0, 2.0]))])).unwrap();
    Tried {
        outcome: Checkpoint::open(&path),
        marker,
        _folder: folder,
    }
}

impl Tried {
    /// The class of the only object.
    fn inert(self) -> Vec<String> {
        assert!(!self.marker.exists(), "it was executed");
        let read = self.outcome.unwrap();
        assert!(read.tensors.is_empty());
        read.inert.into_iter().map(|inert| inert.class).collect()
    }

    fn message(self) -> String {
        assert!(!self.marker.exists(), "it was executed");
        self.outcome.unwrap_err().detail
    }
}

#[test]
fn one_os_system_through_reduce() {
    let tried = open(|command| {
        Pickle::of_protocol(2)
            .global("os", "system")
            .raw(b"(")
            .text(command)
            .raw(b"tR")
            .stop()
    });
    assert_eq!(tried.inert(), ["os.system"]);
}

#[test]
fn two_build_with_a_state_that_is_called() {
    // obj.__setstate__ = os.system; the next BUILD would call it.
    let tried = open(|command| {
        let pickle = Pickle::of_protocol(2)
            .global("foo", "Bar")
            .raw(b")\x81}")
            .text("__setstate__");
        pickle
            .global("os", "system")
            .raw(b"sb")
            .text(command)
            .raw(b"b")
            .stop()
    });
    assert_eq!(tried.inert(), ["foo.Bar"]);
}

#[test]
fn three_inst_and_obj_of_protocol_0() {
    let tried = open(|command| format!("(S'{command}'\nios\nsystem\n.").into_bytes());
    assert_eq!(tried.inert(), ["os.system"]);
    let tried = open(|command| {
        Pickle::default()
            .raw(b"(")
            .global("os", "system")
            .text(command)
            .raw(b"o")
            .stop()
    });
    assert_eq!(tried.inert(), ["os.system"]);
}

#[test]
fn four_newobj_ex_and_stack_global_of_protocol_4() {
    let tried = open(|command| {
        let pickle = Pickle::of_protocol(4).raw(b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f");
        let pickle = pickle
            .raw(b"\x8c\x0asubprocess\x8c\x05Popen\x93(")
            .text(command)
            .raw(b"t}\x92\x94");
        pickle.stop()
    });
    assert_eq!(tried.inert(), ["subprocess.Popen"]);
}

#[test]
fn five_lists_nested_a_hundred_thousand_deep() {
    // Built by DUP-free nesting: ((((…)))) as tuples of one, and lists within lists. What is too
    // deep is named.
    let deep = ["what is nested deeper than 100 levels"];
    let tuples = open(|_| {
        Pickle::of_protocol(2)
            .raw(b"N")
            .raw(&vec![0x85; 100_000])
            .stop()
    });
    assert_eq!(tuples.inert(), deep);
    let lists = open(|_| {
        let pickle = Pickle::of_protocol(2).raw(&b"]".repeat(100_000));
        pickle.raw(&b"a".repeat(99_999)).stop()
    });
    assert_eq!(lists.inert(), deep);
    // A dictionary that is its own value.
    let own = open(|_| {
        Pickle::of_protocol(2)
            .raw(b"}q\x00X\x01\0\0\0ah\x00s")
            .stop()
    });
    assert!(own.inert().is_empty());
}

#[test]
fn six_a_memo_bomb_of_lists_of_lists() {
    // Each list holds the one before it ten times: 10^40 leaves if it were unfolded.
    let tried = open(|_| {
        let mut pickle = Pickle::of_protocol(2).raw(b"]q\x00");
        for level in 0u8..40 {
            let before = [b'h', level].repeat(10);
            pickle = pickle
                .raw(b"](")
                .raw(&before)
                .raw(b"e")
                .raw(&[b'q', level + 1]);
        }
        pickle.stop()
    });
    assert!(tried.inert().is_empty());
}

#[test]
fn seven_calls_that_copy_a_long_list_again_and_again() {
    // torch.Size of the same list of 20 000, 20 000 times: 4·10^8 items.
    let tried = open(|_| {
        let pickle = Pickle::of_protocol(2)
            .raw(b"](")
            .raw(&b"N".repeat(20_000))
            .raw(b"e\x85q\x00");
        let pickle = pickle.global("torch", "Size").raw(b"q\x01(");
        pickle.raw(&b"h\x01h\x00R".repeat(20_000)).raw(b"l").stop()
    });
    assert!(tried.message().contains("more than"));
}

#[test]
fn eight_truncated_at_every_byte() {
    let whole =
        Pickle::of_protocol(2)
            .raw(b"}(")
            .text("w")
            .tensor("FloatStorage", "0", 2, 0, &[2], &[1]);
    let whole = whole.raw(b"u").stop();
    for length in 0..whole.len() {
        let tried = open(|_| whole[..length].to_vec());
        let message = tried.message();
        assert!(message.contains("pickle"), "{length}: {message}");
    }
    assert_eq!(open(|_| whole.clone()).outcome.unwrap().tensors.len(), 1);
}

#[test]
fn nine_gigabytes_are_claimed() {
    let claims: [&[u8]; 5] = [
        b"X\xff\xff\xff\xff",
        b"\x8d\x00\x00\x00\x00\x00\x01\x00\x00",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\x7f",
        b"B\xff\xff\xff\xff",
    ];
    for claim in claims {
        let message = open(|_| Pickle::of_protocol(4).raw(claim).stop()).message();
        assert!(message.contains("are claimed"), "{message}");
    }
    // A tensor of a million million numbers in a storage of two, and one that repeats its numbers.
    for (shape, strides) in [
        ([1_000_000, 1_000_000], [1_000_000, 1]),
        ([1_000_000, 1_000_000], [0, 0]),
    ] {
        let tried = open(|_| {
            let pickle = Pickle::of_protocol(2).raw(b"}(").text("w");
            pickle
                .tensor("FloatStorage", "0", 2, 0, &shape, &strides)
                .raw(b"u")
                .stop()
        });
        let read = tried.outcome.unwrap();
        assert!(
            read.tensors[0]
                .problem
                .as_deref()
                .unwrap()
                .contains("claims more numbers")
        );
        assert!(read.tensors[0].values().is_err());
    }
}

#[test]
fn ten_persistent_identifiers_of_other_kinds() {
    let text = open(|_| b"Pos.system\n.".to_vec());
    assert_eq!(text.inert(), ["a persistent identifier"]);
    let call = open(|command| {
        let pickle = Pickle::of_protocol(2)
            .raw(b"(")
            .text("storage")
            .global("os", "system")
            .raw(b"(");
        pickle.text(command).raw(b"tRtQ").stop()
    });
    assert!(call.inert().contains(&"a persistent identifier".to_owned()));
    // A storage of a class that is none, with a path for its key.
    let tried = open(|_| {
        let pickle = Pickle::of_protocol(2).raw(b"}(").text("w");
        pickle
            .tensor("EvilStorage", "../../../etc/passwd", 2, 0, &[2], &[1])
            .raw(b"u")
            .stop()
    });
    let read = tried.outcome.unwrap();
    assert!(
        read.tensors[0]
            .problem
            .as_deref()
            .unwrap()
            .contains("not in the file")
    );
}

#[test]
fn eleven_unknown_opcodes_and_a_stack_that_is_too_short() {
    for byte in 0..=255u8 {
        let tried = open(|_| vec![0x80, 2, byte]);
        assert!(tried.message().contains("pickle"), "{byte:#x}");
    }
    assert!(
        open(|_| vec![0x80, 2, 0xfe, b'.'])
            .message()
            .contains("no such opcode")
    );
    assert!(
        open(|_| vec![0x80, 2, b'R', b'.'])
            .message()
            .contains("stack is empty")
    );
    assert!(
        open(|_| vec![0x80, 2, b'h', 7, b'.'])
            .message()
            .contains("memo")
    );
    assert!(
        open(|_| vec![0x80, 2, b'e', b'.'])
            .message()
            .contains("mark")
    );
}

#[test]
fn twelve_every_protocol_is_as_inert() {
    for protocol in 0..=5u8 {
        let tried = open(|command| {
            let start = if protocol < 2 {
                Pickle::default()
            } else {
                Pickle::of_protocol(protocol)
            };
            let call = match protocol {
                0 => start.raw(format!("cposix\nsystem\n(V{command}\ntR").as_bytes()),
                1 => start
                    .global("posix", "system")
                    .raw(b"(")
                    .text(command)
                    .raw(b"tR"),
                2 | 3 => start.global("posix", "system").text(command).raw(b"\x85R"),
                _ => start
                    .raw(b"\x8c\x05posix\x94\x8c\x06system\x94\x93")
                    .text(command)
                    .raw(b"\x85R"),
            };
            call.stop()
        });
        assert_eq!(tried.inert(), ["posix.system"], "protocol {protocol}");
    }
    // The older format, and a pickle alone.
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("executed");
    let command = format!("touch {}", marker.display());
    let call = Pickle::of_protocol(2)
        .global("os", "system")
        .text(&command)
        .raw(b"\x85R")
        .stop();
    for bytes in [legacy(&call, &[]), call] {
        let path = folder.path().join("m.pth");
        fs::write(&path, bytes).unwrap();
        assert_eq!(Checkpoint::open(&path).unwrap().inert[0].class, "os.system");
    }
    assert!(!marker.exists());
}

#[test]
fn an_archive_that_unpacks_to_gigabytes_is_refused() {
    // 300 MB of zeros, packed into a third of a megabyte.
    let zeros = vec![0u8; 300 << 20];
    let bytes = support::zip(&[("m/data.pkl", &zeros)], true);
    drop(zeros);
    assert!(bytes.len() < 1 << 20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.pt");
    fs::write(&path, bytes).unwrap();
    assert!(
        Checkpoint::open(&path)
            .unwrap_err()
            .detail
            .contains("unpacks to more")
    );
}

//! Files with bytes changed, cut and put together anew, and files of random bytes: no reader
//! panics, whatever the bytes, and none takes memory that the file does not account for.
//!
//! Seven thousand in the suite; `RANKFALL_FUZZ=1000000` says how many, and `RANKFALL_FUZZ_FROM` the
//! first seed.

mod support;

use rankfall_checkpoints::Checkpoint;
use std::fs;
use std::path::Path;
use support::{Pickle, f32s, legacy, npy, safetensors, torch, zip};

/// A counter turned into bits that look random (Steele, Lea and Flood, 2014).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// What a valid file is put together from: a part that is changed, and what is laid around it.
struct Seed {
    extension: &'static str,
    /// The part that readers interpret: a pickle, a header.
    part: Vec<u8>,
    /// The file with such a part. A checksum or a length that would end the reading early is right.
    whole: fn(&[u8]) -> Vec<u8>,
}

const NUMBERS: [f32; 6] = [1., 2., 3., 4., 5., 6.];
const HEADER: &str =
    r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"__metadata__":{"step":"1"}}"#;

fn pickle(protocol: u8) -> Vec<u8> {
    let start = match protocol {
        0 | 1 => Pickle::default().raw(b"(d("),
        _ => Pickle::of_protocol(protocol).raw(b"}("),
    };
    let pickle = start
        .text("w")
        .tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1])
        .text("t")
        .tensor("FloatStorage", "0", 6, 0, &[3, 2], &[1, 3]);
    let pickle = pickle
        .text("step")
        .int(3)
        .text("o")
        .global("os", "system")
        .text("x")
        .raw(b"\x85R");
    let pickle = match protocol {
        0 | 1 => pickle.text("p").raw(b"(I01\nL12L\nF1.5\nS'a'\nVb\ntp1\n"),
        4 | 5 => pickle
            .text("n")
            .raw(b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R\x94"),
        _ => pickle.text("p").raw(b"N"),
    };
    pickle
        .text("l")
        .raw(b"](K\x01\x88G\x40\x00\x00\x00\x00\x00\x00\x00e\x85q\x01h\x010u")
        .stop()
}

fn seeds() -> Vec<Seed> {
    let seed = |extension, part: Vec<u8>, whole| Seed {
        extension,
        part,
        whole,
    };
    let archive: fn(&[u8]) -> Vec<u8> = |pickle| torch(pickle, &[("0", &f32s(&NUMBERS))]);
    let packed: fn(&[u8]) -> Vec<u8> = |pickle| {
        let entries: [(&str, &[u8]); 2] = [("m/data.pkl", pickle), ("m/data/0", &f32s(&NUMBERS))];
        zip(&entries, true)
    };
    let older: fn(&[u8]) -> Vec<u8> = |pickle| legacy(pickle, &[("0", 6, &f32s(&NUMBERS))]);
    let headed: fn(&[u8]) -> Vec<u8> = |header| {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header);
        file.extend(f32s(&NUMBERS));
        file
    };
    let array = || npy("<f4", true, "(2, 3)", &f32s(&NUMBERS));
    let arrays: fn(&[u8]) -> Vec<u8> = |array| zip(&[("w.npy", array)], true);
    let plain: fn(&[u8]) -> Vec<u8> = <[u8]>::to_vec;
    vec![
        seed("pt", pickle(2), archive),
        seed("pt", pickle(5), packed),
        seed("pth", pickle(2), older),
        seed("safetensors", HEADER.into(), headed),
        seed("npz", array(), arrays),
        seed("npy", array(), plain),
        seed("pkl", pickle(0), plain),
        seed("pkl", pickle(4), plain),
        seed(
            "json",
            br#"{"weight_map":{"w":"shard.safetensors","x":"shard.safetensors","y":"none"}}"#
                .to_vec(),
            plain,
        ),
    ]
}

/// A file of this number: by turns a valid one with its part changed, one changed anywhere, and
/// random bytes behind the first ones of a valid file.
fn file(seed: &Seed, number: u64) -> Vec<u8> {
    let mut draws = Draws(number);
    match draws.below(8) {
        0 => random(seed, &mut draws),
        1..=3 => mutated(&(seed.whole)(&seed.part), &mut draws),
        _ => (seed.whole)(&mutated(&seed.part, &mut draws)),
    }
}

fn random(seed: &Seed, draws: &mut Draws) -> Vec<u8> {
    let kept = draws.below(12);
    let mut bytes: Vec<u8> = (seed.whole)(&seed.part).into_iter().take(kept).collect();
    bytes.extend((0..draws.below(400)).map(|_| draws.next() as u8));
    bytes
}

fn mutated(seed: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let many = if draws.below(3) == 0 {
        draws.below(8)
    } else {
        0
    };
    for _ in 0..=many {
        let at = draws.below(bytes.len());
        match draws.below(12) {
            0 => bytes.truncate(at),
            4 | 5 => number(&mut bytes, at, draws),
            6 | 7 => {
                let by = if draws.below(2) == 0 { 1 } else { 255 };
                let to = bytes[at].wrapping_add(by);
                set(&mut bytes, at, to);
            }
            1 => bytes.insert(at, draws.next() as u8),
            2 => {
                let (from, length) = (draws.below(bytes.len()), draws.below(32));
                let piece: Vec<u8> = bytes.iter().copied().skip(from).take(length).collect();
                bytes.splice(at..at, piece);
            }
            // Opcodes, and the ends of the range of numbers.
            3 => set(
                &mut bytes,
                at,
                *b".(]}hRbQtu\xff\x00\x7f\x80"
                    .get(draws.below(14))
                    .unwrap_or(&0),
            ),
            _ => set(&mut bytes, at, draws.next() as u8),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Another digit for the next one from a place on: sizes and offsets that are numbers, but not the
/// right ones.
fn number(bytes: &mut [u8], from: usize, draws: &mut Draws) {
    let digit = bytes.iter().skip(from).position(u8::is_ascii_digit);
    if let Some(at) = digit {
        bytes[from + at] = b'0' + draws.below(10) as u8;
    }
}

fn set(bytes: &mut [u8], at: usize, to: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to;
    }
}

fn wanted(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Opens a file and reads its tensors, from their start and from within; how many could be read.
fn read(path: &Path, draws: &mut Draws) -> Option<usize> {
    let checkpoint = Checkpoint::open(path).ok()?;
    let readable = |tensor: &&rankfall_checkpoints::Tensor| {
        let Ok(values) = tensor.values() else {
            return false;
        };
        let count = tensor.len().unwrap();
        let from = draws.below(count);
        let mut out = vec![0.0; count.min(1000)];
        let rest = (count - from.min(count)).min(out.len());
        values.read(0, &mut out).is_ok() && values.read(from.min(count), &mut out[..rest]).is_ok()
    };
    Some(checkpoint.tensors.iter().filter(readable).count())
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let (first, count) = (
        wanted("RANKFALL_FUZZ_FROM", 0),
        wanted("RANKFALL_FUZZ", 7_000),
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("shard.safetensors"),
        safetensors(HEADER, &f32s(&NUMBERS)),
    )
    .unwrap();
    let seeds = seeds();
    for seed in &seeds {
        let path = folder.path().join(format!("m.{}", seed.extension));
        fs::write(&path, (seed.whole)(&seed.part)).unwrap();
        // A pickle alone has no storages.
        let opened = Checkpoint::open(&path);
        let found = read(&path, &mut Draws(0));
        assert!(
            if seed.extension == "pkl" {
                found.is_some()
            } else {
                found > Some(0)
            },
            "{opened:?}"
        );
    }
    let (mut opened, mut tensors) = (vec![0; seeds.len()], 0);
    #[cfg(target_os = "linux")]
    let before = support::peak_megabytes();
    for number in first..first + count {
        let which = number as usize % seeds.len();
        let path = folder.path().join(format!("m.{}", seeds[which].extension));
        fs::write(&path, file(&seeds[which], number)).unwrap();
        if let Some(found) = read(&path, &mut Draws(number)) {
            opened[which] += 1;
            tensors += found as u64;
        }
    }
    println!("{count} files from seed {first}: {opened:?} opened, {tensors} tensors read");
    // Files are of a few hundred bytes; whatever they claim.
    #[cfg(target_os = "linux")]
    assert!(support::peak_megabytes() - before < 64);
    // Of every kind some still open, so that what lies behind is reached.
    let each = count / seeds.len() as u64;
    assert!(
        opened.iter().all(|&o| o * 20 > each) && tensors * 20 > count,
        "{opened:?}, {tensors}"
    );
}

//! Files with bytes changed, cut and put together anew: no reader panics, whatever the bytes.
//!
//! A few thousand in the suite; `RANKFALL_FUZZ=1000000` says how many.

mod support;

use rankfall_checkpoints::Checkpoint;
use std::fs;
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

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let pickle = Pickle::of_protocol(2).raw(b"}(").text("w").tensor(
        "FloatStorage",
        "0",
        6,
        0,
        &[2, 3],
        &[3, 1],
    );
    let pickle = pickle
        .text("step")
        .int(3)
        .text("o")
        .global("os", "system")
        .text("x")
        .raw(b"\x85R");
    let pickle = pickle
        .text("l")
        .raw(b"](K\x01\x88G\x40\x00\x00\x00\x00\x00\x00\x00e\x86q\x01h\x010u")
        .stop();
    let numbers = f32s(&[1., 2., 3., 4., 5., 6.]);
    let header =
        r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"__metadata__":{"step":"1"}}"#;
    let array = npy("<f4", false, "(2, 3)", &numbers);
    let index = br#"{"weight_map":{"w":"missing.safetensors"}}"#.to_vec();
    vec![
        ("pt", torch(&pickle, &[("0", &numbers)])),
        ("pth", legacy(&pickle, &[("0", 6, &numbers)])),
        ("safetensors", safetensors(header, &numbers)),
        ("npz", zip(&[("w.npy", &array)], true)),
        ("npy", array),
        ("pkl", pickle),
        ("json", index),
    ]
}

fn mutated(seed: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=draws.below(6) {
        let at = draws.below(bytes.len());
        match draws.below(6) {
            0 => bytes.truncate(at),
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

fn set(bytes: &mut [u8], at: usize, to: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to;
    }
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let wanted = std::env::var("RANKFALL_FUZZ")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(7_000usize);
    let folder = tempfile::tempdir().unwrap();
    let seeds = seeds();
    let (mut opened, mut read) = (0, 0);
    for i in 0..wanted {
        let mut draws = Draws(i as u64);
        let (extension, seed) = &seeds[i % seeds.len()];
        let path = folder.path().join(format!("m.{extension}"));
        fs::write(&path, mutated(seed, &mut draws)).unwrap();
        let Ok(checkpoint) = Checkpoint::open(&path) else {
            continue;
        };
        opened += 1;
        for tensor in &checkpoint.tensors {
            let Ok(values) = tensor.values() else {
                continue;
            };
            let mut out = vec![0.0; tensor.len().unwrap().min(1000)];
            read += usize::from(values.read(0, &mut out).is_ok());
        }
    }
    // Mutations are small: many files still open, so that what lies behind is reached.
    assert!(
        opened * 20 > wanted && read * 40 > wanted,
        "{opened} opened, {read} tensors read of {wanted}"
    );
}

//! Good files of every format, mutated: read or refused with the file's name, never a panic.
//! `RANKFALL_MUTATIONS` sets how many mutations of each file are tried; 500 by default.

mod common;

use common::{Folder, fixture, gzip};
use rankfall_data::{CifarLabels, DataError, FileSpec, load, read_cifar, read_gram, read_idx};
use std::path::Path;

/// A generator of numbers from a seed (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Flips, replaces, removes, doubles or cuts a few times.
fn mutate(whole: &[u8], random: &mut Seeded) -> Vec<u8> {
    const TELLING: &[u8] = b"\"#,;|\t\r\n\0\xff.-e01?=<{";
    let mut bytes = whole.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match (random.below(6), bytes.len()) {
            (_, 0) => bytes.push(TELLING[random.below(TELLING.len())]),
            (0, _) => bytes[at] ^= 1 << random.below(8),
            (1, _) => bytes[at] = TELLING[random.below(TELLING.len())],
            (2, _) => bytes.insert(at, TELLING[random.below(TELLING.len())]),
            (3, _) => drop(bytes.remove(at)),
            (4, length) => {
                let end = (at + 1 + random.below(40)).min(length);
                bytes.extend_from_within(at..end);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn check(name: &str, whole: &[u8], read: impl Fn(&Path) -> Result<(), DataError>) {
    let count = std::env::var("RANKFALL_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok());
    let folder = Folder::new();
    let mut random = Seeded(name.len() as u64 + whole.len() as u64);
    for turn in 0..count.unwrap_or(500) {
        // A new name each time: writing over a file waits for the disk.
        let path = folder.write(&format!("{turn}-{name}"), mutate(whole, &mut random));
        if let Err(error) = read(&path) {
            let text = error.to_string();
            assert!(text.starts_with(&path.display().to_string()), "{text}");
        }
        std::fs::remove_file(path).unwrap();
    }
}

fn table(path: &Path, one_hot: bool) -> Result<(), DataError> {
    let mut spec = FileSpec::new(path);
    spec.targets = Some(vec![0.into()]);
    spec.one_hot = one_hot;
    spec.memory_limit = 64 << 20;
    load(&spec).map(drop)
}

#[test]
fn mutated_text_is_decided() {
    let csv = "a,b,kind\n1,2.5,x\n4,-5,\"y, z\"\n# pause\n7e0,NA,x\n";
    let tsv = csv.replace(',', "\t");
    let utf16: Vec<u8> = csv.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [
        ("t.csv", csv.as_bytes().to_vec()),
        ("t.tsv", tsv.into_bytes()),
        ("u.csv", utf16),
        ("t.csv.gz", gzip(csv.as_bytes())),
    ] {
        check(name, &bytes, |path| table(path, false));
        check(name, &bytes, |path| table(path, true));
    }
}

#[test]
fn mutated_arrays_and_parquet_are_decided() {
    for name in ["c_f8.npy", "fortran_f4.npy", "snappy.parquet"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        check(name, &whole, |path| table(path, true));
    }
    for name in ["stored.npz", "deflated.npz"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        check(name, &whole, |path| load(&FileSpec::new(path)).map(drop));
    }
    let whole = std::fs::read(fixture("gram.npz")).unwrap();
    check("gram.npz", &whole, |path| read_gram(path).map(drop));
}

#[test]
fn mutated_images_are_decided() {
    let idx = [
        &[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3][..],
        &[1, 2, 3, 4, 5, 6],
    ]
    .concat();
    check("images", &idx, |path| read_idx(path, path).map(drop));
    check("images.gz", &gzip(&idx), |path| {
        read_idx(path, path).map(drop)
    });
    let cifar = vec![3; 2 * 3073];
    check("data.bin", &cifar, |path| {
        read_cifar(&[path], CifarLabels::Ten).map(drop)
    });
}

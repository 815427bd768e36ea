//! NPY and NPZ, those of NumPy and those made to harm.

mod common;

use std::io::Write;
use std::path::Path;

use common::{Folder, assert_says, fixture, gzip, spec};
use rankfall_data::{FileSpec, load, load_rows};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The rows of a file, inputs then outputs.
fn rows(spec: &FileSpec) -> Vec<Vec<f64>> {
    let loaded = load(spec).unwrap();
    let (x, y) = load_rows(spec, &loaded, 1 << 30).unwrap();
    let row = |i: usize| {
        let x = (0..x.ncols()).map(|j| x[(i, j)]);
        x.chain((0..y.ncols()).map(|j| y[(i, j)])).collect()
    };
    (0..x.nrows()).map(row).collect()
}

fn npy(descr: &str, fortran: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(numbers);
    bytes
}

fn npz(path: &Path, deflated: bool, arrays: &[(&str, Vec<u8>)]) {
    let method = if deflated {
        CompressionMethod::Deflated
    } else {
        CompressionMethod::Stored
    };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut zip = ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn arrays_saved_by_numpy_are_read() {
    let expected = [[1.0, 2.0], [3.0, 4.0], [5.0, -6.5]];
    assert_eq!(rows(&spec(fixture("c_f8.npy"), [1usize])), expected);
    assert_eq!(rows(&spec(fixture("fortran_f4.npy"), [1usize])), expected);
    assert_eq!(
        rows(&spec(fixture("big_i2.npy"), [0usize])),
        [[1.0, 0.0], [3.0, 2.0], [5.0, 4.0]]
    );
    for name in ["stored.npz", "deflated.npz"] {
        let both = FileSpec::new(fixture(name));
        let loaded = load(&both).unwrap();
        assert_eq!(loaded.inputs, ["x[0]", "x[1]"]);
        assert_eq!(loaded.targets, ["y"]);
        assert_eq!(
            rows(&both),
            [[1.0, 2.0, 1.0], [3.0, 4.0, -1.0], [5.0, -6.5, 0.5]]
        );
    }
}

#[test]
fn every_dtype_order_and_endianness_is_read() {
    let folder = Folder::new();
    macro_rules! check {
        ($($type:ty, $code:literal);*) => {$({
            for (mark, bytes) in [
                ("<", <$type>::to_le_bytes as fn($type) -> _),
                (">", <$type>::to_be_bytes as fn($type) -> _),
            ] {
                let numbers = |order: [u8; 6]| -> Vec<u8> {
                    order.into_iter().flat_map(|v| bytes(v as $type)).collect()
                };
                let descr = format!("'{mark}{}'", $code);
                let c = npy(&descr, false, "(3, 2)", &numbers([1, 2, 3, 4, 5, 60]));
                let f = npy(&descr, true, "(3, 2)", &numbers([1, 3, 5, 2, 4, 60]));
                for bytes in [&c, &f] {
                    let expected = [[1.0, 2.0], [3.0, 4.0], [5.0, 60.0]];
                    let plain = folder.write("a.npy", bytes);
                    assert_eq!(rows(&spec(plain, [1usize])), expected, "{descr}");
                    let packed = folder.write("a.npy.gz", gzip(bytes));
                    assert_eq!(rows(&spec(packed, [1usize])), expected, "{descr}");
                    for deflated in [false, true] {
                        let path = folder.path("a.npz");
                        npz(&path, deflated, &[("only", bytes.clone())]);
                        assert_eq!(rows(&spec(path, ["only[1]"])), expected, "{descr}");
                    }
                }
            }
        })*};
    }
    check!(i8, "i1"; u8, "u1"; i16, "i2"; u16, "u2"; i32, "i4"; u32, "u4"; i64, "i8"; u64, "u8";
           f32, "f4"; f64, "f8");
    let flags = npy("'|b1'", false, "(2, 2)", &[0, 1, 1, 0]);
    let path = folder.write("b.npy", flags);
    assert_eq!(rows(&spec(path, [1usize])), [[0.0, 1.0], [1.0, 0.0]]);
    let halves = npy("'<f2'", false, "(2, 2)", &[0, 0x3c, 0, 0xc5, 0, 0, 1, 0]);
    let path = folder.write("h.npy", halves);
    assert_eq!(
        rows(&spec(path, [1usize])),
        [[1.0, -5.0], [0.0, 2f64.powi(-24)]]
    );
}

#[test]
fn arrays_longer_than_a_chunk_keep_their_rows_together() {
    let folder = Folder::new();
    let n = 40_000usize;
    let x: Vec<u8> = (0..n).flat_map(|i| (i as f64).to_le_bytes()).collect();
    let columns: Vec<u8> = (0..2 * n).flat_map(|i| (i as u32).to_le_bytes()).collect();
    let path = folder.path("a.npz");
    let arrays = [
        ("inputs", npy("'<u4'", true, &format!("({n}, 2)"), &columns)),
        ("targets", npy("'<f8'", false, &format!("({n},)"), &x)),
    ];
    for deflated in [false, true] {
        npz(&path, deflated, &arrays);
        let rows = rows(&FileSpec::new(&path));
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(row[..], [i as f64, (i + n) as f64, i as f64]);
        }
    }
}

#[test]
fn arrays_are_chosen_by_name() {
    let folder = Folder::new();
    let path = folder.path("a.npz");
    let x = npy("'<i2'", false, "(2, 2)", &[1, 0, 2, 0, 3, 0, 4, 0]);
    let y = npy("'<i2'", false, "(2,)", &[7, 0, 8, 0]);
    let long = npy("'<i2'", false, "(3,)", &[7, 0, 8, 0, 9, 0]);
    npz(
        &path,
        false,
        &[("images", x), ("labels", y), ("long", long)],
    );
    let mut chosen = FileSpec::new(&path);
    assert_says(
        &chosen,
        &["which arrays", "\"images\", \"labels\", \"long\""],
    );
    chosen.arrays.inputs = Some("images".into());
    assert_says(&chosen, &["no target columns", "\"images[1]\""]);
    chosen.arrays.targets = Some("lables".into());
    assert_says(
        &chosen,
        &["no array \"lables\"", "did you mean \"labels\"?"],
    );
    chosen.arrays.targets = Some("long".into());
    assert_says(&chosen, &["\"images\" has 2 rows but \"long\" has 3"]);
    chosen.arrays.targets = Some("images".into());
    assert_says(&chosen, &["named for inputs and for targets"]);
    chosen.arrays.targets = Some("labels".into());
    assert_eq!(rows(&chosen), [[1.0, 2.0, 7.0], [3.0, 4.0, 8.0]]);
    chosen.one_hot = true;
    assert_eq!(load(&chosen).unwrap().targets, ["labels=7", "labels=8"]);
    chosen.inputs = Some(vec![1.into()]);
    assert_eq!(rows(&chosen), [[2.0, 1.0, 0.0], [4.0, 0.0, 1.0]]);
    chosen.targets = Some(vec![1.into()]);
    assert_says(&chosen, &["no column 1", "0 to 0"]);
    // One array as a whole table.
    chosen = spec(&path, [0usize]);
    chosen.arrays.inputs = Some("images".into());
    assert_eq!(rows(&chosen), [[2.0, 1.0], [4.0, 3.0]]);
}

#[test]
fn shapes_that_lie_are_refused_before_anything_is_set_aside() {
    let folder = Folder::new();
    let number = 1f64.to_le_bytes();
    let cases: [(&str, &[&str]); 6] = [
        (
            "(1000000000000, 1000000)",
            &["claims the shape", "but there are 136"],
        ),
        ("(18446744073709551615, 2)", &["larger than any file"]),
        (
            "(3, 2)",
            &["ends early", "claims the shape [3, 2], 176 bytes"],
        ),
        ("(0, 2)", &["no rows"]),
        ("(1, 1, 1)", &["shape [1, 1, 1]", "reshape"]),
        ("()", &["shape []", "reshape"]),
    ];
    for (shape, parts) in cases {
        for fortran in [false, true] {
            let array = npy("'<f8'", fortran, shape, &number);
            assert_says(&spec(folder.write("a.npy", &array), [0usize]), parts);
            // In an archive and in gzip there is no file length to hold the claim against.
            let path = folder.path("a.npz");
            npz(&path, true, &[("a", array.clone())]);
            common::message(&spec(&path, [0usize]));
            common::message(&spec(folder.write("a.npy.gz", gzip(&array)), [0usize]));
        }
    }
    let wide = npy("'<f8'", false, "(1, 99999999999)", &number);
    assert_says(
        &spec(folder.write("w.npy.gz", gzip(&wide)), [0usize]),
        &["transposed"],
    );
    let trailing = npy("'<f8'", false, "(1, 1)", &[0; 16]);
    assert_says(
        &spec(folder.write("t.npy", trailing), [0usize]),
        &["damaged"],
    );
}

#[test]
fn what_numpy_can_save_but_is_no_number_is_named() {
    let folder = Folder::new();
    for (descr, parts) in [
        ("'|O'", ["Python objects", "astype"]),
        ("'<U3'", ["\"<U3\"", "astype"]),
        ("'<c16'", ["\"<c16\"", "astype"]),
        (
            "[('a', '<f8'), ('b', '<f8')]",
            ["several fields", "unstructured"],
        ),
    ] {
        let path = folder.write("a.npy", npy(descr, false, "(1, 2)", &[0; 16]));
        assert_says(&spec(path, [0usize]), &parts);
    }
}

#[test]
fn numbers_that_are_not_finite_are_placed() {
    let folder = Folder::new();
    let mut numbers: Vec<u8> = (0..30_000)
        .flat_map(|i| f64::from(i).to_le_bytes())
        .collect();
    numbers[8 * 24_689..8 * 24_690].copy_from_slice(&f64::NAN.to_le_bytes());
    let path = folder.write("a.npy", npy("'<f8'", false, "(15000, 2)", &numbers));
    assert_says(
        &spec(path, [0usize]),
        &["row 12345, column \"column 1\"", "NaN"],
    );
}

#[test]
fn a_bomb_in_fortran_order_is_refused_by_its_size() {
    let folder = Folder::new();
    let path = folder.path("a.npz");
    npz(
        &path,
        true,
        &[(
            "a",
            npy("'|u1'", true, "(10000000, 2)", &vec![0; 20_000_000]),
        )],
    );
    let mut bomb = spec(&path, [0usize]);
    bomb.memory_limit = 1 << 20;
    assert_says(&bomb, &["Fortran order", "19.1 MiB", "C order"]);
    bomb.memory_limit = 1 << 30;
    assert_eq!(load(&bomb).unwrap().rows, 10_000_000);
}

#[test]
fn damaged_archives_are_refused() {
    let folder = Folder::new();
    for name in ["stored.npz", "deflated.npz"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in [10, whole.len() / 2, whole.len() - 1] {
            let path = folder.write("a.npz", &whole[..length]);
            common::message(&FileSpec::new(path));
        }
    }
    // One flipped bit among the numbers: only the checksum can tell.
    let mut bytes = std::fs::read(fixture("stored.npz")).unwrap();
    let two = 2f64.to_le_bytes();
    let at = bytes.windows(8).position(|w| w == two).unwrap();
    bytes[at + 6] ^= 1;
    assert_says(&FileSpec::new(folder.write("f.npz", bytes)), &["checksum"]);
    let path = folder.path("other.npz");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
    zip.start_file("archive/data.pkl", SimpleFileOptions::default())
        .unwrap();
    zip.finish().unwrap();
    assert_says(&FileSpec::new(path), &["a PyTorch checkpoint"]);
}

#[test]
fn no_flipped_byte_makes_a_panic() {
    let folder = Folder::new();
    for name in ["c_f8.npy", "fortran_f4.npy", "stored.npz", "deflated.npz"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in 0..whole.len() {
            for flip in [0xff, 0x01, 0x80] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                // A new name each time: writing over a file waits for the disk.
                let path = folder.write(&format!("{at}-{flip}-{name}"), bytes);
                let mut spec = FileSpec::new(&path);
                if name.ends_with("npy") {
                    spec.targets = Some(vec![0.into()]);
                }
                // Right or refused, but decided.
                let _ = load(&spec);
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

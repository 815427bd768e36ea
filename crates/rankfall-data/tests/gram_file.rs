//! Gram files: as they were written, NumPy's, and those that no data could have.

mod common;

use std::io::Write;
use std::path::Path;

use common::{Folder, fixture};
use faer::Mat;
use rankfall_core::model::gram::{Gram, GramAccumulator, GramError};
use rankfall_data::{DataErrorKind, FileSpec, load, read_gram};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn gram() -> Gram {
    let mut moments = GramAccumulator::new(2, 1);
    moments
        .add_rows(&[1.0, 2.0, 3.0, 4.0, 5.0, -6.5], &[1.0, -1.0, 0.5])
        .unwrap();
    moments.gram()
}

#[test]
fn a_gram_comes_back_to_the_bit() {
    let folder = Folder::new();
    let path = folder.path("gram.npz");
    let gram = gram();
    write_gram(&path, &gram);
    let back = read_gram(&path).unwrap();
    assert_eq!(back.gram.sxx, gram.sxx);
    assert_eq!(back.gram.sxy, gram.sxy);
    assert_eq!(back.gram.syy, gram.syy);
    assert_eq!(back.gram.n, 3);
    assert_eq!(back.sha256.len(), 64);
}

#[test]
fn the_gram_that_numpy_computes_is_that_of_the_rows() {
    let numpy = read_gram(fixture("gram.npz")).unwrap().gram;
    let ours = load(&FileSpec::new(fixture("stored.npz"))).unwrap().gram;
    assert_eq!(numpy.n, ours.n);
    for i in 0..2 {
        assert!((numpy.sxy[(i, 0)] - ours.sxy[(i, 0)]).abs() < 1e-14);
        for j in 0..2 {
            assert!((numpy.sxx[(i, j)] - ours.sxx[(i, j)]).abs() < 1e-14);
        }
    }
}

fn array(descr: &str, fortran: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}}}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(numbers);
    bytes
}

fn write(path: &Path, arrays: [(&str, Vec<u8>); 4]) {
    let mut zip = ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn write_gram(path: &Path, gram: &Gram) {
    let matrix = |m: &Mat<f64>| {
        let entries = (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)]));
        let numbers: Vec<u8> = entries.flat_map(f64::to_le_bytes).collect();
        let shape = format!("({}, {})", m.nrows(), m.ncols());
        array("<f8", false, &shape, &numbers)
    };
    let n = array("<u8", false, "()", &gram.n.to_le_bytes());
    let [sxx, sxy, syy] = [&gram.sxx, &gram.sxy, &gram.syy].map(matrix);
    write(path, [("sxx", sxx), ("sxy", sxy), ("syy", syy), ("n", n)]);
}

#[test]
fn any_dtype_order_and_leaner_shapes_are_read() {
    let folder = Folder::new();
    let path = folder.path("g.npz");
    let f4 =
        |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|v| v.to_be_bytes()).collect() };
    for (n, shape) in [
        (array("<i8", false, "()", &[9, 0, 0, 0, 0, 0, 0, 0]), "()"),
        (array("|u1", false, "(1,)", &[9]), "(1,)"),
    ] {
        // S_xy of length p and a scalar S_yy stand for one output; S_xy in Fortran order too.
        write(
            &path,
            [
                (
                    "sxx",
                    array(
                        "<i4",
                        true,
                        "(2, 2)",
                        &[2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0],
                    ),
                ),
                ("sxy", array(">f4", false, "(2,)", &f4(&[0.5, -0.5]))),
                ("syy", array(">f4", false, shape, &f4(&[1.0]))),
                ("n", n),
            ],
        );
        let gram = read_gram(&path).unwrap().gram;
        assert_eq!((gram.n, gram.sxx[(1, 1)], gram.sxy[(1, 0)]), (9, 3.0, -0.5));
    }
    // Fortran order is told from C order by an S_xy that is no vector.
    write(
        &path,
        [
            ("sxx", array("|i1", false, "(2, 2)", &[9, 0, 0, 9])),
            ("sxy", array("|i1", true, "(2, 3)", &[1, 2, 3, 4, 5, 6])),
            (
                "syy",
                array("|i1", false, "(3, 3)", &[9, 0, 0, 0, 9, 0, 0, 0, 9]),
            ),
            ("n", array("|i1", false, "()", &[9])),
        ],
    );
    let gram = read_gram(&path).unwrap_err();
    assert!(matches!(
        gram.kind,
        DataErrorKind::Gram(GramError::NotPositiveSemidefinite { .. })
    ));
    write(
        &path,
        [
            ("sxx", array("|i1", false, "(2, 2)", &[90, 0, 0, 90])),
            ("sxy", array("|i1", true, "(2, 3)", &[1, 2, 3, 4, 5, 6])),
            (
                "syy",
                array("|i1", false, "(3, 3)", &[9, 0, 0, 0, 9, 0, 0, 0, 9]),
            ),
            ("n", array("|i1", false, "()", &[9])),
        ],
    );
    assert_eq!(read_gram(&path).unwrap().gram.sxy[(0, 1)], 3.0);
}

#[test]
fn grams_that_cannot_be_are_refused() {
    let folder = Folder::new();
    let path = folder.path("g.npz");
    let refused = |change: fn(&mut Gram)| {
        let mut wrong = gram();
        change(&mut wrong);
        write_gram(&path, &wrong);
        read_gram(&path).unwrap_err().to_string()
    };
    for (change, part) in [
        (
            (|g| g.sxx[(0, 1)] += 1.0) as fn(&mut Gram),
            "sxx is not symmetric",
        ),
        (|g| g.syy[(0, 0)] = 0.1, "no data has these moments"),
        (|g| g.sxx[(0, 0)] = f64::NAN, "sxx[0, 0] is NaN"),
        (
            |g| g.sxy = Mat::zeros(3, 1),
            "sxy is 3 x 1 but must be 2 x 1",
        ),
        (|g| g.n = 0, "n is 0"),
    ] {
        let text = refused(change);
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn missing_arrays_and_other_files_are_named() {
    let text = read_gram(fixture("stored.npz")).unwrap_err().to_string();
    assert!(text.contains("no array \"sxx\""), "{text}");
    let text = read_gram(fixture("c_f8.npy")).unwrap_err().to_string();
    assert!(
        text.contains("an NPY array") && text.contains("NPZ"),
        "{text}"
    );
    let text = read_gram("nowhere.npz").unwrap_err().to_string();
    assert!(text.contains("no such file"), "{text}");
}

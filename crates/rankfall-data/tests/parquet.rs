//! Parquet, as Arrow writes it and as this crate's own writer does.

mod common;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use common::{Folder, assert_says, fixture, spec};
use parquet::data_type::DoubleType;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rankfall_data::{FileSpec, load, load_rows};

/// The table of `tests/data/snappy.parquet`: three rows in two row groups, written by pyarrow.
fn arrow(targets: &str, inputs: &[&str]) -> FileSpec {
    let mut chosen = spec(fixture("snappy.parquet"), [targets]);
    chosen.inputs = Some(inputs.iter().map(|&name| name.into()).collect());
    chosen
}

#[test]
fn every_numeric_type_that_arrow_writes_is_read() {
    let chosen = arrow("a", &["b", "u", "d", "h", "flag"]);
    let loaded = load(&chosen).unwrap();
    assert_eq!(loaded.rows, 3);
    let (x, y) = load_rows(&chosen, &loaded, 1 << 20).unwrap();
    let expected = [
        [0.5, 1.0, 1.25, 1.0, 1.0],
        [1.5, 2.0, -3.5, 2.0, 0.0],
        [-2.5, u64::MAX as f64, 0.01, 0.5, 1.0],
    ];
    for (i, row) in expected.iter().enumerate() {
        assert_eq!(y[(i, 0)], (i + 1) as f64);
        for (j, &value) in row.iter().enumerate() {
            assert_eq!(x[(i, j)], value, "{i} {j}");
        }
    }
}

#[test]
fn text_is_a_class_and_nothing_else() {
    let mut class = arrow("kind", &["a"]);
    assert_says(&class, &["\"kind\" holds text", "one_hot = true"]);
    class.one_hot = true;
    let loaded = load(&class).unwrap();
    assert_eq!(loaded.targets, ["kind=x", "kind=y"]);
    assert!((loaded.gram.syy[(0, 0)] - 2.0 / 3.0).abs() < 1e-15);
    let mut mixed = class.clone();
    mixed.targets = Some(vec!["kind".into(), "flag".into()]);
    let targets = load(&mixed).unwrap().targets;
    assert_eq!(targets, ["kind=x", "kind=y", "flag=0", "flag=1"]);
}

#[test]
fn nulls_and_times_are_named() {
    assert_says(&arrow("gap", &["a"]), &["row 2, column \"gap\": no value"]);
    assert_says(&arrow("a", &["when"]), &["\"when\" holds dates or times"]);
    assert_says(&arrow("a", &["wenn"]), &["did you mean \"when\"?"]);
}

#[test]
fn zstd_is_read_or_names_the_feature() {
    let mut chosen = spec(fixture("zstd.parquet"), ["a"]);
    chosen.inputs = Some(vec!["b".into()]);
    if cfg!(feature = "zstd") {
        let sxy = load(&chosen).unwrap().gram.sxy[(0, 0)];
        assert!((sxy + 4.0 / 3.0).abs() < 1e-15);
    } else {
        assert_says(
            &chosen,
            &["\"b\" is compressed with zstd", "--features zstd", "snappy"],
        );
    }
}

fn write_doubles(path: &Path, groups: &[usize]) {
    let schema = "message rows { required double x; required double y; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    let mut next = 0;
    for &rows in groups {
        let values: Vec<f64> = (next..next + rows).map(|i| i as f64).collect();
        let mut group = writer.next_row_group().unwrap();
        for sign in [1.0, -2.0] {
            let values: Vec<f64> = values.iter().map(|v| sign * v).collect();
            let mut column = group.next_column().unwrap().unwrap();
            let typed = column.typed::<DoubleType>();
            typed.write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        next += rows;
    }
    writer.close().unwrap();
}

#[test]
fn row_groups_of_any_size_follow_one_another() {
    let folder = Folder::new();
    let path = folder.path("t.parquet");
    write_doubles(&path, &[1, 20_000, 0, 3, 8192]);
    let chosen = spec(&path, ["y"]);
    let loaded = load(&chosen).unwrap();
    let (x, y) = load_rows(&chosen, &loaded, 1 << 30).unwrap();
    assert_eq!(x.nrows(), 28_196);
    for i in 0..x.nrows() {
        assert_eq!((x[(i, 0)], y[(i, 0)]), (i as f64, -2.0 * i as f64));
    }
    write_doubles(&path, &[]);
    assert_says(&chosen, &["has no rows"]);
}

#[test]
fn truncated_files_are_refused() {
    let folder = Folder::new();
    let whole = std::fs::read(fixture("snappy.parquet")).unwrap();
    for length in [4, 12, whole.len() / 2, whole.len() - 1] {
        let path = folder.write("t.parquet", &whole[..length]);
        assert_says(&spec(path, ["a"]), &["damaged", "cut off"]);
    }
}

#[test]
fn no_flipped_byte_makes_a_panic() {
    let folder = Folder::new();
    let whole = std::fs::read(fixture("snappy.parquet")).unwrap();
    let mut decided = 0;
    for at in 0..whole.len() {
        for flip in [0xff, 0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            // A new name each time: writing over a file waits for the disk.
            let path = folder.write(&format!("{at}-{flip}.parquet"), bytes);
            let mut chosen = spec(&path, ["kind"]);
            chosen.inputs = Some(["a", "b", "u", "d", "h"].map(Into::into).to_vec());
            chosen.one_hot = true;
            let _ = load(&chosen);
            std::fs::remove_file(path).unwrap();
            decided += 1;
        }
    }
    assert_eq!(decided, 3 * whole.len());
}

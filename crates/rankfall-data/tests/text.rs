//! CSV and its relatives, right and wrong.

mod common;

use common::{Folder, assert_says, gzip, spec};
use rankfall_data::{ColumnSelector, Delimiter, FileSpec, HeaderRow, TableFormat, load, load_rows};

const TABLE: &str = "a,b,y\n1,2,3\n4,-5,6.5\n7e0,8,.5\n";

fn check_table(spec: &FileSpec) {
    let loaded = load(spec).unwrap();
    assert_eq!(loaded.rows, 3);
    assert_eq!(loaded.gram.n, 3);
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-14 * want.abs(), "{got}");
    near(loaded.gram.sxx[(0, 1)], (2.0 - 20.0 + 56.0) / 3.0);
    near(loaded.gram.sxy[(1, 0)], (6.0 - 32.5 + 4.0) / 3.0);
    near(loaded.gram.syy[(0, 0)], (9.0 + 42.25 + 0.25) / 3.0);
    loaded.gram.check().unwrap();
}

#[test]
fn the_same_table_in_every_dress() {
    let folder = Folder::new();
    let dressed = [
        TABLE.to_owned(),
        TABLE.replace('\n', "\r\n"),
        TABLE.trim_end().to_owned(),
        format!("\u{feff}{TABLE}"),
        format!("\n\n{TABLE}\n  \n"),
        TABLE.replace(',', "\t"),
        TABLE.replace(',', ";"),
        TABLE.replace(',', "|"),
        TABLE.replace(',', " , "),
        TABLE.replace(',', "   "),
        TABLE.replace('4', "\"4\"").replace("a,", "\"a\","),
        TABLE.replace('4', "+4"),
    ];
    for (i, text) in dressed.iter().enumerate() {
        let plain = folder.write(&format!("{i}.csv"), text);
        check_table(&spec(&plain, ["y"]));
        // Gzip is known by its bytes, not by the name.
        let packed = folder.write(&format!("{i}.txt"), gzip(text.as_bytes()));
        check_table(&spec(&packed, ["y"]));
    }
}

#[test]
fn several_gzip_members_are_one_file() {
    let folder = Folder::new();
    let (a, b) = TABLE.split_at(10);
    let bytes = [gzip(a.as_bytes()), gzip(b.as_bytes())].concat();
    check_table(&spec(folder.write("t.csv.gz", bytes), ["y"]));
}

#[test]
fn a_given_delimiter_and_header_are_taken() {
    let folder = Folder::new();
    let path = folder.write("t.csv", TABLE.replace(',', "#"));
    let mut given = spec(path, ["y"]);
    given.delimiter = Some(Delimiter::Byte(b'#'));
    check_table(&given);
    let path = folder.write("n.csv", "1,2,3\n4,-5,6.5\n7,8,.5\n");
    let mut given = spec(path, [2usize]);
    check_table(&given);
    given.header = HeaderRow::No;
    check_table(&given);
    given.header = HeaderRow::Yes;
    assert_eq!(load(&given).unwrap().inputs, ["1", "2"]);
    assert_eq!(load(&given).unwrap().rows, 2);
}

#[test]
fn headers_are_recognised_by_what_follows() {
    let folder = Folder::new();
    let names = |text: &str| {
        let mut one_hot = spec(folder.write("t.csv", text), [1usize]);
        one_hot.one_hot = true;
        load(&one_hot).unwrap().targets
    };
    // No header: the class is text in both lines, and the number is one in both.
    assert_eq!(names("1,no\n2,yes\n"), ["column 1=no", "column 1=yes"]);
    assert_eq!(names("x,kind\n1,no\n"), ["kind=no"]);
}

#[test]
fn columns_are_taken_in_the_order_asked_for() {
    let folder = Folder::new();
    let mut chosen = spec(folder.write("t.csv", TABLE), ["a"]);
    chosen.inputs = Some(vec![ColumnSelector::from("y"), ColumnSelector::from(1)]);
    let loaded = load(&chosen).unwrap();
    assert_eq!(loaded.inputs, ["y", "b"]);
    assert_eq!(loaded.targets, ["a"]);
    let (x, y) = load_rows(&chosen, &loaded, 1 << 20).unwrap();
    assert_eq!((x[(1, 0)], x[(1, 1)], y[(1, 0)]), (6.5, -5.0, 4.0));
}

#[test]
fn text_in_columns_not_asked_for_is_passed_over() {
    let folder = Folder::new();
    let text = "name,note,x,y\n\"Smith, J.\",\"two\nlines, \"\"quoted\"\"\",1,2\nB,,3,4\n";
    let mut chosen = spec(folder.write("t.csv", text), ["y"]);
    chosen.inputs = Some(vec!["x".into()]);
    let loaded = load(&chosen).unwrap();
    assert_eq!(loaded.rows, 2);
    assert_eq!(loaded.gram.sxy[(0, 0)], (2.0 + 12.0) / 2.0);
}

#[test]
fn long_lines_and_many_chunks_lose_nothing() {
    // Lines longer than the read buffer, and rows over several chunks.
    let folder = Folder::new();
    let wide: Vec<String> = (0..60_000).map(|i| (i % 97).to_string()).collect();
    let wide = wide.join(",");
    let path = folder.write("wide.csv", format!("{wide}\n{wide}\n{wide}\n"));
    let mut chosen = spec(path, [59_999usize]);
    chosen.inputs = Some(vec![96.into()]);
    let loaded = load(&chosen).unwrap();
    assert_eq!((loaded.rows, loaded.gram.sxx[(0, 0)]), (3, 96.0 * 96.0));

    let long: String = (0..50_000).map(|i| format!("{i},{}\n", i % 7)).collect();
    let loaded = load(&spec(folder.write("long.csv", long), [1usize])).unwrap();
    assert_eq!(loaded.rows, 50_000);
    let n = 50_000f64;
    let mean_square = (n - 1.0) * (2.0 * n - 1.0) / 6.0;
    assert!((loaded.gram.sxx[(0, 0)] / mean_square - 1.0).abs() < 1e-14);
}

#[test]
fn numbers_are_rounded_correctly() {
    let folder = Folder::new();
    let texts = [
        "0.1",
        "1e23",
        "9007199254740993",
        "4.9e-324",
        "2.2250738585072011e-308",
    ];
    for text in texts {
        let path = folder.write("t.csv", format!("1,{text}\n1,{text}\n"));
        let exact = spec(path, [0usize]);
        let loaded = load(&exact).unwrap();
        let (x, _) = load_rows(&exact, &loaded, 1000).unwrap();
        assert_eq!(x[(1, 0)], text.parse::<f64>().unwrap());
    }
}

#[test]
fn wrong_rows_are_named() {
    let folder = Folder::new();
    let cases: [(&str, &[&str]); 16] = [
        (
            "a,y\n1,2\n3\n",
            &["row 2 (line 3) has 1 field", "2 are expected"],
        ),
        ("a,y\n1,2\n\n3,4,5\n", &["row 2 (line 4) has 3 fields"]),
        ("a,y\n1,2\n3,4,\n", &["row 2 (line 3) has 3 fields"]),
        ("a,y\n1,\"2\"\n3\n", &["row 2 (line 3) has 1 field"]),
        (
            "a,y\n1,2\n3,nan\n",
            &["row 2 (line 3)", "\"y\"", "nan is not finite"],
        ),
        (
            "a,y\n-inf,2\n",
            &["row 1 (line 2)", "\"a\"", "-inf is not finite"],
        ),
        (
            "a,y\n1,2\n1e999,2\n",
            &["row 2 (line 3)", "1e999 is not finite"],
        ),
        (
            "a,y\n1,2\nred,2\n",
            &["row 2 (line 3)", "\"a\"", "\"red\" is not a number"],
        ),
        ("a,y\n1,2\n3 4,2\n", &["\"3 4\" is not a number"]),
        ("a,y\n1,2\n0x10,2\n", &["\"0x10\" is not a number"]),
        ("a;y\n1;2\n1,5;2\n", &["\"1,5\" is not a number", "point"]),
        ("a,y\n1,2\n,2\n", &["row 2 (line 3)", "\"a\"", "no value"]),
        (
            "a,y\n1,2\n3,\"\"\n",
            &["row 2 (line 3)", "\"y\"", "no value"],
        ),
        ("a,y\n1,2\n3,\"4\n5\n", &["line 3", "never closed"]),
        (
            "a,b,a,y\n1,2,3,4\n",
            &["columns 0 and 2", "\"a\"", "rename"],
        ),
        ("a,y\n", &["a header but no rows", "header = false"]),
    ];
    for (text, parts) in cases {
        assert_says(&spec(folder.write("t.csv", text), ["y"]), parts);
    }
    for text in ["", "\n\n", "\u{feff}"] {
        assert_says(
            &spec(folder.write("t.csv", text), ["y"]),
            &["the file is empty"],
        );
    }
    assert_says(
        &spec(folder.write("t.csv", gzip(b"")), ["y"]),
        &["the file is empty"],
    );
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let folder = Folder::new();
    let latin = folder.write("t.csv", b"gr\xfcn,y\n1,2\n");
    assert_says(&spec(latin, ["y"]), &["column 0 in the header", "UTF-8"]);
    let mut class = spec(folder.write("c.csv", b"x,y\n1,gr\xfcn\n"), ["y"]);
    class.one_hot = true;
    assert_says(&class, &["row 1 (line 2)", "\"y\"", "UTF-8"]);
}

#[test]
fn damaged_gzip_is_told_from_truncated() {
    let folder = Folder::new();
    let text: String = (0..20_000)
        .map(|i| format!("{i},{}\n", i * i % 1009))
        .collect();
    let whole = gzip(text.as_bytes());
    let cut = folder.write("cut.csv.gz", &whole[..whole.len() / 2]);
    assert_says(&spec(cut, [1usize]), &["ends early"]);
    let cut = folder.write("tail.csv.gz", &whole[..whole.len() - 3]);
    assert_says(&spec(cut, [1usize]), &["ends early"]);
    let mut bad = whole.clone();
    let sum = bad.len() - 6;
    bad[sum] ^= 1;
    assert_says(
        &spec(folder.write("sum.csv.gz", bad), [1usize]),
        &["damaged"],
    );
}

#[test]
fn a_bomb_of_one_line_is_refused() {
    let folder = Folder::new();
    let bomb = folder.write("bomb.csv.gz", gzip(&vec![b'1'; 200 << 20]));
    assert_says(&spec(bomb, [0usize]), &["line 1 is longer than 64 MiB"]);
}

#[test]
fn files_of_another_kind_are_recognised() {
    let folder = Folder::new();
    let cases: [(&str, &[u8], &[&str]); 6] = [
        (
            "t.csv",
            b"PAR1........PAR1",
            &["a Parquet file", "CSV", "rename"],
        ),
        ("t.csv", b"\x89PNG\r\n\x1a\n....", &["a PNG image", "CSV"]),
        ("t.npy", b"a,b\n1,2\n", &["text", "NPY", "as its name says"]),
        ("t.csv", b"PK\x03\x04.....", &["a ZIP archive", "CSV"]),
        ("t.dat", b"\x00\x01\x02\x03", &["binary data"]),
        ("t", b"\x89HDF\r\n\x1a\n", &["an HDF5 file"]),
    ];
    for (name, bytes, parts) in cases {
        assert_says(&spec(folder.write(name, bytes), ["y"]), parts);
    }
    let mut wanted = spec(folder.write("u.csv", TABLE), ["y"]);
    wanted.format = Some(TableFormat::Parquet);
    assert_says(&wanted, &["text", "Parquet", "ask for csv"]);
    let packed = gzip(b"PAR1....");
    assert_says(&spec(folder.write("p.gz", packed), ["y"]), &["gunzip"]);
}

#[test]
fn what_is_no_file_is_named() {
    let folder = Folder::new();
    assert_says(&spec(folder.path("none.csv"), ["y"]), &["no such file"]);
    assert_says(&spec(folder.path(""), ["y"]), &["a directory"]);
    #[cfg(unix)]
    assert_says(&spec("/dev/null", ["y"]), &["not a regular file"]);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// One number as some program might write it.
    fn written(value: f64, style: u8) -> String {
        match style % 5 {
            0 => format!("{value}"),
            1 => format!("{value:e}"),
            2 => format!("{value:E}").replace('E', "E+").replace("E+-", "E-"),
            3 => format!("\"{value}\""),
            _ => format!(" {value} "),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Finite numbers come back to the bit, however they are written and separated.
        #[test]
        fn numbers_come_back_to_the_bit(
            rows in prop::collection::vec([prop::num::f64::NORMAL; 3], 1..20),
            styles in prop::collection::vec(any::<u8>(), 3),
            delimiter in prop::sample::select(vec![",", ";", "\t", "|", " "]),
            crlf: bool,
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let line = |row: &[f64; 3]| {
                let fields = row.iter().zip(&styles).map(|(&v, &s)| written(v, s));
                fields.collect::<Vec<_>>().join(delimiter) + end
            };
            let text: String = rows.iter().map(line).collect();
            let folder = Folder::new();
            let mut all = spec(folder.write("t.csv", text), [2usize]);
            all.header = HeaderRow::No;
            let mut source = rankfall_data::RowSource::open(&all).unwrap();
            let chunk = source.next_chunk().unwrap().unwrap();
            prop_assert_eq!(chunk.rows, rows.len());
            for (i, row) in rows.iter().enumerate() {
                prop_assert_eq!([chunk.x[2 * i], chunk.x[2 * i + 1], chunk.y[i]], *row);
            }
        }

        /// Whatever the text, it is read or refused; and what is read has whole rows.
        #[test]
        fn any_text_is_decided(
            text in "[0-9a,;\"\\n\\r\\t .eE+-]{0,200}",
            one_hot: bool,
        ) {
            let folder = Folder::new();
            let mut any = spec(folder.write("t.csv", text), [0usize]);
            any.one_hot = one_hot;
            if let Ok(loaded) = load(&any) {
                prop_assert_eq!(loaded.gram.check(), Ok(()));
                prop_assert_eq!(loaded.gram.n, loaded.rows);
            }
        }
    }
}

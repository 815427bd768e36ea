//! Tables as other programs write them: read as what they are, and what could be otherwise is said.

mod common;

use common::{Folder, assert_says, gzip, spec};
use rankfall_data::{ColumnSelector, FileSpec, RowSource, TableMoments, load, load_rows};

const TABLE: &str = "a,b,y\n1,2,3\n4,-5,6.5\n7e0,8,.5\n";

fn says(loaded: &TableMoments, words: &str) {
    assert!(
        loaded.notes.iter().any(|note| note.contains(words)),
        "{words:?}: {:?}",
        loaded.notes
    );
}

/// Three rows of `TABLE`, read silently: Σ ab = 2 − 20 + 56.
fn check_table(loaded: &TableMoments) {
    assert_eq!(
        (loaded.rows, &loaded.inputs[..]),
        (3, &["a".to_owned(), "b".to_owned()][..])
    );
    assert!((loaded.gram.sxx[(0, 1)] - 38.0 / 3.0).abs() < 1e-13);
}

#[test]
fn line_ends_encodings_and_lines_on_top_change_nothing() {
    let folder = Folder::new();
    let utf16 = |big: bool, mark: bool| -> Vec<u8> {
        let text = if mark {
            format!("\u{feff}{TABLE}")
        } else {
            TABLE.to_owned()
        };
        let bytes = |u: u16| {
            if big {
                u.to_be_bytes()
            } else {
                u.to_le_bytes()
            }
        };
        text.encode_utf16().flat_map(bytes).collect()
    };
    let files = [
        TABLE.replace('\n', "\r").into_bytes(),
        format!("sep=;\n{}", TABLE.replace(',', ";")).into_bytes(),
        format!("\"sep=;\"\r\n{}", TABLE.replace(',', ";")).into_bytes(),
        format!("# made by a \"logger, 2024\n# twice\n{TABLE}").into_bytes(),
        utf16(false, true),
        utf16(true, true),
        utf16(false, false),
        utf16(true, false),
    ];
    for bytes in files {
        for (name, bytes) in [("t.csv", bytes.clone()), ("t.csv.gz", gzip(&bytes))] {
            let loaded = load(&spec(folder.write(name, bytes), ["y"])).unwrap();
            check_table(&loaded);
            assert_eq!(loaded.notes, Vec::<String>::new());
        }
    }
    let trailing = TABLE.replace('\n', ",\n");
    let loaded = load(&spec(folder.write("t.csv", &trailing), ["y"])).unwrap();
    check_table(&loaded);
    says(&loaded, "lines end with a separator");
    let trailing = trailing.replace("a,b,y,", "a,b,y");
    check_table(&load(&spec(folder.write("t.csv", &trailing), ["y"])).unwrap());
    // What follows in a later row is not dropped.
    let rows = "1,2,3,\n".repeat(100);
    let more = spec(
        folder.write("t.csv", format!("a,b,y\n{rows}1,2,3,4\n")),
        ["y"],
    );
    assert_says(
        &more,
        &[
            "row 101 (line 102) has 4 fields",
            "3 are expected",
            "commas",
        ],
    );
}

#[test]
fn the_separator_is_told_by_many_lines() {
    let folder = Folder::new();
    let rows = "1,2,3\n4,-5,6.5\n7,8,.5\n";
    for name in ["P(A|B)", "size;log", "bore (5\")", "a\tb", "two words"] {
        let loaded = load(&spec(
            folder.write("t.csv", format!("{name},b,y\n{rows}")),
            ["y"],
        ))
        .unwrap();
        assert_eq!(loaded.inputs, [name, "b"]);
        assert_eq!(loaded.rows, 3);
    }
    // Blanks between numbers, and a tab before a name.
    let auto = "1.0   2   3\t\"car 0\"\n4.0   -5   6.5\t\"car 1\"\n7.0   8   .5\t\"car 2\"\n";
    let mut chosen = spec(folder.write("a.data", auto), [2usize]);
    chosen.inputs = Some(vec![0.into(), 1.into()]);
    assert_eq!(load(&chosen).unwrap().rows, 3);
    let european = folder.write("e.csv", "a;y\n1,5;2\n2,5;3\n");
    assert_says(
        &spec(european, ["y"]),
        &["\"1,5\"", "decimals with a point"],
    );
    let title = folder.write("h.csv", "Results of Tuesday\na,b,y\n1,2,3\n4,5,6\n");
    assert_says(&spec(title, ["y"]), &["1 fields", "3", "title", "commas"]);
}

#[test]
fn a_comment_can_hold_the_names_and_comments_between_rows_are_said() {
    let folder = Folder::new();
    let savetxt = "# a b y\n1.0 2.0 3.0\n4.0 -5.0 6.5\n7.0 8.0 0.5\n";
    let loaded = load(&spec(folder.write("t.txt", savetxt), ["y"])).unwrap();
    check_table(&loaded);
    says(
        &loaded,
        "a comment, was taken as names: \"a\", \"b\", \"y\"",
    );
    let within = "a,b,y\n1,2,3\n# a pause\n4,-5,6.5\n7,8,.5\n";
    let loaded = load(&spec(folder.write("t.csv", within), ["y"])).unwrap();
    check_table(&loaded);
    says(&loaded, "line 3 starts with #: taken as comments");
    // A row that somebody commented out has as many fields as one: nobody guesses.
    let out = "a,b,y\n1,2,3\n#4,-5,6.5\n7,8,.5\n";
    assert_says(
        &spec(folder.write("t.csv", out), ["y"]),
        &["row 2 (line 3)", "\"#4\""],
    );
    // A column that is called #.
    let numbered = "#,b,y\n5,2,3\n9,-5,6.5\n";
    let loaded = load(&spec(folder.write("t.csv", numbered), ["y"])).unwrap();
    assert_eq!((&loaded.inputs[0][..], loaded.rows), ("#", 2));
}

#[test]
fn a_first_line_that_could_be_otherwise_is_said_or_refused() {
    let folder = Folder::new();
    let read = |text: &str| load(&spec(folder.write("t.csv", text), [2usize]));
    // pandas' default names: 3 rows, not 4.
    let loaded = read("0,1,2\n1.5,2,3\n4.5,5,6\n0.5,2,2\n").unwrap();
    assert_eq!((loaded.rows, &loaded.inputs[0][..]), (3, "0"));
    says(
        &loaded,
        "line 1 was taken as names: \"0\", \"1\", \"2\"; header = false",
    );
    let loaded = read("10,20,30\n11,19,35\n4,4,4\n").unwrap();
    assert_eq!(loaded.rows, 3);
    says(
        &loaded,
        "line 1 was taken as a row: \"10\", \"20\", \"30\"; header = true",
    );
    // A missing value in the first row of a file without names is no name: the row is not lost.
    for gap in ["", "NA", "?"] {
        let error = read(&format!("5.1,{gap},3\n4.9,3.0,1\n4.7,3.2,2\n"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 1 (line 1)") && error.contains("column 1"),
            "{error}"
        );
    }
    let unclear = read("5,gone,3\n4,3.0,1\n4,3.2,2\n")
        .unwrap_err()
        .to_string();
    assert!(
        unclear.contains("header = true or header = false"),
        "{unclear}"
    );
    let tabs = read("0\t1\t2\n1.5\t2\t3\n4.5\t5\t6\n").unwrap();
    assert_eq!(tabs.rows, 2);
}

#[test]
fn an_index_is_no_input_unless_it_is_asked_for() {
    let folder = Folder::new();
    let body = "0,1.5,2,3\n1,4.5,-5,6.5\n2,7.5,8,.5\n";
    for head in [",a,b,y", "\"\",a,b,y", "Unnamed: 0,a,b,y"] {
        let path = folder.write("t.csv", format!("{head}\n{body}"));
        let loaded = load(&spec(&path, ["y"])).unwrap();
        assert_eq!(loaded.inputs, ["a", "b"]);
        says(&loaded, "an index of the rows, left out of the inputs");
        let mut asked = spec(&path, ["y"]);
        asked.inputs = Some(vec![ColumnSelector::from(0), "a".into()]);
        let asked = load(&asked).unwrap();
        assert_eq!(asked.inputs.len(), 2);
        assert!((asked.gram.sxx[(0, 0)] - 5.0 / 3.0).abs() < 1e-15);
        assert!(asked.notes.is_empty(), "{:?}", asked.notes);
    }
    // R's write.table: one name fewer than columns.
    let r = "\"a\" \"b\" \"y\"\n\"1\" 1 2 3\n\"2\" 4 -5 6.5\n\"3\" 7 8 .5\n";
    let loaded = load(&spec(folder.write("r.txt", r), ["y"])).unwrap();
    check_table(&loaded);
    says(&loaded, "one fewer than the columns");
    // An index without a header cannot be told from an input, but it counts.
    let counting: String = (0..12)
        .map(|i| format!("{i},{},{}\n", i * i % 7, i % 3))
        .collect();
    let loaded = load(&spec(folder.write("c.csv", counting), [2usize])).unwrap();
    assert_eq!(loaded.inputs.len(), 2);
    says(&loaded, "counts the rows from 0");
}

fn one_hot(path: impl Into<std::path::PathBuf>, targets: &[&str]) -> FileSpec {
    let mut chosen = spec(path, targets.iter().copied());
    chosen.one_hot = true;
    chosen
}

#[test]
fn labels_of_text_files_are_text() {
    let folder = Folder::new();
    let text = "x,y\n1,001\n2,1\n3,01\n4,3.1\n5,3.10\n6,1\n";
    let loaded = load(&one_hot(folder.write("t.csv", text), &["y"])).unwrap();
    assert_eq!(loaded.targets, ["y=001", "y=01", "y=1", "y=3.1", "y=3.10"]);
    says(&loaded, "equal as numbers and differ as text");
    for marker in ["?", "null", "NA"] {
        let text = format!("x,y\n1,0\n2,1\n3,{marker}\n");
        let missing = one_hot(folder.write("t.csv", text), &["y"]);
        assert_says(
            &missing,
            &["row 3 (line 4)", "\"y\"", marker, "missing value"],
        );
        let text = format!("x,y\n1,FR\n2,DE\n3,{marker}\n");
        let loaded = load(&one_hot(folder.write("t.csv", text), &["y"])).unwrap();
        assert_eq!(loaded.targets.len(), 3);
        says(&loaded, "was taken as a class");
    }
}

#[test]
fn targets_that_are_one_hot_already_stay_as_they_are() {
    let folder = Folder::new();
    let text = "x,p,q,r\n1,1,0,0\n2,0,0,1\n3,0,1,0\n4,0,0,1\n";
    let chosen = one_hot(folder.write("t.csv", text), &["p", "q", "r"]);
    let loaded = load(&chosen).unwrap();
    assert_eq!(loaded.targets, ["p", "q", "r"]);
    assert_eq!(loaded.gram.syy[(2, 2)], 0.5);
    says(&loaded, "one-hot already");
    let (_, y) = load_rows(&chosen, &loaded, 1 << 20).unwrap();
    assert_eq!([y[(1, 0)], y[(1, 1)], y[(1, 2)]], [0.0, 0.0, 1.0]);
    assert_eq!(
        RowSource::open(&chosen).unwrap().labels().unwrap(),
        ["p", "q", "r"]
    );
    // Two classes side by side are what they were.
    let two = "x,p,q\n1,1,1\n2,0,1\n3,0,0\n";
    let loaded = load(&one_hot(folder.write("t.csv", two), &["p", "q"])).unwrap();
    assert_eq!(loaded.targets, ["p=0", "p=1", "q=0", "q=1"]);
}

type InputsTargetsNotes = (Vec<f64>, Vec<f64>, Vec<String>);

/// The rows of a second file, read as the first: inputs and targets row by row, and the notes.
fn rows_like(first: &FileSpec, second: &FileSpec) -> Result<InputsTargetsNotes, String> {
    let first = RowSource::open(first).unwrap();
    let mut source = RowSource::open_like(second, &first).map_err(|e| e.to_string())?;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    while let Some(chunk) = source.next_chunk().map_err(|e| e.to_string())? {
        x.extend(chunk.x);
        y.extend(chunk.y);
    }
    Ok((x, y, source.notes()))
}

#[test]
fn a_second_file_is_matched_by_name() {
    let folder = Folder::new();
    let first = spec(folder.write("train.csv", "a,b,y\n1.5,2,3\n4,5,6\n"), ["y"]);
    let like = |name: &str, text: &str, first: &FileSpec| {
        let mut second = first.clone();
        second.path = folder.write(name, text);
        rows_like(first, &second)
    };
    let other_order = like("test.csv", "y,b,a\n30,20,10.5\n", &first).unwrap();
    assert_eq!(other_order, (vec![10.5, 20.0], vec![30.0], vec![]));
    let indexed = like("test.csv", ",y,b,a\n0,30,20,10.5\n", &first).unwrap();
    assert_eq!((indexed.0, indexed.1), (vec![10.5, 20.0], vec![30.0]));
    let error = like("test.csv", "id,a,b,y\n7,1.5,2,3\n", &first).unwrap_err();
    for words in ["test.csv", "train.csv", "it has besides \"id\""] {
        assert!(error.contains(words), "{error}");
    }
    let error = like("test.csv", "a,c,y\n1.5,2,3\n", &first).unwrap_err();
    assert!(
        error.contains("it lacks \"b\", and it has besides \"c\""),
        "{error}"
    );
    let nameless = like("test.csv", "1.5,2,3\n2.5,3,4\n", &first).unwrap();
    assert_eq!(nameless.0, [1.5, 2.0, 2.5, 3.0]);
    assert!(
        nameless.2[0].contains("matched by position"),
        "{:?}",
        nameless.2
    );
    let error = like("test.csv", "1.5,2,3,4\n2.5,3,4,4\n", &first).unwrap_err();
    assert!(error.contains("it has 4 columns and that has 3"), "{error}");
    // Positions and names asked for mean columns of the first file; others do not matter then.
    let mut chosen = first.clone();
    chosen.inputs = Some(vec![1.into()]);
    chosen.targets = Some(vec![2.into()]);
    let picked = like("test.csv", "id,y,b,a\n7,30,20,10.5\n", &chosen).unwrap();
    assert_eq!((picked.0, picked.1), (vec![20.0], vec![30.0]));
}

#[test]
fn pages_and_pointers_are_called_by_their_names() {
    let folder = Folder::new();
    let page = "\n<!DOCTYPE html>\n<html><body>Not Found</body></html>\n";
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for name in ["t.csv", "t.tsv", "t.npy", "t.npz", "t.parquet", "t"] {
        assert_says(&spec(folder.write(name, page), ["y"]), &["an HTML page"]);
        assert_says(
            &spec(folder.write(name, pointer), ["y"]),
            &["Git LFS pointer", "git lfs pull"],
        );
    }
    for text in [page, pointer] {
        let path = folder.write("x", text);
        let named =
            |message: String| message.contains("HTML page") || message.contains("LFS pointer");
        let idx = rankfall_data::read_idx(&path, &path)
            .unwrap_err()
            .to_string();
        let gram = rankfall_data::read_gram(&path).unwrap_err().to_string();
        let cifar = rankfall_data::read_cifar(&[&path], rankfall_data::CifarLabels::Ten);
        for message in [idx, gram, cifar.unwrap_err().to_string()] {
            assert!(named(message.clone()), "{message}");
        }
    }
}

#[test]
fn a_missing_file_has_a_neighbour_or_no_folder() {
    let folder = Folder::new();
    folder.write("houses.csv", TABLE);
    assert_says(
        &spec(folder.path("house.csv"), ["y"]),
        &["no such file", "\"houses.csv\""],
    );
    assert_says(
        &spec(folder.path("no/t.csv"), ["y"]),
        &["no such file", "there is no folder"],
    );
}

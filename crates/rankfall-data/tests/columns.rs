//! Naming columns, classes, standardising, and bringing the rows.

mod common;

use common::{Folder, assert_says, spec};
use rankfall_core::model::gram::GramAccumulator;
use rankfall_data::{DataErrorKind, RowSource, load, load_rows};

const TABLE: &str = "length,width,height,weight\n1,2,3,4\n5,6,7,9\n2,2,1,0\n";

#[test]
fn unknown_columns_get_a_suggestion_and_a_list() {
    let folder = Folder::new();
    let path = folder.write("t.csv", TABLE);
    assert_says(
        &spec(&path, ["wieght"]),
        &[
            "no column \"wieght\"",
            "did you mean \"weight\"?",
            "\"length\", \"width\"",
        ],
    );
    assert_says(&spec(&path, ["Weight"]), &["did you mean \"weight\"?"]);
    let nothing_like_it = common::message(&spec(&path, ["q"]));
    assert!(
        !nothing_like_it.contains("did you mean"),
        "{nothing_like_it}"
    );
    assert_says(&spec(&path, [4usize]), &["no column 4", "0 to 3"]);
    assert_says(
        &spec::<&str>(&path, []),
        &["no target columns", "\"height\""],
    );
    let nameless = folder.write("n.csv", "1,2\n3,4\n");
    assert_says(
        &spec(nameless, ["y"]),
        &["no names", "0 to 1", "header = true"],
    );
    let many: Vec<String> = (0..50).map(|i| format!("c{i}")).collect();
    let numbers = vec!["1"; 50].join(",");
    let many = folder.write("m.csv", format!("{}\n{numbers}\n", many.join(",")));
    assert_says(&spec(many, ["zzz"]), &["\"c19\" and 30 more"]);
}

#[test]
fn a_column_has_one_role() {
    let folder = Folder::new();
    let path = folder.write("t.csv", TABLE);
    assert_says(
        &spec(&path, ["weight", "weight"]),
        &["\"weight\" is named twice", "target"],
    );
    let mut both = spec(&path, ["weight"]);
    both.inputs = Some(vec!["width".into(), 3.into()]);
    assert_says(
        &both,
        &["\"weight\" is named twice", "a target and as an input"],
    );
    let mut none = spec(&path, [0usize, 1, 2, 3]);
    assert_says(&none, &["every column is a target"]);
    none.targets = Some(vec!["weight".into()]);
    none.inputs = Some(vec![]);
    assert_says(&none, &["no input columns"]);
}

#[test]
fn classes_become_outputs_in_sorted_order() {
    let folder = Folder::new();
    let mut one_hot = spec(folder.write("t.csv", "x,c\n1,10\n2,9\n4,10\n"), ["c"]);
    one_hot.one_hot = true;
    let loaded = load(&one_hot).unwrap();
    assert_eq!(loaded.targets, ["c=9", "c=10"]);
    assert!((loaded.gram.syy[(0, 0)] - 1.0 / 3.0).abs() < 1e-15);
    assert!(loaded.gram.syy[(0, 1)].abs() < 1e-15);
    assert!((loaded.gram.sxy[(0, 1)] - 5.0 / 3.0).abs() < 1e-14);
    let (_, y) = load_rows(&one_hot, &loaded, 1 << 20).unwrap();
    assert_eq!((y[(0, 0)], y[(0, 1)], y[(1, 0)]), (0.0, 1.0, 1.0));

    let mut two = spec(folder.write("u.csv", "x,c,d\n1,b,1\n2,a,0\n"), ["d", "c"]);
    two.one_hot = true;
    assert_eq!(load(&two).unwrap().targets, ["d=0", "d=1", "c=a", "c=b"]);

    let ids: String = (0..1001).map(|i| format!("{i},id{i}\n")).collect();
    let mut ids = spec(folder.write("i.csv", ids), [1usize]);
    ids.one_hot = true;
    assert_says(&ids, &["more than 1000 distinct values", "is it a class?"]);
    let mut gap = spec(folder.write("g.csv", "x,c\n1,a\n2,\n"), ["c"]);
    gap.one_hot = true;
    assert_says(&gap, &["row 2 (line 3)", "\"c\"", "no value"]);
}

#[test]
fn standardised_rows_have_the_standardised_moments() {
    let folder = Folder::new();
    let mut standard = spec(
        folder.write(
            "t.csv",
            "a,flat,b,y\n1,0.3,1e8,4\n5,0.3,100000003,9\n3,0.3,1e8,1\n",
        ),
        ["y"],
    );
    standard.standardize = true;
    let loaded = load(&standard).unwrap();
    assert_eq!(loaded.constant_columns, ["flat"]);
    let (x, y) = load_rows(&standard, &loaded, 1 << 20).unwrap();
    let mut again = GramAccumulator::new(3, 1);
    for r in 0..3 {
        let row: Vec<f64> = (0..3).map(|j| x[(r, j)]).collect();
        again.add_rows(&row, &[y[(r, 0)]]).unwrap();
    }
    let again = again.gram();
    for i in 0..3 {
        assert!((again.sxy[(i, 0)] - loaded.gram.sxy[(i, 0)]).abs() < 1e-8);
        for j in 0..3 {
            let apart = again.sxx[(i, j)] - loaded.gram.sxx[(i, j)];
            assert!(apart.abs() < 1e-8, "{i} {j}: {apart:e}");
        }
    }
    assert!((0..3).all(|r| x[(r, 1)] == 0.0));
    // Targets are centred as 4, 9, 1 less 14/3; one-hot outputs would not be.
    assert!((y[(0, 0)] - (4.0 - 14.0 / 3.0)).abs() < 1e-15);
    standard.one_hot = true;
    let classes = load(&standard).unwrap();
    assert!((classes.gram.syy[(1, 1)] - 1.0 / 3.0).abs() < 1e-15);
}

#[test]
fn rows_that_would_not_fit_are_refused_with_the_estimate() {
    let folder = Folder::new();
    let path = folder.write("t.csv", TABLE);
    let mut small = spec(&path, ["weight"]);
    let loaded = load(&small).unwrap();
    let text = load_rows(&small, &loaded, 95).unwrap_err().to_string();
    assert!(
        text.contains("3 rows of 3 inputs and 1 outputs would take 96 bytes"),
        "{text}"
    );
    load_rows(&small, &loaded, 96).unwrap();
    small.memory_limit = 1000;
    assert_says(
        &small,
        &[
            "the moments of 3 inputs and 1 outputs",
            "limit of 1000 bytes",
        ],
    );
}

#[test]
fn a_file_that_changed_is_not_mixed_with_its_old_moments() {
    let folder = Folder::new();
    let before = spec(folder.write("t.csv", TABLE), ["weight"]);
    let loaded = load(&before).unwrap();
    for text in [
        TABLE.replace('9', "8"),
        format!("{TABLE}1,1,1,1\n"),
        TABLE[..35].to_owned(),
    ] {
        folder.write("t.csv", text);
        let error = load_rows(&before, &loaded, 1 << 20).unwrap_err();
        assert!(
            matches!(error.kind, DataErrorKind::Changed { .. }),
            "{error}"
        );
    }
}

#[test]
fn the_checksum_is_that_of_the_file() {
    let folder = Folder::new();
    let loaded = load(&spec(folder.write("t.csv", "a,y\n1,2\n"), ["y"])).unwrap();
    // printf 'a,y\n1,2\n' | sha256sum
    let expected = "6eca8591af4d545e49ff4fcdfb9cac5b5656b6187eace6af1d9a9af2dafa9023";
    assert_eq!(loaded.sha256, expected);
}

#[test]
fn squares_that_overflow_name_their_columns() {
    let folder = Folder::new();
    let path = folder.write("t.csv", "a,b,y\n1,1e200,1\n2,-1e200,1\n");
    assert_says(
        &spec(path, ["y"]),
        &["\"b\" and \"b\"", "too large", "rescale"],
    );
}

#[test]
fn a_source_hands_out_every_row_once() {
    let folder = Folder::new();
    let text: String = (0..20_000).map(|i| format!("{i},{}\n", 2 * i)).collect();
    let mut source = RowSource::open(&spec(folder.write("t.csv", text), [1usize])).unwrap();
    assert_eq!((source.inputs().len(), source.targets().len()), (1, 1));
    let mut next = 0;
    while let Some(chunk) = source.next_chunk().unwrap() {
        assert_eq!(chunk.x.len(), chunk.rows);
        for (&x, &y) in chunk.x.iter().zip(chunk.y) {
            assert_eq!((x, y), (f64::from(next), 2.0 * x));
            next += 1;
        }
    }
    assert_eq!(next, 20_000);
    assert!(source.next_chunk().unwrap().is_none());
}

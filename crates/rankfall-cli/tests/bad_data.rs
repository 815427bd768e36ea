//! Data and weights that cannot be used, through the real program: exit code 2, what is wrong,
//! where.

mod support;

use std::fs;
use support::{Place, gzip, npy, npy_header, npz, safetensors};

/// A table of `rows` rows with two inputs and a target.
fn table(rows: usize) -> String {
    let row = |i: usize| format!("{},{},{}\n", i, (i * 7 % 5) as f64 + 0.5, i % 3);
    "a,b,target\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

/// Refuses a table, read with these further keys.
fn refuses_table(name: &str, content: impl AsRef<[u8]>, keys: &str, words: &[&str]) {
    let place = Place::new();
    place.write(name, content);
    let data = format!("kind = \"file\"\npath = \"{name}\"\n{keys}");
    place.write_with_data("table.toml", &data);
    place.refuses(&["run", "table.toml"], &[&[name], words].concat());
}

#[test]
fn files_that_are_not_there_or_no_files() {
    let place = Place::new();
    let data = |path: &str| format!("kind = \"file\"\npath = {path:?}\ntargets = [0]");
    place.write_with_data("missing.toml", &data("none.csv"));
    place.refuses(&["run", "missing.toml"], &["none.csv", "no such file"]);
    place.write_with_data("folder.toml", &data("."));
    place.refuses(&["run", "folder.toml"], &["directory", "name a file"]);
    fs::create_dir(place.path("below")).unwrap();
    place.write_with_data("below/missing.toml", &data("none.csv"));
    let folder = place.path("below");
    place.refuses(&["run", "below/missing.toml"], &[folder.to_str().unwrap()]);
}

#[cfg(unix)]
#[test]
fn endless_data_are_not_waited_for() {
    let place = Place::new();
    let data = "kind = \"file\"\npath = \"/dev/zero\"\ntargets = [0]";
    place.write_with_data("device.toml", data);
    place.refuses(
        &["run", "device.toml"],
        &["/dev/zero", "not a regular file"],
    );
    place.write_with_data("gram.toml", "kind = \"gram\"\npath = \"/dev/zero\"");
    place.refuses(&["run", "gram.toml"], &["/dev/zero", "not a regular file"]);
}

#[test]
fn tables_with_bad_cells() {
    let target = "targets = [\"target\"]";
    let good = table(6);
    let cases: &[(&str, &[&str])] = &[
        ("7,8\n", &["row 7", "line 8", "2 fields", "3 are expected"]),
        ("7,8,9,10\n", &["row 7", "4 fields"]),
        (
            "7,much,9\n",
            &["row 7", "\"b\"", "\"much\"", "not a number"],
        ),
        (
            "7,nan,9\n",
            &["row 7", "\"b\"", "not finite", "drop or replace"],
        ),
        ("7,8,-inf\n", &["row 7", "\"target\"", "not finite"]),
        ("7,,9\n", &["row 7", "\"b\"", "no value"]),
        ("7,1e200,9\n", &["\"b\"", "too large", "rescale"]),
        ("7,\"8,9\n", &["line 8", "never closed"]),
    ];
    for (row, words) in cases {
        refuses_table("t.csv", good.clone() + row, target, words);
    }
}

#[test]
fn tables_with_nothing_in_them() {
    let target = "targets = [\"target\"]";
    refuses_table("t.csv", "", target, &["the file is empty"]);
    refuses_table("t.csv", "\n\n\n", target, &["the file is empty"]);
    refuses_table("t.csv", table(0), target, &["a header but no rows"]);
    refuses_table(
        "t.csv",
        "0,0,0\n0,0,1\n",
        "targets = [2]",
        &["every input is zero"],
    );
}

#[test]
fn columns_that_do_not_fit() {
    let good = table(6);
    let cases: &[(&str, &[&str])] = &[
        (
            "targets = [\"tarket\"]",
            &["\"tarket\"", "did you mean \"target\"", "there are:"],
        ),
        ("targets = [3]", &["no column 3", "0 to 2"]),
        (
            "targets = [1]\ninputs = [\"a\", \"b\"]",
            &["\"b\"", "named twice"],
        ),
        (
            "targets = [\"a\", \"b\", \"target\"]",
            &["no input columns are left"],
        ),
    ];
    for (keys, words) in cases {
        refuses_table("t.csv", &good, keys, words);
    }
    let place = Place::new();
    place.write("t.csv", &good);
    let refuses = |keys: &str, words: &[&str]| {
        let data = format!("kind = \"file\"\npath = \"t.csv\"\n{keys}");
        place.write_with_data("table.toml", &data);
        place.refuses(&["run", "table.toml"], words);
    };
    let both = "targets = [\"b\"]\ninputs = [\"a\", \"b\"]";
    refuses(
        both,
        &[
            "table.toml:2:1",
            "\"b\"",
            "both `data.inputs` and `data.targets`",
        ],
    );
    refuses("targets = []", &["`data.targets`"]);
    refuses("", &["`data.targets` is missing"]);
    refuses(
        "targets = [\"target\"]\ninputs_array = \"x\"",
        &["inputs_array", ".npz"],
    );
}

#[test]
fn a_measurement_is_no_class() {
    let rows: String = (0..1200)
        .map(|i| format!("{i},{}\n", i as f64 / 7.0))
        .collect();
    let keys = "targets = [1]\none_hot = true";
    refuses_table(
        "t.csv",
        rows,
        keys,
        &["more than 1000 distinct values", "is it a class"],
    );
}

#[test]
fn files_that_are_something_else_or_cut() {
    let target = "targets = [0]";
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01";
    refuses_table("t.csv", png, target, &["PNG", "not", "CSV"]);
    refuses_table("t.npz", png, target, &["PNG", "not", "NPZ"]);
    let whole = gzip(table(500).as_bytes());
    refuses_table(
        "t.csv.gz",
        &whole[..whole.len() / 2],
        target,
        &["ends early"],
    );
    let mut flipped = whole.clone();
    let middle = flipped.len() - 6;
    flipped[middle] ^= 0x55;
    refuses_table("t.csv.gz", flipped, target, &["damaged"]);
    refuses_table(
        "t.npy",
        &npy(&[4, 3], &[1.0; 12])[..150],
        target,
        &["ends early"],
    );
}

#[test]
fn arrays_that_claim_absurd_sizes() {
    let keys = "inputs_array = \"x\"\ntargets_array = \"y\"";
    for shape in [
        "(1000000000000, 5)",
        "(4, 1000000000000)",
        "(18446744073709551615, 2)",
    ] {
        let arrays = [("x", npy_header(shape)), ("y", npy(&[4, 1], &[1.0; 4]))];
        refuses_table("t.npz", npz(&arrays), keys, &["x claims the shape"]);
    }
    for name in ["sxx", "sxy", "syy"] {
        let mut arrays = gram_arrays();
        arrays
            .iter_mut()
            .filter(|(n, _)| *n == name)
            .for_each(|(_, bytes)| {
                *bytes = npy_header("(10000000, 10000000)");
            });
        refuses_gram(&npz(&arrays), &[name]);
    }
}

/// A Gram of two inputs and one output.
fn gram_arrays() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("sxx", npy(&[2, 2], &[1.0, 0.2, 0.2, 1.0])),
        ("sxy", npy(&[2, 1], &[0.5, 0.1])),
        ("syy", npy(&[1, 1], &[1.0])),
        ("n", npy(&[], &[50.0])),
    ]
}

fn gram_with(name: &str, array: Vec<u8>) -> Vec<u8> {
    let mut arrays = gram_arrays();
    arrays
        .iter_mut()
        .filter(|(n, _)| *n == name)
        .for_each(|(_, bytes)| *bytes = array.clone());
    npz(&arrays)
}

fn refuses_gram(bytes: &[u8], words: &[&str]) {
    let place = Place::new();
    place.write("gram.npz", bytes);
    place.write_with_data("gram.toml", "kind = \"gram\"\npath = \"gram.npz\"");
    place.refuses(&["run", "gram.toml"], &[&["gram.npz"], words].concat());
}

#[test]
fn grams_that_no_data_have() {
    let cases: &[(&str, Vec<u8>, &[&str])] = &[
        (
            "sxx",
            npy(&[2, 2], &[1.0, 0.2, 0.3, 1.0]),
            &["sxx is not symmetric", "[0, 1]"],
        ),
        (
            "sxx",
            npy(&[2, 2], &[1.0, 2.0, 2.0, 1.0]),
            &["eigenvalue", "no data has"],
        ),
        (
            "sxy",
            npy(&[2, 1], &[0.9, -0.9]),
            &["eigenvalue", "no data has"],
        ),
        ("syy", npy(&[1, 1], &[-1.0]), &["diagonal", "-1"]),
        ("sxx", npy(&[2, 3], &[1.0; 6]), &["sxx is 2 x 3", "2 x 2"]),
        ("sxy", npy(&[1, 2], &[0.1; 2]), &["sxy is 1 x 2"]),
        ("sxx", npy(&[4], &[1.0; 4]), &["sxx"]),
        (
            "sxx",
            npy(&[2, 2], &[1.0, 0.0, 0.0, f64::NAN]),
            &["sxx[1, 1] is NaN", "finite"],
        ),
        ("n", npy(&[], &[2.5]), &["n is 2.5", "whole number"]),
        ("n", npy(&[], &[0.0]), &["n is 0", "at least 1"]),
    ];
    for (name, array, words) in cases {
        refuses_gram(&gram_with(name, array.clone()), words);
    }
    for name in ["sxx", "sxy", "syy", "n"] {
        let rest: Vec<_> = gram_arrays()
            .into_iter()
            .filter(|(n, _)| *n != name)
            .collect();
        refuses_gram(&npz(&rest), &[&format!("{name:?}")]);
    }
    refuses_gram(b"PK\x05\x06 nothing", &["damaged"]);
}

#[test]
fn rows_that_a_gram_does_not_have() {
    let place = Place::new();
    place.write("gram.npz", npz(&gram_arrays()));
    place.write_with_data("gram.toml", "kind = \"gram\"\npath = \"gram.npz\"");
    let refuses = |set: &str, words: &[&str]| {
        place.refuses(&["run", "gram.toml", "--set", set], words);
    };
    refuses("dynamics.1.kind=sgd", &["sgd", "gram", "rows"]);
    let rademacher = "dynamics=[{ kind = \"label-noise-gradient-descent\", label_noise = 1.0, \
                      label_noise_distribution = \"rademacher\" }]";
    refuses(rademacher, &["ademacher", "rows"]);
    place.succeeds(&["run", "gram.toml", "--quiet"]);
    assert_eq!(place.summary("runs/good")["problem"]["samples"], 50);
}

#[test]
fn batches_larger_than_the_data() {
    let place = Place::new();
    place.write("t.csv", table(6));
    place.write_with_data(
        "t.toml",
        "kind = \"file\"\npath = \"t.csv\"\ntargets = [\"target\"]",
    );
    for sampling in ["without-replacement", "epochs", "sequential"] {
        let dynamics =
            format!("dynamics=[{{ kind = \"sgd\", batch_size = 7, sampling = \"{sampling}\" }}]");
        for experiment in ["t.toml", "good.toml"] {
            let samples = "data.samples=6";
            let mut arguments = vec!["run", experiment, "--set", &dynamics];
            if experiment == "good.toml" {
                arguments.extend(["--set", samples]);
            }
            place.refuses(
                &arguments,
                &["batch_size", "is 7", "only 6 rows", "with-replacement"],
            );
        }
    }
}

#[test]
fn weights_that_do_not_fit() {
    let place = Place::new();
    let init = "network.init={ kind = \"file\", path = \"w.safetensors\" }";
    let refuses = |words: &[&str]| {
        place.refuses(
            &["run", "good.toml", "--set", init],
            &[&["w.safetensors"], words].concat(),
        );
    };
    let w1 = || ("w1", [3, 5], vec![0.1; 15]);
    let w2 = || ("w2", [5, 2], vec![0.1; 10]);
    refuses(&["No such file"]);
    place.write("w.safetensors", "weights");
    refuses(&["not a safetensors file"]);
    place.write(
        "w.safetensors",
        [&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
    );
    refuses(&["not a safetensors file"]);
    place.write("w.safetensors", safetensors(&[w1()]));
    refuses(&["w2 [5, 2] are needed", "it has \"w1\" [3, 5]", "rename"]);
    place.write(
        "w.safetensors",
        safetensors(&[("w1", [5, 3], vec![0.1; 15]), w2()]),
    );
    refuses(&["w1 is 5 × 3", "3 × 5"]);
    let mut values = vec![0.1; 15];
    values[7] = f64::NAN;
    place.write(
        "w.safetensors",
        safetensors(&[("w1", [3, 5], values), w2()]),
    );
    refuses(&["w1[1, 2]", "not finite"]);
    place.write("w.safetensors", safetensors(&[w1(), w2()]));
    place.succeeds(&["run", "good.toml", "--set", init, "--quiet"]);
}

#[test]
fn a_constant_column_is_no_mistake_but_is_reported() {
    let place = Place::new();
    let row = |i: usize| format!("{i},4.0,{}\n", i * i);
    place.write(
        "t.csv",
        "a,b,target\n".to_owned() + &(0..9).map(row).collect::<String>(),
    );
    let data = "kind = \"file\"\npath = \"t.csv\"\ntargets = [\"target\"]\nstandardize = true";
    place.write_with_data("t.toml", data);
    let sets = ["--set", "network.init.scale=0.1", "--set", "run.time=0.1"];
    let text = place.succeeds(&[&["run", "t.toml", "-q"], &sets[..]].concat());
    assert!(
        text.contains("constant") && text.contains("\"b\""),
        "{text}"
    );
    let warnings = place.summary("runs/good")["warnings"].to_string();
    assert!(
        warnings.contains("constant") && warnings.contains("\\\"b\\\""),
        "{warnings}"
    );
}

#[test]
fn data_that_changed_are_other_data() {
    let place = Place::new();
    place.write("t.csv", table(6));
    place.write_with_data(
        "t.toml",
        "kind = \"file\"\npath = \"t.csv\"\ntargets = [\"target\"]",
    );
    place.succeeds(&[
        "run",
        "t.toml",
        "-q",
        "--out",
        "first",
        "--set",
        "run.time=0.1",
    ]);
    place.write("t.csv", table(7));
    let words = ["t.csv", "checksum", "remove `checksum`"];
    place.refuses(&["run", "first/experiment.toml", "--out", "second"], &words);
}

#[test]
fn losses_of_scaled_targets_are_in_the_units_of_the_file() {
    let place = Place::new();
    place.write("t.csv", "a,u,v\n-1,10,1\n1,30,2\n-1,20,3\n1,40,4\n");
    let data = "kind = \"file\"\npath = \"t.csv\"\ntargets = [\"u\", \"v\"]\n\
                standardize = true\nstandardize_targets = true";
    let end = "[[dynamics]]\nkind = \"gradient-descent\"\nstep_size = 1e-9\n[run]\n";
    let init = "init = { kind = \"gaussian\", scale = 1e-9 }";
    for (name, network, length) in [
        ("exact", "width = 4", "time = 1e-9"),
        (
            "dense",
            "layers = [1, 4, 2]\nengine = \"dense\"",
            "steps = 1",
        ),
    ] {
        let text = format!(
            "name = \"{name}\"\n[data]\n{data}\n[network]\n{network}\n{init}\n{end}{length}\n"
        );
        place.write("t.toml", text);
        place.succeeds(&["run", "t.toml", "-q"]);
        let summary = place.summary(&format!("runs/{name}"));
        // Variances (over n) of 125 and 1.25: ½(125 + 1.25) where nothing is fitted.
        let loss = summary["dynamics"][0]["loss"]["initial"].as_f64().unwrap();
        assert!((loss - 63.125).abs() < 1e-9, "{name}: {loss}");
        let warnings = summary["warnings"].to_string();
        assert!(warnings.contains("standard deviations"), "{warnings}");
        if name == "exact" {
            // a explains 100 of 125 and 0.25 of 1.25: ½(25 + 1).
            let floor = summary["problem"]["loss_floor"].as_f64().unwrap();
            assert!((floor - 13.0).abs() < 1e-9, "{floor}");
        }
    }
}

#[test]
fn a_held_out_table_is_matched_by_name_and_refused_with_other_columns() {
    let place = Place::new();
    place.write("train.csv", "a,b,y\n1.5,2,3\n4,5,6\n2,2,1\n");
    let text = "name = \"held\"\n[data]\nkind = \"file\"\npath = \"train.csv\"\ntest_path = \"test.csv\"\n\
                targets = [2]\n[network]\nlayers = [2, 3, 1]\n\
                init = { kind = \"gaussian\", scale = 1e-9 }\n\
                [[dynamics]]\nkind = \"gradient-descent\"\nstep_size = 1e-9\n[run]\nsteps = 1\n";
    place.write("t.toml", text);
    place.write("test.csv", "id,a,b,y\n7,1.5,2,3\n");
    place.refuses(
        &["run", "t.toml"],
        &["test.csv", "train.csv", "it has besides \"id\""],
    );
    place.write("test.csv", "y,b,a\n4,20,10.5\n");
    place.succeeds(&["run", "t.toml", "-q"]);
    // Nothing is fitted, so the loss held out is ½ y² = 8: y was found by its name.
    // By position it would be ½ 10.5².
    let held = place.summary("runs/held")["dynamics"][0]["held_out_loss"]["initial"].as_f64();
    assert!((held.unwrap() - 8.0).abs() < 1e-6, "{held:?}");
}

//! Runs under limits: sizes beyond any machine, a process that may have little memory, no threads,
//! and a disk that is full when the pictures come.
#![cfg(unix)]

mod support;

use std::process::Output;
use support::{Place, expect_end};

const DENSE: &str = r#"name = "dense"
[data]
kind = "gaussian"
samples = 20
inputs = 3
outputs = 2
[network]
layers = [3, 4, 2]
activation = "relu"
[[dynamics]]
kind = "sgd"
batch_size = 4
[run]
time = 1.0
trajectories = 3
save = { points = 5 }
"#;

/// The program from a shell that sets limits first.
fn limited(place: &Place, limits: &str, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_rankfall");
    std::process::Command::new("sh")
        .args(["-c", &format!("{limits}; exec \"$@\""), "sh", program])
        .args(arguments)
        .env("RUST_BACKTRACE", "0")
        .current_dir(place.path("."))
        .output()
        .unwrap()
}

/// Each size that an experiment has, far beyond what fits, with 2 GiB of address space: refused as
/// input, by its own bound or by the estimate. Nothing aborts, panics or is killed.
#[test]
fn every_size_beyond_reason_is_refused_in_words() {
    let exact = [
        "dynamics=[{ kind = \"sgd\", batch_size = N }]",
        "dynamics=[{ kind = \"stochastic-gradient-flow\", brownian_substeps = N }]",
        "network.width=N",
        "data.samples=N",
        "data.inputs=N",
        "data.outputs=N",
        "run.trajectories=N",
        "run.save={ points = N }",
    ];
    let dense = [
        "dynamics.0.batch_size=N",
        "network.layers=[3,N,2]",
        "network.layers=[3,N,N,2]",
        "data.samples=N",
        "data.inputs=N",
        "run.trajectories=N",
        "run.save={ points = N }",
        "run.measure={ probe_rows = N, jacobian = true }",
    ];
    let place = Place::new();
    place.write("dense.toml", DENSE);
    for (file, sets) in [("good.toml", &exact), ("dense.toml", &dense)] {
        for set in sets {
            for size in ["1000000000", "1000000000000000", "1000000000000000000"] {
                if *set == "data.samples=N" && size.len() == 10 {
                    // Drawn in a stream: long, but it fits.
                    continue;
                }
                let set = set.replace('N', size);
                let run = ["run", file, "-q", "--threads", "2", "--set", &set];
                // Some of these are a lot of work and little memory, and refused for their steps.
                let long = [
                    "--set",
                    "run.time=1e3",
                    "--set",
                    "run.keep_trajectories=true",
                ];
                let arguments = [&run[..], &long[..]].concat();
                let output = limited(&place, "ulimit -v 2097152", &arguments);
                let code = output.status.code();
                let message = String::from_utf8_lossy(&output.stderr).into_owned();
                let is_probe = set.contains("probe_rows") && code == Some(0);
                assert!(
                    code == Some(2) || is_probe,
                    "{arguments:?} {code:?}: {message}"
                );
                assert!(!message.contains("panicked"), "{message}");
            }
        }
    }
}

/// Sizes that a schema allows and a limit on the process does not.
#[test]
fn what_does_not_fit_under_a_limit_is_refused_with_the_limit() {
    let place = Place::new();
    place.write("dense.toml", DENSE);
    let sgd = "dynamics=[{ kind = \"sgd\", batch_size = 300000000 }]";
    let thousand: String = (0..200).map(|_| "{ kind = \"gradient-flow\" },").collect();
    let thousand = format!("dynamics=[{thousand}]");
    let cases: [&[&str]; 6] = [
        &["good.toml", "--set", sgd],
        &[
            "good.toml",
            "--set",
            "run.reductions=false",
            "--set",
            "network.width=10000000",
        ],
        &[
            "good.toml",
            "--set",
            "run.save={ points = 1000000 }",
            "--set",
            "run.time=1e4",
        ],
        &[
            "good.toml",
            "--set",
            &thousand,
            "--set",
            "run.save={ points = 20000 }",
            "--set",
            "run.time=1e3",
        ],
        &["dense.toml", "--set", "network.layers=[3,6000,6000,2]"],
        &["dense.toml", "--set", "run.trajectories=1000000000"],
    ];
    for case in cases {
        let run = ["run", "-q", "--threads", "2"];
        let arguments = [&run[..], case].concat();
        let output = limited(&place, "ulimit -v 2097152", &arguments);
        expect_end(
            &output,
            &arguments,
            2,
            &["needs about", "of memory", "limit on this process"],
        );
    }
    let sweep = [
        "sweep",
        "good.toml",
        "-q",
        "--over",
        "network.width=5,10000000",
    ];
    let arguments = [&sweep[..], &["--set", "run.reductions=false"]].concat();
    let output = limited(&place, "ulimit -v 2097152", &arguments);
    expect_end(&output, &arguments, 2, &["of memory"]);
}

/// No thread can have a stack of 2^60 bytes: the main one does all the work, to the same bits.
#[test]
fn without_threads_the_main_one_does_the_work() {
    let place = Place::new();
    place.write("dense.toml", DENSE);
    let sweep = ["good.toml", "--over", "network.width=5,6"];
    let cases: [(&str, &[&str], &str); 3] = [
        ("run", &["good.toml"], "series.parquet"),
        ("run", &["dense.toml"], "series.parquet"),
        ("sweep", &sweep, "sweep.parquet"),
    ];
    for (index, (command, rest, table)) in cases.into_iter().enumerate() {
        let (many, one) = (format!("many{index}"), format!("one{index}"));
        let start = [&[command][..], rest, &["-q", "--threads", "4", "--out"]].concat();
        place.succeeds(&[&start[..], &[many.as_str()]].concat());
        let arguments = [&start[..], &[one.as_str()]].concat();
        let output = limited(
            &place,
            "export RUST_MIN_STACK=1152921504606846976",
            &arguments,
        );
        expect_end(
            &output,
            &arguments,
            0,
            &["the system refused", "main one", "no thread to listen"],
        );
        let file = |folder: &str| place.bytes(&format!("{folder}/{table}"));
        assert!(file(&many) == file(&one), "{command} {rest:?}");
    }
}

/// The results fit and the pictures do not: the run is not finished, keeps what it computed, and
/// ends where there is room.
#[test]
fn a_disk_that_fills_while_drawing_loses_nothing_that_was_computed() {
    let place = Place::new();
    place.write("dense.toml", DENSE);
    for file in ["good.toml", "dense.toml"] {
        let small = "trap '' XFSZ; ulimit -f 120";
        let folder = format!("{file}.run");
        let arguments = ["run", file, "-q", "--out", &folder];
        let output = limited(&place, small, &arguments);
        expect_end(&output, &arguments, 1, &["cannot write"]);
        assert!(!place.path(&folder).join("summary.json").exists());
        let series = place.bytes(&format!("{folder}/series.parquet"));
        place.succeeds(&["run", file, "-q", "--out", &folder, "--resume"]);
        assert_eq!(place.bytes(&format!("{folder}/series.parquet")), series);
        assert!(place.path(&folder).join("report.html").exists());
    }
}

//! Runs that cannot be done, or cannot be written: an estimate, a folder, a full disk, a
//! divergence.

mod support;

use std::fs;
use support::{Place, expect_end};

#[test]
fn what_does_not_fit_is_refused_with_the_estimate() {
    let place = Place::new();
    let kept = [
        "run",
        "good.toml",
        "--set",
        "run.keep_trajectories=true",
        "--set",
        "run.trajectories=100000000",
        "--set",
        "run.save={ points = 100 }",
    ];
    place.refuses(
        &kept,
        &[
            "needs about",
            "TiB of memory",
            "is available",
            "keep_trajectories = false",
        ],
    );
    for set in [
        "data.inputs=90000",
        "data.outputs=100000",
        "network.width=100000000",
    ] {
        let large = ["run", "good.toml", "--set", set, "--set", "data.samples=2"];
        let large = if set.starts_with("network") {
            [&large[..], &["--set", "data.inputs=1000"]].concat()
        } else {
            large.to_vec()
        };
        place.refuses(&large, &["needs about", "iB of memory", "a smaller width"]);
    }
    let long = [
        "run",
        "good.toml",
        "--set",
        "run.time=1e7",
        "--set",
        "run.trajectories=1000000000",
    ];
    place.refuses(&long, &["at least", "years", "a shorter time"]);
    let sgd = "dynamics=[{ kind = \"sgd\" }]";
    let rows = [
        "run",
        "good.toml",
        "--set",
        sgd,
        "--set",
        "data.samples=1e12",
    ];
    place.refuses(&rows, &["rows would take", "GiB", "fewer samples"]);
    let samples = [
        "run",
        "good.toml",
        "--set",
        "data.samples=1e12",
        "--set",
        "data.inputs=100000",
    ];
    place.refuses(&samples, &["years", "fewer samples"]);
}

#[test]
fn folders_that_may_not_be_written_into() {
    let place = Place::new();
    place.refuses(
        &["run", "good.toml", "--out", "good.toml"],
        &["good.toml is not a folder", "--out"],
    );
    place.refuses(
        &["run", "good.toml", "--out", "good.toml/below"],
        &["--out"],
    );
    fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/thesis.txt", "precious");
    for flag in ["--quiet", "--force", "--resume"] {
        let words = ["mine is not empty", "thesis.txt", "--out"];
        place.refuses(&["run", "good.toml", "--out", "mine", flag], &words);
    }
    assert_eq!(place.text("mine/thesis.txt"), "precious");
    assert_eq!(fs::read_dir(place.path("mine")).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_that_refuses_is_reported() {
    let place = Place::new();
    place.refuses(
        &["run", "good.toml", "--out", "/proc/rankfall"],
        &["cannot make the folder /proc/rankfall", "--out"],
    );
}

#[test]
fn a_finished_run_is_replaced_only_by_force() {
    let place = Place::new();
    let run = ["run", "good.toml", "-q", "--out", "r"];
    place.succeeds(&run);
    let before = place.everything("r");
    place.ends(&run, 2, &["r has a finished run in it", "--force", "--out"]);
    assert_eq!(place.everything("r"), before);
    let seed = [&run[..], &["--set", "run.seed=2", "--force"]].concat();
    place.succeeds(&seed);
    assert_eq!(place.summary("r")["seed"], 2);
    assert_ne!(place.bytes("r/series.parquet"), before[6].1);
}

#[test]
fn a_run_that_diverges_keeps_its_record() {
    let place = Place::new();
    let dynamics = "dynamics=[{ kind = \"gradient-descent\", step_size = 50.0 }]";
    let run = [
        "run",
        "good.toml",
        "-q",
        "--out",
        "r",
        "--set",
        dynamics,
        "--set",
        "run.time=5000",
    ];
    let output = place.ends(
        &run,
        1,
        &["every trajectory", "diverged", "step", "t = ", "step_size"],
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("diverged"));
    let summary = place.summary("r");
    let only = &summary["dynamics"][0];
    assert_eq!(only["diverged"], only["trajectories"]);
    assert!(only["loss"]["final_mean"].is_null());
    assert!(only["log_det"]["initial"].is_null() || only["log_det"]["initial"].is_number());
    assert!(only["divergences"][0]["step"].as_u64().unwrap() > 0);
    for file in [
        "series.parquet",
        "final.safetensors",
        "report.html",
        "experiment.toml",
    ] {
        assert!(place.path("r").join(file).exists(), "{file}");
    }
    place.succeeds(&["plot", "r"]);
}

#[test]
fn one_diverging_dynamics_does_not_hide_the_others() {
    let place = Place::new();
    let run = [
        "run",
        "good.toml",
        "-q",
        "--out",
        "r",
        "--json",
        "--set",
        "run.time=5000",
        "--set",
        "dynamics=[{ kind = \"gradient-descent\", step_size = 50.0 }, { kind = \"gradient-flow\", \
         step_size = 50.0 }]",
    ];
    let output = place.ends(&run, 1, &["\"gradient descent\" diverged"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["dynamics"][1]["diverged"], 0);
    assert!(summary["dynamics"][1]["loss"]["final_mean"].is_number());
}

/// A shell in which no file may grow beyond so many blocks of 512 bytes.
#[cfg(unix)]
fn with_small_files(place: &Place, blocks: u32, arguments: &str) -> std::process::Output {
    let program = env!("CARGO_BIN_EXE_rankfall");
    // The signal for a file too large would kill before the error is seen; a full disk sends none.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec '{program}' {arguments}");
    std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(place.path("."))
        .output()
        .unwrap()
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_nothing_that_looks_whole() {
    let place = Place::new();
    place.succeeds(&["run", "good.toml", "-q", "--out", "whole"]);
    let series = place.bytes("whole/series.parquet").len() as u32;
    let arguments = "run good.toml -q --out r --set run.keep_trajectories=true";
    // From nothing at all to figures that no longer fit.
    for blocks in [0, 1, 2, series / 1024, series / 512 + 8, 60] {
        let _ = fs::remove_dir_all(place.path("r"));
        let output = with_small_files(&place, blocks, arguments);
        expect_end(&output, &[arguments], 1, &["cannot write", "r/"]);
        assert!(!place.path("r/summary.json").exists(), "{blocks}");
        for (path, bytes) in place.everything("r") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(!name.starts_with('.'), "{blocks}: {name} was left");
            let counterpart = place
                .path("whole")
                .join(path.strip_prefix(place.path("r")).unwrap());
            if name == "series.parquet" || name.ends_with(".svg") {
                assert_eq!(bytes, fs::read(counterpart).unwrap(), "{blocks}: {name}");
            }
        }
        place.ends(&["plot", "r"], 2, &["r"]);
    }
    // With room again the run goes on to the same results.
    place.succeeds(&[
        "run",
        "good.toml",
        "-q",
        "--out",
        "r",
        "--set",
        "run.keep_trajectories=true",
        "--resume",
    ]);
    assert_eq!(
        place.bytes("r/series.parquet"),
        place.bytes("whole/series.parquet")
    );
}

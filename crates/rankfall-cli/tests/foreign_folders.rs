//! Folders that came from somebody else, were damaged, or are used by two at once: nothing is
//! written or read outside of them, nothing reaches a terminal that it would obey, no damage goes
//! unnoticed.

mod support;

use rankfall::run_folder::lock::FolderLock;
use std::process::Output;
use support::{Place, expect_end};

const RUN: &[&str] = &["run", "good.toml", "-q", "--out", "r"];
const RESUME: &[&str] = &["run", "good.toml", "-q", "--out", "r", "--resume"];
const PLOT: &[&str] = &["plot", "r"];
const SWEEP: &[&str] = &[
    "sweep",
    "good.toml",
    "-q",
    "--out",
    "s",
    "--over",
    "network.width=5,6",
];

fn finished() -> Place {
    let place = Place::new();
    place.succeeds(RUN);
    place
}

fn flip(place: &Place, name: &str) {
    let mut bytes = place.bytes(name);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.write(name, bytes);
}

#[test]
fn one_flipped_bit_in_any_file_of_numbers_is_found() {
    let place = Place::new();
    let kept = [RUN, &["--set", "run.keep_trajectories=true"]].concat();
    place.succeeds(&kept);
    let resume = [&kept[..], &["--resume"]].concat();
    for name in [
        "series.parquet",
        "trajectories.parquet",
        "final.safetensors",
    ] {
        let name = format!("r/{name}");
        flip(&place, &name);
        for command in [PLOT, &resume[..]] {
            let output = place.ends(command, 2, &[&name, "checksum", "--force"]);
            assert!(output.stdout.is_empty(), "{command:?}");
        }
        flip(&place, &name);
    }
    let experiment = place.text("r/experiment.toml");
    place.write("r/experiment.toml", experiment.replace("0.5", "0.6"));
    place.ends(PLOT, 2, &["r/experiment.toml", "checksum"]);
    place.write("r/experiment.toml", experiment);
    place.succeeds(PLOT);
    place.succeeds(&resume);
}

#[test]
fn one_flipped_bit_in_the_table_of_a_sweep_is_found() {
    let place = Place::new();
    place.succeeds(SWEEP);
    flip(&place, "s/sweep.parquet");
    place.ends(&["plot", "s"], 2, &["s/sweep.parquet", "checksum"]);
    place.ends(
        &[SWEEP, &["--resume"]].concat(),
        2,
        &["s/sweep.parquet", "checksum"],
    );
}

/// Starts that vary are files of their own, each with its checksum in what is compared.
#[test]
fn a_sweep_over_files_is_of_another_experiment_when_one_changes() {
    let place = Place::new();
    let start = |first: f64| {
        let mut w1 = vec![0.1; 15];
        w1[0] = first;
        let w2 = vec![0.2; 10];
        support::safetensors(&[("w1", [3, 5], w1), ("w2", [5, 2], w2)])
    };
    place.write("a.safetensors", start(1.0));
    place.write("b.safetensors", start(2.0));
    let sweep = [
        "sweep",
        "good.toml",
        "-q",
        "--out",
        "s",
        "--resume",
        "--set",
        "network.init={ kind = \"file\", path = \"a.safetensors\" }",
        "--over",
        "network.init.path=a.safetensors,b.safetensors",
    ];
    place.succeeds(&sweep);
    place.succeeds(&sweep);
    place.succeeds(&["plot", "s"]);
    place.write("b.safetensors", start(3.0));
    place.ends(
        &sweep,
        2,
        &["another experiment", "the files that its points read"],
    );
}

#[test]
fn a_summary_without_checksums_is_still_drawn_and_says_so() {
    let place = finished();
    let mut summary = place.summary("r");
    summary.as_object_mut().unwrap().remove("files").unwrap();
    place.write("r/summary.json", summary.to_string());
    place.ends(PLOT, 0, &["r/summary.json has no checksums"]);
}

/// What a terminal would obey: control characters but line ends, and those that turn text round.
fn expect_harmless(output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(stream);
        let obeyed = |c: char| {
            c.is_control() && c != '\n' && c != '\t'
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
        };
        assert!(!text.contains(obeyed), "{text:?}");
    }
}

const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}abc\u{2066}";

#[test]
fn nothing_in_a_folder_reaches_the_terminal_as_a_command() {
    let place = finished();
    let mut summary = place.summary("r");
    summary["warnings"] = serde_json::json!([HOSTILE]);
    summary["dynamics"][0]["label"] = HOSTILE.into();
    place.write("r/summary.json", summary.to_string());
    let shown = place.ends(RESUME, 0, &[]);
    expect_harmless(&shown);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("\\u{202e}"));
    let json = place.ends(&[RESUME, &["--json"]].concat(), 0, &[]);
    expect_harmless(&json);
    let printed: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(printed["warnings"][0], HOSTILE);
    summary["schema"] = HOSTILE.into();
    place.write("r/summary.json", summary.to_string());
    expect_harmless(&place.ends(PLOT, 2, &[]));
    place.write(
        "r/experiment.toml",
        format!("name = '{}'\n", &HOSTILE[20..]),
    );
    expect_harmless(&place.ends(RESUME, 2, &[]));
}

fn shard(place: &Place) {
    place.succeeds(&["run", "good.toml", "-q", "--shard", "1/1", "--out", "part"]);
}

#[test]
fn the_experiment_of_a_shard_is_a_name_and_never_a_path() {
    let place = Place::new();
    shard(&place);
    let good: serde_json::Value = serde_json::from_slice(&place.bytes("part/shard.json")).unwrap();
    for name in ["../outside", "/tmp/rankfall-outside", "other", HOSTILE, ""] {
        let mut record = good.clone();
        record["experiment"] = name.into();
        record["parts"][0]["label"] = HOSTILE.into();
        place.write("part/shard.json", record.to_string());
        let output = place.ends(&["merge", "part"], 2, &["part/shard.json", "--force"]);
        expect_harmless(&output);
        assert!(!place.path("runs").exists() && !place.path("outside").exists());
    }
}

#[test]
fn the_statistics_of_another_experiment_are_refused() {
    let place = Place::new();
    shard(&place);
    let other = [
        "run",
        "good.toml",
        "-q",
        "--shard",
        "1/1",
        "--set",
        "run.seed=2",
        "--out",
        "other",
    ];
    place.succeeds(&other);
    let sha = |folder: &str| -> serde_json::Value {
        serde_json::from_slice(&place.bytes(&format!("{folder}/shard.json"))).unwrap()
    };
    let (mut record, of_other) = (sha("part"), sha("other"));
    record["parts"][1]["sha256"] = of_other["parts"][1]["sha256"].clone();
    place.write("part/shard.json", record.to_string());
    place.write(
        "part/statistics/1.bin",
        place.bytes("other/statistics/1.bin"),
    );
    place.ends(
        &["merge", "part"],
        2,
        &["part/statistics/1.bin", "another experiment"],
    );
}

#[test]
fn two_commands_do_not_write_into_a_folder_at_once() {
    let place = finished();
    place.succeeds(&[
        "verify",
        "-q",
        "--only",
        "gradient-flow-determinant",
        "--out",
        "v",
    ]);
    let before = (place.everything("r"), place.everything("v"));
    let held = ["r", "v"].map(|folder| FolderLock::take(&place.path(folder)).unwrap());
    let words = ["another command of rankfall is writing into", "wait"];
    for command in [
        PLOT,
        &[RUN, &["--force"]].concat(),
        &[
            "verify",
            "-q",
            "--only",
            "gradient-flow-determinant",
            "--out",
            "v",
        ],
    ] {
        let output = place.ends(command, 2, &words);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("fails"));
    }
    drop(held);
    assert_eq!((place.everything("r"), place.everything("v")), before);
    place.succeeds(PLOT);
    assert!(!place.path("r/.rankfall-lock.tmp").exists());
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A folder outside, with a file in it that must stay as it is.
    fn outside(place: &Place) {
        fs::create_dir(place.path("outside")).unwrap();
        place.write("outside/mine", "mine");
    }

    fn expect_untouched(place: &Place) {
        assert_eq!(place.text("outside/mine"), "mine");
        assert_eq!(fs::read_dir(place.path("outside")).unwrap().count(), 1);
    }

    fn link(place: &Place, to: &str, name: &str) {
        let path = place.path(name);
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir_all(&path);
        symlink(place.path(to), path).unwrap();
    }

    #[test]
    fn figures_are_not_drawn_through_a_link() {
        let place = finished();
        outside(&place);
        link(&place, "outside", "r/figures");
        place.ends(PLOT, 1, &["r/figures", "link"]);
        expect_untouched(&place);
    }

    #[test]
    fn a_report_or_a_temporary_file_that_is_a_link_is_replaced() {
        let place = finished();
        outside(&place);
        link(&place, "outside/mine", "r/report.html");
        for name in [
            "r/.rankfall-report.html.tmp",
            "r/figures/.rankfall-seed.svg.tmp",
        ] {
            link(&place, "outside/mine", name);
        }
        place.succeeds(PLOT);
        expect_untouched(&place);
        assert!(place.text("r/report.html").contains("<html"));
    }

    #[test]
    fn a_marker_or_a_lock_that_is_a_link_is_refused() {
        let place = finished();
        outside(&place);
        link(&place, "outside/mine", "r/running");
        place.ends(RESUME, 2, &["r/running", "link", "delete it"]);
        fs::remove_file(place.path("r/running")).unwrap();
        link(&place, "outside/mine", "r/.rankfall-lock.tmp");
        place.ends(PLOT, 2, &["r/.rankfall-lock.tmp", "link"]);
        expect_untouched(&place);
    }

    #[test]
    fn numbers_are_not_read_through_a_link_or_from_a_pipe() {
        let place = finished();
        outside(&place);
        for name in ["series.parquet", "summary.json", "experiment.toml"] {
            let path = format!("r/{name}");
            let content = place.bytes(&path);
            link(&place, "outside/mine", &path);
            place.ends(PLOT, 2, &[&path, "link"]);
            fs::remove_file(place.path(&path)).unwrap();
            let made = std::process::Command::new("mkfifo")
                .arg(place.path(&path))
                .status();
            assert!(made.unwrap().success());
            place.ends(PLOT, 2, &[&path, "not a file"]);
            fs::remove_file(place.path(&path)).unwrap();
            place.write(&path, content);
        }
        expect_untouched(&place);
    }

    #[test]
    fn shards_are_not_read_through_a_link() {
        let place = Place::new();
        shard(&place);
        fs::rename(place.path("part/statistics"), place.path("elsewhere")).unwrap();
        link(&place, "elsewhere", "part/statistics");
        place.ends(&["merge", "part"], 2, &["part/statistics", "link"]);
    }

    /// `ulimit -f` counts blocks of 512 or 1024 bytes; the series of this run are larger than both.
    #[test]
    fn a_limit_on_the_size_of_files_is_a_failure_in_words() {
        let place = Place::new();
        let program = env!("CARGO_BIN_EXE_rankfall");
        let script = format!(
            "ulimit -f 4; exec {program} run good.toml -q --out r --set run.save.points=100"
        );
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(place.path("."))
            .output()
            .unwrap();
        expect_end(
            &output,
            &[&script],
            1,
            &["cannot write r/", "File too large"],
        );
        assert!(!place.path("r/summary.json").exists());
    }
}

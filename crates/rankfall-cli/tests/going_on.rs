//! Runs that are killed, interrupted, resumed or done on other threads: always the same bytes.

mod support;

use std::time::Duration;
use support::stopping::{at_work, killed, until_caught};
use support::{Place, expect_end};

const CHECKPOINT: &str = "r/checkpoint";

/// The end of a run of that many times a good part of a second.
fn time(times: u64) -> String {
    format!("run.time={}", 2400 * times)
}

/// Several dynamics, several blocks.
fn long<'a>(time: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    let run = [
        "run",
        "good.toml",
        "-q",
        "--checkpoint-seconds",
        "0.02",
        "--set",
        time,
        "--set",
        "run.trajectories=40",
        "--set",
        "dynamics=[{ kind = \"stochastic-gradient-flow\", label_noise = 1.0 }, \
         { kind = \"sgd\", label_noise = 1.0 }, { kind = \"label-noise-gradient-descent\", \
         label_noise = 20.0 }]",
    ];
    [&run[..], extra].concat()
}

/// What differs between two times the same run: how long it took.
fn without_timing(mut summary: serde_json::Value) -> serde_json::Value {
    for one in summary["dynamics"].as_array_mut().unwrap() {
        let one = one.as_object_mut().unwrap();
        one.remove("seconds").unwrap();
        one.remove("trajectory_steps_per_second").unwrap();
    }
    summary
}

fn expect_same_results(place: &Place, one: &str, other: &str) {
    for file in ["series.parquet", "final.safetensors"] {
        let [a, b] = [one, other].map(|folder| place.bytes(&format!("{folder}/{file}")));
        assert!(a == b, "{file} differs between {one} and {other}");
    }
    let [a, b] = [one, other].map(|folder| without_timing(place.summary(folder)));
    assert_eq!(a, b);
}

#[test]
fn threads_do_not_change_a_byte() {
    let place = Place::new();
    let time = time(1);
    for (out, threads) in [("one", "1"), ("two", "2"), ("many", "13")] {
        place.succeeds(&long(&time, &["--out", out, "--threads", threads]));
    }
    expect_same_results(&place, "one", "two");
    expect_same_results(&place, "one", "many");
}

/// How long the engine took for a finished run.
fn seconds(place: &Place, folder: &str) -> f64 {
    let summary = place.summary(folder);
    let dynamics = summary["dynamics"].as_array().unwrap();
    dynamics
        .iter()
        .map(|one| one["seconds"].as_f64().unwrap())
        .sum()
}

/// Killed up to three times, at different stages and with other threads each time.
#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    until_caught(|times| {
        let place = Place::new();
        let time = time(times);
        place.succeeds(&long(&time, &["--out", "whole"]));
        let whole = seconds(&place, "whole");
        let mut kills = 0;
        for (threads, share) in [("1", 0.13), ("2", 0.31), ("3", 0.22)] {
            let arguments = long(&time, &["--out", "r", "--resume", "--threads", threads]);
            let after = Duration::from_secs_f64(share * whole);
            kills += u32::from(killed(&place, &arguments, CHECKPOINT, after));
            assert!(!place.path("r/summary.json").exists() || !place.path("r/running").exists());
        }
        place.succeeds(&long(&time, &["--out", "r", "--resume"]));
        expect_same_results(&place, "whole", "r");
        assert!(!place.path(CHECKPOINT).exists() && !place.path("r/running").exists());
        (kills > 0).then_some(())
    });
}

#[cfg(unix)]
mod signals {
    use super::*;
    use support::stopping::interrupted;

    #[test]
    fn an_interrupted_run_says_so_and_can_go_on() {
        until_caught(|times| {
            let place = Place::new();
            let time = time(times);
            for signal in ["-INT", "-TERM"] {
                let arguments = long(&time, &["--out", "r", "--resume"]);
                let output = interrupted(&place, &arguments, CHECKPOINT, signal)?;
                expect_end(
                    &output,
                    &arguments,
                    130,
                    &["interrupted; everything so far is in r", "--resume"],
                );
                assert!(output.stdout.is_empty());
                assert!(!place.path("r/summary.json").exists());
                place.ends(
                    &["plot", "r"],
                    2,
                    &["the run in r is not finished", "--resume"],
                );
                place.ends(
                    &long(&time, &["--out", "r"]),
                    2,
                    &["not finished", "--resume", "--force"],
                );
            }
            place.succeeds(&long(&time, &["--out", "r", "--resume"]));
            place.succeeds(&long(&time, &["--out", "whole"]));
            expect_same_results(&place, "whole", "r");
            Some(())
        });
    }

    #[test]
    fn a_checkpoint_of_something_else_is_refused() {
        let (place, time) = until_caught(|times| {
            let (place, time) = (Place::new(), time(times));
            let arguments = long(&time, &["--out", "r"]);
            let output = interrupted(&place, &arguments, CHECKPOINT, "-INT")?;
            expect_end(&output, &arguments, 130, &[]);
            Some((place, time))
        });
        let resume = long(&time, &["--out", "r", "--resume"]);
        let other = [&resume[..], &["--set", "run.seed=7"]].concat();
        place.ends(
            &other,
            2,
            &["of another experiment", "seed = 1", "seed = 7", "--force"],
        );
        for bytes in damaged(&place.bytes(CHECKPOINT)) {
            place.write(CHECKPOINT, bytes);
            place.ends(&resume, 2, &["checkpoint", "--force"]);
        }
        place.succeeds(&long(&time, &["--out", "r", "--force"]));
        assert!(!place.path(CHECKPOINT).exists());
    }

    /// Cut, flipped, of another version, or with absurd sizes.
    fn damaged(checkpoint: &[u8]) -> Vec<Vec<u8>> {
        let after_header = checkpoint.iter().position(|&b| b == b'\n').unwrap() + 1;
        let absurd = [&checkpoint[..after_header], &[0xff; 9], &[0x01; 100]].concat();
        let flipped = |place: usize| {
            let mut bytes = checkpoint.to_vec();
            bytes[place] ^= 0x40;
            bytes
        };
        vec![
            Vec::new(),
            b"rankfall checkpoint 0.0.0\n".to_vec(),
            checkpoint[..after_header].to_vec(),
            checkpoint[..checkpoint.len() / 2].to_vec(),
            absurd,
            flipped(after_header),
            flipped(checkpoint.len() / 3),
            flipped(checkpoint.len() - 1),
        ]
    }
}

#[test]
fn resuming_what_is_finished_or_not_begun() {
    let place = Place::new();
    let run = ["run", "good.toml", "-q", "--out", "r", "--resume"];
    place.succeeds(&run);
    let before = place.everything("r");
    let text = place.succeeds(&run);
    assert!(
        text.contains("was finished already; nothing was changed"),
        "{text}"
    );
    assert_eq!(place.everything("r"), before);
    let json = place.succeeds(&[&run[..], &["--json"]].concat());
    let printed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(printed, place.summary("r"));
    assert_eq!(place.everything("r"), before);
}

#[test]
fn one_folder_takes_one_run_at_a_time() {
    until_caught(|times| {
        let (place, time) = (Place::new(), time(times));
        let arguments = long(&time, &["--out", "r"]);
        let mut first = at_work(&place, &arguments, CHECKPOINT)?;
        let others = ["--force", "--resume"].map(|flag| {
            let arguments = [&arguments[..], &[flag]].concat();
            (place.rankfall(&arguments), arguments)
        });
        let was_at_work = first.try_wait().unwrap().is_none();
        assert!(first.wait().unwrap().success());
        for (output, arguments) in was_at_work.then_some(others)? {
            let words = ["another run is writing into r"];
            expect_end(&output, &arguments, 2, &words);
        }
        place.succeeds(&["plot", "r"]);
        Some(())
    });
}

const DENSE: &str = r#"name = "net"
[data]
kind = "gaussian"
samples = 20
inputs = 3
outputs = 2
[network]
layers = [3, 4, 2]
activation = "relu"
[[dynamics]]
kind = "gradient-descent"
step_size = 0.01
[run]
time = 0.1
save = { points = 2 }
"#;

/// Neither the numbers of another experiment nor a word of success, whatever is asked of the
/// folder.
#[test]
fn a_finished_folder_does_not_answer_for_another_experiment() {
    let place = Place::new();
    place.write("net.toml", DENSE);
    let commands: [&[&str]; 3] = [
        &["run", "good.toml", "-q", "--out", "exact"],
        &["run", "net.toml", "-q", "--out", "dense"],
        &[
            "sweep",
            "good.toml",
            "-q",
            "--out",
            "swept",
            "--over",
            "network.width=5,6",
        ],
    ];
    for command in commands {
        place.succeeds(command);
        let before = place.everything(command[4]);
        let resumed = [command, &["--resume"]].concat();
        place.succeeds(&resumed);
        for (set, was, is) in [
            ("run.seed=9", "run.seed = 1", "run.seed = 9"),
            ("name=other", "name = \"", "name = \"other\""),
            ("dynamics.0.label=other", "dynamics.0.label", "\"other\""),
        ] {
            for json in [&[][..], &["--json"]] {
                let other = [&resumed[..], &["--set", set], json].concat();
                let words = ["of another experiment", was, is, "--force", "--out"];
                let output = place.ends(&other, 2, &words);
                assert!(output.stdout.is_empty(), "{other:?}");
            }
        }
        assert_eq!(place.everything(command[4]), before);
    }
}

#[test]
fn a_finished_folder_does_not_answer_for_other_data() {
    let place = Place::new();
    place.write_with_data(
        "mine.toml",
        "kind = \"file\"\npath = \"d.csv\"\ntargets = [\"y\"]",
    );
    let rows = "1,0,2\n2,1,3\n3,5,1\n4,2,2\n5,1,0\n6,2,9\n7,0,1\n8,3,3\n";
    place.write("d.csv", format!("a,b,y\n{rows}"));
    let run = ["run", "mine.toml", "-q", "--out", "r", "--resume"];
    place.succeeds(&run);
    place.succeeds(&run);
    let before = place.everything("r");
    place.write("d.csv", format!("a,b,y\n{rows}").replace("5,1,0", "5,1,4"));
    place.ends(
        &run,
        2,
        &["of another experiment", "data.checksum", "--force"],
    );
    assert_eq!(place.everything("r"), before);
}

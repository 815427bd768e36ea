//! Runs that are killed, interrupted, resumed or done on other threads: always the same bytes.

mod support;

use std::process::{Child, Output};
use std::time::{Duration, Instant};
use support::{Place, expect_end};

/// A run of some seconds: several dynamics, several blocks.
const LONG: &[&str] = &[
    "--set",
    "run.time=1200",
    "--set",
    "run.trajectories=40",
    "--set",
    "dynamics=[{ kind = \"stochastic-gradient-flow\", label_noise = 1.0 }, \
     { kind = \"sgd\", label_noise = 1.0 }, { kind = \"label-noise-gradient-descent\", \
     label_noise = 20.0 }]",
];

fn long(extra: &[&'static str]) -> Vec<&'static str> {
    [
        &["run", "good.toml"],
        LONG,
        &["--checkpoint-seconds", "0.02"],
        extra,
    ]
    .concat()
}

/// Starts a run and waits until it has written a checkpoint of its own; false if it was over before.
fn start(place: &Place, arguments: &[&str]) -> (Child, bool) {
    let path = place.path("r/checkpoint");
    let written = || {
        std::fs::metadata(&path)
            .and_then(|data| data.modified())
            .ok()
    };
    let before = written();
    let mut child = place.command(arguments).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if written().is_some_and(|now| Some(now) != before) {
            return (child, true);
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no checkpoint in a minute"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    (child, false)
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
    place.succeeds(&long(&["-q", "--out", "one", "--threads", "1"]));
    place.succeeds(&long(&["-q", "--out", "two", "--threads", "2"]));
    place.succeeds(&long(&["-q", "--out", "many", "--threads", "13"]));
    expect_same_results(&place, "one", "two");
    expect_same_results(&place, "one", "many");
}

#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    place.succeeds(&long(&["-q", "--out", "whole"]));
    let whole: f64 = place.summary("whole")["dynamics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["seconds"].as_f64().unwrap())
        .sum();
    let mut killed = 0;
    for (attempt, share) in [0.13, 0.31, 0.22].into_iter().enumerate() {
        let threads = ["1", "2", "3"][attempt];
        let arguments = long(&["-q", "--out", "r", "--resume", "--threads", threads]);
        let (mut child, going) = start(&place, &arguments);
        if going {
            std::thread::sleep(Duration::from_secs_f64(share * whole));
        }
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        assert!(!place.path("r/summary.json").exists() || !place.path("r/running").exists());
    }
    assert!(killed > 0, "the run was over before it could be killed");
    place.succeeds(&long(&["-q", "--out", "r", "--resume"]));
    expect_same_results(&place, "whole", "r");
    assert!(!place.path("r/checkpoint").exists() && !place.path("r/running").exists());
}

#[cfg(unix)]
fn interrupted(place: &Place, arguments: &[&str], signal: &str) -> Output {
    let (child, going) = start(place, arguments);
    assert!(going, "over before it could be interrupted");
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args([signal, &id])
        .status()
        .unwrap();
    assert!(sent.success());
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_so_and_can_go_on() {
    let place = Place::new();
    place.succeeds(&long(&["-q", "--out", "whole"]));
    for signal in ["-INT", "-TERM"] {
        let arguments = long(&["-q", "--out", "r", "--resume"]);
        let output = interrupted(&place, &arguments, signal);
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
            &long(&["-q", "--out", "r"]),
            2,
            &["not finished", "--resume", "--force"],
        );
    }
    place.succeeds(&long(&["-q", "--out", "r", "--resume"]));
    expect_same_results(&place, "whole", "r");
}

#[cfg(unix)]
#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let place = Place::new();
    let arguments = long(&["-q", "--out", "r"]);
    interrupted(&place, &arguments, "-INT");
    let resume = long(&["-q", "--out", "r", "--resume"]);
    let other = [&resume[..], &["--set", "run.seed=7"]].concat();
    place.ends(
        &other,
        2,
        &["of another experiment", "seed = 1", "seed = 7", "--force"],
    );

    let checkpoint = place.bytes("r/checkpoint");
    let after_header = checkpoint.iter().position(|&b| b == b'\n').unwrap() + 1;
    let absurd = [&checkpoint[..after_header], &[0xff; 9], &[0x01; 100]].concat();
    let flipped = |place: usize| {
        let mut bytes = checkpoint.clone();
        bytes[place] ^= 0x40;
        bytes
    };
    let damaged = [
        Vec::new(),
        b"rankfall checkpoint 0.0.0\n".to_vec(),
        checkpoint[..after_header].to_vec(),
        checkpoint[..checkpoint.len() / 2].to_vec(),
        absurd,
        flipped(after_header),
        flipped(checkpoint.len() / 3),
        flipped(checkpoint.len() - 1),
    ];
    for bytes in damaged {
        place.write("r/checkpoint", bytes);
        place.ends(&resume, 2, &["checkpoint", "--force"]);
    }
    let force = long(&["-q", "--out", "r", "--force"]);
    place.succeeds(&force);
    assert!(!place.path("r/checkpoint").exists());
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
    let place = Place::new();
    let arguments = long(&["-q", "--out", "r"]);
    let (mut child, going) = start(&place, &arguments);
    assert!(going, "over before the second came");
    for flag in ["--force", "--resume"] {
        let again = [&arguments[..], &[flag]].concat();
        place.ends(&again, 2, &["another run is writing into r"]);
    }
    assert!(child.wait().unwrap().success());
    place.succeeds(&["plot", "r"]);
}

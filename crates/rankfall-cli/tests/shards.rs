//! Runs that are divided into shards and merged: always the bytes of the run that was not.

mod support;

use rankfall::part::Part;
use rankfall_data::sha256_of;
use serde_json::{Value, json};
use std::time::Duration;
use support::stopping::{killed, until_caught};
use support::{Place, expect_same_files};

/// Several dynamics, one of them with a single trajectory, some trajectories that diverge, and a
/// number of trajectories that is no multiple of a block's.
const SETTINGS: &[&str] = &[
    "--set",
    "dynamics=[{ kind = \"gradient-flow\" }, { kind = \"stochastic-gradient-flow\", label_noise = \
     1.0 }, { kind = \"sgd\", label_noise = 4.0, step_size = 0.2, label = \"SGD\" }]",
];

fn settings<'a>(trajectories: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &["run", "good.toml", "-q"],
        SETTINGS,
        &["--set", trajectories],
        more,
    ]
    .concat()
}

/// Runs all shards and merges them in another order.
fn sharded(place: &Place, trajectories: &str, more: &[&str], count: usize, out: &str) {
    let mut folders: Vec<String> = Vec::new();
    for index in 1..=count {
        let folder = format!("{out}-{index}");
        let shard = format!("{index}/{count}");
        let arguments = [&["--shard", &shard, "--out", &folder], more].concat();
        place.succeeds(&settings(trajectories, &arguments));
        assert!(place.path(&folder).join("shard.json").exists());
        assert!(!place.path(&folder).join("summary.json").exists());
        folders.push(folder);
    }
    folders.rotate_left(count / 2);
    folders.reverse();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    place.succeeds(&[&["merge", "--out", out], &folders[..]].concat());
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

/// Everything in the folder but the report, whose timings and command line are its own.
fn expect_same_bytes(place: &Place, one: &str, other: &str) {
    expect_same_files(place, one, other, &["series.parquet", "final.safetensors"]);
    let [a, b] = [one, other].map(|folder| without_timing(place.summary(folder)));
    assert_eq!(a, b);
}

fn diverged(place: &Place, folder: &str) -> u64 {
    place.summary(folder)["dynamics"][2]["diverged"]
        .as_u64()
        .unwrap()
}

#[test]
fn any_number_of_shards_gives_the_bytes_of_the_whole() {
    let place = Place::new();
    let count = "run.trajectories=203";
    place.succeeds(&settings(count, &["--out", "whole"]));
    assert!(
        (1..203).contains(&diverged(&place, "whole")),
        "no divergence to merge"
    );
    for shards in [1, 3, 16] {
        let out = format!("m{shards}");
        sharded(&place, count, &[], shards, &out);
        expect_same_bytes(&place, "whole", &out);
    }
}

#[test]
fn more_shards_than_blocks_and_kept_trajectories() {
    let place = Place::new();
    let more = ["--set", "run.keep_trajectories=true"];
    let count = "run.trajectories=20";
    place.succeeds(&settings(count, &[&more[..], &["--out", "whole"]].concat()));
    sharded(&place, count, &more, 5, "merged");
    expect_same_bytes(&place, "whole", "merged");
    assert!(place.path("merged/trajectories.parquet").exists());
}

#[test]
fn histograms_merge_as_values_do() {
    let place = Place::new();
    let count = "run.trajectories=2001";
    place.succeeds(&settings(count, &["--out", "whole"]));
    let quantiles = place.summary("whole")["dynamics"][1]["quantiles"].clone();
    assert!(quantiles.as_str().unwrap().contains("histograms"));
    sharded(&place, count, &[], 3, "merged");
    expect_same_bytes(&place, "whole", "merged");
}

#[test]
fn a_killed_shard_is_resumed_to_the_same_bytes() {
    until_caught(|times| {
        let place = Place::new();
        let time = format!("run.time={}", 200 * times);
        kill_resume_and_merge(&place, &time).then_some(())
    });
}

/// Whether the second of two shards was killed before it was over; all that follows if it was.
fn kill_resume_and_merge(place: &Place, time: &str) -> bool {
    let count = "run.trajectories=200";
    let long = |more: &[&'static str]| {
        let settings_of_time = [
            "--set",
            time,
            "--set",
            "dynamics.2.step_size=0.01",
            "--checkpoint-seconds",
            "0.02",
        ];
        settings(count, &[&settings_of_time[..], more].concat())
    };
    let shard = |which, out| long(&["--shard", which, "--out", out, "--resume"]);
    let second = shard("2/2", "b");
    if !killed(place, &second, "b/checkpoint", Duration::ZERO) {
        return false;
    }
    place.succeeds(&shard("1/2", "a"));
    place.succeeds(&long(&["--out", "whole"]));
    let merge = ["merge", "a", "b", "--out", "merged"];
    place.ends(&merge, 2, &["the shard in b is not finished", "--resume"]);
    let other = shard("1/2", "b");
    place.ends(&other, 2, &["the run in b is shard 2/2, not shard 1/2"]);
    place.succeeds(&second);
    place.succeeds(&merge);
    expect_same_bytes(place, "whole", "merged");
    // What is finished stays as it is; another shard does not pass for it.
    let before = place.everything("b");
    let text = place.succeeds(&second);
    assert!(text.contains("nothing was changed"), "{text}");
    assert_eq!(place.everything("b"), before);
    place.ends(&other, 2, &["b is shard 2/2, not 1/2"]);
    let seed = [&second[..], &["--set", "run.seed=3"]].concat();
    place.ends(&seed, 2, &["of another experiment", "seed = 1", "seed = 3"]);
    place.ends(
        &settings(count, &["--out", "b", "--resume"]),
        2,
        &["one shard"],
    );
    place.ends(
        &["plot", "b"],
        2,
        &["b has one shard of a run", "rankfall merge"],
    );
    true
}

#[test]
fn what_does_not_belong_together_is_named() {
    let place = Place::new();
    let count = "run.trajectories=40";
    let run = |which: &str, out: &str, more: &[&str]| {
        let arguments = [&["--shard", which, "--out", out], more].concat();
        place.succeeds(&settings(count, &arguments));
    };
    run("1/3", "a", &[]);
    run("2/3", "b", &[]);
    run("3/3", "c", &[]);
    run("3/3", "again", &[]);
    run("1/2", "half", &[]);
    run("3/3", "seed", &["--set", "run.seed=2"]);
    place.succeeds(&settings(count, &["--out", "whole"]));
    let refuses = |folders: &[&str], words: &[&str]| {
        let arguments = [&["merge", "--out", "out"], folders].concat();
        let output = place.ends(&arguments, 2, words);
        assert!(output.stdout.is_empty());
        assert!(!place.path("out").exists(), "{folders:?}");
    };
    refuses(&["a", "c"], &["1 of 3 shards are missing: 2/3"]);
    refuses(&["b"], &["2 of 3 shards are missing: 1/3, 3/3"]);
    refuses(
        &["a", "b", "c", "again"],
        &["c and again are both shard 3/3"],
    );
    refuses(&["a", "a", "b", "c"], &["a and a are both shard 1/3"]);
    refuses(&["half", "b", "c"], &["shard 1/2", "not of one division"]);
    refuses(
        &["a", "b", "seed"],
        &["different experiments", "seed = 1", "seed = 2"],
    );
    refuses(&["a", "b", "whole"], &["whole is a whole run"]);
    refuses(
        &["a", "b", "nowhere"],
        &["nowhere is not the folder of a shard"],
    );
    place.ends(
        &["merge", "a", "b", "c", "--out", "a", "--force"],
        2,
        &["a is one of the shards"],
    );
    place.ends(
        &["merge", "a", "b", "c", "--out", "whole"],
        2,
        &["finished run", "--force"],
    );
    place.ends(&["merge"], 2, &["<DIR>"]);

    let good = place.text("c/shard.json");
    place.write(
        "c/shard.json",
        good.replace("\"version\": \"", "\"version\": \"9"),
    );
    refuses(&["a", "b", "c"], &["c/shard.json was written by version 9"]);
    place.write("c/shard.json", good.replace("\"shard\": 3", "\"shard\": 7"));
    refuses(&["a", "b", "c"], &["the shard in c is damaged"]);
    place.write("c/shard.json", &good[..good.len() / 2]);
    refuses(&["a", "b", "c"], &["c/shard.json"]);
    // A shard that says it is another one is found out by what it has.
    place.write("c/shard.json", good.replace("\"shard\": 3", "\"shard\": 2"));
    refuses(&["a", "b", "c"], &["are both shard 2/3"]);
    refuses(
        &["a", "c", "again"],
        &["the shard in c has a file in it that is of another one"],
    );
    place.write("c/shard.json", &good);

    let experiment = place.text("c/experiment.toml");
    place.write(
        "c/experiment.toml",
        experiment.replace("seed = 1", "seed = 4"),
    );
    refuses(&["a", "b", "c"], &["the shard in c is damaged"]);
    place.write("c/experiment.toml", &experiment);

    let part = place.bytes("c/statistics/1.bin");
    let mut flipped = part.clone();
    flipped[part.len() / 2] ^= 1;
    for bytes in [flipped, part[..part.len() - 1].to_vec(), Vec::new()] {
        place.write("c/statistics/1.bin", bytes);
        refuses(&["a", "b", "c"], &["c/statistics/1.bin is damaged"]);
    }
    place.write("c/statistics/1.bin", place.bytes("c/statistics/2.bin"));
    refuses(&["a", "b", "c"], &["c/statistics/1.bin is damaged"]);
    std::fs::remove_file(place.path("c/statistics/1.bin")).unwrap();
    refuses(&["a", "b", "c"], &["c/statistics/1.bin"]);
    place.write("c/statistics/1.bin", part);
    place.succeeds(&["merge", "a", "b", "c", "--out", "out"]);
    expect_same_bytes(&place, "whole", "out");
}

#[test]
fn a_shard_that_is_none_is_refused() {
    let place = Place::new();
    for (shard, word) in [("0/3", "i is 0"), ("4/3", "from 1 to m = 3"), ("x", "i/m")] {
        place.refuses(&["run", "good.toml", "--shard", shard], &[word]);
    }
}

#[test]
fn where_all_diverge_the_merged_run_says_so() {
    let place = Place::new();
    let all = [
        "-q",
        "--set",
        "dynamics=[{ kind = \"gradient-descent\", step_size = 100.0 }]",
        "--set",
        "run.time=1e4",
    ];
    for (which, out) in [("1/2", "a"), ("2/2", "b")] {
        place.succeeds(
            &[
                &["run", "good.toml", "--shard", which, "--out", out],
                &all[..],
            ]
            .concat(),
        );
    }
    place.ends(
        &["merge", "a", "b", "--out", "m"],
        1,
        &["every trajectory", "diverged"],
    );
    assert!(place.path("m/summary.json").exists());
}

/// A network for the dense engine: some of its trajectories diverge, and trajectory 0 leaves
/// weights.
const LAYERS: &str = r#"name = "deep"
[data]
kind = "gaussian"
samples = 30
inputs = 3
outputs = 2
[network]
layers = [3, 6, 6, 2]
init = { kind = "gaussian", scale = 0.6 }
[[dynamics]]
kind = "gradient-descent"
step_size = 0.01
[[dynamics]]
kind = "sgd"
label_noise = 9.0
step_size = 0.05
[run]
steps = 60
trajectories = 23
save = { points = 6 }
measure = { probe_rows = 5 }
"#;

#[test]
fn networks_of_any_depth_are_sharded_and_merged_to_the_bytes_of_the_whole() {
    let place = Place::new();
    place.write("deep.toml", LAYERS);
    let run = |more: &[&str]| place.succeeds(&[&["run", "deep.toml", "-q"], more].concat());
    run(&["--out", "whole"]);
    let lost = place.summary("whole")["dynamics"][1]["diverged"]
        .as_u64()
        .unwrap();
    assert!((1..23).contains(&lost), "{lost} of 23 diverged");
    for count in [1, 3] {
        let folders: Vec<String> = (1..=count).map(|i| format!("deep-{count}-{i}")).collect();
        for (index, folder) in (1..).zip(&folders) {
            run(&["--shard", &format!("{index}/{count}"), "--out", folder]);
        }
        let out = format!("deep-{count}");
        let folders: Vec<&str> = folders.iter().map(String::as_str).rev().collect();
        place.succeeds(&[&["merge", "--out", &out], &folders[..]].concat());
        expect_same_bytes(&place, "whole", &out);
    }
}

/// What a shard says that it knows of its data decides how its statistics are read: where it cannot
/// be of the experiment, the shard is refused.
#[test]
fn a_shard_that_knows_other_data_is_refused() {
    let place = Place::new();
    place.write("deep.toml", LAYERS);
    place.succeeds(&["run", "deep.toml", "-q", "--shard", "1/1", "--out", "s"]);
    let (file, record) = ("s/statistics/0.bin", place.text("s/shard.json"));
    let whole = place.bytes(file);
    let lines: Vec<&[u8]> = whole.splitn(3, |&byte| byte == b'\n').collect();
    for (key, value) in [
        ("trajectories", json!([])),
        ("layouts", json!([])),
        ("ensembles", json!([])),
        ("times", json!([[], []])),
        ("samples", json!(0)),
        ("network", json!({ "layers": [], "parameters": 66 })),
    ] {
        let (experiment, mut part): (String, Part<Value>) = postcard::from_bytes(lines[2]).unwrap();
        part.known[key] = value;
        let body = postcard::to_stdvec(&(experiment, part)).unwrap();
        let (old, new) = (sha256_of(lines[2]), sha256_of(&body));
        place.write(
            file,
            [lines[0], b"\n", new.as_bytes(), b"\n", &body].concat(),
        );
        place.write("s/shard.json", record.replace(&old, &new));
        let words = ["the shard in s is damaged: what it knows of its data"];
        place.ends(&["merge", "s", "--out", "m"], 2, &words);
        assert!(!place.path("m").exists(), "{key}");
    }
}

//! `rankfall verify`: what it writes, whom it refuses, and that it says why a claim does not apply.

mod support;

use std::io::{BufRead, BufReader};
use support::Place;

/// Claims that are over at once.
const CHEAP: &[&str] = &["--only", "determinant-law", "--only", "step-determinant"];

fn cheap<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    [&["verify", "-q"], CHEAP, extra].concat()
}

fn claims(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// The record without what depends on the clock.
fn without_timing(mut record: serde_json::Value) -> serde_json::Value {
    record.as_object_mut().unwrap().remove("seconds").unwrap();
    for claim in record["claims"].as_array_mut().unwrap() {
        claim.as_object_mut().unwrap().remove("seconds").unwrap();
    }
    record
}

#[test]
fn the_record_has_every_promised_key_and_is_what_json_prints() {
    let place = Place::new();
    let printed = place.succeeds(&cheap(&["--json", "--out", "v"]));
    let record = claims(&printed);
    assert_eq!(
        without_timing(record.clone()),
        without_timing(claims(&place.text("v/claims.json")))
    );
    let list = record["claims"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    for claim in list {
        for key in [
            "id",
            "statement",
            "prediction",
            "measured",
            "verdict",
            "reason",
            "kind",
        ] {
            assert!(!claim[key].is_null(), "{key} in {claim}");
        }
        for key in ["interval", "p_value", "margin"] {
            assert!(claim.get(key).is_some(), "{key} in {claim}");
        }
        assert_eq!(claim["verdict"], "holds", "{claim}");
    }
    let page = place.text("v/report.html");
    assert!(page.contains("determinant-law") && page.contains("<svg"));
}

#[test]
fn the_table_has_a_line_for_each_claim_and_says_where_the_page_is() {
    let place = Place::new();
    let text = place.succeeds(&cheap(&[]));
    let line = text
        .lines()
        .find(|l| l.starts_with("determinant-law"))
        .unwrap();
    assert!(line.contains("holds"), "{line}");
    assert!(
        text.contains("2 claims: 2 hold") && text.contains("runs/verify"),
        "{text}"
    );
}

/// Seed by seed, and for any number of threads.
#[test]
fn verdicts_and_numbers_are_those_of_the_seed() {
    let place = Place::new();
    let run = |extra: &[&str]| {
        let only = ["--only", "step-determinant-sampling", "--json"];
        let arguments = [&["verify", "-q"], &only[..], extra].concat();
        without_timing(claims(&place.succeeds(&arguments)))
    };
    let one = run(&["--threads", "1", "--out", "a"]);
    assert_eq!(one, run(&["--threads", "3", "--out", "b"]));
    assert_ne!(one["claims"], run(&["--seed", "2", "--out", "c"])["claims"]);
}

#[test]
fn all_claims_are_listed_and_a_wrong_name_is_told_the_nearest() {
    let place = Place::new();
    let list = place.succeeds(&["verify", "--list"]);
    for id in [
        "determinant-law",
        "repulsion",
        "decay-rates",
        "plain-doubles",
    ] {
        assert!(
            list.lines().any(|l| l.starts_with(&format!("{id} ("))),
            "{id}"
        );
    }
    let words = ["\"determinant-lwa\"", "did you mean determinant-law?"];
    place.refuses(&["verify", "--only", "determinant-lwa"], &words);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/thesis.txt", "years of work");
    let words = ["not of an earlier verify", "thesis.txt", "--out"];
    place.refuses(&cheap(&["--out", "mine"]), &words);
    place.refuses(
        &cheap(&["--out", "good.toml"]),
        &["cannot write into good.toml", "--out"],
    );
    place.succeeds(&cheap(&["--out", "again"]));
    place.succeeds(&cheap(&["--out", "again"]));
}

#[test]
fn wrong_experiments_are_refused_as_by_run() {
    let place = Place::new();
    place.refuses(
        &["verify", "none.toml"],
        &["cannot read the experiment file none.toml"],
    );
    place.write("bad.toml", support::GOOD.replace("width = 5", "width = 0"));
    place.refuses(&["verify", "bad.toml"], &["network.width"]);
}

/// On an experiment without label noise, too narrow for a determinant: only claims that say
/// nothing.
#[test]
fn claims_that_do_not_apply_say_why() {
    let place = Place::new();
    let quiet = support::GOOD.replace("label_noise = 1.0\n", "");
    place.write("quiet.toml", quiet.replace("width = 5", "width = 4"));
    let only = ["determinant-law", "decay-rates-wide", "gradient-flow-rank"];
    let only: Vec<&str> = only.iter().flat_map(|id| ["--only", id]).collect();
    let arguments = [&["verify", "quiet.toml", "--json", "-q"], &only[..]].concat();
    let record = claims(&place.succeeds(&arguments));
    let of = |id: &str| {
        let list = record["claims"].as_array().unwrap();
        list.iter().find(|c| c["id"] == id).unwrap().clone()
    };
    let reasons = [
        ("determinant-law", "no label noise"),
        ("decay-rates-wide", "a problem of its own"),
    ];
    for (id, reason) in reasons {
        let claim = of(id);
        assert_eq!(claim["verdict"], "does not apply");
        assert!(
            claim["reason"].as_str().unwrap().contains(reason),
            "{claim}"
        );
        assert!(claim["measured"].is_null() && claim["p_value"].is_null());
    }
    assert_eq!(of("gradient-flow-rank")["verdict"], "holds");
    assert!(
        record["setting"].as_str().unwrap().contains("\"good\""),
        "{record}"
    );
}

/// The setting is the user's: its numbers are those of the claim.
#[test]
fn an_experiment_replaces_the_setting() {
    let place = Place::new();
    let arguments = [
        "verify",
        "good.toml",
        "--only",
        "determinant-law",
        "--json",
        "-q",
    ];
    let record = claims(&place.succeeds(&arguments));
    let claim = &record["claims"][0];
    assert_eq!(claim["verdict"], "holds", "{claim}");
    let what = claim["comparisons"][0]["what"].as_str().unwrap();
    assert!(what.contains("width 5"), "{what}");
}

/// Interrupted after the first claim: what was found is there, and the exit code says so.
#[cfg(unix)]
#[test]
fn an_interruption_keeps_what_was_found() {
    let place = Place::new();
    let arguments = ["verify", "--level", "full", "--out", "v"];
    let mut child = place.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines
        .find(|l| l.as_ref().is_ok_and(|l| l.contains(" holds ")))
        .unwrap();
    support::stopping::send(&child, "-INT");
    for line in lines {
        line.unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let record = claims(&place.text("v/claims.json"));
    let list = record["claims"].as_array().unwrap();
    assert!(!list.is_empty() && first.unwrap().contains(list[0]["id"].as_str().unwrap()));
    assert!(
        place
            .text("v/report.html")
            .contains("gradient-flow-determinant")
    );
}

/// The other list: its names, its folder, its record.
#[test]
fn claims_about_networks_have_a_list_of_their_own() {
    let place = Place::new();
    let list = place.succeeds(&["verify", "--suite", "networks", "--list"]);
    for id in [
        "deep-linear-3",
        "drift-two-layer-relu",
        "log-det-mini-batches",
    ] {
        let entry = |l: &str| l.starts_with(&format!("{id} ("));
        assert!(list.lines().any(entry), "{id}");
    }
    assert!(!list.contains("determinant-law ("));
    let only = [
        "--only",
        "fashion-mnist",
        "--only",
        "relu-teacher-student-weights",
    ];
    let arguments = [
        &["verify", "-q", "--suite", "networks", "--json"],
        &only[..],
    ]
    .concat();
    let record = claims(&place.succeeds(&arguments));
    assert_eq!(
        without_timing(record.clone()),
        without_timing(claims(&place.text("runs/verify-networks/claims.json")))
    );
    let list = record["claims"].as_array().unwrap();
    assert_eq!(list[0]["id"], "relu-teacher-student-weights");
    assert_eq!(list[0]["comparisons"].as_array().unwrap().len(), 3);
    for key in [
        "statement",
        "prediction",
        "measured",
        "interval",
        "p_value",
        "verdict",
    ] {
        assert!(!list[0][key].is_null(), "{key} in {}", list[0]);
    }
    let command = record["command"].as_str().unwrap();
    assert!(
        command.starts_with("rankfall verify --suite networks"),
        "{command}"
    );
    let page = place.text("runs/verify-networks/report.html");
    assert!(page.contains("relu-teacher-student-weights") && page.contains("<svg"));
}

#[test]
fn wrong_lists_and_claims_of_the_other_list_are_told_apart() {
    let place = Place::new();
    place.refuses(&["verify", "--suite", "network"], &["networks"]);
    place.refuses(
        &["verify", "--suite", "nope"],
        &["invalid value 'nope'", "exact", "networks"],
    );
    place.refuses(
        &["verify", "--only", "drift-deep-linear"],
        &["there is no claim", "it is one of --suite networks"],
    );
    place.refuses(
        &["verify", "--suite", "networks", "--only", "repulsion"],
        &["it is one of --suite exact"],
    );
    place.refuses(
        &[
            "verify",
            "--suite",
            "networks",
            "--only",
            "drift-deep-liner",
        ],
        &["did you mean drift-deep-linear?", "--suite networks --list"],
    );
    place.refuses(
        &["verify", "good.toml", "--suite", "networks"],
        &["not on good.toml", "leave the file out"],
    );
}

/// Three linear layers under label noise and mini-batches, the first stack wide enough for a
/// determinant.
const LAYERS: &str = r#"name = "deep"
[data]
kind = "gaussian"
samples = 20
inputs = 3
outputs = 2
residual_noise = 0.2
[network]
layers = [3, 7, 4, 2]
init = { kind = "gaussian", scale = 0.4 }
[[dynamics]]
kind = "gradient-descent"
step_size = 0.02
[[dynamics]]
label = "label noise"
kind = "label-noise-gradient-descent"
step_size = 0.02
label_noise = 1.0
[[dynamics]]
label = "SGD"
kind = "sgd"
step_size = 0.02
batch_size = 4
label_noise = 1.0
[run]
steps = 500
"#;

/// A network given by its layers: what can be told of any network is measured on it, and the others
/// say why they do not apply.
#[test]
fn a_network_given_by_layers_is_measured() {
    let place = Place::new();
    place.write("deep.toml", LAYERS);
    let record = claims(&place.succeeds(&["verify", "deep.toml", "--json", "-q"]));
    let list = record["claims"].as_array().unwrap();
    let verdicts: Vec<(&str, &str)> = list
        .iter()
        .map(|c| (c["id"].as_str().unwrap(), c["verdict"].as_str().unwrap()))
        .collect();
    let expected = [
        ("network-step-determinant", "holds"),
        ("network-label-noise", "holds"),
    ];
    assert_eq!(verdicts[..2], expected, "{}", list[1]);
    let (id, verdict) = verdicts[2];
    assert!(id == "network-drift" && verdict != "fails", "{}", list[2]);
    assert_eq!(list[2]["comparisons"].as_array().unwrap().len(), 5);
    for claim in &list[3..] {
        assert_eq!(claim["verdict"], "does not apply", "{claim}");
        assert!(claim["reason"].as_str().unwrap().starts_with("it is about"));
    }
    assert!(verdicts.iter().any(|(id, _)| *id == "determinant-law"));
    let setting = record["setting"].as_str().unwrap();
    assert!(setting.contains("3–7–4–2"), "{setting}");
    let only = ["verify", "deep.toml", "--suite", "exact"];
    place.ends(&only, 2, &["not on deep.toml", "leave out --suite exact"]);
}

/// Rectifiers have no determinant of layers, and momentum leaves nothing to be told.
#[test]
fn claims_that_do_not_apply_to_a_network_say_why() {
    let place = Place::new();
    let bent = LAYERS.replace("[3, 7, 4, 2]", "[3, 7, 4, 2]\nactivation = \"relu\"");
    let heavy = bent.replace("label_noise = 1.0", "label_noise = 1.0\nmomentum = 0.5");
    place.write("heavy.toml", heavy);
    let only = ["network-step-determinant", "network-drift"];
    let only: Vec<&str> = only.iter().flat_map(|id| ["--only", id]).collect();
    let arguments = [&["verify", "heavy.toml", "--json", "-q"], &only[..]].concat();
    let record = claims(&place.succeeds(&arguments));
    let reasons = ["linear layers", "momentum"];
    for (claim, reason) in record["claims"].as_array().unwrap().iter().zip(reasons) {
        assert_eq!(claim["verdict"], "does not apply");
        let says = claim["reason"].as_str().unwrap();
        assert!(says.contains(reason), "{says}");
    }
}

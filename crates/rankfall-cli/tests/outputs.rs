//! What finished runs leave: promised keys, figures that can be drawn again, experiments that run
//! again.

mod support;

use std::fs;
use std::path::Path;
use support::Place;

#[test]
fn the_summary_has_every_promised_key() {
    let place = Place::new();
    let json = place.succeeds(&["run", "good.toml", "--json", "-q", "--out", "r"]);
    let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(summary, place.summary("r"));
    for key in ["schema", "version", "experiment", "seed", "engine_reason"] {
        assert!(!summary[key].is_null(), "{key}");
    }
    assert_eq!(
        (&summary["schema"], &summary["engine"]),
        (&2.into(), &"exact".into())
    );
    assert_eq!(summary["problem"]["layers"], serde_json::json!([3, 5, 2]));
    let keys = [
        "label",
        "kind",
        "noise_intensity",
        "steps",
        "trajectories",
        "diverged",
        "reductions",
        "seconds",
        "trajectory_steps_per_second",
        "log_det.initial",
        "log_det.final_mean",
        "log_det.final_std",
        "log_det.law_final",
        "numerical_rank.initial",
        "numerical_rank.final_mean",
        "numerical_rank.tolerance",
        "effective_rank.initial",
        "effective_rank.final_mean",
        "stable_rank.initial",
        "stable_rank.final_mean",
        "loss.initial",
        "loss.final_mean",
        "loss.final_std",
        "excess_loss.initial",
        "excess_loss.final_mean",
        "excess_loss.final_std",
        "population_loss.initial",
        "population_loss.final_mean",
        "population_loss.final_std",
    ];
    let matrices = ["theta", "w1", "w2", "product"];
    let spectra = matrices
        .iter()
        .flat_map(|m| ["initial", "final_mean"].map(|at| format!("log_singular_values.{m}.{at}")));
    let keys: Vec<String> = keys
        .iter()
        .map(|key| (*key).to_owned())
        .chain(spectra)
        .collect();
    let noisy = &summary["dynamics"][1];
    for key in keys {
        let value = key.split('.').fold(noisy, |value, part| &value[part]);
        assert!(!value.is_null(), "{key} in {noisy}");
    }
    let spectrum = noisy["log_singular_values"]["theta"]["final_mean"]
        .as_array()
        .unwrap();
    let values: Vec<f64> = spectrum.iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(values.len(), 5);
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    let matrices = noisy["matrices"].as_array().unwrap();
    let named: Vec<_> = matrices
        .iter()
        .map(|m| (m["name"].as_str().unwrap(), m["layer"].as_u64()))
        .collect();
    let expected = [
        ("theta", None),
        ("w1", Some(1)),
        ("w2", Some(2)),
        ("product", None),
    ];
    assert_eq!(named, expected);
    assert_eq!(
        matrices[1]["log_singular_values"],
        noisy["log_singular_values"]["w1"]
    );
    for (matrix, ranks) in [
        (0, &noisy["numerical_rank"]),
        (1, &noisy["numerical_rank"]["w1"]),
    ] {
        assert_eq!(
            matrices[matrix]["numerical_rank"]["initial"],
            ranks["initial"]
        );
    }
}

#[test]
fn rates_and_laws_are_those_of_the_numbers_beside_them() {
    let place = Place::new();
    place.succeeds(&["run", "good.toml", "-q", "--out", "r"]);
    let noisy = &place.summary("r")["dynamics"][1];
    let number = |key: &str| noisy[key].as_f64().unwrap();
    assert_eq!(number("noise_intensity"), 0.01);
    assert_eq!(number("steps"), 100.0);
    let rate = number("steps") * number("trajectories") / number("seconds");
    assert!((number("trajectory_steps_per_second") / rate - 1.0).abs() < 1e-9);
    let log_det = |key: &str| noisy["log_det"][key].as_f64().unwrap();
    assert!((log_det("final_mean") - log_det("law_final")).abs() < 1e-10);
    assert!(log_det("law_final") < log_det("initial"));
    let predictions = noisy["predictions"].as_array().unwrap();
    let [prediction, others @ ..] = &predictions[..] else {
        panic!("{predictions:?}")
    };
    assert!(
        others.iter().all(|one| one["kind"] == "small-noise limit"),
        "{others:?}"
    );
    assert_eq!(prediction["kind"], "exact");
    assert!(prediction["reason"].is_null());
    assert_eq!(prediction["predicted"], noisy["log_det"]["law_final"]);
    assert_eq!(prediction["measured"], noisy["log_det"]["final_mean"]);
}

#[test]
fn figures_are_drawn_again_as_they_were() {
    let place = Place::new();
    place.succeeds(&["run", "good.toml", "-q", "--out", "r"]);
    let before = place.everything("r");
    let figures = fs::read_dir(place.path("r/figures")).unwrap().count();
    assert!(figures >= 12, "{figures}");
    fs::remove_dir_all(place.path("r/figures")).unwrap();
    fs::remove_file(place.path("r/report.html")).unwrap();
    let text = place.succeeds(&["plot", "r"]);
    assert!(text.contains("figures in r/figures"), "{text}");
    let after = place.everything("r");
    let names = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        files
            .iter()
            .map(|(path, _)| path.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&after));
    for ((path, one), (_, other)) in before.iter().zip(&after) {
        assert!(one == other, "{} changed", path.display());
    }
}

#[test]
fn a_new_experiment_runs_as_it_is_printed() {
    let place = Place::new();
    place.write("mine.toml", place.succeeds(&["new"]));
    let small = ["--set", "run.time=1", "--set", "run.trajectories=2"];
    place.succeeds(&[&["run", "mine.toml", "-q"], &small[..]].concat());
    assert_eq!(
        place.summary("runs/my-experiment")["dynamics"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[test]
fn the_resolved_copy_runs_again_to_the_same_bytes() {
    let place = Place::new();
    let sets = ["--set", "run.seed=3", "--set", "run.keep_trajectories=true"];
    place.succeeds(&[&["run", "good.toml", "-q", "--out", "one"], &sets[..]].concat());
    place.succeeds(&["run", "one/experiment.toml", "-q", "--out", "two"]);
    for file in [
        "series.parquet",
        "trajectories.parquet",
        "final.safetensors",
        "experiment.toml",
    ] {
        let [one, two] = ["one", "two"].map(|folder| place.bytes(&format!("{folder}/{file}")));
        assert!(one == two, "{file}");
    }
}

#[test]
fn final_weights_are_a_start_for_another_run() {
    let place = Place::new();
    let one = ["--set", "dynamics=[{ kind = \"gradient-descent\" }]"];
    place.succeeds(&[&["run", "good.toml", "-q", "--out", "one"], &one[..]].concat());
    let init = "network.init={ kind = \"file\", path = \"one/final.safetensors\" }";
    place.succeeds(
        &[
            &["run", "good.toml", "-q", "--out", "two", "--set", init],
            &one[..],
        ]
        .concat(),
    );
    let loss = |folder: &str, key: &str| {
        place.summary(folder)["dynamics"][0]["loss"][key]
            .as_f64()
            .unwrap()
    };
    let (end, start) = (loss("one", "final_mean"), loss("two", "initial"));
    assert!((end - start).abs() <= 1e-9 * start, "{end} {start}");
}

/// An experiment of this repository, shortened.
fn shipped(name: &str, inputs: u64, outputs: u64, time: &str) {
    let place = Place::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../experiments/{name}.toml"));
    let time = format!("run.time={time}");
    let small = [
        "-q",
        "--set",
        &time,
        "--set",
        "run.trajectories=8",
        "--set",
        "run.save.points=5",
    ];
    place.succeeds(&[&["run", file.to_str().unwrap(), "--out", "one"], &small[..]].concat());
    let summary = place.summary("one");
    let layers = &summary["problem"]["layers"];
    assert_eq!((&layers[0], &layers[2]), (&inputs.into(), &outputs.into()));
    for one in summary["dynamics"].as_array().unwrap() {
        assert_eq!(one["diverged"], 0);
    }
    // The copy has absolute paths and the checksum, so it runs from anywhere.
    let copy = place.text("one/experiment.toml");
    assert!(copy.contains("checksum = \""), "{copy}");
    place.succeeds(&["run", "one/experiment.toml", "-q", "--out", "two"]);
    assert!(place.bytes("one/series.parquet") == place.bytes("two/series.parquet"));
}

#[test]
fn digits_run_from_any_folder() {
    shipped("digits", 64, 10, "1");
}

#[test]
fn linnerud_runs_from_any_folder() {
    shipped("linnerud", 3, 3, "0.5");
}

#[test]
fn every_bundled_experiment_runs() {
    let place = Place::new();
    let list = place.succeeds(&["reproduce", "--list"]);
    let names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names.len(), rankfall::bundled::ALL.len());
    for (name, bundled) in names.into_iter().zip(rankfall::bundled::ALL) {
        let is_layered = bundled.toml.contains("\nlayers = ");
        // A warm-up must lie within the run.
        let length = match (is_layered, bundled.toml.contains("warm_up")) {
            (false, _) => "run.time=0.5",
            (true, false) => "run={ steps = 20, trajectories = 2, save = { points = 3 } }",
            (true, true) => "run={ steps = 1000, trajectories = 2, save = { points = 3 } }",
        };
        let small = [
            "reproduce",
            name,
            "-q",
            "--set",
            length,
            "--set",
            "run.trajectories=2",
        ];
        if bundled.needs.is_some() {
            // Its data may or may not be on this machine.
            let output = place.command(&small).output().unwrap();
            let code = if rankfall::bundled::has_data(bundled).is_ok() {
                0
            } else {
                2
            };
            support::expect_end(&output, &small, code, &[]);
            continue;
        }
        let text = place.succeeds(&small);
        assert!(text.contains(&format!("runs/{name}/report.html")), "{text}");
    }
    assert!(
        place
            .text("runs/balanced-start/summary.json")
            .contains("a balanced start has no more")
    );
}

/// A dashed line that nobody explains is taken for data.
#[test]
fn every_figure_that_draws_theory_says_so_in_its_legend() {
    const DASHES: &str = "stroke-width=\"1.6\" stroke-dasharray=\"5.12 4.16\"";
    let place = Place::new();
    let shorter = [
        "--set",
        "run.time=5",
        "--set",
        "run.trajectories=4",
        "--out",
        "r",
        "-q",
    ];
    place.succeeds(&[&["reproduce", "without-repulsion"], &shorter[..]].concat());
    let mut drawn = 0;
    for entry in fs::read_dir(place.path("r/figures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "svg") {
            let svg = fs::read_to_string(&path).unwrap();
            let is_theory = |line: &str| line.contains("<polyline") && line.contains(DASHES);
            if svg.split_inclusive('>').any(is_theory) {
                let says = |words: &&str| svg.contains(&format!(">{words}"));
                let words = ["law", "slow flow", "prediction: "];
                assert!(words.iter().any(says), "{}", path.display());
                drawn += 1;
            }
        }
    }
    assert!(drawn >= 4, "{drawn} figures");
}

//! `rankfall inspect`: what it prints and writes, what it refuses, and that the page about it is
//! true.

mod support;

use rankfall_inspect::columns::COLUMNS;
use rankfall_inspect::record::Row;
use serde_json::Value;
use std::fs;
use support::Place;

const PAGE: &str = include_str!("../../../docs/inspect.md");

/// A layer of 6 × 4 with singular values that a factor makes smaller, and its bias.
fn write(place: &Place, name: &str, factor: f32) {
    let numbers = (0..24).map(|i| {
        if i % 5 == 0 {
            2.0 * factor.powi(i / 5)
        } else {
            0.01 * (i % 7) as f32
        }
    });
    let bytes: Vec<u8> = numbers.chain([0.5; 6]).flat_map(f32::to_le_bytes).collect();
    let header = r#"{"fc.weight":{"dtype":"F32","shape":[6,4],"data_offsets":[0,96]},
        "fc.bias":{"dtype":"F32","shape":[6],"data_offsets":[96,120]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&bytes);
    place.write(name, file);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_json_has_every_promised_field() {
    let place = Place::new();
    write(&place, "m.safetensors", 1.0);
    let printed = json(&place.succeeds(&["inspect", "m.safetensors", "--json", "-q"]));
    assert_eq!(printed["schema"], 1);
    let rows = printed["tensors"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let promised = [
        "name",
        "shape",
        "dtype",
        "matrix",
        "analysed",
        "reason",
        "sigma_max",
        "sigma_min",
        "numerical_rank",
        "tolerance",
        "effective_rank",
        "stable_rank",
        "nuclear_norm",
        "log_abs_det",
        "alpha",
        "alpha_distance",
        "alpha_xmin",
        "error_bound",
        "step",
        "file",
    ];
    for row in rows {
        for field in promised {
            assert!(row.get(field).is_some(), "{field}");
        }
    }
    assert_eq!(
        (&rows[0]["analysed"], &rows[0]["reason"]),
        (&Value::Bool(true), &Value::Null)
    );
    assert_eq!(rows[1]["analysed"], false);
    assert!(rows[1]["reason"].as_str().unwrap().contains("vector"));
    assert!(rows[0].get("singular_values").is_none());
    let all = json(&place.succeeds(&[
        "inspect",
        "m.safetensors",
        "--json",
        "-q",
        "--singular-values",
    ]));
    assert_eq!(
        all["tensors"][0]["singular_values"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn checkpoints_over_training_are_ordered_by_step_and_drawn() {
    let place = Place::new();
    fs::create_dir(place.path("ckpts")).unwrap();
    for (i, step) in [100, 20, 3000].iter().enumerate() {
        write(
            &place,
            &format!("ckpts/step_{step}.safetensors"),
            1.0 - 0.2 * i as f32,
        );
    }
    let text = place.succeeds(&["inspect", "ckpts", "--out", "spectra", "-q"]);
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words} in {text}"))
    };
    assert!(at("step 20\n") < at("step 100\n") && at("step 100\n") < at("step 3000\n"));
    assert!(
        text.contains("6 tensors")
            && text.contains("3 analysed")
            && text.contains("3 not: a vector")
    );
    let record = json(&fs::read_to_string(place.path("spectra/inspection.json")).unwrap());
    let steps: Vec<u64> = record["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|t| t["step"].as_u64())
        .collect();
    assert_eq!(steps, [20, 20, 100, 100, 3000, 3000]);
    for figure in ["over-training", "spectra", "heat-map", "by-depth"] {
        assert!(
            place
                .path(&format!("spectra/figures/{figure}.png"))
                .exists(),
            "{figure}"
        );
    }
    let page = fs::read_to_string(place.path("spectra/report.html")).unwrap();
    assert!(page.contains("fc.weight") && page.contains("id=\"over-training\""));
    assert!(!place.path("spectra/inspection.partial").exists());
    assert_eq!(
        fs::read_to_string(place.path("spectra/singular-values.csv"))
            .unwrap()
            .lines()
            .count(),
        1 + 3 * 4
    );
}

#[test]
fn pictures_of_one_of_several_checkpoints_say_of_which() {
    let place = Place::new();
    for name in ["a.safetensors", "b.safetensors"] {
        write(&place, name, 1.0);
    }
    place.succeeds(&[
        "inspect",
        "a.safetensors",
        "b.safetensors",
        "--out",
        "both",
        "-q",
    ]);
    place.succeeds(&["inspect", "a.safetensors", "--out", "one", "-q"]);
    let spectra =
        |folder: &str| fs::read_to_string(place.path(folder).join("figures/spectra.svg")).unwrap();
    assert!(spectra("both").contains("b.safetensors · the last of 2 checkpoints"));
    assert!(!spectra("one").contains("the last of"));
}

#[test]
fn tables_are_written_as_csv_and_parquet() {
    let place = Place::new();
    write(&place, "m.safetensors", 1.0);
    place.succeeds(&[
        "inspect",
        "m.safetensors",
        "-q",
        "--csv",
        "t.csv",
        "--parquet",
        "t.parquet",
    ]);
    let csv = fs::read_to_string(place.path("t.csv")).unwrap();
    assert!(csv.starts_with("name,shape,dtype,") && csv.lines().count() == 3);
    let bytes = bytes::Bytes::from(fs::read(place.path("t.parquet")).unwrap());
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(bytes).unwrap();
    let rows: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let names: Vec<&str> = rows[0]
        .get_column_iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        names,
        COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    assert_eq!(rows.len(), 2);
}

#[test]
fn two_checkpoints_are_compared() {
    let place = Place::new();
    write(&place, "a.safetensors", 1.0);
    write(&place, "b.safetensors", 0.5);
    let printed = json(&place.succeeds(&[
        "inspect",
        "--compare",
        "a.safetensors",
        "b.safetensors",
        "--json",
        "-q",
    ]));
    let layer = &printed["layers"][0];
    assert!(
        layer["relative_change"].as_f64().unwrap() > 0.3 && layer["moved"].as_u64().unwrap() > 0
    );
    let text = place.succeeds(&[
        "inspect",
        "--compare",
        "a.safetensors",
        "b.safetensors",
        "-q",
    ]);
    assert!(text.contains("1 layers compared, 1 not"), "{text}");
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_do() {
    let place = Place::new();
    place.write("m.gguf", b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0");
    place.write("text.pt", "hello, this is not a checkpoint");
    write(&place, "a.safetensors", 1.0);
    place.refuses(
        &["inspect", "m.gguf"],
        &["m.gguf", "GGUF", "safetensors file it was made from"],
    );
    place.refuses(&["inspect", "text.pt"], &["text.pt", "none of the formats"]);
    place.refuses(&["inspect", "nowhere"], &["nowhere", "no such file"]);
    place.refuses(
        &["inspect", "--compare", "a.safetensors"],
        &["two checkpoints", "mean 1"],
    );
    place.refuses(
        &["inspect", "a.safetensors", "--sort", "nothing"],
        &["no column", "sigma_max"],
    );
    // In a folder one that is broken is a row.
    fs::create_dir(place.path("many")).unwrap();
    place.write("many/broken.pt", "hello, this is not a checkpoint");
    write(&place, "many/good.safetensors", 1.0);
    let text = place.succeeds(&["inspect", "many", "-q"]);
    assert!(
        text.contains("broken.pt")
            && text.contains("none of the formats")
            && text.contains("1 analysed")
    );
}

#[test]
fn figures_are_by_depth_and_step_however_the_table_is_sorted() {
    let place = Place::new();
    fs::create_dir(place.path("many")).unwrap();
    for (name, factor) in [("m-1.safetensors", 0.9), ("m-2.safetensors", 0.1)] {
        write(&place, &format!("many/{name}"), factor);
    }
    let plain = place.succeeds(&["inspect", "many", "--out", "plain", "-q"]);
    let by_rank = ["inspect", "many", "--out", "sorted", "-q"];
    let sorted = place.succeeds(&[&by_rank[..], &["--sort", "effective_rank"]].concat());
    assert_ne!(plain, sorted.replace("sorted", "plain"));
    let record = |folder| json(&place.text(&format!("{folder}/inspection.json")))["tensors"].take();
    assert_eq!(record("plain"), record("sorted"));
}

#[test]
fn the_weights_of_a_run_are_a_checkpoint() {
    let place = Place::new();
    place.succeeds(&["run", "good.toml", "-q", "--out", "r"]);
    let printed = json(&place.succeeds(&["inspect", "r", "--json", "-q"]));
    let names: Vec<&str> = printed["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|t| t["name"].as_str())
        .collect();
    assert!(names.iter().any(|name| name.ends_with("w1")), "{names:?}");
}

#[test]
fn the_page_names_every_column_and_every_command_of_it_runs() {
    for (name, _) in COLUMNS {
        let plain =
            ["name", "shape", "dtype", "analysed"].contains(name) || name.ends_with("_error");
        assert!(plain || PAGE.contains(&format!("`{name}`")), "{name}");
    }
    let place = Place::new();
    for name in ["model", "before", "after"] {
        write(&place, &format!("{name}.safetensors"), 1.0);
    }
    fs::create_dir_all(place.path("runs/checkpoints")).unwrap();
    write(&place, "runs/checkpoints/step_1.safetensors", 1.0);
    let commands = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("    rankfall "));
    let mut count = 0;
    for command in commands {
        let given: Vec<String> = command
            .split_whitespace()
            .map(|word| word.replace(".pt", ".safetensors"))
            .collect();
        place.succeeds(&given.iter().map(String::as_str).collect::<Vec<_>>());
        count += 1;
    }
    assert!(count >= 3, "{count}");
    assert!(Row::default().singular_values.is_none());
}

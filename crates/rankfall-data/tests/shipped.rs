//! The data sets that come with the experiments read as their README says.

mod common;

use std::path::PathBuf;

use common::spec;
use rankfall_data::load;

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../experiments/data")
        .join(name)
}

#[test]
fn digits_have_ten_classes_and_three_blank_corners() {
    let mut digits = spec(shipped("digits.csv.gz"), [64usize]);
    digits.one_hot = true;
    digits.standardize = true;
    let loaded = load(&digits).unwrap();
    assert_eq!(
        (loaded.rows, loaded.inputs.len(), loaded.targets.len()),
        (1797, 64, 10)
    );
    assert_eq!(loaded.targets[9], "column 64=9");
    assert_eq!(
        loaded.constant_columns,
        ["column 0", "column 32", "column 39"]
    );
    // 178 zeros among 1797 digits.
    assert!((loaded.gram.syy[(0, 0)] - 178.0 / 1797.0).abs() < 1e-15);
    loaded.gram.check().unwrap();
}

#[test]
fn linnerud_has_three_inputs_and_three_outputs() {
    let linnerud = spec(shipped("linnerud.csv"), ["Weight", "Waist", "Pulse"]);
    let loaded = load(&linnerud).unwrap();
    assert_eq!(loaded.rows, 20);
    assert_eq!(loaded.inputs, ["Chins", "Situps", "Jumps"]);
    loaded.gram.check().unwrap();
}

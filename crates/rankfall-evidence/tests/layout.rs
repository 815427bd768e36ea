//! The files of this crate stand in an order, and each uses only those before it; no two files use
//! each other, not even by a detour.

use layout::{Uses, assert_no_circles, assert_order};
use std::path::Path;

/// Each may use those before it; claims also each other.
const ORDER: [&str; 17] = [
    "decision",
    "linear",
    "picture",
    "evidence",
    "optimum",
    "setting",
    "network_setting",
    "experiments",
    "bench",
    "simulation",
    "scales",
    "one_step",
    "small",
    "statement",
    "claim",
    "claims",
    "verification",
];

fn uses() -> Uses {
    layout::uses(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn a_file_uses_only_those_before_it() {
    assert_order(&uses(), &ORDER);
}

#[test]
fn no_file_is_used_by_what_it_uses() {
    assert_no_circles(uses());
}

/// The list of claims uses all of them: none may use it.
#[test]
fn no_claim_uses_the_list() {
    let uses = uses();
    assert!(uses["claims/drift.rs"].contains("small.rs"), "{uses:#?}");
    for (file, used) in &uses {
        let is_claim = file.starts_with("claims/");
        assert!(!(is_claim && used.contains("claims.rs")), "{file}");
    }
}

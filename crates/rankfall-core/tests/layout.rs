//! The folders of this crate stand in an order, and each uses only those before it; no two files
//! use each other, not even by a detour. Read from the `use` lines and paths of the sources.

use layout::{Uses, assert_no_circles, assert_order};
use std::path::Path;

/// Each may use those before it, and its own files.
const ORDER: [&str; 12] = [
    "simd",
    "random",
    "kernels",
    "linalg",
    "model",
    "trajectories",
    "theory",
    "step",
    "measure",
    "plain",
    "ensemble",
    "deep",
];

fn uses() -> Uses {
    layout::uses(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn a_folder_uses_only_those_before_it() {
    assert_order(&uses(), &ORDER);
}

#[test]
fn no_file_is_used_by_what_it_uses() {
    assert_no_circles(uses());
}

#[test]
fn the_sources_are_read() {
    let uses = uses();
    let stepper = &uses["step/stepper.rs"];
    for expected in ["model/dynamics.rs", "simd/lanes.rs", "step/update.rs"] {
        assert!(stepper.contains(expected), "{stepper:?}");
    }
    assert!(uses["linalg/graded/mod.rs"].contains("linalg/graded/jacobi.rs"));
}

//! No two files of this crate use each other, not even by a detour.

use std::path::Path;

#[test]
fn no_file_is_used_by_what_it_uses() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    layout::assert_no_circles(layout::uses(&sources));
}

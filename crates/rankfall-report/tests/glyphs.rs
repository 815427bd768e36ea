//! The tables that text is drawn from are those of the fonts beside them.

use std::path::Path;

#[allow(dead_code)] // its `main` writes them
#[path = "../examples/glyphs.rs"]
mod glyphs;

#[test]
fn the_tables_are_those_of_the_fonts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fonts");
    for (table, font) in glyphs::TABLES {
        let wanted = glyphs::table_of(&std::fs::read(folder.join(font)).unwrap());
        let there = std::fs::read_to_string(folder.join(table)).unwrap();
        assert!(
            wanted == there,
            "{table} is not that of {font}: cargo run -p rankfall-report --example glyphs"
        );
    }
}

//! Writes the glyph tables of `fonts/` from the font files beside them: widths and outlines of all
//! characters, as text.
//!
//! `cargo run -p rankfall-report --example glyphs`. Programs that draw read the tables, and need no
//! reader of fonts.

use std::fmt::Write as _;
use std::path::Path;

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};

/// Tables and the fonts they are of.
pub const TABLES: [(&str, &str); 2] = [
    ("DejaVuSans.glyphs", "DejaVuSans-subset.ttf"),
    ("DejaVuSans-Bold.glyphs", "DejaVuSans-Bold-subset.ttf"),
];

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fonts");
    for (table, font) in TABLES {
        let font = std::fs::read(folder.join(font)).expect("the font is in its folder");
        std::fs::write(folder.join(table), table_of(&font)).expect("the folder can be written");
    }
}

/// A line per character in the order of their numbers, after one with the units per em: its number,
/// the width and the outline, all in font units with y up. Number 0 is what is drawn for characters
/// that the font does not have.
pub fn table_of(font: &[u8]) -> String {
    let face = FontRef::new(font).expect("a font");
    let (size, location) = (Size::unscaled(), LocationRef::default());
    let widths = face.glyph_metrics(size, location);
    let mut table = format!("{}\n", face.metrics(size, location).units_per_em);
    let characters = face.charmap().mappings().filter(|(number, _)| *number > 0);
    for (number, glyph) in std::iter::once((0, GlyphId::NOTDEF)).chain(characters) {
        let width = widths
            .advance_width(glyph)
            .expect("every glyph has a width");
        let mut outline = Outline(String::new());
        if let Some(shape) = face.outline_glyphs().get(glyph) {
            let settings = DrawSettings::unhinted(size, location);
            shape
                .draw(settings, &mut outline)
                .expect("an outline that can be drawn");
        }
        writeln!(table, "{number} {width}{}", outline.0).expect("memory");
    }
    table
}

/// An outline in the letters of SVG paths.
struct Outline(String);

impl Outline {
    fn add(&mut self, letter: char, numbers: &[f32]) {
        write!(self.0, " {letter}").expect("memory");
        for number in numbers {
            write!(self.0, " {number}").expect("memory");
        }
    }
}

impl OutlinePen for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.add('M', &[x, y]);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.add('L', &[x, y]);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.add('Q', &[x1, y1, x, y]);
    }
    fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {
        panic!("these fonts have quadratic curves alone");
    }
    fn close(&mut self) {
        self.add('Z', &[]);
    }
}

//! The embedded font: widths for layout, outlines for PNG. Its tables are written by
//! `examples/glyphs.rs`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tiny_skia::{Path, PathBuilder};

use crate::scene::Text;

static REGULAR: LazyLock<Font> =
    LazyLock::new(|| Font::read(include_str!("../fonts/DejaVuSans.glyphs")));
static BOLD: LazyLock<Font> =
    LazyLock::new(|| Font::read(include_str!("../fonts/DejaVuSans-Bold.glyphs")));

/// Families tried by SVG viewers, the embedded one first; Verdana has almost the same widths, and
/// the others are narrower, so nothing overlaps where DejaVu Sans is missing.
pub const FAMILIES: &str =
    "'DejaVu Sans', Verdana, 'Noto Sans', 'Segoe UI', Helvetica, Arial, sans-serif";

/// A weight of the embedded font.
pub struct Font {
    units_per_em: f64,
    /// By character; that of `\0` stands for all others.
    glyphs: BTreeMap<char, Glyph>,
}

/// A character, in font units.
struct Glyph {
    width: f64,
    outline: Vec<Segment>,
}

/// A piece of an outline, y up.
#[derive(Clone, Copy)]
enum Segment {
    /// Starts a contour.
    Move([f32; 2]),
    /// A straight line.
    Line([f32; 2]),
    /// A quadratic curve by way of the first point.
    Quad([f32; 2], [f32; 2]),
    /// Ends the contour.
    Close,
}

impl Font {
    /// The regular or the bold weight.
    #[must_use]
    pub fn new(bold: bool) -> &'static Self {
        if bold { &BOLD } else { &REGULAR }
    }

    /// A line that cannot be read is left out: a test has all of them.
    fn read(table: &str) -> Self {
        let mut lines = table.lines();
        let units = lines.next().and_then(|line| line.parse().ok());
        Self {
            units_per_em: units.unwrap_or(1.0),
            glyphs: lines.filter_map(glyph).collect(),
        }
    }

    /// The width of `content` in font sizes (ems), without kerning.
    #[must_use]
    pub fn ems(&self, content: &str) -> f64 {
        content.chars().map(|c| self.advance(c)).sum()
    }

    /// The outline of `content` with its baseline starting at the origin, in ems and y up; `None`
    /// where there is nothing to draw, as of spaces.
    #[must_use]
    pub fn outline(&self, content: &str) -> Option<Path> {
        let scale = self.units_per_em.recip() as f32;
        let mut offset = 0.0;
        let mut path = PathBuilder::new();
        for c in content.chars() {
            let x = |at: f32| at * scale + offset;
            let y = |at: f32| at * scale;
            for segment in self.glyph(c).iter().flat_map(|glyph| &glyph.outline) {
                match *segment {
                    Segment::Move([a, b]) => path.move_to(x(a), y(b)),
                    Segment::Line([a, b]) => path.line_to(x(a), y(b)),
                    Segment::Quad([a, b], [c, d]) => path.quad_to(x(a), y(b), x(c), y(d)),
                    Segment::Close => path.close(),
                }
            }
            offset += self.advance(c) as f32;
        }
        path.finish()
    }

    fn advance(&self, c: char) -> f64 {
        self.glyph(c)
            .map_or(0.0, |glyph| glyph.width / self.units_per_em)
    }

    fn glyph(&self, c: char) -> Option<&Glyph> {
        self.glyphs.get(&c).or_else(|| self.glyphs.get(&'\0'))
    }
}

/// A line of a table: number, width, and an outline in the letters of SVG paths.
fn glyph(line: &str) -> Option<(char, Glyph)> {
    let mut words = line.split(' ');
    let character = char::from_u32(words.next()?.parse().ok()?)?;
    let width = words.next()?.parse().ok()?;
    let mut outline = Vec::new();
    while let Some(letter) = words.next() {
        let mut point = || Some([words.next()?.parse().ok()?, words.next()?.parse().ok()?]);
        outline.push(match letter {
            "M" => Segment::Move(point()?),
            "L" => Segment::Line(point()?),
            "Q" => Segment::Quad(point()?, point()?),
            _ => Segment::Close,
        });
    }
    Some((character, Glyph { width, outline }))
}

/// The width of a line of text in pixels.
#[must_use]
pub fn width(content: &str, size: f64, bold: bool) -> f64 {
    Font::new(bold).ems(content) * size
}

/// The width of a scene text in pixels.
#[must_use]
pub fn width_of(text: &Text) -> f64 {
    width(&text.content, text.size, text.bold)
}

/// `content`, cut and closed by an ellipsis where it is wider than `limit` pixels.
#[must_use]
pub fn fit(content: &str, size: f64, bold: bool, limit: f64) -> String {
    let font = Font::new(bold);
    if font.ems(content) * size <= limit {
        return content.to_owned();
    }
    let mut room = limit / size - font.ems("…");
    let mut kept = String::new();
    for c in content.chars() {
        room -= font.advance(c);
        if room < 0.0 {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_sign_that_figures_write() {
        for bold in [false, true] {
            let font = Font::new(bold);
            for c in "\0aZ09−×·⁻⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉σλνηδΘᵀ|…–—→≥≤\u{202f}ü".chars()
            {
                let there = font.glyphs.contains_key(&c);
                assert!(there, "no glyph for {c:?}, bold = {bold}");
            }
        }
    }

    #[test]
    fn every_line_of_the_tables_is_read() {
        for (bold, table) in [
            (false, include_str!("../fonts/DejaVuSans.glyphs")),
            (true, include_str!("../fonts/DejaVuSans-Bold.glyphs")),
        ] {
            assert_eq!(Font::new(bold).glyphs.len() + 1, table.lines().count());
        }
    }

    #[test]
    fn width_grows_with_text_and_size() {
        assert_eq!(width("", 12.0, false), 0.0);
        assert!((width("mm", 12.0, false) - 2.0 * width("m", 12.0, false)).abs() < 1e-9);
        assert!(width("m", 12.0, true) > width("m", 12.0, false));
        // DejaVu Sans has an em of 2048 units and a digit of 1303.
        assert!((width("0", 2048.0, false) - 1303.0).abs() < 1e-6);
    }

    #[test]
    fn a_long_label_is_cut_to_its_room() {
        let cut = fit(
            "stochastic gradient flow with a very long name",
            12.0,
            false,
            100.0,
        );
        assert!(
            cut.ends_with('…') && width(&cut, 12.0, false) <= 100.0,
            "{cut}"
        );
        assert_eq!(fit("short", 12.0, false, 100.0), "short");
        assert_eq!(fit("anything", 12.0, false, 0.0), "…");
    }
}

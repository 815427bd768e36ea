//! The embedded font: widths for layout, outlines for PNG.

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};

use crate::scene::Text;

static REGULAR: &[u8] = include_bytes!("../fonts/DejaVuSans-subset.ttf");
static BOLD: &[u8] = include_bytes!("../fonts/DejaVuSans-Bold-subset.ttf");

/// Families tried by SVG viewers, the embedded one first; Verdana has almost the same widths, and
/// the others are narrower, so nothing overlaps where DejaVu Sans is missing.
pub const FAMILIES: &str =
    "'DejaVu Sans', Verdana, 'Noto Sans', 'Segoe UI', Helvetica, Arial, sans-serif";

/// A weight of the embedded font.
pub struct Font {
    // `None` cannot happen with the files above; it only means that text is laid out by a guess.
    face: Option<FontRef<'static>>,
}

impl Font {
    /// The regular or the bold weight.
    #[must_use]
    pub fn new(bold: bool) -> Self {
        Self {
            face: FontRef::new(if bold { BOLD } else { REGULAR }).ok(),
        }
    }

    /// The width of `content` in font sizes (ems), without kerning.
    #[must_use]
    pub fn ems(&self, content: &str) -> f64 {
        content.chars().map(|c| self.advance(c)).sum()
    }

    /// Draws `content` with its baseline starting at the origin, one em wide units, y up.
    pub fn outline(&self, content: &str, builder: &mut dyn Pen) {
        let Some(face) = &self.face else { return };
        let mut offset = 0.0;
        for c in content.chars() {
            let glyph = glyph_of(face, c);
            let mut shifted = Shifted {
                pen: builder,
                scale: units_per_em(face).recip() as f32,
                offset,
            };
            if let Some(outline) = face.outline_glyphs().get(glyph) {
                // The fonts above have no outline that fails; one that did would leave its room empty.
                let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
                let _ = outline.draw(settings, &mut shifted);
            }
            offset += self.advance(c) as f32;
        }
    }

    fn advance(&self, c: char) -> f64 {
        let Some(face) = &self.face else { return 0.6 };
        let metrics = face.glyph_metrics(Size::unscaled(), LocationRef::default());
        let units = metrics.advance_width(glyph_of(face, c)).unwrap_or(0.0);
        f64::from(units) / units_per_em(face)
    }
}

/// Glyph 0 is the empty box that stands for a character the font does not have.
fn glyph_of(face: &FontRef<'_>, c: char) -> GlyphId {
    face.charmap().map(c).unwrap_or(GlyphId::NOTDEF)
}

fn units_per_em(face: &FontRef<'_>) -> f64 {
    let metrics = face.metrics(Size::unscaled(), LocationRef::default());
    f64::from(metrics.units_per_em)
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

/// What receives an outline.
pub trait Pen {
    /// Starts a contour.
    fn move_to(&mut self, x: f32, y: f32);
    /// A straight line.
    fn line_to(&mut self, x: f32, y: f32);
    /// A quadratic curve by way of (x1, y1).
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32);
    /// A cubic curve.
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32);
    /// Ends the contour.
    fn close(&mut self);
}

/// Font units to ems, moved right to where the glyph stands in the line.
struct Shifted<'a> {
    pen: &'a mut dyn Pen,
    scale: f32,
    offset: f32,
}

impl Shifted<'_> {
    fn x(&self, x: f32) -> f32 {
        x * self.scale + self.offset
    }
    fn y(&self, y: f32) -> f32 {
        y * self.scale
    }
}

impl OutlinePen for Shifted<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.pen.move_to(self.x(x), self.y(y));
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.pen.line_to(self.x(x), self.y(y));
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.pen
            .quad_to(self.x(x1), self.y(y1), self.x(x), self.y(y));
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.pen.curve_to(
            self.x(x1),
            self.y(y1),
            self.x(x2),
            self.y(y2),
            self.x(x),
            self.y(y),
        );
    }
    fn close(&mut self) {
        self.pen.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subset_has_every_sign_that_figures_write() {
        for bold in [false, true] {
            let font = Font::new(bold);
            let face = font.face.as_ref().expect("the embedded font parses");
            for c in "aZ09−×·⁻⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉σλνηδΘᵀ|…–—→≥≤\u{202f}ü".chars()
            {
                assert!(
                    face.charmap().map(c).is_some(),
                    "no glyph for {c:?}, bold = {bold}"
                );
            }
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

//! A scene as PNG, the same picture as its SVG.

use png::{BitDepth, ColorType, Compression, Encoder};
use tiny_skia::{
    Color as Rgba, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap,
    Stroke as SkiaStroke, StrokeDash, Transform,
};

use crate::color::Color;
use crate::font::{Font, width_of};
use crate::scene::{Anchor, Item, Point, Scene, Stroke, Text};

/// Pixels of the image per pixel of the scene, for crisp text.
pub const SCALE: f64 = 2.0;

/// No scene of this crate comes near this; it keeps a wrong size from asking for all memory.
const MOST_PIXELS: f64 = 16_384.0;

/// Why a scene did not become an image.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The scene is empty or too large.
    #[error(
        "a scene of {width} x {height} pixels cannot be drawn; both sides must lie between 1 and {MOST_PIXELS} / {SCALE}"
    )]
    Size {
        /// Across.
        width: f64,
        /// Down.
        height: f64,
    },
    /// The encoder failed.
    #[error("the image could not be encoded: {0}")]
    Encoding(#[from] png::EncodingError),
}

/// The bytes of a PNG file at [`SCALE`].
///
/// # Errors
/// [`PngError::Size`] for a scene without area or beyond reason.
pub fn render(scene: &Scene) -> Result<Vec<u8>, PngError> {
    let mut canvas = Canvas::new(scene)?;
    for item in &scene.items {
        canvas.item(item);
    }
    encode(&canvas.pixels)
}

/// Opaque pixels, three bytes each; fast compression, as line drawings compress well anyway.
fn encode(pixels: &Pixmap) -> Result<Vec<u8>, PngError> {
    let rgb: Vec<u8> = pixels
        .pixels()
        .iter()
        .flat_map(|p| [p.red(), p.green(), p.blue()])
        .collect();
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, pixels.width(), pixels.height());
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    writer.finish()?;
    Ok(file)
}

struct Canvas {
    pixels: Pixmap,
}

impl Canvas {
    fn new(scene: &Scene) -> Result<Self, PngError> {
        let refused = || PngError::Size {
            width: scene.width,
            height: scene.height,
        };
        let side = |v: f64| {
            let pixels = (v * SCALE).ceil();
            (1.0..=MOST_PIXELS)
                .contains(&pixels)
                .then_some(pixels as u32)
        };
        let (width, height) = side(scene.width)
            .zip(side(scene.height))
            .ok_or_else(refused)?;
        let mut pixels = Pixmap::new(width, height).ok_or_else(refused)?;
        pixels.fill(rgba(Color::Paper, 1.0));
        Ok(Self { pixels })
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Polyline { points, stroke } => self.stroke(path_through(points, false), stroke),
            Item::Polygon {
                points,
                fill,
                opacity,
            } => self.fill(path_through(points, true), *fill, *opacity, scaled()),
            Item::Rect {
                corner,
                width,
                height,
                fill,
            } => {
                let far = Point::new(corner.x + width, corner.y + height);
                let corners = [
                    *corner,
                    Point::new(far.x, corner.y),
                    far,
                    Point::new(corner.x, far.y),
                ];
                self.fill(path_through(&corners, true), *fill, 1.0, scaled());
            }
            Item::Marker {
                at,
                radius,
                fill,
                stroke,
            } => {
                let circle = PathBuilder::from_circle(at.x as f32, at.y as f32, *radius as f32);
                self.fill(circle.clone(), *fill, 1.0, scaled());
                self.stroke(circle, stroke);
            }
            Item::Text(text) => self.text(text),
        }
    }

    fn text(&mut self, text: &Text) {
        let path = Font::new(text.bold).outline(&text.content);
        let shift = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width_of(text) / 2.0,
            Anchor::End => -width_of(text),
        };
        let size = text.size as f32;
        // From ems with y up to the scene with y down, turned where the text is upright.
        let mut place = Transform::from_scale(size, -size).post_translate(shift as f32, 0.0);
        if text.upright {
            place = place.post_rotate(-90.0);
        }
        let place = place
            .post_translate(text.at.x as f32, text.at.y as f32)
            .post_concat(scaled());
        self.fill(path, text.color, 1.0, place);
    }

    fn fill(&mut self, path: Option<Path>, color: Color, opacity: f64, place: Transform) {
        if let Some(path) = path {
            let paint = paint(color, opacity);
            self.pixels
                .fill_path(&path, &paint, FillRule::Winding, place, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, stroke: &Stroke) {
        let Some(path) = path else { return };
        let width = stroke.width as f32;
        let dashes = stroke.dash.pattern().iter().map(|d| *d as f32 * width);
        let pen = SkiaStroke {
            width,
            line_join: LineJoin::Round,
            line_cap: LineCap::Butt,
            dash: StrokeDash::new(dashes.collect(), 0.0),
            ..SkiaStroke::default()
        };
        let paint = paint(stroke.color, 1.0);
        self.pixels.stroke_path(&path, &paint, &pen, scaled(), None);
    }
}

fn scaled() -> Transform {
    Transform::from_scale(SCALE as f32, SCALE as f32)
}

fn rgba(color: Color, opacity: f64) -> Rgba {
    let [_, r, g, b] = color.shade().light.to_be_bytes();
    Rgba::from_rgba8(r, g, b, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8)
}

fn paint(color: Color, opacity: f64) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(rgba(color, opacity));
    paint
}

/// `None` for fewer than two points or where one is not finite.
fn path_through(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for p in points {
        match path.is_empty() {
            true => path.move_to(p.x as f32, p.y as f32),
            false => path.line_to(p.x as f32, p.y as f32),
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoded image: its width and its bytes, three a pixel.
    struct Image(u32, Vec<u8>);

    fn drawn(items: Vec<Item>) -> Image {
        let scene = Scene {
            width: 40.0,
            height: 20.0,
            title: String::new(),
            description: String::new(),
            items,
        };
        let file = render(&scene).expect("drawn");
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .expect("a PNG");
        let mut bytes = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut bytes).expect("an image");
        assert_eq!((info.width, info.height), (80, 40));
        Image(info.width, bytes)
    }

    fn red(Image(width, bytes): &Image, x: f64, y: f64) -> u8 {
        let pixel = (y * SCALE) as usize * *width as usize + (x * SCALE) as usize;
        bytes[3 * pixel]
    }

    #[test]
    fn a_rectangle_lands_where_the_scene_says() {
        let corner = Point::new(10.0, 5.0);
        let image = drawn(vec![Item::Rect {
            corner,
            width: 4.0,
            height: 4.0,
            fill: Color::Ink,
        }]);
        assert!(red(&image, 12.0, 7.0) < 40);
        assert_eq!(red(&image, 16.0, 7.0), 255);
    }

    #[test]
    fn text_is_anchored_like_svg_text() {
        let ink = |anchor, from: f64, to: f64| {
            let mut text = Text::new(Point::new(20.0, 15.0), "MM", 10.0);
            text.anchor = anchor;
            let image = drawn(vec![Item::Text(text)]);
            (0..20).any(|y| {
                (from as u32..to as u32).any(|x| red(&image, f64::from(x), f64::from(y)) < 128)
            })
        };
        assert!(ink(Anchor::Start, 20.0, 40.0) && !ink(Anchor::Start, 0.0, 20.0));
        assert!(ink(Anchor::End, 0.0, 20.0) && !ink(Anchor::End, 20.0, 40.0));
        assert!(ink(Anchor::Middle, 0.0, 20.0) && ink(Anchor::Middle, 20.0, 40.0));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out_or_refused() {
        let stroke = Stroke::solid(Color::Ink, 1.0);
        let lost = vec![Point::new(f64::NAN, 1.0), Point::new(2.0, f64::INFINITY)];
        drawn(vec![
            Item::Polyline {
                points: vec![],
                stroke,
            },
            Item::Polyline {
                points: lost.clone(),
                stroke,
            },
            Item::Polygon {
                points: lost,
                fill: Color::Ink,
                opacity: 2.0,
            },
            Item::Text(Text::new(Point::new(0.0, 0.0), "", 0.0)),
        ]);
        let flat = Scene {
            width: f64::NAN,
            height: 10.0,
            title: String::new(),
            description: String::new(),
            items: vec![],
        };
        assert!(matches!(render(&flat), Err(PngError::Size { .. })));
    }
}

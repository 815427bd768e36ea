//! A scene as SVG.

use std::fmt::Write as _;

use crate::color::Color;
use crate::font::FAMILIES;
use crate::markup::escape;
use crate::scene::{Anchor, Item, Point, Scene, Stroke, Text};

/// Where an SVG will be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// A file of its own: fixed colours on white.
    File,
    /// Inside a page whose style sheet gives the colours, so that it can be dark.
    Page,
}

/// The scene as an SVG file.
#[must_use]
pub fn render(scene: &Scene) -> String {
    render_for(scene, Surroundings::File)
}

/// The scene as an `<svg>` element for the given surroundings.
#[must_use]
pub fn render_for(scene: &Scene, surroundings: Surroundings) -> String {
    let mut svg = Writer {
        out: String::new(),
        surroundings,
    };
    svg.open(scene);
    for item in &scene.items {
        svg.item(item);
    }
    svg.out.push_str("</svg>\n");
    svg.out
}

struct Writer {
    out: String,
    surroundings: Surroundings,
}

impl Writer {
    fn open(&mut self, scene: &Scene) {
        let (w, h) = (number(scene.width), number(scene.height));
        let size = match self.surroundings {
            Surroundings::File => format!(" width=\"{w}\" height=\"{h}\""),
            Surroundings::Page => String::new(),
        };
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\"{size} role=\"img\" \
             font-family=\"{}\">\n<title>{}</title>\n<desc>{}</desc>\n",
            FAMILIES,
            escape(&scene.title),
            escape(&scene.description),
        ));
        if self.surroundings == Surroundings::File {
            self.put(format_args!(
                "<rect width=\"{w}\" height=\"{h}\" {}/>\n",
                self.paint("fill", Color::Paper)
            ));
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Polyline { points, stroke } => self.put(format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {}/>\n",
                coordinates(points),
                self.pen(stroke),
            )),
            Item::Polygon {
                points,
                fill,
                opacity,
            } => self.put(format_args!(
                "<polygon points=\"{}\" {} fill-opacity=\"{}\"/>\n",
                coordinates(points),
                self.paint("fill", *fill),
                number(*opacity),
            )),
            Item::Rect {
                corner,
                width,
                height,
                fill,
            } => self.put(format_args!(
                // Neighbouring tiles must leave no seam.
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" shape-rendering=\"crispEdges\" {}/>\n",
                number(corner.x),
                number(corner.y),
                number(*width),
                number(*height),
                self.paint("fill", *fill),
            )),
            Item::Marker {
                at,
                radius,
                fill,
                stroke,
            } => self.put(format_args!(
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" stroke-width=\"{}\" {}/>\n",
                number(at.x),
                number(at.y),
                number(*radius),
                number(stroke.width),
                self.paints(&[("fill", *fill), ("stroke", stroke.color)]),
            )),
            Item::Text(text) => self.text(text),
        }
    }

    fn text(&mut self, text: &Text) {
        let anchor = match text.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = match text.bold {
            true => " font-weight=\"bold\"",
            false => "",
        };
        let (x, y) = (number(text.at.x), number(text.at.y));
        let turn = match text.upright {
            true => format!(" transform=\"rotate(-90 {x} {y})\""),
            false => String::new(),
        };
        self.put(format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{weight}{anchor}{turn} {}>{}</text>\n",
            number(text.size),
            self.paint("fill", text.color),
            escape(&text.content),
        ));
    }

    fn pen(&self, stroke: &Stroke) -> String {
        let mut pen = format!(
            "{} stroke-width=\"{}\"",
            self.paint("stroke", stroke.color),
            number(stroke.width)
        );
        let dashes = stroke.dash.pattern().iter();
        let dashes: Vec<String> = dashes.map(|d| number(d * stroke.width)).collect();
        if !dashes.is_empty() {
            let _ = write!(pen, " stroke-dasharray=\"{}\"", dashes.join(" "));
        }
        pen
    }

    fn paint(&self, property: &str, color: Color) -> String {
        self.paints(&[(property, color)])
    }

    // All colours of an element together: a page gives them in its one style attribute.
    fn paints(&self, colors: &[(&str, Color)]) -> String {
        let is_file = self.surroundings == Surroundings::File;
        let paint = |(property, color): &(&str, Color)| match color.variable() {
            _ if is_file => format!("{property}=\"#{:06x}\"", color.shade().light),
            Some(variable) => format!("{property}:var({variable})"),
            None => format!("{property}:#{:06x}", color.shade().light),
        };
        let paints: Vec<String> = colors.iter().map(paint).collect();
        match is_file {
            true => paints.join(" "),
            false => format!("style=\"{}\"", paints.join(";")),
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

/// Hundredths of a pixel, without trailing zeros; a number that is none becomes 0.
fn number(v: f64) -> String {
    rounded(v, 100.0)
}

fn rounded(v: f64, parts: f64) -> String {
    let rounded = (v * parts).round() / parts;
    if rounded.is_finite() {
        format!("{}", rounded + 0.0)
    } else {
        "0".into()
    }
}

/// Tenths of a pixel: curves are most of a file, and finer steps cannot be seen.
fn coordinates(points: &[Point]) -> String {
    let pair = |p: &Point| format!("{},{}", rounded(p.x, 10.0), rounded(p.y, 10.0));
    points.iter().map(pair).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Dash;

    fn scene(items: Vec<Item>) -> Scene {
        Scene {
            width: 100.0,
            height: 50.0,
            title: "a < b".into(),
            description: "d & e".into(),
            items,
        }
    }

    #[test]
    fn a_file_has_size_ground_and_description() {
        let svg = render(&scene(vec![]));
        assert!(
            svg.contains("viewBox=\"0 0 100 50\" width=\"100\""),
            "{svg}"
        );
        assert!(
            svg.contains("<title>a &lt; b</title>\n<desc>d &amp; e</desc>"),
            "{svg}"
        );
        assert!(
            svg.contains("<rect width=\"100\" height=\"50\" fill=\"#ffffff\"/>"),
            "{svg}"
        );
    }

    #[test]
    fn a_page_names_its_colours_and_never_doubles_an_attribute() {
        let stroke = Stroke::solid(Color::Series(1), 1.0);
        let marker = Item::Marker {
            at: Point::new(1.0, 2.0),
            radius: 3.0,
            fill: Color::Paper,
            stroke,
        };
        let svg = render_for(&scene(vec![marker]), Surroundings::Page);
        assert!(
            svg.contains("var(--s1)") && svg.contains("var(--paper)"),
            "{svg}"
        );
        let circle = svg
            .lines()
            .find(|l| l.starts_with("<circle"))
            .expect("drawn");
        assert_eq!(circle.matches("style=").count(), 1, "{circle}");
    }

    #[test]
    fn dashes_scale_with_the_pen() {
        let stroke = Stroke {
            color: Color::Ink,
            width: 2.0,
            dash: Dash::Dotted,
        };
        let points = vec![Point::new(0.0, 1.004), Point::new(1.0 / 3.0, f64::NAN)];
        let svg = render(&scene(vec![Item::Polyline { points, stroke }]));
        assert!(svg.contains("stroke-dasharray=\"2.6 3.8\""), "{svg}");
        assert!(svg.contains("points=\"0,1 0.3,0\""), "{svg}");
    }
}

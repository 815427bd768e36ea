//! The signs that stand for single measurements: discs, squares, diamonds, triangles.

use crate::color::Color;
use crate::scene::{Item, Point, Stroke};

/// From the middle of a sign to its rim.
const RADIUS: f64 = 4.0;
/// The width of the rim.
const RIM: f64 = 1.6;

/// The outline of a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GlyphShape {
    /// A disc.
    #[default]
    Disc,
    /// A square on its side.
    Square,
    /// A square on its corner.
    Diamond,
    /// A triangle on its side.
    Triangle,
}

/// All shapes, in the order they are given out.
const SHAPES: [GlyphShape; 4] = [
    GlyphShape::Disc,
    GlyphShape::Square,
    GlyphShape::Diamond,
    GlyphShape::Triangle,
];

/// How a sign looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its outline.
    pub shape: GlyphShape,
    /// Its colour.
    pub color: Color,
    /// Filled, or only its rim.
    pub filled: bool,
}

impl Symbol {
    /// The sign of the `i`-th kind of points: shapes tell them apart where colours do not.
    #[must_use]
    pub fn of_series(i: usize) -> Self {
        Self {
            shape: SHAPES[i % SHAPES.len()],
            color: Color::Series(i),
            filled: (i / SHAPES.len()).is_multiple_of(2),
        }
    }

    /// A disc.
    #[must_use]
    pub fn disc(color: Color, filled: bool) -> Self {
        Self {
            shape: GlyphShape::Disc,
            color,
            filled,
        }
    }

    /// Draws the sign with its middle at `at`.
    pub fn draw(self, at: Point, items: &mut Vec<Item>) {
        let fill = if self.filled {
            self.color
        } else {
            Color::Paper
        };
        let stroke = Stroke::solid(self.color, RIM);
        if self.shape == GlyphShape::Disc {
            items.push(Item::Marker {
                at,
                radius: RADIUS,
                fill,
                stroke,
            });
            return;
        }
        let mut points = self.corners(at);
        items.push(Item::Polygon {
            points: points.clone(),
            fill,
            opacity: 1.0,
        });
        points.extend(points.first().copied());
        items.push(Item::Polyline { points, stroke });
    }

    /// Corners of about the area of the disc.
    fn corners(self, at: Point) -> Vec<Point> {
        let place = |(x, y): &(f64, f64)| Point::new(at.x + RADIUS * x, at.y + RADIUS * y);
        let corners: &[(f64, f64)] = match self.shape {
            GlyphShape::Disc => &[],
            GlyphShape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            GlyphShape::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            GlyphShape::Triangle => &[(0.0, -1.3), (1.2, 0.85), (-1.2, 0.85)],
        };
        corners.iter().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_kinds_of_points_differ_without_colour() {
        let looks: Vec<_> = (0..8)
            .map(Symbol::of_series)
            .map(|s| (s.shape, s.filled))
            .collect();
        for (i, one) in looks.iter().enumerate() {
            assert!(!looks[..i].contains(one), "{one:?}");
        }
    }

    #[test]
    fn every_shape_is_drawn_around_its_place() {
        for i in 0..4 {
            let mut items = Vec::new();
            Symbol::of_series(i).draw(Point::new(10.0, 20.0), &mut items);
            assert!(!items.is_empty());
            for item in items {
                if let Item::Polyline { points, .. } = item {
                    assert_eq!(points.first(), points.last());
                    assert!(
                        points
                            .iter()
                            .all(|p| (p.x - 10.0).hypot(p.y - 20.0) < 2.0 * RADIUS)
                    );
                }
            }
        }
    }
}

//! The legend below the panels: sample lines with names, wrapped into rows.

use crate::color::Color;
use crate::font;
use crate::frame::{PlotFrame, SMALL};
use crate::scene::{Item, Point, Stroke, Text};
use crate::symbol::Symbol;
use crate::tiles::hatch;

/// Length of a sample line.
const SAMPLE: f64 = 30.0;
/// From the sample to its name.
const GAP: f64 = 8.0;
/// Between entries.
const SPACE: f64 = 26.0;
/// Between rows.
const ROW: f64 = 21.0;

/// One line of the legend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LegendEntry {
    /// What the sample stands for.
    pub name: String,
    /// The pen of the sample line, where it has one.
    pub line: Option<Stroke>,
    /// Colour and opacities of the bands behind it, outermost first.
    pub bands: Vec<(Color, f64)>,
    /// The sign in the middle of the sample, where it has one.
    pub symbol: Option<Symbol>,
    /// Whether the sample is a hatched patch: tiles without a value.
    pub hatched: bool,
}

impl LegendEntry {
    /// A plain line.
    #[must_use]
    pub fn line(name: impl Into<String>, stroke: Stroke) -> Self {
        Self {
            name: name.into(),
            line: Some(stroke),
            ..Self::default()
        }
    }

    /// A sign.
    #[must_use]
    pub fn symbol(name: impl Into<String>, symbol: Symbol) -> Self {
        Self {
            name: name.into(),
            symbol: Some(symbol),
            ..Self::default()
        }
    }

    /// A hatched patch.
    #[must_use]
    pub fn hatched(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            hatched: true,
            ..Self::default()
        }
    }
}

/// Draws the entries from `top` down, `width` pixels across; returns the height they take.
pub fn draw(
    entries: &[LegendEntry],
    left: f64,
    top: f64,
    width: f64,
    items: &mut Vec<Item>,
) -> f64 {
    if entries.is_empty() {
        return 0.0;
    }
    let (mut x, mut row) = (0.0, 0.0);
    for entry in entries {
        let name = font::fit(&entry.name, SMALL, false, (width - SAMPLE - GAP).min(520.0));
        let needed = SAMPLE + GAP + font::width(&name, SMALL, false);
        if x > 0.0 && x + needed > width {
            x = 0.0;
            row += 1.0;
        }
        let middle = Point::new(left + x, top + (row + 0.5) * ROW);
        sample(entry, middle, items);
        let at = Point::new(middle.x + SAMPLE + GAP, middle.y + 0.36 * SMALL);
        items.push(Item::Text(Text::new(at, name, SMALL)));
        x += needed + SPACE;
    }
    (row + 1.0) * ROW
}

fn sample(entry: &LegendEntry, at: Point, items: &mut Vec<Item>) {
    for (i, (fill, opacity)) in entry.bands.iter().enumerate() {
        let half = if i == 0 { 7.0 } else { 4.0 };
        let corners = [(0.0, -half), (SAMPLE, -half), (SAMPLE, half), (0.0, half)];
        let points = corners
            .map(|(x, y)| Point::new(at.x + x, at.y + y))
            .to_vec();
        items.push(Item::Polygon {
            points,
            fill: *fill,
            opacity: *opacity,
        });
    }
    if let Some(stroke) = entry.line {
        let end = Point::new(at.x + SAMPLE, at.y);
        items.push(Item::segment(at, end, stroke));
    }
    if entry.hatched {
        let frame = PlotFrame {
            left: at.x,
            top: at.y - 7.0,
            width: SAMPLE,
            height: 14.0,
        };
        hatch(frame, items);
    }
    if let Some(symbol) = entry.symbol {
        symbol.draw(Point::new(at.x + SAMPLE / 2.0, at.y), items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_wrap_into_rows_and_stay_inside() {
        let long = LegendEntry::line(
            "a name far too long for one line ".repeat(9),
            Stroke::solid(Color::Ink, 2.0),
        );
        let mut items = Vec::new();
        assert_eq!(draw(&[], 10.0, 0.0, 400.0, &mut items), 0.0);
        let three = [long.clone(), long.clone(), long];
        let height = draw(&three, 10.0, 0.0, 400.0, &mut items);
        assert_eq!(height, 3.0 * ROW);
        for item in &items {
            if let Item::Text(text) = item {
                assert!(text.at.x + font::width_of(text) <= 410.0, "{text:?}");
            }
        }
    }
}

//! Tiles of a heat map, hatching where there is no value, and the bar that explains the colours.

use crate::axis::{Axis, Tick};
use crate::color::Color;
use crate::font;
use crate::frame::{MEDIUM, PlotFrame, SMALL};
use crate::plot::{ColorBar, Tile};
use crate::scene::{Anchor, Item, Point, Stroke, Text};

/// From the panel to its colour bar.
const DISTANCE: f64 = 14.0;
/// Width of the colour bar.
const BAR: f64 = 14.0;
/// From the colour bar to its tick labels.
const TICK: f64 = 6.0;
/// Rectangles that make up a colour bar.
const STEPS: usize = 64;
/// Between the strokes of a hatching, along the edges of the tile.
const HATCH: f64 = 7.0;
/// Sizes tried for the text of a tile, largest first.
const SIZES: [f64; 5] = [12.0, 11.0, 10.0, 9.0, 8.0];

/// Draws tiles into their frames. Texts all have the same size, the largest in which all fit; where
/// none does, there is no text.
pub fn draw(tiles: &[(&Tile, PlotFrame)], items: &mut Vec<Item>) {
    let texts = || {
        tiles
            .iter()
            .filter_map(|(tile, frame)| Some((tile.text.as_ref()?, *frame)))
    };
    let fits = |size: &&f64| {
        texts().all(|((content, _), frame)| {
            font::width(content, **size, false) <= frame.width - 3.0 && **size <= 0.9 * frame.height
        })
    };
    for (tile, frame) in tiles {
        match tile.color {
            Some(fill) => items.push(rectangle(*frame, fill)),
            None => hatch(*frame, items),
        }
    }
    if let Some(size) = SIZES.iter().find(fits) {
        for ((content, color), frame) in texts() {
            let middle = frame.top + frame.height / 2.0;
            let at = Point::new(frame.left + frame.width / 2.0, middle + 0.36 * size);
            items.push(Item::Text(Text {
                anchor: Anchor::Middle,
                color: *color,
                ..Text::new(at, content, *size)
            }));
        }
    }
}

/// Edges on half pixels, which are whole ones in the image: neighbours then share them without
/// seam.
fn rectangle(frame: PlotFrame, fill: Color) -> Item {
    let snap = |v: f64| (2.0 * v).round() / 2.0;
    let (left, top) = (snap(frame.left), snap(frame.top));
    Item::Rect {
        corner: Point::new(left, top),
        width: snap(frame.right()) - left,
        height: snap(frame.bottom()) - top,
        fill,
    }
}

/// Paper with slanted strokes; the strokes of neighbouring frames join.
pub fn hatch(frame: PlotFrame, items: &mut Vec<Item>) {
    items.push(rectangle(frame, Color::Paper));
    let (right, bottom) = (frame.right(), frame.bottom());
    // Along a stroke x + y = c.
    let first = ((frame.left + frame.top) / HATCH).ceil();
    let count = ((frame.width + frame.height) / HATCH).clamp(0.0, 2000.0) as usize;
    for c in (0..=count).map(|i| (first + i as f64) * HATCH) {
        let (from, to) = (frame.left.max(c - bottom), right.min(c - frame.top));
        if from < to {
            let (from, to) = (Point::new(from, c - from), Point::new(to, c - to));
            items.push(Item::segment(from, to, Stroke::solid(Color::Muted, 0.9)));
        }
    }
}

/// Room for the bar right of a panel of this height.
#[must_use]
pub fn bar_room(bar: &ColorBar, height: f64) -> f64 {
    let label = if bar.label.is_empty() {
        0.0
    } else {
        MEDIUM + 8.0
    };
    DISTANCE + BAR + TICK + ticks_width(&bar.axis, height) + label
}

fn ticks_width(axis: &Axis, height: f64) -> f64 {
    widest(&axis.ticks(tick_count(height)))
}

/// The width of the widest label.
pub fn widest(ticks: &[Tick]) -> f64 {
    let widths = ticks.iter().map(|t| font::width(&t.label, SMALL, false));
    widths.fold(0.0, f64::max)
}

fn tick_count(height: f64) -> usize {
    (height / 60.0) as usize
}

/// Draws the bar right of a panel.
pub fn draw_bar(bar: &ColorBar, panel: PlotFrame, items: &mut Vec<Item>) {
    let left = panel.right() + DISTANCE;
    let step = panel.height / STEPS as f64;
    for i in 0..STEPS {
        let frame = PlotFrame {
            left,
            top: panel.bottom() - (i + 1) as f64 * step,
            width: BAR,
            height: step,
        };
        let middle = (i as f64 + 0.5) / STEPS as f64;
        items.push(rectangle(frame, bar.gradient.color(middle)));
    }
    for tick in bar.axis.ticks(tick_count(panel.height)) {
        let y = panel.bottom() - bar.axis.fraction(tick.at) * panel.height;
        let (from, to) = (Point::new(left + BAR, y), Point::new(left + BAR + 3.5, y));
        items.push(Item::segment(from, to, Stroke::solid(Color::Muted, 1.0)));
        let at = Point::new(left + BAR + TICK, y + 0.36 * SMALL);
        items.push(Item::Text(Text {
            color: Color::Muted,
            ..Text::new(at, tick.label, SMALL)
        }));
    }
    let right = left + BAR + TICK + ticks_width(&bar.axis, panel.height);
    let at = Point::new(right + MEDIUM + 2.0, panel.top + panel.height / 2.0);
    let label = font::fit(&bar.label, MEDIUM, false, panel.height + 40.0);
    items.push(Item::Text(Text {
        anchor: Anchor::Middle,
        upright: true,
        ..Text::new(at, label, MEDIUM)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: PlotFrame = PlotFrame {
        left: 10.2,
        top: 20.3,
        width: 40.0,
        height: 30.0,
    };

    #[test]
    fn hatching_stays_inside() {
        let mut items = Vec::new();
        hatch(FRAME, &mut items);
        let mut strokes = 0;
        for item in &items {
            if let Item::Polyline { points, .. } = item {
                strokes += 1;
                for p in points {
                    assert!((FRAME.left - 1e-9..=FRAME.right() + 1e-9).contains(&p.x));
                    assert!((FRAME.top - 1e-9..=FRAME.bottom() + 1e-9).contains(&p.y));
                }
            }
        }
        assert!(strokes >= 8, "{strokes} strokes");
    }

    #[test]
    fn neighbouring_tiles_share_an_edge() {
        let second = PlotFrame {
            left: FRAME.right(),
            ..FRAME
        };
        let edges = |frame: PlotFrame| match rectangle(frame, Color::Ink) {
            Item::Rect { corner, width, .. } => (corner.x, corner.x + width),
            _ => (0.0, 0.0),
        };
        assert_eq!(edges(FRAME).1, edges(second).0);
    }

    #[test]
    fn texts_share_a_size_and_vanish_together() {
        let sizes = |contents: &[&str]| {
            let tile = |content: &&str| Tile {
                x: (0.0, 1.0),
                y: (0.0, 1.0),
                color: Some(Color::Ink),
                text: Some(((*content).to_owned(), Color::Paper)),
            };
            let tiles: Vec<Tile> = contents.iter().map(tile).collect();
            let placed: Vec<(&Tile, PlotFrame)> = tiles.iter().map(|t| (t, FRAME)).collect();
            let mut items = Vec::new();
            draw(&placed, &mut items);
            let size = |item: &Item| match item {
                Item::Text(text) => Some(text.size),
                _ => None,
            };
            items.iter().filter_map(size).collect::<Vec<f64>>()
        };
        assert_eq!(sizes(&["−1.2"]), [12.0]);
        let shrunk = sizes(&["1", "−123.4"]);
        assert!(shrunk.len() == 2 && shrunk[0] == shrunk[1] && shrunk[0] < 12.0);
        assert!(sizes(&["1", "−123456789"]).is_empty());
    }
}

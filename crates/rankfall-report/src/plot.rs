//! What one panel shows, in axis places and before anything is laid out.

use crate::axis::{Axis, Scale, Tick};
use crate::color::Color;
use crate::gradient::Gradient;
use crate::scene::Stroke;
use crate::symbol::Symbol;

/// A place on both axes.
pub type LabelPlace = (f64, f64);

/// A curve; a gap is `None`, and a place between two gaps is drawn as a dot.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it runs.
    pub places: Vec<Option<LabelPlace>>,
    /// Its pen.
    pub stroke: Stroke,
    /// Written beside its right end.
    pub end_label: Option<String>,
}

impl Line {
    /// A curve without a label.
    #[must_use]
    pub fn new(places: Vec<Option<LabelPlace>>, stroke: Stroke) -> Self {
        Self {
            places,
            stroke,
            end_label: None,
        }
    }
}

/// The area between two curves: x, lower and upper place; a gap is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Where it runs.
    pub edges: Vec<Option<(f64, f64, f64)>>,
    /// Its colour.
    pub color: Color,
    /// From 0, invisible, to 1.
    pub opacity: f64,
}

/// A single measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marker {
    /// Where it sits.
    pub at: LabelPlace,
    /// What stands there.
    pub symbol: Symbol,
}

/// An upright error bar. An end without a place reaches to the edge of the panel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorBar {
    /// Its horizontal place.
    pub x: f64,
    /// Its lower end.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// Its colour.
    pub color: Color,
}

/// A coloured rectangle of a heat map.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Its left and right edge.
    pub x: (f64, f64),
    /// Its lower and upper edge.
    pub y: (f64, f64),
    /// Its colour; hatched where it has none.
    pub color: Option<Color>,
    /// Written into it, and in which colour, where the texts of all tiles have room.
    pub text: Option<(String, Color)>,
}

/// What the colours of tiles mean.
#[derive(Clone, Debug, PartialEq)]
pub struct ColorBar {
    /// The numbers from the lower to the upper bound of the colours.
    pub axis: Axis,
    /// The colours.
    pub gradient: Gradient,
    /// What the numbers are.
    pub label: String,
}

/// One of the two axes of a plot, before its range is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// How values become places.
    pub scale: Scale,
    /// What it measures, in words and symbols.
    pub label: String,
    /// Where a horizontal axis starts at the latest, whatever is drawn. On a logarithmic one this is
    /// the place that stands for zero, left of a break in the axis.
    pub start: Option<f64>,
    /// The ticks, where they are not to be found from the range: names of categories.
    pub ticks: Option<Vec<Tick>>,
    /// Whether a horizontal axis is shared with every plot whose side is the same.
    pub shared: bool,
}

impl Side {
    /// A side that starts where its content does.
    #[must_use]
    pub fn new(scale: Scale, label: impl Into<String>) -> Self {
        Self {
            scale,
            label: label.into(),
            start: None,
            ticks: None,
            shared: true,
        }
    }
}

/// The content of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Written above it.
    pub title: String,
    /// The horizontal axis.
    pub x: Side,
    /// The vertical axis.
    pub y: Side,
    /// Painted first; the panel then ends where they do.
    pub tiles: Vec<Tile>,
    /// What the colours of the tiles mean, right of the panel.
    pub color_bar: Option<ColorBar>,
    /// Painted over the tiles.
    pub bands: Vec<Area>,
    /// Painted over the bands.
    pub lines: Vec<Line>,
    /// Painted over the lines.
    pub bars: Vec<ErrorBar>,
    /// Painted last.
    pub marks: Vec<Marker>,
}

impl Plot {
    /// A plot without content.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Side, y: Side) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            tiles: Vec::new(),
            color_bar: None,
            bands: Vec::new(),
            lines: Vec::new(),
            bars: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Adds a measurement with the interval around it, where it has one.
    pub fn measure(&mut self, at: LabelPlace, interval: Option<[Option<f64>; 2]>, symbol: Symbol) {
        self.bars.extend(interval.map(|[low, high]| ErrorBar {
            x: at.0,
            low,
            high,
            color: symbol.color,
        }));
        self.marks.push(Marker { at, symbol });
    }

    /// Whether there is no place to draw at.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let empty = |line: &Line| line.places.iter().all(Option::is_none);
        self.lines.iter().all(empty) && self.marks.is_empty() && self.tiles.is_empty()
    }

    /// Every place of a line or a mark.
    fn places(&self) -> impl Iterator<Item = LabelPlace> {
        let lines = self.lines.iter().flat_map(|l| &l.places).flatten().copied();
        lines.chain(self.marks.iter().map(|m| m.at))
    }

    /// Every horizontal place.
    fn xs(&self) -> impl Iterator<Item = f64> {
        let tiles = self.tiles.iter().flat_map(|t| [t.x.0, t.x.1]);
        self.places().map(|p| p.0).chain(tiles).chain(self.x.start)
    }

    /// Every vertical place.
    fn ys(&self) -> impl Iterator<Item = f64> {
        let bands = self.bands.iter().flat_map(|b| &b.edges).flatten();
        let bars = self.bars.iter().flat_map(|b| [b.low, b.high]).flatten();
        let tiles = self.tiles.iter().flat_map(|t| [t.y.0, t.y.1]);
        self.places()
            .map(|p| p.1)
            .chain(bands.flat_map(|e| [e.1, e.2]))
            .chain(bars)
            .chain(tiles)
    }
}

/// The horizontal axis that `plots` share; `None` where none has a place.
#[must_use]
pub fn common_x(plots: &[&Plot]) -> Option<Axis> {
    let Side { scale, start, .. } = &plots.first()?.x;
    // Time and tiles run to the edges of the panel; anything else keeps a little distance.
    let margin = if start.is_some() { 0.0 } else { margin(plots) };
    Axis::around(*scale, plots.iter().flat_map(|p| p.xs()), margin)
}

/// The vertical axis that `plots` share; `None` where none has a place.
#[must_use]
pub fn common_y(plots: &[&Plot]) -> Option<Axis> {
    let scale = plots.first()?.y.scale;
    Axis::around(scale, plots.iter().flat_map(|p| p.ys()), margin(plots))
}

fn margin(plots: &[&Plot]) -> f64 {
    if plots.iter().any(|p| !p.tiles.is_empty()) {
        0.0
    } else {
        0.05
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_share_the_union_of_their_ranges() {
        let time = || Side {
            start: Some(0.0),
            ..Side::new(Scale::Linear, "time")
        };
        let mut first = Plot::new("", time(), Side::new(Scale::Linear, "loss"));
        assert!(first.is_blank());
        let stroke = Stroke::solid(Color::Ink, 1.0);
        let places = vec![Some((0.0, 1.0)), None];
        first.lines.push(Line::new(places, stroke));
        let mut second = first.clone();
        second.bands.push(Area {
            edges: vec![Some((2.0, -1.0, 3.0))],
            color: Color::Ink,
            opacity: 0.2,
        });
        second.marks.push(Marker {
            at: (10.0, 0.0),
            symbol: Symbol::disc(Color::Ink, true),
        });
        let x = common_x(&[&first, &second]).expect("not empty");
        assert_eq!((x.low, x.high), (0.0, 10.0));
        let y = common_y(&[&first, &second]).expect("not empty");
        assert!((y.low + 1.2).abs() < 1e-12 && (y.high - 3.2).abs() < 1e-12);
        assert!(!second.is_blank());
    }
}

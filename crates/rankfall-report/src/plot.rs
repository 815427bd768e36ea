//! What one panel shows, in axis places and before anything is laid out.

use crate::axis::{Axis, Scale};
use crate::color::Color;
use crate::scene::Stroke;

/// A place on both axes.
pub type Place = (f64, f64);

/// A curve; a gap is `None`, and a place between two gaps is drawn as a dot.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it runs.
    pub places: Vec<Option<Place>>,
    /// Its pen.
    pub stroke: Stroke,
    /// Written beside its right end.
    pub end_label: Option<String>,
}

/// The area between two curves: x, lower and upper place; a gap is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Where it runs.
    pub edges: Vec<Option<(f64, f64, f64)>>,
    /// Its colour.
    pub color: Color,
    /// From 0, invisible, to 1.
    pub opacity: f64,
}

/// A dot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Where it sits.
    pub at: Place,
    /// Its colour.
    pub color: Color,
    /// Filled, or a ring.
    pub filled: bool,
}

/// One of the two axes of a plot, before its range is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// How values become places.
    pub scale: Scale,
    /// What it measures, in words and symbols.
    pub label: String,
    /// Where the axis starts at the latest, whatever is drawn. On a logarithmic axis this is the
    /// place that stands for zero, left of a break in the axis.
    pub start: Option<f64>,
}

impl Side {
    /// A side that starts where its content does.
    #[must_use]
    pub fn new(scale: Scale, label: impl Into<String>) -> Self {
        Self {
            scale,
            label: label.into(),
            start: None,
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
    /// Painted first.
    pub bands: Vec<Band>,
    /// Painted over the bands.
    pub lines: Vec<Line>,
    /// Painted last.
    pub marks: Vec<Mark>,
}

impl Plot {
    /// A plot without content.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Side, y: Side) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            bands: Vec::new(),
            lines: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Whether there is no place to draw at.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.lines
            .iter()
            .all(|l| l.places.iter().all(Option::is_none))
    }

    /// Every horizontal place.
    pub fn xs(&self) -> impl Iterator<Item = f64> {
        let lines = self
            .lines
            .iter()
            .flat_map(|l| &l.places)
            .flatten()
            .map(|p| p.0);
        lines
            .chain(self.marks.iter().map(|m| m.at.0))
            .chain(self.x.start)
    }

    /// Every vertical place.
    pub fn ys(&self) -> impl Iterator<Item = f64> {
        let lines = self
            .lines
            .iter()
            .flat_map(|l| &l.places)
            .flatten()
            .map(|p| p.1);
        let bands = self
            .bands
            .iter()
            .flat_map(|b| &b.edges)
            .flatten()
            .flat_map(|e| [e.1, e.2]);
        lines.chain(bands).chain(self.marks.iter().map(|m| m.at.1))
    }
}

/// The horizontal axis that `plots` share; `None` where none has a place.
#[must_use]
pub fn common_x(plots: &[&Plot]) -> Option<Axis> {
    let Side { scale, start, .. } = plots.first()?.x;
    // Time runs to the edges of the panel; anything else keeps a little distance.
    let margin = if start.is_some() { 0.0 } else { 0.05 };
    Axis::around(scale, plots.iter().flat_map(|p| p.xs()), margin)
}

/// The vertical axis that `plots` share; `None` where none has a place.
#[must_use]
pub fn common_y(plots: &[&Plot]) -> Option<Axis> {
    Axis::around(
        plots.first()?.y.scale,
        plots.iter().flat_map(|p| p.ys()),
        0.05,
    )
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
        first.lines.push(Line {
            places: vec![Some((0.0, 1.0)), None],
            stroke,
            end_label: None,
        });
        let mut second = first.clone();
        second.bands.push(Band {
            edges: vec![Some((2.0, -1.0, 3.0))],
            color: Color::Ink,
            opacity: 0.2,
        });
        second.marks.push(Mark {
            at: (10.0, 0.0),
            color: Color::Ink,
            filled: true,
        });
        let x = common_x(&[&first, &second]).expect("not empty");
        assert_eq!((x.low, x.high), (0.0, 10.0));
        let y = common_y(&[&first, &second]).expect("not empty");
        assert!((y.low + 1.2).abs() < 1e-12 && (y.high - 3.2).abs() < 1e-12);
        assert!(!second.is_blank());
    }
}

//! A figure as a list of primitives, before it becomes SVG or PNG.

use crate::color::Color;

/// A place in the figure, in pixels at scale 1, x to the right and y down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From the left edge.
    pub x: f64,
    /// From the top edge.
    pub y: f64,
}

impl Point {
    /// The point (x, y).
    #[must_use]
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
}

/// How a line is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken.
    #[default]
    Solid,
    /// Theory over measurement.
    Dashed,
    /// Long dashes.
    Long,
    /// Dash, dot, dash.
    DashDot,
    /// Dots.
    Dotted,
}

impl Dash {
    /// Lengths on and off, in line widths; empty for a solid line.
    #[must_use]
    pub fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[3.2, 2.6],
            Self::Long => &[7.0, 2.5],
            Self::DashDot => &[6.0, 2.2, 1.4, 2.2],
            Self::Dotted => &[1.3, 1.9],
        }
    }
}

/// The pen of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub color: Color,
    /// Its width in pixels.
    pub width: f64,
    /// How it is broken.
    pub dash: Dash,
}

impl Stroke {
    /// An unbroken pen.
    #[must_use]
    pub fn solid(color: Color, width: f64) -> Self {
        Self {
            color,
            width,
            dash: Dash::Solid,
        }
    }
}

/// Which end of a text sits at its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    #[default]
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

/// One line of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Where its baseline is anchored.
    pub at: Point,
    /// What it says.
    pub content: String,
    /// Size of the font in pixels.
    pub size: f64,
    /// Bold or regular.
    pub bold: bool,
    /// Its colour.
    pub color: Color,
    /// Which end sits at `at`.
    pub anchor: Anchor,
    /// Turned a quarter to the left, as the label of a vertical axis.
    pub upright: bool,
}

impl Text {
    /// Regular text in ink, anchored at its start.
    #[must_use]
    pub fn new(at: Point, content: impl Into<String>, size: f64) -> Self {
        let content = content.into();
        Self {
            at,
            content,
            size,
            bold: false,
            color: Color::Ink,
            anchor: Anchor::Start,
            upright: false,
        }
    }
}

/// A primitive.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A line through two or more points.
    Polyline {
        /// The points, in order.
        points: Vec<Point>,
        /// Its pen.
        stroke: Stroke,
    },
    /// A filled polygon, closed by itself.
    Polygon {
        /// The corners, in order.
        points: Vec<Point>,
        /// Its colour.
        fill: Color,
        /// From 0, invisible, to 1.
        opacity: f64,
    },
    /// A filled rectangle.
    Rect {
        /// The upper left corner.
        corner: Point,
        /// To the right of it.
        width: f64,
        /// Down from it.
        height: f64,
        /// Its colour.
        fill: Color,
    },
    /// A disc with a rim.
    Marker {
        /// Its centre.
        at: Point,
        /// Its radius, to the middle of the rim.
        radius: f64,
        /// The colour inside.
        fill: Color,
        /// The pen of the rim.
        stroke: Stroke,
    },
    /// A line of text.
    Text(Text),
}

impl Item {
    /// A line from a point to another.
    #[must_use]
    pub fn segment(from: Point, to: Point, stroke: Stroke) -> Self {
        let points = vec![from, to];
        Self::Polyline { points, stroke }
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Pixels across at scale 1.
    pub width: f64,
    /// Pixels down at scale 1.
    pub height: f64,
    /// What the picture is called; read out by screen readers.
    pub title: String,
    /// What the picture shows, in a sentence or two.
    pub description: String,
    /// Primitives, painted in order on [`Color::Paper`].
    pub items: Vec<Item>,
}

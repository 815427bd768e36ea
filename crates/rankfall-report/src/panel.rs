//! A plot drawn into a rectangle: grid, axes, bands, lines, labels at line ends.

use crate::axis::{Axis, Scale, Tick};
use crate::color::Color;
use crate::font;
use crate::frame::{MEDIUM, PlotFrame, SMALL};
use crate::plot::{Area, ErrorBar, LabelPlace, Line, Plot, Tile};
use crate::scene::{Anchor, Dash, Item, Point, Stroke, Text};
use crate::spread::{spread, stride};
use crate::{thin, tiles};

/// From the axis to its tick labels.
const TICK_GAP: f64 = 7.0;
/// From a line's end to its label, with room for a leader line.
const LEADER: f64 = 14.0;
/// Between the baselines of neighbouring end labels.
const LABEL_PITCH: f64 = 14.5;
/// No label at a line's end is wider.
const WIDEST_LABEL: f64 = 150.0;
/// Lines that end farther than this share of the width from the right edge are named where they
/// end.
const EARLY: f64 = 0.04;
/// Up to this many names of a bundle are listed.
const MOST_NAMES: usize = 4;

/// A plot with its axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What it shows.
    pub plot: Plot,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Whether the vertical axis carries labels, or shares those of its left neighbour.
    pub labels_y: bool,
}

impl Panel {
    /// Room needed left of the frame.
    #[must_use]
    pub fn left_room(&self, height: f64) -> f64 {
        if !self.labels_y {
            return 0.0;
        }
        let label = match self.plot.y.label.is_empty() {
            true => 0.0,
            false => MEDIUM + 10.0,
        };
        tiles::widest(&self.y_ticks(height)) + TICK_GAP + label
    }

    /// Room needed right of a frame of this height.
    #[must_use]
    pub fn right_room(&self, height: f64) -> f64 {
        let (ends, _) = self.ends(height);
        let widths = ends.iter().map(|e| font::width(&e.label, SMALL, false));
        let widths = widths.map(|w| w.min(WIDEST_LABEL));
        let named = widths.map(|w| w + LEADER + 4.0).fold(0.0, f64::max);
        let bar = self.plot.color_bar.as_ref();
        bar.map_or(named, |bar| named.max(tiles::bar_room(bar, height)))
    }

    /// The ticks beside a frame of this height.
    fn y_ticks(&self, height: f64) -> Vec<Tick> {
        let Some(ticks) = &self.plot.y.ticks else {
            return self.y.ticks((height / 50.0) as usize);
        };
        let every = stride(ticks.len(), LABEL_PITCH, height);
        ticks.iter().step_by(every).cloned().collect()
    }

    /// The ticks below a frame of this width.
    fn x_ticks(&self, width: f64) -> Vec<Tick> {
        let Some(ticks) = &self.plot.x.ticks else {
            return self.x.ticks((width / 85.0) as usize);
        };
        let every = stride(ticks.len(), tiles::widest(ticks) + 8.0, width);
        ticks.iter().step_by(every).cloned().collect()
    }

    /// The labelled ends of lines, from the top down, those at the right edge apart from those
    /// before.
    fn ends(&self, height: f64) -> (Vec<End>, Vec<End>) {
        let end = |(rank, line): (usize, &Line)| {
            let (x, y) = line.places.iter().flatten().next_back().copied()?;
            Some(End {
                x,
                y: (1.0 - self.y.fraction(y)) * height,
                label: line.end_label.clone()?,
                color: line.stroke.color,
                rank,
            })
        };
        let lines = self.plot.lines.iter().enumerate();
        let mut ends: Vec<End> = lines.filter_map(end).collect();
        ends.sort_by(|a, b| a.y.total_cmp(&b.y));
        let (right, early) = ends
            .into_iter()
            .partition(|end| self.x.fraction(end.x) >= 1.0 - EARLY);
        (bundled(right), early)
    }

    /// The place of zero on a logarithmic horizontal axis, where there is one.
    fn zero(&self) -> Option<f64> {
        self.plot.x.start.filter(|_| self.x.scale == Scale::Decades)
    }

    /// Draws the panel; the title stands above the frame, tick and axis labels below and left of
    /// it.
    pub fn draw(&self, frame: PlotFrame, items: &mut Vec<Item>) {
        let mut brush = Brush {
            panel: self,
            frame,
            items,
        };
        brush.title();
        brush.grid();
        brush.tiles();
        self.plot.bands.iter().for_each(|band| brush.band(band));
        brush.spines();
        self.plot.lines.iter().for_each(|line| brush.line(line));
        self.plot.bars.iter().for_each(|bar| brush.bar(bar));
        for mark in &self.plot.marks {
            mark.symbol.draw(brush.point(mark.at), brush.items);
        }
        brush.end_labels();
        if let Some(bar) = &self.plot.color_bar {
            tiles::draw_bar(bar, frame, brush.items);
        }
    }
}

/// Room needed below a frame.
pub const BELOW: f64 = 48.0;
/// Room needed above a frame.
pub const ABOVE: f64 = 28.0;

struct Brush<'a> {
    panel: &'a Panel,
    frame: PlotFrame,
    items: &'a mut Vec<Item>,
}

impl Brush<'_> {
    fn x(&self, place: f64) -> f64 {
        self.frame.left + self.panel.x.fraction(place) * self.frame.width
    }

    fn y(&self, place: f64) -> f64 {
        self.frame.bottom() - self.panel.y.fraction(place) * self.frame.height
    }

    fn point(&self, at: LabelPlace) -> Point {
        Point::new(self.x(at.0), self.y(at.1))
    }

    fn segment(&mut self, from: (f64, f64), to: (f64, f64), color: Color, width: f64) {
        let (from, to) = (Point::new(from.0, from.1), Point::new(to.0, to.1));
        self.items
            .push(Item::segment(from, to, Stroke::solid(color, width)));
    }

    fn title(&mut self) {
        let at = Point::new(self.frame.left, self.frame.top - 11.0);
        let room = self.frame.width + self.panel.right_room(self.frame.height);
        let content = font::fit(&self.panel.plot.title, MEDIUM, true, room);
        self.items.push(Item::Text(Text {
            bold: true,
            ..Text::new(at, content, MEDIUM)
        }));
    }

    fn x_ticks(&self) -> Vec<Tick> {
        let mut ticks = self.panel.x_ticks(self.frame.width);
        if let Some(at) = self.panel.zero() {
            // Nothing but zero is labelled left of the break.
            let beyond = at + 0.06 * (self.panel.x.high - self.panel.x.low);
            ticks.retain(|t| t.at >= beyond);
            let label = "0".into();
            ticks.push(Tick { at, label });
        }
        ticks
    }

    fn grid(&mut self) {
        let PlotFrame { left, top, .. } = self.frame;
        let (right, bottom) = (self.frame.right(), self.frame.bottom());
        // Through tiles lines would only show where there is none.
        let lined = self.panel.plot.tiles.is_empty();
        for tick in self.x_ticks() {
            let x = self.x(tick.at);
            if lined {
                self.segment((x, top), (x, bottom), Color::Grid, 0.8);
            }
            let at = Point::new(x, bottom + TICK_GAP + SMALL);
            let text = Text {
                anchor: Anchor::Middle,
                color: Color::Muted,
                ..Text::new(at, tick.label, SMALL)
            };
            self.items.push(Item::Text(text));
        }
        for tick in self.panel.y_ticks(self.frame.height) {
            let y = self.y(tick.at);
            if lined {
                self.segment((left, y), (right, y), Color::Grid, 0.8);
            }
            if self.panel.labels_y {
                let at = Point::new(left - TICK_GAP, y + 0.36 * SMALL);
                let text = Text {
                    anchor: Anchor::End,
                    color: Color::Muted,
                    ..Text::new(at, tick.label, SMALL)
                };
                self.items.push(Item::Text(text));
            }
        }
        self.axis_labels();
    }

    fn axis_labels(&mut self) {
        let middle = self.frame.left + self.frame.width / 2.0;
        let bottom = self.frame.bottom() + TICK_GAP + SMALL + 8.0 + MEDIUM;
        let below = Point::new(middle, bottom);
        let (x, y) = (&self.panel.plot.x.label, &self.panel.plot.y.label);
        let content = font::fit(x, MEDIUM, false, self.frame.width + 60.0);
        self.items.push(Item::Text(Text {
            anchor: Anchor::Middle,
            ..Text::new(below, content, MEDIUM)
        }));
        if self.panel.labels_y {
            let left = self.frame.left - self.panel.left_room(self.frame.height) + MEDIUM - 2.0;
            let beside = Point::new(left, self.frame.top + self.frame.height / 2.0);
            let content = font::fit(y, MEDIUM, false, self.frame.height + ABOVE + BELOW);
            let text = Text {
                anchor: Anchor::Middle,
                upright: true,
                ..Text::new(beside, content, MEDIUM)
            };
            self.items.push(Item::Text(text));
        }
    }

    fn spines(&mut self) {
        let PlotFrame { left, top, .. } = self.frame;
        let (right, bottom) = (self.frame.right(), self.frame.bottom());
        self.segment((left, top), (left, bottom), Color::Muted, 1.0);
        self.segment((left, bottom), (right, bottom), Color::Muted, 1.0);
        for place in self.panel.y.minor() {
            let y = self.y(place);
            self.segment((left, y), (left + 3.0, y), Color::Muted, 0.7);
        }
        if let Some(zero) = self.panel.zero() {
            self.axis_break(self.x(zero));
        }
    }

    /// Two slanted strokes that say: the axis does not run on from zero to here.
    fn axis_break(&mut self, zero: f64) {
        let bottom = self.frame.bottom();
        let x = zero + 13.0;
        self.items.push(Item::Rect {
            corner: Point::new(x - 2.0, bottom - 1.0),
            width: 4.0,
            height: 2.0,
            fill: Color::Paper,
        });
        for dx in [-2.0, 2.0] {
            let (from, to) = ((x + dx - 2.0, bottom + 4.0), (x + dx + 2.0, bottom - 4.0));
            self.segment(from, to, Color::Muted, 1.0);
        }
    }

    fn band(&mut self, band: &Area) {
        for run in band.edges.split(Option::is_none) {
            let edges: Vec<_> = run
                .iter()
                .flatten()
                .map(|(x, low, high)| (self.x(*x), self.y(*high), self.y(*low)))
                .collect();
            let edges = thin::band(&edges);
            if edges.len() < 2 {
                continue;
            }
            let upper = edges.iter().map(|e| Point::new(e.0, e.1));
            let lower = edges.iter().rev().map(|e| Point::new(e.0, e.2));
            let points = upper.chain(lower).collect();
            self.items.push(Item::Polygon {
                points,
                fill: band.color,
                opacity: band.opacity,
            });
        }
    }

    fn line(&mut self, line: &Line) {
        for run in line.places.split(Option::is_none) {
            let points: Vec<Point> = run
                .iter()
                .flatten()
                .map(|p| Point::new(self.x(p.0), self.y(p.1)))
                .collect();
            match points[..] {
                [] => {}
                [at] => self.dot(at, line.stroke),
                _ => self.items.push(Item::Polyline {
                    points: thin::line(&points),
                    stroke: line.stroke,
                }),
            }
        }
    }

    /// A place between gaps. Theory gets no dot: it would only hide the measured one.
    fn dot(&mut self, at: Point, pen: Stroke) {
        if pen.dash != Dash::Dashed {
            let stroke = Stroke::solid(pen.color, 1.0);
            self.items.push(Item::Marker {
                at,
                radius: (0.9 * pen.width).max(1.2),
                fill: pen.color,
                stroke,
            });
        }
    }

    fn tiles(&mut self) {
        let frame = |tile: &Tile| {
            let (left, top) = (self.x(tile.x.0), self.y(tile.y.1));
            PlotFrame {
                left,
                top,
                width: self.x(tile.x.1) - left,
                height: self.y(tile.y.0) - top,
            }
        };
        let tiles = &self.panel.plot.tiles;
        let placed: Vec<(&Tile, PlotFrame)> = tiles.iter().map(|t| (t, frame(t))).collect();
        tiles::draw(&placed, self.items);
    }

    /// An error bar with caps at the ends it has inside the panel.
    fn bar(&mut self, bar: &ErrorBar) {
        let x = self.x(bar.x);
        let (top, bottom) = (self.frame.top, self.frame.bottom());
        let high = bar.high.map_or(top, |v| self.y(v));
        let low = bar.low.map_or(bottom, |v| self.y(v));
        self.segment((x, low), (x, high), bar.color, 1.4);
        for (end, y) in [(bar.low, low), (bar.high, high)] {
            if end.is_some() {
                self.segment((x - 3.5, y), (x + 3.5, y), bar.color, 1.4);
            }
        }
    }

    fn end_labels(&mut self) {
        let (low, high) = (-2.0, self.frame.height + 2.0);
        let (ends, early) = self.panel.ends(self.frame.height);
        let every = stride(ends.len(), LABEL_PITCH, high - low);
        let ends: Vec<End> = ends.into_iter().step_by(every).collect();
        let wanted: Vec<f64> = ends.iter().map(|e| e.y).collect();
        let places = spread(&wanted, LABEL_PITCH, low, high).unwrap_or_default();
        for (end, y) in ends.iter().zip(places) {
            self.end_label(end, self.frame.top + y);
        }
        self.early_labels(&early);
    }

    /// Names beside the ends of lines that stop inside the panel, without leader lines; of those
    /// that would cover one another the uppermost.
    fn early_labels(&mut self, ends: &[End]) {
        let mut taken: Vec<(Point, f64)> = Vec::new();
        for end in ends {
            let at = Point::new(self.x(end.x) + 5.0, self.frame.top + end.y + 0.36 * SMALL);
            let width = font::width(&end.label, SMALL, false);
            let covers = |(other, wide): &(Point, f64)| {
                (at.y - other.y).abs() < SMALL && at.x < other.x + wide && other.x < at.x + width
            };
            if taken.iter().any(covers) {
                continue;
            }
            taken.push((at, width));
            self.items
                .push(Item::Text(Text::new(at, &end.label, SMALL)));
        }
    }

    /// The leader runs outside the frame alone: inside it would be taken for data.
    fn end_label(&mut self, end: &End, y: f64) {
        let from = (self.frame.right() + 2.0, self.frame.top + end.y);
        let right = self.frame.right() + LEADER;
        self.segment(from, (right - 3.0, y), end.color, 1.0);
        let at = Point::new(right, y + 0.36 * SMALL);
        let label = font::fit(&end.label, SMALL, false, WIDEST_LABEL);
        self.items.push(Item::Text(Text::new(at, label, SMALL)));
    }
}

/// The right end of a line, or of several lines too close to be named one by one.
struct End {
    /// Its horizontal place.
    x: f64,
    /// Its distance from the top of the frame.
    y: f64,
    label: String,
    color: Color,
    /// Its position among the lines of the plot.
    rank: usize,
}

/// Ends, from the top down, with bundles joined: under their first and last name where all between
/// belong to them, as in σ₁–σ₅, else under their names from the top down.
fn bundled(ends: Vec<End>) -> Vec<End> {
    let mut bundles: Vec<Vec<End>> = Vec::new();
    for end in ends {
        match bundles.last_mut() {
            Some(bundle) if belongs(&end, bundle) => bundle.push(end),
            _ => bundles.push(vec![end]),
        }
    }
    bundles.into_iter().filter_map(joined).collect()
}

fn belongs(end: &End, bundle: &[End]) -> bool {
    let near = |other: Option<&End>, distance: f64| other.is_some_and(|o| end.y - o.y < distance);
    near(bundle.last(), 4.5) && near(bundle.first(), LABEL_PITCH)
}

fn joined(bundle: Vec<End>) -> Option<End> {
    let (first, last) = (bundle.first()?, bundle.last()?);
    let names: Vec<&str> = bundle.iter().map(|e| e.label.as_str()).collect();
    let label = match bundle.len() {
        count if count > 2 && in_order(&bundle) => format!("{}–{}", first.label, last.label),
        count if count > MOST_NAMES => {
            let more = count - MOST_NAMES + 1;
            format!("{} + {more} more", names[..MOST_NAMES - 1].join(", "))
        }
        _ => names.join(", "),
    };
    let y = bundle.iter().map(|e| e.y).sum::<f64>() / bundle.len() as f64;
    Some(End { y, label, ..*first })
}

/// Whether the lines follow one another in the plot as they do from the top down, or from below.
fn in_order(bundle: &[End]) -> bool {
    let up = bundle.windows(2).all(|w| w[0].rank + 1 == w[1].rank);
    up || bundle.windows(2).all(|w| w[1].rank + 1 == w[0].rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(y: f64, label: String, rank: usize) -> End {
        let (x, color) = (0.0, Color::Ink);
        End {
            x,
            y,
            label,
            color,
            rank,
        }
    }

    fn labels(ys: &[f64]) -> Vec<String> {
        let ends = ys.iter().enumerate();
        let ends = ends.map(|(i, y)| end(*y, format!("σ{}", i + 1), i));
        let bundles = bundled(ends.collect()).into_iter();
        bundles.map(|e| e.label).collect()
    }

    #[test]
    fn ends_that_touch_share_a_label() {
        assert_eq!(labels(&[10.0, 30.0]), ["σ1", "σ2"]);
        assert_eq!(labels(&[10.0, 12.0, 30.0]), ["σ1, σ2", "σ3"]);
        assert_eq!(labels(&[10.0, 12.0, 14.0]), ["σ1–σ3"]);
        assert!(labels(&[]).is_empty());
    }

    #[test]
    fn lines_that_crossed_are_listed_and_not_taken_for_a_range() {
        let label = |ranks: &[usize]| {
            let ends = ranks.iter().enumerate();
            let ends = ends.map(|(i, rank)| end(i as f64, rank.to_string(), *rank));
            joined(ends.collect()).expect("not empty").label
        };
        assert_eq!(label(&[1, 2, 3]), "1–3");
        assert_eq!(label(&[3, 2, 1]), "3–1");
        assert_eq!(label(&[1, 3, 2]), "1, 3, 2");
        assert_eq!(label(&[1, 3, 5]), "1, 3, 5");
        assert_eq!(label(&[5, 1, 4, 2, 3]), "5, 1, 4 + 2 more");
    }

    #[test]
    fn a_line_that_stops_early_is_named_there_and_has_no_leader() {
        let line = |last: f64, label: &str| Line {
            places: vec![Some((0.0, 0.0)), Some((last, 1.0))],
            stroke: Stroke::solid(Color::Series(0), 2.0),
            end_label: Some(label.into()),
        };
        let side = |label| crate::plot::Side::new(Scale::Linear, label);
        let mut plot = Plot::new("", side("x"), side("y"));
        plot.lines = vec![line(5.0, "early"), line(10.0, "late")];
        let axis = |high| Axis {
            scale: Scale::Linear,
            low: 0.0,
            high,
        };
        let panel = Panel {
            plot,
            x: axis(10.0),
            y: axis(1.0),
            labels_y: true,
        };
        let frame = PlotFrame {
            left: 100.0,
            top: 0.0,
            width: 200.0,
            height: 100.0,
        };
        let mut items = Vec::new();
        panel.draw(frame, &mut items);
        let text = |label: &str| {
            let place = items.iter().find_map(|item| match item {
                Item::Text(text) if text.content == label => Some(text.at.x),
                _ => None,
            });
            place.expect("written")
        };
        assert_eq!(text("early"), 205.0);
        assert!(text("late") > frame.right());
        // Two lines and one leader, which starts outside the frame.
        let colored = |item: &&Item| matches!(item, Item::Polyline { stroke, .. } if stroke.color == Color::Series(0));
        assert_eq!(items.iter().filter(colored).count(), 3);
    }

    #[test]
    fn a_bundle_is_no_taller_than_a_label() {
        let ys: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(labels(&ys).len(), 7);
    }
}

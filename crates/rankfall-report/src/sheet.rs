//! Panels side by side under a title: where everything of a figure goes.

use crate::axis::Axis;
use crate::color::Color;
use crate::font;
use crate::frame::PlotFrame;
use crate::legend::{self, LegendEntry};
use crate::panel::{ABOVE, BELOW, Panel};
use crate::plot::{Plot, common_x, common_y};
use crate::scene::{Item, Point, Scene, Text};

/// Around everything.
const MARGIN: f64 = 20.0;
/// Between the columns, beside the room their labels need.
const GUTTER: f64 = 34.0;
/// Size of the title.
const LARGE: f64 = 18.0;
/// Size of the line under the title, and of the notes at the bottom.
const SUBTITLE: f64 = 12.0;
/// From one line of notes to the next.
const NOTE_LINE: f64 = 17.0;

/// Why a figure was not drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SkipReason {
    /// In a sentence.
    pub reason: String,
}

impl SkipReason {
    /// Skipped because of `reason`.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// Whether panels share the range of their vertical axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Every panel has its own.
    Own,
    /// All panels share one.
    All,
    /// Panels whose vertical sides are the same share one.
    Alike,
}

/// A figure before it is laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// Written large above everything.
    pub title: String,
    /// Written small under the title.
    pub subtitle: String,
    /// What the picture shows, for those who do not see it.
    pub description: String,
    /// Panels, by rows.
    pub plots: Vec<Plot>,
    /// How many panels stand side by side.
    pub columns: usize,
    /// What shares a vertical axis.
    pub sharing: Sharing,
    /// Below the panels.
    pub legend: Vec<LegendEntry>,
}

impl Sheet {
    /// Lays the figure out; panels without anything to draw are left out.
    ///
    /// # Errors
    /// [`SkipReason`] where no panel has anything to draw.
    pub fn draw(self) -> Result<Scene, SkipReason> {
        self.draw_with_notes(&[])
    }

    /// The same with sentences below the legend: what symbols mean, what is not drawn.
    ///
    /// # Errors
    /// [`SkipReason`] where no panel has anything to draw.
    pub fn draw_with_notes(mut self, notes: &[String]) -> Result<Scene, SkipReason> {
        self.plots.retain(|plot| !plot.is_blank());
        self.columns = self.columns.clamp(1, self.plots.len().max(1));
        let panels = self.panels();
        if panels.is_empty() {
            return Err(SkipReason::because("the run has no values for it"));
        }
        let grid = Grid::of(&panels, self.columns);
        let mut items = Vec::new();
        let top = self.heading(grid.width, &mut items);
        for (i, panel) in panels.iter().enumerate() {
            panel.draw(grid.frame(i, top), &mut items);
        }
        let below = grid.bottom(panels.len(), top) + 10.0;
        let (left, room) = (MARGIN + 4.0, grid.width - 2.0 * MARGIN);
        let legend = legend::draw(&self.legend, left, below, room, &mut items);
        let noted = notes_below(notes, below + legend, grid.width, &mut items);
        let height = below + legend + noted + MARGIN * 0.6;
        Ok(Scene {
            width: grid.width,
            height,
            title: self.title,
            description: self.description,
            items,
        })
    }

    fn panels(&self) -> Vec<Panel> {
        let all: Vec<&Plot> = self.plots.iter().collect();
        let everywhere = common_y(&all);
        let of = |(i, plot): (usize, &&Plot)| {
            let y = match self.sharing {
                Sharing::Own => common_y(&[plot]),
                Sharing::All => everywhere.clone(),
                Sharing::Alike => {
                    let alike = all.iter().copied().filter(|p| p.y == plot.y);
                    common_y(&alike.collect::<Vec<_>>())
                }
            };
            let is_first = i.is_multiple_of(self.columns);
            let labels_y = match self.sharing {
                Sharing::Own => true,
                Sharing::All => is_first,
                Sharing::Alike => is_first || all[i - 1].y != plot.y,
            };
            panel((*plot).clone(), &all, y, labels_y)
        };
        all.iter().enumerate().filter_map(of).collect()
    }

    fn heading(&self, width: f64, items: &mut Vec<Item>) -> f64 {
        let room = width - 2.0 * MARGIN;
        let at = Point::new(MARGIN, MARGIN + LARGE * 0.8);
        let title = font::fit(&self.title, LARGE, true, room);
        items.push(Item::Text(Text {
            bold: true,
            ..Text::new(at, title, LARGE)
        }));
        let at = Point::new(MARGIN, at.y + 20.0);
        let subtitle = font::fit(&self.subtitle, SUBTITLE, false, room);
        items.push(Item::Text(Text {
            color: Color::Muted,
            ..Text::new(at, subtitle, SUBTITLE)
        }));
        at.y + 12.0
    }
}

/// Writes the notes from `top` down, wrapped; returns the height they take.
fn notes_below(notes: &[String], top: f64, width: f64, items: &mut Vec<Item>) -> f64 {
    let lines = wrapped(&notes.join(" "), width - 2.0 * MARGIN - 4.0);
    for (i, line) in lines.iter().enumerate() {
        let at = Point::new(MARGIN + 4.0, top + (i as f64 + 0.9) * NOTE_LINE);
        items.push(Item::Text(Text {
            color: Color::Muted,
            ..Text::new(at, line, SUBTITLE)
        }));
    }
    lines.len() as f64 * NOTE_LINE
}

/// `text` in lines no wider than `room`, broken at spaces; a single word that is wider is cut.
fn wrapped(text: &str, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = font::fit(word, SUBTITLE, false, room);
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer.filter(|line| font::width(line, SUBTITLE, false) <= room) {
            Some(longer) => *lines.last_mut().expect("there is a line to lengthen") = longer,
            None => lines.push(word),
        }
    }
    lines
}

/// A panel whose horizontal axis is shared with all plots that measure the same.
fn panel(plot: Plot, all: &[&Plot], y: Option<Axis>, labels_y: bool) -> Option<Panel> {
    let x = if plot.x.shared {
        let alike: Vec<&Plot> = all.iter().copied().filter(|p| p.x == plot.x).collect();
        common_x(&alike)?
    } else {
        common_x(&[&plot])?
    };
    Some(Panel {
        x,
        y: y?,
        plot,
        labels_y,
    })
}

/// Columns of equal frames, with the room that labels need between them.
struct Grid {
    width: f64,
    frame_width: f64,
    frame_height: f64,
    lefts: Vec<f64>,
}

impl Grid {
    fn of(panels: &[Panel], columns: usize) -> Self {
        let (width, frame_height) = match columns {
            1 => (760.0, 340.0),
            2 => (1000.0, 330.0),
            3 => (1140.0, 270.0),
            _ => (1240.0, 240.0),
        };
        let in_column = |c: usize| panels.iter().skip(c).step_by(columns);
        let rooms = |least: f64, room: fn(&Panel, f64) -> f64| -> Vec<f64> {
            let of = |c| in_column(c).map(|panel| room(panel, frame_height));
            (0..columns).map(|c| of(c).fold(least, f64::max)).collect()
        };
        let left_rooms = rooms(0.0, Panel::left_room);
        let right_rooms = rooms(8.0, Panel::right_room);
        let taken: f64 = left_rooms.iter().chain(&right_rooms).sum();
        let gutters = GUTTER * (columns - 1) as f64;
        let frame_width = ((width - 2.0 * MARGIN - taken - gutters) / columns as f64).max(80.0);
        let mut left = MARGIN;
        let mut lefts = Vec::new();
        for (before, after) in left_rooms.iter().zip(&right_rooms) {
            lefts.push(left + before);
            left += before + frame_width + after + GUTTER;
        }
        Self {
            width: left - GUTTER + MARGIN,
            frame_width,
            frame_height,
            lefts,
        }
    }

    fn frame(&self, i: usize, top: f64) -> PlotFrame {
        let (row, column) = (i / self.lefts.len(), i % self.lefts.len());
        PlotFrame {
            left: self.lefts[column],
            top: top + row as f64 * self.row_height() + ABOVE,
            width: self.frame_width,
            height: self.frame_height,
        }
    }

    fn bottom(&self, count: usize, top: f64) -> f64 {
        top + count.div_ceil(self.lefts.len()) as f64 * self.row_height()
    }

    fn row_height(&self) -> f64 {
        ABOVE + self.frame_height + BELOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Scale;
    use crate::plot::{Line, Side};
    use crate::scene::Stroke;

    fn plot(places: Vec<Option<(f64, f64)>>) -> Plot {
        let mut plot = Plot::new(
            "t",
            Side::new(Scale::Linear, "time"),
            Side::new(Scale::Linear, "loss"),
        );
        let stroke = Stroke::solid(Color::Ink, 2.0);
        plot.lines.push(Line {
            places,
            stroke,
            end_label: Some("σ₁".into()),
        });
        plot
    }

    fn sheet(plots: Vec<Plot>, columns: usize) -> Sheet {
        Sheet {
            title: String::new(),
            subtitle: String::new(),
            description: String::new(),
            plots,
            columns,
            sharing: Sharing::All,
            legend: vec![],
        }
    }

    #[test]
    fn nothing_to_draw_is_skipped() {
        assert!(sheet(vec![], 2).draw().is_err());
        assert!(sheet(vec![plot(vec![None, None])], 0).draw().is_err());
    }

    #[test]
    fn everything_stays_on_the_paper() {
        let places = (0..50).map(|i| Some((f64::from(i), f64::from(i * i))));
        let full = plot(places.collect());
        for (count, columns) in [(1, 1), (3, 2), (5, 3), (8, 4)] {
            let scene = sheet(vec![full.clone(); count], columns)
                .draw()
                .expect("drawn");
            for item in &scene.items {
                let points = match item {
                    Item::Polyline { points, .. } | Item::Polygon { points, .. } => points.clone(),
                    Item::Marker { at, .. } => vec![*at],
                    Item::Rect { corner, .. } => vec![*corner],
                    Item::Text(text) => vec![text.at],
                };
                for p in points {
                    assert!(
                        (0.0..=scene.width).contains(&p.x) && (0.0..=scene.height).contains(&p.y),
                        "{item:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn notes_wrap_and_make_the_figure_taller() {
        let text = "a note of many words ".repeat(30);
        let lines = wrapped(&text, 300.0);
        assert!(lines.len() > 5);
        assert!(
            lines
                .iter()
                .all(|line| font::width(line, SUBTITLE, false) <= 300.0)
        );
        assert_eq!(lines.join(" "), text.trim());
        let bare = || sheet(vec![plot(vec![Some((0.0, 1.0)), Some((1.0, 2.0))])], 1);
        let without = bare().draw().expect("drawn").height;
        let with = bare().draw_with_notes(&[text]).expect("drawn").height;
        assert!(with >= without + 3.0 * NOTE_LINE);
        assert!(wrapped("", 300.0).is_empty());
    }

    #[test]
    fn plots_that_measure_the_same_share_their_axis_and_no_others() {
        let on = |label: &str, top: f64| Plot {
            y: Side::new(Scale::Linear, label),
            ..plot(vec![Some((0.0, 0.0)), Some((1.0, top))])
        };
        let mut three = sheet(vec![on("log det", 1.0), on("σ", 10.0), on("σ", 100.0)], 3);
        three.sharing = Sharing::Alike;
        let panels = three.panels();
        assert!(panels[0].y.high < 2.0);
        assert_eq!(panels[1].y, panels[2].y);
        let labelled: Vec<bool> = panels.iter().map(|p| p.labels_y).collect();
        assert_eq!(labelled, [true, true, false]);
    }

    #[test]
    fn a_single_place_is_a_dot() {
        let scene = sheet(vec![plot(vec![Some((0.0, 1.0))])], 1)
            .draw()
            .expect("drawn");
        assert!(scene.items.iter().any(|i| matches!(i, Item::Marker { .. })));
    }
}

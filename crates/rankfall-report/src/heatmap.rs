//! Heat maps: a number for every pair of places on two axes, as colours with their bar.

use crate::axis::{Axis, Scale, Tick};
use crate::gradient::Gradient;
use crate::number::{compact, fixed};
use crate::plot::{ColorBar, Plot, Side, Tile};

/// Up to this many cells on an axis their numbers are printed.
const MOST_PRINTED: usize = 16;

/// Cells that differ more than so many times in size are drawn as equal ones.
const MOST_UNEVEN: f64 = 6.0;

/// So many decades between numbers on a logarithmic scale are no difference of degree: below are
/// zeros after rounding.
const WIDEST_GAP: f64 = 6.0;

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeatCell {
    /// A number.
    Value(f64),
    /// No number where there should be one, as where all trajectories diverged: hatched.
    Missing,
    /// Nothing belongs here: left blank.
    Blank,
}

impl From<Option<f64>> for HeatCell {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Missing, Self::Value)
    }
}

/// Where the cells of an axis lie.
#[derive(Clone, Debug, PartialEq)]
pub enum HeatAxis {
    /// Side by side, each with its name.
    Categories {
        /// The names, in order.
        names: Vec<String>,
        /// On a vertical axis: the first on top, as in a matrix.
        top_down: bool,
    },
    /// Around numbers, up to half the way to their neighbours.
    Values {
        /// Where the numbers lie on the scale, strictly rising or falling.
        places: Vec<f64>,
        /// The scale.
        scale: Scale,
    },
}

impl HeatAxis {
    /// Cells around `values`, or of equal size side by side where those around them would differ so
    /// much that the narrow ones do not show; `log` asks for a logarithmic scale, which also values
    /// get that are evener on it.
    #[must_use]
    pub fn of_cells(values: &[f64], log: bool) -> Self {
        match Self::of_values(values, log || evener_on_decades(values)) {
            Self::Values { places, .. } if unevenness(&places) > MOST_UNEVEN => {
                Self::categories(values)
            }
            axis => axis,
        }
    }

    fn categories(values: &[f64]) -> Self {
        Self::Categories {
            names: values.iter().map(|v| compact(*v, 3)).collect(),
            top_down: false,
        }
    }

    /// Around `values`, or side by side where the scale cannot show them in their order: numbers
    /// that are not positive on a logarithmic axis, or that repeat.
    #[must_use]
    pub fn of_values(values: &[f64], log: bool) -> Self {
        let scale = if log { Scale::Decades } else { Scale::Linear };
        let places: Option<Vec<f64>> = values.iter().map(|v| scale.place(*v)).collect();
        match places.filter(|p| is_monotone(p)) {
            Some(places) => Self::Values { places, scale },
            None => Self::categories(values),
        }
    }

    /// How many cells it has.
    fn len(&self) -> usize {
        match self {
            Self::Categories { names, .. } => names.len(),
            Self::Values { places, .. } => places.len(),
        }
    }

    /// The place of the middle of cell `i`.
    #[must_use]
    pub fn place(&self, i: usize) -> f64 {
        match self {
            Self::Categories { top_down: true, .. } => -(i as f64),
            Self::Categories { .. } => i as f64,
            Self::Values { places, .. } => places.get(i).copied().unwrap_or(0.0),
        }
    }

    /// The lower and upper edge of cell `i`.
    fn edges(&self, i: usize) -> (f64, f64) {
        let here = self.place(i);
        let neighbour = |j: Option<usize>| j.filter(|j| *j < self.len()).map(|j| self.place(j));
        let (before, after) = (neighbour(i.checked_sub(1)), neighbour(Some(i + 1)));
        let shortest = match self {
            Self::Values { places, .. } if places.len() == 1 => (0.1 * here.abs()).max(0.25),
            _ => 0.5,
        };
        // The outermost cells reach as far outwards as inwards.
        let half = |to: Option<f64>, other: Option<f64>| match (to, other) {
            (Some(to), _) => (to - here) / 2.0,
            (None, Some(other)) => (here - other) / 2.0,
            (None, None) => shortest,
        };
        let (a, b) = (here + half(before, after), here + half(after, before));
        if self.len() == 1 {
            return (here - shortest, here + shortest);
        }
        (a.min(b), a.max(b))
    }

    /// The side of a plot along it.
    #[must_use]
    pub fn side(&self, label: &str) -> Side {
        match self {
            Self::Values { scale, .. } => Side::new(*scale, label),
            Self::Categories { names, .. } => {
                let tick = |(i, name): (usize, &String)| Tick {
                    at: self.place(i),
                    label: name.clone(),
                };
                Side {
                    ticks: Some(names.iter().enumerate().map(tick).collect()),
                    ..Side::new(Scale::Linear, label)
                }
            }
        }
    }
}

/// The largest distance between neighbours over the smallest; 1 for fewer than three.
fn unevenness(places: &[f64]) -> f64 {
    let gaps = || places.windows(2).map(|w| (w[1] - w[0]).abs());
    let widest = gaps().fold(0.0, f64::max);
    if places.len() < 3 {
        return 1.0;
    }
    widest / gaps().fold(f64::INFINITY, f64::min)
}

/// Whether values lie more evenly on a logarithmic scale than on a linear one.
fn evener_on_decades(values: &[f64]) -> bool {
    let decades: Option<Vec<f64>> = values.iter().map(|v| Scale::Decades.place(*v)).collect();
    decades.is_some_and(|places| unevenness(values) > 1.5 * unevenness(&places))
}

fn is_monotone(places: &[f64]) -> bool {
    let rising = places.windows(2).all(|w| w[0] < w[1]);
    rising || places.windows(2).all(|w| w[0] > w[1])
}

/// A heat map before it becomes a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Written above it.
    pub title: String,
    /// The horizontal axis.
    pub x: HeatAxis,
    /// What it measures.
    pub x_label: String,
    /// The vertical axis.
    pub y: HeatAxis,
    /// What it measures.
    pub y_label: String,
    /// Cell (i, j) of column i and row j is at j · columns + i. Missing at the end: blank.
    pub cells: Vec<HeatCell>,
    /// Whether colours follow the logarithm; numbers that are not positive are then missing.
    pub log: bool,
    /// The colours; diverging ones are light at 0, or at 1 on a logarithmic scale.
    pub gradient: Gradient,
    /// What the numbers are.
    pub value_label: String,
    /// Whether numbers are printed into the cells, where all have room and up to 16 × 16 cells.
    pub printed: bool,
}

impl HeatMap {
    /// The panel. Without a single number it has no colour bar; nor where all are the same, which
    /// the title then has.
    #[must_use]
    pub fn plot(&self) -> Plot {
        self.plot_with(&self.places().collect::<Vec<_>>())
    }

    /// The panels of maps of the same kind of number: equal colours are equal numbers in all of
    /// them.
    #[must_use]
    pub fn plots_alike(maps: &[Self]) -> Vec<Plot> {
        let places: Vec<f64> = maps.iter().flat_map(Self::places).collect();
        maps.iter().map(|map| map.plot_with(&places)).collect()
    }

    /// Whether numbers of maps of the same kind lie so far below the others that they share the
    /// darkest colour, as zeros do after rounding.
    #[must_use]
    pub fn has_negligible(maps: &[Self]) -> bool {
        let places: Vec<f64> = maps.iter().flat_map(Self::places).collect();
        let lowest = maps.first().and_then(|map| map.lowest_told(&places));
        lowest.is_some()
    }

    /// `places` are those of all maps with the same colours.
    fn plot_with(&self, places: &[f64]) -> Plot {
        let (x, y) = (self.x.side(&self.x_label), self.y.side(&self.y_label));
        let axis = self.value_axis(places);
        let only = self.only_number(places);
        let title = match &only {
            Some(number) => format!("all {number}: {}", self.title),
            None => self.title.clone(),
        };
        let mut plot = Plot::new(&title, x, y);
        for j in 0..self.y.len() {
            for i in 0..self.x.len() {
                plot.tiles.extend(self.tile(i, j, axis.as_ref()));
            }
        }
        plot.color_bar = axis.filter(|_| only.is_none()).map(|axis| ColorBar {
            axis,
            gradient: self.gradient,
            label: self.value_label.clone(),
        });
        plot
    }

    /// Whether a cell is hatched.
    #[must_use]
    pub fn has_missing(&self) -> bool {
        let is_missing = |c: &HeatCell| *c != HeatCell::Blank && self.place_of(*c).is_none();
        self.cells.iter().any(is_missing)
    }

    /// Whether a cell is left white.
    #[must_use]
    pub fn has_blank(&self) -> bool {
        self.cells.contains(&HeatCell::Blank)
    }

    fn scale(&self) -> Scale {
        if self.log {
            Scale::Decades
        } else {
            Scale::Linear
        }
    }

    fn place_of(&self, cell: HeatCell) -> Option<f64> {
        match cell {
            HeatCell::Value(v) => self.scale().place(v),
            HeatCell::Missing | HeatCell::Blank => None,
        }
    }

    fn places(&self) -> impl Iterator<Item = f64> {
        self.cells.iter().filter_map(|c| self.place_of(*c))
    }

    fn value_axis(&self, places: &[f64]) -> Option<Axis> {
        // Equal distances from the middle get equal strengths of colour.
        let diverging = self.gradient == Gradient::Diverging;
        let mirrored = places.iter().filter(|_| diverging).map(|v| -v);
        let lowest = self.lowest_told(places).unwrap_or(f64::NEG_INFINITY);
        let told = places.iter().copied().filter(|v| *v >= lowest);
        Axis::around(self.scale(), told.chain(mirrored), 0.0)
    }

    /// The lowest place above the widest gap, where the fewer numbers lie below such a gap.
    fn lowest_told(&self, places: &[f64]) -> Option<f64> {
        if !self.log || self.gradient == Gradient::Diverging {
            return None;
        }
        let mut places = places.to_vec();
        places.sort_by(f64::total_cmp);
        let lower_half = places.windows(2).take(places.len() / 2);
        let gaps = lower_half.filter(|w| w[1] - w[0] > WIDEST_GAP);
        let widest = gaps.max_by(|a, b| (a[1] - a[0]).total_cmp(&(b[1] - b[0])));
        widest.map(|w| w[1])
    }

    /// What all of several numbers are, where shades would say nothing. Diverging ones say on which
    /// side it is.
    fn only_number(&self, places: &[f64]) -> Option<String> {
        let all_alike = places.len() > 1 && places.iter().all(|v| *v == places[0]);
        let number = |cell: &HeatCell| match cell {
            HeatCell::Value(v) => Some(self.number(*v)),
            HeatCell::Missing | HeatCell::Blank => None,
        };
        let said = all_alike && self.gradient == Gradient::Sequential;
        said.then(|| self.cells.iter().find_map(number)).flatten()
    }

    fn tile(&self, i: usize, j: usize, axis: Option<&Axis>) -> Option<Tile> {
        let cell = *self.cells.get(j * self.x.len() + i)?;
        if cell == HeatCell::Blank {
            return None;
        }
        let fraction = self.place_of(cell).zip(axis).map(|(v, a)| a.fraction(v));
        Some(Tile {
            x: self.x.edges(i),
            y: self.y.edges(j),
            color: fraction.map(|f| self.gradient.color(f)),
            text: fraction.and_then(|f| Some((self.text(cell)?, self.gradient.text_on(f)))),
        })
    }

    fn text(&self, cell: HeatCell) -> Option<String> {
        let few = self.x.len().max(self.y.len()) <= MOST_PRINTED;
        match cell {
            HeatCell::Value(v) if self.printed && few => Some(self.number(v)),
            _ => None,
        }
    }

    /// A number with the decimals that the largest leaves room for, whole numbers whole; on a
    /// logarithmic scale every number has its own.
    fn number(&self, v: f64) -> String {
        let largest = self.places().fold(0.0, |a: f64, b| a.max(b.abs()));
        if self.log || !(1e-3..1e5).contains(&largest) {
            return compact(v, 1);
        }
        if self.places().all(|v| v.fract() == 0.0) {
            return fixed(v, 0);
        }
        let digits = if self.x.len() > 9 { 2.0 } else { 3.0 };
        let decimals = digits - 1.0 - largest.log10().floor();
        fixed(v, decimals.max(0.0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(x: HeatAxis, y: HeatAxis, cells: Vec<HeatCell>) -> HeatMap {
        HeatMap {
            title: String::new(),
            x,
            x_label: String::new(),
            y,
            y_label: String::new(),
            cells,
            log: false,
            gradient: Gradient::Sequential,
            value_label: String::new(),
            printed: true,
        }
    }

    fn values(v: &[f64]) -> Vec<HeatCell> {
        v.iter().copied().map(HeatCell::Value).collect()
    }

    #[test]
    fn cells_of_numbers_meet_half_way() {
        let axis = HeatAxis::of_values(&[1.0, 10.0, 1000.0], true);
        assert_eq!(axis.edges(0), (-0.5, 0.5));
        assert_eq!(axis.edges(1), (0.5, 2.0));
        assert_eq!(axis.edges(2), (2.0, 4.0));
        let falling = HeatAxis::of_values(&[3.0, 2.0, 1.0], false);
        assert_eq!(falling.edges(0), (2.5, 3.5));
        assert_eq!(falling.edges(2), (0.5, 1.5));
    }

    #[test]
    fn cells_are_even_on_the_scale_of_their_values() {
        let cells = |values: &[f64]| HeatAxis::of_cells(values, false);
        let scale = |values: &[f64]| match cells(values) {
            HeatAxis::Values { scale, .. } => Some(scale),
            HeatAxis::Categories { .. } => None,
        };
        let decades = [0.01, 0.1, 1.0, 10.0];
        assert_eq!(scale(&decades), Some(Scale::Decades));
        assert_eq!(cells(&decades).edges(0), (-2.5, -1.5));
        assert_eq!(scale(&[1.0, 2.0, 3.0, 4.0]), Some(Scale::Linear));
        assert_eq!(scale(&[1.0, 1.01, 500.0]), None);
        assert_eq!(scale(&[0.0, 1.0, 100.0]), None);
        assert_eq!(scale(&[1.0, 100.0]), Some(Scale::Linear));
    }

    #[test]
    fn maps_alike_share_their_colours() {
        let x = HeatAxis::of_values(&[1.0, 2.0], false);
        let y = HeatAxis::of_values(&[1.0], false);
        let one = |v: &[f64]| map(x.clone(), y.clone(), values(v));
        let plots = HeatMap::plots_alike(&[one(&[0.0, 5.0]), one(&[5.0, 10.0])]);
        assert_eq!(plots[0].tiles[1].color, plots[1].tiles[0].color);
        assert_eq!(
            plots[0].tiles[0].color,
            Some(Gradient::Sequential.color(0.0))
        );
        assert_eq!(
            plots[1].tiles[1].color,
            Some(Gradient::Sequential.color(1.0))
        );
        assert!(HeatMap::plots_alike(&[]).is_empty());
    }

    #[test]
    fn numbers_without_a_place_become_names() {
        for (bad, log) in [
            (vec![0.0, 1.0], true),
            (vec![1.0, 1.0], false),
            (vec![1.0, 3.0, 2.0], false),
            (vec![f64::NAN], false),
        ] {
            let axis = HeatAxis::of_values(&bad, log);
            assert!(matches!(axis, HeatAxis::Categories { .. }), "{bad:?}");
            assert_eq!(axis.edges(0), (-0.5, 0.5));
        }
    }

    #[test]
    fn single_cells_have_an_extent() {
        for log in [false, true] {
            let (low, high) = HeatAxis::of_values(&[7.0], log).edges(0);
            assert!(low < high);
        }
        let plot = map(
            HeatAxis::of_values(&[7.0], true),
            HeatAxis::of_values(&[0.0], false),
            values(&[3.0]),
        )
        .plot();
        assert_eq!(plot.tiles.len(), 1);
        assert!(plot.color_bar.is_some());
    }

    #[test]
    fn the_smallest_is_dark_and_what_is_missing_is_hatched() {
        let x = HeatAxis::of_values(&[1.0, 2.0], false);
        let mut cells = values(&[5.0, 9.0, f64::NAN]);
        cells.push(HeatCell::Blank);
        let heat = map(x.clone(), x, cells);
        let tiles = heat.plot().tiles;
        let colors: Vec<_> = tiles.iter().map(|t| t.color).collect();
        assert_eq!(
            colors,
            [
                Some(Gradient::Sequential.color(0.0)),
                Some(Gradient::Sequential.color(1.0)),
                None
            ]
        );
        assert!(heat.has_missing());
        let texts: Vec<_> = tiles
            .iter()
            .map(|t| t.text.as_ref().map(|(s, _)| s.as_str()))
            .collect();
        assert_eq!(texts, [Some("5"), Some("9"), None]);
    }

    #[test]
    fn a_constant_is_said_in_the_title_and_has_no_colour_bar() {
        let x = HeatAxis::of_values(&[1.0, 2.0], false);
        let heat = map(x.clone(), x.clone(), values(&[2.5; 4]));
        let plot = heat.plot();
        assert!(plot.color_bar.is_none());
        assert!(plot.title.starts_with("all 2.50: "), "{}", plot.title);
        let other = map(x.clone(), x, values(&[1.0; 4]));
        let alike = HeatMap::plots_alike(&[heat.clone(), other]);
        assert!(alike.iter().all(|plot| plot.color_bar.is_some()));
        let diverging = HeatMap {
            gradient: Gradient::Diverging,
            ..heat
        };
        assert!(diverging.plot().color_bar.is_some());
    }

    #[test]
    fn zeros_after_rounding_leave_the_colours_to_the_others() {
        let x = HeatAxis::of_values(&[1.0, 2.0, 3.0, 4.0], false);
        let y = HeatAxis::of_values(&[1.0], false);
        let logarithmic = |v: &[f64]| HeatMap {
            log: true,
            ..map(x.clone(), y.clone(), values(v))
        };
        let zeros = [logarithmic(&[3e-16, 0.01, 0.1, 1.0])];
        assert!(HeatMap::has_negligible(&zeros));
        let colors: Vec<_> = zeros[0].plot().tiles.iter().map(|t| t.color).collect();
        assert_eq!(colors[0], colors[1]);
        assert_eq!(colors[2], Some(Gradient::Sequential.color(0.5)));
        // One that is far above all others, and a fall over many decades, keep their colours.
        for v in [[0.1, 0.2, 0.3, 1e20], [1e-20, 1e-15, 1e-10, 1e-5]] {
            assert!(!HeatMap::has_negligible(&[logarithmic(&v)]), "{v:?}");
        }
    }

    #[test]
    fn diverging_colours_are_even_around_the_middle() {
        let x = HeatAxis::of_values(&[1.0, 2.0, 3.0], false);
        let y = HeatAxis::of_values(&[1.0], false);
        let heat = HeatMap {
            gradient: Gradient::Diverging,
            ..map(x, y, values(&[-2.0, 0.0, 4.0]))
        };
        let bar = heat.plot().color_bar.expect("has numbers");
        assert_eq!((bar.axis.low, bar.axis.high), (-4.0, 4.0));
    }

    #[test]
    fn a_matrix_has_its_first_row_on_top() {
        let names = |top_down| HeatAxis::Categories {
            names: vec!["a".into(), "b".into()],
            top_down,
        };
        let tiles = map(names(false), names(true), values(&[1.0, 2.0, 3.0, 4.0]))
            .plot()
            .tiles;
        assert!(tiles[0].y.0 > tiles[2].y.0 && tiles[0].x.0 < tiles[1].x.0);
    }

    #[test]
    fn nothing_known_is_all_hatched_and_nothing_at_all_is_blank() {
        let x = HeatAxis::of_values(&[1.0, 2.0], false);
        let plot = map(x.clone(), x, vec![HeatCell::Missing; 4]).plot();
        assert!(!plot.is_blank() && plot.color_bar.is_none());
        let none = HeatAxis::of_values(&[], false);
        assert!(map(none.clone(), none, vec![]).plot().is_blank());
    }
}

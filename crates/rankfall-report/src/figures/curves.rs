//! Curves of a run turned into lines and bands of a plot.

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::style::LAW;
use crate::figures::time::TimeAxis;
use crate::legend::LegendEntry;
use crate::plot::{Area, LabelPlace, Line, Plot};
use crate::scene::Stroke;
use crate::series::Curve;

/// Opacity of the band from the 5 % to the 95 % quantile.
const WIDE: f64 = 0.16;
/// Opacity of the band from the lower to the upper quartile, over the wide one.
const NARROW: f64 = 0.24;

/// Below this share of where curves start, their values are rounding and no signal.
const ROUNDING: f64 = 1e-16;
/// What is said of values below it.
pub const BELOW_ROUNDING: &str = "A line that ends at the bottom of its panel fell below rounding: 10⁻¹⁶ of where the largest started.";

/// Where rounding begins for curves that are drawn together: 0 where none starts above 0.
#[must_use]
pub fn rounding_floor<'a>(curves: impl IntoIterator<Item = &'a Curve>) -> f64 {
    let start = |curve: &Curve| curve.middle().first().copied().flatten();
    let starts = curves.into_iter().filter_map(start);
    ROUNDING * starts.fold(0.0, f64::max)
}

/// The curve down to `floor`: the first value below it is at it, later ones are left out until the
/// curve comes back.
#[must_use]
pub fn above(curve: &Curve, floor: f64) -> Curve {
    if floor == 0.0 {
        return curve.clone();
    }
    let mut kept = curve.map(|_, v| Some(v.max(floor)));
    let below = |middle: &Option<f64>| middle.is_some_and(|v| v < floor);
    for (i, pair) in curve.middle().windows(2).enumerate() {
        if pair.iter().all(below) {
            (kept.mean[i + 1], kept.q50[i + 1]) = (None, None);
        }
    }
    kept
}

/// Whether a curve has values that [`above`] leaves out.
#[must_use]
pub fn reaches_rounding(curve: &Curve, floor: f64) -> bool {
    curve.middle().iter().flatten().any(|v| *v < floor)
}

/// Whether theory is drawn in one of them.
#[must_use]
pub fn has_law(plots: &[Plot]) -> bool {
    let mut lines = plots.iter().flat_map(|plot| &plot.lines);
    lines.any(|line| line.stroke == LAW)
}

/// What the numbers of a curve are, and what scale they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveValues {
    /// Shown as they are.
    Plain,
    /// Ranks, on an axis from zero with whole ticks.
    Ranks,
    /// Positive numbers on a logarithmic axis.
    Positive,
    /// Natural logarithms of what a logarithmic axis shows.
    Logarithms,
}

impl CurveValues {
    /// The scale of their axis.
    #[must_use]
    pub fn scale(self) -> Scale {
        match self {
            Self::Plain => Scale::Linear,
            Self::Ranks => Scale::Whole,
            Self::Positive | Self::Logarithms => Scale::Decades,
        }
    }

    /// The place of a value.
    #[must_use]
    pub fn place(self, value: f64) -> Option<f64> {
        match self {
            Self::Logarithms => Scale::place_of_log(value),
            _ => self.scale().place(value),
        }
    }
}

/// Which line stands for all trajectories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Middle {
    /// Where the law is about the mean, and where medians of whole numbers would jump.
    Mean,
    /// Everywhere else: it does not leave the bands.
    Median,
}

/// Which quantile bands are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bands {
    /// From 5 % to 95 % and from 25 % to 75 %.
    Both,
    /// Only from 25 % to 75 %, where many dynamics share a panel.
    Narrow,
    /// None.
    None,
}

impl Bands {
    /// What still tells `count` dynamics in one panel apart: more bands would only add up to grey.
    #[must_use]
    pub fn among(count: usize) -> Self {
        match count {
            0..=2 => Self::Both,
            3..=5 => Self::Narrow,
            _ => Self::None,
        }
    }

    /// The same with quartiles at most.
    #[must_use]
    pub fn quartiles_among(count: usize) -> Self {
        if count > 5 { Self::None } else { Self::Narrow }
    }
}

/// How curves are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurveDrawing {
    /// The horizontal axis.
    pub time: TimeAxis,
    /// The vertical axis.
    pub values: CurveValues,
    /// The line.
    pub middle: Middle,
    /// The bands.
    pub bands: Bands,
}

impl CurveDrawing {
    /// Adds a curve with its bands to a plot.
    pub fn add(&self, plot: &mut Plot, curve: &Curve, stroke: Stroke, end_label: Option<String>) {
        if self.bands == Bands::Both {
            plot.bands
                .extend(self.band(curve, &curve.q05, &curve.q95, stroke.color, WIDE));
        }
        if matches!(self.bands, Bands::Both | Bands::Narrow) {
            plot.bands
                .extend(self.band(curve, &curve.q25, &curve.q75, stroke.color, NARROW));
        }
        let middle = match self.middle {
            Middle::Mean => curve.mean.clone(),
            Middle::Median => curve.middle(),
        };
        plot.lines.push(Line {
            places: self.places(&curve.times, &middle),
            stroke,
            end_label,
        });
    }

    /// Adds the law of a curve, where it has one.
    pub fn add_law(&self, plot: &mut Plot, curve: &Curve) {
        if curve.has_law() {
            plot.lines.push(self.line(&curve.times, &curve.law, LAW));
        }
    }

    /// Values over time as a line.
    #[must_use]
    pub fn line(&self, times: &[f64], values: &[Option<f64>], stroke: Stroke) -> Line {
        Line::new(self.places(times, values), stroke)
    }

    /// What lies between two lists of values over time.
    #[must_use]
    pub fn area(
        &self,
        times: &[f64],
        [low, high]: [&[Option<f64>]; 2],
        color: Color,
        opacity: f64,
    ) -> Area {
        let edge =
            |(low, high): (Option<LabelPlace>, Option<LabelPlace>)| Some((low?.0, low?.1, high?.1));
        let (low, high) = (self.places(times, low), self.places(times, high));
        Area {
            edges: low.into_iter().zip(high).map(edge).collect(),
            color,
            opacity,
        }
    }

    /// Values over time as places, broken after t = 0 on a logarithmic time axis.
    #[must_use]
    pub fn places(&self, times: &[f64], values: &[Option<f64>]) -> Vec<Option<(f64, f64)>> {
        let mut places = Vec::with_capacity(times.len() + 1);
        for (t, value) in times.iter().zip(values) {
            let y = value.and_then(|v| self.values.place(v));
            places.push(self.time.place(*t).zip(y));
            if self.time.breaks_after(*t) {
                places.push(None);
            }
        }
        places
    }

    // `None` where all trajectories agree: an empty band would only be dead weight.
    fn band(
        &self,
        curve: &Curve,
        low: &[Option<f64>],
        high: &[Option<f64>],
        color: Color,
        opacity: f64,
    ) -> Option<Area> {
        let area = self.area(&curve.times, [low, high], color, opacity);
        let is_wide = area.edges.iter().flatten().any(|(_, l, h)| h > l);
        is_wide.then_some(area)
    }

    /// What the bands and the line are, for the legend; `None` where no plot has a band.
    #[must_use]
    pub fn band_entry(&self, plots: &[Plot]) -> Option<LegendEntry> {
        if plots.iter().all(|p| p.bands.is_empty()) {
            return None;
        }
        let middle = match self.middle {
            Middle::Mean => "mean",
            Middle::Median => "median",
        };
        let (bands, range) = match self.bands {
            Bands::Both => (vec![WIDE, NARROW], "25–75 % and 5–95 %"),
            Bands::Narrow => (vec![NARROW], "25–75 %"),
            Bands::None => return None,
        };
        Some(LegendEntry {
            name: format!("{middle}, {range} of trajectories"),
            line: Some(Stroke::solid(Color::Muted, 1.8)),
            bands: bands
                .into_iter()
                .map(|opacity| (Color::Muted, opacity + 0.06))
                .collect(),
            ..LegendEntry::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Side;

    fn drawing(time: TimeAxis, values: CurveValues) -> CurveDrawing {
        CurveDrawing {
            time,
            values,
            middle: Middle::Median,
            bands: Bands::Both,
        }
    }

    fn plot() -> Plot {
        Plot::new("", TimeAxis::Linear.side(), Side::new(Scale::Linear, ""))
    }

    #[test]
    fn logarithms_and_values_meet_on_the_same_axis() {
        let of = |values: CurveValues, v: f64| values.place(v).expect("a place");
        assert!(
            (of(CurveValues::Logarithms, 1000f64.ln()) - of(CurveValues::Positive, 1000.0)).abs()
                < 1e-12
        );
        assert_eq!(CurveValues::Positive.place(-1.0), None);
    }

    #[test]
    fn a_log_time_axis_breaks_after_zero() {
        let time = TimeAxis::Logarithmic { zero: -3.0 };
        let places = drawing(time, CurveValues::Plain)
            .places(&[0.0, 0.1, 1.0], &[Some(5.0), None, Some(7.0)]);
        assert_eq!(places, [Some((-3.0, 5.0)), None, None, Some((0.0, 7.0))]);
    }

    #[test]
    fn values_below_rounding_are_no_signal() {
        let values = |v: &[f64]| v.iter().copied().map(Some).collect::<Vec<_>>();
        let middle = values(&[15.0, 1e-3, 1e-20, 3e-29, 2e-27, 1.0]);
        let curve = Curve {
            times: (0..6).map(f64::from).collect(),
            mean: middle.clone(),
            q05: middle.clone(),
            q25: middle.clone(),
            q50: middle.clone(),
            q75: middle.clone(),
            q95: middle.clone(),
            law: vec![None; 6],
            std_error: vec![None; 6],
        };
        let floor = rounding_floor([&curve]);
        assert!((floor - 1.5e-15).abs() < 1e-20);
        let kept = above(&curve, floor).q50;
        let expected = [Some(15.0), Some(1e-3), Some(floor), None, None, Some(1.0)];
        assert_eq!(kept, expected);
        assert!(reaches_rounding(&curve, floor) && !reaches_rounding(&curve, 0.0));
        assert_eq!(above(&curve, 0.0), curve);
    }

    #[test]
    fn trajectories_that_agree_have_no_band() {
        let same = vec![Some(1.0), Some(2.0)];
        let mut curve = Curve {
            times: vec![0.0, 1.0],
            mean: same.clone(),
            q05: same.clone(),
            ..Curve::default()
        };
        (curve.q25, curve.q50, curve.q75, curve.q95) =
            (same.clone(), same.clone(), same.clone(), same);
        let mut agreeing = plot();
        let drawing = drawing(TimeAxis::Linear, CurveValues::Plain);
        drawing.add(&mut agreeing, &curve, LAW, None);
        assert!(agreeing.bands.is_empty() && agreeing.lines.len() == 1);
        assert_eq!(drawing.band_entry(&[agreeing]), None);

        curve.q95[1] = Some(3.0);
        let mut spread = plot();
        drawing.add(&mut spread, &curve, LAW, None);
        assert_eq!(spread.bands.len(), 1);
        assert!(drawing.band_entry(&[spread]).is_some());
    }
}

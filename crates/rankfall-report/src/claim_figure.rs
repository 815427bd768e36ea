//! The picture of a claim: theory dashed, curves with bands, points with error bars.

use crate::axis::Scale;
use crate::claims::{ClaimCurve, ClaimFigure, CurveStyle};
use crate::color::Color;
use crate::figures::style::LAW;
use crate::legend::LegendEntry;
use crate::plot::{Area, LabelPlace, Line, Plot, Side};
use crate::scene::{Scene, Stroke};
use crate::sheet::{Sharing, Sheet, SkipReason};
use crate::symbol::Symbol;

/// More points of one kind only cover one another; evenly spread ones are shown.
const MOST_POINTS: usize = 1000;
/// Opacity of the band of a line.
const BAND: f64 = 0.2;

/// The figure as a scene, `subtitle` under its title. What is not finite, or not positive on a
/// logarithmic axis, is left out; an error bar that ends there reaches to the edge of the panel.
///
/// # Errors
/// [`SkipReason`] where nothing is left to draw.
pub fn scene(figure: &ClaimFigure, subtitle: &str) -> Result<Scene, SkipReason> {
    let scale = |log: bool| if log { Scale::Decades } else { Scale::Linear };
    let x = Side::new(scale(figure.x_log), &figure.x_label);
    let y = Side::new(scale(figure.y_log), &figure.y_label);
    let mut plot = Plot::new("", x, y);
    let mut legend = Vec::new();
    for (curve, look) in figure.curves.iter().zip(looks(&figure.curves)) {
        add(&mut plot, curve, look);
        let entry = entry(curve, look);
        if !legend.contains(&entry) {
            legend.push(entry);
        }
    }
    if plot.is_blank() {
        return Err(SkipReason::because("none of its values can be drawn"));
    }
    Sheet {
        title: figure.title.clone(),
        subtitle: subtitle.into(),
        description: figure.caption.clone(),
        plots: vec![plot],
        columns: 1,
        sharing: Sharing::Own,
        legend,
    }
    .draw()
}

/// What tells the curves of a figure apart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    stroke: Stroke,
    symbol: Option<Symbol>,
}

/// Measurements get the colours in turn, from a light one on where theory runs over lines. Theory
/// is ink, unless there is one theory for each of several kinds of points: then it has their
/// colour.
fn looks(curves: &[ClaimCurve]) -> Vec<Look> {
    let count = |style: CurveStyle| curves.iter().filter(|c| c.style == style).count();
    let (theories, points) = (count(CurveStyle::Dashed), count(CurveStyle::Points));
    let lines = count(CurveStyle::Line);
    let paired = theories == points && points > 1 && lines == 0;
    let (first, width) = match theories > 0 && lines > 0 {
        true => (2, 3.4),
        false => (0, 2.2),
    };
    let (mut measured, mut theory) = (0, 0);
    let mut look = |curve: &ClaimCurve| {
        if curve.style == CurveStyle::Dashed {
            theory += 1;
            let color = match paired {
                true => Color::Series(theory - 1),
                false => Color::Ink,
            };
            return Look {
                stroke: Stroke { color, ..LAW },
                symbol: None,
            };
        }
        let place = first + measured;
        measured += 1;
        Look {
            stroke: Stroke::solid(Color::Series(place), width),
            symbol: (curve.style == CurveStyle::Points).then(|| Symbol::of_series(place)),
        }
    };
    curves.iter().map(&mut look).collect()
}

fn entry(curve: &ClaimCurve, look: Look) -> LegendEntry {
    if let Some(symbol) = look.symbol {
        return LegendEntry::symbol(&curve.label, symbol);
    }
    let has_band = curve.low.is_some() && curve.high.is_some();
    let band = has_band.then_some((look.stroke.color, BAND));
    LegendEntry {
        bands: band.into_iter().collect(),
        ..LegendEntry::line(&curve.label, look.stroke)
    }
}

fn add(plot: &mut Plot, curve: &ClaimCurve, look: Look) {
    let (x, y) = (plot.x.scale, plot.y.scale);
    let place = |(a, b): (&f64, &f64)| x.place(*a).zip(y.place(*b));
    let places: Vec<Option<LabelPlace>> = curve.x.iter().zip(&curve.y).map(place).collect();
    match look.symbol {
        Some(symbol) => add_points(plot, curve, &places, symbol),
        None => {
            plot.bands
                .extend(band(curve, &places, y, look.stroke.color));
            plot.lines.push(Line::new(places, look.stroke));
        }
    }
}

fn add_points(plot: &mut Plot, curve: &ClaimCurve, places: &[Option<LabelPlace>], symbol: Symbol) {
    let scale = plot.y.scale;
    let every = places.len().div_ceil(MOST_POINTS).max(1);
    for (i, at) in places.iter().enumerate().step_by(every) {
        let Some(at) = *at else { continue };
        let end = |ends: &Option<Vec<f64>>| ends.as_ref().and_then(|v| v.get(i)).copied();
        let interval = end(&curve.low).zip(end(&curve.high));
        // An interval that is no number is no interval, whatever its other end.
        let interval = interval.filter(|(low, high)| !low.is_nan() && !high.is_nan());
        let places = interval.map(|(low, high)| [scale.place(low), scale.place(high)]);
        plot.measure(at, places, symbol);
    }
}

fn band(
    curve: &ClaimCurve,
    places: &[Option<LabelPlace>],
    scale: Scale,
    color: Color,
) -> Option<Area> {
    let (low, high) = (curve.low.as_ref()?, curve.high.as_ref()?);
    let edge = |((at, low), high): ((&Option<LabelPlace>, &f64), &f64)| {
        Some((at.as_ref()?.0, scale.place(*low)?, scale.place(*high)?))
    };
    let edges = places.iter().zip(low).zip(high).map(edge).collect();
    Some(Area {
        edges,
        color,
        opacity: BAND,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Item;

    fn curve(style: CurveStyle, x: &[f64], y: &[f64]) -> ClaimCurve {
        ClaimCurve {
            label: format!("{style:?}"),
            style,
            x: x.to_vec(),
            y: y.to_vec(),
            low: Some(y.iter().map(|v| v - 1.0).collect()),
            high: Some(y.iter().map(|v| v + 1.0).collect()),
        }
    }

    fn figure(curves: Vec<ClaimCurve>) -> ClaimFigure {
        ClaimFigure {
            title: "t".into(),
            caption: "c".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            x_log: false,
            y_log: true,
            curves,
        }
    }

    #[test]
    fn nothing_to_draw_is_skipped() {
        assert!(scene(&figure(vec![]), "").is_err());
        let negative = curve(CurveStyle::Points, &[1.0, 2.0], &[-1.0, f64::NAN]);
        assert!(scene(&figure(vec![negative]), "").is_err());
    }

    #[test]
    fn points_alone_are_a_figure_and_bars_may_leave_it() {
        let points = curve(CurveStyle::Points, &[1.0, 2.0], &[0.5, 10.0]);
        let mut plot = Plot::new(
            "",
            Side::new(Scale::Linear, ""),
            Side::new(Scale::Decades, ""),
        );
        add(&mut plot, &points, looks(std::slice::from_ref(&points))[0]);
        // 0.5 − 1 has no place on a logarithmic axis.
        assert_eq!((plot.bars[0].low, plot.bars[1].low.is_some()), (None, true));
        assert!(scene(&figure(vec![points]), "").is_ok());
    }

    #[test]
    fn theory_is_ink_unless_each_kind_of_points_has_its_own() {
        let of = |styles: &[CurveStyle]| {
            let curves: Vec<_> = styles.iter().map(|s| curve(*s, &[1.0], &[1.0])).collect();
            looks(&curves)
                .iter()
                .map(|l| l.stroke.color)
                .collect::<Vec<_>>()
        };
        use CurveStyle::{Dashed, Line, Points};
        let (first, second) = (Color::Series(0), Color::Series(1));
        assert_eq!(of(&[Points, Dashed]), [first, Color::Ink]);
        // The dark first colours would hide theory that runs over them.
        assert_eq!(of(&[Line, Dashed]), [Color::Series(2), Color::Ink]);
        assert_eq!(of(&[Line]), [first]);
        assert_eq!(
            of(&[Points, Points, Dashed, Dashed]),
            [first, second, first, second]
        );
        assert_eq!(of(&[Points, Points, Dashed]), [first, second, Color::Ink]);
    }

    #[test]
    fn a_million_points_are_a_picture_of_a_thousand() {
        let many: Vec<f64> = (1..=1_000_000).map(f64::from).collect();
        let drawn = scene(&figure(vec![curve(CurveStyle::Points, &many, &many)]), "");
        let discs = |s: &Scene| {
            s.items
                .iter()
                .filter(|i| matches!(i, Item::Marker { .. }))
                .count()
        };
        assert!(drawn.is_ok_and(|s| (900..=1001).contains(&discs(&s))));
    }
}

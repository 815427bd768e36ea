//! Errors of integrators against step and against cost, on logarithmic axes, with the slopes they
//! should have.

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::style::{self, LAW};
use crate::legend::LegendEntry;
use crate::plot::{Line, Plot, Side};
use crate::scene::{Scene, Stroke};
use crate::sheet::{Sharing, Sheet, SkipReason};
use crate::symbol::Symbol;

const TITLE: &str = "Orders of the integrators";

/// The errors of one integrator; lists belong together entry by entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderCurve {
    /// Steps, or costs.
    pub x: Vec<f64>,
    /// Absolute errors. What is not positive is left out.
    pub y: Vec<f64>,
    /// Half an interval of each error.
    pub half: Vec<f64>,
}

/// One panel: a curve for each integrator, empty where it has none.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderPanel {
    /// What the errors are of.
    pub title: String,
    /// What lies along the axis, in words and symbols.
    pub x: String,
    /// The same upwards.
    pub y: String,
    /// In the order of the names.
    pub curves: Vec<OrderCurve>,
    /// Slopes drawn for comparison, dashed, through the middle of the first curve.
    pub slopes: Vec<f64>,
}

/// The panels side by side; `names` are those of the integrators, `origin` is written under the
/// title.
///
/// # Errors
/// [`SkipReason`] where nothing can be drawn.
pub fn scene(names: &[&str], panels: &[OrderPanel], origin: &str) -> Result<Scene, SkipReason> {
    let plots: Vec<Plot> = panels.iter().map(plot).collect();
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    let mut legend: Vec<LegendEntry> = names
        .iter()
        .enumerate()
        .map(|(i, name)| LegendEntry::symbol(*name, Symbol::of_series(i)))
        .collect();
    legend.push(LegendEntry::line("slopes of the orders 1/2, 1 and 2", LAW));
    Sheet {
        title: TITLE.into(),
        subtitle: origin.into(),
        description: "Errors of each integrator on logarithmic axes, with their intervals, beside lines of the \
                      slope of their order."
            .into(),
        columns: style::columns(shown),
        plots,
        sharing: Sharing::Own,
        legend,
    }
    .draw()
}

fn plot(panel: &OrderPanel) -> Plot {
    let decades = Scale::Decades;
    let x = Side {
        shared: false,
        ..Side::new(decades, &panel.x)
    };
    let mut plot = Plot::new(&panel.title, x, Side::new(decades, &panel.y));
    for (i, curve) in panel.curves.iter().enumerate() {
        let color = Color::Series(i);
        let mut places = Vec::new();
        for (at, (&x, &y)) in curve.x.iter().zip(&curve.y).enumerate() {
            let place = decades.place(x).zip(decades.place(y));
            places.push(place);
            let Some(at_place) = place else { continue };
            let half = curve.half.get(at).copied().unwrap_or(0.0);
            // An interval that reaches to zero reaches to the edge.
            let interval = [decades.place(y - half), decades.place(y + half)];
            plot.measure(at_place, Some(interval), Symbol::of_series(i));
        }
        let stroke = Stroke::solid(color, 1.6);
        plot.lines.push(Line::new(places, stroke));
    }
    for &slope in &panel.slopes {
        plot.lines.extend(guide(panel, slope));
    }
    plot
}

/// A dashed line over the range of the curve whose ends come nearest to the slope, a little below
/// it.
fn guide(panel: &OrderPanel, slope: f64) -> Option<Line> {
    let decades = Scale::Decades;
    let of = |curve: &OrderCurve| {
        let all = curve.x.iter().zip(&curve.y);
        let places = all.filter_map(|(&x, &y)| decades.place(x).zip(decades.place(y)));
        let places: Vec<(f64, f64)> = places.collect();
        let (first, last) = (*places.first()?, *places.last()?);
        let own = (last.1 - first.1) / (last.0 - first.0);
        own.is_finite()
            .then_some((first, last, (own - slope).abs()))
    };
    let curves = panel.curves.iter().filter_map(of);
    let (first, last, _) = curves.min_by(|a, b| a.2.total_cmp(&b.2))?;
    let end = last.1 - 0.25;
    let start = end - slope * (last.0 - first.0);
    let places = vec![Some((first.0, start)), Some((last.0, end))];
    Some(Line::new(places, LAW))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(order: i32) -> OrderPanel {
        let x: Vec<f64> = (1..6).map(|o| 0.5_f64.powi(o)).collect();
        OrderPanel {
            title: "loss".into(),
            x: "step h".into(),
            y: "bias".into(),
            curves: vec![OrderCurve {
                y: x.iter().map(|h| h.powi(order)).collect(),
                half: vec![1e-3; x.len()],
                x,
            }],
            slopes: vec![2.0],
        }
    }

    #[test]
    fn a_guide_has_its_slope_whatever_the_curve() {
        for order in [1, 2] {
            let line = guide(&panel(order), 2.0).expect("a guide");
            let [Some(a), Some(b)] = line.places[..] else {
                panic!("two ends");
            };
            assert!(((b.1 - a.1) / (b.0 - a.0) - 2.0).abs() < 1e-12);
        }
    }

    #[test]
    fn an_interval_through_zero_has_no_lower_end() {
        let plot = plot(&panel(2));
        assert!(plot.bars[0].low.is_some() && plot.bars[4].low.is_none());
        assert!(scene(&["one"], &[panel(2)], "").is_ok());
    }
}

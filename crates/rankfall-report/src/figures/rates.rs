//! Decay rates, predicted against measured, one panel per case.

use serde::{Deserialize, Serialize};

use crate::axis::Scale;
use crate::color::Color;
use crate::figures::style::{self, LAW};
use crate::legend::LegendEntry;
use crate::plot::{Line, Plot, Side};
use crate::scene::Scene;
use crate::sheet::{Sharing, Sheet, SkipReason};
use crate::symbol::Symbol;

const TITLE: &str = "Decay rates, predicted and measured";

/// The rates of log σᵢ of one network. Lists belong together entry by entry; what is not finite is
/// left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RatesCase {
    /// Sizes and inputs, as in `p = 5, k = 2, anisotropic`.
    pub title: String,
    /// What the closed form says.
    pub predicted: Vec<f64>,
    /// What was measured.
    pub measured: Vec<f64>,
    /// Lower ends of the intervals of what was measured.
    pub low: Vec<f64>,
    /// Upper ends.
    pub high: Vec<f64>,
}

/// One panel per case: points with error bars over the line of agreement; `origin` is written under
/// the title.
///
/// # Errors
/// [`SkipReason`] where no case has a finite pair.
pub fn scene(cases: &[RatesCase], origin: &str) -> Result<Scene, SkipReason> {
    let plots: Vec<Plot> = cases.iter().map(plot).collect();
    let shown = plots.iter().filter(|p| !p.is_blank()).count();
    if shown == 0 {
        return Err(SkipReason::because(
            "no rate was both predicted and measured",
        ));
    }
    Sheet {
        title: TITLE.into(),
        subtitle: origin.into(),
        description: "For every case, measured rates of the logarithms of singular values against predicted ones, with \
                      intervals, over the line where both agree."
            .into(),
        columns: style::columns(shown),
        plots,
        sharing: Sharing::Own,
        legend: vec![
            LegendEntry::symbol("measured, with its interval", Symbol::disc(COLOR, true)),
            LegendEntry::line("measured = predicted", LAW),
        ],
    }
    .draw()
}

const COLOR: Color = Color::Series(1);

fn plot(case: &RatesCase) -> Plot {
    let x = Side {
        shared: false,
        ..Side::new(Scale::Linear, "predicted rate")
    };
    let mut plot = Plot::new(&case.title, x, Side::new(Scale::Linear, "measured rate"));
    let place = |v: &f64| Scale::Linear.place(*v);
    let pairs = case.predicted.iter().zip(&case.measured);
    for (i, (predicted, measured)) in pairs.enumerate() {
        let Some(at) = place(predicted).zip(place(measured)) else {
            continue;
        };
        let end = |ends: &[f64]| ends.get(i).and_then(place);
        let interval = end(&case.low).zip(end(&case.high));
        let interval = interval.map(|(low, high)| [Some(low), Some(high)]);
        plot.measure(at, interval, Symbol::disc(COLOR, true));
    }
    let places = || plot.marks.iter().map(|m| m.at);
    let low = places().map(|p| p.0.min(p.1)).reduce(f64::min);
    let high = places().map(|p| p.0.max(p.1)).reduce(f64::max);
    if let (Some(low), Some(high)) = (low, high) {
        let places = vec![Some((low, low)), Some((high, high))];
        plot.lines.push(Line::new(places, LAW));
    }
    plot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_its_own_axes_and_line_of_agreement() {
        let case = |scale: f64| RatesCase {
            title: "p = 5".into(),
            predicted: vec![0.0, -scale],
            measured: vec![0.01 * scale, -1.1 * scale],
            low: vec![0.0, -1.2 * scale],
            high: vec![0.02 * scale, -scale],
        };
        let plots = [plot(&case(1.0)), plot(&case(1e-3))];
        assert!(plots.iter().all(|p| !p.x.shared && p.bars.len() == 2));
        assert_eq!(plots[0].lines[0].places[0], Some((-1.1, -1.1)));
        assert!(scene(&[case(1.0), case(1e-3)], "").is_ok());
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        let case = RatesCase {
            title: String::new(),
            predicted: vec![f64::NAN, 1.0, 2.0],
            measured: vec![1.0, f64::INFINITY],
            low: vec![],
            high: vec![],
        };
        assert!(plot(&case).is_blank());
        assert!(scene(&[case, RatesCase::default()], "").is_err());
    }
}

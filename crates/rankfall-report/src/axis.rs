//! An axis: its scale, its range, its ticks.

use crate::number::{fixed, power_of_ten, significant};

/// Linear axes show nothing beyond this, so that ranges never overflow.
const LARGEST: f64 = 1e150;

/// How values become places along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Places are values.
    Linear,
    /// Places are values; the axis starts at zero and ticks are whole numbers.
    Whole,
    /// Places are log₁₀ of values, which may lie far below the smallest double.
    Decades,
}

impl Scale {
    /// The place of a value; `None` where the scale cannot show it.
    #[must_use]
    pub fn place(self, value: f64) -> Option<f64> {
        match self {
            Self::Linear | Self::Whole => (value.abs() <= LARGEST).then_some(value),
            Self::Decades => (value > 0.0 && value.is_finite()).then(|| value.log10()),
        }
    }

    /// The place of e^`log` on [`Scale::Decades`].
    #[must_use]
    pub fn place_of_log(log: f64) -> Option<f64> {
        let decades = log * std::f64::consts::LOG10_E;
        (decades.abs() <= LARGEST).then_some(decades)
    }
}

/// A mark along an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Its place.
    pub at: f64,
    /// What stands beside it.
    pub label: String,
}

/// A range of places on a scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// How values become places.
    pub scale: Scale,
    /// The lower end.
    pub low: f64,
    /// The upper end, above the lower.
    pub high: f64,
}

impl Axis {
    /// The axis that shows all `places`, with `margin` of its length free at either end; `None`
    /// without a place. Places that (nearly) coincide get an axis of sensible length around them.
    #[must_use]
    pub fn around(
        scale: Scale,
        places: impl IntoIterator<Item = f64>,
        margin: f64,
    ) -> Option<Self> {
        let fold = |range: Option<(f64, f64)>, v: f64| {
            let (low, high) = range.unwrap_or((v, v));
            Some((low.min(v), high.max(v)))
        };
        let (mut low, mut high) = places
            .into_iter()
            .filter(|v| v.abs() <= LARGEST)
            .fold(None, fold)?;
        if scale == Scale::Whole {
            low = low.min(0.0);
        }
        let missing = shortest(scale, low, high) - (high - low);
        if missing > 0.0 {
            low -= missing / 2.0;
            high += missing / 2.0;
        }
        let pad = (high - low) * margin;
        let from_zero = scale == Scale::Whole && low >= 0.0;
        Some(Self {
            scale,
            low: if from_zero { low } else { low - pad },
            high: high + pad,
        })
    }

    /// Where a place lies, from 0 at the lower end to 1 at the upper.
    #[must_use]
    pub fn fraction(&self, place: f64) -> f64 {
        (place - self.low) / (self.high - self.low)
    }

    /// About `wanted` labelled ticks, ascending.
    #[must_use]
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        // Steps are rounded up to nice ones; asking for a third more hits `wanted` on the average.
        let wanted = 1.35 * wanted.max(2) as f64;
        let step = (self.high - self.low) / wanted;
        match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high, nice(step)),
            Scale::Whole => linear_ticks(self.low, self.high, whole(step)),
            Scale::Decades => self.decade_ticks(wanted),
        }
    }

    /// Unlabelled places between the ticks: 2, 3, … 9 of every decade, where they can be told
    /// apart.
    #[must_use]
    pub fn minor(&self) -> Vec<f64> {
        if self.scale != Scale::Decades || self.high - self.low > 8.0 {
            return Vec::new();
        }
        let decades = self.low.floor() as i64..=self.high.floor() as i64;
        let within = decades.flat_map(|d| (2..10).map(move |m| d as f64 + f64::from(m).log10()));
        within
            .filter(|v| (self.low..=self.high).contains(v))
            .collect()
    }

    fn decade_ticks(&self, wanted: f64) -> Vec<Tick> {
        let span = self.high - self.low;
        // Values far from 1 are no doubles; an axis there is never short (see `shortest`).
        if span < 2.0 && self.low.abs().max(self.high.abs()) < 250.0 {
            return self.ticks_within_decades(wanted);
        }
        let step = whole(span / wanted);
        let exponents = || multiples(self.low, self.high, step).map(|v| v as i64);
        let plain = exponents().all(|e| (-3..=3).contains(&e));
        let label = |e: i64| match e {
            _ if plain => fixed(10f64.powi(e as i32), (-e).max(0) as usize),
            0 => "1".into(),
            1 => "10".into(),
            _ => power_of_ten(e),
        };
        let tick = |e: i64| Tick {
            at: e as f64,
            label: label(e),
        };
        exponents().map(tick).collect()
    }

    // Short logarithmic axes: 1, 2, 5 of each decade, or evenly spaced values on very short ones.
    fn ticks_within_decades(&self, wanted: f64) -> Vec<Tick> {
        let decades = self.low.floor() as i32..=self.high.floor() as i32;
        let tick = |(d, m): (i32, f64)| Tick {
            at: f64::from(d) + m.log10(),
            label: significant(m * 10f64.powi(d), 1),
        };
        let ticks: Vec<Tick> = decades
            .flat_map(|d| [(d, 1.0), (d, 2.0), (d, 5.0)])
            .map(tick)
            .filter(|t| (self.low..=self.high).contains(&t.at))
            .collect();
        if ticks.len() >= 3 {
            return ticks;
        }
        let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
        let values = linear_ticks(low, high, nice((high - low) / wanted));
        values
            .into_iter()
            .filter(|t| t.at > 0.0)
            .map(|t| Tick {
                at: t.at.log10(),
                ..t
            })
            .collect()
    }
}

/// The shortest axis worth drawing: differences below it are rounding, not data.
fn shortest(scale: Scale, low: f64, high: f64) -> f64 {
    let largest = low.abs().max(high.abs());
    match scale {
        Scale::Linear if largest == 0.0 => 1.0,
        Scale::Linear if high - low > 1e-6 * largest => 0.0,
        Scale::Linear => 0.1 * largest,
        Scale::Whole => 1.0,
        Scale::Decades if largest < 200.0 => 0.5,
        Scale::Decades => 4.0,
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `step`.
fn nice(step: f64) -> f64 {
    if !(step.is_finite() && step > 0.0) {
        return 1.0;
    }
    let unit = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|f| f * unit >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * unit
}

fn whole(step: f64) -> f64 {
    nice(step).max(1.0).round()
}

/// Multiples of `step` from `low` to `high`, both included up to rounding.
fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let slack = 1e-9;
    let first = (low / step - slack).ceil();
    let last = (high / step + slack).floor();
    // A range of more steps than this would be a mistake, not a tick list.
    let count = (last - first + 1.0).clamp(0.0, 1000.0) as usize;
    (0..count).map(move |i| (first + i as f64) * step)
}

fn linear_ticks(low: f64, high: f64, step: f64) -> Vec<Tick> {
    let size = step.log10().floor();
    let largest = low.abs().max(high.abs());
    let label = |v: f64| {
        if v.abs() < step / 2.0 {
            "0".into()
        } else if largest < 1e6 && step >= 9e-5 {
            fixed(v, (-size).max(0.0) as usize)
        } else {
            significant(
                v,
                (v.abs().log10().floor() - size + 1.0).clamp(1.0, 12.0) as usize,
            )
        }
    };
    multiples(low, high, step)
        .map(|v| Tick {
            at: v,
            label: label(v),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale, low: f64, high: f64) -> Axis {
        Axis { scale, low, high }
    }

    fn labels(axis: &Axis, wanted: usize) -> String {
        let labels: Vec<String> = axis.ticks(wanted).into_iter().map(|t| t.label).collect();
        labels.join(" ")
    }

    #[test]
    fn linear_ticks_are_round() {
        let ticks = |low, high, wanted| labels(&axis(Scale::Linear, low, high), wanted);
        assert_eq!(ticks(0.0, 500.0, 5), "0 100 200 300 400 500");
        assert_eq!(ticks(-0.3, 0.3, 4), "−0.2 0 0.2");
        let thousands = ticks(-4.0e4, 0.0, 4).replace('\u{202f}', "'");
        assert_eq!(thousands, "−40'000 −30'000 −20'000 −10'000 0");
    }

    #[test]
    fn linear_ticks_of_very_large_and_small_ranges_use_powers() {
        let ticks = |high| labels(&axis(Scale::Linear, 0.0, high), 4);
        assert_eq!(ticks(2e9), "0 5×10⁸ 1.0×10⁹ 1.5×10⁹ 2.0×10⁹");
        assert_eq!(ticks(2e-6), "0 5×10⁻⁷ 1.0×10⁻⁶ 1.5×10⁻⁶ 2.0×10⁻⁶");
    }

    #[test]
    fn ranks_have_whole_ticks_from_zero() {
        let ranks = Axis::around(Scale::Whole, [2.0, 5.0], 0.05).expect("not empty");
        assert_eq!(labels(&ranks, 10), "0 1 2 3 4 5");
    }

    #[test]
    fn decades_are_powers_of_ten_down_to_the_depths() {
        let ticks = |low, high| labels(&axis(Scale::Decades, low, high), 4);
        assert_eq!(ticks(-20.0, 0.2), "10⁻²⁰ 10⁻¹⁵ 10⁻¹⁰ 10⁻⁵ 1");
        let deep = "10⁻⁴⁰⁰⁰⁰ 10⁻³⁰⁰⁰⁰ 10⁻²⁰⁰⁰⁰ 10⁻¹⁰⁰⁰⁰ 1";
        assert_eq!(ticks(-40_000.0, 10.0), deep);
        assert_eq!(ticks(-2.0, 1.5), "0.01 0.1 1 10");
    }

    #[test]
    fn short_logarithmic_axes_have_ticks_too() {
        let short = axis(Scale::Decades, -1.0, 0.5);
        assert_eq!(labels(&short, 4), "0.1 0.2 0.5 1 2");
        let shorter = axis(Scale::Decades, 2.00, 2.05).ticks(4);
        assert!(shorter.len() >= 3, "{shorter:?}");
        let deep = Axis::around(Scale::Decades, [-40_000.3, -40_000.2], 0.0).expect("not empty");
        assert!(deep.ticks(4).len() >= 2);
    }

    #[test]
    fn any_range_gives_a_finite_axis_with_ticks() {
        for scale in [Scale::Linear, Scale::Whole, Scale::Decades] {
            for places in [
                vec![0.0],
                vec![-3.0; 4],
                vec![1.0, 1.0 + 1e-15],
                vec![-1e150, 1e150],
                vec![1e-300, 2e-300],
            ] {
                let axis = Axis::around(scale, places.clone(), 0.04).expect("not empty");
                let (ticks, what) = (axis.ticks(5), format!("{scale:?} {places:?}"));
                assert!(axis.high > axis.low, "{what}");
                assert!((1..40).contains(&ticks.len()), "{what}: {ticks:?}");
                let mut shown = places.iter().map(|v| axis.fraction(*v));
                assert!(shown.all(|f| (0.0..=1.0).contains(&f)), "{what}");
            }
        }
        assert_eq!(Axis::around(Scale::Linear, [], 0.1), None);
        assert_eq!(Axis::around(Scale::Linear, [f64::NAN], 0.1), None);
    }

    #[test]
    fn values_without_a_place() {
        assert_eq!(Scale::Decades.place(0.0), None);
        assert_eq!(Scale::Decades.place(f64::INFINITY), None);
        assert_eq!(Scale::Linear.place(1e200), None);
        assert_eq!(
            Scale::place_of_log(-92_103.403_719_761_83).map(f64::round),
            Some(-40_000.0)
        );
    }
}

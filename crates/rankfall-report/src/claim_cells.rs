//! The numbers of a claim or a comparison as cells of a table.

use crate::claims::{ClaimRecord, ComparisonRecord, UNBOUNDED};
use crate::number::{compact, dash, resolved, significant};

/// p-values below this are written as a bound.
const SMALLEST_P: f64 = 1e-300;

/// Prediction, measurement and what stands between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellNumbers {
    prediction: Option<f64>,
    measured: Option<f64>,
    interval: Option<[f64; 2]>,
    margin: Option<[f64; 2]>,
    p_value: Option<f64>,
}

impl From<&ClaimRecord> for CellNumbers {
    fn from(claim: &ClaimRecord) -> Self {
        Self {
            prediction: claim.prediction,
            measured: claim.measured,
            interval: claim.interval,
            margin: claim.margin,
            p_value: claim.p_value,
        }
    }
}

impl From<&ComparisonRecord> for CellNumbers {
    fn from(comparison: &ComparisonRecord) -> Self {
        Self {
            prediction: comparison.prediction,
            measured: comparison.measured,
            interval: comparison.interval,
            margin: comparison.margin,
            p_value: comparison.p_value,
        }
    }
}

impl CellNumbers {
    /// Where the claim puts it: the prediction with its margin, or a bound.
    pub fn claimed(&self) -> String {
        let (Some(prediction), Some([low, high])) = (self.prediction, self.margin) else {
            return match self.margin {
                Some(_) => self.range(self.margin),
                None => self.number(self.prediction),
            };
        };
        let margin = 0.5 * (high - low);
        let centred = (0.5 * low + 0.5 * high - prediction).abs() <= 1e-6 * margin;
        if margin >= UNBOUNDED || !centred {
            self.range(self.margin)
        } else if margin == 0.0 {
            format!("= {}", self.number(self.prediction))
        } else {
            format!("{} ± {}", self.number(self.prediction), compact(margin, 2))
        }
    }

    /// What was found, and half the width of its interval where it has one.
    pub fn found(&self) -> String {
        let Some([low, high]) = self.interval else {
            return self.measured();
        };
        format!("{} ± {}", self.measured(), compact(0.5 * (high - low), 2))
    }

    /// What was found, with the digits that its interval leaves it.
    pub fn measured(&self) -> String {
        self.number(self.measured)
    }

    /// The interval of what was found.
    pub fn interval(&self) -> String {
        self.range(self.interval)
    }

    /// The p-value.
    pub fn p_value(&self) -> String {
        match self.p_value {
            Some(p) if (0.0..SMALLEST_P).contains(&p) => "< 10⁻³⁰⁰".into(),
            p => p.map_or_else(dash, |p| significant(p, 2)),
        }
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        let ranges = self.interval.is_some() || self.margin.is_some();
        self.prediction.is_none() && self.measured.is_none() && !ranges && self.p_value.is_none()
    }

    /// Half the width of the interval, or of the margin where the interval is a point.
    fn half_width(&self) -> f64 {
        let width = |range: Option<[f64; 2]>| {
            let [low, high] = range?;
            let half = (high - low) / 2.0;
            (half > 0.0 && half < UNBOUNDED).then_some(half)
        };
        width(self.interval)
            .or_else(|| width(self.margin))
            .unwrap_or(f64::NAN)
    }

    fn number(&self, v: Option<f64>) -> String {
        v.map_or_else(dash, |v| resolved(v, self.half_width()))
    }

    fn range(&self, range: Option<[f64; 2]>) -> String {
        let Some([low, high]) = range else {
            return dash();
        };
        let end = |v: f64| resolved(v, self.half_width());
        match (low <= -UNBOUNDED, high >= UNBOUNDED) {
            (true, true) => "any".into(),
            (true, false) => format!("≤ {}", end(high)),
            (false, true) => format!("≥ {}", end(low)),
            _ => format!("[{}, {}]", end(low), end(high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(interval: [f64; 2], margin: [f64; 2]) -> CellNumbers {
        CellNumbers {
            prediction: Some(-0.198_166_3),
            measured: Some(-0.198_171_2),
            interval: Some(interval),
            margin: Some(margin),
            p_value: Some(0.42),
        }
    }

    #[test]
    fn all_numbers_have_the_digits_of_the_interval() {
        let some = numbers([-0.1983, -0.1980], [-0.2, -0.19]);
        assert_eq!(some.claimed(), "[−0.2, −0.19]");
        assert_eq!(some.found(), "−0.198171 ± 1.5×10⁻⁴");
        assert_eq!(some.measured(), "−0.198171");
        assert_eq!(some.interval(), "[−0.1983, −0.198]");
        assert_eq!(some.p_value(), "0.42");
    }

    #[test]
    fn a_prediction_has_its_margin_and_a_bound_its_relation() {
        let margin = |low, high| numbers([0.1, 0.2], [low, high]).claimed();
        assert_eq!(margin(-0.208_166_3, -0.188_166_3), "−0.198 ± 0.01");
        assert_eq!(margin(-0.198_166_3, -0.198_166_3), "= −0.198");
        assert_eq!(margin(0.5, f64::INFINITY), "≥ 0.5");
        assert_eq!(margin(-f64::MAX, 0.25), "≤ 0.25");
        assert_eq!(margin(-f64::MAX, f64::MAX), "any");
        assert_eq!(margin(f64::NAN, 1.0), "[—, 1]");
    }

    #[test]
    fn tiny_p_values_are_bounds_and_none_is_a_dash() {
        let mut some = numbers([0.1, 0.2], [0.0, 1.0]);
        some.p_value = Some(0.0);
        assert_eq!(some.p_value(), "< 10⁻³⁰⁰");
        some.p_value = Some(1e-12);
        assert_eq!(some.p_value(), "1.0×10⁻¹²");
        let none = CellNumbers {
            prediction: None,
            measured: None,
            interval: None,
            margin: None,
            p_value: None,
        };
        assert!(none.is_empty() && !some.is_empty());
        assert_eq!(none.measured(), "—");
    }
}

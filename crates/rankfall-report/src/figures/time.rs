//! The time axis all figures of a run share: linear or logarithmic, as the run was saved.

use crate::axis::Scale;
use crate::plot::Side;

/// What every time axis measures.
const LABEL: &str = "time t = step size × step";
/// What that of a training run elsewhere measures.
pub const STEPS: &str = "step of training";
/// Share of the positive part of a logarithmic axis that t = 0 stands left of it.
const ZERO_GAP: f64 = 0.07;

/// How times become places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeAxis {
    /// t.
    Linear,
    /// log₁₀ t, with t = 0 at a place of its own.
    Logarithmic {
        /// Where t = 0 stands.
        zero: f64,
    },
}

impl TimeAxis {
    /// Logarithmic where the saves are: where the middle save is nearer to the geometric than to
    /// the arithmetic middle of the run, and the run spans more than a decade.
    #[must_use]
    pub fn of(times: &[f64]) -> Self {
        let positive: Vec<f64> = times
            .iter()
            .copied()
            .filter(|t| *t > 0.0 && t.is_finite())
            .collect();
        let (Some(first), Some(last)) = (positive.first(), positive.last()) else {
            return Self::Linear;
        };
        let middle = positive[positive.len() / 2].ln();
        let (geometric, arithmetic) = (
            (first.ln() + last.ln()) / 2.0,
            (first / 2.0 + last / 2.0).ln(),
        );
        let nearer = (middle - geometric).abs() < (middle - arithmetic).abs();
        if positive.len() >= 4 && last / first > 10.0 && nearer {
            let (low, high) = (first.log10(), last.log10());
            return Self::Logarithmic {
                zero: low - ZERO_GAP * (high - low),
            };
        }
        Self::Linear
    }

    /// The place of time t.
    #[must_use]
    pub fn place(self, t: f64) -> Option<f64> {
        match self {
            Self::Linear => Scale::Linear.place(t),
            Self::Logarithmic { zero } if t == 0.0 => Some(zero),
            Self::Logarithmic { .. } => Scale::Decades.place(t),
        }
    }

    /// Whether a curve has to be broken after time t.
    #[must_use]
    pub fn breaks_after(self, t: f64) -> bool {
        matches!(self, Self::Logarithmic { .. }) && t == 0.0
    }

    /// The horizontal side of a plot over time.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::Linear => Side {
                start: Some(0.0),
                ..Side::new(Scale::Linear, LABEL)
            },
            Self::Logarithmic { zero } => Side {
                start: Some(zero),
                ..Side::new(Scale::Decades, LABEL)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saves_decide_the_scale() {
        let linear: Vec<f64> = (0..=200).map(|i| f64::from(i) * 2.5).collect();
        assert_eq!(TimeAxis::of(&linear), TimeAxis::Linear);
        let mut log: Vec<f64> = (0..100)
            .map(|i| 0.01 * 1e6f64.powf(f64::from(i) / 99.0))
            .collect();
        log.insert(0, 0.0);
        assert!(matches!(TimeAxis::of(&log), TimeAxis::Logarithmic { .. }));
        for few in [&[][..], &[0.0], &[0.0, 1.0], &[0.0, 1.0, 100.0]] {
            assert_eq!(TimeAxis::of(few), TimeAxis::Linear);
        }
    }

    #[test]
    fn zero_has_a_place_left_of_all_others() {
        let axis = TimeAxis::of(&[0.0, 0.01, 0.1, 1.0, 10.0, 100.0]);
        let zero = axis.place(0.0).expect("a place");
        assert!(zero < -2.0 && axis.place(0.01) == Some(-2.0));
        assert!(axis.breaks_after(0.0) && !axis.breaks_after(0.01));
        assert_eq!(axis.place(f64::INFINITY), None);
    }
}

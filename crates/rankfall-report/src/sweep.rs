//! What a sweep found: every metric at every point of a grid of settings.

use serde::{Deserialize, Serialize};

/// The results of one dynamics over a full grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepTable {
    /// What was varied, in the order it was given.
    pub axes: Vec<SweepAxis>,
    /// What was measured.
    pub metrics: Vec<SweepMetric>,
    /// Over how many seeds every number is a mean; `None` where each is of one seed.
    pub seeds: Option<u64>,
    /// What figures say below their panels: what the numbers of a setting without numbers stand
    /// for.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A setting that was varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepAxis {
    /// The key of the experiment file, as in `dynamics.0.step_size`.
    pub name: String,
    /// What axes and legends call it: a symbol or a few words.
    pub label: String,
    /// Its values, in the order of the grid.
    pub values: Vec<f64>,
    /// Whether it is drawn on a logarithmic axis. Values that have no place there, or do not rise
    /// or fall strictly, are drawn side by side.
    pub log: bool,
}

/// A number that was measured at every point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepMetric {
    /// A short name without blanks.
    pub name: String,
    /// What axes and titles call it.
    pub label: String,
    /// Whether it is drawn on a logarithmic scale.
    pub log: bool,
    /// One number per point, the last axis running fastest: with axes of n₀, n₁ and n₂ values,
    /// point (i₀, i₁, i₂) is at (i₀ n₁ + i₁) n₂ + i₂. `None` where every trajectory diverged.
    pub values: Vec<Option<f64>>,
    /// The standard error of each value: over seeds where the table has several, else over the
    /// trajectories of the point; `None` where there is none, empty where none is known.
    pub std_error: Vec<Option<f64>>,
    /// What theory says at the same points, where it says anything.
    pub prediction: Option<Vec<Option<f64>>>,
}

impl SweepTable {
    /// How many points the grid has; without axes 1, or 0 where nothing was measured.
    #[must_use]
    pub fn points(&self) -> usize {
        if self.axes.is_empty() {
            return usize::from(self.metrics.iter().any(|m| !m.values.is_empty()));
        }
        let lengths = self.axes.iter().map(|axis| axis.values.len());
        lengths.fold(1, usize::saturating_mul)
    }

    /// Where the point with these indices, one per axis, lies in the lists of numbers; `None`
    /// outside the grid.
    #[must_use]
    pub fn position(&self, indices: &[usize]) -> Option<usize> {
        if indices.len() != self.axes.len() || indices.is_empty() {
            return None;
        }
        let mut at = 0_usize;
        for (i, axis) in indices.iter().zip(&self.axes) {
            let count = axis.values.len();
            if *i >= count {
                return None;
            }
            at = at.checked_mul(count)?.checked_add(*i)?;
        }
        Some(at)
    }

    /// The value of every axis at the point that lies at `at` in the lists; `None` outside the
    /// grid.
    #[must_use]
    pub fn setting(&self, at: usize) -> Option<Vec<f64>> {
        if at >= self.points() {
            return None;
        }
        let mut rest = at;
        let mut setting = Vec::new();
        for axis in self.axes.iter().rev() {
            setting.push(*axis.values.get(rest % axis.values.len())?);
            rest /= axis.values.len();
        }
        setting.reverse();
        Some(setting)
    }
}

impl SweepMetric {
    /// The number at a position; `None` where there is none or it is not finite.
    #[must_use]
    pub fn value(&self, at: usize) -> Option<f64> {
        finite(&self.values, at)
    }

    /// The standard error at a position.
    #[must_use]
    pub fn error(&self, at: usize) -> Option<f64> {
        finite(&self.std_error, at)
    }

    /// What theory says at a position.
    #[must_use]
    pub fn predicted(&self, at: usize) -> Option<f64> {
        finite(self.prediction.as_ref()?, at)
    }
}

fn finite(values: &[Option<f64>], at: usize) -> Option<f64> {
    values.get(at).copied().flatten().filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[f64]) -> SweepAxis {
        SweepAxis {
            name: "a".into(),
            label: "a".into(),
            values: values.to_vec(),
            log: false,
        }
    }

    #[test]
    fn the_last_axis_runs_fastest() {
        let table = SweepTable {
            axes: vec![axis(&[1.0, 2.0]), axis(&[10.0, 20.0, 30.0])],
            ..SweepTable::default()
        };
        assert_eq!(table.points(), 6);
        assert_eq!(table.position(&[1, 0]), Some(3));
        assert_eq!(table.position(&[0, 2]), Some(2));
        for at in 0..6 {
            let setting = table.setting(at).expect("inside");
            assert_eq!(setting, [[1.0, 2.0][at / 3], [10.0, 20.0, 30.0][at % 3]]);
        }
    }

    #[test]
    fn what_lies_outside_is_none() {
        let table = SweepTable {
            axes: vec![axis(&[1.0]), axis(&[])],
            ..SweepTable::default()
        };
        assert_eq!((table.points(), table.setting(0)), (0, None));
        assert_eq!(table.position(&[0, 0]), None);
        assert_eq!(table.position(&[0]), None);
        assert_eq!(SweepTable::default().position(&[]), None);
        let metric = SweepMetric {
            name: String::new(),
            label: String::new(),
            log: false,
            values: vec![Some(f64::NAN), None, Some(1.0)],
            std_error: vec![None, None, Some(0.5)],
            prediction: None,
        };
        assert_eq!(
            (metric.value(0), metric.value(2), metric.value(9)),
            (None, Some(1.0), None)
        );
        assert_eq!(metric.predicted(0), None);
        assert_eq!((metric.error(0), metric.error(2)), (None, Some(0.5)));
        let alone = SweepTable {
            metrics: vec![metric],
            ..SweepTable::default()
        };
        assert_eq!((alone.points(), alone.setting(0)), (1, Some(vec![])));
    }
}

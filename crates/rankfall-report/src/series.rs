//! The rows of `series.parquet`, gathered into curves.

use std::collections::{BTreeMap, HashMap};

use crate::record::SeriesRow;

/// One observable of one dynamics over time. Entries of all lists belong together; undefined and
/// not finite values are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// t, ascending.
    pub times: Vec<f64>,
    /// Mean over the trajectories that survived.
    pub mean: Vec<Option<f64>>,
    /// Standard error of the mean.
    pub std_error: Vec<Option<f64>>,
    /// The 5 % quantile.
    pub q05: Vec<Option<f64>>,
    /// The lower quartile.
    pub q25: Vec<Option<f64>>,
    /// The median.
    pub q50: Vec<Option<f64>>,
    /// The upper quartile.
    pub q75: Vec<Option<f64>>,
    /// The 95 % quantile.
    pub q95: Vec<Option<f64>>,
    /// What theory says.
    pub law: Vec<Option<f64>>,
}

impl Curve {
    /// The median where there is one, else the mean.
    #[must_use]
    pub fn middle(&self) -> Vec<Option<f64>> {
        self.q50
            .iter()
            .zip(&self.mean)
            .map(|(median, mean)| median.or(*mean))
            .collect()
    }

    /// The mean at the last save.
    #[must_use]
    pub fn end(&self) -> Option<f64> {
        self.mean.last().copied().flatten()
    }

    /// The change of the mean since the first save.
    #[must_use]
    pub fn change(&self) -> Vec<Option<f64>> {
        let start = self.mean.first().copied().flatten();
        let change = |mean: &Option<f64>| Some((*mean)? - start?);
        self.mean.iter().map(change).collect()
    }

    /// The curve with `value` of time and value in the place of every value but standard errors.
    #[must_use]
    pub fn map(&self, value: impl Fn(f64, f64) -> Option<f64>) -> Self {
        let all = |values: &[Option<f64>]| {
            let values = self.times.iter().zip(values);
            values.map(|(t, v)| value(*t, (*v)?)).collect()
        };
        Self {
            times: self.times.clone(),
            mean: all(&self.mean),
            std_error: self.std_error.clone(),
            q05: all(&self.q05),
            q25: all(&self.q25),
            q50: all(&self.q50),
            q75: all(&self.q75),
            q95: all(&self.q95),
            law: all(&self.law),
        }
    }

    /// Whether no value of it is defined.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.mean.iter().chain(&self.q50).all(Option::is_none)
    }

    /// Whether a law is given at any time.
    #[must_use]
    pub fn has_law(&self) -> bool {
        self.law.iter().any(Option::is_some)
    }

    fn push(&mut self, row: &SeriesRow) {
        let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
        self.times.push(row.time);
        self.mean.push(finite(row.mean));
        self.std_error.push(finite(row.std_error));
        self.q05.push(finite(row.q05));
        self.q25.push(finite(row.q25));
        self.q50.push(finite(row.q50));
        self.q75.push(finite(row.q75));
        self.q95.push(finite(row.q95));
        self.law.push(finite(row.law));
    }
}

/// Which observable: its name, and its layer where it is of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservableKey<'a>(&'a str, Option<u32>);

impl<'a> From<&'a str> for ObservableKey<'a> {
    fn from(name: &'a str) -> Self {
        Self(name, None)
    }
}

impl<'a> From<(&'a str, u32)> for ObservableKey<'a> {
    fn from((name, layer): (&'a str, u32)) -> Self {
        Self(name, Some(layer))
    }
}

impl<'a> From<&'a (String, Option<u32>)> for ObservableKey<'a> {
    fn from((name, layer): &'a (String, Option<u32>)) -> Self {
        Self(name, *layer)
    }
}

/// The curves of one observable, by layer and index.
type Parts = HashMap<Option<u32>, BTreeMap<u32, Curve>>;

/// All curves of a run, by dynamics, observable, layer and index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesTable {
    curves: HashMap<String, HashMap<String, Parts>>,
}

impl SeriesTable {
    /// Gathers rows in any order; rows without a finite time are left out.
    #[must_use]
    pub fn from_rows(mut rows: Vec<SeriesRow>) -> Self {
        rows.retain(|row| row.time.is_finite());
        rows.sort_by(|a, b| a.time.total_cmp(&b.time));
        let mut table = Self::default();
        for row in &rows {
            let observables = table.curves.entry(row.dynamics.clone()).or_default();
            let layers = observables.entry(row.observable.clone()).or_default();
            let parts = layers.entry(row.layer).or_default();
            parts.entry(row.index).or_default().push(row);
        }
        table
    }

    /// The curve of one part of an observable; index 0 for scalars, from 1 for spectra.
    #[must_use]
    pub fn curve<'a>(
        &self,
        dynamics: &str,
        observable: impl Into<ObservableKey<'a>>,
        index: u32,
    ) -> Option<&Curve> {
        self.of(dynamics, observable.into())?.get(&index)
    }

    /// All parts of an observable with their indices, ascending.
    pub fn parts<'a>(
        &self,
        dynamics: &str,
        observable: impl Into<ObservableKey<'a>>,
    ) -> std::vec::IntoIter<(u32, &Curve)> {
        let parts = self.of(dynamics, observable.into()).into_iter().flatten();
        let parts: Vec<_> = parts.map(|(index, curve)| (*index, curve)).collect();
        parts.into_iter()
    }

    fn of(
        &self,
        dynamics: &str,
        ObservableKey(name, layer): ObservableKey<'_>,
    ) -> Option<&BTreeMap<u32, Curve>> {
        self.curves.get(dynamics)?.get(name)?.get(&layer)
    }

    /// Every time at which anything was saved, ascending, once.
    #[must_use]
    pub fn times(&self) -> Vec<f64> {
        let curves = self
            .curves
            .values()
            .flat_map(HashMap::values)
            .flat_map(HashMap::values)
            .flat_map(BTreeMap::values);
        let mut times: Vec<f64> = curves.flat_map(|c| c.times.iter().copied()).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(observable: &str, index: u32, time: f64, mean: f64) -> SeriesRow {
        SeriesRow {
            dynamics: "flow".into(),
            observable: observable.into(),
            index,
            time,
            mean: Some(mean),
            ..SeriesRow::default()
        }
    }

    #[test]
    fn rows_in_any_order_become_ordered_curves() {
        let rows = vec![
            row("loss", 0, 2.0, 0.2),
            row("s", 2, 0.0, 9.0),
            row("loss", 0, 0.0, 0.5),
            row("s", 1, 0.0, 8.0),
        ];
        let table = SeriesTable::from_rows(rows);
        let loss = table.curve("flow", "loss", 0).expect("there");
        assert_eq!(loss.times, [0.0, 2.0]);
        assert_eq!(loss.middle(), [Some(0.5), Some(0.2)]);
        assert_eq!(
            table.parts("flow", "s").map(|(i, _)| i).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(table.times(), [0.0, 2.0]);
    }

    #[test]
    fn what_is_not_finite_is_undefined() {
        let rows = vec![
            row("loss", 0, f64::NAN, 1.0),
            row("loss", 0, 0.0, f64::INFINITY),
        ];
        let table = SeriesTable::from_rows(rows);
        let loss = table.curve("flow", "loss", 0).expect("there");
        assert_eq!(loss.times, [0.0]);
        assert!(loss.is_blank() && !loss.has_law());
    }

    #[test]
    fn change_starts_at_zero_and_keeps_gaps() {
        let curve = Curve {
            times: vec![0.0, 1.0, 2.0],
            mean: vec![Some(3.0), None, Some(1.0)],
            ..Curve::default()
        };
        assert_eq!(curve.change(), [Some(0.0), None, Some(-2.0)]);
        assert!(Curve::default().change().is_empty());
    }

    #[test]
    fn what_is_missing_is_none() {
        let table = SeriesTable::default();
        assert!(table.curve("flow", "loss", 0).is_none());
        assert_eq!(table.parts("flow", "loss").count(), 0);
        assert!(table.times().is_empty());
    }
}

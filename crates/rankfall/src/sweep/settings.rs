//! The settings of a sweep: its points, with those that differ in their seed alone taken together.

use super::metrics::MetricRow;
use super::plan::SweepPlan;
use super::schedule::UnitRows;
use crate::experiment::sweep::{Design, SweepAxisSpec};

/// The key whose values are averaged over.
pub const SEED: &str = "run.seed";

/// A number of one setting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// Mean over the seeds that have it; with one seed, over its trajectories.
    pub value: Option<f64>,
    /// Its standard error, over seeds where there are several, else over trajectories.
    pub std_error: Option<f64>,
    /// What theory says: the mean over the same seeds, each of which may have data of its own.
    pub prediction: Option<f64>,
}

/// Settings in the order of a grid without the axis of the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct GridSettings {
    /// The points of each setting, one per seed, in order.
    pub members: Vec<Vec<usize>>,
    /// How many seeds each has, where a grid varies `run.seed`.
    pub seeds: Option<u64>,
}

impl GridSettings {
    /// Those of a plan. Only a grid has several seeds at one setting.
    pub fn of(plan: &SweepPlan) -> Self {
        let lengths = plan
            .spec
            .axes
            .iter()
            .map(|a| a.values().map_or(1, |v| v.len()));
        let lengths: Vec<usize> = lengths.collect();
        let varies = |at: &usize| plan.spec.design == Design::Grid && lengths[*at] > 1;
        let position = plan.spec.axes.iter().position(|axis| axis.key == SEED);
        let Some(position) = position.filter(varies) else {
            return GridSettings {
                members: (0..plan.points.len()).map(|point| vec![point]).collect(),
                seeds: None,
            };
        };
        let seeds = lengths[position];
        // The last axis varies fastest: points of neighbouring seeds are this far from each other.
        let stride: usize = lengths[position + 1..].iter().product();
        let firsts = (0..plan.points.len()).filter(|point| (point / stride).is_multiple_of(seeds));
        let of_setting = |first: usize| (0..seeds).map(|seed| first + seed * stride).collect();
        GridSettings {
            members: firsts.map(of_setting).collect(),
            seeds: Some(seeds as u64),
        }
    }

    /// The axes that are left: all but that of the seeds.
    pub fn axes<'p>(&self, plan: &'p SweepPlan) -> Vec<&'p SweepAxisSpec> {
        let averaged = self.seeds.is_some();
        let axes = plan.spec.axes.iter();
        axes.filter(|axis| !(averaged && axis.key == SEED))
            .collect()
    }

    /// A number of each setting, from the row that `find` picks of those of a point.
    pub fn means(
        &self,
        rows: &UnitRows,
        dynamics: u32,
        find: impl Fn(&[MetricRow]) -> Option<&MetricRow>,
    ) -> Vec<Mean> {
        let row = |point: &usize| find(rows.get(&(*point as u64, dynamics))?);
        let mean = |points: &Vec<usize>| {
            let found: Vec<&MetricRow> = points.iter().filter_map(row).collect();
            match (self.seeds, &found[..]) {
                (None, [one, ..]) => Mean {
                    value: one.value,
                    std_error: one.std_error,
                    prediction: one.prediction,
                },
                _ => over_seeds(&found),
            }
        };
        self.members.iter().map(mean).collect()
    }
}

/// Mean, and the standard error that the spread of the seeds gives it.
fn over_seeds(rows: &[&MetricRow]) -> Mean {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.value).collect();
    let predictions: Vec<f64> = rows.iter().filter_map(|row| row.prediction).collect();
    let value = mean(&values);
    let count = values.len() as f64;
    let std_error = value.filter(|_| values.len() > 1).map(|mean| {
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        (squares / (count - 1.0) / count).sqrt()
    });
    Mean {
        value,
        std_error,
        prediction: mean(&predictions),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::sweep::SweepOptions;
    use crate::experiment::tree;
    use crate::sweep::metrics::Metric;
    use std::path::Path;

    const BASE: &str = "name = \"s\"\n[data]\nkind = \"gaussian\"\nsamples = 10\ninputs = 3\n\
        outputs = 2\n[network]\nwidth = 5\n[[dynamics]]\nkind = \"sgd\"\n[run]\ntime = 1\n";

    fn plan(over: &[&str]) -> SweepPlan {
        let given = SweepOptions {
            over: over.iter().map(|s| (*s).to_owned()).collect(),
            ..SweepOptions::default()
        };
        SweepPlan::new(&tree(BASE, &[]).unwrap(), "s.toml", Path::new("/"), &given).unwrap()
    }

    fn loss(value: Option<f64>) -> Vec<MetricRow> {
        vec![MetricRow {
            metric: Metric::Loss,
            index: 0,
            value,
            std_error: Some(9.0),
            prediction: value.map(|x| 10.0 * x),
        }]
    }

    #[test]
    fn points_that_differ_in_their_seed_are_one_setting() {
        let (width, seed, noise) = (
            "network.width=5,6",
            "run.seed=1,2,3",
            "dynamics.0.label_noise=0.5,1",
        );
        let middle = GridSettings::of(&plan(&[width, seed, noise]));
        assert_eq!(middle.seeds, Some(3));
        let expected = [[0, 2, 4], [1, 3, 5], [6, 8, 10], [7, 9, 11]];
        assert_eq!(middle.members, expected.map(Vec::from));
        let first = GridSettings::of(&plan(&[seed, width]));
        assert_eq!(first.members, [[0, 2, 4], [1, 3, 5]].map(Vec::from));
        for over in [&[width][..], &[width, "run.seed=7"]] {
            let without = GridSettings::of(&plan(over));
            assert_eq!((without.members.len(), without.seeds), (2, None));
        }
    }

    #[test]
    fn means_and_standard_errors_are_those_of_the_seeds() {
        let plan = plan(&["network.width=5,6", "run.seed=1,2,3,4"]);
        // 1, 2, 4, 9: mean 4, squared deviations 9 + 4 + 0 + 25 = 38, so that the standard error is
        // √(38 / 3 / 4) = 1.779513042…. The other setting has 3 and 5 left: mean 4, standard error
        // 1.
        let values = [1.0, 2.0, 4.0, 9.0].map(Some).into_iter();
        let values = values.chain([None, Some(3.0), None, Some(5.0)]);
        let rows: UnitRows = (0_u64..).map(|p| (p, 0)).zip(values.map(loss)).collect();
        let means = GridSettings::of(&plan).means(&rows, 0, |rows| rows.first());
        assert_eq!(means[0].value, Some(4.0));
        assert!((means[0].std_error.unwrap() - 1.779_513_042_005_219).abs() < 1e-15);
        assert_eq!(means[0].prediction, Some(40.0));
        let other = Mean {
            value: Some(4.0),
            std_error: Some(1.0),
            prediction: Some(40.0),
        };
        assert_eq!(means[1], other);
    }

    #[test]
    fn one_seed_keeps_the_error_over_its_trajectories() {
        let plan = plan(&["network.width=5,6"]);
        let rows: UnitRows = [((0, 0), loss(Some(1.5))), ((1, 0), loss(None))].into();
        let means = GridSettings::of(&plan).means(&rows, 0, |rows| rows.first());
        assert_eq!((means[0].value, means[0].std_error), (Some(1.5), Some(9.0)));
        assert_eq!(means[1].value, None);
    }
}

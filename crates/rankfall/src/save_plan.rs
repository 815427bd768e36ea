//! When a run saves: the steps nearest to linearly or logarithmically spaced times.

use serde::{Deserialize, Serialize};

/// How many times to save, and how they are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavePlan {
    /// Save times wanted, besides t = 0 which is always saved.
    pub points: u64,
    /// Their spacing.
    pub spacing: Spacing,
}

/// Spacing of save times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spacing {
    /// Equal differences, from 0 to the end.
    #[default]
    Linear,
    /// Equal ratios, from the first step to the end.
    Log,
}

/// N = ⌈time / step⌉, at least 1; `None` beyond 2⁵³, where steps could no longer be told apart.
///
/// A quotient within 10⁻⁹ (relative) of a whole number is that number: 500 / 0.01 is 50 000
/// although neither division nor 0.01 is exact.
pub fn step_count(time: f64, step: f64) -> Option<u64> {
    let quotient = time / step;
    let nearest = quotient.round();
    let is_whole = (quotient - nearest).abs() <= 1e-9 * nearest;
    let count = if is_whole { nearest } else { quotient.ceil() };
    (count <= (1_u64 << 53) as f64).then(|| (count as u64).max(1))
}

/// The steps at which to save, ascending and distinct: 0 first, the last step N last.
///
/// Each wanted time becomes the nearest step of length `step`. `first_time` is where logarithmic
/// spacing starts: the longest step among the dynamics of a run, so that all share their times.
/// With fewer steps than points, every step is saved once. `None` if there are too many steps.
pub fn save_steps(plan: &SavePlan, time: f64, step: f64, first_time: f64) -> Option<Vec<u64>> {
    let last = step_count(time, step)?;
    let mut steps = vec![0];
    for i in 1..plan.points {
        let wanted = (wanted_time(plan, i, time, first_time) / step).round();
        let wanted = (wanted as u64).clamp(1, last);
        if steps.last() != Some(&wanted) {
            steps.push(wanted);
        }
    }
    if steps.last() != Some(&last) {
        steps.push(last);
    }
    Some(steps)
}

/// The time of the i-th point, i from 1 to `points` − 1; the last point is the end itself.
fn wanted_time(plan: &SavePlan, i: u64, time: f64, first_time: f64) -> f64 {
    match plan.spacing {
        Spacing::Linear => time * (i as f64 / plan.points as f64),
        Spacing::Log => {
            let first = first_time.min(time);
            let fraction = (i - 1) as f64 / (plan.points - 1) as f64;
            first * libm::pow(time / first, fraction)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn plan(points: u64, spacing: Spacing) -> SavePlan {
        SavePlan { points, spacing }
    }

    #[test]
    fn a_quotient_near_a_whole_number_is_that_number() {
        assert_eq!(step_count(500.0, 0.01), Some(50_000));
        assert_eq!(step_count(0.3, 0.1), Some(3)); // 0.3/0.1 = 2.999…96
        assert_eq!(step_count(0.7, 0.1), Some(7)); // 0.7/0.1 = 6.999…99
        assert_eq!(step_count(0.1 + 0.2, 0.1), Some(3)); // 3.000…04, whose ceiling is 4
        assert_eq!(step_count(1.0, 0.3), Some(4));
        assert_eq!(step_count(1.0 + 1e-6, 1.0), Some(2));
        assert_eq!(step_count(1e-3, 1.0), Some(1));
        assert_eq!(step_count(1e-300, 1e300), Some(1));
        assert_eq!(step_count(1e300, 1e-300), None);
    }

    #[test]
    fn linear_points_are_equally_spaced() {
        let steps = save_steps(&plan(5, Spacing::Linear), 10.0, 0.1, 0.1);
        assert_eq!(steps, Some(vec![0, 20, 40, 60, 80, 100]));
    }

    #[test]
    fn logarithmic_points_have_equal_ratios() {
        let steps = save_steps(&plan(4, Spacing::Log), 1000.0, 1.0, 1.0);
        assert_eq!(steps, Some(vec![0, 1, 10, 100, 1000]));
    }

    #[test]
    fn points_of_two_step_sizes_fall_on_the_same_times() {
        let plan = plan(40, Spacing::Log);
        let coarse = save_steps(&plan, 100.0, 0.1, 0.1).unwrap();
        let fine = save_steps(&plan, 100.0, 0.01, 0.1).unwrap();
        let gap = |c: &u64| fine.iter().map(|f| f.abs_diff(c * 10)).min().unwrap();
        assert!(coarse.iter().all(|c| gap(c) <= 5));
    }

    #[test]
    fn more_points_than_steps_save_every_step() {
        let steps = save_steps(&plan(200, Spacing::Linear), 3.0, 1.0, 1.0);
        assert_eq!(steps, Some(vec![0, 1, 2, 3]));
        let steps = save_steps(&plan(200, Spacing::Log), 3.0, 1.0, 1.0);
        assert_eq!(steps, Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn one_point_is_the_end() {
        for spacing in [Spacing::Linear, Spacing::Log] {
            let steps = save_steps(&plan(1, spacing), 1.0, 0.1, 0.1);
            assert_eq!(steps, Some(vec![0, 10]));
        }
    }

    proptest! {
        #[test]
        fn steps_ascend_from_0_to_the_last(
            points in 1_u64..400, log in any::<bool>(),
            time in 1e-6_f64..1e6, steps in 0.01_f64..1e6, first in 0.5_f64..100.0,
        ) {
            let step = time / steps;
            let spacing = if log { Spacing::Log } else { Spacing::Linear };
            let saved = save_steps(&plan(points, spacing), time, step, first * step).unwrap();
            prop_assert_eq!(saved[0], 0);
            prop_assert_eq!(saved.last().copied(), step_count(time, step));
            prop_assert!(saved.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(saved.len() as u64 <= points + 1);
        }

        #[test]
        fn the_last_step_is_the_first_at_or_after_the_end(
            time in 1e-3_f64..1e3, step in 1e-3_f64..1e3,
        ) {
            let last = step_count(time, step).unwrap() as f64;
            prop_assert!(last * step >= time * (1.0 - 1e-8));
            prop_assert!((last - 1.0) * step < time * (1.0 + 1e-8));
        }
    }
}

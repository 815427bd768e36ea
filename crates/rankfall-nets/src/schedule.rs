//! How the step size changes over a run: ηₘ = η · factor(m). Time is t = Σ ηₘ.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A linear warm-up, then a shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateSchedule {
    /// Over this many first steps the factor rises in equal parts, step m having (m + 1)/warm_up
    /// of what the shape says.
    #[serde(default)]
    pub warm_up: u64,
    /// What follows.
    #[serde(default)]
    pub shape: Shape,
}

/// The factor as a function of the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Shape {
    /// 1.
    #[default]
    Constant,
    /// 1 until the first of `steps`, then `factors` one after the other, each from its step on.
    Piecewise {
        /// Rising.
        steps: Vec<u64>,
        /// As many.
        factors: Vec<f64>,
    },
    /// From 1 to `last` along half a cosine over `steps`.
    Cosine {
        /// Its length; the run may be no longer.
        steps: u64,
        /// The factor at its end.
        #[serde(default)]
        last: f64,
    },
}

/// A schedule that cannot be followed.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ScheduleError {
    /// Lists of different length, or steps out of order.
    #[error(
        "a piecewise schedule needs rising steps and one factor for each, not {steps:?} and {factors:?}"
    )]
    Pieces {
        /// As given.
        steps: Vec<u64>,
        /// As given.
        factors: Vec<f64>,
    },
    /// A factor that is negative or not finite.
    #[error("a factor of the step size must be a finite number, zero or more; {0} is not")]
    Factor(f64),
    /// A cosine that is over before the run.
    #[error("the cosine ends at step {schedule}, but the run has {run} steps; give steps = {run}")]
    EndsEarly {
        /// Its length.
        schedule: u64,
        /// The run's.
        run: u64,
    },
    /// Part of the schedule lies beyond the run.
    #[error("the schedule reaches to step {schedule}, but the run ends at step {run}")]
    EndsLate {
        /// Where it would change.
        schedule: u64,
        /// The run's length.
        run: u64,
    },
}

impl RateSchedule {
    /// Whether a run of `steps` can follow it.
    pub fn check(&self, steps: u64) -> Result<(), ScheduleError> {
        let factor = |&f: &f64| match f.is_finite() && f >= 0.0 {
            true => Ok(()),
            false => Err(ScheduleError::Factor(f)),
        };
        let run = steps;
        let late = |schedule| match schedule > run {
            true => Err(ScheduleError::EndsLate { schedule, run }),
            false => Ok(()),
        };
        late(self.warm_up)?;
        match &self.shape {
            Shape::Constant => Ok(()),
            Shape::Piecewise { steps, factors } => {
                if steps.len() != factors.len() || !steps.is_sorted_by(|a, b| a < b) {
                    let (steps, factors) = (steps.clone(), factors.clone());
                    return Err(ScheduleError::Pieces { steps, factors });
                }
                factors.iter().try_for_each(factor)?;
                late(steps.last().copied().unwrap_or(0))
            }
            Shape::Cosine { steps, last } => {
                factor(last)?;
                match *steps < run {
                    true => Err(ScheduleError::EndsEarly {
                        schedule: *steps,
                        run,
                    }),
                    false => Ok(()),
                }
            }
        }
    }

    /// The step m ≤ `steps` whose time t = Σ η, from step sizes that begin with `step_size`, is
    /// nearest to `time`.
    pub fn step_at(&self, step_size: f64, time: f64, steps: u64) -> u64 {
        if *self == Self::default() {
            // Casting saturates.
            return ((time / step_size).round() as u64).min(steps);
        }
        let mut reached = 0.0;
        for step in 0..steps {
            let rate = step_size * self.factor(step);
            if reached + 0.5 * rate > time {
                return step;
            }
            reached += rate;
        }
        steps
    }

    /// The factor of step m = 0, 1, …
    pub fn factor(&self, step: u64) -> f64 {
        let shape = match &self.shape {
            Shape::Constant => 1.0,
            Shape::Piecewise { steps, factors } => {
                match steps.partition_point(|&s| s <= step).checked_sub(1) {
                    None => 1.0,
                    Some(piece) => factors[piece],
                }
            }
            Shape::Cosine { steps, last } => {
                let share = step as f64 / (*steps).max(1) as f64;
                last + (1.0 - last) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * share))
            }
        };
        if step < self.warm_up {
            shape * ((step + 1) as f64 / self.warm_up as f64)
        } else {
            shape
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: &RateSchedule, steps: &[u64]) -> Vec<f64> {
        steps.iter().map(|&s| schedule.factor(s)).collect()
    }

    #[test]
    fn factors_by_hand() {
        assert_eq!(factors(&RateSchedule::default(), &[0, 9]), [1.0, 1.0]);
        let piecewise = RateSchedule {
            warm_up: 4,
            shape: Shape::Piecewise {
                steps: vec![5, 8],
                factors: vec![0.5, 0.25],
            },
        };
        let expected = [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25];
        assert_eq!(
            factors(&piecewise, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 99]),
            expected
        );
        let cosine = RateSchedule {
            warm_up: 0,
            shape: Shape::Cosine {
                steps: 8,
                last: 0.2,
            },
        };
        for (step, expected) in [(0, 1.0), (4, 0.6), (8, 0.2)] {
            assert!((cosine.factor(step) - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn times_are_those_of_the_nearest_step() {
        let at = |schedule: &RateSchedule, time| schedule.step_at(0.5, time, 10);
        let constant = RateSchedule::default();
        let found = [0.0, 0.9, 1.3, 99.0, f64::MAX].map(|time| at(&constant, time));
        assert_eq!(found, [0, 2, 3, 10, 10]);
        // Times 0, ½, 1, 1¼, 1½, …
        let halved = RateSchedule {
            warm_up: 0,
            shape: Shape::Piecewise {
                steps: vec![2],
                factors: vec![0.5],
            },
        };
        let found = [0.0, 0.9, 1.3, 99.0].map(|time| at(&halved, time));
        assert_eq!(found, [0, 2, 3, 10]);
    }

    #[test]
    fn schedules_that_do_not_fit_the_run_are_refused() {
        let shape = |shape| RateSchedule { warm_up: 0, shape };
        let cosine = shape(Shape::Cosine {
            steps: 99,
            last: 0.0,
        });
        let message = cosine.check(100).expect_err("99 < 100").to_string();
        assert_eq!(
            message,
            "the cosine ends at step 99, but the run has 100 steps; give steps = 100"
        );
        assert_eq!(cosine.check(99), Ok(()));
        let warm = RateSchedule {
            warm_up: 102,
            shape: Shape::Constant,
        };
        let pieces = |steps: &[u64], factors: &[f64]| {
            let (steps, factors) = (steps.to_vec(), factors.to_vec());
            shape(Shape::Piecewise { steps, factors }).check(100)
        };
        assert_eq!(pieces(&[10, 50], &[0.1, 0.01]), Ok(()));
        for (found, wrong) in [
            (pieces(&[50, 50], &[0.1, 0.01]), "rising steps"),
            (pieces(&[50], &[]), "one factor for each"),
            (pieces(&[50], &[-1.0]), "zero or more; -1 is not"),
            (pieces(&[101], &[0.1]), "reaches to step 101"),
            (warm.check(100), "reaches to step 102"),
        ] {
            let message = found.expect_err(wrong).to_string();
            assert!(message.contains(wrong), "{message}");
        }
    }
}

//! Where the fall of log det M of a descent went: the sums, along each path, of the parts of its
//! conditional mean, and the martingale that is left.
//!
//! At every step, the parts of [`mean`] are exact and so is what the step did, 2 log|det(I −
//! η′²GᵀG)| and weight decay: the martingale is the sum of their differences, and parts and
//! martingale add up to the change of log det M to rounding. On a grid the parts that depend on the
//! weights are summed by the trapezoidal rule, and the martingale is what is left. The grid is
//! dense at first, where residuals are large and fall fast: after s steps the next point is s/32
//! steps away, and at most its stride. Where a point takes many steps' time, as it does of
//! mini-batches under a loss of classes, for which it goes through all rows, both are wider unless
//! the stride is given.
//!
//! Its error is told from the difference to twice the spacing, taken pair of intervals by pair:
//! max(√(Σ difference² · 4/3), |Σ difference|/3). For points independent of each other the first is
//! the standard deviation of the sum (for integrands that move like Brownian motion it is twice
//! that); for smooth ones the second is the error.
//!
//! A save looks at the account without adding a point, so that the grid is the same whenever it is
//! looked at.

pub mod class_rows;
pub mod label_law;
pub mod mean;
pub mod step_log_det;

use serde::{Deserialize, Serialize};

use crate::measure::account::mean::{StepMean, WeightTerms};
use crate::simd::lanes::Lanes;
use crate::step::stepper::BlockStepper;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// At which steps the parts are worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountGrid {
    /// At every one; the martingale is then summed by itself.
    EveryStep,
    /// So many steps apart at most; at least 1.
    Stride(u64),
    /// [`STRIDE`] steps apart at most, or so many that points take a tenth of the time in the end.
    Auto,
}

/// Steps between two points where nothing else is asked for.
pub const STRIDE: u64 = 64;

/// How far apart points are.
#[derive(Clone, Copy)]
struct Spacing {
    /// At most so many steps.
    stride: u64,
    /// At most this share of the steps so far: its inverse.
    density: u64,
}

impl Spacing {
    /// None for every step. A stride that shares a factor with the steps of an epoch is lengthened,
    /// as its points would be at some places of the epochs only.
    fn of(grid: AccountGrid, cost_of_point: f64, steps_per_epoch: u64) -> Option<Self> {
        let (stride, density) = match grid {
            AccountGrid::EveryStep => return None,
            AccountGrid::Stride(stride) => (stride, DENSITY),
            AccountGrid::Auto => (
                STRIDE.max((10.0 * cost_of_point) as u64),
                if cost_of_point > DEAR {
                    LEAST_DENSITY
                } else {
                    DENSITY
                },
            ),
        };
        Some(Self {
            stride: coprime_from(stride, steps_per_epoch),
            density,
        })
    }

    /// The step of the first point after that of `step`.
    fn after(&self, step: u64) -> u64 {
        step + (step / self.density).clamp(1, self.stride.max(1))
    }
}

/// The sums of N trajectories.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account<const N: usize> {
    /// log det M at the start.
    initial: Lanes<N>,
    /// Of the parts that depend on the weights, up to the last point.
    sums: WeightTerms<N>,
    /// Σ (what a step did − the parts of its mean), where every step is a point.
    martingale: Lanes<N>,
    /// The last point of the grid, and the one before it where it is the middle of a pair.
    last: Option<Point<N>>,
    before: Option<Point<N>>,
    /// Σ difference and Σ difference² of the sums with twice the spacing.
    difference: Lanes<N>,
    difference_squares: Lanes<N>,
    /// How often the parts were worked out.
    points: u64,
}

/// A point of the grid.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Point<const N: usize> {
    step: u64,
    parts: WeightTerms<N>,
}

/// What it takes to go on with an account: rebuilt, not kept.
pub struct AccountWork<const N: usize> {
    mean: StepMean<N>,
    /// None where every step is a point.
    spacing: Option<Spacing>,
}

impl<const N: usize> AccountWork<N> {
    /// Of this mean, at points of this grid.
    pub fn new(mean: StepMean<N>, grid: AccountGrid) -> Self {
        let spacing = Spacing::of(grid, mean.cost_of_point, mean.steps_per_epoch());
        Self { mean, spacing }
    }
}

/// The least number from `first` on, and at least 1, that shares no factor with `other`.
fn coprime_from(first: u64, other: u64) -> u64 {
    let shares = |number: u64| {
        let (mut a, mut b) = (number, other);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a > 1
    };
    (first.max(1)..=u64::MAX)
        .find(|&number| !shares(number))
        .unwrap_or(1)
}

/// 1/32 of the steps so far is the distance to the next point, where that is less than the stride.
const DENSITY: u64 = 32;
/// The same where a point takes more than [`DEAR`] steps' time.
const LEAST_DENSITY: u64 = 8;
const DEAR: f64 = 4.0;

impl<const N: usize> Account<N> {
    /// Nothing yet, of a run that starts with this log det M.
    pub fn new(initial: Lanes<N>) -> Self {
        Self {
            initial,
            sums: [Lanes::ZERO; 3],
            martingale: Lanes::ZERO,
            last: None,
            before: None,
            difference: Lanes::ZERO,
            difference_squares: Lanes::ZERO,
            points: 0,
        }
    }

    /// Takes `steps` steps, with the account of them.
    pub fn advance(
        &mut self,
        work: &mut AccountWork<N>,
        stepper: &mut BlockStepper<N>,
        state: &mut State<N>,
        problem: &LaneProblem<N>,
        steps: u64,
    ) {
        let end = state.step + steps;
        while state.step < end {
            match work.spacing {
                None => {
                    work.mean.take_orders_of(stepper.increments());
                    let parts = self.look(work, state, problem);
                    let fixed = work.mean.fixed(state.step);
                    stepper.advance(state, problem, 1);
                    let done = work.mean.realised(stepper.increment());
                    self.add_step(&parts, done - fixed);
                }
                Some(spacing) => {
                    let next = self.last.map_or(0, |last| spacing.after(last.step));
                    if next == state.step {
                        work.mean.take_orders_of(stepper.increments());
                        let parts = self.look(work, state, problem);
                        self.add_point(Point { step: next, parts });
                    } else {
                        stepper.advance(state, problem, next.min(end) - state.step);
                    }
                }
            }
        }
    }

    /// Appends everything of the account at a state with this log det M, in the order of
    /// [`Layout`](crate::measure::layout::Layout).
    pub fn record(
        &mut self,
        work: &mut AccountWork<N>,
        state: &State<N>,
        problem: &LaneProblem<N>,
        log_det: Lanes<N>,
        out: &mut Vec<Lanes<N>>,
    ) {
        let mut sums = self.sums;
        if let Some(last) = self.last.filter(|last| last.step < state.step) {
            let parts = self.look(work, state, problem);
            let now = Point {
                step: state.step,
                parts,
            };
            add_interval(&mut sums, &last, &now);
        }
        // Zero, or NaN without full row rank: there is no determinant to account for then.
        let defined = self.initial * Lanes::ZERO;
        let [full, rows, higher] = sums;
        let [labels, decay] = work.mean.fixed_before(state.step);
        let parts = [full, labels, rows, decay, higher];
        let mut left = log_det - self.initial;
        for &part in &parts {
            left -= part;
        }
        out.extend(parts.map(|part| part + defined));
        match work.spacing {
            None => {
                out.extend([self.martingale, left - self.martingale, Lanes::ZERO]);
            }
            Some(_) => {
                let third = Lanes::splat(1.0 / 3.0);
                let error = (self.difference_squares * Lanes::splat(4.0) * third)
                    .sqrt()
                    .max(self.difference.abs() * third);
                out.extend([left, Lanes::splat(f64::NAN), error]);
            }
        }
    }

    /// The parts of the step to come.
    fn look(
        &mut self,
        work: &mut AccountWork<N>,
        state: &State<N>,
        problem: &LaneProblem<N>,
    ) -> WeightTerms<N> {
        self.points += 1;
        work.mean.at(state, problem, self.points)
    }

    fn add_step(&mut self, parts: &WeightTerms<N>, done: Lanes<N>) {
        let mut surprise = done;
        for (sum, &part) in self.sums.iter_mut().zip(parts) {
            *sum += part;
            surprise -= part;
        }
        self.martingale += surprise;
    }

    fn add_point(&mut self, point: Point<N>) {
        let Some(last) = self.last.replace(point) else {
            return;
        };
        add_interval(&mut self.sums, &last, &point);
        self.before = match self.before.take() {
            None => Some(last),
            Some(before) => {
                self.compare_spacings(&before, &last, &point);
                None
            }
        };
    }

    /// One interval over both less the two that were added.
    fn compare_spacings(&mut self, first: &Point<N>, middle: &Point<N>, end: &Point<N>) {
        let mut both = [Lanes::ZERO; 3];
        let mut single = both;
        add_interval(&mut both, first, end);
        add_interval(&mut single, first, middle);
        add_interval(&mut single, middle, end);
        let mut difference = Lanes::ZERO;
        for (&one, &two) in both.iter().zip(&single) {
            difference += one - two;
        }
        self.difference += difference;
        self.difference_squares = difference.mul_add(difference, self.difference_squares);
    }
}

/// Adds the steps from `first` on and before `end`, by the line through both.
fn add_interval<const N: usize>(sums: &mut WeightTerms<N>, first: &Point<N>, end: &Point<N>) {
    let steps = (end.step - first.step) as f64;
    let (own, other) = (0.5 * (steps + 1.0), 0.5 * (steps - 1.0));
    for (sum, (&x, &y)) in sums.iter_mut().zip(first.parts.iter().zip(&end.parts)) {
        *sum = Lanes::splat(own).mul_add(x, *sum);
        if other > 0.0 {
            *sum = Lanes::splat(other).mul_add(y, *sum);
        }
    }
}

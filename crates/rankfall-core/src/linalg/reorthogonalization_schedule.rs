//! When the columns of N trajectories are checked for loss of orthogonality.
//!
//! A check costs as much for one lane as for all of them, so lanes should be checked together; but
//! what is done to a lane must not depend on its neighbours. So each is due at the multiples of one
//! of few numbers of steps, the largest in which it does not move too far at the pace it had last:
//! lanes of similar paces meet.
//!
//! How far a lane has moved in n steps, Σ‖ΔG‖_F, is taken for √(n Σ‖ΔG‖²_F), which by Cauchy and
//! Schwarz is never less and for steps of one size the same, and has no root at every step.

use serde::{Deserialize, Serialize};

use crate::simd::lanes::{Lanes, Mask};

/// How far a lane moves from one check to the next, at most, as far as its pace tells.
const MUCH_MOTION: f64 = 4.25;

/// How far it has moved since the last check where it is checked ahead of schedule. The condition
/// of the columns grows at most by exp of twice this, so rounding stays near 10⁻¹¹ even in the
/// worst case.
const MOST_MOTION: f64 = 4.5;

/// Steps between two checks, at most.
const LONGEST_INTERVAL: u64 = 1 << 40;

/// How far each lane has moved since its last check, and when it is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReorthogonalizationSchedule<const N: usize> {
    /// Σ‖ΔG‖²_F since the last check.
    squares: Lanes<N>,
    /// Of how many steps.
    moves: Lanes<N>,
    /// The step of the last check of each lane.
    last: Vec<u64>,
    /// The step of the next one, unless the lane moves far before.
    due: Vec<u64>,
    /// The first of the steps in `due` that is still to come.
    next: u64,
}

impl<const N: usize> Default for ReorthogonalizationSchedule<N> {
    /// All lanes checked before step 0. Their paces are not known: each is due when it has moved
    /// far.
    fn default() -> Self {
        Self {
            squares: Lanes::ZERO,
            moves: Lanes::ZERO,
            last: vec![0; N],
            due: vec![u64::MAX; N],
            next: u64::MAX,
        }
    }
}

impl<const N: usize> ReorthogonalizationSchedule<N> {
    /// Notes that the lanes of `mask` moved by ‖ΔG‖²_F = `square` in one step.
    #[inline(always)]
    pub fn moved(&mut self, square: Lanes<N>, mask: Mask<N>) {
        self.squares = (self.squares + square).select(mask, self.squares);
        self.moves = (self.moves + Lanes::ONE).select(mask, self.moves);
    }

    /// The square of how far each lane has moved since its last check.
    #[inline(always)]
    fn motion_square(&self) -> Lanes<N> {
        self.moves * self.squares
    }

    /// The lanes that have moved so far that they are checked ahead of schedule.
    #[inline(always)]
    pub fn far(&self) -> Mask<N> {
        Lanes::splat(MOST_MOTION * MOST_MOTION).less_than(self.motion_square())
    }

    /// The lanes of `alive` to be checked after `step` steps.
    #[inline(always)]
    pub fn due(&mut self, step: u64, alive: Mask<N>) -> Mask<N> {
        if step < self.next {
            self.far() & alive
        } else {
            (self.far() | self.scheduled(step)) & alive
        }
    }

    /// Whether any lane may be due after `step` steps, diverged ones among them.
    #[inline(always)]
    pub fn any_due(&self, step: u64) -> bool {
        step >= self.next || self.far().any()
    }

    /// The lanes that are scheduled now, or were before; finds the next scheduled step of the
    /// others.
    #[inline(never)]
    fn scheduled(&mut self, step: u64) -> Mask<N> {
        self.next = self.first_after(step);
        Mask::from_fn(|lane| self.due[lane] <= step)
    }

    fn first_after(&self, step: u64) -> u64 {
        let later = self.due.iter().copied().filter(|&due| due > step);
        later.min().unwrap_or(u64::MAX)
    }

    /// The lanes of `mask` were checked after `step` steps.
    pub fn checked(&mut self, mask: Mask<N>, step: u64) {
        let motion = self.motion_square().sqrt();
        for lane in 0..N {
            if mask.get(lane) {
                let taken = step.saturating_sub(self.last[lane]).max(1);
                let interval = interval(taken as f64 / motion.0[lane]);
                self.last[lane] = step;
                self.due[lane] = (step / interval + 1).saturating_mul(interval);
            }
        }
        self.next = self.first_after(step);
        self.squares = Lanes::ZERO.select(mask, self.squares);
        self.moves = Lanes::ZERO.select(mask, self.moves);
    }
}

/// The steps between two checks at so many steps per unit of motion: a power of two, or one and a
/// half of it.
fn interval(steps_per_motion: f64) -> u64 {
    let most = ((MUCH_MOTION * steps_per_motion) as u64).clamp(1, LONGEST_INTERVAL);
    let power = 1 << most.ilog2();
    let more = power + power / 2;
    if more <= most { more } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps at which each lane is checked, moving at these paces.
    fn checks<const N: usize>(paces: impl Fn(u64) -> [f64; N], steps: u64) -> [Vec<u64>; N] {
        let mut schedule = ReorthogonalizationSchedule::<N>::default();
        let mut all = [const { Vec::new() }; N];
        for step in 1..=steps {
            schedule.moved(Lanes(paces(step).map(|pace| pace * pace)), Mask::ALL);
            let due = schedule.due(step, Mask::ALL);
            for lane in (0..N).filter(|&lane| due.get(lane)) {
                all[lane].push(step);
            }
            if due.any() {
                schedule.checked(due, step);
            }
        }
        all
    }

    #[test]
    fn lanes_of_similar_paces_are_checked_together() {
        let [slow, fast] = checks(|_| [0.045, 0.065], 1000);
        let shared: Vec<u64> = (2..=1000 / 64).map(|turn| turn * 64).collect();
        for steps in [slow, fast] {
            let regular: Vec<u64> = steps.into_iter().filter(|&step| step >= 128).collect();
            assert_eq!(regular, shared);
        }
    }

    #[test]
    fn neighbours_change_nothing() {
        let pace = |step: u64| 0.01 + 0.3 * ((step / 50) % 3) as f64;
        let [alone] = checks(|step| [pace(step)], 2000);
        let [beside, _, _] = checks(|step| [pace(step), 0.001, 1.5 * pace(step)], 2000);
        assert_eq!(alone, beside);
    }

    /// By one step more, at most, however the pace changes.
    #[test]
    fn no_lane_moves_farther_than_the_most() {
        let pace = |step: u64| if step % 700 < 500 { 1e-3 } else { 0.2 };
        let [steps] = checks(|step| [pace(step)], 5000);
        let mut last = 0;
        for step in steps {
            let motion: f64 = (last + 1..=step).map(pace).sum();
            assert!(
                motion < MOST_MOTION + 0.2 + 1e-9,
                "{motion} from {last} to {step}"
            );
            last = step;
        }
    }

    #[test]
    fn a_lane_that_stands_still_is_left_alone() {
        let [steps] = checks(|step| [if step < 10 { 1.0 } else { 0.0 }], 100_000);
        assert!(steps.len() < 20, "{steps:?}");
    }

    #[test]
    fn diverged_lanes_are_not_scheduled() {
        let mut schedule = ReorthogonalizationSchedule::<2>::default();
        schedule.moved(Lanes([25.0, 25.0]), Mask::ALL);
        let first = Mask::from_fn(|lane| lane == 0);
        assert_eq!(schedule.due(1, first), first);
        schedule.checked(Mask::ALL, 1);
        let next = schedule.next;
        assert_eq!(schedule.due(next, first), first);
        assert_eq!(schedule.due(next + 1, Mask::NONE), Mask::NONE);
        assert_eq!(schedule.next, u64::MAX);
    }

    #[test]
    fn intervals_are_few_and_do_not_lead_too_far() {
        for (steps, expected) in [
            (1, 1),
            (2, 2),
            (3, 3),
            (5, 4),
            (6, 6),
            (7, 6),
            (95, 64),
            (96, 96),
        ] {
            assert_eq!(interval((f64::from(steps) + 0.01) / MUCH_MOTION), expected);
        }
        assert_eq!(interval(0.1), 1);
        assert_eq!(interval(f64::INFINITY), LONGEST_INTERVAL);
        assert_eq!(interval(f64::NAN), 1);
    }
}

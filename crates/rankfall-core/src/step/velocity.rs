//! A step of a descent with momentum or weight decay, for N trajectories.
//!
//! With D = H(ΔG)Θ − ηλΘ, what is added to Θ without momentum, and U = −ηv the velocity in units of
//! a step,
//!
//!   U ← μU + D,   Θ ← Θ + U      (Nesterov: Θ ← Θ + D + μU with the new U).
//!
//! Both act on (Θ, U) from the left. So U has the width of the reduced Θ, and where the columns of
//! Θ are rotated, those of U are rotated with them.

use crate::model::optimizer::Optimizer;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};

/// The rule of one descent, with scratch.
pub struct VelocityRule<const N: usize> {
    momentum: f64,
    nesterov: bool,
    /// ηλ.
    decay: Lanes<N>,
    /// Θ before the step.
    before: LaneVec<N>,
}

impl<const N: usize> VelocityRule<N> {
    /// None for plain descent, which needs none.
    pub fn new(optimizer: &Optimizer, step_size: f64) -> Option<Self> {
        (!optimizer.is_plain()).then(|| Self {
            momentum: optimizer.momentum,
            nesterov: optimizer.nesterov,
            decay: Lanes::splat(step_size * optimizer.weight_decay),
            before: LaneVec::default(),
        })
    }

    /// Takes down Θ before a step.
    #[inline(always)]
    pub fn remember(&mut self, columns: &[Lanes<N>]) {
        self.before.copy_of(columns);
    }

    /// Makes of Θ after (I + H(ΔG))Θ what it is after the step, and moves `velocity`, the columns
    /// of U, which may be empty before the first; lanes outside `mask` are unchanged.
    #[inline(always)]
    pub fn advance(&self, columns: &mut [Lanes<N>], velocity: &mut LaneVec<N>, mask: Mask<N>) {
        let decay = self.decay.select(mask, Lanes::ZERO);
        if self.momentum == 0.0 {
            for (entry, &before) in columns.iter_mut().zip(&self.before) {
                *entry = (-decay).mul_add(before, *entry);
            }
            return;
        }
        let momentum = Lanes::splat(self.momentum);
        velocity.resize(columns.len());
        let entries = columns.iter_mut().zip(velocity).zip(&self.before);
        for ((entry, lasting), &before) in entries {
            let added = (-decay).mul_add(before, *entry - before);
            let advanced = momentum.mul_add(*lasting, added);
            let ahead = match self.nesterov {
                true => momentum.mul_add(advanced, added),
                false => advanced,
            };
            *entry = (before + ahead).select(mask, before);
            *lasting = advanced.select(mask, *lasting);
        }
    }
}

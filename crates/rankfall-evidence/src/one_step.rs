//! One step from one state, over very many trajectories: for statements about increments.

use std::sync::Arc;

use rankfall_core::measure::rates::Estimate;
use rankfall_core::model::dynamics::Dynamics;
use rankfall_core::model::network::Start;
use rankfall_core::model::problem::Problem;
use rankfall_core::simd::lanes::{BLOCK, Lanes};
use rankfall_core::step::inspector::StepInspector;
use rankfall_core::trajectories::state::State;

use crate::bench::Bench;
use crate::evidence::{Stop, mean_of, unmeasured};
use crate::linear::log_abs_det;

/// Trajectories are averaged in so many groups; the means of groups are near normal, and their
/// spread gives the error on this many degrees of freedom, less one.
pub const GROUPS: u64 = 64;

/// What is drawn.
pub struct OneStep<'a> {
    /// The data.
    pub problem: &'a Arc<Problem>,
    /// The state.
    pub start: &'a Start,
    /// What takes the step.
    pub dynamics: &'a Dynamics,
    /// The seed of the noise.
    pub seed: u64,
    /// Tells several draws apart.
    pub stream: u32,
    /// How many trajectories, rounded up to whole groups of blocks.
    pub trajectories: u64,
}

impl OneStep<'_> {
    /// Means over the trajectories of each group of what `measure` finds in a block after its step,
    /// `count` numbers per lane.
    ///
    /// # Errors
    /// An interruption; a trajectory that left the range of numbers.
    pub fn group_means(
        &self,
        bench: &Bench,
        count: usize,
        measure: &(dyn Fn(&StepInspector, &mut [Lanes<BLOCK>]) + Sync),
    ) -> Result<Vec<Vec<f64>>, Stop> {
        let blocks = self.trajectories.div_ceil(GROUPS * BLOCK as u64).max(1);
        let means = bench.each(GROUPS as usize, &|group| {
            let stream = bench.stream(self.stream);
            Ok(self.group(stream, group as u64, blocks, count, measure))
        })?;
        if means.iter().flatten().any(|x| !x.is_finite()) {
            return Err(unmeasured("a single step left the range of numbers"));
        }
        Ok(means)
    }

    fn group(
        &self,
        stream: u32,
        group: u64,
        blocks: u64,
        count: usize,
        measure: &(dyn Fn(&StepInspector, &mut [Lanes<BLOCK>]) + Sync),
    ) -> Vec<f64> {
        let walk = StepInspector::new(
            self.dynamics,
            self.problem,
            self.start,
            self.seed,
            stream,
            0,
        );
        let Some(mut walk) = walk else {
            return vec![f64::NAN; count];
        };
        let mut sums = vec![0.0; count];
        let mut values = vec![Lanes::ZERO; count];
        for block in 0..blocks {
            walk.start_over((group * blocks + block) * BLOCK as u64);
            walk.advance(1);
            measure(&walk, &mut values);
            for lane in 0..BLOCK {
                let lost = walk.state().diverged(lane).is_some();
                for (sum, value) in sums.iter_mut().zip(&values) {
                    *sum += if lost { f64::NAN } else { value.0[lane] };
                }
            }
        }
        let total = (blocks * BLOCK as u64) as f64;
        sums.iter().map(|s| s / total).collect()
    }
}

/// The mean over groups of entry `place`, times `scale`.
///
/// # Errors
/// Fewer than two groups.
pub fn estimate(means: &[Vec<f64>], place: usize, scale: f64) -> Result<Estimate, Stop> {
    let values: Vec<f64> = means.iter().map(|m| m[place]).collect();
    Ok(mean_of(&values)?.scaled(scale))
}

/// log|det Θ| of a lane, Θ square, by Gaussian elimination of its mantissas.
pub fn log_abs_det_of(state: &State<BLOCK>, lane: usize, scratch: &mut Vec<f64>) -> f64 {
    let factor = &state.factor;
    scratch.clear();
    scratch.extend(factor.mantissa().iter().map(|x| x.0[lane]));
    let exponents: f64 = factor.exponent().iter().map(|e| e.0[lane]).sum();
    log_abs_det(scratch, factor.rows()) + exponents * std::f64::consts::LN_2
}

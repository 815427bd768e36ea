//! The gradient of a loss of classes by the product W₁W₂, from the rows: −(1/b) Xᵀ(y − π), π the
//! probabilities that the network gives.

use crate::model::class_problem::ClassProblem;
use crate::model::classification::ClassLoss;
use crate::random::philox::StreamKey;
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_math::exp_of_negative;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Words};

/// Labels of one step, drawn afresh: number `slot` of the step is that of the row in this slot of
/// the batch.
#[derive(Clone, Copy)]
pub struct FreshLabels<const N: usize> {
    /// Whose.
    pub key: StreamKey,
    /// Of which trajectories.
    pub trajectories: Words<N>,
    /// At which step, or the number of a draw that has none.
    pub step: u64,
}

impl<const N: usize> FreshLabels<N> {
    /// Adds to each lane of `residual` the indicator of what its class becomes.
    #[inline(always)]
    pub fn add_to(
        &self,
        problem: &ClassProblem,
        slot: usize,
        class_of_lane: [u32; N],
        residual: &mut [Lanes<N>],
    ) {
        let Some(flips) = &problem.flips else { return };
        let [first, second] = self.key.words(self.trajectories, self.step, slot as u32);
        for lane in 0..N {
            let class = class_of_lane[lane] as usize;
            let label = flips.apply(class, problem.classes, first.0[lane], second.0[lane]);
            match residual.len() {
                1 => residual[0].0[lane] += label as f64,
                _ => residual[label].0[lane] += 1.0,
            }
        }
    }
}

/// A = (1/n) Xᵀ(y − π) in the place of W₁W₂, which `out` holds: with the labels that are expected,
/// or with those that are drawn. p × k row-major. Compiled by itself and not into every step that
/// has one: it is large.
pub fn of_all_rows<const N: usize>(
    instructions: Instructions,
    problem: &ClassProblem,
    fresh: Option<&FreshLabels<N>>,
    scratch: &mut LaneVec<N>,
    out: &mut [Lanes<N>],
) {
    OfAllRows {
        problem,
        fresh,
        scratch,
        out,
    }
    .run_on(instructions);
}

/// The work of [`of_all_rows`].
struct OfAllRows<'a, const N: usize> {
    problem: &'a ClassProblem,
    fresh: Option<&'a FreshLabels<N>>,
    scratch: &'a mut LaneVec<N>,
    out: &'a mut [Lanes<N>],
}

impl<const N: usize> LaneWork for OfAllRows<'_, N> {
    type Output = ();
    const WIDE: bool = Lanes::<N>::FULL;

    #[inline(always)]
    fn run(self) {
        let Self {
            problem,
            fresh,
            scratch,
            out,
        } = self;
        let count = out.len();
        let rows = &*problem.rows;
        let outputs = rows.y.len() / rows.count;
        let inputs = count / outputs;
        scratch.resize(count + outputs);
        let (map, residual) = scratch.split_at_mut(count);
        map.copy_from_slice(out);
        out.fill(Lanes::ZERO);
        for row in 0..rows.count {
            let x = &rows.x[row * inputs..(row + 1) * inputs];
            apply_map(x, map, residual);
            probabilities(problem.loss, residual);
            match fresh {
                None => {
                    let label = &problem.expected[row * outputs..(row + 1) * outputs];
                    for b in 0..outputs {
                        residual[b] = Lanes::splat(label[b]) - residual[b];
                    }
                }
                Some(fresh) => {
                    for entry in residual.iter_mut() {
                        *entry = -*entry;
                    }
                    fresh.add_to(problem, row, [problem.class_of_row[row]; N], residual);
                }
            }
            for a in 0..inputs {
                let value = Lanes::splat(x[a]);
                let entries = &mut out[a * outputs..(a + 1) * outputs];
                for b in 0..outputs {
                    entries[b] = value.mul_add(residual[b], entries[b]);
                }
            }
        }
        let share = Lanes::splat(1.0 / rows.count as f64);
        for entry in out {
            *entry = *entry * share;
        }
    }
}

/// f = xᵀ W₁W₂ of a row that all lanes share.
#[inline(always)]
pub fn apply_map<const N: usize>(x: &[f64], map: &[Lanes<N>], f: &mut [Lanes<N>]) {
    f.fill(Lanes::ZERO);
    let outputs = f.len();
    for a in 0..x.len() {
        let value = Lanes::splat(x[a]);
        let entries = &map[a * outputs..(a + 1) * outputs];
        for b in 0..outputs {
            f[b] = value.mul_add(entries[b], f[b]);
        }
    }
}

/// π in the place of the outputs f of a row: softmax, or the logistic function of each. NaN where
/// an output is no finite number, so that weights beyond the range of numbers are noticed.
// x − x is 0 for every number, and NaN for what is none.
#[allow(clippy::eq_op)]
#[inline(always)]
pub fn probabilities<const N: usize>(loss: ClassLoss, f: &mut [Lanes<N>]) {
    match loss {
        ClassLoss::SoftmaxCrossEntropy => {
            let mut largest = f[0];
            for b in 1..f.len() {
                largest = f[b].max(largest);
            }
            let mut sum = Lanes::ZERO;
            for b in 0..f.len() {
                let below = f[b] - largest;
                f[b] = exp_of_negative(below);
                sum += f[b] + (below - below);
            }
            for b in 0..f.len() {
                f[b] = f[b] / sum;
            }
        }
        ClassLoss::Logistic => {
            for b in 0..f.len() {
                let small = exp_of_negative(-f[b].abs());
                let above = Lanes::ONE.select(Lanes::ZERO.at_most(f[b]), small);
                f[b] = above / (Lanes::ONE + small) + (f[b] - f[b]);
            }
        }
    }
}

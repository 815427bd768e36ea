//! The state of N trajectories: their graded factors, the rotation accumulated so far, and
//! which of them still live.

use std::borrow::Borrow;

use faer::Mat;
use serde::{Deserialize, Serialize};

use crate::kernels::layer_product;
use crate::linalg::dense::{identity_lanes, product};
use crate::linalg::graded::{GradedColumns, Rotate};
use crate::linalg::reorthogonalization::Reorthogonalizer;
use crate::linalg::reorthogonalization_schedule::ReorthogonalizationSchedule;
use crate::model::network::{Start, Weights, lift_to_full_width};
use crate::model::problem::Problem;
use crate::simd::instructions::Instructions;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};
use crate::trajectories::class_gradient;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::stop_reason::StopReason;

/// ‖ΔG‖_F of one step beyond which a trajectory has diverged: the weights would grow by more
/// than this factor at once, and the next step by its square.
pub const DIVERGED: f64 = 300.0;

/// N trajectories at one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State<const N: usize> {
    /// L R, with the accumulated rotation R from the right.
    pub factor: GradedColumns<N>,
    /// R, m × m column-major.
    pub rotation: LaneVec<N>,
    /// The mantissas of the velocity, with momentum: as many as those of the factor, with
    /// its exponents; empty without, and before the first step.
    pub velocity: LaneVec<N>,
    /// 4^exponent of each column: what it weighs in W₁W₂.
    pub weight: LaneVec<N>,
    /// Steps taken.
    pub step: u64,
    /// The step at which each lane was stopped, and why; [`Self::stop`] sets it.
    stopped: Vec<Option<(u64, StopReason)>>,
    /// 1 in the lanes that live, 0 in those that diverged.
    living: Lanes<N>,
    /// When the columns are checked.
    schedule: ReorthogonalizationSchedule<N>,
    /// Proposed step of the adaptive integrator of gradient flow; 0 before the first.
    pub adaptive_step: Lanes<N>,
    /// Steps that the adaptive integrator has tried.
    pub attempts: Lanes<N>,
    /// 1 in the lanes in which the slow flow has come to the minimum.
    pub at_minimum: Lanes<N>,
}

impl<const N: usize> State<N> {
    /// The starts side by side; lanes from `used` on repeat the last one and are never reported.
    pub fn new(starts: &[impl Borrow<Start>], instructions: Instructions) -> Self {
        let of_lane = |lane: usize| starts[lane.min(starts.len() - 1)].borrow();
        let (d, m) = (of_lane(0).left.nrows(), of_lane(0).left.ncols());
        let factor = GradedColumns::from_fn(d, m, |lane, i, j| of_lane(lane).left[(i, j)]);
        let mut state = Self {
            factor,
            rotation: identity_lanes(m),
            velocity: LaneVec::default(),
            weight: LaneVec::filled(Lanes::ONE, m),
            step: 0,
            stopped: vec![None; N],
            living: Lanes::ONE,
            schedule: ReorthogonalizationSchedule::default(),
            adaptive_step: Lanes::ZERO,
            attempts: Lanes::ZERO,
            at_minimum: Lanes::ZERO,
        };
        state.orthogonalise(Rotate::ToRounding, Mask::ALL, instructions);
        state
    }

    /// The lanes that have not diverged.
    #[inline(always)]
    pub fn alive(&self) -> Mask<N> {
        Lanes::ZERO.less_than(self.living)
    }

    /// The step at which a lane was stopped, if it was.
    pub fn diverged(&self, lane: usize) -> Option<u64> {
        self.stopped(lane).map(|(step, _)| step)
    }

    /// The step at which a lane was stopped, and why, if it was.
    pub fn stopped(&self, lane: usize) -> Option<(u64, StopReason)> {
        self.stopped[lane]
    }

    /// Stops the lanes of `mask` that still live, since their weights left the range of numbers.
    pub fn mark_diverged(&mut self, mask: Mask<N>) {
        self.stop(mask, StopReason::OutOfRange);
    }

    /// Stops the lanes of `mask` that still live.
    pub fn stop(&mut self, mask: Mask<N>, reason: StopReason) {
        for lane in 0..N {
            if mask.get(lane) && self.stopped[lane].is_none() {
                self.stopped[lane] = Some((self.step, reason));
                self.living.0[lane] = 0.0;
            }
        }
    }

    /// Notes a step with increments of these squared Frobenius norms, each of which will have moved
    /// Θ by `momentum_gain` times itself, marks the lanes that it takes out of range as diverged,
    /// and returns those that may take it.
    #[inline(always)]
    pub fn accept_step(&mut self, square: Lanes<N>, momentum_gain: f64) -> Mask<N> {
        let small = square.at_most(Lanes::splat(DIVERGED * DIVERGED));
        let alive = self.alive();
        if (alive & !small).any() {
            self.mark_diverged(alive & !small);
        }
        let alive = alive & small;
        self.moved(Lanes::splat(momentum_gain * momentum_gain) * square, alive);
        alive
    }

    /// The same for a step without momentum where no lane has diverged, but notes it only if every
    /// lane's squared norm is at most `most`; returns whether.
    #[inline(always)]
    pub fn accept_step_of_all(&mut self, square: Lanes<N>, most: f64) -> bool {
        let accepted = !(!square.at_most(Lanes::splat(most))).any();
        if accepted {
            self.moved(square, Mask::ALL);
        }
        accepted
    }

    /// Whether the columns of any lane are due.
    #[inline(always)]
    pub fn columns_due(&self) -> bool {
        self.schedule.any_due(self.step)
    }

    /// Notes that the lanes of `mask` moved by ‖ΔG‖²_F = `square` in one step.
    #[inline(always)]
    pub fn moved(&mut self, square: Lanes<N>, mask: Mask<N>) {
        self.schedule.moved(square, mask);
    }

    /// Checks the columns of the lanes that are due, and reorthogonalises them.
    #[inline(always)]
    pub fn reorthogonalize_due(
        &mut self,
        reorthogonalizer: &mut Reorthogonalizer<N>,
        instructions: Instructions,
    ) {
        let alive = self.alive();
        let due = self.schedule.due(self.step, alive);
        if due.any() {
            self.reorthogonalize(due, reorthogonalizer, instructions);
        }
    }

    /// Rotates the columns of the living lanes until they are orthogonal: they are then singular
    /// vectors times singular values. For flows, which have no velocity.
    pub fn make_orthogonal(&mut self, instructions: Instructions) {
        let when = Rotate::to_orthogonality(self.factor.rows());
        self.orthogonalise(when, self.alive(), instructions);
    }

    /// Checks the columns of the lanes of `mask` that have moved far, and reorthogonalises them.
    /// For integrators whose lanes take steps of their own: the schedule goes by the common step,
    /// so that a lane would be checked before or after its own step as its neighbours please.
    #[inline(always)]
    pub fn reorthogonalize_far(
        &mut self,
        mask: Mask<N>,
        reorthogonalizer: &mut Reorthogonalizer<N>,
        instructions: Instructions,
    ) {
        let due = self.schedule.far() & mask & self.alive();
        if due.any() {
            self.reorthogonalize(due, reorthogonalizer, instructions);
        }
    }

    /// Multiplies the columns of the living lanes by these factors.
    pub fn scale_columns(&mut self, factors: &[Lanes<N>]) {
        let alive = self.alive();
        let rows = self.factor.rows();
        let columns = self.factor.mantissa_mut().chunks_exact_mut(rows);
        for (column, &factor) in columns.zip(factors) {
            let factor = factor.select(alive, Lanes::ONE);
            for entry in column {
                *entry = *entry * factor;
            }
        }
    }

    /// Reorthogonalises the columns, each with its velocity under it: together they are what steps
    /// act on.
    fn reorthogonalize(
        &mut self,
        mask: Mask<N>,
        reorthogonalizer: &mut Reorthogonalizer<N>,
        instructions: Instructions,
    ) {
        let rotation = Some(&mut self.rotation[..]);
        if self.velocity.is_empty() {
            reorthogonalizer.reorthogonalize(&mut self.factor, mask, rotation, instructions);
        } else {
            let mut both = self.factor.stacked_on(&self.velocity);
            reorthogonalizer.reorthogonalize(&mut both, mask, rotation, instructions);
            self.factor.take_apart(&both, &mut self.velocity);
        }
        self.columns_moved(mask);
    }

    /// Without momentum: velocities stay as they are.
    fn orthogonalise(&mut self, when: Rotate, mask: Mask<N>, instructions: Instructions) {
        let rows = self.factor.rows();
        let rotation = Some(&mut self.rotation[..]);
        self.factor
            .orthogonalise(0..rows, when, mask, rotation, instructions);
        self.columns_moved(mask);
    }

    /// Takes over the exponents of columns that were just checked.
    fn columns_moved(&mut self, mask: Mask<N>) {
        for (weight, &e) in self.weight.iter_mut().zip(self.factor.exponent()) {
            *weight = (e + e).exp2_whole();
        }
        self.schedule.checked(mask, self.step);
    }

    /// W₁W₂, p × k row-major.
    #[inline(always)]
    pub fn product(&self, problem: &LaneProblem<N>, out: &mut [Lanes<N>]) {
        product_of(self.factor.mantissa(), &self.weight, problem, out);
    }

    /// A, the negative gradient with respect to the product: S_xy − S_xx W₁W₂ under the squared
    /// loss; p × k row-major.
    #[inline(always)]
    pub fn negative_gradient(&self, problem: &LaneProblem<N>, out: &mut [Lanes<N>]) {
        negative_gradient_of(self.factor.mantissa(), &self.weight, problem, out);
    }
}

/// A = S_xy − S_xx W₁W₂ for columns of Θ with these weights in the product, or that of a loss of
/// classes with the labels it expects; p × k row-major.
#[inline(always)]
pub fn negative_gradient_of<const N: usize>(
    columns: &[Lanes<N>],
    weights: &[Lanes<N>],
    problem: &LaneProblem<N>,
    out: &mut [Lanes<N>],
) {
    product_of(columns, weights, problem, out);
    negative_gradient_at(problem, out);
}

/// The same from W₁W₂, in whose place (`map`) it goes.
#[inline(always)]
pub fn negative_gradient_at<const N: usize>(problem: &LaneProblem<N>, map: &mut [Lanes<N>]) {
    if let Some(classes) = &problem.classes {
        let mut scratch = problem.scratch.take();
        class_gradient::of_all_rows(problem.instructions, classes, None, &mut scratch, map);
        problem.scratch.set(scratch);
        return;
    }
    for i in 0..map.len() {
        map[i] = problem.negative_curvature[i].mul_add(map[i], problem.sxy[i]);
    }
}

/// Σ_j weight_j w1_j w2_jᵀ over the columns (w1_j; w2_j) of Θ; p × k row-major.
#[inline(always)]
fn product_of<const N: usize>(
    columns: &[Lanes<N>],
    weights: &[Lanes<N>],
    problem: &LaneProblem<N>,
    out: &mut [Lanes<N>],
) {
    if problem.kernels.narrow_map(problem.outputs) {
        layer_product::by_rows(columns, weights, problem.inputs, out);
    } else {
        let mut scratch = problem.scratch.take();
        layer_product::by_columns(columns, weights, problem.inputs, &mut scratch, out);
        problem.scratch.set(scratch);
    }
}

impl<const N: usize> State<N> {
    /// W₁W₁ᵀ (p × p) and W₂ᵀW₂ (k × k) of one lane, row-major; `inputs` is p.
    pub fn squares(&self, lane: usize, inputs: usize) -> (Vec<f64>, Vec<f64>) {
        let rows = self.factor.rows();
        let of = |first: usize, count: usize| -> Vec<f64> {
            let entry = |i: usize, j: usize| -> f64 {
                let columns = self
                    .factor
                    .mantissa()
                    .chunks_exact(rows)
                    .zip(self.weight.iter());
                let term = |(column, weight): (&[Lanes<N>], &Lanes<N>)| {
                    weight.0[lane] * column[first + i].0[lane] * column[first + j].0[lane]
                };
                columns.map(term).sum()
            };
            (0..count * count)
                .map(|place| entry(place / count, place % count))
                .collect()
        };
        (of(0, inputs), of(inputs, rows - inputs))
    }

    /// The weights of one lane in the original basis and width.
    pub fn weights(&self, lane: usize, start: &Start, problem: &Problem) -> Weights {
        let (d, m) = (self.factor.rows(), self.factor.columns());
        let scaled = Mat::from_fn(d, m, |i, j| {
            let scale = libm::exp2(self.factor.exponent()[j].0[lane]);
            self.factor.mantissa()[j * d + i].0[lane] * scale
        });
        let unturn = Mat::from_fn(m, m, |i, j| self.rotation[i * m + j].0[lane]);
        lift_to_full_width(&product(&scaled, &unturn), &start.right, problem)
    }
}

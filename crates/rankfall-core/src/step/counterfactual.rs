//! Counterfactual runs: a force on the eigenvalues of M scaled, everything else as it was.
//!
//! The extra term ½ Σ_i x_i v_i v_iᵀ Θ dt, x_i = Σ_F (c_F − 1) F_i, of [`ForceScales`] multiplies
//! singular value i of Θ by exp(h x_i/2) in a step h and leaves its singular vectors alone. With
//! the columns of Θ kept orthogonal from the right, that is a scaling of column i.

use crate::model::dynamics::ForceScales;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;
use crate::theory::forces::Forces;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Scales the forces on the eigenvalues in every step.
pub struct Counterfactual<const N: usize> {
    scales: ForceScales,
    nu: f64,
    time_step: f64,
    /// A, p × k row-major.
    gradient: LaneVec<N>,
}

impl<const N: usize> Counterfactual<N> {
    /// For steps of length `time_step` of the flow with noise intensity `nu`.
    pub fn new(scales: ForceScales, problem: &LaneProblem<N>, nu: f64, time_step: f64) -> Self {
        Self {
            scales,
            nu,
            time_step,
            gradient: LaneVec::zeros(problem.inputs * problem.outputs),
        }
    }

    /// Adds what the scaled forces do in the next step. Where eigenvalues meet, repulsion is smooth
    /// over the distance that one step covers.
    pub fn apply(&mut self, state: &mut State<N>, problem: &LaneProblem<N>) {
        state.make_orthogonal(problem.instructions);
        state.negative_gradient(problem, &mut self.gradient);
        let h = Some(self.time_step);
        let forces = Forces::new(&state.factor, &self.gradient, problem, self.nu, h);
        let factors: LaneVec<N> = (0..forces.count())
            .map(|i| self.factor(&forces, i))
            .collect();
        state.scale_columns(&factors);
    }

    /// exp(h x_i/2).
    fn factor(&self, forces: &Forces<N>, i: usize) -> Lanes<N> {
        let mut sum = Lanes::ZERO;
        let mut add = |scale: f64, force: &dyn Fn() -> Lanes<N>| {
            if scale != 1.0 {
                sum = Lanes::splat(scale - 1.0).mul_add(force(), sum);
            }
        };
        add(self.scales.gradient, &|| forces.gradient(i));
        add(self.scales.own_noise, &|| forces.own_noise(i));
        let split = self.scales.split;
        add(self.scales.common, &|| forces.common(split, i));
        add(self.scales.repulsion, &|| forces.repulsion(split, i));
        let half_step = 0.5 * self.time_step;
        Lanes(sum.0.map(|x| libm::exp(half_step * x)))
    }
}

//! The slow flow: label noise, averaged over the fast motion around the minimum.
//!
//! Gradient flow takes W₁W₂ to the least-squares optimum β. Noise then moves Θ = [W₁; W₂ᵀ] along the
//! minima, all the slower the smaller ν is. As ν → 0 the motion is no longer random:
//!
//!   dΘ/dt = [H(Γ) − (ν/2) C] Θ,  C = diag(k S, tr(S) I_k),
//!
//! where Γ is the multiplier that keeps W₁W₂ at β. With D = W₁W₁ᵀ and B = W₂ᵀW₂ it solves
//!
//!   Γ B + D Γ = (ν/2) (k S + tr(S) I) β,
//!
//! since H(Γ) Θ changes W₁W₂ by ΓW₂ᵀW₂ + W₁W₁ᵀΓ. Before the minimum is reached the place of Γ is taken by A = S_xy − S W₁W₂, which
//! tends to it. Rows of W₁ in null directions of S stay, and are not held.
//!
//! The equation depends on νt alone once the minimum is reached, and is linear in the columns of Θ but for Γ, so that columns
//! far below the smallest double keep their relative accuracy.

use crate::linalg::sylvester::Sylvester;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;
use crate::step::ito::ito_rate;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Relative distance of A from Γ at which the minimum counts as reached: A follows Γ with a lag of order ν, and what is
/// then left moves the weights by a tenth of what the slow flow neglects anyway.
const REACHED: f64 = 0.1;

/// Columns of Θ with their weights in W₁W₂.
#[derive(Clone, Copy)]
pub struct WeightedColumns<'a, const N: usize> {
    /// Column-major, p + k rows.
    pub mantissa: &'a [Lanes<N>],
    /// 4^exponent of each.
    pub weight: &'a [Lanes<N>],
}

/// The averaged noise of N trajectories.
pub struct SlowFlow<const N: usize> {
    outputs: usize,
    /// −νC/2, one entry per row of Θ.
    decay: LaneVec<N>,
    /// One multiplier per lane.
    multipliers: Vec<Multiplier>,
}

/// The multiplier of one lane, with the room it is worked out in.
struct Multiplier {
    /// Positive eigenvalues of S: the first ones.
    active: usize,
    /// How fast a W₁W₂ beside β is pulled back, so that errors of steps do not add up.
    pull: f64,
    sylvester: Sylvester,
    /// D over the active rows, B, and W₁W₂, row-major.
    d: Vec<f64>,
    b: Vec<f64>,
    map: Vec<f64>,
    /// Γ over the active rows, row-major.
    value: Vec<f64>,
}

impl<const N: usize> SlowFlow<N> {
    /// For these problems and noise of intensity `nu`.
    pub fn new(problem: &LaneProblem<N>, nu: f64) -> Self {
        let (p, k) = (problem.inputs, problem.outputs);
        let decay = ito_rate(problem, nu, 1.0);
        let multiplier = |lane: usize| {
            let positive = |s: &&Lanes<N>| s.0[lane] > 0.0;
            let active = problem.eigenvalues.iter().take_while(positive).count();
            Multiplier {
                active,
                pull: -(decay[0].0[lane] + decay[p].0[lane]),
                sylvester: Sylvester::new(active, k),
                d: vec![0.0; active * active],
                b: vec![0.0; k * k],
                map: vec![0.0; active * k],
                value: vec![0.0; active * k],
            }
        };
        Self {
            outputs: k,
            multipliers: (0..N).map(multiplier).collect(),
            decay,
        }
    }

    /// Puts Γ in the place of A = `increment` (p × k row-major) in the lanes that are at the minimum.
    pub fn hold_minimum(
        &mut self,
        columns: WeightedColumns<'_, N>,
        problem: &LaneProblem<N>,
        at_minimum: Lanes<N>,
        increment: &mut [Lanes<N>],
    ) {
        for lane in 0..N {
            if at_minimum.0[lane] > 0.0 {
                self.work_out(lane, columns, problem);
                increment.iter_mut().for_each(|entry| entry.0[lane] = 0.0);
                for (entry, &value) in increment.iter_mut().zip(&self.multipliers[lane].value) {
                    entry.0[lane] = value;
                }
            }
        }
    }

    /// Adds −(ν/2) C Θ to dΘ/dt.
    #[inline(always)]
    pub fn add_decay(&self, columns: &[Lanes<N>], slope: &mut [Lanes<N>]) {
        let rows = self.decay.len();
        for (column, out) in columns.chunks_exact(rows).zip(slope.chunks_exact_mut(rows)) {
            for ((out, &x), &rate) in out.iter_mut().zip(column).zip(self.decay.iter()) {
                *out = rate.mul_add(x, *out);
            }
        }
    }

    /// Notes the lanes in which A has come near Γ.
    pub fn look_for_minimum(&mut self, state: &mut State<N>, problem: &LaneProblem<N>) {
        let alive = state.alive();
        let still = |lane: usize| alive.get(lane) && state.at_minimum.0[lane] == 0.0;
        if !(0..N).any(still) {
            return;
        }
        let mut gradient = vec![Lanes::ZERO; problem.sxy.len()];
        state.negative_gradient(problem, &mut gradient);
        for lane in 0..N {
            if !(alive.get(lane) && state.at_minimum.0[lane] == 0.0) {
                continue;
            }
            let columns = WeightedColumns {
                mantissa: state.factor.mantissa(),
                weight: &state.weight,
            };
            self.work_out(lane, columns, problem);
            let (mut distance, mut size) = (0.0, 0.0);
            for (a, &gamma) in gradient.iter().zip(&self.multipliers[lane].value) {
                let difference = a.0[lane] - gamma;
                distance += difference * difference;
                size += gamma * gamma;
            }
            if distance <= REACHED * REACHED * size {
                state.at_minimum.0[lane] = 1.0;
            }
        }
    }

    /// Γ of one lane.
    fn work_out(&mut self, lane: usize, columns: WeightedColumns<'_, N>, problem: &LaneProblem<N>) {
        let (p, k) = (problem.inputs, self.outputs);
        let one = &mut self.multipliers[lane];
        one.square(lane, columns, p, k);
        for a in 0..one.active {
            for b in 0..k {
                let (place, rates) = (a * k + b, self.decay[a].0[lane] + self.decay[p + b].0[lane]);
                let (map, best) = (one.map[place], problem.optimum[place].0[lane]);
                one.value[place] = one.pull * (best - map) - rates * map;
            }
        }
        one.sylvester.solve(&one.d, &one.b, &mut one.value);
    }
}

impl Multiplier {
    /// D, B and W₁W₂ of these columns.
    fn square<const N: usize>(
        &mut self,
        lane: usize,
        columns: WeightedColumns<'_, N>,
        p: usize,
        k: usize,
    ) {
        let rows = p + k;
        self.d.fill(0.0);
        self.b.fill(0.0);
        self.map.fill(0.0);
        for (column, weight) in columns.mantissa.chunks_exact(rows).zip(columns.weight) {
            let (first, second) = column.split_at(p);
            for (a, x) in first[..self.active].iter().enumerate() {
                let scaled = weight.0[lane] * x.0[lane];
                add_multiple(
                    &mut self.d[a * self.active..][..self.active],
                    scaled,
                    first,
                    lane,
                );
                add_multiple(&mut self.map[a * k..][..k], scaled, second, lane);
            }
            for (b, y) in second.iter().enumerate() {
                let scaled = weight.0[lane] * y.0[lane];
                add_multiple(&mut self.b[b * k..][..k], scaled, second, lane);
            }
        }
    }
}

/// Adds `factor` times one lane of `values`.
fn add_multiple<const N: usize>(out: &mut [f64], factor: f64, values: &[Lanes<N>], lane: usize) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += factor * value.0[lane];
    }
}

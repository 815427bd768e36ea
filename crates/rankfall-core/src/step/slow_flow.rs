//! The slow flow: label noise, averaged over the fast motion around the minimum.
//!
//! Gradient flow takes W₁W₂ to the least-squares optimum β. Noise then moves Θ = [W₁; W₂ᵀ] along
//! the minima, all the slower the smaller ν is. As ν → 0 the motion is no longer random:
//!
//!   dΘ/dt = [H(Γ) − (ν/2) C] Θ,  C = diag(k S, tr(S) I_k),
//!
//! where Γ is the multiplier that keeps W₁W₂ at β. With D = W₁W₁ᵀ and B = W₂ᵀW₂ it solves
//!
//!   Γ B + D Γ = (ν/2) (k S + tr(S) I) β,
//!
//! since H(Γ) Θ changes W₁W₂ by ΓW₂ᵀW₂ + W₁W₁ᵀΓ. Before the minimum is reached the place of Γ is
//! taken by A = S_xy − S W₁W₂, which tends to it. Rows of W₁ in null directions of S stay, and are
//! not held.
//!
//! Noise whose covariance is not that of the pull, S ⊗ I, adds to the bracket −½ diag(E N Nᵀ, E
//! NᵀN) and, at the minimum, a rotation ([`averaged_noise`](crate::step::averaged_noise)); both
//! stand beside −νC/2 in the equation for Γ.
//!
//! The equation depends on νt alone once the minimum is reached, and is linear in the columns of Θ
//! but for Γ, so that columns far below the smallest double keep their relative accuracy.

use crate::linalg::sylvester::Sylvester;
use crate::model::row_noise::RowNoise;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;
use crate::step::averaged_noise::AveragedNoise;
use crate::step::ito::ito_rate;
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Relative distance of A from Γ at which the minimum counts as reached: A follows Γ with a lag of
/// order ν, and what is then left moves the weights by a tenth of what the slow flow neglects
/// anyway.
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
    /// That of rows, where it is averaged as well.
    rows: Option<RowsPart<N>>,
}

/// What the noise of rows adds.
struct RowsPart<const N: usize> {
    noise: AveragedNoise,
    /// −½ diag(μ E N Nᵀ, μ E NᵀN), row-major.
    damping: [Vec<f64>; 2],
    /// The same with the rotation in the lanes that are at the minimum.
    blocks: [LaneVec<N>; 2],
}

impl<const N: usize> RowsPart<N> {
    fn new(rows: RowNoise, problem: &LaneProblem<N>) -> Self {
        let half = |m: &faer::Mat<f64>| -> Vec<f64> {
            let side = m.nrows();
            let entry = |at: usize| -0.5 * m[(at / side, at % side)];
            (0..side * side).map(entry).collect()
        };
        let damping = [half(&rows.of_inputs), half(&rows.of_outputs)];
        let roots = problem.roots.iter().map(|root| root.0[0]);
        Self {
            noise: AveragedNoise::new(
                problem.outputs,
                roots.take_while(|root| *root > 0.0).collect(),
                rows.whitened,
            ),
            blocks: [0, 1].map(|side: usize| {
                let values = damping[side].iter();
                values.map(|&value| Lanes::splat(value)).collect()
            }),
            damping,
        }
    }

    /// Damping and rotation at D, over the active inputs, and B: of inputs, p × p, and of outputs,
    /// k × k.
    fn at(&self, d: &[f64], b: &[f64]) -> [Vec<f64>; 2] {
        let mut blocks = self.damping.clone();
        let [inputs, outputs] = self.noise.rotation(d, b);
        let p = libm::sqrt(blocks[0].len() as f64) as usize;
        let active = libm::sqrt(inputs.len() as f64) as usize;
        for (row, turned) in blocks[0]
            .chunks_exact_mut(p)
            .zip(inputs.chunks_exact(active))
        {
            add(row, turned);
        }
        add(&mut blocks[1], &outputs);
        blocks
    }

    /// Adds what it does to the columns to dΘ/dt.
    #[inline(always)]
    fn add_to(&self, columns: &[Lanes<N>], slope: &mut [Lanes<N>], sides: [usize; 2]) {
        let rows = sides[0] + sides[1];
        for (column, out) in columns.chunks_exact(rows).zip(slope.chunks_exact_mut(rows)) {
            let mut first = 0;
            for (side, block) in sides.into_iter().zip(&self.blocks) {
                for i in 0..side {
                    for j in 0..side {
                        out[first + i] =
                            block[i * side + j].mul_add(column[first + j], out[first + i]);
                    }
                }
                first += side;
            }
        }
    }
}

fn add(out: &mut [f64], values: &[f64]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += value;
    }
}

/// The multiplier of one lane, with the room it is worked out in.
struct Multiplier {
    /// Positive eigenvalues of S: the first ones.
    active: usize,
    /// How fast a W₁W₂ beside β is pulled back, so that errors of steps do not add up.
    pull: f64,
    sylvester: Sylvester,
    rows: PlainRows,
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
                rows: PlainRows::default(),
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
            rows: None,
        }
    }

    /// The same with the noise of rows that all lanes share besides.
    #[must_use]
    pub fn with_rows(mut self, rows: RowNoise, problem: &LaneProblem<N>) -> Self {
        let part = RowsPart::new(rows, problem);
        let fastest = |block: &[f64]| block.iter().fold(0.0_f64, |most, x| most.max(-x));
        let pull: f64 = part.damping.iter().map(|block| fastest(block)).sum();
        for multiplier in &mut self.multipliers {
            multiplier.pull += pull;
        }
        self.rows = Some(part);
        self
    }

    /// Puts Γ in the place of A = `increment` (p × k row-major) in the lanes that are at the
    /// minimum.
    pub fn hold_minimum(
        &mut self,
        columns: WeightedColumns<'_, N>,
        problem: &LaneProblem<N>,
        at_minimum: Lanes<N>,
        increment: &mut [Lanes<N>],
    ) {
        for lane in 0..N {
            if at_minimum.0[lane] > 0.0 {
                let blocks = self.work_out(lane, columns, problem);
                if let (Some(rows), Some(blocks)) = (&mut self.rows, blocks) {
                    for (kept, block) in rows.blocks.iter_mut().zip(&blocks) {
                        for (kept, &value) in kept.iter_mut().zip(block) {
                            kept.0[lane] = value;
                        }
                    }
                }
                increment.iter_mut().for_each(|entry| entry.0[lane] = 0.0);
                for (entry, &value) in increment.iter_mut().zip(&self.multipliers[lane].value) {
                    entry.0[lane] = value;
                }
            }
        }
    }

    /// Adds −(ν/2) C Θ to dΘ/dt, and what the noise of rows does.
    #[inline(always)]
    pub fn add_decay(&self, columns: &[Lanes<N>], slope: &mut [Lanes<N>]) {
        let rows = self.decay.len();
        for (column, out) in columns.chunks_exact(rows).zip(slope.chunks_exact_mut(rows)) {
            for ((out, &x), &rate) in out.iter_mut().zip(column).zip(self.decay.iter()) {
                *out = rate.mul_add(x, *out);
            }
        }
        if let Some(part) = &self.rows {
            part.add_to(columns, slope, [rows - self.outputs, self.outputs]);
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

    /// Γ of one lane; what the noise of rows does there besides.
    fn work_out(
        &mut self,
        lane: usize,
        columns: WeightedColumns<'_, N>,
        problem: &LaneProblem<N>,
    ) -> Option<[Vec<f64>; 2]> {
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
        let blocks = self.rows.as_ref().map(|rows| rows.at(&one.d, &one.b));
        if let Some([inputs, outputs]) = &blocks {
            one.subtract_motion(inputs, outputs, p, k);
        }
        one.sylvester.solve(&one.d, &one.b, &mut one.value);
        blocks
    }
}

impl Multiplier {
    /// Takes X W₁W₂ + W₁W₂ Yᵀ off the right-hand side, X (`inputs`, p × p) and Y (`outputs`, k × k)
    /// what moves the two layers.
    fn subtract_motion(&mut self, inputs: &[f64], outputs: &[f64], p: usize, k: usize) {
        for a in 0..self.active {
            for b in 0..k {
                let left = (0..self.active).map(|c| inputs[a * p + c] * self.map[c * k + b]);
                let right = (0..k).map(|d| self.map[a * k + d] * outputs[b * k + d]);
                self.value[a * k + b] -= left.sum::<f64>() + right.sum::<f64>();
            }
        }
    }

    /// D, B and W₁W₂ of these columns. Weights are powers of two, so that D and B are symmetric to
    /// the bit, and half of each is enough.
    fn square<const N: usize>(
        &mut self,
        lane: usize,
        columns: WeightedColumns<'_, N>,
        p: usize,
        k: usize,
    ) {
        self.rows.take(lane, columns, p + k);
        for a in 0..self.active {
            for c in 0..=a {
                let entry = self.rows.product(a, c);
                self.d[a * self.active + c] = entry;
                self.d[c * self.active + a] = entry;
            }
            for b in 0..k {
                self.map[a * k + b] = self.rows.product(a, p + b);
            }
        }
        for b in 0..k {
            for c in 0..=b {
                let entry = self.rows.product(p + b, p + c);
                self.b[b * k + c] = entry;
                self.b[c * k + b] = entry;
            }
        }
    }
}

/// The rows of Θ of one lane, entries of a row side by side.
#[derive(Default)]
struct PlainRows {
    width: usize,
    values: Vec<f64>,
    /// The same times the weights of the columns.
    weighted: Vec<f64>,
}

impl PlainRows {
    fn take<const N: usize>(&mut self, lane: usize, columns: WeightedColumns<'_, N>, rows: usize) {
        self.width = columns.weight.len();
        self.values.clear();
        self.weighted.clear();
        for row in 0..rows {
            for (column, weight) in columns.mantissa.chunks_exact(rows).zip(columns.weight) {
                let value = column[row].0[lane];
                self.values.push(value);
                self.weighted.push(weight.0[lane] * value);
            }
        }
    }

    /// Entry (i, j) of ΘΘᵀ.
    fn product(&self, i: usize, j: usize) -> f64 {
        let weighted = &self.weighted[i * self.width..][..self.width];
        let values = &self.values[j * self.width..][..self.width];
        let pairs = weighted.iter().zip(values);
        pairs.fold(0.0, |sum, (x, y)| sum + x * y)
    }
}

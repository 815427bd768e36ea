//! What is measured at a save time: losses, determinant, spectra, ranks, conservation.
//!
//! Observers work on a copy of the state, so looking never changes a path.

use crate::kernels::columns::Columns;
use crate::kernels::products::Products;
use crate::kernels::scalar_products::dot;
use crate::linalg::ranks::RanksOfLanes;
use crate::measure::class_losses::{ClassLosses, ClassReadings};
use crate::measure::layout::Layout;
use crate::measure::spectra::{Spectra, Spectrometer, twice_the_sum};
use crate::simd::instructions::{Instructions, LaneWork};
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::{Lanes, Mask};
use crate::step::gradient_flow::TOLERANCE;
use crate::trajectories::lane_problem::{LaneProblem, LaneTruth};
use crate::trajectories::state::State;

/// Error of measuring a conserved quantity itself, with room to spare.
const MEASURED: f64 = 1e-9;

/// What is measured of N trajectories at one time, before ranks and sums are formed.
pub struct Readings<const N: usize> {
    /// Training loss above the least-squares optimum; undefined under a loss of classes.
    pub excess_loss: Lanes<N>,
    /// Under a loss of classes.
    pub classes: Option<ClassReadings<N>>,
    /// Expected loss on a fresh sample, where the truth is known.
    pub population_loss: Option<Lanes<N>>,
    /// ‖(W₁ᵀW₁ − W₂W₂ᵀ)(t) − (W₁ᵀW₁ − W₂W₂ᵀ)(0)‖_F.
    pub balance_drift: Lanes<N>,
    /// Of the four matrices.
    pub spectra: Spectra<N>,
}

impl<const N: usize> Readings<N> {
    /// The readings of at most N single trajectories, in lanes; the last one fills up the rest.
    pub fn side_by_side(single: &[Readings<1>]) -> Self {
        let lanes = |f: &dyn Fn(&Readings<1>) -> f64| {
            Lanes(std::array::from_fn(|lane| {
                f(&single[lane.min(single.len() - 1)])
            }))
        };
        let spectrum = |f: &dyn Fn(&Spectra<1>) -> &Vec<Lanes<1>>| -> Vec<Lanes<N>> {
            let size = f(&single[0].spectra).len();
            (0..size)
                .map(|i| lanes(&|r| f(&r.spectra)[i].0[0]))
                .collect()
        };
        Self {
            excess_loss: lanes(&|r| r.excess_loss.0[0]),
            classes: single[0].classes.map(|_| ClassReadings {
                loss: lanes(&|r| r.classes.map_or(f64::NAN, |x| x.loss.0[0])),
                accuracy: lanes(&|r| r.classes.map_or(f64::NAN, |x| x.accuracy.0[0])),
            }),
            population_loss: single[0]
                .population_loss
                .map(|_| lanes(&|r| r.population_loss.map_or(f64::NAN, |x| x.0[0]))),
            balance_drift: lanes(&|r| r.balance_drift.0[0]),
            spectra: Spectra {
                values: [0, 1, 2, 3].map(|which| spectrum(&|s| &s.values[which])),
                product_error: spectrum(&|s| &s.product_error),
            },
        }
    }
}

/// Measures N trajectories.
pub struct Observer<const N: usize> {
    layout: Layout,
    log_rank_tolerance: f64,
    /// log det at t = 0, and how fast it falls where the determinant law applies.
    initial_log_det: Lanes<N>,
    law: Option<Lanes<N>>,
    /// Whether the dynamics keeps W₁ᵀW₁ − W₂W₂ᵀ.
    conserves_balance: bool,
    /// (W₁ᵀW₁ − W₂W₂ᵀ)(0) in the basis of Q, m × m column-major.
    initial_balance: LaneVec<N>,
    instructions: Instructions,
    spectrometer: Spectrometer<N>,
    balance: Balance<N>,
}

impl<const N: usize> Observer<N> {
    /// `initial` is the state at t = 0 as it was made, with orthogonal columns; the rank tolerance
    /// is relative to the largest singular value, and `law` the rate at which log det M falls where
    /// the determinant law applies. `conserves_balance`: whether the dynamics keeps W₁ᵀW₁ − W₂W₂ᵀ.
    pub fn new(
        layout: Layout,
        initial: &State<N>,
        rank_tolerance: f64,
        law: Option<Lanes<N>>,
        conserves_balance: bool,
        instructions: Instructions,
    ) -> Self {
        let rows = initial.factor.rows();
        let log_sigma = initial.factor.log_norms(0..rows, instructions);
        let mut balance = Balance::default();
        BalanceDrift {
            state: initial,
            inputs: layout.inputs,
            initial: &[],
            balance: &mut balance,
        }
        .run_on(instructions);
        Self {
            log_rank_tolerance: libm::log(rank_tolerance),
            initial_log_det: twice_the_sum(&log_sigma),
            law,
            conserves_balance,
            initial_balance: balance.value.clone(),
            layout,
            instructions,
            spectrometer: Spectrometer::default(),
            balance,
        }
    }

    /// What is measured.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// log det M at the start.
    pub fn initial_log_det(&self) -> Lanes<N> {
        self.initial_log_det
    }

    /// Everything that is measured of a state.
    pub fn read(&mut self, state: &State<N>, problem: &LaneProblem<N>) -> Readings<N> {
        let (inputs, instructions) = (problem.inputs, self.instructions);
        let classes = problem.classes.as_deref().map(|classes| {
            ClassLosses {
                state,
                problem,
                classes,
            }
            .run_on(instructions)
        });
        let (excess_loss, population_loss) = match classes {
            None => Losses { state, problem }.run_on(instructions),
            Some(_) => (Lanes::splat(f64::NAN), None),
        };
        let balance_drift = BalanceDrift {
            state,
            inputs,
            initial: &self.initial_balance,
            balance: &mut self.balance,
        }
        .run_on(instructions);
        Readings {
            excess_loss,
            classes,
            population_loss,
            balance_drift,
            spectra: self.spectrometer.measure(state, inputs, instructions),
        }
    }

    /// Appends one value per observable and lane to `out`, in the order of the layout; NaN where
    /// undefined.
    pub fn record(
        &self,
        readings: &Readings<N>,
        problem: &LaneProblem<N>,
        time: f64,
        out: &mut Vec<Lanes<N>>,
    ) {
        let spectra = &readings.spectra;
        out.push(self.determinant_law(time));
        match &readings.classes {
            None => out.extend([
                readings.excess_loss + problem.loss_floor,
                readings.excess_loss,
            ]),
            Some(classes) => out.extend([classes.loss, classes.accuracy]),
        }
        out.extend(readings.population_loss);
        out.push(spectra.log_det());
        out.push(readings.balance_drift);
        self.push_ranks(&spectra.values, out);
        for values in &spectra.values {
            out.extend(values);
        }
        out.extend(&spectra.product_error);
        out.extend(spectra.values[0].iter().map(|&s| s + s));
    }

    /// The lanes in which an adaptive flow, after so many tried steps, has left what it obeys by
    /// more than the errors of its steps add up to: the law of log det M where there is one, and
    /// else, for gradient flow, the conservation of W₁ᵀW₁ − W₂W₂ᵀ.
    pub fn not_conserved(&self, readings: &Readings<N>, time: f64, attempts: Lanes<N>) -> Mask<N> {
        let theta = &readings.spectra.values[0];
        let columns = theta.len() as f64;
        let log_det = readings.spectra.log_det();
        let law = self.determinant_law(time);
        Mask::from_fn(|lane| {
            // Each step has that error relative to each column; the condition of the columns is 2 +
            // m/2 at most.
            let steps = columns * (24.0 + columns) * TOLERANCE * attempts.0[lane];
            let explained = steps + MEASURED;
            let start = self.initial_log_det.0[lane];
            let moved = if self.law.is_some() && start.is_finite() {
                (log_det.0[lane] - law.0[lane]).abs()
            } else if !self.conserves_balance {
                return false;
            } else {
                let largest = theta
                    .first()
                    .map_or(0.0, |log| libm::exp(2.0 * log.0[lane]));
                readings.balance_drift.0[lane] / largest.max(f64::MIN_POSITIVE)
            };
            // A zero matrix has no drift to measure; anything else that is no number is lost.
            let nothing = theta
                .first()
                .is_none_or(|log| log.0[lane] == f64::NEG_INFINITY);
            !nothing && (moved.is_nan() || moved > explained)
        })
    }

    fn determinant_law(&self, time: f64) -> Lanes<N> {
        match self.law {
            Some(rate) => self.initial_log_det - rate * Lanes::splat(time),
            None => Lanes::splat(f64::NAN),
        }
    }

    /// Numerical, effective and stable rank and nuclear norm of each matrix, kind by kind.
    fn push_ranks(&self, spectra: &[Vec<Lanes<N>>; 4], out: &mut Vec<Lanes<N>>) {
        let ranks = spectra.each_ref().map(|logs| {
            RanksOfLanes {
                logs,
                log_tolerance: self.log_rank_tolerance,
            }
            .run_on(self.instructions)
        });
        for kind in 0..4 {
            out.extend(ranks.iter().map(|of_matrix| of_matrix[kind]));
        }
    }
}

/// W₁ᵀW₁ − W₂W₂ᵀ in the basis of Q, m × m column-major, with the room it is worked out in.
#[derive(Default)]
struct Balance<const N: usize> {
    value: LaneVec<N>,
    half: LaneVec<N>,
    scale: LaneVec<N>,
}

/// Works it out as R (C₁ᵀC₁ − C₂ᵀC₂) Rᵀ, and returns ‖W₁ᵀW₁ − W₂W₂ᵀ − `initial`‖_F.
struct BalanceDrift<'a, const N: usize> {
    state: &'a State<N>,
    inputs: usize,
    /// Empty where there is none yet.
    initial: &'a [Lanes<N>],
    balance: &'a mut Balance<N>,
}

impl<const N: usize> LaneWork for BalanceDrift<'_, N> {
    type Output = Lanes<N>;
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> Lanes<N> {
        let (state, inputs) = (self.state, self.inputs);
        let Balance { value, half, scale } = self.balance;
        let (rows, m) = (state.factor.rows(), state.factor.columns());
        scale.resize(m);
        for (scale, &e) in scale.iter_mut().zip(state.factor.exponent()) {
            *scale = e.exp2_whole();
        }
        value.resize(m * m);
        let column = |j: usize| &state.factor.mantissa()[j * rows..(j + 1) * rows];
        for i in 0..m {
            for j in 0..=i {
                let (x, y) = (column(i), column(j));
                let first = dot(&x[..inputs], &y[..inputs]);
                let second = dot(&x[inputs..], &y[inputs..]);
                let middle = (first - second) * scale[i] * scale[j];
                value[i * m + j] = middle;
                value[j * m + i] = middle;
            }
        }
        // Column b of A Bᵀ is Σ_j a_j B_bj; what is in the middle is symmetric.
        let products = Products::of_rows(m);
        let rotation = Columns::whole(&state.rotation, m);
        half.resize(m * m);
        products.outer_products(rotation, Columns::whole(value, m), half);
        products.outer_products(Columns::whole(half, m), rotation, value);
        let mut sum = Lanes::ZERO;
        for (&a, &b) in value.iter().zip(self.initial) {
            let difference = a - b;
            sum = difference.mul_add(difference, sum);
        }
        sum.sqrt()
    }
}

struct Losses<'a, const N: usize> {
    state: &'a State<N>,
    problem: &'a LaneProblem<N>,
}

impl<const N: usize> LaneWork for Losses<'_, N> {
    /// Above the least-squares optimum, and on a fresh sample where the truth is known.
    type Output = (Lanes<N>, Option<Lanes<N>>);
    const WIDE: bool = false;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let problem = self.problem;
        let mut map = vec![Lanes::ZERO; problem.sxy.len()];
        self.state.product(problem, &mut map);
        // Not by a closure, which would not be compiled for the chosen instructions.
        let mut population = None;
        if let Some(truth) = &problem.truth {
            population = Some(population_loss(truth, problem, &map));
        }
        (excess_loss(problem, &map), population)
    }
}

/// ½ tr (W₁W₂ − β)ᵀ Σ (W₁W₂ − β) and the loss of the truth itself.
#[inline(always)]
fn population_loss<const N: usize>(
    truth: &LaneTruth<N>,
    problem: &LaneProblem<N>,
    map: &[Lanes<N>],
) -> Lanes<N> {
    let k = problem.outputs;
    let error: Vec<_> = map
        .iter()
        .zip(&truth.teacher)
        .map(|(&m, &t)| m - t)
        .collect();
    let mut sum = Lanes::ZERO;
    for (row, weights) in error
        .chunks_exact(k)
        .zip(truth.covariance.chunks_exact(problem.inputs))
    {
        for (other, &c) in error.chunks_exact(k).zip(weights) {
            for (&x, &y) in row.iter().zip(other) {
                sum = (c * x).mul_add(y, sum);
            }
        }
    }
    Lanes::splat(0.5).mul_add(sum, truth.floor)
}

/// ½|S_xx^{1/2}(W₁W₂ − β̂)|²: the training loss above the least-squares optimum, in the units of
/// reported losses.
#[inline(always)]
fn excess_loss<const N: usize>(problem: &LaneProblem<N>, map: &[Lanes<N>]) -> Lanes<N> {
    let k = problem.outputs;
    let mut sum = Lanes::ZERO;
    let rows = map.chunks_exact(k).zip(problem.optimum.chunks_exact(k));
    for ((row, best), &s) in rows.zip(&problem.eigenvalues) {
        for ((&x, &y), &weight) in row.iter().zip(best).zip(&problem.loss_weights) {
            let error = x - y;
            sum = (s * weight * error).mul_add(error, sum);
        }
    }
    Lanes::splat(0.5) * sum
}

//! What is measured at a save time: losses, determinant, spectra, ranks, conservation.
//!
//! Observers work on a copy of the state, so looking never changes a path.

use std::ops::Range;

use crate::columns::Columns;
use crate::force_balance;
use crate::graded::{GradedColumns, Rotate, dot};
use crate::lane_math::{exp_of_negative, ln};
use crate::lane_problem::{LaneProblem, LaneTruth};
use crate::lane_vec::LaneVec;
use crate::lanes::{Instructions, LaneWork, Lanes, Mask};
use crate::products::Products;
use crate::state::State;
use crate::theory;

/// Name of what the determinant law predicts for `log_det`, measured beside it.
pub const LAW: &str = "log_det_law";

/// One number measured at every save time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observable {
    /// Its name in `series.parquet`.
    pub name: &'static str,
    /// 1, 2, … for the parts of a spectrum, descending; 0 for scalars.
    pub index: u32,
}

/// The four matrices whose spectra are taken.
const MATRICES: [&str; 4] = ["theta", "w1", "w2", "product"];
const LOG_SINGULAR_VALUE: [&str; 4] = [
    "log_singular_value_theta",
    "log_singular_value_w1",
    "log_singular_value_w2",
    "log_singular_value_product",
];
const RANKS: [[&str; 4]; 4] = [
    [
        "numerical_rank_theta",
        "numerical_rank_w1",
        "numerical_rank_w2",
        "numerical_rank_product",
    ],
    [
        "effective_rank_theta",
        "effective_rank_w1",
        "effective_rank_w2",
        "effective_rank_product",
    ],
    [
        "stable_rank_theta",
        "stable_rank_w1",
        "stable_rank_w2",
        "stable_rank_product",
    ],
    [
        "nuclear_norm_theta",
        "nuclear_norm_w1",
        "nuclear_norm_w2",
        "nuclear_norm_product",
    ],
];

/// Names and order of everything measured; fixed by the shape of the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In the order in which they are measured.
    pub observables: Vec<Observable>,
    inputs: usize,
    outputs: usize,
    columns: usize,
}

impl Layout {
    /// For p inputs, k outputs and m = min(l, p + k) columns.
    pub fn new(inputs: usize, outputs: usize, columns: usize, truth_known: bool) -> Self {
        let mut observables = Vec::new();
        let mut scalar = |name| observables.push(Observable { name, index: 0 });
        scalar(LAW);
        scalar("loss");
        scalar("excess_loss");
        if truth_known {
            scalar("population_loss");
        }
        scalar("log_det");
        scalar("balance_drift");
        RANKS.iter().flatten().for_each(|name| scalar(name));
        let sizes = spectrum_sizes(inputs, outputs, columns);
        let mut spectrum = |name, size: usize| {
            observables.extend((1..=size as u32).map(|index| Observable { name, index }));
        };
        for (name, size) in LOG_SINGULAR_VALUE.into_iter().zip(sizes) {
            spectrum(name, size);
        }
        spectrum("log_singular_value_product_error", sizes[3]);
        spectrum("log_eigenvalue_m", sizes[0]);
        Self {
            observables,
            inputs,
            outputs,
            columns,
        }
    }

    /// The same with a force balance after everything else.
    pub fn with_force_balance(mut self) -> Self {
        let balance = force_balance::observables(self.columns);
        self.observables.extend(balance);
        self
    }

    /// Where an observable is, if it is measured.
    pub fn position(&self, name: &str, index: u32) -> Option<usize> {
        self.observables
            .iter()
            .position(|o| o.name == name && o.index == index)
    }

    /// How many singular values `matrix` ("theta", "w1", "w2", "product") has.
    pub fn spectrum_size(&self, matrix: &str) -> usize {
        let sizes = spectrum_sizes(self.inputs, self.outputs, self.columns);
        MATRICES
            .iter()
            .position(|&m| m == matrix)
            .map_or(0, |place| sizes[place])
    }
}

fn spectrum_sizes(inputs: usize, outputs: usize, columns: usize) -> [usize; 4] {
    [
        columns,
        inputs.min(columns),
        outputs.min(columns),
        inputs.min(outputs).min(columns),
    ]
}

/// What is measured of N trajectories at one time, before ranks and sums are formed.
pub struct Readings<const N: usize> {
    /// Training loss above the least-squares optimum.
    pub excess_loss: Lanes<N>,
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
    /// log det at t = 0, and ν where the determinant law applies.
    initial_log_det: Lanes<N>,
    law: Option<f64>,
    /// (W₁ᵀW₁ − W₂W₂ᵀ)(0) in the basis of Q, m × m column-major.
    initial_balance: LaneVec<N>,
    instructions: Instructions,
}

impl<const N: usize> Observer<N> {
    /// `initial` is the state at t = 0 as it was made, with orthogonal columns; the rank tolerance is
    /// relative to the largest singular value, and `law` the noise intensity ν where the determinant law
    /// applies.
    pub fn new(
        layout: Layout,
        initial: &State<N>,
        rank_tolerance: f64,
        law: Option<f64>,
        instructions: Instructions,
    ) -> Self {
        let rows = initial.factor.rows();
        let log_sigma = initial.factor.log_norms(0..rows, instructions);
        Self {
            log_rank_tolerance: libm::log(rank_tolerance),
            initial_log_det: twice_the_sum(&log_sigma),
            law,
            initial_balance: instructions.dispatch(Balance {
                state: initial,
                inputs: layout.inputs,
            }),
            layout,
            instructions,
        }
    }

    /// What is measured.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Everything that is measured of a state.
    pub fn read(&self, state: &State<N>, problem: &LaneProblem<N>) -> Readings<N> {
        let losses = self.instructions.dispatch(Losses { state, problem });
        Readings {
            excess_loss: losses.excess,
            population_loss: losses.population,
            balance_drift: self.instructions.dispatch(BalanceDrift {
                observer: self,
                state,
            }),
            spectra: Spectra::new(state, problem.inputs, self.instructions),
        }
    }

    /// Appends one value per observable and lane to `out`, in the order of the layout; NaN where
    /// undefined or diverged.
    pub fn record(
        &self,
        readings: &Readings<N>,
        problem: &LaneProblem<N>,
        time: f64,
        alive: Mask<N>,
        out: &mut Vec<Lanes<N>>,
    ) {
        let first = out.len();
        let spectra = &readings.spectra;
        out.push(self.determinant_law(problem, time));
        out.push(readings.excess_loss + problem.loss_floor);
        out.push(readings.excess_loss);
        out.extend(readings.population_loss);
        out.push(spectra.log_det());
        out.push(readings.balance_drift);
        self.push_ranks(&spectra.values, out);
        for values in &spectra.values {
            out.extend(values);
        }
        out.extend(&spectra.product_error);
        out.extend(spectra.values[0].iter().map(|&s| s + s));
        for value in &mut out[first..] {
            *value = value.where_else(alive, Lanes::splat(f64::NAN));
        }
    }

    fn determinant_law(&self, problem: &LaneProblem<N>, time: f64) -> Lanes<N> {
        let Some(nu) = self.law else {
            return Lanes::splat(f64::NAN);
        };
        let mut out = Lanes::ZERO;
        for lane in 0..N {
            let (initial, trace) = (self.initial_log_det.0[lane], problem.trace.0[lane]);
            out.0[lane] = theory::determinant_law(initial, nu, problem.outputs, trace, time);
        }
        out
    }

    /// Numerical, effective and stable rank and nuclear norm of each matrix, kind by kind.
    fn push_ranks(&self, spectra: &[Vec<Lanes<N>>; 4], out: &mut Vec<Lanes<N>>) {
        let ranks = spectra.each_ref().map(|logs| {
            self.instructions.dispatch(RanksOfLanes {
                logs,
                log_tolerance: self.log_rank_tolerance,
            })
        });
        for kind in 0..4 {
            out.extend(ranks.iter().map(|of_matrix| of_matrix[kind]));
        }
    }
}

/// Notions of rank of one spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// #{σᵢ > tolerance · σ₁}.
    pub numerical: f64,
    /// exp of the entropy of σᵢ/Σσ (Roy and Vetterli, EUSIPCO 2007).
    pub effective: f64,
    /// Σσᵢ²/σ₁².
    pub stable: f64,
    /// Σσᵢ.
    pub nuclear_norm: f64,
}

impl Ranks {
    /// From natural logarithms of singular values, largest first. NaN for a zero matrix, but its
    /// numerical rank and nuclear norm are 0.
    pub fn new(logs: impl Iterator<Item = f64>, log_tolerance: f64) -> Self {
        let logs: Vec<_> = logs.map(|log| Lanes([log])).collect();
        let logs = &logs;
        let [numerical, effective, stable, nuclear_norm] = RanksOfLanes {
            logs,
            log_tolerance,
        }
        .run()
        .map(|rank| rank.0[0]);
        Self {
            numerical,
            effective,
            stable,
            nuclear_norm,
        }
    }
}

/// [`Ranks`] of N spectra, in the order of its fields.
struct RanksOfLanes<'a, const N: usize> {
    logs: &'a [Lanes<N>],
    log_tolerance: f64,
}

impl<const N: usize> LaneWork for RanksOfLanes<'_, N> {
    type Output = [Lanes<N>; 4];
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(self) -> [Lanes<N>; 4] {
        let undefined = Lanes::splat(f64::NAN);
        let Some(&largest) = self.logs.first() else {
            return [Lanes::ZERO, undefined, undefined, Lanes::ZERO];
        };
        let tolerance = Lanes::splat(self.log_tolerance);
        let (mut count, mut sum) = (Lanes::ZERO, Lanes::ZERO);
        let (mut squares, mut weighted) = (Lanes::ZERO, Lanes::ZERO);
        for &log in self.logs {
            let relative_log = log - largest;
            let relative = exp_of_negative(relative_log);
            count += Lanes::ONE.where_else(tolerance.less_than(relative_log), Lanes::ZERO);
            sum += relative;
            squares = relative.mul_add(relative, squares);
            let finite = relative_log.where_else(Lanes::ZERO.less_than(relative), Lanes::ZERO);
            weighted = relative.mul_add(finite, weighted);
        }
        // −Σ p ln p with p = r/Σr is ln Σr − Σ r ln r / Σr: with the largest r one, between 0 and its ln.
        let entropy = ln(sum) - weighted / sum;
        let effective = Lanes::ONE / exp_of_negative(-entropy);
        let nonzero = Lanes::splat(f64::NEG_INFINITY).less_than(largest);
        let nuclear_norm = sum * Lanes(largest.0.map(libm::exp));
        [
            count.where_else(nonzero, Lanes::ZERO),
            effective.where_else(nonzero, undefined),
            squares.where_else(nonzero, undefined),
            nuclear_norm.where_else(nonzero, Lanes::ZERO),
        ]
    }
}

/// Log singular values of Θ, W₁, W₂ and W₁W₂, descending.
pub struct Spectra<const N: usize> {
    /// Θ, W₁, W₂, W₁W₂.
    pub values: [Vec<Lanes<N>>; 4],
    /// Bound on the error of each log singular value of W₁W₂.
    pub product_error: Vec<Lanes<N>>,
}

impl<const N: usize> Spectra<N> {
    /// Of the state; `inputs` rows of Θ belong to W₁.
    pub fn new(state: &State<N>, inputs: usize, instructions: Instructions) -> Self {
        let mut theta = state.factor.clone();
        let rows = theta.rows();
        theta.orthogonalise(0..rows, Rotate::ToRounding, Mask::ALL, None, instructions);
        let (first, second) = (0..inputs, inputs..rows);
        let outputs = rows - inputs;
        let (short, tall) = if outputs <= inputs {
            (second, first)
        } else {
            (first, second)
        };
        let core = Core::new(&theta, short, tall.clone(), instructions);
        let tall_values = block_spectrum(&theta, tall, instructions);
        let short_values = core.short_spectrum(instructions);
        let (product, product_error) = core.product_spectrum(instructions);
        let (w1, w2) = if outputs <= inputs {
            (tall_values, short_values)
        } else {
            (short_values, tall_values)
        };
        Self {
            values: [theta.log_norms(0..rows, instructions), w1, w2, product],
            product_error,
        }
    }
}

impl<const N: usize> Spectra<N> {
    /// log det M where Θ has as many columns as rows, else log det ΘᵀΘ: 2 Σ log σ.
    pub fn log_det(&self) -> Lanes<N> {
        twice_the_sum(&self.values[0])
    }
}

fn twice_the_sum<const N: usize>(log_sigma: &[Lanes<N>]) -> Lanes<N> {
    let add = |sum, &s: &Lanes<N>| sum + (s + s);
    log_sigma.iter().fold(Lanes::ZERO, add)
}

/// Log singular values of a block of rows: triangularised first, so that no column is a
/// combination of larger ones (Drmač and Veselić 2008).
fn block_spectrum<const N: usize>(
    theta: &GradedColumns<N>,
    block: Range<usize>,
    instructions: Instructions,
) -> Vec<Lanes<N>> {
    let mut rows = theta.row_block(block);
    let count = rows.rows();
    rows.triangularise(0..count, instructions);
    sorted_log_norms(
        rows.leading_columns(count.min(theta.columns())),
        instructions,
    )
}

fn sorted_log_norms<const N: usize>(
    mut factor: GradedColumns<N>,
    instructions: Instructions,
) -> Vec<Lanes<N>> {
    let rows = factor.rows();
    factor.orthogonalise(0..rows, Rotate::ToRounding, Mask::ALL, None, instructions);
    factor.log_norms(0..rows, instructions)
}

/// Θ turned from the right so that its shorter block fills only q = min(rows of it, m) columns.
/// Then W₁W₂ (or its transpose) is tall · shortᵀ with q columns each, all graded.
struct Core<const N: usize> {
    columns: GradedColumns<N>,
    tall: Range<usize>,
    short: Range<usize>,
}

impl<const N: usize> Core<N> {
    fn new(
        theta: &GradedColumns<N>,
        short: Range<usize>,
        tall: Range<usize>,
        instructions: Instructions,
    ) -> Self {
        let mut columns = theta.clone();
        columns.triangularise(short.clone(), instructions);
        let count = short.len().min(theta.columns());
        Self {
            columns: columns.leading_columns(count),
            tall,
            short,
        }
    }

    fn short_spectrum(&self, instructions: Instructions) -> Vec<Lanes<N>> {
        sorted_log_norms(self.columns.row_block(self.short.clone()), instructions)
    }

    /// With the tall block's columns made orthogonal, tall = U Σ and W₁W₂ = U (short Σ)ᵀ: its
    /// singular values are those of the short block with column j scaled by σ_j.
    ///
    /// Each column is known relative to its own size, so term j of Σ tall_j short_jᵀ carries an
    /// error of rounding times its size; where singular value i is smaller than the terms that
    /// make it up, as many digits are lost. The bound is rounding times the largest such ratio
    /// among the first i.
    fn product_spectrum(&self, instructions: Instructions) -> (Vec<Lanes<N>>, Vec<Lanes<N>>) {
        let mut turned = self.columns.clone();
        let orthogonal = Rotate::to_orthogonality(self.tall.len());
        turned.orthogonalise(self.tall.clone(), orthogonal, Mask::ALL, None, instructions);
        let norms = turned.mantissa_norms(self.tall.clone());
        let scaled = turned.rescaled(self.short.clone(), &norms, turned.exponent());
        let mut sizes = scaled.log_norms(0..scaled.rows(), instructions);
        let values = sorted_log_norms(scaled, instructions);
        let mut of_lane = Vec::with_capacity(sizes.len());
        for lane in 0..N {
            of_lane.clear();
            of_lane.extend(sizes.iter().map(|s| s.0[lane]));
            of_lane.sort_unstable_by(|a, b| b.total_cmp(a));
            for (size, &value) in sizes.iter_mut().zip(&of_lane) {
                size.0[lane] = value;
            }
        }
        let rounding = 16.0 * turned.rows() as f64 * f64::EPSILON;
        let mut worst = Lanes::ZERO;
        let errors = sizes.iter().zip(&values).map(|(&size, &value)| {
            worst = worst.max(size - value);
            Lanes(worst.0.map(|loss| rounding * libm::exp(loss)))
        });
        let errors = errors.collect();
        (values, errors)
    }
}

/// W₁ᵀW₁ − W₂W₂ᵀ in the basis of Q, m × m column-major: R (C₁ᵀC₁ − C₂ᵀC₂) Rᵀ.
struct Balance<'a, const N: usize> {
    state: &'a State<N>,
    inputs: usize,
}

impl<const N: usize> LaneWork for Balance<'_, N> {
    type Output = LaneVec<N>;
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(self) -> LaneVec<N> {
        let Self { state, inputs } = self;
        let (rows, m) = (state.factor.rows(), state.factor.columns());
        let mut scale = LaneVec::zeros(m);
        for (scale, &e) in scale.iter_mut().zip(state.factor.exponent()) {
            *scale = e.exp2_whole();
        }
        let mut middle = LaneVec::zeros(m * m);
        let column = |j: usize| &state.factor.mantissa()[j * rows..(j + 1) * rows];
        for i in 0..m {
            for j in 0..=i {
                let (x, y) = (column(i), column(j));
                let first = dot(&x[..inputs], &y[..inputs]);
                let second = dot(&x[inputs..], &y[inputs..]);
                let value = (first - second) * scale[i] * scale[j];
                middle[i * m + j] = value;
                middle[j * m + i] = value;
            }
        }
        // Column b of A Bᵀ is Σ_j a_j B_bj; what is in the middle is symmetric.
        let products = Products::of_rows(m);
        let rotation = Columns::whole(&state.rotation, m);
        let mut half = LaneVec::zeros(m * m);
        products.outer_products(rotation, Columns::whole(&middle, m), &mut half);
        products.outer_products(Columns::whole(&half, m), rotation, &mut middle);
        middle
    }
}

struct BalanceDrift<'a, const N: usize> {
    observer: &'a Observer<N>,
    state: &'a State<N>,
}

impl<const N: usize> LaneWork for BalanceDrift<'_, N> {
    type Output = Lanes<N>;
    const NARROW: bool = Lanes::<N>::NARROW;

    /// ‖(W₁ᵀW₁ − W₂W₂ᵀ)(t) − (W₁ᵀW₁ − W₂W₂ᵀ)(0)‖_F.
    #[inline(always)]
    fn run(self) -> Lanes<N> {
        let now = Balance {
            state: self.state,
            inputs: self.observer.layout.inputs,
        }
        .run();
        let mut sum = Lanes::ZERO;
        for (&a, &b) in now.iter().zip(&self.observer.initial_balance) {
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

struct LossValues<const N: usize> {
    excess: Lanes<N>,
    population: Option<Lanes<N>>,
}

impl<const N: usize> LaneWork for Losses<'_, N> {
    type Output = LossValues<N>;
    const NARROW: bool = Lanes::<N>::NARROW;

    #[inline(always)]
    fn run(self) -> LossValues<N> {
        let problem = self.problem;
        let mut map = vec![Lanes::ZERO; problem.sxy.len()];
        self.state.product(problem, &mut map);
        // Not by a closure, which would not be compiled for the chosen instructions.
        let mut population = None;
        if let Some(truth) = &problem.truth {
            population = Some(population_loss(truth, problem, &map));
        }
        LossValues {
            excess: excess_loss(problem, &map),
            population,
        }
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

/// ½|S_xx^{1/2}(W₁W₂ − β̂)|²: the training loss above the least-squares optimum.
#[inline(always)]
fn excess_loss<const N: usize>(problem: &LaneProblem<N>, map: &[Lanes<N>]) -> Lanes<N> {
    let k = problem.outputs;
    let mut sum = Lanes::ZERO;
    let rows = map.chunks_exact(k).zip(problem.optimum.chunks_exact(k));
    for ((row, best), &s) in rows.zip(&problem.eigenvalues) {
        for (&x, &y) in row.iter().zip(best) {
            let error = x - y;
            sum = (s * error).mul_add(error, sum);
        }
    }
    Lanes::splat(0.5) * sum
}

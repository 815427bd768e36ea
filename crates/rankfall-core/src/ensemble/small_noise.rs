//! What the slow flow predicts for a noisy dynamics: everything that is measured, at the times of
//! its saves, without simulating it.

use std::sync::Arc;

use thiserror::Error;

use crate::measure::layout::Layout;
use crate::measure::observe::Observer;
use crate::model::problem::Problem;
use crate::model::row_noise::RowNoise;
use crate::model::setup::{Setup, SetupError};
use crate::simd::instructions::Instructions;
use crate::simd::lanes::Lanes;
use crate::step::averaged_noise::AveragedNoise;
use crate::step::gradient_flow::GradientFlow;
use crate::theory::averaging::{NoSlowFlow, loss_of_fluctuations, slow_flow_applies};
use crate::trajectories::lane_problem::LaneProblem;
use crate::trajectories::state::State;

/// Where and when a prediction is wanted.
#[derive(Clone, Debug)]
pub struct SmallNoise<'a> {
    /// Data and starts.
    pub setup: &'a Setup,
    /// ν.
    pub nu: f64,
    /// Times t, from 0 on, not falling.
    pub times: &'a [f64],
    /// Relative tolerance of the numerical rank.
    pub rank_tolerance: f64,
    /// How many starts are averaged over, where trajectories have their own.
    pub trajectories: u64,
    /// Multiplications that it may take, about; see [`MOST_WORK`].
    pub most_work: f64,
}

/// Work that takes a few seconds.
pub const MOST_WORK: f64 = 1e10;

/// Work on the noise of rows that takes a fraction of a second.
const MOST_ROW_WORK: f64 = 2e8;

/// What is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Names, in the order of the values.
    pub layout: Layout,
    /// Time by time; NaN where undefined.
    pub values: Vec<f64>,
    /// Of what order the relative errors are; see [`crate::theory::averaging::separation`]. The
    /// largest over the starts.
    pub separation: f64,
}

/// Why nothing is predicted.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NoPrediction {
    /// Averaging does not apply.
    #[error(transparent)]
    NoSlowFlow(#[from] NoSlowFlow),
    /// It takes too long.
    #[error(
        "gradient flow to the minimum and the slow flow from there take more work than is spent on it"
    )]
    TooMuchWork,
    /// Weights that left the range of numbers.
    #[error("its weights leave the range of numbers")]
    OutOfRange,
    /// No start.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Predicted {
    /// The value of an observable at a time; none where it is not among them or undefined.
    pub fn at(&self, time: usize, name: &str, index: u32) -> Option<f64> {
        let place = self.layout.position(name, index)?;
        let value = self
            .values
            .get(time * self.layout.observables.len() + place)?;
        value.is_finite().then_some(*value)
    }
}

impl SmallNoise<'_> {
    /// Integrates the slow flow from each start and averages what is measured: of label noise, and
    /// of rows that are drawn where the intensity μ of their noise is given (see
    /// [`crate::model::dynamics::Dynamics::row_noise_intensity`]), rows are held, and residuals are
    /// left at the optimum.
    ///
    /// # Errors
    /// Why there is no prediction.
    pub fn predict(&self, intensity: Option<f64>) -> Result<Predicted, NoPrediction> {
        let starts = match self.setup.is_shared() {
            true => 1,
            false => self.trajectories.max(1),
        };
        let mut all: Option<Predicted> = None;
        for trajectory in 0..starts {
            let one = self.of_start(trajectory, intensity, self.most_work / starts as f64)?;
            match &mut all {
                None => all = Some(one),
                Some(all) => {
                    all.separation = all.separation.max(one.separation);
                    for (sum, value) in all.values.iter_mut().zip(&one.values) {
                        *sum += value;
                    }
                }
            }
        }
        let mut all = all.ok_or(NoPrediction::OutOfRange)?;
        all.values
            .iter_mut()
            .for_each(|value| *value /= starts as f64);
        Ok(all)
    }

    fn of_start(
        &self,
        trajectory: u64,
        intensity: Option<f64>,
        most_work: f64,
    ) -> Result<Predicted, NoPrediction> {
        let initial = self.setup.initial_condition(trajectory)?;
        let rows = row_noise(&initial.problem, intensity)?;
        let separation =
            slow_flow_applies(&initial.problem, self.setup.width, self.nu, rows.as_ref())?;
        let instructions = Instructions::best();
        let problem = LaneProblem::new(std::array::from_ref(&initial.problem), instructions);
        let mut state = State::<1>::new(&[initial.start.as_ref()], instructions);
        let columns = state.factor.columns();
        let layout = Layout::new(
            problem.inputs,
            problem.outputs,
            columns,
            problem.truth.is_some(),
        );
        let twice = 2.0 * self.nu * problem.outputs as f64;
        let of_rows = rows.as_ref().map_or(0.0, RowNoise::determinant_rate);
        let law = (columns == state.factor.rows())
            .then(|| Lanes::splat(twice) * problem.trace + Lanes::splat(of_rows));
        let mut observer = Observer::new(
            layout.clone(),
            &state,
            self.rank_tolerance,
            law,
            false,
            instructions,
        );
        let side = rows.as_ref().map_or(0, |rows| rows.whitened.nrows());
        let attempts = most_work / work_of_attempt(&initial.problem, columns, side);
        let fluctuating = rows.as_ref().map(|rows| averaged(rows, &initial.problem));
        let mut flow = GradientFlow::new(&problem, &state)
            .with_noise(&problem, self.nu, rows)
            .with_most_attempts(attempts);
        let (mut now, mut values) = (0.0, Vec::new());
        for &time in self.times {
            let mut left = Lanes([time - now]);
            while left.0[0] > 0.0 && state.alive().any() {
                left = flow.advance(&mut state, &problem, left, u32::MAX);
            }
            if !state.alive().any() {
                return Err(match state.attempts.0[0] >= attempts {
                    true => NoPrediction::TooMuchWork,
                    false => NoPrediction::OutOfRange,
                });
            }
            now = time;
            let mut readings = observer.read(&state, &problem);
            if time > 0.0 {
                let noise = fluctuating.as_ref();
                let (train, population) =
                    self.fluctuations(&state, noise, &problem, &initial.problem);
                readings.excess_loss += Lanes([train]);
                readings.population_loss = readings
                    .population_loss
                    .map(|loss| loss + Lanes([population]));
            }
            let mut at_time = Vec::new();
            observer.record(&readings, &problem, time, &mut at_time);
            values.extend(at_time.iter().map(|value| value.0[0]));
        }
        Ok(Predicted {
            layout,
            values,
            separation,
        })
    }

    /// What fluctuations around the minimum add to the training loss and to the population loss.
    fn fluctuations(
        &self,
        state: &State<1>,
        rows: Option<&AveragedNoise>,
        lanes: &LaneProblem<1>,
        problem: &Arc<Problem>,
    ) -> (f64, f64) {
        let (p, k) = (lanes.inputs, lanes.outputs);
        let (d, b) = state.squares(0, p);
        let on_outputs: Vec<f64> = (0..k).map(|c| problem.loss_weight(c)).collect();
        let sample: Vec<f64> = (0..p * p)
            .map(|i| match i % p == i / p {
                true => problem.eigenvalues[i / p],
                false => 0.0,
            })
            .collect();
        let of_map = rows.map(|noise| {
            let active = problem.eigenvalues.iter().filter(|s| **s > 0.0).count();
            let of_active: Vec<f64> = (0..active * active)
                .map(|at| d[at / active * p + at % active])
                .collect();
            noise.covariance_of_map(&of_active, &b)
        });
        let loss = |on_inputs: &[f64], on_outputs: &[f64]| {
            let of_rows = of_map.as_ref().map_or(0.0, |covariance| {
                loss_of_covariance(covariance, on_inputs, on_outputs)
            });
            loss_of_fluctuations(self.nu, &d, &b, on_inputs, on_outputs) + of_rows
        };
        let train = loss(&sample, &on_outputs);
        let population = lanes.truth.as_ref().map_or(0.0, |truth| {
            let covariance: Vec<f64> = truth.covariance.iter().map(|c| c.0[0]).collect();
            loss(&covariance, &vec![1.0; k])
        });
        (train, population)
    }
}

/// The noise of rows at this intensity, where there is any.
///
/// # Errors
/// [`NoPrediction::TooMuchWork`] for more than a fraction of a second of it.
pub fn row_noise(
    problem: &Problem,
    intensity: Option<f64>,
) -> Result<Option<RowNoise>, NoPrediction> {
    let Some(intensity) = intensity.filter(|_| RowNoise::exists(problem)) else {
        return Ok(None);
    };
    match RowNoise::work(problem) > MOST_ROW_WORK {
        true => Err(NoPrediction::TooMuchWork),
        false => Ok(RowNoise::new(problem, intensity)),
    }
}

/// The noise of rows around the minimum of a problem.
fn averaged(rows: &RowNoise, problem: &Problem) -> AveragedNoise {
    let positive = problem.eigenvalues.iter().filter(|s| **s > 0.0);
    let roots = positive.map(|s| s.sqrt()).collect();
    AveragedNoise::new(problem.outputs, roots, rows.whitened.clone())
}

/// ½ E tr EᵀΣE of an E of this covariance (over inputs with positive eigenvalues, the first ones),
/// Σ p × p on the inputs and weights on the outputs.
fn loss_of_covariance(covariance: &faer::Mat<f64>, on_inputs: &[f64], on_outputs: &[f64]) -> f64 {
    let k = on_outputs.len();
    let p = libm::sqrt(on_inputs.len() as f64) as usize;
    let active = covariance.nrows() / k;
    let mut sum = 0.0;
    for a in 0..active {
        for c in 0..active {
            for (b, weight) in on_outputs.iter().enumerate() {
                sum += weight * on_inputs[a * p + c] * covariance[(a * k + b, c * k + b)];
            }
        }
    }
    0.5 * sum
}

/// Multiplications of one step that is tried, about: twelve stages, each with products of the
/// columns, with their squares, and a Cholesky factor for each row of the shorter side; with noise
/// of rows, eigenvectors of a matrix of side `side`.
fn work_of_attempt(problem: &Problem, columns: usize, side: usize) -> f64 {
    let (p, k, m) = (
        problem.inputs as f64,
        problem.outputs as f64,
        columns as f64,
    );
    let (long, short) = (p.max(k), p.min(k));
    let squares = (p * p + k * k + 3.0 * p * k) * m;
    // So much again for what does not depend on sizes.
    let eigenvectors = 30.0 * (side * side * side) as f64;
    12.0 * (squares + short * long * long * (long / 6.0 + 2.0) + 500.0 + eigenvectors)
}

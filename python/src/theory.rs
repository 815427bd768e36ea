//! What theory says, for batches of problems and weights: one after the other on all cores.

use crate::errors::{Operation, detached};
use faer::Mat;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use rankfall::Failure;
use rankfall_core::ensemble::small_noise::{MOST_WORK, SmallNoise};
use rankfall_core::model::dynamics::ForceSplit;
use rankfall_core::model::gram::Gram;
use rankfall_core::model::network::{Initialisation, Start, Weights};
use rankfall_core::model::problem::Problem;
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::theory;
use rankfall_core::theory::forces::EigenvalueForces;
use rankfall_core::trajectories::lane_problem::LaneProblem;
use rankfall_core::trajectories::state::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Matrices behind each other, each of these rows and columns, rows first.
struct Stack {
    values: Vec<f64>,
    rows: usize,
    columns: usize,
}

impl Stack {
    fn new(values: &PyReadonlyArray1<'_, f64>, rows: usize, columns: usize) -> PyResult<Self> {
        let values = values.to_vec()?;
        Ok(Self {
            values,
            rows,
            columns,
        })
    }

    fn matrix(&self, place: usize) -> Mat<f64> {
        let first = place * self.rows * self.columns;
        Mat::from_fn(self.rows, self.columns, |i, j| {
            self.values[first + i * self.columns + j]
        })
    }
}

/// Does `work` for every place of a batch on all cores; the results in order, or the first failure.
fn for_each<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= count {
                return done;
            }
            done.push((place, work(place)));
        }
    };
    let mut all: Vec<(usize, Result<T, Failure>)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(count))
            .map(|_| scope.spawn(worker))
            .collect();
        let mut all = worker();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => all.push((0, Err(crate::errors::of_panic(&*panic)))),
            }
        }
        all
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, result)| result).collect()
}

/// A failure of one place of a batch, which names it where there is more than one.
fn at(place: usize, count: usize, why: &dyn std::fmt::Display) -> Failure {
    match count {
        1 => Failure::input(why.to_string()),
        _ => Failure::input(format!("setting {place}: {why}")),
    }
}

fn problem(sxx: Mat<f64>, beta: &Mat<f64>) -> Result<Problem, String> {
    let sxy = &sxx * beta;
    let syy = beta.transpose() * &sxy;
    let gram = Gram {
        sxx,
        sxy,
        syy,
        n: 1,
        centred: None,
    };
    Problem::new(&gram, None, None).map_err(|error| error.to_string())
}

/// Rates of log σᵢ(Θ) under label noise in the end, batch × (p + k), and how many singular values
/// survive.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn decay_rates<'py>(
    py: Python<'py>,
    sxx: PyReadonlyArray1<'py, f64>,
    beta: PyReadonlyArray1<'py, f64>,
    nu: PyReadonlyArray1<'py, f64>,
    sizes: [usize; 2],
) -> PyResult<(Bound<'py, PyArray2<f64>>, Vec<usize>)> {
    let [p, k] = sizes;
    let (sxx, beta, nu) = (
        Stack::new(&sxx, p, p)?,
        Stack::new(&beta, p, k)?,
        nu.to_vec()?,
    );
    let all = detached(py, Operation::Experiment, || {
        for_each(nu.len(), |place| {
            let say = |why: &dyn std::fmt::Display| at(place, nu.len(), why);
            let problem = problem(sxx.matrix(place), &beta.matrix(place)).map_err(|e| say(&e))?;
            let (eigenvalues, optimum) = (&problem.eigenvalues, &problem.optimum);
            let rates = theory::decay_rates(eigenvalues, optimum, nu[place]);
            let survivors = theory::surviving_singular_values(eigenvalues, optimum);
            Ok((rates.map_err(|e| say(&e))?, survivors.map_err(|e| say(&e))?))
        })
    })?;
    let (rates, survivors): (Vec<Vec<f64>>, Vec<usize>) = all.into_iter().unzip();
    Ok((PyArray2::from_vec2(py, &rates)?, survivors))
}

/// The slow flow from weights: names and indices of what is followed, and values, batch × times ×
/// names; and of what order relative errors are.
#[pyfunction]
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
pub fn slow_flow<'py>(
    py: Python<'py>,
    w1: PyReadonlyArray1<'py, f64>,
    w2: PyReadonlyArray1<'py, f64>,
    sxx: PyReadonlyArray1<'py, f64>,
    sxy: PyReadonlyArray1<'py, f64>,
    syy: PyReadonlyArray1<'py, f64>,
    nu: PyReadonlyArray1<'py, f64>,
    times: Vec<f64>,
    tolerance: f64,
    sizes: [usize; 3],
) -> PyResult<(Vec<(String, u32)>, Bound<'py, PyArray1<f64>>, Vec<f64>)> {
    let [p, l, k] = sizes;
    let (w1, w2) = (Stack::new(&w1, p, l)?, Stack::new(&w2, l, k)?);
    let (sxx, sxy, syy) = (
        Stack::new(&sxx, p, p)?,
        Stack::new(&sxy, p, k)?,
        Stack::new(&syy, k, k)?,
    );
    let nu = nu.to_vec()?;
    let all = detached(py, Operation::Experiment, || {
        for_each(nu.len(), |place| {
            let say = |why: &dyn std::fmt::Display| at(place, nu.len(), why);
            let gram = Gram {
                sxx: sxx.matrix(place),
                sxy: sxy.matrix(place),
                syy: syy.matrix(place),
                n: 1,
                centred: None,
            };
            let problem = Problem::new(&gram, None, None).map_err(|error| say(&error))?;
            let setup = Setup {
                source: Source::Shared(Arc::new(problem)),
                initialisation: Initialisation::Given(Weights {
                    w1: w1.matrix(place),
                    w2: w2.matrix(place),
                }),
                width: l,
                seed: 0,
                each_start: false,
            };
            let request = SmallNoise {
                setup: &setup,
                nu: nu[place],
                times: &times,
                rank_tolerance: tolerance,
                trajectories: 1,
                most_work: MOST_WORK,
            };
            request.predict(None).map_err(|error| say(&error))
        })
    })?;
    let names = all.first().map_or_else(Vec::new, |one| {
        let names = one.layout.observables.iter();
        names.map(|o| (o.name.to_owned(), o.index)).collect()
    });
    let separations = all.iter().map(|one| one.separation).collect();
    let values: Vec<f64> = all.into_iter().flat_map(|one| one.values).collect();
    Ok((names, PyArray1::from_vec(py, values), separations))
}

/// The forces on log λᵢ of M = ΘΘᵀ by the regular or the antisymmetric split: for each of a batch
/// log λ, gradient, own noise, common growth or decay, and repulsion, batch × 5 × eigenvalues; NaN
/// beyond the rank.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn forces<'py>(
    py: Python<'py>,
    w1: PyReadonlyArray1<'py, f64>,
    w2: PyReadonlyArray1<'py, f64>,
    sxx: PyReadonlyArray1<'py, f64>,
    sxy: PyReadonlyArray1<'py, f64>,
    syy: PyReadonlyArray1<'py, f64>,
    nu: PyReadonlyArray1<'py, f64>,
    antisymmetric: bool,
    sizes: [usize; 3],
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let split = match antisymmetric {
        true => ForceSplit::Antisymmetric,
        false => ForceSplit::Regular,
    };
    let [p, l, k] = sizes;
    let (w1, w2) = (Stack::new(&w1, p, l)?, Stack::new(&w2, l, k)?);
    let (sxx, sxy, syy) = (
        Stack::new(&sxx, p, p)?,
        Stack::new(&sxy, p, k)?,
        Stack::new(&syy, k, k)?,
    );
    let nu = nu.to_vec()?;
    let most = l.min(p + k);
    let all = detached(py, Operation::Experiment, || {
        for_each(nu.len(), |place| {
            let gram = Gram {
                sxx: sxx.matrix(place),
                sxy: sxy.matrix(place),
                syy: syy.matrix(place),
                n: 1,
                centred: None,
            };
            let problem =
                Problem::new(&gram, None, None).map_err(|error| at(place, nu.len(), &error))?;
            let weights = Weights {
                w1: w1.matrix(place),
                w2: w2.matrix(place),
            };
            let start = Start::revealing(&weights, &problem);
            let instructions = Instructions::best();
            let state = State::<1>::new(&[&start], instructions);
            let lanes = LaneProblem::<1>::new(&[Arc::new(problem)], instructions);
            let forces = EigenvalueForces::new(&state, &lanes, 0, nu[place]);
            let mut values = vec![f64::NAN; 5 * most];
            for (i, log) in forces.log_eigenvalues.iter().enumerate() {
                let drift = forces.log_drift(split, i);
                let all = [
                    *log,
                    drift.gradient,
                    drift.own_noise,
                    drift.common,
                    drift.repulsion,
                ];
                for (row, value) in all.into_iter().enumerate() {
                    values[row * most + i] = value;
                }
            }
            Ok(values)
        })
    })?;
    let all: Vec<f64> = all.concat();
    let shaped = PyArray1::from_vec(py, all);
    shaped.reshape([nu.len() * 5 * most])
}

//! What claims are tested on: data, start, step size and label noise; and how much is spent.

use std::sync::Arc;

use faer::Mat;
use rankfall_core::model::gram::GramAccumulator;
use rankfall_core::model::network::{Initialisation, Start};
use rankfall_core::model::problem::{Problem, Rows};
use rankfall_core::model::setup::{Setup, Source};
use rankfall_core::model::synthetic::{Covariance, Synthetic, Teacher};

use crate::evidence::{Stop, unmeasured};
use crate::linear;
use crate::optimum::Optimum;

/// The largest ratio of relaxation rates for which claims about late times are measured.
const MOST_STIFF: f64 = 200.0;

/// How much is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As little as the statistics allow, to run claims over hundreds of seeds.
    Smallest,
    /// Seconds per claim.
    Quick,
    /// Up to a minute per claim.
    Full,
}

impl Level {
    /// One of three values.
    pub fn pick<T>(self, smallest: T, quick: T, full: T) -> T {
        match self {
            Self::Smallest => smallest,
            Self::Quick => quick,
            Self::Full => full,
        }
    }

    /// As it is written in records.
    pub fn words(self) -> &'static str {
        self.pick("smallest", "quick", "full")
    }
}

/// What claims are tested on.
#[derive(Clone, Debug)]
pub struct Setting {
    /// In words.
    pub words: String,
    /// The data, with their rows where they are known.
    pub problem: Arc<Problem>,
    /// How weights start.
    pub initialisation: Initialisation,
    /// l.
    pub width: usize,
    /// Of everything that is drawn.
    pub seed: u64,
    /// η.
    pub step_size: f64,
    /// δ, a variance.
    pub label_noise: f64,
    /// b.
    pub batch_size: u64,
    /// Whether it is the paper's, in which claims with settings of their own are tested too.
    pub of_the_paper: bool,
}

impl Setting {
    /// The paper's: n = 1000 rows of N(0, I) in R⁵, labels βᵀx in R² with Gaussian β, width 10,
    /// weights N(0, 1), η = 0.01, δ = 2, b = 1.
    pub fn of_the_paper(seed: u64) -> Result<Self, Stop> {
        let recipe = Synthetic {
            samples: 1000,
            inputs: 5,
            outputs: 2,
            covariance: Covariance::Identity,
            teacher: Teacher::Gaussian,
            residual_noise: 0.0,
        };
        let draw = recipe.draw(seed, 0, true).map_err(unmeasured)?;
        let problem = Problem::new(&draw.gram, draw.rows, Some(draw.truth)).map_err(unmeasured)?;
        Ok(Self {
            words: "the paper's setting: 1000 rows of N(0, I) in R⁵, labels βᵀx in R², width 10, \
                    weights N(0, 1), η = 0.01, δ = 2, b = 1"
                .into(),
            problem: Arc::new(problem),
            initialisation: Initialisation::Gaussian {
                scale: 1.0,
                smallest_singular_value: None,
            },
            width: 10,
            seed,
            step_size: 0.01,
            label_noise: 2.0,
            batch_size: 1,
            of_the_paper: true,
        })
    }

    /// p.
    pub fn inputs(&self) -> usize {
        self.problem.inputs
    }

    /// k.
    pub fn outputs(&self) -> usize {
        self.problem.outputs
    }

    /// d = p + k.
    pub fn rows_of_theta(&self) -> usize {
        self.problem.inputs + self.problem.outputs
    }

    /// ν = ηδ/b. Worked out here and not by the numerics, which are what is tested.
    pub fn noise_intensity(&self) -> f64 {
        self.step_size * self.label_noise / self.batch_size as f64
    }

    /// k tr(S_xx): minus half the slope of log det M over ν.
    pub fn collapse_rate(&self) -> f64 {
        self.outputs() as f64 * self.problem.eigenvalues.iter().sum::<f64>()
    }

    /// Data and starts for the numerics, at this width; with a start for each trajectory or not.
    pub fn setup(&self, width: usize, each_start: bool) -> Setup {
        Setup {
            source: Source::Shared(self.problem.clone()),
            initialisation: self.initialisation.clone(),
            width,
            seed: self.seed,
            each_start,
        }
    }

    /// The shared start.
    ///
    /// # Errors
    /// Given weights that do not fit.
    pub fn start(&self) -> Result<Start, Stop> {
        self.start_of(self.width)
    }

    fn start_of(&self, width: usize) -> Result<Start, Stop> {
        let start = self
            .initialisation
            .start(&self.problem, width, self.seed, 0);
        start.map_err(unmeasured)
    }

    /// λ_max(S_xx) (σ₁(W₁)² + σ₁(W₂)²) at the first start of this width: steps times this must stay
    /// below 1.
    ///
    /// # Errors
    /// Given weights that do not fit.
    pub fn stiffness(&self, width: usize) -> Result<f64, Stop> {
        Ok(stiffness(&self.problem, &self.start_of(width)?))
    }

    /// That errors of W₁W₂ around the optimum relax at rates that are not too far apart, so that
    /// the slowest can be waited for; else in words why not.
    pub fn relaxes(&self) -> Result<(), String> {
        let [slowest, fastest] = Optimum::new(&self.problem).damping(&self.problem);
        if slowest > 0.0 && fastest <= MOST_STIFF * slowest {
            Ok(())
        } else if fastest > 0.0 {
            Err(format!(
                "errors around the optimum relax at rates from {slowest:.2e} to {fastest:.2e}, too far apart to \
                 wait for the slowest"
            ))
        } else {
            Err("the optimum is zero: there is nothing to learn".into())
        }
    }

    /// That there is label noise; else in words why not.
    pub fn noisy(&self) -> Result<(), String> {
        match self.noise_intensity() > 0.0 {
            true => Ok(()),
            false => Err("there is no label noise".into()),
        }
    }

    /// Whether weights may be given to any width: drawn ones may, read ones may not.
    pub fn any_width(&self) -> bool {
        !matches!(self.initialisation, Initialisation::Given(_))
    }

    /// Whether the start has a row for every input and output: l ≥ p + k and no balanced start;
    /// else in words why not.
    pub fn full_rank(&self) -> Result<(), String> {
        let (d, l) = (self.rows_of_theta(), self.width);
        if l < d {
            return Err(format!(
                "the width {l} is below p + k = {d}: M = ΘΘᵀ has no determinant"
            ));
        }
        let start = self.start().map_err(|stop| stop.to_string())?;
        let sigma = linear::singular_values(&start.left);
        let least = 1e-10 * sigma.first().copied().unwrap_or(0.0);
        if sigma.last().is_none_or(|&s| s <= least) {
            return Err(
                "the start has less than full rank: log det M is −∞ from the beginning".into(),
            );
        }
        Ok(())
    }

    /// The rows of the data; else in words why not.
    pub fn rows(&self) -> Result<&Arc<Rows>, String> {
        let rows = self.problem.rows.as_ref();
        rows.ok_or_else(|| {
            "mini-batches need the rows of the data; here only Gram matrices are known".into()
        })
    }

    /// That it is small enough for the full spectrum to be taken very often; else in words why not.
    pub fn small(&self, most: usize) -> Result<(), String> {
        let d = self.rows_of_theta();
        if d <= most {
            Ok(())
        } else {
            Err(format!(
                "measured up to p + k = {most} only; here it is {d}"
            ))
        }
    }

    /// That this is the paper's setting: for claims about problems of their own; else in words why
    /// not.
    pub fn own_problem(&self) -> Result<(), String> {
        if self.of_the_paper {
            Ok(())
        } else {
            Err("it is about a problem of its own, which the experiment does not change".into())
        }
    }
}

/// λ_max(S_xx) (σ₁(W₁)² + σ₁(W₂)²).
pub fn stiffness(problem: &Problem, start: &Start) -> f64 {
    let p = problem.inputs;
    let (d, m) = (start.left.nrows(), start.left.ncols());
    let block = |first: usize, count: usize| {
        let rows = Mat::from_fn(count, m, |i, j| start.left[(first + i, j)]);
        let largest = linear::singular_values(&rows).first().copied();
        largest.map_or(0.0, |s| s * s)
    };
    problem.eigenvalues[0] * (block(0, p) + block(p, d - p))
}

/// The problem of these rows, which are in the eigenbasis of another, and the rows in its own.
///
/// # Errors
/// Rows that are no problem: all zero, or beyond the range of numbers.
pub fn problem_of_rows(
    rows: Rows,
    inputs: usize,
    outputs: usize,
) -> Result<(Arc<Problem>, Arc<Rows>), Stop> {
    let mut sums = GramAccumulator::new(inputs, outputs);
    sums.add_rows(&rows.x, &rows.y).map_err(unmeasured)?;
    let problem = Problem::new(&sums.gram(), Some(rows), None).map_err(unmeasured)?;
    let rows = problem.rows.clone();
    Ok((
        Arc::new(problem),
        rows.ok_or_else(|| unmeasured("the rows are gone"))?,
    ))
}

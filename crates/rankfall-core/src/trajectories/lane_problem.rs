//! The problems of the N trajectories of a block, side by side in lanes.

use std::cell::Cell;
use std::sync::Arc;

use faer::Mat;

use crate::kernels::Variant;
use crate::model::class_problem::ClassProblem;
use crate::model::problem::{Problem, Rows, Truth};
use crate::simd::instructions::Instructions;
use crate::simd::lane_vec::LaneVec;
use crate::simd::lanes::Lanes;

/// N problems of the same shape; one lane may see other data than its neighbour.
pub struct LaneProblem<const N: usize> {
    /// p.
    pub inputs: usize,
    /// k.
    pub outputs: usize,
    /// n.
    pub samples: u64,
    /// Eigenvalues of S_xx.
    pub eigenvalues: LaneVec<N>,
    /// Minus the eigenvalue of its row for each entry of a p × k matrix, row-major: −S_xx as it
    /// acts on it.
    pub(crate) negative_curvature: LaneVec<N>,
    /// Their square roots: S_xx^{1/2} in the eigenbasis.
    pub roots: LaneVec<N>,
    /// tr S_xx.
    pub trace: Lanes<N>,
    /// S_xy, p × k row-major.
    pub sxy: LaneVec<N>,
    /// The least-squares optimum, p × k row-major.
    pub optimum: LaneVec<N>,
    /// Loss of the optimum, in the units of reported losses.
    pub loss_floor: Lanes<N>,
    /// What the squared error of each output counts in reported losses, k of them.
    pub(crate) loss_weights: LaneVec<N>,
    /// Teacher and covariance, where known.
    pub truth: Option<LaneTruth<N>>,
    /// Rows, where held.
    pub rows: Option<Vec<Arc<Rows>>>,
    /// The rows of all lanes under a loss of classes; none for the squared loss.
    pub classes: Option<Arc<ClassProblem>>,
    /// How steps of this shape are worked out.
    pub(crate) kernels: Variant,
    /// With which instructions.
    pub(crate) instructions: Instructions,
    /// Scratch of products with these problems, so that no step allocates; what it holds means
    /// nothing.
    pub(crate) scratch: Cell<LaneVec<N>>,
}

/// The truth behind synthetic data, in lanes.
pub struct LaneTruth<const N: usize> {
    /// β, p × k row-major.
    pub teacher: LaneVec<N>,
    /// E x xᵀ, p × p row-major.
    pub covariance: LaneVec<N>,
    /// ½ k × residual variance: the population loss of the teacher.
    pub floor: Lanes<N>,
}

impl<const N: usize> LaneProblem<N> {
    /// Lanes of these problems, all of one shape, worked out with these instructions.
    pub fn new(problems: &[Arc<Problem>; N], instructions: Instructions) -> Self {
        let (inputs, outputs) = (problems[0].inputs, problems[0].outputs);
        let vector = |count, entry: &dyn Fn(&Arc<Problem>, usize) -> f64| {
            LaneVec::gather(problems, count, entry)
        };
        let matrix = |of: &dyn Fn(&Problem) -> &Mat<f64>| {
            vector(inputs * outputs, &|q, i| of(q)[(i / outputs, i % outputs)])
        };
        let eigenvalues = vector(inputs, &|q, a| q.eigenvalues[a]);
        let lanes = |f: &dyn Fn(&Problem) -> f64| Lanes(problems.each_ref().map(|q| f(q)));
        Self {
            inputs,
            outputs,
            samples: problems[0].samples,
            roots: eigenvalues.iter().map(|s| s.sqrt()).collect(),
            eigenvalues,
            negative_curvature: vector(inputs * outputs, &|q, i| -q.eigenvalues[i / outputs]),
            trace: lanes(&Problem::trace),
            sxy: matrix(&|q| &q.sxy),
            optimum: matrix(&|q| &q.optimum),
            loss_floor: lanes(&Problem::reported_loss_floor),
            loss_weights: vector(outputs, &|q, b| q.loss_weight(b)),
            truth: LaneTruth::new(problems),
            rows: problems.iter().map(|q| q.rows.clone()).collect(),
            classes: None,
            kernels: Variant::of::<N>(inputs, outputs),
            instructions,
            scratch: Cell::default(),
        }
    }

    /// The same rows, which all lanes must share, under a loss of classes.
    #[must_use]
    pub fn of_classes(self, classes: Option<Arc<ClassProblem>>) -> Self {
        Self { classes, ..self }
    }
}

impl<const N: usize> LaneTruth<N> {
    /// None where a problem has none.
    fn new(problems: &[Arc<Problem>; N]) -> Option<Self> {
        let truths = problems.iter().map(|q| q.truth.as_ref());
        let truths: [&Truth; N] = truths.collect::<Option<Vec<_>>>()?.try_into().ok()?;
        let (p, k) = (truths[0].teacher.nrows(), truths[0].teacher.ncols());
        Some(Self {
            teacher: LaneVec::gather(&truths, p * k, |t, i| t.teacher[(i / k, i % k)]),
            covariance: LaneVec::gather(&truths, p * p, |t, i| t.covariance[(i / p, i % p)]),
            floor: Lanes(truths.map(|t| 0.5 * k as f64 * t.residual_noise * t.residual_noise)),
        })
    }
}

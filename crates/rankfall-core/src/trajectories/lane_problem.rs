//! The problems of the N trajectories of a block, side by side in lanes.

use std::cell::Cell;
use std::sync::Arc;

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
        let matrix = |entry: &dyn Fn(&Problem, usize, usize) -> f64| {
            gather(problems, inputs * outputs, |q, i| {
                entry(q, i / outputs, i % outputs)
            })
        };
        let eigenvalues = gather(problems, inputs, |q, a| q.eigenvalues[a]);
        let negative_curvature = gather(problems, inputs * outputs, |q, i| {
            -q.eigenvalues[i / outputs]
        });
        Self {
            inputs,
            outputs,
            samples: problems[0].samples,
            roots: eigenvalues.iter().map(|s| s.sqrt()).collect(),
            eigenvalues,
            negative_curvature,
            trace: lanes_of(problems, Problem::trace),
            sxy: matrix(&|q, a, b| q.sxy[(a, b)]),
            optimum: matrix(&|q, a, b| q.optimum[(a, b)]),
            loss_floor: lanes_of(problems, Problem::reported_loss_floor),
            loss_weights: gather(problems, outputs, Problem::loss_weight),
            truth: LaneTruth::new(problems, inputs, outputs),
            rows: problems.iter().map(|q| q.rows.clone()).collect(),
            classes: None,
            kernels: Variant::of::<N>(inputs, outputs),
            instructions,
            scratch: Cell::default(),
        }
    }
}

impl<const N: usize> LaneProblem<N> {
    /// The same rows, which all lanes must share, under a loss of classes.
    #[must_use]
    pub fn of_classes(self, classes: Option<Arc<ClassProblem>>) -> Self {
        Self { classes, ..self }
    }
}

impl<const N: usize> LaneTruth<N> {
    fn new(problems: &[Arc<Problem>; N], inputs: usize, outputs: usize) -> Option<Self> {
        let truths: Vec<&Truth> = problems
            .iter()
            .map(|q| q.truth.as_ref())
            .collect::<Option<_>>()?;
        let lanes = |f: &dyn Fn(&Truth) -> f64| Lanes(std::array::from_fn(|lane| f(truths[lane])));
        let floor = |t: &Truth| 0.5 * outputs as f64 * t.residual_noise * t.residual_noise;
        Some(Self {
            teacher: (0..inputs * outputs)
                .map(|i| lanes(&|t| t.teacher[(i / outputs, i % outputs)]))
                .collect(),
            covariance: (0..inputs * inputs)
                .map(|i| lanes(&|t| t.covariance[(i / inputs, i % inputs)]))
                .collect(),
            floor: lanes(&floor),
        })
    }
}

fn lanes_of<const N: usize>(problems: &[Arc<Problem>; N], f: impl Fn(&Problem) -> f64) -> Lanes<N> {
    Lanes(std::array::from_fn(|lane| f(&problems[lane])))
}

fn gather<const N: usize>(
    problems: &[Arc<Problem>; N],
    count: usize,
    f: impl Fn(&Problem, usize) -> f64,
) -> LaneVec<N> {
    (0..count)
        .map(|i| lanes_of(problems, |q| f(q, i)))
        .collect()
}

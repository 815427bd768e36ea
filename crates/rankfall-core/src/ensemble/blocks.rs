//! The exact engine's ensembles in the runner: blocks of N trajectories side by side.

use std::ops::Range;
use std::sync::Arc;

use crate::ensemble::block::{Block, BlockProgress};
use crate::ensemble::runner;
use crate::ensemble::runner::checkpoint::EnsembleCheckpoint;
use crate::ensemble::runner::control::Control;
use crate::ensemble::runner::error::RunError;
use crate::ensemble::runner::trajectories::Trajectories;
use crate::ensemble::spec::{EnsembleSpec, trajectories_per_block};
use crate::ensemble::statistics::{BlockSamples, Statistics};
use crate::measure::layout::Layout;
use crate::model::class_problem::ClassProblem;
use crate::model::network::Weights;
use crate::model::setup::{InitialCondition, Setup, SetupError};
use crate::simd::instructions::Instructions;
use crate::simd::lanes::BLOCK;

/// What a finished ensemble, or a finished part of one, leaves.
pub struct Outcome {
    /// What was measured, in the order of the cells of one save time.
    pub layout: Layout,
    /// Statistics; cell = save × observables + observable.
    pub statistics: Statistics,
    /// Final weights of trajectory 0, unless it diverged or belongs to another part.
    pub final_weights: Option<Weights>,
}

impl EnsembleSpec {
    /// Runs the ensemble on `threads` threads, from the start or from a checkpoint.
    ///
    /// # Errors
    /// A trajectory that cannot be set up; an interruption; a checkpoint that cannot be kept or
    /// does not fit.
    pub fn run(
        &self,
        setup: &Setup,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError<SetupError>> {
        let all = 0..self.blocks(setup);
        self.run_part(setup, all, threads, resume, control, instructions)
    }

    /// Runs some of the blocks: the statistics of parts absorb each other to those of the whole.
    ///
    /// # Errors
    /// As for [`EnsembleSpec::run`].
    pub fn run_part(
        &self,
        setup: &Setup,
        blocks: Range<u64>,
        threads: usize,
        resume: Option<&EnsembleCheckpoint>,
        control: &dyn Control,
        instructions: Instructions,
    ) -> Result<Outcome, RunError<SetupError>> {
        self.check().map_err(RunError::Start)?;
        let mut spec = self.clone();
        spec.trajectories = self.effective_trajectories(setup);
        let run = Run {
            blocks,
            threads,
            resume,
            control,
            instructions,
        };
        match trajectories_per_block(setup.rows(), spec.trajectories) {
            1 => run.of_blocks::<1>(&spec, setup),
            _ => run.of_blocks::<BLOCK>(&spec, setup),
        }
    }
}

/// What a run needs besides the ensemble.
struct Run<'a> {
    blocks: Range<u64>,
    threads: usize,
    resume: Option<&'a EnsembleCheckpoint>,
    control: &'a dyn Control,
    instructions: Instructions,
}

impl Run<'_> {
    fn of_blocks<const N: usize>(
        self,
        spec: &EnsembleSpec,
        setup: &Setup,
    ) -> Result<Outcome, RunError<SetupError>> {
        let initial_condition = setup.initial_condition(0).map_err(RunError::Start)?;
        let layout = spec.layout(
            initial_condition.problem.inputs,
            initial_condition.problem.outputs,
            initial_condition.start.reduced_width(),
            initial_condition.problem.truth.is_some(),
        );
        let classes = spec.class_problem(setup, &initial_condition.problem);
        let blocks = Blocks::<N> {
            spec,
            setup,
            classes: classes.map_err(RunError::Start)?,
            initial_condition: setup.is_shared().then_some(initial_condition),
            layout: &layout,
            instructions: self.instructions,
        };
        let (statistics, weights) = runner::run(
            &blocks,
            self.blocks,
            self.threads,
            self.resume,
            self.control,
        )?;
        let final_weights = weights.map(|[w1, w2]| weights_from(w1, w2, setup.width));
        Ok(Outcome {
            layout,
            statistics,
            final_weights,
        })
    }
}

/// The blocks of an ensemble, N trajectories side by side.
struct Blocks<'a, const N: usize> {
    spec: &'a EnsembleSpec,
    setup: &'a Setup,
    /// Where all trajectories begin, if they begin at one place.
    initial_condition: Option<InitialCondition>,
    /// The rows under a loss of classes, where there is one.
    classes: Option<Arc<ClassProblem>>,
    layout: &'a Layout,
    instructions: Instructions,
}

impl<'a, const N: usize> Trajectories for Blocks<'a, N> {
    type Block = Block<'a, N>;
    type Progress = BlockProgress<N>;
    /// W₁ and W₂, columns first.
    type Weights = [Vec<f64>; 2];
    type Error = SetupError;

    fn trajectories(&self) -> u64 {
        self.spec.trajectories
    }

    fn per_block(&self) -> u64 {
        N as u64
    }

    fn steps(&self) -> u64 {
        self.spec.save_steps.last().copied().unwrap_or(0)
    }

    fn empty_statistics(&self) -> Statistics {
        self.spec.empty_statistics(self.layout)
    }

    fn start(
        &self,
        block: u64,
        progress: Option<BlockProgress<N>>,
    ) -> Result<Block<'a, N>, SetupError> {
        let (spec, setup, initial_condition) =
            (self.spec, self.setup, self.initial_condition.as_ref());
        Block::new(
            spec,
            setup,
            initial_condition,
            self.classes.clone(),
            block,
            progress,
            self.instructions,
        )
    }

    fn advance(&self, block: &mut Block<'a, N>, steps: u64) -> bool {
        block.advance(steps)
    }

    fn trajectory_steps(&self, block: &Block<'a, N>) -> u64 {
        block.trajectory_steps()
    }

    fn progress(&self, block: &Block<'a, N>) -> BlockProgress<N> {
        block.progress()
    }

    fn finish(&self, mut block: Block<'a, N>) -> (BlockSamples, Option<[Vec<f64>; 2]>) {
        let leaf = block.take_leaf();
        let first_survived = leaf.survivors.first().is_some_and(|&(t, _)| t == 0);
        let weights = first_survived.then(|| columns_first(&block.weights(0)));
        (leaf, weights)
    }
}

fn columns_first(weights: &Weights) -> [Vec<f64>; 2] {
    [&weights.w1, &weights.w2].map(|w| {
        (0..w.ncols())
            .flat_map(|j| w.col_as_slice(j).iter().copied())
            .collect()
    })
}

fn weights_from(w1: Vec<f64>, w2: Vec<f64>, width: usize) -> Weights {
    let (inputs, outputs) = (w1.len() / width, w2.len() / width);
    Weights {
        w1: faer::Mat::from_fn(inputs, width, |i, j| w1[j * inputs + i]),
        w2: faer::Mat::from_fn(width, outputs, |i, j| w2[j * width + i]),
    }
}
